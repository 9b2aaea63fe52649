//! What the compiler needs of a function's module, and its options.

use crate::budget::Budget;
use crate::cpu::CpuFeatures;
use crate::inlining::{Callees, Inline, Targets};
use heapwood_module::{ContextLayout, ModuleInfo};

/// What compiling a function needs of its module.
#[derive(Clone, Copy)]
pub struct CompileEnv<'a> {
    /// The module.
    pub info: &'a ModuleInfo,
    /// Layout of its instances' contexts.
    pub context: &'a ContextLayout,
    /// How the function is compiled.
    pub options: CompileOptions,
    /// Its functions, if some are inlined into others ([`CompileOptions::inline`]).
    pub callees: Option<&'a Callees>,
    /// What its calls by reference were seen to call; these are inlined behind a comparison.
    pub targets: Option<&'a Targets>,
    /// How much memory and how many locals all functions of the module may take together.
    pub budget: &'a Budget,
}

impl<'a> CompileEnv<'a> {
    /// For functions that are compiled with the default options; nothing is inlined.
    pub fn new(info: &'a ModuleInfo, context: &'a ContextLayout, budget: &'a Budget) -> CompileEnv<'a> {
        CompileEnv { info, context, options: CompileOptions::default(), callees: None, targets: None, budget }
    }
}

/// Options of the compiler.
#[derive(Clone, Copy, Default, Debug)]
pub struct CompileOptions {
    /// Recounts registers and slots after each instruction, also in release builds, and has compiled code check itself.
    /// Off by default.
    pub debug_checks: bool,
    /// The features of the machine that will run the code.
    pub cpu: CpuFeatures,
    /// Records the source position of every instruction, for `inspect --asm`. Off by default.
    pub source_map: bool,
    /// Whether 64-bit memories have guarded reservations (see [`crate::abi::MEMORY64_REACH_LOG2`]).
    pub memory64_guard: bool,
    /// Compares every access to a 32-bit memory with its length: its reservation ends where the memory may.
    pub memory32_checks: bool,
    /// Counts fuel: code pays for what it executes, and traps when the store's is used up. Off by default.
    pub fuel: bool,
    /// Gives instructions no registers but those that a loop with as many pinned locals as there may be leaves (tests).
    pub few_registers: bool,
    /// Which calls are inlined. None by default.
    pub inline: Inline,
    /// Tells the runtime of each call by reference what it calls ([`crate::abi::CompiledFunction::counted`]). Off by
    /// default.
    pub count_targets: bool,
    /// Says where the heads of loops have what they need ([`crate::abi::CompiledFunction::loop_heads`]). The code is the
    /// same with and without. Off by default.
    pub loop_heads: bool,
    /// Breaks every stack map on purpose by leaving its last slot out; the checkers must notice (tests).
    #[cfg(feature = "test-hooks")]
    pub drop_last_slot: bool,
    /// Does not clear the upper half of an i32 that the runtime answers; guest checks must notice (tests).
    #[cfg(feature = "test-hooks")]
    pub skip_zero_extension: bool,
}
