//! Checkpoints in files: another process goes on where the store was; and what is not such a file, or was made for
//! something else, or cannot be saved is an error.

use crate::model::{Code, Data, Saved, World, modes};
use crate::random::Random;
use heapwood_vm::*;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file that is removed at the end.
struct TempFile(PathBuf);

impl TempFile {
    fn new(name: &str) -> TempFile {
        TempFile(std::env::temp_dir().join(format!("heapwood-{}-{name}.checkpoint", std::process::id())))
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[allow(unsafe_code, reason = "the promise of whoever loads a checkpoint")]
fn load<T: 'static>(linker: &Linker<T>, modules: &[Module], path: &Path) -> Result<Checkpoint<T>> {
    // SAFETY: tests save their files themselves; what they damage is refused, and nobody changes what is loaded.
    unsafe { Checkpoint::load(linker, modules, path) }
}

/// What lies before in an engine, so that types have other numbers there.
fn crowded(config: &Config) -> Engine {
    let engine = Engine::new(config).unwrap();
    let text = r#"(module (rec (type $a (struct (field (ref null $b)))) (type $b (array (ref null $a))))
        (type (func (param f64 f64 f64))) (type (sub (struct (field i64 f32)))) (tag (param i64 f64)))"#;
    // Its types stay: a store holds them.
    let module = Module::new(&engine, text).unwrap();
    let mut store = Store::new(&engine, ());
    Instance::new(&mut store, &module, &[]).unwrap();
    std::mem::forget(store);
    engine
}

fn prepared(config: &Config, seed: u64) -> (World, Saved, Random) {
    let mut random = Random(seed);
    let mut world = World::new(&Code::new(config));
    world.build(40);
    (0..80).for_each(|_| world.step(&mut random));
    world.forget_externs();
    let saved = world.checkpoint();
    (world, saved, random)
}

/// Goes on with a checkpoint of a file, also to further checkpoints and files.
fn go_on(code: &Code, saved: &Saved, path: &Path, random: &mut Random) {
    let loaded = saved.with(load(&code.linker(), &code.modules(), path).unwrap());
    let mut world = World::begin(code, &loaded);
    world.compare();
    (0..40).for_each(|_| world.step(random));
    world.compare();
    let mut fork = World::begin(code, &loaded);
    fork.compare();
    world.rollback(&loaded);
    world.compare();
    (0..40).for_each(|_| world.step(random));
    world.forget_externs();
    let second = world.checkpoint();
    let file = TempFile::new(&format!("second-{}", random.index(1 << 30)));
    second.checkpoint.save(&file.0).unwrap();
    fork.compare();
    let loaded = second.with(load(&code.linker(), &code.modules(), &file.0).unwrap());
    drop(file);
    let mut world = World::begin(code, &loaded);
    world.compare();
    (0..20).for_each(|_| world.step(random));
    world.compare();
}

#[test]
fn what_is_loaded_agrees_with_the_model_in_all_modes_and_engines() {
    for (name, config) in modes() {
        for seed in 0..3 {
            println!("{name}, seed {seed}");
            let (mut world, saved, mut random) = prepared(&config, 1000 + seed);
            let file = TempFile::new(&format!("model-{seed}"));
            saved.checkpoint.save(&file.0).unwrap();
            world.compare();
            go_on(&world.code, &saved, &file.0, &mut random);
            go_on(&Code::new(&config), &saved, &file.0, &mut random);
            go_on(&Code::in_engine(crowded(&config)), &saved, &file.0, &mut random);
            // The store goes on as well, and can come back.
            (0..20).for_each(|_| world.step(&mut random));
            world.rollback(&saved);
            world.compare();
        }
    }
}

/// The process that saves ends before the other one begins.
#[test]
fn another_process_goes_on_where_the_store_was() {
    const NAME: &str = "saved::another_process_goes_on_where_the_store_was";
    let var = |name: &str| std::env::var(name).ok();
    let run = |part: &str, file: &Path, mode: usize, seed: u64| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([NAME, "--exact", "--nocapture", "--test-threads=1"]);
        command.env("HEAPWOOD_SAVED", part).env("HEAPWOOD_SAVED_FILE", file);
        command.env("HEAPWOOD_SAVED_MODE", mode.to_string()).env("HEAPWOOD_SAVED_SEED", seed.to_string());
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && text.contains(&format!("{part} is done")),
            "{part}, {mode}, {seed}:\n{text}"
        );
    };
    let Some(part) = var("HEAPWOOD_SAVED") else {
        for mode in 0..modes().len() {
            for seed in 0..2 {
                let file = TempFile::new(&format!("process-{mode}-{seed}"));
                run("save", &file.0, mode, seed);
                run("load", &file.0, mode, seed);
                run("load into a crowd", &file.0, mode, seed);
            }
        }
        return;
    };
    let (_, config) = modes().swap_remove(var("HEAPWOOD_SAVED_MODE").unwrap().parse().unwrap());
    let seed = var("HEAPWOOD_SAVED_SEED").unwrap().parse().unwrap();
    let file = PathBuf::from(var("HEAPWOOD_SAVED_FILE").unwrap());
    // The program is the same in all processes, and so is the model.
    let (_, saved, mut random) = prepared(&config, seed);
    match part.as_str() {
        "save" => saved.checkpoint.save(&file).unwrap(),
        "load" => go_on(&Code::new(&config), &saved, &file, &mut random),
        _ => go_on(&Code::in_engine(crowded(&config)), &saved, &file, &mut random),
    }
    println!("{part} is done");
}

#[test]
fn a_large_graph_comes_back_while_every_allocation_collects() {
    let mut config = Config::new();
    config.gc_stress(1).gc_verify(true).gc_heap_max(256 << 20);
    let code = Code::new(&config);
    let mut world = World::new(&code);
    world.store.set_checks(0, false);
    world.build(20_000);
    world.store.set_checks(1, true);
    let saved = world.checkpoint();
    let file = TempFile::new("large");
    saved.checkpoint.save(&file.0).unwrap();
    let mut random = Random(5);
    for code in [Code::new(&config), Code::in_engine(crowded(&config))] {
        let loaded = saved.with(load(&code.linker(), &code.modules(), &file.0).unwrap());
        let mut world = World::begin(&code, &loaded);
        world.compare();
        (0..4).for_each(|_| world.change_large(&mut random, 9));
        world.store.check_heap();
        world.compare();
        world.rollback(&loaded);
        world.compare();
    }
}

fn is_checkpoint_error<T>(result: Result<T>, part: &str) -> bool {
    match result {
        Ok(_) => panic!("{part} is not refused"),
        Err(error) => {
            assert!(error.to_string().contains(part), "{error} does not say {part}");
            matches!(error.kind(), ErrorKind::Checkpoint(_))
        }
    }
}

#[test]
fn no_damaged_file_is_taken() {
    let (_, saved, mut random) = prepared(&Config::new(), 1);
    let file = TempFile::new("damaged");
    saved.checkpoint.save(&file.0).unwrap();
    let whole = std::fs::read(&file.0).unwrap();
    let code = Code::new(&Config::new());
    let (linker, modules) = (code.linker(), code.modules());
    for number in 0..300 {
        let mut bytes = whole.clone();
        let at = match number % 3 {
            0 => random.index(64),
            1 => random.index(4096),
            _ => random.index(bytes.len()),
        };
        match number % 5 {
            0..3 => bytes[at] ^= 1 << random.index(8),
            3 => bytes.truncate(at),
            _ => {
                let end = (at + 1 + random.index(5000)).min(bytes.len());
                bytes[at..end].reverse();
                bytes.push(at as u8);
            }
        }
        if bytes == whole {
            continue;
        }
        std::fs::write(&file.0, &bytes).unwrap();
        assert!(is_checkpoint_error(load(&linker, &modules, &file.0), "the checkpoint is refused"), "{number}");
    }
    std::fs::write(&file.0, &whole).unwrap();
    World::begin(&code, &saved.with(load(&linker, &modules, &file.0).unwrap())).compare();
}

#[test]
fn what_was_made_for_something_else_is_refused() {
    let (world, saved, _) = prepared(&Config::new(), 2);
    let file = TempFile::new("foreign");
    saved.checkpoint.save(&file.0).unwrap();
    let code = &world.code;
    let [other, guest] = code.modules();
    let refuse = |linker: &Linker<Data>, modules: &[Module], part: &str| {
        assert!(is_checkpoint_error(load(linker, modules, &file.0), part), "{part}");
    };
    refuse(&code.linker(), std::slice::from_ref(&other), "it needs a module without a name of");
    let foreign = Module::new(&code.engine, "(module $foreign (func))").unwrap();
    refuse(&code.linker(), &[other.clone(), foreign], "which is none of the 2 that were given");
    // Modules and linker of two engines.
    let second = Code::new(&Config::new());
    let error = load(&second.linker(), &code.modules(), &file.0).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Usage(_)) && error.to_string().contains("another engine"), "{error}");
    // Other settings.
    let mut fuel = Config::new();
    fuel.consume_fuel(true);
    let mut guards = Config::new();
    guards.memory32_guard(false);
    let mut features = Config::new();
    features.features(features_without("tail_call"));
    for (config, part) in [(fuel, "consume_fuel"), (guards, "memory32_guard")] {
        let code = Code::new(&config);
        refuse(&code.linker(), &code.modules(), part);
    }
    let engine = Engine::new(&features).unwrap();
    let linker = Linker::<Data>::new(&engine);
    refuse(&linker, &[], "tail-call");
    let mut none = Config::new();
    none.gc_none(true);
    let code = Code::new(&none);
    refuse(&code.linker(), &code.modules(), "no collector");
    let _ = guest;
}

fn features_without(name: &str) -> Features {
    let mut features = Features::default();
    features.set(&name.replace('_', "-"), false).unwrap();
    features
}

#[test]
fn host_functions_come_from_the_linker() {
    let engine = Engine::default();
    let text = r#"(module $m (import "host" "a" (func $a (result i32))) (import "host" "b" (func (param i64)))
        (import "host" "a" (func $again (result i32)))
        (table $t 1 funcref) (elem (i32.const 0) $again)
        (func (export "call") (result i32)
            (i32.add (call $a) (call_indirect (result i32) (i32.const 0)))))"#;
    let module = Module::new(&engine, text).unwrap();
    let linker = |a: i32| {
        let mut linker: Linker<()> = Linker::new(&engine);
        linker.func_wrap("host", "a", move || a).unwrap();
        linker.func_wrap("host", "b", |_: i64| ()).unwrap();
        linker
    };
    let mut store = Store::new(&engine, ());
    linker(1).instantiate(&mut store, &module).unwrap();
    // Nobody reaches it: it need not be given.
    let unreached = Func::wrap(&mut store, || 5);
    let file = TempFile::new("linker");
    store.checkpoint().unwrap().save(&file.0).unwrap();
    let call = |checkpoint: &Checkpoint<()>| {
        let mut fork = checkpoint.fork(()).unwrap();
        let instance = fork.instances().next().unwrap();
        instance.get_typed_func::<(), i32>(&mut fork, "call").unwrap().call(&mut fork, ()).unwrap()
    };
    let modules = [module.clone()];
    assert_eq!(call(&load(&linker(20), &modules, &file.0).unwrap()), 40);
    let empty = Linker::<()>::new(&engine);
    let error = load(&empty, &modules, &file.0).unwrap_err();
    let ErrorKind::Link(errors) = error.kind() else { panic!("{error}") };
    assert_eq!(errors.len(), 3, "{error}");
    assert!(error.to_string().contains("unknown import: `host::a` of type `(func (result i32))`"), "{error}");
    let mut wrong = linker(1);
    wrong.allow_shadowing(true).func_wrap("host", "b", |_: i32| ()).unwrap();
    let error = load(&wrong, &modules, &file.0).unwrap_err();
    assert!(error.to_string().contains("incompatible import type: `host::b`"), "{error}");

    // What the guest reaches has to be an import.
    let ty = TableType::new(RefType::FUNCREF, 1, None);
    let table = Table::new(&mut store, ty, Val::FuncRef(Some(unreached))).unwrap();
    let error = store.checkpoint().unwrap().save(&file.0).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Checkpoint(_)), "{error}");
    assert!(error.to_string().contains("without a name of type (func (result i32))"), "{error}");
    table.set(&mut store, 0, Val::FuncRef(None)).unwrap();
    store.checkpoint().unwrap().save(&file.0).unwrap();
}

#[test]
fn host_values_and_secrets_are_not_saved() {
    let engine = Engine::default();
    let linker = Linker::<()>::new(&engine);
    let mut store = Store::new(&engine, ());
    let ty = GlobalType::new(ValType::EXTERNREF, true);
    let global = Global::new(&mut store, ty, Val::ExternRef(None)).unwrap();
    let file = TempFile::new("values");
    let mut scope = RootScope::new(&mut store);
    let value = ExternRef::new(&mut scope, "of the host").unwrap();
    let root = value.to_owned(&mut scope).unwrap();
    value.register_finalizer(&mut scope, 3).unwrap();
    global.set(&mut scope, Val::ExternRef(Some(value))).unwrap();
    drop(scope);
    assert!(is_checkpoint_error(store.checkpoint().unwrap().save(&file.0), "a value of the host (externref)"));
    global.set(&mut store, Val::ExternRef(None)).unwrap();
    let secret = b"the secret that is nowhere else";
    let memory = Memory::new(&mut store, MemoryType::builder().min(1).build().unwrap()).unwrap();
    let open = Memory::new(&mut store, MemoryType::builder().min(1).build().unwrap()).unwrap();
    memory.write(&mut store, 100, secret).unwrap();
    open.write(&mut store, 5, b"open").unwrap();
    memory.set_secrecy(&mut store, Secrecy::LeftOut).unwrap();
    // Handles of the host do not matter, and what they name is gone.
    store.checkpoint().unwrap().save(&file.0).unwrap();
    let bytes = std::fs::read(&file.0).unwrap();
    assert!(!bytes.windows(secret.len()).any(|window| window == secret));
    assert!(bytes.windows(4).any(|window| window == b"open"));
    let loaded = load(&linker, &[], &file.0).unwrap();
    let mut fork = loaded.fork(()).unwrap();
    assert!(loaded.root(&mut fork, &root).is_err() && fork.instances().next().is_none());
    fork.gc().unwrap();
    let mut scope = RootScope::new(&mut fork);
    ExternRef::new(&mut scope, 1).unwrap();
    drop(scope);
    let next = fork.checkpoint().unwrap();
    next.save(&file.0).unwrap();
    assert!(load(&linker, &[], &file.0).is_ok());
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file.0).unwrap().permissions());
    assert_eq!(mode & 0o077, 0, "what lies in a heap is the user's");
}

/// Types that no module has: of the host's own making, in rec groups that name each other and types of modules.
#[test]
fn objects_of_types_of_the_host_are_what_they_were() {
    let save = |file: &Path| {
        let engine = Engine::default();
        let (module, node, list) = types(&engine);
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let global = instance.get_global(&mut store, "g").unwrap();
        let mut scope = RootScope::new(&mut store);
        let first = StructRef::new(&mut scope, &node, &[Val::I32(7), Val::AnyRef(None)]).unwrap();
        let all = ArrayRef::new(&mut scope, &list, &first.into(), 3).unwrap();
        let last = StructRef::new(&mut scope, &node, &[Val::I32(8), all.into()]).unwrap();
        global.set(&mut scope, last.into()).unwrap();
        drop(scope);
        let ty = TableType::new(RefType::new(true, node.into()), 2, None);
        Table::new(&mut store, ty, Val::AnyRef(None)).unwrap();
        store.checkpoint().unwrap().save(file).unwrap();
    };
    let file = TempFile::new("types");
    save(&file.0);
    let mut config = Config::new();
    config.gc_stress(1).gc_verify(true);
    for engine in [Engine::new(&config).unwrap(), crowded(&config)] {
        let module = Module::new(&engine, MODULE).unwrap();
        let checkpoint = load(&Linker::<()>::new(&engine), &[module], &file.0).unwrap();
        let mut fork = checkpoint.fork(()).unwrap();
        let (_, node, list) = types(&engine);
        let instance = fork.instances().next().unwrap();
        let global = instance.get_global(&mut fork, "g").unwrap();
        let mut scope = RootScope::new(&mut fork);
        let Val::AnyRef(Some(last)) = global.get(&mut scope) else { panic!("an object") };
        let last = last.unwrap_struct(&scope).unwrap();
        assert_eq!(last.ty(&scope).unwrap(), node);
        let Val::AnyRef(Some(all)) = last.field(&mut scope, 1).unwrap() else { panic!("an array") };
        let all = all.unwrap_array(&scope).unwrap();
        assert_eq!((all.ty(&scope).unwrap(), all.len(&scope).unwrap()), (list, 3));
        let Val::AnyRef(Some(first)) = all.get(&mut scope, 2).unwrap() else { panic!("an object") };
        assert_eq!(first.field(&mut scope, 0).unwrap().i32(), Some(7));
    }
}

const MODULE: &str =
    r#"(module (type $s (sub (struct (field i32)))) (global (export "g") (mut anyref) (ref.null any)))"#;

/// A struct and an array type that name each other.
fn types(engine: &Engine) -> (Module, StructType, ArrayType) {
    let module = Module::new(engine, MODULE).unwrap();
    let base = module.types().get(0).unwrap();
    let mut group = TypeBuilder::new(engine);
    let (node, list) = (group.declare(), group.declare());
    let number = (Mutability::Const, ValType::I32.into());
    group.define(node, GroupType::structure([number, (Mutability::Var, ValType::ANYREF.into())]).extends(base));
    group.define(list, GroupType::array((Mutability::Var, node.nullable())));
    let types = group.build().unwrap();
    (module, types[0].as_concrete_struct().unwrap().clone(), types[1].as_concrete_array().unwrap().clone())
}
