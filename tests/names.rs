//! Text of a module, of a script or of a file name cannot speak to the terminal: no output has a control character, a
//! mark that turns the direction of text or a separator of lines that is not its own, whatever names hold.
//!
//! Each case is a kind of message that quotes a kind of text. It runs with a harmless name and with a hostile one: the
//! hostile one's output has as many lines, and none of its characters but as an escape.

mod common;

use common::{Finished, finish, heapwood, scratch};
use std::path::Path;

/// What a terminal obeys or a reader does not see as it is.
const HOSTILE: &str =
    "\x1b[31m\x07\x08\r\nerror: fake\x7f\u{85}\u{9b}31m\u{61c}\u{200e}\u{202e}\u{2066}\u{2028}\u{2029}";
const HARMLESS: &str = "plain";

/// A command on `guest`, whose text holds NAME where the name stands (escaped as in a string) and RAW where it stands
/// as it is.
struct Case {
    what: &'static str,
    guest: &'static str,
    extension: &'static str,
    run: fn(&Path, &str) -> Finished,
    /// What the output has to have, so that the message is the one that is meant; PRINTED is the name as it is shown.
    shows: &'static str,
}

fn command(args: &[&str], guest: &Path) -> Finished {
    finish(heapwood().args(args).arg(guest))
}

fn case(what: &'static str, guest: &'static str, run: fn(&Path, &str) -> Finished, shows: &'static str) -> Case {
    Case { what, guest, extension: "wat", run, shows }
}

fn run(guest: &Path, _: &str) -> Finished {
    command(&["run"], guest)
}

fn validate(guest: &Path, _: &str) -> Finished {
    command(&["validate"], guest)
}

fn inspect(guest: &Path, _: &str) -> Finished {
    command(&["inspect"], guest)
}

fn wast(guest: &Path, _: &str) -> Finished {
    command(&["wast"], guest)
}

/// Imports of `m` are the exports of the module beside the guest.
fn with_preload(guest: &Path, name: &str) -> Finished {
    let served = guest.with_file_name("served.wat");
    let text = format!("(module (global (export \"{}\") i32 (i32.const 0)))", quoted(name));
    std::fs::write(&served, text).expect("written");
    command(&["run", "--preload", &format!("m={}", served.display())], guest)
}

/// The output of a run and the profile that it wrote.
fn profiled(guest: &Path, _: &str) -> Finished {
    let profile = guest.with_file_name("profile.txt");
    let option = format!("--alloc-profile={}", profile.display());
    let mut ran = command(&["run", &option, "--gc-nursery", "64k"], guest);
    ran.stdout += &std::fs::read_to_string(profile).expect("a profile");
    ran
}

/// The output of a run and the names that it wrote for `perf`.
fn mapped(guest: &Path, _: &str) -> Finished {
    let child = heapwood().args(["run", "--perf-map"]).arg(guest).spawn().expect("the command starts");
    let path = format!("/tmp/perf-{}.map", child.id());
    let code = child.wait_with_output().expect("it ends").status.code();
    let stdout = std::fs::read_to_string(&path).expect("a map");
    std::fs::remove_file(&path).expect("removed");
    // Addresses differ from run to run.
    Finished { code, stdout, stderr: String::new(), hung: false }
}

/// A file of that name.
fn named_file(guest: &Path, name: &str) -> Finished {
    let path = guest.with_file_name(format!("{name}.wasm"));
    std::fs::write(&path, "no module").expect("written");
    command(&["run"], &path)
}

const ALL_NAMES: &str = r#"(module $"NAME"
    (import "NAME" "NAME" (func $"NAMEi"))
    (type $"NAMEp" (sub (struct (field $"NAMEf" (mut i32)))))
    (type $"NAMEs" (sub $"NAMEp" (struct (field $"NAMEf" (mut i32)) (field $"NAMEg" (ref null $"NAMEp")))))
    (func $"NAME" (export "NAME") (param $"NAMEl" i32) (local $"NAMEm" (ref null $"NAMEs"))
        (call $"NAMEi") (call $"NAMEd")
        (local.set 1 (struct.new $"NAMEs" (local.get 0) (ref.null $"NAMEp")))
        (drop (ref.cast (ref $"NAMEs") (local.get 1))))
    (func $"NAMEd" (loop))
    (@custom "NAME" "contents") (global (export "NAMEg") i32 (i32.const 0)) (start $"NAMEi"))"#;

/// A throwable with a message, as Kotlin makes them; the message is the hostile text's characters.
const THROWN: &str = r#"(module
    (type $chars (array (mut i16)))
    (type $string (struct (field $_chars (ref $chars))))
    (type $"NAME" (struct (field $message (ref null $string)) (field $cause (ref null $"NAME"))))
    (tag $t (param anyref))
    (data $d "\1b\00\07\00\9b\00\2e\20\28\20\85\00\7f\00")
    (func (export "_start")
        (throw $t (struct.new $"NAME"
            (struct.new $string (array.new_data $chars $d (i32.const 0) (i32.const 7)))
            (struct.new $"NAME" (ref.null $string) (ref.null $"NAME"))))))"#;

fn cases() -> Vec<Case> {
    vec![
        case(
            "module and function of a backtrace",
            r#"(module $"NAME" (func $"NAME" (export "_start") unreachable))"#,
            run,
            "PRINTED!PRINTED",
        ),
        case(
            "import that nobody serves",
            r#"(module (import "NAME" "NAME" (func)))"#,
            run,
            "`PRINTED::PRINTED` of type",
        ),
        case(
            "import in bench",
            r#"(module (import "NAME" "NAME" (func)) (func (export "f")))"#,
            |guest, _| command(&["bench", "--invoke", "f"], guest),
            "PRINTED::PRINTED",
        ),
        case(
            "import of another type",
            r#"(module (import "m" "NAME" (func)) (func (export "_start")))"#,
            with_preload,
            "`m::PRINTED` wants",
        ),
        case(
            "export that is defined twice",
            r#"(module binary "\00asm\01\00\00\00\01\04\01\60\00\00\03\02\01\00" "EXPORTS" "\0a\04\01\02\00\0b")"#,
            validate,
            "duplicate export name",
        ),
        case("all names in inspect", ALL_NAMES, inspect, "PRINTED::PRINTED"),
        case(
            "all names in a listing",
            ALL_NAMES,
            |guest, _| command(&["inspect", "--asm", "1"], guest),
            "#2 $PRINTEDd",
        ),
        case(
            "functions with part of a name",
            r#"(module (func $"NAMEx1") (func $"NAMEx2"))"#,
            |guest, _| command(&["inspect", "--asm", "x"], guest),
            "#0 $PRINTEDx1",
        ),
        case("class and message of an exception", THROWN, run, "Uncaught exception: PRINTED"),
        case(
            "tag of an exception",
            r#"(module (tag $"NAME") (func (export "_start") (throw $"NAME")))"#,
            run,
            "uncaught exception with tag `PRINTED`",
        ),
        case(
            "export that is not there",
            "(module)",
            |guest, name| finish(heapwood().args(["run", "--invoke", name]).arg(guest)),
            "error",
        ),
        case(
            "exports where there is no entry point",
            r#"(module (func (export "NAME")) (func (export "NAME2")))"#,
            run,
            "with --invoke: PRINTED, PRINTED2",
        ),
        case(
            "export that is no function",
            r#"(module (memory (export "NAME") 1))"#,
            |guest, name| finish(heapwood().args(["run", "--invoke", name]).arg(guest)),
            "the export `PRINTED` is no function",
        ),
        case(
            "export that takes other arguments",
            r#"(module (func (export "NAME") (param i32)))"#,
            |guest, name| finish(heapwood().args(["run", "--invoke", name]).arg(guest)),
            "`PRINTED` (func (param i32)) takes 1 arguments",
        ),
        case("file name", "(module)", named_file, "PRINTED.wasm"),
        case("source in a message of the parser", "(module (func RAW))", run, "error"),
        case("source in a message of validate", "(module (func RAW))", validate, "error"),
        case("source of a script", "(module (func RAW))", wast, "0 passed, 1 failed"),
        case("import in a script", r#"(module (import "NAME" "NAME" (func)))"#, wast, "PRINTED"),
        case(
            "name of a script's module",
            r#"(module $"NAME" (func $"NAME" (export "NAME") unreachable)) (assert_return (invoke "NAME"))"#,
            wast,
            "1 passed, 1 failed",
        ),
        case(
            "reason that a script expects",
            r#"(module (func (export "f") unreachable)) (assert_trap (invoke "f") "NAME")"#,
            wast,
            "expected the trap `",
        ),
        case(
            "functions and types of a profile",
            r#"(module (type $"NAME" (struct (field i64))) (func $"NAME" (export "_start") (local $n i32)
            (loop $l (drop (struct.new_default $"NAME")) (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 1000000))))))"#,
            profiled,
            "PRINTED;[PRINTED]",
        ),
        case("functions in a map for perf", r#"(module (func $"NAME" (export "_start")))"#, mapped, " PRINTED"),
    ]
}

/// The text as a string of the text format.
fn quoted(text: &str) -> String {
    text.bytes().map(|byte| format!("\\{byte:02x}")).collect()
}

/// Two exports of that name, as a section.
fn twice_exported(name: &str) -> String {
    let mut contents = vec![2];
    for _ in 0..2 {
        contents.push(name.len() as u8);
        contents.extend(name.bytes());
        contents.extend([0, 0]);
    }
    let section = [&[7, contents.len() as u8][..], &contents].concat();
    section.iter().map(|byte| format!("\\{byte:02x}")).collect()
}

/// Many imports with names that end as NAME does.
fn imported_often() -> String {
    (0..500).map(|k| format!(r#"(import "m{k}" "NAME" (func))"#)).collect()
}

/// How names are shown.
fn printed(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\r' | '\n' => c.escape_default().to_string(),
            c if is_hostile(c) => c.escape_unicode().to_string(),
            c => c.to_string(),
        })
        .collect()
}

fn is_hostile(c: char) -> bool {
    HOSTILE.contains(c) && !c.is_ascii_graphic() && c != ' '
}

fn ran(case: &Case, kind: &str, name: &str) -> Finished {
    let folder = scratch(&format!("names-{}-{kind}", case.what.replace(' ', "-")));
    let guest = folder.join(format!("guest.{}", case.extension));
    let text = case.guest.replace("EXPORTS", &twice_exported(name)).replace("IMPORTS", &imported_often());
    let text = text.replace("NAME", &quoted(name)).replace("RAW", name);
    std::fs::write(&guest, text).expect("written");
    (case.run)(&guest, name)
}

#[test]
fn no_text_of_a_module_reaches_the_terminal_as_it_is() {
    let mut count = 0;
    for case in cases() {
        let (plain, hostile) = (ran(&case, "plain", HARMLESS), ran(&case, "hostile", HOSTILE));
        let (was, is) = (format!("{}{}", plain.stdout, plain.stderr), format!("{}{}", hostile.stdout, hostile.stderr));
        for (text, name) in [(&was, HARMLESS), (&is, HOSTILE)] {
            let shows = case.shows.replace("PRINTED", &printed(name));
            assert!(text.contains(&shows), "{}: no {shows:?} in {text:?}", case.what);
        }
        let found = is.chars().find(|c| *c != '\n' && is_hostile(*c));
        assert_eq!(found, None, "{}: {is:?}", case.what);
        assert_eq!(hostile.code, plain.code, "{}: {is:?}", case.what);
        // A text that is read as source has the line ends that it has.
        if !case.guest.contains("RAW") {
            assert_eq!(is.lines().count(), was.lines().count(), "{}: {is:?}\n{was:?}", case.what);
        }
        count += 1;
    }
    println!("{count} cases");
    assert_eq!(count, 23);
}

/// Cases that show names whole, as lists of a module's contents do, or that a long name does not fit.
const WHOLE: [&str; 7] = [
    "export that is defined twice",
    "all names in inspect",
    "all names in a listing",
    "functions with part of a name",
    "functions and types of a profile",
    "functions in a map for perf",
    "file name",
];

/// Bytes of a name, nearly as many as that of an import may have.
const LONG: usize = 90_000;
/// Bytes of all that is said of it.
const SAID_MAX: usize = 32_000;

#[test]
fn messages_are_short_whatever_is_long() {
    let long = "x".repeat(LONG);
    let named: Vec<_> = cases().into_iter().filter(|case| !WHOLE.contains(&case.what)).collect();
    assert_eq!(named.len(), 16);
    let more = [
        case(
            "names of all frames",
            r#"(module $"NAME" (func $"NAME" (export "_start") (call 0)))"#,
            run,
            "call stack exhausted",
        ),
        case("many imports", "(module IMPORTS)", run, "and 450 more"),
    ];
    for case in named.into_iter().chain(more) {
        let finished = ran(&case, "long", &long);
        let said = finished.stdout + &finished.stderr;
        assert!(said.len() <= SAID_MAX, "{}: {} bytes: {}…", case.what, said.len(), &said[..1000]);
        let shows = case.shows.split("PRINTED").next().expect("a part");
        assert!(said.contains(shows), "{}: no {shows:?} in {said:?}", case.what);
        assert!(!finished.hung, "{}", case.what);
    }
}
