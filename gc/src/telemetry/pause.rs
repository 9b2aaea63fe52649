//! One pause of the guest, from its beginning to the event that is made of it.

use super::clock::Clock;
use super::event::{GcCause, GcEvent, GcEventKind};
use super::work::Done;

/// How much of the heap is in use.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Bytes of the nursery.
    pub young_bytes: u64,
    /// Bytes of blocks of the old and large spaces.
    pub old_bytes: u64,
    /// Memory that the heap uses, its tables included.
    pub committed_bytes: u64,
}

/// The state when a pause began.
#[derive(Clone, Copy, Debug)]
pub struct Pause {
    start: Clock,
    before: Usage,
}

impl Pause {
    /// A pause begins at `start`.
    pub fn new(start: Clock, before: Usage) -> Pause {
        Pause { start, before }
    }

    /// Whether the CPU time of the pause is measured.
    pub fn has_cpu_time(&self) -> bool {
        self.start.cpu_ns.is_some()
    }

    /// Whether more than `ns` have passed at `now`.
    pub fn has_taken(&self, ns: u64, now: Clock) -> bool {
        now.wall_ns - self.start.wall_ns > ns
    }
}

/// A pause that has ended.
#[derive(Clone, Copy, Debug)]
pub struct EndedPause {
    kind: GcEventKind,
    cause: GcCause,
    pause: Pause,
    done: Done,
    end: Clock,
}

impl EndedPause {
    /// A pause has ended at `end`.
    pub fn new(kind: GcEventKind, cause: GcCause, pause: Pause, done: Done, end: Clock) -> EndedPause {
        EndedPause { kind, cause, pause, done, end }
    }

    /// Its length in nanoseconds.
    pub fn pause_ns(&self) -> u64 {
        self.end.wall_ns - self.pause.start.wall_ns
    }

    /// CPU time that it took, in nanoseconds; its length where that is not known.
    pub fn cpu_ns(&self) -> u64 {
        self.end.since(self.pause.start)
    }

    /// Fields marked and root slots visited.
    pub fn fields(&self) -> u64 {
        self.done.mark.fields + self.done.roots
    }

    /// The event; `after` is in use now.
    pub fn event(&self, after: Usage) -> GcEvent {
        let EndedPause { kind, cause, pause, done, end } = *self;
        GcEvent {
            t_us: end.wall_ns as f64 / 1e3,
            kind,
            cause,
            pause_us: self.pause_ns() as f64 / 1e3,
            cpu_us: self.cpu_ns() as f64 / 1e3,
            young_before: pause.before.young_bytes,
            young_after: after.young_bytes,
            old_before: pause.before.old_bytes,
            old_after: if done.live_bytes > 0 { done.live_bytes } else { after.old_bytes },
            heap_committed: after.committed_bytes,
            promoted: done.minor.promoted_bytes + done.evacuated.moved_bytes,
            remembered: done.minor.log_entries + done.evacuated.words,
            roots: done.roots,
            frames: done.frames,
            work_units: done.units(),
        }
    }
}
