//! Tests whose failure would be the end of the process.

use std::process::Command;

/// Names the test that this process runs, if it was started for one.
const CHILD: &str = "HEAPWOOD_TEST_CHILD";

/// Runs `body` in a process of its own: this program again, with the test `name` only, so that a crash there is a
/// failure here, with everything that was said.
pub fn in_child(name: &str, body: impl FnOnce()) {
    if std::env::var(CHILD).is_ok_and(|child| child == name) {
        return body();
    }
    let program = std::env::current_exe().expect("this program has a path");
    let mut command = Command::new(program);
    command.args([name, "--exact", "--include-ignored", "--nocapture", "--test-threads=1"]).env(CHILD, name);
    let output = command.output().expect("this program starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (said, errors) = (text(&output.stdout), text(&output.stderr));
    print!("{said}");
    assert!(output.status.success(), "{name} ended with {}:\n{said}{errors}", output.status);
    assert!(said.contains("test result: ok. 1 passed"), "{name} did not run:\n{said}{errors}");
}
