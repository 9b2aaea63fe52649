//! What the command tells of its collections: `--gc-log` in its forms and `--gc-stats`, of one run.

mod common;

use common::{finish, heapwood, scratch, skip};
use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

const GUEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guests/kotlin/wasm/trees.wasm");

/// Runs a program that collects a thousand times; the log, and the table of `--gc-stats`.
fn run(dir: &Path, format: &str) -> (String, String) {
    run_with(dir, format, "--gc-stats")
}

fn run_with(dir: &Path, format: &str, stats: &str) -> (String, String) {
    let log = dir.join(format);
    let mut command = heapwood();
    command.args(["run", stats, "--gc-log-format", format]).arg(format!("--gc-log={}", log.display()));
    let finished = finish(command.arg(GUEST));
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    (std::fs::read_to_string(log).expect("a log"), finished.stderr)
}

const KINDS: [&str; 7] = ["minor", "major", "stall", "mark-start", "slice", "mark-end", "evacuate"];

/// The numbers of a row of the table; zeros for a kind of pause that never happened.
fn row(table: &str, name: &str) -> Vec<f64> {
    match table.lines().find_map(|line| line.trim_start().strip_prefix(name)) {
        Some(line) => line.split_whitespace().map_while(|word| word.parse().ok()).collect(),
        None if KINDS.contains(&name) => vec![0.0; 6],
        None => panic!("no row `{name}` in\n{table}"),
    }
}

/// What HotSpot calls the kinds of pauses.
const PAUSES: [(&str, &[&str]); 4] = [
    ("Young", &["minor", "evacuate"]),
    ("Full", &["major", "stall"]),
    ("Initial Mark", &["mark-start"]),
    ("Remark", &["slice", "mark-end"]),
];

/// Count and milliseconds of some kinds together.
fn rows(table: &str, kinds: &[&str]) -> (f64, f64) {
    let add = |(count, ms), row: Vec<f64>| (count + row[0], ms + row[4]);
    kinds.iter().map(|kind| row(table, kind)).fold((0.0, 0.0), add)
}

#[test]
fn the_object_agrees_with_the_log() {
    let dir = scratch("gc-stats-json");
    let (log, stats) = run_with(&dir, "json", "--gc-stats=json");
    let events: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let stats: serde_json::Value = serde_json::from_str(&stats).expect("one object");
    let near = |one: &serde_json::Value, other: f64| (one.as_f64().expect("a number") - other).abs() < 20.0;
    for (kind, row) in stats["pauses"].as_object().expect("rows") {
        let of_kind = || events.iter().filter(|event| kind == "all" || event["kind"] == *kind);
        let sum = |field: &str| of_kind().map(|event| event[field].as_f64().expect("a number")).sum();
        assert_eq!(row["count"], of_kind().count(), "{kind}");
        assert!(near(&row["total_us"], sum("pause_us")) && near(&row["total_cpu_us"], sum("cpu_us")), "{kind}: {row}");
    }
    assert_eq!(stats["pauses"]["all"]["count"], events.len());
    for (part, keys) in [
        ("heap", &["allocated_young_bytes", "promoted_bytes", "live_bytes", "peak_bytes", "limit_bytes"][..]),
        ("run", &["length_ms", "paused_percent", "collector_cpu_ms", "compactions"]),
        ("mmu", &["1", "10"]),
    ] {
        keys.iter().for_each(|key| assert!(stats[part][key].is_number(), "{part}, {key}: {stats}"));
    }
}

#[test]
fn the_table_agrees_with_the_log() {
    let dir = scratch("gc-log-json");
    let (log, table) = run(&dir, "json");
    let events: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let sum = |kind: &str, field: &str| -> (f64, f64) {
        let of_kind = events.iter().filter(|event| event["kind"] == kind);
        of_kind.fold((0.0, 0.0), |(count, sum), event| (count + 1.0, sum + event[field].as_f64().expect("a number")))
    };
    let mut told = 0.0;
    for kind in KINDS {
        let (count, total_us) = sum(kind, "pause_us");
        let row = row(&table, kind);
        assert_eq!(row[0], count, "{kind}");
        assert!((row[4] - total_us / 1e3).abs() < 0.02, "{kind}: {total_us} us, {row:?}");
        let cpu_us = sum(kind, "cpu_us").1;
        assert!((row[5] - cpu_us / 1e3).abs() < 0.02, "{kind}: {cpu_us} us of CPU time, {row:?}");
        told += count;
    }
    assert_eq!(told, events.len() as f64, "every event has its row");
    for kind in ["minor", "mark-start", "slice", "mark-end"] {
        assert!(sum(kind, "pause_us").0 > 2.0, "the program is large enough for a few of {kind}");
    }
    let of_collections = |field: &str| sum("minor", field).1 + sum("major", field).1;
    let promoted = of_collections("promoted");
    assert!((row(&table, "promoted")[0] - promoted / f64::from(1 << 20)).abs() < 0.02, "{promoted}\n{table}");
    // Every pause once.
    let all = row(&table, "all ");
    let total_us: f64 = KINDS.iter().map(|kind| sum(kind, "pause_us").1).sum();
    assert_eq!(all[0], told);
    assert!((all[4] - total_us / 1e3).abs() < 0.02, "{total_us} us, {all:?}");
    // Of what collections met, and not of what slices saw of a nursery that they leave alone.
    for event in events.iter().filter(|event| event["kind"] == "slice") {
        assert_eq!(event["young_before"], event["young_after"], "{event}");
    }
    let copied = row(&table, "copied within the nursery")[0] + row(&table, "promoted")[0];
    let survived = 100.0 * copied * f64::from(1 << 20) / of_collections("young_before");
    assert!((row(&table, "survived a collection")[0] - survived).abs() < 0.05, "{survived}\n{table}");
    // Numbers of the same kind end in the same column.
    let end = |name: &str| {
        let line = table.lines().find(|line| line.trim_start().starts_with(name)).unwrap_or_else(|| panic!("{name}"));
        line.trim_end_matches(|last: char| !last.is_ascii_digit()).len()
    };
    let header = |name: &str| table.lines().find(|line| line.starts_with(name)).expect("a header").len();
    assert_eq!(end("promoted"), header("heap"), "{table}");
    assert_eq!(end("minor"), header("pauses"), "{table}");
    for name in ["paused", "survived a collection", "utilisation in 1 ms", "utilisation in 10 ms"] {
        let percent = row(&table, name)[0];
        assert!((0.0..=100.0).contains(&percent), "{name}: {percent}");
    }
    let utilisation = ["utilisation in 1 ms", "utilisation in 10 ms"].map(|name| row(&table, name)[0]);
    assert!(row(&table, "paused")[0] <= 100.0 - utilisation[1] + 0.01, "the worst window is worse than the run");
}

#[test]
fn a_log_in_hotspots_shape_has_every_stop() {
    let dir = scratch("gc-log-jvm");
    let (log, table) = run(&dir, "jvm");
    assert!(log.starts_with("[0.000s][info][gc] Using Concurrent Mark Sweep\n"), "{}", &log[..100]);
    let mut pauses: HashMap<&str, (f64, f64)> = HashMap::new();
    for line in log.lines() {
        let rest = line.strip_prefix('[').unwrap_or_else(|| panic!("{line}"));
        let (seconds, rest) = rest.split_once("s][info][").unwrap_or_else(|| panic!("{line}"));
        assert!(seconds.parse::<f64>().is_ok(), "{line}");
        let (tags, text) = rest.split_once("] ").unwrap_or_else(|| panic!("{line}"));
        let (Some((_, text)), "gc") = (text.split_once(") Pause "), tags.trim_end()) else { continue };
        let kind = PAUSES.iter().find(|(kind, _)| text.starts_with(kind)).unwrap_or_else(|| panic!("{line}")).0;
        let (_, figures) = text.rsplit_once(") ").unwrap_or_else(|| panic!("{line}"));
        let ms: f64 = figures.strip_suffix("ms").unwrap_or_else(|| panic!("{line}")).parse().expect("milliseconds");
        let entry = pauses.entry(kind).or_default();
        *entry = (entry.0 + 1.0, entry.1 + ms);
    }
    for (kind, names) in PAUSES {
        let ((count, ms), pauses) = (rows(&table, names), pauses.get(kind).copied().unwrap_or_default());
        assert_eq!(count, pauses.0, "{kind}");
        assert!((ms - pauses.1).abs() < 0.02 + 0.0005 * count, "{kind}: {pauses:?}, {ms} ms");
    }
}

/// `HEAPWOOD_GCVIEWER` names GCViewer's jar (`com.github.chewiebug:gcviewer`, 1.36).
#[test]
fn gcviewer_counts_the_same_pauses() {
    let Some(jar) = std::env::var_os("HEAPWOOD_GCVIEWER") else {
        skip("gcviewer", "HEAPWOOD_GCVIEWER does not name a jar");
        return;
    };
    let dir = scratch("gc-log-gcviewer");
    let (_, table) = run(&dir, "jvm");
    let summary = dir.join("summary.csv");
    let viewer = Command::new("java")
        .args(["-Djava.awt.headless=true", "-cp"])
        .arg(jar)
        .arg("com.tagtraum.perf.gcviewer.GCViewer")
        .args([dir.join("jvm"), summary.clone()])
        .output()
        .expect("java runs");
    assert!(viewer.status.success(), "{}", String::from_utf8_lossy(&viewer.stderr));
    let summary = std::fs::read_to_string(summary).expect("a summary");
    let [young, full, initial_mark, remark] = PAUSES.map(|(_, kinds)| rows(&table, kinds).0);
    for (field, expected) in [("gcPauseCount", young + initial_mark + remark), ("fullGcPauseCount", full)] {
        // A field of no pauses is left out.
        let line = summary.lines().find_map(|line| line.strip_prefix(field)).unwrap_or("; 0;");
        let count: f64 = line.trim_start_matches("; ").split(';').next().expect("a field").parse().expect("a count");
        assert_eq!(count, expected, "{field}");
    }
}

#[test]
fn lines_for_people_have_their_columns_below_each_other() {
    let dir = scratch("gc-log-text");
    let (log, _) = run(&dir, "text");
    let (mut kinds, mut columns): (Vec<&str>, Option<[usize; 4]>) = (Vec::new(), None);
    for line in log.lines() {
        // `[  12.345 ms] kind cause length us … heap N KiB`
        let at = |what: &str| line.find(what).unwrap_or_else(|| panic!("no `{what}` in {line}"));
        let here = [at(" ms] "), at(" us  "), at("  heap "), line.len()];
        assert_eq!(*columns.get_or_insert(here), here, "{line}");
        let (_, rest) = line.split_once(" ms] ").expect("found above");
        let kind = rest.split_whitespace().next().expect("a kind");
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    for kind in ["minor", "mark-start", "slice", "mark-end"] {
        assert!(kinds.contains(&kind), "no {kind} among {kinds:?}");
    }
}
