//! The runtime's entry points behind the builtin table: one row each in [`address`], one safe function each in the
//! file of its chapter.
//!
//! A **call** function gets the store, the number of the calling instance and its arguments; a **slow** function the
//! store and its argument. Both return a value or the reason to stop.

mod array;
mod atomic;
mod exception;
mod memory;
mod slow;
mod table;

pub(crate) use exception::resume;

use super::entry::Left;
use crate::error::Error;
use crate::store::StoreOpaque;
use crate::trap::{Trap, TrapKind};
use heapwood_gc_abi::hot::STORE;
use heapwood_jit::abi::{Builtin, RESUME_PC};
use heapwood_jit::stubs::Status;
use heapwood_module::ContextLayout;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What the stubs get back: rax and rdx.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Outcome {
    value: u64,
    status: u64,
}

impl Outcome {
    /// Go on, with a value.
    pub fn done(value: u64) -> Outcome {
        Outcome { value, status: Status::Done as u64 }
    }

    /// Not `Done`.
    pub fn status(status: Status) -> Outcome {
        Outcome { value: 0, status: status as u64 }
    }
}

/// Why a builtin does not return to the guest.
pub(super) enum Stop {
    /// A trap.
    Trap(Trap),
    /// An error.
    Error(Error),
    /// The RESUME words are set: the guest goes on at a handler, with this exception.
    Resume(u32),
}

impl<T: Into<Trap>> From<T> for Stop {
    fn from(trap: T) -> Stop {
        Stop::Trap(trap.into())
    }
}

/// The store that the guest with this heap base belongs to.
pub(super) fn store_of(base: usize) -> *mut StoreOpaque {
    // SAFETY: R5.
    unsafe { *((base as isize + STORE as isize) as *const *mut StoreOpaque) }
}

/// Turns the result of a builtin into what the stub needs.
fn finish(store: &mut StoreOpaque, result: Result<u64, Stop>) -> Outcome {
    let error = match result {
        Ok(value) => return Outcome::done(value),
        Err(Stop::Resume(exception)) => {
            return Outcome { value: exception as u64, status: Status::Resume as u64 };
        }
        Err(Stop::Trap(trap)) => {
            if trap.kind() == TrapKind::HeapExhausted {
                store.tell_exhausted();
            }
            Error::from(trap)
        }
        Err(Stop::Error(error)) => error,
    };
    let backtrace = store.backtrace();
    store.guest.left = Some(Left::Error(error.with_backtrace(backtrace)));
    Outcome::status(Status::Leave)
}

fn run_call<const N: usize>(
    base: usize,
    context: usize,
    args: *const u64,
    builtin: fn(&mut StoreOpaque, u32, [u64; N]) -> Result<u64, Stop>,
) -> Outcome {
    // SAFETY: R2: the builtin has the store until it returns.
    let store = unsafe { &mut *store_of(base) };
    // SAFETY: R7: r14 is the context of the calling function.
    let instance = unsafe { *((context + ContextLayout::INSTANCE as usize) as *const u64) };
    // SAFETY: R6: the caller wrote N arguments.
    let args = unsafe { *args.cast::<[u64; N]>() };
    guarded(store, |store| builtin(store, instance as u32, args))
}

fn run_slow(base: usize, arg: u64, builtin: fn(&mut StoreOpaque, u64) -> Result<u64, Stop>) -> Outcome {
    // SAFETY: R2: the builtin has the store until it returns.
    let store = unsafe { &mut *store_of(base) };
    guarded(store, |store| builtin(store, arg))
}

/// Runs a builtin. A panic, which is a bug of ours or found by the verifier, leaves the guest and goes on in the entry.
fn guarded(store: &mut StoreOpaque, builtin: impl FnOnce(&mut StoreOpaque) -> Result<u64, Stop>) -> Outcome {
    let run = AssertUnwindSafe(|| {
        store.check_frames();
        let result = builtin(store);
        finish(store, result)
    });
    match catch_unwind(run) {
        Ok(outcome) => outcome,
        Err(panic) => {
            store.guest.left = Some(Left::Panic(panic));
            Outcome::status(Status::Leave)
        }
    }
}

macro_rules! call {
    ($builtin:path) => {{
        extern "sysv64" fn glue(base: usize, context: usize, args: *const u64) -> Outcome {
            run_call(base, context, args, $builtin)
        }
        glue as *const () as u64
    }};
}

macro_rules! slow {
    ($builtin:path) => {{
        extern "sysv64" fn glue(base: usize, _context: usize, arg: u64) -> Outcome {
            run_slow(base, arg, $builtin)
        }
        glue as *const () as u64
    }};
}

/// Address of the native function of a builtin.
fn address(builtin: Builtin) -> u64 {
    match builtin {
        Builtin::Poll => slow!(slow::poll),
        Builtin::Allocate => slow!(slow::allocate),
        Builtin::Log => slow!(slow::log),
        Builtin::LogElement => slow!(slow::log_element),
        Builtin::LogGlobal => slow!(slow::log_global),
        Builtin::Throw => call!(exception::throw),
        Builtin::MemoryGrow => call!(memory::grow),
        Builtin::MemoryFill => call!(memory::fill),
        Builtin::MemoryCopy => call!(memory::copy),
        Builtin::MemoryInit => call!(memory::init),
        Builtin::MemoryNotify => call!(atomic::notify),
        Builtin::MemoryWait32 => call!(atomic::wait32),
        Builtin::MemoryWait64 => call!(atomic::wait64),
        Builtin::DataDrop => call!(memory::data_drop),
        Builtin::TableSet => call!(table::set),
        Builtin::TableGrow => call!(table::grow),
        Builtin::TableFill => call!(table::fill),
        Builtin::TableCopy => call!(table::copy),
        Builtin::TableInit => call!(table::init),
        Builtin::ElemDrop => call!(table::elem_drop),
        Builtin::StructAlloc => call!(array::struct_alloc),
        Builtin::StructNew => call!(array::struct_new),
        Builtin::ArrayAlloc => call!(array::alloc),
        Builtin::ArrayNewFixed => call!(array::new_fixed),
        Builtin::ArrayCopy => call!(array::copy),
        Builtin::ArrayFill => call!(array::fill),
        Builtin::ArrayNewData => call!(array::new_data),
        Builtin::ArrayNewElem => call!(array::new_elem),
        Builtin::ArrayInitData => call!(array::init_data),
        Builtin::ArrayInitElem => call!(array::init_elem),
        Builtin::CastDeep => call!(array::cast_deep),
    }
}

/// Addresses of all, by builtin.
pub(super) fn addresses() -> Vec<u64> {
    Builtin::ALL.iter().map(|builtin| address(*builtin)).collect()
}

/// Address of what the trap stub calls.
pub(super) fn trap_address() -> u64 {
    extern "sysv64" fn trap(base: usize) {
        // SAFETY: R2.
        let store = unsafe { &mut *store_of(base) };
        let error = Error::from(store.trap());
        let backtrace = store.trap_backtrace();
        store.guest.left = Some(Left::Error(error.with_backtrace(backtrace)));
    }
    trap as *const () as u64
}

/// Address of what the return barrier calls.
pub(super) fn unwound_address() -> u64 {
    extern "sysv64" fn unwound(base: usize) {
        // SAFETY: R2.
        let store = unsafe { &mut *store_of(base) };
        let pc = store.guest.frames.unwound(&mut store.heap);
        store.hot().set(RESUME_PC, pc as u64);
        store.guest.update_guard(store.heap.wants_collection());
    }
    unwound as *const () as u64
}
