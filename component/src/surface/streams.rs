//! `wasi:io/streams` and `wasi:io/error`.
//!
//! Nothing is buffered here: what is written has been written when the call returns, so that to flush is to do nothing.

use super::resources::{Place, Resource, Wait};
use super::{Fail, Stop, World, poll, preview1};
use crate::abi::{Trap, Value};
use heapwood_wasi::Errno;

type Served = Result<Option<Value>, Stop>;

/// Bytes that a call reads at most.
const READ_MAX: u64 = 64 << 10;
/// Bytes that a stream takes at a time: as many as a pipe has room for when it is ready.
const STREAM_WRITE: u64 = 4096;
/// Bytes that a stream to a file takes at a time.
const FILE_WRITE: u64 = 1 << 20;
/// Bytes that a call writes at most that does not ask first.
const BLOCKING_WRITE_MAX: usize = 4096;

pub(super) fn to_debug_string(world: &mut World<'_>, args: &[Value]) -> Served {
    let errno = world.resources.error(args[0].int())?;
    Ok(Some(Value::Text(errno.to_string())))
}

/// The result of a function of a stream.
fn streamed(world: &mut World<'_>, result: Result<Option<Value>, Fail>) -> Served {
    let error = match result {
        Ok(value) => return Ok(Some(Value::ok(value))),
        Err(Fail::Stop(stop)) => return Err(stop),
        Err(Fail::Errno(Errno::Pipe)) => Value::Case(1, None),
        Err(Fail::Errno(errno)) => {
            let handle = world.resources.insert(Resource::Error(errno))?;
            Value::Case(0, Some(Box::new(Value::Int(handle))))
        }
    };
    Ok(Some(Value::err(error)))
}

pub(super) fn read(world: &mut World<'_>, args: &[Value]) -> Served {
    let bytes = read_bytes(world, args[0].int(), args[1].int(), false);
    streamed(world, bytes.map(|bytes| Some(Value::Bytes(bytes))))
}

pub(super) fn blocking_read(world: &mut World<'_>, args: &[Value]) -> Served {
    let bytes = read_bytes(world, args[0].int(), args[1].int(), true);
    streamed(world, bytes.map(|bytes| Some(Value::Bytes(bytes))))
}

pub(super) fn skip(world: &mut World<'_>, args: &[Value]) -> Served {
    let bytes = read_bytes(world, args[0].int(), args[1].int(), false);
    streamed(world, bytes.map(|bytes| Some(Value::Int(bytes.len() as u64))))
}

pub(super) fn blocking_skip(world: &mut World<'_>, args: &[Value]) -> Served {
    let bytes = read_bytes(world, args[0].int(), args[1].int(), true);
    streamed(world, bytes.map(|bytes| Some(Value::Int(bytes.len() as u64))))
}

/// At least one byte; none if none were asked for, or if nothing is there and the call must not wait.
fn read_bytes(world: &mut World<'_>, handle: u64, len: u64, waits: bool) -> Result<Vec<u8>, Fail> {
    let (fd, place) = world.resources.input(handle)?;
    let place = *place;
    if len == 0 {
        return Ok(Vec::new());
    }
    let offset = match place {
        Place::Offset(offset) => Some(offset),
        Place::Position | Place::End => None,
    };
    if offset.is_none() && !waits && !poll::is_ready(world, Wait::Read(fd))? {
        return Ok(Vec::new());
    }
    let bytes = preview1::read(world.wasi, fd, len.min(READ_MAX) as usize, offset)?;
    if bytes.is_empty() {
        // The end: `streamed` makes of it that the stream is closed.
        return Err(Errno::Pipe.into());
    }
    if let Some(offset) = offset {
        *world.resources.input(handle)?.1 = Place::Offset(offset + bytes.len() as u64);
    }
    Ok(bytes)
}

pub(super) fn subscribe_input(world: &mut World<'_>, args: &[Value]) -> Served {
    let (fd, _) = world.resources.input(args[0].int())?;
    Ok(Some(Value::Int(world.resources.insert(Resource::Pollable(Wait::Read(fd)))?)))
}

pub(super) fn subscribe_output(world: &mut World<'_>, args: &[Value]) -> Served {
    let fd = world.resources.output(args[0].int())?.fd;
    Ok(Some(Value::Int(world.resources.insert(Resource::Pollable(Wait::Write(fd)))?)))
}

pub(super) fn check_write(world: &mut World<'_>, args: &[Value]) -> Served {
    let permitted = permit(world, args[0].int());
    streamed(world, permitted.map(|count| Some(Value::Int(count))))
}

/// How many bytes may be written now, which the stream remembers.
fn permit(world: &mut World<'_>, handle: u64) -> Result<u64, Fail> {
    let room = room(world, handle)?;
    world.resources.output(handle)?.permitted = room;
    Ok(room)
}

fn room(world: &mut World<'_>, handle: u64) -> Result<u64, Fail> {
    let stream = *world.resources.output(handle)?;
    Ok(match stream.place {
        Place::Offset(_) | Place::End => FILE_WRITE,
        Place::Position if poll::is_ready(world, Wait::Write(stream.fd))? => STREAM_WRITE,
        Place::Position => 0,
    })
}

pub(super) fn write(world: &mut World<'_>, args: &[Value]) -> Served {
    let written = write_permitted(world, args[0].int(), args[1].bytes());
    streamed(world, written)
}

pub(super) fn write_zeroes(world: &mut World<'_>, args: &[Value]) -> Served {
    let written = zeroes(args[1].int(), FILE_WRITE)
        .map_err(Fail::from)
        .and_then(|zeroes| write_permitted(world, args[0].int(), &zeroes));
    streamed(world, written)
}

/// Writes what the guest has asked for before.
fn write_permitted(world: &mut World<'_>, handle: u64, bytes: &[u8]) -> Result<Option<Value>, Fail> {
    let stream = world.resources.output(handle)?;
    let (len, permitted) = (bytes.len() as u64, stream.permitted);
    if len > permitted {
        return Err(Trap(format!("{len} bytes are written where {permitted} were permitted")).into());
    }
    stream.permitted -= len;
    write_all(world, handle, bytes)?;
    Ok(None)
}

pub(super) fn blocking_write_and_flush(world: &mut World<'_>, args: &[Value]) -> Served {
    let written = write_blocking(world, args[0].int(), args[1].bytes());
    streamed(world, written)
}

pub(super) fn blocking_write_zeroes_and_flush(world: &mut World<'_>, args: &[Value]) -> Served {
    let written = zeroes(args[1].int(), BLOCKING_WRITE_MAX as u64)
        .map_err(Fail::from)
        .and_then(|zeroes| write_blocking(world, args[0].int(), &zeroes));
    streamed(world, written)
}

fn write_blocking(world: &mut World<'_>, handle: u64, bytes: &[u8]) -> Result<Option<Value>, Fail> {
    too_many(bytes.len() as u64, BLOCKING_WRITE_MAX as u64)?;
    write_all(world, handle, bytes)?;
    Ok(None)
}

fn too_many(len: u64, max: u64) -> Result<(), Trap> {
    match len > max {
        true => Err(Trap(format!("{len} bytes are written at a time; the limit is {max}"))),
        false => Ok(()),
    }
}

fn zeroes(len: u64, max: u64) -> Result<Vec<u8>, Trap> {
    too_many(len, max)?;
    Ok(vec![0; len as usize])
}

/// Writes all of it, however long that takes.
fn write_all(world: &mut World<'_>, handle: u64, mut bytes: &[u8]) -> Result<(), Fail> {
    let mut stream = *world.resources.output(handle)?;
    while !bytes.is_empty() {
        let count = match stream.place {
            Place::Position => preview1::write(world.wasi, stream.fd, bytes, None)?,
            Place::Offset(offset) => {
                let count = preview1::write(world.wasi, stream.fd, bytes, Some(offset))?;
                stream.place = Place::Offset(offset + count as u64);
                world.resources.output(handle)?.place = stream.place;
                count
            }
            Place::End => append(world, stream.fd, bytes)?,
        };
        if count == 0 {
            return Err(Errno::Io.into());
        }
        bytes = &bytes[count.min(bytes.len())..];
    }
    Ok(())
}

/// Writes at the end of a file, wherever that is by then.
fn append(world: &mut World<'_>, fd: u32, bytes: &[u8]) -> Result<usize, Fail> {
    const APPEND: u16 = 1;
    let status = preview1::result::<24>(world.wasi, "fd_fdstat_get", &[fd.into()])?;
    let flags = u16::from_le_bytes([status[2], status[3]]);
    preview1::plain(world.wasi, "fd_fdstat_set_flags", &[fd.into(), (flags | APPEND).into()])?;
    let written = preview1::write(world.wasi, fd, bytes, None);
    preview1::plain(world.wasi, "fd_fdstat_set_flags", &[fd.into(), flags.into()])?;
    written
}

pub(super) fn flush(world: &mut World<'_>, args: &[Value]) -> Served {
    world.resources.output(args[0].int())?;
    Ok(Some(Value::ok(None)))
}

pub(super) fn splice(world: &mut World<'_>, args: &[Value]) -> Served {
    let moved = move_bytes(world, args, false);
    streamed(world, moved.map(|count| Some(Value::Int(count))))
}

pub(super) fn blocking_splice(world: &mut World<'_>, args: &[Value]) -> Served {
    let moved = move_bytes(world, args, true);
    streamed(world, moved.map(|count| Some(Value::Int(count))))
}

fn move_bytes(world: &mut World<'_>, args: &[Value], waits: bool) -> Result<u64, Fail> {
    let (to, from, len) = (args[0].int(), args[1].int(), args[2].int());
    let room = if waits { BLOCKING_WRITE_MAX as u64 } else { room(world, to)? };
    let bytes = read_bytes(world, from, len.min(room), waits)?;
    write_all(world, to, &bytes)?;
    Ok(bytes.len() as u64)
}
