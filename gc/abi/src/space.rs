//! The cage: one reservation per store, addressed from its heap base (r15 in compiled code).
//!
//! ```text
//! heap_base - CAGE_PREFIX_BYTES   type table (read-only, shared by the stores of an engine)
//! heap_base - HOT_AREA_BYTES      store words (see `hot`), the last of them within 128 bytes of the base
//! heap_base                       null zone, never mapped
//! heap_base + NULL_ZONE_BYTES     nursery, immortal objects, function objects, instance contexts, old blocks, large
//!                                 objects (the collector's choice)
//! heap_base + REACH_BYTES         guard
//! ```

use crate::descriptor::TYPE_TABLE_BYTES;

/// Bytes that a u32 reference can reach.
pub const REACH_BYTES: u64 = 16 << 30;
/// Unmapped bytes at the base: a null dereference with any field offset faults here (10,000 fields of 16 bytes).
pub const NULL_ZONE_BYTES: u64 = 192 << 10;
/// Bytes of the store's words below the base.
pub const HOT_AREA_BYTES: usize = 64 << 10;
/// Bytes of the cage below the base.
pub const CAGE_PREFIX_BYTES: usize = TYPE_TABLE_BYTES + HOT_AREA_BYTES;
/// Displacement of the type table from the base.
pub const TYPE_TABLE_DISP: i32 = -(CAGE_PREFIX_BYTES as i32);
/// Bytes that one step of a reference spans.
pub const REF_SCALE: u32 = 4;
/// Largest object that compiled code allocates inline; larger ones go through the runtime.
pub const INLINE_BYTES_MAX: u32 = 32 << 10;
/// Fresh arrays up to this size need no barrier on their initialising stores.
pub const FRESH_ARRAY_BYTES_MAX: u32 = 1 << 10;

/// Reference arrays whose object is larger than this log chunks of [`CHUNK_BYTES`] of elements instead of
/// themselves, and keep the UNLOGGED bit in their header for ever.
pub const CHUNKED_ARRAY_BYTES_MIN: u32 = 256;
/// log2 of [`CHUNK_BYTES`].
pub const CHUNK_SHIFT: u32 = 7;
/// Bytes of elements that one chunk of a large reference array covers (32 references).
pub const CHUNK_BYTES: u32 = 1 << CHUNK_SHIFT;
/// Bytes of address space of the chunk states: one byte for 128 bytes of heap.
pub const CHUNK_STATE_BYTES: usize = (REACH_BYTES >> CHUNK_SHIFT) as usize;
/// Displacement of the chunk states from the base. Chunk `c = index / 32` of the array `host` has its state in the
/// byte `CHUNK_STATE_DISP + ((host * 4 + 8) >> 7) + c`, in bit 0 if c is 0 and else in bit 1 ([`chunk_state_bit`]):
/// set means logged, so that a store needs nothing more. (Two bits, since the last chunk of one array and the first
/// of its neighbour may start in the same 128 bytes.)
pub const CHUNK_STATE_DISP: i32 = TYPE_TABLE_DISP - CHUNK_STATE_BYTES as i32;

/// Index of the state byte of chunk `chunk` of `host` (see [`CHUNK_STATE_DISP`]).
#[inline]
pub const fn chunk_state_index(host: u32, chunk: u32) -> u32 {
    ((host + 2) >> (CHUNK_SHIFT - 2)) + chunk
}

/// The bit of the state byte that belongs to chunk `chunk` of its array.
#[inline]
pub const fn chunk_state_bit(chunk: u32) -> u8 {
    if chunk == 0 { 1 } else { 2 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn chunks_of_neighbours_never_share_a_state() {
        // Arrays of all lengths side by side, the first at any place of a block.
        for length in 63..200u32 {
            for start in (0x900_0000..0x900_0040u32).step_by(2) {
                let mut seen = HashSet::new();
                let mut host = start;
                for _ in 0..4 {
                    for chunk in 0..(length * 4).div_ceil(CHUNK_BYTES) {
                        let place = (chunk_state_index(host, chunk), chunk_state_bit(chunk));
                        assert!(seen.insert(place), "array of {length} at {host:#x}, chunk {chunk}");
                    }
                    host += (8 + length * 4).next_multiple_of(8) / 4;
                }
            }
        }
    }
}
