//! The layers of the crate: no file of a folder imports from a folder above it, and what keeps state has private
//! fields.
//!
//! Unit tests are no part of a layer: they use the crate from above.

#[path = "../../tests/common/layers.rs"]
mod layers;

use layers::{Sources, Table, UnitTests, open_fields};

const CRATE: &str = env!("CARGO_MANIFEST_DIR");

/// The folders of `vm/src`, from the lowest one up. A file may name what lies in its own folder or in a lower one.
const LAYERS: Table<'_> = &[
    // What names something of a store, as plain data.
    &["ids"],
    // What can go wrong.
    &["errors"],
    // The types of an engine.
    &["registry"],
    // Everything that touches running code.
    &["rt"],
    // What modules and stores share.
    &["engine"],
    // Types as the host sees them.
    &["types"],
    // From bytes to an image of code.
    &["module"],
    // Everything that instances share.
    &["store"],
    // What compiled code calls.
    &["builtins"],
    // What a store shows.
    &["observe"],
    // What the host holds.
    &["handles"],
    // The list of modules, and what others may name.
    &[""],
];

/// What keeps state, each with its file: others use its functions.
const OWNERS: [(&str, &str); 15] = [
    ("Config", "src/engine/config.rs"),
    ("EngineInner", "src/engine/mod.rs"),
    ("ModuleInner", "src/module/mod.rs"),
    ("Execution", "src/rt/execution.rs"),
    ("StoreOpaque", "src/store/opaque.rs"),
    ("Guest", "src/store/guest.rs"),
    ("Entities", "src/store/entities.rs"),
    ("GlobalData", "src/store/globals.rs"),
    ("Globals", "src/store/globals.rs"),
    ("HeldTypes", "src/store/held_types.rs"),
    ("HostValues", "src/store/host_values.rs"),
    ("InstanceData", "src/store/instance/data.rs"),
    ("Listeners", "src/store/listeners.rs"),
    ("RootSet", "src/store/roots.rs"),
    ("TableData", "src/store/table.rs"),
];

fn sources() -> Sources {
    Sources::read(CRATE, UnitTests::LeftOut)
}

/// What is wrong with the crate if a module has this text.
fn faults(module: &str, text: &str) -> Vec<String> {
    sources().with(module, text, UnitTests::LeftOut).faults("", LAYERS)
}

#[test]
fn no_file_imports_from_a_folder_above_it() {
    let sources = sources();
    let found = sources.faults("", LAYERS);
    assert!(found.is_empty(), "{}", found.join("\n"));
    let count = sources.count();
    assert!(count > 5 * (LAYERS.len() - 1), "only {count} modules were looked at");
}

/// A path from the crate's root says which layer it leads to.
#[test]
fn no_path_climbs_two_modules() {
    assert_eq!(sources().containing("super::super"), [""; 0]);
}

#[test]
fn parts_keep_their_state_to_themselves() {
    assert_eq!(open_fields(CRATE, &OWNERS), [""; 0]);
}

#[test]
fn an_import_upwards_is_found() {
    assert!(
        faults("store::table", "use crate::rt::hot::Hot;\nuse super::guest::Guest;\nuse crate::errors::Error;")
            .is_empty()
    );
    assert!(faults("store::guest", "/// See [`crate::Linker`].\n//! [`crate::handles`]").is_empty());
    assert!(faults("store::guest", "#[cfg(test)]\nmod tests {\n    use crate::Val;").is_empty());
    for text in [
        "use crate::handles::Val;",
        "use crate::{handles::Val, rt::hot::Hot};",
        "use crate::{\n    rt::{hot::Hot, walk::Frame},\n    handles::Val,\n};",
        "    let start = crate::builtins::start();",
        "use crate::Engine;",
        "use super::handles::Val;",
        "use super::super::Engine;",
    ] {
        assert_eq!(faults("store", text).len(), 1, "{text}");
    }
}
