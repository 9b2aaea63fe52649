//! Standard streams: memory, pipes, closed ones, full ones; arguments and environment.

mod common;

use common::*;
use heapwood_wasi::{
    DeterministicClocks, Errno, InputStream, MemoryInput, MemoryOutput, Outcome, OutputStream, SeededRandom,
    StandardStream, WasiCtx, WasiCtxBuilder,
};
use std::io::{self, IoSlice, IoSliceMut, Read, Write};

#[test]
fn a_context_moves_between_threads() {
    fn sendable<T: Send>() {}
    sendable::<WasiCtx>();
    sendable::<WasiCtxBuilder>();
}

#[test]
fn nothing_is_granted_by_default() {
    let mut guest = Guest::new(WasiCtxBuilder::new());
    assert_eq!(guest.read(0, 16).unwrap(), b"");
    for fd in [1, 2] {
        assert_eq!(guest.write(fd, b"text"), Ok(4));
    }
    for name in ["args_sizes_get", "environ_sizes_get"] {
        guest.ok(name, &[8, 12]);
        assert_eq!((guest.u32_at(8), guest.u32_at(12)), (0, 0));
    }
    assert_eq!(guest.call("fd_prestat_get", &[3, 8]), Errno::BadF);
}

#[test]
fn arguments_and_environment() {
    let builder = WasiCtxBuilder::new().args(["app", "", "ü"]).env("A", "1").env("B", "x=y").env("A", "2");
    let mut guest = Guest::new(builder);
    for (get, sizes, strings) in [
        ("args_get", "args_sizes_get", vec!["app", "", "ü"]),
        ("environ_get", "environ_sizes_get", vec!["A=2", "B=x=y"]),
    ] {
        guest.ok(sizes, &[8, 12]);
        let bytes: usize = strings.iter().map(|s| s.len() + 1).sum();
        assert_eq!((guest.u32_at(8), guest.u32_at(12)), (strings.len() as u32, bytes as u32));
        let (pointers, buffer) = (guest.space(64), guest.space(64));
        guest.ok(get, &[pointers, buffer]);
        for (i, string) in strings.iter().enumerate() {
            let at = u64::from(guest.u32_at(pointers + 4 * i as u64));
            assert_eq!(guest.bytes(at, string.len() + 1), [string.as_bytes(), b"\0"].concat());
        }
    }
    assert!(WasiCtxBuilder::new().arg("a\0b").build().is_err());
    assert!(WasiCtxBuilder::new().env("A=B", "x").build().is_err());
    assert!(WasiCtxBuilder::new().env("A", "x\0").build().is_err());
}

#[test]
fn streams_in_memory() {
    let output = MemoryOutput::new(8);
    let builder = WasiCtxBuilder::new().stdin(MemoryInput::new("input")).stdout(output.clone());
    let mut guest = Guest::new(builder);
    assert_eq!(guest.read(0, 3).unwrap(), b"inp");
    assert_eq!(guest.read(0, 3).unwrap(), b"ut");
    assert_eq!(guest.read(0, 3).unwrap(), b"");
    assert_eq!(guest.write(1, b"12345"), Ok(5));
    assert_eq!(guest.write(1, b"67890"), Ok(3));
    assert_eq!(guest.write(1, b"x"), Err(Errno::NoSpc));
    assert_eq!(output.take(), b"12345678");
    // Neither terminals nor files.
    for fd in 0..3 {
        assert_eq!(guest.fdstat(fd).unwrap().0, 0);
        assert_eq!(guest.seek(fd, 0, 1), Err(Errno::SPipe));
        assert_eq!(guest.call("fd_tell", &[fd, 8]), Errno::SPipe);
        assert_eq!(guest.call("fd_advise", &[fd, 0, 0, 0]), Errno::SPipe);
        assert_eq!(guest.call("fd_allocate", &[fd, 0, 1]), Errno::SPipe);
        assert_eq!(guest.call("fd_pread", &[fd, 0, 0, 0, 8]), Errno::SPipe);
        assert_eq!(guest.call("fd_sync", &[fd]), Errno::Inval);
    }
    assert_eq!(guest.write(0, b"x"), Err(Errno::NotCapable));
    assert_eq!(guest.read(1, 1), Err(Errno::NotCapable));
}

struct Terminal;

impl InputStream for Terminal {
    fn read(&mut self, _buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn is_terminal(&self) -> bool {
        true
    }
}

/// Takes two bytes at a time, three times.
struct Narrow(usize);

impl OutputStream for Narrow {
    fn write(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0 += 1;
        if self.0 > 3 { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(buffers[0].len().min(2)) }
    }
}

#[test]
fn streams_of_the_embedder() {
    let mut guest = Guest::new(WasiCtxBuilder::new().stdin(Terminal).stdout(Narrow(0)));
    assert_eq!(guest.fdstat(0).unwrap().0, 2);
    assert_eq!(guest.read(0, 1), Err(Errno::Again));
    // A blocking write ends when all is written or with an error, which then comes by itself.
    assert_eq!(guest.write(1, b"12345678"), Ok(6));
    assert_eq!(guest.write(1, b"x"), Err(Errno::Pipe));
}

#[test]
fn closed_streams() {
    let builder = WasiCtxBuilder::new().close_stdio(StandardStream::Input).close_stdio(StandardStream::Output);
    let mut guest = Guest::new(builder);
    assert_eq!(guest.read(0, 1), Err(Errno::BadF));
    assert_eq!(guest.write(1, b"x"), Err(Errno::BadF));
    assert_eq!(guest.fdstat(1), Err(Errno::BadF));
    assert_eq!(guest.write(2, b"x"), Ok(1));
    guest.ok("fd_close", &[2]);
    assert_eq!(guest.write(2, b"x"), Err(Errno::BadF));
}

#[test]
fn a_pipe_without_reader() {
    let (reader, writer) = io::pipe().unwrap();
    let mut guest = Guest::new(WasiCtxBuilder::new().stdio_fd(StandardStream::Output, writer));
    assert_eq!(guest.write(1, b"x"), Ok(1));
    drop(reader);
    assert_eq!(guest.write(1, b"x"), Err(Errno::Pipe));
    assert_eq!(guest.seek(1, 0, 0), Err(Errno::SPipe));
}

#[test]
fn a_full_device() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut guest = Guest::new(WasiCtxBuilder::new().stdio_fd(StandardStream::Output, full));
    assert_eq!(guest.write(1, b"x"), Err(Errno::NoSpc));
    let null = std::fs::File::options().write(true).open("/dev/null").unwrap();
    let mut guest = Guest::new(WasiCtxBuilder::new().stdio_fd(StandardStream::Output, null));
    assert_eq!(guest.write(1, &[0; 100_000]), Ok(100_000));
    // A C library takes it for no terminal.
    let (kind, _, rights, _) = guest.fdstat(1).unwrap();
    assert_eq!((kind, rights & (FD_SEEK | FD_TELL)), (2, FD_SEEK | FD_TELL));
}

#[test]
fn a_file_as_stream() {
    let scratch = Scratch::new();
    scratch.write("in", b"0123456789");
    let input = std::fs::File::open(scratch.join("in")).unwrap();
    let output = std::fs::File::create(scratch.join("out")).unwrap();
    let builder = WasiCtxBuilder::new().stdio_fd(StandardStream::Input, input);
    let mut guest = Guest::new(builder.stdio_fd(StandardStream::Output, output));
    assert_eq!(guest.fdstat(0).unwrap().0, 4);
    assert_eq!(guest.seek(0, 5, 0), Ok(5));
    assert_eq!(guest.read(0, 16).unwrap(), b"56789");
    assert_eq!(guest.write(1, b"text"), Ok(4));
    assert_eq!(scratch.read("out"), b"text");
}

/// More than a pipe holds goes through whole, while somebody reads.
#[test]
fn a_long_write_to_a_pipe_is_whole() {
    let (mut reader, writer) = io::pipe().unwrap();
    let mut guest = Guest::new(WasiCtxBuilder::new().stdio_fd(StandardStream::Output, writer));
    let text: Vec<u8> = (0..500_000u32).map(|i| i as u8).collect();
    let thread = std::thread::spawn(move || {
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        all
    });
    assert_eq!(guest.write(1, &text), Ok(500_000));
    drop(guest);
    assert_eq!(thread.join().unwrap(), text);
}

#[test]
fn a_full_pipe_without_blocking() {
    let (_reader, writer) = io::pipe().unwrap();
    let mut guest = Guest::new(WasiCtxBuilder::new().stdio_fd(StandardStream::Output, writer));
    guest.ok("fd_fdstat_set_flags", &[1, NONBLOCK]);
    let written = guest.write(1, &[0; 500_000]).unwrap();
    assert!(written > 0 && written < 500_000);
    assert_eq!(guest.write(1, &[0; 500_000]), Err(Errno::Again));
}

#[test]
fn an_interrupt_ends_blocked_reads_and_writes() {
    let ((input, _input), (_output, output)) = (io::pipe().unwrap(), io::pipe().unwrap());
    let builder = WasiCtxBuilder::new().stdio_fd(StandardStream::Input, input);
    let mut guest = Guest::new(builder.stdio_fd(StandardStream::Output, output));
    let handle = guest.ctx.interrupt_handle();
    let list = {
        let buffer = guest.space(500_000);
        guest.list(&[(buffer, 500_000)])
    };
    for name in ["fd_read", "fd_write"] {
        let fd = u64::from(name == "fd_write");
        let interrupting = handle.clone();
        let thread = std::thread::spawn(move || interrupting.interrupt());
        assert_eq!(guest.try_call(name, &[fd, list, 1, 8]), Err(Outcome::Interrupted), "{name}");
        thread.join().unwrap();
        handle.reset();
    }
}

#[test]
fn reading_a_pipe() {
    let (reader, mut writer) = io::pipe().unwrap();
    let mut guest = Guest::new(WasiCtxBuilder::new().stdio_fd(StandardStream::Input, reader));
    guest.ok("fd_fdstat_set_flags", &[0, NONBLOCK]);
    assert_eq!(guest.read(0, 4), Err(Errno::Again));
    writer.write_all(b"abc").unwrap();
    assert_eq!(guest.read(0, 8).unwrap(), b"abc");
    guest.ok("fd_fdstat_set_flags", &[0, 0]);
    // Nothing to read into needs nothing to read.
    assert_eq!(guest.read(0, 0).unwrap(), b"");
    // Overlapping buffers: a short read into the first.
    writer.write_all(b"123456").unwrap();
    let at = guest.space(8);
    let list = guest.list(&[(at, 4), (at + 2, 4)]);
    guest.ok("fd_read", &[0, list, 2, 8]);
    assert_eq!((guest.result(), guest.bytes(at, 6)), (4, &b"1234\0\0"[..]));
    drop(writer);
    assert_eq!(guest.read(0, 8).unwrap(), b"56");
    assert_eq!(guest.read(0, 8).unwrap(), b"");
}

#[test]
fn deterministic_clocks_and_random() {
    let run = || {
        let clocks = DeterministicClocks::new(1_700_000_000_000_000_000, 1000);
        let mut guest = Guest::new(WasiCtxBuilder::new().clocks(clocks).random(SeededRandom::new(7)));
        let mut seen = Vec::new();
        for clock in [0, 1, 1, 0] {
            guest.ok("clock_time_get", &[clock, 0, 8]);
            seen.push(guest.result64());
        }
        guest.ok("random_get", &[16, 21]);
        (seen, guest.bytes(16, 24).to_vec())
    };
    let (times, random) = run();
    assert_eq!(times, [1_700_000_000_000_000_000, 1000, 2000, 1_700_000_000_000_003_000]);
    assert!(random[..21].iter().any(|b| *b != 0) && random[21..] == [0; 3]);
    assert_eq!(run(), (times, random));
}

#[test]
fn the_hosts_clocks_and_random() {
    let mut guest = Guest::new(WasiCtxBuilder::new());
    for clock in 0..4 {
        guest.ok("clock_res_get", &[clock, 8]);
        assert!(guest.result64() > 0);
        guest.ok("clock_time_get", &[clock, 0, 8]);
    }
    guest.ok("clock_time_get", &[1, 0, 8]);
    let before = guest.result64();
    guest.ok("clock_time_get", &[1, 0, 8]);
    assert!(guest.result64() >= before);
    guest.ok("random_get", &[1024, 64]);
    assert_ne!(guest.bytes(1024, 64), [0; 64]);
    guest.ok("random_get", &[1024, 0]);
    guest.ok("sched_yield", &[]);
}
