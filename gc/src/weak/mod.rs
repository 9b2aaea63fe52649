//! What does not keep alive what it names: the cells of host values, weak cells and ephemerons.
//!
//! All of them are listed. A minor updates the young ones, a sweep looks at the old ones before it touches any block.
//! Ephemerons whose keys are not marked wait in a table of the marker ([`waiting`]), whose memory is reserved here.

pub mod cell_list;
pub mod host_cells;
pub mod waiting;
pub mod weak_cells;

use crate::embedder::errors::Refused;
use crate::raw::cage::Cage;
use crate::raw::memory::Memory;
use crate::raw::object::ObjectReference;
use cell_list::is_dead;
use heapwood_gc_abi::{Mutant, ObjectKind, RawRef, active};
use host_cells::HostCells;
use waiting::WaitingEphemerons;
use weak_cells::WeakCells;

/// The cells of a checkpoint.
#[derive(Clone, Debug)]
pub struct FrozenCells {
    hosts: Vec<u32>,
    cells: [Vec<u32>; 2],
}

impl FrozenCells {
    /// The cells of host values, weak cells, ephemerons.
    pub fn lists(&self) -> [&[u32]; 3] {
        [&self.hosts, &self.cells[0], &self.cells[1]]
    }

    /// What [`FrozenCells::lists`] gave.
    pub fn of_lists([hosts, weak, ephemerons]: [Vec<u32>; 3]) -> FrozenCells {
        FrozenCells { hosts, cells: [weak, ephemerons] }
    }
}

/// The cells that name things weakly.
#[derive(Debug)]
pub struct Weak {
    hosts: HostCells,
    cells: WeakCells,
    /// Bytes of the table in which ephemerons wait.
    waiting_bytes: u64,
}

impl Weak {
    /// No cells. Costs address space only.
    pub fn new(cage: &mut Cage) -> Weak {
        Weak { hosts: HostCells::new(cage), cells: WeakCells::new(cage), waiting_bytes: 0 }
    }

    /// Whether a host value's cell died that was not told yet.
    #[inline]
    pub fn has_dead_hosts(&self) -> bool {
        self.hosts.has_dead()
    }

    /// The host values' cells.
    pub fn hosts_mut(&mut self) -> &mut HostCells {
        &mut self.hosts
    }

    /// Weak cells and ephemerons.
    pub fn cells(&self) -> &WeakCells {
        &self.cells
    }

    /// Makes room for one more weak cell or ephemeron.
    pub fn make_room(&mut self, cage: &mut Cage, kind: ObjectKind) -> Result<(), Refused> {
        self.cells.make_room(cage, kind)
    }

    /// Lists a weak cell or an ephemeron as young: it is, or what it names may be.
    pub fn add(&mut self, kind: ObjectKind, cell: ObjectReference) {
        self.cells.add(kind, cell);
    }

    /// Changes how many cells of each kind there may be; there are none.
    #[cfg(feature = "test-hooks")]
    pub fn limit(&mut self, most: usize) {
        self.hosts.limit(most);
        self.cells.limit(most);
    }

    /// What the table in which ephemerons wait will need beyond what it has, if there are `more` ephemerons, in bytes.
    pub fn waiting_reserve(&self, more: usize) -> u64 {
        WaitingEphemerons::bytes_for(self.cells.ephemerons() + more).saturating_sub(self.waiting_bytes)
    }

    /// The table in which ephemerons wait has `bytes` now.
    pub fn set_waiting_bytes(&mut self, bytes: u64) {
        self.waiting_bytes = bytes;
    }

    /// All cells, for a checkpoint: no sweep is under way, and none is young.
    pub fn frozen(&self) -> FrozenCells {
        FrozenCells { hosts: self.hosts.frozen(), cells: self.cells.frozen() }
    }

    /// Makes room for the cells of a checkpoint.
    pub fn make_room_for(&mut self, cage: &mut Cage, cells: &FrozenCells) -> Result<(), Refused> {
        self.hosts.make_room_for(cage, &cells.hosts)?;
        self.cells.make_room_for(cage, &cells.cells)
    }

    /// Lists the cells of a checkpoint and no others. Room was made.
    pub fn restore(&mut self, cells: &FrozenCells) {
        self.hosts.restore(&cells.hosts);
        self.cells.restore(&cells.cells);
    }

    /// After the nursery was emptied.
    pub fn after_minor(&mut self, memory: Memory) {
        self.hosts.after_minor(memory);
        self.cells.after_minor(memory);
    }

    /// A marking ended: the old cells are to be looked at. O(1).
    pub fn begin_sweep(&mut self) {
        self.hosts.begin_sweep();
        self.cells.begin_sweep();
    }

    /// Looks at up to `count` old cells of each kind; dead objects are still intact. Returns whether there are no more.
    pub fn sweep(&mut self, memory: Memory, epoch: u8, count: usize) -> bool {
        self.hosts.sweep(memory, epoch, count) && self.cells.sweep(memory, epoch, count)
    }

    /// Whether the last marking found what a cell names dead, and it was not cleared yet.
    #[inline]
    pub fn is_dead(&self, memory: Memory, epoch: u8, reference: RawRef) -> bool {
        !active(Mutant::PendingCellRead) && self.cells.is_pending() && is_dead(memory, epoch, reference)
    }

    /// What a weak cell names; null, also from now on, if that is dead.
    pub fn referent(&self, memory: Memory, epoch: u8, cell: RawRef) -> RawRef {
        let referent = weak_cells::referent(memory, cell);
        if self.is_dead(memory, epoch, referent) {
            weak_cells::set_referent(memory, cell, 0);
            return 0;
        }
        referent
    }

    /// Key and value of an ephemeron; none, also from now on, if the key is dead.
    pub fn entry(&self, memory: Memory, epoch: u8, cell: RawRef) -> Option<(RawRef, RawRef)> {
        let (key, value) = weak_cells::entry(memory, cell);
        if self.is_dead(memory, epoch, key) {
            weak_cells::clear_ephemeron(memory, cell);
            return None;
        }
        (key != 0).then_some((key, value))
    }
}
