//! Calling a host function from the guest.

use super::builtins::{Outcome, store_of};
use super::entry::Left;
use crate::error::{Error, ErrorKind};
use crate::store::HostCall;
use crate::value::RawVal;
use heapwood_gc_abi::{Mutant, Narrow, active};
use heapwood_jit::stubs::Status;
use heapwood_module::ContextLayout;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

/// Address of the dispatcher, for the host trampolines.
pub(crate) fn address() -> u64 {
    dispatch as *const () as u64
}

/// Runs the host function whose number is in the context.
///
/// # Safety
/// A host trampoline calls it, with the base of the guest that it left, the context of the host function and room for its
/// values (R4).
unsafe extern "sysv64" fn dispatch(base: usize, context: usize, values: *mut RawVal) -> Outcome {
    // SAFETY: R4: the trampoline passed the base.
    let store = unsafe { store_of(base) };
    // SAFETY: R7: the context of a host function is the header of an instance's context, with a number.
    let number = unsafe { *((context + ContextLayout::INSTANCE as usize) as *const u64) };
    // SAFETY: R7: the same header; compiled code has just written there, or it is 0.
    let tail_caller = unsafe { std::mem::take(&mut *((context + ContextLayout::TAIL_CALLER as usize) as *mut u64)) };
    let (func, scope) = {
        // SAFETY: R2; the borrow ends before the host function gets the store.
        let store = unsafe { &mut *store };
        store.guest.enter_host(values as usize, tail_caller.narrow());
        (store.guest.host_func(number.narrow()), store.guest.roots.enter_scope())
    };
    // SAFETY: R6: the trampoline made room for the values on the guest stack; the guest does not run.
    let values = unsafe { std::slice::from_raw_parts_mut(values, func.slots()) };
    let result = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: R2; the borrow ends with the condition.
        if unsafe { &*store }.guest.host_listener.is_none() {
            // SAFETY: R2, R3: the store made the function for its own data.
            return unsafe { func.call(store, values) };
        }
        let start = Instant::now();
        // SAFETY: R2, R3: the store made the function for its own data.
        let result = unsafe { func.call(store, values) };
        // SAFETY: R2; the host function has returned.
        if let Some(listener) = &mut unsafe { &mut *store }.guest.host_listener {
            listener(&HostCall { name: func.name(), start, end: Instant::now() });
        }
        result
    }));
    // SAFETY: R2; the host function has returned.
    let store = unsafe { &mut *store };
    store.guest.leave_host();
    let outcome = match result {
        Ok(Ok(())) => Outcome::done(0),
        Ok(Err(error)) => fail(store, error),
        Err(panic) => {
            store.guest.left = Some(Left::Panic(panic));
            Outcome::status(Status::Leave)
        }
    };
    if !active(Mutant::ScopeOfHostKept) {
        store.leave_scope(scope);
    }
    outcome
}

/// An error of a host function: an exception is thrown again, all else leaves the guest.
fn fail(store: &mut crate::store::StoreOpaque, error: Error) -> Outcome {
    // An exception that nobody here catches goes on as the same error.
    if let ErrorKind::Exception(exception) = error.kind()
        && let Ok(object) = store.guest.roots.get_owned(exception.root())
        && let Some(outcome) = super::builtins::resume(store, object)
    {
        return outcome;
    }
    let backtrace = store.backtrace();
    store.guest.left = Some(Left::Error(error.with_backtrace(backtrace)));
    Outcome::status(Status::Leave)
}
