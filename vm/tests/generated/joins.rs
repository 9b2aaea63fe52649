//! Locals where ways of control meet: at labels and in handlers of exceptions. What is read there is what the local
//! held on the way that was taken, whatever the compiler knew about it: a constant, another local, the result of an
//! operation.

use crate::in_all_modes;
use crate::lab::Lab;
use heapwood_vm::Val;
use std::fmt::Write;

in_all_modes!(locals_are_what_they_were_on_the_way_taken);

/// A type, a constant of it that holds a number, and how such a value becomes a number again.
const TYPES: [(&str, &str, &str); 6] = [
    ("i32", "(i32.const N)", "(i64.extend_i32_s V)"),
    ("i64", "(i64.const N)", "V"),
    ("f32", "(f32.const N)", "(i64.trunc_f32_s V)"),
    ("f64", "(f64.const N)", "(i64.trunc_f64_s V)"),
    ("v128", "(v128.const i64x2 5 N)", "(i64x2.extract_lane 1 V)"),
    ("(ref null $box)", "(struct.new $box (i64.const N))", "(struct.get $box 0 V)"),
];

/// Where the value comes from that the local has when the way is left: a constant, or a local that holds the same.
const SOURCES: [(&str, &str); 4] = [
    ("constant", "CONSTANT"),
    ("unknown", "(local.get $unknown)"),
    ("call", "(call $same_K (local.get $unknown))"),
    ("copy", "(local.get $copy)"),
];

/// The body of a way: it is left in the middle if `$leave` is 1.
const BODY: &str = "SET LEAVE RESET";

/// How an exception of the body is caught.
const CATCHES: [(&str, &str); 8] = [
    ("catch", "(block $h (try_table (catch $e $h) BODY))"),
    ("catch_all", "(block $h (try_table (catch_all $h) BODY))"),
    ("catch_all_ref", "(block $out (drop (block $h (result exnref) (try_table (catch_all_ref $h) BODY) (br $out))))"),
    ("outer catch", "(block $h (try_table (catch $e $h) (block $i (try_table (catch $other $i) BODY))))"),
    ("legacy catch", "try BODY catch $e end"),
    ("legacy catch_all", "try BODY catch_all end"),
    ("legacy delegate", "try $outer try BODY delegate $outer catch_all end"),
    ("legacy rethrow", "try try $inner BODY catch $e rethrow $inner end catch_all end"),
];

/// What throws if `$leave` is 1.
const THROWS: [(&str, &str); 4] = [
    ("throw", "(if (local.get $leave) (then (throw $e)))"),
    ("call", "(call $maybe (local.get $leave))"),
    ("call_indirect", "(call_indirect (type $maybe) (local.get $leave) (i32.const 0))"),
    ("call_ref", "(call_ref $maybe (local.get $leave) (ref.func $maybe))"),
];

/// What branches to `$h` if `$leave` is 1.
const BRANCHES: [(&str, &str); 5] = [
    ("br", "(if (local.get $leave) (then (br $h)))"),
    ("br_if", "(br_if $h (local.get $leave))"),
    ("br_table", "(block $i (br_table $i $h (local.get $leave)))"),
    (
        "br_on_null",
        "(drop (br_on_null $h (select (result (ref null $box)) (ref.null $box) (global.get $b) (local.get $leave))))",
    ),
    (
        "br_on_cast",
        "(drop (block $i (result anyref) (drop (br_on_cast $i anyref (ref i31) (select (result anyref) (global.get $b) (ref.i31 (i32.const 1)) (local.get $leave)))) (br $h)))",
    ),
];

/// What is left by a branch.
const BLOCKS: [(&str, &str); 3] = [
    ("block", "(block $h BODY)"),
    ("loop", "(block $h (loop $l BODY))"),
    ("try", "(block $h (try_table (catch_all $h) BODY))"),
];

/// Ways that meet by themselves.
const MEETINGS: [(&str, &str); 3] = [
    ("else", "(if (local.get $leave) (then SET) (else RESET))"),
    ("then", "RESET (if (local.get $leave) (then SET))"),
    (
        "back edge",
        "(block $out (loop $l (br_if $out (local.get $again)) (local.set $again (i32.const 1))
           SET (br_if $l (local.get $leave)) RESET))",
    ),
];

/// Ways by name: what sets the local (`SET`), and what sets it again unless `$leave` is 1 (`RESET`).
fn ways() -> Vec<(String, String)> {
    let product = |outer: &[(&str, &str)], inner: &[(&str, &str)]| {
        let pair = |(name, text): &(&str, &str), (leave, by): &(&str, &str)| {
            (format!("{name}, {leave}"), text.replace("BODY", BODY).replace("LEAVE", by))
        };
        outer.iter().flat_map(|way| inner.iter().map(move |leave| pair(way, leave))).collect::<Vec<_>>()
    };
    let meetings = MEETINGS.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    [product(&CATCHES, &THROWS), product(&BLOCKS, &BRANCHES), meetings.collect()].concat()
}

const BEFORE: i64 = 1111;
const SET: i64 = -77;
const RESET: i64 = 2222;

fn program(names: &mut Vec<String>) -> String {
    let mut text = String::from(
        r#"(module (type $box (struct (field i64))) (type $maybe (func (param i32)))
            (tag $e) (tag $other) (table 1 funcref) (elem (i32.const 0) $maybe)
            (global $b (ref $box) (struct.new $box (i64.const 3)))
            (func $maybe (type $maybe) (if (local.get 0) (then (throw $e))))"#,
    );
    for (kind, (ty, constant, number)) in TYPES.iter().enumerate() {
        let of = |number: i64| constant.replace('N', &number.to_string());
        let (same, read) = (format!("$same_{kind}"), number.replace('V', "(local.get $x)"));
        write!(text, "(func {same} (param {ty}) (result {ty}) (local.get 0))").unwrap();
        for (source_name, source) in SOURCES {
            let source = source.replace("CONSTANT", &of(SET)).replace("$same_K", &same);
            let set = format!("(local.set $x {source})");
            for (way_name, way) in ways() {
                let name = format!("{ty}: {source_name}, {way_name}");
                let way = way.replace("RESET", &format!("(local.set $x {})", of(RESET))).replace("SET", &set);
                write!(
                    text,
                    r#"(func (export "{name}") (param $leave i32) (result i64)
                         (local $again i32) (local $unknown {ty}) (local $copy {ty}) (local $x {ty})
                         (local.set $unknown (call {same} {})) (local.set $copy (local.get $unknown)) (local.set $x {})
                         {way} {read})"#,
                    of(SET),
                    of(BEFORE)
                )
                .unwrap();
                names.push(name);
            }
        }
    }
    text + ")"
}

fn locals_are_what_they_were_on_the_way_taken(mode: usize) {
    let mut names = Vec::new();
    let mut lab = Lab::new(mode, &[], &program(&mut names));
    for name in &names {
        for (leave, right) in [(0, RESET), (1, SET)] {
            assert_eq!(lab.call(name, &[Val::I32(leave)]), Ok(vec![right as u64 as u128]), "{name}, leaves: {leave}");
        }
    }
    println!("{} programs", names.len());
    assert_eq!(names.len(), 1200);
}
