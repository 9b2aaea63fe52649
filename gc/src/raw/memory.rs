//! Reading and writing the cage, for algorithms: words, marks, chunk states, hot words, entries of tables.
//!
//! A [`Memory`] is a few addresses. It is `Copy`, so that inner loops have it in registers, and several threads have
//! one. Therefore nothing here (but `elements` and `strings`, of a cage that is borrowed) hands out a Rust reference to
//! what lies in the cage as plain data: each access is one atomic load or store of a byte or a word (a plain
//! instruction of the processor), or one of the copies of [`super::bulk`]. So whatever a caller does, with whatever
//! index, it cannot break an assumption of the compiler. What it can do is make a mess of the guest's own heap; the
//! invariants of the parent module say who may do what for that not to happen.

use super::block::{Block, BlockEntry};
use super::bulk;
use super::types::{TypeEntry, TypeInfo};
use heapwood_gc_abi::TypeId;
use heapwood_gc_abi::descriptor::TYPE_TABLE_BYTES;
use heapwood_gc_abi::space::{CHUNK_STATE_BYTES, CHUNK_STATE_DISP, HOT_AREA_BYTES, REACH_BYTES, TYPE_TABLE_DISP};
#[cfg(not(miri))]
use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
use std::sync::atomic::{
    AtomicU8, AtomicU16, AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

/// Log2 of the references that a block spans.
const BLOCK_REFS_SHIFT: u32 = super::cage::BLOCK_REFS.trailing_zeros();
/// Entries that the block table is reserved for: as many as there are blocks in 2^32 words, more than can be used.
pub(super) const BLOCK_ENTRIES: usize = 1 << (32 - BLOCK_REFS_SHIFT);
/// Bytes of an object that is copied or zeroed in one go, at most: less than the guard behind the cage.
const OBJECT_BYTES_MAX: u32 = super::cage::BLOCK_BYTES;

/// Bytes of repeated elements that a fill writes at a time.
const FILL_BYTES: usize = 256;

/// Access to a cage, for as long as its reservation lives (B3).
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    pub(super) base: *mut u8,
    pub(super) marks: *mut u8,
    pub(super) blocks: *mut BlockEntry,
    /// The last word of the reach, which may grow.
    pub(super) last_word: *const AtomicU32,
}

// SAFETY: all accesses are atomic, or are machine instructions that races cannot hurt (`bulk`).
unsafe impl Send for Memory {}
// SAFETY: as for `Send`.
unsafe impl Sync for Memory {}

#[cold]
#[inline(never)]
fn misplaced(offset: u64) -> ! {
    panic!("offset {offset:#x} is not aligned, or does not lie in the cage");
}

impl Memory {
    /// The address of a word of the cage.
    #[inline(always)]
    fn address(self, index: u32) -> *mut u8 {
        // SAFETY: M1.
        unsafe { self.base.add(index as usize * 4) }
    }

    #[inline(always)]
    fn word_at(&self, index: u32) -> &AtomicU32 {
        // SAFETY: M1, B3; words are aligned, since the base is.
        unsafe { AtomicU32::from_ptr(self.address(index).cast()) }
    }

    /// The word at `index` (4 bytes each, from the base).
    #[inline(always)]
    pub fn word(self, index: u32) -> u32 {
        self.word_at(index).load(Relaxed)
    }

    /// The word at `index`, for a thread that follows the reference in it while the mutator runs: it sees everything
    /// that was written before the word was (O1).
    #[inline(always)]
    pub fn word_acquire(self, index: u32) -> u32 {
        self.word_at(index).load(Acquire)
    }

    /// Writes the word at `index`. If it is a reference, what it names is seen complete by who finds it there (O1).
    #[inline(always)]
    pub fn set_word(self, index: u32, value: u32) {
        self.word_at(index).store(value, Release)
    }

    /// Reads a value at a byte offset from the base, a multiple of its size or of 4. Panics if no reference reaches it.
    #[inline(always)]
    pub fn load<T: Plain>(self, offset: u64) -> T {
        T::load(self.value_at::<T>(offset))
    }

    /// Writes a value at a byte offset from the base, a multiple of its size or of 4. Panics if no reference reaches
    /// it.
    #[inline(always)]
    pub fn store<T: Plain>(self, offset: u64, value: T) {
        value.store(self.value_at::<T>(offset))
    }

    #[inline(always)]
    fn value_at<T: Plain>(&self, offset: u64) -> CagePlace<'_> {
        let align_bits = size_of::<T>().min(4).trailing_zeros();
        // A low bit that is set becomes a high one.
        if offset.rotate_right(align_bits) > (REACH_BYTES - 1) >> align_bits {
            misplaced(offset);
        }
        // SAFETY: M1: the value begins in the reach, and the guard behind is larger than any value.
        CagePlace(unsafe { self.base.add(offset as usize) }, std::marker::PhantomData)
    }

    #[inline(always)]
    fn last_word(self) -> u32 {
        // SAFETY: B3: it lives as long as the reservation.
        unsafe { &*self.last_word }.load(Relaxed)
    }

    /// The address of `bytes` from `offset` on, which lie in the cage.
    #[inline(always)]
    pub(super) fn range(self, offset: u64, bytes: u64) -> *mut u8 {
        let reach = (self.last_word() as u64 + 1) * 4;
        assert!(offset <= reach && bytes <= reach - offset, "{bytes} bytes at {offset:#x} do not lie in the cage");
        // SAFETY: M1 by the assertion.
        unsafe { self.base.add(offset as usize) }
    }

    #[inline(always)]
    fn hot_at(&self, disp: i32) -> &AtomicU32 {
        assert!((-(HOT_AREA_BYTES as i32)..=-4).contains(&disp) && disp % 4 == 0, "no hot word");
        // SAFETY: M1: the hot area below the base is committed from the start.
        unsafe { AtomicU32::from_ptr(self.base.offset(disp as isize).cast()) }
    }

    /// Reads a hot word (u32) at a displacement of `gc-abi::hot`.
    #[inline(always)]
    pub fn hot(self, disp: i32) -> u32 {
        self.hot_at(disp).load(Relaxed)
    }

    /// Writes a hot word (u32).
    #[inline(always)]
    pub fn set_hot(self, disp: i32, value: u32) {
        self.hot_at(disp).store(value, Relaxed)
    }

    /// The descriptor of a type.
    #[inline(always)]
    pub fn descriptor(&self, id: TypeId) -> TypeInfo<'_> {
        let offset = TypeId(id.0 & TypeId::MAX).descriptor_offset();
        // SAFETY: M4: an id has 24 bits by the mask, so the entry lies in the table, or reaches into the hot words
        // behind.
        TypeInfo(unsafe { &*self.base.offset(TYPE_TABLE_DISP as isize + offset as isize).cast::<TypeEntry>() })
    }

    /// A word of the reference map behind the descriptor of a type.
    pub fn ref_map_tail(self, id: TypeId, index: u32) -> u64 {
        let info = self.descriptor(id);
        assert!(index < info.ref_map_tail(), "type {id:?} has no such part of a map");
        let offset = id.descriptor_offset() + info.ref_map_tail_offset() + index as usize * 8;
        assert!(offset + 8 <= TYPE_TABLE_BYTES, "a map beyond the table");
        // SAFETY: M4 by the assertion; entries and their parts are aligned.
        let word = unsafe { AtomicU64::from_ptr(self.base.offset(TYPE_TABLE_DISP as isize + offset as isize).cast()) };
        word.load(Relaxed)
    }

    #[inline(always)]
    fn mark_at(&self, reference: u32) -> &AtomicU8 {
        // SAFETY: M2.
        unsafe { AtomicU8::from_ptr(self.marks.add((reference >> 2) as usize)) }
    }

    /// The mark byte of the object at `reference`.
    #[inline(always)]
    pub fn mark(self, reference: u32) -> u8 {
        self.mark_at(reference).load(Relaxed)
    }

    /// Writes the mark byte of the object at `reference`.
    #[inline(always)]
    pub fn set_mark(self, reference: u32, value: u8) {
        self.mark_at(reference).store(value, Relaxed)
    }

    /// Replaces the mark byte of the object at `reference` if it is `current` still; returns whether it was.
    #[inline]
    pub fn replace_mark(self, reference: u32, current: u8, new: u8) -> bool {
        self.mark_at(reference).compare_exchange(current, new, Relaxed, Relaxed).is_ok()
    }

    #[inline(always)]
    fn mark_group_at(&self, granule: u32) -> &AtomicU64 {
        let granule = granule & !31;
        // SAFETY: M2: eight marks at a multiple of eight.
        unsafe { AtomicU64::from_ptr(self.marks.add((granule >> 2) as usize).cast()) }
    }

    /// The eight mark bytes of the 128 bytes of heap around `granule`, the first one in the lowest byte. For who has
    /// the block.
    #[inline(always)]
    pub fn mark_group(self, granule: u32) -> u64 {
        u64::from_le(self.mark_group_at(granule).load(Relaxed))
    }

    /// Writes them.
    #[inline(always)]
    pub fn set_mark_group(self, granule: u32, marks: u64) {
        self.mark_group_at(granule).store(marks.to_le(), Relaxed)
    }

    /// Clears the marks of a block that starts at `start`. For who has it.
    pub fn clear_marks(self, start: u32) {
        let start = start & !(super::cage::BLOCK_REFS - 1);
        assert!(start <= self.last_word(), "block {start:#x} does not lie in the cage");
        // SAFETY: M2; the reach is a multiple of a block's size.
        unsafe {
            bulk::fill_words(self.marks.add((start >> 2) as usize), 0, super::cage::BLOCK_BYTES as usize / 16 / 4);
        }
    }

    #[inline(always)]
    fn chunk_state_at(&self, index: u32) -> &AtomicU8 {
        assert!((index as usize) < CHUNK_STATE_BYTES, "outside of the chunk states");
        // SAFETY: M2 by the assertion.
        unsafe { AtomicU8::from_ptr(self.base.offset(CHUNK_STATE_DISP as isize + index as isize)) }
    }

    /// A chunk state byte (index from `gc-abi::space::chunk_state_index`).
    #[inline(always)]
    pub fn chunk_state(self, index: u32) -> u8 {
        self.chunk_state_at(index).load(Relaxed)
    }

    /// Writes a chunk state byte.
    #[inline(always)]
    pub fn set_chunk_state(self, index: u32, value: u8) {
        self.chunk_state_at(index).store(value, Relaxed)
    }

    /// Whether any of `count` adjacent chunk states is set.
    #[inline]
    pub fn any_chunk_state(self, index: u32, count: u32) -> bool {
        let (mut at, end) = (index, index + count);
        let mut any = 0;
        while at < end && !at.is_multiple_of(8) {
            any |= self.chunk_state(at);
            at += 1;
        }
        let mut any_of_eight = 0;
        while end - at >= 8 {
            assert!(at as usize + 8 <= CHUNK_STATE_BYTES, "outside of the chunk states");
            // SAFETY: M2 by the assertion; the table is aligned to pages.
            let eight =
                unsafe { AtomicU64::from_ptr(self.base.offset(CHUNK_STATE_DISP as isize + at as isize).cast()) };
            any_of_eight |= eight.load(Relaxed);
            at += 8;
        }
        (at..end).fold(any, |any, at| any | self.chunk_state(at)) != 0 || any_of_eight != 0
    }

    /// The entry of a block of the table.
    #[inline(always)]
    pub fn block(&self, index: u32) -> Block<'_> {
        let index = index as usize % BLOCK_ENTRIES;
        // SAFETY: M2: the table is reserved for every index; fresh pages are zero, which is a valid entry.
        Block(unsafe { &*self.blocks.add(index) })
    }

    /// Asks for the cache line of a word.
    #[inline(always)]
    pub fn prefetch(self, index: u32) {
        prefetch(self.base.wrapping_add(index as usize * 4));
    }

    /// Asks for the cache line of a chunk state byte.
    #[inline(always)]
    pub fn prefetch_chunk_state(self, index: u32) {
        prefetch(self.base.wrapping_offset(CHUNK_STATE_DISP as isize + index as isize));
    }

    /// Copies an object of `bytes` (a multiple of 8, at least 16, at most a block) between places that do not overlap.
    #[inline(always)]
    pub fn copy_object(self, from: u32, to: u32, bytes: u32) {
        assert!(bytes <= OBJECT_BYTES_MAX, "an object of {bytes} bytes does not move");
        // SAFETY: M1: what is less than the guard from a word of the cage on is mapped for nobody else.
        unsafe { bulk::copy(self.address(to), self.address(from), bytes as usize) }
    }

    /// Copies an object of 16 to 32 bytes (a multiple of 4) between places that do not overlap: its first and last 16.
    /// If the type is not small, which is an error of ours, this copies other words of the cage.
    #[inline(always)]
    pub fn copy_small(self, from: u32, to: u32, bytes: u32) {
        debug_assert!((16..=32).contains(&bytes));
        let last = (bytes / 4).wrapping_sub(4);
        let (from_last, to_last) = (from.wrapping_add(last), to.wrapping_add(last));
        // SAFETY: M1: four indices of words, and the guard is larger than 16 bytes.
        unsafe { bulk::copy_pair(self.base, [from, from_last], [to, to_last]) }
    }

    /// Zeroes an object of `bytes` (a multiple of 8, at most a block).
    #[inline(always)]
    pub fn zero_object(self, start: u32, bytes: u32) {
        assert!(bytes <= OBJECT_BYTES_MAX, "an object of {bytes} bytes is not zeroed in one go");
        if bytes <= 128 && start.is_multiple_of(2) {
            for word in 0..bytes / 8 {
                // SAFETY: M1, as for `copy_object`; the place is a multiple of 8.
                let word = unsafe { AtomicU64::from_ptr(self.address(start).cast::<u64>().add(word as usize)) };
                word.store(0, Relaxed);
            }
            return;
        }
        // SAFETY: M1, as for `copy_object`.
        unsafe { bulk::fill_words(self.address(start), 0, bytes as usize / 4) }
    }

    /// Moves bytes inside the heap; the ranges may overlap. Panics unless they lie in the cage.
    #[inline]
    pub fn move_bytes(self, from: u64, to: u64, bytes: u64) {
        let (from, to) = (self.range(from, bytes), self.range(to, bytes));
        // SAFETY: M1.
        unsafe { bulk::copy(to, from, bytes as usize) }
    }

    /// Copies bytes of the heap out. Panics unless they lie in the cage.
    pub fn read_bytes(self, offset: u64, target: &mut [u8]) {
        let from = self.range(offset, target.len() as u64);
        // SAFETY: M1; the target is borrowed.
        unsafe { bulk::copy(target.as_mut_ptr(), from, target.len()) }
    }

    /// Copies bytes into the heap. Panics unless they lie in the cage.
    pub fn write_bytes(self, offset: u64, source: &[u8]) {
        let to = self.range(offset, source.len() as u64);
        // SAFETY: M1; the source is borrowed.
        unsafe { bulk::copy_in(to, source) }
    }

    /// Writes elements of `1 << shift` bytes (1 to 16), the low bits of `bits`, over `bytes` bytes from `offset` on.
    /// Panics unless they lie in the cage.
    pub fn fill_elements(self, offset: u64, bytes: u64, bits: u128, shift: u8) {
        let to = self.range(offset, bytes);
        let width = 1usize << shift.min(4);
        let element = &bits.to_le_bytes()[..width];
        if element.iter().all(|byte| *byte == element[0]) {
            // SAFETY: M1.
            return unsafe { bulk::fill_bytes(to, element[0], bytes as usize) };
        }
        let mut pattern = [0; FILL_BYTES];
        let pattern = &mut pattern[..FILL_BYTES.min(bytes as usize)];
        pattern.iter_mut().zip(element.iter().cycle()).for_each(|(to, from)| *to = *from);
        let mut done = 0;
        while done < bytes as usize {
            let len = pattern.len().min(bytes as usize - done);
            // SAFETY: M1; the pattern is ours.
            unsafe { bulk::copy_in(to.add(done), &pattern[..len]) };
            done += len;
        }
    }

    /// Writes `value` to `count` words from `index` on. Panics unless they lie in the cage.
    pub fn fill_words(self, index: u32, count: u32, value: u32) {
        let to = self.range(index as u64 * 4, count as u64 * 4);
        // SAFETY: M1.
        unsafe { bulk::fill_words(to, value, count as usize) }
    }
}

fn prefetch(at: *const u8) {
    // SAFETY: a prefetch of any address changes nothing.
    #[cfg(not(miri))]
    unsafe {
        _mm_prefetch::<_MM_HINT_T0>(at.cast());
    }
    #[cfg(miri)]
    let _ = at;
}

/// The place of a value that lies in the cage and is aligned to its size or to 4 bytes.
#[derive(Clone, Copy)]
pub struct CagePlace<'m>(*mut u8, std::marker::PhantomData<&'m AtomicU32>);

/// Integers that are read and written by atomic accesses of at most a word.
pub trait Plain: Copy + Sized {
    /// Reads one.
    fn load(place: CagePlace<'_>) -> Self;
    /// Writes one.
    fn store(self, place: CagePlace<'_>);
}

macro_rules! plain {
    ($($int:ty, $atomic:ty;)*) => {$(
        impl Plain for $int {
            #[inline(always)]
            fn load(place: CagePlace<'_>) -> $int {
                // SAFETY: a place of this size, and aligned to it.
                unsafe { <$atomic>::from_ptr(place.0.cast()) }.load(Relaxed)
            }

            #[inline(always)]
            fn store(self, place: CagePlace<'_>) {
                // SAFETY: a place of this size, and aligned to it.
                unsafe { <$atomic>::from_ptr(place.0.cast()) }.store(self, Release)
            }
        }
    )*};
}

plain! {
    u8, AtomicU8;
    u16, AtomicU16;
    u32, AtomicU32;
}

impl Plain for u64 {
    #[inline(always)]
    fn load(place: CagePlace<'_>) -> u64 {
        let high = CagePlace(place.0.wrapping_add(4), place.1);
        <u32 as Plain>::load(place) as u64 | (<u32 as Plain>::load(high) as u64) << 32
    }

    #[inline(always)]
    fn store(self, place: CagePlace<'_>) {
        (self as u32).store(place);
        ((self >> 32) as u32).store(CagePlace(place.0.wrapping_add(4), place.1));
    }
}

impl Plain for u128 {
    #[inline(always)]
    fn load(place: CagePlace<'_>) -> u128 {
        let high = CagePlace(place.0.wrapping_add(8), place.1);
        <u64 as Plain>::load(place) as u128 | (<u64 as Plain>::load(high) as u128) << 64
    }

    #[inline(always)]
    fn store(self, place: CagePlace<'_>) {
        (self as u64).store(place);
        ((self >> 64) as u64).store(CagePlace(place.0.wrapping_add(8), place.1));
    }
}

const _: () = assert!(REACH_BYTES == 1 << 34, "an index of a word is a u32");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw::block::BlockState;
    use std::panic::catch_unwind;
    use std::sync::Barrier;

    /// Words of a cage for tests that needs no system: it has words, marks and two blocks, and no tables below the
    /// base.
    const WORDS: usize = 256;

    fn with_memory(test: impl FnOnce(Memory)) {
        let mut words = vec![0u64; WORDS / 2];
        let mut marks = vec![0u64; WORDS / 8];
        let mut blocks = vec![0u32; 2 * size_of::<BlockEntry>() / 4];
        let last_word = AtomicU32::new(WORDS as u32 - 1);
        test(Memory {
            base: words.as_mut_ptr().cast(),
            marks: marks.as_mut_ptr().cast(),
            blocks: blocks.as_mut_ptr().cast(),
            last_word: &raw const last_word,
        });
        drop((words, marks, blocks));
    }

    #[test]
    fn values_are_those_of_their_bytes_and_lie_in_the_cage() {
        with_memory(|memory| {
            memory.store(16, 0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10u128);
            assert_eq!((memory.load::<u8>(16), memory.load::<u16>(18), memory.word(4)), (0x10, 0x0d0e, 0x0d0e_0f10));
            assert_eq!((memory.load::<u64>(20), memory.load::<u128>(16) as u32), (0x0506_0708_090a_0b0c, 0x0d0e_0f10));
            let end = WORDS as u64 * 4;
            let misplaced: [(&str, &(dyn Fn() + std::panic::RefUnwindSafe)); 10] = [
                ("a word behind the reach", &|| assert!(memory.load::<u32>(REACH_BYTES) < 9)),
                ("a word at 2^63", &|| assert!(memory.load::<u32>(1 << 63) < 9)),
                ("a u16 at an odd place", &|| assert!(memory.load::<u16>(17) < 9)),
                ("a u64 at an odd place", &|| memory.store(18, 1u64)),
                ("a byte behind the reach", &|| memory.store(REACH_BYTES, 1u8)),
                ("a move from behind the end", &|| memory.move_bytes(end - 8, 0, 9)),
                ("a move to behind the end", &|| memory.move_bytes(0, end - 8, 9)),
                ("a fill", &|| memory.fill_words(WORDS as u32 - 1, 2, 0)),
                ("a length that wraps", &|| memory.move_bytes(8, 0, u64::MAX)),
                ("elements", &|| memory.fill_elements(end - 3, 4, 1, 0)),
            ];
            for (what, access) in misplaced {
                assert!(catch_unwind(access).is_err(), "{what} is accepted");
            }
            for disp in [0, 4, -2, -(HOT_AREA_BYTES as i32) - 4, i32::MIN] {
                assert!(catch_unwind(|| memory.hot(disp)).is_err(), "{disp} is taken for a hot word");
            }
            for index in [CHUNK_STATE_BYTES as u32, u32::MAX] {
                assert!(catch_unwind(|| memory.chunk_state(index)).is_err(), "chunk state {index:#x}");
            }
        });
    }

    #[test]
    fn fills_repeat_their_elements() {
        with_memory(|memory| {
            let bits = 0x1112_1314_1516_1718_191a_1b1c_1d1e_1f20u128;
            for shift in 0..=4u8 {
                for elements in 0..if cfg!(miri) { 3 } else { 512 >> shift } {
                    memory.fill_words(0, WORDS as u32, 0xffff_ffff);
                    let bytes = elements << shift;
                    memory.fill_elements(16, bytes, bits, shift);
                    let mut all = [0; WORDS * 4];
                    memory.read_bytes(0, &mut all);
                    let element = &bits.to_le_bytes()[..1 << shift];
                    let expected = |at: usize| {
                        if at < 16 || at >= 16 + bytes as usize { 0xff } else { element[at % (1 << shift)] }
                    };
                    assert!(
                        (0..all.len()).all(|at| all[at] == expected(at)),
                        "{elements} elements of {} bytes",
                        1 << shift
                    );
                }
            }
        });
    }

    /// Threads with copies of one `Memory` use the same words, marks and entries: whatever they find, nothing is
    /// undefined, and who acquires a published word sees what was written before.
    #[test]
    fn copies_in_several_threads_share_everything() {
        let rounds = if cfg!(miri) { 8 } else { 2000 };
        with_memory(|memory| {
            let start = Barrier::new(2);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    start.wait();
                    for round in 1..=rounds {
                        let (entry, other) = (memory.block(0), memory.block(0));
                        entry.clear();
                        other.set_epoch(round as u8);
                        entry.set_state(BlockState::Small);
                        memory.store(64, round as u64);
                        memory.set_mark(32, round as u8);
                        memory.set_word(8, round);
                    }
                });
                start.wait();
                let mut seen = 0;
                while seen < rounds {
                    seen = memory.word_acquire(8);
                    assert!(memory.load::<u32>(64) >= seen, "a word was published before what it names");
                    let entry = memory.block(0);
                    let _seen = (entry.state(), entry.epoch(), entry.is_overflowed());
                    entry.add_marked(8);
                    let _replaced = memory.replace_mark(32, 0, 1);
                    std::hint::spin_loop();
                }
            });
        });
    }
}
