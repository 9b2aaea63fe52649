//! The part of a store that does not depend on the host's data.

use super::StoreId;
use super::guest::{Guest, TagData};
use crate::backtrace::{FrameInfo, WasmBacktrace};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::handles::{Func, Global, Instance, Memory, Table, Tag};
use crate::interrupt::InterruptHandle;
use crate::roots::{Root, RootSet, Rooted};
use crate::rt::cells::{Block, GlobalCell, RefCell32};
use crate::rt::host::HostFunc;
use crate::rt::hot::Hot;
use crate::rt::memory::{LinearMemory, StoreMemory};
use crate::rt::stubs::Trampoline;
use crate::rt::walk::{Frame, Walker};
use crate::store::signature::{Signature, call_layout};
use crate::store::table::TableData;
use crate::trap::{Trap, TrapKind};
use crate::types::{FuncType, GlobalType, MemoryType, TableType, TagType, ValType};
use crate::value::{RawVal, Val};
use heapwood_gc::{GcListener, Heap, HeapStats};
use heapwood_gc_abi::header::{FORWARDED, IMMORTAL};
use heapwood_gc_abi::layout::{FUNC_CODE_OFFSET, FUNC_CONTEXT_OFFSET};
use heapwood_gc_abi::space::NULL_ZONE_BYTES;
use heapwood_gc_abi::{Mutant, RawRef, TypeId, active, is_i31};
use heapwood_module::{self as m, ContextLayout};
use std::collections::VecDeque;
use std::sync::Arc;

/// Frames at each end of a backtrace that are kept.
const BACKTRACE_FRAMES: usize = 32;
/// Frames that the checker looks at on each slow path.
const CHECKED_FRAMES: usize = 16;

/// The heap, and everything that is not the heap.
pub(crate) struct StoreOpaque {
    // Before the heap: the guest's state points into the heap's address space until it is dropped.
    pub(crate) guest: Guest,
    pub(crate) heap: Heap,
    id: StoreId,
}

impl StoreOpaque {
    /// An empty store.
    pub fn new(engine: &Engine) -> Result<StoreOpaque> {
        let id = StoreId::next();
        let config = engine.heap_config();
        let heap = Heap::new(&config, engine.registry().table().clone());
        let heap = heap.map_err(|error| Error::limit(error.to_string()))?;
        let hot = Hot::of_heap(&heap);
        Ok(StoreOpaque { guest: Guest::new(engine, id, hot, config.verify), heap, id })
    }

    pub fn engine(&self) -> &Engine {
        &self.guest.engine
    }

    pub fn id(&self) -> StoreId {
        self.id
    }

    /// An error unless `engine` is the one of this store.
    pub fn check_engine(&self, engine: &Engine, what: &str) -> Result<()> {
        match Engine::same(engine, self.engine()) {
            true => Ok(()),
            false => Err(Error::usage(format!("{what} was used in a store of another engine"))),
        }
    }

    /// A type of the host in terms of the engine, held by the store from now on.
    fn take_type(&mut self, ty: &ValType) -> Result<m::ValType> {
        let taken = ty.resolve(self.engine().registry())?;
        if let ValType::Ref(ty) = ty {
            self.guest.hold_type(&ty.heap);
        }
        Ok(taken)
    }

    /// The same for a function type.
    fn take_func_type(&mut self, ty: &FuncType) -> Result<TypeId> {
        let id = ty.handle().id_in(self.engine().registry())?;
        self.guest.hold_type(&ty.clone().into());
        Ok(id)
    }

    /// The words below the heap base.
    pub fn hot(&self) -> Hot {
        self.guest.hot
    }

    pub fn interrupt_handle(&self) -> InterruptHandle {
        InterruptHandle(self.guest.interrupt.clone())
    }

    /// Whether the guest may go on: the runtime asks where it works for long on its behalf.
    ///
    /// # Errors
    /// An interrupt was requested, which ends here.
    pub fn check_interrupt(&mut self) -> Result<(), Trap> {
        if active(Mutant::InterruptNotSeen) || !self.guest.interrupt.take() {
            return Ok(());
        }
        self.guest.update_guard(self.heap.wants_collection());
        Err(TrapKind::Interrupted.into())
    }

    pub fn gc_stats(&self) -> HeapStats {
        self.heap.stats()
    }

    pub fn set_gc_listener(&mut self, listener: Option<GcListener>) {
        self.heap.set_listener(listener);
    }

    /// A full collection.
    pub fn return_memory(&mut self) {
        self.heap.return_memory();
        self.reap_host_values();
    }

    pub fn collect(&mut self) -> Result<()> {
        self.heap.collect_major(&mut self.guest);
        self.reap_host_values();
        Ok(())
    }

    pub fn roots(&self) -> &RootSet {
        &self.guest.roots
    }

    #[cfg(feature = "test-hooks")]
    pub fn roots_mut(&mut self) -> &mut RootSet {
        &mut self.guest.roots
    }

    pub fn root_get<T>(&self, root: &Rooted<T>) -> Result<RawRef> {
        self.guest.roots.get(root)
    }

    pub fn root_push<T>(&mut self, raw: RawRef) -> Option<Rooted<T>> {
        self.guest.roots.push(raw)
    }

    /// An owned handle.
    pub fn own_root<T>(&mut self, raw: RawRef) -> Root<T> {
        let is_young = self.heap.is_young(raw);
        self.heap.root_written(raw);
        self.guest.roots.own(raw, is_young, |reference| self.heap.shade(reference))
    }

    /// Takes back what owned handles that were dropped held.
    pub fn reclaim_roots(&mut self) {
        self.guest.roots.reclaim(|reference| self.heap.shade(reference));
    }

    /// Zeroed immortal memory and its reference.
    pub fn new_block(&mut self, bytes: u32) -> Result<(Block, RawRef)> {
        Block::new(&mut self.heap, bytes).map_err(|error| Trap::from(error).into())
    }

    /// How a function object is called.
    pub fn signature_of(&mut self, object: RawRef) -> Result<Arc<Signature>> {
        self.guest.signature(self.heap.type_of(object))
    }

    /// Calls a function object. `values` holds the arguments and takes the results.
    pub fn call(&mut self, object: RawRef, signature: &Signature, values: &mut [RawVal]) -> Result<()> {
        let (code, context) = self.function_entry(object);
        let result = crate::rt::entry::call(self, signature, code, context, values);
        if self.guest.frames.depth() == 0 {
            self.reap_host_values();
        }
        result
    }

    /// Code and context (absolute) of a function object.
    pub fn function_entry(&self, object: RawRef) -> (u64, u64) {
        let context = self.heap.read_i32(object, FUNC_CONTEXT_OFFSET as u64);
        let code = self.heap.read_i64(object, FUNC_CODE_OFFSET as u64);
        (code, self.heap.base() as u64 + context as u64 * 4)
    }

    /// The type of a function object.
    pub fn func_type(&self, object: RawRef) -> FuncType {
        let id = self.heap.type_of(object);
        match self.guest.signatures.get(&id) {
            Some(signature) => signature.ty.clone(),
            None => FuncType::of(self.engine().registry(), id),
        }
    }

    /// A function object for a host function.
    pub fn new_host_func(&mut self, host: &HostFunc) -> Result<Func> {
        let ty = self.take_func_type(host.ty())?;
        let code = self.engine().trampolines().get(Trampoline::Host, &call_layout(host.ty().signature()))?;
        let (context, context_ref) = self.new_block(ContextLayout::HEADER_BYTES)?;
        let number = self.guest.add_host_func(host.clone());
        context.set_u32(ContextLayout::HEADER, self.engine().reserved_types().context.header(IMMORTAL));
        context.set_u64(ContextLayout::INSTANCE, number as u64);
        let object = self.new_function_object(ty, context_ref, code as u64, number as u64)?;
        Ok(Func::from_object(self, object))
    }

    pub fn new_memory(&mut self, ty: MemoryType) -> Result<Memory> {
        ty.check()?;
        if ty.shared {
            return Err(Error::usage("shared memories are made by `SharedMemory::new`"));
        }
        Ok(Memory::from_index(self.id, self.add_memory(ty)?))
    }

    /// Ends a scope of handles that began at `mark`.
    pub fn leave_scope(&mut self, mark: usize) {
        self.guest.roots.leave_scope(mark, |reference| self.heap.shade(reference));
    }

    pub fn memory(&self, index: u32) -> &LinearMemory {
        self.guest.memories[index as usize].own().expect("handles of a store's memories are not of shared ones")
    }

    pub fn memory_mut(&mut self, index: u32) -> &mut LinearMemory {
        let memory = self.guest.memories[index as usize].own_mut();
        memory.expect("handles of a store's memories are not of shared ones")
    }

    /// Memory `index` of an instance.
    pub fn instance_memory(&self, instance: u32, index: u32) -> &StoreMemory {
        &self.guest.memories[self.guest.instances[instance as usize].memories[index as usize] as usize]
    }

    /// Grows a memory by `delta` pages; the old size, or none beyond a limit.
    pub fn memory_grow(&mut self, index: u32, delta: u64) -> Option<u64> {
        let limit = self.engine().config().max_memory;
        let others = self.guest.memories.iter().enumerate().filter(|(other, _)| *other != index as usize);
        let others: u64 = others.map(|(_, memory)| memory.byte_len() as u64).sum();
        let others = others.saturating_add(self.guest.table_bytes);
        let allowed = |bytes: u64| others.saturating_add(bytes) <= limit;
        match &mut self.guest.memories[index as usize] {
            StoreMemory::Shared(memory) => memory.grow(delta, allowed),
            memory => {
                let old = memory.pages();
                let memory = memory.own_mut().expect("not shared");
                let bytes = memory.bytes_after(delta).filter(|bytes| allowed(*bytes))?;
                memory.set_bytes(bytes as usize).then_some(old)
            }
        }
    }

    pub fn new_global(&mut self, ty: &GlobalType, value: Val) -> Result<Global> {
        let ty = m::GlobalType { val: self.take_type(ty.content())?, mutable: ty.is_mutable() };
        let raw = value.to_raw(self, ty.val)?;
        let (block, _) = self.new_block(GlobalCell::BYTES)?;
        let index = self.add_global(ty, GlobalCell::new(block))?;
        self.global_set_raw(index, raw);
        Ok(Global::from_index(self.id, index))
    }

    pub fn global_type(&self, index: u32) -> m::GlobalType {
        self.guest.globals[index as usize].ty
    }

    pub fn global_get(&mut self, index: u32) -> Val {
        let data = self.guest.globals[index as usize];
        Val::from_raw(self, data.cell.get(data.ty.val), data.ty.val)
    }

    pub fn global_set(&mut self, index: u32, value: Val) -> Result<()> {
        let raw = value.to_raw(self, self.global_type(index).val)?;
        self.global_set_raw(index, raw);
        Ok(())
    }

    /// Writes a global, with what the collector has to know.
    pub fn global_set_raw(&mut self, index: u32, raw: RawVal) {
        let data = self.guest.globals[index as usize];
        if data.ty.val.is_ref() {
            self.guest.before_global_set(&mut self.heap, RefCell32::of(data.cell), raw[0] as RawRef);
        }
        data.cell.set(data.ty.val, raw);
    }

    pub fn new_table(&mut self, ty: &TableType, init: Val) -> Result<Table> {
        ty.check()?;
        let element = ty.element.resolve(self.engine().registry())?;
        self.guest.hold_type(&ty.element.heap);
        let ty = m::TableType { element, min: ty.min, max: ty.max, table64: ty.table64 };
        let raw = init.to_raw_ref(self, element)?;
        let (cell, _) = self.new_block(ContextLayout::TABLE_CELL_BYTES)?;
        let index = self.add_table(ty, cell)?;
        let table = &mut self.guest.tables[index as usize];
        table.fill(&mut self.heap, 0..table.len() as usize, raw);
        Ok(Table::from_index(self.id, index))
    }

    pub fn table(&self, index: u32) -> &TableData {
        &self.guest.tables[index as usize]
    }

    pub fn table_fill_val(&mut self, table: u32, index: u64, len: u64, value: Val) -> Result<()> {
        let element = self.table(table).ty().element;
        let raw = value.to_raw_ref(self, element)?;
        let table = &mut self.guest.tables[table as usize];
        let range = table.range(index, len).ok_or_else(|| Error::usage("table index out of bounds"))?;
        table.fill(&mut self.heap, range, raw);
        Ok(())
    }

    pub fn table_grow_val(&mut self, table: u32, delta: u64, value: Val) -> Result<Option<u64>> {
        let element = self.table(table).ty().element;
        let raw = value.to_raw_ref(self, element)?;
        Ok(self.table_grow(table as usize, delta, raw))
    }

    /// Grows a table by `delta` elements of `init`; the old size, or none if its type, a limit or the system refuses.
    pub fn table_grow(&mut self, table: usize, delta: u64, init: RawRef) -> Option<u64> {
        let bytes = self.guest.tables[table].growth_bytes(delta)?;
        if !self.guest.is_within_limit(bytes) {
            return None;
        }
        let old = self.guest.tables[table].grow(&mut self.heap, delta, init)?;
        self.guest.table_bytes += bytes;
        Some(old)
    }

    pub fn new_tag(&mut self, ty: &TagType) -> Result<Tag> {
        if !ty.ty().signature().results.is_empty() {
            return Err(Error::usage(format!("a tag of the type {}, which has results", ty.ty())));
        }
        let ty = self.take_func_type(ty.ty())?;
        Ok(Tag::from_index(self.id, self.add_tag(ty)?))
    }

    /// A tag of its own; its position.
    pub fn add_tag(&mut self, ty: TypeId) -> Result<u32> {
        let id = self.engine().reserved_types().tag;
        let object = self.heap.alloc_immortal_object(id).map_err(Trap::from)?;
        self.guest.tags.push(TagData { object, ty });
        Guest::check_index(self.guest.tags.len() - 1, "tags")
    }

    pub fn tag_type(&self, index: u32) -> TagType {
        TagType::new(FuncType::of(self.engine().registry(), self.tag_type_id(index)))
    }

    /// The function type of a tag.
    pub fn tag_type_id(&self, index: u32) -> TypeId {
        self.guest.tags[index as usize].ty
    }

    /// The instance whose function called the host function that runs.
    pub fn calling_instance(&self) -> Option<Instance> {
        let context = self.guest.calling_context()?;
        let after = self.guest.instances.partition_point(|instance| instance.context.address() <= context);
        let index = after.checked_sub(1)?;
        let found = self.guest.instances[index].context.address() == context;
        found.then(|| Instance::from_index(self.id, index as u32))
    }

    /// Where the guest is, after an exit by a call.
    pub fn backtrace(&self) -> WasmBacktrace {
        collect_frames(self.guest.frames.walk())
    }

    /// Where the guest is, after a trap.
    pub fn trap_backtrace(&self) -> WasmBacktrace {
        collect_frames(self.guest.frames.walk_from_trap())
    }

    /// Whether the instruction at `pc` may trap. Called by the signal handler.
    pub fn may_trap(&self, pc: usize) -> bool {
        self.guest.frames.may_trap(pc)
    }

    /// Whether a fault at `address` is the trap of the instruction. Called by the signal handler.
    pub fn is_trap_address(&self, address: usize) -> bool {
        active(Mutant::FaultAtAnyAddress)
            || address.wrapping_sub(self.guest.hot.base()) < NULL_ZONE_BYTES as usize
            || self.guest.memories.iter().any(|memory| memory.contains(address))
    }

    /// Checks the topmost frames, if the store verifies: every slot holds zero, an i31 or the start of an object.
    #[inline]
    pub fn check_frames(&mut self) {
        if self.guest.verify {
            self.check_top_frames();
        }
    }

    #[inline(never)]
    fn check_top_frames(&mut self) {
        for frame in self.guest.frames.walk().take(CHECKED_FRAMES) {
            let mut index = 0;
            frame.each_reference(|slot| {
                if !self.is_reference(slot) {
                    let function = frame.module.info().imported_functions + frame.defined;
                    panic!(
                        "frame checker: slot {index} of function {function} at offset {:#x} holds {slot:#x}, which \
                         is no object",
                        frame.wasm_offset
                    );
                }
                index += 1;
            });
        }
    }

    /// Whether a slot may hold this: zero, an i31 or the start of something with the header of a type that exists.
    fn is_reference(&self, raw: RawRef) -> bool {
        if raw == 0 || is_i31(raw) {
            return true;
        }
        // Forwarded headers and poison name no type (or, rarely, a wrong one).
        (raw as u64) * 4 >= NULL_ZONE_BYTES
            && self.heap.types().is_allocated(self.heap.type_of(raw))
            && self.heap.read_i32(raw, 0) & FORWARDED == 0
    }

    /// What `memory.grow` and its kin answer beyond a limit.
    pub const REFUSED: u64 = u64::MAX;

    /// The trap at the exit.
    pub fn trap(&self) -> Trap {
        match self.guest.frames.trap_kind() {
            TrapKind::StackExhausted => self.stack_exhausted(),
            kind => Trap::new(kind),
        }
    }

    /// The guest's stack has no room for a frame.
    pub fn stack_exhausted(&self) -> Trap {
        Trap::with_detail(TrapKind::StackExhausted, format!("limit: {} bytes", self.engine().config().max_stack))
    }
}

/// The ends of a walk.
fn collect_frames(walker: Walker<'_>) -> WasmBacktrace {
    let info = |frame: &Frame<'_>| {
        let function = frame.module.info().imported_functions + frame.defined;
        FrameInfo::new(frame.module.clone(), function, frame.wasm_offset)
    };
    let mut frames: Vec<FrameInfo> = Vec::new();
    let mut tail: VecDeque<Frame<'_>> = VecDeque::new();
    let mut omitted = 0;
    for frame in walker {
        if frames.len() < BACKTRACE_FRAMES {
            frames.push(info(&frame));
            continue;
        }
        if tail.len() == BACKTRACE_FRAMES {
            tail.pop_front();
            omitted += 1;
        }
        tail.push_back(frame);
    }
    frames.extend(tail.iter().map(info));
    WasmBacktrace::new(frames, omitted)
}
