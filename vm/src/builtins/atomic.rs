//! Waiting at addresses of shared memories, and waking.

use crate::errors::TrapKind;
use crate::rt::running::Stop;
use crate::rt::shared::{SharedInner, check_address};
use crate::rt::store_memory::StoreMemory;
use crate::rt::waiter::{Waited, deadline};
use crate::store::StoreOpaque;
use std::sync::Arc;
use std::time::Duration;

/// Address plus static offset, which comes in two halves.
fn effective(low: u32, high: u32, address: u64) -> Result<u64, TrapKind> {
    let offset = low as u64 | (high as u64) << 32;
    address.checked_add(offset).ok_or(TrapKind::MemoryOutOfBounds)
}

/// A memory that may be waited at.
fn shared(store: &StoreOpaque, instance: u32, index: u32) -> Result<Arc<SharedInner>, TrapKind> {
    match store.instance_memory(instance, index) {
        StoreMemory::Shared(memory) => Ok(memory.clone()),
        StoreMemory::Own(_) => Err(TrapKind::ExpectedSharedMemory),
    }
}

/// `memory.atomic.notify`. Nobody waits at an unshared memory.
pub(super) fn notify(
    store: &mut StoreOpaque,
    instance: u32,
    index: u32,
    low: u32,
    high: u32,
    address: u64,
    count: u32,
) -> Result<u64, Stop> {
    let address = effective(low, high, address)?;
    match store.instance_memory(instance, index) {
        StoreMemory::Shared(memory) => Ok(memory.notify(address, count)?.into()),
        StoreMemory::Own(memory) => {
            check_address(address, 4, memory.bytes().len())?;
            Ok(0)
        }
    }
}

/// `memory.atomic.wait32`.
#[allow(clippy::too_many_arguments, reason = "an entry of the table, with the instruction's operands")]
pub(super) fn wait32(
    store: &mut StoreOpaque,
    instance: u32,
    index: u32,
    low: u32,
    high: u32,
    address: u64,
    expected: u32,
    timeout: u64,
) -> Result<u64, Stop> {
    let memory = shared(store, instance, index)?;
    let (address, deadline) = (effective(low, high, address)?, deadline(nanoseconds(timeout)));
    let waited = memory.wait32(address, expected, deadline, Some(store.guest().execution().interrupt()))?;
    answer(store, waited)
}

/// `memory.atomic.wait64`.
#[allow(clippy::too_many_arguments, reason = "an entry of the table, with the instruction's operands")]
pub(super) fn wait64(
    store: &mut StoreOpaque,
    instance: u32,
    index: u32,
    low: u32,
    high: u32,
    address: u64,
    expected: u64,
    timeout: u64,
) -> Result<u64, Stop> {
    let memory = shared(store, instance, index)?;
    let (address, deadline) = (effective(low, high, address)?, deadline(nanoseconds(timeout)));
    let waited = memory.wait64(address, expected, deadline, Some(store.guest().execution().interrupt()))?;
    answer(store, waited)
}

/// A signed number of nanoseconds; a negative one is no limit.
fn nanoseconds(timeout: u64) -> Option<Duration> {
    u64::try_from(timeout.cast_signed()).ok().map(Duration::from_nanos)
}

fn answer(store: &mut StoreOpaque, waited: Waited) -> Result<u64, Stop> {
    match waited {
        Waited::Woken => Ok(0),
        Waited::Mismatch => Ok(1),
        Waited::TimedOut => Ok(2),
        Waited::Interrupted => {
            store.check_interrupt()?;
            // The request was withdrawn before it was seen here.
            Err(TrapKind::Interrupted.into())
        }
    }
}
