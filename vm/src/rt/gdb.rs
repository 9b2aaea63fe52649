//! GDB's interface for code that a process compiles (the manual's chapter "JIT Compilation Interface"): a list of
//! object files in memory, which a debugger reads, and a function that it stops at when the list changes.
//!
//! Names and layout are those of the manual, and each may be there once in a process: so this is a feature.

use parking_lot::Mutex;
use std::arch::asm;
use std::ptr::null_mut;

/// Whoever changes the list has it.
static LIST: Mutex<()> = Mutex::new(());

/// What happened to the list.
const NOTHING: u32 = 0;
const REGISTERED: u32 = 1;
const UNREGISTERED: u32 = 2;

/// An object file of the list.
#[repr(C)]
struct Entry {
    next: *mut Entry,
    previous: *mut Entry,
    file: *const u8,
    file_bytes: u64,
}

#[repr(C)]
struct Descriptor {
    version: u32,
    action: u32,
    relevant: *mut Entry,
    first: *mut Entry,
}

#[unsafe(no_mangle)]
#[allow(non_upper_case_globals, reason = "debuggers look for this name")]
static mut __jit_debug_descriptor: Descriptor =
    Descriptor { version: 1, action: NOTHING, relevant: null_mut(), first: null_mut() };

/// Does nothing: a debugger has a breakpoint here.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn __jit_debug_register_code() {
    // SAFETY: R10: no instruction. The compiler takes it for one that may read all memory, so that the list is written.
    unsafe { asm!("", options(nostack, preserves_flags)) }
}

/// An object file that debuggers know, until this is dropped.
#[derive(Debug)]
pub(crate) struct Registered {
    entry: *mut Entry,
    _file: Box<[u8]>,
}

// SAFETY: R16: whoever reaches the entry has the lock.
unsafe impl Send for Registered {}
// SAFETY: R16, and a shared reference leads nowhere.
unsafe impl Sync for Registered {}

impl Registered {
    /// Tells debuggers of an object file.
    pub fn new(file: Vec<u8>) -> Registered {
        let file = file.into_boxed_slice();
        let (start, file_bytes) = (file.as_ptr(), file.len() as u64);
        let _lock = LIST.lock();
        let list = &raw mut __jit_debug_descriptor;
        // SAFETY: R16: the list is ours as long as we have the lock, and its entries are there.
        unsafe {
            let next = (*list).first;
            let entry = Box::into_raw(Box::new(Entry { next, previous: null_mut(), file: start, file_bytes }));
            if !next.is_null() {
                (*next).previous = entry;
            }
            (*list).first = entry;
            tell(list, entry, REGISTERED);
            Registered { entry, _file: file }
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let _lock = LIST.lock();
        let list = &raw mut __jit_debug_descriptor;
        // SAFETY: R16: as above; the entry is in the list, since nobody else takes it out.
        unsafe {
            let Entry { next, previous, .. } = *self.entry;
            match previous.is_null() {
                true => (*list).first = next,
                false => (*previous).next = next,
            }
            if !next.is_null() {
                (*next).previous = previous;
            }
            tell(list, self.entry, UNREGISTERED);
            drop(Box::from_raw(self.entry));
        }
    }
}

/// # Safety
/// R16: the caller has the lock, and the entry is there.
unsafe fn tell(list: *mut Descriptor, entry: *mut Entry, action: u32) {
    // SAFETY: the caller's.
    unsafe {
        ((*list).relevant, (*list).action) = (entry, action);
        __jit_debug_register_code();
        ((*list).relevant, (*list).action) = (null_mut(), NOTHING);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sizes of the files of the list, from the first on; each entry names the one before it.
    fn list() -> Vec<u64> {
        let _lock = LIST.lock();
        let (mut sizes, mut previous) = (Vec::new(), null_mut());
        // SAFETY: R16.
        unsafe {
            let list = &raw const __jit_debug_descriptor;
            assert_eq!(((*list).version, (*list).action), (1, NOTHING));
            let mut entry = (*list).first;
            while !entry.is_null() {
                assert_eq!((*entry).previous, previous);
                sizes.push((*entry).file_bytes);
                (previous, entry) = (entry, (*entry).next);
            }
        }
        sizes
    }

    #[test]
    fn the_list_has_what_is_registered() {
        let [one, two, three] = [1, 2, 3].map(|size| Registered::new(vec![0; size]));
        assert_eq!(list(), [3, 2, 1]);
        drop(two);
        assert_eq!(list(), [3, 1]);
        drop(three);
        assert_eq!(list(), [1]);
        let four = Registered::new(vec![0; 4]);
        drop(one);
        assert_eq!(list(), [4]);
        drop(four);
        assert_eq!(list(), [0; 0]);
    }
}
