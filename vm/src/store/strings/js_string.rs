//! The functions of `wasm:js-string`, `wasm:text-encoder` and `wasm:text-decoder`.
//!
//! A row of the table is a function: its module, its name and its type, in which `U16` and `U8` are arrays of mutable
//! 16-bit and 8-bit numbers, each alone in its group. Indices are unsigned. What is null or no string where a string
//! has to be is a trap that names the function.

use super::{Utf8, decode_utf8};
use crate::engine::Engine;
use crate::errors::{Error, Result, Trap, TrapKind};
use crate::rt::value::RawVal;
use crate::store::StoreOpaque;
use crate::types::{ArrayType, FieldType, FuncType, HeapType, Mutability, RefType, StorageType, ValType};
use heapwood_gc::StringUnits;
use heapwood_gc_abi::{Narrow, RawRef, low16, low32};
use heapwood_jit::stubs::StringFunction;
use heapwood_module as m;
use std::cmp::Ordering;

/// A type of the table.
#[derive(Clone, Copy)]
enum Ty {
    /// i32.
    Num,
    /// externref.
    Extern,
    /// (ref extern).
    Str,
    /// (ref null U16).
    U16,
    /// (ref null U8).
    U8,
    /// (ref U8).
    NewU8,
}

use Ty::{Extern, NewU8, Num, Str, U8, U16};

macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident = $module:literal $text:literal ($($param:ident),*) -> $result:ident;)*) => {
        /// A function.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(crate) enum JsString {
            $($(#[$doc])* $name,)*
        }

        impl JsString {
            /// All functions of the table.
            pub const ALL: &'static [JsString] = &[$(JsString::$name),*];

            /// Module and name of the import.
            pub const fn import(self) -> (&'static str, &'static str) {
                match self { $(JsString::$name => ($module, $text),)* }
            }

            fn types(self) -> (&'static [Ty], Ty) {
                match self { $(JsString::$name => (&[$($param),*], $result),)* }
            }
        }
    };
}

functions! {
    /// Whether the reference is a string.
    Test = "wasm:js-string" "test" (Extern) -> Num;
    /// The reference itself, which has to be a string.
    Cast = "wasm:js-string" "cast" (Extern) -> Str;
    /// Number of units.
    Length = "wasm:js-string" "length" (Extern) -> Num;
    /// The unit at an index.
    CharCodeAt = "wasm:js-string" "charCodeAt" (Extern, Num) -> Num;
    /// The code point that begins at an index, or the unit.
    CodePointAt = "wasm:js-string" "codePointAt" (Extern, Num) -> Num;
    /// Two strings, one behind the other.
    Concat = "wasm:js-string" "concat" (Extern, Extern) -> Str;
    /// Units from one index up to another.
    Substring = "wasm:js-string" "substring" (Extern, Num, Num) -> Str;
    /// Whether the units are the same; null equals null.
    Equals = "wasm:js-string" "equals" (Extern, Extern) -> Num;
    /// The order by units.
    Compare = "wasm:js-string" "compare" (Extern, Extern) -> Num;
    /// A string of one unit.
    FromCharCode = "wasm:js-string" "fromCharCode" (Num) -> Str;
    /// A string of one code point.
    FromCodePoint = "wasm:js-string" "fromCodePoint" (Num) -> Str;
    /// A string of elements.
    FromCharCodeArray = "wasm:js-string" "fromCharCodeArray" (U16, Num, Num) -> Str;
    /// Writes all units to elements.
    IntoCharCodeArray = "wasm:js-string" "intoCharCodeArray" (Extern, U16, Num) -> Num;
    /// A string of UTF-8.
    DecodeUtf8 = "wasm:text-decoder" "decodeStringFromUTF8Array" (U8, Num, Num) -> Str;
    /// Number of bytes as UTF-8.
    MeasureUtf8 = "wasm:text-encoder" "measureStringAsUTF8" (Extern) -> Num;
    /// Writes UTF-8 to elements.
    EncodeUtf8Into = "wasm:text-encoder" "encodeStringIntoUTF8Array" (Extern, U8, Num) -> Num;
    /// A new array of UTF-8.
    EncodeUtf8 = "wasm:text-encoder" "encodeStringToUTF8Array" (Extern) -> NewU8;
}

/// The array types of a table's functions.
pub(crate) struct ArrayTypes {
    u16: ArrayType,
    u8: ArrayType,
}

impl ArrayTypes {
    /// The array types of an engine that the functions name.
    ///
    /// # Errors
    /// Its type table is full.
    pub fn new(engine: &Engine) -> Result<ArrayTypes> {
        let array = |storage| ArrayType::try_new(engine, FieldType::new(Mutability::Var, storage));
        Ok(ArrayTypes { u16: array(StorageType::I16)?, u8: array(StorageType::I8)? })
    }

    fn ty(&self, ty: Ty) -> ValType {
        let array = |is_nullable, ty: &ArrayType| ValType::Ref(RefType::new(is_nullable, ty.clone().into()));
        match ty {
            Num => ValType::I32,
            Extern => ValType::EXTERNREF,
            Str => ValType::Ref(RefType::new(false, HeapType::Extern)),
            U16 => array(true, &self.u16),
            U8 => array(true, &self.u8),
            NewU8 => array(false, &self.u8),
        }
    }
}

/// A number among the values of a call.
fn number(value: RawVal) -> u32 {
    low32(value[0])
}

impl JsString {
    /// The function's type.
    ///
    /// # Errors
    /// The engine's type table is full.
    pub fn ty(self, engine: &Engine, arrays: &ArrayTypes) -> Result<FuncType> {
        let (params, result) = self.types();
        FuncType::new(engine, params.iter().map(|ty| arrays.ty(*ty)), [arrays.ty(result)])
    }

    /// What machine code does of it.
    pub fn short_way(self) -> Option<StringFunction> {
        Some(match self {
            JsString::Test => StringFunction::Test,
            JsString::Cast => StringFunction::Cast,
            JsString::Length => StringFunction::Length,
            JsString::CharCodeAt => StringFunction::UnitAt,
            JsString::Equals => StringFunction::Equals,
            JsString::Concat => StringFunction::Concat,
            _ => return None,
        })
    }

    /// Runs it. `values` holds the arguments and takes the result. May collect.
    ///
    /// # Errors
    /// Traps; the limiter's.
    pub fn run(self, store: &mut StoreOpaque, values: &mut [RawVal]) -> Result<()> {
        let arg = |index: usize| number(values[index]);
        let result = match self {
            JsString::Test => store.is_string(arg(0)).into(),
            JsString::Cast => self.string(store, arg(0))?,
            JsString::Length => store.heap().string_length(self.string(store, arg(0))?),
            JsString::CharCodeAt => {
                let string = self.string_with(store, arg(0), arg(1))?;
                store.unit_at(string, arg(1))?.into()
            }
            JsString::CodePointAt => {
                let string = self.string_with(store, arg(0), arg(1))?;
                code_point_at(store, string, arg(1))?
            }
            JsString::Concat => {
                let (a, b) = (self.string(store, arg(0))?, self.string(store, arg(1))?);
                store.concat_strings(a, b).map_err(|error| self.explained(error))?
            }
            JsString::Substring => {
                let string = self.string(store, arg(0))?;
                store.substring(string, arg(1), arg(2))?
            }
            JsString::Equals => self.equals(store, arg(0), arg(1))?.into(),
            JsString::Compare => {
                let (a, b) = (self.string(store, arg(0))?, self.string(store, arg(1))?);
                match store.compare_strings(a, b)? {
                    Ordering::Less => u32::MAX,
                    Ordering::Equal => 0,
                    Ordering::Greater => 1,
                }
            }
            JsString::FromCharCode => store.new_string(StringUnits::Utf16(&[low16(values[0][0])]))?,
            JsString::FromCodePoint => self.of_code_point(store, arg(0))?,
            JsString::FromCharCodeArray => {
                self.check_array(store, arg(0), arg(1).into(), arg(2).into())?;
                store.string_of_array(arg(0), arg(1), arg(2)).map_err(|error| self.explained(error))?
            }
            JsString::IntoCharCodeArray => self.into_array(store, arg(0), arg(1), arg(2))?,
            JsString::DecodeUtf8 => {
                self.check_array(store, arg(0), arg(1).into(), arg(2).into())?;
                let mut bytes = vec![0; (arg(2) - arg(1)) as usize];
                store.heap().array_read_bytes(arg(0), arg(1), &mut bytes);
                let made = store.new_string(StringUnits::Utf16(&decode_utf8(&bytes)));
                made.map_err(|error| self.explained(error))?
            }
            JsString::MeasureUtf8 => {
                let string = self.string(store, arg(0))?;
                let string = store.flat_string(string)?;
                Utf8(store.heap().string_units(string)).len().narrow()
            }
            JsString::EncodeUtf8Into => self.encode_into(store, arg(0), arg(1), arg(2))?,
            JsString::EncodeUtf8 => {
                let text = self.utf8(store, arg(0))?;
                let arrays = ArrayTypes::new(store.engine())?;
                store.new_array_of_bytes(&arrays.u8, (m::StorageType::I8, "u8"), text.as_bytes())?
            }
        };
        values[0] = [result.into(), 0];
        Ok(())
    }

    /// A trap of this function.
    fn trap(self, kind: TrapKind, what: impl std::fmt::Display) -> Error {
        let (module, name) = self.import();
        Trap::with_detail(kind, format!("{module}.{name}: {what}")).into()
    }

    /// The error of a part, with the name of the function if it says what was too large.
    fn explained(self, error: Error) -> Error {
        match error.trap() {
            Some(trap) if trap.kind() == TrapKind::AllocationTooLarge => {
                self.trap(TrapKind::AllocationTooLarge, trap.detail().unwrap_or_default())
            }
            _ => error,
        }
    }

    /// A reference that has to be a string.
    fn string(self, store: &StoreOpaque, reference: RawRef) -> Result<RawRef> {
        match store.is_string(reference) {
            true => Ok(reference),
            false if reference == 0 => Err(self.trap(TrapKind::NotAString, "the reference is null")),
            false => Err(self.trap(TrapKind::NotAString, "the reference is to something else")),
        }
    }

    /// The string behind a reference; a trap if it is none or has no unit at `index`.
    fn string_with(self, store: &StoreOpaque, reference: RawRef, index: u32) -> Result<RawRef> {
        let string = self.string(store, reference)?;
        let len = store.heap().string_length(string);
        match index < len {
            true => Ok(string),
            false => Err(self.trap(TrapKind::StringOutOfBounds, format_args!("index {index} of {len} units"))),
        }
    }

    fn equals(self, store: &mut StoreOpaque, a: RawRef, b: RawRef) -> Result<bool> {
        for reference in [a, b] {
            if reference != 0 {
                self.string(store, reference)?;
            }
        }
        if a == 0 || b == 0 {
            return Ok(a == b);
        }
        store.strings_equal(a, b)
    }

    fn of_code_point(self, store: &mut StoreOpaque, point: u32) -> Result<RawRef> {
        match (u16::try_from(point), char::from_u32(point)) {
            (Ok(unit), _) => store.new_string(StringUnits::Utf16(&[unit])),
            (_, Some(char)) => store.new_string(StringUnits::Utf16(char.encode_utf16(&mut [0; 2]))),
            _ => Err(self.trap(TrapKind::InvalidCodePoint, format_args!("{point:#x} is more than 0x10ffff"))),
        }
    }

    /// An array that has to have elements from `start` up to `end`.
    fn check_array(self, store: &StoreOpaque, array: RawRef, start: u64, end: u64) -> Result<()> {
        if array == 0 {
            return Err(self.trap(TrapKind::NullArray, "the array is null"));
        }
        let len = store.heap().array_length(array);
        match start <= end && end <= len.into() {
            true => Ok(()),
            false => {
                let what = format_args!("elements {start}..{end} of {len}");
                Err(self.trap(TrapKind::ArrayOutOfBounds, what))
            }
        }
    }

    fn into_array(self, store: &mut StoreOpaque, string: RawRef, array: RawRef, start: u32) -> Result<u32> {
        let string = self.string(store, string)?;
        let len = store.heap().string_length(string);
        self.check_array(store, array, start.into(), u64::from(start) + u64::from(len))?;
        let (string, [array]) = store.holding([array], |store| store.flat_string(string))?;
        store.heap_mut().copy_units((string, 0), (array, start), len);
        Ok(len)
    }

    /// The UTF-8 of a reference that has to be a string.
    fn utf8(self, store: &mut StoreOpaque, string: RawRef) -> Result<String> {
        let string = self.string(store, string)?;
        let string = store.flat_string(string)?;
        Ok(Utf8(store.heap().string_units(string)).chars().collect())
    }

    fn encode_into(self, store: &mut StoreOpaque, string: RawRef, array: RawRef, start: u32) -> Result<u32> {
        let (text, [array]) = store.holding([array], |store| self.utf8(store, string))?;
        self.check_array(store, array, start.into(), u64::from(start) + text.len() as u64)?;
        store.heap_mut().array_write_bytes(array, start, text.as_bytes());
        Ok(text.len().narrow())
    }
}

/// The code point that begins at an index that a string has: of a whole pair, or else the unit.
fn code_point_at(store: &mut StoreOpaque, string: RawRef, index: u32) -> Result<u32> {
    let string = store.flat_string(string)?;
    Ok(match store.heap().string_units(string) {
        StringUnits::Latin1(units) => units[index as usize].into(),
        StringUnits::Utf16(units) => {
            let units = &units[index as usize..];
            match char::decode_utf16(units.iter().copied()).next() {
                Some(Ok(char)) => char.into(),
                _ => units[0].into(),
            }
        }
    })
}
