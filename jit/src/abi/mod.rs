//! What compiled code, the stubs and the runtime agree on: registers, frames, calls, records, runtime entry points.
//!
//! Nothing here generates code. The runtime derives its stack walker, its signal handler and its builtins from
//! this module; `stubs` and `compiler` derive the instructions.
//!
//! # Frame
//! ```text
//! [rbp + 16 + A + 8j]   stack result j        (A = bytes of stack arguments; the callee pops them: `ret A`)
//! [rbp + 16 + 8i]       stack argument i
//! [rbp + 8]             return address
//! [rbp]                 caller's rbp
//! [rbp - 8]             instance context (r14), in functions that call
//! [rbp - 16 - 8k]       k-th saved register of `FunctionRecord::saved`, in the order of `CALLEE_SAVED`
//! [rbp - ref_base + 4i] reference slot i: parameters and locals first, then temporaries in operand-stack order
//! ...                   other locals and temporaries, 8 bytes each (16 for v128)
//! [rsp + 8i]            outgoing stack arguments, then outgoing stack results
//! ```
//! rsp is constant between prologue and epilogue (a call that pops arguments is followed by its repair).
//!
//! # Values in registers
//! i32 and references are zero-extended to 64 bits from their definition on. f32 and f64 use the low lanes of xmm.

mod builtin;
mod loop_head;
mod record;
mod reg;
mod resume;
mod signature;
mod trap;

pub use builtin::{ArgType, Builtin, BuiltinKind};
pub use loop_head::*;
pub use record::*;
pub use reg::*;
pub use resume::*;
pub use signature::*;
pub use trap::TrapKind;
