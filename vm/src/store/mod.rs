//! A store: everything that instances share, and the host's data.

mod const_eval;
mod context;
pub(crate) mod guest;
mod id;
mod imports;
mod instance;
mod objects;
mod observe;
mod opaque;
mod provider;
mod signature;
mod table;

pub use context::{AsContext, AsContextMut, Caller, StoreContext, StoreContextMut};
pub(crate) use guest::fields::Balance;
pub(crate) use id::StoreId;
pub(crate) use instance::{in_pieces, pieces_of, sub_slice, sub_slice_mut};
pub use observe::{ExhaustedHeap, HeapUse, HostCall, MemoryStats, MemoryUse};
pub(crate) use opaque::StoreOpaque;
pub(crate) use signature::{Signature, slots};

use crate::engine::Engine;
use crate::error::Result;
use crate::interrupt::InterruptHandle;
use std::marker::PhantomData;

/// Bytes that the runtime writes for a guest between two looks whether it is to stop.
pub(crate) const PIECE_BYTES: u64 = 64 << 10;

/// Instances, memories, a heap and the host's data of type `T`. `Send`; used by one thread at a time.
///
/// The first entry of a thread into a guest unblocks SIGSEGV, SIGBUS, SIGFPE and SIGILL there, for good: faults of guests
/// are traps by their handlers, and a thread must not block them again before its last entry. A thread's stack for
/// signal handlers (`sigaltstack`) is kept if ours fit on it (what the kernel writes and 4 KiB); a smaller one gives way
/// until the outermost entry is over; a thread without one gets one until it ends. An entry needs 128 KiB of the
/// thread's native stack, else it traps ([`TrapKind::StackExhausted`](crate::TrapKind::StackExhausted)).
///
/// A store is invariant in `T`: host functions take its data by their own type.
///
/// ```compile_fail
/// use heapwood_vm::Store;
/// type Any = for<'a> fn(&'a str) -> &'static str;
/// fn narrower(store: Store<Any>) -> Store<fn(&'static str) -> &'static str> {
///     store
/// }
/// ```
pub struct Store<T: 'static> {
    inner: Box<StoreInner<T>>,
    invariant: PhantomData<fn(T) -> T>,
}

/// What [`StoreContextMut`] points to. The runtime finds the whole from its first field.
#[repr(C)]
pub(crate) struct StoreInner<T> {
    pub(crate) opaque: StoreOpaque,
    pub(crate) data: T,
}

impl<T: 'static> Store<T> {
    /// An empty store.
    ///
    /// # Panics
    /// If the system refuses address space; [`Store::try_new`] says so in an error.
    pub fn new(engine: &Engine, data: T) -> Store<T> {
        Store::try_new(engine, data).expect("a store needs a heap and a stack")
    }

    /// An empty store.
    ///
    /// # Errors
    /// The configuration of the heap is impossible, or the system refuses address space.
    pub fn try_new(engine: &Engine, data: T) -> Result<Store<T>> {
        let inner = Box::new(StoreInner { opaque: StoreOpaque::new(engine)?, data });
        Ok(Store { inner, invariant: PhantomData })
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        self.inner.opaque.engine()
    }

    /// The host's data.
    pub fn data(&self) -> &T {
        &self.inner.data
    }

    /// The host's data, to be changed.
    pub fn data_mut(&mut self) -> &mut T {
        &mut self.inner.data
    }

    /// The host's data, when the store is no longer needed.
    pub fn into_data(self) -> T {
        self.inner.data
    }

    /// A handle that makes the guest of this store stop, from any thread.
    pub fn interrupt_handle(&self) -> InterruptHandle {
        self.inner.opaque.interrupt_handle()
    }

    /// Collects garbage: a full collection.
    ///
    /// # Errors
    /// The heap is exhausted.
    pub fn gc(&mut self) -> Result<()> {
        self.inner.opaque.collect()
    }

    /// Gives the memory of the heap that no object is in back to the system, as far as the nursery does not need it. For
    /// idle times; finishes a sweep that is under way, which may take some milliseconds. Does not collect.
    pub fn return_memory(&mut self) {
        self.inner.opaque.return_memory();
    }
}

impl<T: 'static> std::fmt::Debug for Store<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}
