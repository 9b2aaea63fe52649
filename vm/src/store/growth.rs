//! Memories and tables grow: the limiter is asked first, then the limits of the type, of the store and of the system.
//!
//! What was refused is an error within the result, which the instruction turns into -1; the error around it is the
//! limiter's, and ends the guest.

use super::StoreOpaque;
use super::limiter::{Growth, Resource};
use crate::errors::{Error, Result, StoreLimit, StoreResource};
use crate::rt::store_memory::StoreMemory;
use heapwood_gc_abi::RawRef;

/// The old size, or why it was refused.
pub(crate) type Grown = Result<u64, Error>;

impl StoreOpaque {
    /// Grows a memory by `delta` pages; the old size in pages.
    ///
    /// # Errors
    /// The limiter's.
    pub fn memory_grow(&mut self, index: u32, delta: u64) -> Result<Grown> {
        if delta == 0 {
            return Ok(Ok(self.guest().entities().memory(index).pages()));
        }
        loop {
            let memory = self.guest().entities().memory(index);
            let current = memory.byte_len();
            if let Some((desired, maximum)) = memory.growth(delta)
                && !self.may_grow(Resource::Memory, Growth { current, desired, maximum })?
            {
                return Ok(Err(Error::limit(format!("failed to grow a memory by {delta} pages: the limiter refused"))));
            }
            match self.memory_grow_from(index, current, delta) {
                // A shared memory, of another size than the limiter was asked about.
                None => {}
                Some(Some(old)) => return Ok(Ok(old)),
                Some(None) => {
                    let (why, limit) = self.why_memory_stays(index, delta);
                    return Ok(Err(self.tell_failed(Resource::Memory, &why, limit)?));
                }
            }
        }
    }

    /// The old size, if the limits allow it; none around it if the memory does not have `current` bytes any more.
    fn memory_grow_from(&mut self, index: u32, current: usize, delta: u64) -> Option<Option<u64>> {
        let entities = self.guest_mut().entities_mut();
        let (others, limit) = (entities.bytes_without_memory(index), entities.limit_bytes());
        let allowed = |bytes: u64| others.saturating_add(bytes) <= limit;
        match entities.memory_mut(index) {
            StoreMemory::Shared(memory) => memory.grow_from(current, delta, allowed),
            memory => {
                let old = memory.pages();
                let memory = memory.own_mut();
                let bytes = memory.bytes_after(delta).filter(|bytes| allowed(*bytes));
                Some(bytes.filter(|bytes| memory.set_bytes(*bytes as usize)).map(|_| old))
            }
        }
    }

    /// In words, and the limit of the store if that is why.
    fn why_memory_stays(&self, index: u32, delta: u64) -> (String, Option<StoreLimit>) {
        let entities = self.guest().entities();
        let (memory, limit) = (entities.memory(index), entities.limit_bytes());
        let (ty, others) = (memory.ty(), entities.bytes_without_memory(index));
        let bytes = memory.growth(delta).map_or(u64::MAX, |(desired, _)| desired as u64);
        let wanted = others.saturating_add(bytes);
        let pages_max = ty.max.unwrap_or(u64::MAX).min(ty.pages_max());
        let (why, limit) = if ty.min.saturating_add(delta) > pages_max {
            (format!("it has {} of at most {pages_max} pages", ty.min), None)
        } else if wanted > limit {
            let why = format!("the limit is {limit} bytes for all memories, tables and element segments");
            (why, Some(StoreLimit { resource: StoreResource::Memory, limit, wanted }))
        } else {
            ("no address space or memory is left for it".to_owned(), None)
        };
        (format!("failed to grow a memory by {delta} pages: {why}"), limit)
    }

    /// Grows a table by `delta` elements of `init`; the old size.
    ///
    /// # Errors
    /// The limiter's.
    pub fn table_grow(&mut self, table: u32, delta: u64, init: RawRef) -> Result<Grown> {
        let data = self.table(table);
        let len = data.len();
        if delta == 0 {
            return Ok(Ok(len));
        }
        let size = |len: u64| usize::try_from(len).unwrap_or(usize::MAX);
        let maximum = data.ty().max.map(size);
        if let Some(desired) = len.checked_add(delta)
            && !self.may_grow(Resource::Table, Growth { current: size(len), desired: size(desired), maximum })?
        {
            return Ok(Err(Error::limit(format!("failed to grow a table by {delta} elements: the limiter refused"))));
        }
        match self.table_grow_within_limits(table, delta, init) {
            Ok(old) => Ok(Ok(old)),
            Err((why, limit)) => {
                let why = format!("failed to grow a table by {delta} elements: {why}");
                Ok(Err(self.tell_failed(Resource::Table, &why, limit)?))
            }
        }
    }

    /// The old size, or in words why it stays, and the limit of the store if that is why.
    fn table_grow_within_limits(
        &mut self,
        table: u32,
        delta: u64,
        init: RawRef,
    ) -> Result<u64, (String, Option<StoreLimit>)> {
        let (guest, heap) = self.guest_and_heap();
        let entities = guest.entities_mut();
        let (len, most) = (entities.table(table).len(), entities.table(table).most_elements());
        let bytes = entities.table(table).growth_bytes(delta);
        let bytes = bytes.ok_or_else(|| (format!("it has {len} of at most {most} elements"), None))?;
        let within = entities.check_table_elements(delta).and_then(|()| entities.check_limit("its growth", bytes));
        within.map_err(|error| (error.to_string(), error.store_limit()))?;
        let grown = entities.table_mut(table).grow(heap, delta, init);
        let old = grown.ok_or_else(|| ("the system refused memory".to_owned(), None))?;
        entities.count_table_bytes(bytes);
        Ok(old)
    }
}
