//! Operands that stand for a local since it was read: they keep the value when the local is set, in the same block or
//! in an arm of an `if` that takes them as parameters. What a local is set to may be a constant, the same constant
//! again, or a value that the compiler does not know.

use crate::in_all_modes;
use crate::lab::Lab;
use heapwood_vm::Val;
use std::fmt::Write;

in_all_modes!(operands_keep_the_value_that_was_read, parameters_of_an_if_are_the_same_in_both_arms);

/// A type, a constant of it that holds a number, how the number `$n` becomes such a value, and how that becomes a
/// number again.
const TYPES: [(&str, &str, &str, &str); 6] = [
    ("i32", "(i32.const N)", "(local.get $n)", "V"),
    ("i64", "(i64.const N)", "(i64.extend_i32_s (local.get $n))", "(i32.wrap_i64 V)"),
    ("f32", "(f32.const N)", "(f32.convert_i32_s (local.get $n))", "(i32.trunc_f32_s V)"),
    ("f64", "(f64.const N)", "(f64.convert_i32_s (local.get $n))", "(i32.trunc_f64_s V)"),
    ("v128", "(v128.const i32x4 5 5 5 N)", "(i32x4.splat (local.get $n))", "(i32x4.extract_lane 3 V)"),
    ("i31ref", "(ref.i31 (i32.const N))", "(ref.i31 (local.get $n))", "(i31.get_s V)"),
];

/// What a local is set to, and the number that it holds then.
const SOURCES: [(&str, i32); 3] = [("CONSTANT3", 3), ("CONSTANT4", 4), ("(local.get $unknown)", UNKNOWN)];
const UNKNOWN: i32 = 5;

/// What functions begin with: a local is known to be a constant only where there is a frame, which those that call
/// have.
const BEGINNINGS: [&str; 2] = ["", "(call $nothing)"];

/// Functions under test, and what each returns for a condition that holds and for one that does not: the numbers of two
/// values, one behind the other in the decimal system.
#[derive(Default)]
struct Functions {
    text: String,
    wanted: Vec<[i32; 2]>,
}

impl Functions {
    /// A function of `$x`, which holds no constant at first, whose body leaves two values of the type.
    fn add(&mut self, (ty, constant, made, number): (&str, &str, &str, &str), body: &str, wanted: [(i32, i32); 2]) {
        let name = self.wanted.len();
        let mut body = body.to_owned();
        for value in ["3", "4"] {
            body = body.replace(&format!("CONSTANT{value}"), &constant.replace('N', value));
        }
        let of = |local: &str| number.replace('V', &format!("(local.get {local})"));
        let (a, b) = (of("$a"), of("$b"));
        for (kind, beginning) in BEGINNINGS.iter().enumerate() {
            writeln!(
                self.text,
                r#"(func (export "{name} {kind}") (param $n i32) (param $c i32) (result i32)
                     (local $x {ty}) (local $unknown {ty}) (local $a {ty}) (local $b {ty})
                     {beginning} (local.set $unknown {made}) (local.set $x (local.get $unknown))
                     (block $out (result {ty} {ty}) {body})
                     (local.set $b) (local.set $a)
                     (i32.add (i32.mul {a} (i32.const 10)) {b}))"#
            )
            .unwrap();
        }
        self.wanted.push(wanted.map(|(a, b)| 10 * a + b));
    }

    fn check(&self, mode: usize) {
        let mut lab = Lab::new(mode, &[], &format!("(module (func $nothing) {})", self.text));
        for (name, wanted) in self.wanted.iter().enumerate() {
            for (kind, (condition, wanted)) in
                (0..BEGINNINGS.len()).flat_map(|kind| [(kind, (1, wanted[0])), (kind, (0, wanted[1]))])
            {
                let found = lab.call(&format!("{name} {kind}"), &[Val::I32(UNKNOWN), Val::I32(condition)]);
                assert_eq!(found, Ok(vec![wanted as u128]), "{name} {kind} of {condition}:\n{}", self.text);
            }
        }
        println!("{} cases", self.wanted.len() * BEGINNINGS.len() * 2);
    }
}

fn operands_keep_the_value_that_was_read(mode: usize) {
    let mut functions = Functions::default();
    for ty in TYPES {
        for (old, first) in SOURCES {
            for (new, second) in SOURCES {
                let body = format!("(local.set $x {old}) (local.get $x) (local.set $x {new}) (local.get $x)");
                functions.add(ty, &body, [(first, second); 2]);
            }
        }
    }
    assert_eq!(functions.wanted.len(), 54);
    functions.check(mode);
}

fn parameters_of_an_if_are_the_same_in_both_arms(mode: usize) {
    let mut functions = Functions::default();
    for ty in TYPES {
        for (old, first) in SOURCES {
            for (new, second) in SOURCES {
                let begin =
                    format!("(local.set $x {old}) (local.get $x) (local.get $c) (if (param TYPE) (result TYPE)");
                let begin = begin.replace("TYPE", ty.0);
                let one_arm = format!("{begin} (then (local.set $x {new}))) (local.get $x)");
                functions.add(ty, &one_arm, [(first, second), (first, first)]);
                let two_arms =
                    format!("{begin} (then (local.set $x {new})) (else (local.set $x CONSTANT4))) (local.get $x)");
                functions.add(ty, &two_arms, [(first, second), (first, 4)]);
                let leaves = format!("{begin} (then (local.set $x {new}) (local.get $x) (br $out))) (local.get $x)");
                functions.add(ty, &leaves, [(first, second), (first, first)]);
                let swapped =
                    format!("{begin} (then (drop) (local.set $x {new}) (local.get $x)) (else)) (local.get $x)");
                functions.add(ty, &swapped, [(second, second), (first, first)]);
            }
        }
    }
    assert_eq!(functions.wanted.len(), 216);
    functions.check(mode);
}
