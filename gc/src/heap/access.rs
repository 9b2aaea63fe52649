//! Objects as the runtime reads and writes them.
//!
//! Offsets are bytes from the object's start (`gc-abi::layout`). Bounds and kinds are the caller's business, checked by
//! assertions in debug builds; in release an offset that leaves the cage panics, and bytes are copied in and out only
//! if they are elements of a numeric array. Nothing here collects.

use super::Heap;
use crate::raw::memory::Plain;
use crate::raw::object::ObjectReference;
use crate::raw::types::TypeInfo;
use heapwood_gc_abi::layout::ARRAY_ELEMENTS_OFFSET;
use heapwood_gc_abi::{ObjectKind, RawRef, TypeId, is_i31};
use std::cell::Cell;

impl Heap {
    /// The type of an object.
    #[inline]
    pub fn type_of(&self, object: RawRef) -> TypeId {
        debug_assert!(object != 0 && !is_i31(object), "{object:#x} is no object");
        TypeId::of_header(self.spaces.memory().word(object))
    }

    /// The descriptor of a type that is alive.
    #[inline]
    pub fn descriptor(&self, ty: TypeId) -> TypeInfo<'_> {
        self.spaces.descriptor(ty)
    }

    /// The descriptor of an object's type.
    #[inline]
    pub fn descriptor_of(&self, object: RawRef) -> TypeInfo<'_> {
        self.spaces.descriptor(self.type_of(object))
    }

    /// Bytes of an object.
    pub fn object_bytes(&self, object: RawRef) -> u64 {
        self.spaces.memory().object_bytes(ObjectReference(object), self.descriptor_of(object))
    }

    /// Number of elements of an array.
    #[inline]
    pub fn array_length(&self, array: RawRef) -> u32 {
        debug_assert!(self.is_array(array), "{array:#x} is no array");
        self.spaces.memory().array_length(ObjectReference(array))
    }

    fn is_array(&self, object: RawRef) -> bool {
        matches!(self.descriptor_of(object).kind(), ObjectKind::ArrayData | ObjectKind::ArrayRef)
    }

    #[inline]
    fn place<T: Plain>(&self, object: RawRef, offset: u64) -> u64 {
        debug_assert!(object != 0 && !is_i31(object), "{object:#x} is no object");
        debug_assert!(
            self.is_raw(object) || offset + size_of::<T>() as u64 <= self.object_bytes(object),
            "offset {offset} of an object of {} bytes",
            self.object_bytes(object)
        );
        object as u64 * 4 + offset
    }

    /// Whether an object is immortal memory without a type of its own, whose bounds are not known.
    fn is_raw(&self, object: RawRef) -> bool {
        let kind = self.descriptor_of(object).kind();
        self.spaces.immortal().contains(object)
            && (self.type_of(object) == TypeId::NONE || matches!(kind, ObjectKind::Opaque | ObjectKind::Func))
    }

    /// Reads a byte.
    #[inline]
    pub fn read_i8(&self, object: RawRef, offset: u64) -> u8 {
        self.spaces.memory().load(self.place::<u8>(object, offset))
    }

    /// Reads 16 bits.
    #[inline]
    pub fn read_i16(&self, object: RawRef, offset: u64) -> u16 {
        self.spaces.memory().load(self.place::<u16>(object, offset))
    }

    /// Reads 32 bits (i32, f32).
    #[inline]
    pub fn read_i32(&self, object: RawRef, offset: u64) -> u32 {
        self.spaces.memory().load(self.place::<u32>(object, offset))
    }

    /// Reads 64 bits (i64, f64).
    #[inline]
    pub fn read_i64(&self, object: RawRef, offset: u64) -> u64 {
        self.spaces.memory().load(self.place::<u64>(object, offset))
    }

    /// Reads a vector.
    #[inline]
    pub fn read_v128(&self, object: RawRef, offset: u64) -> u128 {
        self.spaces.memory().load(self.place::<u128>(object, offset))
    }

    /// Reads a reference.
    #[inline]
    pub fn read_ref(&self, object: RawRef, offset: u64) -> RawRef {
        self.spaces.memory().load(self.place::<u32>(object, offset))
    }

    /// Writes a byte.
    #[inline]
    pub fn write_i8(&mut self, object: RawRef, offset: u64, value: u8) {
        self.spaces.memory().store(self.place::<u8>(object, offset), value);
    }

    /// Writes 16 bits.
    #[inline]
    pub fn write_i16(&mut self, object: RawRef, offset: u64, value: u16) {
        self.spaces.memory().store(self.place::<u16>(object, offset), value);
    }

    /// Writes 32 bits (i32, f32).
    #[inline]
    pub fn write_i32(&mut self, object: RawRef, offset: u64, value: u32) {
        self.spaces.memory().store(self.place::<u32>(object, offset), value);
    }

    /// Writes 64 bits (i64, f64).
    #[inline]
    pub fn write_i64(&mut self, object: RawRef, offset: u64, value: u64) {
        self.spaces.memory().store(self.place::<u64>(object, offset), value);
    }

    /// Writes a vector.
    #[inline]
    pub fn write_v128(&mut self, object: RawRef, offset: u64, value: u128) {
        self.spaces.memory().store(self.place::<u128>(object, offset), value);
    }

    /// Writes a reference field of a struct or exception, with the barrier. Never collects.
    #[inline]
    pub fn write_ref(&mut self, object: RawRef, offset: u64, value: RawRef) {
        debug_assert!(!self.is_array(object), "elements are written by `array_set_ref`");
        self.barrier(object);
        self.spaces.memory().store(self.place::<u32>(object, offset), value);
    }

    /// Writes a reference of an immortal object, once, to another immortal one (or null, or an i31).
    pub fn init_immortal_ref(&mut self, object: RawRef, offset: u64, value: RawRef) {
        debug_assert!(self.spaces.immortal().contains(object), "{object:#x} is not immortal");
        debug_assert!(
            value == 0 || is_i31(value) || self.spaces.immortal().contains(value),
            "{value:#x} is not immortal"
        );
        self.spaces.memory().store(self.place::<u32>(object, offset), value);
    }

    /// Reads an element of a reference array.
    #[inline]
    pub fn array_get_ref(&self, array: RawRef, index: u32) -> RawRef {
        self.read_ref(array, ARRAY_ELEMENTS_OFFSET as u64 + index as u64 * 4)
    }

    /// Writes an element of a reference array, with the barrier. Never collects.
    #[inline]
    pub fn array_set_ref(&mut self, array: RawRef, index: u32, value: RawRef) {
        debug_assert!(index < self.array_length(array));
        self.barrier_element(array, index);
        self.spaces.memory().store(self.place::<u32>(array, ARRAY_ELEMENTS_OFFSET as u64 + index as u64 * 4), value);
    }

    /// Copies the bytes of elements of a numeric array to `target`, from element `index` on. Panics unless `target`
    /// takes whole elements that the array has.
    pub fn array_read_bytes(&self, array: RawRef, index: u32, target: &mut [u8]) {
        let (start, _) = self.data_range(array, index, target.len());
        self.spaces.memory().read_bytes(start, target);
    }

    /// Copies `bytes` over elements of a numeric array, from element `index` on. Panics unless they are whole elements
    /// that the array has.
    pub fn array_write_bytes(&mut self, array: RawRef, index: u32, bytes: &[u8]) {
        let (start, _) = self.data_range(array, index, bytes.len());
        self.spaces.memory().write_bytes(start, bytes);
    }

    /// The bytes of the elements of a numeric array, while the heap is borrowed. Panics unless it is one.
    pub fn array_cells(&mut self, array: RawRef) -> &[Cell<u8>] {
        self.spaces.cage_mut().array_cells(ObjectReference(array))
    }

    /// The place of `bytes` bytes of elements of a numeric array, from element `index` on: offset from the base, and
    /// bytes.
    fn data_range(&self, array: RawRef, index: u32, bytes: usize) -> (u64, u64) {
        let descriptor = self.descriptor_of(array);
        assert_eq!(descriptor.kind(), ObjectKind::ArrayData, "{array:#x} is no array of numbers");
        let shift = descriptor.elem_shift();
        assert!(
            bytes.is_multiple_of(1 << shift) && bytes >> shift <= u32::MAX as usize,
            "{bytes} bytes are no elements"
        );
        self.element_range(array, index, (bytes >> shift) as u32)
    }

    /// Where elements lie: offset from the base, and bytes. Panics if the array does not have them.
    pub(super) fn element_range(&self, array: RawRef, index: u32, length: u32) -> (u64, u64) {
        let shift = self.descriptor_of(array).elem_shift();
        assert!(index as u64 + length as u64 <= self.array_length(array) as u64, "elements out of bounds");
        let start = array as u64 * 4 + ARRAY_ELEMENTS_OFFSET as u64 + ((index as u64) << shift);
        (start, (length as u64) << shift)
    }
}
