//! Values of the host in the guest's hands: the guest keeps them, and the host finds them again until nobody has them.

use heapwood::{Engine, ExternRef, Instance, Module, Result, Rooted, Store};
use std::sync::Arc;

const SHELF: &str = r#"(module
    (table $shelf 4 externref)
    (func (export "put") (param $at i32) (param $what externref)
      (table.set $shelf (local.get $at) (local.get $what)))
    (func (export "get") (param $at i32) (result externref)
      (table.get $shelf (local.get $at))))"#;

/// The figures that end the example.
pub fn run() -> Result<String> {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &Module::new(&engine, SHELF)?, &[])?;
    let put = instance.get_typed_func::<(i32, Option<Rooted<ExternRef>>), ()>(&mut store, "put")?;
    let get = instance.get_typed_func::<i32, Option<Rooted<ExternRef>>>(&mut store, "get")?;

    let connection = Arc::new(String::from("a connection of the host"));
    {
        // Handles of this scope end with it; the guest's table keeps the value.
        let mut scope = heapwood::RootScope::new(&mut store);
        let value = ExternRef::new(&mut scope, connection.clone())?;
        put.call(&mut scope, (2, Some(value)))?;
    }
    store.gc()?;
    let found = get.call(&mut store, 2)?.ok_or("nothing on the shelf")?;
    let text = found.data(&store)?.and_then(|value| value.downcast_ref::<Arc<String>>());
    assert_eq!(text.map(|text| text.as_str()), Some("a connection of the host"));
    assert!(get.call(&mut store, 0)?.is_none());
    let held = Arc::strong_count(&connection);
    assert_eq!(held, 2);

    // Once the guest has let go of it and the collector has noticed, the value is dropped.
    let weak = found.downgrade(&mut store)?;
    put.call(&mut store, (2, None))?;
    drop(store);
    assert_eq!(Arc::strong_count(&connection), 1);
    drop(weak);
    Ok(format!("{held} holders, then 1"))
}

#[allow(dead_code, reason = "the tests call `run`")]
fn main() -> Result<()> {
    println!("ok externref {}", run()?);
    Ok(())
}
