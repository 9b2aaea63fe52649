//! When a major starts, and how large eden is.
//!
//! 1. A major starts when the old space passes a threshold. After one that found L bytes alive the threshold is
//!    L + sqrt(L * g / s / c), with g the rate at which the old space was filled, s the speed of marking and c a
//!    constant (the rule of MemBalancer): heaps that fill fast or are slow to trace get more room.
//! 2. Eden doubles while copying all of it would still take at most 0.3 ms at the speed that was measured.

/// c of the rule, in 1/bytes: 20 MB alive, filled at 200 MB/s, traced at 1 GB/s, get 30 MB.
const BALANCE: f64 = 4.4e-9;
/// Room that every heap gets.
const ROOM_BYTES_MIN: f64 = (8 << 20) as f64;
/// Copying time that a minor may take at worst.
const MINOR_COPY_NS_MAX: f64 = 300_000.0;
/// Eden never grows beyond this by itself.
const ADAPTED_EDEN_BYTES_MAX: u32 = 1 << 20;

/// Decides on majors and on eden's size.
#[derive(Clone, Debug)]
pub struct Policy {
    threshold_bytes: u64,
    live_bytes: u64,
    limit_bytes: u64,
    last_major_ns: u64,
    /// Bytes copied per nanosecond (0: not known).
    copy_speed: f64,
}

impl Policy {
    /// Before the first major.
    pub fn new(initial_bytes: u64, limit_bytes: u64) -> Policy {
        let threshold_bytes = initial_bytes.min(limit_bytes);
        Policy { threshold_bytes, live_bytes: 0, limit_bytes, last_major_ns: 0, copy_speed: 0.0 }
    }

    /// Bytes that may be added to the old space between the last major and the next.
    pub fn room_bytes(&self) -> u64 {
        self.threshold_bytes - self.live_bytes
    }

    /// Whether a major is due when `allocated_bytes` were added to the old space since the last one.
    pub fn is_major_due(&self, allocated_bytes: u64) -> bool {
        self.live_bytes + allocated_bytes >= self.threshold_bytes
    }

    /// A major ended at `now_ns`: `live_bytes` were marked in `mark_ns`.
    pub fn after_major(&mut self, now_ns: u64, live_bytes: u64, allocated_bytes: u64, mark_ns: u64) {
        let seconds = |ns: u64| (ns as f64 / 1e9).max(1e-6);
        let filled = allocated_bytes as f64 / seconds(now_ns - self.last_major_ns);
        let traced = (live_bytes.max(1 << 16)) as f64 / seconds(mark_ns);
        let live = live_bytes as f64;
        let room = (live * filled / traced / BALANCE).sqrt().clamp(ROOM_BYTES_MIN, 2.0 * live + 2.0 * ROOM_BYTES_MIN);
        self.threshold_bytes = (live_bytes + room as u64).min(self.limit_bytes.max(live_bytes));
        self.live_bytes = live_bytes;
        self.last_major_ns = now_ns;
    }

    /// A minor copied `bytes` in `ns`: returns the size that eden should have.
    pub fn eden_bytes_after(&mut self, eden_bytes: u32, bytes: u64, ns: u64) -> u32 {
        if bytes < 32 << 10 || ns == 0 {
            return eden_bytes;
        }
        let speed = bytes as f64 / ns as f64;
        self.copy_speed = if self.copy_speed == 0.0 { speed } else { self.copy_speed * 0.875 + speed * 0.125 };
        let fits = |eden: u32| (eden as f64 * 1.25) / self.copy_speed <= MINOR_COPY_NS_MAX;
        if eden_bytes < ADAPTED_EDEN_BYTES_MAX && fits(eden_bytes * 2) { eden_bytes * 2 } else { eden_bytes }
    }
}
