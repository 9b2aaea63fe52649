//! The collections, from the outside in: verify, stop, work, count, tell.

use crate::event::{GcCause, GcEvent, GcEventKind, HelperSpan, HelperTask};
use crate::heap::{Heap, ListenerPanic};
use crate::log::LOG_ENTRIES_MAX;
use crate::mark::MarkWork;
use crate::minor::{Minor, MinorWork};
use crate::move_trace::MoveTracer;
use crate::nursery::EDEN_START;
use crate::old::Bump;
use crate::policy::{COPY_SAMPLE_BYTES_MIN, Clock};
use crate::raw::block::{BlockState, COMPACTED};
use crate::raw::cage::BLOCK_BYTES;
use crate::raw::edges::EdgeStack;
use crate::relocate::RelocationWork;
use crate::roots::{FrameScope, RootCursor, RootProvider};
use crate::spans::Span;
use crate::stress::StressKind;
use crate::sweep;
use crate::verify::When;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

/// Fields between two looks at the mark stack.
const PORTION_FIELDS: u64 = 4_000;

/// What was the case when a stop began.
pub(crate) struct Stop {
    pub start: Clock,
    young_before: u64,
    old_before: u64,
}

/// What a stop did.
#[derive(Default)]
pub(crate) struct Done {
    pub minor: MinorWork,
    pub mark: MarkWork,
    pub roots: u64,
    pub frames: u64,
    /// Of a marking that ended: bytes found alive.
    pub live_bytes: u64,
    /// Blocks swept.
    pub swept: u64,
    /// Objects that the mutator had shaded and that the marker took over.
    pub handed_over: u64,
    /// What was moved out of sparse blocks.
    pub evacuated: RelocationWork,
}

impl Heap {
    /// Runs a minor collection now. Objects may move.
    pub fn collect_minor(&mut self, roots: &mut dyn RootProvider) {
        let cause = if self.wants_collection { GcCause::LogFull } else { GcCause::Requested };
        self.minor(cause, false, roots);
        self.resume_listener_panic();
    }

    /// Promotes all young objects: afterwards the nursery and the log are empty. At the soft stack limit, before a
    /// checkpoint, and before a large reference array is filled with a young value.
    pub fn promote_all(&mut self, roots: &mut dyn RootProvider) {
        self.minor(GcCause::Requested, true, roots);
        self.resume_listener_panic();
    }

    /// Runs a major collection now, and its sweep: afterwards every host value whose cell is dead is known.
    pub fn collect_major(&mut self, roots: &mut dyn RootProvider) {
        if self.is_collected() {
            self.major(GcCause::Requested, roots);
            self.finish_sweep(GcCause::Requested);
            self.resume_listener_panic();
        }
    }

    /// Runs a compaction now that moves every object that can move, as far as free blocks carry.
    pub fn collect_moving(&mut self, roots: &mut dyn RootProvider) {
        if self.is_collected() {
            self.compact(GcCause::Requested, true, roots);
            self.resume_listener_panic();
        }
    }

    pub(crate) fn stress_collect(&mut self, kind: StressKind, roots: &mut dyn RootProvider) {
        match kind {
            StressKind::Minor => self.minor(GcCause::Stress, false, roots),
            StressKind::Major => self.major(GcCause::Stress, roots),
            StressKind::Moving => self.compact(GcCause::Stress, true, roots),
        }
    }

    pub(crate) fn minor(&mut self, cause: GcCause, promote_all: bool, roots: &mut dyn RootProvider) {
        if !self.is_collected() {
            return;
        }
        if self.log.is_lost() {
            return self.compact(GcCause::LogLost, false, roots);
        }
        self.verify(When::BeforeCollection, roots);
        let stop = self.stop();
        let promote_all = promote_all || self.promote_all_next || self.is_marking_due() || self.is_sparse_group_due();
        let eden_used = (self.top() - EDEN_START) as u64 * 4;
        let work = self.empty_nursery(promote_all, roots);
        let copied = work.aged_bytes + work.promoted_bytes;
        self.promote_all_next = copied * 4 > eden_used || self.log.len() > LOG_ENTRIES_MAX / 2;
        // A survivor space that overflows may leave many promoted objects with young fields: they are looked at before
        // eden fills again.
        self.wants_collection = self.log.is_full();
        let done =
            Done { minor: work, roots: work.root_slots + work.frame_slots, frames: work.frames, ..Done::default() };
        let cpu_ns = self.tell(GcEventKind::Minor, cause, stop, done);
        if self.config.nursery_bytes.is_none() {
            let young_bytes = self.policy.young_bytes_after(copied, cpu_ns);
            self.set_young_bytes(young_bytes);
        }
        roots.after_collection(promote_all);
        self.verify(When::AfterMinor, roots);
        if promote_all && self.is_marking_due() {
            self.start_marking(GcCause::Threshold, roots);
        } else if promote_all && self.is_sparse_group_due() {
            self.empty_sparse_group(cause, roots);
        } else if cause == GcCause::LogFull {
            // Eden may never be granted further: what was shaded must not pile up, and who waits for the sweep waits
            // in vain.
            self.pace(roots);
        }
    }

    /// Sets the size of the nursery; eden is empty.
    pub(crate) fn set_young_bytes(&mut self, bytes: u32) {
        self.nursery.set_young_bytes(bytes);
        if self.nursery.is_oversized() {
            self.trim_nursery();
        }
    }

    /// Gives memory of the nursery beyond its size back.
    pub(crate) fn trim_nursery(&mut self) {
        self.nursery.trim(&mut self.cage, &mut self.charge);
        self.eden_top_max = self.eden_top_max.min(self.nursery.eden_end());
    }

    /// The work of a minor. Counts it, but tells nobody.
    fn empty_nursery(&mut self, promote_all: bool, roots: &mut dyn RootProvider) -> MinorWork {
        let to_space = self.nursery.to_space();
        let to = if promote_all { Bump { cursor: to_space.cursor, end: to_space.cursor } } else { to_space };
        let mut minor = Minor {
            memory: self.memory,
            promoted: self.old.lend(),
            old: &mut self.old,
            recorded: &mut self.sparse.recorded,
            promotes_all: promote_all,
            log: &mut self.log,
            stack: self.stack.lend_stack(),
            edges: EdgeStack::new(&mut self.edges),
            to,
            to_start: to.cursor,
            work: MinorWork::default(),
        };
        minor.run(roots);
        let (work, to_top) = (minor.work, minor.to.cursor);
        self.hosts.after_minor(self.memory);
        self.weak.after_minor(self.memory);
        self.nursery_emptied(to_top);
        self.count_minor(&work);
        work
    }

    /// Eden and the old survivor space hold nothing any more.
    fn nursery_emptied(&mut self, to_top: u32) {
        let (top, survivors) = (self.top(), self.nursery.survivors());
        self.eden_top_max = self.eden_top_max.max(top);
        self.stats.eden_bytes += (top - EDEN_START) as u64 * 4;
        self.old.poison_range(EDEN_START, (top - EDEN_START) * 4);
        self.old.poison_range(survivors.start, survivors.len() as u32 * 4);
        self.nursery.flip(to_top);
        self.set_top(EDEN_START);
        self.set_limit(EDEN_START);
        self.wants_collection = false;
    }

    /// Marks everything while the guest stands still, after what was under way.
    pub(crate) fn major(&mut self, cause: GcCause, roots: &mut dyn RootProvider) {
        self.finish_marking(cause, roots);
        if self.log.is_lost() {
            return self.compact(GcCause::LogLost, false, roots);
        }
        self.verify(When::BeforeCollection, roots);
        let stop = self.stop();
        let minor = self.empty_nursery(true, roots);
        self.promote_all_next = false;
        roots.after_collection(true);
        let mut done = self.mark_all(roots);
        done.minor = minor;
        self.tell(GcEventKind::Major, cause, stop, done);
        self.verify(When::AfterMajor, roots);
    }

    /// Marks everything that is reachable and starts the sweep. The nursery is empty.
    fn mark_all(&mut self, roots: &mut dyn RootProvider) -> Done {
        self.sweep_all();
        let start = self.clock(true);
        self.begin_epoch();
        let frames = roots.frames(FrameScope::All, &mut RootCursor::default(), self.loan.marker());
        let others = roots.all(&mut RootCursor::default(), self.loan.marker());
        self.loan.marker().set_blocks_high(self.old.blocks.high());
        loop {
            self.loan.marker().grey.make_room(
                &mut self.cage,
                2 * PORTION_FIELDS as usize,
                self.charge.available_bytes(),
            );
            if self.loan.marker().step(PORTION_FIELDS) {
                break;
            }
        }
        let mark = self.loan.marker().work;
        self.end_epoch(&mark, start);
        let (roots, frames) = (frames.slots + others.slots, frames.frames);
        Done { mark, roots, frames, live_bytes: mark.live_bytes, ..Done::default() }
    }

    /// The same, and objects of blocks that are to be emptied move.
    fn move_all(&mut self, roots: &mut dyn RootProvider) -> Done {
        self.sweep_all();
        let start = self.clock(true);
        self.begin_epoch();
        let mut tracer = MoveTracer {
            memory: self.memory,
            old: &mut self.old,
            cage: &mut self.cage,
            grey: &mut self.loan.marker().grey,
            available_bytes: self.charge.available_bytes(),
            work: MarkWork::default(),
        };
        let frames = roots.frames(FrameScope::All, &mut RootCursor::default(), &mut tracer);
        let others = roots.all(&mut RootCursor::default(), &mut tracer);
        tracer.run();
        let mark = tracer.work;
        self.end_epoch(&mark, start);
        let (roots, frames) = (frames.slots + others.slots, frames.frames);
        Done { mark, roots, frames, live_bytes: mark.live_bytes, ..Done::default() }
    }

    /// Nothing is marked in a new epoch. Everything is swept.
    pub(crate) fn begin_epoch(&mut self) {
        self.old.retire();
        self.old.epoch = 3 - self.old.epoch;
        self.loan.marker().begin(self.old.epoch);
        self.prepare_waiting();
    }

    fn end_epoch(&mut self, mark: &MarkWork, start: Clock) {
        self.promote_all_next = false;
        let mark_ns = self.clock(true).since(start);
        self.count_marking(mark, 0, mark_ns);
        sweep::begin(&mut self.old, &mut self.batches, &mut self.hosts, &mut self.weak);
    }

    /// Compacts: empties blocks into ready ones, the sparsest first as far as those carry (`all`: every block).
    /// Also what repairs a lost log, since it finds every reference by walking the heap.
    pub(crate) fn compact(&mut self, cause: GcCause, all: bool, roots: &mut dyn RootProvider) {
        self.finish_marking(cause, roots);
        let lost = self.log.is_lost();
        self.verify(if lost { When::BeforeRepair } else { When::BeforeCollection }, roots);
        let stop = self.stop();
        let mut minor = MinorWork::default();
        if !lost {
            minor = self.empty_nursery(true, roots);
            self.mark_all(roots);
            self.sweep_all();
            self.choose_evacuated(all);
        }
        let mut done = self.move_all(roots);
        if lost {
            self.log.clear();
            self.forget_chunk_states();
            self.hosts.after_minor(self.memory);
            self.weak.after_minor(self.memory);
            let to_top = self.nursery.to_space().cursor;
            self.nursery_emptied(to_top);
        }
        self.sweep_all();
        done.minor = minor;
        self.stats.compactions += 1;
        self.tell(GcEventKind::Major, cause, stop, done);
        roots.after_collection(true);
        self.verify(When::AfterMajor, roots);
    }

    /// Picks the blocks that a compaction empties.
    fn choose_evacuated(&mut self, all: bool) {
        let memory = self.memory;
        let used = self.old.blocks.used_count();
        // As many ready blocks as the limit and the system give; fewer only mean that fewer blocks are emptied.
        let live_blocks = (self.stats.live_bytes / BLOCK_BYTES as u64) as u32;
        let _ = self.make_ready(2 + if all { used + used / 8 } else { used.min(live_blocks + live_blocks / 8) });
        // Blocks by how much of them lives, in steps of 1/64.
        let step = BLOCK_BYTES / 64;
        let mut counts = [0u64; 65];
        for block in 0..self.old.blocks.high() {
            let entry = memory.block(block);
            if entry.state() == BlockState::Small {
                counts[(entry.live_units() as u32 * 8 / step).min(64) as usize] += 1;
            }
        }
        // Ready blocks lose up to a sixteenth to objects that do not fit their rest.
        let mut room = self.old.blocks.ready_count() as u64 * (BLOCK_BYTES - BLOCK_BYTES / 16) as u64;
        let most_live = if all { 64 } else { 56 };
        let mut taken = [0u64; 65];
        for (index, count) in counts.iter().enumerate().take(most_live + 1) {
            let each = (index as u64 + 1) * step as u64;
            taken[index] = if all { *count } else { (*count).min(room / each) };
            room = room.saturating_sub(taken[index] * each);
        }
        for block in 0..self.old.blocks.high() {
            let entry = memory.block(block);
            let left = &mut taken[(entry.live_units() as u32 * 8 / step).min(64) as usize];
            if entry.state() == BlockState::Small && *left > 0 {
                *left -= 1;
                entry.set_group(COMPACTED);
            }
        }
    }

    /// After a lost log, chunk states may be set that no entry names.
    fn forget_chunk_states(&mut self) {
        use heapwood_gc_abi::space::chunk_state_index;
        let first = chunk_state_index(crate::blocks::block_start(0), 0);
        let end = chunk_state_index(crate::blocks::block_start(self.old.blocks.high()) - 2, 0);
        for index in first..end {
            self.memory.set_chunk_state(index, 0);
        }
    }

    /// The mutator waits: the whole heap is swept and what is free goes back, so that it can be used for anything.
    pub(crate) fn stall(&mut self) {
        let stop = self.stop();
        self.sweep_all();
        // The nursery is not empty if what ran was the rest of a marking.
        let keep = self.nursery.reserve_blocks(self.nursery.granted());
        self.old.blocks.trim(&mut self.cage, &mut self.charge, keep, u32::MAX);
        self.stalled(stop);
    }

    /// The mutator has waited for memory since `stop`.
    pub(crate) fn stalled(&mut self, stop: Stop) {
        self.stats.stalls += 1;
        self.tell(GcEventKind::Stall, GcCause::Emergency, stop, Done::default());
    }

    pub(crate) fn stop(&self) -> Stop {
        let young_before = self.nursery_used();
        Stop {
            // A minor of almost nothing should cost almost nothing.
            start: self.clock(self.is_watched || young_before >= COPY_SAMPLE_BYTES_MIN),
            young_before,
            old_before: self.old.blocks.used_count() as u64 * BLOCK_BYTES as u64,
        }
    }

    /// Bytes of the nursery that objects take.
    fn nursery_used(&self) -> u64 {
        (self.top() - EDEN_START) as u64 * 4 + self.nursery.survivors().len() as u64 * 4
    }

    fn count_minor(&mut self, work: &MinorWork) {
        let stats = &mut self.stats;
        stats.aged_bytes += work.aged_bytes;
        stats.promoted_bytes += work.promoted_bytes;
        stats.copied_objects += work.copied_objects;
        stats.log_entries += work.log_entries;
        stats.frames += work.frames;
        stats.frame_slots += work.frame_slots;
        stats.root_slots += work.root_slots;
        let copied = work.aged_bytes + work.promoted_bytes;
        stats.minor_copied_bytes_max = stats.minor_copied_bytes_max.max(copied);
        stats.minor_log_entries_max = stats.minor_log_entries_max.max(work.log_entries);
        stats.minor_log_fields_max = stats.minor_log_fields_max.max(work.log_fields);
        stats.minor_frames_max = stats.minor_frames_max.max(work.frames);
    }

    /// Ends a stop: counts its length and tells the listener. Returns the CPU time that it took.
    pub(crate) fn tell(&mut self, kind: GcEventKind, cause: GcCause, stop: Stop, done: Done) -> u64 {
        let now = self.clock(stop.start.cpu_ns.is_some());
        let (pause_ns, cpu_ns) = (now.wall_ns - stop.start.wall_ns, now.since(stop.start));
        match kind {
            GcEventKind::Minor => {
                self.stats.minors += 1;
                self.stats.minor_pauses.add(pause_ns);
            }
            GcEventKind::Major => self.stats.major_pauses.add(pause_ns),
            GcEventKind::Stall => self.stats.stall_pauses.add(pause_ns),
            GcEventKind::MarkStart | GcEventKind::MarkEnd | GcEventKind::Slice | GcEventKind::Evacuate => {
                self.stats.slice_pauses.add(pause_ns);
                self.stats.slice_fields_max = self.stats.slice_fields_max.max(done.mark.fields + done.roots);
            }
        }
        if self.is_watched {
            self.tell_listeners(kind, cause, stop, done, now);
        }
        cpu_ns
    }

    #[cold]
    fn tell_listeners(&mut self, kind: GcEventKind, cause: GcCause, stop: Stop, done: Done, now: Clock) {
        if let Some(mut listener) = self.listener.take() {
            let event = self.event(kind, cause, stop, done, now);
            match catch_unwind(AssertUnwindSafe(|| listener(&event))) {
                Ok(()) => self.listener = Some(listener),
                Err(panic) => self.listener_panicked(panic),
            }
        }
        self.tell_helpers();
    }

    /// The event of a stop.
    fn event(&self, kind: GcEventKind, cause: GcCause, stop: Stop, done: Done, now: Clock) -> GcEvent {
        let old_used = self.old.blocks.used_count() as u64 * BLOCK_BYTES as u64;
        let Done { minor, mark, roots, frames, live_bytes, swept, handed_over, evacuated } = done;
        GcEvent {
            t_us: now.wall_ns as f64 / 1e3,
            kind,
            cause,
            pause_us: (now.wall_ns - stop.start.wall_ns) as f64 / 1e3,
            cpu_us: now.since(stop.start) as f64 / 1e3,
            young_before: stop.young_before,
            young_after: self.nursery_used(),
            old_before: stop.old_before,
            old_after: if live_bytes > 0 { live_bytes } else { old_used },
            heap_committed: self.charge.used_bytes(),
            promoted: minor.promoted_bytes + evacuated.moved_bytes,
            remembered: minor.log_entries + evacuated.words,
            roots,
            frames,
            work_units: minor.copied_objects
                + minor.log_fields
                + roots
                + mark.fields
                + swept
                + handed_over
                + evacuated.objects
                + evacuated.words,
        }
    }

    /// Tells when helpers worked, as far as they have noted it.
    pub(crate) fn tell_helpers(&mut self) {
        let Some(mut listener) = self.helper_listener.take() else { return };
        let born = self.born;
        let told = catch_unwind(AssertUnwindSafe(|| {
            let mut tell = |task, span: Span| {
                let us = |instant: Instant| instant.saturating_duration_since(born).as_nanos() as f64 / 1e3;
                let (start_us, end_us) = (us(span.start), us(span.end));
                listener(&HelperSpan { task, start_us, end_us, work_units: span.units });
            };
            self.loan.take_spans(|span| tell(HelperTask::Mark, span));
            self.batches.take_spans(|span| tell(HelperTask::Sweep, span));
        }));
        match told {
            Ok(()) => self.helper_listener = Some(listener),
            Err(panic) => {
                self.loan.watch(false);
                self.batches.watch(false);
                self.listener_panicked(panic);
            }
        }
    }

    /// A listener has panicked and is not there any more. Of several panics the first goes on.
    #[cold]
    fn listener_panicked(&mut self, panic: Box<dyn std::any::Any + Send>) {
        self.is_watched = self.listener.is_some() || self.helper_listener.is_some();
        if self.listener_panic.is_none() {
            self.listener_panic = Some(ListenerPanic(panic));
        }
    }
}
