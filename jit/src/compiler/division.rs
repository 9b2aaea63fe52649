//! Quotients and remainders: by the hardware's division, or without it where the divisor is a constant.
//!
//! By a power of two: shifts and masks. By another constant d: a product with a *reciprocal*, a scaled and rounded-up
//! 1/d ([`crate::reciprocal`]), whose high half is the quotient but for a shift. A remainder is what the quotient times
//! d leaves. Zero, and -1 of signed division, trap or overflow: they take the general way.

use super::integer::normal;
use super::parts::Compiler;
use super::values::{At, Reg, Value, width};
use crate::abi::{Gpr, SCRATCH, TrapKind};
use crate::asm::{Alu, Cond, ShiftOp, Unary, Width};
use crate::reciprocal::{Signed32, Signed64, Unsigned32, Unsigned64, signed32, signed64, unsigned32, unsigned64};
use heapwood_gc_abi::{Mutant, Narrow, active, low32};
use heapwood_module::ValType;

/// Whether a division is signed, and which of its results is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Division {
    pub(crate) signed: bool,
    pub(crate) remainder: bool,
}

const RAX: Reg = Reg::gpr(Gpr::RAX);
const RDX: Reg = Reg::gpr(Gpr::RDX);

impl Compiler<'_> {
    pub(crate) fn int_divide(&mut self, ty: ValType, division: Division) {
        if let Some(n) = self.values.top_constant()
            && self.divide_by_constant(ty, division, normal(ty, n))
        {
            return;
        }
        self.vacate_division_registers();
        let divisor = self.pop();
        let dividend = self.pop();
        // A divisor in rax or rdx, or in memory, goes to the scratch register.
        let (rax, rdx) = (RAX, RDX);
        let mut right = match divisor.reg() {
            Some(reg) if reg != rax && reg != rdx => reg.as_gpr(),
            _ => {
                self.load_value(Reg::gpr(SCRATCH), &divisor);
                self.release_value(&divisor);
                SCRATCH
            }
        };
        if dividend.at != At::Temp(rax) {
            self.load_value(rax, &dividend);
            self.release_value(&dividend);
        }
        self.values.claim(rax);
        self.values.claim(rdx);
        let w = width(ty);
        let done = self.asm.new_label();
        if division.signed && !active(Mutant::QuotientMayOverflow) {
            self.check_overflow(ty, division, &mut right, done, divisor.constant());
        }
        if division.signed {
            self.asm.cdq(w);
        } else {
            self.asm.alu_rr(Width::W32, Alu::Xor, Gpr::RDX, Gpr::RDX);
        }
        self.trap_site(TrapKind::IntegerDivideByZero);
        self.asm.unary(w, if division.signed { Unary::Idiv } else { Unary::Div }, right);
        self.asm.bind(done);
        if right != SCRATCH {
            self.release_value(&divisor);
        }
        let (result, other) = if division.remainder { (rdx, rax) } else { (rax, rdx) };
        self.release(other);
        self.push_reg(ty, result);
    }

    /// Moves all values but the top two operands out of rax and rdx.
    pub(super) fn vacate_division_registers(&mut self) {
        self.values.vacate(self.asm, &[Gpr::RAX, Gpr::RDX], 2);
    }

    /// MIN / -1 overflows (its remainder is 0): the hardware would fault as for zero.
    fn check_overflow(
        &mut self,
        ty: ValType,
        division: Division,
        right: &mut Gpr,
        done: crate::asm::Label,
        constant: Option<u64>,
    ) {
        if constant.is_some_and(|n| normal(ty, n) != normal(ty, u64::MAX)) {
            return;
        }
        let w = width(ty);
        let go = self.asm.new_label();
        self.asm.alu_ri(w, Alu::Cmp, *right, -1);
        self.asm.jcc(Cond::Ne, go);
        if division.remainder {
            self.asm.alu_rr(Width::W32, Alu::Xor, Gpr::RDX, Gpr::RDX);
            self.asm.jmp(done);
        } else {
            // neg sets the overflow flag for MIN only; compare keeps rax intact for the common case.
            if ty == ValType::I64 {
                self.asm.mov_ri(Gpr::RDX, i64::MIN as u64);
                self.asm.alu_rr(w, Alu::Cmp, Gpr::RAX, Gpr::RDX);
            } else {
                self.asm.alu_ri(w, Alu::Cmp, Gpr::RAX, i32::MIN);
            }
            let overflow = self.trap_label(TrapKind::IntegerOverflow);
            self.asm.jcc(Cond::E, overflow);
        }
        self.asm.bind(go);
    }

    /// Divides without the hardware's division, if there is a way; the top operand is the constant `n`.
    fn divide_by_constant(&mut self, ty: ValType, division: Division, n: u64) -> bool {
        let magnitude = match (division.signed, ty) {
            (false, _) => n,
            (true, ValType::I64) => n.cast_signed().unsigned_abs(),
            (true, _) => low32(n).cast_signed().unsigned_abs().into(),
        };
        let negative = division.signed && magnitude != n;
        let highest = if ty == ValType::I64 { 1 << 63 } else { 1 << 31 };
        if n == 0 || negative && magnitude == 1 || division.signed && magnitude == highest {
            return false;
        }
        match (magnitude.is_power_of_two(), division.signed) {
            (true, false) => self.divide_by_power(ty, division, n),
            (true, true) => self.divide_by_power_signed(ty, division, magnitude, negative),
            (false, _) if ty == ValType::I64 => self.divide_by_high_product(ty, division, magnitude, negative),
            (false, true) => self.divide_by_product(division, signed32(magnitude.narrow()), magnitude, negative),
            (false, false) => match unsigned32(n.narrow()) {
                Unsigned32::Low { multiplier, shift } => {
                    self.divide_by_product(division, Signed32 { multiplier, shift }, n, false);
                }
                Unsigned32::High { .. } => self.divide_by_high_product(ty, division, n, false),
            },
        }
        true
    }

    fn pop_dividend(&mut self) -> Value {
        let divisor = self.pop();
        self.release_value(&divisor);
        self.pop()
    }

    /// Divides an unsigned number by a power of two.
    fn divide_by_power(&mut self, ty: ValType, division: Division, n: u64) {
        let dividend = self.pop_dividend();
        let dst = self.result_reg(ty, Some(&dividend), &[]);
        self.load_value(dst, &dividend);
        let shift = n.trailing_zeros().narrow();
        if division.remainder {
            self.keep_low_bits(ty, dst.as_gpr(), shift);
        } else if shift > 0 {
            self.asm.shift_ri(width(ty), ShiftOp::Shr, dst.as_gpr(), shift);
        }
        self.push_result(ty, dst);
    }

    fn keep_low_bits(&mut self, ty: ValType, dst: Gpr, bits: u8) {
        let mask = (1u64 << bits) - 1;
        if let Ok(mask) = i32::try_from(mask) {
            self.asm.alu_ri(width(ty), Alu::And, dst, mask);
        } else {
            self.asm.mov_ri(SCRATCH, mask);
            self.asm.alu_rr(Width::W64, Alu::And, dst, SCRATCH);
        }
    }

    /// Divides a signed number by a power of two: adding the divisor less one to a negative dividend rounds toward
    /// zero.
    fn divide_by_power_signed(&mut self, ty: ValType, division: Division, magnitude: u64, negative: bool) {
        let (w, shift) = (width(ty), magnitude.trailing_zeros().narrow::<u8>());
        let mut dividend = self.pop_dividend();
        let source = self.in_gpr(&mut dividend);
        let dst = self.result_reg(ty, None, &[Some(Reg::gpr(source))]);
        let to = dst.as_gpr();
        if shift == 0 {
            // By one.
            if division.remainder {
                self.asm.alu_rr(Width::W32, Alu::Xor, to, to);
            } else {
                self.asm.mov_rr(w, to, source);
            }
        } else {
            let bits = if ty == ValType::I64 { 64 } else { 32 };
            self.asm.mov_rr(w, SCRATCH, source);
            if shift > 1 {
                self.asm.shift_ri(w, ShiftOp::Sar, SCRATCH, bits - 1);
            }
            self.asm.shift_ri(w, ShiftOp::Shr, SCRATCH, bits - shift);
            self.asm.alu_rr(w, Alu::Add, SCRATCH, source);
            if division.remainder {
                // The dividend less its multiple of the divisor.
                self.asm.shift_ri(w, ShiftOp::Shr, SCRATCH, shift);
                self.asm.shift_ri(w, ShiftOp::Shl, SCRATCH, shift);
                self.asm.mov_rr(w, to, source);
                self.asm.alu_rr(w, Alu::Sub, to, SCRATCH);
            } else {
                self.asm.mov_rr(w, to, SCRATCH);
                self.asm.shift_ri(w, ShiftOp::Sar, to, shift);
                self.negate_if(w, to, negative);
            }
        }
        self.release_value(&dividend);
        self.push_result(ty, dst);
    }

    fn negate_if(&mut self, w: Width, dst: Gpr, negative: bool) {
        if negative {
            self.asm.unary(w, Unary::Neg, dst);
        }
    }

    /// Divides an i32 by a constant through the low half of a product.
    fn divide_by_product(&mut self, division: Division, by: Signed32, magnitude: u64, negative: bool) {
        let (ty, w) = (ValType::I32, Width::W32);
        let mut dividend = self.pop_dividend();
        let source = self.in_gpr(&mut dividend);
        let dst = self.result_reg(ty, None, &[Some(Reg::gpr(source))]);
        let to = dst.as_gpr();
        self.asm.mov_ri(SCRATCH, by.multiplier as u64);
        if division.signed {
            self.asm.movsx(w, Width::W64, to, source);
            self.asm.imul_rr(Width::W64, to, SCRATCH);
            self.asm.shift_ri(Width::W64, ShiftOp::Sar, to, by.shift);
            self.asm.mov_rr(w, SCRATCH, source);
            self.asm.shift_ri(w, ShiftOp::Sar, SCRATCH, 31);
            self.asm.alu_rr(w, Alu::Sub, to, SCRATCH);
        } else {
            self.asm.mov_rr(w, to, source);
            self.asm.imul_rr(Width::W64, to, SCRATCH);
            self.asm.shift_ri(Width::W64, ShiftOp::Shr, to, by.shift);
        }
        if division.remainder {
            self.asm.imul_rri(w, SCRATCH, to, magnitude.narrow::<u32>().cast_signed());
            self.asm.mov_rr(w, to, source);
            self.asm.alu_rr(w, Alu::Sub, to, SCRATCH);
        } else {
            self.negate_if(w, to, negative);
        }
        self.release_value(&dividend);
        self.push_result(ty, dst);
    }

    /// Divides by a constant through the high half of a product in rdx:rax.
    fn divide_by_high_product(&mut self, ty: ValType, division: Division, magnitude: u64, negative: bool) {
        self.vacate_division_registers();
        let dividend = self.pop_dividend();
        let source = match dividend.reg() {
            Some(reg) if reg != RAX && reg != RDX => reg.as_gpr(),
            _ => {
                self.load_value(Reg::gpr(SCRATCH), &dividend);
                self.release_value(&dividend);
                SCRATCH
            }
        };
        self.values.claim(RAX);
        self.values.claim(RDX);
        if division.signed {
            self.high_product_signed(signed64(magnitude), source);
        } else if ty == ValType::I64 {
            self.high_product(unsigned64(magnitude), source);
        } else if let Unsigned32::High { multiplier } = unsigned32(magnitude.narrow()) {
            self.high_product(Unsigned64 { multiplier, shift: 0, adds: false }, source);
        }
        let w = width(ty);
        if division.remainder {
            match i32::try_from(magnitude) {
                Ok(imm) => self.asm.imul_rri(w, Gpr::RAX, Gpr::RDX, imm),
                Err(_) => {
                    self.asm.mov_ri(Gpr::RAX, magnitude);
                    self.asm.imul_rr(w, Gpr::RAX, Gpr::RDX);
                }
            }
            self.asm.mov_rr(w, Gpr::RDX, source);
            self.asm.alu_rr(w, Alu::Sub, Gpr::RDX, Gpr::RAX);
        } else {
            self.negate_if(w, Gpr::RDX, negative);
        }
        if source != SCRATCH {
            self.release_value(&dividend);
        }
        self.release(RAX);
        self.push_reg(ty, RDX);
    }

    /// rdx = `source` / d, unsigned.
    fn high_product(&mut self, by: Unsigned64, source: Gpr) {
        let w = Width::W64;
        self.asm.mov_ri(Gpr::RAX, by.multiplier);
        self.asm.unary(w, Unary::Mul, source);
        if by.adds {
            self.asm.mov_rr(w, Gpr::RAX, source);
            self.asm.alu_rr(w, Alu::Sub, Gpr::RAX, Gpr::RDX);
            self.asm.shift_ri(w, ShiftOp::Shr, Gpr::RAX, 1);
            self.asm.alu_rr(w, Alu::Add, Gpr::RDX, Gpr::RAX);
        }
        if by.shift > 0 {
            self.asm.shift_ri(w, ShiftOp::Shr, Gpr::RDX, by.shift);
        }
    }

    /// rdx = `source` / d, signed, d > 0.
    fn high_product_signed(&mut self, by: Signed64, source: Gpr) {
        let w = Width::W64;
        self.asm.mov_ri(Gpr::RAX, by.multiplier);
        self.asm.unary(w, Unary::Imul, source);
        self.asm.alu_rr(w, Alu::Add, Gpr::RDX, source);
        self.asm.shift_ri(w, ShiftOp::Sar, Gpr::RDX, by.shift);
        self.asm.mov_rr(w, Gpr::RAX, source);
        self.asm.shift_ri(w, ShiftOp::Sar, Gpr::RAX, 63);
        self.asm.alu_rr(w, Alu::Sub, Gpr::RDX, Gpr::RAX);
    }
}
