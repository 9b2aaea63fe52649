//! Operations of a guest that may fail in any way, with a store that is as before then: its heap, its memory and its
//! globals. The guest is a program of Kotlin beside one that fails in each way that there is.

use heapwood::executor::{Executor, Mode};
use heapwood::wasi::{self, MemoryOutput, WasiCtx};
use heapwood::{Engine, Error, Instance, Linker, Module, Result, Store, TrapKind};
use std::time::Duration;

/// Prints a line, with a heap full of what its initialisers make.
const HELLO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guests/kotlin/wasm/hello.wasm");
/// Keeps a list of numbers, and loses its mind half way through a change of it, in a way of one's choice.
const LIST: &str = r#"(module
    (type $node (struct (field i32) (field (ref null $node))))
    (tag $broken (export "broken"))
    (memory 1 200)
    (global $first (mut (ref null $node)) (ref.null $node))
    (func $push (param i32) (global.set $first (struct.new $node (local.get 0) (global.get $first))))
    (func (export "sum") (result i32) (local $node (ref null $node)) (local $sum i32)
      (local.set $node (global.get $first))
      (block $end (loop $more
        (br_if $end (ref.is_null (local.get $node)))
        (local.set $sum (i32.add (local.get $sum) (struct.get $node 0 (local.get $node))))
        (local.set $node (struct.get $node 1 (local.get $node)))
        (br $more)))
      (i32.add (local.get $sum) (i32.load (i32.const 0))))
    (func (export "push") (param i32 i32)
      (call $push (local.get 0))
      (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1000)))
      (block $limit (block $late (block $thrown (block $trap (block $well
        (br_table $well $trap $thrown $late $limit (local.get 1)))
        (return))
        (unreachable))
        (throw $broken))
        (loop $spin (call $push (i32.const 1)) (global.set $first (ref.null $node)) (br $spin)))
      (loop $hoard (call $push (i32.const 1)) (br $hoard))))"#;

/// The ways to fail, by their numbers in the guest.
const WAYS: [&str; 4] = ["a trap", "an exception", "a timeout", "a limit"];

/// The figures that end the example.
pub fn run() -> Result<String> {
    let engine = Engine::default();
    let output = MemoryOutput::new(1 << 20);
    let context = WasiCtx::builder().stdout(output.clone()).build().map_err(Error::new)?;
    let mut store = Store::builder(&engine).gc_heap_max(16 << 20).build(context)?;
    let mut linker = Linker::new(&engine);
    wasi::add_to_linker(&mut linker, |wasi: &mut WasiCtx| wasi)?;
    let kotlin = linker.instantiate(&mut store, &Module::new(&engine, std::fs::read(HELLO).map_err(Error::new)?)?)?;
    let hello = kotlin.get_typed_func::<(), ()>(&mut store, "_start")?;
    let list = Instance::new(&mut store, &Module::new(&engine, LIST)?, &[])?;
    let push = list.get_typed_func::<(i32, i32), ()>(&mut store, "push")?;
    let sum = list.get_typed_func::<(), i32>(&mut store, "sum")?;

    let mut executor = Executor::new(store)?;
    executor.run(|store| push.call(store, (5, 0)))?;
    executor.run(|store| hello.call(store, ()))?;
    executor.commit()?;
    let (mut failures, mut recovered) = (0, 0);
    for round in 0..3 {
        for (way, name) in (1..).zip(WAYS) {
            let error = executor.run(|store| {
                store.set_deadline(Duration::from_millis(if way == 3 { 20 } else { 60_000 }));
                push.call(store, (7, way))
            });
            let error = error.expect_err(name);
            let expected = match way {
                1 => Some(TrapKind::Unreachable),
                2 => None,
                3 => Some(TrapKind::DeadlineExceeded),
                _ => Some(TrapKind::HeapExhausted),
            };
            assert_eq!(error.trap().map(|trap| trap.kind()), expected, "{name}");
            failures += 1;
            // The number that was pushed, and what was written to the memory, are gone.
            assert_eq!(sum.call(executor.store(), ())?, 1005, "{name}, round {round}");
        }
        // The fourth failure in a row is one too many.
        assert_eq!(executor.mode(), Mode::Recovery);
        recovered += 1;
        executor.run(|store| hello.call(store, ()))?;
        assert_eq!(executor.mode(), Mode::Normal);
    }
    // What ends well stays.
    executor.run(|store| push.call(store, (1, 0)))?;
    assert_eq!(sum.call(executor.store(), ())?, 2006);
    let lines = output.contents().iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(executor.recoveries(), recovered);
    Ok(format!("{failures} failures, {recovered} recoveries, {lines} lines of Kotlin"))
}

#[allow(dead_code, reason = "the tests call `run`")]
fn main() -> Result<()> {
    println!("ok safe_executor {}", run()?);
    Ok(())
}
