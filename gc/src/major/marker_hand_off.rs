//! The hand-off of the marker to a helper thread, and of what the mutator shades while a helper has it.

use super::marker::Marker;
use super::marker::grey::ELEMENTS_AT_ONCE;
use crate::helper::hand_off::{Portion, Work};
use crate::helper::shared_work::SharedWork;
use crate::raw::cage::Cage;
use crate::raw::side::SideVec;
use crate::spaces::Spaces;
#[cfg(feature = "test-hooks")]
use std::sync::atomic::{AtomicU64, Ordering};

/// Fields that a helper marks between two looks at the inbox: some 50 us.
const HELPER_PORTION_FIELDS: u64 = 20_000;
/// A helper with room for less asks the mutator for more.
const HELPER_PORTION_FIELDS_MIN: u64 = 1_000;
/// Shaded references that are taken over while the lock is held, and that are delivered in a slice.
const TAKEN_AT_ONCE: usize = 4_096;
const DELIVERED_AT_ONCE: usize = 16_384;
/// Shaded objects that may wait for a helper.
const INBOX_MAX: usize = 16 << 20;

/// Milliseconds for which a helper is put aside, as if by the system, before each portion of a marking.
#[cfg(feature = "test-hooks")]
pub static HELPER_DELAY_MS: AtomicU64 = AtomicU64::new(0);

/// The marker, held by the mutator or handed off; shaded references are delivered to it.
pub type SharedMarker = SharedWork<Marker, SideVec<u32>>;

impl Work<SideVec<u32>> for Marker {
    fn take_in(&mut self, inbox: &mut SideVec<u32>) -> bool {
        self.take_shaded(inbox, TAKEN_AT_ONCE) > 0
    }

    fn portion(&mut self) -> Portion {
        #[cfg(feature = "test-hooks")]
        std::thread::sleep(std::time::Duration::from_millis(HELPER_DELAY_MS.load(Ordering::Relaxed)));
        // A field pushes an object at most; what is scanned at once may pass the budget.
        let room = self.room().saturating_sub(ELEMENTS_AT_ONCE as usize) as u64;
        if room < HELPER_PORTION_FIELDS_MIN {
            return Portion::Stuck;
        }
        if self.step(HELPER_PORTION_FIELDS.min(room)) { Portion::Empty } else { Portion::More }
    }

    fn progress(&self) -> u64 {
        self.work().fields
    }
}

/// An empty inbox. Costs address space only.
pub fn inbox(cage: &mut Cage) -> SideVec<u32> {
    SideVec::new(cage, INBOX_MAX)
}

impl SharedMarker {
    /// Hands the marker off to a helper, if there are any, with room for a portion.
    pub fn hand_off_marker(&mut self, spaces: &mut Spaces) {
        self.hand_off(|marker| marker.make_room(spaces, HELPER_PORTION_FIELDS as usize));
    }

    /// Moves some shaded references to the inbox of the marker that a helper has. They stay where they are if that
    /// would have to wait, or if the inbox cannot grow. Returns how many were moved.
    pub fn deliver(&mut self, cage: &mut Cage, shaded: &mut SideVec<u32>) -> u64 {
        let count = shaded.len().min(DELIVERED_AT_ONCE);
        let delivered = self.with_inbox(|inbox, _| {
            if count == 0 || inbox.grow(cage, inbox.len() + count).is_err() {
                return 0;
            }
            for reference in (0..count).map_while(|_| shaded.pop()) {
                let pushed = inbox.push(reference);
                debug_assert!(pushed, "room was made");
            }
            count as u64
        });
        delivered.unwrap_or(0)
    }

    /// Takes over up to `count` of what is left in the inbox, if the mutator holds the marker. Returns how many
    /// references that were.
    pub fn empty_inbox(&mut self, count: usize) -> u64 {
        self.with_inbox(|inbox, marker| marker.map_or(0, |marker| marker.take_shaded(inbox, count) as u64)).unwrap_or(0)
    }

    /// Whether nothing is left in the inbox. False if that cannot be told without waiting.
    pub fn is_inbox_empty(&mut self) -> bool {
        self.with_inbox(|inbox, _| inbox.is_empty()).unwrap_or(false)
    }
}
