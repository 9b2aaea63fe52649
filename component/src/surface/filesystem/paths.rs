//! What takes a path: opening, making, renaming, removing, links.

use super::{Done, Served, fd, filed, flags, rights};
use crate::abi::Value;
use crate::surface::resources::Resource;
use crate::surface::{World, preview1};
use heapwood_wasi::Errno;

/// A function that has a descriptor, a path and nothing to say.
fn on_path(world: &mut World<'_>, name: &str, args: &[Value]) -> Served {
    let fd = fd(world, &args[0])?;
    let done = preview1::with_paths::<1, 0>(world.wasi, name, [args[1].text()], |[[at, len]]| vec![fd, at, len]);
    filed(done.map(|_| None))
}

pub(in crate::surface) fn create_directory_at(world: &mut World<'_>, args: &[Value]) -> Served {
    on_path(world, "path_create_directory", args)
}

pub(in crate::surface) fn remove_directory_at(world: &mut World<'_>, args: &[Value]) -> Served {
    on_path(world, "path_remove_directory", args)
}

pub(in crate::surface) fn unlink_file_at(world: &mut World<'_>, args: &[Value]) -> Served {
    on_path(world, "path_unlink_file", args)
}

pub(in crate::surface) fn link_at(world: &mut World<'_>, args: &[Value]) -> Served {
    let (from, lookup, to) = (fd(world, &args[0])?, args[1].int(), fd(world, &args[3])?);
    let paths = [args[2].text(), args[4].text()];
    let done = preview1::with_paths::<2, 0>(world.wasi, "path_link", paths, |[[old, old_len], [new, new_len]]| {
        vec![from, lookup, old, old_len, to, new, new_len]
    });
    filed(done.map(|_| None))
}

pub(in crate::surface) fn rename_at(world: &mut World<'_>, args: &[Value]) -> Served {
    let (from, to) = (fd(world, &args[0])?, fd(world, &args[2])?);
    let paths = [args[1].text(), args[3].text()];
    let done = preview1::with_paths::<2, 0>(world.wasi, "path_rename", paths, |[[old, old_len], [new, new_len]]| {
        vec![from, old, old_len, to, new, new_len]
    });
    filed(done.map(|_| None))
}

pub(in crate::surface) fn symlink_at(world: &mut World<'_>, args: &[Value]) -> Served {
    let fd = fd(world, &args[0])?;
    let paths = [args[1].text(), args[2].text()];
    let done = preview1::with_paths::<2, 0>(world.wasi, "path_symlink", paths, |[[target, target_len], [at, len]]| {
        vec![target, target_len, fd, at, len]
    });
    filed(done.map(|_| None))
}

pub(in crate::surface) fn readlink_at(world: &mut World<'_>, args: &[Value]) -> Served {
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

pub(in crate::surface) fn open_at(world: &mut World<'_>, args: &[Value]) -> Served {
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
