//! What functions answer where a limit of the store, of the engine or of a format is in the way.

use super::*;

const TYPES: Right =
    Right::Error("the engine's quota of 1 types (Config::max_types) is used up: 1 are alive, 1 more are wanted");
const TYPES_PANIC: Right =
    Right::Panic("the engine's quota of 1 types (Config::max_types) is used up: 1 are alive, 1 more are wanted");
const INSTANCES: Right = Right::Error("1 more instances beside 20: the store may have 20");

/// An engine whose quota of types is used up.
fn few_types() -> (Engine, StructType) {
    let engine = Engine::new(Config::new().max_types(1)).unwrap();
    let kept = StructType::new(&engine, []);
    (engine, kept)
}

/// A module with one type, for an engine that has none left.
const ONE_TYPE: &str = "(module (type (array i8)))";

/// A module of which no store has room for a second memory.
const LARGE_MEMORY: &str = "(module (memory 5))";

/// So many instances that there are as many as there may be.
fn instances(w: &mut World) -> Module {
    let empty = module(&w.engine, "(module)");
    for _ in 1..20 {
        Instance::new(&mut w.store, &empty, &[]).unwrap();
    }
    empty
}

fn image(engine: &Engine) -> Vec<u8> {
    module(engine, ONE_TYPE).serialize().unwrap()
}

/// A file with these bytes, for as long as a call takes.
fn with_file<R>(bytes: &[u8], run: impl FnOnce(&std::path::Path) -> Result<R>) -> Result<R> {
    let name = format!("heapwood-limits-{}-{:?}", std::process::id(), std::thread::current().id());
    let file = std::env::temp_dir().join(name);
    std::fs::write(&file, bytes)?;
    let result = run(&file);
    std::fs::remove_file(&file)?;
    result
}

/// See the module.
pub static ROWS: &[Row] = rows! {
    // Limits of the store.
    "Memory::new", OverLimit,
    Right::Error(
        "a memory of 262144 bytes beside 65557 that are there is beyond the limit of 262144 bytes for all \
         memories, tables and element segments"
    ) =>
    |w| {
        Memory::new(&mut w.store, MemoryType::builder().min(4).build()?).map(text)
    };
    "Memory::grow", OverLimit, Right::Error("failed to grow a memory by 2 pages: it has 1 of at most 2 pages") => |w| {
        w.here.memory.grow(&mut w.store, 2).map(text)
    };
    "Memory::grow", OverLimit,
    Right::Error(
        "failed to grow a memory by 3 pages: the limit is 262144 bytes for all memories, tables and element \
         segments"
    ) =>
    |w| {
        let memory = Memory::new(&mut w.store, MemoryType::builder().min(1).build()?)?;
        memory.grow(&mut w.store, 3).map(text)
    };
    "Table::new", OverLimit,
    Right::Error("29 more elements of tables beside 4: the limit of the store is 32 for all tables") =>
    |w| {
        Table::new(&mut w.store, TableType::new(RefType::FUNCREF, 29, None), Val::FuncRef(None)).map(text)
    };
    "Table::new", OverLimit, Right::Error("a table of 10000001 elements is beyond the limit of 10000000") => |w| {
        Table::new(&mut w.store, TableType::new(RefType::FUNCREF, 10_000_001, None), Val::FuncRef(None)).map(text)
    };
    "Table::grow", OverLimit, Right::Error("failed to grow a table by 5 elements: it has 4 of at most 8 elements") =>
    |w| {
        w.here.table.grow(&mut w.store, 5, Val::AnyRef(None)).map(text)
    };
    "Table::grow", OverLimit,
    Right::Error(
        "failed to grow a table by 28 elements: 28 more elements of tables beside 5: the limit of the store \
         is 32 for all tables"
    ) =>
    |w| {
        let table = Table::new(&mut w.store, TableType::new(RefType::FUNCREF, 1, None), Val::FuncRef(None))?;
        table.grow(&mut w.store, 28, Val::FuncRef(None)).map(text)
    };
    "Instance::new", OverLimit, INSTANCES => |w| {
        let empty = instances(w);
        Instance::new(&mut w.store, &empty, &[]).map(text)
    };
    "Instance::new", OverLimit,
    Right::Error(
        "a memory of 327680 bytes beside 65557 that are there is beyond the limit of 262144 bytes for all \
         memories, tables and element segments"
    ) =>
    |w| {
        let large = module(&w.engine, LARGE_MEMORY);
        Instance::new(&mut w.store, &large, &[]).map(text)
    };
    "Instance::new_async", OverLimit, INSTANCES => |w| {
        let empty = instances(w);
        run(Instance::new_async(&mut w.store, &empty, &[])).map(text)
    };
    "Linker::instantiate", OverLimit, INSTANCES => |w| {
        let empty = instances(w);
        linker(w).instantiate(&mut w.store, &empty).map(text)
    };
    "Linker::instantiate_async", OverLimit, INSTANCES => |w| {
        let empty = instances(w);
        run(linker(w).instantiate_async(&mut w.store, &empty)).map(text)
    };
    "InstancePre::instantiate", OverLimit, INSTANCES => |w| {
        let empty = instances(w);
        linker(w).instantiate_pre(&empty)?.instantiate(&mut w.store).map(text)
    };
    "InstancePre::instantiate_async", OverLimit, INSTANCES => |w| {
        let empty = instances(w);
        run(linker(w).instantiate_pre(&empty)?.instantiate_async(&mut w.store)).map(text)
    };
    "StoreBuilder::build", OverLimit,
    Right::Error("a heap of 1000 bytes is not possible (from 1048576 to 16106127360 bytes)") =>
    |w| {
        Store::<()>::builder(&w.engine).gc_heap_max(1000).build(()).map(|_| String::new())
    };
    "StoreBuilder::build", OverLimit,
    Right::Error("a heap of 18446744073709551615 bytes is not possible (from 1048576 to 16106127360 bytes)") =>
    |w| {
        Store::<()>::builder(&w.engine).gc_heap_max(u64::MAX).build(()).map(|_| String::new())
    };
    "StoreBuilder::build", OverLimit, Right::Error("a stack of 18446744073709551615 bytes is not possible (from ") =>
    |w| {
        Store::<()>::builder(&w.engine).max_stack(usize::MAX).build(()).map(|_| String::new())
    };
    "StoreBuilder::build", OverLimit, Right::Value("0") => |w| {
        let mut store = Store::builder(&w.engine);
        let store = store.memory_max(u64::MAX).tables_max(u64::MAX).instances_max(usize::MAX).build(0)?;
        Ok(text(store.data()))
    };
    "Inbox::send", OverLimit, Right::Error("a message of 9 bytes for an inbox that takes 8") => |w| {
        let inbox = w.store.open_inbox(8, 2);
        inbox.send(&[1; 9]).map(text).map_err(Error::new)
    };
    "Inbox::send", OverLimit, Right::Error("the inbox is full: it takes 2 messages and 8 bytes") => |w| {
        let inbox = w.store.open_inbox(8, 2);
        inbox.send(&[1; 5]).expect("there is room");
        inbox.send(&[1; 4]).map(text).map_err(Error::new)
    };
    "Inspector::ask", OverLimit, Right::Error("64 requests wait for an answer already") => |w| {
        let inspector = w.store.inspector();
        (0..64).try_for_each(|_| inspector.ask(|_| {})).expect("there is room");
        inspector.ask(|_| {}).map(text).map_err(Error::new)
    };

    // Limits of the engine.
    "Store::try_new", OverLimit, Right::Error("a heap of 18446744073709551615 bytes is not possible") => |_w| {
        let engine = Engine::new(Config::new().gc_heap_max(u64::MAX))?;
        Store::try_new(&engine, ()).map(|_| String::new())
    };
    "Store::try_new", OverLimit, Right::Error("a nursery of 4294967295 bytes") => |_w| {
        let engine = Engine::new(Config::new().gc_nursery(u32::MAX))?;
        Store::try_new(&engine, ()).map(|_| String::new())
    };
    "Store::try_new", OverLimit, Right::Error("stack") => |_w| {
        let engine = Engine::new(Config::new().max_stack(usize::MAX))?;
        let mut store = Store::try_new(&engine, ())?;
        let instance = Instance::new(&mut store, &module(&engine, r#"(module (func (export "f")))"#), &[])?;
        instance.get_typed_func::<(), ()>(&mut store, "f")?.call(&mut store, ()).map(text)
    };
    "Store::new", OverLimit, Right::Panic("a heap of 1000 bytes is not possible") => |_w| {
        let engine = Engine::new(Config::new().gc_heap_max(1000))?;
        Ok(text(Store::new(&engine, ()).data()))
    };
    "SharedMemory::new", OverLimit, Right::Error("a memory of 196608 bytes is beyond the limit of 131072 bytes") =>
    |_w| {
        let engine = Engine::new(Config::new().max_memory(131_072))?;
        SharedMemory::new(&engine, MemoryType::builder().min(3).max(4).shared(true).build()?).map(text)
    };
    "SharedMemory::grow", OverLimit,
    Right::Error("failed to grow a shared memory by 1 pages: it has 1 of at most 1 pages") =>
    |w| {
        w.here.shared.grow(1).map(text)
    };
    "SharedMemory::grow", OverLimit,
    Right::Error("failed to grow a shared memory by 2 pages: the limit is 131072 bytes") =>
    |_w| {
        let engine = Engine::new(Config::new().max_memory(131_072))?;
        let memory = SharedMemory::new(&engine, MemoryType::builder().min(1).max(4).shared(true).build()?)?;
        memory.grow(2).map(text)
    };
    "FuncType::new", OverLimit, TYPES => |_w| {
        let (engine, _kept) = few_types();
        FuncType::new(&engine, [ValType::I32], []).map(text)
    };
    "FuncType::new", OverLimit, Right::Error("a function type with 1001 parameters: more than the limit of 1000") =>
    |w| {
        FuncType::new(&w.engine, vec![ValType::I32; 1001], []).map(text)
    };
    "StructType::new", OverLimit, TYPES_PANIC => |_w| {
        let (engine, _kept) = few_types();
        Ok(text(StructType::new(&engine, [variable(ValType::I32)])))
    };
    "StructType::try_new", OverLimit, TYPES => |_w| {
        let (engine, _kept) = few_types();
        StructType::try_new(&engine, [variable(ValType::I32)]).map(text)
    };
    "StructType::try_new", OverLimit, Right::Error("a struct type with 10001 fields: more than the limit of 10000") =>
    |w| {
        StructType::try_new(&w.engine, vec![variable(ValType::I32); 10_001]).map(text)
    };
    "ArrayType::new", OverLimit, TYPES_PANIC => |_w| {
        let (engine, _kept) = few_types();
        Ok(text(ArrayType::new(&engine, variable(ValType::I32))))
    };
    "ArrayType::try_new", OverLimit, TYPES => |_w| {
        let (engine, _kept) = few_types();
        ArrayType::try_new(&engine, variable(ValType::I32)).map(text)
    };
    "TypeBuilder::build", OverLimit, TYPES => |_w| {
        let (engine, _kept) = few_types();
        let mut group = TypeBuilder::new(&engine);
        let member = group.declare();
        group.define(member, GroupType::structure([(Mutability::Const, member.nullable())]));
        group.build().map(text)
    };
    "TypeBuilder::build", OverLimit,
    Right::Error("type 0 of the group has 1001 parameters: more than the limit of 1000") =>
    |w| {
        let mut group = TypeBuilder::new(&w.engine);
        let member = group.declare();
        group.define(member, GroupType::func(vec![ValType::I32.into(); 1001], []));
        group.build().map(text)
    };
    "Tag::new", OverLimit, TYPES => |_w| {
        let engine = Engine::new(Config::new().max_types(1))?;
        let ty = FuncType::new(&engine, [ValType::I32], [])?;
        let mut store = Store::new(&engine, ());
        let tag = Tag::new(&mut store, TagType::new(ty))?;
        Exception::new(&mut store, tag, &[Val::I32(1)]).map(text)
    };
    "Func::wrap", OverLimit, TYPES_PANIC => |_w| {
        let (engine, _kept) = few_types();
        Ok(text(Func::wrap(&mut Store::new(&engine, ()), || 1)))
    };
    "Linker::func_wrap", OverLimit, TYPES => |_w| {
        let (engine, _kept) = few_types();
        Linker::<()>::new(&engine).func_wrap("m", "f", || 1).map(text)
    };
    "Linker::func_wrap_async", OverLimit, TYPES => |_w| {
        let (engine, _kept) = few_types();
        Linker::<()>::new(&engine).func_wrap_async("m", "f", |_, ()| Box::new(async { 1 })).map(text)
    };
    "Linker::define_js_string", OverLimit, TYPES => |_w| {
        let (engine, _kept) = few_types();
        Linker::<()>::new(&engine).define_js_string().map(text)
    };
    "Resolved::func_wrap", OverLimit, TYPES => |_w| {
        let (engine, _kept) = few_types();
        Resolved::<()>::func_wrap(&engine, || 1).map(|_| String::new())
    };
    "Module::new", OverLimit, TYPES => |_w| {
        let (engine, _kept) = few_types();
        Module::new(&engine, wat::parse_str(ONE_TYPE).unwrap()).map(text)
    };
    "Module::from_binary", OverLimit, TYPES => |_w| {
        let (engine, _kept) = few_types();
        Module::from_binary(&engine, &wat::parse_str(ONE_TYPE).unwrap()).map(text)
    };
    "Module::from_file", OverLimit, TYPES => |_w| {
        let (engine, _kept) = few_types();
        with_file(&wat::parse_str(ONE_TYPE).unwrap(), |file| Module::from_file(&engine, file)).map(text)
    };
    "Module::deserialize", OverLimit, TYPES => |_w| {
        let (engine, _kept) = few_types();
        let image = image(&Engine::default());
        // SAFETY: `serialize` made it.
        unsafe { Module::deserialize(&engine, &image) }.map(text)
    };
    "Module::deserialize_file", OverLimit, TYPES => |_w| {
        let (engine, _kept) = few_types();
        let image = image(&Engine::default());
        // SAFETY: `serialize` made what the file holds.
        with_file(&image, |file| unsafe { Module::deserialize_file(&engine, file) }).map(text)
    };
    "Module::validate", OverLimit, Right::Error("function params size is out of bounds") => |w| {
        let text = format!("(module (type (func {})))", "(param i32)".repeat(1001));
        Module::validate(&w.engine, &wat::parse_str(text).unwrap()).map(super::text)
    };
    "Engine::precompile_module", OverLimit, Right::Error("(Config::max_compile_memory)") => |_w| {
        let engine = Engine::new(Config::new().max_compile_memory(1))?;
        let bytes = wat::parse_str("(module (func (export \"f\") (result i32) (i32.const 1)))").unwrap();
        engine.precompile_module(&bytes).map(text)
    };
};
