//! Operations on whole ranges of arrays, with the barrier, and roots of which minors are not told.

use super::Heap;
use crate::minor::remembered::{CHUNK_REFS, is_chunk_logged};
use crate::raw::object::{ObjectReference, is_young};
use heapwood_gc_abi::header::UNLOGGED;
use heapwood_gc_abi::space::chunk_state_index;
use heapwood_gc_abi::{Mutant, ObjectKind, RawRef, active};

/// Chunks above which a fill with a young value should be preceded by a promote-all.
const FILL_CHUNKS_MAX: u32 = 64;

impl Heap {
    /// The barrier of the elements `start..end`; `wanted` says for which chunks it is needed.
    fn barrier_range(&mut self, host: RawRef, start: u32, end: u32, wanted: impl Fn(&Heap, u32, u32) -> bool) {
        if start >= end || self.spaces.memory().header(ObjectReference(host)) & UNLOGGED == 0 {
            return;
        }
        if !self.logs_chunks(host) {
            if wanted(self, start, end) {
                self.log(host);
            }
            return;
        }
        for chunk in start / CHUNK_REFS..end.div_ceil(CHUNK_REFS) {
            let (from, to) = (start.max(chunk * CHUNK_REFS), end.min((chunk + 1) * CHUNK_REFS));
            if wanted(self, from, to) {
                self.log_chunk(host, chunk);
            }
        }
        self.after_log();
    }

    /// Whether a range of a source array certainly holds no young references: a quick look for whole copies.
    fn is_clean(&self, source: RawRef, start: u32, end: u32) -> bool {
        if is_young(source) || start == end {
            return start == end;
        }
        if !self.logs_chunks(source) {
            return self.spaces.memory().header(ObjectReference(source)) & UNLOGGED != 0;
        }
        let (first, last) = (start / CHUNK_REFS, (end - 1) / CHUNK_REFS);
        !self.spaces.memory().any_chunk_state(chunk_state_index(source, first), last - first + 1)
    }

    /// Whether elements of a source array may be young: it is young itself, or they are logged.
    fn may_hold_young(&self, source: RawRef, start: u32, end: u32) -> bool {
        if is_young(source) {
            return true;
        }
        if !self.logs_chunks(source) {
            // The bit is clear if the array is logged, or immortal; an immortal one references immortals only.
            return self.spaces.memory().header(ObjectReference(source)) & UNLOGGED == 0;
        }
        (start / CHUNK_REFS..end.div_ceil(CHUNK_REFS)).any(|chunk| is_chunk_logged(self.spaces.memory(), source, chunk))
    }

    /// Copies elements between arrays of the same element size (they may be one and overlap). Bounds were checked by
    /// the caller; out of bounds panics. References: a destination chunk is logged only if its source may hold young
    /// references. Never collects; pieces of at most 64 KiB between polls are the caller's business.
    pub fn array_copy(&mut self, to: RawRef, to_index: u32, from: RawRef, from_index: u32, length: u32) {
        let (source, bytes) = self.element_range(from, from_index, length);
        let (target, target_bytes) = self.element_range(to, to_index, length);
        assert_eq!(bytes, target_bytes, "arrays of different element sizes");
        let is_ref = self.descriptor_of(to).kind() == ObjectKind::ArrayRef;
        if is_ref && !active(Mutant::CopyNotShaded) {
            self.snapshot_elements(to, to_index, to_index + length);
        }
        let is_frozen = is_ref && self.is_frozen(to) && !active(Mutant::FrozenCopyNotLogged);
        let is_clean = |heap: &Heap| !is_frozen && heap.is_clean(from, from_index, from_index + length);
        if is_ref && !is_clean(self) && !active(Mutant::CopyNotLogged) {
            self.barrier_range(to, to_index, to_index + length, |heap, start, end| {
                let shift = |index: u32| index - to_index + from_index;
                is_frozen || heap.may_hold_young(from, shift(start), shift(end))
            });
        }
        self.spaces.memory().move_bytes(source, target, bytes);
        if is_ref && !active(Mutant::CopyNotRecorded) {
            self.record_range(to, to_index, to_index + length);
        }
    }

    /// Whether a promote-all should come before a fill, so that it need not log thousands of chunks: the value is
    /// young and the array old and large. Both references must be rooted and reloaded then.
    pub fn fill_wants_promotion(&self, array: RawRef, length: u32, value: RawRef) -> bool {
        is_young(value) && !is_young(array) && length / CHUNK_REFS > FILL_CHUNKS_MAX
    }

    /// Fills elements of a reference array. Never collects (see `fill_wants_promotion`).
    pub fn array_fill_ref(&mut self, array: RawRef, index: u32, length: u32, value: RawRef) {
        debug_assert_eq!(self.descriptor_of(array).kind(), ObjectKind::ArrayRef);
        let (start, _) = self.element_range(array, index, length);
        if !active(Mutant::FillNotShaded) {
            self.snapshot_elements(array, index, index + length);
        }
        let is_wanted = is_young(value) && !active(Mutant::FillNotLogged) || self.is_frozen(array);
        self.barrier_range(array, index, index + length, |_, _, _| is_wanted);
        self.spaces.memory().fill_words((start / 4) as u32, length, value);
        self.record_range(array, index, index + length);
    }

    /// Fills elements of a numeric array with the low bits of `bits`.
    pub fn array_fill_bits(&mut self, array: RawRef, index: u32, length: u32, bits: u128) {
        assert_eq!(self.descriptor_of(array).kind(), ObjectKind::ArrayData, "{array:#x} is no array of numbers");
        let (start, bytes) = self.element_range(array, index, length);
        self.spaces.memory().fill_elements(start, bytes, bits, self.descriptor_of(array).elem_shift());
    }

    /// Writes the bytes of a data segment over elements of a numeric array, from element `index` on.
    pub fn array_init_bytes(&mut self, array: RawRef, index: u32, bytes: &[u8]) {
        self.array_write_bytes(array, index, bytes);
    }

    /// Records words that lead into blocks to be evacuated, after elements were written to an array that may not be
    /// logged.
    #[inline]
    fn record_range(&mut self, array: RawRef, start: u32, end: u32) {
        self.evacuation.record_range(self.spaces.memory(), array, start, end);
    }

    /// A root outside of frames now holds `reference`, and no minor will be shown it for that. No effect unless blocks
    /// are to be evacuated. Never collects.
    #[inline]
    pub fn root_written(&mut self, reference: RawRef) {
        if !active(Mutant::RootWrittenNotTold) {
            self.evacuation.window_of_roots().drop_block_of(self.spaces.memory(), reference);
        }
    }

    /// Roots outside of frames now hold `references`, and no minor will be shown them for that. No effect unless blocks
    /// are to be evacuated. Never collects.
    #[inline]
    pub fn roots_written(&mut self, references: &[RawRef]) {
        self.evacuation.roots_written(self.spaces.memory(), references);
    }
}
