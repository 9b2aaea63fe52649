//! Array types as Rust types.

use super::fields::{GcField, GcNumber, SealedNumber as _, StoreView, element_offset};
use super::list::{Declared, shape_of};
use super::local::{GcRef, Handle, Local, Sealed};
use super::scope::Scope;
use super::shape::{Shape, Target};
use super::structure::{Bind, Binding, Bound, Maker};
use crate::errors::{Error, Result};
use crate::handles::ArrayElement;
use crate::handles::array_element::elements_of;
use crate::handles::wasm_ty::StoreAccess;
use crate::ids::Invariant;
use crate::module::Module;
use crate::rt::plain::{bytes_of, bytes_of_mut, numbers_of};
use crate::store::StoreOpaque;
use crate::types::ArrayType;
use heapwood_gc_abi::RawRef;
use heapwood_gc_abi::layout::OBJECT_ALIGN;
use std::any::TypeId as RustType;
use std::cell::Cell;

/// An array type whose elements are `E` ([`GcField`], or [`Const`](super::Const) of one if they are not mutable), bound
/// by [`Module::bind_array`] or [`ArrayType::bind`], or as what a field of a bound struct leads to.
///
/// In a store a Rust type stands for one type. Where a guest has two array types of the same elements, `K` tells them
/// apart: any type of the host's, which means nothing else.
///
/// A function with an index panics if the array has no such element, as slices do; [`Local::len`] says how many there
/// are. What is not here is in the dynamic interface, one [`Local::to_rooted`] away.
///
/// ```
/// # extern crate heapwood_vm as heapwood;
/// use heapwood::{Engine, GcArray, Module, Result, Store};
/// # fn main() -> Result<()> {
/// let engine = Engine::default();
/// let module = Module::new(&engine, wat::parse_str("(module (type $floats (array (mut f64))))").unwrap())?;
/// let floats = module.bind_array::<f64>("floats")?;
/// let mut store = Store::new(&engine, ());
/// let sum = store.scope(|s| {
///     let array = floats.alloc(s, 3, 0.5)?;
///     array.set(s, 1, 2.0);
///     array.with_slice(s, |elements| elements[2].set(elements[1].get() * 2.0));
///     Ok(array.iter(s).sum::<f64>())
/// })?;
/// assert_eq!(sum, 0.5 + 2.0 + 4.0);
/// # Ok(())
/// # }
/// ```
pub struct GcArray<E, K = ()>(Invariant<(E, K)>);

/// What the elements of a [`GcArray`] can be: a [`GcField`], or a [`Const`](super::Const) of one. Nobody else can
/// implement it.
pub trait GcElement: Declared {}

impl<F: Declared> GcElement for F {}

impl<E: GcElement, K: 'static> Sealed for GcArray<E, K> {
    fn target() -> Target {
        let name = std::any::type_name::<Self>();
        Target { rust: RustType::of::<Self>(), name, shape: Shape::Array(shape_of::<E>("", 0)) }
    }
}

impl<E: GcElement, K: 'static> GcRef for GcArray<E, K> {
    type Access<'s> = Handle<'s, Self>;
}

impl<E: GcElement, K: 'static> Bind for GcArray<E, K> {
    type Maker = Binding<Self>;
}

impl<E: GcElement, K: 'static> Maker<GcArray<E, K>> for Binding<GcArray<E, K>> {
    fn new(binding: Binding<GcArray<E, K>>) -> Self {
        binding
    }

    fn binding(&self) -> &Binding<GcArray<E, K>> {
        self
    }
}

impl Module {
    /// Binds an array type of this module, the first one of a name in the name section, to [`GcArray`]s of `E`.
    ///
    /// # Errors
    /// There is no such type; it is no array type; its elements are not `E`, or those of a type that they lead to.
    pub fn bind_array<E: GcElement>(&self, name: &str) -> Result<Bound<GcArray<E>>> {
        match self.types().named(name) {
            Some(ty) => Bound::new(ty),
            None => Err(Error::usage(format!("the module has no type of the name `{name}`"))),
        }
    }
}

impl ArrayType {
    /// Binds this type, which the host made or [`Module::types`](crate::Module::types) found, to [`GcArray`]s of `E`,
    /// told apart by `K` (`()` where nothing is).
    ///
    /// # Errors
    /// As for [`Module::bind_array`].
    pub fn bind<E: GcElement, K: 'static>(&self) -> Result<Bound<GcArray<E, K>>> {
        Bound::new(self.clone().into())
    }
}

type ValueOf<'s, E> = <<E as Declared>::Field as GcField>::Value<'s>;

impl<E: GcElement, K: 'static> Binding<GcArray<E, K>> {
    /// A new array of `len` elements, all of them `init`. May collect.
    ///
    /// # Errors
    /// The array is larger than any array or the heap may be
    /// ([`TrapKind::AllocationTooLarge`](crate::TrapKind::AllocationTooLarge)); the heap is exhausted; those of
    /// [`Scope::bind`].
    pub fn alloc<'s, D: 'static>(
        &self,
        scope: &mut Scope<'s, D>,
        len: u32,
        init: ValueOf<'s, E>,
    ) -> Result<Local<'s, GcArray<E, K>>> {
        let store = scope.opaque_mut();
        let raw =
            store.new_bound_array(self.stand_ins(), len, |store, _| Ok(E::Field::raw(&StoreView(store), init)))?;
        Ok(Local::of_place(store.guest_mut().roots_mut().push_place(raw)))
    }

    /// A new array of the numbers of a slice, copied in one piece. May collect.
    ///
    /// # Errors
    /// As for `alloc`.
    pub fn from_slice<'s, D: 'static>(
        &self,
        scope: &mut Scope<'s, D>,
        elements: &[E::Field],
    ) -> Result<Local<'s, GcArray<E, K>>>
    where
        E::Field: ArrayElement,
    {
        let store = scope.opaque_mut();
        let raw = store.new_bound_array_of_bytes(self.stand_ins(), elements_of::<E::Field>(), bytes_of(elements))?;
        Ok(Local::of_place(store.guest_mut().roots_mut().push_place(raw)))
    }
}

/// The array behind a reference, which has element `index`.
#[inline]
#[track_caller]
fn array_with(store: &StoreOpaque, array: RawRef, index: u32) -> RawRef {
    let len = store.heap().array_length(array);
    assert!(index < len, "an array of {len} elements without element {index}");
    array
}

impl<'s, E: GcElement, K: 'static> Local<'s, GcArray<E, K>> {
    /// Number of elements. Does not collect.
    #[inline]
    pub fn len<D: 'static>(self, scope: &Scope<'s, D>) -> u32 {
        let store = scope.opaque();
        store.heap().array_length(self.raw(store))
    }

    /// Element `index`. Does not collect.
    ///
    /// # Panics
    /// If there is no such element.
    #[inline]
    #[track_caller]
    pub fn get<D: 'static>(self, scope: &mut Scope<'s, D>, index: u32) -> ValueOf<'s, E> {
        let store = scope.opaque_mut();
        let array = array_with(store, self.raw(store), index);
        E::Field::load(&mut StoreAccess(store), array, element_offset(E::Field::KIND, index))
    }

    /// Element `index`, a number, of a scope that is shared. Does not collect.
    ///
    /// # Panics
    /// If there is no such element.
    #[inline]
    #[track_caller]
    pub fn get_number<D: 'static>(self, scope: &Scope<'s, D>, index: u32) -> E::Field
    where
        E::Field: GcNumber,
    {
        let store = scope.opaque();
        let array = array_with(store, self.raw(store), index);
        E::Field::read(&StoreView(store), array, element_offset(E::Field::KIND, index))
    }

    /// The elements, which are numbers, each read when the iterator comes to it. Does not collect.
    pub fn iter<'a, D: 'static>(
        self,
        scope: &'a Scope<'s, D>,
    ) -> impl ExactSizeIterator<Item = E::Field> + use<'a, 's, E, K, D>
    where
        E::Field: GcNumber,
    {
        let store = scope.opaque();
        // While the store is borrowed nothing collects, so the array stays where it is.
        let array = self.raw(store);
        let len = store.heap().array_length(array);
        (0..len).map(move |index| E::Field::read(&StoreView(store), array, element_offset(E::Field::KIND, index)))
    }

    /// Copies as many elements as the slice takes, from `start` on, in one piece. Does not collect.
    ///
    /// # Errors
    /// There are no such elements. The slice is as it was then.
    pub fn copy_to_slice<D: 'static>(self, scope: &Scope<'s, D>, start: u32, slice: &mut [E::Field]) -> Result<()>
    where
        E::Field: ArrayElement,
    {
        let store = scope.opaque();
        store.read_array_bytes(self.raw(store), start, elements_of::<E::Field>(), bytes_of_mut(slice))
    }
}

impl<'s, F: GcField, K: 'static> Local<'s, GcArray<F, K>> {
    /// Writes element `index`. Does not collect.
    ///
    /// # Panics
    /// If there is no such element.
    #[inline]
    #[track_caller]
    pub fn set<D: 'static>(self, scope: &mut Scope<'s, D>, index: u32, value: F::Value<'s>) {
        let store = scope.opaque_mut();
        let array = array_with(store, self.raw(store), index);
        F::save_element(&mut StoreAccess(store), array, index, value);
        store.ask_for_collection();
    }

    /// Writes a value to `len` elements from `start` on. May collect.
    ///
    /// # Errors
    /// There are no such elements. Nothing is written then.
    pub fn fill<D: 'static>(self, scope: &mut Scope<'s, D>, start: u32, len: u32, value: F::Value<'s>) -> Result<()> {
        let store = scope.opaque_mut();
        store.fill_array(self.raw(store), start, len, |store, _| Ok(F::raw(&StoreView(store), value)))
    }

    /// Copies the numbers of a slice over the elements from `start` on, in one piece. Does not collect.
    ///
    /// # Errors
    /// There are no such elements. Nothing is written then.
    pub fn copy_from_slice<D: 'static>(self, scope: &mut Scope<'s, D>, start: u32, slice: &[F]) -> Result<()>
    where
        F: ArrayElement,
    {
        let store = scope.opaque_mut();
        store.write_array_bytes(self.raw(store), start, elements_of::<F>(), bytes_of(slice))
    }

    /// Lends the elements to a function where they are, without a copy; in its place the store can do nothing, so
    /// nothing collects. What the function returns is returned. `u128` is refused by the compiler, since objects lie at
    /// multiples of 8 bytes only.
    ///
    /// ```compile_fail,E0499
    /// # use heapwood_vm::{GcArray, Local, Scope};
    /// fn collect<'s>(s: &mut Scope<'s, ()>, array: Local<'s, GcArray<f64>>) {
    ///     array.with_slice(s, |elements| s.gc());
    /// }
    /// ```
    pub fn with_slice<D, R>(self, scope: &mut Scope<'s, D>, function: impl FnOnce(&[Cell<F>]) -> R) -> R
    where
        F: ArrayElement,
    {
        const { assert!(align_of::<F>() <= OBJECT_ALIGN as usize, "these elements are not aligned in the heap") };
        let store = scope.opaque_mut();
        let bytes = store.array_cells(self.raw(store), elements_of::<F>()).expect("a mutable array of these numbers");
        function(numbers_of(bytes).expect("elements of these are aligned"))
    }
}
