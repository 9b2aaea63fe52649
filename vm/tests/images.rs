//! Images of compiled modules: what is loaded is what would be compiled there, in any engine that takes it; and what is
//! not an image of this version for these settings is refused, whatever it is.

mod common;
mod images {
    pub mod cache;
    pub mod corpus;
    pub mod damage;
    pub mod terms;
}
#[path = "random/generate.rs"]
mod generate;
#[path = "random/observe.rs"]
mod observe;

use common::load::{load, load_file};
use heapwood_vm::*;
use images::corpus::{self, crowd};
use observe::{Event, observe_module};

/// The engines in which an image is loaded: the one that made it, a new one, and one with other types in it.
fn engines(config: &Config, seed: u64) -> [(&'static str, Engine, Vec<Module>); 3] {
    let new = || Engine::new(config).unwrap();
    let crowded = new();
    let others = crowd(&crowded, seed);
    [("the same engine", new(), Vec::new()), ("a new engine", new(), Vec::new()), ("a crowded engine", crowded, others)]
}

/// The code of all functions, as far as the module has them.
fn code(module: &Module) -> Vec<Vec<u8>> {
    let functions = 0..module.info().functions.len() as u32;
    functions.map(|index| module.function_code(index).map_or(Vec::new(), |(_, code)| code.to_vec())).collect()
}

/// Byte for byte, with the ids of the engine's own types. In some engine each kind of field has to be another one than
/// in the image.
#[test]
fn code_is_what_compiling_there_makes() {
    let mut patched = 0;
    for (mode, config) in common::modes() {
        for (number, (name, bytes)) in corpus::modules().into_iter().enumerate() {
            let engines = engines(&config, number as u64);
            let image = engines[0].1.precompile_module(&bytes).unwrap();
            let as_made = code(&load(&engines[0].1, &image).unwrap());
            for (place, engine, _) in &engines {
                let module = load(engine, &image).unwrap_or_else(|error| panic!("{name}: {error}"));
                // The module that was compiled has the types of the loaded one, which are there already.
                let compiled = Module::new(engine, &bytes).unwrap();
                assert!(code(&module) == code(&compiled), "{name} in {place}, {mode}");
                patched += (code(&module) != as_made) as u32;
                assert_eq!(format!("{:?}", module.info()), format!("{:?}", compiled.info()), "{name} in {place}");
                assert!(module.info().bytes[..] == bytes[..], "{name} in {place}");
                assert_eq!(module.func_name(0), compiled.func_name(0), "{name} in {place}");
            }
            // As long as it lives, its types keep their ids.
            let loaded = load(&engines[2].1, &image).unwrap();
            assert!(
                loaded.serialize().unwrap() == engines[2].1.precompile_module(&bytes).unwrap(),
                "{name}: a loaded module as an image"
            );
        }
    }
    println!("{patched} modules had other types");
    assert!(patched > 100, "only {patched} modules had other types");
}

/// Events up to the first that depends on the machine.
fn comparable(events: &[Event]) -> &[Event] {
    let end = events.iter().position(|event| matches!(event, Event::Limit(_)));
    &events[..end.unwrap_or(events.len())]
}

/// Random modules with casts, indirect calls, exceptions and subtypes, under stress and with verification too.
#[test]
fn loaded_modules_do_the_same() {
    let mut events = 0;
    for (mode, mut config) in common::modes() {
        config.gc_heap_max(8 << 20);
        for seed in 0..25 {
            let Some(bytes) = generate::module(seed) else { continue };
            let engines = engines(&config, seed);
            let image = engines[0].1.precompile_module(&bytes).unwrap();
            let compiled = observe_module(&engines[0].1, &Module::new(&engines[0].1, &bytes).unwrap(), seed);
            for (place, engine, _) in &engines {
                let loaded = observe_module(engine, &load(engine, &image).unwrap(), seed);
                assert_eq!(comparable(&loaded), comparable(&compiled), "seed {seed} in {place}, {mode}");
                events += comparable(&loaded).len();
            }
        }
    }
    println!("{events} events");
    assert!(events > 3000, "only {events} events");
}

/// Objects, exceptions and functions go between a loaded and a compiled module, which mean the same types by other
/// indices; under stress with verification.
#[test]
fn loaded_and_compiled_modules_have_the_same_types() {
    for (mode, config) in common::modes() {
        for loads in 0..4 {
            let (_, engine, _others) = engines(&config, 7).into_iter().nth(2).unwrap();
            let press = Engine::new(&config).unwrap();
            let module = |text: &str, loads: bool| {
                let bytes = wat::parse_str(text).unwrap();
                match loads {
                    true => load(&engine, &press.precompile_module(&bytes).unwrap()).unwrap(),
                    false => Module::new(&engine, &bytes).unwrap(),
                }
            };
            let (library, program) = (module(corpus::LIBRARY, loads & 1 != 0), module(corpus::PROGRAM, loads & 2 != 0));
            let mut store = Store::new(&engine, ());
            let mut linker = Linker::new(&engine);
            let library = linker.instantiate(&mut store, &library).unwrap();
            linker.instance(&mut store, "library", library).unwrap();
            let program = linker.instantiate(&mut store, &program).unwrap();
            let run = program.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
            for n in 0..20 {
                let expected = corpus::program_result(n);
                assert_eq!(run.call(&mut store, n).unwrap(), expected, "{n}, {mode}, loads {loads}");
            }
        }
    }
}

#[test]
fn a_text_becomes_an_image_as_well() {
    let engine = Engine::default();
    let image = engine.precompile_module(b"(module (func (export \"answer\") (result i32) (i32.const 42)))").unwrap();
    let (module, mut store) = (load(&engine, &image).unwrap(), Store::new(&engine, ()));
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let answer = instance.get_typed_func::<(), i32>(&mut store, "answer").unwrap();
    assert_eq!(answer.call(&mut store, ()).unwrap(), 42);
}

/// An image outlives nothing that it came from, and stores run on any thread.
#[test]
fn a_file_may_be_replaced_and_deleted_while_its_module_runs() {
    let directory = corpus::scratch("replaced");
    let path = directory.join("module.image");
    let engine = Engine::default();
    let image = |n: i32| {
        let text = format!(
            "(module (func (export \"f\") (result i32) (i32.const {n})) (func (export \"g\") (call 0) (drop)))"
        );
        engine.precompile_module(&wat::parse_str(text).unwrap()).unwrap()
    };
    let mut modules = Vec::new();
    for n in 0..3 {
        std::fs::write(directory.join("new"), image(n)).unwrap();
        std::fs::rename(directory.join("new"), &path).unwrap();
        assert_eq!(Engine::detect_precompiled_file(&path).unwrap(), Some(Precompiled::Module));
        modules.push(load_file(&engine, &path).unwrap());
    }
    std::fs::remove_file(&path).unwrap();
    for (n, module) in modules.into_iter().enumerate() {
        let engine = &engine;
        let result = std::thread::scope(|scope| {
            let run = move || {
                let mut store = Store::new(engine, ());
                let instance = Instance::new(&mut store, &module, &[]).unwrap();
                instance.get_typed_func::<(), i32>(&mut store, "f").unwrap().call(&mut store, ()).unwrap()
            };
            scope.spawn(run).join().unwrap()
        });
        assert_eq!(result, n as i32);
    }
    assert!(Engine::detect_precompiled_file(&path).is_err(), "there is no file");
}
