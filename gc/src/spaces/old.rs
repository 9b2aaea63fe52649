//! The old space: bump allocation into holes of swept blocks, else into ready blocks.
//!
//! 1. The fast path bumps `small`.
//! 2. When it is full: the next hole of the block, the next block with holes, a ready block.
//! 3. An object above 512 bytes that does not fit goes to an overflow block, so that it never skips holes.

use super::blocks::{Blocks, block_start};
use super::holes::{Swept, sweep_block};
use crate::raw::block::LIVE_UNKNOWN;
use crate::raw::cage::BLOCK_REFS;
use crate::raw::memory::Memory;
use crate::raw::object::ObjectReference;

/// Smallest hole that is used again.
pub const HOLE_BYTES_MIN: u32 = 256;
/// Objects above this take an overflow block rather than skip a hole.
const HOLE_FILLER_BYTES_MAX: u32 = 512;

/// A free range, in references.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bump {
    /// Next free.
    cursor: u32,
    end: u32,
}

impl Bump {
    /// The range from `start` to `end`.
    pub fn new(start: u32, end: u32) -> Bump {
        Bump { cursor: start, end }
    }

    /// Where the next object is put.
    #[inline(always)]
    pub fn cursor(&self) -> u32 {
        self.cursor
    }

    /// Whether nothing is left.
    #[inline(always)]
    pub fn is_full(&self) -> bool {
        self.cursor == self.end
    }

    /// The range up to the cursor, in which nothing can be allocated.
    pub fn without_room(self) -> Bump {
        Bump { cursor: self.cursor, end: self.cursor }
    }

    /// Whether `bytes` fit.
    #[inline(always)]
    pub fn has_room(&self, bytes: u32) -> bool {
        self.cursor + bytes / 4 <= self.end
    }

    /// Takes `bytes` (a multiple of 8) that fit.
    #[inline(always)]
    pub fn take_unchecked(&mut self, bytes: u32) -> u32 {
        debug_assert!(self.has_room(bytes));
        let start = self.cursor;
        self.cursor += bytes / 4;
        start
    }

    /// Takes `bytes` (a multiple of 8) if they fit.
    #[inline(always)]
    pub fn take(&mut self, bytes: u32) -> Option<u32> {
        let (start, next) = (self.cursor, self.cursor + bytes / 4);
        if next > self.end {
            return None;
        }
        self.cursor = next;
        Some(start)
    }
}

/// The allocator of the old space.
#[derive(Debug)]
pub struct OldSpace {
    blocks: Blocks,
    /// Marks with this value (1 or 2) are current.
    epoch: u8,
    /// Bytes of holes that were not handed out yet.
    hole_bytes: u64,
    /// Bytes handed out since the last marking, large objects included.
    allocated_bytes: u64,
    memory: Memory,
    small: Bump,
    overflow: Bump,
    /// Next hole of the block that `small` is in.
    next_hole: u32,
    /// List of swept blocks with holes (index + 1), by their `next`, in the order in which they were swept: so that low
    /// blocks fill first. Its last one matters only if there is a first.
    recyclable: u32,
    recyclable_last: u32,
    /// Dead memory is overwritten.
    poison: bool,
}

/// Written over dead memory in verify mode: no valid header, and as a reference it names unmapped memory.
pub const POISON: u32 = 0xfbad_bad8;

impl OldSpace {
    /// An empty space.
    pub fn new(blocks: Blocks, memory: Memory, poison: bool) -> OldSpace {
        OldSpace {
            blocks,
            epoch: 1,
            hole_bytes: 0,
            allocated_bytes: 0,
            memory,
            small: Bump::default(),
            overflow: Bump::default(),
            next_hole: 0,
            recyclable: 0,
            recyclable_last: 0,
            poison,
        }
    }

    /// Marks with this value are current.
    #[inline(always)]
    pub fn epoch(&self) -> u8 {
        self.epoch
    }

    /// The blocks.
    #[inline(always)]
    pub fn blocks(&self) -> &Blocks {
        &self.blocks
    }

    /// The blocks, to take or give back some.
    pub fn blocks_mut(&mut self) -> &mut Blocks {
        &mut self.blocks
    }

    /// Bytes of holes that were not handed out yet.
    pub fn hole_bytes(&self) -> u64 {
        self.hole_bytes
    }

    /// Bytes handed out since the last marking, large objects included.
    pub fn allocated_bytes(&self) -> u64 {
        self.allocated_bytes
    }

    /// Counts bytes of a large object as handed out.
    pub fn add_allocated(&mut self, bytes: u64) {
        self.allocated_bytes += bytes;
    }

    /// Counts anew what is handed out, from `bytes` on.
    pub fn set_allocated(&mut self, bytes: u64) {
        self.allocated_bytes = bytes;
    }

    /// Room for an object of at most a block, from holes and ready blocks; never calls the system.
    #[inline(always)]
    pub fn allocate(&mut self, bytes: u32) -> Option<ObjectReference> {
        match self.small.take(bytes) {
            Some(start) => Some(ObjectReference(start)),
            None => self.allocate_slow(bytes),
        }
    }

    /// Lends the range that the fast path bumps in, to keep it in registers; `allocate_from` refills it and
    /// `give_back` ends the loan.
    pub fn lend(&mut self) -> Bump {
        std::mem::take(&mut self.small)
    }

    /// Ends a loan.
    pub fn give_back(&mut self, bump: Bump) {
        self.small = bump;
    }

    /// Room for an object when the lent range has none.
    #[cold]
    #[inline(never)]
    pub fn allocate_from(&mut self, lent: &mut Bump, bytes: u32) -> Option<ObjectReference> {
        self.small = *lent;
        let object = self.allocate_slow(bytes);
        *lent = self.lend();
        object
    }

    #[cold]
    #[inline(never)]
    fn allocate_slow(&mut self, bytes: u32) -> Option<ObjectReference> {
        if bytes > HOLE_FILLER_BYTES_MAX {
            if let Some(start) = self.overflow.take(bytes) {
                return Some(ObjectReference(start));
            }
            self.count_used(self.overflow);
            self.overflow = self.ready_block()?;
            return self.overflow.take(bytes).map(ObjectReference);
        }
        loop {
            let next = match self.next_hole() {
                Some(hole) => hole,
                None => self.ready_block()?,
            };
            self.count_used(self.small);
            self.small = next;
            if let Some(start) = self.small.take(bytes) {
                return Some(ObjectReference(start));
            }
        }
    }

    fn ready_block(&mut self) -> Option<Bump> {
        let block = self.blocks.take_ready(self.epoch)?;
        self.allocated_bytes += BLOCK_REFS as u64 * 4;
        Some(Bump { cursor: block_start(block), end: block_start(block) + BLOCK_REFS })
    }

    fn next_hole(&mut self) -> Option<Bump> {
        if self.next_hole == 0 {
            let block = self.recyclable.checked_sub(1)?;
            let entry = self.memory.block(block);
            self.recyclable = entry.next();
            self.next_hole = entry.first_hole();
            entry.set_next(0);
            entry.set_first_hole(0);
            entry.set_live_units(LIVE_UNKNOWN);
        }
        let hole = self.next_hole;
        let bytes = self.memory.word(hole + 1);
        self.next_hole = self.memory.word(hole + 2);
        self.allocated_bytes += bytes as u64;
        self.hole_bytes -= bytes as u64;
        Some(Bump { cursor: hole, end: hole + bytes / 4 })
    }

    /// A range is left behind: nothing to do but overwriting its rest where that is asked for.
    fn count_used(&mut self, left: Bump) {
        self.poison_range(left.cursor, (left.end - left.cursor) * 4);
    }

    /// Whether dead memory is overwritten.
    pub fn poisons(&self) -> bool {
        self.poison
    }

    /// Overwrites dead memory in verify mode.
    pub fn poison_range(&mut self, start: u32, bytes: u32) {
        poison_range(self.memory, self.poison, start, bytes);
    }

    /// Begins a new epoch, in which nothing is marked yet.
    pub fn begin_epoch(&mut self) {
        self.retire();
        self.epoch = 3 - self.epoch;
    }

    /// Gives up all ranges being allocated in: before a marking or a freeze, so that no block is part of both.
    pub fn retire(&mut self) {
        for bump in [std::mem::take(&mut self.small), std::mem::take(&mut self.overflow)] {
            self.count_used(bump);
        }
        (self.next_hole, self.recyclable, self.hole_bytes) = (0, 0, 0);
    }

    /// Sweeps a block of small objects that is not listed for a helper, and takes over what is free in it.
    pub fn sweep_block(&mut self, block: u32) {
        match sweep_block(self.memory, self.epoch, self.poison, block) {
            Swept::Free => self.release_swept(&[block]),
            Swept::Holes(bytes) => self.add_recyclable(block + 1, block + 1, bytes as u64),
            Swept::Full => {}
        }
    }

    /// The sweep found these blocks of small objects empty.
    pub fn release_swept(&mut self, blocks: &[u32]) {
        self.blocks.release_swept(blocks);
    }

    /// Blocks were swept and have holes: a chain by their entries, from `first` to `last` (index + 1; 0: none), and
    /// the bytes of their holes.
    pub fn add_recyclable(&mut self, first: u32, last: u32, hole_bytes: u64) {
        self.hole_bytes += hole_bytes;
        if last == 0 {
            return;
        }
        self.memory.block(last - 1).set_next(0);
        match self.recyclable {
            0 => self.recyclable = first,
            _ => self.memory.block(self.recyclable_last - 1).set_next(first),
        }
        self.recyclable_last = last;
    }
}

/// Overwrites dead memory if `poison` says so.
pub fn poison_range(memory: Memory, poison: bool, start: u32, bytes: u32) {
    if poison && bytes > 0 {
        memory.fill_words(start, bytes / 4, POISON);
    }
}
