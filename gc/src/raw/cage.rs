//! The cage: where everything of one heap lies, and unchecked words of it.
//!
//! ```text
//! marks | side vectors | block table | chunk states | type table | hot words | BASE null zone | immortal | nursery | old, large | guard
//! ```

use super::backing::{Backing, BackingError, Reservation};
use super::types::TypeFile;
use heapwood_gc_abi::descriptor::TYPE_TABLE_BYTES;
use heapwood_gc_abi::space::{CAGE_PREFIX_BYTES, TYPE_TABLE_DISP};
use heapwood_gc_abi::space::{CHUNK_STATE_BYTES, CHUNK_STATE_DISP, HOT_AREA_BYTES, NULL_ZONE_BYTES, REACH_BYTES};
use heapwood_gc_abi::{Descriptor, TypeId};
use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

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
const BLOCK_TABLE_BYTES: usize = (BLOCKS_MAX as usize * size_of::<BlockEntry>()).next_multiple_of(1 << 20);

/// For [`BlockEntry::live_units`]: objects were added since a sweep counted.
pub const LIVE_UNKNOWN: u16 = u16::MAX;

/// For [`BlockEntry::group`]: the compaction under way empties the block.
pub const COMPACTED: u8 = u8::MAX;

/// For [`BlockEntry::group`]: the block was emptied, as far as its objects can move, and waits to be swept.
pub const EMPTIED: u8 = u8::MAX - 1;

/// What a block of the old area is used for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
pub enum BlockState {
    /// Nothing lives here.
    #[default]
    Free = 0,
    /// Objects of up to a block.
    Small = 1,
    /// First block of a large object; `next` is the number of blocks.
    LargeHead = 2,
    /// Another block of a large object.
    LargeTail = 3,
}

/// One entry of the block table.
#[derive(Clone, Copy, Default, Debug)]
#[repr(C)]
pub struct BlockEntry {
    /// What it is used for.
    pub state: BlockState,
    /// The marking after which it was swept or taken into use; older means: not swept yet.
    pub epoch: u8,
    /// The block is to be emptied with the group of this number, or is [`COMPACTED`] or [`EMPTIED`]; 0: it
    /// is not.
    pub group: u8,
    /// Objects here were marked but found no room on the mark stack.
    pub overflowed: bool,
    /// Bytes of the objects that the marking under way has marked, in units of 8. The sweep takes them.
    pub marked_units: u16,
    /// Bytes of the objects that the last sweep found alive, in units of 8, or [`LIVE_UNKNOWN`].
    pub live_units: u16,
    /// First hole as a reference, or 0. Of a large object's block: whether it was ready.
    pub first_hole: u32,
    /// Next block of a list (index + 1), or number of blocks of a large object.
    pub next: u32,
}

/// Owner of a heap's address space.
#[derive(Debug)]
pub struct Cage {
    range: Reservation,
    backing: Backing,
    base_offset: usize,
    reach_bytes: u64,
    side_used_bytes: usize,
    side_committed_bytes: u64,
    memory: Memory,
}

/// Unchecked access to a cage. Copied into algorithms so that it stays in registers.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    base: *mut u8,
    marks: *mut u8,
    blocks: *mut BlockEntry,
}

// SAFETY: invariant M3: whoever has the heap is the only one that reaches its memory.
unsafe impl Send for Memory {}

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
        let memory = Memory { base, marks, blocks };
        backing.share(&range, base_offset - CAGE_PREFIX_BYTES, TYPE_TABLE_BYTES, types.file())?;
        backing.commit(&range, base_offset - HOT_AREA_BYTES, HOT_AREA_BYTES)?;
        Ok(Cage { range, backing, base_offset, reach_bytes, side_used_bytes: 0, side_committed_bytes: 0, memory })
    }

    /// The view for algorithms.
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
        // Or the first marking would fault in a page with every few objects.
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

    pub(super) fn side_address(&self, offset: usize) -> usize {
        self.range.start() + offset
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

impl Memory {
    /// The word at `index` (4 bytes each, from the base).
    #[inline(always)]
    pub fn word(self, index: u32) -> u32 {
        // SAFETY: M1, M3, M5, T1.
        unsafe { AtomicU32::from_ptr(self.base.add(index as usize * 4).cast()) }.load(Ordering::Relaxed)
    }

    /// Writes the word at `index`.
    #[inline(always)]
    pub fn set_word(self, index: u32, value: u32) {
        // SAFETY: M1, M3, M5, T1.
        unsafe { AtomicU32::from_ptr(self.base.add(index as usize * 4).cast()) }.store(value, Ordering::Release)
    }

    /// Reads a value of plain data at a byte offset from the base that is below the reach.
    #[inline(always)]
    pub fn load<T: Plain>(self, offset: u64) -> T {
        debug_assert!(offset < REACH_BYTES);
        // SAFETY: M1 (the guard is larger than any T), M3; unaligned reads are allowed for.
        unsafe { self.base.add(offset as usize).cast::<T>().read_unaligned() }
    }

    /// Writes a value of plain data at a byte offset from the base that is below the reach.
    #[inline(always)]
    pub fn store<T: Plain>(self, offset: u64, value: T) {
        debug_assert!(offset < REACH_BYTES);
        // SAFETY: M1 (the guard is larger than any T), M3; unaligned writes are allowed for.
        unsafe { self.base.add(offset as usize).cast::<T>().write_unaligned(value) }
    }

    /// Reads a hot word (u32) at a displacement of `gc-abi::hot`.
    #[inline(always)]
    pub fn hot(self, disp: i32) -> u32 {
        debug_assert!((-(HOT_AREA_BYTES as i32)..=-4).contains(&disp));
        // SAFETY: the hot area below the base is committed from the start (`Cage::new`).
        unsafe { *self.base.offset(disp as isize).cast::<u32>() }
    }

    /// Writes a hot word (u32).
    #[inline(always)]
    pub fn set_hot(self, disp: i32, value: u32) {
        debug_assert!((-(HOT_AREA_BYTES as i32)..=-4).contains(&disp));
        // SAFETY: the hot area below the base is committed from the start (`Cage::new`).
        unsafe { *self.base.offset(disp as isize).cast::<u32>() = value }
    }

    /// The descriptor of a type.
    #[inline(always)]
    pub fn descriptor(&self, id: TypeId) -> &Descriptor {
        // SAFETY: M4; ids have 24 bits (they come from headers or are checked), so the offset lies in the table,
        // whose last bytes are never handed out.
        unsafe { &*self.base.offset(TYPE_TABLE_DISP as isize + id.descriptor_offset() as isize).cast() }
    }

    /// A word of the reference map behind the descriptor of a type.
    #[inline(always)]
    pub fn ref_map_tail(self, id: TypeId, descriptor: &Descriptor, index: u32) -> u64 {
        let tail = id.descriptor_offset() + size_of::<Descriptor>() + descriptor.display_tail_bytes();
        debug_assert!(index < descriptor.ref_map_tail);
        // SAFETY: M4: the tail belongs to the descriptor.
        unsafe { *self.base.offset(TYPE_TABLE_DISP as isize + (tail + index as usize * 8) as isize).cast::<u64>() }
    }

    /// The mark byte of the object at `reference`.
    #[inline(always)]
    pub fn mark(self, reference: u32) -> u8 {
        // SAFETY: M2, M3, T1.
        unsafe { AtomicU8::from_ptr(self.marks.add((reference >> 2) as usize)) }.load(Ordering::Relaxed)
    }

    /// Writes the mark byte of the object at `reference`.
    #[inline(always)]
    pub fn set_mark(self, reference: u32, value: u8) {
        // SAFETY: M2, M3, T1.
        unsafe { AtomicU8::from_ptr(self.marks.add((reference >> 2) as usize)) }.store(value, Ordering::Relaxed)
    }

    /// Replaces the mark byte of the object at `reference` if it is `current` still; returns whether it was.
    #[inline]
    pub fn replace_mark(self, reference: u32, current: u8, new: u8) -> bool {
        // SAFETY: M2, M3, T1.
        let mark = unsafe { AtomicU8::from_ptr(self.marks.add((reference >> 2) as usize)) };
        mark.compare_exchange(current, new, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// The mark bytes of `bytes` of heap from `reference` on (both multiples of 16 bytes).
    #[inline(always)]
    pub fn marks_mut(&mut self, reference: u32, bytes: u32) -> &mut [u8] {
        // SAFETY: M2, M3; the slice borrows this copy of the view and no other is used meanwhile.
        unsafe { std::slice::from_raw_parts_mut(self.marks.add((reference >> 2) as usize), bytes as usize >> 4) }
    }

    /// A chunk state byte (index from `gc-abi::space::chunk_state_index`).
    #[inline(always)]
    pub fn chunk_state(self, index: u32) -> u8 {
        debug_assert!((index as usize) < CHUNK_STATE_BYTES);
        // SAFETY: M2, M3.
        unsafe { *self.base.offset(CHUNK_STATE_DISP as isize + index as isize) }
    }

    /// Adjacent chunk state bytes.
    #[inline(always)]
    pub fn chunk_states(&self, index: u32, count: u32) -> &[u8] {
        assert!(index as usize + count as usize <= CHUNK_STATE_BYTES, "outside of the chunk states");
        // SAFETY: M2, M3.
        unsafe {
            std::slice::from_raw_parts(self.base.offset(CHUNK_STATE_DISP as isize + index as isize), count as usize)
        }
    }

    /// Writes a chunk state byte.
    #[inline(always)]
    pub fn set_chunk_state(self, index: u32, value: u8) {
        debug_assert!((index as usize) < CHUNK_STATE_BYTES);
        // SAFETY: M2, M3.
        unsafe { *self.base.offset(CHUNK_STATE_DISP as isize + index as isize) = value }
    }

    /// The table entry of a block.
    #[inline(always)]
    pub fn block(&mut self, index: u32) -> &mut BlockEntry {
        debug_assert!(index < BLOCKS_MAX);
        // SAFETY: M2 (the table is reserved for every block), M3; fresh pages are zero, which is a valid entry.
        unsafe { &mut *self.blocks.add(index as usize) }
    }

    /// The epoch of a block. A helper that marks may ask while the mutator takes other blocks.
    #[inline(always)]
    pub fn block_epoch(self, index: u32) -> u8 {
        // SAFETY: M2; T1.
        unsafe { AtomicU8::from_ptr(&raw mut (*self.blocks.add(index as usize)).epoch) }.load(Ordering::Relaxed)
    }

    /// The group of blocks that this one is to be emptied with, or 0. A helper that marks may ask.
    #[inline(always)]
    pub fn group(self, index: u32) -> u8 {
        // SAFETY: M2; T1.
        unsafe { AtomicU8::from_ptr(&raw mut (*self.blocks.add(index as usize)).group) }.load(Ordering::Relaxed)
    }

    /// Puts a block into a group, or takes it out (0). While a helper marks, only the latter, by either side.
    #[inline(always)]
    pub fn set_group(self, index: u32, group: u8) {
        // SAFETY: M2; T1.
        unsafe { AtomicU8::from_ptr(&raw mut (*self.blocks.add(index as usize)).group) }.store(group, Ordering::Relaxed)
    }

    /// Asks for the cache line of a word.
    #[inline(always)]
    pub fn prefetch(self, index: u32) {
        // SAFETY: a prefetch of any address changes nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(self.base.wrapping_add(index as usize * 4).cast()) }
    }

    /// Asks for the cache line of a chunk state byte.
    #[inline(always)]
    pub fn prefetch_chunk_state(self, index: u32) {
        // SAFETY: a prefetch of any address changes nothing.
        let state = self.base.wrapping_offset(CHUNK_STATE_DISP as isize + index as isize);
        unsafe { _mm_prefetch::<_MM_HINT_T0>(state.cast()) }
    }

    /// The state of a block.
    #[inline(always)]
    pub fn block_state(self, index: u32) -> BlockState {
        // SAFETY: M2; T1: it does not change while an object of the block is marked.
        unsafe { (*self.blocks.add(index as usize)).state }
    }

    /// Adds to the bytes that a marking has marked in a block. Of who marks only.
    #[inline(always)]
    pub fn add_marked(self, index: u32, bytes: u32) {
        // SAFETY: M2; T1: nobody else touches this field of a block that is being marked.
        unsafe {
            let units = &raw mut (*self.blocks.add(index as usize)).marked_units;
            *units = (*units).saturating_add((bytes / 8) as u16);
        }
    }

    /// Whether objects of a block wait for room on the mark stack. Of who marks only.
    #[inline(always)]
    pub fn is_overflowed(self, index: u32) -> bool {
        // SAFETY: as for `add_marked`.
        unsafe { (*self.blocks.add(index as usize)).overflowed }
    }

    /// Says so. Of who marks only.
    #[inline(always)]
    pub fn set_overflowed(self, index: u32, overflowed: bool) {
        // SAFETY: as for `add_marked`.
        unsafe { (*self.blocks.add(index as usize)).overflowed = overflowed }
    }

    /// Copies an object of `bytes` (a multiple of 8, at least 16) between places that do not overlap.
    #[inline(always)]
    pub fn copy_object(self, from: u32, to: u32, bytes: u32) {
        // SAFETY: M1, M3, M5.
        unsafe {
            let from = self.base.add(from as usize * 4).cast::<u64>();
            let to = self.base.add(to as usize * 4).cast::<u64>();
            if bytes > 256 {
                std::ptr::copy_nonoverlapping(from, to, bytes as usize / 8);
                return;
            }
            *to = *from;
            *to.add(1) = *from.add(1);
            for i in 2..bytes as usize / 8 {
                *to.add(i) = *from.add(i);
            }
        }
    }

    /// Copies an object of 16 to 32 bytes between places that do not overlap.
    #[inline(always)]
    pub fn copy_small(self, from: u32, to: u32, bytes: u32) {
        let last = bytes as usize - 16;
        debug_assert!(last <= 16);
        // SAFETY: M1, M3; unaligned accesses are allowed for. The second half overlaps the first below 32 bytes.
        unsafe {
            let from = self.base.add(from as usize * 4);
            let to = self.base.add(to as usize * 4);
            let start = from.cast::<u128>().read_unaligned();
            let end = from.add(last).cast::<u128>().read_unaligned();
            to.cast::<u128>().write_unaligned(start);
            to.add(last).cast::<u128>().write_unaligned(end);
        }
    }

    /// Zeroes an object of `bytes` (a multiple of 8).
    #[inline(always)]
    pub fn zero_object(self, start: u32, bytes: u32) {
        // SAFETY: M1, M3, M5.
        unsafe {
            let start = self.base.add(start as usize * 4).cast::<u64>();
            if bytes > 128 {
                std::ptr::write_bytes(start, 0, bytes as usize / 8);
                return;
            }
            for i in 0..bytes as usize / 8 {
                std::ptr::write_volatile(start.add(i), 0);
            }
        }
    }

    /// Moves bytes inside the heap; the ranges may overlap.
    pub fn move_bytes(self, from: u64, to: u64, bytes: u64) {
        assert!(from + bytes <= REACH_BYTES && to + bytes <= REACH_BYTES, "outside of the reach");
        // SAFETY: M1 by the assertion, M3.
        unsafe { std::ptr::copy(self.base.add(from as usize), self.base.add(to as usize), bytes as usize) }
    }

    /// Bytes of the heap. The caller picks a range that nothing else changes while the slice is used.
    pub fn bytes(&self, offset: u64, bytes: u64) -> &[u8] {
        assert!(offset + bytes <= REACH_BYTES, "outside of the reach");
        // SAFETY: M1 by the assertion, M3.
        unsafe { std::slice::from_raw_parts(self.base.add(offset as usize), bytes as usize) }
    }

    /// Bytes of the heap, to be written.
    pub fn bytes_mut(&mut self, offset: u64, bytes: u64) -> &mut [u8] {
        assert!(offset + bytes <= REACH_BYTES, "outside of the reach");
        // SAFETY: M1 by the assertion, M3.
        unsafe { std::slice::from_raw_parts_mut(self.base.add(offset as usize), bytes as usize) }
    }

    /// Words of the heap, to be written.
    pub fn words_mut(&mut self, index: u32, words: u32) -> &mut [u32] {
        assert!(index as u64 + words as u64 <= REACH_BYTES / 4, "outside of the reach");
        // SAFETY: M1 by the assertion, M3, M5.
        unsafe { std::slice::from_raw_parts_mut(self.base.add(index as usize * 4).cast::<u32>(), words as usize) }
    }
}

/// Types for which every bit pattern is valid.
///
/// # Safety
/// Implementors have no padding and no invalid bit patterns.
pub unsafe trait Plain: Copy {}
// SAFETY: integers.
unsafe impl Plain for u8 {}
// SAFETY: integers.
unsafe impl Plain for u16 {}
// SAFETY: integers.
unsafe impl Plain for u32 {}
// SAFETY: integers.
unsafe impl Plain for u64 {}
// SAFETY: integers.
unsafe impl Plain for u128 {}
