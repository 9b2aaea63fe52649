//! What a tenant may have.

use super::{Tenant, TenantError};
use crate::{Engine, Result, Store, StoreResource, TrapKind};
use std::fmt;
use std::time::Duration;

/// What a tenant may have. Every limit has a default, and but for fuel none is unlimited.
///
/// ```
/// # use heapwood::tenants::Quota;
/// # use std::time::Duration;
/// let small = Quota::new().heap(4 << 20).memory(1 << 20).time(Duration::from_millis(50));
/// let large = small.clone().heap(256 << 20).inbox(1 << 20, 1000);
/// # drop(large);
/// ```
#[derive(Clone, Debug)]
pub struct Quota {
    heap: u64,
    memory: u64,
    tables: u64,
    code: u64,
    stack: usize,
    instances: usize,
    pub(super) inbox_bytes: usize,
    pub(super) inbox_messages: usize,
    time: Duration,
    fuel: Option<u64>,
}

/// What a tenant has a limit of.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Resource {
    /// Bytes of the heap, its own tables included ([`Quota::heap`]).
    Heap,
    /// Bytes of memories, tables and element segments ([`Quota::memory`]).
    Memory,
    /// Elements of tables ([`Quota::tables`]).
    TableElements,
    /// Bytes of compiled code ([`Quota::code`]).
    Code,
    /// Bytes of stack ([`Quota::stack`]).
    Stack,
    /// Instances ([`Quota::instances`]).
    Instances,
    /// Microseconds of a call ([`Quota::time`]).
    Time,
    /// Fuel of a call ([`Quota::fuel`]).
    Fuel,
}

impl Default for Quota {
    fn default() -> Quota {
        Quota {
            heap: 16 << 20,
            memory: 16 << 20,
            tables: 10_000,
            code: 16 << 20,
            stack: 256 << 10,
            instances: 16,
            inbox_bytes: 64 << 10,
            inbox_messages: 256,
            time: Duration::from_secs(1),
            fuel: None,
        }
    }
}

impl Quota {
    /// The defaults, which each function below names.
    pub fn new() -> Quota {
        Quota::default()
    }

    /// Most bytes of the heap, its own tables included; 16 MiB, and 1 MiB at least. Beyond it everything dead is
    /// collected, then the call ends.
    pub fn heap(mut self, bytes: u64) -> Quota {
        self.heap = bytes;
        self
    }

    /// Most bytes of linear memories, tables and element segments together; 16 MiB. The instruction that would grow
    /// one beyond gives -1, what is instantiated beyond it is refused.
    pub fn memory(mut self, bytes: u64) -> Quota {
        self.memory = bytes;
        self
    }

    /// Most elements of all tables together; 10,000. Beyond it as with [`Quota::memory`].
    pub fn tables(mut self, elements: u64) -> Quota {
        self.tables = elements;
        self
    }

    /// Most bytes of compiled code of the modules that the tenant runs
    /// ([`Module::code_bytes`](crate::Module::code_bytes)); 16 MiB. A module counts once, and with all of its code
    /// though other tenants run it too: what a tenant may run does not depend on others. What compiling takes meanwhile
    /// is limited by the engine ([`Config::max_compile_memory`](crate::Config::max_compile_memory)).
    pub fn code(mut self, bytes: u64) -> Quota {
        self.code = bytes;
        self
    }

    /// Bytes of stack, from [`MAX_STACK_MIN`](crate::MAX_STACK_MIN) on; 256 KiB.
    pub fn stack(mut self, bytes: usize) -> Quota {
        self.stack = bytes;
        self
    }

    /// Most instances, with those that failed in their start function while something of theirs is reached; 16.
    pub fn instances(mut self, count: usize) -> Quota {
        self.instances = count;
        self
    }

    /// Most bytes and messages that wait for the tenant; 64 KiB and 256. Each message takes 8 bytes more than it has,
    /// for its sender.
    pub fn inbox(mut self, bytes: usize, messages: usize) -> Quota {
        (self.inbox_bytes, self.inbox_messages) = (bytes, messages);
        self
    }

    /// How long a call, or an instantiation, may take; one second. Waits count, and so do calls of guests within it.
    pub fn time(mut self, time: Duration) -> Quota {
        self.time = time;
        self
    }

    /// Fuel of each call and instantiation. By default as much as there can be; a tenant that has a limit needs an
    /// engine that counts ([`Config::consume_fuel`](crate::Config::consume_fuel)).
    pub fn fuel(mut self, fuel: u64) -> Quota {
        self.fuel = Some(fuel);
        self
    }

    /// A store that has these limits.
    pub(super) fn store<T: 'static>(&self, engine: &Engine, tenant: Tenant<T>) -> Result<Store<Tenant<T>>> {
        Store::builder(engine)
            .gc_heap_max(self.heap)
            .memory_max(self.memory)
            .tables_max(self.tables)
            .instances_max(self.instances)
            .max_stack(self.stack)
            .build(tenant)
    }

    /// Gives the next call its time and fuel.
    pub(super) fn begin_call<T: 'static>(&self, store: &mut Store<T>) -> Result<()> {
        store.set_deadline(self.time);
        match self.fuel {
            Some(fuel) => store.set_fuel(fuel),
            None if store.get_fuel().is_ok() => store.set_fuel(u64::MAX),
            None => Ok(()),
        }
    }

    /// An error unless so many bytes of code are within the limit.
    pub(super) fn check_code(&self, wanted: u64) -> Result<(), TenantError> {
        match wanted <= self.code {
            true => Ok(()),
            false => Err(TenantError::Quota {
                resource: Resource::Code,
                limit: self.code,
                wanted: Some(wanted),
                error: None,
            }),
        }
    }

    /// Which limit an error is about, if it is about one.
    pub(super) fn explain(&self, error: crate::Error) -> TenantError {
        let of_store = error.store_limit().and_then(|limit| {
            let resource = match limit.resource {
                StoreResource::Memory => Resource::Memory,
                StoreResource::TableElements => Resource::TableElements,
                StoreResource::Instances => Resource::Instances,
                _ => return None,
            };
            Some((resource, limit.limit, Some(limit.wanted)))
        });
        let of_trap = error.trap().filter(|trap| !trap.is_refused_by_system()).and_then(|trap| match trap.kind() {
            TrapKind::HeapExhausted => Some((Resource::Heap, self.heap, None)),
            TrapKind::StackExhausted => Some((Resource::Stack, self.stack as u64, None)),
            TrapKind::DeadlineExceeded => {
                Some((Resource::Time, u64::try_from(self.time.as_micros()).unwrap_or(u64::MAX), None))
            }
            TrapKind::OutOfFuel => Some((Resource::Fuel, self.fuel.unwrap_or(u64::MAX), None)),
            _ => None,
        });
        match of_store.or(of_trap) {
            Some((resource, limit, wanted)) => TenantError::Quota { resource, limit, wanted, error: Some(error) },
            None => TenantError::Guest(error),
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Resource::Heap => "bytes of the heap",
            Resource::Memory => "bytes of memories, tables and element segments",
            Resource::TableElements => "elements of tables",
            Resource::Code => "bytes of compiled code",
            Resource::Stack => "bytes of stack",
            Resource::Instances => "instances",
            Resource::Time => "microseconds of a call",
            Resource::Fuel => "fuel of a call",
        })
    }
}
