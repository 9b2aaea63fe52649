//! The figures of `--gc-stats`: events by kind, utilisation and rates of a run, as a table or as JSON.

use super::mmu::Mmu;
use heapwood::{GcEvent, GcEventKind, HeapStats, Histogram};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Windows of the table, in milliseconds.
const WINDOWS_MS: [f64; 3] = [1.0, 10.0, 100.0];

/// Every kind of event, in the order of the table; those below the first three are left out if they never happened.
pub const KINDS: [GcEventKind; 7] = [
    GcEventKind::Minor,
    GcEventKind::Major,
    GcEventKind::Stall,
    GcEventKind::MarkStart,
    GcEventKind::Slice,
    GcEventKind::MarkEnd,
    GcEventKind::Evacuate,
];

/// Rows that are always there.
pub const ROWS_MIN: usize = 3;

/// Pauses of one kind.
#[derive(Clone, Default)]
struct Kind {
    pauses: Histogram,
    cpu_us: f64,
}

/// How figures are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum StatsForm {
    /// For people
    Table,
    /// One object on one line
    Json,
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
        let mut table = format!("{:<27} {:>9}\n", "heap", "MiB");
        for (_, label, bytes) in heap_rows(stats, limit_bytes) {
            let _ = match bytes {
                Some(bytes) => writeln!(table, "  {label:<26} {:>8.2}", mib(bytes)),
                None => writeln!(table, "  {label:<26} {:>8}", "-"),
            };
        }
        let [count, p50, p99, max, total, cpu] = ["count", "p50 us", "p99 us", "max us", "total ms", "cpu ms"];
        let _ = writeln!(table, "{:<18} {count:>9} {p50:>11} {p99:>11} {max:>11} {total:>11} {cpu:>9}", "pauses");
        for (name, pauses, cpu_us) in self.pauses() {
            let us = |ns: u64| ns as f64 / 1e3;
            let quantiles = [pauses.quantile_ns(500), pauses.quantile_ns(990), pauses.max_ns()].map(us);
            let (count, [p50, p99, max]) = (pauses.count(), quantiles);
            let (total, cpu) = (us(pauses.total_ns()) / 1e3, cpu_us / 1e3);
            let _ =
                writeln!(table, "  {name:<16} {count:>9} {p50:>11.1} {p99:>11.1} {max:>11.1} {total:>11.2} {cpu:>9.2}");
        }
        table.push_str("run\n");
        for (_, label, value, unit) in self.run_rows(stats, run_us) {
            let _ = writeln!(table, "  {label:<25} {value:>9.2} {unit}");
        }
        for (_, label, count) in count_rows(stats) {
            let _ = writeln!(table, "  {label:<25} {count:>9}");
        }
        for (ms, free) in self.mmu.curve(run_us) {
            let name = format!("utilisation in {ms} ms");
            let _ = match free {
                Some(free) => writeln!(table, "  {name:<25} {:>9.2} % at least", 100.0 * free),
                None => writeln!(table, "  {name:<25} {:>9} (the run was shorter)", "-"),
            };
        }
        table
    }

    /// The figures of the table as a JSON object: `heap` in bytes, `pauses` by kind, `run`, and `mmu` by window in
    /// milliseconds. What is not known is null.
    pub fn json(&self, stats: &HeapStats, limit_bytes: u64, run_us: f64) -> Value {
        let us = |ns: u64| ns as f64 / 1e3;
        let heap = heap_rows(stats, limit_bytes).map(|(key, _, bytes)| (key.to_owned(), Value::from(bytes)));
        let pauses = self.pauses().map(|(name, pauses, cpu_us)| {
            let [p50, p99, max] = [pauses.quantile_ns(500), pauses.quantile_ns(990), pauses.max_ns()].map(us);
            let total = us(pauses.total_ns());
            let fields = json!({"count": pauses.count(), "p50_us": p50, "p99_us": p99, "max_us": max,
                "total_us": total, "total_cpu_us": cpu_us});
            (name.to_owned(), fields)
        });
        let run = self.run_rows(stats, run_us).map(|(key, _, value, _)| (key.to_owned(), Value::from(value)));
        let counts = count_rows(stats).map(|(key, _, count)| (key.to_owned(), Value::from(count)));
        let mmu = self.mmu.curve(run_us).map(|(ms, free)| (ms.to_string(), Value::from(free)));
        json!({
            "heap": Value::Object(heap.into_iter().collect()),
            "pauses": Value::Object(pauses.collect()),
            "run": Value::Object(run.into_iter().chain(counts).collect()),
            "mmu": Value::Object(mmu.collect()),
        })
    }

    /// Name, pauses and the collector's CPU time of each kind that is told, and of all.
    fn pauses(&self) -> impl Iterator<Item = (&'static str, &Histogram, f64)> {
        let kinds = KINDS.iter().zip(&self.kinds).enumerate();
        let told = kinds.filter(|(index, (_, kind))| *index < ROWS_MIN || kind.pauses.count() > 0);
        let told = told.map(|(_, (kind, figures))| (kind.name(), &figures.pauses, figures.cpu_us));
        told.chain([("all", &self.all, self.cpu_us())])
    }

    fn cpu_us(&self) -> f64 {
        self.kinds.iter().map(|kind| kind.cpu_us).sum()
    }

    /// Key, label, value and unit of what is told of the run.
    fn run_rows(&self, stats: &HeapStats, run_us: f64) -> [(&'static str, &'static str, f64, &'static str); 7] {
        let stopped_us = self.all.total_ns() as f64 / 1e3;
        let helper_us = stats.helper_cpu_ns as f64 / 1e3;
        let seconds = run_us / 1e6;
        let rate = |bytes: u64| if seconds > 0.0 { mib(bytes) / seconds } else { 0.0 };
        let part = |of: f64, all: f64| if all > 0.0 { 100.0 * of / all } else { 0.0 };
        let copied = stats.aged_bytes + stats.promoted_bytes;
        [
            ("length_ms", "length", run_us / 1e3, "ms"),
            ("paused_percent", "paused", part(stopped_us, run_us), "% of the run"),
            ("collector_cpu_ms", "collector's CPU time", (self.cpu_us() + helper_us) / 1e3, "ms"),
            ("helper_cpu_ms", "  of it on the helper", helper_us / 1e3, "ms"),
            ("allocated_mib_per_s", "allocated", rate(stats.eden_bytes + stats.old_allocated_bytes), "MiB/s"),
            ("promoted_mib_per_s", "promoted", rate(stats.promoted_bytes), "MiB/s"),
            (
                "survived_percent",
                "survived a collection",
                part(copied as f64, self.young_bytes as f64),
                "% of the nursery",
            ),
        ]
    }
}

/// The row of a kind in [`KINDS`].
pub fn row(kind: GcEventKind) -> usize {
    KINDS.iter().position(|other| *other == kind).expect("every kind has a row")
}

/// Bytes in MiB.
pub fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Key, label and bytes of what is told of the heap.
pub(super) fn heap_rows(stats: &HeapStats, limit_bytes: u64) -> [(&'static str, &'static str, Option<u64>); 9] {
    // Nothing is known of what lives before the first marking has ended.
    let live = (stats.majors > 0).then_some(stats.live_bytes);
    [
        ("allocated_young_bytes", "allocated in the nursery", Some(stats.eden_bytes)),
        ("allocated_old_bytes", "allocated as old", Some(stats.old_allocated_bytes)),
        ("aged_bytes", "copied within the nursery", Some(stats.aged_bytes)),
        ("promoted_bytes", "promoted", Some(stats.promoted_bytes)),
        ("moved_bytes", "moved within the old space", Some(stats.moved_bytes + stats.evacuated_bytes)),
        ("live_bytes", "live after the last major", live),
        ("committed_bytes", "memory in use", Some(stats.committed_bytes)),
        ("peak_bytes", "most memory in use", Some(stats.peak_bytes)),
        ("limit_bytes", "limit", Some(limit_bytes)),
    ]
}

/// Key, label and value of what is counted.
pub(super) fn count_rows(stats: &HeapStats) -> [(&'static str, &'static str, u64); 2] {
    [
        ("compactions", "compactions", stats.compactions),
        ("evacuated_blocks", "sparse blocks evacuated", stats.evacuated_blocks),
    ]
}
