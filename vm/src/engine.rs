//! What modules and stores of a process share: configuration, types, code.

use crate::config::Config;
use crate::error::{Error, Result};
use crate::types::{TypeId, ValType};
use std::sync::Arc;

/// An engine. Cheap to clone, shared between threads.
#[derive(Clone)]
pub struct Engine(Arc<EngineInner>);

struct EngineInner {
    config: Config,
}

impl Engine {
    /// An engine with this configuration.
    ///
    /// # Errors
    /// The system refuses memory for the type table or for stubs.
    pub fn new(config: &Config) -> Result<Engine> {
        Ok(Engine(Arc::new(EngineInner { config: config.clone() })))
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// Whether two handles are the same engine.
    pub fn same(a: &Engine, b: &Engine) -> bool {
        Arc::ptr_eq(&a.0, &b.0)
    }

    pub(crate) fn intern_func_type(&self, _params: &[ValType], _results: &[ValType]) -> Result<TypeId> {
        Err(Error::unsupported(None, "function types of the host"))
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
