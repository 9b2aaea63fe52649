//! Whole programs: what they print, by the command and the library, how they end, and when they have to.

use crate::common::{self, finish, heapwood, scratch, wat};
use crate::program::Program;
use heapwood::wasi::WasiCtx;
use heapwood::{Config, TrapKind, Val};
use std::path::{Path, PathBuf};
use std::time::Duration;

fn guest(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests/dart").join(path)
}

fn surface() -> (Vec<u8>, String) {
    (
        std::fs::read(guest("wasm/surface.wasm")).unwrap(),
        std::fs::read_to_string(guest("expected/surface.out")).unwrap(),
    )
}

/// All functions called by one program, with a clock that only its timers move: the output of another host, but for the
/// two lines in which that one has nothing to say (`tests/guests/dart/README.md`).
#[test]
fn the_program_prints_what_another_host_prints_in_all_modes() {
    let (wasm, expected) = surface();
    let mut modes = vec![("default", Config::new())];
    let mut mode = |name, change: &dyn Fn(&mut Config)| {
        let mut config = Config::new();
        change(&mut config);
        modes.push((name, config));
    };
    mode("small nursery", &|config| {
        config.gc_nursery(64 << 10);
    });
    mode("marking", &|config| {
        config.gc_mark_slice(7).gc_nursery(64 << 10);
    });
    mode("stress", &|config| {
        config.gc_stress(3).gc_verify(true);
    });
    mode("without guards", &|config| {
        config.memory32_guard(false).memory64_guard(false).few_registers(true);
    });
    for (name, config) in modes {
        let mut program = Program::load(&config, WasiCtx::builder().args(["surface", "one", "zwei \u{fc}"]), &wasm);
        program.run().unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(program.lines(), expected.lines().collect::<Vec<_>>(), "{name}");
    }
}

/// Timers of a program that runs by the system's clock may be late, so that what is due at different times may come in
/// another order than by a virtual one.
fn is_in_some_order(output: &str, expected: &str) -> bool {
    let parts = |text: &str| {
        let (head, timers) = text.split_once("\nend of main\n").unwrap_or((text, ""));
        let mut timers: Vec<_> = timers.lines().map(str::to_owned).collect();
        timers.sort();
        (head.to_owned(), timers)
    };
    parts(output) == parts(expected)
}

#[test]
fn the_program_runs_from_the_command_line() {
    let (_, expected) = surface();
    for options in [
        &[][..],
        &["--gc-nursery", "64k"],
        &["--gc-mark-slice", "7", "--gc-nursery", "64k"],
        &["--gc-stress", "3", "--gc-verify"],
        &["-S", "dart"],
    ] {
        let mut command = heapwood();
        command.arg("run").args(options).arg(guest("wasm/surface.wasm")).args(["one", "zwei \u{fc}"]);
        let ran = finish(&mut command);
        assert!(ran.code == Some(0) && is_in_some_order(&ran.stdout, &expected), "{options:?}: {ran:?}");
    }
    let refused = finish(heapwood().args(["run", "-S", "dart=n"]).arg(guest("wasm/surface.wasm")));
    assert!(
        refused.code == Some(1)
            && refused.stderr.contains("-S dart=y")
            && refused.stderr.contains("`dart::scheduleOnce`"),
        "{}",
        refused.stderr
    );
    let inspected = finish(heapwood().arg("inspect").arg(guest("wasm/surface.wasm")));
    assert_eq!(inspected.stdout.matches("<- Dart's surface").count(), 82);
    let measured =
        finish(heapwood().args(["bench", "--json", "--reps", "1", "--warmup", "0"]).arg(guest("wasm/surface.wasm")));
    assert!(measured.code == Some(0) && measured.stdout.contains("times_ms"), "{}", measured.stderr);
    let unknown = wat(&scratch("dart-unknown"), "unknown.wat", r#"(module (import "dart" "nothing" (func)))"#);
    let refused = finish(heapwood().arg("run").arg(unknown));
    assert!(refused.stderr.contains("not a function of Dart's surface"), "{}", refused.stderr);
}

/// A program with a function that is called as main, or as a microtask, or by a timer.
fn throwing(folder: &Path, name: &str, body: &str) -> PathBuf {
    let text = format!(
        r#"(module (type $args (array (mut externref))) (type $one (func (param (ref any))))
            (import "dart" "print" (func $print (param externref)))
            (import "dart" "i64ToString" (func $i64ToString (param i64 i32) (result (ref extern))))
            (import "dart" "queueMicrotask" (func $queueMicrotask (param (ref func) (ref any))))
            (import "dart" "scheduleOnce" (func $scheduleOnce (param i64 (ref func) (ref any)) (result externref)))
            (import "dart" "scheduleRepeated" (func $scheduleRepeated (param i64 (ref func) (ref any)) (result externref)))
            (import "dart" "regexpCreateOrFailWithString" (func $regexp (param externref i32 i32 i32 i32) (result (ref extern))))
            (import "dart" "regexpMatch" (func $match (param externref externref i32 i32) (result externref)))
            (import "dart" "stringFromAsciiBytes" (func $ascii (param (ref $bytes) i32 i32) (result (ref extern))))
            (import "dart" "stringRepeat" (func $repeat (param externref i32) (result externref)))
            (type $bytes (array (mut i8)))
            (tag $thrown (param i32))
            (elem declare func $throw $tick)
            (data $pattern "(a+)+b")
            (func $say (param $number i64) (call $print (call $i64ToString (local.get $number) (i32.const 10))))
            (func $tick (type $one))
            (func $throw (type $one) (call $say (i64.const 1)) (throw $thrown (i32.const 7)))
            (func $main (export "$invokeMain") (param (ref $args)) {body}))"#
    );
    wat(folder, name, &text)
}

/// Exceptions of both proposals, uncaught ones as well, and what leaves a callback.
#[test]
fn exceptions_are_caught_or_end_the_program() {
    let folder = scratch("dart-throws");
    let run = |name: &str, body: &str| finish(heapwood().arg("run").arg(throwing(&folder, name, body)));
    let any = "(ref.i31 (i32.const 0))";
    let caught = [
        format!(
            "(block $caught (result i32) (try_table (catch $thrown $caught) (call $throw {any})) (i32.const 0)) (call $say (i64.extend_i32_s))"
        ),
        format!("try (call $throw {any}) catch $thrown i64.extend_i32_s call $say end"),
    ];
    for (k, body) in caught.iter().enumerate() {
        let ran = run(&format!("caught{k}.wat"), body);
        assert_eq!((ran.code, &*ran.stdout), (Some(0), "1\n7\n"), "{}", ran.stderr);
    }
    for (name, body) in [
        ("main.wat", format!("(call $throw {any})")),
        ("microtask.wat", format!("(call $queueMicrotask (ref.func $throw) {any})")),
        ("timer.wat", format!("(drop (call $scheduleOnce (i64.const 1) (ref.func $throw) {any}))")),
    ] {
        let ran = run(name, &body);
        assert_eq!((ran.code, &*ran.stdout), (Some(134), "1\n"), "{name}: {}", ran.stderr);
        assert!(ran.stderr.contains("!throw"), "{name}: {}", ran.stderr);
    }
}

/// Neither waits nor patterns that explode keep a program beyond its time.
#[test]
fn a_timeout_ends_waits_and_matches() {
    let folder = scratch("dart-timeout");
    let any = "(ref.i31 (i32.const 0))";
    let explode = "(drop (call $match
        (call $regexp (call $ascii (array.new_data $bytes $pattern (i32.const 0) (i32.const 6)) (i32.const 0) (i32.const 6))
            (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 0))
        (call $repeat (call $ascii (array.new_data $bytes $pattern (i32.const 1) (i32.const 1)) (i32.const 0) (i32.const 1)) (i32.const 60))
        (i32.const 0) (i32.const 0)))";
    for (name, body) in [
        ("wait.wat", format!("(drop (call $scheduleOnce (i64.const 3600000000) (ref.func $tick) {any}))")),
        ("always.wat", format!("(drop (call $scheduleRepeated (i64.const 0) (ref.func $tick) {any}))")),
        ("match.wat", explode.to_owned()),
    ] {
        let ran = finish(heapwood().args(["run", "--timeout", "300ms"]).arg(throwing(&folder, name, &body)));
        assert_eq!(ran.code, Some(124), "{name}: {}", ran.stderr);
    }
}

/// By the library: an interrupt from another thread, and a deadline; the store goes on afterwards.
#[test]
fn a_match_is_given_up_when_the_guest_has_to_stop() {
    let mut program = Program::of_all(WasiCtx::builder());
    let pattern = program.text("(a+)+b");
    let (no, yes) = (Val::I32(0), Val::I32(1));
    let regexp = program.call("regexpCreateOrFailWithString", &[pattern, no, yes, no, no]);
    let text = program.text(&"a".repeat(27));
    program.store.set_deadline(Duration::from_millis(5));
    let ended = program.try_call("regexpMatch", &[regexp, text, no, no]).unwrap_err();
    assert_eq!(ended.trap().unwrap().kind(), TrapKind::DeadlineExceeded);
    program.store.interrupt_handle().interrupt();
    let ended = program.try_call("regexpMatch", &[regexp, text, no, no]).unwrap_err();
    assert_eq!(ended.trap().unwrap().kind(), TrapKind::Interrupted);
    let short = program.text("aab");
    let found = program.call("regexpMatch", &[regexp, short, no, no]);
    assert_eq!(program.call("regexpMatchGetEnd", &[found]).i32(), Some(3));
}

#[test]
fn the_zone_is_that_of_the_guests_variable() {
    if !Path::new("/usr/share/zoneinfo/Europe/Berlin").exists() {
        common::skip("zoneinfo", "the system has no files of time zones");
        return;
    }
    for (zone, at, name, offset) in [
        ("Europe/Berlin", 1_719_792_000, "CEST", 7_200),
        ("Europe/Berlin", 1_704_067_200, "CET", 3_600),
        ("Europe/Berlin", 4_118_083_200, "CEST", 7_200),
        ("Asia/Kolkata", 0, "IST", 19_800),
        ("Nowhere/At_All", 0, "UTC", 0),
    ] {
        let mut program = Program::of_all(WasiCtx::builder().env("TZ", zone));
        let found = program.call("timeZoneNameForClampedSeconds", &[Val::I64(at)]);
        assert_eq!(program.shown(found), name, "{zone} at {at}");
        let found = program.call("timeZoneOffsetInSecondsForClampedSeconds", &[Val::I64(at)]);
        assert_eq!(found.i32(), Some(offset), "{zone} at {at}");
    }
}
