//! Structs: how the host makes, reads and writes them.

use super::{RefKind, Val};
use crate::errors::Result;
use crate::ids::{AnyRef, Rooted, StructRef};
use crate::rt::value::RawVal;
use crate::store::{AsContext, AsContextMut, StoreOpaque};
use crate::types::StructType;
use heapwood_module::ValType;

impl StructRef {
    /// A new struct with these fields, as `struct.new` makes it. Packed fields take the low bits of an i32. May
    /// collect.
    ///
    /// # Errors
    /// The type is one of another engine; there are more or fewer values than fields; a value is not of its field's
    /// type, belongs to another store, or its scope is over; the heap is exhausted. Nothing is made then.
    pub fn new(mut store: impl AsContextMut, ty: &StructType, fields: &[Val]) -> Result<Rooted<StructRef>> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        make(store, ty, fields)
    }
}

// Once for all that stores are borrowed by, and so as one piece.

fn make(store: &mut StoreOpaque, ty: &StructType, fields: &[Val]) -> Result<Rooted<StructRef>> {
    let raw = store.new_struct(ty, fields.len(), |store, index, ty, place| {
        *place = fields[index].to_raw(store, ty)?;
        Ok(())
    })?;
    Ok(store.root_push(raw).expect("a struct is not null"))
}

fn read(object: &Rooted<StructRef>, store: &StoreOpaque, index: usize) -> Result<(RawVal, ValType)> {
    store.struct_field(store.root_get(object)?, index)
}

// By reference, as `Val::to_raw` says.
fn write(object: &Rooted<StructRef>, store: &mut StoreOpaque, index: usize, value: &Val) -> Result<()> {
    store.set_struct_field(store.root_get(object)?, index, |store, ty| value.to_raw(store, ty))
}

impl Rooted<StructRef> {
    /// The struct's type. Does not collect.
    ///
    /// # Errors
    /// It belongs to another store, or its scope is over.
    pub fn ty(&self, store: impl AsContext) -> Result<StructType> {
        match self.to_anyref().kind(store)? {
            RefKind::Struct(ty) => Ok(ty),
            other => panic!("a struct that is {other:?}"),
        }
    }

    /// Field `index`; a reference becomes a handle of the current scope, and what is packed is extended by zeros. Does
    /// not collect.
    ///
    /// # Errors
    /// There is no such field; it belongs to another store, or its scope is over.
    #[inline]
    pub fn field(&self, mut store: impl AsContextMut, index: usize) -> Result<Val> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        let (raw, ty) = read(self, store, index)?;
        Ok(Val::from_raw(store, raw, ty))
    }

    /// Writes field `index`; a packed one takes the low bits of an i32. Does not collect.
    ///
    /// # Errors
    /// As for [`Rooted::field`]; the field is not mutable; the value is not of its type, belongs to another store, or
    /// its scope is over.
    pub fn set_field(&self, mut store: impl AsContextMut, index: usize, value: Val) -> Result<()> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        write(self, store, index, &value)
    }

    /// All fields; references become handles of the current scope when the iterator comes to them, and what is packed
    /// is extended by zeros. Does not collect.
    ///
    /// # Errors
    /// It belongs to another store, or its scope is over.
    pub fn fields<'s, S: AsContextMut>(
        &self,
        store: &'s mut S,
    ) -> Result<impl ExactSizeIterator<Item = Val> + use<'s, S>> {
        let store = &mut store.as_context_mut().0.store;
        // While the store is borrowed nothing collects, so what was read stays where it is.
        let fields = store.struct_fields(store.root_get(self)?)?;
        Ok(fields.into_iter().map(move |(raw, ty)| Val::from_raw(store, raw, ty)))
    }

    /// The reference as one of the `any` hierarchy. Does not collect.
    pub fn to_anyref(self) -> Rooted<AnyRef> {
        self.cast()
    }
}
