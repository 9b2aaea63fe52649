//! A deadline ends one call, wherever that is when the time is over, and no later one.
//!
//! No test looks at a clock: what has to end would never end by itself, and what must not be hit is what comes next.

mod common;

use common::child::in_child;
use heapwood_vm::*;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// Is over soon, and not at once.
const SOON: Duration = Duration::from_millis(3);
/// Is never over while tests run.
const LONG: Duration = Duration::from_secs(100_000);

const GUEST: &str = r#"(module
    (import "host" "back" (func $back (param i32) (result i32)))
    (memory $m (export "m") 1 2)
    (type $array (array (mut i32)))
    (func (export "spin") (loop $again (br $again)))
    (func $recurse (export "recurse") (param i32) (result i32)
        (call $recurse (i32.const 0)) (drop) (call $recurse (i32.const 0)))
    (func (export "allocate") (loop $again (drop (array.new_default $array (i32.const 100))) (br $again)))
    (func (export "fill") (loop $again
        (memory.fill (i32.const 0) (i32.const 1) (i32.const 65536))
        (br $again)))
    (func (export "call the host") (loop $again (drop (call $back (i32.const -1))) (br $again)))
    (func (export "catch") (loop $again
        (block $caught (try_table (catch_all $caught) (drop (call $back (i32.const -2)))))
        (br $again)))
    (func $short (export "short") (param i32) (result i32) (local $n i32)
        (local.set $n (local.get 0))
        (loop $again (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (i32.const 7))
    (func (export "nest") (param i32) (result i32)
        (local.set 0 (i32.add (i32.const 1) (call $back (local.get 0))))
        (drop (call $short (i32.const 10)))
        (local.get 0)))"#;

/// Calls of a guest that never end by themselves.
const ENDLESS: [&str; 5] = ["spin", "allocate", "fill", "call the host", "catch"];

fn kind(error: &Error) -> TrapKind {
    error.trap().unwrap_or_else(|| panic!("no trap: {error:?}")).kind()
}

#[track_caller]
fn assert_late<R: std::fmt::Debug>(result: Result<R>, what: &str) {
    let error = result.expect_err(what);
    assert_eq!(kind(&error), TrapKind::DeadlineExceeded, "{what}: {error:?}");
}

fn compile(engine: &Engine, text: &str) -> Module {
    Module::new(engine, wat::parse_str(text).unwrap()).unwrap()
}

/// What a host function does that a guest called with this number.
type Back = fn(&mut Caller<'_, ()>, Instance, i32) -> Result<i32>;

struct World {
    store: Store<()>,
    instance: Instance,
}

impl World {
    fn new(engine: &Engine, back: Back) -> World {
        let mut store = Store::new(engine, ());
        let call_back = move |mut caller: Caller<'_, ()>, number: i32| -> Result<i32> {
            if number < 0 {
                return Ok(number);
            }
            let instance = caller.instance().expect("a guest calls");
            back(&mut caller, instance, number)
        };
        let call_back = Func::wrap(&mut store, call_back);
        let instance = Instance::new(&mut store, &compile(engine, GUEST), &[call_back.into()]).unwrap();
        World { store, instance }
    }

    fn plain(engine: &Engine) -> World {
        World::new(engine, |_, _, number| Ok(number))
    }

    fn call(&mut self, name: &str) -> Result<()> {
        self.instance.get_typed_func::<(), ()>(&mut self.store, name)?.call(&mut self.store, ())
    }

    fn with(&mut self, name: &str, arg: i32) -> Result<i32> {
        self.instance.get_typed_func::<i32, i32>(&mut self.store, name)?.call(&mut self.store, arg)
    }

    /// Calls without a deadline run to their end.
    fn check(&mut self) {
        assert_eq!(self.with("short", 100_000).unwrap(), 7);
        assert_eq!(self.with("nest", 4).unwrap(), 5);
    }
}

fn engine() -> Engine {
    let mut config = Config::new();
    let mut features = config.enabled();
    features.set("threads", true).unwrap();
    Engine::new(config.features(features)).unwrap()
}

#[test]
fn a_call_that_does_not_end_ends() {
    let engine = engine();
    let mut world = World::plain(&engine);
    for name in ENDLESS {
        for span in [SOON, Duration::ZERO] {
            world.store.set_deadline(span);
            let error = world.call(name).unwrap_err();
            assert_eq!(kind(&error), TrapKind::DeadlineExceeded, "{name}: {error:?}");
            assert_eq!(error.trap().unwrap().detail(), Some(format!("the call had {span:?}").as_str()));
            assert!(error.backtrace().is_some_and(|backtrace| !backtrace.frames().is_empty()), "{name}");
            world.check();
        }
    }
    world.store.set_deadline(LONG);
    let error = world.with("recurse", 0).unwrap_err();
    assert_eq!(kind(&error), TrapKind::StackExhausted, "what ends before its time ends as ever");
    world.check();
}

#[test]
fn the_next_call_is_not_hit() {
    let engine = engine();
    let mut world = World::plain(&engine);
    let mut late = 0;
    // Calls about as long as their deadlines, so that some alarms are on their way when a call is over.
    for round in 0..400 {
        world.store.set_deadline(Duration::from_micros(round));
        match world.with("short", 100_000) {
            Ok(result) => assert_eq!(result, 7),
            Err(error) => {
                assert_eq!(kind(&error), TrapKind::DeadlineExceeded);
                late += 1;
            }
        }
        world.check();
    }
    assert!(late > 0, "the shortest deadlines are over before the call is");
}

#[test]
fn a_deadline_waits_for_its_call_and_is_used_up_by_it() {
    let engine = engine();
    let mut world = World::plain(&engine);
    // Time that passes while nothing runs does not count: the deadline would be over, if it were armed.
    world.store.set_deadline(LONG);
    std::thread::sleep(SOON);
    assert_eq!(world.with("short", 10).unwrap(), 7);
    // Used up by one call, whether or not that has a loop.
    world.store.set_deadline(SOON);
    let _ = world.with("short", 1);
    std::thread::sleep(2 * SOON);
    world.check();
    // Withdrawn, or replaced.
    world.store.set_deadline(Duration::ZERO);
    world.store.clear_deadline();
    world.check();
    world.store.set_deadline(Duration::ZERO);
    world.store.set_deadline(Duration::MAX);
    world.check();
    // Errors before anything runs leave it to the next call.
    world.store.set_deadline(Duration::ZERO);
    let func = world.instance.get_func(&mut world.store, "spin").unwrap();
    assert!(matches!(func.call(&mut world.store, &[Val::I32(1)], &mut []).unwrap_err().kind(), ErrorKind::Usage(_)));
    assert_late(world.call("spin"), "the deadline is still set");
}

#[test]
fn interrupts_and_deadlines_are_told_apart() {
    let engine = engine();
    let mut world = World::plain(&engine);
    world.store.set_deadline(LONG);
    world.store.interrupt_handle().interrupt();
    assert_eq!(kind(&world.call("spin").unwrap_err()), TrapKind::Interrupted);
    world.store.set_deadline(SOON);
    assert_late(world.call("spin"), "no request is left");
    // A request during a call that has a deadline, from another thread.
    let handle = world.store.interrupt_handle();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(SOON);
        handle.interrupt();
    });
    world.store.set_deadline(LONG);
    assert_eq!(kind(&world.call("spin").unwrap_err()), TrapKind::Interrupted);
    thread.join().unwrap();
    world.check();
}

#[test]
fn a_token_ends_its_call_and_no_other() {
    let engine = engine();
    let mut world = World::plain(&engine);
    for name in ENDLESS {
        // Before the call, and in it.
        let token = world.store.interrupt_token();
        token.interrupt();
        assert_eq!(kind(&world.call(name).unwrap_err()), TrapKind::Interrupted, "{name}");
        let token = world.store.interrupt_token();
        let thread = std::thread::spawn(move || {
            std::thread::sleep(SOON);
            token.interrupt();
        });
        assert_eq!(kind(&world.call(name).unwrap_err()), TrapKind::Interrupted, "{name}");
        thread.join().unwrap();
        world.check();
    }
    // One that is used all the time, and whose call is over or has not begun.
    let (old, is_over) = (world.store.interrupt_token(), Arc::new(AtomicU32::new(0)));
    world.check();
    let over = is_over.clone();
    let thread = std::thread::spawn(move || {
        while over.load(Ordering::SeqCst) == 0 {
            old.interrupt();
        }
    });
    for _ in 0..50 {
        world.check();
        world.store.set_deadline(Duration::from_micros(100));
        assert_late(world.call("spin"), "a deadline beside it");
        let token = world.store.interrupt_token();
        token.interrupt();
        assert_eq!(kind(&world.call("spin").unwrap_err()), TrapKind::Interrupted);
    }
    is_over.store(1, Ordering::SeqCst);
    thread.join().unwrap();
    // All tokens of a call are one, and a store that is gone is no matter.
    let (first, second) = (world.store.interrupt_token(), world.store.interrupt_token());
    second.interrupt();
    assert_eq!(kind(&world.call("spin").unwrap_err()), TrapKind::Interrupted);
    drop(world);
    first.interrupt();
}

#[test]
fn a_token_of_an_outer_call_ends_the_inner_ones() {
    let engine = engine();
    let mut world = World::new(&engine, |caller, instance, _| {
        let spin = instance.get_typed_func::<(), ()>(&mut *caller, "spin")?;
        for _ in 0..3 {
            assert_eq!(kind(&spin.call(&mut *caller, ()).unwrap_err()), TrapKind::Interrupted);
        }
        Ok(0)
    });
    for micros in [0, 100, 1000] {
        let token = world.store.interrupt_token();
        let thread = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_micros(micros));
            token.interrupt();
        });
        assert_eq!(kind(&world.with("nest", 1).unwrap_err()), TrapKind::Interrupted);
        thread.join().unwrap();
        assert_eq!(world.with("short", 100_000).unwrap(), 7);
    }
    // That of an inner call leaves the outer one alone.
    let mut world = World::new(&engine, |caller, instance, number| {
        let spin = instance.get_typed_func::<(), ()>(&mut *caller, "spin")?;
        let token = caller.interrupt_token();
        token.interrupt();
        assert_eq!(kind(&spin.call(&mut *caller, ()).unwrap_err()), TrapKind::Interrupted);
        token.interrupt();
        Ok(number)
    });
    assert_eq!(world.with("nest", 3).unwrap(), 4);
}

#[test]
fn an_instantiation_has_a_deadline_too() {
    let engine = engine();
    let mut world = World::plain(&engine);
    let start = compile(&engine, "(module (func $f (loop $l (br $l))) (start $f))");
    world.store.set_deadline(SOON);
    assert_late(Instance::new(&mut world.store, &start, &[]), "a start function");
    world.check();
    // Constant expressions: 256 MiB of garbage each, far more of them than there is time for.
    let global =
        "(global (ref null $box) (i32.const 0) (i32.const 268435456) (array.new $a) (i32.const 0) (array.new $box))";
    let text =
        format!("(module (type $a (array i8)) (type $box (array (mut (ref null $a)))) {})", global.repeat(20_000));
    let mut config = Config::new();
    let engine = Engine::new(config.gc_heap_max(640 << 20)).unwrap();
    let mut store = Store::new(&engine, ());
    store.set_deadline(10 * SOON);
    assert_late(Instance::new(&mut store, &compile(&engine, &text), &[]), "constant expressions");
    Instance::new(&mut store, &compile(&engine, "(module (global i32 (i32.const 1)))"), &[]).unwrap();
}

/// Nested calls: where the deadline is, and how deep the endless call.
#[test]
fn the_deadline_of_an_outer_call_ends_the_inner_ones_and_the_outer_one() {
    static SEEN: AtomicU32 = AtomicU32::new(0);
    let engine = engine();
    // Hosts and guests in turns; the innermost guest never ends, and each host goes on with what it got.
    let mut world = World::new(&engine, |caller, instance, number| {
        if number > 0 {
            let nest = instance.get_typed_func::<i32, i32>(&mut *caller, "nest")?;
            assert_late(nest.call(&mut *caller, number - 1), "a guest between");
        } else {
            let spin = instance.get_typed_func::<(), ()>(&mut *caller, "spin")?;
            assert_late(spin.call(&mut *caller, ()), "the innermost guest");
        }
        SEEN.fetch_add(1, Ordering::SeqCst);
        // A new call within the one that is late ends too.
        let spin = instance.get_typed_func::<(), ()>(&mut *caller, "spin")?;
        assert_late(spin.call(&mut *caller, ()), "a guest after that");
        caller.set_deadline(LONG);
        assert_late(spin.call(&mut *caller, ()), "though it has more time itself");
        Ok(0)
    });
    for depth in 0..4 {
        SEEN.store(0, Ordering::SeqCst);
        // The outer guest would go on: it meets a loop, so it has to end there.
        let spin_after = compile(
            &engine,
            "(module (import \"\" \"\" (func $nest (param i32) (result i32)))
                (func (export \"f\") (param i32) (result i32) (drop (call $nest (local.get 0))) (loop $l (br $l)) unreachable))",
        );
        let nest = world.instance.get_func(&mut world.store, "nest").unwrap();
        let outer = Instance::new(&mut world.store, &spin_after, &[nest.into()]).unwrap();
        let outer = outer.get_typed_func::<i32, i32>(&mut world.store, "f").unwrap();
        // The time may be over before the innermost guest begins, on a busy machine.
        let is_deep = [SOON, 10 * SOON, 100 * SOON, 1000 * SOON].into_iter().any(|span| {
            SEEN.store(0, Ordering::SeqCst);
            world.store.set_deadline(span);
            assert_late(outer.call(&mut world.store, depth), "the outer guest");
            SEEN.load(Ordering::SeqCst) == depth as u32 + 1
        });
        assert!(is_deep, "each host function went on once");
        assert_eq!(world.with("short", 100_000).unwrap(), 7);
    }
}

#[test]
fn the_deadline_of_an_inner_call_leaves_the_outer_one_alone() {
    let engine = engine();
    let mut world = World::new(&engine, |caller, instance, number| {
        let spin = instance.get_typed_func::<(), ()>(&mut *caller, "spin")?;
        let short = instance.get_typed_func::<i32, i32>(&mut *caller, "short")?;
        for span in [SOON, Duration::ZERO] {
            caller.set_deadline(span);
            assert_late(spin.call(&mut *caller, ()), "the inner guest");
            assert_eq!(short.call(&mut *caller, 100_000)?, 7);
        }
        // Set, and not used by a call: it waits for the next one, which is not this one.
        caller.set_deadline(Duration::ZERO);
        if number > 0 {
            caller.clear_deadline();
        }
        Ok(number)
    });
    for outer in [None, Some(LONG)] {
        if let Some(span) = outer {
            world.store.set_deadline(span);
        }
        assert_eq!(world.with("nest", 3).unwrap(), 4);
        assert_eq!(world.with("short", 100_000).unwrap(), 7);
        assert_eq!(world.with("nest", 0).unwrap(), 1);
        assert_late(world.call("spin"), "what the host function has set");
    }
}

#[test]
fn waits_end() {
    let engine = engine();
    let memory = SharedMemory::new(&engine, MemoryType::shared(1, 1)).unwrap();
    let module = compile(
        &engine,
        r#"(module (import "" "" (memory 1 1 shared)) (import "" "host" (func $host))
            (func (export "wait32") (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1))))
            (func (export "wait64") (drop (memory.atomic.wait64 (i32.const 8) (i64.const 0) (i64.const -1))))
            (func (export "waits") (loop $again
                (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const 1000))) (br $again)))
            (func (export "host") (call $host)))"#,
    );
    let mut store = Store::new(&engine, ());
    let host = Func::wrap(&mut store, |mut caller: Caller<'_, ()>| -> Result<()> {
        let (sender, inbox) = mpsc::channel();
        caller.interruptible(move || _ = sender.send(()), |_| inbox.recv())??;
        Ok(())
    });
    let instance = Instance::new(&mut store, &module, &[memory.clone().into(), host.into()]).unwrap();
    for _ in 0..20 {
        for name in ["wait32", "wait64", "waits", "host"] {
            let func = instance.get_typed_func::<(), ()>(&mut store, name).unwrap();
            for span in [SOON, Duration::ZERO] {
                store.set_deadline(span);
                assert_late(func.call(&mut store, ()), name);
            }
            // By a handle as well.
            let handle = store.interrupt_handle();
            let thread = std::thread::spawn(move || handle.interrupt());
            assert_eq!(kind(&func.call(&mut store, ()).unwrap_err()), TrapKind::Interrupted, "{name}");
            thread.join().unwrap();
        }
    }
    assert_eq!(memory.atomic_notify(0, u32::MAX).unwrap(), 0, "nobody is left in the queue");
}

#[test]
fn a_host_function_that_waits_is_woken_for_its_own_call_only() {
    let engine = engine();
    let woken = Arc::new(AtomicU32::new(0));
    let mut store = Store::new(&engine, ());
    let count = woken.clone();
    let wait = Func::wrap(&mut store, move |mut caller: Caller<'_, ()>, micros: i64| -> Result<i32> {
        let count = count.clone();
        let wake = move || {
            count.fetch_add(1, Ordering::SeqCst);
        };
        caller.interruptible(wake, |_| std::thread::sleep(Duration::from_micros(micros as u64)))?;
        Ok(1)
    });
    let wait = wait.typed::<i64, i32>(&store).unwrap();
    let mut seen = 0;
    for round in 0..300 {
        // The call is over at about the time at which its deadline is.
        store.set_deadline(Duration::from_micros(200 + round));
        let first = wait.call(&mut store, 300);
        let before = woken.load(Ordering::SeqCst);
        // The call may find out by itself that its time is over, before the timer's thread does.
        assert!(before == seen || first.is_err(), "woken only if its own time is over");
        seen = before;
        assert_eq!(wait.call(&mut store, 100).unwrap(), 1, "the next call is not hit");
        assert_eq!(woken.load(Ordering::SeqCst), before, "nor woken");
    }
}

#[test]
fn a_panic_in_a_host_function_disarms_the_deadline() {
    let engine = engine();
    let mut world = World::new(&engine, |_, _, number| if number == 9 { panic!("on purpose") } else { Ok(number) });
    // The time may be over before the host function begins, on a busy machine.
    let panicked = [SOON, 10 * SOON, 100 * SOON].into_iter().find_map(|span| {
        world.store.set_deadline(span);
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.with("nest", 9)));
        ended.err().map(|panic| (span, panic))
    });
    let (span, panic) = panicked.expect("it came to the host function once");
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"on purpose"));
    std::thread::sleep(2 * span);
    world.check();
}

/// A store's deadline is no other store's, and moves with it to another thread.
#[test]
fn stores_side_by_side() {
    let engine = engine();
    std::thread::scope(|scope| {
        for number in 0..4 {
            let mut world = World::plain(&engine);
            scope.spawn(move || {
                for _ in 0..20 {
                    if number % 2 == 0 {
                        world.store.set_deadline(SOON);
                        assert_late(world.call("spin"), "with a deadline");
                    } else {
                        world.store.set_deadline(LONG);
                        assert_eq!(world.with("short", 1_000_000).unwrap(), 7);
                    }
                    world.check();
                }
            });
        }
    });
}

/// How many threads of this process have names that begin like this.
fn threads(name: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let comm = |task: std::io::Result<std::fs::DirEntry>| std::fs::read_to_string(task.ok()?.path().join("comm")).ok();
    tasks.filter_map(comm).filter(|comm| comm.starts_with(name)).count()
}

#[test]
fn one_thread_of_the_engine_watches_all_deadlines() {
    in_child("one_thread_of_the_engine_watches_all_deadlines", || {
        let engine = engine();
        let mut worlds: Vec<World> = (0..20).map(|_| World::plain(&engine)).collect();
        assert_eq!(threads("heapwood-timer"), 0, "nobody has a deadline yet");
        for world in &mut worlds {
            world.store.set_deadline(SOON);
            assert_late(world.call("spin"), "a store of many");
        }
        assert_eq!(threads("heapwood-timer"), 1);
        drop(engine);
        assert_eq!(threads("heapwood-timer"), 1, "stores keep their engine");
        drop(worlds);
        // Joined; the system's list may be a moment behind.
        while threads("heapwood-timer") > 0 {
            std::thread::yield_now();
        }
    });
}
