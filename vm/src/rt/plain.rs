//! Numbers as bytes, in the order of the machine, which is that of the heap.

use std::cell::Cell;

/// Numbers that are nothing but their bytes.
///
/// # Safety
/// The type is an integer or a float of fixed size (R12).
pub unsafe trait Plain: Copy + Send + Sync + 'static {}

macro_rules! plain {
    ($($number:ident)*) => {
        $(
            // SAFETY: R12.
            unsafe impl Plain for $number {}
        )*
    };
}

plain! { i8 u8 i16 u16 i32 u32 i64 u64 f32 f64 u128 }

/// The bytes of numbers.
pub(crate) fn bytes_of<T: Plain>(numbers: &[T]) -> &[u8] {
    // SAFETY: R12; the bytes are those of the slice, which is borrowed for as long, and need no alignment.
    unsafe { std::slice::from_raw_parts(numbers.as_ptr().cast(), size_of_val(numbers)) }
}

/// The bytes of numbers, for changing them.
pub(crate) fn bytes_of_mut<T: Plain>(numbers: &mut [T]) -> &mut [u8] {
    // SAFETY: R12; the bytes are those of the slice, which is borrowed for as long, and need no alignment.
    unsafe { std::slice::from_raw_parts_mut(numbers.as_mut_ptr().cast(), size_of_val(numbers)) }
}

/// The numbers whose bytes these are; none unless they are aligned, and whole numbers.
pub(crate) fn numbers_of<T: Plain>(bytes: &[Cell<u8>]) -> Option<&[Cell<T>]> {
    let start: *const Cell<T> = bytes.as_ptr().cast();
    if !start.is_aligned() || !bytes.len().is_multiple_of(size_of::<T>()) {
        return None;
    }
    // SAFETY: R12; the numbers lie in the slice, which is borrowed for as long, and are aligned. A `Cell` is laid out
    // as what is in it, and whoever reads or writes other parts of the slice does so in this thread.
    Some(unsafe { std::slice::from_raw_parts(start, bytes.len() / size_of::<T>()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_bytes_are_the_same_memory() {
        let mut numbers = [0x0403_0201u32, 5];
        assert_eq!(bytes_of(&numbers), [1, 2, 3, 4, 5, 0, 0, 0]);
        bytes_of_mut(&mut numbers)[4..].copy_from_slice(&[0, 0, 0, 1]);
        assert_eq!(numbers[1], 1 << 24);
        assert!(bytes_of::<u128>(&[]).is_empty());
    }

    #[test]
    fn cells_of_bytes_are_numbers_where_they_are_aligned() {
        let words = [1u64, 2].map(|word| word.to_le_bytes().map(Cell::new));
        // Bytes are at any place; one of the eight first ones is where a number may begin.
        let bytes = words.as_flattened();
        let first = bytes.as_ptr().align_offset(8);
        let numbers = numbers_of::<u64>(&bytes[first..first + 8]).unwrap();
        numbers[0].set(0x0807_0605_0403_0201);
        assert!((1..=8).eq(bytes[first..first + 8].iter().map(Cell::get)));
        assert!(numbers_of::<u32>(&bytes[first + 1..first + 5]).is_none(), "not aligned");
        assert!(numbers_of::<u32>(&bytes[first..first + 7]).is_none(), "a part of a number");
        assert_eq!(numbers_of::<u16>(&bytes[first..first]).map(<[_]>::len), Some(0));
    }
}
