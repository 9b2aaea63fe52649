//! What compiling a function needs of its module, and what it is told.

use crate::budget::Budget;
use crate::cpu::CpuFeatures;
use heapwood_module::{ContextLayout, ModuleInfo};

/// What compiling a function needs of its module.
#[derive(Clone, Copy)]
pub struct CompileEnv<'a> {
    /// The module.
    pub info: &'a ModuleInfo,
    /// Layout of its instances' contexts.
    pub context: &'a ContextLayout,
    /// Options.
    pub options: CompileOptions,
    /// What all functions of the module may take.
    pub budget: &'a Budget,
}

/// Options of the compiler.
#[derive(Clone, Copy, Default, Debug)]
pub struct CompileOptions {
    /// Recount registers and slots after each instruction, also in release builds; compiled code checks itself.
    pub debug_checks: bool,
    /// What the machine has.
    pub cpu: CpuFeatures,
    /// Record the source position of every instruction, for `inspect --asm`.
    pub source_map: bool,
    /// 64-bit memories have guarded reservations (see [`crate::abi::MEMORY64_REACH_LOG2`]).
    pub memory64_guard: bool,
    /// Instructions get no registers but those that are left beside a loop with as many pinned locals as there may be.
    pub few_registers: bool,
    /// Breaks every stack map on purpose: its last slot is missing. The checkers must notice.
    #[cfg(feature = "test-hooks")]
    pub drop_last_slot: bool,
    /// Leaves what the runtime answers as 64 bits where it is an i32. Guest checks must notice.
    #[cfg(feature = "test-hooks")]
    pub skip_zero_extension: bool,
}
