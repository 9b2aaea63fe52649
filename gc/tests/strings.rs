//! Strings and ropes as the collector has them: they are sized, moved and scanned as what they are.

mod common;

use common::{Roots, Types, array_type};
use heapwood_gc::{Heap, HeapConfig, StringUnits, TypeDefinition};
use heapwood_gc_abi::layout::{
    ROPE_BYTES, ROPE_LEFT_OFFSET, ROPE_RIGHT_OFFSET, STRING_HASH_OFFSET, STRING_LENGTH_OFFSET, string_bytes,
};
use heapwood_gc_abi::{ObjectKind, RawRef, TypeId};
use std::num::NonZeroU64;

/// Around the sizes of objects that are allocated in other ways: the least, small ones, blocks, runs of blocks.
const LENGTHS: [u32; 14] = [0, 1, 3, 4, 5, 12, 13, 100, 8000, 16_378, 16_379, 32_756, 32_757, 200_000];

struct Strings {
    flat: [TypeId; 2],
    rope: TypeId,
}

fn heap(config: &HeapConfig) -> (Heap, Strings) {
    let types = Types::new();
    let flat = [0, 1].map(|shift| array_type(&types.table, ObjectKind::String, shift));
    let rope = TypeDefinition {
        ancestors: &[],
        kind: ObjectKind::Rope,
        elem_shift: 0,
        object_bytes: ROPE_BYTES,
        ref_offsets: &[ROPE_LEFT_OFFSET, ROPE_RIGHT_OFFSET],
    };
    let rope = types.table.add(&rope).unwrap();
    (Heap::new(config, types.table.clone()).unwrap(), Strings { flat, rope })
}

fn bytes(len: u32, seed: u32) -> Vec<u8> {
    (0..len).map(|index| (index * 7 + seed).to_le_bytes()[0]).collect()
}

fn wide(len: u32, seed: u32) -> Vec<u16> {
    (0..len).map(|index| (index * 259 + seed) as u16).collect()
}

fn check(heap: &Heap, string: RawRef, len: u32, seed: u32, shift: usize) {
    match heap.string_units(string) {
        StringUnits::Latin1(units) => assert!(shift == 0 && units == bytes(len, seed), "{len} units"),
        StringUnits::Utf16(units) => assert!(shift == 1 && units == wide(len, seed), "{len} units"),
    }
    assert_eq!(heap.read_i32(string, STRING_HASH_OFFSET.into()), seed);
    assert_eq!(heap.object_bytes(string), string_bytes(shift as u8, len));
}

#[test]
fn units_lengths_and_hashes_survive_all_collections() {
    let base = HeapConfig { max_bytes: 256 << 20, verify: true, ..HeapConfig::default() };
    let modes = [
        base.clone(),
        HeapConfig { nursery_bytes: Some(64 << 10), ..base.clone() },
        HeapConfig { stress: NonZeroU64::new(1), ..base.clone() },
    ];
    for config in modes {
        let (mut heap, types) = heap(&config);
        let count = LENGTHS.len() * 2;
        let mut roots = Roots { frames: vec![vec![0; count + 1]], ..Roots::default() };
        for (index, len) in LENGTHS.into_iter().enumerate() {
            for shift in 0..2 {
                let (place, seed) = (index * 2 + shift, (index * 2 + shift) as u32 + 1);
                let string = heap.alloc_array(types.flat[shift], len, &mut roots).unwrap();
                match shift {
                    0 => heap.write_units(string, 0, StringUnits::Latin1(&bytes(len, seed))),
                    _ => heap.write_units(string, 0, StringUnits::Utf16(&wide(len, seed))),
                }
                heap.write_i32(string, STRING_HASH_OFFSET.into(), seed);
                roots.frames[0][place] = string;
                // All before are held by ropes only.
                let rope = heap.alloc_struct(types.rope, &mut roots).unwrap();
                heap.write_i32(rope, STRING_LENGTH_OFFSET.into(), len);
                heap.write_ref(rope, ROPE_LEFT_OFFSET.into(), roots.frames[0][count]);
                heap.write_ref(rope, ROPE_RIGHT_OFFSET.into(), roots.frames[0][place]);
                roots.frames[0][place] = 0;
                roots.frames[0][count] = rope;
            }
        }
        for collection in 0..5 {
            match collection {
                0 => {}
                1 => heap.collect_minor(&mut roots),
                2 => heap.collect_moving(&mut roots),
                _ => heap.collect_major(&mut roots),
            }
            let mut rope = roots.frames[0][count];
            for (index, len) in LENGTHS.into_iter().enumerate().rev() {
                for shift in [1, 0] {
                    assert_eq!((heap.type_of(rope), heap.string_length(rope)), (types.rope, len));
                    let seed = (index * 2 + shift) as u32 + 1;
                    check(&heap, heap.read_ref(rope, ROPE_RIGHT_OFFSET.into()), len, seed, shift);
                    rope = heap.read_ref(rope, ROPE_LEFT_OFFSET.into());
                }
            }
            assert_eq!(rope, 0);
        }
    }
}

#[test]
fn units_are_copied_between_all_widths() {
    let (mut heap, types) = heap(&HeapConfig::default());
    let mut roots = Roots { frames: vec![vec![0; 3]], ..Roots::default() };
    for len in [0, 1, 7, 8, 33, 1000] {
        for (from, to) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let source = heap.alloc_array(types.flat[from], len + 2, &mut roots).unwrap();
            roots.frames[0][0] = source;
            let target = heap.alloc_array(types.flat[to], len + 3, &mut roots).unwrap();
            let source = roots.frames[0][0];
            match from {
                0 => heap.write_units(source, 0, StringUnits::Latin1(&bytes(len + 2, 5))),
                _ => heap.write_units(source, 0, StringUnits::Utf16(&wide(len + 2, 5))),
            }
            heap.copy_units((source, 1), (target, 2), len);
            let units: Vec<u16> = heap.string_units(source).iter().skip(1).take(len as usize).collect();
            let kept = |unit: u16| if to == 0 { unit & 0xff } else { unit };
            let wanted: Vec<u16> = [0, 0].into_iter().chain(units.into_iter().map(kept)).chain([0]).collect();
            assert_eq!(heap.string_units(target).iter().collect::<Vec<_>>(), wanted, "{len}, {from} to {to}");
        }
    }
}

#[test]
#[should_panic(expected = "units 2.. of 4, 3 of them")]
fn no_units_are_written_beyond_the_end() {
    let (mut heap, types) = heap(&HeapConfig::default());
    let mut roots = Roots { frames: vec![vec![0; 1]], ..Roots::default() };
    let string = heap.alloc_array(types.flat[0], 4, &mut roots).unwrap();
    heap.write_units(string, 2, StringUnits::Latin1(b"abc"));
}

#[test]
fn units_are_written_in_their_width() {
    let (mut heap, types) = heap(&HeapConfig::default());
    let mut roots = Roots { frames: vec![vec![0; 1]], ..Roots::default() };
    let units = [StringUnits::Latin1(b"abc"), StringUnits::Utf16(&[1, 2, 3])];
    for (ty, units) in types.flat.into_iter().rev().zip(units) {
        let string = heap.alloc_array(ty, 4, &mut roots).unwrap();
        let write = std::panic::AssertUnwindSafe(|| heap.write_units(string, 0, units));
        let panic = std::panic::catch_unwind(write).expect_err("units of one width in a string of the other");
        assert_eq!(panic.downcast_ref(), Some(&"units of another width than the string's"));
    }
}

#[test]
#[should_panic(expected = "not the layout")]
fn ropes_have_one_layout() {
    let types = Types::new();
    let rope = TypeDefinition {
        ancestors: &[],
        kind: ObjectKind::Rope,
        elem_shift: 0,
        object_bytes: ROPE_BYTES,
        ref_offsets: &[ROPE_LEFT_OFFSET],
    };
    let _ = types.table.add(&rope);
}
