//! Limits of a store hold in every way in which something grows, and for that store only.
//!
//! A table of resources and of ways to take some of each; every way meets every answer: at the limit, one above it, and a
//! limiter that refuses, fails or panics. Beside the store there is always another one of the same engine.

mod common;

use common::child::in_child;
use heapwood_vm::*;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What the limiter of a test says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Says {
    Yes,
    No,
    Fails,
    Panics,
}

/// With what it fails.
#[derive(Debug)]
struct Empty;

impl fmt::Display for Empty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the account is empty")
    }
}

impl std::error::Error for Empty {}

/// A question, as it came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Asked {
    Memory(usize, usize, Option<usize>),
    Table(usize, usize, Option<usize>),
    Heap(usize, usize, Option<usize>),
    MemoryFailed,
    TableFailed,
}

/// The host's data: a limiter that writes down what it is asked.
#[derive(Debug)]
struct Host {
    says: Says,
    /// Growth of the heap beyond this is refused, whatever it says.
    heap_max: usize,
    counts: usize,
    asked: Vec<Asked>,
}

impl Host {
    fn new() -> Host {
        Host { says: Says::Yes, heap_max: usize::MAX, counts: usize::MAX, asked: Vec::new() }
    }

    fn answer(&mut self, asked: Asked) -> Result<bool> {
        self.asked.push(asked);
        match self.says {
            Says::Yes => Ok(true),
            Says::No => Ok(false),
            Says::Fails => Err(Error::new(Empty)),
            Says::Panics => panic!("the limiter panics"),
        }
    }
}

impl ResourceLimiter for Host {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        self.answer(Asked::Memory(current, desired, maximum))
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        self.answer(Asked::Table(current, desired, maximum))
    }

    fn gc_heap_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        Ok(self.answer(Asked::Heap(current, desired, maximum))? && desired <= self.heap_max)
    }

    fn memory_grow_failed(&mut self, error: Error) -> Result<()> {
        assert!(matches!(error.kind(), ErrorKind::Limit(_)), "{error}");
        self.answer(Asked::MemoryFailed).map(drop)
    }

    fn table_grow_failed(&mut self, error: Error) -> Result<()> {
        assert!(matches!(error.kind(), ErrorKind::Limit(_)), "{error}");
        self.answer(Asked::TableFailed).map(drop)
    }

    fn instances(&self) -> usize {
        self.counts
    }

    fn tables(&self) -> usize {
        self.counts
    }

    fn memories(&self) -> usize {
        self.counts
    }
}

/// How a way ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ended {
    Done,
    /// The instruction gave -1.
    MinusOne,
    /// An error of the kind `Limit`.
    Limit,
    Exhausted,
    /// The limiter's own error.
    Failed,
    Panicked,
}

fn ended(result: std::thread::Result<Result<bool>>) -> Ended {
    match result {
        Ok(Ok(true)) => Ended::Done,
        Ok(Ok(false)) => Ended::MinusOne,
        Ok(Err(error)) => match error.kind() {
            _ if error.downcast_ref::<Empty>().is_some() => Ended::Failed,
            ErrorKind::Limit(_) => Ended::Limit,
            ErrorKind::Trap(trap) if trap.kind() == TrapKind::HeapExhausted => Ended::Exhausted,
            kind => panic!("{kind:?}"),
        },
        Err(panic) => {
            assert_eq!(panic.downcast_ref::<&str>(), Some(&"the limiter panics"));
            Ended::Panicked
        }
    }
}

/// A store, and what the ways need.
struct World {
    store: Store<Host>,
    helpers: Instance,
}

/// What is in every store: an empty memory and table, which the guest grows, and a list that keeps objects.
const HELPERS: &str = r#"(module
    (import "host" "grow memory" (func $host_memory (param i64) (result i32)))
    (import "host" "grow table" (func $host_table (param i64) (result i32)))
    (memory $m (export "m") 0) (table $t (export "t") 0 funcref)
    (type $bytes (array (mut i8)))
    (type $node (struct (field (ref null $node)) (field (ref null $bytes)) (field i64)))
    (global $list (export "list") (mut (ref null $node)) (ref.null $node))
    (func (export "grow memory") (param i64) (result i32) (memory.grow $m (i32.wrap_i64 (local.get 0))))
    (func (export "grow table") (param i64) (result i32)
        (table.grow $t (ref.null func) (i32.wrap_i64 (local.get 0))))
    (func (export "host grows memory") (param i64) (result i32) (call $host_memory (local.get 0)))
    (func (export "host grows table") (param i64) (result i32) (call $host_table (local.get 0)))
    (func (export "keep arrays") (param i64) (result i32)
        (loop $more
            (if (i64.gt_s (local.get 0) (i64.const 0))
                (then
                    (global.set $list (struct.new $node (global.get $list)
                        (array.new_default $bytes (i32.const 65536)) (i64.const 0)))
                    (local.set 0 (i64.sub (local.get 0) (i64.const 65536)))
                    (br $more))))
        (i32.const 0))
    (func (export "keep nodes") (param i64) (result i32)
        (loop $more
            (if (i64.gt_s (local.get 0) (i64.const 0))
                (then
                    (global.set $list (struct.new $node (global.get $list) (ref.null $bytes) (i64.const 0)))
                    (local.set 0 (i64.sub (local.get 0) (i64.const 24)))
                    (br $more))))
        (i32.const 0))
    (func (export "forget") (global.set $list (ref.null $node))))"#;

fn linker(engine: &Engine) -> Linker<Host> {
    let mut linker = Linker::new(engine);
    let grow_memory = |mut caller: Caller<'_, Host>, pages: i64| -> Result<i32> {
        let memory = caller.get_export("m").and_then(Extern::into_memory).expect("it is exported");
        memory.grow(&mut caller, pages as u64).map(|_| 0)
    };
    let grow_table = |mut caller: Caller<'_, Host>, elements: i64| -> Result<i32> {
        let table = caller.get_export("t").and_then(Extern::into_table).expect("it is exported");
        table.grow(&mut caller, elements as u64, Val::FuncRef(None)).map(|_| 0)
    };
    linker.func_wrap("host", "grow memory", grow_memory).unwrap();
    linker.func_wrap("host", "grow table", grow_table).unwrap();
    linker
}

impl World {
    fn new(builder: &StoreBuilder<Host>, limited: bool) -> World {
        let mut store = builder.build(Host::new()).unwrap();
        let module = compile(store.engine(), HELPERS);
        let helpers = linker(store.engine()).instantiate(&mut store, &module).unwrap();
        if limited {
            store.limiter(|host| host);
        }
        World { store, helpers }
    }

    fn call(&mut self, name: &str, amount: u64) -> Result<bool> {
        let func = self.helpers.get_typed_func::<i64, i32>(&mut self.store, name)?;
        Ok(func.call(&mut self.store, amount as i64)? != -1)
    }

    fn run(&mut self, way: &Way, amount: u64) -> Ended {
        ended(catch_unwind(AssertUnwindSafe(|| (way.run)(self, amount))))
    }

    /// The store works: the guest runs, the host makes objects, and everything is collected.
    fn check(&mut self) {
        let says = std::mem::replace(&mut self.store.data_mut().says, Says::Yes);
        self.helpers.get_typed_func::<(), ()>(&mut self.store, "forget").unwrap().call(&mut self.store, ()).unwrap();
        assert!(self.call("keep nodes", 240).unwrap());
        self.store.gc().unwrap();
        self.store.data_mut().says = says;
    }
}

fn compile(engine: &Engine, text: &str) -> Module {
    Module::new(engine, wat::parse_str(text).unwrap()).unwrap()
}

/// Ways of which the store keeps what they took, though they failed.
const KEEPING: [&str; 2] = ["function objects", "a constant expression"];

/// A way to take an amount.
struct Way {
    name: &'static str,
    run: fn(&mut World, u64) -> Result<bool>,
    /// How it ends beyond a limit.
    beyond: Ended,
}

const fn way(name: &'static str, beyond: Ended, run: fn(&mut World, u64) -> Result<bool>) -> Way {
    Way { name, run, beyond }
}

fn instantiate(world: &mut World, text: &str) -> Result<bool> {
    let module = compile(world.store.engine(), text);
    Instance::new(&mut world.store, &module, &[]).map(|_| true)
}

fn instantiate_linked(world: &mut World, text: &str) -> Result<bool> {
    let module = compile(world.store.engine(), text);
    linker(world.store.engine()).instantiate(&mut world.store, &module).map(|_| true)
}

fn instantiate_pre(world: &mut World, text: &str) -> Result<bool> {
    let module = compile(world.store.engine(), text);
    linker(world.store.engine()).instantiate_pre(&module)?.instantiate(&mut world.store).map(|_| true)
}

fn memory_text(pages: u64) -> String {
    format!("(module (memory {pages}))")
}

fn memory_of(world: &mut World) -> Memory {
    world.helpers.get_memory(&mut world.store, "m").unwrap()
}

/// Amounts are pages.
const MEMORY: &[Way] = &[
    way("memory.grow", Ended::MinusOne, |world, pages| world.call("grow memory", pages)),
    way("Memory::grow", Ended::Limit, |world, pages| memory_of(world).grow(&mut world.store, pages).map(|_| true)),
    way("Memory::grow of a host function", Ended::Limit, |world, pages| world.call("host grows memory", pages)),
    way("Memory::new", Ended::Limit, |world, pages| {
        Memory::new(&mut world.store, MemoryType::builder().min(pages).build()?).map(|_| true)
    }),
    way("Instance::new", Ended::Limit, |world, pages| instantiate(world, &memory_text(pages))),
    way("Linker::instantiate", Ended::Limit, |world, pages| instantiate_linked(world, &memory_text(pages))),
    way("InstancePre::instantiate", Ended::Limit, |world, pages| instantiate_pre(world, &memory_text(pages))),
    way("the second memory of an instance", Ended::Limit, |world, pages| {
        instantiate(world, &format!("(module (memory 1) (memory {}))", pages - 1))
    }),
    way("a shared memory that is imported", Ended::Limit, |world, pages| {
        let engine = world.store.engine().clone();
        let memory = SharedMemory::new(&engine, MemoryType::builder().min(pages).max(100).shared(true).build()?)?;
        let module = compile(&engine, "(module (import \"\" \"\" (memory 0 100 shared)))");
        Instance::new(&mut world.store, &module, &[memory.into()]).map(|_| true)
    }),
    way("memory.grow of a shared memory", Ended::MinusOne, |world, pages| {
        let module = compile(
            world.store.engine(),
            "(module (memory 0 100 shared)
                (func (export \"grow\") (param i32) (result i32) (memory.grow (local.get 0))))",
        );
        let says = std::mem::replace(&mut world.store.data_mut().says, Says::Yes);
        let instance = Instance::new(&mut world.store, &module, &[])?;
        world.store.data_mut().says = says;
        let grow = instance.get_typed_func::<i32, i32>(&mut world.store, "grow")?;
        Ok(grow.call(&mut world.store, pages as i32)? != -1)
    }),
];

fn table_text(elements: u64) -> String {
    format!("(module (table {elements} funcref))")
}

/// Amounts are elements.
const TABLES: &[Way] = &[
    way("table.grow", Ended::MinusOne, |world, elements| world.call("grow table", elements)),
    way("Table::grow", Ended::Limit, |world, elements| {
        let table = world.helpers.get_table(&mut world.store, "t").unwrap();
        table.grow(&mut world.store, elements, Val::FuncRef(None)).map(|_| true)
    }),
    way("Table::grow of a host function", Ended::Limit, |world, elements| world.call("host grows table", elements)),
    way("Table::new", Ended::Limit, |world, elements| {
        let ty = TableType::new(RefType::FUNCREF, elements, None);
        Table::new(&mut world.store, ty, Val::FuncRef(None)).map(|_| true)
    }),
    way("Instance::new", Ended::Limit, |world, elements| instantiate(world, &table_text(elements))),
    way("Linker::instantiate", Ended::Limit, |world, elements| instantiate_linked(world, &table_text(elements))),
    way("InstancePre::instantiate", Ended::Limit, |world, elements| instantiate_pre(world, &table_text(elements))),
    way("the second table of an instance", Ended::Limit, |world, elements| {
        instantiate(world, &format!("(module (table 1 anyref) (table {} anyref))", elements - 1))
    }),
];

/// Makes so many instances beside the one that is there.
fn instances(
    world: &mut World,
    count: u64,
    mut instance: impl FnMut(&mut World, &str) -> Result<bool>,
) -> Result<bool> {
    (1..count).try_for_each(|_| instance(world, "(module)").map(drop))?;
    Ok(true)
}

/// Amounts are instances, the one of the helpers included.
const INSTANCES: &[Way] = &[
    way("Instance::new", Ended::Limit, |world, count| instances(world, count, instantiate)),
    way("Linker::instantiate", Ended::Limit, |world, count| instances(world, count, instantiate_linked)),
    way("InstancePre::instantiate", Ended::Limit, |world, count| instances(world, count, instantiate_pre)),
    way("Instance::new, with a start function that traps", Ended::Limit, |world, count| {
        instances(world, count, |world, _| {
            let error = instantiate(world, "(module (func $start unreachable) (start $start))").unwrap_err();
            if error.trap().is_some() { Ok(true) } else { Err(error) }
        })
    }),
];

fn list_of(world: &mut World) -> Global {
    world.helpers.get_global(&mut world.store, "list").unwrap()
}

/// Keeps arrays of the host in a list of arrays, so many bytes of them together.
fn keep_of_host(world: &mut World, bytes: u64, each: u32) -> Result<Vec<Root<ArrayRef>>> {
    let engine = world.store.engine().clone();
    let ty = ArrayType::new(&engine, FieldType::new(Mutability::Var, StorageType::I8));
    let mut kept = Vec::new();
    for _ in 0..bytes / u64::from(each) {
        let mut scope = RootScope::new(&mut world.store);
        let array = ArrayRef::new(&mut scope, &ty, &Val::I32(1), each)?;
        kept.push(array.to_owned(&mut scope)?);
    }
    Ok(kept)
}

/// Amounts are bytes. The heap is collected before each, so they are kept for as long as the way goes on.
const HEAP: &[Way] = &[
    way("array.new", Ended::Exhausted, |world, bytes| world.call("keep arrays", bytes)),
    way("ArrayRef::new, large", Ended::Exhausted, |world, bytes| keep_of_host(world, bytes, 65536).map(|_| true)),
    way("StructRef::new", Ended::Exhausted, |world, bytes| {
        let list = list_of(world);
        let ValType::Ref(RefType { heap: HeapType::ConcreteStruct(ty), .. }) = list.ty(&world.store).content().clone()
        else {
            panic!("a list of structs")
        };
        let engine = world.store.engine().clone();
        let array = ArrayType::new(&engine, FieldType::new(Mutability::Var, StorageType::I8));
        for _ in 0..bytes / 65536 {
            let mut scope = RootScope::new(&mut world.store);
            let bytes = ArrayRef::new(&mut scope, &array, &Val::I32(1), 65536)?;
            let next = list.get(&mut scope);
            let node = StructRef::new(&mut scope, &ty, &[next, Val::from(bytes), Val::I64(0)])?;
            list.set(&mut scope, Val::from(node))?;
        }
        Ok(true)
    }),
    way("a constant expression", Ended::Exhausted, |world, bytes| {
        let array = "(global (mut (ref null $a)) (array.new_default $a (i32.const 65536)))";
        instantiate(world, &format!("(module (type $a (array (mut i8))) {})", array.repeat(bytes as usize / 65536)))
    }),
];

/// Too many objects for a mode that collects at each.
const SMALL_OBJECTS: &[Way] = &[
    way("struct.new", Ended::Exhausted, |world, bytes| world.call("keep nodes", bytes)),
    way("ArrayRef::new, small", Ended::Exhausted, |world, bytes| keep_of_host(world, bytes, 1024).map(|_| true)),
    way("ExternRef::new", Ended::Exhausted, |world, bytes| {
        let mut kept = Vec::new();
        for number in 0..bytes / 16 {
            let mut scope = RootScope::new(&mut world.store);
            let value = ExternRef::new(&mut scope, number)?;
            kept.push(value.to_owned(&mut scope)?);
        }
        Ok(true)
    }),
    way("function objects", Ended::Exhausted, |world, bytes| {
        let ty = FuncType::new(world.store.engine(), [], [])?;
        for _ in 0..bytes / 64 {
            Func::try_new(&mut world.store, ty.clone(), |_, _, _| Ok(()))?;
        }
        Ok(true)
    }),
];

fn engine(config: &mut Config) -> Engine {
    let mut features = config.enabled();
    features.set("threads", true).unwrap();
    Engine::new(config.features(features)).unwrap()
}

/// A resource of which stores have so much.
type Limit = fn(&mut StoreBuilder<Host>, u64);

#[test]
fn limits_of_the_builder_hold_in_every_way_and_for_one_store() {
    let resources: [(&str, &[Way], Limit, u64); 4] = [
        ("memory", MEMORY, |builder, pages| _ = builder.memory_max(pages << 16), 10),
        ("tables", TABLES, |builder, elements| _ = builder.tables_max(elements), 1000),
        ("bytes of tables", &TABLES[..7], |builder, elements| _ = builder.memory_max(4 * elements), 1000),
        ("instances", INSTANCES, |builder, count| _ = builder.instances_max(count as usize), 3),
    ];
    let engine = engine(&mut Config::new());
    let mut cases = 0;
    for (resource, ways, limit, amount) in resources {
        let builder = |amount| {
            let mut builder = Store::builder(&engine);
            limit(&mut builder, amount);
            builder
        };
        let (small, large) = (builder(amount), builder(2 * amount));
        for way in ways {
            let what = format!("{resource}: {}", way.name);
            let mut beside = World::new(&large, false);
            let mut at_limit = World::new(&small, false);
            assert_eq!(at_limit.run(way, amount), Ended::Done, "{what}");
            let mut above = World::new(&small, false);
            assert_eq!(above.run(way, amount + 1), way.beyond, "{what}, one above");
            above.check();
            if resource != "instances" {
                // Nothing of what failed is left.
                assert_eq!(above.run(way, amount), Ended::Done, "{what}, after one above");
            }
            assert_eq!(
                World::new(&large, false).run(way, 2 * amount + 1),
                way.beyond,
                "{what}, one above twice as much"
            );
            assert_eq!(beside.run(way, 2 * amount), Ended::Done, "{what}, beside it");
            // Without a limit of its own.
            let mut other = World::new(&Store::builder(&engine), false);
            assert_eq!(other.run(way, 2 * amount + 1), Ended::Done, "{what}, without a limit");
            cases += 5;
        }
    }
    println!("{cases} cases");
    assert_eq!(cases, 5 * (10 + 8 + 7 + 4));
}

#[test]
fn a_limiter_that_refuses_fails_or_panics_leaves_the_store_usable() {
    let engine = engine(&mut Config::new());
    let mut cases = 0;
    for (ways, is_memory, amount) in [(MEMORY, true, 10), (TABLES, false, 1000)] {
        for way in ways {
            let mut beside = World::new(&Store::builder(&engine), true);
            for (says, wanted) in
                [(Says::No, way.beyond), (Says::Fails, Ended::Failed), (Says::Panics, Ended::Panicked)]
            {
                let mut world = World::new(&Store::builder(&engine), true);
                world.store.data_mut().says = says;
                assert_eq!(world.run(way, amount), wanted, "{}: {says:?}", way.name);
                world.check();
                world.store.data_mut().says = Says::Yes;
                world.store.data_mut().asked.clear();
                assert_eq!(world.run(way, amount), Ended::Done, "{}: after {says:?}", way.name);
                let unit = if is_memory { 65536 } else { 1 };
                let total: usize = std::mem::take(&mut world.store.data_mut().asked)
                    .iter()
                    .map(|asked| match *asked {
                        Asked::Memory(current, desired, _) if is_memory => desired - current,
                        Asked::Table(current, desired, _) if !is_memory => desired - current,
                        Asked::Heap(..) => 0,
                        asked => panic!("{}: {asked:?}", way.name),
                    })
                    .sum();
                assert_eq!(total, amount as usize * unit, "{}: all that grew was asked for, once", way.name);
                cases += 1;
            }
            let asked = |asked: &Asked| !matches!(asked, Asked::Heap(..));
            assert!(!beside.store.data().asked.iter().any(asked), "{}: another store's limiter", way.name);
            assert_eq!(beside.run(way, amount), Ended::Done, "{}", way.name);
        }
    }
    println!("{cases} cases");
    assert_eq!(cases, 3 * (10 + 8));
}

#[test]
fn a_limiter_is_told_what_is_to_grow_and_what_did_not() {
    let engine = engine(&mut Config::new());
    let mut builder = Store::builder(&engine);
    builder.memory_max(4 << 16).tables_max(40);
    let mut world = World::new(&builder, true);
    let page = 1 << 16;
    let take = |world: &mut World| -> Vec<Asked> {
        let asked = std::mem::take(&mut world.store.data_mut().asked);
        asked.into_iter().filter(|asked| !matches!(asked, Asked::Heap(..))).collect()
    };
    let memory = Memory::new(&mut world.store, MemoryType::builder().min(1).max(3).build().unwrap()).unwrap();
    assert_eq!(take(&mut world), [Asked::Memory(0, page, Some(3 * page))]);
    memory.grow(&mut world.store, 1).unwrap();
    assert_eq!(take(&mut world), [Asked::Memory(page, 2 * page, Some(3 * page))]);
    // Nothing grows.
    assert_eq!(memory.grow(&mut world.store, 0).unwrap(), 2);
    assert_eq!(take(&mut world), []);
    // Beyond the type's maximum, and beyond the store's limit.
    let error = memory.grow(&mut world.store, 2).unwrap_err();
    assert!(error.to_string().contains("it has 2 of at most 3 pages"), "{error}");
    assert_eq!(take(&mut world), [Asked::Memory(2 * page, 4 * page, Some(3 * page)), Asked::MemoryFailed]);
    assert!(!world.call("grow memory", 3).unwrap());
    assert_eq!(take(&mut world), [Asked::Memory(0, 3 * page, None), Asked::MemoryFailed]);

    let ty = TableType::new(RefType::FUNCREF, 10, Some(30));
    let table = Table::new(&mut world.store, ty, Val::FuncRef(None)).unwrap();
    table.grow(&mut world.store, 10, Val::FuncRef(None)).unwrap();
    assert_eq!(take(&mut world), [Asked::Table(0, 10, Some(30)), Asked::Table(10, 20, Some(30))]);
    let error = table.grow(&mut world.store, 11, Val::FuncRef(None)).unwrap_err();
    assert!(error.to_string().contains("it has 20 of at most 30 elements"), "{error}");
    assert_eq!(take(&mut world), [Asked::Table(20, 31, Some(30)), Asked::TableFailed]);
    assert!(!world.call("grow table", 21).unwrap());
    assert_eq!(take(&mut world), [Asked::Table(0, 21, None), Asked::TableFailed]);
}

/// Says yes, and fails when it is told that something did not grow.
struct Strict;

impl ResourceLimiter for Strict {
    fn memory_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> Result<bool> {
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> Result<bool> {
        Ok(true)
    }

    fn memory_grow_failed(&mut self, error: Error) -> Result<()> {
        Err(error.context("no memory"))
    }

    fn table_grow_failed(&mut self, error: Error) -> Result<()> {
        Err(error.context("no table"))
    }
}

#[test]
fn a_growth_that_failed_can_end_the_guest() {
    let engine = Engine::default();
    let text = "(module (memory 0 1) (table 0 1 funcref)
        (func (export \"memory\") (result i32) (memory.grow (i32.const 2)))
        (func (export \"table\") (result i32) (table.grow (ref.null func) (i32.const 2))))";
    let module = compile(&engine, text);
    let ended = |store: &mut Store<_>, name: &str| -> Result<i32> {
        let instance = Instance::new(&mut *store, &module, &[])?;
        instance.get_typed_func::<(), i32>(&mut *store, name)?.call(store, ())
    };
    let mut store = Store::new(&engine, (Strict, StoreLimits::default()));
    for name in ["memory", "table"] {
        assert_eq!(ended(&mut store, name).unwrap(), -1);
    }
    store.limiter(|(strict, _)| strict);
    for name in ["memory", "table"] {
        let error = ended(&mut store, name).unwrap_err();
        assert_eq!(error.to_string(), format!("no {name}"));
        assert!(error.backtrace().is_some_and(|backtrace| !backtrace.frames().is_empty()));
    }
    // The fixed limits do the same where they are told so, be it that they refuse or that the type does.
    for limits in [StoreLimitsBuilder::new(), StoreLimitsBuilder::new().memory_size(0).table_elements(0)] {
        store.data_mut().1 = limits.clone().build();
        store.limiter(|(_, limits)| limits);
        for name in ["memory", "table"] {
            assert_eq!(ended(&mut store, name).unwrap(), -1);
        }
        store.data_mut().1 = limits.trap_on_grow_failure(true).build();
        for name in ["memory", "table"] {
            assert!(matches!(ended(&mut store, name).unwrap_err().kind(), ErrorKind::Limit(_)));
        }
    }
}

#[test]
fn counts_of_a_limiter() {
    let engine = Engine::default();
    let everything = "(module (memory 0) (memory 0) (table 0 funcref) (table 0 funcref))";
    for (limits, fits) in [
        (StoreLimitsBuilder::new().instances(2).memories(3).tables(3), true),
        (StoreLimitsBuilder::new().instances(1), false),
        (StoreLimitsBuilder::new().memories(2), false),
        (StoreLimitsBuilder::new().tables(2), false),
    ] {
        // The helpers have one of each.
        let mut store = Store::new(&engine, (Host::new(), limits.build()));
        Instance::new(&mut store, &compile(&engine, "(module (memory 0) (table 0 funcref))"), &[]).unwrap();
        store.limiter(|(_, limits)| limits);
        let mut beside = Store::new(&engine, (Host::new(), StoreLimits::default()));
        beside.limiter(|(_, limits)| limits);
        let made = Instance::new(&mut store, &compile(&engine, everything), &[]);
        assert_eq!(made.is_ok(), fits, "{made:?}");
        let kind = made.err().map(Error::into_kind);
        assert!(matches!(kind, None | Some(ErrorKind::Limit(_))), "{kind:?}");
        // What failed left nothing: up to the limits there is room.
        assert_eq!(store.memory_stats().memories.len(), if fits { 3 } else { 1 });
        for _ in 0..5 {
            Instance::new(&mut beside, &compile(&engine, everything), &[]).unwrap();
        }
    }
    let mut store = Store::new(&engine, StoreLimitsBuilder::new().memories(1).tables(1).build());
    store.limiter(|limits| limits);
    let memory = MemoryType::builder().build().unwrap();
    let table = TableType::new(RefType::FUNCREF, 0, None);
    for is_last in [false, true] {
        assert_eq!(Memory::new(&mut store, memory).is_err(), is_last);
        assert_eq!(Table::new(&mut store, table.clone(), Val::FuncRef(None)).is_err(), is_last);
    }
}

const MIB: u64 = 1 << 20;

/// The default mode, and one that collects at every allocation and verifies; ways that fit it.
fn heap_modes() -> [(&'static str, Config, Vec<&'static Way>); 2] {
    let mut stress = Config::new();
    stress.gc_stress(1).gc_verify(true);
    let all = HEAP.iter().chain(SMALL_OBJECTS).collect();
    [("default", Config::new(), all), ("stress", stress, HEAP.iter().collect())]
}

#[test]
fn the_limit_of_a_heap_is_that_of_its_store() {
    for (mode, mut config, ways) in heap_modes() {
        let engine = engine(config.gc_heap_max(64 * MIB));
        let (mut small, mut large) = (Store::builder(&engine), Store::builder(&engine));
        small.gc_heap_max(4 * MIB);
        large.gc_heap_max(32 * MIB);
        for way in ways {
            let what = format!("{mode}: {}", way.name);
            let mut world = World::new(&small, false);
            assert_eq!(world.run(way, MIB), Ended::Done, "{what}");
            world.check();
            assert_eq!(world.run(way, 8 * MIB), way.beyond, "{what}");
            let heap = world.store.memory_stats().heap;
            assert_eq!(heap.limit_bytes, 4 * MIB);
            // Lists beside the heap grow first and are counted afterwards.
            assert!(heap.peak_bytes <= heap.limit_bytes + (64 << 10), "{what}: {heap:?}");
            if !KEEPING.contains(&way.name) {
                world.check();
            }
            assert_eq!(World::new(&large, false).run(way, 8 * MIB), Ended::Done, "{what}, beside it");
        }
        let store = Store::new(&engine, ());
        assert_eq!(store.memory_stats().heap.limit_bytes, 64 * MIB);
    }
}

#[test]
fn a_limiter_of_the_heap_is_asked_before_it_grows() {
    let mut cases = 0;
    for (mode, mut config, ways) in heap_modes() {
        let engine = engine(config.gc_heap_max(32 * MIB));
        for way in ways {
            let what = format!("{mode}: {}", way.name);
            let mut beside = World::new(&Store::builder(&engine), true);
            for (says, wanted) in [(Says::Fails, Ended::Failed), (Says::Panics, Ended::Panicked)] {
                let mut world = World::new(&Store::builder(&engine), true);
                world.store.data_mut().says = says;
                assert_eq!(world.run(way, 2 * MIB), wanted, "{what}: {says:?}");
                world.check();
                world.store.data_mut().says = Says::Yes;
                assert_eq!(world.run(way, 2 * MIB), Ended::Done, "{what}: after {says:?}");
                cases += 1;
            }
            // It refuses from some size on: what was allowed is never exceeded, and collecting helps.
            let mut world = World::new(&Store::builder(&engine), true);
            world.store.data_mut().heap_max = (5 * MIB) as usize;
            assert_eq!(world.run(way, 16 * MIB), way.beyond, "{what}: it refuses");
            let heap = world.store.memory_stats().heap;
            let slack = 256 << 10;
            assert!(heap.peak_bytes <= 5 * MIB + slack, "{what}: {heap:?}");
            let mut allowed = 0;
            for asked in std::mem::take(&mut world.store.data_mut().asked) {
                let Asked::Heap(current, desired, maximum) = asked else { panic!("{what}: {asked:?}") };
                assert!(current >= allowed && desired > current, "{what}: {asked:?} after {allowed}");
                assert_eq!(maximum, Some((32 * MIB) as usize));
                if desired as u64 <= 5 * MIB {
                    allowed = desired;
                }
            }
            assert!(allowed > 0, "{what}");
            if !KEEPING.contains(&way.name) {
                world.check();
                assert_eq!(world.run(way, MIB), Ended::Done, "{what}: after it refused");
            }
            cases += 1;
            // It allows more: the same allocation goes on.
            let mut world = World::new(&Store::builder(&engine), true);
            assert_eq!(world.run(way, 8 * MIB), Ended::Done, "{what}: it allows");
            assert_eq!(beside.store.data().asked, [], "{what}: another store's limiter");
            assert_eq!(beside.run(way, 8 * MIB), Ended::Done, "{what}: beside it");
        }
    }
    println!("{cases} cases");
    assert_eq!(cases, 3 * (2 * 4 + 4));
}

/// A heap that may not grow is collected instead, again and again.
#[test]
fn garbage_makes_room_where_a_limiter_does_not() {
    let engine = Engine::default();
    let text = "(module (type $a (array (mut i8))) (global $kept (mut (ref null $a)) (ref.null $a))
        (func (export \"churn\") (param i32)
            (loop $more
                (global.set $kept (array.new_default $a (i32.const 20000)))
                (br_if $more (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))";
    let module = compile(&engine, text);
    let mut store = Store::new(&engine, StoreLimitsBuilder::new().gc_heap_size(6 << 20).build());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    store.limiter(|limits| limits);
    let churn = instance.get_typed_func::<i32, ()>(&mut store, "churn").unwrap();
    churn.call(&mut store, 20_000).unwrap();
    let heap = store.memory_stats().heap;
    assert!(heap.peak_bytes <= (6 << 20) + (256 << 10), "{heap:?}");
    // 400 MB went through 6 MiB, and most collections came before the heap was refused anything.
    let stats = store.gc_stats();
    assert!(stats.stalls < stats.minors / 4, "{} stalls, {} minors", stats.stalls, stats.minors);
}

#[test]
fn stacks_are_as_large_as_each_store_wants() {
    let engine = Engine::default();
    let module = compile(
        &engine,
        "(module (global $depth (export \"depth\") (mut i32) (i32.const 0))
            (func $down (export \"down\") (global.set $depth (i32.add (global.get $depth) (i32.const 1))) (call $down)))",
    );
    let depth = |bytes: Option<usize>| {
        let mut builder = Store::builder(&engine);
        if let Some(bytes) = bytes {
            builder.max_stack(bytes);
        }
        let mut store = builder.build(()).unwrap();
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let down = instance.get_typed_func::<(), ()>(&mut store, "down").unwrap();
        let error = down.call(&mut store, ()).unwrap_err();
        let trap = error.trap().unwrap();
        assert_eq!(trap.kind(), TrapKind::StackExhausted);
        assert_eq!(trap.detail(), Some(format!("limit: {} bytes", bytes.unwrap_or(MAX_STACK_DEFAULT)).as_str()));
        let depth = instance.get_global(&mut store, "depth").unwrap().get(&mut store).i32().unwrap();
        // A frame is 16 bytes at least.
        (store, depth)
    };
    // In turns, so that stacks of other stores are there to be taken.
    for _ in 0..3 {
        let (_small, shallow) = depth(Some(MAX_STACK_MIN));
        let (_default, deep) = depth(None);
        let (_medium, middle) = depth(Some(1 << 20));
        assert!(shallow > 100 && middle > 10 * shallow && deep > 10 * middle, "{shallow}, {middle}, {deep}");
    }
}

#[test]
fn nonsense_is_an_error_that_names_value_and_range() {
    let engine = Engine::default();
    for (bytes, fits) in [(0, false), (MIB - 1, false), (MIB, true), (HEAP_BYTES_LIMIT, true), (u64::MAX, false)] {
        let made = Store::builder(&engine).gc_heap_max(bytes).build(());
        assert_eq!(made.is_ok(), fits, "{bytes}: {made:?}");
        if let Err(error) = made {
            assert!(matches!(error.kind(), ErrorKind::Limit(_)));
            let says = format!("a heap of {bytes} bytes is not possible (from {MIB} to {HEAP_BYTES_LIMIT} bytes)");
            assert_eq!(error.to_string(), says);
        }
    }
    let most = MAX_STACK_MAX;
    for (bytes, fits) in
        [(0, false), (MAX_STACK_MIN - 1, false), (MAX_STACK_MIN, true), (most, true), (most + 1, false)]
    {
        let made = Store::builder(&engine).max_stack(bytes).build(());
        assert_eq!(made.is_ok(), fits, "{bytes}: {made:?}");
        if let Err(error) = made {
            let says = format!("a stack of {bytes} bytes is not possible (from {MAX_STACK_MIN} to {most} bytes)");
            assert_eq!(error.to_string(), says);
        }
    }
}

/// How many threads of this process have names that begin like this.
fn threads(name: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let comm = |task: std::io::Result<std::fs::DirEntry>| std::fs::read_to_string(task.ok()?.path().join("comm")).ok();
    tasks.filter_map(comm).filter(|comm| comm.starts_with(name)).count()
}

/// All stores of an engine have the same helpers.
#[test]
fn stores_have_no_threads_of_their_own() {
    in_child("stores_have_no_threads_of_their_own", || {
        let before = threads("");
        let engine = Engine::new(Config::new().gc_threads(2).gc_mark_slice(1000)).unwrap();
        let mut worlds: Vec<World> = (0..20).map(|_| World::new(&Store::builder(&engine), false)).collect();
        for world in &mut worlds {
            assert!(world.call("keep nodes", 4 * MIB).unwrap());
            assert!(world.store.gc_stats().markings > 0);
        }
        assert_eq!(threads("heapwood-gc"), 2);
        assert_eq!(threads(""), before + 2, "the helpers and nobody else");
    });
}
