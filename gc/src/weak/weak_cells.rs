//! Weak cells and ephemerons: which exist, and when what they name is forgotten.
//!
//! 1. A cell is listed when it is made (`cell_list`), as young; as old, once neither it nor what it names is young.
//! 2. A minor looks at the young ones: cells and referents that moved are updated, dead referents are cleared. To
//!    minors, ephemerons are ordinary objects.
//! 3. Marking does not follow weak cells; what it does about ephemerons stands in `major::marker::ephemerons`. When it
//!    ends, what is not marked is dead, but cells name it still: they are *pending*. A read checks the mark. The sweep
//!    clears them, some at a time, before it touches any block; then no cell names anything dead.
//! 4. While a marking runs, reading a cell shades what is read: it is no longer weak only.

use super::cell_list::{CellList, Fate, is_dead};
use crate::embedder::errors::Refused;
use crate::raw::cage::Cage;
use crate::raw::memory::Memory;
use crate::raw::object::{ObjectReference, is_old, is_young};
use heapwood_gc_abi::layout::{
    EPHEMERON_KEY_OFFSET, EPHEMERON_LINK_OFFSET, EPHEMERON_VALUE_OFFSET, WEAK_REFERENT_OFFSET,
};
use heapwood_gc_abi::{Mutant, ObjectKind, RawRef, active};

/// Most weak cells of a heap.
const WEAK_MAX: usize = 8 << 20;
/// Most ephemerons of a heap.
pub const EPHEMERONS_MAX: usize = 4 << 20;

const REFERENT: u32 = WEAK_REFERENT_OFFSET / 4;
const KEY: u32 = EPHEMERON_KEY_OFFSET / 4;
const VALUE: u32 = EPHEMERON_VALUE_OFFSET / 4;
const LINK: u32 = EPHEMERON_LINK_OFFSET / 4;

/// All weak cells and ephemerons of a heap.
#[derive(Debug)]
pub struct WeakCells {
    weak: CellList,
    ephemerons: CellList,
}

impl WeakCells {
    /// No cells. Costs address space only.
    pub fn new(cage: &mut Cage) -> WeakCells {
        WeakCells { weak: CellList::new(cage, WEAK_MAX), ephemerons: CellList::new(cage, EPHEMERONS_MAX) }
    }

    /// Changes how many there may be of each kind; there are none.
    #[cfg(feature = "test-hooks")]
    pub fn limit(&mut self, most: usize) {
        self.weak.limit(most);
        self.ephemerons.limit(most);
    }

    /// Makes room for one more cell of a kind.
    pub fn make_room(&mut self, cage: &mut Cage, kind: ObjectKind) -> Result<(), Refused> {
        self.list(kind).make_room(cage)
    }

    /// Lists a cell as young: it is, or what it names may be.
    pub fn add(&mut self, kind: ObjectKind, cell: ObjectReference) {
        self.list(kind).add(cell, true);
    }

    fn list(&mut self, kind: ObjectKind) -> &mut CellList {
        if kind == ObjectKind::Weak { &mut self.weak } else { &mut self.ephemerons }
    }

    /// Number of ephemerons that a marking may meet.
    pub fn old_ephemerons(&self) -> usize {
        self.ephemerons.old_len()
    }

    /// Number of all ephemerons.
    pub fn ephemerons(&self) -> usize {
        self.ephemerons.len()
    }

    /// Whether a marking has ended and dead referents may not have been cleared yet.
    #[inline(always)]
    pub fn is_pending(&self) -> bool {
        self.weak.is_pending() || self.ephemerons.is_pending()
    }

    /// All weak cells, then all ephemerons, for a checkpoint.
    pub fn frozen(&self) -> [Vec<u32>; 2] {
        [self.weak.frozen(), self.ephemerons.frozen()]
    }

    /// Makes room for the cells of a checkpoint.
    pub fn make_room_for(&mut self, cage: &mut Cage, [weak, ephemerons]: &[Vec<u32>; 2]) -> Result<(), Refused> {
        self.weak.make_room_for(cage, weak)?;
        self.ephemerons.make_room_for(cage, ephemerons)
    }

    /// Lists the cells of a checkpoint and no others.
    pub fn restore(&mut self, [weak, ephemerons]: &[Vec<u32>; 2]) {
        self.weak.restore(weak);
        self.ephemerons.restore(ephemerons);
    }

    /// After the nursery was emptied.
    pub fn after_minor(&mut self, memory: Memory) {
        self.weak.after_minor(memory, |fate| {
            let Fate::Alive(cell) = fate else { return false };
            let referent = memory.word(cell + REFERENT);
            if is_young(referent) {
                let now = memory.moved_to(referent).filter(|_| !active(Mutant::WeakCellForgetsTheMoved));
                memory.set_word(cell + REFERENT, now.unwrap_or(0));
            }
            is_young(memory.word(cell + REFERENT))
        });
        self.ephemerons.after_minor(memory, |_| false);
    }

    /// A marking ended: the old cells are to be looked at. O(1).
    pub fn begin_sweep(&mut self) {
        self.weak.begin_sweep();
        self.ephemerons.begin_sweep();
    }

    /// Looks at up to `count` old cells of each kind; dead objects are still intact. Returns whether there are no more.
    pub fn sweep(&mut self, memory: Memory, epoch: u8, count: usize) -> bool {
        let weak_done = self.weak.sweep(memory, epoch, count, |fate| {
            let Fate::Alive(cell) = fate else { return false };
            let referent = memory.word(cell + REFERENT);
            if is_old(referent) {
                let now = memory.moved_to(referent).unwrap_or(referent);
                let is_dead = is_dead(memory, epoch, now) && !active(Mutant::WeakCellNamesTheDead);
                let left = if is_dead { 0 } else { now };
                // Frozen pages are not written for nothing.
                if left != referent {
                    memory.set_word(cell + REFERENT, left);
                }
            }
            memory.word(cell + REFERENT) != 0
        });
        let ephemerons_done = self.ephemerons.sweep(memory, epoch, count, |fate| {
            let Fate::Alive(cell) = fate else { return false };
            if is_dead(memory, epoch, memory.word(cell + KEY)) {
                clear_ephemeron(memory, cell);
            }
            memory.word(cell + KEY) != 0
        });
        weak_done && ephemerons_done
    }

    /// Calls `visit` with each cell that is listed (the verifier), and whether it is among the young ones.
    pub fn each(&self, mut visit: impl FnMut(RawRef, bool)) {
        self.weak.each(&mut visit);
        self.ephemerons.each(visit);
    }
}

/// What a weak cell names.
#[inline]
pub fn referent(memory: Memory, cell: RawRef) -> RawRef {
    memory.word(cell + REFERENT)
}

/// Makes a weak cell name `referent`.
#[inline]
pub fn set_referent(memory: Memory, cell: RawRef, referent: RawRef) {
    memory.set_word(cell + REFERENT, referent);
}

/// Key and value of an ephemeron.
#[inline]
pub fn entry(memory: Memory, cell: RawRef) -> (RawRef, RawRef) {
    (memory.word(cell + KEY), memory.word(cell + VALUE))
}

/// Makes an ephemeron name `key`.
#[inline]
pub fn set_key(memory: Memory, cell: RawRef, key: RawRef) {
    memory.set_word(cell + KEY, key);
}

/// Makes an ephemeron hold `value`.
#[inline]
pub fn set_value(memory: Memory, cell: RawRef, value: RawRef) {
    memory.set_word(cell + VALUE, value);
}

/// Makes an ephemeron name and hold nothing.
pub fn clear_ephemeron(memory: Memory, cell: u32) {
    [KEY, VALUE, LINK].iter().for_each(|word| memory.set_word(cell + word, 0));
}
