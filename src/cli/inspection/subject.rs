//! The program that is inspected, as far as others than its own thread may know it.

use crate::cli::run::{SourceMaps, frames};
use crate::cli::watch::Watched;
use heapwood::source_map::SourceMap;
use heapwood::{Inspector, Module, WasmBacktrace};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// What is known of the program beside its store.
pub struct Subject {
    pub inspector: Inspector,
    /// Each module with the file that it is of; the program's comes last.
    pub modules: Vec<(Module, PathBuf)>,
    /// The source map of `--source-map`.
    pub source_map: Option<Arc<SourceMap>>,
    pub watched: Watched,
    /// When it began to run.
    pub start: Instant,
}

impl Subject {
    /// A backtrace with lines of the source. It takes its time, on this thread.
    pub fn text_of(&self, backtrace: &WasmBacktrace) -> String {
        let modules = self.modules.iter().map(|(module, path)| (module, &**path)).collect();
        frames::text(backtrace, &SourceMaps { given: self.source_map.as_deref(), modules })
    }
}
