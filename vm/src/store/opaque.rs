//! The part of a store that does not depend on the host's data.

use super::InterruptHandle;
use super::checkpoint::StoreImage;
use super::finalized::Finalized;
use super::guest::Guest;
use super::inbox::OpenInbox;
use super::inspector::OpenRequests;
use super::instance::InstanceData;
use super::lineage::{Lineage, Named};
use super::quota::Quota;
use crate::engine::Engine;
use crate::errors::{Error, Result, Trap};
use crate::ids::StoreId;
use crate::registry::{EngineType, TypeHandle};
use crate::rt::cells::Block;
use crate::rt::stubs;
use crate::types::{ArrayType, FuncType, HeapType, StructType, TableType, ValType};
use heapwood_gc::Heap;
use heapwood_gc_abi::{Mutant, RawRef, TypeId, active};
use heapwood_module as m;
use std::sync::Arc;

/// The heap, and everything that is not the heap.
pub(crate) struct StoreOpaque {
    // Before the heap: the guest's state points into the heap's address space until it is dropped.
    guest: Guest,
    heap: Heap,
    lineage: Lineage,
    /// A rollback has failed: nothing may be done but another one.
    is_unusable: bool,
    /// The checkpoint that it was made of, and its id then.
    origin: Option<Arc<StoreImage>>,
    first_id: StoreId,
    quota: Quota,
    inbox: Option<OpenInbox>,
    /// What others want to know while the guest runs, if anybody ever may.
    requests: Option<OpenRequests>,
    finalized: Finalized,
}

impl StoreOpaque {
    /// What `memory.grow` and its kin answer beyond a limit.
    pub const REFUSED: u64 = u64::MAX;

    /// An empty store that may take so much.
    pub fn new(engine: &Engine, quota: &Quota) -> Result<StoreOpaque> {
        let config = engine.heap_config(quota.heap_bytes);
        let heap = Heap::new(&config, engine.registry().table().clone());
        let heap = heap.map_err(|error| Error::limit(error.to_string()))?;
        StoreOpaque::with_heap(engine, quota, heap, config.verify)
    }

    /// A store around a heap that exists already.
    pub(super) fn with_heap(engine: &Engine, quota: &Quota, heap: Heap, verify: bool) -> Result<StoreOpaque> {
        let id = StoreId::next();
        let joined = stubs::join::<StoreOpaque>(&heap);
        Ok(StoreOpaque {
            guest: Guest::new(engine, quota, id, joined, verify),
            heap,
            lineage: Lineage::new(id),
            is_unusable: false,
            origin: None,
            first_id: id,
            quota: *quota,
            inbox: None,
            requests: None,
            finalized: Finalized::default(),
        })
    }

    /// Makes it an empty store, of the same engine and with the same limits.
    pub fn renew(&mut self) -> Result<()> {
        *self = StoreOpaque::new(self.engine(), &self.quota)?;
        Ok(())
    }

    /// The engine.
    #[inline]
    pub fn engine(&self) -> &Engine {
        self.guest.engine()
    }

    /// Which store it is, to handles that are made now.
    #[inline]
    pub fn id(&self) -> StoreId {
        self.lineage.id()
    }

    /// An error unless a handle that was made by the store `id` names something that is here.
    #[inline]
    pub fn check_handle(&self, id: StoreId, named: Named) -> Result<()> {
        self.lineage.check(id, named)
    }

    /// Which handles name something.
    pub(super) fn lineage(&self) -> &Lineage {
        &self.lineage
    }

    /// Which handles name something, for changing it.
    pub(super) fn lineage_mut(&mut self) -> &mut Lineage {
        &mut self.lineage
    }

    /// The checkpoint that it was made of.
    pub(super) fn origin(&self) -> Option<&Arc<StoreImage>> {
        self.origin.as_ref()
    }

    /// Notes that the store is made of this checkpoint.
    pub(super) fn set_origin(&mut self, origin: Arc<StoreImage>) {
        self.origin = Some(origin);
    }

    /// The id that it had first.
    pub(super) fn first_id(&self) -> StoreId {
        self.first_id
    }

    /// Whether a rollback has failed.
    pub(super) fn is_unusable(&self) -> bool {
        self.is_unusable
    }

    /// A rollback has failed, or one has ended well.
    pub(super) fn set_unusable(&mut self, is_unusable: bool) {
        self.is_unusable = is_unusable;
    }

    /// An error if a rollback has failed.
    #[inline]
    pub fn check_usable(&self) -> Result<()> {
        match self.is_unusable {
            false => Ok(()),
            true => Err(Error::usage("the store is unusable since a rollback failed; only another rollback may help")),
        }
    }

    /// Where messages from others wait, if it is open.
    pub(super) fn inbox(&self) -> &Option<OpenInbox> {
        &self.inbox
    }

    /// Requests of inspectors, if one was ever made.
    pub(super) fn requests_mut(&mut self) -> &mut Option<OpenRequests> {
        &mut self.requests
    }

    /// Objects that died, of which the host wants to know.
    pub fn finalized(&self) -> &Finalized {
        &self.finalized
    }

    /// Opens an inbox in place of the one before.
    pub(super) fn set_inbox(&mut self, inbox: OpenInbox) {
        self.inbox = Some(inbox);
    }

    /// The heap.
    #[inline]
    pub fn heap(&self) -> &Heap {
        &self.heap
    }

    /// The heap, for changing it.
    #[inline]
    pub fn heap_mut(&mut self) -> &mut Heap {
        &mut self.heap
    }

    /// What is not the heap.
    #[inline]
    pub fn guest(&self) -> &Guest {
        &self.guest
    }

    /// All but the heap, for changing it.
    #[inline]
    pub fn guest_mut(&mut self) -> &mut Guest {
        &mut self.guest
    }

    /// Guest and heap, for changing both.
    #[inline]
    pub fn guest_and_heap(&mut self) -> (&mut Guest, &mut Heap) {
        (&mut self.guest, &mut self.heap)
    }

    /// An instance.
    pub fn instance(&self, index: u32) -> &InstanceData {
        self.guest.entities().instance(index)
    }

    /// An error unless `engine` is the one of this store.
    pub fn check_engine(&self, engine: &Engine, what: &str) -> Result<()> {
        match Engine::same(engine, self.engine()) {
            true => Ok(()),
            false => Err(Error::usage(format!("{what} was used in a store of another engine"))),
        }
    }

    /// A type of the host in terms of the engine, held by the store from now on.
    pub fn take_type(&mut self, ty: &ValType) -> Result<m::ValType> {
        let taken = ty.resolve(self.engine().registry())?;
        if let ValType::Ref(ty) = ty {
            self.guest.types_mut().hold(&ty.heap);
        }
        Ok(taken)
    }

    /// The id of a function type, which the store holds from now on; an error if it is of another engine.
    pub fn take_func_type(&mut self, ty: &FuncType) -> Result<TypeId> {
        self.take_defined(ty.handle(), || ty.clone().into())
    }

    /// The id of a struct type, of which an object is about to be made, and which the store holds from now on; an error
    /// if it is of another engine.
    pub fn take_struct_type(&mut self, ty: &StructType) -> Result<TypeId> {
        self.take_defined(ty.handle(), || ty.clone().into())
    }

    /// The id of an array type, which the store holds from now on; an error if it is of another engine.
    pub fn take_array_type(&mut self, ty: &ArrayType) -> Result<TypeId> {
        self.take_defined(ty.handle(), || ty.clone().into())
    }

    fn take_defined(&mut self, handle: &TypeHandle, ty: impl FnOnce() -> HeapType) -> Result<TypeId> {
        let id = handle.id_in(self.engine().registry())?;
        self.guest.types_mut().hold_once(id, ty);
        Ok(id)
    }

    /// A table's type as a store has it; an error if no module could have such a table, or if its elements' type is of
    /// another engine. The store holds that type from now on.
    pub fn take_table_type(&mut self, ty: &TableType) -> Result<m::TableType> {
        ty.check()?;
        let element = ty.element.resolve(self.engine().registry())?;
        self.guest.types_mut().hold(&ty.element.heap);
        Ok(m::TableType { element, min: ty.min, max: ty.max, table64: ty.table64 })
    }

    /// A handle of a type that the store holds.
    pub fn type_handle(&self, id: TypeId) -> HeapType {
        self.guest.types().handle(self.engine(), id)
    }

    /// The structure of the type of one of its objects.
    #[inline]
    pub fn definition(&self, id: TypeId) -> &EngineType {
        self.guest.types().definition(self.engine(), id)
    }

    /// What makes its guest stop.
    pub fn interrupt_handle(&self) -> InterruptHandle {
        InterruptHandle::new(self.guest.execution().interrupt().clone())
    }

    /// Whether the guest may go on: the runtime asks where it works for long on its behalf.
    ///
    /// # Errors
    /// An interrupt was requested, which ends here; the time of an entry is over.
    pub fn check_interrupt(&mut self) -> Result<(), Trap> {
        let execution = self.guest.execution();
        let stop = if active(Mutant::InterruptNotSeen) { None } else { execution.stop() };
        let Some(trap) = stop else { return Ok(()) };
        execution.update_guard(self.heap.wants_collection());
        Err(trap)
    }

    /// Gives the memory of the heap that no object is in back to the system.
    pub fn return_memory(&mut self) {
        if self.is_unusable {
            return;
        }
        self.heap.return_memory();
        self.reap_host_values();
    }

    /// Collects everything in one pause, and drops host values that are dead. Cannot fail at present.
    pub fn collect(&mut self) -> Result<()> {
        self.check_usable()?;
        self.heap.collect_major(&mut self.guest);
        self.reap_host_values();
        Ok(())
    }

    /// A collection that is due comes at the guest's next poll, or at the next allocation.
    #[inline]
    pub fn ask_for_collection(&mut self) {
        if self.heap.wants_collection() {
            self.guest.execution().update_guard(true);
        }
    }

    /// Collects the young objects if that is due: for operations that write much and are at a safe point between two
    /// writes.
    pub fn collect_if_due(&mut self) {
        if self.heap.wants_collection() {
            self.heap.collect_minor(&mut self.guest);
        }
    }

    /// Promotes all young objects. Returns these references as they are afterwards.
    pub fn promote_all<const N: usize>(&mut self, references: [RawRef; N]) -> [RawRef; N] {
        let mark = self.guest.temporaries_mut().extend(references);
        self.heap.promote_all(&mut self.guest);
        let temporaries = self.guest.temporaries_mut();
        let promoted = std::array::from_fn(|index| temporaries.as_slice()[mark + index]);
        temporaries.truncate(mark);
        promoted
    }

    /// Zeroed immortal memory and its reference.
    pub fn new_block(&mut self, bytes: u32) -> Result<(Block, RawRef)> {
        self.with_room(|heap, _| Block::new(heap, bytes))
    }
}
