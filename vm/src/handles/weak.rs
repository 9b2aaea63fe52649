//! Handles that do not keep objects alive, and values that live as long as another object does.
//!
//! Behind each is a cell of the heap that the host owns: a weak cell or an ephemeron (`gc/src/weak/weak_cells.rs`).

use crate::errors::Result;
use crate::ids::{Invariant, Root, Rooted};
use crate::store::{AsContextMut, StoreOpaque};
use heapwood_gc_abi::RawRef;
use std::marker::PhantomData;

/// A reference that does not keep its object alive: [`WeakRoot::upgrade`] says whether it is. Like [`Root`] it may
/// outlive scopes, move between threads and be dropped without the store.
///
/// An object that nothing else holds dies with the next collection that finds out: a young one with a minor, others
/// with a major. Nothing is said about when that is. An i31 never dies.
///
/// ```
/// # use heapwood_vm::{Engine, ExternRef, RootScope, Store};
/// # fn main() -> heapwood_vm::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let mut scope = RootScope::new(&mut store);
/// let value = ExternRef::new(&mut scope, "cached")?;
/// let weak = value.downgrade(&mut scope)?;
/// assert!(weak.upgrade(&mut scope)?.is_some());
/// drop(scope);
/// store.gc()?;
/// assert!(weak.upgrade(&mut store)?.is_none());
/// # Ok(())
/// # }
/// ```
pub struct WeakRoot<T> {
    cell: Root<Cell>,
    hierarchy: Invariant<T>,
}

/// An entry of a table with weak keys: it holds its value as long as the key lives, and the key not at all, even if the
/// value leads to it. When the key has died, or the entry is dropped, the value is held no longer.
///
/// With it, data of one object can be kept outside of the object, as in a `WeakMap`. It is `Send`, and may be dropped
/// without the store.
///
/// ```
/// # use heapwood_vm::{Engine, ExternRef, RootScope, Store, WeakEntry};
/// # fn main() -> heapwood_vm::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let mut scope = RootScope::new(&mut store);
/// let key = ExternRef::new(&mut scope, "key")?;
/// let value = ExternRef::new(&mut scope, "what is known of it")?;
/// let entry = WeakEntry::new(&mut scope, &key, &value)?;
/// let key = key.to_owned(&mut scope)?;
/// drop(scope);
/// store.gc()?;
/// let mut scope = RootScope::new(&mut store);
/// assert!(entry.get(&mut scope)?.is_some(), "the key is alive");
/// drop((scope, key));
/// store.gc()?;
/// assert!(entry.get(&mut store)?.is_none());
/// # Ok(())
/// # }
/// ```
pub struct WeakEntry<K, V> {
    cell: Root<Cell>,
    hierarchies: Invariant<(K, V)>,
}

/// The hierarchy of the cells behind these handles, which nobody sees.
enum Cell {}

impl<T> WeakRoot<T> {
    pub(super) fn new(
        store: &mut StoreOpaque,
        referent: impl Fn(&StoreOpaque) -> Result<RawRef>,
    ) -> Result<WeakRoot<T>> {
        referent(store)?;
        let cell = store.new_weak_cell(store.engine().reserved_types().weak)?;
        // Read after the allocation, which may have moved it.
        let referent = referent(store)?;
        store.heap_mut().init_weak(cell, referent);
        Ok(WeakRoot { cell: store.own_root(cell), hierarchy: PhantomData })
    }

    /// A handle of the current scope to the object, which keeps it alive again; none if it has died.
    ///
    /// # Errors
    /// It belongs to another store.
    pub fn upgrade(&self, mut store: impl AsContextMut) -> Result<Option<Rooted<T>>> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        let cell = store.roots().get_owned(&self.cell)?;
        let referent = store.heap_mut().weak_get(cell);
        Ok(store.root_push(referent))
    }
}

impl<T> Rooted<T> {
    /// A handle to the same object that does not keep it alive. May collect.
    ///
    /// # Errors
    /// It belongs to another store, its scope is over, or the heap is exhausted.
    pub fn downgrade(&self, mut store: impl AsContextMut) -> Result<WeakRoot<T>> {
        WeakRoot::new(store.as_context_mut().opaque(), |store| store.root_get(self))
    }
}

impl<T> Root<T> {
    /// A handle to the same object that does not keep it alive. May collect.
    ///
    /// # Errors
    /// It belongs to another store, or the heap is exhausted.
    pub fn downgrade(&self, mut store: impl AsContextMut) -> Result<WeakRoot<T>> {
        WeakRoot::new(store.as_context_mut().opaque(), |store| store.roots().get_owned(self))
    }
}

impl<K, V> WeakEntry<K, V> {
    /// An entry. May collect.
    ///
    /// # Errors
    /// A handle belongs to another store, its scope is over, or the heap is exhausted.
    pub fn new(mut store: impl AsContextMut, key: &Rooted<K>, value: &Rooted<V>) -> Result<WeakEntry<K, V>> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        store.root_get(key)?;
        store.root_get(value)?;
        let cell = store.new_weak_cell(store.engine().reserved_types().ephemeron)?;
        let (key, value) = (store.root_get(key)?, store.root_get(value)?);
        store.heap_mut().init_ephemeron(cell, key, value);
        Ok(WeakEntry { cell: store.own_root(cell), hierarchies: PhantomData })
    }

    /// Handles of the current scope to key and value; none if the key has died.
    ///
    /// # Errors
    /// It belongs to another store.
    pub fn get(&self, mut store: impl AsContextMut) -> Result<Option<(Rooted<K>, Rooted<V>)>> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        let cell = store.roots().get_owned(&self.cell)?;
        let Some((key, value)) = store.heap_mut().ephemeron_get(cell) else { return Ok(None) };
        Ok(store.root_push(key).zip(store.root_push(value)))
    }

    /// Replaces the value. False, and nothing happens, if the key has died.
    ///
    /// # Errors
    /// The entry or the value belongs to another store, or the value's scope is over.
    pub fn set_value(&self, mut store: impl AsContextMut, value: &Rooted<V>) -> Result<bool> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        let (cell, value) = (store.roots().get_owned(&self.cell)?, store.root_get(value)?);
        Ok(store.heap_mut().ephemeron_set_value(cell, value))
    }
}

impl<T> Clone for WeakRoot<T> {
    fn clone(&self) -> WeakRoot<T> {
        WeakRoot { cell: self.cell.clone(), hierarchy: PhantomData }
    }
}

impl<T> std::fmt::Debug for WeakRoot<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("WeakRoot").field(&self.cell).finish()
    }
}

impl<K, V> std::fmt::Debug for WeakEntry<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("WeakEntry").field(&self.cell).finish()
    }
}
