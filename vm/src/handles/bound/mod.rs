//! Objects as Rust types: a struct of the host stands for a struct type of the guest ([`GcStruct`]), which is checked
//! once, when it is bound; then fields are read and written at fixed offsets, without [`Val`](crate::Val) and
//! [`Result`](crate::Result).
//!
//! What is enough of a check where:
//! 1. `check`, at binding: storage, mutability and offset of each field, for the Rust type and for all that its fields
//!    lead to.
//! 2. `store/bound.rs`, at each making and cast: the engine; a Rust type stands for one type in a store.
//! 3. The compiler, everywhere else. A [`Local`] carries the brand of its scope, a lifetime that no other scope has, so
//!    that it means a place among the handles of that scope in that store, which is there as long as the scope is. It
//!    was made from an object of the type that its Rust type stands for, or of one below it.
//!
//! The traits are sealed, or say nothing that is not checked: a type that implements [`GcStruct`] by hand can be
//! refused by the compiler or at binding, and cannot lie.

mod abstracts;
mod array;
mod check;
mod fields;
mod host;
mod list;
mod local;
mod roots;
mod scope;
mod shape;
mod structure;
mod sum;

pub use abstracts::{EqRef, I31Ref, Internal};
pub use array::{GcArray, GcElement};
pub use fields::{Const, GcField, GcNumber, Ref};
pub use host::ScopedValues;
pub use list::{At, FieldAt, FieldList, Here, Select, There};
pub(crate) use local::Dynamic;
pub use local::{Access, GcRef, Handle, Local};
pub use scope::{Outer, Scope};
pub use structure::{Bind, Binding, Bound, GcStruct, Maker};
pub use sum::GcEnum;
