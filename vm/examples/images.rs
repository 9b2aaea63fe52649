//! What loading an image takes of this thread's time, beside compiling:
//! `cargo run --release -p heapwood-vm --example images -- MODULE...`.

use heapwood_vm::{Config, Engine, Module, Result};
use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;

/// Each is done so often, and the best counts.
const ROUNDS: usize = 50;

fn main() -> Result<()> {
    let path = std::env::temp_dir().join(format!("heapwood-image-{}", std::process::id()));
    for module in std::env::args().skip(1) {
        let bytes = std::fs::read(&module)?;
        let image = Engine::new(&Config::new())?.precompile_module(&bytes)?;
        std::fs::write(&path, &image)?;
        let compiling = best(|engine| Module::new(engine, &bytes))?;
        let loading = best(|engine| load(engine, &path))?;
        println!("{module}: {} bytes, image {}", bytes.len(), image.len());
        println!("  compiling {compiling:8.1} us, loading {loading:8.1} us");
    }
    std::fs::remove_file(&path)?;
    Ok(())
}

#[allow(unsafe_code, reason = "the image is made here")]
fn load(engine: &Engine, path: &std::path::Path) -> Result<Module> {
    // SAFETY: the file is an image that this program made.
    unsafe { Module::deserialize_file(engine, path) }
}

/// The least time of several, in microseconds, each in an engine of its own.
fn best(make: impl Fn(&Engine) -> Result<Module>) -> Result<f64> {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let engine = Engine::new(Config::new().compile_threads(1))?;
        let start = now();
        let module = make(&engine)?;
        best = best.min(now() - start);
        black_box(module);
    }
    Ok(best)
}

fn now() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}
