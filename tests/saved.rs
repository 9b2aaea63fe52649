//! Kotlin programs that begin when their initialisers have run, in another process than the one that ran them.

use heapwood::wasi::{self, MemoryOutput, ProcExit, WasiCtx};
use heapwood::{Checkpoint, Config, Engine, Error, Linker, Module, Result, Store};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Prints its arguments, one a line, and exits with their number.
const ARGUMENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guests/kotlin/wasm/args.wasm");

/// A file that is removed at the end.
struct TempFile(PathBuf);

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn context(args: &[&str], output: &MemoryOutput) -> WasiCtx {
    WasiCtx::builder().args(args.iter().copied()).stdout(output.clone()).build().unwrap()
}

/// Runs the program of a store; its status, what it printed, and the bytes that it has allocated.
fn run_main(store: &mut Store<WasiCtx>, output: &MemoryOutput) -> Result<(u32, String, u64)> {
    let instance = store.instances().next().ok_or("nothing is instantiated")?;
    let start = instance.get_typed_func::<(), ()>(&mut *store, "_start")?;
    let status = match start.call(&mut *store, ()) {
        Ok(()) => 0,
        Err(error) => error.downcast_ref::<ProcExit>().map(|exit| exit.0).ok_or(error)?,
    };
    store.gc()?;
    Ok((status, String::from_utf8_lossy(&output.contents()).into_owned(), store.gc_stats().eden_bytes))
}

fn program(config: &Config) -> (Linker<WasiCtx>, Module) {
    let engine = Engine::new(config).unwrap();
    let mut linker = Linker::new(&engine);
    wasi::add_to_linker(&mut linker, |wasi| wasi).unwrap();
    (linker, Module::from_file(&engine, ARGUMENTS).unwrap())
}

fn configs() -> [Config; 2] {
    let mut stress = Config::new();
    stress.gc_stress(97).gc_verify(true);
    [Config::new(), stress]
}

/// Starts the program, which runs once, and saves it.
fn save(config: &Config, file: &Path) {
    let (linker, module) = program(config);
    let output = MemoryOutput::new(1 << 20);
    let mut store = Store::new(linker.engine(), context(&["warm"], &output));
    linker.instantiate(&mut store, &module).unwrap();
    run_main(&mut store, &output).unwrap();
    store.checkpoint().unwrap().save(file).unwrap();
}

#[allow(unsafe_code, reason = "the promise of whoever loads a checkpoint")]
fn load(linker: &Linker<WasiCtx>, module: Module, file: &Path) -> Result<Checkpoint<WasiCtx>, Error> {
    // SAFETY: this test has saved the file, and nobody changes it.
    unsafe { Checkpoint::load(linker, &[module], file) }
}

fn serve(config: &Config, file: &Path) {
    let (linker, module) = program(config);
    let checkpoint = load(&linker, module.clone(), file).unwrap();
    for args in [&["args", "a"] as &[&str], &["args"], &["args", "", "x y", "z"]] {
        let (output, again) = (MemoryOutput::new(1 << 20), MemoryOutput::new(1 << 20));
        let mut fork = checkpoint.fork(context(args, &output)).unwrap();
        let (status, text, made) = run_main(&mut fork, &output).unwrap();
        let mut store = Store::new(linker.engine(), context(args, &again));
        linker.instantiate(&mut store, &module).unwrap();
        let (expected, expected_text, made_anew) = run_main(&mut store, &again).unwrap();
        assert_eq!((status, &text), (expected, &expected_text), "{args:?}");
        assert_eq!(status as usize + 1, args.len(), "the first one is the program's name");
        assert!(made < made_anew, "{args:?}: {made} bytes instead of {made_anew}: no initialiser runs again");
    }
}

#[test]
fn a_kotlin_program_begins_in_another_process_when_its_initialisers_have_run() {
    const NAME: &str = "a_kotlin_program_begins_in_another_process_when_its_initialisers_have_run";
    if let Ok(file) = std::env::var("HEAPWOOD_SAVED_FILE") {
        configs().iter().for_each(|config| serve(config, Path::new(&file)));
        println!("all requests were served");
        return;
    }
    for (number, config) in configs().iter().enumerate() {
        let file = std::env::temp_dir().join(format!("heapwood-kotlin-{}-{number}", std::process::id()));
        let file = TempFile(file);
        save(config, &file.0);
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args([NAME, "--exact", "--nocapture", "--test-threads=1"]).env("HEAPWOOD_SAVED_FILE", &file.0);
        let output = child.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && text.contains("all requests were served"), "{text}");
    }
}
