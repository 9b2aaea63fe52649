//! What modules and stores of a process share: configuration, types, trampolines, stacks.

use crate::config::Config;
use crate::error::{Error, Result};
use crate::registry::{ReservedTypes, TypeRegistry};
use crate::rt::stack::StackPool;
use crate::rt::stubs::Trampolines;
use heapwood_gc::{Collector, HeapConfig, Helpers, TypeTable};
use heapwood_module::Features;
use std::num::NonZeroU64;
use std::sync::Arc;

/// An engine. Cheap to clone, shared between threads.
#[derive(Clone)]
pub struct Engine(Arc<EngineInner>);

struct EngineInner {
    config: Config,
    registry: Arc<TypeRegistry>,
    trampolines: Trampolines,
    stacks: StackPool,
    /// Threads that mark, if there are any.
    helpers: Option<Arc<Helpers>>,
}

impl Engine {
    /// An engine with this configuration.
    ///
    /// # Errors
    /// The system refuses memory for the type table.
    pub fn new(config: &Config) -> Result<Engine> {
        let table = Arc::new(TypeTable::new().map_err(|error| Error::limit(error.to_string()))?);
        let registry =
            TypeRegistry::with_quota(table, config.max_types).map_err(|error| Error::limit(error.to_string()))?;
        let stacks = StackPool::new(config.max_stack);
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        let helpers = config.heap.threads.unwrap_or((cores > 1) as usize);
        Ok(Engine(Arc::new(EngineInner {
            config: config.clone(),
            registry,
            trampolines: Trampolines::default(),
            stacks,
            helpers: (helpers > 0).then(|| Arc::new(Helpers::new(helpers))),
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

    /// Whether two handles are the same engine.
    pub fn same(a: &Engine, b: &Engine) -> bool {
        Arc::ptr_eq(&a.0, &b.0)
    }

    /// Number of defined types that modules and stores of this engine keep alive.
    pub fn live_types(&self) -> usize {
        self.0.registry.live()
    }

    pub(crate) fn registry(&self) -> &Arc<TypeRegistry> {
        &self.0.registry
    }

    pub(crate) fn reserved_types(&self) -> ReservedTypes {
        self.0.registry.reserved()
    }

    pub(crate) fn trampolines(&self) -> &Trampolines {
        &self.0.trampolines
    }

    pub(crate) fn stacks(&self) -> &StackPool {
        &self.0.stacks
    }

    /// Configuration of the heaps of this engine's stores.
    pub(crate) fn heap_config(&self) -> HeapConfig {
        let options = &self.0.config.heap;
        let defaults = HeapConfig::default();
        let config = HeapConfig {
            max_bytes: options.max_bytes.unwrap_or(defaults.max_bytes),
            limit_is_given: options.max_bytes.is_some(),
            initial_bytes: options.initial_bytes.unwrap_or(defaults.initial_bytes),
            nursery_bytes: options.nursery_bytes,
            stress: NonZeroU64::new(options.stress),
            verify: options.verify,
            mark_slice: NonZeroU64::new(options.mark_slice),
            helpers: self.0.helpers.clone(),
            profile: options.profile,
            collector: if options.never_collect { Collector::None } else { Collector::Generational },
            ..defaults
        };
        #[cfg(feature = "test-hooks")]
        let config = HeapConfig { refused_calls: self.0.config.refused_calls.clone(), ..config };
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
