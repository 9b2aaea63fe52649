//! The configuration of a heap.

use super::errors::HeapError;
use super::machine::available_bytes;
use crate::helper::Helpers;
use crate::raw::backing::address_space;
use crate::raw::cage::CageKind;
use crate::raw::pool::CagePool;
use std::num::NonZeroU64;
use std::ops::Range;
use std::sync::Arc;

/// The largest limit of a heap, in bytes: what fits a cage beside the immortal space and the nursery.
pub const HEAP_BYTES_LIMIT: u64 = 15 << 30;
/// The smallest limit of a heap, in bytes: nursery, reserve and side tables fit.
pub const HEAP_BYTES_MIN: u64 = 1 << 20;
/// The bytes of eden at first, unless the configuration says otherwise.
pub const NURSERY_BYTES_DEFAULT: u32 = 256 << 10;
/// The fewest bytes of eden.
pub const NURSERY_BYTES_MIN: u32 = 64 << 10;
/// The most bytes of eden.
pub const NURSERY_BYTES_MAX: u32 = 32 << 20;

/// Which collector runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Collector {
    /// Generational, moving.
    #[default]
    Generational,
    /// There is none: memory is handed out until the limit is reached, and nothing is freed.
    None,
}

/// What the collector optimizes for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum GcProfile {
    /// Short pauses: eden is as large as can be copied in a third of a millisecond. The default.
    #[default]
    Latency,
    /// Few pauses: eden grows to what takes some milliseconds to copy.
    Throughput,
}

/// Configuration of one heap.
#[derive(Clone, Debug)]
pub struct HeapConfig {
    /// The most memory that the heap uses, its own tables included, in bytes: from [`HEAP_BYTES_MIN`] to
    /// [`HEAP_BYTES_LIMIT`]. Default: [`HeapConfig::default_max_bytes`].
    pub max_bytes: u64,
    /// Whether the limit is memory that was given to the program, and not only what it must not exceed: while much of
    /// it is free, the old space is then collected less often.
    pub limit_is_given: bool,
    /// The memory that may be used before the first major, in bytes. Default: 16 MiB.
    pub initial_bytes: u64,
    /// A fixed size of eden in bytes, from [`NURSERY_BYTES_MIN`] to [`NURSERY_BYTES_MAX`]; eden gets at most a twelfth
    /// of the limit, but never less than the minimum. `None`, the default: eden has 256 KiB at first
    /// and is adapted to the copying speed.
    pub nursery_bytes: Option<u32>,
    /// What the size of eden is adapted to, unless it is fixed.
    pub profile: GcProfile,
    /// Testing: collects at every Nth allocation, minor, major and moving in turns.
    pub stress: Option<NonZeroU64>,
    /// Testing: verifies the heap before and after each collection, and panics at the first error.
    pub verify: bool,
    /// Testing: a marking starts at every minor, and each slice marks about this many fields.
    pub mark_slice: Option<NonZeroU64>,
    /// Whether sparse blocks of the old space are evacuated, a few at a time. Default: true.
    pub evacuate: bool,
    /// Threads that mark and sweep while the guest runs. Without them, the default, the guest's own thread does so, in
    /// slices.
    pub helpers: Option<Arc<Helpers>>,
    /// Which collector runs.
    pub collector: Collector,
    /// How much address space the heap takes. Default: what suits the process.
    pub cage: CageKind,
    /// Where cages come from and go to when their heaps are gone. Without it, the default, each heap has a new one.
    pub pool: Option<Arc<CagePool>>,
    /// Testing: the system refuses the calls with these numbers, counted from 1.
    pub refused_calls: Range<u64>,
}

impl HeapConfig {
    /// Half of the smallest of physical memory, cgroup limit and address space (RLIMIT_AS), at most
    /// [`HEAP_BYTES_LIMIT`].
    pub fn default_max_bytes() -> u64 {
        let address_bytes = address_space().map_or(u64::MAX, |space| space.limit_bytes);
        (available_bytes().min(address_bytes) / 2).clamp(HEAP_BYTES_MIN, HEAP_BYTES_LIMIT)
    }

    /// Whether a heap can have these sizes.
    ///
    /// # Errors
    /// The limit or the nursery's size is out of range.
    pub fn check(&self) -> Result<(), HeapError> {
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
            cage: default_cage(),
            pool: None,
            refused_calls: 0..0,
        }
    }
}

#[cfg(not(feature = "test-hooks"))]
fn default_cage() -> CageKind {
    CageKind::default()
}

/// All tests can be run with heaps of little address space: `HEAPWOOD_CAGE=short` or `sparse`.
#[cfg(feature = "test-hooks")]
fn default_cage() -> CageKind {
    match std::env::var("HEAPWOOD_CAGE").as_deref() {
        Err(_) => CageKind::Suitable,
        Ok("short") => CageKind::Short,
        Ok("sparse") => CageKind::Sparse,
        Ok(other) => panic!("HEAPWOOD_CAGE={other}, but it is short or sparse"),
    }
}
