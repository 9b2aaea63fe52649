//! What instances import and export, by its place in the store.

use super::StoreOpaque;
use crate::rt::shared::SharedInner;
use crate::rt::store_memory::StoreMemory;
use heapwood_gc_abi::RawRef;
use heapwood_module::ExternType;
use std::sync::Arc;

/// Something that is imported or exported. The store that it belongs to is known from elsewhere.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    /// A function, by its object.
    Func(RawRef),
    /// A table, by its position.
    Table(u32),
    /// A memory that no other store has, by its position.
    Memory(u32),
    /// A memory that other stores may have, and that this one need not have yet.
    SharedMemory(Arc<SharedInner>),
    /// A global, by its position.
    Global(u32),
    /// A tag, by its position.
    Tag(u32),
}

impl StoreOpaque {
    /// The type of an item in terms of the engine, with current sizes as the least ones.
    pub fn item_type(&self, item: &Item) -> ExternType {
        match item {
            Item::Func(object) => ExternType::Func(self.heap().type_of(*object).0),
            Item::Table(index) => ExternType::Table(self.table(*index).ty()),
            Item::Memory(index) => ExternType::Memory(self.memory_type(*index)),
            Item::SharedMemory(memory) => ExternType::Memory(memory.ty()),
            Item::Global(index) => ExternType::Global(self.global_type(*index)),
            Item::Tag(index) => ExternType::Tag(self.tag_type_id(*index).0),
        }
    }

    /// The memory at a position.
    pub fn memory_item(&self, index: u32) -> Item {
        match self.guest().entities().memory(index) {
            StoreMemory::Own(_) => Item::Memory(index),
            StoreMemory::Shared(memory) => Item::SharedMemory(memory.clone()),
        }
    }
}
