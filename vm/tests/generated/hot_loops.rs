//! Loops that call nothing keep locals in registers: every instruction of more than one operand has to do with those
//! that are left, wherever its operands are. Programs of random steps on more locals than there are registers, against
//! a model.

use crate::in_all_modes;
use crate::lab::Lab;
use std::fmt::Write;

in_all_modes!(loops_of_many_locals_agree_with_the_model);

const LOCALS: usize = 10;
const NARROW: usize = 4;
const STEPS: usize = 24;
const ROUNDS: i64 = 5;
const PROGRAMS: u64 = 400;

/// An operation on three locals: its text, with A, B and C for them, and what it means. I is a local of 32
/// bits, 0 or 1.
type Operation = (&'static str, fn(i64, i64, i64, i32) -> i64);

const OPERATIONS: [Operation; 24] = [
    ("(i64.add A B)", |a, b, _, _| a.wrapping_add(b)),
    ("(i64.sub A B)", |a, b, _, _| a.wrapping_sub(b)),
    ("(i64.mul A B)", |a, b, _, _| a.wrapping_mul(b)),
    ("(i64.xor A B)", |a, b, _, _| a ^ b),
    ("(i64.shl A B)", |a, b, _, _| a.wrapping_shl(b as u32)),
    ("(i64.shr_s A B)", |a, b, _, _| a.wrapping_shr(b as u32)),
    ("(i64.shr_u A B)", |a, b, _, _| (a as u64).wrapping_shr(b as u32) as i64),
    ("(i64.rotl A B)", |a, b, _, _| a.rotate_left(b as u32 & 63)),
    ("(i64.rotr A B)", |a, b, _, _| a.rotate_right(b as u32 & 63)),
    ("(i64.div_u A (i64.or B (i64.const 1)))", |a, b, _, _| (a as u64 / (b | 1) as u64) as i64),
    ("(i64.rem_s A (i64.or B (i64.const 3)))", |a, b, _, _| a.wrapping_rem(b | 3)),
    ("(select A B (i32.wrap_i64 C))", |a, b, c, _| if c as i32 != 0 { a } else { b }),
    ("(select A B (i64.lt_s B C))", |a, b, c, _| if b < c { a } else { b }),
    ("(select A B (i64.eqz (i64.and C (i64.const 1))))", |a, b, c, _| if c & 1 == 0 { a } else { b }),
    ("(i64.extend_i32_u (i64.gt_u A B))", |a, b, _, _| (a as u64 > b as u64) as i64),
    ("(i64.add (i64.rotl A B) (i64.sub C B))", |a, b, c, _| {
        a.rotate_left(b as u32 & 63).wrapping_add(c.wrapping_sub(b))
    }),
    ("(i64.extend_i32_s (i32.rotl (i32.wrap_i64 A) (i32.wrap_i64 B)))", |a, b, _, _| {
        (a as i32).rotate_left(b as u32 & 31) as i64
    }),
    ("(i64.clz (i64.shr_u A C))", |a, _, c, _| (a as u64).wrapping_shr(c as u32).leading_zeros() as i64),
    ("(select A B I)", |a, b, _, i| if i != 0 { a } else { b }),
    ("(select A C I)", |a, _, c, i| if i != 0 { a } else { c }),
    ("(i64.extend_i32_s (select (i32.wrap_i64 A) I I))", |a, _, _, i| if i != 0 { a as i32 as i64 } else { 0 }),
    ("(i64.extend_i32_s (i32.shr_s (i32.wrap_i64 A) I))", |a, _, _, i| (a as i32).wrapping_shr(i as u32) as i64),
    // Through memory: what is stored at an address is read again.
    (
        "(i64.store (i32.and (i32.wrap_i64 A) (i32.const 0xff8)) B) (i64.load (i32.and (i32.wrap_i64 A) (i32.const 0xff8)))",
        |_, b, _, _| b,
    ),
    (
        "(array.set $a (local.get $array) (i32.and (i32.wrap_i64 A) (i32.const 7)) C) (array.get $a (local.get $array) (i32.and (i32.wrap_i64 A) (i32.const 7)))",
        |_, _, c, _| c,
    ),
];

struct Step {
    to: usize,
    operation: usize,
    from: [usize; 3],
}

fn steps(seed: u64) -> Vec<Step> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut below = |limit: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % limit
    };
    let mut step = || {
        let (to, operation) = (below(LOCALS), below(OPERATIONS.len()));
        Step { to, operation, from: [below(LOCALS), below(LOCALS), below(LOCALS)] }
    };
    (0..STEPS).map(|_| step()).collect()
}

fn initial(local: usize) -> i64 {
    0x0123_4567_89ab_cdef_i64.wrapping_mul(2 * local as i64 + 1)
}

fn model(seed: u64) -> i64 {
    let steps = steps(seed);
    let mut locals: Vec<i64> = (0..LOCALS).map(initial).collect();
    let mut narrow = [0; NARROW];
    for _ in 0..ROUNDS {
        for Step { to, operation, from: [a, b, c] } in &steps {
            let narrow = &mut narrow[*c % NARROW];
            locals[*to] = OPERATIONS[*operation].1(locals[*a], locals[*b], locals[*c], *narrow);
            *narrow = locals[*a] as i32 & 1;
        }
    }
    locals.iter().fold(0i64, |sum, local| sum.rotate_left(7) ^ local)
}

fn function(seed: u64) -> String {
    let mut text = format!(
        r#"(func (export "{seed}") (result i64) (local $round i64) (local $array (ref null $a)) {}
            (local.set $array (array.new_default $a (i32.const 8))) "#,
        (0..LOCALS)
            .map(|local| format!("(local $l{local} i64)"))
            .chain((0..NARROW).map(|local| format!("(local $i{local} i32)")))
            .collect::<String>()
    );
    for local in 0..LOCALS {
        write!(text, "(local.set $l{local} (i64.const {}))", initial(local)).unwrap();
    }
    text += "(loop $l ";
    for Step { to, operation, from } in steps(seed) {
        let get = |k: usize| format!("(local.get $l{})", from[k]);
        let narrow = format!("$i{}", from[2] % NARROW);
        let operation = OPERATIONS[operation].0.replace('A', &get(0)).replace('B', &get(1)).replace('C', &get(2));
        let operation = operation.replace('I', &format!("(local.get {narrow})"));
        write!(text, "{operation} local.set $l{to} ").unwrap();
        write!(text, "(local.set {narrow} (i32.and (i32.wrap_i64 {}) (i32.const 1)))", get(0)).unwrap();
    }
    write!(
        text,
        "(br_if $l (i64.lt_u (local.tee $round (i64.add (local.get $round) (i64.const 1))) (i64.const {ROUNDS}))))
         (i64.const 0)"
    )
    .unwrap();
    for local in 0..LOCALS {
        write!(text, "(i64.const 7) i64.rotl (local.get $l{local}) i64.xor ").unwrap();
    }
    text + ")"
}

fn loops_of_many_locals_agree_with_the_model(mode: usize) {
    let functions: String = (0..PROGRAMS).map(function).collect();
    let mut lab = Lab::new(mode, &[], &format!("(module (type $a (array (mut i64))) (memory 1) {functions})"));
    for seed in 0..PROGRAMS {
        assert_eq!(lab.call(&seed.to_string(), &[]), Ok(vec![model(seed) as u64 as u128]), "program {seed}");
    }
    println!("{PROGRAMS} programs");
}
