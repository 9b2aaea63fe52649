//! The programs of `vm/tests/nesting.rs`, whose host functions wait here: what they do is what the model says, however
//! often they are suspended, by host functions and by fuel; and a store is as good as new when such a call was dropped.

use super::tasks::{Pending, poll_once};
use crate::common;
use crate::nesting::host::{self, Host, Outcome};
use crate::nesting::model::{End, Model};
use crate::nesting::program::{HostStep, Node, Program};
use heapwood_vm::*;
use std::cell::Cell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

/// Seeds that always run, and those whose calls are dropped.
const SEEDS: Range<u64> = 0..48;
const DROPPED_SEEDS: Range<u64> = 48..60;
/// Most places at which a program's call is dropped.
const DROPS_MAX: u32 = 12;

thread_local! {
    /// Sync host functions below which the guest is: there nobody can wait.
    static SYNC: Cell<u32> = const { Cell::new(0) };
}

/// Those, or what the variable says.
fn seeds(default: Range<u64>) -> Range<u64> {
    let Ok(text) = std::env::var("HEAPWOOD_NESTING_SEEDS") else { return default };
    let bounds = text.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    bounds.unwrap_or_else(|| panic!("`{text}` is no range of seeds, such as 0..20000"))
}

type Boxed<'a, R> = Box<dyn Future<Output = R> + Send + 'a>;

/// Waits so often, if the guest can, and an interrupt would not end it: the model has no waits.
fn wait(caller: &Caller<'_, Host>, times: u32) -> Pending {
    let can = SYNC.get() == 0 && !caller.data().is_interrupted;
    Pending(if can { times } else { 0 })
}

async fn enter(store: impl AsContextMut<Data = Host> + Send, instance: Instance, id: usize, seed: i64) -> Result<i64> {
    let mut store = store;
    let (func, params) = host::callee(&mut store, instance, id, seed);
    let mut results = [Val::I64(0)];
    func.call_async(&mut store, &params, &mut results).await?;
    let [Val::I64(result)] = results else { panic!("{results:?}") };
    Ok(result)
}

/// A host function of the program, which waits before and behind each step.
fn serve<'a>(caller: &'a mut Caller<'_, Host>, id: usize, seed: i64) -> Pin<Boxed<'a, Result<i64>>> {
    Box::pin(async move {
        let instance = caller.instance().expect("called by the guest");
        let program = caller.data().program.clone();
        let Node::Host(host) = &program.nodes[id] else { panic!("{id} is a guest function") };
        let mut acc = seed ^ id as i64;
        for (k, step) in host.steps.iter().enumerate() {
            wait(caller, (id + k) as u32 % 3).await;
            match *step {
                HostStep::Enter { child, handle } => {
                    let v = match enter(&mut *caller, instance, child, acc.wrapping_add(child as i64)).await {
                        Ok(v) => v,
                        Err(error) => host::handle_error(caller, instance, handle, error, acc)?,
                    };
                    acc = acc.wrapping_mul(7).wrapping_add(v);
                }
                step => acc = host::plain_step(caller, step, acc)?,
            }
        }
        wait(caller, id as u32 % 2).await;
        host::end(caller, instance, host.end, acc)
    })
}

/// Serves a call as a sync host function, below which nobody can wait.
fn serve_at_once(caller: &mut Caller<'_, Host>, id: usize, seed: i64) -> Result<i64> {
    SYNC.set(SYNC.get() + 1);
    // What it calls by `call` may call async host functions in turn, which are ready at once.
    let served = catch_unwind(AssertUnwindSafe(|| host::serve(caller, id, seed)));
    SYNC.set(SYNC.get() - 1);
    served.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Host functions, of which those with few or those with many parameters may be sync.
fn linker(engine: &Engine, sync: [bool; 2]) -> Linker<Host> {
    let mut linker = Linker::new(engine);
    let [narrow_sync, wide_sync] = sync;
    let defined = if narrow_sync {
        linker.func_wrap("h", "narrow", |mut caller: Caller<'_, Host>, id: i32, seed: i64| {
            serve_at_once(&mut caller, id as usize, seed)
        })
    } else {
        linker.func_wrap_async("h", "narrow", |mut caller: Caller<'_, Host>, (id, seed): (i32, i64)| {
            Box::new(async move { serve(&mut caller, id as usize, seed).await })
        })
    };
    defined.unwrap();
    let ty = host::wide_type(engine);
    let defined = if wide_sync {
        linker.func_new("h", "wide", ty, |mut caller, params, results| {
            let (id, seed) = host::wide_params(params);
            results[0] = Val::I64(serve_at_once(&mut caller, id, seed)?);
            Ok(())
        })
    } else {
        linker.func_new_async("h", "wide", ty, |mut caller, params, results| {
            Box::new(async move {
                let (id, seed) = host::wide_params(params);
                results[0] = Val::I64(serve(&mut caller, id, seed).await?);
                Ok(())
            })
        })
    };
    defined.unwrap();
    linker
}

/// A program in a store, to be called more than once.
struct Machine {
    store: Store<Host>,
    instance: Instance,
    portion: Option<u64>,
}

impl Machine {
    fn new(program: &Arc<Program>, config: &Config, seed: u64, portion: Option<u64>) -> Machine {
        let engine = Engine::new(config.clone().consume_fuel(portion.is_some())).unwrap();
        let module = host::module(&engine, program, seed % 2 == 1);
        let mut store = host::store(&engine, program);
        let linker = linker(&engine, [seed % 5 == 3, seed % 5 == 4]);
        let instance = linker.instantiate(&mut store, &module).unwrap();
        Machine { store, instance, portion }
    }

    /// Calls the program, and drops the call after so many polls; the outcome if it was over by then, and how often it
    /// was pending.
    fn call(&mut self, argument: i64, polls: u32) -> (Option<Outcome>, u32) {
        let Machine { store, instance, portion } = self;
        if portion.is_some() {
            store.set_fuel(u64::MAX).unwrap();
            store.fuel_async_yield_interval(*portion).unwrap();
        }
        self::reset(store, *instance);
        let mut pending = 0;
        let result = {
            let mut call = Box::pin(enter(&mut *store, *instance, 0, argument));
            loop {
                if pending == polls {
                    drop(call);
                    store.interrupt_handle().clear();
                    return (None, pending);
                }
                match catch_unwind(AssertUnwindSafe(|| poll_once(call.as_mut()))) {
                    Ok(Poll::Pending) => pending += 1,
                    Ok(Poll::Ready(result)) => break Ok(result),
                    Err(panic) => break Err(panic),
                }
            }
        };
        (Some(host::outcome(store, *instance, result)), pending)
    }
}

/// The log and the memory are as they were at first.
fn reset(store: &mut Store<Host>, instance: Instance) {
    SYNC.set(0);
    store.data_mut().is_interrupted = false;
    let Some(Extern::Global(log)) = instance.get_export(&mut *store, "log") else { panic!("the log is exported") };
    log.set(&mut *store, Val::I64(0)).unwrap();
    let memory = instance.get_memory(&mut *store, "memory").unwrap();
    memory.data_mut(&mut *store).fill(0);
}

/// What a program does without a machine.
fn model(program: &Program, argument: i64) -> (std::result::Result<i64, End>, i64, Vec<i64>) {
    let mut model = Model::new(program);
    let result = model.call(0, argument);
    let memory = (0..program.nodes.len()).map(|id| model.memory.get(&id).copied().unwrap_or(0)).collect();
    (result, model.log, memory)
}

/// Portions of fuel: none is counted, every check is a suspension, some are.
const PORTIONS: [Option<u64>; 3] = [None, Some(1), Some(40)];

#[test]
fn programs_that_wait_do_what_they_do_without() {
    common::child::in_child("async_calls::programs::programs_that_wait_do_what_they_do_without", || {
        let (mut cases, mut suspensions, mut panics) = (0, 0, 0);
        for seed in seeds(SEEDS) {
            let program = Arc::new(Program::new(seed));
            let argument = seed as i64 ^ 0x1234_5678_9abc;
            let wanted = model(&program, argument);
            panics += matches!(wanted.0, Err(End::Panic)) as u32;
            for (number, (name, config)) in common::modes_and_markings().iter().enumerate() {
                let portion = PORTIONS[(seed as usize + number) % PORTIONS.len()];
                let mut machine = Machine::new(&program, config, seed, portion);
                let (found, pending) = machine.call(argument, u32::MAX);
                let found = found.expect("it was polled to its end");
                let case = format!("seed {seed}, {name}, fuel in portions of {portion:?}");
                assert_eq!((found.result, found.log, found.memory), wanted, "{case}");
                (cases, suspensions) = (cases + 1, suspensions + pending);
            }
        }
        println!("{cases} cases, {suspensions} suspensions, {panics} panics");
        let always = seeds(SEEDS) == SEEDS;
        assert!(!always || (suspensions > 5000 && panics > 3), "{suspensions} suspensions, {panics} panics");
    });
}

#[test]
fn a_call_that_is_dropped_leaves_the_store_as_it_was() {
    common::child::in_child("async_calls::programs::a_call_that_is_dropped_leaves_the_store_as_it_was", || {
        let mut drops = 0;
        for seed in seeds(DROPPED_SEEDS) {
            let program = Arc::new(Program::new(seed));
            let argument = seed as i64 ^ 0x1234_5678_9abc;
            let wanted = model(&program, argument);
            for (number, (name, config)) in common::modes_and_markings().iter().enumerate() {
                let portion = PORTIONS[(seed as usize + number) % PORTIONS.len()];
                let mut machine = Machine::new(&program, config, seed, portion);
                let (_, pending) = machine.call(argument, u32::MAX);
                let stride = pending.div_ceil(DROPS_MAX).max(1);
                for polls in (0..pending).step_by(stride as usize) {
                    assert!(machine.call(argument, polls).0.is_none(), "it takes {pending} polls");
                    drops += 1;
                }
                let (found, again) = machine.call(argument, u32::MAX);
                let found = found.expect("it was polled to its end");
                let case = format!("seed {seed}, {name}, fuel in portions of {portion:?}");
                assert_eq!((found.result, found.log, found.memory), wanted, "{case}");
                assert_eq!(again, pending, "{case}");
            }
        }
        println!("{drops} calls dropped");
        assert!(seeds(DROPPED_SEEDS) != DROPPED_SEEDS || drops > 300, "{drops} calls dropped");
    });
}
