//! Copies out of segments, and their end.

use crate::errors::{Trap, TrapKind};
use crate::rt::store_memory::StoreMemory;
use crate::store::StoreOpaque;
use crate::store::pieces::{PIECE_BYTES, pieces_of, sub_slice, sub_slice_mut};
use heapwood_gc_abi::{Mutant, RawRef, active};
use std::ops::Range;

/// What the elements of a segment count against the store's limit.
pub(super) fn segment_bytes(elements: usize) -> u64 {
    elements as u64 * size_of::<RawRef>() as u64
}

/// The parts of a list of so many references between which the runtime looks for interrupts.
pub(super) fn pieces(len: u64) -> impl DoubleEndedIterator<Item = Range<u64>> {
    pieces_of(len, PIECE_BYTES / size_of::<RawRef>() as u64)
}

impl StoreOpaque {
    /// Drops an element segment of an instance.
    pub fn drop_element_segment(&mut self, instance: u32, segment: u32) {
        let entities = self.guest_mut().entities_mut();
        let elements = entities.instance_mut(instance).take_segment(segment);
        entities.forget_table_bytes(segment_bytes(elements.len()));
        let dropped = elements.iter().filter(|_| !active(Mutant::ElementDropNotShaded));
        dropped.for_each(|element| self.heap_mut().shade(*element));
    }

    /// Copies a part of an element segment into a table, a piece at a time; the segment's elements are rooted by the
    /// instance.
    ///
    /// # Errors
    /// Out of bounds, and nothing was written; the guest was interrupted.
    pub fn table_init(
        &mut self,
        instance: u32,
        table: u32,
        segment: u32,
        to: u64,
        from: u64,
        len: u64,
    ) -> Result<(), Trap> {
        let data = self.instance(instance);
        let table = data.table(table);
        if !data.has_elements(segment, from, len) || self.table(table).range(to, len).is_none() {
            return Err(TrapKind::TableOutOfBounds.into());
        }
        for Range { start, end } in pieces(len) {
            self.check_interrupt()?;
            let len = end - start;
            let (guest, heap) = self.guest_and_heap();
            let instance = guest.entities().instance(instance);
            let elements = instance.segment_elements(segment, from + start, len).expect("checked above");
            let settled = instance.is_settled();
            let table = guest.entities_mut().table_mut(table);
            let range = table.range(to + start, len).expect("checked above");
            table.write(heap, range, settled, &elements);
        }
        Ok(())
    }

    /// Copies a part of a data segment into a memory, a piece at a time.
    ///
    /// # Errors
    /// Out of bounds, and nothing was written; the guest was interrupted.
    pub fn memory_init(
        &mut self,
        instance: u32,
        memory: u32,
        segment: u32,
        to: u64,
        from: u64,
        len: u64,
    ) -> Result<(), Trap> {
        let data = self.instance(instance);
        let memory = data.memory(memory);
        let fits = sub_slice(data.data_bytes(segment), from, len).is_some();
        if !fits || !self.guest().entities().memory(memory).has(to, len) {
            return Err(TrapKind::MemoryOutOfBounds.into());
        }
        for Range { start, end } in pieces_of(len, PIECE_BYTES) {
            self.check_interrupt()?;
            let (to, from, len) = (to + start, from + start, end - start);
            let (instance, memory) = self.guest_mut().entities_mut().instance_and_memory_mut(instance, memory);
            let bytes = sub_slice(instance.data_bytes(segment), from, len).expect("checked above");
            match memory {
                StoreMemory::Own(memory) => {
                    sub_slice_mut(memory.bytes_mut(), to, len).expect("checked above").copy_from_slice(bytes);
                }
                StoreMemory::Shared(memory) => memory.racy().part(to, len).expect("memories never shrink").write(bytes),
            }
        }
        Ok(())
    }
}
