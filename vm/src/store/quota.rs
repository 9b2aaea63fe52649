//! What a store may take.

use crate::engine::{Config, MAX_STACK_MAX, MAX_STACK_MIN};
use crate::errors::{Error, Result};

/// Limits of one store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quota {
    /// Most bytes of the heap; none: what the engine says.
    pub heap_bytes: Option<u64>,
    /// Most bytes of memories, tables and element segments together.
    pub memory_bytes: u64,
    /// Most elements of all tables together.
    pub table_elements: u64,
    /// Most instances.
    pub instances: usize,
    /// Bytes of its stack that a guest may use.
    pub stack_bytes: usize,
}

impl Quota {
    /// The quota of a store for which its builder says nothing else.
    pub fn of_engine(config: &Config) -> Quota {
        Quota {
            heap_bytes: None,
            memory_bytes: config.memory_limit(),
            table_elements: u64::MAX,
            instances: usize::MAX,
            stack_bytes: config.stack_bytes(),
        }
    }

    /// What was asked for instead of the engine's.
    ///
    /// # Errors
    /// A stack that is too small or too large. (The heap looks at its own limit.)
    pub fn check(&self) -> Result<()> {
        let bytes = self.stack_bytes;
        match (MAX_STACK_MIN..=MAX_STACK_MAX).contains(&bytes) {
            true => Ok(()),
            false => Err(Error::limit(format!(
                "a stack of {bytes} bytes is not possible (from {MAX_STACK_MIN} to {MAX_STACK_MAX} bytes)"
            ))),
        }
    }
}
