//! Marking and evacuation in one walk of the whole heap, while the guest stands still: compactions, and the repair of
//! a lost log.
//!
//! An object in a block that is being emptied is copied to a ready block, as long as there are any; its old header
//! names the new place, and every slot that leads there is rewritten. Marks, grey objects and their overflow are those
//! of `mark`.
//!
//! Ephemerons are ordinary objects to it. Before a compaction a marking and its sweep have cleared those whose keys are
//! dead, so that makes no difference; a repair keeps their values until the next marking (RATIONALE.md).

use crate::blocks::block_of;
use crate::mark::{ELEMENTS_AT_ONCE, EPOCH_MASK, Grey, MarkWork, mark_byte};
use crate::old::OldSpace;
use crate::raw::block::COMPACTED;
use crate::raw::cage::Cage;
use crate::raw::memory::Memory;
use crate::raw::object::{ObjectReference, Slot, is_old, is_young};
use crate::roots::RootVisitor;
use heapwood_gc_abi::header::{AGED, FORWARDED, LARGE, PINNED, UNLOGGED};
use heapwood_gc_abi::{RawRef, TypeId};
use std::ops::Range;

/// A walk under way.
pub struct MoveTracer<'a> {
    /// The heap's memory.
    pub memory: Memory,
    /// Where moved objects go.
    pub old: &'a mut OldSpace,
    /// Grows the stack.
    pub cage: &'a mut Cage,
    /// What waits to be scanned.
    pub grey: &'a mut Grey,
    /// Bytes that the stack may grow by.
    pub available_bytes: u64,
    /// What was done.
    pub work: MarkWork,
}

impl MoveTracer<'_> {
    /// Marks what `reference` names, moves it if its block is being emptied, and returns where it lies now.
    fn shade(&mut self, reference: RawRef) -> RawRef {
        if !is_old(reference) {
            return if is_young(reference) { self.shade_young(reference) } else { reference };
        }
        let object = ObjectReference(reference);
        let header = self.memory.header(object);
        if header & FORWARDED != 0 {
            return header & !FORWARDED;
        }
        if self.memory.mark(reference) & EPOCH_MASK == self.old.epoch {
            return reference;
        }
        let in_place = header & (PINNED | LARGE) != 0 || self.memory.block(block_of(reference)).group() != COMPACTED;
        let to = if in_place { None } else { self.move_object(object, header) };
        let to = to.unwrap_or_else(|| {
            self.memory.set_header(object, header | UNLOGGED);
            object
        });
        self.mark_and_push(to)
    }

    /// A young object is met only if the log was lost: then this walk is what finds all references to it.
    #[cold]
    fn shade_young(&mut self, reference: RawRef) -> RawRef {
        let object = ObjectReference(reference);
        let header = self.memory.header(object);
        if header & FORWARDED != 0 {
            return header & !FORWARDED;
        }
        let to = self.move_object(object, header).expect("the reserve of ready blocks covers the nursery");
        self.mark_and_push(to)
    }

    fn mark_and_push(&mut self, object: ObjectReference) -> RawRef {
        self.memory.set_mark(object.0, mark_byte(self.old.epoch, object.0));
        self.grey.push(self.memory, object.0 as u64);
        object.0
    }

    fn move_object(&mut self, object: ObjectReference, header: u32) -> Option<ObjectReference> {
        let descriptor = self.memory.descriptor(TypeId::of_header(header));
        let bytes = self.memory.object_bytes(object, descriptor) as u32;
        let to = self.old.allocate(bytes)?;
        self.memory.copy_object(object.0, to.0, bytes);
        self.memory.set_header(to, header & !AGED | UNLOGGED);
        self.memory.forward(object, to);
        self.work.moved_bytes += bytes as u64;
        Some(to)
    }

    /// Scans until nothing is grey.
    pub fn run(&mut self) {
        loop {
            self.grey.make_room(self.cage, ELEMENTS_AT_ONCE as usize, self.available_bytes);
            match self.grey.pop() {
                Some(entry) => self.scan(entry),
                None if self.grey.push_deferred(self.memory, self.old.blocks.high()).is_some() => {}
                None => break,
            }
        }
        self.work.overflows = self.grey.overflows;
    }

    fn scan(&mut self, entry: u64) {
        let memory = self.memory;
        let object = ObjectReference(entry as u32);
        let id = TypeId::of_header(memory.header(object));
        let descriptor = memory.descriptor(id);
        if let Some(elements) = self.grey.begin_scan(memory, entry, descriptor, &mut self.work) {
            let Range { start, end } = elements;
            memory.each_element_slot_backwards(object, start, end, |slot| self.shade_slot(slot));
        } else {
            self.work.fields += descriptor.ref_count() as u64 + 1;
            memory.each_slot_backwards(object, id, descriptor, |slot| self.shade_slot(slot));
        }
    }

    fn shade_slot(&mut self, slot: Slot) {
        let value = self.memory.slot(slot);
        let now = self.shade(value);
        if now != value {
            self.memory.set_slot(slot, now);
        }
    }
}

impl RootVisitor for MoveTracer<'_> {
    fn slot(&mut self, slot: &mut RawRef) {
        *slot = self.shade(*slot);
    }
}
