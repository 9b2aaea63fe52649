//! Guests that are stopped in the middle of a marking, and systems that refuse memory to them: the store goes on.

use heapwood_vm::*;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// `run(n)`: a list of n nodes that is rewired all the time, with a table, a large array, exceptions and deep frames.
/// Returns a sum that depends on all of it; `check` says whether everything is as `run` left it.
const GUEST: &str = r#"(module
    (type $n (struct (field (mut (ref null $n))) (field (mut i64)) (field (mut anyref))))
    (type $refs (array (mut (ref null $n))))
    (tag $e (param (ref null $n)))
    (global $list (mut (ref null $n)) (ref.null $n))
    (global $array (mut (ref null $refs)) (ref.null $refs))
    (table $t 64 anyref)
    (func $sum (param $n (ref null $n)) (result i64) (local $s i64)
      (block $end (loop $l
        (br_if $end (ref.is_null (local.get $n)))
        (local.set $s (i64.add (i64.mul (local.get $s) (i64.const 3)) (struct.get $n 1 (local.get $n))))
        (local.set $n (struct.get $n 0 (local.get $n)))
        (br $l)))
      (local.get $s))
    (func $deep (param $d i32) (param $v (ref null $n)) (result (ref null $n))
      (local $mine (ref null $n))
      (local.set $mine (struct.new $n (local.get $v) (i64.extend_i32_u (local.get $d)) (ref.null any)))
      (if (i32.eqz (local.get $d)) (then (throw $e (local.get $mine))))
      (drop (call $deep (i32.sub (local.get $d) (i32.const 1)) (local.get $mine)))
      (local.get $mine))
    (func (export "run") (param $n i32) (result i64) (local $i i32) (local $node (ref null $n)) (local $v (ref null $n))
      (global.set $list (ref.null $n))
      (global.set $array (array.new $refs (ref.null $n) (i32.const 20000)))
      (loop $l
        (local.set $node (struct.new $n (global.get $list) (i64.extend_i32_u (local.get $i))
          (array.new $refs (global.get $list) (i32.and (local.get $i) (i32.const 63)))))
        (global.set $list (local.get $node))
        (array.set $refs (global.get $array) (i32.rem_u (i32.mul (local.get $i) (i32.const 977)) (i32.const 20000)) (local.get $node))
        (table.set $t (i32.and (local.get $i) (i32.const 63)) (local.get $node))
        (if (i32.eqz (i32.rem_u (local.get $i) (i32.const 64)))
          (then
            (local.set $v (block $h (result (ref null $n))
              (drop (try_table (result (ref null $n)) (catch $e $h) (call $deep (i32.const 50) (local.get $node))))
              (ref.null $n)))
            (struct.set $n 2 (local.get $node) (local.get $v))
            ;; Half of the list goes, in a copy of the array too.
            (struct.set $n 0 (local.get $node) (ref.null $n))
            (array.copy $refs $refs (global.get $array) (i32.const 10000) (global.get $array) (i32.const 0) (i32.const 5000)))
          (else (nop)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $l (i32.lt_u (local.get $i) (local.get $n))))
      (call $all))
    (func $all (export "all") (result i64) (local $s i64) (local $i i32)
      (local.set $s (call $sum (global.get $list)))
      (if (ref.is_null (global.get $array)) (then (return (local.get $s))))
      (loop $l
        (local.set $s (i64.add (i64.mul (local.get $s) (i64.const 7))
          (call $sum (array.get $refs (global.get $array) (i32.mul (local.get $i) (i32.const 97))))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $l (i32.lt_u (local.get $i) (i32.const 200))))
      (local.get $s)))"#;

const NODES: i32 = 16_000;

fn config() -> Config {
    let mut config = Config::new();
    config.gc_nursery(64 << 10).gc_heap_max(32 << 20).gc_threads(0);
    config
}

fn instantiate(config: &Config) -> Result<(Store<()>, Instance)> {
    let engine = Engine::new(config)?;
    let module = Module::new(&engine, wat::parse_str(GUEST).unwrap())?;
    let mut store = Store::try_new(&engine, ())?;
    let instance = Instance::new(&mut store, &module, &[])?;
    Ok((store, instance))
}

fn run(store: &mut Store<()>, instance: Instance) -> Result<i64> {
    instance.get_typed_func::<i32, i64>(&mut *store, "run")?.call(store, NODES)
}

fn all(store: &mut Store<()>, instance: Instance) -> i64 {
    instance.get_typed_func::<(), i64>(&mut *store, "all").unwrap().call(store, ()).unwrap()
}

/// What `run` returns where nothing is collected.
fn expected() -> i64 {
    let mut config = Config::new();
    config.gc_none(true).gc_heap_max(256 << 20);
    let (mut store, instance) = instantiate(&config).unwrap();
    run(&mut store, instance).unwrap()
}

#[test]
fn an_interrupt_at_any_increment_leaves_the_store_usable() {
    let expected = expected();
    for threads in [0, 1] {
        let (stops, at) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(u64::MAX)));
        let (mut store, instance) = instantiate(config().gc_mark_slice(400).gc_threads(threads)).unwrap();
        let handle = store.interrupt_handle();
        let kinds = Arc::new(Mutex::new(Vec::new()));
        let (counter, limit, seen) = (stops.clone(), at.clone(), kinds.clone());
        store.on_gc(move |event| {
            if counter.fetch_add(1, Ordering::Relaxed) == limit.load(Ordering::Relaxed) {
                seen.lock().unwrap().push(event.kind);
                handle.interrupt();
            }
        });
        assert_eq!(run(&mut store, instance).unwrap(), expected);
        let total = stops.load(Ordering::Relaxed);
        assert!(total > 40, "{total} stops");
        let mut interrupted = 0;
        for stop in (0..total).step_by((total as usize / 60).max(1)) {
            stops.store(0, Ordering::Relaxed);
            at.store(stop, Ordering::Relaxed);
            match run(&mut store, instance) {
                Err(error) => {
                    assert_eq!(error.trap().map(Trap::kind), Some(TrapKind::Interrupted), "{error}");
                    interrupted += 1;
                }
                // The number of stops varies with a helper, and the last one has nothing after it.
                Ok(sum) => assert_eq!(sum, expected),
            }
            at.store(u64::MAX, Ordering::Relaxed);
            store.interrupt_handle().clear();
            // What the marking under way has not seen is seen now.
            let before = all(&mut store, instance);
            store.gc().unwrap();
            assert_eq!(all(&mut store, instance), before, "stop {stop}");
        }
        assert!(interrupted > 30, "{interrupted} interrupted at {total} stops");
        let kinds = kinds.lock().unwrap();
        for kind in [GcEventKind::Minor, GcEventKind::Slice] {
            assert!(kinds.contains(&kind), "never interrupted at {kind:?}");
        }
        assert_eq!(run(&mut store, instance).unwrap(), expected);
    }
}

#[test]
fn each_call_of_the_system_is_refused_once_to_a_guest() {
    let expected = expected();
    let calls = {
        let (mut store, instance) = instantiate(&config()).unwrap();
        assert_eq!(run(&mut store, instance).unwrap(), expected);
        store.backing_calls()
    };
    assert!(calls > 30, "{calls} calls");
    for (slice, threads) in [(0, 0), (100, 0), (100, 1)] {
        let (mut births, mut traps, mut ends) = (0, 0, 0);
        for call in 1..=calls + 5 {
            let mut config = config();
            config.gc_mark_slice(slice).gc_threads(threads).gc_verify(call % 16 == 0).fail_backing_call(call);
            let (mut store, instance) = match instantiate(&config) {
                Ok(made) => made,
                Err(error) => {
                    let text = error.to_string();
                    assert!(
                        text.contains("the system refused") || text.contains("heap exhausted"),
                        "call {call}: {text}"
                    );
                    births += 1;
                    continue;
                }
            };
            match run(&mut store, instance) {
                Ok(sum) => {
                    assert_eq!(sum, expected, "call {call}");
                    ends += 1;
                }
                Err(error) => {
                    assert_eq!(error.trap().map(Trap::kind), Some(TrapKind::HeapExhausted), "call {call}: {error}");
                    traps += 1;
                }
            }
            // It failed once: the store works.
            let before = all(&mut store, instance);
            store.gc().unwrap();
            assert_eq!(all(&mut store, instance), before, "call {call}");
            assert_eq!(run(&mut store, instance).unwrap(), expected, "call {call}");
        }
        println!("slices of {slice}, {threads} helpers: {births} births refused, {traps} traps, {ends} ends");
        assert!(ends > 10);
    }
}
