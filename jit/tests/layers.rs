//! The layers of the crate: no file imports what lies above it, and the parts of the compiler keep their state to
//! themselves.
//!
//! 1. A row of a table holds modules of one layer; a module named there stands for everything below it, unless that is
//!    named itself. What a file imports, or names by a path, is in a row below its own or in its own module.
//! 2. The files of `values` have a table of their own. All of them extend the type of its `mod.rs`, which names them.
//! 3. Every file is of a module of its table, and every module of a table exists.

#[path = "../../tests/common/layers.rs"]
mod layers;

use layers::{Sources, Table, UnitTests, open_fields, paths};

/// Modules of the crate, the lowest layer first.
const CRATE: Table<'_> = &[
    &["abi", "cpu", "reciprocal"],
    &["budget", "operators"],
    &["asm", "stubs"],
    &["error"],
    &["analysis"],
    &["inlining"],
    &["compiler::options", "compiler::values", "compiler::cursor", "compiler::tables", "compiler::objects"],
    &["compiler::control::flow", "compiler::frame"],
    &["compiler::parts"],
    &["compiler::operands", "compiler::fuel", "compiler::prologue", "compiler::check", "compiler::guest_checks"],
    &["compiler::call"],
    &["compiler::tail_calls", "compiler::fresh"],
    &[
        "compiler::control",
        "compiler::variable",
        "compiler::integer",
        "compiler::float",
        "compiler::convert",
        "compiler::memory",
        "compiler::table",
        "compiler::structs",
        "compiler::wide",
    ],
    &[
        "compiler::arrays",
        "compiler::atomic",
        "compiler::casts",
        "compiler::division",
        "compiler::parametric",
        "compiler::simd",
    ],
    &["compiler::visitor", "compiler::visitor_simd"],
    &["compiler::declared"],
    &["compiler::inline"],
    &["compiler::pass"],
    &["compiler"],
    &[""],
];

/// Files of `compiler::values`, the lowest layer first.
const VALUES: Table<'_> = &[
    &["registers"],
    &["place"],
    &["stored", "refined"],
    &["transfer"],
    &["slots", "moves"],
    &["scope", "stack"],
    &["allocate", "spill", "load"],
    &["locals", "pins"],
    &["snapshot", "heads"],
    &["edges"],
    &["calls", "check"],
];

/// Types whose fields nobody outside of their module may name, each with its file.
const OWNERS: [(&str, &str); 5] = [
    ("Values", "src/compiler/values/mod.rs"),
    ("Cursor", "src/compiler/cursor.rs"),
    ("Tables", "src/compiler/tables.rs"),
    ("Flow", "src/compiler/control/flow.rs"),
    ("Frame", "src/compiler/frame.rs"),
];

fn sources() -> Sources {
    Sources::read(env!("CARGO_MANIFEST_DIR"), UnitTests::Read)
}

#[test]
fn no_module_imports_a_higher_layer() {
    let faults = sources().faults("", CRATE);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn no_file_of_values_imports_a_higher_one() {
    let faults = sources().faults("compiler::values::", VALUES);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn parts_keep_their_state_to_themselves() {
    assert_eq!(open_fields(env!("CARGO_MANIFEST_DIR"), &OWNERS), [""; 0]);
}

/// The reader of sources finds what it is there for.
#[test]
fn imports_are_found() {
    let text =
        "use crate::{abi::Gpr, asm};\nuse super::values::{Reg, bits};\nlet x: super::super::parts::Compiler = 0;";
    let code = format!("{text}\n$crate::compiler::call::Entry::new()\npub(super) fn nothing()");
    let expected = [
        "crate::abi::Gpr",
        "crate::asm",
        "super::values::Reg",
        "super::values::bits",
        "super::super::parts::Compiler",
        "crate::compiler::call::Entry::new",
    ];
    assert_eq!(paths(&code), expected);
    let sources = sources();
    assert_eq!(sources.module_of("compiler::arrays", "super::values::Reg"), "compiler::values");
    assert_eq!(sources.module_of("compiler::simd::lanes", "super::super::memory::Load"), "compiler::memory");
    assert!(sources.count() > 60, "{} modules", sources.count());
}
