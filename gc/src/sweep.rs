//! Sweeping: turns what was not marked into holes and free blocks, a few blocks at a time.
//!
//! 0. The cells of host values, weak cells and ephemerons are looked at first, while the marks of all objects are
//!    there, and the table of ephemerons that wait is emptied.
//! 1. A block without marked bytes is free at once.
//! 2. Else its mark bytes are walked, eight at a time: old marks are cleared, and what lies between marked objects
//!    becomes holes if it has 256 bytes; only objects before such gaps are looked at. A hole holds {0, its bytes, the next hole} and its block goes to the allocator's list.
//! 3. Large objects that are not marked give their pages back, the last ones first and some at a time.
//!
//! The sweep of one marking ends before the next marking begins; a minor never sweeps.

use crate::blocks::block_start;
use crate::charge::Charge;
use crate::host_cells::HostCells;
use crate::mark::{EPOCH_MASK, marked_object};
use crate::old::{HOLE_BYTES_MIN, OldSpace};
use crate::raw::cage::{BLOCK_BYTES, BLOCK_REFS, BlockState, Cage, Memory};
use crate::raw::object::ObjectReference;
use crate::waiting::Waiting;
use crate::weak_cells::WeakCells;
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

/// Blocks of a large object that are given back at a time, which counts as [`RELEASE_UNITS`] blocks swept.
const RELEASE_BLOCKS: u32 = 32;
const RELEASE_UNITS: u32 = 8;
/// Cells of one kind that are looked at as one block.
const CELLS_AT_ONCE: usize = 1024;
/// Slots of a table that are emptied as one block.
const SLOTS_AT_ONCE: usize = 4096;

/// Starts the sweep of the marking that just ended. O(1).
pub fn begin(old: &mut OldSpace, hosts: &mut HostCells, weak: &mut WeakCells) {
    hosts.begin_sweep();
    weak.begin_sweep();
    old.sweep_cursor = 0;
    old.sweep_end = old.blocks.high();
}

/// Whether all blocks are swept.
pub fn is_done(old: &OldSpace) -> bool {
    old.sweep_cursor >= old.sweep_end
}

/// A sweep at work.
pub struct Sweeper<'a> {
    /// The old space.
    pub old: &'a mut OldSpace,
    /// The cells of host values.
    pub hosts: &'a mut HostCells,
    /// Weak cells and ephemerons.
    pub weak: &'a mut WeakCells,
    /// The marker's table of ephemerons.
    pub waiting: &'a mut Waiting,
    /// Gives pages back.
    pub cage: &'a mut Cage,
    /// The heap's account.
    pub charge: &'a mut Charge,
    /// What was done.
    pub work: SweepWork,
}

impl Sweeper<'_> {
    /// Sweeps up to `blocks` blocks. Returns whether all are swept.
    pub fn step(&mut self, blocks: u32) -> bool {
        let memory = self.cage.memory();
        let mut units = blocks;
        while units > 0 && !is_done(self.old) {
            units -= 1;
            let epoch = self.old.epoch;
            if self.hosts.sweep(memory, epoch, CELLS_AT_ONCE)
                && self.weak.sweep(memory, epoch, CELLS_AT_ONCE)
                && self.waiting.empty_some(SLOTS_AT_ONCE)
            {
                units = units.saturating_sub(self.sweep_block());
            }
        }
        is_done(self.old)
    }

    /// Sweeps the next block, or a part of it; returns how many more units that was.
    fn sweep_block(&mut self) -> u32 {
        let (mut memory, epoch) = (self.cage.memory(), self.old.epoch);
        let block = self.old.sweep_cursor;
        let entry = memory.block(block);
        entry.live_units = std::mem::take(&mut entry.marked_units);
        let entry = *entry;
        let run = if entry.state == BlockState::LargeHead { entry.next } else { 1 };
        if entry.state != BlockState::Free && entry.epoch != epoch {
            self.work.blocks += 1;
            match entry.state {
                BlockState::Small => {
                    let of_block = memory.block(block);
                    (of_block.epoch, of_block.evacuating) = (epoch, false);
                    sweep_small(memory, self.old, block, entry.live_units, &mut self.work);
                }
                BlockState::LargeHead if memory.mark(block_start(block)) & EPOCH_MASK != epoch => {
                    return self.release_large(memory, block);
                }
                BlockState::LargeHead => memory.block(block).epoch = epoch,
                BlockState::LargeTail | BlockState::Free => {}
            }
        }
        self.old.sweep_cursor += run;
        0
    }

    /// Gives back the last blocks of a large object that is dead; the cursor stays here while there are more.
    fn release_large(&mut self, mut memory: Memory, block: u32) -> u32 {
        let object = ObjectReference(block_start(block));
        let left = memory.block(block).next;
        let kept = left.saturating_sub(RELEASE_BLOCKS);
        let bytes = memory.object_bytes(object, memory.descriptor(TypeId::of_header(memory.header(object))));
        if kept == 0 {
            memory.set_mark(object.0, 0);
            self.work.freed_large += 1;
        }
        self.old.blocks.release_run(self.cage, self.charge, block, kept, bytes);
        if kept == 0 {
            self.old.sweep_cursor += left;
        }
        RELEASE_UNITS
    }
}

fn sweep_small(mut memory: Memory, old: &mut OldSpace, block: u32, live_units: u16, work: &mut SweepWork) {
    let start = block_start(block);
    if live_units == 0 {
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
