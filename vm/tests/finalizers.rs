//! Notices of objects that died: of each one once, of no other, and nothing stays behind.

#[path = "common/random.rs"]
mod random;

use heapwood_vm::*;
use random::Random;
use std::collections::BTreeSet;

const VAR: Mutability = Mutability::Var;

fn node_type(engine: &Engine) -> StructType {
    let number = FieldType::new(VAR, StorageType::ValType(ValType::I64));
    let any = FieldType::new(VAR, StorageType::ValType(ValType::ANYREF));
    StructType::new(engine, [number, any])
}

/// A host that makes objects, links them, holds some and lets others go, beside a model that knows what is reachable.
struct World {
    store: Store<()>,
    ty: StructType,
    /// Each held object, with its token.
    held: Vec<(u64, Root<StructRef>)>,
    /// The object that an object's field names; tokens.
    next: std::collections::BTreeMap<u64, u64>,
    /// Registered and neither reported nor withdrawn.
    waiting: BTreeSet<u64>,
    finalizers: std::collections::BTreeMap<u64, Finalizer>,
    random: Random,
    made: u64,
}

impl World {
    fn make(&mut self) {
        let token = self.made;
        self.made += 1;
        let target = (!self.held.is_empty()).then(|| self.random.index(self.held.len()));
        let mut scope = RootScope::new(&mut self.store);
        let field = match target {
            Some(index) => {
                self.next.insert(token, self.held[index].0);
                self.held[index].1.to_rooted(&mut scope).unwrap().into()
            }
            None => Val::AnyRef(None),
        };
        let object = StructRef::new(&mut scope, &self.ty, &[Val::I64(token as i64), field]).unwrap();
        let finalizer = object.register_finalizer(&mut scope, token).unwrap();
        self.held.push((token, object.to_owned(&mut scope).unwrap()));
        drop(scope);
        self.finalizers.insert(token, finalizer);
        self.waiting.insert(token);
    }

    fn reachable(&self) -> BTreeSet<u64> {
        let mut reached = BTreeSet::new();
        for (token, _) in &self.held {
            let mut at = Some(*token);
            while let Some(token) = at.filter(|token| reached.insert(*token)) {
                at = self.next.get(&token).copied();
            }
        }
        reached
    }

    /// What came is dead, was waited for, and came once.
    fn drain(&mut self) -> usize {
        let reachable = self.reachable();
        let mut count = 0;
        while let Some(token) = self.store.next_finalized() {
            assert!(self.waiting.remove(&token), "{token} was not waited for");
            assert!(!reachable.contains(&token), "{token} is alive");
            count += 1;
        }
        count
    }

    /// After a full collection nothing that is dead is still waited for.
    fn settle(&mut self) {
        self.store.gc().unwrap();
        self.drain();
        let reachable = self.reachable();
        assert!(self.waiting.iter().all(|token| reachable.contains(token)), "a death was not reported");
    }
}

fn programs(config: &Config, seeds: std::ops::Range<u64>, steps: usize) {
    let engine = Engine::new(config).unwrap();
    let (mut reported, mut withdrawn) = (0, 0);
    for seed in seeds {
        let mut world = World {
            store: Store::new(&engine, ()),
            ty: node_type(&engine),
            held: Vec::new(),
            next: Default::default(),
            waiting: BTreeSet::new(),
            finalizers: Default::default(),
            random: Random(seed),
            made: 0,
        };
        for _ in 0..steps {
            match world.random.index(16) {
                0..8 => world.make(),
                8..13 if !world.held.is_empty() => {
                    let index = world.random.index(world.held.len());
                    world.held.swap_remove(index);
                }
                13 if world.made > 0 => {
                    let token = world.random.index(world.made as usize) as u64;
                    // Withdrawn requests are never answered; of objects that died already the answer may be queued.
                    let stood = world.finalizers[&token].cancel();
                    assert!(!stood || world.waiting.remove(&token), "{token} was answered already");
                    withdrawn += usize::from(stood);
                }
                14 => reported += world.drain(),
                _ => {}
            }
        }
        let before = world.waiting.len();
        world.settle();
        reported += before - world.waiting.len();
        world.held.clear();
        let before = world.waiting.len();
        world.settle();
        reported += before;
        assert!(world.waiting.is_empty());
    }
    println!("{reported} deaths reported, {withdrawn} requests withdrawn");
    assert!(reported > 500 && withdrawn > 20, "{reported}, {withdrawn}");
}

#[test]
fn deaths_are_reported_once_while_everything_moves() {
    programs(Config::new().gc_stress(1).gc_verify(true), 0..12, 300);
}

#[test]
fn deaths_are_reported_once_in_a_verified_heap() {
    programs(Config::new().gc_nursery(64 << 10).gc_verify(true), 20..24, 3000);
}

/// A hundred thousand at once; afterwards the heap is as empty as before.
#[test]
fn nothing_stays_behind() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let ty = node_type(&engine);
    let mut used = Vec::new();
    for round in 0..4 {
        let objects = 25_000;
        let mut held = Vec::new();
        for token in 0..objects {
            let mut scope = RootScope::new(&mut store);
            let object = StructRef::new(&mut scope, &ty, &[Val::I64(0), Val::AnyRef(None)]).unwrap();
            object.register_finalizer(&mut scope, token).unwrap();
            if token % 2 == 0 {
                held.push(object.to_owned(&mut scope).unwrap());
            }
        }
        store.gc().unwrap();
        let dead: BTreeSet<u64> = std::iter::from_fn(|| store.next_finalized()).collect();
        assert!(dead.len() == objects as usize / 2 && dead.iter().all(|token| token % 2 == 1), "round {round}");
        drop(held);
        store.gc().unwrap();
        assert_eq!(std::iter::from_fn(|| store.next_finalized()).count(), objects as usize / 2);
        store.gc().unwrap();
        used.push(store.gc_stats().live_bytes);
    }
    assert!(used[3] <= used[0] + 1024, "{used:?}");
}

/// A host function drains between two calls of the guest, and an object that the guest still has is not among the dead.
#[test]
fn a_host_function_hears_of_deaths() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, Vec::new());
    let mut linker: Linker<Vec<u64>> = Linker::new(&engine);
    linker
        .func_wrap("host", "register", |mut caller: Caller<'_, Vec<u64>>, object: Rooted<AnyRef>, token: i64| {
            object.register_finalizer(&mut caller, token as u64).map(drop)
        })
        .unwrap();
    linker
        .func_wrap("host", "drain", |mut caller: Caller<'_, Vec<u64>>| -> Result<()> {
            caller.gc()?;
            while let Some(token) = caller.next_finalized() {
                caller.data_mut().push(token);
            }
            Ok(())
        })
        .unwrap();
    let text = r#"(module
        (type $t (struct (field i64)))
        (import "host" "register" (func $register (param (ref any)) (param i64)))
        (import "host" "drain" (func $drain))
        (func (export "run") (result i64)
          (local $kept (ref null $t))
          (local.set $kept (struct.new $t (i64.const 9)))
          (call $register (ref.as_non_null (local.get $kept)) (i64.const 1))
          (call $register (struct.new $t (i64.const 0)) (i64.const 2))
          (call $drain)
          (struct.get $t 0 (local.get $kept))))"#;
    let module = Module::new(&engine, text).unwrap();
    let instance = linker.instantiate(&mut store, &module).unwrap();
    assert_eq!(instance.get_typed_func::<(), i64>(&mut store, "run").unwrap().call(&mut store, ()).unwrap(), 9);
    assert_eq!(store.data(), &[2]);
    store.gc().unwrap();
    assert_eq!((store.next_finalized(), store.next_finalized()), (Some(1), None));
}

#[test]
fn what_never_dies_has_none() {
    let mut store = Store::new(&Engine::default(), ());
    let small = AnyRef::from_i31(&mut store, 1).unwrap();
    let error = small.register_finalizer(&mut store, 1).unwrap_err();
    assert_eq!(error.to_string(), "an i31 never dies, so it has no finalizer");
}

/// Queues of several owners do not mix, and a token is found while a host function runs.
#[test]
fn each_queue_has_its_own_tokens() {
    let mut store = Store::new(&Engine::default(), ());
    let queues = [FinalizerQueue::new(), FinalizerQueue::new()];
    let mut scope = RootScope::new(&mut store);
    let mut held = Vec::new();
    for token in 0..300 {
        let object = ExternRef::new(&mut scope, token).unwrap();
        match queues.get(token as usize % 3) {
            Some(queue) => object.register_finalizer_in(&mut scope, &queue.clone(), token).unwrap(),
            None => object.register_finalizer(&mut scope, token).unwrap(),
        };
        if token >= 270 {
            held.push(object.to_owned(&mut scope).unwrap());
        }
    }
    let one = AnyRef::from_i31(&mut scope, 1).unwrap();
    assert!(one.register_finalizer_in(&mut scope, &queues[0], 1).is_err());
    drop(scope);
    assert_eq!(queues[0].next(&mut store), None);
    let seen = [queues[0].clone(), queues[1].clone()];
    let find = Func::wrap(&mut store, move |mut caller: Caller<'_, ()>| -> Result<i32> {
        caller.gc()?;
        for (number, queue) in (0..).zip(&seen) {
            let mut tokens: Vec<u64> = std::iter::from_fn(|| queue.next(&mut caller)).collect();
            tokens.sort_unstable();
            assert_eq!(tokens, (0..90).map(|index| index * 3 + number).collect::<Vec<_>>());
        }
        Ok(1)
    });
    assert_eq!(find.typed::<(), i32>(&store).unwrap().call(&mut store, ()).unwrap(), 1);
    let mut rest: Vec<u64> = std::iter::from_fn(|| store.next_finalized()).collect();
    rest.sort_unstable();
    assert_eq!(rest, (0..90).map(|index| index * 3 + 2).collect::<Vec<_>>());
    drop(held);
    store.gc().unwrap();
    assert_eq!(std::iter::from_fn(|| queues[1].next(&mut store)).count(), 10);
}
