//! Marking, and evacuation in the same walk.
//!
//! 1. `shade` marks what a root references (one side byte for an object) and pushes it.
//! 2. `step` pops objects and shades what they reference, until its budget of fields is used or nothing is grey.
//!    Small objects are scanned in a loop of their own whose state is in registers.
//! 3. If the stack cannot grow, an object is marked *deferred* and its block *overflowed*; when the stack is empty,
//!    such blocks are searched and their deferred objects pushed. So the stack is bounded, and marking always ends.
//! 4. With MOVE, an object in a block that is being emptied is copied to a ready block first, as long as there are
//!    any; its old header names the new place and every slot that leads there is rewritten.
//!
//! A mark byte holds the epoch (1 or 2) in bits 0..2, in bit 2 whether the object starts in the upper half of its 16
//! bytes, in bit 3 whether it is deferred. The marker writes no header (unless it moves the object).

use crate::blocks::{block_of, block_start};
use crate::old::OldSpace;
use crate::raw::backing::BackingError;
use crate::raw::cage::{BLOCK_BYTES, BlockState, Cage, Memory};
use crate::raw::object::{ObjectReference, Slot, is_old, is_young};
use crate::raw::side::SideVec;
use crate::roots::RootVisitor;
use heapwood_gc_abi::descriptor::SMALL_BYTES_MAX;
use heapwood_gc_abi::header::{AGED, FORWARDED, LARGE, PINNED, UNLOGGED};
use heapwood_gc_abi::{ObjectKind, RawRef, TypeId};

/// Bits of a mark byte that hold the epoch.
pub const EPOCH_MASK: u8 = 3;
const UPPER_HALF: u8 = 4;
const DEFERRED: u8 = 8;
/// Most references of a small object.
const SMALL_REFS_MAX: usize = (SMALL_BYTES_MAX / 4) as usize;
/// Elements of a reference array that are scanned at a time.
const ELEMENTS_AT_ONCE: u32 = 8192;
/// Entries of the mark stack at first.
const MARK_STACK_MIN: usize = 4096;
/// Most entries of the mark stack.
pub const MARK_STACK_MAX: usize = 2 << 20;

/// What a marking did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MarkWork {
    /// Objects marked.
    pub objects: u64,
    /// Bytes of marked objects.
    pub live_bytes: u64,
    /// Reference fields looked at.
    pub fields: u64,
    /// Bytes of objects that were moved.
    pub moved_bytes: u64,
    /// Times that the stack was full.
    pub overflows: u64,
}

/// The state of a marking. It holds no references into the heap besides the stack, so it can stop between steps.
#[derive(Debug)]
pub struct Marker {
    stack: SideVec<u64>,
    overflowed: bool,
    /// What this marking did so far.
    pub work: MarkWork,
}

impl Marker {
    /// A marker at rest, with a small stack: it is never without one.
    pub fn new(cage: &mut Cage) -> Result<Marker, BackingError> {
        let mut stack = SideVec::new(cage, MARK_STACK_MAX);
        stack.grow(cage, MARK_STACK_MIN)?;
        Ok(Marker { stack, overflowed: false, work: MarkWork::default() })
    }

    /// Sets the most entries of the stack (tests).
    #[cfg(feature = "test-hooks")]
    pub fn limit_stack(&mut self, entries: usize) {
        self.stack.set_capacity_max(entries);
    }

    /// Starts a marking: nothing is marked in the new epoch. All blocks have been swept.
    pub fn begin(&mut self, memory: &mut Memory, old: &mut OldSpace) {
        debug_assert!(self.stack.is_empty() && !self.overflowed);
        self.work = MarkWork::default();
        old.retire();
        old.epoch = 3 - old.epoch;
        for block in 0..old.blocks.high() {
            memory.block(block).live_bytes = 0;
        }
    }
}

/// A marker at work.
pub struct Tracer<'a, const MOVE: bool> {
    /// The heap's memory.
    pub memory: Memory,
    /// Where moved objects go.
    pub old: &'a mut OldSpace,
    /// Grows the stack.
    pub cage: &'a mut Cage,
    /// The marking.
    pub marker: &'a mut Marker,
}

impl<const MOVE: bool> Tracer<'_, MOVE> {
    /// Marks what `reference` names, if that is an object of the old space, and returns where it lies now.
    #[inline(always)]
    pub fn shade(&mut self, reference: RawRef) -> RawRef {
        if !is_old(reference) {
            return if MOVE && is_young(reference) { self.shade_young(reference) } else { reference };
        }
        if MOVE {
            let header = self.memory.header(ObjectReference(reference));
            if header & FORWARDED != 0 {
                return header & !FORWARDED;
            }
            if self.memory.mark(reference) & EPOCH_MASK == self.old.epoch {
                return reference;
            }
            return self.shade_moving(ObjectReference(reference), header);
        }
        if self.memory.mark(reference) & EPOCH_MASK != self.old.epoch {
            self.mark_and_push(reference);
        }
        reference
    }

    #[inline(always)]
    fn mark_and_push(&mut self, reference: RawRef) {
        self.memory.set_mark(reference, mark_byte(self.old.epoch, reference));
        if !self.marker.stack.push(reference as u64) {
            self.push_slow(reference);
        }
    }

    #[cold]
    #[inline(never)]
    fn push_slow(&mut self, reference: RawRef) {
        let capacity = (self.marker.stack.capacity() * 2).max(1024).min(self.marker.stack.capacity_max());
        if self.marker.stack.grow(self.cage, capacity).is_ok() && self.marker.stack.push(reference as u64) {
            return;
        }
        self.marker.work.overflows += 1;
        self.marker.overflowed = true;
        self.memory.block(block_of(reference)).overflowed = true;
        self.memory.set_mark(reference, self.memory.mark(reference) | DEFERRED);
    }

    fn shade_moving(&mut self, object: ObjectReference, header: u32) -> RawRef {
        let in_place = header & (PINNED | LARGE) != 0 || !self.memory.block(block_of(object.0)).evacuating;
        let to = if in_place { None } else { self.move_object(object, header) };
        let to = to.unwrap_or_else(|| {
            self.memory.set_header(object, header | UNLOGGED);
            object
        });
        self.mark_and_push(to.0);
        to.0
    }

    /// A young object is met only if the log was lost: then this walk is what finds all references to it.
    #[cold]
    fn shade_young(&mut self, reference: RawRef) -> RawRef {
        let object = ObjectReference(reference);
        let header = self.memory.header(object);
        if header & FORWARDED != 0 {
            return header & !FORWARDED;
        }
        let to = self.move_object(object, header).expect("the reserve of ready blocks covers the nursery");
        self.mark_and_push(to.0);
        to.0
    }

    fn move_object(&mut self, object: ObjectReference, header: u32) -> Option<ObjectReference> {
        let descriptor = self.memory.descriptor(TypeId::of_header(header));
        let bytes = self.memory.object_bytes(object, descriptor) as u32;
        let to = self.old.allocate(bytes)?;
        self.memory.copy_object(object.0, to.0, bytes);
        self.memory.set_header(to, header & !AGED | UNLOGGED);
        self.memory.forward(object, to);
        self.marker.work.moved_bytes += bytes as u64;
        Some(to)
    }

    /// Scans grey objects for about `budget` fields. Returns whether nothing is grey any more.
    pub fn step(&mut self, budget: u64) -> bool {
        let end = self.marker.work.fields.saturating_add(budget);
        while self.marker.work.fields < end {
            if !MOVE {
                self.scan_small(end - self.marker.work.fields);
            }
            match self.marker.stack.pop() {
                Some(entry) => self.scan(entry),
                None if self.marker.overflowed => self.push_deferred(),
                None => return true,
            }
        }
        self.marker.stack.is_empty() && !self.marker.overflowed
    }

    /// Scans grey objects for about `budget` fields while they are small and the stack has room: with its state in
    /// registers.
    #[inline(never)]
    fn scan_small(&mut self, budget: u64) {
        let (mut memory, epoch) = (self.memory, self.old.epoch);
        let mut stack = self.marker.stack.lend_rest();
        let (mut objects, mut live_bytes, mut fields) = (0, 0, 0);
        while fields < budget && stack.room() >= SMALL_REFS_MAX {
            let Some(entry) = stack.pop() else { break };
            let object = entry as u32;
            let descriptor = memory.descriptor(TypeId::of_header(memory.header(ObjectReference(object))));
            if !descriptor.is_small {
                // Back to where it came from.
                stack.push(entry);
                break;
            }
            objects += 1;
            live_bytes += descriptor.size as u64;
            fields += descriptor.ref_count as u64 + 1;
            let mut map = descriptor.ref_map;
            memory.block(block_of(object)).live_bytes += descriptor.size;
            while map != 0 {
                let word = 63 - map.leading_zeros();
                map ^= 1 << word;
                let value = memory.word(object.wrapping_add(word));
                if is_old(value) && memory.mark(value) & EPOCH_MASK != epoch {
                    memory.set_mark(value, mark_byte(epoch, value));
                    stack.push(value as u64);
                }
            }
        }
        self.marker.stack.give_back(stack);
        self.marker.work.objects += objects;
        self.marker.work.live_bytes += live_bytes;
        self.marker.work.fields += fields;
    }

    #[inline(always)]
    fn scan(&mut self, entry: u64) {
        let (object, start) = (ObjectReference(entry as u32), (entry >> 32) as u32);
        let memory = self.memory;
        let header = memory.header(object);
        let id = TypeId::of_header(header);
        let descriptor = memory.descriptor(id);
        if start == 0 {
            let bytes = memory.object_bytes(object, descriptor);
            self.marker.work.objects += 1;
            self.marker.work.live_bytes += bytes;
            if header & LARGE == 0 {
                self.memory.block(block_of(object.0)).live_bytes += bytes as u32;
            }
        }
        if descriptor.kind == ObjectKind::ArrayRef {
            let length = memory.array_length(object);
            let end = length.min(start.saturating_add(ELEMENTS_AT_ONCE));
            if end < length && !self.marker.stack.push(object.0 as u64 | (end as u64) << 32) {
                self.push_slow(object.0);
            }
            self.marker.work.fields += (end - start) as u64 + 1;
            memory.each_element_slot_backwards(object, start, end, |slot| self.shade_slot(slot));
        } else {
            self.marker.work.fields += descriptor.ref_count as u64 + 1;
            memory.each_slot_backwards(object, id, descriptor, |slot| self.shade_slot(slot));
        }
    }

    #[inline(always)]
    fn shade_slot(&mut self, slot: Slot) {
        let value = self.memory.slot(slot);
        let now = self.shade(value);
        if MOVE && now != value {
            self.memory.set_slot(slot, now);
        }
    }

    /// The stack is empty: finds the objects that did not fit.
    #[cold]
    fn push_deferred(&mut self) {
        self.marker.overflowed = false;
        for block in 0..self.old.blocks.high() {
            let entry = self.memory.block(block);
            if !std::mem::take(&mut entry.overflowed) {
                continue;
            }
            let bytes = if entry.state == BlockState::LargeHead { 16 } else { BLOCK_BYTES };
            let start = block_start(block);
            for granule in 0..bytes / 16 {
                let mark = self.memory.mark(start + granule * 4);
                if mark & DEFERRED != 0 {
                    let reference = start + granule * 4 + if mark & UPPER_HALF != 0 { 2 } else { 0 };
                    self.memory.set_mark(reference, mark & !DEFERRED);
                    if !self.marker.stack.push(reference as u64) {
                        self.push_slow(reference);
                    }
                }
            }
        }
    }
}

impl<const MOVE: bool> RootVisitor for Tracer<'_, MOVE> {
    fn slot(&mut self, slot: &mut RawRef) {
        let now = self.shade(*slot);
        if MOVE {
            *slot = now;
        }
    }
}

/// The mark byte of an object.
#[inline(always)]
fn mark_byte(epoch: u8, reference: u32) -> u8 {
    // Bit 1 of the reference says that it is in the upper half.
    epoch | (reference as u8 & 2) << 1
}

/// The object that a current mark byte at `granule` (a multiple of 4 references) stands for.
#[inline(always)]
pub fn marked_object(granule: u32, mark: u8) -> ObjectReference {
    ObjectReference(granule + if mark & UPPER_HALF != 0 { 2 } else { 0 })
}
