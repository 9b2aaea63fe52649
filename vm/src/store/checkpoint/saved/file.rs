//! The file of a saved checkpoint: its header, and its pages.
//!
//! ```text
//! 0    magic, 8 bytes
//! 8    version of Heapwood, 24 bytes of text filled up with zeroes
//! 32   u64 checksum of all that follows, up to the pages
//! 40   u64 checksum of the pages
//! 48   u64 bytes before the pages, u64 bytes of the pages
//! 64   contents; zeroes to the end of the page
//! ...  pages: immortal space, blocks, memories
//! ```
//! The first three are written and checked by [`crate::module::stamp`]. Pages of zeroes are holes. A file is written
//! beside its place, under another name, and then renamed: whoever has the one before mapped keeps that.

use crate::module::checksum;
use crate::module::stamp::{self, long, put_long};
use crate::rt::mapping::PAGE_BYTES;
use heapwood_module::what_it_is;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

const MAGIC: [u8; 8] = heapwood_module::CHECKPOINT_MAGIC;
const PAGES_SUM_AT: usize = stamp::SUMMED_FROM;
const HEAD_AT: usize = 48;
const PAGES_AT: usize = 56;
const HEADER_BYTES: usize = 64;
/// Bytes of pages that are summed together.
const SUMMED_BYTES: usize = 1 << 20;

/// A file that is being written.
pub(super) struct FileDraft {
    file: File,
    path: PathBuf,
    /// The head, without what only the end tells.
    head: Vec<u8>,
    /// Where the next pages come.
    at: u64,
    pending: Vec<u8>,
    sum: u64,
}

impl FileDraft {
    /// Begins a file that is to have this place, with these contents before its pages.
    ///
    /// # Errors
    /// The system refuses.
    pub fn new(place: &Path, contents: &[u8]) -> io::Result<FileDraft> {
        /// Files of this process so far.
        static FILES: AtomicU64 = AtomicU64::new(0);
        let mut name = place.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}-{}.new", std::process::id(), FILES.fetch_add(1, Ordering::Relaxed)));
        let path = place.with_file_name(name);
        // What lies in a heap is nobody's business but the user's.
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let mut head = vec![0; HEADER_BYTES];
        head.extend_from_slice(contents);
        head.resize(head.len().next_multiple_of(PAGE_BYTES), 0);
        let at = head.len() as u64;
        Ok(FileDraft { file, path, head, at, pending: Vec::new(), sum: 0 })
    }

    /// Adds pages.
    ///
    /// # Errors
    /// The system refuses.
    pub fn push(&mut self, mut pages: &[u8]) -> io::Result<()> {
        while !pages.is_empty() {
            let (taken, rest) = pages.split_at(pages.len().min(SUMMED_BYTES - self.pending.len()));
            self.pending.extend_from_slice(taken);
            pages = rest;
            if self.pending.len() == SUMMED_BYTES {
                self.write_pending()?;
            }
        }
        Ok(())
    }

    fn write_pending(&mut self) -> io::Result<()> {
        self.sum = checksum(self.sum, &self.pending);
        let is_zero = |page: &&[u8]| page.iter().all(|byte| *byte == 0);
        for (number, page) in (0..).zip(self.pending.chunks(PAGE_BYTES)).filter(|(_, page)| !is_zero(page)) {
            self.file.write_all_at(page, self.at + number * PAGE_BYTES as u64)?;
        }
        self.at += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    /// Writes the head, and gives the file its place.
    ///
    /// # Errors
    /// The system refuses.
    pub fn finish(mut self, place: &Path) -> io::Result<()> {
        if !self.pending.is_empty() {
            self.write_pending()?;
        }
        let head = self.head.len();
        stamp::write_version(&mut self.head, MAGIC);
        for (at, value) in [(PAGES_SUM_AT, self.sum), (HEAD_AT, head as u64), (PAGES_AT, self.at - head as u64)] {
            put_long(&mut self.head, at, value);
        }
        stamp::write_sum(&mut self.head);
        self.file.set_len(self.at)?;
        self.file.write_all_at(&self.head, 0)?;
        fs::rename(&self.path, place)?;
        // Nothing is left to be removed.
        self.path = PathBuf::new();
        Ok(())
    }
}

impl Drop for FileDraft {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            // Nobody knows of it; if it stays, it stays.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Contents and pages of a file that is whole, of this version and not damaged.
///
/// # Errors
/// It is not; what is wrong, in words.
pub(super) fn parts(bytes: &[u8]) -> Result<(&[u8], Range<usize>), String> {
    if !bytes.starts_with(&MAGIC) {
        let what = what_it_is(bytes).unwrap_or_else(|| "a module".to_owned());
        return Err(format!("it is no saved checkpoint, but {what}"));
    }
    if bytes.len() < HEADER_BYTES {
        return Err(format!("it is cut off: {} bytes are there", bytes.len()));
    }
    stamp::check_version(bytes)?;
    let (head, pages) = (long(bytes, HEAD_AT), long(bytes, PAGES_AT));
    let whole = head.saturating_add(pages);
    let is_page = |bytes: u64| bytes.is_multiple_of(PAGE_BYTES as u64);
    if !is_page(head) || !is_page(pages) || head < HEADER_BYTES as u64 {
        return Err("it is damaged: its parts do not follow each other".into());
    }
    if bytes.len() as u64 != whole {
        return Err(format!("it is cut off or damaged: {} bytes of {whole} are there", bytes.len()));
    }
    let head = head as usize;
    let (is, should) = stamp::sums(&bytes[..head]);
    if is != should {
        return Err("it is damaged: the checksum of its tables is another one".into());
    }
    let sum = bytes[head..].chunks(SUMMED_BYTES).fold(0, checksum);
    if sum != long(bytes, PAGES_SUM_AT) {
        return Err("it is damaged: the checksum of its pages is another one".into());
    }
    Ok((&bytes[HEADER_BYTES..head], head..bytes.len()))
}

const _: () = assert!(SUMMED_BYTES.is_multiple_of(PAGE_BYTES));
