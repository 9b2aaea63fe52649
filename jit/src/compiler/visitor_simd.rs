//! Vector operators to compiler functions: one row per instruction, as in `visitor`.
//!
//! Relaxed operators have the behaviour that the specification's deterministic profile fixes, so that results do not
//! depend on the machine: `relaxed_swizzle`, `relaxed_trunc`, `relaxed_min`, `relaxed_max`, `relaxed_q15mulr` and
//! `relaxed_laneselect` (as `bitselect`) are their plain twins, `relaxed_madd` rounds twice, and both operands of
//! `relaxed_dot` are signed. They are therefore rows of the same functions.

use super::float::Rounding;
use super::memory::Load;
use super::parts::Compiler;
use super::simd::Order::{Commutes, Fixed, Swapped};
use super::simd::float::{F32X4, F64X2, Predicate};
use super::simd::integer::Half::{High, Low};
use crate::asm::{ShiftOp, Vex, Width};
use heapwood_module::ValType::{F32, F64, I32, I64};
use wasmparser::{MemArg, VisitSimdOperator};

/// Visitor method, immediates, then the call that compiles it. Only constants need no vector instructions.
macro_rules! rows {
    ($($visit:ident($($arg:ident: $ty:ty),*) => $function:ident($($value:expr),*);)*) => {
        $(fn $visit(&mut self $(, $arg: $ty)*) {
            self.require_avx();
            self.$function($($value),*);
        })*
    };
}

impl<'a> VisitSimdOperator<'a> for Compiler<'_> {
    fn visit_v128_const(&mut self, value: wasmparser::V128) {
        self.v_const(*value.bytes());
    }

    // Memory.
    rows! {
        visit_v128_load(at: MemArg) => v_load(Vex::VMOVUPS, 16, &at);
        visit_v128_load8x8_s(at: MemArg) => v_load(Vex::VPMOVSXBW, 8, &at);
        visit_v128_load8x8_u(at: MemArg) => v_load(Vex::VPMOVZXBW, 8, &at);
        visit_v128_load16x4_s(at: MemArg) => v_load(Vex::VPMOVSXWD, 8, &at);
        visit_v128_load16x4_u(at: MemArg) => v_load(Vex::VPMOVZXWD, 8, &at);
        visit_v128_load32x2_s(at: MemArg) => v_load(Vex::VPMOVSXDQ, 8, &at);
        visit_v128_load32x2_u(at: MemArg) => v_load(Vex::VPMOVZXDQ, 8, &at);
        visit_v128_load8_splat(at: MemArg) => v_load_splat(Width::W8, &at);
        visit_v128_load16_splat(at: MemArg) => v_load_splat(Width::W16, &at);
        visit_v128_load32_splat(at: MemArg) => v_load_splat(Width::W32, &at);
        visit_v128_load64_splat(at: MemArg) => v_load_splat(Width::W64, &at);
        visit_v128_load32_zero(at: MemArg) => v_load(Vex::VMOVSS_LOAD, 4, &at);
        visit_v128_load64_zero(at: MemArg) => v_load(Vex::VMOVSD_LOAD, 8, &at);
        visit_v128_store(at: MemArg) => v_store(&at);
        visit_v128_load8_lane(at: MemArg, lane: u8) => v_load_lane(Width::W8, &at, lane);
        visit_v128_load16_lane(at: MemArg, lane: u8) => v_load_lane(Width::W16, &at, lane);
        visit_v128_load32_lane(at: MemArg, lane: u8) => v_load_lane(Width::W32, &at, lane);
        visit_v128_load64_lane(at: MemArg, lane: u8) => v_load_lane(Width::W64, &at, lane);
        visit_v128_store8_lane(at: MemArg, lane: u8) => v_store_lane(Width::W8, &at, lane);
        visit_v128_store16_lane(at: MemArg, lane: u8) => v_store_lane(Width::W16, &at, lane);
        visit_v128_store32_lane(at: MemArg, lane: u8) => v_store_lane(Width::W32, &at, lane);
        visit_v128_store64_lane(at: MemArg, lane: u8) => v_store_lane(Width::W64, &at, lane);
    }

    // Lanes.
    rows! {
        visit_i8x16_shuffle(lanes: [u8; 16]) => v_shuffle(lanes);
        visit_i8x16_swizzle() => v_swizzle();
        visit_i8x16_relaxed_swizzle() => v_swizzle();
        visit_i8x16_extract_lane_s(lane: u8) =>
            v_extract_int(Load { ty: I32, width: Width::W8, signed: true }, lane);
        visit_i8x16_extract_lane_u(lane: u8) =>
            v_extract_int(Load { ty: I32, width: Width::W8, signed: false }, lane);
        visit_i16x8_extract_lane_s(lane: u8) =>
            v_extract_int(Load { ty: I32, width: Width::W16, signed: true }, lane);
        visit_i16x8_extract_lane_u(lane: u8) =>
            v_extract_int(Load { ty: I32, width: Width::W16, signed: false }, lane);
        visit_i32x4_extract_lane(lane: u8) => v_extract_int(Load { ty: I32, width: Width::W32, signed: false }, lane);
        visit_i64x2_extract_lane(lane: u8) => v_extract_int(Load { ty: I64, width: Width::W64, signed: false }, lane);
        visit_f32x4_extract_lane(lane: u8) => v_extract_float(F32, lane);
        visit_f64x2_extract_lane(lane: u8) => v_extract_float(F64, lane);
        visit_i8x16_replace_lane(lane: u8) => v_replace_int(Width::W8, lane);
        visit_i16x8_replace_lane(lane: u8) => v_replace_int(Width::W16, lane);
        visit_i32x4_replace_lane(lane: u8) => v_replace_int(Width::W32, lane);
        visit_i64x2_replace_lane(lane: u8) => v_replace_int(Width::W64, lane);
        visit_f32x4_replace_lane(lane: u8) => v_replace_float(F32, lane);
        visit_f64x2_replace_lane(lane: u8) => v_replace_float(F64, lane);
        visit_i8x16_splat() => v_splat(Width::W8);
        visit_i16x8_splat() => v_splat(Width::W16);
        visit_i32x4_splat() => v_splat(Width::W32);
        visit_i64x2_splat() => v_splat(Width::W64);
        visit_f32x4_splat() => v_splat(Width::W32);
        visit_f64x2_splat() => v_splat(Width::W64);
    }

    // Bits.
    rows! {
        visit_v128_not() => v_not();
        visit_v128_and() => v_binary(Vex::VPAND, Commutes);
        visit_v128_andnot() => v_binary(Vex::VPANDN, Swapped);
        visit_v128_or() => v_binary(Vex::VPOR, Commutes);
        visit_v128_xor() => v_binary(Vex::VPXOR, Commutes);
        visit_v128_bitselect() => v_bitselect();
        visit_v128_any_true() => v_any_true();
        visit_i8x16_relaxed_laneselect() => v_bitselect();
        visit_i16x8_relaxed_laneselect() => v_bitselect();
        visit_i32x4_relaxed_laneselect() => v_bitselect();
        visit_i64x2_relaxed_laneselect() => v_bitselect();
        visit_i8x16_all_true() => v_all_true(Vex::VPCMPEQB);
        visit_i16x8_all_true() => v_all_true(Vex::VPCMPEQW);
        visit_i32x4_all_true() => v_all_true(Vex::VPCMPEQD);
        visit_i64x2_all_true() => v_all_true(Vex::VPCMPEQQ);
        visit_i8x16_bitmask() => v_bitmask(Vex::VPMOVMSKB);
        visit_i16x8_bitmask() => v_bitmask_words();
        visit_i32x4_bitmask() => v_bitmask(Vex::VMOVMSKPS);
        visit_i64x2_bitmask() => v_bitmask(Vex::VMOVMSKPD);
    }

    // Comparisons.
    rows! {
        visit_i8x16_eq() => v_binary(Vex::VPCMPEQB, Commutes);
        visit_i8x16_ne() => v_binary_not(Vex::VPCMPEQB, Commutes);
        visit_i8x16_lt_s() => v_binary(Vex::VPCMPGTB, Swapped);
        visit_i8x16_lt_u() => v_compare_by(Vex::VPMAXUB, Vex::VPCMPEQB, true);
        visit_i8x16_gt_s() => v_binary(Vex::VPCMPGTB, Fixed);
        visit_i8x16_gt_u() => v_compare_by(Vex::VPMINUB, Vex::VPCMPEQB, true);
        visit_i8x16_le_s() => v_compare_by(Vex::VPMINSB, Vex::VPCMPEQB, false);
        visit_i8x16_le_u() => v_compare_by(Vex::VPMINUB, Vex::VPCMPEQB, false);
        visit_i8x16_ge_s() => v_compare_by(Vex::VPMAXSB, Vex::VPCMPEQB, false);
        visit_i8x16_ge_u() => v_compare_by(Vex::VPMAXUB, Vex::VPCMPEQB, false);
        visit_i16x8_eq() => v_binary(Vex::VPCMPEQW, Commutes);
        visit_i16x8_ne() => v_binary_not(Vex::VPCMPEQW, Commutes);
        visit_i16x8_lt_s() => v_binary(Vex::VPCMPGTW, Swapped);
        visit_i16x8_lt_u() => v_compare_by(Vex::VPMAXUW, Vex::VPCMPEQW, true);
        visit_i16x8_gt_s() => v_binary(Vex::VPCMPGTW, Fixed);
        visit_i16x8_gt_u() => v_compare_by(Vex::VPMINUW, Vex::VPCMPEQW, true);
        visit_i16x8_le_s() => v_compare_by(Vex::VPMINSW, Vex::VPCMPEQW, false);
        visit_i16x8_le_u() => v_compare_by(Vex::VPMINUW, Vex::VPCMPEQW, false);
        visit_i16x8_ge_s() => v_compare_by(Vex::VPMAXSW, Vex::VPCMPEQW, false);
        visit_i16x8_ge_u() => v_compare_by(Vex::VPMAXUW, Vex::VPCMPEQW, false);
        visit_i32x4_eq() => v_binary(Vex::VPCMPEQD, Commutes);
        visit_i32x4_ne() => v_binary_not(Vex::VPCMPEQD, Commutes);
        visit_i32x4_lt_s() => v_binary(Vex::VPCMPGTD, Swapped);
        visit_i32x4_lt_u() => v_compare_by(Vex::VPMAXUD, Vex::VPCMPEQD, true);
        visit_i32x4_gt_s() => v_binary(Vex::VPCMPGTD, Fixed);
        visit_i32x4_gt_u() => v_compare_by(Vex::VPMINUD, Vex::VPCMPEQD, true);
        visit_i32x4_le_s() => v_compare_by(Vex::VPMINSD, Vex::VPCMPEQD, false);
        visit_i32x4_le_u() => v_compare_by(Vex::VPMINUD, Vex::VPCMPEQD, false);
        visit_i32x4_ge_s() => v_compare_by(Vex::VPMAXSD, Vex::VPCMPEQD, false);
        visit_i32x4_ge_u() => v_compare_by(Vex::VPMAXUD, Vex::VPCMPEQD, false);
        visit_i64x2_eq() => v_binary(Vex::VPCMPEQQ, Commutes);
        visit_i64x2_ne() => v_binary_not(Vex::VPCMPEQQ, Commutes);
        visit_i64x2_lt_s() => v_binary(Vex::VPCMPGTQ, Swapped);
        visit_i64x2_gt_s() => v_binary(Vex::VPCMPGTQ, Fixed);
        visit_i64x2_le_s() => v_binary_not(Vex::VPCMPGTQ, Fixed);
        visit_i64x2_ge_s() => v_binary_not(Vex::VPCMPGTQ, Swapped);
        visit_f32x4_eq() => v_float_compare(F32X4, Predicate::Eq);
        visit_f32x4_ne() => v_float_compare(F32X4, Predicate::Ne);
        visit_f32x4_lt() => v_float_compare(F32X4, Predicate::Lt);
        visit_f32x4_gt() => v_float_compare(F32X4, Predicate::Gt);
        visit_f32x4_le() => v_float_compare(F32X4, Predicate::Le);
        visit_f32x4_ge() => v_float_compare(F32X4, Predicate::Ge);
        visit_f64x2_eq() => v_float_compare(F64X2, Predicate::Eq);
        visit_f64x2_ne() => v_float_compare(F64X2, Predicate::Ne);
        visit_f64x2_lt() => v_float_compare(F64X2, Predicate::Lt);
        visit_f64x2_gt() => v_float_compare(F64X2, Predicate::Gt);
        visit_f64x2_le() => v_float_compare(F64X2, Predicate::Le);
        visit_f64x2_ge() => v_float_compare(F64X2, Predicate::Ge);
    }

    // Integer arithmetic.
    rows! {
        visit_i8x16_abs() => v_unary(Vex::VPABSB);
        visit_i8x16_neg() => v_negate(Vex::VPSUBB);
        visit_i8x16_popcnt() => v_popcnt_bytes();
        visit_i8x16_shl() => v_shift(Width::W8, ShiftOp::Shl);
        visit_i8x16_shr_s() => v_shift(Width::W8, ShiftOp::Sar);
        visit_i8x16_shr_u() => v_shift(Width::W8, ShiftOp::Shr);
        visit_i8x16_add() => v_binary(Vex::VPADDB, Commutes);
        visit_i8x16_sub() => v_binary(Vex::VPSUBB, Fixed);
        visit_i8x16_add_sat_s() => v_binary(Vex::VPADDSB, Commutes);
        visit_i8x16_add_sat_u() => v_binary(Vex::VPADDUSB, Commutes);
        visit_i8x16_sub_sat_s() => v_binary(Vex::VPSUBSB, Fixed);
        visit_i8x16_sub_sat_u() => v_binary(Vex::VPSUBUSB, Fixed);
        visit_i8x16_avgr_u() => v_binary(Vex::VPAVGB, Commutes);
        visit_i8x16_min_s() => v_binary(Vex::VPMINSB, Commutes);
        visit_i8x16_min_u() => v_binary(Vex::VPMINUB, Commutes);
        visit_i8x16_max_s() => v_binary(Vex::VPMAXSB, Commutes);
        visit_i8x16_max_u() => v_binary(Vex::VPMAXUB, Commutes);
        visit_i16x8_abs() => v_unary(Vex::VPABSW);
        visit_i16x8_neg() => v_negate(Vex::VPSUBW);
        visit_i16x8_shl() => v_shift(Width::W16, ShiftOp::Shl);
        visit_i16x8_shr_s() => v_shift(Width::W16, ShiftOp::Sar);
        visit_i16x8_shr_u() => v_shift(Width::W16, ShiftOp::Shr);
        visit_i16x8_add() => v_binary(Vex::VPADDW, Commutes);
        visit_i16x8_sub() => v_binary(Vex::VPSUBW, Fixed);
        visit_i16x8_add_sat_s() => v_binary(Vex::VPADDSW, Commutes);
        visit_i16x8_add_sat_u() => v_binary(Vex::VPADDUSW, Commutes);
        visit_i16x8_sub_sat_s() => v_binary(Vex::VPSUBSW, Fixed);
        visit_i16x8_sub_sat_u() => v_binary(Vex::VPSUBUSW, Fixed);
        visit_i16x8_avgr_u() => v_binary(Vex::VPAVGW, Commutes);
        visit_i16x8_mul() => v_binary(Vex::VPMULLW, Commutes);
        visit_i16x8_min_s() => v_binary(Vex::VPMINSW, Commutes);
        visit_i16x8_min_u() => v_binary(Vex::VPMINUW, Commutes);
        visit_i16x8_max_s() => v_binary(Vex::VPMAXSW, Commutes);
        visit_i16x8_max_u() => v_binary(Vex::VPMAXUW, Commutes);
        visit_i32x4_abs() => v_unary(Vex::VPABSD);
        visit_i32x4_neg() => v_negate(Vex::VPSUBD);
        visit_i32x4_shl() => v_shift(Width::W32, ShiftOp::Shl);
        visit_i32x4_shr_s() => v_shift(Width::W32, ShiftOp::Sar);
        visit_i32x4_shr_u() => v_shift(Width::W32, ShiftOp::Shr);
        visit_i32x4_add() => v_binary(Vex::VPADDD, Commutes);
        visit_i32x4_sub() => v_binary(Vex::VPSUBD, Fixed);
        visit_i32x4_mul() => v_binary(Vex::VPMULLD, Commutes);
        visit_i32x4_min_s() => v_binary(Vex::VPMINSD, Commutes);
        visit_i32x4_min_u() => v_binary(Vex::VPMINUD, Commutes);
        visit_i32x4_max_s() => v_binary(Vex::VPMAXSD, Commutes);
        visit_i32x4_max_u() => v_binary(Vex::VPMAXUD, Commutes);
        visit_i64x2_abs() => v_abs_quads();
        visit_i64x2_neg() => v_negate(Vex::VPSUBQ);
        visit_i64x2_shl() => v_shift(Width::W64, ShiftOp::Shl);
        visit_i64x2_shr_s() => v_shift(Width::W64, ShiftOp::Sar);
        visit_i64x2_shr_u() => v_shift(Width::W64, ShiftOp::Shr);
        visit_i64x2_add() => v_binary(Vex::VPADDQ, Commutes);
        visit_i64x2_sub() => v_binary(Vex::VPSUBQ, Fixed);
        visit_i64x2_mul() => v_mul_quads();
        visit_i16x8_q15mulr_sat_s() => v_q15mulr();
        visit_i16x8_relaxed_q15mulr_s() => v_q15mulr();
        visit_i32x4_dot_i16x8_s() => v_binary(Vex::VPMADDWD, Commutes);
        visit_i16x8_relaxed_dot_i8x16_i7x16_s() => v_dot_bytes();
        visit_i32x4_relaxed_dot_i8x16_i7x16_add_s() => v_dot_bytes_add();
    }

    // Wider and narrower integers.
    rows! {
        visit_i16x8_extadd_pairwise_i8x16_s() => v_extadd_bytes_signed();
        visit_i16x8_extadd_pairwise_i8x16_u() => v_with_literal(Vex::VPMADDUBSW, [1]);
        visit_i32x4_extadd_pairwise_i16x8_s() => v_with_literal(Vex::VPMADDWD, [1, 0]);
        visit_i32x4_extadd_pairwise_i16x8_u() => v_extadd_words_unsigned();
        visit_i8x16_narrow_i16x8_s() => v_binary(Vex::VPACKSSWB, Fixed);
        visit_i8x16_narrow_i16x8_u() => v_binary(Vex::VPACKUSWB, Fixed);
        visit_i16x8_narrow_i32x4_s() => v_binary(Vex::VPACKSSDW, Fixed);
        visit_i16x8_narrow_i32x4_u() => v_binary(Vex::VPACKUSDW, Fixed);
        visit_i16x8_extend_low_i8x16_s() => v_unary(Vex::VPMOVSXBW);
        visit_i16x8_extend_high_i8x16_s() => v_extend_high(Vex::VPMOVSXBW);
        visit_i16x8_extend_low_i8x16_u() => v_unary(Vex::VPMOVZXBW);
        visit_i16x8_extend_high_i8x16_u() => v_extend_high(Vex::VPMOVZXBW);
        visit_i32x4_extend_low_i16x8_s() => v_unary(Vex::VPMOVSXWD);
        visit_i32x4_extend_high_i16x8_s() => v_extend_high(Vex::VPMOVSXWD);
        visit_i32x4_extend_low_i16x8_u() => v_unary(Vex::VPMOVZXWD);
        visit_i32x4_extend_high_i16x8_u() => v_extend_high(Vex::VPMOVZXWD);
        visit_i64x2_extend_low_i32x4_s() => v_unary(Vex::VPMOVSXDQ);
        visit_i64x2_extend_high_i32x4_s() => v_extend_high(Vex::VPMOVSXDQ);
        visit_i64x2_extend_low_i32x4_u() => v_unary(Vex::VPMOVZXDQ);
        visit_i64x2_extend_high_i32x4_u() => v_extend_high(Vex::VPMOVZXDQ);
        visit_i16x8_extmul_low_i8x16_s() => v_extmul_bytes(Low, Vex::VPMOVSXBW);
        visit_i32x4_extmul_low_i16x8_s() => v_extmul_words(Vex::VPMULHW, Vex::VPUNPCKLWD);
        visit_i64x2_extmul_low_i32x4_s() => v_extmul_dwords(Low, Vex::VPMULDQ);
        visit_i16x8_extmul_high_i8x16_s() => v_extmul_bytes(High, Vex::VPMOVSXBW);
        visit_i32x4_extmul_high_i16x8_s() => v_extmul_words(Vex::VPMULHW, Vex::VPUNPCKHWD);
        visit_i64x2_extmul_high_i32x4_s() => v_extmul_dwords(High, Vex::VPMULDQ);
        visit_i16x8_extmul_low_i8x16_u() => v_extmul_bytes(Low, Vex::VPMOVZXBW);
        visit_i32x4_extmul_low_i16x8_u() => v_extmul_words(Vex::VPMULHUW, Vex::VPUNPCKLWD);
        visit_i64x2_extmul_low_i32x4_u() => v_extmul_dwords(Low, Vex::VPMULUDQ);
        visit_i16x8_extmul_high_i8x16_u() => v_extmul_bytes(High, Vex::VPMOVZXBW);
        visit_i32x4_extmul_high_i16x8_u() => v_extmul_words(Vex::VPMULHUW, Vex::VPUNPCKHWD);
        visit_i64x2_extmul_high_i32x4_u() => v_extmul_dwords(High, Vex::VPMULUDQ);
    }

    // Floats. The pseudo-minimum is the hardware's, whose second operand wins ties and NaN.
    rows! {
        visit_f32x4_ceil() => v_round(F32X4, Rounding::Ceil);
        visit_f32x4_floor() => v_round(F32X4, Rounding::Floor);
        visit_f32x4_trunc() => v_round(F32X4, Rounding::Trunc);
        visit_f32x4_nearest() => v_round(F32X4, Rounding::Nearest);
        visit_f32x4_abs() => v_with_literal(Vex::VANDPS, [0xff, 0xff, 0xff, 0x7f]);
        visit_f32x4_neg() => v_with_literal(Vex::VXORPS, [0, 0, 0, 0x80]);
        visit_f32x4_sqrt() => v_unary(Vex::VSQRTPS);
        visit_f32x4_add() => v_binary(Vex::VADDPS, Commutes);
        visit_f32x4_sub() => v_binary(Vex::VSUBPS, Fixed);
        visit_f32x4_mul() => v_binary(Vex::VMULPS, Commutes);
        visit_f32x4_div() => v_binary(Vex::VDIVPS, Fixed);
        visit_f32x4_min() => v_min_max(F32X4, false);
        visit_f32x4_relaxed_min() => v_min_max(F32X4, false);
        visit_f32x4_max() => v_min_max(F32X4, true);
        visit_f32x4_relaxed_max() => v_min_max(F32X4, true);
        visit_f32x4_pmin() => v_binary(Vex::VMINPS, Swapped);
        visit_f32x4_pmax() => v_binary(Vex::VMAXPS, Swapped);
        visit_f32x4_relaxed_madd() => v_multiply_add(F32X4, false);
        visit_f32x4_relaxed_nmadd() => v_multiply_add(F32X4, true);
        visit_f64x2_ceil() => v_round(F64X2, Rounding::Ceil);
        visit_f64x2_floor() => v_round(F64X2, Rounding::Floor);
        visit_f64x2_trunc() => v_round(F64X2, Rounding::Trunc);
        visit_f64x2_nearest() => v_round(F64X2, Rounding::Nearest);
        visit_f64x2_abs() => v_with_literal(Vex::VANDPD, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]);
        visit_f64x2_neg() => v_with_literal(Vex::VXORPD, [0, 0, 0, 0, 0, 0, 0, 0x80]);
        visit_f64x2_sqrt() => v_unary(Vex::VSQRTPD);
        visit_f64x2_add() => v_binary(Vex::VADDPD, Commutes);
        visit_f64x2_sub() => v_binary(Vex::VSUBPD, Fixed);
        visit_f64x2_mul() => v_binary(Vex::VMULPD, Commutes);
        visit_f64x2_div() => v_binary(Vex::VDIVPD, Fixed);
        visit_f64x2_min() => v_min_max(F64X2, false);
        visit_f64x2_relaxed_min() => v_min_max(F64X2, false);
        visit_f64x2_max() => v_min_max(F64X2, true);
        visit_f64x2_relaxed_max() => v_min_max(F64X2, true);
        visit_f64x2_pmin() => v_binary(Vex::VMINPD, Swapped);
        visit_f64x2_pmax() => v_binary(Vex::VMAXPD, Swapped);
        visit_f64x2_relaxed_madd() => v_multiply_add(F64X2, false);
        visit_f64x2_relaxed_nmadd() => v_multiply_add(F64X2, true);
    }

    // Conversions.
    rows! {
        visit_i32x4_trunc_sat_f32x4_s() => v_trunc_f32_signed();
        visit_i32x4_relaxed_trunc_f32x4_s() => v_trunc_f32_signed();
        visit_i32x4_trunc_sat_f32x4_u() => v_trunc_f32_unsigned();
        visit_i32x4_relaxed_trunc_f32x4_u() => v_trunc_f32_unsigned();
        visit_i32x4_trunc_sat_f64x2_s_zero() => v_trunc_f64_signed();
        visit_i32x4_relaxed_trunc_f64x2_s_zero() => v_trunc_f64_signed();
        visit_i32x4_trunc_sat_f64x2_u_zero() => v_trunc_f64_unsigned();
        visit_i32x4_relaxed_trunc_f64x2_u_zero() => v_trunc_f64_unsigned();
        visit_f32x4_convert_i32x4_s() => v_unary(Vex::VCVTDQ2PS);
        visit_f32x4_convert_i32x4_u() => v_convert_f32_unsigned();
        visit_f64x2_convert_low_i32x4_s() => v_unary(Vex::VCVTDQ2PD);
        visit_f64x2_convert_low_i32x4_u() => v_convert_f64_unsigned();
        visit_f32x4_demote_f64x2_zero() => v_unary(Vex::VCVTPD2PS);
        visit_f64x2_promote_low_f32x4() => v_unary(Vex::VCVTPS2PD);
    }
}
