//! Memories as a store lists them.

use super::memory::{LinearMemory, Region};
use super::racy::RacyBytes;
use super::shared::SharedInner;
use heapwood_module::MemoryType;
use std::ops::Range;
use std::sync::Arc;

/// A memory of a store's list.
#[derive(Debug)]
pub(crate) enum StoreMemory {
    /// A memory of this store only.
    Own(LinearMemory),
    /// A memory that several stores share.
    Shared(Arc<SharedInner>),
}

impl StoreMemory {
    fn region(&self) -> &Region {
        match self {
            StoreMemory::Own(memory) => memory.region(),
            StoreMemory::Shared(memory) => memory.region(),
        }
    }

    /// The memory's type, with the current size as the least one.
    pub fn ty(&self) -> MemoryType {
        MemoryType { min: self.pages(), ..*self.region().ty() }
    }

    /// Address of byte 0.
    pub fn base(&self) -> usize {
        self.region().mapping().address()
    }

    /// Address of the cell that compiled code reads.
    pub fn cell_address(&self) -> usize {
        match self {
            StoreMemory::Own(memory) => memory.cell().address(),
            StoreMemory::Shared(memory) => memory.cell_address(),
        }
    }

    /// Size in bytes.
    pub fn byte_len(&self) -> usize {
        match self {
            StoreMemory::Own(memory) => memory.byte_len(),
            StoreMemory::Shared(memory) => memory.byte_len(),
        }
    }

    /// Whether `len` bytes lie in it from `start` on.
    pub fn has(&self, start: u64, len: u64) -> bool {
        start.checked_add(len).is_some_and(|end| end <= self.byte_len() as u64)
    }

    /// Size in pages.
    pub fn pages(&self) -> u64 {
        self.byte_len() as u64 >> self.region().ty().page_size_log2
    }

    /// Size in bytes after growing by so many pages, whatever is allowed, and the most that its type allows; none where
    /// that fits no number.
    pub fn growth(&self, delta: u64) -> Option<(usize, Option<usize>)> {
        let ty = self.region().ty();
        let bytes = |pages: u64| usize::try_from(pages.checked_mul(1 << ty.page_size_log2)?).ok();
        Some((bytes(self.pages().checked_add(delta)?)?, ty.max.map(|max| bytes(max).unwrap_or(usize::MAX))))
    }

    /// The addresses of its reservation.
    pub fn reservation(&self) -> Range<usize> {
        let mapping = self.region().mapping();
        mapping.address()..mapping.address() + mapping.bytes()
    }

    /// The memory, which no other store has.
    pub fn own(&self) -> &LinearMemory {
        match self {
            StoreMemory::Own(memory) => memory,
            StoreMemory::Shared(_) => panic!("a shared memory belongs to no store"),
        }
    }

    /// The memory if only this store has it, for changing it; see [`own`](Self::own).
    pub fn own_mut(&mut self) -> &mut LinearMemory {
        match self {
            StoreMemory::Own(memory) => memory,
            StoreMemory::Shared(_) => panic!("a shared memory belongs to no store"),
        }
    }

    /// The memory's bytes, for copies that do not mind if others write meanwhile.
    pub fn racy(&mut self) -> RacyBytes<'_> {
        match self {
            StoreMemory::Own(memory) => RacyBytes::of(memory.bytes_mut()),
            StoreMemory::Shared(memory) => memory.racy(),
        }
    }
}
