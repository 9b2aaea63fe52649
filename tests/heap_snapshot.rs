//! `--heap-snapshot`: written at exit, or where the heap was full. What is in it: `vm/tests/snapshot.rs`.

mod common;

use common::{finish, heapwood, scratch};
use serde_json::Value;

/// Runs a program of `tests/guests`; its exit status and the snapshot.
fn run(name: &str, options: &[&str], args: &[&str]) -> (Option<i32>, Value) {
    let path = scratch(&format!("heap-snapshot-{name}")).join("of.heapsnapshot");
    let guest = format!("{}/tests/guests/kotlin/wasm/{name}.wasm", env!("CARGO_MANIFEST_DIR"));
    let mut command = heapwood();
    command.arg("run").args(options).args(["--heap-snapshot", &path.display().to_string(), &guest]).args(args);
    let finished = finish(&mut command);
    let file = std::fs::read(path).expect("a snapshot");
    (finished.code, serde_json::from_slice(&file).unwrap_or_else(|error| panic!("{error}: {}", finished.stderr)))
}

/// Sizes of all objects whose node has this name.
fn bytes_of(snapshot: &Value, name: &str) -> u64 {
    let strings = snapshot["strings"].as_array().expect("strings");
    let number = strings.iter().position(|string| string == name).unwrap_or_else(|| panic!("no `{name}`")) as u64;
    let nodes = snapshot["nodes"].as_array().expect("nodes");
    let fields: Vec<u64> = nodes.iter().map(|field| field.as_u64().expect("a number")).collect();
    fields.chunks(6).filter(|node| node[1] == number).map(|node| node[3]).sum()
}

#[test]
fn at_exit_it_names_the_types_of_a_kotlin_program() {
    let (code, snapshot) = run("hello", &[], &[]);
    assert_eq!(code, Some(0));
    assert!(bytes_of(&snapshot, "kotlin.String") > 0);
    assert!(bytes_of(&snapshot, "(globals)") == 0, "our own nodes have no bytes");
}

#[test]
fn a_full_heap_shows_what_filled_it_and_where_the_program_was() {
    let (code, snapshot) = run("oom", &["--gc-heap-max", "24m"], &["64"]);
    assert_eq!(code, Some(134));
    let bytes = bytes_of(&snapshot, "kotlin.wasm.internal.WasmIntArray");
    assert!(bytes > 16 << 20, "{bytes} bytes in the arrays that the program keeps");
    let strings = snapshot["strings"].as_array().expect("strings");
    assert!(strings.iter().any(|string| string == "main"), "the frames have names");
}

#[test]
fn an_allocation_profile_names_functions_and_types_of_a_kotlin_program() {
    let path = scratch("alloc-profile").join("stacks");
    let guest = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guests/kotlin/wasm/trees.wasm");
    let mut command = heapwood();
    command.args(["run", "--gc-stats", "--alloc-profile", &path.display().to_string(), guest]);
    let finished = finish(&mut command);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let profile = std::fs::read_to_string(path).expect("a profile");
    let bytes = |line: &str| line.rsplit(' ').next().and_then(|bytes| bytes.parse::<f64>().ok()).expect("bytes");
    let total: f64 = profile.lines().map(bytes).sum();
    let trees: f64 = profile.lines().filter(|line| line.contains("build;Tree.<init>;[Tree]")).map(bytes).sum();
    let row = finished.stderr.lines().find(|line| line.contains("allocated in the nursery")).expect("a row");
    let allocated = row.split_whitespace().last().and_then(|mib| mib.parse::<f64>().ok()).expect("MiB") * 1048576.0;
    // Some 12,800 samples: five standard deviations are less than a twentieth.
    assert!((total - allocated).abs() < allocated / 20.0, "{total} of {allocated}");
    assert!(trees > allocated / 4.0, "most are trees: {trees} of {allocated}");
}
