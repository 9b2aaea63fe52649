//! What a module imports and exports: cheap handles, each of one store, but for shared memories.

mod func;
mod global;
mod instance;
mod memory;
mod shared_memory;
mod table;
mod tag;
mod typed;

pub use func::Func;
pub use global::Global;
pub use instance::Instance;
pub use memory::Memory;
pub(crate) use shared_memory::deadline;
pub use shared_memory::{SharedMemory, WaitResult};
pub use table::Table;
pub use tag::Tag;
pub use typed::{IntoFunc, TypedFunc, WasmParams, WasmResults, WasmTy};

use crate::error::Result;
use crate::store::{AsContext, StoreOpaque};
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
    /// Its type.
    ///
    /// # Errors
    /// It belongs to another store.
    pub fn ty(&self, store: impl AsContext) -> Result<ExternType> {
        let context = store.as_context();
        let store = context.opaque();
        Ok(ExternType::from_registry(store.engine().registry(), &self.type_in(store)?))
    }

    /// Its type in terms of the engine, with the current size as the least one.
    pub(crate) fn type_in(&self, store: &StoreOpaque) -> Result<m::ExternType> {
        Ok(match self {
            Extern::Func(func) => m::ExternType::Func(func.type_id(store)?.0),
            Extern::Table(table) => m::ExternType::Table(table.type_in(store)?),
            Extern::Memory(memory) => m::ExternType::Memory(memory.ty_in(store)?),
            Extern::SharedMemory(memory) => {
                memory.inner_in(store)?;
                m::ExternType::Memory(memory.ty())
            }
            Extern::Global(global) => m::ExternType::Global(global.type_in(store)?),
            Extern::Tag(tag) => m::ExternType::Tag(store.tag_type_id(tag.index(store)?).0),
        })
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
