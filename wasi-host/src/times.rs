//! The times that `fd_filestat_set_times` and `path_filestat_set_times` set.

use crate::errno::Errno;
use crate::types::TimeFlags;
use rustix::fs::{Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};

/// Times in ns since 1970, with the flags of witx `$fstflags`.
///
/// # Errors
/// `INVAL` for unknown flags and for a time that is to be given and now at once.
pub(crate) fn from_guest(atim: u64, mtim: u64, flags: u32) -> Result<Timestamps, Errno> {
    let flags = TimeFlags::from_guest(flags)?;
    Ok(Timestamps {
        last_access: one(atim, flags.has(TimeFlags::ATIM), flags.has(TimeFlags::ATIM_NOW))?,
        last_modification: one(mtim, flags.has(TimeFlags::MTIM), flags.has(TimeFlags::MTIM_NOW))?,
    })
}

fn one(ns: u64, given: bool, now: bool) -> Result<Timespec, Errno> {
    match (given, now) {
        (true, true) => Err(Errno::Inval),
        (true, false) => Ok(Timespec { tv_sec: (ns / 1_000_000_000) as i64, tv_nsec: (ns % 1_000_000_000) as _ }),
        (false, true) => Ok(Timespec { tv_sec: 0, tv_nsec: UTIME_NOW }),
        (false, false) => Ok(Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT }),
    }
}
