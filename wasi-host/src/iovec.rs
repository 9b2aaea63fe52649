//! Lists of guest buffers (witx: `$iovec`, `$ciovec`: pointer and length, 8 bytes, or 16 of a 64-bit guest), as slices
//! of the guest's own memory, so that the host reads and writes without a buffer in between.

use crate::errno::Errno;
use crate::memory::{GuestMemory, Memory};
use smallvec::SmallVec;
use std::io::{IoSlice, IoSliceMut};
use std::ops::Range;

/// As many as POSIX hosts take in one call (`IOV_MAX`); more give `INVAL`, as there.
const MAX_VECTORS: u64 = 1024;

/// As many bytes as Linux moves in one call. A longer list is cut, so that the call is a short one.
const MAX_BYTES: usize = 0x7fff_f000;

/// Most lists are short.
type List<T> = SmallVec<[T; 8]>;

/// The non-empty ranges of a list, in order, at most [`MAX_BYTES`] together.
///
/// # Errors
/// `FAULT` when the list or one of its buffers leaves the memory, `INVAL` when the list is not aligned or too long.
pub(crate) fn ranges(memory: &Memory<'_>, list: u64, count: u64) -> Result<List<Range<usize>>, Errno> {
    let width = memory.width();
    let step = width.bytes();
    let entries = memory.array(list, count, 2 * step, step)?;
    if count > MAX_VECTORS {
        return Err(Errno::Inval);
    }
    let mut found = List::new();
    for entry in entries.chunks_exact(2 * step as usize) {
        let (start, len) = (width.field(entry, 0), width.field(entry, step as usize));
        memory.slice(start, len)?;
        // It lies in the memory.
        found.push(start as usize..(start + len) as usize);
    }
    Ok(cut(&found, MAX_BYTES))
}

/// The first `room` bytes of `ranges`.
pub(crate) fn cut(ranges: &[Range<usize>], mut room: usize) -> List<Range<usize>> {
    let mut kept = List::new();
    for range in ranges {
        let len = range.len().min(room);
        room -= len;
        if len > 0 {
            kept.push(range.start..range.start + len);
        }
    }
    kept
}

/// What comes after the first `done` bytes of `ranges`.
pub(crate) fn skip(ranges: &[Range<usize>], mut done: usize) -> List<Range<usize>> {
    let mut kept = List::new();
    for range in ranges {
        let len = range.len().min(done);
        done -= len;
        if len < range.len() {
            kept.push(range.start + len..range.end);
        }
    }
    kept
}

/// The buffers of `ranges`, to be read from. They may overlap.
pub(crate) fn sources<'m>(memory: &'m [u8], ranges: &[Range<usize>]) -> List<IoSlice<'m>> {
    ranges.iter().map(|range| IoSlice::new(&memory[range.clone()])).collect()
}

/// The buffers of `ranges`, to be written to; none when some of them overlap, since two exclusive slices must not.
pub(crate) fn targets<'m>(memory: &'m mut [u8], ranges: &[Range<usize>]) -> Option<List<IoSliceMut<'m>>> {
    let mut order: List<usize> = (0..ranges.len()).collect();
    order.sort_unstable_by_key(|&i| ranges[i].start);
    let mut slots: List<Option<IoSliceMut<'m>>> = ranges.iter().map(|_| None).collect();
    let (mut rest, mut rest_start) = (memory, 0);
    for i in order {
        let range = &ranges[i];
        let skipped = range.start.checked_sub(rest_start)?;
        let (slice, after) = rest.split_at_mut_checked(skipped)?.1.split_at_mut_checked(range.len())?;
        slots[i] = Some(IoSliceMut::new(slice));
        (rest, rest_start) = (after, range.end);
    }
    slots.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Width;

    fn with_list(list: &[(u32, u32)]) -> Vec<u8> {
        let mut memory = vec![0; 256];
        for (i, (ptr, len)) in list.iter().enumerate() {
            memory.write_u32(i as u64 * 8, *ptr).unwrap();
            memory.write_u32(i as u64 * 8 + 4, *len).unwrap();
        }
        memory
    }

    fn ranges(memory: &mut [u8], list: u64, count: u64) -> Result<List<Range<usize>>, Errno> {
        super::ranges(&Memory::new(memory, Width::W32), list, count)
    }

    #[test]
    fn targets_keep_the_order_of_the_list() {
        let mut memory = with_list(&[(100, 4), (64, 2), (80, 0), (66, 3)]);
        let ranges = ranges(&mut memory, 0, 4).unwrap();
        assert_eq!(ranges.as_slice(), [100..104, 64..66, 66..69]);
        let targets = targets(&mut memory, &ranges).unwrap();
        assert_eq!(targets.iter().map(|t| t.len()).collect::<Vec<_>>(), [4, 2, 3]);
    }

    #[test]
    fn overlapping_targets_are_refused() {
        let mut memory = with_list(&[(64, 4), (66, 4)]);
        let ranges = ranges(&mut memory, 0, 2).unwrap();
        assert!(targets(&mut memory, &ranges).is_none());
        assert_eq!(sources(&memory, &ranges).len(), 2);
    }

    #[test]
    fn wild_lists() {
        let mut memory = with_list(&[(64, 4), (250, 7), (u32::MAX, u32::MAX)]);
        assert_eq!(ranges(&mut memory, 0, 1).map(|r| r.len()), Ok(1));
        assert_eq!(ranges(&mut memory, 0, 2), Err(Errno::Fault));
        assert_eq!(ranges(&mut memory, 16, 1), Err(Errno::Fault));
        assert_eq!(ranges(&mut memory, 2, 1), Err(Errno::Inval));
        assert_eq!(ranges(&mut memory, 0, 0x2000_0000), Err(Errno::Fault));
        assert_eq!(ranges(&mut vec![0; 1 << 16], 0, 1025), Err(Errno::Inval));
    }

    #[test]
    fn lists_of_64_bit_guests() {
        let mut memory = vec![0; 256];
        for (at, value) in [(0, 64), (8, 4), (16, 0), (24, 256), (32, 1 << 32), (40, 1), (48, 8), (56, u64::MAX)] {
            memory.write_u64(at, value).unwrap();
        }
        let mut ranges = |list, count| super::ranges(&Memory::new(&mut memory, Width::W64), list, count);
        assert_eq!(ranges(0, 2).unwrap().as_slice(), [64..68, 0..256]);
        assert_eq!(
            (ranges(0, 3), ranges(48, 1), ranges(4, 1)),
            (Err(Errno::Fault), Err(Errno::Fault), Err(Errno::Inval))
        );
    }

    #[test]
    fn cutting_and_skipping() {
        let ranges = [10..14, 20..22, 30..33];
        assert_eq!(cut(&ranges, 5).as_slice(), [10..14, 20..21]);
        assert_eq!(skip(&ranges, 5).as_slice(), [21..22, 30..33]);
        assert_eq!(skip(&ranges, 4).as_slice(), [20..22, 30..33]);
        assert!(cut(&ranges, 0).is_empty() && skip(&ranges, 9).is_empty());
        // The longest list over the largest memory becomes one call of the host.
        let huge = [0..1 << 32, 0..1 << 32];
        assert_eq!(cut(&huge, MAX_BYTES).iter().map(ExactSizeIterator::len).sum::<usize>(), MAX_BYTES);
    }
}
