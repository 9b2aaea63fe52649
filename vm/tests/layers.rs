//! The layers of the crate: no file of a folder imports from a folder above it, and what keeps state has private
//! fields.
//!
//! Unit tests are no part of a layer: they use the crate from above.

use std::fs::{read_dir, read_to_string};
use std::path::Path;

/// The folders of `vm/src`, from the lowest one up. A file may name what lies in its own folder or in a lower one.
const LAYERS: [(&str, &str); 11] = [
    ("ids", "what names something of a store, as plain data"),
    ("errors", "what can go wrong"),
    ("registry", "the types of an engine"),
    ("rt", "everything that touches running code"),
    ("engine", "what modules and stores share"),
    ("types", "types as the host sees them"),
    ("module", "from bytes to an image of code"),
    ("store", "everything that instances share"),
    ("builtins", "what compiled code calls"),
    ("observe", "what a store shows"),
    ("handles", "what the host holds"),
];

/// What keeps state, each with its file: others use its functions.
const OWNERS: [(&str, &str); 15] = [
    ("Config", "engine/config.rs"),
    ("EngineInner", "engine/mod.rs"),
    ("ModuleInner", "module/mod.rs"),
    ("Execution", "rt/execution.rs"),
    ("StoreOpaque", "store/opaque.rs"),
    ("Guest", "store/guest.rs"),
    ("Entities", "store/entities.rs"),
    ("GlobalData", "store/globals.rs"),
    ("Globals", "store/globals.rs"),
    ("HeldTypes", "store/held_types.rs"),
    ("HostValues", "store/host_values.rs"),
    ("InstanceData", "store/instance/data.rs"),
    ("Listeners", "store/listeners.rs"),
    ("RootSet", "store/roots.rs"),
    ("TableData", "store/table.rs"),
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

/// Code without comments and unit tests, with a space for the end of each line.
fn code_of(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    text.lines().map(|line| line.split("//").next().unwrap_or_default().trim()).collect::<Vec<_>>().join(" ")
}

/// The modules that code names behind `root`; of a braced list each.
fn modules_named(code: &str, root: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let named = |rest: &str| match rest.strip_prefix('{') {
        Some(list) => top_items(list).iter().map(|item| word(item.trim())).filter(|item| !item.is_empty()).collect(),
        None => vec![word(rest)],
    };
    code.match_indices(root).flat_map(|(at, found)| named(&code[at + found.len()..])).collect()
}

/// The items of a list behind its brace, without those of lists in it.
fn top_items(list: &str) -> Vec<String> {
    let (mut items, mut depth) = (vec![String::new()], 0);
    for character in list.chars() {
        match character {
            '}' if depth == 0 => break,
            ',' if depth == 0 => items.push(String::new()),
            _ => {
                depth += i32::from(character == '{') - i32::from(character == '}');
                items.last_mut().expect("there is one").push(character);
            }
        }
    }
    items
}

/// What is wrong with a file of a layer. `is_root`: it is the folder's own `mod.rs`, above which is the crate.
fn faults(layer: usize, is_root: bool, text: &str) -> Vec<String> {
    let code = code_of(text);
    let mut modules = modules_named(&code, "crate::");
    if is_root {
        modules.extend(modules_named(&code, "super::").into_iter().filter(|module| layer_of(module).is_some()));
    }
    let mut faults = Vec::new();
    for module in modules {
        match layer_of(&module) {
            Some(below) if below <= layer => {}
            Some(_) => faults.push(format!("it imports upwards, from `{module}`")),
            None => faults.push(format!("it names `{module}`, which is in no layer")),
        }
    }
    if code.contains("super::super") {
        faults.push("a path from the crate's root says which layer it leads to".to_owned());
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
            _ if place == Path::new("lib.rs") || place.ends_with("tests.rs") => {}
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
    assert!(files > 5 * LAYERS.len(), "only {files} files were looked at");
}

#[test]
fn parts_keep_their_state_to_themselves() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (name, file) in OWNERS {
        let text = read_to_string(source.join(file)).expect("a source file");
        let start = text.find(&format!("struct {name} {{")).unwrap_or_else(|| panic!("{name} is in {file}"));
        let fields = text[start..].lines().skip(1).take_while(|line| *line != "}");
        let open: Vec<_> = fields.filter(|line| line.trim_start().starts_with("pub")).collect();
        assert!(open.is_empty(), "fields of {name} that others can name: {open:?}");
    }
}

#[test]
fn an_import_upwards_is_found() {
    let store = layer_of("store").expect("it is a layer");
    assert!(
        faults(store, true, "use crate::rt::hot::Hot;\nuse super::guest::Guest;\nuse crate::errors::Error;").is_empty()
    );
    assert!(faults(store, false, "/// See [`crate::Linker`].\n//! [`crate::handles`]").is_empty());
    assert!(faults(store, false, "#[cfg(test)]\nmod tests {\n    use crate::Val;").is_empty());
    for text in [
        "use crate::handles::Val;",
        "use crate::{handles::Val, rt::hot::Hot};",
        "use crate::{\n    rt::{hot::Hot, walk::Frame},\n    handles::Val,\n};",
        "    let start = crate::builtins::start();",
        "use crate::Engine;",
        "use super::handles::Val;",
        "use super::super::Engine;",
    ] {
        assert_eq!(faults(store, true, text).len(), 1, "{text}");
    }
}
