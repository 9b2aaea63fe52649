//! What the command writes beside what the guest does, and what becomes of it when it is refused.
//!
//! 1. Every output that cannot be written is said once, with the system's reason, and the command fails in the end:
//!    with status 1, unless the guest has a status of its own that is not 0.
//! 2. A standard output that nobody reads any more is no fault: the rest is left out. A standard error that nobody
//!    reads, or that refuses, changes nothing, since nothing could be said of it.
//! 3. A limit for files (`ulimit -f`) is an error like a full disk: without [`watch_file_limit`] its signal would end
//!    the process.

use super::failure::{STATUS_FAILURE, say};
use std::fmt::Arguments;
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write, stderr, stdout};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// An output was refused.
static IS_REFUSED: AtomicBool = AtomicBool::new(false);
/// The user wants to hear more.
static IS_VERBOSE: AtomicBool = AtomicBool::new(false);
/// Nothing more is written to the standard output: nobody reads it, or it refused.
static IS_CLOSED: AtomicBool = AtomicBool::new(false);

/// Prints a line on the standard output.
macro_rules! line {
    ($($text:tt)*) => { $crate::cli::output::print(format_args!("{}\n", format_args!($($text)*))) };
}
pub(crate) use line;

/// Prints on the standard output.
pub fn print(text: Arguments<'_>) {
    write(|output| output.write_fmt(text));
}

/// Writes what `write` does to the standard output.
pub fn write(write: impl FnOnce(&mut BufWriter<io::StdoutLock<'static>>) -> io::Result<()>) {
    if IS_CLOSED.load(Relaxed) {
        return;
    }
    let mut output = BufWriter::new(stdout().lock());
    let written = write(&mut output).and_then(|()| output.flush());
    // What could not be written is not tried again when the buffer goes.
    drop(output.into_parts());
    close_if_refused(written);
}

/// Whether nothing more is written to the standard output.
pub fn is_closed() -> bool {
    IS_CLOSED.load(Relaxed)
}

fn close_if_refused(written: io::Result<()>) {
    if let Err(error) = written
        && !IS_CLOSED.swap(true, Relaxed)
        && error.kind() != ErrorKind::BrokenPipe
    {
        refused("standard output", &error);
    }
}

/// Prints on the standard error as it is.
pub fn print_error(text: &str) {
    let _ = stderr().lock().write_all(text.as_bytes());
}

/// Whether messages go to a terminal.
pub fn is_terminal() -> bool {
    stderr().is_terminal()
}

/// Whether messages may have colors: on a terminal, unless the user wants none (`NO_COLOR`).
pub fn is_colored() -> bool {
    stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Sets whether [`more`] prints from now on.
pub fn set_verbose(is_verbose: bool) {
    IS_VERBOSE.store(is_verbose, Relaxed);
}

/// Prints lines on the standard error that are wanted only with `--verbose`.
pub fn more(lines: impl FnOnce() -> String) {
    if IS_VERBOSE.load(Relaxed) {
        say(&lines());
    }
}

/// Prints a line on the standard error about what the system refused, which the command can do without.
pub fn warn(line: &str) {
    say(&format!("warning: {line}"));
}

/// An output was refused. Whoever calls this does so once for each.
pub fn refused(what: &str, error: &io::Error) {
    IS_REFUSED.store(true, Relaxed);
    say(&format!("error: {what}: {error}"));
}

/// The status of the command, which would be this one if all outputs were written.
pub fn status(status: ExitCode) -> ExitCode {
    if !IS_CLOSED.load(Relaxed) {
        close_if_refused(stdout().flush());
    }
    let is_refused = IS_REFUSED.load(Relaxed) && status == ExitCode::SUCCESS;
    if is_refused { STATUS_FAILURE.into() } else { status }
}

/// Makes a write beyond the limit for files an error (`EFBIG`) from now on. Where the signal cannot be caught it ends
/// the process as ever.
pub fn watch_file_limit() {
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::new(AtomicBool::new(false)));
}

/// A file of which a refusal is said once, and that takes nothing afterwards.
#[derive(Debug)]
pub struct Reported<W> {
    /// None if nothing is said.
    name: Option<String>,
    output: W,
    refusal: Option<io::Error>,
}

impl<W: Write> Reported<W> {
    /// Writes to `output`, which messages call `name`.
    pub fn new(name: String, output: W) -> Reported<W> {
        Reported { name: Some(name), output, refusal: None }
    }

    /// Writes to `output`, of which only who asks for its [`refusal`](Self::refusal) hears that it refuses.
    pub fn silent(output: W) -> Reported<W> {
        Reported { name: None, output, refusal: None }
    }

    /// Why it takes nothing any more.
    pub fn refusal(&self) -> Option<&io::Error> {
        self.refusal.as_ref()
    }

    /// Does something with the output, unless it refused before.
    pub fn with(&mut self, write: impl FnOnce(&mut W) -> io::Result<()>) {
        if self.refusal.is_none()
            && let Err(error) = write(&mut self.output)
        {
            if let Some(name) = &self.name {
                refused(name, &error);
            }
            self.refusal = Some(error);
        }
    }
}
