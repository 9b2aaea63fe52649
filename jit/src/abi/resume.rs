//! The runtime's own words below the heap base: where a thrown exception continues.
//!
//! Displacements from the heap base, below those of `heapwood_gc_abi::hot`. Compiled code does not read them; the
//! stubs and the runtime do.

/// u64: address of the landing pad.
pub const RESUME_PC: i32 = -136;
/// u64: rbp of the frame with the handler.
pub const RESUME_FP: i32 = -144;
/// u64 each: values of `CALLEE_SAVED` in that frame, in that order, ascending from here. At every exit by a call the
/// stub puts the current ones there: the unwinder starts from them.
pub const RESUME_SAVED: i32 = -168;
