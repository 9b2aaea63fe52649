//! One stop of the guest, from its begin to the event that is made of it.

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

/// What was the case when a stop began.
#[derive(Clone, Copy, Debug)]
pub struct Stop {
    start: Clock,
    before: Usage,
}

impl Stop {
    /// A stop begins at `start`.
    pub fn new(start: Clock, before: Usage) -> Stop {
        Stop { start, before }
    }

    /// Whether the CPU time of the stop is wanted.
    pub fn has_cpu_time(&self) -> bool {
        self.start.cpu_ns.is_some()
    }

    /// Whether more than `ns` have passed at `now`.
    pub fn has_taken(&self, ns: u64, now: Clock) -> bool {
        now.wall_ns - self.start.wall_ns > ns
    }
}

/// A stop that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Stopped {
    kind: GcEventKind,
    cause: GcCause,
    stop: Stop,
    done: Done,
    end: Clock,
}

impl Stopped {
    /// A stop has ended at `end`.
    pub fn new(kind: GcEventKind, cause: GcCause, stop: Stop, done: Done, end: Clock) -> Stopped {
        Stopped { kind, cause, stop, done, end }
    }

    /// Its length in nanoseconds.
    pub fn pause_ns(&self) -> u64 {
        self.end.wall_ns - self.stop.start.wall_ns
    }

    /// CPU time that it took, in nanoseconds; its length where that is not known.
    pub fn cpu_ns(&self) -> u64 {
        self.end.since(self.stop.start)
    }

    /// Fields marked and root slots visited.
    pub fn fields(&self) -> u64 {
        self.done.mark.fields + self.done.roots
    }

    /// The event; `after` is in use now.
    pub fn event(&self, after: Usage) -> GcEvent {
        let Stopped { kind, cause, stop, done, end } = *self;
        GcEvent {
            t_us: end.wall_ns as f64 / 1e3,
            kind,
            cause,
            pause_us: self.pause_ns() as f64 / 1e3,
            cpu_us: self.cpu_ns() as f64 / 1e3,
            young_before: stop.before.young_bytes,
            young_after: after.young_bytes,
            old_before: stop.before.old_bytes,
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
