//! Tables.

use super::Stop;
use super::array::after_log;
use crate::store::StoreOpaque;
use crate::trap::TrapKind;
use heapwood_gc_abi::RawRef;

fn position(store: &StoreOpaque, instance: u32, table: u64) -> usize {
    store.guest.instances[instance as usize].tables[table as usize] as usize
}

/// Elements above which an operation promotes all young objects first, so that it leaves nothing to look at to a minor.
const PIECE: u64 = 4096;

/// A reference that is about to be stored so often: promoted if that is many times.
fn promoted_for(store: &mut StoreOpaque, value: RawRef, count: u64) -> RawRef {
    if count <= PIECE || !store.heap.is_young(value) {
        return value;
    }
    store.guest.temporaries.push(value);
    store.heap.promote_all(&mut store.guest);
    store.guest.temporaries.pop().expect("it was pushed")
}

/// `table.set`.
pub(super) fn set(store: &mut StoreOpaque, instance: u32, [table, index, value]: [u64; 3]) -> Result<u64, Stop> {
    fill(store, instance, [table, index, value, 1])
}

/// `table.grow`.
pub(super) fn grow(store: &mut StoreOpaque, instance: u32, [table, value, len]: [u64; 3]) -> Result<u64, Stop> {
    let table = position(store, instance, table);
    let value = promoted_for(store, value as RawRef, len);
    let old = store.guest.tables[table].grow(&mut store.heap, len, value);
    after_log(store);
    Ok(old.unwrap_or(StoreOpaque::REFUSED))
}

/// `table.fill`.
pub(super) fn fill(store: &mut StoreOpaque, instance: u32, args: [u64; 4]) -> Result<u64, Stop> {
    let [table, to, value, len] = args;
    let table = position(store, instance, table);
    let range = store.guest.tables[table].range(to, len).ok_or(TrapKind::TableOutOfBounds)?;
    let value = promoted_for(store, value as RawRef, len);
    store.guest.tables[table].fill(&mut store.heap, range, value);
    after_log(store);
    Ok(0)
}

/// `table.copy`.
pub(super) fn copy(store: &mut StoreOpaque, instance: u32, args: [u64; 5]) -> Result<u64, Stop> {
    let [to_table, from_table, to, from, len] = args;
    let (to_table, from_table) = (position(store, instance, to_table), position(store, instance, from_table));
    let tables = &store.guest.tables;
    let (to, from) = (tables[to_table].range(to, len), tables[from_table].range(from, len));
    let (Some(to), Some(from)) = (to, from) else {
        return Err(TrapKind::TableOutOfBounds.into());
    };
    if len > PIECE && !tables[from_table].is_clean() {
        store.heap.promote_all(&mut store.guest);
    }
    let tables = &mut store.guest.tables;
    if to_table == from_table {
        tables[to_table].copy_within(&mut store.heap, from, to);
    } else {
        let [target, source] = tables.get_disjoint_mut([to_table, from_table]).expect("two tables of the store");
        target.write(&mut store.heap, to, source.is_clean(), source.slice(from));
    }
    after_log(store);
    Ok(0)
}

/// `table.init`.
pub(super) fn init(store: &mut StoreOpaque, instance: u32, args: [u64; 5]) -> Result<u64, Stop> {
    let [table, segment, to, from, len] = args;
    if len > PIECE && !store.guest.instances[instance as usize].settled {
        store.heap.promote_all(&mut store.guest);
    }
    store.table_init(instance, table as u32, segment as u32, to, from, len)?;
    after_log(store);
    Ok(0)
}

/// `elem.drop`.
pub(super) fn elem_drop(store: &mut StoreOpaque, instance: u32, [segment]: [u64; 1]) -> Result<u64, Stop> {
    store.drop_element_segment(instance, segment as u32);
    Ok(0)
}
