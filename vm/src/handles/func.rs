//! Functions, of the guest and of the host.

use super::{HostFunc, IntoFunc, TypedFunc, Val, WasmParams, WasmResults};
use crate::errors::{Error, Result};
use crate::ids::Func;
use crate::rt::value::RawVal;
use crate::store::{AsContext, AsContextMut, Caller, Named, Signature, StoreOpaque};
use crate::types::FuncType;
use heapwood_gc_abi::RawRef;
use smallvec::{SmallVec, smallvec};
use std::sync::Arc;

impl Func {
    /// A host function of type `ty` that gets and gives [`Val`]s.
    ///
    /// # Panics
    /// If the type is one of another engine, or the immortal space is full; [`Func::try_new`] says so in an error.
    #[track_caller]
    pub fn new<T: 'static>(
        store: impl AsContextMut<Data = T>,
        ty: FuncType,
        func: impl Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
    ) -> Func {
        match Func::try_new(store, ty, func) {
            Ok(func) => func,
            Err(error) => panic!("{error}"),
        }
    }

    /// A host function as [`Func::new`] makes it, with an error where that panics.
    ///
    /// # Errors
    /// The type is one of another engine, or the immortal space is full.
    pub fn try_new<T: 'static>(
        mut store: impl AsContextMut<Data = T>,
        ty: FuncType,
        func: impl Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
    ) -> Result<Func> {
        Func::of_host(store.as_context_mut().opaque(), &HostFunc::from_vals(ty, func))
    }

    /// A host function whose type follows from the closure's: parameters and results of [`WasmTy`](crate::WasmTy),
    /// an optional [`Caller`] first, results possibly in a [`Result`].
    ///
    /// # Panics
    /// If the immortal space is full; [`Linker`](crate::Linker) says so in an error.
    pub fn wrap<T: 'static, Params, Results>(
        mut store: impl AsContextMut<Data = T>,
        func: impl IntoFunc<T, Params, Results>,
    ) -> Func {
        let mut context = store.as_context_mut();
        let host = func.into_func(context.engine()).expect("room for a function type");
        Func::of_host(context.opaque(), &host).expect("room for a function object")
    }

    /// A host function of the store.
    pub(crate) fn of_host(store: &mut StoreOpaque, host: &HostFunc) -> Result<Func> {
        let object = store.new_host_function(host.ty(), host.code())?;
        Ok(Func::from_object(store, object))
    }

    pub(crate) fn from_object(store: &StoreOpaque, object: RawRef) -> Func {
        Func::from_parts(store.id(), object)
    }

    /// The function's object.
    #[inline]
    pub(crate) fn object(&self, store: &StoreOpaque) -> Result<RawRef> {
        store.check_handle(self.store_id(), Named::Func(self.reference()))?;
        Ok(self.reference())
    }

    /// The function's type.
    ///
    /// # Panics
    /// If it belongs to another store.
    #[track_caller]
    pub fn ty(&self, store: impl AsContext) -> FuncType {
        self.ty_in(store.as_context().opaque()).expect("a function of this store")
    }

    pub(crate) fn ty_in(&self, store: &StoreOpaque) -> Result<FuncType> {
        Ok(store.func_type(self.object(store)?))
    }

    /// Calls it. May collect.
    ///
    /// # Errors
    /// Wrong number or types of arguments, too few places for results, traps, uncaught exceptions, errors of host
    /// functions.
    pub fn call(&self, mut store: impl AsContextMut, params: &[Val], results: &mut [Val]) -> Result<()> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        let (object, signature, mut values) = save_params(self, store, params, results.len())?;
        store.call(object, &signature.entry(), &mut values)?;
        load_results(store, &signature, &values, results);
        Ok(())
    }

    /// This function with its type checked once, for calls with Rust types: what Rust passes belongs to the parameters'
    /// types or to types above them, the results belong to what Rust expects.
    ///
    /// # Errors
    /// The types do not fit, or the function belongs to another store.
    pub fn typed<Params: WasmParams, Results: WasmResults>(
        &self,
        store: impl AsContext,
    ) -> Result<TypedFunc<Params, Results>> {
        let context = store.as_context();
        let store = context.opaque();
        TypedFunc::new(*self, store.engine(), &self.ty_in(store)?, None)
    }
}

/// Arguments and results of a call.
pub(super) type Values = SmallVec<[RawVal; 8]>;

/// What a call with these arguments needs: the function, its signature, and its values.
///
/// # Errors
/// Wrong number or types of arguments, a wrong number of places for results; a function of another store.
#[inline]
pub(super) fn save_params(
    func: &Func,
    store: &mut StoreOpaque,
    params: &[Val],
    results: usize,
) -> Result<(RawRef, Arc<Signature>, Values)> {
    let object = func.object(store)?;
    let signature = store.signature_of(object)?;
    let (wanted, given) = ((signature.params().len(), signature.results().len()), (params.len(), results));
    if wanted != given {
        return Err(Error::usage(format!(
            "a function with {} parameters and {} results was called with {} arguments and {} places for results",
            wanted.0, wanted.1, given.0, given.1
        )));
    }
    let mut values: Values = smallvec![[0; 2]; signature.slots()];
    for ((slot, value), ty) in values.iter_mut().zip(params).zip(signature.params()) {
        *slot = value.to_raw(store, *ty)?;
    }
    Ok((object, signature, values))
}

/// Reads the results of a call.
#[inline]
pub(super) fn load_results(store: &mut StoreOpaque, signature: &Signature, values: &Values, results: &mut [Val]) {
    for ((slot, result), ty) in values.iter().zip(results).zip(signature.results()) {
        *result = Val::from_raw(store, *slot, *ty);
    }
}
