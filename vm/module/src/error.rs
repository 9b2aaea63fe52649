//! Why a module was refused: reason, byte offset, and the feature that would have admitted it.

use crate::features::{self, FeatureInfo};
use std::fmt;

/// A module that is malformed, invalid, beyond a limit or in need of a feature that is off.
#[derive(Clone, Debug)]
pub struct ModuleError {
    /// The reason.
    pub message: String,
    /// Where in the binary.
    pub offset: Option<usize>,
    /// The feature that the module needs and that is off.
    pub feature: Option<&'static FeatureInfo>,
}

impl ModuleError {
    /// An error at a byte of the binary.
    pub fn at(offset: usize, message: impl Into<String>) -> ModuleError {
        ModuleError { message: message.into(), offset: Some(offset), feature: None }
    }

    /// An error of the module as a whole.
    pub fn new(message: impl Into<String>) -> ModuleError {
        ModuleError { message: message.into(), offset: None, feature: None }
    }
}

impl fmt::Display for ModuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(offset) = self.offset {
            write!(f, " (at offset {offset:#x})")?;
        }
        if let Some(feature) = self.feature {
            write!(f, "; needs {feature}: run with -W {}=y", feature.name)?;
        }
        Ok(())
    }
}

impl std::error::Error for ModuleError {}

impl From<wasmparser::Error> for ModuleError {
    fn from(error: wasmparser::Error) -> ModuleError {
        ModuleError {
            message: crate::limits::name_the_limit(error.message()),
            offset: Some(error.offset()),
            feature: error.missing_wasm_feature().and_then(features::of_flags),
        }
    }
}
