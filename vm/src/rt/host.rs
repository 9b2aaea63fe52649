//! Host functions with the type of the store's data erased.

use crate::error::{Error, Result};
use crate::store::{Caller, StoreInner, StoreOpaque, slots};
use crate::types::FuncType;
use crate::value::{RawVal, Val};
use smallvec::SmallVec;
use std::sync::Arc;

/// A host function that can be made in any store of its engine whose data is of the right type.
#[derive(Clone)]
pub struct HostFunc(Arc<Inner>);

/// The closure with its data's type erased; private, since it may be called as [`HostFunc::call`] says and not otherwise.
type Erased = dyn Fn(*mut StoreOpaque, &mut [RawVal]) -> Result<()> + Send + Sync;

struct Inner {
    ty: FuncType,
    /// Places in the buffer of a call.
    slots: usize,
    /// `module.name` of the definition in a linker, for those who watch.
    name: Option<Box<str>>,
    call: Box<Erased>,
}

impl HostFunc {
    /// From a closure over raw values: it finds the arguments in the slice and leaves the results there.
    pub(crate) fn from_raw_vals<T: 'static>(
        ty: FuncType,
        func: impl Fn(Caller<'_, T>, &mut [RawVal]) -> Result<()> + Send + Sync + 'static,
    ) -> HostFunc {
        let call = move |store: *mut StoreOpaque, values: &mut [RawVal]| {
            // SAFETY: R2, R3.
            let inner = unsafe { &mut *store.cast::<StoreInner<T>>() };
            func(Caller::new(inner), values)
        };
        HostFunc::new(ty, Box::new(call))
    }

    fn new(ty: FuncType, call: Box<Erased>) -> HostFunc {
        HostFunc(Arc::new(Inner { slots: slots(ty.signature()), ty, name: None, call }))
    }

    /// From a closure over [`Val`]s.
    pub(crate) fn from_vals<T: 'static>(
        ty: FuncType,
        func: impl Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
    ) -> HostFunc {
        let heapwood_module::FuncType { params, results } = ty.signature().clone();
        let call = move |store: *mut StoreOpaque, values: &mut [RawVal]| {
            let mut vals: SmallVec<[Val; 8]> = SmallVec::new();
            {
                // SAFETY: R2; the borrow ends with this block.
                let store = unsafe { &mut *store };
                vals.extend(params.iter().zip(&*values).map(|(ty, raw)| Val::from_raw(store, *raw, *ty)));
                // Zeros and nulls, also where null does not belong to the type.
                vals.extend(results.iter().map(|ty| Val::from_raw(store, [0; 2], *ty)));
            }
            let (args, out) = vals.split_at_mut(params.len());
            // SAFETY: R2, R3.
            let inner = unsafe { &mut *store.cast::<StoreInner<T>>() };
            func(Caller::new(inner), args, out)?;
            // SAFETY: R2; the host function has returned, its borrow is over.
            let store = unsafe { &*store };
            for ((slot, val), ty) in values.iter_mut().zip(&*out).zip(results.iter()) {
                let raw = val.to_raw(store, *ty);
                *slot = raw.map_err(|error| Error::usage(format!("result of a host function: {error}")))?;
            }
            Ok(())
        };
        HostFunc::new(ty, Box::new(call))
    }

    /// The same under a name, unless it is shared already.
    pub(crate) fn named(mut self, module: &str, name: &str) -> HostFunc {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.name = Some(format!("{module}.{name}").into());
        }
        self
    }

    /// The name of its definition.
    pub(crate) fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// Its type.
    pub(crate) fn ty(&self) -> &FuncType {
        &self.0.ty
    }

    /// Places in the buffer of a call.
    pub(crate) fn slots(&self) -> usize {
        self.0.slots
    }

    /// Runs it. `values` holds the arguments and takes the results.
    ///
    /// # Safety
    /// `store` is the pointer of R2, whose borrow the caller lends until this returns, and the store's data is of the type
    /// that the function was made for (R3).
    pub(super) unsafe fn call(&self, store: *mut StoreOpaque, values: &mut [RawVal]) -> Result<()> {
        (self.0.call)(store, values)
    }
}
