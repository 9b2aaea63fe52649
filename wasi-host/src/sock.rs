//! `sock_accept`, `sock_recv`, `sock_send`, `sock_shutdown`.
//!
//! Guests cannot make sockets; they have those that the embedder gave them and the connections accepted from them.

use crate::ctx::{Unfinished, WasiCtx};
use crate::errno::Errno;
use crate::fd::{Descriptor, Handle, receive_into};
use crate::iovec;
use crate::memory::{GuestMemory, Memory, check_u32};
use crate::outcome::{Failure, Outcome, Served};
use crate::rights::Rights;
use crate::types::{FdFlags, FileType, flags};
use rustix::event::PollFlags;
use rustix::net::{RecvAncillaryBuffer, RecvFlags, ReturnFlags, Shutdown, SocketFlags, accept_with, recvmsg};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};

flags! {
    /// witx: `$riflags`.
    ReceiveFlags: PEEK = 0, WAITALL = 1
}

flags! {
    /// witx: `$sdflags`.
    ShutdownFlags: READ = 0, WRITE = 1
}

/// # Errors
/// `NOTSOCK`, or `NOTCAPABLE` without all of `rights`.
fn socket(descriptor: &Descriptor, rights: Rights) -> Result<BorrowedFd<'_>, Errno> {
    match (&descriptor.handle, descriptor.file_type) {
        (Handle::Host(fd), FileType::SocketStream | FileType::SocketDgram) => {
            descriptor.require(rights)?;
            Ok(fd.as_fd())
        }
        _ => Err(Errno::NotSock),
    }
}

/// `flags` are those of the new descriptor (witx: `$fdflags`), of which NONBLOCK means something.
pub(crate) fn accept(ctx: &mut WasiCtx, memory: &mut Memory<'_>, fd: u32, flags: u32, result: u64) -> Served {
    let descriptor = ctx.fds.get(fd)?;
    let listener = socket(descriptor, Rights::SOCK_ACCEPT)?;
    let flags = FdFlags::from_guest(flags)?;
    check_u32(memory, result)?;
    ctx.fds.next()?;
    let accepted = loop {
        ctx.interrupt.wait_for(listener, PollFlags::IN, descriptor.blocks())?;
        match accept_with(listener, SocketFlags::CLOEXEC) {
            // Another process was faster, or the other side gave up.
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::CONNABORTED) if descriptor.blocks() => {}
            accepted => break accepted?,
        }
    };
    let mut connection = Descriptor::host(accepted)?;
    connection.flags = flags;
    connection.base = connection.base - Rights::SOCK_ACCEPT;
    let number = ctx.fds.insert(connection)?;
    Ok(memory.write_u32(result, number)?)
}

/// Receives what there is, with WAITALL as much as fits.
#[expect(clippy::too_many_arguments, reason = "the witx says so")]
pub(crate) fn recv(
    ctx: &mut WasiCtx,
    memory: &mut Memory<'_>,
    fd: u32,
    list: u64,
    count: u64,
    flags: u32,
    result: u64,
    result_flags: u64,
) -> Served {
    let descriptor = ctx.fds.get(fd)?;
    socket(descriptor, Rights::FD_READ)?;
    let flags = ReceiveFlags::from_guest(flags)?;
    memory.check_size(result)?;
    memory.array(result_flags, 1, 2, 2)?;
    let ranges = iovec::ranges(memory, list, count)?;
    // Peeking again would bring the same bytes, and a datagram is whole as it comes.
    let fill = flags.has(ReceiveFlags::WAITALL)
        && !flags.has(ReceiveFlags::PEEK)
        && descriptor.file_type == FileType::SocketStream;
    let (mut received, mut truncated) = (ctx.moved_before(), false);
    let mut rest = iovec::skip(&ranges, received);
    while !rest.is_empty() {
        match receive(ctx, memory.bytes_mut(), fd, &rest, flags) {
            Ok((count, cut)) => {
                received += count;
                truncated |= cut;
                if count == 0 || !fill {
                    break;
                }
            }
            // What came before an error counts; the error comes back at the next call.
            Err(Failure::Errno(_)) if received > 0 => break,
            Err(failure) => {
                if matches!(failure, Failure::End(Outcome::Again)) {
                    ctx.unfinished = Unfinished::Moved(received);
                }
                return Err(failure);
            }
        }
        rest = iovec::skip(&ranges, received);
    }
    memory.write_size(result, received as u64)?;
    // witx `$roflags`: RECV_DATA_TRUNCATED.
    memory.array_mut(result_flags, 1, 2, 2)?.copy_from_slice(&u16::from(truncated).to_le_bytes());
    Ok(())
}

/// Receives once: the number of bytes, and whether more of the message is lost.
fn receive(
    ctx: &WasiCtx,
    memory: &mut [u8],
    fd: u32,
    ranges: &[Range<usize>],
    flags: ReceiveFlags,
) -> Result<(usize, bool), Failure> {
    let descriptor = ctx.fds.get(fd)?;
    let socket = socket(descriptor, Rights::FD_READ)?;
    let mut how = RecvFlags::DONTWAIT;
    how.set(RecvFlags::PEEK, flags.has(ReceiveFlags::PEEK));
    loop {
        ctx.interrupt.wait_for(socket, PollFlags::IN, descriptor.blocks())?;
        let message = receive_into(memory, ranges, |buffers| {
            Ok(recvmsg(socket, buffers, &mut RecvAncillaryBuffer::default(), how)?)
        });
        match message {
            // Another process was faster.
            Err(Errno::Again) if descriptor.blocks() => {}
            message => {
                let message = message?;
                return Ok((message.bytes, message.flags.contains(ReturnFlags::TRUNC)));
            }
        }
    }
}

/// There are no flags for sending (witx: `$siflags`).
pub(crate) fn send(
    ctx: &mut WasiCtx,
    memory: &mut Memory<'_>,
    fd: u32,
    list: u64,
    count: u64,
    flags: u32,
    result: u64,
) -> Served {
    let descriptor = ctx.fds.get(fd)?;
    socket(descriptor, Rights::FD_WRITE)?;
    if flags != 0 {
        return Err(Errno::Inval.into());
    }
    crate::fd::io::write(ctx, memory, fd, list, count, result)
}

pub(crate) fn shutdown(ctx: &mut WasiCtx, _memory: &mut Memory<'_>, fd: u32, how: u32) -> Served {
    let socket = socket(ctx.fds.get(fd)?, Rights::SOCK_SHUTDOWN)?;
    let how = ShutdownFlags::from_guest(how)?;
    let how = match (how.has(ShutdownFlags::READ), how.has(ShutdownFlags::WRITE)) {
        (true, true) => Shutdown::Both,
        (true, false) => Shutdown::Read,
        (false, true) => Shutdown::Write,
        (false, false) => return Err(Errno::Inval.into()),
    };
    Ok(rustix::net::shutdown(socket, how)?)
}
