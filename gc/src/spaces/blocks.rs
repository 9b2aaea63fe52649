//! Blocks of 32 KiB: the common ground of old and large spaces.
//!
//! 1. Address space is taken from low to high in segments of 1 MiB, whose side tables are committed with them; marks
//!    only when the first collection comes.
//! 2. A free block is *ready* when its pages are faulted in; only ready blocks are charged, and only they serve a
//!    minor. The mutator keeps as many ready as the next minor can need at worst (`make_ready`).
//! 3. Large objects take runs of free blocks from the high end. What a dead one of up to 256 KiB leaves is kept as far
//!    as the sweep says how much may be: blocks that it has filled are ready again, and its last one, if it has filled
//!    only a part, is *lean*: charged like a ready one, but with some of its pages, so that no minor may have it. The
//!    next ones of such sizes take those that no minor needs: then no pages are faulted in. Larger objects take fresh
//!    pages if they can, since to zero so much here costs more than it does the system, which leaves out what nobody
//!    touches.

mod runs;

use super::charge::Charge;
use super::old::poison_range;
use crate::embedder::errors::Refused;
use crate::raw::block::{BlockState, FROZEN, LIVE_UNKNOWN};
use crate::raw::cage::{BLOCK_BYTES, BLOCK_REFS, BLOCKS_MAX, Cage, OLD_START};
use crate::raw::memory::Memory;
use crate::raw::object::ObjectReference;
use crate::raw::side::SideVec;
use heapwood_gc_abi::TypeId;

/// Blocks of a segment.
const SEGMENT_BLOCKS: u32 = (1 << 20) / BLOCK_BYTES;
/// Pages that a block of a large object had when it was taken, and those of a free one that is not ready: such entries
/// have no holes to tell of (`first_hole`).
const NONE: u32 = 0;
const ALL: u32 = 1;
const SOME: u32 = 2;

/// All blocks and which of them are free.
#[derive(Debug)]
pub struct Blocks {
    memory: Memory,
    /// Blocks that have side tables; later ones were never used.
    high: u32,
    /// Whether there are marks for them.
    has_marks: bool,
    free: SideVec<u64>,
    ready: SideVec<u64>,
    free_count: u32,
    ready_count: u32,
    lean_count: u32,
    /// Blocks of a checkpoint.
    frozen_count: u32,
    /// No ready block lies below this one, and no lean one above that.
    ready_hint: u32,
    lean_hint: u32,
}

/// The first word (as a reference) of a block.
#[inline(always)]
pub fn block_start(block: u32) -> u32 {
    (OLD_START / 4) as u32 + block * BLOCK_REFS
}

/// The block of an old object.
#[inline(always)]
pub fn block_of(reference: u32) -> u32 {
    (reference - (OLD_START / 4) as u32) / BLOCK_REFS
}

fn offset_of(block: u32) -> u64 {
    block_start(block) as u64 * 4
}

impl Blocks {
    /// No blocks yet.
    pub fn new(cage: &mut Cage) -> Blocks {
        let words = BLOCKS_MAX.div_ceil(64) as usize;
        Blocks {
            memory: cage.memory(),
            high: 0,
            has_marks: false,
            free: SideVec::new(cage, words),
            ready: SideVec::new(cage, words),
            free_count: 0,
            ready_count: 0,
            lean_count: 0,
            frozen_count: 0,
            ready_hint: 0,
            lean_hint: 0,
        }
    }

    /// Blocks that were ever used; their table entries are valid. Of one that is listed in a batch the state alone may
    /// be read.
    pub fn high(&self) -> u32 {
        self.high
    }

    /// Free blocks whose pages are there.
    pub fn ready_count(&self) -> u32 {
        self.ready_count
    }

    /// Free blocks that have pages, all of them or some, and are charged.
    pub fn kept_count(&self) -> u32 {
        self.ready_count + self.lean_count
    }

    /// Blocks that are in use.
    pub fn used_count(&self) -> u32 {
        self.high - self.free_count
    }

    /// Blocks in use that are not frozen.
    pub fn unfrozen_count(&self) -> u32 {
        self.used_count() - self.frozen_count
    }

    /// Takes the lowest ready block. No system call: this is what a minor uses.
    pub fn take_ready(&mut self, epoch: u8) -> Option<u32> {
        if self.ready_count == 0 {
            return None;
        }
        let from = self.ready_hint as usize / 64;
        let words = &self.ready.as_slice()[from..];
        let word = from + words.iter().position(|word| *word != 0).expect("counted ready blocks exist");
        let block = word as u32 * 64 + self.ready.as_slice()[word].trailing_zeros();
        self.ready_hint = block;
        self.clear_free(block);
        let entry = self.memory.block(block);
        entry.clear();
        entry.set_epoch(epoch);
        entry.set_live_units(LIVE_UNKNOWN);
        entry.set_state(BlockState::Small);
        Some(block)
    }

    fn clear_free(&mut self, block: u32) {
        let (word, bit) = (block as usize / 64, 1u64 << (block % 64));
        debug_assert!(self.free.as_slice()[word] & bit != 0, "block {block} is not free");
        self.clear_lean(block);
        self.free.as_mut_slice()[word] &= !bit;
        self.free_count -= 1;
        if self.ready.as_slice()[word] & bit != 0 {
            self.ready.as_mut_slice()[word] &= !bit;
            self.ready_count -= 1;
        }
    }

    /// Makes a free block one that is not lean; returns whether it was.
    fn clear_lean(&mut self, block: u32) -> bool {
        let was_lean = self.is_lean(block);
        if was_lean {
            self.memory.block(block).set_first_hole(NONE);
            self.lean_count -= 1;
        }
        was_lean
    }

    fn set_lean(&mut self, block: u32) {
        debug_assert!(self.is_free(block) && !self.is_ready(block) && !self.is_lean(block));
        self.memory.block(block).set_first_hole(SOME);
        self.lean_count += 1;
        self.lean_hint = self.lean_hint.max(block);
    }

    fn set_free(&mut self, block: u32, ready: bool) {
        self.memory.block(block).clear();
        self.set_free_bits(block, ready);
    }

    fn set_free_bits(&mut self, block: u32, ready: bool) {
        let (word, bit) = (block as usize / 64, 1u64 << (block % 64));
        debug_assert!(self.free.as_slice()[word] & bit == 0, "block {block} is free already");
        self.free.as_mut_slice()[word] |= bit;
        self.free_count += 1;
        if ready {
            self.ready.as_mut_slice()[word] |= bit;
            self.ready_count += 1;
            self.ready_hint = self.ready_hint.min(block);
        }
    }

    fn is_free(&self, block: u32) -> bool {
        self.free.as_slice()[block as usize / 64] >> (block % 64) & 1 != 0
    }

    fn is_ready(&self, block: u32) -> bool {
        self.ready.as_slice()[block as usize / 64] >> (block % 64) & 1 != 0
    }

    fn is_lean(&self, block: u32) -> bool {
        let is_unready = self.lean_count > 0 && self.is_free(block) && !self.is_ready(block);
        is_unready && self.memory.block(block).first_hole() == SOME
    }

    /// The sweep found these blocks of small objects empty, and their entries say so: they are free again, and stay
    /// charged and ready.
    pub fn release_swept(&mut self, blocks: &[u32]) {
        blocks.iter().for_each(|block| self.set_free_bits(*block, true));
    }

    /// Makes `count` blocks ready, or as many as the limit and the system give.
    pub fn make_ready(&mut self, cage: &mut Cage, charge: &mut Charge, count: u32) -> Result<(), Refused> {
        let mut from = 0;
        while self.ready_count < count {
            let missing = count - self.ready_count;
            if missing as u64 * BLOCK_BYTES as u64 > charge.grantable_bytes() {
                self.discard_lean(cage, charge, u32::MAX);
            }
            let affordable = missing.min((charge.grantable_bytes() / BLOCK_BYTES as u64) as u32);
            if affordable == 0 {
                charge.want(missing as u64 * BLOCK_BYTES as u64);
                return Err(Refused::Limit);
            }
            let (start, length) = match self.find_unready_run(from, affordable) {
                Some(run) => run,
                None => {
                    self.grow(cage, charge, SEGMENT_BLOCKS)?;
                    continue;
                }
            };
            let bytes = length as u64 * BLOCK_BYTES as u64;
            let is_taken = charge.take(bytes);
            assert!(is_taken, "no more is asked for than what is available");
            if let Err(error) = cage.populate(offset_of(start), bytes) {
                charge.give_back(bytes);
                return Err(error.into());
            }
            for block in start..start + length {
                if self.clear_lean(block) {
                    charge.give_back(BLOCK_BYTES as u64);
                }
                self.ready.as_mut_slice()[block as usize / 64] |= 1 << (block % 64);
            }
            self.ready_count += length;
            self.ready_hint = self.ready_hint.min(start);
            from = start + length;
        }
        Ok(())
    }

    /// Finds up to `length_max` adjacent blocks that are free but not ready, from block `from` on.
    fn find_unready_run(&self, from: u32, length_max: u32) -> Option<(u32, u32)> {
        let mut block = from;
        while block < self.high {
            let word = block as usize / 64;
            let bits = (self.free.as_slice()[word] & !self.ready.as_slice()[word]) >> (block % 64);
            if bits == 0 {
                block = (block / 64 + 1) * 64;
                continue;
            }
            let start = block + bits.trailing_zeros();
            let mut end = start;
            while end < self.high && end - start < length_max && self.is_free(end) && !self.is_ready(end) {
                end += 1;
            }
            return Some((start, end - start));
        }
        None
    }

    /// Extends the cage if it does not reach `count` blocks more than were ever used.
    fn reach(&self, cage: &mut Cage, count: u32) -> Result<(), Refused> {
        let end = offset_of(0) + (self.high as u64 + count as u64) * BLOCK_BYTES as u64;
        let missing = end.saturating_sub(cage.reach_bytes());
        if missing == 0 {
            return Ok(());
        }
        if missing > cage.extensible_bytes() {
            return Err(Refused::Limit);
        }
        cage.extend(missing).map_err(|_| Refused::Reach { bytes: cage.reach_bytes() - OLD_START })
    }

    /// Takes new address space for at least `count` blocks.
    fn grow(&mut self, cage: &mut Cage, charge: &mut Charge, count: u32) -> Result<(), Refused> {
        let count = count.checked_next_multiple_of(SEGMENT_BLOCKS).ok_or(Refused::Limit)?;
        self.reach(cage, count)?;
        let words = (self.high + count).div_ceil(64) as usize;
        for map in [&mut self.free, &mut self.ready] {
            map.grow(cage, words)?;
            map.set_len(words.max(map.len()));
        }
        let (offset, bytes) = (offset_of(self.high), count as u64 * BLOCK_BYTES as u64);
        // One mark byte for 16 bytes, one chunk state for 128, one table entry for a block.
        let mark_bytes = if self.has_marks { bytes / 16 } else { 0 };
        let side_bytes = mark_bytes + bytes / 128 + count as u64 * 16;
        if !charge.take(side_bytes) {
            return Err(Refused::Limit);
        }
        let marks = if self.has_marks { cage.commit_marks(offset, bytes) } else { Ok(()) };
        if let Err(error) = marks.and_then(|()| cage.commit_segments(offset, bytes)) {
            charge.give_back(side_bytes);
            return Err(error.into());
        }
        let start = self.high;
        self.high += count;
        self.free_count += count;
        for block in start..self.high {
            self.free.as_mut_slice()[block as usize / 64] |= 1 << (block % 64);
        }
        Ok(())
    }

    /// Whether blocks have marks: a heap that was never marked has none.
    pub fn has_marks(&self) -> bool {
        self.has_marks
    }

    /// Commits the marks of the blocks that there are, and from now on those of new ones.
    pub fn make_marks_ready(&mut self, cage: &mut Cage, charge: &mut Charge) -> Result<(), Refused> {
        if self.has_marks {
            return Ok(());
        }
        let bytes = self.high as u64 * BLOCK_BYTES as u64;
        if !charge.take(bytes / 16) {
            return Err(Refused::Limit);
        }
        if bytes > 0
            && let Err(error) = cage.commit_marks(offset_of(0), bytes)
        {
            charge.give_back(bytes / 16);
            return Err(error.into());
        }
        self.has_marks = true;
        Ok(())
    }

    /// Gives the pages of up to `count` lean blocks back to the system; returns of how many.
    fn discard_lean(&mut self, cage: &mut Cage, charge: &mut Charge, count: u32) -> u32 {
        let mut discarded = 0;
        while discarded < count && self.lean_count > 0 {
            let block = self.lean_hint;
            if self.is_lean(block) {
                if cage.discard(offset_of(block), BLOCK_BYTES as u64).is_err() {
                    break;
                }
                charge.give_back(BLOCK_BYTES as u64);
                self.clear_lean(block);
                discarded += 1;
            }
            assert!(block > 0 || self.lean_count == 0, "no lean block lies above the hint");
            self.lean_hint = block.saturating_sub(1);
        }
        discarded
    }

    /// Gives the pages of free blocks back to the system: of lean ones and then of the highest ready ones beyond `keep`,
    /// but of at most `count`.
    pub fn trim(&mut self, cage: &mut Cage, charge: &mut Charge, keep: u32, count: u32) {
        let count = count - self.discard_lean(cage, charge, count);
        let keep = keep.max(self.ready_count.saturating_sub(count));
        while self.ready_count > keep {
            let Some(last) = self.highest_ready() else { return };
            let end = last + 1;
            let mut start = last;
            while start > 0 && self.is_ready(start - 1) && self.ready_count - (end - start) > keep {
                start -= 1;
            }
            let bytes = (end - start) as u64 * BLOCK_BYTES as u64;
            if cage.discard(offset_of(start), bytes).is_err() {
                return;
            }
            charge.give_back(bytes);
            for block in start..end {
                self.ready.as_mut_slice()[block as usize / 64] &= !(1 << (block % 64));
            }
            self.ready_count -= end - start;
        }
    }

    fn highest_ready(&self) -> Option<u32> {
        let word = self.ready.as_slice().iter().rposition(|word| *word != 0)?;
        Some(word as u32 * 64 + 63 - self.ready.as_slice()[word].leading_zeros())
    }
}

/// Blocks of a checkpoint.
impl Blocks {
    /// All blocks that are in use, as adjacent ones in ascending order. Everything is swept.
    pub fn used_runs(&self) -> Vec<BlockRun> {
        let is_used = |block: &u32| self.memory.block(*block).state() != BlockState::Free;
        let mut runs: Vec<BlockRun> = Vec::new();
        for block in (0..self.high).filter(is_used) {
            match runs.last_mut() {
                Some(run) if run.start + run.count == block => run.count += 1,
                _ => runs.push(BlockRun { start: block, count: 1 }),
            }
        }
        runs
    }

    /// The heads of large objects in these runs, each with its number of blocks.
    pub fn large_objects(&self, runs: &[BlockRun]) -> Vec<BlockRun> {
        let blocks = runs.iter().flat_map(|run| run.start..run.start + run.count);
        let heads = blocks.filter(|block| self.memory.block(*block).state() == BlockState::LargeHead);
        heads.map(|start| BlockRun { start, count: self.memory.block(start).next() }).collect()
    }

    /// Makes all blocks of these runs, which are all that are in use, frozen ones without marks.
    pub fn freeze(&mut self, runs: &[BlockRun]) {
        for block in runs.iter().flat_map(|run| run.start..run.start + run.count) {
            let entry = self.memory.block(block);
            match entry.state() {
                BlockState::Small => self.memory.clear_marks(block_start(block)),
                BlockState::LargeHead => self.memory.set_mark(block_start(block), 0),
                BlockState::LargeTail | BlockState::Free => {}
            }
            if entry.state() == BlockState::Small {
                entry.set_next(0);
            }
            entry.set_first_hole(0);
            entry.set_group(0);
            entry.set_marked_units(0);
            entry.set_live_units(LIVE_UNKNOWN);
            entry.set_epoch(FROZEN);
        }
        self.frozen_count = runs.iter().map(|run| run.count).sum();
    }

    /// Makes frozen blocks ordinary ones, which count as new until a marking in an epoch after `epoch`.
    pub fn thaw(&mut self, epoch: u8) {
        if self.frozen_count > 0 {
            let frozen = (0..self.high).filter(|block| self.memory.block(*block).is_frozen());
            frozen.for_each(|block| self.memory.block(block).set_epoch(epoch));
            self.frozen_count = 0;
        }
    }

    /// Frees all blocks that are in use and not frozen, whatever lies in them.
    pub fn free_unfrozen(&mut self, cage: &mut Cage, charge: &mut Charge, poison: bool) {
        let mut block = 0;
        while block < self.high {
            let entry = self.memory.block(block);
            let (state, is_frozen, start) = (entry.state(), entry.is_frozen(), block_start(block));
            let count = if state == BlockState::LargeHead { entry.next() } else { 1 };
            match state {
                BlockState::Small if !is_frozen => {
                    if self.has_marks {
                        self.memory.clear_marks(start);
                    }
                    poison_range(self.memory, poison, start, BLOCK_BYTES);
                    self.set_free(block, true);
                }
                BlockState::LargeHead if !is_frozen => {
                    let object = ObjectReference(start);
                    let header = self.memory.header(object);
                    let bytes = self.memory.object_bytes(object, self.memory.descriptor(TypeId::of_header(header)));
                    if self.has_marks {
                        self.memory.set_mark(start, 0);
                    }
                    self.release_run(cage, charge, block, 0, bytes, 0);
                }
                _ => {}
            }
            block += count;
        }
    }

    /// Makes tables for blocks as high as those of a checkpoint.
    ///
    /// # Errors
    /// There is no address space, or no memory.
    pub fn make_tables(&mut self, cage: &mut Cage, charge: &mut Charge, runs: &[BlockRun]) -> Result<(), Refused> {
        let high = runs.last().map_or(0, |run| run.start + run.count);
        if high > self.high { self.grow(cage, charge, high - self.high) } else { Ok(()) }
    }

    /// Takes the blocks of a checkpoint into use, as frozen ones: no block is in use. Their tables are there, their
    /// memory too, and charged.
    pub fn install(&mut self, runs: &[BlockRun], large: &[BlockRun]) {
        debug_assert_eq!((self.used_count(), self.kept_count()), (0, 0), "blocks are in use");
        for block in runs.iter().flat_map(|run| run.start..run.start + run.count) {
            self.clear_free(block);
            let entry = self.memory.block(block);
            entry.clear();
            entry.set_live_units(LIVE_UNKNOWN);
            entry.set_epoch(FROZEN);
            entry.set_state(BlockState::Small);
        }
        for object in large {
            (object.start..object.start + object.count)
                .for_each(|block| self.memory.block(block).set_state(BlockState::LargeTail));
            self.memory.block(object.start).set_state(BlockState::LargeHead);
            self.memory.block(object.start).set_next(object.count);
        }
        self.frozen_count = runs.iter().map(|run| run.count).sum();
    }

    /// What is charged for the blocks that are in use.
    pub fn charged_bytes(&self, runs: &[BlockRun]) -> u64 {
        let blocks = runs.iter().flat_map(|run| run.start..run.start + run.count);
        let bytes = blocks.map(|block| match self.memory.block(block).state() {
            BlockState::Small => BLOCK_BYTES as u64,
            BlockState::LargeHead => {
                let object = ObjectReference(block_start(block));
                let id = TypeId::of_header(self.memory.header(object));
                page_bytes(self.memory.object_bytes(object, self.memory.descriptor(id)))
            }
            BlockState::LargeTail | BlockState::Free => 0,
        });
        bytes.sum()
    }
}

/// Adjacent blocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BlockRun {
    /// The first one.
    pub start: u32,
    /// Number of blocks.
    pub count: u32,
}

impl BlockRun {
    /// Bytes from the base to the first one.
    pub fn offset(self) -> u64 {
        offset_of(self.start)
    }

    /// Size of all of them in bytes.
    pub fn bytes(self) -> u64 {
        self.count as u64 * BLOCK_BYTES as u64
    }
}

fn page_bytes(bytes: u64) -> u64 {
    bytes.next_multiple_of(crate::raw::backing::PAGE_BYTES as u64)
}
