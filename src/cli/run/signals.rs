//! Signals that end the guest, and not the process: what was asked for at exit is written then. And one that asks how
//! the guest is.

use heapwood::InterruptHandle;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::{iterator, low_level};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::Builder;

const ENDING: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];

/// Which signal came.
pub struct Signals {
    /// The first one's number; 0 if none came yet.
    came: Arc<AtomicI32>,
}

impl Signals {
    /// From now on the first of these signals ends the guest, in compiled code or in a wait; a second one ends the
    /// process as if nobody watched. Where they cannot be watched, since the system refuses a thread, the first one
    /// does. Whoever started us with a signal ignored (`nohup`, a job in the background of a script) wants it ignored.
    /// At SIGQUIT, `tell` is called, and the guest goes on.
    pub fn end(guest: InterruptHandle, tell: impl Fn() + Send + 'static) -> Signals {
        let came = Arc::new(AtomicI32::new(0));
        let watched: Vec<i32> = ENDING.into_iter().chain([SIGQUIT]).filter(|signal| !is_ignored(*signal)).collect();
        let first = came.clone();
        // The thread itself begins to watch, so that nothing is changed if there is none.
        let (watches, is_watching) = mpsc::channel();
        let watch = move || {
            let signals = iterator::Signals::new(watched);
            let _ = watches.send(());
            let Ok(mut signals) = signals else { return };
            for signal in signals.forever() {
                if signal == SIGQUIT {
                    tell();
                    continue;
                }
                if first.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst).is_err() {
                    let _ = low_level::emulate_default_handler(signal);
                }
                guest.interrupt();
            }
        };
        if Builder::new().name("signals".to_owned()).spawn(watch).is_ok() {
            let _ = is_watching.recv();
        }
        Signals { came }
    }

    /// The status of what the signal that came ends, as a shell has it.
    pub fn status(&self) -> Option<u8> {
        match self.came.load(Ordering::SeqCst) {
            0 => None,
            signal => Some(128 + signal as u8),
        }
    }
}

/// Whether this process ignores a signal, as far as the system says.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 << (signal - 1) != 0)
}
