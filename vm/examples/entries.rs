//! What it costs to cross between host and guest, in nanoseconds a crossing: the least of several rounds, in which the
//! rows take turns. Arguments: rounds (20).

use heapwood_vm::{Caller, Config, Engine, Extern, Linker, Module, Result, Store, TypedFunc};
use std::time::Instant;

const GUEST: &str = r#"(module
    (import "h" "nothing" (func $nothing))
    (import "h" "enter" (func $enter))
    (func (export "empty"))
    (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
    (func (export "out") (param $n i32)
      (loop $l (call $nothing) (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
    (func (export "nested") (param $n i32)
      (loop $l (call $enter) (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))"#;

const CALLS: i32 = 200_000;
const ROUNDS_DEFAULT: usize = 20;

fn main() -> Result<()> {
    let rounds = std::env::args().nth(1).map_or(ROUNDS_DEFAULT, |text| text.parse().expect("a number of rounds"));
    let engine = Engine::new(&Config::new())?;
    let module = Module::new(&engine, wat::parse_str(GUEST).expect("a module"))?;
    let mut linker: Linker<Option<TypedFunc<(), ()>>> = Linker::new(&engine);
    linker.func_wrap("h", "nothing", || {})?;
    linker.func_wrap("h", "enter", |mut caller: Caller<'_, Option<TypedFunc<(), ()>>>| -> Result<()> {
        let empty = caller.data().expect("set before the guest runs");
        empty.call(&mut caller, ())
    })?;
    let mut store = Store::new(&engine, None);
    let instance = linker.instantiate(&mut store, &module)?;
    let empty = instance.get_export(&mut store, "empty").and_then(Extern::into_func).expect("exported");
    let empty = empty.typed::<(), ()>(&store)?;
    *store.data_mut() = Some(empty);
    let add = instance.get_typed_func::<(i32, i32), i32>(&mut store, "add")?;
    let out = instance.get_typed_func::<i32, ()>(&mut store, "out")?;
    let nested = instance.get_typed_func::<i32, ()>(&mut store, "nested")?;

    let rows = [
        "call of an empty export",
        "call of an export that adds",
        "call of an empty host function",
        "host function that calls an empty export",
    ];
    let mut least = [f64::INFINITY; 4];
    for _ in 0..rounds {
        for (row, least) in least.iter_mut().enumerate() {
            let start = Instant::now();
            match row {
                0 => (0..CALLS).try_for_each(|_| empty.call(&mut store, ()))?,
                1 => (0..CALLS).try_for_each(|k| add.call(&mut store, (k, 1)).map(drop))?,
                2 => out.call(&mut store, CALLS)?,
                _ => nested.call(&mut store, CALLS)?,
            }
            *least = least.min(start.elapsed().as_nanos() as f64 / f64::from(CALLS));
        }
    }
    for (name, ns) in rows.iter().zip(least) {
        println!("{name:<45} {ns:>7.2} ns");
    }
    Ok(())
}
