//! What images of modules and saved checkpoints begin with alike.
//!
//! ```text
//! 0    magic, 8 bytes
//! 8    version of Heapwood, 24 bytes of text filled up with zeroes
//! 32   u64 checksum of all that follows, up to the pages
//! ```
//! What is checked first is what other versions have at the same places.

use super::sum::checksum;
use std::ops::Range;

/// The version whose files are taken.
const VERSION: &str = env!("CARGO_PKG_VERSION");
const VERSION_AT: Range<usize> = 8..32;
const SUM_AT: usize = 32;
/// Where what is summed begins.
pub(crate) const SUMMED_FROM: usize = 40;

/// Fills in magic and version.
pub(crate) fn write_version(head: &mut [u8], magic: [u8; 8]) {
    head[..magic.len()].copy_from_slice(&magic);
    head[VERSION_AT][..VERSION.len()].copy_from_slice(VERSION.as_bytes());
}

/// Fills in the checksum of a head of which all else is there.
pub(crate) fn write_sum(head: &mut [u8]) {
    let sum = checksum(0, &head[SUMMED_FROM..]);
    put_long(head, SUM_AT, sum);
}

/// The checksum that a head has, and the one that it should have.
pub(crate) fn sums(head: &[u8]) -> (u64, u64) {
    (checksum(0, &head[SUMMED_FROM..]), long(head, SUM_AT))
}

/// Whether this version made it.
///
/// # Errors
/// Another one did, which is named.
pub(crate) fn check_version(head: &[u8]) -> Result<(), String> {
    let text = &head[VERSION_AT];
    let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
    let filled = text[end..].iter().all(|byte| *byte == 0);
    match &text[..end] == VERSION.as_bytes() && filled {
        true => Ok(()),
        false => Err(format!("Heapwood {} made it, and this is {VERSION}", text[..end].escape_ascii())),
    }
}

/// The number that lies at an offset.
pub(crate) fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// Writes a number at an offset.
pub(crate) fn put_long(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

const _: () = assert!(VERSION.len() <= VERSION_AT.end - VERSION_AT.start);
