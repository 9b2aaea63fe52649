//! The collector's log and its statistics.

use heapwood::{GcEvent, HeapStats, Histogram};
use serde_json::json;
use std::io::Write;

/// Form of the log's lines.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

/// Writes a line for every stop.
pub struct GcReport {
    format: LogFormat,
    output: Box<dyn Write + Send>,
}

impl GcReport {
    pub fn new(format: LogFormat, output: Box<dyn Write + Send>) -> GcReport {
        GcReport { format, output }
    }

    /// Writes the line of a stop.
    pub fn write(&mut self, event: &GcEvent) {
        let line = match self.format {
            LogFormat::Text => text_line(event),
            LogFormat::Json => json_line(event),
        };
        // A log that cannot be written must not end the guest.
        let _ = writeln!(self.output, "{line}");
    }
}

fn text_line(event: &GcEvent) -> String {
    let kib = |bytes: u64| bytes >> 10;
    format!(
        "[{:>10.3} ms] {:<10} {:<10} {:>8.1} us  young {} -> {} KiB  old {} -> {} KiB  promoted {} KiB  heap {} KiB",
        event.t_us / 1000.0,
        event.kind.name(),
        event.cause.name(),
        event.pause_us,
        kib(event.young_before),
        kib(event.young_after),
        kib(event.old_before),
        kib(event.old_after),
        kib(event.promoted),
        kib(event.heap_committed),
    )
}

/// The object of the contract, on one line.
fn json_line(event: &GcEvent) -> String {
    json!({
        "t_us": event.t_us,
        "kind": event.kind.name(),
        "cause": event.cause.name(),
        "pause_us": event.pause_us,
        "cpu_us": event.cpu_us,
        "young_before": event.young_before,
        "young_after": event.young_after,
        "old_before": event.old_before,
        "old_after": event.old_after,
        "heap_committed": event.heap_committed,
        "promoted": event.promoted,
        "remembered": event.remembered,
        "roots": event.roots,
        "frames": event.frames,
        "work_units": event.work_units,
    })
    .to_string()
}

/// The table of `--gc-stats`.
pub fn print_stats(stats: &HeapStats) {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    eprintln!("heap                       MiB");
    for (name, bytes) in [
        ("allocated in the nursery", stats.eden_bytes),
        ("allocated as old", stats.old_allocated_bytes),
        ("copied within the nursery", stats.aged_bytes),
        ("promoted", stats.promoted_bytes),
        ("live after the last major", stats.live_bytes),
        ("memory in use", stats.committed_bytes),
        ("most memory in use", stats.peak_bytes),
    ] {
        eprintln!("  {name:<25} {:>9.2}", mib(bytes));
    }
    eprintln!("collections                count   median us      99% us      max us    total ms");
    print_pauses("minor", &stats.minor_pauses);
    print_pauses("major", &stats.major_pauses);
    eprintln!("  compactions {}, stalls {}", stats.compactions, stats.stalls);
}

fn print_pauses(name: &str, pauses: &Histogram) {
    let us = |ns: u64| ns as f64 / 1e3;
    eprintln!(
        "  {name:<21} {:>9} {:>11.1} {:>11.1} {:>11.1} {:>11.2}",
        pauses.count(),
        us(pauses.quantile_ns(500)),
        us(pauses.quantile_ns(990)),
        us(pauses.max_ns()),
        us(pauses.total_ns()) / 1e3,
    );
}
