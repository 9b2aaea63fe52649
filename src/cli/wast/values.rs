//! Arguments and expected results of scripts.

use anyhow::{Result, bail};
use heapwood::{ExternRef, HeapType, RefKind, Rooted, Store, Val};
use wast::core::{AbstractHeapType, HeapType as WastHeapType, NanPattern, V128Pattern, WastArgCore, WastRetCore};
use wast::token::{F32, F64};

/// What `(ref.extern N)` and `(ref.host N)` refer to.
struct HostNumber(u32);

pub fn argument(store: &mut Store<()>, arg: &WastArgCore<'_>) -> Result<Val> {
    Ok(match arg {
        WastArgCore::I32(value) => Val::I32(*value),
        WastArgCore::I64(value) => Val::I64(*value),
        WastArgCore::F32(value) => Val::F32(value.bits),
        WastArgCore::F64(value) => Val::F64(value.bits),
        WastArgCore::V128(value) => Val::V128(u128::from_le_bytes(value.to_le_bytes())),
        WastArgCore::RefNull(heap) => null(heap)?,
        WastArgCore::RefExtern(number) => Val::ExternRef(Some(ExternRef::new(store, HostNumber(*number))?)),
        WastArgCore::RefHost(number) => Val::AnyRef(Some(ExternRef::new(store, HostNumber(*number))?.to_any())),
    })
}

/// The null of the hierarchy that a heap type belongs to.
fn null(heap: &WastHeapType<'_>) -> Result<Val> {
    use AbstractHeapType as A;
    let WastHeapType::Abstract { ty, .. } = heap else {
        bail!("nulls of defined types are not supported in scripts");
    };
    Ok(Val::null(&match ty {
        A::Func | A::NoFunc => HeapType::Func,
        A::Extern | A::NoExtern => HeapType::Extern,
        A::Exn | A::NoExn => HeapType::Exn,
        A::Any | A::Eq | A::Struct | A::Array | A::I31 | A::None => HeapType::Any,
        A::Cont | A::NoCont => bail!("stack switching is not supported"),
    }))
}

/// Whether a result is as expected.
pub fn matches(store: &Store<()>, value: &Val, expected: &WastRetCore<'_>) -> Result<bool> {
    let kind = || value.ref_kind(store);
    Ok(match (expected, *value) {
        (WastRetCore::Either(cases), _) => {
            for case in cases {
                if matches(store, value, case)? {
                    return Ok(true);
                }
            }
            false
        }
        (WastRetCore::I32(expected), Val::I32(value)) => *expected == value,
        (WastRetCore::I64(expected), Val::I64(value)) => *expected == value,
        (WastRetCore::F32(expected), Val::F32(bits)) => f32_matches(expected, bits),
        (WastRetCore::F64(expected), Val::F64(bits)) => f64_matches(expected, bits),
        (WastRetCore::V128(expected), Val::V128(value)) => v128_matches(expected, value),
        (WastRetCore::RefNull(None), value) => value.is_null(),
        (WastRetCore::RefNull(Some(heap)), value) => {
            value.is_null() && std::mem::discriminant(&value) == std::mem::discriminant(&null(heap)?)
        }
        (WastRetCore::RefExtern(number), Val::ExternRef(Some(reference))) => match number {
            None => true,
            Some(number) => host_number(store, &reference)? == Some(*number),
        },
        (WastRetCore::RefHost(number), Val::AnyRef(Some(reference))) => {
            host_number(store, &reference.to_extern())? == Some(*number)
        }
        (WastRetCore::RefFunc(None), Val::FuncRef(function)) => function.is_some(),
        (WastRetCore::RefFunc(Some(_)), _) => bail!("functions are not compared by index"),
        (WastRetCore::RefAny, Val::AnyRef(reference)) => reference.is_some(),
        (WastRetCore::RefEq, Val::AnyRef(_)) => {
            matches!(kind()?, Some(RefKind::I31(_) | RefKind::Struct(_) | RefKind::Array(_)))
        }
        (WastRetCore::RefArray, Val::AnyRef(_)) => matches!(kind()?, Some(RefKind::Array(_))),
        (WastRetCore::RefStruct, Val::AnyRef(_)) => matches!(kind()?, Some(RefKind::Struct(_))),
        (WastRetCore::RefI31, Val::AnyRef(_)) => matches!(kind()?, Some(RefKind::I31(_))),
        _ => false,
    })
}

fn host_number(store: &Store<()>, reference: &Rooted<ExternRef>) -> Result<Option<u32>> {
    let data = reference.data(&store)?;
    Ok(data.and_then(|data| data.downcast_ref::<HostNumber>()).map(|number| number.0))
}

fn f32_matches(expected: &NanPattern<F32>, bits: u32) -> bool {
    match expected {
        NanPattern::CanonicalNan => bits & 0x7fff_ffff == 0x7fc0_0000,
        NanPattern::ArithmeticNan => bits & 0x7fc0_0000 == 0x7fc0_0000,
        NanPattern::Value(value) => bits == value.bits,
    }
}

fn f64_matches(expected: &NanPattern<F64>, bits: u64) -> bool {
    match expected {
        NanPattern::CanonicalNan => bits & !(1 << 63) == 0x7ff8_0000_0000_0000,
        NanPattern::ArithmeticNan => bits & 0x7ff8_0000_0000_0000 == 0x7ff8_0000_0000_0000,
        NanPattern::Value(value) => bits == value.bits,
    }
}

fn v128_matches(expected: &V128Pattern, value: u128) -> bool {
    let lane = |index: usize, bits: u32| value >> (index as u32 * bits);
    match expected {
        V128Pattern::I8x16(lanes) => lanes.iter().enumerate().all(|(i, l)| lane(i, 8) as i8 == *l),
        V128Pattern::I16x8(lanes) => lanes.iter().enumerate().all(|(i, l)| lane(i, 16) as i16 == *l),
        V128Pattern::I32x4(lanes) => lanes.iter().enumerate().all(|(i, l)| lane(i, 32) as i32 == *l),
        V128Pattern::I64x2(lanes) => lanes.iter().enumerate().all(|(i, l)| lane(i, 64) as i64 == *l),
        V128Pattern::F32x4(lanes) => lanes.iter().enumerate().all(|(i, l)| f32_matches(l, lane(i, 32) as u32)),
        V128Pattern::F64x2(lanes) => lanes.iter().enumerate().all(|(i, l)| f64_matches(l, lane(i, 64) as u64)),
    }
}

/// A result for a message.
pub fn text(store: &Store<()>, value: &Val) -> String {
    match *value {
        Val::I32(value) => format!("i32 {value} ({value:#x})"),
        Val::I64(value) => format!("i64 {value} ({value:#x})"),
        Val::F32(bits) => format!("f32 {} ({bits:#x})", f32::from_bits(bits)),
        Val::F64(bits) => format!("f64 {} ({bits:#x})", f64::from_bits(bits)),
        Val::V128(value) => format!("v128 {value:#034x}"),
        _ if value.is_null() => match value {
            Val::FuncRef(_) => "a null funcref".to_owned(),
            Val::ExternRef(_) => "a null externref".to_owned(),
            Val::ExnRef(_) => "a null exnref".to_owned(),
            _ => "a null anyref".to_owned(),
        },
        _ => match value.ref_kind(store) {
            Ok(kind) => format!("{kind:?}"),
            Err(error) => error.to_string(),
        },
    }
}

/// An expected result for a message.
pub fn pattern(expected: &WastRetCore<'_>) -> String {
    match expected {
        WastRetCore::I32(value) => format!("i32 {value} ({value:#x})"),
        WastRetCore::I64(value) => format!("i64 {value} ({value:#x})"),
        WastRetCore::F32(NanPattern::Value(value)) => format!("f32 {} ({:#x})", f32::from_bits(value.bits), value.bits),
        WastRetCore::F64(NanPattern::Value(value)) => format!("f64 {} ({:#x})", f64::from_bits(value.bits), value.bits),
        other => format!("{other:?}"),
    }
}
