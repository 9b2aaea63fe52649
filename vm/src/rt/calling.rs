//! The future of a call whose guest may be suspended.
//!
//! 1. *Its first poll* enters the guest as any call does. A guest that is suspended leaves the native stack like one
//!    that traps, but its activation stays, and so does all that it has on its own stack.
//! 2. *While it waits for a host function,* each poll polls that function's future, outside of any guest. It has the
//!    store lent until it is over or dropped (R14), so nobody touches the store here meanwhile: what makes the guest
//!    stop is looked for in the `InterruptCell`, which is not the store's alone.
//! 3. *Resumed* it is on the thread of the poll: the stub takes NATIVE_SP there, and [`thread::enter`] makes the thread
//!    ready, as for an entry.
//! 4. *Dropped,* it drops the host function's future first, whose own calls end by that, and then gives up the
//!    activation with all that has begun in it. A future that is forgotten keeps its activation; the host function, or
//!    the call, that it was made in gives it up when it is over itself, and a checkpoint or rollback of the store.

use super::entry::{self, Callee};
use super::execution::Left;
use super::host::WithData;
use super::interrupt::InterruptCell;
use super::running::{Heights, Outcome, Running};
use super::stubs;
use super::suspension::{HostWait, Suspension};
use super::thread;
use super::value::RawVal;
use crate::errors::{Error, Result, Trap, TrapKind};
use heapwood_gc_abi::Narrow;
use heapwood_gc_abi::hot::STORE;
use heapwood_jit::stubs::{ENTRY_SUSPENDED, Ended, Resume};
use std::future::Future;
use std::marker::PhantomData;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

/// The future of a call whose guest may be suspended. Ready with what the call ended with; the results are in the
/// values then.
pub(crate) struct Calling<'a, S: Running> {
    /// The store of a `WithData` that is borrowed for `'a`: while this exists, the store is used by this pointer alone.
    store: *mut S,
    callee: Callee,
    values: &'a mut [RawVal],
    state: State,
    /// The call's terms, if it has any, count already.
    is_armed: bool,
    /// Entries that it lies within.
    depth: usize,
    heights: Heights,
    cell: Arc<InterruptCell>,
    /// How many entries have terms when it has begun, and when the time of the first of them is over.
    terms: (usize, Option<Instant>),
    borrow: PhantomData<&'a mut S>,
}

// SAFETY: it is an exclusive borrow of a store whose data is `Send`; what waits in it is, too.
unsafe impl<S: Running + Send> Send for Calling<'_, S> {}

/// Where the call is.
enum State {
    New,
    /// The guest let others run, and goes on at this rsp.
    Yielded(usize),
    /// The guest waits for the host.
    Waits(HostWait, usize),
    Over,
}

impl<'a, S: Running> Calling<'a, S> {
    /// A call that begins with the first poll. `values` holds the arguments, whose references must be valid then, and
    /// takes the results. `armed`: the call's terms, if it has any, count since the store had these heights.
    pub fn new<T: Send + 'static>(
        whole: &'a mut WithData<S, T>,
        callee: Callee,
        values: &'a mut [RawVal],
        armed: Option<Heights>,
    ) -> Calling<'a, S> {
        let (execution, _) = whole.store.execution_and_heap();
        let (depth, cell) = (execution.frames().depth(), execution.interrupt().clone());
        let is_armed = armed.is_some();
        let heights = armed.unwrap_or_else(|| whole.store.heights());
        // The store is the first field: a pointer to the whole is one to it.
        let store = (&raw mut *whole).cast::<S>();
        let (state, terms) = (State::New, (0, None));
        Calling { store, callee, values, state, is_armed, depth, heights, cell, terms, borrow: PhantomData }
    }

    /// The store, while no host function has it.
    fn store(&mut self) -> &mut S {
        // SAFETY: R14: the borrow is this future's, and nothing waits that it was lent to.
        unsafe { &mut *self.store }
    }

    fn begin(&mut self) -> Result<Ended, Left> {
        // SAFETY: R14: as of `store`; the values are another field.
        let store = unsafe { &mut *self.store };
        let (execution, _) = store.execution_and_heap();
        if !self.is_armed {
            execution.arm()?;
        }
        self.terms = execution.earliest();
        execution.begin_turn()?;
        entry::begin(store, self.callee, self.values, true)
    }

    /// The guest goes on, as if what it called had returned this only now.
    fn resume(&mut self, sp: usize, outcome: Outcome) -> Result<Ended, Left> {
        // SAFETY: R14: as of `store`; the values are another field.
        let store = unsafe { &mut *self.store };
        let (execution, _) = store.execution_and_heap();
        execution.begin_turn()?;
        let marker = 0u8;
        let entered = thread::enter(execution, &raw const marker as usize)?;
        let hot = execution.hot();
        hot.set(STORE, store as *mut S as u64);
        // SAFETY: R4: the address is that of this stub.
        let stub: Resume = unsafe { std::mem::transmute(stubs::fixed().resume().narrow::<usize>()) };
        let (value, status) = outcome.words();
        let ended = stub(hot.base(), self.values.as_mut_ptr(), sp, value, status);
        drop(entered);
        Ok(ended)
    }

    /// The guest goes on that let others run.
    fn after_yield(&mut self, sp: usize) -> Result<Ended, Left> {
        self.cell.forget_tasks(self.depth + 1);
        let store = self.store();
        store.execution_and_heap().0.leave_host();
        let outcome = store.after_yield();
        self.resume(sp, outcome)
    }

    /// Polls the host function that the guest waits for; if it is over, the guest goes on. How it was left then.
    fn poll_host(&mut self, sp: usize, mut wait: HostWait, cx: &mut Context<'_>) -> Option<Result<Ended, Left>> {
        // First, so that what comes from now on is heard.
        self.cell.suspend(self.depth + 1, cx.waker());
        // SAFETY: R14: the guest of this store waits, and the store is not used before the function is over or dropped.
        match unsafe { wait.poll(self.store, cx) } {
            Poll::Ready(polled) => {
                self.cell.forget_tasks(self.depth + 1);
                // SAFETY: R14: the function is over.
                let outcome = unsafe { wait.finish(self.store, polled) };
                Some(self.resume(sp, outcome))
            }
            Poll::Pending if self.must_stop() => Some(self.stop_host(sp, wait)),
            Poll::Pending => {
                self.state = State::Waits(wait, sp);
                None
            }
        }
    }

    /// Whether something has come that ends a wait.
    fn must_stop(&self) -> bool {
        self.cell.must_stop_within(self.terms.0, self.terms.1)
    }

    /// Ends the host function that the guest waits for; the guest gets the trap.
    fn stop_host(&mut self, sp: usize, wait: HostWait) -> Result<Ended, Left> {
        self.cell.forget_tasks(self.depth + 1);
        // SAFETY: R14: the store is that of the call that waits.
        let outcome = unsafe { wait.stop(self.store, stop::<S>) };
        self.resume(sp, outcome)
    }

    /// The guest was left, or could not be entered: what is to be polled, or what the call ended with.
    fn left(&mut self, ended: Result<Ended, Left>) -> Result<Suspended, Result<(), Left>> {
        // SAFETY: R14: as of `store`.
        let store = unsafe { &mut *self.store };
        let execution = store.execution_and_heap().0;
        execution.end_turn();
        let result = match ended {
            Ok(Ended { how: ENTRY_SUSPENDED, sp }) => {
                let sp = sp.narrow();
                return Ok(Suspended { why: execution.suspended_at(sp), sp });
            }
            Ok(ended) => entry::end(store, ended.how),
            // What the host function ended with is told rather than why the guest cannot hear of it.
            Err(left) => Err(execution.take_left().unwrap_or(left)),
        };
        self.give_up();
        Err(result)
    }

    /// Gives up what is left of the call.
    fn give_up(&mut self) {
        let depth = self.depth;
        // SAFETY: R14: as of `store`; the heights are another field.
        let store = unsafe { &mut *self.store };
        store.give_up(depth, &self.heights);
        let execution = store.execution_and_heap().0;
        execution.end_turn();
        if execution.frames().can_suspend() {
            // The timer's thread runs, if it is needed.
            let _ = execution.begin_turn();
        }
        store.call_is_over(&self.heights);
    }
}

/// A guest that was suspended.
struct Suspended {
    why: Suspension,
    sp: usize,
}

/// The trap with which a guest stops that waits.
fn stop<S: Running>(store: &mut S) -> Error {
    let (execution, heap) = store.execution_and_heap();
    // A request may have been withdrawn meanwhile, but the wait is over.
    let trap = execution.stop().unwrap_or_else(|| Trap::new(TrapKind::Interrupted));
    execution.update_guard(heap.wants_collection());
    trap.into()
}

impl<S: Running> Future for Calling<'_, S> {
    type Output = Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let this = self.get_mut();
        let mut ended = match std::mem::replace(&mut this.state, State::Over) {
            State::New => this.begin(),
            State::Yielded(sp) => this.after_yield(sp),
            State::Waits(wait, sp) => match this.poll_host(sp, wait, cx) {
                Some(ended) => ended,
                None => return Poll::Pending,
            },
            State::Over => panic!("a call was polled that is over"),
        };
        loop {
            ended = match this.left(ended) {
                Err(result) => return Poll::Ready(result.map_err(Left::into_error)),
                Ok(Suspended { why: Suspension::Yield, sp }) => {
                    this.state = State::Yielded(sp);
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Ok(Suspended { why: Suspension::Host(wait), sp }) => match this.poll_host(sp, wait, cx) {
                    Some(ended) => ended,
                    None => return Poll::Pending,
                },
            };
        }
    }
}

impl<S: Running> Drop for Calling<'_, S> {
    fn drop(&mut self) {
        let dropped = match std::mem::replace(&mut self.state, State::Over) {
            State::Over => return,
            State::New if !self.is_armed => return,
            State::New | State::Yielded(_) => Ok(()),
            State::Waits(wait, _) => wait.give_up(),
        };
        self.give_up();
        if let Err(panic) = dropped
            && !std::thread::panicking()
        {
            resume_unwind(panic);
        }
    }
}
