//! The state of one guest.

use crate::builder::WasiCtxBuilder;
use crate::clock::Clocks;
use crate::errno::Errno;
use crate::fd::{At, Table};
use crate::interrupt::{Interrupt, InterruptHandle};
use crate::outcome::{Failure, Outcome};
use crate::poll::Subscription;
use crate::random::RandomSource;
use std::ops::Range;

/// Everything that one guest has been granted: arguments, environment, descriptors, clocks, random bytes.
///
/// Made by [`WasiCtxBuilder`]; passed to each [`FunctionDef::call`](crate::FunctionDef::call).
pub struct WasiCtx {
    pub(crate) args: Vec<Vec<u8>>,
    /// Variables of the environment as `KEY=VALUE`.
    pub(crate) env: Vec<Vec<u8>>,
    pub(crate) fds: Table,
    pub(crate) clocks: Box<dyn Clocks>,
    pub(crate) random: Box<dyn RandomSource>,
    pub(crate) interrupt: Interrupt,
    /// What the call has done so far that is to be made again.
    pub(crate) unfinished: Unfinished,
    /// The offset in bytes at which a file may end at most.
    pub(crate) max_file_size: u64,
    /// Paths are taken as Kotlin's libraries write them.
    pub(crate) kotlin_paths: bool,
    /// The code with which the guest ends that writes to a pipe without readers; without one it gets an error.
    pub(crate) broken_pipe_exit: Option<u32>,
}

/// How far a call was that is to be made again ([`Outcome::Again`]). Calls that did nothing before they waited leave
/// nothing here.
#[derive(Default)]
pub(crate) enum Unfinished {
    #[default]
    Nothing,
    /// So many bytes were written or received.
    Moved(usize),
    /// It waits for these, of which times that count from its beginning are known.
    Waiting(Vec<Subscription>),
}

impl WasiCtx {
    /// A builder of a context without files, arguments and environment: [`WasiCtxBuilder::new`].
    pub fn builder() -> WasiCtxBuilder {
        WasiCtxBuilder::new()
    }

    /// A handle with which another thread ends a call of this guest that waits, for deadlines and Ctrl-C.
    pub fn interrupt_handle(&self) -> InterruptHandle {
        self.interrupt.handle()
    }

    /// Forgets how far a call was that returned [`Outcome::Again`] and is not made again.
    pub fn begin_anew(&mut self) {
        self.unfinished = Unfinished::Nothing;
    }

    /// How many bytes the call has moved that is made again.
    pub(crate) fn moved_before(&mut self) -> usize {
        match std::mem::take(&mut self.unfinished) {
            Unfinished::Moved(bytes) => bytes,
            _ => 0,
        }
    }

    /// Writes ranges of bytes to a descriptor, whose rights the caller has asked for. How many bytes were written.
    pub(crate) fn write(&mut self, fd: u32, bytes: &[u8], ranges: &[Range<usize>], at: At) -> Result<usize, Failure> {
        let mut done = self.moved_before();
        let (descriptor, limit) = (self.fds.get_mut(fd)?, self.max_file_size);
        let written = descriptor.write(&self.interrupt, bytes, ranges, at, limit, &mut done);
        if matches!(written, Err(Failure::End(Outcome::Again))) {
            self.unfinished = Unfinished::Moved(done);
        }
        written.map_err(|failure| match (failure, self.broken_pipe_exit) {
            (Failure::Errno(Errno::Pipe), Some(code)) => Outcome::Exit(code).into(),
            (failure, _) => failure,
        })
    }
}

impl std::fmt::Debug for WasiCtx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WasiCtx").field("args", &self.args.len()).field("env", &self.env.len()).finish_non_exhaustive()
    }
}
