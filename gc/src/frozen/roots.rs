//! The fields of frozen objects that were written, as roots of markings.

use super::Frozen;
use crate::embedder::roots::{FrameScope, RootCursor, RootProvider, RootVisitor, RootWork};
use crate::raw::memory::Memory;
use crate::raw::object::{ObjectReference, Slot};
use heapwood_gc_abi::{ObjectKind, TypeId};

/// Elements of an array between two questions whether the visitor is full.
const ELEMENTS_AT_ONCE: u32 = 64;

/// The roots of a store, and those of frozen objects: for markings, which visit both. Whoever ends a collection tells
/// the store's provider itself.
pub struct WithFrozen<'a> {
    frozen: &'a mut Frozen,
    memory: Memory,
    roots: &'a mut dyn RootProvider,
}

impl<'a> WithFrozen<'a> {
    /// The roots of `roots`, and the fields of what was written of `frozen`.
    pub fn new(frozen: &'a mut Frozen, memory: Memory, roots: &'a mut dyn RootProvider) -> WithFrozen<'a> {
        WithFrozen { frozen, memory, roots }
    }

    /// Visits more of the objects until the visitor is full. Returns how many slots these were, and whether that was
    /// all.
    fn visit(&mut self, visitor: &mut dyn RootVisitor) -> (u64, bool) {
        let mut slots = 0;
        while self.frozen.next.0 < self.frozen.end {
            let (index, element) = self.frozen.next;
            let object = ObjectReference(self.frozen.written.as_slice()[index]);
            let (visited, next) = self.visit_object(object, element, visitor);
            slots += visited;
            self.frozen.next = next.map_or((index + 1, 0), |element| (index, element));
            if visitor.full() {
                return (slots, self.frozen.next.0 == self.frozen.end);
            }
        }
        (slots, true)
    }

    /// Visits the fields of an object, or some elements of an array from `start` on. Returns how many, and the next
    /// element if there are more.
    fn visit_object(
        &mut self,
        object: ObjectReference,
        start: u32,
        visitor: &mut dyn RootVisitor,
    ) -> (u64, Option<u32>) {
        let memory = self.memory;
        let id = TypeId::of_header(memory.header(object));
        let descriptor = memory.descriptor(id);
        let mut slots = 0;
        let mut visit = |slot: Slot| {
            slots += 1;
            let value = memory.slot(slot);
            let mut now = value;
            visitor.slot(&mut now);
            if now != value {
                memory.set_slot(slot, now);
            }
        };
        if descriptor.kind() != ObjectKind::ArrayRef {
            memory.each_slot(object, id, descriptor, visit);
            return (slots, None);
        }
        let length = memory.array_length(object);
        let end = length.min(start.saturating_add(ELEMENTS_AT_ONCE));
        memory.each_element_slot(object, start, end, &mut visit);
        (slots, (end < length).then_some(end))
    }
}

impl RootProvider for WithFrozen<'_> {
    fn frames(&mut self, scope: FrameScope, visitor: &mut dyn RootVisitor) -> RootWork {
        self.roots.frames(scope, visitor)
    }

    fn remembered(&mut self, _: &mut RootCursor, _: &mut dyn RootVisitor) -> RootWork {
        unreachable!("minors visit the store's roots only: what was written of frozen objects is in the log")
    }

    fn all(&mut self, cursor: &mut RootCursor, visitor: &mut dyn RootVisitor) -> RootWork {
        let mut slots = 0;
        if *cursor == RootCursor::default() {
            self.frozen.begin_snapshot();
            let (visited, is_all) = self.visit(visitor);
            debug_assert!(is_all, "a visitor without a budget");
            slots = visited;
        }
        let work = self.roots.all(cursor, visitor);
        RootWork { slots: work.slots + slots, ..work }
    }

    fn begin_snapshot(&mut self, visitor: &mut dyn RootVisitor) -> RootWork {
        self.frozen.begin_snapshot();
        self.roots.begin_snapshot(visitor)
    }

    fn snapshot(&mut self, visitor: &mut dyn RootVisitor) -> RootWork {
        let (slots, is_all) = self.visit(visitor);
        if !is_all {
            return RootWork { slots, more: true, ..RootWork::default() };
        }
        let work = self.roots.snapshot(visitor);
        RootWork { slots: work.slots + slots, ..work }
    }
}
