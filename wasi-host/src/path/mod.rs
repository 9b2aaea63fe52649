//! Functions that take paths.
//!
//! A path is resolved by the host kernel from the directory's descriptor, below which resolution must stay
//! (`openat2` with `RESOLVE_BENEATH`, or cap-primitives' walk over descriptors where the kernel lacks it): an
//! absolute path, a `..` too many or a symbolic link that leads out gives `PERM`.
//!
//! Guests that are to be met halfway ([`crate::WasiCtxBuilder::kotlin_paths`]) may end a path with a zero byte, and
//! name a file by an absolute path: it is then looked up in the preopened directory with the longest name that the path
//! begins with.

pub(crate) mod change;
pub(crate) mod link;
pub(crate) mod open;
pub(crate) mod stat;

use crate::ctx::WasiCtx;
use crate::errno::Errno;
use crate::fd::Handle;
use crate::memory::{GuestMemory, Memory};
use cap_primitives::fs::{FollowSymlinks, OpenOptions, OpenOptionsExt};
use rustix::fs::OFlags;
use std::fs::File;
use std::path::Path;

/// The longest path that hosts take, in bytes (`PATH_MAX`).
pub(crate) const MAX_PATH: usize = 4096;

/// Where a path of the guest begins, and the path from there: at the descriptor that it gave, or in the preopened
/// directory that an absolute path lies in, if such are taken. Whoever asks says first what is wrong with the
/// descriptor.
///
/// # Errors
/// Of the path: `FAULT` outside of the memory, `NAMETOOLONG`, `ILSEQ` when not UTF-8, `INVAL` with a zero byte in it.
pub(crate) fn resolve<'m>(
    ctx: &WasiCtx,
    memory: &'m Memory<'_>,
    fd: u32,
    pointer: u64,
    len: u64,
) -> (u32, Result<&'m Path, Errno>) {
    let path = text(ctx, memory, pointer, len);
    let within = path.ok().filter(|_| ctx.kotlin_paths).and_then(|path| preopen_of(ctx, path));
    match within {
        Some((number, rest)) => (number, Ok(rest)),
        None => (fd, path),
    }
}

/// The preopened directory with the longest name that an absolute path begins with, and the path from there.
fn preopen_of<'p>(ctx: &WasiCtx, path: &'p Path) -> Option<(u32, &'p Path)> {
    let text = path.to_str().filter(|text| text.starts_with('/'))?;
    let rest_below = |name: &[u8]| {
        let name = std::str::from_utf8(name).ok().filter(|name| name.starts_with('/'))?;
        let rest = text.strip_prefix(name.trim_end_matches('/'))?;
        let inside = rest.trim_start_matches('/');
        match (rest, inside) {
            (_, "") => Some(Path::new(".")),
            _ if rest.starts_with('/') => Some(Path::new(inside)),
            _ => None,
        }
    };
    let preopens = ctx.fds.numbered().filter_map(|(number, descriptor)| match &descriptor.handle {
        Handle::Directory { preopen: Some(name), .. } => Some((name.len(), number, rest_below(name)?)),
        _ => None,
    });
    preopens.max_by_key(|(len, number, _)| (*len, std::cmp::Reverse(*number))).map(|(_, number, rest)| (number, rest))
}

/// What the guest wrote.
///
/// # Errors
/// As [`resolve`].
pub(crate) fn text<'m>(ctx: &WasiCtx, memory: &'m Memory<'_>, pointer: u64, len: u64) -> Result<&'m Path, Errno> {
    let bytes = memory.slice(pointer, len)?;
    let bytes = match bytes.strip_suffix(b"\0") {
        Some(bytes) if ctx.kotlin_paths => bytes,
        _ => bytes,
    };
    if bytes.len() >= MAX_PATH {
        return Err(Errno::NameTooLong);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Errno::IlSeq)?;
    if text.contains('\0') {
        return Err(Errno::Inval);
    }
    Ok(Path::new(text))
}

/// Opens what `path` names with these flags and no others. Never waits, not even for the other end of a FIFO.
pub(crate) fn open_host(directory: &File, path: &Path, follow: bool, flags: OFlags) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    let access = flags & OFlags::ACCMODE;
    options.read(access != OFlags::WRONLY).write(access != OFlags::RDONLY);
    options._cap_fs_ext_follow(FollowSymlinks::follow(follow));
    let rest = (flags - OFlags::ACCMODE) | OFlags::NOCTTY | OFlags::NONBLOCK;
    options.custom_flags(rest.bits() as i32);
    cap_primitives::fs::open(directory, path, &options)
}

/// A descriptor that only names what `path` names, a symbolic link itself unless it is followed.
pub(crate) fn name_host(directory: &File, path: &Path, follow: bool) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true)._cap_fs_ext_follow(FollowSymlinks::follow(follow));
    options.custom_flags(OFlags::PATH.bits() as i32);
    cap_primitives::fs::open(directory, path, &options)
}
