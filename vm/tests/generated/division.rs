//! Division by constants, which compiles to shifts and products: every operator, divisors of every shape, dividends at
//! the ends of their ranges and around multiples of the divisor; the dividend in a parameter, in the register of a
//! call's result, in memory, and in the local that the result goes to.

use crate::lab::Lab;
use heapwood_vm::{TrapKind, Val};
use std::fmt::Write;

/// Operator, and its model for 64 bits; 32-bit operands are extended by their sign or with zeros.
type Model = fn(i128, i128) -> i128;
const OPERATORS: [(&str, bool, Model); 4] = [
    ("div_s", true, |n, d| n / d),
    ("div_u", false, |n, d| n / d),
    ("rem_s", true, |n, d| n % d),
    ("rem_u", false, |n, d| n % d),
];

/// How the dividend `$n` is given and the result taken. `OP` divides what is before it.
const PLACES: [(&str, &str); 5] = [
    ("parameter", "(OP (local.get $n) D)"),
    ("call", "(OP (call $same (local.get $n)) D)"),
    ("memory", "(local.set $m (local.get $n)) (drop (call $same (local.get $n))) (OP (local.get $m) D)"),
    ("same local", "(local.set $n (OP (local.get $n) D)) (local.get $n)"),
    ("below others", "(T.sub (T.add (OP (call $same (local.get $n)) D) (local.get $n)) (call $same (local.get $n)))"),
];

fn divisors(bits: u32) -> Vec<u64> {
    let top = 1u64 << (bits - 1);
    let mut all: Vec<u64> = (0..=20).collect();
    all.extend([
        25,
        60,
        100,
        125,
        255,
        256,
        257,
        641,
        1000,
        1024,
        3600,
        10_000,
        65_535,
        65_536,
        1_000_000,
        715_827_883,
    ]);
    all.extend([top - 2, top - 1, top, top + 1, top / 2 - 1, top / 2, top / 2 + 1, top / 3, 0x7fff_ffff, 0x8000_0000]);
    let negative: Vec<u64> = all.iter().map(|d| d.wrapping_neg()).collect();
    all.extend(negative);
    all.iter_mut().for_each(|d| *d &= u64::MAX >> (64 - bits));
    all.sort_unstable();
    all.dedup();
    all
}

fn dividends(bits: u32, d: u64) -> Vec<u64> {
    let top = 1u64 << (bits - 1);
    let mut all = vec![0, 1, 2, 3, top - 1, top, top + 1, u64::MAX, u64::MAX - 1, 0x1234_5678_9abc_def0];
    for factor in [1u64, 2, 3, 1000, (top - 1).checked_div(d).unwrap_or(7), u64::MAX.checked_div(d).unwrap_or(9)] {
        let multiple = d.wrapping_mul(factor);
        all.extend([multiple.wrapping_sub(1), multiple, multiple.wrapping_add(1), multiple.wrapping_neg()]);
    }
    all
}

/// The operand as a number.
fn number(bits: u32, signed: bool, value: u64) -> i128 {
    match (bits, signed) {
        (32, true) => value as i32 as i128,
        (32, false) => value as u32 as i128,
        (_, true) => value as i64 as i128,
        (_, false) => value as i128,
    }
}

#[test]
fn constants_divide_like_numbers() {
    for bits in [32u32, 64] {
        let ty = format!("i{bits}");
        let mut text = format!("(module (func $same (param {ty}) (result {ty}) (local.get 0))\n");
        for (operator, ..) in OPERATORS {
            for d in divisors(bits) {
                for (place, body) in PLACES {
                    let constant = format!("({ty}.const {})", number(bits, true, d));
                    let body =
                        body.replace("OP", &format!("{ty}.{operator}")).replace('D', &constant).replace('T', &ty);
                    let name = format!("{operator} {d} {place}");
                    writeln!(text, r#"(func (export "{name}") (param $n {ty}) (result {ty}) (local $m {ty}) {body})"#)
                        .unwrap();
                }
            }
        }
        let mut lab = Lab::new(0, &[], &(text + ")"));
        for (operator, signed, model) in OPERATORS {
            for d in divisors(bits) {
                let divisor = number(bits, signed, d);
                for (place, _) in PLACES {
                    let name = format!("{operator} {d} {place}");
                    for n in dividends(bits, d) {
                        let dividend = number(bits, signed, n);
                        let overflows = operator == "div_s" && divisor == -1 && dividend == -(1 << (bits - 1));
                        let expected = match divisor {
                            0 => Err(TrapKind::IntegerDivideByZero),
                            -1 if overflows => Err(TrapKind::IntegerOverflow),
                            _ => Ok(vec![number(bits, false, model(dividend, divisor) as u64) as u128]),
                        };
                        let arg = if bits == 32 { Val::I32(n as u32 as i32) } else { Val::I64(n as i64) };
                        assert_eq!(lab.call(&name, &[arg]), expected, "i{bits}: {dividend} {name}");
                    }
                }
            }
        }
    }
}
