//! Objects in the host's hands: host values, exceptions, what a reference is.

use super::StoreOpaque;
use super::field::Field;
use super::guest::Guest;
use super::host_values::HostValue;
use crate::errors::{Error, Exception, Result, Trap, TrapKind};
use crate::ids::Tag;
use crate::rt::value::RawVal;
use crate::types::FuncType;
use heapwood_gc::{Exhausted, Heap, Refused};
use heapwood_gc_abi::layout::{EXCEPTION_TAG_OFFSET, HOST_VALUE_INDEX_OFFSET, array_bytes};
use heapwood_gc_abi::{ObjectKind, RawRef, StructLayout, TypeId, i31_signed, is_i31};
use heapwood_module::{CompositeType, ExportIndex, HeapType, RefType, ValType, brief};
use std::any::Any;
use std::sync::Arc;

/// Largest array in bytes. Other engines draw the line here too; programs use it to see an allocation fail.
const ARRAY_BYTES_MAX: u64 = 2 << 30;

/// What a reference refers to; the ids are those of types that the store holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ObjectClass {
    I31(i32),
    Struct(TypeId),
    Array(TypeId),
    Host,
    String,
    Func,
    Exn,
}

impl StoreOpaque {
    /// Refuses arrays that are larger than any array or the whole heap may be.
    pub fn check_array_size(&self, ty: TypeId, len: u32) -> Result<(), Trap> {
        let shift = self.heap().descriptor(ty).elem_shift();
        let (bytes, limit) = (array_bytes(shift, len), self.heap().limit_bytes().min(ARRAY_BYTES_MAX));
        if bytes <= limit {
            return Ok(());
        }
        let detail = format!("{bytes} bytes for an array of {len} elements; the limit is {limit} bytes");
        Err(Trap::with_detail(TrapKind::AllocationTooLarge, detail))
    }

    /// Checks a length that the host gives, which may exceed 32 bits; the length as arrays have it.
    pub fn check_array_length(&self, ty: TypeId, len: u64) -> Result<u32, Trap> {
        match u32::try_from(len) {
            Ok(len) => self.check_array_size(ty, len).map(|()| len),
            Err(_) => {
                let detail = format!("an array of {len} elements; the limit is {} elements", u32::MAX);
                Err(Trap::with_detail(TrapKind::AllocationTooLarge, detail))
            }
        }
    }

    /// What a reference that is not null refers to.
    #[inline]
    pub fn object_class(&self, raw: RawRef) -> Result<ObjectClass> {
        if is_i31(raw) {
            return Ok(ObjectClass::I31(i31_signed(raw)));
        }
        Ok(match self.heap().descriptor_of(raw).kind() {
            ObjectKind::Struct => ObjectClass::Struct(self.heap().type_of(raw)),
            ObjectKind::ArrayData | ObjectKind::ArrayRef => ObjectClass::Array(self.heap().type_of(raw)),
            ObjectKind::HostValue => ObjectClass::Host,
            ObjectKind::String | ObjectKind::Rope => ObjectClass::String,
            ObjectKind::Func => ObjectClass::Func,
            ObjectKind::Exception => ObjectClass::Exn,
            kind => return Err(Error::usage(format!("a reference to an internal object of kind {kind:?}"))),
        })
    }

    /// Whether a reference that is not null refers to an object of this type, and of none below.
    #[inline]
    pub fn is_exactly(&self, raw: RawRef, ty: TypeId) -> bool {
        !is_i31(raw) && self.heap().type_of(raw) == ty
    }

    /// The top of a heap type's hierarchy, for a defined type by its descriptor.
    #[inline]
    pub fn hierarchy(&self, heap: HeapType) -> HeapType {
        match heap {
            HeapType::Func | HeapType::NoFunc => HeapType::Func,
            HeapType::Extern | HeapType::NoExtern => HeapType::Extern,
            HeapType::Exn | HeapType::NoExn => HeapType::Exn,
            HeapType::Type(id) if self.heap().descriptor(TypeId(id)).kind() == ObjectKind::Func => HeapType::Func,
            _ => HeapType::Any,
        }
    }

    /// Whether a reference of the hierarchy of `ty` belongs to `ty`.
    #[inline]
    pub fn ref_matches(&self, raw: RawRef, ty: RefType) -> bool {
        if raw == 0 {
            return ty.nullable;
        }
        let Ok(class) = self.object_class(raw) else {
            return false;
        };
        match ty.heap {
            HeapType::Any | HeapType::Extern | HeapType::Func | HeapType::Exn => true,
            HeapType::Eq => !matches!(class, ObjectClass::Host | ObjectClass::String),
            HeapType::I31 => matches!(class, ObjectClass::I31(_)),
            HeapType::Struct => matches!(class, ObjectClass::Struct(_)),
            HeapType::Array => matches!(class, ObjectClass::Array(_)),
            HeapType::None | HeapType::NoFunc | HeapType::NoExtern | HeapType::NoExn => false,
            HeapType::Type(id) => match class {
                ObjectClass::Struct(_) | ObjectClass::Array(_) | ObjectClass::Func => {
                    let of = self.heap().type_of(raw);
                    of == TypeId(id) || self.engine().registry().is_subtype(of, TypeId(id))
                }
                _ => false,
            },
        }
    }

    /// A cell for a host value. May collect.
    pub fn new_host_value(&mut self, value: HostValue) -> Result<RawRef> {
        self.reap_host_values();
        let ty = self.engine().reserved_types().host_value;
        let cell = self.new_cell(|heap, guest| heap.alloc_host_value(ty, guest.host_values().next_index(), guest))?;
        self.guest_mut().host_values_mut().insert(value);
        Ok(cell)
    }

    /// A cleared weak cell or ephemeron. May collect.
    pub fn new_weak_cell(&mut self, ty: TypeId) -> Result<RawRef> {
        self.new_cell(|heap, guest| heap.alloc_weak(ty, guest))
    }

    /// Makes a cell. Where there are as many of its kind as a heap may have, some may be dead: then once more after a
    /// full collection.
    fn new_cell(&mut self, make: impl Fn(&mut Heap, &mut Guest) -> Result<RawRef, Exhausted>) -> Result<RawRef> {
        let mut made = self.try_with_room(&make)?;
        if made.is_err_and(|error| matches!(error.why, Refused::Cells { .. })) {
            self.collect()?;
            made = self.try_with_room(&make)?;
        }
        Ok(made.map_err(Trap::from)?)
    }

    /// Drops host values whose cells died.
    #[inline]
    pub fn reap_host_values(&mut self) {
        if self.heap().has_dead_host_values() {
            self.reap_some();
        }
    }

    #[cold]
    fn reap_some(&mut self) {
        let (guest, heap) = self.guest_and_heap();
        while let Some(index) = heap.pop_dead_host_value() {
            guest.host_values_mut().remove(index);
        }
    }

    /// The value behind a reference, if it is a host value.
    pub fn host_value(&self, raw: RawRef) -> Option<&(dyn Any + Send + Sync)> {
        self.guest().host_values().get(self.host_value_index(raw)?)
    }

    /// The value behind a reference for changing it, if it is a host value; an error in it if a checkpoint shares it.
    pub fn host_value_mut(&mut self, raw: RawRef) -> Option<Result<&mut (dyn Any + Send + Sync)>> {
        let index = self.host_value_index(raw)?;
        self.guest_mut().host_values_mut().get_mut(index)
    }

    fn host_value_index(&self, raw: RawRef) -> Option<u32> {
        if raw == 0 || is_i31(raw) || self.heap().descriptor_of(raw).kind() != ObjectKind::HostValue {
            return None;
        }
        Some(self.heap().read_i32(raw, HOST_VALUE_INDEX_OFFSET as u64))
    }

    /// An uncaught exception for the host.
    pub fn exception_of(&mut self, object: RawRef) -> Exception {
        let tag = self.tag_of(object);
        let name = self.tag_name(tag.number());
        Exception::from_root(tag, name, self.own_root(object))
    }

    /// The name of a tag in the first module that has one for it, as a message shows it.
    fn tag_name(&self, number: u32) -> Option<Arc<str>> {
        self.guest().entities().instances().iter().find_map(|instance| {
            let index = instance.tags().iter().position(|tag| *tag == number)? as u32;
            let info = instance.module().info();
            let exports = || info.exports.iter().find(|(_, export)| *export == ExportIndex::Tag(index));
            let name = info.names().tag(index).or_else(|| Some(&exports()?.0))?;
            Some(brief(name).to_string().into())
        })
    }

    fn tag_of(&self, object: RawRef) -> Tag {
        let tag_object = self.heap().read_i32(object, EXCEPTION_TAG_OFFSET as u64);
        let index = self.guest().entities().tag_of(tag_object);
        Tag::from_index(self.id(), index.expect("an exception has a tag of its store"))
    }

    /// A new exception of the host, whose payload has so many values: `value` gives each, of a type, after the
    /// allocation. May collect.
    pub fn new_exception(
        &mut self,
        tag: u32,
        values: usize,
        value: impl Fn(&StoreOpaque, usize, ValType) -> Result<RawVal>,
    ) -> Result<Exception> {
        let data = self.guest().entities().tag(tag);
        let params = self.tag_params(data.ty());
        if values != params.len() {
            let ty = FuncType::of(self.engine().registry(), data.ty());
            return Err(Error::usage(format!(
                "an exception of type {ty} with {} values was given {values}",
                params.len()
            )));
        }
        let (id, layout) = self.exception_layout(data.ty())?;
        let object = self.with_room(|heap, guest| heap.alloc_struct(id, guest))?;
        self.heap_mut().write_i32(object, EXCEPTION_TAG_OFFSET as u64, data.object());
        for (index, ty) in params.iter().enumerate() {
            // After the allocation: nothing moves any more.
            let raw = value(self, index, *ty)?;
            Field::of_layout(&layout, index).write(self.heap_mut(), object, &raw);
        }
        Ok(self.exception_of(object))
    }

    /// The types of a payload.
    fn tag_params(&self, func: TypeId) -> Box<[ValType]> {
        match &self.engine().registry().composite(func).composite {
            CompositeType::Func(signature) => signature.params.clone(),
            _ => panic!("type {} of a tag is no function type", func.0),
        }
    }

    fn exception_layout(&self, func: TypeId) -> Result<(TypeId, StructLayout)> {
        self.engine().registry().exception_type(func).map_err(|error| Error::limit(error.to_string()))
    }

    /// The payload of an exception with this tag: values and their types.
    pub fn exception_payload(&self, tag: u32, object: RawRef) -> Result<Vec<(RawVal, ValType)>> {
        let ty = self.tag_type_id(tag);
        let (_, layout) = self.exception_layout(ty)?;
        let read = |index| Field::of_layout(&layout, index).read(self.heap(), object);
        Ok(self.tag_params(ty).iter().enumerate().map(|(index, ty)| (read(index), *ty)).collect())
    }
}
