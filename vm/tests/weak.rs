//! Weak handles and entries with weak keys, in all modes of the collector.

use heapwood_vm::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn modes() -> Vec<(&'static str, Config)> {
    let mut modes = vec![("default", Config::new())];
    let mut config = Config::new();
    config.gc_stress(1).gc_verify(true).gc_heap_max(64 << 20);
    modes.push(("stress", config));
    let mut config = Config::new();
    config.gc_nursery(64 << 10).gc_verify(true);
    modes.push(("small nursery", config));
    let mut config = Config::new();
    config.gc_mark_slice(10).gc_nursery(64 << 10).gc_verify(true);
    modes.push(("marking all the time", config));
    let mut config = Config::new();
    config.gc_threads(1).gc_heap_initial(1 << 20).gc_verify(true);
    modes.push(("helper", config));
    modes
}

fn in_all_modes(run: impl Fn(&str, Store<()>)) {
    for (name, config) in modes() {
        run(name, Store::new(&Engine::new(&config).unwrap(), ()));
    }
}

/// Counts how many of it were dropped.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_weak_handle_gives_its_object_until_nothing_else_holds_it() {
    in_all_modes(|name, mut store| {
        let dropped = Arc::new(AtomicUsize::new(0));
        let mut scope = RootScope::new(&mut store);
        let value = ExternRef::new(&mut scope, Counted(dropped.clone())).unwrap();
        let root = value.to_owned(&mut scope).unwrap();
        let (weak, same) = (value.downgrade(&mut scope).unwrap(), root.downgrade(&mut scope).unwrap());
        drop(scope);
        for _ in 0..3 {
            store.gc().unwrap();
            let mut scope = RootScope::new(&mut store);
            let (a, b) = (weak.upgrade(&mut scope).unwrap().unwrap(), same.upgrade(&mut scope).unwrap().unwrap());
            assert!(a.ref_eq(&scope, &b).unwrap(), "{name}");
        }
        let mut scope = RootScope::new(&mut store);
        let again = weak.upgrade(&mut scope).unwrap().unwrap();
        drop(root);
        scope.as_context_mut().gc().unwrap();
        assert!(again.data(&scope).unwrap().unwrap().is::<Counted>(), "{name}: the scope holds it");
        drop(scope);
        store.gc().unwrap();
        assert_eq!(dropped.load(Ordering::Relaxed), 1, "{name}");
        assert!(weak.upgrade(&mut store).unwrap().is_none() && same.upgrade(&mut store).unwrap().is_none(), "{name}");
    });
}

#[test]
fn an_entry_holds_its_value_as_long_as_its_key_lives() {
    in_all_modes(|name, mut store| {
        let dropped = Arc::new(AtomicUsize::new(0));
        let count = || dropped.load(Ordering::Relaxed);
        let mut scope = RootScope::new(&mut store);
        let key = ExternRef::new(&mut scope, 1u32).unwrap();
        let value = ExternRef::new(&mut scope, Counted(dropped.clone())).unwrap();
        let entry = WeakEntry::new(&mut scope, &key, &value).unwrap();
        // The value of the second is its own key, which the first one's value does not hold either.
        let own = WeakEntry::new(&mut scope, &value, &value).unwrap();
        let key = key.to_owned(&mut scope).unwrap();
        drop(scope);
        store.gc().unwrap();
        assert_eq!(count(), 0, "{name}");
        let mut scope = RootScope::new(&mut store);
        let (key_again, value) = entry.get(&mut scope).unwrap().unwrap();
        assert_eq!(key_again.data(&scope).unwrap().unwrap().downcast_ref::<u32>(), Some(&1), "{name}");
        assert!(own.get(&mut scope).unwrap().unwrap().0.ref_eq(&scope, &value).unwrap(), "{name}");
        let other = ExternRef::new(&mut scope, Counted(dropped.clone())).unwrap();
        assert!(entry.set_value(&mut scope, &other).unwrap(), "{name}");
        drop(scope);
        store.gc().unwrap();
        assert_eq!(
            (count(), own.get(&mut store).unwrap().is_none()),
            (1, true),
            "{name}: the old value is held no longer"
        );
        drop(key);
        store.gc().unwrap();
        assert_eq!((count(), entry.get(&mut store).unwrap().is_none()), (2, true), "{name}");
        let mut scope = RootScope::new(&mut store);
        let late = ExternRef::new(&mut scope, 2u32).unwrap();
        assert!(!entry.set_value(&mut scope, &late).unwrap(), "{name}");
    });
}

/// Objects that the guest makes and drops, with handles that follow them.
#[test]
fn weak_handles_follow_objects_of_the_guest() {
    let text = r#"(module
        (type $node (struct (field $next (mut (ref null $node))) (field i32)))
        (global $list (mut (ref null $node)) (ref.null $node))
        (func (export "push") (param i32) (result anyref)
          (global.set $list (struct.new $node (global.get $list) (local.get 0)))
          (global.get $list))
        (func (export "pop") (global.set $list (struct.get $node $next (global.get $list)))))"#;
    let bytes = wat::parse_str(text).unwrap();
    for (name, config) in modes() {
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, &bytes).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let push = instance.get_func(&mut store, "push").unwrap();
        let pop = instance.get_func(&mut store, "pop").unwrap();
        let mut handles = Vec::new();
        for number in 0..200 {
            let mut scope = RootScope::new(&mut store);
            let mut results = [Val::I32(0)];
            push.call(&mut scope, &[Val::I32(number)], &mut results).unwrap();
            let Val::AnyRef(Some(node)) = results[0] else { panic!("{name}: {results:?}") };
            handles.push(node.downgrade(&mut scope).unwrap());
        }
        (0..100).for_each(|_| pop.call(&mut store, &[], &mut []).unwrap());
        store.gc().unwrap();
        for (number, handle) in handles.iter().enumerate() {
            let mut scope = RootScope::new(&mut store);
            match handle.upgrade(&mut scope).unwrap() {
                Some(node) => {
                    assert!(number < 100, "{name}: {number} was dropped");
                    assert_eq!(node.field(&mut scope, 1).unwrap().i32(), Some(number as i32), "{name}");
                }
                None => assert!(number >= 100, "{name}: {number} is in the list"),
            }
        }
    }
}

#[test]
fn weak_handles_are_sent_cloned_and_dropped_without_the_store() {
    fn assert_send<T: Send + Sync>(_: &T) {}
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let value = ExternRef::new(&mut store, 5u32).unwrap();
    let weak = value.downgrade(&mut store).unwrap();
    let entry = WeakEntry::new(&mut store, &value, &value).unwrap();
    assert_send(&weak);
    assert_send(&entry);
    let clone = weak.clone();
    std::thread::spawn(move || drop((weak, entry))).join().unwrap();
    assert!(clone.upgrade(&mut store).unwrap().is_some(), "the clone has its own share of the cell");
    let mut other = Store::new(&engine, ());
    assert!(clone.upgrade(&mut other).is_err(), "another store");
    assert!(value.downgrade(&mut other).is_err());
    assert!(WeakEntry::new(&mut other, &value, &value).is_err());
    drop(store);
    assert!(format!("{clone:?}").starts_with("WeakRoot("));
}

#[test]
fn an_i31_never_dies() {
    in_all_modes(|name, mut store| {
        let weak = {
            let mut scope = RootScope::new(&mut store);
            AnyRef::from_i31(&mut scope, -3).unwrap().downgrade(&mut scope).unwrap()
        };
        store.gc().unwrap();
        let back = weak.upgrade(&mut store).unwrap().unwrap();
        assert_eq!(back.kind(&store).unwrap(), RefKind::I31(-3), "{name}");
    });
}

/// Makes more of a kind than a heap may have, and keeps none, then as many as it may have.
fn fill<K>(name: &str, store: &mut Store<()>, most: usize, mut make: impl FnMut(&mut Store<()>) -> Result<K>) {
    for number in 0..10 * most {
        make(store).unwrap_or_else(|error| panic!("{name}: {error}, after {number} that are dead"));
    }
    let mut kept = Vec::new();
    let error = loop {
        match make(store) {
            Ok(cell) => kept.push(cell),
            Err(error) => break error,
        }
    };
    assert_eq!(kept.len(), most, "{name}: {error}");
    assert_eq!(error.trap().map(|trap| trap.kind()), Some(TrapKind::HeapExhausted), "{name}: {error}");
    let says = format!("{most} cells of one kind are alive, as many as a heap may have");
    assert!(error.to_string().contains(&says), "{name}: {error}");
    kept.pop();
    kept.push(make(store).unwrap());
}

#[test]
fn cells_that_are_dead_are_not_too_many() {
    const MOST: usize = 50;
    in_all_modes(|name, mut store| {
        store.limit_cells(MOST);
        let host_value = |store: &mut Store<()>| {
            let mut scope = RootScope::new(store);
            ExternRef::new(&mut scope, 7u32)?.to_owned(&mut scope)
        };
        fill(name, &mut store, MOST, host_value);
        let held = host_value(&mut store).unwrap();
        fill(name, &mut store, MOST, |store| held.downgrade(store));
        fill(name, &mut store, MOST, |store| {
            let mut scope = RootScope::new(store);
            let held = held.to_rooted(&mut scope)?;
            WeakEntry::new(&mut scope, &held, &held)
        });
    });
}
