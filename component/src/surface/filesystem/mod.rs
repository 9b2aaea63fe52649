//! `wasi:filesystem`: files and directories below those that were granted.
//!
//! `entries` lists directories, `paths` holds what takes a path, `stat` what is known of a file; here is the rest.

mod entries;
mod paths;
mod stat;

pub(super) use entries::{read_directory, read_directory_entry};
pub(super) use paths::{
    create_directory_at, link_at, open_at, readlink_at, remove_directory_at, rename_at, symlink_at, unlink_file_at,
};
pub(super) use stat::{is_same_object, metadata_hash, metadata_hash_at, set_times, set_times_at, stat, stat_at};

use super::errors::code;
use super::resources::{OutputStream, Place, Resource};
use super::{Fail, Stop, World, preview1};
use crate::abi::Value;
use heapwood_wasi::Errno;

type Served = Result<Option<Value>, Stop>;
/// What a function has to say before errors are put into words of the interface.
type Done = Result<Option<Value>, Fail>;

/// Bytes that a call reads at most.
const READ_MAX: u64 = 1 << 20;
/// The first descriptor behind the standard streams.
const FIRST_PREOPEN: u32 = 3;
const DIRECTORY: u8 = 3;

/// Rights of preview1.
mod rights {
    pub const READ: u64 = 1 << 1 | 1 << 14;
    pub const WRITE: u64 = 1 << 6;
    /// Also to make room, and to set the size.
    pub const WRITING: u64 = WRITE | 1 << 8 | 1 << 22;
    /// All that is more than naming a file: to seek, to sync, to ask; and what is done in a directory.
    pub const ALWAYS: u64 = 0x3fff_ffff & !READ & !WRITING & !SOCKETS;
    pub const ALL: u64 = 0x3fff_ffff & !SOCKETS;
    /// To make a file, and what else changes a directory.
    pub const MUTATE: u64 = 1 << 10;
    const SOCKETS: u64 = 1 << 28 | 1 << 29;
}

/// The flags of a descriptor, which are rights and flags of preview1.
mod flags {
    pub const READ: u64 = 1;
    pub const WRITE: u64 = 2;
    pub const MUTATE_DIRECTORY: u64 = 32;
    /// Flag of the interface, flag of preview1: to wait for the storage.
    pub const SYNC: [(u64, u64); 3] = [(4, 16), (8, 2), (16, 8)];
}

/// The result of a function of a descriptor.
fn filed(done: Done) -> Served {
    match done {
        Ok(value) => Ok(Some(Value::ok(value))),
        Err(Fail::Errno(errno)) => Ok(Some(Value::err(Value::Int(code(errno))))),
        Err(Fail::Stop(stop)) => Err(stop),
    }
}

fn fd(world: &mut World<'_>, handle: &Value) -> Result<u64, Stop> {
    Ok(world.resources.descriptor(handle.int())?.into())
}

/// A function that has a descriptor, numbers and nothing to say.
fn plain(world: &mut World<'_>, name: &str, args: &[Value]) -> Served {
    let mut raw = vec![fd(world, &args[0])?];
    raw.extend(args[1..].iter().map(Value::int));
    filed(preview1::plain(world.wasi, name, &raw).map(|()| None))
}

pub(super) fn directories(world: &mut World<'_>, _: &[Value]) -> Served {
    let mut found = Vec::new();
    for fd in FIRST_PREOPEN.. {
        let name = match preopen(world, fd) {
            Ok(name) => name,
            // The first that is none ends the list, as preview1 has it.
            Err(Fail::Errno(_)) => break,
            Err(Fail::Stop(stop)) => return Err(stop),
        };
        let handle = world.resources.insert(Resource::Descriptor(fd))?;
        found.push(Value::Tuple(vec![Value::Int(handle), Value::Text(name)]));
    }
    Ok(Some(Value::List(found)))
}

fn preopen(world: &mut World<'_>, fd: u32) -> Result<String, Fail> {
    let prestat = preview1::result::<8>(world.wasi, "fd_prestat_get", &[fd.into()])?;
    let len = prestat[4..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
    let mut name = vec![0; len as usize];
    preview1::call(world.wasi, "fd_prestat_dir_name", &mut name, &[fd.into(), 0, len.into()])?;
    Ok(String::from_utf8_lossy(&name).into_owned())
}

pub(super) fn read_via_stream(world: &mut World<'_>, args: &[Value]) -> Served {
    let (fd, offset) = (fd(world, &args[0])? as u32, args[1].int());
    let done = place(world, fd, offset).and_then(|place| {
        let handle = world.resources.insert(Resource::Input { fd, place })?;
        Ok(Some(Value::Int(handle)))
    });
    filed(done)
}

pub(super) fn write_via_stream(world: &mut World<'_>, args: &[Value]) -> Served {
    let (fd, offset) = (fd(world, &args[0])? as u32, args[1].int());
    let done = place(world, fd, offset).and_then(|place| writes(world, fd, place));
    filed(done)
}

pub(super) fn append_via_stream(world: &mut World<'_>, args: &[Value]) -> Served {
    let fd = fd(world, &args[0])? as u32;
    let done = place(world, fd, 0).and_then(|place| match place {
        Place::Position => writes(world, fd, place),
        Place::Offset(_) | Place::End => writes(world, fd, Place::End),
    });
    filed(done)
}

fn writes(world: &mut World<'_>, fd: u32, place: Place) -> Done {
    let stream = OutputStream { fd, place, permitted: 0 };
    Ok(Some(Value::Int(world.resources.insert(Resource::Output(stream))?)))
}

/// Where a stream of a descriptor begins: at the offset, where there are such.
fn place(world: &mut World<'_>, fd: u32, offset: u64) -> Result<Place, Fail> {
    const REGULAR: u8 = 4;
    const BLOCK_DEVICE: u8 = 1;
    match status(world, fd.into())?[0] {
        REGULAR | BLOCK_DEVICE => Ok(Place::Offset(offset)),
        DIRECTORY => Err(Errno::IsDir.into()),
        _ => Ok(Place::Position),
    }
}

/// witx: `$fdstat`.
fn status(world: &mut World<'_>, fd: u64) -> Result<[u8; 24], Fail> {
    preview1::result(world.wasi, "fd_fdstat_get", &[fd])
}

pub(super) fn advise(world: &mut World<'_>, args: &[Value]) -> Served {
    plain(world, "fd_advise", args)
}

pub(super) fn sync_data(world: &mut World<'_>, args: &[Value]) -> Served {
    plain(world, "fd_datasync", args)
}

pub(super) fn sync(world: &mut World<'_>, args: &[Value]) -> Served {
    plain(world, "fd_sync", args)
}

pub(super) fn set_size(world: &mut World<'_>, args: &[Value]) -> Served {
    plain(world, "fd_filestat_set_size", args)
}

pub(super) fn get_flags(world: &mut World<'_>, args: &[Value]) -> Served {
    let fd = fd(world, &args[0])?;
    let done = status(world, fd).map(|status| {
        let rights = status[8..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let fdflags = u64::from(u16::from_le_bytes([status[2], status[3]]));
        let mut found = 0;
        let access =
            [(rights::READ, flags::READ), (rights::WRITE, flags::WRITE), (rights::MUTATE, flags::MUTATE_DIRECTORY)];
        for (right, flag) in access {
            found |= if rights & right != 0 { flag } else { 0 };
        }
        for (flag, fdflag) in flags::SYNC {
            found |= if fdflags & fdflag != 0 { flag } else { 0 };
        }
        Some(Value::Int(found))
    });
    filed(done)
}

/// The number of a type of files in the interface, of the one in preview1.
fn descriptor_type(file_type: u8) -> u64 {
    match file_type {
        1 => 1,
        2 => 2,
        DIRECTORY => 3,
        4 => 6,
        5 | 6 => 7,
        7 => 5,
        _ => 0,
    }
}

pub(super) fn get_type(world: &mut World<'_>, args: &[Value]) -> Served {
    let fd = fd(world, &args[0])?;
    filed(status(world, fd).map(|status| Some(Value::Int(descriptor_type(status[0])))))
}

pub(super) fn read(world: &mut World<'_>, args: &[Value]) -> Served {
    let (fd, len, offset) = (fd(world, &args[0])? as u32, args[1].int().min(READ_MAX), args[2].int());
    let done = preview1::read(world.wasi, fd, len as usize, Some(offset)).map(|bytes| {
        let is_at_end = bytes.is_empty() && len != 0;
        Some(Value::Tuple(vec![Value::Bytes(bytes), Value::Int(is_at_end.into())]))
    });
    filed(done)
}

pub(super) fn write(world: &mut World<'_>, args: &[Value]) -> Served {
    let (fd, offset) = (fd(world, &args[0])? as u32, args[2].int());
    let done = preview1::write(world.wasi, fd, args[1].bytes(), Some(offset));
    filed(done.map(|count| Some(Value::Int(count as u64))))
}

/// What an error of a stream of a file is.
pub(super) fn error_code(world: &mut World<'_>, args: &[Value]) -> Served {
    let errno = world.resources.error(args[0].int())?;
    Ok(Some(Value::option(Some(Value::Int(code(errno))))))
}
