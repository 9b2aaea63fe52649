//! A guest without an engine: a context, a memory, and calls by name.

#![allow(dead_code, reason = "each test file uses its own part")]

use heapwood_wasi::{Errno, Outcome, WasiCtx, WasiCtxBuilder, lookup};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// The first preopened directory.
pub const ROOT: u64 = 3;

pub const CREAT: u64 = 1;
pub const DIRECTORY: u64 = 2;
pub const EXCL: u64 = 4;
pub const TRUNC: u64 = 8;

pub const APPEND: u64 = 1;
pub const DSYNC: u64 = 2;
pub const NONBLOCK: u64 = 4;
pub const RSYNC: u64 = 8;
pub const SYNC: u64 = 16;

pub const FOLLOW: u64 = 1;

pub const FD_DATASYNC: u64 = 1 << 0;
pub const FD_READ: u64 = 1 << 1;
pub const FD_SEEK: u64 = 1 << 2;
pub const FD_FDSTAT_SET_FLAGS: u64 = 1 << 3;
pub const FD_SYNC: u64 = 1 << 4;
pub const FD_TELL: u64 = 1 << 5;
pub const FD_WRITE: u64 = 1 << 6;
pub const FD_ADVISE: u64 = 1 << 7;
pub const FD_ALLOCATE: u64 = 1 << 8;
pub const PATH_CREATE_DIRECTORY: u64 = 1 << 9;
pub const PATH_CREATE_FILE: u64 = 1 << 10;
pub const PATH_LINK_SOURCE: u64 = 1 << 11;
pub const PATH_LINK_TARGET: u64 = 1 << 12;
pub const PATH_OPEN: u64 = 1 << 13;
pub const FD_READDIR: u64 = 1 << 14;
pub const PATH_READLINK: u64 = 1 << 15;
pub const PATH_RENAME_SOURCE: u64 = 1 << 16;
pub const PATH_RENAME_TARGET: u64 = 1 << 17;
pub const PATH_FILESTAT_GET: u64 = 1 << 18;
pub const PATH_FILESTAT_SET_SIZE: u64 = 1 << 19;
pub const PATH_FILESTAT_SET_TIMES: u64 = 1 << 20;
pub const FD_FILESTAT_GET: u64 = 1 << 21;
pub const FD_FILESTAT_SET_SIZE: u64 = 1 << 22;
pub const FD_FILESTAT_SET_TIMES: u64 = 1 << 23;
pub const PATH_SYMLINK: u64 = 1 << 24;
pub const PATH_REMOVE_DIRECTORY: u64 = 1 << 25;
pub const PATH_UNLINK_FILE: u64 = 1 << 26;
pub const POLL_FD_READWRITE: u64 = 1 << 27;

/// All that a regular file can have.
pub const FILE_RIGHTS: u64 = FD_DATASYNC
    | FD_READ
    | FD_SEEK
    | FD_FDSTAT_SET_FLAGS
    | FD_SYNC
    | FD_TELL
    | FD_WRITE
    | FD_ADVISE
    | FD_ALLOCATE
    | FD_FILESTAT_GET
    | FD_FILESTAT_SET_SIZE
    | FD_FILESTAT_SET_TIMES
    | POLL_FD_READWRITE;

/// A directory that disappears with the value.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Scratch {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("heapwood-wasi-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Scratch(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn write(&self, name: &str, contents: &[u8]) {
        std::fs::write(self.join(name), contents).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.join(name)).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A context and a memory. The first KiB is for results, then come strings and buffers.
pub struct Guest {
    pub ctx: WasiCtx,
    pub memory: Vec<u8>,
    /// Its pointers have 64 bits.
    is_wide: bool,
    next: u32,
}

/// Where calls put their result.
pub const RESULT: u32 = 8;

impl Guest {
    pub fn new(builder: WasiCtxBuilder) -> Guest {
        Guest { ctx: builder.build().unwrap(), memory: vec![0; 1 << 20], is_wide: false, next: 1024 }
    }

    /// A guest whose pointers and sizes have 64 bits.
    pub fn wide(builder: WasiCtxBuilder) -> Guest {
        Guest { is_wide: true, ..Guest::new(builder) }
    }

    /// Bytes of a pointer or size.
    pub fn word(&self) -> u32 {
        if self.is_wide { 8 } else { 4 }
    }

    pub fn with_dir(scratch: &Scratch) -> Guest {
        let access = heapwood_wasi::DirAccess::ReadWrite;
        Guest::new(WasiCtxBuilder::new().preopen_dir(scratch.path(), "/", access))
    }

    pub fn try_call(&mut self, name: &str, arguments: &[u64]) -> Result<Errno, Outcome> {
        let function = lookup(name).unwrap_or_else(|| panic!("no {name}"));
        let call = if self.is_wide { function.call64 } else { function.call };
        call(&mut self.ctx, &mut self.memory, arguments)
    }

    pub fn call(&mut self, name: &str, arguments: &[u64]) -> Errno {
        self.try_call(name, arguments).unwrap()
    }

    /// A call that must succeed.
    #[track_caller]
    pub fn ok(&mut self, name: &str, arguments: &[u64]) {
        let errno = self.call(name, arguments);
        assert_eq!(errno, Errno::Success, "{name} {arguments:?}");
    }

    /// Reserves zeroed bytes, aligned to 8.
    pub fn space(&mut self, len: usize) -> u64 {
        let at = self.next.next_multiple_of(8);
        self.next = at + len as u32;
        self.memory[at as usize..self.next as usize].fill(0);
        u64::from(at)
    }

    /// Puts bytes into the memory: pointer and length.
    pub fn put(&mut self, bytes: impl AsRef<[u8]>) -> (u64, u64) {
        let bytes = bytes.as_ref();
        let at = self.space(bytes.len());
        self.memory[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
        (at, bytes.len() as u64)
    }

    /// A list of buffers: its pointer.
    pub fn list(&mut self, buffers: &[(u64, u64)]) -> u64 {
        let word = self.word() as usize;
        let bytes: Vec<u8> =
            buffers.iter().flat_map(|(p, l)| [p, l]).flat_map(|n| n.to_le_bytes()[..word].to_vec()).collect();
        self.put(bytes).0
    }

    pub fn bytes(&self, at: u64, len: usize) -> &[u8] {
        &self.memory[at as usize..at as usize + len]
    }

    pub fn u32_at(&self, at: u64) -> u32 {
        u32::from_le_bytes(self.bytes(at, 4).try_into().unwrap())
    }

    pub fn u64_at(&self, at: u64) -> u64 {
        u64::from_le_bytes(self.bytes(at, 8).try_into().unwrap())
    }

    pub fn result(&self) -> u32 {
        self.u32_at(u64::from(RESULT))
    }

    pub fn result64(&self) -> u64 {
        self.u64_at(u64::from(RESULT))
    }

    /// `path_open` from `dir` without inheriting rights.
    pub fn open(&mut self, dir: u64, path: &str, open: u64, rights: u64, flags: u64) -> Result<u64, Errno> {
        self.open_with(dir, 0, path, open, rights, 0, flags)
    }

    #[allow(clippy::too_many_arguments)]
    pub fn open_with(
        &mut self,
        dir: u64,
        lookup: u64,
        path: &str,
        open: u64,
        rights: u64,
        inheriting: u64,
        flags: u64,
    ) -> Result<u64, Errno> {
        let (at, len) = self.put(path);
        match self.call("path_open", &[dir, lookup, at, len, open, rights, inheriting, flags, u64::from(RESULT)]) {
            Errno::Success => Ok(u64::from(self.result())),
            errno => Err(errno),
        }
    }

    pub fn write(&mut self, fd: u64, bytes: &[u8]) -> Result<u32, Errno> {
        let buffer = self.put(bytes);
        let list = self.list(&[buffer]);
        match self.call("fd_write", &[fd, list, 1, u64::from(RESULT)]) {
            Errno::Success => Ok(self.result()),
            errno => Err(errno),
        }
    }

    pub fn read(&mut self, fd: u64, len: usize) -> Result<Vec<u8>, Errno> {
        let buffer = self.space(len);
        let list = self.list(&[(buffer, len as u64)]);
        match self.call("fd_read", &[fd, list, 1, u64::from(RESULT)]) {
            Errno::Success => Ok(self.bytes(buffer, self.result() as usize).to_vec()),
            errno => Err(errno),
        }
    }

    pub fn seek(&mut self, fd: u64, offset: i64, whence: u64) -> Result<u64, Errno> {
        match self.call("fd_seek", &[fd, offset as u64, whence, u64::from(RESULT)]) {
            Errno::Success => Ok(self.result64()),
            errno => Err(errno),
        }
    }

    /// A call with one path.
    pub fn path(&mut self, name: &str, dir: u64, path: &str) -> Errno {
        let (at, len) = self.put(path);
        self.call(name, &[dir, at, len])
    }

    /// `path_rename` or `path_link`.
    pub fn two_paths(&mut self, name: &str, from: (u64, &str), to: (u64, &str)) -> Errno {
        let (a, b) = (self.put(from.1), self.put(to.1));
        match name {
            "path_rename" => self.call(name, &[from.0, a.0, a.1, to.0, b.0, b.1]),
            _ => self.call(name, &[from.0, 0, a.0, a.1, to.0, b.0, b.1]),
        }
    }

    pub fn symlink(&mut self, target: &str, dir: u64, path: &str) -> Errno {
        let (a, b) = (self.put(target), self.put(path));
        self.call("path_symlink", &[a.0, a.1, dir, b.0, b.1])
    }

    /// `path_filestat_get`: type and size.
    pub fn path_stat(&mut self, dir: u64, lookup: u64, path: &str) -> Result<(u8, u64), Errno> {
        let (at, len) = self.put(path);
        let out = self.space(64);
        match self.call("path_filestat_get", &[dir, lookup, at, len, out]) {
            Errno::Success => Ok((self.memory[out as usize + 16], self.u64_at(out + 32))),
            errno => Err(errno),
        }
    }

    /// `fd_filestat_get`: the 64 bytes.
    pub fn stat(&mut self, fd: u64) -> Result<Vec<u8>, Errno> {
        let out = self.space(64);
        match self.call("fd_filestat_get", &[fd, out]) {
            Errno::Success => Ok(self.bytes(out, 64).to_vec()),
            errno => Err(errno),
        }
    }

    /// `fd_fdstat_get`: type, flags, base and inheriting rights.
    pub fn fdstat(&mut self, fd: u64) -> Result<(u8, u16, u64, u64), Errno> {
        let out = self.space(24);
        match self.call("fd_fdstat_get", &[fd, out]) {
            Errno::Success => {
                let flags = u16::from_le_bytes(self.bytes(out + 2, 2).try_into().unwrap());
                Ok((self.memory[out as usize], flags, self.u64_at(out + 8), self.u64_at(out + 16)))
            }
            errno => Err(errno),
        }
    }
}
