//! Small benchmarks: what one thing costs, through the public API and compiled code, in CPU time of its thread. Pauses
//! and whole programs are for `heapwood bench`.
//!
//! `cargo bench` runs them and compares with the run before; benches/README.md says how two commits are compared.

use criterion::{BenchmarkId, Throughput, criterion_group, criterion_main};
use heapwood::wasi::{self, MemoryOutput, WasiCtx};
use heapwood::{
    ArrayRef, ArrayType, Caller, Checkpoint, Config, Engine, Extern, ExternRef, FieldType, Func, GcEventKind, GcStruct,
    HeapType, Instance, Linker, Module, Mutability, Ref, RefType, RootScope, StorageType, Store, StructRef, Table,
    TableType, TypedFunc, Val,
};
use std::fs;
use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use thread_time::{ThreadTime, thread_time};

mod thread_time;

criterion_group!(
    name = benches;
    config = criterion::Criterion::default().with_measurement(ThreadTime);
    targets = compile,
    instantiate,
    requests,
    deserialize,
    calls,
    async_calls,
    fuel,
    host_objects,
    host_values,
    host_arrays,
    allocation,
    fields,
    barriers,
    minors,
    markings,
    checkpoints
);
criterion_main!(benches);

type Criterion = criterion::Criterion<ThreadTime>;

/// Rounds of a loop in the guest that one measurement takes.
const ROUNDS: i32 = 10_000;

/// A store whose instance has the exports of a module in the text format, without imports.
fn guest(engine: &Engine, text: &str) -> (Store<()>, Instance) {
    let module = Module::new(engine, wat::parse_str(text).expect("a module")).expect("compiles");
    let mut store = Store::new(engine, ());
    let instance = Instance::new(&mut store, &module, &[]).expect("no imports");
    (store, instance)
}

/// Decoding with validation, and all until a module can be instantiated (analysis and code, on one thread), by byte.
fn compile(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("compile");
    for name in ["hello", "gcbench"] {
        let path = format!("{}/../tests/guests/kotlin/wasm/{name}.wasm", env!("CARGO_MANIFEST_DIR"));
        let bytes = fs::read(path).expect("a guest of the repository");
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        let engine = Engine::default();
        group.bench_function(BenchmarkId::new("decode", name), |b| {
            b.iter(|| Module::decode(&engine, black_box(&bytes)).expect("valid"));
        });
        let mut config = Config::new();
        config.compile_threads(1);
        let engine = Engine::new(&config).expect("an engine");
        group.bench_function(BenchmarkId::new("module", name), |b| {
            b.iter(|| Module::new(&engine, black_box(&bytes)).expect("compiles"));
        });
    }
}

/// A store with an instance of a small module, made and dropped.
fn instantiate(criterion: &mut Criterion) {
    let engine = Engine::default();
    let text = r#"(module (memory 1) (global (mut i32) (i32.const 1)) (func (export "f")))"#;
    let module = Module::new(&engine, wat::parse_str(text).expect("a module")).expect("compiles");
    criterion.bench_function("instantiate/store", |b| b.iter(|| Store::new(&engine, ())));
    criterion.bench_function("instantiate/store and instance", |b| {
        b.iter(|| {
            let mut store = Store::new(&engine, ());
            Instance::new(&mut store, &module, &[]).expect("no imports")
        });
    });
}

/// A store, an instance of a linked module and a call, all made and dropped: for each request of a host.
fn requests(criterion: &mut Criterion) {
    let plain = r#"(module (func (export "_start")))"#;
    let memory = r#"(module (memory 1) (func (export "_start") (i32.store (i32.const 8) (i32.const 1))))"#;
    let hello = format!("{}/../tests/guests/kotlin/wasm/hello.wasm", env!("CARGO_MANIFEST_DIR"));
    let modules = [
        ("no memory", wat::parse_str(plain).expect("a module")),
        ("a memory", wat::parse_str(memory).expect("a module")),
        ("Kotlin hello", fs::read(hello).expect("a guest of the repository")),
    ];
    let mut group = criterion.benchmark_group("request");
    for (name, bytes) in &modules {
        for (kind, pooled) in [("new", 0), ("pooled", 4)] {
            let engine = Engine::new(Config::new().pooled_stores(pooled)).expect("an engine");
            let module = Module::new(&engine, bytes).expect("compiles");
            let mut linker: Linker<WasiCtx> = Linker::new(&engine);
            wasi::add_to_linker(&mut linker, |wasi| wasi).expect("new names");
            let instance = linker.instantiate_pre(&module).expect("linked");
            group.bench_function(BenchmarkId::new(*name, kind), |b| {
                b.iter(|| {
                    let mut store = Store::new(&engine, quiet());
                    let instance = instance.instantiate(&mut store).expect("instantiates");
                    let start = instance.get_typed_func::<(), ()>(&mut store, "_start").expect("exported");
                    start.call(&mut store, ()).expect("ends");
                });
            });
        }
    }
}

/// Modules from files of compiled code: a guest of the repository, and Kotlin's `strings` (631 KB, 1,350 types) where
/// the variable HEAPWOOD_GUESTS says that it is.
fn deserialize(criterion: &mut Criterion) {
    let mut guests =
        vec![("gcbench", format!("{}/../tests/guests/kotlin/wasm/gcbench.wasm", env!("CARGO_MANIFEST_DIR")))];
    match std::env::var("HEAPWOOD_GUESTS") {
        Ok(folder) => guests.push(("strings", format!("{folder}/kotlin/wasm/strings.wasm"))),
        Err(_) => println!("deserialize_file/strings is left out: HEAPWOOD_GUESTS is not set"),
    }
    let mut group = criterion.benchmark_group("deserialize_file");
    let path = std::env::temp_dir().join(format!("heapwood-micro-{}.cwasm", std::process::id()));
    for (name, guest) in guests {
        let engine = Engine::default();
        let module = Module::new(&engine, fs::read(guest).expect("a guest")).expect("compiles");
        fs::write(&path, module.serialize().expect("serialized")).expect("a file");
        drop(module);
        group.bench_function(name, |b| {
            b.iter(|| {
                // SAFETY: the file was written above, and nobody changes it.
                #[allow(unsafe_code, reason = "there is no other way to load a module from a file")]
                unsafe { Module::deserialize_file(&engine, &path) }.expect("a module of this engine")
            });
        });
        fs::remove_file(&path).expect("it is there");
    }
    group.finish();
}

/// From the host into the guest, from the guest into the host, and within the guest.
fn calls(criterion: &mut Criterion) {
    let text = r#"(module
        (import "host" "next" (func $host (param i32) (result i32)))
        (import "host" "empty" (func $empty))
        (func (export "empty"))
        (func (export "to_empty") (param $n i32)
          (loop $l (call $empty) (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
        (func $guest (export "next") (param i32) (result i32)
          (if (i32.eqz (local.get 0)) (then (return (i32.const 7)))) (i32.add (local.get 0) (i32.const 1)))
        (func (export "to_host") (param $n i32) (local $x i32)
          (loop $l (local.set $x (call $host (local.get $x)))
            (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
        (func (export "in_guest") (param $n i32) (local $x i32)
          (loop $l (local.set $x (call $guest (local.get $x)))
            (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))"#;
    let engine = Engine::default();
    let module = Module::new(&engine, wat::parse_str(text).expect("a module")).expect("compiles");
    let mut store = Store::new(&engine, ());
    let host = Func::wrap(&mut store, |_: Caller<'_, ()>, x: i32| x + 1);
    let empty = Func::wrap(&mut store, || {});
    let instance = Instance::new(&mut store, &module, &[Extern::Func(host), Extern::Func(empty)]).expect("links");

    let mut group = criterion.benchmark_group("call");
    let export: TypedFunc<(), ()> = instance.get_typed_func(&mut store, "empty").expect("exported");
    group.bench_function("from host to an empty export", |b| b.iter(|| export.call(&mut store, ()).expect("runs")));
    let next: TypedFunc<i32, i32> = instance.get_typed_func(&mut store, "next").expect("exported");
    group.bench_function("from host to guest", |b| b.iter(|| next.call(&mut store, black_box(1)).expect("runs")));
    group.throughput(Throughput::Elements(ROUNDS as u64));
    let loops = [
        ("from guest to host", "to_host"),
        ("from guest to an empty host function", "to_empty"),
        ("within the guest", "in_guest"),
    ];
    for (name, export) in loops {
        let run: TypedFunc<i32, ()> = instance.get_typed_func(&mut store, export).expect("exported");
        group.bench_function(name, |b| b.iter(|| run.call(&mut store, ROUNDS).expect("runs")));
    }
}

/// Calls that can be suspended: of an empty export, beside `call`; of a loop whose host function is ready at once, or
/// pending once at each call, so that the guest is suspended and resumed.
fn async_calls(criterion: &mut Criterion) {
    let text = r#"(module
        (import "host" "next" (func $host (param i32) (result i32)))
        (func (export "empty"))
        (func (export "to_host") (param $n i32) (local $x i32)
          (loop $l (local.set $x (call $host (local.get $x)))
            (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))"#;
    let engine = Engine::default();
    let module = Module::new(&engine, wat::parse_str(text).expect("a module")).expect("compiles");
    let mut group = criterion.benchmark_group("async");
    for (name, pending) in [("a host function that is ready", 0), ("suspend and resume", 1)] {
        let mut store = Store::new(&engine, ());
        let host = Func::wrap_async(&mut store, move |_: Caller<'_, ()>, (x,): (i32,)| {
            let mut pending = pending;
            Box::new(std::future::poll_fn(move |_| {
                pending -= 1;
                if pending < 0 { Poll::Ready(x + 1) } else { Poll::Pending }
            }))
        });
        let instance = Instance::new(&mut store, &module, &[Extern::Func(host)]).expect("links");
        if pending == 0 {
            let empty: TypedFunc<(), ()> = instance.get_typed_func(&mut store, "empty").expect("exported");
            group.throughput(Throughput::Elements(1));
            group.bench_function("call", |b| b.iter(|| empty.call(&mut store, ()).expect("runs")));
            group
                .bench_function("call_async", |b| b.iter(|| poll_all(empty.call_async(&mut store, ())).expect("runs")));
        }
        let run: TypedFunc<i32, ()> = instance.get_typed_func(&mut store, "to_host").expect("exported");
        group.throughput(Throughput::Elements(ROUNDS as u64));
        group.bench_function(name, |b| b.iter(|| poll_all(run.call_async(&mut store, ROUNDS)).expect("runs")));
    }
}

/// Polls until it is ready.
fn poll_all<R>(future: impl Future<Output = R>) -> R {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(result) = future.as_mut().poll(&mut context) {
            return result;
        }
    }
}

/// Programs of `compare/rows` in engines that count fuel, and in engines that do not.
fn fuel(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fuel");
    group.sample_size(10);
    for (row, size) in [("fib", 27), ("sieve32", 500_000), ("nbody", 50_000), ("vtable", 500_000), ("gcbench", 12)] {
        let path = format!("{}/compare/rows/{row}.wat", env!("CARGO_MANIFEST_DIR"));
        let text = fs::read_to_string(path).expect("a row");
        for (name, counts) in [("without", false), ("with", true)] {
            let engine = Engine::new(Config::new().consume_fuel(counts)).expect("an engine");
            let (mut store, instance) = guest(&engine, &text);
            let run: TypedFunc<i32, i64> = instance.get_typed_func(&mut store, "run").expect("exported");
            group.bench_function(BenchmarkId::new(name, row), |b| {
                b.iter(|| {
                    if counts {
                        store.set_fuel(u64::MAX).expect("fuel is counted");
                    }
                    run.call(&mut store, size).expect("runs")
                });
            });
        }
    }
}

/// What a host does with arrays of the guest as a whole, and what an owned handle costs.
fn host_arrays(criterion: &mut Criterion) {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let bytes = ArrayType::new(&engine, FieldType::new(Mutability::Var, StorageType::I8));
    let mut group = criterion.benchmark_group("host arrays");
    let mut buffer = vec![1u8; 64 << 10];
    let array = ArrayRef::from_slice(&mut store, &bytes, &buffer).expect("fits");
    group.bench_function("owned handle", |b| b.iter(|| array.to_owned(&mut store).map(drop)));
    group.throughput(Throughput::Bytes(64 << 10));
    group.bench_function("64 KiB out", |b| b.iter(|| array.copy_to_slice(&store, 0, &mut buffer)));
    group.bench_function("64 KiB in", |b| b.iter(|| array.copy_from_slice(&mut store, 0, &buffer)));
    let mut other = vec![0u8; 64 << 10];
    group.bench_function("64 KiB by memcpy", |b| b.iter(|| other.copy_from_slice(black_box(&buffer))));
}

/// Runs each export of a module, which takes a number of rounds.
fn each_export(criterion: &mut Criterion, group: &str, text: &str, exports: &[&str]) {
    let (mut store, instance) = guest(&Engine::default(), text);
    let mut group = criterion.benchmark_group(group);
    group.throughput(Throughput::Elements(ROUNDS as u64));
    for export in exports {
        let run: TypedFunc<i32, ()> = instance.get_typed_func(&mut store, export).expect("exported");
        group.bench_function(*export, |b| b.iter(|| run.call(&mut store, ROUNDS).expect("runs")));
    }
}

/// Objects that die at once, with the collections of the nursery that they cause.
fn allocation(criterion: &mut Criterion) {
    let text = r#"(module
        (type $node (struct (field i64) (field (ref null $node))))
        (type $bytes (array (mut i8)))
        (global $kept (mut anyref) (ref.null any))
        (func (export "struct") (param $n i32) (local $last (ref null $node))
          (loop $l (local.set $last (struct.new $node (i64.const 1) (ref.null $node)))
            (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
          (global.set $kept (local.get $last)))
        (func (export "array of 40 bytes") (param $n i32) (local $last (ref null $bytes))
          (loop $l (local.set $last (array.new $bytes (i32.const 1) (i32.const 40)))
            (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
          (global.set $kept (local.get $last))))"#;
    each_export(criterion, "allocate", text, &["struct", "array of 40 bytes"]);
}

/// Reads and writes of a field and of an element.
fn fields(criterion: &mut Criterion) {
    let text = r#"(module
        (type $counter (struct (field $count (mut i64))))
        (type $longs (array (mut i64)))
        (func (export "struct") (param $n i32) (local $c (ref null $counter))
          (local.set $c (struct.new $counter (i64.const 0)))
          (loop $l
            (struct.set $counter $count (local.get $c)
              (i64.add (struct.get $counter $count (local.get $c)) (i64.const 1)))
            (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
        (func (export "array") (param $n i32) (local $a (ref null $longs))
          (local.set $a (array.new $longs (i64.const 0) (i32.const 10001)))
          (loop $l
            (array.set $longs (local.get $a) (local.get $n)
              (i64.add (array.get $longs (local.get $a) (local.get $n)) (i64.const 1)))
            (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))"#;
    each_export(criterion, "field", text, &["struct", "array"]);
}

/// A struct of the guest in the host's hands.
#[derive(GcStruct)]
struct Node {
    #[wasm(mutable)]
    val: i64,
    #[wasm(mutable)]
    next: Option<Ref<Node>>,
    #[wasm(mutable)]
    number: i32,
}

/// Fields and new objects as the host reaches them: as a Rust type, and as values.
fn host_objects(criterion: &mut Criterion) {
    let engine = Engine::default();
    let text = "(module (type $Node (struct (field (mut i64)) (field (mut (ref null $Node))) (field (mut i32)))))";
    let module = Module::new(&engine, wat::parse_str(text).expect("a module")).expect("compiles");
    let node = module.bind::<Node>().expect("the same fields");
    let ty = module.types().named("Node").expect("a type").as_concrete_struct().expect("a struct").clone();
    let mut store = Store::new(&engine, ());
    let mut group = criterion.benchmark_group("host");
    group.throughput(Throughput::Elements(ROUNDS as u64));
    let rounds = || 0..i64::from(ROUNDS);
    let typed = store.scope(|s| {
        let object = node.alloc(s, 1, None, 2)?;
        object.set_next(s, Some(object));
        group.bench_function("typed, read", |b| b.iter(|| rounds().map(|_| black_box(object).val(s)).sum::<i64>()));
        group.bench_function("typed, write", |b| b.iter(|| rounds().for_each(|v| black_box(object).set_val(s, v))));
        group.bench_function("typed, read a reference", |b| {
            b.iter(|| {
                s.inner(|s, outer| {
                    let object = outer.local(object);
                    rounds().for_each(|_| _ = black_box(black_box(object).next(s)));
                    Ok(())
                })
            });
        });
        group.bench_function("typed, write a reference", |b| {
            b.iter(|| rounds().for_each(|_| black_box(object).set_next(s, Some(object))));
        });
        group.bench_function("typed, new", |b| {
            b.iter(|| {
                s.inner(|s, outer| {
                    let next = Some(outer.local(object));
                    for value in rounds() {
                        black_box(node.alloc(s, value, next, 3)?);
                    }
                    Ok(())
                })
            });
        });
        group.bench_function("typed, cast", |b| {
            let any = object.to_any();
            b.iter(|| rounds().filter(|_| black_box(any).cast::<Node>(s).is_some()).count());
        });
        Ok(s.root(object.upcast()))
    });
    let object = typed.expect("room").to_rooted(&mut store).expect("of this store");
    group.bench_function("dynamic, read", |b| {
        b.iter(|| rounds().for_each(|_| _ = black_box(black_box(object).field(&mut store, 0).expect("a field"))));
    });
    group.bench_function("dynamic, write", |b| {
        b.iter(|| rounds().for_each(|v| black_box(object).set_field(&mut store, 0, Val::I64(v)).expect("a field")));
    });
    group.bench_function("dynamic, new", |b| {
        b.iter(|| {
            let mut scope = RootScope::new(&mut store);
            let next = object.to_anyref();
            for value in rounds() {
                let values = [Val::I64(value), Val::AnyRef(Some(next)), Val::I32(3)];
                black_box(StructRef::new(&mut scope, &ty, &values).expect("room"));
            }
        });
    });
}

/// What `Node` has, as a value of the host's.
struct Value {
    val: i64,
    _next: Option<Box<Value>>,
    _number: i32,
}

/// How many objects are kept where their bytes are counted.
const KEPT: u64 = 200_000;

/// Bytes of memory that the process has in use.
fn resident_bytes() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").expect("the numbers of this process");
    4096 * pages.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).expect("a number of pages")
}

/// Bytes that each of many objects takes, in the heap and in the host, which a table keeps.
fn bytes_each(engine: &Engine, element: RefType, make: impl Fn(&mut RootScope<&mut Store<()>>, i64) -> Val) -> f64 {
    let mut store = Store::new(engine, ());
    let none = Val::null(&element.heap);
    let table = Table::new(&mut store, TableType::new(element, KEPT, None), none).expect("room");
    let before = resident_bytes();
    for number in 0..KEPT {
        let mut scope = RootScope::new(&mut store);
        let object = make(&mut scope, number as i64);
        table.set(&mut scope, number, object).expect("in the table");
    }
    store.gc().expect("room");
    store.return_memory();
    resident_bytes().saturating_sub(before) as f64 / KEPT as f64
}

/// An object with the same fields as a value of the host's, which the guest has an `externref` of, and as an object of
/// the guest's heap, which the host has bound: what it costs to make one and to read a field, and how many bytes each
/// takes.
fn host_values(criterion: &mut Criterion) {
    let engine = Engine::default();
    let text = "(module (type $Node (struct (field (mut i64)) (field (mut (ref null $Node))) (field (mut i32)))))";
    let module = Module::new(&engine, wat::parse_str(text).expect("a module")).expect("compiles");
    let node = module.bind::<Node>().expect("the same fields");
    let value = |val| Value { val, _next: None, _number: 2 };
    let mut store = Store::new(&engine, ());
    let mut group = criterion.benchmark_group("reach");
    group.throughput(Throughput::Elements(ROUNDS as u64));
    let rounds = || 0..i64::from(ROUNDS);
    group.bench_function("host value, new", |b| {
        b.iter(|| {
            let mut scope = RootScope::new(&mut store);
            rounds().for_each(|v| _ = black_box(ExternRef::new(&mut scope, value(v)).expect("room")));
        });
    });
    let held = ExternRef::new(&mut store, value(1)).expect("room");
    group.bench_function("host value, read", |b| {
        b.iter(|| {
            let read = |_| {
                let data = black_box(held).data(&store).expect("of this store").expect("the host's");
                data.downcast_ref::<Value>().expect("a value").val
            };
            rounds().map(read).sum::<i64>()
        });
    });
    let made = store.scope(|s| {
        group.bench_function("GC object, new", |b| {
            b.iter(|| {
                s.inner(|s, _| rounds().try_for_each(|v| node.alloc(s, v, None, 2).map(|node| _ = black_box(node))))
            });
        });
        let object = node.alloc(s, 1, None, 2)?;
        group.bench_function("GC object, read", |b| b.iter(|| rounds().map(|_| black_box(object).val(s)).sum::<i64>()));
        Ok(())
    });
    made.expect("room");
    group.finish();
    let of_host = bytes_each(&engine, RefType::EXTERNREF, |scope, number| {
        Val::from(ExternRef::new(scope, value(number)).expect("room"))
    });
    let ty = module.types().named("Node").expect("a type").as_concrete_struct().expect("a struct").clone();
    let of_heap = bytes_each(&engine, RefType::new(true, HeapType::Any), |scope, number| {
        let fields = [Val::I64(number), Val::AnyRef(None), Val::I32(2)];
        Val::from(StructRef::new(scope, &ty, &fields).expect("room"))
    });
    println!("reach/bytes each: {of_host:.1} as a host value, {of_heap:.1} as an object of the heap");
}

/// A reference stored into a young object, into an old one that is logged already, and into old ones that are not.
fn barriers(criterion: &mut Criterion) {
    let text = r#"(module
        (type $cell (struct (field $to (mut anyref))))
        (type $cells (array (mut (ref null $cell))))
        (global $old (mut (ref null $cells)) (ref.null $cells))
        (func (export "fill") (param $n i32)
          (global.set $old (array.new $cells (ref.null $cell) (local.get $n)))
          (loop $l (local.set $n (i32.sub (local.get $n) (i32.const 1)))
            (array.set $cells (global.get $old) (local.get $n) (struct.new $cell (ref.null any)))
            (br_if $l (local.get $n))))
        (func (export "young") (param $n i32) (local $cell (ref null $cell))
          (local.set $cell (struct.new $cell (ref.null any)))
          (loop $l (struct.set $cell $to (local.get $cell) (local.get $cell))
            (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
        (func (export "old, the same object") (param $n i32) (local $cell (ref null $cell)) (local $new (ref null $cell))
          (local.set $cell (array.get $cells (global.get $old) (i32.const 0)))
          (local.set $new (struct.new $cell (ref.null any)))
          (loop $l (struct.set $cell $to (local.get $cell) (local.get $new))
            (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
        (func (export "old, each once") (param $n i32) (local $new (ref null $cell))
          (local.set $new (struct.new $cell (ref.null any)))
          (loop $l (local.set $n (i32.sub (local.get $n) (i32.const 1)))
            (struct.set $cell $to (array.get $cells (global.get $old) (local.get $n)) (local.get $new))
            (br_if $l (local.get $n)))))"#;
    let (mut store, instance) = guest(&Engine::default(), text);
    let mut run =
        |export: &str| -> TypedFunc<i32, ()> { instance.get_typed_func(&mut store, export).expect("exported") };
    let [fill, young, same, each] = ["fill", "young", "old, the same object", "old, each once"].map(&mut run);
    fill.call(&mut store, ROUNDS).expect("runs");
    store.gc().expect("room");
    let mut group = criterion.benchmark_group("barrier");
    group.throughput(Throughput::Elements(ROUNDS as u64));
    for (name, run) in [("young", young), ("old, the same object", same)] {
        group.bench_function(name, |b| b.iter(|| run.call(&mut store, ROUNDS).expect("runs")));
    }
    group.bench_function("old, each once", |b| {
        b.iter_custom(|iterations| {
            (0..iterations)
                .map(|_| {
                    // A collection forgets what the log names.
                    store.gc().expect("room");
                    let start = thread_time();
                    each.call(&mut store, ROUNDS).expect("runs");
                    thread_time() - start
                })
                .sum()
        });
    });
}

/// Makes objects and keeps one of `every`; 0 keeps none. What an earlier call kept is garbage then.
const KEEPING: &str = r#"(module
    (type $node (struct (field i64) (field (ref null $node))))
    (global $kept (mut (ref null $node)) (ref.null $node))
    (func (export "make") (param $n i32) (param $every i32) (local $new (ref null $node)) (local $left i32)
      (global.set $kept (ref.null $node))
      (local.set $left (local.get $every))
      (loop $l
        (local.set $new (struct.new $node (i64.const 1) (global.get $kept)))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (if (i32.eqz (local.get $left))
          (then (global.set $kept (local.get $new)) (local.set $left (local.get $every))))
        (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))"#;

/// The pause of a collection of the nursery, where one object of some survives.
fn minors(criterion: &mut Criterion) {
    let (mut store, instance) = guest(&Engine::default(), KEEPING);
    let make: TypedFunc<(i32, i32), ()> = instance.get_typed_func(&mut store, "make").expect("exported");
    let (count, pause_ns) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (counted, summed) = (count.clone(), pause_ns.clone());
    store.on_gc(move |event| {
        if event.kind == GcEventKind::Minor {
            counted.fetch_add(1, Relaxed);
            summed.fetch_add((event.pause_us * 1e3) as u64, Relaxed);
        }
    });
    let mut group = criterion.benchmark_group("minor");
    for (name, every) in [("nothing survives", 0), ("one of 20 survives", 20), ("one of 4 survives", 4)] {
        group.bench_function(name, |b| {
            b.iter_custom(|iterations| {
                count.store(0, Relaxed);
                pause_ns.store(0, Relaxed);
                while count.load(Relaxed) < iterations {
                    make.call(&mut store, (100_000, every)).expect("runs");
                }
                Duration::from_nanos(pause_ns.load(Relaxed) * iterations / count.load(Relaxed))
            });
        });
    }
}

/// A full collection of 200,000 objects made before, of which one of some is alive.
fn markings(criterion: &mut Criterion) {
    const OBJECTS: i32 = 200_000;
    let (mut store, instance) = guest(&Engine::default(), KEEPING);
    let make: TypedFunc<(i32, i32), ()> = instance.get_typed_func(&mut store, "make").expect("exported");
    let mut group = criterion.benchmark_group("full collection");
    group.sample_size(20);
    group.throughput(Throughput::Elements(OBJECTS as u64));
    for (name, every) in [("one of 20 is alive", 20), ("one of 2 is alive", 2), ("all are alive", 1)] {
        group.bench_function(name, |b| {
            b.iter_custom(|iterations| {
                (0..iterations)
                    .map(|_| {
                        make.call(&mut store, (OBJECTS, every)).expect("runs");
                        let start = thread_time();
                        store.gc().expect("room");
                        thread_time() - start
                    })
                    .sum()
            });
        });
    }
}

/// A store with 1 MiB of living objects: a checkpoint, a fork, and a rollback of what a call has written.
fn checkpoints(criterion: &mut Criterion) {
    let text = r#"(module (type $node (struct (field (mut i64)) (field (ref null $node))))
        (global $list (mut (ref null $node)) (ref.null $node))
        (func (export "build") (param i32)
            (loop $more
                (global.set $list (struct.new $node (i64.const 1) (global.get $list)))
                (br_if $more (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
        (func (export "change") (struct.set $node 0 (global.get $list) (i64.const 2))
            (drop (struct.new $node (i64.const 1) (global.get $list)))))"#;
    let engine = Engine::default();
    let (mut store, instance) = guest(&engine, text);
    let build = instance.get_typed_func::<i32, ()>(&mut store, "build").expect("an export");
    build.call(&mut store, (1 << 20) / 24).expect("runs");
    let mut group = criterion.benchmark_group("checkpoint");
    group.bench_function("checkpoint", |b| b.iter(|| store.checkpoint().expect("freezes")));
    let checkpoint = store.checkpoint().expect("freezes");
    let change = instance.get_typed_func::<(), ()>(&mut store, "change").expect("an export");
    group.bench_function("rollback", |b| b.iter(|| store.rollback(&checkpoint).expect("rolls back")));
    group.bench_function("call and rollback", |b| {
        b.iter(|| {
            change.call(&mut store, ()).expect("runs");
            store.rollback(&checkpoint).expect("rolls back");
        });
    });
    group.bench_function("fork", |b| b.iter(|| checkpoint.fork(()).expect("forks")));
    group.bench_function("fork and call", |b| {
        b.iter(|| {
            let mut fork = checkpoint.fork(()).expect("forks");
            let instance = fork.instances().next().expect("an instance");
            let change = instance.get_typed_func::<(), ()>(&mut fork, "change").expect("an export");
            change.call(&mut fork, ()).expect("runs");
        });
    });
    for (kind, pooled) in [("fork of Kotlin hello and call, new", 0), ("fork of Kotlin hello and call, pooled", 4)] {
        let checkpoint = checkpoint_of_hello(&Engine::new(Config::new().pooled_stores(pooled)).expect("an engine"));
        group.bench_function(kind, |b| {
            b.iter(|| {
                let mut fork = checkpoint.fork(quiet()).expect("forks");
                let instance = fork.instances().next().expect("an instance");
                let start = instance.get_typed_func::<(), ()>(&mut fork, "_start").expect("exported");
                start.call(&mut fork, ()).expect("runs");
            });
        });
    }
    group.finish();
}

/// A context of WASI whose output goes nowhere.
fn quiet() -> WasiCtx {
    WasiCtx::builder().stdout(MemoryOutput::new(1 << 10)).build().expect("a context")
}

/// Kotlin's `hello` after it ran once.
fn checkpoint_of_hello(engine: &Engine) -> Checkpoint<WasiCtx> {
    let path = format!("{}/../tests/guests/kotlin/wasm/hello.wasm", env!("CARGO_MANIFEST_DIR"));
    let module = Module::new(engine, fs::read(path).expect("a guest of the repository")).expect("compiles");
    let mut linker: Linker<WasiCtx> = Linker::new(engine);
    wasi::add_to_linker(&mut linker, |wasi| wasi).expect("new names");
    let mut store = Store::new(engine, quiet());
    let instance = linker.instantiate(&mut store, &module).expect("instantiates");
    let start = instance.get_typed_func::<(), ()>(&mut store, "_start").expect("exported");
    start.call(&mut store, ()).expect("runs");
    store.checkpoint().expect("freezes")
}
