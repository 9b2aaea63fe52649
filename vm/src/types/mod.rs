//! Types as the host sees them: those of the specification with engine-wide identity.
//!
//! A defined type is a handle ([`FuncType`], [`StructType`], [`ArrayType`]): it belongs to an engine, keeps its
//! definition alive, and is equal to another handle exactly if both mean the same type of the same engine. Numbers name
//! no types here; below the API types are those of `heapwood_module` with engine-wide ids, and the one way from a type
//! of the host to such an id compares the engines (`ValType::resolve` and its kin).

mod builder;
mod defined;
mod external;
mod fields;
mod object_types;
mod stand_in;
mod value;

pub use builder::{GroupBase, GroupMember, GroupStorage, GroupType, TypeBuilder};
pub use defined::{ArrayType, FuncType, StructType};
pub use external::{ExportType, ExternType, GlobalType, ImportType, TableType, TagType};
pub use fields::{FieldType, Mutability, StorageType};
pub use heapwood_gc_abi::TypeId;
pub use heapwood_module::{CompositeKind, MemoryType, MemoryTypeBuilder, MemoryTypeError};
pub(crate) use stand_in::StandIn;
pub use value::{HeapType, RefType, ValType};
