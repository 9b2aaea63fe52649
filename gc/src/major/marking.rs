//! The marking cycle as the mutator sees it: it starts right after a minor that promoted everything, goes on in slices
//! when eden is granted, and ends in O(1).
//!
//! 1. *Start*: the nursery and the log are empty, so every old object waits to be logged and no remembered root is
//!    dirty. The epoch changes; the provider shows the frames that may run unnoticed. That is all.
//! 2. *Slices*: the rest of the roots, as they were at the start, and what is grey. Whoever overwrites or drops a
//!    reference meanwhile shades it first: fields when their object is logged (`Heap::log`), roots by
//!    [`crate::Heap::shade`], frames below the watermark when they are uncovered.
//! 3. What the mutator shades waits in a buffer of its own until the next slices. It is not marked by the mutator, so
//!    that a barrier touches nothing but its object, unless the buffer has grown (`shaded`).
//!    With helper threads the marker is handed off to one (`marker_hand_off`); slices then deliver to it what was
//!    shaded, and mark only if it lags behind.
//! 4. *End*: no roots are left, nothing is grey, the buffer is empty. The sweep begins (`sweeping`), with cells of
//!    host values, weak cells and ephemerons; a helper sweeps blocks, too.
//! 5. Between the end of its sweep and the next start there is no marking state at all.

use super::marker::Marker;
use super::marker_hand_off::{SharedMarker, inbox};
use super::pacing::Pacing;
use super::root_visitors::{Roots, RootsAway};
use super::shaded::Shaded;
use crate::embedder::roots::{FrameScope, RootCursor, RootProvider, RootWork};
use crate::evacuation::incoming::{Dropping, IncomingSet, Window};
use crate::helper::Helpers;
use crate::helper::spans::WorkSpan;
use crate::raw::backing::BackingError;
use crate::raw::cage::Cage;
use crate::spaces::Spaces;
use crate::telemetry::work::{Done, MarkWork};
use crate::weak::Weak;
use crate::weak::waiting::WaitingEphemerons;
use heapwood_gc_abi::{Mutant, RawRef, active};
use std::sync::Arc;

/// Fields between two looks at the clock.
const SLICE_PORTION_FIELDS: u64 = 500;
/// Fields between two looks at the mark stack while the guest stands still.
const STANDING_PORTION_FIELDS: u64 = 4_000;
/// Fields that a slice marks at least where no helper does: some 20 us.
const SLICE_FIELDS_MIN: u64 = 8_000;
/// Fields that a slice marks at most, whatever the clock says: a third more than was ever seen to fit the time of a
/// slice.
const SLICE_FIELDS_MAX: u64 = 100_000;
/// A helper that is far behind counts as standing still if it made no progress for so many nanoseconds.
const STANDS_NS: u64 = 10_000_000;

/// The marker, and the cycle's state between slices.
#[derive(Debug)]
pub struct Marking {
    /// The marker, with the edges that it has recorded and the ephemerons that wait in it.
    marker: SharedMarker,
    is_on: bool,
    /// Whether the provider has roots that were not visited yet.
    roots_left: bool,
    /// What the mutator shaded and the marker has not taken over.
    shaded: Shaded,
    /// CPU time of marking by the guest's thread since the start; then, as of the start, the CPU time of helpers and
    /// the bytes that were in the old space.
    mark_ns: u64,
    helper_ns_before: u64,
    allocated_before: u64,
    /// Progress of a helper that is far behind, and when it was seen first.
    seen: (u64, u64),
    /// Whether a helper stood still in this marking.
    helper_stands: bool,
}

/// A marking that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Marked {
    /// What it found.
    pub work: MarkWork,
    /// Bytes that were added to the old space while it ran.
    pub since_start: u64,
    /// CPU time that it took, that of helpers included, in nanoseconds.
    pub mark_ns: u64,
}

impl Marking {
    /// The state of a heap in which no marking is under way.
    pub fn new(cage: &mut Cage, helpers: Option<Arc<Helpers>>) -> Marking {
        let marker = Marker::new(cage);
        Marking {
            marker: SharedMarker::new(marker, inbox(cage), helpers),
            is_on: false,
            roots_left: false,
            shaded: Shaded::new(cage),
            mark_ns: 0,
            helper_ns_before: 0,
            allocated_before: 0,
            seen: (u64::MAX, 0),
            helper_stands: false,
        }
    }

    /// Makes ready what a marking needs to begin. A marker that a helper has needs nothing.
    pub fn make_ready(&mut self, cage: &mut Cage) -> Result<(), BackingError> {
        self.marker.held_mut().map_or(Ok(()), |marker| marker.make_ready(cage))
    }

    /// Whether a marking is under way.
    #[inline(always)]
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// The table in which ephemerons wait. Takes the marker back from a helper first if need be.
    pub fn waiting_mut(&mut self) -> &mut WaitingEphemerons {
        self.marker.take_back().waiting_mut()
    }

    /// The marker's part of the incoming remembered set. Takes the marker back from a helper first if need be.
    pub fn incoming_mut(&mut self) -> &mut IncomingSet {
        self.marker.take_back().incoming_mut()
    }

    /// Takes the marker back from a helper; waits for the end of its portion if need be.
    pub fn take_back(&mut self) {
        self.marker.take_back();
    }

    /// Whether the mutator holds the marker, or could take it back without waiting.
    pub fn try_take_back(&mut self) -> bool {
        self.marker.try_take_back().is_some()
    }

    /// CPU time of helpers that marked, in nanoseconds.
    pub fn helper_cpu_ns(&self) -> u64 {
        self.marker.helper_cpu_ns()
    }

    /// Sets whether helpers record when they mark.
    pub fn watch(&self, watch: bool) {
        self.marker.watch(watch);
    }

    /// Passes on when helpers marked; does nothing if it would have to wait.
    pub fn take_spans(&self, each: impl FnMut(WorkSpan)) {
        self.marker.take_spans(each);
    }

    /// Sets the most entries of the mark stack (tests).
    #[cfg(feature = "test-hooks")]
    pub fn limit_stack(&mut self, entries: usize) {
        self.marker.take_back().limit_stack(entries);
    }

    /// Shaded references that wait for a slice (tests).
    #[cfg(feature = "test-hooks")]
    pub fn shaded_waiting(&self) -> usize {
        self.shaded.len()
    }
}

/// What the mutator shades.
impl Marking {
    /// Shades an old object; a marking is under way.
    #[inline]
    pub fn shade_old(&mut self, spaces: &mut Spaces, reference: RawRef) {
        if let Some(entry) = self.shaded.add(spaces.memory(), spaces.epoch(), reference) {
            self.shade_slow(spaces, entry);
        }
    }

    /// Shades an old object and marks it, as if the buffer were long (tests).
    #[cfg(feature = "test-hooks")]
    pub fn shade_marked(&mut self, spaces: &mut Spaces, reference: RawRef) {
        if let Some(entry) = self.shaded.add_marked(spaces.memory(), spaces.epoch(), reference) {
            self.shade_slow(spaces, entry);
        }
    }

    #[cold]
    fn shade_slow(&mut self, spaces: &mut Spaces, entry: u32) {
        if self.shaded.grow_for(spaces.cage_mut(), entry) {
            return;
        }
        // The marker copes with a stack that cannot grow.
        let marker = self.marker.take_back();
        marker.make_room(spaces, self.shaded.len());
        while let Some(entry) = self.shaded.entries_mut().pop() {
            marker.take_entry(entry);
        }
        marker.take_entry(entry);
    }
}

/// The course of a marking, from its start to its end.
impl Marking {
    /// Begins an epoch in which nothing is marked yet. Everything is swept.
    pub fn begin_epoch(&mut self, spaces: &mut Spaces, weak: &mut Weak) {
        spaces.old_mut().begin_epoch();
        let marker = self.marker.take_back();
        marker.begin(spaces.epoch());
        // Room for all ephemerons that the marking can meet.
        spaces.charge_side(weak.waiting_reserve(0));
        let ephemerons = weak.cells().old_ephemerons();
        // The reserve is there for that.
        let available = spaces.grantable_bytes() + weak.waiting_reserve(0);
        let waiting = marker.waiting_mut();
        waiting.prepare(spaces.cage_mut(), ephemerons, available);
        weak.set_waiting_bytes(waiting.bytes());
        spaces.charge_side(weak.waiting_reserve(0));
    }

    /// A marking starts, in a new epoch: the provider shows the roots that cannot wait.
    pub fn begin(&mut self, spaces: &mut Spaces, roots: &mut dyn RootProvider) -> RootWork {
        self.is_on = true;
        self.roots_left = true;
        self.mark_ns = 0;
        (self.seen, self.helper_stands) = ((u64::MAX, 0), false);
        self.helper_ns_before = self.marker.helper_cpu_ns();
        self.allocated_before = spaces.old().allocated_bytes();
        let marker = self.marker.take_back();
        let work = roots.begin_snapshot(marker);
        marker.set_blocks_high(spaces.blocks_high());
        self.marker.hand_off_marker(spaces);
        work
    }

    /// Whether nothing is left to be marked. The mutator holds the marker.
    pub fn is_through(&mut self) -> bool {
        (!self.roots_left || active(Mutant::RootsLeftBehind))
            && self.shaded.is_empty()
            && self.marker.take_back().is_done()
            && self.marker.is_inbox_empty()
    }

    /// A slice while the mutator holds the marker: marks for about `fields`, or until it `is_late`. Roots that it shows
    /// keep their blocks in `window` from being evacuated.
    pub fn mark(
        &mut self,
        spaces: &mut Spaces,
        window: Window,
        fields: u64,
        is_late: impl Fn() -> bool,
        roots: &mut dyn RootProvider,
    ) -> Done {
        let (memory, mut left) = (spaces.memory(), fields);
        let before = *self.marker.take_back().work();
        let (mut visited, mut handed_over) = (RootWork::default(), 0);
        self.marker.take_back().set_blocks_high(spaces.blocks_high());
        loop {
            let portion = left.min(SLICE_PORTION_FIELDS);
            self.marker.take_back().make_room(spaces, 2 * SLICE_PORTION_FIELDS as usize);
            let mut used = self.marker.empty_inbox(portion as usize);
            let marker = self.marker.take_back();
            used += marker.take_shaded(self.shaded.entries_mut(), (portion - used) as usize) as u64;
            handed_over += used;
            if self.roots_left && used < portion {
                let mut visitor = Roots::new(marker, portion - used);
                let work = roots.snapshot(&mut Dropping::new(&mut visitor, memory, window));
                self.roots_left = work.more;
                visited.slots += work.slots;
                visited.frames += work.frames;
                used += work.slots;
            }
            let fields = marker.work().fields;
            if used < portion {
                marker.step(portion - used);
            }
            used += marker.work().fields - fields;
            left = left.saturating_sub(used.max(1));
            let late = is_late();
            if left == 0 || late || self.is_through() {
                break;
            }
        }
        let mark = self.marker.take_back().work().since(&before);
        Done { mark, roots: visited.slots, frames: visited.frames, handed_over, ..Done::default() }
    }

    /// A slice while a helper marks: more roots, and what the mutator shaded.
    pub fn feed_helper(&mut self, spaces: &mut Spaces, window: Window, roots: &mut dyn RootProvider) -> Done {
        let mut work = RootWork::default();
        if self.roots_left {
            let (memory, epoch) = (spaces.memory(), spaces.epoch());
            self.shaded.make_room_for_roots(spaces.cage_mut());
            let mut visitor = RootsAway::new(memory, epoch, &mut self.marker, &mut self.shaded, SLICE_PORTION_FIELDS);
            work = roots.snapshot(&mut Dropping::new(&mut visitor, memory, window));
            self.roots_left = work.more;
        }
        let delivered = self.marker.deliver(spaces.cage_mut(), self.shaded.entries_mut());
        Done { roots: work.slots, handed_over: delivered, frames: work.frames, ..Done::default() }
    }

    /// A slice has ended, and the marking has not: a helper may have the marker, unless one stood still.
    pub fn hand_off(&mut self, spaces: &mut Spaces) {
        if !self.helper_stands {
            self.marker.hand_off_marker(spaces);
        }
    }

    /// A slice took so much CPU time.
    pub fn add_mark_ns(&mut self, ns: u64) {
        self.mark_ns += ns;
    }

    /// Ends the marking, in which nothing is grey any more. O(1).
    pub fn end(&mut self, spaces: &Spaces) -> Marked {
        self.is_on = false;
        Marked {
            work: *self.marker.take_back().work(),
            since_start: spaces.old().allocated_bytes() - self.allocated_before,
            mark_ns: self.mark_ns + self.marker.helper_cpu_ns() - self.helper_ns_before,
        }
    }

    /// Marks everything that is reachable, in a new epoch, while the guest stands still.
    pub fn mark_all(&mut self, spaces: &mut Spaces, roots: &mut dyn RootProvider) -> Done {
        let marker = self.marker.take_back();
        let frames = roots.frames(FrameScope::All, marker);
        let others = roots.all(&mut RootCursor::default(), marker);
        marker.set_blocks_high(spaces.blocks_high());
        loop {
            marker.make_room(spaces, 2 * STANDING_PORTION_FIELDS as usize);
            if marker.step(STANDING_PORTION_FIELDS) {
                break;
            }
        }
        let mark = *marker.work();
        let (roots, frames) = (frames.slots + others.slots, frames.frames);
        Done { mark, roots, frames, live_bytes: mark.live_bytes, ..Done::default() }
    }

    /// The marker, for a walk that moves objects.
    pub fn marker_mut(&mut self) -> &mut Marker {
        self.marker.take_back()
    }
}

/// How fast a marking goes.
impl Marking {
    /// Fields that the mutator should mark now. With a helper that keeps up, few.
    pub fn slice_fields(&mut self, pacing: &Pacing, allocated_bytes: u64) -> u64 {
        let due = pacing.fields_due(self.marker.progress(), allocated_bytes);
        let has_helpers = self.marker.has_helpers();
        if has_helpers && due > 0 {
            self.marker.ask_back();
        }
        due.clamp(if has_helpers { SLICE_PORTION_FIELDS } else { SLICE_FIELDS_MIN }, SLICE_FIELDS_MAX)
    }

    /// Whether, in a marking that is far behind, a helper has the marker and stands still at `now_ns`, since the system
    /// has put it aside.
    pub fn is_helper_standing(&mut self, now_ns: impl FnOnce() -> u64) -> bool {
        let (progress, now_ns) = (self.marker.progress(), now_ns());
        let (seen, since_ns) = self.seen;
        if self.try_take_back() || progress != seen {
            self.seen = (progress, now_ns);
            return false;
        }
        now_ns - since_ns > STANDS_NS
    }

    /// Waits for the helper, and asks none again in this marking: without an end of it the heap would grow without
    /// bound.
    pub fn give_up_helpers(&mut self) {
        self.marker.take_back();
        self.helper_stands = true;
    }
}
