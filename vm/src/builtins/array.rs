//! Arrays and large structs.
//!
//! Null and bounds are checked before anything is written. What may collect keeps its references among the
//! temporaries and reads them again afterwards.

use crate::errors::TrapKind;
use crate::rt::running::Stop;
use crate::store::{StoreOpaque, in_pieces, sub_slice};
use heapwood_gc_abi::{Mutant, Narrow, ObjectKind, RawRef, TypeId, active};
use std::ops::Range;

/// Elements that are filled or copied between two looks for an interrupt: some milliseconds.
const BULK_ELEMENTS: u32 = 1 << 20;

/// A struct that is too large for inline allocation.
pub(super) fn struct_alloc(store: &mut StoreOpaque, _: u32, ty: TypeId) -> Result<u64, Stop> {
    store.sample_object(ty, 0);
    let object = store.with_room(|heap, guest| heap.alloc_struct(ty, guest)).map_err(Stop::Error)?;
    Ok(object.into())
}

/// A zeroed struct that is born logged, for initialising stores without a barrier.
pub(super) fn struct_new(store: &mut StoreOpaque, instance: u32, ty: TypeId) -> Result<u64, Stop> {
    let object = struct_alloc(store, instance, ty)?;
    log_fresh(store, object);
    Ok(object)
}

/// A zeroed array.
pub(super) fn alloc(store: &mut StoreOpaque, _: u32, ty: TypeId, len: u32) -> Result<u64, Stop> {
    Ok(new_array(store, ty, len)? as u64)
}

/// A zeroed array that is born logged, for initialising stores without a barrier.
pub(super) fn new_fixed(store: &mut StoreOpaque, instance: u32, ty: TypeId, len: u32) -> Result<u64, Stop> {
    let array = alloc(store, instance, ty, len)?;
    log_fresh(store, array);
    Ok(array)
}

/// Compiled code is about to write references into a new object, up to its next safe point.
fn log_fresh(store: &mut StoreOpaque, object: u64) {
    if !active(Mutant::FreshStructNotLogged) {
        store.heap_mut().log_fresh(object.narrow());
    }
    store.ask_for_collection();
}

fn new_array(store: &mut StoreOpaque, ty: TypeId, len: u32) -> Result<RawRef, Stop> {
    store.check_array_size(ty, len)?;
    store.sample_object(ty, len as u64);
    store.with_room(|heap, guest| heap.alloc_array(ty, len, guest)).map_err(Stop::Error)
}

/// Checks that a range lies in an array that is not null.
fn check(store: &StoreOpaque, array: RawRef, start: u32, len: u32) -> Result<(), TrapKind> {
    if array == 0 {
        return Err(TrapKind::NullArray);
    }
    let length = store.heap().array_length(array) + active(Mutant::ArrayRangeOneBeyond) as u32;
    let in_bounds = start.checked_add(len).is_some_and(|end| end <= length);
    if in_bounds { Ok(()) } else { Err(TrapKind::ArrayOutOfBounds) }
}

fn elem_shift(store: &StoreOpaque, array: RawRef) -> u8 {
    store.heap().descriptor_of(array).elem_shift()
}

/// Does a piece of an operation on `len` elements after the other, from the last one on if `backwards`, and looks for
/// an interrupt before each, unless they are few. Nothing may collect in between.
fn elements_in_pieces(
    store: &mut StoreOpaque,
    len: u32,
    backwards: bool,
    mut piece: impl FnMut(&mut StoreOpaque, u32, u32),
) -> Result<(), Stop> {
    if len <= BULK_ELEMENTS {
        piece(store, 0, len);
        return Ok(());
    }
    in_pieces(len.into(), BULK_ELEMENTS.into(), backwards, |Range { start, end }| {
        store.check_interrupt()?;
        piece(store, start.narrow(), (end - start).narrow());
        Ok(())
    })
}

/// `array.copy`, of what its stub did not copy. The elements' size stands in the arrays' types, too.
#[allow(clippy::too_many_arguments, reason = "an entry of the table, with the instruction's operands")]
pub(super) fn copy(
    store: &mut StoreOpaque,
    _: u32,
    _element: u32,
    to: RawRef,
    to_index: u32,
    from: RawRef,
    from_index: u32,
    len: u32,
) -> Result<u64, Stop> {
    let target = check(store, to, to_index, 0).err().filter(|kind| *kind == TrapKind::NullArray);
    if let Some(null) = target {
        return Err(null.into());
    }
    check(store, from, from_index, len)?;
    check(store, to, to_index, len)?;
    // As with elements that overlap, no piece may overwrite what another one still has to copy.
    let backwards = to == from && to_index > from_index;
    elements_in_pieces(store, len, backwards, |store, start, len| {
        store.heap_mut().array_copy(to, to_index + start, from, from_index + start, len);
        store.ask_for_collection();
    })?;
    Ok(0)
}

/// `array.fill`.
pub(super) fn fill(
    store: &mut StoreOpaque,
    _: u32,
    array: RawRef,
    index: u32,
    low: u64,
    high: u64,
    len: u32,
) -> Result<u64, Stop> {
    check(store, array, index, len)?;
    if store.heap().descriptor_of(array).kind() != ObjectKind::ArrayRef {
        let bits = low as u128 | (high as u128) << 64;
        elements_in_pieces(store, len, false, |store, start, len| {
            store.heap_mut().array_fill_bits(array, index + start, len, bits)
        })?;
        return Ok(0);
    }
    let [mut array, mut value] = [array, low.narrow()];
    if store.heap().fill_wants_promotion(array, len, value) {
        [array, value] = store.promote_all([array, value]);
    }
    elements_in_pieces(store, len, false, |store, start, len| {
        store.heap_mut().array_fill_ref(array, index + start, len, value);
        store.ask_for_collection();
    })?;
    Ok(0)
}

/// `array.new_data`.
pub(super) fn new_data(
    store: &mut StoreOpaque,
    instance: u32,
    ty: TypeId,
    segment: u32,
    offset: u32,
    len: u32,
) -> Result<u64, Stop> {
    let (start, bytes) = (offset as u64, (len as u64) << store.heap().descriptor(ty).elem_shift());
    if sub_slice(store.instance(instance).data_bytes(segment), start, bytes).is_none() {
        return Err(TrapKind::MemoryOutOfBounds.into());
    }
    let array = new_array(store, ty, len)?;
    let (guest, heap) = store.guest_and_heap();
    let data = guest.entities().instance(instance).data_bytes(segment);
    heap.array_init_bytes(array, 0, sub_slice(data, start, bytes).expect("checked above"));
    Ok(array as u64)
}

/// `array.init_data`.
pub(super) fn init_data(
    store: &mut StoreOpaque,
    instance: u32,
    array: RawRef,
    index: u32,
    segment: u32,
    offset: u32,
    len: u32,
) -> Result<u64, Stop> {
    check(store, array, index, len)?;
    let bytes = (len as u64) << elem_shift(store, array);
    let (guest, heap) = store.guest_and_heap();
    let data = guest.entities().instance(instance).data_bytes(segment);
    heap.array_init_bytes(array, index, sub_slice(data, offset as u64, bytes).ok_or(TrapKind::MemoryOutOfBounds)?);
    Ok(0)
}

/// `array.new_elem`.
pub(super) fn new_elem(
    store: &mut StoreOpaque,
    instance: u32,
    ty: TypeId,
    segment: u32,
    offset: u32,
    len: u32,
) -> Result<u64, Stop> {
    let elements = |store: &StoreOpaque| store.instance(instance).segment_elements(segment, offset as u64, len as u64);
    elements(store).ok_or(TrapKind::TableOutOfBounds)?;
    let array = new_array(store, ty, len)?;
    // Read again: the collector may have moved what expressions made.
    let elements = elements(store).expect("checked above");
    write_elements(store, array, 0, &elements);
    Ok(array as u64)
}

/// `array.init_elem`.
pub(super) fn init_elem(
    store: &mut StoreOpaque,
    instance: u32,
    array: RawRef,
    index: u32,
    segment: u32,
    offset: u32,
    len: u32,
) -> Result<u64, Stop> {
    check(store, array, index, len)?;
    let data = store.instance(instance);
    let elements = data.segment_elements(segment, offset as u64, len as u64).ok_or(TrapKind::TableOutOfBounds)?;
    write_elements(store, array, index, &elements);
    Ok(0)
}

fn write_elements(store: &mut StoreOpaque, array: RawRef, index: u32, elements: &[RawRef]) {
    for (position, element) in (index..).zip(elements) {
        store.heap_mut().array_set_ref(array, position, *element);
    }
    store.ask_for_collection();
}

/// Whether a reference has a type of depth 8 or more.
pub(super) fn cast_deep(store: &mut StoreOpaque, _: u32, reference: RawRef, ty: TypeId) -> Result<u64, Stop> {
    let found = store.heap().type_of(reference);
    let is_subtype = store.engine().registry().is_subtype(found, ty);
    Ok((is_subtype && !(active(Mutant::DeepCastExact) && found != ty)) as u64)
}
