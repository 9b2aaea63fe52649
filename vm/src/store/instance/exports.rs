//! What instances export, and memories and tags that they import.

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
        let is_memory = |ty: &ExternType| matches!(ty, ExternType::Memory(_));
        let place = self.place_of_import(index, is_memory, module, name)?;
        Some(self.memory_item(self.instance(index).memory(place)))
    }

    /// The tag that an instance imports under these names.
    pub fn instance_imported_tag(&self, index: u32, module: &str, name: &str) -> Option<Item> {
        let is_tag = |ty: &ExternType| matches!(ty, ExternType::Tag(_));
        let place = self.place_of_import(index, is_tag, module, name)?;
        Some(Item::Tag(self.instance(index).tag(place)))
    }

    /// Which one of an instance's imports of a kind has these names.
    fn place_of_import(
        &self,
        index: u32,
        is_kind: impl Fn(&ExternType) -> bool,
        module: &str,
        name: &str,
    ) -> Option<u32> {
        let imports = self.instance(index).module().info().imports.iter();
        let mut of_kind = imports.filter(|import| is_kind(&import.ty));
        Some(of_kind.position(|import| import.module == module && import.name == name)?.narrow())
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
