//! Operators to compiler functions: one row (or one line) per instruction, by chapter. An operator without a line does
//! not compile; one that Heapwood does not have is listed in `unsupported`.

use super::atomic::Rmw;
use super::call::entry;
use super::control::BlockSignature;
use super::convert::Truncation;
use super::division::Division;
use super::float::{FloatCompare, Rounding};
use super::integer::BitCount;
use super::memory::Load;
use super::parts::Compiler;
use super::structs::Extend;
use super::wide::WideSum;
use crate::asm::{Alu, Cond, ShiftOp, Sse, Width};
use heapwood_module::ValType::{F32, F64, I32, I64};
use heapwood_module::{HeapType, RefType, ValType, convert};
use wasmparser::{BlockType, BrTable, FrameKind, FrameStack, MemArg, TryTable, VisitOperator};

/// Converts a type that an analysed body names. That cannot fail: the gate of the analysis converted it before, also in
/// code that nothing reaches.
pub(crate) fn val_type(ty: wasmparser::ValType) -> ValType {
    convert::val_type(ty, 0).expect("the analysis converted it")
}

fn heap_type(ty: wasmparser::HeapType) -> HeapType {
    convert::heap_type(ty, 0).expect("the analysis converted it")
}

fn ref_type(ty: wasmparser::RefType) -> RefType {
    convert::ref_type(ty, 0).expect("the analysis converted it")
}

fn signature(ty: BlockType) -> BlockSignature {
    match ty {
        BlockType::Empty => BlockSignature::Empty,
        BlockType::Type(ty) => BlockSignature::Result([val_type(ty)]),
        BlockType::FuncType(index) => BlockSignature::Func(index),
    }
}

impl FrameStack for Compiler<'_> {
    fn current_frame(&self) -> Option<FrameKind> {
        self.flow.innermost_kind()
    }
}

/// Instructions without immediates: visitor method, then the call that compiles it.
macro_rules! rows {
    ($($visit:ident => $function:ident($($arg:expr),*);)*) => {
        $(fn $visit(&mut self) {
            self.$function($($arg),*);
        })*
    };
}

/// Memory accesses: visitor method, then the call that compiles it with the memory argument.
macro_rules! access_rows {
    ($($visit:ident => $function:ident($($arg:expr),*);)*) => {
        $(fn $visit(&mut self, memarg: MemArg) {
            self.$function($($arg,)* &memarg);
        })*
    };
}

/// Instructions with immediates: visitor method with its arguments, then the code.
macro_rules! ops {
    ($(|$this:ident| $visit:ident($($arg:ident: $ty:ty),*) => $body:expr;)*) => {
        $(fn $visit(&mut self $(, $arg: $ty)*) {
            let $this = self;
            $body;
        })*
    };
}

/// Instructions of proposals that Heapwood does not have: the gate of the analysis has refused them.
macro_rules! unsupported {
    ($($visit:ident($($ty:ty),*);)*) => {
        $(fn $visit(&mut self $(, _: $ty)*) {
            unreachable!("the analysis refuses {}", stringify!($visit));
        })*
    };
}

impl<'a> VisitOperator<'a> for Compiler<'_> {
    type Output = ();

    // Integers, floats, conversions.
    rows! {
        visit_i32_add => int_alu(I32, Alu::Add);
        visit_i32_sub => int_alu(I32, Alu::Sub);
        visit_i32_and => int_alu(I32, Alu::And);
        visit_i32_or => int_alu(I32, Alu::Or);
        visit_i32_xor => int_alu(I32, Alu::Xor);
        visit_i32_mul => int_mul(I32);
        visit_i32_div_s => int_divide(I32, Division { signed: true, remainder: false });
        visit_i32_div_u => int_divide(I32, Division { signed: false, remainder: false });
        visit_i32_rem_s => int_divide(I32, Division { signed: true, remainder: true });
        visit_i32_rem_u => int_divide(I32, Division { signed: false, remainder: true });
        visit_i32_shl => int_shift(I32, ShiftOp::Shl);
        visit_i32_shr_s => int_shift(I32, ShiftOp::Sar);
        visit_i32_shr_u => int_shift(I32, ShiftOp::Shr);
        visit_i32_rotl => int_shift(I32, ShiftOp::Rol);
        visit_i32_rotr => int_shift(I32, ShiftOp::Ror);
        visit_i32_eqz => int_eqz(I32);
        visit_i32_eq => int_compare(I32, Cond::E);
        visit_i32_ne => int_compare(I32, Cond::Ne);
        visit_i32_lt_s => int_compare(I32, Cond::L);
        visit_i32_lt_u => int_compare(I32, Cond::B);
        visit_i32_gt_s => int_compare(I32, Cond::G);
        visit_i32_gt_u => int_compare(I32, Cond::A);
        visit_i32_le_s => int_compare(I32, Cond::Le);
        visit_i32_le_u => int_compare(I32, Cond::Be);
        visit_i32_ge_s => int_compare(I32, Cond::Ge);
        visit_i32_ge_u => int_compare(I32, Cond::Ae);
        visit_i32_clz => int_bit_count(I32, BitCount::Clz);
        visit_i32_ctz => int_bit_count(I32, BitCount::Ctz);
        visit_i32_popcnt => int_bit_count(I32, BitCount::Popcnt);
        visit_i32_extend8_s => int_sign_extend(Width::W8, I32);
        visit_i32_extend16_s => int_sign_extend(Width::W16, I32);
        visit_i64_add => int_alu(I64, Alu::Add);
        visit_i64_sub => int_alu(I64, Alu::Sub);
        visit_i64_and => int_alu(I64, Alu::And);
        visit_i64_or => int_alu(I64, Alu::Or);
        visit_i64_xor => int_alu(I64, Alu::Xor);
        visit_i64_mul => int_mul(I64);
        visit_i64_div_s => int_divide(I64, Division { signed: true, remainder: false });
        visit_i64_div_u => int_divide(I64, Division { signed: false, remainder: false });
        visit_i64_rem_s => int_divide(I64, Division { signed: true, remainder: true });
        visit_i64_rem_u => int_divide(I64, Division { signed: false, remainder: true });
        visit_i64_shl => int_shift(I64, ShiftOp::Shl);
        visit_i64_shr_s => int_shift(I64, ShiftOp::Sar);
        visit_i64_shr_u => int_shift(I64, ShiftOp::Shr);
        visit_i64_rotl => int_shift(I64, ShiftOp::Rol);
        visit_i64_rotr => int_shift(I64, ShiftOp::Ror);
        visit_i64_eqz => int_eqz(I64);
        visit_i64_eq => int_compare(I64, Cond::E);
        visit_i64_ne => int_compare(I64, Cond::Ne);
        visit_i64_lt_s => int_compare(I64, Cond::L);
        visit_i64_lt_u => int_compare(I64, Cond::B);
        visit_i64_gt_s => int_compare(I64, Cond::G);
        visit_i64_gt_u => int_compare(I64, Cond::A);
        visit_i64_le_s => int_compare(I64, Cond::Le);
        visit_i64_le_u => int_compare(I64, Cond::Be);
        visit_i64_ge_s => int_compare(I64, Cond::Ge);
        visit_i64_ge_u => int_compare(I64, Cond::Ae);
        visit_i64_clz => int_bit_count(I64, BitCount::Clz);
        visit_i64_ctz => int_bit_count(I64, BitCount::Ctz);
        visit_i64_popcnt => int_bit_count(I64, BitCount::Popcnt);
        visit_i64_extend8_s => int_sign_extend(Width::W8, I64);
        visit_i64_extend16_s => int_sign_extend(Width::W16, I64);
        visit_i64_extend32_s => int_sign_extend(Width::W32, I64);
        visit_i64_extend_i32_s => int_sign_extend(Width::W32, I64);
        visit_i64_extend_i32_u => i64_extend_i32_u();
        visit_i32_wrap_i64 => i32_wrap_i64();
        visit_f32_add => float_binary(F32, Sse::ADDSS, true);
        visit_f32_sub => float_binary(F32, Sse::SUBSS, false);
        visit_f32_mul => float_binary(F32, Sse::MULSS, true);
        visit_f32_div => float_binary(F32, Sse::DIVSS, false);
        visit_f32_sqrt => float_sqrt(F32);
        visit_f32_ceil => float_round(F32, Rounding::Ceil);
        visit_f32_floor => float_round(F32, Rounding::Floor);
        visit_f32_trunc => float_round(F32, Rounding::Trunc);
        visit_f32_nearest => float_round(F32, Rounding::Nearest);
        visit_f32_abs => float_sign(F32, false);
        visit_f32_neg => float_sign(F32, true);
        visit_f32_copysign => float_copysign(F32);
        visit_f32_min => float_min_max(F32, false);
        visit_f32_max => float_min_max(F32, true);
        visit_f32_eq => float_compare(F32, FloatCompare::Eq);
        visit_f32_ne => float_compare(F32, FloatCompare::Ne);
        visit_f32_lt => float_compare(F32, FloatCompare::Lt);
        visit_f32_gt => float_compare(F32, FloatCompare::Gt);
        visit_f32_le => float_compare(F32, FloatCompare::Le);
        visit_f32_ge => float_compare(F32, FloatCompare::Ge);
        visit_f32_convert_i32_s => float_from_int(I32, F32, true);
        visit_i32_trunc_f32_s => truncate(Truncation { from: F32, to: I32, signed: true, saturating: false });
        visit_i32_trunc_sat_f32_s => truncate(Truncation { from: F32, to: I32, signed: true, saturating: true });
        visit_f32_convert_i32_u => float_from_int(I32, F32, false);
        visit_i32_trunc_f32_u => truncate(Truncation { from: F32, to: I32, signed: false, saturating: false });
        visit_i32_trunc_sat_f32_u => truncate(Truncation { from: F32, to: I32, signed: false, saturating: true });
        visit_f32_convert_i64_s => float_from_int(I64, F32, true);
        visit_i64_trunc_f32_s => truncate(Truncation { from: F32, to: I64, signed: true, saturating: false });
        visit_i64_trunc_sat_f32_s => truncate(Truncation { from: F32, to: I64, signed: true, saturating: true });
        visit_f32_convert_i64_u => float_from_int(I64, F32, false);
        visit_i64_trunc_f32_u => truncate(Truncation { from: F32, to: I64, signed: false, saturating: false });
        visit_i64_trunc_sat_f32_u => truncate(Truncation { from: F32, to: I64, signed: false, saturating: true });
        visit_f64_add => float_binary(F64, Sse::ADDSD, true);
        visit_f64_sub => float_binary(F64, Sse::SUBSD, false);
        visit_f64_mul => float_binary(F64, Sse::MULSD, true);
        visit_f64_div => float_binary(F64, Sse::DIVSD, false);
        visit_f64_sqrt => float_sqrt(F64);
        visit_f64_ceil => float_round(F64, Rounding::Ceil);
        visit_f64_floor => float_round(F64, Rounding::Floor);
        visit_f64_trunc => float_round(F64, Rounding::Trunc);
        visit_f64_nearest => float_round(F64, Rounding::Nearest);
        visit_f64_abs => float_sign(F64, false);
        visit_f64_neg => float_sign(F64, true);
        visit_f64_copysign => float_copysign(F64);
        visit_f64_min => float_min_max(F64, false);
        visit_f64_max => float_min_max(F64, true);
        visit_f64_eq => float_compare(F64, FloatCompare::Eq);
        visit_f64_ne => float_compare(F64, FloatCompare::Ne);
        visit_f64_lt => float_compare(F64, FloatCompare::Lt);
        visit_f64_gt => float_compare(F64, FloatCompare::Gt);
        visit_f64_le => float_compare(F64, FloatCompare::Le);
        visit_f64_ge => float_compare(F64, FloatCompare::Ge);
        visit_f64_convert_i32_s => float_from_int(I32, F64, true);
        visit_i32_trunc_f64_s => truncate(Truncation { from: F64, to: I32, signed: true, saturating: false });
        visit_i32_trunc_sat_f64_s => truncate(Truncation { from: F64, to: I32, signed: true, saturating: true });
        visit_f64_convert_i32_u => float_from_int(I32, F64, false);
        visit_i32_trunc_f64_u => truncate(Truncation { from: F64, to: I32, signed: false, saturating: false });
        visit_i32_trunc_sat_f64_u => truncate(Truncation { from: F64, to: I32, signed: false, saturating: true });
        visit_f64_convert_i64_s => float_from_int(I64, F64, true);
        visit_i64_trunc_f64_s => truncate(Truncation { from: F64, to: I64, signed: true, saturating: false });
        visit_i64_trunc_sat_f64_s => truncate(Truncation { from: F64, to: I64, signed: true, saturating: true });
        visit_f64_convert_i64_u => float_from_int(I64, F64, false);
        visit_i64_trunc_f64_u => truncate(Truncation { from: F64, to: I64, signed: false, saturating: false });
        visit_i64_trunc_sat_f64_u => truncate(Truncation { from: F64, to: I64, signed: false, saturating: true });
        visit_f32_demote_f64 => demote();
        visit_f64_promote_f32 => promote();
        visit_i32_reinterpret_f32 => reinterpret(F32, I32);
        visit_f32_reinterpret_i32 => reinterpret(I32, F32);
        visit_i64_reinterpret_f64 => reinterpret(F64, I64);
        visit_f64_reinterpret_i64 => reinterpret(I64, F64);
        visit_i64_add128 => wide_sum(WideSum::Add);
        visit_i64_sub128 => wide_sum(WideSum::Sub);
        visit_i64_mul_wide_s => wide_product(true);
        visit_i64_mul_wide_u => wide_product(false);
    }

    // Loads and stores.
    access_rows! {
        visit_i32_load => load(Load { ty: I32, width: Width::W32, signed: false });
        visit_i32_store => store(I32, Width::W32);
        visit_i32_load8_s => load(Load { ty: I32, width: Width::W8, signed: true });
        visit_i32_load8_u => load(Load { ty: I32, width: Width::W8, signed: false });
        visit_i32_store8 => store(I32, Width::W8);
        visit_i32_load16_s => load(Load { ty: I32, width: Width::W16, signed: true });
        visit_i32_load16_u => load(Load { ty: I32, width: Width::W16, signed: false });
        visit_i32_store16 => store(I32, Width::W16);
        visit_i64_load => load(Load { ty: I64, width: Width::W64, signed: false });
        visit_i64_store => store(I64, Width::W64);
        visit_i64_load8_s => load(Load { ty: I64, width: Width::W8, signed: true });
        visit_i64_load8_u => load(Load { ty: I64, width: Width::W8, signed: false });
        visit_i64_store8 => store(I64, Width::W8);
        visit_i64_load16_s => load(Load { ty: I64, width: Width::W16, signed: true });
        visit_i64_load16_u => load(Load { ty: I64, width: Width::W16, signed: false });
        visit_i64_store16 => store(I64, Width::W16);
        visit_i64_load32_s => load(Load { ty: I64, width: Width::W32, signed: true });
        visit_i64_load32_u => load(Load { ty: I64, width: Width::W32, signed: false });
        visit_i64_store32 => store(I64, Width::W32);
        visit_f32_load => load(Load { ty: F32, width: Width::W32, signed: false });
        visit_f32_store => store(F32, Width::W32);
        visit_f64_load => load(Load { ty: F64, width: Width::W64, signed: false });
        visit_f64_store => store(F64, Width::W64);
    }

    // Atomics.
    access_rows! {
        visit_i32_atomic_load => atomic_load(I32, Width::W32);
        visit_i64_atomic_load => atomic_load(I64, Width::W64);
        visit_i32_atomic_load8_u => atomic_load(I32, Width::W8);
        visit_i32_atomic_load16_u => atomic_load(I32, Width::W16);
        visit_i64_atomic_load8_u => atomic_load(I64, Width::W8);
        visit_i64_atomic_load16_u => atomic_load(I64, Width::W16);
        visit_i64_atomic_load32_u => atomic_load(I64, Width::W32);
        visit_i32_atomic_store => atomic_store(Width::W32);
        visit_i64_atomic_store => atomic_store(Width::W64);
        visit_i32_atomic_store8 => atomic_store(Width::W8);
        visit_i32_atomic_store16 => atomic_store(Width::W16);
        visit_i64_atomic_store8 => atomic_store(Width::W8);
        visit_i64_atomic_store16 => atomic_store(Width::W16);
        visit_i64_atomic_store32 => atomic_store(Width::W32);
        visit_i32_atomic_rmw_add => atomic_rmw(I32, Width::W32, Rmw::Add);
        visit_i64_atomic_rmw_add => atomic_rmw(I64, Width::W64, Rmw::Add);
        visit_i32_atomic_rmw8_add_u => atomic_rmw(I32, Width::W8, Rmw::Add);
        visit_i32_atomic_rmw16_add_u => atomic_rmw(I32, Width::W16, Rmw::Add);
        visit_i64_atomic_rmw8_add_u => atomic_rmw(I64, Width::W8, Rmw::Add);
        visit_i64_atomic_rmw16_add_u => atomic_rmw(I64, Width::W16, Rmw::Add);
        visit_i64_atomic_rmw32_add_u => atomic_rmw(I64, Width::W32, Rmw::Add);
        visit_i32_atomic_rmw_sub => atomic_rmw(I32, Width::W32, Rmw::Sub);
        visit_i64_atomic_rmw_sub => atomic_rmw(I64, Width::W64, Rmw::Sub);
        visit_i32_atomic_rmw8_sub_u => atomic_rmw(I32, Width::W8, Rmw::Sub);
        visit_i32_atomic_rmw16_sub_u => atomic_rmw(I32, Width::W16, Rmw::Sub);
        visit_i64_atomic_rmw8_sub_u => atomic_rmw(I64, Width::W8, Rmw::Sub);
        visit_i64_atomic_rmw16_sub_u => atomic_rmw(I64, Width::W16, Rmw::Sub);
        visit_i64_atomic_rmw32_sub_u => atomic_rmw(I64, Width::W32, Rmw::Sub);
        visit_i32_atomic_rmw_and => atomic_rmw(I32, Width::W32, Rmw::And);
        visit_i64_atomic_rmw_and => atomic_rmw(I64, Width::W64, Rmw::And);
        visit_i32_atomic_rmw8_and_u => atomic_rmw(I32, Width::W8, Rmw::And);
        visit_i32_atomic_rmw16_and_u => atomic_rmw(I32, Width::W16, Rmw::And);
        visit_i64_atomic_rmw8_and_u => atomic_rmw(I64, Width::W8, Rmw::And);
        visit_i64_atomic_rmw16_and_u => atomic_rmw(I64, Width::W16, Rmw::And);
        visit_i64_atomic_rmw32_and_u => atomic_rmw(I64, Width::W32, Rmw::And);
        visit_i32_atomic_rmw_or => atomic_rmw(I32, Width::W32, Rmw::Or);
        visit_i64_atomic_rmw_or => atomic_rmw(I64, Width::W64, Rmw::Or);
        visit_i32_atomic_rmw8_or_u => atomic_rmw(I32, Width::W8, Rmw::Or);
        visit_i32_atomic_rmw16_or_u => atomic_rmw(I32, Width::W16, Rmw::Or);
        visit_i64_atomic_rmw8_or_u => atomic_rmw(I64, Width::W8, Rmw::Or);
        visit_i64_atomic_rmw16_or_u => atomic_rmw(I64, Width::W16, Rmw::Or);
        visit_i64_atomic_rmw32_or_u => atomic_rmw(I64, Width::W32, Rmw::Or);
        visit_i32_atomic_rmw_xor => atomic_rmw(I32, Width::W32, Rmw::Xor);
        visit_i64_atomic_rmw_xor => atomic_rmw(I64, Width::W64, Rmw::Xor);
        visit_i32_atomic_rmw8_xor_u => atomic_rmw(I32, Width::W8, Rmw::Xor);
        visit_i32_atomic_rmw16_xor_u => atomic_rmw(I32, Width::W16, Rmw::Xor);
        visit_i64_atomic_rmw8_xor_u => atomic_rmw(I64, Width::W8, Rmw::Xor);
        visit_i64_atomic_rmw16_xor_u => atomic_rmw(I64, Width::W16, Rmw::Xor);
        visit_i64_atomic_rmw32_xor_u => atomic_rmw(I64, Width::W32, Rmw::Xor);
        visit_i32_atomic_rmw_xchg => atomic_rmw(I32, Width::W32, Rmw::Exchange);
        visit_i64_atomic_rmw_xchg => atomic_rmw(I64, Width::W64, Rmw::Exchange);
        visit_i32_atomic_rmw8_xchg_u => atomic_rmw(I32, Width::W8, Rmw::Exchange);
        visit_i32_atomic_rmw16_xchg_u => atomic_rmw(I32, Width::W16, Rmw::Exchange);
        visit_i64_atomic_rmw8_xchg_u => atomic_rmw(I64, Width::W8, Rmw::Exchange);
        visit_i64_atomic_rmw16_xchg_u => atomic_rmw(I64, Width::W16, Rmw::Exchange);
        visit_i64_atomic_rmw32_xchg_u => atomic_rmw(I64, Width::W32, Rmw::Exchange);
        visit_i32_atomic_rmw_cmpxchg => atomic_cmpxchg(I32, Width::W32);
        visit_i64_atomic_rmw_cmpxchg => atomic_cmpxchg(I64, Width::W64);
        visit_i32_atomic_rmw8_cmpxchg_u => atomic_cmpxchg(I32, Width::W8);
        visit_i32_atomic_rmw16_cmpxchg_u => atomic_cmpxchg(I32, Width::W16);
        visit_i64_atomic_rmw8_cmpxchg_u => atomic_cmpxchg(I64, Width::W8);
        visit_i64_atomic_rmw16_cmpxchg_u => atomic_cmpxchg(I64, Width::W16);
        visit_i64_atomic_rmw32_cmpxchg_u => atomic_cmpxchg(I64, Width::W32);
        visit_memory_atomic_notify => atomic_notify();
        visit_memory_atomic_wait32 => atomic_wait(Width::W32);
        visit_memory_atomic_wait64 => atomic_wait(Width::W64);
    }

    ops! {
        // Constants.
        |c| visit_i32_const(value: i32) => c.push_const(I32, value.cast_unsigned().into());
        |c| visit_i64_const(value: i64) => c.push_const(I64, value as u64);
        |c| visit_f32_const(value: wasmparser::Ieee32) => c.push_const(F32, value.bits() as u64);
        |c| visit_f64_const(value: wasmparser::Ieee64) => c.push_const(F64, value.bits());

        // Control.
        |c| visit_unreachable() => c.unreachable_op();
        |_c| visit_nop() => {};
        |c| visit_block(ty: BlockType) => c.block(signature(ty));
        |c| visit_loop(ty: BlockType) => c.begin_loop(signature(ty));
        |c| visit_if(ty: BlockType) => c.begin_if(signature(ty));
        |c| visit_else() => c.begin_else();
        |c| visit_end() => c.end();
        |c| visit_br(depth: u32) => c.br(depth);
        |c| visit_br_if(depth: u32) => c.br_if(depth);
        |c| visit_br_table(targets: BrTable<'a>) => c.br_table(&targets);
        |c| visit_return() => c.return_();
        |c| visit_call(function: u32) => c.call(function);
        |c| visit_call_indirect(ty: u32, table: u32) => c.call_indirect(ty, table);
        |c| visit_call_ref(ty: u32) => c.call_ref(ty);
        |c| visit_return_call(function: u32) => c.return_call(function);
        |c| visit_return_call_indirect(ty: u32, table: u32) => c.return_call_indirect(ty, table);
        |c| visit_return_call_ref(ty: u32) => c.return_call_ref(ty);

        // Parametric and variables.
        |c| visit_drop() => c.drop_value();
        |c| visit_select() => c.select(None);
        |c| visit_typed_select(ty: wasmparser::ValType) => c.select(Some(val_type(ty)));
        |c| visit_local_get(local: u32) => c.local_get(local);
        |c| visit_local_set(local: u32) => c.local_set(local);
        |c| visit_local_tee(local: u32) => c.local_tee(local);
        |c| visit_global_get(global: u32) => c.global_get(global);
        |c| visit_global_set(global: u32) => c.global_set(global);

        // Memories and tables.
        |c| visit_memory_size(memory: u32) => c.memory_size(memory);
        |c| visit_memory_grow(memory: u32) => c.memory_grow(memory);
        |c| visit_memory_init(segment: u32, memory: u32) => c.memory_init(segment, memory);
        |c| visit_data_drop(segment: u32) => c.data_drop(segment);
        |c| visit_memory_copy(dst: u32, src: u32) => c.memory_copy(dst, src);
        |c| visit_memory_fill(memory: u32) => c.memory_fill(memory);
        |c| visit_atomic_fence() => c.atomic_fence();
        |c| visit_table_get(table: u32) => c.table_get(table);
        |c| visit_table_set(table: u32) => c.table_set(table);
        |c| visit_table_size(table: u32) => c.table_size(table);
        |c| visit_table_grow(table: u32) => c.table_grow(table);
        |c| visit_table_fill(table: u32) => c.table_fill(table);
        |c| visit_table_copy(dst: u32, src: u32) => c.table_copy(dst, src);
        |c| visit_table_init(segment: u32, table: u32) => c.table_init(segment, table);
        |c| visit_elem_drop(segment: u32) => c.elem_drop(segment);

        // References.
        |c| visit_ref_null(heap: wasmparser::HeapType) =>
            c.push_const(ValType::Ref(RefType::new(true, heap_type(heap))), 0);
        |c| visit_ref_is_null() => c.ref_is_null();
        |c| visit_ref_func(function: u32) => c.ref_func(function);
        |c| visit_ref_as_non_null() => c.ref_as_non_null();
        |c| visit_br_on_null(depth: u32) => c.br_on_null(depth);
        |c| visit_br_on_non_null(depth: u32) => c.br_on_non_null(depth);
        |c| visit_ref_eq() => c.ref_eq();
        |c| visit_ref_i31() => c.ref_i31();
        |c| visit_i31_get_s() => c.i31_get(true);
        |c| visit_i31_get_u() => c.i31_get(false);
        |c| visit_any_convert_extern() => c.convert_reference(HeapType::Any);
        |c| visit_extern_convert_any() => c.convert_reference(HeapType::Extern);

        // Structs and arrays.
        |c| visit_struct_new(ty: u32) => c.struct_new(ty);
        |c| visit_struct_new_default(ty: u32) => c.struct_new_default(ty);
        |c| visit_struct_get(ty: u32, field: u32) => c.struct_get(ty, field, Extend::None);
        |c| visit_struct_get_s(ty: u32, field: u32) => c.struct_get(ty, field, Extend::Signed);
        |c| visit_struct_get_u(ty: u32, field: u32) => c.struct_get(ty, field, Extend::Unsigned);
        |c| visit_struct_set(ty: u32, field: u32) => c.struct_set(ty, field);
        |c| visit_array_new(ty: u32) => c.array_new(ty);
        |c| visit_array_new_default(ty: u32) => c.array_new_default(ty);
        |c| visit_array_new_fixed(ty: u32, count: u32) => c.array_new_fixed(ty, count);
        |c| visit_array_new_data(ty: u32, segment: u32) => c.array_new_data(ty, segment);
        |c| visit_array_new_elem(ty: u32, segment: u32) => c.array_new_elem(ty, segment);
        |c| visit_array_get(ty: u32) => c.array_get(ty, Extend::None);
        |c| visit_array_get_s(ty: u32) => c.array_get(ty, Extend::Signed);
        |c| visit_array_get_u(ty: u32) => c.array_get(ty, Extend::Unsigned);
        |c| visit_array_set(ty: u32) => c.array_set(ty);
        |c| visit_array_len() => c.array_len();
        |c| visit_array_fill(ty: u32) => c.array_fill(ty);
        |c| visit_array_copy(dst: u32, _src: u32) => c.array_copy(dst);
        |c| visit_array_init_data(_ty: u32, segment: u32) => c.array_init(entry!(ArrayInitData, 5), segment);
        |c| visit_array_init_elem(_ty: u32, segment: u32) => c.array_init(entry!(ArrayInitElem, 5), segment);

        // Casts.
        |c| visit_ref_test_non_null(heap: wasmparser::HeapType) => c.ref_test(RefType::new(false, heap_type(heap)));
        |c| visit_ref_test_nullable(heap: wasmparser::HeapType) => c.ref_test(RefType::new(true, heap_type(heap)));
        |c| visit_ref_cast_non_null(heap: wasmparser::HeapType) => c.ref_cast(RefType::new(false, heap_type(heap)));
        |c| visit_ref_cast_nullable(heap: wasmparser::HeapType) => c.ref_cast(RefType::new(true, heap_type(heap)));
        |c| visit_br_on_cast(depth: u32, _from: wasmparser::RefType, to: wasmparser::RefType) =>
            c.br_on_cast(depth, ref_type(to));
        |c| visit_br_on_cast_fail(depth: u32, _from: wasmparser::RefType, to: wasmparser::RefType) =>
            c.br_on_cast_fail(depth, ref_type(to));

        // Exceptions.
        |c| visit_try_table(table: TryTable) => c.try_table(signature(table.ty), table.catches);
        |c| visit_throw(tag: u32) => c.throw(tag);
        |c| visit_throw_ref() => c.throw_ref();

        // Legacy exceptions.
        |c| visit_try(ty: BlockType) => c.legacy_try(signature(ty));
        |c| visit_catch(tag: u32) => c.legacy_catch(Some(tag));
        |c| visit_catch_all() => c.legacy_catch(None);
        |c| visit_delegate(depth: u32) => c.delegate(depth);
        |c| visit_rethrow(depth: u32) => c.rethrow(depth);
    }

    unsupported! {
        visit_struct_new_desc(u32);
        visit_struct_new_default_desc(u32);
        visit_ref_get_desc(u32);
        visit_ref_cast_desc_eq_non_null(wasmparser::HeapType);
        visit_ref_cast_desc_eq_nullable(wasmparser::HeapType);
        visit_br_on_cast_desc_eq(u32, wasmparser::RefType, wasmparser::RefType);
        visit_br_on_cast_desc_eq_fail(u32, wasmparser::RefType, wasmparser::RefType);
        visit_typed_select_multi(Vec<wasmparser::ValType>);
        visit_memory_discard(u32);
        visit_global_atomic_get(wasmparser::Ordering, u32);
        visit_global_atomic_set(wasmparser::Ordering, u32);
        visit_global_atomic_rmw_add(wasmparser::Ordering, u32);
        visit_global_atomic_rmw_sub(wasmparser::Ordering, u32);
        visit_global_atomic_rmw_and(wasmparser::Ordering, u32);
        visit_global_atomic_rmw_or(wasmparser::Ordering, u32);
        visit_global_atomic_rmw_xor(wasmparser::Ordering, u32);
        visit_global_atomic_rmw_xchg(wasmparser::Ordering, u32);
        visit_global_atomic_rmw_cmpxchg(wasmparser::Ordering, u32);
        visit_table_atomic_get(wasmparser::Ordering, u32);
        visit_table_atomic_set(wasmparser::Ordering, u32);
        visit_table_atomic_rmw_xchg(wasmparser::Ordering, u32);
        visit_table_atomic_rmw_cmpxchg(wasmparser::Ordering, u32);
        visit_struct_atomic_get(wasmparser::Ordering, u32, u32);
        visit_struct_atomic_get_s(wasmparser::Ordering, u32, u32);
        visit_struct_atomic_get_u(wasmparser::Ordering, u32, u32);
        visit_struct_atomic_set(wasmparser::Ordering, u32, u32);
        visit_struct_atomic_rmw_add(wasmparser::Ordering, u32, u32);
        visit_struct_atomic_rmw_sub(wasmparser::Ordering, u32, u32);
        visit_struct_atomic_rmw_and(wasmparser::Ordering, u32, u32);
        visit_struct_atomic_rmw_or(wasmparser::Ordering, u32, u32);
        visit_struct_atomic_rmw_xor(wasmparser::Ordering, u32, u32);
        visit_struct_atomic_rmw_xchg(wasmparser::Ordering, u32, u32);
        visit_struct_atomic_rmw_cmpxchg(wasmparser::Ordering, u32, u32);
        visit_array_atomic_get(wasmparser::Ordering, u32);
        visit_array_atomic_get_s(wasmparser::Ordering, u32);
        visit_array_atomic_get_u(wasmparser::Ordering, u32);
        visit_array_atomic_set(wasmparser::Ordering, u32);
        visit_array_atomic_rmw_add(wasmparser::Ordering, u32);
        visit_array_atomic_rmw_sub(wasmparser::Ordering, u32);
        visit_array_atomic_rmw_and(wasmparser::Ordering, u32);
        visit_array_atomic_rmw_or(wasmparser::Ordering, u32);
        visit_array_atomic_rmw_xor(wasmparser::Ordering, u32);
        visit_array_atomic_rmw_xchg(wasmparser::Ordering, u32);
        visit_array_atomic_rmw_cmpxchg(wasmparser::Ordering, u32);
        visit_ref_i31_shared();
        visit_cont_new(u32);
        visit_cont_bind(u32, u32);
        visit_suspend(u32);
        visit_resume(u32, wasmparser::ResumeTable);
        visit_resume_throw(u32, u32, wasmparser::ResumeTable);
        visit_resume_throw_ref(u32, wasmparser::ResumeTable);
        visit_switch(u32, u32);
    }
}
