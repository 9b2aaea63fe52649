//! How far compilation has come.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How far an engine has come with the modules that it has compiled or is compiling
/// ([`Engine::compile_progress`](crate::Engine::compile_progress)). A program that shows it to somebody who waits takes
/// the difference to what it was before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct CompileProgress {
    /// Bytes of the bodies of functions that are done: compiled, found to be inlined wherever they are called, or given
    /// up with a module that is not valid.
    pub done_bytes: u64,
    /// Bytes of the bodies of all functions of these modules.
    pub total_bytes: u64,
}

/// Counts it.
#[derive(Default)]
pub(crate) struct Compiling {
    done_bytes: AtomicU64,
    total_bytes: AtomicU64,
}

/// A module that is being compiled. What is left of it counts as done once this is dropped.
pub(crate) struct Compilation<'e> {
    of: &'e Compiling,
    left_bytes: AtomicU64,
}

impl Compiling {
    pub fn progress(&self) -> CompileProgress {
        // In this order: there is never more done than there is.
        let done_bytes = self.done_bytes.load(Relaxed);
        CompileProgress { done_bytes, total_bytes: self.total_bytes.load(Relaxed).max(done_bytes) }
    }

    /// A module with so many bytes of functions is compiled from now on.
    pub fn begin(&self, bytes: u64) -> Compilation<'_> {
        self.total_bytes.fetch_add(bytes, Relaxed);
        Compilation { of: self, left_bytes: AtomicU64::new(bytes) }
    }
}

impl Compilation<'_> {
    /// A function with so many bytes is done.
    pub fn has_done(&self, bytes: u64) {
        self.left_bytes.fetch_sub(bytes, Relaxed);
        self.of.done_bytes.fetch_add(bytes, Relaxed);
    }
}

impl Drop for Compilation<'_> {
    fn drop(&mut self) {
        self.of.done_bytes.fetch_add(*self.left_bytes.get_mut(), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_that_are_given_up_are_done() {
        let compiling = Compiling::default();
        let one = compiling.begin(10);
        let other = compiling.begin(5);
        one.has_done(3);
        other.has_done(5);
        assert_eq!(compiling.progress(), CompileProgress { done_bytes: 8, total_bytes: 15 });
        drop((one, other));
        assert_eq!(compiling.progress(), CompileProgress { done_bytes: 15, total_bytes: 15 });
    }
}
