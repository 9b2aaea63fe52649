//! Outputs that cannot be written: a full disk, a limit for files, pipes that nobody reads.

mod common;

use common::{BUSY, clear_environment, finish, heapwood, scratch, wat};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Writes a line for ever, whatever it is told.
const LINES: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\08\00\00\00\05\00\00\00line\n")
  (func (export "_start")
    (loop $again
      (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))
      (br $again))))"#;

fn busy(name: &str) -> PathBuf {
    wat(&scratch(name), "busy.wat", BUSY)
}

/// Options that write a file, and how a message calls them.
fn outputs(file: &str) -> Vec<(Vec<String>, String)> {
    let joined = |option: &str| (vec![format!("{option}={file}")], format!("{option}={file}"));
    let apart = |option: &str| (vec![option.to_owned(), file.to_owned()], format!("{option} {file}"));
    let mut all = vec![
        joined("--gc-log"),
        apart("--trace"),
        apart("--heap-snapshot"),
        apart("--alloc-profile"),
        apart("--gc-report"),
    ];
    for format in ["json", "jvm"] {
        let (mut arguments, name) = joined("--gc-log");
        arguments.extend(["--gc-log-format".to_owned(), format.to_owned()]);
        all.push((arguments, name));
    }
    all
}

#[test]
fn files_on_a_full_disk_are_said_once_and_fail_the_command() {
    let guest = busy("full-disk");
    for (arguments, name) in outputs("/dev/full") {
        for (export, status) in [(None, 1), (Some("trap"), 134)] {
            let export: Vec<_> = export.map(|name| ["--invoke", name]).into_iter().flatten().collect();
            let finished = finish(heapwood().arg("run").args(&arguments).args(export).arg(&guest));
            // An empty log, trace or profile of the function that traps may have nothing to write.
            let has_written = status == 1 || finished.stderr.contains("No space left");
            assert_eq!(finished.code, Some(status), "{arguments:?}: {}", finished.stderr);
            let lines: Vec<_> = finished.stderr.lines().filter(|line| line.contains("No space left")).collect();
            assert_eq!(lines.len(), usize::from(has_written), "{arguments:?}: {}", finished.stderr);
            assert!(lines.iter().all(|line| line.starts_with(&format!("error: {name}: "))), "{lines:?}");
        }
    }
}

#[test]
fn a_limit_for_files_is_an_error_like_a_full_disk() {
    let directory = scratch("file-limit");
    let guest = wat(&directory, "busy.wat", BUSY);
    let log = directory.join("gc.log");
    // In blocks of 512 or 1,024 bytes: less than the log has.
    let mut command = Command::new("sh");
    command.args([
        "-c",
        "ulimit -f 1 && exec \"$@\"",
        "sh",
        env!("CARGO_BIN_EXE_heapwood"),
        "run",
        "--gc-nursery",
        "64k",
    ]);
    clear_environment(&mut command);
    let finished = finish(command.arg(format!("--gc-log={}", log.display())).arg(&guest));
    // It is for what the user calls a file: memory that stores share is none.
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    let said = format!("error: --gc-log={}: File too large (os error 27)\n", log.display());
    assert_eq!(finished.stderr, said);
    assert!(std::fs::metadata(&log).expect("the log").len() <= 1024);
}

#[test]
fn what_the_command_itself_prints_may_be_refused() {
    let guest = busy("own-output");
    let guest = guest.to_str().expect("a path in UTF-8");
    let commands: [&[&str]; 8] = [
        &["--version"],
        &["--version", "-v"],
        &["--help"],
        &["--man"],
        &["--completions", "bash"],
        &["inspect", guest],
        &["inspect", guest, "--asm", "0"],
        &["run", "--invoke", "number", guest],
    ];
    for arguments in commands {
        let full = std::fs::File::options().write(true).open("/dev/full").expect("a full device");
        let output = heapwood().args(arguments).stdout(full).stderr(Stdio::piped()).output().expect("it starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {stderr}");
        assert_eq!(stderr.matches("error: standard output: No space left").count(), 1, "{arguments:?}: {stderr}");
        // Nobody reads: nothing is said.
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = heapwood().args(arguments).stdout(writer).stderr(Stdio::piped()).output().expect("it starts");
        assert!(output.status.success(), "{arguments:?}: {}", output.status);
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
    }
}

/// Its standard error is as it is for everybody who closes it, or whose disk is full.
#[test]
fn a_standard_error_that_refuses_changes_no_status() {
    let guest = busy("own-errors");
    for target in ["/dev/full", ""] {
        for (export, status) in [("trap", 134), ("number", 0), ("nothing", 2)] {
            let mut command = heapwood();
            command.args(["run", "--gc-log=-", "--gc-stats", "--invoke", export]).arg(&guest).stdout(Stdio::null());
            match target {
                "" => {
                    let (reader, writer) = std::io::pipe().expect("a pipe");
                    drop(reader);
                    command.stderr(writer)
                }
                path => command.stderr(std::fs::File::options().write(true).open(path).expect("a full device")),
            };
            let ended = command.status().expect("it starts");
            let expected =
                if export == "nothing" { ended.code().filter(|code| [1, 2].contains(code)) } else { Some(status) };
            assert_eq!(ended.code(), expected, "{export} with {target:?}");
        }
    }
}

fn lines_guest() -> PathBuf {
    wat(&scratch("reader-gone"), "lines.wat", LINES)
}

#[test]
fn a_guest_whose_reader_went_away_ends_as_by_sigpipe() {
    let mut child = heapwood()
        .args(["run", "--gc-stats"])
        .arg(lines_guest())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut line = [0; 5];
    let mut output = child.stdout.take().expect("piped");
    output.read_exact(&mut line).expect("the guest writes");
    drop(output);
    let ended = child.wait_with_output().expect("the guest ends");
    assert_eq!(ended.status.code(), Some(141));
    let stderr = String::from_utf8_lossy(&ended.stderr);
    assert!(!stderr.contains("error") && stderr.contains("minor"), "only the table is printed: {stderr}");
}

/// A program of Kotlin, which would throw.
#[test]
fn a_kotlin_program_whose_reader_went_away_throws_nothing() {
    let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests/kotlin/wasm/hello.wasm");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = heapwood().arg("run").arg(guest).stdout(writer).stderr(Stdio::piped()).output().expect("it starts");
    assert_eq!(output.status.code(), Some(141));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
