//! The log, which makes up the remembered set: the objects and array chunks that were written since the last
//! collection.
//!
//! 1. An entry is a whole object, or 128 bytes of elements of a large reference array.
//! 2. The log asks for a minor when 4,096 entries or 131,072 reference fields are in it; roots outside of frames that
//!    were written count as fields. What mutators add before they reach a poll still fits: its memory grows, and if the
//!    system refuses that, the log is *lost* and the next collection traces the whole heap instead.

use crate::raw::backing::BackingError;
use crate::raw::cage::Cage;
use crate::raw::side::SideVec;
use heapwood_gc_abi::{Mutant, active};

/// Entries at which a minor is asked for.
pub const LOG_ENTRIES_MAX: usize = 4096;
/// Reference fields of all entries at which a minor is asked for.
pub const LOG_FIELDS_MAX: u64 = 131_072;
/// How many fields a chunk of 32 references counts as, since it costs more misses of the cache than an object.
pub const CHUNK_WEIGHT: u64 = 128;
/// Entries that address space is taken for.
const LOG_CAPACITY: usize = 8 << 20;

/// An entry: the host, and for arrays that log chunks the chunk.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct LogEntry {
    /// The object.
    pub host: u32,
    /// Index of the chunk, or `None` for the whole object.
    pub chunk: Option<u32>,
}

/// The entries since the last collection.
#[derive(Debug)]
pub struct Log {
    entries: SideVec<u64>,
    fields: u64,
    /// Written roots that the next minor looks at.
    root_slots: u64,
    lost: bool,
}

impl Log {
    /// An empty log. Costs address space only.
    pub fn new(cage: &mut Cage) -> Log {
        Log { entries: SideVec::new(cage, LOG_CAPACITY), fields: 0, root_slots: 0, lost: false }
    }

    /// Number of entries.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether the log is full: a minor has to come soon.
    #[inline(always)]
    pub fn is_full(&self) -> bool {
        self.entries.len() >= LOG_ENTRIES_MAX || self.fields + self.root_slots >= LOG_FIELDS_MAX || self.lost
    }

    /// Whether an entry could not be kept: the log does not know all old objects with young fields.
    pub fn is_lost(&self) -> bool {
        self.lost && !active(Mutant::LostLogTrusted)
    }

    /// Counts roots that were written.
    pub fn add_roots(&mut self, slots: u64) {
        self.root_slots += slots;
    }

    /// Reference fields of all entries.
    pub fn fields(&self) -> u64 {
        self.fields
    }

    /// Adds an entry of `fields` reference fields.
    #[inline(always)]
    pub fn push(&mut self, cage: Option<&mut Cage>, entry: LogEntry, fields: u64) {
        let word = entry.host as u64 | (entry.chunk.map_or(0, |chunk| chunk as u64 + 1) << 32);
        self.fields += fields;
        if !self.entries.push(word) {
            self.push_slow(cage, word);
        }
    }

    #[cold]
    fn push_slow(&mut self, cage: Option<&mut Cage>, word: u64) {
        let capacity = self.entries.capacity();
        let wanted = (capacity * 2).max(LOG_ENTRIES_MAX);
        let grown = cage.is_some_and(|cage| self.entries.grow(cage, wanted).is_ok());
        if !grown || !self.entries.push(word) {
            self.lost = true;
        }
    }

    /// Makes room for `entries` more, so that the collector can log without asking the system.
    pub fn make_room(&mut self, cage: &mut Cage, entries: usize) -> Result<(), BackingError> {
        self.entries.grow_populated(cage, LOG_ENTRIES_MAX + entries)
    }

    /// The entry at `index`.
    #[inline(always)]
    pub fn entry(&self, index: usize) -> LogEntry {
        let word = self.entries.as_slice()[index];
        LogEntry { host: word as u32, chunk: ((word >> 32) as u32).checked_sub(1) }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.entries.truncate(0);
        (self.fields, self.root_slots, self.lost) = (0, 0, false);
    }

    /// Makes the log a lost one: something that the next collection needs was not kept.
    pub fn lose(&mut self) {
        self.lost = true;
    }
}
