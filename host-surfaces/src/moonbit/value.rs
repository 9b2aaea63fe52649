//! Values of JavaScript that programs hold, and handles by which they make and read them piece by piece.

use super::{Failure, Result};
use heapwood_wasi::SeededRandom;
use std::sync::Arc;

/// The string that ends the reading of an array of strings.
const END_OF_ARRAY: &str = "ffi_end_of_/string_array";

/// A value; cheap to copy, but for one that is being made. Immutable, but for handles.
#[derive(Clone, Debug, PartialEq)]
pub struct Value(Repr);

#[derive(Clone, Debug, PartialEq)]
enum Repr {
    String(Arc<[u16]>),
    Bytes(Arc<[u8]>),
    Array(Arc<[Value]>),
    Number(f64),
    /// Nanoseconds of the monotonic clock.
    Instant(u64),
    Random(SeededRandom),
    MakeString(Vec<u16>),
    MakeBytes(Vec<u8>),
    /// What is read, and how far.
    Read(Arc<Repr>, usize),
}

/// What a value is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A string.
    String,
    /// An array of bytes.
    Bytes,
    /// An array.
    Array,
    /// A number, an instant or a generator.
    Other,
    /// A handle.
    Handle,
}

fn mismatch<T>(function: &str, wanted: &str) -> Result<T> {
    Err(Failure::Trap(format!("{function}: the argument is not {wanted}")))
}

/// Making values.
impl Value {
    /// A string.
    pub fn string(text: &str) -> Value {
        Value(Repr::String(text.encode_utf16().collect()))
    }

    /// An array of bytes.
    pub fn bytes(bytes: Vec<u8>) -> Value {
        Value(Repr::Bytes(bytes.into()))
    }

    /// An array.
    pub fn array(values: Vec<Value>) -> Value {
        Value(Repr::Array(values.into()))
    }

    /// A number.
    pub fn number(number: f64) -> Value {
        Value(Repr::Number(number))
    }

    /// A point in time of the monotonic clock.
    pub(super) fn instant(ns: u64) -> Value {
        Value(Repr::Instant(ns))
    }

    /// `stdrng_seed_from_u64`: a generator that the seed determines.
    pub fn random(seed: i32) -> Value {
        Value(Repr::Random(SeededRandom::new(seed.cast_unsigned().into())))
    }

    /// `begin_create_string`.
    pub fn begin_string() -> Value {
        Value(Repr::MakeString(Vec::new()))
    }

    /// `begin_create_byte_array`.
    pub fn begin_bytes() -> Value {
        Value(Repr::MakeBytes(Vec::new()))
    }

    /// `begin_read_string`, `begin_read_byte_array`, `begin_read_string_array`: a handle that reads a value of the
    /// kind.
    ///
    /// # Errors
    /// The value is not of the kind.
    pub fn begin_read(&self, kind: Kind) -> Result<Value> {
        if self.kind() != kind {
            return mismatch("begin_read", "of the kind that is to be read");
        }
        Ok(Value(Repr::Read(Arc::new(self.0.clone()), 0)))
    }
}

/// Looking at values.
impl Value {
    /// What the value is.
    pub fn kind(&self) -> Kind {
        match self.0 {
            Repr::String(_) => Kind::String,
            Repr::Bytes(_) => Kind::Bytes,
            Repr::Array(_) => Kind::Array,
            Repr::Number(_) | Repr::Instant(_) | Repr::Random(_) => Kind::Other,
            Repr::MakeString(_) | Repr::MakeBytes(_) | Repr::Read(..) => Kind::Handle,
        }
    }

    /// The units of a string.
    ///
    /// # Errors
    /// It is none; `function` is named.
    pub fn units(&self, function: &str) -> Result<&[u16]> {
        match &self.0 {
            Repr::String(units) => Ok(units),
            _ => mismatch(function, "a string"),
        }
    }

    /// A string as UTF-8; halves of pairs become U+FFFD.
    ///
    /// # Errors
    /// As [`Value::units`].
    pub fn to_bytes(&self, function: &str) -> Result<Vec<u8>> {
        Ok(String::from_utf16_lossy(self.units(function)?).into_bytes())
    }

    /// The bytes of an array of bytes.
    ///
    /// # Errors
    /// It is none; `function` is named.
    pub fn as_bytes(&self, function: &str) -> Result<&[u8]> {
        match &self.0 {
            Repr::Bytes(bytes) => Ok(bytes),
            _ => mismatch(function, "an array of bytes"),
        }
    }

    /// The values of an array.
    ///
    /// # Errors
    /// It is none; `function` is named.
    pub fn as_array(&self, function: &str) -> Result<&[Value]> {
        match &self.0 {
            Repr::Array(values) => Ok(values),
            _ => mismatch(function, "an array"),
        }
    }

    pub(super) fn instant_ns(&self, function: &str) -> Result<u64> {
        match self.0 {
            Repr::Instant(ns) => Ok(ns),
            _ => mismatch(function, "an instant"),
        }
    }
}

/// Handles.
impl Value {
    /// `string_append_char`: a UTF-16 unit more.
    ///
    /// # Errors
    /// The handle makes no string.
    pub fn append_unit(&mut self, unit: i32) -> Result<()> {
        match &mut self.0 {
            Repr::MakeString(units) => {
                let [low, high, ..] = unit.to_le_bytes();
                units.push(u16::from_le_bytes([low, high]));
                Ok(())
            }
            _ => mismatch("string_append_char", "a string that is being made"),
        }
    }

    /// `byte_array_append_byte`: a byte more.
    ///
    /// # Errors
    /// The handle makes no array of bytes.
    pub fn append_byte(&mut self, byte: i32) -> Result<()> {
        match &mut self.0 {
            Repr::MakeBytes(bytes) => {
                bytes.push(byte.to_le_bytes()[0]);
                Ok(())
            }
            _ => mismatch("byte_array_append_byte", "an array of bytes that is being made"),
        }
    }

    /// `finish_create_string`, `finish_create_byte_array`: what was made. The handle begins anew.
    ///
    /// # Errors
    /// The handle makes nothing.
    pub fn finish(&mut self) -> Result<Value> {
        match &mut self.0 {
            Repr::MakeString(units) => Ok(Value(Repr::String(std::mem::take(units).into()))),
            Repr::MakeBytes(bytes) => Ok(Value(Repr::Bytes(std::mem::take(bytes).into()))),
            _ => mismatch("finish_create", "something that is being made"),
        }
    }

    /// `string_read_char`, `byte_array_read_byte`: the next unit or byte; -1 at the end.
    ///
    /// # Errors
    /// The handle reads neither.
    pub fn read_number(&mut self) -> Result<i32> {
        let Repr::Read(from, at) = &mut self.0 else { return mismatch("read", "a handle that reads") };
        let next = match &**from {
            Repr::String(units) => units.get(*at).map(|unit| i32::from(*unit)),
            Repr::Bytes(bytes) => bytes.get(*at).map(|byte| i32::from(*byte)),
            _ => return mismatch("read", "a handle that reads a string or bytes"),
        };
        *at += usize::from(next.is_some());
        Ok(next.unwrap_or(-1))
    }

    /// `string_array_read_string`: the next string, or the one that stands for the end.
    ///
    /// # Errors
    /// The handle reads no array, or its next value is no string.
    pub fn read_string(&mut self) -> Result<Value> {
        let function = "string_array_read_string";
        let Repr::Read(from, at) = &mut self.0 else { return mismatch(function, "a handle that reads") };
        let Repr::Array(values) = &**from else { return mismatch(function, "a handle that reads an array") };
        let Some(next) = values.get(*at) else { return Ok(Value::string(END_OF_ARRAY)) };
        *at += 1;
        next.units(function)?;
        Ok(next.clone())
    }

    /// `stdrng_gen_range`: a number from 0 up to `end`, which is not reached; 0 if `end` is not positive.
    ///
    /// # Errors
    /// The value is no generator.
    pub fn below(&mut self, end: i32) -> Result<i32> {
        let Repr::Random(random) = &mut self.0 else { return mismatch("stdrng_gen_range", "a generator") };
        let bits = random.next_u64();
        let Ok(end) = u64::try_from(end) else { return Ok(0) };
        // The upper half of the product with 32 bits at random: below `end`.
        Ok(i32::try_from(((bits >> 32) * end) >> 32).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_bytes_are_made_and_read_piece_by_piece() {
        let mut handle = Value::begin_string();
        [0x48, 0x1_d83d, 0xde00].iter().for_each(|unit| handle.append_unit(*unit).unwrap());
        let string = handle.finish().unwrap();
        assert_eq!(string, Value::string("H\u{1f600}"));
        let mut reader = string.begin_read(Kind::String).unwrap();
        assert_eq!([(); 5].map(|()| reader.read_number().unwrap()), [0x48, 0xd83d, 0xde00, -1, -1]);
        let mut handle = Value::begin_bytes();
        [1, 0x1ff, -2].iter().for_each(|byte| handle.append_byte(*byte).unwrap());
        let bytes = handle.finish().unwrap();
        assert_eq!(bytes.as_bytes("f").unwrap(), [1, 255, 254]);
        let mut reader = bytes.begin_read(Kind::Bytes).unwrap();
        assert_eq!([(); 4].map(|()| reader.read_number().unwrap()), [1, 255, 254, -1]);
        let mut reader = Value::array(vec![string.clone()]).begin_read(Kind::Array).unwrap();
        assert_eq!(reader.read_string().unwrap(), string);
        assert_eq!(reader.read_string().unwrap(), Value::string(END_OF_ARRAY));
    }

    #[test]
    fn each_function_refuses_what_it_is_not_for() {
        let string = || Value::string("x");
        let trap = |result: Result<Value>| assert!(matches!(result, Err(Failure::Trap(_))), "{result:?}");
        trap(string().finish());
        trap(string().read_string());
        trap(string().begin_read(Kind::Bytes));
        trap(string().append_unit(1).map(|()| string()));
        trap(string().append_byte(1).map(|()| string()));
        trap(string().read_number().map(|_| string()));
        trap(string().below(1).map(|_| string()));
        trap(Value::number(1.0).units("f").map(|_| string()));
        trap(Value::array(vec![Value::number(1.0)]).begin_read(Kind::Array).unwrap().read_string());
    }

    #[test]
    fn a_generator_is_determined_by_its_seed_and_keeps_its_range() {
        let numbers = |seed| {
            let mut random = Value::random(seed);
            (0..1_000).map(move |_| random.below(10).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(numbers(1), numbers(1));
        assert_ne!(numbers(1), numbers(2));
        assert_eq!(numbers(3).iter().copied().collect::<std::collections::BTreeSet<_>>(), (0..10).collect());
        let mut random = Value::random(4);
        assert_eq!((random.below(0), random.below(-5), random.below(1)), (Ok(0), Ok(0), Ok(0)));
    }
}
