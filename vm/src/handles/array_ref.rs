//! Arrays: how the host makes, reads and writes them.

use super::array_element::{ArrayElement, elements_of};
use super::{RefKind, Val};
use crate::errors::{Error, Result};
use crate::ids::{AnyRef, ArrayRef, Rooted};
use crate::rt::plain::{bytes_of, bytes_of_mut, numbers_of};
use crate::store::{AsContext, AsContextMut};
use crate::types::ArrayType;
use heapwood_gc_abi::layout::OBJECT_ALIGN;
use std::cell::Cell;
use std::ops::{Bound, Range, RangeBounds};

impl ArrayRef {
    /// A new array of `len` elements, all of them `init`, as `array.new` makes it. Packed elements take the low bits of
    /// an i32. May collect.
    ///
    /// # Errors
    /// The type is one of another engine; the value is not of the elements' type, belongs to another store, or its
    /// scope is over; the array is larger than any array or the heap may be
    /// ([`TrapKind::AllocationTooLarge`](crate::TrapKind::AllocationTooLarge)); the heap is exhausted. Nothing is made
    /// then.
    pub fn new(mut store: impl AsContextMut, ty: &ArrayType, init: &Val, len: u32) -> Result<Rooted<ArrayRef>> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        let raw = store.new_filled_array(ty, len, |store, ty| init.to_raw(store, ty))?;
        Ok(store.root_push(raw).expect("an array is not null"))
    }

    /// A new array of these elements, as `array.new_fixed` makes it. Packed elements take the low bits of an i32. May
    /// collect.
    ///
    /// # Errors
    /// As for [`ArrayRef::new`].
    pub fn new_fixed(mut store: impl AsContextMut, ty: &ArrayType, elements: &[Val]) -> Result<Rooted<ArrayRef>> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        let raw = store.new_fixed_array(ty, elements.len(), |store, index, ty| elements[index].to_raw(store, ty))?;
        Ok(store.root_push(raw).expect("an array is not null"))
    }

    /// A new array of the numbers of a slice, copied in one piece. May collect.
    ///
    /// # Errors
    /// The type is one of another engine; its elements are others than `T` stands for ([`ArrayElement`]); the array is
    /// larger than any array or the heap may be; the heap is exhausted. Nothing is made then.
    pub fn from_slice<T: ArrayElement>(
        mut store: impl AsContextMut,
        ty: &ArrayType,
        elements: &[T],
    ) -> Result<Rooted<ArrayRef>> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        let raw = store.new_array_of_bytes(ty, elements_of::<T>(), bytes_of(elements))?;
        Ok(store.root_push(raw).expect("an array is not null"))
    }
}

impl Rooted<ArrayRef> {
    /// The array's type. Does not collect.
    ///
    /// # Errors
    /// It belongs to another store, or its scope is over.
    pub fn ty(&self, store: impl AsContext) -> Result<ArrayType> {
        match self.to_anyref().kind(store)? {
            RefKind::Array(ty) => Ok(ty),
            other => panic!("an array that is {other:?}"),
        }
    }

    /// Number of elements. Does not collect.
    ///
    /// # Errors
    /// It belongs to another store, or its scope is over.
    pub fn len(&self, store: impl AsContext) -> Result<u32> {
        let context = store.as_context();
        context.opaque().array_len(context.opaque().root_get(self)?)
    }

    /// Element `index`; a reference becomes a handle of the current scope, and what is packed is extended by zeros.
    /// Does not collect.
    ///
    /// # Errors
    /// There is no such element; it belongs to another store, or its scope is over.
    pub fn get(&self, mut store: impl AsContextMut, index: u32) -> Result<Val> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        let (raw, ty) = store.array_element(store.root_get(self)?, index)?;
        Ok(Val::from_raw(store, raw, ty))
    }

    /// Writes element `index`; a packed one takes the low bits of an i32. Does not collect.
    ///
    /// # Errors
    /// As for [`Rooted::get`]; the elements are not mutable; the value is not of their type, belongs to another store,
    /// or its scope is over.
    pub fn set(&self, mut store: impl AsContextMut, index: u32, value: Val) -> Result<()> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        store.set_array_element(store.root_get(self)?, index, |store, ty| value.to_raw(store, ty))
    }

    /// Writes a value to `len` elements from `start` on, as `array.fill` does. May collect.
    ///
    /// It is done in one piece: a guest that is interrupted meanwhile, if one waits for this host function, stops once
    /// it runs again. The same goes for all copies of this type.
    ///
    /// # Errors
    /// There are no such elements, or they are not mutable; the value is not of their type, belongs to another store,
    /// or its scope is over; the array belongs to another store, or its scope is over. Nothing is written then.
    pub fn fill(&self, mut store: impl AsContextMut, start: u32, len: u32, value: Val) -> Result<()> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        store.fill_array(store.root_get(self)?, start, len, |store, ty| value.to_raw(store, ty))
    }

    /// Copies the elements of a range over those from `target` on, as if by way of a third place: the ranges may
    /// overlap. Does not collect.
    ///
    /// # Errors
    /// There are no such elements, or they are not mutable; it belongs to another store, or its scope is over. Nothing
    /// is written then.
    pub fn copy_within(&self, mut store: impl AsContextMut, source: impl RangeBounds<u32>, target: u32) -> Result<()> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        let object = store.root_get(self)?;
        let source = resolve(&source, store.array_len(object)?);
        store.copy_in_array(object, source, target)
    }

    /// Copies as many elements as the slice takes, from `start` on, in one piece. Does not collect.
    ///
    /// # Errors
    /// There are no such elements, or others than `T` stands for ([`ArrayElement`]); it belongs to another store, or
    /// its scope is over. The slice is as it was then.
    pub fn copy_to_slice<T: ArrayElement>(&self, store: impl AsContext, start: u32, slice: &mut [T]) -> Result<()> {
        let context = store.as_context();
        let store = context.opaque();
        store.read_array_bytes(store.root_get(self)?, start, elements_of::<T>(), bytes_of_mut(slice))
    }

    /// Copies the numbers of a slice over the elements from `start` on, in one piece. Does not collect.
    ///
    /// # Errors
    /// As for [`Rooted::copy_to_slice`]; the elements are not mutable. Nothing is written then.
    pub fn copy_from_slice<T: ArrayElement>(
        &self,
        mut store: impl AsContextMut,
        start: u32,
        slice: &[T],
    ) -> Result<()> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        store.write_array_bytes(store.root_get(self)?, start, elements_of::<T>(), bytes_of(slice))
    }

    /// Lends the elements to a function where they are, without a copy; in its place the store can do nothing, so
    /// nothing collects. What the function returns is returned.
    ///
    /// ```
    /// # use heapwood_vm::{ArrayRef, ArrayType, Engine, FieldType, Mutability, Store, ValType};
    /// # use std::cell::Cell;
    /// # fn main() -> heapwood_vm::Result<()> {
    /// let engine = Engine::default();
    /// let mut store = Store::new(&engine, ());
    /// let floats = ArrayType::new(&engine, FieldType::new(Mutability::Var, ValType::F64.into()));
    /// let array = ArrayRef::from_slice(&mut store, &floats, &[1.0, 2.0, 3.0])?;
    /// let sum = array.with_slice(&mut store, |elements: &[Cell<f64>]| {
    ///     elements.iter().for_each(|element| element.set(element.get() * 2.0));
    ///     elements.iter().map(Cell::get).sum::<f64>()
    /// })?;
    /// assert_eq!(sum, 12.0);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Nothing that takes the store can be called meanwhile:
    ///
    /// ```compile_fail,E0499
    /// # use heapwood_vm::{ArrayRef, Rooted, Store};
    /// # use std::cell::Cell;
    /// fn collect(store: &mut Store<()>, array: Rooted<ArrayRef>) {
    ///     array.with_slice(&mut *store, |elements: &[Cell<f64>]| store.gc());
    /// }
    /// ```
    ///
    /// # Errors
    /// The elements are others than `T` stands for ([`ArrayElement`]), or not mutable; `T` is `u128`, since objects lie
    /// at multiples of 8 bytes only; the array belongs to another store, or its scope is over. The function is not
    /// called then.
    pub fn with_slice<T: ArrayElement, R>(
        &self,
        mut store: impl AsContextMut,
        function: impl FnOnce(&[Cell<T>]) -> R,
    ) -> Result<R> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        let elements = elements_of::<T>();
        let bytes = store.array_cells(store.root_get(self)?, elements)?;
        if align_of::<T>() > OBJECT_ALIGN as usize {
            return Err(Error::usage(format!("elements of {} are not aligned in the heap: copy them", elements.1)));
        }
        Ok(function(numbers_of(bytes).expect("elements of these are aligned")))
    }

    /// All elements, each read when the iterator comes to it; references become handles of the current scope, and what
    /// is packed is extended by zeros. Does not collect.
    ///
    /// # Errors
    /// It belongs to another store, or its scope is over.
    pub fn elems<'s, S: AsContextMut>(
        &self,
        store: &'s mut S,
    ) -> Result<impl ExactSizeIterator<Item = Val> + use<'s, S>> {
        let store = &mut store.as_context_mut().0.store;
        // While the store is borrowed nothing collects, so the array stays where it is.
        let array = store.array(store.root_get(self)?)?;
        Ok(array.indices().map(move |index| {
            let (raw, ty) = store.element_of(array, index);
            Val::from_raw(store, raw, ty)
        }))
    }

    /// The reference as one of the `any` hierarchy. Does not collect.
    pub fn to_anyref(self) -> Rooted<AnyRef> {
        self.cast()
    }
}

/// The range of elements, in numbers that do not overflow.
fn resolve(range: &impl RangeBounds<u32>, len: u32) -> Range<u64> {
    let start = match range.start_bound() {
        Bound::Included(start) => u64::from(*start),
        Bound::Excluded(before) => u64::from(*before) + 1,
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(last) => u64::from(*last) + 1,
        Bound::Excluded(end) => u64::from(*end),
        Bound::Unbounded => len.into(),
    };
    start..end
}
