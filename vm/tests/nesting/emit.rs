//! The guest's part of a program, as a module in the text format. The formulas are those of the model.

use super::model::catch_key;
use super::program::{Catch, Guest, GuestEnd, GuestStep, Node, Program};
use std::fmt::Write;

/// Parameters of a host function that has some on the stack.
pub const WIDE_PARAMS: usize = 12;

/// The module; its memory has 64-bit addresses if `wide_memory`.
pub fn module(program: &Program, wide_memory: bool) -> String {
    let address = if wide_memory { "i64" } else { "i32" };
    let wide = "i64 ".repeat(WIDE_PARAMS);
    let mut text = format!(
        r#"(module
  (type $s (struct (field i64)))
  (import "h" "narrow" (func $narrow (param i32 i64) (result i64)))
  (import "h" "wide" (func $wide (param i32 {wide}) (result i64)))
  (tag $e (export "e") (param i64)) (tag $f (export "f"))
  (memory (export "memory") {address} 1)
  (global $log (export "log") (mut i64) (i64.const 0))
"#
    );
    for (id, node) in program.nodes.iter().enumerate() {
        if let Node::Guest(guest) = node {
            emit_guest(&mut text, program, guest, id, address);
            if guest.depth > 0 {
                emit_deep(&mut text, guest, id);
            }
        }
    }
    text.push(')');
    text
}

/// The name of the export behind which a guest function is called.
pub fn entry(guest: &Guest, id: usize) -> String {
    if guest.depth > 0 { format!("d{id}") } else { format!("g{id}") }
}

fn params(guest: &Guest) -> String {
    (0..guest.params).map(|k| format!("(param $p{k} i64) ")).collect()
}

/// Calls a node with a seed and what follows it.
fn call(program: &Program, child: usize, seed: &str) -> String {
    let rest = |count: usize| (1..count).map(|k| format!(" (i64.add {seed} (i64.const {k}))")).collect::<String>();
    match &program.nodes[child] {
        Node::Guest(guest) if guest.depth > 0 => {
            format!("(call $d{child} (i32.const {}) {seed}{})", guest.depth, rest(guest.params))
        }
        Node::Guest(guest) => format!("(call $g{child} {seed}{})", rest(guest.params)),
        Node::Host(host) if host.wide => format!("(call $wide (i32.const {child}) {seed}{})", rest(WIDE_PARAMS)),
        Node::Host(_) => format!("(call $narrow (i32.const {child}) {seed})"),
    }
}

fn emit_deep(text: &mut String, guest: &Guest, id: usize) {
    let passed: String = (0..guest.params).map(|k| format!(" (local.get $p{k})")).collect();
    let params = params(guest);
    write!(
        text,
        r#"
  (func $d{id} (export "d{id}") (param $n i32) {params}(result i64) (local $a i64) (local $b i64) (local $q (ref null $s))
    (if (i32.eqz (local.get $n)) (then (return (call $g{id}{passed}))))
    (local.set $a (i64.add (local.get $p0) (i64.extend_i32_s (local.get $n))))
    (local.set $b (i64.xor (i64.mul (local.get $p0) (i64.extend_i32_s (local.get $n))) (i64.const {id})))
    (local.set $q (struct.new $s (i64.mul (local.get $a) (local.get $b))))
    (call $d{id} (i32.sub (local.get $n) (i32.const 1)){passed})
    (i64.xor (local.get $a))
    (i64.add (local.get $b))
    (i64.add (i64.xor (local.get $a) (local.get $b)))
    (i64.add (struct.get $s 0 (local.get $q))))"#
    )
    .unwrap();
}

fn emit_guest(text: &mut String, program: &Program, guest: &Guest, id: usize, address: &str) {
    let place = format!("({address}.const {})", 64 + 8 * id);
    let (first, params) = (0x9e37 * (id as i64 + 1), params(guest));
    write!(
        text,
        r#"
  (func $g{id} (export "g{id}") {params}(result i64)
    (local $x i64) (local $y i64) (local $z i64) (local $acc i64) (local $v i64) (local $r (ref null $s))
    (local $w f64) (local $u v128)
    (local.set $x (i64.xor (local.get $p0) (i64.const {first})))
    (local.set $y (i64.add (i64.mul (local.get $p0) (i64.const 0x1000193)) (i64.const {id})))
    (local.set $z (i64.rotl (local.get $p0) (i64.const 17)))
    (local.set $acc (local.get $p0))
    (local.set $r (struct.new $s (i64.add (local.get $x) (local.get $y))))"#
    )
    .unwrap();
    if guest.memory {
        write!(text, "\n    (i64.store {place} (local.get $x))").unwrap();
    }
    if guest.floats {
        write!(text, "\n    (local.set $w (f64.reinterpret_i64 (i64.xor (local.get $z) (i64.const {id}))))").unwrap();
        text.push_str("\n    (local.set $u (i64x2.splat (i64.xor (local.get $z) (i64.const 0x55))))");
    }
    for (k, step) in guest.steps.iter().enumerate() {
        write!(
            text,
            r#"
    (local.set $x (i64.add (local.get $x) (i64.const {})))
    (local.set $y (i64.xor (local.get $y) (local.get $x)))
    (local.set $z (i64.add (i64.rotl (local.get $z) (i64.const 5)) (local.get $y)))"#,
            7 * k + 3
        )
        .unwrap();
        match *step {
            GuestStep::Allocate => text.push_str(
                "\n    (local.set $v (struct.get $s 0 (struct.new $s (i64.mul (local.get $x) (i64.const 3)))))",
            ),
            GuestStep::Call { child, catch } => {
                let called = call(program, child, &format!("(i64.add (local.get $x) (i64.const {child}))"));
                text.push_str("\n    ");
                text.push_str(&caught(catch, &format!("(local.set $v {called})")));
            }
        }
        emit_mixing(text, guest, &place);
    }
    text.push_str(match guest.end {
        GuestEnd::Return => "\n    (local.get $acc))",
        GuestEnd::Throw => "\n    (throw $e (i64.xor (local.get $acc) (i64.const 0x77))))",
        GuestEnd::ThrowOther => "\n    (throw $f))",
        GuestEnd::Unreachable => "\n    (unreachable))",
        GuestEnd::Divide => "\n    (i64.div_s (local.get $acc) (i64.const 0)))",
        GuestEnd::OutOfBounds if address == "i64" => "\n    (i64.load (i64.const 0x7fffffff)))",
        GuestEnd::OutOfBounds => "\n    (i64.load (i32.const -8)))",
        GuestEnd::Null => "\n    (struct.get $s 0 (ref.null $s)))",
    });
}

/// What a step answered goes into the sum, with all that has to survive it.
fn emit_mixing(text: &mut String, guest: &Guest, place: &str) {
    text.push_str(
        r#"
    (local.set $acc (i64.add (i64.mul (local.get $acc) (i64.const 31)) (local.get $v)))
    (local.set $acc (i64.xor (local.get $acc)
      (i64.xor (i64.add (local.get $x) (i64.rotl (local.get $y) (i64.const 7))) (local.get $z))))
    (local.set $acc (i64.add (local.get $acc) (struct.get $s 0 (local.get $r))))"#,
    );
    if guest.memory {
        write!(text, "\n    (local.set $acc (i64.add (local.get $acc) (i64.mul (i64.load {place}) (i64.const 3))))")
            .unwrap();
        write!(text, "\n    (i64.store {place} (local.get $x))").unwrap();
    }
    if guest.params > 1 {
        text.push_str(
            "\n    (local.set $acc (i64.add (i64.add (local.get $acc) (local.get $p7)) \
             (i64.mul (local.get $p11) (i64.const 5))))",
        );
    }
    if guest.floats {
        text.push_str(
            "\n    (local.set $acc (i64.add (i64.xor (local.get $acc) (i64.reinterpret_f64 (local.get $w))) \
             (i64x2.extract_lane 1 (local.get $u))))",
        );
    }
    text.push_str("\n    (global.set $log (i64.add (i64.mul (global.get $log) (i64.const 131)) (local.get $acc)))");
}

/// A call in a catch.
fn caught(catch: Catch, call: &str) -> String {
    let key = format!("(i64.const {})", catch_key(catch));
    let take = format!("{key} (i64.xor) (local.set $v)");
    let answer = format!("(local.set $v {key})");
    let log = |value: &str| format!("(global.set $log (i64.xor (global.get $log) {value}))");
    let table = |types: &str, clause: &str, then: &str| {
        format!("(block $out (block $c {types} (try_table ({clause} $c) {call}) (br $out)) {then})")
    };
    match catch {
        Catch::Nothing => call.to_owned(),
        Catch::One => table("(result i64)", "catch $e", &take),
        Catch::OneRef => table("(result i64 exnref)", "catch_ref $e", &format!("(drop) {take}")),
        Catch::Other => table("", "catch $f", &answer),
        Catch::All => table("", "catch_all", &answer),
        Catch::AllRefRethrow => table("(result exnref)", "catch_all_ref", &format!("{} (throw_ref)", log(&key))),
        Catch::LegacyOne => format!("try {call} catch $e {take} end"),
        Catch::LegacyAll => format!("try {call} catch_all {answer} end"),
        Catch::LegacyRethrow => {
            format!("try {call} catch $e (local.set $v) {} rethrow 0 end", log("(local.get $v)"))
        }
        Catch::LegacyDelegate => format!("try $t try {call} delegate $t catch $e {take} end"),
    }
}
