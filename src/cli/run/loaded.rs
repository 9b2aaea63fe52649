//! A program as its file has it: a module, or a component of several.

use crate::cli::failure::{UsageError, shown};
use crate::cli::module_file;
use anyhow::{Result, anyhow};
use heapwood::component::{Component, is_component};
use heapwood::{Engine, Module};
use std::path::Path;
use std::slice;

pub enum Loaded {
    Module(Module),
    /// A command: it has something to run, and so a module.
    Component(Component),
}

impl Loaded {
    /// # Errors
    /// The file cannot be read, or holds nothing that this engine takes; it is a component and no command.
    pub fn load(engine: &Engine, path: &Path) -> Result<Loaded> {
        let file = module_file::read(path)?;
        if !is_component(file.bytes()) {
            return file.compile(engine).map(Loaded::Module);
        }
        let component = Component::new(engine, file.bytes()).map_err(|error| file.named(error))?;
        if component.is_command() {
            return Ok(Loaded::Component(component));
        }
        let exports = if component.exports().is_empty() { "nothing".into() } else { component.exports().join(", ") };
        let exports = heapwood::cut(&exports, 1000);
        Err(anyhow!("{}: this component exports no `wasi:cli/run` of a version 0.2 but {exports}", shown(path)))
    }

    /// The program's core modules. The first one is its own; a component may have others that translate for it.
    pub fn modules(&self) -> &[Module] {
        match self {
            Loaded::Module(module) => slice::from_ref(module),
            Loaded::Component(component) => component.modules(),
        }
    }

    /// The module.
    ///
    /// # Errors
    /// It is a component, for which `purpose` is not there.
    pub fn as_module(&self, purpose: &str) -> Result<&Module, UsageError> {
        match self {
            Loaded::Module(module) => Ok(module),
            Loaded::Component(_) => Err(UsageError::new(format!("{purpose} is for core modules; this is a component"))),
        }
    }
}
