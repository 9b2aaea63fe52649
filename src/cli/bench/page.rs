//! `--html`: a page with everything in it: data of the runs as JSON, and the script that draws them (`page.html`).
//!
//! The data of a page can be read back, so that a later run is shown beside it (`--compare`).

use super::BenchArgs;
use super::pauses::{RecordedPause, Recording};
use super::subject::Measurement;
use super::sweep::Sweep;
use crate::cli::failure::shown;
use anyhow::{Context, Result, anyhow};
use heapwood::{GcEventKind, Histogram};
use serde_json::{Map, Value, json};
use std::path::Path;

const TEMPLATE: &str = include_str!("page.html");
/// The text of the page that is replaced by the data; then what stands before and after the data.
const PLACE: &str = "__RUNS__";
const BEFORE: &str = "<script type=\"application/json\" id=\"runs\">";
const AFTER: &str = "</script>";
/// The most pauses that are drawn one by one. Of more, only the longest of each stretch are drawn.
const STOPS_MAX: usize = 20_000;

/// The runs of this process: the one that was asked for, then those of a sweep.
pub fn runs(
    args: &BenchArgs,
    report: &Map<String, Value>,
    measured: &Measurement,
    sweep: Option<&Sweep>,
) -> Vec<Value> {
    let module = args.module.file_stem().unwrap_or_default().to_string_lossy();
    let name = match &args.invoke {
        Some(export) => format!("{module} {export}({})", args.arg),
        None => module.into_owned(),
    };
    let mut runs = vec![run(&name, report, measured)];
    for at in sweep.iter().flat_map(|sweep| &sweep.runs) {
        let mut fields = Map::new();
        super::call_fields(args, &at.measured, &mut fields);
        let heap = at.heap_bytes as f64 / f64::from(1 << 20);
        runs.push(run(&format!("{name}, {} x least heap ({heap:.1} MiB)", at.factor), &fields, &at.measured));
    }
    runs
}

fn run(name: &str, fields: &Map<String, Value>, measured: &Measurement) -> Value {
    // With slices, those are what a client sees; else the calls.
    let (what, recording) = match &measured.slices {
        Some(slices) => ("slices", &slices.pauses),
        None => ("calls", &measured.pauses),
    };
    let stops: Vec<Value> = drawn(recording).iter().map(stop).collect();
    let mmu: Vec<Value> = recording.mmu().into_iter().map(|(ms, part)| json!([ms, part])).collect();
    json!({"name": name, "what": what, "run_ms": recording.run_ms, "report": fields, "stops": stops, "mmu": mmu,
        "stop_count": recording.stops.len(), "histogram": histogram(recording),
        "first_ms": recording.stops.first().map(|stop| stop.end_ms)})
}

/// End in ms, pause in µs, kind, old and committed bytes in KiB.
fn stop(stop: &RecordedPause) -> Value {
    let round = |number: f64| (number * 1e3).round() / 1e3;
    json!([round(stop.end_ms), round(stop.pause_us), stop.kind.name(), stop.old >> 10, stop.committed >> 10])
}

/// At most about `STOPS_MAX` pauses: the longest of each kind in each stretch of equally many.
fn drawn(recording: &Recording) -> Vec<RecordedPause> {
    let stride = recording.stops.len().div_ceil(STOPS_MAX);
    if stride <= 1 {
        return recording.stops.clone();
    }
    let mut drawn = Vec::new();
    for stretch in recording.stops.chunks(stride) {
        let longest = stretch.iter().max_by(|a, b| a.pause_us.total_cmp(&b.pause_us)).expect("chunks are not empty");
        let others = stretch.iter().filter(|stop| stop.kind != GcEventKind::Minor && stop.end_ms != longest.end_ms);
        drawn.push(*longest);
        drawn.extend(others);
    }
    drawn.sort_by(|a, b| a.end_ms.total_cmp(&b.end_ms));
    drawn
}

/// Pauses by length: for each sixteenth of a power of two that occurs, its upper end in µs and how many.
fn histogram(recording: &Recording) -> Vec<Value> {
    let mut by_length = std::collections::BTreeMap::new();
    for stop in &recording.stops {
        *by_length.entry(Histogram::upper_bound_ns((stop.pause_us * 1e3) as u64)).or_insert(0u64) += 1;
    }
    by_length.into_iter().map(|(ns, count)| json!([ns as f64 / 1e3, count])).collect()
}

/// Writes the page.
pub fn write(path: &Path, runs: Vec<Value>) -> std::io::Result<()> {
    // Nothing in the data may end the element that it stands in.
    let data = Value::Array(runs).to_string().replace('<', "\\u003c");
    std::fs::write(path, TEMPLATE.replace(PLACE, &data))
}

/// The runs of an earlier page.
///
/// # Errors
/// The file cannot be read, or is no such page.
pub fn earlier_runs(path: &Path) -> Result<Vec<Value>> {
    let page = std::fs::read_to_string(path).with_context(|| format!("--compare {}", shown(path)))?;
    let data = page.split_once(BEFORE).and_then(|(_, rest)| rest.split_once(AFTER));
    let runs = data.and_then(|(data, _)| serde_json::from_str(data).ok());
    runs.ok_or_else(|| anyhow!("--compare {}: this is no page of `heapwood bench --html`", shown(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read_back() {
        let path = std::env::temp_dir().join(format!("heapwood-page-{}.html", std::process::id()));
        let runs = vec![json!({"name": "</script><script>alert(1)</script>", "stops": [[1.0, 2.0, "minor", 3, 4]]})];
        write(&path, runs.clone()).unwrap();
        let page = std::fs::read_to_string(&path).unwrap();
        assert_eq!(earlier_runs(&path).unwrap(), runs);
        assert_eq!(page.matches("<script").count(), TEMPLATE.matches("<script").count());
        assert!(!page.contains(PLACE) && !page.contains("http://") && !page.contains("https://"));
        std::fs::write(&path, "<html></html>").unwrap();
        assert!(earlier_runs(&path).is_err());
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn of_many_stops_the_longest_stay() {
        let stop = |index: usize| RecordedPause {
            end_ms: index as f64,
            cpu_us: 0.0,
            pause_us: if index == 77_777 { 900.0 } else { 1.0 + (index % 7) as f64 },
            kind: if index == 50_001 { GcEventKind::Major } else { GcEventKind::Minor },
            committed: 0,
            old: 0,
        };
        let recording = Recording { stops: (0..100_000).map(stop).collect(), run_ms: 1e5 };
        let drawn = drawn(&recording);
        assert!(drawn.len() <= STOPS_MAX + 1, "{}", drawn.len());
        assert!(drawn.iter().any(|stop| stop.pause_us == 900.0));
        assert!(drawn.iter().any(|stop| stop.kind == GcEventKind::Major));
        let counted: u64 = histogram(&recording).iter().map(|bucket| bucket[1].as_u64().unwrap()).sum();
        assert_eq!(counted, 100_000, "the histogram has all of them");
    }
}
