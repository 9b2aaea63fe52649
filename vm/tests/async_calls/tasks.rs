//! A runtime that does what a test wants: futures that are pending so many times, and polls one by one.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

/// Pending so many times.
pub struct Pending(pub u32);

impl Future for Pending {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0 == 0 {
            return Poll::Ready(());
        }
        self.0 -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Polls once.
pub fn poll_once<R>(future: Pin<&mut (impl Future<Output = R> + ?Sized)>) -> Poll<R> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Polls until it is ready; how often it was pending.
pub fn run<R>(future: impl Future<Output = R>) -> (R, u32) {
    let mut future = pin!(future);
    let mut pending = 0;
    loop {
        match poll_once(future.as_mut()) {
            Poll::Ready(result) => return (result, pending),
            Poll::Pending => pending += 1,
        }
    }
}

/// Polls so often at most; the result, if it was ready by then. The future is dropped in any case.
pub fn run_until<R>(future: impl Future<Output = R>, polls: u32) -> Option<R> {
    let mut future = pin!(future);
    (0..polls).find_map(|_| match poll_once(future.as_mut()) {
        Poll::Ready(result) => Some(result),
        Poll::Pending => None,
    })
}
