//! Validation and first look in one decode: what the one code-generating pass must know ahead.
//!
//! 1. Each operator is validated, then looked at; nothing is kept per operator but hints and dead ranges.
//! 2. A loop collects how often it reads and writes each local (inner loops count eightfold) and whether it calls.
//! 3. Reads inside loops keep a local alive to the end of the outermost loop; other reads to their own position.
//! 4. Code behind an unconditional branch is skipped by the second pass: its end is noted.
//!
//! All tables are linear in the body's size.

use heapwood_module::{FuncBodyJob, ModuleInfo};
use wasmparser::{
    BinaryReader, BinaryReaderError, FrameKind, FrameStack, FuncValidatorAllocations, VisitOperator, VisitSimdOperator,
};

/// What the next operator does with this operator's result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Hint {
    /// `local.set`/`local.tee` of this local.
    Local(u32),
    /// `br_if`, `if`, `select` or `i32.eqz`: flags will do.
    Branch,
}

/// Use of a local in a loop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Use {
    pub(crate) local: u32,
    pub(crate) weight: u32,
    pub(crate) written: bool,
    /// The local's stamp before this loop saw it: (open loop, position in its list).
    outer: (u32, u32),
}

/// A loop, in the order of the `loop` operators.
#[derive(Clone, Debug, Default)]
pub(crate) struct LoopInfo {
    pub(crate) start_op: u32,
    /// Operator index of its `end`.
    pub(crate) end_op: u32,
    /// Contains calls of functions or of the runtime.
    pub(crate) has_calls: bool,
    /// Its locals, heaviest first (at most [`USES_MAX`] from inner loops).
    pub(crate) uses: Vec<Use>,
}

const USES_MAX: usize = 48;
/// An early exit has so few operands and parameters that all of them have registers.
const EARLY_HEIGHT_MAX: u32 = 3;
const EARLY_PARAMS_MAX: usize = 3;
const NOWHERE: u32 = u32::MAX;
const IN_LOOP: u32 = 1 << 31;

/// The result of the first look; reused from function to function.
#[derive(Default)]
pub(crate) struct FirstLook {
    pub(crate) loops: Vec<LoopInfo>,
    /// (operator index, hint), ascending.
    pub(crate) hints: Vec<(u32, Hint)>,
    /// After the n-th unconditional branch: operator index and offset of the `else` or `end` that follows.
    pub(crate) dead: Vec<(u32, u32)>,
    /// Per local: index of the last operator that may read it, or 0.
    pub(crate) last_use: Vec<u32>,
    /// Per local: reads and writes, weighted by loop depth.
    pub(crate) weight: Vec<u32>,
    /// Per local: may be read before it is written.
    pub(crate) needs_zero: Vec<bool>,
    /// Operator indices of blocks whose end is the function's end.
    pub(crate) tail_blocks: Vec<u32>,
    /// Largest operand stack height.
    pub(crate) height_max: u32,
    pub(crate) has_calls: bool,
    pub(crate) uses_memory0: bool,
    pub(crate) uses_v128: bool,
    /// The function begins with an early exit that needs no frame: the operator (`else` or `end`) where it is over.
    pub(crate) early_exit: Option<u32>,
    /// Contains code that calls the runtime out of line, or catches exceptions.
    pub(crate) has_cold_calls: bool,
    state: State,
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
    start_op: u32,
    loop_index: u32,
    init_mark: usize,
}

impl FirstLook {
    /// Validates a body and looks at it.
    pub(crate) fn run(
        &mut self,
        info: &ModuleInfo,
        params: usize,
        job: FuncBodyJob,
        allocations: FuncValidatorAllocations,
    ) -> Result<FuncValidatorAllocations, BinaryReaderError> {
        let body = &info.bytes[job.range.clone()];
        let mut validator = job.validator.into_validator(allocations);
        let mut reader = BinaryReader::new_features(body, job.range.start, *validator.features());
        validator.read_locals(&mut reader)?;
        self.begin(params, validator.len_locals() as usize);
        while !reader.eof() {
            let offset = reader.original_position();
            self.state.offset = offset;
            let result = reader.visit_operator(&mut Look { validator: validator.simd_visitor(offset), look: self })?;
            result?;
            self.height_max = self.height_max.max(validator.operand_stack_height());
            if self.height_max > EARLY_HEIGHT_MAX || params > EARLY_PARAMS_MAX {
                self.not_pure();
            }
            self.state.op += 1;
        }
        reader.finish_expression(&validator.visitor(reader.original_position()))?;
        self.finish();
        Ok(validator.into_allocations())
    }

    fn begin(&mut self, params: usize, locals: usize) {
        let FirstLook { loops, hints, dead, last_use, weight, needs_zero, tail_blocks, state, .. } = self;
        loops.clear();
        hints.clear();
        dead.clear();
        tail_blocks.clear();
        refill(last_use, locals, 0);
        refill(weight, locals, 0);
        refill(needs_zero, locals, false);
        refill(&mut state.stamp, locals, (NOWHERE, 0));
        refill(&mut state.initialized, locals, false);
        state.initialized[..params].fill(true);
        state.frames.clear();
        state.frames.push(Frame { kind: FrameKind::Block, start_op: 0, loop_index: NOWHERE, init_mark: 0 });
        state.open_loops.clear();
        state.init_order.clear();
        state.run_of_ends.clear();
        (state.op, state.last_was_compare, state.dead_depth, state.early) = (0, false, None, Early::Prefix);
        (self.height_max, self.has_calls, self.uses_memory0, self.uses_v128) = (0, false, false, false);
        (self.early_exit, self.has_cold_calls) = (None, false);
    }

    fn finish(&mut self) {
        for last in &mut self.last_use {
            if *last & IN_LOOP != 0 {
                *last = self.loops[(*last & !IN_LOOP) as usize].end_op;
            }
        }
        self.tail_blocks.sort_unstable();
        self.early_exit = match self.state.early {
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

    fn touch(&mut self, local: u32, read: bool, written: bool) {
        let depth = self.state.open_loops.len().min(4) as u32;
        let weight = &mut self.weight[local as usize];
        *weight = weight.saturating_add(1 << (3 * depth));
        if read {
            let last = match self.state.open_loops.first() {
                Some(outermost) => IN_LOOP | outermost,
                None => self.state.op,
            };
            self.last_use[local as usize] = last;
        }
        let Some(&open) = self.state.open_loops.last() else { return };
        let stamp = &mut self.state.stamp[local as usize];
        let uses = &mut self.loops[open as usize].uses;
        if stamp.0 == open {
            let entry = &mut uses[stamp.1 as usize];
            entry.weight = entry.weight.saturating_add(1);
            entry.written |= written;
        } else {
            uses.push(Use { local, weight: 1, written, outer: *stamp });
            *stamp = (open, uses.len() as u32 - 1);
        }
    }

    fn read(&mut self, local: u32) {
        if self.live() {
            if !self.state.initialized[local as usize] {
                self.needs_zero[local as usize] = true;
                self.not_pure();
            }
            self.touch(local, true, false);
        }
    }

    fn write(&mut self, local: u32) {
        self.not_pure();
        if !self.live() {
            return;
        }
        if self.state.op > 0 {
            self.hints.push((self.state.op - 1, Hint::Local(local)));
        }
        if !self.state.initialized[local as usize] {
            self.state.initialized[local as usize] = true;
            self.state.init_order.push(local);
        }
        self.touch(local, false, true);
    }

    fn call(&mut self) {
        self.not_pure();
        if self.live() {
            self.has_calls = true;
            for index in self.state.open_loops.iter().rev() {
                let info = &mut self.loops[*index as usize];
                if info.has_calls {
                    break;
                }
                info.has_calls = true;
            }
        }
    }

    fn wants_flags(&mut self) {
        if self.live() && self.state.last_was_compare {
            self.hints.push((self.state.op - 1, Hint::Branch));
        }
    }

    fn enter(&mut self, kind: FrameKind) {
        let is_loop = kind == FrameKind::Loop;
        let mut loop_index = NOWHERE;
        if is_loop && self.live() {
            loop_index = self.loops.len() as u32;
            self.loops.push(LoopInfo { start_op: self.state.op, ..LoopInfo::default() });
            self.state.open_loops.push(loop_index);
        }
        let init_mark = self.state.init_order.len();
        self.state.frames.push(Frame { kind, start_op: self.state.op, loop_index, init_mark });
    }

    fn forget_initialized(&mut self, mark: usize) {
        for local in self.state.init_order.drain(mark..) {
            self.state.initialized[local as usize] = false;
        }
    }

    /// `else`, or a legacy catch: the arm ends, the frame stays.
    fn next_arm(&mut self, kind: FrameKind) {
        self.arm_ends();
        self.revive();
        let Some(frame) = self.state.frames.last_mut() else { return };
        frame.kind = kind;
        let mark = frame.init_mark;
        self.forget_initialized(mark);
    }

    fn revive(&mut self) {
        if self.state.dead_depth == Some(self.state.frames.len()) {
            self.state.dead_depth = None;
            self.dead.push((self.state.op, self.state.offset as u32));
        }
    }

    fn leave(&mut self) {
        self.arm_ends();
        self.revive();
        let Some(frame) = self.state.frames.pop() else { return };
        self.forget_initialized(frame.init_mark);
        if frame.loop_index != NOWHERE {
            self.close_loop(frame.loop_index);
        }
        if self.state.frames.is_empty() {
            self.tail_blocks.append(&mut self.state.run_of_ends);
        } else {
            self.state.run_of_ends.push(frame.start_op);
        }
    }

    /// Hands a closed loop's uses to the enclosing loop, eightfold, and restores the stamps.
    fn close_loop(&mut self, index: u32) {
        self.state.open_loops.pop();
        let parent = self.state.open_loops.last().copied();
        self.loops[index as usize].end_op = self.state.op;
        let mut uses = std::mem::take(&mut self.loops[index as usize].uses);
        uses.sort_unstable_by_key(|u| (std::cmp::Reverse(u.weight), u.local));
        for (rank, used) in uses.iter().enumerate() {
            let stamp = &mut self.state.stamp[used.local as usize];
            *stamp = used.outer;
            let Some(parent) = parent else { continue };
            let outer = &mut self.loops[parent as usize].uses;
            if used.outer.0 == parent {
                let entry = &mut outer[used.outer.1 as usize];
                entry.weight = entry.weight.saturating_add(used.weight.saturating_mul(8));
                entry.written |= used.written;
            } else if rank < USES_MAX {
                outer.push(Use { weight: used.weight.saturating_mul(8), ..*used });
                *stamp = (parent, outer.len() as u32 - 1);
            }
        }
        self.loops[index as usize].uses = uses;
    }

    fn terminate(&mut self) {
        if self.live() {
            self.state.dead_depth = Some(self.state.frames.len());
        }
    }
}

fn refill<T: Clone>(list: &mut Vec<T>, len: usize, value: T) {
    list.clear();
    list.resize(len, value);
}

/// One operator: validated, then looked at.
struct Look<'l, V> {
    validator: V,
    look: &'l mut FirstLook,
}

impl<V> FrameStack for Look<'_, V> {
    fn current_frame(&self) -> Option<FrameKind> {
        self.look.state.frames.last().map(|frame| frame.kind)
    }
}

/// What the look does at one operator, by its name.
macro_rules! look {
    ($look:ident Block $($arg:ident)*) => {{
        $look.not_pure();
        $look.enter(FrameKind::Block)
    }};
    ($look:ident If $($arg:ident)*) => {{
        $look.wants_flags();
        $look.first_if();
        $look.enter(FrameKind::If)
    }};
    ($look:ident TryTable $($arg:ident)*) => {{
        $look.not_pure();
        $look.has_cold_calls = true;
        $look.enter(FrameKind::TryTable)
    }};
    ($look:ident Try $($arg:ident)*) => {{
        $look.not_pure();
        $look.enter(FrameKind::LegacyTry)
    }};
    ($look:ident Catch $tag:ident) => {
        $look.next_arm(FrameKind::LegacyCatch)
    };
    ($look:ident CatchAll) => {
        $look.next_arm(FrameKind::LegacyCatchAll)
    };
    ($look:ident Delegate $depth:ident) => {
        $look.leave()
    };
    ($look:ident Rethrow $depth:ident) => {{
        $look.call();
        $look.terminate()
    }};
    ($look:ident Loop $($arg:ident)*) => {{
        $look.not_pure();
        $look.enter(FrameKind::Loop)
    }};
    ($look:ident Else) => {
        $look.next_arm(FrameKind::Else)
    };
    ($look:ident End) => {
        $look.leave()
    };
    ($look:ident LocalGet $local:ident) => {
        $look.read($local)
    };
    ($look:ident LocalSet $local:ident) => {
        $look.write($local)
    };
    ($look:ident LocalTee $local:ident) => {
        $look.write($local)
    };
    ($look:ident Unreachable) => {
        $look.terminate()
    };
    ($look:ident Br $depth:ident) => {{
        $look.not_pure();
        $look.terminate()
    }};
    ($look:ident BrTable $targets:ident) => {{
        $look.not_pure();
        $look.terminate()
    }};
    ($look:ident Return) => {
        $look.terminate()
    };
    ($look:ident ReturnCall $f:ident) => {{
        $look.call();
        $look.terminate()
    }};
    ($look:ident ReturnCallIndirect $t:ident $i:ident) => {{
        $look.call();
        $look.terminate()
    }};
    ($look:ident ReturnCallRef $t:ident) => {{
        $look.call();
        $look.terminate()
    }};
    ($look:ident Throw $tag:ident) => {{
        $look.call();
        $look.terminate()
    }};
    ($look:ident ThrowRef) => {{
        $look.call();
        $look.terminate()
    }};
    ($look:ident BrIf $depth:ident) => {{
        $look.wants_flags();
        $look.not_pure()
    }};
    ($look:ident Select) => {{
        $look.not_pure();
        $look.wants_flags()
    }};
    ($look:ident TypedSelect $ty:ident) => {{
        $look.not_pure();
        $look.wants_flags()
    }};
    ($look:ident I32Eqz) => {
        $look.wants_flags()
    };
    ($look:ident Call $f:ident) => {
        $look.call()
    };
    ($look:ident CallIndirect $t:ident $i:ident) => {
        $look.call()
    };
    ($look:ident CallRef $t:ident) => {
        $look.call()
    };
    ($look:ident MemoryGrow $($arg:ident)*) => {
        $look.call()
    };
    ($look:ident MemoryFill $($arg:ident)*) => {
        $look.call()
    };
    ($look:ident MemoryCopy $($arg:ident)*) => {
        $look.call()
    };
    ($look:ident MemoryInit $($arg:ident)*) => {
        $look.call()
    };
    ($look:ident DataDrop $($arg:ident)*) => {
        $look.call()
    };
    ($look:ident TableSet $($arg:ident)*) => {
        $look.call()
    };
    ($look:ident TableGrow $($arg:ident)*) => {
        $look.call()
    };
    ($look:ident TableFill $($arg:ident)*) => {
        $look.call()
    };
    ($look:ident TableCopy $($arg:ident)*) => {
        $look.call()
    };
    ($look:ident TableInit $($arg:ident)*) => {
        $look.call()
    };
    ($look:ident ElemDrop $($arg:ident)*) => {
        $look.call()
    };
    ($look:ident ArrayCopy $($arg:ident)*) => {
        $look.call()
    };
    ($look:ident ArrayFill $($arg:ident)*) => {
        $look.call()
    };
    ($look:ident ArrayNewData $($arg:ident)*) => {
        $look.call()
    };
    ($look:ident ArrayNewElem $($arg:ident)*) => {
        $look.call()
    };
    ($look:ident ArrayInitData $($arg:ident)*) => {
        $look.call()
    };
    ($look:ident ArrayInitElem $($arg:ident)*) => {
        $look.call()
    };
    ($look:ident $other:ident $memarg:ident) => {
        $look.one(class(stringify!($other)), &$memarg)
    };
    ($look:ident $other:ident $memarg:ident $lane:ident) => {
        $look.one(class(stringify!($other)), &$memarg)
    };
    ($look:ident $other:ident $($arg:ident)*) => {
        $look.plain(class(stringify!($other)))
    };
}

/// What else the look wants to know of an operator.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Compare,
    Pure,
    Other,
}

/// Operators whose result can stay in the flags.
const COMPARES: &[&str] = &[
    "I32Eqz",
    "I32Eq",
    "I32Ne",
    "I32LtS",
    "I32LtU",
    "I32GtS",
    "I32GtU",
    "I32LeS",
    "I32LeU",
    "I32GeS",
    "I32GeU",
    "I64Eqz",
    "I64Eq",
    "I64Ne",
    "I64LtS",
    "I64LtU",
    "I64GtS",
    "I64GtU",
    "I64LeS",
    "I64LeU",
    "I64GeS",
    "I64GeU",
    "F32Lt",
    "F32Gt",
    "F32Le",
    "F32Ge",
    "F64Lt",
    "F64Gt",
    "F64Le",
    "F64Ge",
    "RefIsNull",
    "RefEq",
    "RefTestNonNull",
    "V128AnyTrue",
    "I8x16AllTrue",
    "I16x8AllTrue",
    "I32x4AllTrue",
    "I64x2AllTrue",
];

/// Operators that a function may execute before its frame exists.
const PURE: &[&str] = &[
    "I32Const",
    "I64Const",
    "F64Const",
    "I32Add",
    "I32Sub",
    "I32And",
    "I32Or",
    "I32Xor",
    "I64Add",
    "I64Sub",
    "I64ExtendI32S",
    "I64ExtendI32U",
    "I32WrapI64",
    "RefNull",
    "RefAsNonNull",
    "StructGet",
    "StructGetS",
    "StructGetU",
    "StructNew",
    "StructNewDefault",
    "ArrayLen",
];

/// Operators that call the runtime out of line.
const COLD_CALLS: &[&str] = &[
    "ArrayNew",
    "ArrayNewDefault",
    "RefTestNonNull",
    "RefTestNullable",
    "RefCastNonNull",
    "RefCastNullable",
    "BrOnCast",
    "BrOnCastFail",
];

const fn contains(list: &[&str], name: &str) -> bool {
    let (mut i, name) = (0, name.as_bytes());
    while i < list.len() {
        let candidate = list[i].as_bytes();
        let (mut j, mut same) = (0, candidate.len() == name.len());
        while same && j < name.len() {
            same = candidate[j] == name[j];
            j += 1;
        }
        if same {
            return true;
        }
        i += 1;
    }
    false
}

const fn class(name: &str) -> Class {
    if contains(COMPARES, name) {
        Class::Compare
    } else if contains(PURE, name) {
        Class::Pure
    } else {
        Class::Other
    }
}

/// An immediate that may be a memory argument.
trait Immediate {
    fn memory(&self) -> Option<u32> {
        None
    }
}

impl Immediate for wasmparser::MemArg {
    fn memory(&self) -> Option<u32> {
        Some(self.memory)
    }
}

macro_rules! plain_immediates {
    ($($ty:ty),*) => { $(impl Immediate for $ty {})* };
}
plain_immediates!(
    u32,
    i32,
    i64,
    u8,
    [u8; 16],
    wasmparser::Ieee32,
    wasmparser::Ieee64,
    wasmparser::V128,
    wasmparser::BlockType,
    wasmparser::HeapType,
    wasmparser::ValType,
    wasmparser::RefType,
    wasmparser::Ordering,
    wasmparser::BrTable<'_>,
    wasmparser::TryTable,
    wasmparser::ResumeTable,
    Vec<wasmparser::ValType>
);

impl FirstLook {
    fn plain(&mut self, class: Class) {
        self.state.last_was_compare = class == Class::Compare;
        if class == Class::Other {
            self.not_pure();
        }
    }

    fn one(&mut self, class: Class, immediate: &impl Immediate) {
        self.plain(class);
        if immediate.memory() == Some(0) {
            self.uses_memory0 = true;
        }
    }

    fn not_pure(&mut self) {
        if matches!(self.state.early, Early::Prefix | Early::Arm(_)) {
            self.state.early = Early::No;
        }
    }

    fn first_if(&mut self) {
        self.state.early = match self.state.early {
            Early::Prefix => Early::Arm(self.state.op),
            Early::Arm(_) => Early::No,
            other => other,
        };
    }

    /// The `else` or `end` of a block: perhaps of the early arm.
    fn arm_ends(&mut self) {
        if let (Early::Arm(start_op), Some(frame)) = (self.state.early, self.state.frames.last()) {
            let end_op = self.state.op;
            self.state.early = match (frame.start_op == start_op, self.state.dead_depth) {
                (true, Some(_)) => Early::Certain { end_op },
                (true, None) => Early::Candidate { start_op, end_op },
                _ => Early::No,
            };
        }
    }
}

macro_rules! visit_all {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
        $(fn $visit(&mut self $($(,$arg: $argty)*)?) -> Self::Output {
            self.validator.$visit($($($arg.clone()),*)?)?;
            let look = &mut *self.look;
            const NAME: &str = stringify!($op);
            let is_end = matches!(NAME.as_bytes(), b"End");
            if const { contains(COLD_CALLS, NAME) } {
                look.has_cold_calls = true;
            }
            look!(look $op $($($arg)*)?);
            look.state.last_was_compare = const { matches!(class(NAME), Class::Compare) };
            if !is_end {
                look.state.run_of_ends.clear();
            }
            Ok(())
        })*
    };
}

#[allow(unused_variables, clippy::clone_on_copy, reason = "one expansion serves operators with and without immediates")]
impl<'a, V> VisitOperator<'a> for Look<'_, V>
where
    V: VisitSimdOperator<'a, Output = Result<(), BinaryReaderError>>,
{
    type Output = Result<(), BinaryReaderError>;

    fn simd_visitor(&mut self) -> Option<&mut dyn VisitSimdOperator<'a, Output = Self::Output>> {
        Some(self)
    }

    wasmparser::for_each_visit_operator!(visit_all);
}

#[allow(unused_variables, clippy::clone_on_copy, reason = "one expansion serves operators with and without immediates")]
impl<'a, V> VisitSimdOperator<'a> for Look<'_, V>
where
    V: VisitSimdOperator<'a, Output = Result<(), BinaryReaderError>>,
{
    wasmparser::for_each_visit_simd_operator!(visit_all);
}
