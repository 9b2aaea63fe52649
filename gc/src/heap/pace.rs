//! The work that is due between collections, done in bounded steps: slices of markings, sweeping, evacuation of sparse
//! blocks.

use super::Heap;
use super::marking::Budget;
use crate::checks::verifier::When;
use crate::embedder::roots::RootProvider;
use crate::major::sweeper::Sweeper;
use crate::telemetry::event::{GcCause, GcEventKind};
use crate::telemetry::work::Done;

/// Nanoseconds after which a slice of marking ends.
const SLICE_NS: u64 = 120_000;

impl Heap {
    /// Does a bounded step of the marking or sweeping that is under way: for polls and idle times. Objects do not move.
    /// Returns whether there is more to do.
    pub fn step(&mut self, roots: &mut dyn RootProvider) -> bool {
        if self.is_collected() {
            self.pace(roots);
            self.telemetry.resume_panic();
        }
        let swept = self.is_swept() || self.is_evacuation_waiting();
        self.is_marking() || !swept || self.sweeping.is_trimming() || self.evacuation.wants_tables()
    }

    /// Finishes a sweep that is under way, and gives all memory back to the system in which no object lies and which
    /// the nursery does not need. Does not collect and moves nothing, but is not bounded: it may take some
    /// milliseconds, so it is meant for idle times. Dead host values that the sweep finds are queued
    /// ([`Heap::pop_dead_host_value`]).
    pub fn return_memory(&mut self) {
        self.sweeper().all();
        self.sweeping.end_trim();
        self.spaces.trim(self.spaces.reserved_blocks(), u32::MAX);
    }

    /// Does a bounded step of the marking or sweeping that is due. Called at each grant of eden, and when an old object
    /// was allocated.
    pub(super) fn pace(&mut self, roots: &mut dyn RootProvider) {
        if self.marking.is_on() {
            if self.pacing.is_far_behind(self.spaces.old().allocated_bytes()) {
                self.wait_for_standing_helper();
            }
            let budget = self.slice_budget();
            self.mark_slice(budget, GcCause::Pace, roots);
        } else {
            if self.is_evacuation_due() {
                self.prepare_evacuation();
            }
            if !self.is_evacuation_waiting() {
                self.sweep_slice();
            }
        }
    }

    fn slice_budget(&mut self) -> Budget {
        if let Some(fields) = self.config.mark_slice {
            return Budget::new(fields.get(), u64::MAX);
        }
        let fields = self.marking.slice_fields(&self.pacing, self.spaces.old().allocated_bytes());
        #[cfg(feature = "test-hooks")]
        if self.hooks.endless_slices {
            return Budget::new(fields, u64::MAX);
        }
        Budget::new(fields, SLICE_NS)
    }

    /// Waits, since the marking is far behind, for a helper that stands still. The wait is told as a stall.
    fn wait_for_standing_helper(&mut self) {
        let telemetry = &self.telemetry;
        if self.marking.is_helper_standing(|| telemetry.clock(false).wall_ns) {
            let pause = self.pause();
            self.marking.give_up_helpers();
            self.telemetry.count_stall();
            self.tell(GcEventKind::Stall, GcCause::Pace, pause, Done::default());
        }
    }
}

/// Sweeping.
impl Heap {
    /// Whether everything is swept, and no chosen block waits to be.
    pub(super) fn is_swept(&self) -> bool {
        self.sweeping.is_done() && self.evacuation.is_swept()
    }

    /// The mutator's sweep.
    pub(super) fn sweeper(&mut self) -> Sweeper<'_> {
        Sweeper::new(
            &mut self.sweeping,
            &mut self.spaces,
            &mut self.weak,
            &mut self.marking,
            &mut self.evacuation,
            &mut self.pacing,
            &mut self.telemetry,
        )
    }

    /// Sweeps all that is left, in a pause of its own.
    pub(super) fn finish_sweep(&mut self, cause: GcCause) {
        if !self.is_swept() {
            let pause = self.pause();
            let done = Done { swept: self.sweeper().all(), ..Done::default() };
            self.tell(GcEventKind::Slice, cause, pause, done);
        }
    }

    /// A step of sweeping, or of giving memory back.
    fn sweep_slice(&mut self) {
        let Some(plan) = self.sweeper().plan() else { return };
        let pause = self.pause();
        let done = Done { swept: self.sweeper().slice(plan, &pause), ..Done::default() };
        self.tell(GcEventKind::Slice, GcCause::Pace, pause, done);
    }
}

/// Evacuation of sparse blocks.
impl Heap {
    /// Whether the next minor should promote everything, since a group can be evacuated after it.
    pub(super) fn is_evacuation_due(&self) -> bool {
        // The sweep looks at cells before it comes to blocks; until then cells may name dead objects.
        self.evacuation.is_moving() && self.sweeping.is_at_blocks()
    }

    /// Whether groups wait for minors, and nothing else is to be done.
    fn is_evacuation_waiting(&self) -> bool {
        self.evacuation.is_moving() && self.sweeping.is_done()
    }

    /// Makes blocks ready for the next pause while groups wait. Calls the evacuation off if there are none, or if the
    /// next marking should start; that may wait for some of the groups, since what they gain makes room.
    fn prepare_evacuation(&mut self) {
        let is_late = self.evacuation.is_too_late(&self.spaces, self.pacing.room_bytes());
        let blocks = self.evacuation.blocks_needed(&self.spaces);
        if is_late || self.spaces.make_ready(blocks).is_err() {
            self.call_off_evacuation();
        }
    }

    /// Calls the evacuation off: blocks that are chosen are not evacuated.
    pub(super) fn call_off_evacuation(&mut self) {
        if self.evacuation.is_chosen() {
            self.evacuation.call_off(self.spaces.memory(), self.marking.incoming_mut());
            self.telemetry.count_called_off();
        }
    }

    /// Evacuates the next groups, after a minor that promoted everything. Only objects move that no root references.
    pub(super) fn evacuate(&mut self, cause: GcCause, roots: &mut dyn RootProvider) {
        let ready = self.spaces.old().blocks().ready_count();
        if !self.is_evacuation_due() || ready < self.evacuation.blocks_needed(&self.spaces) {
            return;
        }
        self.verify(When::BeforeEvacuation, roots);
        let pause = self.pause();
        let allocated_bytes = self.spaces.old().allocated_bytes();
        let marker = self.marking.incoming_mut();
        let evacuated = self.evacuation.evacuate_groups(&mut self.spaces, marker);
        // What is gained may be filled before the next marking.
        self.spaces.old_mut().set_allocated(allocated_bytes.saturating_sub(evacuated.gained_bytes()));
        self.evacuation.end_if_evacuated(marker);
        self.telemetry.count_evacuation(&evacuated);
        self.tell(GcEventKind::Evacuate, cause, pause, Done { evacuated, ..Done::default() });
        self.verify(When::AfterMinor, roots);
    }
}
