//! Edges into blocks that are to be emptied: the words that lead there, noted as they are met.
//!
//! 1. Blocks to be emptied form groups. A table has a list of words for each group, of fixed capacity. There are two
//!    tables: one travels with the marker, one belongs to the mutator.
//! 2. Whoever sees a word of an old object that references such a block notes it: the marker each field that it scans,
//!    a minor what it promotes and what is in the log, copies between arrays what they write. So when a group's turn
//!    comes, right after a minor that promoted everything, each word that leads into its blocks is in a list.
//! 3. A word may be listed twice, or hold something else by now: it is looked at again when the group is emptied. It
//!    still belongs to the object that it belonged to, or to what is left of one that has moved, since blocks that
//!    were emptied are not used again before all groups are done.
//! 4. A block that too many words lead to, or any root, is *dropped* from its group: it stays as it is. So no list ever
//!    overflows, and no root is ever rewritten.

use crate::embedder::roots::RootVisitor;
use crate::raw::backing::BackingError;
use crate::raw::block::EMPTIED;
use crate::raw::cage::{BLOCK_REFS, BLOCKS_MAX, Cage};
use crate::raw::memory::Memory;
use crate::raw::object::{ObjectReference, Slot, is_old};
use crate::raw::side::SideVec;
use crate::spaces::blocks::{block_of, block_start};
use heapwood_gc_abi::layout::WEAK_REFERENT_OFFSET;
use heapwood_gc_abi::{ObjectKind, RawRef, TypeId};

/// Most groups at a time.
pub const GROUPS_MAX: usize = 240;
/// Words of a group that a table can list.
pub const GROUP_EDGES_MAX: usize = 4096;
/// Words that may lead to one block, in one table.
pub const BLOCK_EDGES_MAX: u16 = 1024;

/// Who notes an edge. Only tests tell them apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Noticed {
    /// The marker.
    Marking,
    /// A minor, in what was logged.
    Log,
    /// A minor, in what it promotes.
    Promotion,
    /// The weak reference of a cell.
    Weak,
    /// A copy to an array, or a fill.
    Range,
    /// An object that moved from an emptied block.
    Move,
    /// A root.
    #[cfg_attr(not(feature = "test-hooks"), allow(dead_code, reason = "roots are not noted: they drop blocks"))]
    Root,
}

/// The part of the heap from the first to the last block that is to be emptied.
#[derive(Clone, Copy, Debug, Default)]
pub struct Window {
    start: u32,
    refs: u32,
}

impl Window {
    /// From block `first` to block `last`.
    pub fn new(first: u32, last: u32) -> Window {
        Window { start: block_start(first), refs: (last + 1 - first) * BLOCK_REFS }
    }

    /// Whether there are blocks to be emptied.
    #[inline(always)]
    pub fn is_open(self) -> bool {
        self.refs != 0
    }

    /// The group that an object is to move with, or 0 (also for null and i31).
    #[inline(always)]
    pub fn group_of(self, memory: Memory, reference: RawRef) -> u8 {
        if reference.wrapping_sub(self.start).rotate_right(1) < self.refs / 2 {
            match memory.block(block_of(reference)).group() {
                EMPTIED => 0,
                group => group,
            }
        } else {
            0
        }
    }

    /// A root holds `reference`: its block stays as it is.
    #[inline]
    pub fn drop_block_of(self, memory: Memory, reference: RawRef) {
        if self.group_of(memory, reference) != 0 {
            memory.block(block_of(reference)).set_group(0);
        }
    }
}

/// One table.
#[derive(Debug)]
pub struct Recorded {
    window: Window,
    /// `GROUP_EDGES_MAX` words for each group.
    words: SideVec<u32>,
    /// How many of them are used, by group.
    lens: [u16; GROUPS_MAX],
    /// Listed words that lead to a block, by block.
    counts: SideVec<u16>,
    /// What is not noted.
    #[cfg(feature = "test-hooks")]
    skipped: Option<Noticed>,
}

impl Recorded {
    /// An empty table. Costs address space only.
    pub fn new(cage: &mut Cage) -> Recorded {
        Recorded {
            window: Window::default(),
            words: SideVec::new(cage, GROUPS_MAX * GROUP_EDGES_MAX),
            lens: [0; GROUPS_MAX],
            counts: SideVec::new(cage, BLOCKS_MAX as usize),
            #[cfg(feature = "test-hooks")]
            skipped: None,
        }
    }

    /// Groups that there is memory for.
    pub fn capacity(&self) -> usize {
        self.words.capacity() / GROUP_EDGES_MAX
    }

    /// Makes room for `groups` groups, and for the blocks below `blocks_high`; pages and all, since minors use it.
    pub fn grow(&mut self, cage: &mut Cage, groups: usize, blocks_high: u32) -> Result<(), BackingError> {
        self.counts.grow_populated(cage, blocks_high as usize)?;
        self.words.grow_populated(cage, groups * GROUP_EDGES_MAX)?;
        let words = self.words.capacity();
        self.words.set_len(words);
        Ok(())
    }

    /// Edges into the groups of `blocks` are noted from now on.
    pub fn begin(&mut self, window: Window, blocks: &[u32]) {
        self.lens = [0; GROUPS_MAX];
        let all = self.counts.capacity();
        self.counts.set_len(all);
        blocks.iter().for_each(|block| self.counts.as_mut_slice()[*block as usize] = 0);
        self.window = window;
    }

    /// Chooses what is not noted (tests).
    #[cfg(feature = "test-hooks")]
    pub fn skip(&mut self, skipped: Option<Noticed>) {
        self.skipped = skipped;
    }

    /// Nothing is noted any more.
    pub fn end(&mut self) {
        self.window = Window::default();
    }

    /// Whether edges are noted.
    #[inline(always)]
    pub fn is_on(&self) -> bool {
        self.window.is_open()
    }

    /// Where the blocks to be emptied lie.
    #[inline(always)]
    pub fn window(&self) -> Window {
        self.window
    }

    /// The window as those see it who drop what roots hold.
    pub fn window_of_roots(&self) -> Window {
        #[cfg(feature = "test-hooks")]
        if self.skipped == Some(Noticed::Root) {
            return Window::default();
        }
        self.window
    }

    /// Words noted for a group (from 1).
    pub fn words_of(&self, group: u8) -> &[u32] {
        let index = group as usize - 1;
        let start = index * GROUP_EDGES_MAX;
        &self.words.as_slice()[start..start + self.lens[index] as usize]
    }

    /// Notes that a word of an old object holds `value`, if that is in a block to be emptied.
    #[inline(always)]
    pub fn note(&mut self, memory: Memory, slot: Slot, value: RawRef, by: Noticed) {
        let group = self.window.group_of(memory, value);
        if group != 0 {
            self.add(memory, slot, value, group, by);
        }
    }

    #[inline(never)]
    fn add(&mut self, memory: Memory, slot: Slot, value: RawRef, group: u8, _by: Noticed) {
        #[cfg(feature = "test-hooks")]
        if self.skipped == Some(_by) {
            return;
        }
        let index = group as usize - 1;
        let (block, len) = (block_of(value), self.lens[index] as usize);
        let count = &mut self.counts.as_mut_slice()[block as usize];
        if *count == BLOCK_EDGES_MAX || len == GROUP_EDGES_MAX {
            memory.block(block).set_group(0);
            return;
        }
        *count += 1;
        self.words.as_mut_slice()[index * GROUP_EDGES_MAX + len] = slot.0;
        self.lens[index] += 1;
    }

    /// Notes all words of an old object, the weak one of a cell too.
    #[inline(never)]
    pub fn note_object(&mut self, memory: Memory, object: ObjectReference, id: TypeId, by: Noticed) {
        let descriptor = memory.descriptor(id);
        if descriptor.kind() == ObjectKind::Weak {
            let slot = Slot(object.0 + WEAK_REFERENT_OFFSET / 4);
            return self.note(memory, slot, memory.slot(slot), Noticed::Weak);
        }
        memory.each_slot(object, id, descriptor, |slot| self.note(memory, slot, memory.slot(slot), by));
    }

    /// Notes elements of an old reference array.
    #[inline(never)]
    pub fn note_elements(&mut self, memory: Memory, array: ObjectReference, start: u32, end: u32, by: Noticed) {
        memory.each_element_slot(array, start, end, |slot| self.note(memory, slot, memory.slot(slot), by));
    }
}

/// Passes roots on; what they hold does not move.
pub struct Dropping<'a> {
    visitor: &'a mut dyn RootVisitor,
    memory: Memory,
    window: Window,
}

impl<'a> Dropping<'a> {
    /// Roots go to `visitor`; the blocks to be emptied lie in `window`.
    pub fn new(visitor: &'a mut dyn RootVisitor, memory: Memory, window: Window) -> Dropping<'a> {
        Dropping { visitor, memory, window }
    }
}

impl RootVisitor for Dropping<'_> {
    fn slot(&mut self, slot: &mut RawRef) {
        self.visitor.slot(slot);
        if is_old(*slot) {
            self.window.drop_block_of(self.memory, *slot);
        }
    }

    fn full(&self) -> bool {
        self.visitor.full()
    }
}
