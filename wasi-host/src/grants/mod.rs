//! What a guest was granted, for host functions that are not WASI's: other surfaces serve the same arguments,
//! environment, streams, clocks and files, and keep the same limits.

mod files;
mod sleep;
mod streams;

pub use files::PathKind;

use crate::ctx::WasiCtx;
use crate::errno::Errno;
use crate::outcome::{Failure, Outcome};

/// Why a function of [`WasiCtx`] did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// The system, or what was granted, refuses.
    #[error("{0}")]
    Refused(Errno),
    /// [`InterruptHandle::interrupt`](crate::InterruptHandle::interrupt) was called.
    #[error("the guest was interrupted")]
    Interrupted,
    /// The guest ends with this code: [`WasiCtxBuilder::broken_pipe_exit`](crate::WasiCtxBuilder::broken_pipe_exit).
    #[error("the guest exited with code {0}")]
    Exit(u32),
}

impl From<Failure> for GrantError {
    fn from(failure: Failure) -> GrantError {
        match failure {
            Failure::Errno(errno) => GrantError::Refused(errno),
            // Who nudges a context makes calls of the table.
            Failure::End(Outcome::Interrupted | Outcome::Again) => GrantError::Interrupted,
            Failure::End(Outcome::Exit(code)) => GrantError::Exit(code),
        }
    }
}

impl From<Errno> for GrantError {
    fn from(errno: Errno) -> GrantError {
        GrantError::Refused(errno)
    }
}

impl From<std::io::Error> for GrantError {
    fn from(error: std::io::Error) -> GrantError {
        GrantError::Refused(error.into())
    }
}

impl WasiCtx {
    /// The guest's arguments, its own name first.
    pub fn args(&self) -> &[Vec<u8>] {
        &self.args
    }

    /// The guest's environment, name and value.
    pub fn env(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.env.iter().map(|pair| {
            let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            (&pair[..at], pair.get(at + 1..).unwrap_or_default())
        })
    }

    /// What a clock shows, in nanoseconds: since 1970 for [`ClockId::Realtime`](crate::ClockId::Realtime).
    ///
    /// # Errors
    /// The system has no such clock.
    pub fn now_ns(&mut self, clock: crate::ClockId) -> Result<u64, GrantError> {
        Ok(self.clocks.now(clock)?)
    }

    /// Fills a buffer with random bytes of the guest's source.
    ///
    /// # Errors
    /// The source has none.
    pub fn fill_random(&mut self, buffer: &mut [u8]) -> Result<(), GrantError> {
        Ok(self.random.fill(buffer)?)
    }
}
