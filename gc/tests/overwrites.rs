//! Every way to write references into an object that is old already: what is stored is remembered for the next minor,
//! and what is overwritten while a marking runs is shown to it first. The verifier looks around each collection.

mod common;

use common::{Roots, Types};
use heapwood_gc::{Heap, HeapConfig};
use heapwood_gc_abi::RawRef;

/// A way to overwrite the elements of an array with references.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    /// One by one.
    Elements,
    /// From another array, which is young or was written since the last collection.
    CopyOfYoung,
    CopyOfOld,
    /// From the array itself: its second half.
    CopyWithin,
    Fill,
}

const WAYS: [Way; 5] = [Way::Elements, Way::CopyOfYoung, Way::CopyOfOld, Way::CopyWithin, Way::Fill];

/// Lengths at which an array is logged whole, or in chunks, or marked in parts.
const LENGTHS: [u32; 6] = [1, 2, 62, 63, 200, 3000];

struct Setup {
    heap: Heap,
    types: Types,
    roots: Roots,
}

/// Slots of the frame: the array that is written, another one, and what is held meanwhile.
const TARGET: usize = 0;
const SOURCE: usize = 1;
const HELD: usize = 2;

impl Setup {
    fn new() -> Setup {
        let types = Types::new();
        let config = HeapConfig { max_bytes: 64 << 20, verify: true, ..HeapConfig::default() };
        let heap = Heap::new(&config, types.table.clone()).unwrap();
        Setup { heap, types, roots: Roots { frames: vec![vec![0; 3]], ..Roots::default() } }
    }

    /// A young object with a number, in its slot of the frame.
    fn number(&mut self, number: u32) -> RawRef {
        let ty = &self.types.structs[2];
        let object = self.heap.alloc_struct(ty.id, &mut self.roots).unwrap();
        self.heap.write_i32(object, ty.bits[0].0.into(), number);
        self.roots.frames[0][HELD] = object;
        object
    }

    fn number_of(&self, object: RawRef) -> u32 {
        assert_ne!(object, 0, "null");
        self.heap.read_i32(object, self.types.structs[2].bits[0].0.into())
    }

    fn array(&mut self, slot: usize, length: u32) {
        self.roots.frames[0][slot] = self.heap.alloc_array(self.types.refs, length, &mut self.roots).unwrap();
    }

    /// Overwrites the first half of the array, or the only element, with `value`. Returns how many elements that are.
    fn overwrite(&mut self, way: Way, value: RawRef) -> u32 {
        let (target, source) = (self.roots.frames[0][TARGET], self.roots.frames[0][SOURCE]);
        let count = self.heap.array_length(target).div_ceil(2);
        let from = self.heap.array_length(target) - count;
        match way {
            Way::Elements => (0..count).for_each(|index| self.heap.array_set_ref(target, index, value)),
            // What is copied is null already, and nothing has to be written for it.
            Way::CopyOfYoung | Way::CopyOfOld => {
                let written = if value == 0 { 0 } else { count };
                (0..written).for_each(|index| self.heap.array_set_ref(source, index, value));
                self.heap.array_copy(target, 0, source, 0, count);
            }
            Way::CopyWithin => {
                let written = if value == 0 { from..from } else { from..from + count };
                written.for_each(|index| self.heap.array_set_ref(target, index, value));
                self.heap.array_copy(target, 0, target, from, count);
            }
            Way::Fill => self.heap.array_fill_ref(target, 0, count, value),
        }
        count
    }
}

/// Runs `case` for each way and length; returns how many these are.
fn each_case(case: impl Fn(Way, u32)) -> usize {
    WAYS.iter().for_each(|way| LENGTHS.iter().for_each(|length| case(*way, *length)));
    WAYS.len() * LENGTHS.len()
}

#[test]
fn young_references_in_old_arrays_are_remembered() {
    let cases = each_case(|way, length| {
        let mut setup = Setup::new();
        setup.array(TARGET, length);
        setup.array(SOURCE, length);
        setup.heap.promote_all(&mut setup.roots);
        if way == Way::CopyOfYoung {
            setup.array(SOURCE, length);
        }
        let value = setup.number(77);
        let count = setup.overwrite(way, value);
        // Nothing else names it.
        setup.roots.frames[0][HELD] = 0;
        setup.roots.frames[0][SOURCE] = 0;
        for _ in 0..2 {
            setup.heap.collect_minor(&mut setup.roots);
            setup.number(78);
            for index in 0..count {
                let found = setup.heap.array_get_ref(setup.roots.frames[0][TARGET], index);
                assert_eq!(setup.number_of(found), 77, "{way:?} of {length}, element {index}");
            }
        }
        setup.heap.collect_major(&mut setup.roots);
    });
    assert_eq!(cases, 30);
}

#[test]
fn what_a_marking_has_not_seen_is_shown_before_it_is_overwritten() {
    let cases = each_case(|way, length| {
        let mut setup = Setup::new();
        setup.array(TARGET, length);
        setup.array(SOURCE, length);
        let hidden = setup.number(99);
        let target = setup.roots.frames[0][TARGET];
        setup.heap.array_set_ref(target, 0, hidden);
        setup.roots.frames[0][HELD] = 0;
        setup.heap.promote_all(&mut setup.roots);
        if way == Way::CopyOfYoung {
            setup.array(SOURCE, length);
        }
        setup.heap.start_major(&mut setup.roots);
        assert!(setup.heap.is_marking());
        // The only way to the object leads to a frame that the marking has seen.
        let hidden = setup.heap.array_get_ref(setup.roots.frames[0][TARGET], 0);
        setup.roots.frames[0][HELD] = hidden;
        setup.overwrite(way, 0);
        while setup.heap.step(&mut setup.roots) {}
        assert_eq!(setup.heap.stats().markings, 1);
        assert_eq!(setup.number_of(setup.roots.frames[0][HELD]), 99, "{way:?} of {length}");
        setup.heap.collect_major(&mut setup.roots);
    });
    assert_eq!(cases, 30);
}
