//! `--html`: the runs of a measurement, for a page.

use super::metered;
use super::pauses::Quantiles;
use super::subject::{Measurement, Slices};
use super::sweep::Sweep;
use super::{BenchArgs, call_fields};
use crate::cli::failure::shown;
use crate::cli::page::{self, Facts, RunData, size};
use serde_json::{Map, Value, json};

/// The runs of this process: the one that was asked for, then those of a sweep.
pub fn runs(
    args: &BenchArgs,
    heap_limit_bytes: u64,
    report: &Map<String, Value>,
    measured: &Measurement,
    sweep: Option<&Sweep>,
) -> Vec<Value> {
    let facts = Facts::of_process(shown(&args.module), call(args));
    let limit = facts.with("heap limit", format!("heap of at most {}", size(heap_limit_bytes)));
    let mut runs = vec![run(&limit, None, heap_limit_bytes, report, measured)];
    for at in sweep.iter().flat_map(|sweep| &sweep.runs) {
        let mut fields = Map::new();
        call_fields(args, &at.measured, &mut fields);
        let limit = format!("heap of at most {}, {} × the least", size(at.heap_bytes), at.factor);
        let facts = facts.with("heap limit", limit);
        runs.push(run(&facts, Some(at.factor), at.heap_bytes, &fields, &at.measured));
    }
    runs
}

/// What is called, as a person would write it.
fn call(args: &BenchArgs) -> String {
    match &args.invoke {
        Some(export) => format!("{export}({})", args.arg),
        None => {
            let words: Vec<_> = args.args.iter().map(|arg| arg.to_string_lossy()).collect();
            format!("_start {}", words.join(" ")).trim_end().to_owned()
        }
    }
}

fn run(
    facts: &Facts,
    factor: Option<f64>,
    heap_limit_bytes: u64,
    report: &Map<String, Value>,
    measured: &Measurement,
) -> Value {
    // With slices, those are what a client sees; else the calls.
    let (what, recording) = match &measured.slices {
        Some(slices) => ("slices", &slices.pauses),
        None => ("calls", &measured.pauses),
    };
    let (series, run_ms) = (recording.series(), recording.length_ms());
    let latency = measured.slices.as_ref().map_or(Value::Null, latency);
    page::run(RunData { facts, what, factor, heap_limit_bytes, report, series: &series, run_ms, latency })
}

/// Percentile curves: `simple`, and metered by the length of the window in milliseconds or `full`.
fn latency(slices: &Slices) -> Value {
    let alone: Vec<f64> = slices.spans.iter().map(|span| span.end - span.begin).collect();
    let curve =
        |times: &[f64]| Quantiles::of(times).curve().into_iter().map(|(rarity, ms)| json!([rarity, ms])).collect();
    let mut curves = Map::new();
    curves.insert("simple".into(), curve(&alone));
    for (name, window_ms) in metered::windows() {
        curves.insert(name, curve(&metered::latencies(&slices.spans, window_ms)));
    }
    Value::Object(curves)
}
