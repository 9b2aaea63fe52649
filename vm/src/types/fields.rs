//! Types of fields and elements.

use super::ValType;
use crate::errors::Result;
use crate::registry::TypeRegistry;
use heapwood_module as m;
use std::fmt;
use std::sync::Arc;

/// What a field or an element holds.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum StorageType {
    /// Eight bits of an i32.
    I8,
    /// Sixteen bits of an i32.
    I16,
    /// A value.
    ValType(ValType),
}

/// Whether a field or an element can be written after its object was made.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Mutability {
    /// It keeps its value.
    Const,
    /// It can be written.
    Var,
}

/// The type of a field of a struct, or of the elements of an array.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct FieldType {
    mutability: Mutability,
    storage: StorageType,
}

impl StorageType {
    /// The type of the values that are read and written: i32 for packed ones.
    pub fn unpack(&self) -> &ValType {
        match self {
            StorageType::I8 | StorageType::I16 => &ValType::I32,
            StorageType::ValType(ty) => ty,
        }
    }

    /// From a type whose type indices are ids that are alive.
    pub(crate) fn from_registry(registry: &Arc<TypeRegistry>, storage: m::StorageType) -> StorageType {
        match storage {
            m::StorageType::I8 => StorageType::I8,
            m::StorageType::I16 => StorageType::I16,
            m::StorageType::Val(ty) => StorageType::ValType(ValType::from_registry(registry, ty)),
        }
    }

    fn resolve(&self, registry: &Arc<TypeRegistry>) -> Result<m::StorageType> {
        Ok(match self {
            StorageType::I8 => m::StorageType::I8,
            StorageType::I16 => m::StorageType::I16,
            StorageType::ValType(ty) => m::StorageType::Val(ty.resolve(registry)?),
        })
    }
}

impl From<ValType> for StorageType {
    fn from(ty: ValType) -> StorageType {
        StorageType::ValType(ty)
    }
}

impl FieldType {
    /// A field or element that holds `storage`.
    pub const fn new(mutability: Mutability, storage: StorageType) -> FieldType {
        FieldType { mutability, storage }
    }

    /// Whether it can be written after its object was made.
    pub const fn mutability(&self) -> Mutability {
        self.mutability
    }

    /// What it holds.
    pub const fn element_type(&self) -> &StorageType {
        &self.storage
    }

    /// The same in terms of `registry`.
    ///
    /// # Errors
    /// It names a type of another engine.
    pub(super) fn resolve(&self, registry: &Arc<TypeRegistry>) -> Result<m::FieldType> {
        Ok(m::FieldType { storage: self.storage.resolve(registry)?, mutable: self.mutability == Mutability::Var })
    }

    /// From a type whose type indices are ids that are alive.
    pub(super) fn from_registry(registry: &Arc<TypeRegistry>, field: m::FieldType) -> FieldType {
        let mutability = if field.mutable { Mutability::Var } else { Mutability::Const };
        FieldType { mutability, storage: StorageType::from_registry(registry, field.storage) }
    }
}

impl fmt::Display for StorageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StorageType::I8 => f.write_str("i8"),
            StorageType::I16 => f.write_str("i16"),
            StorageType::ValType(ty) => ty.fmt(f),
        }
    }
}

impl fmt::Display for FieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mutability {
            Mutability::Const => self.storage.fmt(f),
            Mutability::Var => write!(f, "(mut {})", self.storage),
        }
    }
}
