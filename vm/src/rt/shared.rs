//! The memory behind a `SharedMemory`: used by several stores, on several threads, at the same time.
//!
//! It never moves, and has a cell of its own, which compiled code of all these stores reads. It grows under a lock:
//! pages are committed first, then the length is published; a length that was read stays valid, since memories do not
//! shrink.

use super::interrupt::InterruptCell;
use super::memory::{Guards, Region};
use super::racy::RacyBytes;
use super::waiter::Waited;
use super::waiters::Waiters;
use crate::errors::{Error, Result, Trap, TrapKind};
use heapwood_gc_abi::{Mutant, Narrow, active};
use heapwood_module::{ContextLayout, MemoryType};
use parking_lot::Mutex;
use std::cell::UnsafeCell;
use std::mem::offset_of;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

/// What compiled code reads: a MemoryCell of `ContextLayout`.
#[derive(Debug)]
#[repr(C)]
struct Cell {
    base: u64,
    length: AtomicU64,
}

const _: () = assert!(offset_of!(Cell, base) == ContextLayout::MEMORY_CELL_BASE as usize);
const _: () = assert!(offset_of!(Cell, length) == ContextLayout::MEMORY_CELL_LENGTH as usize);

/// A memory that several stores use, on several threads, at the same time.
#[derive(Debug)]
pub(crate) struct SharedInner {
    region: Region,
    cell: Cell,
    growing: Mutex<()>,
    waiters: Waiters,
}

impl SharedInner {
    /// A zeroed memory of the type's least size, of at most `limit` bytes. `guards`: as for [`Region::new`].
    ///
    /// # Errors
    /// The type is not shared or not possible, or the limit or the system refuses.
    pub fn new(ty: MemoryType, guards: Guards, limit: u64) -> Result<SharedInner> {
        ty.check()?;
        if !ty.shared {
            return Err(Error::usage("shared is not set in the type of a shared memory"));
        }
        let (region, least) = Region::new(ty, guards)?;
        if least as u64 > limit {
            return Err(Error::limit(format!("a memory of {least} bytes is beyond the limit of {limit} bytes")));
        }
        if !region.commit(0, least) {
            return Err(Region::refused(least));
        }
        let cell = Cell { base: region.mapping().address() as u64, length: AtomicU64::new(least as u64) };
        Ok(SharedInner { region, cell, growing: Mutex::default(), waiters: Waiters::default() })
    }

    /// The memory's type, with the current size as the least one.
    pub fn ty(&self) -> MemoryType {
        MemoryType { min: self.pages(), ..*self.region.ty() }
    }

    /// Current size in pages.
    pub fn pages(&self) -> u64 {
        self.byte_len() as u64 >> self.region.ty().page_size_log2
    }

    /// The memory's address space.
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// Address of the cell.
    pub fn cell_address(&self) -> usize {
        &raw const self.cell as usize
    }

    /// Current size in bytes.
    pub fn byte_len(&self) -> usize {
        self.cell.length.load(Ordering::SeqCst).narrow()
    }

    /// Grows by `delta` pages if the new size in bytes is `allowed`; the old size in pages.
    pub fn grow(&self, delta: u64, allowed: impl FnOnce(u64) -> bool) -> Option<u64> {
        let _growing = self.growing.lock();
        self.grow_alone(self.byte_len(), delta, allowed)
    }

    /// Grows by `delta` pages if the memory still has `old` bytes and the new size in bytes is `allowed`: the old size
    /// in pages, or an inner none if it must not grow. An outer none says that another thread made it grow meanwhile.
    pub fn grow_from(&self, old: usize, delta: u64, allowed: impl FnOnce(u64) -> bool) -> Option<Option<u64>> {
        let _growing = self.growing.lock();
        (self.byte_len() == old).then(|| self.grow_alone(old, delta, allowed))
    }

    /// It has `old` bytes, and nobody else makes it grow.
    fn grow_alone(&self, old: usize, delta: u64, allowed: impl FnOnce(u64) -> bool) -> Option<u64> {
        let new = self.region.bytes_after(old, delta)?;
        if !allowed(new) || !self.region.commit(old, new.narrow()) {
            return None;
        }
        self.cell.length.store(new, Ordering::SeqCst);
        Some(old as u64 >> self.region.ty().page_size_log2)
    }

    /// Its bytes, for copies.
    pub fn racy(&self) -> RacyBytes<'_> {
        // SAFETY: R1, R11: committed up to the length.
        unsafe { RacyBytes::new(self.region.mapping().start(), self.byte_len()) }
    }

    /// Its bytes, as cells that others write.
    pub fn cells(&self) -> &[UnsafeCell<u8>] {
        // SAFETY: R1, R11: committed up to the length; the cells promise nothing about who writes.
        unsafe { std::slice::from_raw_parts(self.region.mapping().start().cast(), self.byte_len()) }
    }

    /// Wakes up to `count` that wait at an address.
    ///
    /// # Errors
    /// A misaligned address, or one out of bounds.
    pub fn notify(&self, address: u64, count: u32) -> Result<u32, Trap> {
        check_address(address, 4, self.byte_len())?;
        Ok(self.waiters.notify(address, count))
    }

    /// Waits at an address that holds `expected`.
    ///
    /// # Errors
    /// A misaligned address, or one out of bounds.
    pub fn wait32(
        &self,
        address: u64,
        expected: u32,
        deadline: Option<Instant>,
        interrupt: Option<&InterruptCell>,
    ) -> Result<Waited, Trap> {
        check_address(address, 4, self.byte_len())?;
        let word = self.region.mapping().start().wrapping_add(address.narrow()).cast();
        // SAFETY: R1, R11: in bounds and aligned.
        let word = unsafe { AtomicU32::from_ptr(word) };
        let is_expected = || word.load(Ordering::SeqCst) == expected;
        Ok(self.waiters.wait(address, is_expected, deadline, interrupt))
    }

    /// Waits at a word of 64 bits as [`wait32`](Self::wait32) does at one of 32.
    ///
    /// # Errors
    /// A misaligned address, or one out of bounds.
    pub fn wait64(
        &self,
        address: u64,
        expected: u64,
        deadline: Option<Instant>,
        interrupt: Option<&InterruptCell>,
    ) -> Result<Waited, Trap> {
        check_address(address, 8, self.byte_len())?;
        let word = self.region.mapping().start().wrapping_add(address.narrow()).cast();
        // SAFETY: R1, R11: in bounds and aligned.
        let word = unsafe { AtomicU64::from_ptr(word) };
        let is_expected = || word.load(Ordering::SeqCst) == expected;
        Ok(self.waiters.wait(address, is_expected, deadline, interrupt))
    }
}

/// Whether an atomic access of `bytes` bytes is aligned and in a memory of `len` bytes.
pub(crate) fn check_address(address: u64, bytes: u64, len: usize) -> Result<(), TrapKind> {
    if !address.is_multiple_of(bytes) {
        return Err(TrapKind::UnalignedAtomic);
    }
    match address.checked_add(bytes) {
        Some(end) if end <= len as u64 + bytes * active(Mutant::WaitOneBeyond) as u64 => Ok(()),
        _ => Err(TrapKind::MemoryOutOfBounds),
    }
}
