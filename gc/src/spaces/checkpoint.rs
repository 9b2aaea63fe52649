//! Spaces as a file, and back: what a checkpoint of a heap holds of them, and how they come to be like that again.
//!
//! 1. *Freeze*: the nursery is empty and everything is swept. The immortal space and all blocks in use are copied to a
//!    file, at the offsets that they have, and then mapped from there, copy-on-write. The blocks are frozen from then
//!    on (`raw::block::FROZEN`): the collector writes neither their marks nor their entries.
//! 2. *Restore*: what was written to the pages of the file is forgotten, and all other blocks are freed. So entries and
//!    marks of frozen blocks are as they were without anybody writing them.
//! 3. *Load*: spaces in which nothing is in use, or has to be any more, become those of a file.
//! 4. *Thaw*: frozen blocks are ordinary ones again. Their pages stay copy-on-write until they are given back.

use super::Spaces;
use super::blocks::BlockRun;
use super::immortal::ImmortalExtent;
use crate::embedder::errors::Refused;
use crate::raw::backing::{FrozenFile, PAGE_BYTES};
#[cfg(feature = "test-hooks")]
use crate::raw::cage::BLOCK_BYTES;

/// The spaces of a checkpoint.
#[derive(Debug)]
pub struct FrozenSpaces {
    is_sparse: bool,
    file: FrozenFile,
    /// All blocks in use, and which of them hold a large object.
    runs: Vec<BlockRun>,
    large: Vec<BlockRun>,
    /// What is charged for the blocks.
    charged_bytes: u64,
    immortal: ImmortalExtent,
    immortal_objects: Vec<u32>,
}

fn page_up(offset: u64) -> u64 {
    offset.next_multiple_of(PAGE_BYTES as u64)
}

impl FrozenSpaces {
    /// Where the immortal space ends, as a reference.
    pub fn immortal_end(&self) -> u32 {
        (self.immortal.top / 4) as u32
    }

    /// Whether it is of a sparse cage: only such a cage has the immortal space where it is.
    pub fn is_sparse(&self) -> bool {
        self.is_sparse
    }

    /// Bytes of memory that the blocks and the immortal space span.
    pub fn bytes(&self) -> u64 {
        self.ranges().map(|range| range.1).sum()
    }

    /// What is mapped: offsets from the base, with their bytes.
    fn ranges(&self) -> impl Iterator<Item = (u64, u64)> {
        let start = self.immortal.start;
        let immortal = (start, page_up(self.immortal.top) - start);
        std::iter::once(immortal)
            .filter(|range| range.1 > 0)
            .chain(self.runs.iter().map(|run| (run.offset(), run.bytes())))
    }
}

impl Spaces {
    /// Step 1.
    ///
    /// # Errors
    /// The system refuses; nothing is frozen then, and nothing has changed.
    pub fn freeze(&mut self) -> Result<FrozenSpaces, Refused> {
        self.old.retire();
        if self.cage.has_file_pages() {
            // Free blocks would keep the pages of an older file.
            self.trim(0, u32::MAX);
        }
        let blocks = self.old.blocks();
        let runs = blocks.used_runs();
        let (large, charged_bytes) = (blocks.large_objects(&runs), blocks.charged_bytes(&runs));
        let immortal = self.immortal.extent();
        let immortal_objects = self.immortal.objects().to_vec();
        let end = runs.last().map_or(page_up(immortal.top), |run| run.offset() + run.bytes());
        let file = self.cage.freeze_file(end)?;
        let is_sparse = self.cage.shape().is_sparse;
        let frozen = FrozenSpaces { is_sparse, file, runs, large, charged_bytes, immortal, immortal_objects };
        for (offset, bytes) in frozen.ranges() {
            self.cage.freeze(&frozen.file, offset, bytes)?;
        }
        // A page holds the same bytes before and afterwards.
        for (offset, bytes) in frozen.ranges() {
            self.cage.map(&frozen.file, offset, bytes)?;
        }
        self.old.blocks_mut().freeze(&frozen.runs);
        Ok(frozen)
    }

    /// Step 2, where `frozen` is what was frozen or loaded last, and not thawed since. The nursery is empty, no marking
    /// or sweep is under way.
    ///
    /// # Errors
    /// The system refuses. Then what lies in the spaces is of no use, until the same is done again.
    pub fn restore(&mut self, frozen: &FrozenSpaces) -> Result<(), Refused> {
        self.old.retire();
        for (offset, bytes) in frozen.ranges() {
            self.cage.restore(offset, bytes)?;
        }
        self.clear_immortal_from(page_up(frozen.immortal.top))?;
        let poison = self.old.poisons();
        self.old.blocks_mut().free_unfrozen(&mut self.cage, &mut self.charge, poison);
        self.immortal.truncate(&frozen.immortal);
        Ok(())
    }

    /// Step 3. The nursery is empty, no marking or sweep is under way.
    ///
    /// # Errors
    /// The limit or the system refuses. Then the spaces are of no use, until something is loaded.
    pub fn load(&mut self, frozen: &FrozenSpaces) -> Result<(), Refused> {
        self.old.retire();
        let (poison, epoch) = (self.old.poisons(), self.old.epoch());
        let blocks = self.old.blocks_mut();
        blocks.thaw(epoch);
        blocks.free_unfrozen(&mut self.cage, &mut self.charge, poison);
        blocks.trim(&mut self.cage, &mut self.charge, 0, u32::MAX);
        if self.is_spoilt || blocks.ready_count() > 0 || !self.charge.take(frozen.charged_bytes) {
            return Err(Refused::Limit);
        }
        let loaded = self.load_pages(frozen);
        if loaded.is_err() {
            self.charge.give_back(frozen.charged_bytes);
            // Blocks that are free and not ready have to read as zero.
            let high = self.old.blocks().high();
            for run in frozen.runs.iter().filter(|run| run.start + run.count <= high) {
                self.is_spoilt |= self.cage.discard(run.offset(), run.bytes()).is_err();
            }
        }
        loaded
    }

    fn load_pages(&mut self, frozen: &FrozenSpaces) -> Result<(), Refused> {
        self.old.blocks_mut().make_tables(&mut self.cage, &mut self.charge, &frozen.runs)?;
        let (used_before, objects) = (self.immortal.extent().top, &frozen.immortal_objects);
        self.immortal.install(&mut self.cage, &mut self.charge, &frozen.immortal, objects)?;
        for (offset, bytes) in frozen.ranges() {
            self.cage.map(&frozen.file, offset, bytes)?;
        }
        let end = page_up(frozen.immortal.top);
        if page_up(used_before) > end {
            self.cage.discard(end, page_up(used_before) - end)?;
        }
        self.old.blocks_mut().install(&frozen.runs, &frozen.large);
        Ok(())
    }

    fn clear_immortal_from(&mut self, start: u64) -> Result<(), Refused> {
        let end = page_up(self.immortal.extent().top);
        if end > start {
            self.cage.discard(start, end - start)?;
        }
        Ok(())
    }

    /// Pages of frozen blocks that this heap has copies of.
    #[cfg(feature = "test-hooks")]
    pub fn private_frozen_pages(&self) -> usize {
        let runs = self.old.blocks().used_runs();
        let blocks = runs.iter().flat_map(|run| run.start..run.start + run.count);
        let frozen = blocks.filter(|block| self.memory.block(*block).is_frozen());
        frozen
            .map(|block| self.cage.private_pages(BlockRun { start: block, count: 1 }.offset(), BLOCK_BYTES as u64))
            .sum()
    }

    /// Step 4. No marking is under way.
    pub fn thaw(&mut self) {
        let epoch = self.old.epoch();
        self.old.blocks_mut().thaw(epoch);
    }
}
