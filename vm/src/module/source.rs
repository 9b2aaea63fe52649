//! Where a module comes from: a file of bounded size, and with the feature `wat` also the text format.

use crate::errors::{Error, ErrorKind, Result};
use heapwood_module::limits::MODULE_BYTES_MAX;
use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// The contents of a file. It is never read beyond the largest module: it may grow meanwhile.
pub fn file(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more than allowed tells whether the limit was passed.
    let read = open(path)?.take(MODULE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| Error::from(error).of_file(path))?;
    match bytes.len() <= MODULE_BYTES_MAX {
        true => Ok(bytes),
        false => {
            let message = format!("larger than a module may be: the limit is {MODULE_BYTES_MAX} bytes");
            Err(Error::from_kind(ErrorKind::Limit(message)).of_file(path))
        }
    }
}

/// Opens a regular file, and waits for nobody: opening a pipe would wait for who writes to it.
///
/// # Errors
/// It cannot be opened, or is something else; they name it.
pub(crate) fn open(path: &Path) -> Result<File> {
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).and_then(|file| {
        let kind = file.metadata()?.file_type();
        let what = match kind.is_file() {
            true => return Ok(file),
            false if kind.is_dir() => "a directory",
            false if kind.is_fifo() => "a pipe",
            false => "a device",
        };
        Err(io::Error::new(io::ErrorKind::InvalidInput, format!("this is {what}, where a regular file is expected")))
    });
    opened.map_err(|error| Error::from(error).of_file(path))
}

/// The binary of a module that may be text. What is neither stays as it is: the decoder says what is wrong with it.
#[cfg(feature = "wat")]
pub fn binary(bytes: &[u8]) -> Result<Cow<'_, [u8]>> {
    if wat::Detect::from_bytes(bytes) != wat::Detect::WasmText {
        return Ok(Cow::Borrowed(bytes));
    }
    let refused = |error: wat::Error| ErrorKind::Module(heapwood_module::ModuleError::new(error.to_string()));
    wat::parse_bytes(bytes).map_err(|error| Error::from_kind(refused(error)))
}

/// Without the feature `wat` a module is a binary.
#[cfg(not(feature = "wat"))]
pub fn binary(bytes: &[u8]) -> Result<Cow<'_, [u8]>> {
    Ok(Cow::Borrowed(bytes))
}
