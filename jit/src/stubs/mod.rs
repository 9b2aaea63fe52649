//! Fixed machine code between native code and guest code. It is made as bytes here; the runtime places it.
//!
//! The native side of all stubs is the System V convention. Native frame of an entry, which every exit relies on:
//! ```text
//! [NATIVE_SP]        address of the value buffer
//! [NATIVE_SP + 8]    r15, r14, r13, r12, rbx, rbp of the native caller, then its return address
//! ```
//! NATIVE_SP is a multiple of 16, so that native functions can be called from there.
//!
//! What native functions return: rax a value, edx a status of [`Status`].

#![allow(clippy::useless_conversion, reason = "`dynasm!` converts register numbers")]

mod copy;
mod entry;
mod fixed;
mod host;
mod log;
mod strings;

pub(crate) use copy::element_argument;
pub use entry::entry_trampoline;
pub use fixed::{FixedStubs, NativeTargets, fixed_stubs};
pub use host::{NATIVE_VALUES, host_trampoline};
pub use strings::{CONCAT_UNITS_MAX, StringFunction, string_trampoline};

use crate::abi::{RESUME_SAVED, SAVED_BYTES};
use dynasmrt::x64::X64Relocation;
use dynasmrt::{DynasmApi, VecAssembler, dynasm};
use heapwood_gc_abi::hot::{ALLOC_TOP, EXIT_REGS};
use heapwood_gc_abi::{Mutant, Narrow, active};
use heapwood_module::limits;

/// How a native function called by a stub ended: its second result register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum Status {
    /// Go on.
    Done = 0,
    /// Leave the guest: the entry trampoline returns 1.
    Leave = 1,
    /// Go on at the handler in the RESUME words, with the exception in eax.
    Resume = 2,
    /// Suspend the guest: the entry trampoline returns 2. A host function or a slow path that may do this is resumed
    /// with a value and a status as if it had returned them only then.
    Suspend = 3,
}

/// What an entry trampoline returns.
pub const ENTRY_RETURNED: u64 = 0;
/// The guest was left by a trap, an exception or an error of the host.
pub const ENTRY_LEFT: u64 = 1;
/// The guest was suspended; its rsp is returned as well.
pub const ENTRY_SUSPENDED: u64 = 2;

/// The stub that goes on with a suspended guest, on the thread that calls it:
/// `fn(heap_base, values, sp, value, status)`. `values` are those of the entry, `sp` was returned when the guest was
/// suspended, which the hot words say of the innermost activation. Returns as the entry does: one of the constants
/// above in rax, and in rdx the guest's rsp if it was suspended again.
pub type Resume = extern "sysv64" fn(usize, *mut [u64; 2], usize, u64, u64) -> Ended;

/// What entry trampolines and [`Resume`] return: rax and rdx.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Ended {
    /// One of the constants.
    pub how: u64,
    /// The guest's rsp, if it was suspended.
    pub sp: u64,
}

/// Bytes of a value in the buffers of entry and host trampolines.
pub const VALUE_BYTES: i32 = 16;

/// Most values that a function has as parameters, or as results.
const VALUES_MAX: usize =
    if limits::PARAMS_MAX > limits::RESULTS_MAX { limits::PARAMS_MAX } else { limits::RESULTS_MAX };

/// Most bytes that a stub uses on the guest stack below the guest's rsp: the buffer of a host call with as many values
/// as there may be, or the saved registers.
pub const STUB_STACK_BYTES: usize = 20 << 10;
const _: () =
    assert!(VALUES_MAX * VALUE_BYTES as usize + 64 <= STUB_STACK_BYTES && SAVED_BYTES + 64 <= STUB_STACK_BYTES);

const _: () = assert!(VALUES_MAX * VALUE_BYTES as usize <= i16::MAX as usize, "`ret` pops all arguments");

type Assembler = VecAssembler<X64Relocation>;

/// Offset of a value in the buffers of entry and host trampolines.
fn value_at(index: usize) -> i32 {
    (index * VALUE_BYTES as usize).narrow()
}

fn assemble(emit: impl FnOnce(&mut Assembler)) -> Vec<u8> {
    let mut ops = Assembler::new(0);
    emit(&mut ops);
    ops.finalize().expect("all labels of a stub are bound")
}

/// Saves what a walk, an unwinder and the collector need, besides EXIT_FP, EXIT_PC and EXIT_SP, when the guest leaves
/// by a call.
fn save_exit_words(ops: &mut Assembler) {
    dynasm!(ops
        ; .arch x64
        ; mov QWORD [r15 + EXIT_REGS], 0
        ; mov [r15 + ALLOC_TOP], r12d
    );
    if !active(Mutant::RegisterLostAtExit) {
        dynasm!(ops ; .arch x64 ; mov [r15 + RESUME_SAVED], rbx);
    }
    dynasm!(ops
        ; .arch x64
        ; mov [r15 + RESUME_SAVED + 8], r10
        ; mov [r15 + RESUME_SAVED + 16], r13
    );
}
