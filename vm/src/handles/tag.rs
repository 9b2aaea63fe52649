//! Tags of exceptions.

use crate::errors::Result;
use crate::ids::Tag;
use crate::store::{AsContext, AsContextMut, Named, StoreOpaque};
use crate::types::TagType;

impl Tag {
    /// A tag of the host's making, different from all others.
    ///
    /// # Errors
    /// The type has results, or is one of another engine; the immortal space is full.
    pub fn new(mut store: impl AsContextMut, ty: TagType) -> Result<Tag> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        Ok(Tag::from_index(store.id(), store.new_tag(&ty)?))
    }

    pub(crate) fn index(&self, store: &StoreOpaque) -> Result<u32> {
        store.check_handle(self.store_id(), Named::Tag(self.number()))?;
        Ok(self.number())
    }

    pub(crate) fn ty_in(&self, store: &StoreOpaque) -> Result<TagType> {
        Ok(store.tag_type(self.index(store)?))
    }

    /// The tag's type.
    ///
    /// # Panics
    /// If it belongs to another store.
    #[track_caller]
    pub fn ty(&self, store: impl AsContext) -> TagType {
        self.ty_in(store.as_context().opaque()).expect("a tag of this store")
    }
}
