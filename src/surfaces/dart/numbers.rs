//! Numbers: as text, from text, functions of them, and at random.

use super::Context;
use super::call::{Call, Given, nothing};
use crate::Val;
use crate::surfaces::maths;
use heapwood_surfaces::dart;

/// What `doubleTryParse` gives.
struct Parsed(f64);

fn give(value: f64) -> Given {
    Ok(Some(Val::F64(value.to_bits())))
}

pub(super) fn i64_to_string<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    match dart::i64_to_string(call.i64(0), call.i32(1)) {
        Some(text) => call.give_text(&text),
        None => call.trap(format!("{} is no base from 2 to 36", call.i32(1))),
    }
}

pub(super) fn f64_to_string<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    call.give_text(&dart::f64_to_string(call.f64(0)))
}

/// A number of digits from `least` on, at argument 1.
fn digits<T, C: Context<T>>(call: &Call<'_, '_, T, C>, least: u8) -> crate::Result<u8> {
    const MOST: u8 = 100;
    let given = call.i32(1);
    let digits = u8::try_from(given).ok().filter(|digits| (least..=MOST).contains(digits));
    digits.map_or_else(|| call.trap(format!("{given} is no number of digits from {least} to {MOST}")), Ok)
}

pub(super) fn f64_to_fixed<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let digits = digits(call, 0)?;
    call.give_text(&dart::f64_to_fixed(call.f64(0), digits))
}

pub(super) fn f64_to_exponential<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    call.give_text(&dart::f64_to_exponential(call.f64(0), None))
}

pub(super) fn f64_to_exponential_with_digits<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let digits = digits(call, 0)?;
    call.give_text(&dart::f64_to_exponential(call.f64(0), Some(digits)))
}

pub(super) fn f64_to_precision<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let digits = digits(call, 1)?;
    call.give_text(&dart::f64_to_precision(call.f64(0), digits))
}

pub(super) fn try_parse<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let units = call.units(0)?;
    dart::parse_double(&units).map_or_else(nothing, |value| call.give(Parsed(value)))
}

pub(super) fn parsed<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    give(call.value::<Parsed>(0, "a result of doubleTryParse")?.0)
}

pub(super) fn parse<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let units = call.units(0)?;
    dart::parse_double(&units).map_or_else(|| call.trap("the string is no number"), give)
}

pub(super) fn pow<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    give(maths::pow(call.f64(0), call.f64(1)))
}

pub(super) fn atan2<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    give(call.f64(0).atan2(call.f64(1)))
}

pub(super) fn sin<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    give(call.f64(0).sin())
}

pub(super) fn cos<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    give(call.f64(0).cos())
}

pub(super) fn tan<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    give(call.f64(0).tan())
}

pub(super) fn acos<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    give(call.f64(0).acos())
}

pub(super) fn asin<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    give(call.f64(0).asin())
}

pub(super) fn atan<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    give(call.f64(0).atan())
}

pub(super) fn exp<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    give(call.f64(0).exp())
}

pub(super) fn log<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    give(call.f64(0).ln())
}

/// A seed, and what is for secrets: both from the guest's source.
pub(super) fn random<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let mut bytes = [0; 8];
    let filled = call.wasi().fill_random(&mut bytes);
    call.granted(filled)?;
    Ok(Some(Val::I64(i64::from_le_bytes(bytes))))
}
