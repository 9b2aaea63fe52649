//! Whom a store asks before it grows, and the usual answers.

use crate::errors::{Error, Result};

/// How many instances, tables and memories a store has at most where nothing else is said.
const COUNT_DEFAULT: usize = 10_000;

/// Is asked before something of a store grows. Part of the host's data, as [`Store::limiter`](crate::Store::limiter)
/// says; so the answer may depend on what the host has left.
///
/// `Ok(false)` refuses: the instruction gives -1, an instantiation or a function of the host is an error of kind
/// [`ErrorKind::Limit`](crate::ErrorKind::Limit), an allocation has to do with what the heap has and ends in
/// [`TrapKind::HeapExhausted`](crate::TrapKind::HeapExhausted) if that is not enough. An error ends the guest, and the
/// host finds it again by [`Error::downcast_ref`]. A panic unwinds as one in a host function does. Whatever the answer,
/// the store stays usable.
///
/// What the limiter allows is still subject to the limits of the store ([`StoreBuilder`](crate::StoreBuilder)), of the
/// type, and of the system.
///
/// ```
/// # use heapwood_vm::{Engine, Memory, MemoryType, ResourceLimiter, Result, Store};
/// /// Pages may be bought.
/// struct Account {
///     pages: usize,
/// }
///
/// impl ResourceLimiter for Account {
///     fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> Result<bool> {
///         let left = self.pages.checked_sub((desired - current) / 65536);
///         self.pages = left.unwrap_or(self.pages);
///         Ok(left.is_some())
///     }
///
///     fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> Result<bool> {
///         Ok(true)
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let mut store = Store::new(&Engine::default(), Account { pages: 3 });
/// store.limiter(|account| account);
/// let memory = Memory::new(&mut store, MemoryType::builder().min(1).build()?)?;
/// memory.grow(&mut store, 2)?;
/// assert!(memory.grow(&mut store, 1).is_err());
/// store.data_mut().pages = 1;
/// memory.grow(&mut store, 1)?;
/// # Ok(())
/// # }
/// ```
pub trait ResourceLimiter: Send {
    /// Whether a linear memory may have `desired` bytes instead of `current` ones, 0 for a new one; `maximum` is that of
    /// its type in bytes, and may be less. False refuses: an instruction gives -1 then, whatever else grows or makes a
    /// memory an error. Is asked for shared memories too, when the store's guest grows them and when the store first
    /// uses them, and not when a memory grows by 0 pages.
    ///
    /// # Errors
    /// An error ends the guest, and reaches whoever called it.
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool>;

    /// Whether a table may have `desired` elements instead of `current` ones, 0 for a new one; `maximum` is that of its
    /// type, and may be less. False refuses, as for a memory. Is not asked when a table grows by 0 elements.
    ///
    /// # Errors
    /// An error ends the guest, and reaches whoever called it.
    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool>;

    /// Whether the heap may use up to `desired` bytes, its own tables included; it was allowed `current`, and `maximum`
    /// is its limit. Is asked outside of collections, before anything is collected for the
    /// allocation. If `desired`, which leaves some room, is refused, less may be asked for right away: what the
    /// allocation needs at least, in multiples of 64 KiB. What was allowed once stays allowed. Allows everything by
    /// default.
    ///
    /// # Errors
    /// An error ends the guest, and reaches whoever called it.
    fn gc_heap_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        let _ = (current, desired, maximum);
        Ok(true)
    }

    /// A memory did not grow though that was allowed: its type, a limit of the store or the system was against it, as
    /// `error` says. Not told of new memories. Does nothing by default.
    ///
    /// # Errors
    /// An error ends the guest, in place of a growth that gives -1.
    fn memory_grow_failed(&mut self, error: Error) -> Result<()> {
        drop(error);
        Ok(())
    }

    /// A table did not grow though that was allowed: its type, a limit of the store or the system was against it, as
    /// `error` says. Not told of new tables. Does nothing by default.
    ///
    /// # Errors
    /// An error ends the guest, in place of a growth that gives -1.
    fn table_grow_failed(&mut self, error: Error) -> Result<()> {
        drop(error);
        Ok(())
    }

    /// Most instances of the store; asked whenever one is made, as are the next two. 10,000 by default.
    fn instances(&self) -> usize {
        COUNT_DEFAULT
    }

    /// Most tables of the store. 10,000 by default.
    fn tables(&self) -> usize {
        COUNT_DEFAULT
    }

    /// Most memories of the store, shared ones included. 10,000 by default.
    fn memories(&self) -> usize {
        COUNT_DEFAULT
    }
}

/// A [`ResourceLimiter`] with fixed limits, each for a single memory or table. Without a limit that is set, sizes are
/// not limited, and counts as in the trait.
///
/// ```
/// # use heapwood_vm::{Engine, Store, StoreLimits, StoreLimitsBuilder, Table, TableType, RefType, Val};
/// # fn main() -> heapwood_vm::Result<()> {
/// struct Host {
///     limits: StoreLimits,
/// }
/// let limits = StoreLimitsBuilder::new().memory_size(1 << 20).table_elements(100).instances(2).build();
/// let mut store = Store::new(&Engine::default(), Host { limits });
/// store.limiter(|host| &mut host.limits);
/// assert!(Table::new(&mut store, TableType::new(RefType::FUNCREF, 101, None), Val::FuncRef(None)).is_err());
/// Table::new(&mut store, TableType::new(RefType::FUNCREF, 100, None), Val::FuncRef(None))?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct StoreLimits {
    memory_size: Option<usize>,
    table_elements: Option<usize>,
    gc_heap_size: Option<usize>,
    instances: usize,
    tables: usize,
    memories: usize,
    trap_on_grow_failure: bool,
}

/// Makes [`StoreLimits`].
///
/// ```
/// # use heapwood_vm::{ResourceLimiter, StoreLimitsBuilder};
/// let mut limits = StoreLimitsBuilder::new().gc_heap_size(8 << 20).build();
/// assert!(limits.gc_heap_growing(1 << 20, 8 << 20, None).unwrap());
/// assert!(!limits.gc_heap_growing(8 << 20, 9 << 20, None).unwrap());
/// ```
#[derive(Clone, Debug, Default)]
pub struct StoreLimitsBuilder(StoreLimits);

impl Default for StoreLimits {
    fn default() -> StoreLimits {
        StoreLimits {
            memory_size: None,
            table_elements: None,
            gc_heap_size: None,
            instances: COUNT_DEFAULT,
            tables: COUNT_DEFAULT,
            memories: COUNT_DEFAULT,
            trap_on_grow_failure: false,
        }
    }
}

impl StoreLimitsBuilder {
    /// A builder of limits that limits counts only.
    pub fn new() -> StoreLimitsBuilder {
        StoreLimitsBuilder::default()
    }

    /// Most bytes of a linear memory.
    pub fn memory_size(mut self, bytes: usize) -> StoreLimitsBuilder {
        self.0.memory_size = Some(bytes);
        self
    }

    /// Most elements of a table.
    pub fn table_elements(mut self, elements: usize) -> StoreLimitsBuilder {
        self.0.table_elements = Some(elements);
        self
    }

    /// Most bytes of the heap, its own tables included; it grows in multiples of 64 KiB.
    pub fn gc_heap_size(mut self, bytes: usize) -> StoreLimitsBuilder {
        self.0.gc_heap_size = Some(bytes);
        self
    }

    /// Most instances.
    pub fn instances(mut self, count: usize) -> StoreLimitsBuilder {
        self.0.instances = count;
        self
    }

    /// Most tables.
    pub fn tables(mut self, count: usize) -> StoreLimitsBuilder {
        self.0.tables = count;
        self
    }

    /// Most memories.
    pub fn memories(mut self, count: usize) -> StoreLimitsBuilder {
        self.0.memories = count;
        self
    }

    /// Whether a memory or table that cannot grow ends the guest with an error, in place of the -1 of the instruction.
    /// Not so by default. A heap that may not grow ends the guest at once then, and nothing is collected for the
    /// allocation.
    pub fn trap_on_grow_failure(mut self, trap: bool) -> StoreLimitsBuilder {
        self.0.trap_on_grow_failure = trap;
        self
    }

    /// The limits.
    pub fn build(self) -> StoreLimits {
        self.0
    }
}

impl StoreLimits {
    fn is_allowed(&self, what: &str, limit: Option<usize>, desired: usize, maximum: Option<usize>) -> Result<bool> {
        let most = limit.unwrap_or(usize::MAX).min(maximum.unwrap_or(usize::MAX));
        match desired <= most {
            true => Ok(true),
            false if self.trap_on_grow_failure => {
                Err(Error::limit(format!("{what} was to have {desired}, the limit is {most}")))
            }
            false => Ok(false),
        }
    }

    fn failed(&self, error: Error) -> Result<()> {
        if self.trap_on_grow_failure { Err(error) } else { Ok(()) }
    }
}

impl ResourceLimiter for StoreLimits {
    fn memory_growing(&mut self, _: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        self.is_allowed("the bytes of a memory", self.memory_size, desired, maximum)
    }

    fn table_growing(&mut self, _: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        self.is_allowed("the elements of a table", self.table_elements, desired, maximum)
    }

    fn gc_heap_growing(&mut self, _: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        self.is_allowed("the bytes of the heap", self.gc_heap_size, desired, maximum)
    }

    fn memory_grow_failed(&mut self, error: Error) -> Result<()> {
        self.failed(error)
    }

    fn table_grow_failed(&mut self, error: Error) -> Result<()> {
        self.failed(error)
    }

    fn instances(&self) -> usize {
        self.instances
    }

    fn tables(&self) -> usize {
        self.tables
    }

    fn memories(&self) -> usize {
        self.memories
    }
}
