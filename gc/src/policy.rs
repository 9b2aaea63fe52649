//! When a marking starts, how fast it goes, and how large eden is.
//!
//! 1. After a marking that found L bytes alive the old space may grow to a goal of L + sqrt(L * g / s / c), with g the
//!    rate at which it was filled, s the speed of marking and c a constant (the rule of MemBalancer): heaps that fill
//!    fast or are slow to trace get more room. A marking starts when three quarters of that room are filled, and its
//!    slices are as long as it takes to end before the rest is.
//! 2. Eden gets the size that takes 0.23 ms to copy at the speed that was measured, from 256 KiB to 1 MiB; it
//!    shrinks when the speed falls so that it would take more than 0.3 ms. (Ten times that for throughput.)
//!
//! Times are the thread's CPU time where that can be had, so that a busy machine does not look like a slow one.

use crate::config::{GcProfile, NURSERY_BYTES_DEFAULT};
use crate::mark::MarkWork;

/// c of the rule, in 1/bytes: 20 MB alive, filled at 1.6 GB/s, traced at 6 GB/s, get 26 MB.
const BALANCE: f64 = 8.0e-9;
/// Part of the room that is left for what is promoted while a marking runs.
const MARKING_PART: u64 = 4;
/// Fields for each byte of the old space, before that was measured.
const FIELDS_PER_BYTE: f64 = 0.2;
/// Room that every heap gets.
const ROOM_BYTES_MIN: f64 = (8 << 20) as f64;
/// Eden's sizes are multiples of this.
const EDEN_STEP_BYTES: u32 = 64 << 10;
/// A minor that copies less says nothing about the speed of copying.
pub const COPY_SAMPLE_BYTES_MIN: u64 = 32 << 10;
/// What eden's size is adapted to.
#[derive(Clone, Copy, Debug)]
struct Aim {
    /// Copying time that a minor may take at worst: a larger eden shrinks.
    copy_ns_max: f64,
    /// Copying time that is aimed at.
    copy_ns: f64,
    /// Eden never grows beyond this by itself.
    eden_bytes_max: u32,
}

impl Aim {
    fn of(profile: GcProfile) -> Aim {
        match profile {
            GcProfile::Latency => Aim { copy_ns_max: 300_000.0, copy_ns: 230_000.0, eden_bytes_max: 1 << 20 },
            GcProfile::Throughput => Aim { copy_ns_max: 4_000_000.0, copy_ns: 3_000_000.0, eden_bytes_max: 8 << 20 },
        }
    }
}

/// A point in time, on two clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    /// Nanoseconds since the heap was made.
    pub wall_ns: u64,
    /// CPU time of the thread in nanoseconds, if it was asked for: that is a system call.
    pub cpu_ns: Option<u64>,
}

impl Clock {
    /// CPU time since `start`. If that is not known, or the thread is another one since then, the time that passed.
    pub fn since(self, start: Clock) -> u64 {
        let wall_ns = self.wall_ns - start.wall_ns;
        match (self.cpu_ns, start.cpu_ns) {
            (Some(cpu_ns), Some(start_ns)) if cpu_ns >= start_ns => (cpu_ns - start_ns).min(wall_ns),
            _ => wall_ns,
        }
    }
}

/// Decides on markings and on eden's size.
#[derive(Clone, Debug)]
pub struct Policy {
    threshold_bytes: u64,
    live_bytes: u64,
    last_end: Clock,
    /// Fields marked for each byte found alive.
    fields_per_byte: f64,
    /// Of the marking under way: fields that it is expected to mark, bytes in the old space when it started.
    expected_fields: f64,
    started_bytes: u64,
    /// Bytes copied per nanosecond (0: not known).
    copy_speed: f64,
    aim: Aim,
}

impl Policy {
    /// Before the first marking.
    pub fn new(initial_bytes: u64, limit_bytes: u64, profile: GcProfile) -> Policy {
        Policy {
            threshold_bytes: initial_bytes.min(limit_bytes / 2),
            live_bytes: 0,
            last_end: Clock::default(),
            fields_per_byte: FIELDS_PER_BYTE,
            expected_fields: 0.0,
            started_bytes: 0,
            copy_speed: 0.0,
            aim: Aim::of(profile),
        }
    }

    /// Bytes that may be added to the old space between two markings.
    pub fn room_bytes(&self) -> u64 {
        self.threshold_bytes - self.live_bytes
    }

    /// Whether a marking is due when `allocated_bytes` were added to the old space since the last one.
    pub fn is_marking_due(&self, allocated_bytes: u64) -> bool {
        allocated_bytes >= self.room_bytes() - self.room_bytes() / MARKING_PART
    }

    /// A marking starts.
    pub fn marking_started(&mut self, allocated_bytes: u64) {
        self.started_bytes = allocated_bytes;
        self.expected_fields = (self.live_bytes + allocated_bytes) as f64 * self.fields_per_byte;
    }

    /// Fields that are still to be marked now so that the marking, which has marked `fields`, ends before the room is
    /// used up, of which `allocated_bytes` are.
    pub fn fields_due(&self, fields: u64, allocated_bytes: u64) -> u64 {
        let share = (allocated_bytes - self.started_bytes) as f64 / self.room_left() as f64;
        if share >= 1.0 {
            return u64::MAX;
        }
        ((self.expected_fields * share) as u64).saturating_sub(fields)
    }

    /// Whether the room is used up while a marking runs.
    pub fn is_late(&self, allocated_bytes: u64) -> bool {
        allocated_bytes - self.started_bytes > self.room_left()
    }

    fn room_left(&self) -> u64 {
        self.room_bytes().saturating_sub(self.started_bytes).max(self.room_bytes() / MARKING_PART / 2)
    }

    /// A marking ended `now` after `mark_ns`: `live_bytes` are alive or newer, `filled_bytes` were added since the last
    /// one; old objects may take `usable_bytes`.
    pub fn after_marking(
        &mut self,
        now: Clock,
        work: &MarkWork,
        live_bytes: u64,
        filled_bytes: u64,
        mark_ns: u64,
        usable_bytes: u64,
    ) {
        let seconds = |ns: u64| (ns as f64 / 1e9).max(1e-6);
        let filled = filled_bytes as f64 / seconds(now.since(self.last_end));
        let traced = (work.live_bytes.max(1 << 16)) as f64 / seconds(mark_ns);
        let live = live_bytes as f64;
        let room = (live * filled / traced / BALANCE).sqrt().clamp(ROOM_BYTES_MIN, 2.0 * live + 2.0 * ROOM_BYTES_MIN);
        // In a heap that is nearly full, what is left has to do.
        let least = live_bytes + (usable_bytes / 32).max(256 << 10);
        self.threshold_bytes = (live_bytes + room as u64).min(usable_bytes.max(least));
        self.live_bytes = live_bytes;
        self.last_end = now;
        if work.live_bytes > 1 << 16 {
            self.fields_per_byte = work.fields as f64 / work.live_bytes as f64;
        }
    }

    /// A minor copied `bytes` in `ns`: returns the size that eden should have.
    pub fn eden_bytes_after(&mut self, eden_bytes: u32, bytes: u64, ns: u64) -> u32 {
        if bytes < COPY_SAMPLE_BYTES_MIN || ns == 0 {
            return eden_bytes;
        }
        let speed = bytes as f64 / ns as f64;
        // Samples count by their bytes: a minor that copies all of eden is what the bound is about.
        let weight = (bytes as f64 / (4.0 * eden_bytes as f64)).min(0.25);
        self.copy_speed =
            if self.copy_speed == 0.0 { speed } else { self.copy_speed + (speed - self.copy_speed) * weight };
        // Young objects are eden's and a quarter as much that survived before.
        let fits = |ns: f64| (self.copy_speed * ns / 1.25) as u32 / EDEN_STEP_BYTES * EDEN_STEP_BYTES;
        let least = eden_bytes.min(NURSERY_BYTES_DEFAULT);
        if eden_bytes > fits(self.aim.copy_ns_max) {
            fits(self.aim.copy_ns).max(least)
        } else if fits(self.aim.copy_ns) > eden_bytes {
            fits(self.aim.copy_ns).min(self.aim.eden_bytes_max).min(eden_bytes * 2).max(eden_bytes)
        } else {
            eden_bytes
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// Eden after minors that copy half of it at `speed` bytes per nanosecond.
    fn eden_at(policy: &mut Policy, mut eden_bytes: u32, speed: f64) -> u32 {
        for _ in 0..100 {
            let bytes = eden_bytes as u64 / 2;
            eden_bytes = policy.eden_bytes_after(eden_bytes, bytes, (bytes as f64 / speed) as u64);
        }
        eden_bytes
    }

    #[test]
    fn eden_follows_the_speed_of_copying() {
        let mut policy = Policy::new(16 * MIB, 1 << 30, GcProfile::Latency);
        assert_eq!(eden_at(&mut policy, 256 << 10, 0.5), 256 << 10, "never smaller than at first");
        assert_eq!(eden_at(&mut policy, 256 << 10, 3.5), 576 << 10);
        assert_eq!(eden_at(&mut policy, 576 << 10, 100.0), 1 << 20);
        for speed in [1.5, 2.0, 3.3, 4.2] {
            let eden_bytes = eden_at(&mut policy, 1 << 20, speed);
            assert!(eden_bytes as f64 * 1.25 / speed <= 300_000.0, "{eden_bytes} bytes at {speed} bytes/ns");
            assert!(eden_bytes as f64 * 1.25 / speed >= 0.65 * 300_000.0, "{eden_bytes} bytes at {speed}");
        }
    }

    #[test]
    fn one_slow_minor_does_not_shrink_eden_for_long() {
        let mut policy = Policy::new(16 * MIB, 1 << 30, GcProfile::Latency);
        let eden_bytes = eden_at(&mut policy, 256 << 10, 4.0);
        let shrunk = policy.eden_bytes_after(eden_bytes, eden_bytes as u64 / 10, 20_000_000);
        assert_eq!(shrunk, eden_bytes);
    }

    #[test]
    fn heaps_that_fill_fast_get_more_room() {
        let room = |allocated_bytes| {
            let mut policy = Policy::new(16 * MIB, 1 << 30, GcProfile::Latency);
            let now = Clock { wall_ns: 100_000_000, cpu_ns: Some(100_000_000) };
            let work = MarkWork { live_bytes: 20 * MIB, fields: 4 * MIB, ..MarkWork::default() };
            policy.after_marking(now, &work, 20 * MIB, allocated_bytes, 20_000_000, 1 << 30);
            policy.room_bytes()
        };
        assert!(room(80 * MIB) > room(20 * MIB) * 3 / 2);
        assert_eq!(room(0), ROOM_BYTES_MIN as u64);
    }
}
