//! What a store shows to those who watch it.

#[cfg(feature = "test-hooks")]
mod contexts;
mod hooks;
mod memory_use;
mod snapshot;
mod watch;

pub use memory_use::{HeapUse, MemoryStats, MemoryUse};
