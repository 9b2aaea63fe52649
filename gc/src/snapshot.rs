//! The graph of a heap as it is now, for snapshots: which objects are reachable, in which order, what they name.
//!
//! 1. [`Heap::graph`] marks from the roots into bits of its own, one for each 8 bytes of the spaces in use: headers and
//!    the collector's marks stay as they are, so that it works at any time, in a full heap and between slices.
//! 2. There is no recursion. Its stack is bounded; what does not fit it is noted in a second set of bits, which is gone
//!    through when the stack is empty.
//! 3. Objects are numbered by address. The number of one is the count of bits before its own, from a running count
//!    kept for each 512 bits.
//!
//! Weak cells lead nowhere; ephemerons to key and value.
//!
//! Together that is a thirtieth of the spaces in use, taken from the process, not from the heap.

use crate::blocks::block_start;
use crate::heap::Heap;
use crate::nursery::EDEN_START;
use crate::raw::cage::{Memory, NURSERY_START, OLD_START};
use crate::raw::object::{ObjectReference, is_old, is_young};
use heapwood_gc_abi::space::NULL_ZONE_BYTES;
use heapwood_gc_abi::{RawRef, TypeId, is_i31};

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
    /// Marked, but to be scanned yet.
    pending: Vec<u64>,
    /// Objects before each group of `RANK_WORDS` words.
    ranks: Vec<u64>,
}

impl Space {
    fn new(start: u32, end: u32) -> Result<Space, NoGraphMemory> {
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

/// The reachable objects of a heap. They are numbered from 0 by address.
pub struct HeapGraph<'h> {
    heap: &'h Heap,
    memory: Memory,
    spaces: [Space; 3],
    stack: Vec<RawRef>,
    overflowed: bool,
    objects: u64,
    references: u64,
}

impl Heap {
    /// Finds what is reachable. `roots` is called once and passes each root on; null and i31 are allowed.
    ///
    /// # Errors
    /// The process has no memory for the tables.
    pub fn graph(&self, roots: impl FnOnce(&mut dyn FnMut(RawRef))) -> Result<HeapGraph<'_>, NoGraphMemory> {
        let nursery_end = if self.is_collected() { EDEN_START.max(self.top()) } else { EDEN_START };
        let spaces = [
            Space::new((NULL_ZONE_BYTES / 4) as u32, self.immortal.end())?,
            Space::new((NURSERY_START / 4) as u32, nursery_end)?,
            Space::new((OLD_START / 4) as u32, block_start(self.old.blocks.high()))?,
        ];
        let words: usize = spaces.iter().map(|space| space.marked.len()).sum();
        let entries = (words / WORDS_PER_STACK_ENTRY).max(STACK_ENTRIES_MIN);
        let mut stack = Vec::new();
        stack.try_reserve_exact(entries).map_err(|_| NoGraphMemory { bytes: entries as u64 * 4 })?;
        let memory = self.memory;
        let mut graph = HeapGraph { heap: self, memory, spaces, stack, overflowed: false, objects: 0, references: 0 };
        roots(&mut |reference| {
            graph.mark(reference);
            graph.drain();
        });
        graph.scan_pending();
        graph.count()?;
        Ok(graph)
    }
}

impl HeapGraph<'_> {
    /// Number of objects.
    pub fn objects(&self) -> u64 {
        self.objects
    }

    /// Number of references from objects to objects.
    pub fn references(&self) -> u64 {
        self.references
    }

    /// Bytes of the graph's own tables.
    pub fn table_bytes(&self) -> usize {
        let bits = |space: &Space| (space.marked.len() + space.pending.len() + space.ranks.len()) * 8;
        self.spaces.iter().map(bits).sum::<usize>() + self.stack.capacity() * 4
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

    /// Calls `visit` with the byte offset in the object and the value of each field or element that names an object.
    pub fn each_reference(&self, object: RawRef, mut visit: impl FnMut(u64, RawRef)) {
        let (id, object) = (TypeId::of_header(self.memory.word(object)), ObjectReference(object));
        self.memory.each_slot(object, id, self.memory.descriptor(id), |slot| {
            let target = self.memory.slot(slot);
            if self.space_of(target).is_some() {
                visit(slot.0.wrapping_sub(object.0) as u64 * 4, target);
            }
        });
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

    /// Notes an object that is found for the first time, to be scanned.
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
    }

    fn drain(&mut self) {
        while let Some(object) = self.stack.pop() {
            self.scan(object);
        }
    }

    fn scan(&mut self, object: RawRef) {
        let memory = self.memory;
        let id = TypeId::of_header(memory.word(object));
        memory.each_slot(ObjectReference(object), id, memory.descriptor(id), |slot| self.mark(memory.slot(slot)));
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

    fn count(&mut self) -> Result<(), NoGraphMemory> {
        let mut objects = 0;
        for space in &mut self.spaces {
            space.ranks = zeroed(space.marked.len().div_ceil(RANK_WORDS))?;
            for (rank, words) in space.ranks.iter_mut().zip(space.marked.chunks(RANK_WORDS)) {
                *rank = objects;
                objects += words.iter().map(|word| u64::from(word.count_ones())).sum::<u64>();
            }
        }
        let mut references = 0;
        let counted: Result<(), std::convert::Infallible> = self.each_object(|object| {
            self.each_reference(object, |_, _| references += 1);
            Ok(())
        });
        let Ok(()) = counted;
        (self.objects, self.references) = (objects, references);
        Ok(())
    }

    /// The heap.
    pub fn heap(&self) -> &Heap {
        self.heap
    }
}
