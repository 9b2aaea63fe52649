//! Cells behind externrefs: which are alive, and which host values may be dropped.
//!
//! 1. Every cell is listed when it is made (`cell_list`). The index of one that a minor or a sweep finds dead is put on
//!    the queue of the dead.
//! 2. The runtime takes the queue outside of the pause and drops its values.

use super::cell_list::{CellList, Fate};
use crate::embedder::errors::Refused;
use crate::raw::cage::Cage;
use crate::raw::memory::Memory;
use crate::raw::object::{ObjectReference, is_young};
use crate::raw::side::SideVec;
use heapwood_gc_abi::layout::HOST_VALUE_INDEX_OFFSET;
use heapwood_gc_abi::{Mutant, active};

/// Most cells of a heap, the dead ones of the queue included.
const CELLS_MAX: usize = 16 << 20;

/// The cells of all host values of a heap.
#[derive(Debug)]
pub struct HostCells {
    cells: CellList,
    dead: SideVec<u32>,
}

impl HostCells {
    /// No cells. Costs address space only.
    pub fn new(cage: &mut Cage) -> HostCells {
        HostCells { cells: CellList::new(cage, CELLS_MAX), dead: SideVec::new(cage, CELLS_MAX) }
    }

    /// Makes room for one more cell, and for its death.
    pub fn make_room(&mut self, cage: &mut Cage) -> Result<(), Refused> {
        let count = self.cells.len() + self.dead.len() + 1;
        if count > self.dead.capacity_max() {
            return Err(Refused::Cells { max: self.dead.capacity_max() });
        }
        self.cells.make_room(cage)?;
        // A minor buries cells and must not fault.
        Ok(self.dead.grow_populated(cage, count)?)
    }

    /// Lists a new cell.
    pub fn add(&mut self, cell: ObjectReference) {
        self.cells.add(cell, is_young(cell.0));
    }

    /// All cells, for a checkpoint.
    pub fn frozen(&self) -> Vec<u32> {
        self.cells.frozen()
    }

    /// Makes room for the cells of a checkpoint, and for their deaths.
    pub fn make_room_for(&mut self, cage: &mut Cage, cells: &[u32]) -> Result<(), Refused> {
        self.cells.make_room_for(cage, cells)?;
        Ok(self.dead.grow_populated(cage, cells.len())?)
    }

    /// Lists the cells of a checkpoint and no others; nobody is dead.
    pub fn restore(&mut self, cells: &[u32]) {
        self.cells.restore(cells);
        self.dead.truncate(0);
    }

    /// After the nursery was emptied: updates or buries the young cells.
    pub fn after_minor(&mut self, memory: Memory) {
        self.cells.after_minor(memory, |fate| {
            bury(&mut self.dead, memory, fate);
            false
        });
    }

    /// A marking ended: the old cells are to be looked at. O(1).
    pub fn begin_sweep(&mut self) {
        self.cells.begin_sweep();
    }

    /// Looks at up to `count` old cells; dead objects are still intact. Returns whether there are no more.
    pub fn sweep(&mut self, memory: Memory, epoch: u8, count: usize) -> bool {
        self.cells.sweep(memory, epoch, count, |fate| {
            bury(&mut self.dead, memory, fate);
            true
        })
    }

    /// Changes how many there may be; there are none.
    #[cfg(feature = "test-hooks")]
    pub fn limit(&mut self, most: usize) {
        self.dead.set_capacity_max(most);
    }

    /// Whether there is a cell that died.
    #[inline]
    pub fn has_dead(&self) -> bool {
        !self.dead.is_empty()
    }

    /// The index of a host value whose cell died.
    pub fn pop_dead(&mut self) -> Option<u32> {
        self.dead.pop()
    }
}

/// Puts the index of a dead cell on the queue.
fn bury(dead: &mut SideVec<u32>, memory: Memory, fate: Fate) {
    if let (Fate::Dead(cell), false) = (fate, active(Mutant::DeadHostValueKept)) {
        let pushed = dead.push(memory.word(cell + HOST_VALUE_INDEX_OFFSET / 4));
        debug_assert!(pushed, "room was made");
    }
}
