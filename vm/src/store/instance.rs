//! Instances in the store: their parts, and how they come to be.
//!
//! 1. Imports are matched by type. Nothing has changed in the store if one does not fit.
//! 2. The context is allocated and filled: memories, tables, function objects, imports, tags.
//! 3. Globals, tables and element segments are initialised by constant expressions, in the order of the specification.
//! 4. Active segments are copied (a trap leaves the copies before it in place), then the start function runs.
//!
//! What takes long looks for interrupts after each piece of its work.

use super::const_eval::ConstValue;
use super::guest::{GlobalData, Guest};
use super::table::{TABLE_ELEMENTS_MAX, TableData};
use super::{PIECE_BYTES, StoreOpaque};
use crate::error::{Error, Result};
use crate::handles::{Extern, Func, Global, Instance, Memory, SharedMemory, Table, Tag};
use crate::module::Module;
use crate::rt::cells::{Block, GlobalCell, RefCell32};
use crate::rt::memory::{LinearMemory, StoreMemory};
use crate::rt::shared::SharedInner;
use crate::trap::{Trap, TrapKind};
use crate::types::MemoryType;
use crate::value::RawVal;
use heapwood_gc_abi::header::IMMORTAL;
use heapwood_gc_abi::layout::{FUNC_BYTES, FUNC_CODE_OFFSET, FUNC_CONTEXT_OFFSET, FUNC_DATA_OFFSET};
use heapwood_gc_abi::{Mutant, RawRef, TypeId, active};
use heapwood_module::{
    ConstOps, ContextLayout, ElementItems, ExportIndex, GlobalType, HeapType, Hierarchy, SegmentMode, TableType,
};
use std::ops::Range;
use std::sync::Arc;

/// An instance.
#[derive(Debug)]
pub(crate) struct InstanceData {
    pub module: Module,
    pub context: Block,
    pub context_ref: RawRef,
    /// Positions in the store's lists, by index in the module.
    pub memories: Vec<u32>,
    pub tables: Vec<u32>,
    pub globals: Vec<u32>,
    pub tags: Vec<u32>,
    /// Objects of the imported functions.
    imported_functions: Vec<RawRef>,
    /// Elements of the segments that are expressions, until dropped.
    segments: Vec<Option<Box<[RawRef]>>>,
    /// The segments were seen by a collection since they were made.
    pub settled: bool,
}

impl InstanceData {
    /// Calls `visit` with the elements of each segment; returns how many there are.
    pub fn each_segment(&mut self, mut visit: impl FnMut(&mut [RawRef])) -> u64 {
        let mut count = 0;
        for elements in self.segments.iter_mut().flatten() {
            count += elements.len() as u64;
            visit(elements);
        }
        count
    }

    /// The elements of all segments that are expressions.
    pub fn segment_references(&self) -> impl Iterator<Item = RawRef> {
        self.segments.iter().flatten().flat_map(|elements| elements.iter().copied())
    }

    /// The object of a function; none if it never becomes a reference.
    pub fn function_object(&self, function: u32) -> Option<RawRef> {
        if let Some(imported) = self.imported_functions.get(function as usize) {
            return Some(*imported);
        }
        Some(self.context.u32(self.module.layout().function_object_offset(function)?))
    }

    /// Whether a segment has elements `offset..offset + len`. A dropped segment has no elements.
    fn has_elements(&self, segment: u32, offset: u64, len: u64) -> bool {
        let dropped = self.context.u8(self.module.layout().element_dropped_offset(segment)) != 0;
        let count = match &self.module.info().elements[segment as usize].items {
            _ if dropped => 0,
            ElementItems::Functions(functions) => functions.len(),
            ElementItems::Expressions(_) => self.segments[segment as usize].as_ref().map_or(0, |s| s.len()),
        };
        offset.checked_add(len).is_some_and(|end| end <= count as u64)
    }

    /// Elements `offset..offset + len` of a segment; none out of bounds. A dropped segment has no elements.
    pub fn segment_elements(&self, segment: u32, offset: u64, len: u64) -> Option<Box<[RawRef]>> {
        let element = &self.module.info().elements[segment as usize];
        let dropped = self.context.u8(self.module.layout().element_dropped_offset(segment)) != 0;
        let end = offset.checked_add(len)?;
        match &element.items {
            _ if dropped => (end == 0).then(Box::default),
            ElementItems::Functions(functions) => {
                let functions = functions.get(usize::try_from(offset).ok()?..usize::try_from(end).ok()?)?;
                let object = |function: &u32| self.function_object(*function).expect("functions of segments escape");
                Some(functions.iter().map(object).collect())
            }
            ElementItems::Expressions(_) => {
                let elements = self.segments[segment as usize].as_deref().unwrap_or_default();
                Some(elements.get(usize::try_from(offset).ok()?..usize::try_from(end).ok()?)?.into())
            }
        }
    }

    /// Up to 64 elements of the segments from a position (segment, element) on, and the position after them.
    pub fn segment_chunk(&mut self, (segment, element): (u32, u32)) -> Option<(&mut [RawRef], (u32, u32))> {
        let elements = self.segments.get_mut(segment as usize)?.as_deref_mut().unwrap_or_default();
        let (start, end) = (element as usize, (element as usize + 64).min(elements.len()));
        let next = if end == elements.len() { (segment + 1, 0) } else { (segment, end as u32) };
        Some((&mut elements[start.min(end)..end], next))
    }

    /// Drops a data segment.
    pub fn drop_data_segment(&mut self, segment: u32) {
        self.context.set_u8(self.module.layout().data_dropped_offset(segment), 1);
    }

    /// The bytes of a data segment; none once dropped.
    pub fn data_bytes(&self, segment: u32) -> &[u8] {
        let dropped = self.context.u8(self.module.layout().data_dropped_offset(segment)) != 0;
        if dropped && !active(Mutant::DroppedDataRead) { &[] } else { self.module.info().data_bytes(segment) }
    }
}

impl StoreOpaque {
    /// Instantiates a module with imports in the order of its import section.
    pub fn instantiate(&mut self, module: &Module, imports: &[Extern]) -> Result<Instance> {
        let held = self.guest.temporaries.len();
        let made = self.instantiate_in_steps(module, imports);
        // What a step held that failed.
        self.guest.temporaries.truncate(held);
        made
    }

    fn instantiate_in_steps(&mut self, module: &Module, imports: &[Extern]) -> Result<Instance> {
        self.check_engine(module.engine(), "a module")?;
        self.match_imports(module, imports)?;
        let index = self.allocate_instance(module, imports)?;
        self.initialise_globals(index)?;
        self.initialise_tables(index)?;
        self.initialise_segments(index)?;
        self.run_active_segments(index)?;
        if let Some(start) = module.info().start {
            self.run_start(index, start)?;
        }
        Ok(Instance::from_index(self.id(), index))
    }

    fn allocate_instance(&mut self, module: &Module, imports: &[Extern]) -> Result<u32> {
        let index = Guest::check_index(self.guest.instances.len(), "instances")?;
        let (context, context_ref) = self.new_block(module.layout().size_bytes)?;
        let header = self.engine().reserved_types().context.header(IMMORTAL);
        context.set_u32(ContextLayout::HEADER, header);
        context.set_u64(ContextLayout::INSTANCE, index as u64);
        let mut instance = InstanceData {
            module: module.clone(),
            context,
            context_ref,
            memories: Vec::new(),
            tables: Vec::new(),
            globals: Vec::new(),
            tags: Vec::new(),
            imported_functions: Vec::new(),
            segments: Vec::new(),
            settled: true,
        };
        if let Err(error) = self.add_parts(&mut instance, imports) {
            // What was added names types of the module.
            self.guest.failed_modules.push(module.clone());
            return Err(error);
        }
        self.guest.frames.add_code(module);
        self.guest.instances.push(instance);
        Ok(index)
    }

    fn add_parts(&mut self, instance: &mut InstanceData, imports: &[Extern]) -> Result<()> {
        self.add_imports(instance, imports)?;
        self.add_memories(instance)?;
        self.add_tables(instance)?;
        self.add_globals(instance)?;
        self.add_tags(instance)?;
        self.add_function_objects(instance)
    }

    fn add_imports(&mut self, instance: &mut InstanceData, imports: &[Extern]) -> Result<()> {
        for import in imports {
            match import {
                Extern::Func(func) => {
                    let object = func.object(self)?;
                    let number = instance.imported_functions.len() as u32;
                    let at = instance.module.layout().imported_function_offset(number);
                    let code = self.heap.read_i64(object, FUNC_CODE_OFFSET as u64);
                    let context_ref = self.heap.read_i32(object, FUNC_CONTEXT_OFFSET as u64);
                    let context = self.heap.base() as u64 + context_ref as u64 * 4;
                    instance.context.set_u64(at + ContextLayout::IMPORTED_FUNCTION_CODE, code);
                    instance.context.set_u64(at + ContextLayout::IMPORTED_FUNCTION_CONTEXT, context);
                    instance.imported_functions.push(object);
                }
                Extern::Memory(memory) => instance.memories.push(memory.index(self)?),
                Extern::SharedMemory(memory) => {
                    let memory = memory.inner_in(self)?.clone();
                    instance.memories.push(self.add_shared_memory(memory)?);
                }
                Extern::Table(table) => instance.tables.push(table.index(self)?),
                Extern::Global(global) => instance.globals.push(global.index(self)?),
                Extern::Tag(tag) => instance.tags.push(tag.index(self)?),
            }
        }
        Ok(())
    }

    fn add_memories(&mut self, instance: &mut InstanceData) -> Result<()> {
        let module = instance.module.clone();
        let (info, layout) = (module.info(), module.layout());
        for ty in &info.memories[info.imported_memories as usize..] {
            instance.memories.push(self.add_memory(*ty)?);
        }
        for (number, memory) in instance.memories.iter().enumerate() {
            let (at, memory) = (layout.memory_offset(number as u32), &self.guest.memories[*memory as usize]);
            instance.context.set_u64(at + ContextLayout::MEMORY_BASE, memory.base() as u64);
            instance.context.set_u64(at + ContextLayout::MEMORY_CELL, memory.cell_address() as u64);
        }
        Ok(())
    }

    /// A memory in a cell of its own; its position.
    pub fn add_memory(&mut self, ty: MemoryType) -> Result<u32> {
        let bytes = ty.min.saturating_mul(1 << ty.page_size_log2);
        self.guest.check_limit("a memory", bytes)?;
        let memory = if ty.shared {
            StoreMemory::Shared(Arc::new(SharedInner::new(self.engine(), ty)?))
        } else {
            let (cell, _) = self.new_block(16)?;
            StoreMemory::Own(LinearMemory::new(ty, cell, self.engine().config().memory64_guard)?)
        };
        self.guest.memories.push(memory);
        Guest::check_index(self.guest.memories.len() - 1, "memories")
    }

    /// The position of a shared memory, which comes to the list when it is first used.
    fn add_shared_memory(&mut self, memory: Arc<SharedInner>) -> Result<u32> {
        let is_same = |known: &StoreMemory| matches!(known, StoreMemory::Shared(known) if Arc::ptr_eq(known, &memory));
        if let Some(known) = self.guest.memories.iter().position(is_same) {
            return Guest::check_index(known, "memories");
        }
        self.guest.check_limit("a memory", memory.byte_len() as u64)?;
        self.guest.memories.push(StoreMemory::Shared(memory));
        Guest::check_index(self.guest.memories.len() - 1, "memories")
    }

    fn add_tables(&mut self, instance: &mut InstanceData) -> Result<()> {
        let module = instance.module.clone();
        let (info, layout) = (module.info(), module.layout());
        for (number, table) in instance.tables.iter().enumerate() {
            let owner = self.guest.tables[*table as usize].cell().address() as u64;
            instance.context.set_u64(layout.table_offset(number as u32), owner);
        }
        for (number, ty) in info.tables.iter().enumerate().skip(info.imported_tables as usize) {
            let cell = instance.context.part(layout.table_offset(number as u32), ContextLayout::TABLE_CELL_BYTES);
            instance.tables.push(self.add_table(module.types().table_type(ty), cell)?);
        }
        Ok(())
    }

    /// A table of nulls with this cell; its position.
    pub fn add_table(&mut self, ty: TableType, cell: Block) -> Result<u32> {
        if ty.min > TABLE_ELEMENTS_MAX {
            let message = format!("a table of {} elements is beyond the limit of {TABLE_ELEMENTS_MAX}", ty.min);
            return Err(Error::limit(message));
        }
        let is_collected = self.engine().registry().top(ty.element.heap) != HeapType::Func;
        let bytes = TableData::bytes_of(is_collected, ty.min);
        self.guest.check_limit("a table", bytes)?;
        self.guest.tables.push(TableData::new(ty, is_collected, cell)?);
        self.guest.table_bytes += bytes;
        Guest::check_index(self.guest.tables.len() - 1, "tables")
    }

    fn add_globals(&mut self, instance: &mut InstanceData) -> Result<()> {
        let module = instance.module.clone();
        let (info, layout) = (module.info(), module.layout());
        for (number, global) in instance.globals.iter().enumerate() {
            let owner = self.guest.globals[*global as usize].cell.address() as u64;
            instance.context.set_u64(layout.global_offset(number as u32), owner);
        }
        for (number, ty) in info.globals.iter().enumerate().skip(info.imported_globals as usize) {
            let bytes = if ty.val == heapwood_module::ValType::V128 { 16 } else { 8 };
            let cell = GlobalCell::new(instance.context.part(layout.global_offset(number as u32), bytes));
            instance.globals.push(self.add_global(module.types().global_type(ty), cell)?);
        }
        Ok(())
    }

    /// A global, zero or null; its position.
    pub fn add_global(&mut self, ty: GlobalType, cell: GlobalCell) -> Result<u32> {
        if ty.val.is_ref() {
            RefCell32::of(cell).list_in(&mut self.guest.ref_globals);
        }
        self.guest.globals.push(GlobalData { cell, ty });
        Guest::check_index(self.guest.globals.len() - 1, "globals")
    }

    fn add_tags(&mut self, instance: &mut InstanceData) -> Result<()> {
        let module = instance.module.clone();
        let (info, layout) = (module.info(), module.layout());
        for ty in &info.tags[info.imported_tags as usize..] {
            instance.tags.push(self.add_tag(module.types().id(*ty))?);
        }
        for (number, tag) in instance.tags.iter().enumerate() {
            let object = self.guest.tags[*tag as usize].object;
            instance.context.set_u32(layout.tag_offset(number as u32), object);
        }
        Ok(())
    }

    fn add_function_objects(&mut self, instance: &mut InstanceData) -> Result<()> {
        let module = instance.module.clone();
        let info = module.info();
        for &function in &info.escaping {
            let at = module.layout().function_object_offset(function).expect("it escapes");
            let object = match instance.imported_functions.get(function as usize) {
                Some(imported) => *imported,
                None => {
                    let ty = module.types().id(info.functions[function as usize]);
                    let code = module.code().entry(function - info.imported_functions) as u64;
                    self.new_function_object(ty, instance.context_ref, code, function as u64)?
                }
            };
            instance.context.set_u32(at, object);
        }
        Ok(())
    }

    /// An immortal function object.
    pub fn new_function_object(&mut self, ty: TypeId, context: RawRef, code: u64, data: u64) -> Result<RawRef> {
        let (block, object) = self.new_block(FUNC_BYTES)?;
        block.set_u32(0, ty.header(IMMORTAL));
        block.set_u32(FUNC_CONTEXT_OFFSET, context);
        block.set_u64(FUNC_CODE_OFFSET, code);
        block.set_u64(FUNC_DATA_OFFSET, data);
        Ok(object)
    }

    fn initialise_globals(&mut self, index: u32) -> Result<()> {
        let module = self.guest.instances[index as usize].module.clone();
        let info = module.info();
        for (number, init) in (info.imported_globals as usize..).zip(&info.global_inits) {
            let value = self.evaluate(index, &mut init.ops(info))?;
            let global = self.guest.instances[index as usize].globals[number];
            self.global_set_raw(global, value.raw());
        }
        Ok(())
    }

    fn initialise_tables(&mut self, index: u32) -> Result<()> {
        let module = self.guest.instances[index as usize].module.clone();
        let info = module.info();
        for (number, init) in (info.imported_tables as usize..).zip(&info.table_inits) {
            if let Some(init) = init {
                let value = self.evaluate(index, &mut init.ops(info))?.reference();
                let table = self.guest.instances[index as usize].tables[number] as usize;
                for Range { start, end } in pieces(self.guest.tables[table].len()) {
                    self.check_interrupt()?;
                    let table = &mut self.guest.tables[table];
                    let range = table.range(start, end - start).expect("a part of the table");
                    table.fill(&mut self.heap, range, value);
                }
            }
        }
        Ok(())
    }

    fn initialise_segments(&mut self, index: u32) -> Result<()> {
        let module = self.guest.instances[index as usize].module.clone();
        for (number, segment) in module.info().elements.iter().enumerate() {
            let count = match &segment.items {
                ElementItems::Expressions(items) if segment.mode != SegmentMode::Declared => items.len(),
                _ => 0,
            };
            let bytes = segment_bytes(count);
            self.guest.check_limit("an element segment", bytes)?;
            self.guest.table_bytes += bytes;
            let elements = vec![0; count].into_boxed_slice();
            self.guest.instances[index as usize].segments.push(Some(elements));
            if let (ElementItems::Expressions(items), 1..) = (&segment.items, count) {
                self.initialise_segment(index, number, items.ops(module.info()))?;
            }
        }
        Ok(())
    }

    /// Evaluates the elements of a segment, which the collector sees already.
    fn initialise_segment(&mut self, index: u32, segment: usize, mut items: ConstOps<'_>) -> Result<()> {
        for element in 0..self.guest.instances[index as usize].segments[segment].as_ref().map_or(0, |s| s.len()) {
            let value = self.evaluate(index, &mut items)?.reference();
            if value == 0 {
                continue;
            }
            let instance = &mut self.guest.instances[index as usize];
            // A collection may have come since the last element.
            instance.settled = false;
            instance.segments[segment].as_mut().expect("nothing dropped it")[element] = value;
            self.heap.root_written(value);
        }
        Ok(())
    }

    fn run_active_segments(&mut self, index: u32) -> Result<()> {
        let module = self.guest.instances[index as usize].module.clone();
        for (number, segment) in (0u32..).zip(&module.info().elements) {
            if let SegmentMode::Active { index: table, offset } = &segment.mode {
                let offset = self.evaluate_offset(index, &mut offset.ops(module.info()))?;
                self.table_init(index, *table, number, offset, 0, segment.items.len() as u64)?;
            }
            if segment.mode != SegmentMode::Passive {
                self.drop_element_segment(index, number);
            }
        }
        for (number, segment) in (0u32..).zip(&module.info().data) {
            if let SegmentMode::Active { index: memory, offset } = &segment.mode {
                let offset = self.evaluate_offset(index, &mut offset.ops(module.info()))?;
                self.memory_init(index, *memory, number, offset, 0, segment.range.len() as u64)?;
                self.guest.instances[index as usize].drop_data_segment(number);
            }
        }
        Ok(())
    }

    /// i32 offsets are unsigned.
    fn evaluate_offset(&mut self, index: u32, expr: &mut ConstOps<'_>) -> Result<u64> {
        Ok(match self.evaluate(index, expr)? {
            ConstValue::Number(value) => value[0],
            ConstValue::Reference(_) => panic!("an offset is a number"),
        })
    }

    fn run_start(&mut self, index: u32, start: u32) -> Result<()> {
        let instance = &self.guest.instances[index as usize];
        let info = instance.module.info();
        let ty = instance.module.types().id(info.functions[start as usize]);
        let (code, context) = match start.checked_sub(info.imported_functions) {
            Some(defined) => (instance.module.code().entry(defined) as u64, instance.context.address() as u64),
            None => {
                let object = instance.imported_functions[start as usize];
                self.function_entry(object)
            }
        };
        let signature = self.guest.signature(ty)?;
        let mut values: [RawVal; 0] = [];
        crate::rt::entry::call(self, &signature, code, context, &mut values)
    }

    /// Drops an element segment of an instance.
    pub fn drop_element_segment(&mut self, instance: u32, segment: u32) {
        let instance = &mut self.guest.instances[instance as usize];
        let dropped = !active(Mutant::DroppedFunctionsRead);
        instance.context.set_u8(instance.module.layout().element_dropped_offset(segment), dropped.into());
        let elements = instance.segments.get_mut(segment as usize).and_then(Option::take).unwrap_or_default();
        self.guest.table_bytes -= segment_bytes(elements.len());
        let dropped = elements.iter().filter(|_| !active(Mutant::ElementDropNotShaded));
        dropped.for_each(|element| self.heap.shade(*element));
    }

    /// Copies a part of an element segment into a table, a piece at a time; the segment's elements are rooted by the
    /// instance.
    ///
    /// # Errors
    /// Out of bounds, and nothing was written; the guest was interrupted.
    pub fn table_init(
        &mut self,
        instance: u32,
        table: u32,
        segment: u32,
        to: u64,
        from: u64,
        len: u64,
    ) -> Result<(), Trap> {
        let data = &self.guest.instances[instance as usize];
        let table = data.tables[table as usize] as usize;
        if !data.has_elements(segment, from, len) || self.guest.tables[table].range(to, len).is_none() {
            return Err(TrapKind::TableOutOfBounds.into());
        }
        for Range { start, end } in pieces(len) {
            self.check_interrupt()?;
            let len = end - start;
            let instance = &self.guest.instances[instance as usize];
            let elements = instance.segment_elements(segment, from + start, len).expect("checked above");
            let table = &mut self.guest.tables[table];
            let range = table.range(to + start, len).expect("checked above");
            table.write(&mut self.heap, range, instance.settled, &elements);
        }
        Ok(())
    }

    /// Copies a part of a data segment into a memory, a piece at a time.
    ///
    /// # Errors
    /// Out of bounds, and nothing was written; the guest was interrupted.
    pub fn memory_init(
        &mut self,
        instance: u32,
        memory: u32,
        segment: u32,
        to: u64,
        from: u64,
        len: u64,
    ) -> Result<(), Trap> {
        let data = &self.guest.instances[instance as usize];
        let memory = data.memories[memory as usize] as usize;
        if sub_slice(data.data_bytes(segment), from, len).is_none() || !self.guest.memories[memory].has(to, len) {
            return Err(TrapKind::MemoryOutOfBounds.into());
        }
        for Range { start, end } in pieces_of(len, PIECE_BYTES) {
            self.check_interrupt()?;
            let instance = &self.guest.instances[instance as usize];
            let (to, len) = (to + start, end - start);
            let bytes = sub_slice(instance.data_bytes(segment), from + start, len).expect("checked above");
            match &mut self.guest.memories[memory] {
                StoreMemory::Own(memory) => {
                    sub_slice_mut(memory.bytes_mut(), to, len).expect("checked above").copy_from_slice(bytes);
                }
                StoreMemory::Shared(memory) => memory.racy().part(to, len).expect("memories never shrink").write(bytes),
            }
        }
        Ok(())
    }

    /// The module of an instance.
    pub fn instance_module(&self, index: u32) -> &Module {
        &self.guest.instances[index as usize].module
    }

    /// An export.
    pub fn instance_export(&self, index: u32, name: &str) -> Option<Extern> {
        let instance = &self.guest.instances[index as usize];
        Some(self.export(instance, instance.module.export_index(name)?))
    }

    /// All exports.
    pub fn instance_exports(&self, index: u32) -> Vec<(String, Extern)> {
        let instance = &self.guest.instances[index as usize];
        let exports = instance.module.info().exports.iter();
        exports.map(|(name, index)| (name.clone(), self.export(instance, *index))).collect()
    }

    fn export_memory(&self, index: u32) -> Extern {
        match &self.guest.memories[index as usize] {
            StoreMemory::Own(_) => Extern::Memory(Memory::from_index(self.id(), index)),
            StoreMemory::Shared(memory) => Extern::SharedMemory(SharedMemory::from_inner(memory.clone())),
        }
    }

    fn export(&self, instance: &InstanceData, index: ExportIndex) -> Extern {
        match index {
            ExportIndex::Func(i) => {
                let object = instance.function_object(i).expect("exported functions escape");
                Extern::Func(Func::from_object(self, object))
            }
            ExportIndex::Table(i) => Extern::Table(Table::from_index(self.id(), instance.tables[i as usize])),
            ExportIndex::Memory(i) => self.export_memory(instance.memories[i as usize]),
            ExportIndex::Global(i) => Extern::Global(Global::from_index(self.id(), instance.globals[i as usize])),
            ExportIndex::Tag(i) => Extern::Tag(Tag::from_index(self.id(), instance.tags[i as usize])),
        }
    }
}

/// What the elements of a segment count against the store's limit.
fn segment_bytes(elements: usize) -> u64 {
    elements as u64 * size_of::<RawRef>() as u64
}

/// The parts of a list of so many references between which the runtime looks for interrupts.
fn pieces(len: u64) -> impl DoubleEndedIterator<Item = Range<u64>> {
    pieces_of(len, PIECE_BYTES / size_of::<RawRef>() as u64)
}

/// The parts of `0..len`, each of at most `piece`.
pub(crate) fn pieces_of(len: u64, piece: u64) -> impl DoubleEndedIterator<Item = Range<u64>> {
    (0..len.div_ceil(piece)).map(move |k| k * piece..((k + 1) * piece).min(len))
}

/// Does one part of an operation on `0..len` after the other, and the last one first if it goes `backwards`.
pub(crate) fn in_pieces<E>(
    len: u64,
    piece: u64,
    backwards: bool,
    mut part: impl FnMut(Range<u64>) -> Result<(), E>,
) -> Result<(), E> {
    let mut pieces = pieces_of(len, piece);
    if backwards { pieces.rev().try_for_each(&mut part) } else { pieces.try_for_each(&mut part) }
}

/// `len` elements from `start` on, if they lie in the slice.
pub(crate) fn sub_slice<T>(slice: &[T], start: u64, len: u64) -> Option<&[T]> {
    let end = start.checked_add(len)?;
    slice.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
}

/// The same, to be changed.
pub(crate) fn sub_slice_mut<T>(slice: &mut [T], start: u64, len: u64) -> Option<&mut [T]> {
    let end = start.checked_add(len)?;
    slice.get_mut(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
}
