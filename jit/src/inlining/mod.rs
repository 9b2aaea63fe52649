//! Inlining: which calls of functions by name are compiled as the callee's body, in place of a call.
//!
//! 1. What a small body needs is found once, by whoever asks first ([`Callees`]): many functions are compiled at the
//!    same time, in any order, and each answer is the same whoever asks.
//! 2. Before a function is compiled, its plan is made ([`plan`]): which calls, and which calls in the bodies that come
//!    in their place, are inlined. What these bodies need is added to what the function needs.
//! 3. A function that can only be reached by calls of it by name, and that can be inlined, may never be called by code:
//!    its own compilation is put off until code that is compiled calls it ([`crate::defer`]).
//! 4. The pass takes the plan's entries in their order: it comes to each call that is reached once.

mod callees;
mod plan;
mod targets;

pub use callees::Callees;
pub(crate) use callees::{Callee, CalleeScratch};
pub(crate) use plan::{Plan, Planner};
pub use targets::{TARGETS_MAX, Targets};

/// Which calls are inlined.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Inline {
    /// None.
    #[default]
    Never,
    /// Those of small functions, as far as the code does not grow much.
    Small,
    /// More, and larger ones, of a function that runs often; and what calls by reference were seen to call, behind a
    /// comparison ([`Targets`]).
    Hot,
    /// All that can be, up to bounds that are far higher (tests).
    Always,
}
