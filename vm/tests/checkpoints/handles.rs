//! What becomes of handles, weak references, finalizers and secrets.

use crate::model::modes;
use heapwood_vm::*;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

fn in_all_modes(run: impl Fn(&str, Store<()>)) {
    for (name, config) in modes() {
        run(name, Store::new(&Engine::new(&config).unwrap(), ()));
    }
}

fn node(store: &Store<()>) -> StructType {
    let number = FieldType::new(Mutability::Var, StorageType::ValType(ValType::I32));
    let link = FieldType::new(Mutability::Var, StorageType::ValType(ValType::ANYREF));
    StructType::new(store.engine(), [number, link])
}

fn number(store: &mut Store<()>, handle: &Rooted<StructRef>) -> Result<i32> {
    Ok(handle.field(store, 0)?.i32().unwrap())
}

#[test]
fn older_handles_name_what_they_named_and_younger_ones_are_errors() {
    in_all_modes(|name, mut store| {
        let node = node(&store);
        let outer = StructRef::new(&mut store, &node, &[Val::I32(1), Val::AnyRef(None)]).unwrap();
        let owned = outer.to_owned(&mut store).unwrap();
        let checkpoint = store.checkpoint().unwrap();
        for round in 0..5 {
            outer.set_field(&mut store, 0, Val::I32(2)).unwrap();
            let younger = StructRef::new(&mut store, &node, &[Val::I32(3), outer.into()]).unwrap();
            let younger_owned = younger.to_owned(&mut store).unwrap();
            outer.set_field(&mut store, 1, younger.into()).unwrap();
            store.gc().unwrap();
            assert_eq!(number(&mut store, &outer).unwrap(), 2, "{name}");
            store.rollback(&checkpoint).unwrap();
            assert_eq!(number(&mut store, &outer).unwrap(), 1, "{name}, {round}");
            assert!(outer.field(&mut store, 1).unwrap().is_null());
            let again = owned.to_rooted(&mut store).unwrap();
            assert!(again.ref_eq(&store, &outer).unwrap());
            let error = number(&mut store, &younger).unwrap_err().to_string();
            assert!(
                error.ends_with("younger than the checkpoint that its store was rolled back to"),
                "{name}: {error}"
            );
            let error = younger_owned.to_rooted(&mut store).unwrap_err();
            assert!(error.to_string().contains("younger"), "{error}");
            // An entry that is used again is no handle of before.
            let next = StructRef::new(&mut store, &node, &[Val::I32(4), Val::AnyRef(None)]).unwrap();
            assert!(number(&mut store, &younger).is_err() && number(&mut store, &next).unwrap() == 4);
            store.rollback(&checkpoint).unwrap();
        }
    });
}

#[test]
fn handles_of_younger_things_are_errors_and_never_name_what_takes_their_places() {
    let mut store = Store::new(&Engine::default(), ());
    let ty = || GlobalType::new(ValType::I32, true);
    let old = Global::new(&mut store, ty(), Val::I32(1)).unwrap();
    let first = store.checkpoint().unwrap();
    let made = |store: &mut Store<()>, number| {
        let global = Global::new(&mut *store, ty(), Val::I32(number)).unwrap();
        let func = Func::wrap(&mut *store, move || number);
        let memory = Memory::new(&mut *store, MemoryType::builder().min(number as u64).build().unwrap()).unwrap();
        (global, func, memory)
    };
    let call = |store: &mut Store<()>, func: &Func| {
        let mut results = [Val::I32(0)];
        func.call(store, &[], &mut results).map(|()| results[0].i32().unwrap())
    };
    let (global, func, memory) = made(&mut store, 2);
    let second = store.checkpoint().unwrap();
    store.rollback(&first).unwrap();
    assert!(global.set(&mut store, Val::I32(9)).is_err() && call(&mut store, &func).is_err());
    assert!(memory.grow(&mut store, 1).is_err());
    let (other_global, other_func, other_memory) = made(&mut store, 3);
    assert!(global.set(&mut store, Val::I32(9)).is_err() && call(&mut store, &func).is_err());
    assert_eq!((call(&mut store, &other_func).unwrap(), other_memory.size(&store)), (3, 3));
    assert_eq!(old.get(&mut store).i32(), Some(1));
    // Forward again: the second checkpoint knows the first ones.
    store.rollback(&second).unwrap();
    assert_eq!((call(&mut store, &func).unwrap(), memory.size(&store)), (2, 2));
    assert_eq!(global.get(&mut store).i32(), Some(2));
    assert!(other_global.set(&mut store, Val::I32(9)).is_err() && call(&mut store, &other_func).is_err());
    assert!(other_memory.grow(&mut store, 1).is_err());
    let mut fork = first.fork(()).unwrap();
    assert!(old.set(&mut fork, Val::I32(9)).is_err(), "a handle of the parent");
    assert!(fork.rollback(&second).unwrap_err().to_string().contains("another store"));
    fork.rollback(&first).unwrap();
}

#[test]
fn weak_handles_and_finalizers_of_what_is_older_wait_for_the_next_checkpoint() {
    in_all_modes(|name, mut store| {
        let node = node(&store);
        let mut scope = RootScope::new(&mut store);
        let object = StructRef::new(&mut scope, &node, &[Val::I32(1), Val::AnyRef(None)]).unwrap();
        let weak = object.downgrade(&mut scope).unwrap();
        object.register_finalizer(&mut scope, 7).unwrap();
        let root = object.to_owned(&mut scope).unwrap();
        drop(scope);
        let checkpoint = store.checkpoint().unwrap();
        let mut scope = RootScope::new(&mut store);
        let object = root.to_rooted(&mut scope).unwrap();
        let younger = StructRef::new(&mut scope, &node, &[Val::I32(2), object.into()]).unwrap();
        let younger_weak = younger.downgrade(&mut scope).unwrap();
        younger.register_finalizer(&mut scope, 8).unwrap();
        drop(scope);
        store.gc().unwrap();
        assert!(younger_weak.upgrade(&mut store).unwrap().is_none(), "{name}: nothing holds it");
        assert_eq!((store.next_finalized(), store.next_finalized()), (Some(8), None), "{name}");
        drop(root);
        store.gc().unwrap();
        assert!(weak.upgrade(&mut store).unwrap().is_some(), "{name}: it may be rolled back to");
        store.rollback(&checkpoint).unwrap();
        assert!(younger_weak.upgrade(&mut store).is_err() && weak.upgrade(&mut store).unwrap().is_some());
        // The handle of the last line is one of the store, so it is older than nothing.
        store.rollback(&checkpoint).unwrap();
        store.gc().unwrap();
        assert_eq!(store.next_finalized(), None, "{name}");
        drop(checkpoint);
        let next = store.checkpoint().unwrap();
        assert!(weak.upgrade(&mut store).unwrap().is_none(), "{name}: nothing has held it");
        assert_eq!(store.next_finalized(), Some(7), "{name}");
        drop(next);
    });
}

#[test]
fn host_values_are_shared_and_dropped_with_the_last_that_has_them() {
    struct Counted(Arc<AtomicU32>, AtomicU32);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    in_all_modes(|name, mut store| {
        let dropped = Arc::new(AtomicU32::new(0));
        let value = ExternRef::new(&mut store, Counted(dropped.clone(), AtomicU32::new(1))).unwrap();
        assert!(value.data_mut(&mut store).unwrap().is_some());
        let root = value.to_owned(&mut store).unwrap();
        let checkpoint = store.checkpoint().unwrap();
        let error = value.data_mut(&mut store).unwrap_err();
        assert!(error.to_string().contains("checkpoint shares"), "{error}");
        let read = |store: &Store<()>, handle: &Rooted<ExternRef>| {
            handle.data(store).unwrap().unwrap().downcast_ref::<Counted>().unwrap().1.load(Ordering::Relaxed)
        };
        let mut fork = checkpoint.fork(()).unwrap();
        let shared = checkpoint.root(&mut fork, &root).unwrap().to_rooted(&mut fork).unwrap();
        shared.data(&fork).unwrap().unwrap().downcast_ref::<Counted>().unwrap().1.store(5, Ordering::Relaxed);
        assert_eq!((read(&store, &value), read(&fork, &shared)), (5, 5), "{name}: the very same value");
        let _younger = ExternRef::new(&mut store, Counted(dropped.clone(), AtomicU32::new(2))).unwrap();
        store.rollback(&checkpoint).unwrap();
        assert_eq!(dropped.load(Ordering::Relaxed), 1, "{name}: the younger one");
        drop((checkpoint, store));
        assert_eq!(dropped.load(Ordering::Relaxed), 1, "{name}: the fork has it");
        assert_eq!(read(&fork, &shared), 5);
        drop(fork);
        assert_eq!(dropped.load(Ordering::Relaxed), 2, "{name}");
    });
}

#[test]
fn memories_with_secrets_are_left_out_or_refuse_checkpoints() {
    let mut store = Store::new(&Engine::default(), ());
    let wasm = r#"(module (memory (export "open") 1) (memory (export "secret") 1)
        (func (export "read") (param i32) (result i32) (i32.load8_u 1 (local.get 0))))"#;
    let module = Module::new(store.engine(), wasm).unwrap();
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let [open, secret] = ["open", "secret"].map(|name| instance.get_memory(&mut store, name).unwrap());
    open.write(&mut store, 0, b"open").unwrap();
    secret.write(&mut store, 0, b"secret").unwrap();
    secret.set_secrecy(&mut store, Secrecy::Refused).unwrap();
    let error = store.checkpoint().unwrap_err();
    assert!(error.to_string().contains("refuses checkpoints"), "{error}");
    secret.set_secrecy(&mut store, Secrecy::LeftOut).unwrap();
    let checkpoint = store.checkpoint().unwrap();
    assert_eq!(&secret.data(&store)[..6], b"secret", "the store itself keeps it");
    let mut fork = checkpoint.fork(()).unwrap();
    let forked = fork.instances().next().unwrap();
    assert_eq!(&forked.get_memory(&mut fork, "open").unwrap().data(&fork)[..4], b"open");
    assert!(forked.get_memory(&mut fork, "secret").unwrap().data(&fork).iter().all(|byte| *byte == 0));
    let read = forked.get_typed_func::<i32, i32>(&mut fork, "read").unwrap();
    assert_eq!(read.call(&mut fork, 0).unwrap(), 0);
    assert!(forked.get_memory(&mut fork, "secret").unwrap().set_secrecy(&mut fork, Secrecy::None).is_ok());
    secret.grow(&mut store, 1).unwrap();
    store.rollback(&checkpoint).unwrap();
    assert!(secret.data_size(&store) == 1 << 16 && secret.data(&store).iter().all(|byte| *byte == 0));
    open.zeroize(&mut store).unwrap();
    assert!(open.data(&store).iter().all(|byte| *byte == 0));
    store.rollback(&checkpoint).unwrap();
    assert_eq!(&open.data(&store)[..4], b"open", "the checkpoint holds it still");
}

#[test]
fn what_cannot_be_frozen_says_so() {
    let mut features = Features::default();
    features.set("threads", true).unwrap();
    let mut config = Config::new();
    config.features(features);
    let engine = Engine::new(&config).unwrap();
    let module = Module::new(&engine, r#"(module (memory (export "memory") 1 2 shared))"#).unwrap();
    let mut store = Store::new(&engine, ());
    Instance::new(&mut store, &module, &[]).unwrap();
    let error = store.checkpoint().unwrap_err();
    assert!(error.to_string().contains("shared memory"), "{error}");
    let mut store = Store::new(&engine, ());
    let checkpoint = store.checkpoint().unwrap();
    let mut other = Store::new(&engine, ());
    assert!(other.rollback(&checkpoint).unwrap_err().to_string().contains("another store"));
    assert!(Engine::same(checkpoint.engine(), &engine));
}

/// What a checkpoint does to younger things of a store's list does not depend on who made them.
#[test]
fn forks_run_on_other_threads() {
    let mut store = Store::new(&Engine::default(), 0);
    let wasm = r#"(module (global $g (mut i32) (i32.const 1)) (func (export "next") (result i32)
        (global.set $g (i32.mul (global.get $g) (i32.const 3))) (global.get $g)))"#;
    let module = Module::new(store.engine(), wasm).unwrap();
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    instance.get_typed_func::<(), i32>(&mut store, "next").unwrap().call(&mut store, ()).unwrap();
    let checkpoint = store.checkpoint().unwrap();
    drop((store, module));
    let threads = (0..4).map(|thread| {
        let checkpoint = checkpoint.clone();
        std::thread::spawn(move || {
            for _ in 0..20 {
                let mut fork = checkpoint.fork(thread).unwrap();
                let instance = fork.instances().next().unwrap();
                let next = instance.get_typed_func::<(), i32>(&mut fork, "next").unwrap();
                assert_eq!((next.call(&mut fork, ()).unwrap(), next.call(&mut fork, ()).unwrap()), (9, 27));
                assert_eq!(*fork.data(), thread);
            }
        })
    });
    threads.collect::<Vec<_>>().into_iter().for_each(|thread| thread.join().unwrap());
}

/// An entry of a handle that was made and dropped since the checkpoint is used again by one that minors have to visit.
#[test]
fn handles_that_are_made_after_a_rollback_follow_their_objects() {
    in_all_modes(|name, mut store| {
        let node = node(&store);
        let bytes = ArrayType::new(store.engine(), FieldType::new(Mutability::Var, StorageType::I8));
        let checkpoint = store.checkpoint().unwrap();
        for round in 0..4 {
            {
                let mut scope = RootScope::new(&mut store);
                for _ in 0..=round {
                    let object = StructRef::new(&mut scope, &node, &[Val::I32(1), Val::AnyRef(None)]).unwrap();
                    let owned = object.to_owned(&mut scope).unwrap();
                    drop((object.downgrade(&mut scope).unwrap(), owned));
                }
            }
            store.rollback(&checkpoint).unwrap();
            let mut scope = RootScope::new(&mut store);
            let made: Vec<_> = (0..8)
                .map(|n| {
                    let object = StructRef::new(&mut scope, &node, &[Val::I32(n), Val::AnyRef(None)]).unwrap();
                    (object.to_owned(&mut scope).unwrap(), object.downgrade(&mut scope).unwrap())
                })
                .collect();
            drop(scope);
            let minors = store.gc_stats().minors;
            while store.gc_stats().minors < minors + 3 {
                let mut scope = RootScope::new(&mut store);
                ArrayRef::from_slice(&mut scope, &bytes, &[65u8; 5000]).unwrap();
            }
            for (n, (owned, weak)) in (0..).zip(&made) {
                let mut scope = RootScope::new(&mut store);
                let object = owned.to_rooted(&mut scope).unwrap();
                assert_eq!(object.field(&mut scope, 0).unwrap().i32(), Some(n), "{name}, round {round}");
                let again = weak.upgrade(&mut scope).unwrap().expect("its object lives");
                assert!(again.ref_eq(&scope, &object).unwrap(), "{name}, round {round}");
            }
        }
    });
}

/// Panics when it is dropped, once.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

/// What the host gave since the checkpoint is dropped when the store is whole again.
#[test]
fn a_panic_of_what_a_rollback_drops_comes_when_it_is_done() {
    for by_function in [false, true] {
        let mut store = Store::new(&Engine::default(), ());
        let node = node(&store);
        let old = StructRef::new(&mut store, &node, &[Val::I32(1), Val::AnyRef(None)]).unwrap();
        let checkpoint = store.checkpoint().unwrap();
        old.set_field(&mut store, 0, Val::I32(2)).unwrap();
        let younger = StructRef::new(&mut store, &node, &[Val::I32(3), Val::AnyRef(None)]).unwrap();
        let younger = younger.to_owned(&mut store).unwrap();
        if by_function {
            let bomb = Bomb;
            Func::wrap(&mut store, move || _ = &bomb);
        } else {
            ExternRef::new(&mut store, Bomb).unwrap();
        }
        let panic = catch_unwind(AssertUnwindSafe(|| store.rollback(&checkpoint))).unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"dropped"));
        assert!(younger.to_rooted(&mut store).is_err(), "a younger handle");
        assert_eq!(number(&mut store, &old).unwrap(), 1);
        store.gc().unwrap();
        store.rollback(&checkpoint).unwrap();
        store.checkpoint().unwrap();
    }
}

#[test]
fn exceptions_that_are_foreign_or_younger_are_named() {
    let engine = Engine::default();
    let [mut store, mut other] = [(); 2].map(|()| Store::new(&engine, ()));
    let ty = TagType::new(FuncType::new(&engine, [ValType::I32], []).unwrap());
    let tag = Tag::new(&mut store, ty).unwrap();
    let older = Exception::new(&mut store, tag, &[Val::I32(1)]).unwrap();
    let checkpoint = store.checkpoint().unwrap();
    let younger = Exception::new(&mut store, tag, &[Val::I32(2)]).unwrap();
    store.rollback(&checkpoint).unwrap();
    assert_eq!(older.payload(&mut store).unwrap()[0].i32(), Some(1));
    let stale = "an exception is younger than the checkpoint that its store was rolled back to";
    let foreign = "an exception was used with a store that it does not belong to";
    for (store, exception, words) in [(&mut store, &younger, stale), (&mut other, &older, foreign)] {
        assert_eq!(exception.payload(&mut *store).unwrap_err().to_string(), words);
        assert_eq!(exception.to_ref(&mut *store).unwrap_err().to_string(), words);
        assert_eq!(exception.describe(&mut *store).unwrap_err().to_string(), words);
    }
}

/// The token of an object that a checkpoint holds comes once: when its store cannot go back to it. Forks hold nothing
/// up.
#[test]
fn a_finalizer_that_a_checkpoint_holds_waits_for_no_fork() {
    let mut store = Store::new(&Engine::default(), ());
    let node = node(&store);
    let mut scope = RootScope::new(&mut store);
    let object = StructRef::new(&mut scope, &node, &[Val::I32(1), Val::AnyRef(None)]).unwrap();
    object.register_finalizer(&mut scope, 7).unwrap();
    let kept = object.to_owned(&mut scope).unwrap();
    drop(scope);
    let checkpoint = store.checkpoint().unwrap();
    let mut fork = checkpoint.fork(()).unwrap();
    drop(kept);
    store.gc().unwrap();
    assert_eq!(store.next_finalized(), None, "the next checkpoint finds what is dead of the one before");
    store.checkpoint().unwrap();
    assert_eq!(store.next_finalized(), None, "the store may go back");
    store.rollback(&checkpoint).unwrap();
    fork.rollback(&checkpoint).unwrap();
    drop((checkpoint, store.checkpoint().unwrap()));
    assert_eq!((store.next_finalized(), store.next_finalized()), (Some(7), None));
    // The fork's object is another one, of which nobody has asked.
    fork.checkpoint().unwrap();
    assert_eq!((fork.next_finalized(), store.next_finalized()), (None, None));
    drop(fork);
    assert_eq!(store.next_finalized(), None);
}
