//! `containerd-shim-heapwood-v1`, which containerd starts for containers of the runtime `io.containerd.heapwood.v1`:
//! programs whose entry point is a WebAssembly module run with the command `heapwood`.
//!
//! 1. [`main`] opens the command, which lies beside the shim, while the files of the machine are in reach.
//! 2. `containerd-shim-wasm` makes the container as it is made for any program: namespaces, control group, mounts,
//!    streams, user. An entry point for Linux, as a pod's pause container has one, is executed there as it is.
//! 3. Of a module, [`Container::run_wasi`] is called as the container's first process, and becomes the command
//!    (`fexecve`): status, messages, signals and the limit of memory are then those of `heapwood run`. What the command
//!    line is stands in [`command_line`].

mod command_line;
mod directories;

use anyhow::{Context, Result, anyhow};
use caps::CapSet;
use command_line::CommandLine;
use containerd_shim_wasm::sandbox::Sandbox;
use containerd_shim_wasm::sandbox::context::{RuntimeContext, Source};
use containerd_shim_wasm::shim::{Cli, Shim, Version, version};
use nix::errno::Errno;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd;
use std::env;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The command's name, beside the shim or in one of the folders of `PATH`.
const COMMAND: &str = "heapwood";

/// The status of a container whose module could not be started, as that of `heapwood run`.
const STATUS_HOST_FAILED: i32 = 1;

/// The command, or why it is not there. Processes of containers inherit its descriptor.
static OPENED: OnceLock<Result<File, String>> = OnceLock::new();

struct HeapwoodShim;

impl Shim for HeapwoodShim {
    type Sandbox = Container;

    fn name() -> &'static str {
        "heapwood"
    }

    fn version() -> Version {
        version!()
    }
}

/// A container with a module.
#[derive(Clone, Copy, Default)]
struct Container;

impl Sandbox for Container {
    async fn run_wasi(&self, context: &impl RuntimeContext) -> Result<i32> {
        // The stream is the container's, where whoever runs it looks.
        let Err(error) = become_command(context);
        eprintln!("error: {error:#}");
        Ok(STATUS_HOST_FAILED)
    }
}

/// Replaces this process.
///
/// # Errors
/// The module is not there, or the system does not execute the command.
fn become_command(context: &impl RuntimeContext) -> Result<std::convert::Infallible> {
    let command = match OPENED.get() {
        Some(Ok(command)) => command,
        Some(Err(why)) => return Err(anyhow!("{why}")),
        None => return Err(anyhow!("`{COMMAND}` was not opened")),
    };
    reopen_input();
    drop_capabilities()?;
    let entry = context.entrypoint();
    let module = match entry.source {
        Source::File(path) => path,
        Source::Oci(_) => in_memory(&entry.source.as_bytes()?)?,
    };
    let line = CommandLine {
        module: &module,
        function: &entry.func,
        args: context.args(),
        variables: context.envs(),
        directories: &directories::granted(),
    };
    let (args, variables) = (line.words()?, line.environment()?);
    unistd::fexecve(command, &args, &variables).map_err(|errno| match errno {
        // The file is open: what is missing is its dynamic linker, which is not in the image.
        Errno::ENOENT => anyhow!("`{COMMAND}` of this node is not static: see docs/install.md"),
        errno => anyhow!("`{COMMAND}` cannot be executed: {errno}"),
    })
}

/// Opens standard input anew where it is a pipe, for reading only. The shim opens it for writing as well, so as not to
/// wait for a writer, and who can write into a pipe never reads its end. A user who may not open it keeps what is
/// there.
fn reopen_input() {
    let input = Path::new("/proc/self/fd/0");
    let is_pipe = input.metadata().is_ok_and(|input| input.file_type().is_fifo());
    if is_pipe && let Ok(input) = File::open(input) {
        let _ = unistd::dup2_stdin(input);
    }
}

/// Gives up the capabilities that `execve` takes from a user other than root, so that what can be opened here can be
/// opened by the command.
fn drop_capabilities() -> Result<()> {
    if unistd::geteuid().is_root() {
        return Ok(());
    }
    let kept = caps::read(None, CapSet::Ambient).context("the capabilities of the container")?;
    caps::set(None, CapSet::Effective, &kept).context("the capabilities of the container")
}

/// A file that has no name, for a module that is a layer of the image and not a file in it.
fn in_memory(module: &[u8]) -> Result<PathBuf> {
    let mut file = File::from(memfd_create("module", MFdFlags::empty()).context("no memory for the module")?);
    file.write_all(module).context("no memory for the module")?;
    // It stays open for the command.
    Ok(format!("/proc/self/fd/{}", file.into_raw_fd()).into())
}

/// Opens the command.
fn open_command() -> Result<File, String> {
    let beside = env::current_exe().ok().and_then(|shim| Some(shim.parent()?.to_owned()));
    let path = env::var_os("PATH").unwrap_or_default();
    let found =
        beside.into_iter().chain(env::split_paths(&path)).find_map(|folder| File::open(folder.join(COMMAND)).ok());
    found.ok_or_else(|| format!("this node has no `{COMMAND}`, neither beside the shim nor in its PATH"))
}

fn main() {
    let opened = open_command();
    debug_assert!(opened.as_ref().map_or(true, |command| command.as_raw_fd() > 2), "it is no stream of the container");
    let _ = OPENED.set(opened);
    HeapwoodShim::run(None);
}
