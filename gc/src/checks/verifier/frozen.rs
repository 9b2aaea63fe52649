//! What the verifier checks of frozen objects.

use super::{Origin, Verifier};
use crate::raw::block::BlockState;
use crate::raw::cage::BLOCK_REFS;
use crate::raw::object::{ObjectReference, is_old};
use crate::spaces::blocks::{block_of, block_start};
use heapwood_gc_abi::RawRef;
use heapwood_gc_abi::header::FROZEN_WRITTEN;

impl Verifier<'_> {
    /// Whether an object lies in a frozen block.
    pub(super) fn is_frozen(&self, reference: RawRef) -> bool {
        is_old(reference) && self.memory.block(block_of(reference)).is_frozen()
    }

    /// The bit that the header of a written frozen object has beside those of its space.
    pub(super) fn written_bit(&self, object: ObjectReference) -> u32 {
        if self.written.contains(&object.0) { FROZEN_WRITTEN } else { 0 }
    }

    /// Step 8 for a field of an object.
    pub(super) fn check_frozen(&self, host: RawRef, value: RawRef, origin: Origin) {
        let is_clean = self.is_frozen(host) && !self.written.contains(&host) && !self.log_lost;
        if is_clean && (crate::raw::object::is_young(value) || is_old(value) && !self.is_frozen(value)) {
            self.fail(origin, format_args!("frozen {host:#x}, which is not listed as written, names {value:#x}"));
        }
    }

    /// Step 8 for the marks.
    pub(super) fn check_frozen_marks(&self) {
        for block in 0..self.parts.spaces.blocks_high() {
            let entry = self.memory.block(block);
            if !entry.is_frozen() {
                continue;
            }
            let (start, refs) = match entry.state() {
                BlockState::Small => (block_start(block), BLOCK_REFS),
                BlockState::LargeHead => (block_start(block), 32),
                BlockState::LargeTail => continue,
                BlockState::Free => self.fail(Origin::Walk, format_args!("block {block} is frozen and free")),
            };
            let marks = if self.parts.spaces.old().blocks().has_marks() { start..start + refs } else { 0..0 };
            if let Some(at) = marks.step_by(32).find(|at| self.memory.mark_group(*at) != 0) {
                self.fail(Origin::Walk, format_args!("frozen block {block} has marks at {at:#x}"));
            }
        }
    }
}
