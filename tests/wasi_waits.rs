//! What makes the guest of a store stop ends its waits in WASI: one handle and one deadline for both. What comes next
//! may wait again.

use heapwood::wasi::{self, Errno, RandomSource, StandardStream, WasiCtx};
use heapwood::{Engine, Error, Instance, Linker, Module, Store, TrapKind};
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

const SOON: Duration = Duration::from_millis(3);

/// Waits without an end, and for a while: a clock's subscription at 0, events at 64; a list of one buffer at 200.
const GUEST: &str = r#"(module
    (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
    (memory (export "memory") 600)
    (func $wait (param i64) (result i32)
        (i32.store (i32.const 16) (i32.const 1))
        (i64.store (i32.const 24) (local.get 0))
        (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))
    (func $list (param i32) (result i32)
        (i32.store (i32.const 200) (i32.const 1024))
        (i32.store (i32.const 204) (local.get 0))
        (i32.const 200))
    (func (export "sleep") (result i32) (call $wait (i64.const 3600000000000)))
    (func (export "read") (result i32)
        (call $read (i32.const 0) (call $list (i32.const 8)) (i32.const 1) (i32.const 128)))
    (func (export "write") (result i32)
        (call $write (i32.const 1) (call $list (i32.const 1000000)) (i32.const 1) (i32.const 128)))
    (func (export "random") (result i32) (call $random (i32.const 1024) (i32.const 39000000)))
    (func (export "pause") (result i32) (call $wait (i64.const 20000000)))
    (func (export "nap") (result i32) (call $wait (i64.const 1000))))"#;

/// Numbers at random that come slowly: all that a guest asks for take longer than any wait here.
struct SlowRandom;

impl RandomSource for SlowRandom {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), Errno> {
        std::thread::sleep(2 * SOON);
        buffer.fill(4);
        Ok(())
    }
}

struct World {
    store: Store<WasiCtx>,
    instance: Instance,
    input: PipeWriter,
    _output: PipeReader,
}

impl World {
    fn new(engine: &Engine) -> World {
        let ((stdin, input), (output, stdout)) = (pipe().unwrap(), pipe().unwrap());
        let streams = WasiCtx::builder().random(SlowRandom).stdio_fd(StandardStream::Input, stdin);
        let wasi = streams.stdio_fd(StandardStream::Output, stdout).build().unwrap();
        let mut linker = Linker::new(engine);
        wasi::add_to_linker(&mut linker, |wasi| wasi).unwrap();
        let module = Module::new(engine, wat::parse_str(GUEST).unwrap()).unwrap();
        let mut store = Store::new(engine, wasi);
        let instance = linker.instantiate(&mut store, &module).unwrap();
        World { store, instance, input, _output: output }
    }

    fn call(&mut self, name: &str) -> Result<i32, Error> {
        self.instance.get_typed_func::<(), i32>(&mut self.store, name)?.call(&mut self.store, ())
    }

    /// Waits that end by themselves do.
    fn check(&mut self) {
        assert!(!self.store.data().interrupt_handle().is_interrupted());
        assert_eq!(self.call("nap").unwrap(), 0);
        self.input.write_all(b"abcdefgh").unwrap();
        assert_eq!(self.call("read").unwrap(), 0);
    }
}

/// Waits that never end by themselves, or not soon.
const WAITS: [&str; 4] = ["sleep", "read", "write", "random"];

#[track_caller]
fn assert_trap(result: Result<i32, Error>, kind: TrapKind, what: &str) {
    assert_eq!(result.unwrap_err().trap().map(|trap| trap.kind()), Some(kind), "{what}");
}

#[test]
fn a_deadline_ends_waits_of_wasi() {
    let engine = Engine::default();
    for wait in WAITS {
        let mut world = World::new(&engine);
        for _ in 0..10 {
            world.store.set_deadline(SOON);
            assert_trap(world.call(wait), TrapKind::DeadlineExceeded, wait);
            world.check();
        }
    }
}

#[test]
fn the_handle_of_the_store_ends_waits_of_wasi() {
    let engine = Engine::default();
    for wait in WAITS {
        let mut world = World::new(&engine);
        for round in 0..10 {
            let handle = world.store.interrupt_handle();
            let thread = std::thread::spawn(move || {
                // Before the wait begins, or in it.
                std::thread::sleep(Duration::from_micros(100 * round));
                handle.interrupt();
            });
            assert_trap(world.call(wait), TrapKind::Interrupted, wait);
            thread.join().unwrap();
            world.check();
        }
    }
}

/// As ever: the context's own handle, which stays raised until it is reset.
#[test]
fn the_handle_of_the_context_ends_them_too() {
    let engine = Engine::default();
    let mut world = World::new(&engine);
    for wait in WAITS {
        let handle = world.store.data().interrupt_handle();
        handle.interrupt();
        assert_trap(world.call(wait), TrapKind::Interrupted, wait);
        assert_trap(world.call(wait), TrapKind::Interrupted, wait);
        handle.reset();
        world.check();
    }
}

/// Requests leave the waits of WASI again and again. Times come when they should, and what is written is whole.
#[test]
fn requests_change_nothing_that_a_guest_sees() {
    let engine = Engine::default();
    let mut world = World::new(&engine);
    let (inspector, is_over) = (world.store.inspector(), Arc::new(AtomicBool::new(false)));
    let (ended, answers) = (is_over.clone(), Arc::new(AtomicUsize::new(0)));
    let answered = answers.clone();
    let asker = std::thread::spawn(move || {
        while !ended.load(Ordering::SeqCst) {
            let answered = answered.clone();
            // If too many wait, since no guest runs, the next ones are left out.
            let _ = inspector.ask(move |_| _ = answered.fetch_add(1, Ordering::SeqCst));
            std::thread::sleep(Duration::from_micros(50));
        }
    });
    for _ in 0..3 {
        let before = answers.load(Ordering::SeqCst);
        // Where the machine is busy, whoever asks may not run for a while.
        while answers.load(Ordering::SeqCst) < before + 5 {
            assert_eq!(world.call("pause").unwrap(), 0);
        }
        world.check();
    }
    let memory = world.instance.get_memory(&mut world.store, "memory").unwrap();
    let pattern: Vec<u8> = (0..1_000_000_u32).map(|at| (at % 251) as u8).collect();
    memory.data_mut(&mut world.store)[1024..1024 + pattern.len()].copy_from_slice(&pattern);
    let mut output = world._output.try_clone().unwrap();
    let length = pattern.len();
    let reader = std::thread::spawn(move || {
        let (mut read, mut some) = (Vec::new(), [0; 5000]);
        while read.len() < length {
            let count = output.read(&mut some).unwrap();
            read.extend_from_slice(&some[..count]);
            std::thread::sleep(Duration::from_micros(50));
        }
        read
    });
    assert_eq!(world.call("write").unwrap(), 0);
    assert_eq!(memory.data(&world.store)[128..132], 1_000_000_u32.to_le_bytes());
    assert!(reader.join().unwrap() == pattern);
    is_over.store(true, Ordering::SeqCst);
    asker.join().unwrap();
}
