//! Functions, of the guest and of the host.

use super::StoreId;
use heapwood_gc_abi::RawRef;

/// A function: a reference to its immortal function object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Func {
    store: StoreId,
    object: RawRef,
}

impl Func {
    #[inline]
    pub(crate) fn from_parts(store: StoreId, object: RawRef) -> Func {
        Func { store, object }
    }

    /// Its store.
    #[inline]
    pub(crate) fn store_id(&self) -> StoreId {
        self.store
    }

    /// The function's object, for callers that have checked the store.
    #[inline]
    pub(crate) fn reference(&self) -> RawRef {
        self.object
    }
}
