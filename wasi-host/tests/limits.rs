//! RLIMIT_FSIZE: the limit is met as an error, not as a signal that kills the process.

mod common;

use common::*;
use heapwood_wasi::Errno;
use std::process::Command;

/// Set in the process that runs under the limit.
const LIMITED: &str = "HEAPWOOD_WASI_LIMITED";

#[test]
fn a_file_size_limit_of_the_host() {
    if std::env::var_os(LIMITED).is_none() {
        // `ulimit -f` counts 512 or 1024 bytes.
        let status = Command::new("sh")
            .args(["-c", "ulimit -f 1 && exec \"$0\" \"$@\""])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "a_file_size_limit_of_the_host", "--test-threads=1"])
            .env(LIMITED, "1")
            .stdout(std::process::Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "{status}");
        return;
    }
    let scratch = Scratch::new();
    let mut guest = Guest::with_dir(&scratch);
    let fd = guest.open(ROOT, "file", CREAT, FILE_RIGHTS, 0).unwrap();
    let written = guest.write(fd, &[7; 4096]).unwrap();
    assert!(written == 512 || written == 1024, "{written}");
    assert_eq!(guest.write(fd, b"x"), Err(Errno::FBig));
    assert_eq!(guest.call("fd_filestat_set_size", &[fd, 5000]), Errno::FBig);
    assert_eq!(guest.call("fd_allocate", &[fd, 0, 5000]), Errno::FBig);
    assert_eq!(scratch.read("file").len() as u32, written);
}
