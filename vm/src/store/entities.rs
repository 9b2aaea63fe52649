//! What a store consists of. Lists only grow while the store lives: instances, memories, tables, globals, tags and host
//! functions are named by their position.

mod image;

use super::globals::Globals;
use super::instance::InstanceData;
use super::quota::Quota;
use super::table::TableData;
use crate::errors::{Error, Result, StoreLimit, StoreResource};
use crate::module::Module;
use crate::rt::host::HostCode;
use crate::rt::state::state;
use crate::rt::store_memory::StoreMemory;
use crate::rt::walk::Frame;
use heapwood_gc::Heap;
use heapwood_gc_abi::{Mutant, Narrow, RawRef, TypeId, active};

/// A tag of the store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TagData {
    object: RawRef,
    ty: TypeId,
}

impl TagData {
    /// The tag's object, which is immortal.
    pub fn object(&self) -> RawRef {
        self.object
    }

    /// The tag's function type.
    pub fn ty(&self) -> TypeId {
        self.ty
    }
}

pub(crate) use image::EntitiesImage;

/// Instances, memories, tables, globals, tags and host functions of a store, by their positions.
pub(crate) struct Entities {
    instances: Vec<InstanceData>,
    memories: Vec<StoreMemory>,
    tables: Vec<TableData>,
    /// Bytes of the tables, and of the element segments that are expressions and were not dropped.
    table_bytes: u64,
    globals: Globals,
    tags: Vec<TagData>,
    host_functions: Vec<HostCode>,
    /// Most of everything.
    quota: Quota,
}

/// How much there is of everything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Extent {
    /// Instances, memories, tables, globals, tags.
    pub lists: [usize; 5],
    /// Functions of the host.
    pub host_functions: usize,
    table_bytes: u64,
}

state! {
    Entities {
        instances: Shared,
        memories: Shared,
        tables: Shared,
        table_bytes: Shared,
        globals: Part,
        tags: Shared,
        host_functions: Shared,
        quota: Shared,
    }
}

/// The position of the last entry of a list.
fn last<T>(list: &[T], what: &str) -> Result<u32> {
    Entities::check_index(list.len() - 1, what)
}

impl Entities {
    /// The entities of a store in which nothing was made yet.
    pub fn new(quota: &Quota) -> Entities {
        Entities {
            instances: Vec::new(),
            memories: Vec::new(),
            tables: Vec::new(),
            table_bytes: 0,
            globals: Globals::default(),
            tags: Vec::new(),
            host_functions: Vec::new(),
            quota: *quota,
        }
    }

    /// An index into a list of this store.
    pub fn check_index(index: usize, what: &str) -> Result<u32> {
        u32::try_from(index).map_err(|_| Error::limit(format!("too many {what}")))
    }

    /// All instances, in the order in which they were made.
    pub fn instances(&self) -> &[InstanceData] {
        &self.instances
    }

    /// All instances in the order in which they were made, for changing them.
    pub fn instances_mut(&mut self) -> &mut [InstanceData] {
        &mut self.instances
    }

    /// An instance.
    pub fn instance(&self, index: u32) -> &InstanceData {
        &self.instances[index as usize]
    }

    /// An instance, for changing it.
    pub fn instance_mut(&mut self, index: u32) -> &mut InstanceData {
        &mut self.instances[index as usize]
    }

    /// Adds an instance, at the end.
    pub fn add_instance(&mut self, instance: InstanceData) {
        self.instances.push(instance);
    }

    /// The module of a frame, and the index of its function there.
    pub fn function_of(&self, frame: &Frame<'_>) -> (&Module, u32) {
        self.function_at(frame.owner, frame.defined)
    }

    /// The module of an instance, and the index there of a function that it defines.
    pub fn function_at(&self, owner: u32, defined: u32) -> (&Module, u32) {
        let module = self.instance(owner).module();
        (module, module.info().imported_functions + defined)
    }

    /// All memories.
    pub fn memories(&self) -> &[StoreMemory] {
        &self.memories
    }

    /// A memory.
    pub fn memory(&self, index: u32) -> &StoreMemory {
        &self.memories[index as usize]
    }

    /// A memory, for changing it.
    pub fn memory_mut(&mut self, index: u32) -> &mut StoreMemory {
        &mut self.memories[index as usize]
    }

    /// Two different memories, for changing them.
    pub fn two_memories_mut(&mut self, indices: [u32; 2]) -> [&mut StoreMemory; 2] {
        self.memories.get_disjoint_mut(indices.map(|index| index as usize)).expect("two memories of the store")
    }

    /// Adds a memory; its position.
    pub fn add_memory(&mut self, memory: StoreMemory) -> Result<u32> {
        self.memories.push(memory);
        last(&self.memories, "memories")
    }

    /// An instance, and a memory to be changed.
    pub fn instance_and_memory_mut(&mut self, instance: u32, memory: u32) -> (&InstanceData, &mut StoreMemory) {
        (&self.instances[instance as usize], &mut self.memories[memory as usize])
    }

    /// All tables.
    pub fn tables(&self) -> &[TableData] {
        &self.tables
    }

    /// All tables, for changing them.
    pub fn tables_mut(&mut self) -> &mut [TableData] {
        &mut self.tables
    }

    /// A table.
    pub fn table(&self, index: u32) -> &TableData {
        &self.tables[index as usize]
    }

    /// A table, for changing it.
    pub fn table_mut(&mut self, index: u32) -> &mut TableData {
        &mut self.tables[index as usize]
    }

    /// Two different tables, for changing them.
    pub fn two_tables_mut(&mut self, indices: [u32; 2]) -> [&mut TableData; 2] {
        self.tables.get_disjoint_mut(indices.map(|index| index as usize)).expect("two tables of the store")
    }

    /// Adds a table; its position.
    pub fn add_table(&mut self, table: TableData) -> Result<u32> {
        self.tables.push(table);
        last(&self.tables, "tables")
    }

    /// All globals.
    pub fn globals(&self) -> &Globals {
        &self.globals
    }

    /// All globals, for changing them.
    pub fn globals_mut(&mut self) -> &mut Globals {
        &mut self.globals
    }

    /// A tag.
    pub fn tag(&self, index: u32) -> TagData {
        self.tags[index as usize]
    }

    /// The position of a tag, by its object.
    pub fn tag_of(&self, object: RawRef) -> Option<u32> {
        // Tags are allocated in order, so their references ascend.
        self.tags.binary_search_by_key(&object, |tag| tag.object).ok().map(|index| index as u32)
    }

    /// Adds a tag; its position.
    pub fn add_tag(&mut self, object: RawRef, ty: TypeId) -> Result<u32> {
        self.tags.push(TagData { object, ty });
        last(&self.tags, "tags")
    }

    /// A host function.
    pub fn host_function(&self, number: u32) -> &HostCode {
        &self.host_functions[number as usize]
    }

    /// Adds a host function; its number.
    pub fn add_host_function(&mut self, func: HostCode) -> u32 {
        self.host_functions.push(func);
        self.host_functions.len() as u32 - 1
    }

    /// Bytes of all memories.
    fn memory_bytes(&self) -> u64 {
        self.memories.iter().map(|memory| memory.byte_len() as u64).sum()
    }

    /// Bytes that count against the limit, but for those of a memory.
    pub fn bytes_without_memory(&self, index: u32) -> u64 {
        let others = self.memories.iter().enumerate().filter(|(other, _)| *other != index as usize);
        let others: u64 = others.map(|(_, memory)| memory.byte_len() as u64).sum();
        others.saturating_add(self.table_bytes)
    }

    /// Most bytes of memories, tables and element segments.
    pub fn limit_bytes(&self) -> u64 {
        self.quota.memory_bytes
    }

    /// Most instances.
    pub fn instances_max(&self) -> usize {
        self.quota.instances
    }

    /// An error unless so many more elements of tables are within the store's limit.
    pub fn check_table_elements(&self, more: u64) -> Result<()> {
        let limit = self.quota.table_elements;
        let used: u64 = self.tables.iter().map(TableData::len).sum();
        let wanted = used.saturating_add(more);
        if wanted <= limit {
            return Ok(());
        }
        let message = format!(
            "{more} more elements of tables beside {used}: the limit of the store is {limit} for all tables \
             (StoreBuilder::tables_max)"
        );
        Err(Error::of_store_limit(StoreLimit { resource: StoreResource::TableElements, limit, wanted }, message))
    }

    /// What there is now, to come back to.
    pub fn extent(&self) -> Extent {
        let lists =
            [self.instances.len(), self.memories.len(), self.tables.len(), self.globals.all().len(), self.tags.len()];
        Extent { lists, host_functions: self.host_functions.len(), table_bytes: self.table_bytes }
    }

    /// Calls `visit` with what globals, tables and element segments hold, of those that there were then.
    pub fn each_reference(&self, extent: Extent, visit: &mut dyn FnMut(RawRef)) {
        let [instances, _, tables, globals, _] = extent.lists;
        for global in self.globals.all()[..globals].iter().filter(|global| global.ty().val.is_ref()) {
            visit(global.cell().get(global.ty().val)[0].narrow());
        }
        for table in &self.tables[..tables] {
            table.slice(0..table.len().narrow()).iter().for_each(|element| visit(*element));
        }
        self.instances[..instances].iter().flat_map(InstanceData::segment_references).for_each(visit);
    }

    /// Drops what was added since then: nothing names it.
    pub fn truncate(&mut self, heap: &mut Heap, extent: Extent) {
        let [instances, memories, tables, globals, tags] = extent.lists;
        let held = self.instances[instances..].iter().flat_map(InstanceData::segment_references);
        // A marking may have counted on them.
        held.for_each(|element| heap.shade(element));
        self.instances.truncate(instances);
        self.memories.truncate(memories);
        self.tables[tables..].iter().for_each(|table| table.shade_all(heap));
        self.tables.truncate(tables);
        self.globals.truncate(heap, globals);
        self.tags.truncate(tags);
        self.host_functions.truncate(extent.host_functions);
        self.table_bytes = extent.table_bytes;
    }

    /// Counts bytes of a table or an element segment.
    pub fn count_table_bytes(&mut self, bytes: u64) {
        self.table_bytes += bytes;
    }

    /// Counts bytes no more that were counted.
    pub fn forget_table_bytes(&mut self, bytes: u64) {
        self.table_bytes -= bytes;
    }

    /// Whether so many more bytes of memories, tables and element segments are within the store's limit.
    pub fn is_within_limit(&self, more: u64) -> bool {
        let used = self.memory_bytes().saturating_add(self.table_bytes);
        used.saturating_add(more) <= self.limit_bytes() || active(Mutant::LimitOfMemoriesNotKept)
    }

    /// Checks that `bytes` more are within the store's limit; the error names `what` they are for and the limit.
    pub fn check_limit(&self, what: &str, bytes: u64) -> Result<()> {
        if self.is_within_limit(bytes) {
            return Ok(());
        }
        let limit = self.limit_bytes();
        let used = self.memory_bytes().saturating_add(self.table_bytes);
        let wanted = used.saturating_add(bytes);
        let beside = if used > 0 { format!(" beside {used} that are there") } else { String::new() };
        let message = format!(
            "{what} of {bytes} bytes{beside} is beyond the limit of {limit} bytes for all memories, tables and element segments \
             (StoreBuilder::memory_max, Config::max_memory)"
        );
        Err(Error::of_store_limit(StoreLimit { resource: StoreResource::Memory, limit, wanted }, message))
    }
}
