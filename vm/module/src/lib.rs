//! Decoded WebAssembly modules: bytes -> [`ModuleInfo`] by wasmparser, with types, index spaces, layouts and names.
//!
//! Arrow of import: `wasmparser <- module <- jit <- vm`. Nothing here knows of machine code or of a heap.
//!
//! - [`decode`] validates everything but function bodies; each body comes back as a [`FuncBodyJob`].
//! - [`is_malformed`] tells a module that cannot be decoded from one that decodes and is invalid.
//! - [`TypeSection`] answers equality and subtyping inside one module; identity across modules is the business of
//!   the engine's type registry, which shares [`encode_group`] and [`GroupReader`].
//! - [`ContextLayout`] says where compiled code and the runtime find an instance's entities.

mod branch_hints;
mod bytes;
mod const_expr;
mod context;
pub mod convert;
mod decode;
mod detect;
mod error;
mod features;
mod form;
mod gate;
mod group_key;
mod hierarchy;
mod info;
mod inspect;
mod key_table;
mod lazy_types;
pub mod limits;
mod malformed;
mod memory_type;
mod names;
mod needs;
mod other_files;
mod printable;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod type_section;
pub mod types;
mod weight;

pub use branch_hints::{BranchHint, BranchHints};
pub use bytes::ModuleBytes;
pub use const_expr::{ConstExpr, ConstItems, ConstOp, ConstOps};
pub use context::ContextLayout;
pub use decode::{DecodedModule, FuncBodyJob, decode};
pub use error::ModuleError;
pub use features::{ABSENT_FEATURES, FEATURES, FeatureError, FeatureInfo, Features};
pub use gate::{Gate, gate};
pub use group_key::{GroupReader, GroupReference, TypeHead, Word, encode_group, encode_section};
pub use hierarchy::{CompositeKind, Hierarchy};
pub use info::*;
pub use inspect::{write_limits, write_memory};
pub use lazy_types::LazyTypes;
pub use malformed::is_malformed;
pub use memory_type::{MemoryType, MemoryTypeBuilder, MemoryTypeError};
pub use names::Names;
pub use needs::{detect, explain};
pub use other_files::{CHECKPOINT_MAGIC, IMAGE_MAGIC, what_it_is};
pub use printable::{brief, cut, printable};
pub use type_section::{NO_PARENT, TypeSection, TypeSectionBuilder};
pub use types::*;
pub use weight::decoded_bytes;
