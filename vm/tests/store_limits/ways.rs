//! What is limited, the ways to take some of it, and a host whose limiter is told what to say.

use heapwood_vm::*;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What the limiter of a test says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Says {
    Yes,
    No,
    Fails,
    Panics,
}

/// With what it fails.
#[derive(Debug)]
pub struct Empty;

impl fmt::Display for Empty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the account is empty")
    }
}

impl std::error::Error for Empty {}

/// A question, as it came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asked {
    Memory(usize, usize, Option<usize>),
    Table(usize, usize, Option<usize>),
    Heap(usize, usize, Option<usize>),
    MemoryFailed,
    TableFailed,
}

/// The host's data: a limiter that writes down what it is asked.
#[derive(Debug)]
pub struct Host {
    pub says: Says,
    /// Growth of the heap beyond this is refused, whatever it says.
    pub heap_max: usize,
    pub counts: usize,
    pub asked: Vec<Asked>,
}

impl Host {
    pub fn new() -> Host {
        Host { says: Says::Yes, heap_max: usize::MAX, counts: usize::MAX, asked: Vec::new() }
    }

    pub fn answer(&mut self, asked: Asked) -> Result<bool> {
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
pub enum Ended {
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

pub fn ended(result: std::thread::Result<Result<bool>>) -> Ended {
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
pub struct World {
    pub store: Store<Host>,
    pub helpers: Instance,
    /// What the error of the last way said of the store's limits.
    pub limit: Option<StoreLimit>,
}

/// What is in every store: an empty memory and table, which the guest grows, and a list that keeps objects.
pub const HELPERS: &str = r#"(module
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

pub fn linker(engine: &Engine) -> Linker<Host> {
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
    pub fn new(builder: &StoreBuilder<Host>, limited: bool) -> World {
        let mut store = builder.build(Host::new()).unwrap();
        let module = compile(store.engine(), HELPERS);
        let helpers = linker(store.engine()).instantiate(&mut store, &module).unwrap();
        if limited {
            store.limiter(|host| host);
        }
        World { store, helpers, limit: None }
    }

    pub fn call(&mut self, name: &str, amount: u64) -> Result<bool> {
        let func = self.helpers.get_typed_func::<i64, i32>(&mut self.store, name)?;
        Ok(func.call(&mut self.store, amount as i64)? != -1)
    }

    pub fn run(&mut self, way: &Way, amount: u64) -> Ended {
        let result = catch_unwind(AssertUnwindSafe(|| (way.run)(self, amount)));
        self.limit = result.as_ref().ok().and_then(|result| result.as_ref().err()?.store_limit());
        ended(result)
    }

    /// The store works: the guest runs, the host makes objects, and everything is collected.
    pub fn check(&mut self) {
        let says = std::mem::replace(&mut self.store.data_mut().says, Says::Yes);
        self.helpers.get_typed_func::<(), ()>(&mut self.store, "forget").unwrap().call(&mut self.store, ()).unwrap();
        assert!(self.call("keep nodes", 240).unwrap());
        self.store.gc().unwrap();
        self.store.data_mut().says = says;
    }
}

pub fn compile(engine: &Engine, text: &str) -> Module {
    Module::new(engine, wat::parse_str(text).unwrap()).unwrap()
}

/// Ways of which the store keeps what they took, though they failed.
pub const KEEPING: [&str; 2] = ["function objects", "a constant expression"];

/// A way to take an amount.
pub struct Way {
    pub name: &'static str,
    pub run: fn(&mut World, u64) -> Result<bool>,
    /// How it ends beyond a limit.
    pub beyond: Ended,
}

pub const fn way(name: &'static str, beyond: Ended, run: fn(&mut World, u64) -> Result<bool>) -> Way {
    Way { name, run, beyond }
}

pub fn instantiate(world: &mut World, text: &str) -> Result<bool> {
    let module = compile(world.store.engine(), text);
    Instance::new(&mut world.store, &module, &[]).map(|_| true)
}

pub fn instantiate_linked(world: &mut World, text: &str) -> Result<bool> {
    let module = compile(world.store.engine(), text);
    linker(world.store.engine()).instantiate(&mut world.store, &module).map(|_| true)
}

pub fn instantiate_pre(world: &mut World, text: &str) -> Result<bool> {
    let module = compile(world.store.engine(), text);
    linker(world.store.engine()).instantiate_pre(&module)?.instantiate(&mut world.store).map(|_| true)
}

pub fn memory_text(pages: u64) -> String {
    format!("(module (memory {pages}))")
}

pub fn memory_of(world: &mut World) -> Memory {
    world.helpers.get_memory(&mut world.store, "m").unwrap()
}

/// Amounts are pages.
pub const MEMORY: &[Way] = &[
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

pub fn table_text(elements: u64) -> String {
    format!("(module (table {elements} funcref))")
}

/// Amounts are elements.
pub const TABLES: &[Way] = &[
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
pub fn instances(
    world: &mut World,
    count: u64,
    mut instance: impl FnMut(&mut World, &str) -> Result<bool>,
) -> Result<bool> {
    (1..count).try_for_each(|_| instance(world, "(module)").map(drop))?;
    Ok(true)
}

/// It is as well if the guest trapped.
fn trapped(result: Result<bool>) -> Result<bool> {
    result.or_else(|error| if error.trap().is_some() { Ok(true) } else { Err(error) })
}

/// Amounts are instances, the one of the helpers included.
pub const INSTANCES: &[Way] = &[
    way("Instance::new", Ended::Limit, |world, count| instances(world, count, instantiate)),
    way("Linker::instantiate", Ended::Limit, |world, count| instances(world, count, instantiate_linked)),
    way("InstancePre::instantiate", Ended::Limit, |world, count| instances(world, count, instantiate_pre)),
    way("Instance::new, with a start function that traps, of which nothing is left", Ended::Done, |world, count| {
        instances(world, count, |world, _| {
            trapped(instantiate(world, "(module (func $start unreachable) (start $start))"))
        })
    }),
    way(
        "Instance::new, with a start function that traps, of which a table has a function",
        Ended::Limit,
        |world, count| {
            let functions = TableType::new(RefType::FUNCREF, 1, None);
            let table = Table::new(&mut world.store, functions, Val::FuncRef(None))?;
            let text = r#"(module (import "" "" (table 1 funcref)) (elem declare func $start)
            (func $start (table.set 0 (i32.const 0) (ref.func $start)) unreachable) (start $start))"#;
            let module = compile(world.store.engine(), text);
            instances(world, count, |world, _| {
                trapped(Instance::new(&mut world.store, &module, &[table.into()]).map(|_| true))
            })
        },
    ),
];

pub fn list_of(world: &mut World) -> Global {
    world.helpers.get_global(&mut world.store, "list").unwrap()
}

/// Keeps arrays of the host in a list of arrays, so many bytes of them together.
pub fn keep_of_host(world: &mut World, bytes: u64, each: u32) -> Result<Vec<Root<ArrayRef>>> {
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
pub const HEAP: &[Way] = &[
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
pub const SMALL_OBJECTS: &[Way] = &[
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
