//! What `bench` prints for people: of the object of `--json`, in units that are read at a glance.

use serde_json::{Map, Value};
use std::fmt::Write;

/// How many times as long as the CPU time the wall-clock time may be before the table says so.
const BUSY_FACTOR: f64 = 1.25;
/// Wall-clock time below which that is chance, in milliseconds.
const BUSY_MS_MIN: f64 = 1.0;
/// Windows of utilisation that are shown, in milliseconds.
const WINDOWS_MS: [&str; 4] = ["1", "10", "100", "1000"];

/// Fields that the rows below show; what there is besides follows as it is.
const SHOWN: [&str; 15] = [
    "times_ms",
    "cpu_ms",
    "first_ms",
    "compile_ms",
    "compile_cpu_ms",
    "instantiate_ms",
    "peak_rss_kib",
    "result",
    "gc",
    "gc_kinds",
    "mmu",
    "slice_ms",
    "lower_bound",
    "heap_sweep",
    "interrupted",
];

/// The table of a report.
pub fn table(object: &Map<String, Value>) -> String {
    let mut table = String::new();
    calls(&mut table, object);
    single_times(&mut table, object);
    if let Some(slices) = object.get("slice_ms") {
        self::slices(&mut table, slices);
    }
    if let Some(kinds) = object.get("gc_kinds").and_then(Value::as_array) {
        pauses(&mut table, kinds);
    }
    utilisation(&mut table, object);
    if let Some(bound) = object.get("lower_bound") {
        lower_bound(&mut table, bound);
    }
    if let Some(sweep) = object.get("heap_sweep") {
        heap_sweep(&mut table, sweep);
    }
    if object.contains_key("interrupted") {
        table.push_str("interrupted: this is of what had been measured until then\n");
    }
    for (name, value) in object.iter().filter(|(name, _)| !SHOWN.contains(&name.as_str())) {
        let _ = writeln!(table, "{name}: {value}");
    }
    table
}

fn numbers(value: Option<&Value>) -> Vec<f64> {
    let numbers = value.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    numbers.iter().filter_map(Value::as_f64).collect()
}

fn number(value: &Value, field: &str) -> f64 {
    value[field].as_f64().unwrap_or(0.0)
}

/// A time with the unit that leaves one to three digits before the point.
pub fn time(ms: f64) -> String {
    match ms {
        _ if ms >= 1000.0 => format!("{:.2} s", ms / 1000.0),
        _ if ms >= 1.0 || ms == 0.0 => format!("{ms:.2} ms"),
        _ => format!("{:.1} us", ms * 1000.0),
    }
}

fn calls(table: &mut String, object: &Map<String, Value>) {
    let (wall, cpu) = (numbers(object.get("times_ms")), numbers(object.get("cpu_ms")));
    if wall.is_empty() {
        return;
    }
    let [best, median, longest] = ["best", "median", "longest"];
    let what = if wall.len() == 1 { "1 call".to_owned() } else { format!("{} calls", wall.len()) };
    let _ = writeln!(table, "{what:<22} {best:>11} {median:>11} {longest:>11}");
    for (name, mut times) in [("wall clock", wall.clone()), ("CPU", cpu.clone())] {
        times.sort_by(f64::total_cmp);
        let Some(longest) = times.last() else { continue };
        let (best, median) = (time(times[0]), time(times[times.len() / 2]));
        let _ = writeln!(table, "  {name:<20} {best:>11} {median:>11} {:>11}", time(*longest));
    }
    let (wall, cpu): (f64, f64) = (wall.iter().sum(), cpu.iter().sum());
    if wall > BUSY_MS_MIN && cpu > 0.0 && wall > cpu * BUSY_FACTOR {
        let times = wall / cpu;
        let _ = writeln!(
            table,
            "  The wall clock ran {times:.1} times as long as the CPU: the machine was busy, or the program waited."
        );
    }
}

fn single_times(table: &mut String, object: &Map<String, Value>) {
    for (field, label) in [
        ("first_ms", "first call"),
        ("compile_ms", "compiling"),
        ("compile_cpu_ms", "compiling, CPU"),
        ("instantiate_ms", "instantiating"),
    ] {
        if let Some(ms) = object.get(field).and_then(Value::as_f64) {
            let _ = writeln!(table, "{label:<22} {:>11}", time(ms));
        }
    }
    if let Some(kib) = object.get("peak_rss_kib").and_then(Value::as_f64) {
        let _ = writeln!(table, "{:<22} {:>11}", "most memory", format!("{:.1} MiB", kib / 1024.0));
    }
    if let Some(result) = object.get("result").and_then(Value::as_str) {
        let _ = writeln!(table, "{:<22} {result:>11}", "result");
    }
}

/// Pauses by kind, in the words of `--gc-stats`.
fn pauses(table: &mut String, kinds: &[Value]) {
    let head = ["count", "p50", "p99", "longest", "total", "CPU: longest", "total"];
    let [count, p50, p99, longest, total, cpu_longest, cpu_total] = head;
    let _ = writeln!(
        table,
        "{:<10} {count:>9} {p50:>10} {p99:>10} {longest:>10} {total:>10}  {cpu_longest:>12} {cpu_total:>10}",
        "pauses"
    );
    for row in kinds {
        let (kind, pauses) = (row["kind"].as_str().unwrap_or_default(), &row["pauses"]);
        let us = |field: &str| time(number(pauses, field) / 1e3);
        let count = pauses["count"].as_u64().unwrap_or(0);
        let [p50, p99, longest] = ["p50_us", "p99_us", "max_us"].map(us);
        let [total, cpu_longest, cpu_total] = ["total_us", "max_cpu_us", "total_cpu_us"].map(us);
        let _ = writeln!(
            table,
            "  {kind:<10} {count:>7} {p50:>10} {p99:>10} {longest:>10} {total:>10}  {cpu_longest:>12} {cpu_total:>10}"
        );
    }
}

fn slices(table: &mut String, slices: &Value) {
    let _ = writeln!(table, "{} slices of {} operations", slices["slices"], slices["ops"]);
    for (field, label) in [("mean", "mean"), ("p50", "p50"), ("p99", "p99"), ("p999", "p99.9"), ("max", "longest")] {
        let _ = writeln!(table, "  {label:<20} {:>11}", time(number(slices, field)));
    }
}

/// What `--overhead` found.
fn lower_bound(table: &mut String, bound: &Value) {
    if let Some(error) = bound["error"].as_str() {
        let _ = writeln!(table, "what collecting costs is not known: {error}");
        return;
    }
    let _ = writeln!(
        table,
        "a call takes at least {:.2} times as long as without memory to manage",
        number(bound, "overhead")
    );
    for (field, label) in
        [("best_ms", "best call"), ("without_pauses_ms", "without its pauses"), ("none_ms", "without a collector")]
    {
        let _ = writeln!(table, "  {label:<20} {:>11}", time(number(bound, field)));
    }
}

/// What `--gc-heap-sweep` found: a row for each limit of the heap.
fn heap_sweep(table: &mut String, sweep: &Value) {
    let mib = |bytes: &Value| format!("{:.1} MiB", bytes.as_f64().unwrap_or(0.0) / f64::from(1 << 20));
    let [heap, best, cpu, longest, stalls] = ["heap", "best call", "CPU", "longest pause", "stalls"];
    let least = format!("least heap: {}", mib(&sweep["least_bytes"]));
    let _ = writeln!(table, "{least:<22} {heap:>11} {best:>11} {cpu:>11} {longest:>14} {stalls:>7}");
    for run in sweep["runs"].as_array().into_iter().flatten() {
        let best = |field: &str| time(numbers(run.get(field)).into_iter().fold(f64::INFINITY, f64::min));
        let longest = ["minor", "major"].map(|kind| number(&run["gc"][kind], "max_us")).into_iter().fold(0.0, f64::max);
        let name = format!("  {} times that", run["factor"]);
        let (heap, longest, stalls) =
            (mib(&run["heap_max_bytes"]), time(longest / 1e3), run["gc"]["stall"]["count"].to_string());
        let (wall, cpu) = (best("times_ms"), best("cpu_ms"));
        let _ = writeln!(table, "{name:<22} {heap:>11} {wall:>11} {cpu:>11} {longest:>14} {stalls:>7}");
    }
}

fn utilisation(table: &mut String, object: &Map<String, Value>) {
    let Some(mmu) = object.get("mmu").and_then(Value::as_object) else { return };
    let shown = WINDOWS_MS.iter().filter_map(|window| Some((window, mmu.get(*window)?.as_f64()?)));
    let shown: Vec<_> = shown.map(|(window, part)| format!("{:.1} % in {window} ms", part * 100.0)).collect();
    if !shown.is_empty() {
        let _ = writeln!(table, "the program ran for at least {}", shown.join(", "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(object: &Value) -> String {
        table(object.as_object().expect("an object"))
    }

    #[test]
    fn times_have_units() {
        let shown = [0.0, 0.0005, 0.25, 1.0, 12.345, 999.0, 61_000.0].map(time);
        assert_eq!(shown, ["0.00 ms", "0.5 us", "250.0 us", "1.00 ms", "12.35 ms", "999.00 ms", "61.00 s"]);
    }

    #[test]
    fn every_field_is_shown_and_a_busy_machine_is_named() {
        let pauses = json!({"count": 3, "p50_us": 10.0, "p99_us": 20.0, "max_us": 30.0, "total_us": 60.0,
            "p99_cpu_us": 9.0, "max_cpu_us": 25.0, "total_cpu_us": 50.0});
        let object = json!({"times_ms": [3.0, 1.0, 2.0], "cpu_ms": [1.0, 1.0, 1.0], "first_ms": 7.5, "compile_ms": 0.5,
            "instantiate_ms": 0.25, "peak_rss_kib": 2048, "result": "42", "mmu": {"1": 0.5, "10": 0.75},
            "gc_kinds": [{"kind": "minor", "pauses": pauses}, {"kind": "mark-start", "pauses": pauses}],
            "more": {"than": "this"}, "slice_ms": {"slices": 4, "ops": 9, "mean": 1.5, "p50": 1.0, "p99": 2.0, "p999": 3.0, "max": 4.0}});
        let text = of(&object);
        for part in [
            "3 calls",
            "1.00 ms     2.00 ms     3.00 ms",
            "7.50 ms",
            "500.0 us",
            "2.0 MiB",
            "42",
            "2.0 times as long",
            "50.0 % in 1 ms, 75.0 % in 10 ms",
            "more: {\"than\":\"this\"}",
            "4 slices of 9 operations",
            "p99.9",
        ] {
            assert!(text.contains(part), "`{part}` is not in\n{text}");
        }
        let row = text.lines().find(|line| line.starts_with("  minor")).expect("a row");
        let cells: Vec<_> = row.split_whitespace().collect();
        let expected = "minor 3 10.0 us 20.0 us 30.0 us 60.0 us 25.0 us 50.0 us";
        assert_eq!(cells.join(" "), expected);
        let calm = json!({"times_ms": [1.0, 1.1], "cpu_ms": [1.0, 1.0]});
        assert!(!of(&calm).contains("busy") && of(&json!({"compile_ms": 3.0})).contains("compiling"));
    }
}
