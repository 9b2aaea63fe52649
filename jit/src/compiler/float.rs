//! Floating-point instructions.

use super::parts::Compiler;
use super::values::{At, Reg, Value};
use crate::abi::{SCRATCH, SCRATCH_XMM, Xmm};
use crate::asm::{Cond, Label, Section, ShiftOp, Sse, Width};
use heapwood_gc_abi::{Mutant, active};
use heapwood_module::ValType;

/// A comparison whose answer is one flag test after `ucomis`; operands may have to be swapped for NaN to be false.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FloatCompare {
    Eq,
    Ne,
    Lt,
    Gt,
    Le,
    Ge,
}

/// Rounding modes of `roundss`/`roundsd`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Rounding {
    Nearest = 0,
    Floor = 1,
    Ceil = 2,
    Trunc = 3,
}

fn is_double(ty: ValType) -> bool {
    ty == ValType::F64
}

impl Compiler<'_> {
    /// add, sub, mul, div.
    pub(crate) fn float_binary(&mut self, ty: ValType, sse: Sse, commutes: bool) {
        let mut rhs = self.pop();
        let mut lhs = self.pop();
        if commutes && matches!(rhs.at, At::Temp(_)) && !matches!(lhs.at, At::Temp(_)) {
            std::mem::swap(&mut lhs, &mut rhs);
        }
        if let At::Home(_) = lhs.at {
            self.in_reg(&mut lhs);
        }
        if let At::Home(_) = rhs.at {
            self.in_reg(&mut rhs);
        }
        let dst = self.result_reg(ty, Some(&lhs), &[rhs.reg()]);
        self.load_value(dst, &lhs);
        self.sse_operand(sse, dst.as_xmm(), &mut rhs);
        self.release_value(&rhs);
        self.push_result(ty, dst);
    }

    /// `op dst, value` with the value in a register, its slot or the constant pool.
    fn sse_operand(&mut self, sse: Sse, dst: Xmm, value: &mut Value) {
        match value.at {
            At::Slot(_) => {
                let mem = self.value_mem(value);
                self.asm.sse_rm(sse, dst, mem);
            }
            At::Const(bits) if bits != 0 => {
                let mut bytes = [0; 16];
                bytes[..8].copy_from_slice(&bits.to_le_bytes());
                let label = self.asm.constant(bytes, if is_double(value.ty) { 8 } else { 4 });
                self.asm.sse_label(sse, dst, label);
            }
            _ => {
                let src = self.in_xmm(value);
                self.asm.sse_rr(sse, dst, src);
            }
        }
    }

    pub(crate) fn float_sqrt(&mut self, ty: ValType) {
        let mut value = self.pop();
        let sse = if is_double(ty) { Sse::SQRTSD } else { Sse::SQRTSS };
        let src = self.in_xmm(&mut value);
        let dst = self.result_reg(ty, Some(&value), &[]);
        self.asm.sse_rr(sse, dst.as_xmm(), src);
        self.push_result(ty, dst);
    }

    pub(crate) fn float_round(&mut self, ty: ValType, rounding: Rounding) {
        let mut value = self.pop();
        let src = self.in_xmm(&mut value);
        let dst = self.result_reg(ty, Some(&value), &[]);
        self.asm.round(is_double(ty), rounding as u8, dst.as_xmm(), src);
        self.push_result(ty, dst);
    }

    /// The label of a 16-byte mask that has ones in the sign bit of each lane, or in all other bits.
    fn mask(&mut self, ty: ValType, sign: bool) -> Label {
        let mut bytes = [0u8; 16];
        let lane: Vec<u8> = if is_double(ty) {
            let bit = 1u64 << 63;
            (if sign { bit } else { !bit }).to_le_bytes().to_vec()
        } else {
            let bit = 1u32 << 31;
            (if sign { bit } else { !bit }).to_le_bytes().to_vec()
        };
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = lane[i % lane.len()];
        }
        self.asm.constant(bytes, 16)
    }

    /// `abs` clears the sign, `neg` flips it: exact on NaN payloads.
    pub(crate) fn float_sign(&mut self, ty: ValType, negate: bool) {
        let value = self.pop();
        if let Some(bits) = value.constant() {
            let sign = if is_double(ty) { 1 << 63 } else { 1 << 31 };
            return self.push_const(ty, if negate { bits ^ sign } else { bits & !sign });
        }
        let dst = self.result_reg(ty, Some(&value), &[]);
        self.load_value(dst, &value);
        let label = self.mask(ty, negate);
        self.asm.sse_label(if negate { Sse::XORPS } else { Sse::ANDPS }, dst.as_xmm(), label);
        self.push_result(ty, dst);
    }

    pub(crate) fn float_copysign(&mut self, ty: ValType) {
        let sign = self.pop();
        let magnitude = self.pop();
        let sign_mask = self.mask(ty, true);
        let rest_mask = self.mask(ty, false);
        let dst = self.result_reg(ty, Some(&magnitude), &[sign.reg()]);
        self.load_value(Reg::xmm(SCRATCH_XMM), &sign);
        self.release_value(&sign);
        self.load_value(dst, &magnitude);
        self.asm.sse_label(Sse::ANDPS, SCRATCH_XMM, sign_mask);
        self.asm.sse_label(Sse::ANDPS, dst.as_xmm(), rest_mask);
        self.asm.sse_rr(Sse::ORPS, dst.as_xmm(), SCRATCH_XMM);
        self.push_result(ty, dst);
    }

    /// min and max: the hardware's answer holds for ordered, different operands; equal ones merge their signs, and
    /// a NaN is made quiet by an addition.
    pub(crate) fn float_min_max(&mut self, ty: ValType, max: bool) {
        let mut rhs = self.pop();
        let mut lhs = self.pop();
        let right = self.in_xmm(&mut rhs);
        let dst = self.owned(&mut lhs).as_xmm();
        let double = is_double(ty);
        let (compare, add) = if double { (Sse::UCOMISD, Sse::ADDSD) } else { (Sse::UCOMISS, Sse::ADDSS) };
        let pick = match (double, max) {
            (true, true) => Sse::MAXSD,
            (true, false) => Sse::MINSD,
            (false, true) => Sse::MAXSS,
            (false, false) => Sse::MINSS,
        };
        let (special, nan, done) = (self.asm.new_label(), self.asm.new_label(), self.asm.new_label());
        self.asm.sse_rr(compare, dst, right);
        self.asm.jcc(Cond::E, special);
        self.asm.sse_rr(pick, dst, right);
        self.asm.bind(done);
        let was = self.asm.switch(Section::Cold);
        self.asm.bind(special);
        if !active(Mutant::MinimumOfNan) {
            self.asm.jcc(Cond::P, nan);
        }
        let signs = if max || active(Mutant::MinimumOfZeros) { Sse::ANDPS } else { Sse::ORPS };
        self.asm.sse_rr(signs, dst, right);
        self.asm.jmp(done);
        self.asm.bind(nan);
        self.asm.sse_rr(add, dst, right);
        self.asm.jmp(done);
        self.asm.switch(was);
        self.release_value(&rhs);
        self.push_reg(ty, Reg::xmm(dst));
    }

    pub(crate) fn float_compare(&mut self, ty: ValType, compare: FloatCompare) {
        let mut rhs = self.pop();
        let mut lhs = self.pop();
        let ucomis = if is_double(ty) { Sse::UCOMISD } else { Sse::UCOMISS };
        // After a compare with NaN, "above" is false but "below" is true, so less-than swaps the operands.
        if matches!(compare, FloatCompare::Lt | FloatCompare::Le) {
            std::mem::swap(&mut lhs, &mut rhs);
        }
        let left = self.in_xmm(&mut lhs);
        self.sse_operand(ucomis, left, &mut rhs);
        self.release_value(&lhs);
        self.release_value(&rhs);
        match compare {
            FloatCompare::Lt | FloatCompare::Gt => self.push_condition(Cond::A),
            FloatCompare::Le | FloatCompare::Ge => self.push_condition(Cond::Ae),
            FloatCompare::Eq => self.push_equality(true),
            FloatCompare::Ne => self.push_equality(false),
        }
    }

    /// Equality needs two flags: unordered operands (parity) are unequal.
    fn push_equality(&mut self, equal: bool) {
        let dst = self.result_reg(ValType::I32, None, &[]);
        let gpr = dst.as_gpr();
        self.asm.mov_ri(gpr, !equal as u64);
        self.asm.mov_ri(SCRATCH, 0);
        self.asm.setcc(if equal { Cond::E } else { Cond::Ne }, SCRATCH);
        match active(Mutant::EqualityOfNan) {
            true => self.asm.mov_rr(Width::W32, gpr, SCRATCH),
            false => self.asm.cmov(Width::W32, Cond::Np, gpr, SCRATCH),
        }
        self.push_result(ValType::I32, dst);
    }

    // ---- between registers

    /// The `reinterpret` instructions: the bits move between general and vector registers.
    pub(crate) fn reinterpret(&mut self, from: ValType, to: ValType) {
        let mut value = self.pop();
        let Value { at, .. } = value;
        if let At::Const(bits) = at {
            return self.push_const(to, bits);
        }
        let w = if matches!(from, ValType::I64 | ValType::F64) { Width::W64 } else { Width::W32 };
        if let At::Home(_) | At::Slot(_) = at {
            let mem = self.value_mem(&value);
            let dst = self.result_reg(to, None, &[]);
            self.asm.load_reg(to, dst, mem);
            return self.push_result(to, dst);
        }
        let src = self.in_reg(&mut value);
        let dst = self.result_reg(to, None, &[]);
        if src.is_xmm() {
            self.asm.movd_from_xmm(w, dst.as_gpr(), src.as_xmm());
        } else {
            self.asm.movd_to_xmm(w, dst.as_xmm(), src.as_gpr());
        }
        self.release_value(&value);
        self.push_result(to, dst);
    }

    /// Halves a number but keeps its last bit set if it was, so that it rounds as before: for unsigned conversions.
    pub(crate) fn halve_keeping_parity(&mut self, reg: crate::abi::Gpr) {
        self.asm.mov_rr(Width::W64, SCRATCH, reg);
        self.asm.shift_ri(Width::W64, ShiftOp::Shr, SCRATCH, 1);
        self.asm.alu_ri(Width::W32, crate::asm::Alu::And, reg, 1);
        self.asm.alu_rr(Width::W64, crate::asm::Alu::Or, reg, SCRATCH);
    }
}
