//! The collector of Heapwood: a generational, moving heap with bounded pauses.
//!
//! # Protocols
//!
//! **Allocation.** Compiled code holds the allocation top in r12d as a reference. For `bytes` (rounded up to 8, at
//! least 16, at most `INLINE_BYTES_MAX`): `lea tmp, [r12 + bytes/4]; cmp tmp, [r15 + ALLOC_LIMIT]; ja slow;
//! mov r12d, tmp`, then the header `TypeId::header(0)` and every other byte of the object, since the memory is not
//! zero. No safepoint lies between the bump and the last of these stores. `slow` writes r12d to ALLOC_TOP, calls
//! [`Heap::reserve`], reloads r12d from ALLOC_TOP and repeats the bump, which succeeds then.
//!
//! **Barrier.** Before each store of a reference into an object that may be old:
//! `test byte [r15 + host*4], UNLOGGED; jnz slow`. `slow` calls [`Heap::log`] for structs and
//! [`Heap::log_array_element`] for arrays. For arrays above 256 bytes the bit stays set, and the stub may look at the
//! chunk's state itself before it calls (see `gc-abi::space::CHUNK_STATE_DISP`). Neither collects. If
//! [`Heap::wants_collection`] holds afterwards, the runtime arranges for a poll; the next allocation collects too.
//!
//! **Fresh objects** from inline allocation need no barrier until the next safepoint. Objects from `alloc_array` may
//! be pretenured: the barrier's test tells.
//!
//! **Roots.** See [`RootProvider`]. Old objects move only in compactions, and out of sparse blocks after a minor, where
//! no object moves that a root references: a root that is written tells [`Heap::root_written`], unless the next minor
//! is shown it. Each method that takes one may collect and move objects; no other does.

mod checks;
mod embedder;
mod evacuation;
mod frozen;
mod heap;
mod helper;
mod major;
mod minor;
mod raw;
mod snapshot;
mod spaces;
mod telemetry;
mod weak;

pub use embedder::config::{
    Collector, GcProfile, HEAP_BYTES_LIMIT, HEAP_BYTES_MIN, HeapConfig, NURSERY_BYTES_MAX, NURSERY_BYTES_MIN,
};
pub use embedder::errors::{Exhausted, FreezeError, HeapError, Refused};
pub use embedder::roots::{FrameScope, NoRoots, RootCursor, RootPlace, RootProvider, RootVisitor, RootWork};
pub use embedder::types::{TypeDefinition, TypeTable, TypeTableEdit, TypeTableFull};
#[cfg(feature = "test-hooks")]
pub use evacuation::incoming::Recorder;
pub use frozen::{HeapImage, HeapLayout};
pub use heap::Heap;
pub use heap::growth::WantedGrowth;
pub use helper::Helpers;
#[cfg(feature = "test-hooks")]
pub use major::HELPER_DELAY_MS;
pub use minor::log::{LOG_ENTRIES_MAX, LOG_FIELDS_MAX};
pub use raw::backing::{AddressSpace, BackingError, FrozenFile, address_space, thread_cpu_ns};
pub use raw::cage::{CageKind, FULL_CAGES_MAX, reach_bytes_at_first};
pub use raw::leases::{Lease, Leases};
pub use raw::pool::CagePool;
pub use raw::strings::StringUnits;
pub use raw::types::TypeInfo;
pub use snapshot::{GraphEdge, HeapGraph, NoGraphMemory};
pub use telemetry::event::{GcCause, GcEvent, GcEventKind, HelperSpan, HelperTask};
pub use telemetry::stats::{HeapStats, Histogram};
pub use telemetry::{GcListener, HelperListener};
