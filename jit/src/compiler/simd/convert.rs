//! Conversions between integer and float lanes. Out of range, the hardware answers 0x80000000.

use super::super::parts::Compiler;
use super::S;
use super::float::Predicate;
use crate::asm::Vex;

const TWO_TO_31: f32 = 2147483648.0;

impl Compiler<'_> {
    /// Saturates, and makes NaN 0: NaN is cleared, and the answer for what is too large is complemented.
    pub(crate) fn v_trunc_f32_signed(&mut self) {
        let mut value = self.pop();
        let bound = self.literal(TWO_TO_31.to_le_bytes());
        let src = self.in_xmm(&mut value);
        let dst = self.result_of(&[&value]);
        self.asm.rvmi(Vex::VCMPPS, S, src, src, Predicate::Eq as u8);
        self.asm.rvm(Vex::VANDPS, dst, src, S);
        self.asm.rvmi(Vex::VCMPPS, S, dst, bound, Predicate::Ge as u8);
        self.asm.rm(Vex::VCVTTPS2DQ, dst, dst);
        self.asm.rvm(Vex::VPXOR, dst, dst, S);
        self.push_vector(dst);
    }

    /// Saturates, and makes NaN 0: the result is the number converted as a signed one (2^31 if it is too large for
    /// that), plus what goes beyond 2^31, saturated to [0, 2^31 - 1].
    pub(crate) fn v_trunc_f32_unsigned(&mut self) {
        let mut value = self.pop();
        let bound = self.literal(TWO_TO_31.to_le_bytes());
        let src = self.in_xmm(&mut value);
        let rest = self.take_xmm();
        let dst = self.result_of(&[&value]);
        self.asm.rvm(Vex::VXORPS, S, S, S);
        self.asm.rvm(Vex::VMAXPS, dst, src, S);
        self.asm.rvm(Vex::VSUBPS, rest, dst, bound);
        self.asm.rvmi(Vex::VCMPPS, S, rest, bound, Predicate::Ge as u8);
        self.asm.rm(Vex::VCVTTPS2DQ, rest, rest);
        self.asm.rvm(Vex::VPXOR, rest, rest, S);
        self.asm.rvm(Vex::VPXOR, S, S, S);
        self.asm.rvm(Vex::VPMAXSD, rest, rest, S);
        self.asm.rm(Vex::VCVTTPS2DQ, dst, dst);
        self.asm.rvm(Vex::VPADDD, dst, dst, rest);
        self.push_vector(dst);
    }

    /// Saturates, and makes NaN 0: takes the minimum with 2^31 - 1, or with 0 for NaN. For numbers that are too small
    /// the hardware's answer is right.
    pub(crate) fn v_trunc_f64_signed(&mut self) {
        let mut value = self.pop();
        let greatest = self.literal((i32::MAX as f64).to_le_bytes());
        let src = self.in_xmm(&mut value);
        let dst = self.result_of(&[&value]);
        self.asm.rvmi(Vex::VCMPPD, S, src, src, Predicate::Eq as u8);
        self.asm.rvm(Vex::VANDPD, S, S, greatest);
        self.asm.rvm(Vex::VMINPD, dst, src, S);
        self.asm.rm(Vex::VCVTTPD2DQ, dst, dst);
        self.push_vector(dst);
    }

    /// Saturates, and makes NaN 0: an integer below 2^32 is the low bits of its sum with 2^52.
    pub(crate) fn v_trunc_f64_unsigned(&mut self) {
        let mut value = self.pop();
        let greatest = self.literal((u32::MAX as f64).to_le_bytes());
        let two_to_52 = self.literal((2f64.powi(52)).to_le_bytes());
        let src = self.in_xmm(&mut value);
        let dst = self.result_of(&[&value]);
        self.asm.rvm(Vex::VXORPS, S, S, S);
        self.asm.rvm(Vex::VMAXPD, dst, src, S);
        self.asm.rvm(Vex::VMINPD, dst, dst, greatest);
        self.asm.rmi(Vex::VROUNDPD, dst, dst, 3 | 8);
        self.asm.rvm(Vex::VADDPD, dst, dst, two_to_52);
        self.asm.rvmi(Vex::VSHUFPS, dst, dst, S, 0x88);
        self.push_vector(dst);
    }

    /// Words become the last bits of 2^23 and of 2^39 (lower and upper); the sum without both powers rounds once.
    pub(crate) fn v_convert_f32_unsigned(&mut self) {
        let mut value = self.pop();
        let lower = self.literal((2f32.powi(23)).to_le_bytes());
        let upper = self.literal((2f32.powi(39)).to_le_bytes());
        let both = self.literal((2f32.powi(39) + 2f32.powi(23)).to_le_bytes());
        let src = self.in_xmm(&mut value);
        let dst = self.result_of(&[&value]);
        // The odd words come from the literal.
        self.asm.rvmi(Vex::VPBLENDW, S, src, lower, 0xaa);
        self.asm.vmi(Vex::VPSRLD_IMM, dst, src, 16);
        self.asm.rvmi(Vex::VPBLENDW, dst, dst, upper, 0xaa);
        self.asm.rvm(Vex::VSUBPS, dst, dst, both);
        self.asm.rvm(Vex::VADDPS, dst, dst, S);
        self.push_vector(dst);
    }

    /// The low dwords become the last bits of 2^52.
    pub(crate) fn v_convert_f64_unsigned(&mut self) {
        let mut value = self.pop();
        let exponent = self.literal([0, 0, 0x30, 0x43]);
        let two_to_52 = self.literal((2f64.powi(52)).to_le_bytes());
        let src = self.in_xmm(&mut value);
        let dst = self.result_of(&[&value]);
        self.asm.rvm(Vex::VPUNPCKLDQ, dst, src, exponent);
        self.asm.rvm(Vex::VSUBPD, dst, dst, two_to_52);
        self.push_vector(dst);
    }
}
