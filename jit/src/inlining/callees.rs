//! Bodies that may be inlined, and what was found in them.

use crate::analysis::{Analysis, Findings, read_locals, types_of, ALL};
use heapwood_gc_abi::Narrow;
use heapwood_module::{FuncBodyJob, ModuleInfo, ValType};
use std::ops::Range;
use std::sync::OnceLock;
use wasmparser::{BinaryReader, FuncToValidate, FuncValidatorAllocations, ValidatorResources, WasmFeatures};

/// The longest body that may be inlined, in bytes with its declarations of locals.
const BODY_BYTES_MAX: usize = 160;
/// The most locals of such a body, its parameters among them.
const LOCALS_MAX: u64 = 24;
/// The most operands.
const HEIGHT_MAX: u32 = 32;

/// The functions of a module that may be inlined. All threads that compile the module share it.
#[derive(Debug)]
pub struct Callees {
    /// What validates a body again; none if there is no body.
    resources: Option<(ValidatorResources, WasmFeatures)>,
    /// By defined index. None of what cannot be inlined.
    known: Box<[OnceLock<Option<Box<Callee>>>]>,
    fuel: bool,
}

/// A body that may be inlined.
#[derive(Debug)]
pub(crate) struct Callee {
    /// What was found in it.
    pub(crate) found: Findings,
    /// Where it lies in the module's bytes.
    pub(crate) range: Range<usize>,
    /// Number of its locals that hold references, parameters among them.
    pub(crate) ref_locals: u32,
    /// Number of all its locals.
    pub(crate) locals: u32,
    /// Values that its instructions pass, for the budget of whoever compiles it.
    pub(crate) passed: u64,
}

/// Buffers for finding out.
#[derive(Default)]
pub(crate) struct CalleeScratch {
    analysis: Analysis,
    validator: FuncValidatorAllocations,
}

impl Callees {
    /// None is known yet. `jobs` are those of all bodies, in order; `fuel` says whether code counts it.
    pub fn new(jobs: &[FuncBodyJob], fuel: bool) -> Callees {
        let resources = jobs.first().map(|job| (job.validator.resources.clone(), job.validator.features));
        let known = std::iter::repeat_with(OnceLock::new).take(jobs.len()).collect();
        Callees { resources, known, fuel }
    }

    /// What is known of a function, by defined index, if somebody has asked whether it can be inlined, and it can.
    pub(crate) fn known(&self, defined: u32) -> Option<&Callee> {
        self.known[defined as usize].get()?.as_deref()
    }

    /// A function, by defined index, if it can be inlined.
    pub(crate) fn get(&self, info: &ModuleInfo, defined: u32, scratch: &mut CalleeScratch) -> Option<&Callee> {
        if info.bodies[defined as usize].len() > BODY_BYTES_MAX {
            return None;
        }
        self.known[defined as usize].get_or_init(|| self.find(info, defined, scratch).map(Box::new)).as_deref()
    }

    /// Looks at a body. One that is invalid is not inlined: whoever compiles it says what is wrong.
    fn find(&self, info: &ModuleInfo, defined: u32, scratch: &mut CalleeScratch) -> Option<Callee> {
        let (resources, features) = self.resources.as_ref()?.clone();
        let (index, range) = (info.imported_functions + defined, info.bodies[defined as usize].clone());
        let ty = info.functions[index as usize];
        let params = &info.types.func(ty).params;
        let mut reader = BinaryReader::new_features(&info.bytes[range.clone()], range.start, features);
        let groups = read_locals(&mut reader).ok()?;
        let declared = groups.iter().map(|group| u64::from(group.0)).sum::<u64>();
        if declared + params.len() as u64 > LOCALS_MAX {
            return None;
        }
        let types = params.iter().copied().chain(types_of(&groups));
        if types.clone().any(|ty| ty == ValType::V128) {
            return None;
        }
        let CalleeScratch { analysis, validator } = scratch;
        analysis.want(self.fuel, true);
        let validates = FuncToValidate { resources, index, ty, features };
        let job = FuncBodyJob { validator: validates, range: range.clone() };
        let mut passed = 0;
        let count = |_, values| {
            passed += values;
            Ok(())
        };
        let ran = analysis.run(info, ty, job, std::mem::take(validator), |_| Ok(()), count);
        *validator = ran.ok()?;
        let found = analysis.found();
        let ref_locals = types.clone().filter(|ty| ty.is_ref()).count().narrow();
        let locals = types.count().narrow();
        can_be_inlined(found, self.fuel).then(|| Callee { found: found.clone(), range, ref_locals, locals, passed })
    }
}

/// Whether a body like this can be compiled into another one.
fn can_be_inlined(found: &Findings, fuel: bool) -> bool {
    // A function that has no frame at first asks for fuel when it gets one; one that never has a frame does not ask.
    let asks_late = fuel && found.early_exit.is_some_and(|end| end != ALL);
    found.loops.is_empty() && !found.unwinds && !asks_late && found.height_max <= HEIGHT_MAX
}
