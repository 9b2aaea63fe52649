//! One module imports what another exports: both share a memory, a table and a tag.

use heapwood::{Engine, ErrorKind, Linker, Module, Result, Store, Val};

const LIBRARY: &str = r#"(module
    (memory (export "memory") 1)
    (table (export "callbacks") 4 funcref)
    (tag (export "failure") (param i32))
    (func (export "store") (param $at i32) (param $value i64) (i64.store (local.get $at) (local.get $value))))"#;

const PROGRAM: &str = r#"(module
    (import "library" "memory" (memory 1))
    (import "library" "callbacks" (table 4 funcref))
    (import "library" "failure" (tag $failure (param i32)))
    (import "library" "store" (func $store (param i32 i64)))
    (type $callback (func (param i32) (result i32)))
    (elem declare func $double)
    (func $double (type $callback) (i32.add (local.get 0) (local.get 0)))
    (func (export "run") (result i32)
      (call $store (i32.const 8) (i64.const 21))
      (table.set (i32.const 2) (ref.func $double))
      (call_indirect (type $callback) (i32.load (i32.const 8)) (i32.const 2)))
    (func (export "fail") (throw $failure (i32.const 7))))"#;

/// The figures that end the example.
pub fn run() -> Result<String> {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let mut linker = Linker::new(&engine);
    let program = Module::new(&engine, PROGRAM)?;
    // What is missing is named, all of it, with the types that are wanted.
    let error = linker.instantiate(&mut store, &program).expect_err("there is no library");
    let ErrorKind::Link(missing) = error.kind() else { return Err(error) };
    let missing = missing.len();
    assert_eq!(missing, 4);

    let library = linker.instantiate(&mut store, &Module::new(&engine, LIBRARY)?)?;
    linker.instance(&mut store, "library", library)?;
    let instance = linker.instantiate(&mut store, &program)?;
    let answer = instance.get_typed_func::<(), i32>(&mut store, "run")?.call(&mut store, ())?;
    assert_eq!(answer, 42);
    // An exception that nobody catches is an error of the host's call, with its tag and its payload.
    let error = instance.get_typed_func::<(), ()>(&mut store, "fail")?.call(&mut store, ()).expect_err("it throws");
    let exception = error.exception().ok_or("no exception")?;
    let payload = exception.payload(&mut store)?;
    assert!(matches!(payload[..], [Val::I32(7)]));
    Ok(format!("{answer}; {missing} imports were missing"))
}

#[allow(dead_code, reason = "the tests call `run`")]
fn main() -> Result<()> {
    println!("ok linking {}", run()?);
    Ok(())
}
