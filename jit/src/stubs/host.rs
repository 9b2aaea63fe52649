//! Host trampolines, which lead from the guest to a host function.

use super::entry::wide_stack_places;
use super::{Assembler, VALUES_MAX, assemble, save_exit_words, value_at};
use crate::abi::{CallLayout, Place};
use dynasmrt::{DynasmApi, DynasmLabelApi, dynasm};
use heapwood_gc_abi::hot::{ALLOC_TOP, EXIT_FP, EXIT_PC, EXIT_SP, NATIVE_SP};
use heapwood_gc_abi::{Mutant, Narrow, active};

/// Values for which there is room in each trampoline's buffer: so many arguments a function of the runtime's own has at
/// most.
pub const NATIVE_VALUES: usize = 3;

/// The code of host functions of this layout; r14 is the host function's context.
///
/// Calls `dispatch: extern "sysv64" fn(heap_base, context, values: *mut [u64; 2]) -> {value, status}` on the native
/// stack; `special` is the address of [`FixedStubs::special`](super::FixedStubs). To the walker this frame does not
/// exist: EXIT_FP, EXIT_PC and EXIT_SP are the caller's.
///
/// Frame: `[rbp - 8]` r10, then the value buffer down to rsp.
pub fn host_trampoline(layout: &CallLayout, dispatch: u64, special: u64) -> Vec<u8> {
    assemble(|ops| emit_trampoline(ops, layout, dispatch, special))
}

/// Emits the code of [`host_trampoline`] into `ops`, for stubs that have other code in front of it.
pub(super) fn emit_trampoline(ops: &mut Assembler, layout: &CallLayout, dispatch: u64, special: u64) {
    let values = layout.params.len().max(layout.results.len()).max(NATIVE_VALUES);
    // The guest's rsp may be at the stack's limit, and this code does not compare them: see `STUB_STACK_BYTES`.
    assert!(values <= VALUES_MAX, "a host function of {values} values");
    let frame = 8 + value_at(values);
    dynasm!(ops
        ; .arch x64
        ; push rbp
        ; mov rbp, rsp
        ; push r10
        ; sub rsp, frame - 8
    );
    save_arguments(ops, layout);
    call_native(ops, dispatch);
    dynasm!(ops
        ; .arch x64
        ; lea rsp, [rbp - frame]
        ; again:
        ; mov r12d, [r15 + ALLOC_TOP]
        ; test edx, edx
        ; jnz >special
    );
    load_results(ops, layout);
    dynasm!(ops
        ; .arch x64
        ; mov r10, [rbp - 8]
        ; mov rsp, rbp
        ; pop rbp
    );
    match layout.arg_bytes {
        0 => dynasm!(ops ; .arch x64 ; ret),
        bytes => dynasm!(ops ; .arch x64 ; ret bytes.narrow::<i16>()),
    }
    dynasm!(ops
        ; .arch x64
        ; special:
        ; lea r11, [<again]
        ; mov r10, QWORD special.cast_signed()
        ; jmp r10
    );
}

fn save_arguments(ops: &mut Assembler, layout: &CallLayout) {
    let wide = wide_stack_places(&layout.params, layout.arg_bytes);
    for (index, place) in layout.params.iter().enumerate() {
        let at = value_at(index);
        match *place {
            Place::Gpr(gpr) => dynasm!(ops ; .arch x64 ; mov [rsp + at], Rq(gpr.0)),
            Place::Xmm(xmm) => dynasm!(ops ; .arch x64 ; movups [rsp + at], Rx(xmm.0)),
            Place::Stack(offset) if wide[index] => dynasm!(ops
                ; .arch x64
                ; movups xmm15, [rbp + 16 + offset.narrow::<i32>()]
                ; movups [rsp + at], xmm15
            ),
            Place::Stack(offset) => dynasm!(ops
                ; .arch x64
                ; mov r11, [rbp + 16 + offset.narrow::<i32>()]
                ; mov [rsp + at], r11
            ),
        }
    }
}

fn call_native(ops: &mut Assembler, dispatch: u64) {
    dynasm!(ops
        ; .arch x64
        ; mov r11, [rbp]
        ; mov [r15 + EXIT_FP], r11
        ; mov r11, [rbp + 8]
        ; mov [r15 + EXIT_PC], r11
        ; lea r11, [rbp + 16]
        ; mov [r15 + EXIT_SP], r11
    );
    save_exit_words(ops);
    dynasm!(ops
        ; .arch x64
        ; mov rdi, r15
        ; mov rsi, r14
        ; mov rdx, rsp
        ; mov rsp, [r15 + NATIVE_SP]
        ; mov rax, QWORD dispatch.cast_signed()
        ; call rax
    );
}

/// Loads the results: those on the stack first, since they pass through r11 and xmm15. They lie directly above the
/// stack arguments.
fn load_results(ops: &mut Assembler, layout: &CallLayout) {
    let wide = wide_stack_places(&layout.results, layout.result_bytes);
    let arguments = if active(Mutant::HostResultsMisplaced) { 0 } else { layout.arg_bytes };
    let area = 16 + arguments.narrow::<i32>();
    for (index, place) in layout.results.iter().enumerate() {
        let at = value_at(index);
        match *place {
            Place::Stack(offset) if wide[index] => dynasm!(ops
                ; .arch x64
                ; movups xmm15, [rsp + at]
                ; movups [rbp + area + offset.narrow::<i32>()], xmm15
            ),
            Place::Stack(offset) => dynasm!(ops
                ; .arch x64
                ; mov r11, [rsp + at]
                ; mov [rbp + area + offset.narrow::<i32>()], r11
            ),
            Place::Gpr(gpr) => dynasm!(ops ; .arch x64 ; mov Rq(gpr.0), [rsp + at]),
            Place::Xmm(xmm) => dynasm!(ops ; .arch x64 ; movups Rx(xmm.0), [rsp + at]),
        }
    }
}
