//! Slow paths: polls, allocation, the write barrier. Registers with references are in the saved area, where the
//! collector updates them.

use super::Stop;
use crate::rt::cells::RefCell32;
use crate::store::StoreOpaque;
use crate::trap::TrapKind;
use heapwood_gc_abi::{Narrow, RawRef, low32};

/// A prologue or a loop head found rsp below the guard: an interrupt, a collection that was asked for, or the end of
/// the stack. May collect.
pub(super) fn poll(store: &mut StoreOpaque) -> Result<u64, Stop> {
    if store.guest.interrupt.take() {
        store.guest.update_guard(false);
        return Err(TrapKind::Interrupted.into());
    }
    if store.guest.frames.needed_stack() < store.guest.stack_limit() {
        return Err(store.stack_exhausted().into());
    }
    if store.heap.wants_collection() {
        store.heap.collect_minor(&mut store.guest);
    } else if store.guest.frames.needed_stack() < store.guest.soft_limit() {
        store.promote_all([]);
    }
    store.guest.update_guard(false);
    Ok(0)
}

/// Makes room in the allocation area. May collect.
pub(super) fn allocate(store: &mut StoreOpaque, bytes: u64) -> Result<u64, Stop> {
    store.sample_allocation(bytes);
    store.heap.reserve(bytes.narrow(), &mut store.guest)?;
    Ok(0)
}

/// The first store of a reference into an old object.
pub(super) fn log(store: &mut StoreOpaque, host: RawRef) -> Result<u64, Stop> {
    store.heap.log(host);
    ask_for_collection(store);
    Ok(0)
}

/// The same for an element of an array.
pub(super) fn log_element(store: &mut StoreOpaque, host_and_index: u64) -> Result<u64, Stop> {
    store.heap.log_array_element(low32(host_and_index), low32(host_and_index >> 32));
    ask_for_collection(store);
    Ok(0)
}

/// The first store into a reference global since the last collection.
pub(super) fn log_global(store: &mut StoreOpaque, cell: u64) -> Result<u64, Stop> {
    store.guest.log_global(&mut store.heap, RefCell32::of_global(cell.narrow(), &store.guest.ref_globals));
    ask_for_collection(store);
    Ok(0)
}

fn ask_for_collection(store: &mut StoreOpaque) {
    if store.heap.wants_collection() {
        store.guest.update_guard(true);
    }
}
