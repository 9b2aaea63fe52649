//! Strings: how the host makes and reads them.

use crate::errors::Result;
use crate::ids::{ExternRef, Rooted, StringRef};
use crate::store::{AsContext, AsContextMut, ObjectClass, Utf8};
use heapwood_gc::StringUnits;
use std::cmp::Ordering;
use std::ops::Range;

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

    /// Both strings, one behind the other. Of long ones nothing is copied before the result is read. May collect.
    ///
    /// ```
    /// # use heapwood_vm::{Engine, Store, StringRef};
    /// # fn main() -> heapwood_vm::Result<()> {
    /// let mut store = Store::new(&Engine::default(), ());
    /// let [heap, wood] = [StringRef::new(&mut store, "heap")?, StringRef::new(&mut store, "wood")?];
    /// let both = heap.concat(&mut store, &wood)?;
    /// assert_eq!(both.to_string_lossy(&mut store)?, "heapwood");
    /// assert_eq!(both.substring(&mut store, 3..6)?.to_string_lossy(&mut store)?, "pwo");
    /// assert!(heap.compare(&mut store, &wood)?.is_lt());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Together they are longer than a string may be, or the heap is exhausted; one belongs to another store, or its
    /// scope is over.
    pub fn concat(&self, mut store: impl AsContextMut, other: &Rooted<StringRef>) -> Result<Rooted<StringRef>> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        let (a, b) = (store.root_get(self)?, store.root_get(other)?);
        let raw = store.concat_strings(a, b)?;
        Ok(store.root_push(raw).expect("a string is not null"))
    }

    /// The units of a range; as far as there are some. May collect.
    ///
    /// # Errors
    /// As for [`Rooted::units`].
    pub fn substring(&self, mut store: impl AsContextMut, range: Range<u32>) -> Result<Rooted<StringRef>> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        let raw = store.substring(store.root_get(self)?, range.start, range.end)?;
        Ok(store.root_push(raw).expect("a string is not null"))
    }

    /// Whether both have the same units. May collect, as [`Rooted::units`].
    ///
    /// # Errors
    /// As for [`Rooted::units`], of either.
    pub fn equals(&self, mut store: impl AsContextMut, other: &Rooted<StringRef>) -> Result<bool> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        store.strings_equal(store.root_get(self)?, store.root_get(other)?)
    }

    /// The order of both by their units, which is not that of their scalar values. May collect, as [`Rooted::units`].
    ///
    /// # Errors
    /// As for [`Rooted::units`], of either.
    pub fn compare(&self, mut store: impl AsContextMut, other: &Rooted<StringRef>) -> Result<Ordering> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        store.compare_strings(store.root_get(self)?, store.root_get(other)?)
    }

    /// The reference as one of the `extern` hierarchy. Does not collect.
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
