//! Stopping a guest from another thread.

use crate::rt::interrupt::InterruptCell;
use std::sync::Arc;

/// Makes the guest of one store stop with [`TrapKind::Interrupted`](crate::TrapKind::Interrupted) at its next
/// function entry or loop iteration. Outlives the store harmlessly.
#[derive(Clone)]
pub struct InterruptHandle(Arc<InterruptCell>);

impl InterruptHandle {
    pub(crate) fn new(cell: Arc<InterruptCell>) -> InterruptHandle {
        InterruptHandle(cell)
    }

    /// Asks the guest to stop. If none runs, the next one to run stops at once. One request stops one call.
    pub fn interrupt(&self) {
        self.0.request();
    }

    /// Withdraws a request that was not yet seen.
    pub fn clear(&self) {
        self.0.clear();
    }
}

impl std::fmt::Debug for InterruptHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InterruptHandle").finish_non_exhaustive()
    }
}
