//! Host functions that are futures, before they are in a store.

use super::typed::{Row, finish};
use super::wasm_ty::StoreAccess;
use super::{HostFunc, HostResults, Val, WasmParams};
use crate::engine::Engine;
use crate::errors::{Error, Result};
use crate::rt::entry::slots;
use crate::rt::host::{BoxFuture, HostCode};
use crate::rt::value::RawVal;
use crate::store::{Caller, StoreInner, StoreOpaque};
use crate::types::FuncType;
use std::sync::Arc;

/// What an async host function returns.
pub(super) type BoxedFuture<'a, R> = Box<dyn Future<Output = R> + Send + 'a>;

impl HostFunc {
    /// A host function from a closure over [`Val`]s that makes a future.
    pub(super) fn from_vals_async<T: Send + 'static>(
        ty: FuncType,
        func: impl for<'a> Fn(Caller<'a, T>, &'a [Val], &'a mut [Val]) -> BoxedFuture<'a, Result<()>>
        + Send
        + Sync
        + 'static,
    ) -> HostFunc {
        let heapwood_module::FuncType { params, results } = ty.signature().clone();
        let (func, slots, out_types) = (Arc::new(func), slots(ty.signature()), results.clone());
        let begin = begins(move |inner: &mut StoreInner<T>, values| {
            let store = &mut inner.store;
            let vals: Vec<Val> = params.iter().zip(values).map(|(ty, raw)| Val::from_raw(store, *raw, *ty)).collect();
            // Zeros and nulls, also where null does not belong to the type.
            let mut out: Vec<Val> = results.iter().map(|ty| Val::from_raw(store, [0; 2], *ty)).collect();
            let func = func.clone();
            Box::pin(async move {
                Box::into_pin(func(Caller::new(inner), &vals, &mut out)).await?;
                Ok(out)
            })
        });
        let finish = move |out: Result<Vec<Val>>, store: &mut StoreOpaque, values: &mut [RawVal]| {
            for ((slot, val), ty) in values.iter_mut().zip(&out?).zip(out_types.iter()) {
                let raw = val.to_raw(store, *ty);
                *slot = raw.map_err(|error| Error::usage(format!("result of a host function: {error}")))?;
            }
            Ok(())
        };
        HostFunc::from_code(ty, HostCode::new_async(slots, begin, finish))
    }

    /// A host function from a closure over Rust types that makes a future.
    pub(super) fn from_async<T: Send + 'static, Params: WasmParams, R: HostResults + Send + 'static>(
        engine: &Engine,
        func: impl for<'a> Fn(Caller<'a, T>, Params) -> BoxedFuture<'a, R> + Send + Sync + 'static,
    ) -> Result<HostFunc> {
        let ty = FuncType::new(engine, Params::TYPES.iter().cloned(), R::Values::TYPES.iter().cloned())?;
        let begin = begins(move |inner: &mut StoreInner<T>, values| {
            let params = Params::load(&mut StoreAccess(&mut inner.store), values);
            Box::into_pin(func(Caller::new(inner), params))
        });
        let code = HostCode::new_async(slots(ty.signature()), begin, finish::<R>);
        Ok(HostFunc::from_code(ty, code))
    }
}

/// A closure whose future borrows what it is given: said here, since it cannot be inferred.
fn begins<T: 'static, R>(
    begin: impl for<'a> Fn(&'a mut StoreInner<T>, &[RawVal]) -> BoxFuture<'a, R> + Send + Sync + 'static,
) -> impl for<'a> Fn(&'a mut StoreInner<T>, &[RawVal]) -> BoxFuture<'a, R> + Send + Sync + 'static {
    begin
}
