//! Sweeping: turns what was not marked into holes and free blocks, a few blocks at a time.
//!
//! 0. The cells of host values, weak cells and ephemerons are looked at first, while the marks of all objects are
//!    there, and the table of ephemerons that wait is emptied.
//! 1. Blocks of small objects are swept one by one (`spaces::holes`): by the mutator, or listed for a helper (`batch`).
//! 2. Large objects that are not marked are freed, their last blocks first and some at a time. Of those of up to
//!    256 KiB as many blocks as are filled before the next marking keep their pages; others give them back. Only the
//!    mutator does that.
//! 3. When all is swept, a part of the free memory goes back to the system.
//!
//! The sweep of one marking ends before the next marking begins; a minor never sweeps.

#[cfg(feature = "test-hooks")]
use super::batch::BatchSizes;
use super::batch::{Batch, Batches};
use crate::helper::Helpers;
use crate::helper::spans::WorkSpan;
use crate::raw::block::{BlockState, COMPACTED, EVACUATED, LIVE_UNKNOWN};
use crate::raw::cage::BLOCK_BYTES;
use crate::raw::memory::Memory;
use crate::raw::object::ObjectReference;
use crate::spaces::Spaces;
use crate::spaces::blocks::block_start;
use crate::spaces::marks::EPOCH_MASK;
use crate::weak::Weak;
use crate::weak::waiting::WaitingEphemerons;
use heapwood_gc_abi::{Mutant, TypeId, active};
use std::sync::Arc;

/// The cost of sweeping a block: the unit of other costs.
pub const BLOCK_COST: u64 = 32;
/// The cost of looking at an entry of the block table, of listing a block and of merging it.
const ENTRY_COST: u64 = 1;
/// Free memory that is not needed soon goes back to the system in this time, but after a major at most a part of it:
/// giving back and faulting in again what the next phase of a program needs may take a tenth of its time.
const TRIM_NS: u64 = 4_000_000_000;
const TRIM_PART: u64 = 4;
/// Blocks given back to the system at a time.
const TRIM_BLOCKS_AT_ONCE: u32 = 16;
/// Blocks of a large object that are given back at a time, and what that costs.
const RELEASE_BLOCKS: u32 = 32;
const RELEASE_COST: u64 = 24 * BLOCK_COST;
/// Cells of one kind that are looked at for the cost of a block.
const CELLS_AT_ONCE: usize = 1024;
/// Slots of a table that are emptied for the cost of a block.
const SLOTS_AT_ONCE: usize = 4096;

/// How far the sweep of the last marking is.
#[derive(Debug)]
pub struct Sweeping {
    batches: Batches,
    /// Blocks from here on are not swept yet.
    cursor: u32,
    /// Blocks below this existed when the marking ended.
    end: u32,
    /// Blocks below the cursor that are listed in a batch and not merged yet.
    listed_blocks: u32,
    /// Blocks of dead large objects keep their pages while fewer free blocks have pages.
    kept_max: u32,
    /// Free blocks that are to be given back, a few at a time.
    trim_left: u32,
    /// When the last sweep ended.
    swept_ns: u64,
}

impl Sweeping {
    /// The state of a heap in which nothing is to be swept.
    pub fn new(memory: Memory, helpers: Option<Arc<Helpers>>) -> Sweeping {
        let batches = Batches::new(memory, helpers);
        Sweeping { batches, cursor: 0, end: 0, listed_blocks: 0, kept_max: 0, trim_left: 0, swept_ns: 0 }
    }

    /// Starts the sweep of the marking that just ended. Until the next one some `room_bytes` will be filled. O(1).
    pub fn begin(&mut self, spaces: &Spaces, weak: &mut Weak, room_bytes: u64) {
        let nursery = spaces.nursery();
        self.kept_max = nursery.reserve_blocks(nursery.eden_end()) + (room_bytes / BLOCK_BYTES as u64) as u32;
        self.batches.begin(spaces.epoch(), spaces.old().poisons());
        weak.begin_sweep();
        self.cursor = 0;
        self.end = spaces.blocks_high();
    }

    /// Whether all blocks are swept, and what was found is merged.
    pub fn is_done(&self) -> bool {
        !self.has_unlisted() && self.listed_blocks == 0
    }

    /// Whether there are blocks that are neither swept nor listed.
    pub fn has_unlisted(&self) -> bool {
        self.cursor < self.end
    }

    /// Whether there are blocks that are listed in a batch and not merged.
    pub fn has_listed(&self) -> bool {
        self.listed_blocks > 0
    }

    /// Whether the sweep has come to blocks: it begins with cells.
    pub fn is_at_blocks(&self) -> bool {
        self.cursor > 0
    }

    /// The blocks that are listed for a helper.
    pub fn batches_mut(&mut self) -> &mut Batches {
        &mut self.batches
    }

    /// CPU time of helpers that swept, in nanoseconds.
    pub fn helper_cpu_ns(&self) -> u64 {
        self.batches.shared().helper_cpu_ns()
    }

    /// Sets whether helpers record when they sweep.
    pub fn watch(&self, watch: bool) {
        self.batches.shared().watch(watch);
    }

    /// Passes on when helpers swept; does nothing if it would have to wait.
    pub fn take_spans(&self, each: impl FnMut(WorkSpan)) {
        self.batches.shared().take_spans(each);
    }

    /// Takes the batch back from a helper; waits for the end of its portion if need be.
    pub fn take_back(&mut self) {
        self.batches.take_back();
    }

    /// Sets the sizes of batches (tests).
    #[cfg(feature = "test-hooks")]
    pub fn set_batch_sizes(&mut self, sizes: BatchSizes) {
        self.batches.set_sizes(sizes);
    }

    /// Merges the batch into the old space, if the mutator holds it. Returns what that cost, and how many
    /// blocks a helper has swept.
    pub fn merge_batch(&mut self, spaces: &mut Spaces) -> (u64, u64) {
        let Some(batch) = self.batches.held_mut() else { return (0, 0) };
        let merged = batch.merge(spaces.old_mut());
        self.listed_blocks -= merged.swept;
        (merged.swept as u64 * ENTRY_COST, merged.helped)
    }
}

/// Giving memory back.
impl Sweeping {
    /// The sweep has ended at `now_ns`, and free blocks with pages above `keep` are more than what is filled before the
    /// next major: a part of them goes back to the system, all of them within some seconds and majors, unless a phase of
    /// the program needs them again.
    pub fn plan_trim(&mut self, spaces: &Spaces, keep: u32, now_ns: u64) {
        let beyond = spaces.old().blocks().kept_count().saturating_sub(keep);
        let last_ns = std::mem::replace(&mut self.swept_ns, now_ns);
        let part_ns = (now_ns - last_ns).min(TRIM_NS / TRIM_PART);
        self.trim_left = (beyond as u64 * part_ns / TRIM_NS) as u32;
    }

    /// Whether blocks are to be given back.
    pub fn is_trimming(&self) -> bool {
        self.trim_left > 0
    }

    /// Gives some blocks back. Returns what that cost.
    pub fn trim_some(&mut self, spaces: &mut Spaces) -> u64 {
        let count = self.trim_left.min(TRIM_BLOCKS_AT_ONCE);
        self.trim_left -= count;
        let keep = spaces.nursery().reserve_blocks(spaces.nursery().eden_end());
        spaces.trim(keep, count);
        count as u64 * BLOCK_COST
    }

    /// Everything that is free is given back at once.
    pub fn end_trim(&mut self) {
        self.trim_left = 0;
    }
}

/// A step of the sweep over cells and blocks: the parts that it needs.
pub struct Step<'a> {
    sweeping: &'a mut Sweeping,
    spaces: &'a mut Spaces,
    weak: &'a mut Weak,
    waiting: &'a mut WaitingEphemerons,
    /// Blocks of small objects are listed in the batch, if the mutator holds it; else they are swept at once.
    lists: bool,
}

impl<'a> Step<'a> {
    /// A step is about to be made. `lists`: blocks are listed for a helper, if the mutator holds the batch.
    pub fn new(
        sweeping: &'a mut Sweeping,
        spaces: &'a mut Spaces,
        weak: &'a mut Weak,
        waiting: &'a mut WaitingEphemerons,
        lists: bool,
    ) -> Step<'a> {
        let lists = lists && sweeping.batches.is_held();
        Step { sweeping, spaces, weak, waiting, lists }
    }

    /// Goes on for about `cost`, or until a batch is full. Returns what that cost.
    pub fn run(&mut self, cost: u64) -> u64 {
        let (memory, epoch) = (self.spaces.memory(), self.spaces.epoch());
        let mut used = 0;
        while used < cost && self.sweeping.has_unlisted() && !self.batch().is_some_and(|batch| batch.is_full()) {
            let cells_done = self.weak.sweep(memory, epoch, CELLS_AT_ONCE) && self.waiting.empty_some(SLOTS_AT_ONCE);
            used += if cells_done { self.next_block() } else { BLOCK_COST };
        }
        used
    }

    fn batch(&mut self) -> Option<&mut Batch> {
        if self.lists { self.sweeping.batches.held_mut() } else { None }
    }

    /// Sweeps or lists the next block, or a part of it; returns what that cost.
    fn next_block(&mut self) -> u64 {
        let (memory, epoch) = (self.spaces.memory(), self.spaces.epoch());
        let block = self.sweeping.cursor;
        let is_marked = memory.mark(block_start(block)) & EPOCH_MASK == epoch;
        let is_dead_run = !is_marked || active(Mutant::LargeObjectFreed);
        let entry = memory.block(block);
        if entry.is_frozen() && !active(Mutant::FrozenBlockSwept) {
            self.sweeping.cursor += 1;
            return ENTRY_COST;
        }
        let is_new = entry.epoch() == epoch;
        match entry.state() {
            BlockState::Small if !is_new => {
                self.sweeping.cursor += 1;
                match entry.group() {
                    0 | COMPACTED => {}
                    group if entry.marked_units() == 0 && group != EVACUATED => entry.set_group(0),
                    // The block belongs to a group: `evacuation` sweeps it.
                    _ => return ENTRY_COST,
                }
                return self.small_block(block);
            }
            BlockState::LargeHead if !is_new && is_dead_run => {
                return self.release_large(memory, block);
            }
            BlockState::LargeHead => {
                entry.set_epoch(epoch);
                self.sweeping.cursor += entry.next();
            }
            BlockState::Small | BlockState::LargeTail | BlockState::Free => {
                // What was moved into a new block counts as marked there, but more may follow.
                entry.set_live_units(LIVE_UNKNOWN);
                entry.set_marked_units(0);
                self.sweeping.cursor += 1;
            }
        }
        ENTRY_COST
    }

    fn small_block(&mut self, block: u32) -> u64 {
        if let Some(batch) = self.batch() {
            let listed = batch.push(block);
            debug_assert!(listed, "a step ends when the batch is full");
            self.sweeping.listed_blocks += 1;
            return ENTRY_COST;
        }
        self.spaces.old_mut().sweep_block(block);
        BLOCK_COST
    }

    /// Frees the last blocks of a large object that is dead; the cursor stays here while there are more.
    fn release_large(&mut self, memory: Memory, block: u32) -> u64 {
        let object = ObjectReference(block_start(block));
        let left = memory.block(block).next();
        let kept = left.saturating_sub(RELEASE_BLOCKS);
        let bytes = memory.object_bytes(object, memory.descriptor(TypeId::of_header(memory.header(object))));
        if kept == 0 {
            memory.set_mark(object.0, 0);
        }
        self.spaces.release_run(block, kept, bytes, self.sweeping.kept_max);
        if kept == 0 {
            self.sweeping.cursor += left;
        }
        RELEASE_COST
    }
}
