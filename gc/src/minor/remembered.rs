//! The remembered set: old objects and chunks of arrays that may hold young references, and whether it is time to
//! collect.
//!
//! 1. The unlogged bit of an object's header says that the object is not in the log; for a chunk, a state byte beside
//!    the heap says that it is. Whoever clears the bit, or sets the state, adds the entry.
//! 2. Compiled code, and the host's barrier beside it, enter what they can in a buffer below the heap base
//!    (`hot::LOG_BUFFER`), without a call. Whoever reads the log takes the buffer over first
//!    ([`RememberedSet::take_over`]).
//! 3. The mutator's barrier adds entries with a cage at hand, by which the log can grow. Entries that a minor adds have
//!    to find room, or the log is lost.

use super::log::{CHUNK_WEIGHT, Log, LogEntry};
use crate::raw::backing::BackingError;
use crate::raw::cage::Cage;
use crate::raw::memory::Memory;
use crate::raw::object::{ObjectReference, ref_count};
use crate::spaces::blocks::block_start;
use heapwood_gc_abi::header::UNLOGGED;
use heapwood_gc_abi::hot::{LOG_BUFFER, LOG_LENGTH, LOG_ROOM};
use heapwood_gc_abi::space::{CHUNK_BYTES, chunk_state_bit, chunk_state_index};
use heapwood_gc_abi::{Mutant, RawRef, TypeId, active};

/// References of one array chunk.
pub const CHUNK_REFS: u32 = CHUNK_BYTES / 4;

/// The log, and whether it asks for a collection.
#[derive(Debug)]
pub struct RememberedSet {
    log: Log,
    /// Whether the log was found to be full.
    wants_collection: bool,
}

impl RememberedSet {
    /// An empty log. Costs address space only.
    pub fn new(cage: &mut Cage) -> RememberedSet {
        RememberedSet { log: Log::new(cage), wants_collection: false }
    }

    /// Whether a collection should come at the next poll.
    #[inline]
    pub fn wants_collection(&self) -> bool {
        self.wants_collection
    }

    /// The log.
    #[inline(always)]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Makes room for `entries` more, so that the collector can log without asking the system.
    pub fn make_room(&mut self, cage: &mut Cage, entries: usize) -> Result<(), BackingError> {
        self.log.make_room(cage, entries)
    }

    /// Adds the entries of the buffer (`hot::LOG_BUFFER`), which is empty then.
    pub fn take_over(&mut self, cage: &mut Cage, memory: Memory) {
        let length = memory.hot(LOG_LENGTH);
        for index in active(Mutant::BufferedHostForgotten) as u32..length {
            let at = LOG_BUFFER + 8 * index as i32;
            let host = memory.hot(at);
            match memory.hot(at + 4).checked_sub(1) {
                Some(chunk) => self.add_chunk(Some(cage), host, chunk),
                None => {
                    let object = ObjectReference(host);
                    self.add_object(Some(cage), memory, object, memory.header(object));
                }
            }
        }
        memory.set_hot(LOG_LENGTH, 0);
    }

    /// Adds an object as a whole; `header` is the one that it had.
    #[inline(always)]
    pub fn add_object(&mut self, cage: Option<&mut Cage>, memory: Memory, object: ObjectReference, header: u32) {
        let fields = ref_count(memory, object, memory.descriptor(TypeId::of_header(header))) as u64;
        self.log.push(cage, LogEntry { host: object.0, chunk: None }, fields);
    }

    /// Adds a chunk of an array.
    #[inline(always)]
    pub fn add_chunk(&mut self, cage: Option<&mut Cage>, array: RawRef, chunk: u32) {
        self.log.push(cage, LogEntry { host: array, chunk: Some(chunk) }, CHUNK_WEIGHT);
    }

    /// Counts roots that were written as fields of the log.
    pub fn add_roots(&mut self, slots: u64) {
        self.log.add_roots(slots);
    }

    /// After something was added: whether the log is full now and nobody has been told.
    #[inline]
    pub fn has_filled_up(&mut self) -> bool {
        let news = self.log.is_full() && !self.wants_collection && !active(Mutant::FullLogNotTold);
        if news {
            self.wants_collection = true;
        }
        news
    }

    /// The entries were dealt with: forgets them.
    pub fn clear(&mut self) {
        self.log.clear();
    }

    /// The log was lost, and all references were found without it: forgets it, and the states of chunks of blocks below
    /// `blocks_high` that no entry may name.
    pub fn forget_all(&mut self, memory: Memory, blocks_high: u32) {
        self.clear();
        let first = chunk_state_index(block_start(0), 0);
        let end = chunk_state_index(block_start(blocks_high) - 2, 0);
        for index in first..end {
            memory.set_chunk_state(index, 0);
        }
    }

    /// Forgets all entries and what says that hosts are in the log, but for the bits in headers, which go with their
    /// objects.
    pub fn forget_entries(&mut self, memory: Memory) {
        for index in 0..self.log.len() {
            let LogEntry { host, chunk } = self.log.entry(index);
            if let Some(chunk) = chunk {
                unmark_chunk(memory, host, chunk);
            }
        }
        self.clear();
    }

    /// The nursery was emptied: no collection is asked for.
    pub fn collected(&mut self) {
        self.wants_collection = false;
    }

    /// Asks for a collection if the log is full.
    pub fn ask_if_full(&mut self) {
        self.wants_collection = self.log.is_full();
    }

    /// Makes the log a lost one: something that the next collection needs was not kept.
    pub fn lose(&mut self) {
        self.log.lose();
    }
}

/// Enters an object as a whole in the buffer and marks it, as compiled code does. False if there is no room.
pub fn enter_object(memory: Memory, object: ObjectReference) -> bool {
    let length = memory.hot(LOG_LENGTH);
    let has_room = length < memory.hot(LOG_ROOM);
    if has_room {
        let at = LOG_BUFFER + 8 * length as i32;
        memory.set_hot(at, object.0);
        memory.set_hot(at + 4, 0);
        memory.set_hot(LOG_LENGTH, length + 1);
        memory.set_header(object, memory.header(object) & !UNLOGGED);
    }
    has_room
}

/// Marks a whole object as being in the log. Returns its header if it was not in the log before.
#[inline(always)]
pub fn mark_object(memory: Memory, object: ObjectReference) -> Option<u32> {
    let header = memory.header(object);
    if header & UNLOGGED == 0 {
        return None;
    }
    memory.set_header(object, header & !UNLOGGED);
    Some(header)
}

/// Marks a chunk as being in the log. False if it was in the log before.
#[inline(always)]
pub fn mark_chunk(memory: Memory, array: RawRef, chunk: u32) -> bool {
    let (index, bit) = (chunk_state_index(array, chunk), chunk_state_bit(chunk));
    let state = memory.chunk_state(index);
    let is_new = state & bit == 0;
    if is_new {
        memory.set_chunk_state(index, state | bit);
    }
    is_new
}

/// Marks a chunk as not being in the log any more.
#[inline(always)]
pub fn unmark_chunk(memory: Memory, array: RawRef, chunk: u32) {
    let state = chunk_state_index(array, chunk);
    let rest = memory.chunk_state(state) & !chunk_state_bit(chunk);
    memory.set_chunk_state(state, rest);
}

/// Whether a chunk is in the log.
pub fn is_chunk_logged(memory: Memory, array: RawRef, chunk: u32) -> bool {
    memory.chunk_state(chunk_state_index(array, chunk)) & chunk_state_bit(chunk) != 0
}
