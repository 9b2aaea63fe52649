//! How a guest ends, as message and exit status.

use super::source_maps::SourceMaps;
use super::{frames, thrown};
use crate::cli::failure::{STATUS_TIMEOUT, STATUS_TRAP, say, shown};
use crate::cli::host::Host;
use crate::cli::inspection::{self, Subject};
use crate::cli::module_file;
use crate::cli::signals::Signals;
use crate::cli::units::DurationArg;
use anyhow::Result;
use heapwood::component::AbiTrap;
use heapwood::surfaces::HostTrap;
use heapwood::wasi::ProcExit;
use heapwood::{Error, ErrorKind, Module, Store, Trap, TrapKind};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

/// Limits as the user gave them, for messages.
pub struct Limits {
    pub heap: Option<String>,
    pub stack: String,
    pub memory: Option<String>,
}

/// How a guest ended.
pub enum End {
    /// The guest's entry returned.
    Returned,
    /// The guest called `proc_exit` with this code.
    Exited(u32),
    /// A signal ended it, for which a shell has this status. Nothing failed then, so nothing is printed.
    Interrupted(u8),
    /// The guest trapped, threw, or took too long.
    Failed(FailureReport),
}

/// What is said of a guest that failed.
pub struct FailureReport {
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
            End::Interrupted(status) => (*status).into(),
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

impl FailureReport {
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

/// What a host function says of a guest that must not continue.
fn host_trap(error: &Error) -> Option<String> {
    let of_surface = error.downcast_ref::<HostTrap>().map(HostTrap::to_string);
    of_surface.or_else(|| error.downcast_ref::<AbiTrap>().map(AbiTrap::to_string))
}

/// What is needed to tell how a guest ended. Made before the guest starts.
pub struct Ending<'a> {
    path: &'a Path,
    limits: Limits,
    timeout: Option<&'a DurationArg>,
    maps: SourceMaps<'a>,
    signals: Signals,
}

impl<'a> Ending<'a> {
    pub fn new(
        path: &'a Path,
        limits: Limits,
        timeout: Option<&'a DurationArg>,
        maps: SourceMaps<'a>,
        store: &Store<Host>,
        subject: Arc<Subject>,
    ) -> Ending<'a> {
        let guest = store.interrupt_handle();
        let signals = Signals::watch(move || guest.interrupt(), Some(move || inspection::tell(&subject)));
        Ending { path, limits, timeout, maps, signals }
    }

    /// What an error of the guest means.
    ///
    /// # Errors
    /// The host, not the guest, caused the error.
    pub fn end(&self, store: &mut Store<Host>, module: &Module, error: Error) -> Result<End> {
        if let Some(status) = self.status_of_signal(&error) {
            return Ok(End::Interrupted(status));
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
            _ => match host_trap(&error) {
                Some(trap) => (format!("trap: {trap}"), STATUS_TRAP),
                None => return Err(module_file::named(self.path, error)),
            },
        };
        let backtrace = error.backtrace().map(|backtrace| frames::text(backtrace, &self.maps));
        Ok(End::Failed(FailureReport { file: shown(self.path), message, backtrace, status }))
    }

    /// The status of a guest that a signal ended. Nothing failed then, so nothing is printed.
    fn status_of_signal(&self, error: &Error) -> Option<u8> {
        let stopped = matches!(error.kind(), ErrorKind::Trap(trap) if trap.kind() == TrapKind::Interrupted);
        self.signals.status().filter(|_| stopped)
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
