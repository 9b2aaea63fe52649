//! The public functions of `vm/src`, found in its text, and their signatures.
//!
//! The text is formatted by rustfmt, so an `impl` begins and ends at the start of a line and its functions are indented
//! by four spaces. A function counts if its type is exported by `lib.rs`.

use crate::rules::{Misuse, misuses};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Folders and files that have no API, with why.
const BELOW: [(&str, &str); 5] = [
    ("rt", "below the API"),
    ("registry", "below the API"),
    ("observe/snapshot", "below the API"),
    ("observe/hooks.rs", "breaks stores on purpose, for tests"),
    ("lib.rs", "exports"),
];

/// A public function.
#[derive(Default)]
pub struct Function {
    /// What its signature allows.
    pub misuses: BTreeSet<Misuse>,
    /// It returns a `Result`, so that it has no excuse to panic.
    pub is_fallible: bool,
}

/// All public functions.
pub fn functions() -> BTreeMap<String, Function> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let exported = exported(&root);
    let mut found: BTreeMap<String, Function> = BTreeMap::new();
    for (_, text) in sources(&root) {
        each_function(&text, |receiver, name, signature| {
            let head = receiver.split('<').next().expect("a first part");
            if exported.contains(head) {
                let function = format!("{receiver}::{name}");
                let function = found.entry(function).or_default();
                function.misuses.extend(misuses(receiver, signature));
                let result = signature.rsplit("->").next().expect("a last part");
                function.is_fallible |= signature.contains("->") && result.trim_start().starts_with("Result<");
            }
        });
    }
    found
}

/// Path and text of the files that may have API.
fn sources(root: &Path) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let relative = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            if BELOW.iter().any(|(below, _)| *below == relative) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if relative.ends_with(".rs") {
                files.push((relative, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

/// Names that `lib.rs` exports of this crate.
fn exported(root: &Path) -> BTreeSet<String> {
    // What a `Bound` dereferences to.
    let mut names = BTreeSet::from(["Binding".to_owned()]);
    for file in ["lib.rs", "types/mod.rs"] {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        for export in text.split("pub use ").skip(1) {
            let export = export.split(';').next().expect("a first part");
            if !export.starts_with("heapwood") {
                names.extend(words(export).filter(|word| word.starts_with(char::is_uppercase)).map(str::to_owned));
            }
        }
    }
    names
}

/// Words of program text.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// Calls `found` with receiver, name and signature of each public function of an `impl` or a public trait.
fn each_function(text: &str, mut found: impl FnMut(&str, &str, &str)) {
    let mut receiver: Option<String> = None;
    let (mut is_trait, mut is_hidden) = (false, false);
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(header) = line.strip_prefix("impl") {
            receiver = (!header.contains(" for ")).then(|| self_type(header));
            is_trait = false;
        } else if let Some(name) = line.strip_prefix("pub trait ") {
            receiver = words(name).next().map(str::to_owned);
            is_trait = true;
        } else if line.starts_with('}') {
            receiver = None;
        }
        let item = line.trim_start();
        let is_public =
            ["pub fn ", "pub async fn ", "pub const fn ", "pub unsafe fn "].iter().any(|start| item.starts_with(start));
        let of_trait = is_trait && line.starts_with("    fn ");
        if let (Some(receiver), true, false) = (&receiver, is_public || of_trait, is_hidden) {
            assert!(line.starts_with("    ") && !line.starts_with("     "), "a function at another depth: {line}");
            let mut signature = item.to_owned();
            while !signature.ends_with('{') && !signature.ends_with(';') {
                signature += lines.next().expect("a signature has an end").trim();
            }
            let name = words(&signature[signature.find("fn ").expect("a function") + 3..]).next().expect("a name");
            found(receiver, name, &signature);
        }
        is_hidden = item == "#[doc(hidden)]" || item.starts_with("#[cfg(feature");
    }
}

/// `Rooted<AnyRef>` of `<T> Rooted<AnyRef> {`; parameters of the `impl` and lifetimes are left out.
fn self_type(header: &str) -> String {
    let mut depth = 0;
    let of = header.find(|c: char| {
        depth += (c == '<') as i32 - (c == '>') as i32;
        depth == 0 && c == ' '
    });
    let ty = header[of.expect("a space before the type")..].trim().trim_end_matches('{').trim();
    match ty.split_once('<') {
        Some((name, arguments)) if arguments.contains("Ref>") => format!("{name}<{arguments}"),
        _ => ty.split('<').next().expect("a name").to_owned(),
    }
}
