//! A program that runs and is attached to.

use super::{Finished, clear_environment, finish, heapwood, scratch, wat};
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

/// Makes garbage, and keeps a thousand nodes, until it is killed: what it exports is called `_start`. First it writes a
/// dot.
pub const CHURN: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\08\00\00\00\01\00\00\00.")
  (type $node (struct (field $value i64) (field $next (ref null $node))))
  (global $kept (mut (ref null $node)) (ref.null $node))
  (func $list (param $n i32) (result (ref null $node)) (local $list (ref null $node))
    (loop $more
      (local.set $list (struct.new $node (i64.const 1) (local.get $list)))
      (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $list))
  (func $churn (loop $again (drop (call $list (i32.const 100))) (br $again)))
  (func $start (export "_start")
    (global.set $kept (call $list (i32.const 1000)))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))
    (call $churn)))"#;

/// A program that runs with a socket; killed when this is dropped.
pub struct Program {
    pub child: Child,
    pub socket: PathBuf,
    pub stdin: Option<ChildStdin>,
}

/// The command, with its signals as they are by default: whoever runs the tests may ignore some, as a shell's job in
/// the background does.
pub fn program() -> Command {
    let mut command = Command::new("env");
    clear_environment(&mut command).arg("--default-signal").arg(env!("CARGO_BIN_EXE_heapwood")).arg("run");
    command
}

impl Program {
    /// Starts a module, and returns when it has written its first byte.
    pub fn start(module: &Path, folder: &Path, options: &[&str], args: &[&str]) -> Program {
        let socket = folder.join("it.sock");
        let mut command = program();
        command.arg("--inspect-socket").arg(&socket).args(options).arg(module).args(args);
        Program::of(command, socket)
    }

    pub fn of(mut command: Command, socket: PathBuf) -> Program {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the command starts");
        let stdin = child.stdin.take();
        child.stdout.as_mut().expect("piped").read_exact(&mut [0]).expect("the guest writes");
        Program { child, socket, stdin }
    }

    pub fn pid(&self) -> String {
        self.child.id().to_string()
    }

    pub fn attach(&self, args: &[&str]) -> Finished {
        finish(heapwood().arg("attach").arg(&self.socket).args(args))
    }

    /// What is answered; it is no error.
    #[track_caller]
    pub fn answers(&self, args: &[&str]) -> String {
        let answer = self.attach(args);
        assert_eq!((answer.code, answer.stderr.as_str()), (Some(0), ""), "{args:?}");
        answer.stdout
    }

    /// The message of what is refused.
    #[track_caller]
    pub fn refuses(&self, args: &[&str]) -> String {
        let answer = self.attach(args);
        assert_eq!((answer.code, answer.stdout.as_str()), (Some(1), ""), "{args:?}: {}", answer.stderr);
        answer.stderr
    }

    pub fn connect(&self) -> UnixStream {
        UnixStream::connect(&self.socket).expect("it listens")
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.pid()]).status().expect("kill runs");
        assert!(sent.success());
    }

    /// Ends it by a signal, and returns what it wrote to its standard error.
    pub fn end(mut self, signal: &str, status: i32) -> String {
        self.signal(signal);
        let ended = self.child.wait().expect("it ends");
        assert_eq!(ended.code(), Some(status));
        let mut stderr = String::new();
        self.child.stderr.as_mut().expect("piped").read_to_string(&mut stderr).expect("text");
        stderr
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn churn(name: &str, options: &[&str]) -> Program {
    let folder = scratch(name);
    Program::start(&wat(&folder, "churn.wat", CHURN), &folder, options, &[])
}

/// How many minor collections and markings there were.
pub fn minors_and_markings(program: &Program) -> (u64, u64) {
    let figures: serde_json::Value = serde_json::from_str(&program.answers(&["stats", "--json"])).expect("JSON");
    let minors = figures["pauses"]["minor"]["count"].as_u64().expect("a count");
    (minors, figures["counts"]["markings"].as_u64().expect("a count"))
}
