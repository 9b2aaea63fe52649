//! What to instantiate, and in which order.
//!
//! 1. `read` validates the bytes and lists the definitions of each component, in order.
//! 2. `evaluate` follows them: each definition adds to an index space what it stands for, seen from the outermost
//!    component. Components within are followed at each place that instantiates them, with what they are given.

mod evaluate;
mod read;

use std::ops::Range;

/// Components within components at most: as they lie in the bytes, and by way of their instantiation.
const DEPTH_MAX: usize = 100;

/// Why a component cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The bytes are no valid component.
    #[error("invalid component: {0}")]
    Invalid(String),
    /// The component is valid, and needs something that is not there.
    #[error("this component needs what is not there: {0}")]
    Unsupported(String),
}

/// What a core item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CoreKind {
    /// A function, see [`Plan::funcs`].
    Func,
    /// A memory, see [`Plan::memories`].
    Memory,
    /// A table, see [`Plan::tables`].
    Table,
    /// A global, see [`Plan::globals`].
    Global,
    /// A tag, see [`Plan::tags`].
    Tag,
}

/// A core item: a place in the list of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoreItem {
    /// Which list.
    pub kind: CoreKind,
    /// The place there.
    pub index: usize,
}

/// Something that a core instance exports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportOf {
    /// The instance's place in [`Plan::instances`]; it comes before whatever uses this.
    pub instance: usize,
    /// The name of the export.
    pub name: String,
}

/// A core function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CoreFunc {
    /// What an instance exports.
    Export(ExportOf),
    /// A function of the host, lowered by the canonical ABI.
    Lowered {
        /// The interface with its version, `wasi:io/streams@0.2.3`.
        interface: String,
        /// The name there.
        name: String,
        /// The memory in which strings and lists lie: a place in [`Plan::memories`].
        memory: Option<usize>,
        /// The function that makes room there, of type `(i32 i32 i32 i32) -> i32`: a place in [`Plan::funcs`].
        realloc: Option<usize>,
    },
    /// Drops a handle of the resource of this name, `(i32) -> ()`.
    Drop(String),
}

/// A core instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CoreInstance {
    /// An instance of a module.
    Instantiate {
        /// Its place in [`Plan::modules`].
        module: usize,
        /// For each module name of its imports the instance with whose exports they are served, by its place.
        args: Vec<(String, usize)>,
    },
    /// An instance that is nothing but names for other items.
    Exports(Vec<(String, CoreItem)>),
}

/// How to run a component: instances in the order in which they are made, and what is called then. All indices are
/// valid, and what an instance uses comes before it.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    modules: Vec<Range<usize>>,
    instances: Vec<CoreInstance>,
    funcs: Vec<CoreFunc>,
    memories: Vec<ExportOf>,
    tables: Vec<ExportOf>,
    globals: Vec<ExportOf>,
    tags: Vec<ExportOf>,
    run: Option<usize>,
    imports: Vec<String>,
    exports: Vec<String>,
}

impl Plan {
    /// Reads a component in the binary format.
    ///
    /// # Errors
    /// [`PlanError::Invalid`] with an offset in bytes, [`PlanError::Unsupported`] with the name of what is missing. Host
    /// functions that are missing are none: they stand in [`Plan::missing`].
    pub fn new(bytes: &[u8]) -> Result<Plan, PlanError> {
        evaluate::evaluate(&read::read(bytes)?, bytes.len())
    }

    /// The core modules, as ranges of the bytes.
    pub fn modules(&self) -> &[Range<usize>] {
        &self.modules
    }

    /// The core instances, in the order in which they are made.
    pub fn instances(&self) -> &[CoreInstance] {
        &self.instances
    }

    /// All core functions.
    pub fn funcs(&self) -> &[CoreFunc] {
        &self.funcs
    }

    /// All core memories.
    pub fn memories(&self) -> &[ExportOf] {
        &self.memories
    }

    /// All core tables.
    pub fn tables(&self) -> &[ExportOf] {
        &self.tables
    }

    /// All core globals.
    pub fn globals(&self) -> &[ExportOf] {
        &self.globals
    }

    /// All core tags.
    pub fn tags(&self) -> &[ExportOf] {
        &self.tags
    }

    /// The function of type `() -> i32` behind the export `run` of `wasi:cli/run`, by its place in [`Plan::funcs`]. It
    /// returns 0 for success. None if the component is no command.
    pub fn run(&self) -> Option<usize> {
        self.run
    }

    /// The names of what the component imports, in order: interfaces with their versions.
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    /// The names of what it exports, in order.
    pub fn exports(&self) -> &[String] {
        &self.exports
    }

    /// The host functions that its core modules can call: interface and name, in order.
    pub fn lowered(&self) -> impl Iterator<Item = (&str, &str)> {
        self.funcs.iter().filter_map(|func| match func {
            CoreFunc::Lowered { interface, name, .. } => Some((&**interface, &**name)),
            CoreFunc::Export(_) | CoreFunc::Drop(_) => None,
        })
    }

    /// The host functions of [`lowered`](Self::lowered) that this crate does not have: interface and name, in order.
    pub fn missing(&self) -> impl Iterator<Item = (&str, &str)> {
        self.lowered().filter(|(interface, name)| crate::lookup(interface, name).is_none())
    }
}

/// Whether bytes begin as a component does, in the binary format: what follows may still be anything.
pub fn is_component(bytes: &[u8]) -> bool {
    // The version, and the layer that tells a component from a module.
    bytes.starts_with(b"\0asm") && bytes.get(6..8) == Some(&[1, 0])
}
