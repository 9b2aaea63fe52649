//! What the verifier checks of objects, space by space.

use super::{Origin, Verifier, When};
use crate::minor::log::LogEntry;
use crate::minor::remembered::CHUNK_REFS;
use crate::raw::block::BlockState;
use crate::raw::cage::{BLOCK_BYTES, BLOCK_REFS};
use crate::raw::object::{ObjectReference, is_old, is_young};
use crate::spaces::blocks::{block_of, block_start};
use crate::spaces::marks::{EPOCH_MASK, is_marked};
use crate::spaces::nursery::EDEN_START;
use crate::spaces::old::POISON;
use heapwood_gc_abi::header::{AGED, FORWARDED, IMMORTAL, LARGE, STATE_MASK, UNLOGGED};
use heapwood_gc_abi::space::CHUNKED_ARRAY_BYTES_MIN;
use heapwood_gc_abi::{ObjectKind, RawRef, TypeId, is_i31};

impl Verifier<'_> {
    /// Step 1.
    pub(super) fn walk_young(&mut self) {
        for range in
            [self.parts.spaces.nursery().survivors(), self.parts.spaces.nursery().eden_start()..self.parts.spaces.top()]
        {
            let mut at = range.start;
            while at < range.end {
                self.young.set(at);
                let bytes = self.check_header(ObjectReference(at), Origin::Walk);
                if bytes / 4 > (range.end - at) as u64 {
                    self.fail(Origin::Walk, format_args!("object {at:#x} of {bytes} bytes reaches beyond its space"));
                }
                at += (bytes / 4) as u32;
            }
        }
    }

    /// The header names a type and fits the space; returns the object's size.
    pub(super) fn check_header(&mut self, object: ObjectReference, origin: Origin) -> u64 {
        let header = self.memory.header(object);
        if header == POISON {
            self.fail(origin, format_args!("object {:#x} lies in memory that was given up (poison)", object.0));
        }
        if header & FORWARDED != 0 {
            self.fail(origin, format_args!("object {:#x} was left forwarded to {:#x}", object.0, header & !FORWARDED));
        }
        let id = TypeId::of_header(header);
        let known = id.0 as usize / 8 % 256;
        if self.types[known] != id || id == TypeId::NONE {
            if !self.parts.types.is_allocated(id) {
                let what = format_args!("object {:#x} has the header {header:#x}, which names no type", object.0);
                self.fail(origin, what);
            }
            self.types[known] = id;
        }
        let descriptor = self.memory.descriptor(id);
        let bytes = self.memory.object_bytes(object, descriptor);
        let expected = self.expected_state(object, bytes, descriptor.kind());
        let state = header & STATE_MASK & !self.written_bit(object);
        // The unlogged bit may be clear in an old object: that it is in the log then is checked where it is visited.
        if state & !UNLOGGED != expected & !UNLOGGED || state & UNLOGGED > expected & UNLOGGED {
            self.fail(origin, format_args!("object {:#x} has state {state:#x} instead of {expected:#x}", object.0));
        }
        bytes
    }

    pub(super) fn expected_state(&self, object: ObjectReference, bytes: u64, kind: ObjectKind) -> u32 {
        if is_young(object.0) {
            return if object.0 < EDEN_START { AGED } else { 0 };
        }
        if is_old(object.0) {
            return UNLOGGED | if bytes > BLOCK_BYTES as u64 { LARGE } else { 0 };
        }
        // The runtime writes the headers of function objects and contexts itself.
        match kind {
            ObjectKind::Func | ObjectKind::Opaque => self.memory.header(object) & STATE_MASK & !UNLOGGED,
            _ => IMMORTAL,
        }
    }

    /// Step 3 for one reference.
    pub(super) fn check_reference(&mut self, reference: RawRef, origin: Origin) {
        if reference == 0 || is_i31(reference) {
            return;
        }
        let object = ObjectReference(reference);
        if is_young(reference) {
            let spaces = self.parts.spaces;
            let survived = spaces.nursery().survivors().contains(&reference);
            let inside = survived || (spaces.nursery().eden_start()..spaces.top()).contains(&reference);
            if !inside {
                self.fail(origin, format_args!("{reference:#x} lies in a part of the nursery that is empty"));
            }
            if !self.young.get(reference) {
                self.fail(origin, format_args!("{reference:#x} is not the start of a young object"));
            }
            if self.visited_young.insert(reference) {
                self.grey.push(reference);
            }
        } else if is_old(reference) {
            if block_of(reference) >= self.parts.spaces.blocks_high() {
                self.fail(origin, format_args!("{reference:#x} lies beyond the old space"));
            }
            if !self.visited.set(reference) {
                self.check_old(object, origin);
                self.grey.push(reference);
            }
        } else if !self.parts.spaces.immortal().contains(reference) {
            self.fail(origin, format_args!("{reference:#x} lies in no space"));
        } else if self.visited_immortal.insert(reference) {
            self.check_header(object, origin);
        }
    }

    pub(super) fn check_old(&mut self, object: ObjectReference, origin: Origin) {
        let block = block_of(object.0);
        // Only the state: the rest of a small block's entry may be a helper's.
        let room = match self.memory.block(block).state() {
            BlockState::Small => (block_start(block + 1) - object.0) as u64 * 4,
            BlockState::LargeHead if object.0 == block_start(block) => {
                self.memory.block(block).next() as u64 * BLOCK_BYTES as u64
            }
            state => self.fail(origin, format_args!("{:#x} lies in block {block}, which is {state:?}", object.0)),
        };
        let bytes = self.check_header(object, origin);
        if bytes > room {
            self.fail(origin, format_args!("object {:#x} of {bytes} bytes has only {room}", object.0));
        }
        for word in (object.0..object.0 + (bytes / 4).min(BLOCK_REFS as u64) as u32).step_by(2) {
            if self.covered.set(word) {
                self.fail(origin, format_args!("object {:#x} overlaps another at {word:#x}", object.0));
            }
        }
        let marked = match self.when {
            When::AfterMajor if self.is_frozen(object.0) => true,
            When::AfterMajor => self.memory.mark(object.0) & EPOCH_MASK == self.parts.spaces.epoch(),
            When::AfterMarking | When::BeforeEvacuation => is_marked(self.memory, self.parts.spaces.epoch(), object.0),
            _ => true,
        };
        if !marked {
            self.fail(origin, format_args!("object {:#x} was not marked", object.0));
        }
        let logged = self.memory.header(object) & UNLOGGED == 0;
        let entry = LogEntry { host: object.0, chunk: None };
        if logged && !self.log_lost && !self.logged.contains(&entry) {
            self.fail(origin, format_args!("object {:#x} says that it is logged but the log lacks it", object.0));
        }
    }

    /// Steps 3 and 4 for objects.
    pub(super) fn trace(&mut self) {
        while let Some(reference) = self.grey.pop() {
            let object = ObjectReference(reference);
            let memory = self.memory;
            let id = TypeId::of_header(memory.header(object));
            let descriptor = memory.descriptor(id);
            let in_chunks = descriptor.kind() == ObjectKind::ArrayRef
                && memory.object_bytes(object, descriptor) > CHUNKED_ARRAY_BYTES_MIN as u64;
            if in_chunks && is_old(reference) {
                self.check_chunk_states(object);
            }
            if matches!(descriptor.kind(), ObjectKind::Weak | ObjectKind::Ephemeron) {
                self.check_weak(reference, descriptor.kind());
            }
            if descriptor.kind() == ObjectKind::Ephemeron && self.is_dead(memory.word(reference + 1)) {
                continue;
            }
            memory.each_slot(object, id, descriptor, |slot| {
                let value = memory.slot(slot);
                let words = slot.0 - reference;
                let origin = Origin::Field { host: reference, byte: words as u64 * 4 };
                self.check_reference(value, origin);
                self.check_incoming(slot.0, value, origin);
                self.check_frozen(reference, value, origin);
                if is_young(value) && is_old(reference) && !self.log_lost {
                    let chunk = in_chunks.then(|| (words - 2) / CHUNK_REFS);
                    if !self.logged.contains(&LogEntry { host: reference, chunk }) {
                        let what = format_args!("old object {reference:#x} references young {value:#x} unlogged");
                        self.fail(origin, what);
                    }
                }
            });
        }
    }

    /// Step 5.
    pub(super) fn check_immortals(&mut self) {
        for &reference in self.parts.spaces.immortal().objects() {
            let object = ObjectReference(reference);
            self.check_header(object, Origin::Immortal);
            let memory = self.memory;
            let id = TypeId::of_header(memory.header(object));
            memory.each_slot(object, id, memory.descriptor(id), |slot| {
                let value = memory.slot(slot);
                if value != 0 && !is_i31(value) && !self.parts.spaces.immortal().contains(value) {
                    let origin = Origin::Field { host: reference, byte: (slot.0 - reference) as u64 * 4 };
                    self.fail(origin, format_args!("immortal {reference:#x} references {value:#x}, which is not"));
                }
            });
        }
    }

    /// Step 9.
    pub(super) fn check_poison(&self) {
        if !self.parts.spaces.old().poisons() || !matches!(self.when, When::AfterMinor | When::AfterMajor) {
            return;
        }
        let end = self.parts.spaces.eden_top_max();
        if let Some(index) = (EDEN_START..end).find(|index| self.memory.word(*index) != POISON) {
            let what = format_args!("eden is not poisoned at {index:#x}");
            self.fail(Origin::Walk, what);
        }
    }
}
