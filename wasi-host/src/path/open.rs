//! `path_open`.

use super::{open_host, resolve};
use crate::ctx::WasiCtx;
use crate::errno::Errno;
use crate::fd::{Descriptor, Handle};
use crate::memory::{GuestMemory, Memory, check_u32};
use crate::outcome::Served;
use crate::rights::Rights;
use crate::types::{FdFlags, FileType, LookupFlags, OpenFlags};
use rustix::fs::OFlags;
use std::fs::File;
use std::path::Path;

/// What a guest asks for, already within the rights of the directory.
struct Request {
    follow: bool,
    open: OpenFlags,
    flags: FdFlags,
    base: Rights,
    inheriting: Rights,
}

#[expect(clippy::too_many_arguments, reason = "the witx says so")]
pub(crate) fn open(
    ctx: &mut WasiCtx,
    memory: &mut Memory<'_>,
    fd: u32,
    lookup: u32,
    path: u64,
    path_len: u64,
    open: u32,
    base: u64,
    inheriting: u64,
    flags: u32,
    result: u64,
) -> Served {
    let (fd, path) = resolve(ctx, memory, fd, path, path_len);
    let parent = ctx.fds.get(fd)?;
    let directory = parent.as_directory(Rights::PATH_OPEN)?;
    let request = Request {
        follow: LookupFlags::from_guest(lookup)?.has(LookupFlags::SYMLINK_FOLLOW),
        open: OpenFlags::from_guest(open)?,
        flags: FdFlags::from_guest(flags)?,
        base: Rights(base),
        inheriting: Rights(inheriting),
    };
    check_u32(memory, result)?;
    let path = path?;
    request.check(parent)?;
    ctx.fds.next()?;
    let descriptor = request.open(directory, path, parent.read_only)?;
    let number = ctx.fds.insert(descriptor)?;
    Ok(memory.write_u32(result, number)?)
}

/// Rights for which the host has to open a file for writing.
const WRITING: Rights = Rights(Rights::FD_WRITE.0 | Rights::FD_ALLOCATE.0);

impl Request {
    /// Compares with what the directory may do and pass on.
    fn check(&self, parent: &Descriptor) -> Result<(), Errno> {
        let creates = self.open.has(OpenFlags::CREAT);
        let truncates = self.open.has(OpenFlags::TRUNC);
        if self.open.has(OpenFlags::DIRECTORY) && self.open.has(OpenFlags::CREAT | OpenFlags::EXCL | OpenFlags::TRUNC) {
            return Err(Errno::Inval);
        }
        if creates {
            parent.require(Rights::PATH_CREATE_FILE)?;
        }
        if truncates {
            parent.require(Rights::PATH_FILESTAT_SET_SIZE)?;
            // A directory that passes on no way to change a file must not empty one either.
            if !parent.inheriting.intersects(Rights::FD_WRITE | Rights::FD_FILESTAT_SET_SIZE) {
                return Err(Errno::NotCapable);
            }
        }
        if !parent.inheriting.contains(self.wanted()) {
            return Err(Errno::NotCapable);
        }
        if parent.read_only && (creates || truncates || self.base.intersects(WRITING)) {
            return Err(Errno::RoFs);
        }
        Ok(())
    }

    /// Rights that the directory has to pass on. Those that nothing behind a path can have do not count: an
    /// implementation may leave out what does not apply.
    fn wanted(&self) -> Rights {
        let mut wanted = (self.base | self.inheriting) & Rights::INHERITING;
        if self.flags.has(FdFlags::SYNC | FdFlags::RSYNC) {
            wanted = wanted | Rights::FD_SYNC;
        }
        if self.flags.has(FdFlags::DSYNC) {
            wanted = wanted | Rights::FD_DATASYNC;
        }
        wanted
    }

    fn open(mut self, directory: &File, path: &Path, read_only: bool) -> Result<Descriptor, Errno> {
        let file = self.open_with_access(directory, path, read_only)?;
        let mut descriptor = Descriptor::host(file.into())?;
        if descriptor.file_type == FileType::Directory {
            if let Handle::Host(fd) = descriptor.handle {
                descriptor = Descriptor::directory(fd.into(), None);
            }
            descriptor.inheriting = self.inheriting & Rights::INHERITING;
        }
        descriptor.base = self.base & Rights::applicable(descriptor.file_type);
        descriptor.flags = self.flags;
        descriptor.read_only = read_only;
        Ok(descriptor)
    }

    fn open_with_access(&mut self, directory: &File, path: &Path, read_only: bool) -> Result<File, Errno> {
        let reads = self.base.intersects(Rights::FD_READ | Rights::FD_READDIR);
        let for_writing = if reads { OFlags::RDWR } else { OFlags::WRONLY };
        if self.base.intersects(WRITING) {
            return Ok(open_host(directory, path, self.follow, for_writing | self.host_flags())?);
        }
        // Some runtimes ask for all rights that sound harmless: changing the size also needs a writable file, but
        // not having it must not keep them from reading.
        if self.base.intersects(Rights::FD_FILESTAT_SET_SIZE) && !read_only {
            match open_host(directory, path, self.follow, for_writing | self.host_flags()).map_err(Errno::from) {
                Err(Errno::IsDir | Errno::Acces | Errno::RoFs | Errno::TxtBsy | Errno::NxIo) => {}
                other => return other,
            }
        }
        self.base = self.base - Rights::FD_FILESTAT_SET_SIZE;
        Ok(open_host(directory, path, self.follow, OFlags::RDONLY | self.host_flags())?)
    }

    /// The descriptor's own flags are not among them; see [`Descriptor::flags`].
    fn host_flags(&self) -> OFlags {
        let mut flags = OFlags::empty();
        if self.open.has(OpenFlags::CREAT) {
            flags |= OFlags::CREATE;
            if self.open.has(OpenFlags::EXCL) {
                flags |= OFlags::EXCL;
            }
        }
        if self.open.has(OpenFlags::DIRECTORY) {
            flags |= OFlags::DIRECTORY;
        }
        if self.open.has(OpenFlags::TRUNC) {
            flags |= OFlags::TRUNC;
        }
        flags
    }
}
