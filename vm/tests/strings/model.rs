//! What the functions of strings do, over vectors of units.

use heapwood_vm::TrapKind;

/// Every function: module, name, and what follows the name in an import. `$u16` and `$u8` are arrays of mutable i16 and
/// i8.
pub const FUNCTIONS: [(&str, &str, &str); 17] = [
    (JS, "test", "(param externref) (result i32)"),
    (JS, "cast", "(param externref) (result (ref extern))"),
    (JS, "length", "(param externref) (result i32)"),
    (JS, "charCodeAt", "(param externref i32) (result i32)"),
    (JS, "codePointAt", "(param externref i32) (result i32)"),
    (JS, "concat", "(param externref externref) (result (ref extern))"),
    (JS, "substring", "(param externref i32 i32) (result (ref extern))"),
    (JS, "equals", "(param externref externref) (result i32)"),
    (JS, "compare", "(param externref externref) (result i32)"),
    (JS, "fromCharCode", "(param i32) (result (ref extern))"),
    (JS, "fromCodePoint", "(param i32) (result (ref extern))"),
    (JS, "fromCharCodeArray", "(param (ref null $u16) i32 i32) (result (ref extern))"),
    (JS, "intoCharCodeArray", "(param externref (ref null $u16) i32) (result i32)"),
    ("wasm:text-decoder", "decodeStringFromUTF8Array", "(param (ref null $u8) i32 i32) (result (ref extern))"),
    (ENCODER, "measureStringAsUTF8", "(param externref) (result i32)"),
    (ENCODER, "encodeStringIntoUTF8Array", "(param externref (ref null $u8) i32) (result i32)"),
    (ENCODER, "encodeStringToUTF8Array", "(param externref) (result (ref $u8))"),
];

const JS: &str = "wasm:js-string";
const ENCODER: &str = "wasm:text-encoder";

/// What an argument is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Arg {
    Null,
    /// A reference to something that is no string.
    Other,
    Str(Vec<u16>),
    Num(i32),
    Units(Vec<u16>),
    Bytes(Vec<u8>),
}

/// What a function returns, and what an array holds afterwards.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Out {
    Num(i32),
    Str(Vec<u16>),
    Bytes(Vec<u8>),
    /// A number, and the array of the arguments.
    Filled(i32, Arg),
}

type Outcome = Result<Out, TrapKind>;

fn string(arg: &Arg) -> Result<&[u16], TrapKind> {
    match arg {
        Arg::Str(units) => Ok(units),
        _ => Err(TrapKind::NotAString),
    }
}

/// A number as an index: unsigned.
fn index(arg: &Arg) -> usize {
    let Arg::Num(number) = arg else { panic!("{arg:?} is no number") };
    number.cast_unsigned() as usize
}

fn unit_at(units: &[u16], at: usize) -> Result<u16, TrapKind> {
    units.get(at).copied().ok_or(TrapKind::StringOutOfBounds)
}

fn code_point_at(units: &[u16], at: usize) -> Result<u32, TrapKind> {
    let high = u32::from(unit_at(units, at)?);
    let low = u32::from(units.get(at + 1).copied().unwrap_or(0));
    Ok(match (high, low) {
        (0xd800..0xdc00, 0xdc00..0xe000) => 0x10000 + (high - 0xd800) * 0x400 + (low - 0xdc00),
        _ => high,
    })
}

fn utf8(units: &[u16]) -> Vec<u8> {
    String::from_utf16_lossy(units).into_bytes()
}

fn range<T: Clone>(elements: &[T], start: usize, end: usize) -> Result<Vec<T>, TrapKind> {
    elements.get(start..end).map(<[T]>::to_vec).ok_or(TrapKind::ArrayOutOfBounds)
}

fn filled<T: Clone>(array: &[T], start: usize, elements: &[T], arg: fn(Vec<T>) -> Arg) -> Outcome {
    let mut array = array.to_vec();
    let place = array.get_mut(start..).and_then(|rest| rest.get_mut(..elements.len()));
    place.ok_or(TrapKind::ArrayOutOfBounds)?.clone_from_slice(elements);
    Ok(Out::Filled(elements.len() as i32, arg(array)))
}

/// What a call has to return.
pub fn call(function: &str, args: &[Arg]) -> Outcome {
    Ok(match function {
        "test" => Out::Num(matches!(args[0], Arg::Str(_)).into()),
        "cast" => Out::Str(string(&args[0])?.to_vec()),
        "length" => Out::Num(string(&args[0])?.len() as i32),
        "charCodeAt" => Out::Num(unit_at(string(&args[0])?, index(&args[1]))?.into()),
        "codePointAt" => Out::Num(code_point_at(string(&args[0])?, index(&args[1]))? as i32),
        "concat" => Out::Str([string(&args[0])?, string(&args[1])?].concat()),
        "substring" => {
            let units = string(&args[0])?;
            let (start, end) = (index(&args[1]), index(&args[2]).min(units.len()));
            Out::Str(units.get(start..end).unwrap_or_default().to_vec())
        }
        "equals" => match (&args[0], &args[1]) {
            (Arg::Other, _) | (_, Arg::Other) => return Err(TrapKind::NotAString),
            (a, b) => Out::Num((a == b).into()),
        },
        "compare" => Out::Num(string(&args[0])?.cmp(string(&args[1])?) as i32),
        "fromCharCode" => Out::Str(vec![index(&args[0]) as u16]),
        "fromCodePoint" => match index(&args[0]) {
            unit @ ..0x10000 => Out::Str(vec![unit as u16]),
            point @ ..0x110000 => {
                let rest = point - 0x10000;
                Out::Str(vec![0xd800 + (rest >> 10) as u16, 0xdc00 + (rest & 0x3ff) as u16])
            }
            _ => return Err(TrapKind::InvalidCodePoint),
        },
        "fromCharCodeArray" => match &args[0] {
            Arg::Units(units) => Out::Str(range(units, index(&args[1]), index(&args[2]))?),
            _ => return Err(TrapKind::NullArray),
        },
        "intoCharCodeArray" => match (string(&args[0])?, &args[1]) {
            (units, Arg::Units(array)) => filled(array, index(&args[2]), units, Arg::Units)?,
            _ => return Err(TrapKind::NullArray),
        },
        "decodeStringFromUTF8Array" => match &args[0] {
            Arg::Bytes(bytes) => {
                let bytes = range(bytes, index(&args[1]), index(&args[2]))?;
                Out::Str(String::from_utf8_lossy(&bytes).encode_utf16().collect())
            }
            _ => return Err(TrapKind::NullArray),
        },
        "measureStringAsUTF8" => Out::Num(utf8(string(&args[0])?).len() as i32),
        "encodeStringIntoUTF8Array" => match (string(&args[0])?, &args[1]) {
            (units, Arg::Bytes(array)) => filled(array, index(&args[2]), &utf8(units), Arg::Bytes)?,
            _ => return Err(TrapKind::NullArray),
        },
        "encodeStringToUTF8Array" => Out::Bytes(utf8(string(&args[0])?)),
        _ => panic!("no function {function}"),
    })
}
