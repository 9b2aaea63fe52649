//! Numbers as bytes, in the order of the machine, which is that of the heap.

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

/// The same, to be changed.
pub(crate) fn bytes_of_mut<T: Plain>(numbers: &mut [T]) -> &mut [u8] {
    // SAFETY: R12; the bytes are those of the slice, which is borrowed for as long, and need no alignment.
    unsafe { std::slice::from_raw_parts_mut(numbers.as_mut_ptr().cast(), size_of_val(numbers)) }
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
}
