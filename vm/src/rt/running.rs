//! What the runtime asks of a store whose guest runs. The store implements it; the runtime knows no more of it.

use super::execution::Execution;
use super::host::HostCode;
#[cfg(feature = "async")]
use super::state::Levels;
use super::value::RawVal;
use crate::errors::{Error, Result, Trap};
use heapwood_gc::Heap;
use heapwood_jit::abi::Builtin;
use heapwood_jit::stubs::Status;
use std::any::Any;
use std::time::Instant;

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

    /// Leave the guest: why is known to its [`Execution`].
    pub fn leave() -> Outcome {
        Outcome { value: 0, status: Status::Leave as u64 }
    }

    /// Suspend the guest: why is known to its [`Execution`].
    #[cfg(feature = "async")]
    pub fn suspend() -> Outcome {
        Outcome { value: 0, status: Status::Suspend as u64 }
    }

    /// Value and status.
    #[cfg(feature = "async")]
    pub(super) fn words(self) -> (u64, u64) {
        (self.value, self.status)
    }

    /// Go on at the handler that the RESUME words name, with an exception.
    pub fn resume(exception: u32) -> Outcome {
        Outcome { value: exception.into(), status: Status::Resume as u64 }
    }
}

/// Why a builtin does not return to the guest.
pub(crate) enum Stop {
    /// A trap.
    Trap(Trap),
    /// An error.
    Error(Error),
    /// The RESUME words are set: the guest goes on at a handler, with this exception.
    Resume(u32),
    /// The guest lets others run, and goes on behind this slow path.
    #[cfg(feature = "async")]
    Yield,
}

impl<T: Into<Trap>> From<T> for Stop {
    fn from(trap: T) -> Stop {
        Stop::Trap(trap.into())
    }
}

/// A function behind the builtin table. It gets the number of the calling instance (0 for slow paths) and its arguments
/// as words.
pub(crate) type BuiltinFunction<S> = fn(&mut S, u32, &[u64]) -> Result<u64, Stop>;

/// How a host function ended: with a result, or by a panic.
pub(crate) type HostEnded = Result<Result<()>, Box<dyn Any + Send>>;

/// The store whose guest runs.
pub(crate) trait Running: Sized + 'static {
    /// The functions behind the builtin table, by builtin.
    const BUILTINS: &'static [BuiltinFunction<Self>];

    /// The guest's execution and the heap, for changing both.
    fn execution_and_heap(&mut self) -> (&mut Execution, &mut Heap);

    /// Runs a builtin and says how the stub goes on.
    fn run_builtin(&mut self, entry: Builtin, builtin: impl FnOnce(&mut Self) -> Result<u64, Stop>) -> Outcome;

    /// Runs a function of the runtime's own, by its number, and says how the stub goes on. `values` holds the arguments
    /// and takes the result.
    fn run_native(&mut self, number: u32, values: &mut [RawVal]) -> Outcome;

    /// The guest trapped, and is about to be left.
    fn trapped(&mut self);

    /// A host function begins, by its number: its code, and where its scope of handles begins.
    fn begin_host_call(&mut self, number: u32) -> (&HostCode, usize);

    /// Whether somebody hears of calls of host functions.
    fn hears_host_calls(&self) -> bool;

    /// A host function has returned that began then.
    fn tell_host_call(&mut self, func: &HostCode, start: Instant);

    /// A host function is over, and so is its scope of handles; how the stub goes on.
    fn end_host_call(&mut self, scope: usize, ended: HostEnded) -> Outcome;

    /// A guest goes on that let others run: looks once more what a poll looks for.
    #[cfg(feature = "async")]
    fn after_yield(&mut self) -> Outcome;

    /// Where scopes of handles and the like stand, before a call that may be suspended.
    #[cfg(feature = "async")]
    fn heights(&self) -> Heights;

    /// Gives up whatever has begun since then within a call that may be suspended, at this depth of entries.
    #[cfg(feature = "async")]
    fn give_up(&mut self, depth: usize, heights: &Heights);

    /// A call that may be suspended is over, which began with these.
    #[cfg(feature = "async")]
    fn call_is_over(&mut self, heights: &Heights);
}

/// How high parts of a store are that the runtime does not know.
#[cfg(feature = "async")]
pub(crate) struct Heights {
    /// Handles of scopes.
    pub roots: usize,
    /// References that the runtime holds for a moment.
    pub temporaries: usize,
    /// Fields by their rules, where assertions are on.
    pub levels: Levels,
}
