//! Samples of allocation: points are placed on the sequence of all bytes that are allocated, and for each point the
//! code that allocates the byte under it is recorded.
//!
//! 1. Gaps between points are random with an exponential distribution: each byte is as likely to be hit as any other,
//!    whatever the program's rhythm, and a point stands for as many bytes as the mean gap has.
//! 2. Inline allocation is not touched: the limit word ends at the next point, so that the object which would cover it
//!    comes to the slow path, as at the end of a grant.
//! 3. The runtime asks for the points under an object before it allocates it. Points that nobody asked for (the host
//!    allocates) are counted as such.

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
    /// Points from byte `start` of the sequence on, one for every `mean_bytes` on average.
    pub fn new(mean_bytes: u64, seed: u64, start: u64) -> Sampler {
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

    /// Counts and passes the points before `end`, a position in the sequence.
    pub fn pass(&mut self, end: u64) -> u64 {
        let mut points = 0;
        while self.next < end {
            points += 1;
            self.next += self.gap();
        }
        points
    }

    /// Points under objects that the host allocated.
    pub fn unclaimed(&self) -> u64 {
        self.unclaimed
    }

    /// Bytes that may be allocated before the next point, behind the object of `bytes` at position `allocated`. Points
    /// under that object count as unclaimed.
    pub fn bytes_after(&mut self, allocated: u64, bytes: u64) -> u64 {
        self.unclaimed += self.pass(allocated + bytes);
        self.next - allocated
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
