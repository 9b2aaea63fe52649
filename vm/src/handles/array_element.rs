//! Numbers that are elements of arrays, one after the other.

use crate::rt::plain::Plain;
use heapwood_module::{StorageType, ValType};

/// A number that slices pass to and from arrays in bulk: `i8` and `u8` for arrays of i8, `i16` and `u16` for i16, `i32`
/// and `u32` for i32, `i64` and `u64` for i64, `f32`, `f64`, and `u128` for v128. Nobody else can implement it.
///
/// ```
/// # use heapwood_vm::{ArrayElement, ArrayRef, ArrayType, Engine, Result, Rooted, Store};
/// fn copy<T: ArrayElement + Default>(store: &Store<()>, array: Rooted<ArrayRef>) -> Result<Vec<T>> {
///     let mut copy = vec![T::default(); array.len(store)? as usize];
///     array.copy_to_slice(store, 0, &mut copy)?;
///     Ok(copy)
/// }
/// ```
pub trait ArrayElement: Kind {}

/// What the implementations of [`ArrayElement`] are, which others cannot name.
pub trait Kind: Plain {
    /// The elements that it stands for.
    const STORAGE: StorageType;
    /// Name of the Rust type, for messages.
    const NAME: &'static str;
}

/// The elements and the name of `T`.
pub(super) fn elements_of<T: ArrayElement>() -> (StorageType, &'static str) {
    (T::STORAGE, T::NAME)
}

macro_rules! elements {
    ($($number:ident => $storage:expr;)*) => {
        $(
            impl ArrayElement for $number {}

            impl Kind for $number {
                const STORAGE: StorageType = $storage;
                const NAME: &'static str = stringify!($number);
            }
        )*
    };
}

elements! {
    i8 => StorageType::I8;
    u8 => StorageType::I8;
    i16 => StorageType::I16;
    u16 => StorageType::I16;
    i32 => StorageType::Val(ValType::I32);
    u32 => StorageType::Val(ValType::I32);
    i64 => StorageType::Val(ValType::I64);
    u64 => StorageType::Val(ValType::I64);
    f32 => StorageType::Val(ValType::F32);
    f64 => StorageType::Val(ValType::F64);
    u128 => StorageType::Val(ValType::V128);
}
