//! Which store a handle belongs to.

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};

/// Identity of a store, never used twice in a process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct StoreId(NonZeroU64);

/// A handle was used with a store that it does not belong to.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{what} was used with a store that it does not belong to")]
pub(crate) struct ForeignStore {
    what: &'static str,
}

impl ForeignStore {
    /// Of a handle that is `what`.
    pub fn new(what: &'static str) -> ForeignStore {
        ForeignStore { what }
    }
}

impl StoreId {
    /// A new one.
    pub fn next() -> StoreId {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        StoreId(NonZeroU64::new(id).expect("fewer than 2^64 stores in a process"))
    }

    /// Whether `other` was the next one to be made.
    pub fn next_is(self, other: StoreId) -> bool {
        self.0.checked_add(1) == Some(other.0)
    }

    /// An error unless a handle of `self`, which is `what`, is used with the store `other`.
    #[inline]
    pub fn check(self, other: StoreId, what: &'static str) -> Result<(), ForeignStore> {
        if self == other { Ok(()) } else { Err(ForeignStore { what }) }
    }
}
