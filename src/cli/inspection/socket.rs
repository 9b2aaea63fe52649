//! The socket of this process: whose it is, who may connect, and when its name goes.
//!
//! A name that nobody listens at is of a process that was killed, and is taken over; one at which somebody listens, and
//! one that is no socket, is not.

use anyhow::{Context, Result, bail};
use rustix::fs::{Mode, fchmod};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with};
use std::fs;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 64;
/// Most bytes of a socket's name.
const NAME_BYTES_MAX: usize = 107;
/// Entries of a directory that are looked at for sockets of processes that are gone.
const ENTRIES_MAX: usize = 4096;

/// A socket that listens, with a name until it is dropped.
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
    /// Device and number of the name: another process may take the name over.
    file: (u64, u64),
}

impl Socket {
    /// # Errors
    /// Somebody listens there, something else has that name, or the system refuses.
    pub fn at(path: &Path) -> Result<Socket> {
        let path = std::path::absolute(path)?;
        let length = path.as_os_str().len();
        if length > NAME_BYTES_MAX {
            bail!("a socket's whole path has at most {NAME_BYTES_MAX} bytes, and this one has {length}");
        }
        remove_stale(&path)?;
        let socket = listening(&path)?;
        let made = fs::symlink_metadata(&path)?;
        Ok(Socket { listener: socket.into(), file: (made.dev(), made.ino()), path })
    }

    /// A socket named after this process; sockets that processes left there which are gone are removed.
    ///
    /// # Errors
    /// There is no such directory, or the system refuses.
    pub fn in_directory(directory: &Path) -> Result<Socket> {
        for entry in fs::read_dir(directory)?.take(ENTRIES_MAX).flatten() {
            if let Some(pid) = pid_of(&entry.path())
                && !Path::new(&format!("/proc/{pid}")).exists()
            {
                // Whoever starts at the same time may have removed it.
                let _ = remove_stale(&entry.path());
            }
        }
        Socket::at(&directory.join(format!("{}.sock", std::process::id())))
    }

    pub fn listener(&self) -> std::io::Result<UnixListener> {
        self.listener.try_clone()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let is_ours = |found: &fs::Metadata| (found.dev(), found.ino()) == self.file;
        if fs::symlink_metadata(&self.path).is_ok_and(|found| is_ours(&found)) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The process that a socket is named after.
fn pid_of(path: &Path) -> Option<u32> {
    path.file_name()?.to_str()?.strip_suffix(".sock")?.parse().ok()
}

/// Removes a socket that nobody listens at.
fn remove_stale(path: &Path) -> Result<()> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !found.file_type().is_socket() {
        bail!("there is a file of that name, which is no socket");
    }
    match UnixStream::connect(path) {
        Ok(_) => bail!("another process listens there"),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            fs::remove_file(path).context("a socket that nobody listens at cannot be removed")
        }
        Err(error) => Err(error.into()),
    }
}

/// A socket at which only this user can connect, from the beginning.
fn listening(path: &Path) -> Result<OwnedFd> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // On Linux the name gets the mode of the socket.
    fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    listen(&socket, BACKLOG)?;
    Ok(socket)
}
