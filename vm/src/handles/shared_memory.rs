//! Linear memories that several stores use at the same time.

use super::memory::out_of_bounds;
use crate::engine::Engine;
use crate::errors::{Error, Result, Trap};
use crate::rt::shared::SharedInner;
use crate::rt::waiter::{Waited, deadline};
use crate::store::StoreOpaque;
use crate::types::MemoryType;
use std::cell::UnsafeCell;
use std::sync::Arc;
use std::time::Duration;

/// A shared linear memory: belongs to an engine, not to a store, and may be imported by instances of any of its stores,
/// on any threads. Cheap to clone.
///
/// Guests change it at any time. The host reads and writes it by copies ([`SharedMemory::read`],
/// [`SharedMemory::write`]), or through the cells of [`SharedMemory::data`] by atomic operations.
#[derive(Clone)]
pub struct SharedMemory {
    engine: Engine,
    inner: Arc<SharedInner>,
}

/// How a wait of the host ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WaitResult {
    /// Another thread notified the address.
    Ok = 0,
    /// The memory held another value.
    Mismatch = 1,
    /// The time was over.
    TimedOut = 2,
}

impl SharedMemory {
    /// A zeroed memory.
    ///
    /// # Errors
    /// The type is not shared or has no maximum, or its least size is refused by the engine's limit or the system.
    pub fn new(engine: &Engine, ty: MemoryType) -> Result<SharedMemory> {
        let config = engine.config();
        let inner = SharedInner::new(ty, config.guards(), config.memory_limit())?;
        Ok(SharedMemory::from_inner(engine, Arc::new(inner)))
    }

    /// What a store keeps of this engine.
    pub(crate) fn from_inner(engine: &Engine, inner: Arc<SharedInner>) -> SharedMemory {
        SharedMemory { engine: engine.clone(), inner }
    }

    /// What a store keeps.
    pub(crate) fn inner_in(&self, store: &StoreOpaque) -> Result<&Arc<SharedInner>> {
        store.check_engine(&self.engine, "a shared memory")?;
        Ok(&self.inner)
    }

    /// The engine that the memory belongs to.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The memory's type, with the current size as the least one.
    pub fn ty(&self) -> MemoryType {
        self.inner.ty()
    }

    /// Current size in pages.
    pub fn size(&self) -> u64 {
        self.inner.pages()
    }

    /// Bytes of a page.
    pub fn page_size(&self) -> u64 {
        1 << self.inner.region().ty().page_size_log2
    }

    /// Current size in bytes.
    pub fn data_size(&self) -> usize {
        self.inner.byte_len()
    }

    /// The memory's bytes. Code that reads or writes through the pointers of these cells races with guests, and must
    /// use atomic operations.
    pub fn data(&self) -> &[UnsafeCell<u8>] {
        self.inner.cells()
    }

    /// Copies bytes out. A guest that writes meanwhile mixes old and new ones.
    ///
    /// # Errors
    /// The range does not lie in the memory.
    pub fn read(&self, offset: usize, buffer: &mut [u8]) -> Result<()> {
        let part = self.inner.racy().part(offset as u64, buffer.len() as u64);
        part.ok_or_else(|| out_of_bounds(self.data_size(), offset, buffer.len()))?.read(buffer);
        Ok(())
    }

    /// Copies bytes in. A guest that reads meanwhile may see a part of them.
    ///
    /// # Errors
    /// The range does not lie in the memory.
    pub fn write(&self, offset: usize, buffer: &[u8]) -> Result<()> {
        let part = self.inner.racy().part(offset as u64, buffer.len() as u64);
        part.ok_or_else(|| out_of_bounds(self.data_size(), offset, buffer.len()))?.write(buffer);
        Ok(())
    }

    /// Grows it by `delta` pages and returns the old size in pages. All stores see the new size at once.
    ///
    /// # Errors
    /// The type's maximum, the engine's limit or the system refuses.
    pub fn grow(&self, delta: u64) -> Result<u64> {
        let limit = self.engine.config().memory_limit();
        let grown = self.inner.grow(delta, |bytes| bytes <= limit);
        grown.ok_or_else(|| Error::limit(self.why_it_stays(delta, limit)))
    }

    /// Why it does not grow, in words; `limit` is the engine's in bytes.
    fn why_it_stays(&self, delta: u64, limit: u64) -> String {
        let MemoryType { min: pages, max, .. } = self.ty();
        let wanted = u128::from(pages) + u128::from(delta);
        let why = match max {
            Some(max) if wanted > u128::from(max) => format!("it has {pages} of at most {max} pages"),
            _ if wanted * u128::from(self.page_size()) > u128::from(limit) => format!("the limit is {limit} bytes"),
            _ => "no memory is left for it".to_owned(),
        };
        format!("failed to grow a shared memory by {delta} pages: {why}")
    }

    /// Wakes up to `count` of those that wait at an address (`memory.atomic.notify`); how many there were.
    ///
    /// # Errors
    /// The address is no multiple of 4, or out of bounds.
    pub fn atomic_notify(&self, address: u64, count: u32) -> Result<u32, Trap> {
        self.inner.notify(address, count).map_err(|trap| self.bad_word(&trap, address, 4))
    }

    /// Waits at an address while it holds `expected` (`memory.atomic.wait32`), without a timeout until somebody
    /// notifies it.
    ///
    /// # Errors
    /// The address is no multiple of 4, or out of bounds.
    pub fn atomic_wait32(&self, address: u64, expected: u32, timeout: Option<Duration>) -> Result<WaitResult, Trap> {
        let waited = self.inner.wait32(address, expected, deadline(timeout), None);
        waited.map(result).map_err(|trap| self.bad_word(&trap, address, 4))
    }

    /// Waits at a word of 64 bits (`memory.atomic.wait64`) as [`atomic_wait32`](Self::atomic_wait32) does at one of 32.
    ///
    /// # Errors
    /// The address is no multiple of 8, or out of bounds.
    pub fn atomic_wait64(&self, address: u64, expected: u64, timeout: Option<Duration>) -> Result<WaitResult, Trap> {
        let waited = self.inner.wait64(address, expected, deadline(timeout), None);
        waited.map(result).map_err(|trap| self.bad_word(&trap, address, 8))
    }

    /// The trap of a word of so many bytes where none can be, with the numbers that guests are not told.
    fn bad_word(&self, trap: &Trap, address: u64, bytes: u64) -> Trap {
        let detail = if address.is_multiple_of(bytes) {
            format!("{bytes} bytes at {address} of a memory of {}", self.data_size())
        } else {
            format!("{address} is no multiple of {bytes}")
        };
        Trap::with_detail(trap.kind(), detail)
    }
}

impl std::fmt::Debug for SharedMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedMemory").field("ty", &self.ty()).finish_non_exhaustive()
    }
}

fn result(waited: Waited) -> WaitResult {
    match waited {
        Waited::Woken => WaitResult::Ok,
        Waited::Mismatch => WaitResult::Mismatch,
        Waited::TimedOut => WaitResult::TimedOut,
        Waited::Interrupted => unreachable!("waits of the host are not interrupted"),
    }
}

const _: () = {
    const fn crosses_threads<T: Send + Sync + Clone>() {}
    crosses_threads::<SharedMemory>();
};
