//! Conversions of errors: from those of other crates, and to them.

use super::error::Inner;
use super::{Error, ErrorKind};
use crate::ids::ForeignStore;
use heapwood_module::MemoryTypeError;
use std::error::Error as StdError;

/// Any error of a host, or a text. One of this library that went through a box or an `anyhow::Error` comes back as it
/// was.
impl<E: Into<Boxed> + 'static> From<E> for Error {
    fn from(error: E) -> Error {
        #[cfg(feature = "anyhow")]
        let error = match with_anyhow::ours(error) {
            Ok(error) => return error,
            Err(error) => error,
        };
        // What says more than that a host failed.
        take(error.into(), |inner: Inner| Error::from_inner(Box::new(inner)))
            .or_else(|error| take(error, |trap| Error::from_kind(ErrorKind::Trap(trap))))
            .or_else(|error| take(error, |exception| Error::from_kind(ErrorKind::Exception(exception))))
            .or_else(|error| take(error, |error| Error::from_kind(ErrorKind::Module(error))))
            .or_else(|error| take(error, |error: ForeignStore| Error::usage(error.to_string())))
            .or_else(|error| take(error, |error: MemoryTypeError| Error::usage(error.to_string())))
            .unwrap_or_else(|error| Error::from_kind(ErrorKind::Host(error)))
    }
}

type Boxed = Box<dyn StdError + Send + Sync>;

/// An error of this library, if what is in the box is a `T`.
fn take<T: StdError + 'static>(error: Boxed, make: impl FnOnce(T) -> Error) -> Result<Error, Boxed> {
    error.downcast().map(|error| make(*error))
}

impl From<Error> for Box<dyn StdError> {
    fn from(error: Error) -> Box<dyn StdError> {
        error.into_boxed()
    }
}

#[cfg(feature = "anyhow")]
mod with_anyhow {
    use super::{Error, Inner};
    use std::any::Any;

    impl From<Error> for anyhow::Error {
        fn from(error: Error) -> anyhow::Error {
            anyhow::Error::new(*error.into_inner())
        }
    }

    /// An error of this library that became one of `anyhow`, with the contexts that it got there.
    pub fn ours<E: 'static>(error: E) -> Result<Error, E> {
        let mut error = Some(error);
        let place: &mut dyn Any = &mut error;
        match place.downcast_mut::<Option<anyhow::Error>>() {
            Some(place) if place.as_ref().is_some_and(|error| error.is::<Inner>()) => {
                Ok(unwrapped(place.take().expect("it is there")))
            }
            _ => Err(error.expect("it was left there")),
        }
    }

    fn unwrapped(error: anyhow::Error) -> Error {
        let around = error.chain().take_while(|error| !error.is::<Inner>());
        let contexts: Vec<String> = around.map(ToString::to_string).collect();
        let inner = error.downcast::<Inner>().expect("the chain ends there");
        let error = Error::from_inner(Box::new(inner));
        contexts.into_iter().rev().fold(error, Error::context)
    }
}
