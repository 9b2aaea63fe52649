//! The store's words below the heap base, from the runtime's side.

use super::stubs;
use heapwood_gc::Heap;
use heapwood_gc_abi::disp;
use heapwood_gc_abi::hot::{BUILTIN_TABLE, BUILTINS_MAX};
use heapwood_gc_abi::space::HOT_AREA_BYTES;
use heapwood_jit::abi::Builtin;

/// How far below the heap base they lie.
const HOT_AREA: i32 = disp(HOT_AREA_BYTES);

/// Access to the hot words of one store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Hot(usize);

impl Hot {
    /// The words of a heap, which must outlive all uses of the result (R5). Fills its table of runtime entry points.
    pub fn of_heap(heap: &Heap) -> Hot {
        let hot = Hot(heap.base());
        let table = heap.base().wrapping_add_signed(BUILTIN_TABLE as isize) as *mut u64;
        const { assert!(Builtin::ALL.len() <= BUILTINS_MAX) };
        for (index, stub) in stubs::fixed().builtins().enumerate() {
            // SAFETY: R5: the table has room for `BUILTINS_MAX` entries.
            unsafe { *table.add(index) = stub };
        }
        hot
    }

    /// The heap base.
    pub fn base(self) -> usize {
        self.0
    }

    /// The address of a word.
    pub fn address(self, disp: i32) -> *mut u64 {
        debug_assert!((-HOT_AREA..0).contains(&disp));
        self.0.wrapping_add_signed(disp as isize) as *mut u64
    }

    /// Reads a u64.
    #[inline]
    pub fn get(self, disp: i32) -> u64 {
        // SAFETY: R5.
        unsafe { *self.address(disp) }
    }

    /// Writes a u64.
    #[inline]
    pub fn set(self, disp: i32, value: u64) {
        // SAFETY: R5.
        unsafe { *self.address(disp) = value }
    }

    /// Writes a u32.
    #[inline]
    pub fn set_u32(self, disp: i32, value: u32) {
        // SAFETY: R5.
        unsafe { *self.address(disp).cast::<u32>() = value }
    }
}
