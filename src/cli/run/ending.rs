//! How a guest ends, as message and exit status.

use super::signals::Signals;
use super::thrown;
use crate::cli::failure::{STATUS_TIMEOUT, STATUS_TRAP, say, shown};
use crate::cli::host::Host;
use crate::cli::module_file;
use crate::cli::units::DurationArg;
use anyhow::Result;
use heapwood::surfaces::HostTrap;
use heapwood::wasi::ProcExit;
use heapwood::{Error, ErrorKind, Module, Store, Trap, TrapKind};
use std::path::Path;
use std::process::ExitCode;

/// Limits as the user gave them, for messages.
pub struct Limits {
    pub heap: Option<String>,
    pub stack: String,
    pub memory: Option<String>,
}

/// What is needed to tell how a guest ended. Made before the guest starts.
pub struct Ending<'a> {
    path: &'a Path,
    limits: Limits,
    timeout: Option<&'a DurationArg>,
    signals: Signals,
}

impl<'a> Ending<'a> {
    pub fn new(path: &'a Path, limits: Limits, timeout: Option<&'a DurationArg>, store: &Store<Host>) -> Ending<'a> {
        Ending { path, limits, timeout, signals: Signals::end(store.interrupt_handle()) }
    }

    /// The exit status for an error of the guest, after saying on stderr what happened.
    ///
    /// # Errors
    /// The host, not the guest, caused the error.
    pub fn status(&self, store: &mut Store<Host>, module: &Module, error: Error) -> Result<ExitCode> {
        if let Some(status) = self.status_of_signal(&error) {
            return Ok(status.into());
        }
        if let Some(ProcExit(code)) = error.downcast_ref() {
            return Ok(ExitCode::from(*code as u8));
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
        say(&format!("error: {}: {message}", shown(self.path)));
        if let Some(backtrace) = error.backtrace() {
            say(&backtrace.to_string());
        }
        Ok(status.into())
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
