//! The compiler proper: one pass over a validated body.
//!
//! Each part owns its state, and others reach it by its functions only. Layering, from the bottom;
//! `jit/tests/layers.rs` has it as a table and holds every file to it: what a file imports lies below it.
//! 1. The parts. `values`: locals and operands, where they live, and the only functions that move them. `cursor`: where
//!    in the body the pass is, and what the analysis found there. `tables`: relocations, safe points, traps, landing
//!    pads, source map. `control::flow`: constructs that are open. `frame`: what is saved, and the size.
//! 2. `parts`: the compiler of one function, which is made of them; `operands`: the functions of `values` under short
//!    names. `prologue`: how a function begins and returns; `fuel`: what code pays. `check`, `guest_checks`: the state,
//!    and the code, recounted.
//! 3. `call`: calls of guests and of the runtime, safe points; `tail_calls`; `fresh`: allocation.
//! 4. One file per chapter of instructions, in two rows: `control` (with exceptions), `variable`, `integer`, `float`,
//!    `convert`, `memory`, `table`, `structs`, `wide`; what builds on these: `arrays`, `atomic`, `casts`, `division`,
//!    `parametric`, `simd`.
//! 5. `visitor` maps operators to chapters; `declared` holds each to its row in the table of operators.
//! 6. `inline`: bodies of functions in place of calls; `pass`: the driver.

mod arrays;
mod atomic;
mod call;
mod casts;
mod check;
mod control;
mod convert;
mod cursor;
mod declared;
mod division;
mod float;
mod frame;
mod fresh;
mod fuel;
mod guest_checks;
mod inline;
mod integer;
mod memory;
mod objects;
mod operands;
mod options;
mod parametric;
mod parts;
mod pass;
mod prologue;
mod simd;
mod structs;
mod table;
mod tables;
mod tail_calls;
mod values;
mod variable;
mod visitor;
mod visitor_simd;
mod wide;

pub use options::{CompileEnv, CompileOptions};
pub use pass::{Scratch, compile_deferred, compile_function, defer};
