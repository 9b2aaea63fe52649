//! The verifier: walks the heap around each collection (`HeapConfig::verify`) and panics at the first thing wrong,
//! with what it is, where, and which root or field leads there.
//!
//! 1. Young objects are walked in address order: every one has a valid header and they fill the nursery's parts.
//! 2. The log's entries are old objects or chunks, each once, and their state bits say that they are logged.
//! 3. From all roots, every object is visited: a reference names the start of an object in a space that is in use,
//!    with the header of an allocated type, not forwarded, with the state bits of its space, inside its block or
//!    run, and overlapping no other.
//! 4. Every old object or chunk with a young field is in the log; every root with a young object is one that a minor
//!    visits; after a collection only frames hold young objects.
//! 5. Immortal objects reference immortal ones only.
//! 6. Every weak cell and ephemeron that names an object is listed once, among the young ones if it or what it names is
//!    young. What a weak cell names is an object like any other, unless the last marking found it dead.
//! 7. Before sparse blocks are emptied: every word that leads into one is noted, and no root does. (Afterwards, a word
//!    that was not noted leads to an object that was left forwarded.)
//! 8. After a collection eden is poisoned; after a marking every object that is reached carries a mark.

use crate::blocks::{block_of, block_start};
use crate::heap::Heap;
use crate::log::LogEntry;
use crate::mark::{EPOCH_MASK, is_marked};
use crate::minor::CHUNK_REFS;
use crate::nursery::EDEN_START;
use crate::old::POISON;
use crate::raw::block::BlockState;
use crate::raw::cage::{BLOCK_BYTES, BLOCK_REFS, OLD_START};
use crate::raw::memory::Memory;
use crate::raw::object::{ObjectReference, is_old, is_young};
use crate::roots::{FrameScope, RootCursor, RootPlace, RootProvider, RootVisitor};
use heapwood_gc_abi::header::{AGED, FORWARDED, IMMORTAL, LARGE, STATE_MASK, UNLOGGED};
use heapwood_gc_abi::space::{CHUNKED_ARRAY_BYTES_MIN, chunk_state_bit, chunk_state_index};
use heapwood_gc_abi::{Mutant, ObjectKind, RawRef, TypeId, active, is_i31};
use std::collections::{HashMap, HashSet};
use std::fmt;

/// When the verifier runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum When {
    /// Before a collection that relies on the log.
    BeforeCollection,
    /// Before a collection that repairs a lost log.
    BeforeRepair,
    /// After a minor.
    AfterMinor,
    /// After a major or a compaction that stopped the guest.
    AfterMajor,
    /// After an incremental marking, before the sweep: what can be reached is marked or newer.
    AfterMarking,
    /// Before sparse blocks are emptied.
    BeforeEvacuation,
}

/// What led to an object.
#[derive(Clone, Copy)]
enum Origin {
    Root(RootPlace),
    Field { host: u32, byte: u64 },
    Log,
    Walk,
    Immortal,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Origin::Root(RootPlace::Frame(pc)) => write!(f, "the frame that returns to {pc:#x}"),
            Origin::Root(RootPlace::Global(index)) => write!(f, "global {index}"),
            Origin::Root(RootPlace::Table(table, index)) => write!(f, "element {index} of table {table}"),
            Origin::Root(RootPlace::Handle(index)) => write!(f, "host handle {index}"),
            Origin::Root(RootPlace::Other(index)) => write!(f, "root {index}"),
            Origin::Field { host, byte } => write!(f, "byte {byte} of object {host:#x}"),
            Origin::Log => write!(f, "the log"),
            Origin::Walk => write!(f, "a walk over the nursery"),
            Origin::Immortal => write!(f, "the list of immortal objects"),
        }
    }
}

/// One bit for each 8 bytes of a range of the heap.
struct Bits {
    start: u32,
    words: Vec<u64>,
}

impl Bits {
    fn new(start: u32, end: u32) -> Bits {
        Bits { start, words: vec![0; (end - start).div_ceil(2 * 64) as usize] }
    }

    /// Sets the bit of `reference`; returns whether it was set before.
    fn set(&mut self, reference: u32) -> bool {
        let (word, bit) = self.place(reference);
        let was = self.words[word] & bit != 0;
        self.words[word] |= bit;
        was
    }

    fn get(&self, reference: u32) -> bool {
        let (word, bit) = self.place(reference);
        self.words[word] & bit != 0
    }

    fn place(&self, reference: u32) -> (usize, u64) {
        let index = (reference - self.start) / 2;
        (index as usize / 64, 1 << (index % 64))
    }
}

struct Verifier<'a> {
    heap: &'a Heap,
    memory: Memory,
    when: When,
    /// The log does not know all old objects with young fields.
    log_lost: bool,
    /// Starts of young objects.
    young: Bits,
    /// Starts of old objects that were visited, and all that old objects cover.
    visited: Bits,
    covered: Bits,
    visited_young: HashSet<u32>,
    visited_immortal: HashSet<u32>,
    logged: HashSet<LogEntry>,
    /// Weak cells and ephemerons that are listed, and whether among the young ones.
    weak_cells: HashMap<u32, bool>,
    /// Before sparse blocks are emptied: the words that are noted.
    noted: HashSet<u32>,
    /// Types that were found to be allocated (a cache by the low bits of the id).
    types: [TypeId; 256],
    grey: Vec<u32>,
}

impl Heap {
    /// Checks the heap if the configuration asks for it.
    #[inline]
    pub(crate) fn verify(&mut self, when: When, roots: &mut dyn RootProvider) {
        if self.config.verify {
            self.verify_now(when, roots);
        }
    }

    /// Checks the whole heap and panics at the first error, whatever the configuration says.
    pub fn check(&mut self, roots: &mut dyn RootProvider) {
        if self.is_collected() {
            self.verify_now(if self.log.is_lost() { When::BeforeRepair } else { When::BeforeCollection }, roots);
        }
    }

    #[inline(never)]
    fn verify_now(&mut self, when: When, roots: &mut dyn RootProvider) {
        if active(Mutant::VerifierSilent) {
            return;
        }
        let old_start = (OLD_START / 4) as u32;
        let old_end = block_start(self.old.blocks.high());
        let noted = self.noted_words(when);
        let mut verifier = Verifier {
            heap: self,
            memory: self.memory,
            when,
            log_lost: self.log.is_lost(),
            young: Bits::new((crate::raw::cage::NURSERY_START / 4) as u32, EDEN_START.max(self.top()) + 2),
            visited: Bits::new(old_start, old_end),
            covered: Bits::new(old_start, old_end),
            visited_young: HashSet::new(),
            visited_immortal: HashSet::new(),
            logged: HashSet::new(),
            weak_cells: HashMap::new(),
            noted,
            types: [TypeId::NONE; 256],
            grey: Vec::new(),
        };
        verifier.list_weak_cells();
        verifier.walk_young();
        verifier.check_log();
        verifier.check_roots(roots);
        verifier.trace();
        verifier.check_immortals();
        verifier.check_poison();
    }
}

impl Heap {
    /// The words noted for the groups that are to be emptied.
    fn noted_words(&mut self, when: When) -> HashSet<u32> {
        let mut words = HashSet::new();
        if when == When::BeforeEvacuation {
            let tables = [&self.loan.marker().recorded, &self.sparse.recorded];
            for group in self.sparse.groups_left() {
                tables.iter().for_each(|table| words.extend(table.words_of(group)));
            }
        }
        words
    }
}

impl Verifier<'_> {
    fn fail(&self, origin: Origin, what: fmt::Arguments<'_>) -> ! {
        panic!("heap verifier, {:?}: {what} (found through {origin})", self.when)
    }

    /// Step 1.
    fn walk_young(&mut self) {
        for range in [self.heap.nursery.survivors(), EDEN_START..self.heap.top()] {
            let mut at = range.start;
            while at < range.end {
                self.young.set(at);
                let bytes = self.check_header(ObjectReference(at), Origin::Walk);
                if bytes / 4 > (range.end - at) as u64 {
                    self.fail(Origin::Walk, format_args!("object {at:#x} of {bytes} bytes reaches beyond its space"));
                }
                at += (bytes / 4) as u32;
            }
        }
    }

    /// The header names a type and fits the space; returns the object's size.
    fn check_header(&mut self, object: ObjectReference, origin: Origin) -> u64 {
        let header = self.memory.header(object);
        if header == POISON {
            self.fail(origin, format_args!("object {:#x} lies in memory that was given up (poison)", object.0));
        }
        if header & FORWARDED != 0 {
            self.fail(origin, format_args!("object {:#x} was left forwarded to {:#x}", object.0, header & !FORWARDED));
        }
        let id = TypeId::of_header(header);
        let known = id.0 as usize / 8 % 256;
        if self.types[known] != id || id == TypeId::NONE {
            if !self.heap.types.is_allocated(id) {
                let what = format_args!("object {:#x} has the header {header:#x}, which names no type", object.0);
                self.fail(origin, what);
            }
            self.types[known] = id;
        }
        let descriptor = self.memory.descriptor(id);
        let bytes = self.memory.object_bytes(object, descriptor);
        let expected = self.expected_state(object, bytes, descriptor.kind());
        let state = header & STATE_MASK;
        // The unlogged bit may be clear in an old object: that it is in the log then is checked where it is visited.
        if state & !UNLOGGED != expected & !UNLOGGED || state & UNLOGGED > expected & UNLOGGED {
            self.fail(origin, format_args!("object {:#x} has state {state:#x} instead of {expected:#x}", object.0));
        }
        bytes
    }

    fn expected_state(&self, object: ObjectReference, bytes: u64, kind: ObjectKind) -> u32 {
        if is_young(object.0) {
            return if object.0 < EDEN_START { AGED } else { 0 };
        }
        if is_old(object.0) {
            return UNLOGGED | if bytes > BLOCK_BYTES as u64 { LARGE } else { 0 };
        }
        // The runtime writes the headers of function objects and contexts itself.
        match kind {
            ObjectKind::Func | ObjectKind::Opaque => self.memory.header(object) & STATE_MASK & !UNLOGGED,
            _ => IMMORTAL,
        }
    }

    /// Step 2.
    fn check_log(&mut self) {
        if self.log_lost {
            return;
        }
        for index in 0..self.heap.log.len() {
            let entry = self.heap.log.entry(index);
            if !self.logged.insert(entry) {
                self.fail(Origin::Log, format_args!("{entry:x?} is logged twice"));
            }
            if !is_old(entry.host) {
                self.fail(Origin::Log, format_args!("{:#x} is logged but not old", entry.host));
            }
            self.check_reference(entry.host, Origin::Log);
            let host = ObjectReference(entry.host);
            let marked = match entry.chunk {
                Some(chunk) => self.is_chunk_logged(host, chunk),
                None => self.memory.header(host) & UNLOGGED == 0,
            };
            if !marked {
                self.fail(Origin::Log, format_args!("{entry:x?} is logged but its state says otherwise"));
            }
        }
    }

    fn is_chunk_logged(&self, host: ObjectReference, chunk: u32) -> bool {
        self.memory.chunk_state(chunk_state_index(host.0, chunk)) & chunk_state_bit(chunk) != 0
    }

    /// Steps 3 and 4 for roots.
    fn check_roots(&mut self, roots: &mut dyn RootProvider) {
        let mut seen_by_minors = Collect::default();
        roots.frames(FrameScope::Settling, &mut RootCursor::default(), &mut seen_by_minors);
        roots.frames(FrameScope::Recent, &mut RootCursor::default(), &mut seen_by_minors);
        let mut others = Collect::default();
        roots.remembered(&mut RootCursor::default(), &mut others);
        let known: HashSet<usize> = seen_by_minors.slots.iter().chain(&others.slots).map(|slot| slot.0).collect();
        let mut frames = Collect::default();
        roots.frames(FrameScope::All, &mut RootCursor::default(), &mut frames);
        let mut all = Collect::default();
        roots.all(&mut RootCursor::default(), &mut all);
        let after = matches!(self.when, When::AfterMinor | When::AfterMajor);
        let frame_slots = frames.slots.iter().map(|slot| (slot, true));
        for (&(address, value, place), in_frame) in frame_slots.chain(all.slots.iter().map(|slot| (slot, false))) {
            let origin = Origin::Root(place);
            self.check_reference(value, origin);
            if self.group_of(value) != 0 {
                self.fail(origin, format_args!("a root references {value:#x}, whose block is to be emptied"));
            }
            if is_young(value) && !known.contains(&address) {
                self.fail(origin, format_args!("young object {value:#x} in a root that minors do not visit"));
            }
            if is_young(value) && after && !in_frame {
                self.fail(origin, format_args!("young object {value:#x} in a remembered root after a collection"));
            }
        }
    }

    /// Step 3 for one reference.
    fn check_reference(&mut self, reference: RawRef, origin: Origin) {
        if reference == 0 || is_i31(reference) {
            return;
        }
        let object = ObjectReference(reference);
        if is_young(reference) {
            let heap = self.heap;
            let inside = heap.nursery.survivors().contains(&reference) || (EDEN_START..heap.top()).contains(&reference);
            if !inside {
                self.fail(origin, format_args!("{reference:#x} lies in a part of the nursery that is empty"));
            }
            if !self.young.get(reference) {
                self.fail(origin, format_args!("{reference:#x} is not the start of a young object"));
            }
            if self.visited_young.insert(reference) {
                self.grey.push(reference);
            }
        } else if is_old(reference) {
            if block_of(reference) >= self.heap.old.blocks.high() {
                self.fail(origin, format_args!("{reference:#x} lies beyond the old space"));
            }
            if !self.visited.set(reference) {
                self.check_old(object, origin);
                self.grey.push(reference);
            }
        } else if !self.heap.immortal.contains(reference) {
            self.fail(origin, format_args!("{reference:#x} lies in no space"));
        } else if self.visited_immortal.insert(reference) {
            self.check_header(object, origin);
        }
    }

    fn check_old(&mut self, object: ObjectReference, origin: Origin) {
        let block = block_of(object.0);
        // Only the state: the rest of a small block's entry may be a helper's.
        let room = match self.memory.block(block).state() {
            BlockState::Small => (block_start(block + 1) - object.0) as u64 * 4,
            BlockState::LargeHead if object.0 == block_start(block) => {
                self.memory.block(block).next() as u64 * BLOCK_BYTES as u64
            }
            state => self.fail(origin, format_args!("{:#x} lies in block {block}, which is {state:?}", object.0)),
        };
        let bytes = self.check_header(object, origin);
        if bytes > room {
            self.fail(origin, format_args!("object {:#x} of {bytes} bytes has only {room}", object.0));
        }
        for word in (object.0..object.0 + (bytes / 4).min(BLOCK_REFS as u64) as u32).step_by(2) {
            if self.covered.set(word) {
                self.fail(origin, format_args!("object {:#x} overlaps another at {word:#x}", object.0));
            }
        }
        let marked = match self.when {
            When::AfterMajor => self.memory.mark(object.0) & EPOCH_MASK == self.heap.old.epoch,
            When::AfterMarking | When::BeforeEvacuation => is_marked(self.memory, self.heap.old.epoch, object.0),
            _ => true,
        };
        if !marked {
            self.fail(origin, format_args!("object {:#x} was not marked", object.0));
        }
        let logged = self.memory.header(object) & UNLOGGED == 0;
        let entry = LogEntry { host: object.0, chunk: None };
        if logged && !self.log_lost && !self.logged.contains(&entry) {
            self.fail(origin, format_args!("object {:#x} says that it is logged but the log lacks it", object.0));
        }
    }

    /// Steps 3 and 4 for objects.
    fn trace(&mut self) {
        while let Some(reference) = self.grey.pop() {
            let object = ObjectReference(reference);
            let memory = self.memory;
            let id = TypeId::of_header(memory.header(object));
            let descriptor = memory.descriptor(id);
            let in_chunks = descriptor.kind() == ObjectKind::ArrayRef
                && memory.object_bytes(object, descriptor) > CHUNKED_ARRAY_BYTES_MIN as u64;
            if in_chunks && is_old(reference) {
                self.check_chunk_states(object);
            }
            if matches!(descriptor.kind(), ObjectKind::Weak | ObjectKind::Ephemeron) {
                self.check_weak(reference, descriptor.kind());
            }
            if descriptor.kind() == ObjectKind::Ephemeron && self.is_dead(memory.word(reference + 1)) {
                continue;
            }
            memory.each_slot(object, id, descriptor, |slot| {
                let value = memory.slot(slot);
                let words = slot.0 - reference;
                let origin = Origin::Field { host: reference, byte: words as u64 * 4 };
                self.check_reference(value, origin);
                self.check_noted(slot.0, value, origin);
                if is_young(value) && is_old(reference) && !self.log_lost {
                    let chunk = in_chunks.then(|| (words - 2) / CHUNK_REFS);
                    if !self.logged.contains(&LogEntry { host: reference, chunk }) {
                        let what = format_args!("old object {reference:#x} references young {value:#x} unlogged");
                        self.fail(origin, what);
                    }
                }
            });
        }
    }

    fn list_weak_cells(&mut self) {
        let mut twice = None;
        self.heap.weak.each(|cell, young| {
            if self.weak_cells.insert(cell, young).is_some() {
                twice = Some(cell);
            }
        });
        if let Some(cell) = twice {
            self.fail(Origin::Walk, format_args!("the weak cell {cell:#x} is listed twice"));
        }
    }

    /// Step 6. The first word of both kinds is what decides.
    fn check_weak(&mut self, cell: RawRef, kind: ObjectKind) {
        let origin = Origin::Field { host: cell, byte: 4 };
        let referent = self.memory.word(cell + 1);
        let is_weak = kind == ObjectKind::Weak;
        if is_young(referent) || is_old(referent) {
            let must_be_young = is_young(cell) || (is_weak && is_young(referent));
            match self.weak_cells.get(&cell) {
                None => self.fail(origin, format_args!("{cell:#x} names {referent:#x} weakly but is not listed")),
                Some(false) if must_be_young => {
                    self.fail(origin, format_args!("{cell:#x}, which names {referent:#x} weakly, is listed as old"));
                }
                Some(_) => {}
            }
        }
        if is_weak && !self.is_dead(referent) {
            self.check_reference(referent, origin);
            self.check_noted(cell + 1, referent, origin);
        }
    }

    /// The group of blocks that an object is to move with, or 0.
    fn group_of(&self, reference: RawRef) -> u8 {
        let window = self.heap.sparse.recorded.window();
        if self.when == When::BeforeEvacuation { window.group_of(self.memory, reference) } else { 0 }
    }

    /// Step 7 for a word of an object.
    fn check_noted(&self, word: u32, value: RawRef, origin: Origin) {
        if self.group_of(value) != 0 && !self.noted.contains(&word) {
            let what = format_args!("the word leads to {value:#x}, whose block is to be emptied, but is not noted");
            self.fail(origin, what);
        }
    }

    /// Whether a weak reference reads as null.
    fn is_dead(&self, reference: RawRef) -> bool {
        let unmarked = || is_old(reference) && !is_marked(self.memory, self.heap.old.epoch, reference);
        self.heap.is_dead_referent(reference) || (self.when == When::AfterMarking && unmarked())
    }

    /// A chunk that says it is logged is in the log, or its next store would be missed.
    fn check_chunk_states(&self, array: ObjectReference) {
        for chunk in 0..self.memory.array_length(array).div_ceil(CHUNK_REFS) {
            let entry = LogEntry { host: array.0, chunk: Some(chunk) };
            if !self.log_lost && self.is_chunk_logged(array, chunk) && !self.logged.contains(&entry) {
                self.fail(Origin::Log, format_args!("{entry:x?} says that it is logged but the log lacks it"));
            }
        }
    }

    /// Step 5.
    fn check_immortals(&mut self) {
        for &reference in self.heap.immortal.objects() {
            let object = ObjectReference(reference);
            self.check_header(object, Origin::Immortal);
            let memory = self.memory;
            let id = TypeId::of_header(memory.header(object));
            memory.each_slot(object, id, memory.descriptor(id), |slot| {
                let value = memory.slot(slot);
                if value != 0 && !is_i31(value) && !self.heap.immortal.contains(value) {
                    let origin = Origin::Field { host: reference, byte: (slot.0 - reference) as u64 * 4 };
                    self.fail(origin, format_args!("immortal {reference:#x} references {value:#x}, which is not"));
                }
            });
        }
    }

    /// Step 8.
    fn check_poison(&self) {
        if !self.heap.config.verify || !matches!(self.when, When::AfterMinor | When::AfterMajor) {
            return;
        }
        let end = self.heap.eden_top_max;
        if let Some(index) = (EDEN_START..end).find(|index| self.memory.word(*index) != POISON) {
            let what = format_args!("eden is not poisoned at {index:#x}");
            self.fail(Origin::Walk, what);
        }
    }
}

/// Collects root slots: their addresses, values and places.
#[derive(Default)]
struct Collect {
    slots: Vec<(usize, RawRef, RootPlace)>,
    place: Option<RootPlace>,
}

impl RootVisitor for Collect {
    fn place(&mut self, place: RootPlace) {
        self.place = Some(place);
    }

    fn slot(&mut self, slot: &mut RawRef) {
        let place = self.place.unwrap_or(RootPlace::Other(0));
        self.slots.push((std::ptr::from_mut(slot) as usize, *slot, place));
    }
}
