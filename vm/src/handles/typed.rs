//! Calls without [`Val`](crate::Val)s: Rust types that travel as WebAssembly values.

use super::tuples::for_each_tuple;
use super::value::mismatch;
use super::wasm_ty::{StoreAccess, WasmTy};
use super::{HostFunc, Val};
use crate::engine::Engine;
use crate::errors::{Error, Result};
use crate::ids::Func;
use crate::registry::TypeRegistry;
#[cfg(feature = "async")]
use crate::rt::entry::Callee;
use crate::rt::entry::EntryPoint;
use crate::rt::value::RawVal;
use crate::store::{AsContextMut, Caller, StoreOpaque};
use crate::types::{FuncType, ValType};
use heapwood_gc_abi::{RawRef, low32};
use heapwood_module as m;
use heapwood_module::{Hierarchy, brief};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

/// Values of a call that need no memory of their own.
const FEW_VALUES: usize = 4;

const fn most(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
}

/// Values in a row, as Rust has them: what [`WasmParams`] and [`WasmResults`] are to this crate.
pub trait Row: Sized {
    /// The types of the values, in order.
    const TYPES: &'static [ValType];

    /// Writes them as compiled code takes them.
    ///
    /// # Errors
    /// A reference belongs to another store, or its scope is over.
    fn save(self, store: &StoreAccess<'_>, values: &mut [RawVal]) -> Result<()>;

    /// Reads values of the types; references become handles of the current scope.
    fn load(store: &mut StoreAccess<'_>, values: &[RawVal]) -> Self;
}

/// Parameters of a [`TypedFunc`]: a value or a tuple of values, each a [`WasmTy`]; at most 16.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the parameters of a WebAssembly function",
    note = "parameters are a value that implements `WasmTy`, or a tuple of at most 16 of them"
)]
pub trait WasmParams: Row {}

/// Results of a [`TypedFunc`] or of a host closure: nothing, a value or a tuple of values, each a [`WasmTy`]; at most
/// 16.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the results of a WebAssembly function",
    note = "results are a value that implements `WasmTy`, or a tuple of at most 16 of them"
)]
pub trait WasmResults: Row {}

/// What a host closure may return.
#[diagnostic::on_unimplemented(
    message = "a host function cannot return `{Self}`",
    note = "it returns values that implement `WasmTy` (one, or a tuple of at most 16), or a `heapwood::Result` of them, to \
            which any other error leads by `?`"
)]
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

/// A function whose type was checked once ([`Func::typed`]).
///
/// References go in and out as handles. Where a parameter is of a defined type, the Rust type stands for an abstract
/// one above it, and the call checks what is passed.
///
/// ```
/// # use heapwood_vm::{ArrayRef, Engine, Instance, Module, Rooted, Store, StructRef};
/// # fn main() -> heapwood_vm::Result<()> {
/// # let wasm = wat::parse_str(r#"(module
/// #     (type $point (struct (field i32) (field i32))) (type $bytes (array (mut i8)))
/// #     (func (export "point") (param i32 i32) (result (ref $point)) (struct.new $point (local.get 0) (local.get 1)))
/// #     (func (export "draw") (param (ref null $point) i32) (result (ref $bytes)) (array.new $bytes (local.get 1)
/// #         (struct.get $point 0 (local.get 0)))))"#).unwrap();
/// # let engine = Engine::default();
/// # let module = Module::new(&engine, &wasm)?;
/// let mut store = Store::new(&engine, ());
/// let instance = Instance::new(&mut store, &module, &[])?;
/// // (param i32 i32) (result (ref $point))
/// let point = instance.get_typed_func::<(i32, i32), Rooted<StructRef>>(&mut store, "point")?;
/// // (param (ref null $point) i32) (result (ref $bytes))
/// let draw = instance.get_typed_func::<(Option<Rooted<StructRef>>, i32), Rooted<ArrayRef>>(&mut store, "draw")?;
/// let at = point.call(&mut store, (3, 4))?;
/// let drawn = draw.call(&mut store, (Some(at), 3))?;
/// assert_eq!(drawn.len(&store)?, 3);
/// # Ok(())
/// # }
/// ```
pub struct TypedFunc<Params, Results> {
    func: Func,
    entry: EntryPoint,
    /// Whether a parameter is of a narrower type than what Rust passes.
    narrows: bool,
    signature: PhantomData<fn(Params) -> Results>,
}

impl<Params: WasmParams, Results: WasmResults> TypedFunc<Params, Results> {
    /// A function of this type in a store of this engine, if that fits. `export` is the name in an error.
    pub(crate) fn new(
        func: Func,
        engine: &Engine,
        ty: &FuncType,
        export: Option<&str>,
    ) -> Result<TypedFunc<Params, Results>> {
        let narrows = check(ty, Params::TYPES, Results::TYPES, export)?;
        let entry = EntryPoint::new(engine.trampolines(), ty.signature())?;
        Ok(TypedFunc { func, entry, narrows, signature: PhantomData })
    }

    /// Calls it. References in the results are handles of the current scope. May collect.
    ///
    /// # Errors
    /// A parameter that belongs to another store, whose scope is over, or that is not of the function's narrower type;
    /// traps, uncaught exceptions, errors of host functions; a function of another store.
    #[inline]
    pub fn call(&self, mut store: impl AsContextMut, params: Params) -> Result<Results> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        // All of them are cleared, so there are no more than are needed.
        match const { most(Params::TYPES.len(), Results::TYPES.len()) } {
            0 => self.call_with(store, params, &mut []),
            1 => self.call_with(store, params, &mut [[0; 2]]),
            slots @ ..=FEW_VALUES => self.call_with(store, params, &mut [[0; 2]; FEW_VALUES][..slots]),
            slots => self.call_with(store, params, &mut vec![[0; 2]; slots]),
        }
    }

    #[inline]
    fn call_with(&self, store: &mut StoreOpaque, params: Params, values: &mut [RawVal]) -> Result<Results> {
        let object = self.save(store, params, values)?;
        store.call(object, &self.entry, values)?;
        Ok(Results::load(&mut StoreAccess(store), values))
    }

    /// Saves the arguments of a call; the object of the function.
    #[inline]
    fn save(&self, store: &mut StoreOpaque, params: Params, values: &mut [RawVal]) -> Result<RawRef> {
        params.save(&StoreAccess(store), values)?;
        let object = self.func.object(store)?;
        if self.narrows {
            check_narrower(store, object, values)?;
        }
        Ok(object)
    }

    /// Saves the arguments of a call; what is called.
    #[cfg(feature = "async")]
    pub(super) fn callee(&self, store: &mut StoreOpaque, params: Params, values: &mut [RawVal]) -> Result<Callee> {
        let object = self.save(store, params, values)?;
        Ok(store.callee(object, self.entry))
    }

    /// The function.
    pub fn func(&self) -> &Func {
        &self.func
    }
}

/// Whether a function's parameters are to be checked at each call, where these are passed and expected; an error if
/// they never fit.
fn check(ty: &FuncType, params: &[ValType], results: &[ValType], export: Option<&str>) -> Result<bool> {
    let (registry, signature) = (ty.handle().registry(), ty.signature());
    let mismatch = |what: String| {
        let name = export.map_or_else(String::new, |name| format!(" `{}`", brief(name)));
        Error::usage(format!("type mismatch: the function{name} is of type {ty}, {what}"))
    };
    let counts = [signature.params.len(), signature.results.len(), params.len(), results.len()];
    if counts[..2] != counts[2..] {
        let [.., params, results] = counts;
        return Err(mismatch(format!("the host expects {params} parameters and {results} results")));
    }
    let mut narrows = false;
    for (index, (given, wanted)) in params.iter().zip(&signature.params).enumerate() {
        match passing(registry, given.resolve(registry)?, *wanted) {
            Passing::Fits => {}
            Passing::Narrows => narrows = true,
            Passing::Never => {
                let fits = |given: m::ValType| !matches!(passing(registry, given, *wanted), Passing::Never);
                let is_of_null = without_null(given.resolve(registry)?).is_some_and(fits);
                let hint = if is_of_null { "; it takes no null: without `Option` it fits" } else { "" };
                return Err(mismatch(format!("parameter {index} of the host is {given}{hint}")));
            }
        }
    }
    for (index, (given, wanted)) in signature.results.iter().zip(results).enumerate() {
        if !registry.val_is_subtype(*given, wanted.resolve(registry)?) {
            let fits = |given| registry.val_is_subtype(given, wanted.resolve(registry).unwrap_or(m::ValType::I32));
            let is_of_null = without_null(*given).is_some_and(fits);
            let hint = if is_of_null { "; it may be null: an `Option` of it fits" } else { "" };
            return Err(mismatch(format!("result {index} of the host is {wanted}{hint}")));
        }
    }
    Ok(narrows)
}

/// The type without null, if it has that.
fn without_null(ty: m::ValType) -> Option<m::ValType> {
    match ty {
        m::ValType::Ref(ty) if ty.nullable => Some(m::ValType::Ref(m::RefType { nullable: false, ..ty })),
        _ => None,
    }
}

/// Whether values of one type may be passed as those of another.
enum Passing {
    Fits,
    /// Those that belong to the narrower type may, which each call checks.
    Narrows,
    Never,
}

fn passing(registry: &Arc<TypeRegistry>, given: m::ValType, wanted: m::ValType) -> Passing {
    match (given, wanted) {
        _ if registry.val_is_subtype(given, wanted) => Passing::Fits,
        (m::ValType::Ref(given), m::ValType::Ref(wanted))
            if (wanted.nullable || !given.nullable) && registry.heap_is_subtype(wanted.heap, given.heap) =>
        {
            Passing::Narrows
        }
        _ => Passing::Never,
    }
}

/// Refuses references that do not belong to the types of a function's parameters.
#[inline(never)]
fn check_narrower(store: &mut StoreOpaque, object: RawRef, values: &[RawVal]) -> Result<()> {
    let signature = store.signature_of(object)?;
    check_values(store, signature.params(), values)
}

/// Refuses references that do not belong to the types. What fits gets no handle: a call leaves none behind.
fn check_values(store: &mut StoreOpaque, types: &[m::ValType], values: &[RawVal]) -> Result<()> {
    for (ty, raw) in types.iter().zip(values) {
        if let m::ValType::Ref(wanted) = ty
            && !store.ref_matches(low32(raw[0]), *wanted)
        {
            return Err(mismatch(&Val::from_raw(store, *raw, *ty), store, *ty));
        }
    }
    Ok(())
}

impl<Params, Results> Clone for TypedFunc<Params, Results> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Params, Results> Copy for TypedFunc<Params, Results> {}

impl<Params, Results> fmt::Debug for TypedFunc<Params, Results> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TypedFunc").field(&self.func).finish()
    }
}

/// Closures that can be host functions: up to 16 parameters of [`WasmTy`], a [`Caller`] before them if wanted; what
/// they return is [`WasmResults`], possibly in a [`Result`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a host function",
    note = "a host function is a `Fn` closure that is `Send`, `Sync` and `'static`; it takes up to 16 values that \
            implement `WasmTy`, after a `Caller` if wanted, and returns one, a tuple of them, or a `heapwood::Result`, \
            to which any other error leads by `?`"
)]
pub trait IntoFunc<T: 'static, Params, Results>: Send + Sync + 'static {
    #[doc(hidden)]
    fn into_func(self, engine: &Engine) -> Result<HostFunc>;
}

/// Leaves the results of a host function where the guest finds them.
pub(super) fn finish<R: HostResults>(results: R, store: &mut StoreOpaque, values: &mut [RawVal]) -> Result<()> {
    let saved = results.into_result()?.save(&StoreAccess(store), values);
    saved.map_err(|error| Error::usage(format!("result of a host function: {error}")))
}

impl<A: WasmTy> WasmParams for A {}
impl<A: WasmTy> WasmResults for A {}

impl<A: WasmTy> Row for A {
    const TYPES: &'static [ValType] = &[A::TYPE];

    #[inline]
    fn save(self, store: &StoreAccess<'_>, values: &mut [RawVal]) -> Result<()> {
        values[0] = self.to_raw(store)?;
        Ok(())
    }

    #[inline]
    fn load(store: &mut StoreAccess<'_>, values: &[RawVal]) -> A {
        A::from_raw(store, values[0])
    }
}

macro_rules! tuples {
    ($($($name:ident $index:tt),*;)*) => {
        $(
            impl<$($name: WasmTy),*> WasmParams for ($($name,)*) {}
            impl<$($name: WasmTy),*> WasmResults for ($($name,)*) {}

            #[allow(unused_variables, clippy::unused_unit, reason = "the empty tuple uses none")]
            impl<$($name: WasmTy),*> Row for ($($name,)*) {
                const TYPES: &'static [ValType] = &[$($name::TYPE),*];

                #[inline]
                fn save(self, store: &StoreAccess<'_>, values: &mut [RawVal]) -> Result<()> {
                    $(values[$index] = self.$index.to_raw(store)?;)*
                    Ok(())
                }

                #[inline]
                fn load(store: &mut StoreAccess<'_>, values: &[RawVal]) -> Self {
                    ($($name::from_raw(store, values[$index]),)*)
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
                    Ok(HostFunc::from_raw_vals::<T>(ty, move |inner, values| {
                        let ($($name,)*) = <($($name,)*)>::load(&mut StoreAccess(&mut inner.store), values);
                        finish(self($($name),*), &mut inner.store, values)
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
                    Ok(HostFunc::from_raw_vals::<T>(ty, move |inner, values| {
                        let ($($name,)*) = <($($name,)*)>::load(&mut StoreAccess(&mut inner.store), values);
                        finish(self(Caller::new(inner), $($name),*), &mut inner.store, values)
                    }))
                }
            }
        )*
    };
}

for_each_tuple!(tuples);
