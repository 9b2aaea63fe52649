//! Runs of blocks that large objects take and leave.

use super::{ALL, Blocks, NONE, SOME, block_start, offset_of, page_bytes};
use crate::embedder::errors::Refused;
use crate::raw::block::BlockState;
use crate::raw::cage::{BLOCK_BYTES, BLOCKS_MAX, Cage};
use crate::spaces::charge::Charge;
use heapwood_gc_abi::{Mutant, active};
use std::ops::Range;

/// Larger objects neither leave blocks with pages nor look for them.
const KEPT_RUN_BYTES_MAX: u64 = 256 << 10;

impl Blocks {
    /// Takes a run of blocks for a large object of `bytes`, whose memory reads as zero. Minors need `reserved` blocks
    /// that are ready.
    pub fn take_run(
        &mut self,
        cage: &mut Cage,
        charge: &mut Charge,
        bytes: u64,
        epoch: u8,
        reserved: u32,
    ) -> Result<u32, Refused> {
        let count = u32::try_from(bytes.div_ceil(BLOCK_BYTES as u64)).map_err(|_| Refused::Limit)?;
        let charged = page_bytes(bytes);
        if !charge.take(charged) {
            return Err(Refused::Limit);
        }
        let run = match self.find_run(bytes, count, reserved) {
            Some(start) => Ok(start),
            None => self.grow_for_run(cage, charge, count),
        };
        let start = match run {
            Ok(start) => start,
            Err(refused) => {
                charge.give_back(charged);
                return Err(refused);
            }
        };
        for block in start..start + count {
            let pages = if self.is_ready(block) { ALL } else { self.is_lean(block) as u32 * SOME };
            if pages != NONE {
                // Such a block was charged as a whole so far, and holds whatever was there before.
                charge.give_back(BLOCK_BYTES as u64);
                let left = bytes - (block - start) as u64 * BLOCK_BYTES as u64;
                if !active(Mutant::ReadyRunNotZeroed) {
                    self.memory.zero_object(block_start(block), left.min(BLOCK_BYTES as u64) as u32);
                }
            }
            self.clear_free(block);
            let state = if block == start { BlockState::LargeHead } else { BlockState::LargeTail };
            let entry = self.memory.block(block);
            entry.clear();
            entry.set_epoch(epoch);
            entry.set_first_hole(pages);
            entry.set_state(state);
        }
        self.memory.block(start).set_next(count);
        Ok(start)
    }

    /// Undoes [`Blocks::take_run`] while nothing was written there: what was ready is ready again, without asking the
    /// system.
    pub fn untake_run(&mut self, charge: &mut Charge, start: u32, bytes: u64) {
        charge.give_back(page_bytes(bytes));
        for block in start..start + self.memory.block(start).next() {
            let pages = self.memory.block(block).first_hole();
            // The run's last block was charged by pages. If others took the rest meanwhile, it is not kept, and has to
            // read as zero.
            let is_kept = pages != NONE && charge.take_again(BLOCK_BYTES as u64);
            if pages != NONE && !is_kept {
                self.memory.zero_object(block_start(block), BLOCK_BYTES);
            }
            self.set_free(block, is_kept && pages == ALL);
            if is_kept && pages == SOME {
                self.set_lean(block);
            }
        }
    }

    fn grow_for_run(&mut self, cage: &mut Cage, charge: &mut Charge, count: u32) -> Result<u32, Refused> {
        let mut free_tail = 0;
        while free_tail < self.high && self.is_free(self.high - 1 - free_tail) {
            free_tail += 1;
        }
        let start = self.high - free_tail;
        self.grow(cage, charge, count - free_tail)?;
        Ok(start)
    }

    /// Free blocks for an object of `bytes` that takes `count` of them: preferably ready ones that no minor needs,
    /// where it fills them, or, for a larger object, ones that are not ready. The highest such run.
    fn find_run(&self, bytes: u64, count: u32, reserved: u32) -> Option<u32> {
        if self.free_count < count {
            return None;
        }
        let (free, ready) = (self.free.as_slice(), self.ready.as_slice());
        let preferred = if bytes > KEPT_RUN_BYTES_MAX {
            self.highest_run(|word| free[word] & !ready[word], count, count)
        } else if count <= self.ready_count.saturating_sub(reserved) {
            self.highest_run(|word| ready[word], filled_blocks(bytes), count)
        } else {
            None
        };
        preferred.or_else(|| self.highest_run(|word| free[word], count, count))
    }

    /// The highest run of `count` free blocks whose first `chosen` are in a map, given by its words.
    fn highest_run(&self, map: impl Fn(usize) -> u64, chosen: u32, count: u32) -> Option<u32> {
        let (mut block, mut found) = (self.high, 0);
        while block > 0 {
            if found == 0 && block.is_multiple_of(64) && map(block as usize / 64 - 1) == 0 {
                block -= 64;
                continue;
            }
            block -= 1;
            found = if map(block as usize / 64) >> (block % 64) & 1 != 0 { found + 1 } else { 0 };
            let is_free = |other| other < self.high && self.is_free(other);
            if found >= chosen && (block + chosen..block + count).all(is_free) {
                return Some(block);
            }
        }
        None
    }

    /// Frees the run of a large object whose size is `bytes`, or what is left of it, but for its first `kept` blocks.
    /// Of a small enough one they are ready or lean afterwards, unless `kept_max` blocks are then; the pages of others
    /// go back.
    pub fn release_run(
        &mut self,
        cage: &mut Cage,
        charge: &mut Charge,
        start: u32,
        kept: u32,
        bytes: u64,
        kept_max: u32,
    ) {
        let count = self.memory.block(start).next();
        // The object's last page may have been left out of the charge for its last block.
        let block_bytes = |blocks: u32| blocks as u64 * BLOCK_BYTES as u64;
        charge.give_back(page_bytes(bytes).min(block_bytes(count)) - block_bytes(kept));
        self.memory.block(start).set_next(kept);
        let (from, end) = (start + kept, start + count);
        let from = if bytes > KEPT_RUN_BYTES_MAX || cage.has_file_pages() {
            // Pages of a file that nobody needs any more go back.
            from
        } else {
            self.keep_blocks(cage, charge, from..end, start + filled_blocks(bytes), kept_max)
        };
        if from == end {
            return;
        }
        let discarded = cage.discard(offset_of(from), block_bytes(end - from)).is_ok();
        for block in from..end {
            // If the system did not take the pages back, they are ready (and charged) as long as the limit allows.
            let ready = !discarded && charge.take(BLOCK_BYTES as u64);
            if !discarded && !ready {
                self.memory.zero_object(block_start(block), BLOCK_BYTES);
            }
            self.set_free(block, ready);
        }
    }

    /// Frees blocks of a run, which are not charged any more, and keeps their pages, the first ones as far as there may
    /// be so many: those below `filled` are ready then. Returns the first one that is not freed.
    fn keep_blocks(
        &mut self,
        cage: &mut Cage,
        charge: &mut Charge,
        blocks: Range<u32>,
        filled: u32,
        kept_max: u32,
    ) -> u32 {
        let affordable = (charge.grantable_bytes() / BLOCK_BYTES as u64).min(BLOCKS_MAX as u64) as u32;
        let count = (blocks.len() as u32).min(kept_max.saturating_sub(self.kept_count())).min(affordable);
        let end = blocks.start + count;
        let ready_end = end.min(filled.max(blocks.start));
        if count == 0 || !charge.take(count as u64 * BLOCK_BYTES as u64) {
            return blocks.start;
        }
        // Blocks that had no pages when the run was taken lack those that nobody wrote.
        let lacks_pages = (blocks.start..ready_end).any(|block| self.memory.block(block).first_hole() == NONE);
        let ready_bytes = (ready_end - blocks.start) as u64 * BLOCK_BYTES as u64;
        let is_ready = !lacks_pages || cage.populate(offset_of(blocks.start), ready_bytes).is_ok();
        for block in blocks.start..end {
            let ready = is_ready && block < ready_end;
            self.set_free(block, ready);
            if !ready {
                self.set_lean(block);
            }
        }
        end
    }
}

/// Blocks that a large object of `bytes` fills.
fn filled_blocks(bytes: u64) -> u32 {
    (page_bytes(bytes) / BLOCK_BYTES as u64) as u32
}
