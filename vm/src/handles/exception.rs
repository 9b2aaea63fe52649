//! Exceptions: how the host makes and reads them.

use super::Val;
use crate::errors::{Exception, Result};
use crate::ids::{ExnRef, Rooted, Tag};
use crate::store::AsContextMut;

impl Exception {
    /// A new exception.
    ///
    /// # Errors
    /// The payload does not fit the tag, or the heap is exhausted.
    pub fn new(mut store: impl AsContextMut, tag: Tag, payload: &[Val]) -> Result<Exception> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        store.new_exception(tag.index(store)?, payload.len(), |store, index, ty| payload[index].to_raw(store, ty))
    }

    /// The values that the exception carries, in the order of the tag's parameters.
    ///
    /// # Errors
    /// It belongs to another store, or is younger than the checkpoint that its store was rolled back to.
    pub fn payload(&self, mut store: impl AsContextMut) -> Result<Vec<Val>> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        let object = store.roots().get_owned_of(self.root(), "an exception")?;
        let payload = store.exception_payload(self.tag().index(store)?, object)?;
        Ok(payload.into_iter().map(|(raw, ty)| Val::from_raw(store, raw, ty)).collect())
    }

    /// The exception as a reference.
    ///
    /// # Errors
    /// It belongs to another store, or is younger than the checkpoint that its store was rolled back to.
    pub fn to_ref(&self, mut store: impl AsContextMut) -> Result<Rooted<ExnRef>> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        let raw = store.roots().get_owned_of(self.root(), "an exception")?;
        Ok(store.root_push(raw).expect("an exception is not null"))
    }
}
