//! First steps: compile a module, give it a function of the host, call its export.

use heapwood::{Caller, Engine, Linker, Module, Result, Store};

/// What the guest calls, and what it exports.
const GREETER: &str = r#"(module
    (import "host" "greet" (func $greet (param i32)))
    (func (export "run") (param $times i32) (result i32)
      (local $i i32)
      (loop $again
        (call $greet (local.get $i))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $i) (local.get $times))))
      (local.get $i)))"#;

/// The figures that end the example.
pub fn run() -> Result<String> {
    // An engine compiles; one serves a whole process.
    let engine = Engine::default();
    let module = Module::new(&engine, GREETER)?;
    // A linker knows functions by the names under which modules import them. The store's data belongs to the host.
    let mut linker: Linker<Vec<String>> = Linker::new(&engine);
    linker.func_wrap("host", "greet", |mut caller: Caller<'_, Vec<String>>, number: i32| {
        caller.data_mut().push(format!("hello {number}"));
    })?;
    let mut store = Store::new(&engine, Vec::new());
    let instance = linker.instantiate(&mut store, &module)?;
    let run = instance.get_typed_func::<i32, i32>(&mut store, "run")?;
    let calls = run.call(&mut store, 3)?;
    assert_eq!(store.data(), &["hello 0", "hello 1", "hello 2"]);
    Ok(format!("{calls} greetings"))
}

#[allow(dead_code, reason = "the tests call `run`")]
fn main() -> Result<()> {
    println!("ok hello {}", run()?);
    Ok(())
}
