//! Imports that are defined by what asks for them: name and type together.

use super::instance_pre::Definition;
use super::{Extern, HostFunc, IntoFunc, Scope, ScopedValues, Val};
use crate::engine::Engine;
use crate::errors::Result;
use crate::store::Caller;
use crate::types::{FuncType, ImportType, MemoryType, TagType};
use std::marker::PhantomData;
use std::sync::Arc;

/// What an import is that a resolver was asked for: see [`Linker::resolve_with`](super::Linker::resolve_with).
pub struct Resolved<T: 'static> {
    definition: Definition,
    data: PhantomData<fn(&mut T)>,
}

impl<T: 'static> Resolved<T> {
    fn new(definition: Definition) -> Resolved<T> {
        Resolved { definition, data: PhantomData }
    }

    /// A host function that gets and gives [`Val`]s. `ty` may be the import's own.
    pub fn func_new(
        ty: FuncType,
        func: impl Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
    ) -> Resolved<T> {
        Resolved::new(Definition::Host(HostFunc::from_vals(ty, func)))
    }

    /// A host function whose type follows from the closure's, as in [`Func::wrap`](crate::Func::wrap). If it is not the
    /// type that the import has, linking is an error that names both.
    ///
    /// # Errors
    /// The engine's type table is full.
    pub fn func_wrap<Params, Results>(engine: &Engine, func: impl IntoFunc<T, Params, Results>) -> Result<Resolved<T>> {
        Ok(Resolved::new(Definition::Host(func.into_func(engine)?)))
    }

    /// A host function with a scope of its own, as of [`Linker::func_scoped`](super::Linker::func_scoped). `ty` may be
    /// the import's own.
    ///
    /// # Errors
    /// The type is not what `P` and `R` say.
    pub fn func_scoped<P: ScopedValues, R: ScopedValues>(
        ty: FuncType,
        func: impl for<'s> Fn(&mut Scope<'s, T>, P::In<'s>) -> Result<R::In<'s>> + Send + Sync + 'static,
    ) -> Result<Resolved<T>> {
        Ok(Resolved::new(Definition::Host(HostFunc::from_scoped::<T, P, R>(ty, func)?)))
    }

    /// An immutable global that holds a string of these UTF-16 units: each store makes its own. Imports of type
    /// `externref` and `(ref extern)` take it.
    pub fn string(units: &[u16]) -> Resolved<T> {
        Resolved::new(Definition::String(units.into()))
    }

    /// An immutable global of type `i32`: each store makes its own.
    pub fn constant_i32(value: i32) -> Resolved<T> {
        Resolved::new(Definition::I32(value))
    }

    /// A linear memory, zeroed: each instance gets its own. A type that no memory has, or a shared one, is an error of
    /// the instantiation.
    ///
    /// ```
    /// # use heapwood_vm::{Engine, ExternType, Linker, MemoryType, Module, Resolved, Result, Store};
    /// # fn main() -> Result<()> {
    /// # let engine = Engine::default();
    /// let wasm = wat::parse_str(r#"(module (import "env" "memory" (memory 2 8))
    ///     (func (export "pages") (result i32) memory.size))"#).unwrap();
    /// let module = Module::new(&engine, wasm)?;
    /// let mut linker: Linker<()> = Linker::new(&engine);
    /// linker.resolve_with("env", |import| match &import.ty {
    ///     ExternType::Memory(ty) => Ok(Some(Resolved::memory(*ty))),
    ///     _ => Ok(None),
    /// });
    /// let program = linker.instantiate_pre(&module)?;
    /// for _ in 0..2 {
    ///     let mut store = Store::new(&engine, ());
    ///     let instance = program.instantiate(&mut store)?;
    ///     let memory = instance.get_imported_memory(&mut store, "env", "memory").unwrap();
    ///     assert_eq!(memory.grow(&mut store, 1)?, 2);
    ///     assert_eq!(instance.get_typed_func::<(), i32>(&mut store, "pages")?.call(&mut store, ())?, 3);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn memory(ty: MemoryType) -> Resolved<T> {
        Resolved::new(Definition::Memory(ty))
    }

    /// A tag, different from all others: each instance gets its own, which
    /// [`Instance::get_imported_tag`](crate::Instance::get_imported_tag) finds.
    ///
    /// ```
    /// # use heapwood_vm::{Engine, Error, Exception, ExternType, Linker, Module, Resolved, Result, Store, Val};
    /// # use heapwood_vm::Caller;
    /// # fn main() -> Result<()> {
    /// # let engine = Engine::default();
    /// let wasm = wat::parse_str(r#"(module
    ///     (import "host" "failed" (tag $failed (param i32)))
    ///     (import "host" "fail" (func $fail))
    ///     (func (export "run") (result i32)
    ///         (block $caught (result i32) (try_table (catch $failed $caught) (call $fail)) (i32.const 0))))"#).unwrap();
    /// let module = Module::new(&engine, wasm)?;
    /// let mut linker: Linker<()> = Linker::new(&engine);
    /// linker.resolve_with("host", |import| match &import.ty {
    ///     ExternType::Tag(ty) => Ok(Some(Resolved::tag(ty.clone()))),
    ///     _ => Ok(None),
    /// });
    /// linker.func_wrap("host", "fail", |mut caller: Caller<'_, ()>| -> Result<()> {
    ///     let instance = caller.instance().expect("a guest calls");
    ///     let tag = instance.get_imported_tag(&mut caller, "host", "failed").expect("it imports one");
    ///     Err(Error::from(Exception::new(&mut caller, tag, &[Val::I32(7)])?))
    /// })?;
    /// let mut store = Store::new(&engine, ());
    /// let instance = linker.instantiate(&mut store, &module)?;
    /// assert_eq!(instance.get_typed_func::<(), i32>(&mut store, "run")?.call(&mut store, ())?, 7);
    /// # Ok(())
    /// # }
    /// ```
    pub fn tag(ty: TagType) -> Resolved<T> {
        Resolved::new(Definition::Tag(ty))
    }

    /// Something of a store: instantiation in another one will fail.
    pub fn item(item: impl Into<Extern>) -> Resolved<T> {
        Resolved::new(Definition::Extern(item.into()))
    }
}

impl<T: 'static> std::fmt::Debug for Resolved<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolved").finish_non_exhaustive()
    }
}

/// A function that says what imports are.
pub(super) struct Resolver<T: 'static>(Arc<ResolveFn<T>>);

type ResolveFn<T> = dyn Fn(&ImportType<'_>) -> Result<Option<Resolved<T>>> + Send + Sync;

impl<T: 'static> Resolver<T> {
    pub fn new(
        resolve: impl Fn(&ImportType<'_>) -> Result<Option<Resolved<T>>> + Send + Sync + 'static,
    ) -> Resolver<T> {
        Resolver(Arc::new(resolve))
    }

    /// What the import is; none if this resolver does not know it.
    pub fn ask(&self, import: &ImportType<'_>) -> Result<Option<Definition>> {
        let resolved = (self.0)(import)?;
        Ok(resolved.map(|resolved| resolved.definition.named(import.module, import.name)))
    }
}

impl<T: 'static> Clone for Resolver<T> {
    fn clone(&self) -> Resolver<T> {
        Resolver(self.0.clone())
    }
}
