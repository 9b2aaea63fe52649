//! The stack of edges that a minor still has to follow.

use super::cage::{NURSERY_REACH, NURSERY_START};
use super::memory::Memory;
use super::object::is_young;
use super::side::{LentStack, SideVec};

/// An edge from a copy to a young object that may not have been copied yet.
#[derive(Clone, Copy, Debug)]
pub struct Edge {
    /// The word that holds the reference, by index.
    pub slot: u32,
    /// The young object.
    pub young: u32,
    /// Which word of its object the slot is.
    pub word: u32,
}

/// A stack of edges. In 64 bits from low to high: 32 of the slot, 24 of the young reference (the nursery has 2^24
/// words and starts at a multiple of as many), 8 of the word.
#[derive(Debug, Default)]
pub struct EdgeStack<'v>(LentStack<'v, u64>);

const YOUNG_BITS: u32 = (NURSERY_REACH / 4).trailing_zeros();
const _: () = assert!(YOUNG_BITS == 24 && NURSERY_START.is_multiple_of(NURSERY_REACH));

impl EdgeStack<'_> {
    /// The most edges that one object adds, for which there has to be room.
    pub const AT_ONCE: usize = 8;

    /// A stack over the memory of `edges`.
    pub fn new(edges: &mut SideVec<u64>) -> EdgeStack<'_> {
        EdgeStack(edges.lend_stack())
    }

    /// Edges that can be pushed.
    #[inline(always)]
    pub fn room(&self) -> usize {
        self.0.room()
    }

    /// Takes the last edge.
    #[inline(always)]
    pub fn pop<const WORDS: bool>(&mut self) -> Option<Edge> {
        let edge = self.0.pop()?;
        if !WORDS {
            return Some(Edge { slot: edge as u32, young: (edge >> 32) as u32, word: 0 });
        }
        let young = (edge >> 32) as u32 & ((1 << YOUNG_BITS) - 1) | (NURSERY_START / 4) as u32;
        Some(Edge { slot: edge as u32, young, word: (edge >> 56) as u32 })
    }

    /// Pushes an edge for each of `words` (as in [`heapwood_gc_abi::Descriptor::small_refs`]) that is young in the
    /// object at `from`, which lies at `to` now; the first one last. False, and nothing is pushed, if the room might
    /// not do.
    #[inline(always)]
    #[must_use]
    pub fn push_young<const WORDS: bool>(&mut self, memory: Memory, from: u32, to: u32, mut words: u64) -> bool {
        if self.room() < EdgeStack::AT_ONCE {
            return false;
        }
        while words != 0 {
            let word = words as u8 as u32;
            words >>= 8;
            let value = memory.word(from.wrapping_add(word));
            if is_young(value) {
                let young = if WORDS { value ^ (NURSERY_START / 4) as u32 | word << YOUNG_BITS } else { value };
                let edge = to.wrapping_add(word) as u64 | (young as u64) << 32;
                // SAFETY: S1: a u64 has 8 bytes, and there was room for as many edges.
                unsafe { self.0.push_unchecked(edge) };
            }
        }
        true
    }
}
