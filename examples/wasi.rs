//! A command-line program in a box: arguments, environment, input and output are what the host gives, nothing else is
//! there.

use heapwood::wasi::{self, MemoryInput, MemoryOutput, ProcExit, WasiCtx};
use heapwood::{Engine, Linker, Module, Result, Store};

/// Copies its input to its output, and exits with 3.
const CAT: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    ;; A buffer of 1,024 bytes at 1,024.
    (data (i32.const 0) "\00\04\00\00\00\04\00\00")
    (func (export "_start")
      (loop $more
        (i32.store (i32.const 4) (i32.const 1024))
        (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
        (i32.store (i32.const 4) (i32.load (i32.const 8)))
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 12)))
        (br_if $more (i32.load (i32.const 8))))
      (call $exit (i32.const 3))))"#;

/// The figures that end the example.
pub fn run() -> Result<String> {
    let engine = Engine::default();
    let module = Module::new(&engine, CAT)?;
    let mut linker: Linker<WasiCtx> = Linker::new(&engine);
    wasi::add_to_linker(&mut linker, |wasi| wasi)?;

    let output = MemoryOutput::new(1 << 20);
    let input = "line\n".repeat(1000);
    let wasi = WasiCtx::builder()
        .args(["cat"])
        .env("LANG", "C")
        .stdin(MemoryInput::new(input.clone()))
        .stdout(output.clone())
        .build()?;
    let mut store = Store::new(&engine, wasi);
    let instance = linker.instantiate(&mut store, &module)?;
    let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
    let error = start.call(&mut store, ()).expect_err("it exits");
    let ProcExit(code) = *error.downcast_ref::<ProcExit>().ok_or("it ended otherwise")?;
    assert_eq!((code, output.contents()), (3, input.into_bytes()));
    Ok(format!("status {code}, {} bytes", output.contents().len()))
}

#[allow(dead_code, reason = "the tests call `run`")]
fn main() -> Result<()> {
    println!("ok wasi {}", run()?);
    Ok(())
}
