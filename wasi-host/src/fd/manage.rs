//! `fd_advise`, `fd_allocate`, `fd_close`, `fd_datasync`, `fd_renumber`, `fd_sync`.

use crate::ctx::WasiCtx;
use crate::errno::Errno;
use crate::memory::Memory;
use crate::outcome::Served;
use crate::rights::Rights;
use crate::types::FileType;
use rustix::fs::{Advice, FallocateFlags};
use std::num::NonZeroU64;

pub(crate) fn close(ctx: &mut WasiCtx, _memory: &mut Memory<'_>, fd: u32) -> Served {
    ctx.fds.remove(fd)?;
    Ok(())
}

pub(crate) fn renumber(ctx: &mut WasiCtx, _memory: &mut Memory<'_>, from: u32, to: u32) -> Served {
    Ok(ctx.fds.renumber(from, to)?)
}

pub(crate) fn sync(ctx: &mut WasiCtx, _memory: &mut Memory<'_>, fd: u32) -> Served {
    let descriptor = ctx.fds.get(fd)?;
    descriptor.require_stored()?;
    descriptor.require(Rights::FD_SYNC)?;
    let host = descriptor.host_fd().ok_or(Errno::Inval)?;
    Ok(rustix::fs::fsync(host)?)
}

pub(crate) fn datasync(ctx: &mut WasiCtx, _memory: &mut Memory<'_>, fd: u32) -> Served {
    let descriptor = ctx.fds.get(fd)?;
    descriptor.require_stored()?;
    descriptor.require(Rights::FD_DATASYNC)?;
    let host = descriptor.host_fd().ok_or(Errno::Inval)?;
    Ok(rustix::fs::fdatasync(host)?)
}

impl super::Descriptor {
    /// # Errors
    /// `INVAL` for a stream, which has no storage to write to.
    fn require_stored(&self) -> Result<(), Errno> {
        let stored = self.is_seekable() || self.file_type == FileType::Directory;
        if stored { Ok(()) } else { Err(Errno::Inval) }
    }
}

/// `advice` as in witx `$advice`. A length of 0 means up to the end.
pub(crate) fn advise(
    ctx: &mut WasiCtx,
    _memory: &mut Memory<'_>,
    fd: u32,
    offset: u64,
    len: u64,
    advice: u32,
) -> Served {
    let descriptor = ctx.fds.get(fd)?;
    descriptor.require_bytes(Rights::NONE)?;
    let host = descriptor.host_fd().filter(|_| descriptor.is_seekable()).ok_or(Errno::SPipe)?;
    descriptor.require(Rights::FD_ADVISE)?;
    let advice = match advice {
        0 => Advice::Normal,
        1 => Advice::Sequential,
        2 => Advice::Random,
        3 => Advice::WillNeed,
        4 => Advice::DontNeed,
        5 => Advice::NoReuse,
        _ => return Err(Errno::Inval.into()),
    };
    // Beyond what a host file can be as long as.
    if offset.checked_add(len).is_none_or(|end| i64::try_from(end).is_err()) {
        return Err(Errno::Inval.into());
    }
    Ok(rustix::fs::fadvise(host, offset, NonZeroU64::new(len), advice)?)
}

/// Makes room for `len` bytes at `offset`; the file grows where it ends earlier.
pub(crate) fn allocate(ctx: &mut WasiCtx, _memory: &mut Memory<'_>, fd: u32, offset: u64, len: u64) -> Served {
    let descriptor = ctx.fds.get(fd)?;
    descriptor.require_bytes(Rights::NONE)?;
    let host = descriptor.host_fd().filter(|_| descriptor.is_seekable()).ok_or(Errno::SPipe)?;
    descriptor.require(Rights::FD_ALLOCATE)?;
    descriptor.require_writable()?;
    match offset.checked_add(len) {
        _ if len == 0 => Err(Errno::Inval.into()),
        None => Err(Errno::FBig.into()),
        Some(end) if i64::try_from(end).is_err() || end > ctx.max_file_size => Err(Errno::FBig.into()),
        Some(_) => Ok(rustix::fs::fallocate(host, FallocateFlags::empty(), offset, len)?),
    }
}
