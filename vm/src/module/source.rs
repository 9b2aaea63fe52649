//! Where a module comes from: a file of bounded size, and with the feature `wat` also the text format.

use crate::errors::{Context, Error, ErrorKind, Result};
use heapwood_module::limits::MODULE_BYTES_MAX;
use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The contents of a file. It is never read beyond the largest module: it may be a pipe, a device, or grow meanwhile.
pub fn file(path: &Path) -> Result<Vec<u8>> {
    let opened = File::open(path).with_context(|| path.display().to_string())?;
    let mut bytes = Vec::new();
    // One byte more than allowed tells whether the limit was passed.
    opened.take(MODULE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).with_context(|| path.display().to_string())?;
    match bytes.len() <= MODULE_BYTES_MAX {
        true => Ok(bytes),
        false => {
            let message = format!("larger than a module may be: the limit is {MODULE_BYTES_MAX} bytes");
            Err(Error::from_kind(ErrorKind::Limit(message)).context(path.display()))
        }
    }
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
