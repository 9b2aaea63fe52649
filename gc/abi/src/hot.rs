//! The store's words below the heap base: what compiled code reaches in one instruction from r15.
//!
//! Displacements are from the heap base. Those within -128 encode as one byte.

/// u32: the allocation top as a reference; authoritative only while no guest code runs (compiled code keeps it
/// in r12d and writes it back on every exit).
pub const ALLOC_TOP: i32 = -4;
/// u32: end of the allocation area as a reference; a bump beyond it goes out of line. 0 sends every allocation there.
pub const ALLOC_LIMIT: i32 = -8;
/// u64: what prologues and loop heads compare rsp with: the larger of the stack limit, the soft stack limit, or
/// `u64::MAX` when the guest has to stop (interrupt, timeout, collection request).
pub const STACK_GUARD: i32 = -16;
/// u64: the true end of the guest stack (with room for the runtime's stubs below).
pub const STACK_LIMIT: i32 = -24;
/// u64: native stack pointer to switch to for host calls and builtins.
pub const NATIVE_SP: i32 = -32;
/// u64: the runtime's store.
pub const STORE: i32 = -40;
/// u64: rbp of the guest frame that last left guest code.
pub const EXIT_FP: i32 = -48;
/// u64: return address into the guest code that last left.
pub const EXIT_PC: i32 = -56;
/// u64: the saved registers of a slow-path stub, or 0 (where the collector updates registers in the mask).
pub const EXIT_REGS: i32 = -64;
/// u64: rsp at the last exit (just above the return address).
pub const EXIT_SP: i32 = -72;
/// u64: rbp of the entry frame, where a walk of the guest stack ends.
pub const ENTRY_FP: i32 = -80;
/// u64: rsp on the guest stack at the entry frame: traps unwind to it.
pub const ENTRY_SP: i32 = -88;
/// Displacement of the table of runtime entry points; entry k is the u64 at `BUILTIN_TABLE + 8 * k`.
pub const BUILTIN_TABLE: i32 = -4096;
/// Most entries of that table.
pub const BUILTINS_MAX: usize = 256;
