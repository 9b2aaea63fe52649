//! Globals.

use crate::error::{Error, Result};
use crate::store::{AsContext, AsContextMut, StoreId, StoreOpaque};
use crate::types::GlobalType;
use crate::value::Val;
use heapwood_module as m;

/// A global.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Global {
    store: StoreId,
    index: u32,
}

impl Global {
    /// A global of the host's making.
    ///
    /// # Errors
    /// The type is one of another engine; the value is not of it, or of another store; the immortal space is full.
    pub fn new(mut store: impl AsContextMut, ty: GlobalType, value: Val) -> Result<Global> {
        store.as_context_mut().opaque().new_global(&ty, value)
    }

    pub(crate) fn from_index(store: StoreId, index: u32) -> Global {
        Global { store, index }
    }

    pub(crate) fn index(&self, store: &StoreOpaque) -> Result<u32> {
        self.store.check(store.id(), "a global")?;
        Ok(self.index)
    }

    /// Its type in terms of the engine.
    pub(crate) fn type_in(&self, store: &StoreOpaque) -> Result<m::GlobalType> {
        Ok(store.global_type(self.index(store)?))
    }

    /// Its type.
    ///
    /// # Panics
    /// If it belongs to another store.
    pub fn ty(&self, store: impl AsContext) -> GlobalType {
        let context = store.as_context();
        let store = context.opaque();
        GlobalType::from_registry(store.engine().registry(), &self.type_in(store).expect("a global of this store"))
    }

    /// Its value; a reference becomes a handle of the current scope.
    ///
    /// # Panics
    /// If it belongs to another store.
    pub fn get(&self, mut store: impl AsContextMut) -> Val {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        let index = self.index(store).expect("a global of this store");
        store.global_get(index)
    }

    /// Writes it.
    ///
    /// # Errors
    /// It is not mutable, or the value is not of its type; a global of another store.
    pub fn set(&self, mut store: impl AsContextMut, value: Val) -> Result<()> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        let index = self.index(store)?;
        if !store.global_type(index).mutable {
            return Err(Error::usage("the global is not mutable"));
        }
        store.global_set(index, value)
    }
}
