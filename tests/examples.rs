//! The examples that check themselves: each ends with a line `ok NAME …`.

use std::path::Path;
use std::process::Command;

const EXAMPLES: [&str; 1] = ["typed_struct"];

#[test]
fn each_example_ends_well() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    for name in EXAMPLES {
        let mut command = Command::new(&cargo);
        command.args(["run", "--quiet", "--package", "heapwood", "--example", name]);
        if !cfg!(debug_assertions) {
            command.arg("--release");
        }
        let output = command.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("cargo runs");
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let last = stdout.lines().last().unwrap_or_default();
        assert!(output.status.success() && last.starts_with(&format!("ok {name}")), "{name}: {stdout}{stderr}");
        println!("{last}");
    }
}

/// An example shows one thing.
#[test]
fn examples_are_short() {
    for name in EXAMPLES {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("examples/{name}.rs"));
        let lines = std::fs::read_to_string(path).expect("an example").lines().count();
        assert!(lines <= 250, "{name}: {lines} lines");
    }
}
