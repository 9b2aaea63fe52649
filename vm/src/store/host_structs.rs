//! Structs in the host's hands.

use super::field::Field;
use super::{ObjectClass, StoreOpaque};
use crate::errors::{Error, Result};
use crate::registry::EngineType;
use crate::rt::value::RawVal;
use crate::types::StructType;
use heapwood_gc_abi::RawRef;
use heapwood_module::{FieldType, ValType};
use std::sync::Arc;

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
        self.sample_object(id, 0);
        let object = self.with_room(|heap, guest| heap.alloc_struct(id, guest))?;
        for (index, field) in fields.iter().enumerate() {
            // After the allocation: nothing moves any more.
            let raw = value(self, index, field.storage.unpacked())?;
            Field::of_layout(&ty.definition().layout, index).write(self.heap_mut(), object, raw);
        }
        self.ask_for_collection();
        Ok(object)
    }

    /// The type of a struct object.
    fn struct_type(&self, object: RawRef) -> Result<Arc<EngineType>> {
        match self.object_class(object)? {
            ObjectClass::Struct(id) => Ok(self.engine().registry().composite(id)),
            _ => Err(Error::usage("the reference is no struct")),
        }
    }

    /// A field of a struct, and its type.
    pub fn struct_field(&self, object: RawRef, index: usize) -> Result<(RawVal, ValType)> {
        let ty = self.struct_type(object)?;
        let field = field_of(&ty, index)?;
        let raw = Field::of_layout(&ty.layout, index).read(self.heap(), object);
        Ok((raw, field.storage.unpacked()))
    }

    /// All fields of a struct, and their types.
    pub fn struct_fields(&self, object: RawRef) -> Result<Vec<(RawVal, ValType)>> {
        let ty = self.struct_type(object)?;
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
        let ty = self.struct_type(object)?;
        let field = field_of(&ty, index)?;
        if !field.mutable {
            return Err(Error::usage(format!("field {index} is not mutable")));
        }
        let raw = value(self, field.storage.unpacked())?;
        Field::of_layout(&ty.layout, index).write(self.heap_mut(), object, raw);
        self.ask_for_collection();
        Ok(())
    }
}

fn field_of(ty: &EngineType, index: usize) -> Result<FieldType> {
    let fields = ty.fields();
    let field = fields.get(index).copied();
    field.ok_or_else(|| Error::usage(format!("a struct of {} fields without field {index}", fields.len())))
}
