//! The builder of a context, by which a host grants things to a guest.

use crate::clock::{Clocks, SystemClocks};
use crate::ctx::{Unfinished, WasiCtx};
use crate::fd::{Descriptor, Table};
use crate::interrupt::Interrupt;
use crate::random::{RandomSource, SystemRandom};
use crate::rights::Rights;
use crate::stdio::{InputStream, OutputStream, StandardStream, StreamBehind};
use rustix::process::{Resource, getrlimit};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// What a guest may do below a preopened directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirAccess {
    /// Everything that the host lets this process do.
    ReadWrite,
    /// Only reading: every change fails with `ROFS`, as on a read-only mount.
    ReadOnly,
}

/// Why a context could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A directory could not be opened.
    #[error("cannot open directory `{}` for the guest", path.display())]
    Directory {
        /// The path on the host.
        path: PathBuf,
        /// What the host said.
        source: io::Error,
    },
    /// An argument or environment variable that no guest could receive whole.
    #[error("{what} {text:?} must not contain {forbidden}")]
    String {
        /// Which kind of string.
        what: &'static str,
        /// The string.
        text: String,
        /// What it must not contain.
        forbidden: &'static str,
    },
    /// The host refused something else.
    #[error("cannot prepare {what}")]
    Host {
        /// What was prepared.
        what: &'static str,
        /// What the host said.
        source: io::Error,
    },
}

struct Preopen {
    host: PathBuf,
    guest: Vec<u8>,
    access: DirAccess,
}

/// Collects what a guest is granted. At first that is nothing: no arguments, no environment, no files; an empty
/// input, output that is thrown away, and the host's clocks and random bytes.
///
/// ```
/// use heapwood_wasi::{DirAccess, WasiCtxBuilder};
/// let ctx = WasiCtxBuilder::new()
///     .args(["app.wasm", "--verbose"])
///     .env("LANG", "C")
///     .preopen_dir(".", "/data", DirAccess::ReadOnly)
///     .build()
///     .unwrap();
/// # drop(ctx);
/// ```
pub struct WasiCtxBuilder {
    args: Vec<Vec<u8>>,
    env: Vec<(Vec<u8>, Vec<u8>)>,
    /// Descriptors 0, 1 and 2.
    stdio: [Result<StreamBehind, io::Error>; 3],
    preopens: Vec<Preopen>,
    sockets: Vec<OwnedFd>,
    clocks: Box<dyn Clocks>,
    random: Box<dyn RandomSource>,
    max_file_size: u64,
    max_descriptors: usize,
    kotlin_paths: bool,
    broken_pipe_exit: Option<u32>,
}

impl Default for WasiCtxBuilder {
    fn default() -> WasiCtxBuilder {
        WasiCtxBuilder::new()
    }
}

impl WasiCtxBuilder {
    /// A builder that grants nothing yet: see [`WasiCtxBuilder`] for the defaults.
    pub fn new() -> WasiCtxBuilder {
        WasiCtxBuilder {
            args: Vec::new(),
            env: Vec::new(),
            stdio: [
                Ok(StreamBehind::Input(Box::new(io::empty()))),
                Ok(StreamBehind::Output(Box::new(io::sink()))),
                Ok(StreamBehind::Output(Box::new(io::sink()))),
            ],
            preopens: Vec::new(),
            sockets: Vec::new(),
            clocks: Box::new(SystemClocks),
            random: Box::new(SystemRandom),
            max_file_size: u64::MAX,
            max_descriptors: 1 << 16,
            kotlin_paths: false,
            broken_pipe_exit: None,
        }
    }

    /// Appends an argument. The first one is the program's name. Any bytes but zeros.
    pub fn arg(mut self, arg: impl Into<Vec<u8>>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Appends arguments, as [`arg`](WasiCtxBuilder::arg) does with one.
    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<Vec<u8>>>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable. Any bytes but zeros; no `=` in the key. A later value replaces an earlier one.
    pub fn env(mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        let (key, value) = (key.into(), value.into());
        match self.env.iter_mut().find(|(k, _)| *k == key) {
            Some(entry) => entry.1 = value,
            None => self.env.push((key, value)),
        }
        self
    }

    /// Gives the guest the directory `host` under the name `guest`. Preopens have the descriptors from 3 on, in the
    /// order of the calls. The directory is opened by [`build`](WasiCtxBuilder::build).
    pub fn preopen_dir(mut self, host: impl AsRef<Path>, guest: impl Into<Vec<u8>>, access: DirAccess) -> Self {
        self.preopens.push(Preopen { host: host.as_ref().to_path_buf(), guest: guest.into(), access });
        self
    }

    /// Gives the guest a socket, listening or connected; these descriptors follow those of the directories.
    pub fn socket(mut self, socket: impl Into<OwnedFd>) -> Self {
        self.sockets.push(socket.into());
        self
    }

    /// The guest's standard input, descriptor 0. By default it is at its end.
    pub fn stdin(mut self, input: impl InputStream + 'static) -> Self {
        self.stdio[0] = Ok(StreamBehind::Input(Box::new(input)));
        self
    }

    /// The guest's standard output, descriptor 1. By default what is written is thrown away.
    pub fn stdout(mut self, output: impl OutputStream + 'static) -> Self {
        self.stdio[1] = Ok(StreamBehind::Output(Box::new(output)));
        self
    }

    /// The guest's standard error output, descriptor 2. By default what is written is thrown away.
    pub fn stderr(mut self, output: impl OutputStream + 'static) -> Self {
        self.stdio[2] = Ok(StreamBehind::Output(Box::new(output)));
        self
    }

    /// A standard stream from a descriptor of the host: a file, pipe, terminal or socket.
    pub fn stdio_fd(mut self, stream: StandardStream, fd: impl Into<OwnedFd>) -> Self {
        self.stdio[stream as usize] = Ok(StreamBehind::Host(fd.into()));
        self
    }

    /// Leaves the guest without this stream: using it gives `BADF`.
    pub fn close_stdio(mut self, stream: StandardStream) -> Self {
        self.stdio[stream as usize] = Ok(StreamBehind::Closed);
        self
    }

    /// Passes on the standard input, output and error of this process. Where one of them is closed, so is the
    /// guest's. The process must ignore SIGPIPE, as Rust programs do unless they change it.
    pub fn inherit_stdio(self) -> Self {
        self.inherit_stdin().inherit_stdout().inherit_stderr()
    }

    /// Passes on the standard input of this process.
    pub fn inherit_stdin(mut self) -> Self {
        self.stdio[0] = inherited(io::stdin().as_fd());
        self
    }

    /// Passes on the standard output of this process.
    pub fn inherit_stdout(mut self) -> Self {
        self.stdio[1] = inherited(io::stdout().as_fd());
        self
    }

    /// Passes on the standard error of this process.
    pub fn inherit_stderr(mut self) -> Self {
        self.stdio[2] = inherited(io::stderr().as_fd());
        self
    }

    /// The clocks that the guest reads and waits by, in place of the host's.
    pub fn clocks(mut self, clocks: impl Clocks + 'static) -> Self {
        self.clocks = Box::new(clocks);
        self
    }

    /// Where the guest's random bytes come from, in place of the host's generator.
    pub fn random(mut self, random: impl RandomSource + 'static) -> Self {
        self.random = Box::new(random);
        self
    }

    /// The size in bytes beyond which the guest cannot make a file grow (`FBIG`). The host's own limit
    /// (`RLIMIT_FSIZE`, as it is when the context is built) holds as well.
    pub fn max_file_size(mut self, bytes: u64) -> Self {
        self.max_file_size = bytes;
        self
    }

    /// How many descriptors the guest can have at a time, the standard ones included; more give `MFILE`. 65,536
    /// unless set. The host's own limit holds as well.
    pub fn max_descriptors(mut self, count: usize) -> Self {
        self.max_descriptors = count;
        self
    }

    /// Takes paths as libraries of Kotlin write them (kotlinx-io, okio), which WASI does not allow: a path may end with
    /// a zero byte; an absolute path is looked up in the preopened directory with the longest name that it begins with,
    /// and not refused with `PERM`; `fd_readdir` leaves out `.` and `..`. A guest reaches nothing by it that it could
    /// not reach by the preopened directories' own descriptors. Off unless set.
    ///
    /// ```
    /// use heapwood_wasi::WasiCtxBuilder;
    /// let ctx = WasiCtxBuilder::new().kotlin_paths(true).build().unwrap();
    /// # drop(ctx);
    /// ```
    pub fn kotlin_paths(mut self, on: bool) -> Self {
        self.kotlin_paths = on;
        self
    }

    /// A write to a pipe or socket that nobody reads any more ends the guest with this code ([`Outcome::Exit`]), as
    /// SIGPIPE ends a process (141 in a shell). Unless set, the guest gets `PIPE` and goes on.
    ///
    /// [`Outcome::Exit`]: crate::Outcome::Exit
    pub fn broken_pipe_exit(mut self, code: u32) -> Self {
        self.broken_pipe_exit = Some(code);
        self
    }

    /// Opens the directories and makes the context.
    ///
    /// # Errors
    /// [`BuildError`]: a directory that cannot be opened, a string that cannot be passed on, no descriptors left.
    pub fn build(self) -> Result<WasiCtx, BuildError> {
        let mut fds = Table::new(self.max_descriptors);
        for (source, direction) in self.stdio.into_iter().zip([Rights::FD_READ, Rights::FD_WRITE, Rights::FD_WRITE]) {
            let source = source.map_err(|source| BuildError::Host { what: "standard streams", source })?;
            fds.push(Descriptor::standard(source, direction).map_err(|e| host("standard streams", e))?);
        }
        for preopen in self.preopens {
            fds.push(Some(open_directory(preopen)?));
        }
        for socket in self.sockets {
            // A connection may be gone between waiting for it and accepting it.
            let descriptor = rustix::io::ioctl_fionbio(&socket, true).and_then(|()| Descriptor::host(socket));
            fds.push(Some(descriptor.map_err(|e| host("a socket", e))?));
        }
        Ok(WasiCtx {
            args: checked_args(self.args)?,
            env: checked_env(self.env)?,
            fds,
            clocks: self.clocks,
            random: self.random,
            interrupt: Interrupt::new(),
            unfinished: Unfinished::default(),
            max_file_size: self.max_file_size.min(getrlimit(Resource::Fsize).current.unwrap_or(u64::MAX)),
            kotlin_paths: self.kotlin_paths,
            broken_pipe_exit: self.broken_pipe_exit,
        })
    }
}

/// A standard stream of the process under a new descriptor, so that the guest's `fd_close` does not close the
/// process's.
fn inherited(fd: BorrowedFd<'_>) -> Result<StreamBehind, io::Error> {
    match fd.try_clone_to_owned() {
        Ok(fd) => Ok(StreamBehind::Host(fd)),
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::BADF.raw_os_error()) => Ok(StreamBehind::Closed),
        Err(error) => Err(error),
    }
}

fn host(what: &'static str, source: rustix::io::Errno) -> BuildError {
    BuildError::Host { what, source: source.into() }
}

fn open_directory(preopen: Preopen) -> Result<Descriptor, BuildError> {
    use rustix::fs::{Mode, OFlags};
    let Preopen { host: path, guest, access } = preopen;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match rustix::fs::open(&path, flags, Mode::empty()) {
        Ok(fd) => {
            let mut descriptor = Descriptor::directory(fd.into(), Some(guest));
            descriptor.read_only = access == DirAccess::ReadOnly;
            Ok(descriptor)
        }
        Err(error) => Err(BuildError::Directory { path, source: error.into() }),
    }
}

fn checked(what: &'static str, bytes: Vec<u8>, forbidden: u8, name: &'static str) -> Result<Vec<u8>, BuildError> {
    if bytes.contains(&forbidden) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        return Err(BuildError::String { what, text, forbidden: name });
    }
    Ok(bytes)
}

fn checked_args(args: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, BuildError> {
    args.into_iter().map(|arg| checked("argument", arg, 0, "a zero byte")).collect()
}

fn checked_env(env: Vec<(Vec<u8>, Vec<u8>)>) -> Result<Vec<Vec<u8>>, BuildError> {
    let mut strings = Vec::with_capacity(env.len());
    for (key, value) in env {
        let mut string = checked("environment variable", key, b'=', "`=` in its name")?;
        string.push(b'=');
        string.extend_from_slice(&value);
        strings.push(checked("environment variable", string, 0, "a zero byte")?);
    }
    Ok(strings)
}
