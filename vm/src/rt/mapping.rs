//! Address space of our own, and what may be done with it. As with the heap's, tests choose calls of the system that
//! fail.

use crate::errors::{Error, Result};
use heapwood_gc::{FrozenFile, address_space};
use heapwood_gc_abi::Narrow;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::ptr::NonNull;

/// Granularity of protection.
pub(crate) const PAGE_BYTES: usize = 4096;

/// The system refused to map so many bytes. Where the process has little address space, that is named.
fn refused_address_space(bytes: usize) -> Error {
    let little = address_space().map_or_else(String::new, |space| {
        format!("; this process may have {}m of address space (ulimit -v)", space.limit_bytes >> 20)
    });
    Error::limit(format!("the system refused to map {bytes} bytes{little}"))
}

/// A private mapping, anonymous or of a file, unmapped on drop.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<u8>,
    bytes: usize,
}

/// What the pages of a range may be used for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Access {
    /// Neither reading nor writing nor running.
    None,
    /// Reading.
    Read,
    /// Reading and writing.
    ReadWrite,
    /// Reading and executing.
    Execute,
}

impl Access {
    fn flags(self) -> i32 {
        match self {
            Access::None => libc::PROT_NONE,
            Access::Read => libc::PROT_READ,
            Access::ReadWrite => libc::PROT_READ | libc::PROT_WRITE,
            Access::Execute => libc::PROT_READ | libc::PROT_EXEC,
        }
    }
}

// SAFETY: R1: the mapping belongs to its owner like a boxed slice.
unsafe impl Send for Mapping {}
// SAFETY: R1: shared access only reads.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `bytes` (rounded up to pages) of zeroes with this access. Nothing is committed before it is touched.
    ///
    /// # Errors
    /// The system refuses.
    pub fn new(bytes: usize, access: Access) -> Result<Mapping> {
        let bytes = bytes.next_multiple_of(PAGE_BYTES).max(PAGE_BYTES);
        if is_refused() {
            return Err(refused_address_space(bytes));
        }
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: R10: a new mapping at an address of the kernel's choice replaces nothing.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), bytes, access.flags(), flags, -1, 0) };
        match NonNull::new(start.cast()) {
            Some(start) if start.as_ptr() as *mut libc::c_void != libc::MAP_FAILED => Ok(Mapping { start, bytes }),
            _ => Err(refused_address_space(bytes)),
        }
    }

    /// Maps the first `bytes` of a file, which has as many and may be code, for reading and writing. What is written
    /// stays here. Behind them are `behind` bytes that cannot be used.
    ///
    /// # Safety
    /// Nobody changes the file as long as the mapping lives (R13).
    ///
    /// # Errors
    /// The system refuses, as it does where no file may be executed.
    pub unsafe fn of_file(file: &File, bytes: usize, behind: usize) -> Result<Mapping> {
        let bytes = bytes.next_multiple_of(PAGE_BYTES).max(PAGE_BYTES);
        let mapping = Mapping::new(bytes + behind, Access::None)?;
        // Whether code may be mapped from there is known before anything relies on it.
        mapping.replace(0, bytes, Access::Execute, Some((file.as_fd(), 0)))?;
        mapping.protect(0, bytes, Access::ReadWrite)?;
        Ok(mapping)
    }

    /// First address.
    pub fn start(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    /// First address as a number.
    pub fn address(&self) -> usize {
        self.start.as_ptr() as usize
    }

    /// Length in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Changes what a range of whole pages may be used for.
    ///
    /// # Errors
    /// The system refuses.
    pub fn protect(&self, offset: usize, bytes: usize, access: Access) -> Result<()> {
        self.check(offset, bytes);
        if is_refused() {
            return Err(Error::limit(format!("the system refused to commit {bytes} bytes")));
        }
        // SAFETY: R1: the range lies inside; whoever loses access to it was given none by this type.
        let result = unsafe { libc::mprotect(self.start().add(offset).cast(), bytes, access.flags()) };
        if result == 0 { Ok(()) } else { Err(Error::limit(format!("the system refused to commit {bytes} bytes"))) }
    }

    /// The first `bytes`, whole pages that are readable, as a file.
    ///
    /// # Safety
    /// They have been readable since they were last protected, and nobody writes to them meanwhile.
    ///
    /// # Errors
    /// The system refuses.
    pub unsafe fn freeze(&self, bytes: usize) -> Result<FrozenFile> {
        let refused = || Error::limit(format!("the system refused to freeze {bytes} bytes"));
        if is_refused() {
            return Err(refused());
        }
        // SAFETY: R1, and the caller's promise.
        let contents = unsafe { self.slice(0, bytes) };
        let file = FrozenFile::new(bytes as u64).map_err(|_| refused())?;
        file.write(contents, 0).map_err(|_| refused())?;
        Ok(file)
    }

    /// Puts copy-on-write pages of a file, which is never changed any more, in the place of the first `bytes`: whole
    /// pages, for reading and writing.
    ///
    /// # Errors
    /// The system refuses.
    pub fn map_frozen(&self, file: &FrozenFile, bytes: usize) -> Result<()> {
        assert!(bytes as u64 <= file.bytes(), "pages beyond the end of the file");
        let part = Some((file.as_fd(), file.start()));
        self.replace(0, bytes, Access::ReadWrite, part)
    }

    /// Puts fresh zero pages in the place of a range of whole pages.
    ///
    /// # Errors
    /// The system refuses.
    pub fn renew(&self, offset: usize, bytes: usize, access: Access) -> Result<()> {
        self.replace(offset, bytes, access, None)
    }

    /// Other pages in the place of a range: of a file from an offset on, or zeroes.
    fn replace(&self, offset: usize, bytes: usize, access: Access, file: Option<(BorrowedFd<'_>, u64)>) -> Result<()> {
        self.check(offset, bytes);
        if bytes == 0 {
            return Ok(());
        }
        let refused = || Error::limit(format!("the system refused to map {bytes} bytes"));
        if is_refused() {
            return Err(refused());
        }
        let (flags, fd, at) = match file {
            Some((file, at)) => (0, file.as_raw_fd(), at.narrow()),
            None => (libc::MAP_ANONYMOUS, -1, 0),
        };
        let flags = flags | libc::MAP_PRIVATE | libc::MAP_FIXED | libc::MAP_NORESERVE;
        // SAFETY: R1: the range lies inside; what was there is given up by the owner, and nobody has a slice of it.
        let start = unsafe { libc::mmap(self.start().add(offset).cast(), bytes, access.flags(), flags, fd, at) };
        if start == libc::MAP_FAILED { Err(refused()) } else { Ok(()) }
    }

    /// Forgets what was written to the first `bytes`, which are pages of a file.
    ///
    /// # Errors
    /// The system refuses.
    pub fn restore(&self, bytes: usize) -> Result<()> {
        self.check(0, bytes);
        let refused = || Error::limit(format!("the system refused to restore {bytes} bytes"));
        if is_refused() {
            return Err(refused());
        }
        // SAFETY: R1: the range lies inside; what was written is given up by the owner.
        let result = unsafe { libc::madvise(self.start().cast(), bytes, libc::MADV_DONTNEED) };
        if result == 0 { Ok(()) } else { Err(refused()) }
    }

    /// Gives the pages of a range back, which reads as zero then. Nobody uses it.
    pub fn discard(&self, offset: usize, bytes: usize) {
        self.check(offset, bytes);
        // SAFETY: R1: the range lies inside.
        let result = unsafe { libc::madvise(self.start().add(offset).cast(), bytes, libc::MADV_DONTNEED) };
        assert!(result == 0, "the system takes back pages of an anonymous mapping");
    }

    /// Makes the bytes of a range zero.
    ///
    /// # Safety
    /// The range is readable and writable, and nobody uses it.
    pub unsafe fn clear(&self, offset: usize, bytes: usize) {
        self.check(offset, bytes);
        // SAFETY: R1: the range lies inside; and the caller's promise.
        unsafe { self.start().add(offset).write_bytes(0, bytes) };
    }

    fn check(&self, offset: usize, bytes: usize) {
        assert!(offset.is_multiple_of(PAGE_BYTES) && bytes.is_multiple_of(PAGE_BYTES), "not whole pages");
        assert!(offset <= self.bytes && bytes <= self.bytes - offset, "outside of the mapping");
    }

    /// Asks the system not to use huge pages: what is barely touched stays small.
    pub fn avoid_huge_pages(&self) {
        // SAFETY: R1, R10: advice without effect on contents.
        unsafe { libc::madvise(self.start().cast(), self.bytes, libc::MADV_NOHUGEPAGE) };
    }

    /// A range that is readable.
    ///
    /// # Safety
    /// The range has been readable since it was last protected, and is not written meanwhile.
    pub unsafe fn slice(&self, offset: usize, bytes: usize) -> &[u8] {
        assert!(offset <= self.bytes && bytes <= self.bytes - offset, "outside of the mapping");
        // SAFETY: R1 by the assertion, and the caller's promise.
        unsafe { std::slice::from_raw_parts(self.start().add(offset), bytes) }
    }

    /// A range that is readable and writable.
    ///
    /// # Safety
    /// The range has been writable since it was last protected, and nobody else uses it meanwhile.
    pub unsafe fn slice_mut(&mut self, offset: usize, bytes: usize) -> &mut [u8] {
        assert!(offset <= self.bytes && bytes <= self.bytes - offset, "outside of the mapping");
        // SAFETY: R1 by the assertion, and the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.start().add(offset), bytes) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: R1: the owner is gone, so nobody reaches into the range any more.
        unsafe { libc::munmap(self.start().cast(), self.bytes) };
    }
}

#[cfg(feature = "test-hooks")]
mod refusals {
    use std::cell::RefCell;
    use std::ops::Range;

    thread_local! {
        /// Calls of this thread so far, and those that are refused.
        static CALLS: RefCell<(u64, Range<u64>)> = const { RefCell::new((0, 0..0)) };
    }

    /// Counts from 1 again, and refuses the calls with these numbers.
    pub(crate) fn refuse_calls(refused: Range<u64>) {
        CALLS.set((0, refused));
    }

    /// Calls since then.
    pub(crate) fn calls() -> u64 {
        CALLS.with_borrow(|(count, _)| *count)
    }

    /// Counts a call; whether it is one that a test chose.
    pub(super) fn is_refused() -> bool {
        CALLS.with_borrow_mut(|(count, refused)| {
            *count += 1;
            refused.contains(count)
        })
    }
}

#[cfg(feature = "test-hooks")]
pub(crate) use refusals::{calls, refuse_calls};

#[cfg(feature = "test-hooks")]
use refusals::is_refused;

#[cfg(not(feature = "test-hooks"))]
fn is_refused() -> bool {
    false
}
