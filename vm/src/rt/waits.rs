//! Waits of a store's guest, and what ends them.
//!
//! 1. A wait is in the list as long as its [`Waiting`] lives. Waits are nested like calls.
//! 2. Whoever wakes copies the list under its lock, and calls what it has copied with the lock released: what wakes a
//!    wait of a host function is the host's, and may come back here.
//! 3. A wait that is over is woken no more: it leaves the list, and waits until all calls have returned that were begun
//!    before.
//! 4. A thread that wakes and comes back does so without end nowhere: for a stop that is known already it wakes nobody
//!    again, and for a question it wakes when it has woken all of the first time.

use super::panics::FirstPanic;
use super::waiter::Waiter;
use parking_lot::{Condvar, Mutex};
use std::cell::Cell;
use std::sync::Arc;

/// What ends a wait. It is remembered if it comes before the wait.
#[derive(Clone)]
pub(crate) enum Wait {
    /// The guest waits at an address of a shared memory.
    AtAddress(Arc<Waiter>),
    /// The guest waits in a host function: this wakes it.
    OfHost(Arc<dyn Fn(Wake) + Send + Sync>),
}

/// Why a wait of a host function is woken ([`Caller::inspectable`](crate::Caller::inspectable)).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Wake {
    /// The guest has to stop: the wait is to end.
    Stop,
    /// Requests of an [`Inspector`](crate::Inspector) wait for an answer: the wait is to be left, and begins again
    /// afterwards.
    Answer,
}

impl std::fmt::Debug for Wait {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Wait::AtAddress(_) => "AtAddress",
            Wait::OfHost(_) => "OfHost",
        })
    }
}

impl Wait {
    fn wake(self, why: Wake) {
        match (self, why) {
            (Wait::AtAddress(waiter), Wake::Stop) => waiter.nudge(),
            // Who waits at an address is no safe point: compiled code holds references in registers there.
            (Wait::AtAddress(_), Wake::Answer) => {}
            (Wait::OfHost(wake), why) => wake(why),
        }
    }
}

/// The waits of a store.
#[derive(Debug, Default)]
pub(super) struct Waits {
    state: Mutex<State>,
    /// The last call has returned.
    returned: Condvar,
}

#[derive(Debug, Default)]
struct State {
    list: Vec<Wait>,
    /// Who calls what is in a copy of the list.
    callers: Vec<Caller>,
}

/// A thread that calls what is in a copy of the list.
#[derive(Debug)]
struct Caller {
    thread: Here,
    /// A question has come from it meanwhile.
    is_asked: bool,
}

/// A thread as long as it lives: a place of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Here(usize);

impl Here {
    /// This thread, which may be about to end: what the host has for each thread may wake others when it is dropped.
    fn new() -> Here {
        thread_local! {
            static PLACE: Cell<u8> = const { Cell::new(0) };
        }
        PLACE.with(|place| Here(std::ptr::from_ref(place).addr()))
    }
}

impl State {
    /// What this thread calls innermost.
    fn call_of(&mut self, thread: Here) -> Option<&mut Caller> {
        self.callers.iter_mut().rfind(|caller| caller.thread == thread)
    }
}

/// A wait is in the list until this is dropped.
pub(crate) struct Waiting<'a>(&'a Waits);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        let wait = state.list.pop();
        self.0.returned.wait_while(&mut state, |state| !state.callers.is_empty());
        drop(state);
        // What it holds is the host's, and may wake others when it is dropped.
        drop(wait);
    }
}

/// A thread wakes until this is dropped.
struct Calling<'a>(&'a Waits, Here);

impl Calling<'_> {
    /// Whether a question has come since it was looked last.
    fn was_asked(&self) -> bool {
        self.0.state.lock().call_of(self.1).is_some_and(|call| std::mem::take(&mut call.is_asked))
    }
}

impl Drop for Calling<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        let innermost = state.callers.iter().rposition(|caller| caller.thread == self.1);
        state.callers.remove(innermost.expect("it calls"));
        if state.callers.is_empty() {
            self.0.returned.notify_all();
        }
    }
}

impl Waits {
    /// A wait begins.
    pub fn begin(&self, wait: Wait) -> Waiting<'_> {
        self.state.lock().list.push(wait);
        Waiting(self)
    }

    /// Whether this thread wakes them already: then it is to do nothing for what was known before.
    pub fn are_called(&self) -> bool {
        self.state.lock().call_of(Here::new()).is_some()
    }

    /// Has waits left for a question.
    pub fn leave(&self, panics: &mut FirstPanic) {
        let is_noted = self.state.lock().call_of(Here::new()).map(|call| call.is_asked = true).is_some();
        if !is_noted {
            self.wake(Wake::Answer, || true, panics);
        }
    }

    /// Ends all waits if `has_to_stop` says so, which is asked once, while no wait begins or is over; its answer.
    pub fn end(&self, has_to_stop: impl FnOnce() -> bool, panics: &mut FirstPanic) -> bool {
        self.wake(Wake::Stop, has_to_stop, panics)
    }

    fn wake(&self, mut why: Wake, holds: impl FnOnce() -> bool, panics: &mut FirstPanic) -> bool {
        let mut state = self.state.lock();
        if !holds() {
            return false;
        }
        if state.list.is_empty() {
            return true;
        }
        let mut list = state.list.clone();
        let thread = Here::new();
        state.callers.push(Caller { thread, is_asked: false });
        drop(state);
        let calling = Calling(self, thread);
        loop {
            list.into_iter().for_each(|wait| panics.call(|| wait.wake(why)));
            if !calling.was_asked() {
                return true;
            }
            why = Wake::Answer;
            list = self.state.lock().list.clone();
        }
    }
}
