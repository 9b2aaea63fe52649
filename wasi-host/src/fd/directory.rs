//! `fd_prestat_get`, `fd_prestat_dir_name`, `fd_readdir`.

use super::Handle;
use crate::ctx::WasiCtx;
use crate::errno::Errno;
use crate::memory::{GuestMemory, Memory};
use crate::outcome::Served;
use crate::rights::Rights;
use crate::types::FileType;
use rustix::fs::{AtFlags, RawDir, RawDirEntry, SeekFrom};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};

fn preopen_name(ctx: &WasiCtx, fd: u32) -> Result<&[u8], Errno> {
    match &ctx.fds.get(fd)?.handle {
        Handle::Directory { preopen: Some(name), .. } => Ok(name),
        // Guests look for preopens until BADF, so that this ends the search.
        _ => Err(Errno::BadF),
    }
}

/// witx: `$prestat`, 8 bytes, or 16 of a 64-bit guest: tag 0 for a directory, then the length of the name.
pub(crate) fn prestat_get(ctx: &mut WasiCtx, memory: &mut Memory<'_>, fd: u32, result: u64) -> Served {
    let len = preopen_name(ctx, fd)?.len() as u64;
    let (width, half) = (memory.width(), memory.width().bytes());
    let (tag, name) = memory.array_mut(result, 1, 2 * half, half)?.split_at_mut(half as usize);
    tag.fill(0);
    Ok(width.encode(name, len)?)
}

/// The name has no final zero.
pub(crate) fn prestat_dir_name(ctx: &mut WasiCtx, memory: &mut Memory<'_>, fd: u32, buffer: u64, len: u64) -> Served {
    let name = preopen_name(ctx, fd)?;
    let out = memory.slice_mut(buffer, len)?;
    out.get_mut(..name.len()).ok_or(Errno::NameTooLong)?.copy_from_slice(name);
    Ok(())
}

/// Bytes of a directory read from the host at a time: between what one entry can take and a few hundred entries.
const BATCH: (usize, usize) = (1024, 32 * 1024);

/// Fills the buffer with entries (witx: `$dirent`, 24 bytes, then the name) from `cookie` on. The last one may be
/// cut off; less than the whole buffer means that there are no more.
///
/// Cookies are the host's directory offsets, stable as long as the host keeps them. 0 is the beginning.
pub(crate) fn readdir(
    ctx: &mut WasiCtx,
    memory: &mut Memory<'_>,
    fd: u32,
    buffer: u64,
    len: u64,
    cookie: u64,
    result: u64,
) -> Served {
    let directory = ctx.fds.get(fd)?.as_directory(Rights::FD_READDIR)?.as_fd();
    let is_left_out = |name: &[u8]| ctx.kotlin_paths && matches!(name, b"." | b"..");
    memory.check_size(result)?;
    let out = memory.slice_mut(buffer, len)?;
    let position = i64::try_from(cookie).map_err(|_| Errno::Inval)?;
    rustix::fs::seek(directory, SeekFrom::Start(position as u64))?;

    let mut batch = vec![MaybeUninit::uninit(); out.len().clamp(BATCH.0, BATCH.1)];
    let mut entries = RawDir::new(directory, &mut batch);
    let mut used = 0;
    while used < out.len() {
        let Some(entry) = entries.next() else { break };
        let entry = entry?;
        if is_left_out(entry.file_name().to_bytes()) {
            continue;
        }
        let header = encode(directory, &entry);
        used += copy_prefix(&mut out[used..], &header);
        used += copy_prefix(&mut out[used..], entry.file_name().to_bytes());
        if entries.is_buffer_empty() {
            ctx.interrupt.check()?;
        }
    }
    Ok(memory.write_size(result, used as u64)?)
}

fn copy_prefix(out: &mut [u8], bytes: &[u8]) -> usize {
    let len = bytes.len().min(out.len());
    out[..len].copy_from_slice(&bytes[..len]);
    len
}

fn encode(directory: BorrowedFd<'_>, entry: &RawDirEntry<'_>) -> [u8; 24] {
    let mut out = [0; 24];
    out[0..8].copy_from_slice(&entry.next_entry_cookie().to_le_bytes());
    out[8..16].copy_from_slice(&entry.ino().to_le_bytes());
    out[16..20].copy_from_slice(&(entry.file_name().to_bytes().len() as u32).to_le_bytes());
    out[20] = entry_type(directory, entry) as u8;
    out
}

fn entry_type(directory: BorrowedFd<'_>, entry: &RawDirEntry<'_>) -> FileType {
    match entry.file_type() {
        // Some file systems do not say. A name without a slash cannot lead out of the directory.
        rustix::fs::FileType::Unknown => rustix::fs::statat(directory, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)
            .map_or(FileType::Unknown, |stat| rustix::fs::FileType::from_raw_mode(stat.st_mode).into()),
        known => known.into(),
    }
}
