//! Signals that end the guest, and not the process: what was asked for at exit is written then. And one that asks how
//! the guest is.

use super::output;
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
    /// From now on the first of these signals calls `end_guest`, on a thread of its own, which ends the guest in compiled
    /// code or in a wait; a second one calls it again, and ends the process as if nobody watched. Where they cannot be
    /// watched, since the system refuses a thread, the first one does. Whoever started us with a signal ignored (`nohup`,
    /// a job in the background of a script) wants it ignored. At SIGQUIT, `tell` is called if there is one, and the guest
    /// goes on.
    pub fn watch(end_guest: impl Fn() + Send + 'static, tell: Option<impl Fn() + Send + 'static>) -> Signals {
        let came = Arc::new(AtomicI32::new(0));
        let asking = tell.is_some().then_some(SIGQUIT);
        let watched: Vec<i32> = ENDING.into_iter().chain(asking).filter(|signal| !is_ignored(*signal)).collect();
        let first = came.clone();
        // The thread itself begins to watch, so that nothing is changed if there is none.
        let (watches, is_watching) = mpsc::channel();
        let watch = move || {
            let signals = iterator::Signals::new(watched);
            let _ = watches.send(());
            let Ok(mut signals) = signals else { return };
            for signal in signals.forever() {
                if let Some(tell) = tell.as_ref().filter(|_| signal == SIGQUIT) {
                    tell();
                    continue;
                }
                if first.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst).is_err() {
                    let _ = low_level::emulate_default_handler(signal);
                }
                end_guest();
            }
        };
        match Builder::new().name("signals".to_owned()).spawn(watch) {
            Ok(_) => _ = is_watching.recv(),
            Err(error) => output::warn(&format!(
                "the system refuses a thread that waits for signals ({error}): the first one ends the process, and logs \
                 and statistics are not completed then"
            )),
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
