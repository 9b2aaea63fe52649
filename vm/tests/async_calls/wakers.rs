//! Who is told: the waker of the last poll, the listener of host calls, and whoever drops a call whose host function
//! panics then.

use super::tasks::{Pending, poll_once, run};
use crate::common;
use heapwood_vm::*;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// `run` calls the host function; `nested` calls one that calls `spin` again, which loops so many times.
const GUEST: &str = r#"(module
  (import "h" "wait" (func $wait (result i32)))
  (import "h" "spin" (func $host_spin))
  (func (export "run") (result i32) (call $wait))
  (func (export "spin") (param $n i32)
    (loop $more (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
  (func (export "nested") (result i32) (call $host_spin) (i32.const 7)))"#;

type Boxed<'a> = Box<dyn Future<Output = Result<i32>> + Send + 'a>;

fn start(
    config: &Config,
    wait: impl for<'a> Fn(Caller<'a, ()>, ()) -> Boxed<'a> + Send + Sync + 'static,
) -> (Store<()>, Instance) {
    let engine = Engine::new(config).unwrap();
    let module = Module::new(&engine, wat::parse_str(GUEST).unwrap()).unwrap();
    let mut linker = Linker::new(&engine);
    linker.func_wrap_async("h", "wait", wait).unwrap();
    let spin = |mut caller: Caller<'_, ()>| -> Result<()> {
        let spin = caller.get_export("spin").and_then(Extern::into_func).unwrap();
        spin.call(&mut caller, &[Val::I32(3_000_000)], &mut [])
    };
    linker.func_wrap("h", "spin", spin).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &module).unwrap();
    (store, instance)
}

/// Counts how often it was woken.
struct Woken(AtomicU32);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn who_polled_last_is_woken() {
    for (name, config) in common::modes() {
        let (mut store, instance) = start(&config, |_, ()| Box::new(std::future::pending()));
        let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
        let token = store.interrupt_token();
        let [first, second] = [(); 2].map(|()| Arc::new(Woken(AtomicU32::new(0))));
        {
            let mut call = Box::pin(run.call_async(&mut store, ()));
            for waker in [&first, &second] {
                let waker = Waker::from(waker.clone());
                assert!(call.as_mut().poll(&mut Context::from_waker(&waker)).is_pending(), "{name}");
            }
            token.interrupt();
            let counts = [&first, &second].map(|woken| woken.0.load(Ordering::SeqCst));
            assert_eq!((counts[0], counts[1] > 0), (0, true), "{name}: {counts:?}");
            let Poll::Ready(Err(error)) = poll_once(call.as_mut()) else { panic!("{name}: the token ends it") };
            assert_eq!(error.trap().map(Trap::kind), Some(TrapKind::Interrupted), "{name}");
        }
    }
}

#[test]
fn a_wait_that_is_ended_is_a_call_that_is_told() {
    let (mut store, instance) = start(&Config::new(), |_, ()| Box::new(std::future::pending()));
    let told = Arc::new(AtomicU32::new(0));
    let tells = told.clone();
    store.on_host_call(move |call| {
        assert!(call.name == Some("h.wait") && call.end >= call.start);
        tells.fetch_add(1, Ordering::SeqCst);
    });
    let wait = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
    for calls in 1..=3 {
        store.set_deadline(Duration::from_millis(2));
        let error = run(wait.call_async(&mut store, ())).0.unwrap_err();
        assert_eq!(error.trap().map(Trap::kind), Some(TrapKind::DeadlineExceeded));
        assert_eq!(told.load(Ordering::SeqCst), calls);
    }
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

#[test]
fn a_panic_while_a_waiting_call_is_dropped_comes_out() {
    let (mut store, instance) = start(&Config::new(), |_, ()| {
        Box::new(async {
            let _bomb = Bomb;
            std::future::pending().await
        })
    });
    let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
    for _ in 0..3 {
        let mut call = Box::pin(run.call_async(&mut store, ()));
        assert!(poll_once(call.as_mut()).is_pending());
        let panic = catch_unwind(AssertUnwindSafe(|| drop(call))).unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"dropped"));
        store.gc().unwrap();
    }
}

/// A guest below a host function that was not called as one that waits cannot be left: it goes on, and has its time
/// again.
#[test]
fn a_guest_that_cannot_let_others_run_goes_on() {
    for (name, config) in common::modes() {
        let (mut store, instance) = start(&config, |_, ()| {
            Box::new(async {
                Pending(1).await;
                Ok(1)
            })
        });
        store.time_async_yield_interval(Some(Duration::from_micros(50))).unwrap();
        let nested = instance.get_typed_func::<(), i32>(&mut store, "nested").unwrap();
        assert_eq!(run(nested.call_async(&mut store, ())).0.unwrap(), 7, "{name}");
    }
}

/// A thread with too little stack can neither begin a call nor go on with one: the call ends, the store works.
#[test]
fn a_thread_with_little_stack_ends_a_call() {
    let (mut store, instance) = start(&Config::new(), |_, ()| {
        Box::new(async {
            Pending(1).await;
            Ok(5)
        })
    });
    let wait = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
    for has_begun in [false, true] {
        {
            let mut call = Box::pin(wait.call_async(&mut store, ()));
            if has_begun {
                assert!(poll_once(call.as_mut()).is_pending());
            }
            let polled = std::thread::scope(|scope| {
                let small = std::thread::Builder::new().stack_size(40 << 10);
                small.spawn_scoped(scope, || poll_once(call.as_mut())).unwrap().join().unwrap()
            });
            let Poll::Ready(Err(error)) = polled else { panic!("begun: {has_begun}") };
            assert_eq!(error.trap().map(Trap::kind), Some(TrapKind::StackExhausted), "begun: {has_begun}: {error}");
        }
        assert_eq!(run(wait.call_async(&mut store, ())).0.unwrap(), 5);
    }
}
