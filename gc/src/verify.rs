//! The verifier. See below.

use crate::heap::Heap;
use crate::roots::RootProvider;

/// When the verifier runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum When {
    /// Before a collection that relies on the log.
    BeforeMinor,
    /// Before a collection that repairs a lost log.
    BeforeLost,
    /// After any collection.
    After,
}

impl Heap {
    pub(crate) fn verify(&mut self, _when: When, _roots: &mut dyn RootProvider) {}
}
