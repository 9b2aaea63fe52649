//! What a heap has counted so far, in the words of `--gc-stats`, without anybody having listened.

use super::figures::{count_rows, heap_rows, mib};
use heapwood::{HeapStats, Histogram, MemoryStats};
use serde_json::{Value, json};
use std::fmt::Write;

/// The figures as JSON: `heap` in bytes, `pauses` by kind, `counts`, and linear memories (`memory`).
pub fn now(stats: &HeapStats, memory: &MemoryStats) -> Value {
    let us = |ns: u64| ns as f64 / 1e3;
    let pauses = |pauses: &Histogram| {
        let [p50, p99] = [500, 990].map(|per_mille| us(pauses.quantile_ns(per_mille)));
        json!({"count": pauses.count(), "p50_us": p50, "p99_us": p99, "max_us": us(pauses.max_ns()),
            "total_us": us(pauses.total_ns())})
    };
    let heap = heap_rows(stats, memory.heap.limit_bytes).map(|(key, _, bytes)| (key.to_owned(), Value::from(bytes)));
    let counts = count_rows(stats).map(|(key, _, count)| (key.to_owned(), Value::from(count)));
    json!({
        "heap": Value::Object(heap.into_iter().collect()),
        "pauses": {
            "minor": pauses(&stats.minor_pauses), "major": pauses(&stats.major_pauses),
            "stall": pauses(&stats.stall_pauses), "marking": pauses(&stats.slice_pauses),
        },
        "counts": Value::Object(counts.into_iter().chain([("markings".to_owned(), stats.markings.into())]).collect()),
        "memory": {"pages": memory.total_pages, "bytes": memory.memories.iter().map(|one| one.used_bytes).sum::<u64>()},
    })
}

/// These figures as a table. What is missing among them is left out.
pub fn now_table(figures: &Value) -> String {
    let mut table = String::new();
    let process = &figures["process"];
    if let (Some(pid), Some(up_ms)) = (process["pid"].as_u64(), process["up_ms"].as_f64()) {
        let program = heapwood::printable(process["program"].as_str().unwrap_or("?")).to_string();
        let _ = writeln!(table, "process {pid}, {program}, for {:.1} s", up_ms / 1e3);
    }
    let _ = writeln!(table, "{:<27} {:>9}", "heap", "MiB");
    for (key, label, _) in heap_rows(&HeapStats::default(), 0) {
        let _ = match figures["heap"][key].as_u64() {
            Some(bytes) => writeln!(table, "  {label:<26} {:>8.2}", mib(bytes)),
            None => writeln!(table, "  {label:<26} {:>8}", "-"),
        };
    }
    let memory = mib(figures["memory"]["bytes"].as_u64().unwrap_or_default());
    let _ = writeln!(table, "  {:<26} {memory:>8.2}", "linear memories");
    let [count, p50, p99, max, total] = ["count", "p50 us", "p99 us", "max us", "total ms"];
    let _ = writeln!(table, "{:<18} {count:>9} {p50:>11} {p99:>11} {max:>11} {total:>11}", "pauses");
    for kind in ["minor", "major", "marking", "stall"] {
        let pauses = &figures["pauses"][kind];
        let number = |key: &str| pauses[key].as_f64().unwrap_or_default();
        let (count, [p50, p99, max]) =
            (pauses["count"].as_u64().unwrap_or_default(), ["p50_us", "p99_us", "max_us"].map(number));
        let total = number("total_us") / 1e3;
        let _ = writeln!(table, "  {kind:<16} {count:>9} {p50:>11.1} {p99:>11.1} {max:>11.1} {total:>11.2}");
    }
    for (key, label, _) in count_rows(&HeapStats::default()).into_iter().chain([("markings", "markings in slices", 0)])
    {
        let _ = writeln!(table, "  {label:<25} {:>9}", figures["counts"][key].as_u64().unwrap_or_default());
    }
    table
}
