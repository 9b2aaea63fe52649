//! Throwing.

use super::{Outcome, Stop};
use crate::error::Error;
use crate::rt::frames::Handler;
use crate::store::StoreOpaque;
use heapwood_gc_abi::RawRef;
use heapwood_jit::abi::{RESUME_FP, RESUME_PC, RESUME_SAVED};
use heapwood_jit::stubs::Status;

/// Throws an exception object. Without a handler in this activation it becomes the error of the entry.
pub(super) fn throw(store: &mut StoreOpaque, _: u32, exception: RawRef) -> Result<u64, Stop> {
    if let Some(handler) = store.guest.frames.find_handler() {
        set_resume_words(store, &handler);
        return Err(Stop::Resume(exception));
    }
    Err(Stop::Error(Error::from(store.exception_of(exception))))
}

/// Throws an exception that a host function returned; none if nobody in this activation catches it.
pub(crate) fn resume(store: &mut StoreOpaque, exception: u32) -> Option<Outcome> {
    let handler = store.guest.frames.find_handler()?;
    set_resume_words(store, &handler);
    Some(Outcome { value: exception as u64, status: Status::Resume as u64 })
}

fn set_resume_words(store: &mut StoreOpaque, handler: &Handler) {
    let hot = store.hot();
    if store.guest.frames.unwind_to(handler, &mut store.heap) {
        store.guest.update_guard(store.heap.wants_collection());
    }
    hot.set(RESUME_PC, handler.pc as u64);
    hot.set(RESUME_FP, handler.fp as u64);
    for (k, value) in (0..).zip(handler.saved) {
        hot.set(RESUME_SAVED + 8 * k, value);
    }
}
