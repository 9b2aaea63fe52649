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

/// An import is known by its type as well as by its name, and names need not be known before.
#[test]
fn resolvers_are_asked_for_each_import_with_its_type() {
    let engine = Engine::default();
    let text = r#"(module
        (import "a" "f" (func $one (param i32) (result i32))) (import "a" "f" (func $two (param i64) (result i64)))
        (import "a" "known" (func $known (result i32))) (import "a" "known" (func $other (result i64)))
        (import "words" "any name at all" (global externref)) (import "a" "wrapped" (func $wrapped (result i32)))
        (func (export "sum") (result i64)
            (i64.add (i64.add (i64.extend_i32_u (call $one (i32.const 1))) (call $two (i64.const 20)))
                (i64.add (i64.extend_i32_u (i32.add (call $known) (call $wrapped))) (call $other)))))"#;
    let module = module(&engine, text);
    let mut store = Store::new(&engine, ());
    let mut linker = Linker::<()>::new(&engine);
    linker.func_wrap("a", "known", || 300_i32).unwrap();
    let missing = link_errors(linker.instantiate_pre(&module).unwrap_err());
    assert_eq!(missing.iter().map(|error| &*error.name).collect::<Vec<_>>(), ["f", "f", "any name at all", "wrapped"]);
    linker.resolve_with("a", |import| match (&import.ty, import.name) {
        (ExternType::Func(ty), "f" | "known") => Ok(Some(Resolved::func_new(ty.clone(), |_, args, results| {
            results[0] = args.first().copied().unwrap_or(Val::I64(4_000));
            Ok(())
        }))),
        _ => Ok(None),
    });
    let asked = engine.clone();
    linker.resolve_with("a", move |import| match import.name {
        "wrapped" => Ok(Some(Resolved::func_wrap(&asked, || 50_000_i32)?)),
        _ => Ok(None),
    });
    let value = ExternRef::new(&mut store, "a word").unwrap();
    let ty = GlobalType::new(ValType::EXTERNREF, false);
    let global = Global::new(&mut store, ty, Val::ExternRef(Some(value))).unwrap();
    linker.resolve_with("words", move |import| Ok(import.name.contains("any name").then(|| Resolved::item(global))));
    let instance = linker.clone().instantiate(&mut store, &module).unwrap();
    let sum = instance.get_typed_func::<(), i64>(&mut store, "sum").unwrap();
    // What is defined by name and fits is not asked for.
    assert_eq!(sum.call(&mut store, ()).unwrap(), 1 + 20 + 300 + 4_000 + 50_000);
    // A definition by name that nobody can replace is still the wrong type.
    let wrong = self::module(&engine, r#"(module (import "a" "known" (global i32)))"#);
    let errors = link_errors(linker.instantiate_pre(&wrong).unwrap_err());
    assert_eq!(errors[0].found.as_deref(), Some("(func (result i32))"));
    // A resolver that fails, and one that is asked first since it came last.
    let is_first = |_: &ImportType<'_>| -> Result<Option<Resolved<()>>> { Err(Error::msg("no more")) };
    let error = linker.resolve_with("a", is_first).instantiate_pre(&module).unwrap_err();
    assert_eq!(error.to_string(), "no more");
    assert!(linker.define_unknown_imports_as_traps(&module).is_err());
}

/// What a resolver answers is looked at like what is defined by name.
#[test]
fn what_resolvers_answer_has_to_be_of_the_engine_and_the_store() {
    let (engine, foreign) = (Engine::default(), Engine::default());
    let module = module(&engine, r#"(module (import "a" "f" (func)))"#);
    let mut store = Store::new(&engine, ());
    let mut elsewhere = Store::new(&engine, ());
    let ty = FuncType::new(&foreign, [], []).unwrap();
    let item = Func::wrap(&mut elsewhere, || ());
    let says = |resolve: &dyn Fn(&mut Linker<()>), store: &mut Store<()>, what: &str| {
        let mut linker = Linker::new(&engine);
        resolve(&mut linker);
        let error = linker.instantiate(store, &module).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    };
    let foreign_type = |linker: &mut Linker<()>| {
        let ty = ty.clone();
        linker.resolve_with("a", move |_| Ok(Some(Resolved::func_new(ty.clone(), |_, _, _| Ok(())))));
    };
    says(&foreign_type, &mut store, "another engine");
    let foreign_closure = |linker: &mut Linker<()>| {
        let foreign = foreign.clone();
        linker.resolve_with("a", move |_| Ok(Some(Resolved::func_wrap(&foreign, || ())?)));
    };
    says(&foreign_closure, &mut store, "another engine");
    let of_another_store = |linker: &mut Linker<()>| {
        linker.resolve_with("a", move |_| Ok(Some(Resolved::item(item))));
    };
    says(&of_another_store, &mut store, "a store that it does not belong to");
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

/// A memory and a number that are made in each store.
#[test]
fn resolvers_give_each_instance_what_it_has_alone() {
    let engine = Engine::default();
    let text = r#"(module
        (import "env" "memory" (memory 2 8)) (import "env" "base" (global $base i32)) (import "env" "more" (memory 1))
        (func (export "put") (param i32) (i32.store (global.get $base) (local.get 0)))
        (func (export "get") (result i32) (i32.load (global.get $base))))"#;
    let mut linker = Linker::<()>::new(&engine);
    linker.resolve_with("env", |import| {
        Ok(match &import.ty {
            ExternType::Memory(ty) => Some(Resolved::memory(*ty)),
            ExternType::Global(_) => Some(Resolved::constant_i32(70_000)),
            _ => None,
        })
    });
    let program = linker.instantiate_pre(&module(&engine, text)).unwrap();
    let mut store = Store::new(&engine, ());
    let instances = [(); 3].map(|()| program.instantiate(&mut store).unwrap());
    for (number, instance) in (1..).zip(instances) {
        instance.get_typed_func::<i32, ()>(&mut store, "put").unwrap().call(&mut store, number).unwrap();
    }
    for (number, instance) in (1_i32..).zip(instances) {
        let memory = instance.get_imported_memory(&mut store, "env", "memory").unwrap();
        assert_eq!(memory.data(&store)[70_000..70_004], number.to_le_bytes());
        assert_eq!(
            instance.get_typed_func::<(), i32>(&mut store, "get").unwrap().call(&mut store, ()).unwrap(),
            number
        );
        assert_eq!(memory.grow(&mut store, 6).unwrap(), 2);
        assert!(memory.grow(&mut store, 1).is_err());
        let other = instance.get_imported_memory(&mut store, "env", "more").unwrap();
        assert_eq!(other.size(&store), 1);
        for (module, name) in [("env", "base"), ("env", "put"), ("", "memory"), ("memory", "env")] {
            assert_eq!(instance.get_imported_memory(&mut store, module, name), None);
        }
    }
    // What does not fit is named, with both types, before there is a store.
    let mut linker = Linker::<()>::new(&engine);
    linker.resolve_with("env", |import| {
        Ok(match import.name {
            "memory" => Some(Resolved::memory(MemoryType::new(2, Some(8)))),
            _ => Some(Resolved::constant_i32(1)),
        })
    });
    for (import, found) in [
        (r#""memory" (memory 3)"#, "(memory 2 8)"),
        (r#""memory" (memory 1 7)"#, "(memory 2 8)"),
        (r#""memory" (memory i64 1)"#, "(memory 2 8)"),
        (r#""memory" (global i32)"#, "(memory 2 8)"),
        (r#""base" (global (mut i32))"#, "(global i32)"),
        (r#""base" (global i64)"#, "(global i32)"),
        (r#""base" (func)"#, "(global i32)"),
    ] {
        let wrong = self::module(&engine, &format!(r#"(module (import "env" {import}))"#));
        let errors = link_errors(linker.instantiate_pre(&wrong).unwrap_err());
        assert_eq!(errors[0].found.as_deref(), Some(found), "{import}");
    }
    // A memory that nobody can have is an error of the instantiation, which leaves nothing behind.
    let mut linker = Linker::<()>::new(&engine);
    linker.resolve_with("env", |_| Ok(Some(Resolved::memory(MemoryType { min: 9, ..MemoryType::new(1, Some(8)) }))));
    let wants = module(&engine, r#"(module (import "env" "memory" (memory 9)))"#);
    assert!(linker.instantiate(&mut store, &wants).is_err());
}

/// A tag that is made for each instance, which the host finds again to throw it.
#[test]
fn resolvers_give_each_instance_a_tag_of_its_own() {
    let engine = Engine::default();
    let text = r#"(module
        (import "env" "base" (global i32)) (import "env" "other" (tag (param i32 f64)))
        (import "env" "tag" (tag $tag (param i32))) (import "env" "throw" (func $throw (param i32)))
        (func (export "own") (param i32) (result i32)
            (block $caught (result i32)
                (try_table (catch $tag $caught) (call $throw (local.get 0)))
                (i32.const -1)))
        (func (export "throw") (param i32) (throw $tag (local.get 0)))
        (export "tag" (tag $tag)))"#;
    let mut linker = Linker::<()>::new(&engine);
    linker.resolve_with("env", |import| {
        Ok(match &import.ty {
            ExternType::Tag(ty) => Some(Resolved::tag(ty.clone())),
            ExternType::Global(_) => Some(Resolved::constant_i32(1)),
            _ => None,
        })
    });
    let throw = |mut caller: Caller<'_, ()>, number: i32| -> Result<()> {
        let instance = caller.instance().unwrap();
        let tag = instance.get_imported_tag(&mut caller, "env", "tag").unwrap();
        Err(Exception::new(&mut caller, tag, &[Val::I32(number)])?.into())
    };
    linker.func_wrap("env", "throw", throw).unwrap();
    let program = linker.instantiate_pre(&module(&engine, text)).unwrap();
    let mut stores = [(); 2].map(|()| Store::new(&engine, ()));
    for store in &mut stores {
        let instances = [(); 3].map(|()| program.instantiate(&mut *store).unwrap());
        let mut seen = Vec::new();
        for (number, instance) in (5..).zip(instances) {
            let mut call = |name: &str| {
                let func = instance.get_typed_func::<i32, i32>(&mut *store, name).unwrap();
                func.call(&mut *store, number).unwrap()
            };
            assert_eq!(call("own"), number);
            let throw = instance.get_typed_func::<i32, ()>(&mut *store, "throw").unwrap();
            let thrown = throw.call(&mut *store, number).unwrap_err();
            let ErrorKind::Exception(thrown) = thrown.kind() else { panic!("{thrown}") };
            let tag = instance.get_imported_tag(&mut *store, "env", "tag").unwrap();
            assert_eq!((thrown.tag(), instance.get_tag(&mut *store, "tag")), (tag, Some(tag)));
            let other = instance.get_imported_tag(&mut *store, "env", "other").unwrap();
            seen.extend([tag, other]);
            for (module, name) in [("env", "base"), ("env", "throw"), ("", "tag"), ("tag", "env")] {
                assert_eq!(instance.get_imported_tag(&mut *store, module, name), None);
            }
        }
        for (at, tag) in seen.iter().enumerate() {
            assert!(!seen[..at].contains(tag), "a tag is given twice");
        }
    }
    // What does not fit is named, with both types, before there is a store.
    let mut linker = Linker::<()>::new(&engine);
    let ty = TagType::new(FuncType::new(&engine, [ValType::I32], []).unwrap());
    linker.resolve_with("env", move |_| Ok(Some(Resolved::tag(ty.clone()))));
    for import in ["(tag)", "(tag (param i64))", "(tag (param i32 i32))", "(func (param i32))", "(global i32)"] {
        let wrong = module(&engine, &format!(r#"(module (import "env" "tag" {import}))"#));
        let errors = link_errors(linker.instantiate_pre(&wrong).unwrap_err());
        assert_eq!(errors[0].found.as_deref(), Some("(tag (func (param i32)))"), "{import}");
    }
    // A type of another engine is refused when the import is chosen.
    let wants = module(&engine, r#"(module (import "env" "tag" (tag)))"#);
    let foreign = Engine::default();
    let ty = TagType::new(FuncType::new(&foreign, [], []).unwrap());
    let mut linker = Linker::<()>::new(&engine);
    linker.resolve_with("env", move |_| Ok(Some(Resolved::tag(ty.clone()))));
    let error = linker.instantiate_pre(&wants).unwrap_err();
    assert!(error.to_string().contains("another engine"), "{error}");
}

/// An import of another type says which part of it differs, whether the linker or the instantiation sees it.
#[test]
fn what_differs_is_said() {
    let engine = Engine::new(Config::new().features({
        let mut features = Features::default();
        features.set("threads", true).unwrap();
        features
    }))
    .unwrap();
    for (given, wanted, difference) in [
        ("(func (param i32))", "(func (param i64))", "parameter 0 is i32 instead of i64"),
        ("(func (param i32))", "(func (param i32 i32))", "it has 1 parameters instead of 2"),
        ("(func (result i32) (i32.const 1))", "(func)", "it has 1 results instead of 0"),
        ("(func)", "(func (type $open))", "the types are of other rec groups, or of other supertypes"),
        ("(func)", "(memory 1)", "it is a function instead of a memory"),
        ("(memory 1)", "(memory 2)", "it has 1 pages, and at least 2 are wanted"),
        ("(memory 1)", "(memory 1 5)", "it may grow without a limit, and at most 5 pages are wanted"),
        ("(memory 1 9)", "(memory 1 5)", "it may have 9 pages, and at most 5 are wanted"),
        ("(memory i64 1)", "(memory 1)", "its addresses have 64 bits instead of 32"),
        ("(memory 1 2 shared)", "(memory 1 2)", "it is shared"),
        ("(memory 1 2)", "(memory 1 2 shared)", "it is not shared"),
        ("(table 1 funcref)", "(table 1 externref)", "its elements are (ref null func) instead of (ref null extern)"),
        ("(table 1 funcref)", "(table 3 funcref)", "it has 1 elements, and at least 3 are wanted"),
        ("(table i64 1 funcref)", "(table 1 funcref)", "its indices have 64 bits instead of 32"),
        ("(global (mut i32) (i32.const 1))", "(global i32)", "it is mutable"),
        ("(global i32 (i32.const 1))", "(global (mut i32))", "it is not mutable"),
        ("(global i32 (i32.const 1))", "(global i64)", "it holds i32 instead of i64"),
        ("(tag (param i32))", "(tag (param i64))", "parameter 0 is i32 instead of i64"),
    ] {
        let given = given.replacen(' ', " (export \"x\") ", 1).replace("(func)", "(func (export \"x\"))");
        let given = module(&engine, &format!("(module {given})"));
        let types = "(type $open (sub (func)))";
        let wanted = module(&engine, &format!("(module {types} (import \"a\" \"x\" {wanted}))"));
        let mut store = Store::new(&engine, ());
        let item = Instance::new(&mut store, &given, &[]).unwrap().get_export(&mut store, "x").unwrap();
        let errors = link_errors(Instance::new(&mut store, &wanted, &[item]).unwrap_err());
        assert_eq!(errors[0].difference.as_deref(), Some(difference));
        assert!(errors[0].to_string().ends_with(&format!(" was given: {difference}")), "{}", errors[0]);
    }
    let wanted = module(&engine, r#"(module (import "a" "x" (func (param i64))))"#);
    let mut linker = Linker::<()>::new(&engine);
    linker.func_wrap("a", "x", |_: i32| ()).unwrap();
    let errors = link_errors(linker.instantiate_pre(&wanted).unwrap_err());
    assert_eq!(errors[0].difference.as_deref(), Some("parameter 0 is i32 instead of i64"));
    let errors = link_errors(Linker::<()>::new(&engine).instantiate_pre(&wanted).unwrap_err());
    assert_eq!(errors[0].difference, None);
}
