//! What a linker has for a name, and a module whose imports are chosen.

use super::{Extern, Global, HostFunc, Instance, Memory};
use crate::engine::Engine;
use crate::errors::{Error, ErrorKind, LinkError, Result};
use crate::ids::{Func, Tag};
use crate::module::Module;
use crate::store::{AsContextMut, Mark, StoreOpaque, memory_matches};
use crate::types::{ExternType, GlobalType, HeapType, ImportType, MemoryType, RefType, TagType, ValType};
use std::marker::PhantomData;
use std::sync::Arc;

/// What a name stands for.
#[derive(Clone)]
pub(super) enum Definition {
    /// Something of a store.
    Extern(Extern),
    /// A host function that is made in each store when it is first needed.
    Host(HostFunc),
    /// The units of a string, which an immutable global holds that is made for each import.
    String(Arc<[u16]>),
    /// A number, which an immutable global holds that is made for each import.
    I32(i32),
    /// A memory that is made for each import.
    Memory(MemoryType),
    /// A tag that is made for each import.
    Tag(TagType),
}

impl Definition {
    /// The item as one of a store: a host function or memory is made there.
    ///
    /// # Errors
    /// It belongs to another store, or the store's immortal space is full.
    pub fn in_store(&self, store: &mut StoreOpaque) -> Result<Extern> {
        match self {
            Definition::Extern(item) => item.type_in(store).map(|_| item.clone()),
            Definition::Host(host) => Ok(Extern::Func(Func::of_host(store, host)?)),
            Definition::String(units) => Ok(Extern::Global(Global::of_string(store, units)?)),
            Definition::I32(value) => Ok(Extern::Global(Global::of_i32(store, *value)?)),
            Definition::Memory(ty) => Ok(Extern::Memory(Memory::from_index(store.id(), store.new_memory(*ty)?))),
            Definition::Tag(ty) => Ok(Extern::Tag(Tag::from_index(store.id(), store.new_tag(ty)?))),
        }
    }

    /// This definition with the name by which messages and events call it, if it is a host function.
    pub fn named(self, module: &str, name: &str) -> Definition {
        match self {
            Definition::Extern(item) => Definition::Extern(item),
            Definition::Host(host) => Definition::Host(host.named(module, name)),
            other @ (Definition::String(_) | Definition::I32(_) | Definition::Memory(_) | Definition::Tag(_)) => other,
        }
    }

    /// The type of the item as far as it is known without a store, if an import wants another one.
    pub fn mismatch(&self, wanted: &ExternType) -> Option<ExternType> {
        let (matches, found) = match self {
            Definition::Extern(_) => return None,
            Definition::Host(host) => {
                let matches = matches!(wanted, ExternType::Func(wanted) if host.ty().matches(wanted));
                (matches, ExternType::Func(host.ty().clone()))
            }
            Definition::String(_) => (is_string_constant(wanted), ExternType::Global(string_global())),
            Definition::I32(_) => {
                let found = ExternType::Global(GlobalType::new(ValType::I32, false));
                (*wanted == found, found)
            }
            Definition::Memory(ty) => {
                let matches = matches!(wanted, ExternType::Memory(wanted) if memory_matches(ty, wanted));
                (matches, ExternType::Memory(*ty))
            }
            Definition::Tag(ty) => {
                let matches = matches!(wanted, ExternType::Tag(wanted) if wanted.ty() == ty.ty());
                (matches, ExternType::Tag(ty.clone()))
            }
        };
        (!matches).then_some(found)
    }
}

/// The type of a global that holds a string.
pub(super) fn string_global() -> GlobalType {
    GlobalType::new(ValType::Ref(RefType::new(false, HeapType::Extern)), false)
}

/// Whether an import can be a string that an immutable global holds.
pub(super) fn is_string_constant(wanted: &ExternType) -> bool {
    let is_extern = |ty: &ValType| matches!(ty, ValType::Ref(RefType { heap: HeapType::Extern, .. }));
    matches!(wanted, ExternType::Global(ty) if !ty.is_mutable() && is_extern(ty.content()))
}

/// A module with its imports chosen and, for host functions, their types checked: what is left is to make an instance
/// in a store, as often as wanted. Made by [`Linker::instantiate_pre`](super::Linker::instantiate_pre).
///
/// ```
/// # use heapwood_vm::{Engine, Linker, Module, Store};
/// # fn main() -> heapwood_vm::Result<()> {
/// # let wasm = wat::parse_str(r#"(module (import "host" "next" (func $next (param i32) (result i32)))
/// #     (func (export "two") (result i32) (call $next (i32.const 1))))"#).unwrap();
/// # let engine = Engine::default();
/// # let module = Module::new(&engine, &wasm)?;
/// let mut linker = Linker::new(&engine);
/// linker.func_wrap("host", "next", |number: i32| number + 1)?;
/// let pre = linker.instantiate_pre(&module)?;
/// for _ in 0..3 {
///     let mut store = Store::new(&engine, ());
///     let instance = pre.instantiate(&mut store)?;
///     let two = instance.get_typed_func::<(), i32>(&mut store, "two")?;
///     assert_eq!(two.call(&mut store, ())?, 2);
/// }
/// # Ok(())
/// # }
/// ```
pub struct InstancePre<T: 'static> {
    module: Module,
    imports: Vec<Definition>,
    data: PhantomData<fn(&mut T)>,
}

impl<T: 'static> InstancePre<T> {
    /// A module of the linker's engine, and what its imports are, in their order.
    pub(super) fn new(module: &Module, imports: Vec<Definition>) -> InstancePre<T> {
        InstancePre { module: module.clone(), imports, data: PhantomData }
    }

    /// An error that names each import that a host function of another type was chosen for.
    pub(super) fn check(&self) -> Result<()> {
        let given = self.module.imports().zip(&self.imports);
        let wrong = given.filter_map(|(import, definition)| {
            definition.mismatch(&import.ty).map(|found| link_error(&import, Some(&found)))
        });
        match wrong.collect::<Vec<_>>() {
            errors if errors.is_empty() => Ok(()),
            errors => Err(Error::from_kind(ErrorKind::Link(errors))),
        }
    }

    /// The module.
    pub fn module(&self) -> &Module {
        &self.module
    }

    /// Instantiates it, and runs its start function. May collect.
    ///
    /// # Errors
    /// The store is one of another engine, or not the one that a definition belongs to; else as [`Instance::new`].
    pub fn instantiate(&self, mut store: impl AsContextMut<Data = T>) -> Result<Instance> {
        check_engine(self.module.engine(), store.as_context().engine(), "a store")?;
        let mut context = store.as_context_mut();
        let store = context.opaque();
        let mark = store.mark();
        let imports = self.imports_in(store, &mark)?;
        Instance::new_since(store, &self.module, &imports, &mark)
    }

    /// The imports in a store, which has nothing more than at `mark` if that fails.
    pub(super) fn imports_in(&self, store: &mut StoreOpaque, mark: &Mark) -> Result<Vec<Extern>> {
        let imports: Result<Vec<_>> = self.imports.iter().map(|definition| definition.in_store(store)).collect();
        imports.inspect_err(|_| store.undo(mark))
    }
}

/// An error unless `engine` is that of a linker.
pub(super) fn check_engine(linker: &Engine, engine: &Engine, what: &str) -> Result<()> {
    match Engine::same(engine, linker) {
        true => Ok(()),
        false => Err(Error::usage(format!("{what} of another engine was used with a linker"))),
    }
}

/// What is wrong with an import that was given `found`, if anything.
pub(super) fn link_error(import: &ImportType<'_>, found: Option<&ExternType>) -> LinkError {
    LinkError {
        module: import.module.to_owned(),
        name: import.name.to_owned(),
        wanted: import.ty.to_string(),
        found: found.map(ExternType::to_string),
        difference: found.map(|found| found.difference(&import.ty)),
    }
}

impl<T: 'static> Clone for InstancePre<T> {
    fn clone(&self) -> InstancePre<T> {
        InstancePre::new(&self.module, self.imports.clone())
    }
}

impl<T: 'static> std::fmt::Debug for InstancePre<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InstancePre").finish_non_exhaustive()
    }
}
