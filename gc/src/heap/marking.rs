//! The marking cycle, as far as it crosses parts: its start, its slices and its end.

use super::Heap;
use crate::checks::verifier::When;
use crate::embedder::roots::RootProvider;
use crate::frozen::WithFrozen;
use crate::raw::object::is_old;
#[cfg(feature = "test-hooks")]
use crate::spaces::blocks::block_of;
use crate::telemetry::event::{GcCause, GcEventKind};
use crate::telemetry::work::{Done, MarkWork};
use heapwood_gc_abi::RawRef;
use heapwood_gc_abi::hot::LOG_LENGTH;

/// How much one slice may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Budget {
    fields: u64,
    /// Nanoseconds; a slice looks at the clock now and then.
    ns: u64,
}

impl Budget {
    /// No bound.
    pub const ALL: Budget = Budget { fields: u64::MAX, ns: u64::MAX };

    /// About so many fields, and about so many nanoseconds.
    pub fn new(fields: u64, ns: u64) -> Budget {
        Budget { fields, ns }
    }
}

impl Heap {
    /// Whether a marking is under way: references that are overwritten or dropped must be shaded.
    #[inline]
    pub fn is_marking(&self) -> bool {
        self.marking.is_on()
    }

    /// Shades a reference that a root is about to lose, because it is overwritten or dropped, or that was read from a
    /// weak cell or an ephemeron. No effect unless a marking is under way. Never collects.
    #[inline]
    pub fn shade(&mut self, reference: RawRef) {
        if self.marking.is_on() && is_old(reference) {
            self.shade_old(reference);
        }
    }

    fn shade_old(&mut self, reference: RawRef) {
        #[cfg(feature = "test-hooks")]
        if self.hooks.skip_snapshots {
            return;
        }
        #[cfg(feature = "test-hooks")]
        if self.hooks.shade_marked && !self.spaces.memory().block(block_of(reference)).is_frozen() {
            return self.marking.shade_marked(&mut self.spaces, reference);
        }
        self.marking.shade_old(&mut self.spaces, reference);
    }

    /// Starts a marking, after promoting everything, unless one is under way; its slices follow at allocations and
    /// [`Heap::step`]. Objects may move.
    pub fn start_major(&mut self, roots: &mut dyn RootProvider) {
        if self.is_collected() && !self.is_marking() && self.prepare().is_ok() {
            self.finish_sweep(GcCause::Requested);
            self.minor(GcCause::Requested, true, roots);
            if !self.is_marking() {
                self.start_marking(GcCause::Requested, roots);
            }
            self.telemetry.resume_panic();
        }
    }

    /// Whether a marking should start with the next minor.
    pub(super) fn is_marking_due(&self) -> bool {
        !self.marking.is_on()
            && self.is_swept()
            && (self.config.mark_slice.is_some() || self.pacing.is_marking_due(self.spaces.old().allocated_bytes()))
    }

    /// Whether the room in which the marking was to end is used up.
    pub(super) fn is_marking_late(&self) -> bool {
        self.marking.is_on() && self.pacing.is_late(self.spaces.old().allocated_bytes())
    }

    /// Starts a marking. The nursery is empty and everything is swept.
    pub(super) fn start_marking(&mut self, cause: GcCause, roots: &mut dyn RootProvider) {
        debug_assert_eq!(self.spaces.memory().hot(LOG_LENGTH), 0, "a minor has just been");
        debug_assert!(self.remembered.log().is_empty() && self.spaces.nursery().survivors().is_empty());
        debug_assert!(self.is_swept());
        let pause = self.pause();
        self.close_barrier();
        self.choose_sparse_blocks();
        self.begin_epoch();
        self.pacing.marking_started(self.spaces.old().allocated_bytes());
        let mut roots = WithFrozen::new(&mut self.frozen, self.spaces.memory(), roots);
        let work = self.marking.begin(&mut self.spaces, &mut roots);
        let done = Done { roots: work.slots, frames: work.frames, ..Done::default() };
        self.tell(GcEventKind::MarkStart, cause, pause, done);
    }

    fn choose_sparse_blocks(&mut self) {
        let (marker, reserved_bytes) = (self.marking.incoming_mut(), self.weak.waiting_reserve(0));
        if let Some(entries_max) = self.evacuation.choose(&mut self.spaces, marker, reserved_bytes) {
            self.telemetry.count_choice(entries_max);
        }
        #[cfg(feature = "test-hooks")]
        if self.evacuation.is_recording() {
            marker.skip(self.hooks.skip_recording);
            self.evacuation.incoming_mut().skip(self.hooks.skip_recording);
        }
    }

    /// Marks for a while. Returns whether the marking has ended.
    pub(super) fn mark_slice(&mut self, budget: Budget, cause: GcCause, roots: &mut dyn RootProvider) -> bool {
        let pause = self.pause();
        if budget == Budget::ALL {
            self.marking.take_back();
        }
        let is_held = self.marking.try_take_back();
        let window = self.evacuation.window_of_roots();
        let mut all = WithFrozen::new(&mut self.frozen, self.spaces.memory(), roots);
        let done = if is_held {
            let telemetry = &self.telemetry;
            let is_late = || budget.ns != u64::MAX && pause.has_taken(budget.ns, telemetry.clock(false));
            self.marking.mark(&mut self.spaces, window, budget.fields, is_late, &mut all)
        } else {
            self.marking.feed_helper(&mut self.spaces, window, &mut all)
        };
        self.charge_side();
        let ended = is_held && self.marking.is_through();
        if is_held && !ended {
            self.marking.hand_off(&mut self.spaces);
        }
        let cpu_ns = self.tell(GcEventKind::Slice, cause, pause, done);
        self.marking.add_mark_ns(cpu_ns);
        if ended {
            self.end_marking(cause, roots);
        }
        ended
    }

    /// Marks to the end and sweeps while the mutator waits.
    pub(super) fn finish_marking(&mut self, cause: GcCause, roots: &mut dyn RootProvider) {
        self.call_off_evacuation();
        while self.marking.is_on() {
            self.mark_slice(Budget::ALL, cause, roots);
        }
        self.finish_sweep(cause);
    }

    /// Ends the marking; nothing is grey. O(1).
    fn end_marking(&mut self, cause: GcCause, roots: &mut dyn RootProvider) {
        self.verify(When::AfterMarking, roots);
        let pause = self.pause();
        let marked = self.marking.end(&self.spaces);
        self.telemetry.count_sliced_marking();
        self.count_marking(&marked.work, marked.since_start, marked.mark_ns);
        self.sweeping.begin(&self.spaces, &mut self.weak, self.pacing.room_bytes());
        self.evacuation.marking_ended();
        let done = Done { live_bytes: marked.work.live_bytes, ..Done::default() };
        self.tell(GcEventKind::MarkEnd, cause, pause, done);
    }

    /// Counts a marking that has ended: `mark` is what it did, `since_start` the bytes that were added to the old space
    /// while it ran, `mark_ns` its CPU time.
    pub(super) fn count_marking(&mut self, mark: &MarkWork, since_start: u64, mark_ns: u64) {
        let now = self.telemetry.clock(true);
        let filled = self.spaces.old().allocated_bytes();
        let live_bytes = mark.live_bytes + since_start;
        self.pacing.after_marking(now, mark, live_bytes, filled, mark_ns, self.spaces.usable_bytes());
        self.spaces.old_mut().set_allocated(0);
        self.charge_side();
        self.telemetry.count_marking(mark, live_bytes);
    }

    /// Begins a new epoch, in which nothing is marked yet. Everything is swept.
    pub(super) fn begin_epoch(&mut self) {
        self.marking.begin_epoch(&mut self.spaces, &mut self.weak);
    }
}
