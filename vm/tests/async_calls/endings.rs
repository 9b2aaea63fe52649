//! What ends a guest that waits, what futures that nobody polls any more leave behind, and what cannot wait.

use super::tasks::{Pending, poll_once, run, run_until};
use crate::common;
use heapwood_vm::*;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// Each export calls one host function, with objects and numbers in its frame. `catch` catches what it throws.
const GUEST: &str = r#"(module
  (type $box (struct (field i32)))
  (import "h" "h" (func $h (result i32)))
  (import "h" "tag" (tag $e (param i32)))
  (func $frame (param $n i32) (result i32) (local $o (ref null $box)) (local $sum i32)
    (local.set $o (struct.new $box (local.get $n)))
    (local.set $sum (if (result i32) (local.get $n)
      (then (call $frame (i32.sub (local.get $n) (i32.const 1)))) (else (call $h))))
    (i32.add (local.get $sum) (struct.get $box 0 (local.get $o))))
  (func (export "run") (result i32) (call $frame (i32.const 40)))
  (func (export "catch") (result i32)
    (block $c (result i32) (try_table (result i32) (catch $e $c) (call $frame (i32.const 40)))))
  (func (export "plain") (result i32) (i32.const 7))
  (func (export "spin") (loop $l (br $l))))"#;

/// What an export answers if the host function returns this.
fn answer(host: i32) -> i32 {
    host + 40 * 41 / 2
}

/// What drops count: each is of a host function, or of something that it had.
#[derive(Clone, Default)]
struct Drops(Arc<AtomicU32>);

impl Drops {
    fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Drops {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

type Boxed<'a> = Box<dyn Future<Output = Result<i32>> + Send + 'a>;

/// A store whose guest has this host function.
struct World {
    store: Store<()>,
    instance: Instance,
    tag: Tag,
}

impl World {
    fn new(config: &Config, host: impl for<'a> Fn(Caller<'a, ()>, ()) -> Boxed<'a> + Send + Sync + 'static) -> World {
        World::with(config, |linker| {
            linker.func_wrap_async("h", "h", host).unwrap();
        })
    }

    fn with(config: &Config, define: impl FnOnce(&mut Linker<()>)) -> World {
        let engine = Engine::new(config).unwrap();
        let module = Module::new(&engine, wat::parse_str(GUEST).unwrap()).unwrap();
        let mut store = Store::new(&engine, ());
        let ty = TagType::new(FuncType::new(&engine, [ValType::I32], []).unwrap());
        let tag = Tag::new(&mut store, ty).unwrap();
        let mut linker = Linker::new(&engine);
        define(&mut linker);
        linker.define("h", "tag", tag).unwrap();
        let instance = linker.instantiate(&mut store, &module).unwrap();
        World { store, instance, tag }
    }

    fn func(&mut self, name: &str) -> TypedFunc<(), i32> {
        self.instance.get_typed_func(&mut self.store, name).unwrap()
    }

    /// The store works.
    fn check(&mut self) {
        self.store.gc().unwrap();
        let plain = self.func("plain");
        assert_eq!(plain.call(&mut self.store, ()).unwrap(), 7);
        assert_eq!(run(plain.call_async(&mut self.store, ())).0.unwrap(), 7);
    }
}

/// A waker that wakes the thread that made it.
struct Thread(std::thread::Thread);

impl Wake for Thread {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Polls until it is ready, and only when it is woken.
fn block_on<R>(future: impl Future<Output = R>) -> R {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Thread(std::thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(result) => return result,
            Poll::Pending => std::thread::park(),
        }
    }
}

fn kind<R>(result: Result<R>) -> TrapKind {
    result.err().and_then(|error| error.trap().map(Trap::kind)).expect("a trap")
}

#[test]
fn a_deadline_a_token_and_an_interrupt_end_a_wait_that_nothing_else_ends() {
    for (name, config) in common::modes() {
        let (drops, begun) = (Drops::default(), Arc::new(AtomicU32::new(0)));
        let (dropped, begins) = (drops.clone(), begun.clone());
        let mut world = World::new(&config, move |_, ()| {
            let drops = drops.clone();
            begins.fetch_add(1, Ordering::Relaxed);
            Box::new(async move {
                let _drops = drops;
                std::future::pending().await
            })
        });
        let run = world.func("run");
        // Who ends the wait waits for its beginning.
        let wait_for = |number: u32| {
            let begun = begun.clone();
            move || {
                while begun.load(Ordering::Relaxed) < number {
                    std::thread::yield_now();
                }
            }
        };
        world.store.set_deadline(Duration::from_millis(3));
        assert_eq!(kind(block_on(run.call_async(&mut world.store, ()))), TrapKind::DeadlineExceeded, "{name}");
        let token = world.store.interrupt_token();
        let wait = wait_for(begun.load(Ordering::Relaxed) + 1);
        let thread = std::thread::spawn(move || {
            wait();
            token.interrupt();
        });
        assert_eq!(kind(block_on(run.call_async(&mut world.store, ()))), TrapKind::Interrupted, "{name}");
        thread.join().unwrap();
        let handle = world.store.interrupt_handle();
        let wait = wait_for(begun.load(Ordering::Relaxed) + 1);
        let thread = std::thread::spawn(move || {
            wait();
            handle.interrupt();
        });
        assert_eq!(kind(block_on(run.call_async(&mut world.store, ()))), TrapKind::Interrupted, "{name}");
        thread.join().unwrap();
        let begun = begun.load(Ordering::Relaxed);
        assert_eq!(dropped.count(), begun, "{name}: the host's futures are dropped");
        assert!(begun >= 2, "{name}: {begun} waits");
        world.check();
    }
}

/// The deadline of an inner call ends that call and no other, and what it says is the host function's to decide.
#[test]
fn a_deadline_of_an_inner_call_ends_that_call() {
    for (name, config) in common::modes() {
        let depth = Arc::new(AtomicU32::new(0));
        let mut world = World::new(&config, move |mut caller, ()| {
            let depth = depth.clone();
            Box::new(async move {
                if depth.fetch_add(1, Ordering::Relaxed) % 2 == 1 {
                    return std::future::pending().await;
                }
                let run = caller.get_export("run").and_then(Extern::into_func).unwrap();
                caller.set_deadline(Duration::from_millis(3));
                let ended = run.call_async(&mut caller, &[], &mut [Val::I32(0)]).await;
                Ok((kind(ended) == TrapKind::DeadlineExceeded) as i32)
            })
        });
        let run = world.func("run");
        assert_eq!(block_on(run.call_async(&mut world.store, ())).unwrap(), answer(1), "{name}");
        world.check();
    }
}

#[test]
fn what_an_async_host_function_ends_with_unwinds_the_guest() {
    for (name, config) in common::modes() {
        let end = Arc::new(AtomicU32::new(0));
        let (chosen, tag) = (end.clone(), Arc::new(std::sync::OnceLock::new()));
        let tag_of_host = tag.clone();
        let mut world = World::new(&config, move |mut caller, ()| {
            let (end, tag) = (end.load(Ordering::Relaxed), tag_of_host.clone());
            Box::new(async move {
                Pending(1).await;
                let value = Val::I32(99);
                match end {
                    0 => Err(Exception::new(&mut caller, *tag.get().unwrap(), &[value])?.into()),
                    1 => Err(Trap::new(TrapKind::IntegerOverflow).into()),
                    2 => Err(Error::msg("an error of the host")),
                    3 => panic!("a panic of the host"),
                    _ => Ok(5),
                }
            })
        });
        tag.set(world.tag).unwrap();
        let (run_it, catch) = (world.func("run"), world.func("catch"));
        for choice in [0, 1, 2, 3, 4, 0, 3, 4] {
            chosen.store(choice, Ordering::Relaxed);
            for func in [run_it, catch] {
                let mut call = Box::pin(func.call_async(&mut world.store, ()));
                assert!(poll_once(call.as_mut()).is_pending(), "{name}");
                let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| poll_once(call.as_mut())));
                drop(call);
                match (choice, polled) {
                    (0, Ok(Poll::Ready(Ok(value)))) => assert_eq!(value, 99, "{name}: caught"),
                    (0, Ok(Poll::Ready(Err(error)))) => {
                        let payload = error.exception().unwrap().payload(&mut world.store).unwrap();
                        assert!(matches!(payload[..], [Val::I32(99)]), "{name}: {payload:?}");
                    }
                    (1, Ok(Poll::Ready(ended))) => assert_eq!(kind(ended), TrapKind::IntegerOverflow, "{name}"),
                    (2, Ok(Poll::Ready(ended))) => {
                        assert!(ended.unwrap_err().to_string().contains("an error of the host"), "{name}");
                    }
                    (3, Err(panic)) => {
                        assert_eq!(panic.downcast_ref::<&str>(), Some(&"a panic of the host"), "{name}");
                    }
                    (4, Ok(Poll::Ready(ended))) => assert_eq!(ended.unwrap(), answer(5), "{name}"),
                    (choice, polled) => panic!("{name}: {choice} ended as {polled:?}"),
                }
                world.check();
            }
        }
    }
}

/// How a host function treats the future of an inner call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Treats {
    Drops,
    Forgets,
}

/// An inner call that is pending is dropped or forgotten by an async and by a sync host function, which then return to
/// the outer guest, whose frames and registers are as they were.
#[test]
fn a_host_function_may_drop_or_forget_an_inner_call() {
    for (name, config) in common::modes() {
        for treats in [Treats::Drops, Treats::Forgets] {
            for is_async in [true, false] {
                let case = format!("{name}, async: {is_async}, {treats:?}");
                let mut world = World::with(&config, |linker| {
                    let begin = move |caller: &mut Caller<'_, ()>| {
                        let inner = caller.get_export("inner").and_then(Extern::into_func);
                        let inner = inner.or_else(|| caller.get_export("run").and_then(Extern::into_func)).unwrap();
                        let mut results = [Val::I32(0)];
                        let mut call = Box::pin(inner.call_async(&mut *caller, &[], &mut results));
                        assert!(poll_once(call.as_mut()).is_pending());
                        match treats {
                            Treats::Drops => drop(call),
                            Treats::Forgets => std::mem::forget(call),
                        }
                    };
                    let depth = AtomicU32::new(0);
                    if is_async {
                        let defined = linker.func_wrap_async("h", "h", move |mut caller: Caller<'_, ()>, ()| {
                            let level = depth.fetch_add(1, Ordering::Relaxed) % 4;
                            Box::new(async move {
                                if level == 3 {
                                    return std::future::pending().await;
                                }
                                if level > 0 {
                                    Pending(1).await;
                                }
                                begin(&mut caller);
                                caller.gc().unwrap();
                                Pending(1).await;
                                begin_again(&mut caller);
                                3
                            })
                        });
                        defined.unwrap();
                    } else {
                        let defined = linker.func_wrap_async("h", "h", move |_: Caller<'_, ()>, ()| {
                            let _ = &depth;
                            Box::new(std::future::pending::<i32>())
                        });
                        defined.unwrap();
                    }
                });
                if is_async {
                    let run_it = world.func("run");
                    for _ in 0..3 {
                        let (result, _) = run(run_it.call_async(&mut world.store, ()));
                        assert_eq!(result.unwrap(), answer(3), "{case}");
                        world.check();
                    }
                } else {
                    below_a_sync_host_function(&mut world, treats, &case);
                }
            }
        }
    }
}

/// Runs what there is after an inner call was given up.
fn begin_again(caller: &mut Caller<'_, ()>) {
    let plain = caller.get_export("plain").and_then(Extern::into_func).unwrap();
    plain.call(&mut *caller, &[], &mut [Val::I32(0)]).unwrap();
    let mut results = [Val::I32(0)];
    run(plain.call_async(&mut *caller, &[], &mut results)).0.unwrap();
    assert!(matches!(results, [Val::I32(7)]));
}

/// A guest calls a sync host function, which polls a call of the waiting guest once.
fn below_a_sync_host_function(world: &mut World, treats: Treats, case: &str) {
    let waiting = world.func("run");
    let host = Func::wrap(&mut world.store, move |mut caller: Caller<'_, ()>| -> i32 {
        for _ in 0..3 {
            let mut call = Box::pin(waiting.call_async(&mut caller, ()));
            assert!(poll_once(call.as_mut()).is_pending());
            match treats {
                Treats::Drops => drop(call),
                Treats::Forgets => std::mem::forget(call),
            }
        }
        caller.gc().unwrap();
        3
    });
    let engine = world.store.engine().clone();
    let module = Module::new(&engine, wat::parse_str(GUEST).unwrap()).unwrap();
    let imports = [host.into(), world.tag.into()];
    let outer = Instance::new(&mut world.store, &module, &imports).unwrap();
    let outer = outer.get_typed_func::<(), i32>(&mut world.store, "catch").unwrap();
    for _ in 0..3 {
        assert_eq!(outer.call(&mut world.store, ()).unwrap(), answer(3), "{case}");
        assert_eq!(run(outer.call_async(&mut world.store, ())).0.unwrap(), answer(3), "{case}");
        world.check();
    }
}

/// Begins two calls that wait, one for the host and one for its next portion of fuel, and forgets them.
fn forget_calls(world: &mut World, run_it: &TypedFunc<(), i32>, spin: &Func, name: &str) {
    let mut call = Box::pin(run_it.call_async(&mut world.store, ()));
    assert!(poll_once(call.as_mut()).is_pending(), "{name}");
    std::mem::forget(call);
    world.store.fuel_async_yield_interval(Some(100)).unwrap();
    let mut call = Box::pin(spin.call_async(&mut world.store, &[], &mut []));
    assert!(poll_once(call.as_mut()).is_pending(), "{name}");
    std::mem::forget(call);
    world.store.fuel_async_yield_interval(None).unwrap();
}

/// Nobody will resume a guest whose future is forgotten; its frames stay, and the store goes on above them.
#[test]
fn a_store_outlives_a_future_that_is_forgotten() {
    for (name, config) in common::modes() {
        let mut config = config.clone();
        config.consume_fuel(true);
        let mut world = World::new(&config, |mut caller, ()| {
            Box::new(async move {
                caller.gc()?;
                Pending(2).await;
                Ok(5)
            })
        });
        world.store.set_fuel(u64::MAX).unwrap();
        let (run_it, spin) = (world.func("run"), world.instance.get_func(&mut world.store, "spin").unwrap());
        for _ in 0..3 {
            forget_calls(&mut world, &run_it, &spin, name);
            assert_eq!(run(run_it.call_async(&mut world.store, ())).0.unwrap(), answer(5), "{name}");
            world.check();
        }
        drop(world);
    }
}

/// A guest that was called by `call` cannot wait, nor one that it calls by `call` in turn; the error says what can.
#[test]
fn a_guest_that_was_called_by_call_cannot_wait() {
    for (name, config) in common::modes() {
        let drops = Drops::default();
        let seen = drops.clone();
        let mut world = World::new(&config, move |_, ()| {
            let drops = drops.clone();
            Box::new(async move {
                let _drops = drops;
                Pending(1).await;
                Ok(5)
            })
        });
        let func = world.func("run");
        let says = "the async host function `h.h` is not ready at once, and a guest that waits for it must have been \
                    called by `call_async`, or made by `instantiate_async`";
        let error = func.call(&mut world.store, ()).unwrap_err();
        assert!(error.to_string().contains(says), "{name}: {error}");
        assert!(error.backtrace().is_some_and(|backtrace| backtrace.frames().len() > 30), "{name}");
        // Below a sync host function, whose own guest could wait.
        let host = Func::wrap(&mut world.store, move |mut caller: Caller<'_, ()>| func.call(&mut caller, ()));
        let module = Module::new(world.store.engine(), wat::parse_str(GUEST).unwrap()).unwrap();
        let imports = [host.into(), world.tag.into()];
        let outer = Instance::new(&mut world.store, &module, &imports).unwrap();
        let outer = outer.get_typed_func::<(), i32>(&mut world.store, "run").unwrap();
        let error = run(outer.call_async(&mut world.store, ())).0.unwrap_err();
        assert!(error.to_string().contains(says), "{name}: {error}");
        assert_eq!(seen.count(), 2, "{name}: the host's futures are dropped");
        world.check();
    }
}

/// A start function waits; it may be dropped meanwhile, and its terms end with it.
#[test]
fn a_start_function_waits() {
    let text = r#"(module (import "h" "h" (func $h (result i32))) (global $g (export "g") (mut i32) (i32.const 0))
        (func $start (global.set $g (call $h))) (start $start))"#;
    for (name, config) in common::modes() {
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
        let mut linker: Linker<()> = Linker::new(&engine);
        let defined = linker.func_wrap_async("h", "h", |_: Caller<'_, ()>, ()| {
            Box::new(async {
                Pending(2).await;
                11
            })
        });
        defined.unwrap();
        let pre = linker.instantiate_pre(&module).unwrap();
        let mut store = Store::new(&engine, ());
        for polls in 0..3 {
            store.set_deadline(Duration::from_secs(3600));
            assert!(run_until(linker.instantiate_async(&mut store, &module), polls).is_none(), "{name}");
            assert_eq!(store.contents()[..6], [0; 6], "{name}: nothing is left of what was dropped");
        }
        let _ = store.interrupt_token();
        let (instance, pending) = run(pre.instantiate_async(&mut store));
        let instance = instance.unwrap();
        assert_eq!(pending, 2, "{name}");
        let Some(Extern::Global(global)) = instance.get_export(&mut store, "g") else { panic!("it is exported") };
        assert!(matches!(global.get(&mut store), Val::I32(11)), "{name}");
        let error = linker.instantiate(&mut store, &module).unwrap_err();
        assert!(error.to_string().contains("instantiate_async"), "{name}: {error}");
        store.gc().unwrap();
    }
}

/// Of a start function that panics, or is given up, nothing is left; but for what somebody reaches, which goes on to
/// work.
#[test]
fn what_a_start_function_leaves_that_does_not_end() {
    let closed = r#"(module (import "h" "h" (func $h)) (memory 1) (table 3 funcref) (tag) (start $h))"#;
    let seen = r#"(module (import "h" "h" (func $h)) (import "h" "t" (table 1 funcref)) (memory 1)
        (func $size (result i32) (memory.size)) (elem declare func $size)
        (func $start (table.set (i32.const 0) (ref.func $size)) (call $h)) (start $start))"#;
    for (name, config) in common::modes() {
        let engine = Engine::new(&config).unwrap();
        for does_panic in [false, true] {
            let mut store = Store::new(&engine, ());
            let ty = TableType::new(RefType::FUNCREF, 1, None);
            let table = Table::new(&mut store, ty, Val::FuncRef(None)).unwrap();
            let mut linker: Linker<()> = Linker::new(&engine);
            linker.define("h", "t", table).unwrap();
            let defined = linker.func_wrap_async("h", "h", move |_: Caller<'_, ()>, ()| {
                Box::new(async move {
                    Pending(1).await;
                    assert!(!does_panic, "in a start function");
                    Pending(1).await;
                })
            });
            defined.unwrap();
            let before = store.contents();
            for (text, is_left) in [(closed, false), (seen, true)] {
                let module = Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
                let ended = catch_unwind(AssertUnwindSafe(|| {
                    run_until(linker.instantiate_async(&mut store, &module), 2).is_none()
                }));
                assert_eq!(ended.ok(), (!does_panic).then_some(true), "{name}");
                assert_eq!(store.contents()[..6] != before[..6], is_left, "{name}, {does_panic}");
            }
            let Some(Val::FuncRef(Some(size))) = table.get(&mut store, 0) else { panic!("it was set") };
            assert_eq!(run(size.typed::<(), i32>(&store).unwrap().call_async(&mut store, ())).0.unwrap(), 1);
            store.gc().unwrap();
        }
    }
}

/// A guest that runs for long lets others run, by its time, and ends by a deadline.
#[test]
fn a_guest_lets_others_run_and_ends() {
    for (name, config) in common::modes() {
        let mut world = World::new(&config, |_, ()| Box::new(async { Ok(5) }));
        world.store.time_async_yield_interval(Some(Duration::from_micros(200))).unwrap();
        let spin = world.instance.get_func(&mut world.store, "spin").unwrap();
        let token = world.store.interrupt_token();
        let mut pending = 0;
        let ended = {
            let mut call = pin!(spin.call_async(&mut world.store, &[], &mut []));
            loop {
                match poll_once(call.as_mut()) {
                    Poll::Ready(ended) => break ended,
                    Poll::Pending => pending += 1,
                }
                if pending == 5 {
                    token.interrupt();
                }
            }
        };
        assert_eq!((kind(ended), pending), (TrapKind::Interrupted, 5), "{name}");
        // One that was called by `call` does not, and ends by its deadline all the same.
        world.store.set_deadline(Duration::from_millis(3));
        assert_eq!(kind(spin.call(&mut world.store, &[], &mut [])), TrapKind::DeadlineExceeded, "{name}");
        world.check();
        let error = world.store.time_async_yield_interval(Some(Duration::ZERO)).unwrap_err();
        assert!(error.to_string().contains("must run in between"), "{error}");
    }
}

/// Fuel in portions is the same fuel: it is used up at the same place, and what is left is the same.
#[test]
fn fuel_in_portions_is_the_same_fuel() {
    let mut config = Config::new();
    let mut world = World::new(config.consume_fuel(true), |_, ()| Box::new(async { Ok(5) }));
    let run_it = world.func("run");
    let spin = world.instance.get_func(&mut world.store, "spin").unwrap();
    world.store.set_fuel(10_000).unwrap();
    run_it.call(&mut world.store, ()).unwrap();
    let left = world.store.get_fuel().unwrap();
    for portion in [1, 2, 3, 7, 100, 9_999, 10_000, 10_001, u64::MAX] {
        world.store.set_fuel(10_000).unwrap();
        world.store.fuel_async_yield_interval(Some(portion)).unwrap();
        assert_eq!(world.store.get_fuel().unwrap(), 10_000);
        let (result, pending) = run(run_it.call_async(&mut world.store, ()));
        assert_eq!(result.unwrap(), answer(5));
        assert_eq!((world.store.get_fuel().unwrap(), pending > 0), (left, portion <= 100), "portions of {portion}");
        run_it.call(&mut world.store, ()).unwrap();
        assert_eq!(world.store.get_fuel().unwrap(), 2 * left - 10_000, "portions of {portion}, at once");
        let (ended, pending) = run(spin.call_async(&mut world.store, &[], &mut []));
        assert_eq!((kind(ended), pending > 0), (TrapKind::OutOfFuel, portion < 10_000), "portions of {portion}");
        assert_eq!(world.store.get_fuel().unwrap(), 0);
    }
    let error = world.store.fuel_async_yield_interval(Some(0)).unwrap_err();
    assert!(error.to_string().contains("must use some fuel in between"), "{error}");
}

/// The futures go to other threads if data and results do.
#[test]
fn futures_are_send() {
    fn is_send(_: &impl Send) {}
    let mut world = World::new(&Config::new(), |_, ()| Box::new(async { Ok(5) }));
    let (typed, func) = (world.func("run"), world.instance.get_func(&mut world.store, "run").unwrap());
    is_send(&typed.call_async(&mut world.store, ()));
    is_send(&func.call_async(&mut world.store, &[], &mut [Val::I32(0)]));
    let module = world.instance.module(&world.store);
    let linker: Linker<()> = Linker::new(world.store.engine());
    is_send(&linker.instantiate_async(&mut world.store, &module));
    is_send(&Instance::new_async(&mut world.store, &module, &[]));
    let mut call = Box::pin(typed.call_async(&mut world.store, ()));
    std::thread::scope(|scope| {
        scope.spawn(|| assert!(matches!(poll_once(call.as_mut()), Poll::Ready(Ok(n)) if n == answer(5))));
    });
}

/// A checkpoint and a rollback find no guest, whatever futures were forgotten; the store is as it would be without.
#[test]
fn checkpoints_give_up_guests_whose_futures_are_forgotten() {
    for (name, config) in common::modes() {
        let mut config = config.clone();
        config.consume_fuel(true);
        let mut world = World::new(&config, |_, ()| {
            Box::new(async move {
                Pending(2).await;
                Ok(5)
            })
        });
        world.store.set_fuel(u64::MAX).unwrap();
        let (run_it, spin) = (world.func("run"), world.instance.get_func(&mut world.store, "spin").unwrap());
        let forget = |world: &mut World| {
            world.store.set_deadline(std::time::Duration::from_secs(3600));
            forget_calls(world, &run_it, &spin, name);
        };
        let idle = |world: &mut World| {
            let frames = std::sync::Arc::new(AtomicU32::new(u32::MAX));
            let told = frames.clone();
            let count = move |idle: &mut Inspection<'_>| {
                told.store(idle.backtrace(100).frames().len() as u32, Ordering::Relaxed);
            };
            world.store.inspector().ask(count).unwrap();
            world.store.answer_requests();
            assert_eq!(frames.load(Ordering::Relaxed), 0, "{name}: nothing is left of a guest");
            assert_eq!(run(run_it.call_async(&mut world.store, ())).0.unwrap(), answer(5), "{name}");
            world.check();
        };
        forget(&mut world);
        let checkpoint = world.store.checkpoint().unwrap();
        idle(&mut world);
        for _ in 0..3 {
            forget(&mut world);
            world.store.rollback(&checkpoint).unwrap();
            idle(&mut world);
        }
        let mut fork = checkpoint.fork(()).unwrap();
        fork.gc().unwrap();
    }
}
