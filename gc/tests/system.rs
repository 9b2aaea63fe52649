//! A system that gives little, in truth: this program again, with limits of a shell's `ulimit`.

mod common;

use common::{Types, World};
use heapwood_gc::{Heap, HeapConfig, HeapError, TypeTable};
use std::fs::File;
use std::process::Command;

/// Names the test that this process runs, if it was started for one.
const CHILD: &str = "HEAPWOOD_TEST_CHILD";

/// Runs `body` in a process of its own that has these limits.
fn within(limits: &str, name: &str, body: impl FnOnce()) {
    if std::env::var(CHILD).is_ok_and(|child| child == name) {
        return body();
    }
    let program = std::env::current_exe().expect("this program has a path");
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{limits} && exec \"$@\""), "sh"]).arg(program);
    command.args([name, "--exact", "--nocapture", "--test-threads=1"]).env(CHILD, name);
    let output = command.output().expect("a shell starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} ended with {}:\n{said}{errors}", output.status);
    assert!(said.contains("test result: ok. 1 passed"), "{name} did not run:\n{said}{errors}");
}

fn config() -> HeapConfig {
    HeapConfig { max_bytes: 64 << 20, nursery_bytes: Some(64 << 10), ..HeapConfig::default() }
}

#[test]
fn with_little_address_space_a_heap_takes_what_its_limit_needs() {
    within("ulimit -v 4000000", "with_little_address_space_a_heap_takes_what_its_limit_needs", || {
        let mut world = World::new(&config(), 3);
        world.run(3_000);
        assert_eq!(world.exhausted(), None);
    });
}

#[test]
fn without_address_space_there_is_no_heap() {
    within("ulimit -v 400000", "without_address_space_there_is_no_heap", || {
        let error = Heap::new(&config(), Types::new().table).unwrap_err();
        assert!(matches!(error, HeapError::Backing(refused) if refused.operation == "reserve"), "{error}");
    });
}

#[test]
fn without_descriptors_there_is_no_table_of_types() {
    within("ulimit -n 64", "without_descriptors_there_is_no_table_of_types", || {
        let taken: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
        let error = TypeTable::new().expect_err("a descriptor");
        assert_eq!(error.operation, "share");
        drop(taken);
        TypeTable::new().unwrap();
    });
}
