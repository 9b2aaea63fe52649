//! `path_create_directory`, `path_remove_directory`, `path_rename`, `path_unlink_file`.

use super::resolve;
use crate::ctx::WasiCtx;
use crate::errno::Errno;
use crate::memory::Memory;
use crate::outcome::Served;
use crate::rights::Rights;
use cap_primitives::fs as host;
use std::borrow::Cow;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The directory of `fd`, for a change that needs `rights`.
pub(super) fn for_change(ctx: &WasiCtx, fd: u32, rights: Rights) -> Result<&File, Errno> {
    let descriptor = ctx.fds.get(fd)?;
    let directory = descriptor.as_directory(rights)?;
    descriptor.require_writable()?;
    Ok(directory)
}

pub(crate) fn create_directory(ctx: &mut WasiCtx, memory: &mut Memory<'_>, fd: u32, path: u64, len: u64) -> Served {
    let (fd, path) = resolve(ctx, memory, fd, path, len);
    let directory = for_change(ctx, fd, Rights::PATH_CREATE_DIRECTORY)?;
    Ok(host::create_dir(directory, path?, &host::DirOptions::new())?)
}

pub(crate) fn remove_directory(ctx: &mut WasiCtx, memory: &mut Memory<'_>, fd: u32, path: u64, len: u64) -> Served {
    let (fd, path) = resolve(ctx, memory, fd, path, len);
    let directory = for_change(ctx, fd, Rights::PATH_REMOVE_DIRECTORY)?;
    // `host::remove_dir` takes a final slash as `/.`, which cannot be removed.
    Ok(host::remove_dir(directory, without_final_slashes(path?))?)
}

pub(crate) fn unlink_file(ctx: &mut WasiCtx, memory: &mut Memory<'_>, fd: u32, path: u64, len: u64) -> Served {
    let (fd, path) = resolve(ctx, memory, fd, path, len);
    let directory = for_change(ctx, fd, Rights::PATH_UNLINK_FILE)?;
    Ok(host::remove_file(directory, path?)?)
}

#[expect(clippy::too_many_arguments, reason = "the witx says so")]
pub(crate) fn rename(
    ctx: &mut WasiCtx,
    memory: &mut Memory<'_>,
    fd: u32,
    path: u64,
    len: u64,
    new_fd: u32,
    new_path: u64,
    new_len: u64,
) -> Served {
    let (fd, path) = resolve(ctx, memory, fd, path, len);
    let (new_fd, new_path) = resolve(ctx, memory, new_fd, new_path, new_len);
    let from = for_change(ctx, fd, Rights::PATH_RENAME_SOURCE)?;
    let to = for_change(ctx, new_fd, Rights::PATH_RENAME_TARGET)?;
    let (path, new_path) = (path?, new_path?);
    // Only a directory can go where a directory is asked for. `host::rename` keeps the final slash of the source but
    // drops that of the target, so that the demand moves to the source.
    let path = if ends_with_slash(new_path) && !path.as_os_str().is_empty() {
        let mut path = path.as_os_str().to_owned();
        path.push("/");
        Cow::Owned(path.into())
    } else {
        Cow::Borrowed(path)
    };
    Ok(host::rename(from, &path, to, new_path)?)
}

/// A path of slashes alone stays: it is absolute.
fn without_final_slashes(path: &Path) -> &Path {
    let bytes = path.as_os_str().as_bytes();
    match bytes.iter().rposition(|b| *b != b'/') {
        Some(last) => Path::new(OsStr::from_bytes(&bytes[..=last])),
        None => path,
    }
}

fn ends_with_slash(path: &Path) -> bool {
    path.as_os_str().as_bytes().ends_with(b"/")
}
