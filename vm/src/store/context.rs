//! Borrowed stores: what functions of this API take.

use super::{Store, StoreInner, StoreOpaque};
use crate::engine::Engine;
use crate::errors::Result;

/// A shared borrow of a store.
pub struct StoreContext<'a, T: 'static>(pub(crate) &'a StoreInner<T>);

/// An exclusive borrow of a store.
pub struct StoreContextMut<'a, T: 'static>(pub(crate) &'a mut StoreInner<T>);

/// Who a store can be read from, or changed through: a list that is closed. A function of this API asks its argument
/// more than once; were it one store the first time and another one later, or did it use the store meanwhile,
/// references would lead anywhere.
pub trait Sealed {}

/// Anything that a store can be read from: stores, borrows of them, callers and scopes. Nobody else can implement it.
///
/// ```compile_fail
/// # extern crate heapwood_vm as heapwood;
/// use heapwood::{AsContext, Store, StoreContext};
/// struct Two(Store<()>, Store<()>);
/// impl AsContext for Two {
///     type Data = ();
///     fn as_context(&self) -> StoreContext<'_, ()> {
///         self.0.as_context()
///     }
/// }
/// ```
pub trait AsContext: Sealed {
    /// The host's data.
    type Data: 'static;

    /// The store.
    fn as_context(&self) -> StoreContext<'_, Self::Data>;
}

/// Anything that a store can be changed through. Nobody else can implement it, as for [`AsContext`].
pub trait AsContextMut: AsContext {
    /// The store.
    fn as_context_mut(&mut self) -> StoreContextMut<'_, Self::Data>;
}

/// What a host function gets: the store, and who called.
pub struct Caller<'a, T: 'static> {
    store: StoreContextMut<'a, T>,
}

impl<T: 'static> StoreContext<'_, T> {
    /// The host's data.
    pub fn data(&self) -> &T {
        &self.0.data
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        self.0.store.engine()
    }

    pub(crate) fn opaque(&self) -> &StoreOpaque {
        &self.0.store
    }
}

impl<T: 'static> StoreContextMut<'_, T> {
    /// The host's data.
    pub fn data(&self) -> &T {
        &self.0.data
    }

    /// The host's data, for changing it.
    pub fn data_mut(&mut self) -> &mut T {
        &mut self.0.data
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        self.0.store.engine()
    }

    /// Collects everything that is dead, in one pause on this thread: ends a marking that is under way, marks, sweeps,
    /// and drops the host values that nobody reaches any more. Objects may move; handles follow them. A store without a
    /// collector does nothing.
    ///
    /// # Errors
    /// None at present. A collector that has to give up would say so here.
    pub fn gc(&mut self) -> Result<()> {
        self.0.store.collect()
    }

    pub(crate) fn opaque(&mut self) -> &mut StoreOpaque {
        &mut self.0.store
    }
}

impl<'a, T: 'static> Caller<'a, T> {
    pub(crate) fn new(store: &'a mut StoreInner<T>) -> Caller<'a, T> {
        Caller { store: StoreContextMut(store) }
    }

    /// The host's data.
    pub fn data(&self) -> &T {
        self.store.data()
    }

    /// The host's data, for changing it.
    pub fn data_mut(&mut self) -> &mut T {
        self.store.data_mut()
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        self.store.engine()
    }

    /// Collects everything that is dead, in one pause on this thread: ends a marking that is under way, marks, sweeps,
    /// and drops the host values that nobody reaches any more. Objects may move; handles follow them. A store without a
    /// collector does nothing.
    ///
    /// # Errors
    /// None at present. A collector that has to give up would say so here.
    pub fn gc(&mut self) -> Result<()> {
        self.store.gc()
    }
}

impl<T: 'static> Sealed for Store<T> {}
impl<T: 'static> Sealed for StoreContext<'_, T> {}
impl<T: 'static> Sealed for StoreContextMut<'_, T> {}
impl<T: 'static> Sealed for Caller<'_, T> {}
impl<C: AsContext> Sealed for &C {}
impl<C: AsContext> Sealed for &mut C {}

impl<T: 'static> AsContext for Store<T> {
    type Data = T;

    fn as_context(&self) -> StoreContext<'_, T> {
        StoreContext(&self.inner)
    }
}

impl<T: 'static> AsContextMut for Store<T> {
    fn as_context_mut(&mut self) -> StoreContextMut<'_, T> {
        StoreContextMut(&mut self.inner)
    }
}

impl<T: 'static> AsContext for StoreContext<'_, T> {
    type Data = T;

    fn as_context(&self) -> StoreContext<'_, T> {
        StoreContext(self.0)
    }
}

impl<T: 'static> AsContext for StoreContextMut<'_, T> {
    type Data = T;

    fn as_context(&self) -> StoreContext<'_, T> {
        StoreContext(self.0)
    }
}

impl<T: 'static> AsContextMut for StoreContextMut<'_, T> {
    fn as_context_mut(&mut self) -> StoreContextMut<'_, T> {
        StoreContextMut(self.0)
    }
}

impl<T: 'static> AsContext for Caller<'_, T> {
    type Data = T;

    fn as_context(&self) -> StoreContext<'_, T> {
        self.store.as_context()
    }
}

impl<T: 'static> AsContextMut for Caller<'_, T> {
    fn as_context_mut(&mut self) -> StoreContextMut<'_, T> {
        self.store.as_context_mut()
    }
}

impl<C: AsContext> AsContext for &C {
    type Data = C::Data;

    fn as_context(&self) -> StoreContext<'_, C::Data> {
        C::as_context(*self)
    }
}

impl<C: AsContext> AsContext for &mut C {
    type Data = C::Data;

    fn as_context(&self) -> StoreContext<'_, C::Data> {
        C::as_context(*self)
    }
}

impl<C: AsContextMut> AsContextMut for &mut C {
    fn as_context_mut(&mut self) -> StoreContextMut<'_, C::Data> {
        C::as_context_mut(*self)
    }
}

impl<'a, T: 'static> From<&'a mut Store<T>> for StoreContextMut<'a, T> {
    fn from(store: &'a mut Store<T>) -> StoreContextMut<'a, T> {
        store.as_context_mut()
    }
}

impl<'a, T: 'static> From<&'a mut Caller<'_, T>> for StoreContextMut<'a, T> {
    fn from(caller: &'a mut Caller<'_, T>) -> StoreContextMut<'a, T> {
        caller.as_context_mut()
    }
}

impl<'a, T: 'static> From<&'a mut StoreContextMut<'_, T>> for StoreContextMut<'a, T> {
    fn from(context: &'a mut StoreContextMut<'_, T>) -> StoreContextMut<'a, T> {
        context.as_context_mut()
    }
}
