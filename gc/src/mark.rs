//! Marking: a tracing of the old space from a snapshot, in steps.
//!
//! 1. `shade` marks what a reference names (one side byte for an object) and pushes it. Objects in blocks taken since
//!    the marking began are *new*: they count as marked and are not traced (snapshot at the beginning: whatever they
//!    reference is new itself or was reachable when the marking began).
//! 2. `step` pops objects and shades what they reference, until its budget of fields is used or nothing is grey.
//!    Small objects are scanned in a loop of their own whose state is in registers.
//! 3. If the stack cannot grow, an object is marked *deferred* and its block *overflowed*; when the stack is empty,
//!    such blocks are searched and their deferred objects pushed. So the stack is bounded, and marking always ends.
//!
//! A mark byte holds the epoch (1 or 2) in bits 0..2, in bit 2 whether the object starts in the upper half of its 16
//! bytes, in bit 3 whether it is deferred, in bit 4 whether ephemerons wait for it (`ephemeron`). The marker writes no header and no slot, so the mutator may run between
//! steps; what it overwrites it shades first (`satb`).

use crate::blocks::{block_of, block_start};
use crate::raw::backing::BackingError;
use crate::raw::block::BlockState;
use crate::raw::cage::{BLOCK_BYTES, Cage};
use crate::raw::memory::Memory;
use crate::raw::object::{ObjectReference, Slot, is_old};
use crate::raw::side::SideVec;
use crate::raw::types::TypeInfo;
use crate::recorded::{Noticed, Recorded};
use crate::roots::RootVisitor;
use crate::waiting::Waiting;
use heapwood_gc_abi::descriptor::SMALL_BYTES_MAX;
use heapwood_gc_abi::header::LARGE;
use heapwood_gc_abi::{Mutant, ObjectKind, RawRef, TypeId, active};
use std::ops::Range;

/// Bits of a mark byte that hold the epoch.
pub const EPOCH_MASK: u8 = 3;
const UPPER_HALF: u8 = 4;
const DEFERRED: u8 = 8;
/// In the byte of an object that is not marked: ephemerons wait for its mark.
pub const WAITING: u8 = 16;
/// Most references of a small object.
const SMALL_REFS_MAX: usize = (SMALL_BYTES_MAX / 4) as usize;
/// Elements of a reference array that are scanned at a time: what a step may pass its budget by.
pub const ELEMENTS_AT_ONCE: u32 = 1024;
/// Blocks whose overflow is looked at as one unit of work.
const OVERFLOW_BLOCKS_AT_ONCE: u32 = 512;
/// Of these, most that are searched for deferred objects, and what that counts in fields.
const SEARCHED_BLOCKS_AT_ONCE: u64 = 4;
const SEARCHED_BLOCK_FIELDS: u64 = 200;
/// Entries of the mark stack at first.
const MARK_STACK_MIN: usize = 4 << 10;
/// In a shaded reference: the mutator has marked the object, so it is to be scanned whatever its mark says.
pub const SHADED_MARKED: u32 = 1;
/// Most entries of the mark stack.
pub const MARK_STACK_MAX: usize = 2 << 20;

/// What a marking did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MarkWork {
    /// Objects marked.
    pub objects: u64,
    /// Bytes of marked objects.
    pub live_bytes: u64,
    /// Reference fields looked at, and one for each object.
    pub fields: u64,
    /// Bytes of objects that were moved.
    pub moved_bytes: u64,
    /// Times that the stack was full.
    pub overflows: u64,
    /// Ephemerons that held their keys, since there was no memory to let them wait.
    pub held_ephemerons: u64,
}

impl MarkWork {
    /// What was done since `before`.
    pub fn since(&self, before: &MarkWork) -> MarkWork {
        MarkWork {
            objects: self.objects - before.objects,
            live_bytes: self.live_bytes - before.live_bytes,
            fields: self.fields - before.fields,
            moved_bytes: self.moved_bytes - before.moved_bytes,
            overflows: self.overflows - before.overflows,
            held_ephemerons: self.held_ephemerons - before.held_ephemerons,
        }
    }
}

/// Marked objects that wait to be scanned: an object in the low half, for large arrays the next element in the high
/// one.
#[derive(Debug)]
pub struct Grey {
    stack: SideVec<u64>,
    /// Deferred objects wait in blocks from this one on; none if it is `u32::MAX`.
    deferred_from: u32,
    /// Times that the stack was full.
    pub overflows: u64,
}

impl Grey {
    fn new(cage: &mut Cage) -> Result<Grey, BackingError> {
        let mut stack = SideVec::new(cage, MARK_STACK_MAX);
        stack.grow(cage, MARK_STACK_MIN)?;
        Ok(Grey { stack, deferred_from: u32::MAX, overflows: 0 })
    }

    /// Pushes an object that was just marked.
    #[inline(always)]
    pub fn push(&mut self, memory: Memory, entry: u64) {
        if !self.stack.push(entry) {
            self.defer(memory, entry as u32);
        }
    }

    #[cold]
    #[inline(never)]
    fn defer(&mut self, memory: Memory, reference: RawRef) {
        self.overflows += 1;
        if active(Mutant::OverflowForgotten) {
            return;
        }
        let block = block_of(reference);
        self.deferred_from = self.deferred_from.min(block);
        memory.block(block).set_overflowed(true);
        memory.set_mark(reference, memory.mark(reference) | DEFERRED);
    }

    /// Takes the last object.
    #[inline(always)]
    pub fn pop(&mut self) -> Option<u64> {
        self.stack.pop()
    }

    /// Objects that can be pushed before the stack has to grow; any number if it cannot grow any more.
    pub fn room(&self) -> usize {
        let capacity = self.stack.capacity();
        if capacity == self.stack.capacity_max() { usize::MAX } else { capacity - self.stack.len() }
    }

    /// Counts an object when its scan begins. Of a reference array: which elements are scanned now; the rest is pushed.
    #[inline(always)]
    pub fn begin_scan(
        &mut self,
        memory: Memory,
        entry: u64,
        descriptor: TypeInfo<'_>,
        work: &mut MarkWork,
    ) -> Option<Range<u32>> {
        let (object, start) = (ObjectReference(entry as u32), (entry >> 32) as u32);
        if start == 0 {
            let bytes = memory.object_bytes(object, descriptor);
            work.objects += 1;
            work.live_bytes += bytes;
            if memory.header(object) & LARGE == 0 {
                memory.block(block_of(object.0)).add_marked(bytes as u32);
            }
        }
        if descriptor.kind() != ObjectKind::ArrayRef {
            return None;
        }
        let length = memory.array_length(object);
        let end = length.min(start.saturating_add(ELEMENTS_AT_ONCE));
        if end < length && !active(Mutant::LongArrayMarkedInPart) {
            self.push(memory, object.0 as u64 | (end as u64) << 32);
        }
        work.fields += (end - start) as u64 + 1;
        Some(start..end)
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.stack.is_empty() && self.deferred_from == u32::MAX
    }

    /// Grows the stack if it has no room for `objects`, by at most `available_bytes`; that it cannot is no error.
    pub fn make_room(&mut self, cage: &mut Cage, objects: usize, available_bytes: u64) {
        let mut left = available_bytes / size_of::<u64>() as u64;
        while self.room() < objects {
            let capacity = (self.stack.capacity() * 2).min(self.stack.capacity_max());
            match left.checked_sub((capacity - self.stack.capacity()) as u64) {
                Some(rest) => left = rest,
                None => return,
            }
            if self.stack.grow(cage, capacity).is_err() {
                // A helper must not give up for that: what finds no room is deferred.
                self.stack.stop_growing();
            }
        }
    }

    /// The stack is empty: pushes deferred objects of the next blocks. What that cost, in fields; none if there are no
    /// such objects any more.
    #[cold]
    pub fn push_deferred(&mut self, memory: Memory, blocks_high: u32) -> Option<u64> {
        if self.deferred_from == u32::MAX {
            return None;
        }
        let mut block = std::mem::replace(&mut self.deferred_from, u32::MAX);
        let end = blocks_high.min(block.saturating_add(OVERFLOW_BLOCKS_AT_ONCE));
        let mut searched = 0;
        while block < end && searched < SEARCHED_BLOCKS_AT_ONCE {
            let entry = memory.block(block);
            if entry.is_overflowed() {
                entry.set_overflowed(false);
                let bytes = if entry.state() == BlockState::LargeHead { 16 } else { BLOCK_BYTES };
                self.push_deferred_of(memory, block_start(block), bytes);
                searched += 1;
            }
            block += 1;
        }
        if block < blocks_high {
            self.deferred_from = self.deferred_from.min(block);
        }
        Some(64 + searched * SEARCHED_BLOCK_FIELDS)
    }

    fn push_deferred_of(&mut self, memory: Memory, start: u32, bytes: u32) {
        for granule in 0..bytes / 16 {
            let mark = memory.mark(start + granule * 4);
            if mark & DEFERRED != 0 {
                let object = marked_object(start + granule * 4, mark);
                memory.set_mark(object.0, mark & !DEFERRED);
                self.push(memory, object.0 as u64);
            }
        }
    }
}

/// The state of a marking.
#[derive(Debug)]
pub struct Marker {
    pub(crate) memory: Memory,
    /// Marks with this value are of this marking.
    pub(crate) epoch: u8,
    /// Blocks that exist.
    blocks_high: u32,
    /// What waits to be scanned.
    pub grey: Grey,
    /// Ephemerons that wait for their keys.
    pub waiting: Waiting,
    /// Edges into blocks that are to be emptied.
    pub recorded: Recorded,
    /// What this marking did so far.
    pub work: MarkWork,
}

impl Marker {
    /// A marker at rest, with a small stack: it is never without one.
    pub fn new(cage: &mut Cage) -> Result<Marker, BackingError> {
        let (memory, grey) = (cage.memory(), Grey::new(cage)?);
        let (waiting, recorded) = (Waiting::new(cage), Recorded::new(cage));
        Ok(Marker { memory, epoch: 0, blocks_high: 0, grey, waiting, recorded, work: MarkWork::default() })
    }

    /// Sets the most entries of the stack (tests).
    #[cfg(feature = "test-hooks")]
    pub fn limit_stack(&mut self, entries: usize) {
        self.grey.stack.set_capacity_max(entries);
    }

    /// Starts a marking in a new epoch, in which nothing is marked. O(1).
    pub fn begin(&mut self, epoch: u8) {
        debug_assert!(self.grey.is_empty());
        (self.epoch, self.work, self.grey.overflows) = (epoch, MarkWork::default(), 0);
    }

    /// Blocks below `high` exist now.
    pub fn set_blocks_high(&mut self, high: u32) {
        self.blocks_high = high;
    }

    /// Marks what `reference` names, if that is an object of the old space that is not marked yet.
    #[inline(always)]
    pub fn shade(&mut self, reference: RawRef) {
        if !is_old(reference) {
            return;
        }
        let was = self.memory.mark(reference);
        if was & EPOCH_MASK != self.epoch && self.memory.block(block_of(reference)).epoch() != self.epoch {
            self.memory.set_mark(reference, mark_byte(self.epoch, reference));
            self.grey.push(self.memory, reference as u64);
            if was & WAITING != 0 {
                self.wake(reference);
            }
        }
    }

    /// Takes over up to `count` of the references that the mutator shaded, as far as there is room. Returns how many.
    pub fn take_shaded(&mut self, shaded: &mut SideVec<u32>, count: usize) -> usize {
        let count = count.min(self.grey.room());
        for taken in 0..count {
            let Some(entry) = shaded.pop() else { return taken };
            self.take_entry(entry);
        }
        count
    }

    /// Takes over one shaded reference.
    pub fn take_entry(&mut self, entry: u32) {
        if entry & SHADED_MARKED == 0 {
            return self.shade(entry);
        }
        let object = entry & !SHADED_MARKED;
        if active(Mutant::MarkedByMutatorForgotten) {
            return;
        }
        self.grey.push(self.memory, object as u64);
        if self.waiting.is_used() {
            self.wake(object);
        }
    }

    /// Scans grey objects for about `budget` fields. Returns whether nothing is grey any more.
    pub fn step(&mut self, budget: u64) -> bool {
        let end = self.work.fields.saturating_add(budget);
        while self.work.fields < end {
            let budget = end - self.work.fields;
            if self.waiting.is_used() || self.recorded.is_on() {
                self.scan_small::<true>(budget)
            } else {
                self.scan_small::<false>(budget)
            }
            match self.grey.pop() {
                Some(entry) => self.scan(entry),
                None => match self.grey.push_deferred(self.memory, self.blocks_high) {
                    Some(fields) => self.work.fields += fields,
                    None => break,
                },
            }
        }
        self.work.overflows = self.grey.overflows;
        self.grey.is_empty()
    }

    /// Scans grey objects for about `budget` fields while they are small and the stack has room: with its state in
    /// registers. SPECIAL: ephemerons wait for
    /// their keys, or edges are noted.
    #[inline(never)]
    fn scan_small<const SPECIAL: bool>(&mut self, budget: u64) {
        let (memory, epoch) = (self.memory, self.epoch);
        let mut stack = self.grey.stack.lend_rest();
        let (mut objects, mut live_bytes, mut fields) = (0, 0, 0);
        let (mut keys, mut woken) = ([0; SMALL_REFS_MAX], 0);
        while fields < budget && stack.room() >= SMALL_REFS_MAX && woken == 0 {
            let Some(entry) = stack.pop() else { break };
            let object = entry as u32;
            let descriptor = memory.descriptor(TypeId::of_header(memory.header(ObjectReference(object))));
            if !descriptor.is_small() {
                // Back to where it came from.
                stack.push(entry);
                break;
            }
            objects += 1;
            live_bytes += descriptor.size() as u64;
            fields += descriptor.ref_count() as u64 + 1;
            let mut words = descriptor.small_refs();
            memory.block(block_of(object)).add_marked(descriptor.size());
            while words != 0 {
                let value = memory.slot(Slot(object.wrapping_add(words as u8 as u32)));
                words >>= 8;
                if is_old(value) && !is_marked(memory, epoch, value) {
                    if SPECIAL && memory.mark(value) & WAITING != 0 {
                        keys[woken] = value;
                        woken += 1;
                    }
                    memory.set_mark(value, mark_byte(epoch, value));
                    stack.push(value as u64);
                }
            }
            if SPECIAL && self.recorded.is_on() {
                let (object, id) = (ObjectReference(object), TypeId::of_header(memory.header(ObjectReference(object))));
                self.recorded.note_object(memory, object, id, Noticed::Marking);
            }
        }
        let left = stack.len();
        self.grey.stack.set_len(left);
        self.work.objects += objects;
        self.work.live_bytes += live_bytes;
        self.work.fields += fields;
        keys[..woken].iter().for_each(|key| self.wake(*key));
    }

    #[inline(always)]
    fn scan(&mut self, entry: u64) {
        let memory = self.memory;
        let object = ObjectReference(entry as u32);
        let id = TypeId::of_header(memory.header(object));
        let descriptor = memory.descriptor(id);
        if let Some(elements) = self.grey.begin_scan(memory, entry, descriptor, &mut self.work) {
            let Range { start, end } = elements;
            memory.each_element_slot_backwards(object, start, end, |slot| self.shade(memory.slot(slot)));
            if self.recorded.is_on() {
                self.recorded.note_elements(memory, object, start, end, Noticed::Marking);
            }
            return;
        }
        if self.recorded.is_on() {
            self.recorded.note_object(memory, object, id, Noticed::Marking);
        }
        if descriptor.kind() == ObjectKind::Ephemeron {
            self.scan_ephemeron(object);
        } else {
            self.work.fields += descriptor.ref_count() as u64 + 1;
            memory.each_slot_backwards(object, id, descriptor, |slot| self.shade(memory.slot(slot)));
        }
    }
}

impl RootVisitor for Marker {
    fn slot(&mut self, slot: &mut RawRef) {
        self.shade(*slot);
    }
}

/// Whether an object of the old space carries the mark of `epoch`, or is newer than the marking.
#[inline(always)]
pub fn is_marked(memory: Memory, epoch: u8, reference: RawRef) -> bool {
    memory.mark(reference) & EPOCH_MASK == epoch || memory.block(block_of(reference)).epoch() == epoch
}

/// The mark byte of an object.
#[inline(always)]
pub fn mark_byte(epoch: u8, reference: u32) -> u8 {
    // Bit 1 of the reference says that it is in the upper half.
    epoch | (reference as u8 & 2) << 1
}

/// The object that a current mark byte at `granule` (a multiple of 4 references) stands for.
#[inline(always)]
pub fn marked_object(granule: u32, mark: u8) -> ObjectReference {
    ObjectReference(granule + if mark & UPPER_HALF != 0 { 2 } else { 0 })
}
