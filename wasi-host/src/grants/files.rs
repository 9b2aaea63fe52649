//! Files by the paths that guests know: what lies below a preopened directory.
//!
//! A path is compared with the names of the preopened directories, the longest that it begins with is taken, and the
//! rest is resolved from there by the host's kernel, as `path_open` does. As in C libraries, `./` and slashes at the
//! beginning mean nothing in either.

use super::GrantError;
use crate::ctx::WasiCtx;
use crate::errno::Errno;
use crate::fd::{At, Descriptor, Handle};
use crate::path::{MAX_PATH, name_host, open_host};
use crate::rights::Rights;
use cap_primitives::fs as host;
use rustix::fs::{OFlags, fstat};
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// Bytes that are read or written between two looks for an interrupt.
const PIECE_BYTES: usize = 1 << 20;

/// A path below a preopened directory.
struct Place<'c, 'p> {
    descriptor: &'c Descriptor,
    directory: &'c File,
    rest: &'p Path,
}

impl<'c> Place<'c, '_> {
    /// The directory, for what only reads and needs these rights.
    fn to_read(&self, rights: Rights) -> Result<&'c File, Errno> {
        self.descriptor.require(rights)?;
        Ok(self.directory)
    }

    /// The directory, for a change.
    fn to_change(&self, rights: Rights) -> Result<&'c File, Errno> {
        self.descriptor.require(rights)?;
        self.descriptor.require_writable()?;
        Ok(self.directory)
    }
}

/// Without slashes and `.` at the beginning.
fn stripped(mut path: &[u8]) -> &[u8] {
    loop {
        path = match path {
            [b'/', rest @ ..] | [b'.', b'/', rest @ ..] => rest,
            [b'.'] => &[],
            _ => return path,
        }
    }
}

/// What follows the name of a directory in a path that begins with it.
fn below<'p>(name: &[u8], path: &'p [u8]) -> Option<&'p [u8]> {
    let rest = path.strip_prefix(name.strip_suffix(b"/").unwrap_or(name))?;
    match rest {
        _ if name.is_empty() => Some(rest),
        [] => Some(rest),
        [b'/', rest @ ..] => Some(stripped(rest)),
        _ => None,
    }
}

impl WasiCtx {
    fn place<'p>(&self, path: &'p [u8]) -> Result<Place<'_, 'p>, Errno> {
        if path.len() >= MAX_PATH {
            return Err(Errno::NameTooLong);
        }
        if path.contains(&0) {
            return Err(Errno::Inval);
        }
        if path.is_empty() {
            return Err(Errno::NoEnt);
        }
        let path = stripped(path);
        let candidates = self.fds.iter().filter_map(|descriptor| match &descriptor.handle {
            Handle::Directory { file, preopen: Some(name) } => {
                let name = stripped(name);
                Some((name.len(), descriptor, file, below(name, path)?))
            }
            _ => None,
        });
        // The first one of those with the longest name.
        let best = candidates.reduce(|best, other| if other.0 > best.0 { other } else { best });
        let (_, descriptor, directory, rest) = best.ok_or(Errno::NotCapable)?;
        let rest = if rest.is_empty() { b"." } else { rest };
        Ok(Place { descriptor, directory, rest: Path::new(OsStr::from_bytes(rest)) })
    }

    /// All bytes of a file, or of a named pipe, whose writer this waits for.
    ///
    /// # Errors
    /// No preopened directory leads there, or the system refuses; the guest is interrupted while this reads or waits; it
    /// is longer than `limit` bytes, or something else than a file or pipe.
    pub fn read_file(&mut self, path: &[u8], limit: usize) -> Result<Vec<u8>, GrantError> {
        let place = self.place(path)?;
        let directory = place.to_read(Rights::PATH_OPEN)?;
        let file = open_host(directory, place.rest, true, OFlags::RDONLY)?;
        let stat = fstat(&file).map_err(Errno::from)?;
        let kind = rustix::fs::FileType::from_raw_mode(stat.st_mode);
        if !kind.is_file() && !kind.is_fifo() {
            return Err(Errno::Inval.into());
        }
        let mut file = Descriptor::host(file.into()).map_err(Errno::from)?;
        // One byte more than there are finds the end of a file in the first piece.
        let mut piece = usize::try_from(stat.st_size).unwrap_or(0).saturating_add(1).min(PIECE_BYTES);
        let mut bytes = Vec::new();
        loop {
            self.interrupt.check()?;
            let start = bytes.len();
            bytes.resize(start + piece, 0);
            let range = start..bytes.len();
            let count = file.read(&self.interrupt, &mut bytes, std::slice::from_ref(&range), At::Position)?;
            bytes.truncate(start + count);
            if count == 0 {
                return Ok(bytes);
            }
            if bytes.len() > limit {
                return Err(Errno::FBig.into());
            }
            piece = PIECE_BYTES;
        }
    }

    /// Makes a file of these bytes, in place of what it held, or writes them to a named pipe, waiting while it is full.
    ///
    /// # Errors
    /// No preopened directory leads there or it is one to read only, or the system refuses, as it does for a pipe that
    /// nobody reads; the guest is interrupted while this writes or waits, or the file would pass the guest's limit of a
    /// file's size.
    pub fn write_file(&mut self, path: &[u8], bytes: &[u8]) -> Result<(), GrantError> {
        let place = self.place(path)?;
        let directory =
            place.to_change(Rights::PATH_OPEN | Rights::PATH_CREATE_FILE | Rights::PATH_FILESTAT_SET_SIZE)?;
        if bytes.len() as u64 > self.max_file_size {
            return Err(Errno::FBig.into());
        }
        let file = open_host(directory, place.rest, true, OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC)?;
        let mut file = Descriptor::host(file.into()).map_err(Errno::from)?;
        let mut rest = bytes;
        while !rest.is_empty() {
            self.interrupt.check()?;
            let range = 0..rest.len().min(PIECE_BYTES);
            let ranges = std::slice::from_ref(&range);
            let count = file.write(&self.interrupt, rest, ranges, At::Position, self.max_file_size, &mut 0)?;
            if count == 0 {
                return Err(Errno::Io.into());
            }
            rest = &rest[count..];
        }
        Ok(())
    }

    /// The names in a directory, in the order of their bytes.
    ///
    /// # Errors
    /// No preopened directory leads there, or the system refuses.
    pub fn read_dir(&mut self, path: &[u8]) -> Result<Vec<Vec<u8>>, GrantError> {
        let place = self.place(path)?;
        let directory = place.to_read(Rights::PATH_OPEN | Rights::FD_READDIR)?;
        let mut names = Vec::new();
        for entry in host::read_dir(directory, place.rest)? {
            self.interrupt.check()?;
            names.push(entry?.file_name().into_vec());
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Makes a directory.
    ///
    /// # Errors
    /// No preopened directory leads there or it is one to read only, or the system refuses.
    pub fn create_dir(&mut self, path: &[u8]) -> Result<(), GrantError> {
        let place = self.place(path)?;
        let directory = place.to_change(Rights::PATH_CREATE_DIRECTORY)?;
        Ok(host::create_dir(directory, place.rest, &host::DirOptions::new())?)
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// As [`WasiCtx::create_dir`].
    pub fn remove_dir(&mut self, path: &[u8]) -> Result<(), GrantError> {
        let place = self.place(path)?;
        Ok(host::remove_dir(place.to_change(Rights::PATH_REMOVE_DIRECTORY)?, place.rest)?)
    }

    /// Removes a file.
    ///
    /// # Errors
    /// As [`WasiCtx::create_dir`].
    pub fn remove_file(&mut self, path: &[u8]) -> Result<(), GrantError> {
        let place = self.place(path)?;
        Ok(host::remove_file(place.to_change(Rights::PATH_UNLINK_FILE)?, place.rest)?)
    }

    /// What a path leads to, symbolic links followed.
    ///
    /// # Errors
    /// No preopened directory leads there, there is nothing, or the system refuses.
    pub fn kind_of(&mut self, path: &[u8]) -> Result<PathKind, GrantError> {
        let place = self.place(path)?;
        let named = name_host(place.to_read(Rights::PATH_FILESTAT_GET)?, place.rest, true)?;
        let stat = fstat(&named).map_err(Errno::from)?;
        Ok(match rustix::fs::FileType::from_raw_mode(stat.st_mode) {
            rustix::fs::FileType::RegularFile => PathKind::File,
            rustix::fs::FileType::Directory => PathKind::Directory,
            _ => PathKind::Other,
        })
    }
}

/// What a path leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PathKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A device, a pipe, a socket.
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_directories_are_compared_by_whole_parts() {
        let cases = [
            ("", "a/b", Some("a/b")),
            ("", "", Some("")),
            ("data", "data/x", Some("x")),
            ("data", "data", Some("")),
            ("data", "data//./x", Some("x")),
            ("data", "database", None),
            ("data/", "data/x", Some("x")),
            ("a/b", "a/b/c", Some("c")),
            ("a/b", "a/bc", None),
            ("a", "b", None),
        ];
        for (name, path, wanted) in cases {
            assert_eq!(below(name.as_bytes(), path.as_bytes()), wanted.map(str::as_bytes), "{name:?} {path:?}");
        }
        for (path, wanted) in [("./a", "a"), ("/a", "a"), ("//./a/./b", "a/./b"), (".", ""), ("..", ".."), (".a", ".a")]
        {
            assert_eq!(stripped(path.as_bytes()), wanted.as_bytes(), "{path}");
        }
    }
}
