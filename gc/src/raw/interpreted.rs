//! `system` for Miri, which knows neither address space without memory nor files in memory: a reservation is an
//! allocation of zeroes, whose addresses are exposed, so that pointers made of addresses may reach it.
//!
//! 1. What is committed or populated was readable and writable before; what is given back is written over with zeroes.
//!    So Miri checks every access, but not that it is to committed memory.
//! 2. A file that others map to read is memory that is copied to their places when something is written there
//!    ([`publish`]).
//! 3. Reservations at an address and files of frozen memory are refused, as a system may do.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::collections::BTreeMap;
use std::ffi::CStr;
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::LazyLock;
use std::time::Instant;

use super::backing::PAGE_BYTES;
use super::bulk;
use parking_lot::Mutex;

/// An allocation, and how much of it was not released yet.
struct Allocation {
    bytes: usize,
    bytes_left: usize,
}

/// By their first addresses. `release` gives an allocation back when the last part of it is.
static ALLOCATIONS: Mutex<BTreeMap<usize, Allocation>> = Mutex::new(BTreeMap::new());

/// Where files are mapped to be read: first address of the file's memory, first address of the place, and its bytes.
static READERS: Mutex<Vec<(usize, usize, usize)>> = Mutex::new(Vec::new());

/// Of files by their descriptors, which are open as long as they are used: where their memory begins, and how many of
/// its bytes were published.
static FILES: Mutex<BTreeMap<RawFd, (usize, usize)>> = Mutex::new(BTreeMap::new());

/// Alignment of 16, since an allocator clears what is aligned to more in pieces of its own, and does not leave it to
/// the system, which has zeroes for nothing. A page more, to begin at one.
fn layout(bytes: usize) -> Layout {
    Layout::from_size_align(bytes + PAGE_BYTES, 16).expect("a reservation is less than half of all addresses")
}

/// An allocation, if no address is asked for.
pub fn reserve(start: usize, bytes: usize) -> Option<usize> {
    if start != 0 {
        return None;
    }
    // SAFETY: the size is not 0.
    let outer = unsafe { alloc_zeroed(layout(bytes)) }.expose_provenance();
    if outer == 0 {
        return None;
    }
    ALLOCATIONS.lock().insert(outer, Allocation { bytes, bytes_left: bytes });
    Some(outer.next_multiple_of(PAGE_BYTES))
}

/// Gives a part of an allocation back.
///
/// # Safety
/// As in `system`.
pub unsafe fn release(start: usize, bytes: usize) {
    READERS.lock().retain(|(_, place, _)| !(start..start + bytes).contains(place));
    let mut allocations = ALLOCATIONS.lock();
    let (&outer, allocation) = allocations.range_mut(..=start).next_back().expect("an allocation that was made here");
    allocation.bytes_left -= bytes;
    if allocation.bytes_left == 0 {
        let layout = layout(allocation.bytes);
        allocations.remove(&outer);
        // SAFETY: it was allocated by `reserve` with this layout; all of it is released, by the caller's promise.
        unsafe { dealloc(std::ptr::with_exposed_provenance_mut(outer), layout) };
    }
}

/// Does nothing.
///
/// # Safety
/// As in `system`.
pub unsafe fn commit(_start: usize, _bytes: usize) -> bool {
    true
}

/// Does nothing.
///
/// # Safety
/// As in `system`.
pub unsafe fn populate(_start: usize, _bytes: usize) -> bool {
    true
}

/// Writes zeroes.
///
/// # Safety
/// As in `system`.
pub unsafe fn discard(start: usize, bytes: usize) -> bool {
    // SAFETY: the caller's promise: the range lies in an allocation, and what is there is given up.
    unsafe { std::ptr::write_bytes(std::ptr::with_exposed_provenance_mut::<u8>(start), 0, bytes) };
    true
}

/// Does nothing.
///
/// # Safety
/// As in `system`.
pub unsafe fn avoid_huge_pages(_start: usize, _bytes: usize) {}

/// What a range is replaced with.
#[allow(dead_code, reason = "the variants are those of `system`")]
pub enum Pages<'f> {
    /// What was written to a file.
    Shared(&'f OwnedFd),
    /// Refused.
    Copied(&'f OwnedFd, u64),
    /// Zeroes.
    Fresh,
    /// Zeroes.
    Nothing,
}

/// Writes other contents.
///
/// # Safety
/// As in `system`.
pub unsafe fn replace(start: usize, bytes: usize, pages: Pages<'_>) -> bool {
    match pages {
        Pages::Shared(file) => {
            let Some((source, published)) = FILES.lock().get(&file.as_raw_fd()).copied() else { return false };
            // SAFETY: the caller's promise; the file has these bytes, and is written by atomics.
            unsafe { copy(source, start, published.min(bytes)) };
            READERS.lock().push((source, start, bytes));
            true
        }
        Pages::Copied(..) => false,
        // SAFETY: the caller's promise.
        Pages::Fresh | Pages::Nothing => unsafe { discard(start, bytes) },
    }
}

/// A file that is nothing but a descriptor: [`map_written`] makes its memory. Frozen memory has none.
pub fn create_file(name: &CStr, _bytes: u64) -> Option<OwnedFd> {
    if name != c"heapwood-types" {
        return None;
    }
    File::open("/dev/null").ok().map(OwnedFd::from)
}

/// Memory for a file. None is shared without one.
pub fn map_written(file: Option<&OwnedFd>, bytes: usize) -> Option<usize> {
    let file = file?;
    let start = reserve(0, bytes)?;
    FILES.lock().insert(file.as_raw_fd(), (start, 0));
    Some(start)
}

/// Nothing is shared without a file: [`map_written`].
///
/// # Safety
/// As for `system`.
pub unsafe fn map_again(_shared: usize, _start: usize, _bytes: usize) -> bool {
    false
}

/// Copies what was written to a file whose memory begins at `start` to whoever maps it.
pub fn publish(file: &OwnedFd, start: usize, offset: usize, bytes: usize) {
    if let Some((_, published)) = FILES.lock().get_mut(&file.as_raw_fd()) {
        *published = (*published).max(offset + bytes);
    }
    for (source, place, mapped_bytes) in READERS.lock().iter() {
        if *source == start && offset + bytes <= *mapped_bytes {
            // SAFETY: both are mapped: a place is left out when it is released, and the file is the caller's.
            unsafe { copy(start + offset, place + offset, bytes) };
        }
    }
}

/// Copies by words.
///
/// # Safety
/// Both ranges may be read, the second one written, and all who use them meanwhile do so by atomics.
unsafe fn copy(from: usize, to: usize, bytes: usize) {
    // SAFETY: the caller's promise.
    unsafe { bulk::copy(std::ptr::with_exposed_provenance_mut(to), std::ptr::with_exposed_provenance(from), bytes) }
}

/// Memory is there.
pub fn allocate(_file: &OwnedFd, _offset: usize, _bytes: usize) -> bool {
    true
}

/// Refused.
pub fn read(_file: &OwnedFd, _buffer: &mut [u8], _offset: u64) -> isize {
    -1
}

/// Refused.
pub fn write(_file: &OwnedFd, _contents: &[u8], _offset: u64) -> isize {
    -1
}

/// There is none.
pub fn address_space_limit() -> u64 {
    u64::MAX
}

/// The system does not say.
pub fn physical_bytes() -> u64 {
    0
}

/// Time since the first call: Miri has no time of threads.
pub fn thread_cpu_ns() -> u64 {
    static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    BEGIN.elapsed().as_nanos() as u64
}
