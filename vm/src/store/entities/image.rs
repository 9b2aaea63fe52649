//! What a store consists of as a checkpoint has it, and how another store, or the same one, comes to consist of that.
//!
//! Positions are the same in all of them. What is younger is dropped by a rollback, what is older and was dropped by an
//! earlier rollback is made again. Contexts and cells lie in the heap's pages, which came first; the absolute addresses
//! in them are written here (memories, tables) and by whoever calls (`instance/words`).

use super::{Entities, TagData};
use crate::errors::{Error, Result};
use crate::module::Module;
use crate::rt::host::HostCode;
use crate::rt::memory::{FrozenMemory, Guards, LinearMemory, Secrecy};
use crate::rt::store_memory::StoreMemory;
use crate::store::checkpoint::{Reader, Writer};
use crate::store::globals::Globals;
use crate::store::instance::InstanceData;
use crate::store::lineage::Counts;
use crate::store::quota::Quota;
use crate::store::table::TableData;
use heapwood_gc::FrozenFile;
use heapwood_gc_abi::{Narrow, RawRef};
use heapwood_module::MemoryType;
use std::sync::Arc;

/// The entities of a store as a checkpoint has them.
pub(crate) struct EntitiesImage {
    instances: Vec<InstanceData>,
    memories: Vec<Arc<FrozenMemory>>,
    tables: Vec<TableData>,
    table_bytes: u64,
    globals: Globals,
    tags: Vec<TagData>,
    host_functions: Vec<HostCode>,
    quota: Quota,
}

impl EntitiesImage {
    /// Limits of the store.
    pub fn quota(&self) -> &Quota {
        &self.quota
    }

    /// The instances, by their numbers.
    pub fn instances(&self) -> &[InstanceData] {
        &self.instances
    }

    /// The tags, by their numbers.
    pub fn tags(&self) -> &[TagData] {
        &self.tags
    }

    /// The host functions, by their numbers.
    pub fn host_functions(&self) -> &[HostCode] {
        &self.host_functions
    }

    /// Modules that its instances are of, each once.
    pub fn modules(&self) -> Vec<Module> {
        let mut modules: Vec<Module> = Vec::new();
        for module in self.instances.iter().map(InstanceData::module) {
            if !modules.iter().any(|known| Module::same(known, module)) {
                modules.push(module.clone());
            }
        }
        modules
    }

    /// Pages of the memories that have some, in their order.
    pub fn memory_files(&self) -> impl Iterator<Item = &FrozenFile> {
        self.memories.iter().filter_map(|memory| memory.file())
    }
}

/// Saved checkpoints.
impl EntitiesImage {
    /// Writes it down, but for pages of memories and host functions. `modules` are its own.
    pub fn save(&self, modules: &[Module], out: &mut Writer) {
        let EntitiesImage { instances, memories, tables, table_bytes, globals, tags, host_functions: _, quota } = self;
        let position = |module: &Module| {
            let position = modules.iter().position(|known| Module::same(known, module));
            position.expect("all modules are listed").narrow()
        };
        out.list(instances.iter(), |out, instance| {
            out.u32(position(instance.module()));
            instance.save(out);
        });
        out.list(memories.iter(), |out, memory| save_memory(memory, out));
        out.list(tables.iter(), |out, table| table.save(out));
        out.u64(*table_bytes);
        globals.save(out);
        out.list(tags.iter(), |out, tag| {
            out.u32(tag.object);
            out.type_id(tag.ty);
        });
        let Quota { heap_bytes, memory_bytes, table_elements, instances, stack_bytes } = *quota;
        out.option(heap_bytes);
        out.u64(memory_bytes);
        out.u64(table_elements);
        out.usize(instances);
        out.usize(stack_bytes);
    }

    /// What was written down. `pages` gives the pages of the next memory, of which there are so many bytes.
    pub fn of_saved(
        saved: &mut Reader<'_>,
        modules: &[Module],
        host_functions: Vec<HostCode>,
        pages: &mut dyn FnMut(u64) -> Option<FrozenFile>,
    ) -> Option<EntitiesImage> {
        let module = |saved: &mut Reader<'_>| modules.get(saved.u32()? as usize);
        let image = EntitiesImage {
            instances: saved.list(|saved| InstanceData::of_saved(module(saved)?, saved))?,
            memories: saved.list(|saved| load_memory(saved, pages).map(Arc::new))?,
            tables: saved.list(TableData::of_saved)?,
            table_bytes: saved.u64()?,
            globals: Globals::of_saved(saved)?,
            tags: saved.list(|saved| Some(TagData { object: saved.u32()?, ty: saved.type_id()? }))?,
            host_functions,
            quota: Quota {
                heap_bytes: saved.option()?,
                memory_bytes: saved.u64()?,
                table_elements: saved.u64()?,
                instances: saved.usize()?,
                stack_bytes: saved.usize()?,
            },
        };
        let counts = [image.memories.len(), image.tables.len(), image.globals.all().len(), image.tags.len()];
        let are_there = |instance: &InstanceData| {
            let lists = [instance.memories(), instance.tables(), instance.globals(), instance.tags()];
            counts.iter().zip(lists).all(|(count, list)| list.iter().all(|index| (*index as usize) < *count))
        };
        (image.instances.iter().all(are_there) && image.quota.check().is_ok()).then_some(image)
    }

    /// How many items of each kind there are, where immortal objects end at `immortal_end`.
    pub fn counts(&self, immortal_end: RawRef) -> Counts {
        let lists =
            [self.instances.len(), self.memories.len(), self.tables.len(), self.globals.all().len(), self.tags.len()];
        counts_of(immortal_end, lists)
    }
}

fn counts_of(immortal_end: RawRef, lists: [usize; 5]) -> Counts {
    let [instances, memories, tables, globals, tags] = lists.map(|len| len as u32);
    [immortal_end, instances, memories, tables, globals, tags]
}

fn save_memory(memory: &FrozenMemory, out: &mut Writer) {
    let MemoryType { min, max, memory64, shared, page_size_log2 } = *memory.ty();
    out.u64(min);
    out.option(max);
    out.bool(memory64);
    out.bool(shared);
    out.u32(page_size_log2);
    out.usize(memory.byte_len());
    out.block(memory.cell());
    out.u8(match memory.secrecy() {
        Secrecy::None => 0,
        Secrecy::LeftOut => 1,
        Secrecy::Refused => 2,
    });
    out.option(memory.file().map(FrozenFile::bytes));
}

fn load_memory(saved: &mut Reader<'_>, pages: &mut dyn FnMut(u64) -> Option<FrozenFile>) -> Option<FrozenMemory> {
    let (min, max, memory64, shared) = (saved.u64()?, saved.option()?, saved.bool()?, saved.bool()?);
    let ty = MemoryType { min, max, memory64, shared, page_size_log2: saved.u32()? };
    let (bytes, cell) = (saved.usize()?, saved.block()?);
    let secrecy = match saved.u8()? {
        0 => Secrecy::None,
        1 => Secrecy::LeftOut,
        2 => Secrecy::Refused,
        _ => return None,
    };
    let file = match saved.option()? {
        Some(of_pages) if of_pages >= bytes as u64 => Some(pages(of_pages)?),
        Some(_) => return None,
        None => None,
    };
    let is_possible = ty.check().is_ok() && !shared && ty.pages_max().saturating_mul(ty.page_size()) >= bytes as u64;
    is_possible.then(|| FrozenMemory::of_saved(ty, bytes, cell, secrecy, file))
}

impl Entities {
    /// How many items of each kind there are, where immortal objects end at `immortal_end`.
    pub fn counts(&self, immortal_end: RawRef) -> Counts {
        let lists =
            [self.instances.len(), self.memories.len(), self.tables.len(), self.globals.all().len(), self.tags.len()];
        counts_of(immortal_end, lists)
    }

    /// An error if a store with these memories has no checkpoints.
    pub fn check_frozen(&self) -> Result<()> {
        for memory in &self.memories {
            match memory {
                StoreMemory::Shared(_) => {
                    return Err(Error::usage(
                        "a store that has a shared memory has no checkpoints: others write to it",
                    ));
                }
                StoreMemory::Own(memory) if memory.secrecy() == Secrecy::Refused => {
                    return Err(Error::usage("a memory of the store refuses checkpoints (Memory::set_secrecy)"));
                }
                StoreMemory::Own(_) => {}
            }
        }
        Ok(())
    }

    /// An image of what is there, after a collection that promoted everything.
    ///
    /// # Errors
    /// The system refuses files for memories. The store is as it was.
    pub fn freeze(&mut self) -> Result<EntitiesImage> {
        let memories = self.memories.iter_mut().map(|memory| memory.own_mut().freeze()).collect::<Result<_>>()?;
        Ok(EntitiesImage {
            instances: self.instances.clone(),
            memories,
            tables: self.tables.clone(),
            table_bytes: self.table_bytes,
            globals: self.globals.clone(),
            tags: self.tags.clone(),
            host_functions: self.host_functions.clone(),
            quota: self.quota,
        })
    }

    /// The store is of no use: it consists of nothing.
    pub fn forget_all(&mut self) {
        self.instances.clear();
        self.memories.clear();
        self.tables.clear();
        self.globals = Globals::default();
        self.tags.clear();
        self.host_functions.clear();
    }

    /// Becomes that. `bases`: of the heap of the checkpoint, and of this one.
    ///
    /// # Errors
    /// The system refuses. Then nothing may be done but to try again.
    pub fn restore(&mut self, then: &EntitiesImage, bases: (usize, usize), guards: Guards) -> Result<Vec<HostCode>> {
        self.memories.truncate(then.memories.len());
        for (index, frozen) in then.memories.iter().enumerate() {
            let cell = frozen.cell().moved(bases);
            match self.memories.get_mut(index) {
                Some(StoreMemory::Own(memory)) if memory.can_become(frozen, cell) => memory.restore(frozen)?,
                known => {
                    let memory = StoreMemory::Own(LinearMemory::of_checkpoint(frozen, cell, guards)?);
                    match known {
                        Some(known) => *known = memory,
                        None => self.memories.push(memory),
                    }
                }
            }
            self.memories[index].own().publish();
        }
        self.tables.truncate(then.tables.len());
        for (index, table) in then.tables.iter().enumerate() {
            let cell = table.cell().moved(bases);
            match self.tables.get_mut(index) {
                Some(known) => known.restore(table, cell),
                None => self.tables.push(TableData::of_checkpoint(table, cell)),
            }
        }
        self.table_bytes = then.table_bytes;
        self.instances.clear();
        self.instances.extend(then.instances.iter().map(|instance| instance.moved(bases)));
        self.globals.restore(&then.globals, bases);
        self.tags.clone_from(&then.tags);
        Ok(std::mem::replace(&mut self.host_functions, then.host_functions.clone()))
    }
}
