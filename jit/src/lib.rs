//! Heapwood's baseline compiler: a validated function body becomes x86-64 code, relocations, stack maps and a trap
//! table.
//!
//! Arrow of import: `gc-abi, module <- jit <- vm`. No unsafe code, no process state: bytes in, bytes out.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::cast_possible_truncation, clippy::cast_possible_wrap))]

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
compile_error!("Heapwood compiles to x86-64 Linux only; other targets have no backend yet");

pub mod abi;
mod analysis;
mod asm;
mod budget;
mod compiler;
mod cpu;
mod error;
mod inlining;
mod operators;
mod reciprocal;
pub mod stubs;

pub use budget::{Budget, BudgetExceeded, TooManyLocals, TooManyValues};
pub use compiler::{CompileEnv, CompileOptions, Scratch, compile_deferred, compile_function, defer};
pub use cpu::CpuFeatures;
pub use error::CompileError;
pub use inlining::{Callees, Inline, TARGETS_MAX, Targets};
