//! Sweeping: turns what was not marked into holes and free blocks, a few blocks at a time.
//!
//! 1. A block without marked bytes is free at once.
//! 2. Else its mark bytes are walked, eight at a time: old marks are cleared, and what lies between marked objects
//!    becomes holes if it has 256 bytes; only objects before such gaps are looked at. A hole holds {0, its bytes, the next hole} and its block goes to the allocator's list.
//! 3. Large objects that are not marked give their pages back.
//!
//! The sweep of one marking ends before the next marking begins; a minor never sweeps.

use crate::blocks::block_start;
use crate::charge::Charge;
use crate::mark::{EPOCH_MASK, marked_object};
use crate::old::{HOLE_BYTES_MIN, OldSpace};
use crate::raw::cage::{BLOCK_BYTES, BLOCK_REFS, BlockState, Cage, Memory};
use crate::raw::object::ObjectReference;
use heapwood_gc_abi::TypeId;

/// What sweeping found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SweepWork {
    /// Blocks looked at.
    pub blocks: u64,
    /// Blocks that became free.
    pub freed_blocks: u64,
    /// Large objects freed.
    pub freed_large: u64,
    /// Bytes of holes.
    pub hole_bytes: u64,
}

/// Starts the sweep of the marking that just ended. O(1).
pub fn begin(old: &mut OldSpace) {
    old.sweep_cursor = 0;
    old.sweep_end = old.blocks.high();
}

/// Whether all blocks are swept.
pub fn is_done(old: &OldSpace) -> bool {
    old.sweep_cursor >= old.sweep_end
}

/// Sweeps up to `blocks` blocks. Returns whether all are swept.
pub fn step(old: &mut OldSpace, cage: &mut Cage, charge: &mut Charge, blocks: u32, work: &mut SweepWork) -> bool {
    let mut memory = cage.memory();
    for _ in 0..blocks {
        if is_done(old) {
            return true;
        }
        let block = old.sweep_cursor;
        let entry = *memory.block(block);
        let run = if entry.state == BlockState::LargeHead { entry.next } else { 1 };
        old.sweep_cursor += run;
        if entry.state == BlockState::Free || entry.epoch == old.epoch {
            continue;
        }
        work.blocks += 1;
        memory.block(block).epoch = old.epoch;
        memory.block(block).evacuating = false;
        match entry.state {
            BlockState::Small => sweep_small(memory, old, block, entry.live_bytes, work),
            BlockState::LargeHead => sweep_large(memory, old, cage, charge, block, work),
            BlockState::LargeTail | BlockState::Free => {}
        }
    }
    is_done(old)
}

fn sweep_large(
    memory: Memory,
    old: &mut OldSpace,
    cage: &mut Cage,
    charge: &mut Charge,
    block: u32,
    work: &mut SweepWork,
) {
    let object = ObjectReference(block_start(block));
    if memory.mark(object.0) & EPOCH_MASK == old.epoch {
        return;
    }
    let id = TypeId::of_header(memory.header(object));
    let bytes = memory.object_bytes(object, memory.descriptor(id));
    memory.set_mark(object.0, 0);
    old.blocks.release_run(cage, charge, block, bytes);
    work.freed_large += 1;
}

fn sweep_small(mut memory: Memory, old: &mut OldSpace, block: u32, live_bytes: u32, work: &mut SweepWork) {
    let start = block_start(block);
    if live_bytes == 0 {
        memory.marks_mut(start, BLOCK_BYTES).fill(0);
        old.poison_range(start, BLOCK_BYTES);
        old.blocks.release_small(block);
        work.freed_blocks += 1;
        return;
    }
    let mut holes = Holes::default();
    let mut last = None;
    walk_marks(memory, start, old.epoch, |object| {
        // Between objects that start close to each other there is no hole, wherever the first one ends.
        let from = last.map_or(start, |last: ObjectReference| last.0);
        if (object.0 - from) * 4 >= HOLE_BYTES_MIN || old.poisons() {
            holes.add(memory, old, end_of(memory, last).unwrap_or(start), object.0);
        }
        last = Some(object);
    });
    holes.add(memory, old, end_of(memory, last).unwrap_or(start), start + BLOCK_REFS);
    work.hole_bytes += holes.bytes;
    if holes.first != 0 {
        old.add_recyclable(block, holes.first);
    }
}

fn end_of(memory: Memory, object: Option<ObjectReference>) -> Option<u32> {
    let object = object?;
    let descriptor = memory.descriptor(TypeId::of_header(memory.header(object)));
    Some(object.0 + memory.object_bytes(object, descriptor) as u32 / 4)
}

/// Clears the old marks of a block and calls `visit` with its marked objects in order.
#[inline(always)]
fn walk_marks(mut memory: Memory, start: u32, epoch: u8, mut visit: impl FnMut(ObjectReference)) {
    debug_assert!(epoch == 1 || epoch == 2);
    let mut granule = start;
    for bytes in memory.marks_mut(start, BLOCK_BYTES).chunks_exact_mut(8) {
        let marks =
            u64::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7]]);
        // One bit for each current mark: an epoch is 1 or 2.
        let mut current = marks >> (epoch - 1) & 0x0101_0101_0101_0101;
        let kept = marks & (current * 0xff);
        if kept != marks {
            bytes.copy_from_slice(&kept.to_le_bytes());
        }
        while current != 0 {
            let shift = current.trailing_zeros();
            visit(marked_object(granule + shift / 2, (marks >> shift) as u8));
            current &= current - 1;
        }
        granule += 32;
    }
}

/// The holes of one block, in a chain.
#[derive(Default)]
struct Holes {
    first: u32,
    last: u32,
    bytes: u64,
}

impl Holes {
    #[inline]
    fn add(&mut self, memory: Memory, old: &mut OldSpace, start: u32, end: u32) {
        let bytes = (end - start) * 4;
        old.poison_range(start, bytes);
        if bytes < HOLE_BYTES_MIN {
            return;
        }
        self.bytes += bytes as u64;
        memory.set_word(start, 0);
        memory.set_word(start + 1, bytes);
        memory.set_word(start + 2, 0);
        match self.last {
            0 => self.first = start,
            last => memory.set_word(last + 2, start),
        }
        self.last = start;
    }
}
