//! Fuel in portions, and when a guest lets others run.
//!
//! 1. The hot word holds a portion of the store's fuel, the rest waits here. When a portion is used up the guest comes
//!    to the runtime, which takes another one, or ends the guest if there is none.
//! 2. A guest that may be suspended lets others run between two portions, and when it has run for a while: at a poll
//!    after the time that is written down in the `InterruptCell`. A guest that may not be suspended goes on.

use super::hot::Hot;
#[cfg(feature = "async")]
use super::interrupt::InterruptCell;
use super::state::state;
#[cfg(feature = "async")]
use super::timer::{Alarm, Timer};
#[cfg(feature = "async")]
use crate::errors::Result;
use heapwood_gc_abi::hot::FUEL;
#[cfg(feature = "async")]
use std::sync::Arc;
#[cfg(feature = "async")]
use std::time::{Duration, Instant};

/// The fuel of a store in portions, and when its guest lets others run.
#[derive(Debug, Default)]
pub(crate) struct Yields {
    /// Fuel that is not in the hot word.
    rest: u64,
    /// Most fuel that is there at a time.
    portion: Option<u64>,
    /// The host has set the fuel.
    was_given: bool,
    /// How long a guest runs at a time.
    #[cfg(feature = "async")]
    span: Option<Duration>,
    /// Comes when the guest has run for so long.
    #[cfg(feature = "async")]
    alarm: Option<Alarm>,
}

state! {
    Yields {
        rest: Shared,
        portion: Shared,
        was_given: Shared,
        #[cfg(feature = "async")]
        span: Shared,
        // The innermost guest's that may be suspended.
        #[cfg(feature = "async")]
        alarm: Shared,
    }
}

impl Yields {
    /// The fuel that is left: below zero if more was used than there was.
    fn balance(&self, hot: Hot) -> i64 {
        hot.get(FUEL).cast_signed().saturating_add_unsigned(self.rest)
    }

    /// The fuel that is left.
    pub fn fuel(&self, hot: Hot) -> u64 {
        self.balance(hot).max(0).cast_unsigned()
    }

    /// Sets it for the host.
    pub fn give_fuel(&mut self, hot: Hot, fuel: u64) {
        self.was_given = true;
        self.set_fuel(hot, fuel);
    }

    /// Whether the host has ever set it.
    pub fn was_given(&self) -> bool {
        self.was_given
    }

    /// Sets it; code compares it as a signed number.
    fn set_fuel(&mut self, hot: Hot, fuel: u64) {
        let fuel = fuel.min(i64::MAX.cast_unsigned());
        let portion = self.portion.map_or(fuel, |portion| fuel.min(portion));
        self.rest = fuel - portion;
        hot.set(FUEL, portion);
    }

    /// A portion is used up: takes another one, if there is one.
    pub fn refuel(&mut self, hot: Hot) -> bool {
        let left = self.balance(hot);
        if left >= 0 {
            self.set_fuel(hot, left.cast_unsigned());
        } else {
            self.rest = 0;
            hot.set(FUEL, left.cast_unsigned());
        }
        left >= 0
    }

    /// Sets how much fuel a guest uses at a time.
    #[cfg(feature = "async")]
    pub fn set_portion(&mut self, hot: Hot, portion: Option<u64>) {
        let left = self.balance(hot);
        self.portion = portion;
        if left >= 0 {
            self.set_fuel(hot, left.cast_unsigned());
        }
    }

    /// Sets how long a guest runs at a time.
    #[cfg(feature = "async")]
    pub fn set_span(&mut self, span: Option<Duration>) {
        self.span = span;
    }

    /// A guest that may be suspended begins to run, or goes on.
    ///
    /// # Errors
    /// The system refuses the timer's thread.
    #[cfg(feature = "async")]
    pub fn begin(&mut self, cell: &Arc<InterruptCell>, timer: &Timer) -> Result<()> {
        let Some(at) = self.span.and_then(|span| Instant::now().checked_add(span)) else { return Ok(()) };
        cell.set_yield_at(Some(at));
        self.alarm = Some(timer.alarm(at, cell)?);
        Ok(())
    }

    /// No guest that may be suspended runs any more.
    #[cfg(feature = "async")]
    pub fn end(&mut self, cell: &InterruptCell) {
        if self.alarm.take().is_some() {
            cell.set_yield_at(None);
        }
    }
}
