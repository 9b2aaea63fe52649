//! Linear memories.

use crate::errors::{Error, Result};
use crate::ids::StoreId;
use crate::rt::memory::Secrecy;
use crate::store::{AsContext, AsContextMut, Named, StoreContextMut, StoreOpaque};
use crate::types::MemoryType;

/// A linear memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Memory {
    store: StoreId,
    index: u32,
}

impl Memory {
    /// A memory of the host's making, zeroed.
    ///
    /// # Errors
    /// The type is shared (see [`SharedMemory`](crate::SharedMemory)) or not possible, or the store's limit or the
    /// system refuses.
    pub fn new(mut store: impl AsContextMut, ty: MemoryType) -> Result<Memory> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        Ok(Memory::from_index(store.id(), store.new_memory(ty)?))
    }

    pub(crate) fn from_index(store: StoreId, index: u32) -> Memory {
        Memory { store, index }
    }

    pub(crate) fn index(&self, store: &StoreOpaque) -> Result<u32> {
        store.check_handle(self.store, Named::Memory(self.index))?;
        Ok(self.index)
    }

    pub(crate) fn ty_in(&self, store: &StoreOpaque) -> Result<MemoryType> {
        Ok(store.memory_type(self.index(store)?))
    }

    /// The memory's type, with the current size as the least one.
    ///
    /// # Panics
    /// If it belongs to another store.
    #[track_caller]
    pub fn ty(&self, store: impl AsContext) -> MemoryType {
        self.ty_in(store.as_context().opaque()).expect("a memory of this store")
    }

    /// Size in pages.
    ///
    /// # Panics
    /// If it belongs to another store.
    #[track_caller]
    pub fn size(&self, store: impl AsContext) -> u64 {
        self.ty(store).min
    }

    /// Bytes of a page: 65536, or 1.
    ///
    /// # Panics
    /// If it belongs to another store.
    #[track_caller]
    pub fn page_size(&self, store: impl AsContext) -> u64 {
        1 << self.ty(store).page_size_log2
    }

    /// Size in bytes.
    ///
    /// # Panics
    /// If it belongs to another store.
    #[track_caller]
    pub fn data_size(&self, store: impl AsContext) -> usize {
        self.data(&store).len()
    }

    /// The memory's bytes.
    ///
    /// # Panics
    /// If it belongs to another store.
    #[track_caller]
    pub fn data<'s, T: 'static>(&self, store: &'s impl AsContext<Data = T>) -> &'s [u8] {
        let opaque = &store.as_context().0.store;
        opaque.memory(self.index(opaque).expect("a memory of this store")).bytes()
    }

    /// The memory's bytes, for changing them.
    ///
    /// # Panics
    /// If it belongs to another store.
    #[track_caller]
    pub fn data_mut<'s, T: 'static>(&self, store: &'s mut impl AsContextMut<Data = T>) -> &'s mut [u8] {
        self.data_and_store_mut(store.as_context_mut()).0
    }

    /// The memory's bytes, and the host's data beside them.
    ///
    /// # Panics
    /// If it belongs to another store.
    #[track_caller]
    pub fn data_and_store_mut<'s, T: 'static>(
        &self,
        store: impl Into<StoreContextMut<'s, T>>,
    ) -> (&'s mut [u8], &'s mut T) {
        let StoreContextMut(inner) = store.into();
        let index = self.index(&inner.store).expect("a memory of this store");
        (inner.store.memory_mut(index).bytes_mut(), &mut inner.data)
    }

    /// Copies bytes out.
    ///
    /// # Errors
    /// The range does not lie in the memory; a memory of another store.
    pub fn read(&self, store: impl AsContext, offset: usize, buffer: &mut [u8]) -> Result<()> {
        let context = store.as_context();
        let store = context.opaque();
        let bytes = store.memory(self.index(store)?).bytes();
        let source = offset.checked_add(buffer.len()).and_then(|end| bytes.get(offset..end));
        buffer.copy_from_slice(source.ok_or_else(|| out_of_bounds(bytes.len(), offset, buffer.len()))?);
        Ok(())
    }

    /// Copies bytes in.
    ///
    /// # Errors
    /// The range does not lie in the memory; a memory of another store.
    pub fn write(&self, mut store: impl AsContextMut, offset: usize, buffer: &[u8]) -> Result<()> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        let index = self.index(store)?;
        let bytes = store.memory_mut(index).bytes_mut();
        let len = bytes.len();
        let target = offset.checked_add(buffer.len()).and_then(|end| bytes.get_mut(offset..end));
        target.ok_or_else(|| out_of_bounds(len, offset, buffer.len()))?.copy_from_slice(buffer);
        Ok(())
    }

    /// Sets whether checkpoints of the store have the memory's bytes ([`Secrecy`]). By default they have.
    ///
    /// # Errors
    /// A memory of another store.
    pub fn set_secrecy(&self, mut store: impl AsContextMut, secrecy: Secrecy) -> Result<()> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        let index = self.index(store)?;
        store.memory_mut(index).set_secrecy(secrecy);
        Ok(())
    }

    /// Overwrites all its bytes with zeroes and gives their pages back to the system. What a checkpoint holds of it
    /// stays there ([`Memory::set_secrecy`]).
    ///
    /// # Errors
    /// The system does not take the pages: the bytes are zero. A memory of another store.
    pub fn zeroize(&self, mut store: impl AsContextMut) -> Result<()> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        let index = self.index(store)?;
        store.memory_mut(index).zeroize()
    }

    /// Grows it by `delta` pages and returns the old size in pages.
    ///
    /// # Errors
    /// The type's maximum, the store's limit or limiter, or the system refuses; a memory of another store.
    pub fn grow(&self, mut store: impl AsContextMut, delta: u64) -> Result<u64> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        let index = self.index(store)?;
        store.memory_grow(index, delta)?
    }
}

/// The error of a copy of `len` bytes at `offset` that do not lie in a memory of `size` bytes.
pub(super) fn out_of_bounds(size: usize, offset: usize, len: usize) -> Error {
    let end = offset as u128 + len as u128;
    Error::usage(format!("a memory of {size} bytes without bytes {offset}..{end}"))
}
