//! Elements of arrays of numbers as Rust sees them, while nobody else does.

use super::cage::Cage;
use super::object::ObjectReference;
use heapwood_gc_abi::layout::ARRAY_ELEMENTS_OFFSET;
use heapwood_gc_abi::{ObjectKind, TypeId};
use std::cell::Cell;

impl Cage {
    /// The bytes of the elements of an array of numbers. Panics unless it is one and lies in the cage.
    pub fn array_cells(&mut self, array: ObjectReference) -> &[Cell<u8>] {
        let memory = self.memory();
        let descriptor = memory.descriptor(TypeId::of_header(memory.header(array)));
        assert_eq!(descriptor.kind(), ObjectKind::ArrayData, "{array:?} is no array of numbers");
        let bytes = u64::from(memory.array_length(array)) << descriptor.elem_shift();
        let start = memory.range(u64::from(array.0) * 4 + u64::from(ARRAY_ELEMENTS_OFFSET), bytes);
        // SAFETY: M1 by the assertion of `range`; M6, and the cage is borrowed for as long.
        unsafe { std::slice::from_raw_parts(start.cast(), bytes as usize) }
    }
}
