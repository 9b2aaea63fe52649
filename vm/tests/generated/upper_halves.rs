//! Every instruction that makes an i32 × every instruction that takes one for an address or index. The 64-bit registers
//! around hold garbage in their upper halves; an i32 that is not zero-extended is then another address.

use crate::common;
use crate::in_all_modes;
use crate::lab::{Lab, Outcome};
use heapwood_vm::{Config, TrapKind, Val};
use std::fmt::Write;
use std::sync::OnceLock;

in_all_modes!(upper_halves_of_all_producers_are_clear);

const MEMORY_BYTES: usize = 4 << 16;
const ARRAY_LENGTH: u32 = 0x2000;
const TABLE_LENGTH: u32 = 0x400;

// ---- producers

/// An expression, the parameters it sees, and its value.
struct Producer {
    text: String,
    x: u64,
    y: u32,
    z: u32,
    f: f32,
    d: f64,
    value: u32,
    /// Every consumer takes it, not only a few.
    full: bool,
}

const X: u64 = 0xdead_beef_0000_0123;
const WRAP: &str = "(i32.wrap_i64 (local.get $x))";
const V: u128 = 0x0000_0001_0000_0456_ffff_ffff_0000_0123;

fn producer(text: impl Into<String>, value: u32) -> Producer {
    Producer { text: text.into(), x: X, y: 0x1234, z: 5, f: 300.7, d: 300.9, value, full: true }
}

type Unary = (&'static str, fn(u32) -> u32);
type Binary = (&'static str, fn(u32, u32) -> u32);

const BINARY: [Binary; 15] = [
    ("add", u32::wrapping_add),
    ("sub", u32::wrapping_sub),
    ("mul", u32::wrapping_mul),
    ("div_s", |a, b| (a as i32).wrapping_div(b as i32) as u32),
    ("div_u", |a, b| a / b),
    ("rem_s", |a, b| (a as i32).wrapping_rem(b as i32) as u32),
    ("rem_u", |a, b| a % b),
    ("and", |a, b| a & b),
    ("or", |a, b| a | b),
    ("xor", |a, b| a ^ b),
    ("shl", |a, b| a.wrapping_shl(b)),
    ("shr_s", |a, b| (a as i32).wrapping_shr(b) as u32),
    ("shr_u", |a, b| a.wrapping_shr(b)),
    ("rotl", |a, b| a.rotate_left(b % 32)),
    ("rotr", |a, b| a.rotate_right(b % 32)),
];

/// Pairs of operands: small ones, and such that wrap at 32 bits.
const PAIRS: [(u32, u32); 5] =
    [(0x1234, 5), (0xffff_fff0, 0x134), (0x8000_0010, 0x8000_0010), (0x1000_0012, 36), (0x1234, 32)];

fn binary_producers(out: &mut Vec<Producer>) {
    for (op, apply) in BINARY {
        for (k, (a, b)) in PAIRS.into_iter().enumerate() {
            let forms = [
                format!("(i32.{op} (local.get $y) (local.get $z))"),
                format!("(i32.{op} (local.get $y) (i32.const {}))", b as i32),
                format!("(i32.{op} (i32.const {}) (local.get $z))", a as i32),
                format!("(i32.{op} {WRAP} (local.get $z))"),
            ];
            for (form, text) in forms.into_iter().enumerate() {
                let x = 0xdead_beef_0000_0000 | a as u64;
                out.push(Producer { x, y: a, z: b, full: k == 0 && form == 3, ..producer(text, apply(a, b)) });
            }
        }
    }
}

fn unary_producers(out: &mut Vec<Producer>) {
    let unary: [Unary; 6] = [
        ("clz", u32::leading_zeros),
        ("ctz", u32::trailing_zeros),
        ("popcnt", u32::count_ones),
        ("eqz", |a| (a == 0) as u32),
        ("extend8_s", |a| a as i8 as u32),
        ("extend16_s", |a| a as i16 as u32),
    ];
    for (op, apply) in unary {
        for a in [0, 0x1234, 0x80, 0x8000, 0xdead_0123, u32::MAX] {
            let x = 0xdead_beef_0000_0000 | a as u64;
            out.push(Producer { y: a, full: a == 0x1234, ..producer(format!("(i32.{op} (local.get $y))"), apply(a)) });
            out.push(Producer { x, full: false, ..producer(format!("(i32.{op} {WRAP})"), apply(a)) });
        }
    }
}

fn comparing_producers(out: &mut Vec<Producer>) {
    let (i, f) = (
        ["eq", "ne", "lt_s", "lt_u", "gt_s", "gt_u", "le_s", "le_u", "ge_s", "ge_u"],
        ["eq", "ne", "lt", "gt", "le", "ge"],
    );
    // 0x1234 with 5, and X (negative when signed) with 0x1000: less, equal, greater of each type.
    let holds = |op: &str, ordering: std::cmp::Ordering| match &op[..2] {
        "eq" => ordering.is_eq(),
        "ne" => ordering.is_ne(),
        "lt" => ordering.is_lt(),
        "gt" => ordering.is_gt(),
        "le" => ordering.is_le(),
        _ => ordering.is_ge(),
    };
    for op in i {
        let signed = op.ends_with("_s");
        out.push(producer(format!("(i32.{op} (local.get $y) (local.get $z))"), holds(op, 0x1234.cmp(&5)) as u32));
        let wide = if signed { (X as i64).cmp(&0x1000) } else { X.cmp(&0x1000) };
        out.push(producer(format!("(i64.{op} (local.get $x) (i64.const 0x1000))"), holds(op, wide) as u32));
    }
    for op in f {
        let (narrow, wide) = (300.7f32.total_cmp(&300.5), 300.9f64.total_cmp(&1e10));
        out.push(producer(format!("(f32.{op} (local.get $f) (f32.const 300.5))"), holds(op, narrow) as u32));
        out.push(producer(format!("(f64.{op} (local.get $d) (f64.const 1e10))"), holds(op, wide) as u32));
    }
    out.push(producer("(i64.eqz (local.get $x))", 0));
}

fn converting_producers(out: &mut Vec<Producer>) {
    out.push(producer(WRAP, 0x123));
    out.push(producer("(i32.wrap_i64 (i64.const 0x7654321000000321))", 0x321));
    let wide = [
        ("(i64.add (local.get $x) (i64.const 3))", X + 3),
        ("(i64.mul (local.get $x) (i64.const 3))", X.wrapping_mul(3)),
        ("(i64.shr_u (local.get $x) (i64.const 4))", X >> 4),
        ("(i64.rotl (local.get $x) (i64.const 4))", X.rotate_left(4)),
        ("(i64.extend32_s (local.get $x))", 0x123),
        ("(call $wide (local.get $x))", X),
        ("(i64.load $data (i32.const 16))", 0xfeed_beef_0000_0555),
        ("(i64.reinterpret_f64 (local.get $d))", 300.9f64.to_bits()),
    ];
    out.extend(wide.map(|(text, value)| producer(format!("(i32.wrap_i64 {text})"), value as u32)));
    for kind in ["trunc", "trunc_sat"] {
        for (from, local) in [("f32", "$f"), ("f64", "$d")] {
            out.push(producer(format!("(i32.{kind}_{from}_s (local.get {local}))"), 300));
            out.push(producer(format!("(i32.{kind}_{from}_u (local.get {local}))"), 300));
            let high = producer(format!("(i32.{kind}_{from}_u (local.get {local}))"), 3_000_000_000);
            out.push(Producer { f: 3e9, d: 3e9, full: false, ..high });
            let negative = producer(format!("(i32.{kind}_{from}_s (local.get {local}))"), -300i32 as u32);
            out.push(Producer { f: -300.5, d: -300.5, full: false, ..negative });
        }
    }
    let denormal = producer("(i32.reinterpret_f32 (local.get $f))", 0x1234);
    out.push(Producer { f: f32::from_bits(0x1234), ..denormal });
}

fn vector_producers(out: &mut Vec<Producer>) {
    let rows = [
        ("i32x4.extract_lane 0", 0x123),
        ("i32x4.extract_lane 1", u32::MAX),
        ("i16x8.extract_lane_s 0", 0x123),
        ("i16x8.extract_lane_s 2", u32::MAX),
        ("i16x8.extract_lane_u 2", 0xffff),
        ("i8x16.extract_lane_s 0", 0x23),
        ("i8x16.extract_lane_s 4", u32::MAX),
        ("i8x16.extract_lane_u 4", 0xff),
        ("v128.any_true", 1),
        ("i8x16.all_true", 0),
        ("i16x8.all_true", 0),
        ("i32x4.all_true", 1),
        ("i64x2.all_true", 1),
        ("i8x16.bitmask", 0xf0),
        ("i16x8.bitmask", 0xc),
        ("i32x4.bitmask", 2),
        ("i64x2.bitmask", 1),
    ];
    out.extend(rows.map(|(op, value)| producer(format!("({op} (local.get $v))"), value)));
}

fn control_producers(out: &mut Vec<Producer>) {
    let rows = [
        ("(i32.const 0x123)".to_owned(), 0x123),
        ("(local.get $y)".to_owned(), 0x1234),
        (format!("(local.tee $t {WRAP})"), 0x123),
        (format!("(block (result i32) (local.set $t {WRAP}) (local.get $t))"), 0x123),
        (format!("(select {WRAP} (i32.const 7) (local.get $z))"), 0x123),
        (format!("(select (result i32) (i32.const 7) {WRAP} (i32.eqz (local.get $z)))"), 0x123),
        (format!("(if (result i32) (local.get $z) (then {WRAP}) (else (i32.const 3)))"), 0x123),
        (format!("(if (result i32) (i32.eqz (local.get $z)) (then (i32.const 3)) (else {WRAP}))"), 0x123),
        (format!("(loop (result i32) {WRAP})"), 0x123),
        (format!("(block (result i32) (br 0 {WRAP}))"), 0x123),
        (format!("(block (result i32) (br_if 0 {WRAP} (local.get $z)))"), 0x123),
        (format!("(block (result i32) (br_if 0 {WRAP} (i32.eqz (local.get $z))))"), 0x123),
        (format!("(block (result i32) (br_table 0 0 0 {WRAP} (local.get $z)))"), 0x123),
        (
            format!(
                "(block (result i32) (i32.add (i32.const 1) (block (result i32) (br_table 1 0 {WRAP} (i32.eqz (local.get $y))))))"
            ),
            0x123,
        ),
        (
            format!(
                "(block $out (result i32) (br $out (block $in (result i32)
                   (drop (br_table $in $out $out (i32.const 9) {WRAP})) (unreachable))))"
            ),
            9,
        ),
        (
            "(block (result i32) (local.set $t (i32.const 0)) (local.set $u (local.get $x))
               (loop $again (local.set $u (i64.add (local.get $u) (local.get $x)))
                 (local.set $t (i32.add (local.get $t) (i32.wrap_i64 (i64.and (local.get $u) (i64.const 1)))))
                 (br_if $again (i32.lt_u (local.get $t) (i32.const 0x50))))
               (local.get $t))"
                .to_owned(),
            0x50,
        ),
        ("(global.get $variable)".to_owned(), 0x777),
        ("(global.get $fixed)".to_owned(), 0x778),
        ("(global.get $imported)".to_owned(), 0x779),
        ("(global.get $imported_variable)".to_owned(), 0x77a),
        (format!("(block (result i32) (global.set $scrap {WRAP}) (global.get $scrap))"), 0x123),
        ("(call $returns (local.get $x))".to_owned(), 0x123),
        ("(call $other_instance)".to_owned(), 0x155),
        ("(call $host)".to_owned(), 0x166),
        ("(call_indirect $functions (type $result) (i32.const 1))".to_owned(), 0x155),
        ("(call_ref $result (ref.func $own))".to_owned(), 0x157),
        ("(call $last_of_twelve (local.get $x))".to_owned(), 0x123),
        ("(block (result i32) (call $many) (drop) (drop) (drop) (drop))".to_owned(), 0x158),
        (
            "(block (result i32) (call $many) (local.set $t) (drop) (drop) (drop) (drop) (local.get $t))".to_owned(),
            0x15c,
        ),
        (
            format!("(block $caught (result i32) (try_table (catch $tag $caught) (throw $tag {WRAP})) (unreachable))"),
            0x123,
        ),
        (format!("(try_table (result i32) {WRAP})"), 0x123),
        (format!("(block (result i32) try (result i32) (throw $tag {WRAP}) catch $tag end)"), 0x123),
        (
            "(block (result i32) (drop (block (result i32) (call $returns (local.get $x)))) (local.get $y))".to_owned(),
            0x1234,
        ),
    ];
    out.extend(rows.map(|(text, value)| producer(text, value)));
}

fn heap_and_memory_producers(out: &mut Vec<Producer>) {
    let rows = [
        ("(i32.load $data (i32.const 0))", 0x1000),
        ("(i32.load8_s $data (i32.const 4))", 0x47),
        ("(i32.load8_s $data (i32.const 5))", 0xffff_fff1),
        ("(i32.load8_u $data (i32.const 5))", 0xf1),
        ("(i32.load16_s $data (i32.const 6))", 0x7123),
        ("(i32.load16_s $data (i32.const 8))", 0xffff_8123),
        ("(i32.load16_u $data (i32.const 8))", 0x8123),
        ("(memory.size)", 4),
        ("(memory.size $data)", 1),
        ("(memory.grow (i32.const 0))", 4),
        ("(memory.grow (i32.const -1))", u32::MAX),
        ("(i32.wrap_i64 (memory.size $wide))", 4),
        ("(table.size $functions)", 2),
        ("(table.size $numbers)", TABLE_LENGTH),
        ("(table.grow $numbers (ref.null i31) (i32.const 0))", TABLE_LENGTH),
        ("(table.grow $numbers (ref.null i31) (i32.const -1))", u32::MAX),
        ("(i31.get_u (table.get $numbers (i32.const 5)))", 15),
        ("(i31.get_s (ref.i31 (i32.wrap_i64 (local.get $x))))", 0x123),
        ("(i31.get_u (ref.i31 (i32.const -1)))", 0x7fff_ffff),
        ("(i31.get_s (ref.i31 (i32.const -1)))", u32::MAX),
        ("(array.len (global.get $bytes))", ARRAY_LENGTH),
        ("(array.get_u $bytes (global.get $bytes) (i32.const 200))", 0x78),
        ("(array.get_s $bytes (global.get $bytes) (i32.const 18))", 0x7e),
        ("(array.get_s $bytes (global.get $bytes) (i32.const 19))", 0xffff_ff85),
        ("(array.get_u $bytes (global.get $bytes) (i32.const 19))", 0x85),
        ("(array.get_s $shorts (array.new $shorts (local.get $y) (i32.const 3)) (i32.const 2))", 0x1234),
        ("(array.get_u $shorts (array.new $shorts (i32.const -2) (i32.const 3)) (i32.const 2))", 0xfffe),
        ("(array.get $ints (array.new $ints (local.get $y) (i32.const 3)) (i32.const 2))", 0x1234),
        ("(struct.get $s 0 (global.get $struct))", 0x321),
        ("(struct.get_s $s 1 (global.get $struct))", 0xffff_fff1),
        ("(struct.get_u $s 1 (global.get $struct))", 0xf1),
        ("(struct.get_s $s 2 (global.get $struct))", 0x7123),
        ("(struct.get_u $s 2 (global.get $struct))", 0x7123),
        ("(ref.is_null (global.get $struct))", 0),
        ("(ref.eq (global.get $struct) (global.get $bytes))", 0),
        ("(ref.test (ref $s) (global.get $any))", 1),
        ("(ref.test (ref null $bytes) (global.get $any))", 0),
        ("(ref.test (ref i31) (global.get $any))", 0),
        ("(ref.test (ref null func) (ref.func $own))", 1),
    ];
    out.extend(rows.map(|(text, value)| producer(text, value)));
}

fn producers() -> Vec<Producer> {
    let mut out = Vec::new();
    binary_producers(&mut out);
    unary_producers(&mut out);
    comparing_producers(&mut out);
    converting_producers(&mut out);
    vector_producers(&mut out);
    control_producers(&mut out);
    heap_and_memory_producers(&mut out);
    out
}

// ---- consumers

/// What takes an i32.
enum Consumer {
    /// Instruction with its text around the address, result type, bytes that it reads, and its value from them.
    Load(&'static str, &'static str, usize, fn(u128) -> u128),
    /// Instruction before and after the address, bytes that it writes.
    Store(&'static str, &'static str, usize),
    /// Text before and after the number, result type, and what it answers.
    Other(&'static str, &'static str, &'static str, fn(u32) -> Outcome),
}

use Consumer::{Load, Other, Store};

/// What stores write.
const STORED: u128 = 0xf0e1_d2c3_b4a5_9687_7869_5a4b_3c2d_1e0f;

const CONSUMERS: &[Consumer] = &[
    // The first four take all producers.
    Other("(i64.extend_i32_u ", ")", "i64", |value| Ok(vec![value as u128])),
    Load("i32.load", "i32", 4, |raw| raw),
    Store("(i64.store8 ", "(i64.const 0x78695a4b3c2d1e0f))", 1),
    Other("(array.get_u $bytes (global.get $bytes) ", ")", "i32", |index| match index < ARRAY_LENGTH {
        true => Ok(vec![array_byte(index) as u128]),
        false => Err(TrapKind::ArrayOutOfBounds),
    }),
    Load("i32.load8_s", "i32", 1, |raw| raw as i8 as u32 as u128),
    Load("i32.load8_u", "i32", 1, |raw| raw),
    Load("i32.load16_s", "i32", 2, |raw| raw as i16 as u32 as u128),
    Load("i32.load16_u", "i32", 2, |raw| raw),
    Load("i64.load", "i64", 8, |raw| raw),
    Load("i64.load8_s", "i64", 1, |raw| raw as i8 as u64 as u128),
    Load("i64.load8_u", "i64", 1, |raw| raw),
    Load("i64.load16_s", "i64", 2, |raw| raw as i16 as u64 as u128),
    Load("i64.load16_u", "i64", 2, |raw| raw),
    Load("i64.load32_s", "i64", 4, |raw| raw as i32 as u64 as u128),
    Load("i64.load32_u", "i64", 4, |raw| raw),
    Load("f32.load", "f32", 4, |raw| raw),
    Load("f64.load", "f64", 8, |raw| raw),
    Load("i32.load offset=3", "i32", 7, |raw| raw >> 24),
    Load("v128.load", "v128", 16, |raw| raw),
    Load("v128.load8_splat", "v128", 1, |raw| raw * (u128::MAX / 0xff)),
    Load("v128.load64_zero", "v128", 8, |raw| raw),
    Store("(i32.store ", "(i32.const 0x3c2d1e0f))", 4),
    Store("(i32.store8 ", "(i32.const 0x3c2d1e0f))", 1),
    Store("(i32.store16 ", "(i32.const 0x3c2d1e0f))", 2),
    Store("(i64.store ", "(i64.const 0x78695a4b3c2d1e0f))", 8),
    Store("(i64.store16 ", "(i64.const 0x78695a4b3c2d1e0f))", 2),
    Store("(i64.store32 ", "(i64.const 0x78695a4b3c2d1e0f))", 4),
    Store("(f32.store ", "(f32.reinterpret_i32 (i32.const 0x3c2d1e0f)))", 4),
    Store("(f64.store ", "(f64.reinterpret_i64 (i64.const 0x78695a4b3c2d1e0f)))", 8),
    Store("(v128.store ", "(v128.const i64x2 0x78695a4b3c2d1e0f 0xf0e1d2c3b4a59687))", 16),
    Store("(v128.store16_lane 0 ", "(v128.const i64x2 0x78695a4b3c2d1e0f 0))", 2),
    Other("(i32.load8_u $data ", ")", "i32", |address| match address < 0x10000 {
        true => Ok(vec![DATA.get(address as usize).copied().unwrap_or(0) as u128]),
        false => Err(TrapKind::MemoryOutOfBounds),
    }),
    Other("(i64.load $wide (i64.extend_i32_u ", "))", "i64", |address| match address <= MEMORY_BYTES as u32 - 8 {
        true => Ok(vec![0]),
        false => Err(TrapKind::MemoryOutOfBounds),
    }),
    Other("(i31.get_u (table.get $numbers ", "))", "i32", |index| match index < TABLE_LENGTH {
        true => Ok(vec![index as u128 * 3]),
        false => Err(TrapKind::TableOutOfBounds),
    }),
    Other("(call_indirect $functions (type $result) ", ")", "i32", |index| match index {
        0 | 1 => Ok(vec![0x155]),
        _ => Err(TrapKind::UndefinedElement),
    }),
    Other("(call $choose ", ")", "i32", |index| Ok(vec![[100, 101, 102][index.min(2) as usize]])),
    Other(
        "(block $d (block $c (block $b (block $a (br_table $a $b $c $d ",
        "))
        (return (i32.const 100))) (return (i32.const 101))) (return (i32.const 102))) (i32.const 103)",
        "i32",
        |index| Ok(vec![100 + index.min(3) as u128]),
    ),
];

/// Consumers that all producers meet.
const CONSUMERS_OF_ALL: usize = 4;

/// The first bytes of the memory `$data`.
const DATA: [u8; 24] =
    [0, 0x10, 0, 0, 0x47, 0xf1, 0x23, 0x71, 0x23, 0x81, 0, 0, 0, 0, 0, 0, 0x55, 5, 0, 0, 0xef, 0xbe, 0xed, 0xfe];

fn memory_byte(at: usize) -> u8 {
    (at * 7 + (at >> 8) * 13 + 1) as u8
}

fn array_byte(index: u32) -> u8 {
    (index.wrapping_mul(7)) as u8
}

// ---- the module

const LIBRARY: &str = r#"(module
    (func (export "function") (result i32) (i32.const 0x155))
    (global (export "fixed") i32 (i32.const 0x779))
    (global (export "variable") (mut i32) (i32.const 0x77a)))"#;

const HEAD: &str = r#"
    (type $result (func (result i32)))
    (type $s (struct (field i32) (field i8) (field i16)))
    (type $bytes (array (mut i8))) (type $shorts (array (mut i16))) (type $ints (array (mut i32)))
    (import "library" "function" (func $other_instance (type $result)))
    (import "host" "i32" (func $host (type $result)))
    (import "library" "fixed" (global $imported i32))
    (import "library" "variable" (global $imported_variable (mut i32)))
    (memory (export "memory") 4 4) (memory $data 1 1) (memory $wide i64 4 4)
    (table $functions funcref (elem $other_instance $other_instance))
    (table $numbers 0x400 0x400 (ref null i31))
    (tag $tag (param i32))
    (global $variable (mut i32) (i32.const 0x777)) (global $fixed i32 (i32.const 0x778))
    (global $scrap (mut i32) (i32.const 0))
    (global $bytes (mut (ref null $bytes)) (ref.null $bytes))
    (global $struct (mut (ref null $s)) (ref.null $s)) (global $any (mut anyref) (ref.null any))
    (elem declare func $own)
    (func $own (type $result) (i32.const 0x157))
    (func $wide (param i64) (result i64) (local.get 0))
    (func $returns (param i64) (result i32) (i32.wrap_i64 (local.get 0)))
    (func $many (result i32 i64 i32 i32 i32)
      (i32.const 0x158) (i64.const -1) (i32.const 0x15a) (i32.const 0x15b) (i32.const 0x15c))
    (func $twelve (param i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i32 i32) (result i32) (local.get 11))
    (func $last_of_twelve (param $x i64) (result i32)
      (call $twelve (local.get $x) (local.get $x) (local.get $x) (local.get $x) (local.get $x) (local.get $x)
        (local.get $x) (local.get $x) (local.get $x) (local.get $x) (i32.const -1) (i32.wrap_i64 (local.get $x))))
    (func $choose (param i32) (result i32)
      (block (block (block (br_table 0 1 2 (local.get 0))) (return (i32.const 100))) (return (i32.const 101)))
      (i32.const 102))
    (func (export "prepare") (local $i i32)
      (global.set $bytes (array.new_default $bytes (i32.const 0x2000)))
      (loop $again
        (array.set $bytes (global.get $bytes) (local.get $i) (i32.mul (local.get $i) (i32.const 7)))
        (if (i32.lt_u (local.get $i) (i32.const 0x400))
          (then (table.set $numbers (local.get $i) (ref.i31 (i32.mul (local.get $i) (i32.const 3))))))
        (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 0x2000))))
      (global.set $struct (struct.new $s (i32.const 0x321) (i32.const 0xf1) (i32.const 0x7123)))
      (global.set $any (global.get $struct)))
"#;

/// The binary, made once.
fn module(producers: &[Producer]) -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let mut text = String::from("(module ");
        text.push_str(HEAD);
        let data: String = DATA.iter().map(|byte| format!("\\{byte:02x}")).collect();
        writeln!(text, r#"(data $data_bytes (memory $data) (i32.const 0) "{data}")"#).unwrap();
        for (p, producer) in producers.iter().enumerate() {
            for (c, consumer) in CONSUMERS.iter().enumerate().take(consumers_of(producer)) {
                let number = &producer.text;
                let (body, result) = match consumer {
                    Load(op, ty, ..) => (format!("({op} {number})"), *ty),
                    Store(before, after, _) => (format!("{before}{number} {after}"), ""),
                    Other(before, after, ty, _) => (format!("{before}{number}{after}"), *ty),
                };
                writeln!(
                    text,
                    r#"(func (export "{p} {c}") (param $x i64) (param $y i32) (param $z i32) (param $f f32) (param $d f64)
                        (param $v v128) (result {result}) (local $t i32) (local $u i64) {body})"#
                )
                .unwrap();
            }
        }
        text + ")"
    })
}

fn consumers_of(producer: &Producer) -> usize {
    if producer.full { CONSUMERS.len() } else { CONSUMERS_OF_ALL }
}

/// The bytes at an address, or the trap.
fn read(memory: &[u8], address: u32, bytes: usize) -> Result<u128, TrapKind> {
    let from = address as usize;
    let found = memory.get(from..from + bytes).ok_or(TrapKind::MemoryOutOfBounds)?;
    Ok(found.iter().rev().fold(0, |value, byte| value << 8 | *byte as u128))
}

fn upper_halves_of_all_producers_are_clear(mode: usize) {
    check(&common::modes()[mode].1);
}

#[test]
fn a_missing_extension_shows_without_the_checks_of_compiled_code() {
    let mut config = Config::new();
    config.skip_zero_extension(true);
    let panic = std::panic::catch_unwind(|| check(&config)).expect_err("nothing was reported");
    let said = panic.downcast_ref::<String>().expect("a message");
    assert!(said.contains(".grow") && said.contains("which is 0xffffffff"), "{said}");
}

fn check(config: &Config) {
    let producers = producers();
    let mut lab = Lab::with(config, &[("library", LIBRARY)], module(&producers)).unwrap();
    let image: Vec<u8> = (0..MEMORY_BYTES).map(memory_byte).collect();
    let memory = lab.memory("memory");
    memory.write(&mut lab.store, 0, &image).unwrap();
    lab.call("prepare", &[]).unwrap();
    let mut tried = 0;
    for (p, producer) in producers.iter().enumerate() {
        let Producer { text, x, y, z, f, d, value, .. } = producer;
        let args = [
            Val::I64(*x as i64),
            Val::I32(*y as i32),
            Val::I32(*z as i32),
            Val::F32(f.to_bits()),
            Val::F64(d.to_bits()),
            Val::V128(V),
        ];
        for (c, consumer) in CONSUMERS.iter().enumerate().take(consumers_of(producer)) {
            let got = lab.call(&format!("{p} {c}"), &args);
            let wanted = match consumer {
                Load(_, _, bytes, meaning) => read(&image, *value, *bytes).map(|raw| vec![meaning(raw)]),
                Store(_, _, bytes) => read(&image, *value, *bytes).map(|_| Vec::new()),
                Other(_, _, _, answer) => answer(*value),
            };
            assert_eq!(got, wanted, "consumer {c} of {text}, which is {value:#x}");
            if let (Store(_, _, bytes), Ok(_)) = (consumer, &wanted) {
                let (at, stored) = (*value as usize, &STORED.to_le_bytes()[..*bytes]);
                let (from, to) = (at.saturating_sub(16), (at + bytes + 16).min(MEMORY_BYTES));
                let mut around = image[from..to].to_vec();
                around[at - from..][..*bytes].copy_from_slice(stored);
                assert_eq!(memory.data(&lab.store)[from..to], around, "consumer {c} of {text} at {value:#x}");
                memory.write(&mut lab.store, at, &image[at..at + bytes]).unwrap();
            }
            tried += 1;
        }
    }
    assert_eq!(memory.data(&lab.store), image, "a store went elsewhere");
    assert!(tried > 4000, "{tried} functions");
}
