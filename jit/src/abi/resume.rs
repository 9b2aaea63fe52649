//! The runtime's own words below the heap base: where a thrown exception continues.
//!
//! Displacements from the heap base, below those of `heapwood_gc_abi::hot`. Compiled code does not read them; the
//! stubs and the runtime do.

use heapwood_gc_abi::hot_words;

hot_words! {
    /// All words of this table.
    RESUME_WORDS;
    /// Address of the landing pad.
    RESUME_PC: u64 = -136, Dead, Nothing;
    /// rbp of the frame with the handler.
    RESUME_FP: u64 = -144, Dead, Nothing;
    /// The values of [`CALLEE_SAVED`](super::CALLEE_SAVED), in that order, in the frame that left the guest by a call:
    /// there the stub puts them, and the unwinder starts from them. Before a landing pad is entered they become those
    /// of its frame. A host function may enter the guest again before it throws: they are the activation's.
    RESUME_RBX: u64 = -168, Activation, Stays;
    /// The second of the saved registers, r10.
    RESUME_R10: u64 = -160, Activation, Stays;
    /// The third of the saved registers, r13.
    RESUME_R13: u64 = -152, Activation, Stays;
}

/// The first of the words with callee-saved registers; the others ascend from here.
pub const RESUME_SAVED: i32 = RESUME_RBX;
