//! Instructions that are regular: operands, result, and what is special about them. One row each.
//!
//! A float result may be a NaN whose bits the specification leaves open. Such a row is [`Op::open`]: its result is made
//! canonical before anything can see its bits, unless its operands cannot make a NaN. Operands through which bits of
//! NaNs are not seen ([`Op::blind`]) may be such results themselves.

use crate::types::Ty::{self, *};
use std::collections::HashMap;
use std::sync::LazyLock;
use wasm_encoder::{Instruction as I, MemArg};

/// How the bits of a vector or scalar are read as floats.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "shapes")]
pub enum Shape {
    F32,
    F64,
    F32x4,
    F64x2,
}

/// What an operand must be like so that the operator does not trap, or does the same on every machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Care {
    /// Anything goes.
    None,
    /// The divisor is not 0.
    Divisor,
    /// The operand is a float between -1 and 32000 (from 0 where the conversion is unsigned).
    Convertible,
    /// Operands are small: a relaxed operator on them does what it must.
    Relaxed(Relaxed),
}

/// Operands on which a relaxed operator has one meaning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "families of operators")]
pub enum Relaxed {
    Swizzle,
    TruncF32,
    TruncF64,
    MaddF32,
    MaddF64,
    Select8,
    Select16,
    Select32,
    Select64,
    MinMaxF32,
    MinMaxF64,
    Q15,
    Dot,
    DotAdd,
}

/// An operator without immediates, or with immediates that are lanes.
#[derive(Clone)]
pub struct Op {
    /// The instruction; lanes are 0.
    pub make: fn(u32) -> I<'static>,
    /// Its operands.
    pub params: &'static [Ty],
    /// Its results.
    pub results: &'static [Ty],
    /// It has an immediate below this.
    pub lanes: u32,
    /// Its result may be any NaN.
    pub open: Option<Shape>,
    /// Its operands of this shape may be any NaN.
    pub blind: Option<Shape>,
    /// What operands have to be.
    pub care: Care,
    /// V8 does not have it.
    pub ours_only: bool,
}

const ROW: Op = Op {
    make: |_| I::Nop,
    params: &[],
    results: &[],
    lanes: 1,
    open: None,
    blind: None,
    care: Care::None,
    ours_only: false,
};

macro_rules! rows {
    ($list:ident; $($params:tt -> $result:tt $({ $($field:ident: $value:expr),* })? : $($name:ident)*;)*) => {$(
        let like = Op { params: &$params, results: &$result, $($($field: $value,)*)? ..ROW };
        $($list.push(Op { make: |_| I::$name, ..like.clone() });)*
    )*};
}

macro_rules! lane_rows {
    ($list:ident; $($params:tt -> $result:tt $lanes:literal: $($name:ident)*;)*) => {$(
        let like = Op { params: &$params, results: &$result, lanes: $lanes, ..ROW };
        $($list.push(Op { make: |lane| I::$name(lane as u8), ..like.clone() });)*
    )*};
}

fn scalar_rows() -> Vec<Op> {
    use Shape::{F32 as S32, F64 as S64};
    let mut list = Vec::new();
    rows! { list;
        [I32] -> [I32]: I32Eqz I32Clz I32Ctz I32Popcnt I32Extend8S I32Extend16S;
        [I32, I32] -> [I32]: I32Eq I32Ne I32LtS I32LtU I32GtS I32GtU I32LeS I32LeU I32GeS I32GeU
            I32Add I32Sub I32Mul I32And I32Or I32Xor I32Shl I32ShrS I32ShrU I32Rotl I32Rotr;
        [I32, I32] -> [I32] { care: Care::Divisor }: I32DivS I32DivU I32RemS I32RemU;
        [I64] -> [I32]: I64Eqz I32WrapI64;
        [I64] -> [I64]: I64Clz I64Ctz I64Popcnt I64Extend8S I64Extend16S I64Extend32S;
        [I64, I64] -> [I32]: I64Eq I64Ne I64LtS I64LtU I64GtS I64GtU I64LeS I64LeU I64GeS I64GeU;
        [I64, I64] -> [I64]: I64Add I64Sub I64Mul I64And I64Or I64Xor I64Shl I64ShrS I64ShrU I64Rotl I64Rotr;
        [I64, I64] -> [I64] { care: Care::Divisor }: I64DivS I64DivU I64RemS I64RemU;
        [I32] -> [I64]: I64ExtendI32S I64ExtendI32U;
        [F32, F32] -> [I32] { blind: Some(S32) }: F32Eq F32Ne F32Lt F32Gt F32Le F32Ge;
        [F64, F64] -> [I32] { blind: Some(S64) }: F64Eq F64Ne F64Lt F64Gt F64Le F64Ge;
        [F32] -> [F32]: F32Abs F32Neg;
        [F64] -> [F64]: F64Abs F64Neg;
        [F32, F32] -> [F32]: F32Copysign;
        [F64, F64] -> [F64]: F64Copysign;
        [F32] -> [F32] { open: Some(S32), blind: Some(S32) }: F32Ceil F32Floor F32Trunc F32Nearest F32Sqrt;
        [F64] -> [F64] { open: Some(S64), blind: Some(S64) }: F64Ceil F64Floor F64Trunc F64Nearest F64Sqrt;
        [F32, F32] -> [F32] { open: Some(S32), blind: Some(S32) }: F32Add F32Sub F32Mul F32Div F32Min F32Max;
        [F64, F64] -> [F64] { open: Some(S64), blind: Some(S64) }: F64Add F64Sub F64Mul F64Div F64Min F64Max;
        [F64] -> [F32] { open: Some(S32), blind: Some(S64) }: F32DemoteF64;
        [F32] -> [F64] { open: Some(S64), blind: Some(S32) }: F64PromoteF32;
        [F32] -> [I32] { care: Care::Convertible }: I32TruncF32S I32TruncF32U;
        [F64] -> [I32] { care: Care::Convertible }: I32TruncF64S I32TruncF64U;
        [F32] -> [I64] { care: Care::Convertible }: I64TruncF32S I64TruncF32U;
        [F64] -> [I64] { care: Care::Convertible }: I64TruncF64S I64TruncF64U;
        [F32] -> [I32] { blind: Some(S32) }: I32TruncSatF32S I32TruncSatF32U;
        [F64] -> [I32] { blind: Some(S64) }: I32TruncSatF64S I32TruncSatF64U;
        [F32] -> [I64] { blind: Some(S32) }: I64TruncSatF32S I64TruncSatF32U;
        [F64] -> [I64] { blind: Some(S64) }: I64TruncSatF64S I64TruncSatF64U;
        [I32] -> [F32]: F32ConvertI32S F32ConvertI32U;
        [I64] -> [F32]: F32ConvertI64S F32ConvertI64U;
        [I32] -> [F64]: F64ConvertI32S F64ConvertI32U;
        [I64] -> [F64]: F64ConvertI64S F64ConvertI64U;
        [F32] -> [I32]: I32ReinterpretF32;
        [F64] -> [I64]: I64ReinterpretF64;
        [I32] -> [F32]: F32ReinterpretI32;
        [I64] -> [F64]: F64ReinterpretI64;
        [I64, I64, I64, I64] -> [I64, I64] { ours_only: true }: I64Add128 I64Sub128;
        [I64, I64] -> [I64, I64] { ours_only: true }: I64MulWideS I64MulWideU;
    }
    list
}

fn vector_rows() -> Vec<Op> {
    use Relaxed::*;
    use Shape::{F32x4 as S32, F64x2 as S64};
    let mut list = Vec::new();
    rows! { list;
        [I32] -> [V128]: I8x16Splat I16x8Splat I32x4Splat;
        [I64] -> [V128]: I64x2Splat;
        [F32] -> [V128]: F32x4Splat;
        [F64] -> [V128]: F64x2Splat;
        [V128, V128] -> [V128]: I8x16Swizzle
            I8x16Eq I8x16Ne I8x16LtS I8x16LtU I8x16GtS I8x16GtU I8x16LeS I8x16LeU I8x16GeS I8x16GeU
            I16x8Eq I16x8Ne I16x8LtS I16x8LtU I16x8GtS I16x8GtU I16x8LeS I16x8LeU I16x8GeS I16x8GeU
            I32x4Eq I32x4Ne I32x4LtS I32x4LtU I32x4GtS I32x4GtU I32x4LeS I32x4LeU I32x4GeS I32x4GeU
            I64x2Eq I64x2Ne I64x2LtS I64x2GtS I64x2LeS I64x2GeS
            V128And V128AndNot V128Or V128Xor
            I8x16NarrowI16x8S I8x16NarrowI16x8U I8x16Add I8x16AddSatS I8x16AddSatU I8x16Sub I8x16SubSatS I8x16SubSatU
            I8x16MinS I8x16MinU I8x16MaxS I8x16MaxU I8x16AvgrU
            I16x8Q15MulrSatS I16x8NarrowI32x4S I16x8NarrowI32x4U I16x8Add I16x8AddSatS I16x8AddSatU I16x8Sub
            I16x8SubSatS I16x8SubSatU I16x8Mul I16x8MinS I16x8MinU I16x8MaxS I16x8MaxU I16x8AvgrU
            I16x8ExtMulLowI8x16S I16x8ExtMulHighI8x16S I16x8ExtMulLowI8x16U I16x8ExtMulHighI8x16U
            I32x4Add I32x4Sub I32x4Mul I32x4MinS I32x4MinU I32x4MaxS I32x4MaxU I32x4DotI16x8S
            I32x4ExtMulLowI16x8S I32x4ExtMulHighI16x8S I32x4ExtMulLowI16x8U I32x4ExtMulHighI16x8U
            I64x2Add I64x2Sub I64x2Mul
            I64x2ExtMulLowI32x4S I64x2ExtMulHighI32x4S I64x2ExtMulLowI32x4U I64x2ExtMulHighI32x4U
            F32x4PMin F32x4PMax F64x2PMin F64x2PMax;
        [V128, V128] -> [V128] { blind: Some(S32) }: F32x4Eq F32x4Ne F32x4Lt F32x4Gt F32x4Le F32x4Ge;
        [V128, V128] -> [V128] { blind: Some(S64) }: F64x2Eq F64x2Ne F64x2Lt F64x2Gt F64x2Le F64x2Ge;
        [V128] -> [V128]: V128Not I8x16Abs I8x16Neg I8x16Popcnt I16x8ExtAddPairwiseI8x16S I16x8ExtAddPairwiseI8x16U
            I16x8Abs I16x8Neg I16x8ExtendLowI8x16S I16x8ExtendHighI8x16S I16x8ExtendLowI8x16U I16x8ExtendHighI8x16U
            I32x4ExtAddPairwiseI16x8S I32x4ExtAddPairwiseI16x8U I32x4Abs I32x4Neg
            I32x4ExtendLowI16x8S I32x4ExtendHighI16x8S I32x4ExtendLowI16x8U I32x4ExtendHighI16x8U
            I64x2Abs I64x2Neg I64x2ExtendLowI32x4S I64x2ExtendHighI32x4S I64x2ExtendLowI32x4U I64x2ExtendHighI32x4U
            F32x4Abs F32x4Neg F64x2Abs F64x2Neg
            F32x4ConvertI32x4S F32x4ConvertI32x4U F64x2ConvertLowI32x4S F64x2ConvertLowI32x4U;
        [V128, V128, V128] -> [V128]: V128Bitselect;
        [V128] -> [I32]: V128AnyTrue I8x16AllTrue I8x16Bitmask I16x8AllTrue I16x8Bitmask I32x4AllTrue I32x4Bitmask
            I64x2AllTrue I64x2Bitmask;
        [V128, I32] -> [V128]: I8x16Shl I8x16ShrS I8x16ShrU I16x8Shl I16x8ShrS I16x8ShrU I32x4Shl I32x4ShrS I32x4ShrU
            I64x2Shl I64x2ShrS I64x2ShrU;
        [V128] -> [V128] { open: Some(S32), blind: Some(S32) }: F32x4Ceil F32x4Floor F32x4Trunc F32x4Nearest F32x4Sqrt;
        [V128] -> [V128] { open: Some(S64), blind: Some(S64) }: F64x2Ceil F64x2Floor F64x2Trunc F64x2Nearest F64x2Sqrt;
        [V128, V128] -> [V128] { open: Some(S32), blind: Some(S32) }:
            F32x4Add F32x4Sub F32x4Mul F32x4Div F32x4Min F32x4Max;
        [V128, V128] -> [V128] { open: Some(S64), blind: Some(S64) }:
            F64x2Add F64x2Sub F64x2Mul F64x2Div F64x2Min F64x2Max;
        [V128] -> [V128] { open: Some(S32), blind: Some(S64) }: F32x4DemoteF64x2Zero;
        [V128] -> [V128] { open: Some(S64), blind: Some(S32) }: F64x2PromoteLowF32x4;
        [V128] -> [V128] { blind: Some(S32) }: I32x4TruncSatF32x4S I32x4TruncSatF32x4U;
        [V128] -> [V128] { blind: Some(S64) }: I32x4TruncSatF64x2SZero I32x4TruncSatF64x2UZero;
        [V128, V128] -> [V128] { care: Care::Relaxed(Swizzle) }: I8x16RelaxedSwizzle;
        [V128] -> [V128] { care: Care::Relaxed(TruncF32) }: I32x4RelaxedTruncF32x4S I32x4RelaxedTruncF32x4U;
        [V128] -> [V128] { care: Care::Relaxed(TruncF64) }: I32x4RelaxedTruncF64x2SZero I32x4RelaxedTruncF64x2UZero;
        [V128, V128, V128] -> [V128] { care: Care::Relaxed(MaddF32) }: F32x4RelaxedMadd F32x4RelaxedNmadd;
        [V128, V128, V128] -> [V128] { care: Care::Relaxed(MaddF64) }: F64x2RelaxedMadd F64x2RelaxedNmadd;
        [V128, V128, V128] -> [V128] { care: Care::Relaxed(Select8) }: I8x16RelaxedLaneselect;
        [V128, V128, V128] -> [V128] { care: Care::Relaxed(Select16) }: I16x8RelaxedLaneselect;
        [V128, V128, V128] -> [V128] { care: Care::Relaxed(Select32) }: I32x4RelaxedLaneselect;
        [V128, V128, V128] -> [V128] { care: Care::Relaxed(Select64) }: I64x2RelaxedLaneselect;
        [V128, V128] -> [V128] { care: Care::Relaxed(MinMaxF32) }: F32x4RelaxedMin F32x4RelaxedMax;
        [V128, V128] -> [V128] { care: Care::Relaxed(MinMaxF64) }: F64x2RelaxedMin F64x2RelaxedMax;
        [V128, V128] -> [V128] { care: Care::Relaxed(Q15) }: I16x8RelaxedQ15mulrS;
        [V128, V128] -> [V128] { care: Care::Relaxed(Dot) }: I16x8RelaxedDotI8x16I7x16S;
        [V128, V128, V128] -> [V128] { care: Care::Relaxed(DotAdd) }: I32x4RelaxedDotI8x16I7x16AddS;
    }
    lane_rows! { list;
        [V128] -> [I32] 16: I8x16ExtractLaneS I8x16ExtractLaneU;
        [V128] -> [I32] 8: I16x8ExtractLaneS I16x8ExtractLaneU;
        [V128] -> [I32] 4: I32x4ExtractLane;
        [V128] -> [I64] 2: I64x2ExtractLane;
        [V128] -> [F32] 4: F32x4ExtractLane;
        [V128] -> [F64] 2: F64x2ExtractLane;
        [V128, I32] -> [V128] 16: I8x16ReplaceLane;
        [V128, I32] -> [V128] 8: I16x8ReplaceLane;
        [V128, I32] -> [V128] 4: I32x4ReplaceLane;
        [V128, I64] -> [V128] 2: I64x2ReplaceLane;
        [V128, F32] -> [V128] 4: F32x4ReplaceLane;
        [V128, F64] -> [V128] 2: F64x2ReplaceLane;
    }
    // The immediate is the seed of sixteen lanes.
    let shuffle =
        |seed: u32| I::I8x16Shuffle(std::array::from_fn(|lane| (seed.rotate_left(lane as u32 * 5) % 32) as u8));
    list.push(Op { make: shuffle, params: &[V128, V128], results: &[V128], lanes: u32::MAX, ..ROW });
    list
}

/// All rows.
pub static OPS: LazyLock<Vec<Op>> = LazyLock::new(|| {
    let mut list = scalar_rows();
    list.extend(vector_rows());
    list
});

/// Rows with one result, by its type.
pub static BY_RESULT: LazyLock<HashMap<Ty, Vec<&'static Op>>> = LazyLock::new(|| {
    let mut map: HashMap<Ty, Vec<&'static Op>> = HashMap::new();
    OPS.iter().filter(|op| op.results.len() == 1).for_each(|op| map.entry(op.results[0]).or_default().push(op));
    map
});

/// Rows whose result may be any NaN, by the shape of the result.
pub static OPEN: LazyLock<HashMap<Shape, Vec<&'static Op>>> = LazyLock::new(|| {
    let mut map: HashMap<Shape, Vec<&'static Op>> = HashMap::new();
    OPS.iter().for_each(|op| {
        if let Some(shape) = op.open {
            map.entry(shape).or_default().push(op);
        }
    });
    map
});

/// Rows with several results.
pub static WIDE: LazyLock<Vec<&'static Op>> = LazyLock::new(|| OPS.iter().filter(|op| op.results.len() > 1).collect());

/// What an access to memory does besides the access.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// `[address] -> [value]`.
    Load,
    /// `[address, value] -> []`.
    Store,
    /// `[address, value] -> [value]`.
    Modify,
    /// `[address, value, value] -> [value]`.
    Exchange,
    /// `[address, i32] -> [i32]`.
    Notify,
    /// `[address, v128] -> [v128]`, with a lane.
    LoadLane,
    /// `[address, v128] -> []`, with a lane.
    StoreLane,
}

/// An instruction with an address.
pub struct MemOp {
    /// The instruction, with its lane where it has one.
    pub make: fn(MemArg, u8) -> I<'static>,
    /// Bytes that are accessed.
    pub bytes: u32,
    /// Type of the value.
    pub ty: Ty,
    /// What it does.
    pub access: Access,
    /// Whether the address has to be aligned, and the immediate exactly.
    pub atomic: bool,
}

macro_rules! mem_rows {
    ($list:ident; $($access:ident $atomic:literal $ty:ident $bytes:literal: $($name:ident)*;)*) => {$(
        $($list.push(MemOp { make: |arg, _| I::$name(arg), bytes: $bytes, ty: $ty, access: Access::$access, atomic: $atomic });)*
    )*};
}

macro_rules! mem_lane_rows {
    ($list:ident; $($access:ident $bytes:literal: $($name:ident)*;)*) => {$(
        $($list.push(MemOp { make: |memarg, lane| I::$name { memarg, lane }, bytes: $bytes, ty: V128, access: Access::$access, atomic: false });)*
    )*};
}

/// All instructions with an address.
pub static MEM: LazyLock<Vec<MemOp>> = LazyLock::new(|| {
    let mut list = Vec::with_capacity(150);
    mem_rows! { list;
        Load false I32 1: I32Load8S I32Load8U;
        Load false I32 2: I32Load16S I32Load16U;
        Load false I32 4: I32Load I32Load;
        Load false I64 1: I64Load8S I64Load8U;
        Load false I64 2: I64Load16S I64Load16U;
        Load false I64 4: I64Load32S I64Load32U;
        Load false I64 8: I64Load I64Load;
        Load false F32 4: F32Load;
        Load false F64 8: F64Load;
        Load false V128 16: V128Load;
        Load false V128 8: V128Load8x8S V128Load8x8U V128Load16x4S V128Load16x4U V128Load32x2S V128Load32x2U
            V128Load64Splat V128Load64Zero;
        Load false V128 1: V128Load8Splat;
        Load false V128 2: V128Load16Splat;
        Load false V128 4: V128Load32Splat V128Load32Zero;
        Store false I32 1: I32Store8;
        Store false I32 2: I32Store16;
        Store false I32 4: I32Store I32Store;
        Store false I64 1: I64Store8;
        Store false I64 2: I64Store16;
        Store false I64 4: I64Store32;
        Store false I64 8: I64Store I64Store;
        Store false F32 4: F32Store F32Store;
        Store false F64 8: F64Store F64Store;
        Store false V128 16: V128Store;
        Load true I32 4: I32AtomicLoad;
        Load true I32 2: I32AtomicLoad16U;
        Load true I32 1: I32AtomicLoad8U;
        Load true I64 8: I64AtomicLoad;
        Load true I64 4: I64AtomicLoad32U;
        Load true I64 2: I64AtomicLoad16U;
        Load true I64 1: I64AtomicLoad8U;
        Store true I32 4: I32AtomicStore;
        Store true I32 2: I32AtomicStore16;
        Store true I32 1: I32AtomicStore8;
        Store true I64 8: I64AtomicStore;
        Store true I64 4: I64AtomicStore32;
        Store true I64 2: I64AtomicStore16;
        Store true I64 1: I64AtomicStore8;
        Modify true I32 4: I32AtomicRmwAdd I32AtomicRmwSub I32AtomicRmwAnd I32AtomicRmwOr I32AtomicRmwXor I32AtomicRmwXchg;
        Modify true I32 2: I32AtomicRmw16AddU I32AtomicRmw16SubU I32AtomicRmw16AndU I32AtomicRmw16OrU I32AtomicRmw16XorU
            I32AtomicRmw16XchgU;
        Modify true I32 1: I32AtomicRmw8AddU I32AtomicRmw8SubU I32AtomicRmw8AndU I32AtomicRmw8OrU I32AtomicRmw8XorU
            I32AtomicRmw8XchgU;
        Modify true I64 8: I64AtomicRmwAdd I64AtomicRmwSub I64AtomicRmwAnd I64AtomicRmwOr I64AtomicRmwXor I64AtomicRmwXchg;
        Modify true I64 4: I64AtomicRmw32AddU I64AtomicRmw32SubU I64AtomicRmw32AndU I64AtomicRmw32OrU I64AtomicRmw32XorU
            I64AtomicRmw32XchgU;
        Modify true I64 2: I64AtomicRmw16AddU I64AtomicRmw16SubU I64AtomicRmw16AndU I64AtomicRmw16OrU I64AtomicRmw16XorU
            I64AtomicRmw16XchgU;
        Modify true I64 1: I64AtomicRmw8AddU I64AtomicRmw8SubU I64AtomicRmw8AndU I64AtomicRmw8OrU I64AtomicRmw8XorU
            I64AtomicRmw8XchgU;
        Exchange true I32 4: I32AtomicRmwCmpxchg;
        Exchange true I32 2: I32AtomicRmw16CmpxchgU;
        Exchange true I32 1: I32AtomicRmw8CmpxchgU;
        Exchange true I64 8: I64AtomicRmwCmpxchg;
        Exchange true I64 4: I64AtomicRmw32CmpxchgU;
        Exchange true I64 2: I64AtomicRmw16CmpxchgU;
        Exchange true I64 1: I64AtomicRmw8CmpxchgU;
        Notify true I32 4: MemoryAtomicNotify;
    }
    mem_lane_rows! { list;
        LoadLane 1: V128Load8Lane;
        LoadLane 2: V128Load16Lane;
        LoadLane 4: V128Load32Lane;
        LoadLane 8: V128Load64Lane;
        StoreLane 1: V128Store8Lane;
        StoreLane 2: V128Store16Lane;
        StoreLane 4: V128Store32Lane;
        StoreLane 8: V128Store64Lane;
    }
    list
});

/// Plain loads by the type of their value.
pub static LOADS: LazyLock<HashMap<Ty, Vec<&'static MemOp>>> = LazyLock::new(|| {
    let mut map: HashMap<Ty, Vec<&'static MemOp>> = HashMap::new();
    MEM.iter().filter(|op| op.access == Access::Load).for_each(|op| map.entry(op.ty).or_default().push(op));
    map
});
