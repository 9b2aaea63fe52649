//! Calls without [`Val`](crate::Val)s: Rust types that travel as WebAssembly values.

use super::HostFunc;
use crate::engine::Engine;
use crate::errors::Result;
use crate::ids::Func;
use crate::rt::value::RawVal;
use crate::store::{AsContextMut, Caller};
use crate::types::{FuncType, ValType};
use smallvec::{SmallVec, smallvec};
use std::marker::PhantomData;

mod sealed {
    pub trait Sealed {}
}
use sealed::Sealed;

/// A Rust type that is a WebAssembly number.
pub trait WasmTy: Sealed + Copy + Send + 'static {
    /// The value type.
    const TYPE: ValType;
    #[doc(hidden)]
    fn to_raw(self) -> RawVal;
    #[doc(hidden)]
    fn from_raw(raw: RawVal) -> Self;
}

macro_rules! numbers {
    ($($rust:ty, $wasm:ident, $value:ident => $to:expr, $raw:ident => $from:expr;)*) => {
        $(
            impl Sealed for $rust {}
            impl WasmTy for $rust {
                const TYPE: ValType = ValType::$wasm;
                fn to_raw(self) -> RawVal {
                    let $value = self;
                    [$to, 0]
                }
                fn from_raw(raw: RawVal) -> $rust {
                    let $raw = raw[0];
                    $from
                }
            }
        )*
    };
}

numbers! {
    i32, I32, v => v as u32 as u64, raw => raw as i32;
    u32, I32, v => v as u64, raw => raw as u32;
    i64, I64, v => v as u64, raw => raw as i64;
    u64, I64, v => v, raw => raw;
    f32, F32, v => v.to_bits() as u64, raw => f32::from_bits(raw as u32);
    f64, F64, v => v.to_bits(), raw => f64::from_bits(raw);
}

/// Parameters of a [`TypedFunc`]: a number or a tuple of numbers.
pub trait WasmParams: Sealed {
    #[doc(hidden)]
    fn matches(types: &[ValType]) -> bool;
    #[doc(hidden)]
    fn store(self, values: &mut [RawVal]);
    #[doc(hidden)]
    const COUNT: usize;
}

/// Results of a [`TypedFunc`] or of a host closure: nothing, a number or a tuple of numbers.
pub trait WasmResults: Sealed {
    #[doc(hidden)]
    const TYPES: &'static [ValType];
    #[doc(hidden)]
    fn matches(types: &[ValType]) -> bool {
        types == Self::TYPES
    }
    #[doc(hidden)]
    fn load(values: &[RawVal]) -> Self;
    #[doc(hidden)]
    fn save(self, values: &mut [RawVal]);
}

/// What a host closure may return.
pub trait HostResults {
    /// The values.
    type Values: WasmResults;
    #[doc(hidden)]
    fn into_result(self) -> Result<Self::Values>;
}

impl<R: WasmResults> HostResults for Result<R> {
    type Values = R;
    fn into_result(self) -> Result<R> {
        self
    }
}

impl<R: WasmResults> HostResults for R {
    type Values = R;
    fn into_result(self) -> Result<R> {
        Ok(self)
    }
}

/// A function whose type was checked once.
pub struct TypedFunc<Params, Results> {
    func: Func,
    signature: PhantomData<fn(Params) -> Results>,
}

impl<Params: WasmParams, Results: WasmResults> TypedFunc<Params, Results> {
    pub(crate) fn new_unchecked(func: Func) -> TypedFunc<Params, Results> {
        TypedFunc { func, signature: PhantomData }
    }

    /// Calls it. May collect.
    ///
    /// # Errors
    /// Traps, uncaught exceptions, errors of host functions; a function of another store.
    pub fn call(&self, mut store: impl AsContextMut, params: Params) -> Result<Results> {
        let mut values: SmallVec<[RawVal; 4]> = smallvec![[0; 2]; Params::COUNT.max(Results::TYPES.len())];
        params.store(&mut values);
        self.func.call_raw(store.as_context_mut().opaque(), &mut values)?;
        Ok(Results::load(&values))
    }

    /// The function.
    pub fn func(&self) -> &Func {
        &self.func
    }
}

impl<Params, Results> Clone for TypedFunc<Params, Results> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Params, Results> Copy for TypedFunc<Params, Results> {}

/// Closures that can be host functions.
pub trait IntoFunc<T: 'static, Params, Results>: Send + Sync + 'static {
    #[doc(hidden)]
    fn into_func(self, engine: &Engine) -> Result<HostFunc>;
}

impl<A: WasmTy> WasmParams for A {
    const COUNT: usize = 1;
    fn matches(types: &[ValType]) -> bool {
        types == [A::TYPE]
    }
    fn store(self, values: &mut [RawVal]) {
        values[0] = self.to_raw();
    }
}

impl<A: WasmTy> WasmResults for A {
    const TYPES: &'static [ValType] = &[A::TYPE];
    fn load(values: &[RawVal]) -> A {
        A::from_raw(values[0])
    }
    fn save(self, values: &mut [RawVal]) {
        values[0] = self.to_raw();
    }
}

macro_rules! tuples {
    ($($count:literal: $($name:ident $index:tt),*;)*) => {
        $(
            impl<$($name: WasmTy),*> Sealed for ($($name,)*) {}

            #[allow(unused_variables, reason = "the empty tuple uses none")]
            impl<$($name: WasmTy),*> WasmParams for ($($name,)*) {
                const COUNT: usize = $count;
                fn matches(types: &[ValType]) -> bool {
                    types == [$($name::TYPE),*]
                }
                fn store(self, values: &mut [RawVal]) {
                    $(values[$index] = self.$index.to_raw();)*
                }
            }

            #[allow(unused_variables, clippy::unused_unit, reason = "the empty tuple uses none")]
            impl<$($name: WasmTy),*> WasmResults for ($($name,)*) {
                const TYPES: &'static [ValType] = &[$($name::TYPE),*];
                fn load(values: &[RawVal]) -> Self {
                    ($($name::from_raw(values[$index]),)*)
                }
                fn save(self, values: &mut [RawVal]) {
                    $(values[$index] = self.$index.to_raw();)*
                }
            }

            #[allow(unused_variables, non_snake_case, reason = "one closure parameter per type parameter")]
            impl<T: 'static, F, R, $($name: WasmTy),*> IntoFunc<T, ($($name,)*), R> for F
            where
                F: Fn($($name),*) -> R + Send + Sync + 'static,
                R: HostResults + 'static,
            {
                fn into_func(self, engine: &Engine) -> Result<HostFunc> {
                    let ty = FuncType::new(engine, [$($name::TYPE),*], R::Values::TYPES.iter().cloned())?;
                    Ok(HostFunc::from_raw_vals::<T>(ty, move |_, values| {
                        self($($name::from_raw(values[$index])),*).into_result()?.save(values);
                        Ok(())
                    }))
                }
            }

            #[allow(unused_variables, non_snake_case, reason = "one closure parameter per type parameter")]
            impl<T: 'static, F, R, $($name: WasmTy),*> IntoFunc<T, (Caller<'_, T>, $($name,)*), R> for F
            where
                F: Fn(Caller<'_, T>, $($name),*) -> R + Send + Sync + 'static,
                R: HostResults + 'static,
            {
                fn into_func(self, engine: &Engine) -> Result<HostFunc> {
                    let ty = FuncType::new(engine, [$($name::TYPE),*], R::Values::TYPES.iter().cloned())?;
                    Ok(HostFunc::from_raw_vals::<T>(ty, move |caller, values| {
                        self(caller, $($name::from_raw(values[$index])),*).into_result()?.save(values);
                        Ok(())
                    }))
                }
            }
        )*
    };
}

tuples! {
    0: ;
    1: A 0;
    2: A 0, B 1;
    3: A 0, B 1, C 2;
    4: A 0, B 1, C 2, D 3;
    5: A 0, B 1, C 2, D 3, E 4;
    6: A 0, B 1, C 2, D 3, E 4, G 5;
    7: A 0, B 1, C 2, D 3, E 4, G 5, H 6;
    8: A 0, B 1, C 2, D 3, E 4, G 5, H 6, I 7;
    9: A 0, B 1, C 2, D 3, E 4, G 5, H 6, I 7, J 8;
    10: A 0, B 1, C 2, D 3, E 4, G 5, H 6, I 7, J 8, K 9;
}
