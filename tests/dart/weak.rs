//! Weak references, expandos and finalizers live and die.

use crate::functions::imports;
use crate::program::Program;
use heapwood::Config;
use heapwood::wasi::WasiCtx;

/// See the test: objects with weak references, expandos whose values lead to their keys, and attachments of a
/// finalizer. `$dead` traps if a token comes twice, if its object is held, or if two callbacks share a turn.
const WEAK: &str = r#"
    (type $node (struct (field $id i32)))
    (type $pair (struct (field (ref $node)) (field (mut (ref null $pair)))))
    (type $nodes (array (mut (ref null $node))))
    (type $holder (struct (field (mut externref))))
    (global $count (mut i32) (i32.const COUNT))
    (global $nodes (mut (ref null $nodes)) (ref.null none))
    (global $weak (mut (ref null $args)) (ref.null none))
    (global $seen (mut (ref null $i8)) (ref.null none))
    (global $expando (mut externref) (ref.null extern))
    (global $finalizer (mut externref) (ref.null extern))
    (global $cycle (mut externref) (ref.null extern))
    (global $timer (mut externref) (ref.null extern))
    (global $died (mut i32) (i32.const 0))
    (global $step (mut i32) (i32.const 0))
    (global $rounds (mut i32) (i32.const 0))
    (global $in_turn (mut i32) (i32.const 0))
    (elem declare func $dead $end_of_turn $round)
    (func $say (param $number i32) (call $print (call $i64ToString (i64.extend_i32_s (local.get $number)) (i32.const 10))))
    (func $end_of_turn (type $one) (global.set $in_turn (i32.const 0)))
    (func $dead (type $two) (local $k i32)
        (if (global.get $in_turn) (then unreachable))
        (global.set $in_turn (i32.const 1))
        (call $queueMicrotask (ref.func $end_of_turn) (local.get 0))
        (local.set $k (i31.get_u (ref.cast (ref i31) (local.get 1))))
        (if (array.get_u $i8 (global.get $seen) (local.get $k)) (then unreachable))
        (array.set $i8 (global.get $seen) (local.get $k) (i32.const 1))
        (if (i32.eqz (ref.is_null (array.get $nodes (global.get $nodes) (local.get $k)))) (then unreachable))
        (global.set $died (i32.add (global.get $died) (i32.const 1))))
    (func $make (param $k i32) (local $node (ref $node))
        (local.set $node (struct.new $node (local.get $k)))
        (array.set $nodes (global.get $nodes) (local.get $k) (local.get $node))
        (array.set $args (global.get $weak) (local.get $k) (call $weakRefCreate (local.get $node)))
        (call $expandoSet (global.get $expando) (local.get $node) (i64.extend_i32_u (local.get $k))
            (struct.new $pair (local.get $node) (ref.null $pair)))
        (call $finalizerAttach (global.get $finalizer) (local.get $node) (ref.i31 (local.get $k)) (local.get $node)))
    ;; How many objects that are held are found by way of their weak references and their expandos.
    (func $check (result i32) (local $k i32) (local $found i32) (local $node (ref null $node)) (local $value anyref)
        (loop $next
            (local.set $node (array.get $nodes (global.get $nodes) (local.get $k)))
            (if (i32.eqz (ref.is_null (local.get $node))) (then
                (if (i32.eqz (ref.eq (local.get $node) (ref.cast eqref
                    (call $weakRefGet (array.get $args (global.get $weak) (local.get $k)))))) (then unreachable))
                (local.set $value (call $expandoGet (global.get $expando) (ref.as_non_null (local.get $node))
                    (i64.extend_i32_u (local.get $k))))
                (if (i32.eqz (ref.eq (struct.get $pair 0 (ref.cast (ref $pair) (local.get $value))) (local.get $node)))
                    (then unreachable))
                (local.set $found (i32.add (local.get $found) (i32.const 1)))))
            (local.set $k (i32.add (local.get $k) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $k) (global.get $count))))
        (local.get $found))
    ;; How many weak references lead nowhere.
    (func $cleared (result i32) (local $k i32) (local $found i32)
        (loop $next
            (local.set $found (i32.add (local.get $found)
                (ref.is_null (call $weakRefGet (array.get $args (global.get $weak) (local.get $k))))))
            (local.set $k (i32.add (local.get $k) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $k) (global.get $count))))
        (local.get $found))
    ;; Lets every second object go, or all.
    (func $let_go (param $by i32) (local $k i32)
        (loop $next
            (array.set $nodes (global.get $nodes) (local.get $k) (ref.null $node))
            (local.set $k (i32.add (local.get $k) (local.get $by)))
            (br_if $next (i32.lt_u (local.get $k) (global.get $count)))))
    (func $waste (local $k i32)
        (loop $next
            (drop (array.new_default $i8 (i32.const 60000)))
            (local.set $k (i32.add (local.get $k) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $k) (i32.const 100)))))
    (func $round (type $one)
        (if (global.get $in_turn) (then unreachable))
        (call $waste)
        (global.set $rounds (i32.add (global.get $rounds) (i32.const 1)))
        (if (i32.gt_u (global.get $rounds) (i32.const 3000)) (then unreachable))
        (if (i32.eqz (global.get $step)) (then
            (call $say (call $check)) (call $let_go (i32.const 2)) (global.set $step (i32.const 1)) return))
        (if (i32.eq (global.get $step) (i32.const 1)) (then
            (if (i32.eq (global.get $died) (i32.div_u (global.get $count) (i32.const 2))) (then
                (call $say (call $check)) (call $let_go (i32.const 1)) (global.set $step (i32.const 2))))
            return))
        (if (i32.and (i32.eq (global.get $died) (global.get $count)) (ref.is_null (call $weakRefGet (global.get $cycle)))) (then
            (call $say (call $cleared)) (call $say (global.get $died)) (call $clearSchedule (global.get $timer)))))
    ;; A finalizer to which its own argument leads.
    (func $make_cycle (local $holder (ref $holder))
        (local.set $holder (struct.new $holder (ref.null extern)))
        (struct.set $holder 0 (local.get $holder) (call $finalizerCreate (ref.func $dead) (local.get $holder)))
        (call $finalizerAttach (struct.get $holder 0 (local.get $holder)) (local.get $holder) (local.get $holder) (ref.null none))
        (global.set $cycle (call $weakRefCreate (local.get $holder))))
    (func $main (export "$invokeMain") (param (ref $args)) (local $k i32)
        (global.set $nodes (array.new_default $nodes (global.get $count)))
        (global.set $weak (array.new_default $args (global.get $count)))
        (global.set $seen (array.new_default $i8 (global.get $count)))
        (global.set $expando (call $expandoCreate))
        (global.set $finalizer (call $finalizerCreate (ref.func $dead) (ref.i31 (i32.const 0))))
        (call $make_cycle)
        (loop $next
            (call $make (local.get $k))
            (local.set $k (i32.add (local.get $k) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $k) (global.get $count))))
        (global.set $timer (call $scheduleRepeated (i64.const 1) (ref.func $round) (ref.i31 (i32.const 0))))))"#;

/// None is lost while it is held, all go afterwards, and each callback comes once, in a turn of its own.
fn weak_things_live_and_die(config: &Config, count: u32) {
    let text = imports() + &WEAK.replace("COUNT", &count.to_string());
    let mut program = Program::load(config, WasiCtx::builder(), text);
    program.run().unwrap_or_else(|error| panic!("{count}: {error:?}"));
    let (all, half) = (count.to_string(), (count / 2).to_string());
    assert_eq!(program.lines(), [&*all, &half, &all, &all]);
}

#[test]
fn a_hundred_thousand_weak_things_live_and_die() {
    let mut config = Config::new();
    weak_things_live_and_die(config.gc_heap_max(512 << 20), 100_000);
}

#[test]
fn a_hundred_thousand_weak_things_live_and_die_under_stress() {
    let mut config = Config::new();
    weak_things_live_and_die(
        config.gc_stress(99_991).gc_verify(true).gc_nursery(8 << 20).gc_heap_max(512 << 20),
        100_000,
    );
}

#[test]
fn weak_things_live_and_die_while_everything_moves() {
    let mut config = Config::new();
    weak_things_live_and_die(config.gc_stress(3).gc_verify(true), 200);
}
