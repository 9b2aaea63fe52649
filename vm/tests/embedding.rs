//! The embedding API: stores on threads, imports between instances, handles, objects.

use heapwood_vm::*;

fn module(engine: &Engine, text: &str) -> Module {
    Module::new(engine, wat::parse_str(text).unwrap()).unwrap()
}

#[test]
fn stores_run_on_many_threads_and_move_between_them() {
    let engine = Engine::default();
    let module = module(
        &engine,
        r#"(module
            (type $s (struct (field i32)))
            (memory 1)
            (func (export "f") (param i32) (result i32) (local $i i32) (local $s (ref null $s))
              (loop $l
                (local.set $s (struct.new $s (local.get $i)))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if $l (i32.lt_u (local.get $i) (local.get 0))))
              (struct.get $s 0 (local.get $s)))
            (func (export "fault") (result i32) (i32.load (i32.const -1))))"#,
    );
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut store = Store::new(&engine, ());
                let instance = Instance::new(&mut store, &module, &[]).unwrap();
                let f = instance.get_typed_func::<i32, i32>(&mut store, "f").unwrap();
                assert_eq!(f.call(&mut store, 200_000).unwrap(), 199_999);
                let mut store = std::thread::spawn(move || {
                    let fault = instance.get_typed_func::<(), i32>(&mut store, "fault").unwrap();
                    let error = fault.call(&mut store, ()).unwrap_err();
                    assert_eq!(error.trap().unwrap().kind(), TrapKind::MemoryOutOfBounds);
                    store
                })
                .join()
                .unwrap();
                assert_eq!(f.call(&mut store, 10).unwrap(), 9);
            });
        }
    });
}

#[test]
fn instances_share_everything_that_they_import() {
    let engine = Engine::default();
    let a = module(
        &engine,
        r#"(module
            (memory (export "m") 1 3) (table (export "t") 2 funcref) (global (export "g") (mut i32) (i32.const 1))
            (tag (export "e") (param i32))
            (func $f (export "f") (result i32) (global.get 0)))"#,
    );
    let b = module(
        &engine,
        r#"(module
            (import "a" "m" (memory 1 3)) (import "a" "t" (table 2 funcref)) (import "a" "g" (global (mut i32)))
            (import "a" "e" (tag $e (param i32))) (import "a" "f" (func $f (result i32)))
            (elem (i32.const 0) $f)
            (func (export "run") (result i32)
              (drop (memory.grow (i32.const 1)))
              (i32.store (i32.const 65536) (i32.const 4))
              (global.set 0 (i32.add (global.get 0) (i32.load (i32.const 65536))))
              (call_indirect (result i32) (i32.const 0)))
            (func (export "throw") (throw $e (i32.const 3))))"#,
    );
    let mut store = Store::new(&engine, ());
    let mut linker = Linker::new(&engine);
    let first = linker.instantiate(&mut store, &a).unwrap();
    linker.instance(&mut store, "a", first).unwrap();
    let second = linker.instantiate(&mut store, &b).unwrap();
    let run = second.get_typed_func::<(), i32>(&mut store, "run").unwrap();
    assert_eq!(run.call(&mut store, ()).unwrap(), 5);
    let memory = first.get_memory(&mut store, "m").unwrap();
    assert_eq!(memory.size(&store), 2);
    assert_eq!(memory.data(&store)[65536], 4);
    assert!(memory.grow(&mut store, 2).is_err());
    let throw = second.get_typed_func::<(), ()>(&mut store, "throw").unwrap();
    let error = throw.call(&mut store, ()).unwrap_err();
    assert_eq!(error.exception().unwrap().tag(), first.get_tag(&mut store, "e").unwrap());
}

#[test]
fn imports_that_are_missing_or_of_other_types_are_named_with_their_types() {
    let engine = Engine::default();
    let wants = module(
        &engine,
        r#"(module (import "env" "f" (func (param i32) (result i64))) (import "env" "g" (global (mut f32))))"#,
    );
    let mut store = Store::new(&engine, ());
    let mut linker = Linker::new(&engine);
    let error = linker.instantiate(&mut store, &wants).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("`env::f` of type `(func (param i32) (result i64))`"), "{text}");
    assert!(text.contains("`env::g` of type `(global (mut f32))`"), "{text}");
    linker.func_wrap("env", "f", |_: i64| 0i64).unwrap();
    let global = Global::new(&mut store, GlobalType::new(ValType::F32, false), Val::from(0f32)).unwrap();
    linker.define("env", "g", global).unwrap();
    let error = linker.instantiate(&mut store, &wants).unwrap_err();
    let ErrorKind::Link(errors) = error.kind() else { panic!("{error}") };
    assert_eq!(errors.len(), 2);
    assert_eq!(errors[0].found.as_deref(), Some("(func (param i64) (result i64))"));
}

#[test]
fn objects_are_read_and_written_from_the_host() {
    let engine = Engine::default();
    let module = module(
        &engine,
        r#"(module
            (type $a (array (mut i8)))
            (type $s (struct (field i32) (field (mut f64)) (field (mut (ref null $a)))))
            (func (export "make") (result (ref $s))
              (struct.new $s (i32.const 4) (f64.const 0.5) (array.new_fixed $a 2 (i32.const 1) (i32.const 255)))))"#,
    );
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let make = instance.get_func(&mut store, "make").unwrap();
    let mut scope = RootScope::new(&mut store);
    let mut results = [Val::I32(0)];
    make.call(&mut scope, &[], &mut results).unwrap();
    let Val::AnyRef(Some(object)) = results[0] else { panic!("{results:?}") };
    assert_eq!(object.field(&mut scope, 0).unwrap().i32(), Some(4));
    object.set_field(&mut scope, 1, Val::from(2.5)).unwrap();
    assert_eq!(object.field(&mut scope, 1).unwrap().f64(), Some(2.5));
    assert!(object.set_field(&mut scope, 0, Val::I32(1)).is_err(), "not mutable");
    assert!(object.set_field(&mut scope, 2, Val::AnyRef(Some(object))).is_err(), "another type");
    let Val::AnyRef(Some(array)) = object.field(&mut scope, 2).unwrap() else { panic!() };
    assert_eq!(array.array_len(&scope).unwrap(), 2);
    assert_eq!(array.element(&mut scope, 1).unwrap().i32(), Some(255));
    assert!(array.element(&mut scope, 2).is_err());
    assert!(object.field(&mut scope, 3).is_err());
    drop(scope);
    assert!(object.kind(&store).is_err(), "its scope is over");
}

#[test]
fn a_trap_in_the_second_segment_leaves_the_first_in_place() {
    let engine = Engine::default();
    let owner = module(&engine, r#"(module (memory (export "m") 1))"#);
    let user = module(
        &engine,
        r#"(module (import "a" "m" (memory 1)) (data (i32.const 0) "ab") (data (i32.const 65535) "cd"))"#,
    );
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &owner, &[]).unwrap();
    let memory = instance.get_memory(&mut store, "m").unwrap();
    let error = Instance::new(&mut store, &user, &[memory.into()]).unwrap_err();
    assert_eq!(error.trap().unwrap().kind(), TrapKind::MemoryOutOfBounds);
    assert_eq!(&memory.data(&store)[..2], b"ab");
    assert_eq!(memory.data(&store)[65535], 0);
}

#[test]
fn linear_memories_have_a_common_limit() {
    let mut config = Config::new();
    config.max_memory(3 << 16);
    let engine = Engine::new(&config).unwrap();
    let module = module(
        &engine,
        r#"(module (memory (export "m") 2) (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))"#,
    );
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let grow = instance.get_typed_func::<i32, i32>(&mut store, "grow").unwrap();
    assert_eq!(grow.call(&mut store, 2).unwrap(), -1);
    assert_eq!(grow.call(&mut store, 1).unwrap(), 2);
    let error = Instance::new(&mut store, &module, &[]).unwrap_err();
    assert!(error.to_string().contains("196608"), "{error}");
}

#[test]
fn tables_and_element_segments_count_against_the_limit_of_memories() {
    let mut config = Config::new();
    config.max_memory((1 << 16) + 10_000);
    let engine = Engine::new(&config).unwrap();
    let says = "beyond the limit of 75536 bytes for all memories, tables and element segments (StoreBuilder::memory_max, Config::max_memory)";
    let refused = |what: &str, fields: &str| {
        let module = module(&engine, &format!("(module {fields})"));
        let error = Instance::new(&mut Store::new(&engine, ()), &module, &[]).map(drop).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Limit(_)), "{error}");
        assert!(error.to_string().starts_with(what) && error.to_string().ends_with(says), "{error}");
    };
    refused("a table of 80000 bytes", "(table 20000 funcref)");
    refused("a table of 40000 bytes", "(table 10000 funcref) (table 10000 funcref)");
    refused("a table of 81565 bytes", "(table 20000 externref)");
    refused("a memory of 65536 bytes", "(memory 1) (memory 1)");
    refused("a table of 12000 bytes", "(memory 1) (table 3000 funcref)");
    let items = |n| "(item ref.null extern)".repeat(n);
    refused("an element segment of 80000 bytes", &format!("(elem externref {})", items(20_000)));
    refused("an element segment of 40000 bytes", &format!("{0} {0}", format!("(elem externref {})", items(10_000))));

    // What was dropped does not count; declared segments never do.
    let text = format!(
        r#"(module (table $t (export "t") 1000 funcref) (elem $e externref {}) (elem declare externref {})
            (memory 0)
            (func (export "grow") (param i32) (result i32) (table.grow $t (ref.null func) (local.get 0)))
            (func (export "memory") (param i32) (result i32) (memory.grow (local.get 0)))
            (func (export "drop") (elem.drop $e)))"#,
        items(15_000),
        items(50_000)
    );
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module(&engine, &text), &[]).unwrap();
    let grow = instance.get_typed_func::<i32, i32>(&mut store, "grow").unwrap();
    let grow_memory = instance.get_typed_func::<i32, i32>(&mut store, "memory").unwrap();
    let drop_segment = instance.get_typed_func::<(), ()>(&mut store, "drop").unwrap();
    assert_eq!(grow.call(&mut store, 10_000).unwrap(), -1);
    assert_eq!(grow_memory.call(&mut store, 1).unwrap(), -1);
    let table = instance.get_table(&mut store, "t").unwrap();
    assert!(table.grow(&mut store, 10_000, Val::FuncRef(None)).is_err());
    drop_segment.call(&mut store, ()).unwrap();
    drop_segment.call(&mut store, ()).unwrap();
    assert_eq!(grow.call(&mut store, 1000).unwrap(), 1000);
    assert_eq!(grow_memory.call(&mut store, 1).unwrap(), 0);
    assert_eq!(grow.call(&mut store, 1000).unwrap(), -1);
    // So many elements are left to the penny.
    assert_eq!(grow.call(&mut store, 500).unwrap(), 2000);
    assert_eq!(grow.call(&mut store, 1).unwrap(), -1);
}

#[test]
fn what_a_kotlin_exception_says() {
    // As the Kotlin compiler lays out throwables and strings: a message that is the sum of two, and a cause.
    let text = r#"(module
        (type $chars (array (mut i16)))
        (type $string (struct (field $leftIfInSum (ref null $string)) (field $_chars (ref $chars))))
        (rec (type $any (sub (struct)))
            (type $kotlin.Throwable (sub $any (struct (field $message (ref null $string)) (field $cause (ref null $any))))))
        (type $kotlin.Error (sub $kotlin.Throwable
            (struct (field $message (ref null $string)) (field $cause (ref null $any)))))
        (tag $thrown (param (ref $any)))
        (func (export "fail")
            (throw $thrown (struct.new $kotlin.Error
                (struct.new $string
                    (struct.new $string (ref.null $string) (array.new_fixed $chars 2 (i32.const 110) (i32.const 111)))
                    (array.new_fixed $chars 2 (i32.const 32) (i32.const 228)))
                (struct.new $kotlin.Throwable (ref.null $string) (ref.null $any)))))
        (func (export "other") (throw $number (i32.const 1)))
        (tag $number (param i32)))"#;
    let engine = Engine::default();
    let module = Module::new(&engine, text).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let mut fail = |name: &str| {
        let error = instance.get_typed_func::<(), ()>(&mut store, name).unwrap().call(&mut store, ()).unwrap_err();
        error.exception().unwrap().describe(&mut store).unwrap()
    };
    assert_eq!(fail("fail").as_deref(), Some("kotlin.Error: no ä\nCaused by: kotlin.Throwable"));
    assert_eq!(fail("other"), None);
}
