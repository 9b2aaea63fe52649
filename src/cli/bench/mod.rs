//! `heapwood bench`: times of calls, and every pause of the collector among them.

mod metered;
mod overhead;
mod page;
mod pauses;
mod progress;
mod subject;
mod sweep;
mod table;

pub use pauses::Pauses;
pub use table::time;

use super::engine_options::EngineOptions;
use super::failure::{UsageError, shown};
use super::host::SurfaceOptions;
use super::json_text::json_text;
use super::module_file;
use super::output::{self, line};
use super::page::{earlier_runs, write as write_page};
use super::perf_map::PerfMap;
use super::trace::Trace;
use anyhow::{Context, Result, bail};
use clap::Args;
use heapwood::{Engine, Module};
use pauses::Quantiles;
use progress::Progress;
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Map, Value};
use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use subject::Measurement;
use sweep::Factors;

#[derive(Args)]
pub struct BenchArgs {
    /// The module, binary or text
    #[arg(value_name = "MODULE")]
    module: PathBuf,
    /// Call this export, of type (i32) -> i64; without it `_start` runs, in a fresh instance each time
    #[arg(long, value_name = "NAME")]
    invoke: Option<String>,
    /// Argument of that export
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
    /// Measure at multiples of the least heap, which is found by trying, for instance 1.5,2,3,4,6
    #[arg(long, value_name = "FACTORS")]
    gc_heap_sweep: Option<Factors>,
    /// Run the calls without a collector too, and tell the lower bound of what collecting costs
    #[arg(long)]
    overhead: bool,
    /// Write a page about times, pauses and the heap, one file to open in a browser (docs/pauses.md)
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Show the runs of an earlier page (of --html, or of `run --gc-report`) beside this one
    #[arg(long, value_name = "FILE", requires = "html")]
    compare: Vec<PathBuf>,
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
    surfaces: SurfaceOptions,

    #[command(flatten)]
    perf_map: PerfMap,

    #[command(flatten)]
    engine: EngineOptions,
}

/// `OPS:COUNT`.
#[derive(Clone, Copy, Debug)]
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
    if args.reps == 0 {
        return Err(UsageError::new("--reps 0: at least one call is measured").into());
    }
    let mut config = args.engine.config()?;
    config.compile_threads(args.threads);
    let engine = Engine::new(&config)?;
    let progress = Progress::watch();
    let instead = "measure the core module that it was made of (`wasm-tools component unbundle` takes it out)";
    let file = module_file::read_core(&args.module, "bench", instead)?;
    let trace = args.engine.trace()?;
    progress.begin("compile", 1);
    let (module, compile) = Trace::step(trace.as_ref(), "compile", || timed(|| Module::new(&engine, file.bytes())));
    let module = module.map_err(|error| file.named(error))?;
    file.tell("compiled", module.info(), &compile);
    if args.compile_only {
        progress.finish();
        let mut fields = Map::new();
        fields.insert("compile_ms".into(), compile.wall.into());
        fields.insert("compile_cpu_ms".into(), compile.cpu.into());
        fields.insert("peak_rss_kib".into(), peak_rss_kib()?.into());
        print(&fields, args.json);
        return Ok(ExitCode::SUCCESS);
    }
    args.perf_map.write([&module])?;
    let earlier = args.compare.iter().map(|path| earlier_runs(path)).collect::<Result<Vec<_>>>()?;
    let name = || args.module.display().to_string();
    let desk = Desk { args, progress: &progress };
    progress.begin("calls", args.warmup + args.reps);
    let measured = subject::measure(desk, &engine, &module, trace.as_ref(), args.warmup + args.reps, args.slice);
    let measured = measured.with_context(name)?;
    // With what was compiled again meanwhile.
    args.perf_map.write_again([&module].into_iter())?;
    if measured.calls.len() <= args.warmup {
        progress.finish();
        return ended_without_a_call(&progress);
    }
    let mut object = report(args, &compile, &measured)?;
    if args.overhead && !progress.is_ended() {
        object.insert("lower_bound".into(), overhead::json(desk, &config, file.bytes(), &measured));
    }
    let factors = args.gc_heap_sweep.as_ref().filter(|_| !progress.is_ended());
    let sweep = factors.map(|Factors(factors)| sweep::sweep(desk, &config, file.bytes(), factors)).transpose();
    let sweep = sweep.with_context(name)?.flatten();
    progress.finish();
    if progress.is_ended() {
        object.insert("interrupted".into(), true.into());
    }
    if let Some(sweep) = &sweep {
        object.insert("heap_sweep".into(), sweep.json(args));
    }
    if let Some(path) = &args.html {
        let runs = page::runs(args, engine.limits().heap_bytes, &object, &measured, sweep.as_ref());
        let runs = runs.into_iter().chain(earlier.into_iter().flatten()).collect();
        let written = File::create(path).and_then(|file| write_page(BufWriter::new(file), runs));
        written.with_context(|| format!("--html {}", shown(path)))?;
    }
    print(&object, args.json);
    Ok(progress.status().map_or(ExitCode::SUCCESS, ExitCode::from))
}

/// Somebody asked for the end before a timed call was over.
fn ended_without_a_call(progress: &Progress) -> Result<ExitCode> {
    let status = progress.status().context("all calls were made")?;
    output::print_error("interrupted before a timed call ended: there is nothing to report");
    Ok(status.into())
}

/// What a measurement is made with.
#[derive(Clone, Copy)]
pub struct Desk<'a> {
    pub args: &'a BenchArgs,
    pub progress: &'a Progress,
}

/// The fields of the contract for `bench --json`, and those that were added since.
fn report(args: &BenchArgs, compile: &Times, measured: &Measurement) -> Result<Map<String, Value>> {
    let mut object = Map::new();
    if let Some(result) = measured.result {
        object.insert("result".into(), result.to_string().into());
    }
    object.insert("first_ms".into(), measured.calls[0].wall.into());
    object.insert("compile_ms".into(), compile.wall.into());
    object.insert("instantiate_ms".into(), measured.instantiate_ms.into());
    object.insert("peak_rss_kib".into(), peak_rss_kib()?.into());
    call_fields(args, measured, &mut object);
    Ok(object)
}

/// The fields that describe any series of calls: times, pauses, utilisation, slices.
fn call_fields(args: &BenchArgs, measured: &Measurement, object: &mut Map<String, Value>) {
    let timed_calls = &measured.calls[args.warmup..];
    let column = |field: fn(&Times) -> f64| timed_calls.iter().map(field).map(Value::from).collect::<Vec<_>>();
    object.insert("times_ms".into(), column(|times| times.wall).into());
    object.insert("cpu_ms".into(), column(|times| times.cpu).into());
    object.insert("gc".into(), measured.pauses.json());
    object.insert("gc_kinds".into(), measured.pauses.kinds_json());
    object.insert("mmu".into(), measured.pauses.mmu_json());
    if let (Some(slice), Some(slices)) = (args.slice, &measured.slices) {
        let times: Vec<f64> = slices.spans.iter().map(|span| span.end - span.begin).collect();
        let mut fields = Quantiles::of(&times).json();
        fields["ops"] = slice.ops.into();
        fields["slices"] = slice.count.into();
        fields["mean"] = (times.iter().sum::<f64>() / times.len() as f64).into();
        fields["metered"] = metered::json(&slices.spans);
        fields["gc"] = slices.pauses.json();
        object.insert("slice_ms".into(), fields);
    }
}

fn print(object: &Map<String, Value>, json: bool) {
    match json {
        true => line!("{}", json_text(&Value::Object(object.clone()))),
        false => output::print(format_args!("{}", table::table(object))),
    }
}

/// What something took, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    pub wall: f64,
    pub cpu: f64,
    /// The part of the wall-clock time that the collector's pauses took; 0 if that was not measured.
    pub stopped: f64,
}

/// Runs `work`, and returns its result with the time that it took.
pub fn timed<R>(work: impl FnOnce() -> R) -> (R, Times) {
    let (cpu, start) = (thread_cpu(), Instant::now());
    let result = work();
    let wall = start.elapsed();
    let cpu = thread_cpu().saturating_sub(cpu);
    (result, Times { wall: milliseconds(wall), cpu: milliseconds(cpu), stopped: 0.0 })
}

pub fn milliseconds(duration: Duration) -> f64 {
    duration.as_nanos() as f64 / 1e6
}

/// CPU time of this thread.
fn thread_cpu() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

fn peak_rss_kib() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status").context("peak memory")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    match line.and_then(|line| line.split_ascii_whitespace().next()).and_then(|kib| kib.parse().ok()) {
        Some(kib) => Ok(kib),
        None => bail!("/proc/self/status names no VmHWM"),
    }
}
