//! A cache of keys and values beyond 4 GiB: a 64-bit memory takes address space, and pages only where something is.

use heapwood::{Engine, Instance, Module, Result, Store};

/// Open addressing over 2^29 slots of 16 bytes: 8 GiB of addresses.
const CACHE: &str = r#"(module
    (memory (export "memory") i64 131073)
    (func $slot (param $key i64) (result i64)
      (local $at i64)
      (local.set $at (i64.shr_u (i64.mul (local.get $key) (i64.const 0x9e3779b97f4a7c15)) (i64.const 35)))
      (block $found
        (loop $next
          (br_if $found (i64.eqz (i64.load (i64.shl (local.get $at) (i64.const 4)))))
          (br_if $found (i64.eq (i64.load (i64.shl (local.get $at) (i64.const 4))) (local.get $key)))
          (local.set $at (i64.and (i64.add (local.get $at) (i64.const 1)) (i64.const 0x1fffffff)))
          (br $next)))
      (i64.shl (local.get $at) (i64.const 4)))
    (func (export "put") (param $key i64) (param $value i64)
      (local $slot i64)
      (local.set $slot (call $slot (local.get $key)))
      (i64.store (local.get $slot) (local.get $key))
      (i64.store offset=8 (local.get $slot) (local.get $value)))
    (func (export "get") (param $key i64) (result i64)
      (i64.load offset=8 (call $slot (local.get $key))))
    (func (export "far") (param $at i64) (param $value i64) (result i64)
      (i64.store (local.get $at) (local.get $value))
      (i64.load (local.get $at))))"#;

const KEYS: i64 = 2000;

/// The figures that end the example.
pub fn run() -> Result<String> {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &Module::new(&engine, CACHE)?, &[])?;
    let put = instance.get_typed_func::<(i64, i64), ()>(&mut store, "put")?;
    let get = instance.get_typed_func::<i64, i64>(&mut store, "get")?;
    for key in 1..=KEYS {
        put.call(&mut store, (key, key * key))?;
    }
    for key in 1..=KEYS {
        assert_eq!(get.call(&mut store, key)?, key * key);
    }
    assert_eq!(get.call(&mut store, KEYS + 1)?, 0);
    let memory = instance.get_memory(&mut store, "memory").ok_or("no memory")?;
    let bytes = memory.data_size(&store);
    let last = bytes as i64 - 8;
    let far = instance.get_typed_func::<(i64, i64), i64>(&mut store, "far")?;
    assert_eq!(far.call(&mut store, (last, -1))?, -1);
    // One byte further is outside: a trap, as everywhere.
    let error = far.call(&mut store, (last + 1, -1)).expect_err("beyond the end");
    Ok(format!("{KEYS} keys in {:.1} GiB of addresses; {}", bytes as f64 / (1u64 << 30) as f64, error.kind()))
}

#[allow(dead_code, reason = "the tests call `run`")]
fn main() -> Result<()> {
    println!("ok big_memory {}", run()?);
    Ok(())
}
