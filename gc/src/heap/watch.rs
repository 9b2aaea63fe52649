//! The numbers that the heap counts, the events that it tells for each pause, and samples of allocation.

use super::Heap;
use super::alloc::NULL_AREA_BYTES;
use crate::spaces::nursery::EDEN_START;
use crate::telemetry::event::{GcCause, GcEventKind, HelperTask};
use crate::telemetry::pause::{EndedPause, Pause};
use crate::telemetry::stats::HeapStats;
use crate::telemetry::work::Done;
use crate::telemetry::{GcListener, HelperListener};
use std::time::Instant;

impl Heap {
    /// Numbers since the heap was made. Bytes in eden are counted up to the last collection.
    pub fn stats(&self) -> HeapStats {
        let mut stats = self.telemetry.stats().clone();
        if !self.is_collected() {
            stats.eden_bytes += self.young_bytes();
        }
        let charge = self.spaces.charge();
        (stats.committed_bytes, stats.peak_bytes) = (charge.used_bytes(), charge.peak_bytes());
        stats.helper_cpu_ns = self.marking.helper_cpu_ns() + self.sweeping.helper_cpu_ns();
        stats
    }

    /// Minor collections since it was made, as in [`HeapStats::minors`].
    pub fn minors(&self) -> u64 {
        self.telemetry.stats().minors
    }

    /// Length of all pauses so far, in nanoseconds.
    pub fn pause_ns(&self) -> u64 {
        let stats = self.telemetry.stats();
        let pauses = [&stats.minor_pauses, &stats.major_pauses, &stats.slice_pauses, &stats.stall_pauses];
        pauses.into_iter().map(|pauses| pauses.total_ns()).sum()
    }

    /// A number that changes whenever objects may have moved or died.
    pub fn moves(&self) -> u64 {
        let stats = self.telemetry.stats();
        stats.minors + stats.majors + stats.markings + stats.compactions + stats.evacuations
    }

    /// When it was made: the zero of [`crate::GcEvent::t_us`].
    pub fn born(&self) -> Instant {
        self.telemetry.born()
    }

    /// Sets who receives the events. Without one, an event costs a branch.
    ///
    /// A listener is called in the middle of an operation. If it panics, it is removed, the operation goes on to its
    /// end, and then the panic goes on, in place of the operation's result: the heap is as if the listener had
    /// returned.
    pub fn set_listener(&mut self, listener: Option<GcListener>) {
        self.telemetry.set_listener(listener);
    }

    /// Sets who hears when helper threads worked for this heap: told at the next event, and when the heap is dropped.
    /// Without one, helpers record nothing.
    pub fn set_helper_listener(&mut self, listener: Option<HelperListener>) {
        self.tell_helpers();
        self.telemetry.resume_panic();
        self.watch_helpers(listener.is_some());
        self.telemetry.set_helper_listener(listener);
    }

    /// A pause begins.
    pub(super) fn pause(&self) -> Pause {
        self.telemetry.pause(self.spaces.usage())
    }

    /// Ends a pause: counts its length and tells the listener. Returns the CPU time that it took.
    pub(super) fn tell(&mut self, kind: GcEventKind, cause: GcCause, pause: Pause, done: Done) -> u64 {
        let ended = self.telemetry.end(kind, cause, pause, done);
        if self.telemetry.is_watched() {
            self.tell_listeners(&ended);
        }
        ended.cpu_ns()
    }

    #[cold]
    fn tell_listeners(&mut self, ended: &EndedPause) {
        self.telemetry.tell(&ended.event(self.spaces.usage()));
        self.tell_helpers();
    }

    /// Tells when helpers worked, as far as they have recorded it.
    pub(super) fn tell_helpers(&mut self) {
        let (marking, sweeping) = (&self.marking, &self.sweeping);
        let is_heard = self.telemetry.tell_helpers(|tell| {
            marking.take_spans(|span| tell(HelperTask::Mark, span));
            sweeping.take_spans(|span| tell(HelperTask::Sweep, span));
        });
        if !is_heard {
            self.watch_helpers(false);
        }
    }

    fn watch_helpers(&self, watch: bool) {
        self.marking.watch(watch);
        self.sweeping.watch(watch);
    }

    /// Throws points on the sequence of allocated bytes from now on, one for every `mean_bytes` on average; 0 ends it.
    pub fn sample_allocations(&mut self, mean_bytes: u64, seed: u64) {
        self.telemetry.sample_allocations(mean_bytes, seed, self.young_bytes());
        // The limit may lie behind the first point.
        self.spaces.set_limit(if self.is_collected() { EDEN_START } else { 0 });
    }

    /// How many sample points lie under the next `bytes`, which the caller is about to allocate. Call it once for each
    /// allocation that comes to the runtime, before it.
    pub fn take_samples(&mut self, bytes: u64) -> u64 {
        self.telemetry.take_samples(bytes, self.young_bytes())
    }

    /// How many sample points lay under objects that the host allocated.
    pub fn unclaimed_samples(&self) -> u64 {
        self.telemetry.unclaimed_samples()
    }

    /// Bytes that were allocated since those that the numbers count: in eden, or in the null collector's area.
    pub(super) fn young_bytes(&self) -> u64 {
        let granted = self.spaces.nursery().granted();
        let start = match self.is_collected() {
            true => self.spaces.nursery().eden_start(),
            false if granted <= self.spaces.nursery().eden_start() => return 0,
            false => granted - (NULL_AREA_BYTES / 4) as u32,
        };
        self.spaces.top().saturating_sub(start) as u64 * 4
    }

    /// What the limit word is set to for an allocation of `bytes` in eden up to `granted`.
    pub(super) fn limit_before_sample(&mut self, bytes: u32, granted: u32) -> u32 {
        let (young_bytes, top) = (self.young_bytes(), self.spaces.top());
        let Some(before) = self.telemetry.bytes_before_sample(bytes as u64, young_bytes) else { return granted };
        let room = (before / 8).min((granted - top) as u64 / 2) as u32 * 2;
        (top + room).max(top + bytes / 4).min(granted)
    }
}
