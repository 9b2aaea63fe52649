//! Sockets: those that were granted, and what is none.

mod common;

use common::*;
use heapwood_wasi::{Errno, Outcome, WasiCtxBuilder};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixDatagram, UnixStream};

const SOCKET: u64 = 3;

#[test]
fn not_a_socket() {
    let scratch = Scratch::new();
    let mut guest = Guest::with_dir(&scratch);
    let file = guest.open(ROOT, "file", CREAT, FILE_RIGHTS, 0).unwrap();
    for fd in [0, 1, ROOT, file] {
        assert_eq!(guest.call("sock_accept", &[fd, 0, 8]), Errno::NotSock);
        assert_eq!(guest.call("sock_recv", &[fd, 0, 0, 0, 8, 16]), Errno::NotSock);
        assert_eq!(guest.call("sock_send", &[fd, 0, 0, 0, 8]), Errno::NotSock);
        assert_eq!(guest.call("sock_shutdown", &[fd, 3]), Errno::NotSock);
    }
}

#[test]
fn a_connected_socket() {
    let (near, mut far) = UnixStream::pair().unwrap();
    let mut guest = Guest::new(WasiCtxBuilder::new().socket(near));
    assert_eq!(guest.fdstat(SOCKET).unwrap().0, 6);
    let buffer = guest.put("hello");
    let list = guest.list(&[buffer]);
    guest.ok("sock_send", &[SOCKET, list, 1, 0, 8]);
    assert_eq!(guest.result(), 5);
    assert_eq!(guest.write(SOCKET, b" you"), Ok(4));
    let mut received = [0; 9];
    far.read_exact(&mut received).unwrap();
    assert_eq!(&received, b"hello you");

    far.write_all(b"abcdefg").unwrap();
    let out = guest.space(16);
    let list = guest.list(&[(out, 2), (out + 2, 2)]);
    for peek in [1, 0] {
        guest.ok("sock_recv", &[SOCKET, list, 2, peek, 8, 16]);
        assert_eq!((guest.result(), guest.bytes(out, 4)), (4, &b"abcd"[..]), "peek {peek}");
    }
    assert_eq!(guest.read(SOCKET, 8).unwrap(), b"efg");
    assert_eq!(guest.call("sock_recv", &[SOCKET, list, 2, 4, 8, 16]), Errno::Inval);
    assert_eq!(guest.call("sock_send", &[SOCKET, list, 2, 1, 8]), Errno::Inval);

    // Waiting for all of it: the rest comes from another thread.
    far.write_all(b"12").unwrap();
    let thread = std::thread::spawn(move || {
        far.write_all(b"34").unwrap();
        far
    });
    guest.ok("sock_recv", &[SOCKET, list, 2, 2, 8, 16]);
    assert_eq!((guest.result(), guest.bytes(out, 4)), (4, &b"1234"[..]));
    let far = thread.join().unwrap();

    guest.ok("fd_fdstat_set_flags", &[SOCKET, NONBLOCK]);
    assert_eq!(guest.call("sock_recv", &[SOCKET, list, 2, 0, 8, 16]), Errno::Again);
    assert_eq!(guest.call("sock_shutdown", &[SOCKET, 0]), Errno::Inval);
    assert_eq!(guest.call("sock_shutdown", &[SOCKET, 4]), Errno::Inval);
    guest.ok("sock_shutdown", &[SOCKET, 2]);
    assert_eq!(guest.write(SOCKET, b"x"), Err(Errno::Pipe));
    far.shutdown(Shutdown::Both).unwrap();
    guest.ok("sock_recv", &[SOCKET, list, 2, 0, 8, 16]);
    assert_eq!(guest.result(), 0);
}

#[test]
fn a_datagram_is_cut() {
    let (near, far) = UnixDatagram::pair().unwrap();
    let mut guest = Guest::new(WasiCtxBuilder::new().socket(near));
    assert_eq!(guest.fdstat(SOCKET).unwrap().0, 5);
    far.send(b"123456").unwrap();
    let out = guest.space(4);
    let list = guest.list(&[(out, 4)]);
    guest.ok("sock_recv", &[SOCKET, list, 1, 0, 8, 16]);
    assert_eq!((guest.result(), guest.bytes(16, 2)), (4, &[1, 0][..]));
}

#[test]
fn accepting() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut guest = Guest::new(WasiCtxBuilder::new().socket(listener));
    guest.ok("fd_fdstat_set_flags", &[SOCKET, NONBLOCK]);
    assert_eq!(guest.call("sock_accept", &[SOCKET, 0, 8]), Errno::Again);
    guest.ok("fd_fdstat_set_flags", &[SOCKET, 0]);
    let thread = std::thread::spawn(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"hi").unwrap();
        stream
    });
    guest.ok("sock_accept", &[SOCKET, NONBLOCK, 8]);
    let connection = u64::from(guest.result());
    assert_eq!(guest.fdstat(connection).map(|s| (s.0, s.1)), Ok((6, NONBLOCK as u16)));
    drop(thread.join().unwrap());
    guest.ok("fd_fdstat_set_flags", &[connection, 0]);
    assert_eq!(guest.read(connection, 8).unwrap(), b"hi");
    assert_eq!(guest.read(connection, 8).unwrap(), b"");
    assert_eq!(guest.call("sock_accept", &[connection, 0, 8]), Errno::NotCapable);

    let handle = guest.ctx.interrupt_handle();
    let thread = std::thread::spawn(move || handle.interrupt());
    assert_eq!(guest.try_call("sock_accept", &[SOCKET, 0, 8]), Err(Outcome::Interrupted));
    thread.join().unwrap();
}
