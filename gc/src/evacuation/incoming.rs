//! The incoming remembered set: the words that lead into blocks that are to be evacuated, recorded as they are met.
//!
//! 1. Blocks to be evacuated form groups. A table has a list of words for each group, of fixed capacity. There are two
//!    tables: one travels with the marker, one belongs to the mutator.
//! 2. Whoever sees a word of an old object that references such a block records it: the marker each field it scans,
//!    a minor what it promotes and what is in the log, copies between arrays what they write. So when a group's turn
//!    comes, right after a minor that promoted everything, each word that leads into its blocks is in a list.
//! 3. A word may be listed twice, or hold something else by now: it is looked at again when the group is evacuated. It
//!    still belongs to the object that it belonged to, or to what is left of one that has moved, since blocks that
//!    were evacuated are not used again before all groups are done.
//! 4. A block that too many words lead to, or any root, is *dropped* from its group: it stays as it is. So no list ever
//!    overflows, and no root is ever rewritten.

use crate::embedder::roots::RootVisitor;
use crate::raw::backing::BackingError;
use crate::raw::block::EVACUATED;
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

/// On what occasion a word is recorded. Only tests tell the occasions apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Recorder {
    /// The marker finds the word in an object that it scans.
    Marking,
    /// A minor finds it in an object that was logged.
    Log,
    /// A minor finds it in an object that it promotes.
    Promotion,
    /// The word is the weak reference of a cell.
    Weak,
    /// A copy to an array, or a fill, writes it.
    Range,
    /// The word belongs to an object that moved out of an evacuated block.
    Move,
    /// The word is a root.
    #[cfg_attr(not(feature = "test-hooks"), allow(dead_code, reason = "roots are not recorded: they drop blocks"))]
    Root,
}

/// The part of the heap from the first to the last block that is to be evacuated.
#[derive(Clone, Copy, Debug, Default)]
pub struct Window {
    start: u32,
    refs: u32,
}

impl Window {
    /// The window from block `first` to block `last`, both included.
    pub fn new(first: u32, last: u32) -> Window {
        Window { start: block_start(first), refs: (last + 1 - first) * BLOCK_REFS }
    }

    /// Whether there are blocks to be evacuated.
    #[inline(always)]
    pub fn is_open(self) -> bool {
        self.refs != 0
    }

    /// The group that an object is to move with, or 0 (also for null and i31).
    #[inline(always)]
    pub fn group_of(self, memory: Memory, reference: RawRef) -> u8 {
        if reference.wrapping_sub(self.start).rotate_right(1) < self.refs / 2 {
            match memory.block(block_of(reference)).group() {
                EVACUATED => 0,
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

/// One of the two tables of the incoming remembered set.
#[derive(Debug)]
pub struct IncomingSet {
    window: Window,
    /// `GROUP_EDGES_MAX` words for each group.
    words: SideVec<u32>,
    /// Number of words of each group that are in use.
    lens: [u16; GROUPS_MAX],
    /// Listed words that lead to a block, by block.
    counts: SideVec<u16>,
    /// The occasion on which words are not recorded (tests).
    #[cfg(feature = "test-hooks")]
    skipped: Option<Recorder>,
}

impl IncomingSet {
    /// An empty table. Costs address space only.
    pub fn new(cage: &mut Cage) -> IncomingSet {
        IncomingSet {
            window: Window::default(),
            words: SideVec::new(cage, GROUPS_MAX * GROUP_EDGES_MAX),
            lens: [0; GROUPS_MAX],
            counts: SideVec::new(cage, BLOCKS_MAX as usize),
            #[cfg(feature = "test-hooks")]
            skipped: None,
        }
    }

    /// The number of groups for whose words there is memory.
    pub fn capacity(&self) -> usize {
        self.words.capacity() / GROUP_EDGES_MAX
    }

    /// Makes room for `groups` groups, and for the blocks below `blocks_high`. The pages are faulted in, since minors
    /// write there.
    pub fn grow(&mut self, cage: &mut Cage, groups: usize, blocks_high: u32) -> Result<(), BackingError> {
        self.counts.grow_populated(cage, blocks_high as usize)?;
        self.words.grow_populated(cage, groups * GROUP_EDGES_MAX)?;
        let words = self.words.capacity();
        self.words.set_len(words);
        Ok(())
    }

    /// Edges into the groups of `blocks` are recorded from now on.
    pub fn begin(&mut self, window: Window, blocks: &[u32]) {
        self.lens = [0; GROUPS_MAX];
        let all = self.counts.capacity();
        self.counts.set_len(all);
        blocks.iter().for_each(|block| self.counts.as_mut_slice()[*block as usize] = 0);
        self.window = window;
    }

    /// Chooses the occasion on which words are not recorded (tests).
    #[cfg(feature = "test-hooks")]
    pub fn skip(&mut self, skipped: Option<Recorder>) {
        self.skipped = skipped;
    }

    /// Ends the recording: nothing is recorded from now on.
    pub fn end(&mut self) {
        self.window = Window::default();
    }

    /// Whether edges are recorded.
    #[inline(always)]
    pub fn is_on(&self) -> bool {
        self.window.is_open()
    }

    /// Where the blocks to be evacuated lie.
    #[inline(always)]
    pub fn window(&self) -> Window {
        self.window
    }

    /// The window for those who drop the blocks that roots hold: closed if tests skip roots.
    #[inline]
    pub fn window_of_roots(&self) -> Window {
        #[cfg(feature = "test-hooks")]
        if self.skipped == Some(Recorder::Root) {
            return Window::default();
        }
        self.window
    }

    /// Words recorded for a group (from 1).
    pub fn words_of(&self, group: u8) -> &[u32] {
        let index = group as usize - 1;
        let start = index * GROUP_EDGES_MAX;
        &self.words.as_slice()[start..start + self.lens[index] as usize]
    }

    /// Records that a word of an old object holds `value`, if that is in a block to be evacuated.
    #[inline(always)]
    pub fn record(&mut self, memory: Memory, slot: Slot, value: RawRef, by: Recorder) {
        let group = self.window.group_of(memory, value);
        if group != 0 {
            self.add(memory, slot, value, group, by);
        }
    }

    #[inline(never)]
    fn add(&mut self, memory: Memory, slot: Slot, value: RawRef, group: u8, _by: Recorder) {
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

    /// Records all words of an old object, the weak one of a cell too.
    #[inline(never)]
    pub fn record_object(&mut self, memory: Memory, object: ObjectReference, id: TypeId, by: Recorder) {
        let descriptor = memory.descriptor(id);
        if descriptor.kind() == ObjectKind::Weak {
            let slot = Slot(object.0 + WEAK_REFERENT_OFFSET / 4);
            return self.record(memory, slot, memory.slot(slot), Recorder::Weak);
        }
        memory.each_slot(object, id, descriptor, |slot| self.record(memory, slot, memory.slot(slot), by));
    }

    /// Records elements of an old reference array.
    #[inline(never)]
    pub fn record_elements(&mut self, memory: Memory, array: ObjectReference, start: u32, end: u32, by: Recorder) {
        memory.each_element_slot(array, start, end, |slot| self.record(memory, slot, memory.slot(slot), by));
    }
}

/// Passes roots on, and drops the blocks that they hold from their groups, so that what roots hold does not move.
pub struct Dropping<'a> {
    visitor: &'a mut dyn RootVisitor,
    memory: Memory,
    window: Window,
}

impl<'a> Dropping<'a> {
    /// Roots go to `visitor`; the blocks to be evacuated lie in `window`.
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
