//! A list of the cells of one kind (host values, weak cells, ephemerons), through minors and sweeps.
//!
//! 1. A cell is listed when it is made, as young or old.
//! 2. A minor looks at the young ones: who moved is updated, who was not reached is told and dropped. Cells that are
//!    old now, and name nothing young, are old from then on.
//! 3. When a marking has ended the list is *pending*: the sweep looks at the old ones, some at a time, before it
//!    touches any block, so that the dead are intact. What becomes old meanwhile is newer than the marking.

use crate::embedder::errors::Refused;
use crate::raw::cage::Cage;
use crate::raw::memory::Memory;
use crate::raw::object::{ObjectReference, is_old, is_young};
use crate::raw::side::SideVec;
use crate::spaces::marks::is_marked;
use heapwood_gc_abi::RawRef;

/// The cells of one kind.
#[derive(Debug)]
pub struct CellList {
    young: SideVec<u32>,
    old: SideVec<u32>,
    pending: bool,
    /// While pending: the sweep has looked at the old cells below `swept` and kept those below `kept`.
    swept: usize,
    kept: usize,
}

/// What became of a cell.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    /// The cell is alive and lies at this place now.
    Alive(RawRef),
    /// The cell is dead and lay at this place, where what it held can still be read.
    Dead(RawRef),
}

impl CellList {
    /// No cells, at most `max`. Costs address space only.
    pub fn new(cage: &mut Cage, max: usize) -> CellList {
        let (young, old) = (SideVec::new(cage, max), SideVec::new(cage, max));
        CellList { young, old, pending: false, swept: 0, kept: 0 }
    }

    /// Changes how many there may be; there are none.
    #[cfg(feature = "test-hooks")]
    pub fn limit(&mut self, most: usize) {
        self.old.set_capacity_max(most);
    }

    /// Makes room for one more cell.
    pub fn make_room(&mut self, cage: &mut Cage) -> Result<(), Refused> {
        let (young, all) = (self.young.len() + 1, self.len() + 1);
        if all > self.old.capacity_max() {
            return Err(Refused::Cells { max: self.old.capacity_max() });
        }
        self.young.grow(cage, young)?;
        // A minor moves cells there and must not fault.
        Ok(self.old.grow_populated(cage, all)?)
    }

    /// Lists a cell as young or old. Room was made.
    pub fn add(&mut self, cell: ObjectReference, young: bool) {
        let list = if young { &mut self.young } else { &mut self.old };
        let pushed = list.push(cell.0);
        debug_assert!(pushed, "room was made");
    }

    /// Number of cells.
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Number of old ones.
    pub fn old_len(&self) -> usize {
        self.old.len()
    }

    /// Whether a marking has ended and the sweep has not looked at all cells yet.
    #[inline(always)]
    pub fn is_pending(&self) -> bool {
        self.pending
    }

    /// After the nursery was emptied. `look` updates a cell that is alive and tells whether it names something young.
    pub fn after_minor(&mut self, memory: Memory, mut look: impl FnMut(Fate) -> bool) {
        let mut kept = 0;
        for index in 0..self.young.len() {
            let cell = self.young.as_slice()[index];
            let Some(now) = (if is_young(cell) { memory.moved_to(cell) } else { Some(cell) }) else {
                look(Fate::Dead(cell));
                continue;
            };
            if look(Fate::Alive(now)) | is_young(now) {
                self.young.as_mut_slice()[kept] = now;
                kept += 1;
            } else {
                let pushed = self.old.push(now);
                debug_assert!(pushed, "room was made");
            }
        }
        self.young.truncate(kept);
    }

    /// A marking ended. O(1).
    pub fn begin_sweep(&mut self) {
        (self.pending, self.swept, self.kept) = (true, 0, 0);
    }

    /// Looks at up to `count` old cells. `look` updates a cell that is alive and tells whether it stays listed. Returns
    /// whether there are no more.
    pub fn sweep(&mut self, memory: Memory, epoch: u8, count: usize, mut look: impl FnMut(Fate) -> bool) -> bool {
        if !self.pending {
            return true;
        }
        for _ in 0..count.min(self.old.len() - self.swept) {
            let cell = self.old.as_slice()[self.swept];
            let now = memory.moved_to(cell).unwrap_or(cell);
            self.swept += 1;
            if is_dead(memory, epoch, now) {
                look(Fate::Dead(cell));
            } else if look(Fate::Alive(now)) {
                self.old.as_mut_slice()[self.kept] = now;
                self.kept += 1;
            }
        }
        if self.swept == self.old.len() {
            self.old.truncate(self.kept);
            self.pending = false;
        }
        !self.pending
    }

    /// All cells, of which none is young, for a checkpoint. No sweep is under way.
    pub fn frozen(&self) -> Vec<u32> {
        debug_assert!(self.young.is_empty() && !self.pending, "a freeze comes after a sweep");
        self.old.as_slice().to_vec()
    }

    /// Makes room for the cells of a checkpoint.
    pub fn make_room_for(&mut self, cage: &mut Cage, cells: &[u32]) -> Result<(), Refused> {
        Ok(self.old.grow_populated(cage, cells.len())?)
    }

    /// Lists the cells of a checkpoint and no others. Room was made.
    pub fn restore(&mut self, cells: &[u32]) {
        (self.pending, self.swept, self.kept) = (false, 0, 0);
        self.young.truncate(0);
        self.old.set_len(cells.len());
        self.old.as_mut_slice().copy_from_slice(cells);
    }

    /// Calls `visit` with each cell that is listed (the verifier), and whether it is among the young ones.
    pub fn each(&self, mut visit: impl FnMut(RawRef, bool)) {
        self.young.as_slice().iter().for_each(|cell| visit(*cell, true));
        let (kept, swept) = if self.pending { (self.kept, self.swept) } else { (0, 0) };
        let old = self.old.as_slice();
        old[..kept].iter().chain(&old[swept..]).for_each(|cell| visit(*cell, false));
    }
}

/// Whether the marking of `epoch` found an object dead.
pub fn is_dead(memory: Memory, epoch: u8, reference: RawRef) -> bool {
    is_old(reference) && !is_marked(memory, epoch, reference)
}
