//! The buffer of references that the mutator has shaded and the marker has not taken over yet.
//!
//! An entry is a reference, or one with [`SHADED_MARKED`] set: its object was marked already. That is done unless the
//! buffer is short: what is marked need not be there, so whoever shades faster than slices take over does not keep the
//! marking from its end.

use super::marker::SHADED_MARKED;
use crate::raw::cage::Cage;
use crate::raw::memory::Memory;
use crate::raw::side::SideVec;
use crate::spaces::marks::{is_marked, mark_byte};
use heapwood_gc_abi::RawRef;

/// Most entries.
const SHADED_MAX: usize = 16 << 20;
/// The most entries whose objects are not marked by the mutator: less than a slice takes over where no helper marks.
const SHADED_UNMARKED_MAX: usize = 4 << 10;
/// Room for entries from the start, and in each slice for those of roots.
const SHADED_MIN: usize = 8 << 10;

/// The buffer.
#[derive(Debug)]
pub struct Shaded {
    entries: SideVec<u32>,
}

impl Shaded {
    /// An empty buffer. Costs address space only.
    pub fn new(cage: &mut Cage) -> Shaded {
        Shaded { entries: SideVec::new(cage, SHADED_MAX) }
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries, for whoever takes them over.
    pub fn entries_mut(&mut self) -> &mut SideVec<u32> {
        &mut self.entries
    }

    /// Adds an old object, unless it need not be there. Returns the entry that it should have if there is no room for
    /// it.
    #[inline]
    #[must_use]
    pub fn add(&mut self, memory: Memory, epoch: u8, reference: RawRef) -> Option<u32> {
        if self.entries.len() < SHADED_UNMARKED_MAX {
            return if self.entries.push(reference) { None } else { Some(reference) };
        }
        if is_marked(memory, epoch, reference) {
            return None;
        }
        self.add_marked(memory, epoch, reference)
    }

    /// Marks an old object and adds it. Returns the entry that it should have if there is no room for it.
    #[inline]
    #[must_use]
    pub fn add_marked(&mut self, memory: Memory, epoch: u8, reference: RawRef) -> Option<u32> {
        memory.set_mark(reference, mark_byte(epoch, reference));
        let entry = reference | SHADED_MARKED;
        if self.entries.push(entry) { None } else { Some(entry) }
    }

    /// Makes room and adds `entry`; false if the system refuses, or there are too many.
    pub fn grow_for(&mut self, cage: &mut Cage, entry: u32) -> bool {
        let capacity = (self.entries.capacity() * 2).clamp(SHADED_MIN, SHADED_MAX);
        self.entries.grow(cage, capacity).is_ok() && self.entries.push(entry)
    }

    /// Makes room for what a slice finds in roots. If the system refuses that, it is no error.
    pub fn make_room_for_roots(&mut self, cage: &mut Cage) {
        let _ = self.entries.grow(cage, self.entries.len() + SHADED_MIN);
    }
}
