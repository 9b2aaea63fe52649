//! Errors as the user sees them, and the exit status that each has.

use super::output;
use heapwood::{cut, printable};
use signal_hook::consts::SIGPIPE;
use std::fmt;
use std::path::Path;
use std::process::ExitCode;

/// Exit status where the host could not do something.
pub const STATUS_FAILURE: u8 = 1;
/// Exit status of a wrong use.
pub const STATUS_USAGE: u8 = 2;
/// Exit status when `--timeout` is over.
pub const STATUS_TIMEOUT: u8 = 124;
/// Exit status of a guest that trapped or threw.
pub const STATUS_TRAP: u8 = 134;

/// Exit status of what writes to a pipe that nobody reads: that of a process which SIGPIPE ended, in a shell.
pub const STATUS_BROKEN_PIPE: u8 = 128 + SIGPIPE as u8;

/// Characters of a line of a message.
pub const LINE_CHARS_MAX: usize = 4000;

/// What the library's errors name, and the options that set it.
const OPTIONS: [(&str, &str); 3] = [
    ("Config::max_memory", "--max-memory"),
    ("Config::max_compile_memory", "--max-compile-memory"),
    ("Config::max_stack", "--max-stack"),
];

/// The command line asks for something that makes no sense.
#[derive(Debug)]
pub struct UsageError(String);

impl UsageError {
    pub fn new(message: impl Into<String>) -> UsageError {
        UsageError(message.into())
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

/// Prints lines on stderr. What they quote of modules, file names and sources cannot speak to the terminal.
pub fn say(lines: &str) {
    let lines: Vec<_> = lines.lines().map(|line| cut(line, LINE_CHARS_MAX).to_string()).collect();
    // In one piece, since nothing gathers what goes to stderr.
    output::print_error(&format!("{}\n", lines.join("\n")));
}

/// A file's name on one line, whatever it holds.
pub fn shown(path: &Path) -> String {
    printable(&path.display().to_string()).to_string()
}

/// Prints an error with its causes and returns its status.
pub fn report(error: &anyhow::Error) -> ExitCode {
    let mut text = format!("error: {error:#}");
    for (name, option) in OPTIONS {
        text = text.replace(name, &format!("{name}, {option}"));
    }
    say(&text);
    if error.is::<UsageError>() { STATUS_USAGE.into() } else { ExitCode::FAILURE }
}
