//! Tables: references, a cell that tells compiled code where they are, and what the collector has to look at.

use crate::errors::{Error, Result};
use crate::rt::cells::Block;
use crate::store::checkpoint::{Reader, Writer};
use heapwood_gc::Heap;
use heapwood_gc_abi::{Mutant, RawRef, active};
use heapwood_module::{ContextLayout, TableType};
use std::collections::TryReserveError;
use std::ops::Range;

pub(crate) use heapwood_module::limits::TABLE_ELEMENTS_MAX;
/// Elements of a chunk of the dirty list.
const CHUNK: usize = 64;

/// A table.
#[derive(Clone, Debug)]
pub(crate) struct TableData {
    /// The table's type, with ids of the engine in place of handles.
    ty: TableType,
    /// Whether elements may refer to objects that the collector moves.
    is_collected: bool,
    elements: Vec<RawRef>,
    cell: Block,
    /// Chunks written since the last collection, each once; none for tables of functions, which never move.
    dirty: Vec<u32>,
    is_dirty: Vec<bool>,
}

impl TableData {
    /// A table of nulls of the type's least size, which the caller has checked; `cell` tells compiled code about it,
    /// and `is_collected` that it is not one of functions.
    ///
    /// # Errors
    /// The system refuses.
    pub fn new(ty: TableType, is_collected: bool, cell: Block) -> Result<TableData> {
        let (elements, dirty, is_dirty) = (Vec::new(), Vec::new(), Vec::new());
        let mut table = TableData { ty, is_collected, elements, cell, dirty, is_dirty };
        let resized = table.resize(ty.min as usize);
        resized.map_err(|_| Error::limit(format!("the system refused {} elements for a table", ty.min)))?;
        Ok(table)
    }

    /// Makes the table longer, with nulls; nothing is changed if the system refuses.
    fn resize(&mut self, len: usize) -> Result<(), TryReserveError> {
        let chunks = if self.is_collected() { len.div_ceil(CHUNK) } else { 0 };
        self.is_dirty.try_reserve(chunks - self.is_dirty.len())?;
        self.dirty.try_reserve(chunks - self.dirty.len())?;
        // Last, since compiled code knows where they are.
        self.elements.try_reserve(len - self.elements.len())?;
        self.is_dirty.resize(chunks, false);
        self.elements.resize(len, 0);
        let is_stale = active(Mutant::TablePointerStale) && self.cell.u64(ContextLayout::TABLE_LENGTH) != 0;
        if !is_stale {
            self.cell.set_u64(ContextLayout::TABLE_ELEMENTS, self.elements.as_ptr() as u64);
        }
        self.cell.set_u64(ContextLayout::TABLE_LENGTH, self.elements.len() as u64);
        Ok(())
    }

    /// What a table of a length counts against the store's limit.
    pub fn bytes_of(is_collected: bool, len: u64) -> u64 {
        let books = if is_collected { len.div_ceil(CHUNK as u64) * (1 + size_of::<u32>() as u64) } else { 0 };
        len * size_of::<RawRef>() as u64 + books
    }

    /// The table's type, with the current size as the least one.
    pub fn ty(&self) -> TableType {
        TableType { min: self.elements.len() as u64, ..self.ty }
    }

    /// The cell that compiled code reads.
    pub fn cell(&self) -> Block {
        self.cell
    }

    /// Number of elements.
    pub fn len(&self) -> u64 {
        self.elements.len() as u64
    }

    /// Whether its references may be to objects that the collector moves.
    pub fn is_collected(&self) -> bool {
        self.is_collected
    }

    /// An element.
    pub fn get(&self, index: u64) -> Option<RawRef> {
        self.elements.get(usize::try_from(index).ok()?).copied()
    }

    /// The elements of a range that lies in the table.
    pub fn range(&self, start: u64, len: u64) -> Option<Range<usize>> {
        let end = start.checked_add(len).filter(|end| *end <= self.len())?;
        Some(start as usize..end as usize)
    }

    /// The elements of a range.
    pub fn slice(&self, range: Range<usize>) -> &[RawRef] {
        &self.elements[range]
    }

    /// Whether no element is younger than the last collection.
    pub fn is_clean(&self) -> bool {
        self.dirty.is_empty()
    }

    /// The elements of a range, to be overwritten now with references that may be young or (`clean`) are not.
    fn slice_mut(&mut self, heap: &mut Heap, range: Range<usize>, clean: bool) -> &mut [RawRef] {
        if self.is_collected() && !range.is_empty() {
            if heap.is_marking() && !active(Mutant::TableSetNotShaded) {
                self.elements[range.clone()].iter().for_each(|element| heap.shade(*element));
            }
            if !clean && !active(Mutant::TableSetNotLogged) {
                let before = self.dirty.len();
                for chunk in range.start / CHUNK..=(range.end - 1) / CHUNK {
                    if !std::mem::replace(&mut self.is_dirty[chunk], true) {
                        self.dirty.push(chunk as u32);
                    }
                }
                heap.remember_roots(((self.dirty.len() - before) * CHUNK) as u64);
            }
        }
        &mut self.elements[range]
    }

    /// Fills a range.
    pub fn fill(&mut self, heap: &mut Heap, range: Range<usize>, value: RawRef) {
        let clean = !heap.is_young(value);
        self.slice_mut(heap, range, clean).fill(value);
        heap.root_written(value);
    }

    /// Overwrites a range with as many references, which may be young or (`clean`) are not.
    pub fn write(&mut self, heap: &mut Heap, range: Range<usize>, clean: bool, values: &[RawRef]) {
        self.slice_mut(heap, range, clean).copy_from_slice(values);
        if self.is_collected() {
            heap.roots_written(values);
        }
    }

    /// Moves elements within the table.
    pub fn copy_within(&mut self, heap: &mut Heap, from: Range<usize>, to: Range<usize>) {
        self.slice_mut(heap, to.clone(), self.is_clean());
        if active(Mutant::TableCopiedUpwards) {
            from.zip(to.clone()).for_each(|(from, to)| self.elements[to] = self.elements[from]);
        } else {
            self.elements.copy_within(from, to.start);
        }
        if self.is_collected() {
            heap.roots_written(&self.elements[to]);
        }
    }

    /// Most elements that it may have: by its type, and by the limit of all tables.
    pub fn most_elements(&self) -> u64 {
        self.ty.max.unwrap_or(u64::MAX).min(TABLE_ELEMENTS_MAX)
    }

    /// What growing by `delta` elements adds to what the table counts; none if its type or the limit of all tables
    /// refuses.
    pub fn growth_bytes(&self, delta: u64) -> Option<u64> {
        let new = self.len().checked_add(delta)?;
        let allowed = new <= self.most_elements();
        let bytes = |len| TableData::bytes_of(self.is_collected, len);
        allowed.then(|| bytes(new) - bytes(self.len()))
    }

    /// Grows by `delta` elements of `init`, which [`TableData::growth_bytes`] allows; the old size, or none if the
    /// system refuses.
    pub fn grow(&mut self, heap: &mut Heap, delta: u64, init: RawRef) -> Option<u64> {
        let old = self.len();
        let new = old + delta;
        self.resize(new as usize).ok()?;
        if init != 0 {
            self.fill(heap, old as usize..new as usize, init);
        }
        Some(old)
    }

    /// Calls `visit` with the position and elements of each dirty chunk.
    pub fn each_dirty(&mut self, mut visit: impl FnMut(usize, &mut [RawRef])) {
        for &chunk in &self.dirty {
            let start = chunk as usize * CHUNK;
            let end = (start + CHUNK).min(self.elements.len());
            visit(start, &mut self.elements[start..end]);
        }
    }

    /// The elements from `start` on, at most a chunk.
    pub fn chunk_from(&mut self, start: usize) -> &mut [RawRef] {
        let end = (start + CHUNK).min(self.elements.len());
        &mut self.elements[start.min(end)..end]
    }

    /// What it holds is alive for the marking under way, if there is one.
    pub fn shade_all(&self, heap: &mut Heap) {
        if self.is_collected && heap.is_marking() {
            self.elements.iter().for_each(|element| heap.shade(*element));
        }
    }

    /// Becomes what it was at a checkpoint: `then`, whose cell is `cell` here.
    pub fn restore(&mut self, then: &TableData, cell: Block) {
        (self.ty, self.is_collected, self.cell) = (then.ty, then.is_collected, cell);
        self.elements.clone_from(&then.elements);
        self.dirty.clone_from(&then.dirty);
        self.is_dirty.clone_from(&then.is_dirty);
        self.publish();
    }

    /// A table of a checkpoint in another store, whose cell is `cell`.
    pub fn of_checkpoint(then: &TableData, cell: Block) -> TableData {
        let table = TableData { cell, ..then.clone() };
        table.publish();
        table
    }

    /// Writes the table to a checkpoint, after a collection.
    pub fn save(&self, out: &mut Writer) {
        let TableData { ty, is_collected, elements, cell, dirty, is_dirty: _ } = self;
        debug_assert!(dirty.is_empty(), "a checkpoint comes after a collection");
        out.ref_type(ty.element);
        out.u64(ty.min);
        out.option(ty.max);
        out.bool(ty.table64);
        out.bool(*is_collected);
        out.block(*cell);
        out.references(elements);
    }

    /// A table as it was written down; of a checkpoint only, since its cell is nowhere.
    pub fn of_saved(saved: &mut Reader<'_>) -> Option<TableData> {
        let (element, min, max) = (saved.ref_type()?, saved.u64()?, saved.option()?);
        let ty = TableType { element, min, max, table64: saved.bool()? };
        let (is_collected, cell, elements) = (saved.bool()?, saved.block()?, saved.references()?);
        let chunks = if is_collected { elements.len().div_ceil(CHUNK) } else { 0 };
        let table = TableData { ty, is_collected, elements, cell, dirty: Vec::new(), is_dirty: vec![false; chunks] };
        (table.len() <= TABLE_ELEMENTS_MAX).then_some(table)
    }

    /// Writes address and length of the elements to the table's cell, where compiled code reads them.
    fn publish(&self) {
        self.cell.update_u64(ContextLayout::TABLE_ELEMENTS, self.elements.as_ptr() as u64);
        self.cell.update_u64(ContextLayout::TABLE_LENGTH, self.elements.len() as u64);
    }

    /// A collection promoted everything that the table references.
    pub fn settle(&mut self) {
        for chunk in self.dirty.drain(..) {
            self.is_dirty[chunk as usize] = false;
        }
    }
}
