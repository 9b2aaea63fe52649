//! The first bytes of an image, and where its parts lie.
//!
//! ```text
//! 0    magic, 8 bytes
//! 8    version of Heapwood, 24 bytes of text filled up with zeroes
//! 32   u64 checksum of all that follows, up to the code
//! 40   u64 checksum of the code
//! 48   u32 bytes of the terms, u32 bytes of the module, then u32 rows of each table
//! 96   u64 bytes before the code, u64 bytes of code
//! 112  terms, module, tables; zeroes to the end of the page
//! ...  code, whole pages
//! ...  room for the slots, whole pages
//! ```
//! The first three are written and checked by [`super::stamp`].

use super::rows::{ExceptionHeader, TableRow, TypeField};
use super::stamp::{self, long, put_long};
use super::sum::checksum;
use crate::rt::code::{PlacedFunction, slot_bytes};
use crate::rt::mapping::PAGE_BYTES;
use heapwood_jit::abi::{InlinedBody, SafePoint, TrapSite};
use heapwood_module::what_it_is;
use std::ops::Range;

/// What every image begins with; no text and no module does.
pub(super) const MAGIC: [u8; 8] = heapwood_module::IMAGE_MAGIC;
const CODE_SUM_AT: usize = stamp::SUMMED_FROM;
/// Where the lengths of parts are.
pub(super) const LENGTHS_AT: usize = 48;
const HEAD_AT: usize = 96;
const CODE_AT: usize = 104;
/// Bytes of the header.
pub(super) const HEADER_BYTES: usize = 112;

/// Parts between header and code, in this order.
#[derive(Clone, Copy)]
pub(super) enum Part {
    Terms,
    Module,
    /// Words of the module's types.
    Groups,
    /// Words of the rest of the decoded module.
    Form,
    Functions,
    SafePoints,
    Traps,
    Inlined,
    Types,
    Exceptions,
    TypeFields,
}

const PARTS: usize = 11;
/// Bytes of what each part counts.
const UNITS: [usize; PARTS] = [
    1,
    1,
    u32::BYTES,
    u32::BYTES,
    PlacedFunction::BYTES,
    SafePoint::BYTES,
    TrapSite::BYTES,
    InlinedBody::BYTES,
    u32::BYTES,
    ExceptionHeader::BYTES,
    TypeField::BYTES,
];

/// Where everything lies, all of it inside of the image.
#[derive(Clone, Debug)]
pub(super) struct Header {
    parts: [Range<usize>; PARTS],
    /// Whole pages, as what lies before it.
    pub code: Range<usize>,
    code_sum: u64,
}

impl Header {
    /// Reads the header of an image that is whole, and of this version.
    ///
    /// # Errors
    /// It is not; what is wrong, in words.
    pub fn read(bytes: &[u8]) -> Result<Header, String> {
        if !bytes.starts_with(&MAGIC) {
            return Err(not_an_image(bytes));
        }
        if bytes.len() < HEADER_BYTES {
            return Err(cut_off(bytes.len(), HEADER_BYTES as u64));
        }
        stamp::check_version(bytes)?;
        let (head, code) = (long(bytes, HEAD_AT), long(bytes, CODE_AT));
        let rows = u32_at(bytes, LENGTHS_AT + 4 * Part::Functions as usize);
        let whole = head.saturating_add(code).saturating_add(slot_bytes(rows as usize) as u64);
        if bytes.len() as u64 != whole && head <= bytes.len() as u64 {
            // Unless the lengths themselves are damaged.
            check_sum(bytes, head as usize)?;
        }
        if (bytes.len() as u64) < whole {
            return Err(cut_off(bytes.len(), whole));
        }
        if bytes.len() as u64 > whole {
            return Err(format!("it has {} bytes instead of {whole}", bytes.len()));
        }
        let (head, code) = (head as usize, code as usize);
        check_sum(bytes, head)?;
        let mut end = HEADER_BYTES;
        let parts = std::array::from_fn(|part| {
            let start = end;
            end = start + u32_at(bytes, LENGTHS_AT + 4 * part) as usize * UNITS[part];
            start..end
        });
        if end > head || !head.is_multiple_of(PAGE_BYTES) || !code.is_multiple_of(PAGE_BYTES) || code == 0 {
            return Err("it is damaged: its parts do not follow each other".to_owned());
        }
        Ok(Header { parts, code: head..head + code, code_sum: long(bytes, CODE_SUM_AT) })
    }

    /// Where a part lies.
    pub fn part(&self, part: Part) -> Range<usize> {
        self.parts[part as usize].clone()
    }

    /// Whether the code is what it was.
    ///
    /// # Errors
    /// It is not.
    pub fn check_code(&self, bytes: &[u8]) -> Result<(), String> {
        match checksum(0, &bytes[self.code.clone()]) == self.code_sum {
            true => Ok(()),
            false => Err("its code is damaged: the checksum is another one".to_owned()),
        }
    }
}

/// Begins an image: room for the header.
pub(super) fn begin() -> Vec<u8> {
    vec![0; HEADER_BYTES]
}

/// Fills in the header of an image of which all but that is there. `lengths` are those of its parts, in what each of
/// them counts, and `code` its code, whole pages.
pub(super) fn finish(image: &mut [u8], lengths: [u32; PARTS], code: Range<usize>) {
    stamp::write_version(image, MAGIC);
    let code_sum = checksum(0, &image[code.clone()]);
    for (part, length) in lengths.into_iter().enumerate() {
        let at = LENGTHS_AT + 4 * part;
        image[at..at + 4].copy_from_slice(&length.to_le_bytes());
    }
    for (at, value) in [(CODE_SUM_AT, code_sum), (HEAD_AT, code.start as u64), (CODE_AT, code.len() as u64)] {
        put_long(image, at, value);
    }
    stamp::write_sum(&mut image[..code.start]);
}

/// Makes the checksum right that goes with what the header says, as far as that is possible.
#[cfg(test)]
pub(super) fn sum_again(image: &mut [u8]) {
    let head = (long(image, HEAD_AT) as usize).clamp(HEADER_BYTES, image.len());
    stamp::write_sum(&mut image[..head]);
}

fn check_sum(bytes: &[u8], head: usize) -> Result<(), String> {
    let (is, should) = stamp::sums(&bytes[..head.max(HEADER_BYTES)]);
    match is == should {
        true => Ok(()),
        false => Err(format!("it is damaged: the checksum of its tables is {is:#018x} instead of {should:#018x}")),
    }
}

fn not_an_image(bytes: &[u8]) -> String {
    match what_it_is(bytes) {
        None => "it is a module that has to be compiled".to_owned(),
        Some(what) => format!("it is none, but {what}"),
    }
}

fn cut_off(bytes: usize, whole: u64) -> String {
    format!("it is cut off: {bytes} bytes of {whole} are there")
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

const _: () = assert!(LENGTHS_AT + 4 * PARTS <= HEAD_AT);
