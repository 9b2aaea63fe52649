//! What the store answers the collector.
//!
//! Groups of [`RootCursor`] in `all`: 0 handles, 1 globals, 2 tables (item: table << 32 | element), 3 segments of
//! instances, 4 temporaries. A dropped or settled entry costs nothing in `remembered`.

use super::entities::Extent;
use super::guest::Guest;
use super::instance::InstanceData;
use heapwood_gc::{FrameScope, RootCursor, RootPlace, RootProvider, RootVisitor, RootWork};
use heapwood_gc_abi::{Mutant, RawRef, active};

impl Guest {
    /// Calls `visit` with each root, and changes none: of globals, tables and instances with those that there were at
    /// an extent.
    pub fn each_root(&self, extent: Extent, visit: &mut dyn FnMut(RawRef)) {
        self.entities().each_reference(extent, visit);
        self.roots().each(|_, reference| visit(reference));
        self.temporaries().as_slice().iter().for_each(|reference| visit(*reference));
        for frame in self.execution().frames().walk() {
            frame.each_reference(&mut *visit);
        }
    }
}

impl RootProvider for Guest {
    fn frames(&mut self, scope: FrameScope, visitor: &mut dyn RootVisitor) -> RootWork {
        self.execution_mut().frames_mut().visit(scope, visitor)
    }

    fn remembered(&mut self, _cursor: &mut RootCursor, visitor: &mut dyn RootVisitor) -> RootWork {
        let mut slots = 0;
        self.roots_mut().each_young(|index, slot| {
            visitor.place(RootPlace::Handle(index));
            if active(Mutant::HandlesNotRemembered) {
                return;
            }
            visitor.slot(slot);
            slots += 1;
        });
        for (index, cell) in self.entities().globals().dirty().iter().enumerate() {
            visitor.place(RootPlace::Global(index as u64));
            cell.visit(|slot| visitor.slot(slot));
            slots += 1;
        }
        for (index, table) in self.entities_mut().tables_mut().iter_mut().enumerate() {
            table.each_dirty(|start, elements| {
                visitor.place(RootPlace::Table(index as u32, start as u64));
                visitor.slots(elements);
                slots += elements.len() as u64;
            });
        }
        let is_seen = |instance: &InstanceData| !instance.is_settled() && !active(Mutant::SegmentsNotRemembered);
        for instance in self.entities_mut().instances_mut().iter_mut().filter(|instance| is_seen(instance)) {
            slots += instance.each_segment(|elements| visitor.slots(elements));
        }
        visitor.place(RootPlace::Other(0));
        if !active(Mutant::TemporariesNotRemembered) {
            visitor.slots(self.temporaries_mut().as_mut_slice());
        }
        RootWork { frames: 0, slots: slots + self.temporaries().len() as u64, more: false }
    }

    fn all(&mut self, cursor: &mut RootCursor, visitor: &mut dyn RootVisitor) -> RootWork {
        let mut work = RootWork::default();
        while cursor.group <= 4 {
            let more = match cursor.group {
                0 => self.all_handles(cursor, visitor, &mut work),
                1 => self.all_globals(cursor, visitor, &mut work),
                2 => self.all_tables(cursor, visitor, &mut work),
                3 => {
                    visitor.place(RootPlace::Other(1));
                    for instance in self.entities_mut().instances_mut() {
                        work.slots += instance.each_segment(|elements| visitor.slots(elements));
                    }
                    false
                }
                _ => {
                    visitor.place(RootPlace::Other(0));
                    visitor.slots(self.temporaries_mut().as_mut_slice());
                    work.slots += self.temporaries().len() as u64;
                    false
                }
            };
            if more {
                return RootWork { more: true, ..work };
            }
            *cursor = RootCursor { group: cursor.group + 1, item: 0 };
        }
        work
    }

    fn begin_snapshot(&mut self, visitor: &mut dyn RootVisitor) -> RootWork {
        let mut work = self.execution_mut().frames_mut().begin_snapshot(visitor);
        visitor.slots(self.temporaries_mut().as_mut_slice());
        work.slots += self.temporaries().len() as u64;
        self.roots_mut().begin_snapshot();
        *self.snapshot_cursor_mut() = RootCursor { group: 1, item: 0 };
        work
    }

    fn snapshot(&mut self, visitor: &mut dyn RootVisitor) -> RootWork {
        let mut work = self.execution_mut().frames_mut().snapshot(visitor);
        if work.more {
            return work;
        }
        work.more = self.roots_mut().snapshot(|slot| {
            visitor.slot(slot);
            work.slots += 1;
            work.slots.is_multiple_of(PORTION) && visitor.full()
        });
        let mut cursor = *self.snapshot_cursor();
        if !work.more && cursor.group == 1 {
            work.more = self.all_globals(&mut cursor, visitor, &mut work);
            cursor = if work.more { cursor } else { RootCursor { group: 2, item: 0 } };
        }
        if !work.more && cursor.group == 2 {
            work.more = self.all_tables(&mut cursor, visitor, &mut work);
            cursor = if work.more { cursor } else { RootCursor { group: FIRST_INSTANCE, item: 0 } };
        }
        if !work.more {
            work.more = self.snapshot_segments(&mut cursor, visitor, &mut work);
        }
        *self.snapshot_cursor_mut() = cursor;
        work
    }

    fn after_collection(&mut self, promoted_all: bool) {
        self.execution_mut().frames_mut().after_collection(promoted_all);
        self.roots_mut().settle();
        let entities = self.entities_mut();
        entities.globals_mut().settle();
        entities.tables_mut().iter_mut().for_each(|table| table.settle());
        entities.instances_mut().iter_mut().for_each(|instance| instance.settle());
    }
}

/// Groups of the snapshot's cursor from here on: the segments of an instance.
const FIRST_INSTANCE: u64 = 3;
/// Slots between two questions whether the visitor is full.
const PORTION: u64 = 64;

impl Guest {
    fn all_handles(&mut self, cursor: &mut RootCursor, visitor: &mut dyn RootVisitor, work: &mut RootWork) -> bool {
        let slots = &mut work.slots;
        let rest = self.roots_mut().each_from(cursor.item, |index, slot| {
            visitor.place(RootPlace::Handle(index));
            visitor.slot(slot);
            *slots += 1;
            slots.is_multiple_of(PORTION) && visitor.full()
        });
        cursor.item = rest.unwrap_or(0);
        rest.is_some()
    }

    fn all_globals(&mut self, cursor: &mut RootCursor, visitor: &mut dyn RootVisitor, work: &mut RootWork) -> bool {
        while let Some(cell) = self.entities().globals().references().get(cursor.item as usize) {
            visitor.place(RootPlace::Global(cursor.item));
            if !active(Mutant::GlobalsNotMarked) {
                cell.visit(|slot| visitor.slot(slot));
            }
            work.slots += 1;
            cursor.item += 1;
            if cursor.item.is_multiple_of(PORTION) && visitor.full() {
                return true;
            }
        }
        false
    }

    fn snapshot_segments(
        &mut self,
        cursor: &mut RootCursor,
        visitor: &mut dyn RootVisitor,
        work: &mut RootWork,
    ) -> bool {
        while let Some(instance) = self.entities_mut().instances_mut().get_mut((cursor.group - FIRST_INSTANCE) as usize)
        {
            let position = ((cursor.item >> 32) as u32, cursor.item as u32);
            let Some((elements, next)) = instance.segment_chunk(position) else {
                *cursor = RootCursor { group: cursor.group + 1, item: 0 };
                continue;
            };
            work.slots += elements.len() as u64;
            visitor.slots(elements);
            cursor.item = (next.0 as u64) << 32 | next.1 as u64;
            if visitor.full() {
                return true;
            }
        }
        false
    }

    fn all_tables(&mut self, cursor: &mut RootCursor, visitor: &mut dyn RootVisitor, work: &mut RootWork) -> bool {
        loop {
            let (index, start) = ((cursor.item >> 32) as usize, cursor.item as u32 as usize);
            let Some(table) = self.entities_mut().tables_mut().get_mut(index) else {
                return false;
            };
            if !table.is_collected() || start as u64 >= table.len() || active(Mutant::TablesNotMarked) {
                cursor.item = (index as u64 + 1) << 32;
                continue;
            }
            visitor.place(RootPlace::Table(index as u32, start as u64));
            let elements = table.chunk_from(start);
            work.slots += elements.len() as u64;
            cursor.item += elements.len() as u64;
            visitor.slots(elements);
            if visitor.full() {
                return true;
            }
        }
    }
}
