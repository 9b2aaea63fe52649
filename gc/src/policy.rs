//! When a major starts, and how large eden is.
//!
//! 1. A major starts when the old space passes a threshold. After one that found L bytes alive the threshold is
//!    L + sqrt(L * g / s / c), with g the rate at which the old space was filled, s the speed of marking and c a
//!    constant (the rule of MemBalancer): heaps that fill fast or are slow to trace get more room.
//! 2. Eden gets the size that takes 0.23 ms to copy at the speed that was measured, from 256 KiB to 1 MiB; it
//!    shrinks when the speed falls so that it would take more than 0.3 ms.
//!
//! Times are the thread's CPU time where that can be had, so that a busy machine does not look like a slow one.

use crate::config::NURSERY_BYTES_DEFAULT;

/// c of the rule, in 1/bytes: 20 MB alive, filled at 1.6 GB/s, traced at 6 GB/s, get 26 MB.
const BALANCE: f64 = 8.0e-9;
/// Room that every heap gets.
const ROOM_BYTES_MIN: f64 = (8 << 20) as f64;
/// Copying time that a minor may take at worst: a larger eden shrinks.
const MINOR_COPY_NS_MAX: f64 = 300_000.0;
/// What eden's size aims at.
const MINOR_COPY_NS_WANTED: f64 = 230_000.0;
/// Eden's sizes are multiples of this.
const EDEN_STEP_BYTES: u32 = 64 << 10;
/// A minor that copies less says nothing about the speed of copying.
pub const COPY_SAMPLE_BYTES_MIN: u64 = 32 << 10;
/// Eden never grows beyond this by itself.
const ADAPTED_EDEN_BYTES_MAX: u32 = 1 << 20;

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

/// Decides on majors and on eden's size.
#[derive(Clone, Debug)]
pub struct Policy {
    threshold_bytes: u64,
    live_bytes: u64,
    limit_bytes: u64,
    last_major: Clock,
    /// Bytes copied per nanosecond (0: not known).
    copy_speed: f64,
}

impl Policy {
    /// Before the first major.
    pub fn new(initial_bytes: u64, limit_bytes: u64) -> Policy {
        let threshold_bytes = initial_bytes.min(limit_bytes);
        Policy { threshold_bytes, live_bytes: 0, limit_bytes, last_major: Clock::default(), copy_speed: 0.0 }
    }

    /// Bytes that may be added to the old space between the last major and the next.
    pub fn room_bytes(&self) -> u64 {
        self.threshold_bytes - self.live_bytes
    }

    /// Whether a major is due when `allocated_bytes` were added to the old space since the last one.
    pub fn is_major_due(&self, allocated_bytes: u64) -> bool {
        self.live_bytes + allocated_bytes >= self.threshold_bytes
    }

    /// A major ended `now`: `live_bytes` were marked in `mark_ns`.
    pub fn after_major(&mut self, now: Clock, live_bytes: u64, allocated_bytes: u64, mark_ns: u64) {
        let seconds = |ns: u64| (ns as f64 / 1e9).max(1e-6);
        let filled = allocated_bytes as f64 / seconds(now.since(self.last_major));
        let traced = (live_bytes.max(1 << 16)) as f64 / seconds(mark_ns);
        let live = live_bytes as f64;
        let room = (live * filled / traced / BALANCE).sqrt().clamp(ROOM_BYTES_MIN, 2.0 * live + 2.0 * ROOM_BYTES_MIN);
        self.threshold_bytes = (live_bytes + room as u64).min(self.limit_bytes.max(live_bytes));
        self.live_bytes = live_bytes;
        self.last_major = now;
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
        if eden_bytes > fits(MINOR_COPY_NS_MAX) {
            fits(MINOR_COPY_NS_WANTED).max(least)
        } else if fits(MINOR_COPY_NS_WANTED) > eden_bytes {
            fits(MINOR_COPY_NS_WANTED).min(ADAPTED_EDEN_BYTES_MAX).min(eden_bytes * 2).max(eden_bytes)
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
        let mut policy = Policy::new(16 * MIB, 1 << 30);
        assert_eq!(eden_at(&mut policy, 256 << 10, 0.5), 256 << 10, "never smaller than at first");
        assert_eq!(eden_at(&mut policy, 256 << 10, 3.5), 576 << 10);
        assert_eq!(eden_at(&mut policy, 576 << 10, 100.0), 1 << 20);
        for speed in [1.5, 2.0, 3.3, 4.2] {
            let eden_bytes = eden_at(&mut policy, 1 << 20, speed);
            assert!(eden_bytes as f64 * 1.25 / speed <= MINOR_COPY_NS_MAX, "{eden_bytes} bytes at {speed} bytes/ns");
            assert!(eden_bytes as f64 * 1.25 / speed >= 0.65 * MINOR_COPY_NS_MAX, "{eden_bytes} bytes at {speed}");
        }
    }

    #[test]
    fn one_slow_minor_does_not_shrink_eden_for_long() {
        let mut policy = Policy::new(16 * MIB, 1 << 30);
        let eden_bytes = eden_at(&mut policy, 256 << 10, 4.0);
        let shrunk = policy.eden_bytes_after(eden_bytes, eden_bytes as u64 / 10, 20_000_000);
        assert_eq!(shrunk, eden_bytes);
    }

    #[test]
    fn heaps_that_fill_fast_get_more_room() {
        let room = |allocated_bytes| {
            let mut policy = Policy::new(16 * MIB, 1 << 30);
            let now = Clock { wall_ns: 100_000_000, cpu_ns: Some(100_000_000) };
            policy.after_major(now, 20 * MIB, allocated_bytes, 20_000_000);
            policy.room_bytes()
        };
        assert!(room(80 * MIB) > room(20 * MIB) * 3 / 2);
        assert_eq!(room(0), ROOM_BYTES_MIN as u64);
    }
}
