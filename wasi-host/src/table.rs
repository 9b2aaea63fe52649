//! All functions of preview1 in one table.

use crate::ctx::WasiCtx;
use crate::errno::Errno;
use crate::memory::{Memory, Width};
use crate::outcome::{Failure, Outcome, Served};
use crate::{args, clock, fd, path, poll, process, random, sock};

/// The module name of every import.
pub const MODULE: &str = "wasi_snapshot_preview1";

/// Type of a parameter or result, as the core module sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamType {
    /// `i32`.
    I32,
    /// `i64`.
    I64,
}

/// The function behind a name: the context, the guest's memory (memory 0 as exported or imported), and the
/// arguments, an i32 zero-extended. `Success` and every other error code go to the guest as its i32 result.
///
/// # Errors
/// The guest must not continue: see [`Outcome`].
pub type Call = fn(&mut WasiCtx, &mut [u8], &[u64]) -> Result<Errno, Outcome>;

/// One function of preview1.
#[derive(Clone, Copy, Debug)]
pub struct FunctionDef {
    /// Name of the import.
    pub name: &'static str,
    /// Types of the parameters.
    pub params: &'static [ParamType],
    /// One i32, the error code; nothing for `proc_exit`.
    pub results: &'static [ParamType],
    /// What serves it. With the wrong number of arguments it answers `INVAL`.
    pub call: Call,
    /// Types of the parameters for a guest of `wasm64`: pointers, and sizes of what lies in memory, are i64.
    pub params64: &'static [ParamType],
    /// What serves such a guest. In its memory too pointers and sizes have 64 bits, aligned to 8: those of `args_get`
    /// and `environ_get`, both halves of a buffer's descriptor (16 bytes), the length in a `prestat` (at 8, of 16
    /// bytes), and all sizes that are results.
    pub call64: Call,
}

/// A parameter's type in the table.
trait Parameter {
    /// The type that the function takes.
    type Value;
    const TYPE: ParamType;
    const TYPE64: ParamType;
    fn from_argument(argument: u64, width: Width) -> Self::Value;
}

impl Parameter for u32 {
    type Value = u32;
    const TYPE: ParamType = ParamType::I32;
    const TYPE64: ParamType = ParamType::I32;
    fn from_argument(argument: u64, _: Width) -> u32 {
        argument as u32
    }
}

impl Parameter for u64 {
    type Value = u64;
    const TYPE: ParamType = ParamType::I64;
    const TYPE64: ParamType = ParamType::I64;
    fn from_argument(argument: u64, _: Width) -> u64 {
        argument
    }
}

/// A pointer into the guest's memory, or the size of something there.
struct Addr;

impl Parameter for Addr {
    type Value = u64;
    const TYPE: ParamType = ParamType::I32;
    const TYPE64: ParamType = ParamType::I64;
    fn from_argument(argument: u64, width: Width) -> u64 {
        match width {
            Width::W32 => argument & u64::from(u32::MAX),
            Width::W64 => argument,
        }
    }
}

fn finish(served: Served) -> Result<Errno, Outcome> {
    match served {
        Ok(()) => Ok(Errno::Success),
        Err(Failure::Errno(errno)) => Ok(errno),
        Err(Failure::End(outcome)) => Err(outcome),
    }
}

/// The function of a row for guests with pointers of this width.
macro_rules! call {
    ($width:expr, $function:path, $($param:ident : $type:ty),*) => {
        |ctx, memory, arguments| {
            let &[ $( $param ),* ] = arguments else {
                return Ok(Errno::Inval);
            };
            let memory = &mut Memory::new(memory, $width);
            finish($function(ctx, memory $(, <$type as Parameter>::from_argument($param, $width) )*))
        }
    };
}

/// A row is: name, parameters as in the witx (flags and small numbers are i32, file sizes, times and rights i64, what
/// is as wide as an address `Addr`), result, function.
macro_rules! table {
    ($( $name:ident ( $($param:ident : $type:ty),* ) $(-> $result:ident)? = $function:path ; )+) => {
        static FUNCTIONS: &[FunctionDef] = &[ $( FunctionDef {
            name: stringify!($name),
            params: &[ $( <$type as Parameter>::TYPE ),* ],
            results: &[ $( ParamType::$result )? ],
            call: call!(Width::W32, $function, $($param : $type),*),
            params64: &[ $( <$type as Parameter>::TYPE64 ),* ],
            call64: call!(Width::W64, $function, $($param : $type),*),
        } ),+ ];
    };
}

// In the order of the alphabet: `lookup` relies on it.
table! {
    args_get(argv: Addr, buf: Addr) -> I32 = args::args_get;
    args_sizes_get(count: Addr, size: Addr) -> I32 = args::args_sizes_get;
    clock_res_get(id: u32, result: Addr) -> I32 = clock::res_get;
    clock_time_get(id: u32, precision: u64, result: Addr) -> I32 = clock::time_get;
    environ_get(environ: Addr, buf: Addr) -> I32 = args::environ_get;
    environ_sizes_get(count: Addr, size: Addr) -> I32 = args::environ_sizes_get;
    fd_advise(fd: u32, offset: u64, len: u64, advice: u32) -> I32 = fd::manage::advise;
    fd_allocate(fd: u32, offset: u64, len: u64) -> I32 = fd::manage::allocate;
    fd_close(fd: u32) -> I32 = fd::manage::close;
    fd_datasync(fd: u32) -> I32 = fd::manage::datasync;
    fd_fdstat_get(fd: u32, result: Addr) -> I32 = fd::status::fdstat_get;
    fd_fdstat_set_flags(fd: u32, flags: u32) -> I32 = fd::status::fdstat_set_flags;
    fd_fdstat_set_rights(fd: u32, base: u64, inheriting: u64) -> I32 = fd::status::fdstat_set_rights;
    fd_filestat_get(fd: u32, result: Addr) -> I32 = fd::status::filestat_get;
    fd_filestat_set_size(fd: u32, size: u64) -> I32 = fd::status::filestat_set_size;
    fd_filestat_set_times(fd: u32, atim: u64, mtim: u64, flags: u32) -> I32 = fd::status::filestat_set_times;
    fd_pread(fd: u32, iovs: Addr, count: Addr, offset: u64, result: Addr) -> I32 = fd::io::pread;
    fd_prestat_dir_name(fd: u32, buf: Addr, len: Addr) -> I32 = fd::directory::prestat_dir_name;
    fd_prestat_get(fd: u32, result: Addr) -> I32 = fd::directory::prestat_get;
    fd_pwrite(fd: u32, iovs: Addr, count: Addr, offset: u64, result: Addr) -> I32 = fd::io::pwrite;
    fd_read(fd: u32, iovs: Addr, count: Addr, result: Addr) -> I32 = fd::io::read;
    fd_readdir(fd: u32, buf: Addr, len: Addr, cookie: u64, result: Addr) -> I32 = fd::directory::readdir;
    fd_renumber(fd: u32, to: u32) -> I32 = fd::manage::renumber;
    fd_seek(fd: u32, offset: u64, whence: u32, result: Addr) -> I32 = fd::position::seek;
    fd_sync(fd: u32) -> I32 = fd::manage::sync;
    fd_tell(fd: u32, result: Addr) -> I32 = fd::position::tell;
    fd_write(fd: u32, iovs: Addr, count: Addr, result: Addr) -> I32 = fd::io::write;
    path_create_directory(fd: u32, path: Addr, len: Addr) -> I32 = path::change::create_directory;
    path_filestat_get(fd: u32, lookup: u32, path: Addr, len: Addr, result: Addr) -> I32 = path::stat::filestat_get;
    path_filestat_set_times(fd: u32, lookup: u32, path: Addr, len: Addr, atim: u64, mtim: u64, flags: u32) -> I32
        = path::stat::filestat_set_times;
    path_link(fd: u32, lookup: u32, path: Addr, len: Addr, new_fd: u32, new_path: Addr, new_len: Addr) -> I32
        = path::link::link;
    path_open(
        fd: u32, lookup: u32, path: Addr, len: Addr, open: u32, base: u64, inheriting: u64, flags: u32, result: Addr
    ) -> I32 = path::open::open;
    path_readlink(fd: u32, path: Addr, len: Addr, buf: Addr, buf_len: Addr, result: Addr) -> I32 = path::link::readlink;
    path_remove_directory(fd: u32, path: Addr, len: Addr) -> I32 = path::change::remove_directory;
    path_rename(fd: u32, path: Addr, len: Addr, new_fd: u32, new_path: Addr, new_len: Addr) -> I32
        = path::change::rename;
    path_symlink(target: Addr, target_len: Addr, fd: u32, path: Addr, len: Addr) -> I32 = path::link::symlink;
    path_unlink_file(fd: u32, path: Addr, len: Addr) -> I32 = path::change::unlink_file;
    poll_oneoff(subscriptions: Addr, events: Addr, count: Addr, result: Addr) -> I32 = poll::oneoff;
    proc_exit(code: u32) = process::exit;
    proc_raise(signal: u32) -> I32 = process::raise;
    random_get(buf: Addr, len: Addr) -> I32 = random::get;
    sched_yield() -> I32 = process::sched_yield;
    sock_accept(fd: u32, flags: u32, result: Addr) -> I32 = sock::accept;
    sock_recv(fd: u32, iovs: Addr, count: Addr, flags: u32, result: Addr, result_flags: Addr) -> I32 = sock::recv;
    sock_send(fd: u32, iovs: Addr, count: Addr, flags: u32, result: Addr) -> I32 = sock::send;
    sock_shutdown(fd: u32, how: u32) -> I32 = sock::shutdown;
}

/// All 46 functions, by name.
pub fn functions() -> &'static [FunctionDef] {
    FUNCTIONS
}

/// The function of this name.
pub fn lookup(name: &str) -> Option<&'static FunctionDef> {
    FUNCTIONS.binary_search_by_key(&name, |f| f.name).ok().map(|i| &FUNCTIONS[i])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found() {
        assert_eq!(functions().len(), 46);
        for function in functions() {
            assert_eq!(lookup(function.name).map(|f| f.name), Some(function.name));
            assert_eq!(function.results.is_empty(), function.name == "proc_exit");
        }
        assert!(lookup("fd_raed").is_none());
    }

    #[test]
    fn the_widest_signature() {
        use ParamType::{I32, I64};
        assert_eq!(lookup("path_open").unwrap().params, [I32, I32, I32, I32, I32, I64, I64, I32, I32]);
    }
}
