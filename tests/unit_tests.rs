//! `heapwood test`: what it prints and writes of a run of unit tests, and how it ends.

mod common;

use common::{Finished, finish, heapwood, scratch, wat};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// The module that the Kotlin compiler made of `tests.kt`.
fn kotlin() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests/kotlin/wasm/tests.wasm")
}

fn test(options: &[&str], module: &Path) -> Finished {
    finish(heapwood().arg("test").args(options).arg(module))
}

/// The output without the time that it took.
fn report(finished: &Finished) -> &str {
    finished.stdout.rsplit_once(", in ").expect("a sum with a time").0
}

#[test]
fn a_kotlin_module_has_its_tests_reported() {
    let finished = test(&[], &kotlin());
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    let expected = "\
Sums
    addsTwo ... ok
    has a name with spaces, 'quotes' and ünïcode ... ok
    isWrong ... FAILED
    waits ... ignored
Parsing
    refusesLetters ... ok
    throwsFarBelow ... FAILED
Parsing.Inner
    nested ... ok
NotYet
    a ... ignored

Sums.isWrong FAILED
      AssertionError: the sum. Expected <43>, actual <42>.

Parsing.throwsFarBelow FAILED
      IllegalStateException: deep | [down]
      second line

      Caused by: RuntimeException: the cause

FAILED: 4 passed, 2 failed, 2 ignored";
    assert_eq!(report(&finished), expected);
    assert_eq!(finished.stderr, "");
    let finished = test(&["--show-output"], &kotlin());
    assert!(finished.stdout.contains("ünïcode ... ok\n      | printed by a test\n"), "{}", finished.stdout);
}

#[test]
fn a_filter_chooses_tests() {
    for (pattern, passed, failed, status) in [
        ("Sums.addsTwo", 1, 0, 0),
        ("Sums", 2, 1, 1),
        ("*adds*", 1, 0, 0),
        ("Sums.addsTwo,Inner.nested", 2, 0, 0),
        ("Parsing.*", 1, 1, 1),
    ] {
        let finished = test(&["--filter", pattern], &kotlin());
        let sum = format!(": {passed} passed, {failed} failed");
        assert!(report(&finished).contains(&sum), "{pattern}: {}", finished.stdout);
        assert_eq!(finished.code, Some(status), "{pattern}");
    }
    let finished = test(&["--filter", "Sums.nothing"], &kotlin());
    assert_eq!(finished.code, Some(1));
    assert!(finished.stdout.contains("error: no test matches `Sums.nothing`"), "{}", finished.stdout);
    assert_eq!(test(&["--filter", ""], &kotlin()).code, Some(2));
}

#[test]
fn the_guests_own_arguments_are_passed_on() {
    let finished = finish(heapwood().arg("test").arg(kotlin()).args(["--exclude", "Sums", "--dryRun"]));
    assert_eq!(finished.code, Some(0), "{}", finished.stdout);
    assert!(report(&finished).contains("ok: 3 passed, 0 failed"), "{}", finished.stdout);
}

#[test]
fn results_are_written_as_xml() {
    let path = scratch("junit").join("results.xml");
    let finished = test(&["--junit", path.to_str().expect("a path")], &kotlin());
    assert_eq!(finished.code, Some(1));
    let text = std::fs::read_to_string(path).expect("a file");
    assert_well_formed(&text);
    for part in [
        r#"<testsuites name="heapwood test" tests="8" failures="2" errors="0" skipped="2" "#,
        r#"<testsuite name="Sums" tests="4" failures="1" errors="0" skipped="1" "#,
        r#"<testcase name="has a name with spaces, 'quotes' and ünïcode" classname="Sums" "#,
        "<system-out>printed by a test&#10;</system-out>",
        r#"<failure message="deep | [down]&#10;second line">IllegalStateException: deep | [down]&#10;"#,
        r#"<testsuite name="Parsing.Inner" tests="1" "#,
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let finished = test(&["--junit", "/nowhere/results.xml"], &kotlin());
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""));
    assert!(finished.stderr.contains("--junit /nowhere/results.xml"), "{}", finished.stderr);
}

/// A module whose tests write `output` in pieces of so many bytes and then do `end`.
fn guest(folder: &Path, output: &[u8], piece: usize, end: &str) -> PathBuf {
    let mut data = String::new();
    output.iter().for_each(|byte| _ = write!(data, "\\{byte:02x}"));
    let pages = output.len() / 65536 + 2;
    let text = format!(
        r#"(module
            (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (tag $t)
            (memory (export "memory") {pages}) (data (i32.const 1024) "{data}")
            (func (export "startUnitTests") (local $at i32)
                (block $all (loop $more
                    (br_if $all (i32.ge_u (local.get $at) (i32.const {len})))
                    (i32.store (i32.const 0) (i32.add (i32.const 1024) (local.get $at)))
                    (i32.store (i32.const 4) (i32.const {piece}))
                    (if (i32.gt_u (i32.const {piece}) (i32.sub (i32.const {len}) (local.get $at)))
                        (then (i32.store (i32.const 4) (i32.sub (i32.const {len}) (local.get $at)))))
                    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
                    (local.set $at (i32.add (local.get $at) (i32.load (i32.const 8))))
                    (br $more)))
                {end}))"#,
        len = output.len(),
    );
    wat(folder, "tests.wat", &text)
}

/// A run of a guest that writes this, with a file of its results.
fn run(name: &str, output: &[u8], end: &str) -> (Finished, String) {
    let folder = scratch(&format!("unit-tests-{name}"));
    let xml = folder.join("results.xml");
    let mut reports = Vec::new();
    // However it is written, it is read the same. (Both numbers take two bytes of code, so that offsets are the same.)
    for piece in [8191, 67] {
        if piece == 67 && output.len() > 100_000 {
            continue;
        }
        let module = guest(&folder, output, piece, end);
        let options = ["--timeout", "60s", "--junit", xml.to_str().expect("a path")];
        let finished = test(&options, &module);
        let text = std::fs::read_to_string(&xml).expect("a file");
        assert_well_formed(&text);
        assert_harmless(&finished.stdout);
        assert_harmless(&finished.stderr);
        reports.push((finished, text));
    }
    let first = reports.swap_remove(0);
    for (other, _) in &reports {
        assert_eq!(report(other), report(&first.0), "{name}");
    }
    first
}

/// No character but the report's own ends of lines that a terminal obeys.
fn assert_harmless(text: &str) {
    let harmful =
        |c: char| c.is_control() && c != '\n' || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2028}' | '\u{2029}');
    assert!(!text.contains(harmful), "{text:?}");
}

/// Elements are balanced, and all characters are such that XML has them.
fn assert_well_formed(text: &str) {
    let mut open: Vec<&str> = Vec::new();
    let body = text.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n").expect("a declaration");
    assert!(!body.contains(|c: char| c.is_control() && c != '\n' || matches!(c, '\u{fffe}' | '\u{ffff}')), "{body:?}");
    for piece in body.split('<').skip(1) {
        let (tag, text) = piece.split_once('>').expect("a tag ends");
        assert!(!text.contains('>'), "{text}");
        let is_entity = |rest: &str| ["amp;", "lt;", "gt;", "quot;", "#"].iter().any(|entity| rest.starts_with(entity));
        assert!(piece.split('&').skip(1).all(is_entity), "{piece}");
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name)),
            None if tag.ends_with('/') => {}
            None => open.push(tag.split_whitespace().next().expect("a name")),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

const STARTED: &str = "##teamcity[testSuiteStarted name='S' flowId='1']\n##teamcity[testStarted name='a' flowId='1']\n";
const ENDED: &str = "##teamcity[testFinished name='a' flowId='1']\n##teamcity[testSuiteFinished name='S' flowId='1']\n";

#[test]
fn every_way_to_end_has_its_status_and_is_told() {
    let passed = format!("{STARTED}{ENDED}");
    for (name, output, end, status, told) in [
        ("passed", passed.as_str(), "", 0, "S\n    a ... ok\n\nok: 1 passed, 0 failed, 0 ignored"),
        ("exits", &passed, "(call $exit (i32.const 0))", 0, "ok: 1 passed"),
        (
            "exits-late",
            &passed,
            "(call $exit (i32.const 3))",
            1,
            "error: outside of a test: the guest exited with code 3",
        ),
        ("traps-late", &passed, "unreachable", 1, "error: outside of a test: trap: unreachable"),
        ("unfinished", STARTED, "", 1, "S.a FAILED\n      the guest returned before this test had ended"),
        ("exits-in-test", STARTED, "(call $exit (i32.const 0))", 1, "S.a FAILED\n      the guest exited with code 0"),
        ("traps", STARTED, "unreachable", 1, "S.a FAILED\n      trap: unreachable\n      wasm backtrace:\n"),
        ("throws", STARTED, "(throw $t)", 1, "S.a FAILED\n      uncaught exception with tag `t`"),
        ("nothing", "hello\n", "", 1, "| hello\n\nerror: there are no tests"),
        ("ignored", "##teamcity[testIgnored name='i']\n", "", 0, "ok: 0 passed, 0 failed, 1 ignored"),
        (
            "suite-fails",
            "##teamcity[testSuiteStarted name='S']\n##teamcity[testSuiteFinished name='S' text='t' errorDetails='why' status='ERROR']\n",
            "",
            1,
            "S.(the suite itself) FAILED\n      why",
        ),
        ("ends-in-line", "##teamcity[testStarted name='a']\nhi##teamcity[testFinished name='a']", "", 0, "a ... ok"),
    ] {
        let (finished, xml) = run(name, output.as_bytes(), end);
        assert_eq!(finished.code, Some(status), "{name}: {}\n{}", finished.stdout, finished.stderr);
        assert!(finished.stdout.contains(told), "{name}: {}", finished.stdout);
        assert_eq!(xml.contains("<failure"), status != 0, "{name}: {xml}");
        assert_eq!(finished.stderr, "", "{name}");
    }
}

#[test]
fn a_test_that_takes_too_long_ends_with_124() {
    let folder = scratch("unit-tests-late");
    let module = guest(&folder, STARTED.as_bytes(), 1000, "(loop $l (br $l))");
    let finished = test(&["--timeout", "1s"], &module);
    assert_eq!(finished.code, Some(124));
    assert!(finished.stdout.contains("S.a FAILED\n      timeout: the guest ran for 1s"), "{}", finished.stdout);
}

#[test]
fn no_output_hides_a_failure_or_speaks_to_the_terminal() {
    let failed = "##teamcity[testFailed name='a' message='m' details='it failed' flowId='1']\n";
    let long = "x".repeat(600 << 10);
    let hostile = "\x1b[31m\x07\u{9b}31m\u{202e}\u{2028}&<\"]]>\u{ffff}";
    for (name, output, told) in [
        ("no-line-end", format!("{STARTED}printed{failed}{ENDED}"), "it failed"),
        ("long-line", format!("{STARTED}{long}{failed}{ENDED}"), "it failed"),
        (
            "long-message",
            format!("{STARTED}##teamcity[testFailed name='a' message='{long}']\n{ENDED}"),
            "has more than 262144 bytes",
        ),
        (
            "malformed",
            format!("{STARTED}##teamcity[testFailed name='a' message='m\n{ENDED}"),
            "malformed (a value has no end)",
        ),
        ("nameless", format!("{STARTED}##teamcity[testFailed]\n{ENDED}"), "malformed (there is no name)"),
        ("another-name", format!("{STARTED}{}{ENDED}", failed.replace("'a'", "'b'")), "S.b FAILED"),
        (
            "controls",
            format!("{STARTED}{}{ENDED}", failed.replace("it failed", hostile)),
            "\\u{1b}[31m\\u{7}\\u{9b}31m\\u{202e}\\u{2028}&<\"]]>",
        ),
        (
            "names",
            format!(
                "##teamcity[testSuiteStarted name='{hostile}']\n{hostile}\n##teamcity[testFailed name='{hostile}' message='']\n"
            ),
            "FAILED",
        ),
        ("no-utf8", format!("{STARTED}{failed}{ENDED}"), "it failed"),
        ("many", "##teamcity[testStarted name='a']\n".repeat(5000), "more of these"),
    ] {
        let mut output = output.into_bytes();
        if name == "no-utf8" {
            output.splice(0..0, [0xff, 0x80, b'\n', 0xed, 0xa0, 0x80]);
        }
        let (finished, xml) = run(name, &output, "");
        assert_eq!(finished.code, Some(1), "{name}: {}", finished.stdout);
        assert!(finished.stdout.contains(told), "{name}: {}", finished.stdout);
        assert!(xml.contains("<failure"), "{name}");
    }
}

#[test]
fn a_module_without_tests_is_refused_with_a_hint() {
    let folder = scratch("unit-tests-none");
    let module = wat(&folder, "app.wat", r#"(module (func (export "_start")))"#);
    let finished = test(&[], &module);
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""));
    assert!(finished.stderr.contains("there is no exported function `startUnitTests`"), "{}", finished.stderr);
    let module = wat(&folder, "deaf.wat", r#"(module (func (export "startUnitTests")))"#);
    let finished = test(&["--filter", "A"], &module);
    assert_eq!(finished.code, Some(2));
    assert!(finished.stderr.contains("these tests take no arguments"), "{}", finished.stderr);
}

#[test]
fn tests_have_what_a_program_would_have() {
    let folder = scratch("unit-tests-sandbox");
    let module = guest(&folder, STARTED.as_bytes(), 1000, "(loop $l (drop (memory.grow (i32.const 1))) unreachable)");
    let finished = test(&["--max-memory", "64k"], &module);
    assert_eq!(finished.code, Some(1), "a limit of memory: {}", finished.stdout);
    let module = wat(&folder, "deep.wat", r#"(module (func $f (export "startUnitTests") (call $f) (call $f)))"#);
    let finished = test(&["--max-stack", "256k"], &module);
    assert!(finished.stdout.contains("the limit is --max-stack 256k"), "{}", finished.stdout);
}
