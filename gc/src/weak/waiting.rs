//! The ephemerons of a marking whose keys are not marked yet, by key: a table with open addressing.
//!
//! 1. Before a marking it is empty and gets room for all ephemerons that exist; it never grows while one runs, so the
//!    marker may be anywhere. What it will need counts against the limit from when the ephemerons are made, or a full
//!    heap could not find out which values are dead. If the system refuses it, some ephemerons hold their keys for this
//!    marking.
//! 2. An entry names the first ephemeron that waits; the others follow by the link words in them.
//! 3. When the key is marked the list is taken; the entry stays, without one, until the sweep empties the table.

use super::weak_cells::EPHEMERONS_MAX;
use crate::raw::cage::Cage;
use crate::raw::side::SideVec;
use heapwood_gc_abi::RawRef;

/// Most entries: twice the most ephemerons.
const SLOTS_MAX: usize = 2 * EPHEMERONS_MAX;

/// The table. An entry is 0, or holds a key in its low half and the first ephemeron that waits for it in its high half.
#[derive(Debug)]
pub struct WaitingEphemerons {
    slots: SideVec<u64>,
    used: usize,
    /// The sweep has emptied the slots below this one.
    emptied: usize,
}

impl WaitingEphemerons {
    /// An empty table. Costs address space only.
    pub fn new(cage: &mut Cage) -> WaitingEphemerons {
        WaitingEphemerons { slots: SideVec::new(cage, SLOTS_MAX), used: 0, emptied: 0 }
    }

    /// Bytes of a table for so many ephemerons.
    pub fn bytes_for(ephemerons: usize) -> u64 {
        (slots_for(ephemerons) * size_of::<u64>()) as u64
    }

    /// Bytes that it has.
    pub fn bytes(&self) -> u64 {
        (self.slots.capacity() * size_of::<u64>()) as u64
    }

    /// A marking begins that may find `ephemerons`: makes room for them, or for as many as the system and
    /// `available_bytes` give.
    pub fn prepare(&mut self, cage: &mut Cage, ephemerons: usize, available_bytes: u64) {
        debug_assert!(self.used == 0, "the sweep has emptied the table");
        let wanted = slots_for(ephemerons);
        let affordable = self.slots.capacity() as u64 + available_bytes / size_of::<u64>() as u64;
        if wanted > self.slots.capacity() && wanted as u64 <= affordable {
            // Without that memory, some ephemerons hold their keys for this marking.
            let _ = self.slots.grow(cage, wanted);
        }
        let capacity = self.slots.capacity();
        let most = if capacity == 0 { 0 } else { 1 << capacity.ilog2() };
        self.slots.set_len(wanted.min(most));
    }

    /// Whether any ephemeron has waited in this marking.
    #[inline(always)]
    pub fn is_used(&self) -> bool {
        self.used > 0
    }

    /// Puts `ephemeron` first in the list of `key` and returns who was first (0: nobody); `None` if there is no room.
    pub fn put_first(&mut self, key: RawRef, ephemeron: RawRef) -> Option<RawRef> {
        let place = self.place(key)?;
        let entry = &mut self.slots.as_mut_slice()[place];
        let first = (*entry >> 32) as RawRef;
        self.used += (*entry == 0) as usize;
        *entry = key as u64 | (ephemeron as u64) << 32;
        Some(first)
    }

    /// Takes the list of `key` and returns its first ephemeron (0: there is none).
    pub fn take(&mut self, key: RawRef) -> RawRef {
        let Some(place) = self.place(key) else { return 0 };
        let entry = &mut self.slots.as_mut_slice()[place];
        let first = (*entry >> 32) as RawRef;
        if first != 0 {
            *entry = key as u64;
        }
        first
    }

    /// Where the entry of `key` is or could be; none if it is not there and a quarter of the slots is all that is left.
    fn place(&self, key: RawRef) -> Option<usize> {
        let slots = self.slots.as_slice();
        let mask = slots.len().checked_sub(1)?;
        let mut place = (key.wrapping_mul(0x9e37_79b1) >> 8) as usize & mask;
        loop {
            let entry = slots[place];
            if entry as RawRef == key {
                return Some(place);
            }
            if entry == 0 {
                return (self.used < slots.len() - slots.len() / 4).then_some(place);
            }
            place = (place + 1) & mask;
        }
    }

    /// Empties up to `count` slots. Returns whether all are empty.
    pub fn empty_some(&mut self, count: usize) -> bool {
        if self.used > 0 {
            let end = self.slots.len().min(self.emptied + count);
            self.slots.as_mut_slice()[self.emptied..end].fill(0);
            self.emptied = end;
            if end < self.slots.len() {
                return false;
            }
            (self.used, self.emptied) = (0, 0);
        }
        true
    }
}

/// How many slots a table for so many ephemerons has: at least twice as many, and a power of two.
fn slots_for(ephemerons: usize) -> usize {
    if ephemerons == 0 { 0 } else { (ephemerons * 2).next_power_of_two() }
}
