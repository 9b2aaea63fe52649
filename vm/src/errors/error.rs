//! What can go wrong, in one error type of one word.

use super::{Exception, Trap, WasmBacktrace};
use crate::ids::ForeignStore;
use heapwood_module::brief;
use std::fmt;

/// Result of everything in this API that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error: why, and where in the guest it happened.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    backtrace: Option<WasmBacktrace>,
}

/// Why something failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The bytes are no module, or not a valid one, or need a feature that is off.
    Module(heapwood_module::ModuleError),
    /// The module needs something that Heapwood does not have yet.
    Unsupported {
        /// Byte offset in the module.
        offset: Option<usize>,
        /// What it needs.
        what: String,
    },
    /// Instantiation failed before anything ran: imports are missing or of another type.
    Link(Vec<LinkError>),
    /// The guest trapped.
    Trap(Trap),
    /// The guest threw an exception that nobody caught.
    Exception(Exception),
    /// A host function failed with an error of its own.
    Host(Box<dyn std::error::Error + Send + Sync>),
    /// The API was used with a value of another store, of another type, an index that does not exist, …
    Usage(String),
    /// The system or a configured limit refused.
    Limit(String),
}

/// An import that cannot be satisfied.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkError {
    /// Module name of the import.
    pub module: String,
    /// Field name of the import.
    pub name: String,
    /// The type that the module wants, as text.
    pub wanted: String,
    /// The type that was offered, as text; `None` if there is nothing of that name.
    pub found: Option<String>,
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LinkError { module, name, wanted, found } = self;
        let (module, name) = (brief(module), brief(name));
        match found {
            None => write!(f, "unknown import: `{module}::{name}` of type `{wanted}` has not been defined"),
            Some(found) => {
                write!(f, "incompatible import type: `{module}::{name}` wants `{wanted}`, but `{found}` was given")
            }
        }
    }
}

impl Error {
    /// An error of a host function; [`Error::downcast_ref`] finds it again behind any number of guest frames.
    pub fn new(error: impl std::error::Error + Send + Sync + 'static) -> Error {
        Error::from_kind(ErrorKind::Host(Box::new(error)))
    }

    /// An error of a host function that is only a message.
    pub fn msg(message: impl Into<String>) -> Error {
        Error::from_kind(ErrorKind::Host(message.into().into()))
    }

    pub(crate) fn from_kind(kind: ErrorKind) -> Error {
        Error(Box::new(Inner { kind, backtrace: None }))
    }

    pub(crate) fn usage(message: impl Into<String>) -> Error {
        Error::from_kind(ErrorKind::Usage(message.into()))
    }

    pub(crate) fn limit(message: impl Into<String>) -> Error {
        Error::from_kind(ErrorKind::Limit(message.into()))
    }

    pub(crate) fn unsupported(offset: Option<usize>, what: impl Into<String>) -> Error {
        Error::from_kind(ErrorKind::Unsupported { offset, what: what.into() })
    }

    /// Says where it happened, unless that is known already (the innermost guest call knows best).
    pub(crate) fn with_backtrace(mut self, backtrace: WasmBacktrace) -> Error {
        if self.0.backtrace.is_none() && !backtrace.frames().is_empty() {
            self.0.backtrace = Some(backtrace);
        }
        self
    }

    /// Why.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// Why, by value.
    pub fn into_kind(self) -> ErrorKind {
        self.0.kind
    }

    /// The trap, if this is one.
    pub fn trap(&self) -> Option<&Trap> {
        match &self.0.kind {
            ErrorKind::Trap(trap) => Some(trap),
            _ => None,
        }
    }

    /// The uncaught exception, if this is one.
    pub fn exception(&self) -> Option<&Exception> {
        match &self.0.kind {
            ErrorKind::Exception(exception) => Some(exception),
            _ => None,
        }
    }

    /// The guest frames at the trap, the throw or the failed host call, innermost first.
    pub fn backtrace(&self) -> Option<&WasmBacktrace> {
        self.0.backtrace.as_ref()
    }

    /// The error of type `E` with which a host function failed.
    pub fn downcast_ref<E: std::error::Error + 'static>(&self) -> Option<&E> {
        match &self.0.kind {
            ErrorKind::Host(error) => error.downcast_ref(),
            _ => None,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ErrorKind::Module(error) => error.fmt(f),
            ErrorKind::Unsupported { offset: None, what } => write!(f, "not supported yet: {what}"),
            ErrorKind::Unsupported { offset: Some(offset), what } => {
                write!(f, "not supported yet: {what} (at offset {offset:#x})")
            }
            ErrorKind::Link(errors) => {
                for (index, error) in errors.iter().enumerate() {
                    write!(f, "{}{error}", if index == 0 { "" } else { "\n" })?;
                }
                Ok(())
            }
            ErrorKind::Trap(trap) => trap.fmt(f),
            ErrorKind::Exception(exception) => exception.fmt(f),
            ErrorKind::Host(error) => error.fmt(f),
            ErrorKind::Usage(message) | ErrorKind::Limit(message) => f.write_str(message),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.kind.fmt(f)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.kind)?;
        if let Some(backtrace) = &self.0.backtrace {
            write!(f, "\n{backtrace}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.kind {
            ErrorKind::Host(error) => error.source(),
            _ => None,
        }
    }
}

impl From<Trap> for Error {
    fn from(trap: Trap) -> Error {
        Error::from_kind(ErrorKind::Trap(trap))
    }
}

impl From<Exception> for Error {
    fn from(exception: Exception) -> Error {
        Error::from_kind(ErrorKind::Exception(exception))
    }
}

impl From<ForeignStore> for Error {
    fn from(error: ForeignStore) -> Error {
        Error::usage(error.to_string())
    }
}

impl From<heapwood_module::MemoryTypeError> for Error {
    fn from(error: heapwood_module::MemoryTypeError) -> Error {
        Error::usage(error.to_string())
    }
}

impl From<heapwood_module::ModuleError> for Error {
    fn from(error: heapwood_module::ModuleError) -> Error {
        Error::from_kind(ErrorKind::Module(error))
    }
}

const _: () = assert!(size_of::<Error>() == 8, "results stay small");
