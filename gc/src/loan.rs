//! Where the marker is: with the mutator, or lent to a helper thread.

use crate::helper::{Help, Helpers};
use crate::lending::{Lending, Portion, Work};
use crate::mark::Marker;
use crate::raw::cage::Cage;
use crate::raw::side::SideVec;
use std::sync::Arc;

/// Fields that a helper marks between two looks at the inbox: some 50 us.
const PORTION_FIELDS: u64 = 20_000;
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
        let any = !inbox.is_empty();
        self.take_shaded(inbox, u64::MAX);
        any
    }

    fn portion(&mut self) -> Portion {
        if !self.grey.has_room() {
            return Portion::Stuck;
        }
        if self.step(PORTION_FIELDS) { Portion::Empty } else { Portion::More }
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
    pub fn lend(&mut self) {
        let Some(helpers) = &self.helpers else { return };
        if let Some(marker) = self.home.take() {
            self.lending.lend(marker);
            if !helpers.ask(self.lending.clone()) {
                self.helpers = None;
            }
        }
    }

    /// Moves shaded objects to the lent marker's inbox; they stay where they are if that would have to wait, or if
    /// the inbox cannot grow.
    pub fn deliver(&mut self, cage: &mut Cage, shaded: &mut SideVec<u32>) {
        self.lending.deliver(|inbox| {
            if inbox.grow(cage, inbox.len() + shaded.len()).is_ok() {
                while let Some(object) = shaded.pop() {
                    let pushed = inbox.push(object);
                    debug_assert!(pushed, "room was made");
                }
            }
        });
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

    /// CPU time of helpers for this heap.
    pub fn helper_cpu_ns(&self) -> u64 {
        self.lending.helper_cpu_ns()
    }
}
