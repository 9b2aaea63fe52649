//! One call each.

use super::tasks::{Pending, run, run_until};
use crate::common;
use heapwood_vm::*;

const GUEST: &str = r#"(module
  (type $box (struct (field i32)))
  (import "h" "wait" (func $wait (param i32) (result i32)))
  (memory 1)
  (func $deep (param $n i32) (result i32)
    (local $o (ref null $box))
    (if (i32.eqz (local.get $n)) (then (return (call $wait (i32.const 5)))))
    (local.set $o (struct.new $box (local.get $n)))
    (i32.add (call $deep (i32.sub (local.get $n) (i32.const 1))) (struct.get $box 0 (local.get $o))))
  (func (export "run") (param i32) (result i32) (call $deep (local.get 0)))
  (func (export "plain") (result i32) (i32.const 7)))"#;

fn linker(engine: &Engine, waits: u32) -> Linker<()> {
    let mut linker = Linker::new(engine);
    let defined = linker.func_wrap_async("h", "wait", move |mut caller: Caller<'_, ()>, (n,): (i32,)| {
        Box::new(async move {
            for _ in 0..waits {
                caller.gc()?;
                Pending(1).await;
            }
            caller.gc()?;
            Result::Ok(n * 2)
        })
    });
    defined.unwrap();
    linker
}

#[test]
fn a_guest_waits_for_a_host_function() {
    for (name, config) in common::modes() {
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, wat::parse_str(GUEST).unwrap()).unwrap();
        for waits in [0, 1, 3] {
            let linker = linker(&engine, waits);
            let mut store = Store::new(&engine, ());
            let (instance, _) = run(linker.instantiate_async(&mut store, &module));
            let instance = instance.unwrap();
            let func = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
            let plain = instance.get_typed_func::<(), i32>(&mut store, "plain").unwrap();
            for depth in [0, 1, 50] {
                let (result, pending) = run(func.call_async(&mut store, depth));
                assert_eq!(result.unwrap(), 10 + depth * (depth + 1) / 2, "{name}");
                assert_eq!(pending, waits, "{name}");
                for polls in 0..=waits {
                    assert!(run_until(func.call_async(&mut store, depth), polls).is_none(), "{name}");
                    assert_eq!(plain.call(&mut store, ()).unwrap(), 7);
                }
                let sync = func.call(&mut store, depth);
                if waits == 0 {
                    assert_eq!(sync.unwrap(), 10 + depth * (depth + 1) / 2);
                } else {
                    let error = sync.unwrap_err().to_string();
                    assert!(error.contains("the async host function `h.wait` is not ready at once"), "{error}");
                }
            }
        }
    }
}
