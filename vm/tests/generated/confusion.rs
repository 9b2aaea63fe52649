//! Two imported and two defined entities of each kind: every instruction reaches the one that it names, and no other.
//! (Memories and tables themselves: `widths`.)

use crate::in_all_modes;
use crate::lab::{Lab, Outcome};
use heapwood_vm::{TrapKind, Val};
use std::fmt::Write;

in_all_modes!(globals_are_told_apart, functions_are_told_apart, tags_are_told_apart, segments_are_told_apart);

/// Entities 0 and 1 are imported, 2 and 3 defined.
const COUNT: usize = 4;

// ---- globals

/// Type, how its constants are written, and values for each entity.
const TYPES: [&str; 6] = ["i32", "i64", "f32", "f64", "v128", "i31ref"];

fn constant(ty: &str, k: usize) -> String {
    match ty {
        "v128" => format!("(v128.const i64x2 {k} -{k}23456789123)"),
        "i31ref" => format!("(ref.i31 (i32.const 7{k}))"),
        _ => format!("({ty}.const {k}3)"),
    }
}

/// What [`constant`] makes, as the bits of a number.
fn constant_bits(ty: &str, k: usize) -> u128 {
    let small = k as u64 * 10 + 3;
    match ty {
        "f32" => (small as f32).to_bits() as u128,
        "f64" => (small as f64).to_bits() as u128,
        "v128" => {
            let high = (k as i64 * 100_000_000_000 + 23_456_789_123).wrapping_neg();
            (high as u64 as u128) << 64 | k as u128
        }
        "i31ref" => 70 + k as u128,
        _ => small as u128,
    }
}

fn globals_are_told_apart(mode: usize) {
    for ty in TYPES {
        let (mut library, mut text) = (String::from("(module "), String::from("(module "));
        let (result, read) = if ty == "i31ref" { ("i32", "i31.get_s") } else { (ty, "") };
        for k in 0..2 {
            writeln!(library, r#"(global $g{k} (export "g{k}") (mut {ty}) {})"#, constant(ty, k)).unwrap();
            writeln!(text, r#"(import "library" "g{k}" (global $g{k} (mut {ty})))"#).unwrap();
            writeln!(text, r#"(import "library" "get {k}" (func $theirs{k} (result {result})))"#).unwrap();
            let get = format!("(global.get $g{k})");
            let get = if read.is_empty() { get } else { format!("({read} {get})") };
            writeln!(library, r#"(func (export "get {k}") (result {result}) {get})"#).unwrap();
        }
        for k in 2..COUNT {
            writeln!(text, r#"(global $g{k} (mut {ty}) {})"#, constant(ty, k)).unwrap();
        }
        for k in 0..COUNT {
            let get = format!("(global.get $g{k})");
            let get = if read.is_empty() { get } else { format!("({read} {get})") };
            writeln!(
                text,
                r#"(func (export "get {k}") (result {result}) {get})
                   (func (export "set {k}") (global.set $g{k} {}))
                   (func (export "copy {k}") (global.set $g{k} (global.get $g{})))"#,
                constant(ty, 5 + k),
                (k + 1) % COUNT,
            )
            .unwrap();
        }
        for k in 0..2 {
            writeln!(text, r#"(func (export "theirs {k}") (result {result}) (call $theirs{k}))"#).unwrap();
        }
        let mut lab = Lab::new(mode, &[("library", &(library + ")"))], &(text + ")"));
        let mut model: Vec<u128> = (0..COUNT).map(|k| constant_bits(ty, k)).collect();
        compare_globals(&mut lab, &model, ty);
        for k in [2, 0, 3, 1] {
            lab.call(&format!("set {k}"), &[]).unwrap();
            model[k] = constant_bits(ty, 5 + k);
            compare_globals(&mut lab, &model, ty);
            lab.call(&format!("copy {k}"), &[]).unwrap();
            model[k] = model[(k + 1) % COUNT];
            compare_globals(&mut lab, &model, ty);
        }
    }
}

fn compare_globals(lab: &mut Lab, model: &[u128], ty: &str) {
    for (k, value) in model.iter().enumerate() {
        assert_eq!(lab.call(&format!("get {k}"), &[]), Ok(vec![*value]), "global {k} of type {ty}");
        if k < 2 {
            assert_eq!(lab.call(&format!("theirs {k}"), &[]), Ok(vec![*value]), "global {k} of type {ty} as exported");
        }
    }
}

// ---- functions

fn functions_are_told_apart(mode: usize) {
    let (mut library, mut text) = (String::from("(module "), String::from("(module (type $t (func (result i32)))"));
    for k in 0..2 {
        writeln!(library, r#"(func (export "f{k}") (result i32) (i32.const {k}1))"#).unwrap();
        writeln!(text, r#"(import "library" "f{k}" (func $f{k} (type $t)))"#).unwrap();
    }
    text.push_str("(table $all 8 funcref) (elem (table $all) (i32.const 1) func $f3 $f1 $f2 $f0)");
    text.push_str("(elem declare func $f0 $f1 $f2 $f3)");
    for k in 0..COUNT {
        if k > 1 {
            writeln!(text, r#"(func $f{k} (type $t) (i32.const {k}1))"#).unwrap();
        }
        writeln!(
            text,
            r#"(export "f{k}" (func $f{k})) (global $r{k} (ref $t) (ref.func $f{k}))
               (func (export "call {k}") (result i32) (call $f{k}))
               (func (export "tail {k}") (result i32) (return_call $f{k}))
               (func (export "ref {k}") (result i32) (call_ref $t (ref.func $f{k})))
               (func (export "tail ref {k}") (result i32) (return_call_ref $t (ref.func $f{k})))
               (func (export "global {k}") (result i32) (call_ref $t (global.get $r{k})))
               (func (export "table {k}") (result i32)
                 (table.set $all (i32.const 7) (ref.func $f{k})) (call_indirect $all (type $t) (i32.const 7)))"#
        )
        .unwrap();
    }
    text.push_str(r#"(func (export "element") (param i32) (result i32) (call_indirect $all (type $t) (local.get 0)))"#);
    let mut lab = Lab::new(mode, &[("library", &(library + ")"))], &(text + ")"));
    for k in 0..COUNT {
        for name in ["f", "call ", "tail ", "ref ", "tail ref ", "global ", "table "] {
            assert_eq!(lab.call(&format!("{name}{k}"), &[]), Ok(vec![k as u128 * 10 + 1]), "{name}{k}");
        }
    }
    for (element, k) in [(1, 3), (2, 1), (3, 2), (4, 0)] {
        assert_eq!(lab.call("element", &[Val::I32(element)]), Ok(vec![k * 10 + 1]), "element {element}");
    }
}

// ---- tags

fn tags_are_told_apart(mode: usize) {
    let (mut library, mut text) = (String::from("(module "), String::from("(module "));
    for k in 0..2 {
        writeln!(library, r#"(tag $t{k} (export "t{k}") (param i32))"#).unwrap();
        writeln!(library, r#"(func (export "throw {k}") (throw $t{k} (i32.const {k}5)))"#).unwrap();
        writeln!(text, r#"(import "library" "t{k}" (tag $t{k} (param i32)))"#).unwrap();
        writeln!(text, r#"(import "library" "throw {k}" (func $theirs{k}))"#).unwrap();
    }
    for k in 2..COUNT {
        writeln!(text, "(tag $t{k} (param i32))").unwrap();
    }
    // Handlers stand in an order of their own; each adds its number to what the exception carries.
    let list = [2, 0, 3, 1].map(|k| format!("(catch $t{k} $c{k})")).join(" ");
    for k in 0..COUNT {
        writeln!(
            text,
            r#"(func $throw{k} (throw $t{k} (i32.const {k}5)))
               (func (export "here {k}") (result i32) {handler})
               (func (export "below {k}") (result i32) {below})
               (func (export "again {k}") (result i32) {again})"#,
            handler = handler(&list, &format!("(throw $t{k} (i32.const {k}5))")),
            below = handler(&list, &format!("(call $throw{k})")),
            again = handler(
                &list,
                &format!("(throw_ref (block $e (result exnref) (try_table (catch_all_ref $e) (call $throw{k})) (unreachable)))")
            ),
        )
        .unwrap();
    }
    for k in 0..2 {
        let body = handler(&list, &format!("(call $theirs{k})"));
        writeln!(text, r#"(func (export "theirs {k}") (result i32) {body})"#).unwrap();
    }
    let mut lab = Lab::new(mode, &[("library", &(library + ")"))], &(text + ")"));
    for k in 0..COUNT {
        let names = if k < 2 { &["here", "below", "again", "theirs"][..] } else { &["here", "below", "again"] };
        for name in names {
            let caught = (k * 1000 + k * 10 + 5) as u128;
            assert_eq!(lab.call(&format!("{name} {k}"), &[]), Ok(vec![caught]), "{name} {k}");
        }
    }
}

/// Runs `body`; 1000 times the number of the handler that caught, and the payload.
fn handler(list: &str, body: &str) -> String {
    let mut code = format!("(try_table {list} {body}) (unreachable)");
    for k in 0..COUNT {
        code = format!("(return (i32.add (i32.const {k}000) (block $c{k} (result i32) {code})))");
    }
    code
}

// ---- segments

const DATA: [&str; COUNT] = ["abcdefgh", "ijklmnop", "qrstuvwx", "yzABCDEF"];

fn segments_are_told_apart(mode: usize) {
    let mut text = String::from(
        "(module (type $bytes (array (mut i8))) (type $refs (array (mut i31ref)))
           (memory 1) (table $t 8 i31ref)
           (func $number (param i31ref) (result i32)
             (if (result i32) (ref.is_null (local.get 0)) (then (i32.const -1)) (else (i31.get_s (local.get 0)))))",
    );
    for (k, data) in DATA.iter().enumerate() {
        let items: String = (0..3).map(|n| format!("(ref.i31 (i32.const {k}0{n})) ")).collect();
        writeln!(
            text,
            r#"(data $d{k} "{data}") (elem $e{k} i31ref {items})
               (func (export "memory {k}") (result i32)
                 (memory.init $d{k} (i32.const 8) (i32.const 2) (i32.const 1)) (i32.load8_u (i32.const 8)))
               (func (export "new data {k}") (result i32)
                 (array.get_u $bytes (array.new_data $bytes $d{k} (i32.const 1) (i32.const 2)) (i32.const 1)))
               (func (export "init data {k}") (result i32) (local $a (ref $bytes))
                 (local.set $a (array.new_default $bytes (i32.const 4)))
                 (array.init_data $bytes $d{k} (local.get $a) (i32.const 3) (i32.const 2) (i32.const 1))
                 (array.get_u $bytes (local.get $a) (i32.const 3)))
               (func (export "table {k}") (result i32)
                 (table.init $t $e{k} (i32.const 5) (i32.const 2) (i32.const 1)) (call $number (table.get $t (i32.const 5))))
               (func (export "new elem {k}") (result i32)
                 (call $number (array.get $refs (array.new_elem $refs $e{k} (i32.const 1) (i32.const 2)) (i32.const 1))))
               (func (export "init elem {k}") (result i32) (local $a (ref $refs))
                 (local.set $a (array.new_default $refs (i32.const 4)))
                 (array.init_elem $refs $e{k} (local.get $a) (i32.const 3) (i32.const 2) (i32.const 1))
                 (call $number (array.get $refs (local.get $a) (i32.const 3))))
               (func (export "drop data {k}") (data.drop $d{k}))
               (func (export "drop elem {k}") (elem.drop $e{k}))"#
        )
        .unwrap();
    }
    let mut lab = Lab::new(mode, &[], &(text + ")"));
    let (mut data_dropped, mut elem_dropped) = ([false; COUNT], [false; COUNT]);
    for (data, elem) in [(9, 9), (2, 1), (0, 3), (3, 0), (1, 2)] {
        if data < COUNT {
            lab.call(&format!("drop data {data}"), &[]).unwrap();
            lab.call(&format!("drop elem {elem}"), &[]).unwrap();
            (data_dropped[data], elem_dropped[elem]) = (true, true);
        }
        for k in 0..COUNT {
            let byte = DATA[k].as_bytes()[2] as u128;
            let data: Outcome = if data_dropped[k] { Err(TrapKind::MemoryOutOfBounds) } else { Ok(vec![byte]) };
            let elem: Outcome =
                if elem_dropped[k] { Err(TrapKind::TableOutOfBounds) } else { Ok(vec![k as u128 * 100 + 2]) };
            for name in ["memory", "new data", "init data"] {
                assert_eq!(lab.call(&format!("{name} {k}"), &[]), data, "{name} {k}");
            }
            for name in ["table", "new elem", "init elem"] {
                assert_eq!(lab.call(&format!("{name} {k}"), &[]), elem, "{name} {k}");
            }
        }
    }
}
