//! Weak references and interned strings that die.

use crate::program::Program;
use heapwood::wasi::WasiCtx;
use heapwood::{Config, Val};

/// Objects with a weak reference each, of which some are held, and how often each reference was reported.
const WEAK: &str = r#"
    (import "teavm" "createWeakRef" (func $create
        (param (ref null $object) (ref null $weak) (ref null $queue)) (result externref)))
    (import "teavm" "deref" (func $deref (param externref) (result (ref null $object))))
    (global $held (mut (ref null $objects)) (ref.null $objects))
    (global $weaks (mut (ref null $weaks)) (ref.null $weaks))
    (global $queue (mut (ref null $queue)) (ref.null $queue))
    (func (export "make") (param $count i32) (local $i i32) (local $object (ref null $object)) (local $weak (ref null $weak))
        (global.set $held (array.new_default $objects (local.get $count)))
        (global.set $weaks (array.new_default $weaks (local.get $count)))
        (global.set $queue (struct.new_default $queue))
        (loop $next
            (local.set $object (struct.new $object (local.get $i)))
            (local.set $weak (struct.new_default $weak))
            (array.set $objects (global.get $held) (local.get $i) (local.get $object))
            (array.set $weaks (global.get $weaks) (local.get $i) (local.get $weak))
            (struct.set $weak $ref (local.get $weak)
                (call $create (local.get $object) (local.get $weak) (global.get $queue)))
            (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $count)))))
    (func (export "release") (param $from i32) (param $count i32)
        (array.fill $objects (global.get $held) (local.get $from) (ref.null $object) (local.get $count)))
    ;; References that give what is held, or null where nothing is, from the first on.
    (func (export "right") (result i32) (local $i i32)
        (loop $next
            (if (i32.eq (local.get $i) (array.len (global.get $weaks))) (then (return (local.get $i))))
            (if (ref.eq (array.get $objects (global.get $held) (local.get $i))
                    (call $deref (struct.get $weak $ref (array.get $weaks (global.get $weaks) (local.get $i)))))
                (then (local.set $i (i32.add (local.get $i) (i32.const 1))) (br $next))))
        (local.get $i))
    ;; References that are held, whatever they give.
    (func (export "kept") (result i32) (local $i i32) (local $kept i32)
        (loop $next
            (local.set $kept (i32.add (local.get $kept)
                (i32.eqz (ref.is_null (array.get $objects (global.get $held) (local.get $i))))))
            (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
                (array.len (global.get $weaks)))))
        (local.get $kept))
    (func (export "reported") (param $times i32) (result i32) (local $i i32) (local $found i32)
        (loop $next
            (local.set $found (i32.add (local.get $found) (i32.eq (local.get $times)
                (struct.get $weak $times (array.get $weaks (global.get $weaks) (local.get $i))))))
            (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
                (array.len (global.get $weaks)))))
        (local.get $found))
    (func (export "told") (result i32) (struct.get $queue $told (global.get $queue)))
    (func (export "teavm.reportGarbageCollectedValue") (param $queue (ref null $queue)) (param $weak (ref null $weak))
        (struct.set $queue $told (local.get $queue)
            (i32.add (i32.const 1) (struct.get $queue $told (local.get $queue))))
        (struct.set $weak $times (local.get $weak)
            (i32.add (i32.const 1) (struct.get $weak $times (local.get $weak)))))"#;

/// None is lost while its object is alive, all are gone afterwards, and of each death its queue is told once.
#[test]
fn a_hundred_thousand_weak_references_die_with_their_objects() {
    const COUNT: i32 = 100_000;
    let mut stressed = Config::new();
    stressed.gc_stress(20_011).gc_verify(true);
    let mut small = Config::new();
    small.gc_nursery(64 << 10);
    for config in [Config::new(), small, stressed] {
        let mut program = Program::of(&config, WasiCtx::builder(), WEAK);
        program.call("make", &[Val::I32(COUNT)]);
        program.store.gc().unwrap();
        program.run_events().unwrap();
        assert_eq!((program.i32("right", &[]), program.i32("told", &[])), (COUNT, 0));
        for released in [COUNT / 4, COUNT] {
            program.call("release", &[Val::I32(0), Val::I32(released)]);
            program.store.gc().unwrap();
            assert_eq!(program.i32("right", &[]), COUNT, "gone are those that are not held");
            assert_eq!(program.i32("kept", &[]), COUNT - released);
            program.run_events().unwrap();
            program.store.gc().unwrap();
            program.run_events().unwrap();
            assert_eq!((program.i32("told", &[]), program.i32("reported", &[Val::I32(1)])), (released, released));
            assert_eq!(program.i32("reported", &[Val::I32(0)]), COUNT - released);
        }
    }
}

#[test]
fn a_weak_reference_without_a_queue_tells_nobody_and_strings_tell_their_entry() {
    let mut program = Program::of(
        &Config::new(),
        WasiCtx::builder(),
        r#"(import "teavm" "createWeakRef" (func $create
            (param (ref null $object) (ref null $weak) (ref null $queue)) (result externref)))
        (import "teavm" "createStringWeakRef" (func $intern (param (ref null $string) (ref null $entry)) (result externref)))
        (import "teavm" "stringDeref" (func $deref (param externref) (result (ref null $string))))
        (global $told (mut i32) (i32.const 0)) (global $string (mut (ref null $string)) (ref.null $string))
        (global $entry (mut (ref null $entry)) (ref.null $entry)) (global $ref (mut externref) (ref.null extern))
        (func (export "make")
            (drop (call $create (struct.new $object (i32.const 1)) (struct.new_default $weak) (ref.null $queue)))
            (drop (call $intern (struct.new $string (i32.const 9)) (struct.new_default $entry)))
            (global.set $string (struct.new $string (i32.const 5)))
            (global.set $entry (struct.new_default $entry))
            (global.set $ref (call $intern (global.get $string) (global.get $entry))))
        (func (export "number") (result i32) (struct.get $string 0 (call $deref (global.get $ref))))
        (func (export "forget") (global.set $string (ref.null $string)))
        (func (export "told") (result i32) (global.get $told))
        (func (export "teavm.reportGarbageCollectedValue") (param (ref null $queue) (ref null $weak)) unreachable)
        (func (export "teavm.reportGarbageCollectedString") (param $entry (ref null $entry))
            (if (ref.eq (local.get $entry) (global.get $entry))
                (then (global.set $told (i32.add (global.get $told) (i32.const 1))))))"#,
    );
    program.call("make", &[]);
    program.store.gc().unwrap();
    program.run_events().unwrap();
    assert_eq!((program.i32("number", &[]), program.i32("told", &[])), (5, 0));
    program.call("forget", &[]);
    program.store.gc().unwrap();
    program.run_events().unwrap();
    program.run_events().unwrap();
    assert_eq!(program.i32("told", &[]), 1);
    assert_eq!(program.i32("number", &[]), 9, "the first one stands for those that are gone");
}
