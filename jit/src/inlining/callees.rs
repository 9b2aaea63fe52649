//! Bodies that may be inlined, and what was found in them.

use super::Inline;
use crate::analysis::{ALL, Analysis, Exits, Findings, read_locals, types_of};
use crate::budget::Budget;
use crate::error::CompileError;
use heapwood_gc_abi::Narrow;
use heapwood_module::{FuncBodyJob, ModuleInfo, ValType};
use std::ops::Range;
use std::sync::OnceLock;
use wasmparser::{BinaryReader, FuncToValidate, FuncValidatorAllocations, ValidatorResources, WasmFeatures};

/// The longest body that may be inlined, in bytes with its declarations of locals: of small ones, and of all.
const SMALL_BYTES_MAX: usize = 96;
const BODY_BYTES_MAX: usize = 160;
/// The most locals of such a body, its parameters among them.
const LOCALS_MAX: u64 = 24;
/// The most operands.
const HEIGHT_MAX: u32 = 32;

/// The small functions of a module. All threads that compile the module share what was found in them.
#[derive(Debug)]
pub struct Callees {
    /// What validates a body again; none if there is no body.
    resources: Option<(ValidatorResources, WasmFeatures)>,
    /// By defined index.
    known: Box<[Known]>,
    bytes_max: usize,
    fuel: bool,
}

/// What is known of a function: each is found once, by whoever needs it first.
#[derive(Default, Debug)]
struct Known {
    /// The body; none if it is not small, or invalid.
    whole: OnceLock<Option<Box<Callee>>>,
    /// The body without its exits, if it has some; none if that cannot be inlined either.
    part: OnceLock<Option<Box<Callee>>>,
}

/// A small body.
#[derive(Debug)]
pub(crate) struct Callee {
    /// What was found in it.
    pub(crate) found: Findings,
    /// Where it lies in the module's bytes.
    pub(crate) range: Range<usize>,
    pub(crate) locals: Locals,
}

/// How many locals a body has, its parameters among them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Locals {
    pub(crate) all: u32,
    /// Those that hold references.
    pub(crate) references: u32,
}

/// Buffers for finding out.
#[derive(Default)]
pub(crate) struct CalleeScratch {
    analysis: Analysis,
    validator: FuncValidatorAllocations,
}

impl Callees {
    /// None is known yet. `jobs` are those of all bodies, in order; `inline` says which are wanted, and `fuel` whether
    /// code counts it.
    pub fn new(jobs: &[FuncBodyJob], inline: Inline, fuel: bool) -> Callees {
        let bytes_max = if inline == Inline::Small { SMALL_BYTES_MAX } else { BODY_BYTES_MAX };
        let resources = jobs.first().map(|job| (job.validator.resources.clone(), job.validator.features));
        let known = std::iter::repeat_with(Known::default).take(jobs.len()).collect();
        Callees { resources, known, bytes_max, fuel }
    }

    /// What validates a function, by defined index, once more.
    ///
    /// # Panics
    /// There is no such function.
    pub fn job(&self, info: &ModuleInfo, defined: u32) -> FuncBodyJob {
        let (resources, features) = self.resources.clone().expect("there is a function");
        let (index, range) = (info.imported_functions + defined, info.bodies[defined as usize].clone());
        let validator = FuncToValidate { resources, index, ty: info.functions[index as usize], features };
        FuncBodyJob { validator, range }
    }

    /// The whole body of a function, by defined index, if somebody has looked at it, and it is small.
    pub(crate) fn known(&self, defined: u32) -> Option<&Callee> {
        self.known[defined as usize].whole.get()?.as_deref()
    }

    /// What is inlined of a function, by defined index, which [`Callees::get`] gave to somebody.
    pub(crate) fn inlined(&self, defined: u32) -> Option<&Callee> {
        let whole = self.known(defined)?;
        if self.has_exits(&whole.found) { self.known[defined as usize].part.get()?.as_deref() } else { Some(whole) }
    }

    /// A function, by defined index, if it can be inlined: its body, or what is left of it without its exits. What is kept
    /// of it counts against the budget; where that is passed, whoever counts next says so.
    pub(crate) fn get(
        &self,
        info: &ModuleInfo,
        defined: u32,
        budget: &Budget,
        scratch: &mut CalleeScratch,
    ) -> Option<&Callee> {
        if info.bodies[defined as usize].len() > self.bytes_max {
            return None;
        }
        let Known { whole, part } = &self.known[defined as usize];
        let find = || kept(budget, self.find(info, defined, Exits::new(), scratch));
        let whole = whole.get_or_init(find).as_deref()?;
        let callee = if self.has_exits(&whole.found) {
            let exits = || whole.found.exits.clone();
            part.get_or_init(|| kept(budget, self.find(info, defined, exits(), scratch))).as_deref()?
        } else {
            whole
        };
        self.can_be_inlined(&callee.found).then_some(callee)
    }

    /// Takes what was found in a function that is compiled, by defined index, before anybody asks.
    pub(crate) fn offer(&self, info: &ModuleInfo, defined: u32, budget: &Budget, found: &Findings) {
        let range = info.bodies[defined as usize].clone();
        let whole = &self.known[defined as usize].whole;
        // What cannot be inlined is not needed again.
        if range.len() <= self.bytes_max && (self.has_exits(found) || self.can_be_inlined(found)) {
            let callee = || {
                let locals = Locals::of(info, defined)?;
                Some(Box::new(Callee { found: found.clone(), range, locals }))
            };
            // Somebody may have been faster, and has found the same.
            whole.get_or_init(|| kept(budget, callee()));
        }
    }

    /// Looks at a body, or at what is left of it without these exits. An invalid one is not inlined: whoever compiles it
    /// says what is wrong.
    fn find(&self, info: &ModuleInfo, defined: u32, exits: Exits, scratch: &mut CalleeScratch) -> Option<Box<Callee>> {
        let locals = Locals::of(info, defined)?;
        let job = self.job(info, defined);
        let (ty, range) = (job.validator.ty, job.range.clone());
        let CalleeScratch { analysis, validator } = scratch;
        analysis.want(self.fuel, true);
        analysis.without(exits);
        let ran = analysis.run(info, ty, job, std::mem::take(validator), |_| Ok(()), |_, _| Ok(()));
        *validator = ran.ok()?;
        Some(Box::new(Callee { found: analysis.found().clone(), range, locals }))
    }

    /// Whether a whole body has exits, which are left out where it is inlined. What executes them pays fuel twice, so they
    /// are not where that is counted.
    fn has_exits(&self, found: &Findings) -> bool {
        !self.fuel && !found.exits.is_empty()
    }

    /// Whether a body like this can be compiled into another one.
    fn can_be_inlined(&self, found: &Findings) -> bool {
        // A function that has no frame at first asks for fuel when it gets one; one that never has a frame does not ask.
        let asks_late = self.fuel && found.early_exit.is_some_and(|end| end != ALL);
        found.loops.is_empty() && !found.unwinds && !asks_late && found.height_max <= HEIGHT_MAX
    }
}

impl Callee {
    /// Whether that is all of the body: nothing was left out.
    pub(crate) fn is_whole(&self) -> bool {
        self.found.left_out.is_empty()
    }

    /// Counts what the compilation of a body counts: each body counts once, however often it is inlined.
    ///
    /// # Errors
    /// The module has too many locals, or passes too many values.
    pub(crate) fn count(&self, budget: &Budget) -> Result<(), CompileError> {
        budget.declare_locals(self.locals.all)?;
        Ok(budget.pass_values(self.found.passed)?)
    }
}

impl Locals {
    /// Those of a function, by defined index, if they are few and no vectors. The body may be invalid.
    fn of(info: &ModuleInfo, defined: u32) -> Option<Locals> {
        let range = info.bodies[defined as usize].clone();
        let mut reader = BinaryReader::new_features(&info.bytes[range.clone()], range.start, WasmFeatures::all());
        let groups = read_locals(&mut reader).ok()?;
        let params = &info.types.func(info.functions[(info.imported_functions + defined) as usize]).params;
        let declared = groups.iter().map(|group| u64::from(group.0)).sum::<u64>();
        if declared + params.len() as u64 > LOCALS_MAX {
            return None;
        }
        let types = params.iter().copied().chain(types_of(&groups));
        let references = types.clone().filter(|ty| ty.is_ref()).count();
        let has_vectors = types.clone().any(|ty| ty == ValType::V128);
        (!has_vectors).then(|| Locals { all: types.count().narrow(), references: references.narrow() })
    }
}

/// Counts a body that is kept.
fn kept(budget: &Budget, callee: Option<Box<Callee>>) -> Option<Box<Callee>> {
    let bytes = callee.as_ref().map_or(0, |callee| size_of::<Callee>() + callee.found.bytes());
    budget.take(bytes as u64).is_ok().then_some(callee)?
}
