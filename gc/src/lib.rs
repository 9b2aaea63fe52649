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
//! be born old: the barrier's test tells.
//!
//! **Roots.** See [`RootProvider`]. Old objects move only in compactions, and out of sparse blocks after a minor, where
//! no object moves that a root references: a root that is written tells [`Heap::root_written`], unless the next minor
//! is shown it. Each method that takes one may collect and move objects; no other does.

mod access;
mod alloc;
mod barrier;
mod batch;
mod blocks;
mod cell_list;
mod charge;
mod collect;
mod config;
mod cycle;
mod ephemeron;
mod evacuate;
mod event;
mod heap;
mod helper;
mod holes;
#[cfg(feature = "test-hooks")]
mod hooks;
mod host_cells;
mod immortal;
mod lending;
mod loan;
mod log;
mod mark;
mod minor;
mod move_trace;
mod nursery;
mod old;
mod policy;
mod raw;
mod recorded;
mod relocate;
mod roots;
mod sampling;
mod snapshot;
mod spans;
mod sparse;
mod stats;
mod stress;
mod sweep;
mod sync;
mod types;
mod verify;
mod waiting;
mod weak_cells;

pub use charge::Refused;
pub use config::{
    Collector, Exhausted, GcProfile, HEAP_BYTES_LIMIT, HEAP_BYTES_MIN, HeapConfig, HeapError, NURSERY_BYTES_MAX,
    NURSERY_BYTES_MIN,
};
pub use event::{GcCause, GcEvent, GcEventKind, HelperSpan, HelperTask};
pub use heap::{GcListener, Heap, HelperListener};
pub use helper::Helpers;
#[cfg(feature = "test-hooks")]
pub use hooks::{HELPER_DELAY_MS, Noticed};
pub use log::{LOG_ENTRIES_MAX, LOG_FIELDS_MAX};
pub use raw::backing::BackingError;
pub use raw::types::TypeInfo;
pub use roots::{FrameScope, NoRoots, RootCursor, RootPlace, RootProvider, RootVisitor, RootWork};
pub use snapshot::{GraphEdge, HeapGraph, NoGraphMemory};
pub use stats::{HeapStats, Histogram};
pub use types::{TypeDefinition, TypeTable, TypeTableFull};
