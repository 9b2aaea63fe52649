//! Strings of JavaScript through the command and the library: a program that uses all functions and constants, the
//! choice of the surface, tables of constants, and what is refused.

mod common;

use common::{finish, heapwood, scratch};
use heapwood::surfaces::js_string;
use heapwood::{Engine, ErrorKind, Linker, Module, Store};
use std::path::{Path, PathBuf};

const MODES: [&[&str]; 4] = [
    &[],
    &["--gc-nursery", "64k"],
    &["--gc-stress", "1", "--gc-verify"],
    &["-T", "mem32-guard=n", "-T", "mem64-guard=n", "-T", "few-registers=y", "-T", "inline=n"],
];

/// What traps in the program, with the function that the message has to name.
const TRAPS: [(&str, &str); 18] = [
    ("trap_length_null", "length"),
    ("trap_length_i31", "length"),
    ("trap_cast_array", "cast"),
    ("trap_at_end", "charCodeAt"),
    ("trap_at_negative", "charCodeAt"),
    ("trap_point_end", "codePointAt"),
    ("trap_concat_null", "concat"),
    ("trap_compare_null", "compare"),
    ("trap_equals_i31", "equals"),
    ("trap_point_range", "fromCodePoint"),
    ("trap_point_negative", "fromCodePoint"),
    ("trap_from_null", "fromCharCodeArray"),
    ("trap_from_order", "fromCharCodeArray"),
    ("trap_from_end", "fromCharCodeArray"),
    ("trap_into_null", "intoCharCodeArray"),
    ("trap_into_end", "intoCharCodeArray"),
    ("trap_into_wrap", "intoCharCodeArray"),
    ("trap_substring_null", "substring"),
];

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/js_string").join(name)
}

fn run(options: &[&str], export: &str) -> common::Finished {
    let preload = format!("out={}", file("out.wat").display());
    let mut command = heapwood();
    finish(command.arg("run").args(options).args(["--preload", &preload, "--invoke", export]).arg(file("strings.wat")))
}

#[test]
fn the_program_prints_what_another_engine_prints() {
    let wanted = std::fs::read_to_string(file("strings.out")).unwrap();
    for mode in MODES {
        let ended = run(mode, "run");
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), wanted.as_str()), "{mode:?}: {}", ended.stderr);
    }
}

#[test]
fn its_traps_name_the_function() {
    for mode in MODES {
        for (export, function) in TRAPS {
            let ended = run(mode, export);
            let named = format!("wasm:js-string.{function}: ");
            let is_right = ended.code == Some(134) && ended.stderr.contains(&named) && ended.stdout.is_empty();
            assert!(is_right, "{mode:?} {export}: {} {}", ended.end(), ended.stderr);
        }
    }
}

#[test]
fn the_surface_is_chosen_by_imports_and_options_overrule() {
    let without = run(&["-S", "js-string=n"], "run");
    assert_eq!(without.code, Some(1), "{}", without.stderr);
    assert!(
        without.stderr.contains("`wasm:js-string::test`") && without.stderr.contains("`_::hello`"),
        "{}",
        without.stderr
    );

    let folder = scratch("js-string-options");
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    // The namespace has something else as well, so that it has to be named.
    let mixed = write(
        "mixed.wat",
        r#"(module
            (import "wasm:js-string" "length" (func $length (param externref) (result i32)))
            (import "mine" "four" (global $four externref))
            (import "mine" "number" (func (result i32)))
            (func (export "f") (result i32) (call $length (global.get $four))))"#,
    );
    let mine = write("mine.wat", r#"(module (func (export "number") (result i32) (i32.const 1)))"#);
    let mine = format!("mine={}", mine.display());
    let invoke = |options: &[&str]| {
        finish(heapwood().arg("run").args(options).args(["--preload", &mine, "--invoke", "f"]).arg(&mixed))
    };
    let refused = invoke(&[]);
    assert!(refused.code == Some(1) && refused.stderr.contains("`mine::four`"), "{}", refused.stderr);
    let served = invoke(&["-S", "string-constants=mine"]);
    assert_eq!((served.code, served.stdout.trim()), (Some(0), "4"), "{}", served.stderr);

    let unknown = write("unknown.wat", r#"(module (import "wasm:js-string" "foo" (func)) (func (export "f")))"#);
    let ended = finish(heapwood().arg("run").args(["--invoke", "f"]).arg(unknown));
    assert!(ended.code == Some(1) && ended.stderr.contains("`wasm:js-string::foo`"), "{}", ended.stderr);
    assert!(ended.stderr.contains("not a function of `wasm:js-string`"), "{}", ended.stderr);
    let wrong = write(
        "wrong.wat",
        r#"(module (import "wasm:js-string" "charCodeAt" (func (param externref i64) (result i32))) (func (export "f")))"#,
    );
    let ended = finish(heapwood().arg("run").args(["--invoke", "f"]).arg(wrong));
    assert!(ended.code == Some(1) && ended.stderr.contains("charCodeAt"), "{}", ended.stderr);
    let mutable = write(
        "mutable.wat",
        r#"(module (import "_" "a" (global externref)) (import "_" "text" (global (mut externref))) (func (export "f")))"#,
    );
    let ended = finish(heapwood().arg("run").args(["--invoke", "f"]).arg(mutable));
    assert!(ended.code == Some(1) && ended.stderr.contains("text"), "{}", ended.stderr);

    let inspected = finish(heapwood().arg("inspect").arg(file("strings.wat")));
    assert!(inspected.stdout.contains("<- strings of JavaScript"), "{}", inspected.stdout);
    assert!(
        inspected.stdout.contains("_::hello (global (ref extern)) <- strings of JavaScript"),
        "{}",
        inspected.stdout
    );
    let inspected = finish(heapwood().arg("inspect").arg(mixed));
    assert!(inspected.stdout.contains("mine::four (global (ref null extern)) <- nobody"), "{}", inspected.stdout);
}

/// A module with a table of constants in a custom section.
fn with_table(name: &str, table: &str) -> String {
    format!(
        r#"(module
            (@custom "string.consts" "{table}")
            (import "wasm:js-string" "length" (func $length (param externref) (result i32)))
            (import "string.const" "{name}" (global $text externref))
            (func (export "f") (result i32) (call $length (global.get $text))))"#
    )
}

#[test]
fn constants_may_be_entries_of_a_table() {
    let engine = Engine::default();
    let length = |name: &str, table: &str| -> heapwood::Result<i32> {
        let module = Module::new(&engine, with_table(name, table))?;
        assert!(js_string::has_constant_table(&module));
        let mut linker = Linker::new(&engine);
        js_string::add_to_linker(&mut linker)?;
        js_string::add_constant_table(&mut linker, &module)?;
        let mut store = Store::new(&engine, ());
        let instance = linker.instantiate(&mut store, &module)?;
        instance.get_typed_func::<(), i32>(&mut store, "f")?.call(&mut store, ())
    };
    let table = r#"[\"\", \"abc\", \"\\ud83d\\u00e9\"]"#;
    assert_eq!(["0", "1", "2"].map(|name| length(name, table).unwrap()), [0, 3, 2]);
    for name in ["3", "-1", "x", "", "99999999999999999999"] {
        let error = length(name, table).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Link(_)), "{name}: {error}");
    }
    let error = length("0", "[1]").unwrap_err();
    assert!(error.to_string().contains("`string.consts`, byte 1"), "{error}");

    let path = scratch("js-string-table").join("table.wat");
    std::fs::write(&path, with_table("1", table)).unwrap();
    let ended = finish(heapwood().arg("run").args(["--invoke", "f"]).arg(path));
    assert_eq!((ended.code, ended.stdout.trim()), (Some(0), "3"), "{}", ended.stderr);
}

#[test]
fn namespaces_of_constants_are_those_of_nothing_else() {
    let engine = Engine::default();
    let module = Module::new(
        &engine,
        r#"(module
            (import "a" "x" (global externref)) (import "a" "y" (global (ref extern)))
            (import "b" "x" (global externref)) (import "b" "f" (func))
            (import "_" "x" (global externref)) (import "_" "f" (func))
            (import "c" "x" (global (mut externref)))
            (import "d" "x" (global i32)))"#,
    )
    .unwrap();
    assert_eq!(js_string::namespaces(&module), ["a", "_"]);
    assert!(!js_string::is_wanted_by(&module) && !js_string::has_constant_table(&module));
}

/// The namespaces that producers use: the text is the field's name, whatever else a program imports from there.
#[test]
fn each_namespace_of_producers_gives_its_field_names() {
    let folder = scratch("js-string-namespaces");
    for (number, namespace) in ["_", "S", "'", "string_constants"].into_iter().enumerate() {
        for (other, preloads) in [("", false), (r#"(import "NAMESPACE" "one" (func (result i32)))"#, true)] {
            let text = r#"(module
                (import "wasm:js-string" "length" (func $length (param externref) (result i32)))
                (import "NAMESPACE" "five!" (global $five (ref extern))) (import "NAMESPACE" "" (global $none externref)) OTHER
                (func (export "f") (result i32)
                    (i32.sub (call $length (global.get $five)) (call $length (global.get $none)))))"#;
            let text = text.replace("OTHER", other).replace("NAMESPACE", namespace);
            let path = folder.join(format!("{number}-{preloads}.wat"));
            std::fs::write(&path, text).unwrap();
            let ended = finish(heapwood().args(["run", "--invoke", "f"]).arg(path));
            match preloads {
                false => assert_eq!((ended.code, ended.stdout.trim()), (Some(0), "5"), "{namespace}: {}", ended.stderr),
                // What is no string is missing, and nothing else.
                true => {
                    assert_eq!(ended.code, Some(1));
                    let missing = ended.stderr.lines().filter(|line| line.contains(&format!("`{namespace}::"))).count();
                    assert!(missing == 1 && ended.stderr.contains("::one`"), "{namespace}: {}", ended.stderr);
                }
            }
        }
    }
}
