//! Integer instructions with constants for operands: what the compiler computes is what the instruction does with
//! operands that it does not know, which the specification's scripts look at.

use crate::in_all_modes;
use crate::lab::{Lab, Outcome, integer, literal};
use std::collections::HashMap;
use std::fmt::Write;

in_all_modes!(constants_are_what_instructions_compute);

const VALUES: [i64; 7] = [0, 1, -1, i64::MIN, i64::MAX, i32::MIN as i64, 0x1234_5678_9abc_def0];

const BINARY: [&str; 15] = [
    "add", "sub", "mul", "and", "or", "xor", "div_s", "div_u", "rem_s", "rem_u", "shl", "shr_s", "shr_u", "rotl",
    "rotr",
];
const COMPARES: [&str; 10] = ["eq", "ne", "lt_s", "lt_u", "gt_s", "gt_u", "le_s", "le_u", "ge_s", "ge_u"];
const UNARY: [&str; 6] = ["eqz", "clz", "ctz", "popcnt", "extend8_s", "extend16_s"];
const UNARY_I32: [&str; 2] = ["i64.extend_i32_s", "i64.extend_i32_u"];
const UNARY_I64: [&str; 2] = ["i32.wrap_i64", "i64.extend32_s"];

/// Where operands come from: the first way is what the others are held to.
const WAYS: [&str; 5] = ["locals", "constants", "the first", "the second", "calls"];

/// Operands of a way: `$a` and `$b` are parameters.
fn operands(way: &str, ty: &str, a: i64, b: i64) -> [String; 2] {
    let constant = |value: i64| format!("({ty}.const {value})");
    let local = |name: &str| format!("(local.get {name})");
    let call = |name: &str| format!("(call $same (local.get {name}))");
    match way {
        "locals" => [local("$a"), local("$b")],
        "constants" => [constant(a), constant(b)],
        "the first" => [constant(a), local("$b")],
        "the second" => [local("$a"), constant(b)],
        _ => [call("$a"), call("$b")],
    }
}

/// What is done with the operands, by name: expression and type of its result.
fn expressions(ty: &str, a: &str, b: &str) -> Vec<(String, String, String)> {
    let mut all = Vec::new();
    let mut add = |name: &str, text: String, result: &str| all.push((name.to_owned(), text, result.to_owned()));
    for operator in BINARY {
        add(operator, format!("({ty}.{operator} {a} {b})"), ty);
    }
    for operator in COMPARES {
        let compare = format!("({ty}.{operator} {a} {b})");
        add(operator, compare.clone(), "i32");
        add(&format!("{operator}, negated"), format!("(i32.eqz {compare})"), "i32");
        let branch = format!("(if (result i32) {compare} (then (i32.const 3)) (else (i32.const 4)))");
        add(&format!("{operator}, a branch"), branch, "i32");
        let choice = format!("(select {a} {b} {compare})");
        add(&format!("{operator}, a choice"), choice, ty);
    }
    for operator in UNARY {
        add(operator, format!("({ty}.{operator} {a})"), if operator == "eqz" { "i32" } else { ty });
    }
    for operator in if ty == "i32" { UNARY_I32 } else { UNARY_I64 } {
        add(operator, format!("({operator} {a})"), &operator[..3]);
    }
    if ty == "i64" {
        let branch = format!("(if (result i32) (i32.wrap_i64 {a}) (then (i32.const 3)) (else (i32.const 4)))");
        add("a branch", branch, "i32");
    }
    all
}

fn constants_are_what_instructions_compute(mode: usize) {
    let mut tried = 0;
    for ty in ["i32", "i64"] {
        for a in VALUES {
            let mut text = format!("(module (func $same (param {ty}) (result {ty}) (local.get 0))\n");
            let mut cases = Vec::new();
            for (at, b) in VALUES.into_iter().enumerate() {
                for way in WAYS {
                    let [left, right] = operands(way, ty, literal(ty, a), literal(ty, b));
                    for (name, body, result) in expressions(ty, &left, &right) {
                        let export = format!("{name} {at} {way}");
                        let ty = format!("(param $a {ty}) (param $b {ty}) (result {result})");
                        writeln!(text, r#"(func (export "{export}") {ty} {body})"#).unwrap();
                        cases.push((export, format!("{name} {at}"), b));
                    }
                }
            }
            let mut lab = Lab::new(mode, &[], &(text + ")"));
            let mut expected: HashMap<String, Outcome> = HashMap::new();
            for (export, case, b) in cases {
                let found = lab.call(&export, &[integer(ty, a), integer(ty, b)]);
                let by_locals = expected.entry(case).or_insert_with(|| found.clone());
                assert_eq!(found, *by_locals, "{ty} {a:#x} {b:#x}: {export}");
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 31_115, "cases");
}
