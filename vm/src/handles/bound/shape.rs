//! What Rust types ask of the types that they stand for.

use heapwood_module::{HeapType, StorageType};
use std::any::TypeId as RustType;

/// A Rust type that references may lead to.
pub struct Target {
    pub(super) rust: RustType,
    /// For messages.
    pub(super) name: &'static str,
    pub(super) shape: Shape,
}

/// What it asks.
pub(super) enum Shape {
    /// This type, which no module defines.
    Abstract(HeapType),
    /// A struct type.
    Struct(StructShape),
    /// An array type with these elements.
    Array(FieldShape),
}

/// What a Rust type asks of a struct type.
pub(super) struct StructShape {
    /// The fields in their order.
    pub fields: Vec<FieldShape>,
    /// Whether the type may have more fields behind these.
    pub is_prefix: bool,
    /// What stands for its supertype.
    pub base: fn() -> Target,
}

/// What a Rust type asks of a field, or of the elements of an array.
pub struct FieldShape {
    /// For messages.
    pub(super) name: &'static str,
    pub(super) is_mutable: bool,
    pub(super) storage: Storage,
    /// Bytes from the start of an object; of no meaning for elements.
    pub(super) offset: u32,
}

/// What a field holds.
pub struct Storage(pub(super) Held);

/// See [`Storage`].
pub(super) enum Held {
    /// A number.
    Number(StorageType),
    /// A reference.
    Reference {
        /// Whether the reference may be null.
        is_nullable: bool,
        /// What it leads to.
        target: fn() -> Target,
    },
}
