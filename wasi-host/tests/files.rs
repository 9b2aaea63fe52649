//! Descriptors of files and directories: positions, sizes, flags, entries, numbers.

mod common;

use common::*;
use heapwood_wasi::{Errno, WasiCtxBuilder};

fn guest_with_file(contents: &[u8]) -> (Scratch, Guest, u64) {
    let scratch = Scratch::new();
    scratch.write("file", contents);
    let mut guest = Guest::with_dir(&scratch);
    let fd = guest.open(ROOT, "file", 0, FILE_RIGHTS, 0).unwrap();
    (scratch, guest, fd)
}

#[test]
fn positions() {
    let (scratch, mut guest, fd) = guest_with_file(b"0123456789");
    assert_eq!(guest.seek(fd, 4, 0), Ok(4));
    assert_eq!(guest.read(fd, 3).unwrap(), b"456");
    assert_eq!(guest.seek(fd, -2, 1), Ok(5));
    assert_eq!(guest.seek(fd, -1, 2), Ok(9));
    assert_eq!(guest.seek(fd, -1, 0), Err(Errno::Inval));
    assert_eq!(guest.seek(fd, i64::MIN, 1), Err(Errno::Inval));
    assert_eq!(guest.seek(fd, i64::MIN, 2), Err(Errno::Inval));
    guest.ok("fd_tell", &[fd, 8]);
    assert_eq!(guest.result64(), 9);
    // Beyond the end there is nothing to read; writing leaves a hole.
    assert_eq!(guest.seek(fd, 12, 0), Ok(12));
    assert_eq!(guest.read(fd, 3).unwrap(), b"");
    assert_eq!(guest.write(fd, b"x"), Ok(1));
    assert_eq!(scratch.read("file"), b"0123456789\0\0x");
}

#[test]
fn pread_and_pwrite_leave_the_position() {
    let (scratch, mut guest, fd) = guest_with_file(b"0123456789");
    let (at, len) = guest.put("ab");
    let list = guest.list(&[(at, len)]);
    guest.ok("fd_pwrite", &[fd, list, 1, 8, 8]);
    guest.ok("fd_pread", &[fd, list, 1, 3, 8]);
    assert_eq!((guest.result(), guest.bytes(at, 2)), (2, &b"34"[..]));
    guest.ok("fd_pread", &[fd, list, 1, 100, 8]);
    assert_eq!(guest.result(), 0);
    for offset in [1 << 63, u64::MAX] {
        assert_eq!(guest.call("fd_pread", &[fd, list, 1, offset, 8]), Errno::Inval);
        assert_eq!(guest.call("fd_pwrite", &[fd, list, 1, offset, 8]), Errno::Inval);
        guest.ok("fd_fdstat_set_flags", &[fd, SYNC]);
        assert_eq!(guest.call("fd_pwrite", &[fd, list, 1, offset, 8]), Errno::Inval);
    }
    guest.ok("fd_tell", &[fd, 8]);
    assert_eq!(guest.result64(), 0);
    assert_eq!(scratch.read("file"), b"01234567ab");
}

#[test]
fn flags_change_while_open() {
    let (scratch, mut guest, fd) = guest_with_file(b"abc");
    for flags in [APPEND, APPEND | SYNC, APPEND | DSYNC, APPEND | RSYNC | NONBLOCK] {
        guest.ok("fd_fdstat_set_flags", &[fd, flags]);
        assert_eq!(guest.fdstat(fd).unwrap().1, flags as u16);
        assert_eq!(guest.seek(fd, 0, 0), Ok(0));
        assert_eq!(guest.write(fd, b"x"), Ok(1));
        // The position moves to the end.
        assert_eq!(guest.seek(fd, 0, 1), Ok(scratch.read("file").len() as u64));
    }
    assert_eq!(scratch.read("file"), b"abcxxxx");
    // An offset counts more than APPEND.
    let (at, len) = guest.put("X");
    let list = guest.list(&[(at, len)]);
    guest.ok("fd_pwrite", &[fd, list, 1, 0, 8]);
    guest.ok("fd_fdstat_set_flags", &[fd, 0]);
    assert_eq!(guest.seek(fd, 1, 0), Ok(1));
    assert_eq!(guest.write(fd, b"Y"), Ok(1));
    assert_eq!(scratch.read("file"), b"XYcxxxx");
}

#[test]
fn sizes() {
    let (scratch, mut guest, fd) = guest_with_file(b"0123456789");
    guest.ok("fd_filestat_set_size", &[fd, 4]);
    assert_eq!(scratch.read("file"), b"0123");
    guest.ok("fd_allocate", &[fd, 2, 4]);
    assert_eq!(scratch.read("file"), b"0123\0\0");
    guest.ok("fd_allocate", &[fd, 0, 2]);
    assert_eq!(scratch.read("file").len(), 6);
    assert_eq!(guest.call("fd_allocate", &[fd, 0, 0]), Errno::Inval);
    assert_eq!(guest.call("fd_allocate", &[fd, u64::MAX, 2]), Errno::FBig);
    assert_eq!(guest.call("fd_allocate", &[fd, 1 << 62, 1 << 62]), Errno::FBig);
    assert_eq!(guest.call("fd_filestat_set_size", &[fd, u64::MAX]), Errno::Inval);
    guest.ok("fd_advise", &[fd, 0, 0, 3]);
    assert_eq!(guest.call("fd_advise", &[fd, u64::MAX, 1, 3]), Errno::Inval);
    let stat = guest.stat(fd).unwrap();
    assert_eq!((stat[16], u64::from_le_bytes(stat[32..40].try_into().unwrap())), (4, 6));
}

#[test]
fn a_limited_guest_fills_nothing() {
    let scratch = Scratch::new();
    scratch.write("file", b"0123456789");
    let access = heapwood_wasi::DirAccess::ReadWrite;
    let mut guest = Guest::new(WasiCtxBuilder::new().preopen_dir(scratch.path(), "/", access).max_file_size(16));
    let fd = guest.open(ROOT, "file", 0, FILE_RIGHTS, 0).unwrap();
    assert_eq!(guest.call("fd_filestat_set_size", &[fd, 17]), Errno::FBig);
    assert_eq!(guest.call("fd_allocate", &[fd, 0, 17]), Errno::FBig);
    guest.ok("fd_fdstat_set_flags", &[fd, APPEND]);
    // What fits is written; the next write fails.
    assert_eq!(guest.write(fd, b"abcdefgh"), Ok(6));
    assert_eq!(guest.write(fd, b"x"), Err(Errno::FBig));
    assert_eq!(guest.write(fd, b""), Ok(0));
    guest.ok("fd_fdstat_set_flags", &[fd, 0]);
    assert_eq!(guest.seek(fd, 14, 0), Ok(14));
    let buffers = [guest.put("12"), guest.put("34")];
    let list = guest.list(&buffers);
    guest.ok("fd_write", &[fd, list, 2, 8]);
    assert_eq!(guest.result(), 2);
    assert_eq!(guest.call("fd_pwrite", &[fd, list, 2, 16, 8]), Errno::FBig);
    assert_eq!(scratch.read("file"), b"0123456789abcd12");
}

#[test]
fn directories_are_not_bytes() {
    let scratch = Scratch::new();
    let mut guest = Guest::with_dir(&scratch);
    let (at, len) = guest.put("x");
    let list = guest.list(&[(at, len)]);
    for (name, rest) in [
        ("fd_read", vec![list, 1, 8]),
        ("fd_write", vec![list, 1, 8]),
        ("fd_pread", vec![list, 1, 0, 8]),
        ("fd_pwrite", vec![list, 1, 0, 8]),
        ("fd_seek", vec![0, 0, 8]),
        ("fd_tell", vec![8]),
        ("fd_allocate", vec![0, 1]),
        ("fd_advise", vec![0, 1, 0]),
        ("fd_filestat_set_size", vec![0]),
    ] {
        assert_eq!(guest.call(name, &[&[ROOT][..], &rest].concat()), Errno::IsDir, "{name}");
    }
    guest.ok("fd_sync", &[ROOT]);
    guest.ok("fd_datasync", &[ROOT]);
}

/// A directory entry: cookie of the next, inode, type, name.
type Entry = (u64, u64, u8, String);

/// Reads a directory with a buffer of `room` bytes; a cut-off entry is read again.
fn entries(guest: &mut Guest, fd: u64, room: usize, mut cookie: u64) -> Vec<Entry> {
    let out = guest.space(room);
    let mut found = Vec::new();
    loop {
        guest.ok("fd_readdir", &[fd, out, room as u64, cookie, 8]);
        let used = guest.result() as usize;
        assert!(used <= room);
        let mut rest = guest.bytes(out, used).to_vec();
        while rest.len() >= 24 {
            let name_len = u32::from_le_bytes(rest[16..20].try_into().unwrap()) as usize;
            if rest.len() < 24 + name_len {
                break;
            }
            let number = |at: usize| u64::from_le_bytes(rest[at..at + 8].try_into().unwrap());
            let name = String::from_utf8(rest[24..24 + name_len].to_vec()).unwrap();
            cookie = number(0);
            found.push((cookie, number(8), rest[20], name));
            rest.drain(..24 + name_len);
        }
        if used < room {
            return found;
        }
    }
}

#[test]
fn entries_of_a_directory() {
    let scratch = Scratch::new();
    for i in 0..300 {
        scratch.write(&format!("file{i}"), b"");
    }
    std::fs::create_dir(scratch.join("dir")).unwrap();
    std::os::unix::fs::symlink("x", scratch.join("link")).unwrap();
    let mut guest = Guest::with_dir(&scratch);
    let all = entries(&mut guest, ROOT, 4096, 0);
    let mut names: Vec<_> = all.iter().map(|e| e.3.clone()).collect();
    names.sort();
    let mut expected: Vec<String> = (0..300).map(|i| format!("file{i}")).collect();
    expected.extend([".", "..", "dir", "link"].map(String::from));
    expected.sort();
    assert_eq!(names, expected);
    // The size of the buffer changes nothing.
    for room in [280, 300, 1000, 100_000] {
        assert_eq!(entries(&mut guest, ROOT, room, 0), all, "{room}");
    }
    // Each cookie continues behind its entry, in any order.
    for index in [250, 3, 0, 303] {
        assert_eq!(entries(&mut guest, ROOT, 4096, all[index].0), all[index + 1..], "{index}");
    }
    let kind = |name: &str| all.iter().find(|e| e.3 == name).map(|e| e.2);
    assert_eq!((kind("."), kind("dir"), kind("link"), kind("file7")), (Some(3), Some(3), Some(7), Some(4)));
    let file = guest.open(ROOT, "file7", 0, FD_FILESTAT_GET, 0).unwrap();
    let ino = u64::from_le_bytes(guest.stat(file).unwrap()[8..16].try_into().unwrap());
    assert_eq!(all.iter().find(|e| e.3 == "file7").map(|e| e.1), Some(ino));
    assert_eq!(guest.call("fd_readdir", &[ROOT, 4096, 64, u64::MAX, 8]), Errno::Inval);
    assert_eq!(guest.call("fd_readdir", &[file, 4096, 64, 0, 8]), Errno::NotDir);
    // No room at all is a full buffer.
    guest.ok("fd_readdir", &[ROOT, 4096, 0, 0, 8]);
    assert_eq!(guest.result(), 0);
}

#[test]
fn an_entry_too_long_for_the_buffer_is_cut() {
    let scratch = Scratch::new();
    let mut guest = Guest::with_dir(&scratch);
    for room in 0..25 {
        let out = guest.space(64);
        guest.ok("fd_readdir", &[ROOT, out, room, 0, 8]);
        assert_eq!(u64::from(guest.result()), room);
        assert_eq!(guest.bytes(out + room, 64 - room as usize), vec![0; 64 - room as usize]);
    }
}

/// Functions that take a descriptor: its place among the arguments, and how many of them there are.
const BY_DESCRIPTOR: [(&str, usize, usize); 34] = [
    ("fd_advise", 0, 4),
    ("fd_allocate", 0, 3),
    ("fd_close", 0, 1),
    ("fd_datasync", 0, 1),
    ("fd_fdstat_get", 0, 2),
    ("fd_fdstat_set_flags", 0, 2),
    ("fd_fdstat_set_rights", 0, 3),
    ("fd_filestat_get", 0, 2),
    ("fd_filestat_set_size", 0, 2),
    ("fd_filestat_set_times", 0, 4),
    ("fd_pread", 0, 5),
    ("fd_prestat_dir_name", 0, 3),
    ("fd_prestat_get", 0, 2),
    ("fd_pwrite", 0, 5),
    ("fd_read", 0, 4),
    ("fd_readdir", 0, 5),
    ("fd_renumber", 0, 2),
    ("fd_seek", 0, 4),
    ("fd_sync", 0, 1),
    ("fd_tell", 0, 2),
    ("fd_write", 0, 4),
    ("path_create_directory", 0, 3),
    ("path_filestat_get", 0, 5),
    ("path_filestat_set_times", 0, 7),
    ("path_link", 0, 7),
    ("path_open", 0, 9),
    ("path_readlink", 0, 6),
    ("path_remove_directory", 0, 3),
    ("path_rename", 0, 6),
    ("path_symlink", 2, 5),
    ("path_unlink_file", 0, 3),
    ("sock_accept", 0, 3),
    ("sock_recv", 0, 6),
    ("sock_send", 0, 5),
];

#[test]
fn closed_and_unknown_descriptors() {
    let scratch = Scratch::new();
    let mut guest = Guest::with_dir(&scratch);
    let closed = guest.open(ROOT, "file", CREAT, FD_READ, 0).unwrap();
    guest.ok("fd_close", &[closed]);
    for fd in [closed, 99, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff] {
        for (name, position, arguments) in BY_DESCRIPTOR {
            let mut arguments = vec![0; arguments];
            arguments[position] = fd;
            assert_eq!(guest.call(name, &arguments), Errno::BadF, "{name} {fd}");
        }
        assert_eq!(guest.call("sock_shutdown", &[fd, 3]), Errno::BadF);
        assert_eq!(guest.call("fd_renumber", &[ROOT, fd]), Errno::BadF);
        assert_eq!(guest.two_paths("path_link", (ROOT, "file"), (fd, "x")), Errno::BadF);
    }
    // The number is used again, for something else.
    assert_eq!(guest.open(ROOT, ".", DIRECTORY, PATH_OPEN, 0), Ok(closed));
    assert_eq!(guest.read(closed, 1), Err(Errno::IsDir));
}

#[test]
fn renumbering() {
    let scratch = Scratch::new();
    scratch.write("a", b"A");
    scratch.write("b", b"B");
    let mut guest = Guest::with_dir(&scratch);
    let a = guest.open(ROOT, "a", 0, FILE_RIGHTS, 0).unwrap();
    let b = guest.open(ROOT, "b", 0, FD_READ, 0).unwrap();
    guest.ok("fd_renumber", &[a, a]);
    guest.ok("fd_renumber", &[a, b]);
    assert_eq!(guest.read(b, 4).unwrap(), b"A");
    assert_eq!(guest.fdstat(b).unwrap().2, FILE_RIGHTS);
    assert_eq!(guest.call("fd_close", &[a]), Errno::BadF);
    assert_eq!(guest.call("fd_renumber", &[b, a]), Errno::BadF);
    // Onto a preopen, which then is none any more.
    guest.ok("fd_renumber", &[b, ROOT]);
    assert_eq!(guest.call("fd_prestat_get", &[ROOT, 8]), Errno::BadF);
    assert_eq!(guest.open(ROOT, "a", 0, 0, 0), Err(Errno::NotDir));
}

#[test]
fn preopens_say_their_names() {
    let (one, two) = (Scratch::new(), Scratch::new());
    let access = heapwood_wasi::DirAccess::ReadWrite;
    let builder = WasiCtxBuilder::new().preopen_dir(one.path(), "/", access).preopen_dir(two.path(), "/data", access);
    let mut guest = Guest::new(builder);
    for (fd, name) in [(3, "/"), (4, "/data")] {
        guest.ok("fd_prestat_get", &[fd, 8]);
        assert_eq!((guest.u32_at(8), guest.u32_at(12)), (0, name.len() as u32));
        let out = guest.space(16);
        guest.ok("fd_prestat_dir_name", &[fd, out, 16]);
        assert_eq!(guest.bytes(out, name.len()), name.as_bytes());
        assert_eq!(guest.call("fd_prestat_dir_name", &[fd, out, name.len() as u64 - 1]), Errno::NameTooLong);
    }
    for fd in [0, 1, 2, 5] {
        assert_eq!(guest.call("fd_prestat_get", &[fd, 8]), Errno::BadF, "{fd}");
    }
    let missing = one.join("missing");
    let error = WasiCtxBuilder::new().preopen_dir(&missing, "/", access).build().unwrap_err();
    assert!(error.to_string().contains(missing.to_str().unwrap()), "{error}");
    // The reason is told once, by the source.
    let reason = std::error::Error::source(&error).expect("what the host said").to_string();
    assert!(reason.contains("No such file") && !error.to_string().contains(&reason), "{reason}");
}

#[test]
fn only_so_many_descriptors() {
    let scratch = Scratch::new();
    let access = heapwood_wasi::DirAccess::ReadWrite;
    let mut guest = Guest::new(WasiCtxBuilder::new().preopen_dir(scratch.path(), "/", access).max_descriptors(6));
    for fd in [4, 5] {
        assert_eq!(guest.open(ROOT, "file", CREAT, 0, 0), Ok(fd));
    }
    assert_eq!(guest.open(ROOT, "other", CREAT, 0, 0), Err(Errno::MFile));
    assert!(!scratch.join("other").exists());
    guest.ok("fd_close", &[4]);
    assert_eq!(guest.open(ROOT, "file", CREAT, 0, 0), Ok(4));
}

#[test]
fn an_unlinked_file_stays_open() {
    let (scratch, mut guest, fd) = guest_with_file(b"contents");
    assert_eq!(guest.path("path_unlink_file", ROOT, "file"), Errno::Success);
    assert_eq!(guest.read(fd, 16).unwrap(), b"contents");
    assert_eq!(guest.open(ROOT, "file", 0, FD_READ, 0), Err(Errno::NoEnt));
    assert!(!scratch.join("file").exists());
}
