//! Tags of exceptions.

use super::StoreId;

/// A tag.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tag {
    store: StoreId,
    index: u32,
}

impl Tag {
    pub(crate) fn from_index(store: StoreId, index: u32) -> Tag {
        Tag { store, index }
    }

    /// Its store.
    pub(crate) fn store_id(&self) -> StoreId {
        self.store
    }

    /// Number of the tag in its store.
    pub(crate) fn number(&self) -> u32 {
        self.index
    }
}
