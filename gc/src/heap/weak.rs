//! Host values, weak cells and ephemerons, as the runtime makes and reads them.

use super::Heap;
use crate::embedder::errors::{Exhausted, Refused};
use crate::embedder::roots::RootProvider;
use crate::raw::object::{ObjectReference, is_old, is_young};
use crate::weak::weak_cells;
use heapwood_gc_abi::layout::HOST_VALUE_INDEX_OFFSET;
use heapwood_gc_abi::{ObjectKind, RawRef, TypeId};

impl Heap {
    /// Allocates the cell of a host value (`ty` of kind `HostValue`) with its slab index. May collect.
    pub fn alloc_host_value(
        &mut self,
        ty: TypeId,
        index: u32,
        roots: &mut dyn RootProvider,
    ) -> Result<RawRef, Exhausted> {
        debug_assert_eq!(self.spaces.descriptor(ty).kind(), ObjectKind::HostValue);
        let bytes = self.spaces.descriptor(ty).size() as u64;
        let room = self.weak.hosts_mut().make_room(self.spaces.cage_mut());
        room.map_err(|refused| self.exhausted(bytes, refused))?;
        let cell = self.alloc_struct(ty, roots)?;
        self.spaces.memory().set_word(cell + HOST_VALUE_INDEX_OFFSET / 4, index);
        self.weak.hosts_mut().add(ObjectReference(cell));
        Ok(cell)
    }

    /// Allocates a weak cell or an ephemeron (`ty` is of that kind), cleared: [`Heap::init_weak`] or
    /// [`Heap::init_ephemeron`] comes next. May collect. Errors: the limit, or 8 million weak cells or 4 million
    /// ephemerons are there.
    pub fn alloc_weak(&mut self, ty: TypeId, roots: &mut dyn RootProvider) -> Result<RawRef, Exhausted> {
        let descriptor = self.spaces.descriptor(ty);
        let (kind, size) = (descriptor.kind(), descriptor.size());
        debug_assert!(matches!(kind, ObjectKind::Weak | ObjectKind::Ephemeron));
        if kind == ObjectKind::Ephemeron {
            self.reserve_waiting(roots)?;
        }
        let cell = self.alloc_struct(ty, roots)?;
        let room = self.weak.make_room(self.spaces.cage_mut(), kind);
        room.map_err(|refused| self.exhausted(size as u64, refused))?;
        self.charge_side();
        self.telemetry.resume_panic();
        Ok(cell)
    }

    /// Reserves memory so that one more ephemeron can wait for its key in the next marking.
    fn reserve_waiting(&mut self, roots: &mut dyn RootProvider) -> Result<(), Exhausted> {
        let mut attempt = 0;
        while self.is_collected() {
            let more = self.weak.waiting_reserve(1).saturating_sub(self.weak.waiting_reserve(0));
            if more <= self.spaces.grantable_bytes() {
                break;
            }
            self.spaces.charge_mut().want(more);
            let freed = self.emergency(&mut attempt, Refused::Limit, more, roots);
            self.telemetry.resume_panic();
            freed?;
        }
        Ok(())
    }

    /// Whether [`Heap::pop_dead_host_value`] has one.
    #[inline]
    pub fn has_dead_host_values(&self) -> bool {
        self.weak.has_dead_hosts()
    }

    /// Takes the slab index of a host value whose cell died. Call it outside of pauses, until it returns `None`.
    pub fn pop_dead_host_value(&mut self) -> Option<u32> {
        self.weak.hosts_mut().pop_dead()
    }

    /// Makes a fresh weak cell name `referent`: right after it was allocated, before anything may collect, and once.
    pub fn init_weak(&mut self, cell: RawRef, referent: RawRef) {
        debug_assert_eq!(self.descriptor_of(cell).kind(), ObjectKind::Weak);
        debug_assert!(is_young(cell) || !self.is_collected(), "the cell {cell:#x} is not fresh");
        weak_cells::set_referent(self.spaces.memory(), cell, referent);
        if self.is_collected() && (is_old(referent) || is_young(referent)) {
            self.weak.add(ObjectKind::Weak, ObjectReference(cell));
        }
    }

    /// What a weak cell names: null once that died. An i31, an immortal object and null never do. Never collects.
    pub fn weak_get(&mut self, cell: RawRef) -> RawRef {
        debug_assert_eq!(self.descriptor_of(cell).kind(), ObjectKind::Weak);
        let referent = self.weak.referent(self.spaces.memory(), self.spaces.epoch(), cell);
        self.shade_read(referent);
        referent
    }

    /// Makes a fresh ephemeron hold `key` and `value`: right after it was allocated, before anything may collect, and
    /// once. A key that is no object never dies; null makes a cleared one.
    pub fn init_ephemeron(&mut self, cell: RawRef, key: RawRef, value: RawRef) {
        debug_assert_eq!(self.descriptor_of(cell).kind(), ObjectKind::Ephemeron);
        debug_assert!(is_young(cell) || !self.is_collected(), "the ephemeron {cell:#x} is not fresh");
        weak_cells::set_key(self.spaces.memory(), cell, key);
        weak_cells::set_value(self.spaces.memory(), cell, if key == 0 { 0 } else { value });
        if self.is_collected() && key != 0 {
            self.weak.add(ObjectKind::Ephemeron, ObjectReference(cell));
        }
    }

    /// Key and value of an ephemeron; none once the key died. Never collects.
    pub fn ephemeron_get(&mut self, cell: RawRef) -> Option<(RawRef, RawRef)> {
        debug_assert_eq!(self.descriptor_of(cell).kind(), ObjectKind::Ephemeron);
        let (key, value) = self.weak.entry(self.spaces.memory(), self.spaces.epoch(), cell)?;
        self.shade_read(key);
        self.shade_read(value);
        Some((key, value))
    }

    /// Overwrites the value of an ephemeron, with the barrier. Returns false, and does nothing, if its key died. Never
    /// collects.
    pub fn ephemeron_set_value(&mut self, cell: RawRef, value: RawRef) -> bool {
        if self.ephemeron_get(cell).is_none() {
            return false;
        }
        self.barrier(cell);
        weak_cells::set_value(self.spaces.memory(), cell, value);
        true
    }

    #[inline]
    fn shade_read(&mut self, reference: RawRef) {
        #[cfg(feature = "test-hooks")]
        if self.hooks.skip_weak_reads {
            return;
        }
        self.shade(reference);
    }
}
