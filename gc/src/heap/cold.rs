//! Cold heaps: those that have never collected, and have nothing of what a collection needs.
//!
//! 1. Most stores live for a call: they fill some pages of eden, and go. Marks, stacks, survivor spaces and the blocks to
//!    promote into would be most of what they cost, in memory, mappings and time. So eden is cold at first
//!    (`spaces::nursery`), and the first collection, whatever asks for it, prepares itself.
//! 2. The limit never refuses that: what it takes is held back from the first grant on ([`COLD_RESERVE_BYTES`]), but in
//!    a heap that asks before it grows, which is not cold for long.
//! 3. The system may. Then there is no collection: the heap is as good as one that does not collect, and an allocation
//!    that does not fit what was granted is `Exhausted` and says what the system refused. The next one tries again.

use super::Heap;
use crate::embedder::errors::Refused;
use crate::raw::cage::BLOCK_BYTES;
use crate::spaces::nursery::COLD_EDEN_BYTES;

/// What preparing takes at most, but for the marks of blocks that are in use: blocks to promote a cold eden into, and
/// their tables, a survivor space, stacks, the log.
const COLD_RESERVE_BYTES: u64 = 640 << 10;

impl Heap {
    /// Whether a grant of a cold eden leaves the limit enough for what its collection needs.
    pub(super) fn can_stay_cold(&self) -> bool {
        let needed = COLD_RESERVE_BYTES + self.mark_bytes() + COLD_EDEN_BYTES as u64;
        self.spaces.nursery().is_cold()
            && !self.asks_for_growth
            && self.spaces.grantable_bytes() + self.preparation_bytes() >= needed
    }

    /// Sees to it that a collection can be done.
    pub(super) fn prepare(&mut self) -> Result<(), Refused> {
        if self.spaces.nursery().is_prepared() {
            return Ok(());
        }
        self.spaces.charge_mut().set_held(0);
        let granted = self.spaces.nursery().granted();
        let prepared = self.grant_prepared(granted);
        self.charge_side();
        prepared
    }

    /// Bytes that are to be held back for what preparing will take.
    pub(super) fn preparation_bytes(&self) -> u64 {
        let nursery = self.spaces.nursery();
        let is_held = self.is_collected()
            && !self.asks_for_growth
            && !nursery.is_prepared()
            && nursery.granted() > nursery.eden_start();
        if is_held { COLD_RESERVE_BYTES + self.mark_bytes() } else { 0 }
    }

    fn mark_bytes(&self) -> u64 {
        self.spaces.blocks_high() as u64 * BLOCK_BYTES as u64 / 16
    }
}
