//! Long work in pieces: between two of them the runtime looks whether the guest is to stop.

use std::ops::Range;

/// Bytes that the runtime writes for a guest between two looks whether it is to stop.
pub(crate) const PIECE_BYTES: u64 = 64 << 10;

/// The parts of `0..len`, each of at most `piece`.
pub(crate) fn pieces_of(len: u64, piece: u64) -> impl DoubleEndedIterator<Item = Range<u64>> {
    (0..len.div_ceil(piece)).map(move |k| k * piece..((k + 1) * piece).min(len))
}

/// Does one part of an operation on `0..len` after the other, and the last one first if it goes `backwards`.
pub(crate) fn in_pieces<E>(
    len: u64,
    piece: u64,
    backwards: bool,
    mut part: impl FnMut(Range<u64>) -> Result<(), E>,
) -> Result<(), E> {
    let mut pieces = pieces_of(len, piece);
    if backwards { pieces.rev().try_for_each(&mut part) } else { pieces.try_for_each(&mut part) }
}

/// `len` elements from `start` on, if they lie in the slice.
pub(crate) fn sub_slice<T>(slice: &[T], start: u64, len: u64) -> Option<&[T]> {
    let end = start.checked_add(len)?;
    slice.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
}

/// `len` elements from `start` on for changing them, if they lie in the slice.
pub(crate) fn sub_slice_mut<T>(slice: &mut [T], start: u64, len: u64) -> Option<&mut [T]> {
    let end = start.checked_add(len)?;
    slice.get_mut(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
}
