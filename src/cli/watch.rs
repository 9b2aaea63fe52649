//! What the options let us see of a run: made with the store, finished when the guest has ended.

use super::gc_report::Figures;
use heapwood::{GcEvent, Store};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Hears of every event.
pub type Listener = Box<dyn FnMut(&GcEvent) + Send>;

/// See the module.
pub struct Watch {
    start: Instant,
    figures: Option<Arc<Mutex<Figures>>>,
}

impl Watch {
    /// Watches `store`: `listeners` hear of its events, and figures are kept if `with_figures`.
    pub fn new<T>(with_figures: bool, store: &mut Store<T>, mut listeners: Vec<Listener>) -> Watch {
        let figures = with_figures.then(|| Arc::new(Mutex::new(Figures::default())));
        if let Some(figures) = figures.clone() {
            listeners.push(Box::new(move |event| lock(&figures).add(event)));
        }
        if !listeners.is_empty() {
            store.on_gc(move |event| listeners.iter_mut().for_each(|listener| listener(event)));
        }
        Watch { start: Instant::now(), figures }
    }

    /// Prints and writes what was asked for.
    pub fn finish<T>(&self, store: &Store<T>) {
        if let Some(figures) = &self.figures {
            let run_us = self.start.elapsed().as_nanos() as f64 / 1e3;
            eprint!("{}", lock(figures).table(&store.gc_stats(), run_us));
        }
    }
}

fn lock(figures: &Mutex<Figures>) -> std::sync::MutexGuard<'_, Figures> {
    figures.lock().unwrap_or_else(PoisonError::into_inner)
}
