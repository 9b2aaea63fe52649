//! Traps: the guest stopped by a rule of the specification or by a limit.

use heapwood_gc::{Exhausted, Refused};
pub use heapwood_jit::abi::TrapKind;
use std::fmt;

/// A trap: its kind, and the limit that was hit where there is one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trap {
    kind: TrapKind,
    detail: Option<Box<str>>,
    refused_by_system: bool,
}

impl Trap {
    /// A trap without details. Host functions may return it as their error.
    pub fn new(kind: TrapKind) -> Trap {
        Trap { kind, detail: None, refused_by_system: false }
    }

    /// A trap that names a limit and its value.
    pub fn with_detail(kind: TrapKind, detail: impl Into<String>) -> Trap {
        Trap { kind, detail: Some(detail.into().into_boxed_str()), refused_by_system: false }
    }

    /// A trap because the thread's own stack, which no option sets, leaves no room for the guest's.
    pub(crate) fn of_thread(kind: TrapKind, detail: String) -> Trap {
        Trap { refused_by_system: true, ..Trap::with_detail(kind, detail) }
    }

    /// Which rule or limit the guest broke.
    pub fn kind(&self) -> TrapKind {
        self.kind
    }

    /// The limit that was hit, or what the system refused, in words.
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// Whether no limit was hit, but the system gave less memory, or the thread has less native stack, than the limit
    /// allows.
    pub fn is_refused_by_system(&self) -> bool {
        self.refused_by_system
    }
}

impl From<Exhausted> for Trap {
    fn from(error: Exhausted) -> Trap {
        let refused_by_system = matches!(error.why, Refused::System(_));
        Trap { refused_by_system, ..Trap::with_detail(TrapKind::HeapExhausted, error.to_string()) }
    }
}

impl From<TrapKind> for Trap {
    fn from(kind: TrapKind) -> Trap {
        Trap::new(kind)
    }
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.message())?;
        match &self.detail {
            Some(detail) => write!(f, " ({detail})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Trap {}
