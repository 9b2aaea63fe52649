//! References in the host's hands.

use super::StoreOpaque;
use super::roots::RootSet;
use crate::errors::Result;
use crate::ids::{Root, Rooted};
use heapwood_gc_abi::RawRef;

impl StoreOpaque {
    /// The entries of all handles.
    #[inline]
    pub fn roots(&self) -> &RootSet {
        self.guest().roots()
    }

    /// The reference behind a handle of a scope.
    #[inline]
    pub fn root_get<T>(&self, root: &Rooted<T>) -> Result<RawRef> {
        self.roots().get(root)
    }

    /// A handle of the current scope; none for null.
    #[inline]
    pub fn root_push<T>(&mut self, raw: RawRef) -> Option<Rooted<T>> {
        self.guest_mut().roots_mut().push(raw)
    }

    /// An owned handle.
    #[inline]
    pub fn own_root<T>(&mut self, raw: RawRef) -> Root<T> {
        let (guest, heap) = self.guest_and_heap();
        let is_young = heap.is_young(raw);
        heap.root_written(raw);
        guest.roots_mut().own(raw, is_young, |reference| heap.shade(reference))
    }

    /// Takes back what owned handles that were dropped held.
    pub fn reclaim_roots(&mut self) {
        let (guest, heap) = self.guest_and_heap();
        guest.roots_mut().reclaim(|reference| heap.shade(reference));
    }

    /// Ends a scope of handles that began at `mark`.
    #[inline]
    pub fn leave_scope(&mut self, mark: usize) {
        let (guest, heap) = self.guest_and_heap();
        guest.roots_mut().leave_scope(mark, |reference| heap.shade(reference));
    }
}
