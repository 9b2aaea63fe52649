//! `--overhead`: a lower bound of what collecting costs, beside runs that never collect.
//!
//! The cost of a collector is its time against a run whose memory is managed for nothing. There is no such run, but
//! every run takes at least as long; the cheapest one known, less its pauses, is the nearest. What is told is never
//! more than the true cost: a bound from below (after Cai, Blackburn, Bond, Maas).

use super::subject::{self, Measurement};
use super::{BenchArgs, Desk, Times};
use anyhow::{Result, bail};
use heapwood::{Config, Engine, Module};
use serde_json::{Value, json};

/// Compares `measured` with the same calls without a collector, a fresh instance each.
pub fn json(desk: Desk<'_>, config: &Config, bytes: &[u8], measured: &Measurement) -> Value {
    match without_collector(desk, config, bytes) {
        Ok(none) => compare(desk.args, measured, &none),
        Err(error) => json!({"error": format!("{error:#}")}),
    }
}

/// The timed calls without a collector. Each has a heap of its own, since nothing in it is ever freed.
fn without_collector(desk: Desk<'_>, config: &Config, bytes: &[u8]) -> Result<Vec<Times>> {
    let mut config = config.clone();
    config.gc_none(true).gc_heap_max(heapwood::HEAP_BYTES_LIMIT);
    let engine = Engine::new(&config)?;
    let module = Module::new(&engine, bytes)?;
    let mut calls = Vec::new();
    desk.progress.begin("calls without a collector", desk.args.reps);
    for _ in 0..desk.args.reps {
        calls.extend(subject::measure(desk, &engine, &module, None, 1, None)?.calls);
    }
    if desk.progress.is_ended() {
        bail!("interrupted");
    }
    Ok(calls)
}

fn compare(args: &BenchArgs, measured: &Measurement, none: &[Times]) -> Value {
    let least = |calls: &[Times], of: fn(&Times) -> f64| calls.iter().map(of).fold(f64::INFINITY, f64::min);
    let calls = &measured.calls[args.warmup..];
    let (wall, cpu) = (least(calls, |times| times.wall), least(calls, |times| times.cpu));
    let (none_wall, none_cpu) = (least(none, |times| times.wall), least(none, |times| times.cpu));
    let without_pauses = least(calls, |times| times.wall - times.stopped);
    let ideal = none_wall.min(without_pauses);
    json!({"none_ms": none_wall, "none_cpu_ms": none_cpu, "best_ms": wall, "best_cpu_ms": cpu,
        "without_pauses_ms": without_pauses, "ideal_ms": ideal, "overhead": wall / ideal})
}
