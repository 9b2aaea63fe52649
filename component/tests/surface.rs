//! The host functions, without an engine: what they do to a context, and what handles are.

use heapwood_component::{ResourceKind, Resources, Stop, Value, World, functions, lookup, resource_kind};
use heapwood_wasi::{DeterministicClocks, DirAccess, MemoryInput, MemoryOutput, Outcome, SeededRandom, WasiCtx};
use std::path::PathBuf;
use std::slice::from_ref;

struct Guest {
    wasi: WasiCtx,
    resources: Resources,
    output: MemoryOutput,
    folder: PathBuf,
}

impl Guest {
    fn new(name: &str) -> Guest {
        let folder = std::env::temp_dir().join(format!("heapwood-component-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).unwrap();
        let output = MemoryOutput::new(1 << 20);
        let wasi = WasiCtx::builder()
            .args(["name", "one"])
            .env("K", "V=W")
            .clocks(DeterministicClocks::new(1_500_000_000, 0))
            .random(SeededRandom::new(3))
            .stdin(MemoryInput::new("0123456789"))
            .stdout(output.clone())
            .preopen_dir(&folder, "/data", DirAccess::ReadWrite)
            .build()
            .unwrap();
        Guest { wasi, resources: Resources::new(), output, folder }
    }

    fn try_call(&mut self, interface: &str, name: &str, args: &[Value]) -> Result<Option<Value>, Stop> {
        let function = lookup(&format!("wasi:{interface}@0.2.0"), name).unwrap_or_else(|| panic!("no {name}"));
        function.serve(&mut World { wasi: &mut self.wasi, resources: &mut self.resources }, args)
    }

    fn call(&mut self, interface: &str, name: &str, args: &[Value]) -> Value {
        self.try_call(interface, name, args).unwrap().expect("a result")
    }

    /// Why a call must not go on.
    fn trap(&mut self, interface: &str, name: &str, args: &[Value]) -> String {
        match self.try_call(interface, name, args) {
            Err(Stop::Trap(trap)) => trap.0,
            other => panic!("{name}: {other:?}"),
        }
    }

    fn file(&mut self, name: &str, args: &[Value]) -> Value {
        self.call("filesystem/types", &format!("[method]descriptor.{name}"), args)
    }

    fn stream(&mut self, name: &str, args: &[Value]) -> Value {
        self.call("io/streams", &format!("[method]{name}"), args)
    }

    /// The one directory.
    fn root(&mut self) -> Value {
        match self.call("filesystem/preopens", "get-directories", &[]) {
            Value::List(list) => match &list[..] {
                [Value::Tuple(pair)] => {
                    assert_eq!(pair[1], text("/data"));
                    pair[0].clone()
                }
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    fn open(&mut self, root: &Value, path: &str, open: u64, flags: u64) -> Value {
        self.file("open-at", &[root.clone(), Value::Int(0), text(path), Value::Int(open), Value::Int(flags)])
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn ok(value: Value) -> Value {
    Value::Case(0, Some(Box::new(value)))
}

fn err(code: u64) -> Value {
    Value::Case(1, Some(Box::new(Value::Int(code))))
}

const DONE: Value = Value::Case(0, None);
const CLOSED: u32 = 1;

fn inside(value: Value) -> Value {
    match value {
        Value::Case(0, Some(value)) => *value,
        other => panic!("{other:?}"),
    }
}

fn is_closed(value: &Value) -> bool {
    matches!(value, Value::Case(1, Some(error)) if matches!(**error, Value::Case(CLOSED, None)))
}

const NO_ENTRY: u64 = 20;
const INVALID: u64 = 12;
const NOT_PERMITTED: u64 = 31;
const NOT_DIRECTORY: u64 = 24;
const IS_DIRECTORY: u64 = 14;
const READ: u64 = 1;
const WRITE: u64 = 2;
const CREATE: u64 = 1;
const DIRECTORY: u64 = 2;

#[test]
fn arguments_environment_and_exit() {
    let mut guest = Guest::new("cli");
    assert_eq!(guest.call("cli/environment", "get-arguments", &[]), Value::List(vec![text("name"), text("one")]));
    let pair = Value::Tuple(vec![text("K"), text("V=W")]);
    assert_eq!(guest.call("cli/environment", "get-environment", &[]), Value::List(vec![pair]));
    assert_eq!(guest.call("cli/environment", "initial-cwd", &[]), Value::Case(0, None));
    for (value, code) in [(Value::Case(0, None), 0), (Value::Case(1, None), 1)] {
        assert_eq!(guest.try_call("cli/exit", "exit", &[value]), Err(Stop::End(Outcome::Exit(code))));
    }
    let exits = guest.try_call("cli/exit", "exit-with-code", &[Value::Int(7)]);
    assert_eq!(exits, Err(Stop::End(Outcome::Exit(7))));
    for stream in ["stdin", "stdout", "stderr"] {
        let found = guest.call(&format!("cli/terminal-{stream}"), &format!("get-terminal-{stream}"), &[]);
        assert_eq!(found, Value::Case(0, None), "{stream}");
    }
}

#[test]
fn clocks_random_numbers_and_waits() {
    let mut guest = Guest::new("clocks");
    let wall = guest.call("clocks/wall-clock", "now", &[]);
    assert_eq!(wall, Value::Tuple(vec![Value::Int(1), Value::Int(500_000_000)]));
    assert_eq!(guest.call("clocks/monotonic-clock", "now", &[]), Value::Int(0));
    let soon = guest.call("clocks/monotonic-clock", "subscribe-duration", &[Value::Int(1000)]);
    let late = guest.call("clocks/monotonic-clock", "subscribe-instant", &[Value::Int(5000)]);
    let ready =
        |guest: &mut Guest, pollable: &Value| guest.call("io/poll", "[method]pollable.ready", from_ref(pollable));
    assert_eq!(ready(&mut guest, &soon), Value::Int(0));
    let both = Value::List(vec![late.clone(), soon.clone()]);
    assert_eq!(guest.call("io/poll", "poll", &[both]), Value::List(vec![Value::Int(1)]));
    assert_eq!((ready(&mut guest, &soon), ready(&mut guest, &late)), (Value::Int(1), Value::Int(0)));
    assert_eq!(guest.try_call("io/poll", "[method]pollable.block", &[late]), Ok(None));
    assert_eq!(guest.call("clocks/monotonic-clock", "now", &[]), Value::Int(5000));
    assert!(guest.trap("io/poll", "poll", &[Value::List(vec![])]).contains("0 pollables"));

    let bytes = guest.call("random/random", "get-random-bytes", &[Value::Int(5)]);
    assert!(matches!(&bytes, Value::Bytes(bytes) if bytes.len() == 5));
    let numbers: Vec<Value> = (0..2).map(|_| guest.call("random/random", "get-random-u64", &[])).collect();
    assert_ne!(numbers[0], numbers[1]);
    assert!(guest.trap("random/random", "get-random-bytes", &[Value::Int(1 << 40)]).contains("the limit is"));
}

#[test]
fn standard_streams() {
    let mut guest = Guest::new("streams");
    let input = guest.call("cli/stdin", "get-stdin", &[]);
    let read = |guest: &mut Guest, len| guest.stream("input-stream.read", &[input.clone(), Value::Int(len)]);
    assert_eq!(read(&mut guest, 0), ok(Value::Bytes(vec![])));
    assert_eq!(read(&mut guest, 4), ok(Value::Bytes(b"0123".to_vec())));
    assert_eq!(guest.stream("input-stream.skip", &[input.clone(), Value::Int(2)]), ok(Value::Int(2)));
    let output = guest.call("cli/stdout", "get-stdout", &[]);
    let splice = [output.clone(), input.clone(), Value::Int(3)];
    assert_eq!(guest.stream("output-stream.splice", &splice), ok(Value::Int(3)));
    assert_eq!(read(&mut guest, 100), ok(Value::Bytes(b"9".to_vec())));
    assert!(is_closed(&read(&mut guest, 1)));

    let write = |bytes: &[u8]| [output.clone(), Value::Bytes(bytes.to_vec())];
    assert!(guest.trap("io/streams", "[method]output-stream.write", &write(b"x")).contains("0 were permitted"));
    let permitted = inside(guest.stream("output-stream.check-write", from_ref(&output)));
    assert!(matches!(permitted, Value::Int(1..)));
    assert_eq!(guest.stream("output-stream.write", &write(b"-a")), DONE);
    assert_eq!(guest.stream("output-stream.write-zeroes", &[output.clone(), Value::Int(2)]), DONE);
    assert_eq!(guest.stream("output-stream.blocking-write-and-flush", &write(b"b")), DONE);
    assert_eq!(guest.stream("output-stream.blocking-flush", from_ref(&output)), DONE);
    assert_eq!(guest.output.take(), b"678-a\0\0b");
    let name = "[method]output-stream.blocking-write-and-flush";
    assert!(guest.trap("io/streams", name, &write(&[0; 4097])).contains("the limit is 4096"));
    // A full output is an error that says so.
    let zeroes = [output.clone(), Value::Int(4096)];
    let error = loop {
        match guest.stream("output-stream.blocking-write-zeroes-and-flush", &zeroes) {
            DONE => {}
            other => break other,
        }
    };
    let Value::Case(1, Some(error)) = error else { panic!("{error:?}") };
    let handle = inside(*error);
    assert_eq!(
        guest.call("io/error", "[method]error.to-debug-string", from_ref(&handle)),
        text("no space left on the device")
    );
    assert_eq!(
        guest.call("filesystem/types", "filesystem-error-code", &[handle]),
        Value::Case(1, Some(Box::new(Value::Int(23))))
    );
}

#[test]
fn a_files_life() {
    let mut guest = Guest::new("files");
    let root = guest.root();
    assert_eq!(guest.open(&root, "f", 0, READ), err(NO_ENTRY));
    assert_eq!(guest.open(&root, "../f", 0, READ), err(NOT_PERMITTED));
    assert_eq!(guest.open(&root, "a\0b", 0, READ), err(INVALID));
    let file = inside(guest.open(&root, "f", CREATE, READ | WRITE));
    let write = [file.clone(), Value::Bytes(b"0123456789".to_vec()), Value::Int(0)];
    assert_eq!(guest.file("write", &write), ok(Value::Int(10)));
    let stream = inside(guest.file("write-via-stream", &[file.clone(), Value::Int(4)]));
    for bytes in [b"ab", b"cd"] {
        let args = [stream.clone(), Value::Bytes(bytes.to_vec())];
        assert_eq!(guest.stream("output-stream.blocking-write-and-flush", &args), DONE);
    }
    let appends = inside(guest.file("append-via-stream", from_ref(&file)));
    let args = [appends, Value::Bytes(b"end".to_vec())];
    assert_eq!(guest.stream("output-stream.blocking-write-and-flush", &args), DONE);
    let read = [file.clone(), Value::Int(100), Value::Int(2)];
    let contents = Value::Tuple(vec![Value::Bytes(b"23abcd89end".to_vec()), Value::Int(0)]);
    assert_eq!(guest.file("read", &read), ok(contents));
    let read = [file.clone(), Value::Int(100), Value::Int(13)];
    assert_eq!(guest.file("read", &read), ok(Value::Tuple(vec![Value::Bytes(vec![]), Value::Int(1)])));
    assert_eq!(guest.file("get-flags", from_ref(&file)), ok(Value::Int(READ | WRITE)));
    assert_eq!(guest.file("get-type", from_ref(&file)), ok(Value::Int(6)));
    assert_eq!(guest.file("get-type", from_ref(&root)), ok(Value::Int(3)));

    // A stream goes on when the file is dropped, and then the descriptor is closed.
    let stream = inside(guest.file("read-via-stream", &[file.clone(), Value::Int(8)]));
    assert_eq!(guest.resources.drop_handle(&mut guest.wasi, ResourceKind::Descriptor, handle(&file)), Ok(()));
    let read = |guest: &mut Guest| guest.stream("input-stream.blocking-read", &[stream.clone(), Value::Int(3)]);
    assert_eq!(read(&mut guest), ok(Value::Bytes(b"89e".to_vec())));
    assert_eq!(read(&mut guest), ok(Value::Bytes(b"nd".to_vec())));
    assert!(is_closed(&read(&mut guest)));
    assert!(guest.trap("filesystem/types", "[method]descriptor.sync", from_ref(&file)).contains("there is no handle"));

    // Only to be read.
    let file = inside(guest.open(&root, "f", 0, READ));
    let refused = guest.file("set-size", &[file.clone(), Value::Int(1)]);
    assert_eq!(refused, err(NOT_PERMITTED));
    let time = Value::Case(2, Some(Box::new(Value::Tuple(vec![Value::Int(5), Value::Int(6)]))));
    assert_eq!(guest.file("set-times", &[file.clone(), time, Value::Case(0, None)]), DONE);
    let Value::Tuple(stat) = inside(guest.file("stat", from_ref(&file))) else { panic!() };
    assert_eq!(stat[..3], [Value::Int(6), Value::Int(1), Value::Int(13)]);
    let accessed = Value::Tuple(vec![Value::Int(5), Value::Int(6)]);
    assert_eq!(stat[3], Value::Case(1, Some(Box::new(accessed))));
    let by_path = guest.file("stat-at", &[root.clone(), Value::Int(0), text("f")]);
    assert_eq!(inside(by_path), Value::Tuple(stat));
    let hash = guest.file("metadata-hash", from_ref(&file));
    assert_eq!(guest.file("metadata-hash-at", &[root.clone(), Value::Int(0), text("f")]), hash);
    assert_ne!(guest.file("metadata-hash", from_ref(&root)), hash);
    let same = |guest: &mut Guest, other: &Value| guest.file("is-same-object", &[file.clone(), other.clone()]);
    assert_eq!((same(&mut guest, &file), same(&mut guest, &root)), (Value::Int(1), Value::Int(0)));
}

fn handle(value: &Value) -> u32 {
    match value {
        Value::Int(handle) => *handle as u32,
        other => panic!("{other:?}"),
    }
}

#[test]
fn directories_links_and_names() {
    let mut guest = Guest::new("directories");
    let root = guest.root();
    let path = |name: &str| [root.clone(), text(name)];
    assert_eq!(guest.file("create-directory-at", &path("d")), DONE);
    // More entries than are read at a time.
    for number in 0..300 {
        std::fs::write(guest.folder.join(format!("d/{number:0>40}")), "").unwrap();
    }
    let directory = inside(guest.open(&root, "d", DIRECTORY, READ));
    let entries = inside(guest.file("read-directory", from_ref(&directory)));
    let mut names = Vec::new();
    loop {
        let name = "[method]directory-entry-stream.read-directory-entry";
        match inside(guest.call("filesystem/types", name, from_ref(&entries))) {
            Value::Case(1, Some(entry)) => match *entry {
                Value::Tuple(pair) => {
                    assert_eq!(pair[0], Value::Int(6));
                    names.push(pair[1].clone());
                }
                other => panic!("{other:?}"),
            },
            _ => break,
        }
    }
    names.sort_by_key(|name| format!("{name:?}"));
    let expected: Vec<Value> = (0..300).map(|number| text(&format!("{number:0>40}"))).collect();
    assert_eq!(names, expected);
    assert_eq!(guest.file("read-via-stream", &[directory, Value::Int(0)]), err(IS_DIRECTORY));

    std::fs::write(guest.folder.join("f"), "x").unwrap();
    assert_eq!(guest.file("link-at", &[root.clone(), Value::Int(0), text("f"), root.clone(), text("g")]), DONE);
    assert_eq!(guest.file("rename-at", &[root.clone(), text("g"), root.clone(), text("h")]), DONE);
    assert_eq!(guest.file("symlink-at", &[root.clone(), text("h"), text("s")]), DONE);
    assert_eq!(guest.file("readlink-at", &path("s")), ok(text("h")));
    assert_eq!(guest.file("readlink-at", &path("h")), err(INVALID));
    let file = inside(guest.open(&root, "h", 0, READ));
    assert_eq!(guest.file("read-directory", &[file]), err(NOT_DIRECTORY));
    for name in ["f", "h", "s"] {
        assert_eq!(guest.file("unlink-file-at", &path(name)), DONE);
    }
    assert_eq!(guest.file("unlink-file-at", &path("f")), err(NO_ENTRY));
    std::fs::remove_dir_all(guest.folder.join("d")).unwrap();
    assert_eq!(guest.file("create-directory-at", &path("e")), DONE);
    assert_eq!(guest.file("remove-directory-at", &path("e")), DONE);
    assert_eq!(std::fs::read_dir(&guest.folder).unwrap().count(), 0);
}

#[test]
fn descriptors_are_closed_with_their_last_user() {
    let mut guest = Guest::new("closing");
    let root = guest.root();
    std::fs::write(guest.folder.join("f"), "x").unwrap();
    // Far more than there may be at a time, if one stayed.
    for _ in 0..5000 {
        let file = inside(guest.open(&root, "f", 0, READ));
        let stream = inside(guest.file("read-via-stream", &[file.clone(), Value::Int(0)]));
        let pollable = guest.stream("input-stream.subscribe", from_ref(&stream));
        for (kind, value) in
            [(ResourceKind::Descriptor, file), (ResourceKind::Input, stream), (ResourceKind::Pollable, pollable)]
        {
            guest.resources.drop_handle(&mut guest.wasi, kind, handle(&value)).unwrap();
        }
    }
    // What was there from the beginning stays.
    let output = guest.call("cli/stdout", "get-stdout", &[]);
    guest.resources.drop_handle(&mut guest.wasi, ResourceKind::Output, handle(&output)).unwrap();
    let output = guest.call("cli/stdout", "get-stdout", &[]);
    let args = [output, Value::Bytes(b"still".to_vec())];
    assert_eq!(guest.stream("output-stream.blocking-write-and-flush", &args), DONE);
    assert_eq!(guest.output.take(), b"still");
}

#[test]
fn handles_of_nothing_and_of_others_trap() {
    let mut guest = Guest::new("handles");
    let input = guest.call("cli/stdin", "get-stdin", &[]);
    for (kind, handle, words) in [
        (ResourceKind::Input, 0, "there is no handle 0 of `input-stream`"),
        (ResourceKind::Input, 77, "there is no handle 77"),
        (ResourceKind::Input, u32::MAX, "there is no handle 4294967295"),
        (ResourceKind::Output, handle(&input), "is one of `input-stream`, not of `output-stream`"),
    ] {
        let trap = guest.resources.drop_handle(&mut guest.wasi, kind, handle).unwrap_err();
        assert!(trap.0.contains(words), "{trap}");
    }
    guest.resources.drop_handle(&mut guest.wasi, ResourceKind::Input, handle(&input)).unwrap();
    let args = [input, Value::Int(1)];
    assert!(guest.trap("io/streams", "[method]input-stream.read", &args).contains("there is no handle"));
    for name in ["error", "pollable", "descriptor", "directory-entry-stream", "terminal-input"] {
        assert_eq!(resource_kind(name).map(ResourceKind::name), Some(name));
    }
    assert_eq!(resource_kind("tcp-socket"), None);
}

#[test]
fn each_function_is_found_and_traps_on_handles_that_are_none() {
    for function in functions() {
        let interface = format!("{}@0.2.7", function.interface());
        assert!(lookup(&interface, function.name()).is_some(), "{function:?}");
        if !function.name().starts_with("[method]") {
            continue;
        }
        let mut guest = Guest::new("all");
        // Each number of each argument is one of no handle, in a memory of zeros.
        let raw = vec![0; function.core_params().len()];
        let args = function.lift(&[0; 64], &raw).unwrap();
        let world = &mut World { wasi: &mut guest.wasi, resources: &mut guest.resources };
        let served = function.serve(world, &args);
        assert!(
            matches!(&served, Err(Stop::Trap(trap)) if trap.0.contains("there is no handle 0")),
            "{function:?}: {served:?}"
        );
    }
}
