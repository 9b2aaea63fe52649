//! How the time of compiling grows with the size of a module: for each shape the least CPU time of several runs, at
//! half the size and at the full one, and their ratio. Arguments: words that the names of the shapes contain.

#[path = "../tests/shapes/mod.rs"]
mod shapes;

use heapwood_vm::{Config, Engine, Module};
use rustix::time::{ClockId, clock_gettime};
use shapes::SHAPES;

const RUNS: usize = 5;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    println!("{:<40} {:>9} {:>9} {:>9} {:>6}", "", "bytes", "half ms", "full ms", "ratio");
    for shape in &SHAPES {
        if !wanted.is_empty() && !wanted.iter().any(|word| shape.name.contains(word.as_str())) {
            continue;
        }
        let (half, full) = (shape.module(shape.full / 2), shape.module(shape.full));
        let (mut half_ms, mut full_ms) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..RUNS {
            half_ms = half_ms.min(compile_ms(&half));
            full_ms = full_ms.min(compile_ms(&full));
        }
        let ratio = full_ms / half_ms;
        println!("{:<40} {:>9} {half_ms:>9.2} {full_ms:>9.2} {ratio:>6.2}", shape.name, full.len());
    }
}

fn compile_ms(bytes: &[u8]) -> f64 {
    let engine = Engine::new(Config::new().compile_threads(1)).expect("an engine");
    let start = thread_cpu_ns();
    let module = Module::new(&engine, bytes);
    let ns = thread_cpu_ns() - start;
    module.unwrap_or_else(|error| panic!("{error}"));
    ns as f64 / 1e6
}

/// CPU time of this thread.
fn thread_cpu_ns() -> i64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}
