//! Division by a constant as a product with its scaled inverse (T. Granlund, P. L. Montgomery, "Division by invariant
//! integers using multiplication", 1994).
//!
//! For a divisor d that is no power of two, m is 2^k / d, rounded up. Then `n * m >> k` is n / d, rounded down, for
//! every n of the type, if what the rounding added is small enough: k is chosen so.

use heapwood_gc_abi::Narrow;
/// ceil(log2(d)).
fn bits_of(d: u64) -> u32 {
    64 - (d - 1).leading_zeros()
}

/// 2^k / d, rounded up; d does not divide 2^k.
fn inverse(k: u32, d: u64) -> u128 {
    (1u128 << k) / d as u128 + 1
}

/// How n: u32 is divided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unsigned32 {
    /// `n * multiplier >> shift`, a product of 64 bits.
    Low { multiplier: u32, shift: u8 },
    /// The high 64 bits of `n * multiplier`.
    High { multiplier: u64 },
}

/// How to divide by `d`, a divisor that is no power of two.
pub(crate) fn unsigned32(d: u32) -> Unsigned32 {
    let d = d as u64;
    debug_assert!(!d.is_power_of_two());
    for shift in 32..=32 + bits_of(d) {
        let multiplier = inverse(shift, d);
        let excess = multiplier * d as u128 - (1 << shift);
        if let Ok(multiplier) = u32::try_from(multiplier)
            && excess <= 1 << (shift - 32)
        {
            return Unsigned32::Low { multiplier, shift: shift.narrow() };
        }
    }
    Unsigned32::High { multiplier: inverse(64, d).narrow() }
}

/// How n: u64 is divided: `high` is the high half of `n * multiplier`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Unsigned64 {
    pub(crate) multiplier: u64,
    /// The quotient is `high >> shift`; of the sum if `adds`.
    pub(crate) shift: u8,
    /// The multiplier lacks 2^64, so `n` is missing in `high`: half of `n - high` is added, and one shift less is left.
    pub(crate) adds: bool,
}

/// How to divide by `d`, a divisor that is no power of two.
pub(crate) fn unsigned64(d: u64) -> Unsigned64 {
    debug_assert!(!d.is_power_of_two());
    let bits = bits_of(d);
    for shift in 0..bits {
        let multiplier = inverse(64 + shift, d);
        let excess = (multiplier * d as u128) - (1 << (64 + shift));
        if let Ok(multiplier) = u64::try_from(multiplier)
            && excess <= 1 << shift
        {
            return Unsigned64 { multiplier, shift: shift.narrow(), adds: false };
        }
    }
    // 2^(64 + bits) / d - 2^64, rounded up.
    let rest = if bits == 64 { u64::MAX as u128 + 1 - d as u128 } else { (1 << bits) - d as u128 };
    let multiplier = (rest << 64) / d as u128 + 1;
    Unsigned64 { multiplier: multiplier.narrow(), shift: (bits - 1).narrow(), adds: true }
}

/// How n: i32 is divided by d > 0: `(n as i64 * multiplier >> shift)`, and 1 more if n is negative.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Signed32 {
    pub(crate) multiplier: u32,
    pub(crate) shift: u8,
}

/// How to divide by `d`, a divisor that is no power of two.
pub(crate) fn signed32(d: u32) -> Signed32 {
    debug_assert!(!d.is_power_of_two() && d < 1 << 31);
    let shift = 31 + bits_of(d as u64);
    Signed32 { multiplier: inverse(shift, d as u64).narrow(), shift: shift.narrow() }
}

/// How n: i64 is divided by d > 0: `(high + n) >> shift`, and 1 more if n is negative, where `high` is the high half of
/// `n * multiplier as i64` (which lacks 2^64).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Signed64 {
    pub(crate) multiplier: u64,
    pub(crate) shift: u8,
}

/// How to divide by `d`, a divisor that is no power of two.
pub(crate) fn signed64(d: u64) -> Signed64 {
    debug_assert!(!d.is_power_of_two() && d < 1 << 63);
    let bits = bits_of(d);
    Signed64 { multiplier: inverse(63 + bits, d).narrow(), shift: (bits - 1).narrow() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn divide_u32(n: u32, d: u32) -> u32 {
        match unsigned32(d) {
            Unsigned32::Low { multiplier, shift } => ((n as u64 * multiplier as u64) >> shift) as u32,
            Unsigned32::High { multiplier } => ((n as u128 * multiplier as u128) >> 64) as u32,
        }
    }

    fn divide_u64(n: u64, d: u64) -> u64 {
        let Unsigned64 { multiplier, shift, adds } = unsigned64(d);
        let high = ((n as u128 * multiplier as u128) >> 64) as u64;
        if adds { ((n - high) / 2 + high) >> shift } else { high >> shift }
    }

    fn divide_i32(n: i32, d: i32) -> i32 {
        let Signed32 { multiplier, shift } = signed32(d as u32);
        ((n as i64 * multiplier as i64) >> shift) as i32 + (n < 0) as i32
    }

    fn divide_i64(n: i64, d: i64) -> i64 {
        let Signed64 { multiplier, shift } = signed64(d as u64);
        let high = ((n as i128 * multiplier as i64 as i128) >> 64) as i64;
        (high.wrapping_add(n) >> shift) + (n < 0) as i64
    }

    /// Small numbers, numbers near powers of two and near multiples of them, and some that look random.
    fn divisors() -> Vec<u64> {
        let mut seed = 1u64;
        let random = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            seed >> (seed >> 3 & 63)
        });
        let near = (1..64).flat_map(|bit| [(1u64 << bit) - 1, (1 << bit) + 1, 3 << (bit - 1), 5 << (bit.min(61) - 1)]);
        let all = (3..2000).chain(near).chain(random.take(3000)).chain([u64::MAX, u64::MAX - 1]);
        all.filter(|d| *d > 2 && !d.is_power_of_two()).collect()
    }

    fn dividends(d: u64) -> Vec<u64> {
        let mut all = vec![0, 1, 2, u64::MAX, u64::MAX - 1, 1 << 63, (1 << 63) - 1, u32::MAX as u64, 1 << 31];
        for factor in [1, 2, 3, 1000, u32::MAX as u64 / d, (i32::MAX as u64) / d, u64::MAX / d, (1 << 63) / d] {
            let multiple = d.wrapping_mul(factor);
            all.extend([multiple.wrapping_sub(1), multiple, multiple.wrapping_add(1), multiple.wrapping_neg()]);
        }
        all
    }

    #[test]
    fn products_are_quotients() {
        for d in divisors() {
            for n in dividends(d) {
                assert_eq!(divide_u64(n, d), n / d, "{n} / {d}");
                if d < 1 << 63 {
                    assert_eq!(divide_i64(n as i64, d as i64), n as i64 / d as i64, "{} / {d}", n as i64);
                }
                let narrow = d as u32;
                if narrow > 2 && !narrow.is_power_of_two() {
                    for n in [n as u32, (n >> 32) as u32] {
                        assert_eq!(divide_u32(n, narrow), n / narrow, "{n} / {narrow}");
                        if narrow < 1 << 31 {
                            assert_eq!(divide_i32(n as i32, narrow as i32), n as i32 / narrow as i32);
                        }
                    }
                }
            }
        }
    }
}
