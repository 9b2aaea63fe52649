//! References in a scope that they cannot leave.

use super::abstracts::Internal;
use super::fields::{GcField, GcNumber, SealedNumber as _, StoreView};
use super::list::{Declared, FieldList, Select, offset_of};
use super::scope::Scope;
use super::shape::Target;
use super::structure::GcStruct;
use super::sum::GcEnum;
use crate::handles::wasm_ty::StoreAccess;
use crate::ids::{AnyRef, Invariant, Rooted};
use crate::store::StoreOpaque;
use heapwood_gc_abi::RawRef;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

/// A reference that is not null, to a bound struct or array ([`GcStruct`], [`GcArray`](super::GcArray)) or to something
/// of an abstract type (`AnyRef` and its kin), in the scope of the lifetime `'s` ([`Scope`]).
///
/// It is `Copy`, follows its object when a collection moves it, and keeps it alive until the scope ends. It cannot
/// leave the scope, which the compiler checks; so it needs no check when it is used:
///
/// ```compile_fail,E0521
/// # extern crate heapwood_vm as heapwood;
/// # use heapwood_derive::GcStruct;
/// # use heapwood_vm::{Bound, GcStruct, Result, Store};
/// # #[derive(GcStruct)]
/// # struct Node { val: i64 }
/// # fn leave(store: &mut Store<()>, node: &Bound<Node>) -> Result<()> {
/// let mut kept = None;
/// store.scope(|s| {
///     kept = Some(node.alloc(s, 1)?);
///     Ok(())
/// })
/// # }
/// # fn main() {}
/// ```
///
/// ```compile_fail
/// # extern crate heapwood_vm as heapwood;
/// # use heapwood_derive::GcStruct;
/// # use heapwood_vm::{Bound, GcStruct, Result, Store};
/// # #[derive(GcStruct)]
/// # struct Node { val: i64 }
/// # fn leave(store: &mut Store<()>, node: &Bound<Node>) -> Result<()> {
/// let kept = store.scope(|s| node.alloc(s, 1))?;
/// # Ok(())
/// # }
/// # fn main() {}
/// ```
///
/// Nor does it go into the scope of another store, or an inner one ([`Outer`](super::Outer) takes it there):
///
/// ```compile_fail,E0521
/// # extern crate heapwood_vm as heapwood;
/// # use heapwood_derive::GcStruct;
/// # use heapwood_vm::{Bound, GcStruct, Result, Store};
/// # #[derive(GcStruct)]
/// # struct Node { val: i64 }
/// # fn mix(one: &mut Store<()>, other: &mut Store<()>, node: &Bound<Node>) -> Result<i64> {
/// one.scope(|s| {
///     let local = node.alloc(s, 1)?;
///     other.scope(|t| Ok(local.val(t)))
/// })
/// # }
/// # fn main() {}
/// ```
///
/// A [`Root`](crate::Root) is what leaves a scope ([`Scope::root`]). On a bound struct there is a function for each
/// field, of its name, and one more (`set_…`) for each that is mutable: [`GcStruct`] has an example.
pub struct Local<'s, T: GcRef> {
    access: T::Access<'s>,
}

/// What a [`Local`] can refer to: bound structs and arrays, and the abstract types `AnyRef`, `EqRef`, `I31Ref`,
/// `StructRef`, `ArrayRef`, `ExternRef`, `ExnRef` and `Func`. Nobody else can implement it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` stands for no type of a guest",
    label = "no reference can lead to it",
    note = "`#[derive(GcStruct)]` makes a Rust struct stand for a struct type, `GcArray` stands for array types, and \
            `AnyRef`, `EqRef`, `I31Ref`, `StructRef`, `ArrayRef`, `ExternRef`, `ExnRef` and `Func` for abstract ones"
)]
pub trait GcRef: Sealed + Sized + 'static {
    /// What a [`Local`] of it can do beside what all can.
    #[doc(hidden)]
    type Access<'s>: Access<'s, Self>;
}

/// What [`GcRef`] is to this crate.
pub trait Sealed {
    /// What it asks of the type that it stands for.
    fn target() -> Target;
}

/// What a [`Local`] of `T` dereferences to: a [`Handle`] with functions of its own.
#[doc(hidden)]
pub trait Access<'s, T>: Copy {
    /// The access that a handle gives.
    fn new(handle: Handle<'s, T>) -> Self;
    /// The handle.
    fn handle(self) -> Handle<'s, T>;
}

/// A place among the handles of the scope `'s`, in which a `T` is.
#[doc(hidden)]
pub struct Handle<'s, T> {
    place: u32,
    /// Invariant: no scope is taken for another.
    brand: PhantomData<fn(&'s ()) -> &'s ()>,
    to: Invariant<T>,
}

impl<T> Clone for Handle<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Handle<'_, T> {}

impl<'s, T: 'static> Access<'s, T> for Handle<'s, T> {
    #[inline]
    fn new(handle: Handle<'s, T>) -> Self {
        handle
    }

    #[inline]
    fn handle(self) -> Handle<'s, T> {
        self
    }
}

type FieldOf<T, P> = <<<T as GcStruct>::Fields as Select<P>>::Declared as Declared>::Field;

/// What the functions of fields consist of.
impl<'s, T: GcStruct> Handle<'s, T> {
    #[inline(always)]
    fn offset<P>() -> u64
    where
        T::Fields: Select<P>,
    {
        const { offset_of(<T::Fields as FieldList>::KINDS, <T::Fields as Select<P>>::INDEX) }
    }

    /// The number in a field.
    #[inline]
    #[doc(hidden)]
    pub fn number<P, D: 'static>(self, scope: &Scope<'s, D>) -> FieldOf<T, P>
    where
        T::Fields: Select<P>,
        FieldOf<T, P>: GcNumber,
    {
        let store = scope.opaque();
        <FieldOf<T, P>>::read(&StoreView(store), store.roots().at(self.place), Self::offset::<P>())
    }

    /// What is in a field.
    #[inline]
    #[doc(hidden)]
    pub fn field<P, D: 'static>(self, scope: &mut Scope<'s, D>) -> <FieldOf<T, P> as GcField>::Value<'s>
    where
        T::Fields: Select<P>,
    {
        let store = scope.opaque_mut();
        let object = store.roots().at(self.place);
        <FieldOf<T, P>>::load(&mut StoreAccess(store), object, Self::offset::<P>())
    }

    /// Writes a field that is mutable.
    #[inline]
    #[doc(hidden)]
    pub fn set<P, D: 'static>(self, scope: &mut Scope<'s, D>, value: <FieldOf<T, P> as GcField>::Value<'s>)
    where
        T::Fields: Select<P>,
    {
        const { assert!(<T::Fields as Select<P>>::Declared::IS_MUTABLE, "a field that is not mutable is written") };
        let store = scope.opaque_mut();
        let object = store.roots().at(self.place);
        <FieldOf<T, P>>::save(&mut StoreAccess(store), object, Self::offset::<P>(), value);
        store.ask_for_collection();
    }
}

impl<'s, T: GcRef> Local<'s, T> {
    /// The handle of a place in which a `T` is, in the scope `'s`, which the caller has at hand.
    #[inline]
    pub(super) fn of_place(place: u32) -> Local<'s, T> {
        Local { access: T::Access::new(Handle { place, brand: PhantomData, to: PhantomData }) }
    }

    #[inline]
    pub(super) fn place(self) -> u32 {
        self.access.handle().place
    }

    /// The reference, in the store of its scope.
    #[inline]
    pub(super) fn raw(self, store: &StoreOpaque) -> RawRef {
        store.roots().at(self.place())
    }

    /// Whether two refer to the same object (or are equal i31s). Does not collect.
    pub fn ref_eq<D: 'static>(self, scope: &Scope<'s, D>, other: Local<'s, T>) -> bool {
        let store = scope.opaque();
        self.raw(store) == other.raw(store)
    }

    /// The reference as a handle of the dynamic interface, which is checked when it is used: of a bound struct a
    /// `Rooted<StructRef>`, of an array a `Rooted<ArrayRef>`. It lives in the same scope. Does not collect.
    ///
    /// ```
    /// # extern crate heapwood_vm as heapwood;
    /// use heapwood::{GcArray, Local, Result, Scope, Val};
    /// fn clear<'s>(scope: &mut Scope<'s, ()>, bytes: Local<'s, GcArray<u8>>) -> Result<()> {
    ///     let len = bytes.len(scope);
    ///     bytes.to_rooted(scope).fill(scope, 0, len, Val::I32(0))
    /// }
    /// ```
    pub fn to_rooted<D: 'static>(self, scope: &Scope<'s, D>) -> Rooted<T::Dynamic>
    where
        T: Dynamic,
    {
        scope.opaque().roots().rooted_at(self.place())
    }
}

impl<'s, T: Internal> Local<'s, T> {
    /// The reference as one to a `U` if its object is one: of the type that `U` stands for in the store, or of one
    /// below it. The types need not be related in Rust; a cast goes down a hierarchy, up, or to the side. Does not
    /// collect.
    ///
    /// ```
    /// # extern crate heapwood_vm as heapwood;
    /// # use heapwood_derive::GcStruct;
    /// # use heapwood_vm::{AnyRef, Bound, GcStruct, Local, Result, Scope};
    /// #[derive(GcStruct)]
    /// struct Circle { radius: f64 }
    ///
    /// fn radius<'s>(s: &mut Scope<'s, ()>, circle: &Bound<Circle>, any: Local<'s, AnyRef>) -> Result<Option<f64>> {
    ///     s.bind(circle)?;
    ///     Ok(any.cast::<Circle>(s).map(|circle| circle.radius(s)))
    /// }
    /// # fn main() {}
    /// ```
    ///
    /// # Panics
    /// If `U` is a struct or an array that is not bound in the store: [`Scope::bind`] does it, and so does the first
    /// object that is made of it, or of something with a field of it.
    #[inline]
    pub fn cast<U: Internal>(self, scope: &Scope<'s, impl Sized + 'static>) -> Option<Local<'s, U>> {
        let store = scope.opaque();
        store.is_of(self.raw(store), U::heap_type(&StoreView(store))).then(|| Local::of_place(self.place()))
    }

    /// The reference as one of several types, or none if its object is of none of them ([`GcEnum`](super::GcEnum)).
    /// Does not collect.
    ///
    /// # Panics
    /// If one of the types is not bound in the store.
    #[inline]
    pub fn downcast<E: GcEnum<'s>>(self, scope: &Scope<'s, impl Sized + 'static>) -> Option<E> {
        E::of(self.to_any(), scope)
    }

    /// The reference as one of the `any` hierarchy. Does not collect.
    #[inline]
    pub fn to_any(self) -> Local<'s, AnyRef> {
        Local::of_place(self.place())
    }
}

impl<'s, T: GcStruct> Local<'s, T> {
    /// The reference as one to what its type extends (`#[wasm(extends = …)]`); a `StructRef` if it extends nothing.
    /// Does not collect.
    #[inline]
    pub fn upcast(self) -> Local<'s, T::Base> {
        Local::of_place(self.place())
    }
}

/// What stands for the same objects in the dynamic interface.
pub trait Dynamic: Sealed {
    /// The hierarchy of the handle.
    type Dynamic;
}

impl<'s, T: GcRef> Deref for Local<'s, T> {
    type Target = T::Access<'s>;

    #[inline]
    fn deref(&self) -> &T::Access<'s> {
        &self.access
    }
}

impl<T: GcRef> Clone for Local<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: GcRef> Copy for Local<'_, T> {}

impl<T: GcRef> fmt::Debug for Local<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Local({})", self.place())
    }
}
