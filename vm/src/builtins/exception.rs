//! Throwing.

use crate::errors::{Error, WasmBacktrace};
use crate::rt::frames::{Handler, Unwound};
use crate::rt::running::{Outcome, Stop};
use crate::rt::traces::Thrown;
use crate::store::StoreOpaque;
use heapwood_gc_abi::RawRef;
use heapwood_gc_abi::layout::{EXCEPTION_REFERENCE_OFFSET, EXCEPTION_TAG_OFFSET, EXCEPTION_TRACE_OFFSET};
use heapwood_jit::abi::{RESUME_FP, RESUME_PC, RESUME_SAVED};

/// Throws an exception object. Without a handler in this activation it becomes the error of the entry.
pub(super) fn throw(store: &mut StoreOpaque, _: u32, exception: RawRef) -> Result<u64, Stop> {
    match unwind(store, exception) {
        Ok(()) => Err(Stop::Resume(exception)),
        Err(uncaught) => {
            let error = Error::from(store.exception_of(exception));
            Err(Stop::Error(error.with_backtrace(uncaught.backtrace(store))))
        }
    }
}

/// Throws an exception that a host function returned.
///
/// # Errors
/// Nobody in this activation catches it.
pub(super) fn resume(store: &mut StoreOpaque, exception: RawRef) -> Result<Outcome, Uncaught> {
    unwind(store, exception).map(|()| Outcome::resume(exception))
}

/// An exception that nobody in an activation catches.
pub(super) struct Uncaught {
    /// What was noted of where it comes from.
    trace: u32,
    /// How many of the innermost frames that says something of.
    noted: usize,
}

impl Uncaught {
    /// Where it was thrown first. Walks the stack of all activations.
    pub fn backtrace(&self, store: &StoreOpaque) -> WasmBacktrace {
        store.exception_backtrace(self.trace, self.noted)
    }
}

/// The guest goes on at the handler of an exception.
///
/// # Errors
/// There is none in this activation.
fn unwind(store: &mut StoreOpaque, exception: RawRef) -> Result<(), Uncaught> {
    let heap = store.heap();
    let word = |offset: u32| heap.read_i32(exception, offset.into());
    let known = word(EXCEPTION_TRACE_OFFSET);
    // Where the payload is something else, this is a part of it, which nobody looks at. All exceptions have so many
    // bytes.
    let payload = word(EXCEPTION_REFERENCE_OFFSET);
    let thrown = Thrown { tag: word(EXCEPTION_TAG_OFFSET), payload, moves: heap.moves() };
    let unwound = store.guest_mut().execution_mut().frames_mut().find_handler(known, thrown);
    let Unwound { handler, trace, frames } = unwound;
    if trace != known {
        store.heap_mut().write_i32(exception, EXCEPTION_TRACE_OFFSET as u64, trace);
    }
    match handler {
        Some(handler) => {
            set_resume_words(store, &handler);
            Ok(())
        }
        None => Err(Uncaught { trace, noted: frames }),
    }
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
