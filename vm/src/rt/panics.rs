//! Calling several things of the host's, of which each is called whatever the others do.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// The first panic of several calls, to go on when all have been made.
#[derive(Default)]
pub(crate) struct FirstPanic(Option<Box<dyn Any + Send>>);

impl FirstPanic {
    /// Calls it.
    pub fn call(&mut self, call: impl FnOnce()) {
        let Err(panic) = catch_unwind(AssertUnwindSafe(call)) else { return };
        match self.0 {
            None => self.0 = Some(panic),
            // What a panic holds is the host's, and may panic when it is dropped.
            Some(_) => std::mem::forget(catch_unwind(AssertUnwindSafe(|| drop(panic)))),
        }
    }

    /// Goes on with the first panic, if there was one.
    pub fn resume(self) {
        if let Some(panic) = self.0 {
            resume_unwind(panic);
        }
    }
}
