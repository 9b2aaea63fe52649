//! What a host was about when something failed.

use super::{Error, Result};
use std::fmt::Display;

/// Adds to an error what the host was about, as [`Error::context`] does; a missing value becomes an error.
///
/// ```
/// # use heapwood_vm::{Context, Result};
/// fn port(text: &str) -> Result<u16> {
///     let (_, port) = text.split_once(':').context("no port")?;
///     port.parse().with_context(|| format!("the port of {text}"))
/// }
/// assert_eq!(port("localhost").unwrap_err().to_string(), "no port");
/// assert_eq!(format!("{:#}", port("localhost:x").unwrap_err()), "the port of localhost:x: invalid digit found in string");
/// ```
pub trait Context<T>: Sized {
    /// Puts a message before the error, or makes an error of it where there was no value.
    ///
    /// # Errors
    /// The one that was there, with its context; the message alone if there was no value.
    fn context(self, message: impl Display) -> Result<T> {
        self.with_context(|| message)
    }

    /// Puts a message before the error that is made only if there is one.
    ///
    /// # Errors
    /// As for [`Context::context`].
    fn with_context<M: Display>(self, message: impl FnOnce() -> M) -> Result<T>;
}

impl<T, E: Into<Error>> Context<T> for Result<T, E> {
    fn with_context<M: Display>(self, message: impl FnOnce() -> M) -> Result<T> {
        self.map_err(|error| error.into().context(message()))
    }
}

impl<T> Context<T> for Option<T> {
    fn with_context<M: Display>(self, message: impl FnOnce() -> M) -> Result<T> {
        self.ok_or_else(|| Error::msg(message().to_string()))
    }
}
