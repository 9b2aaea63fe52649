//! Tables.

use super::Val;
use crate::errors::Result;
use crate::ids::StoreId;
use crate::store::{AsContext, AsContextMut, Named, StoreOpaque};
use crate::types::TableType;
use heapwood_gc_abi::RawRef;
use heapwood_module as m;

/// A table of references.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Table {
    store: StoreId,
    index: u32,
}

impl Table {
    /// A table of the host's making, filled with `init`.
    ///
    /// # Errors
    /// The type is one of another engine, or not possible: its least size is larger than its largest. The value is not
    /// of the element type, or of another store. The size is beyond a limit.
    pub fn new(mut store: impl AsContextMut, ty: TableType, init: Val) -> Result<Table> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        let ty = store.take_table_type(&ty)?;
        let raw = init.to_raw_ref(store, ty.element)?;
        Ok(Table::from_index(store.id(), store.new_table(ty, raw)?))
    }

    pub(crate) fn from_index(store: StoreId, index: u32) -> Table {
        Table { store, index }
    }

    pub(crate) fn index(&self, store: &StoreOpaque) -> Result<u32> {
        store.check_handle(self.store, Named::Table(self.index))?;
        Ok(self.index)
    }

    /// The table's type with ids of the engine in place of handles, with the current size as the least one.
    pub(crate) fn type_in(&self, store: &StoreOpaque) -> Result<m::TableType> {
        Ok(store.table(self.index(store)?).ty())
    }

    /// The table's type, with the current size as the least one.
    ///
    /// # Panics
    /// If it belongs to another store.
    #[track_caller]
    pub fn ty(&self, store: impl AsContext) -> TableType {
        let context = store.as_context();
        let store = context.opaque();
        TableType::from_registry(store.engine().registry(), &self.type_in(store).expect("a table of this store"))
    }

    /// Number of elements.
    ///
    /// # Panics
    /// If it belongs to another store.
    #[track_caller]
    pub fn size(&self, store: impl AsContext) -> u64 {
        self.type_in(store.as_context().opaque()).expect("a table of this store").min
    }

    /// An element; none beyond the end.
    ///
    /// # Panics
    /// If it belongs to another store.
    #[track_caller]
    pub fn get(&self, mut store: impl AsContextMut, index: u64) -> Option<Val> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        let table = store.table(self.index(store).expect("a table of this store"));
        let (raw, heap) = (table.get(index)?, table.ty().element.heap);
        Some(Val::from_raw_ref(store, raw, heap))
    }

    /// Writes an element.
    ///
    /// # Errors
    /// The index is beyond the end, or the value is not of the element type; a table of another store.
    pub fn set(&self, mut store: impl AsContextMut, index: u64, value: Val) -> Result<()> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        let (table, raw) = self.take_element(store, value)?;
        store.table_fill(table, index, 1, raw)
    }

    /// Writes `len` elements from `index` on.
    ///
    /// # Errors
    /// As for [`Table::set`].
    pub fn fill(&self, mut store: impl AsContextMut, index: u64, value: Val, len: u64) -> Result<()> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        let (table, raw) = self.take_element(store, value)?;
        store.table_fill(table, index, len, raw)
    }

    /// The table's position in the store, and a value of its element type.
    fn take_element(&self, store: &StoreOpaque, value: Val) -> Result<(u32, RawRef)> {
        let index = self.index(store)?;
        Ok((index, value.to_raw_ref(store, store.table(index).ty().element)?))
    }

    /// Grows it by `delta` elements of `init` and returns the old size.
    ///
    /// # Errors
    /// The type's maximum, a limit or the store's limiter refuses; a value of another type; a table of another store.
    pub fn grow(&self, mut store: impl AsContextMut, delta: u64, init: Val) -> Result<u64> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        let (index, raw) = self.take_element(store, init)?;
        store.table_grow(index, delta, raw)?
    }
}
