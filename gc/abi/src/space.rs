//! The cage: one reservation per store, addressed from its heap base (r15 in compiled code).
//!
//! ```text
//! heap_base - CAGE_PREFIX_BYTES   type table (read-only, shared by the stores of an engine)
//! heap_base - HOT_AREA_BYTES      store words (see `hot`), the last of them within 128 bytes of the base
//! heap_base                       null zone, never mapped
//! heap_base + NULL_ZONE_BYTES     immortal objects, function objects, instance contexts
//! ...                             nursery, old blocks, large objects (the collector's choice)
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
