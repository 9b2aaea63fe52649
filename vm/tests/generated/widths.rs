//! Every instruction on memories and tables × {32, 64 bits} × {imported, defined} × operands at 2^31, 2^32, 2^63 and
//! 2^64.
//!
//! Entities 1 to 4 are: imported 32-bit, imported 64-bit, defined 32-bit, defined 64-bit; entity 0 is never touched.
//! After each operation all of them are compared with the model, so that an instruction on another entity shows as
//! well.

use crate::in_all_modes;
use crate::lab::{Lab, Outcome};
use heapwood_vm::*;
use std::fmt::Write;

in_all_modes!(memories_at_edge_values, tables_at_edge_values, calls_at_edge_values);

/// Entities under test.
const ENTITIES: std::ops::RangeInclusive<usize> = 1..=4;

const fn is_wide(entity: usize) -> bool {
    entity.is_multiple_of(2)
}

/// Type of an entity's addresses and sizes.
fn index(entity: usize) -> &'static str {
    if is_wide(entity) { "i64" } else { "i32" }
}

/// Type of the length of a copy: the narrower one.
fn narrower(a: usize, b: usize) -> &'static str {
    if is_wide(a) && is_wide(b) { "i64" } else { "i32" }
}

fn number(ty: &str, bits: u64) -> Val {
    if ty == "i64" { Val::I64(bits as i64) } else { Val::I32(bits as i32) }
}

/// Operands of a type around a size.
fn edges(ty: &str, size: usize) -> Vec<u64> {
    let size = size as u64;
    let mut edges = vec![0, 1, size - 1, size, size + 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff - size / 2, 0xffff_ffff];
    if ty == "i64" {
        edges.extend([1 << 32, (1 << 32) + 1, (1 << 63) - 1, 1 << 63, u64::MAX - size / 2, u64::MAX]);
    }
    edges
}

/// Fewer of them, for all combinations of three.
fn few_edges(ty: &str, size: usize) -> Vec<u64> {
    let mut edges = vec![0, 1, size as u64, 0x8000_0000, 0xffff_ffff];
    if ty == "i64" {
        edges.extend([1 << 32, 1 << 63, u64::MAX - size as u64 / 2, u64::MAX]);
    }
    edges
}

/// Length of a copy from 0 to 1, or from 1 to 0, whose ends overlap.
const OVERLAP: u64 = 3;

fn inside(from: u64, count: u64, size: usize) -> bool {
    from as u128 + count as u128 <= size as u128
}

/// What `grow` answers for a refusal.
fn refused(ty: &str) -> u128 {
    if ty == "i64" { u64::MAX as u128 } else { u32::MAX as u128 }
}

/// Entities as a model: elements, and most that there may be.
struct Model<T> {
    entities: Vec<Vec<T>>,
    max: usize,
    segment: Vec<T>,
}

impl<T: Copy> Model<T> {
    fn fill(&mut self, k: usize, d: u64, value: T, n: u64) -> bool {
        let fits = inside(d, n, self.entities[k].len());
        if fits {
            self.entities[k][d as usize..][..n as usize].fill(value);
        }
        fits
    }

    fn copy(&mut self, k: usize, j: usize, d: u64, s: u64, n: u64) -> bool {
        let fits = inside(d, n, self.entities[k].len()) && inside(s, n, self.entities[j].len());
        if fits {
            let moved = self.entities[j][s as usize..][..n as usize].to_vec();
            self.entities[k][d as usize..][..n as usize].copy_from_slice(&moved);
        }
        fits
    }

    fn init(&mut self, k: usize, d: u64, s: u64, n: u64) -> bool {
        let fits = inside(d, n, self.entities[k].len()) && inside(s, n, self.segment.len());
        if fits {
            self.entities[k][d as usize..][..n as usize].copy_from_slice(&self.segment[s as usize..][..n as usize]);
        }
        fits
    }

    fn grow(&mut self, k: usize, n: u64, value: T) -> u128 {
        let old = self.entities[k].len();
        if !inside(old as u64, n, self.max) {
            return refused(index(k));
        }
        self.entities[k].resize(old + n as usize, value);
        old as u128
    }
}

fn answer(fits: bool, trap: TrapKind) -> Outcome {
    if fits { Ok(vec![]) } else { Err(trap) }
}

// ---- memories

/// Bytes of the memories at the start; their pages have one byte.
const BYTES: [usize; 5] = [30, 40, 50, 60, 70];
const BYTES_MAX: usize = 90;

fn memory_module() -> (String, String) {
    let (mut library, mut text) = (String::from("(module "), String::from("(module "));
    let limits = |k: usize| format!("{} {} {BYTES_MAX} (pagesize 1)", index(k), BYTES[k]);
    for k in 0..3 {
        writeln!(library, r#"(memory (export "m{k}") {})"#, limits(k)).unwrap();
        writeln!(text, r#"(import "library" "m{k}" (memory $m{k} {}))"#, limits(k)).unwrap();
    }
    for k in 3..5 {
        writeln!(text, "(memory $m{k} {})", limits(k)).unwrap();
    }
    writeln!(text, r#"(data $other "?") (data $d "abcdefghijklmnopqrst")"#).unwrap();
    for k in 0..5 {
        writeln!(text, r#"(export "m{k}" (memory $m{k}))"#).unwrap();
    }
    for k in ENTITIES {
        let at = index(k);
        writeln!(
            text,
            r#"(func (export "size {k}") (result {at}) (memory.size $m{k}))
               (func (export "grow {k}") (param {at}) (result {at}) (memory.grow $m{k} (local.get 0)))
               (func (export "fill {k}") (param {at} i32 {at}) (memory.fill $m{k} (local.get 0) (local.get 1) (local.get 2)))
               (func (export "init {k}") (param {at} i32 i32) (memory.init $m{k} $d (local.get 0) (local.get 1) (local.get 2)))
               (func (export "load {k}") (param {at}) (result i32) (i32.load8_u $m{k} (local.get 0)))
               (func (export "store {k}") (param {at} i32) (i32.store8 $m{k} (local.get 0) (local.get 1)))"#
        )
        .unwrap();
        for (e, edge) in edges(at, BYTES[k]).into_iter().enumerate() {
            let edge = edge as i64;
            let edge = if at == "i32" { edge as i32 as i64 } else { edge };
            writeln!(
                text,
                r#"(func (export "fill {k} at {e}") (memory.fill $m{k} ({at}.const {edge}) (i32.const 7) ({at}.const 1)))
                   (func (export "fill {k} of {e}") (memory.fill $m{k} ({at}.const 1) (i32.const 9) ({at}.const {edge})))
                   (func (export "grow {k} by {e}") (result {at}) (memory.grow $m{k} ({at}.const {edge})))"#
            )
            .unwrap();
        }
        for j in ENTITIES {
            let (from, count) = (index(j), narrower(k, j));
            writeln!(
                text,
                r#"(func (export "copy {k} {j}") (param {at} {from} {count})
                     (memory.copy $m{k} $m{j} (local.get 0) (local.get 1) (local.get 2)))"#
            )
            .unwrap();
        }
    }
    (library + ")", text + ")")
}

/// All memories are as in the model.
fn compare_memories(lab: &mut Lab, model: &Model<u8>, what: &str) {
    for k in 0..5 {
        let memory = lab.memory(&format!("m{k}"));
        assert_eq!(memory.data(&lab.store), model.entities[k], "memory {k} after {what}");
    }
}

fn memories_at_edge_values(mode: usize) {
    const OUT: TrapKind = TrapKind::MemoryOutOfBounds;
    let (library, text) = memory_module();
    let mut lab = Lab::new(mode, &[("library", &library)], &text);
    let image = |k: usize| (0..BYTES[k]).map(|at| (at * 5 + k * 37) as u8).collect::<Vec<u8>>();
    let mut model =
        Model { entities: (0..5).map(image).collect(), max: BYTES_MAX, segment: b"abcdefghijklmnopqrst".to_vec() };
    for k in 0..5 {
        lab.memory(&format!("m{k}")).write(&mut lab.store, 0, &image(k)).unwrap();
    }
    for k in ENTITIES {
        let (at, size) = (index(k), BYTES[k]);
        for d in edges(at, size) {
            let (what, value) = (format!("load {k}"), model.entities[k].get(d as usize).copied());
            assert_eq!(
                lab.call(&what, &[number(at, d)]),
                value.map(|byte| vec![byte as u128]).ok_or(OUT),
                "{what} {d:#x}"
            );
            let what = format!("store {k}");
            let fits = model.fill(k, d, d as u8 ^ 0x55, 1);
            let args = [number(at, d), Val::I32((d as u8 ^ 0x55) as i32)];
            assert_eq!(lab.call(&what, &args), answer(fits, OUT), "{what} {d:#x}");
            for n in edges(at, size) {
                let what = format!("fill {k}");
                let args = [number(at, d), Val::I32(0x100 + n as u8 as i32), number(at, n)];
                let fits = model.fill(k, d, n as u8, n);
                assert_eq!(lab.call(&what, &args), answer(fits, OUT), "{what} {d:#x} {n:#x}");
                compare_memories(&mut lab, &model, &format!("{what} {d:#x} {n:#x}"));
            }
            for s in edges("i32", 20) {
                for n in edges("i32", 20) {
                    let fits = model.init(k, d, s, n);
                    let args = [number(at, d), number("i32", s), number("i32", n)];
                    let what = format!("init {k} {d:#x} {s:#x} {n:#x}");
                    assert_eq!(lab.call(&format!("init {k}"), &args), answer(fits, OUT), "{what}");
                    compare_memories(&mut lab, &model, &what);
                }
            }
        }
        for (e, edge) in edges(at, size).into_iter().enumerate() {
            let fits = model.fill(k, edge, 7, 1);
            assert_eq!(lab.call(&format!("fill {k} at {e}"), &[]), answer(fits, OUT), "fill {k} at {edge:#x}");
            let fits = model.fill(k, 1, 9, edge);
            assert_eq!(lab.call(&format!("fill {k} of {e}"), &[]), answer(fits, OUT), "fill {k} of {edge:#x}");
            compare_memories(&mut lab, &model, &format!("fill {k} {edge:#x}"));
        }
        for j in ENTITIES {
            let (from, count) = (index(j), narrower(k, j));
            for (d, s) in pairs(&few_edges(at, size), &few_edges(from, BYTES[j])) {
                for n in few_edges(count, size.min(BYTES[j])).into_iter().chain([OVERLAP]) {
                    let fits = model.copy(k, j, d, s, n);
                    let args = [number(at, d), number(from, s), number(count, n)];
                    let what = format!("copy {k} {j} {d:#x} {s:#x} {n:#x}");
                    assert_eq!(lab.call(&format!("copy {k} {j}"), &args), answer(fits, OUT), "{what}");
                    compare_memories(&mut lab, &model, &what);
                }
            }
        }
    }
    for k in ENTITIES {
        for (e, n) in edges(index(k), BYTES[k]).into_iter().enumerate() {
            for (name, args) in [(format!("grow {k}"), vec![number(index(k), n)]), (format!("grow {k} by {e}"), vec![])]
            {
                let old = model.grow(k, n, 0);
                assert_eq!(lab.call(&name, &args), Ok(vec![old]), "{name}: {n:#x}");
                let size = model.entities[k].len() as u128;
                assert_eq!(lab.call(&format!("size {k}"), &[]), Ok(vec![size]), "size {k}");
                compare_memories(&mut lab, &model, &format!("{name}: {n:#x}"));
            }
        }
    }
}

fn pairs(a: &[u64], b: &[u64]) -> Vec<(u64, u64)> {
    a.iter().flat_map(|a| b.iter().map(move |b| (*a, *b))).collect()
}

// ---- tables

const ELEMENTS: [usize; 5] = [3, 10, 11, 12, 13];
const ELEMENTS_MAX: usize = 20;

fn table_module() -> (String, String) {
    let (mut library, mut text) = (String::from("(module "), String::from("(module "));
    let limits = |k: usize| format!("{} {} {ELEMENTS_MAX} (ref null i31)", index(k), ELEMENTS[k]);
    for k in 0..3 {
        writeln!(library, r#"(table (export "t{k}") {})"#, limits(k)).unwrap();
        writeln!(text, r#"(import "library" "t{k}" (table $t{k} {}))"#, limits(k)).unwrap();
    }
    for k in 3..5 {
        writeln!(text, "(table $t{k} {})", limits(k)).unwrap();
    }
    let items: String = (100..105).map(|n| format!("(ref.i31 (i32.const {n})) ")).collect();
    writeln!(text, "(elem $other i31ref (ref.null i31)) (elem $e i31ref {items})").unwrap();
    // Numbers stand for references: -1 is null.
    writeln!(
        text,
        "(func $to (param i32) (result i31ref)
           (if (result i31ref) (i32.eq (local.get 0) (i32.const -1)) (then (ref.null i31)) (else (ref.i31 (local.get 0)))))
         (func $from (param i31ref) (result i32)
           (if (result i32) (ref.is_null (local.get 0)) (then (i32.const -1)) (else (i31.get_s (local.get 0)))))"
    )
    .unwrap();
    for k in 0..5 {
        writeln!(text, r#"(export "t{k}" (table $t{k}))"#).unwrap();
    }
    for k in ENTITIES {
        let at = index(k);
        writeln!(
            text,
            r#"(func (export "size {k}") (result {at}) (table.size $t{k}))
               (func (export "get {k}") (param {at}) (result i32) (call $from (table.get $t{k} (local.get 0))))
               (func (export "set {k}") (param {at} i32) (table.set $t{k} (local.get 0) (call $to (local.get 1))))
               (func (export "grow {k}") (param i32 {at}) (result {at})
                 (table.grow $t{k} (call $to (local.get 0)) (local.get 1)))
               (func (export "fill {k}") (param {at} i32 {at})
                 (table.fill $t{k} (local.get 0) (call $to (local.get 1)) (local.get 2)))
               (func (export "init {k}") (param {at} i32 i32) (table.init $t{k} $e (local.get 0) (local.get 1) (local.get 2)))"#
        )
        .unwrap();
        for j in ENTITIES {
            let (from, count) = (index(j), narrower(k, j));
            writeln!(
                text,
                r#"(func (export "copy {k} {j}") (param {at} {from} {count})
                     (table.copy $t{k} $t{j} (local.get 0) (local.get 1) (local.get 2)))"#
            )
            .unwrap();
        }
    }
    (library + ")", text + ")")
}

fn compare_tables(lab: &mut Lab, model: &Model<i32>, what: &str) {
    for k in 0..5 {
        let table = lab.instance.get_table(&mut lab.store, &format!("t{k}")).unwrap();
        let mut scope = RootScope::new(&mut lab.store);
        let element = |index| match table.get(&mut scope, index).unwrap() {
            Val::AnyRef(Some(any)) => match any.kind(&scope).unwrap() {
                RefKind::I31(value) => value,
                other => panic!("{other:?}"),
            },
            _ => -1,
        };
        let found: Vec<i32> = (0..model.entities[k].len() as u64).map(element).collect();
        assert_eq!(found, model.entities[k], "table {k} after {what}");
        assert_eq!(table.size(&scope), model.entities[k].len() as u64, "size of table {k} after {what}");
    }
}

fn tables_at_edge_values(mode: usize) {
    const OUT: TrapKind = TrapKind::TableOutOfBounds;
    let (library, text) = table_module();
    let mut lab = Lab::new(mode, &[("library", &library)], &text);
    let entities = ELEMENTS.iter().map(|size| vec![-1; *size]).collect();
    let mut model = Model { entities, max: ELEMENTS_MAX, segment: (100..105).collect() };
    let mut next = 1000;
    for k in ENTITIES {
        let (at, size) = (index(k), ELEMENTS[k]);
        for d in edges(at, size) {
            next += 1;
            let fits = model.fill(k, d, next, 1);
            let set = lab.call(&format!("set {k}"), &[number(at, d), Val::I32(next)]);
            assert_eq!(set, answer(fits, OUT), "set {k} {d:#x}");
            let value = model.entities[k].get(d as usize).map(|value| vec![*value as u32 as u128]);
            assert_eq!(lab.call(&format!("get {k}"), &[number(at, d)]), value.ok_or(OUT), "get {k} {d:#x}");
            for n in edges(at, size) {
                next += 1;
                let value = if next % 5 == 0 { -1 } else { next };
                let fits = model.fill(k, d, value, n);
                let args = [number(at, d), Val::I32(value), number(at, n)];
                let what = format!("fill {k} {d:#x} {n:#x}");
                assert_eq!(lab.call(&format!("fill {k}"), &args), answer(fits, OUT), "{what}");
                compare_tables(&mut lab, &model, &what);
            }
            for (s, n) in pairs(&few_edges("i32", 5), &few_edges("i32", 5)) {
                let fits = model.init(k, d, s, n);
                let args = [number(at, d), number("i32", s), number("i32", n)];
                let what = format!("init {k} {d:#x} {s:#x} {n:#x}");
                assert_eq!(lab.call(&format!("init {k}"), &args), answer(fits, OUT), "{what}");
                compare_tables(&mut lab, &model, &what);
            }
        }
        for j in ENTITIES {
            let (from, count) = (index(j), narrower(k, j));
            for (d, s) in pairs(&few_edges(at, size), &few_edges(from, ELEMENTS[j])) {
                for n in few_edges(count, size.min(ELEMENTS[j])).into_iter().chain([OVERLAP]) {
                    let fits = model.copy(k, j, d, s, n);
                    let args = [number(at, d), number(from, s), number(count, n)];
                    let what = format!("copy {k} {j} {d:#x} {s:#x} {n:#x}");
                    assert_eq!(lab.call(&format!("copy {k} {j}"), &args), answer(fits, OUT), "{what}");
                    if fits {
                        compare_tables(&mut lab, &model, &what);
                    }
                }
            }
        }
    }
    for k in ENTITIES {
        for n in edges(index(k), ELEMENTS[k]) {
            next += 1;
            let old = model.grow(k, n, next);
            let what = format!("grow {k} by {n:#x}");
            assert_eq!(lab.call(&format!("grow {k}"), &[Val::I32(next), number(index(k), n)]), Ok(vec![old]), "{what}");
            let size = model.entities[k].len() as u128;
            assert_eq!(lab.call(&format!("size {k}"), &[]), Ok(vec![size]), "size {k}");
            compare_tables(&mut lab, &model, &what);
        }
    }
}

// ---- calls through tables

fn calls_at_edge_values(mode: usize) {
    let (mut library, mut text) = (String::from("(module "), String::from("(module (type $t (func (result i32)))"));
    for k in 0..5 {
        let (table, place) = (format!("{} 3 3 funcref", index(k)), if k < 3 { &mut library } else { &mut text });
        if k < 3 {
            writeln!(place, r#"(table (export "t{k}") {table})"#).unwrap();
        }
    }
    for k in 0..3 {
        writeln!(text, r#"(import "library" "t{k}" (table $t{k} {} 3 3 funcref))"#, index(k)).unwrap();
    }
    for k in 3..5 {
        writeln!(text, "(table $t{k} {} 3 3 funcref)", index(k)).unwrap();
    }
    writeln!(text, "(func $wrong)").unwrap();
    for k in 0..5 {
        let at = index(k);
        writeln!(
            text,
            r#"(func $f{k} (result i32) (i32.const {k}00))
               (elem (table $t{k}) ({at}.const 0) func $f{k} $wrong)
               (func (export "call {k}") (param {at}) (result i32) (call_indirect $t{k} (type $t) (local.get 0)))
               (func (export "tail {k}") (param {at}) (result i32) (return_call_indirect $t{k} (type $t) (local.get 0)))"#
        )
        .unwrap();
        for (e, edge) in edges(at, 3).into_iter().enumerate() {
            let edge = if at == "i32" { edge as i32 as i64 } else { edge as i64 };
            writeln!(
                text,
                r#"(func (export "call {k} {e}") (result i32) (call_indirect $t{k} (type $t) ({at}.const {edge})))"#
            )
            .unwrap();
        }
    }
    let mut lab = Lab::new(mode, &[("library", &(library + ")"))], &(text + ")"));
    for k in 0..5 {
        for (e, edge) in edges(index(k), 3).into_iter().enumerate() {
            let wanted = match edge {
                0 => Ok(vec![k as u128 * 100]),
                1 => Err(TrapKind::IndirectCallTypeMismatch),
                2 => Err(TrapKind::UninitializedElement),
                _ => Err(TrapKind::UndefinedElement),
            };
            let args = [number(index(k), edge)];
            assert_eq!(lab.call(&format!("call {k}"), &args), wanted, "call {k} {edge:#x}");
            assert_eq!(lab.call(&format!("tail {k}"), &args), wanted, "tail call {k} {edge:#x}");
            assert_eq!(lab.call(&format!("call {k} {e}"), &[]), wanted, "call {k} of the constant {edge:#x}");
        }
    }
}
