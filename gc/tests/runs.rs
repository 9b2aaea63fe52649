//! Runs of blocks of dead large objects of up to 256 KiB are used again: what they are taken for reads as zero, its
//! pages are there already, they go back when the heap is idle, and they never stand in the way of what the limit
//! allows.
//!
//! The sizes lie around each multiple of pages and blocks at which a run is treated otherwise.

mod common;

use common::{Roots, Types};
use heapwood_gc::{Heap, HeapConfig, HeapImage, Refused};
use heapwood_gc_abi::{RawRef, i31_encode};
use std::num::NonZeroU64;

const BLOCK_BYTES: u32 = 32 << 10;
/// Larger objects give their pages back.
const KEPT_BYTES_MAX: u32 = 8 * BLOCK_BYTES;
/// Slots of the frame: more large objects than are kept between two markings at first.
const SLOTS: usize = 256;
const OTHER: usize = 1;

/// What goes on while objects die and others are made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Nothing,
    /// A marking and a sweep in small slices.
    Slices,
    /// Memory goes back after each collection.
    Trimmed,
    /// Blocks are frozen, and the heap has pages of a file.
    Frozen,
}

fn config(state: State, max_bytes: u64) -> HeapConfig {
    let mark_slice = NonZeroU64::new(if state == State::Slices { 50 } else { 0 });
    HeapConfig { max_bytes, nursery_bytes: Some(64 << 10), verify: true, mark_slice, ..HeapConfig::default() }
}

struct Setup {
    heap: Heap,
    types: Types,
    roots: Roots,
}

impl Setup {
    fn new(config: &HeapConfig) -> Setup {
        let types = Types::new();
        let heap = Heap::new(config, types.table.clone()).unwrap();
        Setup { heap, types, roots: Roots { frames: vec![vec![0; SLOTS]], ..Roots::default() } }
    }

    /// An array of `bytes` that is alive, after all of it was found to be zero: references, or numbers.
    fn make(&mut self, bytes: u32, is_refs: bool) -> RawRef {
        let (bytes_type, shift) = self.types.data[0];
        let (ty, length) =
            if is_refs { (self.types.refs, (bytes - 8) / 4) } else { (bytes_type, (bytes - 8) >> shift) };
        let array = self.heap.alloc_array(ty, length, &mut self.roots).unwrap();
        self.roots.frames[0][0] = array;
        let is_zero = match is_refs {
            true => (0..length).all(|index| self.heap.array_get_ref(array, index) == 0),
            false => {
                let mut all = vec![1; (length as usize) << shift];
                self.heap.array_read_bytes(array, 0, &mut all);
                all.iter().all(|byte| *byte == 0)
            }
        };
        assert!(is_zero, "{bytes} bytes do not read as zero");
        array
    }

    /// Writes all of it.
    fn fill(&mut self, array: RawRef, bytes: u32, is_refs: bool) {
        match is_refs {
            true => self.heap.array_fill_ref(array, 0, (bytes - 8) / 4, i31_encode(0x5555)),
            false => {
                let shift = self.types.data[0].1;
                self.heap.array_fill_bits(array, 0, (bytes - 8) >> shift, u128::MAX);
            }
        }
    }

    fn collect(&mut self, state: State) {
        self.heap.collect_major(&mut self.roots);
        while state == State::Slices && self.heap.step(&mut self.roots) {}
        if state == State::Trimmed {
            self.heap.return_memory();
        }
    }
}

fn sizes() -> Vec<u32> {
    let mut sizes = Vec::new();
    for blocks in [1, 2, 3, 7, 8, 31, 32, 33, 64] {
        for page in [0, 1, 7, 8] {
            let end = blocks * BLOCK_BYTES + page * 4096;
            sizes.extend([end - 8, end, end + 8].into_iter().filter(|bytes| *bytes > BLOCK_BYTES));
        }
    }
    sizes
}

#[test]
fn reused_runs_read_as_zero() {
    let sizes = sizes();
    for state in [State::Nothing, State::Slices, State::Trimmed, State::Frozen] {
        let mut setup = Setup::new(&config(state, 256 << 20));
        let mut image: Option<HeapImage> = None;
        for (index, bytes) in sizes.iter().enumerate() {
            for is_refs in [true, false] {
                let array = setup.make(*bytes, is_refs);
                setup.fill(array, *bytes, is_refs);
                // Another one of another size is alive meanwhile, and dies with a frozen one.
                let other = setup.make(sizes[(index * 7 + 3) % sizes.len()], !is_refs);
                setup.roots.frames[0][OTHER] = if index % 3 == 0 { other } else { 0 };
                if state == State::Frozen && index % 8 == 0 && is_refs {
                    image = Some(setup.heap.freeze(&mut setup.roots).unwrap());
                }
                setup.roots.frames[0][0] = 0;
                setup.collect(state);
            }
        }
        assert_eq!(image.is_some(), state == State::Frozen);
    }
}

#[test]
fn runs_are_reused_without_the_system() {
    for bytes in sizes().into_iter().filter(|bytes| *bytes <= KEPT_BYTES_MAX) {
        for is_refs in [true, false] {
            let mut setup = Setup::new(&config(State::Nothing, 256 << 20));
            let cycle = |setup: &mut Setup| {
                let array = setup.make(bytes, is_refs);
                setup.fill(array, bytes, is_refs);
                setup.roots.frames[0][0] = 0;
                setup.collect(State::Nothing);
            };
            (0..3).for_each(|_| cycle(&mut setup));
            let calls = setup.heap.backing_calls();
            (0..4).for_each(|_| cycle(&mut setup));
            assert_eq!(setup.heap.backing_calls(), calls, "{bytes} bytes, references: {is_refs}");
        }
    }
}

/// Bytes that the heap has more after `count` arrays of `bytes` have died than before, and after it was idle.
fn kept_of(count: usize, bytes: u32) -> (u64, u64) {
    let mut setup = Setup::new(&config(State::Nothing, 256 << 20));
    // The tables of so many blocks are made, and stay.
    setup.make(count as u32 * bytes.next_multiple_of(BLOCK_BYTES), false);
    setup.roots.frames[0][0] = 0;
    setup.collect(State::Nothing);
    setup.heap.return_memory();
    let empty = setup.heap.stats().committed_bytes;
    for index in 0..count {
        let array = setup.make(bytes, true);
        setup.fill(array, bytes, true);
        setup.roots.frames[0][index] = array;
    }
    setup.roots.frames[0].fill(0);
    setup.collect(State::Nothing);
    let kept = setup.heap.stats().committed_bytes - empty;
    setup.heap.return_memory();
    (kept, setup.heap.stats().committed_bytes - empty)
}

#[test]
fn kept_runs_are_no_more_than_what_is_filled_soon_and_go_back() {
    for bytes in [BLOCK_BYTES + 8, 5 * BLOCK_BYTES, KEPT_BYTES_MAX - 8] {
        let (kept, left) = kept_of(SLOTS, bytes);
        let all = SLOTS as u64 * bytes as u64;
        assert!((all / 8..=16 << 20).contains(&kept), "{kept} of {all} bytes are kept, of {bytes} each");
        assert_eq!(left, 0, "of {bytes} bytes each");
    }
    let (kept, left) = kept_of(SLOTS / 2, KEPT_BYTES_MAX + 8);
    // Tables of more blocks, since a run cannot begin in the ready ones.
    assert!(kept == left && left < 1 << 20, "larger ones give their pages back: {kept}, {left}");
}

#[test]
fn what_is_kept_does_not_count_against_the_limit() {
    // Each round is most of what the limit allows, and none fits what the one before has left free.
    let mut setup = Setup::new(&config(State::Nothing, 16 << 20));
    for (count, blocks) in [(80, 2), (1, 160), (20, 8), (1, 256), (30, 5), (130, 1), (1, 240), (90, 2)] {
        // The last block holds a page of it.
        let bytes = blocks * BLOCK_BYTES + 4096;
        let stalls = setup.heap.stats().stalls;
        for index in 0..count {
            let array = setup.make(bytes, false);
            setup.fill(array, bytes, false);
            setup.roots.frames[0][index] = array;
        }
        assert_eq!(setup.heap.stats().stalls, stalls, "{count} of {blocks} blocks");
        setup.roots.frames[0].fill(0);
        setup.collect(State::Nothing);
        while setup.heap.step(&mut setup.roots) {}
    }
}

/// Bytes that the heap has in the end, and why an object was refused that took blocks which a minor needs: no others
/// could be made ready, so it was given up. Only if it is `tried`.
fn given_up(kept: usize, tried: bool) -> (u64, Option<Refused>) {
    // A block and a page.
    const BYTES: u32 = BLOCK_BYTES + 4096;
    let mut setup = Setup::new(&config(State::Nothing, 256 << 20));
    setup.heap.collect_minor(&mut setup.roots);
    for index in 0..=kept {
        let array = setup.make(BYTES, false);
        setup.fill(array, BYTES, false);
        setup.roots.frames[0][index + 1] = array;
    }
    // The last one leaves a block, and another one of which some pages are there.
    setup.roots.frames[0][0] = 0;
    setup.roots.frames[0][kept + 1] = 0;
    setup.collect(State::Nothing);
    let mut refused = None;
    if tried {
        setup.heap.refuse_memory();
        let (data, shift) = setup.types.data[0];
        let large = setup.heap.alloc_old_array(data, (4 * BLOCK_BYTES - 8) >> shift, &mut setup.roots);
        refused = large.err().map(|error| error.why);
        setup.heap.refuse_calls(0..0);
    }
    setup.roots.frames[0].fill(0);
    setup.collect(State::Nothing);
    setup.heap.return_memory();
    let left = setup.heap.stats().committed_bytes;
    let array = setup.make(8 * BLOCK_BYTES, false);
    setup.fill(array, 8 * BLOCK_BYTES, false);
    (left, refused)
}

#[test]
fn blocks_of_a_run_that_is_given_up_are_as_they_were() {
    let mut refusals = 0;
    // A segment has 32 blocks.
    for kept in 0..16 {
        let (left, refused) = given_up(kept, true);
        assert_eq!(left, given_up(kept, false).0, "{kept} objects, {refused:?}");
        assert!(matches!(refused, None | Some(Refused::System(_))), "{refused:?}");
        refusals += refused.is_some() as u32;
    }
    assert!(refusals > 0);
}
