//! Watching a run, as the options ask: set up when the store is made, finished when the guest has ended.

use super::failure::shown;
use super::gc_report::{Figures, StatsForm};
use super::output;
use super::trace::Trace;
use anyhow::{Context, Result};
use heapwood::{GcEvent, Store};
use parking_lot::Mutex;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// A function that is called with every event.
pub type Listener = Box<dyn FnMut(&GcEvent) + Send>;

/// Files that are written at exit.
#[derive(Default)]
pub struct Outputs {
    /// Written when the heap is full, or else at exit.
    pub snapshot: Option<Output>,
    pub profile: Option<Output>,
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
    pub fn create(option: &'static str, path: &Path) -> Result<Output> {
        let file = File::create(path).with_context(|| format!("{option} {}", shown(path)))?;
        Ok(Output { option, path: path.to_owned(), file: Arc::new(Mutex::new(Some(file))) })
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
    figures: Option<(StatsForm, Arc<Mutex<Figures>>)>,
    trace: Option<Trace>,
    outputs: Outputs,
}

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
        let figures = stats.map(|form| (form, Arc::new(Mutex::new(Figures::default()))));
        if let Some((_, figures)) = figures.clone() {
            listeners.push(Box::new(move |event| figures.lock().add(event)));
        }
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
        if !listeners.is_empty() {
            store.on_gc(move |event| listeners.iter_mut().for_each(|listener| listener(event)));
        }
        Watch { start: Instant::now(), figures, trace: trace.cloned(), outputs }
    }

    /// Prints and writes what was asked for.
    pub fn finish<T>(&self, store: &mut Store<T>) {
        if let Some((form, figures)) = &self.figures {
            let run_us = self.start.elapsed().as_nanos() as f64 / 1e3;
            let (stats, limit_bytes) = (store.gc_stats(), store.memory_stats().heap.limit_bytes);
            let figures = figures.lock();
            output::print_error(&match form {
                StatsForm::Table => figures.table(&stats, limit_bytes, run_us),
                StatsForm::Json => format!("{}\n", figures.json(&stats, limit_bytes, run_us)),
            });
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
    }
}
