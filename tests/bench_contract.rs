//! `heapwood bench --json`: the fields that tools rely on.

mod common;

use common::{finish, heapwood, scratch, wat};
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

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
    // CPU time too, however short a call is.
    for field in ["times_ms", "cpu_ms"] {
        object[field].as_array().unwrap().iter().for_each(is_positive);
    }
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
fn metered_latencies_are_at_least_the_simple_ones() {
    let options = ["--invoke", "run", "--warmup", "0", "--reps", "1", "--slice", "1000:400"];
    let slices = &bench("bench-metered", &options)["slice_ms"];
    let at = |of: &Value, which: &str| of[which].as_f64().expect("milliseconds");
    for window in ["1", "10", "100", "full"] {
        for which in ["p50", "p99", "p999", "max"] {
            let metered = at(&slices["metered"][window], which);
            assert!(metered >= at(slices, which) - 1e-9, "{window} {which}: {metered} of {slices}");
        }
    }
}

#[test]
fn utilisation_grows_with_the_window() {
    let object = bench("bench-mmu", &["--invoke", "run", "--arg", "7", "--warmup", "0", "--reps", "9"]);
    let mmu = object["mmu"].as_object().expect("windows");
    assert!(mmu.len() >= 3, "{mmu:?}");
    let mut windows: Vec<(f64, f64)> =
        mmu.iter().map(|(ms, part)| (ms.parse().expect("ms"), part.as_f64().expect("a part"))).collect();
    windows.sort_by(|a, b| a.0.total_cmp(&b.0));
    for (ms, part) in &windows {
        assert!((0.0..=1.0).contains(part), "{ms} ms: {part}");
    }
    // Twice the window has at least half of the utilisation's loss on average, so it is never much worse.
    let lost = |(ms, part): &(f64, f64)| ms * (1.0 - part);
    assert!(windows.windows(2).all(|pair| lost(&pair[0]) <= lost(&pair[1]) + 1e-3), "{windows:?}");
}

#[test]
fn a_sweep_finds_the_least_heap_and_measures_above_it() {
    let lists = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/guests/deep_lists.wat");
    let common = ["--invoke", "run", "--arg", "1000", "--warmup", "0", "--reps", "1", "--json"];
    let sweep = finish(heapwood().args(["bench", lists, "--gc-heap-sweep", "1.5,2"]).args(common));
    assert_eq!(sweep.code, Some(0), "{}", sweep.stderr);
    let object: Value = serde_json::from_str(&sweep.stdout).expect("JSON");
    let least = object["heap_sweep"]["least_bytes"].as_u64().expect("bytes");
    // 320,000 nodes of 24 bytes live, and are not compressed.
    assert!((320_000 * 24..64 << 20).contains(&least), "{least}");
    let runs = object["heap_sweep"]["runs"].as_array().expect("runs");
    let heaps: Vec<_> = runs.iter().map(|run| run["heap_max_bytes"].as_u64().expect("bytes")).collect();
    assert_eq!(heaps, [least + least / 2, 2 * least]);
    let fits = |bytes: u64| {
        finish(heapwood().args(["bench", lists, "--gc-heap-max", &bytes.to_string()]).args(common)).code == Some(0)
    };
    assert!(fits(2 * least) && !fits(320_000 * 24), "{least}");
}

#[test]
fn overhead_is_told_against_runs_that_never_collect() {
    let options = ["--invoke", "run", "--arg", "7", "--warmup", "0", "--reps", "2", "--overhead"];
    let bound = &bench("bench-overhead", &options)["lower_bound"];
    for field in ["none_ms", "best_ms", "ideal_ms", "overhead"] {
        is_positive(&bound[field]);
    }
    assert!(
        bound["overhead"].as_f64() >= Some(1.0),
        "a bound from below never says that collecting is a gain: {bound}"
    );
}

#[test]
fn the_table_for_people_says_everything_in_words() {
    let options =
        ["--invoke", "run", "--warmup", "0", "--reps", "2", "--slice", "1000:40", "--overhead", "--gc-heap-sweep"];
    let mut command = heapwood();
    let command =
        command.arg("bench").arg(guest("bench-table")).args(options).args(["1.5,2", "--gc-mark-slice", "1000"]);
    let ended = finish(command.arg("--gc-stats"));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for part in
        ["2 calls ", "40 slices of 1000 operations", "without a collector ", "least heap: ", "  1.5 times that "]
    {
        assert!(ended.stdout.contains(part), "`{part}` is not in\n{}", ended.stdout);
    }
    for raw in ["null", "{", "_"] {
        assert!(!ended.stdout.contains(raw), "`{raw}` is in\n{}", ended.stdout);
    }
    // Kinds of pauses are those of `--gc-stats`, which has a row for all of them, and in its order.
    let kinds = |text: &str, end: &str| -> Vec<String> {
        let rows = text.lines().skip_while(|line| !line.starts_with("pauses")).skip(1);
        let rows = rows.take_while(|line| line.starts_with("  ") && !line.starts_with(end));
        rows.filter_map(|line| Some(line.split_whitespace().next()?.to_owned())).collect()
    };
    let (table, stats) = (kinds(&ended.stdout, "the"), kinds(&ended.stderr, "  all"));
    assert!(table.len() > 3 && table.iter().all(|kind| stats.contains(kind)), "{table:?} {stats:?}");
}

/// What a page holds: `tests/page.rs`.
#[test]
fn only_pages_can_be_compared_with() {
    let folder = scratch("bench-page");
    let (path, other) = (wat(&folder, "guest.wat", GUEST), wat(&folder, "other.html", "<html></html>"));
    let html = folder.join("page.html");
    for compared in [&other, &folder.join("none")] {
        let mut command = heapwood();
        command.arg("bench").arg(&path).arg("--html").arg(&html).arg("--compare").arg(compared);
        let refused = finish(&mut command);
        assert!(refused.code == Some(1) && refused.stderr.starts_with("error: --compare "), "{}", refused.stderr);
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
    is_positive(&object["peak_rss_kib"]);
}

#[test]
fn a_program_is_measured_in_fresh_instances_and_its_output_discarded() {
    let hello = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guests/kotlin/wasm/hello.wasm");
    let finished = finish(heapwood().args(["bench", hello, "--warmup", "1", "--reps", "2", "--json"]));
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let object: Value = serde_json::from_str(&finished.stdout).expect("JSON and nothing else");
    assert_eq!(object["times_ms"].as_array().map(Vec::len), Some(2));
}

/// The entries that `heapwood run` calls are those that are measured.
#[test]
fn programs_begin_as_they_do_when_they_run() {
    let folder = scratch("bench-entries");
    for (name, exports, code, says) in [
        ("results", r#"(func (export "_start") (result i32 i64) (i32.const 1) (i64.const 2))"#, 0, ""),
        ("initialize", r#"(func (export "_initialize")) (func (export "_start") unreachable)"#, 0, ""),
        ("none", r#"(func (export "main"))"#, 1, "no exported function `_start`; --invoke"),
    ] {
        let path = wat(&folder, &format!("{name}.wat"), &format!("(module {exports})"));
        let finished = finish(heapwood().arg("bench").arg(path).args(["--reps", "1", "--json"]));
        assert_eq!(finished.code, Some(code), "{name}: {}", finished.stderr);
        assert!(finished.stderr.contains(says), "{name}: {}", finished.stderr);
    }
}

/// An export gets the host functions that its module imports, as a program does.
#[test]
fn exports_have_the_surfaces_that_their_module_imports() {
    let text = r#"(module
        (import "wasm:js-string" "length" (func $length (param externref) (result i32)))
        (import "_" "four" (global $four externref))
        (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
        (func (export "run") (param i32) (result i64)
            (i64.extend_i32_u (i32.add (call $yield) (call $length (global.get $four))))))"#;
    let path = wat(&scratch("bench-surfaces"), "guest.wat", text);
    let measure = |options: &[&str]| {
        finish(heapwood().arg("bench").arg(&path).args(["--invoke", "run", "--reps", "1", "--json"]).args(options))
    };
    let finished = measure(&[]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert_eq!(serde_json::from_str::<Value>(&finished.stdout).expect("JSON")["result"], "4");
    let refused = measure(&["-S", "js-string=n"]);
    assert!(refused.code == Some(1) && refused.stderr.contains("wasm:js-string::length"), "{}", refused.stderr);
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

/// What was measured until somebody asked for the end is reported, whenever that is.
#[test]
fn an_interrupted_measurement_reports_what_it_has() {
    let module = guest("bench-interrupted");
    let mut delay = Duration::from_millis(20);
    let reported = loop {
        // Whoever runs the tests in the background may have them ignore the signal.
        let mut command = Command::new("env");
        command.arg("--default-signal=INT").arg(heapwood().get_program()).arg("bench").arg(&module);
        command.args(["--invoke", "run", "--arg", "7", "--reps", "1000000", "--json"]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command starts");
        std::thread::sleep(delay);
        let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs");
        assert!(killed.success());
        let output = child.wait_with_output().expect("it ends");
        let stderr = String::from_utf8_lossy(&output.stderr);
        // Early signals end the process itself, or find nothing to report.
        if output.stdout.is_empty() {
            let is_early = output.status.code().is_none() || stderr.contains("there is nothing to report");
            assert!(is_early && delay < Duration::from_secs(60), "{:?}: {stderr}", output.status);
            delay *= 2;
            continue;
        }
        assert_eq!(output.status.code(), Some(130), "{stderr}");
        break serde_json::from_slice::<Value>(&output.stdout).expect("JSON");
    };
    assert_eq!((&reported["interrupted"], &reported["result"]), (&true.into(), &"-6".into()));
    let times = reported["times_ms"].as_array().expect("times");
    assert!(!times.is_empty() && times.len() < 1_000_000, "{} calls", times.len());
    assert_eq!(reported["cpu_ms"].as_array().map(Vec::len), Some(times.len()));
}
