//! `fd_fdstat_get`, `fd_fdstat_set_flags`, `fd_fdstat_set_rights`, `fd_filestat_get`, `fd_filestat_set_size`,
//! `fd_filestat_set_times`.

use crate::ctx::WasiCtx;
use crate::errno::Errno;
use crate::memory::{GuestMemory, Memory};
use crate::outcome::Served;
use crate::rights::Rights;
use crate::times;
use crate::types::{FdFlags, FileType};

/// witx: `$fdstat`, 24 bytes.
pub(crate) fn fdstat_get(ctx: &mut WasiCtx, memory: &mut Memory<'_>, fd: u32, result: u64) -> Served {
    let descriptor = ctx.fds.get(fd)?;
    let out = memory.array_mut(result, 1, 24, 8)?;
    out.fill(0);
    out[0] = descriptor.file_type as u8;
    out[2..4].copy_from_slice(&descriptor.flags.bits().to_le_bytes());
    out[8..16].copy_from_slice(&descriptor.base.0.to_le_bytes());
    out[16..24].copy_from_slice(&descriptor.inheriting.0.to_le_bytes());
    Ok(())
}

pub(crate) fn fdstat_set_flags(ctx: &mut WasiCtx, _memory: &mut Memory<'_>, fd: u32, flags: u32) -> Served {
    let descriptor = ctx.fds.get_mut(fd)?;
    descriptor.require(Rights::FD_FDSTAT_SET_FLAGS)?;
    descriptor.flags = FdFlags::from_guest(flags)?;
    Ok(())
}

/// Rights only shrink.
pub(crate) fn fdstat_set_rights(
    ctx: &mut WasiCtx,
    _memory: &mut Memory<'_>,
    fd: u32,
    base: u64,
    inheriting: u64,
) -> Served {
    let descriptor = ctx.fds.get_mut(fd)?;
    let (base, inheriting) = (Rights(base), Rights(inheriting));
    if !descriptor.base.contains(base) || !descriptor.inheriting.contains(inheriting) {
        return Err(Errno::NotCapable.into());
    }
    (descriptor.base, descriptor.inheriting) = (base, inheriting);
    Ok(())
}

pub(crate) fn filestat_get(ctx: &mut WasiCtx, memory: &mut Memory<'_>, fd: u32, result: u64) -> Served {
    let descriptor = ctx.fds.get(fd)?;
    descriptor.require(Rights::FD_FILESTAT_GET)?;
    let out = memory.array_mut(result, 1, 64, 8)?;
    out.copy_from_slice(&descriptor.stat()?.encode());
    Ok(())
}

pub(crate) fn filestat_set_size(ctx: &mut WasiCtx, _memory: &mut Memory<'_>, fd: u32, size: u64) -> Served {
    let descriptor = ctx.fds.get(fd)?;
    descriptor.require_bytes(Rights::FD_FILESTAT_SET_SIZE)?;
    descriptor.require_writable()?;
    if descriptor.file_type != FileType::RegularFile {
        return Err(Errno::Inval.into());
    }
    if size > ctx.max_file_size {
        return Err(Errno::FBig.into());
    }
    let host = descriptor.host_fd().ok_or(Errno::Inval)?;
    Ok(rustix::fs::ftruncate(host, size)?)
}

/// Times in ns since 1970.
pub(crate) fn filestat_set_times(
    ctx: &mut WasiCtx,
    _memory: &mut Memory<'_>,
    fd: u32,
    atim: u64,
    mtim: u64,
    flags: u32,
) -> Served {
    let descriptor = ctx.fds.get(fd)?;
    descriptor.require(Rights::FD_FILESTAT_SET_TIMES)?;
    descriptor.require_writable()?;
    let times = times::from_guest(atim, mtim, flags)?;
    let host = descriptor.host_fd().ok_or(Errno::BadF)?;
    Ok(rustix::fs::futimens(host, &times)?)
}
