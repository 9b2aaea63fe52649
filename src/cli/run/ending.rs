//! How a guest ends, as message and exit status.

use super::{frames, thrown};
use crate::cli::failure::{STATUS_INTERRUPT, STATUS_TIMEOUT, STATUS_TRAP, say, shown};
use crate::cli::host::Host;
use crate::cli::module_file;
use crate::cli::units::DurationArg;
use anyhow::Result;
use heapwood::surfaces::HostTrap;
use heapwood::wasi::ProcExit;
use heapwood::{Error, ErrorKind, Module, Store, Trap, TrapKind};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::Builder;

/// Limits as the user gave them, for messages.
pub struct Limits {
    pub heap: Option<String>,
    pub stack: String,
    pub memory: Option<String>,
}

/// How a guest ended.
pub enum End {
    /// Its entry returned.
    Returned,
    /// It called `proc_exit` with this code.
    Exited(u32),
    /// The user ended it.
    Interrupted,
    /// It trapped, threw, or took too long.
    Failed(Told),
}

/// What is said of a guest that failed.
pub struct Told {
    file: String,
    message: String,
    backtrace: Option<String>,
    status: u8,
}

impl End {
    /// The exit status, after saying on stderr what happened.
    pub fn status(&self) -> ExitCode {
        match self {
            End::Returned => ExitCode::SUCCESS,
            End::Exited(code) => ExitCode::from((code & 0xff) as u8),
            End::Interrupted => STATUS_INTERRUPT.into(),
            End::Failed(told) => {
                say(&format!("error: {}: {}", told.file, told.message));
                if let Some(backtrace) = &told.backtrace {
                    say(backtrace);
                }
                told.status.into()
            }
        }
    }
}

impl Told {
    /// The message, and the backtrace where there is one, in lines.
    pub fn text(&self) -> String {
        match &self.backtrace {
            Some(backtrace) => format!("{}\n{backtrace}", self.message),
            None => self.message.clone(),
        }
    }

    /// Whether `--timeout` was over.
    pub fn is_timeout(&self) -> bool {
        self.status == STATUS_TIMEOUT
    }
}

/// What is needed to tell how a guest ended. Made before the guest starts.
pub struct Ending<'a> {
    path: &'a Path,
    limits: Limits,
    timeout: Option<&'a DurationArg>,
    interrupted: Arc<AtomicBool>,
}

impl<'a> Ending<'a> {
    pub fn new(path: &'a Path, limits: Limits, timeout: Option<&'a DurationArg>, store: &Store<Host>) -> Ending<'a> {
        Ending { path, limits, timeout, interrupted: end_at_interrupt(store) }
    }

    /// What an error of the guest means.
    ///
    /// # Errors
    /// The host, not the guest, caused the error.
    pub fn end(&self, store: &mut Store<Host>, module: &Module, error: Error) -> Result<End> {
        if self.was_interrupted(&error) {
            return Ok(End::Interrupted);
        }
        if let Some(ProcExit(code)) = error.downcast_ref() {
            return Ok(End::Exited(*code));
        }
        let (message, status) = match error.kind() {
            ErrorKind::Trap(trap) => match self.elapsed_timeout(trap) {
                Some(span) => (format!("timeout: the guest ran for {span}"), STATUS_TIMEOUT),
                None => (format!("trap: {trap}{}", self.limit(trap)), STATUS_TRAP),
            },
            ErrorKind::Exception(exception) => (thrown::describe(store, module, exception), STATUS_TRAP),
            _ => match error.downcast_ref::<HostTrap>() {
                Some(trap) => (format!("trap: {trap}"), STATUS_TRAP),
                None => return Err(module_file::named(self.path, error)),
            },
        };
        let backtrace = error.backtrace().map(frames::text);
        Ok(End::Failed(Told { file: shown(self.path), message, backtrace, status }))
    }

    /// Whether the user interrupted the guest. Nothing failed then, so nothing is printed.
    fn was_interrupted(&self, error: &Error) -> bool {
        let stopped = matches!(error.kind(), ErrorKind::Trap(trap) if trap.kind() == TrapKind::Interrupted);
        stopped && self.interrupted.load(Ordering::SeqCst)
    }

    fn elapsed_timeout(&self, trap: &Trap) -> Option<&DurationArg> {
        self.timeout.filter(|_| trap.kind() == TrapKind::DeadlineExceeded)
    }

    /// The option behind the limit that was hit.
    fn limit(&self, trap: &Trap) -> String {
        match trap.kind() {
            // The trap tells how much of the thread's own stack is missing.
            TrapKind::StackExhausted if trap.is_refused_by_system() => String::new(),
            TrapKind::StackExhausted => format!(": the limit is --max-stack {}", self.limits.stack),
            // The trap tells the limit in bytes, too: that was not what stood in the way.
            TrapKind::HeapExhausted if trap.is_refused_by_system() => match &self.limits.heap {
                Some(max) => format!(": --gc-heap-max {max} is more than the system gives"),
                None => ": --gc-heap-max sets a lower limit".to_owned(),
            },
            TrapKind::HeapExhausted | TrapKind::AllocationTooLarge => match &self.limits.heap {
                Some(max) => format!(": the limit is --gc-heap-max {max}"),
                None => ": --gc-heap-max sets the limit".to_owned(),
            },
            TrapKind::MemoryOutOfBounds => match &self.limits.memory {
                Some(max) => format!(" (memories may grow to --max-memory {max})"),
                None => String::new(),
            },
            _ => String::new(),
        }
    }
}

/// SIGINT ends the guest, in compiled code or in a wait; the flag says that it did. Where the signal cannot be
/// watched, since the system refuses a thread, it ends the process as ever. Whoever started us with SIGINT ignored
/// (`nohup`, a job in the background of a script) wants it ignored.
fn end_at_interrupt(store: &Store<Host>) -> Arc<AtomicBool> {
    let interrupted = Arc::new(AtomicBool::new(false));
    if is_ignored(signal_hook::consts::SIGINT) {
        return interrupted;
    }
    let guest = store.interrupt_handle();
    let flag = interrupted.clone();
    // The thread itself begins to watch, so that nothing is changed if there is none.
    let (watches, is_watching) = mpsc::channel();
    let watch = move || {
        let signals = signal_hook::iterator::Signals::new([signal_hook::consts::SIGINT]);
        let _ = watches.send(());
        if signals.is_ok_and(|mut signals| signals.forever().next().is_some()) {
            flag.store(true, Ordering::SeqCst);
            guest.interrupt();
        }
    };
    if Builder::new().spawn(watch).is_ok() {
        let _ = is_watching.recv();
    }
    interrupted
}

/// Whether this process ignores a signal, as far as the system says.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 << (signal - 1) != 0)
}
