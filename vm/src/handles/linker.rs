//! Names for what modules import.

use super::instance_pre::{Definition, check_engine, link_error};
use super::resolver::{Resolved, Resolver};
use super::{Extern, HostFunc, Instance, InstancePre, IntoFunc, Scope, ScopedValues, Val};
use crate::engine::Engine;
use crate::errors::{Error, ErrorKind, Result};
use crate::module::Module;
use crate::store::{AsContextMut, Caller};
use crate::types::{ExternType, FuncType, ImportType};
use heapwood_module::brief;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Arc;

/// Definitions by module and field name, from which imports are taken.
pub struct Linker<T: 'static> {
    engine: Engine,
    /// Names may be a guest's: the hasher has a random key.
    modules: HashMap<Arc<str>, HashMap<Arc<str>, Definition>>,
    /// Who is asked for what is not there, by module name; the last one first.
    resolvers: HashMap<Arc<str>, Vec<Resolver<T>>>,
    shadowing: bool,
    data: PhantomData<fn(&mut T)>,
}

impl<T: 'static> Linker<T> {
    /// A linker without definitions.
    pub fn new(engine: &Engine) -> Linker<T> {
        Linker {
            engine: engine.clone(),
            modules: HashMap::new(),
            resolvers: HashMap::new(),
            shadowing: false,
            data: PhantomData,
        }
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Whether a name may be defined twice (the later definition counts).
    pub fn allow_shadowing(&mut self, allow: bool) -> &mut Linker<T> {
        self.shadowing = allow;
        self
    }

    /// Defines a host function that gets and gives [`Val`]s.
    ///
    /// # Errors
    /// The name is defined already, or the type is one of another engine.
    pub fn func_new(
        &mut self,
        module: &str,
        name: &str,
        ty: FuncType,
        func: impl Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
    ) -> Result<&mut Linker<T>> {
        let definition = Definition::Host(HostFunc::from_vals(ty, func).named(module, name));
        self.check_definition(&definition)?;
        self.insert(module, name, definition)
    }

    /// Defines a host function whose type follows from the closure's, as in [`Func::wrap`](crate::Func::wrap).
    ///
    /// # Errors
    /// The name is defined already, or the engine's type table is full.
    pub fn func_wrap<Params, Results>(
        &mut self,
        module: &str,
        name: &str,
        func: impl IntoFunc<T, Params, Results>,
    ) -> Result<&mut Linker<T>> {
        let host = func.into_func(&self.engine)?;
        self.insert(module, name, Definition::Host(host.named(module, name)))
    }

    /// Defines a host function of type `ty` that has a scope of its own ([`Scope`]): references come as
    /// [`Local`](crate::Local)s, are read and written without checks, and cannot leave it. `P` and `R` declare
    /// parameters and results like the fields of a bound struct: `(ref $t)` is `Ref<T>`, `(ref null $t)` is
    /// `Option<Ref<T>>`. Rust types stand for the types that `ty` names from the first call in a store on, as if they
    /// were bound there ([`Scope::bind`]).
    ///
    /// ```
    /// # extern crate heapwood_vm as heapwood;
    /// use heapwood_derive::GcStruct;
    /// use heapwood::{Engine, ExternType, GcStruct, Linker, Module, Ref, Result, Store};
    ///
    /// #[derive(GcStruct)]
    /// struct Node { val: i64, next: Option<Ref<Node>> }
    ///
    /// # fn main() -> Result<()> {
    /// # let wasm = wat::parse_str(r#"(module
    /// #     (type $node (struct (field i64) (field (ref null $node))))
    /// #     (import "list" "sum" (func $sum (param (ref null $node) i64) (result i64)))
    /// #     (func (export "run") (result i64) (call $sum
    /// #         (struct.new $node (i64.const 1) (struct.new $node (i64.const 2) (ref.null $node))) (i64.const 10))))"#).unwrap();
    /// # let engine = Engine::default();
    /// let module = Module::new(&engine, wasm)?;
    /// // (param (ref null $node) i64) (result i64)
    /// let Some(ExternType::Func(ty)) = module.imports().map(|import| import.ty).next() else { panic!("an import") };
    /// let mut linker: Linker<()> = Linker::new(&engine);
    /// linker.func_scoped::<(Option<Ref<Node>>, i64), i64>("list", "sum", ty, |s, (mut at, mut sum)| {
    ///     while let Some(node) = at {
    ///         sum += node.val(s);
    ///         at = node.next(s);
    ///     }
    ///     Ok(sum)
    /// })?;
    /// let mut store = Store::new(&engine, ());
    /// let instance = linker.instantiate(&mut store, &module)?;
    /// assert_eq!(instance.get_typed_func::<(), i64>(&mut store, "run")?.call(&mut store, ())?, 13);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A reference cannot leave the call:
    ///
    /// ```compile_fail,E0521
    /// # extern crate heapwood_vm as heapwood;
    /// use heapwood::{AnyRef, FuncType, Linker, Local, Ref, Result};
    /// use std::sync::Mutex;
    /// fn leave(linker: &mut Linker<()>, ty: FuncType) -> Result<()> {
    ///     let kept: Mutex<Option<Local<'_, AnyRef>>> = Mutex::new(None);
    ///     linker.func_scoped::<Ref<AnyRef>, ()>("host", "leave", ty, move |_, any| {
    ///         *kept.lock().unwrap() = Some(any);
    ///         Ok(())
    ///     })?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// The name is defined already; the type is one of another engine, or not what `P` and `R` say. A call is an error
    /// in a store where one of the Rust types stands for another type.
    pub fn func_scoped<P: ScopedValues, R: ScopedValues>(
        &mut self,
        module: &str,
        name: &str,
        ty: FuncType,
        func: impl for<'s> Fn(&mut Scope<'s, T>, P::In<'s>) -> Result<R::In<'s>> + Send + Sync + 'static,
    ) -> Result<&mut Linker<T>> {
        let host = HostFunc::from_scoped::<T, P, R>(ty, func)?;
        let definition = Definition::Host(host.named(module, name));
        self.check_definition(&definition)?;
        self.insert(module, name, definition)
    }

    /// Defines something of a store, or a shared memory. Instantiation in another store will fail, but for the latter.
    ///
    /// # Errors
    /// The name is defined already, or it is a shared memory of another engine.
    pub fn define(&mut self, module: &str, name: &str, item: impl Into<Extern>) -> Result<&mut Linker<T>> {
        let definition = Definition::Extern(item.into());
        self.check_definition(&definition)?;
        self.insert(module, name, definition)
    }

    /// Defines all exports of an instance under the name `module`; none of them if there is an error.
    ///
    /// # Errors
    /// A name is defined already. The instance belongs to another store, or the store to another engine.
    pub fn instance(
        &mut self,
        mut store: impl AsContextMut<Data = T>,
        module: &str,
        instance: Instance,
    ) -> Result<&mut Linker<T>> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        self.check_engine(store.engine(), "a store")?;
        let exports = instance.exports_in(store)?;
        exports.iter().try_for_each(|(name, _)| self.check_free(module, name))?;
        for (name, item) in exports {
            self.insert(module, &name, Definition::Extern(item))?;
        }
        Ok(self)
    }

    /// Asks `resolve` for each import of this module name that nobody has defined, or for which a host function of
    /// another type is defined, with the type that the import has. So two imports of one name may be served that differ
    /// in their types, and names need not be known before. Of several resolvers the one that was added last is asked
    /// first; one that returns `None` passes the question on. What an import is is asked when it is chosen
    /// ([`Linker::instantiate`], [`Linker::instantiate_pre`]), once for each import of a module.
    /// [`Linker::is_defined`] and [`Linker::get`] know nothing of it.
    ///
    /// ```
    /// # use heapwood_vm::{Engine, ExternType, Linker, Module, Resolved, Result, Store, Val};
    /// # fn main() -> Result<()> {
    /// # let engine = Engine::default();
    /// let wasm = wat::parse_str(r#"(module
    ///     (import "log" "put" (func $a (param i32)))
    ///     (import "log" "put" (func $b (param f64 f64)))
    ///     (func (export "run") (call $a (i32.const 1)) (call $b (f64.const 2) (f64.const 3))))"#).unwrap();
    /// let mut linker: Linker<usize> = Linker::new(&engine);
    /// linker.resolve_with("log", |import| match (&import.ty, import.name) {
    ///     (ExternType::Func(ty), "put") => Ok(Some(Resolved::func_new(ty.clone(), |mut caller, args: &[Val], _| {
    ///         *caller.data_mut() += args.len();
    ///         Ok(())
    ///     }))),
    ///     _ => Ok(None),
    /// });
    /// let mut store = Store::new(&engine, 0);
    /// let instance = linker.instantiate(&mut store, &Module::new(&engine, wasm)?)?;
    /// instance.get_typed_func::<(), ()>(&mut store, "run")?.call(&mut store, ())?;
    /// assert_eq!(*store.data(), 3);
    /// # Ok(())
    /// # }
    /// ```
    pub fn resolve_with(
        &mut self,
        module: &str,
        resolve: impl Fn(&ImportType<'_>) -> Result<Option<Resolved<T>>> + Send + Sync + 'static,
    ) -> &mut Linker<T> {
        self.resolvers.entry(module.into()).or_default().push(Resolver::new(resolve));
        self
    }

    /// What an import is; none if nobody knows it.
    fn choice(&self, import: &ImportType<'_>) -> Result<Option<Definition>> {
        let named = self.find(import.module, import.name);
        if named.is_none_or(|definition| definition.mismatch(&import.ty).is_some()) {
            for resolver in self.resolvers.get(import.module).into_iter().flatten().rev() {
                if let Some(definition) = resolver.ask(import)? {
                    self.check_definition(&definition)?;
                    return Ok(Some(definition));
                }
            }
        }
        Ok(named.cloned())
    }

    /// The host function that an import is; none if nobody knows one, or it is something of a store.
    ///
    /// # Errors
    /// A resolver fails.
    pub(super) fn host_func(&self, import: &ImportType<'_>) -> Result<Option<HostFunc>> {
        Ok(self.choice(import)?.and_then(|definition| match definition {
            Definition::Host(host) => Some(host),
            Definition::Extern(_) | Definition::Tag(_) => None,
            Definition::String(_) | Definition::I32(_) | Definition::Memory(_) => None,
        }))
    }

    /// An error unless a module is one of this linker's engine.
    pub(super) fn check_module(&self, module: &Module) -> Result<()> {
        self.check_engine(module.engine(), "a module")
    }

    /// An error unless `engine` is the one of this linker.
    fn check_engine(&self, engine: &Engine, what: &str) -> Result<()> {
        check_engine(&self.engine, engine, what)
    }

    /// An error if what a name is to stand for is known to be of another engine.
    fn check_definition(&self, definition: &Definition) -> Result<()> {
        match definition {
            Definition::Host(host) => host.ty().handle().id_in(self.engine.registry()).map(drop),
            Definition::Tag(ty) => ty.ty().handle().id_in(self.engine.registry()).map(drop),
            Definition::Extern(Extern::SharedMemory(memory)) => self.check_engine(memory.engine(), "a shared memory"),
            Definition::Extern(_) | Definition::String(_) | Definition::I32(_) | Definition::Memory(_) => Ok(()),
        }
    }

    /// An error if the name must not be defined.
    fn check_free(&self, module: &str, name: &str) -> Result<()> {
        match self.is_defined(module, name) && !self.shadowing {
            true => {
                let (module, name) = (brief(module), brief(name));
                Err(Error::usage(format!("import of `{module}::{name}` defined twice")))
            }
            false => Ok(()),
        }
    }

    pub(super) fn insert(&mut self, module: &str, name: &str, definition: Definition) -> Result<&mut Linker<T>> {
        self.check_free(module, name)?;
        let names = match self.modules.get_mut(module) {
            Some(names) => names,
            None => self.modules.entry(module.into()).or_default(),
        };
        names.insert(name.into(), definition);
        Ok(self)
    }

    fn find(&self, module: &str, name: &str) -> Option<&Definition> {
        self.modules.get(module)?.get(name)
    }

    /// Whether something of this name is defined.
    pub fn is_defined(&self, module: &str, name: &str) -> bool {
        self.find(module, name).is_some()
    }

    /// Whether there is something for a module's import, of whatever type: by name, or by a resolver.
    ///
    /// # Errors
    /// A resolver fails.
    pub fn provides(&self, import: &ImportType<'_>) -> Result<bool> {
        Ok(self.choice(import)?.is_some())
    }

    /// What is defined under a name; a host function is made in the store.
    ///
    /// # Errors
    /// The store is one of another engine, or not the one that the definition belongs to; its immortal space is full.
    pub fn get(&self, mut store: impl AsContextMut<Data = T>, module: &str, name: &str) -> Result<Option<Extern>> {
        self.check_engine(store.as_context().engine(), "a store")?;
        let in_store = |definition: &Definition| definition.in_store(store.as_context_mut().opaque());
        self.find(module, name).map(in_store).transpose()
    }

    /// Defines each function that a module imports and nobody has defined: a call of it is an error of kind
    /// [`ErrorKind::Link`] that names it. Other imports stay as they are.
    ///
    /// # Errors
    /// The module is one of another engine, or a resolver fails.
    pub fn define_unknown_imports_as_traps(&mut self, module: &Module) -> Result<()> {
        self.check_engine(module.engine(), "a module")?;
        for import in module.imports() {
            let ExternType::Func(ty) = &import.ty else { continue };
            if self.choice(&import)?.is_none() {
                let error = link_error(&import, None);
                let fail = move |_: Caller<'_, T>, _: &[Val], _: &mut [Val]| {
                    Err(Error::from_kind(ErrorKind::Link(vec![error.clone()])))
                };
                self.func_new(import.module, import.name, ty.clone(), fail)?;
            }
        }
        Ok(())
    }

    /// Chooses the imports of a module once, for any number of instances.
    ///
    /// # Errors
    /// [`ErrorKind::Link`] names every import that is missing, or else each for which there is a host function of
    /// another type. What belongs to a store is looked at when an instance is made. The module is one of another
    /// engine.
    pub fn instantiate_pre(&self, module: &Module) -> Result<InstancePre<T>> {
        let pre = self.choose(module)?;
        pre.check()?;
        Ok(pre)
    }

    /// Instantiates a module with the imports of these names.
    ///
    /// # Errors
    /// [`ErrorKind::Link`] names every import that is missing. Store or module are of another engine than the linker;
    /// else as [`Instance::new`].
    pub fn instantiate(&self, store: impl AsContextMut<Data = T>, module: &Module) -> Result<Instance> {
        self.check_engine(store.as_context().engine(), "a store")?;
        self.choose(module)?.instantiate(store)
    }

    /// The definitions of a module's imports, whatever their types.
    pub(super) fn choose(&self, module: &Module) -> Result<InstancePre<T>> {
        self.check_engine(module.engine(), "a module")?;
        let mut imports = Vec::new();
        let mut missing = Vec::new();
        for import in module.imports() {
            match self.choice(&import)? {
                Some(definition) => imports.push(definition),
                None => missing.push(link_error(&import, None)),
            }
        }
        match missing.is_empty() {
            true => Ok(InstancePre::new(module, imports)),
            false => Err(Error::from_kind(ErrorKind::Link(missing))),
        }
    }
}

impl<T: 'static> Clone for Linker<T> {
    fn clone(&self) -> Linker<T> {
        Linker {
            engine: self.engine.clone(),
            modules: self.modules.clone(),
            resolvers: self.resolvers.clone(),
            shadowing: self.shadowing,
            data: PhantomData,
        }
    }
}

impl<T: 'static> std::fmt::Debug for Linker<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Linker").finish_non_exhaustive()
    }
}
