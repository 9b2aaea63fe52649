//! Copies and fills of ranges of the cage, by machine instructions that the compiler knows nothing of.
//!
//! Rust's own copies assume that nobody else reads or writes the bytes meanwhile. A thread that marks does read words
//! that an array copy is writing. So these are made of plain loads and stores of the processor, each word of 4 bytes
//! that lies at a multiple of 4 whole: a race finds an old or a new word, never a mixture.

#[cfg(not(miri))]
use std::arch::asm;
#[cfg(miri)]
use std::sync::atomic::{
    AtomicU8, AtomicU32,
    Ordering::{Relaxed, Release},
};

/// From so many bytes on, one string instruction is faster than a loop over vectors.
#[cfg(not(miri))]
const STRING_BYTES_MIN: usize = 1 << 10;

/// `memmove`: the ranges may overlap.
///
/// # Safety
/// `len` bytes from `from` on may be read and from `to` on written for the length of the call (M1); whoever else uses
/// them meanwhile does so by atomics, compiled code or this module.
#[cfg(not(miri))]
pub(super) unsafe fn copy(to: *mut u8, from: *const u8, len: usize) {
    let ahead = (to as usize).wrapping_sub(from as usize);
    // SAFETY: the caller's promise. Downwards only if the target begins inside of the source. String instructions are
    // slow where source and target nearly coincide.
    unsafe {
        match len {
            0..16 => copy_short(to, from, len),
            16..=32 => copy_ends::<1>(to, from, len),
            33..=64 => copy_ends::<2>(to, from, len),
            _ if ahead < len => copy_down(to, from, len),
            STRING_BYTES_MIN.. if ahead.wrapping_neg() > len => copy_string(to, from, len),
            _ => copy_up(to, from, len),
        }
    }
}

/// Copies bytes that are borrowed.
///
/// # Safety
/// As for [`copy`], to `to`.
#[cfg(not(miri))]
#[inline(always)]
pub(super) unsafe fn copy_in(to: *mut u8, source: &[u8]) {
    // SAFETY: the caller's promise.
    unsafe { copy(to, source.as_ptr(), source.len()) }
}

/// Copies less than 16 bytes.
#[cfg(not(miri))]
#[inline(always)]
unsafe fn copy_short(to: *mut u8, from: *const u8, len: usize) {
    // SAFETY: the caller's promise; both ends are loaded before either is stored.
    unsafe {
        if len >= 8 {
            asm!("mov {a}, [{from}]", "mov {b}, [{from} + {last}]", "mov [{to}], {a}", "mov [{to} + {last}], {b}",
                a = out(reg) _, b = out(reg) _, from = in(reg) from, to = in(reg) to, last = in(reg) len - 8,
                options(nostack, preserves_flags));
        } else if len >= 4 {
            asm!("mov {a:e}, [{from}]", "mov {b:e}, [{from} + {last}]", "mov [{to}], {a:e}", "mov [{to} + {last}], {b:e}",
                a = out(reg) _, b = out(reg) _, from = in(reg) from, to = in(reg) to, last = in(reg) len - 4,
                options(nostack, preserves_flags));
        } else if len > 0 {
            asm!("movzx {a:e}, byte ptr [{from}]", "movzx {b:e}, byte ptr [{from} + {half}]",
                "movzx {c:e}, byte ptr [{from} + {last}]", "mov byte ptr [{to}], {a:l}",
                "mov byte ptr [{to} + {half}], {b:l}", "mov byte ptr [{to} + {last}], {c:l}",
                a = out(reg) _, b = out(reg) _, c = out(reg) _, from = in(reg) from, to = in(reg) to,
                half = in(reg) len / 2, last = in(reg) len - 1, options(nostack, preserves_flags));
        }
    }
}

/// Copies between `16 * N` and `32 * N` bytes: the first and the last `16 * N`, all of them loaded before any is
/// stored.
#[cfg(not(miri))]
#[inline(always)]
unsafe fn copy_ends<const N: usize>(to: *mut u8, from: *const u8, len: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        if N == 1 {
            asm!("movups {a}, [{from}]", "movups {b}, [{from} + {last}]", "movups [{to}], {a}",
                "movups [{to} + {last}], {b}", a = out(xmm_reg) _, b = out(xmm_reg) _, from = in(reg) from,
                to = in(reg) to, last = in(reg) len - 16, options(nostack, preserves_flags));
        } else {
            asm!("movups {a}, [{from}]", "movups {b}, [{from} + 16]", "movups {c}, [{from} + {last}]",
                "movups {d}, [{from} + {last} + 16]", "movups [{to}], {a}", "movups [{to} + 16], {b}",
                "movups [{to} + {last}], {c}", "movups [{to} + {last} + 16], {d}", a = out(xmm_reg) _,
                b = out(xmm_reg) _, c = out(xmm_reg) _, d = out(xmm_reg) _, from = in(reg) from, to = in(reg) to,
                last = in(reg) len - 32, options(nostack, preserves_flags));
        }
    }
}

/// Copies 16 bytes from each of two words to each of two others, all loaded before any is stored: in one block, since
/// the inner loop of a minor lives on it.
///
/// # Safety
/// As for [`copy`], for 16 bytes from each of the four words on (by their index from `base`).
#[cfg(not(miri))]
#[inline(always)]
pub(super) unsafe fn copy_pair(base: *mut u8, from: [u32; 2], to: [u32; 2]) {
    // SAFETY: the caller's promise.
    unsafe {
        asm!("movups {a}, [{base} + 4 * {from}]", "movups {b}, [{base} + 4 * {from_last}]",
            "movups [{base} + 4 * {to}], {a}", "movups [{base} + 4 * {to_last}], {b}",
            a = out(xmm_reg) _, b = out(xmm_reg) _, base = in(reg) base, from = in(reg) from[0] as u64,
            from_last = in(reg) from[1] as u64, to = in(reg) to[0] as u64, to_last = in(reg) to[1] as u64,
            options(nostack, preserves_flags));
    }
}

/// Copies more than 64 bytes upwards, 64 at a time; the last 64 bytes are loaded first and stored last.
#[cfg(not(miri))]
unsafe fn copy_up(to: *mut u8, from: *const u8, len: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        asm!(
            "movups {t0}, [{from} + {last}]",
            "movups {t1}, [{from} + {last} + 16]",
            "movups {t2}, [{from} + {last} + 32]",
            "movups {t3}, [{from} + {last} + 48]",
            "xor {at:e}, {at:e}",
            "2:",
            "movups {a}, [{from} + {at}]",
            "movups {b}, [{from} + {at} + 16]",
            "movups {c}, [{from} + {at} + 32]",
            "movups {d}, [{from} + {at} + 48]",
            "movups [{to} + {at}], {a}",
            "movups [{to} + {at} + 16], {b}",
            "movups [{to} + {at} + 32], {c}",
            "movups [{to} + {at} + 48], {d}",
            "add {at}, 64",
            "cmp {at}, {last}",
            "jb 2b",
            "movups [{to} + {last}], {t0}",
            "movups [{to} + {last} + 16], {t1}",
            "movups [{to} + {last} + 32], {t2}",
            "movups [{to} + {last} + 48], {t3}",
            t0 = out(xmm_reg) _, t1 = out(xmm_reg) _, t2 = out(xmm_reg) _, t3 = out(xmm_reg) _,
            a = out(xmm_reg) _, b = out(xmm_reg) _, c = out(xmm_reg) _, d = out(xmm_reg) _,
            at = out(reg) _, from = in(reg) from, to = in(reg) to, last = in(reg) len - 64,
            options(nostack),
        );
    }
}

/// Copies downwards, from the last bytes to the first; the first 64 bytes are loaded first and stored last.
#[cfg(not(miri))]
unsafe fn copy_down(to: *mut u8, from: *const u8, len: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        asm!(
            "movups {t0}, [{from}]",
            "movups {t1}, [{from} + 16]",
            "movups {t2}, [{from} + 32]",
            "movups {t3}, [{from} + 48]",
            "2:",
            "movups {a}, [{from} + {at} + 48]",
            "movups {b}, [{from} + {at} + 32]",
            "movups {c}, [{from} + {at} + 16]",
            "movups {d}, [{from} + {at}]",
            "movups [{to} + {at} + 48], {a}",
            "movups [{to} + {at} + 32], {b}",
            "movups [{to} + {at} + 16], {c}",
            "movups [{to} + {at}], {d}",
            "sub {at}, 64",
            "ja 2b",
            "movups [{to}], {t0}",
            "movups [{to} + 16], {t1}",
            "movups [{to} + 32], {t2}",
            "movups [{to} + 48], {t3}",
            t0 = out(xmm_reg) _, t1 = out(xmm_reg) _, t2 = out(xmm_reg) _, t3 = out(xmm_reg) _,
            a = out(xmm_reg) _, b = out(xmm_reg) _, c = out(xmm_reg) _, d = out(xmm_reg) _,
            at = inout(reg) len - 64 => _, from = in(reg) from, to = in(reg) to,
            options(nostack),
        );
    }
}

/// Copies upwards by the string instruction.
#[cfg(not(miri))]
#[inline(always)]
unsafe fn copy_string(to: *mut u8, from: *const u8, len: usize) {
    // SAFETY: the caller's promise; the direction flag is clear by the ABI.
    unsafe {
        asm!("rep movsb", inout("rdi") to => _, inout("rsi") from => _, inout("rcx") len => _,
            options(nostack, preserves_flags));
    }
}

/// Writes `count` times the word `value` (`to` is a multiple of 4).
///
/// # Safety
/// As for [`copy`].
#[cfg(not(miri))]
#[inline(always)]
pub(super) unsafe fn fill_words(to: *mut u8, value: u32, count: usize) {
    // SAFETY: the caller's promise; the direction flag is clear by the ABI.
    unsafe {
        asm!("rep stosd", inout("rdi") to => _, inout("rcx") count => _, in("eax") value,
            options(nostack, preserves_flags));
    }
}

/// Writes `len` times the byte `value`.
///
/// # Safety
/// As for [`copy`].
#[cfg(not(miri))]
#[inline(always)]
pub(super) unsafe fn fill_bytes(to: *mut u8, value: u8, len: usize) {
    // SAFETY: the caller's promise; the direction flag is clear by the ABI.
    unsafe {
        asm!("rep stosb", inout("rdi") to => _, inout("rcx") len => _, in("al") value,
            options(nostack, preserves_flags));
    }
}

/// `copy` for Miri, which checks this code's use of memory and knows no machine instructions.
///
/// # Safety
/// As of the function of this name for machines.
#[cfg(miri)]
pub(super) unsafe fn copy(to: *mut u8, from: *const u8, len: usize) {
    // Words as a whole where both lie at a multiple of 4, since others use them so meanwhile.
    let whole = if (to as usize | from as usize).is_multiple_of(4) { len / 4 } else { 0 };
    // SAFETY: the caller's promise; all is loaded before anything is stored.
    unsafe {
        let words: Vec<u32> =
            (0..whole).map(|at| AtomicU32::from_ptr(from.cast_mut().cast::<u32>().add(at)).load(Relaxed)).collect();
        let bytes: Vec<u8> = (whole * 4..len).map(|at| from.add(at).read()).collect();
        for (at, word) in words.into_iter().enumerate() {
            AtomicU32::from_ptr(to.cast::<u32>().add(at)).store(word, Release);
        }
        for (at, byte) in bytes.into_iter().enumerate() {
            AtomicU8::from_ptr(to.add(whole * 4 + at)).store(byte, Release);
        }
    }
}

/// `copy_in` for Miri.
///
/// # Safety
/// As of the function of this name for machines.
#[cfg(miri)]
pub(super) unsafe fn copy_in(to: *mut u8, source: &[u8]) {
    // A copy that may be read by atomics, as what is borrowed to be read only may not.
    let mut source = source.to_vec();
    // SAFETY: the caller's promise; the copy is ours.
    unsafe { copy(to, source.as_mut_ptr(), source.len()) }
}

/// `copy_pair` for Miri.
///
/// # Safety
/// As of the function of this name for machines.
#[cfg(miri)]
pub(super) unsafe fn copy_pair(base: *mut u8, from: [u32; 2], to: [u32; 2]) {
    for (from, to) in from.into_iter().zip(to) {
        // SAFETY: the caller's promise.
        unsafe { copy(base.add(to as usize * 4), base.add(from as usize * 4), 16) };
    }
}

/// `fill_words` for Miri.
///
/// # Safety
/// As of the function of this name for machines.
#[cfg(miri)]
pub(super) unsafe fn fill_words(to: *mut u8, value: u32, count: usize) {
    for at in 0..count {
        // SAFETY: the caller's promise.
        unsafe { AtomicU32::from_ptr(to.cast::<u32>().add(at)) }.store(value, Release);
    }
}

/// `fill_bytes` for Miri.
///
/// # Safety
/// As of the function of this name for machines.
#[cfg(miri)]
pub(super) unsafe fn fill_bytes(to: *mut u8, value: u8, len: usize) {
    for at in 0..len {
        // SAFETY: the caller's promise.
        unsafe { AtomicU8::from_ptr(to.add(at)) }.store(value, Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "what is tested are machine instructions")]
    fn copies_are_those_of_copy_within() {
        let pattern: Vec<u8> = (0..6400u32).map(|i| (i * 7 + i / 256) as u8).collect();
        let lengths = (0..140).chain([191, 192, 193, 255, 256, 257, 1000, 1023, 1024, 1025, 1500, 2048]);
        let mut cases = 0;
        for len in lengths {
            for from in [2100, 2101, 2104] {
                let near = [0, 1, 3, 4, 8, 15, 16, 17, 60, 64, 65, 200];
                let apart =
                    near.iter().flat_map(|far| [from - far, from + far]).chain([from - len, from + len, 0, 3900]);
                for to in apart {
                    let mut expected = pattern.clone();
                    expected.copy_within(from..from + len, to);
                    let mut bytes = pattern.clone();
                    let start = bytes.as_mut_ptr();
                    // SAFETY: both ranges lie in `bytes`, which nobody else uses.
                    unsafe { copy(start.add(to), start.add(from), len) };
                    assert!(bytes == expected, "{len} bytes from {from} to {to}");
                    cases += 1;
                }
            }
        }
        println!("{cases} copies");
        assert_eq!(cases, 152 * 3 * 28);
    }

    #[test]
    #[cfg_attr(miri, ignore = "what is tested are machine instructions")]
    fn fills_end_at_the_word() {
        for count in [0, 1, 2, 3, 31, 32, 33, 1000] {
            let mut words = vec![7u32; count + 2];
            // SAFETY: the words lie in the vector, which nobody else uses.
            unsafe { fill_words(words.as_mut_ptr().add(1).cast(), 0xfbad_bad8, count) };
            assert!(words[0] == 7 && words[count + 1] == 7);
            assert!(words[1..=count].iter().all(|word| *word == 0xfbad_bad8));
        }
    }
}
