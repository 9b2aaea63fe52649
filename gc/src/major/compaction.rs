//! Marking and evacuation in one walk of the whole heap, while the guest stands still: compactions, and the repair of
//! a lost log.
//!
//! An object in a block that is being evacuated is copied to a ready block, as long as there are any; its old header
//! names the new place, and every slot that leads there is rewritten. Marks, grey objects and their overflow are those
//! of `marker`.
//!
//! Ephemerons are ordinary objects to it. Before a compaction a marking and its sweep have cleared those whose keys are
//! dead, so that makes no difference; a repair keeps their values until the next marking (RATIONALE.md).

use super::marker::grey::{ELEMENTS_AT_ONCE, Grey};
use crate::embedder::roots::{FrameScope, RootCursor, RootProvider, RootVisitor};
use crate::raw::block::{BlockState, COMPACTED};
use crate::raw::cage::BLOCK_BYTES;
use crate::raw::memory::Memory;
use crate::raw::object::{ObjectReference, Slot, is_old, is_young};
use crate::spaces::Spaces;
use crate::spaces::blocks::block_of;
use crate::spaces::marks::{EPOCH_MASK, mark_byte};
use crate::telemetry::work::{Done, MarkWork};
use heapwood_gc_abi::header::{AGED, FORWARDED, LARGE, PINNED, UNLOGGED};
use heapwood_gc_abi::{RawRef, TypeId};

/// Blocks are sorted by how much of them is alive, in steps of a 64th.
const STEPS: usize = 65;
const STEP_BYTES: u32 = BLOCK_BYTES / 64;
/// The most that may be alive in a block that is worth evacuating, in steps.
const LIVE_STEPS_MAX: usize = 56;

/// Blocks that should be ready for a compaction, where `live_bytes` are alive: as many as it fills.
pub fn blocks_wanted(spaces: &Spaces, live_bytes: u64, all: bool) -> u32 {
    let used = spaces.old().blocks().unfrozen_count();
    let live_blocks = (live_bytes / BLOCK_BYTES as u64) as u32;
    2 + if all { used + used / 8 } else { used.min(live_blocks + live_blocks / 8) }
}

/// Picks the blocks that a compaction evacuates: the sparsest, as far as ready blocks carry, or `all`.
pub fn choose(spaces: &Spaces, all: bool) {
    let (memory, high) = (spaces.memory(), spaces.blocks_high());
    let step_of = |live_units: u16| ((live_units as u32 * 8 / STEP_BYTES) as usize).min(STEPS - 1);
    let mut counts = [0u64; STEPS];
    for block in 0..high {
        let entry = memory.block(block);
        if entry.state() == BlockState::Small && !entry.is_frozen() {
            counts[step_of(entry.live_units())] += 1;
        }
    }
    let mut taken = blocks_to_take(spaces, &counts, all);
    for block in 0..high {
        let entry = memory.block(block);
        let left = &mut taken[step_of(entry.live_units())];
        if entry.state() == BlockState::Small && !entry.is_frozen() && *left > 0 {
            *left -= 1;
            entry.set_group(COMPACTED);
        }
    }
}

/// How many blocks of each step are evacuated, if there are `counts` blocks by step.
fn blocks_to_take(spaces: &Spaces, counts: &[u64; STEPS], all: bool) -> [u64; STEPS] {
    // Ready blocks lose up to a sixteenth to objects that do not fit their rest.
    let mut room = spaces.old().blocks().ready_count() as u64 * (BLOCK_BYTES - BLOCK_BYTES / 16) as u64;
    let most_live = if all { STEPS - 1 } else { LIVE_STEPS_MAX };
    let mut taken = [0u64; STEPS];
    for (index, count) in counts.iter().enumerate().take(most_live + 1) {
        let each = (index as u64 + 1) * STEP_BYTES as u64;
        taken[index] = if all { *count } else { (*count).min(room / each) };
        room = room.saturating_sub(taken[index] * each);
    }
    taken
}

/// Marks everything that is reachable, in a new epoch, and moves what lies in the chosen blocks, and in the nursery if
/// it is not empty.
pub fn move_all(spaces: &mut Spaces, grey: &mut Grey, roots: &mut dyn RootProvider) -> Done {
    let (memory, available_bytes) = (spaces.memory(), spaces.grantable_bytes());
    let mut tracer = MoveTracer { memory, spaces, grey, available_bytes, work: MarkWork::default() };
    let frames = roots.frames(FrameScope::All, &mut tracer);
    let others = roots.all(&mut RootCursor::default(), &mut tracer);
    tracer.run();
    let mark = tracer.work;
    let (roots, frames) = (frames.slots + others.slots, frames.frames);
    Done { mark, roots, frames, live_bytes: mark.live_bytes, ..Done::default() }
}

/// A walk under way.
struct MoveTracer<'a> {
    memory: Memory,
    /// Where moved objects go.
    spaces: &'a mut Spaces,
    /// What waits to be scanned.
    grey: &'a mut Grey,
    /// Bytes that the stack may grow by.
    available_bytes: u64,
    work: MarkWork,
}

impl MoveTracer<'_> {
    /// Marks what `reference` names, moves it if its block is being evacuated, and returns where it lies now.
    fn shade(&mut self, reference: RawRef) -> RawRef {
        if !is_old(reference) {
            return if is_young(reference) { self.shade_young(reference) } else { reference };
        }
        if self.memory.block(block_of(reference)).is_frozen() {
            return reference;
        }
        let object = ObjectReference(reference);
        let header = self.memory.header(object);
        if header & FORWARDED != 0 {
            return header & !FORWARDED;
        }
        if self.memory.mark(reference) & EPOCH_MASK == self.spaces.epoch() {
            return reference;
        }
        let in_place = header & (PINNED | LARGE) != 0 || self.memory.block(block_of(reference)).group() != COMPACTED;
        let to = if in_place { None } else { self.move_object(object, header) };
        let to = to.unwrap_or_else(|| {
            self.memory.set_header(object, header | UNLOGGED);
            object
        });
        self.mark_and_push(to)
    }

    /// Handles a young object. One is met only if the log was lost, in which case this walk finds all references to it.
    #[cold]
    fn shade_young(&mut self, reference: RawRef) -> RawRef {
        let object = ObjectReference(reference);
        let header = self.memory.header(object);
        if header & FORWARDED != 0 {
            return header & !FORWARDED;
        }
        let to = self.move_object(object, header).expect("the reserve of ready blocks covers the nursery");
        self.mark_and_push(to)
    }

    fn mark_and_push(&mut self, object: ObjectReference) -> RawRef {
        self.memory.set_mark(object.0, mark_byte(self.spaces.epoch(), object.0));
        self.grey.push(self.memory, object.0 as u64);
        object.0
    }

    fn move_object(&mut self, object: ObjectReference, header: u32) -> Option<ObjectReference> {
        let descriptor = self.memory.descriptor(TypeId::of_header(header));
        let bytes = self.memory.object_bytes(object, descriptor) as u32;
        let to = self.spaces.allocate_old(bytes)?;
        self.memory.copy_object(object.0, to.0, bytes);
        self.memory.set_header(to, header & !AGED | UNLOGGED);
        self.memory.forward(object, to);
        self.work.moved_bytes += bytes as u64;
        Some(to)
    }

    /// Scans until nothing is grey.
    fn run(&mut self) {
        loop {
            self.grey.make_room(self.spaces.cage_mut(), ELEMENTS_AT_ONCE as usize, self.available_bytes);
            match self.grey.pop() {
                Some(entry) => self.scan(entry),
                None if self.grey.push_deferred(self.memory, self.spaces.blocks_high()).is_some() => {}
                None => break,
            }
        }
        self.work.overflows = self.grey.overflows();
    }

    fn scan(&mut self, entry: u64) {
        let memory = self.memory;
        let scan = self.grey.begin_scan(&memory, entry, &mut self.work);
        scan.each_slot_backwards(memory, |slot| self.shade_slot(slot));
    }

    fn shade_slot(&mut self, slot: Slot) {
        let value = self.memory.slot(slot);
        let now = self.shade(value);
        if now != value {
            self.memory.set_slot(slot, now);
        }
    }
}

impl RootVisitor for MoveTracer<'_> {
    fn slot(&mut self, slot: &mut RawRef) {
        *slot = self.shade(*slot);
    }
}
