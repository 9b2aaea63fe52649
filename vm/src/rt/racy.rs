//! Bytes that other threads may read and write at the same time.
//!
//! Rust's references and copies assume that nobody does. These copies are machine instructions that the compiler knows
//! nothing of (R11): each byte is read or written once, in the order of `memmove`; a race mixes old and new bytes, and
//! that is all it does.

use heapwood_gc_abi::Narrow;
use std::arch::asm;
use std::marker::PhantomData;

/// A range of bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RacyBytes<'m> {
    start: *mut u8,
    len: usize,
    memory: PhantomData<&'m [u8]>,
}

impl<'m> RacyBytes<'m> {
    /// A range that only its borrower uses.
    pub fn of(bytes: &'m mut [u8]) -> RacyBytes<'m> {
        RacyBytes { start: bytes.as_mut_ptr(), len: bytes.len(), memory: PhantomData }
    }

    /// A range that others use as well.
    ///
    /// # Safety
    /// It is readable and writable for `'m`, and whoever else uses it meanwhile does so by compiled code, atomic
    /// operations or this type (R11).
    pub unsafe fn new(start: *mut u8, len: usize) -> RacyBytes<'m> {
        RacyBytes { start, len, memory: PhantomData }
    }

    /// `len` bytes from `start` on, if they lie in the range.
    pub fn part(self, start: u64, len: u64) -> Option<RacyBytes<'m>> {
        let end = start.checked_add(len)?;
        let fits = end <= self.len as u64;
        fits.then(|| RacyBytes { start: self.start.wrapping_add(start.narrow()), len: len.narrow(), ..self })
    }

    /// Copies as many bytes out as `target` has.
    pub fn read(self, target: &mut [u8]) {
        assert_eq!(self.len, target.len(), "a copy has one length");
        // SAFETY: R11; the target is borrowed.
        unsafe { copy(target.as_mut_ptr(), self.start, self.len) }
    }

    /// Copies bytes in.
    pub fn write(self, source: &[u8]) {
        assert_eq!(self.len, source.len(), "a copy has one length");
        // SAFETY: R11; the source is borrowed.
        unsafe { copy(self.start, source.as_ptr(), self.len) }
    }

    /// Copies from another range or an overlapping one.
    pub fn copy_from(self, source: RacyBytes<'_>) {
        assert_eq!(self.len, source.len, "a copy has one length");
        // SAFETY: R11 for both.
        unsafe { copy(self.start, source.start, self.len) }
    }

    /// Sets every byte.
    pub fn fill(self, byte: u8) {
        // SAFETY: R11: writes `len` bytes from `start` on, upwards (the direction flag is clear by the ABI).
        unsafe {
            asm!("rep stosb", inout("rdi") self.start => _, inout("rcx") self.len => _, in("al") byte,
                options(nostack, preserves_flags));
        }
    }
}

/// `memmove` for bytes that others may use.
///
/// # Safety
/// R11, or borrowed, for both ranges.
unsafe fn copy(to: *mut u8, from: *const u8, len: usize) {
    if (to as usize).wrapping_sub(from as usize) >= len {
        // SAFETY: the caller's promise; upwards is right unless the target begins inside of the source.
        unsafe {
            asm!("rep movsb", inout("rdi") to => _, inout("rsi") from => _, inout("rcx") len => _,
                options(nostack, preserves_flags));
        }
        return;
    }
    // SAFETY: the caller's promise; downwards, 16 bytes at a time, the rest one by one. Each piece is loaded whole
    // before any byte above its start is overwritten.
    unsafe {
        asm!(
            "2:",
            "cmp {len}, 16",
            "jb 3f",
            "sub {len}, 16",
            "movups {piece}, [{from} + {len}]",
            "movups [{to} + {len}], {piece}",
            "jmp 2b",
            "3:",
            "test {len}, {len}",
            "jz 4f",
            "dec {len}",
            "movzx {byte:e}, byte ptr [{from} + {len}]",
            "mov byte ptr [{to} + {len}], {byte:l}",
            "jmp 3b",
            "4:",
            len = inout(reg) len => _,
            from = in(reg) from,
            to = in(reg) to,
            byte = out(reg) _,
            piece = out(xmm_reg) _,
            options(nostack),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_those_of_copy_within() {
        let pattern: Vec<u8> = (0..300u32).map(|i| (i * 7 + i / 256) as u8).collect();
        for len in [0, 1, 7, 15, 16, 17, 31, 33, 64, 150] {
            for from in [0, 1, 16, 70] {
                for to in [0, 1, 2, 15, 16, 17, 71, 149, 150] {
                    let mut expected = pattern.clone();
                    expected.copy_within(from..from + len, to);
                    let mut bytes = pattern.clone();
                    let all = RacyBytes::of(&mut bytes);
                    let part = |start: usize| all.part(start as u64, len as u64).unwrap();
                    part(to).copy_from(part(from));
                    assert_eq!(bytes, expected, "{len} bytes from {from} to {to}");
                }
            }
        }
    }

    #[test]
    fn parts_end_at_the_byte() {
        let mut bytes = [1; 8];
        let all = RacyBytes::of(&mut bytes);
        assert!(all.part(8, 0).is_some() && all.part(7, 1).is_some());
        assert!(all.part(8, 1).is_none() && all.part(9, 0).is_none() && all.part(u64::MAX, 2).is_none());
        all.part(2, 3).unwrap().fill(9);
        let mut read = [0; 4];
        all.part(1, 4).unwrap().read(&mut read);
        all.part(6, 2).unwrap().write(&[4, 5]);
        assert_eq!((read, bytes), ([1, 9, 9, 9], [1, 1, 9, 9, 9, 1, 4, 5]));
    }
}
