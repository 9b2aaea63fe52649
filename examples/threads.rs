//! A module on several threads: compiled once, it serves a store on each; and a store moves from thread to thread, with
//! all that its guest has. (Memory that threads work on at once is the subject of `shared_memory`.)

use heapwood::{Engine, Instance, Module, Result, Store};
use std::thread;

/// A guest that keeps the sums so far in a list.
const SUMS: &str = r#"(module
    (type $sum (struct (field $value i64) (field $before (ref null $sum))))
    (global $last (mut (ref null $sum)) (ref.null $sum))
    (func $value (export "sum") (result i64)
      (if (result i64) (ref.is_null (global.get $last)) (then (i64.const 0))
        (else (struct.get $sum $value (global.get $last)))))
    (func (export "add") (param i64)
      (global.set $last (struct.new $sum (i64.add (call $value) (local.get 0)) (global.get $last)))))"#;

const THREADS: i64 = 4;
const ADDITIONS: i64 = 10_000;

/// Adds numbers in a store of its own.
fn sum_of(module: &Module, from: i64) -> Result<i64> {
    let mut store = Store::new(module.engine(), ());
    let instance = Instance::new(&mut store, module, &[])?;
    let add = instance.get_typed_func::<i64, ()>(&mut store, "add")?;
    (from..from + ADDITIONS).try_for_each(|number| add.call(&mut store, number))?;
    instance.get_typed_func::<(), i64>(&mut store, "sum")?.call(&mut store, ())
}

/// The figures that end the example.
pub fn run() -> Result<String> {
    let module = &Module::new(&Engine::default(), SUMS)?;

    // `Engine` and `Module` are `Sync`: all threads compile nothing and wait for nobody.
    let sums = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|n| scope.spawn(move || sum_of(module, n * ADDITIONS))).collect();
        threads.into_iter().map(|thread| thread.join().expect("it does not panic")).collect::<Result<Vec<i64>>>()
    })?;
    let last = THREADS * ADDITIONS;
    assert_eq!(sums.iter().sum::<i64>(), last * (last - 1) / 2);

    // A `Store` is `Send`: it goes along, and its guest's list with it.
    let mut store = Store::new(module.engine(), ());
    let instance = Instance::new(&mut store, module, &[])?;
    let add = instance.get_typed_func::<i64, ()>(&mut store, "add")?;
    for number in 1..=THREADS {
        let work = || {
            add.call(&mut store, number)?;
            store.gc()
        };
        thread::scope(|scope| scope.spawn(work).join().expect("it does not panic"))?;
    }
    let sum = instance.get_typed_func::<(), i64>(&mut store, "sum")?.call(&mut store, ())?;
    assert_eq!(sum, THREADS * (THREADS + 1) / 2);
    Ok(format!("{THREADS} threads with a store each, {last} additions; a store on {THREADS} threads, sum {sum}"))
}

#[allow(dead_code, reason = "the tests call `run`")]
fn main() -> Result<()> {
    println!("ok threads {}", run()?);
    Ok(())
}
