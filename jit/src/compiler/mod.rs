//! The compiler proper: one pass over a validated body.
//!
//! Layering, from the bottom:
//! 1. `state`: registers, locals, operands as data; `values`: pop, push, allocate, spill, load; `stored`: stores.
//! 2. `moves`: parallel moves; `edges`: bringing the state of a branch to that of its label.
//! 3. `frame`: prologue, epilogue, records; `call`: calls of guests and of the runtime, safe points;
//!    `fresh`: allocation.
//! 4. One file per chapter of instructions: `control`, `variable`, `integer`, `float`, `convert`, `memory`, `atomic`,
//!    `table`, `structs`, `arrays`, `casts`, `exceptions`, `legacy`, `wide`, `simd`; `visitor` maps operators to them.

mod arrays;
mod atomic;
mod call;
mod casts;
mod check;
mod control;
mod convert;
mod declared;
mod division;
mod edges;
mod exceptions;
mod float;
mod frame;
mod fresh;
mod guest_checks;
mod integer;
mod legacy;
mod memory;
mod moves;
mod parametric;
mod simd;
mod state;
mod stored;
mod structs;
mod table;
mod tail_calls;
mod values;
mod variable;
mod visitor;
mod visitor_simd;
mod wide;
mod working_memory;

use crate::abi::{
    CallLayout, CompiledFunction, FRAME_BYTES_UNCOMPARED, FunctionRecord, Relocation, RelocationTarget, SafePoint,
    TrapKind,
};
use crate::asm::{Assembler, Label, Position, Section};
use crate::budget::{Budget, BudgetExceeded, Share, TooManyLocals};
use crate::cpu::CpuFeatures;
use crate::first_look::{FirstLook, frame_too_large};
use crate::operators::Facts;
use control::Control;
use heapwood_gc_abi::Narrow;
use heapwood_module::{BranchHint, ContextLayout, FuncBodyJob, FuncType, ModuleError, ModuleInfo, ValType, limits};
use smallvec::SmallVec;
use state::{Local, Operand, Registers};
use std::cell::Cell;
use std::ops::Range;
use wasmparser::{BinaryReader, FuncValidatorAllocations, WasmFeatures};
pub(crate) use working_memory::{CODE_BYTES_MAX, OPERATORS_PER_COUNT};

/// What compiling a function needs of its module.
#[derive(Clone, Copy)]
pub struct CompileEnv<'a> {
    /// The module.
    pub info: &'a ModuleInfo,
    /// Layout of its instances' contexts.
    pub context: &'a ContextLayout,
    /// Options.
    pub options: CompileOptions,
    /// What all functions of the module may take.
    pub budget: &'a Budget,
}

/// Options of the compiler.
#[derive(Clone, Copy, Default, Debug)]
pub struct CompileOptions {
    /// Recount registers and slots after each instruction, also in release builds; compiled code checks itself.
    pub debug_checks: bool,
    /// What the machine has.
    pub cpu: CpuFeatures,
    /// Record the source position of every instruction, for `inspect --asm`.
    pub source_map: bool,
    /// 64-bit memories have guarded reservations (see [`crate::abi::MEMORY64_REACH_LOG2`]).
    pub memory64_guard: bool,
    /// Instructions get no registers but those that are left beside a loop with as many pinned locals as there may be.
    pub few_registers: bool,
    /// Breaks every stack map on purpose: its last slot is missing. The checkers must notice.
    #[cfg(feature = "test-hooks")]
    pub drop_last_slot: bool,
    /// Leaves what the runtime answers as 64 bits where it is an i32. Guest checks must notice.
    #[cfg(feature = "test-hooks")]
    pub skip_zero_extension: bool,
}

/// Bytes of a body up to which the validator's buffers are kept for the next one.
const KEPT_VALIDATOR_BODY_MAX: usize = 1 << 20;
/// So many operands may be in registers, aliases of locals or references out of their slots: what scans them is bounded.
const OPEN_OPERANDS_MAX: usize = 128;

/// Buffers reused from function to function.
#[derive(Default)]
pub struct Scratch {
    look: FirstLook,
    validator: Option<FuncValidatorAllocations>,
    asm: Assembler,
    buffers: Buffers,
    /// What these buffers count in the budget of the module that is compiled.
    share: Share,
}

/// Lists of the compiler, emptied between functions.
#[derive(Default)]
struct Buffers {
    locals: Vec<Local>,
    stack: Vec<Operand>,
    ref_heights: Vec<u32>,
    control: Vec<Control>,
    relocations: Vec<(Position, RelocationTarget)>,
    safe_points: Vec<PendingSafePoint>,
    traps: Vec<PendingTrap>,
    trap_labels: Vec<(TrapKind, u32, bool, Label)>,
    pads: Vec<exceptions::Pad>,
    copies: moves::SharedCopies,
}

/// Why a function was not compiled.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CompileError {
    /// The body is malformed or invalid.
    #[error("{message} (at offset {offset:#x})")]
    Invalid {
        /// Offset in the module's bytes.
        offset: usize,
        /// The validator's reason.
        message: String,
    },
    /// A valid instruction that this version cannot compile.
    #[error("{what} is not supported yet (at offset {offset:#x})")]
    Unsupported {
        /// Offset in the module's bytes.
        offset: usize,
        /// Name of the instruction or feature.
        what: String,
    },
    /// Compiling the module takes more memory than it may.
    #[error("compiling takes {} bytes of code and working memory: the budget has {}", .0.used, .0.limit)]
    Budget(BudgetExceeded),
    /// The functions of the module declare too many locals together.
    #[error("the functions declare more than {} locals together", .0.max)]
    Locals(TooManyLocals),
    /// The machine code of one function is too large.
    #[error("a function has more than {CODE_BYTES_MAX} bytes of machine code")]
    Code,
}

/// A safe point whose position is not final yet.
struct PendingSafePoint {
    at: Position,
    handler: Option<u32>,
    point: SafePoint,
}

/// A trap site whose position is not final yet.
struct PendingTrap {
    at: Position,
    kind: TrapKind,
    frameless: bool,
    wasm_offset: u32,
}

/// The compiler of one function: read-only context first, then the state, then the output.
pub(crate) struct Compiler<'a> {
    env: CompileEnv<'a>,
    info: &'a ModuleInfo,
    look: &'a FirstLook,
    results: &'a [ValType],
    layout: CallLayout,

    op: u32,
    offset: u32,
    next_hint: usize,
    next_loop: usize,
    next_dead: usize,
    next_idle: usize,
    /// Hints that are still ahead, and where their offsets count from.
    branch_hints: &'a [BranchHint],
    body_start: u32,
    locals: Vec<Local>,
    stack: Vec<Operand>,
    /// Operands below this height are in slots or constants of numbers: nobody has to look at them.
    closed: usize,
    /// Heights of the reference operands: `ref_heights[operand.refs_below]` is the operand's own.
    ref_heights: Vec<u32>,
    control: Vec<Control>,
    /// Locals that open loops pin, outermost first.
    loop_pins: Vec<u32>,
    regs: Registers,
    /// Locals whose place is a constant.
    const_locals: SmallVec<[u32; 8]>,
    /// r14 holds the context.
    context_valid: bool,
    /// The frame is set up.
    framed: bool,
    /// Code needs the frame where there is none.
    misses_frame: Cell<bool>,
    /// The code at this point cannot be reached: skip to the end of the dead range.
    unreachable: bool,
    /// Only `end`s follow, and all paths have returned.
    after_tail: bool,
    /// Landing pad of the innermost `try_table` with catches.
    handler: Option<u32>,

    frame: frame::FrameLayout,
    asm: &'a mut Assembler,
    relocations: Vec<(Position, RelocationTarget)>,
    safe_points: Vec<PendingSafePoint>,
    traps: Vec<PendingTrap>,
    /// Shared `ud2` sites of the cold section: (kind, wasm offset) to label.
    trap_labels: Vec<(TrapKind, u32, bool, Label)>,
    source_map: Vec<(Position, u32)>,
    pads: Vec<exceptions::Pad>,
    copies: moves::SharedCopies,
    /// Bytes of the states that labels expect.
    kept_bytes: usize,
    error: Option<CompileError>,
    /// What the code that is being emitted may do: the row of the current operator.
    facts: Facts,
}

/// Validates and compiles one function body; `defined_index` counts from the first defined function.
///
/// # Errors
/// The body is invalid, or uses what this version cannot compile.
pub fn compile_function(
    env: &CompileEnv<'_>,
    defined_index: u32,
    job: FuncBodyJob,
    scratch: &mut Scratch,
) -> Result<CompiledFunction, CompileError> {
    let type_index = env.info.functions[(env.info.imported_functions + defined_index) as usize];
    let signature = env.info.types.func(type_index);
    let range = job.range.clone();
    let allocations = scratch.validator.take().unwrap_or_default();
    let (look, share) = (&mut scratch.look, &mut scratch.share);
    let held = scratch.asm.bytes();
    let count = |bytes| env.budget.hold(share, held + bytes).map_err(CompileError::from);
    let declare = |locals| env.budget.declare_locals(locals).map_err(CompileError::Locals);
    let allocations = look.run(env.info, signature.params.len(), job, allocations, declare, count)?;
    if range.len() <= KEPT_VALIDATOR_BODY_MAX {
        scratch.validator = Some(allocations);
    }
    let mut frame_is_large = false;
    loop {
        let (function, verdict) = compile_looked_at(env, defined_index, &range, signature, frame_is_large, scratch)?;
        match verdict {
            Verdict::Complete => {
                env.budget.take(function.bytes() as u64)?;
                return Ok(function);
            }
            Verdict::MissesFrame => {
                debug_assert!(scratch.look.early_exit.is_some(), "a frame that exists is not missed");
                scratch.look.early_exit = None;
            }
            Verdict::LargeFrame => {
                debug_assert!(!frame_is_large, "a large frame is compared");
                frame_is_large = true;
            }
        }
    }
}

/// Whether what the second pass emitted can be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verdict {
    Complete,
    /// Code needs a frame where the first look saw no need for one.
    MissesFrame,
    /// The frame turned out larger than what is taken without a comparison.
    LargeFrame,
}

/// The second pass.
fn compile_looked_at(
    env: &CompileEnv<'_>,
    defined_index: u32,
    range: &Range<usize>,
    signature: &FuncType,
    frame_is_large: bool,
    scratch: &mut Scratch,
) -> Result<(CompiledFunction, Verdict), CompileError> {
    scratch.asm.reset();
    let body = &env.info.bytes[range.clone()];
    let mut reader = BinaryReader::new_features(body, range.start, WasmFeatures::all());
    let locals = read_locals(&mut reader).map_err(invalid)?;
    let Scratch { look, asm, buffers, share, .. } = scratch;
    let mut compiler = Compiler::new(env, look, signature, &locals, asm, std::mem::take(buffers));
    compiler.frame.compared |= frame_is_large;
    compiler.branch_hints = env.info.branch_hints.of(env.info.imported_functions + defined_index);
    compiler.body_start = range.start.narrow();
    compiler.compile_body(reader, range.end, share)?;
    if compiler.frame_bytes() > limits::FRAME_BYTES_MAX {
        return Err(invalid(frame_too_large(range.start)));
    }
    let verdict = compiler.verdict();
    let (function, used) = compiler.finish();
    *buffers = used;
    Ok((function, verdict))
}

pub(crate) fn invalid(error: impl Into<ModuleError>) -> CompileError {
    let ModuleError { offset, message, .. } = error.into();
    CompileError::Invalid { offset: offset.unwrap_or(0), message }
}

/// Declared locals as (count, type).
pub(crate) type LocalGroups = SmallVec<[(u32, ValType); 16]>;

/// The declared locals.
fn read_locals(reader: &mut BinaryReader<'_>) -> Result<LocalGroups, wasmparser::BinaryReaderError> {
    let groups = reader.read_var_u32()?;
    let mut locals = LocalGroups::new();
    for _ in 0..groups {
        let count = reader.read_var_u32()?;
        let ty: wasmparser::ValType = reader.read()?;
        locals.push((count, visitor::val_type(ty)));
    }
    Ok(locals)
}

impl<'a> Compiler<'a> {
    fn compile_body(
        &mut self,
        mut reader: BinaryReader<'a>,
        end: usize,
        share: &mut Share,
    ) -> Result<(), CompileError> {
        let bytes = &self.info.bytes;
        self.enter_function();
        let mut countdown = OPERATORS_PER_COUNT;
        while !reader.eof() {
            self.offset = reader.original_position().narrow();
            if self.env.options.source_map {
                self.source_map.push((self.asm.position(), self.offset));
            }
            if !self.framed && self.look.early_exit.is_none_or(|end| self.op > end) {
                self.need_frame();
            }
            reader.visit_operator(&mut declared::Declared(self)).map_err(invalid)?;
            if let Some(error) = self.error.take() {
                return Err(error);
            }
            self.regs.end_instruction();
            if self.stack.len() > self.closed + OPEN_OPERANDS_MAX && !self.unreachable {
                self.close_operands();
            }
            if cfg!(debug_assertions) || self.env.options.debug_checks {
                self.check_state();
            }
            if self.env.options.debug_checks {
                self.with_facts(Facts::GUEST_CHECKS, Self::emit_guest_checks);
            }
            countdown -= 1;
            if countdown == 0 {
                countdown = OPERATORS_PER_COUNT;
                self.tell_bytes(share)?;
            }
            self.op += 1;
            if self.unreachable && !self.control.is_empty() {
                let (op, offset) = self.look.dead[self.next_dead];
                self.next_dead += 1;
                reader = BinaryReader::new_features(&bytes[offset as usize..end], offset as usize, WasmFeatures::all());
                self.op = op;
            }
        }
        Ok(())
    }

    /// What the next operator does with the current one's result.
    fn hint(&mut self) -> Option<crate::first_look::Hint> {
        let hints = &self.look.hints;
        while hints.get(self.next_hint).is_some_and(|h| h.0 < self.op) {
            self.next_hint += 1;
        }
        hints.get(self.next_hint).filter(|h| h.0 == self.op).map(|h| h.1)
    }

    /// Whether the next operator takes a condition from the flags.
    fn wants_flags(&mut self) -> bool {
        let hints = &self.look.hints;
        self.hint();
        hints[self.next_hint.min(hints.len())..]
            .iter()
            .take_while(|h| h.0 == self.op)
            .any(|h| h.1 == crate::first_look::Hint::Branch)
    }

    /// Whether the module says that the condition of the current operator is usually true, or usually false.
    fn branch_hint(&mut self) -> Option<bool> {
        let at = self.offset - self.body_start;
        while self.branch_hints.first().is_some_and(|hint| hint.offset < at) {
            self.branch_hints = &self.branch_hints[1..];
        }
        self.branch_hints.first().filter(|hint| hint.offset == at).map(|hint| hint.likely)
    }

    fn unsupported(&mut self, what: impl Into<String>) {
        self.error = Some(CompileError::Unsupported { offset: self.offset as usize, what: what.into() });
    }

    /// Notes a relocation of the 4 bytes just written.
    fn relocate(&mut self, target: RelocationTarget) {
        let end = self.asm.position();
        self.relocations.push((end.minus(4), target));
    }

    /// Notes that the instruction written next may fault.
    fn trap_site(&mut self, kind: TrapKind) {
        self.facts.must(Facts::TRAPS, "a trap site");
        let (at, frameless) = (self.asm.position(), !self.framed);
        self.traps.push(PendingTrap { at, kind, frameless, wasm_offset: self.offset });
    }

    /// A label at which the guest traps; its `ud2` is placed behind all other code.
    fn trap_label(&mut self, kind: TrapKind) -> Label {
        self.facts.must(Facts::TRAPS, "a trap");
        let key = (kind, self.offset, self.framed);
        if let Some(known) = self.trap_labels.iter().rev().take(4).find(|t| (t.0, t.1, t.2) == key) {
            return known.3;
        }
        let label = self.asm.new_label();
        self.trap_labels.push((kind, self.offset, self.framed, label));
        label
    }

    fn place_traps(&mut self) {
        self.asm.switch(Section::Cold);
        for (kind, wasm_offset, framed, label) in std::mem::take(&mut self.trap_labels) {
            self.asm.bind(label);
            let at = self.asm.position();
            self.traps.push(PendingTrap { at, kind, frameless: !framed, wasm_offset });
            self.asm.ud2();
        }
        self.asm.switch(Section::Hot);
    }

    fn verdict(&self) -> Verdict {
        match () {
            () if self.misses_frame.get() => Verdict::MissesFrame,
            () if self.frame_bytes() > FRAME_BYTES_UNCOMPARED && !self.frame.compared => Verdict::LargeFrame,
            () => Verdict::Complete,
        }
    }

    /// Resolves positions and hands over the function.
    fn finish(mut self) -> (CompiledFunction, Buffers) {
        self.place_copies();
        self.place_traps();
        let frame_bytes = self.patch_frame();
        let (code, starts) = self.asm.finish();
        let place = |at: Position| at.resolve(starts);
        let pads = std::mem::take(&mut self.pads);
        let mut safe_points: Vec<SafePoint> = self
            .safe_points
            .iter()
            .map(|pending| {
                let pad = pending.handler.and_then(|pad| pads[pad as usize].at);
                let handler = pad.map_or(SafePoint::NO_HANDLER, place);
                SafePoint { pc: place(pending.at), handler, ..pending.point }
            })
            .collect();
        safe_points.sort_by_key(|point| point.pc);
        let mut traps: Vec<crate::abi::TrapSite> = self
            .traps
            .iter()
            .map(|t| crate::abi::TrapSite {
                pc: place(t.at),
                kind: t.kind,
                frameless: t.frameless,
                wasm_offset: t.wasm_offset,
            })
            .collect();
        traps.sort_by_key(|trap| trap.pc);
        let mut source_map: Vec<(u32, u32)> = self.source_map.iter().map(|s| (place(s.0), s.1)).collect();
        source_map.sort_unstable();
        let function = CompiledFunction {
            code,
            relocations: self.relocations.iter().map(|r| Relocation { offset: place(r.0), target: r.1 }).collect(),
            safe_points,
            traps,
            record: FunctionRecord {
                ref_base: self.frame.ref_base,
                frame_bytes,
                saved: self.frame.saved_mask,
                saves_context: self.saves_context(),
                stack_arg_bytes: self.layout.arg_bytes,
            },
            source_map,
            cold_start: starts.of(Section::Unlikely),
        };
        (function, self.into_buffers(pads))
    }

    /// The lists, emptied, for the next function.
    fn into_buffers(mut self, pads: Vec<exceptions::Pad>) -> Buffers {
        fn emptied<T>(mut list: Vec<T>) -> Vec<T> {
            list.clear();
            list
        }
        self.copies.clear();
        Buffers {
            locals: emptied(self.locals),
            stack: emptied(self.stack),
            ref_heights: emptied(self.ref_heights),
            control: emptied(self.control),
            relocations: emptied(self.relocations),
            safe_points: emptied(self.safe_points),
            traps: emptied(self.traps),
            trap_labels: emptied(self.trap_labels),
            pads: emptied(pads),
            copies: self.copies,
        }
    }
}
