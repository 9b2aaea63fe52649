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

use crate::log::{CHUNK_WEIGHT, Log, LogEntry};
use crate::old::{Bump, OldSpace};
use crate::raw::edges::EdgeStack;
use crate::raw::memory::Memory;
use crate::raw::object::{ObjectReference, Slot, is_young};
use crate::raw::side::LentStack;
use crate::raw::types::TypeInfo;
use crate::recorded::{Dropping, Noticed, Recorded};
use crate::roots::{FrameScope, RootCursor, RootProvider, RootVisitor, RootWork};
use heapwood_gc_abi::header::{FORWARDED, UNLOGGED};
use heapwood_gc_abi::space::{CHUNK_BYTES, CHUNKED_ARRAY_BYTES_MIN, chunk_state_bit, chunk_state_index};
use heapwood_gc_abi::{Mutant, ObjectKind, RawRef, TypeId, active};

/// Entries of the log whose hosts are asked for ahead.
const PREFETCH_AHEAD: usize = 8;
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
    /// Edges into blocks that are to be emptied.
    pub recorded: &'a mut Recorded,
    /// Everything is promoted, so all frames may settle.
    pub promotes_all: bool,
    /// The remembered set.
    pub log: &'a mut Log,
    /// Copies that are not scanned yet.
    pub stack: LentStack<'a, u32>,
    /// Edges from scanned copies that are not followed yet.
    pub edges: EdgeStack<'a>,
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
        self.work.root_slots = self.visit::<false>(true, |visitor| roots.remembered(&mut cursor, visitor)).slots;
        let mut cursor = RootCursor::default();
        let settling = self.visit::<false>(true, |visitor| roots.frames(FrameScope::Settling, &mut cursor, visitor));
        let recent =
            if self.to.cursor == self.to.end { self.recent::<false>(roots) } else { self.recent::<true>(roots) };
        debug_assert!(!settling.more && !recent.more, "a minor's roots were visited in part");
        self.old.give_back(self.promoted);
        self.work.aged_bytes = (self.to.cursor - self.to_start) as u64 * 4;
        self.work.frames = settling.frames + recent.frames;
        self.work.frame_slots = settling.slots + recent.slots;
    }

    fn recent<const AGE: bool>(&mut self, roots: &mut dyn RootProvider) -> RootWork {
        let (mut cursor, settles) = (RootCursor::default(), self.promotes_all);
        self.visit::<AGE>(settles, |visitor| roots.frames(FrameScope::Recent, &mut cursor, visitor))
    }

    /// Copies what roots reach. What they hold of old blocks stays there if no later minor may be shown them (`drops`).
    fn visit<const AGE: bool>(
        &mut self,
        drops: bool,
        roots: impl FnOnce(&mut dyn RootVisitor) -> RootWork,
    ) -> RootWork {
        let (memory, window) = (self.memory, self.recorded.window_of_roots());
        let mut visitor = Evacuate::<AGE>(self);
        let work = if drops && window.is_open() {
            roots(&mut Dropping { visitor: &mut visitor, memory, window })
        } else {
            roots(&mut visitor)
        };
        self.copy_reached::<AGE>();
        work
    }

    /// Step 1 for the log. All that is reached from it is promoted, so no entry is added meanwhile.
    fn process_log(&mut self) {
        let entries = self.log.len();
        (self.work.log_entries, self.work.log_fields) = (entries as u64, self.log.fields());
        for index in 0..entries {
            // Hosts are all over the old space.
            if index + PREFETCH_AHEAD < entries {
                self.prefetch(self.log.entry(index + PREFETCH_AHEAD));
            }
            let entry = self.log.entry(index);
            let host = ObjectReference(entry.host);
            match entry.chunk {
                Some(chunk) => {
                    let end = (chunk * CHUNK_REFS + CHUNK_REFS).min(self.memory.array_length(host));
                    if self.recorded.is_on() {
                        self.recorded.note_elements(self.memory, host, chunk * CHUNK_REFS, end, Noticed::Log);
                    }
                    let end = end - active(Mutant::ChunkLoggedShort) as u32;
                    self.memory.each_element_slot(host, chunk * CHUNK_REFS, end, |slot| {
                        self.copy_from_slot::<false>(slot, false);
                    });
                    let state = chunk_state_index(host.0, chunk);
                    let rest = self.memory.chunk_state(state) & !chunk_state_bit(chunk);
                    self.memory.set_chunk_state(state, rest);
                }
                None => {
                    let header = self.memory.header(host);
                    self.memory.set_header(host, header | UNLOGGED);
                    let (memory, id) = (self.memory, TypeId::of_header(header));
                    if self.recorded.is_on() {
                        self.recorded.note_object(memory, host, id, Noticed::Log);
                    }
                    memory.each_slot(host, id, memory.descriptor(id), |slot| {
                        self.copy_from_slot::<false>(slot, false);
                    });
                }
            }
        }
        self.copy_reached::<false>();
        debug_assert_eq!(self.log.len(), entries, "the first step promotes everything that it reaches");
        self.log.clear();
    }

    #[inline(always)]
    fn prefetch(&self, LogEntry { host, chunk }: LogEntry) {
        self.memory.prefetch(host);
        if let Some(chunk) = chunk {
            let start = host.wrapping_add(2).wrapping_add(chunk * CHUNK_REFS);
            self.memory.prefetch(start);
            self.memory.prefetch(start.wrapping_add(CHUNK_REFS / 2));
            self.memory.prefetch_chunk_state(chunk_state_index(host, chunk));
        }
    }

    /// Copies what a slot references, and all that is reached over edges from there. Returns whether the slot's object
    /// is young still.
    #[inline(always)]
    fn copy_from_slot<const AGE: bool>(&mut self, slot: Slot, may_age: bool) -> bool {
        let value = self.memory.slot(slot);
        if !is_young(value) {
            return false;
        }
        let value = self.evacuate::<AGE>(value, may_age);
        self.memory.set_slot(slot, value);
        self.follow_edges::<AGE>();
        is_young(value)
    }

    /// Copies all that is reached from the copies so far. Without AGE, none of them has aged, and none will.
    fn copy_reached<const AGE: bool>(&mut self) {
        self.follow_edges::<AGE>();
        while let Some(reference) = self.stack.pop() {
            let (memory, object) = (self.memory, ObjectReference(reference));
            let id = TypeId::of_header(memory.header(object));
            let (descriptor, may_age) = (memory.descriptor(id), AGE && is_young(reference));
            if AGE && !may_age && descriptor.kind() == ObjectKind::ArrayRef {
                self.scan_promoted_array(object, descriptor);
                continue;
            }
            let mut young = false;
            memory.each_slot(object, id, descriptor, |slot| young |= self.copy_from_slot::<AGE>(slot, may_age));
            if AGE && young && !may_age && !active(Mutant::PromotedObjectNotLogged) {
                self.log_whole(object);
            }
        }
    }

    #[inline(never)]
    fn scan_promoted_array(&mut self, object: ObjectReference, descriptor: TypeInfo<'_>) {
        let (memory, length) = (self.memory, self.memory.array_length(object));
        let whole = memory.object_bytes(object, descriptor) <= CHUNKED_ARRAY_BYTES_MIN as u64;
        for chunk in 0..length.div_ceil(CHUNK_REFS) {
            let end = (chunk * CHUNK_REFS + CHUNK_REFS).min(length);
            let mut young = false;
            memory.each_element_slot(object, chunk * CHUNK_REFS, end, |slot| {
                young |= self.copy_from_slot::<true>(slot, false);
            });
            if young && whole {
                self.log_whole(object);
            } else if young {
                log_chunk(memory, self.log, object, chunk);
            }
        }
    }
}

/// Logs a chunk of an array that is not logged yet.
pub fn log_chunk(memory: Memory, log: &mut Log, array: ObjectReference, chunk: u32) {
    let (index, bit) = (chunk_state_index(array.0, chunk), chunk_state_bit(chunk));
    let state = memory.chunk_state(index);
    if state & bit == 0 {
        memory.set_chunk_state(index, state | bit);
        log.push(None, LogEntry { host: array.0, chunk: Some(chunk) }, CHUNK_WEIGHT);
    }
}

/// Roots whose objects are copied.
struct Evacuate<'a, 'b, const AGE: bool>(&'a mut Minor<'b>);

impl<const AGE: bool> RootVisitor for Evacuate<'_, '_, AGE> {
    fn slot(&mut self, slot: &mut RawRef) {
        let was_moved = |memory: Memory, root| memory.header(ObjectReference(root)) & FORWARDED != 0;
        if is_young(*slot) && !(active(Mutant::RootLeftBehind) && was_moved(self.0.memory, *slot)) {
            *slot = self.0.evacuate::<AGE>(*slot, AGE);
        }
    }
}
