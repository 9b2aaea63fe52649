//! Emergencies: what is collected for an allocation that was refused memory, more with each attempt.
//!
//! 1. The marking under way is finished, or a major runs.
//! 2. Compactions follow, as long as they gain something.
//! 3. What is still refused then, or would leave next to nothing free, is `Exhausted`.
//!
//! Before all that, an embedder that wants to be asked is asked (`growth`).

use super::Heap;
use crate::embedder::errors::{Exhausted, Refused};
use crate::embedder::roots::RootProvider;
use crate::telemetry::event::{GcCause, GcEventKind};
use crate::telemetry::pause::Pause;
use crate::telemetry::work::Done;

/// A heap that has less than this part of its limit free after an emergency compaction is exhausted.
const FREE_PART_MIN: u64 = 64;
/// The most compactions in a row. A compaction needs free blocks to evacuate others into, so what one gains lets the
/// next one gain more.
const COMPACTIONS_MAX: u32 = 5;

impl Heap {
    /// Frees memory, more with each attempt; `refused` is why the last one failed.
    pub(super) fn emergency(
        &mut self,
        attempt: &mut u32,
        refused: Refused,
        requested_bytes: u64,
        roots: &mut dyn RootProvider,
    ) -> Result<(), Exhausted> {
        if self.is_growth_wanted(refused) {
            return Err(self.exhausted(requested_bytes, refused));
        }
        *attempt += 1;
        let (limit_bytes, used_before) = (self.spaces.charge().bound_bytes(), self.spaces.charge().used_bytes());
        match *attempt {
            1 if self.is_marking() => self.finish_marking(GcCause::Emergency, roots),
            1 => self.major(GcCause::Emergency, roots),
            2..=COMPACTIONS_MAX => self.compact(GcCause::Emergency, false, roots),
            _ => return Err(self.exhausted(requested_bytes, refused)),
        }
        self.stall();
        self.shrink_nursery();
        let gained = used_before.saturating_sub(self.spaces.charge().used_bytes());
        let is_futile = *attempt > 2 && gained < limit_bytes / FREE_PART_MIN;
        // With little left, going on would collect for every few objects. But holes are not counted before a
        // compaction, and one that gained something lets the next one gain more.
        let is_low = self.spaces.available_bytes() < limit_bytes / FREE_PART_MIN;
        if is_low && (*attempt == 1 || gained > 0 && *attempt < COMPACTIONS_MAX) {
            return self.emergency(attempt, refused, requested_bytes, roots);
        }
        if is_futile || is_low { Err(self.exhausted(requested_bytes, refused)) } else { Ok(()) }
    }

    /// Lowers the size of the nursery to its part of what is free now.
    fn shrink_nursery(&mut self) {
        let nursery = self.spaces.nursery();
        if self.config.nursery_bytes.is_none() && nursery.granted() == nursery.eden_start() {
            let young_bytes = self.sizing.young_bytes_within(self.spaces.available_bytes());
            self.spaces.set_young_bytes(young_bytes);
        }
        self.spaces.trim_nursery();
    }

    /// Sweeps the whole heap while the mutator waits, and gives what is free back, so that it can be used for anything.
    fn stall(&mut self) {
        let pause = self.pause();
        self.sweeper().all();
        // The nursery is not empty if what ran was the rest of a marking.
        self.spaces.trim(self.spaces.reserved_blocks(), u32::MAX);
        self.stalled(pause);
    }

    /// Tells that the mutator has waited for memory since `pause` began.
    pub(super) fn stalled(&mut self, pause: Pause) {
        self.telemetry.count_stall();
        self.tell(GcEventKind::Stall, GcCause::Emergency, pause, Done::default());
    }
}
