//! What compiling takes of the system: for each kind of large module, the command's peak is within the budget of
//! `docs/limits.md` over that of an empty module, and twice the module's bytes (as read from the file, and the module's own).

mod common;
#[path = "../vm/tests/shapes/mod.rs"]
mod shapes;

use common::{finish, heapwood, scratch};
use heapwood::{COMPILE_MEMORY_BASE, COMPILE_MEMORY_PER_BYTE};
use serde_json::Value;
use shapes::passing::{CALLS, CONSTANT_LOCALS, KINDS, PASSING};
use shapes::{SHAPES, Shape};
use std::path::Path;

/// Repetitions of what passes a thousand values: 42 MB of code, if each had copies of its own.
const PASSING_REPETITIONS: usize = 3000;
/// Shapes that are larger in their size are measured at a tenth of it.
const FULL_MAX: usize = 65_520;

/// Bytes at the peak of compiling a module.
fn peak(folder: &Path, name: &str, module: &[u8]) -> u64 {
    let path = folder.join("module.wasm");
    std::fs::write(&path, module).unwrap();
    let finished = finish(heapwood().arg("bench").arg(&path).args(["--compile-only", "--threads", "1", "--json"]));
    assert_eq!(finished.code, Some(0), "{name}: {}", finished.stderr);
    let object: Value = serde_json::from_str(&finished.stdout).expect("JSON");
    object["peak_rss_kib"].as_u64().expect("a number") << 10
}

struct Measured {
    folder: std::path::PathBuf,
    idle: u64,
    cases: usize,
    failed: Vec<String>,
}

impl Measured {
    fn module(&mut self, name: &str, module: &[u8]) {
        let (size, peak) = (module.len() as u64, peak(&self.folder, name, module).saturating_sub(self.idle));
        let allowed = COMPILE_MEMORY_BASE + (COMPILE_MEMORY_PER_BYTE + 2) * size;
        let line = format!("{:>7} KiB of {:>7} for {size:>9} bytes: {name}", peak >> 10, allowed >> 10);
        println!("{line}");
        self.cases += 1;
        if peak > allowed {
            self.failed.push(line);
        }
    }
}

#[test]
fn compiling_stays_within_its_budget_whatever_repeats() {
    let folder = scratch("compile-memory");
    let idle = peak(&folder, "an empty module", &wat::parse_str("(module)").unwrap());
    let mut measured = Measured { folder, idle, cases: 0, failed: Vec::new() };
    for shape in SHAPES.iter().chain([&CALLS, &CONSTANT_LOCALS]) {
        let size = if shape.full <= FULL_MAX { shape.full } else { shape.full / 10 };
        let Shape { name, .. } = shape;
        measured.module(&format!("{name} ({size})"), &shape.module(size));
    }
    for passing in &PASSING {
        let name = format!("{} with many values ({PASSING_REPETITIONS})", passing.name);
        measured.module(&name, &passing.module(PASSING_REPETITIONS, &KINDS[0]));
    }
    println!("{} cases", measured.cases);
    assert!(measured.failed.is_empty(), "beyond the budget:\n{}", measured.failed.join("\n"));
    assert_eq!(measured.cases, SHAPES.len() + 2 + PASSING.len());
}
