//! What a store shows, through whatever leads to it.

use super::MemoryStats;
use crate::store::{AsContext, Caller, InterruptHandle, StoreContext, StoreContextMut};
use heapwood_gc::HeapStats;

impl<T: 'static> StoreContext<'_, T> {
    /// Numbers of the heap, as of [`Store::gc_stats`](crate::Store::gc_stats).
    pub fn gc_stats(&self) -> HeapStats {
        self.opaque().heap().stats()
    }

    /// Memory of the store, as of [`Store::memory_stats`](crate::Store::memory_stats).
    pub fn memory_stats(&self) -> MemoryStats {
        self.opaque().memory_stats()
    }

    /// A handle that makes the guest of this store stop, from any thread.
    pub fn interrupt_handle(&self) -> InterruptHandle {
        self.opaque().interrupt_handle()
    }
}

impl<T: 'static> StoreContextMut<'_, T> {
    /// Numbers of the heap, as of [`Store::gc_stats`](crate::Store::gc_stats).
    pub fn gc_stats(&self) -> HeapStats {
        self.as_context().gc_stats()
    }

    /// Memory of the store, as of [`Store::memory_stats`](crate::Store::memory_stats).
    pub fn memory_stats(&self) -> MemoryStats {
        self.as_context().memory_stats()
    }

    /// A handle that makes the guest of this store stop, from any thread.
    pub fn interrupt_handle(&self) -> InterruptHandle {
        self.as_context().interrupt_handle()
    }
}

impl<T: 'static> Caller<'_, T> {
    /// Numbers of the heap, as of [`Store::gc_stats`](crate::Store::gc_stats).
    pub fn gc_stats(&self) -> HeapStats {
        self.as_context().gc_stats()
    }

    /// Memory of the store, as of [`Store::memory_stats`](crate::Store::memory_stats).
    pub fn memory_stats(&self) -> MemoryStats {
        self.as_context().memory_stats()
    }

    /// A handle that makes the guest of this store stop, from any thread: the one that called, once the host function
    /// has returned.
    pub fn interrupt_handle(&self) -> InterruptHandle {
        self.as_context().interrupt_handle()
    }
}
