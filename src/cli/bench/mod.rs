//! `heapwood bench`: times of calls, and every stop of the collector among them.

mod pauses;
mod subject;

pub use pauses::Pauses;

use super::engine_options::EngineOptions;
use super::failure::UsageError;
use super::trace::Trace;
use super::{module_file, not_yet};
use anyhow::{Context, Result, bail};
use clap::Args;
use heapwood::{Engine, Module};
use pauses::Quantiles;
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use subject::Measurement;

#[derive(Args)]
pub struct BenchArgs {
    /// The module, binary or text
    #[arg(value_name = "MODULE")]
    module: PathBuf,
    /// Call this export, of type (i32) -> i64; without it `_start` runs, in a fresh instance each time
    #[arg(long, value_name = "NAME")]
    invoke: Option<String>,
    /// Its argument
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
    arg: i32,
    /// Calls before the timed ones
    #[arg(long, value_name = "W", default_value_t = 1)]
    warmup: usize,
    /// Timed calls
    #[arg(long, value_name = "R", default_value_t = 5)]
    reps: usize,
    /// Afterwards call init() once and step(OPS) for COUNT timed times (and COUNT/4 untimed ones before)
    #[arg(long, value_name = "OPS:COUNT")]
    slice: Option<Slice>,
    /// Print one JSON object on one line
    #[arg(long)]
    json: bool,
    /// Write a report
    #[arg(long, value_name = "FILE", hide = true)]
    html: Option<PathBuf>,
    /// Only compile
    #[arg(long)]
    compile_only: bool,
    /// Threads that compile; 0 for all cores
    #[arg(long, value_name = "T", default_value_t = 0)]
    threads: usize,
    /// Arguments of the guest, when `_start` runs
    #[arg(last = true, value_name = "ARGS")]
    args: Vec<std::ffi::OsString>,

    #[command(flatten)]
    engine: EngineOptions,
}

/// `OPS:COUNT`.
#[derive(Clone, Copy)]
pub struct Slice {
    ops: i32,
    count: usize,
}

impl std::str::FromStr for Slice {
    type Err = String;

    fn from_str(text: &str) -> Result<Slice, String> {
        let parse = || {
            let (ops, count) = text.split_once(':')?;
            Some(Slice { ops: ops.parse().ok()?, count: count.parse().ok().filter(|count| *count > 0)? })
        };
        parse().ok_or_else(|| format!("`{text}` is not of the form OPS:COUNT"))
    }
}

pub fn run(args: &BenchArgs) -> Result<ExitCode> {
    not_yet::refuse("--html", args.html.is_some())?;
    if args.reps == 0 {
        return Err(UsageError::new("--reps 0: at least one call is measured").into());
    }
    let mut config = args.engine.config()?;
    config.compile_threads(args.threads);
    let engine = Engine::new(&config)?;
    let bytes = module_file::read(&args.module)?;
    let trace = args.engine.trace()?;
    let (module, compile) = Trace::step(trace.as_ref(), "compile", || timed(|| Module::new(&engine, &bytes)));
    let module = module.map_err(|error| module_file::named(&args.module, error))?;
    let object = if args.compile_only {
        Map::from_iter([("compile_ms".into(), compile.wall.into()), ("compile_cpu_ms".into(), compile.cpu.into())])
    } else {
        let measured = subject::measure(args, &engine, &module, trace.as_ref());
        report(args, &compile, &measured.with_context(|| args.module.display().to_string())?)?
    };
    print(&object, args.json);
    Ok(ExitCode::SUCCESS)
}

/// The fields of the contract.
fn report(args: &BenchArgs, compile: &Times, measured: &Measurement) -> Result<Map<String, Value>> {
    let timed_calls = &measured.calls[args.warmup..];
    let column = |field: fn(&Times) -> f64| timed_calls.iter().map(field).map(Value::from).collect::<Vec<_>>();
    let mut object = Map::new();
    if let Some(result) = measured.result {
        object.insert("result".into(), result.to_string().into());
    }
    object.insert("times_ms".into(), column(|times| times.wall).into());
    object.insert("cpu_ms".into(), column(|times| times.cpu).into());
    object.insert("first_ms".into(), measured.calls[0].wall.into());
    object.insert("compile_ms".into(), compile.wall.into());
    object.insert("instantiate_ms".into(), measured.instantiate_ms.into());
    object.insert("gc".into(), measured.pauses.json());
    object.insert("peak_rss_kib".into(), peak_rss_kib()?.into());
    if let (Some(slice), Some(times)) = (args.slice, &measured.slices) {
        let quantiles = Quantiles::of(times);
        let at = |per_mille| quantiles.at(per_mille);
        let mean = times.iter().sum::<f64>() / times.len() as f64;
        let object_of = json!({"ops": slice.ops, "slices": slice.count, "p50": at(500), "p99": at(990),
            "p999": at(999), "max": at(1000), "mean": mean});
        object.insert("slice_ms".into(), object_of);
    }
    Ok(object)
}

fn print(object: &Map<String, Value>, json: bool) {
    if json {
        println!("{}", Value::Object(object.clone()));
        return;
    }
    for (name, value) in object {
        println!("{name:<16} {value}");
    }
}

/// What something took, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    pub wall: f64,
    pub cpu: f64,
}

/// Does something and says what it took.
pub fn timed<R>(work: impl FnOnce() -> R) -> (R, Times) {
    let (cpu, start) = (thread_cpu(), Instant::now());
    let result = work();
    let wall = start.elapsed();
    let cpu = thread_cpu().saturating_sub(cpu);
    (result, Times { wall: milliseconds(wall), cpu: milliseconds(cpu) })
}

pub fn milliseconds(duration: Duration) -> f64 {
    duration.as_nanos() as f64 / 1e6
}

/// CPU time of this thread; zero where the kernel does not say.
fn thread_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let ns = text.split_ascii_whitespace().next().and_then(|field| field.parse().ok());
    Duration::from_nanos(ns.unwrap_or(0))
}

fn peak_rss_kib() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status").context("peak memory")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    match line.and_then(|line| line.split_ascii_whitespace().next()).and_then(|kib| kib.parse().ok()) {
        Some(kib) => Ok(kib),
        None => bail!("/proc/self/status names no VmHWM"),
    }
}
