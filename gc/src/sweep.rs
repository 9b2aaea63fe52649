//! Sweeping: turns what was not marked into holes and free blocks, a few blocks at a time.
//!
//! 0. The cells of host values, weak cells and ephemerons are looked at first, while the marks of all objects are
//!    there, and the table of ephemerons that wait is emptied.
//! 1. Blocks of small objects are swept one by one (`holes`): by the mutator, or listed for a helper (`batch`).
//! 2. Large objects that are not marked give their pages back, the last ones first and some at a time. Only the mutator
//!    does that.
//! 3. When all is swept, a part of the free memory goes back to the system.
//!
//! The sweep of one marking ends before the next marking begins; a minor never sweeps.

use crate::batch::{Batch, Batches};
use crate::blocks::block_start;
use crate::charge::Charge;
use crate::collect::{Done, Stop};
use crate::event::{GcCause, GcEventKind};
use crate::heap::Heap;
use crate::holes::{Swept, sweep_block};
use crate::host_cells::HostCells;
use crate::mark::EPOCH_MASK;
use crate::old::OldSpace;
use crate::raw::block::{BlockState, COMPACTED, EMPTIED, LIVE_UNKNOWN};
use crate::raw::cage::{BLOCK_BYTES, Cage};
use crate::raw::memory::Memory;
use crate::raw::object::ObjectReference;
use crate::waiting::Waiting;
use crate::weak_cells::WeakCells;
use heapwood_gc_abi::{Mutant, TypeId, active};

/// Costs are in blocks swept, times this.
const BLOCK_COST: u64 = 32;
/// Looking at an entry of the block table, listing a block and merging it.
pub const ENTRY_COST: u64 = 1;
/// Of a slice, or while the mutator waits: all of it, what is done between two looks at the clock, and the time after which no more is.
const SWEEP_COST: u64 = 32 * BLOCK_COST;
const PORTION_COST: u64 = 8 * BLOCK_COST;
const SWEEP_NS: u64 = 80_000;
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

/// Starts the sweep of the marking that just ended. O(1).
pub fn begin(old: &mut OldSpace, batches: &mut Batches, hosts: &mut HostCells, weak: &mut WeakCells) {
    batches.begin(old.epoch, old.poisons());
    hosts.begin_sweep();
    weak.begin_sweep();
    old.sweep_cursor = 0;
    old.sweep_end = old.blocks.high();
}

/// Whether all blocks are swept, and what was found is merged.
pub fn is_done(old: &OldSpace) -> bool {
    !has_unlisted(old) && old.listed_blocks == 0
}

/// Whether there are blocks that are neither swept nor listed.
fn has_unlisted(old: &OldSpace) -> bool {
    old.sweep_cursor < old.sweep_end
}

/// A sweep at work.
struct Sweeper<'a> {
    old: &'a mut OldSpace,
    hosts: &'a mut HostCells,
    weak: &'a mut WeakCells,
    waiting: &'a mut Waiting,
    /// Lists blocks of small objects that a helper shall sweep; without it they are swept at once.
    batch: Option<&'a mut Batch>,
    cage: &'a mut Cage,
    charge: &'a mut Charge,
}

impl Sweeper<'_> {
    /// Goes on for about `cost`, or until a batch is full. Returns what that cost.
    fn step(&mut self, cost: u64) -> u64 {
        let (memory, epoch) = (self.cage.memory(), self.old.epoch);
        let mut used = 0;
        while used < cost && has_unlisted(self.old) && !self.batch.as_ref().is_some_and(|batch| batch.is_full()) {
            let cells_done = self.hosts.sweep(memory, epoch, CELLS_AT_ONCE)
                && self.weak.sweep(memory, epoch, CELLS_AT_ONCE)
                && self.waiting.empty_some(SLOTS_AT_ONCE);
            used += if cells_done { self.next_block() } else { BLOCK_COST };
        }
        used
    }

    /// Sweeps or lists the next block, or a part of it; returns what that cost.
    fn next_block(&mut self) -> u64 {
        let (memory, epoch) = (self.cage.memory(), self.old.epoch);
        let block = self.old.sweep_cursor;
        let is_marked = memory.mark(block_start(block)) & EPOCH_MASK == epoch;
        let is_dead_run = !is_marked || active(Mutant::LargeObjectFreed);
        let entry = memory.block(block);
        let is_new = entry.epoch() == epoch;
        match entry.state() {
            BlockState::Small if !is_new => {
                self.old.sweep_cursor += 1;
                match entry.group() {
                    0 | COMPACTED => {}
                    group if entry.marked_units() == 0 && group != EMPTIED => entry.set_group(0),
                    // Left to `sparse`.
                    _ => return ENTRY_COST,
                }
                return self.small_block(memory, block);
            }
            BlockState::LargeHead if !is_new && is_dead_run => {
                return self.release_large(memory, block);
            }
            BlockState::LargeHead => {
                entry.set_epoch(epoch);
                self.old.sweep_cursor += entry.next();
            }
            BlockState::Small | BlockState::LargeTail | BlockState::Free => {
                // What was moved into a new block counts as marked there, but more may follow.
                entry.set_live_units(LIVE_UNKNOWN);
                entry.set_marked_units(0);
                self.old.sweep_cursor += 1;
            }
        }
        ENTRY_COST
    }

    fn small_block(&mut self, memory: Memory, block: u32) -> u64 {
        if let Some(batch) = &mut self.batch {
            let listed = batch.push(block);
            debug_assert!(listed, "a step ends when the batch is full");
            self.old.listed_blocks += 1;
            return ENTRY_COST;
        }
        sweep_small(memory, self.old, block);
        BLOCK_COST
    }

    /// Gives back the last blocks of a large object that is dead; the cursor stays here while there are more.
    fn release_large(&mut self, memory: Memory, block: u32) -> u64 {
        let object = ObjectReference(block_start(block));
        let left = memory.block(block).next();
        let kept = left.saturating_sub(RELEASE_BLOCKS);
        let bytes = memory.object_bytes(object, memory.descriptor(TypeId::of_header(memory.header(object))));
        if kept == 0 {
            memory.set_mark(object.0, 0);
        }
        self.old.blocks.release_run(self.cage, self.charge, block, kept, bytes);
        if kept == 0 {
            self.old.sweep_cursor += left;
        }
        RELEASE_COST
    }
}

/// Sweeps a block of small objects that is not listed.
pub fn sweep_small(memory: Memory, old: &mut OldSpace, block: u32) {
    match sweep_block(memory, old.epoch, old.poisons(), block) {
        Swept::Free => old.blocks.release_swept(&[block]),
        Swept::Holes(bytes) => old.add_recyclable(block + 1, block + 1, bytes as u64),
        Swept::Full => {}
    }
}

impl Heap {
    /// A step of sweeping for about `cost`; `list`: blocks are listed in the batch, which is at home.
    fn sweep_step(&mut self, cost: u64, list: bool) -> u64 {
        let batch = if list { self.batches.home() } else { None };
        let (old, hosts, weak) = (&mut self.old, &mut self.hosts, &mut self.weak);
        let (cage, charge, waiting) = (&mut self.cage, &mut self.charge, &mut self.loan.marker().waiting);
        Sweeper { old, hosts, weak, waiting, batch, cage, charge }.step(cost)
    }

    /// Sweeps for about `cost` on this thread: first what is listed, unless a helper is at it, then what is not. With
    /// nothing else left it waits for the helper to end its portion if it `may_wait`. Returns what that cost.
    fn sweep_here(&mut self, cost: u64, may_wait: bool) -> u64 {
        let mut used = 0;
        if self.old.listed_blocks > 0 {
            let may_wait = may_wait && !has_unlisted(&self.old);
            let batch = if may_wait { Some(self.batches.recall()) } else { self.batches.fetch(true) };
            if let Some(batch) = batch {
                used += BLOCK_COST * batch.sweep_some((cost / BLOCK_COST) as usize) as u64;
                used += self.merge_batch();
            }
        }
        if used < cost {
            used += self.sweep_step(cost - used, false);
        }
        self.sweep_stepped();
        used
    }

    /// What was found in the batch, which is at home, is the old space's now. Returns what that cost.
    fn merge_batch(&mut self) -> u64 {
        let Some(batch) = self.batches.home() else { return 0 };
        let (cost, helped) = batch.merge(&mut self.old);
        self.stats.helper_swept_blocks += helped;
        cost
    }

    /// Sweeps some blocks; the mutator waits. Nothing if all are swept.
    pub(crate) fn sweep_some(&mut self) {
        if is_done(&self.old) {
            self.sweep_sparse(SWEEP_COST);
        } else {
            self.sweep_here(SWEEP_COST, true);
        }
    }

    /// All others are swept: sweeps blocks that were to be emptied, and no more are.
    fn sweep_sparse(&mut self, cost: u64) -> u64 {
        self.call_off_moving();
        BLOCK_COST * self.sweep_sparse_blocks((cost / BLOCK_COST) as usize)
    }

    /// Sweeps all that is left. Returns how many blocks that was, or what cost as much.
    pub(crate) fn sweep_all(&mut self) -> u64 {
        let mut used = 0;
        while !is_done(&self.old) {
            used += self.sweep_here(u64::MAX, true);
        }
        used += self.sweep_sparse(u64::MAX);
        used.div_ceil(BLOCK_COST)
    }

    /// The same while nothing else stops the guest: that is a stop of its own.
    pub(crate) fn finish_sweep(&mut self, cause: GcCause) {
        if !self.is_swept() {
            let stop = self.stop();
            let done = Done { swept: self.sweep_all(), ..Done::default() };
            self.tell(GcEventKind::Slice, cause, stop, done);
        }
    }

    /// A step was made: perhaps it was the last.
    pub(crate) fn sweep_stepped(&mut self) {
        if self.is_swept() {
            // Of the free memory beyond what is filled before the next major, a part goes back to the system: all of
            // it within some seconds and majors, unless a phase of the program needs it again.
            let reserve = self.nursery.reserve_blocks(self.nursery.eden_end());
            let ready_bytes = self.old.blocks.ready_count() as u64 * BLOCK_BYTES as u64;
            let free_bytes = ready_bytes + self.charge.available_bytes();
            let free_bytes = free_bytes.saturating_sub(reserve as u64 * BLOCK_BYTES as u64);
            self.policy.after_sweep(self.old.allocated_bytes, self.old.hole_bytes, free_bytes);
            let keep = reserve + (self.policy.room_bytes() / BLOCK_BYTES as u64) as u32;
            let beyond = self.old.blocks.ready_count().saturating_sub(keep);
            let (now_ns, last_ns) = (self.clock(false).wall_ns, self.swept_ns);
            self.swept_ns = now_ns;
            let part_ns = (now_ns - last_ns).min(TRIM_NS / TRIM_PART);
            self.trim_left = (beyond as u64 * part_ns / TRIM_NS) as u32;
            self.plan_sparse_tables();
        }
    }

    /// A step of sweeping, or of giving memory back.
    pub(crate) fn sweep_slice(&mut self) {
        let is_swept = is_done(&self.old);
        if self.is_swept() && self.trim_left == 0 && !self.wants_sparse_tables() {
            return;
        }
        // Faster when the next marking waits for it, or new memory would have to be faulted in.
        let is_due = self.policy.is_marking_due(self.old.allocated_bytes);
        let hurry = is_due || self.old.blocks.ready_count() < self.nursery.next_reserve_blocks();
        let was_home = self.batches.is_home();
        let is_away = !is_swept && self.batches.fetch(is_due).is_none();
        if is_away && !(hurry && has_unlisted(&self.old)) {
            return;
        }
        let stop = self.stop();
        let cost = match (is_swept, self.batches.is_home() && self.batches.has_helpers()) {
            (true, _) => self.tidy_up(hurry),
            (false, true) => self.sweep_with_helper(was_home, &stop),
            (false, false) => self.sweep_portions(hurry, &stop),
        };
        let done = Done { swept: cost.div_ceil(BLOCK_COST), ..Done::default() };
        self.tell(GcEventKind::Slice, GcCause::Pace, stop, done);
    }

    /// Blocks are swept here until it is time to stop.
    fn sweep_portions(&mut self, hurry: bool, stop: &Stop) -> u64 {
        let (most, mut used) = (SWEEP_COST * if hurry { 4 } else { 1 }, 0);
        while used < most && !is_done(&self.old) {
            let cost = self.sweep_here(PORTION_COST, false);
            used += cost;
            if cost == 0 || self.clock(false).wall_ns - stop.start.wall_ns > SWEEP_NS {
                break;
            }
        }
        used
    }

    /// The batch is at home: what a helper found is merged, and the next blocks are listed and lent.
    fn sweep_with_helper(&mut self, was_home: bool, stop: &Stop) -> u64 {
        let mut used = self.merge_batch();
        if !was_home && self.old.listed_blocks > 0 {
            // No helper had time for it.
            used += self.sweep_portions(false, stop);
        }
        let end = used + SWEEP_COST;
        while used < end && has_unlisted(&self.old) {
            let cost = self.sweep_step(PORTION_COST, true);
            used += cost;
            if cost < PORTION_COST || self.clock(false).wall_ns - stop.start.wall_ns > SWEEP_NS {
                break;
            }
        }
        let is_worth_lending = self.batches.is_worth_lending();
        if is_worth_lending {
            self.batches.lend();
        } else if !has_unlisted(&self.old) {
            used += self.sweep_here(SWEEP_COST, false);
        }
        used
    }

    /// All blocks but those that were to be emptied are swept: what else there is to do, a step of it.
    fn tidy_up(&mut self, hurry: bool) -> u64 {
        if !self.is_swept() {
            return self.sweep_sparse(SWEEP_COST * if hurry { 2 } else { 1 });
        }
        if self.wants_sparse_tables() {
            self.prepare_sparse_tables();
            return SWEEP_COST;
        }
        self.trim_some()
    }

    fn trim_some(&mut self) -> u64 {
        let count = self.trim_left.min(TRIM_BLOCKS_AT_ONCE);
        self.trim_left -= count;
        let keep = self.nursery.reserve_blocks(self.nursery.eden_end());
        self.old.blocks.trim(&mut self.cage, &mut self.charge, keep, count);
        count as u64 * BLOCK_COST
    }

    /// Gives all memory back to the system that no object is in and that the nursery does not need, after finishing
    /// the sweep. For idle times.
    pub fn return_memory(&mut self) {
        self.sweep_all();
        self.trim_left = 0;
        let keep = self.nursery.reserve_blocks(self.nursery.granted());
        self.old.blocks.trim(&mut self.cage, &mut self.charge, keep, u32::MAX);
    }
}
