//! What can be used by those who do not have the store: while it is lent out, and in a listener.
//!
//! A function that is given a store cannot be called there with the store in question. Whoever lends elements of an
//! array out has borrowed it, and a listener is `'static`: it can hold neither the store nor a borrow of it (the
//! documentation of `Rooted::with_slice` and `Store::on_gc` has programs that do not compile). So each function that is
//! given none has a row here, which answers in those places what it answers elsewhere.

use crate::outside::Outside;
use heapwood_vm::*;
use std::fmt::Debug;
use std::time::Duration;

/// A call, and its answer in words.
pub struct Reach {
    pub function: &'static str,
    pub run: fn(&mut Outside) -> String,
}

fn text(value: impl Debug) -> String {
    format!("{value:?}")
}

/// The answer of a call that may fail, if its value says nothing that stays the same.
fn says<T>(result: Result<T>) -> String {
    text(result.map(drop).map_err(|error| error.to_string()))
}

fn field(ty: ValType) -> FieldType {
    FieldType::new(Mutability::Var, ty.into())
}

/// A function of the host, for functions with one more.
fn nothing(_: Caller<'_, ()>, _: &[Val], _: &mut [Val]) -> Result<()> {
    Ok(())
}

macro_rules! reach {
    ($($function:literal => |$o:ident| $run:expr;)*) => {
        &[$(Reach { function: $function, run: |$o| $run }),*]
    };
}

/// All rows.
pub static ROWS: &[Reach] = reach! {
    // Types.
    "ArrayType::bind" => |o| says(o.array.bind::<i64, ()>());
    "ArrayType::element_type" => |o| text(o.array.element_type());
    "ArrayType::field_type" => |o| text(o.array.field_type());
    "ArrayType::id" => |o| text(o.array.id() == o.array.clone().id());
    "ArrayType::matches" => |o| text(o.array.matches(&o.array));
    "ArrayType::mutability" => |o| text(o.array.mutability());
    "ArrayType::new" => |o| ArrayType::new(&o.engine, field(ValType::F32)).to_string();
    "ArrayType::try_new" => |o| says(ArrayType::try_new(&o.engine, field(ValType::V128)));
    "FuncType::id" => |o| text(o.func.id() == o.func.clone().id());
    "FuncType::matches" => |o| text(o.func.matches(&o.func));
    "FuncType::new" => |o| text(FuncType::new(&o.engine, [const { ValType::F64 }; 9], [ValType::I64]));
    "FuncType::params" => |o| text(o.func.params().collect::<Vec<_>>());
    "FuncType::results" => |o| text(o.func.results().collect::<Vec<_>>());
    "StructType::bind" => |o| says(o.structure.bind::<Node>());
    "StructType::field" => |o| text(o.structure.field(0));
    "StructType::fields" => |o| text(o.structure.fields().collect::<Vec<_>>());
    "StructType::id" => |o| text(o.structure.id() == o.structure.clone().id());
    "StructType::matches" => |o| text(o.structure.matches(&o.structure));
    "StructType::new" => |o| StructType::new(&o.engine, [field(ValType::F32)]).to_string();
    "StructType::try_new" => |o| says(StructType::try_new(&o.engine, [field(ValType::V128)]));
    "TypeBuilder::new" => |o| text(TypeBuilder::new(&o.engine).build().map(|types| types.len()));
    "TypeBuilder::declare" => |o| text({
        let mut group = TypeBuilder::new(&o.engine);
        group.declare() == group.declare()
    });
    "TypeBuilder::define" => |o| group(o);
    "TypeBuilder::build" => |o| group(o);
    "DefinedTypes::get" => |o| text(o.module.types().get(3));
    "DefinedTypes::is_empty" => |o| text(o.module.types().is_empty());
    "DefinedTypes::iter" => |o| text(o.module.types().iter().collect::<Vec<_>>());
    "DefinedTypes::len" => |o| text(o.module.types().len());
    "DefinedTypes::named" => |o| text(o.module.types().named("words"));

    // Engines and modules.
    "Engine::config" => |o| text(o.engine.config().enabled());
    "Engine::compile_progress" => |o| text(o.engine.compile_progress().total_bytes > 0);
    "Engine::detect" => |o| text(o.engine.detect(&o.bytes));
    "Engine::limits" => |o| text(o.engine.limits());
    "Engine::live_types" => |o| text(o.engine.live_types() > 0);
    "Engine::precompile_module" => |o| says(o.engine.precompile_module(&o.bytes));
    "Engine::new" => |o| says(Engine::new(o.engine.config()));
    "Engine::same" => |o| text(Engine::same(&o.engine, o.module.engine()));
    "Module::bind" => |o| says(o.module.bind::<Node>());
    "Module::bind_array" => |o| says(o.module.bind_array::<i64>("words"));
    "Module::code_bytes" => |o| text(o.module.code_bytes() > 0);
    "Module::compiled_function" => |o| text(o.module.compiled_function(1).map(|code| code.is_some()));
    "Module::decode" => |o| says(Module::decode(&o.engine, &o.bytes));
    "Module::deserialize" => |o| {
        // SAFETY: `serialize` made it.
        says(unsafe { Module::deserialize(&o.engine, &o.image) })
    };
    "Module::deserialize_file" => |o| {
        // SAFETY: `serialize` made what the file holds.
        says(unsafe { Module::deserialize_file(&o.engine, o.folder.file("image")) })
    };
    "Module::engine" => |o| text(Engine::same(o.module.engine(), &o.engine));
    "Module::exports" => |o| text(o.module.exports().count());
    "Module::from_binary" => |o| says(Module::from_binary(&o.engine, &o.bytes));
    "Module::from_file" => |o| says(Module::from_file(&o.engine, o.folder.file("module")));
    "Module::func_name" => |o| text(o.module.func_name(1));
    "Module::function_code" => |o| text(o.module.function_code(1).is_some());
    "Module::get_export" => |o| text(o.module.get_export("churn"));
    "Module::hot_function" => |o| text(o.module.hot_function(1).map(|code| code.is_some()));
    "Module::hot_functions" => |o| text(o.module.hot_functions());
    "Module::imports" => |o| text(o.module.imports().count());
    "Module::info" => |o| text(o.module.info().exports.len());
    "Module::name" => |o| text(o.module.name());
    "Module::new" => |o| says(Module::new(&o.engine, &o.bytes));
    "Module::recompiled" => |o| text(o.module.recompiled().count());
    "Module::replaced_frames" => |o| text(o.module.replaced_frames());
    "Module::same" => |o| text(Module::same(&o.module, &o.module));
    "Module::serialize" => |o| says(o.module.serialize());
    "Module::tell_debugger" => |o| {
        drop(o.module.tell_debugger());
        "told".into()
    };
    "Module::types" => |o| text(o.module.types().len());
    "Module::validate" => |o| says(Module::validate(&o.engine, &o.bytes));

    // Linkers.
    "Linker::new" => |o| text(Linker::<()>::new(&o.engine).is_defined("m", "f"));
    "Linker::allow_shadowing" => |o| text(o.linker.allow_shadowing(true).is_defined("", "see"));
    "Linker::define" => |o| says(Linker::<()>::new(&o.engine).define("m", "s", o.shared.clone()));
    "Linker::define_js_string" => |o| says(Linker::<()>::new(&o.engine).define_js_string());
    "Linker::define_unknown_imports_as_traps" => |o| {
        says(Linker::<()>::new(&o.engine).define_unknown_imports_as_traps(&o.module))
    };
    "Linker::engine" => |o| text(Engine::same(o.linker.engine(), &o.engine));
    "Linker::func_new" => |o| says(Linker::new(&o.engine).func_new("m", "f", o.func.clone(), nothing));
    "Linker::func_new_async" => |o| {
        let mut linker = Linker::<()>::new(&o.engine);
        says(linker.func_new_async("m", "f", o.func.clone(), |_, _, _| Box::new(async { Ok(()) })))
    };
    "Linker::func_scoped" => |o| {
        let mut linker = Linker::<()>::new(&o.engine);
        says(linker.func_scoped::<(i32,), i32>("m", "f", o.func.clone(), |_, (number,)| Ok(number)))
    };
    "Linker::func_wrap" => |o| says(Linker::<()>::new(&o.engine).func_wrap("m", "f", |_: f32| 1.5f32));
    "Linker::func_wrap_async" => |o| {
        says(Linker::<()>::new(&o.engine).func_wrap_async("m", "f", |_, ()| Box::new(async { 1.5f32 })))
    };
    "Linker::instantiate_pre" => |o| says(o.linker.instantiate_pre(&o.module));
    "Linker::is_defined" => |o| text(o.linker.is_defined("", "see"));
    "Linker::provides" => |o| text(o.module.imports().map(|import| o.linker.provides(&import)).collect::<Vec<_>>());
    "Linker::resolve_with" => |o| {
        let (engine, mut linker) = (o.engine.clone(), Linker::<()>::new(&o.engine));
        says(linker.resolve_with("", move |_| Resolved::func_wrap(&engine, |number: i32| number).map(Some)).instantiate_pre(&o.module))
    };
    "InstancePre::module" => |o| text(Module::same(o.pre.module(), &o.module));
    "Resolved::func_wrap" => |o| says(Resolved::<()>::func_wrap(&o.engine, |number: i32| number));

    // Shared memories.
    "SharedMemory::new" => |o| text(SharedMemory::new(&o.engine, o.shared.ty()));
    "SharedMemory::atomic_notify" => |o| text(o.shared.atomic_notify(0, 1));
    "SharedMemory::atomic_wait32" => |o| text(o.shared.atomic_wait32(8, 0, Some(Duration::ZERO)));
    "SharedMemory::atomic_wait64" => |o| text(o.shared.atomic_wait64(8, 1, None));
    "SharedMemory::data" => |o| text(o.shared.data().len());
    "SharedMemory::data_size" => |o| text(o.shared.data_size());
    "SharedMemory::engine" => |o| text(Engine::same(o.shared.engine(), &o.engine));
    "SharedMemory::grow" => |o| text(o.shared.grow(0));
    "SharedMemory::page_size" => |o| text(o.shared.page_size());
    "SharedMemory::read" => |o| text(o.shared.read(0, &mut [0; 9]));
    "SharedMemory::size" => |o| text(o.shared.size());
    "SharedMemory::ty" => |o| text(o.shared.ty());
    "SharedMemory::write" => |o| text(o.shared.write(100, &[1; 9]));

    // What stores give out for others.
    "Inbox::send" => |o| text(o.inbox.send(b"message"));
    "Inbox::len" => |o| {
        let before = o.inbox.len();
        text((o.inbox.send(b"message"), o.inbox.len() - before))
    };
    "Inbox::is_empty" => |o| text((o.inbox.send(b"message"), o.inbox.is_empty()));
    "Inspector::ask" => |o| text(o.inspector.ask(|guest| drop(guest.gc_stats())));
    "InterruptHandle::clear" => |o| {
        o.interrupt.clear();
        "cleared".into()
    };
    "InterruptHandle::interrupt" => |o| {
        o.interrupt.interrupt();
        o.interrupt.clear();
        "interrupted and cleared".into()
    };
    "InterruptToken::interrupt" => |o| {
        o.token.interrupt();
        "interrupted".into()
    };
    "Finalizer::cancel" => |o| {
        let was_armed = o.finalizers.pop().expect("one for each place").cancel();
        text(was_armed)
    };
    "Checkpoint::engine" => |o| text(Engine::same(o.checkpoint.engine(), &o.engine));
    "Checkpoint::fork" => |o| {
        let result = o.checkpoint.fork(()).and_then(|mut fork| {
            fork.gc()?;
            let instance = fork.instances().next().expect("an instance");
            instance.get_typed_func::<i32, i32>(&mut fork, "churn")?.call(&mut fork, 10)
        });
        text(result)
    };
    "Checkpoint::heap_bytes" => |o| text(o.checkpoint.heap_bytes() > 0);
    "Checkpoint::load" => |o| {
        // SAFETY: `save` made what the file holds.
        says(unsafe { Checkpoint::load(&o.linker, std::slice::from_ref(&o.module), o.folder.file("saved")) })
    };
    "Checkpoint::save" => |o| says(o.checkpoint.save(o.folder.file("again")));
    "Store::builder" => |o| says(Store::builder(&o.engine).build(()));
    "Store::new" => |o| text(Store::new(&o.engine, 5).into_data());
    "Store::try_new" => |o| says(Store::try_new(&o.engine, 5));
    "StoreBuilder::build" => |o| {
        let result = Store::builder(&o.engine).build(()).and_then(|mut store| {
            let instance = o.pre.instantiate(&mut store)?;
            instance.get_typed_func::<i32, i32>(&mut store, "churn")?.call(&mut store, 300)
        });
        text(result)
    };
    "StoreBuilder::gc_heap_max" => |o| says(Store::builder(&o.engine).gc_heap_max(4 << 20).build(()));
    "StoreBuilder::instances_max" => |o| says(Store::builder(&o.engine).instances_max(4).build(()));
    "StoreBuilder::max_stack" => |o| says(Store::builder(&o.engine).max_stack(1 << 20).build(()));
    "StoreBuilder::memory_max" => |o| says(Store::builder(&o.engine).memory_max(4 << 20).build(()));
    "StoreBuilder::tables_max" => |o| says(Store::builder(&o.engine).tables_max(4).build(()));
};

/// A rec group of one struct, which refers to itself.
fn group(o: &Outside) -> String {
    let mut group = TypeBuilder::new(&o.engine);
    let member = group.declare();
    group.define(member, GroupType::structure([(Mutability::Var, member.nullable())]));
    text(group.build().map(|types| types.len()))
}

/// The struct type of `Outside`'s module.
#[derive(heapwood_derive::GcStruct)]
#[wasm(name = "node")]
struct Node {
    #[wasm(mutable)]
    number: i64,
}
