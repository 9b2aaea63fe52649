//! A program as WebAssembly text: everything but the bodies of its functions.

use super::emit;
use super::program::*;
use std::fmt::Write;

/// The text of a module that exports `run (fuel, mask) -> i32`. Lengths of large arrays and depths are masked.
pub fn module(program: &Program) -> String {
    let mut text = String::from("(module\n");
    text += &types(program);
    text += IMPORTS;
    text += &globals(program);
    text += &sum(program);
    text += DEEP;
    for index in 0..program.funcs.len() {
        text += &emit::function(program, index);
    }
    let _ = write!(text, "(func (export \"f0\") (type $fn) (call $f0 (local.get 0) (local.get 1) (local.get 2)))");
    text += &run();
    text + ")"
}

const IMPORTS: &str = r#"
(import "h" "put" (func $put (param i32 anyref)))
(import "h" "get" (func $get (param i32) (result anyref)))
(import "h" "collect" (func $collect (param i32)))
(import "h" "value" (func $value (param i32) (result externref)))
(import "h" "read" (func $read (param externref) (result i32)))
(import "h" "call" (func $host (param anyref anyref i32) (result anyref i32)))
(tag $e (param anyref i32))
(global $fuel (mut i32) (i32.const 0)) (global $mask (mut i32) (i32.const 0)) (global $h (mut i32) (i32.const 0))
(func $mix (param i32)
  (global.set $h (i32.add (i32.mul (global.get $h) (i32.const 31)) (local.get 0))))
(func $rem (param i32 i32) (result i32) (i32.rem_u (local.get 0) (local.get 1)))
(func $at (param $i i32) (param $len i32) (result i32) (i32.rem_u (local.get $i) (i32.add (local.get $len) (i32.const 1))))
"#;

/// `n` frames deep, each with a node; at the bottom a return, or an exception that every 64th frame catches.
const DEEP: &str = r#"
(func $deep (param $n i32) (param $throw i32) (param $r anyref) (result (ref null $s0))
  (local $mine (ref $s0)) (local $i i32) (local $caught anyref)
  (local.set $mine (struct.new $s0 (local.get $r) (local.get $n) (ref.null $s0)))
  (if (i32.eqz (local.get $n))
    (then
      (if (local.get $throw) (then (throw $e (local.get $mine) (i32.const 3))))
      (return (local.get $mine))))
  (if (i32.rem_u (local.get $n) (i32.const 64))
    (then
      (struct.set $s0 2 (local.get $mine)
        (call $deep (i32.sub (local.get $n) (i32.const 1)) (local.get $throw) (local.get $mine))))
    (else
      (block $caught (result anyref i32)
        (struct.set $s0 2 (local.get $mine)
          (try_table (result (ref null $s0)) (catch $e $caught)
            (call $deep (i32.sub (local.get $n) (i32.const 1)) (local.get $throw) (local.get $mine))))
        (ref.null any) (i32.const 0))
      (local.set $i) (local.set $caught)
      (if (local.get $i)
        (then (struct.set $s0 0 (local.get $mine) (local.get $caught)) (call $mix (local.get $i))))))
  (call $mix (local.get $n))
  (local.get $mine))
"#;

fn storage(kind: Kind) -> String {
    match kind {
        Kind::I8 => "i8".into(),
        Kind::I16 => "i16".into(),
        Kind::I32 => "i32".into(),
        Kind::I64 => "i64".into(),
        Kind::F64 => "f64".into(),
        Kind::Any => "anyref".into(),
        Kind::Struct(ty) => format!("(ref null $s{ty})"),
        Kind::Array(ty) => format!("(ref null $a{ty})"),
        Kind::Extern => "externref".into(),
        Kind::Func => "(ref null $fn)".into(),
    }
}

fn mutable(kind: Kind, mutable: bool) -> String {
    if mutable { format!("(mut {})", storage(kind)) } else { storage(kind) }
}

fn types(program: &Program) -> String {
    let mut text = String::from("(rec (type $fn (func (param anyref anyref i32) (result anyref i32)))\n");
    for (index, ty) in program.structs.iter().enumerate() {
        let parent = ty.parent.map_or(String::new(), |parent| format!(" $s{parent}"));
        let fields: String =
            ty.fields.iter().map(|field| format!(" (field {})", mutable(field.kind, field.mutable))).collect();
        let _ = writeln!(text, "(type $s{index} (sub{parent} (struct{fields})))");
    }
    for (index, kind) in program.arrays.iter().enumerate() {
        let _ = writeln!(text, "(type $a{index} (array {}))", mutable(*kind, true));
    }
    text + ")\n"
}

fn globals(program: &Program) -> String {
    let mut text = String::new();
    for index in 0..GLOBALS {
        // The first ones hold objects of constant expressions: immortal if nothing of them can change.
        let init = program.segment.get(index).map_or(item(&Item::Null), item);
        let _ = writeln!(text, "(global $g{index} (mut anyref) {init})");
    }
    for index in 0..EXTERNS {
        let _ = writeln!(text, "(global $x{index} (mut externref) (ref.null extern))");
    }
    let items: String = program.segment.iter().map(|at| format!(" (item {})", item(at))).collect();
    let _ = writeln!(text, "(elem $seg anyref{items})");
    let funcs: String = (0..program.funcs.len()).map(|index| format!(" $f{index}")).collect();
    let _ = writeln!(text, "(table $ft funcref (elem{funcs}))");
    let _ = writeln!(text, "(table $t {TABLE} {TABLE_MAX} anyref)");
    let bytes: String = program.data.iter().map(|byte| format!("\\{byte:02x}")).collect();
    let _ = writeln!(text, "(data $data \"{bytes}\")");
    text
}

fn item(item: &Item) -> String {
    match item {
        Item::I31(value) => format!("(ref.i31 (i32.const {value}))"),
        Item::Struct(ty) => format!("(struct.new_default $s{ty})"),
        Item::Array(ty, len) => format!("(array.new_default $a{ty} (i32.const {len}))"),
        Item::Null => "(ref.null any)".into(),
    }
}

/// An integer of what was read from a field or element of a kind; `signed` for packed ones.
pub fn int_of(kind: Kind, read: &str) -> String {
    match kind {
        // The halves together.
        Kind::I64 => format!("(call $fold {read})"),
        Kind::F64 => format!("(i32.trunc_sat_f64_s {read})"),
        _ => read.to_owned(),
    }
}

/// A read accessor: packed fields are read with and without sign in turns.
pub fn getter(of: &str, kind: Kind, number: usize) -> String {
    match kind {
        Kind::I8 | Kind::I16 if number.is_multiple_of(2) => format!("{of}.get_s"),
        Kind::I8 | Kind::I16 => format!("{of}.get_u"),
        _ => format!("{of}.get"),
    }
}

/// An anyref of what was read.
pub fn any_of(kind: Kind, read: String) -> String {
    match kind {
        Kind::Extern => format!("(any.convert_extern {read})"),
        _ => read,
    }
}

/// The function that hashes what a reference leads to, so many steps far.
fn sum(program: &Program) -> String {
    let mut text = String::from(
        "(func $fold (param i64) (result i32)
           (i32.wrap_i64 (i64.xor (local.get 0) (i64.shr_u (local.get 0) (i64.const 32)))))
         (func $sum (param $v anyref) (param $d i32) (result i32) (local $h i32) (local $k i32) (local $step i32)
         (if (ref.is_null (local.get $v)) (then (return (i32.const 7))))
         (if (ref.test (ref i31) (local.get $v))
           (then (return (i32.add (i32.mul (i31.get_s (ref.cast (ref i31) (local.get $v))) (i32.const 3)) (i32.const 1)))))\n",
    );
    let part = |kind: Kind, number: usize, read: String| match kind {
        Kind::Func => format!("(ref.is_null {read})"),
        kind if !kind.is_int() && number >= SUMMED_FIELDS => format!("(ref.is_null {})", any_of(kind, read)),
        kind if kind.is_int() => int_of(kind, &read),
        kind => {
            let any = any_of(kind, read);
            format!(
                "(if (result i32) (local.get $d) (then (call $sum {any} (i32.sub (local.get $d) (i32.const 1))))
                   (else (ref.is_null {any})))"
            )
        }
    };
    for (index, ty) in program.structs.iter().enumerate().rev() {
        let _ = writeln!(
            text,
            "(if (ref.test (ref $s{index}) (local.get $v)) (then (local.set $h (i32.const {}))",
            100 + index
        );
        for (number, field) in ty.fields.iter().enumerate() {
            let get = getter("struct", field.kind, number);
            let read = format!("({get} $s{index} {number} (ref.cast (ref $s{index}) (local.get $v)))");
            let part = part(field.kind, number, read);
            let _ = writeln!(text, "(local.set $h (i32.add (i32.mul (local.get $h) (i32.const 31)) {part}))");
        }
        text += "(return (local.get $h))))\n";
    }
    for (index, kind) in program.arrays.iter().enumerate() {
        let array = format!("(ref.cast (ref $a{index}) (local.get $v))");
        let part = part(*kind, 0, format!("({} $a{index} {array} (local.get $k))", getter("array", *kind, index)));
        let _ = writeln!(
            text,
            "(if (ref.test (ref $a{index}) (local.get $v)) (then
               (local.set $h (array.len {array}))
               (local.set $step (i32.add (i32.div_u (local.get $h) (i32.const 8)) (i32.const 1)))
               (loop $l
                 (if (i32.ge_u (local.get $k) (array.len {array})) (then (return (local.get $h))))
                 (local.set $h (i32.add (i32.mul (local.get $h) (i32.const 31)) {part}))
                 (local.set $k (i32.add (local.get $k) (local.get $step)))
                 (br $l))))"
        );
    }
    text + "(i32.add (i32.const 13) (call $read (extern.convert_any (local.get $v)))))\n"
}

fn run() -> String {
    let mut text = String::from(
        r#"(func (export "run") (param $fuel i32) (param $mask i32) (result i32)
        (global.set $fuel (local.get $fuel)) (global.set $mask (local.get $mask)) (global.set $h (i32.const 0))
        (block $thrown
          (try_table (catch_all $thrown)
            (call $f0 (global.get $g0) (global.get $g1) (i32.const 5))
            (call $mix) (call $mix (call $sum (i32.const 3)))))
        "#,
    );
    for index in 0..GLOBALS {
        let _ = writeln!(text, "(call $mix (call $sum (global.get $g{index}) (i32.const 3)))");
    }
    for index in 0..TABLE {
        let _ = writeln!(text, "(call $mix (call $sum (table.get $t (i32.const {index})) (i32.const 2)))");
    }
    text + "(global.get $h))"
}
