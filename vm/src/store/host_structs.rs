//! Structs in the host's hands.

use super::field::Field;
use super::{ObjectClass, StoreOpaque};
use crate::errors::{Error, Result};
use crate::registry::EngineType;
use crate::rt::value::RawVal;
use crate::types::StructType;
use heapwood_gc_abi::{RawRef, TypeId};
use heapwood_module::{FieldType, ValType};

/// Values of a new struct that are asked for once only, if nothing moves meanwhile.
const FIRST_VALUES: usize = 8;

impl StoreOpaque {
    /// A new struct of the host, which gives so many values: `value` puts each in a place, of a type. It is asked
    /// before the allocation, so that a value that does not belong leaves nothing half made, and after it, since what
    /// values name may have moved. May collect.
    pub fn new_struct(
        &mut self,
        ty: &StructType,
        values: usize,
        value: impl Fn(&StoreOpaque, usize, ValType, &mut RawVal) -> Result<()>,
    ) -> Result<RawRef> {
        let id = self.take_struct_type(ty)?;
        let fields = ty.field_types();
        if values != fields.len() {
            let wanted = fields.len();
            return Err(Error::usage(format!("a struct with {wanted} fields was given {values} values")));
        }
        let layout = &ty.definition().layout;
        let (mut first, mut raw) = ([[0; 2]; FIRST_VALUES], [0; 2]);
        for (index, field) in fields.iter().enumerate() {
            // Where it stays: a copy would wait for what was written a moment before.
            let place = first.get_mut(index).unwrap_or(&mut raw);
            value(self, index, field.storage.unpacked(), place)?;
        }
        let at_once = self.new_struct_at_once(id)?;
        let object = match at_once {
            Some(object) => object,
            None => self.with_room(|heap, guest| heap.alloc_struct(id, guest))?,
        };
        for (index, field) in fields.iter().enumerate() {
            // Nothing moves any more, and nothing has moved if the allocation was at once.
            let place = match first.get(index).filter(|_| at_once.is_some()) {
                Some(place) => place,
                None => {
                    value(self, index, field.storage.unpacked(), &mut raw)?;
                    &raw
                }
            };
            Field::of_layout(layout, index).write(self.heap_mut(), object, place);
        }
        self.ask_for_collection();
        Ok(object)
    }

    /// A new struct of zeros and nulls; none if eden has no room for it now. Does not collect.
    #[inline]
    fn new_struct_at_once(&mut self, ty: TypeId) -> Result<Option<RawRef>> {
        self.check_usable()?;
        self.sample_object(ty, 0);
        Ok(self.heap_mut().alloc_struct_at_once(ty))
    }

    /// A new struct of zeros and nulls, of a type that was taken. May collect.
    #[inline]
    pub fn new_blank_struct(&mut self, ty: TypeId) -> Result<RawRef> {
        if let Some(object) = self.new_struct_at_once(ty)? {
            return Ok(object);
        }
        self.with_room(|heap, guest| heap.alloc_struct(ty, guest))
    }

    /// The type of a struct object.
    #[inline(always)]
    fn struct_definition(&self, object: RawRef) -> Result<&EngineType> {
        match self.object_class(object)? {
            ObjectClass::Struct(id) => Ok(self.definition(id)),
            _ => Err(Error::usage("the reference is no struct")),
        }
    }

    /// Where a field of a struct object is, and its type.
    #[inline(always)]
    fn struct_place(&self, object: RawRef, index: usize) -> Result<(Field, &FieldType)> {
        let ty = self.struct_definition(object)?;
        let field = field_of(ty, index)?;
        Ok((Field::of_layout(&ty.layout, index), field))
    }

    /// A field of a struct, and its type.
    #[inline]
    pub fn struct_field(&self, object: RawRef, index: usize) -> Result<(RawVal, ValType)> {
        let (place, field) = self.struct_place(object, index)?;
        Ok((place.read(self.heap(), object), field.storage.unpacked()))
    }

    /// All fields of a struct, and their types.
    pub fn struct_fields(&self, object: RawRef) -> Result<Vec<(RawVal, ValType)>> {
        let ty = self.struct_definition(object)?;
        let read = |index| Field::of_layout(&ty.layout, index).read(self.heap(), object);
        let fields = ty.fields().iter().enumerate();
        Ok(fields.map(|(index, field)| (read(index), field.storage.unpacked())).collect())
    }

    /// Writes a field of a struct; `value` gives what, of a type.
    #[inline]
    pub fn set_struct_field(
        &mut self,
        object: RawRef,
        index: usize,
        value: impl FnOnce(&StoreOpaque, ValType) -> Result<RawVal>,
    ) -> Result<()> {
        let (place, field) = self.struct_place(object, index)?;
        if !field.mutable {
            return Err(Error::usage(format!("field {index} is not mutable")));
        }
        let raw = value(self, field.storage.unpacked())?;
        place.write(self.heap_mut(), object, &raw);
        self.ask_for_collection();
        Ok(())
    }
}

#[inline(always)]
fn field_of(ty: &EngineType, index: usize) -> Result<&FieldType> {
    let fields = ty.fields();
    fields.get(index).ok_or_else(|| Error::usage(format!("a struct of {} fields without field {index}", fields.len())))
}
