//! The evacuation of a group of blocks: its objects are copied, and the recorded words follow them.
//!
//! 1. Each marked object of the group's blocks is copied; its old header names the new place. Cells of host values,
//!    weak cells and ephemerons stay, since lists know their addresses, and so does what is pinned.
//! 2. The words of the copies follow what moved with them; those that lead to a later group are recorded.
//! 3. The words recorded for the group follow, as far as they lead into it still.
//!
//! Nursery and log are empty, so no header and no chunk says that it is logged. Copies lie in blocks that count as
//! marked. What is left of moved objects stays as it is until all groups are done, and its marks are cleared.

use super::incoming::{IncomingSet, Recorder};
use crate::raw::block::EVACUATED;
use crate::raw::cage::BLOCK_BYTES;
use crate::raw::memory::Memory;
use crate::raw::object::{ObjectReference, Slot};
use crate::spaces::blocks::block_start;
use crate::spaces::marks::{EPOCH_MASK, marked_object};
use crate::spaces::old::OldSpace;
use crate::telemetry::work::RelocationWork;
use heapwood_gc_abi::header::{FORWARDED, LARGE, PINNED, UNLOGGED};
use heapwood_gc_abi::{Mutant, ObjectKind, RawRef, TypeId, active};

/// How many words ahead of the one that is followed are prefetched.
const PREFETCH_AHEAD: usize = 12;

/// A group on the move.
pub struct Relocation<'a> {
    memory: Memory,
    /// Where copies go.
    old: &'a mut OldSpace,
    /// The marker's table, and the mutator's.
    marking: &'a IncomingSet,
    own: &'a mut IncomingSet,
    group: u8,
    work: RelocationWork,
}

impl<'a> Relocation<'a> {
    /// `group` is about to be evacuated: the marker's table and the mutator's `own` say what leads there.
    pub fn new(
        memory: Memory,
        old: &'a mut OldSpace,
        marking: &'a IncomingSet,
        own: &'a mut IncomingSet,
        group: u8,
    ) -> Relocation<'a> {
        Relocation { memory, old, marking, own, group, work: RelocationWork::default() }
    }

    /// Evacuates those of `blocks` that were not dropped from the group, and adds what that took to `work`.
    pub fn run(mut self, blocks: &[u32], work: &mut RelocationWork) {
        self.work = *work;
        let (memory, group) = (self.memory, self.group);
        let members = || blocks.iter().copied().filter(move |block| memory.block(*block).group() == group);
        for block in members() {
            self.work.blocks += 1;
            let kept_units = self.copy_objects(block);
            memory.block(block).set_marked_units(kept_units);
        }
        members().for_each(|block| self.follow_from_copies(block));
        self.work.words += follow_incoming(memory, self.marking, group);
        if !active(Mutant::OwnEdgesNotFollowed) {
            self.work.words += follow_incoming(memory, self.own, group);
        }
        // Nothing but what is left of moved objects leads there any more.
        members().for_each(|block| memory.block(block).set_group(EVACUATED));
        *work = self.work;
    }

    /// Step 1 for a block. Returns what stays, in units of 8 bytes.
    fn copy_objects(&mut self, block: u32) -> u16 {
        let (memory, mut kept_bytes) = (self.memory, 0);
        each_marked(memory, block, self.old.epoch(), |object| {
            let header = memory.header(object);
            debug_assert!(header & (FORWARDED | UNLOGGED) == UNLOGGED, "{:#x} has the header {header:#x}", object.0);
            let descriptor = memory.descriptor(TypeId::of_header(header));
            let bytes = memory.object_bytes(object, descriptor) as u32;
            let is_listed = is_listed(descriptor.kind()) && !active(Mutant::ListedCellsMove);
            let stays = header & (PINNED | LARGE) != 0 || is_listed;
            match if stays { None } else { self.old.allocate(bytes) } {
                Some(to) => {
                    memory.copy_object(object.0, to.0, bytes);
                    memory.forward(object, to);
                    self.work.objects += 1;
                    self.work.moved_bytes += bytes as u64;
                }
                None => kept_bytes += bytes,
            }
        });
        self.work.kept_bytes += kept_bytes as u64;
        (kept_bytes / 8) as u16
    }

    /// Step 2 for a block.
    fn follow_from_copies(&mut self, block: u32) {
        let (memory, group, window) = (self.memory, self.group, self.own.window());
        each_marked(memory, block, self.old.epoch(), |object| {
            let Some(to) = memory.moved_to(object.0) else { return };
            memory.set_mark(object.0, 0);
            let to = ObjectReference(to);
            let id = TypeId::of_header(memory.header(to));
            memory.each_slot(to, id, memory.descriptor(id), |slot| {
                self.work.words += 1;
                let value = memory.slot(slot);
                match window.group_of(memory, value) {
                    0 => {}
                    own if own == group => follow(memory, slot, value),
                    _ => self.own.record(memory, slot, value, Recorder::Move),
                }
            });
        });
    }
}

/// Whether objects of this kind have their addresses in lists of the collector, so that they cannot move.
fn is_listed(kind: ObjectKind) -> bool {
    matches!(kind, ObjectKind::HostValue | ObjectKind::Weak | ObjectKind::Ephemeron)
}

#[inline(always)]
fn follow(memory: Memory, slot: Slot, value: RawRef) {
    if let Some(now) = memory.moved_to(value) {
        memory.set_slot(slot, now);
    }
}

/// Step 3 for one of the two tables. Returns the number of words.
fn follow_incoming(memory: Memory, table: &IncomingSet, group: u8) -> u64 {
    let (window, words) = (table.window(), table.words_of(group));
    for (index, word) in words.iter().enumerate() {
        if let Some(ahead) = words.get(index + PREFETCH_AHEAD) {
            memory.prefetch(*ahead);
        }
        let slot = Slot(*word);
        let value = memory.slot(slot);
        if window.group_of(memory, value) == group {
            follow(memory, slot, value);
        }
    }
    words.len() as u64
}

/// Calls `visit` with the objects of a block that the last marking has marked, in order. It may clear their marks.
#[inline(always)]
fn each_marked(memory: Memory, block: u32, epoch: u8, mut visit: impl FnMut(ObjectReference)) {
    let start = block_start(block);
    for group in 0..BLOCK_BYTES / 128 {
        let granule = start + group * 32;
        let marks = memory.mark_group(granule);
        if marks == 0 {
            continue;
        }
        for (index, mark) in (0..).zip(marks.to_le_bytes()) {
            if mark & EPOCH_MASK == epoch {
                visit(marked_object(granule + index * 4, mark));
            }
        }
    }
}
