//! Structs in the host's hands.

use super::field::Field;
use super::{ObjectClass, StoreOpaque};
use crate::errors::{Error, Result};
use crate::registry::EngineType;
use crate::rt::value::RawVal;
use crate::types::StructType;
use heapwood_gc_abi::{RawRef, TypeId};
use heapwood_module::{FieldType, ValType};

impl StoreOpaque {
    /// A new struct of the host, which gives so many values: `value` says each, of a type. It is asked before the
    /// allocation, so that a value that does not belong leaves nothing half made, and after it, since what values name
    /// may have moved. May collect.
    pub fn new_struct(
        &mut self,
        ty: &StructType,
        values: usize,
        value: impl Fn(&StoreOpaque, usize, ValType) -> Result<RawVal>,
    ) -> Result<RawRef> {
        let id = self.take_struct_type(ty)?;
        let fields = ty.field_types();
        if values != fields.len() {
            let wanted = fields.len();
            return Err(Error::usage(format!("a struct with {wanted} fields was given {values} values")));
        }
        for (index, field) in fields.iter().enumerate() {
            value(self, index, field.storage.unpacked())?;
        }
        let object = self.new_blank_struct(id)?;
        for (index, field) in fields.iter().enumerate() {
            // After the allocation: nothing moves any more.
            let raw = value(self, index, field.storage.unpacked())?;
            Field::of_layout(&ty.definition().layout, index).write(self.heap_mut(), object, raw);
        }
        self.ask_for_collection();
        Ok(object)
    }

    /// A new struct of zeros and nulls, of a type that was taken. May collect.
    pub fn new_blank_struct(&mut self, ty: TypeId) -> Result<RawRef> {
        self.check_usable()?;
        self.sample_object(ty, 0);
        if let Some(object) = self.heap_mut().alloc_struct_at_once(ty) {
            return Ok(object);
        }
        self.with_room(|heap, guest| heap.alloc_struct(ty, guest))
    }

    /// The type of a struct object.
    #[inline]
    fn struct_definition(&self, object: RawRef) -> Result<&EngineType> {
        match self.object_class(object)? {
            ObjectClass::Struct(id) => Ok(self.definition(id)),
            _ => Err(Error::usage("the reference is no struct")),
        }
    }

    /// Where a field of a struct object is, and its type.
    #[inline]
    fn struct_place(&self, object: RawRef, index: usize) -> Result<(Field, FieldType)> {
        let ty = self.struct_definition(object)?;
        let field = field_of(ty, index)?;
        Ok((Field::of_layout(&ty.layout, index), field))
    }

    /// A field of a struct, and its type.
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
        place.write(self.heap_mut(), object, raw);
        self.ask_for_collection();
        Ok(())
    }
}

#[inline]
fn field_of(ty: &EngineType, index: usize) -> Result<FieldType> {
    let fields = ty.fields();
    let field = fields.get(index).copied();
    field.ok_or_else(|| Error::usage(format!("a struct of {} fields without field {index}", fields.len())))
}
