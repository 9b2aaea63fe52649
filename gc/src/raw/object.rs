//! Objects as the collector sees them: header, size, reference slots.

use super::cage::{NURSERY_REACH, NURSERY_START, OLD_START};
use super::memory::Memory;
use super::types::TypeInfo;
use heapwood_gc_abi::header::FORWARDED;
use heapwood_gc_abi::layout::{array_bytes, string_bytes};
use heapwood_gc_abi::space::REACH_BYTES;
use heapwood_gc_abi::{Mutant, ObjectKind, RawRef, TypeId, active};

/// A reference to an object: neither null nor an i31.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(transparent)]
pub struct ObjectReference(pub u32);

/// The index of a word that holds a reference.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(transparent)]
pub struct Slot(pub u32);

/// Whether `reference` names an object in the nursery (null, i31 and old ones all fail the one test).
#[inline(always)]
pub fn is_young(reference: RawRef) -> bool {
    in_range(reference, NURSERY_START, NURSERY_REACH)
}

/// Whether `reference` names an object in the old or large space.
#[inline(always)]
pub fn is_old(reference: RawRef) -> bool {
    in_range(reference, OLD_START, REACH_BYTES - OLD_START)
}

#[inline(always)]
fn in_range(reference: RawRef, start: u64, bytes: u64) -> bool {
    reference.wrapping_sub((start / 4) as u32).rotate_right(1) < (bytes / 8) as u32
}

impl Memory {
    /// The header word.
    #[inline(always)]
    pub fn header(self, object: ObjectReference) -> u32 {
        self.word(object.0)
    }

    /// Writes the header word.
    #[inline(always)]
    pub fn set_header(self, object: ObjectReference, header: u32) {
        self.set_word(object.0, header);
    }

    /// Overwrites the header with the object's new place.
    #[inline(always)]
    pub fn forward(self, object: ObjectReference, to: ObjectReference) {
        self.set_word(object.0, to.0 | FORWARDED);
    }

    /// Where an object was moved, by [`Memory::forward`].
    #[inline(always)]
    pub fn moved_to(self, object: RawRef) -> Option<RawRef> {
        let header = self.word(object);
        (header & FORWARDED != 0).then_some(header & !FORWARDED)
    }

    /// The length word of an array.
    #[inline(always)]
    pub fn array_length(self, array: ObjectReference) -> u32 {
        self.word(array.0.wrapping_add(1))
    }

    /// Bytes of an object with this descriptor.
    #[inline(always)]
    pub fn object_bytes(self, object: ObjectReference, descriptor: TypeInfo<'_>) -> u64 {
        match descriptor.kind() {
            ObjectKind::ArrayData | ObjectKind::ArrayRef => {
                array_bytes(descriptor.elem_shift(), self.array_length(object))
            }
            ObjectKind::String => string_bytes(descriptor.elem_shift(), self.array_length(object)),
            _ => descriptor.size() as u64,
        }
    }

    /// Reads a slot: what it names is complete, also for who marks beside the mutator (O1).
    #[inline(always)]
    pub fn slot(self, slot: Slot) -> RawRef {
        self.word_acquire(slot.0)
    }

    /// Writes a slot, without a barrier.
    #[inline(always)]
    pub fn set_slot(self, slot: Slot, value: RawRef) {
        self.set_word(slot.0, value);
    }

    /// Calls `visit` with each reference slot of an object: of an ephemeron both, of a weak cell none.
    #[inline(always)]
    pub fn each_slot(self, object: ObjectReference, id: TypeId, descriptor: TypeInfo<'_>, mut visit: impl FnMut(Slot)) {
        match descriptor.kind() {
            ObjectKind::Struct | ObjectKind::Exception | ObjectKind::Ephemeron | ObjectKind::Rope => {
                let mut map = descriptor.ref_map();
                while map != 0 {
                    visit(Slot(object.0.wrapping_add(map.trailing_zeros())));
                    map &= map - 1;
                }
                if descriptor.ref_map_tail() != 0 && !active(Mutant::WideStructScannedInPart) {
                    self.each_tail_slot(object, id, descriptor, &mut visit);
                }
            }
            ObjectKind::ArrayRef => self.each_element_slot(object, 0, self.array_length(object), visit),
            ObjectKind::ArrayData
            | ObjectKind::Func
            | ObjectKind::HostValue
            | ObjectKind::Weak
            | ObjectKind::Opaque
            | ObjectKind::String => {}
        }
    }

    /// Calls `visit` with each reference slot of an object, from the last one to the first, so that a caller who pushes
    /// them onto a stack takes the first one first.
    #[inline(always)]
    pub fn each_slot_backwards(
        self,
        object: ObjectReference,
        id: TypeId,
        descriptor: TypeInfo<'_>,
        mut visit: impl FnMut(Slot),
    ) {
        if descriptor.ref_map_tail() != 0 || descriptor.kind() == ObjectKind::ArrayRef {
            return self.each_slot(object, id, descriptor, visit);
        }
        let mut map = descriptor.ref_map();
        while map != 0 {
            let bit = 63 - map.leading_zeros();
            visit(Slot(object.0.wrapping_add(bit)));
            map ^= 1 << bit;
        }
    }

    #[inline(never)]
    fn each_tail_slot(
        self,
        object: ObjectReference,
        id: TypeId,
        descriptor: TypeInfo<'_>,
        visit: &mut impl FnMut(Slot),
    ) {
        for index in 0..descriptor.ref_map_tail() {
            let mut map = self.ref_map_tail(id, index);
            while map != 0 {
                visit(Slot(object.0.wrapping_add(64 * (index + 1) + map.trailing_zeros())));
                map &= map - 1;
            }
        }
    }

    /// Calls `visit` with the slots of the elements `start..end` of a reference array, from the last one to the first.
    #[inline(always)]
    pub fn each_element_slot_backwards(
        self,
        array: ObjectReference,
        start: u32,
        end: u32,
        mut visit: impl FnMut(Slot),
    ) {
        for index in (start..end).rev() {
            visit(Slot(array.0.wrapping_add(2).wrapping_add(index)));
        }
    }

    /// Calls `visit` with the slots of the elements `start..end` of a reference array.
    #[inline(always)]
    pub fn each_element_slot(self, array: ObjectReference, start: u32, end: u32, mut visit: impl FnMut(Slot)) {
        for index in start..end {
            visit(Slot(array.0.wrapping_add(2).wrapping_add(index)));
        }
    }
}

/// Number of reference fields of an object: what scanning it costs.
#[inline(always)]
pub fn ref_count(memory: Memory, object: ObjectReference, descriptor: TypeInfo<'_>) -> u32 {
    match descriptor.kind() {
        ObjectKind::ArrayRef => memory.array_length(object),
        _ => descriptor.ref_count(),
    }
}
