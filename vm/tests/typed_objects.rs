//! Objects as Rust types: what a bound struct or array holds, what is refused when it is bound or used, and what
//! becomes of references in scopes, while everything moves.

extern crate heapwood_vm as heapwood;

#[path = "typed_objects/fields.rs"]
mod fields;
#[path = "typed_objects/graph.rs"]
mod graph;
#[path = "typed_objects/hierarchy.rs"]
mod hierarchy;
#[path = "typed_objects/host.rs"]
mod host;
#[path = "objects/modes.rs"]
mod modes;
#[path = "common/random.rs"]
mod random;
#[path = "typed_objects/refused.rs"]
mod refused;
#[path = "objects/values.rs"]
#[allow(dead_code, reason = "shared with another test")]
mod values;

use heapwood_derive::GcStruct;
use heapwood_vm::*;
use modes::modes;
use std::collections::BTreeMap;

const VAR: Mutability = Mutability::Var;
const CONST: Mutability = Mutability::Const;

fn field(mutability: Mutability, storage: impl Into<StorageType>) -> FieldType {
    FieldType::new(mutability, storage.into())
}

fn reference(nullable: bool, heap: impl Into<HeapType>) -> ValType {
    ValType::Ref(RefType::new(nullable, heap.into()))
}

/// Everything moves at each allocation, and is verified.
fn stress() -> Engine {
    Engine::new(Config::new().gc_stress(1).gc_verify(true)).unwrap()
}

fn module(engine: &Engine, text: &str) -> Module {
    Module::new(engine, wat::parse_str(text).unwrap()).unwrap()
}

fn says<T>(result: Result<T>, text: &str) {
    let Err(error) = result else { panic!("no error: {text}") };
    assert_eq!(error.to_string(), text);
    assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error:?}");
}

/// What a call panics with.
fn panics(call: impl FnOnce()) -> String {
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).expect_err("a panic");
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|text| text.to_string()))
        .unwrap()
}

#[derive(GcStruct)]
struct Node {
    #[wasm(mutable)]
    val: i64,
    #[wasm(mutable)]
    next: Option<Ref<Node>>,
}

const NODE: &str = "(type $Node (struct (field (mut i64)) (field (mut (ref null $Node)))))";

fn node_of(engine: &Engine) -> Bound<Node> {
    module(engine, &format!("(module {NODE})")).bind().unwrap()
}

/// An owned handle of a bound object is given to functions of the guest, and to the dynamic interface.
#[test]
fn roots_of_bound_objects_go_into_calls() {
    let engine = stress();
    let text = format!(
        r#"(module {NODE} (type $bytes (array (mut i8)))
            (func (export "val") (param (ref null $Node)) (result i64) (struct.get $Node 0 (local.get 0)))
            (func (export "len") (param (ref $bytes)) (result i32) (array.len (local.get 0))))"#
    );
    let module = module(&engine, &text);
    let (node, bytes) = (module.bind::<Node>().unwrap(), module.bind_array::<u8>("bytes").unwrap());
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let (node, bytes): (Root<Node>, Root<GcArray<u8>>) = store
        .scope(|s| {
            let node = node.alloc(s, 7, None)?;
            let bytes = bytes.alloc(s, 5, 0)?;
            Ok((s.root(node), s.root(bytes)))
        })
        .unwrap();
    store.gc().unwrap();
    let node: Rooted<StructRef> = node.to_rooted(&mut store).unwrap();
    let bytes: Rooted<ArrayRef> = bytes.to_rooted(&mut store).unwrap();
    let val = instance.get_typed_func::<Option<Rooted<StructRef>>, i64>(&mut store, "val").unwrap();
    assert_eq!(val.call(&mut store, Some(node)).unwrap(), 7);
    let len = instance.get_typed_func::<Rooted<ArrayRef>, i32>(&mut store, "len").unwrap();
    assert_eq!((len.call(&mut store, bytes).unwrap(), bytes.len(&store).unwrap()), (5, 5));
}

#[test]
fn scopes_end_inside_out_and_references_follow_their_objects() {
    let engine = stress();
    let node = node_of(&engine);
    let mut store = Store::new(&engine, 5u8);
    let kept = store
        .scope(|s| {
            let first = node.alloc(s, 1, None)?;
            let kept = s.inner(|s, outer| {
                let second = node.alloc(s, 2, Some(outer.local(first)))?;
                outer.local(first).set_next(s, Some(second));
                s.gc()?;
                s.inner(|s, inner| {
                    let (first, second) = (inner.local(outer.local(first)), inner.local(second));
                    first.set_val(s, second.val(s) + first.val(s));
                    assert!(second.next(s).unwrap().ref_eq(s, first) && !second.ref_eq(s, first));
                    *s.data_mut() += 1;
                    Ok(())
                })?;
                // Handles of both interfaces lie side by side.
                let mut dynamic = RootScope::new(&mut *s);
                AnyRef::from_i31(&mut dynamic, 3)?;
                drop(dynamic);
                Ok(s.root(second))
            })?;
            assert_eq!((first.val(s), *s.data(), s.engine().live_types()), (3, 6, 1));
            let failed: Result<()> = s.inner(|s, _| {
                node.alloc(s, 3, None)?;
                Err(Error::msg("on purpose"))
            });
            assert_eq!(failed.unwrap_err().to_string(), "on purpose");
            Ok(kept)
        })
        .unwrap();
    store.gc().unwrap();
    let values = store.scope(|s| {
        let second = kept.local(s)?;
        let first = second.next(s).expect("it was made with one");
        Ok((first.val(s), second.val(s), first.next(s).map(|next| next.ref_eq(s, second))))
    });
    assert_eq!(values.unwrap(), (3, 2, Some(true)));
}

/// A panic ends the scopes on its way; the store is as before.
#[test]
fn a_panic_ends_its_scopes() {
    let engine = stress();
    let node = node_of(&engine);
    let mut store = Store::new(&engine, ());
    let outside = AnyRef::from_i31(&mut store, 5).unwrap();
    let text = panics(|| {
        let _never: Result<()> = store.scope(|s| {
            node.alloc(s, 1, None)?;
            s.inner(|s, _| {
                node.alloc(s, 2, None)?;
                panic!("on purpose")
            })
        });
    });
    assert_eq!(text, "on purpose");
    let inside = store.scope(|s| Ok(node.alloc(s, 3, None)?.to_rooted(s))).unwrap();
    assert_eq!(outside.as_i31(&store).unwrap(), Some(5));
    assert!(inside.ty(&store).unwrap_err().to_string().contains("after the end of its scope"));
}

/// Host functions have scopes of their own, on top of the guest's frames and of the scope that called the guest.
#[test]
fn guests_are_called_within_scopes_and_call_back_into_them() {
    let engine = stress();
    let text = format!(
        r#"(module {NODE}
            (import "" "push" (func $push (param i64 (ref null $Node)) (result (ref $Node))))
            (func (export "list") (param $n i64) (result (ref null $Node)) (local $list (ref null $Node))
              (loop $l
                (local.set $list (call $push (local.get $n) (local.get $list)))
                (br_if $l (i32.wrap_i64 (local.tee $n (i64.sub (local.get $n) (i64.const 1))))))
              (local.get $list)))"#
    );
    let module = module(&engine, &text);
    let node = module.bind::<Node>().unwrap();
    let mut store = Store::new(&engine, 0u32);
    let make = node.clone();
    let push = move |mut caller: Caller<'_, u32>, val: i64, next: Option<Rooted<AnyRef>>| {
        *caller.data_mut() += 1;
        let made = caller.scope(|s| {
            s.bind(&make)?;
            let next = next.map(|next| next.local_as::<Node>(s)).transpose()?;
            let made = make.alloc(s, val, next.map(|next| next.expect("the guest's type")))?;
            Ok(s.root(made.to_any()))
        })?;
        made.to_rooted(&mut caller)
    };
    let func = FuncType::new(
        &engine,
        [ValType::I64, reference(true, module.types().named("Node").unwrap())],
        [reference(false, module.types().named("Node").unwrap())],
    );
    let push = Func::new(&mut store, func.unwrap(), move |caller, args, results| {
        let (Val::I64(val), Val::AnyRef(next)) = (args[0], args[1]) else { panic!("{args:?}") };
        results[0] = push(caller, val, next)?.into();
        Ok(())
    });
    let instance = Instance::new(&mut store, &module, &[push.into()]).unwrap();
    let list = instance.get_func(&mut store, "list").unwrap();
    store
        .scope(|s| {
            let before = node.alloc(s, -1, None)?;
            let mut results = [Val::I32(0)];
            list.call(&mut *s, &[Val::I64(50)], &mut results)?;
            let Val::AnyRef(Some(list)) = results[0] else { panic!("{results:?}") };
            let mut at = list.local_as::<Node>(s)?;
            assert!(at.is_some());
            for expected in 1..=50 {
                let node = at.expect("fifty nodes");
                assert_eq!(node.val(s), expected);
                at = node.next(s);
            }
            assert_eq!((at.is_none(), before.val(s), *s.data()), (true, -1, 50));
            Ok(())
        })
        .unwrap();
}

/// Owned handles of bound types go to other threads, and are dropped there, here, and after their store.
#[test]
fn roots_outlive_scopes_threads_and_stores() {
    let engine = stress();
    let node = node_of(&engine);
    let mut store = Store::new(&engine, ());
    let (roots, weak) = store
        .scope(|s| {
            let mut roots = Vec::new();
            let mut weak = Vec::new();
            for val in 0..20 {
                let made = node.alloc(s, val, None)?;
                weak.push(made.downgrade(s)?);
                roots.push(s.root(made));
            }
            Ok((roots, weak))
        })
        .unwrap();
    let roots = std::thread::spawn(move || {
        let kept: Vec<_> = roots.into_iter().step_by(2).collect();
        std::thread::spawn(move || kept).join().unwrap()
    })
    .join()
    .unwrap();
    store.gc().unwrap();
    store.gc().unwrap();
    store
        .scope(|s| {
            for (index, root) in roots.iter().enumerate() {
                assert_eq!(root.local(s)?.val(s), index as i64 * 2);
                assert_eq!(root.downgrade(&mut *s)?.local(s)?.unwrap().val(s), index as i64 * 2);
            }
            let alive: Vec<_> = weak.iter().map(|weak| Ok(weak.local(s)?.is_some())).collect::<Result<_>>()?;
            assert_eq!(alive, (0..20).map(|index| index % 2 == 0).collect::<Vec<_>>());
            Ok(())
        })
        .unwrap();
    let held = engine.live_types();
    drop(store);
    drop((roots, weak));
    assert_eq!((held, engine.live_types()), (1, 1), "the binding holds its type");
    drop(node);
    assert_eq!(engine.live_types(), 0);
}

/// Objects hold their types, and with them what bindings mean.
#[test]
fn a_binding_that_is_gone_is_remembered_by_the_store() {
    let engine = stress();
    let node = node_of(&engine);
    let mut store = Store::new(&engine, ());
    let root = store.scope(|s| node.alloc(s, 7, None).map(|made| s.root(made))).unwrap();
    drop(node);
    let _others: Vec<_> = (2..20).map(|n| StructType::new(&engine, vec![field(VAR, ValType::EXTERNREF); n])).collect();
    store.gc().unwrap();
    let again = node_of(&engine);
    let read = store.scope(|s| {
        let (old, new) = (root.local(s)?, again.alloc(s, 8, None)?);
        old.set_next(s, Some(new));
        Ok(old.to_any().cast::<Node>(s).unwrap().next(s).unwrap().val(s))
    });
    assert_eq!(read.unwrap(), 8);
}

/// How often a store's heap asked whether it may grow.
struct Asked(u32);

impl ResourceLimiter for Asked {
    fn memory_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> Result<bool> {
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> Result<bool> {
        Ok(true)
    }

    fn gc_heap_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> Result<bool> {
        self.0 += 1;
        Ok(true)
    }
}

/// Objects of bound types take the heap that a limiter allows, as all others do.
#[test]
fn a_limiter_is_asked_for_the_heap_that_objects_take() {
    const NODES: i64 = 400_000;
    let engine = Engine::default();
    let node = node_of(&engine);
    let mut store = Store::new(&engine, Asked(0));
    store.limiter(|asked| asked);
    let mut last: Option<Root<Node>> = None;
    for val in 0..NODES {
        let made = store.scope(|s| {
            let next = last.as_ref().map(|last| last.local(s)).transpose()?;
            node.alloc(s, val, next).map(|made| s.root(made))
        });
        last = Some(made.unwrap_or_else(|error| panic!("node {val}: {error}")));
    }
    assert!(store.memory_stats().heap.used_bytes > NODES as u64 * 16 && store.data().0 > 3, "{}", store.data().0);
}

#[test]
fn programs_of_typed_operations_do_what_their_model_does() {
    let (mut programs, mut done) = (0, BTreeMap::new());
    for (mode, (name, config)) in modes().into_iter().enumerate() {
        let engine = Engine::new(&config).unwrap();
        let types = graph::Types::new(&engine);
        for seed in 0..if name.starts_with("stress") { 20 } else { 40 } {
            println!("{name}, program {seed}");
            let mut store = Store::new(&engine, ());
            let mut program = graph::Program::new(&types, mode as u64 * 1000 + seed);
            program.run(&mut store, 40);
            program.done.iter().for_each(|(name, count)| *done.entry(*name).or_default() += count);
            programs += 1;
        }
    }
    let operations: u64 = done.values().sum();
    println!("{programs} programs, {operations} operations: {done:?}");
    assert_eq!((programs, done.len()), (160, 13));
    assert!(done.values().all(|count| *count > 300), "{done:?}");
}

#[test]
fn typed_objects_move_out_of_sparse_blocks() {
    let mut config = Config::new();
    config.gc_nursery(64 << 10).gc_mark_slice(3_000).gc_threads(0).gc_verify(true).gc_heap_max(128 << 20);
    let blocks = graph::thin_out(&Engine::new(&config).unwrap());
    assert!(blocks > 20, "{blocks} blocks");
}
