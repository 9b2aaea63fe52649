//! Rights × open flags × descriptor flags, and read-only preopens.

mod common;

use common::*;
use heapwood_wasi::{DirAccess, Errno, WasiCtxBuilder};
use std::os::unix::fs::MetadataExt;

/// Opens a directory descriptor with exactly these rights.
fn directory(guest: &mut Guest, base: u64, inheriting: u64) -> u64 {
    guest.open_with(ROOT, 0, ".", DIRECTORY, base, inheriting, 0).unwrap()
}

#[test]
fn each_operation_needs_its_right() {
    let scratch = Scratch::new();
    scratch.write("file", b"0123456789");
    let mut guest = Guest::with_dir(&scratch);
    let buffer = guest.space(64);
    let list = guest.list(&[(buffer, 4)]);
    let operations: [(&str, u64, Vec<u64>); 13] = [
        ("fd_read", FD_READ, vec![list, 1, 8]),
        ("fd_write", FD_WRITE, vec![list, 1, 8]),
        ("fd_pread", FD_READ | FD_SEEK, vec![list, 1, 0, 8]),
        ("fd_pwrite", FD_WRITE | FD_SEEK, vec![list, 1, 0, 8]),
        ("fd_seek", FD_SEEK, vec![1, 0, 8]),
        ("fd_tell", FD_TELL, vec![8]),
        ("fd_sync", FD_SYNC, vec![]),
        ("fd_datasync", FD_DATASYNC, vec![]),
        ("fd_advise", FD_ADVISE, vec![0, 0, 0]),
        ("fd_allocate", FD_ALLOCATE, vec![0, 1]),
        ("fd_filestat_get", FD_FILESTAT_GET, vec![buffer]),
        ("fd_filestat_set_size", FD_FILESTAT_SET_SIZE, vec![10]),
        ("fd_filestat_set_times", FD_FILESTAT_SET_TIMES, vec![0, 0, 10]),
    ];
    for (name, right, rest) in operations {
        // The right to seek implies that to tell.
        let lacking = FILE_RIGHTS & !right & !if right == FD_TELL { FD_SEEK } else { 0 };
        for (rights, expected) in [(right, Errno::Success), (lacking, Errno::NotCapable)] {
            let fd = guest.open(ROOT, "file", 0, rights, 0).unwrap();
            let arguments = [&[fd][..], &rest].concat();
            assert_eq!(guest.call(name, &arguments), expected, "{name} with {rights:#x}");
            guest.ok("fd_close", &[fd]);
        }
    }
    let fd = guest.open(ROOT, "file", 0, FILE_RIGHTS & !FD_FDSTAT_SET_FLAGS, 0).unwrap();
    assert_eq!(guest.call("fd_fdstat_set_flags", &[fd, APPEND]), Errno::NotCapable);
}

#[test]
fn each_path_operation_needs_its_right() {
    let all = PATH_CREATE_DIRECTORY
        | PATH_CREATE_FILE
        | PATH_LINK_SOURCE
        | PATH_LINK_TARGET
        | PATH_OPEN
        | FD_READDIR
        | PATH_READLINK
        | PATH_RENAME_SOURCE
        | PATH_RENAME_TARGET
        | PATH_FILESTAT_GET
        | PATH_FILESTAT_SET_SIZE
        | PATH_FILESTAT_SET_TIMES
        | PATH_SYMLINK
        | PATH_REMOVE_DIRECTORY
        | PATH_UNLINK_FILE;
    type Operation = fn(&mut Guest, u64) -> Errno;
    let operations: [(u64, Operation); 15] = [
        (PATH_CREATE_DIRECTORY, |g, d| g.path("path_create_directory", d, "made")),
        (PATH_CREATE_FILE, |g, d| g.open(d, "created", CREAT, 0, 0).err().unwrap_or(Errno::Success)),
        (PATH_LINK_SOURCE, |g, d| g.two_paths("path_link", (d, "file"), (ROOT, "link1"))),
        (PATH_LINK_TARGET, |g, d| g.two_paths("path_link", (ROOT, "file"), (d, "link2"))),
        (PATH_OPEN, |g, d| g.open(d, "file", 0, 0, 0).err().unwrap_or(Errno::Success)),
        (FD_READDIR, |g, d| g.call("fd_readdir", &[d, 4096, 64, 0, 8])),
        (PATH_READLINK, |g, d| {
            let (at, len) = g.put("symlink");
            g.call("path_readlink", &[d, at, len, 4096, 64, 8])
        }),
        (PATH_RENAME_SOURCE, |g, d| g.two_paths("path_rename", (d, "a"), (ROOT, "b"))),
        (PATH_RENAME_TARGET, |g, d| g.two_paths("path_rename", (ROOT, "b"), (d, "c"))),
        (PATH_FILESTAT_GET, |g, d| g.path_stat(d, 0, "file").err().unwrap_or(Errno::Success)),
        (PATH_FILESTAT_SET_SIZE, |g, d| g.open(d, "emptied", TRUNC, 0, 0).err().unwrap_or(Errno::Success)),
        (PATH_FILESTAT_SET_TIMES, |g, d| {
            let (at, len) = g.put("file");
            g.call("path_filestat_set_times", &[d, 0, at, len, 0, 0, 10])
        }),
        (PATH_SYMLINK, |g, d| g.symlink("x", d, "symlink2")),
        (PATH_REMOVE_DIRECTORY, |g, d| g.path("path_remove_directory", d, "dir")),
        (PATH_UNLINK_FILE, |g, d| g.path("path_unlink_file", d, "file2")),
    ];
    for (right, operation) in operations {
        let scratch = Scratch::new();
        for name in ["file", "file2", "a", "b", "emptied"] {
            scratch.write(name, b"contents");
        }
        std::fs::create_dir(scratch.join("dir")).unwrap();
        std::os::unix::fs::symlink("file", scratch.join("symlink")).unwrap();
        let mut guest = Guest::with_dir(&scratch);
        let without = directory(&mut guest, all & !right, FILE_RIGHTS);
        assert_eq!(operation(&mut guest, without), Errno::NotCapable, "without {right:#x}");
        let with = directory(&mut guest, right | PATH_OPEN, FILE_RIGHTS);
        assert_eq!(operation(&mut guest, with), Errno::Success, "with {right:#x}");
    }
}

#[test]
fn rights_only_shrink() {
    let scratch = Scratch::new();
    let mut guest = Guest::with_dir(&scratch);
    let fd = guest.open(ROOT, "file", CREAT, FD_READ | FD_SEEK, 0).unwrap();
    guest.ok("fd_fdstat_set_rights", &[fd, FD_READ, 0]);
    assert_eq!(guest.call("fd_fdstat_set_rights", &[fd, FD_READ | FD_SEEK, 0]), Errno::NotCapable);
    assert_eq!(guest.call("fd_fdstat_set_rights", &[fd, FD_READ, FD_READ]), Errno::NotCapable);
    assert_eq!(guest.call("fd_fdstat_set_rights", &[fd, u64::MAX, u64::MAX]), Errno::NotCapable);
    assert_eq!(guest.fdstat(fd).map(|s| (s.2, s.3)), Ok((FD_READ, 0)));
    // What a directory does not pass on, its files do not get.
    let dir = directory(&mut guest, PATH_OPEN, FD_READ | PATH_OPEN);
    assert_eq!(guest.open(dir, "file", 0, FD_WRITE, 0), Err(Errno::NotCapable));
    assert_eq!(guest.open_with(dir, 0, ".", DIRECTORY, PATH_OPEN, FD_WRITE, 0), Err(Errno::NotCapable));
    assert_eq!(guest.open(dir, "file", 0, FD_READ, SYNC), Err(Errno::NotCapable));
    assert!(guest.open(dir, "file", 0, FD_READ, 0).is_ok());
}

#[test]
fn rights_that_do_not_apply_are_left_out() {
    let scratch = Scratch::new();
    let mut guest = Guest::with_dir(&scratch);
    let root = guest.fdstat(ROOT).unwrap();
    let file = guest.open(ROOT, "file", CREAT, root.3, 0).unwrap();
    assert_eq!(guest.fdstat(file), Ok((4, 0, FILE_RIGHTS, 0)));
    // Everything at once, known or not: the directory gets what a directory can have.
    let all = guest.open_with(ROOT, 0, ".", 0, !(FD_WRITE | FD_ALLOCATE), u64::MAX, 0).unwrap();
    assert_eq!(guest.fdstat(all), Ok(root));
    assert_eq!(guest.open(ROOT, ".", DIRECTORY, FD_READ | FD_WRITE, 0), Err(Errno::IsDir));
}

/// A descriptor without FD_WRITE never changes the file, whatever the flags; TRUNC goes by the directory's right.
#[test]
fn rights_times_flags() {
    for rights in [0, FD_READ, FD_WRITE, FD_READ | FD_WRITE] {
        for open in 0..16 {
            for flags in [0, APPEND, DSYNC, NONBLOCK, RSYNC, SYNC, APPEND | SYNC | NONBLOCK] {
                for truncates in [true, false] {
                    let scratch = Scratch::new();
                    scratch.write("file", b"contents");
                    let mut guest = Guest::with_dir(&scratch);
                    let base = if truncates { PATH_FILESTAT_SET_SIZE } else { 0 };
                    let dir = directory(&mut guest, base | PATH_OPEN | PATH_CREATE_FILE, FILE_RIGHTS);
                    let opened = guest.open(dir, "file", open, rights, flags);
                    let expected = if open & DIRECTORY != 0 {
                        Err(if open == DIRECTORY { Errno::NotDir } else { Errno::Inval })
                    } else if open & TRUNC != 0 && !truncates {
                        Err(Errno::NotCapable)
                    } else if open & (CREAT | EXCL) == CREAT | EXCL {
                        Err(Errno::Exist)
                    } else {
                        Ok(())
                    };
                    let at = format!("rights {rights:#x} open {open} flags {flags} truncates {truncates}");
                    assert_eq!(opened.map(drop), expected, "{at}");
                    let start: &[u8] = if expected.is_ok() && open & TRUNC != 0 { b"" } else { b"contents" };
                    assert_eq!(scratch.read("file"), start, "{at}");
                    let Ok(fd) = opened else { continue };
                    assert_eq!(guest.fdstat(fd).map(|s| (s.1, s.2)), Ok((flags as u16, rights)), "{at}");
                    let written = guest.write(fd, b"new");
                    if rights & FD_WRITE == 0 {
                        assert_eq!(written, Err(Errno::NotCapable), "{at}");
                        assert_eq!(scratch.read("file"), start, "{at}");
                    } else {
                        assert_eq!(written, Ok(3), "{at}");
                        let appended = [start, b"new"].concat();
                        let over = if start.is_empty() { b"new".to_vec() } else { b"newtents".to_vec() };
                        assert_eq!(scratch.read("file"), if flags & APPEND != 0 { appended } else { over }, "{at}");
                    }
                }
            }
        }
    }
}

#[test]
fn unknown_flags_are_invalid() {
    let scratch = Scratch::new();
    scratch.write("file", b"");
    let mut guest = Guest::with_dir(&scratch);
    assert_eq!(guest.open(ROOT, "file", 16, 0, 0), Err(Errno::Inval));
    assert_eq!(guest.open(ROOT, "file", 0x1_0000, 0, 0), Err(Errno::Inval));
    assert_eq!(guest.open(ROOT, "file", 0, 0, 32), Err(Errno::Inval));
    assert_eq!(guest.open_with(ROOT, 2, "file", 0, 0, 0, 0), Err(Errno::Inval));
    let fd = guest.open(ROOT, "file", 0, FILE_RIGHTS, 0).unwrap();
    assert_eq!(guest.call("fd_fdstat_set_flags", &[fd, 32]), Errno::Inval);
    assert_eq!(guest.call("fd_filestat_set_times", &[fd, 0, 0, 16]), Errno::Inval);
    assert_eq!(guest.call("fd_filestat_set_times", &[fd, 0, 0, 3]), Errno::Inval);
    assert_eq!(guest.call("fd_filestat_set_times", &[fd, 0, 0, 12]), Errno::Inval);
    assert_eq!(guest.call("fd_advise", &[fd, 0, 0, 6]), Errno::Inval);
    assert_eq!(guest.call("fd_seek", &[fd, 0, 3, 8]), Errno::Inval);
    assert_eq!(guest.call("clock_time_get", &[4, 0, 8]), Errno::Inval);
    assert_eq!(guest.call("proc_raise", &[31]), Errno::Inval);
    assert_eq!(guest.call("proc_raise", &[6]), Errno::NotSup);
}

#[test]
fn a_directory_that_passes_on_no_writing_truncates_nothing() {
    let scratch = Scratch::new();
    scratch.write("file", b"contents");
    let mut guest = Guest::with_dir(&scratch);
    let dir = directory(&mut guest, PATH_OPEN | PATH_FILESTAT_SET_SIZE, FD_READ);
    assert_eq!(guest.open(dir, "file", TRUNC, FD_READ, 0), Err(Errno::NotCapable));
    assert_eq!(scratch.read("file"), b"contents");
}

#[test]
fn a_read_only_preopen_refuses_every_change() {
    let scratch = Scratch::new();
    scratch.write("file", b"contents");
    scratch.write("other", b"");
    std::fs::create_dir(scratch.join("dir")).unwrap();
    let writable = Scratch::new();
    writable.write("mine", b"");
    let builder = WasiCtxBuilder::new().preopen_dir(scratch.path(), "/ro", DirAccess::ReadOnly).preopen_dir(
        writable.path(),
        "/rw",
        DirAccess::ReadWrite,
    );
    let mut guest = Guest::new(builder);
    let (ro, rw) = (ROOT, ROOT + 1);
    let before = std::fs::metadata(scratch.join("file")).unwrap();

    for rights in [0, FD_READ, FD_WRITE, FD_ALLOCATE, FILE_RIGHTS] {
        for open in [0, CREAT, CREAT | EXCL, TRUNC, CREAT | TRUNC] {
            for name in ["file", "absent"] {
                let writes = open != 0 || rights & (FD_WRITE | FD_ALLOCATE) != 0;
                let expected = match (writes, name) {
                    (true, _) => Err(Errno::RoFs),
                    (false, "file") => Ok(()),
                    (false, _) => Err(Errno::NoEnt),
                };
                let opened = guest.open(ro, name, open, rights, 0).map(drop);
                assert_eq!(opened, expected, "{name} open {open} rights {rights:#x}");
            }
        }
    }
    assert_eq!(guest.path("path_create_directory", ro, "new"), Errno::RoFs);
    assert_eq!(guest.path("path_remove_directory", ro, "dir"), Errno::RoFs);
    assert_eq!(guest.path("path_unlink_file", ro, "file"), Errno::RoFs);
    assert_eq!(guest.symlink("file", ro, "new"), Errno::RoFs);
    for name in ["path_rename", "path_link"] {
        assert_eq!(guest.two_paths(name, (ro, "file"), (ro, "new")), Errno::RoFs, "{name}");
        assert_eq!(guest.two_paths(name, (ro, "file"), (rw, "new")), Errno::RoFs, "{name} out");
        assert_eq!(guest.two_paths(name, (rw, "mine"), (ro, "new")), Errno::RoFs, "{name} in");
    }
    let (at, len) = guest.put("file");
    assert_eq!(guest.call("path_filestat_set_times", &[ro, 0, at, len, 0, 0, 5]), Errno::RoFs);

    // What is opened from it is as read-only as it is.
    let rest = FILE_RIGHTS & !(FD_WRITE | FD_ALLOCATE);
    let fd = guest.open(ro, "file", 0, rest, 0).unwrap();
    assert_eq!(guest.call("fd_filestat_set_times", &[fd, 0, 0, 5]), Errno::RoFs);
    assert_ne!(guest.call("fd_filestat_set_size", &[fd, 0]), Errno::Success);
    assert_ne!(guest.write(fd, b"x").map(drop), Ok(()));
    assert_eq!(guest.read(fd, 16).unwrap(), b"contents");
    let rights = guest.fdstat(ro).unwrap();
    let sub = guest.open_with(ro, 0, "dir", DIRECTORY, rights.2, rights.3, 0).unwrap();
    assert_eq!(guest.open(sub, "new", CREAT, FD_WRITE, 0), Err(Errno::RoFs));
    assert_eq!(guest.path("path_unlink_file", sub, "../file"), Errno::RoFs);
    assert_eq!(guest.call("fd_filestat_set_times", &[sub, 0, 0, 5]), Errno::RoFs);
    guest.ok("fd_renumber", &[sub, rw]);
    assert_eq!(guest.open(rw, "new", CREAT, FD_WRITE, 0), Err(Errno::RoFs));

    let after = std::fs::metadata(scratch.join("file")).unwrap();
    assert_eq!((before.size(), before.mtime_nsec(), before.nlink()), (after.size(), after.mtime_nsec(), after.nlink()));
    assert_eq!(scratch.read("file"), b"contents");
}
