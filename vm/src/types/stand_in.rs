//! Rust types that stand for types of a guest.

use super::HeapType;
use crate::registry::TypeHandle;
use std::any::TypeId as RustType;

/// A Rust type, and the struct or array type that it stands for.
#[derive(Clone, Debug)]
pub(crate) struct StandIn {
    /// The Rust type.
    pub rust: RustType,
    /// Name of the Rust type, for messages.
    pub name: &'static str,
    ty: HeapType,
}

impl StandIn {
    /// `ty` is a defined type.
    pub fn new(rust: RustType, name: &'static str, ty: HeapType) -> StandIn {
        debug_assert!(ty.handle().is_some(), "{name} stands for the abstract type {ty}");
        StandIn { rust, name, ty }
    }

    /// What it stands for.
    pub fn ty(&self) -> &HeapType {
        &self.ty
    }

    /// The use of its type.
    #[inline]
    pub fn handle(&self) -> &TypeHandle {
        self.ty.handle().expect("a defined type")
    }
}
