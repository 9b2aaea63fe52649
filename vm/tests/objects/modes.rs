//! Configurations in which a mistake of the host's operations shows.

use heapwood_vm::Config;

/// Each with its name.
pub fn modes() -> [(&'static str, Config); 5] {
    let mut modes = ["default", "stress 1", "stress 7", "small nursery", "slices"].map(|name| (name, Config::new()));
    modes[1].1.gc_stress(1).gc_verify(true);
    modes[2].1.gc_stress(7).gc_verify(true).gc_nursery(64 << 10);
    modes[3].1.gc_nursery(64 << 10).gc_verify(true);
    modes[4].1.gc_nursery(64 << 10).gc_mark_slice(64).gc_threads(0).gc_verify(true);
    modes
}
