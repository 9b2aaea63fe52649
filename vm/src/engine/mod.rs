//! What modules and stores of a process share: configuration, types, trampolines, stacks, threads.

mod background;
mod compiling;
mod config;
mod tiering;

pub use compiling::CompileProgress;
pub(crate) use compiling::{Compilation, Compiling};
pub(crate) use config::fitting_compiler_threads;
pub use config::{
    COMPILE_MEMORY_BASE, COMPILE_MEMORY_PER_BYTE, Config, MAX_STACK_DEFAULT, MAX_STACK_MAX, MAX_STACK_MIN,
    POOLED_STORES_DEFAULT,
};

pub use tiering::Tiering;

use crate::errors::{Error, Result};
use crate::registry::{ReservedTypes, TypeRegistry};
use crate::rt::stack::StackPool;
use crate::rt::stubs::Trampolines;
use crate::rt::timer::Timer;
use background::Background;
use heapwood_gc::{HeapConfig, Helpers, TypeTable, address_space, reach_bytes_at_first};
use heapwood_module::Features;
use std::sync::Arc;

/// What the stores of an engine may have at present: as configured, or as the machine and the process allow.
///
/// ```
/// # use heapwood_vm::Engine;
/// let limits = Engine::default().limits();
/// println!("a heap has at most {} MiB", limits.heap_bytes >> 20);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct EngineLimits {
    /// Most bytes of a store's heap: [`Config::gc_heap_max`], or half of the smallest of physical memory, cgroup limit
    /// and address space.
    pub heap_bytes: u64,
    /// Bytes that the references of a new store would reach at first. A heap that needs more extends that in place,
    /// where the address space behind is free.
    pub reach_bytes: u64,
    /// The limit of the process's address space in bytes (`ulimit -v`), if there is one.
    pub address_space_bytes: Option<u64>,
    /// Threads that mark and sweep while guests run.
    pub helper_threads: usize,
    /// Those of them that the system refused when the first marking of some store began: the others do their work, or
    /// the guests' threads if there is none, in pauses.
    pub refused_helper_threads: usize,
    /// Whether 32-bit memories rely on guard pages ([`Config::memory32_guard`]).
    pub memory32_guard: bool,
    /// Whether functions that run often are compiled again ([`Config::tiering`]).
    pub tiering: bool,
}

/// An engine. Cheap to clone, shared between threads.
#[derive(Clone)]
pub struct Engine(Arc<EngineInner>);

struct EngineInner {
    config: Config,
    registry: Arc<TypeRegistry>,
    trampolines: Trampolines,
    stacks: Arc<StackPool>,
    /// Who says when the time of a call is over.
    timer: Arc<Timer>,
    /// What heaps are told that have no limit of their own: threads that mark and a pool of address space among it.
    heaps: HeapConfig,
    helper_threads: usize,
    helpers: Option<Arc<Helpers>>,
    background: Background,
    compiling: Compiling,
}

impl Engine {
    /// An engine with this configuration.
    ///
    /// # Errors
    /// The system refuses memory for the type table.
    pub fn new(config: &Config) -> Result<Engine> {
        let table = Arc::new(TypeTable::new().map_err(|error| Error::limit(error.to_string()))?);
        let registry =
            TypeRegistry::with_quota(table, config.type_quota()).map_err(|error| Error::limit(error.to_string()))?;
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        let helper_threads = config.helper_threads(cores, address_space());
        let helpers = (helper_threads > 0).then(|| Arc::new(Helpers::new(helper_threads)));
        Ok(Engine(Arc::new(EngineInner {
            config: config.clone(),
            registry,
            trampolines: Trampolines::default(),
            stacks: StackPool::new(),
            timer: Arc::default(),
            heaps: config.heap_config(helpers.clone(), config.cage_pool()),
            helper_threads,
            helpers,
            background: Background::default(),
            compiling: Compiling::default(),
        })))
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// The features that a module needs, whether or not they are on in this engine. What is off is
    /// `features.missing_in(engine.config().enabled())`, whose text says how to switch it on.
    ///
    /// # Errors
    /// [`ErrorKind::Module`](crate::ErrorKind::Module) if the module is invalid with all features.
    pub fn detect(&self, bytes: impl AsRef<[u8]>) -> Result<Features> {
        Ok(heapwood_module::detect(bytes.as_ref())?)
    }

    /// What its stores may have at present.
    pub fn limits(&self) -> EngineLimits {
        let EngineInner { config, heaps, helper_threads, helpers, .. } = &*self.0;
        EngineLimits {
            heap_bytes: heaps.max_bytes,
            reach_bytes: reach_bytes_at_first(heaps.cage, heaps.max_bytes),
            address_space_bytes: address_space().map(|space| space.limit_bytes),
            helper_threads: *helper_threads,
            refused_helper_threads: helpers.as_ref().map_or(0, |helpers| helpers.refused()),
            memory32_guard: config.guards().memory32,
            tiering: config.tiering_mode() != Tiering::Off,
        }
    }

    /// Whether two handles are the same engine.
    pub fn same(a: &Engine, b: &Engine) -> bool {
        Arc::ptr_eq(&a.0, &b.0)
    }

    /// Number of defined types that modules and stores of this engine keep alive.
    pub fn live_types(&self) -> usize {
        self.0.registry.live()
    }

    /// How far the compilation of its modules has come: of all that it has compiled or is compiling, in any thread. A
    /// module that [`Config::cache`] or an image brought is not among them, nor are functions that are compiled again.
    ///
    /// ```
    /// # use heapwood_vm::{Engine, Module, Result};
    /// # fn main() -> Result<()> {
    /// let engine = Engine::default();
    /// Module::new(&engine, wat::parse_str("(module (func nop nop))").unwrap())?;
    /// let progress = engine.compile_progress();
    /// assert_eq!((progress.done_bytes, progress.total_bytes), (4, 4));
    /// # Ok(())
    /// # }
    /// ```
    pub fn compile_progress(&self) -> CompileProgress {
        self.0.compiling.progress()
    }

    /// What counts that.
    pub(crate) fn compiling(&self) -> &Compiling {
        &self.0.compiling
    }

    #[inline]
    pub(crate) fn registry(&self) -> &Arc<TypeRegistry> {
        &self.0.registry
    }

    pub(crate) fn reserved_types(&self) -> ReservedTypes {
        self.0.registry.reserved()
    }

    pub(crate) fn trampolines(&self) -> &Trampolines {
        &self.0.trampolines
    }

    pub(crate) fn stacks(&self) -> &Arc<StackPool> {
        &self.0.stacks
    }

    pub(crate) fn timer(&self) -> &Arc<Timer> {
        &self.0.timer
    }

    /// The thread for work that nobody waits for.
    pub(crate) fn background(&self) -> &Background {
        &self.0.background
    }

    /// Configuration of the heap of a store, which may have a limit of its own.
    pub(crate) fn heap_config(&self, max_bytes: Option<u64>) -> HeapConfig {
        let mut config = self.0.heaps.clone();
        if let Some(max_bytes) = max_bytes {
            (config.max_bytes, config.limit_is_given) = (max_bytes, true);
        }
        config
    }
}

impl Default for Engine {
    /// An engine with the default configuration.
    ///
    /// # Panics
    /// If the system refuses memory.
    fn default() -> Engine {
        Engine::new(&Config::new()).expect("memory for an engine")
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}
