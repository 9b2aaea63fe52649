//! Host functions with the type of the store's data erased.

use super::value::RawVal;
use crate::errors::Result;
use std::sync::Arc;

/// A store with the host's data. The store, which finds the whole from itself, comes first (R3).
#[derive(Debug)]
#[repr(C)]
pub(crate) struct WithData<S, T> {
    /// What does not depend on the data.
    pub store: S,
    /// The host's data.
    pub data: T,
}

/// The code of a host function: for stores whose data is of one type.
#[derive(Clone)]
pub(crate) struct HostCode(Arc<Inner>);

/// The closure with its data's type erased; private, since it may be called as [`HostCode::call`] says and not
/// otherwise.
type Erased = dyn Fn(*mut (), &mut [RawVal]) -> Result<()> + Send + Sync;

struct Inner {
    /// Places in the buffer of a call.
    slots: usize,
    /// `module.name` of the definition in a linker, for those who watch.
    name: Option<Box<str>>,
    call: Box<Erased>,
}

impl HostCode {
    /// From a closure over raw values, of so many: it finds the arguments in the slice and leaves the results there.
    pub fn new<S: 'static, T: 'static>(
        slots: usize,
        func: impl Fn(&mut WithData<S, T>, &mut [RawVal]) -> Result<()> + Send + Sync + 'static,
    ) -> HostCode {
        let call = move |store: *mut (), values: &mut [RawVal]| {
            // SAFETY: R2, R3.
            func(unsafe { &mut *store.cast::<WithData<S, T>>() }, values)
        };
        HostCode(Arc::new(Inner { slots, name: None, call: Box::new(call) }))
    }

    /// The same under a name, unless it is shared already.
    pub fn named(mut self, module: &str, name: &str) -> HostCode {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.name = Some(format!("{module}.{name}").into());
        }
        self
    }

    /// The name of its definition.
    pub fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// Places in the buffer of a call.
    pub(super) fn slots(&self) -> usize {
        self.0.slots
    }

    /// Runs it. `values` holds the arguments and takes the results.
    ///
    /// # Safety
    /// `store` is the pointer of R2, whose borrow the caller lends until this returns. It points to a `WithData` of the
    /// types that the function was made for (R3).
    pub(super) unsafe fn call(&self, store: *mut (), values: &mut [RawVal]) -> Result<()> {
        (self.0.call)(store, values)
    }
}
