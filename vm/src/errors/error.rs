//! What can go wrong, in one error type of one word.

use super::{Exception, StoreLimit, Trap, WasmBacktrace};
use heapwood_module::brief;
use std::error::Error as StdError;
use std::fmt;
use std::ops::Deref;
use std::path::Path;

/// Result of everything in this API that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error: why, and where in the guest it happened.
///
/// Any error of the host becomes one by `?`: those of the standard library, of other crates, a host's own, `anyhow`'s,
/// and texts. It passes through any number of guests' frames, and [`Error::downcast_ref`] finds it again. An error
/// leads to [`std::error::Error`] by reference; by `?` it becomes a `Box<dyn std::error::Error>` and, with the feature
/// `anyhow`, an `anyhow::Error`; where a box has to be `Send` and `Sync`, [`Error::into_boxed`] makes one.
///
/// ```
/// # use heapwood_vm::{Context, Engine, Error, Func, Result, Store};
/// fn line_count(path: &str) -> Result<i32> {
///     let text = std::fs::read_to_string(path).with_context(|| format!("reading {path}"))?;
///     Ok(i32::try_from(text.lines().count())?)
/// }
/// # fn main() -> Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let lines = Func::wrap(&mut store, || line_count("/no/such/file")).typed::<(), i32>(&store)?;
/// let error = lines.call(&mut store, ()).unwrap_err();
/// assert_eq!(error.to_string(), "reading /no/such/file");
/// let cause: &std::io::Error = error.downcast_ref().unwrap();
/// assert_eq!(cause.kind(), std::io::ErrorKind::NotFound);
/// # Ok(())
/// # }
/// ```
pub struct Error(Box<Inner>);

/// What an error holds, and the error that boxes of the standard library are made of.
pub(super) struct Inner {
    kind: ErrorKind,
    backtrace: Option<WasmBacktrace>,
    /// The file that it is about: messages that say why begin with its name.
    file: Option<Box<str>>,
    /// What hosts were about, the outermost last.
    contexts: Vec<String>,
    store_limit: Option<StoreLimit>,
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
    Host(Box<dyn StdError + Send + Sync>),
    /// The API was used with a value of another store, of another type, an index that does not exist, …
    Usage(String),
    /// The system or a configured limit refused.
    Limit(String),
    /// The bytes are no precompiled module that this engine takes: what is wrong with them.
    Precompiled(String),
    /// A checkpoint cannot be saved, or a file is no saved checkpoint that can be taken here: why.
    Checkpoint(String),
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
    /// What keeps that from being taken, in words; `None` if there is nothing of that name.
    pub difference: Option<String>,
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LinkError { module, name, wanted, found, difference } = self;
        let (module, name) = (brief(module), brief(name));
        match found {
            None => write!(f, "unknown import: `{module}::{name}` of type `{wanted}` has not been defined"),
            Some(found) => {
                write!(f, "incompatible import type: `{module}::{name}` wants `{wanted}`, but `{found}` was given")?;
                difference.as_ref().map_or(Ok(()), |difference| write!(f, ": {difference}"))
            }
        }
    }
}

impl Error {
    /// Wraps an error of the host; `?` does it as well. [`Error::downcast_ref`] finds it again behind any number of
    /// guest frames. A [`Trap`] or an [`Exception`] is one of the guest again.
    pub fn new(error: impl StdError + Send + Sync + 'static) -> Error {
        Error::from(error)
    }

    /// An error of the host that is only a message.
    pub fn msg(message: impl Into<String>) -> Error {
        Error::from_kind(ErrorKind::Host(message.into().into()))
    }

    /// This error with a message that says what it is about: it comes first where the error is shown, the cause stays
    /// what it is.
    pub fn context(mut self, message: impl fmt::Display) -> Error {
        self.0.contexts.push(message.to_string());
        self
    }

    /// Notes the file that it is about.
    pub(crate) fn of_file(mut self, path: &Path) -> Error {
        self.0.file = Some(path.display().to_string().into());
        self
    }

    /// An error for those who want one of the standard library. Comes back as it was by `?`; [`ErrorKind::of`] looks
    /// into it.
    pub fn into_boxed(self) -> Box<dyn StdError + Send + Sync> {
        self.0
    }

    #[cfg(feature = "anyhow")]
    pub(super) fn into_inner(self) -> Box<Inner> {
        self.0
    }

    pub(super) fn from_inner(inner: Box<Inner>) -> Error {
        Error(inner)
    }

    pub(crate) fn from_kind(kind: ErrorKind) -> Error {
        Error(Box::new(Inner { kind, backtrace: None, file: None, contexts: Vec::new(), store_limit: None }))
    }

    pub(crate) fn usage(message: impl Into<String>) -> Error {
        Error::from_kind(ErrorKind::Usage(message.into()))
    }

    pub(crate) fn limit(message: impl Into<String>) -> Error {
        Error::from_kind(ErrorKind::Limit(message.into()))
    }

    /// A limit of a store, which the message is about.
    pub(crate) fn of_store_limit(limit: StoreLimit, message: impl Into<String>) -> Error {
        Error::limit(message).with_store_limit(Some(limit))
    }

    /// Notes which limit of a store the error is about.
    pub(crate) fn with_store_limit(mut self, limit: Option<StoreLimit>) -> Error {
        self.0.store_limit = limit;
        self
    }

    pub(crate) fn unsupported(offset: Option<usize>, what: impl Into<String>) -> Error {
        Error::from_kind(ErrorKind::Unsupported { offset, what: what.into() })
    }

    /// Notes where the error happened, unless that is known already (the innermost guest call knows best).
    pub(crate) fn with_backtrace(self, backtrace: WasmBacktrace) -> Error {
        self.with_backtrace_of(|| backtrace)
    }

    /// Notes where the error happened, which is found out only if it is not known already.
    pub(crate) fn with_backtrace_of(mut self, backtrace: impl FnOnce() -> WasmBacktrace) -> Error {
        if self.0.backtrace.is_none() {
            self.0.backtrace = Some(backtrace()).filter(|backtrace| !backtrace.frames().is_empty());
        }
        self
    }

    /// Why it failed; the kinds have what is known of the cause.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// Why it failed, without messages and backtrace.
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

    /// The limit of a store that this is about: something was to be made or to grow beyond what a
    /// [`StoreBuilder`](crate::StoreBuilder) or the engine's [`Config`](crate::Config) allows. None for a limiter that
    /// refused, for the limit of a type, and for what the system refused.
    pub fn store_limit(&self) -> Option<StoreLimit> {
        self.0.store_limit
    }

    /// The guest frames at the trap, the throw or the failed host call, innermost first.
    pub fn backtrace(&self) -> Option<&WasmBacktrace> {
        self.0.backtrace.as_ref()
    }

    /// The error of type `E` that this is: the one with which a host function failed, a [`Trap`] or an [`Exception`].
    pub fn downcast_ref<E: StdError + Send + Sync + 'static>(&self) -> Option<&E> {
        let error: &(dyn StdError + 'static) = match &self.0.kind {
            ErrorKind::Host(error) => &**error,
            ErrorKind::Trap(trap) => trap,
            ErrorKind::Exception(exception) => exception,
            ErrorKind::Module(error) => error,
            _ => return None,
        };
        error.downcast_ref()
    }
}

impl ErrorKind {
    /// Why, of an error of this library that became one of another type.
    pub fn of<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e ErrorKind> {
        error.downcast_ref::<Inner>().map(|inner| &inner.kind)
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
            ErrorKind::Checkpoint(what) => f.write_str(what),
            ErrorKind::Precompiled(what) => write!(f, "the precompiled module is refused: {what}"),
        }
    }
}

impl Inner {
    /// Why, with the file.
    fn cause(&self) -> impl fmt::Display {
        fmt::from_fn(|f| {
            if let Some(file) = &self.file {
                write!(f, "{file}: ")?;
            }
            fmt::Display::fmt(&self.kind, f)
        })
    }
}

/// The outermost context, if there is one, or else why; with `{:#}` all of them and why, the outermost first.
impl fmt::Display for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.contexts.last() {
            Some(context) if !f.alternate() => f.write_str(context),
            _ => {
                self.contexts.iter().rev().try_for_each(|context| write!(f, "{context}: "))?;
                self.cause().fmt(f)
            }
        }
    }
}

/// All contexts and why, the outermost first, and the guest's frames.
impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:#}")?;
        if let Some(backtrace) = &self.backtrace {
            write!(f, "\n{backtrace}")?;
        }
        Ok(())
    }
}

/// What lies behind the message: the host's error where that shows a context, or else what lies behind the host's.
impl StdError for Inner {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.kind {
            ErrorKind::Host(error) if self.contexts.is_empty() => error.source(),
            ErrorKind::Host(error) => Some(&**error),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Deref for Error {
    type Target = dyn StdError + Send + Sync;

    fn deref(&self) -> &(dyn StdError + Send + Sync + 'static) {
        &*self.0
    }
}

const _: () = assert!(size_of::<Error>() == 8, "results stay small");
