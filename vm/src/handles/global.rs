//! Globals.

use super::Val;
use super::instance_pre::string_global;
use crate::errors::{Error, Result};
use crate::ids::StoreId;
use crate::store::{AsContext, AsContextMut, Named, StoreOpaque};
use crate::types::GlobalType;
use heapwood_gc::StringUnits;
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
        let mut context = store.as_context_mut();
        let store = context.opaque();
        let ty = m::GlobalType { val: store.take_type(ty.content())?, mutable: ty.is_mutable() };
        let raw = value.to_raw(store, ty.val)?;
        Ok(Global::from_index(store.id(), store.new_global(ty, raw)?))
    }

    /// An immutable global that holds a string of these units. May collect.
    pub(super) fn of_string(store: &mut StoreOpaque, units: &[u16]) -> Result<Global> {
        let ty = string_global();
        let ty = m::GlobalType { val: store.take_type(ty.content())?, mutable: false };
        // First the global, so that nothing has to hold the string meanwhile.
        let index = store.new_global(ty, [0; 2])?;
        let string = store.new_string(StringUnits::Utf16(units))?;
        store.global_set_raw(index, [string.into(), 0]);
        Ok(Global::from_index(store.id(), index))
    }

    /// An immutable global that holds a number.
    pub(super) fn of_i32(store: &mut StoreOpaque, value: i32) -> Result<Global> {
        let ty = m::GlobalType { val: m::ValType::I32, mutable: false };
        let raw = Val::I32(value).to_raw(store, ty.val)?;
        Ok(Global::from_index(store.id(), store.new_global(ty, raw)?))
    }

    pub(crate) fn from_index(store: StoreId, index: u32) -> Global {
        Global { store, index }
    }

    pub(crate) fn index(&self, store: &StoreOpaque) -> Result<u32> {
        store.check_handle(self.store, Named::Global(self.index))?;
        Ok(self.index)
    }

    /// The global's type, with ids of the engine in place of handles.
    pub(crate) fn type_in(&self, store: &StoreOpaque) -> Result<m::GlobalType> {
        Ok(store.global_type(self.index(store)?))
    }

    /// The global's type.
    ///
    /// # Panics
    /// If it belongs to another store.
    #[track_caller]
    pub fn ty(&self, store: impl AsContext) -> GlobalType {
        let context = store.as_context();
        let store = context.opaque();
        GlobalType::from_registry(store.engine().registry(), &self.type_in(store).expect("a global of this store"))
    }

    /// The global's value; a reference becomes a handle of the current scope.
    ///
    /// # Panics
    /// If it belongs to another store.
    #[track_caller]
    pub fn get(&self, mut store: impl AsContextMut) -> Val {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        let index = self.index(store).expect("a global of this store");
        Val::from_raw(store, store.global_get_raw(index), store.global_type(index).val)
    }

    /// Writes it.
    ///
    /// # Errors
    /// It is not mutable, or the value is not of its type; a global of another store.
    pub fn set(&self, mut store: impl AsContextMut, value: Val) -> Result<()> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        let index = self.index(store)?;
        let ty = store.global_type(index);
        if !ty.mutable {
            return Err(Error::usage("the global is not mutable"));
        }
        let raw = value.to_raw(store, ty.val)?;
        store.global_set_raw(index, raw);
        Ok(())
    }
}
