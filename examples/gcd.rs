//! Calls of typed functions: the types of Rust are compared with the function's once, not at each call.

use heapwood::{Engine, Instance, Module, Result, Store};

const GCD: &str = r#"(module
    (func (export "gcd") (param $a i64) (param $b i64) (result i64)
      (if (result i64) (i64.eqz (local.get $b))
        (then (local.get $a))
        (else (return_call 0 (local.get $b) (i64.rem_u (local.get $a) (local.get $b)))))))"#;

/// The figures that end the example.
pub fn run() -> Result<String> {
    let engine = Engine::default();
    let module = Module::new(&engine, GCD)?;
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[])?;
    let gcd = instance.get_typed_func::<(i64, i64), i64>(&mut store, "gcd")?;
    assert_eq!(gcd.call(&mut store, (1_071, 462))?, 21);
    assert_eq!(gcd.call(&mut store, (i64::MAX, 7))?, 7);
    // Another type is an error that says both.
    let error = instance.get_typed_func::<(i32, i32), i32>(&mut store, "gcd").expect_err("the types differ");
    Ok(format!("21 and 7; {error}"))
}

#[allow(dead_code, reason = "the tests call `run`")]
fn main() -> Result<()> {
    println!("ok gcd {}", run()?);
    Ok(())
}
