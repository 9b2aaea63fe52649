//! Threads as the host brings them: however small the native stack, an entry either has the room that it needs or is an
//! error, and host and guest call each other as deep as the stack is.

mod common;

use common::child::in_child;
use heapwood_vm::*;
use std::io;

/// `f(n)` calls the host, which calls `f(n - 1)`, to the end.
const GUEST: &str = r#"(module
  (type $s (struct (field (mut i32)) (field (mut (ref null $s)))))
  (tag $e (param i32))
  (import "h" "h" (func $h (param i32) (result i32)))
  (func (export "f") (param $n i32) (result i32) (local $kept (ref null $s))
    (local.set $kept (struct.new $s (local.get $n) (ref.null $s)))
    (if (i32.eqz (local.get $n)) (then (return (i32.const 0))))
    (drop (i32.add (call $h (i32.sub (local.get $n) (i32.const 1))) (i32.const 1)))
    (i32.add (struct.get $s 0 (local.get $kept)) (i32.const 0)))
  (func (export "throw") (param $n i32) (result i32) (throw $e (local.get $n))))"#;

/// What nesting to the end of a native stack did.
struct Nested {
    /// Entries that were made.
    levels: usize,
    error: Option<String>,
    /// A call that is not nested, afterwards.
    again: std::result::Result<i32, String>,
}

/// Nests on a thread with so much stack until there is no room.
fn nest(config: &Config, stack_bytes: usize) -> Nested {
    let engine = Engine::new(config).unwrap();
    let module = Module::new(&engine, wat::parse_str(GUEST).unwrap()).unwrap();
    let mut linker: Linker<(usize, Option<String>)> = Linker::new(&engine);
    let nested = |mut caller: Caller<'_, (usize, Option<String>)>, n: i32| -> Result<i32> {
        caller.data_mut().0 += 1;
        let f = caller.get_export("f").and_then(Extern::into_func).unwrap();
        let mut results = [Val::I32(0)];
        if let Err(error) = f.call(&mut caller, &[Val::I32(n)], &mut results)
            && caller.data().1.is_none()
        {
            caller.data_mut().1 = Some(error.to_string());
            use_the_stack(&mut caller, &error);
        }
        Ok(n)
    };
    linker.func_wrap("h", "h", nested).unwrap();
    let mut store = Store::new(&engine, (0, None));
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let f = instance.get_typed_func::<i32, i32>(&mut store, "f").unwrap();
    // Making a module takes more stack than the smallest threads have.
    let run = move || {
        let first = f.call(&mut store, i32::MAX);
        let (levels, inner) = std::mem::take(store.data_mut());
        let again = f.call(&mut store, 0).map_err(|error| error.to_string());
        Nested { levels, error: inner.or(first.err().map(|error| error.to_string())), again }
    };
    std::thread::Builder::new().stack_size(stack_bytes).spawn(run).unwrap().join().unwrap()
}

/// What takes the most native stack, where an entry was refused for want of room: host functions have what entries
/// need.
fn use_the_stack(caller: &mut Caller<'_, (usize, Option<String>)>, error: &Error) {
    assert!(!format!("{error:?}{}", error.backtrace().map(ToString::to_string).unwrap_or_default()).is_empty());
    caller.gc().unwrap();
    caller.as_context_mut().heap_snapshot(io::sink()).unwrap();
}

fn modes() -> [(&'static str, Config); 3] {
    let mut modes = ["default", "marking", "stress"].map(|name| (name, Config::new()));
    for (_, config) in &mut modes {
        config.compile_threads(1).gc_heap_max(common::HEAP_MAX);
    }
    modes[1].1.gc_threads(0).gc_mark_slice(7).gc_nursery(64 << 10);
    modes[2].1.gc_stress(501).gc_verify(true);
    modes
}

#[test]
fn nesting_ends_in_an_error_on_every_stack() {
    in_child("nesting_ends_in_an_error_on_every_stack", || {
        let mut cases = 0;
        for (name, config) in modes() {
            // The steps are smaller than a level, so that the last one finds all sorts of room.
            let small = (40 << 10..296 << 10).step_by(8 << 10);
            let fine = (256 << 10..258 << 10).step_by(256);
            for stack_bytes in small.chain(fine).chain([512 << 10, 1 << 20, 2 << 20]) {
                let Nested { levels, error, again } = nest(&config, stack_bytes);
                let case = format!("{name}, {stack_bytes} bytes: {levels} levels");
                let error = error.unwrap_or_else(|| panic!("{case}: no end"));
                assert!(error.starts_with("call stack exhausted (native stack: "), "{case}: {error}");
                assert_eq!(again.is_ok(), levels > 0, "{case}: {again:?}");
                cases += 1;
            }
        }
        println!("{cases} cases");
        assert_eq!(cases, 3 * (32 + 8 + 3));
    });
}

#[test]
fn the_depth_follows_the_native_stack() {
    let depth = |stack_bytes| nest(&Config::new(), stack_bytes).levels;
    let (small, large) = (depth(1 << 20), depth(8 << 20));
    println!("{small} levels in 1 MiB, {large} in 8 MiB");
    assert!(small > 50 && large > 6 * small, "{small} levels in 1 MiB, {large} in 8 MiB");
    // Where the guest's own stack ends first, that is the limit.
    let nested = nest(Config::new().max_stack(MAX_STACK_MIN), 64 << 20);
    let error = nested.error.unwrap();
    assert!(nested.levels > 100 && error.contains("limit: 65536 bytes"), "{} levels: {error}", nested.levels);
}
