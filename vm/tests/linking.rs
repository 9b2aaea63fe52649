//! Linkers: imports that are chosen once, and those that nobody defines.

use heapwood_vm::*;

fn module(engine: &Engine, text: &str) -> Module {
    Module::new(engine, wat::parse_str(text).unwrap()).unwrap()
}

fn link_errors(error: Error) -> Vec<LinkError> {
    match error.into_kind() {
        ErrorKind::Link(errors) => errors,
        kind => panic!("{kind:?}"),
    }
}

const COUNTER: &str = r#"(module
    (import "host" "step" (func $step (result i64)))
    (global $count (mut i64) (i64.const 0))
    (func (export "next") (result i64)
        (global.set $count (i64.add (global.get $count) (call $step)))
        (global.get $count)))"#;

#[test]
fn imports_are_chosen_once_for_many_stores() {
    let engine = Engine::default();
    let module = module(&engine, COUNTER);
    let mut linker = Linker::new(&engine);
    linker.func_wrap("host", "step", |caller: Caller<'_, i64>| *caller.data()).unwrap();
    let pre = linker.instantiate_pre(&module).unwrap();
    // What the linker learns later is nothing to it.
    linker.allow_shadowing(true).func_wrap("host", "step", || 1000_i64).unwrap();
    assert_eq!(pre.module().imports().count(), 1);
    std::thread::scope(|scope| {
        for step in 1..=4 {
            let (engine, pre) = (&engine, pre.clone());
            scope.spawn(move || {
                let mut store = Store::new(engine, step);
                for _ in 0..2 {
                    let instance = pre.instantiate(&mut store).unwrap();
                    let next = instance.get_typed_func::<(), i64>(&mut store, "next").unwrap();
                    assert_eq!([(); 3].map(|()| next.call(&mut store, ()).unwrap()), [step, 2 * step, 3 * step]);
                }
            });
        }
    });
}

#[test]
fn what_does_not_fit_is_said_when_imports_are_chosen() {
    let engine = Engine::default();
    let text = r#"(module
        (import "a" "f" (func (param i32))) (import "a" "g" (func (result i32))) (import "a" "h" (func))
        (import "a" "memory" (memory 1)))"#;
    let module = module(&engine, text);
    let mut linker = Linker::<()>::new(&engine);
    linker.func_wrap("a", "h", || ()).unwrap();
    let missing = link_errors(linker.instantiate_pre(&module).unwrap_err());
    let names: Vec<_> = missing.iter().map(|error| (&*error.name, error.found.as_deref())).collect();
    assert_eq!(names, [("f", None), ("g", None), ("memory", None)]);
    linker.func_wrap("a", "f", |_: i64| ()).unwrap();
    linker.func_wrap("a", "g", || 0_i32).unwrap();
    linker.func_wrap("a", "memory", || ()).unwrap();
    let wrong = link_errors(linker.instantiate_pre(&module).unwrap_err());
    let found: Vec<_> = wrong.iter().map(|error| (&*error.name, error.found.as_deref().unwrap())).collect();
    assert_eq!(found, [("f", "(func (param i64))"), ("memory", "(func)")]);
    // An instance at once is refused for the same reasons.
    let mut store = Store::new(&engine, ());
    assert_eq!(link_errors(linker.instantiate(&mut store, &module).unwrap_err()), wrong);
}

/// What belongs to a store can be chosen, and is looked at where an instance is made.
#[test]
fn definitions_of_a_store_are_for_that_store() {
    let engine = Engine::default();
    let module = module(&engine, r#"(module (import "a" "memory" (memory 2)) (export "memory" (memory 0)))"#);
    let mut store = Store::new(&engine, ());
    let small = Memory::new(&mut store, MemoryType::new(1, None)).unwrap();
    let mut linker = Linker::new(&engine);
    linker.define("a", "memory", small).unwrap();
    let pre = linker.instantiate_pre(&module).unwrap();
    let error = link_errors(pre.instantiate(&mut store).unwrap_err());
    assert!(error[0].found.as_deref().is_some_and(|found| found.contains("memory")), "{error:?}");
    small.grow(&mut store, 1).unwrap();
    assert!(pre.instantiate(&mut store).is_ok());
    let error = pre.instantiate(&mut Store::new(&engine, ())).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
    let error = pre.instantiate(&mut Store::new(&Engine::default(), ())).unwrap_err();
    assert_eq!(error.to_string(), "a store of another engine was used with a linker");
}

#[test]
fn unknown_functions_fail_when_they_are_called() {
    let engine = Engine::default();
    let text = r#"(module
        (import "a" "known" (func $known (result i32))) (import "b" "unknown" (func $unknown (param i32) (result i32)))
        (func (export "known") (result i32) (call $known))
        (func (export "unknown") (result i32) (call $unknown (i32.const 1))))"#;
    let with_functions = module(&engine, text);
    let mut linker = Linker::<()>::new(&engine);
    linker.func_wrap("a", "known", || 5).unwrap();
    linker.define_unknown_imports_as_traps(&with_functions).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &with_functions).unwrap();
    let mut call = |name| instance.get_typed_func::<(), i32>(&mut store, name).unwrap().call(&mut store, ());
    assert_eq!(call("known").unwrap(), 5);
    let error = call("unknown").unwrap_err();
    assert_eq!(
        error.to_string(),
        "unknown import: `b::unknown` of type `(func (param i32) (result i32))` has not been defined"
    );
    assert_eq!(error.backtrace().unwrap().frames().len(), 1, "{error:?}");
    assert_eq!(link_errors(error)[0].name, "unknown");
    // What is no function stays missing.
    let with_global = module(&engine, r#"(module (import "c" "f" (func)) (import "c" "g" (global i32)))"#);
    linker.define_unknown_imports_as_traps(&with_global).unwrap();
    let missing = link_errors(linker.instantiate_pre(&with_global).unwrap_err());
    assert_eq!(missing.iter().map(|error| &*error.name).collect::<Vec<_>>(), ["g"]);
    let foreign = module(&Engine::default(), COUNTER);
    assert!(linker.define_unknown_imports_as_traps(&foreign).is_err());
    assert!(linker.instantiate_pre(&foreign).is_err());
}

/// A store, a borrow of it, a scope and a caller have the same methods.
#[test]
fn stores_show_the_same_through_whatever_leads_to_them() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, 7);
    Memory::new(&mut store, MemoryType::new(3, None)).unwrap();
    let stats = (store.gc_stats().majors, store.memory_stats(), *store.data());
    assert_eq!(stats.1.memories[0].used_bytes, 3 << 16);
    {
        let context = store.as_context();
        assert!(Engine::same(context.engine(), &engine));
        assert_eq!((context.gc_stats().majors, context.memory_stats(), *context.data()), stats);
        context.interrupt_handle().clear();
    }
    let mut majors = stats.0;
    let mut collected = |now: u64| {
        assert_eq!(now, majors + 1);
        majors = now;
    };
    let mut context = store.as_context_mut();
    context.gc().unwrap();
    *context.data_mut() += 1;
    context.interrupt_handle().clear();
    assert_eq!((context.memory_stats().total_pages, *context.data()), (3, 8));
    collected(context.gc_stats().majors);
    let mut scope = RootScope::new(&mut store);
    assert!(Engine::same(scope.engine(), &engine));
    scope.gc().unwrap();
    *scope.data_mut() += 1;
    scope.interrupt_handle().clear();
    assert_eq!((scope.memory_stats().total_pages, *scope.data()), (3, 9));
    collected(scope.gc_stats().majors);
    drop(scope);
    let function = Func::wrap(&mut store, |mut caller: Caller<'_, i32>| {
        caller.gc().unwrap();
        caller.interrupt_handle().clear();
        (caller.gc_stats().majors as i64, caller.memory_stats().total_pages as i64)
    });
    let function = function.typed::<(), (i64, i64)>(&store).unwrap();
    let (now, pages) = function.call(&mut store, ()).unwrap();
    assert_eq!(pages, 3);
    collected(now as u64);
}
