//! Minor collection: empties eden.
//!
//! 1. What old objects reference is promoted at once, with all that it reaches: entries of the log first, then
//!    remembered roots, then frames that settle below the watermark. The log is empty after that.
//! 2. What recent frames reference is copied: from eden to the survivor space, from there to the old space. Objects
//!    above 1 KiB and whatever finds no room are promoted.
//! 3. Copies are scanned depth first (`copying`). A promoted object that still references young ones is
//!    logged; that happens in step 2 only.
//! 4. The spaces change roles. Promote-all is step 1 for all roots.
//!
//! Nothing here calls the system: blocks, stack and log were made ready by the mutator, in its allocations.

mod copying;
pub mod log;
pub mod remembered;

use crate::embedder::roots::{FrameScope, RootCursor, RootProvider, RootVisitor, RootWork};
use crate::evacuation::incoming::{Dropping, IncomingSet, Recorder};
use crate::raw::edges::EdgeStack;
use crate::raw::memory::Memory;
use crate::raw::object::{ObjectReference, Slot, is_young};
use crate::raw::side::LentStack;
use crate::raw::types::TypeInfo;
use crate::spaces::old::{Bump, OldSpace};
use crate::spaces::{Copying, Spaces};
use crate::telemetry::work::MinorWork;
use heapwood_gc_abi::header::{FORWARDED, UNLOGGED};
use heapwood_gc_abi::space::{CHUNKED_ARRAY_BYTES_MIN, chunk_state_index};
use heapwood_gc_abi::{Mutant, ObjectKind, RawRef, TypeId, active};
use log::LogEntry;
use remembered::{CHUNK_REFS, RememberedSet, mark_chunk, unmark_chunk};

/// How many entries of the log ahead the hosts are prefetched.
const PREFETCH_AHEAD: usize = 8;

/// The state of one minor.
pub struct Minor<'a> {
    memory: Memory,
    /// Where objects are promoted to.
    old: &'a mut OldSpace,
    /// Edges into blocks that are to be evacuated.
    incoming: &'a mut IncomingSet,
    /// Whether everything is promoted, so that all frames may settle.
    promotes_all: bool,
    remembered: &'a mut RememberedSet,
    /// Copies that are not scanned yet.
    stack: LentStack<'a, u32>,
    /// Edges from scanned copies that are not followed yet.
    edges: EdgeStack<'a>,
    /// The range of the old space in which promotion bumps, borrowed from `old`.
    promoted: Bump,
    /// The rest of the survivor space that objects are copied to.
    to: Bump,
    /// First reference of the survivor space.
    to_start: u32,
    work: MinorWork,
}

impl<'a> Minor<'a> {
    /// A minor is about to begin. `incoming` is the mutator's table of edges into blocks that are to be evacuated.
    pub fn new(
        spaces: &'a mut Spaces,
        remembered: &'a mut RememberedSet,
        incoming: &'a mut IncomingSet,
        promotes_all: bool,
    ) -> Minor<'a> {
        let memory = spaces.memory();
        let Copying { old, to, stack, edges } = spaces.copying();
        let to = if promotes_all { to.without_room() } else { to };
        let (promoted, to_start, work) = (old.lend(), to.cursor(), MinorWork::default());
        Minor { memory, old, incoming, promotes_all, remembered, stack, edges, promoted, to, to_start, work }
    }

    /// Runs all steps. Returns what was done, and up to where the survivor space is filled.
    pub fn run(mut self, roots: &mut dyn RootProvider) -> (MinorWork, u32) {
        self.process_log();
        let mut cursor = RootCursor::default();
        self.work.root_slots = self.visit::<false>(true, |visitor| roots.remembered(&mut cursor, visitor)).slots;
        let settling = self.visit::<false>(true, |visitor| roots.frames(FrameScope::Settling, visitor));
        let recent = if self.to.is_full() { self.recent::<false>(roots) } else { self.recent::<true>(roots) };
        debug_assert!(!settling.more && !recent.more, "a minor's roots were visited in part");
        self.old.give_back(self.promoted);
        self.work.aged_bytes = (self.to.cursor() - self.to_start) as u64 * 4;
        self.work.frames = settling.frames + recent.frames;
        self.work.frame_slots = settling.slots + recent.slots;
        (self.work, self.to.cursor())
    }

    fn recent<const AGE: bool>(&mut self, roots: &mut dyn RootProvider) -> RootWork {
        let settles = self.promotes_all;
        self.visit::<AGE>(settles, |visitor| roots.frames(FrameScope::Recent, visitor))
    }

    /// Copies what roots reach. What they hold of old blocks stays there if no later minor may be shown them (`drops`).
    fn visit<const AGE: bool>(
        &mut self,
        drops: bool,
        roots: impl FnOnce(&mut dyn RootVisitor) -> RootWork,
    ) -> RootWork {
        let (memory, window) = (self.memory, self.incoming.window_of_roots());
        let mut visitor = Evacuate::<AGE>(self);
        let work = if drops && window.is_open() {
            roots(&mut Dropping::new(&mut visitor, memory, window))
        } else {
            roots(&mut visitor)
        };
        self.copy_reached::<AGE>();
        work
    }

    /// Step 1 for the log. All that is reached from it is promoted, so no entry is added meanwhile.
    fn process_log(&mut self) {
        let entries = self.remembered.log().len();
        (self.work.log_entries, self.work.log_fields) = (entries as u64, self.remembered.log().fields());
        for index in 0..entries {
            // The hosts lie all over the old space, so their headers are prefetched.
            if index + PREFETCH_AHEAD < entries {
                self.prefetch(self.remembered.log().entry(index + PREFETCH_AHEAD));
            }
            let entry = self.remembered.log().entry(index);
            let host = ObjectReference(entry.host);
            match entry.chunk {
                Some(chunk) => {
                    let end = (chunk * CHUNK_REFS + CHUNK_REFS).min(self.memory.array_length(host));
                    if self.incoming.is_on() {
                        self.incoming.record_elements(self.memory, host, chunk * CHUNK_REFS, end, Recorder::Log);
                    }
                    let end = end - active(Mutant::ChunkLoggedShort) as u32;
                    self.memory.each_element_slot(host, chunk * CHUNK_REFS, end, |slot| {
                        self.copy_from_slot::<false>(slot, false);
                    });
                    unmark_chunk(self.memory, host.0, chunk);
                }
                None => {
                    let header = self.memory.header(host);
                    self.memory.set_header(host, header | UNLOGGED);
                    let (memory, id) = (self.memory, TypeId::of_header(header));
                    if self.incoming.is_on() {
                        self.incoming.record_object(memory, host, id, Recorder::Log);
                    }
                    let descriptor = memory.descriptor(id);
                    // What small hosts reference are edges like those of small copies.
                    if descriptor.is_small()
                        && self.edges.push_young::<false>(memory, host.0, host.0, descriptor.small_refs())
                    {
                        self.follow_edges::<false>();
                    } else {
                        memory.each_slot(host, id, descriptor, |slot| {
                            self.copy_from_slot::<false>(slot, false);
                        });
                    }
                }
            }
        }
        self.copy_reached::<false>();
        debug_assert_eq!(self.remembered.log().len(), entries, "the first step promotes everything that it reaches");
        self.remembered.clear();
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
            } else if young && mark_chunk(memory, object.0, chunk) {
                self.remembered.add_chunk(None, object.0, chunk);
            }
        }
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
