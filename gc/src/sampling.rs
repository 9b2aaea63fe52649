//! Samples of allocation: points are thrown on the sequence of all bytes that are allocated, and whoever allocates the
//! byte under a point is looked at.
//!
//! 1. Gaps between points are random with an exponential distribution: each byte is as likely to be hit as any other,
//!    whatever the program's rhythm, and a point stands for as many bytes as the mean gap has.
//! 2. Inline allocation is not touched: the limit word ends at the next point, so that the object which would cover it
//!    comes to the slow path, as at the end of a grant.
//! 3. The runtime asks for the points under an object before it allocates it. Points that nobody asked for (the host
//!    allocates) are counted as such.

use crate::alloc::NULL_AREA_BYTES;
use crate::heap::Heap;
use crate::nursery::EDEN_START;

/// Where the next point lies.
#[derive(Debug)]
pub struct Sampler {
    mean_bytes: u64,
    /// Position of the next point in the sequence of bytes.
    next: u64,
    random: u64,
    unclaimed: u64,
}

impl Sampler {
    fn new(mean_bytes: u64, seed: u64, start: u64) -> Sampler {
        let mut sampler = Sampler { mean_bytes: mean_bytes.max(1), next: start, random: seed | 1, unclaimed: 0 };
        sampler.next += sampler.gap();
        sampler
    }

    /// A random gap of at least one byte.
    fn gap(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        // In (0, 1].
        let uniform = ((self.random >> 11) + 1) as f64 / (1u64 << 53) as f64;
        (-uniform.ln() * self.mean_bytes as f64) as u64 + 1
    }

    /// Counts and passes the points before `end`.
    fn pass(&mut self, end: u64) -> u64 {
        let mut points = 0;
        while self.next < end {
            points += 1;
            self.next += self.gap();
        }
        points
    }
}

impl Heap {
    /// Throws points from now on, one for every `mean_bytes` on average; 0 ends it.
    pub fn sample_allocations(&mut self, mean_bytes: u64, seed: u64) {
        let start = self.allocated_bytes();
        self.sampler = (mean_bytes > 0).then(|| Sampler::new(mean_bytes, seed, start));
        // The limit may lie behind the first point.
        self.set_limit(if self.is_collected() { EDEN_START } else { 0 });
    }

    /// The points under the next `bytes`, which the caller is about to allocate. Call it once for each allocation that
    /// comes to the runtime, before it.
    pub fn take_samples(&mut self, bytes: u64) -> u64 {
        let end = self.allocated_bytes() + bytes;
        self.sampler.as_mut().map_or(0, |sampler| sampler.pass(end))
    }

    /// Points under objects that the host allocated.
    pub fn unclaimed_samples(&self) -> u64 {
        self.sampler.as_ref().map_or(0, |sampler| sampler.unclaimed)
    }

    /// Position in the sequence of allocated bytes. While guest code runs it is that of the last slow path.
    fn allocated_bytes(&self) -> u64 {
        self.stats.eden_bytes + self.stats.old_allocated_bytes + self.young_bytes()
    }

    /// Bytes that were allocated since those that `stats.eden_bytes` counts: in eden, or in the null collector's area.
    pub(crate) fn young_bytes(&self) -> u64 {
        let start = match self.is_collected() {
            true => EDEN_START,
            false if self.nursery.granted() <= EDEN_START => return 0,
            false => self.nursery.granted() - (NULL_AREA_BYTES / 4) as u32,
        };
        self.top().saturating_sub(start) as u64 * 4
    }

    /// What the limit word is set to for an allocation of `bytes` in eden up to `granted`.
    pub(crate) fn limit_before_sample(&mut self, bytes: u32, granted: u32) -> u32 {
        let (allocated, top) = (self.allocated_bytes(), self.top());
        let Some(sampler) = &mut self.sampler else { return granted };
        // Inside of the object that is allocated now: nobody asked.
        sampler.unclaimed += sampler.pass(allocated + bytes as u64);
        let room = ((sampler.next - allocated) / 8).min((granted - top) as u64 / 2) as u32 * 2;
        (top + room).max(top + bytes / 4).min(granted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_lie_a_mean_gap_apart_and_in_no_rhythm() {
        let mut sampler = Sampler::new(1000, 42, 0);
        // Objects of 10 and 90 bytes in turns: points fall on them in proportion to their bytes.
        let (mut at, mut small, mut large) = (0, 0, 0);
        for _ in 0..200_000 {
            at += 10;
            small += sampler.pass(at);
            at += 90;
            large += sampler.pass(at);
        }
        // 20,000 points are expected, 2,000 of them on the small ones; five standard deviations.
        assert!((small + large).abs_diff(20_000) < 5 * 142, "{small} + {large}");
        assert!(small.abs_diff(2_000) < 5 * 45, "{small}");
    }
}
