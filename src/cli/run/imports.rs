//! Imports that nothing defines: they are named with their type, and with what would define them.

use crate::cli::failure::shown;
use anyhow::{Result, anyhow};
use heapwood::surfaces::{dart, js_string, teavm};
use heapwood::wasi::{self, MODULE};
use heapwood::{Error, ErrorKind, Linker, Module, brief};
use std::fmt::Write;
use std::path::Path;

/// Imports that a message lists.
const SHOWN_MAX: usize = 50;

/// The name from which programs of Kotlin import what the compiler wrote in JavaScript.
const KOTLINS_JAVASCRIPT: &str = "js_code";
/// What is said of them.
const FOR_JAVASCRIPT: &str = "this program was built for JavaScript engines (it imports `js_code`, as Kotlin's target `wasmJs` \
    makes it); build it for WASI: `wasmWasi { binaries.executable() }` in build.gradle.kts, then `./gradlew \
    compileProductionExecutableKotlinWasmWasi`";

/// Fails before anything of the module runs if an import is not defined.
///
/// # Errors
/// Names every such import.
pub fn check<T>(linker: &Linker<T>, module: &Module, path: &Path) -> Result<()> {
    let (mut message, mut missing) = (String::new(), 0);
    for import in module.imports() {
        if import.module == teavm::JSO_MODULE {
            return Err(anyhow!("{}: {}", shown(path), teavm::JSO_HINT));
        }
        if !linker.provides(&import)? {
            if import.module == KOTLINS_JAVASCRIPT {
                return Err(anyhow!("{}: {FOR_JAVASCRIPT}", shown(path)));
            }
            missing += 1;
            if missing > SHOWN_MAX {
                continue;
            }
            let hint = provider(import.module, import.name);
            let (from, name) = (brief(import.module), brief(import.name));
            let _ = write!(message, "\n  `{from}::{name}` of type {}: {hint}", import.ty);
        }
    }
    if missing > SHOWN_MAX {
        let _ = write!(message, "\n  and {} more", missing - SHOWN_MAX);
    }
    if message.is_empty() { Ok(()) } else { Err(anyhow!("{}: unknown import:{message}", shown(path))) }
}

/// A failed instantiation: imports of wrong types are the host's affair, the rest the guest's.
///
/// # Errors
/// Names every import whose type does not fit.
pub fn explain(error: Error, path: &Path) -> Result<Error> {
    match error.kind() {
        ErrorKind::Link(errors) => {
            let lines: String = errors.iter().map(|error| format!("\n  {error}")).collect();
            Err(anyhow!("{}: imports do not fit:{lines}", shown(path)))
        }
        _ => Ok(error),
    }
}

/// What would define an import.
fn provider(module: &str, name: &str) -> String {
    let planned = |surface: &str| format!("belongs to {surface}, which is not there yet");
    match module {
        MODULE if wasi::lookup(name).is_none() => "not a function of WASI preview1".to_owned(),
        "wasi_unstable" | "wasi" => format!("an older WASI; build the program for `{MODULE}`"),
        _ if module.starts_with("wasi:") => {
            "a function of WASI 0.2, which components have; `wasm-tools component new` makes one, or build the program \
             for WASI preview1 (wasm32-wasip1)"
                .to_owned()
        }
        _ if js_string::has_module(module) => format!("not a function of `{module}`"),
        _ if module.starts_with("wasm:") => planned("another proposal for JavaScript's values"),
        _ if module.starts_with("teavm") => "not of TeaVM's surface".to_owned(),
        _ if dart::has_module(module) && dart::has_function(name) => {
            "a function of Dart's surface: -S dart=y".to_owned()
        }
        _ if dart::has_module(module) => "not a function of Dart's surface".to_owned(),
        _ if module.starts_with("dart2wasm") => {
            "this program was built for JavaScript engines; build it with `dart compile wasm --standalone`".to_owned()
        }
        _ if module.starts_with("__moonbit_") => "not a function of MoonBit's surface".to_owned(),
        _ if module.starts_with("moonbitlang/") || module.starts_with("moonbit:") => planned("MoonBit's own runner"),
        "spectest" => "the test suite's module; `heapwood wast` has it".to_owned(),
        _ => format!("`--preload {}=FILE` with a module that exports `{}`", brief(module), brief(name)),
    }
}
