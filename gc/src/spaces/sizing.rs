//! How large the nursery is.
//!
//! 1. As many bytes may be young as take 0.22 ms to copy at the speed that was measured, from 320 KiB to 2 MiB; fewer
//!    when the speed falls so that they would take more than 0.27 ms. (Ten times that for throughput.) Near the limit
//!    they are at most a tenth of what was free after the last marking: a nursery takes up to four times its size.
//! 2. A minor also goes through the log. So that a long log does not look like slow copying, its entries count as bytes
//!    that are copied in the same time, and what minors usually find there leaves less of that time for copying.

use super::nursery::SURVIVOR_PART;
use crate::embedder::config::{GcProfile, HeapConfig, NURSERY_BYTES_DEFAULT, NURSERY_BYTES_MIN};
use crate::telemetry::COPY_SAMPLE_BYTES_MIN;
use crate::telemetry::work::MinorWork;

/// Young bytes are multiples of this.
const YOUNG_STEP_BYTES: u32 = 64 << 10;
/// Part of what a limit leaves that may be young.
const YOUNG_PART: u64 = 10;
/// Bytes that are copied while an entry of the log is looked at, and in addition for each of its fields. (An object
/// takes some 30 ns, a chunk, which counts as 128 fields, 90; copying 0.3 ns a byte.)
const LOG_ENTRY_BYTES: u64 = 80;
const LOG_FIELD_BYTES: u64 = 2;
/// The weight of the last minor's log.
const LOG_WEIGHT: f64 = 0.25;

/// What the nursery's size is adapted to.
#[derive(Clone, Copy, Debug)]
struct Aim {
    /// Copying time that a minor may take at worst: a larger nursery shrinks.
    copy_ns_max: f64,
    /// Copying time that is aimed at.
    copy_ns: f64,
    /// The nursery never grows beyond this by itself.
    young_bytes_max: u32,
}

impl Aim {
    fn of(profile: GcProfile) -> Aim {
        match profile {
            GcProfile::Latency => Aim { copy_ns_max: 270_000.0, copy_ns: 220_000.0, young_bytes_max: 2 << 20 },
            GcProfile::Throughput => Aim { copy_ns_max: 4_000_000.0, copy_ns: 3_000_000.0, young_bytes_max: 10 << 20 },
        }
    }
}

/// Decides on the nursery's size.
#[derive(Clone, Debug)]
pub struct Sizing {
    /// Bytes copied per nanosecond (0: not known).
    copy_speed: f64,
    /// What the log of a minor usually counts as, in bytes.
    log_bytes: f64,
    /// Bytes that may be young.
    young_bytes: u32,
    aim: Aim,
}

impl Sizing {
    /// Before the first minor.
    pub fn new(config: &HeapConfig, eden_bytes: u32) -> Sizing {
        Sizing { copy_speed: 0.0, log_bytes: 0.0, young_bytes: young_of_eden(eden_bytes), aim: Aim::of(config.profile) }
    }

    /// A minor did `work` in `ns`: returns how many bytes may be young from now on, where old objects and the nursery
    /// have to share `free_bytes`.
    pub fn young_bytes_after(&mut self, work: &MinorWork, ns: u64, free_bytes: u64) -> u32 {
        let bytes = work.copied_bytes();
        if bytes >= COPY_SAMPLE_BYTES_MIN && ns > 0 {
            let log_bytes = work.log_entries * LOG_ENTRY_BYTES + work.log_fields * LOG_FIELD_BYTES;
            let all = bytes + log_bytes;
            // Samples count by their bytes, since a minor that copies everything is what the bound is about, and by
            // their part of the whole, since what the log takes is an estimate.
            let weight = (bytes as f64 / (4.0 * self.young_bytes as f64)).min(0.25) * bytes as f64 / all as f64;
            let speed = all as f64 / ns as f64;
            self.copy_speed += (speed - self.copy_speed) * if self.copy_speed == 0.0 { 1.0 } else { weight };
            self.log_bytes += (log_bytes as f64 - self.log_bytes) * LOG_WEIGHT;
            self.young_bytes = self.fitting_young_bytes();
        }
        self.young_bytes_within(free_bytes)
    }

    /// How many bytes may be young when old objects and the nursery have to share `free_bytes`.
    pub fn young_bytes_within(&mut self, free_bytes: u64) -> u32 {
        let most = (free_bytes / YOUNG_PART).max(young_of_eden(NURSERY_BYTES_MIN) as u64);
        self.young_bytes = (self.young_bytes as u64).min(most) as u32;
        self.young_bytes
    }

    fn fitting_young_bytes(&self) -> u32 {
        // What does not fit is 0 bytes.
        let fits = |ns: f64| (self.copy_speed * ns - self.log_bytes) as u32 / YOUNG_STEP_BYTES * YOUNG_STEP_BYTES;
        let young_bytes = self.young_bytes;
        let aim = fits(self.aim.copy_ns);
        if young_bytes > fits(self.aim.copy_ns_max) {
            aim.max(young_bytes.min(young_of_eden(NURSERY_BYTES_DEFAULT)))
        } else {
            aim.min(self.aim.young_bytes_max).min(young_bytes * 2).max(young_bytes)
        }
    }
}

/// Young bytes where eden has `eden_bytes` and the survivor spaces are full.
fn young_of_eden(eden_bytes: u32) -> u32 {
    eden_bytes + eden_bytes / (SURVIVOR_PART - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn sizing() -> Sizing {
        Sizing::new(&HeapConfig::default(), NURSERY_BYTES_DEFAULT)
    }

    fn copied(bytes: u64) -> MinorWork {
        MinorWork { promoted_bytes: bytes, ..MinorWork::default() }
    }

    /// Young bytes after minors that copy half of them at `speed` bytes per nanosecond, with `free_bytes` left.
    fn young_at(sizing: &mut Sizing, speed: f64, free_bytes: u64) -> u32 {
        for _ in 0..100 {
            let bytes = sizing.young_bytes as u64 / 2;
            sizing.young_bytes_after(&copied(bytes), (bytes as f64 / speed) as u64, free_bytes);
        }
        sizing.young_bytes
    }

    #[test]
    fn the_nursery_follows_the_speed_of_copying() {
        let (mut sizing, free_bytes) = (sizing(), 1 << 30);
        let least = young_of_eden(NURSERY_BYTES_DEFAULT);
        assert_eq!(young_at(&mut sizing, 0.5, free_bytes), least, "never smaller than at first");
        assert_eq!(young_at(&mut sizing, 3.5, free_bytes), 704 << 10);
        assert_eq!(young_at(&mut sizing, 100.0, free_bytes), 2 << 20);
        for speed in [1.5, 2.0, 3.3, 4.2, 5.3] {
            let young_bytes = young_at(&mut sizing, speed, free_bytes);
            assert!(young_bytes as f64 / speed <= 270_000.0, "{young_bytes} bytes at {speed} bytes/ns");
            assert!(young_bytes as f64 / speed >= 0.65 * 270_000.0, "{young_bytes} bytes at {speed}");
        }
    }

    #[test]
    fn one_slow_minor_does_not_shrink_the_nursery_for_long() {
        let mut sizing = sizing();
        let young_bytes = young_at(&mut sizing, 4.0, 1 << 30);
        assert_eq!(sizing.young_bytes_after(&copied(young_bytes as u64 / 10), 20_000_000, 1 << 30), young_bytes);
    }

    #[test]
    fn a_long_log_does_not_look_like_slow_copying() {
        // Minors that copy 62 KiB at 4 bytes per nanosecond and go through a log.
        let young_with = |log_entries: u64, log_fields: u64| {
            let mut sizing = sizing();
            let work = MinorWork { log_entries, log_fields, ..copied(62 << 10) };
            let log_ns = log_entries * 25 + log_fields / 2;
            for _ in 0..300 {
                sizing.young_bytes_after(&work, (62 << 10) / 4 + log_ns, 1 << 30);
            }
            sizing.young_bytes
        };
        let short = young_with(0, 0);
        assert_eq!(short, 832 << 10);
        // Objects of four fields, and chunks.
        for young_bytes in [young_with(2_000, 8_000), young_with(500, 64_000)] {
            assert!((448 << 10..short).contains(&young_bytes), "{young_bytes} bytes, {short} without a log");
        }
        assert_eq!(
            young_with(4_096, 131_072),
            young_of_eden(NURSERY_BYTES_DEFAULT),
            "a full log takes most of the time"
        );
    }

    #[test]
    fn near_the_limit_the_nursery_is_small() {
        let mut sizing = sizing();
        assert!(young_at(&mut sizing, 4.0, 64 * MIB) > 800 << 10);
        assert_eq!(young_at(&mut sizing, 4.0, 5 * MIB), 512 << 10);
        assert_eq!(young_at(&mut sizing, 4.0, 0), young_of_eden(NURSERY_BYTES_MIN));
        assert!(young_at(&mut sizing, 4.0, 40 * MIB) > 800 << 10, "it grows again");
    }
}
