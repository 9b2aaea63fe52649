//! Host functions whose references are those of a scope.

use super::check;
use super::fields::{GcField, StoreView};
use super::scope::Scope;
use super::shape::Storage;
use crate::errors::{Error, Result};
use crate::handles::HostFunc;
use crate::handles::tuples::for_each_tuple;
use crate::handles::wasm_ty::StoreAccess;
use crate::rt::value::RawVal;
use crate::types::{FuncType, StandIn};
use heapwood_module::ValType;
use std::sync::Arc;

/// Parameters or results of a host function that has a scope ([`Linker::func_scoped`](crate::Linker::func_scoped)):
/// nothing, a [`GcField`], or a tuple of at most 16 of them, but for packed numbers. Nobody else can implement it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the parameters or the results of a host function with a scope",
    note = "they are `i32`, `u32`, `i64`, `u64`, `f32`, `f64`, `u128`, `Ref<T>` or `Option<Ref<T>>`, or a tuple of at most \
            16 of them"
)]
pub trait ScopedValues: Sealed {
    /// What the function gets or gives, in a scope: of `Ref<T>` a [`Local<'s, T>`](crate::Local).
    type In<'s>;
    /// What each asks of its type.
    #[doc(hidden)]
    fn storages() -> Vec<Storage>;
    /// Reads values of the types.
    #[doc(hidden)]
    fn load<'s>(store: &mut StoreAccess<'_>, values: &[RawVal]) -> Self::In<'s>;
    /// Writes them as compiled code takes them.
    #[doc(hidden)]
    fn save(store: &StoreView<'_>, given: Self::In<'_>, values: &mut [RawVal]);
}

/// Keeps others from implementing [`ScopedValues`].
pub trait Sealed: 'static {}

impl<A: GcField> Sealed for A {}

impl<A: GcField> ScopedValues for A {
    type In<'s> = A::Value<'s>;

    fn storages() -> Vec<Storage> {
        vec![A::storage()]
    }

    #[inline]
    fn load<'s>(store: &mut StoreAccess<'_>, values: &[RawVal]) -> A::Value<'s> {
        A::of_raw(store, values[0])
    }

    #[inline]
    fn save(store: &StoreView<'_>, given: A::Value<'_>, values: &mut [RawVal]) {
        values[0] = A::raw(store, given);
    }
}

macro_rules! tuples {
    ($($($name:ident $index:tt),*;)*) => {
        $(
            impl<$($name: GcField),*> Sealed for ($($name,)*) {}

            #[allow(unused_variables, clippy::unused_unit, reason = "the empty tuple uses none")]
            impl<$($name: GcField),*> ScopedValues for ($($name,)*) {
                type In<'s> = ($($name::Value<'s>,)*);

                fn storages() -> Vec<Storage> {
                    vec![$($name::storage()),*]
                }

                #[inline]
                fn load<'s>(store: &mut StoreAccess<'_>, values: &[RawVal]) -> Self::In<'s> {
                    ($($name::of_raw(store, values[$index]),)*)
                }

                #[inline]
                fn save(store: &StoreView<'_>, given: Self::In<'_>, values: &mut [RawVal]) {
                    $(values[$index] = $name::raw(store, given.$index);)*
                }
            }
        )*
    };
}

for_each_tuple!(tuples);

/// What the Rust types of some values stand for, each with those that it leads to, if they can be of these types.
fn stand_ins<V: ScopedValues>(ty: &FuncType, types: &[ValType], what: &str) -> Result<Vec<Arc<[StandIn]>>> {
    let storages = V::storages();
    if storages.len() != types.len() {
        let (expected, found) = (storages.len(), types.len());
        return Err(Error::usage(format!("type mismatch: the host has {expected} {what}s, and the type {ty} {found}")));
    }
    let mut all = Vec::new();
    for (index, (storage, found)) in storages.into_iter().zip(types).enumerate() {
        let stand_ins = check::value(ty.handle().registry(), storage, *found, &|| format!("{what} {index}"))?;
        if !stand_ins.is_empty() {
            all.push(stand_ins.into());
        }
    }
    Ok(all)
}

impl HostFunc {
    /// A host function from a closure that gets a scope of its own.
    ///
    /// # Errors
    /// The type is another one than the Rust types say.
    pub(crate) fn from_scoped<T: 'static, P: ScopedValues, R: ScopedValues>(
        ty: FuncType,
        func: impl for<'s> Fn(&mut Scope<'s, T>, P::In<'s>) -> Result<R::In<'s>> + Send + Sync + 'static,
    ) -> Result<HostFunc> {
        let mut bound = stand_ins::<P>(&ty, &ty.signature().params, "parameter")?;
        bound.extend(stand_ins::<R>(&ty, &ty.signature().results, "result")?);
        Ok(HostFunc::from_raw_vals::<T>(ty, move |inner, values| {
            bound.iter().try_for_each(|stand_ins| inner.store.take_stand_ins(stand_ins).map(drop))?;
            let mut scope = Scope::new(inner);
            let params = P::load(&mut StoreAccess(scope.opaque_mut()), values);
            let results = func(&mut scope, params)?;
            R::save(&StoreView(scope.opaque()), results, values);
            Ok(())
        }))
    }
}
