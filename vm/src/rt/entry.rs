//! Calling a function of the guest from native code.

use super::thread;
use crate::error::{Error, Result};
use crate::store::{Balance, Signature, StoreOpaque};
use crate::value::RawVal;
use heapwood_gc_abi::hot::STORE;
use heapwood_jit::stubs::ENTRY_RETURNED;

/// Bytes of an entry's frame on the guest stack.
const ENTRY_FRAME_BYTES: usize = 64;

type EntryTrampoline =
    extern "sysv64" fn(code: u64, context: u64, heap_base: usize, values: *mut RawVal, guest_sp: usize) -> u64;

/// Why the guest was left without returning.
pub(crate) enum Left {
    /// With this error.
    Error(Error),
    /// A host function panicked.
    Panic(Box<dyn std::any::Any + Send>),
}

/// Calls `code` with `context`. `values` holds the arguments and takes the results.
pub(crate) fn call(
    store: &mut StoreOpaque,
    signature: &Signature,
    code: u64,
    context: u64,
    values: &mut [RawVal],
) -> Result<()> {
    assert!(values.len() >= signature.slots, "a place for each argument and result");
    let guest_sp = store.guest.next_stack_pointer()?;
    if guest_sp.saturating_sub(signature.stack_bytes + ENTRY_FRAME_BYTES) < store.guest.stack_limit() {
        return Err(store.stack_exhausted().into());
    }
    let marker = 0u8;
    let entered = thread::enter(store, &raw const marker as usize)?;
    let balance = Balance::of(&store.guest);
    let hot = store.hot();
    store.guest.frames.push();
    hot.set(STORE, store as *mut StoreOpaque as u64);
    // SAFETY: R4: the trampoline is the one of the function's type, and kept by the engine.
    let trampoline: EntryTrampoline = unsafe { std::mem::transmute(signature.entry) };
    let ended = trampoline(code, context, hot.base(), values.as_mut_ptr(), guest_sp);
    drop(entered);
    store.guest.frames.pop(&mut store.heap);
    let left = if ended == ENTRY_RETURNED { None } else { store.guest.left.take() };
    if let Some(balance) = balance {
        balance.assert_restored(&store.guest);
    }
    if ended == ENTRY_RETURNED {
        return Ok(());
    }
    store.guest.update_guard(store.heap.wants_collection());
    match left.expect("the runtime says why it left the guest") {
        Left::Error(error) => Err(error),
        Left::Panic(panic) => std::panic::resume_unwind(panic),
    }
}
