//! What programs leave to be done, exceptions that nobody catches, and the command.

use crate::common::{finish, heapwood, scratch, wat};
use crate::program::{Program, TYPES};
use heapwood::surfaces::teavm;
use heapwood::wasi::{DeterministicClocks, WasiCtx};
use heapwood::{Config, RootScope, TrapKind, Val};
use std::time::Duration;

/// Calls that are offered, and what each of them prints.
const OFFERS: &str = r#"
    (import "teavmConsole" "putcharStdout" (func $put (param i32)))
    (import "teavmAsync" "offer" (func $offer (param (ref null $object) (ref $run) f64) (result i32)))
    (import "teavmAsync" "kill" (func $kill (param i32)))
    (import "teavmDate" "currentTimeMillis" (func $now (result f64)))
    (tag $exception (export "teavm.javaException") (param (ref null $object)))
    (elem declare func $print $again $fail $throw $spin)
    (func $print (param $object (ref null $object)) (call $put (struct.get $object 0 (local.get $object))))
    (func $again (param $object (ref null $object)) (local $number i32)
        (call $print (local.get $object))
        (local.set $number (i32.sub (struct.get $object 0 (local.get $object)) (i32.const 1)))
        (if (i32.ge_u (local.get $number) (i32.const 0x61)) (then
            (drop (call $offer (struct.new $object (local.get $number)) (ref.func $again) (f64.const 0))))))
    (func $fail (param (ref null $object)) unreachable)
    (func $throw (param $object (ref null $object)) (throw $exception (local.get $object)))
    (func $spin (param (ref null $object)) (loop (br 0)))
    (func $in (param $number i32) (param $ms f64) (param $run (ref $run)) (result i32)
        (call $offer (struct.new $object (local.get $number)) (local.get $run) (f64.add (call $now) (local.get $ms))))
    (func (export "print") (param i32 f64) (result i32) (call $in (local.get 0) (local.get 1) (ref.func $print)))
    (func (export "again") (param i32 f64) (result i32) (call $in (local.get 0) (local.get 1) (ref.func $again)))
    (func (export "fail") (param i32 f64) (result i32) (call $in (local.get 0) (local.get 1) (ref.func $fail)))
    (func (export "throw") (param i32 f64) (result i32) (call $in (local.get 0) (local.get 1) (ref.func $throw)))
    (func (export "spin") (param i32 f64) (result i32) (call $in (local.get 0) (local.get 1) (ref.func $spin)))
    (func (export "kill") (param i32) (call $kill (local.get 0)))"#;

#[test]
fn offered_calls_come_at_their_times_in_order() {
    let stands_still = || WasiCtx::builder().clocks(DeterministicClocks::new(1_700_000_000_000_000_000, 0));
    let mut program = Program::of(&Config::new(), stands_still(), OFFERS);
    let offer = |program: &mut Program, name: &str, letter: char, ms: f64| {
        program.i32(name, &[Val::I32(letter as i32), Val::from(ms)])
    };
    for (letter, ms) in [('D', 9e9), ('B', 20.0), ('A', 10.0), ('C', 20.0), ('-', -50.0), ('+', f64::NAN), ('.', 0.0)] {
        offer(&mut program, "print", letter, ms);
    }
    let killed = offer(&mut program, "print", 'X', 15.0);
    program.call("kill", &[Val::I32(killed)]);
    program.call("kill", &[Val::I32(killed)]);
    program.call("kill", &[Val::I32(-1)]);
    assert_eq!(program.written()[0], "", "nothing before the program has returned");
    program.run_events().unwrap();
    assert_eq!(program.written()[0], "-+.ABCD");
    // What a call offers comes as well, behind what is due.
    offer(&mut program, "again", 'c', 5.0);
    offer(&mut program, "print", 'x', 5.0);
    program.run_events().unwrap();
    assert_eq!(program.written()[0], "cxba");
    program.run_events().unwrap();
    // With clocks that move by themselves it waits.
    let mut program = Program::of(&Config::new(), WasiCtx::builder(), OFFERS);
    offer(&mut program, "print", '2', 12.0);
    offer(&mut program, "print", '1', 3.0);
    program.run_events().unwrap();
    assert_eq!(program.written()[0], "12");
}

#[test]
fn what_an_offered_call_fails_with_ends_the_program() {
    let stands_still = || WasiCtx::builder().clocks(DeterministicClocks::new(0, 0));
    let mut program = Program::of(&Config::new(), stands_still(), OFFERS);
    let offer = |program: &mut Program, name: &str, ms: f64| program.i32(name, &[Val::I32(0x41), Val::from(ms)]);
    offer(&mut program, "print", 0.0);
    offer(&mut program, "fail", 1.0);
    offer(&mut program, "throw", 2.0);
    offer(&mut program, "print", 3.0);
    let error = program.run_events().unwrap_err();
    assert_eq!(error.trap().unwrap().kind(), TrapKind::Unreachable);
    assert!(!error.backtrace().unwrap().frames().is_empty());
    let error = program.run_events().unwrap_err();
    let exception = error.exception().unwrap().clone();
    // Module names for types are all that the message has here.
    assert_eq!(teavm::describe(&mut program.store, &exception).unwrap(), "Uncaught exception: object");
    program.run_events().unwrap();
    assert_eq!(program.written()[0], "AA");
    // A deadline, and an interrupt, end calls and waits.
    let mut program = Program::of(&Config::new(), WasiCtx::builder(), OFFERS);
    for (name, ms) in [("spin", 0.0), ("print", 1e12), ("print", f64::INFINITY)] {
        let number = offer(&mut program, name, ms);
        program.store.set_deadline(Duration::from_millis(20));
        let error = program.run_events().unwrap_err();
        assert_eq!(error.trap().map(|trap| trap.kind()), Some(TrapKind::DeadlineExceeded), "{name}: {error}");
        program.call("kill", &[Val::I32(number)]);
    }
    offer(&mut program, "print", 1e12);
    program.store.interrupt_handle().interrupt();
    let error = program.run_events().unwrap_err();
    assert_eq!(error.trap().map(|trap| trap.kind()), Some(TrapKind::Interrupted), "{error}");
}

/// An exception with a message, and one whose message cannot be had.
#[test]
fn an_exception_is_described_by_class_and_message() {
    let fields = r#"(type $chars (array (mut i16))) (type $data (struct (field i32) (field (ref null $chars))))
        (type $text (struct (field (ref null $data)) (field i32) (field (ref null $data))))
        (type $java.lang.Error (sub (struct (field (ref null $text)))))
        (tag $exception (export "teavm.javaException") (param (ref null $java.lang.Error)))
        (tag $other (export "other") (param (ref null $java.lang.Error)))
        (func (export "teavm.exceptionMessage") (param $e (ref null $java.lang.Error)) (result (ref null $text))
            (struct.get $java.lang.Error 0 (local.get $e)))
        (func $data (param i32 i32) (result (ref $data)) (struct.new $data (i32.const 0)
            (array.new_fixed $chars 3 (local.get 0) (local.get 1) (i32.const 0x21))))
        (func (export "throw") (throw $exception (struct.new $java.lang.Error (struct.new $text
            (call $data (i32.const 0x58) (i32.const 0x58)) (i32.const 0) (call $data (i32.const 0xd83c) (i32.const 0xdf89))))))
        (func (export "without") (throw $exception (struct.new $java.lang.Error (ref.null $text))))
        (func (export "null") (throw $exception (ref.null $java.lang.Error)))
        (func (export "other tag") (throw $other (ref.null $java.lang.Error)))"#;
    let mut program = Program::of(&Config::new(), WasiCtx::builder(), fields);
    let mut described = |name: &str| {
        let error = program.try_call(name, &[]).unwrap_err();
        let described = teavm::describe(&mut program.store, error.exception().unwrap());
        let mut scope = RootScope::new(&mut program.store);
        scope.gc().unwrap();
        described
    };
    assert_eq!(described("throw").unwrap(), "Uncaught exception: java.lang.Error: \u{1f389}!");
    assert_eq!(described("without").unwrap(), "Uncaught exception: java.lang.Error");
    assert_eq!(described("null").unwrap(), "uncaught Java exception");
    assert_eq!(described("other tag"), None);
    // A program that does not come to an end over it has no message.
    let endless = r#"(tag $exception (export "teavm.javaException") (param (ref null $object)))
        (func (export "teavm.exceptionMessage") (param (ref null $object)) (result (ref null $string)) (loop (br 0)) unreachable)
        (func (export "throw") (throw $exception (struct.new $object (i32.const 1))))"#;
    let mut program = Program::of(&Config::new(), WasiCtx::builder(), endless);
    let error = program.try_call("throw", &[]).unwrap_err();
    let described = teavm::describe(&mut program.store, error.exception().unwrap());
    assert_eq!(described.unwrap(), "Uncaught exception: object");
}

/// The whole command: which programs get the surface, pending text however a program ends, `-S`, what is refused.
#[test]
fn programs_run_from_the_command_line() {
    let folder = scratch("teavm-run");
    let body = |end: &str| {
        format!(
            r#"(module {TYPES} (import "teavmConsole" "putcharStdout" (func $put (param i32)))
                (import "teavmConsole" "putcharStderr" (func $error (param i32)))
                (import "teavmAsync" "offer" (func $offer (param (ref null $object) (ref $run) f64) (result i32)))
                (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
                (tag $exception (export "teavm.javaException") (param (ref null $object)))
                (elem declare func $later $throw)
                (func $later (param (ref null $object)) (call $put (i32.const 0x4c)))
                (func $throw (param $object (ref null $object)) (throw $exception (local.get $object)))
                (func (export "_start") (call $put (i32.const 0x48)) (call $put (i32.const 0xd83d))
                    (call $error (i32.const 0x45)) {end}))"#
        )
    };
    let run = |name: &str, text: &str, options: &[&str]| {
        finish(heapwood().arg("run").args(options).arg(wat(&folder, name, text)))
    };
    let object = "(struct.new $object (i32.const 1))";
    let offer = |run: &str| format!("(drop (call $offer {object} (ref.func ${run}) (f64.const 0)))");
    for (name, end, code, stdout, says) in [
        ("returns.wat", String::new(), 0, "H\u{fffd}", "E"),
        ("exits.wat", "(call $exit (i32.const 7))".to_owned(), 7, "H\u{fffd}", "E"),
        ("traps.wat", "unreachable".to_owned(), 134, "H\u{fffd}", "unreachable"),
        ("throws.wat", format!("(throw $exception {object})"), 134, "H\u{fffd}", "Uncaught exception: object"),
        ("later.wat", offer("later"), 0, "H\u{fffd}L", "E"),
        ("fails.wat", offer("throw") + &offer("later"), 134, "H\u{fffd}", "Uncaught exception: object"),
    ] {
        let ended = run(name, &body(&end), &[]);
        assert_eq!((ended.code, &*ended.stdout), (Some(code), stdout), "{name}: {}", ended.stderr);
        assert!(ended.stderr.starts_with('E') && ended.stderr.contains(says), "{name}: {}", ended.stderr);
        assert_eq!(ended.stderr.contains("throw"), ["fails.wat", "throws.wat"].contains(&name), "{}", ended.stderr);
    }
    let refused = run("off.wat", &body(""), &["-S", "teavm=n"]);
    assert!(refused.code == Some(1) && refused.stderr.contains("teavmConsole::putcharStdout"), "{}", refused.stderr);
    let slow = body(&format!("(drop (call $offer {object} (ref.func $later) (f64.const inf)))"));
    let ended = run("slow.wat", &slow, &["--timeout", "1s"]);
    assert_eq!((ended.code, &*ended.stdout), (Some(124), "H\u{fffd}"), "{}", ended.stderr);
    for (name, import, says) in [
        ("jso.wat", r#"(import "teavmJso" "createClass" (func))"#, "leave it off the class path"),
        ("unknown.wat", r#"(import "teavmDate" "noSuchThing" (func))"#, "teavmDate::noSuchThing"),
        ("type.wat", r#"(import "teavmDate" "getYear" (func))"#, "teavmDate::getYear"),
        ("mutable.wat", r#"(import "teavmMemory" "heapOffset" (global (mut i32)))"#, "teavmMemory::heapOffset"),
        ("section.wat", r#"(@custom "teavm.memoryRequirements" "none")"#, "teavm.memoryRequirements"),
    ] {
        let refused = run(name, &format!(r#"(module {import} (func (export "_start")))"#), &[]);
        assert!(refused.code == Some(1) && refused.stderr.contains(says), "{name}: {}", refused.stderr);
    }
    // The whole of a section may be what tells.
    let memory = r#"(module (import "env" "memory" (memory 2)) (@custom "teavm.memoryRequirements" "{}")
        (func (export "_start") (if (i32.ne (memory.size) (i32.const 2)) (then unreachable))))"#;
    let ended = run("section-only.wat", memory, &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let inspected = finish(heapwood().arg("inspect").arg(wat(&folder, "inspected.wat", &body(""))));
    assert_eq!(inspected.stdout.matches("<- TeaVM's surface").count(), 3, "{}", inspected.stdout);
    let benched =
        finish(heapwood().args(["bench", "--reps", "2"]).arg(wat(&folder, "benched.wat", &body(&offer("later")))));
    assert_eq!(benched.code, Some(0), "{}", benched.stderr);
}
