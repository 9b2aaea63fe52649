//! `heapwood test`: the unit tests of a module that the Kotlin compiler made of them.
//!
//! 1. The module is loaded and granted what `run` would grant it; its export `startUnitTests` is called.
//! 2. What it writes is cut into lines (`lines`), of which some are messages about tests (`message`); `results` keeps
//!    what they tell, `report` prints it as it comes.
//! 3. The exit status is 0 if at least one test ran and nothing failed.

mod junit;
mod lines;
mod message;
mod report;
mod results;

use super::failure::{STATUS_TIMEOUT, UsageError};
use super::run::{End, Entry, Guest, Sandbox};
use super::watch::Output;
use anyhow::Result;
use clap::Args;
use heapwood::wasi::OutputStream;
use lines::{LINE_BYTES_MAX, Lines, Piece};
use message::{Failure, Parsed};
use parking_lot::Mutex;
use report::Report;
use results::{Change, Results};
use std::io::{self, BufWriter, IoSlice};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

/// The export that runs the tests.
const ENTRY: &str = "startUnitTests";

#[derive(Args)]
pub struct TestArgs {
    /// Run only tests of this name: `Class` or `Class.test`, `*` for any characters; several with commas
    #[arg(long, value_name = "PATTERN")]
    filter: Option<String>,
    /// Write the results to FILE as XML, in the form of JUnit's
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Show what passing tests print, too
    #[arg(long)]
    show_output: bool,

    #[command(flatten)]
    sandbox: Sandbox,
}

pub fn run(args: &TestArgs) -> Result<ExitCode> {
    let sandbox = &args.sandbox;
    let guest = Guest::load(sandbox)?;
    guest.module("`heapwood test`")?;
    let junit = args.junit.as_ref().map(|path| Output::create("--junit", path)).transpose()?;
    let given = sandbox.guest_args().iter().map(|arg| arg.as_bytes().to_vec());
    let arguments = filter_arguments(args, &guest)?.into_iter().chain(given);

    let run = Run::new(args.show_output);
    let (output, error) = (run.stream(0), run.stream(1));
    let wasi = sandbox.wasi(guest.modules(), arguments, |streams| streams.stdout(output).stderr(error))?;
    let hint = "a test build has it: `./gradlew compileTestDevelopmentExecutableKotlinWasmWasi`";
    let end = guest.run(wasi, Entry::Export { name: ENTRY, hint }, None)?.end()?;

    let state = &mut *run.0.lock();
    state.end(&end, args.filter.as_deref());
    let (results, took) = (&state.results, state.start.elapsed());
    if let Some(junit) = junit {
        junit.write(|file| junit::write(&mut BufWriter::new(file), results, took));
    }
    let has_failed = results.counts().failed != 0 || !results.problems().0.is_empty();
    state.report.finish(results, has_failed, took);
    Ok(match end {
        End::Interrupted(status) => status.into(),
        End::Failed(told) if told.is_timeout() => STATUS_TIMEOUT.into(),
        _ if has_failed => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    })
}

/// What tells `kotlin.test` of the filter. It skips two arguments, which for it are an engine and a script.
fn filter_arguments(args: &TestArgs, guest: &Guest<'_>) -> Result<Vec<Vec<u8>>, UsageError> {
    let mut arguments = vec![ENTRY.as_bytes().to_vec()];
    let Some(pattern) = &args.filter else { return Ok(arguments) };
    if pattern.split(',').any(str::is_empty) {
        return Err(UsageError::new("--filter: a pattern is empty"));
    }
    if !guest.modules().any(|module| module.imports().any(|import| import.name == "args_get")) {
        return Err(UsageError::new("--filter: these tests take no arguments, so they cannot be chosen"));
    }
    arguments.extend(["--include", pattern].map(|arg| arg.as_bytes().to_vec()));
    Ok(arguments)
}

/// A run of tests, which the streams of the guest share.
struct Run(Arc<Mutex<State>>);

struct State {
    start: Instant,
    results: Results,
    report: Report,
}

/// The output or error output of the guest.
struct Stream {
    state: Arc<Mutex<State>>,
    index: usize,
    lines: Lines,
}

impl Run {
    fn new(shows_all: bool) -> Run {
        let report = Report::new(shows_all);
        Run(Arc::new(Mutex::new(State { start: Instant::now(), results: Results::default(), report })))
    }

    fn stream(&self, index: usize) -> Stream {
        Stream { state: self.0.clone(), index, lines: Lines::default() }
    }
}

impl OutputStream for Stream {
    fn write(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut state = self.state.lock();
        for buffer in buffers {
            self.lines.write(buffer, |piece| state.take(self.index, piece));
        }
        Ok(buffers.iter().map(|buffer| buffer.len()).sum())
    }
}

/// The guest has ended, with its context.
impl Drop for Stream {
    fn drop(&mut self) {
        let mut state = self.state.lock();
        self.lines.finish(|piece| state.take(self.index, piece));
    }
}

impl State {
    fn take(&mut self, stream: usize, piece: Piece<'_>) {
        match piece {
            Piece::Printed(bytes, ends_line) => self.print(stream, &String::from_utf8_lossy(bytes), ends_line),
            // `kotlin.test` writes to the output only.
            Piece::Marked(bytes) if stream == 0 => {
                let text = String::from_utf8_lossy(bytes);
                match message::parse(&text) {
                    Parsed::Message(message) => {
                        let change = self.results.take(message);
                        self.tell(change);
                    }
                    Parsed::Other => self.print(stream, &format!("{}{text}", message::MARK), true),
                    Parsed::Malformed(reason) => {
                        self.results.complain(format!("a message about a test is malformed ({reason}): {text}"));
                    }
                }
            }
            Piece::Marked(bytes) => {
                let text = String::from_utf8_lossy(bytes);
                self.print(stream, &format!("{}{text}", message::MARK), true);
            }
            Piece::TooLong => {
                let problem = format!("a message has more than {LINE_BYTES_MAX} bytes, and was not read");
                self.results.complain(problem);
            }
        }
    }

    fn print(&mut self, stream: usize, text: &str, ends_line: bool) {
        if !self.results.print(stream, text, ends_line) {
            self.report.loose(text, ends_line);
        }
    }

    fn tell(&mut self, change: Change) {
        match (change, self.results.running(), self.results.tests().last()) {
            (Change::Began, Some((suite, name)), _) => self.report.began(&suite, name),
            (Change::Ended, _, Some(test)) => self.report.ended(test),
            _ => {}
        }
    }

    /// What the end of the guest says of its tests.
    fn end(&mut self, end: &End, filter: Option<&str>) {
        let text = match end {
            End::Returned => "the guest returned before this test had ended".to_owned(),
            End::Exited(code) => format!("the guest exited with code {code}"),
            End::Interrupted(_) => "interrupted".to_owned(),
            End::Failed(told) => told.text(),
        };
        let message = text.lines().next().unwrap_or_default().to_owned();
        let change = self.results.interrupt(Failure { message, details: text.clone() });
        let was_running = change == Change::Ended;
        self.tell(change);
        let counts = self.results.counts();
        match end {
            End::Returned | End::Exited(0) => {}
            End::Exited(_) | End::Interrupted(_) | End::Failed(_) if was_running => {
                self.results.complain("the guest has ended: tests behind the last one did not run".to_owned());
            }
            End::Exited(_) | End::Interrupted(_) | End::Failed(_) => {
                self.results.complain(format!("outside of a test: {text}"));
            }
        }
        if counts.passed + counts.failed == 0 {
            match filter {
                Some(pattern) => self.results.complain(format!("no test matches `{pattern}`")),
                None if counts.ignored == 0 => self.results.complain("there are no tests".to_owned()),
                None => {}
            }
        }
    }
}
