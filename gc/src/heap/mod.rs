//! One store's heap: the parts of which it consists, and what can be asked of it.
//!
//! Each part owns its state; what crosses parts is here. The files of this folder are the public interface and the
//! driver of collections:
//!
//! | file | does |
//! |---|---|
//! | `access` | objects as the runtime reads and writes them |
//! | `alloc` | allocation, young and old; memory for it |
//! | `cold` | heaps before their first collection |
//! | `emergency` | what is done when there is none |
//! | `growth` | what an embedder allows that wants to be asked |
//! | `barrier`, `ranges` | the write barrier, and operations on ranges of arrays |
//! | `checkpoint` | freezing the heap, and coming back to what was frozen |
//! | `collect` | minors, majors, compactions |
//! | `marking` | the marking cycle: start, slices, end |
//! | `pace` | what is due between collections: slices, sweeping, evacuation of sparse blocks |
//! | `weak` | host values, weak cells and ephemerons |
//! | `strings` | units of strings |
//! | `watch` | numbers, listeners, samples |
//! | `hooks` | ways to break it on purpose |

mod access;
mod alloc;
mod barrier;
mod checkpoint;
mod cold;
mod collect;
mod emergency;
pub mod growth;
#[cfg(feature = "test-hooks")]
pub mod hooks;
mod marking;
mod pace;
mod ranges;
mod strings;
mod watch;
mod weak;

use crate::checks::stress::Stress;
use crate::embedder::config::{Collector, HeapConfig, NURSERY_BYTES_DEFAULT, NURSERY_BYTES_MIN};
use crate::embedder::errors::{Exhausted, HeapError, Refused};
use crate::embedder::types::TypeTable;
use crate::evacuation::Evacuation;
use crate::frozen::Frozen;
use crate::major::marking::Marking;
use crate::major::pacing::Pacing;
use crate::major::sweeping::Sweeping;
use crate::minor::remembered::RememberedSet;
use crate::raw::memory::Memory;
use crate::spaces::Spaces;
use crate::spaces::sizing::Sizing;
use crate::telemetry::Telemetry;
use crate::weak::Weak;
use heapwood_gc_abi::RawRef;
use std::ops::Range;
use std::sync::Arc;

/// A heap. See the crate's documentation for the protocols with compiled code and the runtime.
pub struct Heap {
    types: Arc<TypeTable>,
    config: HeapConfig,
    spaces: Spaces,
    remembered: RememberedSet,
    marking: Marking,
    sweeping: Sweeping,
    evacuation: Evacuation,
    frozen: Frozen,
    weak: Weak,
    pacing: Pacing,
    sizing: Sizing,
    stress: Stress,
    telemetry: Telemetry,
    /// Whether the next minor promotes everything.
    promote_all_next: bool,
    /// Whether an allocation ends where more is wanted than is allowed, so that the embedder can be asked.
    asks_for_growth: bool,
    #[cfg(feature = "test-hooks")]
    hooks: hooks::Hooks,
}

impl std::fmt::Debug for Heap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Heap").field("base", &self.base()).field("charge", self.spaces.charge()).finish_non_exhaustive()
    }
}

impl Heap {
    /// A heap whose headers carry ids of `types`. Takes address space (18 GiB; 10 once the process has
    /// [`FULL_CAGES_MAX`](crate::FULL_CAGES_MAX) such heaps; as little as the limit needs where the process may have
    /// little) and commits a few pages; eden and everything else follow with the first allocations.
    /// Errors: a configuration out of range, or a system that refuses.
    pub fn new(config: &HeapConfig, types: Arc<TypeTable>) -> Result<Heap, HeapError> {
        config.check()?;
        let eden_bytes = first_eden_bytes(config);
        let mut spaces = Spaces::new(config, &types, eden_bytes)?;
        let memory = spaces.memory();
        let cage = spaces.cage_mut();
        Ok(Heap {
            types,
            config: config.clone(),
            remembered: RememberedSet::new(cage),
            marking: Marking::new(cage, config.helpers.clone()),
            sweeping: Sweeping::new(memory, config.helpers.clone()),
            evacuation: Evacuation::new(cage, config),
            frozen: Frozen::new(cage),
            weak: Weak::new(cage),
            pacing: Pacing::new(config),
            sizing: Sizing::new(config, eden_bytes),
            stress: Stress::new(config.stress),
            telemetry: Telemetry::new(),
            promote_all_next: false,
            asks_for_growth: false,
            #[cfg(feature = "test-hooks")]
            hooks: hooks::Hooks::default(),
            spaces,
        })
    }

    /// Address of the heap base (r15 in compiled code). Constant for the heap's life.
    #[inline]
    pub fn base(&self) -> usize {
        self.spaces.base()
    }

    /// The table that the headers' type ids name.
    pub fn types(&self) -> &Arc<TypeTable> {
        &self.types
    }

    /// The limit in bytes.
    pub fn limit_bytes(&self) -> u64 {
        self.spaces.charge().limit_bytes()
    }

    /// Where immortal memory ends that was handed out, as a reference.
    pub fn immortal_end(&self) -> RawRef {
        self.spaces.immortal().used().end
    }

    /// Calls made to the system so far (tests fail each of them once).
    pub fn backing_calls(&self) -> u64 {
        self.spaces.backing_calls()
    }

    /// Whether a collection should come at the next poll: the log is full. The next allocation collects too.
    #[inline]
    pub fn wants_collection(&self) -> bool {
        self.remembered.wants_collection()
    }

    /// The cage's words, for snapshots, which read the heap as it is.
    pub(crate) fn memory(&self) -> Memory {
        self.spaces.memory()
    }

    /// Where objects may lie, as references: the immortal space, the nursery, the old and large spaces.
    pub(crate) fn ranges_in_use(&self) -> [Range<u32>; 3] {
        let mut ranges = self.spaces.ranges_in_use();
        if !self.is_collected() {
            // All objects are in the old space.
            ranges[1].end = ranges[1].start;
        }
        ranges
    }

    fn is_collected(&self) -> bool {
        self.config.collector == Collector::Generational
    }

    fn exhausted(&self, requested_bytes: u64, why: Refused) -> Exhausted {
        let why = if self.is_growth_wanted(why) { Refused::NotAllowed } else { why };
        Exhausted { limit_bytes: self.spaces.charge().bound_bytes(), requested_bytes, why }
    }

    /// Charges what lists beside the heap have taken.
    fn charge_side(&mut self) {
        self.spaces.charge_side(self.weak.waiting_reserve(0));
        let held = self.preparation_bytes();
        self.spaces.charge_mut().set_held(held);
    }
}

impl Drop for Heap {
    fn drop(&mut self) {
        // No helper may be at work when the memory goes.
        self.marking.take_back();
        self.sweeping.take_back();
        self.tell_helpers();
        if !std::thread::panicking() {
            self.telemetry.resume_panic();
        }
    }
}

/// A small heap gets a small eden, so that eden, survivors and reserve (4.5 times eden) stay below half of it.
fn first_eden_bytes(config: &HeapConfig) -> u32 {
    let wanted = config.nursery_bytes.unwrap_or(NURSERY_BYTES_DEFAULT);
    let fits = (config.max_bytes / 12).min(wanted as u64) as u32 / 4096 * 4096;
    fits.max(NURSERY_BYTES_MIN)
}
