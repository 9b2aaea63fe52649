//! Ways to break the heap on purpose (feature `test-hooks`), so that tests see the verifier report it.

use crate::heap::Heap;

/// What is broken next.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hooks {
    /// The next barrier forgets its entry of the log.
    pub skip_next_log: bool,
}

impl Heap {
    /// The breaking points.
    pub fn hooks(&mut self) -> &mut Hooks {
        &mut self.hooks
    }

    pub(crate) fn skips_log(&mut self) -> bool {
        std::mem::take(&mut self.hooks.skip_next_log)
    }
}
