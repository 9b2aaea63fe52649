//! What a heap is told at birth.

use super::errors::HeapError;
use crate::helper::Helpers;
use crate::raw::backing::available_bytes;
use std::num::NonZeroU64;
use std::ops::Range;
use std::sync::Arc;

/// Largest heap: what fits a cage beside the immortal space and the nursery.
pub const HEAP_BYTES_LIMIT: u64 = 15 << 30;
/// Smallest heap that runs anything: nursery, reserve and side tables.
pub const HEAP_BYTES_MIN: u64 = 1 << 20;
/// Eden at first, unless the configuration says otherwise.
pub const NURSERY_BYTES_DEFAULT: u32 = 256 << 10;
/// Smallest eden.
pub const NURSERY_BYTES_MIN: u32 = 64 << 10;
/// Largest eden.
pub const NURSERY_BYTES_MAX: u32 = 32 << 20;

/// Which collector runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Collector {
    /// Generational, moving.
    #[default]
    Generational,
    /// None: memory is handed out until the limit.
    None,
}

/// What the collector optimizes for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum GcProfile {
    /// Short pauses: eden is as large as can be copied in a third of a millisecond.
    #[default]
    Latency,
    /// Few pauses: eden grows to what takes some milliseconds to copy.
    Throughput,
}

/// Configuration of one heap.
#[derive(Clone, Debug)]
pub struct HeapConfig {
    /// Most memory that the heap uses, its own tables included, in bytes.
    pub max_bytes: u64,
    /// The limit is memory that was given to the program, not only what it must not pass: while much of it is free, the
    /// old space is collected less often.
    pub limit_is_given: bool,
    /// Memory that may be used before the first major, in bytes.
    pub initial_bytes: u64,
    /// Bytes of eden, fixed (at most a twelfth of the limit, at least 64 KiB); `None`: 256 KiB at first, adapted to
    /// the copying speed.
    pub nursery_bytes: Option<u32>,
    /// What an adapted eden is adapted to.
    pub profile: GcProfile,
    /// Collect at every Nth allocation, alternating minor, major, moving.
    pub stress: Option<NonZeroU64>,
    /// Verify the heap before and after each collection (panics on the first error).
    pub verify: bool,
    /// Testing: a marking starts at every minor, and its slices mark about this many fields (at any time otherwise).
    pub mark_slice: Option<NonZeroU64>,
    /// Whether sparse blocks of the old space are evacuated, a few at a time.
    pub evacuate: bool,
    /// Threads that mark and sweep beside the guest; without them the guest's own thread does, in slices.
    pub helpers: Option<Arc<Helpers>>,
    /// The collector.
    pub collector: Collector,
    /// Tests: the system refuses the calls with these numbers, from 1.
    pub refused_calls: Range<u64>,
}

impl HeapConfig {
    /// Half of the smaller of physical memory and cgroup limit, at most [`HEAP_BYTES_LIMIT`].
    pub fn default_max_bytes() -> u64 {
        (available_bytes() / 2).clamp(HEAP_BYTES_MIN, HEAP_BYTES_LIMIT)
    }

    pub(crate) fn check(&self) -> Result<(), HeapError> {
        let HeapConfig { max_bytes, .. } = *self;
        if !(HEAP_BYTES_MIN..=HEAP_BYTES_LIMIT).contains(&max_bytes) {
            return Err(HeapError::MaxBytes { max_bytes });
        }
        match self.nursery_bytes {
            Some(bytes) if !(NURSERY_BYTES_MIN..=NURSERY_BYTES_MAX).contains(&bytes) => {
                Err(HeapError::NurseryBytes { nursery_bytes: bytes })
            }
            _ => Ok(()),
        }
    }
}

impl Default for HeapConfig {
    fn default() -> HeapConfig {
        HeapConfig {
            max_bytes: HeapConfig::default_max_bytes(),
            limit_is_given: false,
            initial_bytes: 16 << 20,
            nursery_bytes: None,
            profile: GcProfile::default(),
            stress: None,
            verify: false,
            mark_slice: None,
            evacuate: true,
            helpers: None,
            collector: Collector::Generational,
            refused_calls: 0..0,
        }
    }
}
