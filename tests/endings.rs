//! How guests end that were stopped or that threw, and what the command prints about itself.

mod common;

use common::{clear_environment, finish, heapwood, scratch, wat};
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

/// Writes a line, then never ends.
const SPIN: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\08\00\00\00\01\00\00\00.")
  (func (export "_start")
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))
    (loop $again (br $again))))"#;

/// The command as it is started with signals ignored or blocked: by `env` of coreutils, with one of its options.
fn with_signals(option: &str) -> Command {
    let mut command = Command::new("env");
    command.arg(option).arg(env!("CARGO_BIN_EXE_heapwood"));
    command
}

/// Signals that end a guest, with the status that each gives it.
const ENDING: [(&str, i32); 3] = [("INT", 130), ("TERM", 143), ("HUP", 129)];

/// A guest that runs, with what `env` of coreutils does to signals before it: its one line was read.
fn running(env_option: &str, options: &[&str], guest: &Path) -> std::process::Child {
    let mut command = with_signals(env_option);
    command.arg("run").args(options).arg(guest).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("coreutils' env starts");
    let mut line = [0; 1];
    child.stdout.as_mut().expect("piped").read_exact(&mut line).expect("the guest writes");
    child
}

fn send(signal: &str, child: &std::process::Child) {
    let sent = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().expect("kill runs");
    assert!(sent.success());
}

#[test]
fn signals_end_a_guest_with_their_status_and_say_nothing() {
    let path = wat(&scratch("signals"), "guest.wat", SPIN);
    for (signal, status) in ENDING {
        // Whoever runs the tests may ignore the signal, as a shell's job in the background does.
        let child = running("--default-signal", &[], &path);
        send(signal, &child);
        let output = child.wait_with_output().expect("the guest ends");
        assert_eq!(output.status.code(), Some(status), "SIG{signal}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "SIG{signal}");
    }
}

#[test]
fn what_was_asked_for_is_complete_after_a_signal() {
    let directory = scratch("signals-outputs");
    let path = wat(&directory, "guest.wat", SPIN);
    for (signal, status) in ENDING {
        let file = |name: &str| directory.join(format!("{signal}-{name}"));
        let (trace, snapshot) = (file("trace.json"), file("heap.json"));
        let page = file("page.html");
        let files = [("--trace", &trace), ("--heap-snapshot", &snapshot), ("--gc-report", &page)];
        let options = files.iter().flat_map(|(option, file)| [*option, file.to_str().expect("UTF-8")]);
        let options: Vec<_> = std::iter::once("--gc-stats").chain(options).collect();
        let child = running("--default-signal", &options, &path);
        send(signal, &child);
        let output = child.wait_with_output().expect("the guest ends");
        assert_eq!(output.status.code(), Some(status), "SIG{signal}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("heap"), "SIG{signal}: the table is printed");
        for file in [&trace, &snapshot] {
            let text = std::fs::read_to_string(file).expect("a file");
            let parsed: Result<serde_json::Value, _> = serde_json::from_str(&text);
            assert!(parsed.is_ok(), "SIG{signal}: {} is whole", file.display());
        }
        let page = std::fs::read_to_string(&page).expect("a page");
        assert!(page.trim_end().ends_with("</html>"), "SIG{signal}: the page is whole");
    }
}

/// A guest that waits in the host, for an input that never comes.
#[test]
fn signals_end_a_guest_that_waits() {
    let text = r#"(module
      (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 1)
      (data (i32.const 0) "\08\00\00\00\01\00\00\00.")
      (func (export "_start")
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))
        (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 16)))))"#;
    let path = wat(&scratch("signals-wait"), "guest.wat", text);
    for (signal, status) in ENDING {
        let mut command = with_signals("--default-signal");
        command.arg("run").arg(&path).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("coreutils' env starts");
        let input = child.stdin.take();
        let mut line = [0; 1];
        child.stdout.as_mut().expect("piped").read_exact(&mut line).expect("the guest writes");
        send(signal, &child);
        let output = child.wait_with_output().expect("the guest ends");
        drop(input);
        assert_eq!(output.status.code(), Some(status), "SIG{signal}");
    }
}

/// The guest has ended, and what it kept alive is written to somebody who does not read: a second signal ends the
/// process.
#[test]
fn a_second_signal_ends_the_process_at_once() {
    let text = SPIN.replace(
        r#"(func (export "_start")"#,
        r#"
      (type $node (struct (field i64) (field (ref null $node))))
      (global $last (mut (ref null $node)) (ref.null $node))
      (func (export "_start") (local $left i32)
        (local.set $left (i32.const 50000))
        (loop $more
          (global.set $last (struct.new $node (i64.const 1) (global.get $last)))
          (br_if $more (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))"#,
    );
    let directory = scratch("signals-second");
    let path = wat(&directory, "guest.wat", &text);
    let fifo = directory.join("fifo");
    let made = Command::new("mkfifo").arg(&fifo).status().expect("mkfifo runs");
    assert!(made.success());
    let reader = {
        let fifo = fifo.clone();
        std::thread::spawn(move || std::fs::File::open(fifo).expect("a pipe"))
    };
    let mut child = running("--default-signal", &["--heap-snapshot", fifo.to_str().expect("UTF-8")], &path);
    let mut pipe = reader.join().expect("opened when the command did");
    send("TERM", &child);
    let mut first = [0];
    pipe.read_exact(&mut first).expect("the snapshot begins");
    send("TERM", &child);
    let ended = child.wait().expect("it ends");
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&ended), Some(15), "{ended}");
}

#[test]
fn signals_that_were_ignored_stay_ignored() {
    let path = wat(&scratch("signals-ignored"), "guest.wat", SPIN);
    for (signal, _) in ENDING {
        let child = running(&format!("--ignore-signal={signal}"), &["--timeout", "2s"], &path);
        send(signal, &child);
        let output = child.wait_with_output().expect("the guest ends");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(124), "SIG{signal}: {stderr}");
        assert!(stderr.contains("timeout: the guest ran for 2s"), "SIG{signal}: {stderr}");
    }
}

#[test]
fn faults_are_traps_though_their_signals_were_blocked() {
    let text = r#"(module (memory 1) (type $s (struct (field i32)))
        (func (export "load") (drop (i32.load (i32.const 70000))))
        (func (export "null") (drop (struct.get $s 0 (ref.null $s))))
        (func (export "divide") (drop (i32.div_u (i32.const 1) (i32.const 0))))
        (func (export "unreachable") unreachable))"#;
    let path = wat(&scratch("blocked"), "guest.wat", text);
    for (export, message) in [
        ("load", "out of bounds memory access"),
        ("null", "null structure reference"),
        ("divide", "integer divide by zero"),
        ("unreachable", "unreachable"),
    ] {
        let finished = finish(with_signals("--block-signal").args(["run", "--invoke", export]).arg(&path));
        assert_eq!(finished.code, Some(134), "{export}: {}", finished.stderr);
        assert!(finished.stderr.contains(message), "{export}: {}", finished.stderr);
    }
}

#[test]
fn an_uncaught_kotlin_exception_says_class_message_and_cause() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let finished = finish(heapwood().arg("run").arg(root.join("tests/guests/kotlin/wasm/uncaught.wasm")));
    assert_eq!(finished.code, Some(134));
    for line in ["Uncaught exception: Broken: outer failure", "Caused by: kotlin.IllegalStateException: inner failure"]
    {
        assert!(finished.stderr.contains(line), "`{line}` is not in {}", finished.stderr);
    }
}

#[test]
fn an_uncaught_kotlin_exception_says_where_it_was_thrown() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // Its `main` is called within a handler that throws everything again.
    let finished = finish(heapwood().arg("run").arg(root.join("tests/guests/kotlin/wasm/thrown_deep.wasm")));
    assert_eq!(finished.code, Some(134));
    let lines: Vec<&str> = finished.stderr.lines().collect();
    assert!(lines[0].ends_with("Uncaught exception: AppException: deep"), "{lines:?}");
    assert_eq!(lines[1..3], ["Caused by: kotlin.IllegalStateException: root", "wasm backtrace:"]);
    let functions: Vec<&str> = lines[3..].iter().filter_map(|line| Some(line.split_once('!')?.1)).collect();
    assert_eq!(functions, ["inner", "inner", "inner", "inner", "inner", "inner", "main"]);
}

#[test]
fn completion_scripts_and_the_manual_page_are_printed() {
    for shell in ["bash", "zsh", "fish"] {
        let finished = finish(heapwood().args(["--completions", shell]));
        assert_eq!(finished.code, Some(0));
        assert!(
            ["heapwood", "inspect", "junit"].iter().all(|word| finished.stdout.contains(word)),
            "{}",
            finished.stdout
        );
    }
    let finished = finish(heapwood().arg("--man"));
    assert_eq!(finished.code, Some(0));
    assert!(finished.stdout.contains(".TH heapwood"), "{}", finished.stdout);
}

#[test]
fn a_timeout_ends_a_guest_that_waits_at_a_shared_memory() {
    let text = r#"(module (memory 1 1 shared)
        (func (export "_start") (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))))"#;
    let path = wat(&scratch("waits"), "waits.wat", text);
    let finished = finish(heapwood().args(["run", "-W", "threads=y", "--timeout", "50ms"]).arg(&path));
    assert_eq!(finished.code, Some(124), "{}", finished.stderr);
    let finished = finish(heapwood().arg("run").arg(&path));
    assert_eq!(finished.code, Some(1));
    assert!(finished.stderr.contains("threads"), "{}", finished.stderr);
}

#[test]
fn wasi_functions_refuse_a_shared_memory() {
    let text = SPIN.replace("(memory (export \"memory\") 1)", "(memory (export \"memory\") 1 1 shared)");
    let path = wat(&scratch("shared-wasi"), "guest.wat", &text);
    let finished = finish(heapwood().args(["run", "-W", "threads=y"]).arg(&path));
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""));
    assert!(finished.stderr.contains("fd_write: WASI functions do not work on a shared memory"), "{}", finished.stderr);
}

/// A program that holds 64 MiB, as 64 arrays or as small objects with as much again for the arrays' lists.
#[test]
fn what_64_mib_need_is_96_and_not_60() {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests/kotlin/wasm/oom.wasm");
    for options in [&[][..], &["--gc-mark-slice", "1000"], &["--gc-threads", "0"]] {
        for objects in ["big", "small"] {
            let run = |limit: &str| {
                finish(
                    heapwood().args(["run", "--gc-heap-max", limit]).args(options).arg(&program).args(["64", objects]),
                )
            };
            let (fits, full) = (run("96m"), run("60m"));
            assert_eq!((fits.code, fits.stderr.as_str()), (Some(0), ""), "{objects} {options:?}");
            assert!(fits.stdout.ends_with("held 64 MiB\n"), "{}", fits.stdout);
            assert_eq!(full.code, Some(134), "{objects} {options:?}: {}", full.stdout);
            assert!(full.stderr.contains("the limit is --gc-heap-max 60m"), "{}", full.stderr);
        }
    }
}

/// Writes 4,096 bytes twice, and ends with the error of the second time.
const WRITES_A_PAGE_TWICE: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\00\10\00\00\00\10\00\00")
  (func (export "_start")
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))
    (call $exit (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))))"#;

/// `ulimit -f`, in blocks of 512 bytes or a kilobyte: the guest hears of it (`fbig`), and keeps its heap.
#[test]
fn a_limit_of_the_size_of_files_is_an_error_of_the_guest() {
    const FBIG: i32 = 22;
    let folder = scratch("file-limit");
    let path = wat(&folder, "guest.wat", WRITES_A_PAGE_TWICE);
    for (blocks, status) in [("1", FBIG), ("4", FBIG), ("1000", 0), ("100000", 0), ("1000000", 0)] {
        let mut command = Command::new("sh");
        let shell = format!("ulimit -f {blocks} && exec \"$@\" > output");
        command.args(["-c", &shell, "sh", env!("CARGO_BIN_EXE_heapwood"), "run"]).arg(&path).current_dir(&folder);
        let ended = finish(&mut command);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(status), ""), "{blocks} blocks");
    }
}

/// `ulimit -d`: the system gives the process less than `--gc-heap-max`.
#[test]
fn what_the_system_refuses_is_not_called_the_heaps_limit() {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests/kotlin/wasm/oom.wasm");
    let run = |options: &[&str], module: &Path, args: &[&str]| {
        let mut command = Command::new("sh");
        clear_environment(&mut command).args(["-c", "ulimit -d 65536 && exec \"$@\""]);
        command.args(["sh", env!("CARGO_BIN_EXE_heapwood"), "run"]);
        finish(command.args(options).arg(module).args(args))
    };
    for options in [&[][..], &["--gc-mark-slice", "1000"], &["--gc-threads", "0"]] {
        for objects in ["big", "small"] {
            let refused = run(&[options, &["--gc-heap-max", "256m"]].concat(), &program, &["200", objects]);
            assert_eq!(refused.code, Some(134), "{objects} {options:?}: {}", refused.stdout);
            let says =
                ["trap: heap exhausted (the system refused to ", "limit is 268435456", "--gc-heap-max 256m is more"];
            for part in says {
                assert!(refused.stderr.contains(part), "`{part}` is not in {}", refused.stderr);
            }
            let full = run(&[options, &["--gc-heap-max", "16m"]].concat(), &program, &["200", objects]);
            assert!(full.stderr.contains("do not fit the heap's limit of 16777216 bytes"), "{}", full.stderr);
            assert!(full.stderr.contains("the limit is --gc-heap-max 16m"), "{}", full.stderr);
        }
    }
    let table =
        wat(&scratch("large-table"), "table.wat", "(module (table 10000000 anyref) (func (export \"_start\")))");
    let refused = run(&[], &table, &[]);
    assert_eq!(refused.code, Some(0), "{}", refused.stderr);
    let table = "(module (table 10000000 anyref) (table 10000000 anyref) (func (export \"_start\")))";
    let refused = run(&[], &wat(&scratch("large-tables"), "tables.wat", table), &[]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("the system refused 10000000 elements for a table"), "{}", refused.stderr);
}
