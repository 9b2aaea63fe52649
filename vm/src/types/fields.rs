//! Types of fields and elements.

use super::ValType;
use crate::errors::Result;
use crate::registry::TypeRegistry;
use heapwood_module as m;
use std::fmt;
use std::sync::Arc;

/// What a field or an element holds.
///
/// ```
/// # use heapwood_vm::{StorageType, ValType};
/// assert_eq!(StorageType::I8.unpack(), &ValType::I32);
/// assert_eq!(StorageType::from(ValType::F64).as_val_type(), Some(&ValType::F64));
/// ```
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
///
/// ```
/// # use heapwood_vm::Mutability;
/// assert!(Mutability::Var.is_var() && Mutability::Const.is_const());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Mutability {
    /// A field, element or global that keeps its value.
    Const,
    /// A field, element or global that can be written.
    Var,
}

/// The type of a field of a struct, or of the elements of an array.
///
/// ```
/// # use heapwood_vm::{FieldType, Mutability, StorageType};
/// let field = FieldType::new(Mutability::Var, StorageType::I16);
/// assert_eq!((field.mutability(), field.element_type()), (Mutability::Var, &StorageType::I16));
/// assert_eq!(field.to_string(), "(mut i16)");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct FieldType {
    mutability: Mutability,
    storage: StorageType,
}

impl Mutability {
    /// Whether this is `Const`.
    pub const fn is_const(self) -> bool {
        matches!(self, Mutability::Const)
    }

    /// Whether this is `Var`.
    pub const fn is_var(self) -> bool {
        matches!(self, Mutability::Var)
    }

    pub(super) fn of(field: m::FieldType) -> Mutability {
        if field.mutable { Mutability::Var } else { Mutability::Const }
    }
}

impl StorageType {
    /// The type of the values that it holds; none for packed ones.
    pub const fn as_val_type(&self) -> Option<&ValType> {
        match self {
            StorageType::ValType(ty) => Some(ty),
            StorageType::I8 | StorageType::I16 => None,
        }
    }

    /// The type of the values that are read and written: i32 for packed ones.
    pub fn unpack(&self) -> &ValType {
        match self {
            StorageType::I8 | StorageType::I16 => &ValType::I32,
            StorageType::ValType(ty) => ty,
        }
    }

    /// The type for the host, from one with ids of the engine that are alive.
    pub(crate) fn from_registry(registry: &Arc<TypeRegistry>, storage: m::StorageType) -> StorageType {
        match storage {
            m::StorageType::I8 => StorageType::I8,
            m::StorageType::I16 => StorageType::I16,
            m::StorageType::Val(ty) => StorageType::ValType(ValType::from_registry(registry, ty)),
        }
    }

    pub(super) fn resolve(&self, registry: &Arc<TypeRegistry>) -> Result<m::StorageType> {
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

    /// The type of what the field holds.
    pub const fn element_type(&self) -> &StorageType {
        &self.storage
    }

    /// The type as a store has it: with ids of `registry` in place of handles.
    ///
    /// # Errors
    /// It names a type of another engine.
    pub(super) fn resolve(&self, registry: &Arc<TypeRegistry>) -> Result<m::FieldType> {
        Ok(m::FieldType { storage: self.storage.resolve(registry)?, mutable: self.mutability == Mutability::Var })
    }

    /// The type for the host, from one with ids of the engine that are alive.
    pub(crate) fn from_registry(registry: &Arc<TypeRegistry>, field: m::FieldType) -> FieldType {
        FieldType { mutability: Mutability::of(field), storage: StorageType::from_registry(registry, field.storage) }
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
