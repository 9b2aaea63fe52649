//! wasmparser's types to ours.

use crate::{
    CompositeType, FieldType, FuncType, GlobalType, HeapType, MemoryType, ModuleError, RefType, StorageType, SubType,
    TableType, ValType,
};
use wasmparser::{AbstractHeapType, CompositeInnerType, PackedIndex, UnpackedIndex};

const PAGE_SIZE_LOG2: u32 = 16;

/// The module index behind a type reference of an undigested module.
fn type_index(index: UnpackedIndex, offset: usize) -> Result<u32, ModuleError> {
    index.as_module_index().ok_or_else(|| ModuleError::at(offset, format!("type reference {index} is no index")))
}

fn packed_type_index(index: PackedIndex, offset: usize) -> Result<u32, ModuleError> {
    type_index(index.unpack(), offset)
}

/// A heap type as it stands in the binary: its types are indices. Errors: one that no feature of ours brings.
pub fn heap_type(heap: wasmparser::HeapType, offset: usize) -> Result<HeapType, ModuleError> {
    use AbstractHeapType as Abstract;
    let unsupported = || ModuleError::at(offset, format!("heap type {heap:?} is not supported"));
    let ty = match heap {
        wasmparser::HeapType::Concrete(index) => return Ok(HeapType::Type(type_index(index, offset)?)),
        wasmparser::HeapType::Exact(_) | wasmparser::HeapType::Abstract { shared: true, .. } => {
            return Err(unsupported());
        }
        wasmparser::HeapType::Abstract { shared: false, ty } => ty,
    };
    Ok(match ty {
        Abstract::Any => HeapType::Any,
        Abstract::Eq => HeapType::Eq,
        Abstract::I31 => HeapType::I31,
        Abstract::Struct => HeapType::Struct,
        Abstract::Array => HeapType::Array,
        Abstract::None => HeapType::None,
        Abstract::Func => HeapType::Func,
        Abstract::NoFunc => HeapType::NoFunc,
        Abstract::Extern => HeapType::Extern,
        Abstract::NoExtern => HeapType::NoExtern,
        Abstract::Exn => HeapType::Exn,
        Abstract::NoExn => HeapType::NoExn,
        Abstract::Cont | Abstract::NoCont => return Err(unsupported()),
    })
}

/// A reference type as it stands in the binary ([`heap_type`]).
pub fn ref_type(ty: wasmparser::RefType, offset: usize) -> Result<RefType, ModuleError> {
    Ok(RefType::new(ty.is_nullable(), heap_type(ty.heap_type(), offset)?))
}

/// A value type as it stands in the binary ([`heap_type`]).
pub fn val_type(ty: wasmparser::ValType, offset: usize) -> Result<ValType, ModuleError> {
    Ok(match ty {
        wasmparser::ValType::I32 => ValType::I32,
        wasmparser::ValType::I64 => ValType::I64,
        wasmparser::ValType::F32 => ValType::F32,
        wasmparser::ValType::F64 => ValType::F64,
        wasmparser::ValType::V128 => ValType::V128,
        wasmparser::ValType::Ref(ty) => ValType::Ref(ref_type(ty, offset)?),
    })
}

fn field_type(field: &wasmparser::FieldType, offset: usize) -> Result<FieldType, ModuleError> {
    let storage = match field.element_type {
        wasmparser::StorageType::I8 => StorageType::I8,
        wasmparser::StorageType::I16 => StorageType::I16,
        wasmparser::StorageType::Val(ty) => StorageType::Val(val_type(ty, offset)?),
    };
    Ok(FieldType { storage, mutable: field.mutable })
}

/// What becomes of each item, in a list that never grows; the first error.
fn each<T, U>(items: &[T], convert: impl Fn(&T) -> Result<U, ModuleError>) -> Result<Box<[U]>, ModuleError> {
    let mut converted = Vec::with_capacity(items.len());
    for item in items {
        converted.push(convert(item)?);
    }
    Ok(converted.into())
}

pub(crate) fn sub_type(ty: &wasmparser::SubType, offset: usize) -> Result<SubType, ModuleError> {
    let composite = &ty.composite_type;
    if composite.shared || composite.descriptor_idx.is_some() || composite.describes_idx.is_some() {
        return Err(ModuleError::at(offset, "shared types and descriptors are not supported"));
    }
    let vals = |types: &[wasmparser::ValType]| each(types, |ty| val_type(*ty, offset));
    let composite = match &composite.inner {
        CompositeInnerType::Func(func) => {
            CompositeType::Func(FuncType { params: vals(func.params())?, results: vals(func.results())? })
        }
        CompositeInnerType::Struct(fields) => {
            CompositeType::Struct(each(&fields.fields, |field| field_type(field, offset))?)
        }
        CompositeInnerType::Array(array) => CompositeType::Array(field_type(&array.0, offset)?),
        CompositeInnerType::Cont(_) => return Err(ModuleError::at(offset, "continuation types are not supported")),
    };
    let supertype = ty.supertype_idx.map(|index| packed_type_index(index, offset)).transpose()?;
    Ok(SubType { is_final: ty.is_final, supertype, composite })
}

fn unshared(shared: bool, what: &str, offset: usize) -> Result<(), ModuleError> {
    if shared { Err(ModuleError::at(offset, format!("a shared {what} is not supported"))) } else { Ok(()) }
}

pub(crate) fn global_type(ty: wasmparser::GlobalType, offset: usize) -> Result<GlobalType, ModuleError> {
    unshared(ty.shared, "global", offset)?;
    Ok(GlobalType { val: val_type(ty.content_type, offset)?, mutable: ty.mutable })
}

pub(crate) fn table_type(ty: wasmparser::TableType, offset: usize) -> Result<TableType, ModuleError> {
    unshared(ty.shared, "table", offset)?;
    let element = ref_type(ty.element_type, offset)?;
    Ok(TableType { element, min: ty.initial, max: ty.maximum, table64: ty.table64 })
}

pub(crate) fn memory_type(ty: wasmparser::MemoryType) -> MemoryType {
    MemoryType {
        min: ty.initial,
        max: ty.maximum,
        memory64: ty.memory64,
        shared: ty.shared,
        page_size_log2: ty.page_size_log2.unwrap_or(PAGE_SIZE_LOG2),
    }
}
