//! What the options let us see of a run: made with the store, finished when the guest has ended.

use super::gc_report::Figures;
use super::trace::Trace;
use heapwood::{GcEvent, Store};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Hears of every event.
pub type Listener = Box<dyn FnMut(&GcEvent) + Send>;

/// See the module.
pub struct Watch {
    start: Instant,
    figures: Option<Arc<Mutex<Figures>>>,
    trace: Option<Trace>,
}

impl Watch {
    /// Watches `store`: `listeners` hear of its events, `trace` of them and of calls of host functions, and figures
    /// are kept if `with_figures`.
    pub fn new<T>(
        with_figures: bool,
        trace: Option<&Trace>,
        store: &mut Store<T>,
        mut listeners: Vec<Listener>,
    ) -> Watch {
        let figures = with_figures.then(|| Arc::new(Mutex::new(Figures::default())));
        if let Some(figures) = figures.clone() {
            listeners.push(Box::new(move |event| lock(&figures).add(event)));
        }
        if let Some(trace) = trace {
            let (of_stops, of_calls, born) = (trace.clone(), trace.clone(), store.gc_epoch());
            listeners.push(Box::new(move |event| of_stops.stop(born, event)));
            store.on_host_call(move |call| of_calls.host_call(call));
            trace.resume();
        }
        if !listeners.is_empty() {
            store.on_gc(move |event| listeners.iter_mut().for_each(|listener| listener(event)));
        }
        Watch { start: Instant::now(), figures, trace: trace.cloned() }
    }

    /// Prints and writes what was asked for.
    pub fn finish<T>(&self, store: &Store<T>) {
        if let Some(figures) = &self.figures {
            let run_us = self.start.elapsed().as_nanos() as f64 / 1e3;
            eprint!("{}", lock(figures).table(&store.gc_stats(), run_us));
        }
        if let Some(trace) = &self.trace {
            trace.end();
        }
    }
}

fn lock(figures: &Mutex<Figures>) -> std::sync::MutexGuard<'_, Figures> {
    figures.lock().unwrap_or_else(PoisonError::into_inner)
}
