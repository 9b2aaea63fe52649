//! Linear memories: growth and bulk operations. Bounds are checked with 64 bits before anything is written.

use crate::errors::TrapKind;
use crate::rt::running::Stop;
use crate::rt::store_memory::StoreMemory;
use crate::store::{StoreOpaque, in_pieces, pieces_of, sub_slice, sub_slice_mut};
use heapwood_gc_abi::{Mutant, Narrow, active, low8};
use std::ops::Range;

/// Bytes that are filled or copied between two looks for an interrupt: some milliseconds, and so many that the system's
/// routines choose their way for large blocks.
const BULK_BYTES: u64 = 16 << 20;

fn position(store: &StoreOpaque, instance: u32, memory: u32) -> u32 {
    store.instance(instance).memory(memory)
}

fn check(store: &StoreOpaque, memory: u32, start: u64, len: u64) -> Result<(), TrapKind> {
    let fits = store.guest().entities().memory(memory).has(start, len) || active(Mutant::BulkBoundsByPiece);
    fits.then_some(()).ok_or(TrapKind::MemoryOutOfBounds)
}

/// `memory.grow`.
pub(super) fn grow(store: &mut StoreOpaque, instance: u32, memory: u32, pages: u64) -> Result<u64, Stop> {
    let memory = position(store, instance, memory);
    let grown = store.memory_grow(memory, pages).map_err(Stop::Error)?;
    Ok(grown.unwrap_or(StoreOpaque::REFUSED))
}

/// `memory.fill`.
pub(super) fn fill(
    store: &mut StoreOpaque,
    instance: u32,
    memory: u32,
    to: u64,
    value: u32,
    len: u64,
) -> Result<u64, Stop> {
    let memory = position(store, instance, memory);
    check(store, memory, to, len)?;
    let value = low8(value.into());
    for Range { start, end } in pieces_of(len, BULK_BYTES) {
        store.check_interrupt()?;
        let (to, len) = (to + start, end - start);
        match store.guest_mut().entities_mut().memory_mut(memory) {
            StoreMemory::Own(memory) => sub_slice_mut(memory.bytes_mut(), to, len).map(|bytes| bytes.fill(value)),
            StoreMemory::Shared(memory) => memory.racy().part(to, len).map(|bytes| bytes.fill(value)),
        }
        .ok_or(TrapKind::MemoryOutOfBounds)?;
    }
    Ok(0)
}

/// `memory.copy`.
pub(super) fn copy(
    store: &mut StoreOpaque,
    instance: u32,
    target: u32,
    source: u32,
    to: u64,
    from: u64,
    len: u64,
) -> Result<u64, Stop> {
    let (target, source) = (position(store, instance, target), position(store, instance, source));
    check(store, target, to, len)?;
    check(store, source, from, len)?;
    // As with bytes that overlap, no piece may overwrite what another one still has to copy.
    let backwards = target == source && to > from && !active(Mutant::CopyUpwards);
    in_pieces(len, BULK_BYTES, backwards, |Range { start, end }| {
        store.check_interrupt()?;
        let (to, from, len) = (to + start, from + start, end - start);
        let entities = store.guest_mut().entities_mut();
        let copied = if target == source {
            copy_within(entities.memory_mut(target), to, from, len)
        } else {
            let [target, source] = entities.two_memories_mut([target, source]);
            copy_between(target, source, to, from, len)
        };
        copied.ok_or(Stop::from(TrapKind::MemoryOutOfBounds))
    })?;
    Ok(0)
}

fn copy_within(memory: &mut StoreMemory, to: u64, from: u64, len: u64) -> Option<()> {
    match memory {
        StoreMemory::Own(memory) => {
            let bytes = memory.bytes_mut();
            sub_slice(bytes, to, len)?;
            sub_slice(bytes, from, len)?;
            bytes.copy_within(from.narrow::<usize>()..(from + len).narrow(), to.narrow());
        }
        StoreMemory::Shared(memory) => {
            let bytes = memory.racy();
            bytes.part(to, len)?.copy_from(bytes.part(from, len)?);
        }
    }
    Some(())
}

fn copy_between(target: &mut StoreMemory, source: &mut StoreMemory, to: u64, from: u64, len: u64) -> Option<()> {
    if let (StoreMemory::Own(target), StoreMemory::Own(source)) = (&mut *target, &*source) {
        sub_slice_mut(target.bytes_mut(), to, len)?.copy_from_slice(sub_slice(source.bytes(), from, len)?);
    } else {
        target.racy().part(to, len)?.copy_from(source.racy().part(from, len)?);
    }
    Some(())
}

/// `memory.init`.
pub(super) fn init(
    store: &mut StoreOpaque,
    instance: u32,
    index: u32,
    segment: u32,
    to: u64,
    from: u64,
    len: u64,
) -> Result<u64, Stop> {
    store.memory_init(instance, index, segment, to, from, len)?;
    Ok(0)
}

/// `data.drop`.
pub(super) fn data_drop(store: &mut StoreOpaque, instance: u32, segment: u32) -> Result<u64, Stop> {
    store.guest_mut().entities_mut().instance_mut(instance).drop_data_segment(segment);
    Ok(0)
}
