//! What the generated tests share: the modes in which they run.
#![allow(dead_code, unused_imports, reason = "each test binary uses a part")]

#[path = "../../../tests/common/skip.rs"]
mod skip;

pub mod child;
pub mod load;

use heapwood_vm::{Config, Inline, Tiering};
pub use skip::skip;

/// Five modes of CONTRIBUTING.md, compiled code checking itself in the last three. In the second, functions are
/// compiled again as soon as they are met, and their frames go on in the new code; in the fourth, instructions have few
/// registers, too, and nothing is inlined.
pub fn modes() -> [(&'static str, Config); 5] {
    let base = || {
        let mut config = Config::new();
        config.gc_heap_max(HEAP_MAX);
        config
    };
    let mut modes = ["default", "nursery64k", "stress1", "mem-slow", "inline"].map(|name| (name, base()));
    modes[1].1.gc_nursery(64 << 10).tiering(Tiering::Always);
    modes[2].1.gc_stress(1).gc_verify(true).debug_checks(true);
    modes[3].1.memory32_guard(false).memory64_guard(false).few_registers(true).inline(Inline::Never).debug_checks(true);
    modes[4].1.inline(Inline::Always).gc_nursery(64 << 10).debug_checks(true);
    modes
}

/// These modes, and markings that are always under way.
pub fn modes_and_markings() -> Vec<(&'static str, Config)> {
    let mut modes = modes().to_vec();
    for (name, stress) in [("marking", 0), ("marking, stress 7", 7)] {
        let mut config = Config::new();
        config.gc_heap_max(HEAP_MAX).gc_nursery(64 << 10).gc_threads(0).gc_mark_slice(7);
        modes.push((name, config.gc_stress(stress).gc_verify(stress != 0).clone()));
    }
    modes
}

/// Limit of the heap in bytes: full soon, so that lengths which are too large are found out quickly.
pub const HEAP_MAX: u64 = 64 << 20;
