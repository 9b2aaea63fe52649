//! Allocation, and what the mutator does for the collector between collections.
//!
//! 1. A young object is bumped below the limit word. Beyond it, the next slice of eden is granted out of line, after a
//!    step of marking or sweeping, and after what a promote-all of everything granted could need was made ready.
//! 2. When eden is full a minor runs, and a marking starts if one is due.
//! 3. When what the embedder allowed so far is used up, the allocation ends before it has begun (`growth`).
//!    When the system or the limit refuses memory, the marking is finished or a major runs, then a compaction; then the
//!    allocation fails as `Exhausted`.
//! 4. Objects above 32 KiB, or above a quarter of eden, are pretenured: allocated in the old space.

use super::Heap;
use crate::embedder::errors::{Exhausted, Refused};
use crate::embedder::roots::RootProvider;
use crate::raw::cage::BLOCK_BYTES;
use crate::raw::object::ObjectReference;
use crate::spaces::Spaces;
use crate::spaces::blocks::block_start;
use crate::spaces::marks::EPOCH_MASK;
use crate::telemetry::event::GcCause;
use heapwood_gc_abi::header::{IMMORTAL, LARGE, UNLOGGED};
use heapwood_gc_abi::layout::{array_bytes, bytes_by_length, round_object_bytes};
use heapwood_gc_abi::space::INLINE_BYTES_MAX;
use heapwood_gc_abi::{RawRef, TypeId};

/// Bytes that the null collector takes at a time.
pub(super) const NULL_AREA_BYTES: u64 = 1 << 20;

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
        self.telemetry.resume_panic();
        made?;
        let limit = if self.stress.is_on() { self.spaces.top() + bytes / 4 } else { self.spaces.nursery().granted() };
        let limit = self.limit_before_sample(bytes, limit);
        self.spaces.set_limit(limit);
        Ok(())
    }

    /// Allocates a struct, an exception or another object of fixed size, zeroed. May collect.
    /// Above 32 KiB (or a quarter of eden) it is pretenured: stores of references into it need the barrier.
    pub fn alloc_struct(&mut self, ty: TypeId, roots: &mut dyn RootProvider) -> Result<RawRef, Exhausted> {
        let memory = self.spaces.memory();
        let descriptor = memory.descriptor(ty);
        debug_assert!(!descriptor.kind().has_length());
        let bytes = descriptor.size() as u64;
        if self.is_pretenured(bytes) {
            return self.alloc_old_struct(ty, roots);
        }
        let object = self.alloc_young(bytes as u32, roots)?;
        Ok(self.begin_struct(object, ty, bytes as u32))
    }

    /// Allocates a zeroed struct if eden has room for it now; none if it has not, or if the struct is to be pretenured.
    /// Never collects.
    #[inline]
    pub fn alloc_struct_at_once(&mut self, ty: TypeId) -> Option<RawRef> {
        let bytes = self.spaces.descriptor(ty).size() as u64;
        if self.is_pretenured(bytes) || self.spaces.top() + bytes as u32 / 4 > self.spaces.limit() {
            return None;
        }
        let object = self.take_young(bytes as u32);
        Some(self.begin_struct(object, ty, bytes as u32))
    }

    #[inline]
    fn begin_struct(&self, object: ObjectReference, ty: TypeId, bytes: u32) -> RawRef {
        self.spaces.memory().zero_object(object.0, bytes);
        self.spaces.memory().set_header(object, ty.header(0));
        object.0
    }

    /// Allocates an array of `length` elements, or a string of as many units, zeroed. May collect. The length may be
    /// anything: an array that cannot fit the limit is `Exhausted` before anything is done. Arrays above 32 KiB (or a
    /// quarter of eden) are pretenured: stores of references into them need the barrier.
    pub fn alloc_array(&mut self, ty: TypeId, length: u32, roots: &mut dyn RootProvider) -> Result<RawRef, Exhausted> {
        let memory = self.spaces.memory();
        let descriptor = memory.descriptor(ty);
        debug_assert!(descriptor.kind().has_length());
        let bytes = bytes_by_length(descriptor.kind(), descriptor.elem_shift(), length);
        if self.is_pretenured(bytes) {
            return self.alloc_old_array(ty, length, roots);
        }
        let object = self.alloc_young(bytes as u32, roots)?;
        self.spaces.memory().zero_object(object.0, bytes as u32);
        self.spaces.memory().set_header(object, ty.header(0));
        self.spaces.memory().set_word(object.0 + 1, length);
        Ok(object.0)
    }

    /// Allocates an object of fixed size in the old space, zeroed; its first store of a reference is logged. For
    /// objects of constant expressions that are not transitively immutable. May collect.
    pub fn alloc_old_struct(&mut self, ty: TypeId, roots: &mut dyn RootProvider) -> Result<RawRef, Exhausted> {
        let bytes = self.spaces.descriptor(ty).size() as u64;
        let object = self.alloc_old(ty, bytes, roots);
        self.telemetry.resume_panic();
        Ok(object?.0)
    }

    /// Allocates an array or a string in the old space, zeroed; stores of references need the barrier. May collect.
    pub fn alloc_old_array(
        &mut self,
        ty: TypeId,
        length: u32,
        roots: &mut dyn RootProvider,
    ) -> Result<RawRef, Exhausted> {
        let descriptor = self.spaces.descriptor(ty);
        let bytes = bytes_by_length(descriptor.kind(), descriptor.elem_shift(), length);
        let array = self.alloc_old(ty, bytes, roots);
        if let Ok(array) = array {
            self.spaces.memory().set_word(array.0 + 1, length);
        }
        self.telemetry.resume_panic();
        Ok(array?.0)
    }

    /// Takes zeroed raw memory that never moves and is never freed or scanned, for instance contexts and function
    /// objects. It starts at a multiple of 8 bytes. Does not collect.
    pub fn alloc_immortal(&mut self, bytes: u64) -> Result<RawRef, Exhausted> {
        let taken = self.spaces.allocate_immortal(bytes);
        taken.map_err(|refused| self.exhausted(bytes, refused))
    }

    /// Takes back all immortal memory from `end` on, a place where it ended before. Nothing names what lies there, not
    /// even what is dead and was not collected yet: but for function objects and constants, which the collector never
    /// follows.
    pub fn truncate_immortal(&mut self, end: RawRef) {
        self.spaces.truncate_immortal(end);
    }

    /// Allocates an immortal object of fixed size, zeroed. It must only ever reference immortal objects and its
    /// references are written once (`init_immortal_ref`). Does not collect.
    pub fn alloc_immortal_object(&mut self, ty: TypeId) -> Result<RawRef, Exhausted> {
        let bytes = self.spaces.descriptor(ty).size() as u64;
        self.alloc_immortal_bytes(ty, bytes)
    }

    /// Allocates an immortal array, zeroed. The rule of [`Heap::alloc_immortal_object`] applies. Does not collect.
    pub fn alloc_immortal_array(&mut self, ty: TypeId, length: u32) -> Result<RawRef, Exhausted> {
        let bytes = array_bytes(self.spaces.descriptor(ty).elem_shift(), length);
        let array = self.alloc_immortal_bytes(ty, bytes)?;
        self.spaces.memory().set_word(array + 1, length);
        Ok(array)
    }

    fn alloc_immortal_bytes(&mut self, ty: TypeId, bytes: u64) -> Result<RawRef, Exhausted> {
        let object = self.alloc_immortal(bytes)?;
        self.spaces.memory().set_header(ObjectReference(object), ty.header(IMMORTAL));
        if self.config.verify {
            self.spaces.note_immortal(object);
        }
        Ok(object)
    }

    #[inline]
    fn is_pretenured(&self, bytes: u64) -> bool {
        bytes > (self.spaces.nursery().eden_bytes() / 4).min(INLINE_BYTES_MAX) as u64
    }

    /// Collects before an allocation if stress says so, or if the log has asked for a collection.
    fn before_allocation(&mut self, roots: &mut dyn RootProvider) {
        if !self.is_collected() {
            return;
        }
        if let Some(kind) = self.stress.tick() {
            self.stress_collect(kind, roots);
        } else if self.wants_collection() {
            self.minor(GcCause::LogFull, false, roots);
        }
    }

    fn alloc_young(&mut self, bytes: u32, roots: &mut dyn RootProvider) -> Result<ObjectReference, Exhausted> {
        if self.spaces.top() + bytes / 4 > self.spaces.limit() {
            self.reserve(bytes, roots)?;
        }
        Ok(self.take_young(bytes))
    }

    /// What lies at the top of eden, where there is room.
    #[inline]
    fn take_young(&mut self, bytes: u32) -> ObjectReference {
        let top = self.spaces.top();
        self.spaces.set_top(top + bytes / 4);
        ObjectReference(top)
    }

    /// Makes eden's grant reach `bytes` beyond the top.
    fn make_room(&mut self, bytes: u32, roots: &mut dyn RootProvider) -> Result<(), Exhausted> {
        if !self.is_collected() {
            return self.make_room_null(bytes);
        }
        let mut attempt = 0;
        while self.spaces.top() + bytes / 4 > self.spaces.nursery().granted() {
            match self.spaces.nursery().next_grant(self.spaces.top(), bytes, self.is_marking_late()) {
                Some(granted) => {
                    // A step right after a minor would lengthen its pause.
                    if attempt == 0 && self.spaces.nursery().granted() > self.spaces.nursery().eden_start() {
                        self.pace(roots);
                    }
                    if let Err(refused) = self.grant(granted) {
                        self.emergency(&mut attempt, refused, bytes as u64, roots)?;
                    }
                }
                None => match self.prepare() {
                    Ok(()) => self.minor(GcCause::EdenFull, false, roots),
                    Err(refused) => self.emergency(&mut attempt, refused, bytes as u64, roots)?,
                },
            }
        }
        Ok(())
    }

    /// Grants eden up to `granted`: makes ready what the next minor can need, unless eden is cold.
    fn grant(&mut self, granted: u32) -> Result<(), Refused> {
        if !self.spaces.nursery().is_prepared() && self.can_stay_cold() {
            self.spaces.grant_cold(granted)?;
            self.charge_side();
            return Ok(());
        }
        self.grant_prepared(granted)
    }

    /// Grants `granted` bytes of eden and makes ready what a collection of them would need, also while the heap is
    /// cold.
    pub(super) fn grant_prepared(&mut self, granted: u32) -> Result<(), Refused> {
        self.spaces.make_marks_ready()?;
        self.marking.make_ready(self.spaces.cage_mut())?;
        let blocks = self.spaces.nursery().reserve_blocks(granted);
        self.make_ready(blocks)?;
        let survivors = self.spaces.nursery().survivors().len();
        let young_bytes = (granted - self.spaces.nursery().eden_start()) as usize * 4 + survivors * 4;
        self.spaces.make_stacks_ready(young_bytes)?;
        self.remembered.make_room(self.spaces.cage_mut(), young_bytes / 16)?;
        self.spaces.grant(granted)?;
        self.charge_side();
        Ok(())
    }

    /// Makes `blocks` ready; sweeps as long as the limit is what refuses.
    pub(super) fn make_ready(&mut self, blocks: u32) -> Result<(), Refused> {
        self.sweep_while_refused(|spaces| spaces.make_ready(blocks))
    }

    /// Takes memory; sweeps as long as the limit, or the reach, is what refuses: then the mutator waits for that.
    fn sweep_while_refused<T>(
        &mut self,
        mut take: impl FnMut(&mut Spaces) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        let is_full = |result: &Result<T, Refused>| matches!(result, Err(Refused::Limit | Refused::Reach { .. }));
        let mut result = take(&mut self.spaces);
        if is_full(&result) && !self.is_swept() && !self.is_growth_wanted(Refused::Limit) {
            let pause = self.pause();
            while is_full(&result) && !self.is_swept() {
                self.sweeper().some();
                result = take(&mut self.spaces);
            }
            self.stalled(pause);
        }
        result
    }

    fn alloc_old(
        &mut self,
        ty: TypeId,
        bytes: u64,
        roots: &mut dyn RootProvider,
    ) -> Result<ObjectReference, Exhausted> {
        if bytes > self.limit_bytes() {
            return Err(self.exhausted(bytes, Refused::Limit));
        }
        self.before_allocation(roots);
        if self.is_collected() {
            self.hold_or_prepare(bytes).map_err(|refused| self.exhausted(bytes, refused))?;
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
        self.spaces.memory().set_header(object, ty.header(large | unlogged));
        self.telemetry.count_old(bytes);
        debug_assert!(self.is_unmarked(object), "fresh memory carries a mark");
        Ok(object)
    }

    /// Whether an object has no mark, as far as there are marks.
    fn is_unmarked(&self, object: ObjectReference) -> bool {
        !self.spaces.nursery().is_prepared() || self.spaces.memory().mark(object.0) & EPOCH_MASK == 0
    }

    /// Takes zeroed memory of the old or large space.
    fn take_old(&mut self, bytes: u64) -> Result<ObjectReference, Refused> {
        if bytes <= BLOCK_BYTES as u64 {
            // What the nursery needs stays ready.
            self.make_ready(self.reserved_blocks() + 1)?;
            let object = self.spaces.allocate_old(bytes as u32).ok_or(Refused::Limit)?;
            self.spaces.memory().zero_object(object.0, bytes as u32);
            return Ok(object);
        }
        let block = self.sweep_while_refused(|spaces| spaces.take_run(bytes))?;
        if let Err(refused) = self.make_ready(self.reserved_blocks()) {
            // The run took ready blocks that the next minor may need, and no others could be made ready.
            self.spaces.untake_run(block, bytes);
            return Err(refused);
        }
        self.spaces.old_mut().add_allocated(bytes);
        Ok(ObjectReference(block_start(block)))
    }

    /// Blocks that have to stay ready for the next minor.
    fn reserved_blocks(&self) -> u32 {
        if self.is_collected() && self.spaces.nursery().is_prepared() { self.spaces.reserved_blocks() } else { 0 }
    }

    /// Makes room in a heap without a collector, which hands out memory in order and frees nothing.
    fn make_room_null(&mut self, bytes: u32) -> Result<(), Exhausted> {
        if self.spaces.top() + bytes / 4 <= self.spaces.nursery().granted() {
            return Ok(());
        }
        let block = self.spaces.take_run(NULL_AREA_BYTES).map_err(|refused| self.exhausted(bytes as u64, refused))?;
        self.telemetry.count_eden(self.young_bytes());
        self.spaces.allocate_in_run(block, NULL_AREA_BYTES);
        Ok(())
    }
}
