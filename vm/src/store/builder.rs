//! Stores with limits of their own.

use super::quota::Quota;
use super::{Store, StoreInner, StoreOpaque};
use crate::engine::Engine;
use crate::errors::Result;
use std::marker::PhantomData;

/// Makes stores with limits of their own, each in place of what the engine's [`Config`](crate::Config) says. So one
/// engine, and a module that was compiled once, serve tenants with different quotas. Made by [`Store::builder`]; makes
/// as many stores as wanted.
///
/// A limit holds however what it limits comes to be: by an instantiation, by an instruction of the guest, or by a
/// function of the host.
///
/// ```
/// # use heapwood_vm::{Engine, ErrorKind, Memory, MemoryType, Store};
/// # fn main() -> heapwood_vm::Result<()> {
/// let engine = Engine::default();
/// let mut small = Store::builder(&engine).memory_max(1 << 20).gc_heap_max(4 << 20).max_stack(256 << 10).build(())?;
/// let mut large = Store::new(&engine, ());
/// let two_mib = MemoryType::builder().min(32).build()?;
/// let error = Memory::new(&mut small, two_mib).unwrap_err();
/// assert!(matches!(error.kind(), ErrorKind::Limit(_)));
/// Memory::new(&mut large, two_mib)?;
/// # Ok(())
/// # }
/// ```
pub struct StoreBuilder<T: 'static> {
    engine: Engine,
    quota: Quota,
    data: PhantomData<fn(T)>,
}

impl<T: 'static> StoreBuilder<T> {
    pub(super) fn new(engine: &Engine) -> StoreBuilder<T> {
        StoreBuilder { engine: engine.clone(), quota: Quota::of_engine(engine.config()), data: PhantomData }
    }

    /// Most memory that the heap uses, its own tables included, in bytes: from 1 MiB to
    /// [`HEAP_BYTES_LIMIT`](crate::HEAP_BYTES_LIMIT). By default that of
    /// [`Config::gc_heap_max`](crate::Config::gc_heap_max). An allocation beyond it is the trap
    /// [`TrapKind::HeapExhausted`](crate::TrapKind::HeapExhausted), after everything dead was collected.
    pub fn gc_heap_max(&mut self, bytes: u64) -> &mut StoreBuilder<T> {
        self.quota.heap_bytes = Some(bytes);
        self
    }

    /// Most bytes that the linear memories, the tables and the element segments of the store have together. By default
    /// that of [`Config::max_memory`](crate::Config::max_memory). A shared memory counts as long as it is; what another
    /// store grows it by is that store's business, and counts here afterwards.
    pub fn memory_max(&mut self, bytes: u64) -> &mut StoreBuilder<T> {
        self.quota.memory_bytes = bytes;
        self
    }

    /// Most elements that all tables of the store have together. No limit by default, but for that of a table
    /// (10,000,000) and for the bytes of [`StoreBuilder::memory_max`].
    pub fn tables_max(&mut self, elements: u64) -> &mut StoreBuilder<T> {
        self.quota.table_elements = elements;
        self
    }

    /// Most instances that are made in the store; one counts whose start function failed, since what it exported may be
    /// in use. No limit by default.
    pub fn instances_max(&mut self, count: usize) -> &mut StoreBuilder<T> {
        self.quota.instances = count;
        self
    }

    /// Bytes of stack that the guest may use, from [`MAX_STACK_MIN`](crate::MAX_STACK_MIN) to
    /// [`MAX_STACK_MAX`](crate::MAX_STACK_MAX). By default those of [`Config::max_stack`](crate::Config::max_stack).
    pub fn max_stack(&mut self, bytes: usize) -> &mut StoreBuilder<T> {
        self.quota.stack_bytes = bytes;
        self
    }

    /// An empty store with these limits.
    ///
    /// # Errors
    /// A limit of heap or stack is not possible: the error names it and what is. The system refuses address space.
    pub fn build(&self, data: T) -> Result<Store<T>> {
        self.quota.check()?;
        self.build_unchecked(data)
    }

    /// Builds the store without checking the limits, for callers whose limits are the engine's.
    pub(super) fn build_unchecked(&self, data: T) -> Result<Store<T>> {
        let inner = StoreInner { store: StoreOpaque::new(&self.engine, &self.quota)?, data };
        Ok(Store { inner: Box::new(inner), invariant: PhantomData })
    }
}

impl<T: 'static> Clone for StoreBuilder<T> {
    fn clone(&self) -> StoreBuilder<T> {
        StoreBuilder { engine: self.engine.clone(), quota: self.quota, data: PhantomData }
    }
}

impl<T: 'static> std::fmt::Debug for StoreBuilder<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreBuilder").field("quota", &self.quota).finish_non_exhaustive()
    }
}
