//! Stubs that exist once: those behind the builtin table, the exit of traps, the return barrier.

use super::copy::copy_if_short;
use super::{Assembler, ENTRY_LEFT, Status, assemble, entry, log, save_exit_words};
use crate::abi::{Builtin, BuiltinKind, RESUME_FP, RESUME_PC, RESUME_SAVED, SAVED_BYTES, SAVED_GPR_BYTES};
use dynasmrt::{AssemblyOffset, DynamicLabel, DynasmApi, DynasmLabelApi, dynasm};
use heapwood_gc_abi::hot::{ALLOC_TOP, EXIT_FP, EXIT_PC, EXIT_REGS, EXIT_SP, NATIVE_SP};
use heapwood_gc_abi::{Mutant, Narrow, active, disp};

/// Addresses of the native functions that the stubs call.
#[derive(Clone, Debug)]
pub struct NativeTargets {
    /// By builtin. **Call**: `fn(heap_base, context, args: *const u64)`; **Slow**: `fn(heap_base, context, arg)`;
    /// both `extern "sysv64"`, returning `{value, status}`.
    pub builtins: Vec<u64>,
    /// `extern "sysv64" fn(heap_base)`: records the trap at EXIT_PC.
    pub trap: u64,
    /// `extern "sysv64" fn(heap_base)`: the guest returns through a replaced return address; writes the true one
    /// to `RESUME_PC`.
    pub unwound: u64,
}

/// The code and where its parts begin.
#[derive(Clone, Debug)]
pub struct FixedStubs {
    /// Position-independent machine code.
    pub code: Vec<u8>,
    /// Offset of the stub of each builtin.
    pub builtins: Vec<u32>,
    /// Where the signal handler sends a trapping guest: r15, EXIT_PC, EXIT_FP, EXIT_SP and ALLOC_TOP are set.
    pub trap: u32,
    /// Where host trampolines go with a status other than `Done` (rax, edx as the native function returned them; r11 is
    /// where they look at these again, should the guest be suspended).
    pub special: u32,
    /// What a return address is replaced with: the return barrier.
    pub barrier: u32,
    /// Where a guest goes on that was suspended: [`Resume`](super::Resume) is how it is called.
    pub resume: u32,
}

/// Bytes of all saved registers, and of the general ones, which come first.
const SAVED: i32 = disp(SAVED_BYTES);
const SAVED_GPRS: i32 = disp(SAVED_GPR_BYTES);

struct Labels {
    call: DynamicLabel,
    slow: DynamicLabel,
    special: DynamicLabel,
    leave: DynamicLabel,
}

/// Assembles the stubs that exist once.
pub fn fixed_stubs(targets: &NativeTargets) -> FixedStubs {
    assert_eq!(targets.builtins.len(), Builtin::ALL.len(), "one native function per builtin");
    let mut stubs = FixedStubs { code: Vec::new(), builtins: Vec::new(), trap: 0, special: 0, barrier: 0, resume: 0 };
    let mut code = Vec::new();
    std::mem::swap(&mut code, &mut stubs.code);
    stubs.code = assemble(|ops| {
        let mut label = || ops.new_dynamic_label();
        let labels = Labels { call: label(), slow: label(), special: label(), leave: label() };
        for (builtin, target) in Builtin::ALL.iter().zip(&targets.builtins) {
            stubs.builtins.push(align(ops));
            match builtin.kind() {
                BuiltinKind::Call => {
                    if *builtin == Builtin::ArrayCopy {
                        copy_if_short(ops);
                    }
                    dynasm!(ops
                        ; .arch x64
                        ; mov rax, QWORD target.cast_signed()
                        ; jmp =>labels.call
                    );
                }
                BuiltinKind::Slow => {
                    match builtin {
                        Builtin::Log => log::enter_object(ops),
                        Builtin::LogElement => log::enter_element(ops),
                        _ => {}
                    }
                    dynasm!(ops
                        ; .arch x64
                        ; lea rsp, [rsp - SAVED]
                        ; mov [rsp], rax
                        ; mov rax, QWORD target.cast_signed()
                        ; jmp =>labels.slow
                    );
                }
            }
        }
        align(ops);
        call_body(ops, &labels);
        align(ops);
        slow_body(ops, &labels);
        stubs.special = align(ops);
        special_body(ops, &labels);
        stubs.trap = align(ops);
        trap_body(ops, &labels, targets.trap);
        stubs.barrier = align(ops);
        barrier_body(ops, targets.unwound);
        stubs.resume = align(ops);
        entry::resume(ops);
    });
    stubs
}

fn align(ops: &mut Assembler) -> u32 {
    dynasm!(ops ; .arch x64 ; .align 16);
    let AssemblyOffset(offset) = ops.offset();
    offset.narrow()
}

/// rax: the native function. The stack holds the return address, above it the arguments.
fn call_body(ops: &mut Assembler, labels: &Labels) {
    dynasm!(ops
        ; .arch x64
        ; =>labels.call
        ; mov [r15 + EXIT_FP], rbp
        ; mov r11, [rsp]
        ; mov [r15 + EXIT_PC], r11
        ; lea rdx, [rsp + 8]
        ; mov [r15 + EXIT_SP], rdx
    );
    save_exit_words(ops);
    dynasm!(ops
        ; .arch x64
        ; push r10
        ; mov rdi, r15
        ; mov rsi, r14
        ; mov rsp, [r15 + NATIVE_SP]
        ; call rax
        ; mov rsp, [r15 + EXIT_SP]
    );
    if !active(Mutant::AllocationTopKept) {
        dynasm!(ops ; .arch x64 ; mov r12d, [r15 + ALLOC_TOP]);
    }
    dynasm!(ops
        ; .arch x64
        ; sub rsp, 16
        ; pop r10
        ; test edx, edx
        ; jnz =>labels.special
        ; ret
    );
}

/// rax: the native function; rsp: the save area, which holds rax already; r11: the argument.
fn slow_body(ops: &mut Assembler, labels: &Labels) {
    dynasm!(ops ; .arch x64 ; =>labels.slow);
    for gpr in (1..16u8).filter(|gpr| *gpr != 4) {
        dynasm!(ops ; .arch x64 ; mov [rsp + gpr as i32 * 8], Rq(gpr));
    }
    for xmm in 0..16u8 {
        dynasm!(ops ; .arch x64 ; movups [rsp + SAVED_GPRS + xmm as i32 * 16], Rx(xmm));
    }
    dynasm!(ops
        ; .arch x64
        ; mov [r15 + EXIT_FP], rbp
        ; mov rcx, [rsp + SAVED]
        ; mov [r15 + EXIT_PC], rcx
        ; lea rcx, [rsp + SAVED + 8]
        ; mov [r15 + EXIT_SP], rcx
        ; mov [rsp + 4 * 8], rcx
        ; mov [r15 + EXIT_REGS], rsp
        ; mov [r15 + ALLOC_TOP], r12d
        ; mov rdi, r15
        ; mov rsi, r14
        ; mov rdx, r11
        ; mov rsp, [r15 + NATIVE_SP]
        ; call rax
        ; mov rsp, [r15 + EXIT_REGS]
        ; again:
        ; test edx, edx
        ; jnz >other
    );
    let vectors = if active(Mutant::VectorsLostInSlowPath) { 2 } else { 16u8 };
    for xmm in 0..vectors {
        dynasm!(ops ; .arch x64 ; movups Rx(xmm), [rsp + SAVED_GPRS + xmm as i32 * 16]);
    }
    for gpr in (0..15u8).filter(|gpr| *gpr != 4 && *gpr != 12) {
        dynasm!(ops ; .arch x64 ; mov Rq(gpr), [rsp + gpr as i32 * 8]);
    }
    dynasm!(ops
        ; .arch x64
        ; mov r12d, [r15 + ALLOC_TOP]
        ; lea rsp, [rsp + SAVED]
        ; ret
        ; other:
        ; lea r11, [<again]
        ; jmp =>labels.special
    );
}

/// What follows if a native function returned a status other than `Done`: leaves the guest, goes on at a handler, or
/// suspends the guest, which goes on at r11 with the registers that native functions keep.
fn special_body(ops: &mut Assembler, labels: &Labels) {
    dynasm!(ops
        ; .arch x64
        ; =>labels.special
        ; cmp edx, Status::Leave as i32
        ; je =>labels.leave
        ; cmp edx, Status::Suspend as i32
        ; je >suspend
        ; mov r12d, [r15 + ALLOC_TOP]
        ; mov rbp, [r15 + RESUME_FP]
        ; mov rbx, [r15 + RESUME_SAVED]
        ; mov r10, [r15 + RESUME_SAVED + 8]
    );
    if !active(Mutant::RegisterLostAtHandler) {
        dynasm!(ops ; .arch x64 ; mov r13, [r15 + RESUME_SAVED + 16]);
    }
    dynasm!(ops
        ; .arch x64
        ; jmp QWORD [r15 + RESUME_PC]
        ; =>labels.leave
        ; mov eax, ENTRY_LEFT.narrow::<i32>()
    );
    entry::leave(ops);
    dynasm!(ops ; .arch x64 ; suspend:);
    entry::suspend(ops);
}

fn trap_body(ops: &mut Assembler, labels: &Labels, trap: u64) {
    dynasm!(ops
        ; .arch x64
        ; mov rdi, r15
        ; mov rsp, [r15 + NATIVE_SP]
        ; mov rax, QWORD trap.cast_signed()
        ; call rax
        ; jmp =>labels.leave
    );
}

/// The return barrier, to which a function returns instead of to its caller: results are in registers, rbp is the
/// caller's.
fn barrier_body(ops: &mut Assembler, unwound: u64) {
    dynasm!(ops
        ; .arch x64
        ; lea rsp, [rsp - (SAVED + 8)]
    );
    for gpr in (0..16u8).filter(|gpr| *gpr != 4) {
        dynasm!(ops ; .arch x64 ; mov [rsp + gpr as i32 * 8], Rq(gpr));
    }
    for xmm in 0..16u8 {
        dynasm!(ops ; .arch x64 ; movups [rsp + SAVED_GPRS + xmm as i32 * 16], Rx(xmm));
    }
    dynasm!(ops
        ; .arch x64
        ; mov [r15 + EXIT_REGS], rsp
        ; lea rcx, [rsp + SAVED + 8]
        ; mov [r15 + EXIT_SP], rcx
        ; mov [r15 + ALLOC_TOP], r12d
        ; mov rdi, r15
        ; mov rsp, [r15 + NATIVE_SP]
        ; mov rax, QWORD unwound.cast_signed()
        ; call rax
        ; mov rsp, [r15 + EXIT_REGS]
        ; mov rcx, [r15 + RESUME_PC]
        ; mov [rsp + SAVED], rcx
    );
    let first = if active(Mutant::FloatsLostAtBarrier) { 15 } else { 0 };
    for xmm in first..16u8 {
        dynasm!(ops ; .arch x64 ; movups Rx(xmm), [rsp + SAVED_GPRS + xmm as i32 * 16]);
    }
    for gpr in (0..15u8).filter(|gpr| *gpr != 4) {
        dynasm!(ops ; .arch x64 ; mov Rq(gpr), [rsp + gpr as i32 * 8]);
    }
    dynasm!(ops
        ; .arch x64
        ; lea rsp, [rsp + SAVED]
        ; ret
    );
}
