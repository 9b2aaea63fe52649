//! The absolute addresses in a context, which are written when an instance is made, and once more when it comes to lie
//! in another cage or its memories and tables do. What has not changed is not written.

use super::InstanceData;
use crate::store::StoreOpaque;
use heapwood_module::ContextLayout;

impl StoreOpaque {
    /// Writes all of them.
    pub(in crate::store) fn write_words(&self, instance: &InstanceData) {
        self.write_imported_functions(instance);
        self.write_memories(instance);
        self.write_imported_tables(instance);
        self.write_imported_globals(instance);
    }

    /// Code and contexts of imported functions.
    pub(super) fn write_imported_functions(&self, instance: &InstanceData) {
        let (context, layout) = (instance.context(), instance.module().layout());
        for (number, object) in (0..).zip(instance.imported_functions()) {
            let at = layout.imported_function_offset(number);
            let (code, callee) = self.function_entry(*object);
            context.update_u64(at + ContextLayout::IMPORTED_FUNCTION_CODE, code);
            context.update_u64(at + ContextLayout::IMPORTED_FUNCTION_CONTEXT, callee);
        }
    }

    /// Bases and cells of all memories.
    pub(super) fn write_memories(&self, instance: &InstanceData) {
        let (context, layout) = (instance.context(), instance.module().layout());
        for (number, memory) in (0..).zip(instance.memories()) {
            let (at, memory) = (layout.memory_offset(number), self.guest().entities().memory(*memory));
            context.update_u64(at + ContextLayout::MEMORY_BASE, memory.base() as u64);
            context.update_u64(at + ContextLayout::MEMORY_CELL, memory.cell_address() as u64);
        }
    }

    /// Cells of imported tables.
    pub(super) fn write_imported_tables(&self, instance: &InstanceData) {
        let (context, module) = (instance.context(), instance.module());
        for (number, table) in (0..module.info().imported_tables).zip(instance.tables()) {
            let owner = self.guest().entities().table(*table).cell().address() as u64;
            context.update_u64(module.layout().table_offset(number), owner);
        }
    }

    /// Cells of imported globals.
    pub(super) fn write_imported_globals(&self, instance: &InstanceData) {
        let (context, module) = (instance.context(), instance.module());
        for (number, global) in (0..module.info().imported_globals).zip(instance.globals()) {
            let owner = self.guest().entities().globals().get(*global).cell().address() as u64;
            context.update_u64(module.layout().global_offset(number), owner);
        }
    }
}
