//! What a feature brings is refused where the feature is off or is not there: by `Module::validate` and `Module::new`
//! alike, by its name, in code that cannot be reached too.
//!
//! Each flag of wasmparser has a row here; a flag without one does not compile. From the rows come modules of three
//! kinds: written out (`MODULES`), each instruction of a proposal (`operators`), each type wherever a type may stand
//! (`types`). Each is valid for wasmparser with all features on, so that nothing but the feature is why it is refused.

mod operators;
mod types;

use heapwood_vm::*;
use wasmparser::{Validator, WasmFeatures, WasmFeaturesInflated};

/// What a flag of wasmparser means here.
enum Row {
    /// A feature of `-W`, or one that Heapwood does not have, by its name.
    Feature(&'static str),
    /// Part of that feature: no flag of its own.
    PartOf(&'static str),
    /// Always on; no proposal.
    Always,
    /// Of the component model: a component is refused at its first bytes.
    Component,
}

macro_rules! rows {
    ($($field:ident: $row:expr;)*) => {
        /// Every flag with its row.
        fn rows() -> Vec<(&'static str, Row)> {
            // No `..`: a new flag does not compile without a row.
            let WasmFeaturesInflated { $($field: _),* } = WasmFeatures::empty().inflate();
            vec![$((stringify!($field), $row)),*]
        }
    };
}

use Row::*;

rows! {
    mutable_global: Feature("mutable-global");
    saturating_float_to_int: Feature("saturating-float-to-int");
    sign_extension: Feature("sign-extension");
    reference_types: Feature("reference-types");
    multi_value: Feature("multi-value");
    bulk_memory: Feature("bulk-memory");
    simd: Feature("simd");
    relaxed_simd: Feature("relaxed-simd");
    threads: Feature("threads");
    shared_everything_threads: Feature("shared-everything-threads");
    tail_call: Feature("tail-call");
    floats: Always;
    multi_memory: Feature("multi-memory");
    exceptions: Feature("exceptions");
    memory64: Feature("memory64");
    extended_const: Feature("extended-const");
    component_model: Component;
    function_references: Feature("function-references");
    memory_control: Feature("memory-control");
    gc: Feature("gc");
    custom_page_sizes: Feature("custom-page-sizes");
    legacy_exceptions: Feature("legacy-exceptions");
    gc_types: Always;
    stack_switching: Feature("stack-switching");
    wide_arithmetic: Feature("wide-arithmetic");
    cm_values: Component;
    cm_nested_names: Component;
    cm_async: Component;
    cm_async_stackful: Component;
    cm_more_async_builtins: Component;
    cm_threading: Component;
    cm_error_context: Component;
    cm_fixed_length_lists: Component;
    cm_gc: Component;
    call_indirect_overlong: PartOf("reference-types");
    bulk_memory_opt: PartOf("bulk-memory");
    custom_descriptors: Feature("custom-descriptors");
    compact_imports: Feature("compact-imports");
    cm_map: Component;
    cm64: Component;
    cm_implements: Component;
    cm_canon_names: Component;
}

/// Sections, kinds of imports and exports, forms of types and limits by the feature that brings them.
const MODULES: &[(&str, &[&str])] = &[
    ("mutable-global", &[r#"(import "" "" (global (mut i32)))"#, r#"(global (export "g") (mut i32) (i32.const 0))"#]),
    ("saturating-float-to-int", &[]),
    ("sign-extension", &[]),
    (
        "reference-types",
        &[
            "(table 1 externref)",
            "(table 1 funcref) (table 1 funcref)",
            "(func (param externref))",
            "(elem externref (ref.null extern))",
            r#"(import "" "" (table 1 externref))"#,
            r#"(import "" "" (global externref))"#,
        ],
    ),
    (
        "multi-value",
        &[
            "(type (func (result i32 i32)))",
            "(func (block (result i32 i32) (i32.const 1) (i32.const 2)) drop drop)",
            "(func unreachable (block (param i32) drop))",
            "(func unreachable (loop (param i32) drop))",
            "(func unreachable (if (param i32) (then drop) (else drop)))",
            "(func unreachable (try_table (param i32) drop))",
        ],
    ),
    ("bulk-memory", &[r#"(data "passive")"#, "(elem func)", r#"(data "") (func (data.drop 0))"#]),
    ("simd", &["(type (func (param v128)))", r#"(import "" "" (global v128))"#, "(func (local v128))"]),
    ("relaxed-simd", &[]),
    ("threads", &["(memory 1 1 shared)", r#"(import "" "" (memory 1 1 shared))"#]),
    (
        "shared-everything-threads",
        &[
            "(type (shared (struct)))",
            "(type (shared (array i32)))",
            "(type (shared (func)))",
            "(global (shared i32) (i32.const 0))",
            r#"(import "" "" (global (shared i32)))"#,
            "(table shared 1 (ref null (shared func)))",
            r#"(import "" "" (table shared 1 (ref null (shared func))))"#,
        ],
    ),
    ("tail-call", &[]),
    ("multi-memory", &["(memory 1) (memory 1)", r#"(import "" "" (memory 1)) (memory 1)"#]),
    ("exceptions", &["(tag)", r#"(import "" "" (tag))"#, r#"(tag $t) (export "t" (tag $t))"#]),
    (
        "memory64",
        &[
            "(memory i64 1)",
            r#"(import "" "" (memory i64 1))"#,
            "(table i64 1 funcref)",
            r#"(import "" "" (table i64 1 funcref))"#,
        ],
    ),
    (
        "extended-const",
        &[
            "(global i32 (i32.add (i32.const 1) (i32.const 2)))",
            "(global i64 (i64.mul (i64.const 1) (i64.const 2)))",
            r#"(memory 1) (data (i32.sub (i32.const 1) (i32.const 1)) "")"#,
            "(table 1 funcref) (elem (i32.add (i32.const 1) (i32.const 0)) func)",
        ],
    ),
    ("function-references", &["(table 1 (ref func) (ref.func $f)) (func $f)", "(func (param (ref extern)))"]),
    ("memory-control", &[]),
    (
        "gc",
        &[
            "(type (struct))",
            "(type (array i8))",
            "(rec (type (func)) (type (func)))",
            "(type (sub (func)))",
            "(type $a (sub (func))) (type (sub final $a (func)))",
            "(global i32 (i32.const 0)) (global i32 (global.get 0))",
            "(global (ref null i31) (ref.i31 (i32.const 1)))",
        ],
    ),
    ("custom-page-sizes", &["(memory 1 (pagesize 1))", r#"(import "" "" (memory 1 (pagesize 1)))"#]),
    ("legacy-exceptions", &[]),
    (
        "stack-switching",
        &[
            "(type $f (func)) (type (cont $f))",
            "(tag (result i32))",
            r#"(import "" "" (tag (result i32)))"#,
            "(func (param contref))",
        ],
    ),
    ("wide-arithmetic", &[]),
    (
        "custom-descriptors",
        &[
            r#"(type $f (func)) (import "" "" (func (exact (type $f))))"#,
            r#"(type $f (func)) (import "" "" (func $f (exact (type $f)))) (export "f" (func $f))"#,
            "(rec (type $d (descriptor $e) (struct)) (type $e (describes $d) (struct)))",
            "(type $s (struct)) (func (param (ref (exact $s))))",
        ],
    ),
    // One group of imports from `m`, with the function `f` in it; then a group with one type for all.
    (
        "compact-imports",
        &[
            r#"binary "\00asm\01\00\00\00" "\01\04\01\60\00\00" "\02\0a\01\01m\00\7f\01\01f\00\00""#,
            r#"binary "\00asm\01\00\00\00" "\01\04\01\60\00\00" "\02\0a\01\01m\00\7e\00\00\01\01f""#,
        ],
    ),
];

/// A module that needs the features `needs`: refused where one of them is off.
struct Case {
    what: String,
    bytes: Vec<u8>,
    needs: Vec<&'static str>,
}

impl Case {
    fn new(what: impl Into<String>, fields: &str, needs: &[&'static str]) -> Case {
        let what = what.into();
        let bytes = wat::parse_str(format!("(module {fields})")).unwrap_or_else(|error| panic!("{what}: {error}"));
        Case { what, bytes, needs: needs.to_vec() }
    }
}

/// An engine with all features but these.
fn engine_without(off: &[&str]) -> Engine {
    let mut features = Features::all();
    for name in off.iter().filter(|name| is_known(name)) {
        features.set(name, false).unwrap();
    }
    Engine::new(Config::new().features(features)).unwrap()
}

fn is_known(feature: &str) -> bool {
    FEATURES.iter().any(|known| known.name == feature)
}

/// wasmparser's opinion with all features, those that Heapwood does not have too.
fn is_valid_with_all(bytes: &[u8]) -> Result<(), String> {
    let mut validator = Validator::new_with_features(WasmFeatures::all());
    validator.validate_all(bytes).map(drop).map_err(|error| error.to_string())
}

/// Checks that the module is refused by both without each feature that it needs, by its name.
fn check(case: &Case) -> usize {
    let Case { what, bytes, needs } = case;
    is_valid_with_all(bytes).unwrap_or_else(|error| panic!("{what} is not valid with all features: {error}"));
    for need in needs {
        check_refused(what, bytes, &[need], &[need]);
    }
    if needs.iter().all(|need| is_known(need)) {
        let engine = engine_without(&[]);
        Module::validate(&engine, bytes).unwrap_or_else(|error| panic!("{what} with all features: {error}"));
        Module::new(&engine, bytes).unwrap_or_else(|error| panic!("{what} with all features: {error}"));
    }
    needs.len()
}

/// Checks that the module is refused by both where `off` are off, in the same words, which name one of `names`.
fn check_refused(what: &str, bytes: &[u8], off: &[&str], names: &[&str]) {
    let engine = engine_without(off);
    let validated = Module::validate(&engine, bytes).map_err(|error| error.to_string());
    let compiled = Module::new(&engine, bytes).map(drop).map_err(|error| error.to_string());
    let message = validated.clone().expect_err(&format!("{what} is valid without {off:?}"));
    assert!(names.iter().any(|name| message.contains(name)), "{what} without {off:?}: {message}");
    assert_eq!(validated, compiled, "{what} without {off:?}");
}

#[test]
fn every_flag_has_a_row_that_means_something() {
    let known = FEATURES.iter().chain(&ABSENT_FEATURES);
    let mut named: Vec<_> = known.map(|feature| feature.name).collect();
    for (flag, row) in rows() {
        match row {
            Feature(name) => {
                named.retain(|other| *other != name);
                assert!(MODULES.iter().any(|row| row.0 == name), "{flag}: {name} has no modules");
            }
            PartOf(name) => assert!(is_known(name), "{flag} is part of {name}"),
            Always => assert!(Features::default().wasm().iter_names().any(|(on, _)| on.eq_ignore_ascii_case(flag))),
            Component => assert!(Features::all().wasm().iter_names().all(|(on, _)| !on.eq_ignore_ascii_case(flag))),
        }
    }
    assert!(named.is_empty(), "features without a flag: {named:?}");
    println!("{} cases", rows().len());
    assert_eq!(rows().len(), 42);
}

#[test]
fn sections_kinds_and_forms_need_their_feature() {
    let mut cases = 0;
    for (feature, modules) in MODULES {
        for fields in *modules {
            // Those that bring types that are not part of the feature need more.
            cases += check(&Case::new(*fields, fields, &[feature]));
        }
    }
    println!("{cases} cases");
    assert_eq!(cases, MODULES.iter().map(|row| row.1.len()).sum::<usize>());
}

#[test]
fn a_component_is_refused_by_name() {
    for text in ["(component)", "(component (core module))", "(component (type (func async)))"] {
        check_refused(text, &wat::parse_str(text).unwrap(), &[], &["component model"]);
    }
}
