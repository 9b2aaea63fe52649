//! Running the command line in tests.
#![allow(dead_code, unused_imports, reason = "each test binary uses a part")]

pub mod attached;
pub mod profile_forms;
mod skip;

use heapwood::{Instance, Store, Val};
pub use skip::skip;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A process hangs if it runs longer. Far above what anything takes, since the machine may be busy.
const HANGS_AFTER: Duration = Duration::from_secs(3600);

/// How a process ended.
#[derive(Debug)]
pub struct Finished {
    /// Exit status; none after a signal, or when it was killed because it hung.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub hung: bool,
}

impl Finished {
    /// The end in words.
    pub fn end(&self) -> String {
        match self.code {
            Some(code) => format!("status {code}"),
            None if self.hung => "a hang".to_owned(),
            None => "a crash".to_owned(),
        }
    }
}

/// Allocates until there was a collection or two.
pub const BUSY: &str = r#"(module
  (type $node (struct (field i64) (field (ref null $node))))
  (global $last (mut (ref null $node)) (ref.null $node))
  (func (export "_start") (local $left i32)
    (local.set $left (i32.const 200000))
    (loop $more
      (global.set $last (struct.new $node (i64.const 1) (global.get $last)))
      (br_if $more (local.tee $left (i32.sub (local.get $left) (i32.const 1))))))
  (func (export "trap") unreachable)
  (func (export "number") (result i32) (i32.const 7)))"#;

/// The command under test.
pub fn heapwood() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_heapwood"));
    clear_environment(&mut command).stdin(Stdio::null());
    command
}

/// Gives a command no variables but those of this run: where it counts what it covers (`.ci/coverage`), and the mutant
/// that is to be there (`.ci/mutants`).
pub fn clear_environment(command: &mut Command) -> &mut Command {
    let is_of_run = |name: &str| name == "LLVM_PROFILE_FILE" || name.starts_with("HEAPWOOD_MUTANT");
    command.env_clear().envs(std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_of_run)))
}

/// Runs a command to its end.
pub fn finish(command: &mut Command) -> Finished {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command starts");
    let stdout = drain(child.stdout.take().expect("piped"));
    let stderr = drain(child.stderr.take().expect("piped"));
    let start = Instant::now();
    let mut hung = false;
    let status = loop {
        match child.try_wait().expect("the child can be waited for") {
            Some(status) => break status,
            None if !hung && start.elapsed() > HANGS_AFTER => {
                hung = true;
                child.kill().expect("the child can be killed");
            }
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    };
    let text = |bytes: std::thread::JoinHandle<Vec<u8>>| {
        String::from_utf8_lossy(&bytes.join().expect("the reader ends")).into_owned()
    };
    Finished { code: status.code(), stdout: text(stdout), stderr: text(stderr), hung }
}

fn drain(mut stream: impl Read + Send + 'static) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // A stream that breaks off is compared as far as it came.
        let _ = stream.read_to_end(&mut bytes);
        bytes
    })
}

/// Calls an export, and returns its first result.
pub fn call_export<T: 'static>(
    store: &mut Store<T>,
    instance: Instance,
    name: &str,
    args: &[Val],
) -> heapwood::Result<Option<Val>> {
    let func = instance.get_func(&mut *store, name).unwrap_or_else(|| panic!("{name}"));
    let mut results = vec![Val::I32(0); func.ty(&*store).results().len()];
    func.call(store, args, &mut results)?;
    Ok(results.first().copied())
}

/// The folder that an environment variable names.
///
/// # Panics
/// It names something that is no folder.
pub fn folder_from_env(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(std::env::var_os(name)?);
    assert!(path.is_dir(), "{name} names {}, which is no folder", path.display());
    Some(path)
}

/// A new empty folder of this test run.
pub fn scratch(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name.replace('/', "-"));
    if path.exists() {
        std::fs::remove_dir_all(&path).expect("an old scratch folder can be removed");
    }
    std::fs::create_dir_all(&path).expect("a scratch folder can be made");
    path
}

/// Writes a module in the text format and returns its path.
pub fn wat(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("a module can be written");
    path
}

/// Copies a folder with all that it contains.
pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder can be made");
    for entry in std::fs::read_dir(from).expect("a folder can be read") {
        let entry = entry.expect("a folder can be read");
        let target = to.join(entry.file_name());
        let kind = entry.file_type().expect("a file has a type");
        if kind.is_dir() {
            copy_folder(&entry.path(), &target);
        } else if kind.is_symlink() {
            let link = std::fs::read_link(entry.path()).expect("a link can be read");
            std::os::unix::fs::symlink(link, target).expect("a link can be made");
        } else {
            std::fs::write(&target, std::fs::read(entry.path()).expect("a file")).expect("a file can be written");
        }
    }
}
