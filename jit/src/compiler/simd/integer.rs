//! Integer lanes: comparisons, absolute values, products and sums of pairs.

use super::super::parts::Compiler;
use super::{Order, S};
use crate::abi::Xmm;
use crate::asm::Vex;
use heapwood_gc_abi::Narrow;

/// Which half of a vector is widened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Half {
    Low,
    High,
}

/// Selects dwords 2 and 3 into the lower half.
const UPPER_TO_LOWER: u8 = 0xee;

impl Compiler<'_> {
    // ---- comparisons

    /// `a <= b` as `min(a, b) == a`; `>=` with the maximum. The complements are `>` and `<`.
    pub(crate) fn v_compare_by(&mut self, pick: Vex, equal: Vex, complement: bool) {
        let (left, right, dst) = self.pop_two(Order::Fixed);
        self.asm.rvm(pick, S, left, right);
        self.asm.rvm(equal, dst, S, left);
        if complement {
            self.asm.rvm(Vex::VPCMPEQD, S, S, S);
            self.asm.rvm(Vex::VPXOR, dst, dst, S);
        }
        self.push_vector(dst);
    }

    // ---- signs

    pub(crate) fn v_negate(&mut self, subtract: Vex) {
        let mut value = self.pop();
        let src = self.vector(&mut value);
        let dst = self.result_of(&[&value]);
        self.asm.rvm(Vex::VPXOR, S, S, S);
        self.asm.rvm(subtract, dst, S, src);
        self.push_vector(dst);
    }

    /// Absolute values: selects the negated lane where the sign of the lane says that it is negative.
    pub(crate) fn v_abs_quads(&mut self) {
        let mut value = self.pop();
        let src = self.in_xmm(&mut value);
        let dst = self.result_of(&[&value]);
        self.asm.rvm(Vex::VPXOR, S, S, S);
        self.asm.rvm(Vex::VPSUBQ, S, S, src);
        self.asm.rvmr(Vex::VBLENDVPD, dst, src, S, src);
        self.push_vector(dst);
    }

    // ---- bits of bytes

    /// Counts bits: both halves of each byte are looked up in a table of 16 counts.
    pub(crate) fn v_popcnt_bytes(&mut self) {
        let mut value = self.pop();
        let src = self.in_xmm(&mut value);
        let counts: [u8; 16] = std::array::from_fn(|i| i.count_ones().narrow());
        let (table, low) = (self.literal(counts), self.literal([0x0f]));
        let counted = self.take_xmm();
        let dst = self.result_of(&[&value]);
        self.asm.rm(Vex::VMOVUPS, counted, table);
        self.asm.rvm(Vex::VPAND, S, src, low);
        self.asm.rvm(Vex::VPSHUFB, S, counted, S);
        self.asm.vmi(Vex::VPSRLW_IMM, dst, src, 4);
        self.asm.rvm(Vex::VPAND, dst, dst, low);
        self.asm.rvm(Vex::VPSHUFB, dst, counted, dst);
        self.asm.rvm(Vex::VPADDB, dst, dst, S);
        self.push_vector(dst);
    }

    // ---- products

    /// Products of 64-bit lanes: the product of the low halves plus, 32 bits up, the two mixed products.
    pub(crate) fn v_mul_quads(&mut self) {
        let (mut rhs, mut lhs) = (self.pop(), self.pop());
        let (right, left) = (self.in_xmm(&mut rhs), self.in_xmm(&mut lhs));
        let mixed = self.take_xmm();
        let dst = self.result_of(&[&lhs, &rhs]);
        self.asm.vmi(Vex::VPSRLQ_IMM, mixed, left, 32);
        self.asm.rvm(Vex::VPMULUDQ, mixed, mixed, right);
        self.asm.vmi(Vex::VPSRLQ_IMM, S, right, 32);
        self.asm.rvm(Vex::VPMULUDQ, S, S, left);
        self.asm.rvm(Vex::VPADDQ, mixed, mixed, S);
        self.asm.vmi(Vex::VPSLLQ_IMM, mixed, mixed, 32);
        self.asm.rvm(Vex::VPMULUDQ, dst, left, right);
        self.asm.rvm(Vex::VPADDQ, dst, dst, mixed);
        self.push_vector(dst);
    }

    /// `i16x8.q15mulr_sat_s`. The hardware rounds as it should; only -1 * -1 does not fit and comes out as -1, so that
    /// result is complemented.
    pub(crate) fn v_q15mulr(&mut self) {
        let (left, right, dst) = self.pop_two(Order::Commutes);
        let least = self.literal(i16::MIN.to_le_bytes());
        self.asm.rvm(Vex::VPMULHRSW, dst, left, right);
        self.asm.rvm(Vex::VPCMPEQW, S, dst, least);
        self.asm.rvm(Vex::VPXOR, dst, dst, S);
        self.push_vector(dst);
    }

    /// Products of bytes: both halves widened first.
    pub(crate) fn v_extmul_bytes(&mut self, half: Half, widen: Vex) {
        let (mut rhs, mut lhs) = (self.pop(), self.pop());
        let (right, left) = (self.vector(&mut rhs), self.vector(&mut lhs));
        let dst = self.result_of(&[&lhs, &rhs]);
        for (to, from) in [(S, left), (dst, right)] {
            if half == Half::High {
                self.asm.rmi(Vex::VPSHUFD, to, from, UPPER_TO_LOWER);
                self.asm.rm(widen, to, to);
            } else {
                self.asm.rm(widen, to, from);
            }
        }
        self.asm.rvm(Vex::VPMULLW, dst, S, dst);
        self.push_vector(dst);
    }

    /// Products of words: lower and upper halves of all of them, interleaved.
    pub(crate) fn v_extmul_words(&mut self, multiply_high: Vex, interleave: Vex) {
        let (left, right, dst) = self.pop_two(Order::Commutes);
        self.asm.rvm(Vex::VPMULLW, S, left, right);
        self.asm.rvm(multiply_high, dst, left, right);
        self.asm.rvm(interleave, dst, S, dst);
        self.push_vector(dst);
    }

    /// Products of dwords: the instruction multiplies the even ones.
    pub(crate) fn v_extmul_dwords(&mut self, half: Half, multiply: Vex) {
        let (mut rhs, mut lhs) = (self.pop(), self.pop());
        let (right, left) = (self.vector(&mut rhs), self.vector(&mut lhs));
        let dst = self.result_of(&[&lhs, &rhs]);
        let evens = if half == Half::Low { 0x50 } else { 0xfa };
        self.asm.rmi(Vex::VPSHUFD, S, left, evens);
        self.asm.rmi(Vex::VPSHUFD, dst, right, evens);
        self.asm.rvm(multiply, dst, S, dst);
        self.push_vector(dst);
    }

    // ---- wider lanes

    /// The upper half widened.
    pub(crate) fn v_extend_high(&mut self, widen: Vex) {
        let mut value = self.pop();
        let src = self.vector(&mut value);
        let dst = self.result_of(&[&value]);
        self.asm.rmi(Vex::VPSHUFD, dst, src, UPPER_TO_LOWER);
        self.asm.rm(widen, dst, dst);
        self.push_vector(dst);
    }

    /// Sums of pairs of signed bytes: of their products with ones, which are the operand that is taken as unsigned.
    pub(crate) fn v_extadd_bytes_signed(&mut self) {
        let mut value = self.pop();
        let ones = self.literal([1]);
        let src = self.vector(&mut value);
        let dst = self.result_of(&[&value]);
        self.asm.rm(Vex::VMOVUPS, S, ones);
        self.asm.rvm(Vex::VPMADDUBSW, dst, S, src);
        self.push_vector(dst);
    }

    /// Sums of pairs of unsigned words.
    pub(crate) fn v_extadd_words_unsigned(&mut self) {
        let mut value = self.pop();
        let low = self.literal([0xff, 0xff, 0, 0]);
        let src = self.in_xmm(&mut value);
        let dst = self.result_of(&[&value]);
        self.asm.vmi(Vex::VPSRLD_IMM, S, src, 16);
        self.asm.rvm(Vex::VPAND, dst, src, low);
        self.asm.rvm(Vex::VPADDD, dst, dst, S);
        self.push_vector(dst);
    }

    /// Sums of two products of signed bytes, wrapping.
    pub(crate) fn v_dot_bytes(&mut self) {
        let (mut rhs, mut lhs) = (self.pop(), self.pop());
        let (right, left) = (self.in_xmm(&mut rhs), self.in_xmm(&mut lhs));
        let odd = self.take_xmm();
        let dst = self.result_of(&[&lhs, &rhs]);
        self.dot_bytes(dst, left, right, odd);
        self.push_vector(dst);
    }

    /// Sums of pairs of those sums, added to an accumulator.
    pub(crate) fn v_dot_bytes_add(&mut self) {
        let (mut addend, mut rhs, mut lhs) = (self.pop(), self.pop(), self.pop());
        let ones = self.literal([1, 0]);
        let sum = self.vector(&mut addend);
        let (right, left) = (self.in_xmm(&mut rhs), self.in_xmm(&mut lhs));
        let odd = self.take_xmm();
        let dst = self.result_beside(&[&addend]);
        self.dot_bytes(dst, left, right, odd);
        self.asm.rvm(Vex::VPMADDWD, dst, dst, ones);
        self.asm.rvm(Vex::VPADDD, dst, dst, sum);
        self.push_vector(dst);
    }

    /// Extends odd bytes by shifting them down and even ones by shifting them up and down, multiplies them as words,
    /// and adds the products.
    fn dot_bytes(&mut self, dst: Xmm, left: Xmm, right: Xmm, odd: Xmm) {
        self.asm.vmi(Vex::VPSRAW_IMM, odd, left, 8);
        self.asm.vmi(Vex::VPSRAW_IMM, S, right, 8);
        self.asm.rvm(Vex::VPMULLW, odd, odd, S);
        self.asm.vmi(Vex::VPSLLW_IMM, S, left, 8);
        self.asm.vmi(Vex::VPSLLW_IMM, dst, right, 8);
        self.asm.vmi(Vex::VPSRAW_IMM, S, S, 8);
        self.asm.vmi(Vex::VPSRAW_IMM, dst, dst, 8);
        self.asm.rvm(Vex::VPMULLW, dst, dst, S);
        self.asm.rvm(Vex::VPADDW, dst, dst, odd);
    }
}
