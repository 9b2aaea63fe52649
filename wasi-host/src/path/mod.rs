//! Functions that take paths.
//!
//! A path is resolved by the host kernel from the directory's descriptor, below which resolution must stay
//! (`openat2` with `RESOLVE_BENEATH`, or cap-primitives' walk over descriptors where the kernel lacks it): an
//! absolute path, a `..` too many or a symbolic link that leads out gives `PERM`.

pub(crate) mod change;
pub(crate) mod link;
pub(crate) mod open;
pub(crate) mod stat;

use crate::errno::Errno;
use crate::memory::GuestMemory;
use cap_primitives::fs::{FollowSymlinks, OpenOptions, OpenOptionsExt};
use rustix::fs::OFlags;
use std::fs::File;
use std::path::Path;

/// The longest path that hosts take, in bytes (`PATH_MAX`).
pub(crate) const MAX_PATH: usize = 4096;

/// A path of the guest: `pointer` and length in bytes.
///
/// # Errors
/// `FAULT` outside of the memory, `NAMETOOLONG`, `ILSEQ` when not UTF-8, `INVAL` with a zero byte in it.
pub(crate) fn from_guest(memory: &[u8], pointer: u32, len: u32) -> Result<&Path, Errno> {
    let bytes = memory.slice(pointer, len)?;
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
