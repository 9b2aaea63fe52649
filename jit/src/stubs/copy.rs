//! The short way of `array.copy`: few bytes are copied by the stub itself, on the guest's stack, without entering the
//! runtime. What is long, out of bounds, null, or needs the barrier goes on to the runtime, which looks at everything
//! again and says which trap it is.
//!
//! References go the short way into an array whose header has no UNLOGGED: it is young or in the log, so that a store
//! needs nothing more, as in `Heap`'s barrier. Each word of 4 bytes is written whole, since another thread may mark.

use super::Assembler;
use crate::abi::Builtin;
use dynasmrt::{DynasmApi, DynasmLabelApi, dynasm};
use heapwood_gc_abi::layout::{ARRAY_ELEMENTS_OFFSET, ARRAY_LENGTH_OFFSET};
use heapwood_gc_abi::{FieldKind, Mutant, active, disp, header, low8};

/// Most bytes that go the short way.
const SHORT_BYTES_MAX: i32 = 256;
/// In the first argument of [`Builtin::ArrayCopy`]: the elements are references.
const REFERENCES: u32 = 0x80;
const LENGTH: i32 = disp(ARRAY_LENGTH_OFFSET as usize);
const ELEMENTS: i32 = disp(ARRAY_ELEMENTS_OFFSET as usize);

/// The first argument of [`Builtin::ArrayCopy`]: log2 of the elements' bytes, and whether they are references.
pub(crate) fn element_argument(kind: FieldKind) -> u32 {
    kind.shift() as u32 | if kind == FieldKind::Ref { REFERENCES } else { 0 }
}

/// Copies and returns to the guest, or falls through. The stack holds the return address and above it the arguments.
/// Uses registers that no guest expects to survive a call.
pub(super) fn copy_if_short(ops: &mut Assembler) {
    let argument = |name: &str| {
        let position = Builtin::ArrayCopy.args().iter().position(|(arg, _)| *arg == name);
        8 + 8 * disp(position.expect("an argument of that name"))
    };
    let slack = active(Mutant::ArrayRangeOneBeyond) as i32;
    // Which arrays, and whether the barrier lets references pass.
    dynasm!(ops
        ; .arch x64
        ; mov ecx, [rsp + argument("element")]
        ; mov edx, [rsp + argument("dst")]
        ; mov esi, [rsp + argument("src")]
        ; test edx, edx
        ; jz >runtime
        ; test esi, esi
        ; jz >runtime
        ; test cl, low8(REFERENCES as u64).cast_signed()
        ; jz >checked
    );
    if !active(Mutant::ShortCopyNotLogged) {
        dynasm!(ops
            ; .arch x64
            ; test BYTE [r15 + rdx * 4], low8(header::UNLOGGED as u64).cast_signed()
            ; jnz >runtime
        );
    }
    // Bounds: indices and lengths are below 2^32, so sums of 64 bits are right.
    dynasm!(ops
        ; .arch x64
        ; checked:
        ; mov eax, [rsp + argument("len")]
        ; mov edi, [rsp + argument("dst_index")]
        ; mov r8d, [rsp + argument("src_index")]
        ; mov r11d, [r15 + rdx * 4 + LENGTH]
        ; lea r9, [rdi + rax - slack]
        ; cmp r9, r11
        ; ja >runtime
        ; mov r11d, [r15 + rsi * 4 + LENGTH]
        ; lea r9, [r8 + rax - slack]
        ; cmp r9, r11
        ; ja >runtime
        // Shifts take the low six bits of cl.
        ; shl rax, cl
        ; cmp rax, SHORT_BYTES_MAX
        ; ja >runtime
        ; shl rdi, cl
        ; shl r8, cl
        ; lea rdx, [r15 + rdx * 4 + ELEMENTS]
        ; add rdi, rdx
        ; lea rsi, [r15 + rsi * 4 + ELEMENTS]
        ; add rsi, r8
    );
    copy_bytes(ops);
    dynasm!(ops ; .arch x64 ; runtime:);
}

/// Copies eax bytes, at most [`SHORT_BYTES_MAX`], from rsi to rdi, which may overlap, and returns. Up to 32 bytes, both
/// ends are loaded before either is stored.
fn copy_bytes(ops: &mut Assembler) {
    dynasm!(ops
        ; .arch x64
        ; cmp eax, 16
        ; jae >vectors
        ; test al, 8
        ; jnz >eight
        ; test al, 4
        ; jnz >four
        ; test eax, eax
        ; jz >done
        ; mov r8d, eax
        ; shr r8d, 1
        ; movzx ecx, BYTE [rsi]
        ; movzx r9d, BYTE [rsi + r8]
        ; movzx edx, BYTE [rsi + rax - 1]
        ; mov [rdi], cl
        ; mov [rdi + r8], r9b
        ; mov [rdi + rax - 1], dl
        ; done:
        ; ret
        ; four:
        ; mov ecx, [rsi]
        ; mov edx, [rsi + rax - 4]
        ; mov [rdi], ecx
        ; mov [rdi + rax - 4], edx
        ; ret
        ; eight:
        ; mov rcx, [rsi]
        ; mov rdx, [rsi + rax - 8]
        ; mov [rdi], rcx
        ; mov [rdi + rax - 8], rdx
        ; ret
        ; vectors:
        ; movups xmm1, [rsi + rax - 16]
        ; cmp eax, 32
        ; ja >many
        ; movups xmm0, [rsi]
        ; movups [rdi + rax - 16], xmm1
        ; movups [rdi], xmm0
        ; ret
        ; many:
    );
    copy_vectors(ops);
}

/// Copies more than 32 bytes: upwards, unless the target begins inside of the source. The 16 bytes at the end to which
/// the loop comes last, which are in part its own, are loaded first (upwards: they are in xmm1) and stored last.
fn copy_vectors(ops: &mut Assembler) {
    dynasm!(ops
        ; .arch x64
        ; mov rcx, rdi
        ; sub rcx, rsi
        ; cmp rcx, rax
    );
    if !active(Mutant::ShortCopyAlwaysUpwards) {
        dynasm!(ops ; .arch x64 ; jb >down);
    }
    dynasm!(ops
        ; .arch x64
        ; lea rdx, [rdi + rax - 16]
        ; up:
        ; movups xmm0, [rsi]
        ; movups [rdi], xmm0
        ; add rsi, 16
        ; add rdi, 16
        ; cmp rdi, rdx
        ; jb <up
        ; movups [rdx], xmm1
        ; ret
        ; down:
        ; movups xmm1, [rsi]
        ; again:
        ; movups xmm0, [rsi + rax - 16]
        ; movups [rdi + rax - 16], xmm0
        ; sub eax, 16
        ; cmp eax, 16
        ; ja <again
        ; movups [rdi], xmm1
        ; ret
    );
}
