//! Host functions that are futures, and why a guest was suspended.
//!
//! 1. The guest calls the host function. If the guest may be suspended, it is ([`Suspension::Host`]), and nothing else
//!    happens: the future of the call (`calling`) begins the host function, and polls what that has made.
//! 2. If the guest may not be suspended, the host function begins at once and is polled once. Not to be ready is an
//!    error.
//! 3. When the future is ready, its result goes where the trampoline finds it, and the guest goes on as it does when
//!    any host function is over.

use super::host::{BoxFuture, HostCode};
use super::host_call;
use super::running::{HostEnded, Outcome, Running};
use super::value::RawVal;
use crate::errors::{Error, Result};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

/// Why a guest was suspended.
pub(crate) enum Suspension {
    /// The guest lets others run.
    Yield,
    /// The guest waits for a host function.
    Host(HostWait),
}

/// A host function that has begun, with the types of the store and of its result erased.
pub(crate) struct HostFuture(Box<dyn Steps>);

/// Private, since it may be used as [`HostFuture`] says and not otherwise.
trait Steps: Send {
    /// Goes on. When it is ready, the borrow of the store is over (R14).
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Leaves the results.
    ///
    /// # Safety
    /// `store` points to a store of the type that the function was made for, which is the caller's to lend.
    unsafe fn finish(&mut self, store: *mut (), values: &mut [RawVal]) -> Result<()>;
}

/// What leaves a result of a type in a slice.
type Finish<S, R> = dyn Fn(R, &mut S, &mut [RawVal]) -> Result<()> + Send + Sync;

/// A future that has borrowed the store of the guest that called it, for as long as R14 says.
pub(super) struct Lent<S, R: 'static> {
    future: Option<BoxFuture<'static, R>>,
    result: Option<R>,
    finish: Arc<Finish<S, R>>,
}

impl<S, R: Send + 'static> Lent<S, R> {
    /// A future, and what is done with its result.
    pub fn new(future: BoxFuture<'static, R>, finish: Arc<Finish<S, R>>) -> Lent<S, R> {
        Lent { future: Some(future), result: None, finish }
    }
}

impl<S: 'static, R: Send + 'static> Steps for Lent<S, R> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let future = self.future.as_mut().expect("not polled after it was ready");
        let Poll::Ready(result) = future.as_mut().poll(cx) else { return Poll::Pending };
        self.result = Some(result);
        // It may have kept the store until now, and use it once more.
        drop(self.future.take());
        Poll::Ready(())
    }

    unsafe fn finish(&mut self, store: *mut (), values: &mut [RawVal]) -> Result<()> {
        let result = self.result.take().expect("finished once, when it was ready");
        // SAFETY: R2, R3 by the caller's promise.
        (self.finish)(result, unsafe { &mut *store.cast::<S>() }, values)
    }
}

impl HostFuture {
    /// The future of a call, and what is done with its result.
    pub(super) fn new<S: 'static, R: Send + 'static>(lent: Lent<S, R>) -> HostFuture {
        HostFuture(Box::new(lent))
    }
}

/// A call of a host function that is a future: it begins when it is polled first, so that nothing has the store lent
/// while the guest is suspended.
pub(crate) struct HostWait {
    call: AsyncCall,
    /// When the guest called, if a listener hears of it.
    start: Option<Instant>,
    future: Option<HostFuture>,
}

/// What is to be called, and where.
pub(super) struct AsyncCall {
    /// The function.
    pub func: HostCode,
    /// Where its scope of handles begins.
    pub scope: usize,
    /// Entries that it lies within.
    pub depth: usize,
    /// Where its values are on the guest's stack.
    pub values: usize,
}

/// How a host function ended that was polled: by its result, or a panic.
type Polled = std::thread::Result<()>;

impl AsyncCall {
    /// The values of the call.
    ///
    /// # Safety
    /// The trampoline that called it made room for them, and the guest has not gone on since (R4, R6). They are
    /// borrowed once at a time.
    unsafe fn values(&mut self) -> &mut [RawVal] {
        // SAFETY: R6 by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.values as *mut RawVal, self.func.slots()) }
    }

    /// The guest has called it: suspends the guest, or polls the function once if that cannot be.
    ///
    /// # Safety
    /// `store` is the pointer of R2, and the guest has just called the function of that store (R3).
    #[inline(never)]
    pub unsafe fn reached<S: Running>(self, store: *mut S) -> Outcome {
        // SAFETY: R2; the borrow ends before the function begins.
        let whole = unsafe { &mut *store };
        let start = whole.hears_host_calls().then(Instant::now);
        let execution = whole.execution_and_heap().0;
        let mut wait = HostWait { call: self, start, future: None };
        if execution.frames().can_suspend() {
            execution.suspend(Suspension::Host(wait));
            return Outcome::suspend();
        }
        // SAFETY: the store of the guest that waits.
        match unsafe { wait.poll(store, &mut Context::from_waker(Waker::noop())) } {
            // SAFETY: the same, which the future has given back.
            Poll::Ready(polled) => unsafe { wait.finish(store, polled) },
            Poll::Pending => {
                let error = not_ready(wait.call.func.name());
                // SAFETY: the same.
                unsafe { wait.stop(store, |_| error) }
            }
        }
    }
}

impl HostWait {
    /// Begins the function, or goes on with it. Ready when it is over, or has panicked.
    ///
    /// # Safety
    /// `store` is the store whose guest waits for the function. Nobody else uses it until the function is over, or this
    /// is dropped (R14).
    pub unsafe fn poll<S: Running>(&mut self, store: *mut S, cx: &mut Context<'_>) -> Poll<Polled> {
        let go_on = || {
            if self.future.is_none() {
                let code = self.call.func.clone();
                // SAFETY: the guest is suspended, or has just called.
                let values = unsafe { self.call.values() };
                // SAFETY: R2, R3, R14 by the caller's promise.
                self.future = Some(unsafe { code.begin(store.cast(), values) });
            }
            self.future.as_mut().map_or(Poll::Pending, |future| future.0.poll(cx))
        };
        match catch_unwind(AssertUnwindSafe(go_on)) {
            Ok(polled) => polled.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }

    /// Ends it: leaves its results for the guest.
    ///
    /// # Safety
    /// `store` is the store that it was polled with. It was polled and is over, and the guest has not gone on since.
    pub unsafe fn finish<S: Running>(mut self, store: *mut S, polled: Polled) -> Outcome {
        let finished = polled.and_then(|()| {
            catch_unwind(AssertUnwindSafe(|| {
                let future = self.future.as_mut().expect("it was polled");
                // SAFETY: the guest waits for them.
                let values = unsafe { self.call.values() };
                // SAFETY: R3, R14: the future is no more, and nobody else has the store.
                unsafe { future.0.finish(store.cast(), values) }
            }))
        });
        // SAFETY: the same store.
        unsafe { self.end(store, |_| finished) }
    }

    /// Ends it where it is, with an error for the guest.
    ///
    /// # Safety
    /// As of [`HostWait::finish`], but that it need not be over.
    pub unsafe fn stop<S: Running>(self, store: *mut S, error: impl FnOnce(&mut S) -> Error) -> Outcome {
        // SAFETY: by the caller's promise.
        unsafe { self.end(store, |store| Ok(Err(error(store)))) }
    }

    /// Drops the future, then tells the guest.
    ///
    /// # Safety
    /// As of [`HostWait::stop`].
    unsafe fn end<S: Running>(self, store: *mut S, ended: impl FnOnce(&mut S) -> HostEnded) -> Outcome {
        let HostWait { call, start, future } = self;
        let dropped = end(future);
        // SAFETY: R2, R14: all that borrowed the store is dropped.
        let store = unsafe { &mut *store };
        let ended = ended(store);
        if let Some(start) = start {
            store.tell_host_call(&call.func, start);
        }
        host_call::leave(store, call.scope, call.depth, dropped.and(ended))
    }

    /// Drops it: the guest will not go on. A panic on the way.
    pub fn give_up(self) -> std::thread::Result<()> {
        end(self.future)
    }
}

/// Drops it, which may panic.
fn end(future: Option<HostFuture>) -> std::thread::Result<()> {
    catch_unwind(AssertUnwindSafe(|| drop(future)))
}

/// A guest that cannot be suspended called a host function that has to wait.
fn not_ready(name: Option<&str>) -> Error {
    let name = name.map_or_else(String::new, |name| format!(" `{name}`"));
    Error::usage(format!(
        "the async host function{name} is not ready at once, and a guest that waits for it must have been called by \
         `call_async`, or made by `instantiate_async`; so must all guests that it called through host functions"
    ))
}
