//! String buffers: objects of the heap, each with an array of units that grows, and the number of those that count.

use super::Context;
use super::call::{Call, Given, number};
use crate::{
    ArrayRef, ArrayType, Engine, FieldType, Mutability, Result, Rooted, StorageType, StructRef, StructType, Val,
    ValType,
};
use heapwood_surfaces::dart;

const ARRAY: usize = 0;
const LEN: usize = 1;

/// Units of a new buffer.
const UNITS_MIN: u32 = 32;
/// A buffer has no more units than strings have.
const UNITS_MAX: u32 = 1 << 29;

/// The type of a buffer.
pub(super) fn struct_type(engine: &Engine) -> StructType {
    let field = |ty| FieldType::new(Mutability::Var, StorageType::ValType(ty));
    StructType::new(engine, [field(ValType::ANYREF), field(ValType::I32)])
}

fn array_type(engine: &Engine) -> ArrayType {
    ArrayType::new(engine, FieldType::new(Mutability::Var, StorageType::I16))
}

fn buffer<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Result<Rooted<StructRef>> {
    let ty = call.types().buffer;
    call.object(0, &ty, "a string buffer")
}

/// The array, and how many of its units count.
fn parts<T, C: Context<T>>(
    call: &mut Call<'_, '_, T, C>,
    buffer: Rooted<StructRef>,
) -> Result<(Rooted<ArrayRef>, u32)> {
    let (array, len) = (buffer.field(&mut *call.caller(), ARRAY)?, buffer.field(&mut *call.caller(), LEN)?);
    let array = match array {
        Val::AnyRef(Some(array)) => array.as_array(&*call.caller())?,
        _ => None,
    };
    if let (Some(array), Some(len)) = (array, len.i32().and_then(|len| u32::try_from(len).ok()))
        && call.has_elements(array, StorageType::I16, true)?
        && len <= array.len(&*call.caller())?
    {
        return Ok((array, len));
    }
    // The program has made an object of the same type for itself.
    call.trap("argument 0 is no string buffer of this host")
}

fn new_array<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>, units: u32) -> Result<Rooted<ArrayRef>> {
    let ty = array_type(call.caller().engine());
    ArrayRef::new(call.caller(), &ty, &Val::I32(0), units)
}

pub(super) fn create<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let array = new_array(call, UNITS_MIN)?;
    let ty = call.types().buffer;
    let buffer = StructRef::new(call.caller(), &ty, &[array.into(), Val::I32(0)])?;
    Ok(Some(buffer.to_anyref().to_extern().into()))
}

fn append<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>, units: &[u16]) -> Given {
    let buffer = buffer(call)?;
    let (mut array, len) = parts(call, buffer)?;
    let room = array.len(&*call.caller())?;
    let more = u32::try_from(units.len()).unwrap_or(UNITS_MAX);
    let Some(needed) = len.checked_add(more).filter(|needed| *needed <= UNITS_MAX) else {
        return call.trap(format!("a string buffer has at most {UNITS_MAX} units"));
    };
    if needed > room {
        let mut before = vec![0_u16; len as usize];
        array.copy_to_slice(&*call.caller(), 0, &mut before)?;
        array = new_array(call, needed.max(room.saturating_mul(2)).min(UNITS_MAX))?;
        array.copy_from_slice(&mut *call.caller(), 0, &before)?;
        buffer.set_field(&mut *call.caller(), ARRAY, array.into())?;
    }
    array.copy_from_slice(&mut *call.caller(), len, units)?;
    buffer.set_field(call.caller(), LEN, Val::I32(needed.cast_signed()))?;
    Ok(None)
}

pub(super) fn write_string<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let units = call.units(1)?;
    append(call, &units)
}

pub(super) fn write_char_code<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let code = call.i32(1);
    match dart::units_of_code(code) {
        Some(units) => append(call, &units),
        None => call.trap(format!("{code} is no code of a character")),
    }
}

pub(super) fn clear<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let buffer = buffer(call)?;
    let array = new_array(call, UNITS_MIN)?;
    buffer.set_field(&mut *call.caller(), ARRAY, array.into())?;
    buffer.set_field(call.caller(), LEN, Val::I32(0))?;
    Ok(None)
}

pub(super) fn length<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let buffer = buffer(call)?;
    let (_, len) = parts(call, buffer)?;
    number(len as usize)
}

pub(super) fn to_string<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let buffer = buffer(call)?;
    let (array, len) = parts(call, buffer)?;
    let mut units = vec![0_u16; len as usize];
    array.copy_to_slice(&*call.caller(), 0, &mut units)?;
    call.give_units(&units)
}
