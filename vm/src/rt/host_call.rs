//! Calling a host function from the guest.

use super::builtins::store_of;
#[cfg(feature = "async")]
use super::host::HostCode;
use super::running::{HostEnded, Outcome, Running};
#[cfg(feature = "async")]
use super::suspension::AsyncCall;
use super::value::RawVal;
use heapwood_gc_abi::Narrow;
#[cfg(feature = "async")]
use heapwood_gc_abi::{Mutant, active};
use heapwood_jit::stubs::NATIVE_VALUES;
use heapwood_module::ContextLayout;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

/// Address of the dispatcher, for the host trampolines.
pub(super) fn address<S: Running>() -> u64 {
    dispatch::<S> as *const () as u64
}

/// Runs the host function whose number is in the context.
///
/// # Safety
/// A host trampoline calls it, with the base of the guest that it left, the context of the host function and room for
/// its values (R4).
unsafe extern "sysv64" fn dispatch<S: Running>(base: usize, context: usize, values: *mut RawVal) -> Outcome {
    // SAFETY: R4: the trampoline passed the base.
    let store: *mut S = unsafe { store_of(base) };
    // SAFETY: R7: the context of a host function is the header of an instance's context, with a number.
    let number = unsafe { *((context + ContextLayout::INSTANCE as usize) as *const u64) };
    // SAFETY: R7: the same header; compiled code has just written there, or it is 0.
    let tail_caller = unsafe { std::mem::take(&mut *((context + ContextLayout::TAIL_CALLER as usize) as *mut u64)) };
    let (func, scope, depth) = {
        // SAFETY: R2; the borrow ends before the host function gets the store.
        let store = unsafe { &mut *store };
        let (execution, _) = store.execution_and_heap();
        execution.enter_host(values as usize, tail_caller.narrow());
        let depth = execution.frames().depth();
        let (func, scope) = store.begin_host_call(number.narrow());
        // SAFETY: R15: it is used until the call is over, and a call of a future has one of its own.
        (unsafe { func.lent() }, scope, depth)
    };
    #[cfg(feature = "async")]
    if func.is_async() {
        let call = AsyncCall { func: HostCode::clone(&func), scope, depth, values: values as usize };
        // SAFETY: R2, R4: the store of the guest that called, and the values that its trampoline made room for.
        return unsafe { call.reached(store) };
    }
    // SAFETY: R6: the trampoline made room for the values on the guest stack; the guest does not run.
    let values = unsafe { std::slice::from_raw_parts_mut(values, func.slots()) };
    let ended = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: R2; the borrow ends with the condition.
        if !unsafe { &*store }.hears_host_calls() {
            // SAFETY: R2, R3: the store made the function for its own data.
            return unsafe { func.call(store.cast(), values) };
        }
        let start = Instant::now();
        // SAFETY: R2, R3: the store made the function for its own data.
        let result = unsafe { func.call(store.cast(), values) };
        // SAFETY: R2; the host function has returned.
        unsafe { &mut *store }.tell_host_call(&func, start);
        result
    }));
    // SAFETY: R2; the host function has returned.
    let store = unsafe { &mut *store };
    leave(store, scope, depth, ended)
}

/// Address of the dispatcher of the runtime's own functions, for their trampolines.
pub(super) fn native_address<S: Running>() -> u64 {
    dispatch_native::<S> as *const () as u64
}

/// Runs the function of the runtime whose number is in the context.
///
/// # Safety
/// A host trampoline calls it, with the base of the guest that it left, the context of the host function and room for
/// its values (R4).
unsafe extern "sysv64" fn dispatch_native<S: Running>(base: usize, context: usize, values: *mut RawVal) -> Outcome {
    // SAFETY: R2: the function has the store until it returns; R4: the trampoline passed the base.
    let store: &mut S = unsafe { &mut *store_of(base) };
    // SAFETY: R7: the context of a host function is the header of an instance's context, with a number.
    let number = unsafe { *((context + ContextLayout::NATIVE as usize) as *const u32) };
    // SAFETY: R6: the trampoline made room for the values on the guest stack; the guest does not run.
    let values = unsafe { std::slice::from_raw_parts_mut(values, NATIVE_VALUES) };
    store.run_native(number, values)
}

/// A host function is over that was entered within so many entries.
#[inline(always)]
pub(super) fn leave<S: Running>(store: &mut S, scope: usize, depth: usize, ended: HostEnded) -> Outcome {
    #[cfg(feature = "async")]
    {
        let (execution, heap) = store.execution_and_heap();
        // It forgot the future of a call: nobody will ever resume that guest.
        if execution.frames().depth() != depth && !active(Mutant::ForgottenCallKept) {
            execution.give_up(depth, heap);
        }
    }
    let (execution, _) = store.execution_and_heap();
    debug_assert_eq!(execution.frames().depth(), depth, "entries of a host function are over before itself");
    execution.leave_host();
    store.end_host_call(scope, ended)
}
