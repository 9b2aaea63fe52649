//! One that waits at an address of a shared memory.

use parking_lot::{Condvar, Mutex};
use std::time::{Duration, Instant};

/// How a wait ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Waited {
    /// Another thread notified the address.
    Woken,
    /// It did not wait: the value was another one.
    Mismatch,
    /// The time-out was over.
    TimedOut,
    /// The store was interrupted.
    Interrupted,
}

/// The end of a wait. A time that no clock can name never comes.
pub(crate) fn deadline(timeout: Option<Duration>) -> Option<Instant> {
    Instant::now().checked_add(timeout?)
}

/// A thread that waits at an address.
#[derive(Debug, Default)]
pub(crate) struct Waiter {
    woken: Mutex<bool>,
    changed: Condvar,
}

impl Waiter {
    /// Wakes it.
    pub(super) fn wake(&self) {
        *self.woken.lock() = true;
        self.changed.notify_one();
    }

    /// Makes it look whether it was interrupted.
    pub fn nudge(&self) {
        // Under the lock: it either has not looked yet, or sleeps already.
        let _woken = self.woken.lock();
        self.changed.notify_one();
    }

    /// Sleeps until it is woken, the time is over or it was `interrupted`.
    pub(super) fn sleep(&self, deadline: Option<Instant>, interrupted: impl Fn() -> bool) -> Waited {
        let mut woken = self.woken.lock();
        loop {
            if *woken {
                return Waited::Woken;
            }
            if interrupted() {
                return Waited::Interrupted;
            }
            match deadline {
                None => self.changed.wait(&mut woken),
                Some(deadline) if self.changed.wait_until(&mut woken, deadline).timed_out() => {
                    return if *woken { Waited::Woken } else { Waited::TimedOut };
                }
                Some(_) => {}
            }
        }
    }
}
