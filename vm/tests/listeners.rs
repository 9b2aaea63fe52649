//! Callbacks of the embedder that panic while the runtime or the collector is at work: the panic comes out of the call
//! in which they were called, and the store goes on as if they had returned.

use heapwood_vm::*;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// `run` keeps a list of `n` nodes while making garbage, calls the host for each and returns its sum; `fill` never
/// ends.
const MODULE: &str = r#"(module
    (type $node (struct (field (ref null $node)) (field i32)))
    (type $words (array (mut i64)))
    (type $link (struct (field (ref null $link)) (field (ref $words))))
    (import "host" "see" (func $see (param i32)))
    (global $kept (mut (ref null $node)) (ref.null $node))
    (global $all (mut (ref null $link)) (ref.null $link))
    (func (export "run") (param $n i32) (result i64)
      (local $list (ref null $node)) (local $sum i64)
      (loop $again
        (local.set $list (struct.new $node (local.get $list) (local.get $n)))
        (global.set $kept (local.get $list))
        (drop (array.new_default $words (i32.const 200)))
        (call $see (local.get $n))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br_if $again (local.get $n)))
      (loop $sums
        (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_s (struct.get $node 1 (local.get $list)))))
        (local.set $list (struct.get $node 0 (local.get $list)))
        (br_if $sums (i32.eqz (ref.is_null (local.get $list)))))
      (local.get $sum))
    (func (export "fill")
      (loop $again
        (global.set $all (struct.new $link (global.get $all) (array.new_default $words (i32.const 500))))
        (br $again)))
    (func (export "empty") (global.set $all (ref.null $link))))"#;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Callback {
    Gc,
    GcHelper,
    HostCall,
    Exhausted,
}

/// Sets a callback that panics the first time, with itself.
fn set(store: &mut Store<()>, callback: Callback) {
    let stop = move || resume_unwind(Box::new(callback));
    match callback {
        Callback::Gc => store.on_gc(move |_| stop()),
        Callback::GcHelper => store.on_gc_helper(move |_| stop()),
        Callback::HostCall => store.on_host_call(move |_| stop()),
        Callback::Exhausted => store.on_heap_exhausted(move |_| stop()),
    }
}

fn modes() -> Vec<Config> {
    let mut modes = vec![Config::new(), Config::new(), Config::new()];
    modes[1].gc_nursery(64 << 10).gc_verify(true);
    modes[2].gc_stress(50);
    for config in &mut modes {
        config.gc_heap_max(4 << 20);
    }
    modes
}

#[test]
fn a_panic_comes_out_of_the_call_and_the_store_goes_on() {
    const NODES: i32 = 1_000;
    let expected = i64::from(NODES) * i64::from(NODES + 1) / 2;
    let (mut cases, mut panics) = (0, [0; 4]);
    for config in modes() {
        for callback in [Callback::Gc, Callback::GcHelper, Callback::HostCall, Callback::Exhausted] {
            let engine = Engine::new(&config).unwrap();
            let module = Module::new(&engine, wat::parse_str(MODULE).unwrap()).unwrap();
            let mut store = Store::new(&engine, ());
            let see = Func::wrap(&mut store, |_: i32| {});
            let instance = Instance::new(&mut store, &module, &[see.into()]).unwrap();
            let run = instance.get_typed_func::<i32, i64>(&mut store, "run").unwrap();
            let fill = instance.get_typed_func::<(), ()>(&mut store, "fill").unwrap();
            let empty = instance.get_typed_func::<(), ()>(&mut store, "empty").unwrap();
            for _round in 0..3 {
                set(&mut store, callback);
                let result = catch_unwind(AssertUnwindSafe(|| match callback {
                    Callback::Exhausted => fill.call(&mut store, ()).map(|()| 0),
                    _ => run.call(&mut store, NODES),
                }));
                match result {
                    Ok(result) => assert!(callback == Callback::GcHelper && result.unwrap() == expected),
                    Err(panic) => {
                        assert_eq!(panic.downcast_ref::<Callback>(), Some(&callback));
                        panics[callback as usize] += 1;
                    }
                }
                empty.call(&mut store, ()).unwrap_or_else(|_| panic!("{callback:?}: the store is gone"));
                store.on_host_call(|_| {});
                store.on_gc(|_| {});
                assert_eq!(run.call(&mut store, NODES).unwrap(), expected, "{callback:?}");
                store.gc().unwrap();
                cases += 1;
            }
            // A helper that is through in the last moment is told of when the store goes.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(store)));
        }
    }
    println!("{cases} stores, panics by callback: {panics:?}");
    assert_eq!(cases, 3 * 4 * 3);
    assert_eq!([panics[0], panics[2], panics[3]], [9; 3], "each of these panics in each run");
}
