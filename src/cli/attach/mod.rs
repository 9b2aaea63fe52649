//! `heapwood attach`: asks a program that runs in another process.

mod find;
pub mod protocol;
mod top;

use super::failure::{UsageError, shown};
use super::gc_report::{LogFormat, now_table};
use super::output;
use super::profile::ProfileFormat;
use super::units::{DurationArg, Size};
use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, Subcommand};
use protocol::{Connection, GREETING, Request};
use std::fs::File;
use std::io::{ErrorKind, IsTerminal, Write, stdout};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How long a process has to say who it is.
const GREETED_WITHIN: Duration = Duration::from_secs(10);

#[derive(Args)]
#[command(after_help = "The program is one that `heapwood run` runs with --inspect-socket PATH, or with the variable \
    HEAPWOOD_SOCKET_DIR set to a directory for sockets. It goes on running; only a snapshot and a histogram pause it for long.")]
pub struct AttachArgs {
    /// The process: its number, or the path of its socket
    #[arg(value_name = "PID|PATH")]
    target: Target,

    #[command(subcommand)]
    command: AttachCommand,
}

/// What is attached to.
#[derive(Clone)]
enum Target {
    Process(u32),
    Socket(PathBuf),
}

impl std::str::FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Target, String> {
        if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
            return text.parse().map(Target::Process).map_err(|_| format!("`{text}` is no number of a process"));
        }
        Ok(Target::Socket(text.into()))
    }
}

#[derive(Subcommand)]
enum AttachCommand {
    /// Print figures of the heap so far
    Stats {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Print where the guest is
    Stack,
    /// Print the objects of the heap that can be reached, by type; the program waits meanwhile
    Histogram {
        /// Types that are shown, those with the most bytes
        #[arg(long, value_name = "N", default_value_t = 50)]
        rows: usize,
    },
    /// Write a snapshot of the heap, for Chrome DevTools (name it .heapsnapshot); the program waits meanwhile
    Snapshot {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Collect everything, in slices beside the program, and wait until that is done
    Gc,
    /// Log the collector's pauses
    #[command(subcommand)]
    GcLog(GcLogCommand),
    /// Sample which functions use the CPU
    #[command(subcommand)]
    Profile(ProfileCommand),
    /// Sample which functions allocate which types
    #[command(subcommand)]
    Allocations(AllocationsCommand),
    /// Show figures, rates and the stack, again and again, until Ctrl-C
    Top {
        /// Time between two screens
        #[arg(long, value_name = "DUR", default_value = "1s")]
        interval: DurationArg,
        /// Screens that are shown
        #[arg(long, value_name = "N")]
        count: Option<u64>,
    },
}

#[derive(Subcommand)]
enum GcLogCommand {
    /// From now on write a line for every pause, to FILE or else to the program's standard error
    On {
        /// Form of the lines
        #[arg(long, value_name = "FORMAT", default_value = "text")]
        format: LogFormat,
        /// The file
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Write no more lines
    Off,
}

#[derive(Subcommand)]
enum ProfileCommand {
    /// Sample the guest's stack from now on
    Start {
        /// Time between two samples
        #[arg(long, value_name = "DUR", default_value = "1ms")]
        interval: DurationArg,
    },
    /// End it, and print it: as collapsed stacks with microseconds for flame graphs, or in another form
    Stop {
        /// Form of it; by default what FILE's name says: .json firefox, .pb and .pprof pprof, else collapsed
        #[arg(long, value_name = "FORMAT", alias = "profile-format")]
        format: Option<ProfileFormat>,
        /// Write it there instead
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

#[derive(Subcommand)]
enum AllocationsCommand {
    /// Sample allocations from now on
    Start {
        /// Bytes between two samples, on average
        #[arg(long, value_name = "SIZE", default_value = "64k")]
        interval: Size,
    },
    /// End it, and print collapsed stacks with types and bytes, for flame graphs
    Stop {
        /// Write them there instead
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

impl AttachCommand {
    /// # Errors
    /// It asks for something that makes no sense.
    fn check(&self) -> Result<(), UsageError> {
        match self {
            AttachCommand::Profile(ProfileCommand::Start { interval }) if interval.duration.is_zero() => {
                Err(UsageError::new(format!("--interval {interval}: samples are at least a microsecond apart")))
            }
            AttachCommand::Allocations(AllocationsCommand::Start { interval }) if interval.bytes == 0 => {
                Err(UsageError::new(format!("--interval {interval}: samples are at least a byte apart")))
            }
            AttachCommand::Profile(ProfileCommand::Stop { format: Some(format), file: None })
                if format.is_binary() && stdout().is_terminal() =>
            {
                Err(UsageError::new("this form of a profile is no text for a terminal: name a FILE"))
            }
            _ => Ok(()),
        }
    }
}

pub fn run(args: &AttachArgs) -> Result<ExitCode> {
    if let AttachCommand::Top { interval, count } = &args.command {
        top::run(&args.target, interval.duration, *count)?;
        return Ok(ExitCode::SUCCESS);
    }
    args.command.check()?;
    let mut process = Process::attach(&args.target)?;
    output::more(|| format!("{}: answers at {}", process.name, shown(&process.socket)));
    match &args.command {
        AttachCommand::Stats { json } => print_stats(&process.ask(&Request::Stats, None)?, *json)?,
        AttachCommand::Stack => process.print(&Request::Stack)?,
        AttachCommand::Histogram { rows } => process.print(&Request::Histogram { rows: *rows })?,
        AttachCommand::Snapshot { file } => {
            let output = File::create(file).with_context(|| shown(file))?;
            process.ask(&Request::Snapshot, Some(&output)).with_context(|| shown(file))?;
        }
        AttachCommand::Gc => process.print(&Request::Gc)?,
        AttachCommand::GcLog(GcLogCommand::On { format, file }) => {
            let output = file.as_ref().map(|file| File::create(file).with_context(|| shown(file))).transpose()?;
            process.ask(&Request::GcLogOn { format: *format }, output.as_ref())?;
        }
        AttachCommand::GcLog(GcLogCommand::Off) => process.print(&Request::GcLogOff)?,
        AttachCommand::Profile(ProfileCommand::Start { interval }) => {
            let interval_us = u64::try_from(interval.duration.as_micros()).unwrap_or(u64::MAX);
            process.print(&Request::ProfileStart { interval_us })?;
        }
        AttachCommand::Profile(ProfileCommand::Stop { format, file }) => {
            let format = ProfileFormat::of(*format, file.as_deref());
            process.save(&Request::ProfileStop { format }, file.as_deref())?;
        }
        AttachCommand::Allocations(AllocationsCommand::Start { interval }) => {
            process.print(&Request::AllocationsStart { mean_bytes: interval.bytes })?;
        }
        AttachCommand::Allocations(AllocationsCommand::Stop { file }) => {
            process.save(&Request::AllocationsStop, file.as_deref())?;
        }
        AttachCommand::Top { .. } => unreachable!("it attaches anew for each screen"),
    }
    Ok(ExitCode::SUCCESS)
}

fn print_stats(stats: &[u8], as_json: bool) -> Result<()> {
    let text = match as_json {
        true => String::from_utf8_lossy(stats).into_owned() + "\n",
        false => now_table(&serde_json::from_slice(stats).context("the figures")?),
    };
    output::print(format_args!("{text}"));
    Ok(())
}

/// A process that greeted.
struct Process {
    connection: Connection,
    name: String,
    socket: PathBuf,
}

impl Process {
    /// # Errors
    /// There is no such process, or none that answers. They name it.
    fn attach(target: &Target) -> Result<Process> {
        match target {
            Target::Socket(path) => Process::at(path, shown(path)),
            Target::Process(pid) => {
                let mut refused = anyhow!("process {pid} has no socket");
                for path in find::sockets(*pid)? {
                    match Process::at(&path, format!("process {pid}")) {
                        Ok(process) => return Ok(process),
                        Err(error) => refused = error,
                    }
                }
                Err(refused)
            }
        }
    }

    fn at(path: &Path, name: String) -> Result<Process> {
        let stream = UnixStream::connect(path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => anyhow!("{name}: there is no such socket"),
            ErrorKind::ConnectionRefused => anyhow!("{name}: nobody listens at this socket (any more)"),
            ErrorKind::PermissionDenied => anyhow!("{name}: the socket is another user's"),
            _ => anyhow!("{name}: {error}"),
        })?;
        let mut connection = Connection::new(stream);
        let greeting = connection.read_line(Some(Instant::now() + GREETED_WITHIN));
        match greeting {
            Ok(line) if line == GREETING => Ok(Process { connection, name, socket: path.to_owned() }),
            Ok(line) if line.starts_with("error ") => bail!("{name}: {}", &line["error ".len()..]),
            Ok(line) if line.starts_with("heapwood ") => {
                bail!("{name}: speaks `{line}`, and this is `{GREETING}`: both have to be of one version")
            }
            Ok(_) => bail!("{name}: is no program of heapwood's"),
            Err(error) if error.kind() == ErrorKind::TimedOut => bail!("{name}: is no program of heapwood's, or hangs"),
            Err(_) => bail!("{name}: closed the connection"),
        }
    }

    /// Asks, with a file that the answer goes to, and returns what else is answered.
    ///
    /// # Errors
    /// The process refuses, or ends before it has answered.
    fn ask(&mut self, request: &Request, output: Option<&File>) -> Result<Vec<u8>> {
        let mut answer = Vec::new();
        self.ask_into(request, output, &mut answer)?;
        Ok(answer)
    }

    fn print(&mut self, request: &Request) -> Result<()> {
        let answer = self.ask(request, None)?;
        output::write(|output| output.write_all(&answer));
        Ok(())
    }

    /// Writes the answer to a file, or prints it. The file is made first: what is answered is not there a second time.
    fn save(&mut self, request: &Request, file: Option<&Path>) -> Result<()> {
        let Some(file) = file else { return self.print(request) };
        let mut output = File::create(file).with_context(|| shown(file))?;
        let answer = self.ask(request, None)?;
        output.write_all(&answer).with_context(|| shown(file))
    }

    fn ask_into(&mut self, request: &Request, output: Option<&File>, answer: &mut dyn Write) -> Result<()> {
        let ended = |_| anyhow!("{}: ended, or closed the connection, before it had answered", self.name);
        let descriptor = output.map(AsFd::as_fd);
        self.connection.write_line(&request.to_string(), descriptor).map_err(ended)?;
        let line = self.connection.read_line(None).map_err(ended)?;
        if let Some(message) = line.strip_prefix("error ") {
            bail!("{}: {message}", self.name);
        }
        let length = line.strip_prefix("ok ").and_then(|length| length.parse().ok());
        let length = length.with_context(|| format!("{}: answers `{line}`", self.name))?;
        self.connection.read_bytes(length, answer).map_err(ended)
    }
}
