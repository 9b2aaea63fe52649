//! The word that makes a guest stop, as other threads see it.
//!
//! Compiled code compares rsp with `hot::STACK_GUARD`. A request sets a flag, then the word to its maximum; the
//! store's thread, whenever it computes the word anew, writes it first and looks at the flag afterwards. So one of
//! the two always sees the other. A guest that waits at an address of a shared memory is named in `parked`, so that a
//! request ends the wait: it sets the flag before it looks there, the waiter enters there before it looks at the flag.

use super::hot::Hot;
use super::waiter::Waiter;
use heapwood_gc_abi::hot::STACK_GUARD;
use parking_lot::Mutex;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};

/// Shared by a store and its interrupt handles.
#[derive(Debug, Default)]
pub(crate) struct InterruptCell {
    requested: AtomicBool,
    guard: Mutex<GuardWord>,
    parked: Mutex<Option<Arc<Waiter>>>,
}

/// Address of the guard word while the store lives.
#[derive(Debug, Default)]
struct GuardWord(Option<NonNull<AtomicU64>>);

// SAFETY: R8.
unsafe impl Send for GuardWord {}

impl InterruptCell {
    /// Says where the store's guard word is.
    pub fn attach(&self, hot: Hot) {
        self.guard.lock().0 = Some(NonNull::from(hot.word(STACK_GUARD)));
    }

    /// Forgets the guard word: the store goes.
    pub fn detach(&self) {
        self.guard.lock().0 = None;
    }

    /// Asks the guest to stop.
    pub fn request(&self) {
        self.requested.store(true, Ordering::SeqCst);
        if let Some(word) = self.guard.lock().0 {
            // SAFETY: R8.
            unsafe { word.as_ref() }.store(u64::MAX, Ordering::SeqCst);
        }
        let parked = self.parked.lock().clone();
        if let Some(waiter) = parked {
            waiter.nudge();
        }
    }

    /// Whether a request stands.
    pub fn is_requested(&self) -> bool {
        self.requested.load(Ordering::SeqCst)
    }

    /// Runs `sleep`, in which a request reaches `waiter`.
    pub fn parked<R>(&self, waiter: &Arc<Waiter>, sleep: impl FnOnce() -> R) -> R {
        *self.parked.lock() = Some(waiter.clone());
        let result = sleep();
        *self.parked.lock() = None;
        result
    }

    /// Withdraws a request.
    pub fn clear(&self) {
        self.requested.store(false, Ordering::SeqCst);
    }

    /// Takes the request, if there is one.
    pub fn take(&self) -> bool {
        self.requested.load(Ordering::SeqCst) && self.requested.swap(false, Ordering::SeqCst)
    }

    /// Writes the guard word from the store's thread, unless a request stands.
    pub fn write_guard(&self, hot: Hot, value: u64) {
        let word = hot.word(STACK_GUARD);
        word.store(value, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if self.requested.load(Ordering::Relaxed) {
            word.store(u64::MAX, Ordering::Relaxed);
        }
    }
}
