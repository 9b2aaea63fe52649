//! Host functions before they are in a store: their types and their code.

use super::Val;
use crate::errors::{Error, Result};
use crate::rt::entry::slots;
use crate::rt::host::HostCode;
use crate::rt::value::RawVal;
use crate::store::{Caller, JsString, StoreInner};
use crate::types::FuncType;
use smallvec::SmallVec;

/// A host function that can be made in any store of its engine whose data is of the right type.
#[derive(Clone)]
pub struct HostFunc {
    ty: FuncType,
    code: HostCode,
}

impl HostFunc {
    /// A host function from a closure over raw values, which finds the arguments in the slice and leaves the results
    /// there.
    pub(crate) fn from_raw_vals<T: 'static>(
        ty: FuncType,
        func: impl Fn(&mut StoreInner<T>, &mut [RawVal]) -> Result<()> + Send + Sync + 'static,
    ) -> HostFunc {
        HostFunc { code: HostCode::new(slots(ty.signature()), func), ty }
    }

    /// A host function from a closure over [`Val`]s.
    pub(crate) fn from_vals<T: 'static>(
        ty: FuncType,
        func: impl Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
    ) -> HostFunc {
        let heapwood_module::FuncType { params, results } = ty.signature().clone();
        let call = move |inner: &mut StoreInner<T>, values: &mut [RawVal]| {
            let mut vals: SmallVec<[Val; 8]> = SmallVec::new();
            let store = &mut inner.store;
            vals.extend(params.iter().zip(&*values).map(|(ty, raw)| Val::from_raw(store, *raw, *ty)));
            // Zeros and nulls, also where null does not belong to the type.
            vals.extend(results.iter().map(|ty| Val::from_raw(store, [0; 2], *ty)));
            let (args, out) = vals.split_at_mut(params.len());
            func(Caller::new(inner), args, out)?;
            for ((slot, val), ty) in values.iter_mut().zip(&*out).zip(results.iter()) {
                let raw = val.to_raw(&inner.store, *ty);
                *slot = raw.map_err(|error| Error::usage(format!("result of a host function: {error}")))?;
            }
            Ok(())
        };
        HostFunc { code: HostCode::new(slots(ty.signature()), call), ty }
    }

    /// A host function from code that was made for this type.
    #[cfg(feature = "async")]
    pub(super) fn from_code(ty: FuncType, code: HostCode) -> HostFunc {
        HostFunc { ty, code }
    }

    /// This function with the name by which messages and events call it, unless it is shared already.
    pub(crate) fn named(self, module: &str, name: &str) -> HostFunc {
        HostFunc { code: self.code.named(module, name), ..self }
    }

    /// A function over strings.
    pub(super) fn of_strings(ty: FuncType, function: JsString) -> HostFunc {
        HostFunc { code: HostCode::native(slots(ty.signature()), function as u32, function.short_way()), ty }
    }

    /// Its type.
    pub(crate) fn ty(&self) -> &FuncType {
        &self.ty
    }

    /// Its code.
    pub(crate) fn code(&self) -> &HostCode {
        &self.code
    }
}
