//! What the verifier checks of the remembered set.

use super::{Origin, Verifier};
use crate::minor::log::LogEntry;
use crate::minor::remembered::{CHUNK_REFS, is_chunk_logged};
use crate::raw::object::{ObjectReference, is_old};
use heapwood_gc_abi::header::UNLOGGED;

impl Verifier<'_> {
    /// Step 2.
    pub(super) fn check_log(&mut self) {
        if self.log_lost {
            return;
        }
        for index in 0..self.parts.remembered.log().len() {
            let entry = self.parts.remembered.log().entry(index);
            if !self.logged.insert(entry) {
                self.fail(Origin::Log, format_args!("{entry:x?} is logged twice"));
            }
            if !is_old(entry.host) {
                self.fail(Origin::Log, format_args!("{:#x} is logged but not old", entry.host));
            }
            self.check_reference(entry.host, Origin::Log);
            let host = ObjectReference(entry.host);
            let marked = match entry.chunk {
                Some(chunk) => is_chunk_logged(self.memory, host.0, chunk),
                None => self.memory.header(host) & UNLOGGED == 0,
            };
            if !marked {
                self.fail(Origin::Log, format_args!("{entry:x?} is logged but its state says otherwise"));
            }
        }
    }

    /// A chunk that says it is logged is in the log, or its next store would be missed.
    pub(super) fn check_chunk_states(&self, array: ObjectReference) {
        for chunk in 0..self.memory.array_length(array).div_ceil(CHUNK_REFS) {
            let entry = LogEntry { host: array.0, chunk: Some(chunk) };
            if !self.log_lost && is_chunk_logged(self.memory, array.0, chunk) && !self.logged.contains(&entry) {
                self.fail(Origin::Log, format_args!("{entry:x?} says that it is logged but the log lacks it"));
            }
        }
    }
}
