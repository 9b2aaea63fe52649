//! `path_filestat_get`, `path_filestat_set_times`.

use super::{name_host, resolve};
use crate::ctx::WasiCtx;
use crate::memory::{GuestMemory, Memory};
use crate::outcome::Served;
use crate::rights::Rights;
use crate::times;
use crate::types::{FileStat, LookupFlags};
use rustix::fs::{AtFlags, fstat, utimensat};

pub(crate) fn filestat_get(
    ctx: &mut WasiCtx,
    memory: &mut Memory<'_>,
    fd: u32,
    lookup: u32,
    path: u64,
    path_len: u64,
    result: u64,
) -> Served {
    let (fd, path) = resolve(ctx, memory, fd, path, path_len);
    let directory = ctx.fds.get(fd)?.as_directory(Rights::PATH_FILESTAT_GET)?;
    let follow = LookupFlags::from_guest(lookup)?.has(LookupFlags::SYMLINK_FOLLOW);
    memory.array(result, 1, 64, 8)?;
    let named = name_host(directory, path?, follow)?;
    let stat = FileStat::from_host(&fstat(&named)?);
    memory.array_mut(result, 1, 64, 8)?.copy_from_slice(&stat.encode());
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "the witx says so")]
pub(crate) fn filestat_set_times(
    ctx: &mut WasiCtx,
    memory: &mut Memory<'_>,
    fd: u32,
    lookup: u32,
    path: u64,
    path_len: u64,
    atim: u64,
    mtim: u64,
    flags: u32,
) -> Served {
    let (fd, path) = resolve(ctx, memory, fd, path, path_len);
    let descriptor = ctx.fds.get(fd)?;
    let directory = descriptor.as_directory(Rights::PATH_FILESTAT_SET_TIMES)?;
    descriptor.require_writable()?;
    let follow = LookupFlags::from_guest(lookup)?.has(LookupFlags::SYMLINK_FOLLOW);
    let times = times::from_guest(atim, mtim, flags)?;
    let named = name_host(directory, path?, follow)?;
    Ok(utimensat(&named, "", &times, AtFlags::EMPTY_PATH)?)
}
