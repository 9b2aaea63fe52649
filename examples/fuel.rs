//! A guest that may execute so much and no more, and a host that gives it more.

use heapwood::{Config, Engine, Instance, Module, Result, Store, TrapKind};

const PRIMES: &str = r#"(module
    (global $found (export "found") (mut i32) (i32.const 0))
    ;; Looks for primes for ever.
    (func (export "run")
      (local $n i32) (local $d i32)
      (local.set $n (i32.const 1))
      (loop $next
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (local.set $d (i32.const 2))
        (block $composite
          (loop $divide
            (if (i32.lt_u (local.get $d) (local.get $n))
              (then
                (br_if $composite (i32.eqz (i32.rem_u (local.get $n) (local.get $d))))
                (local.set $d (i32.add (local.get $d) (i32.const 1)))
                (br $divide))))
          (global.set $found (i32.add (global.get $found) (i32.const 1))))
        (br $next))))"#;

/// How many primes a guest finds with so much fuel.
fn primes(engine: &Engine, module: &Module, fuel: u64) -> Result<i32> {
    let mut store = Store::new(engine, ());
    let instance = Instance::new(&mut store, module, &[])?;
    store.set_fuel(fuel)?;
    let error = instance.get_typed_func::<(), ()>(&mut store, "run")?.call(&mut store, ()).expect_err("it has no end");
    if error.trap().map(|trap| trap.kind()) != Some(TrapKind::OutOfFuel) {
        return Err(error);
    }
    assert_eq!(store.get_fuel()?, 0);
    let found = instance.get_global(&mut store, "found").ok_or("no global")?;
    found.get(&mut store).i32().ok_or_else(|| "no number".into())
}

/// The figures that end the example.
pub fn run() -> Result<String> {
    let engine = Engine::new(Config::new().consume_fuel(true))?;
    let module = Module::new(&engine, PRIMES)?;
    let found = primes(&engine, &module, 100_000)?;
    // An amount of fuel leads exactly as far each time, on any machine.
    assert_eq!(found, primes(&engine, &module, 100_000)?);
    let more = primes(&engine, &module, 1_000_000)?;
    assert!(more > 2 * found);
    Ok(format!("{found} primes for 100,000, {more} for 1,000,000"))
}

#[allow(dead_code, reason = "the tests call `run`")]
fn main() -> Result<()> {
    println!("ok fuel {}", run()?);
    Ok(())
}
