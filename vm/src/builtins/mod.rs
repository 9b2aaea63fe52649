//! The runtime's entry points behind the builtin table, whose rows are the compiler's ([`for_each_builtin`]): one safe
//! function each in the file of its chapter. `rt/builtins.rs` calls them.
//!
//! A **call** function gets the store, the number of the calling instance and its arguments; a **slow** function the
//! store and its argument, if it has one. Both return a value or the reason to stop.
//!
//! [`for_each_builtin`]: heapwood_jit::for_each_builtin
#![cfg_attr(not(test), warn(clippy::cast_possible_truncation, clippy::cast_possible_wrap))]

mod array;
mod atomic;
mod exception;
mod memory;
mod slow;
mod table;

use crate::errors::{Error, ErrorKind, TrapKind};
use crate::rt::execution::{Execution, Left};
use crate::rt::host::HostCode;
#[cfg(feature = "async")]
use crate::rt::running::Heights;
use crate::rt::running::{BuiltinFunction, HostEnded, Outcome, Running, Stop};
#[cfg(feature = "async")]
use crate::rt::suspension::Suspension;
use crate::rt::value::RawVal;
use crate::store::{HostCall, JsString, StoreOpaque};
use heapwood_gc::Heap;
use heapwood_gc_abi::{Mutant, Narrow, RawRef, TypeId, active, low32};
use heapwood_jit::abi::Builtin;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

impl StoreOpaque {
    /// The guest is about to be left with an error.
    fn leave(&mut self, error: Error) -> Outcome {
        // An error on its way through many entries has one, and each walk is as long as the stack is deep.
        let error = error.with_backtrace_of(|| self.backtrace());
        self.guest_mut().execution_mut().leave(Left::Error(error));
        Outcome::leave()
    }

    /// The guest is about to be left with an error of the runtime: a heap that is full is told first.
    fn stop(&mut self, error: Error) -> Outcome {
        if error.trap().is_some_and(|trap| trap.kind() == TrapKind::HeapExhausted) {
            self.tell_exhausted();
        }
        self.leave(error)
    }

    /// Turns the result of a builtin into what the stub needs.
    fn finish(&mut self, result: Result<u64, Stop>) -> Outcome {
        match result {
            Ok(value) => Outcome::done(value),
            Err(Stop::Resume(exception)) => Outcome::resume(exception),
            Err(Stop::Trap(trap)) => self.stop(trap.into()),
            Err(Stop::Error(error)) => self.stop(error),
            #[cfg(feature = "async")]
            Err(Stop::Yield) => {
                self.guest_mut().execution_mut().suspend(Suspension::Yield);
                Outcome::suspend()
            }
        }
    }

    /// A panic, which is a bug of ours or found by the verifier, leaves the guest and goes on in the entry.
    fn guarded(&mut self, run: impl FnOnce(&mut Self) -> Outcome) -> Outcome {
        match catch_unwind(AssertUnwindSafe(|| run(self))) {
            Ok(outcome) => outcome,
            Err(panic) => {
                self.guest_mut().execution_mut().leave(Left::Panic(panic));
                Outcome::leave()
            }
        }
    }

    /// A host function did not return.
    #[cold]
    fn end_failed_host_call(&mut self, ended: HostEnded) -> Outcome {
        match ended {
            Ok(Ok(())) => Outcome::done(0),
            Ok(Err(error)) => self.fail(error),
            Err(panic) => {
                self.guest_mut().execution_mut().leave(Left::Panic(panic));
                Outcome::leave()
            }
        }
    }

    /// An error of a host function: an exception is thrown again, all else leaves the guest.
    fn fail(&mut self, error: Error) -> Outcome {
        // An exception that nobody here catches goes on as the same error.
        if let ErrorKind::Exception(exception) = error.kind()
            && let Ok(object) = self.roots().get_owned(exception.root())
        {
            return match exception::resume(self, object) {
                Ok(outcome) => outcome,
                Err(thrown) => self.leave(error.with_backtrace_of(|| thrown.backtrace(self))),
            };
        }
        self.leave(error)
    }
}

impl Running for StoreOpaque {
    const BUILTINS: &'static [BuiltinFunction<StoreOpaque>] = FUNCTIONS;

    #[inline]
    fn execution_and_heap(&mut self) -> (&mut Execution, &mut Heap) {
        let (guest, heap) = self.guest_and_heap();
        (guest.execution_mut(), heap)
    }

    fn run_builtin(&mut self, entry: Builtin, builtin: impl FnOnce(&mut Self) -> Result<u64, Stop>) -> Outcome {
        self.guarded(|store| {
            store.check_frames();
            let minors = store.heap().minors();
            let result = builtin(store);
            // The compiler relies on it: what does not collect leaves references where they are.
            debug_assert!(
                entry.collects() || minors == store.heap().minors(),
                "{entry:?} collects, and does not say so"
            );
            store.finish(result)
        })
    }

    fn run_native(&mut self, number: u32, values: &mut [RawVal]) -> Outcome {
        self.guarded(|store| {
            store.check_frames();
            let result = JsString::ALL[number as usize].run(store, values);
            store.finish(result.map(|()| 0).map_err(Stop::Error))
        })
    }

    fn trapped(&mut self) {
        let error = Error::from(self.guest().execution().trap());
        let backtrace = self.trap_backtrace();
        self.guest_mut().execution_mut().leave(Left::Error(error.with_backtrace(backtrace)));
    }

    #[inline]
    fn begin_host_call(&mut self, number: u32) -> (&HostCode, usize) {
        self.guest_mut().count_host_call();
        (self.guest().entities().host_function(number), self.roots().enter_scope())
    }

    #[inline]
    fn hears_host_calls(&self) -> bool {
        self.guest().listeners().hears_host_calls()
    }

    fn tell_host_call(&mut self, func: &HostCode, start: Instant) {
        let call = HostCall { name: func.name(), start, end: Instant::now() };
        self.guest_mut().listeners_mut().tell_host_call(&call);
    }

    #[inline(always)]
    fn end_host_call(&mut self, scope: usize, ended: HostEnded) -> Outcome {
        let outcome = match ended {
            Ok(Ok(())) => Outcome::done(0),
            ended => self.end_failed_host_call(ended),
        };
        if !active(Mutant::ScopeOfHostKept) {
            self.leave_scope(scope);
        }
        outcome
    }

    #[cfg(feature = "async")]
    fn after_yield(&mut self) -> Outcome {
        self.run_builtin(Builtin::Poll, slow::poll_after_yield)
    }

    #[cfg(feature = "async")]
    fn heights(&self) -> Heights {
        self.guest().heights()
    }

    #[cfg(feature = "async")]
    fn give_up(&mut self, depth: usize, heights: &Heights) {
        let (guest, heap) = self.guest_and_heap();
        guest.execution_mut().give_up(depth, heap);
        guest.temporaries_mut().truncate(heights.temporaries);
        self.leave_scope(heights.roots);
    }

    #[cfg(feature = "async")]
    fn call_is_over(&mut self, heights: &Heights) {
        self.guest().assert_restored(heights);
        if self.guest().execution().frames().depth() == 0 {
            self.reap_host_values();
        }
    }
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

/// The function of a row, which takes its words apart.
macro_rules! function {
    (Call $module:ident::$function:ident($($arg:ident: $ty:ident),*)) => {
        |store: &mut StoreOpaque, instance: u32, words: &[u64]| {
            let &[$($arg),*] = words else { panic!("a word for each argument") };
            $module::$function(store, instance, $(<$ty as Word>::of($arg)),*)
        }
    };
    (Slow $module:ident::$function:ident($($arg:ident: $ty:ident)?)) => {
        |store: &mut StoreOpaque, _: u32, words: &[u64]| {
            let &[$($arg)?] = words else { panic!("a word for each argument") };
            $module::$function(store, $(<$ty as Word>::of($arg))?)
        }
    };
}

macro_rules! functions {
    ($(
        $(#[$doc:meta])*
        $kind:ident $name:ident = $module:ident :: $function:ident ($($arg:ident: $ty:ident),*) $($collects:ident)?;
    )*) => {
        /// The functions of all rows, in their order.
        const FUNCTIONS: &[BuiltinFunction<StoreOpaque>] = &[$(function!($kind $module::$function($($arg: $ty),*)),)*];
    };
}

heapwood_jit::for_each_builtin!(functions);
