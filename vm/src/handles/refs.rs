//! References of the guest in the host's hands.

use super::bound::Dynamic;
use super::{RefKind, Val};
use crate::errors::{Error, Result};
use crate::ids::{AnyRef, ArrayRef, ExternRef, Root, Rooted, StructRef};
use crate::module::Module;
use crate::store::{AsContext, AsContextMut, ObjectClass};
use std::any::Any;
use std::sync::Arc;

impl AnyRef {
    /// An i31.
    ///
    /// # Errors
    /// The value does not fit 31 bits as a signed or unsigned integer: it is less than -2^30.
    pub fn from_i31(mut store: impl AsContextMut, value: i32) -> Result<Rooted<AnyRef>> {
        const SIGNED_MIN: i32 = -1 << 30;
        if value < SIGNED_MIN {
            return Err(Error::usage(format!("{value} does not fit an i31: it is less than {SIGNED_MIN}")));
        }
        let raw = heapwood_gc_abi::i31_encode(value.cast_unsigned());
        Ok(store.as_context_mut().opaque().root_push(raw).expect("an i31 is not null"))
    }
}

impl ExternRef {
    /// A host value as a reference. It is dropped when the guest and the host have forgotten it.
    ///
    /// # Errors
    /// The heap is exhausted.
    pub fn new(mut store: impl AsContextMut, value: impl Any + Send + Sync) -> Result<Rooted<ExternRef>> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        let raw = store.new_host_value(Arc::new(value))?;
        Ok(store.root_push(raw).expect("a host value is not null"))
    }
}

impl Rooted<AnyRef> {
    /// What it refers to.
    ///
    /// # Errors
    /// It belongs to another store, or its scope is over.
    pub fn kind(&self, store: impl AsContext) -> Result<RefKind> {
        let context = store.as_context();
        let store = context.opaque();
        Ok(RefKind::new(store, store.object_class(store.root_get(self)?)?))
    }

    /// Index, in a module's type section, of the struct or array type of the object; none if the module has no such
    /// type. With the module's names this tells what the object is.
    ///
    /// # Errors
    /// It belongs to another store, its scope is over, or the module is one of another engine.
    pub fn type_index(&self, store: impl AsContext, module: &Module) -> Result<Option<u32>> {
        let context = store.as_context();
        let store = context.opaque();
        store.check_engine(module.engine(), "a module")?;
        Ok(match store.object_class(store.root_get(self)?)? {
            ObjectClass::Struct(id) | ObjectClass::Array(id) => {
                (0..).zip(module.type_ids().ids()).find(|(_, candidate)| **candidate == id).map(|(index, _)| index)
            }
            _ => None,
        })
    }

    /// Field `index` of a struct; a reference becomes a handle of the current scope.
    ///
    /// # Errors
    /// It is no struct or has no such field; it belongs to another store, or its scope is over.
    pub fn field(&self, store: impl AsContextMut, index: usize) -> Result<Val> {
        self.cast::<StructRef>().field(store, index)
    }

    /// Writes field `index` of a struct.
    ///
    /// # Errors
    /// As for [`Rooted::field`]; the field is not mutable, or the value is not of its type.
    pub fn set_field(&self, store: impl AsContextMut, index: usize, value: Val) -> Result<()> {
        self.cast::<StructRef>().set_field(store, index, value)
    }

    /// Number of elements of an array.
    ///
    /// # Errors
    /// It is no array; it belongs to another store, or its scope is over.
    pub fn array_len(&self, store: impl AsContext) -> Result<u32> {
        self.cast::<ArrayRef>().len(store)
    }

    /// Element `index` of an array; a reference becomes a handle of the current scope.
    ///
    /// # Errors
    /// It is no array or has no such element; it belongs to another store, or its scope is over.
    pub fn element(&self, store: impl AsContextMut, index: u32) -> Result<Val> {
        self.cast::<ArrayRef>().get(store, index)
    }

    /// The reference as seen from outside (`extern.convert_any`). Does not collect.
    pub fn to_extern(self) -> Rooted<ExternRef> {
        self.cast()
    }
}

impl Rooted<ExternRef> {
    /// What it refers to.
    ///
    /// # Errors
    /// It belongs to another store, or its scope is over.
    pub fn kind(&self, store: impl AsContext) -> Result<RefKind> {
        let context = store.as_context();
        let store = context.opaque();
        Ok(RefKind::new(store, store.object_class(store.root_get(self)?)?))
    }

    /// The host value; none if it is an internal reference that was converted.
    ///
    /// # Errors
    /// It belongs to another store, or its scope is over.
    pub fn data<'s, T: 'static>(
        &self,
        store: &'s impl AsContext<Data = T>,
    ) -> Result<Option<&'s (dyn Any + Send + Sync)>> {
        let opaque = &store.as_context().0.store;
        Ok(opaque.host_value(opaque.root_get(self)?))
    }

    /// The host value, to be changed; none if it is an internal reference that was converted.
    ///
    /// # Errors
    /// It belongs to another store, or its scope is over; a [`Checkpoint`](crate::Checkpoint) shares the value, which
    /// then changes by interior mutability only.
    pub fn data_mut<'s, T: 'static>(
        &self,
        store: &'s mut impl AsContextMut<Data = T>,
    ) -> Result<Option<&'s mut (dyn Any + Send + Sync)>> {
        let opaque = &mut store.as_context_mut().0.store;
        let raw = opaque.root_get(self)?;
        opaque.host_value_mut(raw).transpose()
    }

    /// The reference as seen from inside (`any.convert_extern`). Does not collect.
    pub fn to_any(self) -> Rooted<AnyRef> {
        self.cast()
    }
}

impl<T> Rooted<T> {
    /// An owned handle to the same object.
    ///
    /// # Errors
    /// It belongs to another store, or its scope is over.
    pub fn to_owned(&self, mut store: impl AsContextMut) -> Result<Root<T>> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        let raw = store.root_get(self)?;
        Ok(store.own_root(raw))
    }

    /// Whether two handles name the same object (or equal i31s).
    ///
    /// # Errors
    /// One belongs to another store, or its scope is over.
    pub fn ref_eq(&self, store: impl AsContext, other: &Rooted<T>) -> Result<bool> {
        let context = store.as_context();
        Ok(context.opaque().root_get(self)? == context.opaque().root_get(other)?)
    }
}

impl<T> Root<T> {
    /// A handle of the current scope to the same object: of a bound struct (`Root<Person>`) a `Rooted<StructRef>`, of an
    /// array a `Rooted<ArrayRef>`, else of the same type.
    ///
    /// # Errors
    /// It belongs to another store, or is younger than the checkpoint that its store was rolled back to.
    pub fn to_rooted(&self, mut store: impl AsContextMut) -> Result<Rooted<T::Dynamic>>
    where
        T: Dynamic,
    {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        let raw = store.roots().get_owned(self)?;
        Ok(store.root_push(raw).expect("an owned handle is not null"))
    }
}
