//! Weak cells and ephemerons: which exist, and when what they name is forgotten.
//!
//! 1. A cell is listed when it is made, as young; as old, once neither it nor what it names is young.
//! 2. A minor looks at the young ones: cells and referents that moved are updated, dead referents are cleared. To
//!    minors, ephemerons are ordinary objects.
//! 3. Marking does not follow weak cells; `ephemeron` says what it does about ephemerons. When it ends, what is not
//!    marked is dead, but cells name it still: they are *pending*. A read checks the mark. The sweep clears them, some at
//!    a time, before it touches any block; then no cell names anything dead.
//! 4. While a marking runs, reading a cell shades what is read: it is no longer weak only.

use crate::charge::Refused;
use crate::heap::Heap;
use crate::mark::is_marked;
use crate::raw::cage::{Cage, Memory};
use crate::raw::object::{ObjectReference, is_old, is_young};
use crate::raw::side::SideVec;
use heapwood_gc_abi::header::FORWARDED;
use heapwood_gc_abi::layout::{
    EPHEMERON_KEY_OFFSET, EPHEMERON_LINK_OFFSET, EPHEMERON_VALUE_OFFSET, WEAK_REFERENT_OFFSET,
};
use heapwood_gc_abi::{ObjectKind, RawRef};

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
    weak: List,
    ephemerons: List,
    pending: bool,
}

/// Cells of one kind.
#[derive(Debug)]
struct List {
    young: SideVec<u32>,
    old: SideVec<u32>,
    /// The sweep has looked at the old cells below this one and kept those below `kept`.
    swept: usize,
    kept: usize,
}

impl WeakCells {
    /// No cells. Costs address space only.
    pub fn new(cage: &mut Cage) -> WeakCells {
        WeakCells { weak: List::new(cage, WEAK_MAX), ephemerons: List::new(cage, EPHEMERONS_MAX), pending: false }
    }

    /// Makes room for one more cell of a kind.
    pub fn make_room(&mut self, cage: &mut Cage, kind: ObjectKind) -> Result<(), Refused> {
        self.list(kind).make_room(cage)
    }

    /// Lists a young cell.
    pub fn add(&mut self, kind: ObjectKind, cell: ObjectReference) {
        let pushed = self.list(kind).young.push(cell.0);
        debug_assert!(pushed, "room was made");
    }

    fn list(&mut self, kind: ObjectKind) -> &mut List {
        if kind == ObjectKind::Weak { &mut self.weak } else { &mut self.ephemerons }
    }

    /// Number of ephemerons that a marking may meet.
    pub fn old_ephemerons(&self) -> usize {
        self.ephemerons.old.len()
    }

    /// Number of all ephemerons.
    pub fn ephemerons(&self) -> usize {
        self.ephemerons.young.len() + self.ephemerons.old.len()
    }

    /// Whether a marking has ended and dead referents may not have been cleared yet.
    #[inline(always)]
    pub fn is_pending(&self) -> bool {
        self.pending
    }

    /// After the nursery was emptied.
    pub fn after_minor(&mut self, memory: Memory) {
        self.weak.after_minor(memory, |cell| {
            let referent = memory.word(cell + REFERENT);
            if is_young(referent) {
                memory.set_word(cell + REFERENT, moved(memory, referent).unwrap_or(0));
            }
            is_young(memory.word(cell + REFERENT))
        });
        self.ephemerons.after_minor(memory, |_| false);
    }

    /// A marking ended: the old cells are to be looked at. O(1).
    pub fn begin_sweep(&mut self) {
        self.pending = true;
        for list in [&mut self.weak, &mut self.ephemerons] {
            (list.swept, list.kept) = (0, 0);
        }
    }

    /// Looks at up to `count` old cells; dead objects are still intact. Returns whether there are no more.
    pub fn sweep(&mut self, memory: Memory, epoch: u8, count: usize) -> bool {
        if !self.pending {
            return true;
        }
        let is_dead = |reference| is_old(reference) && !is_marked(memory, epoch, reference);
        let weak_left = self.weak.sweep(memory, is_dead, count, |cell| {
            let referent = memory.word(cell + REFERENT);
            if is_old(referent) {
                let now = moved(memory, referent).unwrap_or(referent);
                memory.set_word(cell + REFERENT, if is_dead(now) { 0 } else { now });
            }
            memory.word(cell + REFERENT) != 0
        });
        let ephemerons_left = self.ephemerons.sweep(memory, is_dead, count, |cell| {
            if is_dead(memory.word(cell + KEY)) {
                clear_ephemeron(memory, cell);
            }
            memory.word(cell + KEY) != 0
        });
        self.pending = weak_left || ephemerons_left;
        !self.pending
    }

    /// Calls `visit` with each cell that is listed (the verifier), and whether it is among the young ones.
    pub fn each(&self, mut visit: impl FnMut(RawRef, bool)) {
        for list in [&self.weak, &self.ephemerons] {
            list.young.as_slice().iter().for_each(|cell| visit(*cell, true));
            let (old, swept) = (list.old.as_slice(), if self.pending { list.swept } else { 0 });
            let kept = if self.pending { list.kept } else { 0 };
            old[..kept].iter().chain(&old[swept..]).for_each(|cell| visit(*cell, false));
        }
    }
}

impl List {
    fn new(cage: &mut Cage, max: usize) -> List {
        List { young: SideVec::new(cage, max), old: SideVec::new(cage, max), swept: 0, kept: 0 }
    }

    fn make_room(&mut self, cage: &mut Cage) -> Result<(), Refused> {
        let (young, all) = (self.young.len() + 1, self.old.len() + self.young.len() + 1);
        if all > self.old.capacity_max() {
            return Err(Refused::Cells { max: self.old.capacity_max() });
        }
        self.young.grow(cage, young)?;
        // A minor moves cells there and must not fault.
        Ok(self.old.grow_populated(cage, all)?)
    }

    /// `holds_young` updates a cell and tells whether it names something young.
    fn after_minor(&mut self, memory: Memory, mut holds_young: impl FnMut(u32) -> bool) {
        let mut kept = 0;
        for index in 0..self.young.len() {
            let cell = self.young.as_slice()[index];
            let Some(now) = (if is_young(cell) { moved(memory, cell) } else { Some(cell) }) else { continue };
            if holds_young(now) | is_young(now) {
                self.young.as_mut_slice()[kept] = now;
                kept += 1;
            } else {
                let pushed = self.old.push(now);
                debug_assert!(pushed, "room was made");
            }
        }
        self.young.truncate(kept);
    }

    /// `update` looks at a cell that is alive and tells whether it is to be listed still. Returns whether there are more.
    fn sweep(
        &mut self,
        memory: Memory,
        is_dead: impl Fn(RawRef) -> bool,
        count: usize,
        mut update: impl FnMut(u32) -> bool,
    ) -> bool {
        // Cells that become old meanwhile are looked at, too.
        for _ in 0..count.min(self.old.len() - self.swept) {
            let cell = self.old.as_slice()[self.swept];
            let now = moved(memory, cell).unwrap_or(cell);
            self.swept += 1;
            if !is_dead(now) && update(now) {
                self.old.as_mut_slice()[self.kept] = now;
                self.kept += 1;
            }
        }
        if self.swept < self.old.len() {
            return true;
        }
        self.old.truncate(self.kept);
        self.swept = self.kept;
        false
    }
}

/// Where an object was moved.
fn moved(memory: Memory, reference: RawRef) -> Option<RawRef> {
    let header = memory.header(ObjectReference(reference));
    (header & FORWARDED != 0).then_some(header & !FORWARDED)
}

fn clear_ephemeron(memory: Memory, cell: u32) {
    [KEY, VALUE, LINK].iter().for_each(|word| memory.set_word(cell + word, 0));
}

impl Heap {
    /// Makes a fresh weak cell name `referent`: right after it was allocated, before anything may collect, and once.
    pub fn init_weak(&mut self, cell: RawRef, referent: RawRef) {
        debug_assert_eq!(self.descriptor_of(cell).kind, ObjectKind::Weak);
        debug_assert!(is_young(cell) || !self.is_collected(), "the cell {cell:#x} is not fresh");
        self.memory.set_word(cell + REFERENT, referent);
        if self.is_collected() && (is_old(referent) || is_young(referent)) {
            self.weak.add(ObjectKind::Weak, ObjectReference(cell));
        }
    }

    /// What a weak cell names: null once that died. An i31, an immortal object and null never do. Never collects.
    pub fn weak_get(&mut self, cell: RawRef) -> RawRef {
        debug_assert_eq!(self.descriptor_of(cell).kind, ObjectKind::Weak);
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
        debug_assert_eq!(self.descriptor_of(cell).kind, ObjectKind::Ephemeron);
        debug_assert!(is_young(cell) || !self.is_collected(), "the ephemeron {cell:#x} is not fresh");
        self.memory.set_word(cell + KEY, key);
        self.memory.set_word(cell + VALUE, if key == 0 { 0 } else { value });
        if self.is_collected() && key != 0 {
            self.weak.add(ObjectKind::Ephemeron, ObjectReference(cell));
        }
    }

    /// Key and value of an ephemeron; none once the key died. Never collects.
    pub fn ephemeron_get(&mut self, cell: RawRef) -> Option<(RawRef, RawRef)> {
        debug_assert_eq!(self.descriptor_of(cell).kind, ObjectKind::Ephemeron);
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
        self.weak.is_pending() && is_old(reference) && !is_marked(self.memory, self.old.epoch, reference)
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
