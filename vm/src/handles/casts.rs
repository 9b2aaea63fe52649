//! What a reference of the `any` hierarchy is, as a handle of that.

use super::RefKind;
use crate::errors::Result;
use crate::ids::{AnyRef, ArrayRef, Rooted, StructRef};
use crate::store::{AsContext, ObjectClass};

impl Rooted<AnyRef> {
    fn class(&self, store: impl AsContext) -> Result<ObjectClass> {
        let context = store.as_context();
        let store = context.opaque();
        store.object_class(store.root_get(self)?)
    }

    /// Panics: it is of another kind than the one that was wanted.
    #[cold]
    #[track_caller]
    fn not_a(&self, store: impl AsContext, wanted: &str) -> ! {
        match self.kind(store) {
            Ok(RefKind::Struct(ty)) => panic!("{wanted} was expected, found a {ty}"),
            Ok(RefKind::Array(ty)) => panic!("{wanted} was expected, found a {ty}"),
            Ok(RefKind::I31(value)) => panic!("{wanted} was expected, found the i31 {value}"),
            kind => panic!("{wanted} was expected, found {kind:?}"),
        }
    }

    /// The struct that it refers to, of the same scope; none if it is something else. Does not collect.
    ///
    /// # Errors
    /// It belongs to another store, or its scope is over.
    pub fn as_struct(&self, store: impl AsContext) -> Result<Option<Rooted<StructRef>>> {
        Ok(matches!(self.class(store)?, ObjectClass::Struct(_)).then(|| self.cast()))
    }

    /// The array that it refers to, of the same scope; none if it is something else. Does not collect.
    ///
    /// # Errors
    /// It belongs to another store, or its scope is over.
    pub fn as_array(&self, store: impl AsContext) -> Result<Option<Rooted<ArrayRef>>> {
        Ok(matches!(self.class(store)?, ObjectClass::Array(_)).then(|| self.cast()))
    }

    /// The i31 that it is, sign-extended; none if it is something else. Does not collect.
    ///
    /// # Errors
    /// It belongs to another store, or its scope is over.
    pub fn as_i31(&self, store: impl AsContext) -> Result<Option<i32>> {
        Ok(match self.class(store)? {
            ObjectClass::I31(value) => Some(value),
            _ => None,
        })
    }

    /// The struct that it refers to, of the same scope. Does not collect.
    ///
    /// # Errors
    /// It belongs to another store, or its scope is over.
    ///
    /// # Panics
    /// If it is something else; [`Rooted::as_struct`] says so.
    #[track_caller]
    pub fn unwrap_struct(&self, store: impl AsContext) -> Result<Rooted<StructRef>> {
        match self.as_struct(&store)? {
            Some(found) => Ok(found),
            None => self.not_a(&store, "a struct"),
        }
    }

    /// The array that it refers to, of the same scope. Does not collect.
    ///
    /// # Errors
    /// It belongs to another store, or its scope is over.
    ///
    /// # Panics
    /// If it is something else; [`Rooted::as_array`] says so.
    #[track_caller]
    pub fn unwrap_array(&self, store: impl AsContext) -> Result<Rooted<ArrayRef>> {
        match self.as_array(&store)? {
            Some(found) => Ok(found),
            None => self.not_a(&store, "an array"),
        }
    }

    /// The i31 that it is, sign-extended. Does not collect.
    ///
    /// # Errors
    /// It belongs to another store, or its scope is over.
    ///
    /// # Panics
    /// If it is something else; [`Rooted::as_i31`] says so.
    #[track_caller]
    pub fn unwrap_i31(&self, store: impl AsContext) -> Result<i32> {
        match self.as_i31(&store)? {
            Some(found) => Ok(found),
            None => self.not_a(&store, "an i31"),
        }
    }
}
