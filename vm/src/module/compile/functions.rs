//! All functions of a module, in parallel.
//!
//! 1. Workers take functions in the order of the module. One whose calls may all turn out to be inlined is deferred.
//! 2. Deferred functions that compiled code calls are compiled, and those that their code calls, until there are none.
//!    The others have no code: nothing can enter them.

use super::to_error;
use crate::engine::{Compilation, Compiling};
use crate::errors::Result;
use crossbeam_queue::ArrayQueue;
use heapwood_gc_abi::{Mutant, active};
use heapwood_jit::abi::CompiledFunction;
use heapwood_jit::{CompileEnv, CompileError, Scratch, compile_deferred, compile_function, defer};
use heapwood_module::FuncBodyJob;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::Builder;

/// Bytes of function bodies for which another thread is worth starting.
const BYTES_PER_THREAD: usize = 64 << 10;

/// What is to be done.
struct Task {
    /// The function, by defined index.
    defined: u32,
    /// What validates it; none if it was deferred, so that it is valid.
    job: Option<FuncBodyJob>,
}

/// What became of a function.
enum Outcome {
    /// Nobody has come to it.
    Open,
    Deferred,
    Compiled(CompiledFunction),
    Failed(CompileError),
}

/// Compiles all functions that can be entered, on so many threads at most; the first error in the order of the module
/// counts. The others have no code.
pub(super) fn compile_functions(
    env: &CompileEnv<'_>,
    jobs: Vec<FuncBodyJob>,
    threads: usize,
    compiling: &Compiling,
) -> Result<Vec<CompiledFunction>> {
    let compilation = compiling.begin(env.info.bodies.iter().map(|body| body.len() as u64).sum());
    let mut outcomes: Vec<Outcome> = jobs.iter().map(|_| Outcome::Open).collect();
    let mut scratch = Scratch::default();
    let mut tasks: Vec<Task> = (0..).zip(jobs).map(|(defined, job)| Task { defined, job: Some(job) }).collect();
    while !tasks.is_empty() {
        let mut done = Vec::new();
        for (defined, outcome) in run(env, tasks, threads, &compilation, &mut scratch) {
            outcomes[defined as usize] = outcome;
            done.push(defined);
        }
        tasks = deferred_callees(env, &outcomes, &done);
    }
    collect(outcomes)
}

/// What is to be done next: the deferred functions that the code of functions calls which have been compiled now.
fn deferred_callees(env: &CompileEnv<'_>, outcomes: &[Outcome], compiled: &[u32]) -> Vec<Task> {
    if active(Mutant::DeferredNotCompiled) {
        return Vec::new();
    }
    let is_deferred = |defined: &u32| matches!(outcomes[*defined as usize], Outcome::Deferred);
    let callees = compiled.iter().filter_map(|defined| match &outcomes[*defined as usize] {
        Outcome::Compiled(function) => Some(function.callees()),
        _ => None,
    });
    let callees = callees.flatten().map(|function| function - env.info.imported_functions);
    let called: BTreeSet<u32> = callees.filter(is_deferred).collect();
    called.into_iter().map(|defined| Task { defined, job: None }).collect()
}

/// The functions, or the first error. Behind a function that failed, some are open.
fn collect(outcomes: Vec<Outcome>) -> Result<Vec<CompiledFunction>> {
    let mut functions = Vec::with_capacity(outcomes.len());
    for outcome in outcomes {
        functions.push(match outcome {
            Outcome::Compiled(function) => function,
            Outcome::Deferred => CompiledFunction::default(),
            Outcome::Failed(error) => return Err(to_error(error)),
            Outcome::Open => unreachable!("a function is left open behind one that failed"),
        });
    }
    Ok(functions)
}

/// Compiles or defers functions, in this order. One that fails stops those behind it that have not begun. `scratch` is
/// this thread's; others have their own.
fn run(
    env: &CompileEnv<'_>,
    tasks: Vec<Task>,
    threads: usize,
    compilation: &Compilation<'_>,
    scratch: &mut Scratch,
) -> Vec<(u32, Outcome)> {
    let bytes: usize = tasks.iter().map(|task| env.info.bodies[task.defined as usize].len()).sum();
    let threads = threads.min(1 + bytes / BYTES_PER_THREAD);
    let queue = ArrayQueue::new(tasks.len());
    for task in tasks {
        assert!(queue.push(task).is_ok(), "there is room for each");
    }
    let failed = AtomicU32::new(u32::MAX);
    let work = |scratch: &mut Scratch| {
        let mut done = Vec::new();
        while let Some(task) = queue.pop() {
            let defined = task.defined;
            if defined > failed.load(Ordering::Relaxed) {
                break;
            }
            // A function that was deferred was counted then.
            let bytes = task.job.as_ref().map_or(0, |_| env.info.bodies[defined as usize].len() as u64);
            let outcome = perform(env, task, scratch).unwrap_or_else(Outcome::Failed);
            compilation.has_done(bytes);
            if matches!(outcome, Outcome::Failed(_)) {
                failed.fetch_min(defined, Ordering::Relaxed);
            }
            done.push((defined, outcome));
        }
        done
    };
    std::thread::scope(|scope| {
        // A thread that the system refuses is one less: the others take its work.
        let begin = |_| Builder::new().spawn_scoped(scope, || work(&mut Scratch::default())).ok();
        let others: Vec<_> = (1..threads).map_while(begin).collect();
        let mut done = work(scratch);
        for other in others {
            done.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        done
    })
}

fn perform(env: &CompileEnv<'_>, task: Task, scratch: &mut Scratch) -> Result<Outcome, CompileError> {
    match task.job {
        Some(_) if defer(env, task.defined, scratch)? => Ok(Outcome::Deferred),
        Some(job) => compile_function(env, task.defined, job, scratch).map(Outcome::Compiled),
        None => compile_deferred(env, task.defined, scratch).map(Outcome::Compiled),
    }
}
