//! Every access of every width at the ends of memories: the last place is reached whole, one further traps, and so does
//! everything beyond up to 2^64, whatever the split into address and offset.

use crate::common;
use crate::in_all_modes;
use crate::lab::{Lab, bits};
use heapwood_vm::*;
use std::fmt::Write;

in_all_modes!(accesses_end_with_their_memory, accesses_reach_all_of_four_gigabytes);

// ---- accesses

/// An instruction with its immediates; bytes that it touches; for loads, its meaning.
struct Access {
    op: &'static str,
    lane: &'static str,
    bytes: u64,
    result: &'static str,
    /// What it loads from the bytes; stores have none, and write the lowest bytes of [`PATTERN`].
    meaning: Option<fn(u128) -> u128>,
}

/// The vector that stores write and lanes are replaced in; scalars are its lowest bytes.
const PATTERN: u128 = 0xf0e1_d2c3_b4a5_9687_7869_5a4b_3c2d_1e0f;

fn widened(raw: u128, lane_bits: u32, signed: bool) -> u128 {
    let lane = |k: u32| {
        let value = (raw >> (k * lane_bits)) as u64 & ((1 << lane_bits) - 1);
        let shift = 64 - lane_bits;
        let value = if signed { ((value << shift) as i64 >> shift) as u64 } else { value };
        (value as u128 & ((1 << (2 * lane_bits)) - 1)) << (2 * k * lane_bits)
    };
    (0..64 / lane_bits).map(lane).fold(0, |vector, lane| vector | lane)
}

fn splat(raw: u128, lane_bits: u32) -> u128 {
    (0..128 / lane_bits).fold(0, |vector, k| vector | raw << (k * lane_bits))
}

/// [`PATTERN`] with its last lane replaced.
fn in_last_lane(raw: u128, lane_bits: u32) -> u128 {
    let shift = 128 - lane_bits;
    PATTERN & !(u128::MAX << shift) | raw << shift
}

const fn load(op: &'static str, result: &'static str, bytes: u64, meaning: fn(u128) -> u128) -> Access {
    Access { op, lane: "", bytes, result, meaning: Some(meaning) }
}

const fn lane(op: &'static str, lane: &'static str, bytes: u64, meaning: fn(u128) -> u128) -> Access {
    Access { op, lane, bytes, result: "v128", meaning: Some(meaning) }
}

const fn store(op: &'static str, lane: &'static str, bytes: u64) -> Access {
    Access { op, lane, bytes, result: "", meaning: None }
}

const ACCESSES: [Access; 45] = [
    load("i32.load", "i32", 4, |raw| raw),
    load("i32.load8_s", "i32", 1, |raw| raw as i8 as u32 as u128),
    load("i32.load8_u", "i32", 1, |raw| raw),
    load("i32.load16_s", "i32", 2, |raw| raw as i16 as u32 as u128),
    load("i32.load16_u", "i32", 2, |raw| raw),
    load("i64.load", "i64", 8, |raw| raw),
    load("i64.load8_s", "i64", 1, |raw| raw as i8 as u64 as u128),
    load("i64.load8_u", "i64", 1, |raw| raw),
    load("i64.load16_s", "i64", 2, |raw| raw as i16 as u64 as u128),
    load("i64.load16_u", "i64", 2, |raw| raw),
    load("i64.load32_s", "i64", 4, |raw| raw as i32 as u64 as u128),
    load("i64.load32_u", "i64", 4, |raw| raw),
    load("f32.load", "f32", 4, |raw| raw),
    load("f64.load", "f64", 8, |raw| raw),
    load("v128.load", "v128", 16, |raw| raw),
    load("v128.load8x8_s", "v128", 8, |raw| widened(raw, 8, true)),
    load("v128.load8x8_u", "v128", 8, |raw| widened(raw, 8, false)),
    load("v128.load16x4_s", "v128", 8, |raw| widened(raw, 16, true)),
    load("v128.load16x4_u", "v128", 8, |raw| widened(raw, 16, false)),
    load("v128.load32x2_s", "v128", 8, |raw| widened(raw, 32, true)),
    load("v128.load32x2_u", "v128", 8, |raw| widened(raw, 32, false)),
    load("v128.load8_splat", "v128", 1, |raw| splat(raw, 8)),
    load("v128.load16_splat", "v128", 2, |raw| splat(raw, 16)),
    load("v128.load32_splat", "v128", 4, |raw| splat(raw, 32)),
    load("v128.load64_splat", "v128", 8, |raw| splat(raw, 64)),
    load("v128.load32_zero", "v128", 4, |raw| raw),
    load("v128.load64_zero", "v128", 8, |raw| raw),
    lane("v128.load8_lane", "15", 1, |raw| in_last_lane(raw, 8)),
    lane("v128.load16_lane", "7", 2, |raw| in_last_lane(raw, 16)),
    lane("v128.load32_lane", "3", 4, |raw| in_last_lane(raw, 32)),
    lane("v128.load64_lane", "1", 8, |raw| in_last_lane(raw, 64)),
    store("i32.store", "", 4),
    store("i32.store8", "", 1),
    store("i32.store16", "", 2),
    store("i64.store", "", 8),
    store("i64.store8", "", 1),
    store("i64.store16", "", 2),
    store("i64.store32", "", 4),
    store("f32.store", "", 4),
    store("f64.store", "", 8),
    store("v128.store", "", 16),
    store("v128.store8_lane", "0", 1),
    store("v128.store16_lane", "0", 2),
    store("v128.store32_lane", "0", 4),
    store("v128.store64_lane", "0", 8),
];

impl Access {
    fn code(&self, memory: &str, offset: u64, address: &str) -> String {
        let Access { op, lane, .. } = self;
        let operand = match &op[..3] {
            _ if self.meaning.is_some() && lane.is_empty() => String::new(),
            "i32" => format!("(i32.const {})", PATTERN as i32),
            "i64" => format!("(i64.const {})", PATTERN as i64),
            "f32" => format!("(f32.reinterpret_i32 (i32.const {}))", PATTERN as i32),
            "f64" => format!("(f64.reinterpret_i64 (i64.const {}))", PATTERN as i64),
            _ => format!("(v128.const i64x2 {} {})", PATTERN as i64, (PATTERN >> 64) as i64),
        };
        format!("({op} {memory} offset={offset} {lane} {address} {operand})")
    }
}

// ---- memories

/// A memory under test.
#[derive(Clone)]
struct Shape {
    /// What stands in the module before the memory: another one makes it the second.
    before: &'static str,
    index: &'static str,
    limits: &'static str,
    length: u64,
    /// Constant offsets.
    offsets: Vec<u64>,
}

impl Shape {
    /// Addresses that are interesting together with an offset: around the end, around powers of two, and such that the
    /// sum wraps.
    fn addresses(&self, offset: u64, bytes: u64) -> Vec<u64> {
        let last = self.length.wrapping_sub(bytes).wrapping_sub(offset);
        let mut out = vec![0, 1, last.wrapping_sub(1), last, last.wrapping_add(1), last.wrapping_add(bytes)];
        out.extend([self.length - 1, self.length, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0xffff_ffff - bytes + 1]);
        out.extend([
            1 << 32,
            (1 << 32) - offset.min(1 << 32),
            (1 << 36) - 1,
            1 << 36,
            1 << 63,
            u64::MAX,
            offset.wrapping_neg(),
        ]);
        out.extend([u64::MAX - bytes + 1, self.length.wrapping_sub(offset).wrapping_add(1 << 32)]);
        out.retain(|address| self.index == "i64" || *address <= u32::MAX as u64);
        out.sort_unstable();
        out.dedup();
        out
    }

    fn module(&self) -> String {
        let Shape { before, index, limits, .. } = self;
        let mut text = format!(r#"(module {before} (memory $m (export "m") {index} {limits})"#);
        writeln!(text, r#"(func (export "grow") (drop (memory.grow $m ({index}.const 1))))"#).unwrap();
        for (a, access) in ACCESSES.iter().enumerate() {
            for (o, offset) in self.offsets.iter().enumerate() {
                let code = access.code("$m", *offset, "(local.get 0)");
                writeln!(text, r#"(func (export "{a} {o}") (param {index}) (result {}) {code})"#, access.result)
                    .unwrap();
                for (k, address) in self.addresses(*offset, access.bytes).into_iter().enumerate() {
                    let address = if *index == "i64" { address as i64 } else { address as i32 as i64 };
                    let code = access.code("$m", *offset, &format!("({index}.const {address})"));
                    // Constant addresses with two offsets: enough, and half of the code.
                    if o < 2 {
                        writeln!(text, r#"(func (export "{a} {o} {k}") (result {}) {code})"#, access.result).unwrap();
                    }
                }
            }
        }
        text + ")"
    }
}

/// What lies at an address before anything is stored. In large memories, zero but near the places that are looked at.
fn content(length: u64, at: u64) -> u8 {
    let near = |place: u64| at + 64 >= place && at < place + 64;
    let filled = length < 1 << 20 || near(0) || near(length) || near(1 << 31);
    if filled { (at.wrapping_mul(0x9e37_79b9) >> 5) as u8 | 1 } else { 0 }
}

fn fill(lab: &mut Lab, length: u64) {
    let memory = lab.memory("m");
    if length < 1 << 20 {
        let image: Vec<u8> = (0..length).map(|at| content(length, at)).collect();
        return memory.write(&mut lab.store, 0, &image).unwrap();
    }
    for place in [0, 1 << 31, length] {
        for at in (place.max(64) - 64..place + 64).filter(|at| *at < length) {
            memory.write(&mut lab.store, at as usize, &[content(length, at)]).unwrap();
        }
    }
}

/// Calls one access everywhere, with the address as a parameter and as a constant.
fn check_access(lab: &mut Lab, shape: &Shape, a: usize, o: usize, length: u64, constants: bool) -> usize {
    let (access, offset) = (&ACCESSES[a], shape.offsets[o]);
    let memory = lab.memory("m");
    let dynamic = lab.func(&format!("{a} {o}"));
    let mut tried = 0;
    for (k, address) in shape.addresses(offset, access.bytes).into_iter().enumerate() {
        let start = address as u128 + offset as u128;
        let fits = start + access.bytes as u128 <= length as u128;
        let number = if shape.index == "i64" { Val::I64(address as i64) } else { Val::I32(address as i32) };
        let mut ways = vec![(dynamic, vec![number])];
        if constants && o < 2 {
            ways.push((lab.func(&format!("{a} {o} {k}")), vec![]));
        }
        for (func, args) in ways {
            let what = || format!("{} at {address:#x} + {offset:#x} of {length:#x} ({})", access.op, args.len());
            let got = lab.values(func, &args).map(|results| results.first().map(bits));
            tried += 1;
            if !fits {
                assert_eq!(got, Err(TrapKind::MemoryOutOfBounds), "{}", what());
                continue;
            }
            let (start, bytes) = (start as u64, access.bytes as usize);
            let old: Vec<u8> = (start..start + access.bytes).map(|at| content(length, at)).collect();
            let raw = old.iter().rev().fold(0, |value, byte| value << 8 | *byte as u128);
            assert_eq!(got, Ok(access.meaning.map(|meaning| meaning(raw))), "{}", what());
            if access.meaning.is_none() {
                let mut found = vec![0; bytes];
                memory.read(&lab.store, start as usize, &mut found).unwrap();
                assert_eq!(found, PATTERN.to_le_bytes()[..bytes], "{}", what());
                memory.write(&mut lab.store, start as usize, &old).unwrap();
            }
        }
    }
    tried
}

fn check_shape(lab: &mut Lab, shape: &Shape, length: u64, constants: bool) {
    fill(lab, length);
    let mut tried = 0;
    for a in 0..ACCESSES.len() {
        for o in 0..shape.offsets.len() {
            tried += check_access(lab, shape, a, o, length, constants);
        }
    }
    assert!(tried > ACCESSES.len() * shape.offsets.len() * 8, "{tried} accesses");
}

fn small_shapes() -> Vec<Shape> {
    const PAGE: u64 = 1 << 16;
    let narrow = vec![0, 5, PAGE - 16, PAGE - 1, PAGE, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
    let wide = [1 << 32, (1 << 36) - 1, 1 << 63, u64::MAX - 3, u64::MAX];
    let wide: Vec<u64> = narrow.iter().copied().chain(wide).collect();
    let bytes =
        |offsets: &[u64]| offsets.iter().map(|offset| if *offset == PAGE - 16 { 80 } else { *offset }).collect();
    vec![
        Shape { before: "", index: "i32", limits: "1 2", length: PAGE, offsets: narrow.clone() },
        Shape { before: "(memory 3)", index: "i32", limits: "1 2", length: PAGE, offsets: narrow.clone() },
        Shape { before: "", index: "i64", limits: "1 2", length: PAGE, offsets: wide.clone() },
        Shape { before: "(memory i64 3)", index: "i64", limits: "1 2", length: PAGE, offsets: wide.clone() },
        Shape { before: "", index: "i32", limits: "99 100 (pagesize 1)", length: 99, offsets: bytes(&narrow) },
        Shape { before: "(memory 3)", index: "i64", limits: "99 100 (pagesize 1)", length: 99, offsets: bytes(&wide) },
    ]
}

fn accesses_end_with_their_memory(mode: usize) {
    for shape in small_shapes() {
        let mut lab = Lab::new(mode, &[], &shape.module());
        check_shape(&mut lab, &shape, shape.length, true);
        // Grown by a page, it ends a page further on. Constant addresses are those around the old end.
        lab.call("grow", &[]).unwrap();
        let page = if shape.length == 99 { 1 } else { 1 << 16 };
        let grown = Shape { length: shape.length + page, ..shape };
        check_shape(&mut lab, &grown, grown.length, false);
    }
}

fn accesses_reach_all_of_four_gigabytes(mode: usize) {
    let offsets = vec![0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_fff0, 0xffff_ffff];
    let whole = |before, index| Shape { before, index, limits: "65536", length: 1 << 32, offsets: offsets.clone() };
    for shape in [whole("", "i32"), whole("(memory 1)", "i32"), whole("", "i64")] {
        let (name, config) = common::modes()[mode].clone();
        match Lab::with(&config, &[], &shape.module()) {
            Ok(mut lab) => check_shape(&mut lab, &shape, shape.length, true),
            Err(error) if matches!(error.kind(), ErrorKind::Limit(_)) => {
                common::skip("memory-4g", format_args!("in mode {name}: {error}"));
            }
            Err(error) => panic!("{error}"),
        }
    }
}
