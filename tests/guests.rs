//! Real programs: their output and exit status, by default and with a collector that moves objects all the time.
//!
//! The cases are those of `tests/guests/kotlin`, `java` and `scala`; where `HEAPWOOD_GUESTS` names a folder of more
//! programs, all of its Kotlin, WASI, MoonBit, TeaVM and Dart cases.

mod common;
mod guests {
    pub mod cases;
}

use common::Finished;
use guests::cases::{self, Case, End};
use libtest_mimic::{Arguments, Failed, Trial};
use std::fs::File;
use std::path::Path;

/// A way to run a program.
struct Mode {
    name: &'static str,
    options: &'static [&'static str],
    applies: fn(&Case) -> bool,
}

const MODES: [Mode; 11] = [
    Mode { name: "default", options: &[], applies: |_| true },
    Mode { name: "nursery64k", options: &["--gc-nursery", "64k", "-T", "tier=y"], applies: |_| true },
    Mode { name: "marking1", options: &marking("1"), applies: |case| case.is_kotlin() },
    Mode { name: "marking7", options: &marking("7"), applies: |case| case.is_kotlin() },
    Mode { name: "marking1000", options: &marking("1000"), applies: |case| case.is_collected },
    Mode {
        name: "stress997",
        options: &["--gc-stress", "997", "--gc-verify"],
        applies: |case| case.is_collected && !case.allocates_much() && !case.allocates_some(),
    },
    Mode {
        name: "stress20011",
        options: &["--gc-stress", "20011", "--gc-verify"],
        applies: cases::Case::allocates_some,
    },
    Mode {
        name: "stress1000003",
        // With a large nursery, since the whole heap is verified around every minor.
        options: &["--gc-stress", "1000003", "--gc-verify", "--gc-nursery", "8m"],
        applies: |case| case.is_collected && case.allocates_much() && case.is_verified_quickly(),
    },
    Mode {
        name: "moving200003",
        // Not verified: what is lost or moved wrongly shows in what it prints.
        options: &["--gc-stress", "200003"],
        applies: |case| case.is_teavm() && !case.is_verified_quickly(),
    },
    Mode {
        name: "stress3",
        options: &["--gc-stress", "3", "--gc-verify"],
        applies: |case| {
            ["hello", "wasiecho", "named", "f64zero"].iter().any(|name| case.name == format!("java/{name}"))
        },
    },
    Mode {
        name: "stress1",
        options: &["--gc-stress", "1", "--gc-verify"],
        applies: |case| ["hello", "args", "args-none", "uncaught"].contains(&case.name.as_str()),
    },
];

/// A marking is always under way; its slices are of so many fields.
const fn marking(fields: &'static str) -> [&'static str; 4] {
    ["--gc-mark-slice", fields, "--gc-nursery", "64k"]
}

fn main() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests");
    let mut cases = match common::folder_from_env("HEAPWOOD_GUESTS") {
        Some(folder) => cases::of_folder(&folder),
        None => {
            common::skip(
                "guests",
                "HEAPWOOD_GUESTS names no folder of further programs; only those of tests/guests run",
            );
            Vec::new()
        }
    };
    let teavm = ["java", "scala"].iter().flat_map(|language| cases::teavm(&own.join(language)));
    for case in cases::kotlin(&own.join("kotlin")).into_iter().chain(teavm) {
        if cases.iter().all(|other| other.name != case.name) {
            cases.push(case);
        }
    }
    let mut trials = Vec::new();
    for case in cases {
        for mode in MODES.iter().filter(|mode| (mode.applies)(&case)) {
            let case = case.clone();
            trials.push(Trial::test(format!("{} {}", case.name, mode.name), move || run(&case, mode)));
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn run(case: &Case, mode: &Mode) -> Result<(), Failed> {
    let mut command = common::heapwood();
    command.arg("run").args(mode.options);
    if let Some(limit) = case.heap_limit {
        command.args(["--gc-heap-max", limit]);
    }
    if let Some(name) = case.argv0 {
        command.args(["--argv0", name]);
    }
    for (key, value) in &case.env {
        command.arg("--env").arg(format!("{key}={value}"));
    }
    for (guest, source) in &case.dirs {
        let copy = common::scratch(&format!("{}-{}{guest}", case.name, mode.name));
        if let Some(source) = source {
            common::copy_folder(source, &copy);
        }
        command.arg("--dir").arg(format!("{}::{guest}", copy.display()));
    }
    if let Some(stdin) = &case.stdin {
        command.stdin(File::open(stdin).expect("standard input of the case"));
    }
    judge(case, &common::finish(command.arg(&case.wasm).args(&case.args))).map_err(Failed::from)
}

fn judge(case: &Case, finished: &Finished) -> Result<(), String> {
    let Finished { stdout, stderr, .. } = finished;
    let (code, says) = match &case.end {
        End::Code(code) => (*code, ""),
        End::Exception => (134, "Uncaught exception: "),
        End::Trap => (134, "trap: "),
        End::Stack => (134, "trap: call stack exhausted"),
        End::Heap => (134, "the limit is --gc-heap-max 256m"),
    };
    if finished.code != Some(code) {
        return Err(format!("{} instead of status {code}\nstdout: {stdout}\nstderr: {stderr}", finished.end()));
    }
    if !case.prints(stdout) {
        return Err(format!("standard output is\n{stdout}\ninstead of\n{}", case.stdout));
    }
    if case.stderr.as_ref().is_some_and(|expected| stderr != expected) || !stderr.contains(says) {
        return Err(format!("standard error is\n{stderr}\ninstead of\n{}", case.stderr.as_deref().unwrap_or(says)));
    }
    Ok(())
}
