//! Allocation, and what the mutator does for the collector between collections.
//!
//! 1. Young: bump below the limit word. Out of line, the next slice of eden is granted, after a step of marking or
//!    sweeping, and after what a promote-all of everything granted could need was made ready.
//! 2. Eden full: a minor, and the start of a marking if one is due.
//! 3. The system or the limit refuses: the marking is finished or a major runs, then a compaction, then `Exhausted`.
//! 4. Objects above 32 KiB, or above a quarter of eden, are born old.

use crate::charge::Refused;
use crate::config::Exhausted;
use crate::evacuate::EDGES_MAX;
use crate::event::GcCause;
use crate::heap::Heap;
use crate::mark::EPOCH_MASK;
use crate::nursery::EDEN_START;
use crate::raw::cage::BLOCK_BYTES;
use crate::raw::object::ObjectReference;
use crate::roots::RootProvider;
use heapwood_gc_abi::header::{IMMORTAL, LARGE, UNLOGGED};
use heapwood_gc_abi::layout::{HOST_VALUE_INDEX_OFFSET, array_bytes, round_object_bytes};
use heapwood_gc_abi::space::INLINE_BYTES_MAX;
use heapwood_gc_abi::{ObjectKind, RawRef, TypeId};

/// A heap that has less than this part of its limit free after an emergency compaction is exhausted.
const FREE_PART_MIN: u64 = 64;
/// A compaction needs free blocks to empty others into: what it gains lets the next one gain more.
const COMPACTIONS_MAX: u32 = 5;
/// Bytes that the null collector takes at a time.
pub(crate) const NULL_AREA_BYTES: u64 = 1 << 20;

impl Heap {
    /// Makes sure that a bump of `bytes` (at most [`INLINE_BYTES_MAX`]) at ALLOC_TOP succeeds: the slow path of
    /// inline allocation. The runtime has written r12d to ALLOC_TOP before, and reloads it after. May collect, so
    /// objects may move. Counts as one allocation for stress. Errors: the limit, after an emergency compaction.
    pub fn reserve(&mut self, bytes: u32, roots: &mut dyn RootProvider) -> Result<(), Exhausted> {
        let bytes = round_object_bytes(bytes as u64) as u32;
        assert!(bytes <= INLINE_BYTES_MAX, "{bytes} bytes are not allocated inline");
        self.before_allocation(roots);
        let made = self.make_room(bytes, roots);
        // Nothing is allocated yet, so that nothing is left half done.
        self.resume_listener_panic();
        made?;
        let limit = if self.stress.is_on() { self.top() + bytes / 4 } else { self.nursery.granted() };
        let limit = self.limit_before_sample(bytes, limit);
        self.set_limit(limit);
        Ok(())
    }

    /// Allocates a struct, an exception or another object of fixed size, zeroed. May collect.
    /// Above 32 KiB (or a quarter of eden) it is born old: stores of references into it need the barrier.
    pub fn alloc_struct(&mut self, ty: TypeId, roots: &mut dyn RootProvider) -> Result<RawRef, Exhausted> {
        let memory = self.memory;
        let descriptor = memory.descriptor(ty);
        debug_assert!(!matches!(descriptor.kind(), ObjectKind::ArrayData | ObjectKind::ArrayRef));
        let bytes = descriptor.size() as u64;
        if self.is_born_old(bytes) {
            return self.alloc_old_struct(ty, roots);
        }
        let object = self.alloc_young(bytes as u32, roots)?;
        self.memory.zero_object(object.0, bytes as u32);
        self.memory.set_header(object, ty.header(0));
        Ok(object.0)
    }

    /// Allocates an array of `length` elements, zeroed. May collect. Any size: `Exhausted` before anything is done
    /// if it cannot fit the limit. Large ones are born old: stores of references need the barrier.
    pub fn alloc_array(&mut self, ty: TypeId, length: u32, roots: &mut dyn RootProvider) -> Result<RawRef, Exhausted> {
        let memory = self.memory;
        let descriptor = memory.descriptor(ty);
        debug_assert!(matches!(descriptor.kind(), ObjectKind::ArrayData | ObjectKind::ArrayRef));
        let bytes = array_bytes(descriptor.elem_shift(), length);
        if self.is_born_old(bytes) {
            return self.alloc_old_array(ty, length, roots);
        }
        let object = self.alloc_young(bytes as u32, roots)?;
        self.memory.zero_object(object.0, bytes as u32);
        self.memory.set_header(object, ty.header(0));
        self.memory.set_word(object.0 + 1, length);
        Ok(object.0)
    }

    /// Allocates the cell of a host value (`ty` of kind `HostValue`) with its slab index. May collect.
    pub fn alloc_host_value(
        &mut self,
        ty: TypeId,
        index: u32,
        roots: &mut dyn RootProvider,
    ) -> Result<RawRef, Exhausted> {
        debug_assert_eq!(self.memory.descriptor(ty).kind(), ObjectKind::HostValue);
        let bytes = self.memory.descriptor(ty).size() as u64;
        self.hosts.make_room(&mut self.cage).map_err(|refused| self.exhausted(bytes, refused))?;
        let cell = self.alloc_struct(ty, roots)?;
        self.memory.set_word(cell + HOST_VALUE_INDEX_OFFSET / 4, index);
        self.hosts.add(ObjectReference(cell));
        Ok(cell)
    }

    /// Allocates a weak cell or an ephemeron (`ty` is of that kind), cleared: [`Heap::init_weak`] or
    /// [`Heap::init_ephemeron`] comes next. May collect. Errors: the limit, or 8 million weak cells or 4 million
    /// ephemerons are there.
    pub fn alloc_weak(&mut self, ty: TypeId, roots: &mut dyn RootProvider) -> Result<RawRef, Exhausted> {
        let descriptor = self.memory.descriptor(ty);
        let (kind, size) = (descriptor.kind(), descriptor.size());
        debug_assert!(matches!(kind, ObjectKind::Weak | ObjectKind::Ephemeron));
        if kind == ObjectKind::Ephemeron {
            self.reserve_waiting(roots)?;
        }
        let cell = self.alloc_struct(ty, roots)?;
        let room = self.weak.make_room(&mut self.cage, kind);
        room.map_err(|refused| self.exhausted(size as u64, refused))?;
        self.sync_side_charge();
        self.resume_listener_panic();
        Ok(cell)
    }

    /// Sees to it that the next marking can let one ephemeron more wait.
    fn reserve_waiting(&mut self, roots: &mut dyn RootProvider) -> Result<(), Exhausted> {
        let mut attempt = 0;
        while self.is_collected() {
            let more = self.waiting_reserve(1).saturating_sub(self.waiting_reserve(0));
            if more <= self.charge.available_bytes() {
                break;
            }
            let freed = self.emergency(&mut attempt, Refused::Limit, more, roots);
            self.resume_listener_panic();
            freed?;
        }
        Ok(())
    }

    /// Allocates an object of fixed size in the old space, zeroed; its first store of a reference is logged. For
    /// objects of constant expressions that are not transitively immutable. May collect.
    pub fn alloc_old_struct(&mut self, ty: TypeId, roots: &mut dyn RootProvider) -> Result<RawRef, Exhausted> {
        let bytes = self.memory.descriptor(ty).size() as u64;
        let object = self.alloc_old(ty, bytes, roots);
        self.resume_listener_panic();
        Ok(object?.0)
    }

    /// Allocates an array in the old space, zeroed; stores of references need the barrier. May collect.
    pub fn alloc_old_array(
        &mut self,
        ty: TypeId,
        length: u32,
        roots: &mut dyn RootProvider,
    ) -> Result<RawRef, Exhausted> {
        let bytes = array_bytes(self.memory.descriptor(ty).elem_shift(), length);
        let array = self.alloc_old(ty, bytes, roots);
        if let Ok(array) = array {
            self.memory.set_word(array.0 + 1, length);
        }
        self.resume_listener_panic();
        Ok(array?.0)
    }

    /// Takes zeroed raw memory that never moves and is never freed or scanned, for instance contexts and function
    /// objects. It starts at a multiple of 8 bytes. Does not collect.
    pub fn alloc_immortal(&mut self, bytes: u64) -> Result<RawRef, Exhausted> {
        let taken = self.immortal.allocate(&mut self.cage, &mut self.charge, bytes);
        taken.map_err(|refused| self.exhausted(bytes, refused))
    }

    /// Allocates an immortal object of fixed size, zeroed. It must only ever reference immortal objects and its
    /// references are written once (`init_immortal_ref`). Does not collect.
    pub fn alloc_immortal_object(&mut self, ty: TypeId) -> Result<RawRef, Exhausted> {
        let bytes = self.memory.descriptor(ty).size() as u64;
        self.alloc_immortal_bytes(ty, bytes)
    }

    /// Allocates an immortal array, zeroed, under the same rule.
    pub fn alloc_immortal_array(&mut self, ty: TypeId, length: u32) -> Result<RawRef, Exhausted> {
        let bytes = array_bytes(self.memory.descriptor(ty).elem_shift(), length);
        let array = self.alloc_immortal_bytes(ty, bytes)?;
        self.memory.set_word(array + 1, length);
        Ok(array)
    }

    fn alloc_immortal_bytes(&mut self, ty: TypeId, bytes: u64) -> Result<RawRef, Exhausted> {
        let object = self.alloc_immortal(bytes)?;
        self.memory.set_header(ObjectReference(object), ty.header(IMMORTAL));
        if self.config.verify {
            self.immortal.note_object(object);
        }
        Ok(object)
    }

    pub(crate) fn exhausted(&self, requested_bytes: u64, why: Refused) -> Exhausted {
        Exhausted { limit_bytes: self.charge.limit_bytes(), requested_bytes, why }
    }

    fn is_born_old(&self, bytes: u64) -> bool {
        bytes > (self.nursery.eden_bytes() / 4).min(INLINE_BYTES_MAX) as u64
    }

    /// Stress, and collections that were asked for.
    fn before_allocation(&mut self, roots: &mut dyn RootProvider) {
        if !self.is_collected() {
            return;
        }
        if let Some(kind) = self.stress.tick() {
            self.stress_collect(kind, roots);
        } else if self.wants_collection {
            self.minor(GcCause::LogFull, false, roots);
        }
    }

    fn alloc_young(&mut self, bytes: u32, roots: &mut dyn RootProvider) -> Result<ObjectReference, Exhausted> {
        if self.top() + bytes / 4 > self.memory.hot(heapwood_gc_abi::hot::ALLOC_LIMIT) {
            self.reserve(bytes, roots)?;
        }
        let top = self.top();
        self.set_top(top + bytes / 4);
        Ok(ObjectReference(top))
    }

    /// Makes eden's grant reach `bytes` beyond the top.
    fn make_room(&mut self, bytes: u32, roots: &mut dyn RootProvider) -> Result<(), Exhausted> {
        if !self.is_collected() {
            return self.make_room_null(bytes);
        }
        let mut attempt = 0;
        while self.top() + bytes / 4 > self.nursery.granted() {
            match self.nursery.next_grant(self.top(), bytes, self.is_marking_late()) {
                Some(granted) => {
                    // A step right after a minor would lengthen its stop.
                    if attempt == 0 && self.nursery.granted() > EDEN_START {
                        self.pace(roots);
                    }
                    if let Err(refused) = self.grant(granted) {
                        self.emergency(&mut attempt, refused, bytes as u64, roots)?;
                    }
                }
                None => self.minor(GcCause::EdenFull, false, roots),
            }
        }
        Ok(())
    }

    /// Grants eden up to `granted`: makes ready what the next minor can need.
    fn grant(&mut self, granted: u32) -> Result<(), Refused> {
        let blocks = self.nursery.reserve_blocks(granted);
        self.make_ready(blocks)?;
        let young_bytes = (granted - EDEN_START) as usize * 4 + self.nursery.survivors().len() * 4;
        self.stack.grow_populated(&mut self.cage, young_bytes / 16)?;
        self.edges.grow_populated(&mut self.cage, EDGES_MAX)?;
        self.log.make_room(&mut self.cage, young_bytes / 16)?;
        self.nursery.grant(&mut self.cage, &mut self.charge, granted)?;
        self.sync_side_charge();
        Ok(())
    }

    /// Sees to it that `blocks` are ready; sweeps as long as the limit is what refuses.
    pub(crate) fn make_ready(&mut self, blocks: u32) -> Result<(), Refused> {
        self.sweep_while_refused(|heap| heap.old.blocks.make_ready(&mut heap.cage, &mut heap.charge, blocks))
    }

    /// Takes memory; sweeps as long as the limit is what refuses: then the mutator waits for that.
    fn sweep_while_refused<T>(&mut self, mut take: impl FnMut(&mut Heap) -> Result<T, Refused>) -> Result<T, Refused> {
        let mut result = take(self);
        if matches!(result, Err(Refused::Limit)) && !self.is_swept() {
            let stop = self.stop();
            while matches!(result, Err(Refused::Limit)) && !self.is_swept() {
                self.sweep_some();
                result = take(self);
            }
            self.stalled(stop);
        }
        result
    }

    /// Frees memory, harder with each attempt; `refused` is what the last one came to.
    fn emergency(
        &mut self,
        attempt: &mut u32,
        refused: Refused,
        requested_bytes: u64,
        roots: &mut dyn RootProvider,
    ) -> Result<(), Exhausted> {
        *attempt += 1;
        let (limit_bytes, used_before) = (self.charge.limit_bytes(), self.charge.used_bytes());
        match *attempt {
            1 if self.is_marking() => self.finish_marking(GcCause::Emergency, roots),
            1 => self.major(GcCause::Emergency, roots),
            2..=COMPACTIONS_MAX => self.compact(GcCause::Emergency, false, roots),
            _ => return Err(self.exhausted(requested_bytes, refused)),
        }
        self.stall();
        self.shrink_nursery();
        let gained = used_before.saturating_sub(self.charge.used_bytes());
        let is_futile = *attempt > 2 && gained < limit_bytes / FREE_PART_MIN;
        // With little left, going on would collect for every few objects. But holes are not counted before a compaction, and
        // one that gained something lets the next one gain more.
        let is_low = self.charge.available_bytes() < limit_bytes / FREE_PART_MIN;
        if is_low && (*attempt == 1 || gained > 0 && *attempt < COMPACTIONS_MAX) {
            return self.emergency(attempt, refused, requested_bytes, roots);
        }
        if is_futile || is_low { Err(self.exhausted(requested_bytes, refused)) } else { Ok(()) }
    }

    /// Memory is short: the nursery takes its part of what is free now, not of what was free once.
    fn shrink_nursery(&mut self) {
        if self.config.nursery_bytes.is_none() && self.nursery.granted() == EDEN_START {
            let young_bytes = self.policy.young_bytes_within(self.charge.available_bytes());
            self.nursery.set_young_bytes(young_bytes);
        }
        self.trim_nursery();
    }

    fn alloc_old(
        &mut self,
        ty: TypeId,
        bytes: u64,
        roots: &mut dyn RootProvider,
    ) -> Result<ObjectReference, Exhausted> {
        if bytes > self.charge.limit_bytes() {
            return Err(self.exhausted(bytes, Refused::Limit));
        }
        self.before_allocation(roots);
        if self.is_collected() {
            if self.is_marking_due() {
                self.minor(GcCause::Threshold, true, roots);
            }
            self.pace(roots);
        }
        let mut attempt = 0;
        let object = loop {
            match self.take_old(bytes) {
                Ok(object) => break object,
                Err(refused) if !self.is_collected() => return Err(self.exhausted(bytes, refused)),
                Err(refused) => self.emergency(&mut attempt, refused, bytes, roots)?,
            }
        };
        let large = if bytes > BLOCK_BYTES as u64 { LARGE } else { 0 };
        let unlogged = if self.is_collected() { UNLOGGED } else { 0 };
        self.memory.set_header(object, ty.header(large | unlogged));
        self.stats.old_allocated_bytes += bytes;
        debug_assert!(self.memory.mark(object.0) & EPOCH_MASK == 0, "fresh memory carries a mark");
        Ok(object)
    }

    /// Zeroed memory of the old or large space.
    fn take_old(&mut self, bytes: u64) -> Result<ObjectReference, Refused> {
        if bytes <= BLOCK_BYTES as u64 {
            // What the nursery needs stays ready.
            self.make_ready(self.reserved_blocks() + 1)?;
            let object = self.old.allocate(bytes as u32).ok_or(Refused::Limit)?;
            self.memory.zero_object(object.0, bytes as u32);
            return Ok(object);
        }
        let epoch = self.old.epoch;
        let take = |heap: &mut Heap| heap.old.blocks.take_run(&mut heap.cage, &mut heap.charge, bytes, epoch);
        let block = self.sweep_while_refused(take)?;
        if let Err(refused) = self.make_ready(self.reserved_blocks()) {
            // The run took blocks that the nursery needs.
            self.old.blocks.untake_run(&mut self.charge, block, bytes);
            return Err(refused);
        }
        self.old.allocated_bytes += bytes;
        Ok(ObjectReference(crate::blocks::block_start(block)))
    }

    /// Blocks that have to stay ready for the next minor.
    pub(crate) fn reserved_blocks(&self) -> u32 {
        if self.is_collected() { self.nursery.reserve_blocks(self.nursery.granted()) } else { 0 }
    }

    /// Without a collector, memory is handed out in order.
    fn make_room_null(&mut self, bytes: u32) -> Result<(), Exhausted> {
        if self.top() + bytes / 4 <= self.nursery.granted() {
            return Ok(());
        }
        let epoch = self.old.epoch;
        let block = self
            .old
            .blocks
            .take_run(&mut self.cage, &mut self.charge, NULL_AREA_BYTES, epoch)
            .map_err(|refused| self.exhausted(bytes as u64, refused))?;
        let start = crate::blocks::block_start(block);
        self.stats.eden_bytes += self.young_bytes();
        self.set_top(start);
        self.nursery.set_granted(start + (NULL_AREA_BYTES / 4) as u32);
        Ok(())
    }
}
