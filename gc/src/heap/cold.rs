//! Cold heaps: those that have never collected, and have nothing of what a collection needs.
//!
//! 1. Most stores live for a call: they fill some pages of eden, and go. Marks, stacks, survivor spaces and the blocks
//!    to promote into would be most of what they cost, in memory, mappings and time. So eden is cold at first
//!    (`spaces::nursery`), and the first collection, whatever asks for it, prepares itself.
//! 2. The limit never refuses that: what it takes is held back from the first allocation on ([`COLD_RESERVE_BYTES`]). A
//!    heap that asks before it grows, or that has more than a few old objects, is prepared ahead.
//! 3. The system may. Then there is no collection: the heap is as good as one that does not collect, and an allocation
//!    that does not fit what was granted is `Exhausted` and says what the system refused. The next one tries again.

use super::Heap;
use crate::embedder::errors::Refused;
use crate::raw::cage::BLOCK_BYTES;
use crate::spaces::nursery::COLD_EDEN_BYTES;

/// What preparing takes at most: blocks to promote a cold eden into, marks and other tables of those and of the ones in
/// use, a survivor space, stacks, the log.
const COLD_RESERVE_BYTES: u64 = 704 << 10;

/// Blocks that a cold heap may have: the first segment's. Larger heaps will collect.
const COLD_BLOCKS_MAX: u32 = 32;

impl Heap {
    /// Whether the limit has enough left for a cold eden and what its collection needs.
    pub(super) fn can_stay_cold(&self) -> bool {
        let needed = COLD_RESERVE_BYTES + COLD_EDEN_BYTES as u64;
        let left = self.spaces.grantable_bytes() + self.preparation_bytes();
        let is_small = self.spaces.nursery().is_cold() && self.spaces.blocks_high() <= COLD_BLOCKS_MAX;
        is_small && !self.asks_for_growth && left >= needed
    }

    /// Before `bytes` are taken in the old space: a cold heap holds back what its first collection needs, or is
    /// prepared for it if it will not stay small.
    pub(super) fn hold_or_prepare(&mut self, bytes: u64) -> Result<(), Refused> {
        if self.spaces.nursery().is_prepared() {
            return Ok(());
        }
        if bytes > BLOCK_BYTES as u64 || !self.can_stay_cold() {
            return self.prepare();
        }
        self.spaces.charge_mut().set_held(COLD_RESERVE_BYTES);
        Ok(())
    }

    /// Makes ready what a collection needs, unless it is ready.
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
        let is_used = nursery.granted() > nursery.eden_start() || self.spaces.blocks_high() > 0;
        let is_held = self.is_collected() && !self.asks_for_growth && !nursery.is_prepared() && is_used;
        if is_held { COLD_RESERVE_BYTES } else { 0 }
    }
}
