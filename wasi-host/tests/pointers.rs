//! Wild pointers for each of the 46 functions: the right error code, no effect, nothing written. All of it with
//! pointers of 32 bits and of 64, with which each function does the same.

mod common;

use common::*;
use heapwood_wasi::{Errno, Outcome, WasiCtxBuilder, functions};

/// An argument of a call that would succeed.
#[derive(Clone, Copy)]
enum Arg {
    /// Not a pointer.
    Value(u64),
    /// A pointer to something that the function reads or writes whole: size, alignment.
    Pointer(u64, u32, u64),
    /// A pointer and, as the next argument, its length in bytes, or elements of this size.
    Sized(u64, u32, u64),
}
use Arg::{Pointer, Sized, Value};

/// Arguments with which each function reaches its pointers.
fn cases(guest: &mut Guest, file: u64, socket: u64) -> Vec<(&'static str, Vec<Arg>)> {
    let name = guest.put("file").0;
    let new = guest.put("new").0;
    let buffer = guest.space(64);
    let list = guest.list(&[(buffer, 16)]);
    let out = guest.space(64);
    let more = guest.space(64);
    // One subscription to a clock with timeout 0, and room for its event.
    let subscriptions = guest.space(48);
    let path = |p, len| [Sized(p, 1, 1), Value(len)];
    let word = guest.word();
    let pair = 2 * u64::from(word);
    let iovs = move |l| [Sized(l, word, pair), Value(1)];
    let u32_out = Pointer(out, 4, 4);
    let size_out = Pointer(out, word, word.into());
    let u64_out = Pointer(out, 8, 8);
    let mut cases: Vec<(&'static str, Vec<Arg>)> = vec![
        ("args_get", vec![Pointer(out, word, pair), Pointer(buffer, 1, 4)]),
        ("args_sizes_get", vec![size_out, Pointer(more, word, word.into())]),
        ("clock_res_get", vec![Value(0), u64_out]),
        ("clock_time_get", vec![Value(0), Value(0), u64_out]),
        ("environ_get", vec![Pointer(out, word, word.into()), Pointer(buffer, 1, 4)]),
        ("environ_sizes_get", vec![size_out, Pointer(more, word, word.into())]),
        ("fd_fdstat_get", vec![Value(file), Pointer(out, 8, 24)]),
        ("fd_filestat_get", vec![Value(file), Pointer(out, 8, 64)]),
        ("fd_prestat_get", vec![Value(ROOT), Pointer(out, word, pair)]),
        ("fd_prestat_dir_name", vec![Value(ROOT), Sized(buffer, 1, 1), Value(1)]),
        ("fd_readdir", vec![Value(ROOT), Sized(buffer, 1, 1), Value(64), Value(0), size_out]),
        ("fd_seek", vec![Value(file), Value(3), Value(0), u64_out]),
        ("fd_tell", vec![Value(file), u64_out]),
        ("path_create_directory", [&[Value(ROOT)][..], &path(new, 3)].concat()),
        ("path_filestat_get", [&[Value(ROOT), Value(0)][..], &path(name, 4), &[Pointer(out, 8, 64)]].concat()),
        (
            "path_filestat_set_times",
            [&[Value(ROOT), Value(0)][..], &path(name, 4), &[Value(0), Value(0), Value(10)]].concat(),
        ),
        ("path_link", [&[Value(ROOT), Value(0)][..], &path(name, 4), &[Value(ROOT)], &path(new, 3)].concat()),
        (
            "path_open",
            [&[Value(ROOT), Value(0)][..], &path(new, 3), &[Value(CREAT), Value(FD_READ), Value(0), Value(0), u32_out]]
                .concat(),
        ),
        ("path_remove_directory", [&[Value(ROOT)][..], &path(guest.put("dir").0, 3)].concat()),
        ("path_rename", [&[Value(ROOT)][..], &path(name, 4), &[Value(ROOT)], &path(new, 3)].concat()),
        ("path_symlink", [&path(name, 4)[..], &[Value(ROOT)], &path(new, 3)].concat()),
        ("path_unlink_file", [&[Value(ROOT)][..], &path(name, 4)].concat()),
        ("poll_oneoff", vec![Pointer(subscriptions, 8, 48), Pointer(more, 8, 32), Value(1), size_out]),
        ("random_get", vec![Sized(buffer, 1, 1), Value(8)]),
        ("sock_accept", vec![Value(socket), Value(0), u32_out]),
        ("sock_recv", [&[Value(socket)][..], &iovs(list), &[Value(0), size_out, Pointer(more, 2, 2)]].concat()),
        ("sock_send", [&[Value(socket)][..], &iovs(list), &[Value(0), size_out]].concat()),
    ];
    let link = guest.put("link").0;
    let readlink = [&[Value(ROOT)][..], &path(link, 4), &[Sized(buffer, 1, 1), Value(8), size_out]].concat();
    cases.push(("path_readlink", readlink));
    for name in ["fd_read", "fd_write"] {
        cases.push((name, [&[Value(file)][..], &iovs(list), &[size_out]].concat()));
    }
    for name in ["fd_pread", "fd_pwrite"] {
        cases.push((name, [&[Value(file)][..], &iovs(list), &[Value(0), size_out]].concat()));
    }
    cases
}

/// Functions that take no pointer.
const WITHOUT: [&str; 14] = [
    "fd_advise",
    "fd_allocate",
    "fd_close",
    "fd_datasync",
    "fd_fdstat_set_flags",
    "fd_fdstat_set_rights",
    "fd_filestat_set_size",
    "fd_filestat_set_times",
    "fd_renumber",
    "fd_sync",
    "proc_exit",
    "proc_raise",
    "sched_yield",
    "sock_shutdown",
];

fn setup(scratch: &Scratch, new: fn(WasiCtxBuilder) -> Guest) -> (Guest, u64, u64) {
    scratch.write("file", b"0123456789");
    std::fs::create_dir(scratch.join("dir")).unwrap();
    std::os::unix::fs::symlink("file", scratch.join("link")).unwrap();
    let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
    std::io::Write::write_all(&mut &far, b"to the guest").unwrap();
    let access = heapwood_wasi::DirAccess::ReadWrite;
    let builder = WasiCtxBuilder::new().args(["a", "b"]).env("K", "V").preopen_dir(scratch.path(), "/", access);
    let clocks = heapwood_wasi::DeterministicClocks::new(1_000_000_000, 1000);
    let builder = builder.clocks(clocks).random(heapwood_wasi::SeededRandom::new(1));
    let mut guest = new(builder.socket(near));
    let file = guest.open(ROOT, "file", 0, FILE_RIGHTS, 0).unwrap();
    std::mem::forget(far);
    (guest, file, 4)
}

/// All names and contents below the directory.
fn picture(scratch: &Scratch) -> Vec<(String, Vec<u8>)> {
    let mut seen: Vec<_> = std::fs::read_dir(scratch.path())
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let contents =
                if entry.file_type().unwrap().is_file() { std::fs::read(entry.path()).unwrap() } else { vec![] };
            (entry.file_name().into_string().unwrap(), contents)
        })
        .collect();
    seen.sort();
    seen
}

fn values(args: &[Arg]) -> Vec<u64> {
    args.iter()
        .map(|arg| match *arg {
            Value(v) | Pointer(v, ..) | Sized(v, ..) => v,
        })
        .collect()
}

#[test]
fn each_function_refuses_wild_pointers() {
    refuses_wild_pointers(Guest::new, &[0xffff_fff8, 0xffff_ffff]);
}

#[test]
fn each_function_refuses_wild_pointers_of_64_bits() {
    // None of them is taken for what its lower half says.
    let beyond = [0xffff_fff8, 1 << 32, (1 << 32) + 4096, 1 << 63, u64::MAX - 7, u64::MAX];
    refuses_wild_pointers(Guest::wide, &beyond);
}

fn refuses_wild_pointers(new: fn(WasiCtxBuilder) -> Guest, beyond: &[u64]) {
    let scratch = Scratch::new();
    let (mut guest, file, socket) = setup(&scratch, new);
    let end = guest.memory.len() as u64;
    let cases = cases(&mut guest, file, socket);
    for function in functions() {
        let covered = cases.iter().any(|(name, _)| *name == function.name) || WITHOUT.contains(&function.name);
        assert!(covered, "{} is not covered", function.name);
    }
    let (picture_before, memory_before) = (picture(&scratch), guest.memory.clone());
    for (name, args) in &cases {
        for (index, arg) in args.iter().enumerate() {
            let (align, size, counted) = match *arg {
                Value(_) => continue,
                Pointer(_, align, size) => (align, size, false),
                Sized(_, align, size) => (align, size, true),
            };
            let mut wild = vec![(end, Errno::Fault)];
            wild.extend(beyond.iter().map(|pointer| (*pointer, Errno::Fault)));
            if !counted || size > 1 {
                let last = (end - size + u64::from(align)) & !(u64::from(align) - 1);
                wild.push((last, Errno::Fault));
            }
            if align > 1 {
                wild.push((args_value(arg) + 1, Errno::Inval));
            }
            for (value, expected) in wild {
                let mut arguments = values(args);
                arguments[index] = value;
                assert_eq!(guest.call(name, &arguments), expected, "{name} argument {index} = {value:#x}");
            }
            if counted {
                // Lengths that leave the memory, and that wrap when added to the pointer or multiplied.
                for len in [end, 0xffff_ffff, 0x2000_0000, 0x8000_0000].iter().chain(beyond).copied() {
                    let mut arguments = values(args);
                    arguments[index + 1] = len;
                    assert_eq!(guest.call(name, &arguments), Errno::Fault, "{name} length {index} = {len:#x}");
                }
            }
        }
    }
    assert_eq!(guest.memory, memory_before, "a failing call wrote to the memory");
    assert_eq!(picture(&scratch), picture_before, "a failing call changed a file");
    // No descriptor was made, and nothing was read from the socket or the file.
    assert_eq!(guest.open(ROOT, "file", 0, FD_READ, 0), Ok(file + 1));
    assert_eq!(guest.read(socket, 64).unwrap(), b"to the guest");
    assert_eq!(guest.seek(file, 0, 1), Ok(0));
    // All of these work with their own arguments.
    for (name, args) in cases.iter().filter(|(name, _)| !name.starts_with("path") && *name != "sock_accept") {
        if *name != "sock_recv" {
            assert_eq!(guest.call(name, &values(args)), Errno::Success, "{name}");
        }
    }
}

/// What a call leaves where its pointers lead, but for numbers and times of files: numbers as wide as their alignment.
fn results(guest: &Guest, args: &[Arg]) -> Vec<Vec<u64>> {
    let bytes = |at, len| guest.bytes(at, len).iter().map(|byte| u64::from(*byte)).collect::<Vec<_>>();
    let numbers = |at, align: u32, len: u64| -> Vec<u64> {
        let places = (at..at + len).step_by(align as usize);
        places.map(|at| if align == 8 { guest.u64_at(at) } else { guest.u32_at(at).into() }).collect()
    };
    args.iter()
        .map(|arg| match *arg {
            Value(_) => vec![],
            // A `filestat`: type, links and size.
            Pointer(at, _, 64) => bytes(at + 16, 24),
            Pointer(at, align @ (4 | 8), len) | Sized(at, align @ (4 | 8), len) => numbers(at, align, len),
            Pointer(at, _, len) => bytes(at, len as usize),
            Sized(at, ..) => bytes(at, 8),
        })
        .collect()
}

#[test]
fn both_widths_of_pointers_give_the_same() {
    for (index, function) in functions().iter().enumerate() {
        let name = function.name;
        // Each function on its own: some of them change what others see.
        let outcome = |new: fn(WasiCtxBuilder) -> Guest| {
            let scratch = Scratch::new();
            let (mut guest, file, socket) = setup(&scratch, new);
            let cases = cases(&mut guest, file, socket);
            let args = match cases.into_iter().find(|(case, _)| *case == name) {
                Some((_, args)) => args,
                None => [Value(file), Value(1), Value(2), Value(0)][..function.params.len()].to_vec(),
            };
            let errno = guest.try_call(name, &values(&args));
            let mut left = results(&guest, &args);
            if name == "fd_readdir" {
                // The host's numbers.
                left[1].clear();
            }
            (errno, left, picture(&scratch))
        };
        let (narrow, wide) = (outcome(Guest::new), outcome(Guest::wide));
        assert_eq!(narrow, wide, "{index} {name}");
        let has_pointers = !WITHOUT.contains(&name);
        assert_eq!(function.params != function.params64, has_pointers, "{name}");
        if has_pointers && name != "sock_accept" {
            assert_eq!(narrow.0, Ok(Errno::Success), "{name}");
        }
    }
}

fn args_value(arg: &Arg) -> u64 {
    match *arg {
        Value(v) | Pointer(v, ..) | Sized(v, ..) => v,
    }
}

#[test]
fn functions_without_pointers_survive_any_number() {
    let extremes = [0, 1, 3, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, u64::MAX, 1 << 63];
    for function in functions().iter().filter(|f| WITHOUT.contains(&f.name) && f.name != "proc_exit") {
        let scratch = Scratch::new();
        let (mut guest, ..) = setup(&scratch, Guest::new);
        for a in extremes {
            for b in extremes {
                let arguments: Vec<u64> = (0..function.params.len()).map(|i| if i % 2 == 0 { a } else { b }).collect();
                // The error code does not matter here; a size that the host refuses does not either.
                let _ = guest.call(function.name, &arguments);
            }
        }
    }
}

#[test]
fn wrong_number_of_arguments() {
    let mut guest = Guest::new(WasiCtxBuilder::new());
    for function in functions() {
        assert_eq!(guest.try_call(function.name, &[0; 12]), Ok(Errno::Inval), "{}", function.name);
    }
}

#[test]
fn exit_does_not_return() {
    let mut guest = Guest::new(WasiCtxBuilder::new());
    for code in [0, 1, 255, 0xffff_ffff] {
        assert_eq!(guest.try_call("proc_exit", &[code]), Err(Outcome::Exit(code as u32)));
    }
}

#[test]
fn buffers_of_a_list_are_checked_before_anything_happens() {
    let scratch = Scratch::new();
    let (mut guest, file, _) = setup(&scratch, Guest::new);
    let good = guest.put("xyz");
    let end = guest.memory.len() as u64;
    for wild in [(end, 1), (end - 1, 2), (0xffff_ffff, 0xffff_ffff), (0, 0xffff_ffff), (end + 1, 0)] {
        let list = guest.list(&[good, wild]);
        assert_eq!(guest.call("fd_write", &[file, list, 2, 8]), Errno::Fault, "{wild:x?}");
        assert_eq!(guest.call("fd_read", &[file, list, 2, 8]), Errno::Fault, "{wild:x?}");
    }
    assert_eq!(scratch.read("file"), b"0123456789");
    // As many buffers as a host takes, and one more.
    let many = guest.list(&[(good.0, 0); 1025]);
    assert_eq!(guest.call("fd_write", &[file, many, 1024, 8]), Errno::Success);
    assert_eq!(guest.call("fd_write", &[file, many, 1025, 8]), Errno::Inval);
}

#[test]
fn overlapping_buffers() {
    let scratch = Scratch::new();
    let (mut guest, file, _) = setup(&scratch, Guest::new);
    // Reading fills one after the other: the second covers the end of the first.
    let at = guest.space(16);
    let list = guest.list(&[(at, 4), (at + 2, 4)]);
    guest.ok("fd_read", &[file, list, 2, 8]);
    assert_eq!(guest.result(), 8);
    assert_eq!(guest.bytes(at, 6), b"014567");
    // The list itself may be among the buffers: it is read first.
    assert_eq!(guest.seek(file, 0, 0), Ok(0));
    let list = guest.space(24);
    let own = guest.list(&[(list, 8), (list, 8)]);
    guest.memory.copy_within(own as usize..own as usize + 16, list as usize);
    guest.ok("fd_read", &[file, list, 2, 8]);
    assert_eq!(guest.result(), 10);
    // Writing the same bytes twice is nothing special.
    assert_eq!(guest.seek(file, 0, 0), Ok(0));
    let text = guest.put("ab");
    let list = guest.list(&[text, text, (text.0, 1)]);
    guest.ok("fd_write", &[file, list, 3, 8]);
    assert_eq!(&scratch.read("file")[..5], b"ababa");
}

#[test]
fn results_may_lie_on_top_of_the_input() {
    let scratch = Scratch::new();
    let (mut guest, file, _) = setup(&scratch, Guest::new);
    let text = guest.put("abcd");
    let list = guest.list(&[text]);
    guest.ok("fd_write", &[file, list, 1, list]);
    assert_eq!(guest.u32_at(list), 4);
}
