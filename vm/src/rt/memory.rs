//! Linear memories: a reservation that never moves, committed as it grows.
//!
//! A 32-bit memory reserves what any u32 index with any u32 offset can reach, so compiled code checks nothing: an
//! access beyond the length faults inside the reservation. The cell `{base, length}` tells compiled code the rest.

use super::cells::Block;
use super::mapping::{Access, Mapping, PAGE_BYTES};
use crate::error::{Error, Result};
use crate::types::MemoryType;
use heapwood_jit::abi::{MEMORY64_GUARD_BYTES, MEMORY64_REACH_LOG2};
use heapwood_module::ContextLayout;

/// Reach of a 32-bit index, a 32-bit offset and the widest access.
const RESERVATION_32: usize = (8 << 30) + (64 << 10);
/// Most that a 64-bit memory may have.
const BYTES_MAX_64: u64 = 1 << MEMORY64_REACH_LOG2;
/// Unused bytes behind a 64-bit memory whose accesses are all checked.
const GUARD_64: usize = 64 << 10;

/// A linear memory.
#[derive(Debug)]
pub(crate) struct LinearMemory {
    mapping: Mapping,
    ty: MemoryType,
    bytes: usize,
    committed: usize,
    cell: Block,
}

impl LinearMemory {
    /// A zeroed memory of the type's least size; `cell` tells compiled code about it. `guard64`: compiled code counts
    /// on the full reservation of 64-bit memories.
    ///
    /// # Errors
    /// The system refuses, or the least size is not possible.
    pub fn new(ty: MemoryType, cell: Block, guard64: bool) -> Result<LinearMemory> {
        let page = 1u64 << ty.page_size_log2;
        let least = ty.min.checked_mul(page).filter(|bytes| *bytes <= limit_bytes(&ty));
        let least = least.ok_or_else(|| Error::limit(format!("a memory of {} pages is not possible", ty.min)))?;
        let reserve = if ty.memory64 && guard64 {
            (BYTES_MAX_64 + MEMORY64_GUARD_BYTES) as usize
        } else if ty.memory64 {
            let most = ty.max.and_then(|max| max.checked_mul(page)).unwrap_or(BYTES_MAX_64).min(BYTES_MAX_64);
            most.max(least) as usize + GUARD_64
        } else {
            RESERVATION_32
        };
        let mapping = Mapping::new(reserve, Access::None)?;
        let mut memory = LinearMemory { mapping, ty, bytes: 0, committed: 0, cell };
        memory.cell.set_u64(ContextLayout::MEMORY_CELL_BASE, memory.base() as u64);
        if memory.set_bytes(least as usize) {
            return Ok(memory);
        }
        Err(Error::limit(format!("the system refused {least} bytes for a memory")))
    }

    /// Its type, with the current size as the least one.
    pub fn ty(&self) -> MemoryType {
        MemoryType { min: self.pages(), ..self.ty }
    }

    /// Address of byte 0.
    pub fn base(&self) -> usize {
        self.mapping.address()
    }

    /// The cell that compiled code reads.
    pub fn cell(&self) -> Block {
        self.cell
    }

    /// Size in bytes.
    pub fn byte_len(&self) -> usize {
        self.bytes
    }

    /// Size in pages.
    pub fn pages(&self) -> u64 {
        self.bytes as u64 >> self.ty.page_size_log2
    }

    /// Whether an address lies in the reservation.
    pub fn contains(&self, address: usize) -> bool {
        self.mapping.contains(address)
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: R1: committed up to `bytes`; the guest does not run while the store is borrowed.
        unsafe { self.mapping.slice(0, self.bytes) }
    }

    /// Its bytes, to be changed.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: R1: committed up to `bytes`; the guest does not run while the store is borrowed.
        unsafe { self.mapping.slice_mut(0, self.bytes) }
    }

    /// Size in bytes after growing by `delta` pages, if the type and the address space allow it.
    pub fn bytes_after(&self, delta: u64) -> Option<u64> {
        let pages = self.pages().checked_add(delta)?;
        if self.ty.max.is_some_and(|max| pages > max) {
            return None;
        }
        let bytes = pages.checked_mul(1 << self.ty.page_size_log2)?;
        let room = limit_bytes(&self.ty).min((self.mapping.bytes() - GUARD_64) as u64);
        (bytes <= room).then_some(bytes)
    }

    /// Sets the size; `false` if the system refuses.
    pub fn set_bytes(&mut self, bytes: usize) -> bool {
        let committed = bytes.next_multiple_of(PAGE_BYTES);
        if committed > self.committed {
            let more = committed - self.committed;
            if self.mapping.protect(self.committed, more, Access::ReadWrite).is_err() {
                return false;
            }
            self.committed = committed;
        }
        self.bytes = bytes;
        self.cell.set_u64(ContextLayout::MEMORY_CELL_LENGTH, bytes as u64);
        true
    }
}

/// Most bytes that a memory of this type may have.
fn limit_bytes(ty: &MemoryType) -> u64 {
    if ty.memory64 { BYTES_MAX_64 } else { 1 << 32 }
}
