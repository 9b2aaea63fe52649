//! The globals of a store, and which of them a minor has to look at.

use crate::rt::cells::{GlobalCell, RefCell32};
use crate::rt::state::state;
use crate::store::checkpoint::{Reader, Writer};
use heapwood_gc::Heap;
use heapwood_gc_abi::{Mutant, RawRef, active};
use heapwood_module::GlobalType;

/// What a written global counts as in the log: as much as an entry for a chunk of an array.
const GLOBAL_WEIGHT: u64 = 32;

/// A global of the store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GlobalData {
    cell: GlobalCell,
    ty: GlobalType,
}

impl GlobalData {
    /// Where its value is.
    pub fn cell(&self) -> GlobalCell {
        self.cell
    }

    /// The global's type, with ids of the engine in place of handles.
    pub fn ty(&self) -> GlobalType {
        self.ty
    }
}

/// The globals of a store, and which of them a minor has to look at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Globals {
    all: Vec<GlobalData>,
    /// Cells of all reference globals, by ascending address.
    references: Vec<RefCell32>,
    /// Cells of the reference globals that were written since the last collection.
    dirty: Vec<RefCell32>,
}

state! {
    Globals {
        all: Shared,
        references: Shared,
        dirty: Shared,
    }
}

impl Globals {
    /// All globals, by position.
    pub fn all(&self) -> &[GlobalData] {
        &self.all
    }

    /// A global.
    pub fn get(&self, index: u32) -> GlobalData {
        self.all[index as usize]
    }

    /// Cells of all reference globals.
    pub fn references(&self) -> &[RefCell32] {
        &self.references
    }

    /// Cells of the reference globals that were written since the last collection.
    pub fn dirty(&self) -> &[RefCell32] {
        &self.dirty
    }

    /// Makes room for globals of these types.
    pub fn reserve(&mut self, types: &[GlobalType]) {
        self.all.reserve(types.len());
        self.references.reserve(types.iter().filter(|ty| ty.val.is_ref()).count());
    }

    /// Adds a global, at the end.
    pub fn add(&mut self, ty: GlobalType, cell: GlobalCell) {
        if ty.val.is_ref() {
            RefCell32::of(cell).list_in(&mut self.references);
        }
        self.all.push(GlobalData { cell, ty });
    }

    /// Drops globals that were added since there were `len`: nothing names them.
    pub fn truncate(&mut self, heap: &mut Heap, len: usize) {
        let dropped: Vec<RefCell32> = self
            .all
            .drain(len..)
            .filter(|global| global.ty.val.is_ref())
            .map(|global| RefCell32::of(global.cell))
            .collect();
        dropped.iter().for_each(|cell| cell.visit(|slot| heap.shade(*slot)));
        if !dropped.is_empty() {
            self.references.retain(|cell| !dropped.contains(cell));
            self.dirty.retain(|cell| !dropped.contains(cell));
        }
    }

    /// Enters a reference global's cell in the dirty list.
    pub fn log(&mut self, heap: &mut Heap, cell: RefCell32) {
        if !cell.is_dirty() {
            if !active(Mutant::GlobalSetNotShaded) {
                cell.visit(|slot| heap.shade(*slot));
            }
            cell.set_dirty(true);
            self.dirty.push(cell);
            heap.remember_roots(GLOBAL_WEIGHT);
        }
    }

    /// A reference global is about to be set by the runtime. Only young references make a minor look at it.
    pub fn before_set(&mut self, heap: &mut Heap, cell: RefCell32, value: RawRef) {
        if heap.is_young(value) {
            self.log(heap, cell);
        } else {
            cell.visit(|slot| heap.shade(*slot));
            heap.root_written(value);
        }
    }

    /// Becomes what it was at a checkpoint, after a collection; `bases` as of [`GlobalCell::moved`].
    pub fn restore(&mut self, then: &Globals, bases: (usize, usize)) {
        debug_assert!(then.dirty.is_empty(), "a checkpoint comes after a collection");
        self.all.clear();
        self.all.extend(then.all.iter().map(|global| GlobalData { cell: global.cell.moved(bases), ..*global }));
        self.references.clear();
        self.references.extend(then.references.iter().map(|cell| cell.moved(bases)));
        self.dirty.clear();
    }

    /// Writes them down, after a collection.
    pub fn save(&self, out: &mut Writer) {
        debug_assert!(self.dirty.is_empty(), "a checkpoint comes after a collection");
        out.list(self.all.iter(), |out, GlobalData { cell, ty }| {
            out.block(cell.block());
            out.val_type(ty.val);
            out.bool(ty.mutable);
        });
    }

    /// Globals as they were written down.
    pub fn of_saved(saved: &mut Reader<'_>) -> Option<Globals> {
        let all = saved.list(|saved| {
            let cell = GlobalCell::new(saved.block()?);
            Some(GlobalData { cell, ty: GlobalType { val: saved.val_type()?, mutable: saved.bool()? } })
        })?;
        let mut globals = Globals::default();
        all.into_iter().for_each(|GlobalData { cell, ty }| globals.add(ty, cell));
        Some(globals)
    }

    /// A collection promoted everything that globals name.
    pub fn settle(&mut self) {
        for cell in self.dirty.drain(..) {
            cell.set_dirty(false);
        }
    }
}
