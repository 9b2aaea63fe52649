//! Locks, channels and threads: those of the standard library, or of a model checker that tries all orders of events.

#[cfg(feature = "shuttle")]
pub use shuttle::{
    sync::mpsc::{Receiver, Sender, channel},
    sync::{Condvar, Mutex, MutexGuard},
    thread::Builder,
};
#[cfg(not(feature = "shuttle"))]
pub use std::{
    sync::mpsc::{Receiver, Sender, channel},
    sync::{Condvar, Mutex, MutexGuard},
    thread::Builder,
};

pub use std::sync::TryLockError;
