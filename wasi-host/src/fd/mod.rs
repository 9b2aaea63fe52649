//! Descriptors: what a guest's number stands for, and the functions that take one.
//!
//! `table` hands out numbers; `io` reads and writes, on top of `transfer`, which knows each kind of descriptor;
//! `position`, `status`, `directory` and `manage` hold the other `fd_*` functions.

pub(crate) mod directory;
pub(crate) mod io;
pub(crate) mod manage;
pub(crate) mod position;
pub(crate) mod status;
mod table;
mod transfer;

pub(crate) use table::Table;
pub(crate) use transfer::{At, receive_into};

use crate::errno::Errno;
use crate::rights::Rights;
use crate::stdio::{InputStream, OutputStream, StreamBehind};
use crate::types::{FdFlags, FileStat, FileType};
use rustix::fs::fstat;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// What a descriptor stands for.
pub(crate) enum Handle {
    /// A file, device, pipe or socket of the host.
    Host(OwnedFd),
    /// A directory of the host; a preopened one has the name under which the guest knows it.
    Directory {
        file: File,
        preopen: Option<Vec<u8>>,
    },
    Input(Box<dyn InputStream>),
    Output(Box<dyn OutputStream>),
}

/// An open descriptor of the guest.
pub(crate) struct Descriptor {
    pub handle: Handle,
    pub file_type: FileType,
    pub base: Rights,
    pub inheriting: Rights,
    /// Kept here and applied to each operation: host descriptors carry none of them, so that they can be changed
    /// without touching a file description that the host shares with other processes.
    pub flags: FdFlags,
    /// Reached through a read-only preopen: every change fails with `ROFS`, as on a read-only mount.
    pub read_only: bool,
}

impl Descriptor {
    /// A host file, with all rights that apply to its type.
    pub fn host(fd: OwnedFd) -> rustix::io::Result<Descriptor> {
        let file_type = FileType::from(rustix::fs::FileType::from_raw_mode(fstat(&fd)?.st_mode));
        let file_type = match file_type {
            FileType::SocketStream => socket_type(fd.as_fd())?,
            other => other,
        };
        let mut base = Rights::applicable(file_type);
        if file_type == FileType::CharacterDevice && !rustix::termios::isatty(&fd) {
            // Tells a guest that /dev/null is no terminal.
            base = base | Rights::FD_SEEK | Rights::FD_TELL;
        }
        Ok(Descriptor {
            handle: Handle::Host(fd),
            file_type,
            base,
            inheriting: Rights::NONE,
            flags: FdFlags::default(),
            read_only: false,
        })
    }

    pub fn directory(file: File, preopen: Option<Vec<u8>>) -> Descriptor {
        Descriptor {
            handle: Handle::Directory { file, preopen },
            file_type: FileType::Directory,
            base: Rights::DIRECTORY,
            inheriting: Rights::INHERITING,
            flags: FdFlags::default(),
            read_only: false,
        }
    }

    /// A standard stream; none when it is closed. `direction` is the right that it has besides those of any stream.
    pub fn standard(source: StreamBehind, direction: Rights) -> rustix::io::Result<Option<Descriptor>> {
        let stream = |handle, is_terminal| Descriptor {
            handle,
            file_type: if is_terminal { FileType::CharacterDevice } else { FileType::Unknown },
            base: Rights::STREAM,
            inheriting: Rights::NONE,
            flags: FdFlags::default(),
            read_only: false,
        };
        let mut descriptor = match source {
            StreamBehind::Input(input) => {
                let is_terminal = input.is_terminal();
                stream(Handle::Input(input), is_terminal)
            }
            StreamBehind::Output(output) => {
                let is_terminal = output.is_terminal();
                stream(Handle::Output(output), is_terminal)
            }
            StreamBehind::Host(fd) => Descriptor::host(fd)?,
            StreamBehind::Closed => return Ok(None),
        };
        descriptor.base = (descriptor.base - (Rights::FD_READ | Rights::FD_WRITE)) | direction;
        Ok(Some(descriptor))
    }

    /// # Errors
    /// `NOTCAPABLE` without all of `rights`.
    pub fn require(&self, rights: Rights) -> Result<(), Errno> {
        if self.base.contains(rights) { Ok(()) } else { Err(Errno::NotCapable) }
    }

    /// # Errors
    /// `ISDIR` for a directory, else as [`require`](Descriptor::require).
    pub fn require_bytes(&self, rights: Rights) -> Result<(), Errno> {
        if self.file_type == FileType::Directory {
            return Err(Errno::IsDir);
        }
        self.require(rights)
    }

    /// # Errors
    /// `ROFS` below a read-only preopen.
    pub fn require_writable(&self) -> Result<(), Errno> {
        if self.read_only { Err(Errno::RoFs) } else { Ok(()) }
    }

    /// The directory to resolve paths from.
    ///
    /// # Errors
    /// `NOTDIR` for anything else, `NOTCAPABLE` without all of `rights`.
    pub fn as_directory(&self, rights: Rights) -> Result<&File, Errno> {
        let Handle::Directory { file, .. } = &self.handle else {
            return Err(Errno::NotDir);
        };
        self.require(rights)?;
        Ok(file)
    }

    /// The host's descriptor behind this one, if there is one.
    pub fn host_fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.handle {
            Handle::Host(fd) => Some(fd.as_fd()),
            Handle::Directory { file, .. } => Some(file.as_fd()),
            Handle::Input(_) | Handle::Output(_) => None,
        }
    }

    /// What to wait on before an operation that could block; none when it never does.
    pub fn waitable(&self) -> Option<BorrowedFd<'_>> {
        match &self.handle {
            Handle::Host(fd) => Some(fd.as_fd()),
            Handle::Directory { .. } => None,
            Handle::Input(stream) => stream.waitable(),
            Handle::Output(stream) => stream.waitable(),
        }
    }

    /// Whether there is a position in it: a regular file or a block device.
    pub fn is_seekable(&self) -> bool {
        matches!(self.file_type, FileType::RegularFile | FileType::BlockDevice)
    }

    pub fn blocks(&self) -> bool {
        !self.flags.has(FdFlags::NONBLOCK)
    }

    pub fn stat(&self) -> Result<FileStat, Errno> {
        let stat = match self.host_fd() {
            Some(fd) => FileStat::from_host(&fstat(fd)?),
            None => FileStat::STREAM,
        };
        Ok(FileStat { file_type: self.file_type, ..stat })
    }
}

fn socket_type(fd: BorrowedFd<'_>) -> rustix::io::Result<FileType> {
    let kind = rustix::net::sockopt::socket_type(fd)?;
    Ok(if kind == rustix::net::SocketType::DGRAM { FileType::SocketDgram } else { FileType::SocketStream })
}
