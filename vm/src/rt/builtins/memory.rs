//! Linear memories: growth and bulk operations. Bounds are checked with 64 bits before anything is written.

use super::Stop;
use crate::rt::memory::LinearMemory;
use crate::store::{StoreOpaque, sub_slice_mut};
use crate::trap::TrapKind;

fn memory(store: &mut StoreOpaque, instance: u32, index: u64) -> &mut LinearMemory {
    let index = store.guest.instances[instance as usize].memories[index as usize];
    store.memory_mut(index)
}

/// `memory.grow`.
pub(super) fn grow(store: &mut StoreOpaque, instance: u32, [index, pages]: [u64; 2]) -> Result<u64, Stop> {
    let index = store.guest.instances[instance as usize].memories[index as usize];
    Ok(store.memory_grow(index, pages).unwrap_or(StoreOpaque::REFUSED))
}

/// `memory.fill`.
pub(super) fn fill(store: &mut StoreOpaque, instance: u32, args: [u64; 4]) -> Result<u64, Stop> {
    let [index, to, value, len] = args;
    let bytes = sub_slice_mut(memory(store, instance, index).bytes_mut(), to, len);
    bytes.ok_or(TrapKind::MemoryOutOfBounds)?.fill(value as u8);
    Ok(0)
}

/// `memory.copy`.
pub(super) fn copy(store: &mut StoreOpaque, instance: u32, args: [u64; 5]) -> Result<u64, Stop> {
    let [to_index, from_index, to, from, len] = args;
    let memories = &store.guest.instances[instance as usize].memories;
    let (to_index, from_index) = (memories[to_index as usize] as usize, memories[from_index as usize] as usize);
    let fits = |index: usize, start: u64| {
        start.checked_add(len).is_some_and(|end| end <= store.guest.memories[index].byte_len() as u64)
    };
    if !fits(to_index, to) || !fits(from_index, from) {
        return Err(TrapKind::MemoryOutOfBounds.into());
    }
    let (to, from, len) = (to as usize, from as usize, len as usize);
    if to_index == from_index {
        store.guest.memories[to_index].bytes_mut().copy_within(from..from + len, to);
    } else {
        let [target, source] =
            store.guest.memories.get_disjoint_mut([to_index, from_index]).expect("two memories of the store");
        target.bytes_mut()[to..to + len].copy_from_slice(&source.bytes()[from..from + len]);
    }
    Ok(0)
}

/// `memory.init`.
pub(super) fn init(store: &mut StoreOpaque, instance: u32, args: [u64; 5]) -> Result<u64, Stop> {
    let [index, segment, to, from, len] = args;
    store.memory_init(instance, index as u32, segment as u32, to, from, len)?;
    Ok(0)
}

/// `data.drop`.
pub(super) fn data_drop(store: &mut StoreOpaque, instance: u32, [segment]: [u64; 1]) -> Result<u64, Stop> {
    store.guest.instances[instance as usize].drop_data_segment(segment as u32);
    Ok(0)
}
