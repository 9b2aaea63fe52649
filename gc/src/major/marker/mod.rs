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
//! The marker writes no header and no slot, so the mutator may run between steps; what it overwrites it shades first
//! (`marking`).

mod ephemerons;
pub mod grey;

use crate::embedder::roots::RootVisitor;
use crate::evacuation::incoming::{IncomingSet, Recorder};
use crate::raw::backing::BackingError;
use crate::raw::cage::Cage;
use crate::raw::memory::Memory;
use crate::raw::object::{ObjectReference, Slot, is_old};
use crate::raw::side::SideVec;
use crate::spaces::Spaces;
use crate::spaces::blocks::block_of;
use crate::spaces::marks::{EPOCH_MASK, WAITING, is_marked, mark_byte};
use crate::telemetry::work::MarkWork;
use crate::weak::waiting::WaitingEphemerons;
use grey::{Grey, Scan};
use heapwood_gc_abi::descriptor::SMALL_OBJECT_BYTES_MAX;
use heapwood_gc_abi::{Mutant, ObjectKind, RawRef, TypeId, active};

/// Most references of a small object.
const SMALL_REFS_MAX: usize = (SMALL_OBJECT_BYTES_MAX / 4) as usize;
/// In a shaded reference: the mutator has marked the object, so it is to be scanned whatever its mark says.
pub const SHADED_MARKED: u32 = 1;

/// The state of a marking.
#[derive(Debug)]
pub struct Marker {
    memory: Memory,
    /// Marks with this value are of this marking.
    epoch: u8,
    /// Blocks that exist.
    blocks_high: u32,
    /// What waits to be scanned.
    grey: Grey,
    /// Ephemerons that wait for their keys.
    waiting: WaitingEphemerons,
    /// Edges into blocks that are to be evacuated.
    incoming: IncomingSet,
    /// What this marking did so far.
    work: MarkWork,
}

impl Marker {
    /// A marker at rest. Costs address space only.
    pub fn new(cage: &mut Cage) -> Marker {
        let (memory, grey) = (cage.memory(), Grey::new(cage));
        let (waiting, incoming) = (WaitingEphemerons::new(cage), IncomingSet::new(cage));
        Marker { memory, epoch: 0, blocks_high: 0, grey, waiting, incoming, work: MarkWork::default() }
    }

    /// Gives the mark stack its least size.
    pub fn make_ready(&mut self, cage: &mut Cage) -> Result<(), BackingError> {
        self.grey.make_ready(cage)
    }

    /// Sets the most entries of the stack (tests).
    #[cfg(feature = "test-hooks")]
    pub fn limit_stack(&mut self, entries: usize) {
        self.grey.limit(entries);
    }

    /// What this marking did so far.
    pub fn work(&self) -> &MarkWork {
        &self.work
    }

    /// What waits to be scanned.
    pub fn grey_mut(&mut self) -> &mut Grey {
        &mut self.grey
    }

    /// Whether nothing is grey.
    pub fn is_done(&self) -> bool {
        self.grey.is_empty()
    }

    /// Objects that can become grey before the stack has to grow.
    pub fn room(&self) -> usize {
        self.grey.room()
    }

    /// Grows the stack so that `objects` can become grey, as far as there is memory.
    pub fn make_room(&mut self, spaces: &mut Spaces, objects: usize) {
        let available_bytes = spaces.grantable_bytes();
        self.grey.make_room(spaces.cage_mut(), objects, available_bytes);
    }

    /// The table in which ephemerons wait for their keys.
    pub fn waiting_mut(&mut self) -> &mut WaitingEphemerons {
        &mut self.waiting
    }

    /// The edges into blocks that are to be evacuated.
    pub fn incoming_mut(&mut self) -> &mut IncomingSet {
        &mut self.incoming
    }

    /// Starts a marking in a new epoch, in which nothing is marked. O(1).
    pub fn begin(&mut self, epoch: u8) {
        debug_assert!(self.grey.is_empty());
        (self.epoch, self.work) = (epoch, MarkWork::default());
        self.grey.begin();
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
        if was & EPOCH_MASK != self.epoch && !self.memory.block(block_of(reference)).is_current(self.epoch) {
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
            if self.waiting.is_used() || self.incoming.is_on() {
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
        self.work.overflows = self.grey.overflows();
        self.grey.is_empty()
    }

    /// Scans grey objects for about `budget` fields while they are small and the stack has room: with its state in
    /// registers. `SPECIAL`: ephemerons wait for their keys, or words that lead into blocks to be evacuated are
    /// recorded.
    #[inline(never)]
    fn scan_small<const SPECIAL: bool>(&mut self, budget: u64) {
        let (memory, epoch) = (self.memory, self.epoch);
        let mut stack = self.grey.lend_rest();
        let (mut objects, mut live_bytes, mut fields) = (0, 0, 0);
        let (mut keys, mut woken) = ([0; SMALL_REFS_MAX], 0);
        while fields < budget && stack.room() >= SMALL_REFS_MAX && woken == 0 {
            let Some(entry) = stack.pop() else { break };
            let object = entry as u32;
            let descriptor = memory.descriptor(TypeId::of_header(memory.header(ObjectReference(object))));
            if !descriptor.is_small() {
                // It is not a small object, so it goes back for `step` to scan.
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
            if SPECIAL && self.incoming.is_on() {
                let (object, id) = (ObjectReference(object), TypeId::of_header(memory.header(ObjectReference(object))));
                self.incoming.record_object(memory, object, id, Recorder::Marking);
            }
        }
        let left = stack.len();
        self.grey.set_len(left);
        self.work.objects += objects;
        self.work.live_bytes += live_bytes;
        self.work.fields += fields;
        keys[..woken].iter().for_each(|key| self.wake(*key));
    }

    #[inline(always)]
    fn scan(&mut self, entry: u64) {
        let memory = self.memory;
        match self.grey.begin_scan(&memory, entry, &mut self.work) {
            Scan::Elements(elements) => {
                elements.each_slot_backwards(memory, |slot| self.shade(memory.slot(slot)));
                if self.incoming.is_on() {
                    let (array, start, end) = elements.range();
                    self.incoming.record_elements(memory, array, start, end, Recorder::Marking);
                }
            }
            Scan::Whole(whole) => {
                if self.incoming.is_on() {
                    self.incoming.record_object(memory, whole.object(), whole.id(), Recorder::Marking);
                }
                if whole.kind() == ObjectKind::Ephemeron {
                    self.scan_ephemeron(whole.object());
                } else {
                    whole.each_slot_backwards(memory, |slot| self.shade(memory.slot(slot)));
                }
            }
        }
    }
}

impl RootVisitor for Marker {
    fn slot(&mut self, slot: &mut RawRef) {
        self.shade(*slot);
    }
}
