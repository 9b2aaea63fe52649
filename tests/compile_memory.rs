//! What compiling takes of the system: for each kind of large module, the command's peak is within the budget of
//! `docs/limits.md` over that of an empty module, and twice the module's bytes (as read from the file, and the module's
//! own). A module that needs more is refused, before it has taken more.

mod common;
#[path = "../vm/tests/shapes/mod.rs"]
mod shapes;

use common::{finish, heapwood, scratch};
use heapwood::{COMPILE_MEMORY_BASE, COMPILE_MEMORY_PER_BYTE};
use serde_json::Value;
use shapes::passing::{CALLS, CONSTANT_LOCALS, KINDS, PASSING};
use shapes::{SHAPES, Shape};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Repetitions of what passes a thousand values: 42 MB of code, if each had copies of its own.
const PASSING_REPETITIONS: usize = 3000;
/// Shapes that are larger in their size are measured at a tenth of it.
const FULL_MAX: usize = 65_520;

/// Shapes of which so small items repeat that the size measured is refused by default; half as many until they compile.
const REFUSED: [&str; 3] = ["types", "types, each naming the one before", "types of two equal rec groups"];

/// Bytes at the peak of compiling a module; none if it was refused, and by the time it was, no more was taken than is
/// allowed.
fn peak(folder: &Path, name: &str, module: &[u8]) -> Option<u64> {
    let path = folder.join("module.wasm");
    std::fs::write(&path, module).unwrap();
    let finished = finish(heapwood().arg("bench").arg(&path).args(["--compile-only", "--threads", "1", "--json"]));
    if finished.code == Some(1) && finished.stderr.contains("--max-compile-memory") {
        return None;
    }
    assert_eq!(finished.code, Some(0), "{name}: {}", finished.stderr);
    let object: Value = serde_json::from_str(&finished.stdout).expect("JSON");
    Some(object["peak_rss_kib"].as_u64().expect("a number") << 10)
}

/// What a thread has measured.
struct Measured {
    folder: std::path::PathBuf,
    idle: u64,
    cases: usize,
    failed: Vec<String>,
    refused: Vec<&'static str>,
}

impl Measured {
    /// Compiles a module; false if it is refused.
    fn module(&mut self, name: &str, module: &[u8]) -> bool {
        let Some(peak) = peak(&self.folder, name, module) else { return false };
        let (size, peak) = (module.len() as u64, peak.saturating_sub(self.idle));
        let allowed = COMPILE_MEMORY_BASE + (COMPILE_MEMORY_PER_BYTE + 2) * size;
        let line = format!("{:>7} KiB of {:>7} for {size:>9} bytes: {name}", peak >> 10, allowed >> 10);
        println!("{line}");
        self.cases += 1;
        if peak > allowed {
            self.failed.push(line);
        }
        true
    }

    fn shape(&mut self, shape: &'static Shape) {
        let mut size = if shape.full <= FULL_MAX { shape.full } else { shape.full / 10 };
        while !self.module(&format!("{} ({size})", shape.name), &shape.module(size)) {
            self.refused.push(shape.name);
            size /= 2;
        }
    }
}

/// Measures all modules, by as many threads as there are processors; each measures the processes that it starts.
fn measure_all(idle: u64) -> Vec<Measured> {
    let shapes: Vec<&'static Shape> = SHAPES.iter().chain([&CALLS, &CONSTANT_LOCALS]).collect();
    let next = AtomicUsize::new(0);
    let work = &|number: usize| {
        let folder = scratch(&format!("compile-memory-{number}"));
        let mut measured = Measured { folder, idle, cases: 0, failed: Vec::new(), refused: Vec::new() };
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            match (shapes.get(index), PASSING.get(index.wrapping_sub(shapes.len()))) {
                (Some(shape), _) => measured.shape(shape),
                (None, Some(passing)) => {
                    let name = format!("{} with many values ({PASSING_REPETITIONS})", passing.name);
                    let module = passing.module(PASSING_REPETITIONS, &KINDS[0]);
                    assert!(measured.module(&name, &module), "{name}: refused");
                }
                (None, None) => return measured,
            }
        }
    };
    thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let started: Vec<_> = (0..threads).map(|number| scope.spawn(move || work(number))).collect();
        started.into_iter().map(|thread| thread.join().expect("it panics only where the test fails")).collect()
    })
}

#[test]
fn compiling_stays_within_its_budget_whatever_repeats() {
    let empty = wat::parse_str("(module)").unwrap();
    let idle = peak(&scratch("compile-memory"), "an empty module", &empty).expect("an empty module compiles");
    let measured = measure_all(idle);
    let cases: usize = measured.iter().map(|measured| measured.cases).sum();
    let failed: Vec<&str> = measured.iter().flat_map(|measured| &measured.failed).map(String::as_str).collect();
    let refused: BTreeSet<&str> = measured.iter().flat_map(|measured| &measured.refused).copied().collect();
    println!("{cases} cases; refused first: {refused:?}");
    assert!(failed.is_empty(), "beyond the budget:\n{}", failed.join("\n"));
    assert_eq!(cases, SHAPES.len() + 2 + PASSING.len());
    assert_eq!(refused, BTreeSet::from(REFUSED));
}
