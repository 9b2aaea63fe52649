//! Throwing.

use crate::errors::Error;
use crate::rt::frames::Handler;
use crate::rt::running::{Outcome, Stop};
use crate::store::StoreOpaque;
use heapwood_gc_abi::RawRef;
use heapwood_jit::abi::{RESUME_FP, RESUME_PC, RESUME_SAVED};

/// Throws an exception object. Without a handler in this activation it becomes the error of the entry.
pub(super) fn throw(store: &mut StoreOpaque, _: u32, exception: RawRef) -> Result<u64, Stop> {
    if let Some(handler) = store.guest().execution().frames().find_handler() {
        set_resume_words(store, &handler);
        return Err(Stop::Resume(exception));
    }
    Err(Stop::Error(Error::from(store.exception_of(exception))))
}

/// Throws an exception that a host function returned; none if nobody in this activation catches it.
pub(super) fn resume(store: &mut StoreOpaque, exception: RawRef) -> Option<Outcome> {
    let handler = store.guest().execution().frames().find_handler()?;
    set_resume_words(store, &handler);
    Some(Outcome::resume(exception))
}

fn set_resume_words(store: &mut StoreOpaque, handler: &Handler) {
    let (guest, heap) = store.guest_and_heap();
    let execution = guest.execution_mut();
    if execution.frames_mut().unwind_to(handler, heap) {
        execution.update_guard(heap.wants_collection());
    }
    let hot = execution.hot();
    hot.set(RESUME_PC, handler.pc as u64);
    hot.set(RESUME_FP, handler.fp as u64);
    for (k, value) in (0..).zip(handler.saved) {
        hot.set(RESUME_SAVED + 8 * k, value);
    }
}
