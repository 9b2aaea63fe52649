//! The ways between references of a scope and the handles that may leave it.

use super::abstracts::Internal;
use super::fields::StoreView;
use super::local::{GcRef, Local};
use super::scope::Scope;
use crate::errors::Result;
use crate::handles::WeakRoot;
use crate::ids::{Root, Rooted};
use crate::store::StoreOpaque;

/// A reference that is not null, in the scope of the store.
fn local<'s, T: GcRef>(store: &mut StoreOpaque, raw: u32) -> Local<'s, T> {
    Local::of_place(store.guest_mut().roots_mut().push_place(raw))
}

impl<T: GcRef> Root<T> {
    /// A handle of the scope for the object of this root. Does not collect.
    ///
    /// # Errors
    /// It belongs to another store.
    pub fn local<'s, D: 'static>(&self, scope: &mut Scope<'s, D>) -> Result<Local<'s, T>> {
        let store = scope.opaque_mut();
        let raw = store.roots().get_owned(self)?;
        Ok(local(store, raw))
    }
}

impl<T: GcRef> WeakRoot<T> {
    /// A handle of the scope for the object, which it keeps alive; none if the object has died. Does not collect.
    ///
    /// # Errors
    /// It belongs to another store.
    pub fn local<'s, D: 'static>(&self, scope: &mut Scope<'s, D>) -> Result<Option<Local<'s, T>>> {
        Ok(self.upgrade(&mut *scope)?.map(|rooted| Local::of_place(rooted.place())))
    }
}

impl<T: GcRef> Rooted<T> {
    /// A handle of the scope for the object of this handle. Does not collect.
    ///
    /// # Errors
    /// It belongs to another store, or its scope is over.
    pub fn local<'s, D: 'static>(&self, scope: &mut Scope<'s, D>) -> Result<Local<'s, T>> {
        let store = scope.opaque_mut();
        let raw = store.root_get(self)?;
        Ok(local(store, raw))
    }
}

impl<T: Internal> Rooted<T> {
    /// A handle of the scope for the object if that is a `U`, as [`Local::cast`] has it. Does not collect.
    ///
    /// # Errors
    /// It belongs to another store, or its scope is over.
    ///
    /// # Panics
    /// If `U` is not bound in the store.
    pub fn local_as<'s, U: Internal>(
        &self,
        scope: &mut Scope<'s, impl Sized + 'static>,
    ) -> Result<Option<Local<'s, U>>> {
        let store = scope.opaque_mut();
        let raw = store.root_get(self)?;
        let heap = U::heap_type(&StoreView(store));
        Ok(store.is_of(raw, heap).then(|| local(store, raw)))
    }
}

impl<'s, T: GcRef> Local<'s, T> {
    /// A handle to the same object that does not keep it alive, and may leave the scope. May collect.
    ///
    /// # Errors
    /// The heap is exhausted.
    pub fn downgrade<D: 'static>(self, scope: &mut Scope<'s, D>) -> Result<WeakRoot<T>> {
        WeakRoot::new(scope.opaque_mut(), |store| Ok(self.raw(store)))
    }
}
