//! Addresses and lengths that move while a function runs: a table's elements, a memory's length, the objects
//! themselves. Whatever lies between two accesses, the second goes to where things are now.

use crate::in_all_modes;
use crate::lab::Lab;
use heapwood_vm::Val;
use std::fmt::Write;

in_all_modes!(tables_that_move, memories_that_grow, objects_that_move);

/// Ways to come to `$grow`, which moves or lengthens things.
const PLACES: [(&str, &str); 6] = [
    ("a call", "(call $grow)"),
    ("an indirect call", "(call_indirect $calls (type $fn) (i32.const 0))"),
    ("a call of a reference", "(call_ref $fn (ref.func $grow))"),
    ("a call of the host and back", "(call $host)"),
    (
        "a call in a loop",
        "(local.set $k (i32.const 2)) (loop $l (call $grow) (br_if $l (local.tee $k (i32.sub (local.get $k) (i32.const 1)))))",
    ),
    ("a call that throws", "(block $h (try_table (catch $e $h) (call $thrower)))"),
];

/// A module around functions of `body` (which export as `place number`), whose `$grow` is `grow`.
fn module(declarations: &str, grow: &str, bodies: &str) -> String {
    format!(
        r#"(module
            (type $fn (func))
            (type $box (struct (field (mut i64))))
            (import "back" "call" (func $host_call (param funcref)))
            (tag $e)
            (table $calls funcref (elem $grow))
            {declarations}
            (func $grow {grow})
            (func $thrower (call $grow) (throw $e))
            (func $host (call $host_call (ref.func $grow)))
            (elem declare func $grow)
            {bodies})"#
    )
}

/// Calls a function for another module.
const BACK: &str = r#"(module (type $fn (func)) (func (export "call") (param funcref)
    (call_ref $fn (ref.cast (ref $fn) (local.get 0)))))"#;

fn run_all(mode: usize, text: &str, expected: &dyn Fn(&str) -> u128) {
    let mut lab = Lab::new(mode, &[("back", BACK)], text);
    for (place, _) in PLACES {
        assert_eq!(lab.call(place, &[]), Ok(vec![expected(place)]), "{place}");
    }
}

/// `$grow` makes the table larger by far and writes its element 1; the caller wrote element 0 and reads both.
fn tables_that_move(mode: usize) {
    for (index, suffix) in [("", "i32.const"), ("i64", "i64.const")] {
        let declarations = format!("(table $t {index} 2 (ref null $box)) (global $count (mut i64) (i64.const 0))");
        let grow = format!(
            r#"(global.set $count (i64.add (global.get $count) (i64.const 1)))
               (drop (table.grow $t (ref.null $box) ({suffix} 5000)))
               (table.set $t ({suffix} 1) (struct.new $box (global.get $count)))
               (if (i64.ne (struct.get $box 0 (table.get $t ({suffix} 0))) (i64.const 77)) (then (unreachable)))"#
        );
        let mut bodies = String::new();
        for (place, call) in PLACES {
            // 1000 × what the callee wrote last, + the length's change, + what was written behind the old end.
            let length = if index.is_empty() { "(i64.extend_i32_u (table.size $t))" } else { "(table.size $t)" };
            let last = match index {
                "" => "(i32.sub (table.size $t) (i32.const 1))".to_owned(),
                _ => "(i64.sub (table.size $t) (i64.const 1))".to_owned(),
            };
            writeln!(
                bodies,
                r#"(func (export "{place}") (result i64) (local $k i32) (local $before i64) (local $count i64)
                     (table.set $t ({suffix} 0) (struct.new $box (i64.const 77)))
                     (local.set $count (global.get $count))
                     (local.set $before {length})
                     (drop (table.get $t ({suffix} 1)))
                     {call}
                     (if (i64.ne (struct.get $box 0 (table.get $t ({suffix} 1))) (global.get $count)) (then (unreachable)))
                     (table.set $t {last} (struct.new $box (i64.const 5)))
                     (i64.add
                       (i64.sub {length} (local.get $before))
                       (struct.get $box 0 (table.get $t {last}))))"#
            )
            .unwrap();
        }
        let expected = |place: &str| if place == "a call in a loop" { 10_005 } else { 5_005 };
        run_all(mode, &module(&declarations, &grow, &bodies), &expected);
    }
}

/// `$grow` adds a page; the caller accesses its last byte, which was outside before.
fn memories_that_grow(mode: usize) {
    // The second memory, so that both of a register's base and a reloaded one are tried.
    for (memory, ty, page) in
        [(0, "i32", 65536), (1, "i32", 65536), (0, "i64", 65536), (1, "i64", 65536), (0, "i32", 1)]
    {
        let page_text = if page == 1 { "(pagesize 1)" } else { "" };
        let index = if ty == "i64" { "i64" } else { "" };
        let (own, other) = (format!("(memory $m {index} 1 1000 {page_text})"), "(memory $other 1 1)".to_owned());
        let declarations = if memory == 0 { own + &other } else { other + &own };
        let grow = format!("(drop (memory.grow $m ({ty}.const 1)))");
        let mut bodies = String::new();
        for (place, call) in PLACES {
            writeln!(
                bodies,
                r#"(func (export "{place}") (result i32) (local $k i32) (local $end {ty})
                     (local.set $end (i{bits}.mul (memory.size $m) ({ty}.const {page})))
                     (i32.store8 $m (i{bits}.sub (local.get $end) ({ty}.const 1)) (i32.const 7))
                     (drop (i32.load8_u $other (i32.const 3)))
                     {call}
                     (i32.store8 $m (i{bits}.add (local.get $end) ({ty}.const {last})) (i32.const 30))
                     (i32.add
                       (i32.load8_u $m (i{bits}.add (local.get $end) ({ty}.const {last})))
                       (i32.load8_u $m (i{bits}.sub (local.get $end) ({ty}.const 1)))))"#,
                bits = &ty[1..],
                last = page - 1,
            )
            .unwrap();
        }
        run_all(mode, &module(&declarations, &grow, &bodies), &|_| 37);
    }
}

/// `$grow` allocates, so that with collections at every allocation what its callers hold is elsewhere.
fn objects_that_move(mode: usize) {
    let declarations = r#"
        (type $longs (array (mut i64)))
        (global $kept (mut (ref null $box)) (ref.null $box))"#;
    let grow = r#"
        (local $i i32)
        (loop $l
          (drop (struct.new $box (i64.const 9)))
          (drop (array.new_default $longs (i32.const 20)))
          (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 6))))
        (struct.set $box 0 (global.get $kept) (i64.add (struct.get $box 0 (global.get $kept)) (i64.const 1)))"#;
    let mut bodies = String::new();
    for (place, call) in PLACES {
        writeln!(
            bodies,
            r#"(func (export "{place}") (result i64) (local $k i32) (local $box (ref null $box)) (local $longs (ref null $longs))
                 (local.set $box (struct.new $box (i64.const 100)))
                 (global.set $kept (local.get $box))
                 (local.set $longs (array.new $longs (i64.const 3) (i32.const 50)))
                 (array.set $longs (local.get $longs) (i32.const 49) (i64.const 4))
                 {call}
                 (array.set $longs (local.get $longs) (i32.const 48) (i64.const 5))
                 (if (i32.eqz (ref.eq (local.get $box) (global.get $kept))) (then (unreachable)))
                 (i64.add (struct.get $box 0 (local.get $box))
                   (i64.add (array.get $longs (local.get $longs) (i32.const 49)) (array.get $longs (local.get $longs) (i32.const 48)))))"#
        )
        .unwrap();
    }
    let text = module(declarations, grow, &bodies);
    run_all(mode, &text, &|place| if place == "a call in a loop" { 111 } else { 110 });
}

/// In the mode that moves, each third allocation moves everything: the tests above would find what stays behind.
#[test]
fn every_moving_collection_moves_an_object() {
    let text = r#"(module
        (type $n (struct (field anyref)))
        (func (export "make") (result anyref) (struct.new $n (ref.null any)))
        (func (export "three") (drop (struct.new_default $n)) (drop (struct.new_default $n)) (drop (struct.new_default $n))))"#;
    let stress = crate::common::modes().iter().position(|(name, _)| *name == "stress1").expect("a mode that moves");
    let mut lab = Lab::new(stress, &[], text);
    let Val::AnyRef(Some(handle)) = lab.make("make") else { panic!("no object") };
    // Out of the nursery first.
    lab.call("three", &[]).unwrap();
    for round in 0..12 {
        let before = lab.store.raw_reference(&handle);
        lab.call("three", &[]).unwrap();
        assert_ne!(lab.store.raw_reference(&handle), before, "round {round}");
    }
}
