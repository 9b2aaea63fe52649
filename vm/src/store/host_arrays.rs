//! Arrays in the host's hands.
//!
//! What may collect comes before references are read: `value` gives them, and is asked again after an allocation.

use super::field::Field;
use super::{ObjectClass, StoreOpaque};
use crate::errors::{Error, Result};
use crate::rt::value::RawVal;
use crate::types::{ArrayType, StorageType};
use heapwood_gc_abi::{FieldKind, Narrow, RawRef};
use heapwood_module::{self as m, ValType};
use std::cell::Cell;
use std::ops::Range;

/// An array object, for as long as nothing collects.
#[derive(Clone, Copy)]
pub(crate) struct Array {
    object: RawRef,
    len: u32,
    element: m::FieldType,
}

impl Array {
    fn kind(self) -> FieldKind {
        self.element.storage.field_kind()
    }

    fn value_type(self) -> ValType {
        self.element.storage.unpacked()
    }

    /// The indices of its elements.
    pub fn indices(self) -> Range<u32> {
        0..self.len
    }

    fn check_index(self, index: u32) -> Result<()> {
        match index < self.len {
            true => Ok(()),
            false => Err(Error::usage(format!("an array of {} elements without element {index}", self.len))),
        }
    }

    fn check_range(self, start: u64, len: u64) -> Result<()> {
        match start.checked_add(len) {
            Some(end) if end <= self.len.into() => Ok(()),
            _ => {
                let end = u128::from(start) + u128::from(len);
                Err(Error::usage(format!("an array of {} elements without elements {start}..{end}", self.len)))
            }
        }
    }

    fn check_mutable(self) -> Result<()> {
        match self.element.mutable {
            true => Ok(()),
            false => Err(Error::usage("the elements of the array are not mutable")),
        }
    }
}

impl StoreOpaque {
    /// The array that a reference is.
    pub fn array(&self, object: RawRef) -> Result<Array> {
        let ObjectClass::Array(id) = self.object_class(object)? else {
            return Err(Error::usage("the reference is no array"));
        };
        let element = self.definition(id).element();
        Ok(Array { object, len: self.heap().array_length(object), element })
    }

    /// A new array of zeros and nulls, of a type that was taken. May collect.
    fn new_array(&mut self, ty: &ArrayType, len: u64) -> Result<Array> {
        let id = ty.id();
        let len = self.check_array_length(id, len)?;
        self.sample_object(id, len.into());
        let object = self.with_room(|heap, guest| heap.alloc_array(id, len, guest))?;
        Ok(Array { object, len, element: ty.element() })
    }

    /// Makes an array as [`StoreOpaque::new_array`] does, and returns the reference. May collect.
    pub fn new_blank_array(&mut self, ty: &ArrayType, len: u64) -> Result<RawRef> {
        Ok(self.new_array(ty, len)?.object)
    }

    /// A new array of the host, all of whose elements are what `value` gives, of a type. May collect.
    pub fn new_filled_array(
        &mut self,
        ty: &ArrayType,
        len: u32,
        value: impl Fn(&StoreOpaque, ValType) -> Result<RawVal>,
    ) -> Result<RawRef> {
        self.take_array_type(ty)?;
        let value_type = ty.element().storage.unpacked();
        value(self, value_type)?;
        let array = self.new_array(ty, len.into())?;
        // After the allocation, which may have moved what the value names.
        let raw = value(self, value_type)?;
        Ok(self.fill_elements(array, 0..len, raw))
    }

    /// A new array of the host, of so many elements: `value` gives each, of a type, and is asked before the allocation
    /// and after it. May collect.
    pub fn new_fixed_array(
        &mut self,
        ty: &ArrayType,
        values: usize,
        value: impl Fn(&StoreOpaque, usize, ValType) -> Result<RawVal>,
    ) -> Result<RawRef> {
        self.take_array_type(ty)?;
        let value_type = ty.element().storage.unpacked();
        for index in 0..values {
            value(self, index, value_type)?;
        }
        let array = self.new_array(ty, values as u64)?;
        for (index, element) in (0..values).zip(0..array.len) {
            // After the allocation: nothing moves any more.
            let raw = value(self, index, value_type)?;
            self.write_element(array, element, raw);
        }
        self.ask_for_collection();
        Ok(array.object)
    }

    /// A new array of the host, of numbers that are given by their bytes and are `elements`, called `name`. May
    /// collect.
    pub fn new_array_of_bytes(
        &mut self,
        ty: &ArrayType,
        elements: (m::StorageType, &str),
        bytes: &[u8],
    ) -> Result<RawRef> {
        self.take_array_type(ty)?;
        self.check_elements(ty.element(), elements)?;
        let array = self.new_array(ty, bytes.len() as u64 >> elements.0.field_kind().shift())?;
        self.heap_mut().array_write_bytes(array.object, 0, bytes);
        Ok(array.object)
    }

    /// Number of elements of an array.
    pub fn array_len(&self, object: RawRef) -> Result<u32> {
        match self.object_class(object)? {
            ObjectClass::Array(_) => Ok(self.heap().array_length(object)),
            _ => Err(Error::usage("the reference is no array")),
        }
    }

    /// An element of an array, and its type.
    pub fn array_element(&self, object: RawRef, index: u32) -> Result<(RawVal, ValType)> {
        let array = self.array(object)?;
        array.check_index(index)?;
        Ok(self.element_of(array, index))
    }

    /// An element that an array has, and its type.
    pub fn element_of(&self, array: Array, index: u32) -> (RawVal, ValType) {
        (Field::of_array(array.kind(), index).read(self.heap(), array.object), array.value_type())
    }

    /// Writes an element of an array; `value` gives what, of a type.
    pub fn set_array_element(
        &mut self,
        object: RawRef,
        index: u32,
        value: impl FnOnce(&StoreOpaque, ValType) -> Result<RawVal>,
    ) -> Result<()> {
        let array = self.array(object)?;
        array.check_mutable()?;
        array.check_index(index)?;
        let raw = value(self, array.value_type())?;
        self.write_element(array, index, raw);
        self.ask_for_collection();
        Ok(())
    }

    /// Writes `len` elements of an array from `start` on; `value` gives what, of a type. May collect.
    pub fn fill_array(
        &mut self,
        object: RawRef,
        start: u32,
        len: u32,
        value: impl FnOnce(&StoreOpaque, ValType) -> Result<RawVal>,
    ) -> Result<()> {
        let array = self.array(object)?;
        array.check_mutable()?;
        array.check_range(start.into(), len.into())?;
        let raw = value(self, array.value_type())?;
        self.fill_elements(array, start..start + len, raw);
        Ok(())
    }

    /// Copies elements of an array, from `source` to those from `target` on, as if by way of a third place.
    pub fn copy_in_array(&mut self, object: RawRef, source: Range<u64>, target: u32) -> Result<()> {
        let array = self.array(object)?;
        array.check_mutable()?;
        let Range { start, end } = source;
        let len = end.checked_sub(start).ok_or_else(|| {
            let range = format!("elements {start}..{end}: they end before they begin");
            Error::usage(format!("an array of {} elements without {range}", array.len))
        })?;
        array.check_range(start, len)?;
        array.check_range(target.into(), len)?;
        self.heap_mut().array_copy(object, target, object, start.narrow(), len.narrow());
        self.ask_for_collection();
        Ok(())
    }

    /// Copies elements from `start` on to the bytes of numbers that are `elements`.
    pub fn read_array_bytes(
        &self,
        object: RawRef,
        start: u32,
        elements: (m::StorageType, &str),
        target: &mut [u8],
    ) -> Result<()> {
        let array = self.array(object)?;
        self.check_elements(array.element, elements)?;
        array.check_range(start.into(), target.len() as u64 >> array.kind().shift())?;
        self.heap().array_read_bytes(object, start, target);
        Ok(())
    }

    /// Copies the bytes of numbers that are `elements` over those from `start` on.
    pub fn write_array_bytes(
        &mut self,
        object: RawRef,
        start: u32,
        elements: (m::StorageType, &str),
        source: &[u8],
    ) -> Result<()> {
        let array = self.array(object)?;
        array.check_mutable()?;
        self.check_elements(array.element, elements)?;
        array.check_range(start.into(), source.len() as u64 >> array.kind().shift())?;
        self.heap_mut().array_write_bytes(object, start, source);
        Ok(())
    }

    /// The bytes of the elements of an array that can be written, which are `elements`.
    pub fn array_cells(&mut self, object: RawRef, elements: (m::StorageType, &str)) -> Result<&[Cell<u8>]> {
        let array = self.array(object)?;
        array.check_mutable()?;
        self.check_elements(array.element, elements)?;
        Ok(self.heap_mut().array_cells(object))
    }

    /// Refuses elements of another kind than an array has.
    fn check_elements(&self, element: m::FieldType, (given, name): (m::StorageType, &str)) -> Result<()> {
        if element.storage == given {
            return Ok(());
        }
        let found = StorageType::from_registry(self.engine().registry(), element.storage);
        Err(Error::usage(format!("type mismatch: the elements of the array are {found}, those of the slice {name}")))
    }

    /// Writes elements that the array has. May collect; returns where the array is then.
    fn fill_elements(&mut self, array: Array, range: Range<u32>, raw: RawVal) -> RawRef {
        let (mut object, len) = (array.object, range.end - range.start);
        if array.kind() != FieldKind::Ref {
            let bits = raw[0] as u128 | (raw[1] as u128) << 64;
            self.heap_mut().array_fill_bits(object, range.start, len, bits);
            return object;
        }
        let mut value: RawRef = raw[0].narrow();
        if self.heap().fill_wants_promotion(object, len, value) {
            [object, value] = self.promote_all([object, value]);
        }
        self.heap_mut().array_fill_ref(object, range.start, len, value);
        self.ask_for_collection();
        object
    }

    /// Writes an element that the array has. Never collects.
    fn write_element(&mut self, array: Array, index: u32, raw: RawVal) {
        match array.kind() {
            FieldKind::Ref => self.heap_mut().array_set_ref(array.object, index, raw[0].narrow()),
            kind => Field::of_array(kind, index).write(self.heap_mut(), array.object, &raw),
        }
    }
}
