//! Notices of objects that died.
//!
//! A notice is a host value that an entry with a weak key holds: when the key dies, nothing holds the notice any more,
//! and dropping it, which is never done inside of a collection, queues the token. The notice owns the entry, so that
//! both go.

use super::{RootScope, WeakEntry};
use crate::errors::{Error, Result};
use crate::ids::{ExternRef, Rooted};
use crate::store::{AsContextMut, Finalized, Notice};
use heapwood_gc_abi::is_i31;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A request to be told of an object's death, made by [`Rooted::register_finalizer`]. The request stands if this is
/// dropped.
#[derive(Clone, Debug)]
pub struct Finalizer {
    is_armed: Arc<AtomicBool>,
}

impl Finalizer {
    /// Withdraws the request. Whether it stood: a token that is queued already stays in the queue.
    pub fn cancel(&self) -> bool {
        self.is_armed.swap(false, Ordering::AcqRel)
    }
}

/// A queue of tokens beside the store's own: for host functions that ask for deaths on behalf of guests, and leave
/// [`Store::next_finalized`](crate::Store::next_finalized) to their embedder. Copies are the same queue.
///
/// ```
/// # use heapwood_vm::{Engine, ExternRef, FinalizerQueue, RootScope, Store};
/// # fn main() -> heapwood_vm::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let queue = FinalizerQueue::new();
/// let mut scope = RootScope::new(&mut store);
/// ExternRef::new(&mut scope, "short-lived")?.register_finalizer_in(&mut scope, &queue, 7)?;
/// drop(scope);
/// store.gc()?;
/// assert_eq!((store.next_finalized(), queue.next(&mut store)), (None, Some(7)));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct FinalizerQueue(Finalized);

impl FinalizerQueue {
    /// An empty queue, for any store.
    pub fn new() -> FinalizerQueue {
        FinalizerQueue::default()
    }

    /// The token of an object that has died since it was given to [`Rooted::register_finalizer_in`] with this queue;
    /// none if no collection has found another one. Deaths of this store's objects are looked for, those of others are
    /// there if their stores have looked. Each comes once, in no particular order. Does not collect.
    pub fn next(&self, mut store: impl AsContextMut) -> Option<u64> {
        self.0.next(store.as_context_mut().opaque())
    }
}

impl std::fmt::Debug for FinalizerQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FinalizerQueue").finish_non_exhaustive()
    }
}

impl<T: 'static> Rooted<T> {
    /// Asks for `token` in [`Store::next_finalized`](crate::Store::next_finalized) once the object has died: when a
    /// collection has found that neither guest nor host reaches it. Nothing is said about when that is. An object may
    /// be registered several times. May collect.
    ///
    /// A checkpoint holds what was asked for before it was made, as it holds the object. The store finds out with its
    /// next checkpoint that such an object is dead, and the token comes once, in the queue that was asked: when the
    /// older checkpoint is gone, to which the store could go back. Forks have objects of their own, of which nobody has
    /// asked; they hold no token up.
    ///
    /// ```
    /// # use heapwood_vm::{ArrayRef, ArrayType, Engine, FieldType, Mutability, RootScope, StorageType, Store};
    /// # fn main() -> heapwood_vm::Result<()> {
    /// let engine = Engine::default();
    /// let mut store = Store::new(&engine, ());
    /// let bytes = ArrayType::new(&engine, FieldType::new(Mutability::Var, StorageType::I8));
    /// let mut scope = RootScope::new(&mut store);
    /// let buffer = ArrayRef::from_slice(&mut scope, &bytes, &[1u8, 2, 3])?;
    /// buffer.register_finalizer(&mut scope, 7)?;
    /// let buffer = buffer.to_owned(&mut scope)?;
    /// drop(scope);
    /// store.gc()?;
    /// assert_eq!(store.next_finalized(), None);
    /// drop(buffer);
    /// store.gc()?;
    /// assert_eq!(store.next_finalized(), Some(7));
    /// assert_eq!(store.next_finalized(), None);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// It is an i31, which never dies; it belongs to another store, its scope is over, or the heap is exhausted.
    pub fn register_finalizer(&self, mut store: impl AsContextMut, token: u64) -> Result<Finalizer> {
        let queue = FinalizerQueue(store.as_context_mut().opaque().finalized().clone());
        self.register_finalizer_in(store, &queue, token)
    }

    /// Asks for `token` in `queue` ([`FinalizerQueue::next`]) once the object has died, as
    /// [`Rooted::register_finalizer`] does in the store's own. May collect.
    ///
    /// # Errors
    /// It is an i31, which never dies; it belongs to another store, its scope is over, or the heap is exhausted.
    pub fn register_finalizer_in(
        &self,
        mut store: impl AsContextMut,
        queue: &FinalizerQueue,
        token: u64,
    ) -> Result<Finalizer> {
        if is_i31(store.as_context_mut().opaque().root_get(self)?) {
            return Err(Error::usage("an i31 never dies, so it has no finalizer"));
        }
        let FinalizerQueue(queue) = queue.clone();
        let mut scope = RootScope::new(store);
        // Armed when all is done: what fails half way through is no death.
        let is_armed = Arc::new(AtomicBool::new(false));
        let value = ExternRef::new(&mut scope, Notice::new(token, is_armed.clone(), queue))?;
        let entry = WeakEntry::new(&mut scope, self, &value)?;
        let notice = value.data_mut(&mut scope)?.and_then(|value| value.downcast_mut::<Notice>());
        notice.expect("the notice that was just made").hold(entry);
        is_armed.store(true, Ordering::Release);
        Ok(Finalizer { is_armed })
    }
}
