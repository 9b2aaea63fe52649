//! What a call can end in besides an error code.

use crate::errno::Errno;

/// A call that does not return to the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The guest called `proc_exit` with this code.
    Exit(u32),
    /// [`InterruptHandle::interrupt`](crate::InterruptHandle::interrupt) was called while (or before) the
    /// call waited for something.
    Interrupted,
    /// [`InterruptHandle::nudge`](crate::InterruptHandle::nudge) was called while the call waited: it is to be made
    /// again, with the same arguments and the same memory, and goes on where it was.
    Again,
}

/// Why a function did not succeed: an error code for the guest, or the end of the guest.
#[derive(Debug)]
pub(crate) enum Failure {
    Errno(Errno),
    End(Outcome),
}

/// What each of the functions returns to the table.
pub(crate) type Served = Result<(), Failure>;

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Failure {
        Failure::Errno(errno)
    }
}

impl From<Outcome> for Failure {
    fn from(outcome: Outcome) -> Failure {
        Failure::End(outcome)
    }
}

impl From<rustix::io::Errno> for Failure {
    fn from(errno: rustix::io::Errno) -> Failure {
        Failure::Errno(errno.into())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        Failure::Errno(error.into())
    }
}
