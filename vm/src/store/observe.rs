//! What a store tells those who watch it.

use super::Store;
use heapwood_gc::{GcEvent, HeapStats};
use std::time::Instant;

/// A call of a host function that has returned.
#[derive(Clone, Copy, Debug)]
pub struct HostCall<'a> {
    /// `module.name` of its definition in a [`Linker`](crate::Linker); none for functions made in the store.
    pub name: Option<&'a str>,
    /// When the guest was left.
    pub start: Instant,
    /// When the function returned.
    pub end: Instant,
}

/// Hears of calls of host functions.
pub(crate) type HostListener = Box<dyn FnMut(&HostCall<'_>) + Send>;

impl<T: 'static> Store<T> {
    /// Numbers of the heap.
    pub fn gc_stats(&self) -> HeapStats {
        self.inner.opaque.gc_stats()
    }

    /// Calls `listener` for every stop, slice, assist and stall of the heap from now on, in place of an earlier
    /// listener. Without one, a stop costs a branch more, and nothing else costs anything.
    pub fn on_gc(&mut self, listener: impl FnMut(&GcEvent) + Send + 'static) {
        self.inner.opaque.set_gc_listener(Some(Box::new(listener)));
    }

    /// The zero of [`GcEvent::t_us`]: when the store's heap was made.
    pub fn gc_epoch(&self) -> Instant {
        self.inner.opaque.heap.born()
    }

    /// Calls `listener` after every call of a host function from now on, in place of an earlier listener. Without
    /// one, such a call costs a branch more.
    pub fn on_host_call(&mut self, listener: impl FnMut(&HostCall<'_>) + Send + 'static) {
        self.inner.opaque.guest.host_listener = Some(Box::new(listener));
    }
}
