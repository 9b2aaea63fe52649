//! What a store shows to those who watch it.

mod contexts;
mod core_dump;
mod histogram;
#[cfg(feature = "test-hooks")]
mod hooks;
mod memory_use;
mod snapshot;
mod watch;

pub use histogram::{HeapHistogram, HistogramRow};
pub use memory_use::{HeapUse, MemoryStats, MemoryUse};
