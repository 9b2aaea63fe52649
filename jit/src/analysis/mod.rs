//! The analysis of a function body, a prepass: it validates the body and finds, in the same decode, what the one pass
//! that generates code must know in advance.
//!
//! 1. Each operator is validated (behind [`gate`], so that the types that it names convert), then analysed. Nothing is
//!    kept for each operator; hints and dead ranges are kept where there are any.
//! 2. For each loop, the analysis collects how often it reads and writes each local (inner loops count eightfold), and
//!    whether it calls.
//! 3. A read inside of loops keeps a local alive to the end of the outermost loop; any other read to its own position.
//! 4. The second pass skips code behind an unconditional branch, so the end of that code is recorded.
//!
//! All tables are linear in the body's size.

mod costs;
mod exits;
mod locals;
mod loops;
mod passed;
mod short_circuits;
mod visit;

use crate::abi::CALLER_SAVED;
use crate::budget::{OPERATORS_PER_COUNT, list_bytes};
use crate::error::{CompileError, invalid};
pub(crate) use costs::Block;
use costs::{Costs, Ending};
pub(crate) use exits::Exits;
use heapwood_gc_abi::layout::array_bytes;
use heapwood_gc_abi::{Narrow, space};
use heapwood_module::{FuncBodyJob, ModuleError, ModuleInfo, TypeIndex, gate, limits};
pub(crate) use locals::{LocalGroups, read_locals, types_of};
pub(crate) use loops::{LoopInfo, Use};
pub(crate) use short_circuits::ShortCircuit;
use short_circuits::{Arms, Candidate};
use smallvec::SmallVec;
use std::ops::{Deref, DerefMut};
use visit::Visitor;
use wasmparser::{BinaryReader, BlockType, FrameKind, FuncValidatorAllocations};

/// What the next operator does with this operator's result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Hint {
    /// A `local.set` or `local.tee` of this local.
    Local(u32),
    /// A `br_if`, `if`, `select` or `i32.eqz`, which can take the result from the flags.
    Branch,
    /// It ends the body: where that is inlined, what follows the call may take the result from the flags.
    Ends,
}

/// The largest operand stack height of code without a frame: all of its operands and locals have registers, and one
/// more register is free.
const EARLY_HEIGHT_MAX: u32 = 3;
const EARLY_LOCALS_MAX: usize = 3;
const _: () = assert!(EARLY_HEIGHT_MAX as usize + EARLY_LOCALS_MAX < CALLER_SAVED.len());
/// The fewest bytes that an operand takes in a frame: each has a reference slot.
const SLOT_BYTES_MIN: u32 = 4;
/// The value of `early_exit` for a function that needs no frame at all.
pub(crate) const ALL: u32 = u32::MAX;
const NOWHERE: u32 = u32::MAX;
const IN_LOOP: u32 = 1 << 31;

/// A call that may be inlined.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallSite {
    /// Operator index.
    pub(crate) op: u32,
    /// The function, by its index among all, if it is called by name; else it is called by a reference.
    pub(crate) function: Option<u32>,
    /// The function type that the call names.
    pub(crate) ty: TypeIndex,
    /// Height of the operand stack below the arguments.
    pub(crate) base: u32,
    /// The innermost loop around it, if any: its position in `loops`.
    pub(crate) in_loop: Option<u32>,
}

/// What the analysis found in a body.
#[derive(Clone, Default, Debug)]
pub(crate) struct Findings {
    pub(crate) loops: Vec<LoopInfo>,
    /// Locals of loops, heaviest first (at most [`loops::USES_MAX`] from inner loops).
    uses: Vec<Vec<Use>>,
    /// Number of all entries of these lists.
    use_count: u32,
    /// Operator indices of blocks and loops without values that nothing branches to, ascending.
    pub(crate) idle: Vec<u32>,
    /// (operator index, hint), ascending.
    pub(crate) hints: Vec<(u32, Hint)>,
    /// After the n-th unconditional branch: operator index and offset of the `else` or `end` that follows.
    pub(crate) dead: Vec<(u32, u32)>,
    /// Conditions that decide where another operator goes, by the index of their `if`.
    short_circuits: Vec<ShortCircuit>,
    /// Per local: index of the last operator that may read it, or 0.
    pub(crate) last_use: Vec<u32>,
    /// Per local: reads and writes, weighted by loop depth.
    pub(crate) weight: Vec<u32>,
    /// Per local: may be read before it is written.
    pub(crate) needs_zero: Vec<bool>,
    /// Operator indices of blocks whose end is the function's end.
    pub(crate) tail_blocks: Vec<u32>,
    /// Largest operand stack height, with the exception that each legacy catch keeps below its operands.
    pub(crate) height_max: u32,
    pub(crate) has_calls: bool,
    pub(crate) uses_memory0: bool,
    /// Other memories that are accessed, with their accesses weighted by loop depth.
    pub(crate) memory_weight: SmallVec<[(u32, u32); 4]>,
    /// The function needs no frame up to this operator: it begins with an early exit, which is over there (at an `else`
    /// or `end`), or it is so simple that it needs none at all (pure operators, blocks and branches).
    pub(crate) early_exit: Option<u32>,
    /// Contains code that calls the runtime out of line, or catches exceptions.
    pub(crate) has_cold_calls: bool,
    /// What its blocks cost, where fuel is counted.
    pub(crate) costs: Costs,
    /// Calls of functions by name and by reference that are reached, if whoever asked for them decides which of them are
    /// inlined. Those by reference count as calls whatever is decided.
    pub(crate) calls: Vec<CallSite>,
    /// Number of operators.
    pub(crate) operators: u32,
    /// Values that all its instructions pass ([`passed`]).
    pub(crate) passed: u64,
    /// Number of operators that take much more code than others: calls, and what has a slow path.
    pub(crate) heavy: u32,
    /// Per local, for the first 64: it is written.
    written: u64,
    /// Branches to the function's own frame, or returns, that something else than the `end` follows.
    pub(crate) early_leaves: u32,
    /// Throws, catches, or leaves by a tail call.
    pub(crate) unwinds: bool,
    /// Exits that take much code, if whoever asked for calls may leave them out.
    pub(crate) exits: Exits,
    /// Exits that count as a call of the body's own function with its parameters, which does not come back: nothing else
    /// was found of them.
    pub(crate) left_out: Exits,
}

/// The analysis; its buffers are reused from function to function.
#[derive(Default)]
pub(crate) struct Analysis {
    found: Findings,
    /// Whether fuel is counted.
    counts_fuel: bool,
    /// Whether calls of functions by name are listed, to be decided on later.
    lists_calls: bool,
    /// Exits that are left out of the next body.
    leave_out: Exits,
    state: State,
}

impl Deref for Analysis {
    type Target = Findings;

    fn deref(&self) -> &Findings {
        &self.found
    }
}

impl DerefMut for Analysis {
    fn deref_mut(&mut self) -> &mut Findings {
        &mut self.found
    }
}

impl Findings {
    /// Something at this place calls, which the loops around it have to know.
    pub(crate) fn calls_in(&mut self, in_loop: Option<u32>) {
        self.has_calls = true;
        let mut next = in_loop;
        while let Some(index) = next {
            let info = &mut self.loops[index as usize];
            if info.has_calls {
                break;
            }
            info.has_calls = true;
            next = info.outer;
        }
    }

    /// Whether the local is written; of late ones, that is said of each.
    pub(crate) fn writes(&self, local: usize) -> bool {
        local >= 64 || self.written & (1 << local) != 0
    }

    /// Counts accesses to a memory, weighted by loop depth.
    pub(crate) fn weigh_memory(&mut self, memory: u32, weight: u32) {
        match self.memory_weight.iter_mut().find(|known| known.0 == memory) {
            Some(known) => known.1 = known.1.saturating_add(weight),
            None => self.memory_weight.push((memory, weight)),
        }
    }

    /// The locals of a loop.
    pub(crate) fn uses(&self, index: usize) -> &[Use] {
        self.uses.get(self.loops[index].uses as usize).map_or(&[], Vec::as_slice)
    }

    /// Bytes of the lists.
    pub(crate) fn bytes(&self) -> usize {
        list_bytes(&self.loops)
            + list_bytes(&self.uses)
            + self.use_count as usize * size_of::<Use>()
            + list_bytes(&self.idle)
            + list_bytes(&self.hints)
            + list_bytes(&self.dead)
            + list_bytes(&self.short_circuits)
            + list_bytes(&self.last_use)
            + list_bytes(&self.weight)
            + list_bytes(&self.needs_zero)
            + list_bytes(&self.tail_blocks)
            + list_bytes(&self.calls)
            + self.costs.bytes()
    }
}

#[derive(Default)]
struct State {
    op: u32,
    offset: usize,
    frames: Vec<Frame>,
    open_loops: Vec<u32>,
    /// Per local: (open loop, position in its `uses`).
    stamp: Vec<(u32, u32)>,
    initialized: Vec<bool>,
    init_order: Vec<u32>,
    run_of_ends: Vec<u32>,
    last_was_compare: bool,
    dead_depth: Option<usize>,
    early: Early,
    /// Whether nothing so far needs a frame.
    is_simple: bool,
    open_catches: u32,
    /// Values that operators passed that were not counted yet.
    passed: u64,
    /// Number of operators that are reached.
    reached: u32,
    params: u32,
    exits: exits::Watch,
    /// The arms of open frames that may be short circuits.
    arms: Vec<Arms>,
    /// A short circuit whose result the next operator may take.
    candidate: Option<Candidate>,
}

/// Watches whether a function begins with pure operators, an `if` and a pure arm that leaves the function.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Early {
    /// Only pure operators so far.
    #[default]
    Prefix,
    /// In the arm of the first `if`, which starts at this operator.
    Arm(u32),
    /// The arm ended here; whether the block's end is the function's end is known at the end.
    Candidate { start_op: u32, end_op: u32 },
    /// The arm ended here by leaving the function.
    Certain { end_op: u32 },
    /// No such beginning.
    No,
}

struct Frame {
    kind: FrameKind,
    /// Whether a branch goes to the frame, or the frame has values.
    is_busy: bool,
    start_op: u32,
    loop_index: u32,
    init_mark: u32,
    /// Values that a branch takes to the label.
    label_values: u32,
}

/// There may be a million of them.
const _: () = assert!(size_of::<Frame>() <= 24);

impl Analysis {
    /// Whether the costs of blocks are wanted from now on, and whether calls of functions by name are listed, to be
    /// decided on later.
    pub(crate) fn want(&mut self, counts_fuel: bool, lists_calls: bool) {
        (self.counts_fuel, self.lists_calls) = (counts_fuel, lists_calls);
    }

    /// What was found.
    pub(crate) fn found(&self) -> &Findings {
        &self.found
    }

    /// What was found, for the plan of inlined bodies to add to.
    pub(crate) fn found_mut(&mut self) -> &mut Findings {
        &mut self.found
    }

    /// Validates and analyses a body. `declare_locals` is called with the number of its locals, and `count` from time
    /// to time with the bytes that the lists take, and the values that instructions passed since then ([`passed`]).
    ///
    /// # Errors
    /// The body is invalid, or one of these two functions fails.
    pub(crate) fn run(
        &mut self,
        info: &ModuleInfo,
        ty: TypeIndex,
        job: FuncBodyJob,
        allocations: FuncValidatorAllocations,
        declare_locals: impl FnOnce(u32) -> Result<(), CompileError>,
        mut count: impl FnMut(usize, u64) -> Result<(), CompileError>,
    ) -> Result<FuncValidatorAllocations, CompileError> {
        let body = &info.bytes[job.range.clone()];
        let mut validator = job.validator.into_validator(allocations);
        let mut reader = BinaryReader::new_features(body, job.range.start, *validator.features());
        validator.read_locals(&mut reader).map_err(invalid)?;
        declare_locals(validator.len_locals())?;
        let arity = passed::of_function(info, ty);
        let params = info.types.func(ty).params.len();
        self.begin(params, validator.len_locals() as usize, arity.of_label(false));
        while !reader.eof() {
            let offset = reader.original_position();
            self.state.offset = offset;
            if !self.found.left_out.is_empty() {
                self.leave_out(validator.operand_stack_height(), &info.types.func(ty).results);
            }
            self.state.reached += u32::from(self.live());
            let result =
                reader.visit_operator(&mut Visitor { info, validator: gate(&mut validator, offset), analysis: self });
            result.map_err(invalid)?.map_err(invalid)?;
            self.height_max = self.height_max.max(validator.operand_stack_height() + self.state.open_catches);
            if self.height_max > limits::FRAME_BYTES_MAX / SLOT_BYTES_MIN {
                return Err(invalid(frame_too_large(offset)));
            }
            if self.height_max > EARLY_HEIGHT_MAX || params > EARLY_LOCALS_MAX {
                self.needs_frame();
            }
            if let Some(site) = self.found.calls.last_mut()
                && site.op == self.state.op
            {
                let results = info.types.func(site.ty).results.len();
                site.base = validator.operand_stack_height() + self.state.open_catches - results.narrow::<u32>();
            }
            self.state.op += 1;
            if self.state.op.is_multiple_of(OPERATORS_PER_COUNT) {
                count(self.bytes(), self.take_passed())?;
            }
        }
        count(self.bytes(), self.take_passed())?;
        reader.finish_expression(&validator.visitor(reader.original_position())).map_err(invalid)?;
        self.finish();
        Ok(validator.into_allocations())
    }

    /// The values that instructions passed since this was asked last.
    fn take_passed(&mut self) -> u64 {
        let passed = std::mem::take(&mut self.state.passed);
        self.found.passed += passed;
        passed
    }

    /// Bytes of the lists.
    pub(crate) fn bytes(&self) -> usize {
        let state = &self.state;
        self.found.bytes()
            + list_bytes(&state.frames)
            + list_bytes(&state.open_loops)
            + list_bytes(&state.stamp)
            + list_bytes(&state.initialized)
            + list_bytes(&state.init_order)
            + list_bytes(&state.run_of_ends)
            + list_bytes(&state.arms)
    }

    fn begin(&mut self, params: usize, locals: usize, label_values: u32) {
        self.use_count = 0;
        let Analysis { found, state, .. } = self;
        let Findings {
            loops, uses, idle, hints, dead, last_use, weight, needs_zero, tail_blocks, short_circuits, ..
        } = found;
        loops.clear();
        uses.clear();
        idle.clear();
        hints.clear();
        dead.clear();
        tail_blocks.clear();
        short_circuits.clear();
        refill(last_use, locals, 0);
        refill(weight, locals, 0);
        refill(needs_zero, locals, false);
        refill(&mut state.stamp, locals, (NOWHERE, 0));
        refill(&mut state.initialized, locals, false);
        state.initialized[..params].fill(true);
        state.frames.clear();
        let (kind, loop_index) = (FrameKind::Block, NOWHERE);
        let function = Frame { kind, is_busy: true, start_op: 0, loop_index, init_mark: 0, label_values };
        state.frames.push(function);
        state.open_loops.clear();
        state.init_order.clear();
        state.run_of_ends.clear();
        (state.op, state.last_was_compare, state.dead_depth, state.early) = (0, false, None, Early::Prefix);
        state.is_simple = true;
        state.open_catches = 0;
        state.passed = 0;
        self.memory_weight.clear();
        (self.height_max, self.has_calls, self.uses_memory0) = (0, false, false);
        self.calls.clear();
        self.exits.clear();
        self.found.left_out = std::mem::take(&mut self.leave_out);
        (self.state.reached, self.state.params) = (0, params.narrow());
        self.state.exits = exits::Watch::default();
        self.state.candidate = None;
        self.state.arms.clear();
        (self.operators, self.heavy, self.written, self.passed) = (0, 0, 0, 0);
        (self.early_leaves, self.unwinds) = (0, false);
        (self.early_exit, self.has_cold_calls) = (None, false);
        self.costs.clear();
    }

    fn finish(&mut self) {
        self.operators = self.state.reached;
        for last in &mut self.found.last_use {
            if *last & IN_LOOP != 0 {
                *last = self.found.loops[(*last & !IN_LOOP) as usize].end_op;
            }
        }
        self.tail_blocks.sort_unstable();
        self.idle.sort_unstable();
        self.short_circuits.sort_unstable_by_key(|short| short.if_op);
        self.early_exit = match self.state.early {
            _ if self.state.is_simple => Some(ALL),
            Early::Certain { end_op } => Some(end_op),
            Early::Candidate { start_op, end_op } => {
                self.tail_blocks.binary_search(&start_op).is_ok().then_some(end_op)
            }
            _ => None,
        };
    }

    fn live(&self) -> bool {
        self.state.dead_depth.is_none()
    }

    fn read(&mut self, local: u32) {
        if self.live() {
            if !self.state.initialized[local as usize] {
                self.needs_zero[local as usize] = true;
                self.needs_frame();
            }
            self.touch(local, true, false);
        }
    }

    fn write(&mut self, local: u32) {
        if local as usize >= EARLY_LOCALS_MAX {
            self.needs_frame();
        }
        if !self.live() {
            return;
        }
        if self.state.op > 0 {
            self.found.hints.push((self.state.op - 1, Hint::Local(local)));
        }
        if local < 64 {
            self.written |= 1 << local;
        }
        if local < self.state.params {
            self.has_effect();
        }
        if !self.state.initialized[local as usize] {
            self.state.initialized[local as usize] = true;
            self.state.init_order.push(local);
        }
        self.touch(local, false, true);
    }

    fn call(&mut self) {
        self.needs_frame();
        if self.live() {
            self.found.calls_in(self.state.open_loops.last().copied());
        }
    }

    /// A call of a function by name.
    fn call_of(&mut self, info: &ModuleInfo, function: u32) {
        if !self.lists_calls {
            return self.call();
        }
        self.needs_frame();
        self.list_call(Some(function), info.functions[function as usize]);
    }

    /// A call of a function of this type by a reference.
    fn call_by_reference(&mut self, ty: TypeIndex) {
        if self.lists_calls {
            self.list_call(None, ty);
        }
    }

    fn list_call(&mut self, function: Option<u32>, ty: TypeIndex) {
        if self.live() {
            let (op, in_loop) = (self.state.op, self.state.open_loops.last().copied());
            // The base is known when the operator was validated.
            self.calls.push(CallSite { op, function, ty, base: 0, in_loop });
        }
    }

    /// The body throws, catches, or leaves by a tail call.
    fn unwinds(&mut self) {
        self.unwinds |= self.live();
    }

    /// A return, or a branch to the function's frame.
    fn leaves_body(&mut self) {
        if self.live() && self.state.frames.len() > 1 {
            self.early_leaves += 1;
        }
    }

    /// The body ends, by a `return` or its `end`.
    fn ends_body(&mut self) {
        if self.lists_calls && self.live() && self.state.frames.len() == 1 && self.state.last_was_compare {
            self.found.hints.push((self.state.op - 1, Hint::Ends));
        }
    }

    fn wants_flags(&mut self) {
        if self.live() && self.state.last_was_compare {
            self.found.hints.push((self.state.op - 1, Hint::Branch));
        }
    }

    /// A branch goes to the frame that `depth` others lie between; `always` if it is a `br`.
    fn branches_to(&mut self, depth: u32, always: bool) {
        if self.counts_fuel {
            let is_reached = self.live();
            self.costs.branch(depth, always && is_reached);
        }
        self.branches_out(depth);
        if depth as usize + 1 == self.state.frames.len() && self.live() {
            // Of the branch itself, or of one that falls through at the top level.
            self.early_leaves += 1;
        }
        let frames = &mut self.state.frames;
        if let Some(frame) = frames.len().checked_sub(1 + depth as usize).and_then(|index| frames.get_mut(index)) {
            frame.is_busy = true;
            self.label_is_used(depth);
        }
    }

    fn enter(&mut self, info: &ModuleInfo, kind: FrameKind, ty: BlockType) {
        let is_loop = kind == FrameKind::Loop;
        let mut loop_index = NOWHERE;
        if is_loop && self.live() {
            loop_index = self.loops.len().narrow();
            let start_op = self.state.op;
            let outer = self.state.open_loops.last().copied();
            self.loops.push(LoopInfo { start_op, end_op: 0, has_calls: false, outer, uses: NOWHERE });
            self.state.open_loops.push(loop_index);
        }
        let init_mark = self.state.init_order.len().narrow();
        // Code that is not reached is not compiled, so a frame there is not listed as idle.
        let is_busy = ty != BlockType::Empty || !matches!(kind, FrameKind::Block | FrameKind::Loop) || !self.live();
        let label_values = passed::of_block(info, ty).of_label(is_loop);
        let start_op = self.state.op;
        if kind == FrameKind::If {
            self.begin_if();
        }
        self.state.frames.push(Frame { kind, is_busy, start_op, loop_index, init_mark, label_values });
        self.begin_arms(kind, ty);
        if self.counts_fuel {
            self.costs.enter(matches!(kind, FrameKind::LegacyTry | FrameKind::TryTable));
        }
    }

    fn forget_initialized(&mut self, mark: usize) {
        for local in self.state.init_order.drain(mark..) {
            self.state.initialized[local as usize] = false;
        }
    }

    /// `else`, or a legacy catch: the arm ends, the frame stays.
    fn next_arm(&mut self, kind: FrameKind) {
        self.arm_ends();
        self.first_arm_ends();
        self.exit_ends(kind == FrameKind::Else);
        self.revive();
        let Some(frame) = self.state.frames.last_mut() else { return };
        self.state.open_catches += (frame.kind == FrameKind::LegacyTry) as u32;
        frame.kind = kind;
        let mark = frame.init_mark;
        self.forget_initialized(mark as usize);
        if self.counts_fuel {
            self.costs.begin_catch();
        }
    }

    fn revive(&mut self) {
        if self.state.dead_depth == Some(self.state.frames.len()) {
            self.state.dead_depth = None;
            self.found.dead.push((self.state.op, self.state.offset.narrow()));
        }
    }

    fn leave(&mut self) {
        self.arm_ends();
        self.arms_end();
        self.exit_ends(false);
        self.revive();
        let Some(frame) = self.state.frames.pop() else { return };
        self.state.open_catches -= matches!(frame.kind, FrameKind::LegacyCatch | FrameKind::LegacyCatchAll) as u32;
        self.forget_initialized(frame.init_mark as usize);
        if !frame.is_busy {
            self.idle.push(frame.start_op);
        }
        if self.counts_fuel && self.costs.leave() == Ending::Left && frame.is_busy && frame.kind != FrameKind::Loop {
            self.ends_block(false);
        }
        if frame.loop_index != NOWHERE {
            self.close_loop(frame.loop_index);
        }
        if self.state.frames.is_empty() {
            self.found.tail_blocks.append(&mut self.state.run_of_ends);
        } else {
            self.state.run_of_ends.push(frame.start_op);
        }
    }

    /// The block of straight-line code ends with this operator.
    fn ends_block(&mut self, is_loop: bool) {
        if self.counts_fuel {
            self.found.costs.border(self.state.op, is_loop);
        }
    }

    fn returns(&mut self) {
        self.branches_out(self.state.frames.len().narrow::<u32>() - 1);
        if self.counts_fuel {
            self.costs.leave_function();
        }
        self.terminate();
    }

    fn throws(&mut self) {
        if self.counts_fuel {
            self.costs.throw();
        }
        self.terminate();
    }

    fn terminate(&mut self) {
        if self.live() {
            self.state.dead_depth = Some(self.state.frames.len());
        }
    }
}

/// The error for a function whose frame would be larger than the limit; `offset` lies in its body.
pub(crate) fn frame_too_large(offset: usize) -> ModuleError {
    let limit = limits::FRAME_BYTES_MAX;
    ModuleError::at(offset, format!("locals and operands of the function take more than the limit of {limit} bytes"))
}

/// Whether a struct is too large to be allocated inline: the runtime is called for it.
pub(crate) fn struct_by_call(info: &ModuleInfo, ty: TypeIndex) -> bool {
    info.types.layout(ty).object_bytes() > space::INLINE_BYTES_MAX
}

/// Whether an array of `count` elements is too large to be allocated inline: the runtime is called for it.
pub(crate) fn array_by_call(info: &ModuleInfo, ty: TypeIndex, count: u32) -> bool {
    array_bytes(info.types.element(ty).storage.field_kind().shift(), count) > space::INLINE_BYTES_MAX as u64
}

fn refill<T: Clone>(list: &mut Vec<T>, len: usize, value: T) {
    list.clear();
    list.resize(len, value);
}
