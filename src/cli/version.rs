//! `heapwood --version`.

use super::machine;
use super::output::line;
use heapwood::{Engine, FEATURES, MAX_STACK_DEFAULT, MUTANTS, TEST_HOOKS};

/// One line; with `verbose` what a bug report needs.
pub fn print(verbose: bool) {
    line!("heapwood {}", env!("CARGO_PKG_VERSION"));
    if !verbose {
        return;
    }
    line!("target: {}-{}", std::env::consts::ARCH, std::env::consts::OS);
    line!("processor: {}", machine::processor().unwrap_or_else(|| "unknown".to_owned()));
    line!("cores: {}", machine::cores());
    let named = |on: bool| {
        let names = FEATURES.iter().filter(|feature| feature.default_on() == on).map(|feature| feature.name);
        names.collect::<Vec<_>>().join(", ")
    };
    line!("features on: {}", named(true));
    line!("features off: {}", named(false));
    line!("--max-stack: {}m", MAX_STACK_DEFAULT >> 20);
    line!("--gc: generational");
    print_limits();
    for built_with in [TEST_HOOKS, MUTANTS].into_iter().flatten() {
        line!("{built_with}");
    }
}

/// What a store could have here and now.
fn print_limits() {
    let Ok(engine) = Engine::new(&heapwood::Config::new()) else { return };
    let limits = engine.limits();
    line!("--gc-heap-max: {}m", limits.heap_bytes >> 20);
    line!("reach of a heap: {}m at first", limits.reach_bytes >> 20);
    let address_space = limits.address_space_bytes.map_or("unlimited".to_owned(), |bytes| format!("{}m", bytes >> 20));
    line!("address space (ulimit -v): {address_space}");
    line!("threads that mark beside guests: {}", limits.helper_threads);
    line!("functions that run often are compiled again: {}", if limits.tiering { "yes" } else { "no" });
    line!("32-bit memories: {}", if limits.memory32_guard { "guard pages" } else { "checked accesses" });
}
