//! Any program of WASI: a `_start` that returns something, a memory that is imported, pointers of 64 bits.

mod common;

use common::{Finished, finish, heapwood, scratch, wat};
use heapwood::wasi::{self, Errno, FunctionDef, MemoryOutput, ParamType, WasiCtx, functions};
use heapwood::{Engine, Linker, Memory, MemoryType, Module, Store};
use std::fmt::Write;
use std::path::Path;

fn run(options: &[&str], module: &Path) -> Finished {
    finish(heapwood().arg("run").args(options).arg(module))
}

/// Writes what lies at 16 in its memory, of which there are 3 bytes, and nothing else.
const WRITES: &str = r#"
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))"#;
const SAYS: &str = r#"
    (func $say
        (i32.store (i32.const 0) (i32.const 16)) (i32.store (i32.const 4) (i32.const 3))
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))"#;

#[test]
fn what_start_returns_is_not_its_status() {
    let folder = scratch("wasi-start-results");
    let results = [
        ("i32", "(i32.const 7)"),
        ("i64", "(i64.const -1)"),
        ("f32", "(f32.const nan)"),
        ("f64", "(f64.const 1.5)"),
        ("v128", "(v128.const i64x2 1 2)"),
        ("funcref", "(ref.null func)"),
        ("externref", "(ref.null extern)"),
        ("anyref", "(ref.i31 (i32.const 5))"),
        ("(ref i31)", "(ref.i31 (i32.const 5))"),
        ("i32 i64 externref", "(i32.const 1) (i64.const 2) (ref.null extern)"),
    ];
    for entry in ["_start", "_initialize"] {
        for (types, values) in results {
            let text = format!(
                r#"(module {WRITES} (memory (export "memory") 1) (data (i32.const 16) "hi\n") {SAYS}
                    (func (export "{entry}") (result {types}) (call $say) {values}))"#
            );
            let finished = run(&[], &wat(&folder, "start.wat", &text));
            assert_eq!((finished.code, &*finished.stdout), (Some(0), "hi\n"), "{entry} {types}: {}", finished.stderr);
        }
        let text = format!(r#"(module (func (export "{entry}") (param i32 i64) (result i32) (i32.const 0)))"#);
        let finished = run(&[], &wat(&folder, "parameters.wat", &text));
        assert_eq!(finished.code, Some(1), "{}", finished.stderr);
        for word in [entry, "(func (param i32 i64) (result i32))", "without parameters"] {
            assert!(finished.stderr.contains(word), "{word}: {}", finished.stderr);
        }
    }
}

#[test]
fn a_preloaded_module_has_the_memory() {
    let folder = scratch("wasi-preloaded-memory");
    let owner = wat(&folder, "owner.wat", r#"(module (memory (export "memory") 1) (data (i32.const 16) "of\n"))"#);
    let preload = format!("env={}", owner.display());
    let program = |own: &str| {
        let text = format!(
            r#"(module {WRITES} (import "env" "memory" (memory $theirs 1)) {own} {SAYS}
                (func (export "_start") (call $say)))"#
        );
        let finished = run(&["--preload", &preload], &wat(&folder, "program.wat", &text));
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        finished.stdout
    };
    assert_eq!(program(""), "of\n");
    // The exported one counts. The list of buffers lies in the other, where nobody looks for it.
    let own = r#"(memory $own (export "memory") 1)
        (data (memory $own) (i32.const 0) "\10\00\00\00\03\00\00\00") (data (memory $own) (i32.const 16) "my\n")"#;
    assert_eq!(program(own), "my\n");
    // Under another name, or as something else, it does not.
    assert_eq!(program(&own.replace(r#""memory""#, r#""other""#)), "of\n");
    assert_eq!(program(r#"(func (export "memory"))"#), "of\n");
}

/// Calls `say` of a module with a memory of the host's.
fn says_with(wasm: &str, memory: impl FnOnce(&Engine, &mut Store<WasiCtx>, &mut Linker<WasiCtx>)) -> (String, String) {
    let (engine, output) = (Engine::default(), MemoryOutput::new(100));
    let mut linker = Linker::new(&engine);
    wasi::add_to_linker(&mut linker, |wasi| wasi).unwrap();
    let mut store = Store::new(&engine, WasiCtx::builder().stdout(output.clone()).build().unwrap());
    memory(&engine, &mut store, &mut linker);
    let module = Module::new(&engine, wat::parse_str(wasm).unwrap()).unwrap();
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let said = instance.get_typed_func::<(), ()>(&mut store, "say").unwrap().call(&mut store, ());
    let error = said.err().map(|error| error.to_string()).unwrap_or_default();
    (String::from_utf8(output.take()).unwrap(), error)
}

#[test]
fn the_embedder_has_the_memory() {
    let text = format!(
        r#"(module {WRITES} (import "env" "memory" (memory 1)) (import "env" "second" (memory 1)) {SAYS}
            (export "say" (func $say)))"#
    );
    let two = |_: &Engine, store: &mut Store<WasiCtx>, linker: &mut Linker<WasiCtx>| {
        for (name, text) in [("memory", b"one"), ("second", b"two")] {
            let memory = Memory::new(&mut *store, MemoryType::new(1, None)).unwrap();
            memory.write(&mut *store, 16, text).unwrap();
            linker.define("env", name, memory).unwrap();
        }
    };
    assert_eq!(says_with(&text, two), ("one".to_owned(), String::new()));
}

#[test]
fn no_memory_and_a_shared_one() {
    let none = r#"(module
        (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
        (func (export "say") (if (i32.ne (call $sizes (i32.const 0) (i32.const 4)) (i32.const 21)) (then (unreachable)))))"#;
    assert_eq!(says_with(none, |_, _, _| ()), (String::new(), String::new()));
    let folder = scratch("wasi-shared-memory");
    let owner = wat(&folder, "owner.wat", r#"(module (memory (export "memory") 1 1 shared))"#);
    let text = format!(
        r#"(module {WRITES} (import "env" "memory" (memory 1 1 shared)) {SAYS} (func (export "_start") (call $say)))"#
    );
    let options = ["-W", "threads=y", "--preload", &format!("env={}", owner.display())];
    let finished = run(&options, &wat(&folder, "program.wat", &text));
    assert!(finished.stderr.contains("do not work on a shared memory"), "{}", finished.stderr);
}

/// A program of `wasm64` that writes, and says what it got for bad pointers by its status.
const WIDE: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i64 i64 i64) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (import "wasi_snapshot_preview1" "args_get" (func $args (param i64 i64) (result i32)))
    (import "wasi_snapshot_preview1" "random_get" (func $random (param i64 i64) (result i32)))
    ;; The 32-bit type of a function that is there with its other one as well.
    (import "wasi_snapshot_preview1" "random_get" (func $narrow (param i32 i32) (result i32)))
    (memory (export "memory") i64 BEGIN) (data (i64.const 16) "wide\n")
    (func $is (param i32 i32) (if (i32.ne (local.get 0) (local.get 1)) (then (call $exit (i32.const 99)))))
    (func (export "_start")
        (i64.store (i64.const 100) (i64.const 16)) (i64.store (i64.const 108) (i64.const 5))
        (call $is (call $write (i32.const 1) (i64.const 100) (i64.const 1) (i64.const 200)) (i32.const 28))
        (i64.store (i64.const 104) (i64.const 16)) (i64.store (i64.const 112) (i64.const 5))
        (call $is (call $write (i32.const 1) (i64.const 104) (i64.const 1) (i64.const 200)) (i32.const 0))
        (call $is (i32.wrap_i64 (i64.load (i64.const 200))) (i32.const 5))
        ;; The second argument, by way of its pointer.
        (call $is (call $args (i64.const 304) (i64.const 400)) (i32.const 0))
        (i64.store (i64.const 104) (i64.load (i64.const 312))) (i64.store (i64.const 112) (i64.const 4))
        (call $is (call $write (i32.const 1) (i64.const 104) (i64.const 1) (i64.const 200)) (i32.const 0))
        (call $is (call $random (i64.const 0x100000000) (i64.const 1)) (i32.const RESULT))
        (call $is (call $random (i64.const -1) (i64.const 1)) (i32.const 21))
        (call $is (call $random (i64.const 500) (i64.const -1)) (i32.const 21))
        (call $is (call $narrow (i32.const 500) (i32.const 8)) (i32.const 0))
        (call $exit (i32.const 3))))"#;

#[test]
fn a_program_of_wasm64() {
    let folder = scratch("wasi-wide");
    // A page, and more than 4 GiB: there the first pointer of 33 bits is a good one.
    for (pages, result) in [("1", "21"), ("65537", "0")] {
        let text = WIDE.replace("BEGIN", pages).replace("RESULT", result);
        let program = wat(&folder, "wide.wat", &text);
        let finished = finish(heapwood().arg("run").arg(&program).arg("arg\n"));
        assert_eq!((finished.code, &*finished.stdout), (Some(3), "wide\narg\n"), "{pages}: {}", finished.stderr);
    }
}

/// `(param …) (result …)` of a function, with these parameters.
fn signature(function: &FunctionDef, params: &[ParamType]) -> String {
    let words = |types: &[ParamType]| {
        types.iter().fold(String::new(), |text, ty| text + if *ty == ParamType::I32 { " i32" } else { " i64" })
    };
    format!("(param{}) (result{})", words(params), words(function.results))
}

#[test]
fn every_function_links_with_both_widths_and_with_no_other_type() {
    let engine = Engine::default();
    let mut linker: Linker<WasiCtx> = Linker::new(&engine);
    wasi::add_to_linker(&mut linker, |wasi| wasi).unwrap();
    let module = |imports: &str| Module::new(&engine, wat::parse_str(format!("(module {imports})")).unwrap()).unwrap();
    let import = |function: &FunctionDef, params: &[ParamType]| {
        format!(r#"(import "{}" "{}" (func {}))"#, wasi::MODULE, function.name, signature(function, params))
    };
    let mut all = String::new();
    for function in functions() {
        for params in [function.params, function.params64] {
            writeln!(all, "{}", import(function, params)).unwrap();
        }
        let mut other = function.params.to_vec();
        other.push(ParamType::I64);
        let error = linker.instantiate_pre(&module(&import(function, &other))).unwrap_err();
        assert!(error.to_string().contains(function.name), "{error}");
        if let Some(mixed) = mixed(function) {
            let error = linker.instantiate_pre(&module(&import(function, &mixed))).unwrap_err();
            assert!(error.to_string().contains(function.name), "{error}");
        }
    }
    linker.instantiate_pre(&module(&all)).unwrap();
}

/// The parameters with only the first pointer of 64 bits, if there is a second one.
fn mixed(function: &FunctionDef) -> Option<Vec<ParamType>> {
    let differ = function.params.iter().zip(function.params64).map(|(narrow, wide)| narrow != wide);
    let places: Vec<usize> = differ.enumerate().filter_map(|(place, differs)| differs.then_some(place)).collect();
    let mut mixed = function.params.to_vec();
    mixed[*places.first()?] = ParamType::I64;
    (places.len() > 1).then_some(mixed)
}

#[test]
fn the_table_has_both_widths_for_whoever_has_another_engine() {
    let mut ctx = WasiCtx::builder().args(["name"]).build().unwrap();
    let mut memory = [0; 64];
    let sizes = wasi::lookup("args_sizes_get").unwrap();
    assert_eq!((sizes.call64)(&mut ctx, &mut memory, &[0, 8]), Ok(Errno::Success));
    assert_eq!((memory[0], memory[8]), (1, 5));
    assert_eq!((sizes.call64)(&mut ctx, &mut memory, &[0, 1 << 32]), Ok(Errno::Fault));
    assert_eq!((sizes.call)(&mut ctx, &mut memory, &[0, 1 << 32]), Ok(Errno::Success));
}
