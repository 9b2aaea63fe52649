//! `--wasi-compat`: whose habits the functions of WASI bear with, and for whom they do it by themselves.

mod common;

use common::{Finished, finish, heapwood, scratch, wat};
use std::path::Path;

fn kotlin(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/guests/kotlin/wasm/{name}.wasm"))
}

/// A program that opens `/data/f` with a zero byte at its end, from descriptor 3, and exits with the error.
fn opens(folder: &Path) -> std::path::PathBuf {
    let text = r#"(module
        (import "wasi_snapshot_preview1" "path_open"
            (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1) (data (i32.const 0) "/data/f\00")
        (func (export "_start")
            (call $exit (call $open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 8) (i32.const 0)
                (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 64)))))"#;
    wat(folder, "opens.wat", text)
}

fn run(options: &[&str], folder: &Path, module: &Path) -> Finished {
    let dir = format!("{}::/data", folder.display());
    finish(heapwood().arg("run").args(options).args(["--dir", &dir]).arg(module).arg("/data"))
}

#[test]
fn it_is_chosen_by_the_option_or_by_the_module() {
    let folder = scratch("wasi-compat");
    std::fs::write(folder.join("f"), "x").expect("written");
    for (options, module, status) in [
        (&[][..], opens(&folder), 28),
        (&["--wasi-compat", "none"], opens(&folder), 28),
        (&["--wasi-compat", "kotlin"], opens(&folder), 0),
        (&[], kotlin("files"), 0),
        (&["--wasi-compat", "kotlin"], kotlin("files"), 0),
        (&["--wasi-compat", "none"], kotlin("files"), 1),
    ] {
        let finished = run(options, &folder, &module);
        assert_eq!(finished.code, Some(status), "{options:?} {}: {}", module.display(), finished.stdout);
    }
    let refused = run(&["--wasi-compat", "none"], &folder, &kotlin("files"));
    assert_eq!(refused.stdout, "/data: error 28\n");
    assert_eq!(run(&["--wasi-compat", "java"], &folder, &kotlin("files")).code, Some(2));
}

#[test]
fn inspect_says_of_which_modules_the_kotlin_compiler_is_the_maker() {
    let says =
        |module: &Path| finish(heapwood().arg("inspect").arg(module)).stdout.contains("made by the Kotlin compiler");
    for name in ["hello", "args", "trees", "files", "tests", "uncaught"] {
        assert!(says(&kotlin(name)), "{name}");
    }
    let folder = scratch("wasi-compat-inspect");
    assert!(!says(&opens(&folder)));
    // The text alone is not enough: a program of another language may have it in its memory.
    let other = r#"(module (import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))
        (memory 1) (data (i32.const 0) "kotlin.Any") (func $start) (start $start))"#;
    assert!(!says(&wat(&folder, "other.wat", other)));
}
