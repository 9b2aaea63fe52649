//! References of abstract types.

use super::array::{GcArray, GcElement};
use super::fields::StoreView;
use super::local::{Dynamic, GcRef, Handle, Local, Sealed};
use super::scope::Scope;
use super::shape::{Shape, Target};
use super::structure::{GcStruct, name_of};
use crate::ids::{AnyRef, ArrayRef, ExnRef, ExternRef, Func, StructRef};
use heapwood_gc_abi::i31_signed;
use heapwood_module::HeapType;
use std::any::TypeId as RustType;

/// What can be compared, a part of the hierarchy of `any`: structs, arrays and i31s.
#[derive(Debug)]
pub enum EqRef {}

/// 31-bit integers, a part of the hierarchy of `any`.
///
/// ```
/// # extern crate heapwood_vm as heapwood;
/// use heapwood::{Engine, Store};
/// let mut store = Store::new(&Engine::default(), ());
/// let value = store.scope(|s| {
///     let small = s.i31(-5)?;
///     Ok(small.value(s))
/// });
/// assert_eq!(value.unwrap(), -5);
/// ```
#[derive(Debug)]
pub enum I31Ref {}

/// What is in the hierarchy of `any`: bound structs and arrays, `AnyRef`, `EqRef`, `I31Ref`, `StructRef` and
/// `ArrayRef`. Nobody else can implement it.
pub trait Internal: GcRef + SealedInternal {}

/// What [`Internal`] is to this crate.
pub trait SealedInternal {
    /// What a reference is compared with in a cast.
    fn heap_type(store: &StoreView<'_>) -> HeapType;
}

macro_rules! abstracts {
    ($($name:ident $heap:ident;)*) => {
        $(
            impl Sealed for $name {
                fn target() -> Target {
                    let shape = Shape::Abstract(HeapType::$heap);
                    Target { rust: RustType::of::<$name>(), name: stringify!($name), shape }
                }
            }

            impl GcRef for $name {
                type Access<'s> = Handle<'s, $name>;
            }
        )*
    };
}

abstracts! {
    AnyRef Any;
    EqRef Eq;
    I31Ref I31;
    StructRef Struct;
    ArrayRef Array;
    ExternRef Extern;
    ExnRef Exn;
    Func Func;
}

macro_rules! internal {
    ($($name:ident $heap:ident $dynamic:ident;)*) => {
        $(
            impl Internal for $name {}

            impl SealedInternal for $name {
                fn heap_type(_: &StoreView<'_>) -> HeapType {
                    HeapType::$heap
                }
            }

            impl Dynamic for $name {
                type Dynamic = $dynamic;
            }
        )*
    };
}

internal! {
    AnyRef Any AnyRef;
    EqRef Eq AnyRef;
    I31Ref I31 AnyRef;
    StructRef Struct StructRef;
    ArrayRef Array ArrayRef;
}

impl Dynamic for ExternRef {
    type Dynamic = ExternRef;
}

impl Dynamic for ExnRef {
    type Dynamic = ExnRef;
}

impl<T: GcStruct> Internal for T {}

impl<T: GcStruct> SealedInternal for T {
    #[inline]
    fn heap_type(store: &StoreView<'_>) -> HeapType {
        HeapType::Type(store.0.stood_for(RustType::of::<T>(), name_of::<T>).0)
    }
}

impl<T: GcStruct> Dynamic for T {
    type Dynamic = StructRef;
}

impl<E: GcElement, K: 'static> Internal for GcArray<E, K> {}

impl<E: GcElement, K: 'static> SealedInternal for GcArray<E, K> {
    #[inline]
    fn heap_type(store: &StoreView<'_>) -> HeapType {
        HeapType::Type(store.0.stood_for(RustType::of::<Self>(), std::any::type_name::<Self>).0)
    }
}

impl<E: GcElement, K: 'static> Dynamic for GcArray<E, K> {
    type Dynamic = ArrayRef;
}

impl<'s> Local<'s, I31Ref> {
    /// The number, sign-extended from 31 bits. Does not collect.
    pub fn value<D: 'static>(self, scope: &Scope<'s, D>) -> i32 {
        i31_signed(self.raw(scope.opaque()))
    }
}

impl<'s> Local<'s, Func> {
    /// The function. Does not collect.
    pub fn to_func<D: 'static>(self, scope: &Scope<'s, D>) -> Func {
        let store = scope.opaque();
        Func::from_object(store, self.raw(store))
    }
}
