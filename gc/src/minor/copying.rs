//! Copying one young object, and what follows from it: the inner loop of a minor.
//!
//! 1. `evacuate` answers with the new place of a young object; it copies the object unless that was done before.
//! 2. An object of eden ages if it is referenced by a frame or a young object and the survivor space has room.
//!    Everything else is promoted, and all of it (`AGE` is false) before recent frames are looked at.
//! 3. A copy of up to 32 bytes is scanned at once, while its words are at hand: each young one becomes an [`Edge`].
//!    Leaves push nothing, and no copy is read again. The first field's edge is on top, so the order of copies is that
//!    of a program that walks its fields in order, and that of the marker.
//! 4. Larger copies, and small ones when the stack of edges is full, go to the stack of objects, which has room for
//!    every object of the nursery.
//! 5. `follow_edges` takes edges until there are none. Its state is in registers, which is what its speed depends on;
//!    anything but a small object that fits the current ranges takes the general path. A promoted object whose edge
//!    leads to an aged one is logged.

use super::Minor;
use super::remembered::mark_object;
use crate::evacuation::incoming::Recorder;
use crate::raw::cage::OLD_START;
use crate::raw::edges::{Edge, EdgeStack};
use crate::raw::object::{ObjectReference, is_young};
use crate::spaces::nursery::EDEN_START;
use heapwood_gc_abi::header::{AGED, FORWARDED, UNLOGGED};
use heapwood_gc_abi::space::FRESH_ARRAY_BYTES_MAX;
use heapwood_gc_abi::{Mutant, ObjectKind, RawRef, TypeId, active};

impl Minor<'_> {
    /// The new place of a young object; it ages only if `may_age`.
    #[inline(always)]
    pub fn evacuate<const AGE: bool>(&mut self, reference: RawRef, may_age: bool) -> RawRef {
        let header = self.memory.header(ObjectReference(reference));
        if header & FORWARDED != 0 {
            return header & !FORWARDED;
        }
        self.copy::<AGE>(reference, header, may_age)
    }

    /// Copies an object of any kind and size.
    #[inline(never)]
    fn copy<const AGE: bool>(&mut self, reference: RawRef, header: u32, may_age: bool) -> RawRef {
        if reference < EDEN_START && self.is_in_to_space(reference) {
            // A root is visited twice: the reference names a copy already.
            return reference;
        }
        let (memory, object) = (self.memory, ObjectReference(reference));
        let descriptor = memory.descriptor(TypeId::of_header(header));
        let bytes = memory.object_bytes(object, descriptor) as u32;
        let may_age = may_age && reference >= EDEN_START && bytes <= FRESH_ARRAY_BYTES_MAX;
        let aged = if may_age { self.to.take(bytes) } else { None };
        let to = ObjectReference(aged.unwrap_or_else(|| self.promote(bytes)));
        memory.copy_object(reference, to.0, bytes);
        memory.set_header(to, header & !AGED | if aged.is_some() { AGED } else { UNLOGGED });
        memory.forward(object, to);
        self.work.copied_objects += 1;
        if aged.is_none() && self.incoming.is_on() {
            self.incoming.record_object(memory, to, TypeId::of_header(header), Recorder::Promotion);
        }
        if descriptor.is_small() && self.edges.push_young::<AGE>(memory, reference, to.0, descriptor.small_refs()) {
            return to.0;
        }
        let is_array = descriptor.kind() == ObjectKind::ArrayRef && !active(Mutant::PromotedArrayNotScanned);
        if descriptor.ref_count() != 0 || is_array {
            self.stack.push(to.0);
        }
        to.0
    }

    #[inline(always)]
    fn promote(&mut self, bytes: u32) -> u32 {
        self.work.promoted_bytes += bytes as u64;
        self.promoted.take(bytes).unwrap_or_else(|| {
            let object = self.old.allocate_from(&mut self.promoted, bytes);
            object.expect("the reserve of ready blocks covers the nursery").0
        })
    }

    #[inline(always)]
    fn is_in_to_space(&self, reference: RawRef) -> bool {
        reference.wrapping_sub(self.to_start) < self.to.cursor() - self.to_start
    }

    /// Copies everything that is reached over edges.
    #[inline(always)]
    pub fn follow_edges<const AGE: bool>(&mut self) {
        if self.incoming.is_on() { self.follow::<AGE, true>() } else { self.follow::<AGE, false>() }
    }

    /// `RECORDS`: words of promoted objects that lead into blocks to be evacuated are recorded.
    #[inline(never)]
    fn follow<const AGE: bool, const RECORDS: bool>(&mut self) {
        let memory = self.memory;
        let (mut edges, mut to_space, mut promoted) = (std::mem::take(&mut self.edges), self.to, self.promoted);
        let (mut promoted_bytes, mut objects) = (0, 0);
        while let Some(edge @ Edge { slot, young: reference, .. }) = edges.pop::<AGE>() {
            let object = ObjectReference(reference);
            let header = memory.header(object);
            if header & FORWARDED != 0 {
                let to = header & !FORWARDED;
                memory.set_word(slot, to);
                if AGE && is_young(to) && is_in_old_space(slot) && !active(Mutant::EdgeToAgedNotLogged) {
                    self.log_whole(ObjectReference(slot - edge.word));
                }
                continue;
            }
            let descriptor = memory.descriptor(TypeId::of_header(header));
            let bytes = descriptor.size();
            let may_age = AGE && reference >= EDEN_START && !is_in_old_space(slot);
            let ages = may_age && to_space.has_room(bytes);
            if !descriptor.is_small() || !(ages || promoted.has_room(bytes)) || edges.room() < EdgeStack::AT_ONCE {
                (self.edges, self.to, self.promoted) = (edges, to_space, promoted);
                let to = self.copy::<AGE>(reference, header, may_age);
                (edges, to_space, promoted) = (std::mem::take(&mut self.edges), self.to, self.promoted);
                memory.set_word(slot, to);
                continue;
            }
            objects += 1;
            let (start, state) = if ages {
                (to_space.take_unchecked(bytes), AGED)
            } else {
                promoted_bytes += bytes as u64;
                (promoted.take_unchecked(bytes), UNLOGGED)
            };
            let to = ObjectReference(start);
            memory.copy_small(reference, to.0, bytes);
            memory.set_header(to, header & !AGED | state);
            memory.forward(object, to);
            memory.set_word(slot, to.0);
            if RECORDS && !ages {
                self.incoming.record_object(memory, to, TypeId::of_header(header), Recorder::Promotion);
            }
            let pushed = edges.push_young::<AGE>(memory, reference, to.0, descriptor.small_refs());
            debug_assert!(pushed);
        }
        (self.edges, self.to, self.promoted) = (edges, to_space, promoted);
        self.work.copied_objects += objects;
        self.work.promoted_bytes += promoted_bytes;
    }

    /// Logs an object that is to be logged as a whole, unless it is.
    #[cold]
    pub fn log_whole(&mut self, object: ObjectReference) {
        if let Some(header) = mark_object(self.memory, object) {
            self.remembered.add_object(None, self.memory, object, header);
        }
    }
}

/// Whether a word lies in the old space, given that it lies there or in the nursery.
#[inline(always)]
fn is_in_old_space(slot: u32) -> bool {
    slot >= (OLD_START / 4) as u32
}
