//! The marking cycle as the mutator sees it: it starts right after a minor that promoted everything, goes on in slices
//! when eden is granted, and ends in O(1).
//!
//! 1. *Start*: the nursery and the log are empty, so every old object waits to be logged and no remembered root is
//!    dirty. The epoch changes; the provider shows the frames that may run unnoticed. That is all.
//! 2. *Slices*: the rest of the roots, as they were at the start, and what is grey. Whoever overwrites or drops a
//!    reference meanwhile shades it first: fields when their object is logged (`Heap::log`), roots by
//!    [`Heap::shade`], frames below the watermark when they are uncovered.
//! 3. What the mutator shades waits in a buffer of its own until the next slices. It is not marked by the mutator, so
//!    that a barrier touches nothing but its object, unless the buffer is long: then duplicates must not pile up.
//!    With helper threads the marker is lent to one (`loan`), and slices hand over to it and mark only if it lags.
//! 4. *End*: no roots are left, nothing is grey, the buffer is empty. The sweep begins (`sweep`), with cells of
//!    host values, weak cells and ephemerons; a helper sweeps blocks, too.
//! 5. Between the end of its sweep and the next start there is no marking state at all.

use crate::blocks::block_of;
use crate::collect::{Done, Stop};
use crate::event::{GcCause, GcEventKind};
use crate::heap::Heap;
use crate::loan::Loan;
use crate::mark::{MarkWork, Marker, SHADED_MARKED, is_marked, mark_byte};
use crate::raw::cage::Cage;
use crate::raw::memory::Memory;
use crate::raw::object::{ObjectReference, is_old};
use crate::raw::side::SideVec;
use crate::recorded::Dropping;
use crate::roots::{RootProvider, RootVisitor, RootWork};
use crate::sweep;
use crate::verify::When;
use heapwood_gc_abi::{Mutant, RawRef, TypeId, active};

/// Fields between two looks at the clock.
const PORTION_FIELDS: u64 = 500;
/// Time after which a slice ends.
const SLICE_NS: u64 = 120_000;
/// Fields that a slice marks at least where no helper does: some 20 us.
const SLICE_FIELDS_MIN: u64 = 8_000;
/// And at most, whatever the clock says: a third more than was ever seen to fit that time.
const SLICE_FIELDS_MAX: u64 = 100_000;
/// A helper that is far behind and made no progress for so long stands still.
const STANDS_NS: u64 = 10_000_000;
/// Objects that the mutator may have shaded and not handed over.
const SHADED_MAX: usize = 16 << 20;
/// Shaded references that wait unmarked.
const SHADED_UNMARKED_MAX: usize = 64 << 10;
/// Room for shaded objects from the start.
const SHADED_MIN: usize = 8 << 10;

/// The cycle's state between slices.
#[derive(Debug)]
pub struct Cycle {
    marking: bool,
    /// The provider has roots that were not visited.
    roots_left: bool,
    /// What the mutator shaded and the marker has not taken over (`SHADED_MARKED`: it is marked).
    shaded: SideVec<u32>,
    /// Since the start: CPU time of marking by the guest's thread. At the start: that of helpers so far, and bytes that
    /// were in the old space.
    mark_ns: u64,
    helper_ns_before: u64,
    allocated_before: u64,
    /// Progress of a helper that is far behind, and when it was seen first.
    seen: (u64, u64),
    /// A helper stood still in this marking.
    helper_stands: bool,
}

/// How much one slice may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budget {
    /// Fields.
    pub fields: u64,
    /// Nanoseconds; a slice looks at the clock now and then.
    pub ns: u64,
}

impl Budget {
    /// As much as there is.
    pub const ALL: Budget = Budget { fields: u64::MAX, ns: u64::MAX };
}

impl Cycle {
    /// Not marking.
    pub fn new(cage: &mut Cage) -> Cycle {
        Cycle {
            marking: false,
            roots_left: false,
            shaded: SideVec::new(cage, SHADED_MAX),
            mark_ns: 0,
            helper_ns_before: 0,
            allocated_before: 0,
            seen: (u64::MAX, 0),
            helper_stands: false,
        }
    }
}

#[cfg(feature = "test-hooks")]
impl Cycle {
    /// Shaded references that wait for a slice.
    pub fn waiting(&self) -> usize {
        self.shaded.len()
    }
}

/// Shows roots to the marker until a budget is used.
struct Roots<'a> {
    marker: &'a mut Marker,
    left: u64,
}

impl RootVisitor for Roots<'_> {
    fn slot(&mut self, slot: &mut RawRef) {
        self.marker.shade(*slot);
        self.left = self.left.saturating_sub(1);
    }

    fn full(&self) -> bool {
        self.left == 0
    }
}

/// What stands for a shaded reference in the buffer; none if it need not be there.
#[inline]
fn shaded_entry(memory: Memory, epoch: u8, shaded: &SideVec<u32>, reference: RawRef) -> Option<u32> {
    if shaded.len() < SHADED_UNMARKED_MAX {
        return Some(reference);
    }
    if is_marked(memory, epoch, reference) {
        return None;
    }
    memory.set_mark(reference, mark_byte(epoch, reference));
    Some(reference | SHADED_MARKED)
}

/// Marks roots for a marker that is lent.
struct RootsAway<'a> {
    memory: Memory,
    epoch: u8,
    loan: &'a mut Loan,
    shaded: &'a mut SideVec<u32>,
    left: u64,
}

impl RootVisitor for RootsAway<'_> {
    fn slot(&mut self, slot: &mut RawRef) {
        let reference = *slot;
        self.left = self.left.saturating_sub(1);
        if is_old(reference)
            && let Some(entry) = shaded_entry(self.memory, self.epoch, self.shaded, reference)
            && !self.shaded.push(entry)
        {
            // No room was made for so many: the marker comes home for them.
            self.loan.marker().take_entry(entry);
        }
    }

    fn full(&self) -> bool {
        self.left == 0
    }
}

impl Heap {
    /// Whether a marking is under way: references that are overwritten or dropped must be shaded.
    #[inline]
    pub fn is_marking(&self) -> bool {
        self.cycle.marking
    }

    /// Tells a marking of a root that is about to be overwritten or dropped, or of a reference that was read from a
    /// weak place. No effect at other times. Never collects.
    #[inline]
    pub fn shade(&mut self, reference: RawRef) {
        if self.cycle.marking && is_old(reference) {
            self.shade_old(reference);
        }
    }

    fn shade_old(&mut self, reference: RawRef) {
        #[cfg(feature = "test-hooks")]
        if self.hooks.skip_snapshots {
            return;
        }
        #[cfg(feature = "test-hooks")]
        if self.hooks.shade_marked {
            self.memory.set_mark(reference, mark_byte(self.old.epoch, reference));
            let pushed = self.cycle.shaded.push(reference | SHADED_MARKED);
            if !pushed {
                self.shade_slow(reference | SHADED_MARKED);
            }
            return;
        }
        if let Some(entry) = shaded_entry(self.memory, self.old.epoch, &self.cycle.shaded, reference)
            && !self.cycle.shaded.push(entry)
        {
            self.shade_slow(entry);
        }
    }

    #[cold]
    fn shade_slow(&mut self, entry: u32) {
        let shaded = &mut self.cycle.shaded;
        let capacity = (shaded.capacity() * 2).clamp(SHADED_MIN, SHADED_MAX);
        if shaded.grow(&mut self.cage, capacity).is_err() || !shaded.push(entry) {
            // The marker copes with a stack that cannot grow.
            let (marker, available) = (self.loan.marker(), self.charge.available_bytes());
            marker.grey.make_room(&mut self.cage, shaded.len(), available);
            while let Some(entry) = shaded.pop() {
                marker.take_entry(entry);
            }
            marker.take_entry(entry);
        }
    }

    /// The snapshot of an object's fields, before its first store since the last collection.
    #[inline]
    pub(crate) fn snapshot_object(&mut self, object: ObjectReference) {
        if self.cycle.marking && !self.is_new(object.0) && !active(Mutant::FirstStoreNotShaded) {
            let memory = self.memory;
            let id = TypeId::of_header(memory.header(object));
            memory.each_slot(object, id, memory.descriptor(id), |slot| self.shade(memory.slot(slot)));
        }
    }

    /// The snapshot of elements of a reference array that are about to be overwritten.
    #[inline]
    pub(crate) fn snapshot_elements(&mut self, array: RawRef, start: u32, end: u32) {
        if self.cycle.marking && is_old(array) && !self.is_new(array) {
            let memory = self.memory;
            memory.each_element_slot(ObjectReference(array), start, end, |slot| self.shade(memory.slot(slot)));
        }
    }

    /// Whether an old object is newer than the marking under way: its fields are no part of the snapshot.
    fn is_new(&self, object: RawRef) -> bool {
        self.memory.block(block_of(object)).epoch() == self.old.epoch
    }

    /// Whether a marking should start with the next minor.
    pub(crate) fn is_marking_due(&self) -> bool {
        !self.cycle.marking
            && self.is_swept()
            && (self.config.mark_slice.is_some() || self.policy.is_marking_due(self.old.allocated_bytes))
    }

    /// Starts a marking. The nursery is empty and everything is swept.
    pub(crate) fn start_marking(&mut self, cause: GcCause, roots: &mut dyn RootProvider) {
        debug_assert!(self.log.len() == 0 && self.nursery.survivors().is_empty() && self.is_swept());
        let stop = self.stop();
        self.choose_sparse_blocks();
        self.begin_epoch();
        self.cycle.marking = true;
        self.cycle.roots_left = true;
        self.cycle.mark_ns = 0;
        (self.cycle.seen, self.cycle.helper_stands) = ((u64::MAX, 0), false);
        self.cycle.helper_ns_before = self.loan.helper_cpu_ns();
        self.cycle.allocated_before = self.old.allocated_bytes;
        self.policy.marking_started(self.old.allocated_bytes);
        let work = roots.begin_snapshot(self.loan.marker());
        self.loan.marker().set_blocks_high(self.old.blocks.high());
        self.loan.lend(&mut self.cage, self.charge.available_bytes());
        let done = Done { roots: work.slots, frames: work.frames, ..Done::default() };
        self.tell(GcEventKind::MarkStart, cause, stop, done);
    }

    /// Marks for a while. Returns whether the marking has ended.
    pub(crate) fn mark_slice(&mut self, budget: Budget, cause: GcCause, roots: &mut dyn RootProvider) -> bool {
        let stop = self.stop();
        if budget == Budget::ALL {
            self.loan.marker();
        }
        let is_home = self.loan.is_home();
        let done = if is_home { self.mark_portions(budget, &stop, roots) } else { self.feed_helper(roots) };
        let ended = is_home && self.is_marked_through();
        if is_home && !ended && !self.cycle.helper_stands {
            self.loan.lend(&mut self.cage, self.charge.available_bytes());
        }
        self.cycle.mark_ns += self.tell(GcEventKind::Slice, cause, stop, done);
        if ended {
            self.end_marking(cause, roots);
        }
        ended
    }

    /// Makes room for all ephemerons that a marking can meet.
    pub(crate) fn prepare_waiting(&mut self) {
        self.sync_side_charge();
        let ephemerons = self.weak.old_ephemerons();
        // The reserve is there for that.
        let available = self.charge.available_bytes() + self.waiting_reserve(0);
        let waiting = &mut self.loan.marker().waiting;
        waiting.prepare(&mut self.cage, ephemerons, available);
        self.waiting_bytes = waiting.bytes();
        self.sync_side_charge();
    }

    fn is_marked_through(&mut self) -> bool {
        (!self.cycle.roots_left || active(Mutant::RootsLeftBehind))
            && self.cycle.shaded.is_empty()
            && self.loan.marker().grey.is_empty()
            && self.loan.is_inbox_empty()
    }

    /// A slice while the marker is at home.
    fn mark_portions(&mut self, budget: Budget, stop: &Stop, roots: &mut dyn RootProvider) -> Done {
        let before = self.loan.marker().work;
        let mut left = budget.fields;
        let (mut visited, mut handed_over) = (RootWork::default(), 0);
        self.loan.marker().set_blocks_high(self.old.blocks.high());
        loop {
            let portion = left.min(PORTION_FIELDS);
            let available = self.charge.available_bytes();
            self.loan.marker().grey.make_room(&mut self.cage, 2 * PORTION_FIELDS as usize, available);
            let mut used = self.loan.empty_inbox(portion as usize);
            let marker = self.loan.marker();
            used += marker.take_shaded(&mut self.cycle.shaded, (portion - used) as usize) as u64;
            handed_over += used;
            if self.cycle.roots_left && used < portion {
                let (memory, window) = (self.memory, self.sparse.recorded.window_of_roots());
                let mut visitor = Roots { marker, left: portion - used };
                let work = roots.snapshot(&mut Dropping { visitor: &mut visitor, memory, window });
                self.cycle.roots_left = work.more;
                visited.slots += work.slots;
                visited.frames += work.frames;
                used += work.slots;
            }
            let fields = marker.work.fields;
            if used < portion {
                marker.step(portion - used);
            }
            used += marker.work.fields - fields;
            left = left.saturating_sub(used.max(1));
            let late = self.ends_slices(budget.ns) && self.clock(false).wall_ns - stop.start.wall_ns > budget.ns;
            if left == 0 || late || self.is_marked_through() {
                break;
            }
        }
        self.sync_side_charge();
        let mark = self.loan.marker().work.since(&before);
        Done { mark, roots: visited.slots, frames: visited.frames, handed_over, ..Done::default() }
    }

    /// Whether the clock can end a slice of `ns`.
    fn ends_slices(&self, ns: u64) -> bool {
        #[cfg(feature = "test-hooks")]
        if self.hooks.endless_slices {
            return false;
        }
        ns != u64::MAX
    }

    /// A slice while a helper marks: more roots, and what the mutator shaded.
    fn feed_helper(&mut self, roots: &mut dyn RootProvider) -> Done {
        let mut work = RootWork::default();
        if self.cycle.roots_left {
            let shaded = &mut self.cycle.shaded;
            let _ = shaded.grow(&mut self.cage, shaded.len() + SHADED_MIN);
            let (memory, epoch, loan) = (self.memory, self.old.epoch, &mut self.loan);
            let mut visitor = RootsAway { memory, epoch, loan, shaded, left: PORTION_FIELDS };
            let window = self.sparse.recorded.window_of_roots();
            work = roots.snapshot(&mut Dropping { visitor: &mut visitor, memory, window });
            self.cycle.roots_left = work.more;
        }
        let delivered = self.loan.deliver(&mut self.cage, &mut self.cycle.shaded);
        self.sync_side_charge();
        Done { roots: work.slots, handed_over: delivered, frames: work.frames, ..Done::default() }
    }

    /// Marks to the end and sweeps: the mutator waits.
    pub(crate) fn finish_marking(&mut self, cause: GcCause, roots: &mut dyn RootProvider) {
        self.call_off_sparse();
        while self.cycle.marking {
            self.mark_slice(Budget::ALL, cause, roots);
        }
        self.finish_sweep(cause);
    }

    /// Nothing is grey. O(1).
    fn end_marking(&mut self, cause: GcCause, roots: &mut dyn RootProvider) {
        self.verify(When::AfterMarking, roots);
        let stop = self.stop();
        self.cycle.marking = false;
        self.stats.markings += 1;
        let mark = self.loan.marker().work;
        let since_start = self.old.allocated_bytes - self.cycle.allocated_before;
        let mark_ns = self.cycle.mark_ns + self.loan.helper_cpu_ns() - self.cycle.helper_ns_before;
        self.count_marking(&mark, since_start, mark_ns);
        sweep::begin(&mut self.old, &mut self.batches, &mut self.hosts, &mut self.weak);
        self.marking_ended_for_sparse();
        let done = Done { live_bytes: mark.live_bytes, ..Done::default() };
        self.tell(GcEventKind::MarkEnd, cause, stop, done);
    }

    /// A marking found `mark`; `since_start` bytes were added to the old space while it ran.
    pub(crate) fn count_marking(&mut self, mark: &MarkWork, since_start: u64, mark_ns: u64) {
        let now = self.clock(true);
        let filled = self.old.allocated_bytes;
        let live_bytes = mark.live_bytes + since_start;
        self.policy.after_marking(now, mark, live_bytes, filled, mark_ns, self.usable_bytes());
        self.old.allocated_bytes = 0;
        self.sync_side_charge();
        self.stats.majors += 1;
        self.stats.marked_objects += mark.objects;
        self.stats.mark_overflows += mark.overflows;
        self.stats.held_ephemerons += mark.held_ephemerons;
        self.stats.moved_bytes += mark.moved_bytes;
        self.stats.live_bytes = live_bytes;
    }

    /// What old objects may take of the limit: not the nursery and its reserve, and an eighth is left for holes.
    fn usable_bytes(&self) -> u64 {
        let limit = self.charge.limit_bytes();
        limit - limit / 8 - (self.nursery.eden_bytes() as u64 * 9 / 2).min(limit / 2)
    }

    /// Does a bounded step of the marking or sweeping that is under way: for polls and idle times. Objects do not move.
    /// Returns whether there is more to do.
    pub fn step(&mut self, roots: &mut dyn RootProvider) -> bool {
        if self.is_collected() {
            self.pace(roots);
            self.resume_listener_panic();
        }
        let swept = self.is_swept() || self.is_sparse_waiting();
        self.is_marking() || !swept || self.trim_left > 0 || self.wants_sparse_tables()
    }

    /// Starts a marking, after promoting everything, unless one is under way; its slices follow at allocations and
    /// [`Heap::step`]. Objects may move.
    pub fn start_major(&mut self, roots: &mut dyn RootProvider) {
        if self.is_collected() && !self.is_marking() {
            self.finish_sweep(GcCause::Requested);
            self.minor(GcCause::Requested, true, roots);
            if !self.is_marking() {
                self.start_marking(GcCause::Requested, roots);
            }
            self.resume_listener_panic();
        }
    }

    /// Fields that the mutator should mark now. With a helper that keeps up, few.
    fn slice_fields(&mut self) -> u64 {
        let due = self.policy.fields_due(self.loan.progress(), self.old.allocated_bytes);
        let has_helpers = self.loan.has_helpers();
        if has_helpers && due > 0 {
            self.loan.ask_back();
        }
        due.clamp(if has_helpers { PORTION_FIELDS } else { SLICE_FIELDS_MIN }, SLICE_FIELDS_MAX)
    }

    /// Whether the room that a marking was to end in is used up.
    pub(crate) fn is_marking_late(&self) -> bool {
        self.cycle.marking && self.policy.is_late(self.old.allocated_bytes)
    }

    /// The marking is far behind. If a helper has the marker and stands still, since the system has put it aside, it is
    /// waited for, which is a stall, and not asked again: without an end of the marking the heap would grow without bound.
    fn wait_for_standing_helper(&mut self) {
        let (progress, now_ns) = (self.loan.progress(), self.clock(false).wall_ns);
        let (seen, since_ns) = self.cycle.seen;
        if self.loan.is_home() || progress != seen {
            self.cycle.seen = (progress, now_ns);
        } else if now_ns - since_ns > STANDS_NS {
            let stop = self.stop();
            self.loan.marker();
            self.cycle.helper_stands = true;
            self.stats.stalls += 1;
            self.tell(GcEventKind::Stall, GcCause::Pace, stop, Done::default());
        }
    }

    /// What is due besides minors, a bounded step of it: marking or sweeping. At each grant of eden, and when an old
    /// object was allocated.
    pub(crate) fn pace(&mut self, roots: &mut dyn RootProvider) {
        if self.cycle.marking {
            if self.policy.is_far_behind(self.old.allocated_bytes) {
                self.wait_for_standing_helper();
            }
            let budget = match self.config.mark_slice {
                Some(fields) => Budget { fields: fields.get(), ns: u64::MAX },
                None => Budget { fields: self.slice_fields(), ns: SLICE_NS },
            };
            self.mark_slice(budget, GcCause::Pace, roots);
        } else {
            if self.is_sparse_group_due() {
                self.prepare_sparse_stop();
            }
            if !self.is_sparse_waiting() {
                self.sweep_slice();
            }
        }
    }
}
