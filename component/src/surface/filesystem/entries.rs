//! The entries of a directory.

use super::{DIRECTORY, Served, descriptor_type, fd, filed, status};
use crate::abi::Value;
use crate::surface::resources::{EntryStream, Resource};
use crate::surface::{Fail, World, preview1};
use heapwood_wasi::Errno;

/// Bytes of entries that are read of a directory at a time: more than the longest entry.
const ENTRIES: usize = 8192;

pub(in crate::surface) fn read_directory(world: &mut World<'_>, args: &[Value]) -> Served {
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

pub(in crate::surface) fn read_directory_entry(world: &mut World<'_>, args: &[Value]) -> Served {
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
