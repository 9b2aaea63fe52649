//! Logs that are attached to a program: what they are written to, and how they end.

mod common;

use common::attached::{CHURN, Program, churn, minors_and_markings};
use common::{scratch, wat};
use rustix::fs::{Mode, OFlags, SealFlags};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use std::fs;
use std::io::{IoSlice, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};

#[test]
fn a_log_of_pauses_is_attached_and_detached() {
    // Beside a log of the whole run, and without one.
    for options in [&[][..], &["--gc-log=/dev/null"]] {
        let mut program = churn("attach-log", options);
        assert!(program.refuses(&["gc-log", "off"]).contains("no log was attached"));
        let file = program.socket.with_file_name("gc.json");
        assert_eq!(program.answers(&["gc-log", "on", "--format", "json", file.to_str().unwrap()]), "");
        let lines = || fs::read_to_string(&file).unwrap().lines().count();
        while lines() < 5 {}
        assert_eq!(program.answers(&["gc-log", "off"]), "");
        let whole = fs::read_to_string(&file).unwrap();
        for line in whole.lines() {
            let event: serde_json::Value = serde_json::from_str(line).expect("JSON");
            assert!(event["kind"].is_string(), "{line}");
        }
        let (minors, _) = minors_and_markings(&program);
        while minors_and_markings(&program).0 < minors + 5 {}
        assert_eq!(fs::read_to_string(&file).unwrap(), whole, "nothing is added");
        // Without a file the lines go to the program's own standard error, which has to be read.
        let mut stderr = program.child.stderr.take().expect("piped");
        let reader = std::thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).map(|_| text).expect("text")
        });
        assert_eq!(program.answers(&["gc-log", "on"]), "");
        let (minors, _) = minors_and_markings(&program);
        while minors_and_markings(&program).0 < minors + 5 {}
        assert_eq!(program.answers(&["gc-log", "off"]), "");
        drop(program);
        let stderr = reader.join().expect("it is read");
        assert!(stderr.lines().count() >= 5 && stderr.lines().all(|line| line.contains("minor ")), "{stderr}");
    }
}

/// Sends a request with a descriptor, as `attach` does, and returns the line that answers.
fn request_with(program: &Program, request: &str, descriptor: BorrowedFd<'_>) -> String {
    let mut client = program.connect();
    let (mut space, descriptors) = ([MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))], [descriptor]);
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(&descriptors)));
    sendmsg(&client, &[IoSlice::new(request.as_bytes())], &mut control, SendFlags::NOSIGNAL).expect("it listens");
    let mut answer = String::new();
    client.read_to_string(&mut answer).expect("text");
    answer.strip_prefix("heapwood 1\n").expect("a greeting").trim_end().to_owned()
}

#[test]
fn a_file_that_cannot_be_written_to_is_refused() {
    let program = churn("attach-read-only", &[]);
    let file = program.socket.with_file_name("gc.log");
    fs::write(&file, "kept\n").unwrap();
    let open = |flags| rustix::fs::open(&file, flags, Mode::empty()).expect("a file");
    let sealed = rustix::fs::memfd_create("sealed", rustix::fs::MemfdFlags::ALLOW_SEALING).expect("a file in memory");
    rustix::fs::fcntl_add_seals(&sealed, SealFlags::WRITE).expect("it can be sealed");
    let (null, folder) = (fs::File::create("/dev/null").unwrap(), fs::File::open("/").unwrap());
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let (read_only, path_only) = (open(OFlags::RDONLY), open(OFlags::PATH));
    for (descriptor, why) in [
        (read_only.as_fd(), "the descriptor of the file is read-only"),
        (path_only.as_fd(), "the descriptor of the file only names it: it was opened with O_PATH"),
        (sealed.as_fd(), "the descriptor of the file is sealed: nothing can be added to the file"),
        (null.as_fd(), "only a regular file can be written to"),
        (folder.as_fd(), "only a regular file can be written to"),
        (writer.as_fd(), "only a regular file can be written to"),
        (reader.as_fd(), "only a regular file can be written to"),
        (program.connect().as_fd(), "only a regular file can be written to"),
    ] {
        for request in ["gc-log on text\n", "gc-log on jvm\n", "snapshot\n"] {
            assert_eq!(request_with(&program, request, descriptor), format!("error {why}"), "{request}");
        }
    }
    assert!(program.refuses(&["gc-log", "off"]).contains("no log was attached"));
    assert_eq!(fs::read_to_string(&file).unwrap(), "kept\n");
    for flags in [OFlags::WRONLY, OFlags::RDWR, OFlags::WRONLY | OFlags::APPEND] {
        assert_eq!(request_with(&program, "gc-log on json\n", open(flags).as_fd()), "ok 0");
        assert_eq!(program.answers(&["gc-log", "off"]), "");
    }
}

/// Who ends a log hears that it has not all lines: nobody else would be told.
#[test]
fn a_log_that_was_refused_says_so_at_its_end() {
    let program = churn("attach-full", &[]);
    let most = Rlimit { current: Some(4096), maximum: None };
    prlimit(Pid::from_raw(program.child.id() as i32), Resource::Fsize, most).expect("a child of ours");
    let file = program.socket.with_file_name("gc.log");
    assert_eq!(program.answers(&["gc-log", "on", file.to_str().unwrap()]), "");
    while fs::metadata(&file).unwrap().len() < 2048 {}
    let (minors, _) = minors_and_markings(&program);
    while minors_and_markings(&program).0 < minors + 30 {}
    let said = program.refuses(&["gc-log", "off"]);
    assert!(said.contains("the log is off, and lines are missing: File too large"), "{said}");
    assert!(program.refuses(&["gc-log", "off"]).contains("no log was attached"));
}

/// A log of the whole run that is kept in several files, and one that is attached: neither knows of the other.
#[test]
fn a_log_in_several_files_goes_on_beside_one_that_is_attached() {
    let folder = scratch("attach-rotates");
    let own = folder.join("own.log");
    let option = format!("--gc-log={}", own.display());
    let options = [&option, "--gc-log-size", "2k", "--gc-log-count", "2"];
    let program = Program::start(&wat(&folder, "churn.wat", CHURN), &folder, &options, &[]);
    let other = folder.join("other.log");
    let newest = || fs::read_to_string(&own).unwrap_or_default();
    for _ in 0..2 {
        assert_eq!(program.answers(&["gc-log", "on", other.to_str().unwrap()]), "");
        while fs::metadata(&other).unwrap().len() < 10_000 {}
        assert_eq!(program.answers(&["gc-log", "off"]), "");
        let (attached, so_far) = (fs::metadata(&other).unwrap().len(), newest());
        while newest() == so_far {}
        assert_eq!(fs::metadata(&other).unwrap().len(), attached, "it has ended");
    }
    assert_eq!(program.end("TERM", 143), "");
    let mut names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["churn.wat", "other.log", "own.log", "own.log.0", "own.log.1"]);
}
