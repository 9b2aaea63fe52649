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
use crate::store::globals::Globals;
use crate::store::instance::InstanceData;
use crate::store::lineage::Counts;
use crate::store::quota::Quota;
use crate::store::table::TableData;
use heapwood_gc_abi::RawRef;
use std::sync::Arc;

/// See the module.
pub(crate) struct EntitiesImage {
    instances: Vec<InstanceData>,
    failed_modules: Vec<Module>,
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
}

impl Entities {
    /// How many items of each kind there are, where immortal objects end at `immortal_end`.
    pub fn counts(&self, immortal_end: RawRef) -> Counts {
        let lists =
            [self.instances.len(), self.memories.len(), self.tables.len(), self.globals.all().len(), self.tags.len()];
        let [instances, memories, tables, globals, tags] = lists.map(|len| len as u32);
        [immortal_end, instances, memories, tables, globals, tags]
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

    /// As it is, after a collection that promoted everything.
    ///
    /// # Errors
    /// The system refuses files for memories. The store is as it was.
    pub fn freeze(&mut self) -> Result<EntitiesImage> {
        let memories = self.memories.iter_mut().map(|memory| memory.own_mut().freeze()).collect::<Result<_>>()?;
        Ok(EntitiesImage {
            instances: self.instances.clone(),
            failed_modules: self.failed_modules.clone(),
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
    pub fn restore(&mut self, then: &EntitiesImage, bases: (usize, usize), guards: Guards) -> Result<()> {
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
        self.failed_modules.clone_from(&then.failed_modules);
        self.globals.restore(&then.globals, bases);
        self.tags.clone_from(&then.tags);
        self.host_functions.clone_from(&then.host_functions);
        Ok(())
    }
}
