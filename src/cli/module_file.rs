//! Reading modules, binary or text, with errors that name the file.

use anyhow::{Context, Result, anyhow};
use heapwood::{Engine, Error, ErrorKind, Module};
use std::path::Path;

/// The bytes of the module in `path`; text is converted to binary.
///
/// # Errors
/// The file cannot be read, or is text that does not parse.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    if !looks_like_text(path, &bytes) {
        return Ok(bytes);
    }
    let binary = wat::parse_bytes(&bytes).map_err(|mut error| {
        error.set_path(path);
        anyhow!("{error}")
    })?;
    Ok(binary.into_owned())
}

/// Files named `.wat` and files that begin like a module in the text format.
fn looks_like_text(path: &Path, bytes: &[u8]) -> bool {
    if bytes.starts_with(b"\0asm") {
        return false;
    }
    let start = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    path.extension().is_some_and(|extension| extension == "wat") || matches!(start, Some(b'(' | b';'))
}

/// Reads and compiles a module.
///
/// # Errors
/// As [`read`]; the module is not valid or needs what is not there.
pub fn load(engine: &Engine, path: &Path) -> Result<Module> {
    let bytes = read(path)?;
    Module::new(engine, &bytes).map_err(|error| named(path, error))
}

/// The error with the file's name, and the byte offset where there is one; or the features that would help.
pub fn named(path: &Path, error: Error) -> anyhow::Error {
    let path = path.display();
    match error.kind() {
        ErrorKind::Module(reason) if reason.missing.is_empty() => anyhow!("{path}: invalid module: {reason}"),
        _ => anyhow!("{path}: {error}"),
    }
}
