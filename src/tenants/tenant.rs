//! One tenant: what its host functions see of it, and what it consists of.

use super::post::Post;
use super::{Message, Quota, SendError, TenantError};
use crate::{Caller, Instance, InstancePre, InterruptHandle, Module, Result, Store};
use parking_lot::{Mutex, MutexGuard};
use std::fmt;

/// The name of a tenant, which no other one gets, also when it is gone. A number for guests.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TenantId(u64);

impl From<u64> for TenantId {
    fn from(number: u64) -> TenantId {
        TenantId(number)
    }
}

impl From<TenantId> for u64 {
    fn from(id: TenantId) -> u64 {
        id.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tenant {}", self.0)
    }
}

/// The data of a tenant's store: who it is, and the host's own data. Host functions reach it by
/// [`Caller::data`](crate::Caller::data).
pub struct Tenant<T> {
    id: TenantId,
    post: Post,
    data: T,
}

impl<T> Tenant<T> {
    pub(super) fn new(id: TenantId, post: Post, data: T) -> Tenant<T> {
        Tenant { id, post, data }
    }

    /// Number of the tenant.
    pub fn id(&self) -> TenantId {
        self.id
    }

    /// The host's data.
    pub fn data(&self) -> &T {
        &self.data
    }

    /// The host's data, for changing it.
    pub fn data_mut(&mut self) -> &mut T {
        &mut self.data
    }

    /// Sends a copy of a message to another tenant, or to itself, as [`Tenants::send`](super::Tenants::send) does.
    ///
    /// # Errors
    /// The receiver is not there, its inbox is full, or the message is longer than the inbox; the message is not left
    /// then.
    pub fn send(&self, to: TenantId, bytes: &[u8]) -> Result<(), SendError> {
        self.post.send(self.id, to, bytes)
    }

    pub(super) fn into_data(self) -> T {
        self.data
    }
}

impl<T> fmt::Debug for Tenant<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tenant").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The message that has waited longest for the tenant whose guest calls a host function; none if none waits.
pub fn receive<T: 'static>(caller: &mut Caller<'_, Tenant<T>>) -> Option<Message> {
    Message::unpack(&caller.receive()?)
}

/// A tenant in the table.
pub(super) struct Entry<T: 'static> {
    quota: Quota,
    interrupt: InterruptHandle,
    /// Locked for moments only: whoever calls a guest takes the room out.
    place: Mutex<Place<T>>,
}

/// Where the room of a tenant is.
enum Place<T: 'static> {
    Here(Room<T>),
    /// Whoever has it brings it back.
    AtWork,
    /// The tenant was unregistered.
    Gone,
}

impl<T: 'static> Entry<T> {
    pub fn new(room: Room<T>, quota: Quota) -> Entry<T> {
        let interrupt = room.store.interrupt_handle();
        Entry { quota, interrupt, place: Mutex::new(Place::Here(room)) }
    }

    fn place(&self) -> MutexGuard<'_, Place<T>> {
        self.place.lock()
    }

    /// Looks at the room for a moment.
    pub fn look<R>(&self, id: TenantId, look: impl FnOnce(&mut Room<T>) -> R) -> Result<R, TenantError> {
        match &mut *self.place() {
            Place::Here(room) => Ok(look(room)),
            Place::AtWork => Err(TenantError::Busy(id)),
            Place::Gone => Err(TenantError::Unknown(id)),
        }
    }

    /// Lets a guest work, for as long as it takes.
    pub fn work<R>(
        &self,
        id: TenantId,
        work: impl FnOnce(&mut Room<T>, &Quota) -> Result<R, TenantError>,
    ) -> Result<R, TenantError> {
        let mut taken = Taken { room: Some(self.take(id, Place::AtWork)?), entry: self };
        let room = taken.room.as_mut().ok_or(TenantError::Unknown(id))?;
        self.quota.begin_call(&mut room.store).map_err(TenantError::Guest)?;
        work(room, &self.quota)
    }

    /// Takes the room out for good.
    pub fn close(&self, id: TenantId) -> Result<Room<T>, TenantError> {
        self.take(id, Place::Gone)
    }

    fn take(&self, id: TenantId, instead: Place<T>) -> Result<Room<T>, TenantError> {
        let mut place = self.place();
        match std::mem::replace(&mut *place, instead) {
            Place::Here(room) => Ok(room),
            Place::AtWork => {
                *place = Place::AtWork;
                Err(TenantError::Busy(id))
            }
            Place::Gone => {
                *place = Place::Gone;
                Err(TenantError::Unknown(id))
            }
        }
    }

    /// Ends what the guest does, be it now or next.
    pub fn interrupt(&self) {
        self.interrupt.interrupt();
    }
}

/// A room that goes back to its place, also when a host function panics: its store is usable afterwards.
struct Taken<'e, T: 'static> {
    room: Option<Room<T>>,
    entry: &'e Entry<T>,
}

impl<T: 'static> Drop for Taken<'_, T> {
    fn drop(&mut self) {
        if let Some(room) = self.room.take() {
            *self.entry.place() = Place::Here(room);
        }
    }
}

/// A store with what was loaded into it.
pub(super) struct Room<T: 'static> {
    pub store: Store<Tenant<T>>,
    pub main: Instance,
    modules: Vec<Module>,
}

impl<T: 'static> Room<T> {
    /// Instantiates the program in a store that is new.
    pub fn new(
        mut store: Store<Tenant<T>>,
        program: &InstancePre<Tenant<T>>,
        quota: &Quota,
    ) -> Result<Room<T>, TenantError> {
        quota.begin_call(&mut store).map_err(|error| quota.explain(error))?;
        let main = program.instantiate(&mut store).map_err(|error| quota.explain(error))?;
        Ok(Room { store, main, modules: vec![program.module().clone()] })
    }

    /// Bytes of code of all modules.
    pub fn code_bytes(&self) -> u64 {
        self.modules.iter().map(Module::code_bytes).sum()
    }

    /// Instantiates another program beside those that are there.
    pub fn load(&mut self, program: &InstancePre<Tenant<T>>, quota: &Quota) -> Result<Instance, TenantError> {
        let module = program.module();
        if !self.modules.iter().any(|known| Module::same(known, module)) {
            quota.check_code(self.code_bytes().saturating_add(module.code_bytes()))?;
            // It counts from now on: a store keeps what it has seen of a module though its start function fails.
            self.modules.push(module.clone());
        }
        program.instantiate(&mut self.store).map_err(|error| quota.explain(error))
    }
}
