//! How large the nursery is.
//!
//! As many bytes may be young as take 0.22 ms to copy at the speed that was measured, from 320 KiB to 2 MiB; fewer
//! when the speed falls so that they would take more than 0.27 ms. (Ten times that for throughput.) Near the limit
//! they are at most a tenth of what was free after the last marking: a nursery takes up to four times its size.
//!

use super::nursery::SURVIVOR_PART;
use crate::embedder::config::{GcProfile, HeapConfig, NURSERY_BYTES_DEFAULT, NURSERY_BYTES_MIN};
use crate::telemetry::COPY_SAMPLE_BYTES_MIN;

/// Young bytes are multiples of this.
const YOUNG_STEP_BYTES: u32 = 64 << 10;
/// Part of what a limit leaves that may be young.
const YOUNG_PART: u64 = 10;

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
    /// Bytes that may be young.
    young_bytes: u32,
    aim: Aim,
}

impl Sizing {
    /// Before the first minor.
    pub fn new(config: &HeapConfig, eden_bytes: u32) -> Sizing {
        Sizing { copy_speed: 0.0, young_bytes: young_of_eden(eden_bytes), aim: Aim::of(config.profile) }
    }

    /// A minor copied `bytes` in `ns`: returns how many bytes may be young from now on, where old objects and the
    /// nursery have to share `free_bytes`.
    pub fn young_bytes_after(&mut self, bytes: u64, ns: u64, free_bytes: u64) -> u32 {
        if bytes >= COPY_SAMPLE_BYTES_MIN && ns > 0 {
            // Samples count by their bytes: a minor that copies everything is what the bound is about.
            let weight = (bytes as f64 / (4.0 * self.young_bytes as f64)).min(0.25);
            let speed = bytes as f64 / ns as f64;
            self.copy_speed += (speed - self.copy_speed) * if self.copy_speed == 0.0 { 1.0 } else { weight };
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
        let fits = |ns: f64| (self.copy_speed * ns) as u32 / YOUNG_STEP_BYTES * YOUNG_STEP_BYTES;
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

    /// Young bytes after minors that copy half of them at `speed` bytes per nanosecond, with `free_bytes` left.
    fn young_at(sizing: &mut Sizing, speed: f64, free_bytes: u64) -> u32 {
        for _ in 0..100 {
            let bytes = sizing.young_bytes as u64 / 2;
            sizing.young_bytes_after(bytes, (bytes as f64 / speed) as u64, free_bytes);
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
        assert_eq!(sizing.young_bytes_after(young_bytes as u64 / 10, 20_000_000, 1 << 30), young_bytes);
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
