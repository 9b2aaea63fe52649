//! A guest that computes for ever ends when another thread says so; the store goes on working.

use heapwood::{Engine, Instance, Module, Result, Store, TrapKind};
use std::time::Duration;

const SPIN: &str = r#"(module
    (global $turns (mut i64) (i64.const 0))
    (func (export "spin")
      (loop $forever
        (global.set $turns (i64.add (global.get $turns) (i64.const 1)))
        (br $forever)))
    (func (export "turns") (result i64) (global.get $turns)))"#;

/// The figures that end the example.
pub fn run() -> Result<String> {
    let engine = Engine::default();
    let module = Module::new(&engine, SPIN)?;
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[])?;
    let spin = instance.get_typed_func::<(), ()>(&mut store, "spin")?;
    let handle = store.interrupt_handle();
    let watchdog = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        handle.interrupt();
    });
    let error = spin.call(&mut store, ()).expect_err("it never returns by itself");
    watchdog.join().expect("the watchdog ends");
    assert_eq!(error.trap().map(|trap| trap.kind()), Some(TrapKind::Interrupted));
    let turns = instance.get_typed_func::<(), i64>(&mut store, "turns")?.call(&mut store, ())?;
    assert!(turns > 0);
    Ok(format!("after {turns} turns"))
}

#[allow(dead_code, reason = "the tests call `run`")]
fn main() -> Result<()> {
    println!("ok interrupt {}", run()?);
    Ok(())
}
