//! Sweeping: turns what was not marked into holes and free blocks, a few blocks at a time.
//!
//! 1. A block without marked bytes is free at once. One that is nearly full is left alone.
//! 2. Else its mark bytes are walked: old marks are cleared, and what lies between marked objects becomes holes if
//!    it has 256 bytes. A hole holds {0, its bytes, the next hole} and its block goes to the allocator's list.
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
    let mut first_hole = 0;
    let mut last_hole = 0;
    let mut free_from = start;
    walk_marks(memory, start, old.epoch, |object| {
        let id = TypeId::of_header(memory.header(object));
        let bytes = memory.object_bytes(object, memory.descriptor(id)) as u32;
        add_hole(memory, old, (free_from, object.0), (&mut first_hole, &mut last_hole), work);
        free_from = object.0 + bytes / 4;
    });
    add_hole(memory, old, (free_from, start + BLOCK_REFS), (&mut first_hole, &mut last_hole), work);
    if first_hole != 0 {
        old.add_recyclable(block, first_hole);
    }
}

/// Clears the old marks of a block and calls `visit` with its marked objects in order.
#[inline(always)]
fn walk_marks(mut memory: Memory, start: u32, epoch: u8, mut visit: impl FnMut(ObjectReference)) {
    let mut granule = start;
    for bytes in memory.marks_mut(start, BLOCK_BYTES).chunks_exact_mut(8) {
        if bytes == [0; 8] {
            granule += 32;
            continue;
        }
        for mark in bytes {
            if *mark & EPOCH_MASK == epoch {
                visit(marked_object(granule, *mark));
            } else {
                *mark = 0;
            }
            granule += 4;
        }
    }
}

#[inline]
fn add_hole(
    memory: Memory,
    old: &mut OldSpace,
    (start, end): (u32, u32),
    (first, last): (&mut u32, &mut u32),
    work: &mut SweepWork,
) {
    let bytes = (end - start) * 4;
    old.poison_range(start, bytes);
    if bytes < HOLE_BYTES_MIN {
        return;
    }
    work.hole_bytes += bytes as u64;
    memory.set_word(start, 0);
    memory.set_word(start + 1, bytes);
    memory.set_word(start + 2, 0);
    match *last {
        0 => *first = start,
        last => memory.set_word(last + 2, start),
    }
    *last = start;
}
