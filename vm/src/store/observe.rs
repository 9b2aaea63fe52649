//! What a store tells those who watch it.

use super::{Store, StoreContextMut, StoreOpaque};
use heapwood_gc::{GcEvent, HeapStats, HelperSpan};
use std::io;
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

/// A heap that is full, seen from where the guest asked for more.
pub struct ExhaustedHeap<'a>(&'a mut StoreOpaque);

impl ExhaustedHeap<'_> {
    /// Writes a snapshot, as [`Store::heap_snapshot`] does, with the guest's frames.
    ///
    /// # Errors
    /// As there.
    pub fn heap_snapshot(&mut self, output: impl io::Write) -> io::Result<()> {
        self.0.heap_snapshot(output)
    }

    /// Numbers of the heap.
    pub fn gc_stats(&self) -> HeapStats {
        self.0.gc_stats()
    }
}

impl std::fmt::Debug for ExhaustedHeap<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExhaustedHeap").finish_non_exhaustive()
    }
}

/// Memory of a linear memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemoryUse {
    /// Pages that it has.
    pub pages: u64,
    /// Bytes of a page.
    pub page_bytes: u64,
    /// Bytes that it has.
    pub used_bytes: u64,
    /// Most bytes that it ever had. Memories never shrink, so this is the same.
    pub peak_bytes: u64,
}

/// Memory of a heap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeapUse {
    /// Its limit in bytes.
    pub limit_bytes: u64,
    /// Bytes that it takes from the system, its tables included.
    pub used_bytes: u64,
    /// Most that it ever took.
    pub peak_bytes: u64,
}

/// Memory of a store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemoryStats {
    /// Each linear memory, in the order in which they were made.
    pub memories: Vec<MemoryUse>,
    /// Pages of all linear memories together.
    pub total_pages: u64,
    /// The heap.
    pub heap: HeapUse,
}

/// Hears of a full heap.
pub(crate) type ExhaustionListener = Box<dyn FnMut(&mut ExhaustedHeap<'_>) + Send>;

impl StoreOpaque {
    /// The guest is about to be left since the heap is full.
    #[cold]
    pub fn tell_exhausted(&mut self) {
        if let Some(mut listener) = self.guest.exhaustion_listener.take() {
            listener(&mut ExhaustedHeap(self));
            self.guest.exhaustion_listener = Some(listener);
        }
    }

    fn memory_stats(&self) -> MemoryStats {
        let memory_use = |memory: &crate::rt::memory::StoreMemory| {
            let (pages, used_bytes) = (memory.pages(), memory.byte_len() as u64);
            MemoryUse { pages, page_bytes: 1 << memory.ty().page_size_log2, used_bytes, peak_bytes: used_bytes }
        };
        let memories: Vec<MemoryUse> = self.guest.memories.iter().map(memory_use).collect();
        let total_pages = memories.iter().map(|memory| memory.pages).sum();
        let stats = self.heap.stats();
        let heap = HeapUse {
            limit_bytes: self.heap.limit_bytes(),
            used_bytes: stats.committed_bytes,
            peak_bytes: stats.peak_bytes,
        };
        MemoryStats { memories, total_pages, heap }
    }
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

    /// Calls `listener` with the times in which helper threads worked for the heap from now on, in place of an earlier
    /// listener: at the next stop, and when the store is dropped. Without one, helpers note nothing.
    pub fn on_gc_helper(&mut self, listener: impl FnMut(&HelperSpan) + Send + 'static) {
        self.inner.opaque.heap.set_helper_listener(Some(Box::new(listener)));
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

    /// Calls `listener` when an allocation of the guest does not fit the heap's limit, before the trap, in place of an
    /// earlier listener. It sees the guest's frames.
    pub fn on_heap_exhausted(&mut self, listener: impl FnMut(&mut ExhaustedHeap<'_>) + Send + 'static) {
        self.inner.opaque.guest.exhaustion_listener = Some(Box::new(listener));
    }

    /// Writes a snapshot of the heap that Chrome DevTools loads (`.heapsnapshot`): the reachable objects with their
    /// types and fields by name, and what keeps them alive. Collects nothing and moves nothing; needs a thirtieth of
    /// the heap's size as memory of the process, and none of the heap's.
    ///
    /// # Errors
    /// The output's; `OutOfMemory` if the process has no memory for the tables.
    pub fn heap_snapshot(&mut self, output: impl io::Write) -> io::Result<()> {
        self.inner.opaque.heap_snapshot(output)
    }

    /// Samples allocations from now on, one for every `mean_bytes` bytes that are allocated, on average; 0 ends it and
    /// forgets. Inline allocation stays as it is: only its slow path comes a little more often.
    pub fn profile_allocations(&mut self, mean_bytes: u64) {
        self.inner.opaque.profile_allocations(mean_bytes);
    }

    /// Writes the profile so far as collapsed stacks, `outer;inner;[type] bytes` on each line, for flame graphs. The
    /// bytes are estimates: a stack with k samples stands for k times the mean, give or take a part of one in the root
    /// of k (at 100 samples a tenth). They say who allocates, not who keeps.
    ///
    /// # Errors
    /// The output's.
    pub fn write_allocation_profile(&self, mut output: impl io::Write) -> io::Result<()> {
        self.inner.opaque.write_allocation_profile(&mut output)
    }

    /// Memory of the store: linear memories and heap.
    pub fn memory_stats(&self) -> MemoryStats {
        self.inner.opaque.memory_stats()
    }
}

impl<T: 'static> StoreContextMut<'_, T> {
    /// Writes a snapshot of the heap, as [`Store::heap_snapshot`] does, with the guest's frames.
    ///
    /// # Errors
    /// As there.
    pub fn heap_snapshot(&mut self, output: impl io::Write) -> io::Result<()> {
        self.opaque().heap_snapshot(output)
    }
}
