//! Calling a function of the guest from native code.

use super::execution::Left;
use super::running::Running;
use super::stubs::{Trampoline, Trampolines};
use super::thread;
use super::value::RawVal;
use crate::errors::Result;
use heapwood_gc_abi::hot::STORE;
use heapwood_jit::abi::CallLayout;
use heapwood_jit::stubs::{ENTRY_RETURNED, Ended};
use heapwood_module::FuncType;

/// Bytes of an entry's frame on the guest stack.
const ENTRY_FRAME_BYTES: usize = 64;

type EntryTrampoline =
    extern "sysv64" fn(code: u64, context: u64, heap_base: usize, values: *mut RawVal, guest_sp: usize) -> Ended;

/// How functions of a type are entered, in the engine that made it and keeps its trampoline.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EntryPoint {
    /// Places for arguments and results in the buffer of a call.
    slots: usize,
    /// Address of the trampoline.
    address: usize,
    /// Bytes of arguments and results on the guest stack.
    stack_bytes: usize,
}

impl EntryPoint {
    /// For functions of a type; makes the trampoline if need be.
    ///
    /// # Errors
    /// The system refuses memory.
    pub fn new(trampolines: &Trampolines, ty: &FuncType) -> Result<EntryPoint> {
        let layout = call_layout(ty);
        let address = trampolines.get(Trampoline::Entry, &layout)?;
        Ok(EntryPoint { slots: slots(ty), address, stack_bytes: (layout.arg_bytes + layout.result_bytes) as usize })
    }

    /// Places for arguments and results in the buffer of a call.
    pub fn slots(&self) -> usize {
        self.slots
    }
}

/// Where arguments and results of a type travel.
pub(crate) fn call_layout(ty: &FuncType) -> CallLayout {
    CallLayout::new(&ty.params, &ty.results)
}

/// Places that a call's buffer has: arguments come and results go in the same ones.
pub(crate) fn slots(ty: &FuncType) -> usize {
    ty.params.len().max(ty.results.len())
}

/// A function to be called: how functions of its type are entered, its code, and the context for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Callee {
    /// How functions of its type are entered.
    pub entry: EntryPoint,
    /// Address of the function's code.
    pub code: u64,
    /// The context.
    pub context: u64,
}

/// Calls a function. `values` holds the arguments and takes the results.
#[inline]
pub(crate) fn call<S: Running>(store: &mut S, callee: Callee, values: &mut [RawVal]) -> Result<(), Left> {
    let ended = begin(store, callee, values, false)?;
    end(store, ended.how)
}

/// Begins a call, of a guest that may be suspended or not. How it was left; its activation is there until [`end`].
#[inline]
pub(super) fn begin<S: Running>(
    store: &mut S,
    Callee { entry, code, context }: Callee,
    values: &mut [RawVal],
    can_suspend: bool,
) -> Result<Ended, Left> {
    assert!(values.len() >= entry.slots, "a place for each argument and result");
    let (execution, heap) = store.execution_and_heap();
    let guest_sp = execution.next_stack_pointer(heap)?;
    if guest_sp.saturating_sub(entry.stack_bytes + ENTRY_FRAME_BYTES) < execution.stack_limit() {
        execution.release_stack();
        return Err(execution.stack_exhausted().into());
    }
    let marker = 0u8;
    let entered = thread::enter(execution, &raw const marker as usize).inspect_err(|_| execution.release_stack())?;
    let hot = execution.hot();
    execution.frames_mut().push(can_suspend);
    hot.set(STORE, store as *mut S as u64);
    // SAFETY: R4: the trampoline is the one of the function's type, and kept by the engine.
    let trampoline: EntryTrampoline = unsafe { std::mem::transmute(entry.address) };
    let ended = trampoline(code, context, hot.base(), values.as_mut_ptr(), guest_sp);
    drop(entered);
    Ok(ended)
}

/// Ends a call whose guest returned or was left: the activation goes.
#[inline]
pub(super) fn end<S: Running>(store: &mut S, how: u64) -> Result<(), Left> {
    let (execution, heap) = store.execution_and_heap();
    execution.frames_mut().pop(heap);
    execution.release_stack();
    if how == ENTRY_RETURNED {
        return Ok(());
    }
    let left = execution.take_left();
    execution.update_guard(heap.wants_collection());
    Err(left.expect("the runtime says why it left the guest"))
}
