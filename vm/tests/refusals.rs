//! Systems that refuse memory: each call fails, once or with all that follow. Programs run to their end or to a trap
//! that says so; the heap is sound then, and the store goes on, with what there is and when there is more.

mod common {
    pub mod rewired;
}

use common::rewired;
use heapwood_vm::*;
use std::ops::Range;
use std::path::Path;

/// A program, and what is called of it.
struct Program {
    name: &'static str,
    bytes: Vec<u8>,
    args: &'static [&'static str],
    run: fn(&mut Running) -> Result<i64>,
    /// An export for afterwards, which needs no memory; its result is that of the data that it finds.
    look: fn(&mut Running) -> i64,
}

/// An instance; the store's data is what it wrote.
struct Running {
    store: Store<Vec<u8>>,
    instance: Instance,
}

impl Running {
    fn start(config: &Config, program: &Program) -> Result<Running> {
        let engine = Engine::new(config)?;
        let module = Module::new(&engine, &program.bytes)?;
        let mut store = Store::try_new(&engine, Vec::new())?;
        let instance = wasi(&engine, program.args).instantiate(&mut store, &module)?;
        Ok(Running { store, instance })
    }

    fn call<P: WasmParams, R: WasmResults>(&mut self, name: &str, params: P) -> Result<R> {
        self.instance.get_typed_func::<P, R>(&mut self.store, name)?.call(&mut self.store, params)
    }
}

/// The functions of WASI that Kotlin programs import.
fn wasi(engine: &Engine, args: &'static [&'static str]) -> Linker<Vec<u8>> {
    const MODULE: &str = "wasi_snapshot_preview1";
    fn memory(caller: &mut Caller<'_, Vec<u8>>) -> Memory {
        caller.get_export("memory").and_then(|export| export.into_memory()).expect("an exported memory")
    }
    fn word(caller: &mut Caller<'_, Vec<u8>>, at: i32) -> i32 {
        let mut bytes = [0; 4];
        memory(caller).read(&*caller, at as usize, &mut bytes).unwrap();
        i32::from_le_bytes(bytes)
    }
    fn write(caller: &mut Caller<'_, Vec<u8>>, at: i32, bytes: &[u8]) {
        memory(caller).write(caller, at as usize, bytes).unwrap();
    }
    let mut linker = Linker::new(engine);
    let write_fd = |mut caller: Caller<'_, Vec<u8>>, _: i32, vectors: i32, count: i32, written: i32| -> i32 {
        let mut total = 0;
        for vector in 0..count {
            let (start, len) = (word(&mut caller, vectors + vector * 8), word(&mut caller, vectors + vector * 8 + 4));
            let mut bytes = vec![0; len as usize];
            memory(&mut caller).read(&caller, start as usize, &mut bytes).unwrap();
            caller.data_mut().extend(bytes);
            total += len;
        }
        write(&mut caller, written, &total.to_le_bytes());
        0
    };
    let random = |mut caller: Caller<'_, Vec<u8>>, start: i32, len: i32| -> i32 {
        write(&mut caller, start, &vec![7; len as usize]);
        0
    };
    let sizes = move |mut caller: Caller<'_, Vec<u8>>, count: i32, bytes: i32| -> i32 {
        write(&mut caller, count, &(args.len() as i32).to_le_bytes());
        write(&mut caller, bytes, &args.iter().map(|arg| arg.len() as i32 + 1).sum::<i32>().to_le_bytes());
        0
    };
    let get = move |mut caller: Caller<'_, Vec<u8>>, pointers: i32, mut to: i32| -> i32 {
        for (index, arg) in args.iter().enumerate() {
            write(&mut caller, pointers + index as i32 * 4, &to.to_le_bytes());
            write(&mut caller, to, arg.as_bytes());
            write(&mut caller, to + arg.len() as i32, &[0]);
            to += arg.len() as i32 + 1;
        }
        0
    };
    let exit = |_: Caller<'_, Vec<u8>>, code: i32| -> Result<()> { Err(Error::msg(format!("exit {code}"))) };
    linker.func_wrap(MODULE, "fd_write", write_fd).unwrap();
    linker.func_wrap(MODULE, "random_get", random).unwrap();
    linker.func_wrap(MODULE, "args_sizes_get", sizes).unwrap();
    linker.func_wrap(MODULE, "args_get", get).unwrap();
    linker.func_wrap(MODULE, "proc_exit", exit).unwrap();
    linker
}

/// Runs a Kotlin program; a sum of what it wrote.
fn run_kotlin(running: &mut Running) -> Result<i64> {
    running.store.data_mut().clear();
    running.call::<(), ()>("_start", ())?;
    Ok(running.store.data().iter().fold(0, |sum: i64, byte| sum.wrapping_mul(31).wrapping_add(i64::from(*byte))))
}

fn kotlin(name: &'static str, args: &'static [&'static str]) -> Program {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/guests/kotlin/wasm");
    let bytes = std::fs::read(folder.join(format!("{name}.wasm"))).expect("a program of the repository");
    // It has no export but its main function.
    let look = |running: &mut Running| {
        let result = run_kotlin(running);
        assert!(result.as_ref().err().is_none_or(|error| error.trap().is_some()), "{result:?}");
        0
    };
    Program { name, bytes, args, run: run_kotlin, look }
}

/// Memories, a table of references and small objects grow in turns, until one of them cannot.
const GROWING: &str = r#"(module
    (type $n (struct (field (ref null $n)) (field i64)))
    (memory $m 1 40)
    (memory $m64 i64 0 80)
    (table $t 0 4000 (ref null $n))
    (global $list (mut (ref null $n)) (ref.null $n))
    (func (export "run") (result i64) (local $i i32) (local $at i32)
      (loop $l
        (local.set $at (memory.grow $m (i32.const 1)))
        (if (i32.ge_s (local.get $at) (i32.const 0))
          (then (i32.store $m (i32.mul (local.get $at) (i32.const 65536)) (local.get $at))))
        (drop (memory.grow $m64 (i64.const 2)))
        (local.set $at (table.grow $t (ref.null $n) (i32.const 100)))
        (if (i32.ge_s (local.get $at) (i32.const 0))
          (then (table.set $t (local.get $at) (struct.new $n (ref.null $n) (i64.extend_i32_u (local.get $at))))))
        (global.set $list (struct.new $n (global.get $list) (i64.const 1)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $l (i32.lt_u (local.get $i) (i32.const 60))))
      (call $look))
    ;; Each page and each hundredth element of the table holds its number, unless a trap came in between.
    (func $look (export "look") (result i64) (local $i i32) (local $n (ref null $n))
      (local.set $i (i32.const 1))
      (loop $l
        (if (i32.lt_u (local.get $i) (memory.size $m))
          (then
            (if (i32.ne (i32.load $m (i32.mul (local.get $i) (i32.const 65536))) (local.get $i)) (then (unreachable)))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br $l))))
      (local.set $i (i32.const 0))
      (loop $l
        (if (i32.lt_u (local.get $i) (table.size $t))
          (then
            (local.set $n (table.get $t (local.get $i)))
            (if (i32.eqz (ref.is_null (local.get $n)))
              (then (if (i64.ne (struct.get $n 1 (local.get $n)) (i64.extend_i32_u (local.get $i))) (then (unreachable)))))
            (local.set $i (i32.add (local.get $i) (i32.const 100)))
            (br $l))))
      (i64.add (i64.extend_i32_u (memory.size $m))
        (i64.add (i64.mul (memory.size $m64) (i64.const 1000)) (i64.mul (i64.extend_i32_u (table.size $t)) (i64.const 1000000))))))"#;

fn rewired() -> Program {
    let bytes = wat::parse_str(rewired::GUEST).unwrap();
    let look = |running: &mut Running| running.call("all", ()).unwrap();
    Program { name: "rewired", bytes, args: &[], run: |running| running.call("run", 16_000), look }
}

fn growing() -> Program {
    let bytes = wat::parse_str(GROWING).unwrap();
    let look = |running: &mut Running| running.call("look", ()).unwrap();
    Program { name: "growing", bytes, args: &[], run: |running| running.call("run", ()), look }
}

fn config() -> Config {
    let mut config = Config::new();
    config.gc_nursery(64 << 10).gc_heap_initial(1 << 20).gc_heap_max(64 << 20).gc_threads(0).compile_threads(1);
    config
}

/// What came of a program that was refused calls.
#[derive(Debug, Default)]
struct Outcomes {
    births: u32,
    traps: u32,
    ends: u32,
    /// The program needed fewer calls this time.
    missed: u32,
}

impl Outcomes {
    fn count(&mut self, result: Result<i64>, expected: i64, place: &str) {
        match result {
            Ok(sum) => {
                assert_eq!(sum, expected, "{place}");
                self.ends += 1;
            }
            Err(error) => {
                let trap = error.trap().unwrap_or_else(|| panic!("{place}: {error}"));
                assert_eq!(trap.kind(), TrapKind::HeapExhausted, "{place}: {error}");
                assert!(trap.is_refused_by_system(), "{place}: {error}");
                let text = error.to_string();
                assert!(text.contains("the system refused to ") && text.contains("limit is 67108864"), "{text}");
                self.traps += 1;
            }
        }
    }
}

fn assert_refused(error: &Error, place: &str) {
    assert!(error.to_string().contains("the system refused"), "{place}: {error}");
}

/// Refuses calls of the heap to `program`: `calls` makes a range of the number of a call.
fn refuse(program: &Program, (slice, threads): (u64, usize), least: u64, calls: fn(u64) -> Range<u64>) -> Outcomes {
    let expected = (program.run)(&mut Running::start(config().gc_none(true), program).unwrap()).unwrap();
    let mut config = config();
    config.gc_mark_slice(slice).gc_threads(threads);
    let config = &config;
    let mut running = Running::start(config, program).unwrap();
    let birth = running.store.backing_calls();
    assert_eq!((program.run)(&mut running).unwrap(), expected, "{}", program.name);
    let all = running.store.backing_calls();
    assert!(all >= birth + least, "{}: {birth} calls for its birth, {all} in all", program.name);
    let mut outcomes = Outcomes::default();
    // What large programs do over and over is tried now and then.
    for call in (1..=all).filter(|call| *call <= 60 || call % 13 == 0) {
        let place = format!("{}, call {call} of {all}", program.name);
        let mut running = match Running::start(config.clone().refuse_calls(calls(call)), program) {
            Ok(running) => running,
            Err(error) => {
                assert_refused(&error, &place);
                assert!(call <= birth, "{place}: {error}");
                outcomes.births += 1;
                continue;
            }
        };
        outcomes.count((program.run)(&mut running), expected, &place);
        // How many calls there are depends on how fast helper and guest are.
        outcomes.missed += (running.store.backing_calls() < call) as u32;
        running.store.check_heap();
        let before = (program.look)(&mut running);
        running.store.gc().unwrap();
        running.store.check_heap();
        assert_eq!((program.look)(&mut running), before, "{place}");
        outcomes.count((program.run)(&mut running), expected, &place);
        // The system has memory again.
        running.store.refuse_calls(0..0);
        assert_eq!((program.run)(&mut running).unwrap(), expected, "{place}");
        running.store.check_heap();
    }
    outcomes
}

const CONFIGURATIONS: [(u64, usize); 3] = [(0, 0), (100, 0), (100, 1)];

/// `least`: calls that its heap makes at least, and traps that come of them if all are refused.
fn refuse_in_all(program: &Program, least: u64) {
    for (slice, threads) in CONFIGURATIONS {
        let once = refuse(program, (slice, threads), least, |call| call..call + 1);
        let all = refuse(program, (slice, threads), least, |call| call..u64::MAX);
        println!("{}, slices of {slice}, {threads} helpers: once {once:?}, all {all:?}", program.name);
        assert!(once.births > 0 && once.ends > 2 * once.traps, "{once:?}");
        assert!(u64::from(all.traps) >= least, "{all:?}");
        for outcomes in [once, all] {
            assert!(outcomes.missed * 5 < outcomes.births + outcomes.ends + outcomes.traps, "{outcomes:?}");
        }
    }
}

#[test]
fn a_program_that_rewires_lists() {
    refuse_in_all(&rewired(), 10);
}

#[test]
fn memories_and_tables_that_grow() {
    // Its heap is cold to the end: it has a first eden, and no collection.
    refuse_in_all(&growing(), 1);
}

#[test]
fn a_kotlin_program() {
    refuse_in_all(&kotlin("trees", &["trees", "12"]), 10);
}

/// Code, stacks and linear memories.
#[test]
fn what_is_not_the_heaps() {
    let program = growing();
    // Each thread has an alternate stack for signals: it is there after the first run.
    Running::start(&config(), &program).and_then(|mut running| (program.run)(&mut running)).unwrap();
    Engine::refuse_mappings(0..0);
    let mut running = Running::start(&config(), &program).unwrap();
    let birth = Engine::mapping_calls();
    let expected = (program.run)(&mut running).unwrap();
    let all = Engine::mapping_calls();
    drop(running);
    assert!(birth >= 4 && all >= birth + 80, "{birth} calls at birth, {all} in all");
    for all_after in [false, true] {
        let (mut births, mut traps, mut smaller) = (0, 0, 0);
        for call in 1..=all {
            let place = format!("call {call} of {all}, all after {all_after}");
            Engine::refuse_mappings(call..if all_after { u64::MAX } else { call + 1 });
            let started = Running::start(&config(), &program);
            let result = started.map(|mut running| ((program.run)(&mut running), running));
            let made = Engine::mapping_calls();
            Engine::refuse_mappings(0..0);
            assert!(made >= call, "{place}: {made} were made");
            let mut running = match result {
                Err(error) => {
                    assert_refused(&error, &place);
                    births += 1;
                    continue;
                }
                Ok((Err(error), running)) => {
                    // No stack to run on.
                    assert_refused(&error, &place);
                    traps += 1;
                    running
                }
                Ok((Ok(sum), running)) => {
                    assert!(sum < expected || !all_after, "{place}: {sum}");
                    smaller += u32::from(sum < expected);
                    running
                }
            };
            running.store.check_heap();
            (program.look)(&mut running);
            assert_eq!((program.run)(&mut running).unwrap(), expected, "{place}");
        }
        println!("all after {all_after}: {births} births refused, {traps} without a stack, {smaller} smaller memories");
        assert!(births > 0 && if all_after { smaller > 20 } else { smaller == 0 });
    }
}
