//! From bytes to a module: decoding, then validation and compilation of all functions in parallel, then placing.

use super::ModuleInner;
use crate::engine::Engine;
use crate::errors::{Error, ErrorKind, Result};
use crate::registry::ModuleTypes;
use crate::rt::code::{CodeImage, TypeRelocations};
use crossbeam_queue::ArrayQueue;
use heapwood_jit::abi::CompiledFunction;
use heapwood_jit::{Budget, CompileEnv, CompileError, Scratch, compile_function};
use heapwood_module::{
    ContextLayout, DecodedModule, FuncBodyJob, ModuleError, ModuleInfo, decode, decoded_bytes, explain,
};
use rustc_hash::FxHashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::Builder;

/// Bytes of function bodies for which another thread is worth starting.
const BYTES_PER_THREAD: usize = 64 << 10;
/// Threads that compile a module, whatever is asked for.
const THREADS_MAX: usize = 256;

/// Locals that the functions of a module may declare together: so many, and more for each byte of the module.
const LOCALS_BASE: u64 = 4_000_000;
const LOCALS_PER_BYTE: u64 = 16;

/// Validates and compiles a module.
pub(crate) fn compile(engine: &Engine, bytes: Arc<[u8]>) -> Result<ModuleInner> {
    compile_valid(engine, bytes.clone()).map_err(|error| explained(engine, &bytes, error))
}

/// The error, with the features that the module lacks.
fn explained(engine: &Engine, bytes: &[u8], error: Error) -> Error {
    match error.into_kind() {
        ErrorKind::Module(error) => explain(bytes, engine.config().enabled(), error).into(),
        kind => Error::from_kind(kind),
    }
}

fn compile_valid(engine: &Engine, bytes: Arc<[u8]>) -> Result<ModuleInner> {
    let budget = budget(engine, &bytes)?;
    let DecodedModule { info, validators } = decode(bytes, engine.config().enabled())?;
    let layout = ContextLayout::new(&info);
    let options = engine.config().compile_options(false);
    let env = CompileEnv { info: &info, context: &layout, options, budget: &budget };
    let functions = compile_functions(&env, validators, threads(engine))?;
    let types = engine.registry().register_module(&info.types).map_err(|error| Error::limit(error.to_string()))?;
    let relocator = Relocator::new(engine, &functions, &types)?;
    let code = CodeImage::new(functions, info.imported_functions, &relocator)?;
    Ok(ModuleInner::new(engine.clone(), info, layout, types, code))
}

/// Validates a module and says what it holds.
pub(crate) fn validate(engine: &Engine, bytes: Arc<[u8]>) -> Result<ModuleInfo> {
    let features = engine.config().enabled();
    budget(engine, &bytes)?;
    let valid = decode(bytes.clone(), features).and_then(DecodedModule::validate_bodies);
    valid.map_err(|error| explain(&bytes, features, error).into())
}

/// Compiles one function, by defined index, with a source map; none if there is no such function.
pub(crate) fn compile_one(engine: &Engine, bytes: Arc<[u8]>, defined: u32) -> Result<Option<CompiledFunction>> {
    let budget = budget(engine, &bytes)?;
    let DecodedModule { info, validators } = decode(bytes, engine.config().enabled())?;
    let Some(job) = validators.into_iter().nth(defined as usize) else { return Ok(None) };
    let options = engine.config().compile_options(true);
    let context = ContextLayout::new(&info);
    let env = CompileEnv { info: &info, context: &context, options, budget: &budget };
    compile_function(&env, defined, job, &mut Scratch::default()).map(Some).map_err(to_error)
}

/// What compiling the module may take, less what it takes once it is decoded.
fn budget(engine: &Engine, bytes: &[u8]) -> Result<Budget> {
    let locals_max = LOCALS_BASE + LOCALS_PER_BYTE * bytes.len() as u64;
    let budget = Budget::new(engine.config().compile_memory(bytes.len()), locals_max);
    let decoded = decoded_bytes(bytes, engine.config().enabled());
    budget.take(decoded).map_err(|exceeded| to_error(exceeded.into()))?;
    Ok(budget)
}

fn threads(engine: &Engine) -> usize {
    match engine.config().compiler_threads() {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads.min(THREADS_MAX),
    }
}

/// Compiles all functions; the first error in the order of the module counts.
fn compile_functions(env: &CompileEnv<'_>, jobs: Vec<FuncBodyJob>, threads: usize) -> Result<Vec<CompiledFunction>> {
    let bytes: usize = jobs.iter().map(|job| job.range.len()).sum();
    let threads = threads.min(1 + bytes / BYTES_PER_THREAD);
    let mut results: Vec<Option<Result<CompiledFunction, CompileError>>> = Vec::new();
    if threads <= 1 {
        let mut scratch = Scratch::default();
        for (index, job) in jobs.into_iter().enumerate() {
            let result = compile_function(env, index as u32, job, &mut scratch);
            let failed = result.is_err();
            results.push(Some(result));
            if failed {
                break;
            }
        }
    } else {
        results = compile_in_parallel(env, jobs, threads);
    }
    let compiled: Result<Vec<_>, CompileError> = results.into_iter().flatten().collect();
    compiled.map_err(to_error)
}

/// Workers take functions in order; one that fails stops those that have not begun.
fn compile_in_parallel(
    env: &CompileEnv<'_>,
    jobs: Vec<FuncBodyJob>,
    threads: usize,
) -> Vec<Option<Result<CompiledFunction, CompileError>>> {
    let count = jobs.len();
    let queue = ArrayQueue::new(count.max(1));
    for job in jobs.into_iter().enumerate() {
        assert!(queue.push(job).is_ok(), "there is room for each");
    }
    let failed = AtomicUsize::new(usize::MAX);
    let work = || {
        let mut scratch = Scratch::default();
        let mut done = Vec::new();
        while let Some((index, job)) = queue.pop() {
            if index > failed.load(Ordering::Relaxed) {
                break;
            }
            let result = compile_function(env, index as u32, job, &mut scratch);
            if result.is_err() {
                failed.fetch_min(index, Ordering::Relaxed);
            }
            done.push((index, result));
        }
        done
    };
    let mut results: Vec<_> = (0..count).map(|_| None).collect();
    std::thread::scope(|scope| {
        // A thread that the system refuses is one less: the others take its work.
        let others: Vec<_> = (1..threads).map_while(|_| Builder::new().spawn_scoped(scope, work).ok()).collect();
        let mut all = work();
        for other in others {
            all.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        for (index, result) in all {
            results[index] = Some(result);
        }
    });
    results
}

fn to_error(error: CompileError) -> Error {
    match error {
        CompileError::Invalid { offset, ref message } => ModuleError::at(offset, message).into(),
        CompileError::Unsupported { offset, what } => Error::unsupported(Some(offset), what),
        CompileError::Locals(_) | CompileError::Code => Error::limit(error.to_string()),
        CompileError::Budget(_) => Error::limit(format!("{error} (Config::max_compile_memory, --max-compile-memory)")),
    }
}

/// Fills in what depends on the engine's types.
struct Relocator<'a> {
    types: &'a ModuleTypes,
    /// Headers of exceptions, by index of the tag's function type; only those that occur.
    exceptions: FxHashMap<u32, u32>,
}

impl<'a> Relocator<'a> {
    fn new(engine: &Engine, functions: &[CompiledFunction], types: &'a ModuleTypes) -> Result<Relocator<'a>> {
        use heapwood_jit::abi::RelocationTarget;
        let mut exceptions = FxHashMap::default();
        for relocation in functions.iter().flat_map(|function| &function.relocations) {
            if let RelocationTarget::ExceptionHeader(index) = relocation.target
                && !exceptions.contains_key(&index)
            {
                let made = engine.registry().exception_type(types.id(index));
                let (id, _) = made.map_err(|error| Error::limit(error.to_string()))?;
                exceptions.insert(index, id.header(0));
            }
        }
        Ok(Relocator { types, exceptions })
    }
}

impl TypeRelocations for Relocator<'_> {
    fn type_id(&self, index: u32) -> u32 {
        self.types.id(index).0
    }

    fn exception_header(&self, index: u32) -> u32 {
        *self.exceptions.get(&index).expect("every exception type was looked up")
    }
}
