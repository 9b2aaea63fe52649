//! Batches: blocks of small objects that a helper sweeps while the mutator runs.
//!
//! 1. The mutator lists blocks that wait to be swept, some hundreds, and hands the list off. Nobody allocates in such
//!    a block, frees it or looks at its entry before it is merged, so a block belongs to whoever has its list.
//! 2. The helper sweeps the listed blocks in place (`spaces::holes`). What it found is in the batch: the blocks that
//!    became free, and a chain of those with holes.
//! 3. The mutator takes the batch back, never waiting in a step of the pace, *merges* it (a bit for each free block,
//!    the chain in one go) and lists the next blocks. It may sweep others meanwhile.

use crate::helper::Helpers;
use crate::helper::hand_off::{Portion, Work};
use crate::helper::shared_work::SharedWork;
use crate::raw::memory::Memory;
use crate::spaces::holes::{Swept, sweep_block};
use crate::spaces::old::OldSpace;
use std::sync::Arc;

/// Blocks that fit a batch.
const BATCH_BLOCKS_MAX: usize = 512;
/// Sizes, in blocks.
#[derive(Clone, Copy, Debug)]
pub struct BatchSizes {
    /// Most blocks of a batch, up to 512. Until it is merged, what was free in them is missing: in a third of a
    /// millisecond at best, longer if the system puts the helper aside.
    pub most: usize,
    /// A batch of less is not worth waking a helper.
    pub least: usize,
    /// What a helper sweeps between two looks at whether the batch is wanted back: some 40 us.
    pub portion: usize,
    /// Steps of the pace for which a batch waits for a helper to begin, until the mutator takes it back.
    pub patience_steps: u32,
}

impl Default for BatchSizes {
    fn default() -> BatchSizes {
        BatchSizes { most: BATCH_BLOCKS_MAX / 2, least: 32, portion: 32, patience_steps: 8 }
    }
}

/// Blocks to be swept, and what was found in those that are.
#[derive(Debug)]
pub struct Batch {
    memory: Memory,
    epoch: u8,
    poison: bool,
    sizes: BatchSizes,
    /// The first `freed` are free now, those from `next` to `end` wait to be swept.
    blocks: [u32; BATCH_BLOCKS_MAX],
    freed: usize,
    next: usize,
    end: usize,
    /// First and last of the chain of blocks with holes (index + 1), by their `next`.
    first: u32,
    last: u32,
    /// Bytes of the holes in these blocks.
    hole_bytes: u64,
    /// Blocks that a helper has swept.
    helped: usize,
}

impl Batch {
    fn new(memory: Memory) -> Batch {
        let (blocks, sizes) = ([0; BATCH_BLOCKS_MAX], BatchSizes::default());
        let (freed, next, end, first, last, hole_bytes, helped) = (0, 0, 0, 0, 0, 0, 0);
        Batch { memory, epoch: 0, poison: false, sizes, blocks, freed, next, end, first, last, hole_bytes, helped }
    }

    /// Lists a block of small objects that is not swept yet. False if there is no room.
    pub fn push(&mut self, block: u32) -> bool {
        let has_room = !self.is_full();
        if has_room {
            self.blocks[self.end] = block;
            self.end += 1;
        }
        has_room
    }

    /// Blocks that wait to be swept.
    pub fn left(&self) -> usize {
        self.end - self.next
    }

    /// Whether no more blocks can be listed.
    pub fn is_full(&self) -> bool {
        self.end >= self.sizes.most
    }

    /// Sweeps up to `count` of the listed blocks. Returns how many.
    pub fn sweep_some(&mut self, count: usize) -> usize {
        let start = self.next;
        let end = self.end.min(self.next.saturating_add(count));
        while self.next < end {
            let block = self.blocks[self.next];
            self.next += 1;
            match sweep_block(self.memory, self.epoch, self.poison, block) {
                Swept::Free => {
                    self.blocks[self.freed] = block;
                    self.freed += 1;
                }
                Swept::Holes(bytes) => {
                    self.hole_bytes += bytes as u64;
                    match self.last {
                        0 => self.first = block + 1,
                        last => self.memory.block(last - 1).set_next(block + 1),
                    }
                    self.last = block + 1;
                }
                Swept::Full => {}
            }
        }
        end - start
    }

    /// Hands what was found over to the old space.
    pub fn merge(&mut self, old: &mut OldSpace) -> Merged {
        let swept = self.next;
        old.release_swept(&self.blocks[..self.freed]);
        old.add_recyclable(self.first, self.last, std::mem::take(&mut self.hole_bytes));
        self.blocks.copy_within(self.next..self.end, 0);
        (self.end, self.next, self.freed, self.first, self.last) = (self.left(), 0, 0, 0, 0);
        Merged { swept: swept as u32, helped: std::mem::take(&mut self.helped) as u64 }
    }
}

/// What merging a batch found.
#[derive(Clone, Copy, Debug)]
pub struct Merged {
    /// Listed blocks that were swept: they are the old space's now.
    pub swept: u32,
    /// Number of those blocks that a helper has swept.
    pub helped: u64,
}

impl Work<()> for Batch {
    fn take_in(&mut self, (): &mut ()) -> bool {
        false
    }

    fn portion(&mut self) -> Portion {
        self.helped += self.sweep_some(self.sizes.portion);
        if self.left() == 0 { Portion::Empty } else { Portion::More }
    }

    fn progress(&self) -> u64 {
        self.next as u64
    }
}

/// The batch of a heap, held by the mutator or handed off.
#[derive(Debug)]
pub struct Batches {
    shared: SharedWork<Batch, ()>,
    /// Steps for which the batch has waited for a helper to begin.
    waited: u32,
}

impl Batches {
    /// An empty batch, held by the mutator.
    pub fn new(memory: Memory, helpers: Option<Arc<Helpers>>) -> Batches {
        Batches { shared: SharedWork::new(Batch::new(memory), (), helpers), waited: 0 }
    }

    /// The batch, whoever has it.
    pub fn shared(&self) -> &SharedWork<Batch, ()> {
        &self.shared
    }

    /// Whether the mutator holds the batch.
    pub fn is_held(&self) -> bool {
        self.shared.held().is_some()
    }

    /// Sets the sizes (tests).
    #[cfg(feature = "test-hooks")]
    pub fn set_sizes(&mut self, sizes: BatchSizes) {
        self.take_back().sizes = sizes;
    }

    /// Whether enough is listed for a helper to be woken.
    pub fn is_worth_handing_off(&self) -> bool {
        self.shared.held().is_some_and(|batch| batch.left() >= batch.sizes.least)
    }

    /// The batch, if the mutator holds it.
    pub fn held_mut(&mut self) -> Option<&mut Batch> {
        self.shared.held_mut()
    }

    /// A marking ended: its epoch is that of the blocks to come.
    pub fn begin(&mut self, epoch: u8, poison: bool) {
        let batch = self.take_back();
        debug_assert_eq!(batch.end, 0, "the last sweep has ended");
        (batch.epoch, batch.poison) = (epoch, poison);
    }

    /// The batch, if the mutator holds it or a helper is through with it. If `now`, or if no helper has begun with it
    /// for a while, it is taken back before a helper begins. Never waits.
    pub fn try_take_back(&mut self, now: bool) -> Option<&mut Batch> {
        if !self.is_held() {
            let waited = self.waited;
            self.waited = waited.saturating_add(1);
            return self.shared.try_take_back_if(|batch| now || batch.next > 0 || waited >= batch.sizes.patience_steps);
        }
        self.held_mut()
    }

    /// The batch; waits for the end of a helper's portion if need be.
    pub fn take_back(&mut self) -> &mut Batch {
        self.shared.take_back()
    }

    /// Hands the batch off to a helper, if there are any.
    pub fn hand_off(&mut self) {
        let waited = &mut self.waited;
        self.shared.hand_off(|_| *waited = 0);
    }
}
