//! The figures of `--gc-stats`: events by kind, utilisation and rates of a run, and the table that shows them.

use super::mmu::Mmu;
use heapwood::{GcEvent, GcEventKind, HeapStats, Histogram};
use std::fmt::Write as _;

/// Windows of the table, in milliseconds.
const WINDOWS_MS: [f64; 3] = [1.0, 10.0, 100.0];

/// Every kind of event, in the order of the table; those below the first three are left out if they never happened.
const KINDS: [GcEventKind; 7] = [
    GcEventKind::Minor,
    GcEventKind::Major,
    GcEventKind::Stall,
    GcEventKind::MarkStart,
    GcEventKind::Slice,
    GcEventKind::MarkEnd,
    GcEventKind::Evacuate,
];

/// Rows that are always there.
const ROWS_MIN: usize = 3;

/// Pauses of one kind.
#[derive(Clone, Default)]
struct Kind {
    pauses: Histogram,
    cpu_us: f64,
}

/// Figures of a run, event by event.
pub struct Figures {
    kinds: [Kind; KINDS.len()],
    all: Histogram,
    mmu: Mmu,
    young_bytes: u64,
}

impl Default for Figures {
    fn default() -> Figures {
        Figures { kinds: Default::default(), all: Histogram::default(), mmu: Mmu::new(&WINDOWS_MS), young_bytes: 0 }
    }
}

impl Figures {
    /// A pause.
    pub fn add(&mut self, event: &GcEvent) {
        let kind = &mut self.kinds[row(event.kind)];
        kind.pauses.add((event.pause_us * 1e3) as u64);
        kind.cpu_us += event.cpu_us;
        self.all.add((event.pause_us * 1e3) as u64);
        self.mmu.add(event.t_us, event.pause_us);
        // What collections of the nursery met; survival is what of it was copied. Other pauses leave it as it is.
        if matches!(event.kind, GcEventKind::Minor | GcEventKind::Major) {
            self.young_bytes += event.young_before;
        }
    }

    /// The table, for a run of `run_us` with a heap of at most `limit_bytes`.
    pub fn table(&self, stats: &HeapStats, limit_bytes: u64, run_us: f64) -> String {
        let mut table = memory(stats, limit_bytes);
        let [count, p50, p99, max, total] = ["count", "p50 us", "p99 us", "max us", "total ms"];
        let _ = writeln!(table, "{:<23} {count:>9} {p50:>11} {p99:>11} {max:>11} {total:>11}", "pauses");
        for (index, (kind, figures)) in KINDS.iter().zip(&self.kinds).enumerate() {
            if index < ROWS_MIN || figures.pauses.count() > 0 {
                pauses(&mut table, kind.name(), &figures.pauses);
            }
        }
        pauses(&mut table, "all", &self.all);
        self.times(&mut table, stats, run_us);
        table
    }

    fn times(&self, table: &mut String, stats: &HeapStats, run_us: f64) {
        let stopped_us = self.all.total_ns() as f64 / 1e3;
        let (cpu_us, helper_us) = (self.kinds.iter().map(|kind| kind.cpu_us).sum::<f64>(), stats.helper_cpu_ns / 1000);
        let seconds = run_us / 1e6;
        let rate = |bytes: u64| if seconds > 0.0 { mib(bytes) / seconds } else { 0.0 };
        let part = |of: f64, all: f64| if all > 0.0 { 100.0 * of / all } else { 0.0 };
        table.push_str("run\n");
        let mut row = |name: &str, value: f64, unit: &str| {
            let _ = writeln!(table, "  {name:<25} {value:>9.2} {unit}");
        };
        row("length", run_us / 1e3, "ms");
        row("stopped", part(stopped_us, run_us), "% of the run");
        row("collector's CPU time", (cpu_us + helper_us as f64) / 1e3, "ms");
        row("  of it on the helper", helper_us as f64 / 1e3, "ms");
        row("allocated", rate(stats.eden_bytes + stats.old_allocated_bytes), "MiB/s");
        row("promoted", rate(stats.promoted_bytes), "MiB/s");
        let copied = stats.aged_bytes + stats.promoted_bytes;
        row("survived a collection", part(copied as f64, self.young_bytes as f64), "% of the nursery");
        for (name, count) in [("compactions", stats.compactions), ("sparse blocks evacuated", stats.evacuated_blocks)] {
            let _ = writeln!(table, "  {name:<25} {count:>9}");
        }
        for (ms, free) in self.mmu.curve(run_us) {
            let name = format!("utilisation in {ms} ms");
            let _ = match free {
                Some(free) => writeln!(table, "  {name:<25} {:>9.2} % at least", 100.0 * free),
                None => writeln!(table, "  {name:<25} {:>9} (the run was shorter)", "-"),
            };
        }
    }
}

/// The row of a kind.
fn row(kind: GcEventKind) -> usize {
    KINDS.iter().position(|other| *other == kind).expect("every kind has a row")
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn memory(stats: &HeapStats, limit_bytes: u64) -> String {
    let mut table = format!("{:<27} {:>9}\n", "heap", "MiB");
    // Nothing is known of what lives before the first marking has ended.
    let live = (stats.majors > 0).then_some(stats.live_bytes);
    for (name, bytes) in [
        ("allocated in the nursery", Some(stats.eden_bytes)),
        ("allocated as old", Some(stats.old_allocated_bytes)),
        ("copied within the nursery", Some(stats.aged_bytes)),
        ("promoted", Some(stats.promoted_bytes)),
        ("moved within the old space", Some(stats.moved_bytes + stats.evacuated_bytes)),
        ("live after the last major", live),
        ("memory in use", Some(stats.committed_bytes)),
        ("most memory in use", Some(stats.peak_bytes)),
        ("limit", Some(limit_bytes)),
    ] {
        let _ = match bytes {
            Some(bytes) => writeln!(table, "  {name:<26} {:>8.2}", mib(bytes)),
            None => writeln!(table, "  {name:<26} {:>8}", "-"),
        };
    }
    table
}

fn pauses(table: &mut String, name: &str, pauses: &Histogram) {
    let us = |ns: u64| ns as f64 / 1e3;
    let _ = writeln!(
        table,
        "  {name:<21} {:>9} {:>11.1} {:>11.1} {:>11.1} {:>11.2}",
        pauses.count(),
        us(pauses.quantile_ns(500)),
        us(pauses.quantile_ns(990)),
        us(pauses.max_ns()),
        us(pauses.total_ns()) / 1e3,
    );
}
