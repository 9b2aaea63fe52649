//! What is known of a file: type, size, times, and what tells it from others.

use super::{Served, descriptor_type, fd, filed};
use crate::abi::Value;
use crate::surface::clocks::{NS, datetime};
use crate::surface::{Fail, World, preview1};
use heapwood_wasi::Errno;

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

pub(in crate::surface) fn set_times(world: &mut World<'_>, args: &[Value]) -> Served {
    let fd = fd(world, &args[0])?;
    let done = times(&args[1], &args[2]).and_then(|[accessed, modified, how]| {
        preview1::plain(world.wasi, "fd_filestat_set_times", &[fd, accessed, modified, how])
    });
    filed(done.map(|()| None))
}

pub(in crate::surface) fn set_times_at(world: &mut World<'_>, args: &[Value]) -> Served {
    let (fd, lookup) = (fd(world, &args[0])?, args[1].int());
    let done = times(&args[3], &args[4]).and_then(|[accessed, modified, how]| {
        let name = "path_filestat_set_times";
        preview1::with_paths::<1, 0>(world.wasi, name, [args[2].text()], |[[at, len]]| {
            vec![fd, lookup, at, len, accessed, modified, how]
        })
    });
    filed(done.map(|_| None))
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

/// What the file system says of a path; the arguments are descriptor, flags and path.
fn stat_of_path(world: &mut World<'_>, args: &[Value]) -> Result<Stat, Fail> {
    let (fd, lookup) = (fd(world, &args[0])?, args[1].int());
    let stat = preview1::with_paths(world.wasi, "path_filestat_get", [args[2].text()], |[[at, len]]| {
        vec![fd, lookup, at, len, 0]
    });
    stat.map(Stat::of)
}

pub(in crate::surface) fn stat(world: &mut World<'_>, args: &[Value]) -> Served {
    let fd = fd(world, &args[0])?;
    filed(stat_of(world, fd).map(|stat| Some(stat.value())))
}

pub(in crate::surface) fn stat_at(world: &mut World<'_>, args: &[Value]) -> Served {
    filed(stat_of_path(world, args).map(|stat| Some(stat.value())))
}

pub(in crate::surface) fn metadata_hash(world: &mut World<'_>, args: &[Value]) -> Served {
    let fd = fd(world, &args[0])?;
    filed(stat_of(world, fd).map(|stat| Some(stat.hash())))
}

pub(in crate::surface) fn metadata_hash_at(world: &mut World<'_>, args: &[Value]) -> Served {
    filed(stat_of_path(world, args).map(|stat| Some(stat.hash())))
}

pub(in crate::surface) fn is_same_object(world: &mut World<'_>, args: &[Value]) -> Served {
    let (one, other) = (fd(world, &args[0])?, fd(world, &args[1])?);
    let is_same = match (stat_of(world, one), stat_of(world, other)) {
        (Ok(one), Ok(other)) => one.0[..2] == other.0[..2],
        (Err(Fail::Stop(stop)), _) | (_, Err(Fail::Stop(stop))) => return Err(stop),
        _ => false,
    };
    Ok(Some(Value::Int(is_same.into())))
}
