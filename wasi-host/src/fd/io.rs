//! `fd_read`, `fd_write`, `fd_pread`, `fd_pwrite`.

use super::transfer::At;
use crate::ctx::WasiCtx;
use crate::iovec;
use crate::memory::{GuestMemory, Memory};
use crate::outcome::Served;
use crate::rights::Rights;

pub(crate) fn read(ctx: &mut WasiCtx, memory: &mut Memory<'_>, fd: u32, list: u64, count: u64, result: u64) -> Served {
    read_at(ctx, memory, fd, (list, count), At::Position, result)
}

pub(crate) fn write(ctx: &mut WasiCtx, memory: &mut Memory<'_>, fd: u32, list: u64, count: u64, result: u64) -> Served {
    write_at(ctx, memory, fd, (list, count), At::Position, result)
}

pub(crate) fn pread(
    ctx: &mut WasiCtx,
    memory: &mut Memory<'_>,
    fd: u32,
    list: u64,
    count: u64,
    offset: u64,
    result: u64,
) -> Served {
    read_at(ctx, memory, fd, (list, count), At::Offset(offset), result)
}

/// Writes at the offset even with APPEND, unlike the system call of that name.
pub(crate) fn pwrite(
    ctx: &mut WasiCtx,
    memory: &mut Memory<'_>,
    fd: u32,
    list: u64,
    count: u64,
    offset: u64,
    result: u64,
) -> Served {
    write_at(ctx, memory, fd, (list, count), At::Offset(offset), result)
}

fn needed(right: Rights, at: At) -> Rights {
    match at {
        At::Position => right,
        At::Offset(_) => right | Rights::FD_SEEK,
    }
}

fn read_at(ctx: &mut WasiCtx, memory: &mut Memory<'_>, fd: u32, list: (u64, u64), at: At, result: u64) -> Served {
    let descriptor = ctx.fds.get_mut(fd)?;
    descriptor.require_position(at)?;
    descriptor.require_bytes(needed(Rights::FD_READ, at))?;
    memory.check_size(result)?;
    let ranges = iovec::ranges(memory, list.0, list.1)?;
    let count = descriptor.read(&ctx.interrupt, memory.bytes_mut(), &ranges, at)?;
    Ok(memory.write_size(result, count as u64)?)
}

fn write_at(ctx: &mut WasiCtx, memory: &mut Memory<'_>, fd: u32, list: (u64, u64), at: At, result: u64) -> Served {
    let descriptor = ctx.fds.get_mut(fd)?;
    descriptor.require_position(at)?;
    descriptor.require_bytes(needed(Rights::FD_WRITE, at))?;
    memory.check_size(result)?;
    let ranges = iovec::ranges(memory, list.0, list.1)?;
    let count = ctx.write(fd, memory.bytes(), &ranges, at)?;
    Ok(memory.write_size(result, count as u64)?)
}
