//! Exceptions that nobody caught.

use crate::error::Result;
use crate::handles::Tag;
use crate::refs::ExnRef;
use crate::roots::{Root, Rooted};
use crate::store::AsContextMut;
use crate::value::Val;
use std::fmt;

/// An exception on its way through the host. A host function that returns it as its error throws it again.
#[derive(Clone, Debug)]
pub struct Exception {
    tag: Tag,
    object: Root<ExnRef>,
}

impl Exception {
    pub(crate) fn from_root(tag: Tag, object: Root<ExnRef>) -> Exception {
        Exception { tag, object }
    }

    pub(crate) fn root(&self) -> &Root<ExnRef> {
        &self.object
    }

    /// A new exception.
    ///
    /// # Errors
    /// The payload does not fit the tag, or the heap is exhausted.
    pub fn new(mut store: impl AsContextMut, tag: Tag, payload: &[Val]) -> Result<Exception> {
        store.as_context_mut().opaque().new_exception(tag, payload)
    }

    /// Its tag.
    pub fn tag(&self) -> Tag {
        self.tag
    }

    /// Its payload.
    ///
    /// # Errors
    /// It belongs to another store.
    pub fn payload(&self, mut store: impl AsContextMut) -> Result<Vec<Val>> {
        store.as_context_mut().opaque().exception_payload(self)
    }

    /// The exception as a reference.
    ///
    /// # Errors
    /// It belongs to another store.
    pub fn to_ref(&self, mut store: impl AsContextMut) -> Result<Rooted<ExnRef>> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        let raw = store.roots().get_owned(&self.object)?;
        Ok(store.root_push(raw).expect("an exception is not null"))
    }
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "uncaught exception with tag {}", self.tag.number())
    }
}

impl std::error::Error for Exception {}
