//! The cage: where everything of one heap lies, and who commits memory to it.
//!
//! ```text
//! marks | side vectors | block table | chunk states | type table | hot words | BASE null zone | immortal | nursery | old, large | guard
//! ```

use super::backing::{Backing, BackingError, Reservation};
use super::block::BlockEntry;
use super::memory::{BLOCK_ENTRIES, Memory};
use super::types::TypeFile;
use heapwood_gc_abi::descriptor::TYPE_TABLE_BYTES;
use heapwood_gc_abi::space::CAGE_PREFIX_BYTES;
use heapwood_gc_abi::space::{CHUNK_STATE_BYTES, CHUNK_STATE_DISP, HOT_AREA_BYTES, NULL_ZONE_BYTES, REACH_BYTES};
use std::sync::Arc;

/// Bytes of a block of the old space.
pub const BLOCK_BYTES: u32 = 32 << 10;
/// References that a block spans.
pub const BLOCK_REFS: u32 = BLOCK_BYTES / 4;
/// Immortal space: from the null zone to here (bytes from the base).
pub const IMMORTAL_END: u64 = 512 << 20;
/// Where the nursery begins (bytes from the base).
pub const NURSERY_START: u64 = IMMORTAL_END;
/// Address space of the nursery: two survivor spaces, then eden.
pub const NURSERY_REACH: u64 = 64 << 20;
/// Where the old and large spaces begin (bytes from the base).
pub const OLD_START: u64 = NURSERY_START + NURSERY_REACH;
/// Most blocks of the old and large spaces.
pub const BLOCKS_MAX: u32 = ((REACH_BYTES - OLD_START) / BLOCK_BYTES as u64) as u32;
/// Bytes behind the reach that are never mapped: larger than the largest displacement of a field.
const GUARD_BYTES: usize = 16 << 20;
/// Alignment of the base: a huge page.
const BASE_ALIGN: usize = 2 << 20;
/// Address space for side vectors (log, stacks, lists).
const SIDE_BYTES: usize = 768 << 20;
const BLOCK_TABLE_BYTES: usize = BLOCK_ENTRIES * size_of::<BlockEntry>();
const _: () = assert!(BLOCKS_MAX as usize <= BLOCK_ENTRIES && BLOCK_TABLE_BYTES.is_multiple_of(1 << 20));

/// Owner of a heap's address space.
#[derive(Debug)]
pub struct Cage {
    /// Shared with whoever reaches into it (B3).
    range: Arc<Reservation>,
    backing: Backing,
    base_offset: usize,
    reach_bytes: u64,
    side_used_bytes: usize,
    side_committed_bytes: u64,
    memory: Memory,
}

impl Cage {
    /// Reserves a cage whose old space can hold at least `heap_bytes_max`; with the full reach where the system
    /// allows it. Maps the type table, commits the hot words.
    pub fn new(mut backing: Backing, heap_bytes_max: u64, types: &TypeFile) -> Result<Cage, BackingError> {
        let prefix = |reach: u64| (reach >> 4) as usize + SIDE_BYTES + BLOCK_TABLE_BYTES + CHUNK_STATE_BYTES;
        let mut reserve = |reach: u64| {
            let below = prefix(reach) + CAGE_PREFIX_BYTES;
            backing.reserve(below + reach as usize + GUARD_BYTES, below, BASE_ALIGN).map(|range| (range, reach))
        };
        let least = (OLD_START + heap_bytes_max + heap_bytes_max / 4).next_multiple_of(1 << 20).min(REACH_BYTES);
        let (range, reach_bytes) = reserve(REACH_BYTES).or_else(|_| reserve(least))?;
        let base_offset = prefix(reach_bytes) + CAGE_PREFIX_BYTES;
        let base = (range.start() + base_offset) as *mut u8;
        let marks = range.start() as *mut u8;
        let blocks = (range.start() + (reach_bytes >> 4) as usize + SIDE_BYTES) as *mut BlockEntry;
        let last_word = (reach_bytes / 4 - 1) as u32;
        let memory = Memory { base, marks, blocks, last_word };
        backing.share(&range, base_offset - CAGE_PREFIX_BYTES, TYPE_TABLE_BYTES, types.file())?;
        backing.commit(&range, base_offset - HOT_AREA_BYTES, HOT_AREA_BYTES)?;
        let range = Arc::new(range);
        Ok(Cage { range, backing, base_offset, reach_bytes, side_used_bytes: 0, side_committed_bytes: 0, memory })
    }

    /// Access to the cage's memory, for the algorithms of the collector.
    pub fn memory(&self) -> Memory {
        self.memory
    }

    /// Address of the base.
    pub fn base(&self) -> usize {
        self.memory.base as usize
    }

    /// Bytes from the base that references may name.
    pub fn reach_bytes(&self) -> u64 {
        self.reach_bytes
    }

    /// Calls that were made to the system.
    pub fn backing_calls(&self) -> u64 {
        self.backing.calls()
    }

    /// Chooses the calls that the system refuses from now on.
    #[cfg(feature = "test-hooks")]
    pub fn refuse_calls(&mut self, refused: std::ops::Range<u64>, spares_discards: bool) {
        self.backing.set_refused(refused, spares_discards);
    }

    /// Makes heap bytes (offsets from the base, whole pages) readable and writable.
    pub fn commit(&mut self, offset: u64, bytes: u64) -> Result<(), BackingError> {
        assert!(offset >= NULL_ZONE_BYTES && offset + bytes <= self.reach_bytes, "outside of the reach");
        self.backing.commit(&self.range, self.base_offset + offset as usize, bytes as usize)
    }

    /// Faults in committed heap bytes.
    pub fn populate(&mut self, offset: u64, bytes: u64) -> Result<(), BackingError> {
        self.backing.populate(&self.range, self.base_offset + offset as usize, bytes as usize)
    }

    /// Gives pages of committed heap bytes back; they read as zero.
    pub fn discard(&mut self, offset: u64, bytes: u64) -> Result<(), BackingError> {
        self.backing.discard(&self.range, self.base_offset + offset as usize, bytes as usize)
    }

    /// Commits the side tables of a range of the heap (multiple of 1 MiB) and returns how many bytes they take.
    pub fn commit_side_tables(&mut self, offset: u64, bytes: u64) -> Result<u64, BackingError> {
        let marks = (offset as usize >> 4, bytes as usize >> 4);
        let chunk_start = (self.base_offset as i64 + CHUNK_STATE_DISP as i64) as usize;
        let chunks = (chunk_start + (offset as usize >> 7), bytes as usize >> 7);
        let entry = size_of::<BlockEntry>();
        let first = (offset - OLD_START) as usize / BLOCK_BYTES as usize * entry;
        let last = (offset + bytes - OLD_START) as usize / BLOCK_BYTES as usize * entry;
        let page = super::backing::PAGE_BYTES;
        let (first, last) = (first / page * page, last.next_multiple_of(page));
        let table_start = (self.reach_bytes >> 4) as usize + SIDE_BYTES;
        self.backing.commit(&self.range, marks.0, marks.1)?;
        // Without this, the first marking would fault in a page with every few objects.
        self.backing.populate(&self.range, marks.0, marks.1)?;
        self.backing.commit(&self.range, chunks.0, chunks.1)?;
        self.backing.commit(&self.range, table_start + first, last - first)?;
        Ok((marks.1 + chunks.1 + (bytes as usize / BLOCK_BYTES as usize) * entry) as u64)
    }

    /// Takes address space for a side vector of at most `bytes`; returns its offset in the reservation.
    pub(super) fn take_side_range(&mut self, bytes: usize) -> usize {
        let start = self.side_used_bytes;
        self.side_used_bytes += bytes.next_multiple_of(super::backing::PAGE_BYTES);
        assert!(self.side_used_bytes <= SIDE_BYTES, "side vectors outgrow their address space");
        (self.reach_bytes >> 4) as usize + start
    }

    /// The reservation, for a side vector: it lives as long as any of them.
    pub(super) fn range(&self) -> &Arc<Reservation> {
        &self.range
    }

    pub(super) fn commit_side(&mut self, offset: usize, bytes: usize) -> Result<(), BackingError> {
        self.backing.commit(&self.range, offset, bytes)?;
        self.side_committed_bytes += bytes as u64;
        Ok(())
    }

    /// Bytes of memory of all side vectors.
    pub fn side_committed_bytes(&self) -> u64 {
        self.side_committed_bytes
    }

    pub(super) fn populate_side(&mut self, offset: usize, bytes: usize) -> Result<(), BackingError> {
        self.backing.populate(&self.range, offset, bytes)
    }
}
