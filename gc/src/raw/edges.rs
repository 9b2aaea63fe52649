//! Edges that a minor still has to follow.

use super::cage::Memory;
use super::object::is_young;
use super::side::{LentStack, SideVec};

/// A stack of edges: a slot (the index of a word) in the low half, the young object that it references in the high
/// one.
#[derive(Clone, Copy, Debug)]
pub struct EdgeStack(LentStack<u64>);

impl EdgeStack {
    /// Room that an object needs: the most edges that it can have.
    pub const AT_ONCE: usize = 64;

    /// A stack over the memory of `edges`.
    pub fn new(edges: &mut SideVec<u64>) -> EdgeStack {
        EdgeStack(edges.lend_stack())
    }

    /// Edges that can be pushed.
    #[inline(always)]
    pub fn room(&self) -> usize {
        self.0.room()
    }

    /// Takes the last edge: slot and reference.
    #[inline(always)]
    pub fn pop(&mut self) -> Option<(u32, u32)> {
        self.0.pop().map(|edge| (edge as u32, (edge >> 32) as u32))
    }

    /// Pushes an edge for each word of `map` that is young in the object at `from`, which lies at `to` now; the first
    /// one last. False, and nothing is pushed, if the room might not do.
    #[inline(always)]
    #[must_use]
    pub fn push_young(&mut self, memory: Memory, from: u32, to: u32, mut map: u64) -> bool {
        if self.room() < EdgeStack::AT_ONCE {
            return false;
        }
        while map != 0 {
            let bit = 63 - map.leading_zeros();
            map ^= 1 << bit;
            let value = memory.word(from.wrapping_add(bit));
            if is_young(value) {
                // SAFETY: S1: a map has 64 bits, and there was room for as many.
                unsafe { self.0.push_unchecked(to.wrapping_add(bit) as u64 | (value as u64) << 32) };
            }
        }
        true
    }
}
