//! Questions to a store whose guest runs, from other threads.
//!
//! 1. Whoever asks leaves a closure in a queue, and raises the guard word (`rt::interrupt`): so the guest comes to its
//!    next poll, or leaves a wait that can begin again. Nobody is asked, and nothing is compared, as long as there is
//!    no question.
//! 2. The store's thread takes all that wait and runs them one after the other, at a safe point.
//! 3. The queue is bounded, and closes with the store: what waits then is dropped, so that whoever waits for an answer
//!    through a channel hears that there will be none.

use super::{Store, StoreOpaque};
use crate::errors::WasmBacktrace;
use crate::rt::interrupt::InterruptCell;
use crate::rt::panics::FirstPanic;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

/// Requests that may wait at a time.
const REQUESTS_MAX: usize = 64;

type Request = Box<dyn FnOnce(&mut Inspection<'_>) + Send>;

/// Asks a store about its guest while that runs, from any thread: a request is a closure that the store's thread runs
/// at the guest's next function entry or loop iteration, or while the guest waits in a host function that can be
/// inspected ([`Caller::inspectable`](crate::Caller::inspectable), which the functions of WASI use), or in
/// [`Store::answer_requests`]. Made by [`Store::inspector`]. Outlives the store harmlessly. Guests pay nothing for it
/// as long as nobody asks.
///
/// ```
/// # use heapwood_vm::{Engine, Instance, Module, Store, TrapKind};
/// # use std::sync::mpsc;
/// # fn main() -> heapwood_vm::Result<()> {
/// # let engine = Engine::default();
/// # let wasm = wat::parse_str(r#"(module (func $spin (export "spin") (loop $again (br $again))))"#).unwrap();
/// # let module = Module::new(&engine, &wasm)?;
/// let mut store = Store::new(&engine, ());
/// let instance = Instance::new(&mut store, &module, &[])?;
/// let spin = instance.get_typed_func::<(), ()>(&mut store, "spin")?;
/// let (inspector, interrupt) = (store.inspector(), store.interrupt_handle());
/// let thread = std::thread::spawn(move || {
///     let (told, answer) = mpsc::channel();
///     inspector.ask(move |guest| told.send(guest.backtrace(100)).unwrap()).unwrap();
///     let backtrace = answer.recv().unwrap();
///     interrupt.interrupt();
///     backtrace.frames()[0].func_name().map(str::to_owned)
/// });
/// assert_eq!(spin.call(&mut store, ()).unwrap_err().trap().unwrap().kind(), TrapKind::Interrupted);
/// assert_eq!(thread.join().unwrap().as_deref(), Some("spin"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Inspector {
    requests: Arc<Requests>,
    cell: Arc<InterruptCell>,
}

#[derive(Default)]
struct Requests(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Request>,
    is_closed: bool,
}

/// Why a request was not accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum InspectorError {
    /// 64 requests wait already.
    Full,
    /// The store is gone, or was reset.
    Closed,
}

impl fmt::Display for InspectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            InspectorError::Full => "64 requests wait for an answer already",
            InspectorError::Closed => "the store is gone, or was reset",
        })
    }
}

impl std::error::Error for InspectorError {}

impl Inspector {
    /// Leaves a request. It is run once, on the thread that uses the store then, or dropped if the store goes before.
    /// The guest stands still meanwhile. If it panics, the requests behind it are run all the same, and then the first
    /// panic goes on in the call of the guest.
    ///
    /// If the guest waits in a host function, this calls what wakes it ([`Caller::inspectable`]); a panic of that goes
    /// on here, and the request was accepted.
    ///
    /// [`Caller::inspectable`]: crate::Caller::inspectable
    ///
    /// # Errors
    /// Too many requests wait, or the store is gone; the request is dropped then.
    pub fn ask(&self, request: impl FnOnce(&mut Inspection<'_>) + Send + 'static) -> Result<(), InspectorError> {
        let mut queue = self.requests.0.lock();
        if queue.is_closed {
            return Err(InspectorError::Closed);
        }
        if queue.waiting.len() >= REQUESTS_MAX {
            return Err(InspectorError::Full);
        }
        queue.waiting.push_back(Box::new(request));
        drop(queue);
        self.cell.ask();
        Ok(())
    }
}

impl fmt::Debug for Inspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inspector").finish_non_exhaustive()
    }
}

/// A store's own end of its queue, which closes with it.
pub(super) struct OpenRequests(Arc<Requests>);

impl Drop for OpenRequests {
    fn drop(&mut self) {
        let left = std::mem::replace(&mut *self.0.0.lock(), Queue { is_closed: true, ..Queue::default() });
        // What a request holds is the host's, and may ask again.
        drop(left);
    }
}

/// What a request sees: a store, between two instructions of its guest or while that waits.
pub struct Inspection<'a>(&'a mut StoreOpaque);

impl Inspection<'_> {
    /// The store, for changing it.
    pub(crate) fn opaque_mut(&mut self) -> &mut StoreOpaque {
        self.0
    }

    /// The store.
    pub(crate) fn opaque(&self) -> &StoreOpaque {
        self.0
    }

    /// Where the guest is, innermost frame first: at most so many frames, and nothing of those below them. None if no
    /// guest runs. Takes time for these frames only, however deep the stack is. Does not collect.
    pub fn backtrace(&self, frames_max: usize) -> WasmBacktrace {
        self.0.top_of_backtrace(frames_max)
    }
}

impl fmt::Debug for Inspection<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inspection").finish_non_exhaustive()
    }
}

impl StoreOpaque {
    fn inspector(&mut self) -> Inspector {
        let cell = self.guest().execution().interrupt().clone();
        let requests = self.requests_mut().get_or_insert_with(|| OpenRequests(Arc::default())).0.clone();
        Inspector { requests, cell }
    }

    /// Answers the requests that wait, if there are any: at a safe point. May collect.
    #[inline]
    pub fn answer(&mut self) {
        if self.guest().execution().interrupt().is_asked() {
            self.answer_now();
        }
    }

    #[cold]
    fn answer_now(&mut self) {
        // The flag first: whoever asks from now on sets it again.
        self.guest().execution().interrupt().answer();
        let Some(OpenRequests(requests)) = self.requests_mut() else { return };
        let waiting = std::mem::take(&mut requests.0.lock().waiting);
        let mut panics = FirstPanic::default();
        for request in waiting {
            panics.call(|| request(&mut Inspection(self)));
        }
        panics.resume();
    }
}

impl<T: 'static> Store<T> {
    /// What asks this store about its guest while that runs. It closes when the store goes or is reset.
    pub fn inspector(&mut self) -> Inspector {
        self.opaque_mut().inspector()
    }

    /// Answers the requests of [`Inspector`]s that wait now: for hosts that keep a store while no guest runs in it. May
    /// collect, if a request does.
    ///
    /// ```
    /// # use heapwood_vm::{Engine, Store};
    /// # use std::sync::mpsc;
    /// # fn main() -> heapwood_vm::Result<()> {
    /// let mut store = Store::new(&Engine::default(), ());
    /// let (told, answer) = mpsc::channel();
    /// store.inspector().ask(move |idle| told.send(idle.gc_stats().minors).unwrap()).unwrap();
    /// assert!(answer.try_recv().is_err());
    /// store.answer_requests();
    /// assert_eq!(answer.recv().unwrap(), 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn answer_requests(&mut self) {
        self.opaque_mut().answer();
    }
}
