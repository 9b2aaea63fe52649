//! Minor collection: empties eden.
//!
//! 1. What old objects reference is promoted at once, with all that it reaches: entries of the log first, then
//!    remembered roots, then frames that settle below the watermark. The log is empty after that.
//! 2. What recent frames reference is copied: from eden to the survivor space, from there to the old space. Objects
//!    above 1 KiB and whatever finds no room are promoted.
//! 3. Copies are scanned depth first ([`crate::evacuate`]). A promoted object that still references young ones is
//!    logged; that happens in step 2 only.
//! 4. The spaces change roles. Promote-all is step 1 for all roots.
//!
//! Nothing here calls the system: blocks, stack and log were made ready by the mutator ([`crate::alloc`]).

use crate::evacuate::{AGE, PROMOTE, PROMOTE_ONE};
use crate::log::{Log, LogEntry};
use crate::old::{Bump, OldSpace};
use crate::raw::cage::Memory;
use crate::raw::edges::EdgeStack;
use crate::raw::object::{ObjectReference, Slot, is_young, ref_count};
use crate::raw::side::LentStack;
use crate::roots::{FrameScope, RootCursor, RootProvider, RootVisitor};
use heapwood_gc_abi::header::UNLOGGED;
use heapwood_gc_abi::space::{CHUNK_BYTES, CHUNKED_ARRAY_BYTES_MIN, chunk_state_bit, chunk_state_index};
use heapwood_gc_abi::{Descriptor, ObjectKind, RawRef, TypeId};

/// References of one array chunk.
pub const CHUNK_REFS: u32 = CHUNK_BYTES / 4;

/// What a minor did, in units that a test can bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MinorWork {
    /// Bytes copied within the nursery.
    pub aged_bytes: u64,
    /// Bytes copied to the old space.
    pub promoted_bytes: u64,
    /// Objects copied, of both kinds.
    pub copied_objects: u64,
    /// Log entries processed.
    pub log_entries: u64,
    /// Reference fields of these entries.
    pub log_fields: u64,
    /// Frames walked.
    pub frames: u64,
    /// Frame slots visited.
    pub frame_slots: u64,
    /// Root slots outside of frames visited.
    pub root_slots: u64,
}

/// The state of one minor.
pub struct Minor<'a> {
    /// The heap's memory.
    pub memory: Memory,
    /// Where objects are promoted to.
    pub old: &'a mut OldSpace,
    /// The remembered set.
    pub log: &'a mut Log,
    /// Copies that are not scanned yet.
    pub stack: LentStack<u32>,
    /// Edges from scanned copies that are not followed yet.
    pub edges: EdgeStack,
    /// The range of the old space that promotion bumps in, lent by `old`.
    pub promoted: Bump,
    /// Rest of the survivor space.
    pub to: Bump,
    /// First reference of the survivor space.
    pub to_start: u32,
    /// What was done.
    pub work: MinorWork,
}

impl Minor<'_> {
    /// Runs all steps.
    pub fn run(&mut self, roots: &mut dyn RootProvider) {
        self.process_log();
        let mut cursor = RootCursor::default();
        self.work.root_slots = roots.remembered(&mut cursor, &mut Evacuate::<PROMOTE>(self)).slots;
        self.promote_reached();
        let settling = roots.frames(FrameScope::Settling, &mut RootCursor::default(), &mut Evacuate::<PROMOTE>(self));
        self.promote_reached();
        let mut cursor = RootCursor::default();
        let recent = if self.to.cursor == self.to.end {
            let recent = roots.frames(FrameScope::Recent, &mut cursor, &mut Evacuate::<PROMOTE>(self));
            self.promote_reached();
            recent
        } else {
            let recent = roots.frames(FrameScope::Recent, &mut cursor, &mut Evacuate::<AGE>(self));
            self.age_reached();
            recent
        };
        debug_assert!(!settling.more && !recent.more, "a minor's roots were visited in part");
        self.old.give_back(self.promoted);
        self.work.aged_bytes = (self.to.cursor - self.to_start) as u64 * 4;
        self.work.frames = settling.frames + recent.frames;
        self.work.frame_slots = settling.slots + recent.slots;
    }

    /// Step 1 for the log. All that is reached from it is promoted, so no entry is added meanwhile.
    fn process_log(&mut self) {
        let entries = self.log.len();
        (self.work.log_entries, self.work.log_fields) = (entries as u64, self.log.fields());
        for index in 0..entries {
            let entry = self.log.entry(index);
            let host = ObjectReference(entry.host);
            match entry.chunk {
                Some(chunk) => {
                    let end = (chunk * CHUNK_REFS + CHUNK_REFS).min(self.memory.array_length(host));
                    self.memory.each_element_slot(host, chunk * CHUNK_REFS, end, |slot| self.promote_slot(slot));
                    let state = chunk_state_index(host.0, chunk);
                    let rest = self.memory.chunk_state(state) & !chunk_state_bit(chunk);
                    self.memory.set_chunk_state(state, rest);
                }
                None => {
                    let header = self.memory.header(host);
                    self.memory.set_header(host, header | UNLOGGED);
                    let (memory, id) = (self.memory, TypeId::of_header(header));
                    memory.each_slot(host, id, memory.descriptor(id), |slot| self.promote_slot(slot));
                }
            }
        }
        self.promote_reached();
        debug_assert_eq!(self.log.len(), entries, "the first step promotes everything that it reaches");
        self.log.clear();
    }

    /// Promotes what a slot references, and all that is reached over edges from there.
    #[inline(always)]
    fn promote_slot(&mut self, slot: Slot) {
        let value = self.memory.slot(slot);
        if is_young(value) {
            let to = self.evacuate::<PROMOTE>(value);
            self.memory.set_slot(slot, to);
            self.follow_edges::<PROMOTE>();
        }
    }

    /// Promotes what the copies so far, which are all old, reach.
    fn promote_reached(&mut self) {
        self.follow_edges::<PROMOTE>();
        while let Some(reference) = self.stack.pop() {
            let (memory, object) = (self.memory, ObjectReference(reference));
            let id = TypeId::of_header(memory.header(object));
            memory.each_slot(object, id, memory.descriptor(id), |slot| self.promote_slot(slot));
        }
    }

    /// Copies what the copies so far reach: young ones age it, promoted ones promote it.
    fn age_reached(&mut self) {
        self.follow_edges::<AGE>();
        while let Some(reference) = self.stack.pop() {
            let (memory, object) = (self.memory, ObjectReference(reference));
            let id = TypeId::of_header(memory.header(object));
            let descriptor = memory.descriptor(id);
            if !is_young(reference) {
                self.scan_promoted(object, id, descriptor);
                continue;
            }
            memory.each_slot(object, id, descriptor, |slot| {
                let value = memory.slot(slot);
                if is_young(value) {
                    memory.set_slot(slot, self.evacuate::<AGE>(value));
                    self.follow_edges::<AGE>();
                }
            });
        }
    }

    /// Promotes what a slot of a promoted object references; returns whether that has aged already, so that it stays
    /// young. What it promotes is not followed over edges but scanned later, since it may have to be logged.
    #[inline(always)]
    fn promote_or_stay(&mut self, slot: Slot) -> bool {
        let value = self.memory.slot(slot);
        if !is_young(value) {
            return false;
        }
        let value = self.evacuate::<PROMOTE_ONE>(value);
        self.memory.set_slot(slot, value);
        is_young(value)
    }

    #[inline(always)]
    fn scan_promoted(&mut self, object: ObjectReference, id: TypeId, descriptor: &Descriptor) {
        let memory = self.memory;
        if descriptor.kind == ObjectKind::ArrayRef {
            return self.scan_promoted_array(object, descriptor);
        }
        let mut young = false;
        memory.each_slot(object, id, descriptor, |slot| young |= self.promote_or_stay(slot));
        if young {
            self.log_whole(object, descriptor);
        }
    }

    #[inline(never)]
    fn scan_promoted_array(&mut self, object: ObjectReference, descriptor: &Descriptor) {
        let (memory, length) = (self.memory, self.memory.array_length(object));
        let whole = memory.object_bytes(object, descriptor) <= CHUNKED_ARRAY_BYTES_MIN as u64;
        for chunk in 0..length.div_ceil(CHUNK_REFS) {
            let end = (chunk * CHUNK_REFS + CHUNK_REFS).min(length);
            let mut young = false;
            memory.each_element_slot(object, chunk * CHUNK_REFS, end, |slot| young |= self.promote_or_stay(slot));
            if young && !whole {
                log_chunk(memory, self.log, object, chunk);
            } else if young && memory.header(object) & UNLOGGED != 0 {
                self.log_whole(object, descriptor);
            }
        }
    }

    fn log_whole(&mut self, object: ObjectReference, descriptor: &Descriptor) {
        let header = self.memory.header(object);
        self.memory.set_header(object, header & !UNLOGGED);
        let fields = ref_count(self.memory, object, descriptor) as u64;
        self.log.push(None, LogEntry { host: object.0, chunk: None }, fields);
    }
}

/// Logs a chunk of an array that is not logged yet.
pub fn log_chunk(memory: Memory, log: &mut Log, array: ObjectReference, chunk: u32) {
    let (index, bit) = (chunk_state_index(array.0, chunk), chunk_state_bit(chunk));
    let state = memory.chunk_state(index);
    if state & bit == 0 {
        memory.set_chunk_state(index, state | bit);
        log.push(None, LogEntry { host: array.0, chunk: Some(chunk) }, CHUNK_REFS as u64);
    }
}

/// Roots whose objects are copied in one of the modes of [`crate::evacuate`].
struct Evacuate<'a, 'b, const MODE: u8>(&'a mut Minor<'b>);

impl<const MODE: u8> RootVisitor for Evacuate<'_, '_, MODE> {
    fn slot(&mut self, slot: &mut RawRef) {
        if is_young(*slot) {
            *slot = self.0.evacuate::<MODE>(*slot);
        }
    }
}
