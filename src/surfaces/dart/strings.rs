//! Strings: what is made, compared, searched, cut and joined.

use super::Context;
use super::call::{Call, Given, number, place};
use crate::{ArrayElement, StorageType, StringRef, StringUnits, Val};
use heapwood_surfaces::dart;

/// Elements of an array, from argument 1 on as many as argument 2 says.
fn elements<T, C: Context<T>, E: ArrayElement + Copy + Default>(
    call: &mut Call<'_, '_, T, C>,
    elements: StorageType,
) -> crate::Result<Vec<E>> {
    let (array, start, len) = (call.array(0, elements, false)?, call.size(1)?, call.size(2)?);
    let all = array.len(&*call.caller())?;
    let left = all - call.within(start, all)?;
    let mut elements = vec![E::default(); call.within(len, left)? as usize];
    array.copy_to_slice(&*call.caller(), start, &mut elements)?;
    Ok(elements)
}

pub(super) fn from_char_codes<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let units: Vec<u16> = elements(call, StorageType::I16)?;
    call.give_units(&units)
}

pub(super) fn from_ascii<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let bytes: Vec<u8> = elements(call, StorageType::I8)?;
    match std::str::from_utf8(&bytes) {
        Ok(text) if text.is_ascii() => call.give_text(text),
        // Whoever breaks the rule has bytes as units.
        _ => call.give_units(&bytes.iter().copied().map(u16::from).collect::<Vec<_>>()),
    }
}

pub(super) fn length<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let string = call.string(0)?;
    number(string.len(&*call.caller())? as usize)
}

pub(super) fn equals<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let (a, b) = (call.string(0)?, call.string(1)?);
    Ok(Some(Val::I32(a.equals(call.caller(), &b)?.into())))
}

pub(super) fn compare<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let (a, b) = (call.string(0)?, call.string(1)?);
    Ok(Some(Val::I32(a.compare(call.caller(), &b)? as i32)))
}

pub(super) fn code_unit_at<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let index = call.size(1)?;
    let found = call.with_units(0, |units| match units {
        StringUnits::Latin1(units) => units.get(index as usize).copied().map(i32::from),
        StringUnits::Utf16(units) => units.get(index as usize).copied().map(i32::from),
    })?;
    found.map_or_else(|| call.trap(format!("there is no unit {index}")), |unit| Ok(Some(Val::I32(unit))))
}

pub(super) fn index_of<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let (needle, start) = (call.units(1)?, call.size(2)? as usize);
    place(call.with_units(0, |units| match units {
        StringUnits::Latin1(units) => dart::index_of(units, &needle, start),
        StringUnits::Utf16(units) => dart::index_of(units, &needle, start),
    })?)
}

pub(super) fn last_index_of<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let (needle, start) = (call.units(1)?, call.i32(2));
    place(call.with_units(0, |units| match units {
        StringUnits::Latin1(units) => dart::last_index_of(units, &needle, start),
        StringUnits::Utf16(units) => dart::last_index_of(units, &needle, start),
    })?)
}

pub(super) fn replace_all<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let (needle, text) = (call.units(1)?, call.units(2)?);
    let replaced = call.with_units(0, |units| match units {
        StringUnits::Latin1(units) => dart::replace_all(units, &needle, &text),
        StringUnits::Utf16(units) => dart::replace_all(units, &needle, &text),
    })?;
    call.give_units_or_trap(replaced.as_deref())
}

pub(super) fn substring<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let string = call.string(0)?;
    let len = string.len(&*call.caller())?;
    let end = call.within(call.size(2)?, len)?;
    let start = call.within(call.size(1)?, end)?;
    Ok(Some(string.substring(call.caller(), start..end)?.to_externref().into()))
}

pub(super) fn to_lower_case<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let units = call.units(0)?;
    call.give_units(&dart::to_lower_case(&units))
}

pub(super) fn to_upper_case<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let units = call.units(0)?;
    call.give_units(&dart::to_upper_case(&units))
}

pub(super) fn concat<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let (a, b) = (call.string(0)?, call.string(1)?);
    Ok(Some(a.concat(call.caller(), &b)?.to_externref().into()))
}

/// By doubling: so nothing is copied before what comes out is known to fit, and then once.
pub(super) fn repeat<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let (mut power, mut times) = (call.string(0)?, call.size(1)?);
    let mut repeated = StringRef::new(call.caller(), "")?;
    if power.len(&*call.caller())? == 0 {
        times = 0;
    }
    while times != 0 {
        if times % 2 == 1 {
            repeated = repeated.concat(call.caller(), &power)?;
        }
        times /= 2;
        if times != 0 {
            power = power.concat(call.caller(), &power)?;
        }
    }
    Ok(Some(repeated.to_externref().into()))
}

pub(super) fn replace_range<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let (string, text) = (call.string(0)?, call.string(3)?);
    let len = string.len(&*call.caller())?;
    let end = call.within(call.size(2)?, len)?;
    let start = call.within(call.size(1)?, end)?;
    let caller = call.caller();
    let (before, behind) = (string.substring(&mut *caller, 0..start)?, string.substring(&mut *caller, end..len)?);
    let replaced = before.concat(&mut *caller, &text)?.concat(&mut *caller, &behind)?;
    Ok(Some(replaced.to_externref().into()))
}

pub(super) fn to_code_units<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let (units, array, at) = (call.units(0)?, call.array(1, StorageType::I16, true)?, call.size(2)?);
    let left = array.len(&*call.caller())?.saturating_sub(at);
    if units.len() > left as usize {
        return call.trap(format!("{} units do not fit behind element {at}", units.len()));
    }
    array.copy_from_slice(call.caller(), at, &units)?;
    Ok(None)
}

pub(super) fn json_encode<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let units = call.units(0)?;
    call.give_units(&dart::json_encode(&units))
}

pub(super) fn escape_pattern<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let units = call.units(0)?;
    call.give_units(&dart::escape_pattern(&units))
}
