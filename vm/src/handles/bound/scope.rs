//! Scopes of references that cannot leave them.

use super::abstracts::I31Ref;
use super::local::{GcRef, Local};
use super::structure::{Bind, Bound};
use crate::engine::Engine;
use crate::errors::Result;
use crate::ids::{AnyRef, Func, Root};
use crate::observe::MemoryStats;
use crate::store::{
    AsContext, AsContextMut, Caller, InterruptHandle, Sealed, Store, StoreContext, StoreContextMut, StoreInner,
    StoreOpaque,
};
use heapwood_gc::HeapStats;
use std::marker::PhantomData;

/// Tells a scope from all others: invariant, so that none is taken for another.
type Brand<'s> = PhantomData<fn(&'s ()) -> &'s ()>;

/// A scope of [`Local`]s, made by [`Store::scope`]; all of them end with it, and so do the handles
/// ([`Rooted`](crate::Rooted)) that are made in it. The lifetime `'s` is a brand that no other scope has.
///
/// It stands for the store, also where a store is asked for (`func.call(&mut *s, …)`). Functions that read a number
/// take it shared, so that they may stand among the arguments of those that write; those that read a reference make a
/// handle, and take it exclusively.
///
/// Each reference that is read or made takes 12 bytes until the scope ends. A walk through many objects takes inner
/// scopes ([`Scope::inner`]).
///
/// ```
/// # extern crate heapwood_vm as heapwood;
/// use heapwood_derive::GcStruct;
/// use heapwood::{Bound, GcStruct, Local, Ref, Result, Scope};
///
/// #[derive(GcStruct)]
/// struct Node { val: i64, next: Option<Ref<Node>> }
///
/// fn sum<'s>(s: &mut Scope<'s, ()>, mut at: Option<Local<'s, Node>>) -> i64 {
///     let mut sum = 0;
///     while let Some(node) = at {
///         sum += node.val(s);
///         at = node.next(s);
///     }
///     sum
/// }
/// # fn main() {}
/// ```
pub struct Scope<'s, T: 'static> {
    store: &'s mut StoreInner<T>,
    mark: usize,
    brand: Brand<'s>,
}

/// Shows that the scope of `'i` lies in the one of `'s`: [`Scope::inner`].
pub struct Outer<'i, 's: 'i> {
    inner: Brand<'i>,
    outer: Brand<'s>,
}

impl<'i, 's> Outer<'i, 's> {
    /// A reference of the outer scope, in the inner one.
    #[inline]
    pub fn local<U: GcRef>(&self, outer: Local<'s, U>) -> Local<'i, U> {
        Local::of_place(outer.place())
    }
}

impl<'s, T: 'static> Scope<'s, T> {
    pub(super) fn new(store: &'s mut StoreInner<T>) -> Scope<'s, T> {
        let mark = store.store.roots().enter_scope();
        Scope { store, mark, brand: PhantomData }
    }

    #[inline]
    pub(super) fn opaque(&self) -> &StoreOpaque {
        &self.store.store
    }

    #[inline]
    pub(super) fn opaque_mut(&mut self) -> &mut StoreOpaque {
        &mut self.store.store
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        self.opaque().engine()
    }

    /// The host's data.
    pub fn data(&self) -> &T {
        &self.store.data
    }

    /// The host's data, for changing it.
    pub fn data_mut(&mut self) -> &mut T {
        &mut self.store.data
    }

    /// Collects everything that is dead, as [`Store::gc`](crate::Store::gc) does; the scope's references keep what they
    /// refer to.
    ///
    /// # Errors
    /// None at present, as of [`Store::gc`](crate::Store::gc).
    pub fn gc(&mut self) -> Result<()> {
        self.opaque_mut().collect()
    }

    /// Numbers of the heap, as of [`Store::gc_stats`](crate::Store::gc_stats).
    pub fn gc_stats(&self) -> HeapStats {
        StoreContext(self.store).gc_stats()
    }

    /// Memory of the store, as of [`Store::memory_stats`](crate::Store::memory_stats).
    pub fn memory_stats(&self) -> MemoryStats {
        StoreContext(self.store).memory_stats()
    }

    /// A handle that makes the guest of this store stop, from any thread.
    pub fn interrupt_handle(&self) -> InterruptHandle {
        self.opaque().interrupt_handle()
    }

    /// A scope within this one, whose references end with it. The second argument of the function brings references of
    /// this scope into the inner one.
    ///
    /// ```
    /// # extern crate heapwood_vm as heapwood;
    /// use heapwood_derive::GcStruct;
    /// use heapwood::{GcArray, GcStruct, Local, Ref, Result, Scope};
    ///
    /// #[derive(GcStruct)]
    /// struct Entry { key: i32, value: Ref<GcArray<u8>> }
    ///
    /// /// The number of bytes of all values; only one is held at a time.
    /// fn bytes<'s>(s: &mut Scope<'s, ()>, all: Local<'s, GcArray<Ref<Entry>>>) -> Result<u64> {
    ///     (0..all.len(s))
    ///         .map(|index| {
    ///             s.inner(|s, outer| {
    ///                 let entry = outer.local(all).get(s, index);
    ///                 let value = entry.value(s);
    ///                 Ok(u64::from(value.len(s)))
    ///             })
    ///         })
    ///         .sum()
    /// }
    /// # fn main() {}
    /// ```
    ///
    /// A reference of this scope is none of the inner one as it is:
    ///
    /// ```compile_fail,E0521
    /// # extern crate heapwood_vm as heapwood;
    /// use heapwood::{GcArray, Local, Result, Scope};
    /// fn first<'s>(s: &mut Scope<'s, ()>, bytes: Local<'s, GcArray<u8>>) -> Result<u8> {
    ///     s.inner(|s, _| Ok(bytes.get(s, 0)))
    /// }
    /// ```
    ///
    /// # Errors
    /// Those of the function.
    pub fn inner<R>(&mut self, body: impl for<'i> FnOnce(&mut Scope<'i, T>, Outer<'i, 's>) -> Result<R>) -> Result<R> {
        body(&mut Scope::new(self.store), Outer { inner: PhantomData, outer: PhantomData })
    }

    /// Binds a Rust type in the store, for as long as it lives: from now on casts to it and its fields' types are
    /// possible. Making an object does it too. Does not collect.
    ///
    /// # Errors
    /// The binding is one of another engine, or one of its Rust types stands for another type in this store.
    pub fn bind<U: Bind>(&mut self, bound: &Bound<U>) -> Result<()> {
        self.opaque_mut().take_stand_ins(bound.stand_ins()).map(drop)
    }

    /// An owned handle to the same object, which may leave the scope, move between threads and be dropped without the
    /// store. [`Root::local`] leads back. Does not collect.
    pub fn root<U: GcRef>(&mut self, local: Local<'s, U>) -> Root<U> {
        let store = self.opaque_mut();
        let raw = local.raw(store);
        store.own_root(raw)
    }

    /// An i31. Does not collect.
    ///
    /// # Errors
    /// The value does not fit 31 bits as a signed or unsigned integer: it is less than -2^30.
    pub fn i31(&mut self, value: i32) -> Result<Local<'s, I31Ref>> {
        let rooted = AnyRef::from_i31(StoreContextMut(self.store), value)?;
        Ok(Local::of_place(rooted.place()))
    }

    /// A function as a reference. Does not collect.
    ///
    /// # Errors
    /// It belongs to another store.
    pub fn func(&mut self, func: &Func) -> Result<Local<'s, Func>> {
        let store = self.opaque_mut();
        let raw = func.object(store)?;
        Ok(Local::of_place(store.guest_mut().roots_mut().push_place(raw)))
    }
}

impl<T: 'static> Drop for Scope<'_, T> {
    fn drop(&mut self) {
        self.store.store.leave_scope(self.mark);
    }
}

impl<T: 'static> Sealed for Scope<'_, T> {}

impl<T: 'static> AsContext for Scope<'_, T> {
    type Data = T;

    fn as_context(&self) -> StoreContext<'_, T> {
        StoreContext(self.store)
    }
}

impl<T: 'static> AsContextMut for Scope<'_, T> {
    fn as_context_mut(&mut self) -> StoreContextMut<'_, T> {
        StoreContextMut(self.store)
    }
}

impl<T: 'static> Store<T> {
    /// Runs a function with a scope, in which objects are [`Local`]s: typed, `Copy`, read and written without checks.
    /// [`GcStruct`](crate::GcStruct) has an example. All of them end with the function; a [`Root`] is what may be
    /// returned.
    ///
    /// # Errors
    /// Those of the function.
    pub fn scope<R>(&mut self, body: impl for<'s> FnOnce(&mut Scope<'s, T>) -> Result<R>) -> Result<R> {
        self.as_context_mut().scope(body)
    }
}

impl<T: 'static> StoreContextMut<'_, T> {
    /// Runs a function with a scope of typed references, as [`Store::scope`] does.
    ///
    /// # Errors
    /// Those of the function.
    pub fn scope<R>(&mut self, body: impl for<'s> FnOnce(&mut Scope<'s, T>) -> Result<R>) -> Result<R> {
        body(&mut Scope::new(self.0))
    }
}

impl<T: 'static> Caller<'_, T> {
    /// Runs a function with a scope of typed references, as [`Store::scope`] does.
    ///
    /// # Errors
    /// Those of the function.
    pub fn scope<R>(&mut self, body: impl for<'s> FnOnce(&mut Scope<'s, T>) -> Result<R>) -> Result<R> {
        self.as_context_mut().scope(body)
    }
}
