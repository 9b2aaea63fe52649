//! `path_link`, `path_readlink`, `path_symlink`.

use super::change::for_change;
use super::{resolve, text};
use crate::ctx::WasiCtx;
use crate::errno::Errno;
use crate::memory::{GuestMemory, Memory};
use crate::outcome::Served;
use crate::rights::Rights;
use crate::types::LookupFlags;
use cap_primitives::fs as host;
use std::os::unix::ffi::OsStrExt;

/// A link to a symbolic link names the link itself; following is not offered (`INVAL`).
#[expect(clippy::too_many_arguments, reason = "the witx says so")]
pub(crate) fn link(
    ctx: &mut WasiCtx,
    memory: &mut Memory<'_>,
    fd: u32,
    lookup: u32,
    path: u64,
    len: u64,
    new_fd: u32,
    new_path: u64,
    new_len: u64,
) -> Served {
    // The source counts as changed too: a second name elsewhere would be a way around a read-only directory.
    let (fd, path) = resolve(ctx, memory, fd, path, len);
    let (new_fd, new_path) = resolve(ctx, memory, new_fd, new_path, new_len);
    let from = for_change(ctx, fd, Rights::PATH_LINK_SOURCE)?;
    let to = for_change(ctx, new_fd, Rights::PATH_LINK_TARGET)?;
    if LookupFlags::from_guest(lookup)?.has(LookupFlags::SYMLINK_FOLLOW) {
        return Err(Errno::Inval.into());
    }
    Ok(host::hard_link(from, path?, to, new_path?)?)
}

/// The target may lead anywhere below or out of the directory, which matters when it is followed, but is refused
/// (`PERM`) when absolute: programs of the host would follow it to the host's own files.
pub(crate) fn symlink(
    ctx: &mut WasiCtx,
    memory: &mut Memory<'_>,
    target: u64,
    target_len: u64,
    fd: u32,
    path: u64,
    len: u64,
) -> Served {
    let (fd, path) = resolve(ctx, memory, fd, path, len);
    let directory = for_change(ctx, fd, Rights::PATH_SYMLINK)?;
    let target = text(ctx, memory, target, target_len)?;
    Ok(host::symlink(target, directory, path?)?)
}

/// Writes as much of the target as fits, without a final zero.
#[expect(clippy::too_many_arguments, reason = "the witx says so")]
pub(crate) fn readlink(
    ctx: &mut WasiCtx,
    memory: &mut Memory<'_>,
    fd: u32,
    path: u64,
    len: u64,
    buffer: u64,
    buffer_len: u64,
    result: u64,
) -> Served {
    let (fd, path) = resolve(ctx, memory, fd, path, len);
    let directory = ctx.fds.get(fd)?.as_directory(Rights::PATH_READLINK)?;
    memory.check_size(result)?;
    memory.slice(buffer, buffer_len)?;
    let target = host::read_link_contents(directory, path?)?;
    let target = target.as_os_str().as_bytes();
    let used = target.len().min(usize::try_from(buffer_len).unwrap_or(usize::MAX));
    memory.slice_mut(buffer, used as u64)?.copy_from_slice(&target[..used]);
    Ok(memory.write_size(result, used as u64)?)
}
