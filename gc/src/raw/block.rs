//! The block table: what is known of each block of the old area.
//!
//! An entry is a handful of atomics that are read and written one by one: a thread that marks reads epochs and groups,
//! and looks for overflowed blocks, while the mutator takes other blocks into use. Nobody ever has a Rust reference to
//! the contents of an entry that another thread could write at the same time.
//!
//! All accesses are relaxed. What they need of order comes from elsewhere: a block's entry is written before the word
//! that names an object in it is stored (release), and asked for after that word was loaded (acquire); a whole batch or
//! marker changes hands under a lock.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU32, Ordering::Relaxed};

/// The answer of [`Block::live_units`] where objects were added since a sweep counted them.
pub const LIVE_UNKNOWN: u16 = u16::MAX;

/// The answer of [`Block::group`] for a block that the compaction under way evacuates.
pub const COMPACTED: u8 = u8::MAX;

/// The answer of [`Block::group`] for a block that was evacuated, as far as its objects can move, and waits to be
/// swept.
pub const EVACUATED: u8 = u8::MAX - 1;

/// The epoch of a frozen block (of a checkpoint): all its objects are alive, whichever marking is the current one. It
/// has the bits of both other epochs. Such a block is neither marked nor swept, evacuated or allocated in.
pub const FROZEN: u8 = 3;

/// What a block of the old area is used for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
pub enum BlockState {
    /// No object lies in the block.
    #[default]
    Free = 0,
    /// Objects of at most a block's size lie in it.
    Small = 1,
    /// The first block of a large object; `next` is the number of the object's blocks.
    LargeHead = 2,
    /// A later block of a large object.
    LargeTail = 3,
}

/// An entry as it lies in the table; all zero is a free block.
#[derive(Debug)]
#[repr(C)]
pub(super) struct BlockEntry {
    state: AtomicU8,
    epoch: AtomicU8,
    group: AtomicU8,
    overflowed: AtomicBool,
    marked_units: AtomicU16,
    live_units: AtomicU16,
    first_hole: AtomicU32,
    next: AtomicU32,
}

/// A look at the entry of one block ([`super::memory::Memory::block`]).
#[derive(Clone, Copy, Debug)]
pub struct Block<'m>(pub(super) &'m BlockEntry);

impl Block<'_> {
    /// What the block is used for.
    #[inline(always)]
    pub fn state(self) -> BlockState {
        match self.0.state.load(Relaxed) & 3 {
            0 => BlockState::Free,
            1 => BlockState::Small,
            2 => BlockState::LargeHead,
            _ => BlockState::LargeTail,
        }
    }

    /// Sets what the block is used for.
    #[inline(always)]
    pub fn set_state(self, state: BlockState) {
        self.0.state.store(state as u8, Relaxed);
    }

    /// The epoch of the marking after which the block was swept or taken into use. An older epoch than the current one
    /// means that it is not swept yet. A helper that marks may read this while the mutator takes other blocks into use.
    #[inline(always)]
    pub fn epoch(self) -> u8 {
        self.0.epoch.load(Relaxed)
    }

    /// Whether the block was swept or taken into use after the marking of `epoch`, or is frozen: what lies in it and
    /// carries no mark of a marking in that epoch is alive.
    #[inline(always)]
    pub fn is_current(self, epoch: u8) -> bool {
        self.epoch() & epoch != 0
    }

    /// Whether the block is frozen.
    #[inline(always)]
    pub fn is_frozen(self) -> bool {
        self.epoch() == FROZEN
    }

    /// Records that the block was swept or taken into use after the marking of `epoch`.
    #[inline(always)]
    pub fn set_epoch(self, epoch: u8) {
        self.0.epoch.store(epoch, Relaxed);
    }

    /// The group of blocks with which this block is to be evacuated, or [`COMPACTED`] or [`EVACUATED`], or 0 if the
    /// block stays as it is. A helper that marks may read this.
    #[inline(always)]
    pub fn group(self) -> u8 {
        self.0.group.load(Relaxed)
    }

    /// Puts the block into a group, or takes it out (0). While a helper marks, a block may only be taken out, by either
    /// side.
    #[inline(always)]
    pub fn set_group(self, group: u8) {
        self.0.group.store(group, Relaxed);
    }

    /// Whether objects here were marked but found no room on the mark stack.
    #[inline(always)]
    pub fn is_overflowed(self) -> bool {
        self.0.overflowed.load(Relaxed)
    }

    /// Records whether objects here were marked but found no room on the mark stack. Only the marker, or the thread
    /// that owns the block, may call this.
    #[inline(always)]
    pub fn set_overflowed(self, overflowed: bool) {
        self.0.overflowed.store(overflowed, Relaxed);
    }

    /// Bytes of the objects that the marking under way has marked, in units of 8. The sweep resets them.
    #[inline(always)]
    pub fn marked_units(self) -> u16 {
        self.0.marked_units.load(Relaxed)
    }

    /// Sets the marked bytes, in units of 8.
    #[inline(always)]
    pub fn set_marked_units(self, units: u16) {
        self.0.marked_units.store(units, Relaxed);
    }

    /// Adds `bytes` to what is marked. Only the marker may call this: no other thread writes this count of a block that
    /// is being marked.
    #[inline(always)]
    pub fn add_marked(self, bytes: u32) {
        self.set_marked_units(self.marked_units().saturating_add((bytes / 8) as u16));
    }

    /// Bytes of the objects that the last sweep found alive, in units of 8, or [`LIVE_UNKNOWN`].
    #[inline(always)]
    pub fn live_units(self) -> u16 {
        self.0.live_units.load(Relaxed)
    }

    /// Sets the bytes found alive, in units of 8, or [`LIVE_UNKNOWN`].
    #[inline(always)]
    pub fn set_live_units(self, units: u16) {
        self.0.live_units.store(units, Relaxed);
    }

    /// The first hole as a reference, or 0. In the entry of a large object's block: whether the block was ready.
    #[inline(always)]
    pub fn first_hole(self) -> u32 {
        self.0.first_hole.load(Relaxed)
    }

    /// Sets the offset of the first hole.
    #[inline(always)]
    pub fn set_first_hole(self, hole: u32) {
        self.0.first_hole.store(hole, Relaxed);
    }

    /// The next block of a list (index + 1), or the number of blocks of a large object.
    #[inline(always)]
    pub fn next(self) -> u32 {
        self.0.next.load(Relaxed)
    }

    /// Sets the next block of the list that this one is in, or what else `next` stands for.
    #[inline(always)]
    pub fn set_next(self, next: u32) {
        self.0.next.store(next, Relaxed);
    }

    /// Resets the entry to that of a free block.
    pub fn clear(self) {
        self.set_state(BlockState::Free);
        self.set_epoch(0);
        self.set_group(0);
        self.set_overflowed(false);
        self.set_marked_units(0);
        self.set_live_units(0);
        self.set_first_hole(0);
        self.set_next(0);
    }
}
