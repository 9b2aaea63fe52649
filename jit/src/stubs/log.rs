//! The barrier's first way: entering an object, or a chunk of an array, in the log without entering the runtime.
//!
//! A stub looks for room in the buffer (`hot::LOG_BUFFER`), writes the entry, and clears the object's unlogged bit or
//! sets the chunk's state. Without room, which is so as long as the runtime has to see each first store, it goes on to
//! the runtime. Registers are as they were, flags are not.

use super::Assembler;
use dynasmrt::{DynasmApi, DynasmLabelApi, dynasm};
use heapwood_gc_abi::header::UNLOGGED;
use heapwood_gc_abi::hot::{LOG_BUFFER, LOG_LENGTH, LOG_ROOM};
use heapwood_gc_abi::layout::{ARRAY_ELEMENTS_OFFSET, ARRAY_LENGTH_OFFSET};
use heapwood_gc_abi::space;
use heapwood_gc_abi::{Mutant, active, disp, low8};

/// log2 of the references in a chunk.
const CHUNK_REFS_SHIFT: i8 = low8(space::CHUNK_SHIFT as u64 - 2).cast_signed();
const ARRAY_LENGTH: i32 = disp(ARRAY_LENGTH_OFFSET as usize);
/// Reference units from an array to its elements.
const ARRAY_HEAD: i32 = disp((ARRAY_ELEMENTS_OFFSET / space::REF_SCALE) as usize);
/// References of the longest array that has no chunks of its own.
const SMALL_LEN_MAX: i32 = disp(((space::CHUNKED_ARRAY_BYTES_MIN - ARRAY_ELEMENTS_OFFSET) / space::REF_SCALE) as usize);
/// Clears the bit in the first byte of a header.
const CLEAR_UNLOGGED: i8 = low8(!UNLOGGED as u64 & 0xff).cast_signed();

/// r11: an object that is not in the log.
pub(super) fn enter_object(ops: &mut Assembler) {
    dynasm!(ops
        ; .arch x64
        ; push rax
        ; mov eax, [r15 + LOG_LENGTH]
        ; cmp eax, [r15 + LOG_ROOM]
        ; jae >full
        ; mov [r15 + rax * 8 + LOG_BUFFER], r11
        ; inc eax
        ; mov [r15 + LOG_LENGTH], eax
        ; and BYTE [r15 + r11 * 4], CLEAR_UNLOGGED
        ; pop rax
        ; ret
        ; full:
        ; pop rax
    );
}

/// r11: an array of references that is not in the log, or is a large one, and above it an index. A large array comes
/// here at each store: once its chunk is logged (see `space::CHUNK_STATE_DISP`), nothing more is to be done. A small
/// one has no state of its own there.
pub(super) fn enter_element(ops: &mut Assembler) {
    let chunk_shift = CHUNK_REFS_SHIFT + active(Mutant::ChunkOfHalfTheIndex) as i8;
    dynasm!(ops
        ; .arch x64
        ; push rax
        ; push rcx
        ; push rdx
        ; mov eax, r11d
        ; mov edx, [r15 + LOG_LENGTH]
        ; cmp DWORD [r15 + rax * 4 + ARRAY_LENGTH], SMALL_LEN_MAX
        ; jbe >small
        // rax: the place of the chunk's state; cl: its bit.
        ; mov rcx, r11
        ; shr rcx, 32 + chunk_shift
        ; add rax, ARRAY_HEAD
        ; shr rax, CHUNK_REFS_SHIFT
        ; add rax, rcx
        ; neg rcx
        ; sbb ecx, ecx
        ; and ecx, (space::chunk_state_bit(1) ^ space::chunk_state_bit(0)) as i32
        ; xor ecx, space::chunk_state_bit(0) as i32
        ; test BYTE [r15 + rax + space::CHUNK_STATE_DISP], cl
        ; jnz >done
        ; cmp edx, [r15 + LOG_ROOM]
        ; jae >full
        ; or BYTE [r15 + rax + space::CHUNK_STATE_DISP], cl
        ; mov rax, r11
        ; shr rax, 32 + chunk_shift
        ; add eax, 1 + active(Mutant::LoggedChunkMisnumbered) as i32
        ; mov [r15 + rdx * 8 + LOG_BUFFER], r11d
        ; mov [r15 + rdx * 8 + LOG_BUFFER + 4], eax
        ; jmp >entered
        ; small:
        ; cmp edx, [r15 + LOG_ROOM]
        ; jae >full
        ; mov [r15 + rdx * 8 + LOG_BUFFER], rax
        ; and BYTE [r15 + rax * 4], CLEAR_UNLOGGED
        ; entered:
        ; inc edx
        ; mov [r15 + LOG_LENGTH], edx
        ; done:
        ; pop rdx
        ; pop rcx
        ; pop rax
        ; ret
        ; full:
        ; pop rdx
        ; pop rcx
        ; pop rax
    );
}
