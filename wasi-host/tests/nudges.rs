//! Calls that are left while they wait, and made again: nothing is lost, nothing comes twice.

mod common;

use common::*;
use heapwood_wasi::{Errno, InterruptHandle, Outcome, StandardStream, WasiCtxBuilder};
use std::io::{Read, Write, pipe};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Nudges a context again and again, until it is dropped.
struct Nudges(Arc<AtomicBool>, Option<JoinHandle<()>>);

impl Nudges {
    fn start(handle: InterruptHandle) -> Nudges {
        let is_over = Arc::new(AtomicBool::new(false));
        let ended = is_over.clone();
        let thread = thread::spawn(move || {
            while !ended.load(Ordering::SeqCst) {
                handle.nudge();
                thread::sleep(Duration::from_micros(50));
            }
        });
        Nudges(is_over, Some(thread))
    }
}

impl Drop for Nudges {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
        self.1.take().map(JoinHandle::join);
    }
}

/// Makes a call until it is served; how often it had to be made.
fn again(guest: &mut Guest, name: &str, arguments: &[u64]) -> usize {
    for calls in 1.. {
        match guest.try_call(name, arguments) {
            Err(Outcome::Again) => {}
            served => {
                assert_eq!(served, Ok(Errno::Success), "{name}");
                return calls;
            }
        }
    }
    unreachable!("it is served or not")
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 7 + at / 251) as u8).collect()
}

#[test]
fn what_is_written_is_written_once() {
    let (mut reader, writer) = pipe().unwrap();
    let mut guest = Guest::new(WasiCtxBuilder::new().stdio_fd(StandardStream::Output, writer));
    let bytes = pattern(400_000);
    // In buffers of several lengths.
    let start = guest.put(&bytes).0;
    let cuts = [0, 1, 1000, 65_536, 65_537, 200_000, 400_000];
    let buffers: Vec<_> = cuts.windows(2).map(|cut| (start + cut[0], cut[1] - cut[0])).collect();
    let list = guest.list(&buffers);
    let length = bytes.len();
    let read = thread::spawn(move || {
        let (mut read, mut some) = (Vec::new(), [0; 2000]);
        while read.len() < length {
            let count = reader.read(&mut some).unwrap();
            read.extend_from_slice(&some[..count]);
            thread::sleep(Duration::from_micros(100));
        }
        read
    });
    let nudges = Nudges::start(guest.ctx.interrupt_handle());
    let calls = again(&mut guest, "fd_write", &[1, list, buffers.len() as u64, 8]);
    drop(nudges);
    assert!(calls > 1, "it was nudged");
    assert_eq!(guest.result() as usize, length);
    assert!(read.join().unwrap() == bytes);
}

#[test]
fn what_is_received_is_received_once() {
    let (near, mut far) = UnixStream::pair().unwrap();
    let mut guest = Guest::new(WasiCtxBuilder::new().socket(near));
    let bytes = pattern(3000);
    let out = guest.space(bytes.len());
    let list = guest.list(&[(out, 10), (out + 10, 1000), (out + 1010, 1990)]);
    let sent = bytes.clone();
    let send = thread::spawn(move || {
        for piece in sent.chunks(97) {
            far.write_all(piece).unwrap();
            thread::sleep(Duration::from_micros(300));
        }
        far
    });
    let nudges = Nudges::start(guest.ctx.interrupt_handle());
    // All of it is waited for.
    let calls = again(&mut guest, "sock_recv", &[3, list, 3, 2, 8, 16]);
    drop(nudges);
    assert!(calls > 1, "it was nudged");
    assert_eq!(guest.result() as usize, bytes.len());
    assert!(guest.bytes(out, bytes.len()) == bytes);
    drop(send.join());
}

/// A time that counts from the call's beginning counts from when it was made first: else it would never come.
#[test]
fn a_time_that_is_waited_for_comes() {
    let mut guest = Guest::new(WasiCtxBuilder::new());
    let list = guest.space(48) as usize;
    let span = Duration::from_millis(20);
    guest.memory[list + 16..list + 20].copy_from_slice(&1u32.to_le_bytes());
    guest.memory[list + 24..list + 32].copy_from_slice(&(span.as_nanos() as u64).to_le_bytes());
    let out = guest.space(32);
    let nudges = Nudges::start(guest.ctx.interrupt_handle());
    for _ in 0..3 {
        let start = Instant::now();
        let calls = again(&mut guest, "poll_oneoff", &[list as u64, out, 1, 8]);
        assert!(calls > 1 && start.elapsed() >= span, "{calls} calls in {:?}", start.elapsed());
        assert_eq!(guest.result(), 1);
    }
    drop(nudges);
}

/// Whoever does not make the call again says so; the next one begins at its beginning.
#[test]
fn a_call_that_is_given_up_leaves_nothing() {
    let (mut reader, writer) = pipe().unwrap();
    let mut guest = Guest::new(WasiCtxBuilder::new().stdio_fd(StandardStream::Output, writer));
    let bytes = pattern(200_000);
    let buffer = guest.put(&bytes);
    let list = guest.list(&[buffer]);
    guest.ctx.interrupt_handle().nudge();
    // More than the pipe takes.
    assert_eq!(guest.try_call("fd_write", &[1, list, 1, 8]), Err(Outcome::Again));
    guest.ctx.begin_anew();
    let read = thread::spawn(move || {
        let mut read = Vec::new();
        reader.read_to_end(&mut read).unwrap();
        read
    });
    guest.ok("fd_write", &[1, list, 1, 8]);
    assert_eq!(guest.result(), 200_000);
    drop(guest);
    let read = read.join().unwrap();
    let first = read.len() - bytes.len();
    assert!(first > 0 && read[..first] == bytes[..first] && read[first..] == bytes);
}
