//! Linear memories: growth and bulk operations. Bounds are checked with 64 bits before anything is written.

use super::Stop;
use crate::rt::memory::StoreMemory;
use crate::store::{StoreOpaque, sub_slice, sub_slice_mut};
use crate::trap::TrapKind;
use heapwood_gc_abi::{Narrow, low8};

/// `memory.grow`.
pub(super) fn grow(store: &mut StoreOpaque, instance: u32, index: u32, pages: u64) -> Result<u64, Stop> {
    let index = store.guest.instances[instance as usize].memories[index as usize];
    Ok(store.memory_grow(index, pages).unwrap_or(StoreOpaque::REFUSED))
}

/// `memory.fill`.
pub(super) fn fill(
    store: &mut StoreOpaque,
    instance: u32,
    index: u32,
    to: u64,
    value: u32,
    len: u64,
) -> Result<u64, Stop> {
    let index = store.guest.instances[instance as usize].memories[index as usize];
    match &mut store.guest.memories[index as usize] {
        StoreMemory::Own(memory) => {
            sub_slice_mut(memory.bytes_mut(), to, len).map(|bytes| bytes.fill(low8(value.into())))
        }
        StoreMemory::Shared(memory) => memory.racy().part(to, len).map(|bytes| bytes.fill(low8(value.into()))),
    }
    .ok_or(TrapKind::MemoryOutOfBounds)?;
    Ok(0)
}

/// `memory.copy`.
pub(super) fn copy(
    store: &mut StoreOpaque,
    instance: u32,
    to_index: u32,
    from_index: u32,
    to: u64,
    from: u64,
    len: u64,
) -> Result<u64, Stop> {
    let memories = &store.guest.instances[instance as usize].memories;
    let [to_index, from_index] = [to_index, from_index].map(|index| memories[index.narrow::<usize>()] as usize);
    let memories = &mut store.guest.memories;
    let copied = if to_index == from_index {
        copy_within(&mut memories[to_index], to, from, len)
    } else {
        let [target, source] = memories.get_disjoint_mut([to_index, from_index]).expect("two memories of the store");
        copy_between(target, source, to, from, len)
    };
    copied.ok_or(TrapKind::MemoryOutOfBounds)?;
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
    store.guest.instances[instance as usize].drop_data_segment(segment);
    Ok(0)
}
