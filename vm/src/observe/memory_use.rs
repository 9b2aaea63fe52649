//! How much memory a store uses.

use crate::rt::store_memory::StoreMemory;
use crate::store::StoreOpaque;

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

impl StoreOpaque {
    /// Memory of the store.
    pub fn memory_stats(&self) -> MemoryStats {
        let memory_use = |memory: &StoreMemory| {
            let (pages, used_bytes) = (memory.pages(), memory.byte_len() as u64);
            MemoryUse { pages, page_bytes: 1 << memory.ty().page_size_log2, used_bytes, peak_bytes: used_bytes }
        };
        let memories: Vec<MemoryUse> = self.guest().entities().memories().iter().map(memory_use).collect();
        let total_pages = memories.iter().map(|memory| memory.pages).sum();
        let stats = self.heap().stats();
        let heap = HeapUse {
            limit_bytes: self.heap().limit_bytes(),
            used_bytes: stats.committed_bytes,
            peak_bytes: stats.peak_bytes,
        };
        MemoryStats { memories, total_pages, heap }
    }
}
