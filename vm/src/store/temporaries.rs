//! References that the runtime holds for a moment.

use crate::rt::state::Height;
use heapwood_gc_abi::RawRef;

/// A stack of references, where the collector finds and updates them.
#[derive(Debug, Default)]
pub(crate) struct Temporaries(Vec<RawRef>);

impl Temporaries {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Holds one more.
    pub fn push(&mut self, reference: RawRef) {
        self.0.push(reference);
    }

    /// Holds some more; how many there were.
    pub fn extend(&mut self, references: impl IntoIterator<Item = RawRef>) -> usize {
        let before = self.0.len();
        self.0.extend(references);
        before
    }

    /// Lets go of the last one.
    pub fn pop(&mut self) -> Option<RawRef> {
        self.0.pop()
    }

    /// Lets go of all but the first `len`.
    pub fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    /// All temporaries.
    pub fn as_slice(&self) -> &[RawRef] {
        &self.0
    }

    /// All temporaries, for updating them when objects move.
    pub fn as_mut_slice(&mut self) -> &mut [RawRef] {
        &mut self.0
    }
}

impl Height for Temporaries {
    fn height(&self) -> usize {
        self.len()
    }
}
