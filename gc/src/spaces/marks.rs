//! Mark bytes: one for each 16 bytes of the heap, beside it.
//!
//! A byte holds the epoch (1 or 2) in bits 0..2, in bit 2 whether the object starts in the upper half of its 16 bytes,
//! in bit 3 whether its scan is deferred, and in bit 4 whether ephemerons wait for it. What a marking does with them
//! stands in `major::marker`.

use super::blocks::block_of;
use crate::raw::memory::Memory;
use crate::raw::object::ObjectReference;
use heapwood_gc_abi::RawRef;

/// Bits of a mark byte that hold the epoch.
pub const EPOCH_MASK: u8 = 3;
const UPPER_HALF: u8 = 4;
/// The object is marked, and its scan is still to come.
pub const DEFERRED: u8 = 8;
/// In the byte of an object that is not marked: ephemerons wait for its mark.
pub const WAITING: u8 = 16;

/// Whether an object of the old space carries the mark of `epoch`, or is newer than the marking, or frozen.
#[inline(always)]
pub fn is_marked(memory: Memory, epoch: u8, reference: RawRef) -> bool {
    memory.mark(reference) & EPOCH_MASK == epoch || memory.block(block_of(reference)).is_current(epoch)
}

/// The mark byte of an object.
#[inline(always)]
pub fn mark_byte(epoch: u8, reference: u32) -> u8 {
    // Bit 1 of the reference says that it is in the upper half.
    epoch | (reference as u8 & 2) << 1
}

/// The object that a current mark byte at `granule` (a multiple of 4 references) stands for.
#[inline(always)]
pub fn marked_object(granule: u32, mark: u8) -> ObjectReference {
    ObjectReference(granule + if mark & UPPER_HALF != 0 { 2 } else { 0 })
}
