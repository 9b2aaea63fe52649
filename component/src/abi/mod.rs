//! The canonical ABI: interface values as core values, and as bytes of a memory.
//!
//! `types` says how a type lies there, `lift` reads what a guest gives, `lower` writes what it gets. A pointer of the
//! guest that leads out of its memory, a string that is not UTF-8, a number of no case: each is a [`Trap`], before
//! anything of it is used.

mod lift;
mod lower;
mod types;

pub(crate) use lift::lift;
pub(crate) use lower::{flat, lower};
pub(crate) use types::Type;

/// A value of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A number, a truth value (0 or 1), a case without contents, a set of flags, a handle.
    Int(u64),
    /// A string.
    Text(String),
    /// A list of `u8`.
    Bytes(Vec<u8>),
    /// A list of something else.
    List(Vec<Value>),
    /// A record or tuple.
    Tuple(Vec<Value>),
    /// A case of a variant, by number, with its contents. An `option` has the cases none and some, a `result` ok and
    /// error.
    Case(u32, Option<Box<Value>>),
}

/// What functions of the surface read of arguments, whose types their rows say, and make results of.
impl Value {
    pub(crate) fn int(&self) -> u64 {
        match self {
            Value::Int(number) => *number,
            other => unreachable!("{other:?} is no number"),
        }
    }

    pub(crate) fn text(&self) -> &str {
        match self {
            Value::Text(text) => text,
            other => unreachable!("{other:?} is no string"),
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Value::Bytes(bytes) => bytes,
            other => unreachable!("{other:?} is no list of bytes"),
        }
    }

    pub(crate) fn ok(contents: Option<Value>) -> Value {
        Value::Case(0, contents.map(Box::new))
    }

    pub(crate) fn err(error: Value) -> Value {
        Value::Case(1, Some(Box::new(error)))
    }

    pub(crate) fn option(contents: Option<Value>) -> Value {
        Value::Case(contents.is_some().into(), contents.map(Box::new))
    }
}

/// A guest broke the canonical ABI, or a rule of an interface: it must not continue. What it did, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Trap(pub String);

/// What the host needs of a guest to give it strings and lists.
pub trait Guest {
    /// How a call of the guest fails.
    type Error: From<Trap>;

    /// The whole memory in which they lie; empty if the function was lowered without one.
    fn memory(&mut self) -> &mut [u8];

    /// Room for `size` bytes, aligned to `align`: calls the guest's function for that, with an old block of no bytes. The
    /// result is not to be trusted.
    ///
    /// # Errors
    /// The guest's, or there is no such function.
    fn realloc(&mut self, align: u32, size: u32) -> Result<u32, Self::Error>;
}
