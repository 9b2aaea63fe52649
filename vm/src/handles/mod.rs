//! What the host holds: cheap handles of what modules import and export and of references, each of one store, but for
//! shared memories; values; and how they are linked by names.

mod array_element;
mod array_ref;
mod bound;
#[cfg(feature = "async")]
mod call_async;
mod caller;
mod casts;
mod checkpoint_file;
pub mod derive_support;
mod exception;
mod finalizer;
mod func;
mod global;
mod host;
#[cfg(feature = "async")]
mod host_async;
mod instance;
mod instance_pre;
mod js_string;
mod kind;
mod linker;
mod memory;
mod refs;
mod resolver;
mod scope;
mod shared_memory;
mod stack_trace;
mod string_ref;
mod struct_ref;
mod table;
mod tag;
mod thrown;
mod transfer;
mod tuples;
mod typed;
mod value;
mod wasm_ty;
mod weak;

pub use array_element::ArrayElement;
pub use bound::{
    Bind, Bound, Const, EqRef, GcArray, GcElement, GcEnum, GcField, GcNumber, GcRef, GcStruct, I31Ref, Internal, Local,
    Outer, Ref, Scope, ScopedValues,
};
pub use finalizer::{Finalizer, FinalizerQueue};
pub use global::Global;
pub use host::HostFunc;
pub use instance::Instance;
pub use instance_pre::InstancePre;
pub use kind::RefKind;
pub use linker::Linker;
pub use memory::Memory;
pub use resolver::Resolved;
pub use scope::RootScope;
pub use shared_memory::{SharedMemory, WaitResult};
pub use stack_trace::StackTrace;
pub use table::Table;
pub use typed::{HostResults, IntoFunc, TypedFunc, WasmParams, WasmResults};
pub use value::Val;
pub use wasm_ty::WasmTy;
pub use weak::{WeakEntry, WeakRoot};

use crate::errors::Result;
use crate::ids::{Func, Tag};
use crate::store::{AsContext, Item, StoreOpaque};
use crate::types::ExternType;
use heapwood_module as m;

/// Something that can be imported or exported.
#[derive(Clone, Debug)]
pub enum Extern {
    /// A function.
    Func(Func),
    /// A table.
    Table(Table),
    /// A memory.
    Memory(Memory),
    /// A memory that other stores may have as well.
    SharedMemory(SharedMemory),
    /// A global.
    Global(Global),
    /// A tag.
    Tag(Tag),
}

impl Extern {
    /// The item's type.
    ///
    /// # Errors
    /// It belongs to another store.
    pub fn ty(&self, store: impl AsContext) -> Result<ExternType> {
        let context = store.as_context();
        let store = context.opaque();
        Ok(ExternType::from_registry(store.engine().registry(), &self.type_in(store)?))
    }

    /// The item's type with ids of the engine in place of handles, with the current size as the least one.
    pub(crate) fn type_in(&self, store: &StoreOpaque) -> Result<m::ExternType> {
        Ok(store.item_type(&self.item_in(store)?))
    }

    /// What it is in the store.
    pub(crate) fn item_in(&self, store: &StoreOpaque) -> Result<Item> {
        Ok(match self {
            Extern::Func(func) => Item::Func(func.object(store)?),
            Extern::Table(table) => Item::Table(table.index(store)?),
            Extern::Memory(memory) => Item::Memory(memory.index(store)?),
            Extern::SharedMemory(memory) => Item::SharedMemory(memory.inner_in(store)?.clone()),
            Extern::Global(global) => Item::Global(global.index(store)?),
            Extern::Tag(tag) => Item::Tag(tag.index(store)?),
        })
    }

    /// A handle of something of a store.
    pub(crate) fn from_item(store: &StoreOpaque, item: Item) -> Extern {
        let id = store.id();
        match item {
            Item::Func(object) => Extern::Func(Func::from_object(store, object)),
            Item::Table(index) => Extern::Table(Table::from_index(id, index)),
            Item::Memory(index) => Extern::Memory(Memory::from_index(id, index)),
            Item::SharedMemory(memory) => Extern::SharedMemory(SharedMemory::from_inner(store.engine(), memory)),
            Item::Global(index) => Extern::Global(Global::from_index(id, index)),
            Item::Tag(index) => Extern::Tag(Tag::from_index(id, index)),
        }
    }

    /// The function, if it is one.
    pub fn into_func(self) -> Option<Func> {
        match self {
            Extern::Func(func) => Some(func),
            _ => None,
        }
    }

    /// The table, if it is one.
    pub fn into_table(self) -> Option<Table> {
        match self {
            Extern::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The memory, if it is one that is not shared.
    pub fn into_memory(self) -> Option<Memory> {
        match self {
            Extern::Memory(memory) => Some(memory),
            _ => None,
        }
    }

    /// The shared memory, if it is one.
    pub fn into_shared_memory(self) -> Option<SharedMemory> {
        match self {
            Extern::SharedMemory(memory) => Some(memory),
            _ => None,
        }
    }

    /// The global, if it is one.
    pub fn into_global(self) -> Option<Global> {
        match self {
            Extern::Global(global) => Some(global),
            _ => None,
        }
    }

    /// The tag, if it is one.
    pub fn into_tag(self) -> Option<Tag> {
        match self {
            Extern::Tag(tag) => Some(tag),
            _ => None,
        }
    }
}

macro_rules! from {
    ($($name:ident)*) => {
        $(impl From<$name> for Extern {
            fn from(item: $name) -> Extern {
                Extern::$name(item)
            }
        })*
    };
}

from! { Func Table Memory SharedMemory Global Tag }
