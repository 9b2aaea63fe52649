//! Paths as Kotlin's libraries write them, and that nobody else's are taken so.

mod common;

use common::*;
use heapwood_wasi::{DirAccess, Errno, WasiCtxBuilder};

/// Directories `/data` (descriptor 3), `/data/deep` (4, only for reading) and `rel` (5) of the guest.
fn guest(kotlin: bool) -> (Scratch, Guest) {
    let scratch = Scratch::new();
    for dir in ["data", "deep", "rel"] {
        std::fs::create_dir_all(scratch.join(dir).join("sub")).unwrap();
        scratch.write(&format!("{dir}/file"), dir.as_bytes());
    }
    scratch.write("secret", b"secret");
    let builder = WasiCtxBuilder::new()
        .preopen_dir(scratch.join("data"), "/data", DirAccess::ReadWrite)
        .preopen_dir(scratch.join("deep"), "/data/deep/", DirAccess::ReadOnly)
        .preopen_dir(scratch.join("rel"), "rel", DirAccess::ReadWrite)
        .kotlin_paths(kotlin);
    let guest = Guest::new(builder);
    (scratch, guest)
}

fn contents(guest: &mut Guest, fd: u64, path: &str) -> Result<String, Errno> {
    let file = guest.open_with(fd, 0, path, 0, FD_READ, 0, 0)?;
    let (iovec, buffer) = (guest.space(8), guest.space(64));
    guest.memory[iovec as usize..][..4].copy_from_slice(&(buffer as u32).to_le_bytes());
    guest.memory[iovec as usize + 4..][..4].copy_from_slice(&64u32.to_le_bytes());
    guest.ok("fd_read", &[file, iovec, 1, u64::from(RESULT)]);
    guest.ok("fd_close", &[file]);
    let count = u32::from_le_bytes(guest.memory[RESULT as usize..][..4].try_into().unwrap());
    Ok(String::from_utf8(guest.memory[buffer as usize..][..count as usize].to_vec()).unwrap())
}

#[test]
fn a_path_may_end_with_a_zero_byte_and_be_absolute() {
    let (_scratch, mut guest) = guest(true);
    for (path, expected) in [
        ("file", "data"),
        ("file\0", "data"),
        ("/data/file", "data"),
        ("/data//file\0", "data"),
        ("/data/sub/../file", "data"),
        ("/data/deep/file\0", "deep"),
    ] {
        assert_eq!(contents(&mut guest, ROOT, path).as_deref(), Ok(expected), "{path:?}");
    }
    // Wherever it is resolved from.
    assert_eq!(contents(&mut guest, 5, "/data/deep/file").as_deref(), Ok("deep"));
    assert_eq!(contents(&mut guest, 5, "file\0").as_deref(), Ok("rel"));
}

#[test]
fn every_function_takes_them() {
    let (scratch, mut guest) = guest(true);
    assert!(guest.path_stat(5, 0, "/data/file\0").is_ok());
    let (at, len) = guest.put("/data/file\0");
    guest.ok("path_filestat_set_times", &[5, 0, at, len, 0, 0, 5]);
    assert_eq!(guest.path("path_create_directory", 5, "/data/new\0"), Errno::Success);
    assert!(scratch.join("data/new").is_dir());
    assert_eq!(guest.two_paths("path_rename", (5, "/data/new\0"), (5, "/data/newer\0")), Errno::Success);
    assert_eq!(guest.path("path_remove_directory", 5, "/data/newer\0"), Errno::Success);
    assert_eq!(guest.two_paths("path_link", (5, "/data/file\0"), (ROOT, "linked\0")), Errno::Success);
    assert_eq!(guest.symlink("file\0", 5, "/data/soft\0"), Errno::Success);
    let (at, len) = guest.put("/data/soft\0");
    guest.ok("path_readlink", &[5, at, len, 4096, 64, u64::from(RESULT)]);
    assert_eq!(&guest.memory[4096..4100], b"file");
    assert_eq!(guest.path("path_unlink_file", 5, "/data/linked\0"), Errno::Success);
    assert_eq!(std::fs::read_link(scratch.join("data/soft")).unwrap().to_str(), Some("file"));
    assert!(!scratch.join("data/linked").exists() && !scratch.join("data/newer").exists());
}

#[test]
fn nothing_more_is_reached() {
    let (scratch, mut guest) = guest(true);
    let secret = scratch.join("secret");
    for (path, expected) in [
        (secret.to_str().unwrap(), Errno::Perm),
        ("/data/../secret", Errno::Perm),
        ("/data/deep/../../secret", Errno::Perm),
        ("/database/file", Errno::Perm),
        ("/rel/file", Errno::Perm),
        ("/", Errno::Perm),
        ("fi\0le", Errno::Inval),
        ("file\0\0", Errno::Inval),
        ("\0", Errno::NoEnt),
    ] {
        assert_eq!(contents(&mut guest, ROOT, path), Err(expected), "{path:?}");
    }
    // What lies below a directory that is only for reading is not changed through another one.
    assert_eq!(guest.path("path_unlink_file", ROOT, "/data/deep/file"), Errno::RoFs);
    assert_eq!(guest.two_paths("path_rename", (ROOT, "/data/file"), (ROOT, "/data/deep/file2")), Errno::RoFs);
    // A target of a link is no path of the guest's.
    assert_eq!(guest.symlink("/data/file", ROOT, "absolute"), Errno::Perm);
    // A directory that the guest has closed is not found any more.
    guest.ok("fd_close", &[4]);
    assert_eq!(contents(&mut guest, ROOT, "/data/deep/file"), Err(Errno::NoEnt));
}

#[test]
fn other_guests_are_refused() {
    let (_scratch, mut guest) = guest(false);
    assert_eq!(contents(&mut guest, ROOT, "file").as_deref(), Ok("data"));
    for (path, expected) in [("file\0", Errno::Inval), ("/data/file", Errno::Perm), ("/data/deep/file\0", Errno::Inval)]
    {
        assert_eq!(contents(&mut guest, ROOT, path), Err(expected), "{path:?}");
    }
    assert_eq!(guest.path("path_unlink_file", ROOT, "file\0"), Errno::Inval);
    assert_eq!(guest.symlink("file\0", ROOT, "soft"), Errno::Inval);
}

/// The names that `fd_readdir` gives, in buffers of so many bytes.
fn listed(guest: &mut Guest, room: usize) -> Vec<String> {
    let (mut names, mut cookie) = (Vec::new(), 0);
    let out = guest.space(room);
    loop {
        guest.ok("fd_readdir", &[ROOT, out, room as u64, cookie, u64::from(RESULT)]);
        let used = u32::from_le_bytes(guest.memory[RESULT as usize..][..4].try_into().unwrap()) as usize;
        let mut entries = &guest.memory[out as usize..][..used];
        while let Some((header, rest)) = entries.split_at_checked(24) {
            let len = u32::from_le_bytes(header[16..20].try_into().unwrap()) as usize;
            let Some((name, rest)) = rest.split_at_checked(len) else { break };
            names.push(String::from_utf8(name.to_vec()).unwrap());
            cookie = u64::from_le_bytes(header[..8].try_into().unwrap());
            entries = rest;
        }
        if used < room {
            names.sort();
            return names;
        }
    }
}

#[test]
fn the_entries_for_the_directory_and_its_parent_are_left_out() {
    for room in [64, 100, 4096] {
        let (_scratch, mut kotlins) = guest(true);
        assert_eq!(listed(&mut kotlins, room), ["file", "sub"], "{room}");
        let (_scratch, mut others) = guest(false);
        assert_eq!(listed(&mut others, room), [".", "..", "file", "sub"], "{room}");
    }
}
