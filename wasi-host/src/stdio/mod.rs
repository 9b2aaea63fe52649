//! Standard input, output and error: traits for the embedder, and what comes with the crate.
//!
//! By default a guest reads an empty input and its output is thrown away. The host's own streams are passed on as
//! descriptors ([`WasiCtxBuilder::inherit_stdio`](crate::WasiCtxBuilder::inherit_stdio)), so that they can be
//! waited for, interrupted, asked for their type and, where they are files, positioned.

mod memory;

pub use memory::{MemoryInput, MemoryOutput};

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{BorrowedFd, OwnedFd};

/// Something that a guest reads as a stream.
pub trait InputStream: Send {
    /// Reads into the buffers, in order, and returns the number of bytes; 0 is the end. The buffers are the guest's
    /// memory and not empty. Errors reach the guest as the closest error code.
    ///
    /// # Errors
    /// Whatever the stream meets; `WouldBlock` becomes `AGAIN`.
    fn read(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize>;

    /// A descriptor that is readable when [`read`](InputStream::read) will not block. With one, the guest can wait
    /// for the stream and be interrupted; without, the stream counts as always ready.
    fn waitable(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Whether the guest is to take the stream as a terminal.
    fn is_terminal(&self) -> bool {
        false
    }
}

/// Something that a guest writes as a stream.
pub trait OutputStream: Send {
    /// Writes from the buffers, in order, and returns the number of bytes. The buffers are the guest's memory and
    /// not empty. Errors reach the guest as the closest error code.
    ///
    /// # Errors
    /// Whatever the stream meets; `BrokenPipe` becomes `PIPE`.
    fn write(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize>;

    /// A descriptor that is writable when [`write`](OutputStream::write) will not block; see
    /// [`InputStream::waitable`].
    fn waitable(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Whether the guest is to take the stream as a terminal: many programs then write line by line.
    fn is_terminal(&self) -> bool {
        false
    }
}

/// An input that ends at once.
impl InputStream for io::Empty {
    fn read(&mut self, _buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        Ok(0)
    }
}

/// An output that accepts and forgets everything.
impl OutputStream for io::Sink {
    fn write(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(buffers.iter().map(|b| b.len()).sum())
    }
}

/// One of the descriptors that every program starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StandardStream {
    /// Descriptor 0.
    Input,
    /// Descriptor 1.
    Output,
    /// Descriptor 2.
    Error,
}

/// What stands behind descriptor 0, 1 or 2.
pub(crate) enum StreamBehind {
    Input(Box<dyn InputStream>),
    Output(Box<dyn OutputStream>),
    Host(OwnedFd),
    /// The descriptor does not exist.
    Closed,
}
