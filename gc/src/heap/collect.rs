//! The collections, from the outside in: verify, pause, work, count, tell.

use super::Heap;
use crate::checks::stress::StressKind;
use crate::checks::verifier::{Parts, Verifier, When};
use crate::embedder::roots::RootProvider;
use crate::frozen::WithFrozen;
use crate::major::compaction;
use crate::minor::Minor;
use crate::minor::log::LOG_ENTRIES_MAX;
use crate::telemetry::clock::Clock;
use crate::telemetry::event::{GcCause, GcEventKind};
use crate::telemetry::work::{Done, MarkWork, MinorWork};
use heapwood_gc_abi::hot::LOG_LENGTH;
use heapwood_gc_abi::{Mutant, active};
use rustc_hash::FxHashSet;

impl Heap {
    /// Runs a minor collection now. Objects may move. Starts a marking, or evacuates blocks, if that is due.
    ///
    /// The first collection of a heap, of whatever kind, prepares itself; where the system refuses the memory for that,
    /// it does nothing (`cold`).
    pub fn collect_minor(&mut self, roots: &mut dyn RootProvider) {
        let cause = if self.wants_collection() { GcCause::LogFull } else { GcCause::Requested };
        self.minor(cause, false, roots);
        self.telemetry.resume_panic();
    }

    /// Promotes all young objects: afterwards the nursery and the log are empty (unless the system refuses what the
    /// first collection of a heap needs). At the soft stack limit, before a
    /// checkpoint, and before a large reference array is filled with a young value.
    pub fn promote_all(&mut self, roots: &mut dyn RootProvider) {
        self.minor(GcCause::Requested, true, roots);
        self.telemetry.resume_panic();
    }

    /// Runs a major collection now, after a marking that is under way, and its sweep, all in the calling thread. Young
    /// objects are promoted, so objects may move. Afterwards every host value whose cell is dead is queued
    /// ([`Heap::pop_dead_host_value`]). Cannot fail but for the first one ([`Heap::collect_minor`]); without a
    /// collector it does nothing.
    pub fn collect_major(&mut self, roots: &mut dyn RootProvider) {
        if self.is_collected() {
            self.major(GcCause::Requested, roots);
            self.finish_sweep(GcCause::Requested);
            self.telemetry.resume_panic();
        }
    }

    /// Runs a compaction now that moves every object that can move, as far as there is room in free blocks. Cannot
    /// fail but for the first one ([`Heap::collect_minor`]); without a collector it does nothing.
    pub fn collect_moving(&mut self, roots: &mut dyn RootProvider) {
        if self.is_collected() {
            self.compact(GcCause::Requested, true, roots);
            self.telemetry.resume_panic();
        }
    }

    pub(super) fn stress_collect(&mut self, kind: StressKind, roots: &mut dyn RootProvider) {
        match kind {
            StressKind::Minor => self.minor(GcCause::Stress, false, roots),
            StressKind::Major => self.major(GcCause::Stress, roots),
            StressKind::Moving => self.compact(GcCause::Stress, true, roots),
        }
    }
}

/// Minors.
impl Heap {
    pub(super) fn minor(&mut self, cause: GcCause, promote_all: bool, roots: &mut dyn RootProvider) {
        if !self.is_collected() || self.prepare().is_err() {
            return;
        }
        if self.is_log_lost() {
            return self.compact(GcCause::LogLost, false, roots);
        }
        self.verify(When::BeforeCollection, roots);
        let pause = self.pause();
        let promote_all = promote_all || self.promote_all_next || self.is_marking_due() || self.is_evacuation_due();
        let eden_used = self.spaces.eden_used_bytes();
        let work = self.empty_nursery(promote_all, roots);
        self.promote_all_next =
            work.copied_bytes() * 4 > eden_used || self.remembered.log().len() > LOG_ENTRIES_MAX / 2;
        // A survivor space that overflows may leave many promoted objects with young fields: they are looked at before
        // eden fills again.
        self.remembered.ask_if_full();
        let (slots, frames) = (work.root_slots + work.frame_slots, work.frames);
        let done = Done { minor: work, roots: slots, frames, ..Done::default() };
        let cpu_ns = self.tell(GcEventKind::Minor, cause, pause, done);
        self.size_nursery(&work, cpu_ns);
        roots.after_collection(promote_all);
        self.verify(When::AfterMinor, roots);
        self.follow_minor(cause, promote_all, roots);
    }

    /// What comes right after a minor.
    fn follow_minor(&mut self, cause: GcCause, promoted_all: bool, roots: &mut dyn RootProvider) {
        if promoted_all && self.is_marking_due() {
            self.start_marking(GcCause::Threshold, roots);
        } else if promoted_all && self.is_evacuation_due() {
            self.evacuate(cause, roots);
        } else if cause == GcCause::LogFull {
            // Eden may never be granted further: what was shaded must not pile up, and who waits for the sweep waits
            // in vain.
            self.pace(roots);
        }
    }

    /// Sets the size of the nursery to what fits the speed of a minor that did `work` in `ns`.
    fn size_nursery(&mut self, work: &MinorWork, ns: u64) {
        if self.config.nursery_bytes.is_none() {
            let young_bytes = self.sizing.young_bytes_after(work, ns, self.pacing.free_bytes());
            self.spaces.set_young_bytes(young_bytes);
            if self.spaces.nursery().is_oversized() {
                self.spaces.trim_nursery();
            }
        }
    }

    /// The work of a minor. Counts it, but tells nobody.
    fn empty_nursery(&mut self, promote_all: bool, roots: &mut dyn RootProvider) -> MinorWork {
        let (remembered, incoming) = (&mut self.remembered, self.evacuation.incoming_mut());
        let (work, to_top) = Minor::new(&mut self.spaces, remembered, incoming, promote_all).run(roots);
        self.weak.after_minor(self.spaces.memory());
        self.nursery_emptied(to_top);
        self.telemetry.count_minor(&work);
        work
    }

    /// Eden and the old survivor space hold nothing any more.
    pub(super) fn nursery_emptied(&mut self, to_top: u32) {
        let eden_bytes = self.spaces.nursery_emptied(to_top);
        self.telemetry.count_eden(eden_bytes);
        self.remembered.collected();
        if !self.wants_all_stores() {
            self.spaces.open_barrier();
        }
    }
}

/// Collections of everything, while the guest stands still.
impl Heap {
    /// Marks everything, after what was under way.
    pub(super) fn major(&mut self, cause: GcCause, roots: &mut dyn RootProvider) {
        if self.prepare().is_err() {
            return;
        }
        self.finish_marking(cause, roots);
        if self.is_log_lost() {
            return self.compact(GcCause::LogLost, false, roots);
        }
        self.verify(When::BeforeCollection, roots);
        let pause = self.pause();
        let minor = self.empty_nursery(true, roots);
        self.promote_all_next = false;
        roots.after_collection(true);
        let mut done = self.mark_all(roots);
        done.minor = minor;
        self.tell(GcEventKind::Major, cause, pause, done);
        self.verify(When::AfterMajor, roots);
    }

    /// Compacts: evacuates blocks into ready ones, the sparsest first, as long as there are ready ones (`all`: every
    /// block). This also repairs a lost log, since it finds every reference by walking the heap.
    pub(super) fn compact(&mut self, cause: GcCause, all: bool, roots: &mut dyn RootProvider) {
        if self.prepare().is_err() {
            return;
        }
        self.finish_marking(cause, roots);
        let lost = self.is_log_lost();
        if lost {
            // What was written of frozen objects is not known either.
            self.thaw();
        }
        self.verify(if lost { When::BeforeRepair } else { When::BeforeCollection }, roots);
        let pause = self.pause();
        let mut minor = MinorWork::default();
        if !lost {
            minor = self.empty_nursery(true, roots);
            self.mark_all(roots);
            self.sweeper().all();
            // As many ready blocks as the limit and the system give; fewer only mean that fewer blocks are evacuated.
            let _ = self.make_ready(compaction::blocks_wanted(&self.spaces, self.telemetry.live_bytes(), all));
            compaction::choose(&self.spaces, all);
        }
        let mut done = self.move_all(roots);
        if lost {
            self.remembered.forget_all(self.spaces.memory(), self.spaces.blocks_high());
            self.weak.after_minor(self.spaces.memory());
            let to_top = self.spaces.nursery().to_space().cursor();
            self.nursery_emptied(to_top);
        }
        self.sweeper().all();
        done.minor = minor;
        self.telemetry.count_compaction();
        self.tell(GcEventKind::Major, cause, pause, done);
        roots.after_collection(true);
        self.verify(When::AfterMajor, roots);
    }

    /// Marks everything that is reachable and starts the sweep. The nursery is empty.
    fn mark_all(&mut self, roots: &mut dyn RootProvider) -> Done {
        self.sweeper().all();
        let start = self.telemetry.clock(true);
        self.begin_epoch();
        let mut roots = WithFrozen::new(&mut self.frozen, self.spaces.memory(), roots);
        let done = self.marking.mark_all(&mut self.spaces, &mut roots);
        self.end_epoch(&done.mark, start);
        done
    }

    /// Marks everything too, and objects of blocks that are to be evacuated move.
    fn move_all(&mut self, roots: &mut dyn RootProvider) -> Done {
        self.sweeper().all();
        let start = self.telemetry.clock(true);
        self.begin_epoch();
        let mut roots = WithFrozen::new(&mut self.frozen, self.spaces.memory(), roots);
        let done = compaction::move_all(&mut self.spaces, self.marking.marker_mut().grey_mut(), &mut roots);
        self.end_epoch(&done.mark, start);
        done
    }

    fn end_epoch(&mut self, mark: &MarkWork, start: Clock) {
        self.promote_all_next = false;
        let mark_ns = self.telemetry.clock(true).since(start);
        self.count_marking(mark, 0, mark_ns);
        self.sweeping.begin(&self.spaces, &mut self.weak, self.pacing.room_bytes());
    }
}

/// The verifier.
impl Heap {
    /// Checks the heap if the configuration asks for it.
    #[inline]
    pub(super) fn verify(&mut self, when: When, roots: &mut dyn RootProvider) {
        if self.config.verify {
            self.verify_now(when, roots);
        }
    }

    /// Checks the whole heap and panics at the first error, whatever the configuration says.
    pub fn check(&mut self, roots: &mut dyn RootProvider) {
        if self.is_collected() {
            let lost = self.is_log_lost();
            self.verify_now(if lost { When::BeforeRepair } else { When::BeforeCollection }, roots);
        }
    }

    #[inline(never)]
    fn verify_now(&mut self, when: When, roots: &mut dyn RootProvider) {
        if active(Mutant::VerifierSilent) {
            return;
        }
        assert_eq!(self.spaces.memory().hot(LOG_LENGTH), 0, "heap verifier, {when:?}: the log is not complete");
        let is_open = self.spaces.is_barrier_open();
        assert!(!(is_open && self.wants_all_stores()), "heap verifier, {when:?}: the barrier lets stores pass unseen");
        let mut recorded = FxHashSet::default();
        if when == When::BeforeEvacuation {
            self.evacuation.each_incoming(self.marking.incoming_mut(), |words| recorded.extend(words));
        }
        let parts = Parts {
            spaces: &self.spaces,
            remembered: &self.remembered,
            weak: &self.weak,
            evacuation: &self.evacuation,
            frozen: &self.frozen,
            types: &self.types,
        };
        Verifier::new(parts, when, recorded).run(roots);
    }
}
