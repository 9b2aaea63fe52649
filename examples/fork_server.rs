//! A server whose guest is a program of Kotlin: it starts once, with all its initialisers, and each request is served
//! by a copy of what it is then. A copy writes to pages of its own and is thrown away, so no request sees another one.

use heapwood::wasi::{self, MemoryOutput, ProcExit, WasiCtx};
use heapwood::{Checkpoint, Engine, Error, Instance, Linker, Module, Result, Store};
use std::time::Instant;

/// Prints its arguments, one a line, and exits with their number.
const ARGUMENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guests/kotlin/wasm/args.wasm");
/// Prints a line, which is all that it does.
const HELLO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guests/kotlin/wasm/hello.wasm");
/// Requests that are served while time is measured.
const ROUNDS: u32 = 200;

/// What a request was answered.
#[derive(PartialEq, Debug)]
struct Answer {
    status: u32,
    text: String,
}

fn context(request: &[&str], output: &MemoryOutput) -> Result<WasiCtx> {
    WasiCtx::builder().args(request.iter().copied()).stdout(output.clone()).build().map_err(Error::new)
}

/// Runs the program in a store where it is instantiated.
fn run_main(store: &mut Store<WasiCtx>, output: &MemoryOutput) -> Result<Answer> {
    let instance: Instance = store.instances().next().ok_or("nothing is instantiated")?;
    let start = instance.get_typed_func::<(), ()>(&mut *store, "_start")?;
    let status = match start.call(&mut *store, ()) {
        Ok(()) => 0,
        Err(error) => error.downcast_ref::<ProcExit>().map(|exit| exit.0).ok_or(error)?,
    };
    Ok(Answer { status, text: String::from_utf8_lossy(&output.contents()).into_owned() })
}

/// A program that is compiled, and how its instances are made.
struct Program {
    linker: Linker<WasiCtx>,
    module: Module,
}

impl Program {
    fn new(engine: &Engine, path: &str) -> Result<Program> {
        let mut linker = Linker::new(engine);
        wasi::add_to_linker(&mut linker, |wasi| wasi)?;
        Ok(Program { linker, module: Module::new(engine, std::fs::read(path).map_err(Error::new)?)? })
    }

    /// Serves a request with a program that is started for it. Also the bytes that it has allocated.
    fn restart(&self, request: &[&str]) -> Result<(Answer, u64)> {
        let output = MemoryOutput::new(1 << 20);
        let mut store = Store::new(self.linker.engine(), context(request, &output)?);
        self.linker.instantiate(&mut store, &self.module)?;
        let answer = run_main(&mut store, &output)?;
        Ok((answer, allocated(&mut store)?))
    }

    /// The program when its initialisers have run, and its main function once.
    fn warm(&self) -> Result<Checkpoint<WasiCtx>> {
        let output = MemoryOutput::new(1 << 20);
        let mut store = Store::new(self.linker.engine(), context(&["warm"], &output)?);
        self.linker.instantiate(&mut store, &self.module)?;
        run_main(&mut store, &output)?;
        store.checkpoint()
    }
}

/// Serves a request with a copy. Also the bytes that the copy has allocated.
fn serve(checkpoint: &Checkpoint<WasiCtx>, request: &[&str]) -> Result<(Answer, u64)> {
    let output = MemoryOutput::new(1 << 20);
    let mut fork = checkpoint.fork(context(request, &output)?)?;
    let answer = run_main(&mut fork, &output)?;
    Ok((answer, allocated(&mut fork)?))
}

/// Bytes of young objects that a store has made, which are counted when they are collected.
fn allocated(store: &mut Store<WasiCtx>) -> Result<u64> {
    store.gc()?;
    Ok(store.gc_stats().eden_bytes)
}

/// Microseconds for each of many rounds, and pages that the system had to give for each.
fn measure(mut round: impl FnMut() -> Result<()>) -> Result<(f64, u64)> {
    round()?;
    let (start, faults) = (Instant::now(), page_faults());
    for _ in 0..ROUNDS {
        round()?;
    }
    let faults = page_faults().saturating_sub(faults) / u64::from(ROUNDS);
    Ok((start.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS), faults))
}

/// Page faults of this process so far; 0 where the system does not tell.
fn page_faults() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.nth(7).and_then(|field| field.parse().ok()).unwrap_or(0)
}

/// The figures that end the example.
pub fn run() -> Result<String> {
    let engine = Engine::default();
    let program = Program::new(&engine, ARGUMENTS)?;
    let checkpoint = program.warm()?;
    // Each request is answered as by a program of its own, and costs less: no initialiser runs again.
    for request in [&["args", "a"] as &[&str], &["args"], &["args", "", "x y", "z"], &["args", "a"]] {
        let (answer, made) = serve(&checkpoint, request)?;
        let (expected, made_anew) = program.restart(request)?;
        assert_eq!(answer, expected, "{request:?}");
        assert_eq!(answer.status as usize + 1, request.len(), "the first one is the program's name");
        assert!(made < made_anew, "{request:?}: a copy allocates {made} bytes, a new program {made_anew}");
    }

    // Requests on several threads, each with copies of its own.
    let served: usize = std::thread::scope(|scope| {
        let serve_some = |thread: usize| {
            let text = format!("thread {thread}");
            (0..20).filter(|_| serve(&checkpoint, &["echo", &text]).is_ok_and(|(a, _)| a.text.contains(&text))).count()
        };
        let threads: Vec<_> = (0..4).map(|thread| scope.spawn(move || serve_some(thread))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or(0)).sum()
    });
    assert_eq!(served, 80);

    let program = Program::new(&engine, HELLO)?;
    let checkpoint = program.warm()?;
    let output = MemoryOutput::new(1 << 20);
    let (forked, pages) = measure(|| {
        let mut fork = checkpoint.fork(context(&[], &output)?)?;
        run_main(&mut fork, &output).map(drop)
    })?;
    let (restarted, _) = measure(|| {
        let mut store = Store::new(&engine, context(&[], &output)?);
        program.linker.instantiate(&mut store, &program.module)?;
        run_main(&mut store, &output).map(drop)
    })?;
    let mut store = checkpoint.fork(context(&[], &output)?)?;
    let (rolled, _) = measure(|| {
        run_main(&mut store, &output)?;
        store.rollback(&checkpoint)
    })?;
    let kib = checkpoint.heap_bytes() >> 10;
    Ok(format!(
        "{served} requests; hello of {kib} KiB: {forked:.0} us by a fork ({pages} page faults), {rolled:.0} us and a \
         rollback, {restarted:.0} us by a start"
    ))
}

#[allow(dead_code, reason = "the tests call `run`")]
fn main() -> Result<()> {
    println!("ok fork_server {}", run()?);
    Ok(())
}
