//! Entry trampolines, which lead from native code into the guest.

#[cfg(doc)]
use super::Resume;
use super::{Assembler, ENTRY_SUSPENDED, assemble, value_at};
use crate::abi::{CallLayout, Place};
use dynasmrt::{DynasmApi, dynasm};
use heapwood_gc_abi::hot::{ALLOC_TOP, ENTRY_FP, NATIVE_SP};
use heapwood_gc_abi::{Mutant, Narrow, active};

/// The trampoline for functions of this layout:
/// `extern "sysv64" fn(code, context, heap_base, values: *mut [u64; 2], guest_sp) -> {ended, sp}`, as [`Resume`] has
/// it.
///
/// Arguments are read from `values`, one per 16 bytes, results are written there. `guest_sp` is a multiple of 16.
/// Frame on the guest stack: `[rbp + 8]` 0, `[rbp]` 0, then results and arguments on the stack.
pub fn entry_trampoline(layout: &CallLayout) -> Vec<u8> {
    assemble(|ops| {
        enter(ops, (layout.arg_bytes + layout.result_bytes).narrow());
        load_arguments(ops, layout);
        dynasm!(ops
            ; .arch x64
            ; call r10
            ; mov r11, [r15 + NATIVE_SP]
            ; mov r11, [r11]
        );
        store_results(ops, layout);
        dynasm!(ops
            ; .arch x64
            ; mov [r15 + ALLOC_TOP], r12d
            ; xor eax, eax
        );
        leave(ops);
    })
}

/// Saves the native registers and sets the guest's: r10 (the code), r11 (the values), r12d, r14, r15, rbp, rsp.
fn enter(ops: &mut Assembler, stack_bytes: i32) {
    save_native_registers(ops);
    dynasm!(ops
        ; .arch x64
        ; push rcx
        ; mov r15, rdx
        ; mov r14, rsi
        ; mov r10, rdi
        ; mov r11, rcx
        ; mov [r15 + NATIVE_SP], rsp
        ; mov r12d, [r15 + ALLOC_TOP]
        ; mov rsp, r8
        ; xor eax, eax
        ; push rax
        ; push rax
        ; mov rbp, rsp
        ; mov [r15 + ENTRY_FP], rbp
    );
    if stack_bytes != 0 {
        dynasm!(ops ; .arch x64 ; sub rsp, stack_bytes);
    }
}

/// Returns to the native caller; rax and rdx are the result.
pub(super) fn leave(ops: &mut Assembler) {
    dynasm!(ops
        ; .arch x64
        ; mov rsp, [r15 + NATIVE_SP]
        ; pop rcx
        ; pop r15
        ; pop r14
        ; pop r13
        ; pop r12
        ; pop rbx
        ; pop rbp
        ; ret
    );
}

/// Suspends the guest: it goes on at r11, with its frames, its stack and the registers that native functions keep. The
/// entry trampoline, or the stub that resumed the guest before, returns [`ENTRY_SUSPENDED`] and the guest's rsp.
pub(super) fn suspend(ops: &mut Assembler) {
    dynasm!(ops
        ; .arch x64
        ; push r11
        ; push rbp
        ; push rbx
        ; push r13
        ; push r14
        ; mov rdx, rsp
        ; mov eax, ENTRY_SUSPENDED.narrow::<i32>()
    );
    leave(ops);
}

/// The stub of [`Resume`](super::Resume).
pub(super) fn resume(ops: &mut Assembler) {
    save_native_registers(ops);
    dynasm!(ops
        ; .arch x64
        ; push rsi
        ; mov r15, rdi
    );
    if !active(Mutant::ResumedOnTheOldStack) {
        dynasm!(ops ; .arch x64 ; mov [r15 + NATIVE_SP], rsp);
    }
    dynasm!(ops
        ; .arch x64
        ; mov rsp, rdx
        ; mov rax, rcx
        ; mov rdx, r8
        ; pop r14
    );
    let base = if active(Mutant::ResumedRegisterLost) { 11 } else { 13u8 };
    dynasm!(ops
        ; .arch x64
        ; pop Rq(base)
        ; pop rbx
        ; pop rbp
        ; pop r11
        ; jmp r11
    );
}

/// What [`leave`] takes back, but for the address of the values.
fn save_native_registers(ops: &mut Assembler) {
    dynasm!(ops
        ; .arch x64
        ; push rbp
        ; push rbx
        ; push r12
        ; push r13
        ; push r14
        ; push r15
    );
}

/// Loads the arguments: those on the stack first, since they pass through rax and xmm15.
fn load_arguments(ops: &mut Assembler, layout: &CallLayout) {
    let wide = wide_stack_places(&layout.params, layout.arg_bytes);
    for (index, place) in layout.params.iter().enumerate() {
        let at = value_at(index);
        match *place {
            Place::Stack(offset) if wide[index] => dynasm!(ops
                ; .arch x64
                ; movups xmm15, [r11 + at]
                ; movups [rsp + offset.narrow::<i32>()], xmm15
            ),
            Place::Stack(offset) => dynasm!(ops
                ; .arch x64
                ; mov rax, [r11 + at]
                ; mov [rsp + offset.narrow::<i32>()], rax
            ),
            Place::Gpr(_) | Place::Xmm(_) => {}
        }
    }
    for (index, place) in layout.params.iter().enumerate() {
        let at = value_at(index);
        match *place {
            Place::Gpr(gpr) => dynasm!(ops ; .arch x64 ; mov Rq(gpr.0), [r11 + at]),
            Place::Xmm(xmm) => dynasm!(ops ; .arch x64 ; movups Rx(xmm.0), [r11 + at]),
            Place::Stack(_) => {}
        }
    }
}

/// Stores the results: those in registers first, since results on the stack pass through rax and xmm15. The callee has
/// popped the arguments, so rsp is at the first result on the stack.
fn store_results(ops: &mut Assembler, layout: &CallLayout) {
    let wide = wide_stack_places(&layout.results, layout.result_bytes);
    for (index, place) in layout.results.iter().enumerate() {
        let at = value_at(index);
        match *place {
            Place::Gpr(gpr) => dynasm!(ops ; .arch x64 ; mov [r11 + at], Rq(gpr.0)),
            Place::Xmm(xmm) => dynasm!(ops ; .arch x64 ; movups [r11 + at], Rx(xmm.0)),
            Place::Stack(_) => {}
        }
    }
    for (index, place) in layout.results.iter().enumerate() {
        let at = value_at(index);
        match *place {
            Place::Stack(offset) if wide[index] => dynasm!(ops
                ; .arch x64
                ; movups xmm15, [rsp + offset.narrow::<i32>()]
                ; movups [r11 + at], xmm15
            ),
            Place::Stack(offset) => dynasm!(ops
                ; .arch x64
                ; mov rax, [rsp + offset.narrow::<i32>()]
                ; mov [r11 + at], rax
            ),
            Place::Gpr(_) | Place::Xmm(_) => {}
        }
    }
}

/// Which of the places are stack places of 16 bytes (of a vector): those whose successor is 16 bytes away.
pub(super) fn wide_stack_places(places: &[Place], area_bytes: u32) -> Vec<bool> {
    let mut wide = vec![false; places.len()];
    let mut end = area_bytes;
    for (index, place) in places.iter().enumerate().rev() {
        if let Place::Stack(offset) = *place {
            wide[index] = end - offset == 16 && !active(Mutant::VectorArgumentHalved);
            end = offset;
        }
    }
    wide
}
