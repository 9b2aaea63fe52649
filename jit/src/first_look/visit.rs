//! What the look does at each operator: one table by operator name, behind the validator.

use super::{Early, FirstLook, array_by_call, struct_by_call};
use heapwood_module::{ModuleError, ModuleInfo};
use wasmparser::{FrameKind, FrameStack, VisitOperator, VisitSimdOperator};

/// One operator: validated, then looked at.
pub(super) struct Look<'l, V> {
    pub(super) info: &'l ModuleInfo,
    pub(super) validator: V,
    pub(super) look: &'l mut FirstLook,
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
        $look.needs_frame();
        $look.has_cold_calls = true;
        $look.enter(FrameKind::TryTable)
    }};
    ($look:ident Try $($arg:ident)*) => {{
        // Its pad throws on what no catch takes.
        $look.call();
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
        $look.needs_frame();
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
    ($look:ident MemoryAtomicNotify $($arg:ident)*) => {
        $look.call()
    };
    ($look:ident MemoryAtomicWait32 $($arg:ident)*) => {
        $look.call()
    };
    ($look:ident MemoryAtomicWait64 $($arg:ident)*) => {
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

/// Whether an operator allocates an object that is too large to be allocated inline.
macro_rules! allocates_by_call {
    ($info:ident StructNew $ty:ident) => {
        struct_by_call($info, $ty)
    };
    ($info:ident StructNewDefault $ty:ident) => {
        struct_by_call($info, $ty)
    };
    ($info:ident ArrayNewFixed $ty:ident $count:ident) => {
        array_by_call($info, $ty, $count)
    };
    ($info:ident $($other:ident)*) => {
        false
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

/// Operators that a function may execute without a frame, beside those of [`COMPARES`]: they need neither slots nor certain
/// registers, and call nothing but slow paths that keep all registers.
const PURE: &[&str] = &[
    "Nop",
    "Drop",
    "I32Const",
    "I64Const",
    "F32Const",
    "F64Const",
    "I32Add",
    "I32Sub",
    "I32Mul",
    "I32And",
    "I32Or",
    "I32Xor",
    "I64Add",
    "I64Sub",
    "I64Mul",
    "I64And",
    "I64Or",
    "I64Xor",
    "F32Add",
    "F32Sub",
    "F32Mul",
    "F32Div",
    "F32Sqrt",
    "F64Add",
    "F64Sub",
    "F64Mul",
    "F64Div",
    "F64Sqrt",
    "I32Extend8S",
    "I32Extend16S",
    "I64ExtendI32S",
    "I64ExtendI32U",
    "I32WrapI64",
    "I32ReinterpretF32",
    "I64ReinterpretF64",
    "F32ReinterpretI32",
    "F64ReinterpretI64",
    "F64PromoteF32",
    "F32DemoteF64",
    "GlobalGet",
    "RefNull",
    "RefAsNonNull",
    "RefI31",
    "I31GetS",
    "I31GetU",
    "StructGet",
    "StructGetS",
    "StructGetU",
    "StructSet",
    "StructNew",
    "StructNewDefault",
    "ArrayGet",
    "ArrayGetS",
    "ArrayGetU",
    "ArraySet",
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
            self.needs_frame();
        }
    }

    fn one(&mut self, class: Class, immediate: &impl Immediate) {
        self.plain(class);
        match immediate.memory() {
            Some(0) => self.uses_memory0 = true,
            Some(memory) if self.live() => self.weigh_memory(memory),
            _ => {}
        }
    }

    fn weigh_memory(&mut self, memory: u32) {
        let weight = 1 << (3 * self.state.open_loops.len().min(6));
        match self.memory_weight.iter_mut().find(|known| known.0 == memory) {
            Some(known) => known.1 = known.1.saturating_add(weight),
            None => self.memory_weight.push((memory, weight)),
        }
    }

    /// Neither this operator nor what follows runs without a frame.
    pub(super) fn needs_frame(&mut self) {
        self.not_pure();
        self.state.is_simple = false;
    }

    /// This operator is no part of an early exit.
    pub(super) fn not_pure(&mut self) {
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
    pub(super) fn arm_ends(&mut self) {
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
            let Look { info, look, .. } = self;
            const NAME: &str = stringify!($op);
            let is_end = matches!(NAME.as_bytes(), b"End");
            if const { contains(COLD_CALLS, NAME) } {
                look.has_cold_calls = true;
                look.needs_frame();
            }
            if allocates_by_call!(info $op $($($arg)*)?) {
                look.call();
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
    V: VisitSimdOperator<'a, Output = Result<(), Box<ModuleError>>>,
{
    type Output = Result<(), Box<ModuleError>>;

    fn simd_visitor(&mut self) -> Option<&mut dyn VisitSimdOperator<'a, Output = Self::Output>> {
        Some(self)
    }

    wasmparser::for_each_visit_operator!(visit_all);
}

#[allow(unused_variables, clippy::clone_on_copy, reason = "one expansion serves operators with and without immediates")]
impl<'a, V> VisitSimdOperator<'a> for Look<'_, V>
where
    V: VisitSimdOperator<'a, Output = Result<(), Box<ModuleError>>>,
{
    wasmparser::for_each_visit_simd_operator!(visit_all);
}
