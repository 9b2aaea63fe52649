//! Shifts and rotations: every kind of count, known to the compiler and not, of values known and not.

use crate::in_all_modes;
use crate::lab::{Lab, integer, literal};
use std::fmt::Write;

in_all_modes!(counts_are_taken_modulo_the_width);

const OPERATORS: [&str; 5] = ["shl", "shr_s", "shr_u", "rotl", "rotr"];
const COUNTS: [i64; 14] = [0, 1, 7, 31, 32, 33, 40, 63, 64, 65, 127, 255, i32::MIN as i64 + 5, -1];
const VALUES: [i64; 6] = [1, -1, i64::MIN, i32::MIN as i64, 0x1234_5678_9abc_def0, 0x7654_3210];

/// Where value and count come from: V and C are constants, `$v` and `$c` are not.
const FORMS: [(&str, &str); 6] = [
    ("neither", "(OP (local.get $v) (local.get $c))"),
    ("count", "(OP (local.get $v) C)"),
    ("value", "(OP V (local.get $c))"),
    ("both", "(OP V C)"),
    ("result of a call", "(OP (call $same (local.get $v)) C)"),
    ("same local", "(local.set $v (OP (local.get $v) C)) (local.get $v)"),
];

fn model(operator: &str, bits: u32, value: i64, count: i64) -> u64 {
    let n = (count as u64 % bits as u64) as u32;
    if bits == 32 {
        let v = value as u32;
        return match operator {
            "shl" => v << n,
            "shr_s" => ((v as i32) >> n) as u32,
            "shr_u" => v >> n,
            "rotl" => v.rotate_left(n),
            _ => v.rotate_right(n),
        } as u64;
    }
    match operator {
        "shl" => (value as u64) << n,
        "shr_s" => (value >> n) as u64,
        "shr_u" => value as u64 >> n,
        "rotl" => (value as u64).rotate_left(n),
        _ => (value as u64).rotate_right(n),
    }
}

fn counts_are_taken_modulo_the_width(mode: usize) {
    let mut tried = 0;
    for bits in [32u32, 64] {
        let ty = format!("i{bits}");
        let mut text = format!("(module (func $same (param {ty}) (result {ty}) (local.get 0))\n");
        let each = |visit: &mut dyn FnMut(String, &str, &str, i64, i64)| {
            for operator in OPERATORS {
                for (form, body) in FORMS {
                    for (v, value) in VALUES.into_iter().enumerate() {
                        for (c, count) in COUNTS.into_iter().enumerate() {
                            visit(format!("{operator} {form} {v} {c}"), operator, body, value, count);
                        }
                    }
                }
            }
        };
        each(&mut |name, operator, body, value, count| {
            let body = body.replace("OP", &format!("{ty}.{operator}"));
            let body = body.replace('V', &format!("({ty}.const {})", literal(&ty, value)));
            let body = body.replace('C', &format!("({ty}.const {})", literal(&ty, count)));
            writeln!(text, r#"(func (export "{name}") (param $v {ty}) (param $c {ty}) (result {ty}) {body})"#).unwrap();
        });
        let mut lab = Lab::new(mode, &[], &(text + ")"));
        each(&mut |name, operator, _, value, count| {
            let expected = model(operator, bits, value, literal(&ty, count)) as u128;
            assert_eq!(
                lab.call(&name, &[integer(&ty, value), integer(&ty, count)]),
                Ok(vec![expected]),
                "i{bits}: {name}"
            );
            tried += 1;
        });
    }
    assert_eq!(tried, 5040, "cases");
}
