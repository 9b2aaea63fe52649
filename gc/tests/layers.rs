//! The layers of the crate: no file of a folder imports from a folder above it.

use std::fs::{read_dir, read_to_string};
use std::path::Path;

/// The folders of `gc/src`, from the lowest one up. A file may name what lies in its own folder or in a lower one.
const LAYERS: [(&str, &str); 12] = [
    ("raw", "memory of the system, and access to it"),
    ("helper", "threads, and the hand-off of work to them"),
    ("embedder", "what is told by whoever embeds the heap"),
    ("telemetry", "numbers, events, samples"),
    ("spaces", "where objects lie"),
    ("weak", "what does not keep alive what it names"),
    ("evacuation", "evacuation of sparse blocks"),
    ("minor", "collections of the nursery"),
    ("major", "marking, sweeping, compaction"),
    ("checks", "the verifier, stress"),
    ("heap", "the public interface, and the driver of collections"),
    ("snapshot", "the graph of a heap at rest"),
];

fn layer_of(folder: &str) -> Option<usize> {
    LAYERS.iter().position(|(name, _)| *name == folder)
}

/// Calls `visit` with each file below `folder`.
fn each_file(folder: &Path, visit: &mut impl FnMut(&Path)) {
    for entry in read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry of it").path();
        if path.is_dir() {
            each_file(&path, visit);
        } else {
            visit(&path);
        }
    }
}

/// The code of a line, without what is a comment.
fn code_of(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

/// The modules that a line names behind `root`; of a braced list each.
fn modules_named(line: &str, root: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let named = |rest: &str| match rest.strip_prefix('{') {
        Some(list) => list.split(',').map(|item| word(item.trim())).filter(|item| !item.is_empty()).collect(),
        None => vec![word(rest)],
    };
    code_of(line).match_indices(root).flat_map(|(at, found)| named(&line[at + found.len()..])).collect()
}

/// What is wrong with a file of a layer. `is_root`: it is the folder's own `mod.rs`, above which is the crate.
fn faults(layer: usize, is_root: bool, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let mut modules = modules_named(line, "crate::");
        if is_root {
            modules.extend(modules_named(line, "super::").into_iter().filter(|module| layer_of(module).is_some()));
        }
        for module in modules {
            match layer_of(&module) {
                Some(below) if below <= layer => {}
                Some(_) => faults.push(format!("line {number} imports upwards, from `{module}`")),
                None => faults.push(format!("line {number} names `{module}`, which is in no layer")),
            }
        }
        if code_of(line).contains("super::super") {
            faults.push(format!("line {number}: a path from the crate's root says which layer it leads to"));
        }
    }
    faults
}

#[test]
fn no_file_imports_from_a_folder_above_it() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut found, mut files) = (Vec::new(), 0);
    each_file(&source, &mut |path| {
        let place = path.strip_prefix(&source).expect("a file below it");
        let folder = place.components().next().and_then(|part| part.as_os_str().to_str()).unwrap_or_default();
        match layer_of(folder) {
            _ if place == Path::new("lib.rs") => {}
            None => found.push(format!("{}: in no layer", place.display())),
            Some(layer) => {
                let text = read_to_string(path).expect("a text");
                let is_root = place == Path::new(folder).join("mod.rs");
                found.extend(faults(layer, is_root, &text).iter().map(|fault| format!("{}: {fault}", place.display())));
                files += 1;
            }
        }
    });
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert!(files > 2 * LAYERS.len(), "only {files} files were looked at");
}

#[test]
fn an_import_upwards_is_found() {
    let minor = layer_of("minor").expect("it is a layer");
    assert!(faults(minor, true, "use crate::minor::log::Log;\nuse crate::raw::side::SideVec;").is_empty());
    assert!(faults(minor, false, "/// See [`crate::Heap::log`].\n//! [`crate::heap`]").is_empty());
    for line in [
        "use crate::major::marking::Marking;",
        "use crate::{heap::Heap, raw::cage::Cage};",
        "    let start = crate::heap::start();",
        "use crate::Heap;",
        "use super::heap::Heap;",
        "use super::super::Heap;",
    ] {
        assert_eq!(faults(minor, true, line).len(), 1, "{line}");
    }
}
