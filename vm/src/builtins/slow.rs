//! Slow paths: polls, allocation, the write barrier. Registers with references are in the saved area, where the
//! collector updates them.

use crate::errors::{Trap, TrapKind};
use crate::rt::cells::RefCell32;
use crate::rt::running::Stop;
use crate::store::StoreOpaque;
#[cfg(feature = "async")]
use heapwood_gc_abi::{Mutant, active};
use heapwood_gc_abi::{Narrow, RawRef, low32};

/// A prologue or a loop head found rsp below the guard: an interrupt, a collection that was asked for, the end of the
/// stack, a question, or the end of the time that the guest runs at once. May collect.
pub(super) fn poll(store: &mut StoreOpaque) -> Result<u64, Stop> {
    #[cfg(feature = "async")]
    let yields = store.guest_mut().execution_mut().yields_now().map_err(Stop::Error)?;
    do_what_is_due(store)?;
    let polls_again = store.replace_frame();
    store.guest().execution().update_guard(polls_again);
    #[cfg(feature = "async")]
    if yields {
        return Err(Stop::Yield);
    }
    Ok(0)
}

/// The poll of a guest that has just let others run, and does not at once let them run again. Its frame stays as it is:
/// below it, and below what the stub saved, lie the words with which the guest goes on.
#[cfg(feature = "async")]
pub(super) fn poll_after_yield(store: &mut StoreOpaque) -> Result<u64, Stop> {
    do_what_is_due(store)?;
    if active(Mutant::ReplacedWhileSuspended) {
        store.replace_frame();
    }
    let execution = store.guest().execution();
    execution.update_guard(execution.wants_replacement());
    Ok(0)
}

/// What a poll does beside letting others run. Whoever calls it computes the guard.
fn do_what_is_due(store: &mut StoreOpaque) -> Result<(), Stop> {
    let execution = store.guest().execution();
    if let Some(trap) = execution.stop() {
        execution.update_guard(false);
        return Err(trap.into());
    }
    if execution.frames().needed_stack() < execution.stack_limit() {
        return Err(execution.stack_exhausted().into());
    }
    if store.heap().wants_collection() {
        let (guest, heap) = store.guest_and_heap();
        heap.collect_minor(guest);
    } else if execution.frames().needed_stack() < execution.soft_limit() {
        store.promote_all([]);
    }
    store.sample_cpu();
    store.answer();
    Ok(())
}

/// Code that counts calls by reference is about to make one.
pub(super) fn count_target(store: &mut StoreOpaque, call_and_target: u64) -> Result<u64, Stop> {
    store.count_target(low32(call_and_target >> 32), low32(call_and_target));
    Ok(0)
}

/// A prologue or a loop head found that the portion of fuel is used up. May collect.
pub(super) fn out_of_fuel(store: &mut StoreOpaque) -> Result<u64, Stop> {
    let execution = store.guest_mut().execution_mut();
    if !execution.refuel() {
        let trap = match execution.was_given_fuel() {
            true => Trap::new(TrapKind::OutOfFuel),
            false => Trap::with_detail(TrapKind::OutOfFuel, "the store was given none: see `Store::set_fuel`"),
        };
        return Err(trap.into());
    }
    #[cfg(feature = "async")]
    if execution.frames().can_yield() {
        return Err(Stop::Yield);
    }
    Ok(0)
}

/// Makes room in the allocation area. May collect.
pub(super) fn allocate(store: &mut StoreOpaque, bytes: u64) -> Result<u64, Stop> {
    store.sample_allocation(bytes);
    store.with_room(|heap, guest| heap.reserve(bytes.narrow(), guest)).map_err(Stop::Error)?;
    Ok(0)
}

/// The first store of a reference into an old object.
pub(super) fn log(store: &mut StoreOpaque, host: RawRef) -> Result<u64, Stop> {
    store.heap_mut().log(host);
    store.ask_for_collection();
    Ok(0)
}

/// The first store of a reference into an element of an old array, or into its chunk if the array is logged by chunks.
pub(super) fn log_element(store: &mut StoreOpaque, host_and_index: u64) -> Result<u64, Stop> {
    store.heap_mut().log_array_element(low32(host_and_index), low32(host_and_index >> 32));
    store.ask_for_collection();
    Ok(0)
}

/// The first store into a reference global since the last collection.
pub(super) fn log_global(store: &mut StoreOpaque, cell: u64) -> Result<u64, Stop> {
    let (guest, heap) = store.guest_and_heap();
    let globals = guest.entities_mut().globals_mut();
    let cell = RefCell32::of_global(cell.narrow(), globals.references());
    globals.log(heap, cell);
    store.ask_for_collection();
    Ok(0)
}
