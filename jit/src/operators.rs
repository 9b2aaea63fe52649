//! What the compiler relies on of each operator, before and while it compiles it: one table.
//!
//! 1. The analysis asks the table what an operator means for the code around it: whether the function calls, needs a
//!    frame, saves its context, leaves a condition in the flags.
//! 2. The second pass holds the operator to it: whoever emits a call, a safe point or a trap site asserts that the
//!    operator declares it ([`Facts::must`]), in release builds too. What an operator does not declare the analysis has
//!    not prepared for: a call would find the context not saved, a safe point a loop that keeps its locals in
//!    registers.
//! 3. An operator of wasmparser without a row does not compile, nor does one with two rows or a row without an
//!    operator.

/// Facts of one operator.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Facts(u16);

impl Facts {
    /// The operator needs a frame, and does none of what the other facts say.
    pub(crate) const NONE: Facts = Facts(0);
    /// A function may execute it without a frame, in an early exit too: it needs neither slots nor certain registers,
    /// and calls nothing but slow paths that keep all registers.
    pub(crate) const PURE: Facts = Facts(1);
    /// A function may execute it without a frame as under [`Facts::PURE`], but not in an early exit.
    pub(crate) const FRAMELESS: Facts = Facts(1 << 1);
    /// The operator's result can stay in the flags.
    pub(crate) const COMPARE: Facts = Facts(1 << 2);
    /// The operator takes a condition from the flags.
    pub(crate) const TAKES_FLAGS: Facts = Facts(1 << 3);
    /// The operator calls a guest or the runtime, which keep no registers of the caller.
    pub(crate) const CALL: Facts = Facts(1 << 4);
    /// The operator calls the runtime like [`Facts::CALL`] if the object that it makes is too large to be allocated
    /// inline.
    pub(crate) const LARGE: Facts = Facts(1 << 5);
    /// The operator calls the runtime out of line, with its registers saved around the call.
    pub(crate) const COLD: Facts = Facts(1 << 6);
    /// The operator's landing pad calls the runtime if something in the body that it ends called and may throw to it.
    pub(crate) const PAD: Facts = Facts(1 << 7);
    /// The operator calls a slow path, which keeps all registers.
    pub(crate) const SLOW: Facts = Facts(1 << 8);
    /// A collection may take place in it.
    pub(crate) const COLLECTS: Facts = Facts(1 << 9);
    /// The operator may trap, by itself or in the runtime.
    pub(crate) const TRAPS: Facts = Facts(1 << 10);
    /// The operator belongs to a proposal that Heapwood does not have: the gate of the analysis refuses it.
    pub(crate) const ABSENT: Facts = Facts(1 << 11);

    /// The facts of operators that make the function one that calls, whose frame is ready for calls.
    pub(crate) const CALLS: Facts = Facts::CALL.or(Facts::LARGE).or(Facts::PAD);
    /// The facts of operators after which the context is read again, for which it is saved in the frame.
    pub(crate) const SAVES_CONTEXT: Facts = Facts::CALLS.or(Facts::COLD);
    /// The facts of the prologue, which polls. It stands before the first operator, or where an early exit is over.
    pub(crate) const PROLOGUE: Facts = Facts::SLOW.or(Facts::COLLECTS).or(Facts::TRAPS);
    /// The facts of code by which a function checks itself after an operator (`debug_checks`).
    pub(crate) const GUEST_CHECKS: Facts = Facts::TRAPS;

    pub(crate) const fn or(self, other: Facts) -> Facts {
        Facts(self.0 | other.0)
    }

    /// Whether at least one of these facts is declared.
    pub(crate) const fn any(self, facts: Facts) -> bool {
        self.0 & facts.0 != 0
    }

    /// Whether the operator may run where there is no frame.
    pub(crate) const fn is_frameless(self) -> bool {
        self.any(Facts::PURE.or(Facts::FRAMELESS))
    }

    /// Asserts that the operator that is being compiled declares at least one of these facts.
    #[inline]
    #[track_caller]
    pub(crate) fn must(self, facts: Facts, what: &str) {
        if !self.any(facts) {
            undeclared(what);
        }
    }

    /// Checks the rules for rows, when Heapwood is compiled.
    const fn check(self) -> Facts {
        let calls = self.any(Facts::CALL.or(Facts::COLD));
        assert!(!(self.is_frameless() && calls), "a call needs a frame");
        assert!(!(self.any(Facts::PURE) && self.any(Facts::FRAMELESS)), "pure operators are frameless");
        assert!(!self.any(Facts::COLLECTS) || self.any(Facts::SAVES_CONTEXT.or(Facts::SLOW)), "whoever collects calls");
        assert!(!self.any(Facts::ABSENT) || self.0 == Facts::ABSENT.0, "what is not there does nothing");
        self
    }
}

#[cold]
#[track_caller]
fn undeclared(what: &str) -> ! {
    panic!("an operator has {what} that its row in the table of operators does not declare")
}

macro_rules! union {
    ([$($fact:ident)|+]) => {
        Facts::NONE$(.or(Facts::$fact))+.check()
    };
}

macro_rules! table {
    ($($facts:tt => $($op:ident)+;)*) => {
        /// The rows: a constant for each operator, by wasmparser's name.
        #[allow(non_upper_case_globals, reason = "wasmparser's names")]
        pub(crate) mod facts_of {
            use crate::operators::Facts;
            $($(pub(crate) const $op: Facts = union!($facts);)+)*
        }

        /// An operator for each row.
        #[cfg(test)]
        const NAMES: &[&str] = &[$($(stringify!($op)),+),*];
    };
}

table! {
    // Without a frame.
    [PURE | TRAPS] =>
        Unreachable StructGet StructGetS StructGetU ArrayGet ArrayGetS ArrayGetU ArrayLen I31GetS I31GetU
        RefAsNonNull;
    [PURE] =>
        Nop Else Return Drop LocalGet LocalSet LocalTee GlobalGet I32Const I64Const F32Const F64Const I32Add
        I32Sub I32Mul I32And I32Or I32Xor I64Add I64Sub I64Mul I64And I64Or I64Xor F32Sqrt F32Add F32Sub F32Mul
        F32Div F64Sqrt F64Add F64Sub F64Mul F64Div I32WrapI64 I64ExtendI32S I64ExtendI32U F32DemoteF64
        F64PromoteF32 I32ReinterpretF32 I64ReinterpretF64 F32ReinterpretI32 F64ReinterpretI64 I32Extend8S
        I32Extend16S RefI31 RefNull;
    [FRAMELESS] =>
        Block Br BrTable;
    [PURE | TAKES_FLAGS] =>
        If;
    [PURE | PAD] =>
        End;
    [FRAMELESS | TAKES_FLAGS] =>
        BrIf Select TypedSelect;
    [PURE | COMPARE | TAKES_FLAGS] =>
        I32Eqz;
    [PURE | COMPARE] =>
        I32Eq I32Ne I32LtS I32LtU I32GtS I32GtU I32LeS I32LeU I32GeS I32GeU I64Eqz I64Eq I64Ne I64LtS I64LtU
        I64GtS I64GtU I64LeS I64LeU I64GeS I64GeU F32Lt F32Gt F32Le F32Ge F64Lt F64Gt F64Le F64Ge RefEq RefIsNull
        V128AnyTrue I8x16AllTrue I16x8AllTrue I32x4AllTrue I64x2AllTrue;
    [PURE | LARGE | SLOW | COLLECTS | TRAPS] =>
        StructNew StructNewDefault;
    [PURE | SLOW | TRAPS] =>
        StructSet ArraySet;

    // Accesses, divisions and conversions that trap.
    [TRAPS] =>
        I32Load I64Load F32Load F64Load I32Load8S I32Load8U I32Load16S I32Load16U I64Load8S I64Load8U I64Load16S
        I64Load16U I64Load32S I64Load32U I32Store I64Store F32Store F64Store I32Store8 I32Store16 I64Store8
        I64Store16 I64Store32 I32DivS I32DivU I32RemS I32RemU I64DivS I64DivU I64RemS I64RemU I32TruncF32S
        I32TruncF32U I32TruncF64S I32TruncF64U I64TruncF32S I64TruncF32U I64TruncF64S I64TruncF64U TableGet
        I32AtomicLoad I64AtomicLoad I32AtomicLoad8U I32AtomicLoad16U I64AtomicLoad8U I64AtomicLoad16U
        I64AtomicLoad32U I32AtomicStore I64AtomicStore I32AtomicStore8 I32AtomicStore16 I64AtomicStore8
        I64AtomicStore16 I64AtomicStore32 I32AtomicRmwAdd I64AtomicRmwAdd I32AtomicRmw8AddU I32AtomicRmw16AddU
        I64AtomicRmw8AddU I64AtomicRmw16AddU I64AtomicRmw32AddU I32AtomicRmwSub I64AtomicRmwSub I32AtomicRmw8SubU
        I32AtomicRmw16SubU I64AtomicRmw8SubU I64AtomicRmw16SubU I64AtomicRmw32SubU I32AtomicRmwAnd I64AtomicRmwAnd
        I32AtomicRmw8AndU I32AtomicRmw16AndU I64AtomicRmw8AndU I64AtomicRmw16AndU I64AtomicRmw32AndU
        I32AtomicRmwOr I64AtomicRmwOr I32AtomicRmw8OrU I32AtomicRmw16OrU I64AtomicRmw8OrU I64AtomicRmw16OrU
        I64AtomicRmw32OrU I32AtomicRmwXor I64AtomicRmwXor I32AtomicRmw8XorU I32AtomicRmw16XorU I64AtomicRmw8XorU
        I64AtomicRmw16XorU I64AtomicRmw32XorU I32AtomicRmwXchg I64AtomicRmwXchg I32AtomicRmw8XchgU
        I32AtomicRmw16XchgU I64AtomicRmw8XchgU I64AtomicRmw16XchgU I64AtomicRmw32XchgU I32AtomicRmwCmpxchg
        I64AtomicRmwCmpxchg I32AtomicRmw8CmpxchgU I32AtomicRmw16CmpxchgU I64AtomicRmw8CmpxchgU
        I64AtomicRmw16CmpxchgU I64AtomicRmw32CmpxchgU V128Load V128Load8x8S V128Load8x8U V128Load16x4S
        V128Load16x4U V128Load32x2S V128Load32x2U V128Load8Splat V128Load16Splat V128Load32Splat V128Load64Splat
        V128Load32Zero V128Load64Zero V128Store V128Load8Lane V128Load16Lane V128Load32Lane V128Load64Lane
        V128Store8Lane V128Store16Lane V128Store32Lane V128Store64Lane;

    // Calls.
    [CALL | COLLECTS | TRAPS] =>
        Call ArrayNewData ArrayNewElem ArrayFill TableInit TableCopy TableFill ReturnCall CallRef ReturnCallRef;
    [CALL | COLD | COLLECTS | TRAPS] =>
        CallIndirect ReturnCallIndirect;
    [CALL] =>
        MemoryGrow DataDrop ElemDrop Try Rethrow;
    [CALL | TRAPS] =>
        ArrayCopy ArrayInitData ArrayInitElem MemoryInit MemoryCopy MemoryFill TableSet MemoryAtomicNotify
        MemoryAtomicWait32 MemoryAtomicWait64 ThrowRef;
    [CALL | COLLECTS] =>
        TableGrow;
    [CALL | SLOW | COLLECTS | TRAPS] =>
        Throw;

    // Out of line.
    [SLOW | COLLECTS | TRAPS] =>
        Loop;
    [SLOW] =>
        GlobalSet;
    [COLD | SLOW | COLLECTS | TRAPS] =>
        ArrayNew ArrayNewDefault;
    [LARGE | SLOW | COLLECTS | TRAPS] =>
        ArrayNewFixed;
    [COMPARE | COLD] =>
        RefTestNonNull;
    [COLD] =>
        RefTestNullable BrOnCast BrOnCastFail TryTable;
    [COLD | TRAPS] =>
        RefCastNonNull RefCastNullable;
    [PAD] =>
        Delegate;

    // Operators that pass nothing on to the rest of the compiler: they need a frame, and that is all.
    [NONE] =>
        MemorySize F32Eq F32Ne F64Eq F64Ne I32Clz I32Ctz I32Popcnt I32Shl I32ShrS I32ShrU I32Rotl I32Rotr I64Clz
        I64Ctz I64Popcnt I64Shl I64ShrS I64ShrU I64Rotl I64Rotr F32Abs F32Neg F32Ceil F32Floor F32Trunc F32Nearest
        F32Min F32Max F32Copysign F64Abs F64Neg F64Ceil F64Floor F64Trunc F64Nearest F64Min F64Max F64Copysign
        F32ConvertI32S F32ConvertI32U F32ConvertI64S F32ConvertI64U F64ConvertI32S F64ConvertI32U F64ConvertI64S
        F64ConvertI64U I64Extend8S I64Extend16S I64Extend32S AnyConvertExtern ExternConvertAny I32TruncSatF32S
        I32TruncSatF32U I32TruncSatF64S I32TruncSatF64U I64TruncSatF32S I64TruncSatF32U I64TruncSatF64S
        I64TruncSatF64U RefFunc TableSize AtomicFence V128Const I8x16Shuffle I8x16ExtractLaneS I8x16ExtractLaneU
        I8x16ReplaceLane I16x8ExtractLaneS I16x8ExtractLaneU I16x8ReplaceLane I32x4ExtractLane I32x4ReplaceLane
        I64x2ExtractLane I64x2ReplaceLane F32x4ExtractLane F32x4ReplaceLane F64x2ExtractLane F64x2ReplaceLane
        I8x16Swizzle I8x16Splat I16x8Splat I32x4Splat I64x2Splat F32x4Splat F64x2Splat I8x16Eq I8x16Ne I8x16LtS
        I8x16LtU I8x16GtS I8x16GtU I8x16LeS I8x16LeU I8x16GeS I8x16GeU I16x8Eq I16x8Ne I16x8LtS I16x8LtU I16x8GtS
        I16x8GtU I16x8LeS I16x8LeU I16x8GeS I16x8GeU I32x4Eq I32x4Ne I32x4LtS I32x4LtU I32x4GtS I32x4GtU I32x4LeS
        I32x4LeU I32x4GeS I32x4GeU I64x2Eq I64x2Ne I64x2LtS I64x2GtS I64x2LeS I64x2GeS F32x4Eq F32x4Ne F32x4Lt
        F32x4Gt F32x4Le F32x4Ge F64x2Eq F64x2Ne F64x2Lt F64x2Gt F64x2Le F64x2Ge V128Not V128And V128AndNot V128Or
        V128Xor V128Bitselect I8x16Abs I8x16Neg I8x16Popcnt I8x16Bitmask I8x16NarrowI16x8S I8x16NarrowI16x8U
        I8x16Shl I8x16ShrS I8x16ShrU I8x16Add I8x16AddSatS I8x16AddSatU I8x16Sub I8x16SubSatS I8x16SubSatU
        I8x16MinS I8x16MinU I8x16MaxS I8x16MaxU I8x16AvgrU I16x8ExtAddPairwiseI8x16S I16x8ExtAddPairwiseI8x16U
        I16x8Abs I16x8Neg I16x8Q15MulrSatS I16x8Bitmask I16x8NarrowI32x4S I16x8NarrowI32x4U I16x8ExtendLowI8x16S
        I16x8ExtendHighI8x16S I16x8ExtendLowI8x16U I16x8ExtendHighI8x16U I16x8Shl I16x8ShrS I16x8ShrU I16x8Add
        I16x8AddSatS I16x8AddSatU I16x8Sub I16x8SubSatS I16x8SubSatU I16x8Mul I16x8MinS I16x8MinU I16x8MaxS
        I16x8MaxU I16x8AvgrU I16x8ExtMulLowI8x16S I16x8ExtMulHighI8x16S I16x8ExtMulLowI8x16U I16x8ExtMulHighI8x16U
        I32x4ExtAddPairwiseI16x8S I32x4ExtAddPairwiseI16x8U I32x4Abs I32x4Neg I32x4Bitmask I32x4ExtendLowI16x8S
        I32x4ExtendHighI16x8S I32x4ExtendLowI16x8U I32x4ExtendHighI16x8U I32x4Shl I32x4ShrS I32x4ShrU I32x4Add
        I32x4Sub I32x4Mul I32x4MinS I32x4MinU I32x4MaxS I32x4MaxU I32x4DotI16x8S I32x4ExtMulLowI16x8S
        I32x4ExtMulHighI16x8S I32x4ExtMulLowI16x8U I32x4ExtMulHighI16x8U I64x2Abs I64x2Neg I64x2Bitmask
        I64x2ExtendLowI32x4S I64x2ExtendHighI32x4S I64x2ExtendLowI32x4U I64x2ExtendHighI32x4U I64x2Shl I64x2ShrS
        I64x2ShrU I64x2Add I64x2Sub I64x2Mul I64x2ExtMulLowI32x4S I64x2ExtMulHighI32x4S I64x2ExtMulLowI32x4U
        I64x2ExtMulHighI32x4U F32x4Ceil F32x4Floor F32x4Trunc F32x4Nearest F32x4Abs F32x4Neg F32x4Sqrt F32x4Add
        F32x4Sub F32x4Mul F32x4Div F32x4Min F32x4Max F32x4PMin F32x4PMax F64x2Ceil F64x2Floor F64x2Trunc
        F64x2Nearest F64x2Abs F64x2Neg F64x2Sqrt F64x2Add F64x2Sub F64x2Mul F64x2Div F64x2Min F64x2Max F64x2PMin
        F64x2PMax I32x4TruncSatF32x4S I32x4TruncSatF32x4U F32x4ConvertI32x4S F32x4ConvertI32x4U
        I32x4TruncSatF64x2SZero I32x4TruncSatF64x2UZero F64x2ConvertLowI32x4S F64x2ConvertLowI32x4U
        F32x4DemoteF64x2Zero F64x2PromoteLowF32x4 I8x16RelaxedSwizzle I32x4RelaxedTruncF32x4S
        I32x4RelaxedTruncF32x4U I32x4RelaxedTruncF64x2SZero I32x4RelaxedTruncF64x2UZero F32x4RelaxedMadd
        F32x4RelaxedNmadd F64x2RelaxedMadd F64x2RelaxedNmadd I8x16RelaxedLaneselect I16x8RelaxedLaneselect
        I32x4RelaxedLaneselect I64x2RelaxedLaneselect F32x4RelaxedMin F32x4RelaxedMax F64x2RelaxedMin
        F64x2RelaxedMax I16x8RelaxedQ15mulrS I16x8RelaxedDotI8x16I7x16S I32x4RelaxedDotI8x16I7x16AddS Catch
        CatchAll BrOnNull BrOnNonNull I64Add128 I64Sub128 I64MulWideS I64MulWideU;

    // What Heapwood does not have.
    [ABSENT] =>
        StructNewDesc StructNewDefaultDesc RefGetDesc RefCastDescEqNonNull RefCastDescEqNullable BrOnCastDescEq
        BrOnCastDescEqFail TypedSelectMulti MemoryDiscard GlobalAtomicGet GlobalAtomicSet GlobalAtomicRmwAdd
        GlobalAtomicRmwSub GlobalAtomicRmwAnd GlobalAtomicRmwOr GlobalAtomicRmwXor GlobalAtomicRmwXchg
        GlobalAtomicRmwCmpxchg TableAtomicGet TableAtomicSet TableAtomicRmwXchg TableAtomicRmwCmpxchg
        StructAtomicGet StructAtomicGetS StructAtomicGetU StructAtomicSet StructAtomicRmwAdd StructAtomicRmwSub
        StructAtomicRmwAnd StructAtomicRmwOr StructAtomicRmwXor StructAtomicRmwXchg StructAtomicRmwCmpxchg
        ArrayAtomicGet ArrayAtomicGetS ArrayAtomicGetU ArrayAtomicSet ArrayAtomicRmwAdd ArrayAtomicRmwSub
        ArrayAtomicRmwAnd ArrayAtomicRmwOr ArrayAtomicRmwXor ArrayAtomicRmwXchg ArrayAtomicRmwCmpxchg RefI31Shared
        ContNew ContBind Suspend Resume ResumeThrow ResumeThrowRef Switch;
}

/// The facts that follow from an operator's proposal: whether Heapwood has it.
macro_rules! is_absent {
    (custom_descriptors $op:ident) => {
        true
    };
    (memory_control $op:ident) => {
        true
    };
    (shared_everything_threads $op:ident) => {
        true
    };
    (stack_switching $op:ident) => {
        true
    };
    // Never valid.
    (reference_types TypedSelectMulti) => {
        true
    };
    ($group:ident $op:ident) => {
        false
    };
}

macro_rules! check_proposals {
    ($(@$group:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
        $(const _: () = assert!(facts_of::$op.any(Facts::ABSENT) == is_absent!($group $op), stringify!($op));)*

        /// wasmparser's operators.
        #[cfg(test)]
        const OPERATORS: &[&str] = &[$(stringify!($op)),*];
    };
}

wasmparser::for_each_operator!(check_proposals);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_those_of_the_operators() {
        let sorted = |names: &[&'static str]| {
            let mut names = names.to_vec();
            names.sort_unstable();
            names
        };
        assert_eq!(sorted(NAMES), sorted(OPERATORS));
        println!("{} operators", NAMES.len());
        assert_eq!(NAMES.len(), 627);
    }

    #[test]
    #[should_panic(expected = "a call that its row")]
    fn what_is_not_declared_is_a_panic() {
        facts_of::I32Add.must(Facts::CALLS, "a call");
    }
}
