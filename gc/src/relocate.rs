//! Emptying a group of blocks: its objects are copied, and the words that were noted follow them.
//!
//! 1. Each marked object of the group's blocks is copied; its old header names the new place. Cells of host values, weak
//!    cells and ephemerons stay, since lists know their addresses, and so does what is pinned.
//! 2. The words of the copies follow what moved with them; those that lead to a later group are noted.
//! 3. The words noted for the group follow, as far as they lead into it still.
//!
//! Nursery and log are empty, so no header and no chunk says that it is logged. Copies lie in blocks that count as
//! marked. What is left of moved objects stays as it is until all groups are done, and its marks are cleared.

use crate::blocks::block_start;
use crate::mark::{EPOCH_MASK, marked_object};
use crate::old::OldSpace;
use crate::raw::block::EMPTIED;
use crate::raw::cage::BLOCK_BYTES;
use crate::raw::memory::Memory;
use crate::raw::object::{ObjectReference, Slot};
use crate::recorded::{Noticed, Recorded};
use heapwood_gc_abi::header::{FORWARDED, LARGE, PINNED, UNLOGGED};
use heapwood_gc_abi::{Mutant, ObjectKind, RawRef, TypeId, active};

/// Words that are asked for ahead.
const PREFETCH_AHEAD: usize = 12;

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RelocationWork {
    /// Blocks emptied, at least in part.
    pub blocks: u64,
    /// Objects moved.
    pub objects: u64,
    /// Their bytes.
    pub moved_bytes: u64,
    /// Bytes of objects that stay.
    pub kept_bytes: u64,
    /// Words looked at: noted ones, and those of the copies.
    pub words: u64,
}

impl RelocationWork {
    /// What becomes free, less what the copies took.
    pub fn gained_bytes(&self) -> u64 {
        (self.blocks * BLOCK_BYTES as u64).saturating_sub(self.kept_bytes + self.moved_bytes)
    }
}

/// A group on the move.
pub struct Relocation<'a> {
    /// The heap's memory.
    pub memory: Memory,
    /// Where copies go.
    pub old: &'a mut OldSpace,
    /// The marker's table.
    pub marking: &'a Recorded,
    /// The mutator's table.
    pub own: &'a mut Recorded,
    /// The group.
    pub group: u8,
    /// What was done.
    pub work: RelocationWork,
}

impl Relocation<'_> {
    /// Empties those of `blocks` that were not dropped from the group.
    pub fn run(&mut self, blocks: &[u32]) {
        let (memory, group) = (self.memory, self.group);
        let members = || blocks.iter().copied().filter(move |block| memory.block(*block).group() == group);
        for block in members() {
            self.work.blocks += 1;
            let kept_units = self.copy_objects(block);
            memory.block(block).set_marked_units(kept_units);
        }
        members().for_each(|block| self.follow_from_copies(block));
        self.work.words += follow_noted(memory, self.marking, group);
        if !active(Mutant::OwnEdgesNotFollowed) {
            self.work.words += follow_noted(memory, self.own, group);
        }
        // Nothing leads there any more but what is left of objects that have moved.
        members().for_each(|block| memory.block(block).set_group(EMPTIED));
    }

    /// Step 1 for a block. Returns what stays, in units of 8 bytes.
    fn copy_objects(&mut self, block: u32) -> u16 {
        let (memory, mut kept_bytes) = (self.memory, 0);
        each_marked(memory, block, self.old.epoch, |object| {
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
        each_marked(memory, block, self.old.epoch, |object| {
            let Some(to) = moved(memory, object.0) else { return };
            memory.set_mark(object.0, 0);
            let to = ObjectReference(to);
            let id = TypeId::of_header(memory.header(to));
            memory.each_slot(to, id, memory.descriptor(id), |slot| {
                self.work.words += 1;
                let value = memory.slot(slot);
                match window.group_of(memory, value) {
                    0 => {}
                    own if own == group => follow(memory, slot, value),
                    _ => self.own.note(memory, slot, value, Noticed::Move),
                }
            });
        });
    }
}

/// Objects whose addresses are in lists of the collector.
fn is_listed(kind: ObjectKind) -> bool {
    matches!(kind, ObjectKind::HostValue | ObjectKind::Weak | ObjectKind::Ephemeron)
}

/// Where an object was moved.
#[inline(always)]
fn moved(memory: Memory, reference: RawRef) -> Option<RawRef> {
    let header = memory.word(reference);
    (header & FORWARDED != 0).then_some(header & !FORWARDED)
}

#[inline(always)]
fn follow(memory: Memory, slot: Slot, value: RawRef) {
    if let Some(now) = moved(memory, value) {
        memory.set_slot(slot, now);
    }
}

/// Step 3 for a table. Returns the number of words.
fn follow_noted(memory: Memory, table: &Recorded, group: u8) -> u64 {
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
