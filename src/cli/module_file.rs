//! Reading modules, binary or text, with errors that name the file.

use super::failure::shown;
use anyhow::{Context, Result, anyhow};
use heapwood::{Engine, Error, ErrorKind, MODULE_BYTES_MAX, Module};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// How many bytes of a file that is no module are kept: what the error is about lies at its beginning.
const KEPT_OF_OTHER_FILES: usize = 64 << 10;

/// The bytes of the module in `path`; text is converted to binary.
///
/// # Errors
/// The file cannot be read, is larger than a module may be, or is text that does not parse.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let bytes = read_limited(path, looks_like_module)?;
    if Engine::detect_precompiled(&bytes).is_some() {
        return Err(anyhow!(
            "{}: this is a precompiled module (`heapwood compile`); `heapwood run --precompiled` takes it",
            shown(path)
        ));
    }
    if !looks_like_text(path, &bytes) {
        return Ok(bytes);
    }
    let binary = wat::parse_bytes(&bytes).map_err(|mut error| {
        error.set_path(path);
        anyhow!("{error}")
    })?;
    Ok(binary.into_owned())
}

/// The text of a script.
///
/// # Errors
/// The file cannot be read, is larger than a module may be, or is not UTF-8.
pub fn read_script(path: &Path) -> Result<String> {
    let bytes = read_limited(path, |_, start| !start.starts_with(b"\0"))?;
    String::from_utf8(bytes).map_err(|error| anyhow!("{}: {error}", shown(path)))
}

/// The contents of a file, which is never read beyond the largest module: it may be a pipe, a device or grow meanwhile.
/// If the file is not `wanted`, judged by its path and beginning, only the beginning is kept.
fn read_limited(path: &Path, wanted: impl Fn(&Path, &[u8]) -> bool) -> Result<Vec<u8>> {
    let named = || shown(path);
    let file = File::open(path).with_context(named)?;
    let size = file.metadata().with_context(named)?.len();
    if size > MODULE_BYTES_MAX as u64 {
        return Err(too_large(path));
    }
    // One byte more than allowed tells whether the limit was passed.
    let mut rest = file.take(MODULE_BYTES_MAX as u64 + 1);
    let mut bytes = Vec::new();
    rest.by_ref().take(KEPT_OF_OTHER_FILES as u64).read_to_end(&mut bytes).with_context(named)?;
    if wanted(path, &bytes) {
        bytes.reserve_exact((size as usize).saturating_sub(bytes.len()));
        rest.read_to_end(&mut bytes).with_context(named)?;
    } else {
        std::io::copy(&mut rest, &mut std::io::sink()).with_context(named)?;
    }
    if rest.limit() == 0 {
        return Err(too_large(path));
    }
    Ok(bytes)
}

fn too_large(path: &Path) -> anyhow::Error {
    let (limit, gib) = (MODULE_BYTES_MAX, MODULE_BYTES_MAX >> 30);
    anyhow!("{}: larger than a module may be: the limit is {gib} GiB ({limit} bytes)", shown(path))
}

/// Whether a file with this name and beginning is a module in one of its two formats, valid or not.
fn looks_like_module(path: &Path, start: &[u8]) -> bool {
    start.starts_with(b"\0asm") || looks_like_text(path, start)
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

/// Maps a precompiled module.
///
/// # Errors
/// The file cannot be read, or is none that this engine takes.
#[allow(unsafe_code, reason = "who writes `--precompiled` says that the image is to be trusted, as a program is")]
pub fn load_image(engine: &Engine, path: &Path) -> Result<Module> {
    // SAFETY: the user's word, as the option's help says.
    unsafe { Module::deserialize_file(engine, path) }.map_err(|error| match error.kind() {
        // It names the file.
        ErrorKind::Host(_) => error.into(),
        _ => named(path, error),
    })
}

/// The module by way of an image that another engine makes of it.
///
/// # Errors
/// The module is not valid or needs what is not there.
#[allow(unsafe_code, reason = "the image is made here")]
pub fn through_image(engine: &Engine, press: &Engine, bytes: &[u8]) -> Result<Module, Error> {
    let image = press.precompile_module(bytes)?;
    // SAFETY: the image was made just now, and nobody else has it.
    unsafe { Module::deserialize(engine, image) }
}

/// The error with the file's name, and the byte offset where there is one; or the features that would help.
pub fn named(path: &Path, error: Error) -> anyhow::Error {
    let path = shown(path);
    match error.kind() {
        ErrorKind::Module(reason) if reason.missing.is_empty() => anyhow!("{path}: invalid module: {reason}"),
        _ => anyhow!("{path}: {error}"),
    }
}
