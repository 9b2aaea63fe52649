//! The native functions behind the builtin table, whose rows are the compiler's ([`for_each_builtin`]): each takes
//! apart what its stub passes, and runs the store's function of that name ([`Running::BUILTINS`]).
//!
//! A **call** function gets the store, the number of the calling instance and its arguments; a **slow** function the
//! store and its argument, if it has one.
//!
//! [`for_each_builtin`]: heapwood_jit::for_each_builtin

use super::running::{Outcome, Running};
use heapwood_gc_abi::Narrow;
use heapwood_gc_abi::hot::STORE;
use heapwood_jit::abi::Builtin;
use heapwood_module::ContextLayout;

/// The store that the guest with this heap base belongs to.
///
/// # Safety
/// `base` is the heap base of a guest that runs on this thread and called what asks (R5, R4): the stubs pass it. `S` is
/// the type of stores for which the stubs were made (R2, which says what the result may be used for).
pub(super) unsafe fn store_of<S>(base: usize) -> *mut S {
    // SAFETY: R5 by the caller's promise.
    unsafe { *(base.wrapping_add_signed(STORE as isize) as *const *mut S) }
}

/// Runs the call function of an entry.
///
/// # Safety
/// The stub of the entry calls it, with the base and the context of the guest that it left and `N` arguments (R4).
#[inline(always)]
unsafe fn run_call<S: Running, const ENTRY: usize, const N: usize>(
    base: usize,
    context: usize,
    args: *const u64,
) -> Outcome {
    // SAFETY: R2: the builtin has the store until it returns.
    let store: &mut S = unsafe { &mut *store_of(base) };
    // SAFETY: R7: r14 is the context of the calling function.
    let instance = unsafe { *((context + ContextLayout::INSTANCE as usize) as *const u64) };
    // SAFETY: R6: the caller wrote N arguments.
    let args = unsafe { *args.cast::<[u64; N]>() };
    store.run_builtin(Builtin::ALL[ENTRY], |store| {
        // A constant, so that it is called directly.
        let function = const { S::BUILTINS[ENTRY] };
        function(store, instance.narrow(), &args)
    })
}

/// Runs the slow function of an entry, which has `N` arguments: one or none.
///
/// # Safety
/// The stub of the entry calls it, with the base of the guest that it left (R4).
#[inline(always)]
unsafe fn run_slow<S: Running, const ENTRY: usize, const N: usize>(base: usize, word: u64) -> Outcome {
    // SAFETY: R2: the builtin has the store until it returns.
    let store: &mut S = unsafe { &mut *store_of(base) };
    store.run_builtin(Builtin::ALL[ENTRY], |store| {
        let function = const { S::BUILTINS[ENTRY] };
        function(store, 0, &[word; N])
    })
}

/// The native function of an entry, for stores of a type.
macro_rules! glue {
    (Call $name:ident $store:ident $count:expr) => {{
        unsafe extern "sysv64" fn glue<S: Running>(base: usize, context: usize, args: *const u64) -> Outcome {
            // SAFETY: R4: only the stub of this builtin has the address.
            unsafe { run_call::<S, { Builtin::$name as usize }, { $count }>(base, context, args) }
        }
        glue::<$store> as *const () as u64
    }};
    (Slow $name:ident $store:ident $count:expr) => {{
        unsafe extern "sysv64" fn glue<S: Running>(base: usize, _context: usize, word: u64) -> Outcome {
            // SAFETY: R4: only the stub of this builtin has the address.
            unsafe { run_slow::<S, { Builtin::$name as usize }, { $count }>(base, word) }
        }
        glue::<$store> as *const () as u64
    }};
}

macro_rules! addresses {
    ($(
        $(#[$doc:meta])*
        $kind:ident $name:ident = $module:ident :: $function:ident ($($arg:ident: $ty:ident),*) $($collects:ident)?;
    )*) => {
        /// Address of the native function of a builtin.
        fn address<S: Running>(builtin: Builtin) -> u64 {
            match builtin {
                $(Builtin::$name => glue!($kind $name S Builtin::$name.args().len()),)*
            }
        }
    };
}

heapwood_jit::for_each_builtin!(addresses);

/// Addresses of all, by builtin.
pub(super) fn addresses<S: Running>() -> Vec<u64> {
    Builtin::ALL.iter().map(|builtin| address::<S>(*builtin)).collect()
}

/// Address of what the trap stub calls.
pub(super) fn trap_address<S: Running>() -> u64 {
    unsafe extern "sysv64" fn trap<S: Running>(base: usize) {
        // SAFETY: R2; R4: only the stub has the address.
        let store: &mut S = unsafe { &mut *store_of(base) };
        store.trapped();
    }
    trap::<S> as *const () as u64
}

/// Address of what the return barrier calls.
pub(super) fn unwound_address<S: Running>() -> u64 {
    unsafe extern "sysv64" fn unwound<S: Running>(base: usize) {
        // SAFETY: R2; R4: only the stub has the address.
        let store: &mut S = unsafe { &mut *store_of(base) };
        let (execution, heap) = store.execution_and_heap();
        execution.unwound(heap);
    }
    unwound::<S> as *const () as u64
}
