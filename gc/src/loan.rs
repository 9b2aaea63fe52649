//! Where the marker is: with the mutator, or lent to a helper thread.

use crate::helper::{Help, Helpers};
use crate::lending::{Lending, Portion, Work};
use crate::mark::{ELEMENTS_AT_ONCE, Marker};
use crate::raw::cage::Cage;
use crate::raw::side::SideVec;
use crate::spans::Span;
use std::sync::Arc;
#[cfg(feature = "test-hooks")]
use std::sync::atomic::Ordering;

/// Fields that a helper marks between two looks at the inbox: some 50 us.
const PORTION_FIELDS: u64 = 20_000;
/// A helper with room for less asks the mutator for more.
const PORTION_FIELDS_MIN: u64 = 1_000;
/// Shaded references that are taken over while the lock is held, and that are delivered in a slice.
const TAKEN_AT_ONCE: usize = 4_096;
const DELIVERED_AT_ONCE: usize = 16_384;
/// Shaded objects that may wait for a helper.
const INBOX_MAX: usize = 16 << 20;

type MarkLending = Lending<Marker, SideVec<u32>>;

/// The marker and its place of exchange.
#[derive(Debug)]
pub struct Loan {
    home: Option<Box<Marker>>,
    lending: Arc<MarkLending>,
    helpers: Option<Arc<Helpers>>,
}

impl Work<SideVec<u32>> for Marker {
    fn take_in(&mut self, inbox: &mut SideVec<u32>) -> bool {
        self.take_shaded(inbox, TAKEN_AT_ONCE) > 0
    }

    fn portion(&mut self) -> Portion {
        #[cfg(feature = "test-hooks")]
        std::thread::sleep(std::time::Duration::from_millis(crate::hooks::HELPER_DELAY_MS.load(Ordering::Relaxed)));
        // A field pushes an object at most; what is scanned at once may pass the budget.
        let room = self.grey.room().saturating_sub(ELEMENTS_AT_ONCE as usize) as u64;
        if room < PORTION_FIELDS_MIN {
            return Portion::Stuck;
        }
        if self.step(PORTION_FIELDS.min(room)) { Portion::Empty } else { Portion::More }
    }

    fn progress(&self) -> u64 {
        self.work.fields
    }
}

impl Help for MarkLending {
    fn help(&self, cpu_ns: fn() -> u64) {
        Lending::help(self, cpu_ns);
    }
}

impl Loan {
    /// The marker is at home.
    pub fn new(cage: &mut Cage, marker: Marker, helpers: Option<Arc<Helpers>>) -> Loan {
        let lending = Arc::new(Lending::new(SideVec::new(cage, INBOX_MAX)));
        Loan { home: Some(Box::new(marker)), lending, helpers }
    }

    /// The marker, at home; waits for the end of a helper's portion if need be.
    #[inline]
    pub fn marker(&mut self) -> &mut Marker {
        self.home.get_or_insert_with(|| self.lending.recall())
    }

    /// Whether the marker is at home, or could be taken back without waiting.
    pub fn is_home(&mut self) -> bool {
        if self.home.is_none() {
            self.home = self.lending.try_take();
        }
        self.home.is_some()
    }

    /// Whether there are helpers.
    pub fn has_helpers(&self) -> bool {
        self.helpers.is_some()
    }

    /// Lends the marker to a helper, if there are any.
    pub fn lend(&mut self, cage: &mut Cage, available_bytes: u64) {
        let Some(helpers) = &self.helpers else { return };
        if let Some(mut marker) = self.home.take() {
            marker.grey.make_room(cage, PORTION_FIELDS as usize, available_bytes);
            self.lending.lend(marker);
            if !helpers.ask(self.lending.clone()) {
                self.helpers = None;
            }
        }
    }

    /// Moves some shaded references to the lent marker's inbox; they stay where they are if that would have to wait, or
    /// if the inbox cannot grow. Returns how many were moved.
    pub fn deliver(&mut self, cage: &mut Cage, shaded: &mut SideVec<u32>) -> u64 {
        let count = shaded.len().min(DELIVERED_AT_ONCE);
        let delivered = self.lending.deliver(|inbox| {
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

    /// Takes over what is left in the inbox: the marker is at home. Returns how many references that were.
    pub fn empty_inbox(&mut self, count: usize) -> u64 {
        let Some(marker) = &mut self.home else { return 0 };
        self.lending.deliver(|inbox| marker.take_shaded(inbox, count) as u64).unwrap_or(0)
    }

    /// Whether nothing is left in the inbox. False if that cannot be told without waiting.
    pub fn is_inbox_empty(&self) -> bool {
        self.lending.deliver(|inbox| inbox.is_empty()).unwrap_or(false)
    }

    /// Asks a helper for the marker, without waiting for it.
    pub fn ask_back(&self) {
        self.lending.ask_back();
    }

    /// Fields marked so far, as far as that is known.
    pub fn progress(&self) -> u64 {
        match &self.home {
            Some(marker) => marker.progress(),
            None => self.lending.progress().unwrap_or(0),
        }
    }

    /// Whether helpers note when they work.
    pub fn watch(&self, watch: bool) {
        self.lending.watch(watch);
    }

    /// What helpers have noted; nothing if that would have to wait.
    pub fn take_spans(&self, each: impl FnMut(Span)) {
        self.lending.take_spans(each);
    }

    /// CPU time of helpers for this heap.
    pub fn helper_cpu_ns(&self) -> u64 {
        self.lending.helper_cpu_ns()
    }
}
