//! The calls of the system that the collector makes, a function for each. What may be asked of them, and how often they
//! fail in a test, is for `backing`; in Miri, which knows none of them, `interpreted` stands in the place of this file.
//!
//! Each `unsafe` function wants a range of whole pages inside of a reservation that the caller owns (B2), and a caller
//! who gives up what lies there, where the contents change.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Maps `bytes` without access, at an address if that is not 0; none if the system refuses, or something is there.
pub fn reserve(start: usize, bytes: usize) -> Option<usize> {
    let fixed = if start == 0 { 0 } else { libc::MAP_FIXED_NOREPLACE };
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | fixed;
    // SAFETY: invariant B1: the address is of the kernel's choice, or nothing is replaced there.
    let mapped = unsafe { libc::mmap(start as *mut _, bytes, libc::PROT_NONE, flags, -1, 0) };
    if mapped == libc::MAP_FAILED {
        return None;
    }
    // A kernel before 4.17 takes the address for a hint.
    if start != 0 && mapped as usize != start {
        // SAFETY: the mapping is new: nobody knows of it.
        unsafe { release(mapped as usize, bytes) };
        return None;
    }
    Some(mapped as usize)
}

/// Takes a range out of the address space.
///
/// # Safety
/// As above, and nobody uses its addresses any more.
#[inline]
pub unsafe fn release(start: usize, bytes: usize) {
    // SAFETY: the caller's promise.
    unsafe { libc::munmap(start as *mut _, bytes) };
}

/// Makes a range readable and writable.
///
/// # Safety
/// As above.
#[inline]
pub unsafe fn commit(start: usize, bytes: usize) -> bool {
    // SAFETY: the caller's promise.
    unsafe { libc::mprotect(start as *mut _, bytes, libc::PROT_READ | libc::PROT_WRITE) == 0 }
}

/// Faults in the pages of a range, and keeps the contents of those that are there.
///
/// # Safety
/// As above.
#[inline]
pub unsafe fn populate(start: usize, bytes: usize) -> bool {
    // SAFETY: the caller's promise.
    let result = unsafe { libc::madvise(start as *mut _, bytes, libc::MADV_POPULATE_WRITE) };
    // A kernel before 5.14 does not know it: the pages are faulted in by their first use.
    let is_unknown = || std::io::Error::last_os_error().raw_os_error() == Some(libc::EINVAL);
    result == 0 || is_unknown()
}

/// Gives the pages of a range back: it reads as zero, or as what its file holds.
///
/// # Safety
/// As above.
#[inline]
pub unsafe fn discard(start: usize, bytes: usize) -> bool {
    // SAFETY: the caller's promise.
    unsafe { libc::madvise(start as *mut _, bytes, libc::MADV_DONTNEED) == 0 }
}

/// Asks the system not to use huge pages for a range. One without huge pages does not know it.
///
/// # Safety
/// As above.
#[inline]
pub unsafe fn avoid_huge_pages(start: usize, bytes: usize) {
    // SAFETY: the caller's promise; advice without effect on contents.
    unsafe { libc::madvise(start as *mut _, bytes, libc::MADV_NOHUGEPAGE) };
}

/// What a range is replaced with.
pub enum Pages<'f> {
    /// The first pages of a file, to be read.
    Shared(&'f OwnedFd),
    /// Pages of a file from an offset on, copied when they are written.
    Copied(&'f OwnedFd, u64),
    /// Zeroes, to be read and written.
    Fresh,
    /// Address space without memory.
    Nothing,
}

/// Puts other pages in the place of a range.
///
/// # Safety
/// As above, and the file has these pages for as long as they are mapped.
#[inline]
pub unsafe fn replace(start: usize, bytes: usize, pages: Pages<'_>) -> bool {
    let read_write = libc::PROT_READ | libc::PROT_WRITE;
    let fresh = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    let (access, flags, fd, offset) = match pages {
        Pages::Shared(file) => (libc::PROT_READ, libc::MAP_SHARED, file.as_raw_fd(), 0),
        Pages::Copied(file, offset) => (read_write, libc::MAP_PRIVATE, file.as_raw_fd(), offset),
        Pages::Fresh => (read_write, fresh, -1, 0),
        Pages::Nothing => (libc::PROT_NONE, fresh, -1, 0),
    };
    let flags = flags | libc::MAP_FIXED | libc::MAP_NORESERVE;
    // SAFETY: the caller's promise.
    unsafe { libc::mmap(start as *mut _, bytes, access, flags, fd, offset as libc::off_t) != libc::MAP_FAILED }
}

/// A sparse file of `bytes` without a name in the file system; none if the system refuses.
pub fn create_file(name: &CStr, bytes: u64) -> Option<OwnedFd> {
    // Beyond the limit `ftruncate` would end the process by SIGXFSZ.
    if resource_limit(libc::RLIMIT_FSIZE) < bytes {
        return None;
    }
    // SAFETY: the name is a valid C string.
    let fd = unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC) };
    if fd < 0 {
        return None;
    }
    // SAFETY: the descriptor is new: nobody else owns it.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: a plain system call on a descriptor that we own.
    let result = unsafe { libc::ftruncate(fd.as_raw_fd(), bytes as libc::off_t) };
    (result == 0).then_some(fd)
}

/// Maps a new file of `bytes` somewhere, to be written by way of memory; without a file, as many zeroes that
/// [`map_again`] can map once more.
pub fn map_written(file: Option<&OwnedFd>, bytes: usize) -> Option<usize> {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let (of_file, fd) = file.map_or((libc::MAP_ANONYMOUS, -1), |file| (0, file.as_raw_fd()));
    let flags = libc::MAP_SHARED | libc::MAP_NORESERVE | of_file;
    // SAFETY: invariant B1: the mapping is new.
    let start = unsafe { libc::mmap(std::ptr::null_mut(), bytes, access, flags, fd, 0) };
    (start != libc::MAP_FAILED).then_some(start as usize)
}

/// Puts the first `bytes` of a shared mapping, to be read, in the place of a range.
///
/// # Safety
/// As above.
pub unsafe fn map_again(shared: usize, start: usize, bytes: usize) -> bool {
    let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
    let at = start as *mut libc::c_void;
    // An old length of 0 leaves a shared mapping where it is and makes another one of the same pages.
    // SAFETY: the caller's promise.
    let mapped = unsafe { libc::mremap(shared as *mut _, 0, bytes, flags, at) };
    // SAFETY: it is the mapping that was just made.
    mapped != libc::MAP_FAILED && unsafe { libc::mprotect(at, bytes, libc::PROT_READ) } == 0
}

/// Tells whoever reads a file by [`Pages::Shared`] what was written at an offset: they see it anyway.
#[inline(always)]
pub fn publish(_file: &OwnedFd, _start: usize, _offset: usize, _bytes: usize) {}

/// Makes sure that bytes of a file have memory behind them.
pub fn allocate(file: &OwnedFd, offset: usize, bytes: usize) -> bool {
    // SAFETY: a plain system call on a descriptor that we own.
    unsafe { libc::fallocate(file.as_raw_fd(), 0, offset as libc::off_t, bytes as libc::off_t) == 0 }
}

/// Reads some bytes of a file: their number, or what is not above 0.
pub fn read(file: &OwnedFd, buffer: &mut [u8], offset: u64) -> isize {
    // SAFETY: the bytes are borrowed, and so is the descriptor.
    unsafe { libc::pread(file.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), offset as libc::off_t) }
}

/// Writes some bytes of a file: their number, or what is not above 0.
pub fn write(file: &OwnedFd, contents: &[u8], offset: u64) -> isize {
    // SAFETY: the bytes are borrowed, and so is the descriptor.
    unsafe { libc::pwrite(file.as_raw_fd(), contents.as_ptr().cast(), contents.len(), offset as libc::off_t) }
}

/// The limit of this process's address space; `u64::MAX` if there is none.
pub fn address_space_limit() -> u64 {
    resource_limit(libc::RLIMIT_AS)
}

fn resource_limit(resource: libc::__rlimit_resource_t) -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid place for the answer.
    let result = unsafe { libc::getrlimit(resource, &mut limit) };
    if result == 0 { limit.rlim_cur } else { u64::MAX }
}

/// Bytes of physical memory; 0 if the system does not say.
pub fn physical_bytes() -> u64 {
    // SAFETY: plain queries.
    let (pages, page_bytes) = unsafe { (libc::sysconf(libc::_SC_PHYS_PAGES), libc::sysconf(libc::_SC_PAGESIZE)) };
    (pages.max(0) as u64).saturating_mul(page_bytes.max(0) as u64)
}

/// CPU time of this thread in nanoseconds.
#[inline]
pub fn thread_cpu_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the answer.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
