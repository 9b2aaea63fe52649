//! What a reference of the `any` hierarchy is, as a handle of that.

use crate::errors::Result;
use crate::ids::{AnyRef, ArrayRef, Rooted, StructRef};
use crate::store::{AsContext, ObjectClass};

impl Rooted<AnyRef> {
    fn class(&self, store: impl AsContext) -> Result<ObjectClass> {
        let context = store.as_context();
        let store = context.opaque();
        store.object_class(store.root_get(self)?)
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
    pub fn unwrap_struct(&self, store: impl AsContext) -> Result<Rooted<StructRef>> {
        Ok(self.as_struct(store)?.expect("a reference to a struct"))
    }

    /// The array that it refers to, of the same scope. Does not collect.
    ///
    /// # Errors
    /// It belongs to another store, or its scope is over.
    ///
    /// # Panics
    /// If it is something else; [`Rooted::as_array`] says so.
    pub fn unwrap_array(&self, store: impl AsContext) -> Result<Rooted<ArrayRef>> {
        Ok(self.as_array(store)?.expect("a reference to an array"))
    }

    /// The i31 that it is, sign-extended. Does not collect.
    ///
    /// # Errors
    /// It belongs to another store, or its scope is over.
    ///
    /// # Panics
    /// If it is something else; [`Rooted::as_i31`] says so.
    pub fn unwrap_i31(&self, store: impl AsContext) -> Result<i32> {
        Ok(self.as_i31(store)?.expect("an i31"))
    }
}
