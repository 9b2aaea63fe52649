//! Sweeping one block of small objects: its dead objects become holes, or all of it is free.
//!
//! 1. Mark bytes are walked, eight at a time: old marks are cleared, and what lies between marked objects becomes a
//!    hole if it has 256 bytes; only objects before such gaps are looked at.
//! 2. A hole holds {0, its bytes, the next hole}.
//! 3. It touches nothing but the block's marks, its entry of the table, what is dead in it, and headers and lengths of
//!    what lives in it: so a helper may sweep a block while the mutator runs.

use super::blocks::block_start;
use super::marks::marked_object;
use super::old::{HOLE_BYTES_MIN, poison_range};
use crate::raw::block::BlockState;
use crate::raw::cage::{BLOCK_BYTES, BLOCK_REFS};
use crate::raw::memory::Memory;
use crate::raw::object::ObjectReference;
use heapwood_gc_abi::{Mutant, TypeId, active};

/// What sweeping a block found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Swept {
    /// Nothing in the block is alive; its entry says that it is free.
    Free,
    /// Holes of so many bytes; the entry names the first.
    Holes(u32),
    /// The block has no hole that is worth using.
    Full,
}

/// Sweeps a block of small objects that was not swept since the marking of `epoch`. `poison`: dead memory is
/// overwritten.
pub fn sweep_block(memory: Memory, epoch: u8, poison: bool, block: u32) -> Swept {
    let start = block_start(block);
    let entry = memory.block(block);
    let live_units = entry.marked_units();
    debug_assert!(entry.state() == BlockState::Small && entry.epoch() != epoch, "block {block} is not to be swept");
    entry.set_marked_units(0);
    entry.set_live_units(live_units);
    entry.set_first_hole(0);
    if entry.group() != 0 {
        entry.set_group(0);
    }
    if live_units == 0 {
        memory.clear_marks(start);
        poison_range(memory, poison, start, BLOCK_BYTES);
        entry.clear();
        return Swept::Free;
    }
    entry.set_epoch(epoch);
    let mut holes = Holes { poison, ..Holes::default() };
    let mut last = None;
    walk_marks(memory, start, epoch, |object| {
        // Between objects that start close to each other there is no hole, wherever the first one ends.
        let from = last.map_or(start, |last: ObjectReference| last.0);
        if (object.0 - from) * 4 >= HOLE_BYTES_MIN || poison {
            holes.add(memory, end_of(memory, last).unwrap_or(start), object.0);
        }
        last = Some(object);
    });
    holes.add(memory, end_of(memory, last).unwrap_or(start), start + BLOCK_REFS);
    entry.set_first_hole(holes.first);
    if holes.first == 0 { Swept::Full } else { Swept::Holes(holes.bytes) }
}

fn end_of(memory: Memory, object: Option<ObjectReference>) -> Option<u32> {
    let object = object?;
    let descriptor = memory.descriptor(TypeId::of_header(memory.header(object)));
    let overlap = 2 * active(Mutant::HoleOverLastObject) as u32;
    Some(object.0 + memory.object_bytes(object, descriptor) as u32 / 4 - overlap)
}

/// Clears the old marks of a block and calls `visit` with its marked objects in order.
#[inline(always)]
fn walk_marks(memory: Memory, start: u32, epoch: u8, mut visit: impl FnMut(ObjectReference)) {
    debug_assert!(epoch == 1 || epoch == 2);
    for granule in (start..start + BLOCK_REFS).step_by(32) {
        let marks = memory.mark_group(granule);
        // One bit for each current mark: an epoch is 1 or 2.
        let mut current = marks >> (epoch - 1) & 0x0101_0101_0101_0101;
        let kept = marks & (current * 0xff);
        if kept != marks && !active(Mutant::OldMarksKept) {
            memory.set_mark_group(granule, kept);
        }
        while current != 0 {
            let shift = current.trailing_zeros();
            visit(marked_object(granule + shift / 2, (marks >> shift) as u8));
            current &= current - 1;
        }
    }
}

/// The holes of one block, in a chain.
#[derive(Default)]
struct Holes {
    first: u32,
    last: u32,
    bytes: u32,
    poison: bool,
}

impl Holes {
    #[inline]
    fn add(&mut self, memory: Memory, start: u32, end: u32) {
        let bytes = (end - start) * 4;
        poison_range(memory, self.poison, start, bytes);
        if bytes < HOLE_BYTES_MIN {
            return;
        }
        memory.set_word(start, 0);
        memory.set_word(start + 1, bytes);
        memory.set_word(start + 2, 0);
        match self.last {
            0 => self.first = start,
            last => memory.set_word(last + 2, start),
        }
        self.last = start;
        self.bytes += bytes;
    }
}
