//! The store's words below the heap base, from the runtime's side.
//!
//! A displacement that names no such word panics. The words are read and written as atomics: compiled code has them
//! too, and the one that other threads write is among them (R8).

use heapwood_gc::Heap;
use heapwood_gc_abi::disp;
use heapwood_gc_abi::space::HOT_AREA_BYTES;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// How far below the heap base they lie.
const HOT_AREA: i32 = disp(HOT_AREA_BYTES);

/// Access to the hot words of one store, which alone has it and its copies, and drops its heap last (R5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Hot(usize);

impl Hot {
    /// The words of a heap, which must outlive all uses of the result (R5).
    pub(super) fn of_heap(heap: &Heap) -> Hot {
        Hot(heap.base())
    }

    /// The heap base.
    #[inline]
    pub fn base(self) -> usize {
        self.0
    }

    /// The 8 bytes at a displacement. Panics if they are not aligned or not among the hot words.
    #[inline]
    pub(super) fn word(&self, disp: i32) -> &AtomicU64 {
        assert!((-HOT_AREA..=-8).contains(&disp) && disp % 8 == 0, "no hot word");
        // SAFETY: R5: mapped by the assertion, and aligned like the base.
        unsafe { AtomicU64::from_ptr(self.0.wrapping_add_signed(disp as isize) as *mut u64) }
    }

    /// Reads a u64.
    #[inline]
    pub fn get(self, disp: i32) -> u64 {
        self.word(disp).load(Relaxed)
    }

    /// Writes a u64.
    #[inline]
    pub fn set(self, disp: i32, value: u64) {
        self.word(disp).store(value, Relaxed);
    }

    /// Writes a u32.
    #[inline]
    pub fn set_u32(self, disp: i32, value: u32) {
        assert!((-HOT_AREA..=-4).contains(&disp) && disp % 4 == 0, "no hot word");
        // SAFETY: R5: mapped by the assertion, and aligned like the base.
        let word = unsafe { AtomicU32::from_ptr(self.0.wrapping_add_signed(disp as isize) as *mut u32) };
        word.store(value, Relaxed);
    }
}
