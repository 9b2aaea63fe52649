//! The runtime's entry points behind the builtin table, whose rows are the compiler's ([`for_each_builtin`]): one safe
//! function each in the file of its chapter.
//!
//! A **call** function gets the store, the number of the calling instance and its arguments; a **slow** function the
//! store and its argument, if it has one. Both return a value or the reason to stop.
//!
//! [`for_each_builtin`]: heapwood_jit::for_each_builtin

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
use heapwood_gc_abi::Narrow;
use heapwood_gc_abi::hot::STORE;
use heapwood_gc_abi::{RawRef, TypeId, low32};
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
///
/// # Safety
/// `base` is the heap base of a guest that runs on this thread and called what asks (R5, R4): the stubs pass it. What the
/// result may be used for is R2's.
pub(super) unsafe fn store_of(base: usize) -> *mut StoreOpaque {
    // SAFETY: R5 by the caller's promise.
    unsafe { *(base.wrapping_add_signed(STORE as isize) as *const *mut StoreOpaque) }
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

/// A type of the table of entries ([`heapwood_jit::abi::ArgType`]), made of the word that compiled code passes.
trait Word {
    fn of(word: u64) -> Self;
}

impl Word for u64 {
    fn of(word: u64) -> u64 {
        word
    }
}

/// A number or a reference.
impl Word for u32 {
    fn of(word: u64) -> u32 {
        low32(word)
    }
}

impl Word for TypeId {
    fn of(word: u64) -> TypeId {
        TypeId(word.narrow())
    }
}

/// Runs a call function.
///
/// # Safety
/// A stub calls it, with the base and the context of the guest that it left and `N` arguments (R4).
unsafe fn run_call<const N: usize>(
    entry: Builtin,
    base: usize,
    context: usize,
    args: *const u64,
    builtin: impl FnOnce(&mut StoreOpaque, u32, [u64; N]) -> Result<u64, Stop>,
) -> Outcome {
    // SAFETY: R2: the builtin has the store until it returns.
    let store = unsafe { &mut *store_of(base) };
    // SAFETY: R7: r14 is the context of the calling function.
    let instance = unsafe { *((context + ContextLayout::INSTANCE as usize) as *const u64) };
    // SAFETY: R6: the caller wrote N arguments.
    let args = unsafe { *args.cast::<[u64; N]>() };
    guarded(store, entry, |store| builtin(store, instance.narrow(), args))
}

/// Runs a slow function.
///
/// # Safety
/// A stub calls it, with the base of the guest that it left (R4).
unsafe fn run_slow(
    entry: Builtin,
    base: usize,
    arg: u64,
    builtin: impl FnOnce(&mut StoreOpaque, u64) -> Result<u64, Stop>,
) -> Outcome {
    // SAFETY: R2: the builtin has the store until it returns.
    let store = unsafe { &mut *store_of(base) };
    guarded(store, entry, |store| builtin(store, arg))
}

/// Runs a builtin. A panic, which is a bug of ours or found by the verifier, leaves the guest and goes on in the entry.
fn guarded(
    store: &mut StoreOpaque,
    entry: Builtin,
    builtin: impl FnOnce(&mut StoreOpaque) -> Result<u64, Stop>,
) -> Outcome {
    let run = AssertUnwindSafe(|| {
        store.check_frames();
        let minors = store.heap.minors();
        let result = builtin(store);
        // The compiler relies on it: what does not collect leaves references where they are.
        debug_assert!(entry.collects() || minors == store.heap.minors(), "{entry:?} collects, and does not say so");
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

/// The native function of an entry: takes the words apart for the runtime's function.
macro_rules! glue {
    (Call $name:ident $module:ident::$function:ident($($arg:ident: $ty:ident),*)) => {{
        unsafe extern "sysv64" fn glue(base: usize, context: usize, args: *const u64) -> Outcome {
            let function = |store: &mut StoreOpaque, instance, [$($arg),*]: [u64; _]| {
                $module::$function(store, instance, $(<$ty as Word>::of($arg)),*)
            };
            // SAFETY: R4: only the stub of this builtin has the address.
            unsafe { run_call(Builtin::$name, base, context, args, function) }
        }
        glue as *const () as u64
    }};
    (Slow $name:ident $module:ident::$function:ident($($arg:ident: $ty:ident)?)) => {{
        unsafe extern "sysv64" fn glue(base: usize, _context: usize, word: u64) -> Outcome {
            let function = |store: &mut StoreOpaque, _word| $module::$function(store, $({
                let $arg = _word;
                <$ty as Word>::of($arg)
            })?);
            // SAFETY: R4: only the stub of this builtin has the address.
            unsafe { run_slow(Builtin::$name, base, word, function) }
        }
        glue as *const () as u64
    }};
}

macro_rules! addresses {
    ($(
        $(#[$doc:meta])*
        $kind:ident $name:ident = $module:ident :: $function:ident ($($arg:ident: $ty:ident),*) $($collects:ident)?;
    )*) => {
        /// Address of the native function of a builtin.
        fn address(builtin: Builtin) -> u64 {
            match builtin {
                $(Builtin::$name => glue!($kind $name $module::$function($($arg: $ty),*)),)*
            }
        }
    };
}

heapwood_jit::for_each_builtin!(addresses);

/// Addresses of all, by builtin.
pub(super) fn addresses() -> Vec<u64> {
    Builtin::ALL.iter().map(|builtin| address(*builtin)).collect()
}

/// Address of what the trap stub calls.
pub(super) fn trap_address() -> u64 {
    unsafe extern "sysv64" fn trap(base: usize) {
        // SAFETY: R2; R4: only the stub has the address.
        let store = unsafe { &mut *store_of(base) };
        let error = Error::from(store.trap());
        let backtrace = store.trap_backtrace();
        store.guest.left = Some(Left::Error(error.with_backtrace(backtrace)));
    }
    trap as *const () as u64
}

/// Address of what the return barrier calls.
pub(super) fn unwound_address() -> u64 {
    unsafe extern "sysv64" fn unwound(base: usize) {
        // SAFETY: R2; R4: only the stub has the address.
        let store = unsafe { &mut *store_of(base) };
        let pc = store.guest.frames.unwound(&mut store.heap);
        store.hot().set(RESUME_PC, pc as u64);
        store.guest.update_guard(store.heap.wants_collection());
    }
    unwound as *const () as u64
}
