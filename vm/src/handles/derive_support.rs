//! What `#[derive(GcStruct)]` and `#[derive(GcEnum)]` name in what they write. No part of the interface.

pub use super::bound::{
    Access, At, Binding, Const, FieldAt, FieldList, GcEnum, GcField, GcRef, GcStruct, Handle, Here, Local, Maker,
    Scope, Select, There,
};
pub use crate::errors::Result;
pub use crate::ids::{AnyRef, StructRef};
