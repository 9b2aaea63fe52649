//! Tags of exceptions.

use crate::error::Result;
use crate::store::{AsContext, AsContextMut, StoreId, StoreOpaque};
use crate::types::TagType;

/// A tag.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tag {
    store: StoreId,
    index: u32,
}

impl Tag {
    /// A tag of the host's making, different from all others.
    ///
    /// # Errors
    /// The type has results, or is one of another engine; the immortal space is full.
    pub fn new(mut store: impl AsContextMut, ty: TagType) -> Result<Tag> {
        store.as_context_mut().opaque().new_tag(&ty)
    }

    pub(crate) fn from_index(store: StoreId, index: u32) -> Tag {
        Tag { store, index }
    }

    pub(crate) fn index(&self, store: &StoreOpaque) -> Result<u32> {
        self.store.check(store.id(), "a tag")?;
        Ok(self.index)
    }

    /// Number of the tag in its store.
    pub(crate) fn number(&self) -> u32 {
        self.index
    }

    pub(crate) fn ty_in(&self, store: &StoreOpaque) -> Result<TagType> {
        Ok(store.tag_type(self.index(store)?))
    }

    /// Its type.
    ///
    /// # Panics
    /// If it belongs to another store.
    pub fn ty(&self, store: impl AsContext) -> TagType {
        self.ty_in(store.as_context().opaque()).expect("a tag of this store")
    }
}
