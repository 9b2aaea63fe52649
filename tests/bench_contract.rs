//! `heapwood bench --json`: the fields that tools rely on.

mod common;

use common::{finish, heapwood, scratch, wat};
use serde_json::Value;
use std::path::PathBuf;

/// `run(n)` makes n dead lists and returns a checksum; `init` and `step` keep a list.
const GUEST: &str = r#"(module
    (type $cell (struct (field (ref null $cell)) (field i64)))
    (global $kept (mut (ref null $cell)) (ref.null $cell))
    (func $list (param $n i32) (result (ref null $cell)) (local $list (ref null $cell))
      loop $more
        (local.set $list (struct.new $cell (local.get $list) (i64.extend_i32_s (local.get $n))))
        (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1))))
      end
      local.get $list)
    (func (export "run") (param $n i32) (result i64)
      (struct.get $cell 1 (ref.as_non_null (call $list (i32.const 100000))))
      (i64.extend_i32_s (local.get $n))
      i64.sub)
    (func (export "init") (global.set $kept (call $list (i32.const 10))))
    (func (export "step") (param $n i32) (result i64)
      (global.set $kept (call $list (local.get $n)))
      (i64.const 0))
    (func (export "boom") (param i32) (result i64) unreachable)
    (global $calls (mut i64) (i64.const 0))
    (func (export "unsteady") (param i32) (result i64)
      (global.set $calls (i64.add (global.get $calls) (i64.const 1)))
      (global.get $calls)))"#;

fn guest(name: &str) -> PathBuf {
    wat(&scratch(name), "guest.wat", GUEST)
}

fn bench(name: &str, options: &[&str]) -> Value {
    let finished = finish(heapwood().arg("bench").arg(guest(name)).args(options).arg("--json"));
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
    assert_eq!(finished.stdout.lines().count(), 1, "{}", finished.stdout);
    serde_json::from_str(&finished.stdout).expect("JSON")
}

#[track_caller]
fn is_positive(value: &Value) {
    assert!(value.as_f64().is_some_and(|number| number > 0.0), "{value}");
}

#[test]
fn calls_are_measured() {
    let object = bench("bench-calls", &["--invoke", "run", "--arg", "7", "--warmup", "1", "--reps", "3"]);
    assert_eq!(object["result"], "-6", "a string, signed");
    for field in ["times_ms", "cpu_ms"] {
        assert_eq!(object[field].as_array().map(Vec::len), Some(3), "{field}");
    }
    object["times_ms"].as_array().unwrap().iter().for_each(is_positive);
    for field in ["first_ms", "compile_ms", "instantiate_ms", "peak_rss_kib"] {
        is_positive(&object[field]);
    }
    for kind in ["minor", "major"] {
        for field in ["count", "p50_us", "p99_us", "max_us", "total_us"] {
            assert!(object["gc"][kind][field].is_number(), "gc.{kind}.{field}");
        }
    }
    is_positive(&object["gc"]["minor"]["count"]);
    is_positive(&object["gc"]["minor"]["p50_us"]);
    assert!(object.get("slice_ms").is_none());
}

#[test]
fn slices_are_measured_after_the_calls() {
    let options = ["--invoke", "run", "--warmup", "0", "--reps", "1", "--slice", "1000:40"];
    let object = bench("bench-slices", &options);
    let slices = &object["slice_ms"];
    assert_eq!((&slices["ops"], &slices["slices"]), (&Value::from(1000), &Value::from(40)));
    for field in ["p50", "p99", "p999", "max", "mean"] {
        is_positive(&slices[field]);
    }
}

#[test]
fn compilation_alone_is_measured_without_imports() {
    let text = "(module (import \"no\" \"body\" (func)) (func (export \"run\") call 0))";
    let path = wat(&scratch("bench-compile"), "guest.wat", text);
    let options = ["--compile-only", "--threads", "1", "--json"];
    let finished = finish(heapwood().arg("bench").arg(path).args(options));
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let object: Value = serde_json::from_str(&finished.stdout).expect("JSON");
    is_positive(&object["compile_ms"]);
    assert!(object["compile_cpu_ms"].is_number());
}

#[test]
fn a_program_is_measured_in_fresh_instances_and_its_output_discarded() {
    let hello = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guests/kotlin/wasm/hello.wasm");
    let finished = finish(heapwood().args(["bench", hello, "--warmup", "1", "--reps", "2", "--json"]));
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let object: Value = serde_json::from_str(&finished.stdout).expect("JSON and nothing else");
    assert_eq!(object["times_ms"].as_array().map(Vec::len), Some(2));
}

#[test]
fn traps_and_results_that_differ_are_errors_on_one_line() {
    for (name, says) in [("boom", "unreachable"), ("unsteady", "different results"), ("none", "none")] {
        let path = guest(&format!("bench-{name}"));
        let finished = finish(heapwood().arg("bench").arg(path).args(["--invoke", name, "--reps", "2", "--json"]));
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""));
        assert!(finished.stderr.starts_with("error: ") && finished.stderr.contains(says), "{}", finished.stderr);
        assert_eq!(finished.stderr.lines().count(), 1, "{}", finished.stderr);
    }
}
