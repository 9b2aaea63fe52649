//! Compiled modules.

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::types::{ExportType, ImportType};
use heapwood_module::ModuleInfo;
use std::sync::Arc;

/// A validated and compiled module. Cheap to clone, shared by all stores of its engine.
#[derive(Clone)]
pub struct Module(Arc<ModuleInner>);

struct ModuleInner {
    engine: Engine,
    info: ModuleInfo,
}

impl Module {
    /// Validates and compiles a binary.
    ///
    /// # Errors
    /// [`ErrorKind::Module`](crate::ErrorKind::Module) if it is not valid, `Unsupported` if it needs what is not
    /// there yet.
    pub fn new(engine: &Engine, bytes: impl AsRef<[u8]>) -> Result<Module> {
        let _decoded = heapwood_module::decode(bytes.as_ref().into(), engine.config().features)?;
        Err(Error::unsupported(None, "compilation"))
    }

    /// Validates a binary.
    ///
    /// # Errors
    /// [`ErrorKind::Module`](crate::ErrorKind::Module) if it is not valid.
    pub fn validate(engine: &Engine, bytes: &[u8]) -> Result<()> {
        let decoded = heapwood_module::decode(bytes.into(), engine.config().features)?;
        let _ = decoded;
        Ok(())
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// The decoded module: types, index spaces, names.
    pub fn info(&self) -> &ModuleInfo {
        &self.0.info
    }

    /// The module's name from the name section.
    pub fn name(&self) -> Option<&str> {
        self.0.info.names().module()
    }

    /// A function's name from the name section.
    pub fn func_name(&self, function: u32) -> Option<&str> {
        self.0.info.names().function(function)
    }

    /// What it imports, in order.
    pub fn imports(&self) -> impl Iterator<Item = ImportType<'_>> {
        std::iter::empty()
    }

    /// What it exports, in order.
    pub fn exports(&self) -> impl Iterator<Item = ExportType<'_>> {
        std::iter::empty()
    }

    /// Whether two handles are the same module.
    pub fn same(a: &Module, b: &Module) -> bool {
        Arc::ptr_eq(&a.0, &b.0)
    }
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Module({})", self.name().unwrap_or("unnamed"))
    }
}
