//! `fd_seek`, `fd_tell`.

use crate::ctx::WasiCtx;
use crate::errno::Errno;
use crate::memory::{GuestMemory, Memory, check_u64};
use crate::outcome::Served;
use crate::rights::Rights;
use rustix::fs::SeekFrom;

/// `whence` is 0 from the start, 1 from the position, 2 from the end; `offset` in bytes. A position beyond the end
/// is allowed.
pub(crate) fn seek(
    ctx: &mut WasiCtx,
    memory: &mut Memory<'_>,
    fd: u32,
    offset: u64,
    whence: u32,
    result: u64,
) -> Served {
    let offset = offset as i64;
    let target = match whence {
        0 => u64::try_from(offset).map(SeekFrom::Start).map_err(|_| Errno::Inval),
        1 => Ok(SeekFrom::Current(offset)),
        2 => Ok(SeekFrom::End(offset)),
        _ => Err(Errno::Inval),
    };
    // Asking for the position needs less than changing it.
    let asks = target == Ok(SeekFrom::Current(0));
    move_to(ctx, memory, fd, target, if asks { Rights::FD_TELL } else { Rights::FD_SEEK }, result)
}

pub(crate) fn tell(ctx: &mut WasiCtx, memory: &mut Memory<'_>, fd: u32, result: u64) -> Served {
    move_to(ctx, memory, fd, Ok(SeekFrom::Current(0)), Rights::FD_TELL, result)
}

fn move_to(
    ctx: &mut WasiCtx,
    memory: &mut Memory<'_>,
    fd: u32,
    target: Result<SeekFrom, Errno>,
    right: Rights,
    result: u64,
) -> Served {
    let descriptor = ctx.fds.get(fd)?;
    descriptor.require_bytes(Rights::NONE)?;
    if !descriptor.base.contains(Rights::FD_SEEK) && !descriptor.base.contains(right) {
        return Err(if descriptor.is_seekable() { Errno::NotCapable } else { Errno::SPipe }.into());
    }
    let host = descriptor.host_fd().ok_or(Errno::SPipe)?;
    check_u64(memory, result)?;
    let position = rustix::fs::seek(host, target?)?;
    Ok(memory.write_u64(result, position)?)
}
