//! The context of an instance: it is allocated, and what compiled code reaches from it is added to the store's lists.

use super::InstanceData;
use crate::errors::{Error, Result};
use crate::module::Module;
use crate::rt::cells::{Block, GlobalCell};
use crate::rt::memory::LinearMemory;
use crate::rt::shared::SharedInner;
use crate::rt::store_memory::StoreMemory;
use crate::store::entities::Entities;
use crate::store::limiter::{EntityCounts, Growth, Resource};
use crate::store::table::{TABLE_ELEMENTS_MAX, TableData};
use crate::store::{Item, StoreOpaque};
use heapwood_gc_abi::TypeId;
use heapwood_gc_abi::header::IMMORTAL;
use heapwood_module::{ContextLayout, GlobalType, HeapType, Hierarchy, MemoryType, TableType, ValType};
use std::sync::Arc;

/// A size as limiters have it.
fn size(size: u64) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}

impl StoreOpaque {
    /// Adds an instance whose imports match; its position.
    pub(super) fn allocate_instance(&mut self, module: &Module, imports: &[Item]) -> Result<u32> {
        let index = Entities::check_index(self.guest().entities().instances().len(), "instances")?;
        let info = module.info();
        self.check_counts(EntityCounts {
            instances: 1,
            memories: info.memories.len() - info.imported_memories as usize,
            tables: info.tables.len() - info.imported_tables as usize,
        })?;
        let (context, context_ref) = self.new_block(module.layout().size_bytes)?;
        let header = self.engine().reserved_types().context.header(IMMORTAL);
        context.set_u32(ContextLayout::HEADER, header);
        context.set_u64(ContextLayout::INSTANCE, index as u64);
        let mut instance = InstanceData::new(module, context, context_ref);
        self.add_parts(&mut instance, imports)?;
        self.guest_mut().execution_mut().frames_mut().add_code(module.code(), index);
        self.guest_mut().entities_mut().add_instance(instance);
        Ok(index)
    }

    fn add_parts(&mut self, instance: &mut InstanceData, imports: &[Item]) -> Result<()> {
        self.add_imports(instance, imports)?;
        self.add_memories(instance)?;
        self.add_tables(instance)?;
        self.add_globals(instance)?;
        self.add_tags(instance)?;
        self.add_function_objects(instance)
    }

    fn add_imports(&mut self, instance: &mut InstanceData, imports: &[Item]) -> Result<()> {
        for import in imports {
            match import {
                Item::Func(object) => instance.add_imported_function(*object),
                Item::Memory(index) => instance.add_memory(*index),
                Item::SharedMemory(memory) => instance.add_memory(self.add_shared_memory(memory)?),
                Item::Table(index) => instance.add_table(*index),
                Item::Global(index) => instance.add_global(*index),
                Item::Tag(index) => instance.add_tag(*index),
            }
        }
        self.write_imported_functions(instance);
        Ok(())
    }

    fn add_memories(&mut self, instance: &mut InstanceData) -> Result<()> {
        let module = instance.module().clone();
        let info = module.info();
        for ty in &info.memories[info.imported_memories as usize..] {
            instance.add_memory(self.add_memory(*ty)?);
        }
        self.write_memories(instance);
        Ok(())
    }

    /// A memory in a cell of its own; its position.
    pub(in crate::store) fn add_memory(&mut self, ty: MemoryType) -> Result<u32> {
        let bytes = ty.min.saturating_mul(1 << ty.page_size_log2);
        let maximum = ty.max.map(|max| size(max.saturating_mul(1 << ty.page_size_log2)));
        self.check_growth(Resource::Memory, "a memory", Growth { current: 0, desired: size(bytes), maximum })?;
        self.guest().entities().check_limit("a memory", bytes)?;
        let (guards, limit) = (self.engine().config().guards(), self.guest().entities().limit_bytes());
        let memory = if ty.shared {
            StoreMemory::Shared(Arc::new(SharedInner::new(ty, guards, limit)?))
        } else {
            let (cell, _) = self.new_block(16)?;
            StoreMemory::Own(LinearMemory::new(ty, cell, guards)?)
        };
        self.list_memory(memory)
    }

    /// An error if the limiter refuses something that comes to be.
    fn check_growth(&mut self, resource: Resource, what: &str, growth: Growth) -> Result<()> {
        match self.may_grow(resource, growth)? {
            true => Ok(()),
            false => {
                let unit = if resource == Resource::Table { "elements" } else { "bytes" };
                Err(Error::limit(format!("the limiter refused {what} of {} {unit}", growth.desired)))
            }
        }
    }

    /// Adds a memory to the list, and its address space to what may be touched; its position.
    fn list_memory(&mut self, memory: StoreMemory) -> Result<u32> {
        let guest = self.guest_mut();
        guest.execution_mut().add_reservation(memory.reservation());
        guest.entities_mut().add_memory(memory)
    }

    /// The position of a shared memory, which comes to the list when it is first used.
    fn add_shared_memory(&mut self, memory: &Arc<SharedInner>) -> Result<u32> {
        let is_same = |known: &StoreMemory| matches!(known, StoreMemory::Shared(known) if Arc::ptr_eq(known, memory));
        let entities = self.guest().entities();
        if let Some(known) = entities.memories().iter().position(is_same) {
            return Entities::check_index(known, "memories");
        }
        entities.check_limit("a memory", memory.byte_len() as u64)?;
        self.check_counts(EntityCounts { memories: 1, ..EntityCounts::default() })?;
        let (desired, ty) = (memory.byte_len(), memory.ty());
        let maximum = ty.max.map(|max| size(max.saturating_mul(1 << ty.page_size_log2)));
        self.check_growth(Resource::Memory, "a shared memory", Growth { current: 0, desired, maximum })?;
        self.list_memory(StoreMemory::Shared(memory.clone()))
    }

    fn add_tables(&mut self, instance: &mut InstanceData) -> Result<()> {
        let module = instance.module().clone();
        let (info, layout) = (module.info(), module.layout());
        self.write_imported_tables(instance);
        for (number, ty) in info.tables.iter().enumerate().skip(info.imported_tables as usize) {
            let cell = instance.context().part(layout.table_offset(number as u32), ContextLayout::TABLE_CELL_BYTES);
            instance.add_table(self.add_table(module.type_ids().table_type(ty), cell)?);
        }
        Ok(())
    }

    /// A table of nulls with this cell; its position.
    pub(in crate::store) fn add_table(&mut self, ty: TableType, cell: Block) -> Result<u32> {
        if ty.min > TABLE_ELEMENTS_MAX {
            let message = format!("a table of {} elements is beyond the limit of {TABLE_ELEMENTS_MAX}", ty.min);
            return Err(Error::limit(message));
        }
        let is_collected = self.engine().registry().top(ty.element.heap) != HeapType::Func;
        let bytes = TableData::bytes_of(is_collected, ty.min);
        let growth = Growth { current: 0, desired: size(ty.min), maximum: ty.max.map(size) };
        self.check_growth(Resource::Table, "a table", growth)?;
        let entities = self.guest_mut().entities_mut();
        entities.check_table_elements(ty.min)?;
        entities.check_limit("a table", bytes)?;
        let table = TableData::new(ty, is_collected, cell)?;
        entities.count_table_bytes(bytes);
        entities.add_table(table)
    }

    fn add_globals(&mut self, instance: &mut InstanceData) -> Result<()> {
        let module = instance.module().clone();
        let (info, layout) = (module.info(), module.layout());
        self.write_imported_globals(instance);
        self.guest_mut().entities_mut().globals_mut().reserve(&info.globals[info.imported_globals as usize..]);
        for (number, ty) in info.globals.iter().enumerate().skip(info.imported_globals as usize) {
            let bytes = if ty.val == ValType::V128 { 16 } else { 8 };
            let cell = GlobalCell::new(instance.context().part(layout.global_offset(number as u32), bytes));
            instance.add_global(self.add_global(module.type_ids().global_type(ty), cell)?);
        }
        Ok(())
    }

    /// A global, zero or null; its position.
    pub(in crate::store) fn add_global(&mut self, ty: GlobalType, cell: GlobalCell) -> Result<u32> {
        let globals = self.guest_mut().entities_mut().globals_mut();
        globals.add(ty, cell);
        Entities::check_index(globals.all().len() - 1, "globals")
    }

    fn add_tags(&mut self, instance: &mut InstanceData) -> Result<()> {
        let module = instance.module().clone();
        let (info, layout) = (module.info(), module.layout());
        for ty in &info.tags[info.imported_tags as usize..] {
            instance.add_tag(self.add_tag(module.type_ids().id(*ty))?);
        }
        for (number, tag) in (0..).zip(instance.tags()) {
            let object = self.guest().entities().tag(*tag).object();
            instance.context().set_u32(layout.tag_offset(number), object);
        }
        Ok(())
    }

    /// A tag of its own; its position.
    pub(in crate::store) fn add_tag(&mut self, ty: TypeId) -> Result<u32> {
        let id = self.engine().reserved_types().tag;
        let object = self.with_room(|heap, _| heap.alloc_immortal_object(id))?;
        self.guest_mut().entities_mut().add_tag(object, ty)
    }

    fn add_function_objects(&mut self, instance: &mut InstanceData) -> Result<()> {
        let module = instance.module().clone();
        let info = module.info();
        for (function, at) in module.layout().function_objects() {
            let object = match instance.imported_function(function) {
                Some(imported) => imported,
                None => {
                    let ty = module.type_ids().id(info.functions[function as usize]);
                    let code = module.code().entry(function - info.imported_functions) as u64;
                    self.new_function_object(ty, instance.context_ref(), code, function as u64)?
                }
            };
            instance.context().set_u32(at, object);
        }
        Ok(())
    }
}
