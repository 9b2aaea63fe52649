//! `poll_oneoff`. No test measures time: what happened first is told by the events.

mod common;

use common::*;
use heapwood_wasi::{DeterministicClocks, Errno, Outcome, StandardStream, WasiCtxBuilder};
use std::io::{self, Write};

const HOUR: u64 = 3_600_000_000_000;
const ABSOLUTE: u64 = 1;

enum Wait {
    Clock { id: u32, timeout: u64, flags: u64 },
    Read(u64),
    Write(u64),
    Raw(u8),
}

/// Userdata, error, kind, bytes, hangup.
type Event = (u64, u16, u8, u64, bool);

fn poll(guest: &mut Guest, waits: &[Wait]) -> Result<Result<Vec<Event>, Errno>, Outcome> {
    let list = guest.space(48 * waits.len());
    for (i, wait) in waits.iter().enumerate() {
        let at = list as usize + 48 * i;
        let mut put = |offset: usize, bytes: &[u8]| {
            guest.memory[at + offset..at + offset + bytes.len()].copy_from_slice(bytes);
        };
        put(0, &(100 + i as u64).to_le_bytes());
        match *wait {
            Wait::Clock { id, timeout, flags } => {
                put(16, &id.to_le_bytes());
                put(24, &timeout.to_le_bytes());
                put(40, &(flags as u16).to_le_bytes());
            }
            Wait::Read(fd) | Wait::Write(fd) => {
                put(8, &[if matches!(wait, Wait::Read(_)) { 1 } else { 2 }]);
                put(16, &(fd as u32).to_le_bytes());
            }
            Wait::Raw(kind) => put(8, &[kind]),
        }
    }
    let out = guest.space(32 * waits.len());
    let errno = guest.try_call("poll_oneoff", &[list, out, waits.len() as u64, u64::from(RESULT)])?;
    if errno != Errno::Success {
        return Ok(Err(errno));
    }
    let events = (0..u64::from(guest.result())).map(|i| {
        let at = out + 32 * i;
        let error = u16::from_le_bytes(guest.bytes(at + 8, 2).try_into().unwrap());
        let (kind, hangup) = (guest.bytes(at + 10, 1)[0], guest.bytes(at + 24, 1)[0] == 1);
        (guest.u64_at(at), error, kind, guest.u64_at(at + 16), hangup)
    });
    Ok(Ok(events.collect()))
}

fn sleep(timeout: u64) -> Wait {
    Wait::Clock { id: 1, timeout, flags: 0 }
}

fn guest_with_pipe() -> (Guest, io::PipeWriter) {
    let (reader, writer) = io::pipe().unwrap();
    (Guest::new(WasiCtxBuilder::new().stdio_fd(StandardStream::Input, reader)), writer)
}

#[test]
fn a_silent_pipe_times_out() {
    let (mut guest, _writer) = guest_with_pipe();
    let events = poll(&mut guest, &[Wait::Read(0), sleep(20_000_000), sleep(HOUR)]).unwrap().unwrap();
    assert_eq!(events, [(101, 0, 0, 0, false)]);
}

#[test]
fn a_pipe_wakes_up_before_the_timeout() {
    let (mut guest, mut writer) = guest_with_pipe();
    let thread = std::thread::spawn(move || {
        writer.write_all(b"hello").unwrap();
        writer
    });
    let events = poll(&mut guest, &[sleep(HOUR), Wait::Read(0)]).unwrap().unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].0, events[0].1, events[0].2), (101, 0, 1));
    drop(thread.join().unwrap());
    // What is left is there, and then the end.
    let events = poll(&mut guest, &[Wait::Read(0)]).unwrap().unwrap();
    assert_eq!(events, [(100, 0, 1, 5, true)]);
    assert_eq!(guest.read(0, 8).unwrap(), b"hello");
    let events = poll(&mut guest, &[Wait::Read(0), sleep(HOUR)]).unwrap().unwrap();
    assert_eq!(events, [(100, 0, 1, 0, true)]);
}

#[test]
fn all_that_is_ready_is_told() {
    let (mut guest, mut writer) = guest_with_pipe();
    writer.write_all(b"x").unwrap();
    let waits = [sleep(HOUR), Wait::Write(1), Wait::Read(0), sleep(0), Wait::Write(2), Wait::Read(0)];
    let events = poll(&mut guest, &waits).unwrap().unwrap();
    let expected = [(101, 2), (102, 1), (103, 0), (104, 2), (105, 1)];
    assert_eq!(events.iter().map(|e| (e.0, e.2)).collect::<Vec<_>>(), expected);
    assert!(events.iter().all(|e| e.1 == 0));
}

#[test]
fn a_full_pipe_is_not_writable() {
    let (reader, writer) = io::pipe().unwrap();
    let mut guest = Guest::new(WasiCtxBuilder::new().stdio_fd(StandardStream::Output, writer));
    let events = poll(&mut guest, &[Wait::Write(1), sleep(HOUR)]).unwrap().unwrap();
    assert_eq!(events, [(100, 0, 2, 0, false)]);
    guest.ok("fd_fdstat_set_flags", &[1, NONBLOCK]);
    while guest.write(1, &[0; 65536]).is_ok() {}
    let events = poll(&mut guest, &[Wait::Write(1), sleep(1_000_000)]).unwrap().unwrap();
    assert_eq!(events, [(101, 0, 0, 0, false)]);
    drop(reader);
    let events = poll(&mut guest, &[Wait::Write(1), sleep(HOUR)]).unwrap().unwrap();
    assert_eq!(events, [(100, 0, 2, 0, true)]);
}

#[test]
fn files_are_always_ready() {
    let scratch = Scratch::new();
    scratch.write("file", b"0123456789");
    let mut guest = Guest::with_dir(&scratch);
    let fd = guest.open(ROOT, "file", 0, FILE_RIGHTS, 0).unwrap();
    assert_eq!(guest.seek(fd, 4, 0), Ok(4));
    let events = poll(&mut guest, &[Wait::Read(fd), Wait::Write(fd), sleep(HOUR)]).unwrap().unwrap();
    assert_eq!(events, [(100, 0, 1, 6, false), (101, 0, 2, 0, false)]);
}

#[test]
fn mistakes_become_events() {
    let scratch = Scratch::new();
    scratch.write("file", b"");
    let mut guest = Guest::with_dir(&scratch);
    let fd = guest.open(ROOT, "file", 0, FD_READ, 0).unwrap();
    let waits = [
        Wait::Read(99),
        Wait::Write(0),
        Wait::Read(fd),
        Wait::Read(ROOT),
        Wait::Clock { id: 9, timeout: 0, flags: 0 },
        Wait::Clock { id: 2, timeout: 0, flags: 0 },
        Wait::Clock { id: 1, timeout: 0, flags: 2 },
        sleep(HOUR),
    ];
    let events = poll(&mut guest, &waits).unwrap().unwrap();
    let not_capable = Errno::NotCapable.raw();
    let errors: Vec<_> = events.iter().map(|e| (e.0, e.1)).collect();
    assert_eq!(
        errors,
        [
            (100, Errno::BadF.raw()),
            (101, not_capable),
            (102, not_capable),
            (103, not_capable),
            (104, Errno::Inval.raw()),
            (105, Errno::NotSup.raw()),
            (106, Errno::Inval.raw()),
        ]
    );
    assert_eq!(poll(&mut guest, &[Wait::Raw(3)]), Ok(Err(Errno::Inval)));
    assert_eq!(poll(&mut guest, &[]), Ok(Err(Errno::Inval)));
}

#[test]
fn absolute_times() {
    let mut guest = Guest::new(WasiCtxBuilder::new());
    for id in [0, 1] {
        guest.ok("clock_time_get", &[u64::from(id), 0, 8]);
        let now = guest.result64();
        let at = |timeout| Wait::Clock { id, timeout, flags: ABSOLUTE };
        let events = poll(&mut guest, &[at(u64::MAX), at(0), at(now), at(now + HOUR)]).unwrap().unwrap();
        assert_eq!(events.iter().map(|e| e.0).collect::<Vec<_>>(), [101, 102], "clock {id}");
        let events = poll(&mut guest, &[at(u64::MAX), at(now + 5_000_000)]).unwrap().unwrap();
        assert_eq!(events.iter().map(|e| e.0).collect::<Vec<_>>(), [101], "clock {id}");
        // Not before its time.
        guest.ok("clock_time_get", &[u64::from(id), 0, 8]);
        assert!(guest.result64() >= now + 5_000_000);
    }
}

#[test]
fn virtual_time_passes_at_once() {
    let mut guest = Guest::new(WasiCtxBuilder::new().clocks(DeterministicClocks::new(5, 0)));
    let events = poll(&mut guest, &[sleep(1000 * HOUR), sleep(HOUR)]).unwrap().unwrap();
    assert_eq!(events, [(101, 0, 0, 0, false)]);
    guest.ok("clock_time_get", &[0, 0, 8]);
    assert_eq!(guest.result64(), 5 + HOUR);
    // What is ready does not let time pass.
    let events = poll(&mut guest, &[sleep(HOUR), Wait::Write(1)]).unwrap().unwrap();
    assert_eq!(events, [(101, 0, 2, 0, false)]);
    guest.ok("clock_time_get", &[0, 0, 8]);
    assert_eq!(guest.result64(), 5 + HOUR);
}

#[test]
fn an_interrupt_ends_any_wait() {
    let (mut guest, _writer) = guest_with_pipe();
    let handle = guest.ctx.interrupt_handle();
    for waits in [vec![sleep(u64::MAX)], vec![Wait::Read(0)], vec![Wait::Read(0), sleep(HOUR)]] {
        let interrupting = handle.clone();
        let thread = std::thread::spawn(move || interrupting.interrupt());
        assert_eq!(poll(&mut guest, &waits), Err(Outcome::Interrupted));
        thread.join().unwrap();
        // It stays so until it is reset.
        assert_eq!(poll(&mut guest, &waits), Err(Outcome::Interrupted));
        assert_eq!(guest.try_call("sched_yield", &[]), Err(Outcome::Interrupted));
        handle.reset();
        assert_eq!(guest.try_call("sched_yield", &[]), Ok(Errno::Success));
    }
}

#[test]
fn thousands_of_subscriptions() {
    let mut guest = Guest::new(WasiCtxBuilder::new());
    let waits: Vec<_> = (0..5000).map(|i| if i % 2 == 0 { Wait::Write(1) } else { sleep(HOUR) }).collect();
    assert_eq!(poll(&mut guest, &waits).unwrap().unwrap().len(), 2500);
}
