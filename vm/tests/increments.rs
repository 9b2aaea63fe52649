//! Guests that are stopped in the middle of a marking: the store goes on.

mod common {
    pub mod rewired;
}

use common::rewired::GUEST;
use heapwood_vm::*;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

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
