//! Memories, globals, tables and tags, by their positions.

use super::StoreOpaque;
use super::limiter::EntityCounts;
use super::table::TableData;
use crate::errors::{Error, Result};
use crate::rt::cells::{GlobalCell, RefCell32};
use crate::rt::memory::LinearMemory;
use crate::rt::store_memory::StoreMemory;
use crate::rt::value::RawVal;
use crate::types::{FuncType, TagType};
use heapwood_gc_abi::{RawRef, TypeId};
use heapwood_module::{ContextLayout, GlobalType, MemoryType, TableType};

impl StoreOpaque {
    /// A memory of the host's making.
    pub fn new_memory(&mut self, ty: MemoryType) -> Result<u32> {
        ty.check()?;
        if ty.shared {
            return Err(Error::usage("shared memories are made by `SharedMemory::new`"));
        }
        self.check_counts(EntityCounts { memories: 1, ..EntityCounts::default() })?;
        self.add_memory(ty)
    }

    /// A memory that no other store has: a handle of a store's memory is never of a shared one.
    pub fn memory(&self, index: u32) -> &LinearMemory {
        self.guest().entities().memory(index).own()
    }

    /// A memory that no other store has, for changing it.
    pub fn memory_mut(&mut self, index: u32) -> &mut LinearMemory {
        self.guest_mut().entities_mut().memory_mut(index).own_mut()
    }

    /// A memory's type, with the current size as the least one.
    pub fn memory_type(&self, index: u32) -> MemoryType {
        self.guest().entities().memory(index).ty()
    }

    /// Memory `index` of an instance.
    pub fn instance_memory(&self, instance: u32, index: u32) -> &StoreMemory {
        self.guest().entities().memory(self.instance(instance).memory(index))
    }

    /// A global of the host's making, of a type that the store holds.
    pub fn new_global(&mut self, ty: GlobalType, value: RawVal) -> Result<u32> {
        let (block, _) = self.new_block(GlobalCell::BYTES)?;
        let index = self.add_global(ty, GlobalCell::new(block))?;
        self.global_set_raw(index, value);
        Ok(index)
    }

    /// A global's type in terms of the engine.
    pub fn global_type(&self, index: u32) -> GlobalType {
        self.guest().entities().globals().get(index).ty()
    }

    /// A global's value.
    pub fn global_get_raw(&self, index: u32) -> RawVal {
        let global = self.guest().entities().globals().get(index);
        global.cell().get(global.ty().val)
    }

    /// Writes a global, with what the collector has to know.
    pub fn global_set_raw(&mut self, index: u32, value: RawVal) {
        let (guest, heap) = self.guest_and_heap();
        let globals = guest.entities_mut().globals_mut();
        let (cell, ty) = (globals.get(index).cell(), globals.get(index).ty().val);
        if ty.is_ref() {
            globals.before_set(heap, RefCell32::of(cell), value[0] as RawRef);
        }
        cell.set(ty, value);
    }

    /// A table of the host's making, of a type that the store holds, filled with a reference of its element type.
    pub fn new_table(&mut self, ty: TableType, init: RawRef) -> Result<u32> {
        self.check_counts(EntityCounts { tables: 1, ..EntityCounts::default() })?;
        let (cell, _) = self.new_block(ContextLayout::TABLE_CELL_BYTES)?;
        let index = self.add_table(ty, cell)?;
        let (guest, heap) = self.guest_and_heap();
        let table = guest.entities_mut().table_mut(index);
        table.fill(heap, 0..table.len() as usize, init);
        Ok(index)
    }

    /// A table.
    pub fn table(&self, index: u32) -> &TableData {
        self.guest().entities().table(index)
    }

    /// Fills a part of a table with a reference of its element type.
    pub fn table_fill(&mut self, table: u32, index: u64, len: u64, value: RawRef) -> Result<()> {
        let (guest, heap) = self.guest_and_heap();
        let table = guest.entities_mut().table_mut(table);
        let range = table.range(index, len).ok_or_else(|| {
            let (size, end) = (table.len(), u128::from(index) + u128::from(len));
            Error::usage(match len {
                1 => format!("a table of {size} elements without element {index}"),
                _ => format!("a table of {size} elements without elements {index}..{end}"),
            })
        })?;
        table.fill(heap, range, value);
        Ok(())
    }

    /// A tag of the host's making.
    pub fn new_tag(&mut self, ty: &TagType) -> Result<u32> {
        if !ty.ty().signature().results.is_empty() {
            return Err(Error::usage(format!("a tag of the type {}, which has results", ty.ty())));
        }
        let ty = self.take_func_type(ty.ty())?;
        self.add_tag(ty)
    }

    /// A tag's type.
    pub fn tag_type(&self, index: u32) -> TagType {
        TagType::new(FuncType::of(self.engine().registry(), self.tag_type_id(index)))
    }

    /// The function type of a tag.
    pub fn tag_type_id(&self, index: u32) -> TypeId {
        self.guest().entities().tag(index).ty()
    }
}
