//! Locks: those of the standard library, or of a model checker that tries all orders of events.

#[cfg(feature = "shuttle")]
pub use shuttle::sync::{Condvar, Mutex, MutexGuard};
#[cfg(not(feature = "shuttle"))]
pub use std::sync::{Condvar, Mutex, MutexGuard};

pub use std::sync::TryLockError;
