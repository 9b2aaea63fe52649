//! Components of WASI 0.2: made of the core modules of `tests/guests` and `HEAPWOOD_GUESTS` by `wit-component` with the
//! adapter for preview1, they do what those do. What is missing, wrong or cut off is an error that says so.

mod common;
mod guests {
    #![allow(dead_code, reason = "each test binary uses a part")]
    pub mod cases;
}

use common::{Finished, finish, heapwood, scratch};
use guests::cases::{self, Case, End};
use heapwood::component::{AbiTrap, Component, Plan, is_component};
use heapwood::wasi::{DeterministicClocks, MemoryInput, MemoryOutput, ProcExit, SeededRandom, WasiCtx};
use heapwood::{Config, Engine, Store, TrapKind};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER,
};
use wit_component::ComponentEncoder;

/// A command of a core module of preview1.
fn component(core: &[u8]) -> Vec<u8> {
    let encoder = ComponentEncoder::default().module(core).expect("a core module");
    let encoder = encoder.adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER);
    encoder.expect("an adapter").encode().expect("a component")
}

/// The module with its export `_initialize` under the name of a command's entry: the Kotlin compiler makes it call
/// `main`.
fn with_start(core: &[u8]) -> Vec<u8> {
    let (from, to) = (b"\x0b_initialize", b"\x06_start");
    let mut out = core[..8].to_vec();
    let mut rest = &core[8..];
    while let Some((&id, after)) = rest.split_first() {
        let (len, width) = leb(after);
        let mut section = after[width..width + len].to_vec();
        rest = &after[width + len..];
        if let (7, Some(at)) = (id, section.windows(from.len()).position(|bytes| bytes == from)) {
            section.splice(at..at + from.len(), *to);
        }
        out.push(id);
        // Always five bytes.
        out.extend((0..5).map(|i| (section.len() >> (7 * i)) as u8 & 0x7f | if i < 4 { 0x80 } else { 0 }));
        out.extend(section);
    }
    out
}

/// A number, and how many bytes it takes.
fn leb(bytes: &[u8]) -> (usize, usize) {
    let width = bytes.iter().position(|byte| byte & 0x80 == 0).expect("a number ends") + 1;
    (bytes[..width].iter().rev().fold(0, |number, byte| number << 7 | usize::from(byte & 0x7f)), width)
}

/// The cases of which components are made, and those of them that are left out.
fn chosen() -> Vec<Case> {
    // Not `files`: the adapter lists `.` and `..`, into which the program walks.
    let kotlin = ["hello", "args", "args-none", "trees-10", "badsize", "exceptions", "uncaught", "deeprec-5000"];
    let cases = match common::folder_from_env("HEAPWOOD_GUESTS") {
        Some(folder) => cases::of_folder(&folder),
        None => {
            common::skip(
                "guests",
                "HEAPWOOD_GUESTS names no folder of programs in C and Rust; components of Kotlin run",
            );
            cases::kotlin(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests/kotlin"))
        }
    };
    let is_chosen = |case: &Case| match case.is_kotlin() {
        true => kotlin.contains(&&*case.name),
        // The C library of these programs takes all memory that is there when it starts as its heap, with the pages that
        // the adapter has by then: on any host they write to each other's as soon as a program needs as much (`sort`), or
        // asks how much there is (`bigmem`).
        false => {
            let is_spoilt = ["c/bigmem", "c/sort"].contains(&&*case.name);
            ["c/", "rust/"].iter().any(|of| case.name.starts_with(of)) && !is_spoilt
        }
    };
    cases.into_iter().filter(is_chosen).collect()
}

fn run_case(case: &Case, wasm: &Path, kind: &str) -> Finished {
    let mut command = heapwood();
    command.args(["run", "--argv0", "guest"]);
    for (key, value) in &case.env {
        command.arg("--env").arg(format!("{key}={value}"));
    }
    for (guest, source) in &case.dirs {
        let copy = scratch(&format!("component-{kind}-{}{guest}", case.name));
        if let Some(source) = source {
            common::copy_folder(source, &copy);
        }
        command.arg("--dir").arg(format!("{}::{guest}", copy.display()));
    }
    if let Some(stdin) = &case.stdin {
        command.stdin(File::open(stdin).expect("standard input of the case"));
    }
    finish(command.arg(wasm).args(&case.args))
}

#[test]
fn they_do_what_their_core_modules_do() {
    let folder = scratch("components");
    let cases = chosen();
    assert!(cases.len() >= 8, "{} cases", cases.len());
    for case in &cases {
        let core = std::fs::read(&case.wasm).expect("a core module");
        let path = folder.join(format!("{}.wasm", case.name.replace('/', "-")));
        let core = if case.is_kotlin() { with_start(&core) } else { core };
        std::fs::write(&path, component(&core)).expect("a component is written");
        let (expected, found) = (run_case(case, &case.wasm, "core"), run_case(case, &path, "component"));
        assert_eq!(found.stdout, case.stdout, "{}: {}", case.name, found.stderr);
        // `exit` of version 0.2 says only whether a program succeeded.
        let code = match expected.code {
            Some(0) => 0,
            Some(134) if case.end != End::Code(134) => 134,
            _ if case.name == "rust/inventory-panic" => 134,
            _ => 1,
        };
        assert_eq!(found.code, Some(code), "{}: {}", case.name, found.stderr);
        if let (End::Code(_), Some(stderr)) = (case.end, &case.stderr) {
            assert_eq!(found.stderr, *stderr, "{}", case.name);
        }
    }
}

/// Calls functions of preview1 that the programs above do not: clocks, random numbers, waiting, a file's whole life.
const CALLS: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_seek" (func $seek (param i32 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_filestat_get" (func $stat (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_filestat_set_size" (func $size (param i32 i64) (result i32)))
    (import "wasi_snapshot_preview1" "clock_time_get" (func $time (param i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_open"
        (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_rename" (func $rename (param i32 i32 i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_unlink_file" (func $unlink (param i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_create_directory" (func $mkdir (param i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_remove_directory" (func $rmdir (param i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_symlink" (func $symlink (param i32 i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_readlink" (func $readlink (param i32 i32 i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_filestat_get" (func $stat_at (param i32 i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "file") (data (i32.const 8) "name") (data (i32.const 16) "contents")
    ;; A list of one buffer: 8 bytes at 16.
    (data (i32.const 32) "\10\00\00\00\08\00\00\00")
    ;; The same for 8 bytes at 400, and for the log, which begins at 1024.
    (data (i32.const 40) "\90\01\00\00\08\00\00\00") (data (i32.const 48) "\00\04\00\00")
    (global $end (mut i32) (i32.const 1024))
    (func $log (param i32)
        (i32.store (global.get $end) (local.get 0)) (global.set $end (i32.add (global.get $end) (i32.const 4))))
    (func $log64 (param i64)
        (i64.store (global.get $end) (local.get 0)) (global.set $end (i32.add (global.get $end) (i32.const 8))))
    (func (export "_start") (local $fd i32)
        ;; Times, random bytes, and a wait of a second, which these clocks take in no time.
        (call $log (call $time (i32.const 0) (i64.const 0) (i32.const 96))) (call $log64 (i64.load (i32.const 96)))
        (call $log (call $time (i32.const 1) (i64.const 0) (i32.const 96))) (call $log64 (i64.load (i32.const 96)))
        (call $log (call $random (i32.const 96) (i32.const 8))) (call $log64 (i64.load (i32.const 96)))
        (i32.store (i32.const 216) (i32.const 1)) (i64.store (i32.const 224) (i64.const 1000000000))
        (i64.store (i32.const 200) (i64.const 77))
        (call $log (call $poll (i32.const 200) (i32.const 264) (i32.const 1) (i32.const 96)))
        (call $log (i32.load (i32.const 96))) (call $log64 (i64.load (i32.const 264)))
        ;; A file: opened, written, its size, read from its beginning, cut, renamed, removed.
        (call $log (call $open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 9)
            (i64.const 0x60007e) (i64.const 0) (i32.const 0) (i32.const 96)))
        (local.set $fd (i32.load (i32.const 96)))
        (call $log (call $write (local.get $fd) (i32.const 32) (i32.const 1) (i32.const 96))) (call $log (i32.load (i32.const 96)))
        (call $log (call $write (local.get $fd) (i32.const 32) (i32.const 1) (i32.const 96)))
        (call $log (call $stat (local.get $fd) (i32.const 512)))
        (call $log (i32.load8_u (i32.const 528))) (call $log64 (i64.load (i32.const 544)))
        (call $log (call $seek (local.get $fd) (i64.const 4) (i32.const 0) (i32.const 96)))
        (call $log (call $read (local.get $fd) (i32.const 40) (i32.const 1) (i32.const 96)))
        (call $log (i32.load (i32.const 96))) (call $log64 (i64.load (i32.const 400)))
        (call $log (call $size (local.get $fd) (i64.const 3)))
        (call $log (call $close (local.get $fd))) (call $log (call $close (local.get $fd)))
        (call $log (call $rename (i32.const 3) (i32.const 0) (i32.const 4) (i32.const 3) (i32.const 8) (i32.const 4)))
        (call $log (call $stat_at (i32.const 3) (i32.const 0) (i32.const 8) (i32.const 4) (i32.const 512)))
        (call $log64 (i64.load (i32.const 544)))
        (call $log (call $stat_at (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 512)))
        (call $log (call $mkdir (i32.const 3) (i32.const 8) (i32.const 4)))
        (call $log (call $mkdir (i32.const 3) (i32.const 0) (i32.const 4)))
        (call $log (call $unlink (i32.const 3) (i32.const 0) (i32.const 4)))
        (call $log (call $rmdir (i32.const 3) (i32.const 0) (i32.const 4)))
        (call $log (call $symlink (i32.const 8) (i32.const 4) (i32.const 3) (i32.const 0) (i32.const 4)))
        (call $log (call $readlink (i32.const 3) (i32.const 0) (i32.const 4) (i32.const 400) (i32.const 8) (i32.const 96)))
        (call $log (i32.load (i32.const 96))) (call $log (i32.load (i32.const 400)))
        (call $log (call $unlink (i32.const 3) (i32.const 0) (i32.const 4)))
        (call $log (call $unlink (i32.const 3) (i32.const 8) (i32.const 4)))
        ;; What the input has, and its end.
        (call $log (call $read (i32.const 0) (i32.const 40) (i32.const 1) (i32.const 96))) (call $log (i32.load (i32.const 96)))
        (call $log (call $read (i32.const 0) (i32.const 40) (i32.const 1) (i32.const 96))) (call $log (i32.load (i32.const 96)))
        (i32.store (i32.const 52) (i32.sub (global.get $end) (i32.const 1024)))
        (drop (call $write (i32.const 1) (i32.const 48) (i32.const 1) (i32.const 96)))))"#;

/// The log of [`CALLS`], as a module or as a component, and what is left in its folder.
fn log_of_calls(config: &Config, as_component: bool) -> (Vec<u8>, Vec<PathBuf>) {
    let engine = Engine::new(config).unwrap();
    let (core, output) = (wat::parse_str(CALLS).unwrap(), MemoryOutput::new(4096));
    let folder = scratch(if as_component { "component-calls" } else { "component-calls-core" });
    let builder = WasiCtx::builder()
        .clocks(DeterministicClocks::new(1_700_000_000_123_456_789, 0))
        .random(SeededRandom::new(5))
        .stdin(MemoryInput::new("input"))
        .stdout(output.clone())
        .preopen_dir(&folder, "/", heapwood::wasi::DirAccess::ReadWrite);
    let mut store = Store::new(&engine, builder.build().unwrap());
    if as_component {
        let component = Component::new(&engine, &component(&core)).unwrap();
        component.run(&mut store, |wasi| wasi).unwrap();
    } else {
        let mut linker = heapwood::Linker::new(&engine);
        heapwood::wasi::add_to_linker(&mut linker, |wasi| wasi).unwrap();
        let instance = linker.instantiate(&mut store, &heapwood::Module::new(&engine, core).unwrap()).unwrap();
        instance.get_typed_func::<(), ()>(&mut store, "_start").unwrap().call(&mut store, ()).unwrap();
    }
    let left = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    (output.take(), left)
}

#[test]
fn each_package_serves_what_preview1_does() {
    let (expected, left) = log_of_calls(&Config::new(), false);
    assert!(expected.len() > 150 && left.is_empty(), "{} bytes, {left:?}", expected.len());
    for config in [&Config::new(), Config::new().gc_stress(1).gc_verify(true)] {
        let (found, left) = log_of_calls(config, true);
        assert_eq!(found, expected);
        assert!(left.is_empty(), "{left:?}");
    }
}

/// A component of one core module, which has the lowered function as `host.f` and its own functions: `run` is what
/// runs.
fn command(interface: &str, name: &str, ty: &str, options: &str, core: &str) -> Vec<u8> {
    // A memory that the function may use, made before it.
    let text = format!(
        r#"(component
            (import "{interface}" (instance $host {ty}))
            (alias export $host "{name}" (func $f))
            (core module $memory (memory (export "memory") 1)
                (global $next (mut i32) (i32.const 1024))
                (func (export "realloc") (param i32 i32 i32 i32) (result i32)
                    (global.get $next)
                    (global.set $next (i32.and (i32.add (i32.add (global.get $next) (local.get 3)) (i32.const 7)) (i32.const -8)))))
            (core instance $memory (instantiate $memory))
            (core func $f (canon lower (func $f) {options}))
            (core instance $lowered (export "f" (func $f)))
            (core module $m (import "m" "memory" (memory 1)) {core})
            (core instance $i (instantiate $m (with "m" (instance $memory)) (with "host" (instance $lowered))))
            (func $run (result (result)) (canon lift (core func $i "run")))
            (instance $command (export "run" (func $run)))
            (export "wasi:cli/run@0.2.6" (instance $command)))"#
    );
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

const MEMORY: &str = r#"(memory $memory "memory") (realloc (func $memory "realloc"))"#;

/// `get-random-bytes` with a place for its result, and what the module then does.
fn random(place: &str, then: &str) -> Vec<u8> {
    command(
        "wasi:random/random@0.2.0",
        "get-random-bytes",
        r#"(export "get-random-bytes" (func (param "len" u64) (result (list u8))))"#,
        MEMORY,
        &format!(
            r#"(import "host" "f" (func $f (param i64 i32)))
            (func (export "run") (result i32) (call $f (i64.const 8) (i32.const {place})) {then})"#
        ),
    )
}

fn run(wasm: &[u8]) -> heapwood::Result<()> {
    let engine = Engine::default();
    let wasi = WasiCtx::builder().random(SeededRandom::new(1)).build().unwrap();
    Component::new(&engine, wasm)?.run(&mut Store::new(&engine, wasi), |wasi| wasi)
}

/// What is said of the guest that broke a rule.
fn trapped(wasm: &[u8]) -> String {
    let error = run(wasm).unwrap_err();
    error.downcast_ref::<AbiTrap>().unwrap_or_else(|| panic!("{error}")).to_string()
}

fn code(wasm: &[u8]) -> u32 {
    let error = run(wasm).unwrap_err();
    error.downcast_ref::<ProcExit>().unwrap_or_else(|| panic!("{error}")).0
}

#[test]
fn results_come_to_memory_and_run_says_whether_it_succeeded() {
    let are_there = "(i32.or (i32.ne (i32.load (i32.const 68)) (i32.const 8))
        (i64.eqz (i64.load (i32.load (i32.const 64)))))";
    run(&random("64", are_there)).unwrap();
    assert_eq!(code(&random("64", "(i32.const 1)")), 1);
    let loops = "(loop $l (br $l)) (i32.const 0)";
    let engine = Engine::default();
    let mut store = Store::new(&engine, WasiCtx::builder().build().unwrap());
    let component = Component::new(&engine, &random("64", loops)).unwrap();
    let soon = |store: &mut Store<WasiCtx>| store.set_deadline(Duration::from_millis(5));
    let error = component.run_with(&mut store, |wasi| wasi, soon).unwrap_err();
    assert_eq!(error.trap().map(|trap| trap.kind()), Some(TrapKind::DeadlineExceeded), "{error}");
    // The store may run it again, and another one.
    assert!(Component::new(&engine, &random("64", "(i32.const 0)")).unwrap().run(&mut store, |wasi| wasi).is_ok());
}

#[test]
fn a_wait_ends_with_the_deadline_and_the_next_one_is_not_hit() {
    // A wait for an hour of the monotonic clock, or for no time at all.
    let waits = |ns: u64| {
        let text = format!(
            r#"(module
            (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (func (export "_start")
                (i32.store (i32.const 16) (i32.const 1)) (i64.store (i32.const 24) (i64.const {ns}))
                (if (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)) (then (unreachable)))))"#
        );
        component(&wat::parse_str(text).unwrap())
    };
    let engine = Engine::default();
    let mut store = Store::new(&engine, WasiCtx::builder().build().unwrap());
    let long = Component::new(&engine, &waits(3_600_000_000_000)).unwrap();
    let soon = |store: &mut Store<WasiCtx>| store.set_deadline(Duration::from_millis(5));
    let error = long.run_with(&mut store, |wasi| wasi, soon).unwrap_err();
    assert_eq!(error.trap().map(|trap| trap.kind()), Some(TrapKind::DeadlineExceeded), "{error}");
    store.clear_deadline();
    Component::new(&engine, &waits(0)).unwrap().run(&mut store, |wasi| wasi).unwrap();
}

#[test]
fn a_guest_that_lies_about_its_memory_traps() {
    for (place, words) in [("65532", "do not lie in the memory"), ("-8", "do not lie in the memory"), ("66", "aligned")]
    {
        let said = trapped(&random(place, "(i32.const 0)"));
        assert!(said.contains(words) && said.contains("get-random-bytes"), "{said}");
    }
    // A string argument, as pointer and length.
    let opens = |at: &str, len: &str| {
        command(
            "wasi:io/streams@0.2.0",
            "write",
            r#"(export "output-stream" (type $s (sub resource)))
               (export "write" (func (param "self" (borrow $s)) (param "contents" (list u8)) (result (result))))"#,
            MEMORY,
            &format!(
                r#"(import "host" "f" (func $f (param i32 i32 i32) (result i32)))
                (func (export "run") (result i32) (call $f (i32.const 1) (i32.const {at}) (i32.const {len})))"#
            ),
        )
    };
    let error = Component::new(&Engine::default(), &opens("0", "1")).unwrap_err().to_string();
    assert!(error.contains("`write` of `wasi:io/streams@0.2.0`"), "{error}");
    let polls = |at: &str, len: &str| {
        command(
            "wasi:io/poll@0.2.1",
            "poll",
            r#"(export "pollable" (type $p (sub resource)))
               (export "poll" (func (param "in" (list (borrow $p))) (result (list u32))))"#,
            MEMORY,
            &format!(
                r#"(import "host" "f" (func $f (param i32 i32 i32)))
                (func (export "run") (result i32) (call $f (i32.const {at}) (i32.const {len}) (i32.const 8)) (i32.const 0))"#
            ),
        )
    };
    for (at, len, words) in [
        ("65532", "2", "do not lie in the memory"),
        ("0", "-1", "do not lie in the memory"),
        ("-4", "1", "do not lie in the memory"),
        ("2", "1", "not aligned"),
        ("0", "0", "`poll` with 0 pollables"),
        ("0", "1", "there is no handle 0 of `pollable`"),
    ] {
        let said = trapped(&polls(at, len));
        assert!(said.contains(words), "{at} {len}: {said}");
    }
}

#[test]
fn what_is_missing_is_named() {
    let needs = |interface: &str| {
        let ty = r#"(export "f" (func (param "a" u32)))"#;
        let core = r#"(import "host" "f" (func (param i32))) (func (export "run") (result i32) (i32.const 0))"#;
        Component::new(&Engine::default(), &command(interface, "f", ty, "", core)).unwrap_err().to_string()
    };
    for interface in [
        "wasi:sockets/tcp@0.2.3",
        "wasi:http/outgoing-handler@0.2.0",
        "wasi:cli/environment@0.2.0",
        "wasi:clocks/monotonic-clock@0.3.0",
        "example:own/interface",
    ] {
        let said = needs(interface);
        assert!(said.contains("not there") && said.contains(&format!("`f` of `{interface}`")), "{said}");
    }
    for (text, words) in [
        ("(type (resource (rep i32)))", "resources that a component defines"),
        (r#"(import "m" (core module))"#, "core modules"),
        ("(component (core module))", ""),
        ("(component $c (core module)) (instance (instantiate $c))", "a component within another"),
    ] {
        let wasm = wat::parse_str(format!("(component {text})")).unwrap();
        match (Component::new(&Engine::default(), &wasm), words) {
            (Ok(component), "") => assert!(!component.is_command()),
            (Err(error), _) if !words.is_empty() => assert!(error.to_string().contains(words), "{error}"),
            (other, _) => panic!("{text}: {other:?}"),
        }
    }
    // A type that is not the one of the interface.
    let ty = r#"(export "now" (func (param "a" u32) (result u64)))"#;
    let core =
        r#"(import "host" "f" (func (param i32) (result i64))) (func (export "run") (result i32) (i32.const 0))"#;
    let error = run(&command("wasi:clocks/monotonic-clock@0.2.0", "now", ty, "", core)).unwrap_err().to_string();
    assert!(error.contains("(func (result i64))") && error.contains("(func (param i32) (result i64))"), "{error}");
}

#[test]
fn the_command_runs_inspects_and_refuses_them() {
    let folder = scratch("component-command");
    let write = |name: &str, wasm: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, wasm).unwrap();
        path
    };
    let good = write("good.wasm", &random("64", "(i32.const 0)"));
    let bad = write("bad.wasm", &random("65532", "(i32.const 0)"));
    let calls = write("calls.wasm", &component(&wat::parse_str(CALLS).unwrap()));
    let library = write("library.wasm", &wat::parse_str("(component)").unwrap());
    let heapwood = |args: &[&str], path: &Path| finish(heapwood().args(args).arg(path));

    assert_eq!(heapwood(&["run"], &good).code, Some(0));
    let finished = heapwood(&["run"], &bad);
    assert_eq!(finished.code, Some(134), "{}", finished.stderr);
    assert!(finished.stderr.contains("trap: wasi:random/random: get-random-bytes"), "{}", finished.stderr);
    let preload = format!("a={}", good.display());
    let image = folder.join("image").display().to_string();
    for (args, path, code, words) in [
        (&["run", "--invoke", "run"][..], &good, 2, "--invoke is for core modules; this is a component"),
        (&["run", "--preload", &preload], &good, 1, "component"),
        (&["test"], &good, 2, "`heapwood test` is for core modules"),
        (&["run"], &library, 1, "exports no `wasi:cli/run`"),
        (&["validate"], &good, 1, "component"),
        (
            &["compile", "-o", &image],
            &good,
            1,
            "`heapwood compile` takes core modules; `heapwood run` takes it as it is",
        ),
        (&["bench"], &good, 1, "`heapwood bench` takes core modules; measure the core module"),
        (&["bench", "--compile-only"], &good, 1, "`heapwood bench` takes core modules"),
    ] {
        let finished = heapwood(args, path);
        assert_eq!(finished.code, Some(code), "{args:?}: {}", finished.stderr);
        assert!(finished.stderr.contains(words), "{args:?}: {}", finished.stderr);
    }
    assert!(!folder.join("image").exists());
    let inspected = heapwood(&["inspect"], &calls);
    assert_eq!(inspected.code, Some(0), "{}", inspected.stderr);
    for words in [
        "component, a command",
        "wasi:filesystem/types@0.2.12",
        "[method]descriptor.open-at",
        "<- WASI 0.2",
        "exports\n  wasi:cli/run@0.2.12",
    ] {
        assert!(inspected.stdout.contains(words), "{words}: {}", inspected.stdout);
    }
}

#[test]
fn cut_off_and_changed_ones_are_errors_or_run_within_their_bounds() {
    let whole = random("64", "(i32.const 0)");
    // Some ends of sections leave a component that is valid, and no command.
    let is_command = |bytes: &[u8]| Plan::new(bytes).is_ok_and(|plan| plan.run().is_some());
    assert!(is_command(&whole));
    // But for one that lacks nothing but the names behind it.
    assert_eq!((0..whole.len()).filter(|len| is_command(&whole[..*len])).count(), 1);
    // Of a component with adapter and fix-ups, at some places.
    let large = component(&wat::parse_str(CALLS).unwrap());
    assert!(is_component(&large) && !is_component(&large[..7]));
    let commands = (0..large.len()).step_by(211).filter(|len| is_command(&large[..*len])).count();
    assert!(commands <= 1, "{commands}");
    let (mut valid, mut seed) = (0, 1u64);
    let config = Config::new().max_memory(1 << 24).clone();
    let engine = Engine::new(&config).unwrap();
    for at in 0..whole.len() {
        for _ in 0..2 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let mut wasm = whole.clone();
            wasm[at] ^= (seed >> 56).max(1) as u8;
            let Ok(component) = Component::new(&engine, &wasm) else { continue };
            valid += 1;
            if !component.is_command() {
                continue;
            }
            let mut store = Store::new(&engine, WasiCtx::builder().build().unwrap());
            // What comes of it does not matter, as long as it is a result.
            let soon = |store: &mut Store<WasiCtx>| store.set_deadline(Duration::from_millis(50));
            let _ = component.run_with(&mut store, |wasi| wasi, soon);
        }
    }
    assert!(valid > 20, "{valid} of the changed ones are valid");
}
