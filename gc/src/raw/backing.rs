//! The one door to the operating system's memory, and where it can be made to fail.
//!
//! 1. `reserve` takes address space (PROT_NONE, MAP_NORESERVE): it costs nothing until it is committed.
//! 2. `commit` makes a range of it readable and writable; `populate` also faults its pages in.
//! 3. `discard` gives the pages back; the range stays committed and reads as zero.
//! 4. Each of these counts as one call; a test can choose calls that fail.

use std::ops::Range;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Granularity of all calls.
pub const PAGE_BYTES: usize = 4096;

/// The operating system, or a test, refused memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system refused to {operation} {bytes} bytes of memory")]
pub struct BackingError {
    /// What was asked: `reserve`, `commit`, `populate`, `discard` or `share`.
    pub operation: &'static str,
    /// How many bytes it was asked for.
    pub bytes: u64,
}

/// Source of memory: counts its calls and fails those that a test chose.
#[derive(Debug, Default)]
pub struct Backing {
    calls: u64,
    refused: Range<u64>,
    /// Memory that is given back is always taken.
    spares_discards: bool,
}

/// A range of address space that is unmapped on drop.
#[derive(Debug)]
pub struct Reservation {
    start: usize,
    bytes: usize,
}

impl Backing {
    /// A source whose calls with these numbers (from 1) fail.
    pub fn new(refused: Range<u64>) -> Backing {
        Backing { calls: 0, refused, spares_discards: false }
    }

    /// Chooses other calls.
    #[cfg(feature = "test-hooks")]
    pub fn set_refused(&mut self, refused: Range<u64>, spares_discards: bool) {
        (self.refused, self.spares_discards) = (refused, spares_discards);
    }

    /// Calls made so far.
    pub fn calls(&self) -> u64 {
        self.calls
    }

    fn count(&mut self, operation: &'static str, bytes: usize) -> Result<(), BackingError> {
        self.calls += 1;
        if self.refused.contains(&self.calls) && !(self.spares_discards && operation == "discard") {
            return Err(BackingError { operation, bytes: bytes as u64 });
        }
        Ok(())
    }

    /// Takes `bytes` of address space such that `start + anchor` is a multiple of `align` (a power of two).
    pub fn reserve(&mut self, bytes: usize, anchor: usize, align: usize) -> Result<Reservation, BackingError> {
        self.count("reserve", bytes)?;
        let padded = bytes + align;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: invariant B1: a new anonymous mapping at an address of the kernel's choice replaces nothing.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), padded, libc::PROT_NONE, flags, -1, 0) };
        answer(start != libc::MAP_FAILED, "reserve", bytes)?;
        let (outer, outer_end) = (start as usize, start as usize + padded);
        let start = (outer + anchor).next_multiple_of(align) - anchor;
        for (from, to) in [(outer, start), (start + bytes, outer_end)] {
            if to > from {
                // SAFETY: invariant B1: the padding belongs to the mapping made above and nobody knows of it.
                unsafe { libc::munmap(from as *mut _, to - from) };
            }
        }
        Ok(Reservation { start, bytes })
    }

    /// Makes `bytes` at `offset` readable and writable; fresh pages read as zero.
    pub fn commit(&mut self, range: &Reservation, offset: usize, bytes: usize) -> Result<(), BackingError> {
        self.count("commit", bytes)?;
        let at = range.check(offset, bytes);
        // SAFETY: invariant B2: the range lies inside the reservation.
        let result = unsafe { libc::mprotect(at, bytes, libc::PROT_READ | libc::PROT_WRITE) };
        answer(result == 0, "commit", bytes)
    }

    /// Faults in the pages of a committed range, so that using them later costs no fault.
    pub fn populate(&mut self, range: &Reservation, offset: usize, bytes: usize) -> Result<(), BackingError> {
        self.count("populate", bytes)?;
        let at = range.check(offset, bytes);
        // SAFETY: invariant B2; MADV_POPULATE_WRITE keeps the contents of pages that are there.
        let result = unsafe { libc::madvise(at, bytes, libc::MADV_POPULATE_WRITE) };
        // A kernel before 5.14 does not know it: the pages are faulted in by their first use.
        let is_unknown = || std::io::Error::last_os_error().raw_os_error() == Some(libc::EINVAL);
        answer(result == 0 || is_unknown(), "populate", bytes)
    }

    /// Gives the pages of a committed range back; it stays readable and writable and reads as zero.
    pub fn discard(&mut self, range: &Reservation, offset: usize, bytes: usize) -> Result<(), BackingError> {
        self.count("discard", bytes)?;
        let at = range.check(offset, bytes);
        // SAFETY: invariant B2; what lay there is given up by the caller.
        let result = unsafe { libc::madvise(at, bytes, libc::MADV_DONTNEED) };
        answer(result == 0, "discard", bytes)
    }

    /// Maps the first `bytes` of `file` read-only over a part of the reservation.
    pub fn share(
        &mut self,
        range: &Reservation,
        offset: usize,
        bytes: usize,
        file: &SharedFile,
    ) -> Result<(), BackingError> {
        self.count("share", bytes)?;
        let at = range.check(offset, bytes);
        let flags = libc::MAP_SHARED | libc::MAP_FIXED | libc::MAP_NORESERVE;
        // SAFETY: invariant B2; the file has at least `bytes` bytes (`SharedFile::new`).
        let result = unsafe { libc::mmap(at, bytes, libc::PROT_READ, flags, file.fd.as_raw_fd(), 0) };
        answer(result != libc::MAP_FAILED, "share", bytes)
    }
}

/// What the system answered.
fn answer(is_done: bool, operation: &'static str, bytes: usize) -> Result<(), BackingError> {
    if is_done { Ok(()) } else { Err(BackingError { operation, bytes: bytes as u64 }) }
}

impl Reservation {
    /// First address.
    pub fn start(&self) -> usize {
        self.start
    }

    fn check(&self, offset: usize, bytes: usize) -> *mut libc::c_void {
        assert!(offset.is_multiple_of(PAGE_BYTES) && bytes.is_multiple_of(PAGE_BYTES), "not whole pages");
        assert!(offset <= self.bytes && bytes <= self.bytes - offset, "outside of the reservation");
        (self.start + offset) as *mut libc::c_void
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // SAFETY: invariant B3: whoever reaches into the range is dropped with or before the reservation.
        unsafe { libc::munmap(self.start as *mut _, self.bytes) };
    }
}

/// Memory without a name in the file system that several mappings share.
#[derive(Debug)]
pub struct SharedFile {
    fd: OwnedFd,
    mapped: Reservation,
}

impl SharedFile {
    /// A sparse file of `bytes`, mapped writable here.
    pub fn new(bytes: usize) -> Result<SharedFile, BackingError> {
        // Beyond the limit `ftruncate` would end the process by SIGXFSZ.
        answer(file_bytes_max() >= bytes as u64, "share", bytes)?;
        // SAFETY: the name is a valid C string.
        let fd = unsafe { libc::memfd_create(c"heapwood-types".as_ptr(), libc::MFD_CLOEXEC) };
        answer(fd >= 0, "share", bytes)?;
        // SAFETY: the descriptor is new: nobody else owns it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        // SAFETY: a plain system call on a descriptor that we own.
        let result = unsafe { libc::ftruncate(fd.as_raw_fd(), bytes as libc::off_t) };
        answer(result == 0, "share", bytes)?;
        let (access, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_NORESERVE);
        // SAFETY: invariant B1: the mapping is new.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), bytes, access, flags, fd.as_raw_fd(), 0) };
        answer(start != libc::MAP_FAILED, "share", bytes)?;
        Ok(SharedFile { fd, mapped: Reservation { start: start as usize, bytes } })
    }

    /// Address of the writable mapping.
    pub fn start(&self) -> usize {
        self.mapped.start
    }

    /// Makes sure that `bytes` at `offset` have memory behind them.
    pub fn grow(&self, offset: usize, bytes: usize) -> Result<(), BackingError> {
        // SAFETY: a plain system call on a descriptor that we own.
        let result = unsafe { libc::fallocate(self.fd.as_raw_fd(), 0, offset as libc::off_t, bytes as libc::off_t) };
        answer(result == 0, "share", bytes)
    }
}

/// The largest file that this process may make (RLIMIT_FSIZE).
fn file_bytes_max() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid place for the answer.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &mut limit) };
    if result == 0 { limit.rlim_cur } else { u64::MAX }
}

/// Bytes of memory that this process may use: the smaller of physical memory and the cgroup's limit.
pub fn available_bytes() -> u64 {
    // SAFETY: plain queries.
    let (pages, page_bytes) = unsafe { (libc::sysconf(libc::_SC_PHYS_PAGES), libc::sysconf(libc::_SC_PAGESIZE)) };
    let physical = (pages.max(0) as u64).saturating_mul(page_bytes.max(0) as u64);
    let physical = if physical == 0 { 1 << 30 } else { physical };
    let limits = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let read = |path| std::fs::read_to_string(path).ok().and_then(|text: String| text.trim().parse::<u64>().ok());
    limits.iter().filter_map(|path| read(*path)).fold(physical, u64::min)
}

/// CPU time of this thread in nanoseconds.
pub fn thread_cpu_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the answer.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
