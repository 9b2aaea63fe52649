//! The graph of a heap as it is now, for snapshots: which objects are reachable, in which order, what they name.
//!
//! 1. [`Heap::graph`] marks from the roots into bits of its own, one for each 8 bytes of the spaces in use: headers and
//!    the collector's marks stay as they are, so that it works at any time, in a full heap and between slices.
//! 2. There is no recursion. The stack is bounded; objects that do not fit it are recorded in a second set of bits,
//!    which is searched when the stack is empty.
//! 3. Objects are numbered space by space, by address in each. The number of one is the count of bits before its own,
//!    from a running count kept for each 512 bits.
//!
//! What a weak cell names does not become reachable by that, nor does the key of an ephemeron; its value does when its
//! key is (`entries`).
//!
//! Together that is a thirtieth of the spaces in use, and some 30 bytes for each ephemeron, taken from the process, not
//! from the heap.

mod entries;

use crate::heap::Heap;
use crate::raw::memory::Memory;
use crate::raw::object::{ObjectReference, is_old, is_young};
use entries::{Entries, UnreachedKeys};
use heapwood_gc_abi::layout::{EPHEMERON_KEY_OFFSET, EPHEMERON_VALUE_OFFSET, WEAK_REFERENT_OFFSET};
use heapwood_gc_abi::{ObjectKind, RawRef, TypeId, is_i31};
use std::ops::Range;

/// Words of bits between two running counts.
const RANK_WORDS: usize = 8;
/// Least entries of the stack.
const STACK_ENTRIES_MIN: usize = 1024;
/// Words of bits for one entry of the stack.
const WORDS_PER_STACK_ENTRY: usize = 4;

/// There is no memory for the graph's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no memory for the tables of a heap snapshot ({bytes} bytes)")]
pub struct NoGraphMemory {
    /// What was asked for.
    pub bytes: u64,
}

/// Bits of one space.
struct Space {
    /// First reference.
    start: u32,
    /// One past the last.
    end: u32,
    marked: Vec<u64>,
    /// Objects that are marked but not scanned yet, since they did not fit the stack.
    pending: Vec<u64>,
    /// Objects before each group of `RANK_WORDS` words.
    ranks: Vec<u64>,
}

impl Space {
    fn new(Range { start, end }: Range<u32>) -> Result<Space, NoGraphMemory> {
        let words = ((end - start) as usize).div_ceil(2 * 64);
        Ok(Space { start, end, marked: zeroed(words)?, pending: zeroed(words)?, ranks: Vec::new() })
    }

    fn place(&self, reference: RawRef) -> (usize, u64) {
        let index = (reference - self.start) / 2;
        (index as usize / 64, 1 << (index % 64))
    }

    fn reference(&self, word: usize, bit: u32) -> RawRef {
        self.start + (word as u32 * 64 + bit) * 2
    }
}

fn zeroed(words: usize) -> Result<Vec<u64>, NoGraphMemory> {
    let mut bits = Vec::new();
    bits.try_reserve_exact(words).map_err(|_| NoGraphMemory { bytes: words as u64 * 8 })?;
    bits.resize(words, 0);
    Ok(bits)
}

/// The reachable objects of a heap. They are numbered from 0: immortal ones, young ones, old ones, each by address.
pub struct HeapGraph<'h> {
    heap: &'h Heap,
    memory: Memory,
    spaces: [Space; 3],
    stack: Vec<RawRef>,
    overflowed: bool,
    has_ephemerons: bool,
    waiting: UnreachedKeys,
    entries: Entries,
    objects: u64,
    references: u64,
}

/// How one object names another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GraphEdge {
    /// A field or element at this byte offset holds it.
    Strong(u64),
    /// What lies at this byte offset does not keep it alive: the referent of a weak cell, the key of an ephemeron.
    Weak(u64),
    /// It is the value of an ephemeron, by number ([`HeapGraph::entry`]): held by ephemeron and key together, and an
    /// edge of both.
    Value(usize),
}

impl Heap {
    /// Finds what is reachable. `roots` is called once and passes each root on; null and i31 are allowed.
    ///
    /// # Errors
    /// The process has no memory for the tables.
    pub fn graph(&self, roots: impl FnOnce(&mut dyn FnMut(RawRef))) -> Result<HeapGraph<'_>, NoGraphMemory> {
        let [immortal, nursery, old] = self.ranges_in_use();
        let spaces = [Space::new(immortal)?, Space::new(nursery)?, Space::new(old)?];
        let words: usize = spaces.iter().map(|space| space.marked.len()).sum();
        let entries = (words / WORDS_PER_STACK_ENTRY).max(STACK_ENTRIES_MIN);
        let mut stack = Vec::new();
        stack.try_reserve_exact(entries).map_err(|_| NoGraphMemory { bytes: entries as u64 * 4 })?;
        let memory = self.memory();
        let mut graph = HeapGraph {
            heap: self,
            memory,
            spaces,
            stack,
            overflowed: false,
            has_ephemerons: false,
            waiting: UnreachedKeys::default(),
            entries: Entries::default(),
            objects: 0,
            references: 0,
        };
        roots(&mut |reference| {
            graph.mark(reference);
            graph.drain();
        });
        graph.scan_pending();
        std::mem::take(&mut graph.waiting).end()?;
        graph.rank()?;
        graph.list_entries()?;
        graph.count();
        Ok(graph)
    }
}

/// A key that needs no root: an i31 or an immortal object.
fn never_dies(key: RawRef) -> bool {
    key != 0 && !is_young(key) && !is_old(key)
}

impl HeapGraph<'_> {
    /// Number of objects.
    pub fn objects(&self) -> u64 {
        self.objects
    }

    /// Number of edges from objects to objects.
    pub fn references(&self) -> u64 {
        self.references
    }

    /// Bytes of the graph's own tables.
    pub fn table_bytes(&self) -> usize {
        let bits = |space: &Space| (space.marked.len() + space.pending.len() + space.ranks.len()) * 8;
        self.spaces.iter().map(bits).sum::<usize>() + self.stack.capacity() * 4 + self.entries.bytes()
    }

    /// The number of an object; none for null, an i31 and what is not reachable.
    pub fn position(&self, reference: RawRef) -> Option<u64> {
        let space = &self.spaces[self.space_of(reference)?];
        let (word, bit) = space.place(reference);
        if space.marked[word] & bit == 0 {
            return None;
        }
        let group = word / RANK_WORDS;
        let before = space.marked[group * RANK_WORDS..word].iter().map(|word| u64::from(word.count_ones()));
        let in_word = u64::from((space.marked[word] & (bit - 1)).count_ones());
        Some(space.ranks[group] + before.sum::<u64>() + in_word)
    }

    /// Calls `visit` with each object, in the order of their numbers, until it fails.
    ///
    /// # Errors
    /// What `visit` returned.
    pub fn each_object<E>(&self, mut visit: impl FnMut(RawRef) -> Result<(), E>) -> Result<(), E> {
        for space in &self.spaces {
            for (index, word) in space.marked.iter().enumerate() {
                let mut rest = *word;
                while rest != 0 {
                    visit(space.reference(index, rest.trailing_zeros()))?;
                    rest &= rest - 1;
                }
            }
        }
        Ok(())
    }

    /// Calls `visit` with each edge of an object and the object that it leads to.
    pub fn each_reference(&self, object: RawRef, mut visit: impl FnMut(GraphEdge, RawRef)) {
        let (id, start) = (TypeId::of_header(self.memory.word(object)), ObjectReference(object));
        let descriptor = self.memory.descriptor(id);
        match descriptor.kind() {
            ObjectKind::Weak => self.weak_edge(object, WEAK_REFERENT_OFFSET, &mut visit),
            ObjectKind::Ephemeron => {
                self.weak_edge(object, EPHEMERON_KEY_OFFSET, &mut visit);
                let (key, value) = self.entry_of(object);
                if let Some(number) = self.entries.number(key, object) {
                    visit(GraphEdge::Value(number), value);
                } else if never_dies(key) && self.space_of(value).is_some() {
                    visit(GraphEdge::Strong(EPHEMERON_VALUE_OFFSET.into()), value);
                }
            }
            _ => self.memory.each_slot(start, id, descriptor, |slot| {
                let target = self.memory.slot(slot);
                if self.space_of(target).is_some() {
                    visit(GraphEdge::Strong(slot.0.wrapping_sub(object) as u64 * 4), target);
                }
            }),
        }
        for number in self.entries.of_key(object) {
            visit(GraphEdge::Value(number), self.entry(number).2);
        }
    }

    fn weak_edge(&self, object: RawRef, offset: u32, visit: &mut impl FnMut(GraphEdge, RawRef)) {
        let target = self.memory.word(object + offset / 4);
        if self.position(target).is_some() {
            visit(GraphEdge::Weak(offset.into()), target);
        }
    }

    /// Number of ephemerons whose key and value are objects that are reachable.
    pub fn entries(&self) -> usize {
        self.entries.len()
    }

    /// Key, ephemeron and value of an entry.
    pub fn entry(&self, number: usize) -> (RawRef, RawRef, RawRef) {
        let (key, ephemeron) = self.entries.get(number);
        (key, ephemeron, self.entry_of(ephemeron).1)
    }

    /// Key and value of an ephemeron.
    fn entry_of(&self, ephemeron: RawRef) -> (RawRef, RawRef) {
        let word = |offset: u32| self.memory.word(ephemeron + offset / 4);
        (word(EPHEMERON_KEY_OFFSET), word(EPHEMERON_VALUE_OFFSET))
    }

    /// The space that an object lies in; none for null and i31.
    fn space_of(&self, reference: RawRef) -> Option<usize> {
        let space = match reference {
            0 => return None,
            i31 if is_i31(i31) => return None,
            young if is_young(young) => 1,
            old if is_old(old) => 2,
            _ => 0,
        };
        let Space { start, end, .. } = self.spaces[space];
        debug_assert!((start..end).contains(&reference), "{reference:#x} lies in no space");
        (start..end).contains(&reference).then_some(space)
    }

    /// Marks an object that is found for the first time, and lists it to be scanned.
    fn mark(&mut self, reference: RawRef) {
        let Some(space) = self.space_of(reference) else { return };
        let space = &mut self.spaces[space];
        let (word, bit) = space.place(reference);
        if space.marked[word] & bit != 0 {
            return;
        }
        space.marked[word] |= bit;
        if self.stack.len() < self.stack.capacity() {
            self.stack.push(reference);
        } else {
            space.pending[word] |= bit;
            self.overflowed = true;
        }
        self.waiting.found(reference);
    }

    fn drain(&mut self) {
        loop {
            if let Some(object) = self.stack.pop() {
                self.scan(object);
            } else if let Some(ephemeron) = self.waiting.next_woken() {
                self.mark(self.entry_of(ephemeron).1);
            } else {
                return;
            }
        }
    }

    fn scan(&mut self, object: RawRef) {
        let memory = self.memory;
        let id = TypeId::of_header(memory.word(object));
        let descriptor = memory.descriptor(id);
        match descriptor.kind() {
            ObjectKind::Weak => {}
            ObjectKind::Ephemeron => self.scan_ephemeron(object),
            _ => memory.each_slot(ObjectReference(object), id, descriptor, |slot| self.mark(memory.slot(slot))),
        }
    }

    fn scan_ephemeron(&mut self, ephemeron: RawRef) {
        let (key, value) = self.entry_of(ephemeron);
        self.has_ephemerons = true;
        if never_dies(key) || self.is_marked(key) {
            self.mark(value);
        } else if key != 0 {
            self.waiting.wait(key, ephemeron);
        }
    }

    fn is_marked(&self, reference: RawRef) -> bool {
        self.space_of(reference).is_some_and(|space| {
            let (word, bit) = self.spaces[space].place(reference);
            self.spaces[space].marked[word] & bit != 0
        })
    }

    /// Scans what did not fit the stack, until nothing is left.
    fn scan_pending(&mut self) {
        self.drain();
        while std::mem::take(&mut self.overflowed) {
            for space in 0..self.spaces.len() {
                for word in 0..self.spaces[space].pending.len() {
                    let mut bits = std::mem::take(&mut self.spaces[space].pending[word]);
                    while bits != 0 {
                        let object = self.spaces[space].reference(word, bits.trailing_zeros());
                        bits &= bits - 1;
                        self.scan(object);
                        self.drain();
                    }
                }
            }
        }
    }

    /// Counts the objects, so that each has a number.
    fn rank(&mut self) -> Result<(), NoGraphMemory> {
        let mut objects = 0;
        for space in &mut self.spaces {
            space.ranks = zeroed(space.marked.len().div_ceil(RANK_WORDS))?;
            for (rank, words) in space.ranks.iter_mut().zip(space.marked.chunks(RANK_WORDS)) {
                *rank = objects;
                objects += words.iter().map(|word| u64::from(word.count_ones())).sum::<u64>();
            }
        }
        self.objects = objects;
        Ok(())
    }

    fn list_entries(&mut self) -> Result<(), NoGraphMemory> {
        if !self.has_ephemerons {
            return Ok(());
        }
        let mut entries = Entries::default();
        self.each_object(|object| {
            if self.heap.descriptor_of(object).kind() != ObjectKind::Ephemeron {
                return Ok(());
            }
            let (key, value) = self.entry_of(object);
            if self.is_marked(key) && self.space_of(value).is_some() { entries.add(key, object) } else { Ok(()) }
        })?;
        entries.sort();
        self.entries = entries;
        Ok(())
    }

    fn count(&mut self) {
        let mut references = 0;
        let counted: Result<(), std::convert::Infallible> = self.each_object(|object| {
            self.each_reference(object, |_, _| references += 1);
            Ok(())
        });
        let Ok(()) = counted;
        self.references = references;
    }

    /// The heap.
    pub fn heap(&self) -> &Heap {
        self.heap
    }
}
