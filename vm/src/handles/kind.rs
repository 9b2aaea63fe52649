//! What references refer to.

use crate::store::{ObjectClass, StoreOpaque};
use crate::types::{ArrayType, HeapType, StructType};

/// What a reference refers to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RefKind {
    /// A 31-bit integer, sign-extended.
    I31(i32),
    /// A struct, with its type.
    Struct(StructType),
    /// An array, with its type.
    Array(ArrayType),
    /// A host value.
    Host,
    /// A string.
    String,
    /// A function.
    Func,
    /// An exception.
    Exn,
}

impl RefKind {
    pub(crate) fn new(store: &StoreOpaque, class: ObjectClass) -> RefKind {
        match class {
            ObjectClass::I31(value) => RefKind::I31(value),
            ObjectClass::Struct(id) | ObjectClass::Array(id) => match store.type_handle(id) {
                HeapType::ConcreteStruct(ty) => RefKind::Struct(ty),
                HeapType::ConcreteArray(ty) => RefKind::Array(ty),
                other => panic!("an object of type {other}"),
            },
            ObjectClass::Host => RefKind::Host,
            ObjectClass::String => RefKind::String,
            ObjectClass::Func => RefKind::Func,
            ObjectClass::Exn => RefKind::Exn,
        }
    }
}
