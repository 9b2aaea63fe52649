//! What names something of a store, as plain data: whoever uses it brings the store.

mod func;
mod rooted;
mod store_id;
mod tag;

pub use func::Func;
pub use rooted::{AnyRef, ArrayRef, ExnRef, ExternRef, Root, Rooted, StringRef, StructRef};
pub(crate) use rooted::{Invariant, OwnedSlot};
pub(crate) use store_id::{ForeignStore, StoreId};
pub use tag::Tag;
