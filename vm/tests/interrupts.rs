//! Whatever the runtime does for a guest at an instantiation, or in one instruction, ends at an interrupt, however long
//! it would take.
//!
//! Each kind of work is far more than a test could wait for: a test that ends shows that it was cut short.

use heapwood_vm::{
    AsContextMut, Caller, Config, Engine, Error, Extern, Func, Inspector, Instance, InterruptHandle, Module, Result,
    Store, TrapKind, TypedFunc, Val,
};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
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

/// Elements of an array: more than are filled or copied between two looks for an interrupt.
const ELEMENTS: u32 = 2_500_000;

/// Instructions on arrays `$a` (numbers) and `$r` (references), in the locals 0 and 1.
const ARRAY_BULK: [(&str, &str); 4] = [
    ("array.fill", "local.get 0 i32.const 0 i32.const 7 i32.const N array.fill $a"),
    ("array.fill of references", "local.get 1 i32.const 0 i32.const 7 ref.i31 i32.const N array.fill $r"),
    ("array.copy", "local.get 0 i32.const 0 local.get 0 i32.const 0 i32.const N array.copy $a $a"),
    ("array.copy of references", "local.get 1 i32.const 0 local.get 1 i32.const 0 i32.const N array.copy $r $r"),
];

#[test]
fn bulk_instructions_of_arrays() {
    let engine = engine();
    for (what, instructions) in ARRAY_BULK {
        let instructions = instructions.replace('N', &ELEMENTS.to_string());
        let text = format!(
            "(module (import \"host\" \"interrupt\" (func $interrupt))
              (type $a (array (mut i32))) (type $r (array (mut i31ref)))
              (func $start (local (ref null $a) (ref null $r))
                (local.set 0 (array.new_default $a (i32.const {ELEMENTS})))
                (local.set 1 (array.new_default $r (i32.const {ELEMENTS})))
                call $interrupt {instructions} unreachable) (start $start))"
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
fn copies_and_fills_of_large_arrays_are_whole() {
    let engine = engine();
    // An array of numbers, and one of references to such numbers; position k holds k.
    let text = format!(
        "(module (type $a (array (mut i32))) (type $r (array (mut i31ref)))
          (global $a (ref $a) (array.new_default $a (i32.const {ELEMENTS})))
          (global $r (ref $r) (array.new_default $r (i32.const {ELEMENTS})))
          (func (export \"number\") (local $k i32)
            (loop $l
              (array.set $a (global.get $a) (local.get $k) (local.get $k))
              (array.set $r (global.get $r) (local.get $k) (ref.i31 (local.get $k)))
              (local.set $k (i32.add (local.get $k) (i32.const 1)))
              (br_if $l (i32.lt_u (local.get $k) (i32.const {ELEMENTS})))))
          (func (export \"copy\") (param i32 i32 i32)
            (array.copy $a $a (global.get $a) (local.get 0) (global.get $a) (local.get 1) (local.get 2))
            (array.copy $r $r (global.get $r) (local.get 0) (global.get $r) (local.get 1) (local.get 2)))
          (func (export \"fill\") (param i32 i32)
            (array.fill $a (global.get $a) (local.get 0) (i32.const -1) (local.get 1))
            (array.fill $r (global.get $r) (local.get 0) (ref.i31 (i32.const -1)) (local.get 1)))
          (func (export \"at\") (param i32) (result i32 i32)
            (array.get $a (global.get $a) (local.get 0))
            (i31.get_s (array.get $r (global.get $r) (local.get 0)))))"
    );
    let module = Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let number = instance.get_typed_func::<(), ()>(&mut store, "number").unwrap();
    let copy = instance.get_typed_func::<(u32, u32, u32), ()>(&mut store, "copy").unwrap();
    let fill = instance.get_typed_func::<(u32, u32), ()>(&mut store, "fill").unwrap();
    let at = instance.get_typed_func::<u32, (i32, i32)>(&mut store, "at").unwrap();
    for (to, from) in [(0, 3), (3, 0), (0, 1 << 20), (1 << 20, 0), ((1 << 20) + 1, 1), (0, 0)] {
        let mut expected: Vec<i32> = (0..ELEMENTS as i32).collect();
        number.call(&mut store, ()).unwrap();
        let len = ELEMENTS - to.max(from) - 2;
        copy.call(&mut store, (to, from, len)).unwrap();
        expected.copy_within(from as usize..(from + len) as usize, to as usize);
        fill.call(&mut store, (100, ELEMENTS - 200)).unwrap();
        expected[100..ELEMENTS as usize - 100].fill(-1);
        copy.call(&mut store, (50, 0, ELEMENTS - 50)).unwrap();
        expected.copy_within(0..ELEMENTS as usize - 50, 50);
        let ends = (0..300).chain(ELEMENTS - 300..ELEMENTS);
        for k in ends.chain((0..ELEMENTS).step_by(4093)) {
            assert_eq!(
                at.call(&mut store, k).unwrap(),
                (expected[k as usize], expected[k as usize]),
                "{to} {from} {k}"
            );
        }
    }
}

/// What wakes a wait is dropped without a lock: it may interrupt the store then.
#[test]
fn what_wakes_a_wait_may_interrupt_when_it_is_dropped() {
    struct Guard(InterruptHandle);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.interrupt();
        }
    }
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let host = Func::wrap(&mut store, |mut caller: Caller<'_, ()>| -> Result<i32> {
        let guard = Guard(caller.as_context_mut().interrupt_handle());
        caller.interruptible(
            move || {
                let _ = &guard;
            },
            |_| 4,
        )
    });
    let module = Module::new(
        &engine,
        wat::parse_str(
            r#"(module (import "h" "h" (func $h (result i32))) (func (export "run") (result i32) (call $h)))"#,
        )
        .unwrap(),
    )
    .unwrap();
    let instance = Instance::new(&mut store, &module, &[host.into()]).unwrap();
    let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
    for _ in 0..3 {
        // The request comes while the function ends, and is of this call or of the next one.
        let _ = run.call(&mut store, ());
    }
}

/// A guest that calls a host function twice, the inner time from the outer one, each of which waits.
struct NestedWaits {
    store: Store<()>,
    run: TypedFunc<i32, ()>,
    /// How often each was woken, the outer one first.
    woken: [Arc<AtomicUsize>; 2],
    /// The inner one waits.
    waits: Arc<AtomicBool>,
}

impl NestedWaits {
    /// `wakes` is called by what wakes each of them.
    fn new(wakes: impl Fn() + Clone + Send + Sync + 'static) -> NestedWaits {
        let engine = Engine::default();
        let mut store = Store::new(&engine, ());
        let (woken, waits) = ([(); 2].map(|()| Arc::new(AtomicUsize::new(0))), Arc::new(AtomicBool::new(false)));
        let (counts, begins) = (woken.clone(), waits.clone());
        let host = Func::wrap(&mut store, move |mut caller: Caller<'_, ()>, level: i32| -> Result<()> {
            let count = counts[level as usize].clone();
            let (wakes, counted) = (wakes.clone(), count.clone());
            let wake = move || {
                counted.fetch_add(1, Ordering::SeqCst);
                wakes();
            };
            caller.interruptible(wake, |caller| -> Result<()> {
                if level == 0 {
                    let run = caller.get_export("run").and_then(Extern::into_func).unwrap();
                    return run.call(&mut *caller, &[Val::I32(1)], &mut []);
                }
                begins.store(true, Ordering::SeqCst);
                while count.load(Ordering::SeqCst) == 0 {
                    std::thread::yield_now();
                }
                Ok(())
            })?
        });
        let text = r#"(module (import "h" "h" (func $h (param i32)))
            (func (export "run") (param i32) (call $h (local.get 0))))"#;
        let module = Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
        let instance = Instance::new(&mut store, &module, &[host.into()]).unwrap();
        let run = instance.get_typed_func(&mut store, "run").unwrap();
        NestedWaits { store, run, woken, waits }
    }

    /// Runs the guest, which is stopped by another thread once both wait; how that thread ended.
    fn stopped(&mut self, by: impl FnOnce() + Send + 'static) -> std::thread::Result<()> {
        let waits = self.waits.clone();
        let other = std::thread::spawn(move || {
            while !waits.swap(false, Ordering::SeqCst) {
                std::thread::yield_now();
            }
            by();
        });
        assert_interrupted(&self.run.call(&mut self.store, 0).unwrap_err(), "a wait");
        other.join()
    }

    fn counts(&self) -> [usize; 2] {
        [0, 1].map(|level| self.woken[level].swap(0, Ordering::SeqCst))
    }
}

#[test]
fn what_wakes_a_wait_may_interrupt_the_store_and_ask_it() {
    let asks: Arc<OnceLock<(Inspector, InterruptHandle)>> = Arc::default();
    let comes_back = asks.clone();
    let mut world = NestedWaits::new(move || {
        let (inspector, handle) = comes_back.get().unwrap();
        inspector.ask(|_| ()).unwrap();
        handle.interrupt();
        handle.interrupt();
    });
    let handle = world.store.interrupt_handle();
    assert!(asks.set((world.store.inspector(), handle.clone())).is_ok());
    world.stopped(move || handle.interrupt()).unwrap();
    assert!(world.counts().iter().all(|count| *count > 0));
    world.store.interrupt_handle().clear();
    let token = world.store.interrupt_token();
    world.stopped(move || token.interrupt()).unwrap();
    assert!(world.counts().iter().all(|count| *count > 0));
}

#[test]
fn a_panic_of_what_wakes_keeps_nobody_from_being_woken() {
    let mut world = NestedWaits::new(|| panic!("on purpose"));
    let handle = world.store.interrupt_handle();
    let panic = world.stopped(move || handle.interrupt()).unwrap_err();
    assert_eq!((panic.downcast_ref(), world.counts()), (Some(&"on purpose"), [1, 1]));
    let token = world.store.interrupt_token();
    let panic = world.stopped(move || token.interrupt()).unwrap_err();
    assert_eq!((panic.downcast_ref(), world.counts()), (Some(&"on purpose"), [1, 1]));
    // By the timer, whose thread goes on.
    for _ in 0..3 {
        world.store.set_deadline(Duration::from_millis(20));
        let error = world.run.call(&mut world.store, 0).unwrap_err();
        assert_eq!((error.trap().unwrap().kind(), world.counts()[1]), (TrapKind::DeadlineExceeded, 1));
    }
}

/// What a thread has for itself may ask and interrupt when it is dropped, as the last thing that the thread does.
#[test]
fn a_thread_that_ends_may_interrupt_a_wait_and_ask() {
    struct Last(Inspector, InterruptHandle);
    impl Drop for Last {
        fn drop(&mut self) {
            self.0.ask(|_| ()).unwrap();
            self.1.interrupt();
        }
    }
    thread_local! {
        static LAST: std::cell::RefCell<Option<Last>> = const { std::cell::RefCell::new(None) };
    }
    let mut world = NestedWaits::new(|| ());
    let (inspector, handle) = (world.store.inspector(), world.store.interrupt_handle());
    let ended = world.stopped(move || {
        // What a thread uses first is dropped last.
        LAST.set(Some(Last(inspector.clone(), handle)));
        inspector.ask(|_| ()).unwrap();
    });
    ended.unwrap();
    assert_eq!(world.counts(), [1, 1]);
}
