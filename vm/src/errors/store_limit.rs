//! Which limit of a store was in the way, as data beside the words.

use std::fmt;

/// What a store has a limit of ([`StoreBuilder`](crate::StoreBuilder)), but for the heap and the stack, whose ends are
/// traps.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum StoreResource {
    /// Bytes of memories, tables and element segments together.
    Memory,
    /// Elements of all tables together.
    TableElements,
    /// Instances.
    Instances,
}

/// A limit of a store that something was refused for; [`Error::store_limit`](crate::Error::store_limit) gives it.
///
/// ```
/// # use heapwood_vm::{Engine, Memory, MemoryType, Store, StoreLimit, StoreResource};
/// # fn main() -> heapwood_vm::Result<()> {
/// let mut store = Store::builder(&Engine::default()).memory_max(65536).build(())?;
/// let error = Memory::new(&mut store, MemoryType::builder().min(2).build()?).unwrap_err();
/// let limit = StoreLimit { resource: StoreResource::Memory, limit: 65536, wanted: 131072 };
/// assert_eq!(error.store_limit(), Some(limit));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct StoreLimit {
    /// What the limit is for.
    pub resource: StoreResource,
    /// The most that the store may have.
    pub limit: u64,
    /// What it would have had, all that it has included.
    pub wanted: u64,
}

impl fmt::Display for StoreResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StoreResource::Memory => "bytes of memories, tables and element segments",
            StoreResource::TableElements => "elements of tables",
            StoreResource::Instances => "instances",
        })
    }
}

impl fmt::Display for StoreLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: the store may have {}", self.wanted, self.resource, self.limit)
    }
}
