//! A store: everything that instances share, and the host's data. What it makes and gives is named by numbers: handles
//! of it are made above.

mod alloc_profile;
mod backtrace;
mod bound;
mod builder;
#[cfg(feature = "async")]
mod calling;
mod checkpoint;
mod collection;
mod const_eval;
mod context;
mod cpu_profile;
mod definitions;
mod entities;
mod entity_access;
mod field;
mod finalized;
mod fuel;
mod functions;
mod globals;
mod growth;
mod guest;
mod handled;
mod held_types;
mod host_arrays;
mod host_structs;
mod host_values;
mod inbox;
mod inspector;
mod instance;
mod interrupt;
mod item;
mod limiter;
mod lineage;
mod listeners;
mod objects;
mod opaque;
mod pieces;
mod profile_data;
mod provider;
mod quota;
mod resource_limiter;
mod roots;
mod sampling;
mod signature;
mod stack_profile;
mod stacks;
mod strings;
mod table;
mod temporaries;
mod terms;
mod tiering;
mod timeline;
mod transfer;

pub(crate) use backtrace::Places;
pub use builder::StoreBuilder;
pub use checkpoint::Checkpoint;
pub use collection::CollectionSteps;
pub use context::{AsContext, AsContextMut, Caller, Sealed, StoreContext, StoreContextMut};
pub(crate) use entities::Entities;
pub(crate) use finalized::{Finalized, Notice};
pub use inbox::{Inbox, InboxError};
pub use inspector::{Inspection, Inspector, InspectorError};
pub(crate) use instance::{InstanceData, Mark, memory_matches};
pub use interrupt::{InterruptHandle, InterruptToken};
pub(crate) use item::Item;
pub(crate) use lineage::Named;
pub use listeners::{ExhaustedHeap, HostCall};
pub(crate) use objects::ObjectClass;
pub(crate) use opaque::StoreOpaque;
pub(crate) use pieces::{in_pieces, pieces_of, sub_slice, sub_slice_mut};
pub use profile_data::{CpuProfileData, ProfileSample, ProfileStack};
pub use resource_limiter::{ResourceLimiter, StoreLimits, StoreLimitsBuilder};
pub(crate) use signature::Signature;
pub use stack_profile::StackProfile;
pub(crate) use strings::Utf8;
pub(crate) use strings::js_string::{ArrayTypes, JsString};
pub(crate) use transfer::Graph;

use crate::engine::Engine;
use crate::errors::Result;
use crate::rt::host::WithData;
use std::marker::PhantomData;

/// Instances, memories, a heap and the host's data of type `T`. `Send`; used by one thread at a time.
///
/// The first entry of a thread into a guest unblocks SIGSEGV, SIGBUS, SIGFPE and SIGILL there, for good: faults of
/// guests are traps by their handlers, and a thread must not block them again before its last entry. A thread's stack
/// for signal handlers (`sigaltstack`) is kept if ours fit on it (what the kernel writes and 4 KiB); a smaller one
/// gives way until the outermost entry is over; a thread without one gets one until it ends. An entry needs 128 KiB of
/// the thread's native stack, else it traps ([`TrapKind::StackExhausted`](crate::TrapKind::StackExhausted)). Where a
/// thread ends and drops what it has for itself (`thread_local!`), an entry may be an error; stores may be dropped
/// there.
///
/// A store is invariant in `T`: host functions take its data by their own type.
///
/// ```compile_fail
/// # extern crate heapwood_vm as heapwood;
/// use heapwood::Store;
/// type Any = for<'a> fn(&'a str) -> &'static str;
/// fn narrower(store: Store<Any>) -> Store<fn(&'static str) -> &'static str> {
///     store
/// }
/// ```
pub struct Store<T: 'static> {
    inner: Box<StoreInner<T>>,
    invariant: PhantomData<fn(T) -> T>,
}

/// What [`StoreContextMut`] points to.
pub(crate) type StoreInner<T> = WithData<StoreOpaque, T>;

impl<T: 'static> Store<T> {
    /// An empty store.
    ///
    /// # Panics
    /// If the configuration of the heap is impossible, or the system refuses address space; [`Store::try_new`] says so
    /// in an error.
    pub fn new(engine: &Engine, data: T) -> Store<T> {
        Store::try_new(engine, data).expect("a store needs a heap and a stack")
    }

    /// An empty store.
    ///
    /// # Errors
    /// The configuration of the heap is impossible, or the system refuses address space.
    pub fn try_new(engine: &Engine, data: T) -> Result<Store<T>> {
        StoreBuilder::new(engine).build_unchecked(data)
    }

    /// Makes the store an empty one, as if it had been made now, with the same limits and the host's data as they are.
    /// Instances, memories and objects are gone, and handles of them are errors; so are what listens, limits
    /// ([`Store::limiter`]) and interrupts, fuel and deadlines. Costs little more than the pages that were touched, if
    /// the engine keeps address space ([`Config::pooled_stores`](crate::Config::pooled_stores)).
    ///
    /// ```
    /// # use heapwood_vm::{Engine, Instance, Module, Store};
    /// # fn main() -> heapwood_vm::Result<()> {
    /// let engine = Engine::default();
    /// let module = Module::new(&engine, br#"(module (global (export "n") (mut i32) (i32.const 7)))"#)?;
    /// let mut store = Store::new(&engine, "data");
    /// let old = Instance::new(&mut store, &module, &[])?.get_global(&mut store, "n").unwrap();
    /// store.reset()?;
    /// assert_eq!(*store.data(), "data");
    /// Instance::new(&mut store, &module, &[])?;
    /// # let _ = old;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The system refuses address space; then the store is as it was.
    pub fn reset(&mut self) -> Result<()> {
        self.inner.store.renew()
    }

    /// What makes stores with limits of their own.
    pub fn builder(engine: &Engine) -> StoreBuilder<T> {
        StoreBuilder::new(engine)
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        self.inner.store.engine()
    }

    /// What does not depend on the host's data.
    pub(crate) fn opaque(&self) -> &StoreOpaque {
        &self.inner.store
    }

    /// What does not depend on the host's data, for changing it.
    pub(crate) fn opaque_mut(&mut self) -> &mut StoreOpaque {
        &mut self.inner.store
    }

    /// The host's data.
    pub fn data(&self) -> &T {
        &self.inner.data
    }

    /// The host's data, for changing it.
    pub fn data_mut(&mut self) -> &mut T {
        &mut self.inner.data
    }

    /// The host's data, when the store is no longer needed.
    pub fn into_data(self) -> T {
        self.inner.data
    }

    /// A handle that makes the guest of this store stop, from any thread.
    pub fn interrupt_handle(&self) -> InterruptHandle {
        self.inner.store.interrupt_handle()
    }

    /// Collects everything that is dead, in one pause on this thread: ends a marking that is under way, marks, sweeps,
    /// and drops the host values that nobody reaches any more. Objects may move; handles follow them. A store without a
    /// collector does nothing.
    ///
    /// # Errors
    /// None at present. A collector that has to give up would say so here.
    pub fn gc(&mut self) -> Result<()> {
        self.inner.store.collect()
    }

    /// Gives the memory of the heap that no object is in back to the system, as far as the nursery does not need it.
    /// For idle times; finishes a sweep that is under way, which may take some milliseconds. Does not collect.
    pub fn return_memory(&mut self) {
        self.inner.store.return_memory();
    }
}

impl<T: 'static> std::fmt::Debug for Store<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}
