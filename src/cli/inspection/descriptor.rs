//! Descriptors that clients pass: they have to be of files that can be written to, or the guest could be kept waiting,
//! and a request would be said to be done that is not.

use rustix::fs::{OFlags, SealFlags, fcntl_get_seals, fcntl_getfl};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

/// The file that came with a request.
///
/// # Errors
/// There is none, it is no regular file, or it cannot be written to.
pub fn file(descriptor: Option<OwnedFd>) -> Result<File, String> {
    let file = File::from(descriptor.ok_or("this request comes with a descriptor of a file")?);
    match file.metadata() {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Err("only a regular file can be written to".to_owned()),
        Err(error) => return Err(error.to_string()),
    }
    check_writable(&file, "the descriptor of the file")?;
    Ok(file)
}

/// # Errors
/// What is called `name` cannot be written to, whatever its file allows.
pub fn check_writable(descriptor: impl AsFd, name: &str) -> Result<(), String> {
    let flags = fcntl_getfl(&descriptor).map_err(|error| format!("{name}: {error}"))?;
    if flags.contains(OFlags::PATH) {
        return Err(format!("{name} only names it: it was opened with O_PATH"));
    }
    if !matches!(flags & OFlags::RWMODE, OFlags::WRONLY | OFlags::RDWR) {
        return Err(format!("{name} is read-only"));
    }
    // Only files in memory have seals.
    let seals = fcntl_get_seals(&descriptor).unwrap_or(SealFlags::empty());
    if seals.intersects(SealFlags::WRITE | SealFlags::FUTURE_WRITE | SealFlags::GROW) {
        return Err(format!("{name} is sealed: nothing can be added to the file"));
    }
    Ok(())
}
