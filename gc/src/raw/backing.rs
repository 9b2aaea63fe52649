//! The one door to the operating system's memory, and where it can be made to fail.
//!
//! 1. `reserve` takes address space (PROT_NONE, MAP_NORESERVE): it costs nothing until it is committed. `extend` takes
//!    more of it right behind a reservation.
//! 2. `commit` makes a range of it readable and writable; `populate` also faults its pages in.
//! 3. `discard` gives the pages back; the range stays committed and reads as zero.
//! 4. `freeze` copies a range into a file, of which `map` makes copy-on-write pages, in place of what was there;
//!    `restore` forgets what was written to them, and `renew` makes them zero pages without a file again.
//! 5. Each of these counts as one call; a test can choose calls that fail.

use super::system::{self, Pages};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Granularity of all calls.
pub const PAGE_BYTES: usize = 4096;

/// The operating system, or a test, refused memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system refused to {operation} {bytes} bytes of memory")]
pub struct BackingError {
    /// What was asked: `reserve`, `extend`, `commit`, `populate`, `discard`, `share`, `freeze`, `read`, `map`,
    /// `restore` or `renew`.
    pub operation: &'static str,
    /// Bytes that were asked for, or given back.
    pub bytes: u64,
}

/// Source of memory: counts its calls and fails those that a test chose.
#[derive(Debug, Default)]
pub struct Backing {
    calls: u64,
    refused: Range<u64>,
    /// Discards never fail, whatever `refused` says (tests).
    spares_discards: bool,
    /// Extensions of reservations fail (tests).
    spoils_extensions: bool,
}

/// A range of address space that is unmapped on drop.
#[derive(Debug)]
pub struct Reservation {
    start: usize,
    /// Grows when it is extended.
    bytes: AtomicUsize,
}

impl Backing {
    /// A source whose calls with these numbers (from 1) fail.
    pub fn new(refused: Range<u64>) -> Backing {
        Backing { calls: 0, refused, spares_discards: false, spoils_extensions: false }
    }

    /// Chooses other calls.
    #[cfg(feature = "test-hooks")]
    pub fn set_refused(&mut self, refused: Range<u64>, spares_discards: bool) {
        (self.refused, self.spares_discards) = (refused, spares_discards);
    }

    /// Lets all later extensions fail.
    #[cfg(feature = "test-hooks")]
    pub fn refuse_extensions(&mut self) {
        self.spoils_extensions = true;
    }

    /// Calls made so far.
    pub fn calls(&self) -> u64 {
        self.calls
    }

    fn count(&mut self, operation: &'static str, bytes: usize) -> Result<(), BackingError> {
        self.calls += 1;
        let is_chosen = self.refused.contains(&self.calls) && !(self.spares_discards && operation == "discard");
        if is_chosen || self.spoils_extensions && operation == "extend" {
            return Err(BackingError { operation, bytes: bytes as u64 });
        }
        Ok(())
    }

    /// Takes `bytes` of address space such that `start + anchor` is a multiple of `align` (a power of two).
    pub fn reserve(&mut self, bytes: usize, anchor: usize, align: usize) -> Result<Reservation, BackingError> {
        self.count("reserve", bytes)?;
        // What is taken next to the last one is aligned as that is, if the size is a multiple: then nothing is left
        // between the two, and the system keeps them as one mapping where they are alike.
        let exact = Reservation::map(0, bytes).ok_or(BackingError { operation: "reserve", bytes: bytes as u64 })?;
        if (exact.start + anchor).is_multiple_of(align) {
            return Ok(exact);
        }
        drop(exact);
        let padded = bytes + align;
        let outer = Reservation::map(0, padded).ok_or(BackingError { operation: "reserve", bytes: bytes as u64 })?;
        let (outer, outer_end) = (outer.into_start(), padded);
        let outer_end = outer + outer_end;
        let start = (outer + anchor).next_multiple_of(align) - anchor;
        for (from, to) in [(outer, start), (start + bytes, outer_end)] {
            if to > from {
                // SAFETY: invariant B1: the padding belongs to the mapping made above and nobody knows of it.
                unsafe { system::release(from, to - from) };
            }
        }
        Ok(Reservation { start, bytes: AtomicUsize::new(bytes) })
    }

    /// Takes `bytes` of address space at an address, if nothing is mapped there.
    pub fn reserve_at(&mut self, start: usize, bytes: usize) -> Result<Reservation, BackingError> {
        self.count("reserve", bytes)?;
        Reservation::map(start, bytes).ok_or(BackingError { operation: "reserve", bytes: bytes as u64 })
    }

    /// Makes a reservation longer by `bytes`, if nothing is mapped behind it.
    pub fn extend(&mut self, range: &Reservation, bytes: usize) -> Result<(), BackingError> {
        self.count("extend", bytes)?;
        let more = Reservation::map(range.start + range.bytes(), bytes);
        let more = more.ok_or(BackingError { operation: "extend", bytes: bytes as u64 })?;
        more.into_start();
        range.bytes.fetch_add(bytes, Relaxed);
        Ok(())
    }

    /// Makes `bytes` at `address` readable and writable; fresh pages read as zero.
    pub fn commit(&mut self, range: &Reservation, address: usize, bytes: usize) -> Result<(), BackingError> {
        self.count("commit", bytes)?;
        let at = range.check(address, bytes);
        // SAFETY: invariant B2: the range lies inside the reservation.
        answer(unsafe { system::commit(at, bytes) }, "commit", bytes)
    }

    /// Faults in the pages of a committed range, so that using them later costs no fault.
    pub fn populate(&mut self, range: &Reservation, address: usize, bytes: usize) -> Result<(), BackingError> {
        self.count("populate", bytes)?;
        let at = range.check(address, bytes);
        // SAFETY: invariant B2; the contents of pages that are there stay.
        answer(unsafe { system::populate(at, bytes) }, "populate", bytes)
    }

    /// Gives the pages of a committed range back; it stays readable and writable and reads as zero.
    pub fn discard(&mut self, range: &Reservation, address: usize, bytes: usize) -> Result<(), BackingError> {
        self.count("discard", bytes)?;
        answer(range.discard(address, bytes), "discard", bytes)
    }

    /// Maps the first `bytes` of `file` read-only over a part of the reservation.
    pub fn share(
        &mut self,
        range: &Reservation,
        address: usize,
        bytes: usize,
        file: &SharedFile,
    ) -> Result<(), BackingError> {
        // The file has at least `bytes` bytes (`SharedFile::new`).
        match &file.fd {
            Some(fd) => self.replace("share", range, address, bytes, Pages::Shared(fd)),
            None => {
                self.count("share", bytes)?;
                let at = range.check(address, bytes);
                // SAFETY: invariant B2; the caller gives up what lay there.
                answer(unsafe { system::map_again(file.start(), at, bytes) }, "share", bytes)
            }
        }
    }

    /// A file for `bytes` of frozen memory, all zero.
    pub fn freeze_file(&mut self, bytes: u64) -> Result<FrozenFile, BackingError> {
        self.count("freeze", bytes as usize)?;
        FrozenFile::new(bytes)
    }

    /// Copies a readable range to `file`, from `file_offset` on. Pages of zeroes stay holes.
    pub fn freeze(
        &mut self,
        range: &Reservation,
        address: usize,
        bytes: usize,
        file: &FrozenFile,
        file_offset: u64,
    ) -> Result<(), BackingError> {
        self.count("freeze", bytes)?;
        let at = range.check(address, bytes);
        // SAFETY: invariants B2 and M3: the range is committed, and nobody writes while the heap is borrowed.
        let contents = unsafe { std::slice::from_raw_parts(at as *const u8, bytes) };
        file.write(contents, file_offset)
    }

    /// Puts copy-on-write pages of `file` in the place of a range. What was there is gone.
    pub fn map(
        &mut self,
        range: &Reservation,
        address: usize,
        bytes: usize,
        file: &FrozenFile,
        file_offset: u64,
    ) -> Result<(), BackingError> {
        // The file has these bytes, and it never shrinks (F1).
        assert!(file_offset + bytes as u64 <= file.bytes, "pages beyond the end of the file");
        self.replace("map", range, address, bytes, Pages::Copied(&file.fd, file.start + file_offset))
    }

    /// Forgets what was written to pages of a file: they hold again what the file holds.
    pub fn restore(&mut self, range: &Reservation, address: usize, bytes: usize) -> Result<(), BackingError> {
        self.count("restore", bytes)?;
        let at = range.check(address, bytes);
        // SAFETY: invariant B2; what was written there is given up by the caller.
        answer(unsafe { system::discard(at, bytes) }, "restore", bytes)
    }

    /// Puts zero pages of no file in the place of a range that is readable and writable, and stays so.
    pub fn renew(&mut self, range: &Reservation, address: usize, bytes: usize) -> Result<(), BackingError> {
        self.replace("renew", range, address, bytes, Pages::Fresh)
    }

    /// Puts other pages in the place of a range. What lay there is given up.
    fn replace(
        &mut self,
        operation: &'static str,
        range: &Reservation,
        address: usize,
        bytes: usize,
        pages: Pages<'_>,
    ) -> Result<(), BackingError> {
        self.count(operation, bytes)?;
        let at = range.check(address, bytes);
        // SAFETY: invariant B2; the caller gives up what lay there, and says that the file has these bytes.
        answer(unsafe { system::replace(at, bytes, pages) }, operation, bytes)
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

    /// Whether a range lies in it.
    pub fn contains(&self, address: usize, bytes: usize) -> bool {
        let (offset, all) = (address.wrapping_sub(self.start), self.bytes());
        offset <= all && bytes <= all - offset
    }

    /// Its length in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    /// Gives the pages of a range back, whatever it may be used for; false if the system does not take them.
    pub fn discard(&self, address: usize, bytes: usize) -> bool {
        let at = self.check(address, bytes);
        // SAFETY: invariant B2; the caller gives up what lay there.
        bytes == 0 || unsafe { system::discard(at, bytes) }
    }

    /// Makes bytes zero.
    ///
    /// # Safety
    /// They are readable and writable, and nobody's: their heap is gone.
    pub unsafe fn clear(&self, address: usize, bytes: usize) {
        let at = self.check(address, bytes);
        // SAFETY: invariant B2, and the caller's promise.
        unsafe { std::ptr::write_bytes(at as *mut u8, 0, bytes) };
    }

    /// Puts address space without memory in the place of a range, whatever it may be used for or mapped from; false if
    /// the system refuses.
    pub fn forget(&self, address: usize, bytes: usize) -> bool {
        let at = self.check(address, bytes);
        // SAFETY: invariant B2; the caller gives up what lay there.
        bytes == 0 || unsafe { system::replace(at, bytes, Pages::Nothing) }
    }

    /// Asks the system not to use huge pages for a range.
    pub fn avoid_huge_pages(&self, address: usize, bytes: usize) {
        let at = self.check(address, bytes);
        // SAFETY: invariant B2; advice without effect on contents.
        unsafe { system::avoid_huge_pages(at, bytes) };
    }

    fn check(&self, address: usize, bytes: usize) -> usize {
        assert!(address.is_multiple_of(PAGE_BYTES) && bytes.is_multiple_of(PAGE_BYTES), "not whole pages");
        assert!(self.contains(address, bytes), "outside of the reservation");
        address
    }

    /// Maps `bytes` without access, at an address if that is not 0; none if the system refuses, or something is there.
    fn map(start: usize, bytes: usize) -> Option<Reservation> {
        let start = system::reserve(start, bytes)?;
        Some(Reservation { start, bytes: AtomicUsize::new(bytes) })
    }

    /// Leaves the range mapped, and returns its first address.
    fn into_start(self) -> usize {
        std::mem::ManuallyDrop::new(self).start
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // SAFETY: invariant B3: whoever reaches into the range is dropped with or before the reservation.
        unsafe { system::release(self.start, self.bytes()) };
    }
}

/// Memory without a name in the file system that several mappings share.
#[derive(Debug)]
pub struct SharedFile {
    /// None where the process may not make such large files: then there are only mappings of it.
    fd: Option<OwnedFd>,
    mapped: Reservation,
}

impl SharedFile {
    /// A sparse file of `bytes`, mapped writable here.
    pub fn new(bytes: usize) -> Result<SharedFile, BackingError> {
        SharedFile::with(system::create_file(c"heapwood-types", bytes as u64), bytes)
    }

    /// The same with this descriptor; without one it is memory, which no limit of the size of files concerns.
    fn with(fd: Option<OwnedFd>, bytes: usize) -> Result<SharedFile, BackingError> {
        let refused = BackingError { operation: "share", bytes: bytes as u64 };
        let start = system::map_written(fd.as_ref(), bytes).ok_or(refused)?;
        Ok(SharedFile { fd, mapped: Reservation { start, bytes: AtomicUsize::new(bytes) } })
    }

    /// Address of the writable mapping.
    pub fn start(&self) -> usize {
        self.mapped.start
    }

    /// Makes sure that `bytes` at `offset` have memory behind them.
    pub fn grow(&self, offset: usize, bytes: usize) -> Result<(), BackingError> {
        let is_done = match &self.fd {
            Some(fd) => system::allocate(fd, offset, bytes),
            None => {
                let first = offset / PAGE_BYTES * PAGE_BYTES;
                let whole = (offset + bytes).next_multiple_of(PAGE_BYTES) - first;
                let at = self.mapped.check(self.start() + first, whole);
                // SAFETY: invariant B2; the contents of pages that are there stay.
                unsafe { system::populate(at, whole) }
            }
        };
        answer(is_done, "share", bytes)
    }

    /// Tells whoever maps the file what was written at `offset`.
    #[inline]
    pub fn publish(&self, offset: usize, bytes: usize) {
        if let Some(fd) = &self.fd {
            system::publish(fd, self.mapped.start, offset, bytes);
        }
    }
}

/// Frozen memory, also that of an embedder: a file without a name, or a part of one that has a name. **F1** It is
/// written before anybody maps it, and never afterwards.
#[derive(Debug)]
pub struct FrozenFile {
    fd: OwnedFd,
    /// Offset in the file at which this memory begins: a multiple of a page.
    start: u64,
    bytes: u64,
}

impl AsFd for FrozenFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl FrozenFile {
    /// A file of so many bytes, all zero.
    ///
    /// # Errors
    /// The system refuses, or the process may not have such large files.
    pub fn new(bytes: u64) -> Result<FrozenFile, BackingError> {
        let refused = BackingError { operation: "freeze", bytes };
        let fd = system::create_file(c"heapwood-frozen", bytes).ok_or(refused)?;
        Ok(FrozenFile { fd, start: 0, bytes })
    }

    /// A part of a file, of whole pages.
    ///
    /// # Safety
    /// Nobody changes the file or makes it shorter as long as this, or what is mapped of it, lives (F1).
    ///
    /// # Panics
    /// If the part is not of whole pages.
    pub unsafe fn of_part(file: OwnedFd, start: u64, bytes: u64) -> FrozenFile {
        let page = PAGE_BYTES as u64;
        assert!(start.is_multiple_of(page) && bytes.is_multiple_of(page), "not whole pages");
        FrozenFile { fd: file, start, bytes }
    }

    /// Its size in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Where it begins in the file that [`AsFd`] gives.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Reads what lies at an offset.
    ///
    /// # Errors
    /// The system refuses.
    ///
    /// # Panics
    /// If the range reaches beyond the end.
    pub fn read(&self, mut buffer: &mut [u8], mut offset: u64) -> Result<(), BackingError> {
        assert!(offset + buffer.len() as u64 <= self.bytes, "beyond the end of the file");
        while !buffer.is_empty() {
            let read = system::read(&self.fd, buffer, self.start + offset);
            answer(read > 0, "read", buffer.len())?;
            buffer = &mut buffer[read as usize..];
            offset += read as u64;
        }
        Ok(())
    }

    /// Writes whole pages, but for those that are zero. Nobody maps the file yet.
    ///
    /// # Errors
    /// The system refuses.
    pub fn write(&self, contents: &[u8], offset: u64) -> Result<(), BackingError> {
        let is_zero = |page: &[u8]| page.iter().all(|byte| *byte == 0);
        let mut at = 0;
        while at < contents.len() {
            let pages = contents[at..].chunks(PAGE_BYTES);
            let zero = pages.clone().take_while(|page| is_zero(page)).count();
            let full = pages.skip(zero).take_while(|page| !is_zero(page)).count();
            let start = at + zero * PAGE_BYTES;
            let end = start + full * PAGE_BYTES;
            self.write_all(&contents[start.min(contents.len())..end.min(contents.len())], offset + start as u64)?;
            at = end;
        }
        Ok(())
    }

    fn write_all(&self, mut contents: &[u8], mut offset: u64) -> Result<(), BackingError> {
        while !contents.is_empty() {
            let written = system::write(&self.fd, contents, offset);
            answer(written > 0, "freeze", contents.len())?;
            contents = &contents[written as usize..];
            offset += written as u64;
        }
        Ok(())
    }
}

/// The limit of this process's address space (RLIMIT_AS, `ulimit -v`), and how much of it is in use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AddressSpace {
    /// The limit in bytes.
    pub limit_bytes: u64,
    /// What is mapped now, in bytes.
    pub used_bytes: u64,
}

impl AddressSpace {
    /// What can be mapped still, in bytes.
    pub fn free_bytes(&self) -> u64 {
        self.limit_bytes.saturating_sub(self.used_bytes)
    }
}

/// The limit of this process's address space; none if there is no limit that matters (below 2^46 bytes).
pub fn address_space() -> Option<AddressSpace> {
    let limit_bytes = system::address_space_limit();
    if limit_bytes >= 1 << 46 {
        return None;
    }
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|text| text.split(' ').next().and_then(|pages| pages.parse::<u64>().ok()));
    Some(AddressSpace { limit_bytes, used_bytes: pages.unwrap_or(0).saturating_mul(PAGE_BYTES as u64) })
}

/// Bytes of physical memory; 1 GiB if the system does not say.
pub fn physical_bytes() -> u64 {
    let bytes = system::physical_bytes();
    if bytes == 0 { 1 << 30 } else { bytes }
}

/// CPU time of this thread in nanoseconds.
#[inline]
pub fn thread_cpu_ns() -> u64 {
    system::thread_cpu_ns()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both ways to share memory: what is written to it is read in each mapping, and nowhere else.
    #[test]
    #[cfg_attr(miri, ignore = "the interpreter shares no memory")]
    fn shared_memory_is_the_same_in_all_mappings_with_and_without_a_descriptor() {
        const BYTES: usize = 64 << 10;
        for file in [SharedFile::new(BYTES), SharedFile::with(None, BYTES)].map(Result::unwrap) {
            let mut backing = Backing::default();
            let range = backing.reserve(4 * BYTES, 0, PAGE_BYTES).unwrap();
            let at = [range.start(), range.start() + 2 * BYTES];
            backing.share(&range, at[0], BYTES, &file).unwrap();
            file.grow(PAGE_BYTES + 8, 16).unwrap();
            // SAFETY: both lie in mappings that live as long as `file` and `range`.
            unsafe { *((file.start() + PAGE_BYTES + 8) as *mut u8) = 7 };
            backing.share(&range, at[1], BYTES / 2, &file).unwrap();
            // SAFETY: as above.
            assert_eq!(at.map(|at| unsafe { *((at + PAGE_BYTES + 8) as *const u8) }), [7, 7]);
            let access = |at: usize| {
                let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
                let line = maps.lines().find(|line| line.starts_with(&format!("{at:x}-"))).map(str::to_owned);
                line.unwrap_or_else(|| panic!("no mapping begins at {at:x}\n{maps}"))
            };
            for at in at {
                assert!(access(at).contains(" r--s "), "{}", access(at));
            }
        }
    }

    /// What is mapped first is not aligned so, twice in a row, and what is mapped around the aligned part does not stay.
    #[test]
    #[cfg_attr(miri, ignore = "the interpreter has no such address space")]
    fn reservations_are_aligned_and_leave_nothing_around_them() {
        const ALIGN: usize = 64 << 30;
        let mut backing = Backing::default();
        // Together they would be more than the address space of a process.
        for turn in 0..4096 {
            let anchor = turn % 3 * PAGE_BYTES;
            let range = backing.reserve(2 * PAGE_BYTES, anchor, ALIGN).unwrap();
            assert_eq!(((range.start() + anchor) % ALIGN, range.bytes()), (0, 2 * PAGE_BYTES));
            backing.commit(&range, range.start(), range.bytes()).unwrap();
        }
    }
}
