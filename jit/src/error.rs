//! Why a function was not compiled.

use crate::budget::{BudgetExceeded, CODE_BYTES_MAX, TooManyLocals, TooManyValues};
use heapwood_module::ModuleError;

/// Why a function was not compiled.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CompileError {
    /// The body is malformed or invalid.
    #[error("{message} (at offset {offset:#x})")]
    Invalid {
        /// Offset in the module's bytes at which the error is.
        offset: usize,
        /// The validator's reason.
        message: String,
    },
    /// A valid instruction that this version cannot compile.
    #[error("{what} is not supported yet (at offset {offset:#x})")]
    Unsupported {
        /// Offset in the module's bytes at which the error is.
        offset: usize,
        /// Name of the instruction or feature.
        what: String,
    },
    /// Compiling the module takes more memory than it may.
    #[error("compiling takes {} bytes of code and working memory: the budget has {}", .0.used, .0.limit)]
    Budget(BudgetExceeded),
    /// The functions of the module declare too many locals together.
    #[error("the functions declare more than {} locals together", .0.max)]
    Locals(TooManyLocals),
    /// The instructions of the module pass too many values together.
    #[error("the instructions pass more than {} values to blocks, functions, labels and objects together", .0.max)]
    Values(TooManyValues),
    /// The machine code of one function is too large.
    #[error("a function has more than {CODE_BYTES_MAX} bytes of machine code")]
    Code,
}

impl From<BudgetExceeded> for CompileError {
    fn from(exceeded: BudgetExceeded) -> CompileError {
        CompileError::Budget(exceeded)
    }
}

impl From<TooManyLocals> for CompileError {
    fn from(exceeded: TooManyLocals) -> CompileError {
        CompileError::Locals(exceeded)
    }
}

impl From<TooManyValues> for CompileError {
    fn from(exceeded: TooManyValues) -> CompileError {
        CompileError::Values(exceeded)
    }
}

/// The error for a body that is malformed or invalid.
pub(crate) fn invalid(error: impl Into<ModuleError>) -> CompileError {
    let ModuleError { offset, message, .. } = error.into();
    CompileError::Invalid { offset: offset.unwrap_or(0), message }
}
