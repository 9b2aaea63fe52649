//! What a failed instantiation leaves behind: nothing, unless somebody reaches it.
//!
//! 1. Before anything is made for an instance, the store is *marked*: how much there is of everything.
//! 2. What fails before the instance is complete can have been seen by nobody but an imported table, to which a segment
//!    was copied. A start function may have put references of its instance anywhere that it reaches, may have thrown an
//!    exception with a tag of it, and host functions that it called may have made something of their own meanwhile.
//! 3. So the graph of the heap is asked whether anything leads to what is younger than the mark. If not, all of that
//!    goes, and if the host was called it may have got handles, which are errors from then on (`lineage`). What is
//!    reached stays, as long as the store lives.
//! 4. Objects of the instance's types are collected later, and name their types until then: these are held on.

use crate::errors::{Error, ErrorKind, Result};
use crate::module::Module;
use crate::store::StoreOpaque;
use crate::store::entities::Extent;
use crate::store::lineage::Counts;
use heapwood_gc_abi::layout::EXCEPTION_TAG_OFFSET;
use heapwood_gc_abi::{Narrow, ObjectKind, RawRef};
use heapwood_module::{ExternType, SegmentMode};
use std::ops::Range;

/// How much there is in a store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mark {
    extent: Extent,
    immortal_end: RawRef,
    reservations: usize,
    host_calls: u64,
}

impl StoreOpaque {
    /// How much there is now.
    pub fn mark(&self) -> Mark {
        let guest = self.guest();
        Mark {
            extent: guest.entities().extent(),
            immortal_end: self.heap().immortal_end(),
            reservations: guest.execution().reservations_len(),
            host_calls: guest.host_calls(),
        }
    }

    /// What was made for imports, or for an instance, since the mark, and that nobody has seen, goes.
    pub fn undo(&mut self, mark: &Mark) {
        let [instances, memories, tables, globals, tags] = mark.extent.lists.map(|len| len.narrow::<u32>());
        let (guest, heap) = self.guest_and_heap();
        guest.entities_mut().truncate(heap, mark.extent);
        guest.execution_mut().truncate_reservations(mark.reservations);
        guest.execution_mut().frames_mut().truncate_codes(instances);
        heap.truncate_immortal(mark.immortal_end);
        if self.guest().host_calls() != mark.host_calls {
            let counts: Counts = [mark.immortal_end, instances, memories, tables, globals, tags];
            self.lineage_mut().undo(counts);
        }
    }

    /// An instantiation failed, of which there is nothing but what was made since `mark`: all of that goes if nobody
    /// reaches it. `complete`: how much there was when the start function began, if it came to that.
    pub fn undo_unreached(&mut self, module: &Module, mark: &Mark, complete: Option<&Mark>, error: Option<&Error>) {
        let has_grown = |complete: &Mark| Mark { host_calls: 0, ..self.mark() } != Mark { host_calls: 0, ..*complete };
        let may_be_seen = match complete {
            Some(complete) if has_grown(complete) => return,
            Some(_) => !is_closed(module) || error.is_none_or(|error| matches!(error.kind(), ErrorKind::Exception(_))),
            None => fills_imported_table(module),
        };
        let younger = mark.immortal_end..self.heap().immortal_end();
        if may_be_seen && self.is_reached(mark, younger).unwrap_or(true) {
            return;
        }
        if self.mark().extent.lists[0] != mark.extent.lists[0] {
            let (engine, types) = self.guest_mut().engine_and_types_mut();
            types.hold_all(engine, module.type_ids().ids().iter().copied());
        }
        self.undo(mark);
    }

    /// Whether anything but what came since `mark` leads to the immortal objects `younger`.
    fn is_reached(&self, mark: &Mark, younger: Range<RawRef>) -> Result<bool> {
        let heap = self.heap();
        let mut is_reached = false;
        let graph = heap.graph(|visit| {
            self.guest().each_root(mark.extent, &mut |reference| {
                is_reached |= younger.contains(&reference);
                visit(reference);
            });
        });
        let graph = graph.map_err(|error| Error::limit(error.to_string()))?;
        let looked = graph.each_object(|object| {
            let is_thrown = heap.descriptor_of(object).kind() == ObjectKind::Exception
                && younger.contains(&heap.read_i32(object, EXCEPTION_TAG_OFFSET.into()));
            if younger.contains(&object) || is_thrown { Err(()) } else { Ok(()) }
        });
        Ok(is_reached || looked.is_err())
    }
}

/// Whether a start function reaches nothing that can hold a reference when it is over.
fn is_closed(module: &Module) -> bool {
    module.info().imports.iter().all(|import| match &import.ty {
        ExternType::Memory(_) => true,
        ExternType::Global(global) => !global.val.is_ref(),
        ExternType::Func(_) | ExternType::Table(_) | ExternType::Tag(_) => false,
    })
}

/// Whether a segment is copied to a table that others have.
fn fills_imported_table(module: &Module) -> bool {
    let info = module.info();
    let is_imported =
        |mode: &SegmentMode| matches!(mode, SegmentMode::Active { index, .. } if *index < info.imported_tables);
    info.elements.iter().any(|segment| is_imported(&segment.mode))
}
