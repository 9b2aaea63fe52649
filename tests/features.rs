//! Features that are off are named with the option that brings them, and nothing else is blamed on them.

mod common;

use common::{Finished, finish, heapwood, scratch, wat};

/// For each feature of `-W` a module that needs it.
const MODULES: [(&str, &str); 20] = [
    ("mutable-global", r#"(module (global (export "g") (mut i32) (i32.const 0)))"#),
    ("saturating-float-to-int", "(module (func (param f32) (result i32) local.get 0 i32.trunc_sat_f32_s))"),
    ("sign-extension", "(module (func (param i32) (result i32) local.get 0 i32.extend8_s))"),
    ("multi-value", "(module (func (result i32 i32) i32.const 1 i32.const 2))"),
    ("bulk-memory", "(module (memory 1) (func (memory.fill (i32.const 0) (i32.const 0) (i32.const 0))))"),
    ("reference-types", "(module (func (param externref)))"),
    ("extended-const", "(module (global i32 (i32.add (i32.const 1) (i32.const 2))))"),
    ("simd", "(module (func (param v128)))"),
    ("relaxed-simd", "(module (func (param v128) (drop (i8x16.relaxed_swizzle (local.get 0) (local.get 0)))))"),
    ("tail-call", "(module (func $f return_call $f))"),
    ("function-references", "(module (type $t (func)) (func (param (ref null $t)) (call_ref $t (local.get 0))))"),
    ("gc", "(module (type (struct)))"),
    ("exceptions", "(module (tag))"),
    ("legacy-exceptions", "(module (func try catch_all end))"),
    ("multi-memory", "(module (memory 1) (memory 1))"),
    ("memory64", "(module (memory i64 1))"),
    ("custom-page-sizes", "(module (memory 1 (pagesize 1)))"),
    ("threads", "(module (memory 1 1 shared))"),
    ("wide-arithmetic", "(module (func (drop (drop (i64.mul_wide_u (i64.const 1) (i64.const 2))))))"),
    // One group of imports from `m`, with the function `f` in it.
    (
        "compact-imports",
        r#"(module binary "\00asm\01\00\00\00" "\01\04\01\60\00\00" "\02\0a\01\01m\00\7f\01\01f\00\00")"#,
    ),
];

const OFF_BY_DEFAULT: [&str; 3] = ["threads", "wide-arithmetic", "compact-imports"];

fn heapwood_on(command: &[&str], options: &[&str], name: &str, text: &str) -> Finished {
    let path = wat(&scratch(&format!("features-{name}")), "guest.wat", text);
    finish(heapwood().args(command).args(options).arg(path))
}

fn state(feature: &str) -> &'static str {
    if OFF_BY_DEFAULT.contains(&feature) { "off by default" } else { "switched off" }
}

#[test]
fn each_feature_that_is_off_is_named_with_its_option() {
    for (feature, text) in MODULES {
        let (off, on) = (format!("-W{feature}=n"), format!("-W{feature}=y"));
        let needs = format!("needs {feature} ({}): run with -W {feature}=y\n", state(feature));
        let refused = heapwood_on(&["validate"], &[&off], feature, text);
        let expected = refused.stderr.strip_prefix("error: ").and_then(|line| line.split_once("guest.wat: "));
        assert_eq!((refused.code, expected.map(|(_, needs)| needs)), (Some(1), Some(&needs[..])), "{}", refused.stderr);
        let refused = heapwood_on(&["run"], &[&off], feature, text);
        assert!(refused.code == Some(1) && refused.stderr.ends_with(&needs), "{feature}: {}", refused.stderr);
        let valid = heapwood_on(&["validate"], &[&on], feature, text);
        assert_eq!((valid.code, &valid.stderr[..]), (Some(0), ""), "{feature}");
        let default = heapwood_on(&["validate"], &[], feature, text);
        let status = if OFF_BY_DEFAULT.contains(&feature) { 1 } else { 0 };
        assert_eq!(default.code, Some(status), "{feature}: {}", default.stderr);
    }
}

#[test]
fn inspect_names_what_a_module_needs_and_what_of_that_is_off() {
    for (feature, text) in MODULES {
        let shown = heapwood_on(&["inspect"], &[&format!("-W{feature}=n")], &format!("inspect-{feature}"), text);
        assert_eq!(shown.code, Some(0), "{feature}: {}", shown.stderr);
        let line = shown.stdout.lines().find_map(|line| line.strip_prefix("features: ")).expect("a line");
        assert!(line.split(", ").any(|named| named == feature), "{feature}: {line}");
        let needs = format!("needs {feature} ({}): run with -W {feature}=y", state(feature));
        assert!(shown.stdout.lines().any(|line| line == needs), "{feature}: {}", shown.stdout);
        let shown = heapwood_on(&["inspect"], &[&format!("-W{feature}=y")], &format!("inspect-{feature}"), text);
        assert!(!shown.stdout.contains("run with"), "{feature}: {}", shown.stdout);
    }
    let plain = heapwood_on(&["inspect"], &[], "inspect-plain", "(module (func))");
    assert!(plain.stdout.contains("features: none\n"), "{}", plain.stdout);
}

#[test]
fn several_missing_features_stand_in_one_line() {
    let text = r#"(module (memory 1 1 shared) (type (struct))
        (func (drop (drop (i64.mul_wide_u (i64.const 1) (i64.const 2))))))"#;
    let refused = heapwood_on(&["validate"], &["-Wgc=n"], "several", text);
    let says = "needs gc (switched off), threads, wide-arithmetic (off by default): \
                run with -W gc=y -W threads=y -W wide-arithmetic=y\n";
    assert!(refused.stderr.ends_with(says), "{}", refused.stderr);
}

#[test]
fn an_invalid_module_is_not_blamed_on_a_feature() {
    let wide = "(func (drop (drop (i64.mul_wide_u (i64.const 1) (i64.const 2)))))";
    for (name, body) in [("before", format!("(func i32.add) {wide}")), ("after", format!("{wide} (func i32.add)"))] {
        for command in ["validate", "run", "inspect"] {
            let refused = heapwood_on(&[command], &[], &format!("invalid-{name}"), &format!("(module {body})"));
            assert_eq!(refused.code, Some(1));
            assert!(refused.stderr.contains("invalid module: type mismatch"), "{}", refused.stderr);
            assert!(
                refused.stderr.contains("(at offset 0x") && !refused.stderr.contains("needs"),
                "{}",
                refused.stderr
            );
        }
    }
}

#[test]
fn what_heapwood_does_not_have_is_named() {
    let cases = [
        ("stack-switching", "(module (type $f (func)) (type (cont $f)))"),
        ("shared-everything-threads", "(module (global (shared i32) (i32.const 0)))"),
        ("custom-descriptors", r#"(module (type $f (func)) (import "a" "b" (func (exact (type $f)))))"#),
        ("custom-descriptors", "(module (type $s (struct)) (func (drop (ref.test (ref (exact $s)) (ref.null any)))))"),
        ("custom-descriptors", "(module (type $s (struct)) (func unreachable ref.test (ref (exact $s)) drop))"),
        ("memory-control", "(module (memory 1) (func (memory.discard (i32.const 0) (i32.const 0))))"),
    ];
    for (case, (feature, text)) in cases.into_iter().enumerate() {
        for command in ["run", "validate"] {
            let refused = heapwood_on(&[command], &[], &format!("{feature}-{case}"), text);
            let says = format!("guest.wat: needs {feature} (which Heapwood does not have)\n");
            assert!(refused.code == Some(1) && refused.stderr.ends_with(&says), "{command}: {}", refused.stderr);
        }
    }
    for (command, words) in [("run", "this component exports no `wasi:cli/run`"), ("validate", "this is a component")] {
        let component = heapwood_on(&[command], &[], "component", "(component)");
        assert!(component.code == Some(1) && component.stderr.contains(words), "{}", component.stderr);
    }
}
