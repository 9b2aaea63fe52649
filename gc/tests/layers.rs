//! The layers of the crate: no file of a folder imports from a folder above it.

#[path = "../../tests/common/layers.rs"]
mod layers;

use layers::{Sources, Table, UnitTests};

const CRATE: &str = env!("CARGO_MANIFEST_DIR");

/// The folders of `gc/src`, from the lowest one up. A file may name what lies in its own folder or in a lower one.
const LAYERS: Table<'_> = &[
    // Memory of the system, and access to it.
    &["raw"],
    // Threads, and the hand-off of work to them.
    &["helper"],
    // What is told by whoever embeds the heap.
    &["embedder"],
    // Numbers, events, samples.
    &["telemetry"],
    // Where objects lie.
    &["spaces"],
    // What does not keep alive what it names.
    &["weak"],
    // What is frozen.
    &["frozen"],
    // Evacuation of sparse blocks.
    &["evacuation"],
    // Collections of the nursery.
    &["minor"],
    // Marking, sweeping, compaction.
    &["major"],
    // The verifier, stress.
    &["checks"],
    // The public interface, and the driver of collections.
    &["heap"],
    // The graph of a heap at rest.
    &["snapshot"],
    // The list of modules, and what others may name.
    &[""],
];

fn sources() -> Sources {
    Sources::read(CRATE, UnitTests::Read)
}

/// What is wrong with the crate if a module has this text.
fn faults(module: &str, text: &str) -> Vec<String> {
    sources().with(module, text, UnitTests::Read).faults("", LAYERS)
}

#[test]
fn no_file_imports_from_a_folder_above_it() {
    let sources = sources();
    let found = sources.faults("", LAYERS);
    assert!(found.is_empty(), "{}", found.join("\n"));
    let count = sources.count();
    assert!(count > 2 * (LAYERS.len() - 1), "only {count} modules were looked at");
}

/// A path from the crate's root says which layer it leads to.
#[test]
fn no_path_climbs_two_modules() {
    assert_eq!(sources().containing("super::super"), [""; 0]);
}

#[test]
fn an_import_upwards_is_found() {
    assert!(faults("minor", "use crate::minor::log::Log;\nuse crate::raw::side::SideVec;").is_empty());
    assert!(faults("minor::log", "/// See [`crate::Heap::log`].\n//! [`crate::heap`]").is_empty());
    for line in [
        "use crate::major::marking::Marking;",
        "use crate::{heap::Heap, raw::cage::Cage};",
        "use crate::{\n    raw::{cage::Cage, side::SideVec},\n    heap::Heap,\n};",
        "    let start = crate::heap::start();",
        "use crate::Heap;",
        "use super::heap::Heap;",
        "use super::super::Heap;",
    ] {
        assert_eq!(faults("minor", line).len(), 1, "{line}");
    }
}
