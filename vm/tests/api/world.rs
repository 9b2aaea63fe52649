//! Two engines, two stores of the first, one of the second, and in each store one of everything.

use heapwood_vm::*;

/// Everything that a store can have. The handles live in the outermost scope of the store.
pub struct Things {
    pub instance: Instance,
    pub func: Func,
    pub memory: Memory,
    pub table: Table,
    pub global: Global,
    pub tag: Tag,
    pub shared: SharedMemory,
    pub object: Rooted<AnyRef>,
    pub array: Rooted<AnyRef>,
    pub host: Rooted<ExternRef>,
    pub string: Rooted<StringRef>,
    pub thrown: Rooted<ExnRef>,
    pub exception: Exception,
    pub owned: Root<AnyRef>,
    pub weak: WeakRoot<AnyRef>,
    pub entry: WeakEntry<AnyRef, ExternRef>,
}

/// Handles whose scope is over. Others have taken their places.
pub struct Stale {
    pub any: Rooted<AnyRef>,
    pub structure: Rooted<StructRef>,
    pub array: Rooted<AnyRef>,
    pub typed_array: Rooted<ArrayRef>,
    pub host: Rooted<ExternRef>,
    pub string: Rooted<StringRef>,
    pub thrown: Rooted<ExnRef>,
}

/// See the module.
pub struct World {
    pub engine: Engine,
    pub store: Store<()>,
    pub module: Module,
    pub here: Things,
    pub stale: Stale,
    /// Another store of the same engine.
    pub there: Things,
    /// Its struct and its array.
    pub there_typed: (Rooted<StructRef>, Rooted<ArrayRef>),
    pub foreign_engine: Engine,
    pub foreign_store: Store<()>,
    pub foreign_module: Module,
    pub foreign: Things,
    pub others: Vec<Store<()>>,
    /// What fills the heap of the first store.
    pub kept: Vec<Root<ArrayRef>>,
}

/// What both engines compile, in the second one behind other types, so that equal numbers mean different types.
const PARTS: &str = r#"
    (type $s (struct (field (mut i32)) (field (mut (ref null $s)))))
    (type $a (array (mut i64)))
    (memory (export "memory") 1 2)
    (table (export "table") 4 8 anyref)
    (global (export "global") (mut anyref) (ref.null any))
    (tag $e (export "tag") (param i32 anyref))
    (func (export "sum") (param i32 anyref) (result i32) (i32.add (local.get 0) (i32.const 40)))
    (func (export "object") (result (ref $s)) (struct.new $s (i32.const 5) (ref.null $s)))
    (func (export "array") (result (ref $a)) (array.new $a (i64.const 6) (i32.const 3)))
    (func (export "throw") (throw $e (i32.const 3) (ref.null any)))
"#;

pub fn module(engine: &Engine, text: &str) -> Module {
    Module::new(engine, wat::parse_str(text).unwrap()).unwrap()
}

/// An engine of a mode, with a small heap.
fn engine(mode: &Config) -> Engine {
    Engine::new(mode.clone().gc_heap_max(4 << 20).gc_nursery(64 << 10)).unwrap()
}

fn things(store: &mut Store<()>, module: &Module) -> Things {
    let instance = Instance::new(&mut *store, module, &[]).unwrap();
    let made = |store: &mut Store<()>, name| {
        let func = instance.get_func(&mut *store, name).unwrap();
        match call(store, func, &[]) {
            Val::AnyRef(Some(object)) => object,
            other => panic!("{other:?}"),
        }
    };
    let (object, array) = (made(store, "object"), made(store, "array"));
    let throw = instance.get_func(&mut *store, "throw").unwrap();
    let exception = throw.call(&mut *store, &[], &mut []).unwrap_err().exception().unwrap().clone();
    let host = ExternRef::new(&mut *store, 7u32).unwrap();
    let shared = MemoryType { min: 1, max: Some(1), memory64: false, shared: true, page_size_log2: 16 };
    Things {
        instance,
        func: instance.get_func(&mut *store, "sum").unwrap(),
        memory: instance.get_memory(&mut *store, "memory").unwrap(),
        table: instance.get_table(&mut *store, "table").unwrap(),
        global: instance.get_global(&mut *store, "global").unwrap(),
        tag: instance.get_tag(&mut *store, "tag").unwrap(),
        shared: SharedMemory::new(store.engine(), shared).unwrap(),
        thrown: exception.to_ref(&mut *store).unwrap(),
        exception,
        owned: object.to_owned(&mut *store).unwrap(),
        weak: object.downgrade(&mut *store).unwrap(),
        entry: WeakEntry::new(&mut *store, &object, &host).unwrap(),
        object,
        array,
        string: StringRef::new(&mut *store, "text").unwrap(),
        host,
    }
}

fn call(store: &mut Store<()>, func: Func, args: &[Val]) -> Val {
    let mut results = [Val::I32(0)];
    func.call(store, args, &mut results).unwrap();
    results[0]
}

fn stale(store: &mut Store<()>, here: &Things) -> Stale {
    let mut scope = RootScope::new(&mut *store);
    let again = |scope: &mut RootScope<&mut Store<()>>, object: Rooted<AnyRef>| {
        let owned = object.to_owned(&mut *scope).unwrap();
        owned.to_rooted(&mut *scope).unwrap()
    };
    let (any, array) = (again(&mut scope, here.object), again(&mut scope, here.array));
    let host = ExternRef::new(&mut scope, 8u32).unwrap();
    let thrown = here.exception.to_ref(&mut scope).unwrap();
    let string = StringRef::new(&mut scope, "text").unwrap();
    let (structure, typed_array) = (any.unwrap_struct(&scope).unwrap(), array.unwrap_array(&scope).unwrap());
    drop(scope);
    for number in 0..8 {
        ExternRef::new(&mut *store, number).unwrap();
    }
    Stale { any, structure, array, typed_array, host, string, thrown }
}

impl World {
    pub fn new(mode: &Config) -> World {
        let (engine, foreign_engine) = (engine(mode), engine(mode));
        let here = format!("(module {PARTS})");
        let there = format!("(module (type (array i8)) (type (func (result externref))) {PARTS})");
        let (module, foreign_module) = (module(&engine, &here), module(&foreign_engine, &there));
        let mut store =
            Store::builder(&engine).memory_max(256 << 10).tables_max(32).instances_max(20).build(()).unwrap();
        let mut other = Store::new(&engine, ());
        let mut foreign_store = Store::new(&foreign_engine, ());
        let here = things(&mut store, &module);
        let there = things(&mut other, &module);
        let there_typed = (there.object.unwrap_struct(&other).unwrap(), there.array.unwrap_array(&other).unwrap());
        World {
            stale: stale(&mut store, &here),
            here,
            there,
            there_typed,
            foreign: things(&mut foreign_store, &foreign_module),
            engine,
            store,
            module,
            foreign_engine,
            foreign_store,
            foreign_module,
            others: vec![other],
            kept: Vec::new(),
        }
    }

    /// The first store is as it was, and its heap valid.
    pub fn check(mut self) {
        self.kept.clear();
        let store = &mut self.store;
        store.gc().unwrap();
        let args = [Val::I32(2), Val::AnyRef(Some(self.here.object))];
        assert_eq!(call(store, self.here.func, &args).i32(), Some(42));
        assert_eq!(self.here.object.field(&mut *store, 0).unwrap().i32(), Some(5));
        assert!(self.here.object.field(&mut *store, 1).unwrap().is_null());
        assert_eq!(self.here.array.element(&mut *store, 2).unwrap().i64(), Some(6));
        assert!(self.here.global.get(&mut *store).is_null());
        assert!((0..4).all(|index| self.here.table.get(&mut *store, index).unwrap().is_null()));
        assert_eq!(self.here.table.size(&*store), 4);
        assert_eq!(self.here.memory.data(store)[..8], [0; 8]);
        let (_, value) = self.here.entry.get(&mut *store).unwrap().unwrap();
        assert!(value.ref_eq(&*store, &self.here.host).unwrap());
        for other in self.others.iter_mut().chain([&mut self.foreign_store]) {
            other.gc().unwrap();
        }
    }
}

/// Types of a module that is gone. Another has been compiled since, whose types would have their numbers.
pub struct Dead {
    pub func: FuncType,
    pub table: TableType,
    pub global: GlobalType,
    pub tag: TagType,
    pub structure: StructType,
    pub array: ArrayType,
    _successor: Module,
}

impl Dead {
    pub fn new(engine: &Engine) -> Dead {
        let text = r#"(module
            (type $s (struct (field i64) (field i64)))
            (type $a (array (mut f32)))
            (func (export "f") (param (ref null $s)) (result (ref null $a)) (ref.null $a))
            (table (export "t") 1 2 (ref null $s))
            (global (export "g") (mut (ref null $a)) (ref.null $a))
            (tag (export "e") (param (ref null $s))))"#;
        let module = module(engine, text);
        let [func, table, global, tag] = ["f", "t", "g", "e"].map(|name| module.get_export(name).unwrap());
        let (ExternType::Func(func), ExternType::Table(table)) = (func, table) else { panic!() };
        let (ExternType::Global(global), ExternType::Tag(tag)) = (global, tag) else { panic!() };
        let heap = |ty: Option<ValType>| match ty {
            Some(ValType::Ref(ty)) => ty.heap,
            other => panic!("{other:?}"),
        };
        let HeapType::ConcreteStruct(structure) = heap(func.params().next()) else { panic!() };
        let HeapType::ConcreteArray(array) = heap(func.results().next()) else { panic!() };
        drop(module);
        let successor = r#"(module
            (type (func)) (type (array i8)) (type (struct (field i32))) (type (func (result i64))) (type (struct))
            (type (array (mut i16))) (type (func (param externref))) (type (array (mut externref))))"#;
        Dead { func, table, global, tag, structure, array, _successor: self::module(engine, successor) }
    }

    /// `(ref null $s)`.
    pub fn nullable(&self) -> ValType {
        ValType::Ref(RefType::new(true, self.structure.clone().into()))
    }
}
