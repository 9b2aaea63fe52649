//! Memory of a module's code and of the image that it may come from: `[head][code][slots][room]`, each of whole pages.
//! What is compiled again later goes into the room.
//!
//! 1. A [`Draft`] belongs to whoever fills it in: zeroes, a copy of an image, or an image's file that is mapped. What
//!    is written into a mapped file stays in this process. Behind an image is address space for the room.
//! 2. When it is finished, the head can only be read, and the code be read and executed; neither is ever writable
//!    again. The slots stay writable. Of the room nothing can be used before code is written to it, page by page, which
//!    is then like the rest.
//!
//! A file is mapped only where somebody promises what it holds and that it stays so (R13): the caller of an
//! `unsafe fn`, or [`OwnFile`], which is of this process's user and writable by nobody else.

use super::mapping::{Access, Mapping, PAGE_BYTES};
use crate::errors::Result;
use heapwood_gc::FrozenFile;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::AtomicU64;

/// The least address space behind an image for what is compiled again.
const BEHIND_BYTES_MIN: usize = 1 << 20;

/// Memory that is being filled in.
#[derive(Debug)]
pub(crate) struct Draft {
    mapping: Mapping,
    /// The bytes that were asked for, without the rest of the last page.
    bytes: usize,
    /// Bytes at the end of the mapping that cannot be used.
    behind: usize,
}

/// Memory that is finished.
#[derive(Debug)]
pub(crate) struct CodeMemory {
    mapping: Mapping,
    code: Range<usize>,
    /// The room for what comes later, as the code from the mapping's start; maybe empty.
    room: Range<usize>,
}

/// A file that nobody changes any more.
#[derive(Debug)]
pub(crate) struct SteadyFile(File);

/// A file that nobody but this process's user can have written.
#[derive(Debug)]
pub(crate) struct OwnFile(File);

impl Draft {
    /// Zeroes.
    ///
    /// # Errors
    /// The system refuses.
    pub fn zeroed(bytes: usize) -> Result<Draft> {
        Ok(Draft { mapping: Mapping::new(bytes, Access::ReadWrite)?, bytes, behind: 0 })
    }

    /// A copy of these bytes of an image.
    ///
    /// # Errors
    /// The system refuses.
    pub fn copy(bytes: &[u8]) -> Result<Draft> {
        let mut draft = Draft::in_front(bytes.len())?;
        draft.bytes_mut().copy_from_slice(bytes);
        Ok(draft)
    }

    /// Zeroes for an image, in front of address space for what is compiled again, if the system has that.
    fn in_front(bytes: usize) -> Result<Draft> {
        let (pages, behind) = (bytes.next_multiple_of(PAGE_BYTES), behind(bytes));
        let Ok(mapping) = Mapping::new(pages + behind, Access::None) else { return Draft::zeroed(bytes) };
        mapping.protect(0, pages, Access::ReadWrite)?;
        Ok(Draft { mapping, bytes, behind })
    }

    /// The contents of a file: mapped, or a copy where the system does not let code be mapped from there.
    ///
    /// # Safety
    /// Nobody changes the file as long as what is made of the draft lives (R13).
    ///
    /// # Errors
    /// The file cannot be read, or the system refuses.
    pub unsafe fn of_file(file: &File) -> Result<Draft> {
        let bytes = usize::try_from(file.metadata()?.len())?;
        if bytes == 0 {
            return Draft::zeroed(0);
        }
        for behind in [behind(bytes), 0] {
            // SAFETY: R13, promised by the caller.
            if let Ok(mapping) = unsafe { Mapping::of_file(file, bytes, behind) } {
                return Ok(Draft { mapping, bytes, behind });
            }
        }
        let mut draft = Draft::in_front(bytes)?;
        file.read_exact_at(draft.bytes_mut(), 0)?;
        Ok(draft)
    }

    /// The bytes of a file that others cannot change.
    ///
    /// # Errors
    /// The file cannot be read, or the system refuses.
    pub fn of_own_file(file: &OwnFile) -> Result<Draft> {
        // SAFETY: R13: nobody but this user can write to the file, and whoever puts files there replaces them as a
        // whole.
        unsafe { Draft::of_file(&file.0) }
    }

    /// First address.
    pub fn address(&self) -> usize {
        self.mapping.address()
    }

    /// All bytes.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: R1: a draft is readable, and whoever writes to it has it mutably.
        unsafe { self.mapping.slice(0, self.bytes) }
    }

    /// All bytes, for writing them.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: R1: a draft is writable, and nobody else has it.
        unsafe { self.mapping.slice_mut(0, self.bytes) }
    }

    /// Bytes behind all others, whole pages that cannot be used yet.
    pub fn behind(&self) -> usize {
        self.behind
    }

    /// Makes the first `bytes` of what is behind, whole pages, zeroes that can be written.
    ///
    /// # Errors
    /// The system refuses.
    pub fn extend(&mut self, bytes: usize) -> Result<()> {
        let start = self.mapping.bytes() - self.behind;
        self.mapping.protect(start, bytes, Access::ReadWrite)?;
        self.behind -= bytes;
        Ok(())
    }

    /// Ends the writing: `code`, of whole pages, becomes executable, and what lies before it only readable. The last
    /// `room` bytes, whole pages that nobody wrote to, cannot be used until code comes there.
    ///
    /// # Errors
    /// The system refuses.
    pub fn finish(self, code: Range<usize>, room: usize) -> Result<CodeMemory> {
        let mapping = self.mapping;
        if code.start > 0 {
            mapping.protect(0, code.start, Access::Read)?;
        }
        mapping.protect(code.start, code.len(), Access::Execute)?;
        let room = mapping.bytes() - room..mapping.bytes();
        if !room.is_empty() {
            mapping.protect(room.start, room.len(), Access::None)?;
        }
        Ok(CodeMemory { mapping, code, room })
    }
}

/// Address space behind an image of so many bytes for what is compiled again: twice as much, of which the image's code
/// is less than half. None if code could not reach all of it.
fn behind(bytes: usize) -> usize {
    let wanted = (2 * bytes).max(BEHIND_BYTES_MIN).next_multiple_of(PAGE_BYTES);
    let reaches = |all: usize| all <= i32::MAX as usize;
    bytes.checked_add(wanted).filter(|all| reaches(*all)).map_or(0, |_| wanted)
}

impl SteadyFile {
    /// A file of which the caller promises that nobody changes it.
    ///
    /// # Safety
    /// Nobody changes the file as long as this lives, or what is made of it (R13).
    pub unsafe fn new(file: File) -> SteadyFile {
        SteadyFile(file)
    }

    /// All bytes of the file.
    ///
    /// # Errors
    /// It cannot be read, or the system refuses.
    pub fn contents(&self) -> Result<Draft> {
        // SAFETY: R13, promised to `new`.
        unsafe { Draft::of_file(&self.0) }
    }

    /// Some pages of it, to be mapped.
    ///
    /// # Errors
    /// The system refuses.
    pub fn pages(&self, pages: Range<u64>) -> Result<FrozenFile> {
        let file = self.0.try_clone()?;
        // SAFETY: F1 of the heap is R13, promised to `new`.
        Ok(unsafe { FrozenFile::of_part(file.into(), pages.start, pages.end - pages.start) })
    }
}

impl CodeMemory {
    /// Address of the first byte of code.
    pub fn start(&self) -> usize {
        self.mapping.address() + self.code.start
    }

    /// Address behind the code.
    pub fn end(&self) -> usize {
        self.mapping.address() + self.code.end
    }

    /// A part of the code, by offsets from its start.
    pub fn code(&self, part: Range<usize>) -> &[u8] {
        assert!(part.end <= self.code.len(), "outside of the code");
        // SAFETY: R1: code pages stay readable and are not written.
        unsafe { self.mapping.slice(self.code.start + part.start, part.len()) }
    }

    /// Where the room for what comes later lies, from the first byte of code.
    pub fn room(&self) -> Range<usize> {
        self.room.start - self.code.start..self.room.end - self.code.start
    }

    /// Writes code to pages of the room, by their offset from the first byte of code, and makes them executable.
    ///
    /// # Safety
    /// Nothing leads there, and nobody else writes there (R17).
    ///
    /// # Errors
    /// The system refuses.
    pub unsafe fn fill(&self, offset: usize, code: &[u8]) -> Result<()> {
        let (room, at) = (self.room(), self.code.start + offset);
        assert!(room.start <= offset && code.len() <= room.end - offset.min(room.end), "outside of the room");
        let pages = code.len().next_multiple_of(PAGE_BYTES);
        self.mapping.protect(at, pages, Access::ReadWrite)?;
        // SAFETY: R17: the pages are writable, and nobody else reaches them, by the caller's promise.
        unsafe { self.mapping.start().add(at).copy_from_nonoverlapping(code.as_ptr(), code.len()) };
        self.mapping.protect(at, pages, Access::Execute)
    }

    /// The slot of a function, by its position: guests read it when they call the function.
    pub fn slot(&self, position: usize) -> &AtomicU64 {
        let at = self.code.end + position * size_of::<AtomicU64>();
        assert!(at + size_of::<AtomicU64>() <= self.room.start, "outside of the slots");
        // SAFETY: R17: slots are aligned and writable, and written as atomics only once the memory is finished.
        unsafe { &*self.mapping.start().add(at).cast::<AtomicU64>() }
    }

    /// A part of what lies before the code.
    pub fn head(&self, part: Range<usize>) -> &[u8] {
        assert!(part.end <= self.code.start, "outside of the head");
        // SAFETY: R1: the head stays readable and is not written.
        unsafe { self.mapping.slice(part.start, part.len()) }
    }
}

impl OwnFile {
    /// Opens a file; none if another user owns it, if others may write to it, or if it is not a plain file itself.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(path: &Path) -> io::Result<Option<OwnFile>> {
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        let metadata = file.metadata()?;
        Ok((metadata.is_file() && is_own(&metadata)).then_some(OwnFile(file)))
    }
}

/// Whether a directory is this user's, and nobody else can change what is in it.
pub(crate) fn is_own_directory(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.is_dir() && is_own(&metadata))
}

fn is_own(metadata: &Metadata) -> bool {
    /// Writable by the group, and by all.
    const OTHERS_WRITE: u32 = 0o022;
    // SAFETY: R10.
    let user = unsafe { libc::geteuid() };
    metadata.uid() == user && metadata.mode() & OTHERS_WRITE == 0
}
