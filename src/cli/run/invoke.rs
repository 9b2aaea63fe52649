//! `--invoke`: arguments by the export's types, results as text.

use crate::cli::failure::UsageError;
use crate::cli::host::Host;
use crate::cli::output::line;
use anyhow::{Result, anyhow};
use heapwood::{Error, HeapType, Instance, Module, RefKind, RefType, Store, Val, ValType, printable};
use std::ffi::OsString;

/// A call that the command line describes.
pub struct Call {
    name: String,
    args: Vec<Val>,
    results: usize,
}

impl Call {
    /// # Errors
    /// There is no such function; [`UsageError`] if the arguments do not fit it.
    pub fn parse(module: &Module, name: &str, args: &[OsString]) -> Result<Call> {
        let (export, shown) = (module.get_export(name), printable(name));
        let ty = match &export {
            Some(ty) => ty.func().ok_or_else(|| anyhow!("--invoke: the export `{shown}` is no function but {ty}"))?,
            None => return Err(anyhow!("--invoke: there is no export `{shown}`")),
        };
        let (wanted, given) = (ty.params().len(), args.len());
        if wanted != given {
            return Err(UsageError::new(format!("`{shown}` {ty} takes {wanted} arguments, {given} were given")).into());
        }
        let parse = |(arg, ty): (&OsString, ValType)| {
            let parsed = arg.to_str().and_then(|text| parse_value(text, &ty));
            parsed.ok_or_else(|| UsageError::new(format!("`{shown}` {ty}: `{}` is no {ty}", arg.display())))
        };
        let args = args.iter().zip(ty.params()).map(parse).collect::<Result<_, _>>()?;
        Ok(Call { name: name.to_owned(), args, results: ty.results().len() })
    }

    /// Calls the function and prints its results.
    pub fn run(&self, store: &mut Store<Host>, instance: Instance) -> heapwood::Result<()> {
        let func = instance.get_func(&mut *store, &self.name);
        let func =
            func.ok_or_else(|| Error::msg(format!("there is no exported function `{}`", printable(&self.name))))?;
        let mut results = vec![Val::I32(0); self.results];
        func.call(&mut *store, &self.args, &mut results)?;
        for result in &results {
            line!("{}", text(store, result)?);
        }
        Ok(())
    }
}

fn parse_value(text: &str, ty: &ValType) -> Option<Val> {
    match ty {
        ValType::I32 => parse_integer(text, 32).map(|bits| Val::I32(bits as u32 as i32)),
        ValType::I64 => parse_integer(text, 64).map(|bits| Val::I64(bits as u64 as i64)),
        ValType::F32 => text.parse().map(|value: f32| Val::F32(value.to_bits())).ok(),
        ValType::F64 => text.parse().map(|value: f64| Val::F64(value.to_bits())).ok(),
        ValType::V128 => parse_integer(text, 128).map(|bits| Val::V128(bits as u128)),
        ValType::Ref(RefType { nullable: true, heap }) if text == "null" => Some(Val::null(heap)),
        ValType::Ref(_) => None,
    }
}

/// Decimal or 0x, signed or unsigned, if it fits so many bits.
fn parse_integer(text: &str, bits: u32) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let magnitude = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) if hex.starts_with(|c: char| c.is_ascii_hexdigit()) => u128::from_str_radix(hex, 16).ok()?,
        None if digits.starts_with(|c: char| c.is_ascii_digit()) => digits.parse().ok()?,
        _ => return None,
    };
    let most = if negative { 1 << (bits - 1) } else { u128::MAX >> (128 - bits) };
    let value = if negative { magnitude.wrapping_neg() } else { magnitude };
    (magnitude <= most).then_some(value as i128)
}

fn text(store: &mut Store<Host>, value: &Val) -> heapwood::Result<String> {
    Ok(match *value {
        Val::I32(value) => value.to_string(),
        Val::I64(value) => value.to_string(),
        Val::F32(bits) => float_text(f32::from_bits(bits)),
        Val::F64(bits) => float_text(f64::from_bits(bits)),
        Val::V128(bits) => format!("{bits:#034x}"),
        _ => match value.ref_kind(&*store)? {
            None => "null".to_owned(),
            Some(RefKind::I31(value)) => format!("i31 {value}"),
            Some(RefKind::Struct(_)) => HeapType::Struct.to_string(),
            Some(RefKind::Array(_)) => HeapType::Array.to_string(),
            Some(RefKind::Host | RefKind::String) => HeapType::Extern.to_string(),
            Some(RefKind::Func) => HeapType::Func.to_string(),
            Some(RefKind::Exn) => HeapType::Exn.to_string(),
        },
    })
}

/// The shortest text that reads back as the same number; `nan`, `inf`.
fn float_text(value: impl std::fmt::Display) -> String {
    value.to_string().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_fit_their_type_signed_or_unsigned() {
        assert_eq!(parse_integer("-2147483648", 32), Some(-2147483648));
        assert_eq!(parse_integer("4294967295", 32), Some(4294967295));
        assert_eq!(parse_integer("0xff", 32), Some(255));
        assert_eq!(parse_integer("-0x10", 64), Some(-16));
        assert_eq!(parse_integer("340282366920938463463374607431768211455", 128), Some(-1));
        for wrong in ["4294967296", "-2147483649", "", "-", "0x", "+1", "1.0", "--1", "0x-1", "1e3"] {
            assert_eq!(parse_integer(wrong, 32), None, "{wrong}");
        }
    }

    #[test]
    fn values_by_type() {
        assert!(matches!(parse_value("0xffffffff", &ValType::I32), Some(Val::I32(-1))));
        assert!(matches!(parse_value("-1", &ValType::I64), Some(Val::I64(-1))));
        assert!(matches!(parse_value("1.5", &ValType::F32), Some(Val::F32(0x3fc0_0000))));
        assert!(matches!(parse_value("null", &ValType::EXTERNREF), Some(Val::ExternRef(None))));
        assert!(parse_value("1", &ValType::EXTERNREF).is_none());
        assert!(parse_value("x", &ValType::F64).is_none());
    }
}
