//! What instances export, and memories that they import.

use super::InstanceData;
use crate::store::{Item, StoreOpaque};
use heapwood_gc_abi::Narrow;
use heapwood_module::{ExportIndex, ExternType};

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

    /// The memory that an instance imports under these names.
    pub fn instance_imported_memory(&self, index: u32, module: &str, name: &str) -> Option<Item> {
        let instance = self.instance(index);
        let imports = instance.module().info().imports.iter();
        let mut memories = imports.filter(|import| matches!(import.ty, ExternType::Memory(_)));
        let place = memories.position(|import| import.module == module && import.name == name)?;
        Some(self.memory_item(instance.memory(place.narrow())))
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
