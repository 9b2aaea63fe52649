//! The pass over a function's body: validation with the analysis, then one operator after the other.

use super::control::flow::Flow;
use super::cursor::Cursor;
use super::declared::Declared;
use super::frame::Frame;
use super::options::CompileEnv;
use super::parts::Compiler;
use super::tables::{Finished, Tables};
use super::values::{BodyLocal, Values};
use crate::abi::{CallLayout, CompiledFunction, FRAME_BYTES_UNCOMPARED};
use crate::analysis::{Analysis, LocalGroups, frame_too_large, read_locals, types_of};
use crate::asm::{Assembler, Section};
use crate::budget::{OPERATORS_PER_COUNT, Share};
use crate::error::{CompileError, invalid};
use crate::inlining::{CalleeScratch, Plan, Planner};
use crate::operators::Facts;
use heapwood_gc_abi::Narrow;
use heapwood_module::{FuncBodyJob, FuncType, ValType, limits};
use smallvec::SmallVec;
use wasmparser::{BinaryReader, FuncValidatorAllocations, WasmFeatures};

/// The validator's buffers are kept for the next body if a body has at most so many bytes.
const KEPT_VALIDATOR_BODY_MAX: usize = 1 << 20;

/// Buffers reused from function to function.
#[derive(Default)]
pub struct Scratch {
    analysis: Analysis,
    callee: CalleeScratch,
    plan: Plan,
    validator: Option<FuncValidatorAllocations>,
    asm: Assembler,
    values: Values,
    tables: Tables,
    flow: Flow,
    /// What these buffers have counted against the budget of the module that is compiled.
    share: Share,
}

/// Validates and compiles one function body; `defined_index` counts from the first defined function.
///
/// # Errors
/// The body is invalid, or uses what this version cannot compile; or the module takes more than its budget has.
pub fn compile_function(
    env: &CompileEnv<'_>,
    defined_index: u32,
    job: FuncBodyJob,
    scratch: &mut Scratch,
) -> Result<CompiledFunction, CompileError> {
    match env.callees.and_then(|callees| callees.known(defined_index)) {
        // Somebody has validated it already, to see whether it can be inlined.
        Some(callee) => {
            callee.count(env.budget)?;
            scratch.analysis.found_mut().clone_from(&callee.found);
        }
        None => analyse(env, defined_index, job, scratch)?,
    }
    compile_analysed(env, defined_index, scratch)
}

/// Puts off the compilation of a function, if all calls of it may turn out to be inlined: says whether it did. The body
/// is valid then, and [`compile_deferred`] compiles it if code that is compiled calls it after all
/// ([`CompiledFunction::callees`]). Nothing else can enter it.
///
/// # Errors
/// The module takes more than its budget has.
pub fn defer(env: &CompileEnv<'_>, defined_index: u32, scratch: &mut Scratch) -> Result<bool, CompileError> {
    let Some(callees) = env.callees else { return Ok(false) };
    if env.info.is_entered_from_outside(env.info.imported_functions + defined_index) {
        return Ok(false);
    }
    match callees.get(env.info, defined_index, env.budget, &mut scratch.callee) {
        Some(callee) if callee.is_whole() => callee.count(env.budget).map(|()| true),
        // Code calls it for what is left out where it is inlined.
        _ => Ok(false),
    }
}

/// Compiles a function that was deferred.
///
/// # Errors
/// The module takes more than its budget has.
///
/// # Panics
/// [`defer`] did not say that it was.
pub fn compile_deferred(
    env: &CompileEnv<'_>,
    defined_index: u32,
    scratch: &mut Scratch,
) -> Result<CompiledFunction, CompileError> {
    let callee = env.callees.and_then(|callees| callees.known(defined_index)).expect("what is deferred is known");
    scratch.analysis.found_mut().clone_from(&callee.found);
    compile_analysed(env, defined_index, scratch)
}

/// The first pass.
fn analyse(
    env: &CompileEnv<'_>,
    defined_index: u32,
    job: FuncBodyJob,
    scratch: &mut Scratch,
) -> Result<(), CompileError> {
    let type_index = env.info.functions[(env.info.imported_functions + defined_index) as usize];
    let body_bytes = job.range.len();
    let allocations = scratch.validator.take().unwrap_or_default();
    let (analysis, share) = (&mut scratch.analysis, &mut scratch.share);
    let held = scratch.asm.bytes();
    let count = |bytes, values| {
        env.budget.pass_values(values)?;
        env.budget.hold(share, held + bytes).map_err(CompileError::from)
    };
    let declare = |locals| Ok(env.budget.declare_locals(locals)?);
    analysis.want(env.options.fuel, env.callees.is_some());
    let allocations = analysis.run(env.info, type_index, job, allocations, declare, count)?;
    if body_bytes <= KEPT_VALIDATOR_BODY_MAX {
        scratch.validator = Some(allocations);
    }
    if let Some(callees) = env.callees {
        callees.offer(env.info, defined_index, env.budget, scratch.analysis.found());
    }
    Ok(())
}

/// Plans which calls are inlined, and has the second pass run until its code can be used.
fn compile_analysed(
    env: &CompileEnv<'_>,
    defined_index: u32,
    scratch: &mut Scratch,
) -> Result<CompiledFunction, CompileError> {
    scratch.plan.clear();
    if let Some(callees) = env.callees {
        let Scratch { analysis, callee, plan, .. } = scratch;
        let (inline, budget, found) = (env.options.inline, env.budget, analysis.found_mut());
        let targets = env.targets;
        let info = env.info;
        plan.make(defined_index, &mut Planner { info, callees, targets, inline, budget, scratch: callee, found });
    }
    let mut frame_is_large = false;
    loop {
        let (function, verdict) = compile_looked_at(env, defined_index, frame_is_large, scratch)?;
        match verdict {
            Verdict::Complete => {
                env.budget.take(function.bytes() as u64)?;
                return Ok(function);
            }
            Verdict::MissesFrame => {
                debug_assert!(scratch.analysis.early_exit.is_some(), "a frame that exists is not missed");
                scratch.analysis.early_exit = None;
            }
            Verdict::LargeFrame => {
                debug_assert!(!frame_is_large, "a large frame is compared");
                frame_is_large = true;
            }
        }
    }
}

/// Whether the code that the second pass emitted can be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verdict {
    Complete,
    /// It cannot: code needs a frame where the analysis saw no need for one.
    MissesFrame,
    /// It cannot: the frame turned out too large to be set up without a comparison.
    LargeFrame,
}

/// The second pass.
fn compile_looked_at(
    env: &CompileEnv<'_>,
    defined_index: u32,
    frame_is_large: bool,
    scratch: &mut Scratch,
) -> Result<(CompiledFunction, Verdict), CompileError> {
    scratch.asm.reset();
    let function_index = env.info.imported_functions + defined_index;
    let signature = env.info.function_type(function_index);
    let range = env.info.bodies[defined_index as usize].clone();
    let body = &env.info.bytes[range.clone()];
    let mut reader = BinaryReader::new_features(body, range.start, WasmFeatures::all());
    let locals = read_locals(&mut reader).map_err(invalid)?;
    let hints = env.info.branch_hints.of(function_index);
    let Scratch { analysis, plan, asm, values, tables, flow, share, .. } = scratch;
    let analysis = analysis.found();
    let types = signature.params.iter().copied();
    let types = types.chain(types_of(&locals));
    let mut compiler = Compiler {
        env: *env,
        info: env.info,
        function: function_index,
        results: &signature.results,
        layout: CallLayout::new(&signature.params, &signature.results),
        has_calls: analysis.has_calls,
        plan,
        cursor: Cursor::new(analysis, hints, range.start.narrow()),
        values: std::mem::take(values),
        flow: std::mem::take(flow),
        frame: Frame::new(analysis, types.clone()),
        asm,
        tables: std::mem::take(tables),
        error: None,
        share,
        inlined: 0,
        bodies: SmallVec::new(),
    };
    compiler.open_function(signature, &locals, types);
    if frame_is_large {
        compiler.frame.compare();
    }
    compiler.enter_function();
    compiler.compile_operators(reader, range.end)?;
    assert_eq!(compiler.inlined, compiler.plan.len(), "the pass comes to each call that the plan inlines");
    if compiler.frame_bytes() > limits::FRAME_BYTES_MAX {
        return Err(invalid(frame_too_large(range.start)));
    }
    let verdict = compiler.verdict();
    let function = compiler.finish();
    (*values, *tables, *flow) = (compiler.values, compiler.tables, compiler.flow);
    Ok((function, verdict))
}

impl<'a> Compiler<'a> {
    /// Lays out the frame's slots, and opens the function's scope with the parameters where they arrive.
    fn open_function(
        &mut self,
        signature: &FuncType,
        groups: &LocalGroups,
        types: impl Iterator<Item = ValType> + Clone,
    ) {
        let analysis = self.cursor.analysis();
        let ref_params: usize = signature.params.iter().filter(|ty| ty.is_ref()).count();
        let ref_locals: u32 = groups.iter().filter(|group| group.1.is_ref()).map(|group| group.0).sum();
        let saves_context = analysis.has_calls || analysis.has_cold_calls;
        let refs = ref_params.narrow::<u32>() + ref_locals + self.plan.ref_homes();
        let few_registers = self.env.options.few_registers;
        self.values.begin(self.frame.saved_bytes(), refs, analysis.height_max, saves_context, few_registers);
        for (ty, place) in signature.params.iter().zip(&self.layout.params) {
            self.values.push_arrived(*ty, *place);
        }
        let known = analysis.last_use.iter().zip(&analysis.weight);
        let locals = types.zip(known).map(|(ty, (last_use, weight))| BodyLocal {
            ty,
            last_use: *last_use,
            weight: *weight,
            is_written: true,
            starts_zero: false,
        });
        self.values.open_scope(self.asm, signature.params.len(), locals);
        if self.values.slot_bytes() > FRAME_BYTES_UNCOMPARED {
            self.frame.compare();
        }
    }

    /// Compiles the operators of a body, up to its `end`. Nothing but the cursor knows which body it is: one that is
    /// compiled inside of another has a cursor, a scope and a control frame of its own, and a call of this function.
    pub(super) fn compile_operators(&mut self, mut reader: BinaryReader<'a>, end: usize) -> Result<(), CompileError> {
        let bytes = &self.info.bytes;
        let checks = cfg!(debug_assertions) || self.env.options.debug_checks;
        // The control frame of the body itself: nothing follows behind its end.
        let own = self.flow.top();
        let mut countdown = OPERATORS_PER_COUNT;
        while !reader.eof() {
            self.cursor.come_to(reader.original_position().narrow());
            self.values.begin_operator(self.cursor.op());
            if self.env.options.source_map {
                self.tables.note_source(self.asm, self.cursor.offset());
            }
            if !self.values.is_framed() && self.cursor.is_behind_early_exit() {
                self.need_frame();
            }
            if self.cursor.is_left_out() {
                self.leave_by_call();
            } else {
                reader.visit_operator(&mut Declared(self)).map_err(invalid)?;
            }
            if let Some(error) = self.error.take() {
                return Err(error);
            }
            self.end_operator();
            self.pay_behind_operator();
            if checks {
                self.check_operator();
            }
            countdown -= 1;
            if countdown == 0 {
                countdown = OPERATORS_PER_COUNT;
                self.tell_bytes()?;
            }
            let resume = self.cursor.go_on();
            let is_dead = self.flow.is_unreachable() && self.flow.is_open(own);
            let resume = if is_dead { Some(self.cursor.skip_dead()) } else { resume };
            if let Some(offset) = resume {
                let offset = offset as usize;
                reader = BinaryReader::new_features(&bytes[offset..end], offset, WasmFeatures::all());
            }
        }
        Ok(())
    }

    #[inline]
    fn end_operator(&mut self) {
        self.values.end_instruction();
        if !self.flow.is_unreachable() {
            self.values.bound_open_operands(self.asm);
        }
    }

    /// Has the compiler check its state, and the code check itself, if the options say so.
    fn check_operator(&mut self) {
        self.check_state();
        if self.env.options.debug_checks {
            self.with_facts(Facts::GUEST_CHECKS, Self::emit_guest_checks);
        }
    }

    /// Tells the budget how many bytes the compiler's parts and the analysis hold.
    fn tell_bytes(&mut self) -> Result<(), CompileError> {
        self.check_size()?;
        let parts = self.asm.bytes() + self.values.bytes() + self.flow.bytes() + self.tables.bytes();
        let parts = parts + self.plan.bytes() + self.cursor.analysis().bytes();
        Ok(self.env.budget.hold(self.share, parts)?)
    }

    fn verdict(&self) -> Verdict {
        match () {
            () if self.values.misses_frame() => Verdict::MissesFrame,
            () if self.frame.is_too_large(self.values.slot_bytes()) => Verdict::LargeFrame,
            () => Verdict::Complete,
        }
    }

    /// Resolves positions and returns the compiled function; the parts are ready for the next one.
    fn finish(&mut self) -> CompiledFunction {
        self.values.place_copies(self.asm);
        self.tables.place_traps(self.asm);
        let record = self.frame_record();
        let (code, starts) = self.asm.finish();
        let finished = self.tables.finish(starts);
        let Finished { relocations, safe_points, traps, inlined, counted, loop_heads, source_map } = finished;
        self.values.finish();
        self.flow.finish();
        let cold_start = starts.of(Section::Unlikely);
        CompiledFunction {
            code,
            relocations,
            safe_points,
            traps,
            inlined,
            counted,
            loop_heads,
            record,
            source_map,
            cold_start,
        }
    }
}
