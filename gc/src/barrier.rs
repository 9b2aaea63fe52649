//! The one write barrier, and the operations on whole ranges of arrays.
//!
//! 1. A store of a reference into an object whose header has UNLOGGED comes here: the object is entered in the log
//!    and the bit cleared, so that its next store does not. Young and immortal objects never have the bit.
//! 2. A reference array above 256 bytes keeps the bit: its chunk of 128 bytes is logged instead, once, as a state
//!    byte beside the heap tells.
//! 3. When the log is full, the next allocation collects and `wants_collection` asks for a poll.
//! 4. The values stored do not matter. While a marking runs, what is about to be overwritten is shaded here: all fields
//!    of an object or chunk when it is logged, and each element that a copy or a fill overwrites.

use crate::heap::Heap;
use crate::log::{CHUNK_WEIGHT, LogEntry};
use crate::minor::CHUNK_REFS;
use crate::raw::object::{ObjectReference, is_young, ref_count};
use heapwood_gc_abi::header::UNLOGGED;
use heapwood_gc_abi::space::{CHUNKED_ARRAY_BYTES_MIN, chunk_state_bit, chunk_state_index};
use heapwood_gc_abi::{Mutant, ObjectKind, RawRef, TypeId, active};

/// Chunks above which a fill with a young value should be preceded by a promote-all.
const FILL_CHUNKS_MAX: u32 = 64;

impl Heap {
    /// The barrier's slow path for `struct.set`: `host` has UNLOGGED. Call it before the store. Never collects; ask
    /// `wants_collection` afterwards.
    pub fn log(&mut self, host: RawRef) {
        let object = ObjectReference(host);
        let header = self.memory.header(object);
        debug_assert!(header & UNLOGGED != 0, "{host:#x} is not waiting to be logged");
        self.memory.set_header(object, header & !UNLOGGED);
        self.snapshot_object(object);
        if self.skips_log() {
            return;
        }
        let descriptor = self.memory.descriptor(TypeId::of_header(header));
        let fields = ref_count(self.memory, object, descriptor) as u64;
        self.log.push(Some(&mut self.cage), LogEntry { host, chunk: None }, fields);
        self.after_log();
    }

    /// The barrier's slow path for `array.set`: `host` has UNLOGGED. Call it before the store. Small arrays are
    /// logged whole, others by chunk (then the bit stays set). Never collects.
    pub fn log_array_element(&mut self, host: RawRef, index: u32) {
        if self.logs_chunks(host) {
            self.log_chunk(host, index / CHUNK_REFS);
            self.after_log();
        } else {
            self.log(host);
        }
    }

    /// Logs all of an object that was allocated since the last collection and holds null references only, if it is old and
    /// has any: references may be stored into it without the barrier until something may collect. They need no snapshot,
    /// since there is nothing to overwrite; the next minor promotes what they name and notes those that lead into
    /// blocks that are to be emptied. Never collects; ask `wants_collection` afterwards.
    pub fn log_fresh(&mut self, object: RawRef) {
        let fresh = ObjectReference(object);
        let header = self.memory.header(fresh);
        let references = ref_count(self.memory, fresh, self.memory.descriptor(TypeId::of_header(header)));
        if header & UNLOGGED == 0 || references == 0 || active(Mutant::FreshObjectNotLogged) {
            return;
        }
        #[cfg(debug_assertions)]
        self.assert_empty(fresh);
        if self.descriptor_of(object).kind() != ObjectKind::ArrayRef || !self.logs_chunks(object) {
            return self.log(object);
        }
        let chunks = if active(Mutant::FreshArrayLoggedInPart) { 1 } else { references.div_ceil(CHUNK_REFS) };
        for chunk in 0..chunks {
            self.log_chunk(object, chunk);
        }
        self.after_log();
    }

    #[cfg(debug_assertions)]
    fn assert_empty(&self, fresh: ObjectReference) {
        let (memory, id) = (self.memory, self.type_of(fresh.0));
        memory.each_slot(fresh, id, memory.descriptor(id), |slot| {
            debug_assert_eq!(memory.slot(slot), 0, "{:#x} holds references already", fresh.0);
        });
    }

    /// Whether a reference array logs chunks rather than itself.
    fn logs_chunks(&self, array: RawRef) -> bool {
        debug_assert_eq!(self.descriptor_of(array).kind(), ObjectKind::ArrayRef);
        self.memory.array_length(ObjectReference(array)) > (CHUNKED_ARRAY_BYTES_MIN - 8) / 4
    }

    fn log_chunk(&mut self, array: RawRef, chunk: u32) {
        let (index, bit) = (chunk_state_index(array, chunk), chunk_state_bit(chunk));
        let state = self.memory.chunk_state(index);
        if state & bit != 0 {
            return;
        }
        self.memory.set_chunk_state(index, state | bit);
        let end = (chunk * CHUNK_REFS + CHUNK_REFS).min(self.memory.array_length(ObjectReference(array)));
        self.snapshot_elements(array, chunk * CHUNK_REFS, end);
        if !self.skips_log() {
            let entry = LogEntry { host: array, chunk: Some(chunk) };
            self.log.push(Some(&mut self.cage), entry, CHUNK_WEIGHT);
        }
    }

    fn is_chunk_logged(&self, array: RawRef, chunk: u32) -> bool {
        self.memory.chunk_state(chunk_state_index(array, chunk)) & chunk_state_bit(chunk) != 0
    }

    /// Tells that the next minor has `slots` more roots outside of frames to look at: they count as fields of the log, so
    /// that a collection comes before they are too many. Never collects.
    pub fn remember_roots(&mut self, slots: u64) {
        self.log.add_roots(slots);
        self.after_log();
    }

    /// Whether a reference is to an object that the next minor may move.
    pub fn is_young(&self, reference: RawRef) -> bool {
        is_young(reference)
    }

    fn after_log(&mut self) {
        if self.log.is_full() && !self.wants_collection && !active(Mutant::FullLogNotTold) {
            self.wants_collection = true;
            self.set_limit(0);
        }
    }

    #[cfg(not(feature = "test-hooks"))]
    fn skips_log(&self) -> bool {
        false
    }

    /// The barrier of a struct's field.
    #[inline]
    pub(crate) fn barrier(&mut self, host: RawRef) {
        if self.memory.header(ObjectReference(host)) & UNLOGGED != 0 && !active(Mutant::FieldWriteNotLogged) {
            self.log(host);
        }
    }

    /// The barrier of an array's element.
    #[inline]
    pub(crate) fn barrier_element(&mut self, host: RawRef, index: u32) {
        if self.memory.header(ObjectReference(host)) & UNLOGGED != 0 && !active(Mutant::ElementWriteNotLogged) {
            self.log_array_element(host, index);
        }
    }

    /// The barrier of the elements `start..end`; `wanted` says of which chunk's elements it matters.
    fn barrier_range(&mut self, host: RawRef, start: u32, end: u32, wanted: impl Fn(&Heap, u32, u32) -> bool) {
        if start >= end || self.memory.header(ObjectReference(host)) & UNLOGGED == 0 {
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
            return self.memory.header(ObjectReference(source)) & UNLOGGED != 0;
        }
        let (first, last) = (start / CHUNK_REFS, (end - 1) / CHUNK_REFS);
        !self.memory.any_chunk_state(chunk_state_index(source, first), last - first + 1)
    }

    /// Whether elements of a source array may be young: it is young itself, or they are logged.
    fn may_hold_young(&self, source: RawRef, start: u32, end: u32) -> bool {
        if is_young(source) {
            return true;
        }
        if !self.logs_chunks(source) {
            // Logged, or never waiting to be (immortal ones reference immortals only).
            return self.memory.header(ObjectReference(source)) & UNLOGGED == 0;
        }
        (start / CHUNK_REFS..end.div_ceil(CHUNK_REFS)).any(|chunk| self.is_chunk_logged(source, chunk))
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
        if is_ref && !self.is_clean(from, from_index, from_index + length) && !active(Mutant::CopyNotLogged) {
            self.barrier_range(to, to_index, to_index + length, |heap, start, end| {
                let shift = |index: u32| index - to_index + from_index;
                heap.may_hold_young(from, shift(start), shift(end))
            });
        }
        self.memory.move_bytes(source, target, bytes);
        if is_ref && !active(Mutant::CopyNotNoted) {
            self.note_range(to, to_index, to_index + length);
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
        self.barrier_range(array, index, index + length, |_, _, _| is_young(value) && !active(Mutant::FillNotLogged));
        self.memory.fill_words((start / 4) as u32, length, value);
        self.note_range(array, index, index + length);
    }

    /// Fills elements of a numeric array with the low bits of `bits`.
    pub fn array_fill_bits(&mut self, array: RawRef, index: u32, length: u32, bits: u128) {
        assert_eq!(self.descriptor_of(array).kind(), ObjectKind::ArrayData, "{array:#x} is no array of numbers");
        let (start, bytes) = self.element_range(array, index, length);
        self.memory.fill_elements(start, bytes, bits, self.descriptor_of(array).elem_shift());
    }

    /// Writes the bytes of a data segment over elements of a numeric array, from element `index` on.
    pub fn array_init_bytes(&mut self, array: RawRef, index: u32, bytes: &[u8]) {
        self.array_write_bytes(array, index, bytes);
    }
}
