//! Reading modules, binary or text, with errors that name the file.

use super::bench::{Times, timed};
use super::compiling;
use super::failure;
use super::output;
use super::text_place;
use anyhow::{Context, Result, anyhow};
use heapwood::component::is_component;
use heapwood::{Engine, Error, ErrorKind, MODULE_BYTES_MAX, Module, ModuleInfo, what_it_is};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Bytes within which a first line that is passed over has to end.
const FIRST_LINE_BYTES_MAX: usize = 4096;
/// How many bytes of a file that is no module are kept: what the error is about lies at its beginning.
const KEPT_OF_OTHER_FILES: usize = 64 << 10;

/// The name of a file that stands for the standard input.
const STANDARD_INPUT: &str = "-";

/// What text may begin with to say that it is UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A module that was read.
pub struct ModuleFile<'p> {
    path: &'p Path,
    bytes: Vec<u8>,
    /// The text that they were made of, as the file has it.
    text: Option<Vec<u8>>,
}

impl ModuleFile<'_> {
    /// The module in the binary format, valid or not.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Compiles it.
    ///
    /// # Errors
    /// It is not valid or needs what is not there.
    pub fn compile(&self, engine: &Engine) -> Result<Module> {
        let (module, times) = timed(|| self.watched(engine, || Module::new(engine, self.bytes())));
        let module = module.map_err(|error| self.named(error))?;
        self.tell("compiled", module.info(), &times);
        Ok(module)
    }

    /// Compiles it by `compile`, and shows to who waits how far that is.
    pub fn watched<T>(&self, engine: &Engine, compile: impl FnOnce() -> T) -> T {
        compiling::watched(engine, &shown(self.path), self.bytes.len(), compile)
    }

    /// Says with `-v` what was done with it, and how long that took.
    pub fn tell(&self, done: &str, info: &ModuleInfo, times: &Times) {
        output::more(|| {
            let (name, functions, bytes) = (shown(self.path), info.functions.len(), self.bytes.len());
            format!("{name}: {done} in {:.1} ms (bytes: {bytes}, functions: {functions})", times.wall)
        });
    }

    /// An error of the module, with the file's name, and its place in the text if it was text. A feature that is off is
    /// no error of a place.
    pub fn named(&self, error: Error) -> anyhow::Error {
        let offset = match error.kind() {
            ErrorKind::Module(reason) if reason.missing.is_empty() => reason.offset,
            _ => None,
        };
        let place = self.text.as_ref().zip(offset).and_then(|(text, offset)| {
            let text = std::str::from_utf8(without_mark(text)).ok()?;
            text_place::excerpt(&shown(self.path), text, &self.bytes, offset)
        });
        let error = named(self.path, error);
        match place {
            Some(place) => anyhow!("{error}{place}"),
            None => error,
        }
    }
}

/// The name of a file in messages.
fn shown(path: &Path) -> String {
    if is_standard_input(path) { "standard input".to_owned() } else { failure::shown(path) }
}

fn is_standard_input(path: &Path) -> bool {
    path.as_os_str() == STANDARD_INPUT
}

/// The module in `path`, or what comes from the standard input if that is `-`; text is converted to binary.
///
/// # Errors
/// The file cannot be read, is larger than a module may be, is something else, or is text that does not parse.
pub fn read(path: &Path) -> Result<ModuleFile<'_>> {
    let bytes = without_first_line(read_limited(path, looks_like_module)?);
    if Engine::detect_precompiled(&bytes).is_some() {
        return Err(anyhow!(
            "{}: this is a precompiled module (`heapwood compile`); `heapwood run --precompiled` takes it",
            shown(path)
        ));
    }
    if !looks_like_text(path, &bytes) {
        return match what_it_is(&bytes) {
            Some(what) => Err(anyhow!("{}: invalid module: this is {what} (at offset 0x0)", shown(path))),
            None => Ok(ModuleFile { path, bytes, text: None }),
        };
    }
    let binary = wat::parse_bytes(without_mark(&bytes)).map_err(|mut error| {
        error.set_path(if is_standard_input(path) { Path::new("standard input") } else { path });
        anyhow!("{error}")
    })?;
    Ok(ModuleFile { path, bytes: binary.into_owned(), text: Some(bytes) })
}

/// A file as [`read`] gives it, for a command that takes core modules alone; `instead` says what to do with a
/// component.
///
/// # Errors
/// As [`read`]; the file is a component.
pub fn read_core<'p>(path: &'p Path, command: &str, instead: &str) -> Result<ModuleFile<'p>> {
    let file = read(path)?;
    match is_component(file.bytes()) {
        true => {
            Err(anyhow!("{}: this is a component, and `heapwood {command}` takes core modules; {instead}", shown(path)))
        }
        false => Ok(file),
    }
}

/// Text behind a byte-order mark, if there is one.
fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
}

/// A module may begin with a line that says what runs it, as scripts do.
fn without_first_line(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.starts_with(b"#!")
        && let Some(end) = bytes.iter().take(FIRST_LINE_BYTES_MAX).position(|byte| *byte == b'\n')
        && matches!(bytes.get(end + 1), Some(0 | b'('))
    {
        bytes.drain(..=end);
    }
    bytes
}

/// The text of a script.
///
/// # Errors
/// The file cannot be read, is larger than a module may be, or is not UTF-8.
pub fn read_script(path: &Path) -> Result<String> {
    let bytes = read_limited(path, |_, start| !start.starts_with(b"\0"))?;
    let mut text = String::from_utf8(bytes).map_err(|error| anyhow!("{}: {error}", shown(path)))?;
    text.drain(..text.len() - without_mark(text.as_bytes()).len());
    Ok(text)
}

/// The contents of a file, which is never read beyond the largest module: it may be a pipe, a device or grow meanwhile.
/// If the file is not `wanted`, judged by its path and beginning, only the beginning is kept.
fn read_limited(path: &Path, wanted: impl Fn(&Path, &[u8]) -> bool) -> Result<Vec<u8>> {
    let named = || shown(path);
    let (file, size): (Box<dyn Read>, u64) = if is_standard_input(path) {
        (Box::new(std::io::stdin().lock()), 0)
    } else {
        let file = File::open(path).with_context(named)?;
        let size = file.metadata().with_context(named)?.len();
        (Box::new(file), size)
    };
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
    start.starts_with(b"\0asm") || start.starts_with(b"#!") || looks_like_text(path, start)
}

/// Files named `.wat` and files that begin like a module in the text format, if what they begin with is text at all:
/// the first of four bytes that zstd writes is a parenthesis, and there is text that is not UTF-8.
fn looks_like_text(path: &Path, bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(4)];
    if bytes.starts_with(b"\0asm") || std::str::from_utf8(start).is_err_and(|error| error.error_len().is_some()) {
        return false;
    }
    let start = without_mark(bytes).iter().find(|byte| !byte.is_ascii_whitespace());
    path.extension().is_some_and(|extension| extension == "wat") || matches!(start, Some(b'(' | b';'))
}

/// Reads and compiles a module.
///
/// # Errors
/// As [`read`]; the module is not valid or needs what is not there.
pub fn load(engine: &Engine, path: &Path) -> Result<Module> {
    read(path)?.compile(engine)
}

/// Maps a precompiled module, or reads it from the standard input.
///
/// # Errors
/// The file cannot be read, or is none that this engine takes.
#[allow(unsafe_code, reason = "who writes `--precompiled` says that the image is to be trusted, as a program is")]
pub fn load_image(engine: &Engine, path: &Path) -> Result<Module> {
    if is_standard_input(path) {
        let image = read_limited(path, |_, start| Engine::detect_precompiled(start).is_some())?;
        // SAFETY: the user's word, as the option's help says.
        return unsafe { Module::deserialize(engine, image) }.map_err(|error| named(path, error));
    }
    // SAFETY: the user's word, as the option's help says.
    unsafe { Module::deserialize_file(engine, path) }.map_err(anyhow::Error::from)
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
