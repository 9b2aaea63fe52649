//! One store's heap: its parts, its birth, and what can be asked of it.

use crate::batch::Batches;
use crate::blocks::Blocks;
use crate::charge::Charge;
use crate::config::{Collector, HeapConfig, HeapError, NURSERY_BYTES_DEFAULT, NURSERY_BYTES_MIN};
use crate::cycle::Cycle;
use crate::evacuate::EDGES_MAX;
use crate::event::{GcEvent, HelperSpan};
use crate::host_cells::HostCells;
use crate::immortal::Immortal;
use crate::loan::Loan;
use crate::log::Log;
use crate::mark::Marker;
use crate::nursery::{EDEN_START, Nursery};
use crate::old::OldSpace;
use crate::policy::{Clock, Policy};
use crate::raw::backing::{Backing, thread_cpu_ns};
use crate::raw::cage::{Cage, NURSERY_REACH};
use crate::raw::memory::Memory;
use crate::raw::side::SideVec;
use crate::sampling::Sampler;
use crate::sparse::Evacuation;
use crate::stats::HeapStats;
use crate::stress::Stress;
use crate::types::TypeTable;
use crate::waiting::Waiting;
use crate::weak_cells::WeakCells;
use heapwood_gc_abi::hot::{ALLOC_LIMIT, ALLOC_TOP};
use std::sync::Arc;
use std::time::Instant;

/// Receives events (see [`Heap::set_listener`]). If it panics it is not called again, and its panic goes on when what the
/// heap is doing is done: see [`crate::Heap::set_listener`].
pub type GcListener = Box<dyn FnMut(&GcEvent) + Send>;

/// Hears when helpers worked (see [`Heap::set_helper_listener`]).
pub type HelperListener = Box<dyn FnMut(&HelperSpan) + Send>;

/// What a listener panicked with.
pub(crate) struct ListenerPanic(pub Box<dyn std::any::Any + Send>);

/// A heap. See the crate's documentation for the protocols with compiled code and the runtime.
pub struct Heap {
    pub(crate) cage: Cage,
    pub(crate) memory: Memory,
    pub(crate) types: Arc<TypeTable>,
    pub(crate) config: HeapConfig,
    pub(crate) charge: Charge,
    pub(crate) nursery: Nursery,
    pub(crate) old: OldSpace,
    pub(crate) immortal: Immortal,
    pub(crate) log: Log,
    pub(crate) loan: Loan,
    pub(crate) batches: Batches,
    pub(crate) cycle: Cycle,
    pub(crate) stack: SideVec<u32>,
    pub(crate) edges: SideVec<u64>,
    pub(crate) hosts: HostCells,
    pub(crate) weak: WeakCells,
    /// Bytes of the table in which ephemerons wait.
    pub(crate) waiting_bytes: u64,
    pub(crate) sparse: Evacuation,
    pub(crate) policy: Policy,
    pub(crate) stress: Stress,
    pub(crate) stats: HeapStats,
    pub(crate) listener: Option<GcListener>,
    pub(crate) helper_listener: Option<HelperListener>,
    /// There is a listener of either kind.
    pub(crate) is_watched: bool,
    /// The panic of a listener, which goes on at the end of the operation under way.
    pub(crate) listener_panic: Option<ListenerPanic>,
    pub(crate) sampler: Option<Sampler>,
    pub(crate) born: Instant,
    /// The next minor promotes everything.
    pub(crate) promote_all_next: bool,
    /// The log is full.
    pub(crate) wants_collection: bool,
    /// Free blocks that are to be given back, a few at a time.
    pub(crate) trim_left: u32,
    /// When the last sweep ended.
    pub(crate) swept_ns: u64,
    /// How far eden was ever filled (a reference): up to here it is poisoned after a collection.
    pub(crate) eden_top_max: u32,
    #[cfg(feature = "test-hooks")]
    pub(crate) hooks: crate::hooks::Hooks,
}

impl std::fmt::Debug for Heap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Heap").field("base", &self.base()).field("charge", &self.charge).finish_non_exhaustive()
    }
}

impl Heap {
    /// A heap whose headers carry ids of `types`. Takes address space (18 GiB where the system allows it) and
    /// commits a few pages; eden and everything else follow with the first allocations.
    /// Errors: a configuration out of range, or a system that refuses.
    pub fn new(config: &HeapConfig, types: Arc<TypeTable>) -> Result<Heap, HeapError> {
        config.check()?;
        let mut cage = Cage::new(Backing::new(config.refused_calls.clone()), config.max_bytes, types.file())?;
        let memory = cage.memory();
        let blocks = Blocks::new(&mut cage);
        let log = Log::new(&mut cage)?;
        let marker = Marker::new(&mut cage)?;
        let loan = Loan::new(&mut cage, marker, config.helpers.clone());
        let cycle = Cycle::new(&mut cage);
        let stack = SideVec::new(&mut cage, (NURSERY_REACH / 16) as usize);
        let edges = SideVec::new(&mut cage, EDGES_MAX);
        let eden_bytes = first_eden_bytes(config);
        memory.set_hot(ALLOC_TOP, EDEN_START);
        memory.set_hot(ALLOC_LIMIT, EDEN_START);
        Ok(Heap {
            memory,
            types,
            config: config.clone(),
            charge: Charge::new(config.max_bytes),
            nursery: Nursery::new(eden_bytes),
            old: OldSpace::new(blocks, memory, config.verify),
            immortal: Immortal::new(),
            log,
            loan,
            batches: Batches::new(memory, config.helpers.clone()),
            cycle,
            stack,
            edges,
            hosts: HostCells::new(&mut cage),
            weak: WeakCells::new(&mut cage),
            waiting_bytes: 0,
            policy: Policy::new(config, eden_bytes),
            sparse: Evacuation::new(&mut cage),
            stress: Stress::new(config.stress),
            stats: HeapStats::default(),
            listener: None,
            helper_listener: None,
            is_watched: false,
            listener_panic: None,
            sampler: None,
            born: Instant::now(),
            promote_all_next: false,
            wants_collection: false,
            trim_left: 0,
            swept_ns: 0,
            eden_top_max: EDEN_START,
            #[cfg(feature = "test-hooks")]
            hooks: crate::hooks::Hooks::default(),
            cage,
        })
    }

    /// Address of the heap base (r15 in compiled code). Constant for the heap's life.
    pub fn base(&self) -> usize {
        self.cage.base()
    }

    /// The table that the headers' type ids name.
    pub fn types(&self) -> &Arc<TypeTable> {
        &self.types
    }

    /// The limit in bytes.
    pub fn limit_bytes(&self) -> u64 {
        self.charge.limit_bytes()
    }

    /// Numbers since the heap was made. Bytes in eden are counted up to the last collection.
    pub fn stats(&self) -> HeapStats {
        let mut stats = self.stats.clone();
        if !self.is_collected() {
            stats.eden_bytes += self.young_bytes();
        }
        (stats.committed_bytes, stats.peak_bytes) = (self.charge.used_bytes(), self.charge.peak_bytes());
        stats.helper_cpu_ns = self.loan.helper_cpu_ns() + self.batches.helper_cpu_ns();
        stats
    }

    /// Minor collections since it was made, as in [`HeapStats::minors`].
    pub fn minors(&self) -> u64 {
        self.stats.minors
    }

    /// When it was made: the zero of [`GcEvent::t_us`].
    pub fn born(&self) -> Instant {
        self.born
    }

    /// Calls made to the system so far (tests fail each of them once).
    pub fn backing_calls(&self) -> u64 {
        self.cage.backing_calls()
    }

    /// Sets who receives the events. Without one, an event costs a branch.
    ///
    /// A listener is called in the middle of an operation. If it panics, it is removed, the operation goes on to its end,
    /// and then the panic goes on, in place of the operation's result: the heap is as if the listener had returned.
    pub fn set_listener(&mut self, listener: Option<GcListener>) {
        self.listener = listener;
        self.is_watched = self.listener.is_some() || self.helper_listener.is_some();
    }

    /// Sets who hears when helper threads worked for this heap: told at the next event, and when the heap is dropped.
    /// Without one, helpers note nothing.
    pub fn set_helper_listener(&mut self, listener: Option<HelperListener>) {
        self.tell_helpers();
        self.resume_listener_panic();
        self.loan.watch(listener.is_some());
        self.batches.watch(listener.is_some());
        self.helper_listener = listener;
        self.is_watched = self.listener.is_some() || self.helper_listener.is_some();
    }

    /// A listener has panicked during the operation that ends here: its panic goes on.
    #[inline]
    pub(crate) fn resume_listener_panic(&mut self) {
        if let Some(panic) = self.listener_panic.take() {
            std::panic::resume_unwind(panic.0);
        }
    }

    /// Whether a collection should come at the next poll: the log is full. The next allocation collects too.
    #[inline]
    pub fn wants_collection(&self) -> bool {
        self.wants_collection
    }

    /// Takes the slab index of a host value whose cell died. Call it outside of pauses, until it returns `None`.
    pub fn pop_dead_host_value(&mut self) -> Option<u32> {
        self.hosts.pop_dead()
    }

    pub(crate) fn is_collected(&self) -> bool {
        self.config.collector == Collector::Generational
    }

    /// The allocation top. Authoritative only while no guest code runs.
    pub(crate) fn top(&self) -> u32 {
        self.memory.hot(ALLOC_TOP)
    }

    pub(crate) fn set_top(&mut self, top: u32) {
        self.memory.set_hot(ALLOC_TOP, top);
    }

    pub(crate) fn set_limit(&mut self, limit: u32) {
        self.memory.set_hot(ALLOC_LIMIT, limit);
    }

    /// Now, with the thread's CPU time if `with_cpu`.
    pub(crate) fn clock(&self, with_cpu: bool) -> Clock {
        Clock { wall_ns: self.born.elapsed().as_nanos() as u64, cpu_ns: with_cpu.then(thread_cpu_ns) }
    }

    pub(crate) fn sync_side_charge(&mut self) {
        self.charge.set_side(self.cage.side_committed_bytes() + self.waiting_reserve(0));
    }

    /// What the table in which ephemerons wait will need beyond what it has, if there are `more` ephemerons, in bytes.
    pub(crate) fn waiting_reserve(&self, more: usize) -> u64 {
        Waiting::bytes_for(self.weak.ephemerons() + more).saturating_sub(self.waiting_bytes)
    }
}

impl Drop for Heap {
    fn drop(&mut self) {
        // No helper may be at work when the memory goes.
        self.loan.marker();
        self.batches.recall();
        self.tell_helpers();
        if !std::thread::panicking() {
            self.resume_listener_panic();
        }
    }
}

/// A small heap gets a small eden, so that eden, survivors and reserve (4.5 times eden) stay below half of it.
fn first_eden_bytes(config: &HeapConfig) -> u32 {
    let wanted = config.nursery_bytes.unwrap_or(NURSERY_BYTES_DEFAULT);
    let fits = (config.max_bytes / 12).min(wanted as u64) as u32 / 4096 * 4096;
    fits.max(NURSERY_BYTES_MIN)
}
