//! What instances export, and of what they import the memory.

use super::InstanceData;
use crate::store::{Item, StoreOpaque};
use heapwood_module::ExportIndex;

impl StoreOpaque {
    /// An export.
    pub fn instance_export(&self, index: u32, name: &str) -> Option<Item> {
        let instance = self.instance(index);
        Some(self.export(instance, instance.module().export_index(name)?))
    }

    /// All exports.
    pub fn instance_exports(&self, index: u32) -> Vec<(String, Item)> {
        let instance = self.instance(index);
        let exports = instance.module().info().exports.iter();
        exports.map(|(name, index)| (name.clone(), self.export(instance, *index))).collect()
    }

    /// The first memory that an instance imports.
    pub fn imported_memory(&self, index: u32) -> Option<Item> {
        let instance = self.instance(index);
        let imports = instance.module().info().imported_memories != 0;
        imports.then(|| self.memory_item(instance.memory(0)))
    }

    fn export(&self, instance: &InstanceData, index: ExportIndex) -> Item {
        match index {
            ExportIndex::Func(i) => Item::Func(instance.function_object(i).expect("exported functions escape")),
            ExportIndex::Table(i) => Item::Table(instance.table(i)),
            ExportIndex::Memory(i) => self.memory_item(instance.memory(i)),
            ExportIndex::Global(i) => Item::Global(instance.global(i)),
            ExportIndex::Tag(i) => Item::Tag(instance.tag(i)),
        }
    }
}
