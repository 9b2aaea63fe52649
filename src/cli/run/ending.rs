//! How a guest ends, as message and exit status.

use super::source_maps::SourceMaps;
use super::{frames, thrown};
use crate::cli::failure::{STATUS_TIMEOUT, STATUS_TRAP, say, shown};
use crate::cli::host::Host;
use crate::cli::inspection::{self, Subject};
use crate::cli::module_file;
use crate::cli::output;
use crate::cli::signals::Signals;
use crate::cli::units::DurationArg;
use anyhow::Result;
use heapwood::component::AbiTrap;
use heapwood::surfaces::HostTrap;
use heapwood::wasi::ProcExit;
use heapwood::{Error, ErrorKind, Store, Trap, TrapKind};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
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

/// What messages tell of a program.
pub struct Told<'a> {
    pub path: &'a Path,
    pub limits: Limits,
    pub timeout: Option<&'a DurationArg>,
    pub maps: SourceMaps<'a>,
}

/// What is needed to tell how a guest ended. Made before the guest starts.
pub struct Ending<'a> {
    told: Told<'a>,
    core_dump: Option<PathBuf>,
    signals: Signals,
}

impl<'a> Ending<'a> {
    /// `core_dump` is where that of a guest goes that fails.
    pub fn new(told: Told<'a>, core_dump: Option<PathBuf>, store: &Store<Host>, subject: Arc<Subject>) -> Ending<'a> {
        let guest = store.interrupt_handle();
        let signals = Signals::watch(move || guest.interrupt(), Some(move || inspection::tell(&subject)));
        Ending { told, core_dump, signals }
    }

    /// What an error of the guest means.
    ///
    /// # Errors
    /// The host, not the guest, caused the error.
    pub fn end(&self, store: &mut Store<Host>, error: Error) -> Result<End> {
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
            ErrorKind::Exception(exception) => (thrown::describe(store, exception), STATUS_TRAP),
            _ => match host_trap(&error) {
                Some(trap) => (format!("trap: {trap}"), STATUS_TRAP),
                None => return Err(module_file::named(self.told.path, error)),
            },
        };
        self.write_core_dump(store, &error);
        let backtrace = error.backtrace().map(|backtrace| frames::text(backtrace, &self.told.maps));
        Ok(End::Failed(FailureReport { file: shown(self.told.path), message, backtrace, status }))
    }

    /// Writes the core dump that is asked for. A refusal is said.
    fn write_core_dump(&self, store: &mut Store<Host>, error: &Error) {
        let Some(path) = &self.core_dump else { return };
        let program = self.told.path.display().to_string();
        let written = File::create(path).and_then(|file| {
            let mut output = BufWriter::new(file);
            store.write_core_dump(&program, error, &mut output)?;
            output.flush()
        });
        if let Err(error) = written {
            output::refused(&format!("--coredump {}", shown(path)), &error);
        }
    }

    /// The status of a guest that a signal ended. Nothing failed then, so nothing is printed.
    fn status_of_signal(&self, error: &Error) -> Option<u8> {
        let stopped = matches!(error.kind(), ErrorKind::Trap(trap) if trap.kind() == TrapKind::Interrupted);
        self.signals.status().filter(|_| stopped)
    }

    fn elapsed_timeout(&self, trap: &Trap) -> Option<&DurationArg> {
        self.told.timeout.filter(|_| trap.kind() == TrapKind::DeadlineExceeded)
    }

    /// The option behind the limit that was hit.
    fn limit(&self, trap: &Trap) -> String {
        match trap.kind() {
            // The trap tells how much of the thread's own stack is missing.
            TrapKind::StackExhausted if trap.is_refused_by_system() => String::new(),
            TrapKind::StackExhausted => format!(": the limit is --max-stack {}", self.told.limits.stack),
            // The trap tells the limit in bytes, too: that was not what stood in the way.
            TrapKind::HeapExhausted if trap.is_refused_by_system() => match &self.told.limits.heap {
                Some(max) => format!(": --gc-heap-max {max} is more than the system gives"),
                None => ": --gc-heap-max sets a lower limit".to_owned(),
            },
            TrapKind::HeapExhausted | TrapKind::AllocationTooLarge => match &self.told.limits.heap {
                Some(max) => format!(": the limit is --gc-heap-max {max}"),
                None => ": --gc-heap-max sets the limit".to_owned(),
            },
            TrapKind::MemoryOutOfBounds => match &self.told.limits.memory {
                Some(max) => format!(" (memories may grow to --max-memory {max})"),
                None => String::new(),
            },
            _ => String::new(),
        }
    }
}
