//! Scopes of handles.

use crate::engine::Engine;
use crate::errors::Result;
use crate::observe::MemoryStats;
use crate::store::{AsContext, AsContextMut, InterruptHandle, Sealed, StoreContext, StoreContextMut};
use heapwood_gc::HeapStats;

/// A scope of handles: those made through it end with it. It is used in place of the store.
///
/// ```
/// # use heapwood_vm::{AnyRef, Engine, RootScope, Store};
/// let mut store = Store::new(&Engine::default(), ());
/// let mut scope = RootScope::new(&mut store);
/// let handle = AnyRef::from_i31(&mut scope, 7).unwrap();
/// drop(scope);
/// assert!(handle.kind(&store).is_err());
/// ```
pub struct RootScope<C: AsContextMut> {
    store: C,
    mark: usize,
}

impl<C: AsContextMut> RootScope<C> {
    /// Begins a scope.
    pub fn new(mut store: C) -> RootScope<C> {
        let mark = store.as_context_mut().opaque().roots().enter_scope();
        RootScope { store, mark }
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        self.store.as_context().0.store.engine()
    }

    /// The host's data.
    pub fn data(&self) -> &C::Data {
        &self.store.as_context().0.data
    }

    /// The host's data, for changing it.
    pub fn data_mut(&mut self) -> &mut C::Data {
        &mut self.store.as_context_mut().0.data
    }

    /// Collects everything that is dead, as [`Store::gc`](crate::Store::gc) does; the scope's handles keep what they
    /// refer to.
    ///
    /// # Errors
    /// None at present, as of [`Store::gc`](crate::Store::gc).
    pub fn gc(&mut self) -> Result<()> {
        self.store.as_context_mut().gc()
    }

    /// Numbers of the heap, as of [`Store::gc_stats`](crate::Store::gc_stats).
    pub fn gc_stats(&self) -> HeapStats {
        self.store.as_context().gc_stats()
    }

    /// Memory of the store, as of [`Store::memory_stats`](crate::Store::memory_stats).
    pub fn memory_stats(&self) -> MemoryStats {
        self.store.as_context().memory_stats()
    }

    /// A handle that makes the guest of this store stop, from any thread.
    pub fn interrupt_handle(&self) -> InterruptHandle {
        self.store.as_context().interrupt_handle()
    }
}

impl<C: AsContextMut> Drop for RootScope<C> {
    fn drop(&mut self) {
        self.store.as_context_mut().opaque().leave_scope(self.mark);
    }
}

impl<C: AsContextMut> Sealed for RootScope<C> {}

impl<C: AsContextMut> AsContext for RootScope<C> {
    type Data = C::Data;

    fn as_context(&self) -> StoreContext<'_, C::Data> {
        self.store.as_context()
    }
}

impl<C: AsContextMut> AsContextMut for RootScope<C> {
    fn as_context_mut(&mut self) -> StoreContextMut<'_, C::Data> {
        self.store.as_context_mut()
    }
}
