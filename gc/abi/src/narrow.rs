//! Conversions to narrower integers, for code that would be wrong in silence if a number did not fit.
//!
//! `as` cuts numbers off without a word; compiler, stubs and runtime must not rely on it. [`Narrow::narrow`] is for
//! numbers that fit by an invariant, and stops where one does not. [`low8`], [`low16`] and [`low32`] are for those that
//! are meant to lose their upper bits.

use std::fmt::Display;

/// An integer that is known to fit a narrower type.
pub trait Narrow: Copy + Display {
    /// This number in a narrower type.
    ///
    /// # Panics
    /// It does not fit: whoever relied on it was wrong.
    #[inline]
    #[track_caller]
    fn narrow<T: TryFrom<Self>>(self) -> T {
        match T::try_from(self) {
            Ok(narrow) => narrow,
            Err(_) => does_not_fit(&self, std::any::type_name::<T>()),
        }
    }
}

impl<N: Copy + Display> Narrow for N {}

#[cold]
#[inline(never)]
#[track_caller]
fn does_not_fit(number: &dyn Display, ty: &str) -> ! {
    panic!("{number} does not fit {ty}")
}

/// An offset as the displacement of a memory operand.
///
/// # Panics
/// There is no such displacement.
#[inline]
pub const fn disp(offset: usize) -> i32 {
    assert!(offset <= i32::MAX as usize, "an offset that is no displacement");
    offset as i32
}

/// The lowest 8 bits.
#[inline]
pub const fn low8(bits: u64) -> u8 {
    (bits & 0xff) as u8
}

/// The lowest 16 bits.
#[inline]
pub const fn low16(bits: u64) -> u16 {
    (bits & 0xffff) as u16
}

/// The lowest 32 bits.
#[inline]
pub const fn low32(bits: u64) -> u32 {
    (bits & 0xffff_ffff) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_fit_stay_what_they_are() {
        assert_eq!(
            (127u32.narrow::<i8>(), i64::from(i32::MIN).narrow::<i32>(), u64::MAX.narrow::<usize>()),
            (127, i32::MIN, usize::MAX)
        );
        assert_eq!((low8(0x1ff), low16(0x1_2345), low32(u64::MAX - 1)), (0xff, 0x2345, u32::MAX - 1));
    }

    #[test]
    #[should_panic(expected = "128 does not fit i8")]
    fn numbers_that_do_not_fit_stop_the_process() {
        let _: i8 = 128u32.narrow();
    }
}
