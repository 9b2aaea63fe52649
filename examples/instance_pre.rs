//! Compiled once, linked once, started many times: what imports name is looked up before the first store exists.

use heapwood::{Engine, Linker, Module, Result, Store};

const COUNTER: &str = r#"(module
    (import "host" "step" (func $step (result i32)))
    (global $count (mut i32) (i32.const 0))
    (func (export "count") (result i32)
      (global.set $count (i32.add (global.get $count) (call $step)))
      (global.get $count)))"#;

/// The figures that end the example.
pub fn run() -> Result<String> {
    let engine = Engine::default();
    let module = Module::new(&engine, COUNTER)?;
    let mut linker: Linker<i32> = Linker::new(&engine);
    linker.func_wrap("host", "step", |caller: heapwood::Caller<'_, i32>| *caller.data())?;
    let pre = linker.instantiate_pre(&module)?;
    let stores = 20;
    for step in 0..stores {
        // Each store has the module's globals anew, and data of its own.
        let mut store = Store::new(&engine, step);
        let count = pre.instantiate(&mut store)?.get_typed_func::<(), i32>(&mut store, "count")?;
        assert_eq!(count.call(&mut store, ())?, step);
        assert_eq!(count.call(&mut store, ())?, 2 * step);
    }
    // An import that nobody defined may also be a trap, for programs that never call it.
    let mut empty: Linker<()> = Linker::new(&engine);
    empty.define_unknown_imports_as_traps(&module)?;
    let mut store = Store::new(&engine, ());
    let instance = empty.instantiate(&mut store, &module)?;
    let count = instance.get_typed_func::<(), i32>(&mut store, "count")?;
    let error = count.call(&mut store, ()).expect_err("it calls what is not there");
    Ok(format!("{stores} stores; {}", error.kind()))
}

#[allow(dead_code, reason = "the tests call `run`")]
fn main() -> Result<()> {
    println!("ok instance_pre {}", run()?);
    Ok(())
}
