//! Paths: what stays below a directory, symbolic links, trailing slashes, renaming.

mod common;

use common::*;
use heapwood_wasi::Errno;
use std::os::unix::fs::symlink;

/// `secret` beside the granted directory `root`.
fn jail() -> (Scratch, Guest) {
    let scratch = Scratch::new();
    scratch.write("secret", b"secret");
    std::fs::create_dir_all(scratch.join("root/a/b")).unwrap();
    scratch.write("root/a/file", b"inside");
    let access = heapwood_wasi::DirAccess::ReadWrite;
    let builder = heapwood_wasi::WasiCtxBuilder::new().preopen_dir(scratch.join("root"), "/", access);
    let guest = Guest::new(builder);
    (scratch, guest)
}

/// All functions that take a path, with one that must not work.
fn every_function_refuses(guest: &mut Guest, path: &str, expected: &[Errno]) {
    let check = |what: &str, errno: Errno| assert!(expected.contains(&errno), "{what} {path}: {errno:?}");
    for lookup in [0, FOLLOW] {
        for open in [0, CREAT, DIRECTORY, TRUNC] {
            let opened = guest.open_with(ROOT, lookup, path, open, FD_READ, 0, 0);
            check("path_open", opened.err().unwrap_or(Errno::Success));
        }
        check("path_filestat_get", guest.path_stat(ROOT, lookup, path).err().unwrap_or(Errno::Success));
        let (at, len) = guest.put(path);
        check("path_filestat_set_times", guest.call("path_filestat_set_times", &[ROOT, lookup, at, len, 0, 0, 5]));
    }
    for name in ["path_create_directory", "path_remove_directory", "path_unlink_file"] {
        check(name, guest.path(name, ROOT, path));
    }
    for name in ["path_rename", "path_link"] {
        check(name, guest.two_paths(name, (ROOT, path), (ROOT, "new")));
        check(name, guest.two_paths(name, (ROOT, "a/file"), (ROOT, path)));
    }
    check("path_symlink", guest.symlink("a", ROOT, path));
    let (at, len) = guest.put(path);
    check("path_readlink", guest.call("path_readlink", &[ROOT, at, len, 4096, 64, 8]));
}

#[test]
fn nothing_leads_out() {
    let (scratch, mut guest) = jail();
    let absolute = scratch.join("secret").to_str().unwrap().to_string();
    symlink("../secret", scratch.join("root/out")).unwrap();
    symlink("..", scratch.join("root/up")).unwrap();
    symlink(&absolute, scratch.join("root/abs")).unwrap();
    symlink("../../..", scratch.join("root/a/far")).unwrap();
    let paths = [
        "../secret",
        "a/../../secret",
        "a/b/../../../secret",
        &absolute,
        "/a/file",
        "up/secret",
        "a/far/x",
        "up/root/a/file",
    ];
    for path in paths {
        every_function_refuses(&mut guest, path, &[Errno::Perm]);
    }
    // Links themselves can be looked at and removed, but not followed.
    for link in ["out", "abs"] {
        assert_eq!(guest.open_with(ROOT, FOLLOW, link, 0, FD_READ, 0, 0), Err(Errno::Perm), "{link}");
        assert_eq!(guest.open_with(ROOT, FOLLOW, link, TRUNC, FD_WRITE, 0, 0), Err(Errno::Perm), "{link}");
        assert_eq!(guest.open_with(ROOT, 0, link, 0, FD_READ, 0, 0), Err(Errno::Loop), "{link}");
        assert_eq!(guest.path_stat(ROOT, FOLLOW, link), Err(Errno::Perm), "{link}");
        assert_eq!(guest.path_stat(ROOT, 0, link).map(|s| s.0), Ok(7), "{link}");
        assert_eq!(guest.path("path_unlink_file", ROOT, link), Errno::Success, "{link}");
    }
    // The kernel does not say where `..` of the root leads.
    assert_eq!(guest.open(ROOT, "..", DIRECTORY, 0, 0), Err(Errno::Perm));
    assert_eq!(scratch.read("secret"), b"secret");
}

#[test]
fn a_subdirectory_is_a_root_too() {
    let (_scratch, mut guest) = jail();
    let (.., base, inheriting) = guest.fdstat(ROOT).unwrap();
    let sub = guest.open_with(ROOT, 0, "a", DIRECTORY, base, inheriting, 0).unwrap();
    assert!(guest.open(sub, "file", 0, FD_READ, 0).is_ok());
    assert_eq!(guest.open(sub, "../a/file", 0, FD_READ, 0), Err(Errno::Perm));
    assert_eq!(guest.two_paths("path_rename", (sub, "file"), (ROOT, "moved")), Errno::Success);
    assert!(guest.open(ROOT, "a/.././a//b/../../moved", 0, FD_READ, 0).is_ok());
}

#[test]
fn a_guest_makes_no_link_to_the_host() {
    let (scratch, mut guest) = jail();
    assert_eq!(guest.symlink("/etc/passwd", ROOT, "link"), Errno::Perm);
    assert_eq!(guest.symlink("../secret", ROOT, "link"), Errno::Success);
    assert_eq!(guest.open_with(ROOT, FOLLOW, "link", 0, FD_READ, 0, 0), Err(Errno::Perm));
    assert_eq!(guest.two_paths("path_link", (ROOT, "link"), (ROOT, "hard")), Errno::Success);
    assert_eq!(guest.open_with(ROOT, FOLLOW, "hard", 0, FD_READ, 0, 0), Err(Errno::Perm));
    // A link to a link names the link; following one is not offered.
    let (a, b) = (guest.put("link"), guest.put("hard2"));
    assert_eq!(guest.call("path_link", &[ROOT, FOLLOW, a.0, a.1, ROOT, b.0, b.1]), Errno::Inval);
    assert_eq!(scratch.read("secret"), b"secret");
}

#[test]
fn malformed_paths() {
    let (_scratch, mut guest) = jail();
    for (path, expected) in [
        (&b""[..], Errno::NoEnt),
        (b"a\0", Errno::Inval),
        (b"a/fi\0le", Errno::Inval),
        (b"\xff", Errno::IlSeq),
        (b"a/\xc3\x28", Errno::IlSeq),
        (&[b'x'; 256], Errno::NameTooLong),
        (&[b'x'; 4096], Errno::NameTooLong),
        (&[b'/'; 70000], Errno::NameTooLong),
    ] {
        let (at, len) = guest.put(path);
        assert_eq!(guest.call("path_open", &[ROOT, 0, at, len, 0, 0, 0, 0, 8]), expected, "{path:?}");
        assert_eq!(guest.call("path_create_directory", &[ROOT, at, len]), expected, "{path:?}");
        assert_eq!(guest.call("path_unlink_file", &[ROOT, at, len]), expected, "{path:?}");
        assert_eq!(guest.call("path_symlink", &[at, len, ROOT, at, len]), expected, "{path:?}");
    }
}

#[test]
fn loops_of_links() {
    let (scratch, mut guest) = jail();
    assert_eq!(guest.symlink("self", ROOT, "self"), Errno::Success);
    symlink("pong", scratch.join("root/ping")).unwrap();
    symlink("ping", scratch.join("root/pong")).unwrap();
    for name in ["self", "ping"] {
        assert_eq!(guest.open_with(ROOT, FOLLOW, name, 0, FD_READ, 0, 0), Err(Errno::Loop));
        assert_eq!(guest.open(ROOT, name, 0, FD_READ, 0), Err(Errno::Loop));
        assert_eq!(guest.path_stat(ROOT, FOLLOW, name), Err(Errno::Loop));
        assert_eq!(guest.path_stat(ROOT, 0, name).map(|s| s.0), Ok(7));
        assert_eq!(guest.path("path_create_directory", ROOT, &format!("{name}/x")), Errno::Loop);
    }
    // 41 links in a row are one more than the kernel follows.
    for i in 0..41 {
        symlink(if i == 0 { "a/file".into() } else { format!("l{}", i - 1) }, scratch.join(&format!("root/l{i}")))
            .unwrap();
    }
    assert!(guest.open_with(ROOT, FOLLOW, "l39", 0, FD_READ, 0, 0).is_ok());
    assert_eq!(guest.open_with(ROOT, FOLLOW, "l40", 0, FD_READ, 0, 0), Err(Errno::Loop));
}

#[test]
fn trailing_slashes() {
    let (scratch, mut guest) = jail();
    symlink("a", scratch.join("root/to_dir")).unwrap();
    for path in ["a/file/", "a/file///", "a/file/."] {
        assert_eq!(guest.open(ROOT, path, 0, FD_READ, 0), Err(Errno::NotDir), "{path}");
        assert_eq!(guest.path_stat(ROOT, 0, path), Err(Errno::NotDir), "{path}");
    }
    for path in ["a/file/", "a/file///"] {
        assert_eq!(guest.path("path_unlink_file", ROOT, path), Errno::NotDir, "{path}");
        assert_eq!(guest.path("path_remove_directory", ROOT, path), Errno::NotDir, "{path}");
        assert_eq!(guest.two_paths("path_rename", (ROOT, path), (ROOT, "x")), Errno::NotDir, "{path}");
        assert_eq!(guest.two_paths("path_link", (ROOT, path), (ROOT, "x")), Errno::NotDir, "{path}");
        assert_eq!(guest.symlink("x", ROOT, path), Errno::NotDir, "{path}");
    }
    assert_eq!(guest.open(ROOT, "new/", CREAT, FD_WRITE, 0), Err(Errno::IsDir));
    assert_eq!(guest.path("path_unlink_file", ROOT, "a/b/"), Errno::IsDir);
    assert_eq!(guest.path("path_unlink_file", ROOT, "a/b"), Errno::IsDir);
    assert_eq!(guest.symlink("x", ROOT, "new/"), Errno::NoEnt);
    assert_eq!(guest.symlink("x", ROOT, "a/"), Errno::Exist);
    assert_eq!(guest.two_paths("path_link", (ROOT, "a/file"), (ROOT, "new/")), Errno::NoEnt);
    assert_eq!(guest.two_paths("path_rename", (ROOT, "a/file"), (ROOT, "new/")), Errno::NotDir);
    // Directories take them.
    for path in ["a/b/", "a/b///", "to_dir/b/", "to_dir/"] {
        assert!(guest.open(ROOT, path, DIRECTORY, 0, 0).is_ok(), "{path}");
        assert_eq!(guest.path_stat(ROOT, 0, path).map(|s| s.0), Ok(3), "{path}");
    }
    assert_eq!(guest.path("path_create_directory", ROOT, "made/"), Errno::Success);
    assert_eq!(guest.path("path_create_directory", ROOT, "made/"), Errno::Exist);
    assert_eq!(guest.two_paths("path_rename", (ROOT, "made/"), (ROOT, "moved/")), Errno::Success);
    assert_eq!(guest.path("path_remove_directory", ROOT, "moved/"), Errno::Success);
    assert_eq!(scratch.read("root/a/file"), b"inside");
}

#[test]
fn rename_over() {
    let (scratch, mut guest) = jail();
    let root = |name: &str| format!("root/{name}");
    for name in ["f1", "f2"] {
        scratch.write(&root(name), name.as_bytes());
    }
    for name in ["d1", "d2", "full"] {
        std::fs::create_dir(scratch.join(&root(name))).unwrap();
    }
    scratch.write("root/full/x", b"");
    let mut rename = |from: &str, to: &str| guest.two_paths("path_rename", (ROOT, from), (ROOT, to));
    assert_eq!(rename("d1", "full"), Errno::NotEmpty);
    assert_eq!(rename("d1", "f1"), Errno::NotDir);
    assert_eq!(rename("f1", "d1"), Errno::IsDir);
    assert_eq!(rename("f1", "f1"), Errno::Success);
    assert_eq!(rename("f1", "f2"), Errno::Success);
    assert_eq!(rename("d1", "d2"), Errno::Success);
    assert_eq!(rename("full", "full/inside"), Errno::Inval);
    assert_eq!(rename("absent", "x"), Errno::NoEnt);
    assert_eq!(rename("f2", "absent/x"), Errno::NoEnt);
    assert_eq!(rename("f2", "a/file/x"), Errno::NotDir);
    assert_eq!(scratch.read("root/f2"), b"f1");
    assert!(!scratch.join("root/f1").exists() && !scratch.join("root/d1").exists());
}

#[test]
fn removing() {
    let (_scratch, mut guest) = jail();
    assert_eq!(guest.path("path_remove_directory", ROOT, "a"), Errno::NotEmpty);
    assert_eq!(guest.path("path_remove_directory", ROOT, "a/file"), Errno::NotDir);
    assert_eq!(guest.path("path_remove_directory", ROOT, "absent"), Errno::NoEnt);
    assert_eq!(guest.path("path_unlink_file", ROOT, "absent"), Errno::NoEnt);
    assert_eq!(guest.two_paths("path_link", (ROOT, "a/file"), (ROOT, "a/b")), Errno::Exist);
    assert_eq!(guest.two_paths("path_link", (ROOT, "a"), (ROOT, "x")), Errno::Perm);
    // The root itself stays.
    assert_ne!(guest.path("path_remove_directory", ROOT, "."), Errno::Success);
    assert_ne!(guest.path("path_unlink_file", ROOT, "."), Errno::Success);
}

#[test]
fn readlink_truncates() {
    let (_scratch, mut guest) = jail();
    assert_eq!(guest.symlink("target", ROOT, "link"), Errno::Success);
    let (at, len) = guest.put("link");
    let out = guest.space(16);
    for (room, used) in [(16, 6), (6, 6), (4, 4), (0, 0)] {
        guest.ok("path_readlink", &[ROOT, at, len, out, room, 8]);
        assert_eq!((guest.result(), guest.bytes(out, used)), (used as u32, &b"target"[..used]));
    }
    let (at, len) = guest.put("a/file");
    assert_eq!(guest.call("path_readlink", &[ROOT, at, len, out, 16, 8]), Errno::Inval);
}

#[test]
fn times_of_links_and_targets() {
    let (scratch, mut guest) = jail();
    symlink("a/file", scratch.join("root/link")).unwrap();
    let (at, len) = guest.put("link");
    let ns = |name: &str| {
        use std::os::unix::fs::MetadataExt;
        let m = std::fs::symlink_metadata(scratch.join(name)).unwrap();
        m.mtime() as u64 * 1_000_000_000 + m.mtime_nsec() as u64
    };
    guest.ok("path_filestat_set_times", &[ROOT, 0, at, len, 0, 1_000_000_001, 4]);
    guest.ok("path_filestat_set_times", &[ROOT, FOLLOW, at, len, 0, 2_000_000_002, 4]);
    assert_eq!((ns("root/link"), ns("root/a/file")), (1_000_000_001, 2_000_000_002));
}

/// Opening and looking at a FIFO nobody writes to must not wait for somebody.
#[test]
fn a_fifo_does_not_hang_the_host() {
    let (scratch, mut guest) = jail();
    rustix::fs::mkfifoat(rustix::fs::CWD, scratch.join("root/fifo"), rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)
        .unwrap();
    let fd = guest.open(ROOT, "fifo", 0, FILE_RIGHTS & !(FD_WRITE | FD_ALLOCATE), NONBLOCK).unwrap();
    assert_eq!(guest.read(fd, 8), Err(Errno::Again));
    assert_eq!(guest.open(ROOT, "fifo", 0, FD_WRITE, 0).map(drop), Ok(()));
    let (at, len) = guest.put("fifo");
    guest.ok("path_filestat_set_times", &[ROOT, FOLLOW, at, len, 0, 0, 10]);
    assert_eq!(guest.call("fd_fdstat_set_flags", &[fd, 0]), Errno::Success);
}

#[test]
fn only_directories_have_paths() {
    let (_scratch, mut guest) = jail();
    let file = guest.open(ROOT, "a/file", 0, FD_READ | PATH_OPEN, 0).unwrap();
    assert_eq!(guest.open(file, "x", CREAT, 0, 0), Err(Errno::NotDir));
    assert_eq!(guest.path("path_unlink_file", 0, "x"), Errno::NotDir);
    assert_eq!(guest.path("path_unlink_file", 99, "x"), Errno::BadF);
    assert_eq!(guest.two_paths("path_rename", (ROOT, "a"), (99, "x")), Errno::BadF);
}
