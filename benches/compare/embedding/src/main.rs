//! The rows of `cargo bench` about embedding, with Wasmtime: `cargo run --release -- --bench`, in this folder.
//!
//! The modules and what is measured are those of `benches/micro.rs`; names of rows are the same where there is one.

use criterion::{BenchmarkId, Criterion, Throughput};
use std::fs;
use std::hint::black_box;
use wasmtime::{
    ArrayRef, ArrayRefPre, ArrayType, Caller, Collector, Config, Engine, Extern, FieldType, Func, Instance,
    InstanceAllocationStrategy, InstancePre, Linker, Module, Mutability, OwnedRooted, PoolingAllocationConfig,
    RootScope, Rooted, StorageType, Store, StructRef, StructRefPre, StructType, TypedFunc, Val,
};

type Result<T> = wasmtime::Result<T>;

/// Rounds of a loop that one measurement takes.
const ROUNDS: i32 = 10_000;

const HELLO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/guests/kotlin/wasm/hello.wasm");
const LARGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/guests/kotlin/wasm/gcbench.wasm");

fn config() -> Config {
    let mut config = Config::new();
    config.collector(Collector::Copying).wasm_gc(true).wasm_function_references(true).wasm_exceptions(true);
    config
}

fn pooled() -> Config {
    let mut config = config();
    let mut pool = PoolingAllocationConfig::default();
    pool.total_core_instances(8).total_memories(8).total_tables(32).total_gc_heaps(8);
    pool.max_core_instance_size(4 << 20).max_tables_per_module(8).table_elements(20_000);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

fn main() -> Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    calls(&mut criterion)?;
    host_objects(&mut criterion)?;
    arrays(&mut criterion)?;
    requests(&mut criterion)?;
    deserialize(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}

fn calls(criterion: &mut Criterion) -> Result<()> {
    let text = r#"(module
        (import "host" "next" (func $host (param i32) (result i32)))
        (func (export "empty"))
        (func (export "to_host") (param $n i32) (local $x i32)
          (loop $l (local.set $x (call $host (local.get $x)))
            (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))"#;
    let engine = Engine::new(&config())?;
    let module = Module::new(&engine, text)?;
    let mut store = Store::new(&engine, ());
    let host = Func::wrap(&mut store, |_: Caller<'_, ()>, x: i32| x + 1);
    let instance = Instance::new(&mut store, &module, &[Extern::Func(host)])?;
    let empty: TypedFunc<(), ()> = instance.get_typed_func(&mut store, "empty")?;
    let mut group = criterion.benchmark_group("call");
    group.bench_function("call", |b| b.iter(|| empty.call(&mut store, ()).expect("runs")));
    let run: TypedFunc<i32, ()> = instance.get_typed_func(&mut store, "to_host")?;
    group.throughput(Throughput::Elements(ROUNDS as u64));
    group.bench_function("from guest to host", |b| b.iter(|| run.call(&mut store, ROUNDS).expect("runs")));
    Ok(())
}

/// Fields and new objects, as values: Wasmtime has no Rust types for the guest's.
fn host_objects(criterion: &mut Criterion) -> Result<()> {
    let engine = Engine::new(&config())?;
    let mut store = Store::new(&engine, ());
    let field = |ty| FieldType::new(Mutability::Var, ty);
    let (long, any, int) = (wasmtime::ValType::I64, wasmtime::ValType::ANYREF, wasmtime::ValType::I32);
    let ty = StructType::new(&engine, [long, any, int].map(|ty| field(StorageType::ValType(ty))))?;
    let pre = StructRefPre::new(&mut store, ty);
    let object = StructRef::new(&mut store, &pre, &[Val::I64(1), Val::AnyRef(None), Val::I32(2)])?;
    let mut group = criterion.benchmark_group("host");
    group.throughput(Throughput::Elements(ROUNDS as u64));
    let rounds = || 0..i64::from(ROUNDS);
    group.bench_function("dynamic, read", |b| {
        b.iter(|| rounds().for_each(|_| _ = black_box(black_box(object).field(&mut store, 0).expect("a field"))));
    });
    group.bench_function("dynamic, write", |b| {
        b.iter(|| rounds().for_each(|v| black_box(object).set_field(&mut store, 0, Val::I64(v)).expect("a field")));
    });
    group.bench_function("dynamic, new", |b| {
        b.iter(|| {
            let mut scope = RootScope::new(&mut store);
            for value in rounds() {
                let values = [Val::I64(value), Val::AnyRef(Some(object.to_anyref())), Val::I32(3)];
                black_box(StructRef::new(&mut scope, &pre, &values).expect("room"));
            }
        });
    });
    group.throughput(Throughput::Elements(1));
    group.bench_function("owned handle", |b| {
        b.iter(|| -> OwnedRooted<StructRef> { object.to_owned_rooted(&mut store).expect("a root") });
    });
    Ok(())
}

/// 64 KiB of a byte array, out as a whole; in by a new array or element by element, for want of anything else.
fn arrays(criterion: &mut Criterion) -> Result<()> {
    let engine = Engine::new(&config())?;
    let mut store = Store::new(&engine, ());
    let ty = ArrayType::new(&engine, FieldType::new(Mutability::Var, StorageType::I8));
    let pre = ArrayRefPre::new(&mut store, ty);
    let array: Rooted<ArrayRef> = ArrayRef::new(&mut store, &pre, &Val::I32(1), 64 << 10)?;
    let mut buffer = vec![1u8; 64 << 10];
    let mut group = criterion.benchmark_group("host arrays");
    group.sample_size(20);
    group.throughput(Throughput::Bytes(64 << 10));
    group.bench_function("64 KiB out", |b| {
        b.iter(|| array.copy_to_i8_slice(&mut store, &mut buffer).expect("an array of bytes"));
    });
    group.bench_function("64 KiB in", |b| {
        b.iter(|| {
            for (index, byte) in (0..).zip(&buffer) {
                array.set(&mut store, index, Val::I32((*byte).into())).expect("an element");
            }
        });
    });
    let mut other = vec![0u8; 64 << 10];
    group.bench_function("64 KiB by memcpy", |b| b.iter(|| other.copy_from_slice(black_box(&buffer))));
    Ok(())
}

/// A linker with what Kotlin's `hello` needs: `fd_write` forgets what is written.
fn linked(engine: &Engine, module: &Module) -> Result<InstancePre<()>> {
    let mut linker = Linker::new(engine);
    let write = |mut caller: Caller<'_, ()>, _fd: i32, lists: i32, count: i32, written: i32| -> i32 {
        let memory = caller.get_export("memory").and_then(Extern::into_memory).expect("a memory");
        let data = memory.data_mut(&mut caller);
        let length = |index: i32| {
            let at = (lists + 8 * index + 4) as usize;
            u32::from_le_bytes(data[at..at + 4].try_into().expect("four bytes"))
        };
        let total: u32 = (0..count).map(length).sum();
        data[written as usize..written as usize + 4].copy_from_slice(&total.to_le_bytes());
        0
    };
    linker.func_wrap("wasi_snapshot_preview1", "fd_write", write)?;
    linker.define_unknown_imports_as_traps(module)?;
    linker.instantiate_pre(module)
}

fn requests(criterion: &mut Criterion) -> Result<()> {
    let plain = br#"(module (func (export "_start")))"#.to_vec();
    let memory = br#"(module (memory 1) (func (export "_start") (i32.store (i32.const 8) (i32.const 1))))"#.to_vec();
    let modules = [("no memory", plain), ("a memory", memory), ("Kotlin hello", fs::read(HELLO)?)];
    let mut group = criterion.benchmark_group("request");
    for (name, bytes) in &modules {
        for (kind, config) in [("new", config()), ("pooled", pooled())] {
            let engine = Engine::new(&config)?;
            let module = Module::new(&engine, bytes)?;
            let instance = linked(&engine, &module)?;
            group.bench_function(BenchmarkId::new(*name, kind), |b| {
                b.iter(|| {
                    let mut store = Store::new(&engine, ());
                    let instance = instance.instantiate(&mut store).expect("instantiates");
                    let start = instance.get_typed_func::<(), ()>(&mut store, "_start").expect("exported");
                    start.call(&mut store, ()).expect("ends");
                });
            });
        }
    }
    Ok(())
}

fn deserialize(criterion: &mut Criterion) -> Result<()> {
    let engine = Engine::new(&config())?;
    let path = std::env::temp_dir().join(format!("heapwood-embedding-{}.cwasm", std::process::id()));
    fs::write(&path, Module::new(&engine, fs::read(LARGE)?)?.serialize()?)?;
    criterion.bench_function("deserialize_file", |b| {
        b.iter(|| {
            // SAFETY: the file was written above, and nobody changes it.
            unsafe { Module::deserialize_file(&engine, &path) }.expect("a module of this engine")
        });
    });
    fs::remove_file(&path)?;
    Ok(())
}
