//! Lengths of arrays near 2^31 and 2^32, and such that their size in bytes overflows 32 bits: each is a trap, in
//! functions and in constant expressions. Ranges whose end overflows are outside.

use crate::common::HEAP_MAX;
use crate::in_all_modes;
use crate::lab::Lab;
use heapwood_vm::{ErrorKind, TrapKind, Val};
use std::fmt::Write;

in_all_modes!(
    absurd_lengths_trap,
    absurd_lengths_in_constant_expressions_fail,
    elements_end_with_their_array,
    ranges_that_overflow_trap
);

/// Storage type, bytes of an element, and a value.
const ELEMENTS: [(&str, u64, &str); 9] = [
    ("i8", 1, "(i32.const 7)"),
    ("i16", 2, "(i32.const 7)"),
    ("i32", 4, "(i32.const 7)"),
    ("f32", 4, "(f32.const 7)"),
    ("i64", 8, "(i64.const 7)"),
    ("f64", 8, "(f64.const 7)"),
    ("v128", 16, "(v128.const i64x2 7 7)"),
    ("anyref", 4, "(ref.i31 (i32.const 7))"),
    ("funcref", 4, "(ref.null func)"),
];

/// Lengths that the heap can never hold: at the signs, and where the size with a header wraps around 2^32.
fn absurd(bytes: u64) -> Vec<u32> {
    let mut lengths = vec![0x7fff_ffff, 0x8000_0000, 0x8000_0001, 0xffff_fff0, 0xffff_fffe, 0xffff_ffff];
    for size in [1u64 << 31, 1 << 32, 1 << 33, 1 << 35] {
        lengths.extend((size / bytes).saturating_sub(9)..=size / bytes + 2);
    }
    lengths.push(HEAP_MAX / bytes + 1);
    lengths.retain(|length| *length <= u32::MAX as u64 && length * bytes > HEAP_MAX);
    lengths.sort_unstable();
    lengths.dedup();
    lengths.into_iter().map(|length| length as u32).collect()
}

fn is_numeric(ty: &str) -> bool {
    !ty.ends_with("ref")
}

/// `array.new` and its kin of length `$n`, for one type of elements.
fn allocations(ty: &str, value: &str) -> Vec<(&'static str, String)> {
    let mut out = vec![
        ("new", format!("(array.new $t {value} (local.get $n))")),
        ("default", "(array.new_default $t (local.get $n))".to_owned()),
    ];
    match ty {
        "funcref" => out.push(("elem", "(array.new_elem $t $e (i32.const 0) (local.get $n))".to_owned())),
        "anyref" => {}
        _ => {
            out.push(("data", "(array.new_data $t $d (i32.const 0) (local.get $n))".to_owned()));
            // A start that only wraps to something inside together with the size.
            out.push(("data from 16", "(array.new_data $t $d (i32.const 16) (local.get $n))".to_owned()));
        }
    }
    out
}

fn absurd_lengths_trap(mode: usize) {
    let mut tried = 0;
    for (ty, bytes, value) in ELEMENTS {
        let mut text = format!(
            r#"(module (type $t (array (mut {ty}))) (data $d "0123456789abcdef0123456789abcdef")
                (elem $e funcref (ref.null func) (ref.null func))
                (global $kept (mut anyref) (ref.null any))
                (func (export "alive") (result i32)
                  (global.set $kept (array.new $t {value} (i32.const 3)))
                  (array.len (ref.cast (ref $t) (global.get $kept))))"#
        );
        for (name, body) in allocations(ty, value) {
            writeln!(text, r#"(func (export "{name}") (param $n i32) (result i32) (array.len {body}))"#).unwrap();
            for length in absurd(bytes) {
                let body = body.replace("(local.get $n)", &format!("(i32.const {})", length as i32));
                writeln!(text, r#"(func (export "{name} {length}") (result i32) (array.len {body}))"#).unwrap();
            }
        }
        let mut lab = Lab::new(mode, &[], &(text + ")"));
        for (name, _) in allocations(ty, value) {
            for length in absurd(bytes) {
                let known = lab.call(&format!("{name} {length}"), &[]);
                let unknown = lab.call(name, &[Val::I32(length as i32)]);
                for got in [known, unknown] {
                    let fits = match name.split(' ').next() {
                        Some("data") => got == Err(TrapKind::MemoryOutOfBounds),
                        Some("elem") => got == Err(TrapKind::TableOutOfBounds),
                        _ => matches!(got, Err(TrapKind::AllocationTooLarge | TrapKind::HeapExhausted)),
                    };
                    assert!(fits, "{name} of {length} {ty}: {got:?}");
                    tried += 1;
                }
            }
        }
        assert_eq!(lab.call("alive", &[]), Ok(vec![3]), "the store is usable after arrays of {ty}");
    }
    assert!(tried > 800, "{tried} allocations");
}

fn absurd_lengths_in_constant_expressions_fail(mode: usize) {
    for (ty, bytes, value) in ELEMENTS {
        for length in absurd(bytes).into_iter().step_by(7).chain([u32::MAX, 0x8000_0000]) {
            for body in [format!("(array.new $t {value}"), "(array.new_default $t".to_owned()] {
                let array = format!("{body} (i32.const {}))", length as i32);
                let places = [
                    format!("(global (ref $t) {array})"),
                    format!("(table 1 1 (ref $t) {array})"),
                    format!("(table 1 1 (ref null $t)) (elem (table 0) (i32.const 0) (ref $t) (item {array}))"),
                ];
                // The length comes from another global.
                let extended = format!(
                    "(global $n i32 (i32.const {})) (global (ref $t) {body} (i32.add (global.get $n) (i32.const 1))))",
                    length.wrapping_sub(1) as i32
                );
                for place in places.into_iter().chain([extended]) {
                    let text = format!("(module (type $t (array (mut {ty}))) {place})");
                    let error =
                        Lab::try_new(mode, &[], &text).err().unwrap_or_else(|| panic!("{text} is instantiated"));
                    let trap = error.trap().map(|trap| trap.kind());
                    let is_trap = matches!(trap, Some(TrapKind::AllocationTooLarge | TrapKind::HeapExhausted));
                    assert!(is_trap || matches!(error.kind(), ErrorKind::Limit(_)), "{text}: {error}");
                }
            }
        }
    }
}

/// Length of the arrays, and elements of the segments, below.
const LENGTH: u32 = 10;

/// Bounds and lengths of ranges: at the end, at the signs, and where a sum wraps to something inside.
const BOUNDS: [u32; 12] =
    [0, 1, 5, 9, 10, 11, 0x7fff_ffff, 0x8000_0000, 0x8000_0005, 0xffff_fff6, 0xffff_fffb, 0xffff_ffff];

/// One element, by an index that is known and by one that is not.
fn elements_end_with_their_array(mode: usize) {
    for (ty, _, value) in ELEMENTS {
        let get = if matches!(ty, "i8" | "i16") { "get_u" } else { "get" };
        let accesses = |index: &str| {
            [
                format!("(drop (array.{get} $t (global.get $a) {index}))"),
                format!("(array.set $t (global.get $a) {index} {value})"),
            ]
        };
        let mut text = format!(
            r#"(module (type $t (array (mut {ty}))) (global $a (mut (ref null $t)) (ref.null $t))
                (func (export "prepare") (global.set $a (array.new_default $t (i32.const {LENGTH}))))"#
        );
        for (k, access) in accesses("(local.get 0)").into_iter().enumerate() {
            writeln!(text, r#"(func (export "{k}") (param i32) {access})"#).unwrap();
        }
        for index in BOUNDS {
            for (k, access) in accesses(&format!("(i32.const {})", index as i32)).into_iter().enumerate() {
                writeln!(text, r#"(func (export "{k} at {index}") {access})"#).unwrap();
            }
        }
        let mut lab = Lab::new(mode, &[], &(text + ")"));
        lab.call("prepare", &[]).unwrap();
        for index in BOUNDS {
            let expected = if index < LENGTH { Ok(vec![]) } else { Err(TrapKind::ArrayOutOfBounds) };
            for k in 0..2 {
                let what = format!("access {k} of element {index:#x} of {ty}");
                assert_eq!(lab.call(&k.to_string(), &[Val::I32(index as i32)]), expected, "{what}");
                assert_eq!(lab.call(&format!("{k} at {index}"), &[]), expected, "{what}, a constant");
            }
        }
    }
}

fn ranges_that_overflow_trap(mode: usize) {
    for (ty, bytes, value) in ELEMENTS {
        let mut text = format!(
            r#"(module (type $t (array (mut {ty}))) (data $d "{}") (elem $e {} {})
                (global $a (mut (ref null $t)) (ref.null $t)) (global $b (mut (ref null $t)) (ref.null $t))
                (func (export "prepare")
                  (global.set $a (array.new_default $t (i32.const {LENGTH})))
                  (global.set $b (array.new_default $t (i32.const {LENGTH}))))
                (func (export "fill") (param i32 i32 i32)
                  (array.fill $t (global.get $a) (local.get 0) {value} (local.get 2)))
                (func (export "copy") (param i32 i32 i32)
                  (array.copy $t $t (global.get $a) (local.get 0) (global.get $b) (local.get 1) (local.get 2)))
                (func (export "copy within") (param i32 i32 i32)
                  (array.copy $t $t (global.get $a) (local.get 0) (global.get $a) (local.get 1) (local.get 2)))"#,
            "x".repeat(LENGTH as usize * bytes as usize),
            if ty == "anyref" { "anyref" } else { "funcref" },
            format!("(ref.null {}) ", if ty == "anyref" { "any" } else { "func" }).repeat(LENGTH as usize),
        );
        let segment = if is_numeric(ty) { "data $t $d" } else { "elem $t $e" };
        writeln!(
            text,
            r#"(func (export "init") (param i32 i32 i32)
                 (array.init_{segment} (global.get $a) (local.get 0) (local.get 1) (local.get 2)))
               (func (export "new") (param i32 i32 i32) (drop (array.new_{segment} (local.get 1) (local.get 2)))))"#
        )
        .unwrap();
        let mut lab = Lab::new(mode, &[], &text);
        lab.call("prepare", &[]).unwrap();
        let in_array = |from: u32, count: u32| from as u64 + count as u64 <= LENGTH as u64;
        let scale = if is_numeric(ty) { bytes } else { 1 };
        let in_segment = |from: u32, count: u32| from as u64 + count as u64 * scale <= LENGTH as u64 * scale;
        let beyond_segment = if is_numeric(ty) { TrapKind::MemoryOutOfBounds } else { TrapKind::TableOutOfBounds };
        for d in BOUNDS {
            for s in BOUNDS {
                for n in BOUNDS {
                    let args = [d, s, n].map(|number| Val::I32(number as i32));
                    let array = |fits: bool| if fits { Ok(vec![]) } else { Err(TrapKind::ArrayOutOfBounds) };
                    let what = format!("{ty} {d:#x} {s:#x} {n:#x}");
                    if s == 0 {
                        assert_eq!(lab.call("fill", &args), array(in_array(d, n)), "fill {what}");
                    }
                    let both = array(in_array(d, n) && in_array(s, n));
                    assert_eq!(lab.call("copy", &args), both, "copy {what}");
                    assert_eq!(lab.call("copy within", &args), both, "copy within {what}");
                    let init = match (in_array(d, n), in_segment(s, n)) {
                        (true, true) => Ok(vec![]),
                        (false, _) => Err(TrapKind::ArrayOutOfBounds),
                        (true, false) => Err(beyond_segment),
                    };
                    assert_eq!(lab.call("init", &args), init, "init {what}");
                    if d == 0 {
                        let new = if in_segment(s, n) { Ok(vec![]) } else { Err(beyond_segment) };
                        assert_eq!(lab.call("new", &args), new, "new {what}");
                    }
                }
            }
        }
    }
}
