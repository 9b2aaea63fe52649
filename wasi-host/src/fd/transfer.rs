//! Moving bytes between a descriptor and the guest's memory.
//!
//! Files are read and written at once, since they do not block without bound. Everything else is waited for first
//! (interruptibly), unless the guest asked for NONBLOCK. Host descriptors are shared with other processes, so that
//! O_NONBLOCK is never set on them; instead, writes ask per call not to wait (`RWF_NOWAIT`).

use super::{Descriptor, Handle};
use crate::errno::Errno;
use crate::interrupt::Interrupt;
use crate::iovec;
use crate::outcome::{Failure, Served};
use crate::types::{FdFlags, FileType};
use rustix::event::PollFlags;
use rustix::fs::fstat;
use rustix::io::{ReadWriteFlags, preadv, pwritev, pwritev2, readv, retry_on_intr, writev};
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
use std::io::{IoSlice, IoSliceMut};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Where a file is read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// The transfer begins at the file's position, which moves.
    Position,
    /// The transfer begins at this offset in bytes.
    Offset(u64),
}

/// The offset that stands for the file's position in `pwritev2`.
const CURRENT: u64 = u64::MAX;

/// POSIX promises that a pipe that polls as writable takes this many bytes without blocking.
const PIPE_BUF: usize = 4096;

impl Descriptor {
    /// # Errors
    /// `SPIPE` for an offset into something that has no positions; said before any right is missed.
    pub fn require_position(&self, at: At) -> Result<(), Errno> {
        let has_none = !self.is_seekable() && self.file_type != FileType::Directory;
        if at != At::Position && has_none { Err(Errno::SPipe) } else { Ok(()) }
    }

    /// Reads into `ranges` of the memory; the number of bytes.
    pub fn read(
        &mut self,
        interrupt: &Interrupt,
        memory: &mut [u8],
        ranges: &[Range<usize>],
        at: At,
    ) -> Result<usize, Failure> {
        if ranges.is_empty() {
            return Ok(0);
        }
        if self.is_seekable() {
            let Handle::Host(fd) = &self.handle else {
                return Err(Errno::BadF.into());
            };
            return Ok(read_file(fd, memory, ranges, at)?);
        }
        loop {
            if let Some(fd) = self.waitable() {
                interrupt.wait_for(fd, PollFlags::IN, self.blocks())?;
            }
            let result = receive_into(memory, ranges, |buffers| match &mut self.handle {
                Handle::Host(fd) => Ok(retry_on_intr(|| readv(&*fd, buffers))?),
                Handle::Input(stream) => Ok(stream.read(buffers)?),
                Handle::Directory { .. } | Handle::Output(_) => Err(Errno::BadF),
            });
            match result {
                // Another process was faster.
                Err(Errno::Again) if self.blocks() && self.waitable().is_some() => {}
                other => return Ok(other?),
            }
        }
    }

    /// Writes from `ranges` of the memory; the number of bytes. `limit` is the largest offset in bytes at which a
    /// regular file may end. Of a stream, `done` bytes were written before, and more when this ends early.
    pub fn write(
        &mut self,
        interrupt: &Interrupt,
        memory: &[u8],
        ranges: &[Range<usize>],
        at: At,
        limit: u64,
        done: &mut usize,
    ) -> Result<usize, Failure> {
        if ranges.is_empty() {
            return Ok(0);
        }
        if self.is_seekable() {
            let Handle::Host(fd) = &self.handle else {
                return Err(Errno::BadF.into());
            };
            return Ok(write_file(fd, memory, ranges, self.flags, at, limit)?);
        }
        let (blocks, file_type) = (self.blocks(), self.file_type);
        let mut buffers = iovec::sources(memory, ranges);
        write_all(interrupt, blocks, &mut buffers, done, |buffers, wait| match &mut self.handle {
            Handle::Host(fd) if matches!(file_type, FileType::SocketStream | FileType::SocketDgram) => {
                send(fd.as_fd(), buffers, wait)
            }
            Handle::Host(fd) => write_stream(fd.as_fd(), buffers, wait),
            Handle::Output(stream) => {
                if let Some(fd) = stream.waitable() {
                    wait(fd)?;
                }
                Ok(stream.write(buffers)?)
            }
            Handle::Directory { .. } | Handle::Input(_) => Err(Errno::BadF.into()),
        })
    }
}

fn read_file(fd: &OwnedFd, memory: &mut [u8], ranges: &[Range<usize>], at: At) -> Result<usize, Errno> {
    let read = |buffers: &mut [IoSliceMut<'_>], done: usize| {
        Ok(retry_on_intr(|| match at {
            At::Position => readv(fd, buffers),
            At::Offset(offset) => preadv(fd, buffers, offset.saturating_add(done as u64)),
        })?)
    };
    if let Some(mut buffers) = iovec::targets(memory, ranges) {
        return read(&mut buffers, 0);
    }
    // Overlapping buffers are filled one after the other, as one call would do.
    let mut done = 0;
    for range in ranges {
        let count = read(&mut [IoSliceMut::new(&mut memory[range.clone()])], done)?;
        done += count;
        if count < range.len() {
            break;
        }
    }
    Ok(done)
}

/// Calls `read` once with the ranges as buffers; only with the first where they overlap, which is a short read.
pub(crate) fn receive_into<T>(
    memory: &mut [u8],
    ranges: &[Range<usize>],
    read: impl FnOnce(&mut [IoSliceMut<'_>]) -> Result<T, Errno>,
) -> Result<T, Errno> {
    if let Some(mut buffers) = iovec::targets(memory, ranges) {
        return read(&mut buffers);
    }
    read(&mut [IoSliceMut::new(&mut memory[ranges[0].clone()])])
}

fn write_file(
    fd: &OwnedFd,
    memory: &[u8],
    ranges: &[Range<usize>],
    flags: FdFlags,
    at: At,
    limit: u64,
) -> Result<usize, Errno> {
    let ranges = &iovec::cut(ranges, room_below(fd, flags, at, limit)?);
    let buffers = &iovec::sources(memory, ranges)[..];
    let mut how = ReadWriteFlags::empty();
    if flags.has(FdFlags::SYNC | FdFlags::RSYNC) {
        how |= ReadWriteFlags::SYNC;
    }
    if flags.has(FdFlags::DSYNC) {
        how |= ReadWriteFlags::DSYNC;
    }
    Ok(retry_on_intr(|| match at {
        At::Position if flags.has(FdFlags::APPEND) => pwritev2(fd, buffers, CURRENT, how | ReadWriteFlags::APPEND),
        At::Position if how.is_empty() => writev(fd, buffers),
        At::Position => pwritev2(fd, buffers, CURRENT, how),
        At::Offset(offset) if how.is_empty() => pwritev(fd, buffers, offset),
        // To this call the largest offset means the position.
        At::Offset(offset) if i64::try_from(offset).is_err() => Err(rustix::io::Errno::INVAL),
        At::Offset(offset) => pwritev2(fd, buffers, offset, how),
    })?)
}

/// How many bytes may be written before the file ends beyond `limit`. The kernel would shorten a write to
/// RLIMIT_FSIZE as well, but kills the process with SIGXFSZ where nothing is left.
fn room_below(fd: &OwnedFd, flags: FdFlags, at: At, limit: u64) -> Result<usize, Errno> {
    if limit == u64::MAX {
        return Ok(usize::MAX);
    }
    let start = match at {
        At::Offset(offset) => offset,
        At::Position if flags.has(FdFlags::APPEND) => fstat(fd)?.st_size as u64,
        At::Position => rustix::fs::tell(fd)?,
    };
    match limit.saturating_sub(start) {
        0 => Err(Errno::FBig),
        room => Ok(usize::try_from(room).unwrap_or(usize::MAX)),
    }
}

/// Calls `write` until everything is written, or once where the descriptor must not block: but for the first `done`
/// bytes, which count as written. C libraries and language runtimes do not expect short writes from a stream that
/// blocks.
fn write_all(
    interrupt: &Interrupt,
    blocks: bool,
    mut buffers: &mut [IoSlice<'_>],
    done: &mut usize,
    mut write: impl FnMut(&[IoSlice<'_>], &dyn Fn(BorrowedFd<'_>) -> Served) -> Result<usize, Failure>,
) -> Result<usize, Failure> {
    let wait = |fd: BorrowedFd<'_>| interrupt.wait_for(fd, PollFlags::OUT, blocks);
    IoSlice::advance_slices(&mut buffers, *done);
    while !buffers.is_empty() {
        match write(buffers, &wait) {
            Ok(0) => break,
            Ok(count) => {
                *done += count;
                IoSlice::advance_slices(&mut buffers, count);
                if !blocks {
                    break;
                }
            }
            // What was written before an error counts; the error comes back at the next call.
            Err(Failure::Errno(_)) if *done > 0 => break,
            Err(failure) => return Err(failure),
        }
        interrupt.check()?;
    }
    Ok(*done)
}

/// Writes some bytes to a pipe or device. Waits with `wait` where the kernel would.
fn write_stream(
    fd: BorrowedFd<'_>,
    buffers: &[IoSlice<'_>],
    wait: &dyn Fn(BorrowedFd<'_>) -> Served,
) -> Result<usize, Failure> {
    loop {
        match retry_on_intr(|| pwritev2(fd, buffers, CURRENT, ReadWriteFlags::NOWAIT)) {
            Ok(count) => return Ok(count),
            Err(rustix::io::Errno::AGAIN) => wait(fd)?,
            // Terminals and old kernels' pipes do not know NOWAIT.
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
                wait(fd)?;
                let first = &buffers[0][..buffers[0].len().min(PIPE_BUF)];
                return Ok(retry_on_intr(|| rustix::io::write(fd, first))?);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Sends some bytes on a socket. Waits with `wait` where the kernel would.
pub(crate) fn send(
    fd: BorrowedFd<'_>,
    buffers: &[IoSlice<'_>],
    wait: &dyn Fn(BorrowedFd<'_>) -> Served,
) -> Result<usize, Failure> {
    loop {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        match retry_on_intr(|| sendmsg(fd, buffers, &mut SendAncillaryBuffer::default(), flags)) {
            Ok(count) => return Ok(count),
            Err(rustix::io::Errno::AGAIN) => wait(fd)?,
            Err(error) => return Err(error.into()),
        }
    }
}
