//! `-D gdb`: GDB knows compiled functions, stops at them and walks the guest's stack.

mod common;

use common::{clear_environment, scratch, skip, wat};
use std::process::{Command, Stdio};

const GUEST: &str = r#"(module
  (memory 1)
  (func $innermost_of_guest (param $n i32) (result i32)
    (if (result i32) (local.get $n)
      (then (call $innermost_of_guest (i32.sub (local.get $n) (i32.const 1))))
      (else (i32.load (i32.const 0)))))
  (func $middle_of_guest (result i32) (i32.add (call $innermost_of_guest (i32.const 2)) (i32.const 1)))
  (func (export "_start") (drop (call $middle_of_guest))))"#;

#[test]
fn gdb_stops_at_a_function_and_names_the_frames() {
    let folder = scratch("gdb");
    let guest = wat(&folder, "guest.wat", GUEST);
    let gdb = |options: &[&str]| {
        let mut command = Command::new("gdb");
        clear_environment(&mut command).env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.args(["-nx", "-batch", "-ex", "set debuginfod enabled off", "-ex", "set breakpoint pending on"]);
        command.args(["-ex", "handle SIGSEGV nostop noprint pass", "-ex", "break innermost_of_guest"]);
        command.args(["-ex", "run", "-ex", "continue", "-ex", "continue", "-ex", "backtrace"]);
        command.arg("--args").arg(env!("CARGO_BIN_EXE_heapwood")).args(["run", "-T", "inline=n"]).args(options);
        command.arg(&guest).stdin(Stdio::null()).output()
    };
    let output = match gdb(&["-D", "gdb"]) {
        Ok(output) => output,
        Err(error) => return skip("gdb", format!("GDB: {error}")),
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if said.contains("ptrace: Operation not permitted") {
        return skip("gdb", "GDB may not trace a process here".to_owned());
    }
    let frames: Vec<&str> = said.lines().filter(|line| line.starts_with('#')).collect();
    let expected = ["innermost_of_guest", "innermost_of_guest", "innermost_of_guest", "middle_of_guest"];
    assert!(frames.len() >= expected.len(), "{said}");
    for (frame, function) in frames.iter().zip(expected) {
        assert!(frame.contains(function), "{function}:\n{said}");
    }
    // Without the option there is no such function.
    let output = gdb(&[]).expect("as before");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!said.lines().any(|line| line.starts_with('#')), "{said}");
    assert!(said.contains("exited normally"), "{said}");
}
