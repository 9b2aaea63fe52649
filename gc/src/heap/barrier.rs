//! The one write barrier. Operations on whole ranges of arrays (`ranges`) use it too.
//!
//! 1. A store of a reference into an object whose header has UNLOGGED comes here: the object is entered in the log
//!    and the bit cleared, so that its next store does not. Young and immortal objects never have the bit.
//! 2. A reference array above 256 bytes keeps the bit: its chunk of 128 bytes is logged instead, once, as a state
//!    byte beside the heap tells.
//! 3. Compiled code lets stores of null, old objects and i31 pass without an entry, and leaves the bit as it is, since
//!    minors have nothing to find there: as long as the barrier is *open* (`hot::BARRIER_FLOOR`). While a marking runs,
//!    or edges into blocks that are to be evacuated are recorded, or objects are frozen, it is closed. It opens with a
//!    minor, so it may be closed for longer than need be, never shorter.
//! 4. While the barrier is open, compiled code enters first stores of young objects in a buffer (`hot::LOG_BUFFER`) and
//!    clears the bit, or sets the chunk's state, by itself; the host's stores do the same. It comes here when the
//!    buffer is full. Whatever looks at the log takes the buffer over before.
//! 5. When the log is full, the next allocation collects and `wants_collection` asks for a poll.
//! 6. What comes here is logged whatever is stored. While a marking runs, what is about to be overwritten is shaded
//!    here: all fields of an object or chunk when it is logged, and each element that a copy or a fill overwrites.

use super::Heap;
use crate::minor::remembered::{CHUNK_REFS, enter_object, mark_chunk};
use crate::raw::object::{ObjectReference, is_old, is_young, ref_count};
use crate::spaces::blocks::block_of;
use heapwood_gc_abi::header::UNLOGGED;
use heapwood_gc_abi::space::CHUNKED_ARRAY_BYTES_MIN;
use heapwood_gc_abi::{Mutant, ObjectKind, RawRef, TypeId, active};

impl Heap {
    /// Whether compiled code has to call the runtime at the first store into each object, since what is overwritten or
    /// where the new reference leads must be recorded.
    pub(super) fn wants_all_stores(&self) -> bool {
        self.marking.is_on() || self.evacuation.is_chosen() || self.frozen.is_on()
    }

    /// Every first store has to come here from now on.
    pub(super) fn close_barrier(&mut self) {
        if !active(Mutant::BarrierOpenWhileMarking) {
            self.spaces.close_barrier();
        }
    }

    /// The barrier's slow path for `struct.set`: `host` has UNLOGGED. Call it before the store. Never collects; ask
    /// `wants_collection` afterwards.
    pub fn log(&mut self, host: RawRef) {
        let object = ObjectReference(host);
        let header = self.spaces.memory().header(object);
        debug_assert!(header & UNLOGGED != 0, "{host:#x} is not waiting to be logged");
        self.take_log_buffer();
        self.spaces.memory().set_header(object, header & !UNLOGGED);
        self.snapshot_object(object);
        self.write_frozen(object);
        if self.skips_log() {
            return;
        }
        let memory = self.spaces.memory();
        self.remembered.add_object(Some(self.spaces.cage_mut()), memory, object, header);
        self.after_log();
    }

    /// Takes over what compiled code has entered in the log, before somebody reads it.
    #[inline]
    fn take_log_buffer(&mut self) {
        let memory = self.spaces.memory();
        self.remembered.take_over(self.spaces.cage_mut(), memory);
    }

    /// Whether the log was lost, once all is in it that was entered: asked before the log is read.
    pub(super) fn is_log_lost(&mut self) -> bool {
        self.take_log_buffer();
        self.remembered.log().is_lost()
    }

    /// The barrier's slow path for `array.set`: `host` has UNLOGGED. Call it before the store. Small arrays are
    /// logged whole, others by chunk (then the bit stays set). Never collects.
    pub fn log_array_element(&mut self, host: RawRef, index: u32) {
        if self.logs_chunks(host) {
            self.take_log_buffer();
            self.log_chunk(host, index / CHUNK_REFS);
            self.after_log();
        } else {
            self.log(host);
        }
    }

    /// Logs all of an object that was allocated since the last collection and holds null references only, if it is old
    /// and has any: references may be stored into it without the barrier until something may collect. They need no
    /// snapshot, since there is nothing to overwrite; the next minor promotes what they name and records those that
    /// lead into blocks that are to be evacuated. Never collects; ask `wants_collection` afterwards.
    pub fn log_fresh(&mut self, object: RawRef) {
        let fresh = ObjectReference(object);
        let header = self.spaces.memory().header(fresh);
        let references = ref_count(self.spaces.memory(), fresh, self.spaces.descriptor(TypeId::of_header(header)));
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
        let (memory, id) = (self.spaces.memory(), self.type_of(fresh.0));
        memory.each_slot(fresh, id, memory.descriptor(id), |slot| {
            debug_assert_eq!(memory.slot(slot), 0, "{:#x} holds references already", fresh.0);
        });
    }

    /// Whether a reference array logs chunks rather than itself.
    pub(super) fn logs_chunks(&self, array: RawRef) -> bool {
        debug_assert_eq!(self.descriptor_of(array).kind(), ObjectKind::ArrayRef);
        self.spaces.memory().array_length(ObjectReference(array)) > (CHUNKED_ARRAY_BYTES_MIN - 8) / 4
    }

    pub(super) fn log_chunk(&mut self, array: RawRef, chunk: u32) {
        let memory = self.spaces.memory();
        if !mark_chunk(memory, array, chunk) {
            return;
        }
        let end = (chunk * CHUNK_REFS + CHUNK_REFS).min(memory.array_length(ObjectReference(array)));
        self.snapshot_elements(array, chunk * CHUNK_REFS, end);
        self.write_frozen(ObjectReference(array));
        if !self.skips_log() {
            self.remembered.add_chunk(Some(self.spaces.cage_mut()), array, chunk);
        }
    }

    /// An old object is about to be written: one that is frozen is listed for markings.
    #[inline]
    fn write_frozen(&mut self, object: ObjectReference) {
        let memory = self.spaces.memory();
        if !self.frozen.write(self.spaces.cage_mut(), memory, object) {
            self.remembered.lose();
        }
    }

    /// Whether every store into an array has to be logged, whatever is stored: it is frozen.
    #[inline]
    pub(super) fn is_frozen(&self, array: RawRef) -> bool {
        self.frozen.is_on() && is_old(array) && self.spaces.memory().block(block_of(array)).is_frozen()
    }

    /// Tells that the next minor has `slots` more roots outside of frames to look at: they count as fields of the log,
    /// so that a collection comes before they are too many. Never collects.
    pub fn remember_roots(&mut self, slots: u64) {
        self.remembered.add_roots(slots);
        self.after_log();
    }

    /// Whether a reference is to an object that the next minor may move.
    #[inline]
    pub fn is_young(&self, reference: RawRef) -> bool {
        is_young(reference)
    }

    pub(super) fn after_log(&mut self) {
        if self.remembered.has_filled_up() {
            self.spaces.set_limit(0);
        }
    }

    #[cfg(not(feature = "test-hooks"))]
    fn skips_log(&self) -> bool {
        false
    }

    /// The barrier of a struct's field.
    #[inline]
    pub(super) fn barrier(&mut self, host: RawRef) {
        let (memory, object) = (self.spaces.memory(), ObjectReference(host));
        if memory.header(object) & UNLOGGED != 0
            && !active(Mutant::FieldWriteNotLogged)
            && !enter_object(memory, object)
        {
            self.log(host);
        }
    }

    /// The barrier of an array's element.
    #[inline]
    pub(super) fn barrier_element(&mut self, host: RawRef, index: u32) {
        if self.spaces.memory().header(ObjectReference(host)) & UNLOGGED != 0 && !active(Mutant::ElementWriteNotLogged)
        {
            self.log_array_element(host, index);
        }
    }

    /// The snapshot of an object's fields, before its first store since the last collection.
    #[inline]
    fn snapshot_object(&mut self, object: ObjectReference) {
        if self.marking.is_on() && !self.is_new(object.0) && !active(Mutant::FirstStoreNotShaded) {
            let memory = self.spaces.memory();
            let id = TypeId::of_header(memory.header(object));
            memory.each_slot(object, id, memory.descriptor(id), |slot| self.shade(memory.slot(slot)));
        }
    }

    /// The snapshot of elements of a reference array that are about to be overwritten.
    #[inline]
    pub(super) fn snapshot_elements(&mut self, array: RawRef, start: u32, end: u32) {
        if self.marking.is_on() && is_old(array) && !self.is_new(array) {
            let memory = self.spaces.memory();
            memory.each_element_slot(ObjectReference(array), start, end, |slot| self.shade(memory.slot(slot)));
        }
    }

    /// Whether an old object is newer than the marking under way: its fields are no part of the snapshot.
    fn is_new(&self, object: RawRef) -> bool {
        self.spaces.memory().block(block_of(object)).epoch() == self.spaces.epoch()
    }
}
