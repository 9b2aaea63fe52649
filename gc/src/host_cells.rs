//! Cells behind externrefs: which are alive, and which host values may be dropped.
//!
//! 1. Every cell is listed when it is made, as young or old.
//! 2. A minor walks the young ones: a cell that moved is updated, one that was not reached is put on the queue of
//!    the dead. The old ones are looked at by the sweep, some at a time, before it touches any block; a compaction
//!    looks at all of them.
//! 3. The runtime takes the queue outside of the pause and drops its values.

use crate::charge::Refused;
use crate::mark::is_marked;
use crate::raw::cage::{Cage, Memory};
use crate::raw::object::{ObjectReference, is_young};
use crate::raw::side::SideVec;
use heapwood_gc_abi::header::FORWARDED;
use heapwood_gc_abi::layout::HOST_VALUE_INDEX_OFFSET;

/// Most cells of a heap.
const CELLS_MAX: usize = 16 << 20;

/// All cells.
#[derive(Debug)]
pub struct HostCells {
    young: SideVec<u32>,
    old: SideVec<u32>,
    dead: SideVec<u32>,
    /// The sweep has looked at the old cells below this one and kept those below `kept`.
    swept: usize,
    kept: usize,
    /// Old cells that the sweep has to look at: those that existed when the marking ended.
    to_sweep: usize,
}

impl HostCells {
    /// No cells. Costs address space only.
    pub fn new(cage: &mut Cage) -> HostCells {
        let mut list = || SideVec::new(cage, CELLS_MAX);
        HostCells { young: list(), old: list(), dead: list(), swept: 0, kept: 0, to_sweep: 0 }
    }

    /// Makes room for one more cell in each list.
    pub fn make_room(&mut self, cage: &mut Cage) -> Result<(), Refused> {
        let count = self.young.len() + self.old.len() + self.dead.len() + 1;
        if count > CELLS_MAX {
            return Err(Refused::Cells { max: CELLS_MAX });
        }
        for list in [&mut self.young, &mut self.old, &mut self.dead] {
            list.grow(cage, count)?;
        }
        Ok(())
    }

    /// Lists a new cell.
    pub fn add(&mut self, cell: ObjectReference) {
        let list = if is_young(cell.0) { &mut self.young } else { &mut self.old };
        let pushed = list.push(cell.0);
        debug_assert!(pushed, "room was made");
    }

    /// After the nursery was emptied: updates or buries the young cells.
    pub fn after_minor(&mut self, memory: Memory) {
        let count = self.young.len();
        let mut kept = 0;
        for index in 0..count {
            let cell = ObjectReference(self.young.as_slice()[index]);
            let header = memory.header(cell);
            let now = header & !FORWARDED;
            if header & FORWARDED == 0 {
                self.bury(memory, cell);
            } else if is_young(now) {
                self.young.as_mut_slice()[kept] = now;
                kept += 1;
            } else {
                let pushed = self.old.push(now);
                debug_assert!(pushed, "room was made");
            }
        }
        self.young.truncate(kept);
    }

    /// A marking ended: the old cells are to be looked at.
    pub fn begin_sweep(&mut self) {
        (self.swept, self.kept, self.to_sweep) = (0, 0, self.old.len());
    }

    /// Looks at up to `count` old cells; dead objects are still intact. Returns whether there are no more.
    pub fn sweep(&mut self, memory: Memory, epoch: u8, count: usize) -> bool {
        if self.to_sweep == 0 {
            return true;
        }
        for _ in 0..count.min(self.to_sweep - self.swept) {
            let cell = ObjectReference(self.old.as_slice()[self.swept]);
            let header = memory.header(cell);
            let now = if header & FORWARDED != 0 { header & !FORWARDED } else { cell.0 };
            if is_marked(memory, epoch, now) {
                self.old.as_mut_slice()[self.kept] = now;
                self.kept += 1;
            } else {
                self.bury(memory, cell);
            }
            self.swept += 1;
        }
        if self.swept < self.to_sweep {
            return false;
        }
        // Cells that became old meanwhile move up.
        self.old.as_mut_slice().copy_within(self.swept.., self.kept);
        self.old.truncate(self.old.len() - (self.swept - self.kept));
        self.to_sweep = 0;
        true
    }

    fn bury(&mut self, memory: Memory, cell: ObjectReference) {
        let pushed = self.dead.push(memory.word(cell.0 + HOST_VALUE_INDEX_OFFSET / 4));
        debug_assert!(pushed, "room was made");
    }

    /// The index of a host value whose cell died.
    pub fn pop_dead(&mut self) -> Option<u32> {
        self.dead.pop()
    }
}
