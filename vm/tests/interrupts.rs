//! Whatever the runtime does for a guest at an instantiation, or in one instruction, ends at an interrupt, however long it would
//! take.
//!
//! Each kind of work is far more than a test could wait for: a test that ends shows that it was cut short.

use heapwood_vm::{Config, Engine, Error, Func, Instance, InterruptHandle, Module, Result, Store, TrapKind};
use std::time::Duration;

/// Elements of one array of a constant expression: 256 MiB of them.
const ARRAY_BYTES: usize = 256 << 20;
/// Arrays of a module, each of which is garbage at once.
const ARRAYS: usize = 20_000;

/// Storage types: name, bytes, a constant whose bytes differ as far as possible.
const STORAGES: [(&str, usize, &str); 7] = [
    ("i8", 1, "i32.const 7"),
    ("i16", 2, "i32.const 7"),
    ("i32", 4, "i32.const 7"),
    ("f32", 4, "f32.const 7"),
    ("i64", 8, "i64.const 7"),
    ("v128", 16, "v128.const i32x4 1 2 3 4"),
    ("(mut i31ref)", 4, "i32.const 7 ref.i31"),
];

/// The fields of a module with so many constant expressions of a kind.
type Fields = fn(&str, usize) -> String;

/// Where constant expressions stand, around an expression of type `(ref null $box)` that is as good as garbage.
const PLACES: [(&str, Fields); 4] = [
    ("globals", |expr, n| format!("(global (ref null $box) {expr})").repeat(n)),
    ("a passive segment", |expr, n| format!("(elem (ref null $box) {})", format!("(item {expr})").repeat(n))),
    ("an active segment", |expr, n| {
        format!(
            "(table {n} (ref null $box)) (elem (i32.const 0) (ref null $box) {})",
            format!("(item {expr})").repeat(n)
        )
    }),
    ("many segments", |expr, n| format!("(elem (ref null $box) (item {expr}))").repeat(n)),
];

fn engine() -> Engine {
    let mut config = Config::new();
    config.gc_heap_max(640 << 20);
    Engine::new(&config).unwrap()
}

/// Runs `work` on a store, and interrupts its guest every now and then until it is over.
fn interrupted(engine: &Engine, work: impl FnOnce(&mut Store<()>) -> Result<()>) -> Error {
    let mut store = Store::new(engine, ());
    let handle: InterruptHandle = store.interrupt_handle();
    let (over, is_over) = std::sync::mpsc::channel::<()>();
    let watch = std::thread::spawn(move || {
        // The work has begun by then, most likely; if it has not, the test only shows less.
        while is_over.recv_timeout(Duration::from_millis(30)).is_err() {
            handle.interrupt();
        }
    });
    let error = work(&mut store).expect_err("it was interrupted");
    over.send(()).unwrap();
    watch.join().unwrap();
    error
}

#[track_caller]
fn assert_interrupted(error: &Error, what: &str) {
    let kind = error.trap().map(|trap| trap.kind());
    assert_eq!(kind, Some(TrapKind::Interrupted), "{what}: {error}");
}

#[test]
fn constant_expressions() {
    let engine = engine();
    let mut cases = 0;
    for (storage, bytes, value) in STORAGES {
        for (place, module) in PLACES {
            // The length of a box is zero, and what it would hold is an array that nobody keeps.
            let expr = format!("{value} i32.const {} array.new $a i32.const 0 array.new $box", ARRAY_BYTES / bytes);
            let types = format!("(type $a (array {storage})) (type $box (array (mut (ref null $a))))");
            let text = format!("(module {types} {})", module(&expr, ARRAYS));
            let module = Module::new(&engine, wat::parse_str(&text).unwrap()).unwrap();
            let error = interrupted(&engine, |store| Instance::new(store, &module, &[]).map(drop));
            assert_interrupted(&error, &format!("{storage} in {place}"));
            cases += 1;
        }
    }
    println!("{cases} cases");
    assert_eq!(cases, 28);
}

/// Instructions that may write gigabytes; each looks for an interrupt before it writes.
const BULK: [(&str, &str); 5] = [
    ("memory.fill", "i32.const 0 i32.const 7 i32.const 1 memory.fill"),
    ("memory.copy", "i32.const 0 i32.const 7 i32.const 1 memory.copy"),
    ("memory.copy to another memory", "i32.const 0 i32.const 7 i32.const 1 memory.copy $m $n"),
    ("memory.init", "i32.const 0 i32.const 0 i32.const 1 memory.init $data"),
    ("table.init", "i32.const 0 i32.const 0 i32.const 1 table.init $elem"),
];

#[test]
fn bulk_instructions() {
    let engine = engine();
    for (what, instructions) in BULK {
        // Nothing else looks for the interrupt between the host's function and the instruction.
        let text = format!(
            "(module (import \"host\" \"interrupt\" (func $interrupt)) (memory $m 1) (memory $n 1) (table 1 funcref)
              (data $data \"a\") (elem $elem func $start)
              (func $start call $interrupt {instructions} unreachable) (start $start))"
        );
        let module = Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
        let mut store = Store::new(&engine, ());
        let handle = store.interrupt_handle();
        let interrupt = Func::wrap(&mut store, move || handle.interrupt());
        let error = Instance::new(&mut store, &module, &[interrupt.into()]).map(drop).unwrap_err();
        assert_interrupted(&error, what);
    }
}

#[test]
fn a_start_function_that_does_not_end() {
    let engine = engine();
    let text = "(module (func $start (loop $l br $l)) (start $start))";
    let module = Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
    let error = interrupted(&engine, |store| Instance::new(store, &module, &[]).map(drop));
    assert_interrupted(&error, "the start function");
}

/// Parts of an instantiation that look for an interrupt that was requested before.
const PARTS: [(&str, &str); 6] = [
    ("a global", "(global i32 (i32.const 1))"),
    ("a table's initial value", "(table 10 i31ref (ref.i31 (i32.const 1)))"),
    ("a passive segment", "(elem i31ref (item (ref.i31 (i32.const 1))))"),
    ("an active element segment", "(table 1 funcref) (func $f) (elem (i32.const 0) $f)"),
    ("an active data segment", "(memory 1) (data (i32.const 0) \"a\")"),
    ("a start function", "(func $start (loop $l (br_if $l (i32.const 0)))) (start $start)"),
];

#[test]
fn each_part_of_an_instantiation_sees_a_request() {
    let engine = engine();
    for (what, fields) in PARTS {
        let module = Module::new(&engine, wat::parse_str(format!("(module {fields})")).unwrap()).unwrap();
        let mut store = Store::new(&engine, ());
        store.interrupt_handle().interrupt();
        let error = Instance::new(&mut store, &module, &[]).map(drop).unwrap_err();
        assert_interrupted(&error, what);
        // One request stops one call.
        Instance::new(&mut store, &module, &[]).unwrap_or_else(|error| panic!("{what}: {error}"));
    }
}

#[test]
fn bulk_copies_of_overlapping_parts_are_whole() {
    // Larger than what is copied between two looks for an interrupt.
    const PAGES: u32 = 600;
    let engine = engine();
    let text = format!(
        "(module (memory (export \"m\") {PAGES})
          (func (export \"copy\") (param i32 i32 i32) (memory.copy (local.get 0) (local.get 1) (local.get 2))))"
    );
    let module = Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let memory = instance.get_memory(&mut store, "m").unwrap();
    let copy = instance.get_typed_func::<(i32, i32, i32), ()>(&mut store, "copy").unwrap();
    let size = memory.data(&store).len();
    for (to, from) in [(0, 5), (5, 0), (0, 1 << 20), (1 << 20, 0), (0, 17 << 20), (17 << 20, 0), (0, 0)] {
        let mut expected: Vec<u8> =
            (0..size as u32 / 4).flat_map(|word| word.wrapping_mul(0x9e37_79b1).to_le_bytes()).collect();
        memory.data_mut(&mut store).copy_from_slice(&expected);
        let len = size - to.max(from);
        copy.call(&mut store, (to as i32, from as i32, len as i32)).unwrap();
        expected.copy_within(from..from + len, to);
        assert!(memory.data(&store) == expected, "from {from} to {to}");
    }
}
