//! What is live across a slow path: many values of each type, as operands and as locals, while an instruction in the
//! middle leaves compiled code to allocate, to log or to collect. Registers of all kinds come back as they were.

use crate::in_all_modes;
use crate::lab::Lab;
use std::fmt::Write;

in_all_modes!(values_survive_slow_paths);

/// A type, a value of it that holds the number in `$n` and K, a constant, and how it becomes a number again.
const TYPES: [(&str, &str, &str); 6] = [
    ("i32", "(i32.add (i32.wrap_i64 (local.get $n)) (i32.const K))", "(i64.extend_i32_s V)"),
    ("i64", "(i64.add (local.get $n) (i64.const K))", "V"),
    ("f32", "(f32.add (f32.convert_i64_s (local.get $n)) (f32.const K))", "(i64.trunc_f32_s V)"),
    ("f64", "(f64.add (f64.convert_i64_s (local.get $n)) (f64.const K))", "(i64.trunc_f64_s V)"),
    ("v128", "(i64x2.add (i64x2.splat (local.get $n)) (v128.const i64x2 7 K))", "(i64x2.extract_lane 1 V)"),
    ("(ref null $box)", "(struct.new $box (i64.add (local.get $n) (i64.const K)))", "(struct.get $box 0 V)"),
];

/// Instructions that leave compiled code, now and then or always.
const LEAVES: [(&str, &str); 12] = [
    ("struct.new", "(global.set $box (struct.new $box (i64.const 5)))"),
    ("struct.new of a large one", "(drop (struct.new_default $large))"),
    ("array.new", "(drop (array.new $refs (global.get $box) (i32.const 20)))"),
    ("array.new of a large one", "(drop (array.new $refs (global.get $box) (i32.const 20000)))"),
    ("array.new_fixed", "(drop (array.new_fixed $refs 3 (global.get $box) (ref.null $box) (global.get $box)))"),
    ("struct.set", "(struct.set $pair 0 (global.get $pair) (struct.new $box (i64.const 6)))"),
    ("array.set", "(array.set $refs (global.get $refs) (i32.const 700) (struct.new $box (i64.const 6)))"),
    (
        "array.copy",
        "(array.copy $refs $refs (global.get $refs) (i32.const 0) (global.get $refs) (i32.const 1) (i32.const 9))",
    ),
    ("table.set", "(table.set $t (i32.const 3) (struct.new $box (i64.const 7)))"),
    ("memory.grow", "(drop (memory.grow (i32.const 0)))"),
    ("memory.fill", "(memory.fill (i32.const 0) (i32.const 1) (i32.const 100))"),
    ("loop", "(local.set $i (i32.const 3)) (loop $l (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))"),
];

/// More than there are registers of any kind.
const VALUES: i64 = 20;
const ROUNDS: i64 = 6;

fn program(names: &mut Vec<String>) -> String {
    let large = "(field (mut i64))".repeat(300);
    let mut text = format!(
        r#"(module (type $box (struct (field i64))) (type $pair (struct (field (mut (ref null $box)))))
            (type $refs (array (mut (ref null $box)))) (type $large (struct {large}))
            (memory 1) (table $t 10 (ref null $box))
            (global $box (mut (ref null $box)) (ref.null $box))
            (global $pair (mut (ref null $pair)) (struct.new $pair (ref.null $box)))
            (global $refs (mut (ref null $refs)) (array.new_default $refs (i32.const 1000)))"#
    );
    for (ty, make, number) in TYPES {
        let make = |k: i64| make.replace('K', &k.to_string());
        for (leave_name, leave) in LEAVES {
            for held in ["operands", "locals"] {
                let name = format!("{ty} as {held}: {leave_name}");
                write!(text, r#"(func (export "{name}") (result i64) (local $n i64) (local $sum i64) (local $x {ty}) (local $i i32)"#).unwrap();
                let is_local = held == "locals";
                for k in (0..VALUES).filter(|_| is_local) {
                    write!(text, "(local $x{k} {ty})").unwrap();
                }
                text += "(local.set $n (i64.const 100)) (loop $rounds ";
                for k in 0..VALUES {
                    write!(text, "{}{}", make(k), if is_local { format!("local.set $x{k} ") } else { String::new() })
                        .unwrap();
                }
                text += leave;
                // The last one first, so that each has a weight of its own.
                for k in (0..VALUES).rev() {
                    let read = if is_local { format!("local.get $x{k} ") } else { String::new() };
                    let value = number.replace('V', "(local.get $x)");
                    write!(text, "{read} local.set $x (local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 31)) {value}))")
                        .unwrap();
                }
                write!(
                    text,
                    "(br_if $rounds (i64.lt_s (local.tee $n (i64.add (local.get $n) (i64.const 1))) (i64.const {}))))
                     (local.get $sum))",
                    100 + ROUNDS
                )
                .unwrap();
                names.push(name);
            }
        }
    }
    text + ")"
}

fn values_survive_slow_paths(mode: usize) {
    let mut names = Vec::new();
    let mut lab = Lab::new(mode, &[], &program(&mut names));
    let numbers = (100..100 + ROUNDS).flat_map(|n| (0..VALUES).rev().map(move |k| n + k));
    let right = numbers.fold(0i64, |sum, number| sum.wrapping_mul(31).wrapping_add(number));
    for name in &names {
        assert_eq!(lab.call(name, &[]), Ok(vec![right as u64 as u128]), "{name}");
    }
    println!("{} programs", names.len());
    assert_eq!(names.len(), 144);
}
