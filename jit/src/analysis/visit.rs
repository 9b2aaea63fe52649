//! What the analysis does at each operator, behind the validator: what its facts say ([`crate::operators`]), and for
//! control and locals a rule by its name.

use super::costs::{cost, is_border};
use super::exits::is_repeatable;
use super::passed::{of_block, of_type, passed};
use super::{Analysis, Early, array_by_call, struct_by_call};
use crate::operators::{Facts, facts_of};
use heapwood_module::{ModuleError, ModuleInfo};
use wasmparser::{FrameKind, FrameStack, VisitOperator, VisitSimdOperator};

/// The visitor for one operator, which is validated first and then analysed.
pub(super) struct Visitor<'l, V> {
    pub(super) info: &'l ModuleInfo,
    pub(super) validator: V,
    pub(super) analysis: &'l mut Analysis,
}

impl<V> FrameStack for Visitor<'_, V> {
    fn current_frame(&self) -> Option<FrameKind> {
        self.analysis.state.frames.last().map(|frame| frame.kind)
    }
}

/// What the analysis does at an operator of control or of locals, beside what follows from its facts.
macro_rules! effect {
    ($analysis:ident $info:ident Block $ty:ident) => {
        $analysis.enter($info, FrameKind::Block, $ty)
    };
    ($analysis:ident $info:ident If $ty:ident) => {{
        $analysis.takes_condition(None);
        $analysis.first_if();
        $analysis.enter($info, FrameKind::If, $ty)
    }};
    ($analysis:ident $info:ident Loop $ty:ident) => {
        $analysis.enter($info, FrameKind::Loop, $ty)
    };
    ($analysis:ident $info:ident TryTable $table:ident) => {{
        $analysis.unwinds();
        $analysis.enter($info, FrameKind::TryTable, $table.ty);
        // The labels of the catches are those outside of the `try_table`, but the branches come out of it.
        for catch in &$table.catches {
            $analysis.branches_to(catch_label(catch) + 1, false);
        }
    }};
    ($analysis:ident $info:ident Try $ty:ident) => {{
        $analysis.unwinds();
        $analysis.enter($info, FrameKind::LegacyTry, $ty)
    }};
    ($analysis:ident $info:ident Catch $tag:ident) => {
        $analysis.next_arm(FrameKind::LegacyCatch)
    };
    ($analysis:ident $info:ident CatchAll) => {
        $analysis.next_arm(FrameKind::LegacyCatchAll)
    };
    ($analysis:ident $info:ident Else) => {
        $analysis.next_arm(FrameKind::Else)
    };
    ($analysis:ident $info:ident Delegate $depth:ident) => {
        $analysis.leave()
    };
    ($analysis:ident $info:ident End) => {{
        $analysis.ends_body();
        $analysis.leave()
    }};
    ($analysis:ident $info:ident LocalGet $local:ident) => {
        $analysis.read($local)
    };
    ($analysis:ident $info:ident LocalSet $local:ident) => {
        $analysis.write($local)
    };
    ($analysis:ident $info:ident LocalTee $local:ident) => {
        $analysis.write($local)
    };
    ($analysis:ident $info:ident Unreachable) => {
        $analysis.terminate()
    };
    ($analysis:ident $info:ident Br $depth:ident) => {{
        $analysis.branches_to($depth, true);
        $analysis.terminate()
    }};
    ($analysis:ident $info:ident BrTable $targets:ident) => {{
        let depths = $targets.targets().filter_map(Result::ok).chain([$targets.default()]);
        depths.for_each(|depth| $analysis.branches_to(depth, false));
        $analysis.terminate()
    }};
    ($analysis:ident $info:ident BrIf $depth:ident) => {{
        $analysis.takes_condition(Some($depth));
        $analysis.branches_to($depth, false)
    }};
    ($analysis:ident $info:ident I32Const $value:ident) => {
        $analysis.constant($value)
    };
    ($analysis:ident $info:ident I32Eqz) => {
        $analysis.negates()
    };
    ($analysis:ident $info:ident BrOnNull $depth:ident) => {
        $analysis.branches_to($depth, false)
    };
    ($analysis:ident $info:ident BrOnNonNull $depth:ident) => {
        $analysis.branches_to($depth, false)
    };
    ($analysis:ident $info:ident BrOnCast $depth:ident $from:ident $to:ident) => {
        $analysis.branches_to($depth, false)
    };
    ($analysis:ident $info:ident BrOnCastFail $depth:ident $from:ident $to:ident) => {
        $analysis.branches_to($depth, false)
    };
    ($analysis:ident $info:ident Call $f:ident) => {
        $analysis.call_of($info, $f)
    };
    ($analysis:ident $info:ident CallRef $t:ident) => {
        $analysis.call_by_reference($t)
    };
    ($analysis:ident $info:ident Return) => {{
        $analysis.ends_body();
        $analysis.leaves_body();
        $analysis.returns()
    }};
    ($analysis:ident $info:ident ReturnCall $f:ident) => {{
        $analysis.unwinds();
        $analysis.returns()
    }};
    ($analysis:ident $info:ident ReturnCallIndirect $t:ident $i:ident) => {{
        $analysis.unwinds();
        $analysis.returns()
    }};
    ($analysis:ident $info:ident ReturnCallRef $t:ident) => {{
        $analysis.unwinds();
        $analysis.returns()
    }};
    ($analysis:ident $info:ident Throw $tag:ident) => {{
        $analysis.unwinds();
        $analysis.throws()
    }};
    ($analysis:ident $info:ident ThrowRef) => {{
        $analysis.unwinds();
        $analysis.throws()
    }};
    ($analysis:ident $info:ident Rethrow $depth:ident) => {
        $analysis.throws()
    };
    ($analysis:ident $info:ident $($other:ident)*) => {};
}

/// The label of a catch.
fn catch_label(catch: &wasmparser::Catch) -> u32 {
    use wasmparser::Catch;
    match catch {
        Catch::One { label, .. } | Catch::OneRef { label, .. } | Catch::All { label } | Catch::AllRef { label } => {
            *label
        }
    }
}

/// Whether an operator with [`Facts::LARGE`] allocates an object that is too large to be allocated inline. One that has
/// no rule here does not compile.
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
    ($info:ident $op:ident $($arg:ident)*) => {{
        const { assert!(!facts_of::$op.any(Facts::LARGE), "no rule for what is large") };
        false
    }};
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

impl Analysis {
    /// What follows from an operator's facts for the function, the frame, and the operator before.
    #[inline(always)]
    fn consider(&mut self, facts: Facts, calls: bool) {
        if facts.any(Facts::COLD) {
            self.has_cold_calls = true;
        }
        if facts.any(Facts::CALL.or(Facts::COLD).or(Facts::SLOW)) && self.live() {
            self.heavy += 1;
        }
        if calls {
            self.call();
        }
        if facts.any(Facts::FRAMELESS) {
            self.not_pure();
        } else if !facts.any(Facts::PURE) {
            self.needs_frame();
        }
        if facts.any(Facts::TAKES_FLAGS) {
            self.wants_flags();
        }
    }

    /// Counts an access to a memory in compiled code, for which keeping the memory's base in a register pays.
    fn access(&mut self, immediate: &impl Immediate) {
        match immediate.memory() {
            Some(0) => self.uses_memory0 = true,
            Some(memory) if self.live() => {
                let weight = 1 << (3 * self.state.open_loops.len().min(6));
                self.weigh_memory(memory, weight);
            }
            _ => {}
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

    /// An arm ends at the `else` or `end` of a block; perhaps it is the arm of an early exit.
    pub(super) fn arm_ends(&mut self) {
        if let Early::Arm(start_op) = self.state.early {
            let innermost = self.state.frames.last().map(|frame| frame.start_op);
            assert_eq!(innermost, Some(start_op), "what opens another block is no part of the arm");
            let end_op = self.state.op;
            self.state.early = match self.state.dead_depth {
                Some(_) => Early::Certain { end_op },
                None => Early::Candidate { start_op, end_op },
            };
        }
    }
}

macro_rules! visit_all {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
        $(fn $visit(&mut self $($(,$arg: $argty)*)?) -> Self::Output {
            self.validator.$visit($($($arg.clone()),*)?)?;
            let Visitor { info, analysis, .. } = self;
            const FACTS: Facts = facts_of::$op;
            // What a call by name means is said below.
            let calls = const { FACTS.any(Facts::CALL) && !matches!(stringify!($op).as_bytes(), b"Call") };
            analysis.consider(FACTS, calls || allocates_by_call!(info $op $($($arg)*)?));
            if const { !is_repeatable(stringify!($op), FACTS) } {
                analysis.has_effect();
            }
            // What calls the runtime does not access memory itself.
            if const { !FACTS.any(Facts::CALL) } {
                $($(analysis.access(&$arg);)*)?
            }
            if analysis.counts_fuel {
                analysis.costs.add(const { cost(stringify!($op)) });
            }
            analysis.state.passed += passed!(analysis info $op $($($arg)*)?);
            effect!(analysis info $op $($($arg)*)?);
            if const { is_border(stringify!($op)) } {
                analysis.ends_block(const { matches!(stringify!($op).as_bytes(), b"Loop") });
            }
            // What is inlined in place of a call may leave its result in the flags.
            let may_be_inlined = const { matches!(stringify!($op).as_bytes(), b"Call") } && analysis.lists_calls;
            analysis.state.last_was_compare = const { FACTS.any(Facts::COMPARE) } || may_be_inlined;
            if const { !matches!(stringify!($op).as_bytes(), b"End") } {
                analysis.state.run_of_ends.clear();
            }
            Ok(())
        })*
    };
}

#[allow(unused_variables, clippy::clone_on_copy, reason = "one expansion serves operators with and without immediates")]
impl<'a, V> VisitOperator<'a> for Visitor<'_, V>
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
impl<'a, V> VisitSimdOperator<'a> for Visitor<'_, V>
where
    V: VisitSimdOperator<'a, Output = Result<(), Box<ModuleError>>>,
{
    wasmparser::for_each_visit_simd_operator!(visit_all);
}
