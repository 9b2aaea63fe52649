//! Address space of cages whose heaps are gone, kept for the next ones.
//!
//! 1. What is kept holds three pages, which every heap writes and which are cleared. All others that were ever made
//!    accessible, but those of the shared type table, are given back before anybody else can have them, whatever the
//!    heap knew of them. So the next heap finds zeroes, as in a new cage.
//! 2. What was readable and writable stays so, unless pages of a checkpoint's file lay in the heap, and the next heap
//!    need not ask the system for it.
//! 3. A cage that was extended, or whose pages the system does not take back, is not kept.

use super::cage::Land;
use super::shape::{CageKind, Shape};
use super::types::TypeFile;
use parking_lot::Mutex;

/// Cages that wait for a heap: of the heaps that are told of the pool, which share a type table as a rule.
#[derive(Debug)]
pub struct CagePool {
    free: Mutex<Vec<Land>>,
    most: usize,
}

// A panic leaves the list whole: nothing is called while it is locked.
impl std::panic::RefUnwindSafe for CagePool {}

impl CagePool {
    /// A pool that keeps so many cages.
    pub fn new(most: usize) -> CagePool {
        CagePool { free: Mutex::default(), most }
    }

    /// Number of cages that wait for a heap now.
    pub fn len(&self) -> usize {
        self.free.lock().len()
    }

    /// Whether none does.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The cage that came back last among those that suit a heap.
    pub(super) fn take(&self, kind: CageKind, heap_bytes_max: u64, types: &TypeFile) -> Option<Land> {
        let suits = |land: &Land| {
            let shape = land.shape();
            let is_large_enough = shape.reach_max >= Shape::sparse(heap_bytes_max, 0, shape.types_bytes).reach_max;
            land.types_id() == types.id() && is_large_enough && kind == CageKind::Suitable
        };
        let mut free = self.free.lock();
        let at = free.iter().rposition(suits)?;
        Some(free.swap_remove(at))
    }

    /// Keeps a cage that nobody uses any more, or lets it go.
    pub(super) fn give_back(&self, land: Land) {
        if self.len() < self.most && land.clean() {
            let mut free = self.free.lock();
            if free.len() < self.most {
                free.push(land);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw::backing::{Backing, PAGE_BYTES};
    use crate::raw::cage::Cage;
    use std::sync::Arc;

    #[test]
    #[cfg_attr(miri, ignore = "a cage is more than the interpreter has")]
    fn a_cage_whose_pages_the_system_does_not_take_back_is_not_kept() {
        let types = TypeFile::of_bytes(1 << 20).unwrap();
        for is_locked in [false, true] {
            let pool = Arc::new(CagePool::new(1));
            let cage = Cage::new(Backing::default(), 1 << 20, CageKind::Suitable, &types, Some(&pool)).unwrap();
            if is_locked {
                // The first of the pages of the hot words that are not cleared.
                let page = cage.base() - 2 * PAGE_BYTES;
                // SAFETY: a page of the cage that is readable and writable; its contents stay as they are.
                assert_eq!(unsafe { libc::mlock(page as *const _, PAGE_BYTES) }, 0);
            }
            drop(cage);
            assert_eq!(pool.is_empty(), is_locked);
        }
    }
}
