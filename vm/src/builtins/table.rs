//! Tables.

use crate::errors::TrapKind;
use crate::rt::running::Stop;
use crate::store::StoreOpaque;
use heapwood_gc_abi::RawRef;

fn position(store: &StoreOpaque, instance: u32, table: u32) -> u32 {
    store.instance(instance).table(table)
}

/// Elements above which an operation promotes all young objects first, so that it leaves nothing to look at to a minor.
const PIECE: u64 = 4096;

/// A reference that is about to be stored so often: promoted if that is many times.
fn promoted_for(store: &mut StoreOpaque, value: RawRef, count: u64) -> RawRef {
    let is_worth_it = count > PIECE && store.heap().is_young(value);
    if is_worth_it { store.promote_all([value])[0] } else { value }
}

/// `table.set`.
pub(super) fn set(store: &mut StoreOpaque, instance: u32, table: u32, index: u64, value: RawRef) -> Result<u64, Stop> {
    fill(store, instance, table, index, value, 1)
}

/// `table.grow`.
pub(super) fn grow(store: &mut StoreOpaque, instance: u32, table: u32, value: RawRef, len: u64) -> Result<u64, Stop> {
    let table = position(store, instance, table);
    let value = promoted_for(store, value, len);
    let grown = store.table_grow(table, len, value).map_err(Stop::Error)?;
    store.ask_for_collection();
    Ok(grown.unwrap_or(StoreOpaque::REFUSED))
}

/// `table.fill`.
pub(super) fn fill(
    store: &mut StoreOpaque,
    instance: u32,
    table: u32,
    to: u64,
    value: RawRef,
    len: u64,
) -> Result<u64, Stop> {
    let table = position(store, instance, table);
    let range = store.table(table).range(to, len).ok_or(TrapKind::TableOutOfBounds)?;
    let value = promoted_for(store, value, len);
    let (guest, heap) = store.guest_and_heap();
    guest.entities_mut().table_mut(table).fill(heap, range, value);
    store.ask_for_collection();
    Ok(0)
}

/// `table.copy`.
pub(super) fn copy(
    store: &mut StoreOpaque,
    instance: u32,
    to_table: u32,
    from_table: u32,
    to: u64,
    from: u64,
    len: u64,
) -> Result<u64, Stop> {
    let (to_table, from_table) = (position(store, instance, to_table), position(store, instance, from_table));
    let (to, from) = (store.table(to_table).range(to, len), store.table(from_table).range(from, len));
    let (Some(to), Some(from)) = (to, from) else {
        return Err(TrapKind::TableOutOfBounds.into());
    };
    if len > PIECE && !store.table(from_table).is_clean() {
        store.promote_all([]);
    }
    let (guest, heap) = store.guest_and_heap();
    let entities = guest.entities_mut();
    if to_table == from_table {
        entities.table_mut(to_table).copy_within(heap, from, to);
    } else {
        let [target, source] = entities.two_tables_mut([to_table, from_table]);
        target.write(heap, to, source.is_clean(), source.slice(from));
    }
    store.ask_for_collection();
    Ok(0)
}

/// `table.init`.
pub(super) fn init(
    store: &mut StoreOpaque,
    instance: u32,
    table: u32,
    segment: u32,
    to: u64,
    from: u64,
    len: u64,
) -> Result<u64, Stop> {
    if len > PIECE && !store.instance(instance).is_settled() {
        store.promote_all([]);
    }
    store.table_init(instance, table, segment, to, from, len)?;
    store.ask_for_collection();
    Ok(0)
}

/// `elem.drop`.
pub(super) fn elem_drop(store: &mut StoreOpaque, instance: u32, segment: u32) -> Result<u64, Stop> {
    store.drop_element_segment(instance, segment);
    Ok(0)
}
