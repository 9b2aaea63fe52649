//! A server whose every client has a guest of its own: a thousand guests wait at once on a few threads of tokio.
//!
//! A guest is written as if it blocked: it reads a request, works, asks a slow service, answers, reads the next one.
//! The host functions that it calls are futures. While one of them waits, the guest is no more than its stack and its
//! store, and the thread serves others; the thread that goes on with it need not be the same. Nobody computes for long
//! without letting others run, and who takes too long is stopped while it waits.

use heapwood::{Caller, Config, Engine, InstancePre, Linker, Module, Result, Store, TrapKind};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

/// Serves requests until there are none: the answer is the sum of a list of what the service says about each number.
const GUEST: &str = r#"(module
    (type $list (struct (field i32) (field (ref null $list))))
    (import "server" "read" (func $read (result i32)))
    (import "server" "ask" (func $ask (param i32) (result i32)))
    (import "server" "answer" (func $answer (param i32)))
    (func $collect (param $n i32) (result (ref null $list))
      (if (result (ref null $list)) (local.get $n)
        (then (struct.new $list (call $ask (local.get $n)) (call $collect (i32.sub (local.get $n) (i32.const 1)))))
        (else (ref.null $list))))
    (func $sum (param $of (ref null $list)) (result i32) (local $sum i32)
      (block $done
        (loop $next
          (br_if $done (ref.is_null (local.get $of)))
          (local.set $sum (i32.add (local.get $sum) (struct.get $list 0 (local.get $of))))
          (local.set $of (struct.get $list 1 (local.get $of)))
          (br $next)))
      (local.get $sum))
    (func (export "serve") (local $request i32)
      (loop $again
        (local.set $request (call $read))
        (if (i32.ge_s (local.get $request) (i32.const 0))
          (then
            (call $answer (call $sum (call $collect (local.get $request))))
            (br $again)))))
    (func (export "compute") (param $rounds i32) (result i32) (local $n i32)
      (loop $again
        (local.set $n (i32.add (i32.mul (local.get $n) (i32.const 31)) (local.get $rounds)))
        (br_if $again (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1)))))
      (local.get $n)))"#;

/// Clients, each with a guest.
const CLIENTS: usize = 1000;
/// Of these one in so many never sends what the guest waits for.
const SILENT: usize = 50;

/// What all guests have in common.
#[derive(Default)]
struct Server {
    waiting: AtomicUsize,
    most_waiting: AtomicUsize,
}

/// A client, as its guest's host functions see it.
struct Client {
    server: Arc<Server>,
    is_silent: bool,
    requests: VecDeque<i32>,
    answers: Vec<i32>,
}

/// A guest waits for as long as this lives, also if its call is dropped meanwhile.
struct Waiting(Arc<Server>);

impl Waiting {
    fn new(server: &Arc<Server>) -> Waiting {
        let waiting = server.waiting.fetch_add(1, SeqCst) + 1;
        server.most_waiting.fetch_max(waiting, SeqCst);
        Waiting(server.clone())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, SeqCst);
    }
}

fn linker(engine: &Engine) -> Result<Linker<Client>> {
    let mut linker = Linker::new(engine);
    // A closure that takes the caller and a tuple of parameters, and returns a boxed future.
    linker.func_wrap_async("server", "read", |mut caller: Caller<'_, Client>, ()| {
        Box::new(async move {
            let waiting = Waiting::new(&caller.data().server);
            if caller.data().is_silent {
                return std::future::pending().await;
            }
            // Until everybody is there; a socket would wait here for the client.
            while caller.data().server.most_waiting.load(SeqCst) < CLIENTS {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            drop(waiting);
            caller.data_mut().requests.pop_front().unwrap_or(-1)
        })
    })?;
    linker.func_wrap_async("server", "ask", |_: Caller<'_, Client>, (number,): (i32,)| {
        Box::new(async move {
            tokio::time::sleep(Duration::from_micros(200)).await;
            number * number
        })
    })?;
    // One that does not wait needs no future.
    linker.func_wrap("server", "answer", |mut caller: Caller<'_, Client>, answer: i32| {
        caller.data_mut().answers.push(answer);
    })?;
    Ok(linker)
}

/// Serves one client; its answers, or none if its guest was stopped.
async fn serve(engine: Engine, pre: InstancePre<Client>, client: Client) -> Result<Option<Vec<i32>>> {
    let is_silent = client.is_silent;
    let mut store = Store::new(&engine, client);
    let instance = pre.instantiate_async(&mut store).await?;
    let serve = instance.get_typed_func::<(), ()>(&mut store, "serve")?;
    // The deadline runs while the guest waits, and ends the wait.
    let patience = if is_silent { Duration::from_millis(300) } else { Duration::from_secs(60) };
    store.set_deadline(patience);
    match serve.call_async(&mut store, ()).await {
        Ok(()) => Ok(Some(store.into_data().answers)),
        Err(error) if error.trap().is_some_and(|trap| trap.kind() == TrapKind::DeadlineExceeded) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A guest that computes lets others run every 100,000 units of fuel: how often it did, beside the one other task.
async fn compute(engine: &Engine, pre: &InstancePre<Client>) -> Result<usize> {
    let client = Client { server: Arc::default(), is_silent: false, requests: VecDeque::new(), answers: Vec::new() };
    let mut store = Store::new(engine, client);
    store.set_fuel(u64::MAX)?;
    store.fuel_async_yield_interval(Some(100_000))?;
    let instance = pre.instantiate_async(&mut store).await?;
    let compute = instance.get_typed_func::<i32, i32>(&mut store, "compute")?;
    let mut turns = 0;
    let mut call = std::pin::pin!(compute.call_async(&mut store, 1_000_000));
    std::future::poll_fn(|cx| {
        turns += 1;
        call.as_mut().poll(cx)
    })
    .await?;
    Ok(turns)
}

async fn serve_all() -> Result<String> {
    let engine = Engine::new(Config::new().gc_nursery(64 << 10))?;
    let pre = linker(&engine)?.instantiate_pre(&Module::new(&engine, GUEST)?)?;
    let server: Arc<Server> = Arc::default();
    let mut tasks = Vec::new();
    for number in 0..CLIENTS {
        let requests = VecDeque::from([1 + number as i32 % 4, 3]);
        let is_silent = number % SILENT == SILENT - 1;
        let client = Client { server: server.clone(), is_silent, requests, answers: Vec::new() };
        tasks.push(tokio::spawn(serve(engine.clone(), pre.clone(), client)));
    }
    let (mut served, mut stopped) = (0, 0);
    for (number, task) in tasks.into_iter().enumerate() {
        let n = 1 + number as i32 % 4;
        match task.await.expect("no task panics")? {
            Some(answers) => {
                assert_eq!(answers, [(1..=n).map(|k| k * k).sum(), 14]);
                served += 1;
            }
            None => stopped += 1,
        }
    }
    let most = server.most_waiting.load(SeqCst);
    assert_eq!((most, server.waiting.load(SeqCst), served + stopped), (CLIENTS, 0, CLIENTS));
    let counting = Engine::new(Config::new().consume_fuel(true))?;
    let pre = linker(&counting)?.instantiate_pre(&Module::new(&counting, GUEST)?)?;
    let turns = compute(&counting, &pre).await?;
    Ok(format!("{most} guests waited at once: {served} served, {stopped} stopped; {turns} turns of one that computes"))
}

/// The figures that end the example.
pub fn run() -> Result<String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_time().build();
    runtime.expect("the system gives threads").block_on(serve_all())
}

#[allow(dead_code, reason = "the tests call `run`")]
fn main() -> Result<()> {
    println!("ok async_server {}", run()?);
    Ok(())
}
