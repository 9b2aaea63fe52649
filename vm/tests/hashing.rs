//! Tables whose keys a guest or host chooses have a hasher with a random key: names that collide would make lookups
//! linear. The quick hasher without a key is for numbers that the runtime gives.

use std::path::{Path, PathBuf};

/// Types of keys of which the runtime or the compiler gives the values, or of which there are few.
const NUMBERS: [&str; 4] = ["u32", "u64", "TypeId", "any::TypeId"];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn tables_without_a_random_key_are_keyed_by_numbers() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "module/src", "../jit/src", "../gc/src", "../wasi-host/src", "../derive/src", "../src"] {
        sources(&root.join(folder), &mut files);
    }
    let (mut tables, mut wrong) = (0, Vec::new());
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap();
        for part in text.split("FxHashMap<").skip(1) {
            tables += 1;
            let key = part.split([',', '>']).next().unwrap_or_default();
            if !NUMBERS.contains(&key) {
                wrong.push(format!("{}: FxHashMap<{key}, …>", file.display()));
            }
        }
        if text.contains("FxHasher") || text.contains("FxBuildHasher") {
            wrong.push(format!("{}: hashes by itself", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    println!("{tables} tables in {} files", files.len());
    assert!(tables >= 5 && files.len() > 200, "the search found {tables} tables in {} files", files.len());
}
