//! Functions of JavaScript's `Math` that differ from those of Rust.

/// A power as C has it, but for what is NaN: any power that is NaN, and those of 1 and -1 that are infinite.
pub(super) fn pow(x: f64, y: f64) -> f64 {
    if y.is_nan() || x.abs() == 1.0 && y.is_infinite() { f64::NAN } else { x.powf(y) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As ECMA-262 (6.1.6.1.3) says.
    #[test]
    fn powers_follow_the_rules_of_javascript() {
        let (nan, infinite) = (f64::NAN, f64::INFINITY);
        for (x, y, wanted) in [
            (1.0, infinite, nan),
            (-1.0, -infinite, nan),
            (1.0, nan, nan),
            (nan, 0.0, 1.0),
            (2.0, 10.0, 1024.0),
            (-8.0, 1.0 / 3.0, nan),
            (0.5, infinite, 0.0),
        ] {
            let got = pow(x, y);
            assert!(got.to_bits() == wanted.to_bits() || got.is_nan() && wanted.is_nan(), "{x} {y}: {got}");
        }
    }
}
