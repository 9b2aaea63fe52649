//! Spaces as a file, and back: what a checkpoint of a heap holds of them, and how they come to be like that again.
//!
//! 1. *Freeze*: the nursery is empty and everything is swept. The immortal space and all blocks in use are copied to a
//!    file, one behind the other, and then mapped from there, copy-on-write. The blocks are frozen from then
//!    on (`raw::block::FROZEN`): the collector writes neither their marks nor their entries.
//! 2. *Restore*: what was written to the pages of the file is forgotten, and all other blocks are freed. So entries and
//!    marks of frozen blocks are as they were without anybody writing them.
//! 3. *Load*: spaces in which nothing is in use, or has to be any more, become those of a file.
//! 4. *Thaw*: frozen blocks are ordinary ones again. Their pages stay copy-on-write until they are given back.

use super::Spaces;
use super::blocks::BlockRun;
use super::immortal::ImmortalExtent;
use crate::embedder::errors::Refused;
use crate::raw::backing::{BackingError, FrozenFile, PAGE_BYTES};
#[cfg(feature = "test-hooks")]
use crate::raw::cage::BLOCK_BYTES;
use std::sync::Arc;

/// Bytes that are read at once.
const READ_BYTES: usize = 1 << 20;

/// The spaces of a checkpoint.
#[derive(Debug)]
pub struct FrozenSpaces {
    places: FrozenPlaces,
    /// Pages of the immortal space, from the beginning of the file on.
    immortal_file: Arc<FrozenFile>,
    /// Pages of the blocks, and where they begin in the file.
    block_file: Arc<FrozenFile>,
    blocks_at: u64,
}

/// Where in a cage the spaces of a checkpoint lie.
#[derive(Clone, Debug)]
pub struct FrozenPlaces {
    /// Whether the cage is a sparse one.
    pub is_sparse: bool,
    /// All blocks in use.
    pub runs: Vec<BlockRun>,
    /// Which of them hold a large object.
    pub large: Vec<BlockRun>,
    /// What is charged for the blocks.
    pub charged_bytes: u64,
    /// The immortal space.
    pub immortal: ImmortalExtent,
    /// The objects of the immortal space, as far as they are known.
    pub immortal_objects: Vec<u32>,
}

/// A range of what is mapped.
struct Range<'f> {
    /// Offset in the cage, in bytes from the base.
    offset: u64,
    bytes: u64,
    file: &'f FrozenFile,
    /// Offset in the file, in bytes.
    at: u64,
}

fn page_up(offset: u64) -> u64 {
    offset.next_multiple_of(PAGE_BYTES as u64)
}

impl FrozenPlaces {
    /// Bytes of whole pages that the immortal space takes.
    pub fn immortal_bytes(&self) -> u64 {
        page_up(self.immortal.top) - self.immortal.start
    }

    /// Bytes of all blocks.
    pub fn block_bytes(&self) -> u64 {
        self.runs.iter().map(|run| run.bytes()).sum()
    }
}

impl FrozenSpaces {
    /// What lies in these places, as files of whole pages.
    pub fn of_files(places: FrozenPlaces, immortal: FrozenFile, blocks: FrozenFile) -> FrozenSpaces {
        assert!(immortal.bytes() >= places.immortal_bytes() && blocks.bytes() >= places.block_bytes(), "short files");
        FrozenSpaces { places, immortal_file: Arc::new(immortal), block_file: Arc::new(blocks), blocks_at: 0 }
    }

    /// Where in the cage the spaces lie.
    pub fn places(&self) -> &FrozenPlaces {
        &self.places
    }

    /// Where the immortal space ends, as a reference.
    pub fn immortal_end(&self) -> u32 {
        (self.places.immortal.top / 4) as u32
    }

    /// Whether it is of a sparse cage: only such a cage has the immortal space where it is.
    pub fn is_sparse(&self) -> bool {
        self.places.is_sparse
    }

    /// Bytes of memory that the blocks and the immortal space span.
    pub fn bytes(&self) -> u64 {
        self.places.immortal_bytes() + self.places.block_bytes()
    }

    /// Reads pages of the immortal space and then of the blocks, as if they were one file.
    ///
    /// # Errors
    /// The system refuses.
    pub fn read(&self, visit: &mut dyn FnMut(&[u8])) -> Result<(), BackingError> {
        let mut buffer = vec![0; READ_BYTES];
        for Range { bytes, file, at, .. } in self.ranges() {
            for start in (0..bytes).step_by(READ_BYTES) {
                let part = &mut buffer[..(bytes - start).min(READ_BYTES as u64) as usize];
                file.read(part, at + start)?;
                visit(part);
            }
        }
        Ok(())
    }

    /// What is mapped.
    fn ranges(&self) -> impl Iterator<Item = Range<'_>> {
        let (offset, bytes) = (self.places.immortal.start, self.places.immortal_bytes());
        let immortal = Range { offset, bytes, file: &self.immortal_file, at: 0 };
        let mut next = self.blocks_at;
        let blocks = self.places.runs.iter().map(move |run| {
            let at = next;
            next += run.bytes();
            Range { offset: run.offset(), bytes: run.bytes(), file: &self.block_file, at }
        });
        std::iter::once(immortal).filter(|range| range.bytes > 0).chain(blocks)
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
        let is_sparse = self.cage.shape().is_sparse;
        let places = FrozenPlaces { is_sparse, runs, large, charged_bytes, immortal, immortal_objects };
        let blocks_at = places.immortal_bytes();
        let file = Arc::new(self.cage.freeze_file(blocks_at + places.block_bytes())?);
        let frozen = FrozenSpaces { places, immortal_file: file.clone(), block_file: file, blocks_at };
        for Range { offset, bytes, file, at } in frozen.ranges() {
            self.cage.freeze(file, at, offset, bytes)?;
        }
        // A page holds the same bytes before and afterwards.
        for Range { offset, bytes, file, at } in frozen.ranges() {
            self.cage.map(file, at, offset, bytes)?;
        }
        self.old.blocks_mut().freeze(&frozen.places.runs);
        Ok(frozen)
    }

    /// Step 2, where `frozen` is what was frozen or loaded last, and not thawed since. The nursery is empty, no marking
    /// or sweep is under way.
    ///
    /// # Errors
    /// The system refuses. Then what lies in the spaces is of no use, until the same is done again.
    pub fn restore(&mut self, frozen: &FrozenSpaces) -> Result<(), Refused> {
        self.old.retire();
        for Range { offset, bytes, .. } in frozen.ranges() {
            self.cage.restore(offset, bytes)?;
        }
        self.clear_immortal_from(page_up(frozen.places.immortal.top))?;
        let poison = self.old.poisons();
        self.old.blocks_mut().free_unfrozen(&mut self.cage, &mut self.charge, poison);
        self.immortal.truncate(&frozen.places.immortal);
        Ok(())
    }

    /// Step 3. The nursery is empty, no marking or sweep is under way.
    ///
    /// # Errors
    /// The limit or the system refuses. Then the spaces are of no use, until something is loaded.
    pub fn load(&mut self, frozen: &FrozenSpaces) -> Result<(), Refused> {
        let places = &frozen.places;
        self.old.retire();
        let (poison, epoch) = (self.old.poisons(), self.old.epoch());
        let blocks = self.old.blocks_mut();
        blocks.thaw(epoch);
        blocks.free_unfrozen(&mut self.cage, &mut self.charge, poison);
        blocks.trim(&mut self.cage, &mut self.charge, 0, u32::MAX);
        if self.is_spoilt || blocks.kept_count() > 0 || !self.charge.take(places.charged_bytes) {
            return Err(Refused::Limit);
        }
        let loaded = self.load_pages(frozen);
        if loaded.is_err() {
            self.charge.give_back(places.charged_bytes);
            // Blocks that are free and not ready have to read as zero.
            let high = self.old.blocks().high();
            for run in places.runs.iter().filter(|run| run.start + run.count <= high) {
                self.is_spoilt |= self.cage.discard(run.offset(), run.bytes()).is_err();
            }
        }
        loaded
    }

    fn load_pages(&mut self, frozen: &FrozenSpaces) -> Result<(), Refused> {
        let places = &frozen.places;
        self.old.blocks_mut().make_tables(&mut self.cage, &mut self.charge, &places.runs)?;
        let (used_before, objects) = (self.immortal.extent().top, &places.immortal_objects);
        self.immortal.install(&mut self.cage, &mut self.charge, &places.immortal, objects)?;
        for Range { offset, bytes, file, at } in frozen.ranges() {
            self.cage.map(file, at, offset, bytes)?;
        }
        let end = page_up(places.immortal.top);
        if page_up(used_before) > end {
            self.cage.discard(end, page_up(used_before) - end)?;
        }
        self.old.blocks_mut().install(&places.runs, &places.large);
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
