//! Registers and their roles.

/// A general-purpose register by its hardware number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct Gpr(pub u8);

/// A vector register by its hardware number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct Xmm(pub u8);

#[allow(missing_docs, reason = "hardware names")]
impl Gpr {
    pub const RAX: Gpr = Gpr(0);
    pub const RCX: Gpr = Gpr(1);
    pub const RDX: Gpr = Gpr(2);
    pub const RBX: Gpr = Gpr(3);
    pub const RSP: Gpr = Gpr(4);
    pub const RBP: Gpr = Gpr(5);
    pub const RSI: Gpr = Gpr(6);
    pub const RDI: Gpr = Gpr(7);
    pub const R8: Gpr = Gpr(8);
    pub const R9: Gpr = Gpr(9);
    pub const R10: Gpr = Gpr(10);
    pub const R11: Gpr = Gpr(11);
    pub const R12: Gpr = Gpr(12);
    pub const R13: Gpr = Gpr(13);
    pub const R14: Gpr = Gpr(14);
    pub const R15: Gpr = Gpr(15);
}

/// Heap base: the store's hot words lie just below it.
pub const HEAP_BASE: Gpr = Gpr::R15;
/// Instance context of the running function.
pub const CONTEXT: Gpr = Gpr::R14;
/// Allocation top as a reference (r12d).
pub const ALLOC_TOP: Gpr = Gpr::R12;
/// Scratch of the emitters and argument of the slow-path stubs; never holds a value across instructions.
pub const SCRATCH: Gpr = Gpr::R11;
/// Scratch of the emitters.
pub const SCRATCH_XMM: Xmm = Xmm(15);

/// Registers that hold integers (never references) across calls; a function that uses one saves it.
/// r13 holds memory 0's base in functions that access it.
pub const CALLEE_SAVED: [Gpr; 3] = [Gpr::RBX, Gpr::R10, Gpr::R13];
/// Holds the base of memory 0 in functions that access it.
pub const MEMORY_BASE: Gpr = Gpr::R13;

/// Registers that calls clobber, in the order of allocation.
pub const CALLER_SAVED: [Gpr; 7] = [Gpr::RAX, Gpr::RCX, Gpr::RDX, Gpr::RSI, Gpr::RDI, Gpr::R8, Gpr::R9];

/// Integer and reference arguments in order; further ones go to the stack.
pub const ARG_GPRS: [Gpr; 7] = [Gpr::RAX, Gpr::RDX, Gpr::RCX, Gpr::RSI, Gpr::RDI, Gpr::R8, Gpr::R9];
/// Float and vector arguments in order.
pub const ARG_XMMS: [Xmm; 8] = [Xmm(0), Xmm(1), Xmm(2), Xmm(3), Xmm(4), Xmm(5), Xmm(6), Xmm(7)];
/// Integer and reference results in order.
pub const RESULT_GPRS: [Gpr; 3] = [Gpr::RAX, Gpr::RDX, Gpr::RCX];
/// Float and vector results in order.
pub const RESULT_XMMS: [Xmm; 3] = [Xmm(0), Xmm(1), Xmm(2)];

/// Offset from rbp of the saved instance context.
pub const FRAME_CONTEXT: i32 = -8;
/// Offset from rbp of the first saved register.
pub const FRAME_SAVED: i32 = -16;

/// A larger frame is compared with the stack's limit before rsp moves. A smaller one moves rsp first and may be written
/// before it is compared: the runtime keeps so much room below the limit. No frame that is common is larger.
pub const FRAME_BYTES_UNCOMPARED: u32 = 32 << 10;

/// Layout of the registers that a slow-path stub saves: 16 general registers by number, then 16 vectors.
pub const SAVED_GPR_BYTES: usize = 16 * 8;
/// Bytes of the whole area.
pub const SAVED_BYTES: usize = SAVED_GPR_BYTES + 16 * 16;

/// A guarded 64-bit memory: log2 of the bytes that it may have. Its reservation goes on by
/// [`MEMORY64_GUARD_BYTES`], which static offsets below 2 GiB and the widest access cannot leave.
pub const MEMORY64_REACH_LOG2: u32 = 36;
/// Bytes reserved behind the reach of a guarded 64-bit memory.
pub const MEMORY64_GUARD_BYTES: u64 = (2 << 30) + (64 << 10);
