//! Which rows of a code's tables are those of a return address, for the addresses that walks met last: deep stacks and
//! exceptions meet the same few again and again, and a search in the tables of a large module costs more than all else
//! of a frame.
//!
//! What is kept is a guess. [`Part::site`] looks whether the rows are those of the address, and searches where
//! they are not: so nothing has to be forgotten when code goes, and no guess can mislead.

use super::parts::{Part, Site};
use std::sync::atomic::{AtomicU64, Ordering};

/// Return addresses of which something is kept: 1 KiB of a store.
const PLACES: usize = 128;

/// The rows of some return addresses. Each word is a whole site, so that whoever reads it beside a writer gets one of
/// the two.
#[derive(Debug)]
pub(super) struct Sites([AtomicU64; PLACES]);

impl Sites {
    /// Knows nothing.
    pub fn new() -> Sites {
        Sites([const { AtomicU64::new(0) }; PLACES])
    }

    /// The rows of the return address at `offset` of a code, which lies in this part.
    #[inline]
    pub fn site(&self, part: Part<'_>, offset: u32) -> Option<Site> {
        let place = &self.0[place_of(offset)];
        let guess = Site::from_word(place.load(Ordering::Relaxed));
        let site = part.site(offset, guess)?;
        if site != guess {
            place.store(site.to_word(), Ordering::Relaxed);
        }
        Some(site)
    }
}

/// Calls are five bytes and more apart, most of them dozens.
fn place_of(offset: u32) -> usize {
    (offset ^ offset >> 7) as usize % PLACES
}
