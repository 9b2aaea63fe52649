//! Whole vectors of bits: selection, complement, and what becomes of them in integer registers.

use super::super::parts::Compiler;
use super::super::values::Reg;
use super::{Order, S};
use crate::asm::{Cond, Vex, Width};
use heapwood_module::ValType::I32;

impl Compiler<'_> {
    pub(crate) fn v_not(&mut self) {
        let mut value = self.pop();
        let src = self.vector(&mut value);
        let dst = self.result_of(&[&value]);
        self.all_ones();
        self.asm.rvm(Vex::VPXOR, dst, S, src);
        self.push_vector(dst);
    }

    /// The complement of `op(a, b)`.
    pub(crate) fn v_binary_not(&mut self, op: Vex, order: Order) {
        let (left, right, dst) = self.pop_two(order);
        self.asm.rvm(op, dst, left, right);
        self.all_ones();
        self.asm.rvm(Vex::VPXOR, dst, dst, S);
        self.push_vector(dst);
    }

    fn all_ones(&mut self) {
        self.asm.rvm(Vex::VPCMPEQD, S, S, S);
    }

    /// The first operand's bits where the mask has ones, the second's elsewhere.
    pub(crate) fn v_bitselect(&mut self) {
        let (mut mask, mut second, mut first) = (self.pop(), self.pop(), self.pop());
        let (ones, zeros) = (self.vector(&mut first), self.vector(&mut second));
        let by = self.in_xmm(&mut mask);
        let dst = self.result_of(&[&mask, &second, &first]);
        self.asm.rvm(Vex::VPAND, S, by, ones);
        self.asm.rvm(Vex::VPANDN, dst, by, zeros);
        self.asm.rvm(Vex::VPOR, dst, dst, S);
        self.push_vector(dst);
    }

    // ---- answers as integers

    pub(crate) fn v_any_true(&mut self) {
        let mut value = self.pop();
        let src = self.in_xmm(&mut value);
        self.asm.rm(Vex::VPTEST, src, src);
        self.release_value(&value);
        self.push_condition(Cond::Ne);
    }

    /// Whether no lane is zero; `equal` is the lanes' comparison.
    pub(crate) fn v_all_true(&mut self, equal: Vex) {
        let mut value = self.pop();
        let src = self.vector(&mut value);
        self.asm.rvm(Vex::VPXOR, S, S, S);
        self.asm.rvm(equal, S, S, src);
        self.asm.rm(Vex::VPTEST, S, S);
        self.release_value(&value);
        self.push_condition(Cond::E);
    }

    /// The sign bits of the lanes.
    pub(crate) fn v_bitmask(&mut self, op: Vex) {
        let mut value = self.pop();
        let src = self.in_xmm(&mut value);
        let dst = self.result_reg(I32, None, &[]);
        self.asm.mask(op, dst.as_gpr(), src);
        self.push_result(I32, dst);
    }

    /// The sign bits of words, for which there is no instruction: saturated to bytes, they keep their signs.
    pub(crate) fn v_bitmask_words(&mut self) {
        let mut value = self.pop();
        let src = self.in_xmm(&mut value);
        let dst: Reg = self.result_reg(I32, None, &[]);
        self.asm.rvm(Vex::VPACKSSWB, S, src, src);
        self.asm.mask(Vex::VPMOVMSKB, dst.as_gpr(), S);
        self.asm.movzx(Width::W8, dst.as_gpr(), dst.as_gpr());
        self.push_result(I32, dst);
    }
}
