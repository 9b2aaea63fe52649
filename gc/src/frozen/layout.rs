//! A heap image without its pages, as numbers: what has to be kept beside the pages for another process.

use super::HeapImage;
use crate::embedder::types::TypeTable;
use crate::raw::backing::{BackingError, FrozenFile, PAGE_BYTES};
use crate::raw::cage::{BLOCKS_MAX, OLD_START};
use crate::spaces::blocks::BlockRun;
use crate::spaces::checkpoint::{FrozenPlaces, FrozenSpaces};
use crate::spaces::immortal::ImmortalExtent;
use crate::weak::FrozenCells;
use heapwood_gc_abi::RawRef;
use std::sync::Arc;

/// Where in a cage the objects of an image lie. Its pages follow each other: those of the immortal space, then those of
/// the blocks.
#[derive(Clone, Debug)]
pub struct HeapLayout {
    places: FrozenPlaces,
    cells: FrozenCells,
    /// Where the pages of each run of blocks begin, behind those of the immortal space.
    starts: Vec<u64>,
}

impl HeapImage {
    /// Where the parts of the image lie, as plain data.
    pub fn layout(&self) -> HeapLayout {
        HeapLayout::new(self.spaces().places().clone(), self.cells().clone())
    }

    /// An image whose pages are those of two files, which have as many as the layout says. `types` are those that its
    /// headers name.
    ///
    /// # Panics
    /// If a file is too short.
    pub fn of_files(layout: HeapLayout, immortal: FrozenFile, blocks: FrozenFile, types: Arc<TypeTable>) -> HeapImage {
        HeapImage::new(FrozenSpaces::of_files(layout.places, immortal, blocks), layout.cells, types)
    }

    /// Reads all pages, in their order.
    ///
    /// # Errors
    /// The system refuses.
    pub fn read_pages(&self, visit: &mut dyn FnMut(&[u8])) -> Result<(), BackingError> {
        self.spaces().read(visit)
    }
}

/// Numbers that are read one by one; none when they are used up.
struct Words<'w>(&'w [u64]);

impl Words<'_> {
    fn next(&mut self) -> Option<u64> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn next_u32(&mut self) -> Option<u32> {
        u32::try_from(self.next()?).ok()
    }

    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let len = usize::try_from(self.next()?).ok().filter(|len| *len <= self.0.len())?;
        (0..len).map(|_| item(self)).collect()
    }

    fn runs(&mut self) -> Option<Vec<BlockRun>> {
        self.list(|words| Some(BlockRun { start: words.next_u32()?, count: words.next_u32()? }))
    }

    fn references(&mut self) -> Option<Vec<u32>> {
        self.list(Words::next_u32)
    }
}

fn put_runs(words: &mut Vec<u64>, runs: &[BlockRun]) {
    words.push(runs.len() as u64);
    words.extend(runs.iter().flat_map(|run| [run.start, run.count]).map(u64::from));
}

fn put_references(words: &mut Vec<u64>, references: &[u32]) {
    words.push(references.len() as u64);
    words.extend(references.iter().copied().map(u64::from));
}

impl HeapLayout {
    fn new(places: FrozenPlaces, cells: FrozenCells) -> HeapLayout {
        let mut next = places.immortal_bytes();
        let starts = places.runs.iter().map(|run| {
            let start = next;
            next += run.bytes();
            start
        });
        let starts = starts.collect();
        HeapLayout { places, cells, starts }
    }

    /// The layout as a list of numbers, for a file.
    pub fn words(&self) -> Vec<u64> {
        let FrozenPlaces { is_sparse, ref runs, ref large, charged_bytes, immortal, ref immortal_objects } =
            self.places;
        let ImmortalExtent { start, top, committed, objects } = immortal;
        let mut words = vec![u64::from(is_sparse), charged_bytes, start, top, committed, objects as u64];
        put_runs(&mut words, runs);
        put_runs(&mut words, large);
        put_references(&mut words, immortal_objects);
        let [hosts, weak, ephemerons] = self.cells.lists();
        [hosts, weak, ephemerons].into_iter().for_each(|list| put_references(&mut words, list));
        words
    }

    /// The layout of these numbers; none if no heap has it.
    pub fn of_words(words: &[u64]) -> Option<HeapLayout> {
        let mut words = Words(words);
        let is_sparse = words.next()? == 1;
        let charged_bytes = words.next()?;
        let (start, top, committed) = (words.next()?, words.next()?, words.next()?);
        let immortal = ImmortalExtent { start, top, committed, objects: usize::try_from(words.next()?).ok()? };
        let (runs, large, immortal_objects) = (words.runs()?, words.runs()?, words.references()?);
        let lists = [words.references()?, words.references()?, words.references()?];
        let places = FrozenPlaces { is_sparse, runs, large, charged_bytes, immortal, immortal_objects };
        let is_whole = words.0.is_empty() && is_possible(&places);
        let layout = is_whole.then(|| HeapLayout::new(places, FrozenCells::of_lists(lists)))?;
        let is_inside = layout.cells().all(|cell| layout.position(cell).is_some());
        is_inside.then_some(layout)
    }

    /// Where what was handed out of the immortal space ends, in bytes from the base.
    pub fn immortal_end(&self) -> u64 {
        self.places.immortal.top
    }

    /// Bytes of the pages of the immortal space.
    pub fn immortal_bytes(&self) -> u64 {
        self.places.immortal_bytes()
    }

    /// Bytes of the pages of the blocks.
    pub fn block_bytes(&self) -> u64 {
        self.places.block_bytes()
    }

    /// Where an object lies in the pages; none of what lies in none of them.
    pub fn position(&self, object: RawRef) -> Option<u64> {
        let offset = u64::from(object) * 4;
        let ImmortalExtent { start, top, .. } = self.places.immortal;
        if object & 1 != 0 {
            return None;
        }
        if (start..top).contains(&offset) {
            return Some(offset - start);
        }
        let run = self.places.runs.partition_point(|run| run.offset() <= offset).checked_sub(1)?;
        let inside = offset - self.places.runs[run].offset();
        (inside < self.places.runs[run].bytes()).then(|| self.starts[run] + inside)
    }

    /// The cells of host values, weak cells and ephemerons.
    pub fn cells(&self) -> impl Iterator<Item = RawRef> {
        self.cells.lists().into_iter().flatten().copied()
    }
}

fn is_possible(places: &FrozenPlaces) -> bool {
    let ImmortalExtent { start, top, committed, objects } = places.immortal;
    let is_page = |offset: u64| offset.is_multiple_of(PAGE_BYTES as u64);
    let mut end = 0;
    let mut follow = places.runs.iter().all(|run| {
        let is_next = run.start >= end && run.count > 0 && run.count <= BLOCKS_MAX - run.start.min(BLOCKS_MAX);
        end = run.start.saturating_add(run.count);
        is_next
    });
    let contains = |run: &BlockRun, object: &BlockRun| {
        run.start <= object.start
            && object.count > 0
            && object.count <= (run.start + run.count) - object.start.min(run.start + run.count)
    };
    follow &= places.large.iter().all(|object| {
        let run = places.runs.partition_point(|run| run.start <= object.start).checked_sub(1);
        run.is_some_and(|run| contains(&places.runs[run], object))
    });
    let immortal = start <= top && top <= committed && committed <= OLD_START && is_page(start) && is_page(committed);
    follow && immortal && objects == places.immortal_objects.len()
}
