//! Weak cells and ephemerons: which exist, and when what they name is forgotten.
//!
//! 1. A cell is listed when it is made (`cell_list`), as young; as old, once neither it nor what it names is young.
//! 2. A minor looks at the young ones: cells and referents that moved are updated, dead referents are cleared. To
//!    minors, ephemerons are ordinary objects.
//! 3. Marking does not follow weak cells; `ephemeron` says what it does about ephemerons. When it ends, what is not
//!    marked is dead, but cells name it still: they are *pending*. A read checks the mark. The sweep clears them, some at
//!    a time, before it touches any block; then no cell names anything dead.
//! 4. While a marking runs, reading a cell shades what is read: it is no longer weak only.

use crate::cell_list::{CellList, Fate, is_dead, moved};
use crate::charge::Refused;
use crate::heap::Heap;
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

/// All of them.
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

    /// After the nursery was emptied.
    pub fn after_minor(&mut self, memory: Memory) {
        self.weak.after_minor(memory, |fate| {
            let Fate::Alive(cell) = fate else { return false };
            let referent = memory.word(cell + REFERENT);
            if is_young(referent) {
                let now = moved(memory, referent).filter(|_| !active(Mutant::WeakCellForgetsTheMoved));
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
                let now = moved(memory, referent).unwrap_or(referent);
                let is_dead = is_dead(memory, epoch, now) && !active(Mutant::WeakCellNamesTheDead);
                memory.set_word(cell + REFERENT, if is_dead { 0 } else { now });
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

fn clear_ephemeron(memory: Memory, cell: u32) {
    [KEY, VALUE, LINK].iter().for_each(|word| memory.set_word(cell + word, 0));
}

impl Heap {
    /// Makes a fresh weak cell name `referent`: right after it was allocated, before anything may collect, and once.
    pub fn init_weak(&mut self, cell: RawRef, referent: RawRef) {
        debug_assert_eq!(self.descriptor_of(cell).kind(), ObjectKind::Weak);
        debug_assert!(is_young(cell) || !self.is_collected(), "the cell {cell:#x} is not fresh");
        self.memory.set_word(cell + REFERENT, referent);
        if self.is_collected() && (is_old(referent) || is_young(referent)) {
            self.weak.add(ObjectKind::Weak, ObjectReference(cell));
        }
    }

    /// What a weak cell names: null once that died. An i31, an immortal object and null never do. Never collects.
    pub fn weak_get(&mut self, cell: RawRef) -> RawRef {
        debug_assert_eq!(self.descriptor_of(cell).kind(), ObjectKind::Weak);
        let referent = self.memory.word(cell + REFERENT);
        if self.is_dead_referent(referent) {
            self.memory.set_word(cell + REFERENT, 0);
            return 0;
        }
        self.shade_read(referent);
        referent
    }

    /// Makes a fresh ephemeron hold `key` and `value`: right after it was allocated, before anything may collect, and
    /// once. A key that is no object never dies; null makes a cleared one.
    pub fn init_ephemeron(&mut self, cell: RawRef, key: RawRef, value: RawRef) {
        debug_assert_eq!(self.descriptor_of(cell).kind(), ObjectKind::Ephemeron);
        debug_assert!(is_young(cell) || !self.is_collected(), "the ephemeron {cell:#x} is not fresh");
        self.memory.set_word(cell + KEY, key);
        self.memory.set_word(cell + VALUE, if key == 0 { 0 } else { value });
        if self.is_collected() && key != 0 {
            self.weak.add(ObjectKind::Ephemeron, ObjectReference(cell));
        }
    }

    /// Key and value of an ephemeron; none once the key died. Never collects.
    pub fn ephemeron_get(&mut self, cell: RawRef) -> Option<(RawRef, RawRef)> {
        debug_assert_eq!(self.descriptor_of(cell).kind(), ObjectKind::Ephemeron);
        let (key, value) = (self.memory.word(cell + KEY), self.memory.word(cell + VALUE));
        if self.is_dead_referent(key) {
            clear_ephemeron(self.memory, cell);
            return None;
        }
        if key == 0 {
            return None;
        }
        self.shade_read(key);
        self.shade_read(value);
        Some((key, value))
    }

    /// Overwrites the value of an ephemeron, with the barrier. Returns false, and does nothing, if its key died. Never
    /// collects.
    pub fn ephemeron_set_value(&mut self, cell: RawRef, value: RawRef) -> bool {
        if self.ephemeron_get(cell).is_none() {
            return false;
        }
        self.barrier(cell);
        self.memory.set_word(cell + VALUE, value);
        true
    }

    /// Whether the last marking found what a cell names dead, and it was not cleared yet.
    #[inline]
    pub(crate) fn is_dead_referent(&self, reference: RawRef) -> bool {
        !active(Mutant::PendingCellRead) && self.weak.is_pending() && is_dead(self.memory, self.old.epoch, reference)
    }

    #[inline]
    fn shade_read(&mut self, reference: RawRef) {
        #[cfg(feature = "test-hooks")]
        if self.hooks.skip_weak_reads {
            return;
        }
        self.shade(reference);
    }
}
