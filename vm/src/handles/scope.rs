//! Scopes of handles.

use crate::store::{AsContext, AsContextMut, StoreContext, StoreContextMut};

/// A scope of handles: those made through it end with it. It is used in place of the store.
///
/// ```
/// # use heapwood_vm::{AnyRef, Engine, RootScope, Store};
/// let mut store = Store::new(&Engine::default(), ());
/// let mut scope = RootScope::new(&mut store);
/// let handle = AnyRef::from_i31(&mut scope, 7).unwrap();
/// drop(scope);
/// assert!(handle.kind(&store).is_err());
/// ```
pub struct RootScope<C: AsContextMut> {
    store: C,
    mark: usize,
}

impl<C: AsContextMut> RootScope<C> {
    /// Begins a scope.
    pub fn new(mut store: C) -> RootScope<C> {
        let mark = store.as_context_mut().opaque().roots().enter_scope();
        RootScope { store, mark }
    }
}

impl<C: AsContextMut> Drop for RootScope<C> {
    fn drop(&mut self) {
        self.store.as_context_mut().opaque().leave_scope(self.mark);
    }
}

impl<C: AsContextMut> AsContext for RootScope<C> {
    type Data = C::Data;

    fn as_context(&self) -> StoreContext<'_, C::Data> {
        self.store.as_context()
    }
}

impl<C: AsContextMut> AsContextMut for RootScope<C> {
    fn as_context_mut(&mut self) -> StoreContextMut<'_, C::Data> {
        self.store.as_context_mut()
    }
}
