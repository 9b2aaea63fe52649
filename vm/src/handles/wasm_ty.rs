//! Rust types that are values of a guest.

use crate::errors::Result;
use crate::ids::{AnyRef, ArrayRef, ExnRef, ExternRef, Func, Rooted, StructRef};
use crate::rt::value::RawVal;
use crate::store::StoreOpaque;
use crate::types::{HeapType, RefType, ValType};
use heapwood_gc_abi::low32;

/// A Rust type that stands for a WebAssembly value in typed calls and host functions.
///
/// | Rust | WebAssembly |
/// |---|---|
/// | `i32`, `u32`; `i64`, `u64`; `f32`; `f64`; `u128` | `i32`, `i64`, `f32`, `f64`, `v128` |
/// | [`Func`] | `(ref func)` |
/// | `Rooted<AnyRef>`, `Rooted<StructRef>`, `Rooted<ArrayRef>` | `(ref any)`, `(ref struct)`, `(ref array)` |
/// | `Rooted<ExternRef>`, `Rooted<ExnRef>` | `(ref extern)`, `(ref exn)` |
/// | `Option` of one of the references | the type with null |
///
/// Nobody else can implement it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no WebAssembly value",
    label = "neither a number nor a reference of a guest",
    note = "values are `i32`, `u32`, `i64`, `u64`, `f32`, `f64`, `u128`, `Func`, `Rooted` of `AnyRef`, `StructRef`, \
            `ArrayRef`, `ExternRef` or `ExnRef`, and `Option`s of these references"
)]
pub trait WasmTy: Crossing + Copy + Send + 'static {
    /// The value type.
    const TYPE: ValType;
}

/// The store that values cross to or from. Only this crate can look into it.
pub struct StoreAccess<'s>(pub(crate) &'s mut StoreOpaque);

/// How a value crosses between host and guest: what [`WasmTy`] is to this crate.
pub trait Crossing: Sized {
    /// The value as compiled code takes it.
    ///
    /// # Errors
    /// A reference belongs to another store, or its scope is over.
    fn to_raw(self, store: &StoreAccess<'_>) -> Result<RawVal>;

    /// A Rust value from one of the type; a reference becomes a handle of the current scope.
    fn from_raw(store: &mut StoreAccess<'_>, raw: RawVal) -> Self;
}

macro_rules! numbers {
    ($($rust:ty, $wasm:ident, $value:ident => $to:expr, $raw:ident => $from:expr;)*) => {
        $(
            impl WasmTy for $rust {
                const TYPE: ValType = ValType::$wasm;
            }

            impl Crossing for $rust {
                #[inline]
                fn to_raw(self, _: &StoreAccess<'_>) -> Result<RawVal> {
                    let $value = self;
                    Ok($to)
                }

                #[inline]
                fn from_raw(_: &mut StoreAccess<'_>, $raw: RawVal) -> $rust {
                    $from
                }
            }
        )*
    };
}

numbers! {
    i32, I32, v => [v as u32 as u64, 0], raw => raw[0] as i32;
    u32, I32, v => [v as u64, 0], raw => raw[0] as u32;
    i64, I64, v => [v as u64, 0], raw => raw[0] as i64;
    u64, I64, v => [v, 0], raw => raw[0];
    f32, F32, v => [v.to_bits() as u64, 0], raw => f32::from_bits(raw[0] as u32);
    f64, F64, v => [v.to_bits(), 0], raw => f64::from_bits(raw[0]);
    u128, V128, v => [v as u64, (v >> 64) as u64], raw => raw[0] as u128 | (raw[1] as u128) << 64;
}

macro_rules! references {
    ($($rust:ty, $heap:ident, $value:ident $to_store:ident => $to:expr, $from_store:ident $raw:ident => $from:expr;)*) => {
        $(
            impl WasmTy for $rust {
                const TYPE: ValType = ValType::Ref(RefType::new(false, HeapType::$heap));
            }

            impl Crossing for $rust {
                fn to_raw(self, $to_store: &StoreAccess<'_>) -> Result<RawVal> {
                    let $value = self;
                    Ok([$to?.into(), 0])
                }

                fn from_raw(store: &mut StoreAccess<'_>, raw: RawVal) -> $rust {
                    Option::from_raw(store, raw).expect("null does not belong to the type")
                }
            }

            impl WasmTy for Option<$rust> {
                const TYPE: ValType = ValType::Ref(RefType::new(true, HeapType::$heap));
            }

            impl Crossing for Option<$rust> {
                fn to_raw(self, store: &StoreAccess<'_>) -> Result<RawVal> {
                    self.map_or(Ok([0; 2]), |value| value.to_raw(store))
                }

                fn from_raw($from_store: &mut StoreAccess<'_>, raw: RawVal) -> Option<$rust> {
                    let $raw = low32(raw[0]);
                    $from
                }
            }
        )*
    };
}

references! {
    Func, Func, func store => func.object(store.0), store raw => (raw != 0).then(|| Func::from_object(store.0, raw));
    Rooted<AnyRef>, Any, root store => store.0.root_get(&root), store raw => store.0.root_push(raw);
    Rooted<StructRef>, Struct, root store => store.0.root_get(&root), store raw => store.0.root_push(raw);
    Rooted<ArrayRef>, Array, root store => store.0.root_get(&root), store raw => store.0.root_push(raw);
    Rooted<ExternRef>, Extern, root store => store.0.root_get(&root), store raw => store.0.root_push(raw);
    Rooted<ExnRef>, Exn, root store => store.0.root_get(&root), store raw => store.0.root_push(raw);
}
