//! Which objects have died, by the numbers under which the host asked.

use super::{AsContextMut, Caller, Store, StoreContextMut, StoreOpaque};
use parking_lot::Mutex;
use std::any::Any;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Tokens of objects that died, for the host to take.
#[derive(Clone, Debug, Default)]
pub(crate) struct Finalized(Arc<Mutex<VecDeque<u64>>>);

impl Finalized {
    /// Adds a token.
    pub fn push(&self, token: u64) {
        self.0.lock().push_back(token);
    }

    /// The next token; looks for objects of the store that a collection found dead meanwhile.
    pub fn next(&self, store: &mut StoreOpaque) -> Option<u64> {
        store.reap_host_values();
        self.0.lock().pop_front()
    }
}

/// A host value whose end says that an object has died.
pub(crate) struct Notice {
    token: u64,
    is_armed: Arc<AtomicBool>,
    queue: Finalized,
    /// The entry that holds the notice as long as the object lives, and goes with it.
    entry: Option<Box<dyn Any + Send + Sync>>,
}

impl Notice {
    /// A notice that queues the token if it is armed.
    pub fn new(token: u64, is_armed: Arc<AtomicBool>, queue: Finalized) -> Notice {
        Notice { token, is_armed, queue, entry: None }
    }

    /// Owns an entry.
    pub fn hold(&mut self, entry: impl Any + Send + Sync) {
        self.entry = Some(Box::new(entry));
    }
}

impl Drop for Notice {
    fn drop(&mut self) {
        if self.is_armed.swap(false, Ordering::AcqRel) {
            self.queue.push(self.token);
        }
    }
}

impl StoreOpaque {
    /// The next token of the store's own queue.
    fn next_finalized(&mut self) -> Option<u64> {
        self.finalized().clone().next(self)
    }
}

impl<T: 'static> Store<T> {
    /// The token of an object that has died since it was given to
    /// [`Rooted::register_finalizer`](crate::Rooted::register_finalizer); none if no collection has found another one.
    /// Each comes once, in no particular order. Does not collect.
    pub fn next_finalized(&mut self) -> Option<u64> {
        self.opaque_mut().next_finalized()
    }
}

impl<T: 'static> StoreContextMut<'_, T> {
    /// The token of an object that has died, as of [`Store::next_finalized`].
    pub fn next_finalized(&mut self) -> Option<u64> {
        self.opaque().next_finalized()
    }
}

impl<T: 'static> Caller<'_, T> {
    /// The token of an object that has died, as of [`Store::next_finalized`].
    pub fn next_finalized(&mut self) -> Option<u64> {
        self.as_context_mut().opaque().next_finalized()
    }
}
