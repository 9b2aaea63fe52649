//! A store with a guest, and a model of both that knows nothing of checkpoints: it is cloned.

use crate::random::Random;
use heapwood_vm::*;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The modes of the collector.
pub fn modes() -> Vec<(&'static str, Config)> {
    let mut modes = vec![("default", Config::new())];
    let mut config = Config::new();
    config.gc_stress(1).gc_verify(true).gc_heap_max(64 << 20);
    modes.push(("stress", config));
    let mut config = Config::new();
    config.gc_nursery(64 << 10).gc_verify(true);
    modes.push(("small nursery", config));
    let mut config = Config::new();
    config.gc_mark_slice(10).gc_nursery(64 << 10).gc_verify(true).gc_threads(1);
    modes.push(("marking all the time, on a helper", config));
    modes
}

#[derive(Clone, Copy, Debug)]
struct Node {
    value: i32,
    links: [Option<usize>; 2],
}

/// What the model says of an instance beside the first one.
#[derive(Clone, Debug)]
struct Other {
    number: i32,
    byte: u8,
}

/// The state of the guest; nodes are shared by their numbers.
#[derive(Clone, Debug)]
pub struct Model {
    nodes: Vec<Node>,
    objects: Vec<Option<usize>>,
    externs: Vec<Option<u64>>,
    functions: [Option<bool>; 4],
    memory: Vec<u8>,
    count: i64,
    exception: Option<i32>,
    large: Vec<usize>,
    is_dropped: bool,
    others: Vec<Other>,
    /// What owned handles name, by their numbers in the world.
    held: HashMap<usize, usize>,
}

/// The host's data: it is not rolled back.
pub struct Data {
    pub added: i32,
    pub calls: u64,
}

/// Shared by all worlds of one line of forks.
#[derive(Clone)]
pub struct Code {
    pub engine: Engine,
    guest: Module,
    other: Module,
}

impl Code {
    pub fn new(config: &Config) -> Code {
        Code::in_engine(Engine::new(config).unwrap())
    }

    /// In an engine that may have other modules.
    pub fn in_engine(engine: Engine) -> Code {
        let guest = Module::new(&engine, include_str!("guest.wat")).unwrap();
        let other = r#"(module (global (export "number") (mut i32) (i32.const 5)) (memory (export "memory") 1)
            (table (export "table") 3 anyref)
            (func (export "bump") (result i32)
                (global.set 0 (i32.add (global.get 0) (i32.const 1)))
                (i32.store8 (i32.const 100) (global.get 0)) (global.get 0)))"#;
        let other = Module::new(&engine, other).unwrap();
        Code { engine, guest, other }
    }

    pub fn modules(&self) -> [Module; 2] {
        [self.other.clone(), self.guest.clone()]
    }

    /// What the guest imports, by names.
    pub fn linker(&self) -> Linker<Data> {
        let mut linker = Linker::new(&self.engine);
        linker.func_wrap("host", "add", add).unwrap();
        linker
    }
}

fn add(mut caller: Caller<'_, Data>, number: i32) -> i32 {
    caller.data_mut().calls += 1;
    number + caller.data().added
}

/// A store and the model of it.
pub struct World {
    pub code: Code,
    pub store: Store<Data>,
    pub model: Model,
    instance: Instance,
    /// Handles that were made at any time, by number; what the model does not hold is stale.
    roots: Vec<Root<AnyRef>>,
    instances: Vec<(Instance, TypedFunc<(), i32>)>,
    number: u64,
    /// The checkpoint that it was made of.
    origin: Option<u64>,
}

/// A checkpoint and what the model was.
#[derive(Clone)]
pub struct Saved {
    pub checkpoint: Checkpoint<Data>,
    model: Model,
    number: u64,
    world: u64,
}

impl Saved {
    /// A copy with a checkpoint that comes from a file, so that nobody else knows it.
    pub fn with(&self, checkpoint: Checkpoint<Data>) -> Saved {
        Saved { checkpoint, model: self.model.clone(), number: next_number(), world: 0 }
    }
}

impl World {
    pub fn new(code: &Code) -> World {
        let mut store = Store::new(&code.engine, Data { added: 1, calls: 0 });
        let add = Func::wrap(&mut store, add);
        let instance = Instance::new(&mut store, &code.guest, &[add.into()]).unwrap();
        let model = Model {
            nodes: Vec::new(),
            objects: vec![None; 8],
            externs: vec![None; 4],
            functions: [None; 4],
            memory: vec![0; 1 << 16],
            count: 0,
            exception: None,
            large: Vec::new(),
            is_dropped: false,
            others: Vec::new(),
            held: HashMap::new(),
        };
        World {
            code: code.clone(),
            store,
            model,
            instance,
            roots: Vec::new(),
            instances: Vec::new(),
            number: next_number(),
            origin: None,
        }
    }

    pub fn call<P: WasmParams, R: WasmResults>(&mut self, name: &str, params: P) -> R {
        let func = self.instance.get_typed_func::<P, R>(&mut self.store, name).unwrap();
        func.call(&mut self.store, params).unwrap()
    }

    fn new_node(&mut self, value: i32, left: Option<usize>) -> usize {
        self.model.nodes.push(Node { value, links: [left, None] });
        self.model.nodes.len() - 1
    }

    /// The large array, of so many nodes.
    pub fn build(&mut self, length: usize) {
        self.call::<_, ()>("build", length as i32);
        self.model.large.clear();
        for index in 0..length {
            let left = self.model.large.last().copied();
            let node = self.new_node(index as i32, left);
            self.model.large.push(node);
        }
    }

    /// A random operation.
    pub fn step(&mut self, random: &mut Random) {
        let (len, number) = (self.model.objects.len(), random.index(1 << 20) as i32);
        let slot = random.index(len);
        match random.index(24) {
            0..4 => {
                self.call::<_, ()>("new", (slot as i32, number));
                self.model.objects[slot] = Some(self.new_node(number, None));
            }
            4..7 if self.model.objects[slot].is_some() => {
                let (side, to) = (random.index(2), random.index(len));
                self.call::<_, ()>("link", (slot as i32, side as i32, to as i32));
                self.model.nodes[self.model.objects[slot].unwrap()].links[side] = self.model.objects[to];
            }
            7 if self.model.objects[slot].is_some() => {
                let (side, to) = (random.index(2), random.index(len));
                self.call::<_, ()>("follow", (slot as i32, side as i32, to as i32));
                self.model.objects[to] = self.model.nodes[self.model.objects[slot].unwrap()].links[side];
            }
            8 if self.model.objects[slot].is_some() => {
                self.call::<_, ()>("set", (slot as i32, number));
                self.model.nodes[self.model.objects[slot].unwrap()].value = number;
            }
            9 => {
                self.call::<_, ()>("clear", slot as i32);
                self.model.objects[slot] = None;
            }
            10 => {
                let at = random.index(self.model.memory.len() / 4 - 1) * 4;
                self.call::<_, ()>("poke", (at as i32, number));
                self.model.memory[at..at + 4].copy_from_slice(&number.to_le_bytes());
                self.model.count += 1;
            }
            11 if self.model.memory.len() < 4 << 16 => {
                assert_eq!(self.call::<_, i32>("grow", 1), (self.model.memory.len() >> 16) as i32);
                self.model.memory.resize(self.model.memory.len() + (1 << 16), 0);
            }
            12 if len < 400 => {
                let more = random.index(90);
                assert_eq!(self.call::<_, i32>("extend", more as i32), len as i32);
                self.model.objects.resize(len + more, None);
            }
            13 => {
                self.call::<_, ()>("throw", number);
                self.model.exception = Some(number);
            }
            14 => {
                let (at, which) = (random.index(4), random.index(2));
                self.call::<_, ()>("choose", (at as i32, which as i32));
                self.model.functions[at] = Some(which == 1);
            }
            15 => self.set_extern(random.index(4), number as u64),
            16 if self.model.others.len() < 5 => self.instantiate(),
            17 => self.hold(slot),
            18 if !self.model.large.is_empty() => self.change_large(random, number),
            19 => self.call::<_, ()>("garbage", 1 + random.index(300) as i32),
            20 if random.index(6) == 0 => {
                self.call::<_, ()>("drop", ());
                self.model.is_dropped = true;
            }
            21 if random.index(3) == 0 => self.store.gc().unwrap(),
            22 => self.bump(random),
            _ => self.store.data_mut().added = number,
        }
    }

    fn set_extern(&mut self, at: usize, number: u64) {
        let table = self.instance.get_table(&mut self.store, "externs").unwrap();
        let mut scope = RootScope::new(&mut self.store);
        let value = ExternRef::new(&mut scope, Arc::new(number)).unwrap();
        table.set(&mut scope, at as u64, Val::ExternRef(Some(value))).unwrap();
        drop(scope);
        self.model.externs[at] = Some(number);
    }

    fn instantiate(&mut self) {
        let other = self.code.other.clone();
        let instance = Instance::new(&mut self.store, &other, &[]).unwrap();
        let bump = instance.get_typed_func(&mut self.store, "bump").unwrap();
        self.instances.truncate(self.model.others.len());
        self.instances.push((instance, bump));
        self.model.others.push(Other { number: 5, byte: 0 });
    }

    fn bump(&mut self, random: &mut Random) {
        let index = random.index(self.model.others.len().max(1));
        let Some(other) = self.model.others.get_mut(index) else { return };
        other.number += 1;
        other.byte = other.number as u8;
        let expected = other.number;
        let bump = self.instances[index].1;
        assert_eq!(bump.call(&mut self.store, ()).unwrap(), expected);
    }

    fn hold(&mut self, slot: usize) {
        let table = self.instance.get_table(&mut self.store, "objects").unwrap();
        let mut scope = RootScope::new(&mut self.store);
        let Some(Val::AnyRef(Some(value))) = table.get(&mut scope, slot as u64) else { return };
        let root = value.to_owned(&mut scope).unwrap();
        drop(scope);
        self.model.held.insert(self.roots.len(), self.model.objects[slot].unwrap());
        self.roots.push(root);
    }

    /// Changes the large array.
    pub fn change_large(&mut self, random: &mut Random, number: i32) {
        let len = self.model.large.len();
        let (a, b) = (random.index(len), random.index(len));
        match random.index(3) {
            0 => {
                self.call::<_, ()>("replace", (a as i32, number));
                self.model.large[a] = self.new_node(number, Some(self.model.large[a]));
            }
            1 => {
                self.call::<_, ()>("point", (a as i32, b as i32));
                self.model.nodes[self.model.large[a]].links[1] = Some(self.model.large[b]);
            }
            _ => {
                let count = random.index(len - a.max(b)).min(200);
                self.call::<_, ()>("shift", (a as i32, b as i32, count as i32));
                self.model.large.copy_within(b..b + count, a);
            }
        }
    }

    fn checksum(&self) -> i32 {
        let model = &self.model;
        if model.large.is_empty() {
            return -1;
        }
        let sum = |node: Option<usize>| node.map_or(7, |node| model.nodes[node].value.wrapping_mul(31));
        model.large.iter().fold(0, |total: i32, node| {
            let [left, right] = model.nodes[*node].links;
            [Some(*node), left, right].iter().fold(total, |total, node| total.rotate_left(3).wrapping_add(sum(*node)))
        })
    }

    /// Compares the store with the model.
    pub fn compare(&mut self) {
        let memory = self.instance.get_memory(&mut self.store, "memory").unwrap();
        assert!(memory.data(&self.store) == self.model.memory, "bytes of the memory");
        let count = self.instance.get_global(&mut self.store, "count").unwrap();
        assert_eq!(count.get(&mut self.store).i64(), Some(self.model.count));
        assert_eq!(self.call::<_, i32>("thrown", ()), self.model.exception.unwrap_or(-1));
        for (at, which) in self.model.functions.into_iter().enumerate() {
            let expected = match which {
                None => -1,
                Some(false) => 100,
                Some(true) => 200 + self.store.data().added,
            };
            let calls = self.store.data().calls;
            assert_eq!(self.call::<_, i32>("call", at as i32), expected);
            assert_eq!(self.store.data().calls, calls + u64::from(which == Some(true)));
        }
        assert_eq!(self.call::<_, i32>("checksum", ()), self.checksum());
        self.compare_dropped();
        self.compare_objects();
        self.compare_others();
    }

    fn compare_dropped(&mut self) {
        let copy = self.instance.get_typed_func::<i32, i32>(&mut self.store, "copy").unwrap();
        let at = self.model.memory.len() - 4;
        assert_eq!(copy.call(&mut self.store, at as i32).is_err(), self.model.is_dropped);
        let memory = self.instance.get_memory(&mut self.store, "memory").unwrap();
        let before = self.model.memory[at..].to_vec();
        memory.write(&mut self.store, at, &before).unwrap();
    }

    fn compare_objects(&mut self) {
        let objects = self.instance.get_table(&mut self.store, "objects").unwrap();
        let externs = self.instance.get_table(&mut self.store, "externs").unwrap();
        assert_eq!(objects.size(&self.store), self.model.objects.len() as u64);
        let model = self.model.clone();
        let mut scope = RootScope::new(&mut self.store);
        for (at, expected) in model.externs.iter().enumerate() {
            let Some(Val::ExternRef(value)) = externs.get(&mut scope, at as u64) else {
                panic!("a table of externrefs")
            };
            let found = value.map(|value| **value.data(&scope).unwrap().unwrap().downcast_ref::<Arc<u64>>().unwrap());
            assert_eq!(found, *expected, "host value {at}");
        }
        let mut grey: Vec<(Option<Rooted<AnyRef>>, Option<usize>)> = Vec::new();
        for (at, expected) in model.objects.iter().enumerate() {
            let Some(Val::AnyRef(value)) = objects.get(&mut scope, at as u64) else { panic!("a table of nodes") };
            grey.push((value, *expected));
        }
        for (number, root) in self.roots.iter().enumerate() {
            match (root.to_rooted(&mut scope), model.held.get(&number)) {
                (Ok(value), Some(node)) => grey.push((Some(value), Some(*node))),
                (Err(error), None) => assert!(error.to_string().contains("younger"), "{error}"),
                (found, expected) => panic!("handle {number}: {found:?} instead of {expected:?}"),
            }
        }
        let mut seen: HashMap<usize, Rooted<AnyRef>> = HashMap::new();
        while let Some((value, expected)) = grey.pop() {
            let (Some(value), Some(node)) = (value, expected) else {
                assert!(value.is_none() && expected.is_none(), "{value:?} instead of {expected:?}");
                continue;
            };
            if let Some(known) = seen.insert(node, value) {
                assert!(known.ref_eq(&scope, &value).unwrap(), "one object of the model is two of the heap");
                continue;
            }
            assert_eq!(value.field(&mut scope, 0).unwrap().i32(), Some(model.nodes[node].value));
            for (side, link) in model.nodes[node].links.iter().enumerate() {
                let Val::AnyRef(next) = value.field(&mut scope, side + 1).unwrap() else { panic!("a link") };
                grey.push((next, *link));
            }
            if seen.len() > 3_000 {
                break;
            }
        }
    }

    fn compare_others(&mut self) {
        for (index, (instance, bump)) in self.instances.clone().into_iter().enumerate() {
            let Some(other) = self.model.others.get(index).cloned() else {
                let error = bump.call(&mut self.store, ()).unwrap_err();
                assert!(
                    error.to_string().contains("younger") || error.to_string().contains("does not belong"),
                    "{error}"
                );
                continue;
            };
            let number = instance.get_global(&mut self.store, "number").unwrap();
            assert_eq!(number.get(&mut self.store).i32(), Some(other.number));
            let memory = instance.get_memory(&mut self.store, "memory").unwrap();
            assert_eq!(memory.data(&self.store)[100], other.byte);
        }
    }

    pub fn checkpoint(&mut self) -> Saved {
        let (checkpoint, model) = (self.store.checkpoint().unwrap(), self.model.clone());
        Saved { checkpoint, model, number: next_number(), world: self.number }
    }

    /// Whether the store can come back to it.
    pub fn knows(&self, saved: &Saved) -> bool {
        saved.world == self.number || self.origin == Some(saved.number)
    }

    pub fn rollback(&mut self, saved: &Saved) {
        self.store.rollback(&saved.checkpoint).unwrap();
        self.become_saved(saved);
        if saved.world != self.number {
            // The handles of the original store, and what was made of them later.
            self.model.held.clear();
        }
    }

    /// The first instance is older than any checkpoint, and its handle stays. Others may have been made again.
    fn become_saved(&mut self, saved: &Saved) {
        self.model = saved.model.clone();
        let instances: Vec<Instance> = self.store.instances().collect();
        assert_eq!(instances.len(), 1 + self.model.others.len());
        for (index, instance) in instances.into_iter().skip(1).enumerate() {
            let bump = instance.get_typed_func(&mut self.store, "bump").unwrap();
            match self.instances.get_mut(index) {
                Some(known) => *known = (instance, bump),
                None => self.instances.push((instance, bump)),
            }
        }
    }

    /// Nothing is left that a file cannot have.
    pub fn forget_externs(&mut self) {
        let table = self.instance.get_table(&mut self.store, "externs").unwrap();
        for at in 0..4 {
            table.set(&mut self.store, at, Val::ExternRef(None)).unwrap();
        }
        self.model.externs.fill(None);
    }

    /// A world that is what another one was.
    pub fn begin(code: &Code, saved: &Saved) -> World {
        let store = saved.checkpoint.fork(Data { added: 9, calls: 0 }).unwrap();
        let instance = store.instances().next().unwrap();
        let (roots, instances) = (Vec::new(), Vec::new());
        let (code, model) = (code.clone(), saved.model.clone());
        let (number, origin) = (next_number(), Some(saved.number));
        let mut world = World { code, store, model, instance, roots, instances, number, origin };
        world.become_saved(saved);
        world.model.held.clear();
        world
    }

    /// Another world that is what this one was, or one of its forks.
    pub fn fork(&self, saved: &Saved) -> World {
        let mut world = World::begin(&self.code, saved);
        if saved.world == self.number {
            self.translate_roots(saved, &mut world);
        }
        world
    }

    fn translate_roots(&self, saved: &Saved, fork: &mut World) {
        for (number, root) in self.roots.iter().enumerate() {
            let translated = saved.checkpoint.root(&mut fork.store, root);
            assert!(root.to_rooted(&mut fork.store).is_err(), "a handle of another store");
            match saved.model.held.get(&number) {
                Some(node) => {
                    fork.model.held.insert(fork.roots.len(), *node);
                    fork.roots.push(translated.unwrap());
                }
                None => assert!(translated.is_err(), "a handle that is younger than the checkpoint"),
            }
        }
    }
}

fn next_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
