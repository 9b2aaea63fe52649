//! Integer instructions: each family is one function, each instruction one row in `visitor`.

use super::parts::Compiler;
use super::values::{At, Reg, Value, width};
use crate::abi::{Gpr, SCRATCH};
use crate::asm::{Alu, Cond, Mem, ShiftOp, Width};
use heapwood_gc_abi::{Mutant, Narrow, active, low8, low16, low32};
use heapwood_module::ValType;

/// Bit counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BitCount {
    Clz,
    Ctz,
    Popcnt,
}

/// Normalises a constant to its type: i32 values have a zero upper half.
pub(super) fn normal(ty: ValType, bits: u64) -> u64 {
    if ty == ValType::I64 { bits } else { low32(bits).into() }
}

/// The value of an ALU operation on constants.
fn fold_alu(ty: ValType, alu: Alu, a: u64, b: u64) -> u64 {
    let value = match alu {
        Alu::Add => a.wrapping_add(b),
        Alu::Sub => a.wrapping_sub(b),
        Alu::And => a & b,
        Alu::Or => a | b,
        Alu::Xor => a ^ b,
        Alu::Cmp | Alu::Adc | Alu::Sbb => unreachable!("no value of two operands"),
    };
    normal(ty, value)
}

/// An i32 as the number that it stands for.
fn signed32(bits: u64) -> i64 {
    low32(bits).cast_signed().into()
}

/// The value of a comparison of constants.
fn fold_compare(ty: ValType, cond: Cond, a: u64, b: u64) -> bool {
    let (sa, sb) = if ty == ValType::I64 { (a.cast_signed(), b.cast_signed()) } else { (signed32(a), signed32(b)) };
    match cond {
        Cond::E => a == b,
        Cond::Ne => a != b,
        Cond::B => a < b,
        Cond::Ae => a >= b,
        Cond::Be => a <= b,
        Cond::A => a > b,
        Cond::L => sa < sb,
        Cond::Ge => sa >= sb,
        Cond::Le => sa <= sb,
        Cond::G => sa > sb,
        Cond::S | Cond::P | Cond::Np => unreachable!("not an integer comparison"),
    }
}

impl Compiler<'_> {
    /// add, sub, and, or, xor.
    pub(crate) fn int_alu(&mut self, ty: ValType, alu: Alu) {
        let mut rhs = self.pop();
        let mut lhs = self.pop();
        if let (Some(a), Some(b)) = (lhs.constant(), rhs.constant()) {
            return self.push_const(ty, fold_alu(ty, alu, a, b));
        }
        if lhs.constant().is_some() && alu != Alu::Sub {
            std::mem::swap(&mut lhs, &mut rhs);
        }
        if alu != Alu::Sub && matches!(rhs.at, At::Temp(_)) && !matches!(lhs.at, At::Temp(_)) {
            std::mem::swap(&mut lhs, &mut rhs);
        }
        if self.add_by_lea(ty, alu, &mut lhs, &mut rhs) {
            return;
        }
        let dst = self.result_reg(ty, Some(&lhs), &[rhs.reg()]);
        self.load_value(dst, &lhs);
        self.apply_alu(ty, alu, dst.as_gpr(), &mut rhs);
        self.release_value(&rhs);
        self.push_result(ty, dst);
    }

    /// `lea` adds without destroying an operand that still has an owner.
    fn add_by_lea(&mut self, ty: ValType, alu: Alu, lhs: &mut Value, rhs: &mut Value) -> bool {
        let imm = match alu {
            Alu::Add => rhs.imm32(),
            Alu::Sub => rhs.imm32().and_then(i32::checked_neg),
            _ => return false,
        };
        if let At::Home(_) = lhs.at {
            self.in_reg(lhs);
        }
        let At::Local(left, _) = lhs.at else { return false };
        let dst = self.result_reg(ty, None, &[]);
        if dst == left && (imm.is_some() || rhs.reg().is_some()) {
            self.apply_alu(ty, alu, dst.as_gpr(), rhs);
        } else if let Some(imm) = imm {
            self.asm.lea(width(ty), dst.as_gpr(), Mem::base(left.as_gpr(), imm));
        } else if alu == Alu::Add {
            let right = self.in_gpr(rhs);
            self.asm.lea(width(ty), dst.as_gpr(), Mem::indexed(left.as_gpr(), right, 0, 0));
        } else {
            if rhs.reg() == Some(dst) {
                let right = rhs.reg().expect("checked").as_gpr();
                self.asm.mov_rr(width(ty), SCRATCH, left.as_gpr());
                self.asm.alu_rr(width(ty), alu, SCRATCH, right);
                self.asm.mov_rr(width(ty), dst.as_gpr(), SCRATCH);
            } else {
                self.asm.move_reg(ty, dst, left);
                self.apply_alu(ty, alu, dst.as_gpr(), rhs);
            }
        }
        self.release_value(rhs);
        self.push_result(ty, dst);
        true
    }

    /// Emits `op dst, rhs`, wherever the right operand is: in a register, in memory or a constant.
    pub(super) fn apply_alu(&mut self, ty: ValType, alu: Alu, dst: Gpr, rhs: &mut Value) {
        if let Some(imm) = rhs.imm32() {
            self.asm.alu_ri(width(ty), alu, dst, imm);
        } else if let At::Slot(_) = rhs.at {
            let mem = self.value_mem(rhs);
            self.asm.alu_rm(width(ty), alu, dst, mem);
        } else if let At::Const(bits) = rhs.at {
            self.asm.mov_ri(SCRATCH, bits);
            self.asm.alu_rr(width(ty), alu, dst, SCRATCH);
        } else {
            let reg = self.in_gpr(rhs);
            self.asm.alu_rr(width(ty), alu, dst, reg);
        }
    }

    pub(crate) fn int_mul(&mut self, ty: ValType) {
        let mut rhs = self.pop();
        let mut lhs = self.pop();
        if let (Some(a), Some(b)) = (lhs.constant(), rhs.constant()) {
            return self.push_const(ty, normal(ty, a.wrapping_mul(b)));
        }
        if lhs.constant().is_some() || (matches!(rhs.at, At::Temp(_)) && rhs.constant().is_none()) {
            std::mem::swap(&mut lhs, &mut rhs);
        }
        if let Some(imm) = rhs.imm32() {
            let src = self.in_gpr(&mut lhs);
            let dst = self.result_reg(ty, Some(&lhs), &[]);
            match imm.count_ones() {
                1 if imm > 0 => {
                    self.asm.move_reg(ty, dst, Reg::gpr(src));
                    let shift = imm.trailing_zeros().narrow();
                    if shift > 0 {
                        self.asm.shift_ri(width(ty), ShiftOp::Shl, dst.as_gpr(), shift);
                    }
                }
                _ => self.asm.imul_rri(width(ty), dst.as_gpr(), src, imm),
            }
            return self.push_result(ty, dst);
        }
        let right = self.in_gpr(&mut rhs);
        let dst = self.result_reg(ty, Some(&lhs), &[Some(Reg::gpr(right))]);
        self.load_value(dst, &lhs);
        self.asm.imul_rr(width(ty), dst.as_gpr(), right);
        self.release_value(&rhs);
        self.push_result(ty, dst);
    }

    pub(crate) fn int_shift(&mut self, ty: ValType, shift: ShiftOp) {
        let mut count = self.pop();
        let mut lhs = self.pop();
        let bits = if ty == ValType::I64 && !active(Mutant::ShiftCountOf32Bits) { 64 } else { 32 };
        if let Some(n) = count.constant() {
            let n = (n % bits).narrow();
            if let Some(a) = lhs.constant() {
                return self.push_const(ty, fold_shift(ty, shift, a, n));
            }
            let dst = self.result_reg(ty, Some(&lhs), &[]);
            self.load_value(dst, &lhs);
            if n != 0 {
                self.asm.shift_ri(width(ty), shift, dst.as_gpr(), n);
            }
            return self.push_result(ty, dst);
        }
        // The count goes to cl, so the value must be in another register.
        if count.reg() != Some(Reg::gpr(Gpr::RCX)) {
            if lhs.reg() == Some(Reg::gpr(Gpr::RCX)) {
                self.values.move_elsewhere(self.asm, &mut lhs);
            }
            self.values.take_fixed(self.asm, Gpr::RCX);
            self.load_value(Reg::gpr(Gpr::RCX), &count);
            self.release_value(&count);
            self.keep_locked(&[&lhs]);
            count.at = At::Temp(Reg::gpr(Gpr::RCX));
        }
        let dst = self.result_reg(ty, Some(&lhs), &[Some(Reg::gpr(Gpr::RCX))]);
        self.load_value(dst, &lhs);
        self.asm.shift_cl(width(ty), shift, dst.as_gpr());
        self.release_value(&count);
        self.push_result(ty, dst);
    }

    // ---- comparisons

    /// Compares the top two operands; the result stays in the flags if the next operator takes it from there.
    pub(crate) fn int_compare(&mut self, ty: ValType, cond: Cond) {
        let mut rhs = self.pop();
        let mut lhs = self.pop();
        let mut cond = cond;
        if let (Some(a), Some(b)) = (lhs.constant(), rhs.constant()) {
            return self.push_const(ValType::I32, fold_compare(ty, cond, a, b) as u64);
        }
        if lhs.constant().is_some() {
            std::mem::swap(&mut lhs, &mut rhs);
            cond = cond.swap();
        }
        let left = self.in_gpr(&mut lhs);
        if rhs.constant() == Some(0) && matches!(cond, Cond::E | Cond::Ne) {
            self.asm.test_zero(width(ty), left);
        } else {
            self.apply_alu(ty, Alu::Cmp, left, &mut rhs);
        }
        self.release_value(&lhs);
        self.release_value(&rhs);
        self.push_condition(cond);
    }

    pub(crate) fn int_eqz(&mut self, ty: ValType) {
        let mut value = self.pop();
        match value.at {
            At::Const(bits) => self.push_const(ValType::I32, (bits == 0) as u64),
            At::Flags(cond) => {
                let tested = self.values.take_tested();
                self.push_condition(cond.negate());
                self.values.note_opposite(tested);
            }
            _ => {
                let reg = self.in_gpr(&mut value);
                self.asm.test_zero(width(ty), reg);
                self.release_value(&value);
                self.push_condition(Cond::E);
            }
        }
    }

    // ---- bits

    pub(crate) fn int_bit_count(&mut self, ty: ValType, count: BitCount) {
        let mut value = self.pop();
        if let Some(bits) = value.constant() {
            return self.push_const(ty, fold_bit_count(ty, count, bits));
        }
        let src = self.in_gpr(&mut value);
        let dst = self.result_reg(ty, Some(&value), &[]);
        let w = width(ty);
        let bits = if ty == ValType::I64 { 64 } else { 32 };
        match count {
            BitCount::Popcnt => self.asm.bit_count(true, 0xb8, w, dst.as_gpr(), src),
            // bsr and bsf leave the destination alone for zero, which the conditional move replaces.
            BitCount::Clz => {
                self.asm.bit_count(false, 0xbd, w, SCRATCH, src);
                self.asm.mov_ri(dst.as_gpr(), 2 * bits - 1);
                self.asm.cmov(Width::W64, Cond::Ne, dst.as_gpr(), SCRATCH);
                self.asm.alu_ri(Width::W32, Alu::Xor, dst.as_gpr(), bits.narrow::<i32>() - 1);
            }
            BitCount::Ctz => {
                self.asm.bit_count(false, 0xbc, w, SCRATCH, src);
                self.asm.mov_ri(dst.as_gpr(), bits);
                self.asm.cmov(Width::W64, Cond::Ne, dst.as_gpr(), SCRATCH);
            }
        }
        self.push_result(ty, dst);
    }

    /// extend8_s, extend16_s, extend32_s and i64.extend_i32_s.
    pub(crate) fn int_sign_extend(&mut self, from: Width, ty: ValType) {
        let mut value = self.pop();
        value.ty = ty;
        if let Some(bits) = value.constant() {
            let extended = match from {
                Width::W8 => low8(bits).cast_signed().into(),
                Width::W16 => low16(bits).cast_signed().into(),
                _ => signed32(bits),
            };
            return self.push_const(ty, normal(ty, extended.cast_unsigned()));
        }
        if let At::Home(_) | At::Slot(_) = value.at {
            // The slot of an i32 holds 32 bits: the load extends.
            let mem = self.value_mem(&value);
            let dst = self.result_reg(ty, None, &[]);
            self.asm.load_sx(from, width(ty), dst.as_gpr(), mem);
            return self.push_result(ty, dst);
        }
        let src = value.reg().expect("not in memory").as_gpr();
        let dst = self.result_reg(ty, Some(&value), &[]);
        self.asm.movsx(from, width(ty), dst.as_gpr(), src);
        self.push_result(ty, dst);
    }

    /// `i32.wrap_i64`: a 32-bit move, so that the upper half is zero.
    pub(crate) fn i32_wrap_i64(&mut self) {
        let mut value = self.pop();
        if let Some(bits) = value.constant() {
            return self.push_const(ValType::I32, low32(bits).into());
        }
        value.ty = ValType::I32;
        let in_memory = matches!(value.at, At::Home(_) | At::Slot(_));
        let dst = self.result_reg(ValType::I32, Some(&value), &[]);
        if in_memory {
            let mem = self.value_mem(&value);
            self.asm.load(Width::W32, dst.as_gpr(), mem);
        } else {
            let src = value.reg().expect("not in memory").as_gpr();
            let width = if active(Mutant::WrapKeepsUpperHalf) { Width::W64 } else { Width::W32 };
            self.asm.mov_rr(width, dst.as_gpr(), src);
        }
        self.push_result(ValType::I32, dst);
    }

    /// `i64.extend_i32_u`: nothing to do in a register.
    pub(crate) fn i64_extend_i32_u(&mut self) {
        let mut value = self.pop();
        if let Some(bits) = value.constant() {
            return self.push_const(ValType::I64, low32(bits).into());
        }
        if let At::Temp(reg) = value.at {
            return self.push_reg(ValType::I64, reg);
        }
        value.ty = ValType::I32;
        let dst = self.result_reg(ValType::I64, None, &[]);
        match value.reg() {
            Some(src) => self.asm.mov_rr(Width::W32, dst.as_gpr(), src.as_gpr()),
            None => self.load_value(dst, &value),
        }
        self.push_result(ValType::I64, dst);
    }
}

fn fold_shift(ty: ValType, shift: ShiftOp, a: u64, n: u8) -> u64 {
    let n = u32::from(n);
    if ty == ValType::I64 {
        return match shift {
            ShiftOp::Shl => a << n,
            ShiftOp::Shr => a >> n,
            ShiftOp::Sar => (a.cast_signed() >> n).cast_unsigned(),
            ShiftOp::Rol => a.rotate_left(n),
            ShiftOp::Ror => a.rotate_right(n),
        };
    }
    let a = low32(a);
    let value = match shift {
        ShiftOp::Shl => a << n,
        ShiftOp::Shr => a >> n,
        ShiftOp::Sar => (a.cast_signed() >> n).cast_unsigned(),
        ShiftOp::Rol => a.rotate_left(n),
        ShiftOp::Ror => a.rotate_right(n),
    };
    value as u64
}

fn fold_bit_count(ty: ValType, count: BitCount, bits: u64) -> u64 {
    let value = match (count, ty == ValType::I64) {
        (BitCount::Clz, true) => bits.leading_zeros(),
        (BitCount::Clz, false) => low32(bits).leading_zeros(),
        (BitCount::Ctz, true) => bits.trailing_zeros(),
        (BitCount::Ctz, false) => low32(bits).trailing_zeros(),
        (BitCount::Popcnt, _) => bits.count_ones(),
    };
    value as u64
}
