//! Float lanes: rounding, signs, minima and maxima, comparisons, multiply-add.

use super::super::float::Rounding;
use super::super::parts::Compiler;
use super::S;
use crate::asm::Vex;

/// The instructions of a float lane type that sequences use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Lanes {
    add: Vex,
    subtract: Vex,
    multiply: Vex,
    least: Vex,
    greatest: Vex,
    or: Vex,
    and: Vex,
    compare: Vex,
    select: Vex,
    round: Vex,
}

pub(crate) const F32X4: Lanes = Lanes {
    add: Vex::VADDPS,
    subtract: Vex::VSUBPS,
    multiply: Vex::VMULPS,
    least: Vex::VMINPS,
    greatest: Vex::VMAXPS,
    or: Vex::VORPS,
    and: Vex::VANDPS,
    compare: Vex::VCMPPS,
    select: Vex::VBLENDVPS,
    round: Vex::VROUNDPS,
};

pub(crate) const F64X2: Lanes = Lanes {
    add: Vex::VADDPD,
    subtract: Vex::VSUBPD,
    multiply: Vex::VMULPD,
    least: Vex::VMINPD,
    greatest: Vex::VMAXPD,
    or: Vex::VORPD,
    and: Vex::VANDPD,
    compare: Vex::VCMPPD,
    select: Vex::VBLENDVPD,
    round: Vex::VROUNDPD,
};

/// Predicates of `vcmpps` and `vcmppd`; only "not equal" and "unordered" hold for NaN.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Predicate {
    Eq = 0,
    Lt = 1,
    Le = 2,
    Unordered = 3,
    Ne = 4,
    Ge = 13,
    Gt = 14,
}

impl Compiler<'_> {
    pub(crate) fn v_float_compare(&mut self, lanes: Lanes, predicate: Predicate) {
        self.v_binary_imm(lanes.compare, predicate as u8);
    }

    /// Rounds to integers, inexact results without an exception.
    pub(crate) fn v_round(&mut self, lanes: Lanes, rounding: Rounding) {
        self.v_unary_imm(lanes.round, rounding as u8 | 8);
    }

    /// The hardware's minimum is its second operand where they are equal (zeros of both signs!) or unordered. Both
    /// orders together make the zeros right: `or` keeps a minus, `and` drops it. NaN comes from the sum, as the
    /// hardware makes it: quiet, and canonical if the operands' NaNs are.
    pub(crate) fn v_min_max(&mut self, lanes: Lanes, max: bool) {
        let (mut rhs, mut lhs) = (self.pop(), self.pop());
        let (right, left) = (self.in_xmm(&mut rhs), self.in_xmm(&mut lhs));
        let ordered = self.take_xmm();
        let dst = self.result_of(&[&lhs, &rhs]);
        let (pick, merge) = if max { (lanes.greatest, lanes.and) } else { (lanes.least, lanes.or) };
        self.asm.rvm(pick, S, left, right);
        self.asm.rvm(pick, ordered, right, left);
        self.asm.rvm(merge, ordered, ordered, S);
        self.asm.rvmi(lanes.compare, S, left, right, Predicate::Unordered as u8);
        self.asm.rvm(lanes.add, dst, left, right);
        self.asm.rvmr(lanes.select, dst, ordered, dst, S);
        self.push_vector(dst);
    }

    /// `a * b + c`, or `-(a * b) + c`, rounded twice.
    pub(crate) fn v_multiply_add(&mut self, lanes: Lanes, negate: bool) {
        let (mut addend, mut rhs, mut lhs) = (self.pop(), self.pop(), self.pop());
        let sum = self.in_xmm(&mut addend);
        let right = self.vector(&mut rhs);
        let left = self.in_xmm(&mut lhs);
        let dst = self.result_of(&[&addend, &lhs, &rhs]);
        self.asm.rvm(lanes.multiply, S, left, right);
        if negate {
            self.asm.rvm(lanes.subtract, dst, sum, S);
        } else {
            self.asm.rvm(lanes.add, dst, sum, S);
        }
        self.push_vector(dst);
    }
}
