//! Where the parts of a cage lie: what is the same in all cages, and what differs.
//!
//! ```text
//! whole:   marks | side vectors | block table | chunk states | type table | hot words | BASE null zone | nursery | immortal | old, large | guard
//! sparse:  marks | side vectors | block table   (anywhere)
//!          chunk states | (hole) | type table | (hole) | hot words | BASE null zone, immortal | nursery | (hole) | old, large | guard
//! ```
//!
//! 1. Compiled code knows the base, and what lies below it at which displacement; the collector knows where nursery and
//!    old space begin. All that is constant, so that telling young from old is a comparison with a constant. The rest
//!    are fields of a [`Shape`], and of who owns the space.
//! 2. A *whole* cage is one reservation, whose tables are large enough for all that a reference reaches, while its
//!    reach may be shorter. A *sparse* one is for little address space: it has only what its heap can need, at the same
//!    displacements, and others may be mapped in its holes.
//! 3. Either is extended in place, behind its reach, where that is free ([`Shape::reach_max`]).

use super::backing::PAGE_BYTES;
use super::block::BlockEntry;
use super::memory::BLOCK_ENTRIES;
use heapwood_gc_abi::descriptor::TYPE_TABLE_BYTES;
use heapwood_gc_abi::space::{CAGE_PREFIX_BYTES, CHUNK_STATE_BYTES, NULL_ZONE_BYTES, REACH_BYTES};

/// Bytes of a block of the old space.
pub const BLOCK_BYTES: u32 = 32 << 10;
/// References that a block spans.
pub const BLOCK_REFS: u32 = BLOCK_BYTES / 4;
/// Where the nursery begins (bytes from the base).
pub const NURSERY_START: u64 = 64 << 20;
/// Address space of the nursery: two survivor spaces, then eden.
pub const NURSERY_REACH: u64 = 64 << 20;
/// Where the nursery ends (bytes from the base).
pub const NURSERY_END: u64 = NURSERY_START + NURSERY_REACH;
/// Where the old and large spaces begin (bytes from the base).
pub const OLD_START: u64 = 640 << 20;
/// Most blocks of the old and large spaces.
pub const BLOCKS_MAX: u32 = ((REACH_BYTES - OLD_START) / BLOCK_BYTES as u64) as u32;
/// Granularity of the reach.
pub const REACH_STEP_BYTES: u64 = 1 << 20;
/// Bytes behind the reach that are never mapped: larger than the largest displacement of a field.
pub const GUARD_BYTES: usize = 16 << 20;
/// The reach of a whole cage that does not have all of it at first. Miri, where a cage is an allocation, gets little.
const SHORT_REACH_BYTES: u64 = if cfg!(miri) { OLD_START + (64 << 20) } else { 8 << 30 };
/// The reach at first of a sparse cage that has to do with the least.
const LEAST_REACH_BYTES: u64 = OLD_START + (16 << 20);
/// Address space for side vectors (log, stacks, lists) of a whole cage.
const SIDE_BYTES: usize = 768 << 20;
/// Side vectors of a sparse cage: the most that all but the largest are cut to, and of all together.
const SPARSE_VECTOR_BYTES_MIN: usize = 4 << 20;
const SPARSE_VECTORS: usize = 20;
const BLOCK_TABLE_BYTES: usize = BLOCK_ENTRIES * size_of::<BlockEntry>();
const _: () = assert!(BLOCKS_MAX as usize <= BLOCK_ENTRIES && BLOCK_TABLE_BYTES.is_multiple_of(1 << 20));
const _: () = assert!(CHUNK_STATE_BYTES.is_multiple_of(PAGE_BYTES) && NURSERY_END < OLD_START);

/// What of a cage's bounds is not the same in all cages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shape {
    /// Whether the cage is a sparse one, which has holes.
    pub is_sparse: bool,
    /// Where the immortal space begins and ends (bytes from the base).
    pub immortal: (u64, u64),
    /// Bytes from the base that references may name at first.
    pub reach_bytes: u64,
    /// The most that it can be extended to: its tables are large enough.
    pub reach_max: u64,
    /// Bytes of the type table that are mapped.
    pub types_bytes: usize,
    /// Bytes for all side vectors.
    pub side_bytes: usize,
    /// Most bytes of a side vector.
    pub vector_bytes_max: usize,
}

impl Shape {
    /// A whole cage with all of the reach, or with half of it at first.
    pub fn whole(is_short: bool, types_bytes: usize) -> Shape {
        Shape {
            is_sparse: false,
            immortal: (NURSERY_END, OLD_START),
            reach_bytes: if is_short { SHORT_REACH_BYTES } else { REACH_BYTES },
            reach_max: REACH_BYTES,
            types_bytes,
            side_bytes: SIDE_BYTES,
            vector_bytes_max: SIDE_BYTES,
        }
    }

    /// A sparse cage whose old space can come to hold `heap_bytes_max`, and a quarter more for what is not filled. At
    /// first it reaches as far as `address_bytes` allow, and at least a little.
    pub fn sparse(heap_bytes_max: u64, address_bytes: u64, types_bytes: usize) -> Shape {
        let most = (OLD_START + heap_bytes_max + heap_bytes_max / 4).next_multiple_of(REACH_STEP_BYTES);
        let reach_max = most.clamp(LEAST_REACH_BYTES, REACH_BYTES);
        let vector_bytes_max = SPARSE_VECTOR_BYTES_MIN.max((reach_max / 256) as usize);
        // The minors' stack has an entry of 4 bytes for 16 of the nursery.
        let side_bytes = SPARSE_VECTORS * vector_bytes_max + NURSERY_REACH as usize / 4;
        let immortal = (NULL_ZONE_BYTES, NURSERY_START);
        let shape = Shape {
            is_sparse: true,
            immortal,
            reach_bytes: LEAST_REACH_BYTES,
            reach_max,
            types_bytes,
            side_bytes,
            vector_bytes_max,
        };
        let more = address_bytes.saturating_sub(shape.address_bytes()) / REACH_STEP_BYTES * REACH_STEP_BYTES;
        Shape { reach_bytes: shape.reach_bytes.saturating_add(more).min(reach_max), ..shape }
    }

    /// Bytes of address space that the cage takes, without later extensions.
    pub fn address_bytes(&self) -> u64 {
        let old = self.reach_bytes - OLD_START + GUARD_BYTES as u64;
        let young = NURSERY_END + (CAGE_PREFIX_BYTES - TYPE_TABLE_BYTES) as u64;
        match self.is_sparse {
            true => (self.beside_bytes() + self.types_bytes + self.chunk_state_bytes()) as u64 + young + old,
            false => {
                (self.beside_bytes() + CHUNK_STATE_BYTES + TYPE_TABLE_BYTES) as u64 + young + OLD_START - NURSERY_END
                    + old
            }
        }
    }

    /// Where the part of the old space begins for which there are marks and chunk states (bytes from the base).
    pub fn marked_from(&self) -> u64 {
        if self.is_sparse { OLD_START } else { 0 }
    }

    /// Bytes of marks.
    pub fn marks_bytes(&self) -> usize {
        ((self.reach_max - self.marked_from()) >> 4) as usize
    }

    /// Bytes of chunk states of a sparse cage, from those of the old space's start on.
    pub fn chunk_state_bytes(&self) -> usize {
        (((self.reach_max - self.marked_from()) >> 7) as usize).next_multiple_of(PAGE_BYTES)
    }

    /// Bytes of what may lie anywhere: marks, side vectors, block table.
    pub fn beside_bytes(&self) -> usize {
        self.marks_bytes() + self.side_bytes + BLOCK_TABLE_BYTES
    }
}

/// Which shape a heap's cage gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum CageKind {
    /// The one that suits the process: whole with all of the reach; with half of it once the process has many cages;
    /// sparse where its address space is limited, or the system refuses more.
    #[default]
    Suitable,
    /// A whole cage with half of the reach at first.
    Short,
    /// A sparse cage with the least reach at first.
    Sparse,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cages_of_all_limits_have_room_for_their_heap() {
        for shift in 20..34 {
            let heap_bytes = 1u64 << shift;
            for types_bytes in [8 << 20, TYPE_TABLE_BYTES] {
                let mut before = 0;
                for address_bytes in [0, 256 << 20, 1 << 30, 4 << 30, 1 << 40] {
                    let shape = Shape::sparse(heap_bytes, address_bytes, types_bytes);
                    assert!(shape.reach_max - OLD_START >= heap_bytes.min(15 << 30), "{shape:?}");
                    assert!(shape.reach_bytes >= before && shape.reach_bytes <= shape.reach_max, "{shape:?}");
                    assert!(
                        shape.address_bytes()
                            <= address_bytes.max(Shape::sparse(heap_bytes, 0, types_bytes).address_bytes())
                    );
                    before = shape.reach_bytes;
                }
                assert_eq!(before, Shape::sparse(heap_bytes, u64::MAX, types_bytes).reach_max);
            }
        }
    }

    #[test]
    fn ten_thousand_short_cages_fit_the_address_space_of_a_process() {
        let short = Shape::whole(true, TYPE_TABLE_BYTES).address_bytes();
        assert!(short <= 12 << 30 && short * 10_000 < 128 << 40, "{short} bytes");
        let least = Shape::sparse(64 << 20, 0, 8 << 20).address_bytes();
        assert!(least <= 320 << 20, "{} MiB", least >> 20);
    }
}
