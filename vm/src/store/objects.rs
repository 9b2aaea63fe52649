//! Objects in the host's hands: host values, exceptions, what a reference is.

use super::StoreOpaque;
use crate::error::{Error, Result};
use crate::exception::Exception;
use crate::handles::Tag;
use crate::refs::ObjectClass;
use crate::registry::EngineType;
use crate::trap::{Trap, TrapKind};
use crate::types::FuncType;
use crate::value::{RawVal, Val};
use heapwood_gc::{Exhausted, Refused};
use heapwood_gc_abi::layout::{ARRAY_ELEMENTS_OFFSET, EXCEPTION_TAG_OFFSET, HOST_VALUE_INDEX_OFFSET, array_bytes};
use heapwood_gc_abi::{FieldKind, ObjectKind, RawRef, StructLayout, TypeId, i31_signed, is_i31};
use heapwood_module::{CompositeType, FieldType, HeapType, RefType, ValType};
use std::any::Any;
use std::sync::Arc;

/// Largest array in bytes. Other engines draw the line here too; programs use it to see an allocation fail.
const ARRAY_BYTES_MAX: u64 = 2 << 30;

impl StoreOpaque {
    /// Refuses arrays that are larger than any array or the whole heap may be.
    pub fn check_array_size(&self, ty: TypeId, len: u32) -> Result<(), Trap> {
        let shift = self.heap.descriptor(ty).elem_shift();
        let (bytes, limit) = (array_bytes(shift, len), self.heap.limit_bytes().min(ARRAY_BYTES_MAX));
        if bytes <= limit {
            return Ok(());
        }
        let detail = format!("{bytes} bytes for an array of {len} elements; the limit is {limit} bytes");
        Err(Trap::with_detail(TrapKind::AllocationTooLarge, detail))
    }

    /// What a reference that is not null refers to.
    pub fn object_class(&self, raw: RawRef) -> Result<ObjectClass> {
        if is_i31(raw) {
            return Ok(ObjectClass::I31(i31_signed(raw)));
        }
        Ok(match self.heap.descriptor_of(raw).kind() {
            ObjectKind::Struct => ObjectClass::Struct(self.heap.type_of(raw)),
            ObjectKind::ArrayData | ObjectKind::ArrayRef => ObjectClass::Array(self.heap.type_of(raw)),
            ObjectKind::HostValue => ObjectClass::Host,
            ObjectKind::Func => ObjectClass::Func,
            ObjectKind::Exception => ObjectClass::Exn,
            kind => return Err(Error::usage(format!("a reference to an internal object of kind {kind:?}"))),
        })
    }

    /// The top of a heap type's hierarchy, for a defined type by its descriptor.
    #[inline]
    pub fn hierarchy(&self, heap: HeapType) -> HeapType {
        match heap {
            HeapType::Func | HeapType::NoFunc => HeapType::Func,
            HeapType::Extern | HeapType::NoExtern => HeapType::Extern,
            HeapType::Exn | HeapType::NoExn => HeapType::Exn,
            HeapType::Type(id) if self.heap.descriptor(TypeId(id)).kind() == ObjectKind::Func => HeapType::Func,
            _ => HeapType::Any,
        }
    }

    /// Whether a reference of the hierarchy of `ty` belongs to `ty`.
    pub fn ref_matches(&self, raw: RawRef, ty: RefType) -> bool {
        if raw == 0 {
            return ty.nullable;
        }
        let Ok(class) = self.object_class(raw) else {
            return false;
        };
        match ty.heap {
            HeapType::Any | HeapType::Extern | HeapType::Func | HeapType::Exn => true,
            HeapType::Eq => !matches!(class, ObjectClass::Host),
            HeapType::I31 => matches!(class, ObjectClass::I31(_)),
            HeapType::Struct => matches!(class, ObjectClass::Struct(_)),
            HeapType::Array => matches!(class, ObjectClass::Array(_)),
            HeapType::None | HeapType::NoFunc | HeapType::NoExtern | HeapType::NoExn => false,
            HeapType::Type(id) => match class {
                ObjectClass::Struct(_) | ObjectClass::Array(_) | ObjectClass::Func => {
                    self.engine().registry().is_subtype(self.heap.type_of(raw), TypeId(id))
                }
                _ => false,
            },
        }
    }

    /// Promotes all young objects. Returns these references as they are afterwards.
    pub fn promote_all<const N: usize>(&mut self, references: [RawRef; N]) -> [RawRef; N] {
        let mark = self.guest.temporaries.len();
        self.guest.temporaries.extend(references);
        self.heap.promote_all(&mut self.guest);
        let promoted = std::array::from_fn(|index| self.guest.temporaries[mark + index]);
        self.guest.temporaries.truncate(mark);
        promoted
    }

    /// A cell for a host value. May collect.
    pub fn new_host_value(&mut self, value: Box<dyn Any + Send + Sync>) -> Result<RawRef> {
        self.reap_host_values();
        let ty = self.engine().reserved_types().host_value;
        let cell = self.new_cell(|store| {
            let index = store.guest.free_host_values.last().copied().unwrap_or(store.guest.host_values.len() as u32);
            store.heap.alloc_host_value(ty, index, &mut store.guest)
        })?;
        match self.guest.free_host_values.pop() {
            Some(index) => self.guest.host_values[index as usize] = Some(value),
            None => self.guest.host_values.push(Some(value)),
        }
        Ok(cell)
    }

    /// A cleared weak cell or ephemeron. May collect.
    pub fn new_weak_cell(&mut self, ty: TypeId) -> Result<RawRef> {
        self.new_cell(|store| store.heap.alloc_weak(ty, &mut store.guest))
    }

    /// Makes a cell. Where there are as many of its kind as a heap may have, some may be dead: then once more after a full
    /// collection.
    fn new_cell(&mut self, make: impl Fn(&mut StoreOpaque) -> Result<RawRef, Exhausted>) -> Result<RawRef> {
        let mut made = make(self);
        if made.is_err_and(|error| matches!(error.why, Refused::Cells { .. })) {
            self.collect()?;
            made = make(self);
        }
        Ok(made.map_err(Trap::from)?)
    }

    /// Drops host values whose cells died.
    pub fn reap_host_values(&mut self) {
        while let Some(index) = self.heap.pop_dead_host_value() {
            self.guest.host_values[index as usize] = None;
            self.guest.free_host_values.push(index);
        }
    }

    /// The value behind a reference, if it is a host value.
    pub fn host_value(&self, raw: RawRef) -> Option<&(dyn Any + Send + Sync)> {
        if raw == 0 || is_i31(raw) || self.heap.descriptor_of(raw).kind() != ObjectKind::HostValue {
            return None;
        }
        let index = self.heap.read_i32(raw, HOST_VALUE_INDEX_OFFSET as u64);
        self.guest.host_values[index as usize].as_deref()
    }

    /// An uncaught exception for the host.
    pub fn exception_of(&mut self, object: RawRef) -> Exception {
        let tag = self.tag_of(object);
        Exception::from_root(tag, self.own_root(object))
    }

    fn tag_of(&self, object: RawRef) -> Tag {
        let tag_object = self.heap.read_i32(object, EXCEPTION_TAG_OFFSET as u64);
        // Tags are allocated in order, so their references ascend.
        let index = self.guest.tags.binary_search_by_key(&tag_object, |tag| tag.object);
        Tag::from_index(self.id(), index.expect("an exception has a tag of its store") as u32)
    }

    /// A new exception of the host. May collect.
    pub fn new_exception(&mut self, tag: Tag, payload: &[Val]) -> Result<Exception> {
        let data = self.guest.tags[tag.index(self)? as usize];
        let params = self.tag_params(data.ty);
        if payload.len() != params.len() {
            let ty = FuncType::of(self.engine().registry(), data.ty);
            return Err(Error::usage(format!("an exception of type {ty} was given {} values", payload.len())));
        }
        let (id, layout) = self.exception_layout(data.ty)?;
        let object = self.heap.alloc_struct(id, &mut self.guest).map_err(Trap::from)?;
        self.heap.write_i32(object, EXCEPTION_TAG_OFFSET as u64, data.object);
        for ((value, ty), field) in payload.iter().zip(&params).zip(0..) {
            // After the allocation: nothing moves any more.
            let raw = value.to_raw(self, *ty)?;
            self.write_field(object, &layout, field, raw);
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

    fn write_field(&mut self, object: RawRef, layout: &StructLayout, field: usize, raw: RawVal) {
        let offset = layout.offsets[field] as u64;
        match layout.kinds[field] {
            FieldKind::I8 => self.heap.write_i8(object, offset, raw[0] as u8),
            FieldKind::I16 => self.heap.write_i16(object, offset, raw[0] as u16),
            FieldKind::I32 => self.heap.write_i32(object, offset, raw[0] as u32),
            FieldKind::I64 => self.heap.write_i64(object, offset, raw[0]),
            FieldKind::V128 => self.heap.write_v128(object, offset, raw[0] as u128 | (raw[1] as u128) << 64),
            FieldKind::Ref => self.heap.write_ref(object, offset, raw[0] as u32),
        }
    }

    fn read_field(&self, object: RawRef, layout: &StructLayout, field: usize) -> RawVal {
        self.read_storage(object, layout.offsets[field] as u64, layout.kinds[field])
    }

    fn read_storage(&self, object: RawRef, offset: u64, kind: FieldKind) -> RawVal {
        match kind {
            FieldKind::I8 => [self.heap.read_i8(object, offset) as u64, 0],
            FieldKind::I16 => [self.heap.read_i16(object, offset) as u64, 0],
            FieldKind::I32 | FieldKind::Ref => [self.heap.read_i32(object, offset) as u64, 0],
            FieldKind::I64 => [self.heap.read_i64(object, offset), 0],
            FieldKind::V128 => {
                let value = self.heap.read_v128(object, offset);
                [value as u64, (value >> 64) as u64]
            }
        }
    }

    /// The payload of an exception.
    pub fn exception_payload(&mut self, exception: &Exception) -> Result<Vec<Val>> {
        let object = self.guest.roots.get_owned(exception.root())?;
        let ty = self.guest.tags[exception.tag().index(self)? as usize].ty;
        let (_, layout) = self.exception_layout(ty)?;
        let params = self.tag_params(ty);
        let fields = params.iter().enumerate();
        Ok(fields.map(|(field, ty)| Val::from_raw(self, self.read_field(object, &layout, field), *ty)).collect())
    }

    /// The type of a struct object and one of its fields.
    fn struct_type(&self, object: RawRef, index: usize) -> Result<(Arc<EngineType>, FieldType)> {
        let ObjectClass::Struct(id) = self.object_class(object)? else {
            return Err(Error::usage("the reference is no struct"));
        };
        let ty = self.engine().registry().composite(id);
        let CompositeType::Struct(fields) = &ty.composite else { panic!("type {} is no struct type", id.0) };
        let field = fields.get(index).copied();
        let field = field.ok_or_else(|| Error::usage(format!("a struct without field {index}")))?;
        Ok((ty, field))
    }

    /// A field of a struct.
    pub fn struct_field(&mut self, object: RawRef, index: usize) -> Result<Val> {
        let (ty, field) = self.struct_type(object, index)?;
        let raw = self.read_field(object, &ty.layout, index);
        Ok(Val::from_raw(self, raw, field.storage.unpacked()))
    }

    /// Writes a field of a struct.
    pub fn set_struct_field(&mut self, object: RawRef, index: usize, value: Val) -> Result<()> {
        let (ty, field) = self.struct_type(object, index)?;
        if !field.mutable {
            return Err(Error::usage(format!("field {index} is not mutable")));
        }
        let raw = value.to_raw(self, field.storage.unpacked())?;
        self.write_field(object, &ty.layout, index, raw);
        Ok(())
    }

    /// Number of elements of an array.
    pub fn array_len(&self, object: RawRef) -> Result<u32> {
        match self.object_class(object)? {
            ObjectClass::Array(_) => Ok(self.heap.array_length(object)),
            _ => Err(Error::usage("the reference is no array")),
        }
    }

    /// An element of an array.
    pub fn array_element(&mut self, object: RawRef, index: u32) -> Result<Val> {
        if index >= self.array_len(object)? {
            return Err(Error::usage(format!("an array without element {index}")));
        }
        let ty = self.engine().registry().composite(self.heap.type_of(object));
        let CompositeType::Array(element) = &ty.composite else { panic!("type {} is no array type", ty.id.0) };
        let kind = element.storage.field_kind();
        let offset = ARRAY_ELEMENTS_OFFSET as u64 + ((index as u64) << kind.shift());
        let raw = self.read_storage(object, offset, kind);
        Ok(Val::from_raw(self, raw, element.storage.unpacked()))
    }
}
