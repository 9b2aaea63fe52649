//! Traps by faults, by checks and by the runtime; exceptions.

use heapwood_vm::*;

fn instantiate_with(config: &Config, text: &str) -> (Store<()>, Instance) {
    let engine = Engine::new(config).unwrap();
    let module = Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    (store, instance)
}

fn instantiate(text: &str) -> (Store<()>, Instance) {
    instantiate_with(&Config::new(), text)
}

fn kind(error: &Error) -> TrapKind {
    error.trap().unwrap_or_else(|| panic!("no trap: {error:?}")).kind()
}

#[test]
fn faults_of_all_kinds_are_traps_with_the_place_where_they_happened() {
    let (mut store, instance) = instantiate(
        r#"(module
            (memory 1)
            (type $s (struct (field i32) (field (mut i64))))
            (table 3 funcref)
            (func $div (export "div") (param i32) (result i32) (i32.div_s (i32.const 7) (local.get 0)))
            (func $over (export "over") (param i32) (result i32) (i32.div_s (i32.const 0x80000000) (local.get 0)))
            (func $load (export "load") (param i32) (result i32) (i32.load offset=4 (local.get 0)))
            (func $null (export "null") (param i32) (result i32) (struct.get $s 0 (ref.null $s)))
            (func $ind (export "ind") (param i32) (result i32) (call_indirect (result i32) (local.get 0)))
            (func $unr (export "unr") (param i32) (result i32) unreachable))"#,
    );
    let cases = [
        ("div", 0, TrapKind::IntegerDivideByZero),
        ("over", -1, TrapKind::IntegerOverflow),
        ("load", 65536, TrapKind::MemoryOutOfBounds),
        ("load", -1, TrapKind::MemoryOutOfBounds),
        ("load", 65530, TrapKind::MemoryOutOfBounds),
        ("null", 0, TrapKind::NullStruct),
        ("ind", 1, TrapKind::UninitializedElement),
        ("ind", 3, TrapKind::UndefinedElement),
        ("unr", 0, TrapKind::Unreachable),
    ];
    for (name, arg, wanted) in cases {
        let func = instance.get_typed_func::<i32, i32>(&mut store, name).unwrap();
        let error = func.call(&mut store, arg).unwrap_err();
        assert_eq!(kind(&error), wanted, "{name}({arg})");
        let frame = &error.backtrace().unwrap().frames()[0];
        assert_eq!(frame.func_name(), Some(name));
        assert!(frame.module_offset() > 0);
    }
    let div = instance.get_typed_func::<i32, i32>(&mut store, "div").unwrap();
    assert_eq!(div.call(&mut store, 7).unwrap(), 1, "the store is usable afterwards");
}

#[test]
fn endless_recursion_is_a_trap() {
    let (mut store, instance) = instantiate(r#"(module (func $f (export "f") (call $f)))"#);
    let func = instance.get_typed_func::<(), ()>(&mut store, "f").unwrap();
    for _ in 0..3 {
        let error = func.call(&mut store, ()).unwrap_err();
        assert_eq!(kind(&error), TrapKind::StackExhausted);
        assert!(error.backtrace().unwrap().omitted() > 1000);
    }
}

#[test]
fn endless_recursion_with_large_frames_is_a_trap() {
    let locals = "(local i64) ".repeat(3000);
    let calls = "(call $f (i64.const 1) (i64.const 2) (i64.const 3))";
    let text = format!(r#"(module (func $f (export "f") (param i64 i64 i64) {locals} {calls}))"#);
    let (mut store, instance) = instantiate(&text);
    let func = instance.get_typed_func::<(i64, i64, i64), ()>(&mut store, "f").unwrap();
    assert_eq!(kind(&func.call(&mut store, (1, 2, 3)).unwrap_err()), TrapKind::StackExhausted);
}

#[test]
fn a_loop_is_interrupted_from_another_thread() {
    let (mut store, instance) = instantiate(r#"(module (func (export "f") (loop $l (br $l))))"#);
    let func = instance.get_typed_func::<(), ()>(&mut store, "f").unwrap();
    let handle = store.interrupt_handle();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(20));
        handle.interrupt();
    });
    assert_eq!(kind(&func.call(&mut store, ()).unwrap_err()), TrapKind::Interrupted);
    thread.join().unwrap();
    store.interrupt_handle().interrupt();
    assert_eq!(kind(&func.call(&mut store, ()).unwrap_err()), TrapKind::Interrupted, "a request before the call");
}

const EXCEPTIONS: &str = r#"(module
    (tag $e (param i32)) (tag $other)
    (import "h" "through" (func $through (param i32)))
    (func $throw (export "throw") (param i32) (throw $e (local.get 0)))
    (func $deep (param i32 i32)
      (local i64) (local.set 2 (i64.const 99))
      (if (local.get 0)
        (then (call $deep (i32.sub (local.get 0) (i32.const 1)) (local.get 1)))
        (else (call $throw (local.get 1))))
      (drop (local.get 2)))
    (func (export "catch") (param $depth i32) (param $value i32) (result i32)
      (local $kept i32)
      (local.set $kept (i32.const 1000))
      (i32.add (local.get $kept)
        (block $h (result i32)
          (try_table (catch $other $none) (catch $e $h)
            (call $deep (local.get $depth) (local.get $value)))
          unreachable))
      (return)
      )
    (func (export "host") (param i32) (result i32)
      (block $h (result i32)
        (try_table (catch $e $h) (call $through (local.get 0)))
        unreachable)))"#;

fn exceptions() -> (Store<()>, Instance) {
    let engine = Engine::default();
    let text = EXCEPTIONS
        .replace(r#"(import "h" "through" (func $through (param i32)))"#, "")
        .replacen("(module", r#"(module (import "h" "through" (func $through (param i32)))"#, 1)
        .replace("(catch $other $none) ", "");
    let module = Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
    let mut linker = Linker::new(&engine);
    let through = |mut caller: Caller<'_, ()>, value: i32| -> Result<()> {
        let throw = caller.get_export("throw").and_then(Extern::into_func).unwrap();
        let error = throw.typed::<i32, ()>(&caller)?.call(&mut caller, value).unwrap_err();
        assert!(error.exception().is_some());
        Err(error)
    };
    linker.func_wrap("h", "through", through).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &module).unwrap();
    (store, instance)
}

#[test]
fn an_exception_is_caught_across_frames() {
    let (mut store, instance) = exceptions();
    let func = instance.get_typed_func::<(i32, i32), i32>(&mut store, "catch").unwrap();
    for depth in [0, 1, 2, 500] {
        assert_eq!(func.call(&mut store, (depth, 7)).unwrap(), 1007);
    }
}

#[test]
fn an_exception_passes_through_a_host_function() {
    let (mut store, instance) = exceptions();
    let func = instance.get_typed_func::<i32, i32>(&mut store, "host").unwrap();
    assert_eq!(func.call(&mut store, 5).unwrap(), 5);
}

#[test]
fn an_uncaught_exception_is_an_error_with_its_payload() {
    let (mut store, instance) = exceptions();
    let func = instance.get_typed_func::<i32, ()>(&mut store, "throw").unwrap();
    let error = func.call(&mut store, 11).unwrap_err();
    let payload = error.exception().unwrap().payload(&mut store).unwrap();
    assert_eq!(payload[0].i32(), Some(11));
    assert_eq!(error.to_string(), "uncaught exception with tag `e`");
    assert_eq!(error.backtrace().unwrap().frames()[0].func_name(), Some("throw"));
}
