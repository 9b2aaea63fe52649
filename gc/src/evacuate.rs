//! Copying one young object, and what follows from it: the inner loop of a minor.
//!
//! 1. `evacuate` answers with the new place of a young object; it copies the object unless that was done before.
//! 2. A copy of up to 32 bytes is scanned at once, while its words are at hand: each young one becomes an *edge*
//!    (slot and value). Leaves push nothing, and no copy is read again. The first field's edge is on top, so the
//!    order of copies is that of a program that walks its fields in order, and that of the marker.
//! 3. Larger copies, and small ones when the stack of edges is full, go to the stack of objects, which has room for
//!    every object of the nursery.
//! 4. `follow_edges` takes edges until there are none. Its state is in registers, which is what its speed depends on;
//!    anything but a small object that fits the current ranges takes the general path.

use crate::minor::Minor;
use crate::nursery::EDEN_START;
use crate::old::Bump;
use crate::raw::edges::EdgeStack;
use crate::raw::object::ObjectReference;
use heapwood_gc_abi::header::{AGED, FORWARDED, UNLOGGED};
use heapwood_gc_abi::space::FRESH_ARRAY_BYTES_MAX;
use heapwood_gc_abi::{ObjectKind, RawRef, TypeId};

/// Most edges at a time: 32 KiB.
pub const EDGES_MAX: usize = 4096;

/// Everything is promoted, with all that it reaches. There are no aged copies yet.
pub const PROMOTE: u8 = 0;
/// Objects of eden are copied to the survivor space, others promoted. A promoted copy is scanned later.
pub const AGE: u8 = 1;
/// This object is promoted, and scanned later.
pub const PROMOTE_ONE: u8 = 2;

impl Minor<'_> {
    /// The new place of a young object.
    #[inline(always)]
    pub fn evacuate<const MODE: u8>(&mut self, reference: RawRef) -> RawRef {
        let header = self.memory.header(ObjectReference(reference));
        if header & FORWARDED != 0 {
            return header & !FORWARDED;
        }
        self.copy::<MODE>(reference, header)
    }

    /// Copies an object of any kind and size.
    #[inline(never)]
    fn copy<const MODE: u8>(&mut self, reference: RawRef, header: u32) -> RawRef {
        if MODE == AGE && reference < EDEN_START && self.is_in_to_space(reference) {
            // A root that is visited twice.
            return reference;
        }
        let (memory, object) = (self.memory, ObjectReference(reference));
        let descriptor = memory.descriptor(TypeId::of_header(header));
        let bytes = memory.object_bytes(object, descriptor) as u32;
        let ages = MODE == AGE && reference >= EDEN_START && bytes <= FRESH_ARRAY_BYTES_MAX;
        let aged = if ages { self.to.take(bytes) } else { None };
        let to = ObjectReference(aged.unwrap_or_else(|| self.promote(bytes)));
        memory.copy_object(reference, to.0, bytes);
        memory.set_header(to, header & !AGED | if aged.is_some() { AGED } else { UNLOGGED });
        memory.forward(object, to);
        self.work.copied_objects += 1;
        let at_once = descriptor.is_small && (MODE == PROMOTE || aged.is_some());
        if at_once && self.edges.push_young(memory, reference, to.0, descriptor.ref_map) {
            return to.0;
        }
        if descriptor.ref_count != 0 || descriptor.kind == ObjectKind::ArrayRef {
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
        reference.wrapping_sub(self.to_start) < self.to.cursor - self.to_start
    }

    /// Copies everything that is reached over edges.
    #[inline(never)]
    pub fn follow_edges<const MODE: u8>(&mut self) {
        let memory = self.memory;
        let (mut edges, mut bump) = (self.edges, if MODE == AGE { self.to } else { self.promoted });
        let (mut bytes_copied, mut objects) = (0, 0);
        while let Some((slot, reference)) = edges.pop() {
            let object = ObjectReference(reference);
            let header = memory.header(object);
            if header & FORWARDED != 0 {
                memory.set_word(slot, header & !FORWARDED);
                continue;
            }
            let descriptor = memory.descriptor(TypeId::of_header(header));
            let bytes = descriptor.size;
            let next = bump.cursor + bytes / 4;
            let is_simple = descriptor.is_small && next <= bump.end && (MODE != AGE || reference >= EDEN_START);
            if !is_simple || edges.room() < EdgeStack::AT_ONCE {
                self.put_back::<MODE>(edges, bump);
                let to = self.copy::<MODE>(reference, header);
                (edges, bump) = (self.edges, if MODE == AGE { self.to } else { self.promoted });
                memory.set_word(slot, to);
                continue;
            }
            let to = ObjectReference(bump.cursor);
            bump.cursor = next;
            bytes_copied += bytes as u64;
            objects += 1;
            memory.copy_small(reference, to.0, bytes);
            memory.set_header(to, header & !AGED | if MODE == AGE { AGED } else { UNLOGGED });
            memory.forward(object, to);
            memory.set_word(slot, to.0);
            let pushed = edges.push_young(memory, reference, to.0, descriptor.ref_map);
            debug_assert!(pushed);
        }
        self.put_back::<MODE>(edges, bump);
        self.work.copied_objects += objects;
        if MODE != AGE {
            self.work.promoted_bytes += bytes_copied;
        }
    }

    #[inline(always)]
    fn put_back<const MODE: u8>(&mut self, edges: EdgeStack, bump: Bump) {
        self.edges = edges;
        *if MODE == AGE { &mut self.to } else { &mut self.promoted } = bump;
    }
}
