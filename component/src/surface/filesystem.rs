//! `wasi:filesystem`: files and directories below those that were granted.

use super::clocks::{NS, datetime};
use super::errors::code;
use super::resources::{EntryStream, OutputStream, Place, Resource};
use super::{Fail, Stop, World, preview1};
use crate::abi::Value;
use heapwood_wasi::Errno;

type Served = Result<Option<Value>, Stop>;
/// What a function has to say before errors are put into words of the interface.
type Done = Result<Option<Value>, Fail>;

/// Bytes that a call reads at most.
const READ_MAX: u64 = 1 << 20;
/// Bytes of entries that are read of a directory at a time: more than the longest entry.
const ENTRIES: usize = 8192;
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

/// A function that has a descriptor, a path and nothing to say.
fn on_path(world: &mut World<'_>, name: &str, args: &[Value]) -> Served {
    let fd = fd(world, &args[0])?;
    let done = preview1::with_paths::<1, 0>(world.wasi, name, [args[1].text()], |[[at, len]]| vec![fd, at, len]);
    filed(done.map(|_| None))
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

/// Two times as arguments of preview1: both in ns, and what is to become of them.
fn times(accessed: &Value, modified: &Value) -> Result<[u64; 3], Fail> {
    let time = |value: &Value| match value {
        Value::Case(2, Some(time)) => {
            let Value::Tuple(parts) = &**time else { unreachable!("the type says so") };
            let ns = parts[0].int().checked_mul(NS).and_then(|ns| ns.checked_add(parts[1].int()));
            ns.map(|ns| (ns, 1)).ok_or(Errno::Overflow)
        }
        Value::Case(1, _) => Ok((0, 2)),
        _ => Ok((0, 0)),
    };
    let ((accessed, how_accessed), (modified, how_modified)) = (time(accessed)?, time(modified)?);
    Ok([accessed, modified, how_accessed | how_modified << 2])
}

pub(super) fn set_times(world: &mut World<'_>, args: &[Value]) -> Served {
    let fd = fd(world, &args[0])?;
    let done = times(&args[1], &args[2]).and_then(|[accessed, modified, how]| {
        preview1::plain(world.wasi, "fd_filestat_set_times", &[fd, accessed, modified, how])
    });
    filed(done.map(|()| None))
}

pub(super) fn set_times_at(world: &mut World<'_>, args: &[Value]) -> Served {
    let (fd, lookup) = (fd(world, &args[0])?, args[1].int());
    let done = times(&args[3], &args[4]).and_then(|[accessed, modified, how]| {
        let name = "path_filestat_set_times";
        preview1::with_paths::<1, 0>(world.wasi, name, [args[2].text()], |[[at, len]]| {
            vec![fd, lookup, at, len, accessed, modified, how]
        })
    });
    filed(done.map(|_| None))
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

pub(super) fn read_directory(world: &mut World<'_>, args: &[Value]) -> Served {
    let fd = fd(world, &args[0])? as u32;
    let done = status(world, fd.into()).and_then(|status| {
        if status[0] != DIRECTORY {
            return Err(Errno::NotDir.into());
        }
        let stream = EntryStream { fd, ..EntryStream::default() };
        Ok(Some(Value::Int(world.resources.insert(Resource::Entries(stream))?)))
    });
    filed(done)
}

pub(super) fn read_directory_entry(world: &mut World<'_>, args: &[Value]) -> Served {
    filed(next_entry(world, args[0].int()).map(|entry| Some(Value::option(entry))))
}

fn next_entry(world: &mut World<'_>, handle: u64) -> Result<Option<Value>, Fail> {
    loop {
        let stream = world.resources.entries(handle)?;
        match stream.read.pop_front() {
            // The interface leaves them out.
            Some((_, name)) if matches!(&name[..], b"." | b"..") => {}
            Some((file_type, name)) => {
                let name = String::from_utf8(name).map_err(|_| Errno::IlSeq)?;
                let file_type = Value::Int(descriptor_type(file_type));
                return Ok(Some(Value::Tuple(vec![file_type, Value::Text(name)])));
            }
            None if stream.is_at_end => return Ok(None),
            None => read_entries(world, handle)?,
        }
    }
}

/// Reads some entries (witx: `$dirent`, 24 bytes, then the name), of which the last one may be cut off.
fn read_entries(world: &mut World<'_>, handle: u64) -> Result<(), Fail> {
    const HEADER: usize = 24;
    let (fd, cookie) = world.resources.entries(handle).map(|stream| (stream.fd, stream.cookie))?;
    let mut memory = vec![0; 8 + ENTRIES];
    preview1::call(world.wasi, "fd_readdir", &mut memory, &[fd.into(), 8, ENTRIES as u64, cookie, 0])?;
    let used = memory.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize).min(ENTRIES);
    let stream = world.resources.entries(handle)?;
    let mut rest = &memory[8..8 + used];
    while let Some((header, after)) = rest.split_at_checked(HEADER) {
        let len = header[16..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize);
        let Some((name, after)) = after.split_at_checked(len) else { break };
        stream.cookie = header.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        stream.read.push_back((header[20], name.to_vec()));
        rest = after;
    }
    // Without a whole one there would be no next place to read from.
    stream.is_at_end = used < ENTRIES || stream.read.is_empty();
    Ok(())
}

pub(super) fn create_directory_at(world: &mut World<'_>, args: &[Value]) -> Served {
    on_path(world, "path_create_directory", args)
}

pub(super) fn remove_directory_at(world: &mut World<'_>, args: &[Value]) -> Served {
    on_path(world, "path_remove_directory", args)
}

pub(super) fn unlink_file_at(world: &mut World<'_>, args: &[Value]) -> Served {
    on_path(world, "path_unlink_file", args)
}

/// witx: `$filestat`, in numbers of 8 bytes: device, inode, type, links, size, times.
struct Stat([u64; 8]);

impl Stat {
    fn of(bytes: [u8; 64]) -> Stat {
        let mut numbers = [0; 8];
        for (number, bytes) in numbers.iter_mut().zip(bytes.chunks_exact(8)) {
            *number = bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        }
        Stat(numbers)
    }

    fn value(&self) -> Value {
        let time = |ns| Value::option(Some(datetime(ns)));
        let [_, _, file_type, links, size, accessed, modified, changed] = self.0;
        Value::Tuple(vec![
            Value::Int(descriptor_type((file_type & 0xff) as u8)),
            Value::Int(links),
            Value::Int(size),
            time(accessed),
            time(modified),
            time(changed),
        ])
    }

    /// What tells a file from others: the numbers by which preview1 does.
    fn hash(&self) -> Value {
        Value::Tuple(vec![Value::Int(self.0[1]), Value::Int(self.0[0])])
    }
}

fn stat_of(world: &mut World<'_>, fd: u64) -> Result<Stat, Fail> {
    preview1::result(world.wasi, "fd_filestat_get", &[fd]).map(Stat::of)
}

/// The same for a path: descriptor, flags, path.
fn stat_of_path(world: &mut World<'_>, args: &[Value]) -> Result<Stat, Fail> {
    let (fd, lookup) = (fd(world, &args[0])?, args[1].int());
    let stat = preview1::with_paths(world.wasi, "path_filestat_get", [args[2].text()], |[[at, len]]| {
        vec![fd, lookup, at, len, 0]
    });
    stat.map(Stat::of)
}

pub(super) fn stat(world: &mut World<'_>, args: &[Value]) -> Served {
    let fd = fd(world, &args[0])?;
    filed(stat_of(world, fd).map(|stat| Some(stat.value())))
}

pub(super) fn stat_at(world: &mut World<'_>, args: &[Value]) -> Served {
    filed(stat_of_path(world, args).map(|stat| Some(stat.value())))
}

pub(super) fn metadata_hash(world: &mut World<'_>, args: &[Value]) -> Served {
    let fd = fd(world, &args[0])?;
    filed(stat_of(world, fd).map(|stat| Some(stat.hash())))
}

pub(super) fn metadata_hash_at(world: &mut World<'_>, args: &[Value]) -> Served {
    filed(stat_of_path(world, args).map(|stat| Some(stat.hash())))
}

pub(super) fn is_same_object(world: &mut World<'_>, args: &[Value]) -> Served {
    let (one, other) = (fd(world, &args[0])?, fd(world, &args[1])?);
    let is_same = match (stat_of(world, one), stat_of(world, other)) {
        (Ok(one), Ok(other)) => one.0[..2] == other.0[..2],
        (Err(Fail::Stop(stop)), _) | (_, Err(Fail::Stop(stop))) => return Err(stop),
        _ => false,
    };
    Ok(Some(Value::Int(is_same.into())))
}

pub(super) fn link_at(world: &mut World<'_>, args: &[Value]) -> Served {
    let (from, lookup, to) = (fd(world, &args[0])?, args[1].int(), fd(world, &args[3])?);
    let paths = [args[2].text(), args[4].text()];
    let done = preview1::with_paths::<2, 0>(world.wasi, "path_link", paths, |[[old, old_len], [new, new_len]]| {
        vec![from, lookup, old, old_len, to, new, new_len]
    });
    filed(done.map(|_| None))
}

pub(super) fn rename_at(world: &mut World<'_>, args: &[Value]) -> Served {
    let (from, to) = (fd(world, &args[0])?, fd(world, &args[2])?);
    let paths = [args[1].text(), args[3].text()];
    let done = preview1::with_paths::<2, 0>(world.wasi, "path_rename", paths, |[[old, old_len], [new, new_len]]| {
        vec![from, old, old_len, to, new, new_len]
    });
    filed(done.map(|_| None))
}

pub(super) fn symlink_at(world: &mut World<'_>, args: &[Value]) -> Served {
    let fd = fd(world, &args[0])?;
    let paths = [args[1].text(), args[2].text()];
    let done = preview1::with_paths::<2, 0>(world.wasi, "path_symlink", paths, |[[target, target_len], [at, len]]| {
        vec![target, target_len, fd, at, len]
    });
    filed(done.map(|_| None))
}

pub(super) fn readlink_at(world: &mut World<'_>, args: &[Value]) -> Served {
    // As long as a path of the host can be.
    const TARGET_MAX: usize = 4096;
    let (fd, path) = (fd(world, &args[0])?, args[1].text());
    let mut memory = vec![0; 8 + TARGET_MAX];
    memory.extend(path.as_bytes());
    let call = [fd, 8 + TARGET_MAX as u64, path.len() as u64, 8, TARGET_MAX as u64, 0];
    let done = preview1::call(world.wasi, "path_readlink", &mut memory, &call).and_then(|()| {
        let len = memory.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize);
        let target = String::from_utf8(memory[8..8 + len.min(TARGET_MAX)].to_vec()).map_err(|_| Errno::IlSeq)?;
        Ok(Some(Value::Text(target)))
    });
    filed(done)
}

pub(super) fn open_at(world: &mut World<'_>, args: &[Value]) -> Served {
    let (fd, lookup, open, wanted) = (fd(world, &args[0])?, args[1].int(), args[3].int(), args[4].int());
    let reads = if wanted & flags::READ != 0 { rights::READ } else { 0 };
    let writes = if wanted & flags::WRITE != 0 { rights::WRITING } else { 0 };
    let sync = flags::SYNC.iter().filter(|(flag, _)| wanted & flag != 0).fold(0, |all, (_, fdflag)| all | fdflag);
    let done = open_with(world, args[2].text(), |[at, len]| {
        vec![fd, lookup, at, len, open, rights::ALWAYS | reads | writes, rights::ALL, sync, 0]
    });
    filed(done)
}

fn open_with(world: &mut World<'_>, path: &str, args: impl FnOnce([u64; 2]) -> Vec<u64>) -> Done {
    let fd = preview1::with_paths(world.wasi, "path_open", [path], |[place]| args(place)).map(u32::from_le_bytes)?;
    world.resources.own(fd);
    Ok(Some(Value::Int(world.resources.insert(Resource::Descriptor(fd))?)))
}

/// What an error of a stream of a file is.
pub(super) fn error_code(world: &mut World<'_>, args: &[Value]) -> Served {
    let errno = world.resources.error(args[0].int())?;
    Ok(Some(Value::option(Some(Value::Int(code(errno))))))
}
