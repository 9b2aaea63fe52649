//! When a marking starts, and how fast it goes.
//!
//! 1. After a marking that found L bytes alive the old space may grow to a goal of L + sqrt(L * g / s / c), with g the
//!    rate at which it was filled, s the speed of marking and c a constant (the rule of MemBalancer): heaps that fill
//!    fast or are slow to trace get more room. A marking starts when three quarters of that room are filled, and its
//!    slices are as long as it takes to end before the rest is. Once the sweep knows how much there really is, in holes
//!    and in free blocks, it starts while as many blocks as it needs are free.
//! 2. A limit that was given is taken as memory to be used: the room is up to twice as large, as long as it takes at
//!    most three quarters of what the limit leaves.
//!
//! Times are CPU time where that can be had, of helpers as well, so that a busy machine does not look like a slow one.

use crate::embedder::config::HeapConfig;
use crate::telemetry::clock::Clock;
use crate::telemetry::work::MarkWork;

/// c of the rule, in 1/bytes: 15 MB alive, filled at 1.2 GB/s, traced at 2 GB/s, get 20 MB.
const BALANCE: f64 = 2.2e-8;
/// The weight of the earlier rates when a new one is measured.
const SMOOTHING: f64 = 0.5;
/// Part of the room that is left for what is promoted while a marking runs.
const MARKING_PART: u64 = 4;
/// The factor by which a given limit may enlarge the room, and the part of what the limit leaves that this may take.
const GIVEN_ROOM: f64 = 2.0;
const GIVEN_PART: f64 = 0.75;
/// A marking is far behind when this many times the room it was to end in, and these bytes, were added meanwhile.
const FAR_BEHIND: u64 = 2;
const FAR_BEHIND_BYTES: u64 = 8 << 20;
/// Fields for each byte of the old space, before that was measured.
const FIELDS_PER_BYTE: f64 = 0.2;
/// Room that every heap gets.
const ROOM_BYTES_MIN: f64 = (8 << 20) as f64;

/// Decides on markings.
#[derive(Clone, Debug)]
pub struct Pacing {
    threshold_bytes: u64,
    live_bytes: u64,
    /// What can be added to the old space between two markings at most, as far as that is known.
    capacity_bytes: u64,
    /// A marking starts when so many were added, at the latest.
    due_bytes: u64,
    /// What old objects may take, and whether that is of a limit that was given.
    usable_bytes: u64,
    limit_is_given: bool,
    last_end: Clock,
    /// Bytes per second that are added to the old space, and that a marking traces (0: not known).
    fill_rate: f64,
    trace_rate: f64,
    /// Fields marked for each byte found alive.
    fields_per_byte: f64,
    /// The fields that the marking under way is expected to mark, and the bytes in the old space when it started.
    expected_fields: f64,
    started_bytes: u64,
}

impl Pacing {
    /// Before the first marking.
    pub fn new(config: &HeapConfig) -> Pacing {
        Pacing {
            threshold_bytes: config.initial_bytes.min(config.max_bytes / 2),
            live_bytes: 0,
            capacity_bytes: u64::MAX,
            due_bytes: u64::MAX,
            usable_bytes: config.max_bytes,
            limit_is_given: config.limit_is_given,
            last_end: Clock::default(),
            fill_rate: 0.0,
            trace_rate: 0.0,
            fields_per_byte: FIELDS_PER_BYTE,
            expected_fields: 0.0,
            started_bytes: 0,
        }
    }

    /// Bytes that may be added to the old space between two markings.
    pub fn room_bytes(&self) -> u64 {
        (self.threshold_bytes - self.live_bytes).min(self.capacity_bytes)
    }

    /// Bytes that are left for what is promoted while a marking runs.
    fn marking_bytes(&self) -> u64 {
        self.room_bytes() / MARKING_PART
    }

    /// Whether a marking is due when `allocated_bytes` were added to the old space since the last one.
    pub fn is_marking_due(&self, allocated_bytes: u64) -> bool {
        let room_bytes = self.threshold_bytes - self.live_bytes;
        allocated_bytes >= (room_bytes - room_bytes / MARKING_PART).min(self.due_bytes)
    }

    /// Records that a marking starts, when `allocated_bytes` were added since the last one.
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

    /// Whether so much more was added that the mutator has to wait for a helper that stands still.
    pub fn is_far_behind(&self, allocated_bytes: u64) -> bool {
        allocated_bytes - self.started_bytes > FAR_BEHIND * self.room_left() + FAR_BEHIND_BYTES
    }

    fn room_left(&self) -> u64 {
        self.room_bytes().saturating_sub(self.started_bytes).max(self.marking_bytes() / 2)
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
        smooth(&mut self.fill_rate, filled_bytes as f64 / seconds(now.since(self.last_end)));
        smooth(&mut self.trace_rate, (work.live_bytes.max(1 << 16)) as f64 / seconds(mark_ns));
        let live = live_bytes as f64;
        let room = (live * self.fill_rate / self.trace_rate / BALANCE).sqrt();
        let mut room = room.clamp(ROOM_BYTES_MIN, 2.0 * live + 2.0 * ROOM_BYTES_MIN);
        if self.limit_is_given {
            room = room.max((room * GIVEN_ROOM).min((usable_bytes as f64 - live) * GIVEN_PART));
        }
        self.live_bytes = live_bytes;
        (self.capacity_bytes, self.due_bytes) = (u64::MAX, u64::MAX);
        self.usable_bytes = usable_bytes;
        let most = usable_bytes.max(live_bytes + self.room_bytes_min());
        self.threshold_bytes = (live_bytes + room as u64).min(most);
        self.last_end = now;
        if work.live_bytes > 1 << 16 {
            self.fields_per_byte = work.fields as f64 / work.live_bytes as f64;
        }
    }

    /// The sweep has ended: `allocated_bytes` were taken since the marking; what can be taken yet are `hole_bytes` in
    /// holes, and then `free_bytes` in free blocks. Where much is in pieces too small to be used that is less than the
    /// limit says; and a marking cannot do with holes, since it gives up those that are left when it starts.
    pub fn after_sweep(&mut self, allocated_bytes: u64, hole_bytes: u64, free_bytes: u64) {
        self.capacity_bytes = (allocated_bytes + hole_bytes + free_bytes).max(self.room_bytes_min());
        self.due_bytes = allocated_bytes + hole_bytes + free_bytes.saturating_sub(self.marking_bytes());
    }

    /// The least room, of a heap that is nearly full: a 32nd of what old objects may take, but at least 256 KiB.
    fn room_bytes_min(&self) -> u64 {
        (self.usable_bytes / 32).max(256 << 10)
    }

    /// What old objects and the nursery had to share after the last marking.
    pub fn free_bytes(&self) -> u64 {
        self.usable_bytes.saturating_sub(self.live_bytes)
    }
}

fn smooth(rate: &mut f64, sample: f64) {
    *rate = if *rate == 0.0 { sample } else { *rate * SMOOTHING + sample * (1.0 - SMOOTHING) };
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn pacing(max_bytes: u64, limit_is_given: bool) -> Pacing {
        Pacing::new(&HeapConfig { max_bytes, limit_is_given, ..HeapConfig::default() })
    }

    /// A marking 0.1 s after the last one: `live_bytes` alive, `filled_bytes` added, 1 byte traced in a nanosecond.
    fn marked(pacing: &mut Pacing, live_bytes: u64, filled_bytes: u64, usable_bytes: u64) -> u64 {
        let ns = pacing.last_end.wall_ns + 100_000_000;
        let now = Clock { wall_ns: ns, cpu_ns: Some(ns) };
        let work = MarkWork { live_bytes, fields: live_bytes / 5, ..MarkWork::default() };
        pacing.after_marking(now, &work, live_bytes, filled_bytes, live_bytes, usable_bytes);
        pacing.room_bytes()
    }

    #[test]
    fn a_marking_starts_while_there_are_free_blocks() {
        let mut pacing = pacing(1 << 30, false);
        let room = marked(&mut pacing, 20 * MIB, 80 * MIB, 64 * MIB);
        let due = |pacing: &Pacing| (0..1 << 12).map(|step| step << 14).find(|bytes| pacing.is_marking_due(*bytes));
        let at_first = due(&pacing).unwrap();
        assert!(at_first.abs_diff(room - room / 4) < 1 << 14);
        pacing.after_sweep(2 * MIB, 100 * MIB, 100 * MIB);
        assert_eq!(due(&pacing), Some(at_first), "there is as much as the rule gives");
        // A quarter of the 12 MiB that are there is left for the marking.
        pacing.after_sweep(2 * MIB, 2 * MIB, 8 * MIB);
        assert_eq!((pacing.room_bytes(), due(&pacing)), (12 * MIB, Some(9 * MIB)));
        pacing.after_sweep(2 * MIB, 9 * MIB, MIB);
        assert_eq!((pacing.room_bytes(), due(&pacing)), (12 * MIB, Some(11 * MIB)), "holes are no use for it");
    }

    #[test]
    fn heaps_that_fill_fast_get_more_room() {
        let room = |filled_bytes| marked(&mut pacing(1 << 30, false), 20 * MIB, filled_bytes, 1 << 30);
        assert!(room(80 * MIB) > room(20 * MIB) * 3 / 2);
        assert_eq!(room(0), ROOM_BYTES_MIN as u64);
    }

    #[test]
    fn a_limit_that_was_given_is_used() {
        let room = |given, usable_bytes| marked(&mut pacing(1 << 30, given), 20 * MIB, 80 * MIB, usable_bytes);
        let plain = room(false, 1 << 30);
        assert_eq!(room(true, 1 << 30) / 4, plain * 2 / 4);
        assert_eq!(room(true, 20 * MIB + plain * 2) / 4, plain * 3 / 2 / 4);
        assert_eq!(room(true, 20 * MIB + plain), plain, "no less than without");
        assert_eq!(room(true, 20 * MIB + plain / 2), plain / 2, "but never beyond the limit");
    }
}
