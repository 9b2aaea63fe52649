//! Numbers what the compiler and the runtime are made of, so that an image of compiled code is never taken by another
//! build: of the version that is being worked on there are many.

use std::fs;
use std::path::{Path, PathBuf};

/// Crates whose sources decide what compiled code looks like and relies on, and what saved heaps look like. Of a
/// published crate only its own are there, and its version says the rest.
const FOLDERS: [&str; 5] = ["src", "module/src", "../jit/src", "../gc/abi/src", "../gc/src"];

fn main() {
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let mut sum = Sum(0xcbf2_9ce4_8422_2325);
    for folder in FOLDERS.map(|folder| root.join(folder)) {
        if folder.is_dir() {
            println!("cargo::rerun-if-changed={}", folder.display());
            add_folder(&mut sum, &folder);
        }
    }
    println!("cargo::rustc-env=HEAPWOOD_SOURCES={:016x}", sum.0);
    let set = |name: &str| std::env::var_os(name).is_some();
    let variants = [("CARGO_FEATURE_TEST_HOOKS", "hooks"), ("CARGO_CFG_HEAPWOOD_MUTANTS", "mutants")];
    let variant: Vec<_> = variants.iter().filter(|(name, _)| set(name)).map(|(_, word)| *word).collect();
    println!(
        "cargo::rustc-env=HEAPWOOD_VARIANT={}",
        if variant.is_empty() { "plain".into() } else { variant.join("-") }
    );
}

/// 64-bit FNV-1a.
struct Sum(u64);

impl Sum {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
}

fn add_folder(sum: &mut Sum, folder: &Path) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).expect("a folder of sources").map(|entry| entry.expect("an entry").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            add_folder(sum, &path);
        } else {
            sum.add(path.file_name().expect("a name").as_encoded_bytes());
            sum.add(&fs::read(&path).expect("a source file"));
        }
    }
}
