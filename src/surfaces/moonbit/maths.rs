//! `Math`: functions of JavaScript's object of that name.

use crate::surfaces::maths::pow;
use crate::{Linker, Result};

type One = (&'static str, fn(f64) -> f64);
type Two = (&'static str, fn(f64, f64) -> f64);

const ONE: [One; 27] = [
    ("abs", f64::abs),
    ("acos", f64::acos),
    ("acosh", f64::acosh),
    ("asin", f64::asin),
    ("asinh", f64::asinh),
    ("atan", f64::atan),
    ("atanh", f64::atanh),
    ("cbrt", f64::cbrt),
    ("ceil", f64::ceil),
    ("cos", f64::cos),
    ("cosh", f64::cosh),
    ("exp", f64::exp),
    ("expm1", f64::exp_m1),
    ("floor", f64::floor),
    ("fround", rounded_to_f32),
    ("log", f64::ln),
    ("log10", f64::log10),
    ("log1p", f64::ln_1p),
    ("log2", f64::log2),
    ("round", round),
    ("sign", sign),
    ("sin", f64::sin),
    ("sinh", f64::sinh),
    ("sqrt", f64::sqrt),
    ("tan", f64::tan),
    ("tanh", f64::tanh),
    ("trunc", f64::trunc),
];

const TWO: [Two; 5] = [("atan2", f64::atan2), ("hypot", f64::hypot), ("max", max), ("min", min), ("pow", pow)];

/// Defines them.
pub(super) fn define<T: 'static>(linker: &mut Linker<T>) -> Result<()> {
    for (name, function) in ONE {
        linker.func_wrap("Math", name, move |x: f64| function(x))?;
    }
    for (name, function) in TWO {
        linker.func_wrap("Math", name, move |x: f64, y: f64| function(x, y))?;
    }
    Ok(())
}

fn rounded_to_f32(x: f64) -> f64 {
    f64::from(x as f32)
}

/// To the nearest integer, upwards from the middle between two; the sign of a zero stays.
fn round(x: f64) -> f64 {
    let down = x.floor();
    let rounded = if x - down >= 0.5 { down + 1.0 } else { down };
    rounded.copysign(x)
}

fn sign(x: f64) -> f64 {
    if x.is_nan() || x == 0.0 { x } else { 1f64.copysign(x) }
}

/// NaN if one is; 0 is more than -0.
fn max(x: f64, y: f64) -> f64 {
    match x.partial_cmp(&y) {
        None => f64::NAN,
        Some(std::cmp::Ordering::Equal) => {
            if x.is_sign_positive() {
                x
            } else {
                y
            }
        }
        Some(order) => {
            if order.is_gt() {
                x
            } else {
                y
            }
        }
    }
}

fn min(x: f64, y: f64) -> f64 {
    -max(-x, -y)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values where JavaScript differs from C or Rust, as ECMA-262 (21.3.2) says.
    #[test]
    fn functions_follow_the_rules_of_javascript() {
        let same = |got: f64, wanted: f64| {
            assert!(got.to_bits() == wanted.to_bits() || got.is_nan() && wanted.is_nan(), "{got} {wanted}")
        };
        let (nan, infinite) = (f64::NAN, f64::INFINITY);
        for (x, wanted) in [
            (2.5, 3.0),
            (-2.5, -2.0),
            (-0.2, -0.0),
            (0.49999999999999994, 0.0),
            (-0.5, -0.0),
            (0.5, 1.0),
            (-0.0, -0.0),
            (4503599627370497.0, 4503599627370497.0),
            (infinite, infinite),
            (-infinite, -infinite),
            (nan, nan),
        ] {
            same(round(x), wanted);
        }
        for (x, wanted) in [(-3.0, -1.0), (0.0, 0.0), (-0.0, -0.0), (nan, nan), (infinite, 1.0)] {
            same(sign(x), wanted);
        }
        for (x, y, most, least) in [
            (1.0, 2.0, 2.0, 1.0),
            (0.0, -0.0, 0.0, -0.0),
            (-0.0, 0.0, 0.0, -0.0),
            (nan, 1.0, nan, nan),
            (1.0, nan, nan, nan),
        ] {
            same(max(x, y), most);
            same(min(x, y), least);
        }
        same(rounded_to_f32(0.1), f64::from(0.1f32));
    }
}
