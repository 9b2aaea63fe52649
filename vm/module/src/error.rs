//! Why a module was refused: reason, byte offset, and the feature that would have admitted it.

use crate::{Features, cut};
use std::fmt;
use wasmparser::WasmFeatures;

/// Characters of a message that quotes the module: a name may have a hundred thousand.
const MESSAGE_CHARS_MAX: usize = 1000;

/// A module that is malformed, invalid, beyond a limit or in need of a feature that is off.
#[derive(Clone, Debug)]
pub struct ModuleError {
    /// The reason.
    pub message: String,
    /// Where in the binary.
    pub offset: Option<usize>,
    /// The features that the module needs and that are off. Only with all of them it would be valid.
    pub missing: Features,
}

const NOTHING: Features = Features::from_flags(WasmFeatures::empty());

impl ModuleError {
    /// An error at a byte of the binary.
    pub fn at(offset: usize, message: impl Into<String>) -> ModuleError {
        ModuleError { message: message.into(), offset: Some(offset), missing: NOTHING }
    }

    /// An error of the module as a whole.
    pub fn new(message: impl Into<String>) -> ModuleError {
        ModuleError { message: message.into(), offset: None, missing: NOTHING }
    }
}

impl fmt::Display for ModuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.missing.is_empty() {
            return self.missing.fmt(f);
        }
        // It may quote names of the module.
        write!(f, "{}", cut(&self.message, MESSAGE_CHARS_MAX))?;
        match self.offset {
            Some(offset) => write!(f, " (at offset {offset:#x})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ModuleError {}

/// For results that are returned for every instruction: a pointer is enough for them.
impl From<wasmparser::Error> for Box<ModuleError> {
    fn from(error: wasmparser::Error) -> Box<ModuleError> {
        Box::new(error.into())
    }
}

impl From<Box<ModuleError>> for ModuleError {
    fn from(error: Box<ModuleError>) -> ModuleError {
        *error
    }
}

impl From<wasmparser::Error> for ModuleError {
    fn from(error: wasmparser::Error) -> ModuleError {
        ModuleError::at(error.offset(), crate::limits::name_the_limit(error.message()))
    }
}
