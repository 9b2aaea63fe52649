//! From bytes to a module: decoding, then validation and compilation of all functions in parallel, then placing.

mod functions;

use super::ModuleInner;
use super::cache::CacheEntry;
use super::image::{self, ExceptionHeader};
use super::tier::Tier;
use crate::engine::{Engine, Tiering, fitting_compiler_threads};
use crate::errors::{Error, ErrorKind, Result};
use crate::registry::ModuleTypes;
use crate::rt::code::{CodeImage, TypeRelocations};
use functions::compile_functions;
use heapwood_jit::abi::{CompiledFunction, RelocationTarget};
use heapwood_jit::{Budget, Callees, CompileEnv, CompileError, CompileOptions, Inline, Scratch, compile_function};
use heapwood_module::{
    ContextLayout, DecodedModule, FuncBodyJob, ModuleBytes, ModuleError, ModuleInfo, decode, decoded_bytes, explain,
};

/// Threads that compile a module, whatever is asked for.
const THREADS_MAX: usize = 256;

/// Locals that the functions of a module may declare together: so many, and more for each byte of the module.
const LOCALS_BASE: u64 = 4_000_000;
const LOCALS_PER_BYTE: u64 = 16;
/// Values that the instructions of a module may pass together to and from blocks, functions, labels and objects: so
/// many, and more for each byte of the module.
const VALUES_BASE: u64 = 20_000_000;
const VALUES_PER_BYTE: u64 = 16;

/// A compiled module whose code has no place yet.
pub(super) struct Unplaced {
    /// The functions as they are compiled again, if some are.
    pub tier: Option<Tier>,
    pub info: ModuleInfo,
    pub layout: ContextLayout,
    pub functions: Vec<CompiledFunction>,
    pub types: ModuleTypes,
}

/// Validates and compiles a module, unless the engine's cache has it.
pub(super) fn compile(engine: &Engine, bytes: &[u8]) -> Result<ModuleInner> {
    let entry = engine.config().cache_directory().map(|directory| CacheEntry::new(directory, engine, bytes));
    if let Some(module) = entry.as_ref().and_then(|entry| entry.load(engine, bytes)) {
        return Ok(module);
    }
    let module = unplaced(engine, bytes.into())?;
    if let Some(entry) = entry
        && let Ok(image) = image::write(engine, &module)
    {
        entry.store(&image);
    }
    module.place(engine)
}

/// Validates and compiles a module without placing its code.
pub(super) fn unplaced(engine: &Engine, bytes: ModuleBytes) -> Result<Unplaced> {
    compile_valid(engine, bytes.clone()).map_err(|error| explained(engine, &bytes, error))
}

/// The error, with the features that the module lacks.
fn explained(engine: &Engine, bytes: &[u8], error: Error) -> Error {
    match error.into_kind() {
        ErrorKind::Module(error) => explain(bytes, engine.config().enabled(), error).into(),
        kind => Error::from_kind(kind),
    }
}

fn compile_valid(engine: &Engine, bytes: ModuleBytes) -> Result<Unplaced> {
    let budget = budget(engine, &bytes)?;
    let DecodedModule { info, validators } = decode(bytes, engine.config().enabled())?;
    let layout = ContextLayout::new(&info);
    let options = engine.config().compile_options(false);
    let callees = callees(&validators, &options);
    let is_tiered = engine.config().tiering_mode() != Tiering::Off;
    let hot_callees = is_tiered.then(|| Callees::new(&validators, Inline::Hot, options.fuel));
    let env = CompileEnv { options, callees: callees.as_ref(), ..CompileEnv::new(&info, &layout, &budget) };
    let functions = compile_functions(&env, validators, threads(engine), engine.compiling())?;
    let tier = hot_callees.map(|hot| Tier::new(hot, callees));
    let types = engine.registry().register_module(&info.types).map_err(|error| Error::limit(error.to_string()))?;
    Ok(Unplaced { tier, info, layout, functions, types })
}

/// Function types of the tags whose exceptions the code makes.
pub(super) fn exceptions(functions: &[CompiledFunction]) -> impl Iterator<Item = u32> {
    let targets = functions.iter().flat_map(|function| &function.relocations);
    targets.filter_map(|relocation| match relocation.target {
        RelocationTarget::ExceptionHeader(index) => Some(index),
        _ => None,
    })
}

impl Unplaced {
    /// Function types of the tags whose exceptions the code makes.
    pub fn exceptions(&self) -> impl Iterator<Item = u32> {
        exceptions(&self.functions)
    }

    /// The module, with its code in memory.
    fn place(self, engine: &Engine) -> Result<ModuleInner> {
        let relocator = Relocator::new(engine, self.exceptions(), &self.types)?;
        let has_room = self.tier.is_some();
        let code = CodeImage::new(self.functions, self.info.imported_functions, &relocator, has_room)?;
        Ok(ModuleInner::new(engine.clone(), self.info, self.layout, self.types, code, self.tier))
    }
}

/// Validates a module and says what it holds.
pub(crate) fn validate(engine: &Engine, bytes: ModuleBytes) -> Result<ModuleInfo> {
    let features = engine.config().enabled();
    budget(engine, &bytes)?;
    let valid = decode(bytes.clone(), features).and_then(DecodedModule::validate_bodies);
    valid.map_err(|error| explain(&bytes, features, error).into())
}

/// Compiles one function, by defined index, with a source map; none if there is no such function. If it `runs_often`,
/// as it is compiled again where nothing is known of calls by reference.
pub(crate) fn compile_one(
    engine: &Engine,
    bytes: ModuleBytes,
    defined: u32,
    runs_often: bool,
) -> Result<Option<CompiledFunction>> {
    let budget = budget(engine, &bytes)?;
    let DecodedModule { info, validators } = decode(bytes, engine.config().enabled())?;
    let mut options = engine.config().compile_options(true);
    if runs_often {
        options.inline = Inline::Hot;
    }
    let callees = callees(&validators, &options);
    let Some(job) = validators.into_iter().nth(defined as usize) else { return Ok(None) };
    let context = ContextLayout::new(&info);
    let env = CompileEnv { options, callees: callees.as_ref(), ..CompileEnv::new(&info, &context, &budget) };
    compile_function(&env, defined, job, &mut Scratch::default()).map(Some).map_err(to_error)
}

/// The functions with these bodies, if some of them are inlined.
pub(super) fn callees(jobs: &[FuncBodyJob], options: &CompileOptions) -> Option<Callees> {
    (options.inline != Inline::Never).then(|| Callees::new(jobs, options.inline, options.fuel))
}

/// What compiling the module may take, less what it takes once it is decoded.
fn budget(engine: &Engine, bytes: &[u8]) -> Result<Budget> {
    let budget = compiling_budget(engine, bytes.len());
    let decoded = decoded_bytes(bytes, engine.config().enabled());
    budget.take(decoded).map_err(|exceeded| to_error(exceeded.into()))?;
    Ok(budget)
}

/// What compiling functions of a module of so many bytes may take.
pub(super) fn compiling_budget(engine: &Engine, module_bytes: usize) -> Budget {
    let locals_max = LOCALS_BASE + LOCALS_PER_BYTE * module_bytes as u64;
    let values_max = VALUES_BASE + VALUES_PER_BYTE * module_bytes as u64;
    Budget::new(engine.config().compile_memory(module_bytes), locals_max, values_max)
}

fn threads(engine: &Engine) -> usize {
    match engine.config().compiler_threads() {
        0 => fitting_compiler_threads(std::thread::available_parallelism().map_or(1, usize::from)),
        threads => threads.min(THREADS_MAX),
    }
}

pub(super) fn to_error(error: CompileError) -> Error {
    match error {
        CompileError::Invalid { offset, ref message } => ModuleError::at(offset, message).into(),
        CompileError::Unsupported { offset, what } => Error::unsupported(Some(offset), what),
        CompileError::Locals(_) | CompileError::Values(_) | CompileError::Code => Error::limit(error.to_string()),
        CompileError::Budget(_) => Error::limit(format!("{error} (Config::max_compile_memory)")),
    }
}

/// Fills in what depends on the engine's types.
pub(super) struct Relocator<'a> {
    types: &'a ModuleTypes,
    /// Headers of exceptions by index of the tag's function type, ascending; only those that occur.
    exceptions: Vec<ExceptionHeader>,
}

impl<'a> Relocator<'a> {
    /// For code that makes exceptions of tags with these function types.
    pub fn new(
        engine: &Engine,
        exceptions: impl Iterator<Item = u32>,
        types: &'a ModuleTypes,
    ) -> Result<Relocator<'a>> {
        let mut occurring: Vec<u32> = exceptions.collect();
        occurring.sort_unstable();
        occurring.dedup();
        let header = |ty: u32| {
            let made = engine.registry().exception_type(types.id(ty));
            let (id, _) = made.map_err(|error| Error::limit(error.to_string()))?;
            Ok(ExceptionHeader { ty, header: id.header(0) })
        };
        Ok(Relocator { types, exceptions: occurring.into_iter().map(header).collect::<Result<_>>()? })
    }

    /// Headers of exceptions by index of the tag's function type, ascending.
    pub fn exceptions(&self) -> &[ExceptionHeader] {
        &self.exceptions
    }
}

impl TypeRelocations for Relocator<'_> {
    fn type_id(&self, index: u32) -> u32 {
        self.types.id(index).0
    }

    fn exception_header(&self, index: u32) -> u32 {
        let at = self.exceptions.binary_search_by_key(&index, |exception| exception.ty);
        self.exceptions[at.expect("every exception type was looked up")].header
    }
}
