//! Everything of a store but its heap: what the collector asks for roots, and what the runtime keeps books of.
//!
//! Lists only grow while the store lives: instances, memories, tables, globals, tags and host functions are named by
//! their position.

pub(crate) mod fields;

use super::StoreId;
use super::instance::InstanceData;
use super::observe::{ExhaustionListener, HostListener};
use super::signature::Signature;
use super::table::TableData;
use crate::alloc_profile::AllocProfiler;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::module::Module;
use crate::roots::RootSet;
use crate::rt::cells::{GlobalCell, RefCell32};
use crate::rt::entry::Left;
use crate::rt::frames::Frames;
use crate::rt::host::HostFunc;
use crate::rt::hot::Hot;
use crate::rt::interrupt::InterruptCell;
use crate::rt::memory::StoreMemory;
use crate::rt::stack::GuestStack;
use crate::types::{FuncType, HeapType};
use heapwood_gc::{Heap, RootCursor};
use heapwood_gc_abi::hot::STACK_LIMIT;
use heapwood_gc_abi::{Mutant, RawRef, TypeId, active};
use heapwood_module::GlobalType;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use std::any::Any;
use std::sync::Arc;

/// What a written global counts as in the log: as much as an entry for a chunk of an array.
const GLOBAL_WEIGHT: u64 = 32;

/// A global of the store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GlobalData {
    pub cell: GlobalCell,
    /// Its type in terms of the engine.
    pub ty: GlobalType,
}

/// A tag of the store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TagData {
    /// Its immortal object.
    pub object: RawRef,
    /// Its function type.
    pub ty: TypeId,
}

/// A host function that the guest is in.
#[derive(Clone, Copy)]
struct HostActivation {
    /// Where the next entry's frame begins.
    stack_pointer: usize,
    /// The context that called it by a tail call, or 0.
    tail_caller: usize,
}

/// See the module. What an entry does with each field stands in `fields`.
pub(crate) struct Guest {
    pub engine: Engine,
    pub hot: Hot,
    pub frames: Frames,
    pub roots: RootSet,
    pub instances: Vec<InstanceData>,
    /// Modules of which no instance came to be, but parts that name their types.
    pub failed_modules: Vec<Module>,
    pub memories: Vec<StoreMemory>,
    pub tables: Vec<TableData>,
    /// Bytes of the tables, and of the element segments that are expressions and were not dropped.
    pub table_bytes: u64,
    pub globals: Vec<GlobalData>,
    /// Cells of all reference globals.
    pub ref_globals: Vec<RefCell32>,
    /// Those written since the last collection.
    pub dirty_globals: Vec<RefCell32>,
    pub tags: Vec<TagData>,
    host_funcs: Vec<HostFunc>,
    /// Hears of calls of host functions.
    pub host_listener: Option<HostListener>,
    /// Samples of allocation.
    pub alloc_profiler: Option<AllocProfiler>,
    /// Hears of a full heap before the guest is left.
    pub exhaustion_listener: Option<ExhaustionListener>,
    pub signatures: FxHashMap<TypeId, Arc<Signature>>,
    /// Types that the host's globals, tables, tags and functions name, and those that the host asked for: held as long as
    /// the store lives, as the types of instances are by their modules. Behind a lock, since a store that is only read may
    /// be asked.
    held_types: Mutex<FxHashMap<TypeId, HeapType>>,
    /// Values behind externrefs, by the index in their cells.
    pub host_values: Vec<Option<Box<dyn Any + Send + Sync>>>,
    pub free_host_values: Vec<u32>,
    /// References that the runtime holds for a moment, as a stack.
    pub temporaries: Vec<RawRef>,
    /// Why the guest was left, between an exit and the return of its entry.
    pub left: Option<Left>,
    pub interrupt: Arc<InterruptCell>,
    stack: Option<GuestStack>,
    /// The host functions that the guest is in.
    host_activations: Vec<HostActivation>,
    /// How far the marking under way has seen the roots outside of frames.
    pub snapshot_cursor: RootCursor,
    /// Check frames at slow paths.
    pub verify: bool,
    /// There is a collector.
    collects: bool,
}

impl Guest {
    pub fn new(engine: &Engine, id: StoreId, hot: Hot, verify: bool) -> Guest {
        Guest {
            engine: engine.clone(),
            hot,
            frames: Frames::new(hot),
            roots: RootSet::new(id),
            instances: Vec::new(),
            failed_modules: Vec::new(),
            memories: Vec::new(),
            tables: Vec::new(),
            table_bytes: 0,
            globals: Vec::new(),
            ref_globals: Vec::new(),
            dirty_globals: Vec::new(),
            tags: Vec::new(),
            host_funcs: Vec::new(),
            host_listener: None,
            alloc_profiler: None,
            exhaustion_listener: None,
            signatures: FxHashMap::default(),
            held_types: Mutex::default(),
            host_values: Vec::new(),
            free_host_values: Vec::new(),
            temporaries: Vec::new(),
            left: None,
            interrupt: Arc::default(),
            stack: None,
            host_activations: Vec::new(),
            snapshot_cursor: RootCursor::default(),
            verify,
            collects: !engine.config().heap.never_collect,
        }
    }

    /// Where the frame of the next entry begins: a multiple of 16. Takes a stack if there is none yet.
    pub fn next_stack_pointer(&mut self) -> Result<usize> {
        if let Some(host) = self.host_activations.last() {
            return Ok(host.stack_pointer);
        }
        if self.stack.is_none() {
            let stack = self.engine.stacks().take()?;
            self.hot.set(STACK_LIMIT, stack.limit() as u64);
            self.interrupt.attach(self.hot);
            self.stack = Some(stack);
            self.update_guard(false);
        }
        Ok(self.stack.as_ref().expect("taken just now").top())
    }

    /// The lowest rsp of the guest.
    pub fn stack_limit(&self) -> usize {
        self.hot.get(STACK_LIMIT) as usize
    }

    /// Computes what prologues compare rsp with. `stop`: the guest has to come to the poll.
    pub fn update_guard(&self, stop: bool) {
        let value = if stop { u64::MAX } else { self.hot.get(STACK_LIMIT).max(self.soft_limit() as u64) };
        self.interrupt.write_guard(self.hot, value);
    }

    /// Below this, the poll promotes everything; 0 if nothing is ever collected.
    pub fn soft_limit(&self) -> usize {
        match &self.stack {
            Some(stack) if self.collects => self.frames.soft_limit(stack.top()),
            _ => 0,
        }
    }

    /// A host function begins; what lies below `values` on the guest stack is free. `tail_caller` is the address of the
    /// context whose function called it by a tail call, or 0.
    pub fn enter_host(&mut self, values: usize, tail_caller: usize) {
        self.host_activations.push(HostActivation { stack_pointer: values & !15, tail_caller });
    }

    /// The context whose function called the innermost host function. A tail call left no frame to find it by.
    pub fn calling_context(&self) -> Option<usize> {
        let told = self.host_activations.last().map(|host| host.tail_caller).filter(|context| *context != 0);
        told.or_else(|| self.frames.calling_context())
    }

    /// A host function is over.
    pub fn leave_host(&mut self) {
        self.host_activations.pop();
    }

    /// A host function of the store.
    pub fn host_func(&self, number: u32) -> HostFunc {
        self.host_funcs[number as usize].clone()
    }

    /// Adds a host function; its number.
    pub fn add_host_func(&mut self, func: HostFunc) -> u32 {
        self.host_funcs.push(func);
        self.host_funcs.len() as u32 - 1
    }

    /// The signature of a function type that the store holds.
    pub fn signature(&mut self, id: TypeId) -> Result<Arc<Signature>> {
        if let Some(known) = self.signatures.get(&id) {
            return Ok(known.clone());
        }
        let made = Arc::new(Signature::new(&self.engine, FuncType::of(self.engine.registry(), id))?);
        self.signatures.insert(id, made.clone());
        Ok(made)
    }

    /// Holds a type for as long as the store lives: something of the store is about to name it by its id.
    pub fn hold_type(&mut self, ty: &HeapType) {
        if let Some(handle) = ty.handle() {
            self.held_types.get_mut().entry(handle.id()).or_insert_with(|| ty.clone());
        }
    }

    /// A handle of a type that the store holds.
    pub fn type_handle(&self, id: TypeId) -> HeapType {
        let make = || HeapType::of(self.engine.registry(), id);
        self.held_types.lock().entry(id).or_insert_with(make).clone()
    }

    /// Enters a reference global's cell in the dirty list.
    pub fn log_global(&mut self, heap: &mut Heap, cell: RefCell32) {
        if !cell.is_dirty() {
            if !active(Mutant::GlobalSetNotShaded) {
                cell.visit(|slot| heap.shade(*slot));
            }
            cell.set_dirty(true);
            self.dirty_globals.push(cell);
            heap.remember_roots(GLOBAL_WEIGHT);
        }
    }

    /// A reference global is about to be set by the runtime. Only young references make a minor look at it.
    pub fn before_global_set(&mut self, heap: &mut Heap, cell: RefCell32, value: RawRef) {
        if heap.is_young(value) {
            self.log_global(heap, cell);
        } else {
            cell.visit(|slot| heap.shade(*slot));
            heap.root_written(value);
        }
    }

    /// Bytes of all memories.
    pub fn memory_bytes(&self) -> u64 {
        self.memories.iter().map(|memory| memory.byte_len() as u64).sum()
    }

    /// Whether so many more bytes of memories, tables and element segments are within the store's limit.
    pub fn is_within_limit(&self, more: u64) -> bool {
        let used = self.memory_bytes().saturating_add(self.table_bytes);
        used.saturating_add(more) <= self.engine.config().max_memory || active(Mutant::LimitOfMemoriesNotKept)
    }

    /// The same, with an error that names the limit.
    pub fn check_limit(&self, what: &str, bytes: u64) -> Result<()> {
        if self.is_within_limit(bytes) {
            return Ok(());
        }
        let limit = self.engine.config().max_memory;
        Err(Error::limit(format!(
            "{what} of {bytes} bytes is beyond the limit of {limit} bytes for all memories, tables and element segments \
             (Config::max_memory, --max-memory)"
        )))
    }

    /// An index into a list of this store.
    pub fn check_index(index: usize, what: &str) -> Result<u32> {
        u32::try_from(index).map_err(|_| Error::limit(format!("too many {what}")))
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.interrupt.detach();
        if let Some(stack) = self.stack.take() {
            self.engine.stacks().give_back(stack);
        }
    }
}
