//! The grey objects, which wait to be scanned by a marking: a stack, and deferred objects where it overflowed.

use crate::raw::backing::BackingError;
use crate::raw::block::BlockState;
use crate::raw::cage::{BLOCK_BYTES, Cage};
use crate::raw::memory::Memory;
use crate::raw::object::{ObjectReference, Slot};
use crate::raw::side::{LentStack, SideVec};
use crate::raw::types::TypeInfo;
use crate::spaces::blocks::{block_of, block_start};
use crate::spaces::marks::{DEFERRED, marked_object};
use crate::telemetry::work::MarkWork;
use heapwood_gc_abi::header::LARGE;
use heapwood_gc_abi::{Mutant, ObjectKind, RawRef, TypeId, active};

/// Elements of a reference array that are scanned at a time: what a step may pass its budget by.
pub const ELEMENTS_AT_ONCE: u32 = 1024;
/// Blocks whose overflow is looked at as one unit of work.
const OVERFLOW_BLOCKS_AT_ONCE: u32 = 512;
/// The most of these blocks that are searched for deferred objects, and how many fields the search of one counts as.
const SEARCHED_BLOCKS_AT_ONCE: u64 = 4;
const SEARCHED_BLOCK_FIELDS: u64 = 200;
/// Entries of the mark stack at first.
const MARK_STACK_MIN: usize = 4 << 10;
/// Most entries of the mark stack.
const MARK_STACK_MAX: usize = 2 << 20;

/// Marked objects that wait to be scanned: an object in the low half, for large arrays the next element in the high
/// one.
#[derive(Debug)]
pub struct Grey {
    stack: SideVec<u64>,
    /// Deferred objects wait in blocks from this one on; none if it is `u32::MAX`.
    deferred_from: u32,
    /// Times that the stack was full.
    overflows: u64,
}

impl Grey {
    /// A set without grey objects. Costs address space only.
    pub fn new(cage: &mut Cage) -> Grey {
        Grey { stack: SideVec::new(cage, MARK_STACK_MAX), deferred_from: u32::MAX, overflows: 0 }
    }

    /// Gives the mark stack its least size: no marking begins without one.
    pub fn make_ready(&mut self, cage: &mut Cage) -> Result<(), BackingError> {
        self.stack.grow(cage, MARK_STACK_MIN.min(self.stack.capacity_max()))
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

    /// Begins the scan of an object: counts it, and its fields. Of a long reference array some elements are scanned
    /// now; the rest is pushed.
    #[inline(always)]
    pub fn begin_scan<'m>(&mut self, memory: &'m Memory, entry: u64, work: &mut MarkWork) -> Scan<'m> {
        let (object, start) = (ObjectReference(entry as u32), (entry >> 32) as u32);
        let id = TypeId::of_header(memory.header(object));
        let descriptor = memory.descriptor(id);
        if start == 0 {
            let bytes = memory.object_bytes(object, descriptor);
            work.objects += 1;
            work.live_bytes += bytes;
            if memory.header(object) & LARGE == 0 {
                memory.block(block_of(object.0)).add_marked(bytes as u32);
            }
        }
        if descriptor.kind() != ObjectKind::ArrayRef {
            work.fields += descriptor.ref_count() as u64 + 1;
            return Scan::Whole(Whole { object, id, descriptor });
        }
        let length = memory.array_length(object);
        let end = length.min(start.saturating_add(ELEMENTS_AT_ONCE));
        if end < length && !active(Mutant::LongArrayMarkedInPart) {
            self.push(*memory, object.0 as u64 | (end as u64) << 32);
        }
        work.fields += (end - start) as u64 + 1;
        Scan::Elements(Elements { array: object, start, end })
    }

    /// A marking begins.
    pub fn begin(&mut self) {
        self.overflows = 0;
    }

    /// Times that the stack was full.
    pub fn overflows(&self) -> u64 {
        self.overflows
    }

    /// Lends the stack, to keep it in registers; [`Grey::set_len`] ends the loan.
    #[inline(always)]
    pub fn lend_rest(&mut self) -> LentStack<'_, u64> {
        self.stack.lend_rest()
    }

    /// A loan ends: so many are on the stack now.
    #[inline(always)]
    pub fn set_len(&mut self, len: usize) {
        self.stack.set_len(len);
    }

    /// Sets the most entries of the stack (tests).
    #[cfg(feature = "test-hooks")]
    pub fn limit(&mut self, entries: usize) {
        self.stack.set_capacity_max(entries);
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.stack.is_empty() && self.deferred_from == u32::MAX
    }

    /// Grows the stack if it has no room for `objects`, by at most `available_bytes`. If it cannot grow, that is no
    /// error.
    pub fn make_room(&mut self, cage: &mut Cage, objects: usize, available_bytes: u64) {
        let mut left = available_bytes / size_of::<u64>() as u64;
        while self.room() < objects {
            let capacity = (self.stack.capacity() * 2).min(self.stack.capacity_max());
            match left.checked_sub((capacity - self.stack.capacity()) as u64) {
                Some(rest) => left = rest,
                None => return,
            }
            if self.stack.grow(cage, capacity).is_err() {
                // A helper must not give its work back for that: objects that find no room are deferred.
                self.stack.stop_growing();
            }
        }
    }

    /// Pushes deferred objects of the next blocks, when the stack is empty. Returns what that cost, in fields; none if
    /// there are no deferred objects any more.
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

/// What of a grey object is scanned now.
pub enum Scan<'m> {
    /// Some elements of a reference array.
    Elements(Elements),
    /// The whole of an object that is no reference array.
    Whole(Whole<'m>),
}

/// Elements of a reference array.
pub struct Elements {
    array: ObjectReference,
    start: u32,
    end: u32,
}

/// An object with all its fields.
pub struct Whole<'m> {
    object: ObjectReference,
    id: TypeId,
    descriptor: TypeInfo<'m>,
}

impl Scan<'_> {
    /// Calls `visit` with the slots that are scanned, from the last one to the first.
    #[inline(always)]
    pub fn each_slot_backwards(&self, memory: Memory, visit: impl FnMut(Slot)) {
        match self {
            Scan::Elements(elements) => elements.each_slot_backwards(memory, visit),
            Scan::Whole(whole) => whole.each_slot_backwards(memory, visit),
        }
    }
}

impl Elements {
    /// The array, the first of the elements, and where they end.
    #[inline(always)]
    pub fn range(&self) -> (ObjectReference, u32, u32) {
        (self.array, self.start, self.end)
    }

    /// Calls `visit` with their slots, from the last one to the first.
    #[inline(always)]
    pub fn each_slot_backwards(&self, memory: Memory, visit: impl FnMut(Slot)) {
        memory.each_element_slot_backwards(self.array, self.start, self.end, visit);
    }
}

impl Whole<'_> {
    /// The object that is scanned.
    #[inline(always)]
    pub fn object(&self) -> ObjectReference {
        self.object
    }

    /// Type of the object.
    #[inline(always)]
    pub fn id(&self) -> TypeId {
        self.id
    }

    /// How objects of its kind are scanned.
    #[inline(always)]
    pub fn kind(&self) -> ObjectKind {
        self.descriptor.kind()
    }

    /// Calls `visit` with its slots, from the last one to the first.
    #[inline(always)]
    pub fn each_slot_backwards(&self, memory: Memory, visit: impl FnMut(Slot)) {
        memory.each_slot_backwards(self.object, self.id, self.descriptor, visit);
    }
}
