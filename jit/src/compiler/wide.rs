//! Wide arithmetic: 128-bit sums and differences, and products of 64-bit integers, as two 64-bit halves.

use super::parts::Compiler;
use super::values::{At, Reg, Value};
use crate::abi::{Gpr, SCRATCH};
use crate::asm::{Alu, Unary, Width};
use heapwood_gc_abi::{Mutant, Narrow, active};
use heapwood_module::ValType::I64;

/// Registers that a sum takes if none of its operands is in memory: the result's are not theirs.
const WIDE_SUM_GPRS: u32 = 6;

/// The sum or the difference.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum WideSum {
    Add,
    Sub,
}

impl WideSum {
    /// On the low halves, then on the high halves with the carry.
    fn forms(self) -> (Alu, Alu) {
        match self {
            WideSum::Add if active(Mutant::CarryLost) => (Alu::Add, Alu::Add),
            WideSum::Add => (Alu::Add, Alu::Adc),
            WideSum::Sub => (Alu::Sub, Alu::Sbb),
        }
    }

    fn fold(self, a: u128, b: u128) -> u128 {
        match self {
            WideSum::Add => a.wrapping_add(b),
            WideSum::Sub => a.wrapping_sub(b),
        }
    }
}

fn joined(low: &Value, high: &Value) -> Option<u128> {
    Some(low.constant()? as u128 | (high.constant()? as u128) << 64)
}

impl Compiler<'_> {
    /// `i64.add128`, `i64.sub128`: low and high half of the left operand, then of the right one.
    pub(crate) fn wide_sum(&mut self, sum: WideSum) {
        if self.values.unpinned(false) < WIDE_SUM_GPRS {
            self.values.spill_top(self.asm, 2);
        }
        let (mut right_high, mut right_low) = (self.pop(), self.pop());
        let (mut high, mut low) = (self.pop(), self.pop());
        if let (Some(a), Some(b)) = (joined(&low, &high), joined(&right_low, &right_high)) {
            return self.push_wide_const(sum.fold(a, b));
        }
        let low = self.owned(&mut low);
        self.keep_locked(&[&high, &right_low, &right_high]);
        let high = self.owned(&mut high);
        // Between the two steps nothing may touch the carry: loads are moves, constants go through `mov`.
        let (first, second) = sum.forms();
        self.apply_alu(I64, first, low.as_gpr(), &mut right_low);
        self.apply_alu(I64, second, high.as_gpr(), &mut right_high);
        self.release_value(&right_low);
        self.release_value(&right_high);
        self.push_reg(I64, low);
        self.push_reg(I64, high);
    }

    /// `i64.mul_wide_s`, `i64.mul_wide_u`.
    pub(crate) fn wide_product(&mut self, signed: bool) {
        self.vacate_division_registers();
        let (mut right, mut left) = (self.pop(), self.pop());
        if let (Some(a), Some(b)) = (left.constant(), right.constant()) {
            let unsigned = a as u128 * b as u128;
            let product = if signed {
                (i128::from(a.cast_signed()) * i128::from(b.cast_signed())).cast_unsigned()
            } else {
                unsigned
            };
            return self.push_wide_const(product);
        }
        let (rax, rdx) = (Reg::gpr(Gpr::RAX), Reg::gpr(Gpr::RDX));
        if right.reg() == Some(rax) {
            std::mem::swap(&mut left, &mut right);
        }
        // A factor in rdx may stay there: the product replaces it only when it was read.
        let factor = match right.reg() {
            Some(reg) if reg != rax => reg.as_gpr(),
            _ => {
                self.load_value(Reg::gpr(SCRATCH), &right);
                self.release_value(&right);
                SCRATCH
            }
        };
        if left.at != At::Temp(rax) {
            self.load_value(rax, &left);
            self.release_value(&left);
        }
        self.release_value(&right);
        self.values.claim(rax);
        self.values.claim(rdx);
        self.asm.unary(Width::W64, if signed { Unary::Imul } else { Unary::Mul }, factor);
        self.push_reg(I64, rax);
        self.push_reg(I64, rdx);
    }

    fn push_wide_const(&mut self, value: u128) {
        for half in [value & u128::from(u64::MAX), value >> 64] {
            self.push_const(I64, half.narrow());
        }
    }
}
