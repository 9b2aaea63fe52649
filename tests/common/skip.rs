//! Says that a test leaves something out, so that nobody takes it for shown.
//!
//! 1. The words go to the process's standard error itself, which the test harness does not capture.
//! 2. Where `HEAPWOOD_SKIPS` names a file, a line `ID: what` is added there. `.ci/run` compares these lines with
//!    `.ci/allowed-skips`, and fails on one that has no reason there.

use std::fmt::Display;
use std::fs::OpenOptions;
use std::io::Write;

/// Reports that something was left out. `id` is the name under which `.ci/allowed-skips` may allow it.
#[allow(dead_code, reason = "each test binary uses a part")]
pub fn skip(id: &str, what: impl Display) {
    let line = format!("{id}: {what}\n");
    // Nobody is left to tell if standard error is closed.
    let _ = write!(std::io::stderr().lock(), "SKIPPED {line}");
    if let Some(file) = std::env::var_os("HEAPWOOD_SKIPS") {
        let opened = OpenOptions::new().create(true).append(true).open(&file);
        let mut opened = opened.unwrap_or_else(|error| panic!("HEAPWOOD_SKIPS, {}: {error}", file.display()));
        opened.write_all(line.as_bytes()).expect("a line is written to the file that HEAPWOOD_SKIPS names");
    }
}
