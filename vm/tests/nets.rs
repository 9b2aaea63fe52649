//! Each safety net, with what it is for broken on purpose: the verifier or the checker must report it.

use heapwood_vm::*;

fn verified(every: u64) -> Config {
    let mut config = Config::new();
    config.gc_stress(every).gc_verify(true);
    config
}

const LISTS: &str = r#"(module
    (import "h" "gc" (func $gc))
    (type $n (struct (field (mut (ref null $n))) (field i32)))
    (global $old (mut (ref null $n)) (ref.null $n))
    (func $new (param i32) (result (ref $n)) (struct.new $n (ref.null $n) (local.get 0)))
    (func (export "locals") (result i32)
      (local $a (ref null $n)) (local $b (ref null $n))
      (local.set $a (call $new (i32.const 1)))
      (local.set $b (call $new (i32.const 2)))
      (call $gc)
      (struct.set $n 0 (local.get $a) (local.get $b))
      (global.set $old (local.get $b))
      (call $gc)
      (struct.get $n 1 (local.get $a)))
    (func (export "prepare") (global.set $old (call $new (i32.const 7))))
    (func (export "store") (struct.set $n 0 (global.get $old) (call $new (i32.const 8))))
    (func (export "get") (result anyref) (global.get $old)))"#;

fn instantiate(config: &Config) -> (Store<()>, Instance) {
    let engine = Engine::new(config).unwrap();
    let module = Module::new(&engine, wat::parse_str(LISTS).unwrap()).unwrap();
    let mut store = Store::new(&engine, ());
    let gc = Func::wrap(&mut store, |mut caller: Caller<'_, ()>| caller.gc());
    let instance = Instance::new(&mut store, &module, &[gc.into()]).unwrap();
    (store, instance)
}

fn call(store: &mut Store<()>, instance: Instance, name: &str) {
    instance.get_typed_func::<(), ()>(&mut *store, name).unwrap().call(store, ()).unwrap();
}

/// What a panic says.
fn message(run: impl FnOnce()) -> String {
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).expect_err("nothing was reported");
    panic.downcast_ref::<String>().cloned().unwrap_or_else(|| panic.downcast_ref::<&str>().unwrap().to_string())
}

#[test]
fn intact_nets_report_nothing() {
    let (mut store, instance) = instantiate(&verified(1));
    let locals = instance.get_typed_func::<(), i32>(&mut store, "locals").unwrap();
    assert_eq!(locals.call(&mut store, ()).unwrap(), 1);
    call(&mut store, instance, "prepare");
    store.gc().unwrap();
    call(&mut store, instance, "store");
    store.gc().unwrap();
}

#[test]
fn a_slot_missing_in_a_stack_map_is_reported() {
    let mut config = Config::new();
    config.gc_verify(true).drop_last_slot(true);
    let (mut store, instance) = instantiate(&config);
    let locals = instance.get_typed_func::<(), i32>(&mut store, "locals").unwrap();
    let said = message(|| drop(locals.call(&mut store, ())));
    assert!(said.contains("verifier") || said.contains("checker"), "{said}");
}

#[test]
fn a_dirty_upper_half_is_reported() {
    let text = r#"(module (memory 1 1) (func (export "grow") (result i32) (memory.grow (i32.const 1))))"#;
    let grow = |break_it| {
        let mut config = Config::new();
        config.debug_checks(true).skip_zero_extension(break_it);
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let grow = instance.get_typed_func::<(), i32>(&mut store, "grow").unwrap();
        grow.call(&mut store, ()).map_err(|error| error.trap().unwrap().kind())
    };
    assert_eq!(grow(false), Ok(-1));
    assert_eq!(grow(true), Err(TrapKind::DirtyUpperHalf));
}

#[test]
fn a_forgotten_log_entry_is_reported() {
    let (mut store, instance) = instantiate(&{
        let mut config = Config::new();
        config.gc_verify(true);
        config
    });
    call(&mut store, instance, "prepare");
    store.gc().unwrap();
    store.skip_next_log();
    call(&mut store, instance, "store");
    let said = message(|| drop(store.gc()));
    assert!(said.contains("verifier"), "{said}");
}

#[test]
fn a_stale_reference_is_reported() {
    let mut config = Config::new();
    config.gc_verify(true);
    let (mut store, instance) = instantiate(&config);
    call(&mut store, instance, "prepare");
    let mut results = [Val::I32(0)];
    instance.get_func(&mut store, "get").unwrap().call(&mut store, &[], &mut results).unwrap();
    let Val::AnyRef(Some(handle)) = results[0] else { panic!("{results:?}") };
    let before = store.raw_reference(&handle);
    store.gc().unwrap();
    assert_ne!(store.raw_reference(&handle), before, "the object was promoted");
    store.set_raw_reference(&handle, before);
    let said = message(|| drop(store.gc()));
    assert!(said.contains("verifier"), "{said}");
}
