//! What fields and elements can hold, for the host and in the model.

use heapwood_vm::*;

/// What a field or an element holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    I8,
    I16,
    I32,
    I64,
    F32,
    F64,
    V128,
    Func,
    Extern,
    Any,
    /// A struct of the model's first type, or null.
    Node,
}

/// What stands in a field or an element of the model.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cell {
    /// The bits of a number, as many as are stored.
    Number(u128),
    Null,
    Func,
    I31(i32),
    /// A host value.
    Host(u32),
    /// An object, by its number.
    Object(usize),
}

impl Kind {
    pub const NUMBERS: [Kind; 7] = [Kind::I8, Kind::I16, Kind::I32, Kind::I64, Kind::F32, Kind::F64, Kind::V128];
    pub const REFERENCES: [Kind; 4] = [Kind::Func, Kind::Extern, Kind::Any, Kind::Node];

    pub fn is_number(self) -> bool {
        Kind::NUMBERS.contains(&self)
    }

    pub fn bytes(self) -> u32 {
        match self {
            Kind::I8 => 1,
            Kind::I16 => 2,
            Kind::I64 | Kind::F64 => 8,
            Kind::V128 => 16,
            _ => 4,
        }
    }

    /// What of a number is stored.
    pub fn stored(self, bits: u128) -> u128 {
        if self == Kind::V128 { bits } else { bits & ((1 << (8 * self.bytes())) - 1) }
    }

    pub fn storage(self, node: Option<&StructType>) -> StorageType {
        match self {
            Kind::I8 => StorageType::I8,
            Kind::I16 => StorageType::I16,
            Kind::I32 => ValType::I32.into(),
            Kind::I64 => ValType::I64.into(),
            Kind::F32 => ValType::F32.into(),
            Kind::F64 => ValType::F64.into(),
            Kind::V128 => ValType::V128.into(),
            Kind::Func => ValType::FUNCREF.into(),
            Kind::Extern => ValType::EXTERNREF.into(),
            Kind::Any => ValType::ANYREF.into(),
            Kind::Node => ValType::Ref(RefType::new(true, node.expect("the first type").clone().into())).into(),
        }
    }

    /// A number as the host gives it: packed ones with more bits than are stored.
    pub fn number(self, bits: u128) -> Val {
        match self {
            Kind::I8 | Kind::I16 | Kind::I32 => Val::I32(bits as i32),
            Kind::I64 => Val::I64(bits as i64),
            Kind::F32 => Val::F32(bits as u32),
            Kind::F64 => Val::F64(bits as u64),
            Kind::V128 => Val::V128(bits),
            _ => panic!("{self:?} is no number"),
        }
    }

    /// The null of a reference.
    pub fn null(self) -> Val {
        match self {
            Kind::Func => Val::FuncRef(None),
            Kind::Extern => Val::ExternRef(None),
            _ => Val::AnyRef(None),
        }
    }
}

/// The bits of a number that was read.
pub fn bits_of(value: &Val) -> Option<u128> {
    Some(match *value {
        Val::I32(value) => u128::from(value as u32),
        Val::I64(value) => u128::from(value as u64),
        Val::F32(bits) => u128::from(bits),
        Val::F64(bits) => u128::from(bits),
        Val::V128(bits) => bits,
        _ => return None,
    })
}

/// Numbers of slices, by their bits.
pub trait Number: ArrayElement {
    fn of(bits: u128) -> Self;
    fn bits(self) -> u128;
}

macro_rules! numbers {
    ($($number:ident = |$bits:ident| $of:expr, |$value:ident| $to:expr;)*) => {
        $(impl Number for $number {
            fn of($bits: u128) -> $number {
                $of
            }

            fn bits(self) -> u128 {
                let $value = self;
                $to.into()
            }
        })*
    };
}

numbers! {
    i8 = |bits| bits as i8, |value| value as u8;
    u8 = |bits| bits as u8, |value| value;
    i16 = |bits| bits as i16, |value| value as u16;
    u16 = |bits| bits as u16, |value| value;
    i32 = |bits| bits as i32, |value| value as u32;
    u32 = |bits| bits as u32, |value| value;
    i64 = |bits| bits as i64, |value| value as u64;
    u64 = |bits| bits as u64, |value| value;
    f32 = |bits| f32::from_bits(bits as u32), |value| value.to_bits();
    f64 = |bits| f64::from_bits(bits as u64), |value| value.to_bits();
    u128 = |bits| bits, |value| value;
}
