//! Handles as a checkpoint has them.
//!
//! 1. A handle that is older than the checkpoint names after a rollback what it named then. One that is younger is
//!    stale, until the host drops it.
//! 2. A store that is made of the checkpoint has none of these handles. What the owned ones name stays alive there, and
//!    can be asked for.

use super::{Owned, RootSet, Scoped};
use crate::errors::{Error, Result};
use crate::ids::{Root, StoreId};
use heapwood_gc_abi::RawRef;

/// The handles of a store as a checkpoint has them.
#[derive(Debug)]
pub(crate) struct RootsImage {
    store: StoreId,
    scoped: Vec<Scoped>,
    owned: Vec<Owned>,
    next_serial: u64,
}

impl RootsImage {
    /// No handles, of a store that nobody has.
    pub fn none() -> RootsImage {
        RootsImage { store: StoreId::next(), scoped: Vec::new(), owned: Vec::new(), next_serial: 1 }
    }

    /// The store.
    pub fn store(&self) -> StoreId {
        self.store
    }

    /// Calls `visit` with what each handle names.
    pub fn each(&self, visit: &mut dyn FnMut(RawRef)) {
        let scoped = self.scoped.iter().map(|entry| entry.reference);
        scoped.chain(self.owned.iter().map(|entry| entry.reference)).for_each(visit);
    }
}

impl RootSet {
    /// The handles as they are, after a collection that promoted everything and with no marking under way.
    pub fn image(&mut self) -> RootsImage {
        self.reclaim_seen();
        assert!(self.young.is_empty(), "all that handles name was promoted");
        RootsImage {
            store: self.store,
            scoped: self.scoped.clone(),
            owned: self.owned.clone(),
            next_serial: self.next_serial,
        }
    }

    /// Whether they are the handles of the same store.
    pub fn is_of(&self, image: &RootsImage) -> bool {
        image.store == self.store
    }

    /// Rolls the handles back. No marking is under way.
    pub fn restore(&mut self, image: &RootsImage) {
        self.unseen = None;
        self.forget_young();
        self.reclaim_seen();
        for (index, entry) in self.owned.iter_mut().enumerate().filter(|(_, entry)| entry.serial != 0) {
            let older = image.owned.get(index).filter(|older| older.serial == entry.serial);
            *entry = *older.unwrap_or(&Owned { reference: 0, is_stale: true, ..*entry });
        }
        self.scoped.clear();
        if image.store == self.store {
            self.scoped.extend_from_slice(&image.scoped);
        }
        self.settled = self.scoped.len();
        // Entries of younger handles are used again.
        self.generation += 1;
        self.restored_at = Some(self.generation);
    }

    /// Handles of a new store that is made of the checkpoint.
    pub fn inherit(&mut self, image: &RootsImage) {
        self.owned.clone_from(&image.owned);
        self.free = (0..).zip(&self.owned).filter(|(_, entry)| entry.serial == 0).map(|(index, _)| index).collect();
        self.next_serial = image.next_serial;
        self.inherited = Some((image.store, image.next_serial));
    }

    /// What an owned handle of the store named, of whose checkpoint this one was made.
    ///
    /// # Errors
    /// It is a handle of another store, or younger than the checkpoint.
    pub fn inherited<T>(&self, root: &Root<T>) -> Result<RawRef> {
        let Some((_, next_serial)) = self.inherited.filter(|(store, _)| *store == root.store_id()) else {
            return Err(Error::usage("a reference of another store than the one that the checkpoint was made of"));
        };
        // Later numbers are in use in both stores.
        match self.owned.get(root.entry()).filter(|_| root.serial() < next_serial) {
            Some(entry) if entry.serial == root.serial() && !entry.is_stale => Ok(entry.reference),
            _ => Err(Error::usage("a reference is younger than the checkpoint, or was dropped there")),
        }
    }

    /// The store is of no use any more: no handle names anything.
    pub fn forget_all(&mut self) {
        self.unseen = None;
        self.forget_young();
        self.scoped.clear();
        (self.settled, self.generation) = (0, self.generation + 1);
        for entry in self.owned.iter_mut().filter(|entry| entry.serial != 0) {
            *entry = Owned { reference: 0, is_stale: true, ..*entry };
        }
    }
}
