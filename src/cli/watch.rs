//! Watching a run, as the options ask: set up when the store is made, finished when the guest has ended.

use super::failure::shown;
use super::file_name;
use super::gc_report::{Figures, GcReport, StatsForm};
use super::histogram;
use super::output;
use super::page::{self, Facts, RecordedPause, RunData, Series, size};
use super::profile::{self, LongestPauses, ProfileFormat};
use super::trace::Trace;
use anyhow::{Context, Result};
use heapwood::{GcEvent, Module, Store};
use parking_lot::Mutex;
use serde_json::Value;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Instant;

/// A function that is called with every event.
pub type Listener = Box<dyn FnMut(&GcEvent) + Send>;

/// Files that are written at exit.
#[derive(Default)]
pub struct Outputs {
    /// Written when the heap is full, or else at exit.
    pub snapshot: Option<Output>,
    pub profile: Option<Output>,
    /// Of CPU time.
    pub cpu_profile: Option<CpuProfileOutput>,
    pub report: Option<RunReport>,
}

/// `--gc-report`: a page about one run.
pub struct RunReport {
    output: Output,
    facts: Facts,
    series: Arc<Mutex<Series>>,
}

impl RunReport {
    /// An empty file, of a run about which `facts` are known.
    pub fn create(path: &Path, facts: Facts) -> Result<RunReport> {
        Ok(RunReport { output: Output::create("--gc-report", path)?, facts, series: Arc::default() })
    }

    fn listener(&self) -> Listener {
        let series = self.series.clone();
        Box::new(move |event| series.lock().add(&RecordedPause::of(event, 0.0)))
    }

    /// `figures` are those of `--gc-stats`.
    fn write(&self, figures: &Value, limit_bytes: u64, run_us: f64) {
        let Value::Object(report) = figures else { return };
        let run = page::run(RunData {
            facts: &self.facts.with("heap limit", format!("heap of at most {}", size(limit_bytes))),
            what: "run",
            factor: None,
            heap_limit_bytes: limit_bytes,
            report,
            series: &self.series.lock(),
            run_ms: run_us / 1e3,
            latency: Value::Null,
        });
        self.output.write(|file| page::write(BufWriter::new(file), vec![run]));
    }
}

/// A file for a profile of CPU time.
pub struct CpuProfileOutput {
    pub output: Output,
    pub format: ProfileFormat,
    /// Pauses that are shown beside it, where its form has a place for them.
    pub pauses: LongestPauses,
}

impl CpuProfileOutput {
    /// Who keeps the pauses, if they are shown.
    pub fn listener(&self) -> Option<Listener> {
        let pauses = self.pauses.clone();
        (self.format == ProfileFormat::Firefox).then(|| -> Listener { Box::new(move |event| pauses.add(event)) })
    }
}

/// Who hears of the collector's pauses: those that were there from the beginning, and a log and a profile that were
/// attached.
#[derive(Clone)]
pub struct GcListeners(Arc<Mutex<Heard>>);

struct Heard {
    /// From which times of pauses count.
    born: Instant,
    fixed: Vec<Listener>,
    attached: Option<GcReport>,
    recorded: Option<LongestPauses>,
}

impl GcListeners {
    /// A pause.
    pub fn hear(&self, event: &GcEvent) {
        let Heard { fixed, attached, recorded, .. } = &mut *self.0.lock();
        fixed.iter_mut().for_each(|listener| listener(event));
        if let Some(log) = attached {
            log.write(event);
        }
        if let Some(pauses) = recorded {
            pauses.add(event);
        }
    }

    /// Puts a log in place of the one that was attached, which is returned.
    pub fn attach(&self, log: Option<GcReport>) -> Option<GcReport> {
        std::mem::replace(&mut self.0.lock().attached, log)
    }

    /// Keeps pauses from now on, or does not; those that were kept until now.
    pub fn record(&self, is_on: bool) -> Option<LongestPauses> {
        let heard = &mut *self.0.lock();
        let fresh = is_on.then(|| LongestPauses::new(heard.born));
        std::mem::replace(&mut heard.recorded, fresh)
    }

    /// Whether nobody hears.
    pub fn are_none(&self) -> bool {
        let heard = self.0.lock();
        heard.fixed.is_empty() && heard.attached.is_none() && heard.recorded.is_none()
    }
}

/// How a run is watched, as far as whoever attaches to it has to know.
#[derive(Clone)]
pub struct Watched {
    /// They go with the store: what they write to is whole then.
    listeners: Weak<Mutex<Heard>>,
    has_profile: bool,
    has_allocations: bool,
}

impl Watched {
    /// Who hears of pauses.
    ///
    /// # Errors
    /// The program has ended.
    pub fn listeners(&self) -> Result<GcListeners, String> {
        self.listeners.upgrade().map(GcListeners).ok_or_else(|| "the program has ended".to_owned())
    }

    /// # Errors
    /// The run has a profile of CPU time of its own.
    pub fn check_profile(&self) -> Result<(), String> {
        refuse(self.has_profile, "--profile")
    }

    /// # Errors
    /// The run has a profile of allocation of its own.
    pub fn check_allocations(&self) -> Result<(), String> {
        refuse(self.has_allocations, "--alloc-profile")
    }
}

fn refuse(is_taken: bool, option: &str) -> Result<(), String> {
    if is_taken {
        Err(format!("the program runs with {option}, which has the profile of the whole run"))
    } else {
        Ok(())
    }
}

/// A file that is written once.
#[derive(Clone)]
pub struct Output {
    option: &'static str,
    path: PathBuf,
    file: Arc<Mutex<Option<File>>>,
}

impl Output {
    /// An empty file that an option names.
    ///
    /// # Errors
    /// The name means nothing ([`file_name`]), or the system refuses.
    pub fn create(option: &'static str, given: &Path) -> Result<Output> {
        let path = file_name::expand(option, given)?;
        let file = File::create(&path).with_context(|| format!("{option} {}", shown(&path)))?;
        Ok(Output { option, path, file: Arc::new(Mutex::new(Some(file))) })
    }

    /// Writes the file, unless that was done. A refusal is said.
    pub fn write(&self, write: impl FnOnce(File) -> std::io::Result<()>) {
        if let Some(file) = self.file.lock().take()
            && let Err(error) = write(file)
        {
            output::refused(&format!("{} {}", self.option, shown(&self.path)), &error);
        }
    }
}

/// What watches a run; see the module.
pub struct Watch {
    start: Instant,
    figures: Option<Arc<Mutex<Figures>>>,
    stats: Option<StatsForm>,
    trace: Option<Trace>,
    outputs: Outputs,
    listeners: GcListeners,
    prints_histogram: bool,
}

/// Types of `--heap-histogram`.
const HISTOGRAM_ROWS: usize = 50;

impl Watch {
    /// Watches `store`: `listeners` hear of its events, `trace` of them and of calls of host functions, and figures
    /// are kept if they are asked for in a form.
    pub fn new<T>(
        stats: Option<StatsForm>,
        trace: Option<&Trace>,
        outputs: Outputs,
        store: &mut Store<T>,
        mut listeners: Vec<Listener>,
    ) -> Watch {
        let figures = (stats.is_some() || outputs.report.is_some()).then(Arc::<Mutex<Figures>>::default);
        if let Some(figures) = figures.clone() {
            listeners.push(Box::new(move |event| figures.lock().add(event)));
        }
        listeners.extend(outputs.report.as_ref().map(RunReport::listener));
        if let Some(trace) = trace {
            let (of_stops, of_calls, born) = (trace.clone(), trace.clone(), store.gc_epoch());
            listeners.push(Box::new(move |event| of_stops.stop(born, event)));
            let of_helpers = trace.clone();
            store.on_gc_helper(move |span| of_helpers.helper(born, span));
            store.on_host_call(move |call| of_calls.host_call(call));
            trace.resume();
        }
        if let Some(snapshot) = outputs.snapshot.clone() {
            store.on_heap_exhausted(move |heap| snapshot.write(|file| heap.heap_snapshot(file)));
        }
        listeners.extend(outputs.cpu_profile.as_ref().and_then(CpuProfileOutput::listener));
        let is_heard = !listeners.is_empty();
        let heard = Heard { born: store.gc_epoch(), fixed: listeners, attached: None, recorded: None };
        let heard = GcListeners(Arc::new(Mutex::new(heard)));
        if is_heard {
            let listeners = heard.clone();
            store.on_gc(move |event| listeners.hear(event));
        }
        let (start, trace) = (Instant::now(), trace.cloned());
        Watch { start, figures, stats, trace, outputs, listeners: heard, prints_histogram: false }
    }

    /// Has the objects of the heap counted by type at exit.
    pub fn print_histogram(&mut self, prints: bool) {
        self.prints_histogram = prints;
    }

    /// What whoever attaches has to know.
    pub fn watched(&self) -> Watched {
        let Outputs { profile, cpu_profile, .. } = &self.outputs;
        let (has_profile, has_allocations) = (cpu_profile.is_some(), profile.is_some());
        Watched { listeners: Arc::downgrade(&self.listeners.0), has_profile, has_allocations }
    }

    /// Prints the figures, and writes the page, as far as they were asked for.
    fn tell<T>(&self, figures: &Figures, store: &mut Store<T>) {
        let run_us = self.start.elapsed().as_nanos() as f64 / 1e3;
        let (stats, limit_bytes) = (store.gc_stats(), store.memory_stats().heap.limit_bytes);
        let json = || figures.json(&stats, limit_bytes, run_us);
        if let Some(form) = self.stats {
            output::print_error(&match form {
                StatsForm::Table => figures.table(&stats, limit_bytes, run_us) + &tier_line(store),
                StatsForm::Json => format!("{}\n", json()),
            });
        }
        if let Some(report) = &self.outputs.report {
            report.write(&json(), limit_bytes, run_us);
        }
    }

    /// Prints and writes what was asked for.
    pub fn finish<T>(&self, store: &mut Store<T>) {
        if let Some(figures) = &self.figures {
            self.tell(&figures.lock(), store);
        }
        if self.prints_histogram {
            match store.histogram() {
                Ok(counted) => output::print_error(&histogram::table(&counted, HISTOGRAM_ROWS)),
                Err(error) => output::refused("--heap-histogram", &std::io::Error::other(error.to_string())),
            }
        }
        if let Some(trace) = &self.trace {
            trace.end();
        }
        if let Some(snapshot) = &self.outputs.snapshot {
            snapshot.write(|file| store.heap_snapshot(file));
        }
        if let Some(profile) = &self.outputs.profile {
            profile.write(|file| {
                let mut lines = BufWriter::new(file);
                store.write_allocation_profile(&mut lines)?;
                lines.flush()
            });
        }
        if let Some(CpuProfileOutput { output, format, pauses }) = &self.outputs.cpu_profile
            && let Some(profile) = store.take_cpu_profile()
        {
            output.write(|file| profile::write(&profile, *format, Some(pauses), file));
        }
    }
}

/// A line on functions that were compiled again; empty if none was.
fn tier_line<T>(store: &mut Store<T>) -> String {
    let mut modules: Vec<Module> = Vec::new();
    for instance in store.instances().collect::<Vec<_>>() {
        let module = instance.module(&*store);
        if !modules.iter().any(|known| Module::same(known, &module)) {
            modules.push(module);
        }
    }
    let functions: usize = modules.iter().map(Module::hot_functions).sum();
    let bytes: usize = modules.iter().flat_map(Module::recompiled).map(|again| again.bytes).sum();
    if bytes == 0 {
        return String::new();
    }
    let frames: u64 = modules.iter().map(Module::replaced_frames).sum();
    let kib = bytes.div_ceil(1024);
    format!("functions compiled again: {functions}, with {kib} KiB of code; loops that went on in it: {frames}\n")
}
