//! Several results are a tuple.

use heapwood::{Engine, Linker, Module, Result, Store};

const SWAP: &str = r#"(module
    (import "host" "divide" (func $divide (param i32 i32) (result i32 i32)))
    (func (export "rest_first") (param i32 i32) (result i32 i32)
      (local $quotient i32) (local $rest i32)
      (call $divide (local.get 0) (local.get 1))
      (local.set $rest)
      (local.set $quotient)
      (local.get $rest)
      (local.get $quotient)))"#;

/// The figures that end the example.
pub fn run() -> Result<String> {
    let engine = Engine::default();
    let module = Module::new(&engine, SWAP)?;
    let mut linker = Linker::new(&engine);
    // An error of the host's ends the guest, and reaches whoever called it.
    linker.func_wrap("host", "divide", |a: i32, b: i32| -> Result<(i32, i32)> {
        let quotient = a.checked_div(b).ok_or("division by zero")?;
        Ok((quotient, a % b))
    })?;
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &module)?;
    let rest_first = instance.get_typed_func::<(i32, i32), (i32, i32)>(&mut store, "rest_first")?;
    assert_eq!(rest_first.call(&mut store, (17, 5))?, (2, 3));
    let error = rest_first.call(&mut store, (1, 0)).expect_err("the host refuses");
    assert_eq!(error.kind().to_string(), "division by zero");
    Ok(format!("17 / 5 = 3 rest 2; {}", error.kind()))
}

#[allow(dead_code, reason = "the tests call `run`")]
fn main() -> Result<()> {
    println!("ok multi_value {}", run()?);
    Ok(())
}
