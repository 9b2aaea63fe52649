//! Every storage type × every place that a value is written to × values at which widths and signs show × every way that
//! the compiler holds an operand. What was around the place must stay as it was: neither fewer bytes are written nor
//! more.
//!
//! A function of the module is one place with one operand. It gets the value's bits as two `i64`, which nothing can
//! take for a constant, and returns the bits that it reads back and whether everything around is intact. Constants
//! stand in the text, so that there is a function for each.

mod values;

use crate::common;
use crate::in_all_modes;
use crate::lab::{Lab, bits};
use heapwood_vm::*;
use std::fmt::Write;
use values::{NULL, PATTERN, STORAGES, Storage, float};

in_all_modes!(
    stores_of_packed_integers,
    stores_of_i32,
    stores_of_i64,
    stores_of_f32,
    stores_of_f64,
    stores_of_v128,
    stores_of_references,
    programs_in_which_half_a_value_was_stored
);

// ---- operands

/// Operands whose bits the function gets.
fn variable_operands(storage: &Storage) -> Vec<(&'static str, String)> {
    let of_bits = match storage.ty {
        "i32" => "(i32.wrap_i64 (local.get $lo))",
        "i64" => "(i64.add (local.get $lo) (i64.const 0))",
        "f32" => "(f32.reinterpret_i32 (i32.wrap_i64 (local.get $lo)))",
        "f64" => "(f64.reinterpret_i64 (local.get $lo))",
        "v128" => "(i64x2.replace_lane 1 (i64x2.splat (local.get $lo)) (local.get $hi))",
        _ => "(call $reference (local.get $lo))",
    };
    let load = match storage.ty {
        "i31ref" => "(table.get $operands (i32.const 0))".into(),
        ty => format!("({ty}.load $operands (i32.const 64))"),
    };
    let name = storage.name;
    vec![
        ("register", of_bits.into()),
        ("register of a local", format!("{of_bits} local.set $t (local.get $t)")),
        ("slot", format!("{of_bits} (call $clobber)")),
        ("slot of a local", format!("{of_bits} local.set $t (call $clobber) (local.get $t)")),
        ("load", format!("(call $put (local.get $lo) (local.get $hi)) {load}")),
        (
            "field",
            format!("(struct.{} $s 1 (struct.new $s {1} {of_bits} {1}))", storage.get, storage.pattern())
                .replace("$s", &format!("$s_{name}")),
        ),
        ("result", format!("(call $same {of_bits})")),
        ("global", format!("{of_bits} global.set $own (global.get $own)")),
    ]
}

/// Operands that are constants for the compiler: as they stand, and made by folding.
fn constant_operands(storage: &Storage, bits: u128) -> Vec<(&'static str, String)> {
    let plain = storage.constant(bits);
    let other = storage.constant(storage.truncated(!bits & 0x7fff_ffff));
    let low = bits as u64;
    let mut operands = vec![
        ("constant", plain.clone()),
        ("constant across a call", format!("{plain} (call $clobber)")),
        ("constant in a local", format!("{plain} local.set $t (local.get $t)")),
        ("constant in a local across a call", format!("{plain} local.set $t (call $clobber) (local.get $t)")),
        ("selected constant", format!("(select (result {}) {plain} {other} (i32.const 1))", storage.ty)),
        ("constant of a block", format!("(block (result {}) {plain})", storage.ty)),
    ];
    const FLIPPED: u64 = 0x8765_4321_1234_5678;
    match storage.ty {
        "i32" => operands.extend([
            (
                "exclusive or",
                format!("(i32.xor (i32.const {}) (i32.const {}))", low as i32 ^ FLIPPED as i32, FLIPPED as i32),
            ),
            ("wrapped", format!("(i32.wrap_i64 (i64.const {}))", (low | 0xdead_beef << 32) as i64)),
            ("reinterpreted", format!("(i32.reinterpret_f32 (f32.const {}))", float(low, 8, 23))),
        ]),
        "i64" => operands.extend([
            (
                "exclusive or",
                format!("(i64.xor (i64.const {}) (i64.const {}))", (low ^ FLIPPED) as i64, FLIPPED as i64),
            ),
            ("reinterpreted", format!("(i64.reinterpret_f64 (f64.const {}))", float(low, 11, 52))),
            ("sign-extended", format!("(i64.extend_i32_s (i32.const {}))", low as i32)),
            ("zero-extended", format!("(i64.extend_i32_u (i32.const {}))", low as i32)),
        ]),
        "f32" => operands.extend([
            ("negated", format!("(f32.neg (f32.const {}))", float(low ^ 1 << 31, 8, 23))),
            ("reinterpreted", format!("(f32.reinterpret_i32 (i32.const {}))", low as i32)),
        ]),
        "f64" => operands.extend([
            ("negated", format!("(f64.neg (f64.const {}))", float(low ^ 1 << 63, 11, 52))),
            ("reinterpreted", format!("(f64.reinterpret_i64 (i64.const {}))", low as i64)),
        ]),
        _ => {}
    }
    operands.retain(|(name, _)| match *name {
        "sign-extended" => low == low as i32 as u64,
        "zero-extended" => low == low as u32 as u64,
        _ => true,
    });
    operands
}

// ---- places

/// What surrounds an operand in a function: it leaves the bits and whether what is around is intact.
struct Place {
    name: String,
    before: String,
    after: String,
    /// Bytes of a value that are kept.
    bytes: u32,
}

impl Place {
    fn new(name: &str, storage: &Storage, before: &str, after: &str) -> Place {
        let text = |text: &str| {
            text.replace("{s}", storage.name)
                .replace("{T}", storage.ty)
                .replace("{get}", storage.get)
                .replace("{pattern}", &storage.pattern())
        };
        Place { name: name.into(), before: text(before), after: text(after), bytes: 16 }
    }
}

/// Of a struct in `$o` of fields before, stored and behind.
const READ_STRUCT: &str = "(call $bits (struct.{get} $s_{s} 1 (local.get $o)))
    (i32.and (call $is_pattern_of_field (struct.{get} $s_{s} 0 (local.get $o)))
      (call $is_pattern_of_field (struct.{get} $s_{s} 2 (local.get $o))))";

/// Of an array in `$a` whose element 1 was stored.
const READ_ARRAY: &str = "(call $bits (array.{get} $a_{s} (local.get $a) (i32.const 1)))
    (i32.and (call $is_pattern_of_field (array.{get} $a_{s} (local.get $a) (i32.const 0)))
      (call $is_pattern_of_field (array.{get} $a_{s} (local.get $a) (i32.const 2))))";

/// Of an array in `$a` whose elements are all the same: the first, one in the middle, and the last.
const READ_SAME: &str = "(call $bits (array.{get} $a_{s} (local.get $a) (i32.const 0)))
    (i32.and
      (call $equal (array.{get} $a_{s} (local.get $a) (i32.const 0))
        (array.{get} $a_{s} (local.get $a) (i32.shr_u (array.len (local.get $a)) (i32.const 1))))
      (call $equal (array.{get} $a_{s} (local.get $a) (i32.const 0))
        (array.{get} $a_{s} (local.get $a) (i32.sub (array.len (local.get $a)) (i32.const 1)))))";

/// Of a value in `$u` with nothing around it.
const READ_LOCAL: &str = "local.set $u (call $bits (local.get $u)) (i32.const 1)";

/// Of three values on the stack, of which the middle one was stored.
const READ_MIDDLE: &str = "local.set $w local.set $u local.set $t (call $bits (local.get $u))
    (i32.and (call $is_pattern (local.get $t)) (call $is_pattern (local.get $w)))";

fn places(storage: &Storage) -> Vec<Place> {
    let mut places = Vec::new();
    let mut place = |name: &str, before: &str, after: &str| places.push(Place::new(name, storage, before, after));
    let new_struct = "(struct.new $s_{s} {pattern} {pattern} {pattern}) local.set $o (local.get $o) ";
    let new_array = "(array.new_fixed $a_{s} 3 {pattern} {pattern} {pattern}) local.set $a (local.get $a) ";
    place("struct.set", new_struct, &format!(" struct.set $s_{{s}} 1 {READ_STRUCT}"));
    place("struct.new", "{pattern} ", &format!(" {{pattern}} struct.new $s_{{s}} local.set $o {READ_STRUCT}"));
    let read_array = format!(" array.set $a_{{s}} {READ_ARRAY}");
    place("array.set of a constant index", &format!("{new_array} (i32.const 1) "), &read_array);
    place("array.set of a variable index", &format!("{new_array} (local.get $one) "), &read_array);
    let fixed = format!(" {{pattern}} array.new_fixed $a_{{s}} 3 local.set $a {READ_ARRAY}");
    place("array.new_fixed", "{pattern} ", &fixed);
    for (name, length) in [("3", "(i32.const 3)"), ("three", "(local.get $three)"), ("9000", "(i32.const 9000)")] {
        let after = format!(" {length} array.new $a_{{s}} local.set $a {READ_SAME}");
        place(&format!("array.new of {name}"), "", &after);
    }
    let after = format!(" (local.get $one) array.fill $a_{{s}} {READ_ARRAY}");
    place("array.fill", &format!("{new_array} (local.get $one) "), &after);
    if storage.bytes >= 4 {
        whole_value_places(&mut place);
    }
    match storage.name {
        "i8" | "i16" => {}
        "i31ref" => table_places(&mut place),
        _ => memory_places(storage, &mut places),
    }
    places
}

/// Locals, globals, arguments, results and payloads.
fn whole_value_places(place: &mut impl FnMut(&str, &str, &str)) {
    place("local.set", "", &format!(" local.set $u (call $clobber) (local.get $u) {READ_LOCAL}"));
    place("local.tee", "", &format!(" local.tee $u drop (call $clobber) (local.get $u) {READ_LOCAL}"));
    place(
        "local of a loop",
        "",
        &format!(
            " local.set $u (local.get $three) local.set $n
              (loop $l (local.get $u) local.set $w (call $clobber) (local.get $w) local.set $u
                (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
              (local.get $u) {READ_LOCAL}"
        ),
    );
    let around = "{pattern} global.set $before {pattern} global.set $own {pattern} global.set $behind ";
    let intact = "(i32.and (call $is_pattern (global.get $before)) (call $is_pattern (global.get $behind)))";
    place("global.set", around, &format!(" global.set $own (call $bits (global.get $own)) {intact}"));
    place("global.set of an import", "", " global.set $far (call $bits (global.get $far)) (i32.const 1)");
    place("operand across a call", "{pattern} ", &format!(" {{pattern}} (call $clobber) {READ_MIDDLE}"));
    place("argument in a register", "{pattern} ", &format!(" {{pattern}} call $three_of {READ_MIDDLE}"));
    let many = "{pattern} {pattern} {pattern} {pattern} {pattern} {pattern} {pattern} {pattern} {pattern} {pattern} ";
    let after = format!(" {{pattern}} call $last_of_many {READ_MIDDLE}");
    place("argument on the stack", &format!("{many}{many}"), &after);
    place("argument of a tail call", "{pattern} ", &format!(" {{pattern}} call $tail {READ_MIDDLE}"));
    place(
        "argument of call_ref",
        "{pattern} ",
        &format!(" {{pattern}} (ref.func $three_of) call_ref $three {READ_MIDDLE}"),
    );
    let block = "(block $b (result {T} {T} {T}) ";
    let open = format!("{block} {{pattern}} ");
    place("result of br", &open, &format!(" {{pattern}} br $b) {READ_MIDDLE}"));
    place("result of br_if", &open, &format!(" {{pattern}} (local.get $one) br_if $b) {READ_MIDDLE}"));
    place("result of br_table", &open, &format!(" {{pattern}} (i32.const 7) br_table $b $b) {READ_MIDDLE}"));
    place("result of a block", &open, &format!(" {{pattern}} ) {READ_MIDDLE}"));
    let branches = "(local.get $one) (if (result {T} {T} {T}) (then {pattern} ";
    let other = " {pattern} ) (else (unreachable)))";
    place("result of if", branches, &format!("{other} {READ_MIDDLE}"));
    let again = format!(
        " {{pattern}} (loop $l (param {{T}} {{T}} {{T}}) (result {{T}} {{T}} {{T}})
            (br_if $l (i32.and (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 1)))) {READ_MIDDLE}"
    );
    place("parameter of a loop", "{pattern} ", &again);
    let caught = "(block $c (result {T} {T} {T}) (try_table (catch $e $c) {pattern} ";
    place("payload", caught, &format!(" {{pattern}} throw $e) unreachable) {READ_MIDDLE}"));
    let legacy = "try (result {T} {T} {T}) {pattern} ";
    place("payload of a legacy catch", legacy, &format!(" {{pattern}} throw $e catch $e end {READ_MIDDLE}"));
    let by_ref = format!(
        " {{pattern}} throw $e) unreachable) local.set $x
          (block $c (result {{T}} {{T}} {{T}}) (try_table (catch $e $c) (local.get $x) throw_ref) unreachable) {READ_MIDDLE}"
    );
    place("payload of an exnref", "(block $r (result exnref) (try_table (catch_all_ref $r) {pattern} ", &by_ref);
    place(
        "result of many",
        "(block $b (result {T} {T} {T}) {pattern} ",
        &format!(" {{pattern}} call $far_results) {READ_MIDDLE}"),
    );
}

fn table_places(place: &mut impl FnMut(&str, &str, &str)) {
    let read = "(call $bits (table.get $t (i32.const 1)))
        (i32.and (call $is_pattern (table.get $t (i32.const 0))) (call $is_pattern (table.get $t (i32.const 2))))";
    let around = "(table.fill $t (i32.const 0) {pattern} (table.size $t)) ";
    place("table.set of a constant index", &format!("{around} (i32.const 1) "), &format!(" table.set $t {read}"));
    place("table.set of a variable index", &format!("{around} (local.get $one) "), &format!(" table.set $t {read}"));
    place("table.fill", &format!("{around} (i32.const 1) "), &format!(" (i32.const 1) table.fill $t {read}"));
    place(
        "table.grow",
        "",
        " (local.get $one) table.grow $grown drop
          (call $bits (table.get $grown (i32.sub (table.size $grown) (i32.const 1)))) (i32.const 1)",
    );
}

/// Every store to a memory of the type: 24 bytes of pattern, of which those from the ninth on are written.
fn memory_places(storage: &Storage, places: &mut Vec<Place>) {
    let ty = storage.ty;
    let mut stores = vec![(format!("{ty}.store"), storage.bytes, 1)];
    match ty {
        "i32" => stores.extend([("i32.store8".into(), 1, 1), ("i32.store16".into(), 2, 1)]),
        "i64" => {
            stores.extend([("i64.store8".into(), 1, 1), ("i64.store16".into(), 2, 1), ("i64.store32".into(), 4, 1)])
        }
        _ => {}
    }
    if matches!(ty, "i32" | "i64") {
        let atomic = |(name, bytes, _): &(String, u32, u32)| (name.replace("store", "atomic.store"), *bytes, *bytes);
        let atomics: Vec<_> = stores.iter().map(atomic).collect();
        stores.extend(atomics);
    }
    for (store, bytes, align) in stores {
        // Not aligned, but for atomics.
        let at = if align == 1 { 8 * 16 + 5 } else { 8 * 16 + 16 };
        for (memory, address, kind) in [
            ("$m", format!("(i32.const {at})"), "a constant address"),
            ("$m", format!("(i32.add (local.get $one) (i32.const {}))", at - 1), "a variable address"),
            ("$m64", format!("(i64.const {at})"), "a 64-bit memory"),
            ("$small", format!("(i32.const {at})"), "a memory of small pages"),
        ] {
            let index = if memory == "$m64" { "i64" } else { "i32" };
            let byte = |offset: u32| {
                let [low, high] =
                    [0, 8].map(|k| format!("(i64.load {memory} offset={k} ({index}.const {}))", at + offset - 8));
                (low, high)
            };
            let fill = format!(
                "(memory.fill {memory} ({index}.const {}) (i32.const 0xa5) ({index}.const 40)) {address} ",
                at - 16
            );
            let mask = |value: &str, kept: u32| match kept {
                0 => "(i64.const 0)".to_string(),
                8.. => value.to_string(),
                _ => format!("(i64.and {value} (i64.const {}))", (1u64 << (8 * kept)) - 1),
            };
            let (low, high) = byte(8);
            let (before, _) = byte(0);
            let (behind, _) = byte(8 + bytes);
            let after = format!(
                " {store} {memory} {} {} (i32.and (i64.eq {before} (i64.const {p})) (i64.eq {behind} (i64.const {p})))",
                mask(&low, bytes.min(8)),
                mask(&high, bytes.saturating_sub(8)),
                p = PATTERN as i64
            );
            let mut place = Place::new(&format!("{store} to {kind}"), storage, &fill, &after);
            place.bytes = bytes;
            places.push(place);
        }
    }
}

// ---- the module

fn prelude(storage: &Storage) -> String {
    let Storage { name: s, ty, .. } = storage;
    let (pattern, of_field) = (storage.truncated(PATTERN), storage.stored(storage.truncated(PATTERN)));
    let bits = match *ty {
        "i32" => "(i64.extend_i32_u (local.get 0)) (i64.const 0)".to_string(),
        "i64" => "(local.get 0) (i64.const 0)".into(),
        "f32" => "(i64.extend_i32_u (i32.reinterpret_f32 (local.get 0))) (i64.const 0)".into(),
        "f64" => "(i64.reinterpret_f64 (local.get 0)) (i64.const 0)".into(),
        "v128" => "(i64x2.extract_lane 0 (local.get 0)) (i64x2.extract_lane 1 (local.get 0))".into(),
        _ => "(if (result i64) (ref.is_null (local.get 0)) (then (i64.const -1))
               (else (i64.extend_i32_u (i31.get_u (local.get 0))))) (i64.const 0)"
            .into(),
    };
    let is = |name: &str, bits: u128| {
        format!(
            "(func ${name} (param {ty}) (result i32) (local $lo i64) (local $hi i64)
               (call $bits (local.get 0)) local.set $hi local.set $lo
               (i32.and (i64.eq (local.get $lo) (i64.const {})) (i64.eq (local.get $hi) (i64.const {}))))",
            bits as i64,
            (bits >> 64) as i64
        )
    };
    let zero = storage.constant(0);
    let memories = r#"
        (memory $m 1) (memory $m64 i64 1) (memory $small 1000 (pagesize 1)) (memory $operands 1)"#;
    let many = format!("{ty} ").repeat(20);
    format!(
        r#"(type $s_{s} (struct (field (mut {s})) (field (mut {s})) (field (mut {s}))))
        (type $a_{s} (array (mut {s})))
        (type $three (func (param {ty} {ty} {ty}) (result {ty} {ty} {ty})))
        (import "library" "far" (global $far (mut {ty})))
        {memories}
        (table $operands 1 i31ref) (table $t 3 i31ref) (table $grown 0 100000 i31ref)
        (global $before (mut {ty}) {zero}) (global $own (mut {ty}) {zero}) (global $behind (mut {ty}) {zero})
        (tag $e (param {ty} {ty} {ty}))
        (elem declare func $three_of)
        (func $bits (param {ty}) (result i64 i64) {bits})
        {is_pattern} {is_pattern_of_field}
        (func $equal (param {ty} {ty}) (result i32) (local $a i64) (local $b i64) (local $c i64) (local $d i64)
          (call $bits (local.get 0)) local.set $b local.set $a (call $bits (local.get 1)) local.set $d local.set $c
          (i32.and (i64.eq (local.get $a) (local.get $c)) (i64.eq (local.get $b) (local.get $d))))
        (func $reference (param i64) (result i31ref)
          (if (result i31ref) (i64.eq (local.get 0) (i64.const -1))
            (then (ref.null i31)) (else (ref.i31 (i32.wrap_i64 (local.get 0))))))
        (func $put (param i64 i64)
          (i64.store $operands (i32.const 64) (local.get 0)) (i64.store $operands (i32.const 72) (local.get 1))
          (table.set $operands (i32.const 0) (call $reference (local.get 0))))
        ;; Everything that a call may clobber is clobbered.
        (func $clobber (local i64 i64 i64 f64 f64 f64)
          (drop (call $mixed (i64.const -1) (i64.const -1) (i64.const -1) (i64.const -1) (i64.const -1) (i64.const -1)
            (f64.const -1) (f64.const -1) (f64.const -1) (f64.const -1) (f64.const -1) (f64.const -1))))
        (func $mixed (param i64 i64 i64 i64 i64 i64 f64 f64 f64 f64 f64 f64) (result i64)
          (i64.add (local.get 0) (i64.add (local.get 5) (i64.trunc_sat_f64_s (local.get 11)))))
        (func $same (param {ty}) (result {ty}) (local.get 0))
        (func $three_of (type $three) (local.get 0) (local.get 1) (local.get 2))
        (func $tail (type $three) (local.get 0) (local.get 1) (local.get 2) (return_call $three_of))
        (func $last_of_many (param {many} {ty} {ty}) (result {ty} {ty} {ty})
          (call $clobber) (local.get 19) (local.get 20) (local.get 21))
        (func $far_results (type $three) (call $clobber) (local.get 0) (local.get 1) (local.get 2))
        "#,
        is_pattern = is("is_pattern", pattern),
        is_pattern_of_field = is("is_pattern_of_field", of_field),
    )
}

/// A function of the module, and the values that it is called with.
struct Case {
    name: String,
    values: Vec<u128>,
    bytes: u32,
    /// It returns the value itself.
    direct: bool,
}

/// The module while it is written.
struct Program<'a> {
    storage: &'a Storage,
    text: String,
    cases: Vec<Case>,
}

impl Program<'_> {
    /// A function that puts an operand into a place.
    fn add(&mut self, place: &Place, kind: &str, operand: &str, values: Vec<u128>) {
        let Storage { name: s, ty, .. } = self.storage;
        let name = format!("{} of {s} by {kind}, {}", place.name, self.cases.len());
        let direct = place.after.is_empty();
        writeln!(
            self.text,
            r#"(func (export "{name}") (param $lo i64) (param $hi i64) (param $one i32) (param $three i32)
                 (result {results}) (local $t {ty}) (local $u {ty}) (local $w {ty})
                 (local $o (ref null $s_{s})) (local $a (ref null $a_{s})) (local $n i32) (local $x exnref)
                 {before}{operand}{after})"#,
            results = if direct { ty } else { "i64 i64 i32" },
            before = place.before,
            after = place.after,
        )
        .unwrap();
        self.cases.push(Case { name, values, bytes: place.bytes, direct });
    }

    /// A global whose expression makes an object with a constant in it, and a function that reads it.
    fn add_constant_expression(&mut self, value: u128) {
        let storage = self.storage;
        let fields = [storage.pattern(), storage.constant(value), storage.pattern()].concat();
        for (new, local, read) in
            [("struct.new $s_{s}", "$o", READ_STRUCT), ("array.new_fixed $a_{s} 3", "$a", READ_ARRAY)]
        {
            let place = Place::new("constant expression", storage, "", read);
            let (new, global) = (new.replace("{s}", storage.name), format!("$c{}", self.cases.len()));
            let ty = if local == "$o" { 's' } else { 'a' };
            let operand = format!("(global.get {global}) local.set {local} ");
            writeln!(self.text, "(global {global} (ref null ${ty}_{}) ({new} {fields}))", storage.name).unwrap();
            self.add(&place, &new, &operand, vec![value]);
        }
    }
}

fn module(storage: &Storage) -> (String, Vec<Case>) {
    let mut program = Program { storage, text: format!("(module {}", prelude(storage)), cases: Vec::new() };
    let to_host = Place::new("result to the host", storage, "", "");
    for place in places(storage).iter().chain((storage.bytes >= 4).then_some(&to_host)) {
        for (kind, operand) in variable_operands(storage) {
            program.add(place, kind, &operand, storage.values());
        }
        for value in storage.values() {
            for (kind, operand) in constant_operands(storage, value) {
                program.add(place, kind, &operand, vec![value]);
            }
        }
    }
    storage.values().into_iter().for_each(|value| program.add_constant_expression(value));
    (program.text + ")", program.cases)
}

/// Stores everything everywhere and reads it back; returns how many cases that were.
fn check(mode: usize, storage: &Storage) -> usize {
    let (text, cases) = module(storage);
    let library = format!(r#"(module (global (export "far") (mut {}) {}))"#, storage.ty, storage.constant(0));
    let (_, mut config) = common::modes()[mode].clone();
    let mut features = Features::default();
    features.set("threads", true).unwrap();
    let mut lab = Lab::with(config.features(features), &[("library", &library)], &text)
        .unwrap_or_else(|error| panic!("{}: {error}", storage.name));
    let mut count = 0;
    for case in &cases {
        for value in &case.values {
            count += 1;
            let args = [Val::I64(*value as i64), Val::I64((value >> 64) as i64), Val::I32(1), Val::I32(3)];
            let func = lab.func(&case.name);
            let mut scope = RootScope::new(&mut lab.store);
            let mut results = vec![Val::I32(0); func.ty(&scope).results().len()];
            func.call(&mut scope, &args, &mut results).unwrap_or_else(|error| panic!("{}: {error}", case.name));
            if case.direct {
                let wanted = if storage.name == "i31ref" { (*value != NULL) as u128 } else { *value };
                assert_eq!(bits(&results[0]), wanted, "{}", case.name);
                continue;
            }
            let found = bits(&results[0]) | bits(&results[1]) << 64;
            let kept = if case.bytes >= 16 { *value } else { value & ((1 << (8 * case.bytes)) - 1) };
            let wanted = storage.stored(kept);
            assert_eq!(found, wanted, "{} of {value:#x}: {found:#x} was read, {wanted:#x} stored", case.name);
            assert_eq!(results[2].i32(), Some(1), "{} of {value:#x}: what is around was overwritten", case.name);
        }
    }
    count
}

fn check_all(mode: usize, names: &[&str], expected: usize) {
    let storages: Vec<_> = STORAGES.iter().filter(|storage| names.contains(&storage.name)).collect();
    let count: usize = storages.iter().map(|storage| check(mode, storage)).sum();
    println!("{count} stores of {}", names.join(", "));
    assert_eq!(count, expected, "cases");
}

fn stores_of_packed_integers(mode: usize) {
    check_all(mode, &["i8", "i16"], 7440);
}

fn stores_of_i32(mode: usize) {
    check_all(mode, &["i32"], 22080);
}

fn stores_of_i64(mode: usize) {
    check_all(mode, &["i64"], 26774);
}

fn stores_of_f32(mode: usize) {
    check_all(mode, &["f32"], 13104);
}

fn stores_of_f64(mode: usize) {
    check_all(mode, &["f64"], 14196);
}

fn stores_of_v128(mode: usize) {
    check_all(mode, &["v128"], 17208);
}

fn stores_of_references(mode: usize) {
    check_all(mode, &["i31ref"], 11950);
}

// ---- the programs in which this was found

/// Constants that an f64 field or element got half of: zeros, folded constants, NaNs that fit a sign-extended i32.
const HALVES: &str = r#"(module
    (type $s (struct (field (mut f64)))) (type $a (array (mut f64)))
    (func $struct (result (ref $s)) (struct.new $s (f64.const 1.5)))
    (func $array (result (ref $a)) (array.new $a (f64.const 5) (i32.const 3)))
    (func (export "zero in a field") (result f64) (local $o (ref null $s))
      (struct.set $s 0 (local.tee $o (call $struct)) (f64.const 0)) (struct.get $s 0 (local.get $o)))
    (func (export "zero in an element") (result f64) (local $o (ref null $a))
      (array.set $a (local.tee $o (call $array)) (i32.const 1) (f64.const 0)) (array.get $a (local.get $o) (i32.const 1)))
    (func (export "reinterpreted") (result f64) (local $o (ref null $s))
      (struct.set $s 0 (local.tee $o (call $struct)) (f64.reinterpret_i64 (i64.const -129)))
      (struct.get $s 0 (local.get $o)))
    (func (export "nan") (result f64) (local $o (ref null $s))
      (struct.set $s 0 (local.tee $o (call $struct)) (f64.const -nan:0xfffffffffff7f)) (struct.get $s 0 (local.get $o)))
    (func (export "selected") (result f64) (local $o (ref null $s))
      (struct.set $s 0 (local.tee $o (call $struct)) (select (f64.const 0) (f64.const 1) (i32.const 1)))
      (struct.get $s 0 (local.get $o)))
    (func (export "negated") (result f64) (local $o (ref null $s))
      (struct.set $s 0 (local.tee $o (call $struct)) (f64.neg (f64.const -0))) (struct.get $s 0 (local.get $o)))
    (func (export "small in an element") (result f64) (local $o (ref null $a))
      (array.set $a (local.tee $o (call $array)) (i32.const 1) (f64.reinterpret_i64 (i64.const 10)))
      (array.get $a (local.get $o) (i32.const 1)))
    ;; The sums of SpectralNorm for a matrix of ones: each element of $v starts at zero.
    (func $multiply (param $u (ref null $a)) (param $v (ref null $a)) (local $i i32) (local $j i32)
      (loop $rows
        (array.set $a (local.get $v) (local.get $i) (f64.const 0))
        (local.set $j (i32.const 0))
        (loop $columns
          (array.set $a (local.get $v) (local.get $i)
            (f64.add (array.get $a (local.get $v) (local.get $i)) (array.get $a (local.get $u) (local.get $j))))
          (br_if $columns (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 1))) (array.len (local.get $u)))))
        (br_if $rows (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (array.len (local.get $v))))))
    (func (export "sums") (result f64) (local $u (ref null $a)) (local $v (ref null $a))
      (local.set $u (call $array)) (local.set $v (call $array))
      (call $multiply (local.get $u) (local.get $v)) (call $multiply (local.get $u) (local.get $v))
      (array.get $a (local.get $v) (i32.const 2))))"#;

fn programs_in_which_half_a_value_was_stored(mode: usize) {
    let mut lab = Lab::new(mode, &[], HALVES);
    for (name, wanted) in [
        ("zero in a field", 0),
        ("zero in an element", 0),
        ("reinterpreted", -129i64 as u64),
        ("nan", 0xffff_ffff_ffff_ff7f),
        ("selected", 0),
        ("negated", 0),
        ("small in an element", 10),
        ("sums", 15f64.to_bits()),
    ] {
        assert_eq!(lab.call(name, &[]), Ok(vec![wanted as u128]), "{name}");
    }
}
