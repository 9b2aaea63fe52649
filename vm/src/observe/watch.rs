//! What a store tells those who watch it.

use super::MemoryStats;
use crate::store::{ExhaustedHeap, HostCall, Store, StoreContextMut};
use heapwood_gc::{GcEvent, HeapStats, HelperSpan};
use std::io;
use std::time::Instant;

impl ExhaustedHeap<'_> {
    /// Writes a snapshot, as [`Store::heap_snapshot`] does, with the guest's frames.
    ///
    /// # Errors
    /// The output's; `OutOfMemory` if the process has no memory for the tables.
    pub fn heap_snapshot(&mut self, output: impl io::Write) -> io::Result<()> {
        self.opaque_mut().heap_snapshot(output)
    }

    /// What the heap counted since it was made: bytes, collections, pauses and their lengths. Does not collect.
    pub fn gc_stats(&self) -> HeapStats {
        self.opaque().heap().stats()
    }
}

impl<T: 'static> Store<T> {
    /// What the heap counted since it was made: bytes, collections, pauses and their lengths. Does not collect.
    pub fn gc_stats(&self) -> HeapStats {
        self.opaque().heap().stats()
    }

    /// Calls `listener` for every pause of the guest by its heap from now on, slices and stalls included, in place of an
    /// earlier listener. Without one, a pause costs a branch more, and nothing else costs anything.
    pub fn on_gc(&mut self, listener: impl FnMut(&GcEvent) + Send + 'static) {
        self.opaque_mut().heap_mut().set_listener(Some(Box::new(listener)));
    }

    /// Calls `listener` with the times in which helper threads worked for the heap from now on, in place of an earlier
    /// listener: at the next pause, and when the store is dropped. Without one, helpers note nothing.
    pub fn on_gc_helper(&mut self, listener: impl FnMut(&HelperSpan) + Send + 'static) {
        self.opaque_mut().heap_mut().set_helper_listener(Some(Box::new(listener)));
    }

    /// The zero of [`GcEvent::t_us`]: when the store's heap was made.
    pub fn gc_epoch(&self) -> Instant {
        self.opaque().heap().born()
    }

    /// Calls `listener` after every call of a host function from now on, in place of an earlier listener. Without
    /// one, such a call costs a branch more. Functions over strings
    /// ([`Linker::define_js_string`](crate::Linker::define_js_string)) are the runtime's own, and not told.
    pub fn on_host_call(&mut self, listener: impl FnMut(&HostCall<'_>) + Send + 'static) {
        self.opaque_mut().guest_mut().listeners_mut().set_host_calls(Box::new(listener));
    }

    /// Calls `listener` when an allocation of the guest does not fit the heap's limit, before the trap, in place of an
    /// earlier listener. It sees the guest's frames.
    pub fn on_heap_exhausted(&mut self, listener: impl FnMut(&mut ExhaustedHeap<'_>) + Send + 'static) {
        self.opaque_mut().guest_mut().listeners_mut().set_exhaustion(Box::new(listener));
    }

    /// Writes a snapshot of the heap that Chrome DevTools loads (`.heapsnapshot`): the reachable objects with their
    /// types and fields by name, and what keeps them alive. Collects nothing and moves nothing; needs a thirtieth of
    /// the heap's size as memory of the process, and none of the heap's.
    ///
    /// # Errors
    /// The output's; `OutOfMemory` if the process has no memory for the tables.
    pub fn heap_snapshot(&mut self, output: impl io::Write) -> io::Result<()> {
        self.opaque_mut().heap_snapshot(output)
    }

    /// Samples allocations from now on, one for every `mean_bytes` bytes that are allocated, on average; 0 ends it and
    /// forgets. Inline allocation stays as it is: only its slow path comes a little more often.
    pub fn profile_allocations(&mut self, mean_bytes: u64) {
        self.opaque_mut().profile_allocations(mean_bytes);
    }

    /// Writes the profile so far as collapsed stacks, `outer;inner;[type] bytes` on each line, for flame graphs. The
    /// bytes are estimates: a stack with k samples stands for k times the mean, give or take a part of one in the root
    /// of k (at 100 samples a tenth). They say who allocates, not who keeps.
    ///
    /// # Errors
    /// The output's.
    pub fn write_allocation_profile(&self, mut output: impl io::Write) -> io::Result<()> {
        self.opaque().write_allocation_profile(&mut output)
    }

    /// Memory of the store: linear memories and heap.
    pub fn memory_stats(&self) -> MemoryStats {
        self.opaque().memory_stats()
    }
}

impl<T: 'static> StoreContextMut<'_, T> {
    /// Writes a snapshot of the heap, as [`Store::heap_snapshot`] does, with the guest's frames.
    ///
    /// # Errors
    /// The output's; `OutOfMemory` if the process has no memory for the tables.
    pub fn heap_snapshot(&mut self, output: impl io::Write) -> io::Result<()> {
        self.opaque().heap_snapshot(output)
    }
}
