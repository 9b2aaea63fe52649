//! Shared memories: between stores, on threads, growing, waiting.

use heapwood_vm::*;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

fn engine_with(configure: impl FnOnce(&mut Config)) -> Engine {
    let mut features = Features::default();
    features.set("threads", true).unwrap();
    let mut config = Config::new();
    config.features(features);
    configure(&mut config);
    Engine::new(&config).unwrap()
}

fn engine() -> Engine {
    engine_with(|_| {})
}

fn shared(engine: &Engine, min: u64, max: u64) -> SharedMemory {
    let ty = MemoryType { min, max: Some(max), memory64: false, shared: true, page_size_log2: 16 };
    SharedMemory::new(engine, ty).unwrap()
}

fn module(engine: &Engine, text: &str) -> Module {
    Module::new(engine, wat::parse_str(text).unwrap()).unwrap()
}

fn word(memory: &SharedMemory, at: usize) -> u32 {
    let mut bytes = [0; 4];
    memory.read(at, &mut bytes).unwrap();
    u32::from_le_bytes(bytes)
}

#[test]
fn one_linker_gives_a_memory_to_stores_on_many_threads() {
    let engine = engine();
    let memory = shared(&engine, 1, 1);
    let mut linker: Linker<()> = Linker::new(&engine);
    linker.define("env", "memory", memory.clone()).unwrap();
    let module = module(
        &engine,
        r#"(module (import "env" "memory" (memory 1 1 shared)) (export "again" (memory 0))
            (func (export "add") (param i32) (loop $l
                (drop (i32.atomic.rmw.add (i32.const 64) (i32.const 3)))
                (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))"#,
    );
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut store = Store::new(&engine, ());
                let instance = linker.instantiate(&mut store, &module).unwrap();
                let add = instance.get_typed_func::<i32, ()>(&mut store, "add").unwrap();
                add.call(&mut store, 20_000).unwrap();
                let again = instance.get_shared_memory(&mut store, "again").unwrap();
                assert!(instance.get_memory(&mut store, "again").is_none(), "no slice of a shared memory");
                // It is this memory, and no other.
                assert!(word(&again, 64) >= 60_000);
            });
        }
    });
    assert_eq!(word(&memory, 64), 240_000);
}

#[test]
fn the_memory_outlives_the_store_that_defined_it() {
    let engine = engine();
    let definer = module(&engine, r#"(module (memory (export "m") 1 2 shared) (data (i32.const 8) "kept"))"#);
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &definer, &[]).unwrap();
    let memory = instance.get_shared_memory(&mut store, "m").unwrap();
    drop(store);
    assert_eq!((memory.size(), memory.page_size(), memory.data().len()), (1, 65536, 65536));
    assert_eq!(word(&memory, 8).to_le_bytes(), *b"kept");
    let user = module(
        &engine,
        r#"(module (import "" "m" (memory 1 2 shared))
            (func (export "f") (result i32) (i32.load (i32.const 8))))"#,
    );
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &user, &[memory.into()]).unwrap();
    let f = instance.get_typed_func::<(), i32>(&mut store, "f").unwrap();
    assert_eq!(f.call(&mut store, ()).unwrap().to_le_bytes(), *b"kept");
}

/// Growth in one store is there for all: sizes and accesses beyond the old end, by guard pages and by comparison.
#[test]
fn growth_is_seen_by_all() {
    for (address, page, guard) in [("i32", 16, true), ("i64", 16, true), ("i64", 16, false), ("i32", 0, true)] {
        let engine = engine_with(|config| {
            config.memory64_guard(guard);
        });
        let (pages, most) = if page == 0 { (65536, 65538) } else { (1, 3) };
        let memory64 = address == "i64";
        let ty = MemoryType { min: pages, max: Some(most), memory64, shared: true, page_size_log2: page };
        let memory = SharedMemory::new(&engine, ty).unwrap();
        let module = module(&engine, &growth_module(address, page, pages, most));
        let both = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            let watcher = scope.spawn(|| {
                let mut store = Store::new(&engine, ());
                let instance = Instance::new(&mut store, &module, &[memory.clone().into()]).unwrap();
                let mut call = |name: &str, arg: i64| {
                    instance.get_typed_func::<i64, i64>(&mut store, name).unwrap().call(&mut store, arg)
                };
                let trap = call("beyond", 0).unwrap_err().trap().unwrap().kind();
                assert_eq!(trap, TrapKind::MemoryOutOfBounds);
                both.wait();
                // Spins in compiled code until the other thread's growth is seen there, then uses what is new.
                assert_eq!(call("watch", pages as i64).unwrap(), 0, "new bytes are zero");
                assert!(call("size", 0).unwrap() > pages as i64);
            });
            let mut store = Store::new(&engine, ());
            let instance = Instance::new(&mut store, &module, &[memory.clone().into()]).unwrap();
            let mut call = |name: &str, arg: i64| {
                instance.get_typed_func::<i64, i64>(&mut store, name).unwrap().call(&mut store, arg)
            };
            both.wait();
            assert_eq!(call("grow", 1).unwrap(), pages as i64);
            watcher.join().unwrap();
            assert_eq!(memory.grow(1).unwrap(), pages + 1);
            assert_eq!((memory.size(), call("size", 0).unwrap()), (most, most as i64));
            assert_eq!(memory.data_size() as u64, most << page);
            assert_eq!(call("grow", 1).unwrap(), -1);
            memory.grow(1).unwrap_err();
        });
    }
}

/// Functions from i64 to i64.
fn growth_module(address: &str, page: u32, pages: u64, most: u64) -> String {
    let is_64 = address == "i64";
    let custom = if page == 0 { "(pagesize 1)" } else { "" };
    let size = if is_64 { "(memory.size)" } else { "(i64.extend_i32_u (memory.size))" };
    let grow = if is_64 {
        "(memory.grow (local.get 0))"
    } else {
        "(i64.extend_i32_s (memory.grow (i32.wrap_i64 (local.get 0))))"
    };
    let bytes = if page == 0 {
        "(memory.size)".to_owned()
    } else {
        format!("({address}.mul (memory.size) ({address}.const 65536))")
    };
    format!(
        r#"(module (import "" "m" (memory {address} {pages} {most} shared {custom}))
            (func (export "size") (param i64) (result i64) {size})
            (func (export "grow") (param i64) (result i64) {grow})
            (func (export "watch") (param i64) (result i64)
                (loop $l (br_if $l (i64.eq (local.get 0) {size})))
                (i64.load8_u ({address}.sub {bytes} ({address}.const 1))))
            (func (export "beyond") (param i64) (result i64) (i64.load8_u {bytes})))"#
    )
}

#[test]
fn threads_that_grow_at_the_same_time_get_different_pages() {
    let engine = engine();
    let memory = shared(&engine, 0, 64);
    let mut olds: Vec<u64> = std::thread::scope(|scope| {
        let grow = || (0..20).filter_map(|_| memory.grow(1).ok()).collect::<Vec<_>>();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(grow)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    olds.sort_unstable();
    assert_eq!(olds, (0..64).collect::<Vec<_>>(), "64 of 80 fit, each has its own page");
}

#[test]
fn block_operations_work_on_shared_memories() {
    let engine = engine();
    let module = module(
        &engine,
        r#"(module (memory $s (export "s") 1 1 shared) (memory $u (export "u") 1) (data $d "0123456789")
            (func (export "run")
                (memory.init $s $d (i32.const 100) (i32.const 2) (i32.const 6))
                (memory.copy $s $s (i32.const 103) (i32.const 100) (i32.const 6))
                (memory.copy $u $s (i32.const 8) (i32.const 100) (i32.const 9))
                (memory.copy $s $u (i32.const 200) (i32.const 8) (i32.const 9))
                (memory.fill $s (i32.const 203) (i32.const 33) (i32.const 3)))
            (func (export "fill") (memory.fill $s (i32.const 65530) (i32.const 1) (i32.const 7)))
            (func (export "copy") (memory.copy $s $u (i32.const 65530) (i32.const 0) (i32.const 7)))
            (func (export "within") (memory.copy $s $s (i32.const 0) (i32.const 65530) (i32.const 7)))
            (func (export "init") (memory.init $s $d (i32.const 65530) (i32.const 0) (i32.const 7))))"#,
    );
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let run = instance.get_typed_func::<(), ()>(&mut store, "run").unwrap();
    run.call(&mut store, ()).unwrap();
    let memory = instance.get_shared_memory(&mut store, "s").unwrap();
    let (mut first, mut second) = ([0; 9], [0; 9]);
    memory.read(100, &mut first).unwrap();
    memory.read(200, &mut second).unwrap();
    assert_eq!((&first, &second), (b"234234567", b"234!!!567"));
    for name in ["fill", "copy", "within", "init"] {
        let func = instance.get_typed_func::<(), ()>(&mut store, name).unwrap();
        let error = func.call(&mut store, ()).unwrap_err();
        assert_eq!(error.trap().unwrap().kind(), TrapKind::MemoryOutOfBounds, "{name}");
    }
    let mut end = [0; 6];
    memory.read(65530, &mut end).unwrap();
    assert_eq!(end, [0; 6], "what traps writes nothing");
    memory.read(65530, &mut [0; 7]).unwrap_err();
    memory.write(65536, &[1]).unwrap_err();
}

/// A module with `wait32`, `wait64` and `notify` on a memory that is imported.
const WAITING: &str = r#"(module (import "" "m" (memory 1 1 shared))
    (func (export "wait32") (param i32 i32 i64) (result i32)
        (memory.atomic.wait32 offset=8 (local.get 0) (local.get 1) (local.get 2)))
    (func (export "wait64") (param i32 i64 i64) (result i32)
        (memory.atomic.wait64 offset=8 (local.get 0) (local.get 1) (local.get 2)))
    (func (export "notify") (param i32 i32) (result i32)
        (memory.atomic.notify offset=8 (local.get 0) (local.get 1))))"#;

#[test]
fn waits_end_by_value_time_or_notification() {
    let engine = engine();
    let memory = shared(&engine, 1, 1);
    let module = module(&engine, WAITING);
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[memory.clone().into()]).unwrap();
    memory.write(8, &[1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
    let wait32 = instance.get_typed_func::<(i32, i32, i64), i32>(&mut store, "wait32").unwrap();
    let wait64 = instance.get_typed_func::<(i32, i64, i64), i32>(&mut store, "wait64").unwrap();
    let notify = instance.get_typed_func::<(i32, i32), i32>(&mut store, "notify").unwrap();
    let (low, all) = (0x0403_0201, 0x0807_0605_0403_0201);
    assert_eq!(wait32.call(&mut store, (0, 5, -1)).unwrap(), 1);
    assert_eq!(wait64.call(&mut store, (0, low as i64, -1)).unwrap(), 1);
    assert_eq!(wait32.call(&mut store, (0, low, 0)).unwrap(), 2);
    assert_eq!(wait64.call(&mut store, (0, all, 1_000_000)).unwrap(), 2);
    assert_eq!(notify.call(&mut store, (0, -1)).unwrap(), 0);
    assert_eq!(memory.atomic_wait32(8, 5, None).unwrap(), WaitResult::Mismatch);
    assert_eq!(memory.atomic_wait64(8, all as u64, Some(Duration::ZERO)).unwrap(), WaitResult::TimedOut);
    let kind = |error: Error| error.trap().unwrap().kind();
    for misaligned in [1, 2] {
        assert_eq!(kind(wait32.call(&mut store, (misaligned, 0, 0)).unwrap_err()), TrapKind::UnalignedAtomic);
        assert_eq!(kind(notify.call(&mut store, (misaligned, 0)).unwrap_err()), TrapKind::UnalignedAtomic);
    }
    assert_eq!(kind(wait64.call(&mut store, (4, 0, 0)).unwrap_err()), TrapKind::UnalignedAtomic);
    for beyond in [65536 - 8, -16, -8] {
        assert_eq!(kind(wait32.call(&mut store, (beyond, 0, 0)).unwrap_err()), TrapKind::MemoryOutOfBounds);
        assert_eq!(kind(wait64.call(&mut store, (beyond, 0, 0)).unwrap_err()), TrapKind::MemoryOutOfBounds);
        assert_eq!(kind(notify.call(&mut store, (beyond, 0)).unwrap_err()), TrapKind::MemoryOutOfBounds);
    }
    assert_eq!(memory.atomic_notify(2, 1).unwrap_err().kind(), TrapKind::UnalignedAtomic);
    assert_eq!(memory.atomic_wait64(65532, 0, None).unwrap_err().kind(), TrapKind::UnalignedAtomic);
    assert_eq!(memory.atomic_wait64(65536, 0, None).unwrap_err().kind(), TrapKind::MemoryOutOfBounds);
}

/// A notification ends a wait long before its time is over.
#[test]
fn a_wait_with_a_time_ends_by_a_notification() {
    let engine = engine();
    let memory = shared(&engine, 1, 1);
    let waiter = memory.clone();
    let waiting = std::thread::spawn(move || waiter.atomic_wait32(8, 0, Some(Duration::from_secs(3600))));
    while memory.atomic_notify(8, 1).unwrap() == 0 {
        std::thread::yield_now();
    }
    assert_eq!(waiting.join().unwrap().unwrap(), WaitResult::Ok);
}

#[test]
fn notifications_wake_as_many_as_they_say_in_the_order_of_waiting() {
    let engine = engine();
    let memory = shared(&engine, 1, 1);
    let module = module(&engine, WAITING);
    let woken = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for number in 0..3 {
            let (engine, module, memory, woken) = (&engine, &module, &memory, &woken);
            scope.spawn(move || {
                let mut store = Store::new(engine, ());
                let instance = Instance::new(&mut store, module, &[memory.clone().into()]).unwrap();
                let wait = instance.get_typed_func::<(i32, i32, i64), i32>(&mut store, "wait32").unwrap();
                // In turns, so that the order is known: each begins when the one before has begun.
                while word(memory, 0) != number {
                    std::thread::yield_now();
                }
                memory.write(0, &(number + 1).to_le_bytes()).unwrap();
                assert_eq!(wait.call(&mut store, (8, 0, -1)).unwrap(), 0);
                woken.fetch_add(1, Ordering::SeqCst);
            });
        }
        // Wakes one, then all others. Another address has no waiters.
        let notify_until = |count: u32, wanted: u32| {
            let mut sum = 0;
            while sum < wanted {
                sum += memory.atomic_notify(16, count).unwrap();
                std::thread::yield_now();
            }
            assert_eq!(sum, wanted);
        };
        assert_eq!(memory.atomic_notify(24, u32::MAX).unwrap(), 0);
        notify_until(1, 1);
        assert!(woken.load(Ordering::SeqCst) <= 1, "one notification woke more than one");
        notify_until(u32::MAX, 2);
    });
    assert_eq!(woken.load(Ordering::SeqCst), 3);
}

#[test]
fn an_interrupt_ends_a_wait_and_the_store_goes_on() {
    let engine = engine();
    let memory = shared(&engine, 1, 1);
    let module = module(&engine, WAITING);
    for round in 0..50 {
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[memory.clone().into()]).unwrap();
        let wait = instance.get_typed_func::<(i32, i32, i64), i32>(&mut store, "wait32").unwrap();
        let handle = store.interrupt_handle();
        let interrupter = std::thread::spawn(move || {
            // Before the wait begins, or in it.
            std::thread::sleep(Duration::from_micros(round * 50));
            handle.interrupt();
        });
        let error = wait.call(&mut store, (0, 0, -1)).unwrap_err();
        assert_eq!(error.trap().unwrap().kind(), TrapKind::Interrupted);
        interrupter.join().unwrap();
        assert_eq!(wait.call(&mut store, (0, 0, 1000)).unwrap(), 2, "one request stops one call");
        assert_eq!(memory.atomic_notify(8, u32::MAX).unwrap(), 0, "nobody is left in the queue");
    }
}

#[test]
fn waiting_at_an_unshared_memory_is_a_trap() {
    let engine = engine();
    let text = WAITING.replace("shared", "").replace("(import \"\" \"m\" (memory 1 1 ))", "(memory 1 1)");
    let module = module(&engine, &text);
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let wait = instance.get_typed_func::<(i32, i32, i64), i32>(&mut store, "wait32").unwrap();
    let notify = instance.get_typed_func::<(i32, i32), i32>(&mut store, "notify").unwrap();
    let error = wait.call(&mut store, (0, 0, 0)).unwrap_err();
    assert_eq!(error.trap().unwrap().kind(), TrapKind::ExpectedSharedMemory);
    assert_eq!(notify.call(&mut store, (0, 5)).unwrap(), 0);
    let error = notify.call(&mut store, (65528, 5)).unwrap_err();
    assert_eq!(error.trap().unwrap().kind(), TrapKind::MemoryOutOfBounds);
}

/// The host takes part: it hands numbers to a guest through a mailbox, both waiting for each other.
#[test]
fn host_and_guest_wait_for_each_other() {
    let engine = engine();
    let memory = shared(&engine, 1, 1);
    let module = module(
        &engine,
        r#"(module (import "" "m" (memory 1 1 shared))
            ;; Sums what comes to 4 whenever the word at 0 is 1, until a zero comes.
            (func (export "sum") (result i32) (local $sum i32) (local $got i32)
                (loop $l
                    (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))
                    (br_if $l (i32.eqz (i32.atomic.load (i32.const 0))))
                    (local.set $got (i32.load (i32.const 4)))
                    (local.set $sum (i32.add (local.get $sum) (local.get $got)))
                    (i32.atomic.store (i32.const 0) (i32.const 0))
                    (drop (memory.atomic.notify (i32.const 0) (i32.const 1)))
                    (br_if $l (local.get $got)))
                (local.get $sum)))"#,
    );
    let sum = std::thread::scope(|scope| {
        let guest = scope.spawn(|| {
            let mut store = Store::new(&engine, ());
            let instance = Instance::new(&mut store, &module, &[memory.clone().into()]).unwrap();
            instance.get_typed_func::<(), i32>(&mut store, "sum").unwrap().call(&mut store, ()).unwrap()
        });
        for number in (0..1000u32).rev() {
            while memory.atomic_wait32(0, 1, None).unwrap() != WaitResult::Mismatch {}
            memory.write(4, &number.to_le_bytes()).unwrap();
            memory.write(0, &1u32.to_le_bytes()).unwrap();
            memory.atomic_notify(0, 1).unwrap();
        }
        guest.join().unwrap()
    });
    assert_eq!(sum, 1000 * 999 / 2);
}

#[test]
fn what_does_not_fit_is_an_error() {
    let engine = engine();
    let ty = MemoryType { min: 1, max: None, memory64: false, shared: true, page_size_log2: 16 };
    let message = |error: Error| error.to_string();
    assert!(message(SharedMemory::new(&engine, ty).unwrap_err()).contains("max is not"));
    let unshared = MemoryType { max: Some(1), shared: false, ..ty };
    assert!(message(SharedMemory::new(&engine, unshared).unwrap_err()).contains("shared"));
    let mut store = Store::new(&engine, ());
    let made = Memory::new(&mut store, MemoryType { shared: true, ..unshared });
    assert!(message(made.unwrap_err()).contains("SharedMemory"));
    let limited = engine_with(|config| {
        config.max_memory(65536);
    });
    assert!(
        message(SharedMemory::new(&limited, MemoryType { min: 2, max: Some(2), ..ty }).unwrap_err()).contains("65536")
    );
    let small = shared(&limited, 1, 2);
    small.grow(1).unwrap_err();
    // A store of another engine: its compiled code may count on other reservations.
    let user = module(&engine, r#"(module (import "" "m" (memory 1 2 shared)))"#);
    let error = Instance::new(&mut store, &user, &[small.into()]).unwrap_err();
    assert!(message(error).contains("another engine"));
    // Sharing belongs to the type.
    let plain = module(&engine, r#"(module (import "" "m" (memory 1 2)))"#);
    let error = Instance::new(&mut store, &plain, &[shared(&engine, 1, 2).into()]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Link(_)), "{error}");
    let memory = Memory::new(&mut store, MemoryType { max: Some(2), ..unshared }).unwrap();
    let error = Instance::new(&mut store, &user, &[memory.into()]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Link(_)), "{error}");
}

/// The first call reserves address space, the second commits the least size.
#[test]
fn a_shared_memory_that_the_system_refuses_is_an_error() {
    let engine = engine();
    let ty = MemoryType { min: 1, max: Some(2), memory64: false, shared: true, page_size_log2: 16 };
    for (call, says) in [(1, "the system refused to map"), (2, "the system refused 65536 bytes for a memory")] {
        Engine::refuse_mappings(call..call + 1);
        let error = SharedMemory::new(&engine, ty).unwrap_err();
        assert_eq!(Engine::mapping_calls(), call);
        assert!(matches!(error.kind(), ErrorKind::Limit(_)) && error.to_string().contains(says), "{error}");
    }
    Engine::refuse_mappings(0..0);
    assert_eq!(shared(&engine, 1, 2).size(), 1);
}

#[test]
fn a_store_counts_shared_memories_against_its_limit() {
    let engine = engine_with(|config| {
        config.max_memory(3 << 16);
    });
    let memory = shared(&engine, 2, 3);
    let module = module(
        &engine,
        r#"(module (import "" "m" (memory 1 3 shared)) (memory $own 1)
            (func (export "shared") (result i32) (memory.grow (i32.const 1)))
            (func (export "own") (result i32) (memory.grow $own (i32.const 1))))"#,
    );
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[memory.clone().into()]).unwrap();
    for name in ["shared", "own"] {
        let grow = instance.get_typed_func::<(), i32>(&mut store, name).unwrap();
        assert_eq!(grow.call(&mut store, ()).unwrap(), -1, "{name}: three pages are all");
    }
    assert_eq!(memory.grow(1).unwrap(), 2, "alone it may have three");
}

/// Faults of one thread do not disturb another that runs in the same memory.
#[test]
fn traps_of_one_store_leave_others_running() {
    let engine = engine();
    let memory = shared(&engine, 1, 1);
    let module = module(
        &engine,
        r#"(module (import "" "m" (memory 1 1 shared))
            (func (export "count") (result i32)
                (loop $l (i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (i32.const 1)))
                    (br_if $l (i32.eqz (i32.atomic.load (i32.const 0)))))
                (i32.load (i32.const 8)))
            (func (export "fault") (drop (i32.atomic.rmw.add (i32.const 0x10000) (i32.const 1)))))"#,
    );
    std::thread::scope(|scope| {
        let counter = scope.spawn(|| {
            let mut store = Store::new(&engine, ());
            let instance = Instance::new(&mut store, &module, &[memory.clone().into()]).unwrap();
            instance.get_typed_func::<(), i32>(&mut store, "count").unwrap().call(&mut store, ()).unwrap()
        });
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[memory.clone().into()]).unwrap();
        let fault = instance.get_typed_func::<(), ()>(&mut store, "fault").unwrap();
        for _ in 0..500 {
            let error = fault.call(&mut store, ()).unwrap_err();
            assert_eq!(error.trap().unwrap().kind(), TrapKind::MemoryOutOfBounds);
        }
        memory.write(0, &[1]).unwrap();
        assert!(counter.join().unwrap() > 0);
    });
}
