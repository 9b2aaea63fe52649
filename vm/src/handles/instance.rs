//! Instances of modules.

use super::{Extern, Global, Memory, SharedMemory, Table, TypedFunc, WasmParams, WasmResults};
use crate::errors::{Error, Result};
use crate::ids::{Func, StoreId, Tag};
use crate::module::Module;
use crate::store::{AsContext, AsContextMut, Item, Mark, Named, Store, StoreOpaque};
use crate::types::ExternType;
use heapwood_module::brief;

/// An instance of a module.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Instance {
    store: StoreId,
    index: u32,
}

impl<T: 'static> Store<T> {
    /// All instances, in the order in which they were made: in a fork of a [`Checkpoint`](crate::Checkpoint), those of
    /// the store that it was made of come first.
    pub fn instances(&self) -> impl Iterator<Item = Instance> + use<T> {
        let (id, count) = (self.opaque().id(), self.opaque().guest().entities().instances().len());
        (0..count as u32).map(move |index| Instance::from_index(id, index))
    }
}

/// Imports of a module in a store, by their places.
pub(super) fn items(store: &StoreOpaque, module: &Module, imports: &[Extern]) -> Result<Vec<Item>> {
    store.check_module(module, imports.len())?;
    imports.iter().map(|import| import.item_in(store)).collect()
}

impl Instance {
    /// Instantiates a module with `imports` in the order of its import section, and runs its start function.
    ///
    /// # Errors
    /// [`ErrorKind::Link`](crate::ErrorKind::Link) when imports are missing or of other types; traps of active
    /// segments and of the start function; limits; items of another store. What segments and the start function wrote
    /// to imported memories, tables and globals stays. The instance itself goes, with its memories and tables, unless
    /// something reaches it: a reference that was written there, an exception with its tag, or something that host
    /// functions made while the start function ran. Handles of it that the host was given meanwhile are errors then.
    pub fn new(mut store: impl AsContextMut, module: &Module, imports: &[Extern]) -> Result<Instance> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        Instance::new_since(store, module, imports, &store.mark())
    }

    /// Instantiates as [`new`](Self::new) does; if it fails, what was made for the imports since `mark` goes too.
    pub(super) fn new_since(
        store: &mut StoreOpaque,
        module: &Module,
        imports: &[Extern],
        mark: &Mark,
    ) -> Result<Instance> {
        let items = items(store, module, imports).inspect_err(|_| store.undo(mark))?;
        let index = store.instantiate(module, &items, mark)?;
        Ok(Instance::from_index(store.id(), index))
    }

    pub(crate) fn from_index(store: StoreId, index: u32) -> Instance {
        Instance { store, index }
    }

    pub(crate) fn index(&self, store: &StoreOpaque) -> Result<u32> {
        store.check_handle(self.store, Named::Instance(self.index))?;
        Ok(self.index)
    }

    /// The module that the instance was made of.
    ///
    /// # Panics
    /// If it belongs to another store.
    #[track_caller]
    pub fn module(&self, store: impl AsContext) -> Module {
        let context = store.as_context();
        let store = context.opaque();
        store.instance(self.index(store).expect("an instance of this store")).module().clone()
    }

    /// The export of this name.
    ///
    /// # Panics
    /// If it belongs to another store.
    #[track_caller]
    pub fn get_export(&self, mut store: impl AsContextMut, name: &str) -> Option<Extern> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        let index = self.index(store).expect("an instance of this store");
        Some(Extern::from_item(store, store.instance_export(index, name)?))
    }

    /// All exports, in the order of the module.
    ///
    /// # Panics
    /// If it belongs to another store.
    #[track_caller]
    pub fn exports(&self, mut store: impl AsContextMut) -> Vec<(String, Extern)> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        self.exports_in(store).expect("an instance of this store")
    }

    /// All exports in the order of the module, for callers that hold the store itself.
    ///
    /// # Errors
    /// It belongs to another store.
    pub(crate) fn exports_in(&self, store: &StoreOpaque) -> Result<Vec<(String, Extern)>> {
        let exports = store.instance_exports(self.index(store)?).into_iter();
        Ok(exports.map(|(name, item)| (name, Extern::from_item(store, item))).collect())
    }

    /// The exported function of this name.
    ///
    /// # Panics
    /// If the instance belongs to another store (so for all that follow).
    #[track_caller]
    pub fn get_func(&self, store: impl AsContextMut, name: &str) -> Option<Func> {
        self.get_export(store, name)?.into_func()
    }

    /// The exported memory of this name, if it is not shared.
    #[track_caller]
    pub fn get_memory(&self, store: impl AsContextMut, name: &str) -> Option<Memory> {
        self.get_export(store, name)?.into_memory()
    }

    /// The exported shared memory of this name.
    #[track_caller]
    pub fn get_shared_memory(&self, store: impl AsContextMut, name: &str) -> Option<SharedMemory> {
        self.get_export(store, name)?.into_shared_memory()
    }

    /// The memory that it imports under these names, if it is not shared.
    ///
    /// # Panics
    /// If the instance belongs to another store.
    #[track_caller]
    pub fn get_imported_memory(&self, mut store: impl AsContextMut, module: &str, name: &str) -> Option<Memory> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        let index = self.index(store).expect("an instance of this store");
        Extern::from_item(store, store.instance_imported_memory(index, module, name)?).into_memory()
    }

    /// The tag that it imports under these names.
    ///
    /// # Panics
    /// If the instance belongs to another store.
    #[track_caller]
    pub fn get_imported_tag(&self, mut store: impl AsContextMut, module: &str, name: &str) -> Option<Tag> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        let index = self.index(store).expect("an instance of this store");
        Extern::from_item(store, store.instance_imported_tag(index, module, name)?).into_tag()
    }

    /// The exported table of this name.
    #[track_caller]
    pub fn get_table(&self, store: impl AsContextMut, name: &str) -> Option<Table> {
        self.get_export(store, name)?.into_table()
    }

    /// The exported global of this name.
    #[track_caller]
    pub fn get_global(&self, store: impl AsContextMut, name: &str) -> Option<Global> {
        self.get_export(store, name)?.into_global()
    }

    /// The exported tag of this name.
    #[track_caller]
    pub fn get_tag(&self, store: impl AsContextMut, name: &str) -> Option<Tag> {
        self.get_export(store, name)?.into_tag()
    }

    /// The exported function of this name with its type checked.
    ///
    /// # Errors
    /// There is no such function, or its type differs; an instance of another store.
    pub fn get_typed_func<P: WasmParams, R: WasmResults>(
        &self,
        mut store: impl AsContextMut,
        name: &str,
    ) -> Result<TypedFunc<P, R>> {
        let mut context = store.as_context_mut();
        let store = context.opaque();
        let instance = self.index(store)?;
        let export = store.instance_export(instance, name).map(|item| Extern::from_item(store, item));
        match export {
            Some(Extern::Func(func)) => TypedFunc::new(func, store.engine(), &func.ty_in(store)?, Some(name)),
            Some(other) => {
                let ty = other.type_in(store)?;
                let kind = ExternType::from_registry(store.engine().registry(), &ty).kind();
                Err(Error::usage(format!("`{}` is exported, but is {kind} and no function", brief(name))))
            }
            None => Err(no_function(store.instance(instance).module(), name)),
        }
    }
}

/// Functions that a message names.
const FUNCTIONS_SHOWN: usize = 10;

/// There is no export of this name; which functions there are.
fn no_function(module: &Module, name: &str) -> Error {
    let functions: Vec<_> = module.exports().filter(|export| export.ty.func().is_some()).collect();
    let mut names: Vec<_> = functions.iter().map(|export| format!("`{}`", brief(export.name))).collect();
    names.truncate(FUNCTIONS_SHOWN);
    let rest = match functions.len() - names.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let exported = match names.is_empty() {
        true => "the module exports none".to_owned(),
        false => format!("there are {}{rest}", names.join(", ")),
    };
    Error::usage(format!("there is no exported function `{}`; {exported}", brief(name)))
}
