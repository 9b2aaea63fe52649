//! Many tenants in one process: each has a store of its own with a [`Quota`], and all share an engine and what was
//! compiled in it.
//!
//! A tenant reaches its own memories, tables, globals and heap, and of others nothing but their inboxes. What one does
//! (a trap, an exception, an endless loop, a full heap, a flood of messages) ends in an error of the call that did it,
//! and the tenant can be called again. Tenants are called from any thread, each by one at a time.
//!
//! ```
//! use heapwood::tenants::{Quota, Resource, Tenant, TenantError, Tenants};
//! use heapwood::{Engine, Linker, Module};
//! # #[cfg(feature = "wat")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let engine = Engine::default();
//! let module = Module::new(&engine, r#"(module
//!     (memory 1)
//!     (global $count (mut i32) (i32.const 0))
//!     (func (export "next") (result i32)
//!       (global.set $count (i32.add (global.get $count) (i32.const 1))) (global.get $count))
//!     (func (export "spin") (loop (br 0))))"#)?;
//! let program = Linker::<Tenant<()>>::new(&engine).instantiate_pre(&module)?;
//!
//! let tenants = Tenants::new();
//! let quota = Quota::new().memory(1 << 20).time(std::time::Duration::from_millis(500));
//! let (one, two) = (tenants.register(&program, &quota, ())?, tenants.register(&program, &quota, ())?);
//! assert_eq!(tenants.execute::<(), i32>(one, "next", ())?, 1);
//! assert_eq!(tenants.execute::<(), i32>(one, "next", ())?, 2);
//! let error = tenants.execute::<(), ()>(one, "spin", ()).unwrap_err();
//! assert!(matches!(error, TenantError::Quota { resource: Resource::Time, limit: 500_000, .. }));
//! // Neither the other one nor the one itself is the worse for it.
//! assert_eq!(tenants.execute::<(), i32>(two, "next", ())?, 1);
//! assert_eq!(tenants.execute::<(), i32>(one, "next", ())?, 3);
//! // Messages wait in a bounded inbox, where guests and the host find them.
//! tenants.send(one, two, b"hello")?;
//! assert_eq!(tenants.receive(two)?.unwrap().bytes, b"hello");
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "wat"))]
//! # fn main() {}
//! ```

mod error;
mod post;
mod quota;
mod tenant;

pub use error::{SendError, TenantError};
pub use post::Message;
pub use quota::{Quota, Resource};
pub use tenant::{Tenant, TenantId, receive};

use crate::{Instance, InstancePre, Linker, Module, Result, Store, WasmParams, WasmResults};
use parking_lot::RwLock;
use post::Post;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tenant::{Entry, Room};

/// Tenants by their names. `T` is what the host keeps for each.
///
/// To be shared between threads, by reference or in an `Arc`. No function but [`Tenants::register`] and those that call
/// guests takes longer than a look into a table; none waits for a guest.
pub struct Tenants<T: 'static> {
    post: Post,
    entries: RwLock<HashMap<TenantId, Arc<Entry<T>>>>,
    next: AtomicU64,
}

/// What a tenant has at present.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Usage {
    /// Bytes that the heap takes from the system, its tables included.
    pub heap_bytes: u64,
    /// The most that it ever took.
    pub heap_peak_bytes: u64,
    /// Bytes of linear memories.
    pub memory_bytes: u64,
    /// Bytes of compiled code, as of [`Quota::code`].
    pub code_bytes: u64,
    /// Messages that wait.
    pub messages: usize,
}

impl<T: 'static> Tenants<T> {
    /// An empty set of tenants.
    pub fn new() -> Tenants<T> {
        Tenants { post: Post::default(), entries: RwLock::default(), next: AtomicU64::new(1) }
    }

    /// Makes a tenant: a store with these limits in the program's engine, in which the program is instantiated and its
    /// start function runs. Its exports are those that [`Tenants::execute`] calls.
    ///
    /// # Errors
    /// The program takes more than the quota; its start function fails; a limit of the quota is not possible; the
    /// system refuses. There is no tenant then.
    pub fn register(&self, program: &InstancePre<Tenant<T>>, quota: &Quota, data: T) -> Result<TenantId, TenantError> {
        quota.check_code(program.module().code_bytes())?;
        let id = TenantId::from(self.next.fetch_add(1, Ordering::Relaxed));
        let tenant = Tenant::new(id, self.post.clone(), data);
        let mut store = quota.store(program.module().engine(), tenant).map_err(TenantError::Guest)?;
        let open = Opened::new(&self.post, id, &mut store, quota);
        let room = Room::new(store, program, quota)?;
        open.keep();
        let entry = Entry::new(room, quota.clone());
        self.entries.write().insert(id, entry.into());
        Ok(id)
    }

    /// Compiles a module that the tenant brings, a binary, and instantiates it beside the tenant's program.
    /// [`Tenants::with_store`] calls what it exports.
    ///
    /// # Errors
    /// The module is not valid, or what it imports is not in the linker; the code or what it has is beyond the quota;
    /// its start function fails; no such tenant; it is at work.
    pub fn load(&self, id: TenantId, linker: &Linker<Tenant<T>>, binary: &[u8]) -> Result<Instance, TenantError> {
        self.entry(id)?.work(id, |room, quota| {
            let module = Module::from_binary(room.store.engine(), binary).map_err(TenantError::Guest)?;
            let program = linker.instantiate_pre(&module).map_err(TenantError::Guest)?;
            room.load(&program, quota)
        })
    }

    /// Calls a function that the tenant's program exports, with the quota's time and fuel. Numbers go in and out;
    /// objects by [`Tenants::with_store`].
    ///
    /// # Errors
    /// A limit of the quota; the guest traps, throws, or a host function fails; there is no such function of this
    /// type; no such tenant; it is at work.
    pub fn execute<P: WasmParams, R: WasmResults>(
        &self,
        id: TenantId,
        export: &str,
        params: P,
    ) -> Result<R, TenantError> {
        self.with_store(id, |store, main| main.get_typed_func::<P, R>(&mut *store, export)?.call(store, params))
    }

    /// Works on a tenant's store and its program's instance. The first call of a guest in there has the quota's time;
    /// [`Store::set_deadline`] gives it to another one. Fuel is for all of them together.
    ///
    /// # Errors
    /// As of [`Tenants::execute`].
    pub fn with_store<R>(
        &self,
        id: TenantId,
        work: impl FnOnce(&mut Store<Tenant<T>>, &Instance) -> Result<R>,
    ) -> Result<R, TenantError> {
        self.entry(id)?.work(id, |room, quota| {
            let result = work(&mut room.store, &room.main);
            room.store.clear_deadline();
            result.map_err(|error| quota.explain(error))
        })
    }

    /// Leaves a copy of a message in a tenant's inbox, whether it is at work or not. The guest takes it by a host
    /// function that calls [`receive`].
    ///
    /// # Errors
    /// Sender or receiver are not there, the inbox is full, or the message is longer than the inbox; the message is not
    /// left then.
    pub fn send(&self, from: TenantId, to: TenantId, message: &[u8]) -> Result<(), SendError> {
        self.post.send(from, to, message)
    }

    /// The message that has waited longest for a tenant; none if none waits.
    ///
    /// # Errors
    /// No such tenant; it is at work.
    pub fn receive(&self, id: TenantId) -> Result<Option<Message>, TenantError> {
        self.entry(id)?.look(id, |room| Message::unpack(&room.store.receive()?))
    }

    /// What a tenant has.
    ///
    /// # Errors
    /// No such tenant; it is at work.
    pub fn usage(&self, id: TenantId) -> Result<Usage, TenantError> {
        self.entry(id)?.look(id, |room| {
            let stats = room.store.memory_stats();
            Usage {
                heap_bytes: stats.heap.used_bytes,
                heap_peak_bytes: stats.heap.peak_bytes,
                memory_bytes: stats.memories.iter().map(|memory| memory.used_bytes).sum(),
                code_bytes: room.code_bytes(),
                messages: self.post.waiting(id),
            }
        })
    }

    /// Ends a tenant that is not at work: its store goes, its inbox closes. Its data comes back.
    ///
    /// # Errors
    /// No such tenant; it is at work ([`Tenants::evict`] ends it nevertheless).
    pub fn unregister(&self, id: TenantId) -> Result<T, TenantError> {
        let room = self.entry(id)?.close(id)?;
        self.remove(id);
        Ok(room.store.into_data().into_data())
    }

    /// Ends a tenant at once. A call that is under way ends with the trap
    /// [`TrapKind::Interrupted`](crate::TrapKind::Interrupted), and its store goes with it. Whether the tenant was
    /// there.
    pub fn evict(&self, id: TenantId) -> bool {
        let entry = self.remove(id);
        if let Some(entry) = &entry {
            entry.interrupt();
        }
        entry.is_some()
    }

    /// Number of tenants that are registered.
    pub fn len(&self) -> usize {
        self.entries.read().len()
    }

    /// Whether no tenant is registered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The tenants that are registered, in no order.
    pub fn ids(&self) -> Vec<TenantId> {
        self.entries.read().keys().copied().collect()
    }

    fn entry(&self, id: TenantId) -> Result<Arc<Entry<T>>, TenantError> {
        let entries = self.entries.read();
        entries.get(&id).cloned().ok_or(TenantError::Unknown(id))
    }

    /// Takes a tenant out of all tables, and leaves its store to the call that is using it.
    fn remove(&self, id: TenantId) -> Option<Arc<Entry<T>>> {
        self.post.close(id);
        self.entries.write().remove(&id)
    }
}

impl<T: 'static> Default for Tenants<T> {
    fn default() -> Tenants<T> {
        Tenants::new()
    }
}

impl<T: 'static> fmt::Debug for Tenants<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tenants").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// An inbox that closes again unless the tenant comes to be.
struct Opened<'p> {
    post: &'p Post,
    id: TenantId,
    is_kept: bool,
}

impl<'p> Opened<'p> {
    fn new<T: 'static>(post: &'p Post, id: TenantId, store: &mut Store<Tenant<T>>, quota: &Quota) -> Opened<'p> {
        post.open(id, store.open_inbox(quota.inbox_bytes, quota.inbox_messages), quota.inbox_bytes);
        Opened { post, id, is_kept: false }
    }

    fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        if !self.is_kept {
            self.post.close(self.id);
        }
    }
}
