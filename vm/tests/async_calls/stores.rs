//! Stores that wait for timers at once, on several threads; half of them are cancelled. Nothing of them is left.

use crate::common::child::in_child;
use heapwood_vm::*;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::task::Poll;
use std::time::Duration;

const STORES: usize = 1000;
const THREADS: usize = 4;
/// Less than what a store reserves.
const SLACK_BYTES: u64 = 1 << 30;

/// The guest keeps an externref and objects in its frames, calls the host, which calls the guest again, and waits below
/// both.
const GUEST: &str = r#"(module
  (type $box (struct (field i32) (field externref)))
  (import "h" "outer" (func $outer (param externref i32) (result i32)))
  (import "h" "inner" (func $inner (param i32) (result i32)))
  (import "h" "value" (func $value (result externref)))
  (memory (export "memory") 1)
  (func (export "run") (param $n i32) (result i32) (local $o (ref null $box)) (local $i i32)
    (local.set $o (struct.new $box (local.get $n) (call $value)))
    (i32.store (i32.const 8) (local.get $n))
    (loop $l
      (local.set $i (i32.add (local.get $i) (call $outer (struct.get $box 1 (local.get $o)) (local.get $n))))
      (drop (struct.new $box (local.get $i) (call $value)))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $l (local.get $n)))
    (i32.add (i32.add (local.get $i) (struct.get $box 0 (local.get $o))) (i32.load (i32.const 8))))
  (func (export "middle") (param $n i32) (result i32) (local $o (ref null $box))
    (local.set $o (struct.new $box (local.get $n) (call $value)))
    (i32.add (call $inner (local.get $n)) (struct.get $box 0 (local.get $o)))))"#;

/// What `run` answers.
fn answer(n: i32) -> i32 {
    (1..=n).map(|k| 3 * k + 1).sum::<i32>() + 2 * n
}

/// What all stores of a round count.
#[derive(Default)]
struct Counts {
    /// Things of stores that live: data, host values, locals of host functions.
    living: AtomicU32,
    waiting: AtomicU32,
    most_waiting: AtomicU32,
    /// How many stores have to wait at once before any goes on.
    wanted: AtomicU32,
    /// Waits after which the guest went on on another thread.
    moved: AtomicU32,
}

/// One thing of a store that lives.
struct Alive {
    counts: Arc<Counts>,
    /// How many things of this store live.
    own: Arc<AtomicU32>,
}

impl Alive {
    /// The first one of a store.
    fn first(counts: &Arc<Counts>) -> Alive {
        Alive::of(counts, &Arc::default())
    }

    /// One more of the same store.
    fn another(&self) -> Alive {
        Alive::of(&self.counts, &self.own)
    }

    fn of(counts: &Arc<Counts>, own: &Arc<AtomicU32>) -> Alive {
        counts.living.fetch_add(1, SeqCst);
        own.fetch_add(1, SeqCst);
        Alive { counts: counts.clone(), own: own.clone() }
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.counts.living.fetch_sub(1, SeqCst);
        self.own.fetch_sub(1, SeqCst);
    }
}

struct Data {
    alive: Alive,
    number: u64,
}

/// One store more waits.
struct Waiting(Alive);

impl Waiting {
    fn new(store: &Alive) -> Waiting {
        let waiting = store.counts.waiting.fetch_add(1, SeqCst) + 1;
        store.counts.most_waiting.fetch_max(waiting, SeqCst);
        Waiting(store.another())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.counts.waiting.fetch_sub(1, SeqCst);
    }
}

fn linker(engine: &Engine) -> Linker<Data> {
    let mut linker = Linker::new(engine);
    let value = |mut caller: Caller<'_, Data>| -> Result<Option<Rooted<ExternRef>>> {
        let value = caller.data().alive.another();
        ExternRef::new(&mut caller, value).map(Some)
    };
    linker.func_wrap("h", "value", value).unwrap();
    let defined = linker.func_wrap_async("h", "outer", |mut caller: Caller<'_, Data>, (value, n): Outer| {
        Box::new(async move {
            let _local = caller.data().alive.another();
            let middle = caller.get_export("middle").and_then(Extern::into_func).expect("it is exported");
            let middle = middle.typed::<i32, i32>(&caller)?;
            let result = middle.call_async(&mut caller, n).await?;
            // The handle has outlived the wait and its collections.
            let value = value.expect("the guest has one").data(&caller)?;
            assert!(value.is_some_and(|value| value.is::<Alive>()));
            Result::Ok(result + 1)
        })
    });
    defined.unwrap();
    let defined = linker.func_wrap_async("h", "inner", |mut caller: Caller<'_, Data>, (n,): (i32,)| {
        Box::new(async move {
            let counts = caller.data().alive.counts.clone();
            let wanted = counts.wanted.load(SeqCst);
            let thread = std::thread::current().id();
            let waiting = Waiting::new(&caller.data().alive);
            while counts.most_waiting.load(SeqCst) < wanted {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            let (number, n_here) = (caller.data().number, n as u64);
            tokio::time::sleep(Duration::from_millis(1 + (number * 7 + n_here * 13) % 20)).await;
            drop(waiting);
            if std::thread::current().id() != thread {
                counts.moved.fetch_add(1, SeqCst);
            }
            if n % 3 == 0 {
                caller.gc()?;
            }
            Result::Ok(2 * n)
        })
    });
    defined.unwrap();
    linker
}

type Outer = (Option<Rooted<ExternRef>>, i32);

/// How a store's call ends before it is ready.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Cancelled {
    /// Its task is aborted, with the store.
    Task,
    /// The future is dropped; the store goes on.
    Call,
}

/// Ready with nothing when the flag is set, else with what the future is ready with.
async fn unless<R>(flag: Arc<AtomicBool>, future: impl Future<Output = R>) -> Option<R> {
    let mut future = pin!(future);
    let mut look = pin!(async {
        while !flag.load(SeqCst) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    std::future::poll_fn(|cx| match (look.as_mut().poll(cx), future.as_mut().poll(cx)) {
        (Poll::Ready(()), _) => Poll::Ready(None),
        (_, polled) => polled.map(Some),
    })
    .await
}

/// A store's life; how its call ended.
async fn live(engine: Engine, pre: InstancePre<Data>, counts: Arc<Counts>, number: u64, flag: Arc<AtomicBool>) -> bool {
    let data = Data { alive: Alive::first(&counts), number };
    let mut store = Store::new(&engine, data);
    let instance = pre.instantiate_async(&mut store).await.unwrap();
    let run = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
    let n = 2 + (number % 4) as i32;
    let ended = unless(flag, run.call_async(&mut store, n)).await;
    if let Some(result) = &ended {
        assert_eq!(*result.as_ref().unwrap(), answer(n));
        return true;
    }
    // Nobody holds what the guest and the host functions had.
    store.gc().unwrap();
    assert_eq!(store.data().alive.own.load(SeqCst), 1, "only the store's data lives");
    assert_eq!(run.call_async(&mut store, 1).await.unwrap(), answer(1));
    store.gc().unwrap();
    assert_eq!(store.data().alive.own.load(SeqCst), 1, "only the store's data lives");
    false
}

/// Bytes of address space of this process.
fn address_space() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').next().unwrap().parse::<u64>().unwrap() * 4096
}

/// So many stores that wait at once, half of them cancelled then.
async fn round(engine: &Engine, module: &Module, stores: usize) -> Arc<Counts> {
    let counts = Arc::new(Counts { wanted: AtomicU32::new(stores as u32), ..Counts::default() });
    let pre = linker(engine).instantiate_pre(module).unwrap();
    let mut tasks = Vec::new();
    for number in 0..stores {
        let flag = Arc::new(AtomicBool::new(false));
        let life = live(engine.clone(), pre.clone(), counts.clone(), number as u64, flag.clone());
        tasks.push((tokio::spawn(life), flag));
    }
    while counts.most_waiting.load(SeqCst) < stores as u32 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let mut cancelled = Vec::new();
    for (number, (task, flag)) in tasks.iter().enumerate() {
        let how = match number % 4 {
            0 => Cancelled::Task,
            1 => Cancelled::Call,
            _ => continue,
        };
        match how {
            Cancelled::Task => task.abort(),
            Cancelled::Call => flag.store(true, SeqCst),
        }
        cancelled.push((number, how));
        if number % 64 == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    let (mut finished, mut went_on, mut aborted) = (0, 0, 0);
    for (task, _) in tasks {
        match task.await {
            Ok(true) => finished += 1,
            Ok(false) => went_on += 1,
            Err(error) if error.is_cancelled() => aborted += 1,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    println!("{stores} stores: {finished} finished, {went_on} went on after a call was dropped, {aborted} aborted");
    assert!(cancelled.len() * 2 == stores && finished >= stores / 2, "{cancelled:?}");
    assert!(went_on > 0 && aborted > 0, "no call was cancelled while it waited");
    counts
}

#[test]
fn a_thousand_stores_wait_at_once_and_nothing_of_them_is_left() {
    in_child("async_calls::stores::a_thousand_stores_wait_at_once_and_nothing_of_them_is_left", || {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_time().build().unwrap();
        let engine = Engine::new(Config::new().gc_nursery(64 << 10).gc_threads(0)).unwrap();
        let module = Module::new(&engine, wat::parse_str(GUEST).unwrap()).unwrap();
        // The pools are full after the first round.
        runtime.block_on(round(&engine, &module, 40));
        let before = address_space();
        let counts = runtime.block_on(round(&engine, &module, STORES));
        let after = address_space();
        let moved = counts.moved.load(SeqCst);
        println!(
            "{moved} waits went on on another thread; {} KiB more address space",
            after.saturating_sub(before) >> 10
        );
        assert_eq!(counts.most_waiting.load(SeqCst), STORES as u32);
        assert_eq!((counts.living.load(SeqCst), counts.waiting.load(SeqCst)), (0, 0), "something lives");
        assert_eq!(Arc::strong_count(&counts), 1, "something holds the counts");
        assert!(moved > 0, "no guest went on on another thread");
        assert!(after < before + SLACK_BYTES, "{before} bytes of address space before, {after} after");
    });
}
