//! How a marking treats ephemerons: one whose key is not marked waits on it; marking the key shades the value. Each
//! ephemeron is looked at twice at most, however their chains lie, and none is looked at again to find an end.
//!
//! 1. A key that is waited on carries WAITING in its mark byte. Who marks it for the marker sees the bit and *wakes*
//!    the list: the first ephemeron becomes grey again, and each pushes the next when it is scanned, so that a long
//!    list is work like any other. What the mutator marks (`SHADED_MARKED`), which may lose the bit, is looked up when
//!    the marker takes it over.
//! 2. The marker sets the bit by compare and exchange, so that it never undoes a mark that the mutator sets.
//! 3. An object may be scanned twice (both sides found it unmarked); the link word says whether an ephemeron waits
//!    already: 0 if it does not, else 1 + the next one.
//! 4. Whoever still waits when nothing is grey has a dead key: it reads as cleared, and the sweep clears it.

use super::Marker;
use crate::raw::object::{ObjectReference, is_old};
use crate::spaces::marks::{EPOCH_MASK, WAITING, is_marked};
use heapwood_gc_abi::layout::{EPHEMERON_KEY_OFFSET, EPHEMERON_LINK_OFFSET, EPHEMERON_VALUE_OFFSET};
use heapwood_gc_abi::{Mutant, RawRef, active};

/// In the high half of a grey entry: an ephemeron that was scanned before.
const WOKEN: u64 = 1 << 32;
/// Set in the link word of an ephemeron that waits.
const LINKED: u32 = 1;

impl Marker {
    /// Scans an ephemeron; its fields are counted already.
    pub(super) fn scan_ephemeron(&mut self, ephemeron: ObjectReference) {
        let memory = self.memory;
        let key = memory.word_acquire(ephemeron.0 + EPHEMERON_KEY_OFFSET / 4);
        let value = memory.word_acquire(ephemeron.0 + EPHEMERON_VALUE_OFFSET / 4);
        let link_word = ephemeron.0 + EPHEMERON_LINK_OFFSET / 4;
        let link = memory.word(link_word);
        if !is_old(key) || is_marked(memory, self.epoch, key) || active(Mutant::EphemeronValueStrong) {
            self.shade(value);
            memory.set_word(link_word, 0);
            if link & !LINKED != 0 {
                self.grey.push(memory, (link & !LINKED) as u64 | WOKEN);
            }
        } else if link == 0 {
            self.wait(ephemeron, key, value);
        }
    }

    fn wait(&mut self, ephemeron: ObjectReference, key: RawRef, value: RawRef) {
        let memory = self.memory;
        loop {
            let mark = memory.mark(key);
            if mark & EPOCH_MASK == self.epoch {
                return self.shade(value);
            }
            if mark & WAITING != 0 || memory.replace_mark(key, mark, mark | WAITING) {
                break;
            }
        }
        match self.waiting.put_first(key, ephemeron.0) {
            Some(first) => memory.set_word(ephemeron.0 + EPHEMERON_LINK_OFFSET / 4, first | LINKED),
            None => {
                self.work.held_ephemerons += 1;
                self.shade(key);
                self.shade(value);
            }
        }
    }

    /// A key was marked: the ephemerons that wait on it, if any do, become grey.
    #[cold]
    #[inline(never)]
    pub(super) fn wake(&mut self, key: RawRef) {
        let first = self.waiting.take(key);
        if first != 0 && !active(Mutant::EphemeronNotWoken) {
            // The list may push more than the field through which the key was found, so it counts as one more.
            self.work.fields += 1;
            self.grey.push(self.memory, first as u64 | WOKEN);
        }
    }
}
