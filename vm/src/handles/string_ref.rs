//! Strings: how the host makes and reads them.

use crate::errors::Result;
use crate::ids::{ExternRef, Rooted, StringRef};
use crate::store::{AsContext, AsContextMut, ObjectClass, Utf8};
use heapwood_gc::StringUnits;

impl StringRef {
    /// A new string of text. May collect.
    ///
    /// # Errors
    /// It is longer than a string may be ([`TrapKind::AllocationTooLarge`](crate::TrapKind::AllocationTooLarge)), or
    /// the heap is exhausted.
    pub fn new(mut store: impl AsContextMut, text: &str) -> Result<Rooted<StringRef>> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        let raw = store.new_string_of_text(text)?;
        Ok(store.root_push(raw).expect("a string is not null"))
    }

    /// A new string of UTF-16 units, which need not be pairs. May collect.
    ///
    /// # Errors
    /// As for [`StringRef::new`].
    pub fn from_utf16(mut store: impl AsContextMut, units: &[u16]) -> Result<Rooted<StringRef>> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        let raw = store.new_string(StringUnits::Utf16(units))?;
        Ok(store.root_push(raw).expect("a string is not null"))
    }
}

impl Rooted<StringRef> {
    /// Number of UTF-16 units. Does not collect.
    ///
    /// # Errors
    /// It belongs to another store, or its scope is over.
    pub fn len(&self, store: impl AsContext) -> Result<u32> {
        let context = store.as_context();
        let store = context.opaque();
        Ok(store.heap().string_length(store.root_get(self)?))
    }

    /// The units, where they lie: nothing is copied. Joins the parts first if the string was made of others and not
    /// read since, which may collect.
    ///
    /// # Errors
    /// It belongs to another store, or its scope is over; the heap is exhausted.
    pub fn units<'s, S: AsContextMut>(&self, store: &'s mut S) -> Result<StringUnits<'s>> {
        let store = &mut store.as_context_mut().0.store;
        let raw = store.flat_string(store.root_get(self)?)?;
        Ok(store.heap().string_units(raw))
    }

    /// The string as text: half of a pair becomes U+FFFD. May collect, as [`Rooted::units`].
    ///
    /// # Errors
    /// As for [`Rooted::units`].
    pub fn to_string_lossy(&self, mut store: impl AsContextMut) -> Result<String> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        let raw = store.flat_string(store.root_get(self)?)?;
        Ok(Utf8(store.heap().string_units(raw)).chars().collect())
    }

    /// A hash of the units, which is kept with the string: `31 * hash + unit` from 0 on, that of Java. May collect, as
    /// [`Rooted::units`].
    ///
    /// # Errors
    /// As for [`Rooted::units`].
    pub fn hash(&self, mut store: impl AsContextMut) -> Result<u32> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        store.string_hash(store.root_get(self)?)
    }

    /// The same reference, as one of the `extern` hierarchy.
    pub fn to_externref(self) -> Rooted<ExternRef> {
        self.cast()
    }
}

impl Rooted<ExternRef> {
    /// The string that it refers to, of the same scope; none if it is something else. Does not collect.
    ///
    /// # Errors
    /// It belongs to another store, or its scope is over.
    pub fn as_string(&self, store: impl AsContext) -> Result<Option<Rooted<StringRef>>> {
        let context = store.as_context();
        let store = context.opaque();
        let class = store.object_class(store.root_get(self)?)?;
        Ok((class == ObjectClass::String).then(|| self.cast()))
    }
}
