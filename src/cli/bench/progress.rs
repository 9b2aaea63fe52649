//! What `bench` is doing, on a terminal, and the end that somebody asks for while it does.
//!
//! The first SIGINT, SIGTERM or SIGHUP ends the guest that runs: what was measured until then is reported.

use crate::cli::output;
use crate::cli::signals::Signals;
use heapwood::InterruptHandle;
use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;

/// How often the line is written anew while nothing happens.
const TICK: Duration = Duration::from_millis(200);

/// Steps of a measurement, and whether it is to end.
pub struct Progress {
    /// Shown on the standard error if that is a terminal.
    bar: ProgressBar,
    signals: Signals,
    /// The guest that runs.
    guest: Arc<Mutex<Option<InterruptHandle>>>,
}

impl Progress {
    /// Watches signals from now on.
    pub fn watch() -> Progress {
        let guest = Arc::new(Mutex::new(None::<InterruptHandle>));
        let running = guest.clone();
        let end = move || {
            if let Some(guest) = &*running.lock() {
                guest.interrupt();
            }
        };
        let bar = ProgressBar::no_length();
        // Only its own tick draws it, so that no measured call waits for the terminal.
        if output::is_terminal() {
            bar.enable_steady_tick(TICK);
        }
        Progress { bar, signals: Signals::watch(end, None::<fn()>), guest }
    }

    /// What is done next, in so many steps.
    pub fn begin(&self, what: impl Into<String>, steps: usize) {
        let text = "{spinner} {msg}: {pos} of {len} in {elapsed}, {eta} left";
        let text = if steps > 1 { text } else { "{spinner} {msg}: {elapsed}" };
        self.bar.set_style(ProgressStyle::with_template(text).expect("a template"));
        self.bar.reset();
        self.bar.set_length(steps as u64);
        self.bar.set_message(what.into());
    }

    /// A step is done.
    pub fn step(&self) {
        self.bar.inc(1);
    }

    /// The guest that runs from now on.
    pub fn guest(&self, guest: InterruptHandle) {
        *self.guest.lock() = Some(guest);
    }

    /// Whether somebody asked for the end.
    pub fn is_ended(&self) -> bool {
        self.status().is_some()
    }

    /// The exit status of what a signal ended, as a shell has it.
    pub fn status(&self) -> Option<u8> {
        self.signals.status()
    }

    /// The line goes.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
