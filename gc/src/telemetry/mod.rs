//! What the heap tells about itself: numbers, events and samples.
//!
//! 1. A pause of the guest begins with [`Telemetry::pause`] and ends with [`Telemetry::end`], which counts it. If
//!    somebody listens, an event is made of it.
//! 2. A listener that panics is not called again. Its panic waits for the end of the operation under way.
//! 3. What parts did is counted in the units of [`work`].

pub mod clock;
pub mod event;
pub mod pause;
pub mod sampling;
pub mod stats;
pub mod work;

use crate::helper::spans::WorkSpan;
use clock::{Birth, Clock};
use event::{GcCause, GcEvent, GcEventKind, HelperSpan, HelperTask};
use pause::{EndedPause, Pause, Usage};
use sampling::Sampler;
use stats::HeapStats;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;
use work::{Done, MarkWork, MinorWork, RelocationWork};

/// Receives events (see [`crate::Heap::set_listener`]). If it panics it is not called again, and its panic goes on when
/// what the heap is doing is done: see [`crate::Heap::set_listener`].
pub type GcListener = Box<dyn FnMut(&GcEvent) + Send>;

/// Hears when helpers worked (see [`crate::Heap::set_helper_listener`]).
pub type HelperListener = Box<dyn FnMut(&HelperSpan) + Send>;

/// A minor that copies less says nothing about the speed of copying: its CPU time is measured only for listeners.
pub const COPY_SAMPLE_BYTES_MIN: u64 = 32 << 10;

/// The panic of a listener.
struct ListenerPanic(Box<dyn Any + Send>);

/// The heap's numbers, and who hears of them.
pub struct Telemetry {
    birth: Birth,
    stats: HeapStats,
    listener: Option<GcListener>,
    helper_listener: Option<HelperListener>,
    /// Whether there is a listener of either kind.
    is_watched: bool,
    /// The panic of a listener, which goes on at the end of the operation under way.
    panic: Option<ListenerPanic>,
    sampler: Option<Sampler>,
}

impl Telemetry {
    /// Numbers that are all 0, without listeners.
    pub fn new() -> Telemetry {
        Telemetry {
            stats: HeapStats::default(),
            listener: None,
            helper_listener: None,
            is_watched: false,
            panic: None,
            sampler: None,
            birth: Birth::now(),
        }
    }

    /// When the heap was made.
    pub fn born(&self) -> Instant {
        self.birth.instant()
    }

    /// Now, with the thread's CPU time if `with_cpu`.
    pub fn clock(&self, with_cpu: bool) -> Clock {
        self.birth.clock(with_cpu)
    }

    /// The numbers so far.
    pub fn stats(&self) -> &HeapStats {
        &self.stats
    }

    /// Whether anybody listens.
    #[inline]
    pub fn is_watched(&self) -> bool {
        self.is_watched
    }
}

/// Pauses and listeners.
impl Telemetry {
    /// A pause begins.
    pub fn pause(&self, before: Usage) -> Pause {
        // Reading the CPU clock is a system call, which a minor of almost nothing should not have to pay for.
        let with_cpu = self.is_watched || before.young_bytes >= COPY_SAMPLE_BYTES_MIN;
        Pause::new(self.clock(with_cpu), before)
    }

    /// Ends a pause, and counts its length.
    pub fn end(&mut self, kind: GcEventKind, cause: GcCause, pause: Pause, done: Done) -> EndedPause {
        let ended = EndedPause::new(kind, cause, pause, done, self.clock(pause.has_cpu_time()));
        let (stats, pause_ns) = (&mut self.stats, ended.pause_ns());
        match kind {
            GcEventKind::Minor => {
                stats.minors += 1;
                stats.minor_pauses.add(pause_ns);
            }
            GcEventKind::Major => stats.major_pauses.add(pause_ns),
            GcEventKind::Stall => stats.stall_pauses.add(pause_ns),
            GcEventKind::MarkStart | GcEventKind::MarkEnd | GcEventKind::Slice | GcEventKind::Evacuate => {
                stats.slice_pauses.add(pause_ns);
                stats.slice_fields_max = stats.slice_fields_max.max(ended.fields());
            }
        }
        ended
    }

    /// Sets who receives the events.
    pub fn set_listener(&mut self, listener: Option<GcListener>) {
        self.listener = listener;
        self.update_watched();
    }

    /// Sets who hears when helpers worked.
    pub fn set_helper_listener(&mut self, listener: Option<HelperListener>) {
        self.helper_listener = listener;
        self.update_watched();
    }

    fn update_watched(&mut self) {
        self.is_watched = self.listener.is_some() || self.helper_listener.is_some();
    }

    /// Tells the listener, if there is one.
    pub fn tell(&mut self, event: &GcEvent) {
        let Some(mut listener) = self.listener.take() else { return };
        match catch_unwind(AssertUnwindSafe(|| listener(event))) {
            Ok(()) => self.listener = Some(listener),
            Err(panic) => self.listener_panicked(panic),
        }
    }

    /// Tells the listener when helpers worked; `spans` passes on what they have recorded. False if there is no listener
    /// any more, since it has panicked.
    pub fn tell_helpers(&mut self, spans: impl FnOnce(&mut dyn FnMut(HelperTask, WorkSpan))) -> bool {
        let Some(mut listener) = self.helper_listener.take() else { return true };
        let birth = self.birth;
        let told = catch_unwind(AssertUnwindSafe(|| {
            spans(&mut |task, span| {
                let (start_us, end_us) = (birth.us_until(span.start), birth.us_until(span.end));
                listener(&HelperSpan { task, start_us, end_us, work_units: span.units });
            });
        }));
        match told {
            Ok(()) => {
                self.helper_listener = Some(listener);
                true
            }
            Err(panic) => {
                self.listener_panicked(panic);
                false
            }
        }
    }

    /// Keeps the panic of a listener, which is removed. If there are several panics, the first one goes on.
    #[cold]
    fn listener_panicked(&mut self, panic: Box<dyn Any + Send>) {
        self.update_watched();
        if self.panic.is_none() {
            self.panic = Some(ListenerPanic(panic));
        }
    }

    /// If a listener has panicked during the operation that ends here, its panic goes on.
    #[inline]
    pub fn resume_panic(&mut self) {
        if let Some(panic) = self.panic.take() {
            std::panic::resume_unwind(panic.0);
        }
    }
}

/// Counting what was done.
impl Telemetry {
    /// Bytes found live by the last marking.
    pub fn live_bytes(&self) -> u64 {
        self.stats.live_bytes
    }

    /// Objects of `bytes` were allocated in eden, or in the null collector's area.
    pub fn count_eden(&mut self, bytes: u64) {
        self.stats.eden_bytes += bytes;
    }

    /// An object of `bytes` was allocated in the old or large space.
    pub fn count_old(&mut self, bytes: u64) {
        self.stats.old_allocated_bytes += bytes;
    }

    /// What a minor, or the promotion before a marking, did.
    pub fn count_minor(&mut self, work: &MinorWork) {
        let stats = &mut self.stats;
        stats.aged_bytes += work.aged_bytes;
        stats.promoted_bytes += work.promoted_bytes;
        stats.copied_objects += work.copied_objects;
        stats.log_entries += work.log_entries;
        stats.frames += work.frames;
        stats.frame_slots += work.frame_slots;
        stats.root_slots += work.root_slots;
        let copied = work.copied_bytes();
        stats.minor_copied_bytes_max = stats.minor_copied_bytes_max.max(copied);
        stats.minor_log_entries_max = stats.minor_log_entries_max.max(work.log_entries);
        stats.minor_log_fields_max = stats.minor_log_fields_max.max(work.log_fields);
        stats.minor_frames_max = stats.minor_frames_max.max(work.frames);
    }

    /// A marking of any kind has ended; `live_bytes` are alive or newer.
    pub fn count_marking(&mut self, mark: &MarkWork, live_bytes: u64) {
        let stats = &mut self.stats;
        stats.majors += 1;
        stats.marked_objects += mark.objects;
        stats.mark_overflows += mark.overflows;
        stats.held_ephemerons += mark.held_ephemerons;
        stats.moved_bytes += mark.moved_bytes;
        stats.live_bytes = live_bytes;
    }

    /// A marking that went on in slices has ended.
    pub fn count_sliced_marking(&mut self) {
        self.stats.markings += 1;
    }

    /// A compaction has ended.
    pub fn count_compaction(&mut self) {
        self.stats.compactions += 1;
    }

    /// The mutator had to wait.
    pub fn count_stall(&mut self) {
        self.stats.stalls += 1;
    }

    /// A helper has swept `blocks`.
    pub fn count_helped(&mut self, blocks: u64) {
        self.stats.helper_swept_blocks += blocks;
    }

    /// A choice of sparse blocks looked at `entries_max` entries of the block table, or one before it did.
    pub fn count_choice(&mut self, entries_max: u64) {
        self.stats.evacuation_entries_max = entries_max;
    }

    /// Sparse blocks were evacuated in a pause.
    pub fn count_evacuation(&mut self, evacuated: &RelocationWork) {
        let stats = &mut self.stats;
        stats.evacuations += 1;
        stats.evacuated_blocks += evacuated.blocks;
        stats.evacuated_bytes += evacuated.moved_bytes;
        stats.evacuation_bytes_max = stats.evacuation_bytes_max.max(evacuated.moved_bytes);
        stats.evacuation_words_max = stats.evacuation_words_max.max(evacuated.words);
    }

    /// Blocks that were chosen are not evacuated.
    pub fn count_called_off(&mut self) {
        self.stats.evacuations_called_off += 1;
    }
}

/// Samples of allocation. Positions are in the sequence of allocated bytes, of which the last `young_bytes` are not
/// counted yet.
impl Telemetry {
    /// Places sample points from now on, one for every `mean_bytes` on average; 0 ends the sampling.
    pub fn sample_allocations(&mut self, mean_bytes: u64, seed: u64, young_bytes: u64) {
        let start = self.allocated_bytes(young_bytes);
        self.sampler = (mean_bytes > 0).then(|| Sampler::new(mean_bytes, seed, start));
    }

    /// How many sample points lie under the next `bytes`, which are about to be allocated.
    pub fn take_samples(&mut self, bytes: u64, young_bytes: u64) -> u64 {
        let end = self.allocated_bytes(young_bytes) + bytes;
        self.sampler.as_mut().map_or(0, |sampler| sampler.pass(end))
    }

    /// Points under objects that the host allocated.
    pub fn unclaimed_samples(&self) -> u64 {
        self.sampler.as_ref().map_or(0, Sampler::unclaimed)
    }

    /// Bytes up to the next point behind an object of `bytes` that is allocated now; none without samples.
    pub fn bytes_before_sample(&mut self, bytes: u64, young_bytes: u64) -> Option<u64> {
        let allocated = self.allocated_bytes(young_bytes);
        Some(self.sampler.as_mut()?.bytes_after(allocated, bytes))
    }

    fn allocated_bytes(&self, young_bytes: u64) -> u64 {
        self.stats.eden_bytes + self.stats.old_allocated_bytes + young_bytes
    }
}
