//! Values on the command line, in both directions: as the text format writes them, one an argument, and so that each
//! result may be given back.

use heapwood::{AnyRef, HeapType, RefKind, RefType, Store, Val, ValType};
use wast::core::V128Const;
use wast::parser::{self, Parse, ParseBuffer};
use wast::token::{F32, F64};

/// What stands before the number of an i31.
const I31: &str = "i31 ";

/// A value that was given for a parameter.
#[derive(Clone, Copy, Debug)]
pub enum Argument {
    Val(Val),
    /// The number of an i31, which is made in the store of the call.
    I31(i32),
}

impl Argument {
    /// The value of a type that a text stands for, if it stands for one.
    pub fn parse(text: &str, ty: &ValType) -> Option<Argument> {
        let value = match ty {
            ValType::I32 => Val::I32(integer(text, 32)? as u32 as i32),
            ValType::I64 => Val::I64(integer(text, 64)? as u64 as i64),
            ValType::F32 => Val::F32(match token::<F32>(text) {
                Some(float) => float.bits,
                None => text.parse::<f32>().ok()?.to_bits(),
            }),
            ValType::F64 => Val::F64(match token::<F64>(text) {
                Some(float) => float.bits,
                None => text.parse::<f64>().ok()?.to_bits(),
            }),
            ValType::V128 => Val::V128(vector(text)?),
            ValType::Ref(RefType { nullable: true, heap }) if text == "null" => Val::null(heap),
            ValType::Ref(RefType { heap, .. }) => return i31(text, heap),
        };
        Some(Argument::Val(value))
    }

    /// The value, in a store.
    pub fn value<T: 'static>(&self, store: &mut Store<T>) -> heapwood::Result<Val> {
        Ok(match self {
            Argument::Val(value) => *value,
            Argument::I31(number) => Val::AnyRef(Some(AnyRef::from_i31(store, *number)?)),
        })
    }
}

/// What words of the text format have that stand for numbers.
fn is_of_number(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | ':' | '_')
}

/// A word of the text format.
fn token<T: for<'a> Parse<'a>>(text: &str) -> Option<T> {
    text.chars().all(is_of_number).then(|| parsed(text))?
}

fn parsed<T: for<'a> Parse<'a>>(text: &str) -> Option<T> {
    let buffer = ParseBuffer::new(text).ok()?;
    parser::parse(&buffer).ok()
}

/// An integer, or the lanes of a shape: `i32x4 1 2 3 4`.
fn vector(text: &str) -> Option<u128> {
    if text.contains(' ') && text.chars().all(|c| c == ' ' || is_of_number(c)) {
        return parsed::<V128Const>(text).map(|lanes| u128::from_le_bytes(lanes.to_le_bytes()));
    }
    integer(text, 128).map(|bits| bits as u128)
}

/// `i31 5`, for types that an i31 belongs to.
fn i31(text: &str, heap: &HeapType) -> Option<Argument> {
    if !matches!(heap, HeapType::Any | HeapType::Eq | HeapType::I31) {
        return None;
    }
    let number: i32 = token(text.strip_prefix(I31)?)?;
    (-1 << 30..1 << 30).contains(&number).then_some(Argument::I31(number))
}

/// Decimal or 0x, signed or unsigned, if it fits so many bits.
fn integer(text: &str, bits: u32) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = if digits.starts_with('_') || digits.ends_with('_') { return None } else { digits.replace('_', "") };
    let magnitude = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) if hex.starts_with(|c: char| c.is_ascii_hexdigit()) => u128::from_str_radix(hex, 16).ok()?,
        None if digits.starts_with(|c: char| c.is_ascii_digit()) => digits.parse().ok()?,
        _ => return None,
    };
    let most = if negative { 1 << (bits - 1) } else { u128::MAX >> (128 - bits) };
    let value = if negative { magnitude.wrapping_neg() } else { magnitude };
    (magnitude <= most).then_some(value as i128)
}

/// A result as text. What is no number, null or i31 is told by its kind.
pub fn text<T: 'static>(store: &mut Store<T>, value: &Val) -> heapwood::Result<String> {
    Ok(match *value {
        Val::I32(value) => value.to_string(),
        Val::I64(value) => value.to_string(),
        Val::F32(bits) => match f32::from_bits(bits) {
            nan if nan.is_nan() => nan_text(bits >> 31 != 0, (bits & 0x7f_ffff).into(), 1 << 22),
            value => value.to_string(),
        },
        Val::F64(bits) => match f64::from_bits(bits) {
            nan if nan.is_nan() => nan_text(bits >> 63 != 0, bits & 0xf_ffff_ffff_ffff, 1 << 51),
            value => value.to_string(),
        },
        Val::V128(bits) => format!("{bits:#034x}"),
        _ => match value.ref_kind(&*store)? {
            None => "null".to_owned(),
            Some(RefKind::I31(value)) => format!("{I31}{value}"),
            Some(RefKind::Struct(_)) => HeapType::Struct.to_string(),
            Some(RefKind::Array(_)) => HeapType::Array.to_string(),
            Some(RefKind::Host | RefKind::String) => HeapType::Extern.to_string(),
            Some(RefKind::Func) => HeapType::Func.to_string(),
            Some(RefKind::Exn) => HeapType::Exn.to_string(),
        },
    })
}

/// A NaN by its sign, and its payload unless that is the canonical one.
fn nan_text(is_negative: bool, payload: u64, canonical: u64) -> String {
    let sign = if is_negative { "-" } else { "" };
    if payload == canonical { format!("{sign}nan") } else { format!("{sign}nan:{payload:#x}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use heapwood::Engine;

    fn parse(text: &str, ty: &ValType) -> Option<Val> {
        match Argument::parse(text, ty)? {
            Argument::Val(value) => Some(value),
            Argument::I31(_) => panic!("an i31"),
        }
    }

    #[test]
    fn integers_fit_their_type_signed_or_unsigned() {
        for (text, value) in [
            ("-2147483648", i32::MIN),
            ("4294967295", -1),
            ("0xff", 255),
            ("0XFF", 255),
            ("-0x10", -16),
            ("+5", 5),
            ("1_000", 1000),
            ("0xff_ff", 0xffff),
        ] {
            assert!(matches!(parse(text, &ValType::I32), Some(Val::I32(parsed)) if parsed == value), "{text}");
            assert!(matches!(parse(text, &ValType::V128), Some(Val::V128(_))), "{text}");
        }
        assert!(matches!(parse("18446744073709551615", &ValType::I64), Some(Val::I64(-1))));
        assert!(matches!(parse("340282366920938463463374607431768211455", &ValType::V128), Some(Val::V128(u128::MAX))));
        for wrong in [
            "4294967296",
            "-2147483649",
            "",
            "-",
            "0x",
            "+",
            "1.0",
            "--1",
            "0x-1",
            "1e3",
            "_1",
            "1_",
            "1 ",
            "1;;",
            "nan",
            "(1)",
            "$x",
            "\"1\"",
        ] {
            assert!(parse(wrong, &ValType::I32).is_none(), "{wrong}");
        }
        assert!(parse("_1", &ValType::V128).is_none() && parse("", &ValType::V128).is_none());
    }

    #[test]
    fn vectors_are_lanes_too() {
        let vector = |text: &str| match parse(text, &ValType::V128) {
            Some(Val::V128(bits)) => Some(bits),
            _ => None,
        };
        assert_eq!(vector("i32x4 1 2 3 0x4"), Some(0x4_00000003_00000002_00000001));
        assert_eq!(vector("i64x2 -1 0"), Some(u64::MAX.into()));
        assert_eq!(vector("f64x2 0 1.0"), Some(u128::from(1.0f64.to_bits()) << 64));
        assert_eq!(vector("f32x4 nan:0x200000 0 0 0"), Some(0x7fa0_0000));
        for wrong in
            ["i32x4 1 2 3", "i32x4 1 2 3 4 5", "i32x4", "i32x5 1 2 3 4 5", "i8x16 256", "1 2", "i32x4 (1) 2 3 4"]
        {
            assert_eq!(vector(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn references_are_null_or_numbers() {
        let parse = |text: &str, nullable, heap| Argument::parse(text, &ValType::Ref(RefType::new(nullable, heap)));
        assert!(matches!(parse("null", true, HeapType::Extern), Some(Argument::Val(Val::ExternRef(None)))));
        assert!(parse("null", false, HeapType::Any).is_none() && parse("1", true, HeapType::Extern).is_none());
        for heap in [HeapType::Any, HeapType::Eq, HeapType::I31] {
            assert!(matches!(parse("i31 -5", false, heap.clone()), Some(Argument::I31(-5))));
            assert!(parse("i31 1073741824", true, heap.clone()).is_none() && parse("i31 x", true, heap).is_none());
        }
        for heap in [HeapType::Extern, HeapType::Struct, HeapType::Func] {
            assert!(parse("i31 5", true, heap).is_none());
        }
    }

    /// The bits of a number, 0 for a reference.
    fn bits(value: &Val) -> u128 {
        match *value {
            Val::I32(value) => value.cast_unsigned().into(),
            Val::I64(value) => value.cast_unsigned().into(),
            Val::F32(bits) => bits.into(),
            Val::F64(bits) => bits.into(),
            Val::V128(bits) => bits,
            _ => 0,
        }
    }

    /// Every result can be given back, and is the same then.
    #[test]
    fn results_can_be_given_back() {
        let mut store = Store::new(&Engine::default(), ());
        let floats = [0, 1, 0x3f80_0000, 0x7f7f_ffff, 0x7f80_0000, 0x7fc0_0000, 0x7fa0_0000, 0x7f80_0001, 0x7fff_ffff];
        let doubles = floats.iter().map(|bits| u64::from(*bits) << 32 | 0x1234).chain([0x7ff8 << 48, 0x7ff0 << 48, 1]);
        let with_sign = doubles.clone().map(|bits| bits | 1 << 63);
        let mut values: Vec<(Val, ValType)> = Vec::new();
        let singles = floats.iter().flat_map(|bits| [*bits, bits | 1 << 31]);
        values.extend(singles.map(|bits| (Val::F32(bits), ValType::F32)));
        values.extend(doubles.chain(with_sign).map(|double| (Val::F64(double), ValType::F64)));
        values.extend([0, -1, i32::MIN].map(|value| (Val::I32(value), ValType::I32)));
        values.extend([0, -1, i64::MIN].map(|value| (Val::I64(value), ValType::I64)));
        values.extend([0, u128::MAX, 1 << 100].map(|value| (Val::V128(value), ValType::V128)));
        values.push((Val::AnyRef(None), ValType::Ref(RefType::new(true, HeapType::Any))));
        let number = AnyRef::from_i31(&mut store, -7).expect("it fits");
        values.push((Val::AnyRef(Some(number)), ValType::Ref(RefType::new(false, HeapType::I31))));
        let texts: Vec<String> = values.iter().map(|(value, _)| text(&mut store, value).expect("a kind")).collect();
        for ((value, ty), said) in values.iter().zip(&texts) {
            let back = Argument::parse(said, ty).unwrap_or_else(|| panic!("{said} is no {ty}"));
            let back = back.value(&mut store).expect("a value");
            assert_eq!(&text(&mut store, &back).expect("a kind"), said);
            assert_eq!(bits(&back), bits(value), "{said}");
        }
    }
}
